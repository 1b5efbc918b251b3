"""What is counted and paid for, opcode by opcode: strings, lines, items, objects, calls, hashes, memory.

`test_limits.py` has the attacks; here every road to the same thing is held to the same limit, so that no
opcode is left out of the bookkeeping.
"""

from __future__ import annotations

import io
from typing import Any

import pytest
from attacks import canary
from attacks.app import CANARY, allowing
from attacks.asm import (
    ADDITEMS,
    APPENDS,
    BUILD,
    DICT,
    DUP,
    FROZENSET,
    LIST,
    MARK,
    MEMOIZE,
    NEWOBJ,
    NEWOBJ_EX,
    NONE,
    POP,
    REDUCE,
    SET,
    SETITEM,
    SETITEMS,
    TUPLE,
    TUPLE0,
    TUPLE1,
    TUPLE2,
    blob,
    dict_of,
    list_of,
    name,
    new,
    number,
    op,
    pickled,
    text,
    tuple_of,
)
from attacks.expected import Loads, check, check_load, equals, limited

from safepickle.errors import LimitError, SafePickleError, TruncatedError
from safepickle.limits import Limits

ANY = Loads(lambda value: True)

# Multiples of it hash to 0: hash(int) is the remainder modulo 2**61 - 1 on 64-bit machines.
MODULUS = 2**61 - 1


def test_what_calls_return_is_paid_for(sp: Any) -> None:
    """D16: whatever an allowed class makes of a value from the memo, again and again, counts at its size."""
    policy = allowing("Buffer call", "QuietList call new", "QuietSet call")
    for cls, argument in (
        ("Buffer", op("BINBYTES", b"x" * 100_000)),
        ("QuietList", list_of(NONE * 20_000)),
        ("QuietSet", list_of(*map(number, range(2_000)))),
    ):
        once = name("attacks.canary", cls) + op("BINGET", 0) + TUPLE1 + REDUCE
        data = pickled(argument + op("BINPUT", 0) + POP + MARK + once * 200 + TUPLE)
        check(sp, data, limited("max_memory"), policy=policy, limits=Limits(max_memory="3 MiB"))


@pytest.mark.parametrize(
    "opcode",
    [
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
        "SHORT_BINBYTES",
        "BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "BINSTRING",
        "SHORT_BINSTRING",
    ],
)
def test_every_string_is_held_to_its_length(sp: Any, opcode: str) -> None:
    """D02, D20."""
    data = pickled(op(opcode, b"x" * 101), proto=5)
    check(sp, data, limited("max_string"), limits=Limits(max_string=100))
    check(sp, data, ANY, limits=Limits(max_string=101))


WIDE = "\U0001f600"

WIDTHS: tuple[tuple[str, bytes], ...] = (
    ("short strings", tuple_of(text("x" * 200) * 15_000)),
    ("short wide strings", tuple_of(text(WIDE + "x" * 200) * 4_000)),
    ("long strings", tuple_of(op("BINUNICODE", "x" * 2000) * 1_600)),
    ("long wide strings", tuple_of(op("BINUNICODE", WIDE + "x" * 2000) * 500)),
    ("BINUNICODE8, wide", op("BINUNICODE8", WIDE + "x" * 1_000_000)),
    ("BINSTRING", op("BINSTRING", "x" * 1_000_000)),
    ("short bytes", tuple_of(blob(b"x" * 200) * 15_000)),
    ("long bytes", tuple_of(op("BINBYTES", b"x" * 2000) * 1_600)),
    ("bytearrays", tuple_of(op("BYTEARRAY8", b"x" * 2000) * 1_600)),
    ("lines", b"(" + (b"V" + b"x" * 2000 + b"\n") * 1_600 + b"t"),
    ("ints", tuple_of(op("LONG1", b"\x7f" * 200) * 15_000)),
    ("floats", tuple_of(op("BINFLOAT", 1.5) * 150_000)),
    ("memo entries", NONE + b"".join(op("LONG_BINPUT", k * 2 + 1) for k in range(35_000))),
)


@pytest.mark.parametrize(("title", "body"), WIDTHS, ids=[row[0] for row in WIDTHS])
def test_values_are_paid_for(sp: Any, title: str, body: bytes) -> None:
    """D03, D14: whatever is made counts, a wide str four bytes for each character."""
    check(sp, pickled(body, proto=5), limited("max_memory"), limits=Limits(max_memory="3 MiB"))
    check(sp, pickled(body, proto=5), ANY)


NUMBERS = [number(k) for k in range(101)]
PAIRS = [key + NONE for key in NUMBERS]

MANY: tuple[tuple[str, bytes], ...] = (
    ("APPENDS", LIST + MARK + b"".join(NUMBERS) + APPENDS),
    ("APPEND", LIST + b"".join(key + b"a" for key in NUMBERS)),
    ("LIST", MARK + b"".join(NUMBERS) + b"l"),
    ("TUPLE", MARK + b"".join(NUMBERS) + TUPLE),
    ("SETITEMS", DICT + MARK + b"".join(PAIRS) + SETITEMS),
    ("SETITEM", DICT + b"".join(pair + SETITEM for pair in PAIRS)),
    ("DICT", MARK + b"".join(PAIRS) + b"d"),
    ("ADDITEMS", SET + MARK + b"".join(NUMBERS) + ADDITEMS),
    ("ADDITEMS one by one", SET + b"".join(MARK + key + ADDITEMS for key in NUMBERS)),
    ("FROZENSET", MARK + b"".join(NUMBERS) + FROZENSET),
)  # fmt: skip


@pytest.mark.parametrize(("opcode", "body"), MANY, ids=[row[0] for row in MANY])
def test_items_are_counted_on_every_road(sp: Any, opcode: str, body: bytes) -> None:
    """D03: also after the stream has named a global, from when on every item is looked at, and after something from
    outside is there, from when on every container is."""
    for before in (b"", name("builtins", "set") + POP, op("NEXT_BUFFER") + POP):
        data = pickled(before + body, proto=5)
        check(sp, data, limited("max_items"), limits=Limits(max_items=100), buffers=[b"from outside"])
        check(sp, data, ANY, limits=Limits(max_items=101), buffers=[b"from outside"])


OBJECTS: dict[str, bytes] = {
    "EMPTY_LIST": LIST, "EMPTY_DICT": DICT, "EMPTY_SET": SET, "LIST": MARK + b"l", "DICT": MARK + b"d",
    "FROZENSET": MARK + FROZENSET, "TUPLE": MARK + NONE + TUPLE, "TUPLE1": NONE + TUPLE1,
    "TUPLE2": NONE + NONE + TUPLE2, "TUPLE3": NONE * 3 + b"\x87", "BYTEARRAY8": op("BYTEARRAY8", b"x"),
    "set()": name("builtins", "set") + TUPLE0 + REDUCE,
}  # fmt: skip


@pytest.mark.parametrize("opcode", OBJECTS)
def test_objects_are_counted_on_every_road(sp: Any, opcode: str) -> None:
    """D03: though each is dropped at once."""
    data = pickled((OBJECTS[opcode] + POP) * 3000 + NONE, proto=5)
    check(sp, data, limited("max_objects"), limits=Limits(max_objects=1000))


def test_no_call_is_made_beyond_the_objects(sp: Any) -> None:
    """D03: what a call would make is paid for before the call."""
    made = name("attacks.canary", "Counted") + MEMOIZE + TUPLE0 + REDUCE
    again = (POP + op("BINGET", 0) + TUPLE0 + REDUCE) * 4
    canary.Counted.calls = 0
    check(
        sp,
        pickled(made + again),
        limited("max_objects"),
        policy=allowing("Counted call"),
        limits=Limits(max_objects=3 + 1),  # one for the name
    )
    assert canary.Counted.calls == 3


def test_looking_through_arguments_is_paid_for(sp: Any) -> None:
    """Any number of calls may share one tuple or dict of arguments, and each of them looks through it."""
    few = Limits(max_hash_work=5000)
    keywords = dict_of(*(text(f"k{k}") + NONE for k in range(1000))) + MEMOIZE + POP
    made = name("attacks.canary", "Plain") + MEMOIZE + POP
    calls = (op("BINGET", 1) + TUPLE0 + op("BINGET", 0) + b"\x92" + POP) * 10
    policy = allowing("Plain refer", "Taking new")
    with pytest.raises(SafePickleError) as refused:
        sp.loads(pickled(keywords, made, calls + NONE), policy=policy, limits=few)
    assert isinstance(refused.value.__cause__, LimitError)
    assert refused.value.__cause__.limit == "max_hash_work"
    # Positional arguments, of a class that takes any.
    arguments = tuple_of(NONE * 1000) + MEMOIZE + POP
    made = name("attacks.canary", "Taking") + MEMOIZE + POP
    calls = (op("BINGET", 1) + op("BINGET", 0) + b"\x81" + POP) * 10
    check(sp, pickled(arguments, made, calls + NONE), limited("max_hash_work"), policy=policy, limits=few)
    check(sp, pickled(arguments, made, calls + NONE), ANY, policy=policy)


HASHED: dict[str, list[bytes]] = {
    "LONG1": [op("LONG1", (k * MODULUS).to_bytes(12, "little")) for k in range(1, 200)],
    "LONG4": [op("LONG4", (k * MODULUS).to_bytes(12, "little")) for k in range(1, 200)],
    "LONG": [op("LONG", f"{k * MODULUS}L") for k in range(1, 200)],
    "INT": [op("INT", f"{k * MODULUS}") for k in range(1, 200)],
    "negative": [op("LONG1", (-k * MODULUS).to_bytes(12, "little", signed=True)) for k in range(1, 200)],
}


@pytest.mark.parametrize("opcode", HASHED)
def test_equal_hashes_are_counted_however_the_ints_are_written(sp: Any, opcode: str) -> None:
    """D04."""
    keys = HASHED[opcode]
    work = limited("max_hash_work")
    check(sp, pickled(SET + MARK, *keys, ADDITEMS), work)
    check(sp, pickled(DICT + MARK, *(key + NONE for key in keys), SETITEMS), work)
    check(sp, pickled(DICT, *(key + NONE + SETITEM for key in keys)), work)
    check(sp, pickled(MARK, *keys, FROZENSET), work)
    check(sp, pickled(MARK, *(key + NONE for key in keys), b"d"), work)


def test_equal_hashes_are_counted_where_calls_give_the_ints(sp: Any) -> None:
    """D04, by what no opcode wrote."""
    policy = allowing("int call", module="builtins")
    keys = [name("builtins", "int") + tuple_of(text(str(k * MODULUS))) + REDUCE for k in range(1, 200)]
    check(sp, pickled(SET + MARK, *keys, ADDITEMS), limited("max_hash_work"), policy=policy)
    check(sp, pickled(SET + MARK, *keys[:60], ADDITEMS), ANY, policy=policy)


COPIED = {
    "list": list_of(NONE * 10_000),
    "tuple": tuple_of(NONE * 10_000),
    "dict": DICT + MARK + b"".join(number(n) + NONE for n in range(2000)) + SETITEMS,
    "set": SET + MARK + b"".join(number(n) for n in range(2000)) + ADDITEMS,
    "frozenset": MARK + b"".join(number(n) for n in range(2000)) + FROZENSET,
}


@pytest.mark.parametrize("kind", COPIED)
@pytest.mark.parametrize("road", ["call", "keyword", "state", "two states"])
def test_what_classes_may_copy_is_paid_for(sp: Any, kind: str, road: str) -> None:
    """D16: any number of objects may be made of one list from the memo, or given it as state."""
    cls, given = op("BINGET", 0), op("BINGET", 1)
    one = {
        "call": cls + given + TUPLE1 + REDUCE,
        "keyword": cls + TUPLE0 + dict_of(text("k"), given) + NEWOBJ_EX,
        "state": cls + TUPLE0 + NEWOBJ + given + BUILD,
        "two states": cls + TUPLE0 + NEWOBJ + NONE + given + TUPLE2 + BUILD,
    }[road] + POP
    body = name(CANARY, "Copying") + op("BINPUT", 0) + POP + COPIED[kind] + op("BINPUT", 1)
    policy, limits = allowing("Copying call new build"), Limits(max_memory=2_000_000)
    check(sp, pickled(body, one * 3), ANY, policy=policy, limits=limits)
    check(sp, pickled(body, one * 30), limited("max_memory"), policy=policy, limits=limits)


@pytest.mark.parametrize("pack", [b"", tuple_of(*[number(1)] * 20) + TUPLE2 + TUPLE1], ids=["itself", "within tuples"])
def test_a_key_that_was_given_state_is_measured_once_more(sp: Any, pack: bytes) -> None:
    """D06: what hashing an instance visits may be little before a BUILD, and 2**60 items after it."""
    key = op("BINGET", 1)
    made = new(name(CANARY, "Described")) + op("BINPUT", 0) + pack + op("BINPUT", 1) + POP
    taken = made + DICT + key + NONE + SETITEM + POP
    given = op("BINGET", 0) + DICT + text("parts") + TUPLE0 + (DUP + TUPLE2) * 60 + SETITEM + BUILD + POP
    again = DICT + key + NONE + SETITEM
    policy = allowing("Described new build")
    check(sp, pickled(taken, again), ANY, policy=policy)
    check(sp, pickled(taken, given, again), limited("max_hash_work"), policy=policy)


def test_what_an_instance_is_in_is_measured_once_more(sp: Any) -> None:
    """The same where no BUILD gives it: a class may have hooks that fill it."""
    from attacks.canary import Described

    guard = sp.decoding.hashing.KeyGuard.__new__(sp.decoding.hashing.KeyGuard)
    guard.open_guard(sp.decoding.budget.Budget(Limits()), True)
    described = Described()
    key = ((described, (1,) * 20),)
    guard.check({}, key)
    parts: Any = ()
    for _ in range(60):
        parts = (parts, parts)
    described.parts = parts
    with pytest.raises(LimitError, match="max_hash_work"):
        guard.check({}, key)


def test_measuring_a_key_visits_nothing_twice(sp: Any) -> None:
    """D06, where there is an instance at the bottom, of which nothing is remembered."""
    made = new(name(CANARY, "Described"))
    body = DICT + made + (DUP + TUPLE2) * 60 + NONE + SETITEM
    check(sp, pickled(body), limited("max_hash_work"), policy=allowing("Described new build"))


@pytest.mark.parametrize("line", [b"V%s", b"S'%s'", b"c%s\nx", b"cx\n%s", b"(i%s\nx", b"P%s"])
def test_every_line_is_held_to_its_length(sp: Any, line: bytes) -> None:
    """D20, D22."""
    for load in (sp.loads, lambda data, limits: sp.load(io.BytesIO(data), limits=limits)):
        with pytest.raises(LimitError) as caught:
            load(line % (b"x" * 200) + b"\n.", limits=Limits(max_string=100))
        assert caught.value.limit == "max_string"


@pytest.mark.parametrize("claim", [2**31, 2**62, 2**62 + 1, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("opcode", ["BINBYTES8", "BYTEARRAY8", "BINUNICODE8", "FRAME"])
def test_claims_without_any_limit(sp: Any, opcode: str, claim: int) -> None:
    """D02: the end of the input is a bound too, and so is what a number can say."""
    data = op(opcode, claim) if opcode == "FRAME" else op(opcode, b"xx", claim=claim)
    for load in (sp.loads, lambda stream, limits: sp.load(io.BytesIO(stream), limits=limits)):
        with pytest.raises((TruncatedError, LimitError)):
            load(pickled(data, proto=5), limits=sp.UNLIMITED)


def test_calls_are_counted_on_every_road(sp: Any) -> None:
    """D20: an allowed class can be slow; the number of calls is what bounds it."""
    policy = allowing("MadeByCall call new")
    cls = name("attacks.canary", "MadeByCall")
    for road in (
        cls + TUPLE0 + REDUCE,
        cls + TUPLE0 + b"\x81",
        cls + TUPLE0 + DICT + b"\x92",
        MARK + cls + NONE + b"o",
        MARK + NONE + op("INST", "attacks.canary", "MadeByCall"),
    ):
        limits = Limits(max_calls=10)
        check(sp, pickled((road + POP) * 10 + NONE), equals(None), policy=policy, limits=limits)
        check(sp, pickled((road + POP) * 11 + NONE), limited("max_calls"), policy=policy, limits=limits)


def test_a_call_of_what_is_also_a_helper_is_counted_once(sp: Any) -> None:
    """What is no form that picklers write of `int` is a call that a rule may allow, and one call."""
    policy = allowing("int call", module="builtins")
    road = name("builtins", "int") + number(5) + TUPLE1 + REDUCE + POP
    check(sp, pickled(road * 3 + NONE), equals(None), policy=policy, limits=Limits(max_calls=3))
    check(sp, pickled(road * 4 + NONE), limited("max_calls"), policy=policy, limits=Limits(max_calls=3))


def test_items_of_a_subclass_are_counted(sp: Any) -> None:
    """D03: what goes in through a class's own method counts like what goes into a list."""
    policy = allowing("QuietList new append", "QuietDict new setitem", "QuietSet new add")
    numbers = [number(k) for k in range(101)]
    for cls, items, tail in (
        ("QuietList", numbers, APPENDS),
        ("QuietDict", [key + NONE for key in numbers], SETITEMS),
        ("QuietSet", numbers, ADDITEMS),
    ):
        target = name("attacks.canary", cls) + TUPLE0 + b"\x81"
        batch = pickled(target + MARK, *items, tail)
        singly = pickled(target, *(MARK + item + tail for item in items))
        for data in (batch, singly):
            check(sp, data, limited("max_items"), policy=policy, limits=Limits(max_items=100))


def test_names_are_paid_for(sp: Any) -> None:
    """D03: each global that a stream names is remembered."""

    class Finding(sp.Unpickler):  # type: ignore[misc,name-defined]
        def find_class(self, module: str, name: str) -> Any:
            return dict

    data = pickled(*(op("GLOBAL", "m", f"n{k}") + POP for k in range(5000)), NONE)
    limits = Limits(max_memory="1 MiB")
    check_load(lambda: Finding(io.BytesIO(data), limits=limits).load(), limited("max_memory"))
    check_load(lambda: Finding(io.BytesIO(data)).load(), equals(None))


def test_instances_as_keys_are_measured(sp: Any) -> None:
    """D06: the hash of an allowed class may visit all that the instance holds."""
    tall = number(1) + (DUP + TUPLE2) * 28
    key = name("attacks.canary", "Keyed") + TUPLE0 + b"\x81" + DICT + text("value") + tall + SETITEM + b"b"
    policy = allowing("Keyed new build")
    check(sp, pickled(DICT + key + NONE + SETITEM), limited("max_hash_work"), policy=policy)
    check(sp, pickled(SET + MARK + key + ADDITEMS), limited("max_hash_work"), policy=policy)


def test_time_is_looked_at(sp: Any) -> None:
    """D20."""
    limits = Limits(max_seconds=0)
    check(sp, pickled((NONE + POP) * 3000 + NONE), limited("max_seconds"), limits=limits)


def test_a_claimed_int_is_held_to_its_size(sp: Any) -> None:
    """D12: by its length, before the bytes are asked for."""
    data = b"\x8b\xff\xff\xff\x7fx"
    check(sp, data, limited("max_int_bits"))
    check_load(lambda: sp.load(io.BytesIO(data)), limited("max_int_bits"))
