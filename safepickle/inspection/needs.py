"""Needs: the least rights under which a pickle could be loaded, found from its inert tree.

Rules that hold here:

* What is needed is what the deciding gate would ask for, opcode by opcode; a test holds the two together on every
  attack and every real file. A right that is not used is not needed.
* This says what a stream *asks* for. Whether it should be given that is for people and policies to decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..decoding.emulated import EMULATED
from ..policy.contracts import CONTRACTS, HARMLESS_FACTORIES
from ..policy.rules import Right
from .records import Call, Global

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .tree import Tree

__all__ = ["needs", "uses"]

Pair = tuple[str, str]

_FACTORIES = frozenset(HARMLESS_FACTORIES)


def needs(tree: Tree) -> dict[Pair, Right]:
    """Return the rights that the globals of a tree need, by pair, in the order of the stream."""
    found: dict[Pair, Right] = {record.pair: Right(0) for record in tree.globals}
    for pair, right, _, _ in uses(tree):
        found[pair] |= right
    return {pair: right for pair, right in found.items() if right}


def uses(tree: Tree) -> Iterator[tuple[Pair, Right, int, Any]]:
    """Yield each use of a global: its pair, the right, the position, and the record that it is used for."""
    records = {record.pair: record for record in tree.globals}
    for pair, position in tree.referred.items():
        yield pair, Right.REFER, position, records[pair]
    used = {*tree.referred, *(call.callee.pair for call in tree.calls if type(call.callee) is Global)}
    for record in tree.globals:
        if record.pair not in used and record.pair not in EMULATED:
            # Named and not used, or the class around a nested one: some rule has to name it.
            yield record.pair, Right.REFER, record.position, record
    for call in tree.calls:
        callee = call.callee
        if type(callee) is not Global:
            continue
        if not _is_bare_object(call):
            yield callee.pair, Right[call.right.upper()], call.position, call
        factory = _called_later(call)
        if factory is not None:
            yield factory.pair, Right.CALL, call.position, call
        for operation in call.operations:
            yield callee.pair, Right[operation.right.upper()], operation.position, call


def _is_bare_object(call: Call) -> bool:
    """Return whether this is ``object()``, which the machine makes without a rule."""
    bare = call.right == "new" and call.args == () and not call.kwargs and call.base is None
    return bare and call.callee.pair == ("builtins", "object")


def _called_later(call: Call) -> Global | None:
    """Return the factory among a call's arguments that the made object will call, if that takes a right."""
    contract = CONTRACTS.get(call.callee.pair)
    if contract is None or contract.calls_later is None or type(call.args) is not tuple:
        return None
    if contract.calls_later >= len(call.args):
        return None
    factory = call.args[contract.calls_later]
    return factory if type(factory) is Global and factory.pair not in _FACTORIES else None
