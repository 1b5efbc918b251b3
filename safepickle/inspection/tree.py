"""The inert tree: what a pickle asks for, as plain records, with nothing imported and nothing called.

Rules that hold here:

* ``inspect`` runs the machine that ``loads`` runs (S1), with the same limits, and says the same of malformed input. A
  tree says what a stream asks for, not whether that is harmless: only a load under a policy decides that.
* Sharing and cycles of the stream are sharing and cycles of the tree: it is a graph of Python objects. Whoever walks it
  uses :meth:`Tree.walk`, which visits each object once and does not recurse, however deep or cyclic the tree is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..decoding.budget import Budget
from ..decoding.machine import Machine
from ..decoding.session import run, run_whole
from ..limits import DEFAULT_LIMITS, Limits
from ..policy.rules import PLAIN, Policy, Right
from ..wire.source import as_bytes, open_source
from .recording import RecordingGate
from .records import Buffer, Call, Global, Operation, PersistentId

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .paths import Place

__all__ = ["Buffer", "Call", "Global", "Operation", "PersistentId", "Tree", "inspect"]

_put = object.__setattr__


class Tree:
    """What a pickle asks for. Immutable but for the built-in containers in ``value``.

    :ivar value: built-in values as themselves, everything else as records.
    :ivar globals: all globals that the stream names, in its order.
    :ivar calls: all calls and instances in the order of the stream, those too that it drops again.
    :ivar referred: pairs of the globals that appear as values, with the position where they first do.
    :ivar strays: what the stream does to objects that are no instances (BUILD on a list, say), which is never allowed.
    :ivar protocol: what PROTO says, 0 where there is none.
    :ivar opcodes: opcodes carried out.
    :ivar bytes: length of the pickle.
    """

    __slots__ = (
        "buffers", "bytes", "calls", "globals", "opcodes", "persistent_ids", "protocol", "referred", "strays", "value",
    )  # fmt: skip

    value: Any
    globals: tuple[Global, ...]
    calls: tuple[Call, ...]
    referred: Mapping[tuple[str, str], int]
    strays: tuple[tuple[Any, Operation], ...]
    persistent_ids: tuple[PersistentId, ...]
    buffers: tuple[Buffer, ...]
    protocol: int
    opcodes: int
    bytes: int

    def __init__(self, value: Any, gate: Any, machine: Any) -> None:
        _put(self, "value", value)
        _put(self, "globals", tuple(gate.on_record.values()))
        _put(self, "calls", gate.freeze())
        _put(self, "referred", dict(gate.referred))
        _put(self, "strays", tuple(gate.strays))
        _put(self, "persistent_ids", tuple(gate.persistent_ids))
        _put(self, "buffers", tuple(gate.out_of_band))
        _put(self, "protocol", machine.protocol)
        _put(self, "opcodes", machine.opcodes)
        _put(self, "bytes", machine.offset + machine.position)

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing but built-in values: then ``value`` is what ``loads`` gives."""
        return not (self.calls or self.persistent_ids or self.buffers or self.strays or self.needs())

    def nameless(self) -> tuple[Call, ...]:
        """Return the calls of what is no global of the stream, which no policy allows."""
        return tuple(call for call in self.calls if type(call.callee) is not Global)

    def walk(self) -> Iterator[Place]:
        """Yield each object that can be reached from ``value`` once, nearest first, with its place."""
        from .paths import walk

        return walk(self.value)

    def path_of(self, obj: Any) -> str | None:
        """Return the shortest path to an object of the tree, such as ``root['model'].steps[1]``; None if dropped."""
        from .paths import find_paths

        return find_paths(self.value, [obj]).get(id(obj))

    def shared(self) -> tuple[Any, ...]:
        """Return the containers and records that stand in more than one place; every cycle goes through one."""
        from .paths import shared

        return shared(self.value)

    def needs(self) -> dict[tuple[str, str], Right]:
        """Return the rights that a policy has to grant, by global: the least under which ``loads`` could succeed."""
        from .needs import needs

        return needs(self)

    def uses(self) -> list[tuple[tuple[str, str], Right, int]]:
        """Return each use of a global: its pair, the right that it takes, and the position."""
        from .needs import uses

        return [(pair, right, position) for pair, right, position, _ in uses(self)]

    def as_json(self) -> dict[str, Any]:
        """Return the tree as what JSON can hold; see :mod:`safepickle.inspection.documents`."""
        from .documents import tree_document

        return tree_document(self)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Tree is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Tree is immutable")

    def __repr__(self) -> str:
        return f"<Tree of {self.bytes} bytes: {len(self.globals)} globals, {len(self.calls)} calls>"


def inspect(
    data: Any,
    /,
    *,
    fix_imports: bool = True,
    encoding: str = "ASCII",
    errors: str = "strict",
    policy: Policy = PLAIN,
    limits: Limits = DEFAULT_LIMITS,
) -> Tree:
    """Return what a pickle asks for. Nothing is imported, called, set or fetched.

    :param data: one pickle, bytes-like, or a binary file, which is left right behind it.
    :param fix_imports: rename Python 2 globals in pickles of protocols 0 to 2.
    :param encoding: codec for Python 2 str, or ``"bytes"`` to leave them bytes.
    :param errors: that codec's error handler.
    :param policy: its aliases and limits hold; what it allows makes no difference.
    :param limits: how much is allowed, the tree itself included.
    :raises FormatError: if *data* is not a well-formed pickle; at the same place as ``loads``.
    :raises LimitError: if a limit would be exceeded.
    """
    if type(encoding) is not str or type(errors) is not str:
        raise TypeError("encoding and errors must be str")
    if type(limits) is not Limits:
        raise TypeError(f"limits must be Limits, not {type(limits).__name__}")
    if not isinstance(policy, Policy):
        raise TypeError(f"policy must be a Policy, not {type(policy).__name__}")
    is_file = hasattr(data, "read")
    gate = RecordingGate(policy, Budget(policy.within(limits)), bool(fix_imports))
    content, source = (b"", open_source(data)) if is_file else (as_bytes(data), None)
    machine = Machine(content, source, gate, encoding, errors, gate.buffers())
    value = run(machine) if is_file else run_whole(machine)
    return Tree(value, gate, machine)
