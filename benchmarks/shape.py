"""What a shape of data is, and when two values of one are the same.

Rules:
- A shape says all that is needed to measure it: how it is made, under which policy it loads, which library it takes,
  and whether its buffers travel out of band.
- Values are compared by what they hold, never by what a codec wrote.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN: Final = "plain"
INSTANCES: Final = "instances"
REAL: Final = "real"
#: The groups, each with its own tables and geometric mean.
GROUPS: Final = (PLAIN, INSTANCES, REAL)


@dataclass(frozen=True, slots=True)
class Shape:
    """One row: what is measured, and what the policy must allow for it."""

    name: str
    about: str
    make: Callable[[int], object]
    count: int
    group: str = PLAIN
    classes: tuple[type[Any], ...] = ()
    packs: tuple[str, ...] = ()
    #: Whether two values are the same, where == does not say.
    same: Callable[[Any, Any], object] = operator.eq
    #: The library that makes it.
    needs: str | None = None
    #: Written with protocol 5 and a `buffer_callback`: a pair of bytes and buffers.
    out_of_band: bool = False
    #: Only the collector frees it: how often it comes by within a sample decides, so that samples must be long.
    is_cyclic: bool = False

    def build(self, scale: float) -> object:
        """Make the data, `scale` times the usual number of items."""
        return self.make(max(1, round(self.count * scale)))


def unmet(shape: Shape) -> str | None:
    """Return the library that a shape takes and that is not installed, or None."""
    return shape.needs if shape.needs is not None and find_spec(shape.needs) is None else None


def same_graph(one: object, other: object) -> bool:
    """Say whether two values of lists, tuples, dicts and leaves are the same, with the same parts shared."""
    partner: dict[int, int] = {}
    open_pairs: list[tuple[Any, Any]] = [(one, other)]
    while open_pairs:
        left, right = open_pairs.pop()
        if type(left) is not type(right):
            return False
        if not isinstance(left, list | tuple | dict):
            if left != right:
                return False
            continue
        if id(left) in partner:
            if partner[id(left)] != id(right):
                return False
            continue
        partner[id(left)] = id(right)
        if len(left) != len(right):
            return False
        if isinstance(left, dict):
            if list(left) != list(right):
                return False
            open_pairs.extend(zip(left.values(), right.values(), strict=True))
        else:
            open_pairs.extend(zip(left, right, strict=True))
    return len(set(partner.values())) == len(partner)
