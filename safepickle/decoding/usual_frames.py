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
from ..policy.copies import READ, copied_of_frame
from ..policy.labels import are_texts
from ..policy.libraries import BACKED_KEYS, FARTHEST, FRAME_KEYS, LIBRARY_STATES

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

__all__ = ["FRAME_STATES", "UsualFrames", "usual_frame_call"]

#: What is called.
BACKED_CALL, INDEX_CALL, BLOCK_CALL, MANAGER_CALL = 201, 202, 203, 204
#: What is given state: arrays of pandas, dtypes of categories, frames and series, columns of Arrow.
BACKED, CATEGORIES, FRAME, COLUMN = 11, 12, 13, 14

_BACKED_CALL: Any = CONTRACTS["pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"]
_INDEX_CALL: Any = CONTRACTS["pandas.core.indexes.base", "_new_Index"]
_BLOCK_CALL: Any = CONTRACTS["pandas._libs.internals", "_unpickle_block"]
_MANAGER_CALL: Any = CONTRACTS["pandas.core.internals.managers", "BlockManager"]
#: By the check of a contract itself.
FRAME_STATES: dict[Any, int] = {
    LIBRARY_STATES["pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"][0]: BACKED,
    LIBRARY_STATES["pandas", "CategoricalDtype"][0]: CATEGORIES,
    LIBRARY_STATES["pandas", "DataFrame"][0]: FRAME,
    LIBRARY_STATES["pandas.arrays", "ArrowStringArray"][0]: COLUMN,
}
_MODULES: Any = sys.modules
#: What indexes are nearly always made from.
_INDEX_FIELDS = frozenset({"data", "name", "start", "stop", "step"})
#: Blocks of pandas' own; the later ones are those of pandas 2.0.
_BLOCKS = (
    "NumpyBlock", "ExtensionBlock", "NDArrayBackedExtensionBlock", "DatetimeLikeBlock",
    "NumericBlock", "ObjectBlock", "DatetimeTZBlock",
)  # fmt: skip
#: Places of a block, as many as the contract lets there be, and dtypes of what arrays of times and spans hold.
_MOST_PLACES = 2**31
_TIMES = frozenset(code + unit for code in ("<M8", ">M8") for unit in ("[s]", "[ms]", "[us]", "[ns]"))
_SPANS = frozenset(time.replace("M", "m") for time in _TIMES)
#: The contract's own.
_BACKED_FIELDS, _FRAME_FIELDS, _FARTHEST, _READ = BACKED_KEYS, FRAME_KEYS, FARTHEST, READ

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
    if contract is _INDEX_CALL:
        return INDEX_CALL
    if contract is _BLOCK_CALL:
        return BLOCK_CALL
    return MANAGER_CALL if contract is _MANAGER_CALL else 0


class UsualFrames:
    """What one load or dump has to do with pandas."""

    def __init__(self) -> None:
        self.ndarray: Any = getattr(_MODULES.get("numpy"), "ndarray", None)
        self.dtypes: Any = getattr(_MODULES.get("numpy"), "dtype", None)
        #: The classes of pandas, once they were asked for: by the last one it is seen that all are known.
        self.index: Any = None
        self.levels: Any = None
        self.periods: Any = None
        self.intervals: Any = None
        self.categorical: Any = None
        self.categories: Any = None
        self.manager: Any = None
        self.backed: Any = None
        #: Those that hold times, spans of time and texts, and dtypes of the first and the last; None for no such class.
        self.times: Any = None
        self.spans: Any = None
        self.texts: Any = None
        self.zoned: Any = None
        self.texts_dtype: Any = None
        #: The classes of columns of Arrow, and of blocks, of pandas' own.
        self.columns: Any = None
        self.blocks: Any = None

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
        arrays = _MODULES.get("pandas.arrays")
        self.times = getattr(arrays, "DatetimeArray", None)
        self.spans = getattr(arrays, "TimedeltaArray", None)
        self.texts = getattr(arrays, "StringArray", None)
        self.zoned = getattr(pandas, "DatetimeTZDtype", None)
        self.texts_dtype = getattr(pandas, "StringDtype", None)
        self.columns = tuple([getattr(arrays, name, None) for name in ("ArrowStringArray", "ArrowExtensionArray")])
        blocks = _MODULES.get("pandas.core.internals.blocks")
        self.blocks = tuple([getattr(blocks, name, None) for name in _BLOCKS])
        self.backed = backed
        return True

    def fits_frame_call(self, which: int, args: tuple[Any, ...]) -> bool:
        """Return whether the contract of a call surely takes these arguments."""
        if not self._knows_pandas() or not args:
            return False
        if which == BLOCK_CALL:
            return self._fits_block(args)
        if which == MANAGER_CALL:
            return self._fits_manager(args)
        if not is_subtype(type(args[0]), type):
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
        if not _has_only(fields, _INDEX_FIELDS) or not _is_plain_name(fields.get("name")):
            return False
        if "data" in fields:
            return self._is_ready(fields["data"])
        return _is_bound(fields.get("start")) and _is_bound(fields.get("stop")) and _is_bound(fields.get("step"))

    def _is_ready(self, data: Any) -> bool:
        """Return whether data are an array that surely does not wait for its own."""
        if type(data) is self.ndarray:
            return bool(data.size != 0)
        for own in self.columns:
            if type(data) is own:
                return True
        return is_subtype(type(data), self.backed) and self.backed.__dict__["_ndarray"].__get__(data) is not None

    def weigh_frame_call(self, which: int, args: tuple[Any, ...]) -> int:
        """Return what the contract takes a call to weigh, -1 where it is to be asked."""
        if not self._knows_pandas() or not args:
            return -1
        if which == BLOCK_CALL:
            for arg in args[1:]:
                if type(arg) is not int and type(arg) is not slice:
                    return -1
            return self._made_anew(args[0])
        if which != INDEX_CALL or len(args) != 2 or type(args[1]) is not dict:
            return -1
        fields: dict[Any, Any] = args[1]
        if "freq" in fields:
            return -1
        if "data" in fields:
            return self._made_anew(fields["data"])
        for value in fields.values():
            if value is not None and type(value) is not int and type(value) is not str:
                return -1
        return 0

    def _made_anew(self, array: Any) -> int:
        """Return the bytes of what pandas makes of an array that it does not take as it is; -1 for the contract's."""
        if type(array) is not self.ndarray:
            return 0
        kind: str = array.dtype.kind
        if kind == "S" or kind == "U":
            return -1
        size: int = array.nbytes
        return size if kind == "m" or kind == "M" or kind == "O" else 0

    def _fits_block(self, args: tuple[Any, ...]) -> bool:
        """Return whether the places of a block, written as a slice, are as many as its rows."""
        if len(args) != 3 or type(args[2]) is not int or type(args[1]) is not slice:
            return False
        places: Any = args[1]
        if type(places.start) is not int or type(places.stop) is not int or type(places.step) is not int:
            return False
        if not 0 <= places.start <= places.stop < _MOST_PLACES or not 0 < places.step < _MOST_PLACES:
            return False
        values: Any = args[0]
        if args[2] != 2:
            return self._is_ready(values)
        if type(values) is self.ndarray and values.ndim == 2:
            start: int = places.start
            stop: int = places.stop
            step: int = places.step
            return len(values) == (stop - start + step - 1) // step
        return self._is_ready(values)

    def _fits_manager(self, args: tuple[Any, ...]) -> bool:
        """Return whether blocks of pandas' own, their places written as slices, are inside of a frame."""
        if len(args) != 2 or type(args[0]) is not tuple or type(args[1]) is not list or len(args[1]) != 2:
            return False
        columns: Any = args[1][0]
        if not is_subtype(type(columns), self.index):
            return False
        width = len(columns)
        for block in args[0]:
            if not self._is_own_block(type(block)):
                return False
            placement: Any = generic_getattr(block, "_mgr_locs")
            places: Any = placement.indexer
            if type(places) is not slice or type(places.start) is not int or type(places.step) is not int:
                return False
            count: int = len(placement)
            start: int = places.start
            step: int = places.step
            if step <= 0 or start + (count - 1) * step >= width or count != block.shape[0]:
                return False
        return True

    def _is_own_block(self, kind: type) -> bool:
        for own in self.blocks:  # noqa: SIM110 (a loop in C)
            if kind is own:
                return True
        return False

    def fits_frame_state(self, which: int, obj: Any, state: Any) -> bool:
        """Return whether the contract surely lets an object have a state."""
        if not self._knows_pandas():
            return False
        if which == BACKED:
            return type(state) is tuple and self._fits_backed(obj, state)
        if type(state) is not dict:
            return False
        if which != FRAME:
            return which in (CATEGORIES, COLUMN)
        if not _has_only(state, _FRAME_FIELDS):
            return False
        if not _is_plain_name(state.get("_name")) or not _is_plain_name(state.get("name")):
            return False
        if type(state.get("attrs", {})) is not dict or type(state.get("_flags", {})) is not dict:
            return False
        if not are_texts(state.get("_metadata", [])):
            return False
        return is_subtype(type(state.get("_mgr", state.get("_data"))), self.manager)

    def weigh_frame_state(self, which: int, obj: Any, state: Any) -> int:
        """Return what the contract takes a state to weigh, -1 where it may be one that the object must not have."""
        if not self.fits_frame_state(which, obj, state):
            return -1
        if which == BACKED:
            # What is read of its numbers, to compare them with what they point into.
            array: Any = state[0] if type(state[0]) is self.ndarray else state[1]
            size: int = max(array.nbytes, 8 * array.size)
            return size // _READ
        return copied_of_frame(state) if which == FRAME else 0

    def has_frame_state(self, which: int, obj: Any) -> bool:
        """Return whether an object may have its state, and then gets no other."""
        if which == BACKED:
            # Whether it has its data is for the contract to see; here only what surely has none.
            if not self._knows_pandas() or not is_subtype(type(obj), self.backed):
                return True
            return self.backed.__dict__["_ndarray"].__get__(obj) is not None
        return bool(generic_getattr(obj, "__dict__"))

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
        if type(obj) is self.times or type(obj) is self.spans or type(obj) is self.texts:
            return (array.ndim == 1 or array.ndim == 2) and self._holds(type(obj), array.dtype, dtype)
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

    def _holds(self, kind: type, held: Any, dtype: Any) -> bool:
        """Return whether an array of times, spans or texts may hold items of a dtype, and call them so."""
        if kind is self.texts:
            return held.char == "O" and type(dtype) is self.texts_dtype
        if held.str not in (_TIMES if kind is self.times else _SPANS):
            return False
        if kind is self.times and type(dtype) is self.zoned:
            return True
        return is_subtype(type(dtype), self.dtypes) and dtype == held


def _is_plain_name(name: Any) -> bool:
    return name is None or type(name) is str


def _is_bound(number: Any) -> bool:
    return number is None or (type(number) is int and -_FARTHEST <= number <= _FARTHEST)


def _has_only(fields: dict[Any, Any], names: frozenset[str]) -> bool:
    """Return whether all keys are exact text and among some names."""
    for name in fields:  # noqa: SIM110 (a loop in C)
        if type(name) is not str or name not in names:
            return False
    return True
