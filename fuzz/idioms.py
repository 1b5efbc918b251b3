"""Idioms: runs of opcodes that picklers and attackers write, each leaving one value on the stack.

A generator strews them into programs and a mutator into streams. They are data: module, name and arguments; the
attack that one follows is named beside it.

Rules that hold here:

* Every idiom leaves exactly one value where nothing refuses it.
* What would act is a canary of `samples`; real names of gadgets are called with what does no harm.
"""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import ipaddress
import pathlib
import pickle
import uuid
from collections import Counter, OrderedDict, defaultdict, deque

from fuzz import samples
from fuzz.assembly import blob, call, dict_of, list_of, name, new, number, op, text, tuple_of

_MODULE = samples.__name__


def sample(qualname: str) -> bytes:
    """Push a global of the canaries."""
    return name(_MODULE, qualname)


ACT, NODE, QUEUE, REGISTRY, MEMBERS = map(sample, ("act", "Node", "QUEUE", "REGISTRY", "MEMBERS"))
ONE, KEY, NONE = number(1), text("key"), b"N"
EMPTY_NODE = NODE + b")\x81"


def _built(target: bytes, *state: bytes) -> bytes:
    return target + dict_of(*state) + b"b"


def _slots(target: bytes, *state: bytes) -> bytes:
    return target + b"N" + dict_of(*state) + b"\x86b"


def _tower(levels: int) -> bytes:
    return ONE + b"2\x86" * levels


_COLLIDING = [number(k * (2**61 - 1)) for k in range(1, 90)]

#: What an attacker writes: title, opcodes. Titles are for readers.
ATTACKS: dict[str, bytes] = {
    "call a denied function (R20)": call(ACT, ONE),
    "call and drop (R21)": call(ACT) + b"0N",
    "INST of a denied function": b"(" + op("INST", _MODULE, "act"),
    "OBJ of a denied function": b"(" + ACT + b"o",
    "NEWOBJ of a function (X26)": sample("fail") + b")\x81",
    "import of a module that nothing names (R08)": name("fuzz.landmine", "Thing"),
    "dotted through a module (R01)": name(_MODULE, "library.system"),
    "dotted through a class": name(_MODULE, "Outer.method"),
    "a module as a value": sample("library"),
    "more memo entries than a tight limit has": b"N" + b"\x94" * 12,
    "a frame that ends inside an argument (X21)": op("FRAME", 3) + op("BININT", 1),
    "a frame that ends inside a line": op("FRAME", 2) + op("INT", "12"),
    "a frame that ends inside text": op("FRAME", 3) + text("abc"),
    "a frame inside a frame (X20)": op("FRAME", 12) + b"N0" + op("FRAME", 1) + b"NN0",
    "a frame that is longer than the data (X19)": op("FRAME", 2**20) + b"N",
    "a memo entry written twice (X12)": b"Nq\0q\0",
    "two values at the end (X23)": b"NN",
    "a pickle behind a pickle (R69)": b"N.N",
    "a listed name that leads through a module": sample("words.Template"),
    "a gadget under another name": sample("reexported"),
    "a gadget called under another name": call(sample("reexported"), text("act")),
    "a gadget that is listed": name("operator", "attrgetter"),
    "a gadget that is listed, called": call(name("operator", "attrgetter"), text("act")),
    "a gadget that is listed, made": new(name("operator", "methodcaller"), text("act")),
    "getattr of a class (R06)": call(name("builtins", "getattr"), sample("Outer"), text("method")),
    "getattr of an instance": call(name("builtins", "getattr"), EMPTY_NODE, text("__class__")),
    "getattr to a listed class": call(name("builtins", "getattr"), sample("Outer"), text("Inner")),
    "getattr of a module": call(name("builtins", "getattr"), sample("library"), text("system")),
    "REDUCE of an instance": call(new(sample("Equal")), ONE),
    "REDUCE of what a call returned": call(call(sample("shared")), ONE),
    "class poisoning (R40)": NODE + b"N" + dict_of(text("limit"), ONE) + b"\x86b",
    "BUILD on a live object": call(sample("shared")) + dict_of(KEY, ONE) + b"b",
    "BUILD on a live dict": REGISTRY + dict_of(KEY, ONE) + b"b",
    "SETITEM on a live dict (R60)": REGISTRY + KEY + ONE + b"s",
    "SETITEMS on a live dict": REGISTRY + b"(" + KEY + ONE + b"u",
    "APPEND to a live list": QUEUE + ONE + b"a",
    "APPENDS to a live list": QUEUE + b"(" + ONE + ONE + b"e",
    "APPEND to a lent list": call(sample("lend")) + ONE + b"a",
    "APPENDS to a lent list": call(sample("lend")) + b"(" + ONE + b"e",
    "ADDITEMS to a live set": MEMBERS + b"(" + ONE + b"\x90",
    "dunder state (R43)": _built(EMPTY_NODE, text("__setstate__"), NODE) + ONE + b"b",
    "dunder state, a hook": _built(EMPTY_NODE, text("__reduce_ex__"), ONE),
    "dunder state, __class__": _built(EMPTY_NODE, text("__class__"), NODE),
    "dunder slot state": _slots(EMPTY_NODE, text("__class__"), NODE),
    "state keys that are no str (R49)": _built(EMPTY_NODE, ONE, ONE),
    "state keys that are bytes": _built(EMPTY_NODE, blob(b"a"), ONE),
    "slot keys that are no str": _slots(new(sample("Slotted")), ONE, ONE),
    "a property as a slot (R46)": _slots(new(sample("Slotted")), text("guarded"), ONE),
    "an undeclared slot": _slots(EMPTY_NODE, text("weird"), ONE),
    "state by setattr": _built(new(sample("Watched")), KEY, ONE),
    "slot state by setattr": _slots(new(sample("Watched")), KEY, ONE),
    "falsy state (X14)": EMPTY_NODE + b"]b",
    "state of a class without a dict (X15)": new(sample("Slotted")) + b"}b",
    "slot state that is a set (X16)": EMPTY_NODE + b"N\x8f\x86b",
    "arguments in a list (X13)": NODE + b"]R",
    "arguments in a list, NEWOBJ": NODE + b"]\x81",
    "arguments in a list, NEWOBJ_EX": NODE + b"]}\x92",
    "keywords that are no str": sample("Argued") + b")" + dict_of(ONE, ONE) + b"\x92",
    "extension code, denied": op("EXT1", 224),
    "extension code called (R61)": call(op("EXT1", 224), ONE),
    "extension code of the cache alone": call(op("EXT1", 226), ONE),
    "extension code, allowed": call(op("EXT1", 225)),
    "extension code 0 (R63)": op("EXT1", 0),
    "extension code -1": op("EXT4", -1),
    "BINPERSID of a graph (R64)": list_of(ONE) + b"Q",
    "BINPERSID of a global": NODE + b"Q",
    "BINPERSID": text("id") + b"Q",
    "BINPERSID, then changed": text("list") + b"Q" + ONE + b"a",
    "BINPERSID, a dict changed": text("dict") + b"Q" + KEY + ONE + b"s",
    "BINPERSID, a set changed": text("set") + b"Q(" + ONE + b"\x90",
    "BINPERSID, a list extended": text("list") + b"Q(" + ONE + b"e",
    "BINPERSID, an object built": text("node") + b"Q" + dict_of(KEY, ONE) + b"b",
    "BINPERSID, called": call(text("act") + b"Q", ONE),
    "PERSID": op("PERSID", "id"),
    "a buffer changed": b"\x97" + ONE + b"a",
    "a buffer made read-only (R65)": b"\x97\x98",
    "READONLY_BUFFER of a list": b"]\x98",
    "a key of tuples (D06)": b"}" + _tower(24) + NONE + b"s",
    "twin towers (D07)": dict_of(_tower(16), NONE, _tower(16), NONE),
    "a tower in a set": b"\x8f(" + _tower(24) + b"\x90",
    "a tower in a frozenset": b"(" + _tower(24) + b"\x91",
    "a tower in set(list)": call(name("builtins", "set"), list_of(_tower(24))),
    "a tower of a class that hashes it": b"}" + _built(new(sample("Keyed")), text("value"), _tower(24)) + NONE + b"s",
    "a deep key (D08)": b"})" + b"\x85" * 700 + NONE + b"s",
    "a deep key in a set": b"\x8f()" + b"\x85" * 700 + b"\x90",
    "an instance as a key": b"}" + EMPTY_NODE + NONE + b"s",
    "an unhashable key": b"}]Ns",
    "an unhashable item": b"\x8f(]\x90",
    "an unhashable tuple": b"}]\x85Ns",
    "ints of one hash (D04)": dict_of(*(key + NONE for key in _COLLIDING)),
    "ints of one hash in a set": b"\x8f(" + b"".join(_COLLIDING) + b"\x90",
    "ints of one hash in set(list) (D05)": call(name("builtins", "set"), list_of(*_COLLIDING)),
    "ints of one hash, a subclass": call(sample("Mapped")) + b"(" + b"".join(key + NONE for key in _COLLIDING) + b"u",
    "ints of one hash, a set subclass": call(sample("Gathered")) + b"(" + b"".join(_COLLIDING) + b"\x90",
    "a result that nobody paid for": call(sample("grow")),
    "five calls": b"(" + call(sample("Node")) * 5 + b"t",
    "an instance that nobody paid for": call(sample("Grown")),
    "a wide key": b"}(" + (b"(" + b"N" * 5 + b"t") * 5 + b"tNs",
    "wide items of a set": b"\x8f((" + (b"(" + b"N" * 5 + b"t") * 5 + b"tN\x85\x90",
    "results larger than arguments (D16)": b"(" + call(sample("grow")) * 30 + b"t",
    "bytearray(n) (D15)": call(name("builtins", "bytearray"), number(10**6)),
    "bytes(n)": call(name("builtins", "bytes"), number(10**6)),
    "bytearray copies (D16)": blob(b"x" * 250) + b"\x940(" + call(name("builtins", "bytearray"), b"h\0") * 8 + b"t",
    "list of a lazy range": call(sample("Listed"), call(name("builtins", "range"), number(10**7))),
    "set of a lazy range": call(sample("Gathered"), call(name("builtins", "range"), number(10**7))),
    "set of a range": call(name("builtins", "set"), call(name("builtins", "range"), number(10**6))),
    "encode with another codec (D17)": call(name("_codecs", "encode"), text("a" * 90), text("punycode")),
    "encode with rot13 (R26)": call(name("_codecs", "encode"), text("a"), text("rot13")),
    "encode an object": call(name("_codecs", "encode"), EMPTY_NODE, text("latin1")),
    "type of three (R22)": call(name("builtins", "type"), text("x"), b")", b"}"),
    "type of an instance": call(name("builtins", "type"), EMPTY_NODE),
    "type of None": call(name("builtins", "type"), NONE),
    "_reconstructor of another base (R27)": call(name("copyreg", "_reconstructor"), NODE, sample("OnlyRefer"), NONE),
    "_reconstructor of a class without the right": call(
        name("copyreg", "_reconstructor"), sample("OnlyRefer"), name("builtins", "object"), NONE
    ),
    "_reconstructor of no subclass": call(name("copyreg", "_reconstructor"), NODE, name("builtins", "list"), b"]"),
    "_reconstructor": call(name("copyreg", "_reconstructor"), NODE, name("builtins", "object"), NONE),
    "_reconstructor of a list": call(
        name("copyreg", "_reconstructor"), sample("Listed"), name("builtins", "list"), list_of(ONE)
    ),
    "_reconstructor of a set": call(
        name("copyreg", "_reconstructor"), sample("Gathered"), name("builtins", "set"), b"\x8f(" + ONE + b"\x90"
    ),
    "_reconstructor of a set of ints of one hash": call(
        name("copyreg", "_reconstructor"), sample("Gathered"), name("builtins", "frozenset"), b"(" + ONE + b"\x91"
    ),
    "__newobj__": call(name("copyreg", "__newobj__"), NODE),
    "__newobj_ex__": call(name("copyreg", "__newobj_ex__"), sample("Argued"), b")", dict_of(text("second"), ONE)),
    "an allowed function that fails": call(sample("fail")),
    "appear without the right": sample("OnlyCall"),
    "appear in a list without the right": list_of(sample("OnlyNew")),
    "appear in a frozenset without the right": b"(" + sample("OnlyNew") + b"\x91",
    "appear in LIST without the right": b"(" + sample("OnlyCall") + b"l",
    "appear as state without the right": _built(EMPTY_NODE, KEY, sample("OnlyCall")),
    "Python 2's name (R04)": op("GLOBAL", "__builtin__", "eval"),
    "Python 2's name of a set": call(op("GLOBAL", "__builtin__", "set"), b"]"),
    "STACK_GLOBAL of bytes": blob(b"a") + KEY + b"\x93",
    "STACK_GLOBAL of nothing (X25)": text("") + KEY + b"\x93",
    "GLOBAL without names": op("GLOBAL", "", ""),
    "GLOBAL of bytes": op("GLOBAL", b"\xff", b"a"),
    "a name of escapes (R10)": name("\x1b[31m\n" + "x" * 400, "\u202e"),
    "a whole dict twice in a set": b"\x8f(" + blob(b"a") + text("a") + b"\x90",
    "APPENDS of nothing to an int (X17)": ONE + b"(e",
    "SETITEMS of one": b"}(Nu",
    "SETITEMS to a list": b"](" + ONE + ONE + b"u",
    "BUILD of nothing on an exception": call(name("builtins", "ValueError")) + dict_of(text("args"), ONE) + b"b",
    "exception state, __cause__": call(name("builtins", "ValueError")) + dict_of(text("__cause__"), NONE) + b"b",
    "a huge Decimal (D19)": call(name("decimal", "Decimal"), text("1e100000000")),
    "a huge Fraction": call(name("fractions", "Fraction"), text("1e100000000")),
    "a date of year 0": call(name("datetime", "date"), blob(b"\0\0\1\1")),
    "a deque of a lazy range": call(name("collections", "deque"), call(name("builtins", "range"), number(10**7))),
    "a Counter of a lazy range": call(name("collections", "Counter"), call(name("builtins", "range"), number(10**7))),
    "a defaultdict of a denied factory": call(name("collections", "defaultdict"), ACT),
    "a time zone out of the folder": call(
        call(name("builtins", "getattr"), name("zoneinfo", "ZoneInfo"), text("_unpickle")),
        text("../../etc/passwd"),
        ONE,
    ),
    "an array of a lazy range": call(name("array", "array"), text("b"), call(name("builtins", "range"), number(100))),
    "a UUID of text": new(name("uuid", "UUID")) + dict_of(text("int"), text("x")) + b"b",
}
for _title in ("OnlyRefer", "OnlyCall", "OnlyNew", "OnlyBuild", "OnlyAppend", "OnlySetitem", "OnlyAdd"):
    _cls = sample(_title)
    ATTACKS |= {
        f"{_title}: refer": _cls,
        f"{_title}: call": call(_cls),
        f"{_title}: call with an argument": call(_cls, ONE),
        f"{_title}: INST": b"(" + ONE + op("INST", _MODULE, _title),
        f"{_title}: OBJ": b"(" + _cls + b"o",
        f"{_title}: new": new(_cls),
        f"{_title}: new with keywords": _cls + b")}\x92",
        f"{_title}: build, made": new(_cls) + ONE + b"b",
        f"{_title}: build, called": call(_cls) + ONE + b"b",
        f"{_title}: append, made": new(_cls) + ONE + b"a",
        f"{_title}: append, called": call(_cls) + b"(" + ONE + b"e",
        f"{_title}: setitem, made": new(_cls) + KEY + ONE + b"s",
        f"{_title}: setitem, called": call(_cls) + b"(" + KEY + ONE + b"u",
        f"{_title}: add, made": new(_cls) + b"(" + ONE + b"\x90",
        f"{_title}: add, called": call(_cls) + b"(" + ONE + b"\x90",
    }


def _ordinary() -> list[object]:
    shared = [1, 2]
    return [
        {"a": shared, "b": shared}, {1, 2}, frozenset("ab"), b"bytes", bytearray(b"ba"), complex(1, 2), range(3),
        slice(1, 2, 3), ...,
        OrderedDict(a=1), defaultdict(list, a=[1]), deque([1], 3), Counter("aab"), dt.datetime(2020, 1, 2, 3,
        tzinfo=dt.UTC),
        dt.date(2020, 1, 2), dt.time(1, 2), dt.timedelta(1), decimal.Decimal("1.5"), fractions.Fraction(1, 3),
        uuid.UUID(int=5),
        pathlib.PurePosixPath("a/b"), ipaddress.ip_address("1.2.3.4"), ValueError("x"), samples.Node(),
        samples.Outer.Inner(),
        samples.Listed([1]), samples.Mapped(a=1), samples.Numbered(3), samples.Argued(1, second=2), type(None),
    ]  # fmt: skip


def _body(value: object, protocol: int) -> bytes:
    """Return what a pickler writes, without PROTO, FRAME and STOP."""
    data = pickle.dumps(value, protocol)[:-1]
    if protocol >= 2:
        data = data[2:]
    return data[9:] if data[:1] == b"\x95" else data


#: What picklers write for values that are no plain opcodes, without memo entries where there are none.
ORDINARY: tuple[bytes, ...] = tuple(
    dict.fromkeys(_body(value, protocol) for value in _ordinary() for protocol in (0, 1, 2, 4))
)

#: Shapes that need no global.
PLAIN: tuple[bytes, ...] = (
    list_of(ONE, KEY), dict_of(KEY, ONE), tuple_of(ONE, KEY), b"\x8f(" + ONE + b"\x90", b"(" + KEY + b"\x91", b"]2a",
    _tower(6), b"]" * 12 + b"a" * 11, b"N" * 13 + b"\x87" * 6, op("LONG_BINPUT", 70000).join((NONE, b"")),
    b"(" * 12 + b"t" * 12, b")" + b"\x85" * 12, b"(NNNNNNNNl", b"(" + KEY + ONE + text("b") + ONE + b"d",
    b"(NNl", op("BINBYTES8", b"ab"), op("BYTEARRAY8", b"ab"), op("BINUNICODE8", b"ab"), op("LONG4", b"\1" * 9),
    b"(" + b"\x8f" * 14 + b"t", b"](" + b"]" * 14 + b"e", b"(" + b"".join(number(n) + NONE for n in range(9)) + b"d",
    b"\x8f(" + b"".join(number(n) for n in range(9)) + b"\x90", b"(" + b"".join(number(n) for n in range(9)) + b"\x91",
    b"](" + b"N" * 9 + b"e", b"(" + b"N" * 9 + b"l", text("w" * 30), blob(b"w" * 30), op("STRING",
    "'" + "w" * 30 + "'"),
    op("UNICODE", "w" * 30), op("BINSTRING", b"w" * 30), op("INT", "9" * 20), op("LONG", "9" * 20 + "L"),
    op("BINBYTES", b"", claim=2**32 - 1), op("BINUNICODE8", b"", claim=2**40), op("BYTEARRAY8", b"", claim=10**9),
    b"".join((NONE, op("LONG_BINPUT", 2**31))), op("BINSTRING", b"", claim=2**31),
    # One large key in three dicts: it is measured once, and hashed for each of them.
    b"((NNNNNt(NNNNNt(NNNNNttq\0" + b"0}h\0Ns" + b"}h\0Ns" * 2 + b"\x87",
)  # fmt: skip

IDIOMS: tuple[bytes, ...] = (*ATTACKS.values(), *ORDINARY, *PLAIN)
