"""Contracts for the blocks of pandas' frames: which columns their rows are.

Rules that hold here:

* Nothing is imported here: what comes to a check has been made by pandas, so that it is loaded.
* Pandas writes the number of a block where the block says that its columns are, without a look whether that is inside:
  so the places of a block are no less than none, as many as its rows, and inside of the frame that it comes into.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .library_parts import LibraryState, has_state, is_array, is_exactly, is_one, length, waits
from .parts import Args, is_int

__all__ = ["BLOCK_CALLS", "BLOCK_STATES"]

_MOST = 2**31


def _unpickle_block(args: Args) -> str | None:
    if len(args) != 3 or type(args[2]) is not int:
        return "wants values, their columns and how many dimensions"
    values, places, dimensions = args
    count = _count(places)
    if count < 0:
        return "its columns are no slice or array of places"
    if waits(values):
        return "its values wait for their data"
    if not is_array(values) and not is_one(values, "pandas.api.extensions", "ExtensionArray"):
        # Rows of a matrix are matrices, which compiled code takes for rows.
        return "its values are no array of numpy's own class, and none of pandas'"
    if dimensions != 2 or not is_array(values) or values.ndim != 2:
        return None  # how many columns its own arrays are is asked when there is a block of them
    return None if count == len(values) else "its columns are not as many as its rows"


def _count(places: Any) -> int:
    """Return how many places there are, -1 for what is none or has some below zero."""
    if type(places) is slice:
        named = _range_of(places)
        return -1 if named is None else len(named)
    if not is_array(places) or places.ndim != 1 or places.dtype.kind not in "iu":
        return -1
    return int(places.size) if not places.size or int(places.min()) >= 0 else -1


def _range_of(places: slice) -> range | None:
    """Return the places that a slice names, None for one that pandas would not write or that has some below zero.

    It writes places that go down as well, and a stop beyond the frame: of three columns, two are ``slice(0, 4, 2)``.
    """
    start, stop, step = _plain(places.start), _plain(places.stop), 1 if places.step is None else _plain(places.step)
    if not is_int(start, 0, _MOST) or not is_int(step, -_MOST, _MOST) or step == 0:
        return None
    if step < 0 and stop is None:
        return range(start, -1, step)
    # One below zero would be counted from the end.
    if not is_int(stop, 0, _MOST) or (stop < start if step > 0 else stop > start):
        return None
    return range(start, stop, step)


def _plain(bound: Any) -> Any:
    """Return a bound of a slice; what a pivot gives has some of numpy's."""
    return int(bound) if is_exactly(bound, "numpy", "int64") else bound


def _end_of(places: Any) -> int:
    """Return the first place beyond those of a block that was made."""
    if type(places) is slice:
        named = _range_of(places)
        if named is None:
            return _MOST
        return max(named[0], named[-1]) + 1 if named else 0
    return int(places.max()) + 1 if places.size else 0


def _manager(args: Args) -> str | None:
    if len(args) != 2 or type(args[0]) is not tuple or type(args[1]) is not list or len(args[1]) != 2:
        return "wants blocks, and the names of columns and rows"
    if not is_one(args[1][0], "pandas", "Index"):
        return "wants blocks, and the names of columns and rows"
    width = len(args[1][0])
    for block in args[0]:
        if not is_one(block, "pandas.core.internals.blocks", "Block"):
            return "a block that is none"
        if _end_of(block.mgr_locs.indexer) > width or len(block.mgr_locs) != block.shape[0]:
            return "a block says that it is a column that is not there"
    return None


def _series_manager_state(obj: Any, state: Any) -> str | None:  # noqa: ARG001
    """Pandas takes it that a series has as many values as its index, and does not look."""
    extra = state[3] if type(state) is tuple and len(state) == 4 else None
    parts = extra.get("0.14.1") if type(extra) is dict else None
    if type(parts) is not dict or parts.keys() != {"axes", "blocks"}:
        return "wants an index and a block"
    axes, blocks = parts["axes"], parts["blocks"]
    if type(axes) is not list or type(blocks) is not list or len(axes) != 1 or len(blocks) != 1:
        return "wants an index and a block"
    block = blocks[0]
    if not is_one(axes[0], "pandas", "Index") or type(block) is not dict or block.keys() != {"values", "mgr_locs"}:
        return "wants an index and a block"
    values = block["values"]
    if waits(values) or not (is_array(values) or is_one(values, "pandas.api.extensions", "ExtensionArray")):
        return "its values are no array, or wait for their data"
    if _count(block["mgr_locs"]) < 0:
        return "its place is no slice or array of places"
    return None if length(values) == length(axes[0]) >= 0 else "its values are not as many as its index says"


#: What state the instances may be given.
BLOCK_STATES: Mapping[tuple[str, str], LibraryState] = MappingProxyType(
    {
        ("pandas.core.internals.managers", "SingleBlockManager"): (
            _series_manager_state, has_state, "values that are fewer than an index says", "found here"
        ),
    }
)  # fmt: skip

#: What the callables may be given: the check, what it stops, and where that is from.
BLOCK_CALLS: Mapping[tuple[str, str], tuple[Callable[[Args], str | None], str, str]] = MappingProxyType(
    {
        ("pandas._libs.internals", "_unpickle_block"): (_unpickle_block, "columns outside of a frame", "found here"),
        ("pandas.core.internals.managers", "BlockManager"): (_manager, "columns outside of a frame", "found here"),
    }
)
