"""A small assembler of pickle opcodes, for streams that no pickler writes.

`op(name, ...)` gives one opcode with its argument, encoded as the opcode table says; nothing is checked
beyond that, because most of what is built here is wrong on purpose. The other functions are common runs of
opcodes. Everything is `bytes`, so that streams are put together with `+`.
"""

from __future__ import annotations

import struct

from safepickle.wire.opcodes import ARGUMENTS, BY_NAME

_FIXED = {"uint1": "<B", "uint2": "<H", "int4": "<i", "uint4": "<I", "uint8": "<Q", "float8": ">d"}
_COUNTS = {1: "<B", 4: "<I", 8: "<Q"}


def op(name: str, *arguments: object, claim: int | None = None) -> bytes:
    """Return one opcode with its argument.

    Lines are given as str (encoded as UTF-8) or bytes; `claim` writes another length than the payload has.
    """
    row = BY_NAME[name]
    code = bytes([row.code])
    kind = ARGUMENTS[row.argument]
    if kind.shape == "none":
        assert not arguments
        return code
    if kind.shape == "fixed":
        (number,) = arguments
        return code + struct.pack(_FIXED[kind.kind], number)
    payloads = [a if isinstance(a, bytes) else str(a).encode("utf-8", "surrogatepass") for a in arguments]
    if kind.shape == "counted":
        (payload,) = payloads
        return code + struct.pack(_COUNTS[kind.width], len(payload) if claim is None else claim) + payload
    assert len(payloads) == (2 if kind.shape == "lines" else 1)
    return code + b"".join(line + b"\n" for line in payloads)


PROTO = {number: op("PROTO", number) for number in range(6)}
MARK, STOP, NONE, POP, POP_MARK, DUP, MEMOIZE = (
    op(name) for name in ("MARK", "STOP", "NONE", "POP", "POP_MARK", "DUP", "MEMOIZE")
)
LIST, DICT, SET, TUPLE0 = (op(f"EMPTY_{name}") for name in ("LIST", "DICT", "SET", "TUPLE"))
TUPLE, TUPLE1, TUPLE2 = op("TUPLE"), op("TUPLE1"), op("TUPLE2")
APPEND, APPENDS, SETITEM, SETITEMS = op("APPEND"), op("APPENDS"), op("SETITEM"), op("SETITEMS")
ADDITEMS, FROZENSET = op("ADDITEMS"), op("FROZENSET")
REDUCE, NEWOBJ, NEWOBJ_EX, OBJ, BUILD = (op(name) for name in ("REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "BUILD"))
STACK_GLOBAL = op("STACK_GLOBAL")


def pickled(*parts: bytes, proto: int | None = 4) -> bytes:
    """Return a whole pickle: PROTO (unless None), the parts, STOP."""
    return (b"" if proto is None else PROTO[proto]) + b"".join(parts) + STOP


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
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return op("LONG1" if len(raw) < 256 else "LONG4", raw)


def name(module: str, qualname: str) -> bytes:
    """Push a global, by STACK_GLOBAL."""
    return text(module) + text(qualname) + STACK_GLOBAL


def old_name(module: str, qualname: str) -> bytes:
    """Push a global, by GLOBAL."""
    return op("GLOBAL", module, qualname)


def tuple_of(*parts: bytes) -> bytes:
    """Push a tuple."""
    return MARK + b"".join(parts) + TUPLE


def list_of(*parts: bytes) -> bytes:
    """Push a list."""
    return LIST + MARK + b"".join(parts) + APPENDS


def dict_of(*parts: bytes) -> bytes:
    """Push a dict of keys and values in turn."""
    return DICT + MARK + b"".join(parts) + SETITEMS


def call(function: bytes, *arguments: bytes) -> bytes:
    """Push what REDUCE makes of a callable and its arguments."""
    return function + tuple_of(*arguments) + REDUCE


def new(cls: bytes, *arguments: bytes) -> bytes:
    """Push what NEWOBJ makes of a class."""
    return cls + tuple_of(*arguments) + NEWOBJ


def state(target: bytes, *pairs: bytes) -> bytes:
    """Give `target` a dict of keys and values in turn, by BUILD."""
    return target + dict_of(*pairs) + BUILD


def slot_state(target: bytes, *pairs: bytes) -> bytes:
    """Give `target` state of the form (None, dict), which pickle sets attribute by attribute."""
    return target + NONE + dict_of(*pairs) + TUPLE2 + BUILD


def frame(body: bytes, *, claim: int | None = None) -> bytes:
    """Return `body` in a frame, of another length if `claim` says so."""
    return op("FRAME", len(body) if claim is None else claim) + body
