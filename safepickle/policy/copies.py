"""What pandas and pyarrow copy or read of the arrays that they are given, in bytes.

Any number of calls may share one array, at a few bytes of the stream for each; what each of them makes of it is its own
(D16). An array that is taken as it is costs nothing here.

Rules that hold here:

* Nothing is imported here, and no code of the data runs: arrays are told by the class, found in what is loaded.
* Nothing recurses on what it is given: two levels are looked at, as deep as any of these callables looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .library_parts import is_array, is_one
from .parts import Args

__all__ = ["COPIES", "COPYING_CALLS", "READ", "copied_of_frame", "read_of_state", "refuse_nothing"]

COPIES = "copies of what any number of calls may share"
#: So many bytes that are only read, to be compared with something, are paid for as one that is copied.
READ = 16
#: Bytes of a text as an object, of however few characters.
_OBJECT = 64
#: More items than any limit lets in.
_MOST = 2**50


def _size(value: Any) -> int:
    """Return the bytes of an array, of ints as pandas keeps them at least, or of a list."""
    if is_array(value):
        return int(max(value.nbytes, 8 * value.size))
    return 8 * len(value) if type(value) in (list, tuple) else 0


def _sizes(values: Any) -> int:
    """Return the bytes of what is among some values, or in a list among them."""
    total = 0
    for value in values:
        total += _size(value)
        if type(value) in (list, tuple):
            total += sum(map(_size, value))
    return total


def _made_anew(array: Any) -> int:
    """Return the bytes of what pandas makes of an array that it does not take as it is: of times, objects and texts."""
    if not is_array(array):
        return 0
    kind = array.dtype.kind
    if kind in "SU":
        return int(array.nbytes) + _OBJECT * int(array.size)
    return int(array.nbytes) if kind in "mMO" else 0


def _of_index(value: Any) -> int:
    """Return the bytes of the numbers of an index, or of an array of periods: a range has none until it is asked."""
    if is_one(value, "pandas", "Index") or is_one(value, "pandas.arrays", "PeriodArray"):
        return 8 * min(len(value), _MOST)
    return 0


def _copied_by_index(args: Args) -> int:
    """Return what an index makes of its data, or one of several levels of their codes."""
    fields = args[1]
    if "data" not in fields:
        return _sizes(fields.values())
    # By another frequency than their own, periods are made anew.
    return _made_anew(fields["data"]) + (_of_index(fields["data"]) if "freq" in fields else 0)


def _copied_by_intervals(args: Args) -> int:
    """Return what intervals make of where they begin and end: of ranges, all that is in them (D15)."""
    if len(args) < 2 or type(args[1]) is not dict:
        return 0
    return _sizes(args[1].values()) + sum(map(_of_index, args[1].values()))


def _copied_by_block(args: Args) -> int:
    return (_made_anew(args[0]) if args else 0) + sum(map(_size, args[1:]))


def _copied_by_places(args: Args) -> int:
    return sum(map(_size, args))


def _read_by_arrow(args: Args) -> int:
    _, length, _, _, buffers, _, _ = args[0]
    if len(buffers) < 2:
        # What is null has no memory, however many: whoever walks it would not come to an end.
        return 8 * int(min(length, _MOST))
    return sum(int(buffer.size) for buffer in buffers if buffer is not None) // READ


def read_of_state(state: Any) -> int:
    """Return what it weighs to compare the numbers in a state with what they point into."""
    if type(state) is dict:
        return _sizes(state.values()) // READ
    return _sizes(state) // READ if type(state) is tuple else 0


def copied_of_frame(state: Any) -> int:
    """Return the bytes of what a frame or a series copies of its state: of its attributes a dict of its own."""
    total = 0
    if type(state) is dict:
        for value in state.values():
            kind = type(value)
            if kind is dict or kind is set or kind is frozenset:
                total += 48 * len(value)
            elif kind is list or kind is tuple:
                total += 8 * len(value)
    return total


def refuse_nothing(args: Args) -> str | None:  # noqa: ARG001
    """Take any arguments: what is to be said of these callables is what they copy."""
    return None


#: What is copied or read by calls, and nothing is refused unless :mod:`.libraries` does.
COPYING_CALLS: Mapping[tuple[str, str], Callable[[Args], int]] = MappingProxyType(
    {
        ("pyarrow.lib", "_restore_array"): _read_by_arrow,
        ("pandas.core.indexes.base", "_new_Index"): _copied_by_index,
        ("pandas.core.indexes.interval", "_new_IntervalIndex"): _copied_by_intervals,
        ("pandas._libs.internals", "_unpickle_block"): _copied_by_block,
        ("pandas._libs.sparse", "IntIndex"): _copied_by_places,
    }
)
