"""Typed opcode programs: a model of the stack, the marks and the memo, and hypothesis strategies that drive
it.

`Model` carries an opcode out on Python objects and notes its bytes. It knows from the opcode table what each
opcode takes, so `choices()` are the rows that a well-typed program can go on with. The programs are plain
data:
the only globals they name are `builtins` that picklers write for plain values, so that they may be given to
the standard library's unpickler to see what it makes of them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from attacks.asm import frame, op
from hypothesis import strategies as st

from safepickle.wire.opcodes import BY_NAME, OPCODES, Opcode

#: Rows that the model carries out on its own; STOP, PROTO and FRAME are put around, globals are never plain
#: data.
ROWS: tuple[Opcode, ...] = tuple(
    row for row in OPCODES if not row.right or row.name in ("APPEND", "APPENDS", "SETITEM", "SETITEMS",
    "ADDITEMS")
    if row.name not in ("STOP", "PROTO", "FRAME", "PERSID", "BINPERSID")
)  # fmt: skip
#: Values of plain classes that picklers write as calls, by the builtin's name and how many arguments it has.
CALLS = ("set", "frozenset", "complex", "range", "slice", "bytearray")
BUFFERS = (b"frozen", bytearray(b"open"), b"")

_KEYS = (str, bytes, int, bool, float, type(None), complex)


def is_key(value: Any) -> bool:
    """Return whether *value* can be a key, without hashing it."""
    kind = type(value)
    if kind in (tuple, frozenset):
        return all(map(is_key, value))
    return kind in _KEYS


class Model:
    """A stack for each open mark, a memo, and the opcodes so far."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.pieces: list[bytes] = []
        self.buffers: list[Any] = []
        self.buffers_taken = 0
        self._alive: list[Any] = []

    # -- what may come next ----------------------------------------------------------------------------------

    def fits(self, row: Opcode) -> bool:
        """Return whether the row is well-typed here."""
        if row.memo == "get":
            return any(index <= _highest(row) for index in self.memo)
        if row.memo == "memoize":
            return bool(self.stack) and len(self.memo) not in self.memo
        if row.name == "POP":
            return bool(self.stack or self.marks)
        if row.name == "NEXT_BUFFER":
            return self.buffers_taken < len(BUFFERS)
        kinds = list(row.before)
        if kinds[-2:] == ["mark", "items"]:
            if not self.marks:
                return False
            items, below = self.stack, self.marks[-1]
            return self._items_fit(row, items) and self._tops(kinds[:-2], below)
        if not self._tops(kinds, self.stack):
            return False
        return row.name != "SETITEM" or is_key(self.stack[-2])

    def _tops(self, kinds: list[str], stack: list[Any]) -> bool:
        tops = stack[len(stack) - len(kinds) :] if kinds else []
        return len(tops) == len(kinds) and all(map(_is, kinds, tops))

    def _items_fit(self, row: Opcode, items: list[Any]) -> bool:
        if row.name in ("DICT", "SETITEMS"):
            return len(items) % 2 == 0 and all(map(is_key, items[::2]))
        return row.name not in ("ADDITEMS", "FROZENSET") or all(map(is_key, items))

    def choices(self) -> list[str]:
        """Return the names of the rows that fit."""
        return [row.name for row in ROWS if self.fits(row)]

    # -- carrying out ----------------------------------------------------------------------------------------

    def write(self, name: str, *arguments: Any) -> None:
        """Note an opcode's bytes."""
        self.pieces.append(op(name, *arguments))

    def push(self, value: Any) -> None:
        """Put a value on the stack and keep it, so that its id stays its own."""
        self.stack.append(value)
        self._alive.append(value)

    def leaf(self, name: str, argument: Any, value: Any) -> None:
        """Carry out an opcode that pushes one value."""
        self.write(name, *(() if argument is None else (argument,)))
        self.push(value)

    def close(self) -> list[Any]:
        """Close the topmost mark and return its items."""
        items, self.stack = self.stack, self.marks.pop()
        return items

    def simple(self, name: str) -> None:
        """Carry out an opcode that has no argument and makes no choice."""
        self.write(name)
        if name in ("APPENDS", "SETITEMS", "ADDITEMS"):
            items = self.close()
            _fill(self.stack[-1], items)
        elif name == "APPEND":
            item = self.stack.pop()
            self.stack[-1].append(item)
        elif name == "SETITEM":
            item, key = self.stack.pop(), self.stack.pop()
            self.stack[-1][key] = item
        elif name in _MADE_OF_ITEMS:
            self.push(_MADE_OF_ITEMS[name](self.close()))
        elif name in _MADE_EMPTY:
            self.push(_MADE_EMPTY[name]())
        elif name.startswith("TUPLE"):
            count = int(name[-1])
            items = self.stack[-count:]
            del self.stack[-count:]
            self.push(tuple(items))
        elif name == "MARK":
            self.marks.append(self.stack)
            self.stack = []
        elif name == "POP":
            if self.stack:
                self.stack.pop()
            else:
                self.close()
        elif name == "POP_MARK":
            self.close()
        elif name == "DUP":
            self.stack.append(self.stack[-1])
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name == "NEXT_BUFFER":
            self.push(BUFFERS[self.buffers_taken])
            self.buffers_taken += 1
        elif name == "READONLY_BUFFER":
            view = memoryview(self.stack.pop())
            self.push(view.obj if view.readonly and type(view.obj) is bytes else view.toreadonly())
        else:
            raise AssertionError(f"the model does not know {name}")

    def put(self, name: str, index: int) -> None:
        """Store the top at an index that is free."""
        self.write(name, *_index(name, index))
        self.memo[index] = self.stack[-1]

    def get(self, name: str, index: int) -> None:
        """Push a memo entry."""
        self.write(name, *_index(name, index))
        self.stack.append(self.memo[index])

    # -- the end ---------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Leave one value: gather what there is into tuples."""
        if not self.marks and len(self.stack) == 1:
            return
        if not self.marks:
            # There is no mark below what is there: it goes, but for the lowest.
            while len(self.stack) > 1:
                self.simple("POP")
            if not self.stack:
                self.leaf("NONE", None, None)
            return
        while self.marks:
            self.simple("TUPLE")
        self.finish()

    @property
    def value(self) -> Any:
        """The value of the finished program."""
        return self.stack[-1]


def _is(kind: str, value: Any) -> bool:
    if kind == "any":
        return True
    if kind == "buffer":
        return type(value) in (bytes, bytearray, memoryview)
    return type(value).__name__ == kind


def _highest(row: Opcode) -> int:
    return 255 if row.argument == "uint1" else 2**32 - 1


def _index(name: str, index: int) -> tuple[Any, ...]:
    return (str(index),) if BY_NAME[name].argument == "index_line" else (index,)


def _dict_of(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


def _fill(target: Any, items: list[Any]) -> None:
    if type(target) is list:
        target.extend(items)
    elif type(target) is dict:
        for key, item in zip(items[::2], items[1::2], strict=True):
            target[key] = item
    else:
        target.update(items)


_MADE_OF_ITEMS: dict[str, Any] = {"TUPLE": tuple, "LIST": list, "DICT": _dict_of, "FROZENSET": frozenset}
_MADE_EMPTY: dict[str, Any] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict, "EMPTY_SET": set,
}  # fmt: skip


# -- arguments -----------------------------------------------------------------------------------------------

INTS = st.one_of(st.integers(-300, 300), st.integers(-(2**70), 2**70))
FLOATS = st.floats()
TEXTS = st.text(st.characters(exclude_categories=()), max_size=6)
#: What repr of a Python 2 str can hold and every encoding agrees on.
ASCII = st.text(st.characters(codec="ascii"), max_size=6)
BLOBS = st.binary(max_size=6)
LINE_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


def _two_s_complement(number: int, padding: int) -> bytes:
    width = (number.bit_length() // 8 + 1 if number else 0) + padding
    return number.to_bytes(width, "little", signed=True)


def _raw_unicode(text: str) -> bytes:
    for special in "\\\0\n\r\x1a":
        text = text.replace(special, f"\\u{ord(special):04x}")
    return text.encode("raw-unicode-escape")


def _quoted(text: str) -> bytes:
    return repr(text.encode("ascii"))[1:].encode("ascii")


_COUNTED_INTS = st.tuples(INTS, st.integers(0, 2)).map(lambda pair: (_two_s_complement(*pair), pair[0]))
_UTF8 = TEXTS.map(lambda text: (text.encode("utf-8", "surrogatepass"), text))
_PY2 = ASCII.map(lambda text: (text.encode("ascii"), text))


def _numbers(low: int, high: int) -> st.SearchStrategy[tuple[Any, Any]]:
    return st.integers(low, high).map(lambda number: (number, number))


#: Pairs (what `asm.op` takes, the value) for every kind of argument that pushes a value.
VALUES: dict[str, st.SearchStrategy[tuple[Any, Any]]] = {
    "uint1": _numbers(0, 255),
    "uint2": _numbers(0, 2**16 - 1),
    "int4": _numbers(-(2**31), 2**31 - 1),
    "float8": FLOATS.map(lambda x: (x, x)),
    "int_line": st.one_of(INTS.map(lambda n: (str(n), n)), st.sampled_from([("00", False), ("01", True)])),
    "long_line": st.tuples(INTS, st.sampled_from(["L", ""])).map(lambda p: (f"{p[0]}{p[1]}", p[0])),
    "float_line": FLOATS.map(lambda x: (repr(x), float(repr(x)))),
    "string_line": ASCII.map(lambda text: (_quoted(text), text)),
    "unicode_line": LINE_TEXTS.map(lambda text: (_raw_unicode(text), text)),
    "bytes1": BLOBS.map(lambda data: (data, data)),
    "string1": _PY2,
    "string4": _PY2,
    "utf8_1": _UTF8,
    "utf8_4": _UTF8,
    "utf8_8": _UTF8,
    "long1": _COUNTED_INTS,
    "long4": _COUNTED_INTS,
}
VALUES["bytes4"] = VALUES["bytes8"] = VALUES["bytes1"]


#: One strategy for every choice: making a new one each time takes most of the time of a run.
_NUMBERS = st.integers(0, 999)


def pick(draw: Any, options: Any) -> Any:
    """Choose one of *options*."""
    return options[draw(_NUMBERS) % len(options)]


def step(model: Model, name: str, draw: Any) -> None:
    """Carry out the opcode *name*, drawing its argument."""
    row = BY_NAME[name]
    if row.memo == "get":
        model.get(name, pick(draw, sorted(i for i in model.memo if i <= _highest(row))))
    elif row.memo == "put":
        free = draw(_NUMBERS) % 200
        # Mostly dense, as picklers number them.
        model.put(name, free if free > 150 and free not in model.memo else _next_free(model))
    elif row.argument == "none":
        model.simple(name)
    else:
        argument, value = draw(VALUES[row.argument])
        model.leaf(name, argument, bytearray(value) if row.after == ("bytearray",) else value)


def _next_free(model: Model) -> int:
    index = len(model.memo)
    while index in model.memo:
        index += 1
    return index


_LEAF_ARGUMENTS: dict[str, Any] = {
    "set": st.lists(st.one_of(INTS, ASCII), max_size=4),
    "frozenset": st.lists(st.one_of(INTS, ASCII), max_size=4),
    "complex": st.tuples(FLOATS, FLOATS),
    "range": st.tuples(INTS, INTS, st.integers(1, 9)),
    "slice": st.tuples(*[st.one_of(st.none(), INTS)] * 3),
    "bytearray": BLOBS.map(lambda data: (data,)),
}


def literal(model: Model, value: Any) -> None:
    """Push a leaf by the opcode that fits it."""
    if type(value) is int:
        model.leaf("LONG1", _two_s_complement(value, 0), value)
    elif type(value) is str:
        model.leaf("SHORT_BINUNICODE", value, value)
    elif type(value) is float:
        model.leaf("BINFLOAT", value, value)
    elif type(value) is bytes:
        model.leaf("SHORT_BINBYTES", value, value)
    else:
        assert value is None
        model.leaf("NONE", None, None)


def call(model: Model, name: str, arguments: Any, *, by_stack: bool, by_object: bool) -> None:
    """Push what a builtin makes of plain arguments, as picklers write it."""
    kinds: dict[str, Any] = {
        "set": set, "frozenset": frozenset, "complex": complex, "range": range, "slice": slice,
        "bytearray": bytearray,
    }  # fmt: skip
    height = len(model.stack)
    if by_object:
        model.simple("MARK")
        height = 0
    if by_stack:
        model.pieces.append(op("SHORT_BINUNICODE", "builtins") + op("SHORT_BINUNICODE", name) + op("STACK_GLOBAL"))
    else:
        model.pieces.append(op("GLOBAL", "builtins", name))
    if not by_object:
        model.simple("MARK")
    if name in ("set", "frozenset"):
        model.simple("EMPTY_LIST")
        model.simple("MARK")
        for argument in arguments:
            literal(model, argument)
        model.simple("APPENDS")
        value = kinds[name](arguments)
    else:
        for argument in arguments:
            literal(model, argument)
        value = kinds[name](*arguments)
    model.close()
    assert len(model.stack) == height or by_object
    model.pieces.append(op("OBJ") if by_object else op("TUPLE") + op("REDUCE"))
    model.push(value)


@st.composite
def models(draw: Any, *, most: int = 30, only: frozenset[str] | None = None) -> Model:
    """Return a model that has run a well-typed program and is left with one value."""
    model = Model()
    for _ in range(draw(st.integers(1, most))):
        names = [name for name in model.choices() if only is None or name in only]
        if only is None and draw(_NUMBERS) % 16 == 15:
            name = pick(draw, CALLS)
            how = draw(_NUMBERS)
            call(model, name, draw(_LEAF_ARGUMENTS[name]), by_stack=how % 2 == 0, by_object=how % 3 == 0)
            continue
        # Marks are closed and containers filled about as often as they are begun.
        busy = [name for name in names if BY_NAME[name].before or BY_NAME[name].memo]
        step(model, pick(draw, busy if busy and draw(_NUMBERS) % 2 else names), draw)
    model.finish()
    return model


def assembled(pieces: list[bytes], protocol: int | None, cuts: list[int]) -> bytes:
    """Return the pickle of these opcodes: PROTO if any, frames between the cuts, STOP."""
    head = b"" if protocol is None else op("PROTO", protocol)
    pieces = [*pieces, op("STOP")]
    if protocol is None or protocol < 4 or not cuts:
        return head + b"".join(pieces)
    bounds = sorted({0, len(pieces), *(cut % len(pieces) for cut in cuts)})
    runs = [b"".join(pieces[a:b]) for a, b in pairwise(bounds)]
    # Every other run is framed, as large arguments stand outside of frames.
    return head + b"".join(frame(run) if number % 3 else run for number, run in enumerate(runs, cuts[0]))


@st.composite
def streams(draw: Any, **options: Any) -> tuple[bytes, Model]:
    """Return a well-typed pickle and the model that it was made on."""
    model = draw(models(**options))
    protocol = draw(st.sampled_from([None, 0, 1, 2, 3, 4, 5]))
    cuts = draw(st.lists(st.integers(0, 200), max_size=4))
    return assembled(model.pieces, protocol, cuts), model


@st.composite
def near_misses(draw: Any) -> bytes:
    """Return a pickle that was well-typed before something happened to it."""
    data, model = draw(streams(most=25))
    kind = draw(st.sampled_from(["drop", "insert", "replace", "swap", "splice", "cut", "flip", "pieces"]))
    at = draw(st.integers(0, len(data) - 1))
    if kind == "drop":
        return data[:at] + data[at + draw(st.integers(1, 4)) :]
    if kind == "insert":
        return data[:at] + draw(st.binary(min_size=1, max_size=4)) + data[at:]
    if kind == "replace":
        return data[:at] + bytes([draw(st.sampled_from(OPCODES)).code]) + data[at + 1 :]
    if kind == "cut":
        return data[:at]
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ (1 << draw(st.integers(0, 7)))]) + data[at + 1 :]
    if kind == "splice":
        other, _ = draw(streams(most=15))
        return data[:at] + other[draw(st.integers(0, len(other) - 1)) :]
    pieces = list(model.pieces)
    first, second = (draw(st.integers(0, len(pieces) - 1)) for _ in range(2))
    if kind == "swap":
        pieces[first], pieces[second] = pieces[second], pieces[first]
    else:
        del pieces[min(first, second) : max(first, second)]
    return assembled(pieces, draw(st.sampled_from([None, 2, 4])), draw(st.lists(st.integers(0, 99), max_size=2)))
