# cython: annotation_typing=False
"""What picklers nearly always write for numpy's arrays, scalars and dtypes, seen without asking the contracts.

A load and a dump ask the same of it, but that what a load is about to give state to has to wait for it.

Rules that hold here:

* This only ever says yes where the contract of :mod:`safepickle.policy.arrays` says yes; what is anything but plain
  goes to the contract. A test holds the two together.
* Of a dtype only this is remembered, of the last one and of some whose items are copied as they are: that this very
  object has a size, and whether there are objects in it. It is forgotten when the load gives state to anything but an
  array or a model of scikit-learn, and when it calls anything else but a tree, or a class that has ``object`` make its
  instances.
* What ``_frombuffer`` does is done by what it calls itself: a function, which keeps hold of the buffer, and a method,
  which is left out where it would give the same array.
* Both forms do the same here, because what is made is paid for by what it was seen as.
"""

from __future__ import annotations

import pickle
import sys
from types import BuiltinFunctionType, FunctionType
from typing import Any

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    # This is C in the compiled form.

    def buffer_size(buffer: Any) -> int:
        """Return how many bytes a buffer has; it raises what ``memoryview`` raises for what is none."""
        with memoryview(buffer) as view:
            return view.nbytes

    is_subtype = issubclass
    identity = id


__all__ = ["UsualArrays", "usual_call", "usual_state"]

#: What is called.
BUFFER, SCALAR, ARRAY, DTYPE = 1, 2, 3, 4

_CALLS = {
    **{(f"numpy.{core}.numeric", "_frombuffer"): BUFFER for core in ("_core", "core")},
    **{(f"numpy.{core}.multiarray", "scalar"): SCALAR for core in ("_core", "core")},
    **{(f"numpy.{core}.multiarray", "_reconstruct"): ARRAY for core in ("_core", "core")},
    ("numpy", "dtype"): DTYPE,
}
#: Codes of numbers and objects.
_CODES = frozenset("b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16 O8 M8 m8".split())
#: First letters of the codes of text, bytes and records, which have a size behind them; most digits of one.
_SIZED_CODES = "SUV"
_MOST_DIGITS = 9
#: The same as one character each.
_PLAIN = "?bBhHiIlLqQefdFD"
#: Those without an order of bytes, which is then written "|".
_WITHOUT_ORDER = "?bBOV"
#: Flags of a dtype of objects; of one with fields that are numbers.
_OF_OBJECTS = 0x3F
_OF_RECORDS = 0x10
#: Units of dates and times.
_UNITS = frozenset(b"Y M W D h m s ms us ns".split())
_MOST_UNITS = 2**31 - 1
#: Fields of a record, bytes of one, and its greatest alignment.
_MOST_FIELDS = 64
_LARGEST_RECORD = 2**20
_MOST_ALIGNED = 64
_MOST_DIMENSIONS = 8
#: Dtypes that are remembered.
_MOST_KNOWN = 16
#: Items and bytes of arrays that are counted here.
_LARGEST = 2**40


def usual_call(module: str, name: str, target: Any) -> int:
    """Return which of the calls that are known here a global is, 0 for none."""
    found = _CALLS.get((module, name), 0)
    # What the application has put in the place of either is called each time, as it is.
    if found == BUFFER and not _is_numpys_own(target):
        return 0
    if found == ARRAY and (type(target) is not BuiltinFunctionType or target.__name__ != "_reconstruct"):
        return 0
    return found


def _is_numpys_own(function: Any) -> bool:
    """Return whether a function is ``_frombuffer`` as numpy has it, and none that only has its name."""
    if type(function) is not FunctionType or "frombuffer" not in function.__globals__:
        return False
    module = function.__module__
    if type(module) is not str or module.partition(".")[0] != "numpy" or module not in sys.modules:
        return False
    return function.__globals__ is sys.modules[module].__dict__


def usual_state(module: str, name: str, kind: type) -> int:
    """Return whether state of instances of *kind*, made by a global, is known here: ARRAY, DTYPE or 0."""
    found = _CALLS.get((module, name), 0)
    if found == ARRAY:
        return ARRAY if kind is sys.modules["numpy"].ndarray else 0
    return found if found == DTYPE else 0


#: numpy as it was seen last, its classes of arrays, dtypes and scalars, its ``empty``, and the dtype of an array that
#: waits for its data: asking for them takes a tenth of the load of a small array.
_seen: tuple[Any, Any, Any, Any, Any, Any] = (False, None, None, None, None, None)


def _see(numpy: Any) -> None:
    global _seen  # noqa: PLW0603 (found once, for the process)
    _seen = (numpy, numpy.ndarray, numpy.dtype, numpy.generic, numpy.empty, numpy.dtype("b"))


def _size_of(buffer: Any) -> int:
    """Return how many bytes a buffer has, -1 for one that was released."""
    size = -1
    try:  # noqa: SIM105 (a context manager costs more than the question)
        size = buffer_size(buffer)
    except (ValueError, TypeError):
        pass
    return size


class UsualArrays:
    """What one load has to do with numpy; made when it is there."""

    def __init__(self) -> None:
        numpy: Any = sys.modules["numpy"]
        if numpy is not _seen[0]:
            _see(numpy)
        _, self.ndarray, self.dtypes, self.generic, self.empty, self.waiting = _seen
        self.from_buffer: Any = None
        #: The dtype that was looked at last, its item's size, and whether there are objects in it.
        self.dtype: Any = None
        self.item_size = 0
        self.has_objects = False
        #: Dtypes whose items were seen to be copied as they are, by identity, with the sizes of their items.
        self.copied: dict[int, tuple[Any, int]] = {}
        #: Size of the number that was looked at last.
        self.number_size = 0

    def forget(self) -> None:
        """Forget what was seen of dtypes: one may be given state now."""
        self.dtype = None
        if self.copied:
            self.copied.clear()

    def fits(self, which: int, args: tuple[Any, ...]) -> bool:
        """Return whether the contract of a call surely takes these arguments."""
        if which == BUFFER:
            return self._fits_buffer(args)
        if which == SCALAR:
            return (
                len(args) == 2
                and type(args[1]) is bytes
                and self._is_sized(args[0])
                and not self.has_objects
                and len(args[1]) == self.item_size
            )
        if which == ARRAY:
            return len(args) == 3 and args[0] is self.ndarray and _is_empty(args[1]) and _is_code(args[2])
        if len(args) != 3 or type(args[0]) is not str or args[2] is not True:
            return False
        return (args[1] is False or args[1] is True) and (args[0] in _CODES or _is_sized_code(args[0]))

    def fits_now(self, which: int, args: tuple[Any, ...]) -> bool:
        """Do as :meth:`fits` without anything remembered: in a dump code of the data may run between two calls."""
        self.dtype = None
        return self.fits(which, args)

    def is_plain(self, dtype: Any, shape: Any) -> bool:
        """Return whether a dump may have an array of these made around its own memory, all of it in C order."""
        self.dtype = None
        return _count(shape) > 0 and self._is_sized(dtype) and not self.has_objects

    def plain_size(self, dtype: Any) -> int:
        """Return how many bytes an item of a dtype has, -1 where a dump must not write an array of them as it is."""
        self.dtype = None
        return self.item_size if self._is_sized(dtype) and not self.has_objects else -1

    def may_be_filled(self, dtype: Any, count: int, size: int) -> bool:
        """Return whether an array of so many items may be made of *size* bytes as they are, and numpy would do so."""
        known = self.copied.get(identity(dtype))
        width = self._copied_size(dtype) if known is None else known[1]
        return size == count * width

    def _copied_size(self, dtype: Any) -> int:
        """Return the size of an item of a dtype whose items numpy copies as they are; -1 for another one."""
        if not self._is_sized(dtype) or self.has_objects:
            return -1
        char: str = dtype.char
        # Numbers in another order numpy swaps; a dtype with a base is an array of more dimensions.
        if (char not in _PLAIN and (char != "V" or dtype.names is None)) or dtype.isnative is not True:
            return -1
        # Given as state to one with fields, it has both.
        if char == "V" and dtype.subdtype is not None:
            return -1
        if len(self.copied) < _MOST_KNOWN:
            # It is kept, so that its identity stays its own.
            self.copied[identity(dtype)] = (dtype, self.item_size)
        return self.item_size

    def may_give(self, which: int, obj: Any, state: Any) -> bool:
        """Return whether the contract surely lets an object have the state that it is written with."""
        if type(state) is not tuple:
            return False
        self.dtype = None
        if which == ARRAY:
            return type(obj) is self.ndarray and self._describes_array(state)
        return self._describes_dtype(obj, state)

    def _fits_buffer(self, args: tuple[Any, ...]) -> bool:
        if len(args) != 4:
            return False
        buffer = args[0]
        kind = type(buffer)
        if kind is bytearray or kind is bytes:
            size = len(buffer)
        elif kind is pickle.PickleBuffer or kind is memoryview:
            size = _size_of(buffer)
        else:
            return False
        order = args[3]
        if type(order) is not str or (order != "C" and order != "F"):
            return False
        count = _count(args[2])
        return count > 0 and self._is_sized(args[1]) and not self.has_objects and size == count * self.item_size

    def _is_sized(self, dtype: Any) -> bool:
        """Return whether something is a dtype with a size, and remember it."""
        if dtype is None:
            return False
        if dtype is self.dtype:
            return True
        if not is_subtype(type(dtype), self.dtypes):
            return False
        size = dtype.itemsize
        if not 0 < size < _LARGEST or dtype.subdtype is not None:
            # One without a size may still get one, and no array has one with a base.
            return False
        self.item_size = size
        self.has_objects = bool(dtype.hasobject)
        self.dtype = dtype
        return True

    def weigh_call(self, which: int) -> int:
        """Return what a call that fits copies: any number of scalars may be made of the same long bytes (D16)."""
        return self.item_size if which == SCALAR else 0

    def call(self, which: int, target: Any, args: tuple[Any, ...]) -> Any:
        """Carry out a call that fits."""
        if which == BUFFER:
            if self.from_buffer is None:
                self.from_buffer = target.__globals__["frombuffer"]
            array: Any = self.from_buffer(args[0], args[1])
            shape = args[2]
            # Of a dtype with a base it has more dimensions, and cannot be made to have this one.
            if len(shape) == 1 and array.ndim == 1:
                return array
            return array.reshape(shape) if args[3] == "C" else array.reshape(shape, order="F")
        return target(*args)

    def is_made_by(self, which: int, kind: type) -> bool:
        """Return whether a call gives instances of *kind*, new ones each time."""
        if which == SCALAR:
            return issubclass(kind, self.generic)
        return issubclass(kind, self.dtypes) if which == DTYPE else kind is self.ndarray

    def weigh_state(self, which: int, obj: Any, state: Any) -> int:
        """Return what the contract takes an object's state to weigh, -1 where it may not let the object have it."""
        if type(state) is not tuple:
            return -1
        if which == ARRAY:
            return _weight(state[4]) if self._fits_array(obj, state) else -1
        self.forget()
        return 0 if self._fits_dtype(obj, state) else -1

    def _fits_array(self, array: Any, state: tuple[Any, ...]) -> bool:
        # Only one that waits for its data may be given any: it has the dtype that all share.
        if type(array) is not self.ndarray or array.size != 0 or array.dtype is not self.waiting:
            return False
        return self._describes_array(state)

    def _describes_array(self, state: tuple[Any, ...]) -> bool:
        if len(state) != 5 or type(state[0]) is not int or state[0] != 1:
            return False
        if state[3] is not False and state[3] is not True:
            return False
        count = _count(state[1])
        if count < 0 or not self._is_sized(state[2]):
            return False
        data = state[4]
        if self.has_objects:
            return type(data) is list and len(data) == count and not self._has_waiting(data)
        return type(data) is bytes and len(data) == count * self.item_size

    def _has_waiting(self, items: list[Any]) -> bool:
        """Return whether there is an array that waits for its data: the one that gets the items is one itself."""
        for item in items:
            kind = type(item)
            if (kind is self.ndarray or is_subtype(kind, self.ndarray)) and item.dtype is self.waiting:
                return True
        return False

    def _fits_dtype(self, dtype: Any, state: tuple[Any, ...]) -> bool:
        # Not the one that all share.
        return self._describes_dtype(dtype, state) and dtype is not self.dtypes(dtype.char)

    def _describes_dtype(self, dtype: Any, state: tuple[Any, ...]) -> bool:
        count = len(state)
        if (count != 8 and count != 9) or type(state[0]) is not int or type(state[1]) is not str:
            return False
        if state[2] is not None:
            return False
        if type(state[5]) is not int or type(state[6]) is not int or type(state[7]) is not int:
            return False
        if not issubclass(type(dtype), self.dtypes):
            return False
        char: str = dtype.char
        order: str = state[1]
        if order != "|" if char in _WITHOUT_ORDER else order != "<" and order != ">":
            return False
        if char == "V":
            return count == 8 and state[0] == 3 and self._describes_record(dtype, state)
        if state[3] is not None or state[4] is not None or state[5] != -1 or state[6] != -1:
            return False
        if char == "M" or char == "m":
            return count == 9 and state[0] == 4 and state[7] == 0 and _is_unit(state[8])
        if count != 8 or state[0] != 3 or state[7] != (_OF_OBJECTS if char == "O" else 0):
            return False
        return char == "O" or char in _PLAIN

    def _describes_record(self, dtype: Any, state: tuple[Any, ...]) -> bool:
        """Return whether a state is that of a structure of numbers, each of which lies inside."""
        if type(state[3]) is not tuple or type(state[4]) is not dict:
            return False
        names: tuple[Any, ...] = state[3]
        fields: dict[Any, Any] = state[4]
        if not 0 < len(names) <= _MOST_FIELDS:
            return False
        if not 0 < state[5] <= _LARGEST_RECORD or state[7] != _OF_RECORDS:
            return False
        alignment: int = state[6]
        # numpy divides by it when it copies: the process would end.
        if not 0 < alignment <= _MOST_ALIGNED or alignment & (alignment - 1):
            return False
        size: int = state[5]
        if dtype.itemsize != size or len(fields) != len(names):
            return False
        for name in fields:
            if type(name) is not str:
                return False
        for name in names:
            if type(name) is not str or name not in fields:
                return False
            field = fields[name]
            if type(field) is not tuple or len(field) != 2 or type(field[1]) is not int:
                return False
            if not self._is_number(field[0]) or not 0 <= field[1] <= size - self.number_size:
                return False
        return len(set(names)) == len(names)

    def _is_number(self, dtype: Any) -> bool:
        """Return whether something is a dtype of plain numbers; its size is then :attr:`number_size`."""
        if not issubclass(type(dtype), self.dtypes):
            return False
        char: str = dtype.char
        if char not in _PLAIN:
            return False
        self.number_size = dtype.itemsize
        return True


def _is_sized_code(code: str) -> bool:
    """Return whether a code is that of text, bytes or records of some size."""
    count = len(code)
    if not 1 < count <= _MOST_DIGITS + 1 or code[0] not in _SIZED_CODES or code[1] == "0":
        return False
    return code.isascii() and code[1:].isdecimal()


def _is_unit(metadata: Any) -> bool:
    """Return whether what a dtype of dates or times is given beside its state is a unit and how many of it."""
    if type(metadata) is not tuple or len(metadata) != 2 or metadata[0] is not None or type(metadata[1]) is not tuple:
        return False
    unit: tuple[Any, ...] = metadata[1]
    if len(unit) != 4 or type(unit[0]) is not bytes or unit[0] not in _UNITS:
        return False
    return _is_count(unit[1]) and _is_count(unit[2]) and _is_count(unit[3])


def _is_count(number: Any) -> bool:
    return type(number) is int and 0 < number <= _MOST_UNITS


def _weight(data: Any) -> int:
    return 8 * len(data) if type(data) is list else len(data)


def _count(shape: Any) -> int:
    """Return how many items there are in an array of a shape, -1 for one that is not counted here."""
    if type(shape) is not tuple or len(shape) > _MOST_DIMENSIONS:
        return -1
    count = 1
    for length in shape:
        if type(length) is not int or not 0 < length < _LARGEST:
            return -1
        size = int(length)
        if count > _LARGEST // size:
            return -1
        count = count * size
    return count


def _is_empty(shape: Any) -> bool:
    return type(shape) is tuple and len(shape) == 1 and type(shape[0]) is int and shape[0] == 0


def _is_code(code: Any) -> bool:
    return (type(code) is bytes and code == b"b") or (type(code) is str and code == "b")
