"""Streams put together from opcodes and taken apart again, by the opcode table alone.

Rules that hold here:

* `op` writes whatever it is told, wrong lengths too; `split` reads whatever it is given and never fails: what is no
  opcode, or is cut off, stays one piece. `b"".join(split(data)) == data` always.
* Neither is a parser that decides anything: they serve the generator, the mutator and the minimiser.
"""

from __future__ import annotations

import struct

from safepickle.wire.opcodes import ARGUMENTS, BY_BYTE, BY_NAME

FIXED = {"uint1": "<B", "uint2": "<H", "int4": "<i", "uint4": "<I", "uint8": "<Q", "float8": ">d"}
COUNTS = {1: "<B", 4: "<I", 8: "<Q"}


def op(name: str, *arguments: object, claim: int | None = None) -> bytes:
    """Return one opcode with its argument; *claim* writes another length than the payload has."""
    row = BY_NAME[name]
    code = bytes([row.code])
    kind = ARGUMENTS[row.argument]
    if kind.shape == "none":
        return code
    if kind.shape == "fixed":
        return code + struct.pack(FIXED[kind.kind], *arguments)
    payloads = [a if isinstance(a, bytes) else str(a).encode("utf-8", "surrogatepass") for a in arguments]
    if kind.shape == "counted":
        length = len(payloads[0]) if claim is None else claim
        return code + struct.pack(COUNTS[kind.width], length & (256**kind.width - 1)) + payloads[0]
    return code + b"".join(line + b"\n" for line in payloads)


def split(data: bytes) -> list[bytes]:
    """Cut a stream into opcodes with their arguments; what cannot be read is the last piece."""
    pieces = []
    position = 0
    while position < len(data):
        stop = _end(data, position)
        stop = min(stop, len(data))
        pieces.append(data[position:stop])
        position = stop
    return pieces


def _end(data: bytes, start: int) -> int:
    row = BY_BYTE.get(data[start])
    position = start + 1
    if row is None:
        return position
    kind = ARGUMENTS[row.argument]
    if kind.shape == "none":
        return position
    if kind.shape == "fixed":
        return position + kind.width
    if kind.shape == "counted":
        length = int.from_bytes(data[position : position + kind.width], "little")
        # A claim beyond the data hides nothing: what follows is read as opcodes too.
        end = position + kind.width + length
        return end if end <= len(data) else position + kind.width
    for _ in range(2 if kind.shape == "lines" else 1):
        found = data.find(b"\n", position)
        if found < 0:
            return len(data)
        position = found + 1
    return position


def pickled(*parts: bytes, proto: int | None = 4) -> bytes:
    """Return a whole pickle: PROTO (unless None), the parts, STOP."""
    return (b"" if proto is None else op("PROTO", proto)) + b"".join(parts) + b"."


def text(value: str) -> bytes:
    """Push a str."""
    data = value.encode("utf-8", "surrogatepass")
    return op("SHORT_BINUNICODE" if len(data) < 256 else "BINUNICODE", data)


def blob(value: bytes) -> bytes:
    """Push bytes."""
    return op("SHORT_BINBYTES" if len(value) < 256 else "BINBYTES", value)


def number(value: int) -> bytes:
    """Push an int."""
    if 0 <= value < 256:
        return op("BININT1", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return op("LONG1" if len(data) < 256 else "LONG4", data)


def name(module: str, qualname: str) -> bytes:
    """Push a global, by STACK_GLOBAL."""
    return text(module) + text(qualname) + b"\x93"


def tuple_of(*parts: bytes) -> bytes:
    """Push a tuple."""
    return b"(" + b"".join(parts) + b"t"


def list_of(*parts: bytes) -> bytes:
    """Push a list."""
    return b"](" + b"".join(parts) + b"e"


def dict_of(*parts: bytes) -> bytes:
    """Push a dict of keys and values in turn."""
    return b"}(" + b"".join(parts) + b"u"


def call(function: bytes, *arguments: bytes) -> bytes:
    """Push what REDUCE makes of a callable and its arguments."""
    return function + tuple_of(*arguments) + b"R"


def new(cls: bytes, *arguments: bytes) -> bytes:
    """Push what NEWOBJ makes of a class."""
    return cls + tuple_of(*arguments) + b"\x81"


def framed(body: bytes, claim: int | None = None) -> bytes:
    """Return *body* in a frame, of another length if *claim* says so."""
    return op("FRAME", (len(body) if claim is None else claim) & (2**64 - 1)) + body
