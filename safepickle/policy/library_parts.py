"""What contracts for libraries that are built on numpy have in common: classes, plain arrays, indices within bounds.

Rules that hold here:

* Nothing is imported here: what comes to a check has been made by the library, so that it is loaded.
* Attributes are read only from classes of the libraries themselves, found by identity.
"""

from __future__ import annotations

import sys
from typing import Any

from .arrays import is_placeholder

__all__ = ["class_of", "has_state", "index_array", "is_one", "lie_within", "number_array", "plain_array"]

#: Items of an array that are looked at one by one.
_FEW = 64


def class_of(module: str, name: str) -> Any:
    """Return a class of a module that is loaded, or None."""
    return getattr(sys.modules.get(module), name, None)


def is_one(value: Any, module: str, name: str) -> bool:
    """Say whether a value is an instance of a library's class, or of one derived from it."""
    wanted = class_of(module, name)
    return wanted is not None and issubclass(type(value), wanted)


def plain_array(value: Any, kinds: str = "iuf") -> Any:
    """Return a plain array that has its data, or None."""
    numpy = sys.modules.get("numpy")
    if numpy is None or type(value) is not numpy.ndarray or value.dtype.kind not in kinds or is_placeholder(value):
        return None
    return value


def lie_within(array: Any, low: int, high: int) -> bool:
    """Say whether all items of an array of ints lie from *low* up to, not including, *high*."""
    size = array.size
    if 0 < size <= _FEW and array.ndim == 1 and array.dtype.kind in "iu":
        # Of so few numpy's own reductions take several times as long.
        items = array.tolist()
        return bool(low <= min(items) and max(items) < high)
    return bool(size == 0 or (array.min() >= low and array.max() < high))


def has_state(value: Any) -> bool:
    """Say whether an instance has attributes by now."""
    return bool(object.__getattribute__(value, "__dict__"))


def index_array(value: Any) -> Any:
    """Return an array of ints with signs, which may be one that waits for its data, or None."""
    numpy = sys.modules.get("numpy")
    return value if numpy is not None and type(value) is numpy.ndarray and value.dtype.kind == "i" else None


def number_array(value: Any) -> Any:
    """Return an array of numbers, likewise."""
    numpy = sys.modules.get("numpy")
    return value if numpy is not None and type(value) is numpy.ndarray and value.dtype.kind in "biufc" else None
