"""What contracts for numpy and what is built on it have in common: classes, arrays, indices within bounds.

Rules that hold here:

* Nothing is imported here: what comes to a check has been made by the library, so that it is loaded.
* Attributes are read only from classes of the libraries themselves, found by identity.
* Of a library that is not loaded nothing is an instance.
"""

from __future__ import annotations

import sys
from _thread import _local  # threading.local; the module takes longer to import
from collections.abc import Callable
from typing import Any

__all__ = [
    "LibraryState",
    "are_as_many",
    "array_of",
    "class_of",
    "has_state",
    "index_array",
    "is_array",
    "is_class_of",
    "is_dtype",
    "is_exactly",
    "is_int",
    "is_one",
    "is_placeholder",
    "length",
    "lie_within",
    "number_array",
    "of_what_is_written",
    "plain_array",
    "waits",
]

#: Of a contract for state: the check of object and state, whether no state may be given any more, what it stops, and
#: where that is from.
LibraryState = tuple[Callable[[Any, Any], str | None], Callable[[Any], bool] | None, str, str]


class _Written(_local):
    """Whether what is looked at is there already, and no pickle will change it."""

    now = False


_written = _Written()
#: Items of an array that are looked at one by one.
_FEW = 64


# ---- classes -----------------------------------------------------------------------------------------------


def class_of(module: str, name: str) -> Any:
    """Return a class of a module that is loaded, or None."""
    return getattr(sys.modules.get(module), name, None)


def is_one(value: Any, module: str, name: str) -> bool:
    """Say whether a value is an instance of a library's class, or of one derived from it."""
    wanted = class_of(module, name)
    return wanted is not None and issubclass(type(value), wanted)


def is_exactly(value: Any, module: str, name: str) -> bool:
    """Say whether a value is an instance of a library's class itself."""
    return type(value) is class_of(module, name)


def is_class_of(value: Any, module: str, name: str) -> bool:
    """Say whether a value is a library's class, or one derived from it."""
    wanted = class_of(module, name)
    return wanted is not None and issubclass(type(value), type) and issubclass(value, wanted)


def has_state(value: Any) -> bool:
    """Say whether an instance has attributes by now."""
    return bool(object.__getattribute__(value, "__dict__"))


def length(value: Any) -> int:
    """Return how many items an array of one dimension has, of numpy's or of pandas', or -1 for anything else."""
    try:
        shape = value.shape
    except Exception:  # noqa: BLE001 (pandas' own code, asked for an array that has no state or no such)
        return -1
    return shape[0] if type(shape) is tuple and len(shape) == 1 and type(shape[0]) is int else -1


# ---- arrays ------------------------------------------------------------------------------------------------


def is_dtype(value: Any) -> bool:
    """Say whether a value is a dtype."""
    return is_one(value, "numpy", "dtype")


def is_array(value: Any) -> bool:
    """Say whether a value is an array of numpy's own class, which may wait for its data."""
    return type(value) is class_of("numpy", "ndarray")


def is_placeholder(array: Any) -> bool:
    """Say whether an array waits for its state: it has the very dtype that all share, and one of a pickle is a copy."""
    return bool(array.size == 0 and array.dtype is class_of("numpy", "dtype")("b")) and not _written.now


def of_what_is_written(ask: Callable[..., str | None], *what: Any) -> str | None:
    """Return what a contract has against what a program writes: none of its arrays waits, whatever its dtype."""
    _written.now = True
    try:
        return ask(*what)
    finally:
        _written.now = False


def waits(value: Any) -> bool:
    """Say whether a value is an array without its data, of numpy's or of pandas' own.

    One of numpy's may be given more items than whoever made something of it has seen, and of one of pandas' compiled
    code reads what is not there.
    """
    if is_one(value, "numpy", "ndarray"):
        return is_placeholder(value)
    backed = class_of("pandas._libs.arrays", "NDArrayBacked")
    return backed is not None and issubclass(type(value), backed) and backed.__dict__["_ndarray"].__get__(value) is None


def array_of(value: Any, kinds: str) -> Any:
    """Return an array of some kinds of items, which may be one that waits for its data, or None."""
    return value if is_array(value) and value.dtype.kind in kinds else None


def index_array(value: Any) -> Any:
    """Return an array of ints with signs that has its data, or None: it could get any places behind the check."""
    return plain_array(value, "i")


def number_array(value: Any) -> Any:
    """Return an array of numbers, likewise."""
    return array_of(value, "biufc")


def is_int(value: Any) -> bool:
    """Say whether a value is an int, Python's own or one of numpy: nothing that is equal to one now and not later."""
    return type(value) is int or is_one(value, "numpy", "integer")


def are_as_many(one: Any, other: Any) -> bool:
    """Say whether two values are the same number."""
    return is_int(one) and is_int(other) and bool(one == other)


def plain_array(value: Any, kinds: str = "iuf") -> Any:
    """Return an array of some kinds of items that has a length and its data, or None."""
    array = array_of(value, kinds)
    return None if array is None or array.ndim == 0 or is_placeholder(array) else array


def lie_within(array: Any, low: int, high: int) -> bool:
    """Say whether all items of an array of ints lie from *low* up to, not including, *high*."""
    size = array.size
    if 0 < size <= _FEW and array.ndim == 1 and array.dtype.kind in "iu":
        # Of so few numpy's own reductions take several times as long.
        items = array.tolist()
        return bool(low <= min(items) and max(items) < high)
    return bool(size == 0 or (array.min() >= low and array.max() < high))
