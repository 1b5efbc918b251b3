"""Contracts for numpy: arrays, dtypes, scalars and random generators, which are unsafe even as data.

numpy fills C structures from what a pickle says. A wrong shape makes it allocate, a wrong flag makes it take numbers
for pointers, and an index into a table is not looked at (R30; numpy 13593, 21009, 30476).

Rules that hold here:

* numpy is not imported here: what comes to a check has been made by numpy, so that it is loaded.
* Everything that decides how memory is read is computed anew from parts that have been checked, and compared.
* No array is allocated for a size that is not there as data.
* A dtype that the interpreter shares is never given state.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .library_parts import (
    array_of,
    class_of,
    is_array,
    is_class_of,
    is_dtype,
    is_exactly,
    is_one,
    is_placeholder,
    plain_array,
)
from .parts import Args, is_buffer, is_int

__all__ = [
    "ARRAY_CALLS",
    "ARRAY_STATES",
    "BUFFER_CALLS",
    "ArrayCall",
    "ArrayState",
    "is_settled",
    "is_sized_dtype",
    "item_count",
    "own_dtype_state",
]

Pair = tuple[str, str]
#: Arguments of a contract for a call: the check, what it stops, where that is known from.
ArrayCall = tuple[Callable[[Args], str | None], str, str]
#: Those of a contract for state: the check of state and object, the bytes it takes, what it stops, and where from.
ArrayState = tuple[Callable[[Any, Any], str | None], Callable[[Any], int] | None, str, str]

#: A pattern, as text: compiled when the first one is read, which takes as long as importing this module.
_CODE = r"[|<>=]?[?bBhHiIlLqQpPefdgFDGcSUVOMmuaT][0-9]{0,10}"
#: The most frequent ones, which need no pattern.
_PLAIN_CODES = frozenset("b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16 O8 M8 m8".split())
_UNITS = frozenset("Y M W D h m s ms us ns ps fs as generic".split())
_ORDERS = frozenset("CFKA")
_FILL_VALUES = frozenset({bool, int, float, complex, str, bytes, type(None)})
#: numpy's own bound since 2.0; 32 before.
_MOST_DIMENSIONS = 64
_LARGEST = 2**62
#: More items than any limit lets in.
_MOST_ITEMS = 2**50
#: How deep structures may be inside of each other, and of how many parts, each counted as often as it is met.
_DEEPEST, _MOST_PARTS = 32, 10_000
#: Flags of a dtype that come from its fields (NPY_FROM_FIELDS), and of an aligned structure.
_FROM_FIELDS, _ALIGNED = 0x1B, 0x80
#: Of the types that have any by themselves; not every numpy asks for text to be cleared (NPY_NEEDS_INIT).
_CLEARED = 8
_FLAGS = {"O": (0x3F,), "U": (_CLEARED, 0)}
#: What numpy sets for every type with fields (NPY_NEEDS_PYAPI): without it, it compares them with no hold of the
#: interpreter's lock.
_NEEDS_PYTHON = 0x10
#: Types that numpy writes a size of, those that have no order of bytes, and what it writes for either.
_WITH_SIZE, _WITHOUT_ORDER = "SUVc", "?bBSVOc"
_BYTE_ORDERS, _NO_ORDER = ("<", ">"), ("|",)
_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


def _numpy() -> Any:
    return sys.modules.get("numpy")


def _is_row(value: Any, code: str, size: int) -> bool:
    """Say whether a value is an array of one dimension with so many items of a type."""
    return is_array(value) and value.dtype.str[1:] == code and value.shape == (size,)


def _is_flag(value: Any) -> bool:
    return value is True or value is False or is_int(value, 0, 1)


def item_count(shape: Any) -> int | None:
    """Return how many items an array of a shape has, or None for no shape."""
    if type(shape) is not tuple or len(shape) > _MOST_DIMENSIONS:
        return None
    count = 1
    for length in shape:
        if not is_int(length, 0, _LARGEST):
            return None
        count = min(count * length, _LARGEST)
    # numpy multiplies the other dimensions even where one is empty.
    full = 1
    for length in shape:
        full = full * max(length, 1)
    return count if full < _LARGEST else None


def is_sized_dtype(value: Any) -> bool:
    """Say whether a value is a dtype that says how many bytes an item takes."""
    return is_dtype(value) and value.itemsize > 0


def _raw_size(raw: Any) -> int | None:
    """Return the length of an array's data; Python 2 wrote it as a str, read here as Latin-1."""
    if type(raw) is bytes:
        return len(raw)
    return len(raw) if type(raw) is str and (not raw or max(raw) <= "\xff") else None


# ---- arrays ------------------------------------------------------------------------------------------------


def _reconstruct(args: Args) -> str | None:
    if len(args) != 3 or not is_class_of(args[0], "numpy", "ndarray"):
        return "wants a class of arrays, (0,) and b'b'"
    return None if _is_placeholder(args[1], args[2]) else "wants the empty shape (0,) and b'b', as picklers write"


def _mareconstruct(args: Args) -> str | None:
    if len(args) != 4 or not is_class_of(args[0], "numpy", "ndarray") or not is_class_of(args[1], "numpy", "ndarray"):
        return "wants two classes of arrays, (0,) and b'b'"
    return None if _is_placeholder(args[2], args[3]) else "wants the empty shape (0,) and b'b', as picklers write"


def _is_placeholder(shape: Any, code: Any) -> bool:
    plain = type(shape) is tuple and len(shape) == 1 and is_int(shape[0], 0, 0)
    return plain and type(code) in (bytes, str) and code in (b"b", "b")


def _array_state(array: Any, state: Any) -> str | None:
    if type(state) is not tuple or len(state) not in (4, 5) or (len(state) == 5 and not is_int(state[0], 0, 1)):
        return "wants version 1, shape, dtype, order and data"
    if is_one(array, "numpy", "matrix") and (type(state[-4]) is not tuple or len(state[-4]) != 2):
        # One that is made like it has two, in room for what was asked: numpy writes past the end when it joins them.
        return "a matrix has two dimensions"
    return _content(*state[-4:])


def _content(shape: Any, dtype: Any, fortran: Any, raw: Any) -> str | None:
    count = item_count(shape)
    if count is None:
        return "its shape is no tuple of lengths"
    if not is_dtype(dtype):
        return "its type is no dtype"
    if _may_grow(dtype):
        return "its type has no size"
    if dtype.subdtype is not None:
        # numpy makes more dimensions of it where it makes an array, and writes past the end of one that has it.
        return "its type is an array itself"
    if not _is_flag(fortran):
        return "its order is neither true nor false"
    if dtype.hasobject:
        if type(raw) is not list or len(raw) != count:
            return f"wants a list of the {count} objects"
        # numpy adds, compares and copies what is in it by recursion on the C stack, which has no end in itself.
        held = any(is_one(item, "numpy", "ndarray") and is_placeholder(item) for item in raw)
        return "an array in it waits for its data, or is the array itself" if held else None
    size = _raw_size(raw)
    if size is None or size != count * dtype.itemsize:
        return f"wants its shape times its item size in bytes of data: {count * dtype.itemsize}"
    return None


def _masked_state(array: Any, state: Any) -> str | None:
    if type(state) is not tuple or len(state) != 7 or not is_int(state[0], 0, 1):
        return "wants version 1, shape, dtype, order, data, mask and fill value"
    count = item_count(state[1])
    wrong = _content(*state[1:5])
    if wrong is not None or count is None:
        return wrong
    numpy = _numpy()
    if type(state[6]) not in _FILL_VALUES and not issubclass(type(state[6]), (numpy.generic, numpy.ndarray)):
        return "its fill value is no plain value"
    if issubclass(type(state[6]), numpy.ndarray) and numpy.ndarray.ndim.__get__(state[6]):
        return "its fill value is more than one"
    mask = _raw_size(state[5])
    if state[2].names is None and mask != count:
        return "wants one byte of mask for each item"
    return None


def _array_weight(state: Any) -> int:
    """Return the bytes that numpy copies: all of the data, where it has to swap them."""
    if type(state) is not tuple or len(state) not in (4, 5):
        return 0
    raw = state[-1]
    if type(raw) is list:
        return 8 * len(raw)
    if type(raw) not in (bytes, str):
        return 0
    # Texts of no length take no bytes, however many: whoever copies or compares them makes something of each.
    return len(raw) or 8 * min(item_count(state[-4]) or 0, _MOST_ITEMS)


def _masked_weight(state: Any) -> int:
    if type(state) is not tuple or len(state) != 7:
        return 0
    # Its mask has a dtype of its own, made of Python's objects.
    return _array_weight(state[:5]) + _array_weight(state[:6]) + 1024 * _part_count((state[2],))


def _frombuffer(args: Args) -> str | None:
    if len(args) not in (4, 5) or not is_buffer(args[0]):
        return "wants data, a dtype, a shape and an order"
    buffer, dtype, shape, order = args[:4]
    if not is_dtype(dtype) or dtype.hasobject or _may_grow(dtype):
        return "wants a dtype with a size and without objects"
    if dtype.subdtype is not None:
        return "its type is an array itself"
    if type(order) is not str or order not in _ORDERS:
        return "wants an order of C, F or K"
    count = item_count(shape)
    try:
        size = memoryview(buffer).nbytes
    except (ValueError, TypeError, BufferError):
        return "wants data that are there"  # whoever gave this buffer has released it
    if count is None or count * dtype.itemsize != size:
        return f"wants a shape for exactly its {size} bytes"
    axes = args[4] if len(args) == 5 else None
    if axes is not None and not (
        type(axes) is tuple and all(type(axis) is int for axis in axes) and sorted(axes) == [*range(len(shape))]
    ):
        return "wants its axes in some order"
    return None


def _scalar(args: Args) -> str | None:
    if len(args) not in (1, 2) or not is_dtype(args[0]):
        return "wants a dtype and data"
    if args[0].hasobject or _may_grow(args[0]):
        return "wants a dtype with a size and without objects"
    if args[0].subdtype is not None:
        return "its type is an array itself"
    if _raw_size(args[1] if len(args) == 2 else b"") != args[0].itemsize:
        return f"wants {args[0].itemsize} bytes of data"
    return None


# ---- dtypes ------------------------------------------------------------------------------------------------


def _dtype(args: Args) -> str | None:
    numpy = _numpy()
    if len(args) != 3 or not _is_flag(args[1]) or not _is_flag(args[2]):
        return "wants a type code, whether it is aligned, and True"
    if not args[2]:
        return "wants a copy: the other one is shared by the whole process, and state would change it"
    if type(args[0]) is str and args[0] in _PLAIN_CODES:
        return None
    if type(args[0]) is str and len(args[0]) <= 20 and re.fullmatch(_CODE, args[0]):
        return None
    return None if numpy is not None and args[0] is numpy.record else "wants a type code such as f8, or numpy.record"


def is_settled(value: Any) -> bool:
    """Say whether an object is one that no state may be given to any more.

    A dtype that numpy hands out to everybody, and an array that has its data: what was checked of it would not hold
    any longer for those who looked at it.
    """
    if is_dtype(value):
        return bool(value is _numpy().dtype(value.char))
    return is_one(value, "numpy", "ndarray") and not is_placeholder(value)


def _may_grow(dtype: Any) -> bool:
    """Say whether a dtype may get a size by its state, as that of a record does: nothing may be made of it before."""
    return bool(dtype.char == "V" and dtype.itemsize == 0)


def _dtype_state(dtype: Any, state: Any) -> str | None:
    if type(state) is not tuple or len(state) not in (8, 9) or not is_int(state[0], 3, 4):
        return "wants 8 fields of version 3, or 9 of version 4"
    if not is_dtype(dtype):
        return "not a dtype"
    _, endian, subarray, names, fields, size, alignment, flags = state[:8]
    char = dtype.char
    # Python 2 wrote it as bytes.
    order = endian.decode("latin-1") if type(endian) is bytes else endian
    if type(order) is not str or order not in (_NO_ORDER if char in _WITHOUT_ORDER else _BYTE_ORDERS):
        # numpy swaps what is said to be in the other order: pointers, too.
        return "its byte order is not | for objects, bytes, records and what has one byte, or < or > for others"
    if not is_int(size, -1, 2**31 - 1) or not is_int(alignment, -1, 4096) or type(flags) is not int:
        return "its size, alignment and flags are ints within their ranges"
    sized = char in _WITH_SIZE
    if not sized and size != -1:
        return "wants no size of its own for this type"
    if sized and (size < 0 or (char == "U" and size % 4)):
        return "wants a size, a multiple of 4 for text"
    if sized and (alignment < 1 or alignment & (alignment - 1)):
        # numpy divides by it when it copies: the process would end.
        return "wants a power of two as its alignment"
    if char != "V" and (subarray is not None or names is not None or fields is not None):
        return "only a void type has fields or a base"
    if sized and size != dtype.itemsize and not _may_grow(dtype):
        return "its size is another one than its code says"
    known = _known_flags(char, subarray, names, fields, size)
    if isinstance(known, str):
        return known
    if fields is not None and _part_count([field[0] for field in fields.values()], dtype) < 0:
        return "its fields have too many parts, or itself among them"
    if subarray is not None and _part_count(subarray[:1], dtype) < 0:
        return "its base has too many parts, or itself among them"
    own = flags & 0xFF & ~_ALIGNED if names is not None else flags & 0xFF
    if not -128 <= flags <= 255 or own not in known:
        return "its flags are not those of its parts"
    return _metadata(char, state[8] if len(state) == 9 else None)


def own_dtype_state(state: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return state as numpy may have it, and the dtypes that are parts of it.

    numpy keeps the very dict of fields (``arraydescr_setstate``): what a later opcode sets in it would move a field out
    of the items, and its array would write there.
    """
    base, fields = state[2], state[4]
    if fields is not None:
        return (*state[:4], dict(fields), *state[5:]), tuple(field[0] for field in fields.values())
    return state, () if base is None else base[:1]


def _known_flags(char: str, subarray: Any, names: Any, fields: Any, size: int) -> tuple[int, ...] | str:
    """Return the flags that may follow from a dtype's parts, or what is wrong with these."""
    if subarray is not None:
        if type(subarray) is not tuple or len(subarray) != 2 or not is_dtype(subarray[0]) or names is not None:
            return "its base is a dtype and a shape"
        shape = (subarray[1],) if type(subarray[1]) is int else subarray[1]
        count = item_count(shape)
        if count is None or count * subarray[0].itemsize != size or fields is not None:
            return "its size is not that of its base"
        if subarray[0].hasobject or _may_grow(subarray[0]):
            return "objects inside of a structure, or a type without a size"
        base = int(subarray[0].flags) & 0xFF
        return base, base & _FROM_FIELDS
    if names is None or fields is None:
        if names is not fields:
            return "wants both names and fields, or neither"
        return _FLAGS.get(char, (0,))
    return _flags_of_fields(names, fields, size)


def _flags_of_fields(names: Any, fields: Any, size: int) -> tuple[int, ...] | str:
    if type(names) is not tuple or type(fields) is not dict or len(fields) < len(names) or len(fields) > 2 * len(names):
        return "its names are a tuple and its fields a dict with all of them"
    if not all(type(name) is str for name in names) or not all(type(name) is str for name in fields):
        return "its names are texts"
    flags = _NEEDS_PYTHON
    titles = {
        field[2] for field in fields.values() if type(field) is tuple and len(field) == 3 and type(field[2]) is str
    }
    if not set(names) <= fields.keys() <= {*names, *titles} or len(set(names)) != len(names):
        return "its fields are not those of its names"
    titled: dict[str, Any] = {}
    for name in names:
        field = fields[name]
        if (
            type(field) is not tuple
            or len(field) not in (2, 3)
            or not is_dtype(field[0])
            or not is_int(field[1], 0, size)
        ):
            return "a field is a dtype and an offset"
        if field[1] + field[0].itemsize > size:
            return "a field lies outside"
        if _may_grow(field[0]):
            return "a field has no size"
        if field[0].hasobject:
            # numpy would read pointers from bytes beside those that were read.
            return "objects inside of a structure"
        flags |= int(field[0].flags) & _FROM_FIELDS
        if len(field) == 3 and type(field[2]) is str:
            titled[field[2]] = field
    for title in titles:
        # The same field under another name.
        if title in fields and (title not in titled or not _are_one(fields[title], titled[title])):
            return "a title is of no field"
    # Some of the fields of a structure have its flags, though no text is among them.
    return flags, flags | _CLEARED


def _are_one(field: Any, other: tuple[Any, ...]) -> bool:
    if type(field) is not tuple or len(field) != 3 or type(field[2]) is not str or not is_int(field[1], 0, _LARGEST):
        return False
    return field[0] is other[0] and field[1:] == other[1:]


def _part_count(parts: Any, whole: Any = None) -> int:
    """Return how many parts dtypes have, or -1 if they are too many, or *whole* is among them.

    Numpy hashes, compares and copies dtypes by visiting each part as often as it is met, and by recursion on the C
    stack: a field that is there twice, of which one is there twice, and so on, would be visited without end.
    """
    pending = [(part, 1) for part in parts]
    most = left = _MOST_PARTS + len(pending)
    while pending:
        part, depth = pending.pop()
        left -= 1
        if part is whole or left < 0 or depth > _DEEPEST:
            return -1
        if part.subdtype is not None:
            pending.append((part.subdtype[0], depth + 1))
        elif part.names is not None:
            if len(part.names) > left:
                return -1
            pending += [(part.fields[name][0], depth + 1) for name in part.names]
    return most - left


def _parts_weight(state: Any) -> int:
    """Return what it weighs to look at the parts of a dtype: any number may share one."""
    if type(state) is not tuple or len(state) < 5:
        return 0
    base, fields = state[2], state[4]
    held = [*(fields.values() if type(fields) is dict else ()), base]
    parts = [one[0] for one in held if type(one) is tuple and one and is_dtype(one[0])]
    return 128 * max(0, _part_count(parts))


def _metadata(char: str, metadata: Any) -> str | None:
    if char not in "Mm":
        return None if metadata is None or type(metadata) is dict else "its metadata are a dict"
    if type(metadata) is not tuple or len(metadata) != 2 or type(metadata[1]) is not tuple or len(metadata[1]) != 4:
        return "wants the unit of its times"
    unit = metadata[1][0]
    text = unit.decode("latin-1") if type(unit) is bytes else unit
    if metadata[0] is not None and type(metadata[0]) is not dict:
        return "its metadata are a dict"
    plain = all(is_int(number, 1, 2**31 - 1) for number in metadata[1][1:])
    return None if type(text) is str and text in _UNITS and plain else "wants a unit of time and how many"


# ---- random ------------------------------------------------------------------------------------------------


def _bit_generator(args: Args) -> str | None:
    if len(args) == 1 and type(args[0]) is str and args[0] in _GENERATORS:
        return None
    if len(args) == 1 and is_class_of(args[0], "numpy.random", "BitGenerator"):
        return None
    return f"wants one of {', '.join(_GENERATORS)}"


def _generator(args: Args) -> str | None:
    if len(args) == 2 and type(args[0]) is str:
        # Before numpy 2: a name, and the function that makes one of it.
        make = class_of("numpy.random._pickle", "__bit_generator_ctor")
        return _bit_generator(args[:1]) if make is not None and args[1] is make else "wants numpy's own function"
    if len(args) == 1:
        if type(args[0]) is str:
            return _bit_generator(args)
        return None if is_one(args[0], "numpy.random", "BitGenerator") else "wants a bit generator"
    return "wants a bit generator"


def _bit_generator_state(generator: Any, state: Any) -> str | None:
    if type(state) is tuple and len(state) == 2:
        if state[1] is not None and not is_exactly(state[1], "numpy.random", "SeedSequence"):
            return "wants its numbers and a seed sequence"
        state = state[0]
    if type(state) is not dict or type(state.get("bit_generator")) is not str:
        return "wants its numbers as a dict"
    numbers = state.get("state")
    if type(numbers) is not dict or not all(type(key) is str for key in (*state, *numbers)):
        return "wants its numbers as a dict"
    # Positions in tables are not looked at by numpy before it reads there.
    if state["bit_generator"] == "MT19937" and not (
        _is_row(numbers.get("key"), "u4", 624) and is_int(numbers.get("pos"), 0, 624)
    ):
        return "wants a key of 624 numbers and a position in it"
    if state["bit_generator"] == "Philox" and not (
        is_int(state.get("buffer_pos"), 0, 4)
        and _is_row(state.get("buffer"), "u8", 4)
        and _is_row(numbers.get("counter"), "u8", 4)
        and _is_row(numbers.get("key"), "u8", 2)
    ):
        return "wants a counter of 4 numbers, a key of 2, a buffer of 4 and a position in it"
    for value in (*state.values(), *numbers.values()):
        if type(value) not in (int, float, str, dict) and array_of(value, "iuf") is None:
            return "wants plain numbers"
    return None


def _seed_sequence(args: Args) -> str | None:
    seeds = class_of("numpy.random", "SeedSequence")
    plain = len(args) == 3 and args[0] is seeds and seeds is not None and type(args[1]) is int and args[2] is None
    return None if plain else "wants SeedSequence, a check sum and None"


def _seed_sequence_state(sequence: Any, state: Any) -> str | None:
    if type(state) is not tuple or len(state) != 5:
        return "wants entropy, children, pool, its size and a key"
    entropy, children, pool, size, key = state
    counts = is_int(children, 0, 2**32) and is_int(size, 4, 2**16)
    if not _is_entropy(entropy) or not counts or not _is_row(pool, "u4", size):
        return "wants entropy, a count, and a pool of the size it says"
    return None if type(key) is tuple and all(map(_are_ints, key)) else "wants a key of ints"


def _is_entropy(value: Any) -> bool:
    """Say whether a value is what a generator was seeded with: a number, some of them, or what numpy has of these."""
    if value is None or _are_ints(value):
        return True
    if type(value) is list:
        return all(map(_are_ints, value))
    array = plain_array(value, "iu")
    return array is not None and array.ndim == 1


def _are_ints(value: Any) -> bool:
    if is_one(value, "numpy", "integer"):
        return bool(value >= 0)
    return type(value) is int and value >= 0 and value.bit_length() <= 65_536


# ---- the tables --------------------------------------------------------------------------------------------

_ALLOCATES = "arrays of a size that is not there as data, or with data that is not there"
_POINTERS = "numbers that are taken for pointers, fields outside of the item, dtypes that all share"
_TABLE = "an index into a table that is not looked at"


def _both_names(module: str, name: str) -> tuple[Pair, Pair]:
    """Return a pair of ``numpy._core`` under that name and under the one before numpy 2."""
    return (f"numpy._core.{module}", name), (f"numpy.core.{module}", name)


#: Arrays around data that somebody else has.
BUFFER_CALLS = _both_names("numeric", "_frombuffer")

#: What numpy's callables may be given.
ARRAY_CALLS: Mapping[Pair, ArrayCall] = MappingProxyType(
    {
        **dict.fromkeys(_both_names("multiarray", "_reconstruct"), (_reconstruct, _ALLOCATES, "R30")),
        **dict.fromkeys(_both_names("multiarray", "scalar"), (_scalar, _ALLOCATES, "R30; numpy 13593")),
        **dict.fromkeys(BUFFER_CALLS, (_frombuffer, _ALLOCATES, "R30")),
        ("numpy.ma.core", "_mareconstruct"): (_mareconstruct, _ALLOCATES, "R30"),
        ("numpy", "dtype"): (_dtype, _POINTERS, "R30; numpy 30476"),
        ("numpy.random._pickle", "__bit_generator_ctor"): (_bit_generator, "any class as a generator", "R26"),
        ("numpy.random._pickle", "__generator_ctor"): (_generator, "any callable as a generator", "R26"),
        ("numpy.random._pickle", "__randomstate_ctor"): (_generator, "any callable as a generator", "R26"),
        ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"): (_seed_sequence, "state without a check", "R26"),
    }
)

_GENERATOR_STATE: ArrayState = (_bit_generator_state, None, _TABLE, "R30; found here")

#: What state numpy's instances may be given.
ARRAY_STATES: Mapping[Pair, ArrayState] = MappingProxyType(
    {
        ("numpy", "ndarray"): (_array_state, _array_weight, _ALLOCATES, "R30; numpy 21009"),
        **dict.fromkeys(
            (("numpy", "matrix"), ("numpy", "recarray"), ("numpy.rec", "recarray"), ("numpy.char", "chararray")),
            (_array_state, _array_weight, _ALLOCATES, "R30"),
        ),
        **dict.fromkeys(_both_names("multiarray", "_reconstruct"), (_array_state, _array_weight, _ALLOCATES, "R30")),
        ("numpy.ma.core", "_mareconstruct"): (_masked_state, _masked_weight, _ALLOCATES, "R30"),
        ("numpy", "dtype"): (_dtype_state, _parts_weight, _POINTERS, "R30; numpy 30476"),
        ("numpy.random._pickle", "__bit_generator_ctor"): _GENERATOR_STATE,
        ("numpy.random._pickle", "__generator_ctor"): _GENERATOR_STATE,
        ("numpy.random._pickle", "__randomstate_ctor"): _GENERATOR_STATE,
        ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"): (
            _seed_sequence_state, None, "a pool of another size than it says", "R30; found here"
        ),
    }
)  # fmt: skip
