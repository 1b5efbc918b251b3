"""Every limit, exactly: what it allows is loaded, one more is refused, and the error says what was asked
where.

The attacks that the limits stop are in `tests/attacks`; here their arithmetic is held to the unit.
"""

from __future__ import annotations

import gc
import io
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from attacks.asm import LIST, MEMOIZE, NONE, POP, frame, name, number, op, pickled, text
from decoding import samples
from decoding.files import FILES, rest_of
from decoding.outcomes import PACKAGES
from decoding.programs import Model, assembled, models
from hypothesis import given, settings
from hypothesis import strategies as st

from safepickle.errors import LimitError
from safepickle.limits import LIMITS, UNLIMITED, Limits
from safepickle.policy.rules import Policy


class Bound(NamedTuple):
    """A pickle that takes exactly *bound* of a limit."""

    title: str
    limit: str
    data: bytes
    bound: int
    #: Opcode at which one less is refused, and what it asks for then (None: at least the bound).
    opcode: str
    asked: int | None = None


def nested(opener: bytes, closer: bytes, levels: int) -> bytes:
    return pickled(opener * levels + closer * levels)


#: Room for what is known of memo entries grows past one that was noted beyond it.
FAR = b"".join(LIST + op("LONG_BINPUT", index) + POP for index in (60, 150, 300, 700, 1500))
LONG = 2**63
CALL = op("GLOBAL", "builtins", "complex") + op("BINFLOAT", 1.0) * 2 + b"\x86R"
MADE = op("GLOBAL", samples.HERE, "Thing") + b")\x81"

BOUNDS: tuple[Bound, ...] = (
    Bound("opcodes", "max_opcodes", pickled(NONE + (NONE + POP) * 20), 43, "STOP", 43),
    Bound("opcodes over a slice", "max_opcodes", pickled(NONE + (NONE + POP) * 2000), 4003, "STOP", 4003),
    Bound("lists", "max_depth", pickled(b"](" * 29 + b"]" + b"e" * 29), 30, "APPENDS", 30),
    Bound("lists, by LIST", "max_depth", nested(b"(", b"l", 30), 30, "LIST", 30),
    Bound("tuples", "max_depth", pickled(b"N" + b"\x85" * 30), 30, "TUPLE1", 30),
    Bound("a far entry of the memo", "max_depth",
          pickled(b")" + b"\x85" * 15 + op("LONG_BINPUT", 1000) + POP + FAR + op("LONG_BINGET", 1000) + b"\x85" * 15),
          30, "STOP", 30),
    Bound("pairs", "max_depth", pickled(b"N" + b"N\x86" * 30), 30, "TUPLE2", 30),
    Bound("triples", "max_depth", pickled(b"N" + b"NN\x87" * 30), 30, "TUPLE3", 30),
    Bound("dicts", "max_depth", pickled(b"}" + b"N}" * 29 + b"s" * 29), 30, "SETITEM", 30),
    Bound("lists, by APPEND", "max_depth", pickled(b"]" * 30 + b"a" * 29), 30, "APPEND", 30),
    Bound("frozensets", "max_depth", nested(b"(", b"\x91", 30), 30, "FROZENSET", 30),
    Bound("sets in frozensets", "max_depth", pickled(b"\x8f((\x91\x90"), 2, "ADDITEMS", 2),
    Bound("by MEMOIZE", "max_memo", pickled(NONE + MEMOIZE * 9), 9, "MEMOIZE", 9),
    Bound("by BINPUT", "max_memo", pickled(NONE + op("BINPUT", 0) + op("BINPUT", 1)), 2, "BINPUT", 2),
    Bound("a memo index", "max_memo", pickled(NONE + op("LONG_BINPUT", 999)), 1000, "LONG_BINPUT", 1000),
    Bound("a memo index in text", "max_memo", pickled(NONE + op("PUT", "999")), 1000, "PUT", 1000),
    Bound("empty lists", "max_objects", pickled(b"(" + b"]" * 8 + b"t"), 9, "TUPLE", 9),
    Bound("dropped lists", "max_objects", pickled(NONE + (b"]" + POP) * 8), 8, "POP", 8),
    Bound("sets", "max_objects", pickled(NONE + (b"\x8f" + POP) * 8), 8, "EMPTY_SET", 8),
    Bound("items by APPENDS", "max_items", pickled(b"](" + NONE * 9 + b"e"), 9, "APPENDS", 9),
    Bound("items by APPEND", "max_items", pickled(b"]" + b"Na" * 9), 9, "APPEND", 9),
    Bound("items by LIST", "max_items", pickled(b"(" + NONE * 9 + b"l"), 9, "LIST", 9),
    Bound("items by TUPLE", "max_items", pickled(b"(" + NONE * 9 + b"t"), 9, "TUPLE", 9),
    Bound(
        "items by SETITEMS", "max_items",
        pickled(b"}(" + b"".join(number(n) + NONE for n in range(9)) + b"u"), 9, "SETITEMS", 9,
    ),
    Bound(
        "items by DICT", "max_items",
        pickled(b"(" + b"".join(number(n) + NONE for n in range(9)) + b"d"), 9, "DICT", 9,
    ),
    Bound(
        "items by SETITEM", "max_items",
        pickled(b"}" + b"".join(number(n) + NONE + b"s" for n in range(9))), 9, "SETITEM", 9,
    ),
    Bound(
        "items by ADDITEMS", "max_items",
        pickled(b"\x8f(" + b"".join(map(number, range(9))) + b"\x90"), 9, "ADDITEMS", 9,
    ),
    Bound("items by FROZENSET", "max_items", pickled(b"(" + b"".join(map(number, range(9))) + b"\x91"), 9,
          "FROZENSET", 9),
    *(
        Bound(name, "max_string", pickled(op(name, b"x" * 20)), 20, name, 20)
        for name in ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
                     "SHORT_BINBYTES", "BINBYTES", "BINBYTES8",
                     "BYTEARRAY8", "BINSTRING", "SHORT_BINSTRING", "UNICODE")
    ),
    Bound("a line in quotes", "max_string", pickled(op("STRING", "'" + "x" * 18 + "'")), 20, "STRING", 20),
    Bound("a module's name", "max_string", pickled(op("GLOBAL", "builtins", "complex") + POP + NONE), 8,
          "GLOBAL", 8),
    Bound("LONG1", "max_int_bits", pickled(op("LONG1", LONG.to_bytes(9, "little"))), 64, "LONG1", 64),
    Bound("LONG4", "max_int_bits", pickled(op("LONG4", LONG.to_bytes(9, "little"))), 64, "LONG4"),
    Bound("LONG", "max_int_bits", pickled(op("LONG", f"{LONG}L")), 64, "LONG", 64),
    Bound("INT", "max_int_bits", pickled(op("INT", str(LONG))), 64, "INT", 64),
    Bound("a negative LONG1", "max_int_bits", pickled(op("LONG1", bytes(7) + b"\x80")), 64, "LONG1", 64),
    Bound("calls of helpers", "max_calls", pickled(NONE + (CALL + POP) * 5), 5, "REDUCE", 5),
    Bound("instances", "max_calls", pickled(NONE + (MADE + POP) * 5), 5, "NEWOBJ", 5),
    Bound("a pair as a key", "max_hash_work", pickled(b"}NN\x86Ns"), 8, "SETITEM"),
)  # fmt: skip
POLICY = samples.allowing("Thing")


@pytest.mark.parametrize("case", [pytest.param(bound, id=f"{bound.limit}: {bound.title}") for bound in BOUNDS])
@pytest.mark.parametrize("as_file", [False, True], ids=["bytes", "file"])
def test_exactly_at_the_bound(sp: Any, case: Bound, as_file: bool) -> None:
    def load(bound: int) -> Any:
        limits = Limits(**{case.limit: bound})
        if as_file:
            return sp.load(io.BytesIO(case.data), policy=POLICY, limits=limits)
        return sp.loads(case.data, policy=POLICY, limits=limits)

    load(case.bound)
    with pytest.raises(LimitError) as caught:
        load(case.bound - 1)
    error = caught.value
    assert (error.limit, error.bound) == (case.limit, case.bound - 1)
    assert error.asked > error.bound
    assert case.asked is None or error.asked == case.asked
    assert error.position is not None
    if case.limit not in ("max_opcodes", "max_objects"):
        # These two are looked at between opcodes.
        assert error.opcode == case.opcode
    assert f"{case.limit}={case.bound - 1}" in str(error)


def test_every_limit_is_tried_here() -> None:
    tried = {case.limit for case in BOUNDS} | {"max_bytes", "max_memory", "max_seconds"}
    assert tried == {row.name for row in LIMITS}


@pytest.mark.parametrize("data", [pickled(text("x" * 50)), b"V" + b"x" * 50 + b"\n.", pickled(frame(text("x" * 50)))])
def test_max_bytes(sp: Any, data: bytes) -> None:
    size = len(data)
    for load in (sp.loads, lambda data, limits: sp.load(io.BytesIO(data), limits=limits)):
        assert load(data, limits=Limits(max_bytes=size)) == "x" * 50
        with pytest.raises(LimitError) as caught:
            load(data, limits=Limits(max_bytes=size - 1, max_string=size))
        assert (caught.value.limit, caught.value.bound) in (("max_bytes", size - 1), ("max_string", size - 1))
        assert caught.value.asked >= size - 1


@pytest.mark.parametrize("kind", sorted(FILES))
@pytest.mark.parametrize("ended", [True, False], ids=["line", "no end"])
def test_a_line_of_a_file_is_read_up_to_its_limit(sp: Any, kind: str, ended: bool) -> None:
    data = b"V" + b"x" * 50 + b"\n." * ended
    file = FILES[kind](data)
    with pytest.raises(LimitError) as caught:
        sp.load(file, limits=Limits(max_string=20))
    error = caught.value
    assert (error.limit, error.bound, error.opcode, error.position) == ("max_string", 20, "UNICODE", 0)
    if kind == "slow":
        # One byte more than the limit is enough to know.
        assert len(rest_of(file)) >= len(data) - 22


def test_max_bytes_counts_each_pickle_of_a_file(sp: Any) -> None:
    one = pickled(text("x" * 50))
    for file in (io.BytesIO(one * 3), io.BufferedReader(io.BytesIO(one * 3))):
        reader = sp.Unpickler(file, limits=Limits(max_bytes=len(one)))
        assert [reader.load() for _ in range(3)] == ["x" * 50] * 3


def test_max_seconds(sp: Any) -> None:
    with pytest.raises(LimitError) as caught:
        sp.loads(pickled(NONE + (NONE + POP) * 5000), limits=Limits(max_seconds=0))
    assert caught.value.limit == "max_seconds"
    assert caught.value.asked >= caught.value.bound == 0


@pytest.mark.parametrize(
    ("name", "size", "value"),
    [("max_memory", "1 MiB", 2**20), ("max_bytes", "3 kB", 3000), ("max_items", "2M", 2_000_000)],
)
def test_sizes_as_text(sp: Any, name: str, size: str, value: int) -> None:
    limits = Limits(**{name: size})
    assert getattr(limits, name) == value
    assert sp.loads(b"]Na.", limits=limits) == [None]


def test_a_bound_of_nothing(sp: Any) -> None:
    for row in LIMITS:
        if row.name in ("max_seconds", "max_calls", "max_memo", "max_hash_work", "max_int_bits"):
            continue
        with pytest.raises(LimitError) as caught:
            sp.loads(pickled(b"](" + text("abc") + b"e"), limits=Limits(**{row.name: 0}))
        assert caught.value.limit == row.name


# -- memory --------------------------------------------------------------------------------------------------

FLOODS: dict[str, bytes] = {
    "lists": b"(" + b"]" * 40_000,
    "dicts": b"(" + b"}" * 40_000,
    "sets": b"(" + b"\x8f" * 40_000,
    "pairs": b"(" + b"NN\x86" * 40_000,
    "filled dicts": b"(" + b"}(K\x01Nu" * 40_000,
    "filled lists": b"(" + b"](Ne" * 40_000,
    "small ints": b"(" + b"K\x01" * 200_000,
    "ints": b"(" + b"J\xff\xff\xff\x7f" * 60_000,
    "floats": b"(" + op("BINFLOAT", 1.5) * 60_000,
    "texts": b"(" + op("SHORT_BINUNICODE", "x" * 30) * 40_000,
    "wide texts": b"(" + op("SHORT_BINUNICODE", "\U0001f600" + "x" * 250) * 10_000,
    "long texts": b"(" + op("BINUNICODE", "x" * 10_000) * 500,
    "blobs": b"(" + op("SHORT_BINBYTES", b"x" * 30) * 40_000,
    "bytearrays": b"(" + op("BYTEARRAY8", b"x" * 30) * 40_000,
    "Python 2 texts": b"(" + op("SHORT_BINSTRING", b"x" * 30) * 40_000,
    "lines": b"(" + op("UNICODE", "x" * 30) * 40_000,
    "long ints": b"(" + op("LONG1", b"\x01" * 30) * 40_000,
    "long ints in text": b"(" + op("LONG", "9" * 60 + "L") * 40_000,
    "marks": b"(" * 1500,
    "memo": NONE + MEMOIZE * 100_000,
    "sparse memo": NONE + b"".join(op("LONG_BINPUT", 2 * n + 1) for n in range(40_000)),
    "set items": b"\x8f" + b"".join(b"(" + op("BININT", n) + b"\x90" for n in range(40_000)),
    "dict items": b"}" + b"".join(op("BININT", n) + b"Ns" for n in range(40_000)),
    "helpers": b"(" + op("GLOBAL", "builtins", "set") + b"q\x000" + b"h\x00)R" * 40_000,
    "big keys": b"}" + b"".join(op("LONG1", (2**64 + n).to_bytes(9, "little")) + b"Ns" for n in range(20_000)),
    "names": b"(" + b"".join(op("GLOBAL", "m", f"n{n}") + b"0" for n in range(20_000)),
}


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("title", FLOODS)
def test_memory_stays_near_its_bound(sp: Any, title: str) -> None:
    """What is allocated until the refusal is no more than was allowed, one slice of opcodes' leaves
    beside."""
    bound = 256 * 1024
    data = b"\x80\x05" + FLOODS[title] + b"."
    limits = Limits(max_memory=bound, max_depth=None)
    with suppress(sp.SafePickleError):
        sp.loads(data, limits=limits)  # what is made once and kept is not counted
    tracemalloc.start()
    try:
        base, _ = tracemalloc.get_traced_memory()
        with pytest.raises((LimitError, sp.PolicyError, sp.FormatError)) as caught:
            sp.loads(data, limits=limits)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    if title != "marks":
        error = caught.value if isinstance(caught.value, LimitError) else caught.value.__cause__
        assert isinstance(error, LimitError)
        assert error.limit == "max_memory"
    # A list grows by an eighth ahead of need, a dict and a set double: one allocation over.
    assert peak - base < 2 * bound + 64 * 1024, f"{peak - base} bytes under a bound of {bound}"


BIG = 1 << 20
BIG_VALUES: dict[str, bytes] = {
    **{
        name: op(name, b"x" * BIG)
        for name in ("BINUNICODE", "BINUNICODE8", "BINBYTES", "BINBYTES8", "BYTEARRAY8", "BINSTRING", "UNICODE")
    },
    "STRING": op("STRING", "'" + "x" * BIG + "'"),
    "LONG4": op("LONG4", b"x" * BIG),
}


@pytest.mark.parametrize("name", BIG_VALUES)
def test_one_big_value_is_paid_for_before_it_is_made(sp: Any, name: str) -> None:
    data = pickled(BIG_VALUES[name])
    limits = Limits(max_memory=BIG // 2, max_int_bits=None)
    tracemalloc.start()
    try:
        with pytest.raises(LimitError) as caught:
            sp.loads(data, limits=limits)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    error = caught.value
    assert (error.limit, error.opcode, error.position) == ("max_memory", name, 2)
    assert error.asked >= BIG
    assert peak < BIG // 2


def test_one_more_object_is_refused_where_it_is_asked_for(sp: Any) -> None:
    for opcode in ("EMPTY_SET", "FROZENSET"):
        data = pickled((b"(" if opcode == "FROZENSET" else b"") + op(opcode))
        with pytest.raises(LimitError) as caught:
            sp.loads(data, limits=Limits(max_objects=0))
        assert (caught.value.limit, caught.value.opcode, caught.value.asked) == ("max_objects", opcode, 1)


# -- depth ---------------------------------------------------------------------------------------------------


def true_depth(value: Any, above: frozenset[int] = frozenset(), known: dict[int, int] | None = None) -> int | None:
    """Return the depth of acyclic data, () counting as a leaf, or None for a cycle."""
    known = {} if known is None else known
    if not isinstance(value, (list, dict, set, tuple, frozenset)) or value == ():
        return 0
    if id(value) in above:
        return None
    if id(value) in known:
        return known[id(value)]
    parts = [*value, *value.values()] if isinstance(value, dict) else list(value)
    deepest = 0
    for part in parts:
        depth = true_depth(part, above | {id(value)}, known)
        if depth is None:
            return None
        deepest = max(deepest, depth)
    known[id(value)] = deepest + 1
    return deepest + 1


CONTAINERS = frozenset(
    """EMPTY_LIST EMPTY_DICT EMPTY_SET EMPTY_TUPLE NONE MARK APPEND APPENDS SETITEM SETITEMS ADDITEMS LIST
    DICT
    FROZENSET TUPLE TUPLE1 TUPLE2 TUPLE3 POP POP_MARK DUP BINGET GET MEMOIZE BINPUT PUT""".split()
)


#: Bytes by step: make a list and remember it, append, drop, fetch one of the first three.
STEPS = {"new": b"]" + MEMOIZE, "append": b"a", "pop": POP, **{n: op("BINGET", n) for n in range(3)}}


def short_programs(most: int) -> Iterator[tuple[tuple[Any, ...], list[Any]]]:
    """Yield all programs of up to so many steps on up to three lists, with the lists that they leave."""

    def extend(steps: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], list[Any]]]:
        stack: list[Any] = []
        made: list[Any] = []
        for step in steps:
            if step == "new":
                made.append([])
                stack.append(made[-1])
            elif step == "append":
                item = stack.pop()
                stack[-1].append(item)
            elif step == "pop":
                stack.pop()
            else:
                stack.append(made[step])
        yield steps, made
        if len(steps) == most:
            return
        for step in STEPS:
            if (
                (step == "new" and len(made) == 3)
                or (step == "append" and len(stack) < 2)
                or (step == "pop" and not stack)
                or (type(step) is int and step >= len(made))
                or len(stack) > 3
            ):
                continue
            yield from extend((*steps, step))

    yield from extend(("new",))


def check_depth(data: bytes, bound: int) -> None:
    for package in PACKAGES:
        try:
            value = package.loads(data, limits=Limits(max_depth=bound))
        except LimitError as error:
            assert error.limit == "max_depth"
            continue
        depth = true_depth(value)
        assert depth is None or depth <= bound


def test_no_list_is_deeper_than_max_depth(sp: Any) -> None:
    """Every way in eight steps to make lists of three and put them into each other, dropping and fetching
    them."""
    wrong = []
    for steps, made in short_programs(8):
        depths = [true_depth(value) for value in made]
        if None in depths or max(depths) < 3:  # type: ignore[type-var, operator]
            continue
        left = sum({"append": -1, "pop": -1}.get(step, 1) for step in steps)
        deepest = depths.index(max(depths))  # type: ignore[type-var]
        data = pickled(*(STEPS[step] for step in steps), POP * left, op("BINGET", deepest))
        try:
            sp.loads(data, limits=Limits(max_depth=2))
        except LimitError:
            continue
        wrong.append(steps)
    assert wrong == []


@settings(max_examples=100)
@given(models(most=40, only=CONTAINERS), st.integers(2, 6))
def test_no_accepted_value_is_deeper_than_max_depth(model: Model, bound: int) -> None:
    check_depth(assembled(model.pieces, None, []), bound)


@settings(max_examples=100)
@given(models(most=40, only=CONTAINERS - {"BINGET", "GET", "DUP"}))
def test_without_sharing_the_depth_is_exact(model: Model) -> None:
    """Where nothing is fetched from the memo, the least bound that lets a value through is what the stack
    held."""
    data = assembled(model.pieces, None, [])
    depth = true_depth(model.value)
    assert depth is not None
    for package in PACKAGES:
        if depth:
            with pytest.raises(LimitError):
                package.loads(data, limits=Limits(max_depth=depth - 1))
        package.loads(data, limits=Limits(max_depth=len(model.pieces)))


def grown_behind(levels: int) -> bytes:
    """Nest two lists a level: one is put into the other by GET while it is open, and only then grows."""
    out = [b"]" + MEMOIZE + POP]
    inner = 0
    for level in range(levels):
        opened, outer = 2 * level + 1, 2 * level + 2
        out += [b"]", MEMOIZE, b"]", op("LONG_BINGET", opened), b"a", MEMOIZE, POP]
        out += [op("LONG_BINGET", inner), b"a", POP]
        inner = outer
    return pickled(*out, op("LONG_BINGET", inner))


def test_a_list_that_grows_inside_another_is_counted(sp: Any) -> None:
    with pytest.raises(LimitError):
        sp.loads(grown_behind(2000))


@pytest.mark.parametrize("limits", [UNLIMITED, Limits(max_depth=2)], ids=["no bound", "two levels"])
def test_flat_data_is_flat_whatever_the_order(sp: Any, limits: Limits) -> None:
    """A list that is fetched from the memo takes list after list."""
    data = pickled(b"]" + MEMOIZE + POP + (op("BINGET", 0) + b"]a" + POP) * 5000 + op("BINGET", 0))
    assert sp.loads(data, limits=limits) == [[]] * 5000


def test_a_cycle_is_not_deeper_for_being_closed_often(sp: Any) -> None:
    """Children that each refer to their parent: 3000 levels, if each were counted on top of the last."""
    child = b"]" + op("BINGET", 0) + b"a"
    value = sp.loads(pickled(b"]" + MEMOIZE + (child + b"a") * 3000), limits=Limits(max_depth=2))
    assert len(value) == 3000
    assert all(item[0] is value for item in value)


@pytest.mark.parametrize("levels", [10, 5_000])
def test_what_is_built_upside_down_is_measured(sp: Any, levels: int) -> None:
    """Each list is fetched from the memo to get the next one."""
    steps = b"".join(b"]" + MEMOIZE + b"a" + POP + op("LONG_BINGET", k) for k in range(1, levels))
    data = pickled(b"]" + MEMOIZE + steps + POP + op("BINGET", 0))
    value = sp.loads(data, limits=Limits(max_depth=levels))
    for _ in range(levels - 1):
        (value,) = value
    assert value == []
    with pytest.raises(LimitError) as refused:
        sp.loads(data, limits=Limits(max_depth=levels - 1))
    assert refused.value.limit == "max_depth"


def test_instances_are_walked_too(sp: Any) -> None:
    """A chain of OrderedDicts, each put into the last by its number in the memo, and only then filled."""
    make = name("collections", "OrderedDict") + b")R"
    steps = b"".join(b"K\0" + make + MEMOIZE + b"s" + POP + op("BINGET", k) for k in range(1, 60))
    data = pickled(make + MEMOIZE + steps + POP + op("BINGET", 0))
    policy = Policy.packs("stdlib")
    with pytest.raises(LimitError):
        sp.loads(data, policy=policy, limits=Limits(max_depth=50))
    sp.loads(data, policy=policy, limits=Limits(max_depth=200))


@pytest.mark.parametrize("cls", [("collections", "OrderedDict"), ("nowhere", "Nothing")], ids=["known", "unknown"])
def test_arguments_that_helpers_share_are_paid_for(sp: Any, cls: tuple[str, str]) -> None:
    """copyreg.__newobj__ takes one class and a tuple of 5000 others, 1000 times, also after a denial."""
    helper = name("copyreg", "__newobj__") + MEMOIZE + POP
    args = b"(" + name(*cls) + NONE * 5000 + b"t" + MEMOIZE + POP
    calls = (op("BINGET", 0) + op("BINGET", 1) + b"R" + POP) * 1000
    data = pickled(helper + args + calls + NONE)
    with pytest.raises(sp.PolicyError) as refused:
        sp.loads(data, policy=Policy.packs("stdlib"), limits=Limits(max_hash_work=100_000))
    assert isinstance(refused.value.__cause__, LimitError)
    assert refused.value.__cause__.limit == "max_hash_work"


@pytest.mark.parametrize("made", [b"]", b"}", b"\x8f", b"\x8c\1x", b"J\0\0\1\0"])
def test_what_is_dropped_at_once_was_allocated_all_the_same(sp: Any, made: bytes) -> None:
    """Nothing in such a stream asks for much by itself: what is spent shows at the end of a slice of the loop."""
    data = pickled((made + POP) * 20_000, b"N")
    with pytest.raises(LimitError) as caught:
        sp.loads(data, limits=Limits(max_memory="256 KiB"))
    assert caught.value.limit == "max_memory"
    assert sp.loads(data, limits=Limits(max_memory="64 MiB")) is None


def test_one_thing_alone_may_be_too_much(sp: Any) -> None:
    """It is refused before it is read, not at the end of a slice of the loop, when it is there already."""
    file = io.BytesIO(pickled(op("LONG4", b"\1" * 10_000_000)))
    with pytest.raises(LimitError) as caught:
        sp.load(file, limits=Limits(max_memory="64 KiB", max_int_bits=10**9))
    assert caught.value.limit == "max_memory"
    assert file.tell() < 1_000_000
