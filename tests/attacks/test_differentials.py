"""X01 to X29: where `_pickle.c`, `pickle.py` and `pickletools` read bytes differently, our written answer.

The rule: refuse where any two of the three differ, except what real picklers emit. Where all three agree,
accept, unless it is text that no pickler writes and that invites differences (signs, blanks and leading
zeros in numbers). Under UNRESTRICTED the answer is pickle's own.
"""

from __future__ import annotations

import io
import math
import pickle
from typing import Any, NamedTuple

import pytest
from attacks import canary
from attacks.app import APP, CANARY
from attacks.asm import (
    ADDITEMS,
    APPENDS,
    BUILD,
    DICT,
    LIST,
    MARK,
    MEMOIZE,
    NEWOBJ,
    NEWOBJ_EX,
    NONE,
    POP,
    PROTO,
    REDUCE,
    SET,
    TUPLE0,
    TUPLE2,
    call,
    dict_of,
    frame,
    list_of,
    name,
    new,
    number,
    op,
    pickled,
    text,
    tuple_of,
)
from attacks.expected import (
    MALFORMED,
    TRAILING,
    TRUNCATED,
    Expected,
    Loads,
    Refused,
    check,
    check_load,
    denied,
    equals,
    limited,
)

from safepickle.errors import EmptyInputError, FormatError, SafePickleError, TruncatedError


class Answer(NamedTuple):
    """One stream and what becomes of it."""

    id: str
    title: str
    data: bytes
    expected: Expected


def _line(opcode: bytes, line: str | bytes) -> bytes:
    return opcode + (line if isinstance(line, bytes) else line.encode()) + b"\n."


def _same(value: float) -> Loads:
    return Loads(lambda found: type(found) is float and (found == value or (math.isnan(found) and math.isnan(value))))


EMPTY = Refused(EmptyInputError)
PLAIN = new(name(CANARY, "Plain"))
SLOTTED = new(name(CANARY, "Slotted"))


def _text_numbers() -> list[Answer]:
    rows: list[Answer] = []
    for line in ("0x10", "0b1", "0o7"):
        rows += [Answer("X01", f"I{line}", _line(b"I", line), MALFORMED)]
        rows += [Answer("X01", f"L{line}L", _line(b"L", f"{line}L"), MALFORMED)]
    rows += [
        Answer("X02", f"I{line}", _line(b"I", line), MALFORMED) for line in ("010", "001", "000", "-01", "-0", "-00")
    ]
    rows += [
        Answer("X03", f"I{line!r}", _line(b"I", line), MALFORMED)
        for line in ("+1", " 1", " 0", "1 ", "-0", "+", "-", "", "1_0", "\t1", "1\r", "\u0661", "- 1", "1L")
    ]
    rows += [
        Answer("X03", "I00 is False", _line(b"I", "00"), equals(False)),
        Answer("X03", "I01 is True", _line(b"I", "01"), equals(True)),
        *(Answer("X03", f"I{n}", _line(b"I", str(n)), equals(n)) for n in (0, 1, -1, 10, 2**31, -(2**70))),
    ]
    for opcode, line in (
        (b"I", b"1\0x"),
        (b"L", b"1\0x"),
        (b"F", b"1.5\0x"),
        (b"I", b"1\0"),
        (b"F", b"1.5\0"),
    ):
        rows.append(Answer("X04", f"{(opcode + line)!r}", _line(opcode, line), MALFORMED))
    rows += [
        Answer("X05", f"F{line!r}", _line(b"F", line), MALFORMED)
        for line in (
            "1_0.0",
            " 1.5",
            "1.5 ",
            "",
            ".",
            "0x1p3",
            "1.5\r",
            "1,5",
            "\u0661.5",
            "infinitely",
            "nano",
        )
    ]
    rows += [
        Answer("X05", f"F{line}", _line(b"F", line), _same(float(line)))
        for line in ("1.5", "-0.0", "1e300", "1e-300", "inf", "-inf", "nan", "5e-324")
    ]
    rows += [
        # The fate of 1e999 differs; writing infinity as `inf` does not.
        Answer("X06", "F1e999", _line(b"F", "1e999"), MALFORMED),
        Answer("X06", "F-1e999", _line(b"F", "-1e999"), MALFORMED),
    ]
    rows += [
        Answer("X07", f"L{line!r}", _line(b"L", line), MALFORMED)
        for line in ("010L", "+1L", " 1L", "1 L", "1LL", "L", "", "-L", "1_0L", "0x1L", "1l", "\u0661L")
    ]
    rows += [Answer("X07", f"L{n}L", _line(b"L", f"{n}L"), equals(n)) for n in (0, 1, -1, 10**30)]
    rows += [Answer("X07", "L1 without L, as Python 3.0 wrote it", _line(b"L", "1"), equals(1))]
    return rows


def _text_strings() -> list[Answer]:
    return [
        *(
            Answer("X08", f"S{line}", _line(b"S", line), MALFORMED)
            for line in ("'", '"', "", "x", "'x", "x'", "'x\"", "'x' ", " 'x'", "'x'y", "'\\", "'\\'")
        ),
        Answer("X08", "S'x'", _line(b"S", "'x'"), equals("x")),
        Answer("X08", 'S"x"', _line(b"S", '"x"'), equals("x")),
        Answer("X09", "STRING with other bytes", _line(b"S", b"'\xe9'"), MALFORMED),
        Answer("X09", "STRING with an escape", _line(b"S", b"'\\xe9'"), MALFORMED),
        Answer("X09", "GLOBAL in UTF-8", b"ccaf\xc3\xa9\nna\xc3\xafve\n.", denied(("caf\u00e9", "na\u00efve"))),
        Answer("X09", "GLOBAL in Latin-1", b"ccaf\xe9\nx\n.", MALFORMED),
        Answer("X09", "UNICODE in Latin-1", b"V\xe9\n.", equals("\u00e9")),
        Answer("X25", "GLOBAL without names", b"c\n\n.", MALFORMED),
        Answer("X25", "GLOBAL without a name", b"cmodule\n\n.", MALFORMED),
        Answer("X25", "GLOBAL without a module", b"c\nname\n.", MALFORMED),
        Answer("X25", "INST without names", b"(i\n\n.", MALFORMED),
        Answer("X29", "BINSTRING of -1", b"T\xff\xff\xff\xff.", MALFORMED),
        Answer("X29", "BINSTRING of -2**31", b"T\0\0\0\x80" + b"x" * 10 + b".", MALFORMED),
        # A negative length must not lead back into what was read.
        *(
            Answer("X29", f"LONG4 of {n}", b"N\x8b" + n.to_bytes(4, "little", signed=True) + b".", MALFORMED)
            for n in (-1, -2, -4, -5, -6, -(2**31))
        ),
    ]


def _memo() -> list[Answer]:
    rows = [
        Answer("X10", f"PUT {index}", b"Np" + str(index).encode() + b"\n.", expected)
        for index, expected in ((2**64, limited("max_memo")), (2**70, MALFORMED))
    ]
    for line in (" 1", "+1", "01", "1_0", "1 ", "-1", "", "x", "\u0661", "0x1", "1L"):
        rows.append(Answer("X11", f"PUT {line!r}", b"Np" + line.encode() + b"\n.", MALFORMED))
        rows.append(Answer("X11", f"GET {line!r}", b"Np1\n0g" + line.encode() + b"\n.", MALFORMED))
    rows += [
        Answer("X11", "PUT and GET", b"Np1\n0g1\n.", equals(None)),
        Answer(
            "X12",
            "BINPUT twice",
            pickled(NONE + op("BINPUT", 0) + number(1) + op("BINPUT", 0) + b"\x86"),
            MALFORMED,
        ),
        Answer("X12", "PUT twice", b"Np0\np0\n.", MALFORMED),
        Answer("X12", "PUT over BINPUT", pickled(NONE + op("BINPUT", 3) + op("PUT", 3)), MALFORMED),
        Answer("X12", "MEMOIZE over BINPUT", pickled(NONE + op("BINPUT", 1) + MEMOIZE), MALFORMED),
        Answer("X12", "LONG_BINPUT over MEMOIZE", pickled(NONE + MEMOIZE + op("LONG_BINPUT", 0)), MALFORMED),
        Answer(
            "X12",
            "MEMOIZE after a sparse PUT",
            pickled(NONE + op("BINPUT", 7) + MEMOIZE + b"h\1\x86"),
            equals((None, None)),
        ),
        Answer("X12", "GET of nothing", b"g0\n.", MALFORMED),
        Answer("X12", "GET before PUT", pickled(op("BINGET", 0) + op("BINPUT", 0)), MALFORMED),
        Answer("X12", "PUT of nothing", b"p0\n.", MALFORMED),
        Answer("X12", "PUT of a MARK", b"(q\0t.", MALFORMED),
    ]
    return rows


def _calls() -> list[Answer]:
    made, cls = name(CANARY, "MadeByCall"), name(CANARY, "Plain")
    rows: list[Answer] = []
    for title, arguments in {
        "list": LIST,
        "str": text("x"),
        "dict": DICT,
        "set": SET,
        "None": NONE,
        "int": number(1),
        "list of one": list_of(number(1)),
    }.items():
        rows += [
            Answer("X13", f"REDUCE of a {title}", pickled(made + arguments + REDUCE), MALFORMED),
            Answer("X13", f"NEWOBJ of a {title}", pickled(cls + arguments + NEWOBJ), MALFORMED),
            Answer("X13", f"NEWOBJ_EX of a {title}", pickled(cls + arguments + DICT + NEWOBJ_EX), MALFORMED),
        ]
        if title != "dict":
            rows.append(
                Answer(
                    "X13",
                    f"NEWOBJ_EX with a {title}",
                    pickled(cls + TUPLE0 + arguments + NEWOBJ_EX),
                    MALFORMED,
                )
            )
    rows += [
        Answer(
            "X13",
            "NEWOBJ_EX with an int as a keyword",
            pickled(cls + TUPLE0 + dict_of(number(1), NONE) + NEWOBJ_EX),
            MALFORMED,
        ),
        Answer("X26", "NEWOBJ of an instance", pickled(PLAIN + TUPLE0 + NEWOBJ), denied()),
        Answer("X26", "NEWOBJ of a str", pickled(text("x") + TUPLE0 + NEWOBJ), denied()),
        Answer(
            "X27",
            "type() of three",
            pickled(call(name("builtins", "type"), text("X"), TUPLE0, DICT)),
            denied(("builtins", "type")),
        ),
    ]
    for title, falsy in {
        "[]": LIST,
        "0": number(0),
        "False": b"\x89",
        "''": text(""),
        "()": TUPLE0,
        "set()": SET,
    }.items():
        rows.append(Answer("X14", f"BUILD of {title}", pickled(PLAIN + falsy + BUILD), MALFORMED))
    rows += [
        Answer("X14", "BUILD of {}", pickled(PLAIN + DICT + BUILD), Loads(_untouched)),
        Answer("X14", "BUILD of None", pickled(PLAIN + NONE + BUILD), Loads(_untouched)),
        Answer("X15", "BUILD of {} without __dict__", pickled(SLOTTED + DICT + BUILD), MALFORMED),
        Answer("X16", "slot state of set()", pickled(PLAIN + NONE + SET + TUPLE2 + BUILD), MALFORMED),
        Answer("X16", "slot state of []", pickled(PLAIN + NONE + LIST + TUPLE2 + BUILD), MALFORMED),
        Answer("X16", "slot state of {}", pickled(PLAIN + NONE + DICT + TUPLE2 + BUILD), Loads(_untouched)),
    ]
    return rows


def _untouched(value: Any) -> bool:
    return type(value) is canary.Plain and vars(value) == {}


def _stack() -> list[Answer]:
    return [
        Answer("X17", "APPENDS of nothing on an int", pickled(number(1) + MARK + APPENDS), MALFORMED),
        Answer("X17", "ADDITEMS of nothing on an int", pickled(number(1) + MARK + ADDITEMS), MALFORMED),
        Answer("X17", "ADDITEMS of nothing on a list", pickled(LIST + MARK + ADDITEMS), denied()),
        Answer("X17", "APPENDS of nothing on a set", pickled(SET + MARK + APPENDS), denied()),
        Answer("X17", "SETITEMS of nothing on an int", pickled(number(1) + MARK + b"u"), MALFORMED),
        Answer("X17", "APPENDS of nothing on a list", pickled(LIST + MARK + APPENDS), equals([])),
        Answer("X17", "ADDITEMS of nothing on a set", pickled(SET + MARK + ADDITEMS), equals(set())),
        Answer("X17", "SETITEMS of nothing on a dict", pickled(DICT + MARK + b"u"), equals({})),
        Answer("X23", "POP of an open MARK", b"(0N.", equals(None)),
        Answer("X23", "POP of an open MARK over values", b"N(0.", equals(None)),
        Answer("X23", "a value left at STOP", b"NN.", MALFORMED),
        Answer("X23", "an open MARK left at STOP", b"(N.", MALFORMED),
        Answer("X23", "an open MARK over the value", b"N(.", MALFORMED),
        Answer("X23", "a MARK alone", b"(.", MALFORMED),
        Answer("X23", "nothing at STOP", b".", MALFORMED),
        Answer("X23", "POP of nothing", b"0N.", MALFORMED),
        Answer("X23", "POP_MARK without a MARK", b"N1N.", MALFORMED),
        Answer("X23", "DUP of nothing", b"2.", MALFORMED),
        Answer("X23", "DUP of a MARK", b"N(2.", MALFORMED),
        Answer("X23", "TUPLE2 through a MARK", b"N(N\x86.", MALFORMED),
        Answer("X23", "APPEND through a MARK", b"](Na.", MALFORMED),
        Answer("X23", "SETITEM through a MARK", b"}N(Ns.", MALFORMED),
        Answer("X23", "SETITEMS of three", b"}(NNNu.", MALFORMED),
        Answer("X23", "DICT of three", b"(NNNd.", MALFORMED),
        Answer("X23", "a list as a key", pickled(dict_of(LIST, NONE)), MALFORMED),
        Answer("X23", "a list in a set", pickled(SET + MARK + LIST + ADDITEMS), MALFORMED),
        Answer("X23", "a list in a frozenset", pickled(MARK + LIST + b"\x91"), MALFORMED),
        Answer("X23", "an unhashable in a tuple as a key", pickled(dict_of(tuple_of(LIST), NONE)), MALFORMED),
    ]


def _frames() -> list[Answer]:
    whole = list_of(text("x"), number(5))
    return [
        Answer("X19", "FRAME longer than the data", PROTO[4] + frame(NONE + b".", claim=99), TRUNCATED),
        Answer("X19", "FRAME of 2**64 - 1", PROTO[4] + frame(NONE + b".", claim=2**64 - 1), limited("max_bytes")),
        Answer("X19", "FRAME longer by one", PROTO[4] + frame(NONE + b".", claim=3), TRUNCATED),
        Answer("X20", "FRAME inside FRAME", PROTO[4] + frame(frame(NONE) + b"."), MALFORMED),
        Answer(
            "X20",
            "FRAME at the very end of a FRAME",
            PROTO[4] + frame(NONE + op("FRAME", 1)) + b".",
            equals(None),
        ),
        Answer("X21", "text straddles", PROTO[4] + frame(text("xyz"), claim=4) + b".", MALFORMED),
        Answer("X21", "a line straddles", PROTO[4] + frame(b"Vxyz\n", claim=3) + b".", MALFORMED),
        Answer("X21", "two lines straddle", PROTO[4] + frame(op("GLOBAL", "m", "n"), claim=4) + b".", MALFORMED),
        Answer(
            "X22",
            "the second line begins at the end",
            PROTO[4] + frame(op("GLOBAL", "m", "n"), claim=3) + b".",
            denied(("m", "n")),
        ),
        Answer(
            "X21",
            "a length prefix straddles",
            PROTO[4] + frame(op("BINUNICODE", "x"), claim=3) + b".",
            MALFORMED,
        ),
        Answer("X21", "an int straddles", PROTO[4] + frame(op("BININT", 7), claim=3) + b".", MALFORMED),
        *(
            Answer(
                "X21",
                f"the frame ends between length and content of {opcode}",
                PROTO[4] + frame(op(opcode, argument), claim=1 + width) + b".",
                MALFORMED,
            )
            for opcode, argument, width in (
                ("SHORT_BINUNICODE", "x", 1),
                ("BINUNICODE", "x", 4),
                ("BINUNICODE8", "x", 8),
                ("SHORT_BINBYTES", b"x", 1),
                ("BINBYTES", b"x", 4),
                ("BYTEARRAY8", b"x", 8),
                ("LONG1", 2**40, 1),
                ("LONG4", 2**40, 4),
            )
        ),
        Answer("X22", "an argument begins at the end", PROTO[4] + frame(number(5), claim=1) + b".", equals(5)),
        Answer("X22", "STOP in the frame", PROTO[4] + frame(whole + b"."), equals(["x", 5])),
        Answer("X22", "STOP after the frame", PROTO[4] + frame(whole) + b".", equals(["x", 5])),
        Answer(
            "X22",
            "opcodes between frames",
            PROTO[4] + frame(LIST) + NONE + b"a" + frame(number(1) + b"a."),
            equals([None, 1]),
        ),
        Answer("X22", "an empty frame", PROTO[4] + frame(b"") + NONE + b".", equals(None)),
        Answer("X22", "a frame in protocol 0", frame(NONE + b"."), equals(None)),
    ]


def _ends() -> list[Answer]:
    return [
        Answer("X24", "nothing at all", b"", EMPTY),
        Answer("X24", "PROTO alone", PROTO[4], TRUNCATED),
        Answer("X24", "no STOP", NONE, TRUNCATED),
        Answer("X24", "opcode that does not exist", b"\xff", MALFORMED),
        Answer("X24", "protocol 6", b"\x80\x06N.", MALFORMED),
        Answer("X24", "second PROTO", PROTO[2] + PROTO[2] + NONE + b".", MALFORMED),
        Answer("X24", "PROTO after an opcode", NONE + PROTO[2] + b".", MALFORMED),
        Answer("X24", "cut argument", b"J\0\0", TRUNCATED),
        Answer("X24", "cut text", b"X\4\0\0\0abc", TRUNCATED),
        Answer("X24", "cut line", b"Vabc", TRUNCATED),
        Answer("X24", "no UTF-8", b"X\1\0\0\0\xff.", MALFORMED),
        Answer("X24", "no raw-unicode-escape", b"V\\u12\n.", MALFORMED),
        Answer("X24", "character beyond Unicode", b"V\\Uffffffff\n.", MALFORMED),
        Answer("X28", "bytes after STOP", NONE + b".x", TRAILING),
        Answer("X28", "a pickle after STOP", b"N.N.", TRAILING),
    ]


ANSWERS = [*_text_numbers(), *_text_strings(), *_memo(), *_calls(), *_stack(), *_frames(), *_ends()]
PARAMS = [pytest.param(answer, id=f"{answer.id}-{answer.title}"[:70]) for answer in ANSWERS]


@pytest.mark.parametrize("answer", PARAMS)
def test_answer(sp: Any, answer: Answer) -> None:
    """From bytes, under a policy that allows the classes of the test."""
    check(sp, answer.data, answer.expected, policy=APP)


@pytest.mark.parametrize("answer", PARAMS)
def test_answer_from_a_file(sp: Any, answer: Answer) -> None:
    """From a file the answer is the same, but what follows STOP is left for the next load."""
    file = io.BytesIO(answer.data)
    if answer.expected is TRAILING:
        check_load(lambda: sp.load(file, policy=APP), equals(None))
        assert file.tell() == 2
        return
    check_load(lambda: sp.load(file, policy=APP), answer.expected)


NEEDS_NO_GLOBAL = [param for param in PARAMS if b"attacks.canary" not in param.values[0].data]


@pytest.mark.parametrize("answer", NEEDS_NO_GLOBAL)
@pytest.mark.parametrize("pack", ["plain", "stdlib"])
def test_answer_under_a_pack(sp: Any, answer: Answer, pack: str) -> None:
    """No policy but UNRESTRICTED changes how bytes are read."""
    check(sp, answer.data, answer.expected, policy=sp.Policy.packs(pack))


@pytest.mark.parametrize("answer", [param for param in PARAMS if param.values[0].expected in (MALFORMED, TRUNCATED)])
def test_every_cut_of_it_is_refused_in_kind(sp: Any, answer: Answer) -> None:
    """X24: one family of errors, wherever the bytes end."""
    for end in range(len(answer.data)):
        try:
            sp.loads(answer.data[:end], policy=APP)
        except SafePickleError:
            continue


@pytest.mark.parametrize("protocol", range(6))
def test_every_cut_of_a_real_pickle_is_a_truncation(sp: Any, protocol: int) -> None:
    """X24: neither IndexError nor struct.error nor EOFError, at any byte."""
    value = [
        {"a": (1, 2.5, "x" * 300, b"y", True, None, 2**70, -5)},
        {1, 2},
        frozenset({3}),
        1.5,
        "\u20ac",
        bytearray(b"z"),
    ]
    data = pickle.dumps(value, protocol)
    assert sp.loads(data) == value
    for end in range(1, len(data)):
        for load in (sp.loads, lambda cut: sp.load(io.BytesIO(cut))):
            with pytest.raises(FormatError) as caught:
                load(data[:end])
            assert isinstance(caught.value, TruncatedError) or protocol >= 4, end


def test_recursive_tuples_of_protocol_0_pop_their_mark(sp: Any) -> None:
    """X23: what real picklers emit is accepted."""
    items: list[Any] = []
    value = (items,)
    items.append(value)
    for protocol in range(6):
        found = sp.loads(pickle.dumps(value, protocol))
        assert found[0][0] is found


def test_unrestricted_is_pickles_own_answer(sp: Any) -> None:
    """Lenient only where the name says so."""
    load = sp.Codec(policy=sp.UNRESTRICTED, limits=sp.UNLIMITED).loads
    assert load(b"NN.") is None
    assert load(b"N.x") is None
    assert load(pickled(NONE + op("BINPUT", 0) + POP + number(1) + op("BINPUT", 0))) == 1
