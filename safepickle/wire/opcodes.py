"""The opcode table: every opcode of pickle protocols 0 to 5, as data.

Rules that hold here:

* This table is the only list of opcodes. The disassembler, the scanner, the fuzz grammar and the reference page
  are made from it, and a test holds the machine to it (stack effect, memo effect, argument).
* It knows no policy: ``right`` only names the right that the engine asks for, where it asks for one.
* Stack effects are written as kinds of items, the top last. ``mark`` stands for the topmost open mark and
  ``items`` for everything above it. ``any`` matches every object.

Sources: CPython's ``Lib/pickletools.py`` and ``Modules/_pickle.c`` for what the opcodes do, PEP 307, PEP 3154 and
PEP 574 for protocols 2, 4 and 5.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ARGUMENTS", "BY_BYTE", "BY_NAME", "HIGHEST_PROTOCOL", "OPCODES", "Argument", "Opcode", "opcode_name"]

#: The newest protocol there is.
HIGHEST_PROTOCOL = 5


class Argument(NamedTuple):
    """How an opcode's argument is written in the stream."""

    kind: str
    #: Bytes of fixed length before the payload, or of the argument itself.
    width: int
    #: ``none``, ``fixed`` (``width`` bytes), ``counted`` (a length of ``width`` bytes, then as many), ``line`` (up to
    #: a newline) or ``lines`` (two of them).
    shape: str
    meaning: str


def _arguments(*rows: tuple[str, int, str, str]) -> dict[str, Argument]:
    return {row[0]: Argument(*row) for row in rows}


ARGUMENTS = _arguments(
    ("none", 0, "none", "no argument"),
    ("uint1", 1, "fixed", "unsigned, 1 byte"),
    ("uint2", 2, "fixed", "unsigned, 2 bytes, little-endian"),
    ("int4", 4, "fixed", "signed, 4 bytes, little-endian"),
    ("uint4", 4, "fixed", "unsigned, 4 bytes, little-endian"),
    ("uint8", 8, "fixed", "unsigned, 8 bytes, little-endian"),
    ("float8", 8, "fixed", "IEEE 754 double, big-endian"),
    ("int_line", 0, "line", "decimal int, or 00 and 01 for the bools"),
    ("long_line", 0, "line", "decimal int followed by L"),
    ("float_line", 0, "line", "decimal float, inf or nan"),
    ("index_line", 0, "line", "decimal memo index"),
    ("string_line", 0, "line", "Python 2 str as repr writes it, in quotes"),
    ("unicode_line", 0, "line", "str, raw-unicode-escape"),
    ("text_line", 0, "line", "persistent id as text"),
    ("name_lines", 0, "lines", "module, then name, each on a line"),
    ("bytes1", 1, "counted", "bytes, length in 1 byte"),
    ("bytes4", 4, "counted", "bytes, length in 4 bytes"),
    ("bytes8", 8, "counted", "bytes, length in 8 bytes"),
    ("string1", 1, "counted", "Python 2 str, length in 1 byte"),
    ("string4", 4, "counted", "Python 2 str, length in 4 bytes, signed"),
    ("utf8_1", 1, "counted", "str in UTF-8 (surrogates allowed), length in 1 byte"),
    ("utf8_4", 4, "counted", "str in UTF-8 (surrogates allowed), length in 4 bytes"),
    ("utf8_8", 8, "counted", "str in UTF-8 (surrogates allowed), length in 8 bytes"),
    ("long1", 1, "counted", "int in two's complement, length in 1 byte"),
    ("long4", 4, "counted", "int in two's complement, length in 4 bytes, signed"),
)


class Opcode(NamedTuple):
    """One row of the table."""

    name: str
    #: The byte, as an int.
    code: int
    #: The protocol that introduced it.
    protocol: int
    #: Key into :data:`ARGUMENTS`.
    argument: str
    #: Kinds of what it takes from the stack, the top last.
    before: tuple[str, ...]
    #: Kinds of what it leaves in their place.
    after: tuple[str, ...]
    #: ``get``, ``put`` (at an index from the stream), ``memoize`` (at the next free index) or nothing.
    memo: str
    #: The right that the policy engine is asked for, or nothing.
    right: str
    meaning: str


def _row(
    name: str, byte: bytes, protocol: int, argument: str, before: str, after: str, meaning: str,
    *, memo: str = "", right: str = "",
) -> Opcode:  # fmt: skip
    return Opcode(
        name, byte[0], protocol, argument, tuple(before.split()), tuple(after.split()), memo, right, meaning
    )


OPCODES: tuple[Opcode, ...] = (
    # -- frame of the stream
    _row("PROTO", b"\x80", 2, "uint1", "", "", "states the protocol; first opcode only"),
    _row("FRAME", b"\x95", 4, "uint8", "", "", "the next so many bytes are one frame"),
    _row("STOP", b".", 0, "none", "any", "", "ends the pickle; the top of the stack is its value"),
    # -- simple values
    _row("NONE", b"N", 0, "none", "", "None", "None"),
    _row("NEWTRUE", b"\x88", 2, "none", "", "bool", "True"),
    _row("NEWFALSE", b"\x89", 2, "none", "", "bool", "False"),
    _row("INT", b"I", 0, "int_line", "", "int", "an int or bool in text"),
    _row("BININT", b"J", 1, "int4", "", "int", "an int of 4 bytes"),
    _row("BININT1", b"K", 1, "uint1", "", "int", "an int of 1 byte"),
    _row("BININT2", b"M", 1, "uint2", "", "int", "an int of 2 bytes"),
    _row("LONG", b"L", 0, "long_line", "", "int", "a long in text"),
    _row("LONG1", b"\x8a", 2, "long1", "", "int", "an int of up to 255 bytes"),
    _row("LONG4", b"\x8b", 2, "long4", "", "int", "an int of any size"),
    _row("FLOAT", b"F", 0, "float_line", "", "float", "a float in text"),
    _row("BINFLOAT", b"G", 1, "float8", "", "float", "a float of 8 bytes"),
    # -- text and bytes
    _row("STRING", b"S", 0, "string_line", "", "str", "a Python 2 str in quotes"),
    _row("BINSTRING", b"T", 1, "string4", "", "str", "a Python 2 str"),
    _row("SHORT_BINSTRING", b"U", 1, "string1", "", "str", "a short Python 2 str"),
    _row("UNICODE", b"V", 0, "unicode_line", "", "str", "a str in text"),
    _row("SHORT_BINUNICODE", b"\x8c", 4, "utf8_1", "", "str", "a short str"),
    _row("BINUNICODE", b"X", 1, "utf8_4", "", "str", "a str"),
    _row("BINUNICODE8", b"\x8d", 4, "utf8_8", "", "str", "a long str"),
    _row("SHORT_BINBYTES", b"C", 3, "bytes1", "", "bytes", "short bytes"),
    _row("BINBYTES", b"B", 3, "bytes4", "", "bytes", "bytes"),
    _row("BINBYTES8", b"\x8e", 4, "bytes8", "", "bytes", "long bytes"),
    _row("BYTEARRAY8", b"\x96", 5, "bytes8", "", "bytearray", "a bytearray"),
    _row("NEXT_BUFFER", b"\x97", 5, "none", "", "buffer", "the next out-of-band buffer"),
    _row("READONLY_BUFFER", b"\x98", 5, "none", "buffer", "buffer", "makes the buffer on top read-only"),
    # -- containers
    _row("EMPTY_LIST", b"]", 1, "none", "", "list", "an empty list"),
    _row("LIST", b"l", 0, "none", "mark items", "list", "a list of the items"),
    _row("APPEND", b"a", 0, "none", "list any", "list", "appends one item", right="append"),
    _row("APPENDS", b"e", 1, "none", "list mark items", "list", "appends the items", right="append"),
    _row("EMPTY_TUPLE", b")", 1, "none", "", "tuple", "the empty tuple"),
    _row("TUPLE", b"t", 0, "none", "mark items", "tuple", "a tuple of the items"),
    _row("TUPLE1", b"\x85", 2, "none", "any", "tuple", "a tuple of one"),
    _row("TUPLE2", b"\x86", 2, "none", "any any", "tuple", "a tuple of two"),
    _row("TUPLE3", b"\x87", 2, "none", "any any any", "tuple", "a tuple of three"),
    _row("EMPTY_DICT", b"}", 1, "none", "", "dict", "an empty dict"),
    _row("DICT", b"d", 0, "none", "mark items", "dict", "a dict of keys and values in turn"),
    _row("SETITEM", b"s", 0, "none", "dict any any", "dict", "sets one item", right="setitem"),
    _row("SETITEMS", b"u", 1, "none", "dict mark items", "dict", "sets keys and values in turn", right="setitem"),
    _row("EMPTY_SET", b"\x8f", 4, "none", "", "set", "an empty set"),
    _row("ADDITEMS", b"\x90", 4, "none", "set mark items", "set", "adds the items", right="add"),
    _row("FROZENSET", b"\x91", 4, "none", "mark items", "frozenset", "a frozenset of the items"),
    # -- stack
    _row("MARK", b"(", 0, "none", "", "mark", "opens a mark"),
    _row("POP", b"0", 0, "none", "any", "", "drops the top, or an open mark with nothing above it"),
    _row("POP_MARK", b"1", 1, "none", "mark items", "", "drops the items and their mark"),
    _row("DUP", b"2", 0, "none", "any", "any any", "pushes the top once more"),
    # -- memo
    _row("GET", b"g", 0, "index_line", "", "any", "pushes a memo entry", memo="get"),
    _row("BINGET", b"h", 1, "uint1", "", "any", "pushes a memo entry", memo="get"),
    _row("LONG_BINGET", b"j", 1, "uint4", "", "any", "pushes a memo entry", memo="get"),
    _row("PUT", b"p", 0, "index_line", "any", "any", "stores the top in the memo", memo="put"),
    _row("BINPUT", b"q", 1, "uint1", "any", "any", "stores the top in the memo", memo="put"),
    _row("LONG_BINPUT", b"r", 1, "uint4", "any", "any", "stores the top in the memo", memo="put"),
    _row("MEMOIZE", b"\x94", 4, "none", "any", "any", "stores the top in the memo's next entry", memo="memoize"),
    # -- globals, calls and state
    _row("GLOBAL", b"c", 0, "name_lines", "", "any", "a global by module and name", right="refer"),
    _row("STACK_GLOBAL", b"\x93", 4, "none", "str str", "any", "a global by module and name", right="refer"),
    _row("EXT1", b"\x82", 2, "uint1", "", "any", "a global by its copyreg extension code", right="refer"),
    _row("EXT2", b"\x83", 2, "uint2", "", "any", "a global by its copyreg extension code", right="refer"),
    _row("EXT4", b"\x84", 2, "int4", "", "any", "a global by its copyreg extension code", right="refer"),
    _row("REDUCE", b"R", 0, "none", "any tuple", "any", "calls a callable", right="call"),
    _row("INST", b"i", 0, "name_lines", "mark items", "any", "calls a class named in the stream", right="call"),
    _row("OBJ", b"o", 1, "none", "mark any items", "any", "calls a class from the stack", right="call"),
    _row("NEWOBJ", b"\x81", 2, "none", "any tuple", "any", "cls.__new__(cls, *args)", right="new"),
    _row("NEWOBJ_EX", b"\x92", 4, "none", "any tuple dict", "any", "cls.__new__(cls, *args, **kwargs)", right="new"),
    _row("BUILD", b"b", 0, "none", "any any", "any", "gives an object its state", right="build"),
    _row("PERSID", b"P", 0, "text_line", "", "any", "asks persistent_load, id in text"),
    _row("BINPERSID", b"Q", 1, "none", "any", "any", "asks persistent_load, id from the stack"),
)  # fmt: skip

#: Row by byte.
BY_BYTE: dict[int, Opcode] = {row.code: row for row in OPCODES}
#: Row by name.
BY_NAME: dict[str, Opcode] = {row.name: row for row in OPCODES}


def opcode_name(code: int) -> str:
    """Return the name of an opcode byte, or how an unknown one is shown in messages."""
    row = BY_BYTE.get(code)
    return row.name if row is not None else f"0x{code:02x}"
