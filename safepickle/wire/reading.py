# cython: annotation_typing=False
"""Leaf decoders: one argument's bytes to one value. The machine and the scanner share them.

Rules that hold here:

* A leaf looks at the bytes it is given and nothing else; the caller has checked that they are there, and every
  leaf that takes a pointer in the compiled form checks once more.
* Malformed text is a :class:`FormatError`, never a ``ValueError``.
* ``strict`` takes the intersection of ``_pickle.c``, ``pickle.py`` and ``pickletools`` (S10): the canonical
  decimal forms that picklers write. Without it, the forms of ``_pickle.c`` are taken (``UNRESTRICTED``).

What takes a pointer in the compiled form is in C, in ``reading.pxd``; those names are used under
``cython.compiled`` alone.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

import codecs
import re
import struct

from ..errors import FormatError, quote

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

_INT4 = struct.Struct("<i").unpack_from
_UINT4 = struct.Struct("<I").unpack_from
_UINT8 = struct.Struct("<Q").unpack_from
_FLOAT8 = struct.Struct(">d").unpack_from

_INT = re.compile(rb"(?:0|-?[1-9][0-9]*)\Z")
_FLOAT = re.compile(rb"-?(?:[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?|inf|nan)\Z", re.IGNORECASE)
_INDEX = re.compile(rb"(?:0|[1-9][0-9]*)\Z")
#: What ``repr`` of Python 2 writes of bytes, and other picklers of that time, with nothing to go back to in a match.
_ESCAPED = re.compile(rb"(?:[^\\]++|\\(?:x[0-9a-fA-F]{2}|[\\'\"nrt]))*+")

#: Stands for all sizes from here on.
SIZE_BOUND = 2**62

#: Longest text of a number, in bytes, whatever the limits are: int() is quadratic (CVE-2020-10735).
NUMBER_LINE_LIMIT = 100_000


def uint2(data: bytes, position: int) -> int:
    """Unsigned, 2 bytes, little-endian."""
    return data[position] + data[position + 1] * 256


def int4(data: bytes, position: int) -> int:
    """Signed, 4 bytes, little-endian."""
    if cython.compiled:
        return read_int4(data, position)
    number: int = _INT4(data, position)[0]
    return number


def uint4(data: bytes, position: int) -> int:
    """Unsigned, 4 bytes, little-endian."""
    if cython.compiled:
        return read_uint4(data, position)
    number: int = _UINT4(data, position)[0]
    return number


def memo_index(data: bytes, position: int) -> int:
    """Return which entry of the memo a BINGET or LONG_BINGET at *position* takes, -1 for any other opcode."""
    if cython.compiled:
        return read_memo_index(data, position)
    if data[position] == 0x68:
        return data[position + 1]
    return uint4(data, position + 1) if data[position] == 0x6A else -1


def uint8(data: bytes, position: int) -> int:
    """Unsigned, 8 bytes, little-endian."""
    if cython.compiled:
        return read_uint8(data, position)
    number: int = _UINT8(data, position)[0]
    return number


def size8(data: bytes, position: int) -> int:
    """Unsigned, 8 bytes, little-endian; what is more than the size of anything is 2**62."""
    if cython.compiled:
        return read_size8(data, position)
    number: int = min(_UINT8(data, position)[0], SIZE_BOUND)
    return number


def float8(data: bytes, position: int) -> float:
    """IEEE 754 double, big-endian."""
    if cython.compiled:
        return read_float8(data, position)
    number: float = _FLOAT8(data, position)[0]
    return number


def piece(data: bytes, start: int, stop: int) -> bytes:
    """A slice of the bytes."""
    if cython.compiled:
        return read_piece(data, start, stop)
    return data[start:stop]


def text(data: bytes, start: int, stop: int) -> str:
    """UTF-8 with surrogates allowed, as every pickler writes str; what is not UTF-8 raises as Python does."""
    return str(data[start:stop], "utf-8", "surrogatepass")


def utf8(data: bytes, start: int, stop: int) -> str:
    """UTF-8 with surrogates allowed, as every pickler writes str."""
    try:
        if cython.compiled:
            return read_utf8(data, start, stop)
        return text(data, start, stop)
    except UnicodeDecodeError as error:
        raise not_utf8(error) from None


def byte_array(data: bytes, start: int, stop: int) -> bytearray:
    """Part of the data to be changed, copied once: a second copy of much memory is slower than all the rest."""
    if cython.compiled:
        return read_byte_array(data, start, stop)
    return bytearray(memoryview(data)[start:stop])


def not_utf8(error: UnicodeDecodeError) -> FormatError:
    """Return what is raised in strict mode for text that is not UTF-8."""
    return FormatError(f"text is not UTF-8: {error.reason}")


def long_int(data: bytes, start: int, stop: int) -> int:
    """An int in two's complement, little-endian; no bytes are 0."""
    if cython.compiled:
        if 0 < stop - start <= 8:
            return read_small_int(data, start, stop)
        return read_long(data, start, stop)
    return int.from_bytes(data[start:stop], "little", signed=True)


def parse_int_line(line: bytes, strict: bool) -> int:
    """The argument of INT: a decimal int, or ``00`` and ``01`` for the bools (protocols 0 and 1 have no opcode)."""
    if line == b"00":
        return False
    if line == b"01":
        return True
    return _decimal(line, strict, 0)


def parse_long_line(line: bytes, strict: bool) -> int:
    """The argument of LONG: a decimal int followed by ``L`` (which ``pickle`` takes without, too)."""
    return _decimal(line[:-1] if line.endswith(b"L") else line, strict, 0)


def _decimal(line: bytes, strict: bool, base: int) -> int:
    if len(line) > NUMBER_LINE_LIMIT:
        raise FormatError(f"a number of {len(line)} digits")
    if strict:
        if _INT.match(line) is None:
            raise FormatError(f"not a decimal int: {quote(line)}")
        base = 10
    try:
        return int(line, base)
    except ValueError:
        raise FormatError(f"not an int, or too many digits: {quote(line)}") from None


def parse_float_line(line: bytes, strict: bool) -> float:
    """The argument of FLOAT: what ``repr`` of a float writes."""
    if len(line) > NUMBER_LINE_LIMIT or (strict and _FLOAT.match(line) is None):
        raise FormatError(f"not a float: {quote(line)}")
    try:
        value = float(line)
    except ValueError:
        raise FormatError(f"not a float: {quote(line)}") from None
    if value in (float("inf"), float("-inf")) and b"n" not in line.lower():
        # _pickle.c raises OverflowError, pickle.py gives inf.
        if not strict:
            raise OverflowError(f"float out of range: {quote(line)}")
        raise FormatError(f"float out of range: {quote(line)}")
    return value


def parse_index_line(line: bytes, strict: bool) -> int:
    """The argument of GET and PUT: a decimal memo index."""
    if len(line) > 20 or (strict and _INDEX.match(line) is None):
        raise FormatError(f"not a memo index: {quote(line)}")
    try:
        return int(line)
    except ValueError:
        raise FormatError(f"not a memo index: {quote(line)}") from None


def parse_string_line(line: bytes, strict: bool) -> bytes:
    """The argument of STRING: the bytes that a Python 2 str literal in quotes stands for."""
    if len(line) < 2 or line[0] != line[-1] or line[0] not in b"'\"":
        raise FormatError(f"the STRING opcode argument must be quoted: {quote(line)}")
    body = line[1:-1]
    if not strict:
        try:
            return codecs.escape_decode(body)[0]  # pyright: ignore[reportReturnType]
        except (ValueError, Warning) as error:
            raise FormatError(f"bad escape in a STRING: {error}") from None
    if not body.isascii():
        raise FormatError("a STRING with bytes that no Python 2 repr writes")
    if b"\\" not in body:
        return body
    if _ESCAPED.fullmatch(body) is None:
        raise FormatError(f"an escape that no Python 2 repr writes: {quote(line)}")
    # Escape by escape in Python would take fifty times the memory of the line, which nobody pays for.
    return codecs.escape_decode(body)[0]  # pyright: ignore[reportReturnType]


def parse_unicode_line(line: bytes, strict: bool) -> str:
    """The argument of UNICODE: raw-unicode-escape."""
    try:
        return str(line, "raw-unicode-escape")
    except UnicodeDecodeError as error:
        raise FormatError(f"bad escape in a UNICODE: {error.reason}") from None
