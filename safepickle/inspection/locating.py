"""Locating: denials, with their places in the inert tree.

Rules that hold here:

* A denial is matched with the record by what both know: the position of the opcode, or else the global.
* What is in no value has a path of its own, :data:`DROPPED`: the stream would have it made, and then drops it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .paths import DROPPED, find_paths

if TYPE_CHECKING:
    from ..errors import Denial
    from .tree import Tree

__all__ = ["with_paths"]


def with_paths(denials: tuple[Denial, ...], tree: Tree) -> tuple[Denial, ...]:
    """Return the denials with the paths that the tree has for them."""
    done = _by_position(tree)
    named = {record.pair: record for record in tree.globals}
    wanted = [done.get((denial.position, denial.right), named.get(denial.pair)) for denial in denials]
    paths = find_paths(tree.value, [record for record in wanted if record is not None])
    return tuple(
        denial if record is None else denial._replace(path=paths.get(id(record), DROPPED))
        for denial, record in zip(denials, wanted, strict=True)
    )


def _by_position(tree: Tree) -> dict[tuple[int | None, str], Any]:
    """Return the records by the position at which something was done to them, and the right that this takes."""
    done: dict[tuple[int | None, str], Any] = {}
    for call in tree.calls:
        done[call.position, "call"] = done[call.position, "new"] = call
        for operation in call.operations:
            done[operation.position, operation.right] = call
    for obj, operation in tree.strays:
        done[operation.position, operation.right] = obj
    return done
