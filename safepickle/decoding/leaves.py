"""Leaves: what the machine's loop does at its ends, as Python has it. The compiled form has them in C, in the ``.pxd``.

Rules that hold here:

* Each has the signature and the result of the C function of its name in ``machine``, ``lists`` or ``reading.pxd``.
* Nothing is decided here: what may be pushed, and at what cost, the loop knows.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from ..wire.reading import float8, int4, piece, uint2
from .handles import GlobalHandle, HeldTuple

__all__ = [
    "begins_run", "drop", "extend", "holds", "is_held", "new_float8", "new_int2", "new_int4", "new_piece",
    "new_small_int", "pop", "push", "push_key", "push_leaves", "push_new", "push_numbers", "push_tuple", "push_utf8",
    "read_uint4", "tuple_of",
]  # fmt: skip

push = push_new = push_tuple = list.append
pop = list.pop
drop = list.clear
extend = list.extend
tuple_of: type[tuple[Any, ...]] = tuple

new_int2, new_float8, new_piece = uint2, float8, piece

_INT4 = Struct("<i").unpack_from
_UINT4 = Struct("<I").unpack_from
_from_bytes = int.from_bytes


def new_int4(data: bytes, position: int) -> int:
    """Signed, 4 bytes, little-endian."""
    return _INT4(data, position)[0]  # type: ignore[no-any-return]


def read_uint4(data: bytes, position: int) -> int:
    """Unsigned, 4 bytes, little-endian."""
    return _UINT4(data, position)[0]  # type: ignore[no-any-return]


def new_small_int(data: bytes, start: int, stop: int) -> int:
    """An int of a few bytes in two's complement, little-endian."""
    return _from_bytes(data[start:stop], "little", signed=True)


#: Numbers of a fixed width: bytes of the argument, what reads one, the opcode as bytes, and what reads many.
_NUMBERS: dict[int, tuple[int, Any, bytes, Any]] = {
    0x47: (8, float8, b"G", Struct(">xd").iter_unpack),
    0x4A: (4, int4, b"J", Struct("<xi").iter_unpack),
    0x4D: (2, uint2, b"M", Struct("<xH").iter_unpack),
}


def push_numbers(stack: list[Any], data: bytes, position: int, stop: int, end: int) -> int:
    """Push the numbers from *position* on that have one opcode, up to one that is not wholly there; return where."""
    code = data[position]
    width, read, opcode, read_many = _NUMBERS[code]
    after = position + 1 + width
    if after > end:
        return position
    if after >= stop or data[after] != code:
        stack.append(read(data, position + 1))  # a struct for many would take longer
        return after
    codes = data[position : min(stop, end - width) : width + 1]
    after = position + (width + 1) * (len(codes) - len(codes.lstrip(opcode)))
    stack.extend([number for (number,) in read_many(data[position:after])])
    return after


def begins_run(_opcode: int, _data: bytes, _position: int, _stop: int) -> bool:
    """Return whether leaves are pushed in one step from here on: in Python that takes longer than the loop."""
    return False


def push_leaves(
    _window: Any, _stack: list[Any], _below: list[Any], _memo: list[Any], _data: bytes, position: int, *_bounds: int
) -> int:
    """Push the leaves from *position* on, and return where that ended."""
    return position


def push_utf8(stack: list[Any], data: bytes, start: int, stop: int) -> int:
    """Push a text, and return what it may take in memory beyond its bytes."""
    part = data[start:stop]
    try:
        word = part.decode()  # takes half as long as with a codec and an error handler by name
    except UnicodeDecodeError:
        word = part.decode("utf-8", "surrogatepass")
    stack.append(word)
    return 0 if word.isascii() else 3 * len(word)


def push_key(stack: list[Any], _below: list[Any], data: bytes, start: int, stop: int) -> int:
    """Push a text that may be a key, by what is below the mark: the compiled form keeps short ones."""
    part = data[start:stop]
    try:
        word = part.decode()
    except UnicodeDecodeError:
        word = part.decode("utf-8", "surrogatepass")
    stack.append(word)
    return 0 if word.isascii() else 3 * len(word)


def is_held(value: Any) -> bool:
    """Return whether a value stands for a global, or is a tuple with one in it."""
    return type(value) is GlobalHandle or type(value) is HeldTuple


def holds(items: Any, kind: type, other: type) -> bool:
    """Return whether something of one of two types is among the items of a list or tuple."""
    for item in items:
        found = type(item)
        if found is kind or found is other:
            return True
    return False
