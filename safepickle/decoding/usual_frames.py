# cython: annotation_typing=False
"""What pandas writes for frames, indexes and their arrays, seen without asking the contracts.

A load and a dump ask the same of it, but whether an object has its state already.

Rules that hold here:

* This only ever says yes where the contract of :mod:`safepickle.policy.libraries` says yes; what is anything but plain
  goes to the contract. A test holds the two together.
* Remembered are classes of pandas alone, for one load or dump, and compared by identity or by what they derive from,
  without asking their own classes.
* Codes of categories are looked at one by one, through the buffer protocol, from an exact array of numpy.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

import sys
from typing import Any

from ..policy.contracts import CONTRACTS
from ..policy.copies import copied_of_frame, read_of_state
from ..policy.libraries import LIBRARY_STATES

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

__all__ = ["FRAME_STATES", "UsualFrames", "usual_frame_call"]

#: What is called.
BACKED_CALL, INDEX_CALL = 201, 202
#: What is given state: arrays of pandas, dtypes of categories, frames and series.
BACKED, CATEGORIES, FRAME = 11, 12, 13

_BACKED_CALL: Any = CONTRACTS["pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"]
_INDEX_CALL: Any = CONTRACTS["pandas.core.indexes.base", "_new_Index"]
#: By the check of a contract itself.
FRAME_STATES: dict[Any, int] = {
    LIBRARY_STATES["pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"][0]: BACKED,
    LIBRARY_STATES["pandas", "CategoricalDtype"][0]: CATEGORIES,
    LIBRARY_STATES["pandas", "DataFrame"][0]: FRAME,
}
_MODULES: Any = sys.modules
#: What indexes are made from, but those of several levels, and of a dtype that may not be their data's; what arrays of
#: pandas have beside their data, and frames.
_INDEX_FIELDS = frozenset("data name copy names start stop step freq tz closed left right ordinal".split())
_BACKED_FIELDS = frozenset({"_cache", "_freq", "_readonly"})
#: Where a range may begin and end.
_FARTHEST = 2**61
_FRAME_FIELDS = frozenset({"_mgr", "_data", "_typ", "_metadata", "attrs", "_flags", "_name", "name"})

if not cython.compiled:
    # The leaves: what the compiled form has in C.
    generic_getattr = object.__getattribute__
    is_subtype = issubclass

    def codes_lie_within(codes: Any, count: int) -> bool:
        """Return whether an array has ints in C order that are -1 or point to one of so many categories."""
        view = memoryview(codes)
        if not view.c_contiguous or view.ndim not in (1, 2) or view.itemsize not in (1, 2, 4, 8):
            return False
        raw, width = view.tobytes(), view.itemsize
        found = (
            int.from_bytes(raw[start : start + width], sys.byteorder, signed=True)
            for start in range(0, len(raw), width)
        )
        return all(-1 <= number < count for number in found)


def usual_frame_call(contract: Any) -> int:
    """Return which of the calls that are known here a contract is for, 0 for none."""
    if contract is _BACKED_CALL:
        return BACKED_CALL
    return INDEX_CALL if contract is _INDEX_CALL else 0


class UsualFrames:
    """What one load or dump has to do with pandas."""

    def __init__(self) -> None:
        self.ndarray: Any = getattr(_MODULES.get("numpy"), "ndarray", None)
        #: The classes of pandas, once they were asked for: by the last one it is seen that all are known.
        self.index: Any = None
        self.levels: Any = None
        self.periods: Any = None
        self.intervals: Any = None
        self.categorical: Any = None
        self.categories: Any = None
        self.manager: Any = None
        self.backed: Any = None

    def _knows_pandas(self) -> bool:
        """Return whether the classes of pandas are there."""
        if self.backed is not None:
            return True
        pandas = _MODULES.get("pandas")
        self.index = getattr(pandas, "Index", None)
        self.levels = getattr(pandas, "MultiIndex", None)
        self.periods = getattr(pandas, "PeriodIndex", None)
        self.intervals = getattr(pandas, "IntervalIndex", None)
        self.categorical = getattr(pandas, "Categorical", None)
        self.categories = getattr(pandas, "CategoricalDtype", None)
        self.manager = getattr(_MODULES.get("pandas.core.internals.managers"), "BaseBlockManager", None)
        backed = getattr(_MODULES.get("pandas._libs.arrays"), "NDArrayBacked", None)
        known = self.index, self.levels, self.periods, self.intervals, self.categorical, self.categories, self.manager
        for kind in (*known, backed):
            if not isinstance(kind, type):
                return False
        if self.ndarray is None:
            return False
        self.backed = backed
        return True

    def fits_frame_call(self, which: int, args: tuple[Any, ...]) -> bool:
        """Return whether the contract of a call surely takes these arguments."""
        if not self._knows_pandas() or not args or not is_subtype(type(args[0]), type):
            return False
        if which == BACKED_CALL:
            return len(args) == 3 and type(args[1]) is int and args[2] is None and is_subtype(args[0], self.backed)
        if which != INDEX_CALL or len(args) != 2 or type(args[1]) is not dict:
            return False
        if not is_subtype(args[0], self.index) or is_subtype(args[0], self.levels):
            return False
        # What these make of their data depends on what that is: the contract knows.
        if is_subtype(args[0], self.periods) or is_subtype(args[0], self.intervals):
            return False
        fields: dict[Any, Any] = args[1]
        if not _has_only(fields, _INDEX_FIELDS):
            return False
        if "data" in fields:
            return True
        return _is_bound(fields.get("start")) and _is_bound(fields.get("stop")) and _is_bound(fields.get("step"))

    def fits_frame_state(self, which: int, obj: Any, state: Any) -> bool:
        """Return whether the contract surely lets an object have a state."""
        if not self._knows_pandas():
            return False
        if which == BACKED:
            return type(state) is tuple and self._fits_backed(obj, state)
        if type(state) is not dict:
            return False
        if which == CATEGORIES:
            return True
        if which != FRAME or not _has_only(state, _FRAME_FIELDS):
            return False
        return is_subtype(type(state.get("_mgr", state.get("_data"))), self.manager)

    def weigh_frame_state(self, which: int, obj: Any, state: Any) -> int:
        """Return what the contract takes a state to weigh, -1 where it may be one that the object must not have."""
        if not self.fits_frame_state(which, obj, state):
            return -1
        if which == BACKED:
            return read_of_state(state)
        return copied_of_frame(state) if which == FRAME else 0

    def has_frame_state(self, which: int, obj: Any) -> bool:
        """Return whether an object may have its state, and then gets no other. A frame may get another one."""
        if which == BACKED:
            # Whether it has its data is for the contract to see; here only what surely has none.
            if not self._knows_pandas() or not is_subtype(type(obj), self.backed):
                return True
            return self.backed.__dict__["_ndarray"].__get__(obj) is not None
        return which == CATEGORIES and bool(generic_getattr(obj, "__dict__"))

    def _fits_backed(self, obj: Any, state: tuple[Any, ...]) -> bool:
        count = len(state)
        if count != 2 and (count != 3 or type(state[2]) is not dict or not _has_only(state[2], _BACKED_FIELDS)):
            return False
        array, dtype = state[0], state[1]
        if type(array) is not self.ndarray:
            array, dtype = dtype, array
        # One without items may wait for its state.
        if type(array) is not self.ndarray or array.size == 0:
            return False
        # What other arrays of pandas hold depends on their class: the contract knows.
        if not is_subtype(type(obj), self.categorical) or type(dtype) is not self.categories:
            return False
        levels: Any = getattr(dtype, "categories", None)
        if not is_subtype(type(levels), self.index):
            return False
        kind = array.dtype
        if kind.kind != "i" or kind.isnative is not True:
            return False
        return codes_lie_within(array, len(levels))


def _is_bound(number: Any) -> bool:
    return number is None or (type(number) is int and -_FARTHEST <= number <= _FARTHEST)


def _has_only(fields: dict[Any, Any], names: frozenset[str]) -> bool:
    """Return whether all keys are exact text and among some names."""
    for name in fields:  # noqa: SIM110 (a loop in C)
        if type(name) is not str or name not in names:
            return False
    return True
