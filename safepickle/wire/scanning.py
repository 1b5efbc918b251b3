"""Reads opcodes one at a time by the opcode table, carrying none of them out: what inspection stands on.

Rules that hold here:

* The shape of every argument comes from :data:`ARGUMENTS`; the values come from the leaf decoders of
  :mod:`.reading`, the ones the machine uses. Nothing here decides whether a pickle may be loaded: that is the
  machine's alone (S1), because scanners that read differently from the loader are how they are bypassed.
* A claimed length is held against the limits and against what is left before anything is read (S5, D02). Text
  lines are looked for within their bound, so that an endless line costs no more than its limit (D22).
* From a file, exactly the bytes of one opcode are taken before the next one is looked at, so that several
  pickles in one file can be read one after another, as with ``pickle``.
* Whatever the bytes are, the outcome is an :class:`Instruction` or a :class:`SafePickleError` (S7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import EmptyInputError, FormatError, LimitError, TruncatedError
from ..limits import DEFAULT_LIMITS, Limits
from .opcodes import ARGUMENTS, BY_BYTE, Opcode
from .reading import (
    float8,
    int4,
    long_int,
    parse_float_line,
    parse_index_line,
    parse_int_line,
    parse_long_line,
    parse_string_line,
    parse_unicode_line,
    uint2,
    uint4,
    uint8,
    utf8,
)
from .source import ReadSource, as_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "DEFAULT_CAPS",
    "Caps",
    "Instruction",
    "bounded_bytes",
    "read_opcode",
    "scan",
    "scan_bytes",
    "scan_file",
]


class Instruction(NamedTuple):
    """One opcode of a stream, with its argument and its place."""

    opcode: Opcode
    #: The decoded argument, a pair (module, name) for GLOBAL and INST, None where there is none.
    argument: Any
    #: Offset of the opcode's byte.
    start: int
    #: Offset behind the argument.
    stop: int


class Caps(NamedTuple):
    """What a single opcode may ask for: limits as plain numbers."""

    string: int
    int_bits: int
    #: Whether text that pickle's own parsers read differently is refused (S10).
    strict: bool = True

    @classmethod
    def of(cls, limits: Limits, *, strict: bool = True) -> Caps:
        """Take them from *limits*."""
        return cls(limits.bound("max_string"), limits.bound("max_int_bits"), strict)


DEFAULT_CAPS = Caps.of(DEFAULT_LIMITS)

#: Arguments whose length prefix is signed: a length with the top bit set is an error, not 2 GiB (X29).
_SIGNED = frozenset({"string4", "long4"})
_LONGS = frozenset({"long1", "long4"})
#: Longest text of a float or a memo index: a float's ``repr`` has 24 characters at most, 2**64 has 20.
_SHORT_LINES = {"float_line": 400, "index_line": 40}
_INT_LINES = frozenset({"int_line", "long_line"})
#: Bits to one decimal digit, rounded up, in thousandths: more digits than this cannot fit the bits.
_DIGIT_MILLIBITS = 3322


# -- decoders: (data, start, stop, strict) -> value ----------------------------------------------------------


def _uint1(data: bytes, start: int, _stop: int, _caps: Caps) -> int:
    return data[start]


def _uint2(data: bytes, start: int, _stop: int, _caps: Caps) -> int:
    return uint2(data, start)


def _int4(data: bytes, start: int, _stop: int, _caps: Caps) -> int:
    return int4(data, start)


def _uint4(data: bytes, start: int, _stop: int, _caps: Caps) -> int:
    return uint4(data, start)


def _uint8(data: bytes, start: int, _stop: int, _caps: Caps) -> int:
    return uint8(data, start)


def _float8(data: bytes, start: int, _stop: int, _caps: Caps) -> float:
    return float8(data, start)


def _bytes(data: bytes, start: int, stop: int, _caps: Caps) -> bytes:
    return data[start:stop]


def _latin1(data: bytes, start: int, stop: int, _caps: Caps) -> str:
    # Python 2's str has no encoding of its own; pickletools shows it byte for byte too.
    return data[start:stop].decode("latin-1")


def _utf8(data: bytes, start: int, stop: int, _caps: Caps) -> str:
    return utf8(data, start, stop)


def _bounded_int(value: int, caps: Caps) -> int:
    # The length bounds it already, but for the bits of the last byte or digit.
    if value.bit_length() > caps.int_bits:
        raise LimitError("max_int_bits", caps.int_bits, value.bit_length())
    return value


def _long(data: bytes, start: int, stop: int, caps: Caps) -> int:
    return _bounded_int(long_int(data, start, stop), caps)


def _int_line(data: bytes, start: int, stop: int, caps: Caps) -> int:
    return _bounded_int(parse_int_line(data[start:stop], caps.strict), caps)


def _long_line(data: bytes, start: int, stop: int, caps: Caps) -> int:
    return _bounded_int(parse_long_line(data[start:stop], caps.strict), caps)


def _float_line(data: bytes, start: int, stop: int, caps: Caps) -> float:
    return parse_float_line(data[start:stop], caps.strict)


def _index_line(data: bytes, start: int, stop: int, caps: Caps) -> int:
    return parse_index_line(data[start:stop], caps.strict)


def _string_line(data: bytes, start: int, stop: int, caps: Caps) -> str:
    return parse_string_line(data[start:stop], caps.strict).decode("latin-1")


def _unicode_line(data: bytes, start: int, stop: int, caps: Caps) -> str:
    return parse_unicode_line(data[start:stop], caps.strict)


def _text_line(data: bytes, start: int, stop: int, _caps: Caps) -> str:
    try:
        return data[start:stop].decode("ascii")
    except UnicodeDecodeError:
        raise FormatError("a persistent id in text must be ASCII") from None


_DECODERS: dict[str, Callable[[bytes, int, int, Caps], Any]] = {
    "uint1": _uint1,
    "uint2": _uint2,
    "int4": _int4,
    "uint4": _uint4,
    "uint8": _uint8,
    "float8": _float8,
    "int_line": _int_line,
    "long_line": _long_line,
    "float_line": _float_line,
    "index_line": _index_line,
    "string_line": _string_line,
    "unicode_line": _unicode_line,
    "text_line": _text_line,
    "bytes1": _bytes,
    "bytes4": _bytes,
    "bytes8": _bytes,
    "string1": _latin1,
    "string4": _latin1,
    "utf8_1": _utf8,
    "utf8_4": _utf8,
    "utf8_8": _utf8,
    "long1": _long,
    "long4": _long,
}


# -- one opcode from bytes -----------------------------------------------------------------------------------


def read_opcode(
    data: bytes,
    position: int,
    caps: Caps = DEFAULT_CAPS,
    *,
    origin: int = 0,
) -> tuple[Opcode, Any, int]:
    """Read the opcode at *position* and return its row, its argument and the position behind it.

    :param caps: what its argument may ask for.
    :param origin: offset of ``data[0]`` from the start of the pickle, for the positions in errors.
    :raises FormatError: for a byte that is no opcode or an argument that is malformed or cut off.
    :raises LimitError: for an argument above *caps*.
    """
    if position >= len(data):
        raise TruncatedError("the pickle ends before STOP", position=origin + position)
    row = BY_BYTE.get(data[position])
    if row is None:
        raise FormatError(f"no opcode is 0x{data[position]:02x}", position=origin + position)
    if row.argument == "none":
        return row, None, position + 1
    shape = ARGUMENTS[row.argument].shape
    try:
        if shape == "lines":
            return _read_names(data, position, row, caps)
        start, stop, end = _RANGES[shape](data, position + 1, row, caps)
        argument = _DECODERS[row.argument](data, start, stop, caps)
    except (FormatError, LimitError) as error:
        error.locate(origin + position, row.name)
        raise
    if row.after == ("bytearray",):
        argument = bytearray(argument)
    return row, argument, end


def _fixed_range(data: bytes, start: int, row: Opcode, _caps: Caps) -> tuple[int, int, int]:
    stop = start + ARGUMENTS[row.argument].width
    if stop > len(data):
        raise TruncatedError("the pickle ends inside an argument")
    return start, stop, stop


def _counted_range(data: bytes, start: int, row: Opcode, caps: Caps) -> tuple[int, int, int]:
    width = ARGUMENTS[row.argument].width
    payload = start + width
    if payload > len(data):
        raise TruncatedError("the pickle ends inside a length")
    length = _length(data, start, row, caps)
    if length > len(data) - payload:
        raise TruncatedError(f"{length} bytes are claimed, {len(data) - payload} are left")
    return payload, payload + length, payload + length


def _line_range(data: bytes, start: int, row: Opcode, caps: Caps) -> tuple[int, int, int]:
    cap = _line_cap(row, caps)
    newline = data.find(b"\n", start, start + cap + 1)
    if newline < 0:
        raise _unended_line(row, caps, cap, len(data) - start)
    return start, newline, newline + 1


_RANGES: dict[str, Callable[[bytes, int, Opcode, Caps], tuple[int, int, int]]] = {
    "fixed": _fixed_range,
    "counted": _counted_range,
    "line": _line_range,
}


def _read_names(data: bytes, position: int, row: Opcode, caps: Caps) -> tuple[Opcode, tuple[str, str], int]:
    names = []
    end = position + 1
    for _ in range(2):
        start, stop, end = _line_range(data, end, row, caps)
        if start == stop:
            # _pickle.c takes an empty line here for the end of the data, pickle.py for a name (X25).
            raise FormatError("a global has an empty module or name")
        names.append(utf8(data, start, stop))
    return row, (names[0], names[1]), end


def _length(data: bytes, start: int, row: Opcode, caps: Caps) -> int:
    """Return a counted argument's length, after holding it against the limit for its type."""
    width = ARGUMENTS[row.argument].width
    length = int.from_bytes(data[start : start + width], "little", signed=row.argument in _SIGNED)
    if length < 0:
        raise FormatError(f"a negative length: {length}")
    if row.argument in _LONGS:
        # The last byte may be there for the sign alone.
        if (length - 1) * 8 > caps.int_bits:
            raise LimitError("max_int_bits", caps.int_bits, length * 8)
    elif length > caps.string:
        raise LimitError("max_string", caps.string, length)
    return length


def _line_cap(row: Opcode, caps: Caps) -> int:
    short = _SHORT_LINES.get(row.argument)
    if short is not None:
        return short
    if row.argument in _INT_LINES:
        return caps.int_bits * 1000 // _DIGIT_MILLIBITS + 4  # a sign, the L, rounding
    return caps.string


def _unended_line(row: Opcode, caps: Caps, cap: int, left: int) -> FormatError | LimitError:
    if left <= cap:
        return TruncatedError("the pickle ends inside a line")
    if row.argument in _INT_LINES:
        return LimitError("max_int_bits", caps.int_bits, (cap + 1) * _DIGIT_MILLIBITS // 1000)
    if row.argument in _SHORT_LINES:
        return FormatError(f"a line of more than {cap} bytes where a number is written")
    return LimitError("max_string", caps.string, cap + 1)


# -- streams of them -----------------------------------------------------------------------------------------


def scan(source: Any, limits: Limits = DEFAULT_LIMITS, *, strict: bool = True) -> Iterator[Instruction]:
    """Return the instructions of the first pickle in *source*, up to and with STOP.

    :param source: a bytes-like object, or a file open for reading bytes.
    :raises SafePickleError: while iterating, when the stream is malformed or above *limits*.
    """
    if hasattr(source, "read"):
        return scan_file(source, limits, strict=strict)
    return scan_bytes(bounded_bytes(source, limits), limits, strict=strict)


def bounded_bytes(source: Any, limits: Limits) -> bytes:
    """Return the bytes of a bytes-like object, refusing one above ``max_bytes`` before it is copied."""
    if not isinstance(source, str):
        with memoryview(source) as view:
            if view.nbytes > limits.bound("max_bytes"):
                raise LimitError("max_bytes", limits.bound("max_bytes"), view.nbytes)
    return as_bytes(source)


def scan_bytes(data: bytes, limits: Limits = DEFAULT_LIMITS, *, strict: bool = True) -> Iterator[Instruction]:
    """Return the instructions of the pickle at the start of *data*, looking at nothing behind its STOP."""
    if not data:
        raise EmptyInputError("there is no pickle: the input is empty")
    caps = Caps.of(limits, strict=strict)
    room = limits.bound("max_opcodes")
    position = count = 0
    while True:
        count += 1
        if count > room:
            raise LimitError("max_opcodes", room, count, position=position)
        row, argument, stop = read_opcode(data, position, caps)
        yield Instruction(row, argument, position, stop)
        if row.name == "STOP":
            return
        position = stop


def scan_file(file: Any, limits: Limits = DEFAULT_LIMITS, *, strict: bool = True) -> Iterator[Instruction]:
    """Return the instructions of the next pickle in *file*, taking from it no byte behind its STOP."""
    source = ReadSource(file)
    caps = Caps.of(limits, strict=strict)
    opcodes, room = limits.bound("max_opcodes"), limits.bound("max_bytes")
    position = count = 0
    while True:
        count += 1
        if count > opcodes:
            raise LimitError("max_opcodes", opcodes, count, position=position)
        record = _take_opcode(source, caps, position, room)
        if not record and position == 0:
            raise EmptyInputError("there is no pickle: the input is empty")
        row, argument, size = read_opcode(record, 0, caps, origin=position)
        yield Instruction(row, argument, position, position + size)
        if row.name == "STOP":
            return
        position += size


def _take_opcode(source: ReadSource, caps: Caps, position: int, max_bytes: int) -> bytes:
    """Take the bytes of one opcode; fewer where the file ends, for :func:`read_opcode` to complain about."""
    code = source.more(b"", 1)
    row = BY_BYTE.get(code[0]) if code else None
    size = len(code)
    argument = b""
    if row is not None and row.argument != "none":
        try:
            argument, size = _take_argument(source, row, caps, max_bytes - position - 1)
        except (FormatError, LimitError) as error:
            error.locate(position, row.name)
            raise
        size += 1
    if position + size > max_bytes:
        raise LimitError("max_bytes", max_bytes, position + size, position=position)
    return code + argument


def _take_argument(source: ReadSource, row: Opcode, caps: Caps, room: int) -> tuple[bytes, int]:
    """Take an argument, and say how long it is: what is claimed beyond *room* is not read."""
    argument = ARGUMENTS[row.argument]
    if argument.shape in {"line", "lines"}:
        cap = _line_cap(row, caps)
        try:
            data = source.line(b"", cap + 1)
            if argument.shape == "lines" and data.endswith(b"\n"):
                data += source.line(b"", cap + 1)
        except LimitError:
            raise _unended_line(row, caps, cap, cap + 1) from None
        return data, len(data)
    data = source.more(b"", argument.width)
    size = argument.width
    if argument.shape == "counted" and len(data) == size:
        length = _length(data, 0, row, caps)
        size += length
        if length and size <= room:
            data += source.more(b"", length)
    return data, size
