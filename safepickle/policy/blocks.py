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

from .library_parts import is_array, is_one
from .parts import Args

__all__ = ["BLOCK_CALLS"]

_MOST = 2**31


def _unpickle_block(args: Args) -> str | None:
    if len(args) != 3 or type(args[2]) is not int:
        return "wants values, their columns and how many dimensions"
    values, places, dimensions = args
    count = _count(places)
    if count < 0:
        return "its columns are no slice or array of places"
    if dimensions != 2:
        return None
    if not is_array(values) or values.ndim != 2:
        return None  # how many columns its own arrays are is asked when there is a block of them
    return None if count == len(values) else "its columns are not as many as its rows"


def _count(places: Any) -> int:
    """Return how many places there are, -1 for what is none or has some below zero."""
    if type(places) is slice:
        start, stop, step = places.start, places.stop, places.step
        step = 1 if step is None else step
        if type(start) is not int or type(stop) is not int or type(step) is not int:
            return -1
        return len(range(start, stop, step)) if 0 <= start <= stop < _MOST and 0 < step < _MOST else -1
    if not is_array(places) or places.ndim != 1 or places.dtype.kind not in "iu":
        return -1
    return int(places.size) if not places.size or int(places.min()) >= 0 else -1


def _manager(args: Args) -> str | None:
    if len(args) != 2 or type(args[0]) is not tuple or type(args[1]) is not list or len(args[1]) != 2:
        return "wants blocks, and the names of columns and rows"
    if not is_one(args[1][0], "pandas", "Index"):
        return "wants blocks, and the names of columns and rows"
    width = len(args[1][0])
    for block in args[0]:
        if not is_one(block, "pandas.core.internals.blocks", "Block"):
            return "a block that is none"
        places = block.mgr_locs.indexer
        end = places.stop if type(places) is slice else int(places.max()) + 1 if places.size else 0
        if end > width or len(block.mgr_locs) != block.shape[0]:
            return "a block says that it is a column that is not there"
    return None


#: What the callables may be given: the check, what it stops, and where that is from.
BLOCK_CALLS: Mapping[tuple[str, str], tuple[Callable[[Args], str | None], str, str]] = MappingProxyType(
    {
        ("pandas._libs.internals", "_unpickle_block"): (_unpickle_block, "columns outside of a frame", "found here"),
        ("pandas.core.internals.managers", "BlockManager"): (_manager, "columns outside of a frame", "found here"),
    }
)
