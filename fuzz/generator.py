"""The grammar: programs of opcodes, made from the opcode table.

A `Generator` keeps a model of the stack (kinds only), the marks and the memo, and writes opcodes that fit it, or that
nearly do. What it draws its decisions from is a `Choices`,
so that the same grammar serves a seed and an engine's bytes.

Rules that hold here:

* What an opcode takes and leaves comes from the table. Only arguments, names and idioms are written down here.
* `careless` is how often (once in so many opcodes) the model is ignored: near misses are streams that are well-typed
  up to a point.
* A program ends in one value and STOP if it can; frames and the protocol are put around at the end.
"""

from __future__ import annotations

from typing import Any

from fuzz import samples
from fuzz.assembly import COUNTS, FIXED, op, text
from fuzz.choices import Choices
from fuzz.idioms import ATTACKS, IDIOMS
from safepickle.wire.opcodes import ARGUMENTS, BY_NAME, OPCODES, Opcode

#: Opcodes put around a program, or written as whole idioms.
_APART = frozenset({"STOP", "PROTO", "FRAME"})
ROWS: tuple[Opcode, ...] = tuple(row for row in OPCODES if row.name not in _APART)
_WHOLE = frozenset({"GLOBAL", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "REDUCE", "NEWOBJ", "NEWOBJ_EX",
                    "BUILD", "PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER"})  # fmt: skip
#: What a program of plain data is made of.
PLAIN_ROWS: tuple[Opcode, ...] = tuple(row for row in ROWS if row.name not in _WHOLE)
#: Pushes of values are chosen less often than opcodes that do something with them.
_LEAF_KINDS = frozenset("None bool int float str bytes bytearray".split())
_KEYS = frozenset("None bool int float str bytes".split())

INTS = (0, 1, -1, 2, 3, 5, 9, 127, 128, 255, 256, 32767, 65535, 65536, 2**31 - 1, 2**31, -(2**31), 2**32 - 1, 2**32,
        2**61 - 2, 2**61 - 1, 2 * (2**61 - 1), 3 * (2**61 - 1), 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), 10**30,
        2**2000, -(10**40), 2**14283, 2**14290)  # fmt: skip
FLOATS = (0.0, -0.0, 1.0, -1.5, 1e300, 5e-324, float("inf"), float("-inf"), float("nan"), 0.1)
TEXTS = ("", "a", "b", "key", "value", "x" * 21, "\u20ac", "\U0001f600", "\ud800", "a\nb", "\\u0041", "'", '"', "\0",
         "__class__", "__setstate__", "__dict__", "declared", "guarded", "latin1", "append", "y" * 300,
         "_value")  # fmt: skip
BLOBS = (b"", b"a", b"\0\xff", b"abc" * 9, b"\x07\xe4\x01\x02\x03\x04\x05\0\0\x06", b"z" * 300)
INT_LINES = (
    "00",
    "01",
    "0",
    "1",
    "-1",
    "0x10",
    "010",
    "+1",
    " 1",
    "1 ",
    "1_0",
    "",
    "1\0",
    "9" * 30,
    "9" * 4400,
    "1L",
    "-0",
    "\uff11",
)
FLOAT_LINES = ("1.5", "inf", "-inf", "nan", "1e999", "1_0.0", " 1.5", "", "0x1p3", "1e", "9" * 401, "-0.0", "infinity")
INDEX_LINES = (
    "0",
    "1",
    "2",
    "3",
    "7",
    "255",
    "256",
    "-1",
    "+1",
    " 1",
    "01",
    "1_0",
    "",
    "9" * 41,
    "18446744073709551616",
)
STRING_LINES = ("'a'", '"b"', "''", "'", "a", "'\\x41\\n'", "'\\xff'", "'\\u0041'", "'a\"", "'\\", "'\\400'", "'a\\'")
UNICODE_LINES = ("a", "\\u20ac", "\\U0001f600", "\\", "\\u12", "", "\\ud800", "\u00e9", "\\U00110000")
ID_LINES = ("id", "", "1", "\u00e9", "x" * 30)
CLAIMS = (0, 1, 2, 3, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
INDEXES = (0, 1, 2, 3, 4, 7, 8, 100, 255)
LONG_INDEXES = (256, 1000, 65536, 9_999_999, 2**31 - 1, 2**31, 2**32 - 1)
EXTENSIONS = (*samples.EXTENSIONS, 0, 1, 239, 243, 255)

HOSTILE = tuple(ATTACKS.values())
#: Globals by module: what the policies allow, and what looks like it.
NAMES: tuple[tuple[str, str], ...] = (
    *((samples.__name__, name) for name in samples.RIGHTS),
    *((samples.__name__, name) for name in samples.DENIED),
    *(("builtins", name) for name in ("set", "frozenset", "bytes", "bytearray", "complex", "range", "slice", "type",
      "getattr", "object", "list", "dict", "int", "str", "tuple", "Ellipsis", "NotImplemented", "eval", "NoneType")),
    *(("__builtin__", name) for name in ("set", "xrange", "eval", "long", "unicode")),
    *(("collections", name) for name in ("OrderedDict", "deque", "defaultdict", "Counter", "abc.sys", "ChainMap")),
    *(("datetime", name) for name in ("datetime", "date", "time", "timedelta", "timezone", "sys")),
    ("decimal", "Decimal"), ("fractions", "Fraction"), ("uuid", "UUID"), ("uuid", "SafeUUID"), ("pathlib",
    "PurePosixPath"),
    ("array", "array"), ("array", "_array_reconstructor"), ("ipaddress", "IPv4Address"), ("zoneinfo", "ZoneInfo"),
    ("types", "SimpleNamespace"), ("builtins", "ValueError"), ("exceptions", "KeyError"), ("time", "struct_time"),
    ("_codecs", "encode"), ("copyreg", "_reconstructor"), ("copy_reg", "_reconstructor"), ("copyreg", "__newobj__"),
    ("copyreg", "__newobj_ex__"), ("os", "system"), ("operator", "attrgetter"), ("functools", "partial"),
    ("fuzz.landmine", "Thing"), (samples.__name__, "Outer.Inner.__class__"), (samples.__name__, "library.system"),
    (samples.__name__, "library.path"), (samples.__name__, "__builtins__"), ("collections", "OrderedDict.fromkeys"),
    ("", "x"), ("logging", "os.system"),
)  # fmt: skip


class Generator:
    """Writes one program.

    :param draw: where decisions come from.
    :param careless: once in so many opcodes the model is ignored; 0 for never.
    :param plain: no globals, calls, buffers or persistent ids.
    """

    def __init__(self, draw: Choices, *, careless: int = 0, plain: bool = False, idioms: bool = True) -> None:
        self._draw = draw
        self._careless = careless
        self._rows = PLAIN_ROWS if plain else ROWS
        self._idioms = idioms and not plain
        self.stack: list[str] = []
        self.marks: list[list[str]] = []
        self.memo: dict[int, str] = {}
        self.pieces: list[bytes] = []
        self.protocol = 0

    # -- one step --------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Write the next opcode, or an idiom of a few."""
        draw = self._draw
        if self._idioms and draw.chance(6):
            self.idiom()
            return
        if self._careless and draw.chance(self._careless):
            row = draw.pick(self._rows)
            self.write(row, self.argument(row))
            return
        fitting = [row for row in self._rows if self.fits(row)]
        busy = [row for row in fitting if row.before or row.memo]
        row = draw.pick(busy if busy and draw.below(2) else fitting)
        self.write(row, self.argument(row))

    def idiom(self) -> None:
        """Write a run of opcodes that picklers or attackers write; it leaves one value."""
        piece = self._draw.pick(HOSTILE if self._draw.below(2) else IDIOMS)
        self.pieces.append(piece)
        self.stack.append("any")

    def fits(self, row: Opcode) -> bool:
        """Return whether the row is well-typed here."""
        if row.memo == "get":
            top = 255 if row.argument == "uint1" else 2**32
            return any(index <= top for index in self.memo)
        if row.memo == "memoize":
            return bool(self.stack) and len(self.memo) not in self.memo
        if row.name == "POP":
            return bool(self.stack or self.marks)
        kinds = list(row.before)
        if "mark" in kinds:
            if not self.marks:
                return False
            below = kinds[: kinds.index("mark")]
            if row.name in ("DICT", "SETITEMS") and (
                len(self.stack) % 2 or not all(kind in _KEYS for kind in self.stack[::2])
            ):
                return False
            if row.name in ("ADDITEMS", "FROZENSET") and not all(kind in _KEYS for kind in self.stack):
                return False
            if row.name == "OBJ" and not self.stack:
                return False
            return self._tops(below, self.marks[-1])
        if row.name == "SETITEM" and len(self.stack) > 1 and self.stack[-2] not in _KEYS:
            return False
        return self._tops(kinds, self.stack)

    def _tops(self, kinds: list[str], stack: list[str]) -> bool:
        tops = stack[len(stack) - len(kinds) :] if kinds else []
        return len(tops) == len(kinds) and all(
            kind in ("any", top) or (top == "any" and kind in ("list", "dict", "set") and bool(self._careless))
            or (kind == "buffer" and top in ("bytes", "bytearray"))
            for kind, top in zip(kinds, tops, strict=True)
        )  # fmt: skip

    def write(self, row: Opcode, arguments: tuple[Any, ...]) -> None:
        """Write one opcode and follow it in the model."""
        claim = None
        kind = ARGUMENTS[row.argument]
        if kind.shape == "counted" and self._careless and self._draw.chance(self._careless * 4):
            claim = self._draw.pick(CLAIMS)
        self.pieces.append(op(row.name, *arguments, claim=claim))
        self.protocol = max(self.protocol, row.protocol)
        if row.memo == "get":
            self.stack.append(self.memo.get(int(arguments[0]) if _is_index(arguments[0]) else -1, "any"))
            return
        if row.memo:
            index = len(self.memo) if row.memo == "memoize" else int(arguments[0]) if _is_index(arguments[0]) else -1
            self.memo.setdefault(index, self.stack[-1] if self.stack else "any")
            return
        if row.name == "DUP":
            self.stack += self.stack[-1:]
            return
        if row.name == "MARK":
            self.marks.append(self.stack)
            self.stack = []
            return
        kinds = list(row.before)
        if row.name == "POP" and not self.stack:
            kinds = ["mark", "items"]
        if "mark" in kinds:
            self.stack = self.marks.pop() if self.marks else []
            kinds = kinds[: kinds.index("mark")]
        del self.stack[max(0, len(self.stack) - len(kinds)) :]
        self.stack += row.after

    # -- arguments ---------------------------------------------------------------------------------------------------

    def argument(self, row: Opcode) -> tuple[Any, ...]:
        """Return the argument of an opcode."""
        draw = self._draw
        kind = row.argument
        if kind == "none":
            return ()
        if row.memo:
            return (self._index(row),)
        if kind == "name_lines":
            return draw.pick(NAMES)
        if row.name.startswith("EXT"):
            return (draw.pick(EXTENSIONS),)
        if kind in FIXED:
            return (self._fixed(kind),)
        if kind in ("utf8_1", "utf8_4", "utf8_8"):
            data = draw.pick(TEXTS).encode("utf-8", "surrogatepass")
            data = b"\xff" if self._careless and draw.chance(40) else data
        elif kind in ("string1", "string4"):
            data = draw.pick(TEXTS).encode("ascii", "ignore")
            data = b"\xe9" if self._careless and draw.chance(20) else data
        elif kind in ("long1", "long4"):
            value = draw.pick(INTS)
            data = value.to_bytes(value.bit_length() // 8 + 1 + draw.below(2), "little", signed=True)
        elif ARGUMENTS[kind].shape == "counted":
            data = draw.pick(BLOBS) if draw.below(3) else draw.blob(9)
        else:
            return (self._line(kind),)
        return (data[:255] if ARGUMENTS[kind].width == 1 else data,)

    def _fixed(self, kind: str) -> Any:
        draw = self._draw
        if kind == "float8":
            return draw.pick(FLOATS)
        if kind == "int4":
            return draw.pick([n for n in INTS if -(2**31) <= n < 2**31])
        return draw.pick([n for n in INTS if 0 <= n < 256 ** ARGUMENTS[kind].width])

    def _line(self, kind: str) -> str:
        draw = self._draw
        good = not self._careless or draw.below(3)
        if kind in ("int_line", "long_line"):
            line = str(draw.pick(INTS[:28])) if good else draw.pick(INT_LINES)
            return line + ("L" if kind == "long_line" else "")
        if kind == "float_line":
            return repr(draw.pick(FLOATS)) if good else draw.pick(FLOAT_LINES)
        if kind == "string_line":
            return repr(draw.pick(TEXTS).encode("ascii", "ignore"))[1:] if good else draw.pick(STRING_LINES)
        if kind == "unicode_line":
            return draw.pick(UNICODE_LINES[:2]) if good else draw.pick(UNICODE_LINES)
        return draw.pick(ID_LINES)

    def _index(self, row: Opcode) -> Any:
        draw = self._draw
        text_form = row.argument == "index_line"
        top = 255 if row.argument == "uint1" else 2**32 - 1
        if self._careless and draw.chance(12):
            wild = draw.pick(INDEXES if top == 255 else LONG_INDEXES)
            return draw.pick(INDEX_LINES) if text_form else wild
        if row.memo == "get":
            index = draw.pick([known for known in sorted(self.memo) if 0 <= known <= top] or [0])
        else:
            index = len(self.memo)
            while index in self.memo:
                index += 1
            index = min(index, top)
        return str(index) if text_form else index

    # -- the end -----------------------------------------------------------------------------------------------------

    def run(self, steps: int) -> bytes:
        """Write a program of about so many opcodes and return its pickle."""
        for _ in range(steps):
            if self._draw.spent:
                break
            self.step()
        self.finish()
        return self.assembled()

    def finish(self) -> None:
        """Leave one value."""
        while self.marks:
            self.write(BY_NAME["TUPLE"], ())
        while len(self.stack) > 1:
            # Two at a time: what is left of a program is looked at, not dropped.
            self.write(BY_NAME["TUPLE3" if len(self.stack) > 2 else "TUPLE2"], ())
        if not self.stack:
            self.write(BY_NAME["NONE"], ())

    def assembled(self) -> bytes:
        """Return the pickle: PROTO, frames and STOP around what was written."""
        draw = self._draw
        protocol = max(self.protocol, 2 if draw.below(2) else draw.below(6))
        if self._careless and draw.chance(16):
            protocol = draw.below(7)
        pieces = [*self.pieces, b"."]
        head = op("PROTO", protocol) if protocol >= 2 or draw.chance(4) else b""
        if protocol < 4 or draw.below(2):
            return head + b"".join(pieces)
        return head + frames(pieces, draw, wild=bool(self._careless))


def frames(pieces: list[bytes], draw: Choices, *, wild: bool) -> bytes:
    """Return the pieces with frames around runs of them; *wild* puts a frame's end anywhere now and then."""
    whole = []
    at = 0
    while at < len(pieces):
        run = b"".join(pieces[at : at + 1 + draw.below(len(pieces))])
        count = 1 + draw.below(len(pieces) - at)
        run = b"".join(pieces[at : at + count])
        at += count
        if draw.chance(4):
            whole.append(run)
            continue
        claim = len(run)
        if wild and draw.chance(6):
            claim = draw.pick((claim + 1, claim - 1, 0, 1, draw.below(claim + 1), *CLAIMS))
        whole.append(op("FRAME", claim & (2**64 - 1)) + run)
    return b"".join(whole)


def _is_index(value: Any) -> bool:
    return type(value) is int or (type(value) is str and value.isascii() and value.isdigit() and len(value) < 20)


def global_of(draw: Choices) -> bytes:
    """Push any known global, by any opcode that can."""
    module, qualname = draw.pick(NAMES)
    if draw.below(3):
        return text(module) + text(qualname) + b"\x93"
    return op("GLOBAL", module, qualname)


#: For mutators: lengths and numbers by the width they are written in.
WIDTHS = {**COUNTS}
