"""Dates, times and Decimals that are made of the bytes to come: as the loop makes them, opcode by opcode."""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
import pickle
import pickletools
import subprocess
import sys
import textwrap
from types import ModuleType
from typing import Any

import pytest
from attacks.asm import (
    APPENDS,
    LIST,
    MARK,
    MEMOIZE,
    NONE,
    POP,
    REDUCE,
    TUPLE,
    TUPLE1,
    TUPLE2,
    blob,
    name,
    number,
    op,
    pickled,
    text,
)
from decoding.left_behind import doubtful, least_memory, left_by, passes
from hypothesis import given
from hypothesis import strategies as st

from safepickle.limits import Limits
from safepickle.policy.contracts import CONTRACTS
from safepickle.policy.rules import Policy

STDLIB = Policy.packs("stdlib")
MOMENT = bytes.fromhex("07e8031d0a0b0c000001")
#: The class, and an argument of it that picklers write.
WAYS = {
    "datetime": (name("datetime", "datetime"), blob(MOMENT)),
    "date": (name("datetime", "date"), blob(MOMENT[:4])),
    "time": (name("datetime", "time"), blob(MOMENT[4:])),
    "Decimal": (name("decimal", "Decimal"), text("-12.50")),
}
ZONE = name("datetime", "timezone") + name("datetime", "timedelta") + number(0) * 3 + op("TUPLE3")
ZONE += REDUCE + TUPLE1 + REDUCE
GET = op("BINGET", 0)
#: Does nothing, and is nothing that picklers write behind a class.
NOTHING = NONE + POP

zones = st.none() | st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30)), dt.timezone.max])
atoms = (
    st.datetimes(timezones=zones)
    | st.dates()
    | st.times(timezones=zones)
    | st.decimals()
    | st.decimals(places=2)
    | st.timedeltas()
    | st.datetimes().map(lambda moment: moment.replace(fold=1))
    | st.times().map(lambda moment: moment.replace(fold=1))
    | st.just(dt.date(2024, 2, 29))
)


def standard(form: ModuleType) -> Any:
    """Return the pack of a form."""
    return form.Policy.packs("stdlib")


def written(sp: ModuleType, value: Any, protocol: int, ours: bool) -> bytes:
    found: bytes = sp.dumps(value, protocol, policy=STDLIB) if ours else pickle.dumps(value, protocol)
    return found


def outcome(sp: ModuleType, data: bytes, **bounds: int) -> Any:
    """Return the value, or what was refused and why, but for where."""
    try:
        return repr(sp.loads(data, policy=STDLIB, limits=Limits(**bounds)))
    except sp.PolicyError as error:
        return [(denial.name, denial.reason) for denial in error.denials]
    except sp.LimitError as error:
        return error.limit, error.opcode
    except sp.SafePickleError as error:
        return type(error), error.opcode


def spread(data: bytes) -> bytes:
    """Return the pickle with something behind each class that is fetched, so that the loop makes every call."""
    classes, noted, before = set(), 0, ""
    parts, last = [], 0
    for opcode, argument, place in pickletools.genops(data):
        if opcode.name == "MEMOIZE":
            if before == "STACK_GLOBAL":
                classes.add(noted)
            noted += 1
        if opcode.name in ("BINGET", "LONG_BINGET") and argument in classes:
            end = int(place or 0) + (2 if opcode.name == "BINGET" else 5)
            parts += [data[last:end], NOTHING]
            last = end
        before = opcode.name
    return unframed(b"".join([*parts, data[last:]]))


def unframed(data: bytes) -> bytes:
    """Return a pickle of one frame without its frame."""
    return data[:2] + data[11:]


@given(values=st.lists(atoms, min_size=1, max_size=6), protocol=st.integers(0, 5), ours=st.booleans())
def test_values_are_those_of_pickle(sp: ModuleType, values: list[Any], protocol: int, ours: bool) -> None:
    values = [*values, *values[::-1], [values]]
    data = written(sp, values, protocol, ours)
    found = sp.loads(data, policy=STDLIB)
    assert repr(found) == repr(pickle.loads(data))
    # Before protocol 4 the fold is not written (PEP 495).
    assert protocol < 4 or repr(found) == repr(values)


def places(values: tuple[Any, ...]) -> list[int]:
    """Return where each of the values is for the first time."""
    return [next(index for index, other in enumerate(values) if other is one) for one in values]


@pytest.mark.parametrize("noted", range(8))
@pytest.mark.parametrize("way", WAYS)
def test_the_memo_holds_what_the_loop_notes(sp: ModuleType, way: str, noted: int) -> None:
    """The argument, the tuple of it and the result, where MEMOIZE stands behind it, and only then."""
    named, first = WAYS[way]
    call = first + (noted & 1) * MEMOIZE + TUPLE1 + (noted >> 1 & 1) * MEMOIZE + REDUCE + (noted >> 2) * MEMOIZE
    gets = b"".join(op("BINGET", index) for index in range(1, 1 + 3 * noted.bit_count()))
    data = pickled(named, MEMOIZE, POP, MARK, (GET + call) * 3, gets, TUPLE)
    found, expected = sp.loads(data, policy=STDLIB), pickle.loads(data)
    assert found == expected
    # What is the same object in the one is so in the other.
    assert places(found) == places(expected)


@pytest.mark.parametrize("way", WAYS)
def test_arguments_may_be_asked_for_in_any_order(sp: ModuleType, way: str) -> None:
    """They are made when somebody does, and are the same from then on."""
    named, first = WAYS[way]
    in_zone = way in ("datetime", "time")
    head = named, MEMOIZE, POP, ZONE if in_zone else NONE, MEMOIZE, POP, MARK
    tail = op("BINGET", 1) + TUPLE2 if in_zone else TUPLE1
    calls = (GET + first + MEMOIZE + tail + MEMOIZE + REDUCE + MEMOIZE) * 3
    for chosen in itertools.permutations((2, 3, 6, 10, 9)):
        gets = b"".join(op("BINGET" if index % 2 else "LONG_BINGET", index) for index in chosen * 2)
        data = pickled(*head, calls, gets, TUPLE)
        found, expected = sp.loads(data, policy=STDLIB), pickle.loads(data)
        assert found == expected
        assert places(found) == places(expected)
        # The bytes, or the digits, and the time zone are the very ones.
        first_of, args = (found[3 + chosen.index(index)] for index in (2, 3))
        assert args[0] is first_of
        assert not in_zone or args[1] is found[0].tzinfo


def test_arguments_may_be_asked_for_at_once(sp: ModuleType) -> None:
    """Before the next call, in the middle of what is made at once; and what stands before is no part of it."""
    for way, (named, first) in WAYS.items():
        call = GET + first + MEMOIZE + TUPLE1 + MEMOIZE + REDUCE + MEMOIZE
        # The second call has no entry for its first argument.
        half = GET + first + TUPLE1 + MEMOIZE + REDUCE + MEMOIZE
        for index in range(1, 9):
            data = pickled(named, MEMOIZE, POP, MARK, call * 2, half, op("BINGET", index), TUPLE)
            data = data[:-2] + GET + first + TUPLE1 + REDUCE + op("BINGET", index) + TUPLE + b"."
            found, expected = sp.loads(data, policy=STDLIB), pickle.loads(data)
            assert found == expected, way
            assert places(found) == places(expected)


@pytest.mark.parametrize("way", WAYS)
def test_an_entry_of_the_memo_may_be_set_again_where_all_is_allowed(sp: ModuleType, way: str) -> None:
    named, first = WAYS[way]
    calls = (GET + first + MEMOIZE + TUPLE1 + MEMOIZE + REDUCE + MEMOIZE) * 2
    for put, get in itertools.product(range(1, 7), repeat=2):
        again = number(7) + op("BINPUT", put) + POP + op("BINGET", get) + op("BINGET", put)
        data = pickled(named, MEMOIZE, POP, MARK, calls, again, TUPLE)
        assert sp.loads(data, policy=sp.UNRESTRICTED) == pickle.loads(data)
        with pytest.raises(sp.FormatError, match="a second time"):
            sp.loads(data, policy=STDLIB)


@given(st.from_regex(r"\A-?[0-9]{1,40}(\.[0-9]{1,18})?\Z") | st.just("9" * 60) | st.just("-0.000") | st.just("0" * 60))
def test_decimals_are_exact(sp: ModuleType, digits: str) -> None:
    """Whatever the thread's context, or the one that others are made from, says."""
    named = WAYS["Decimal"][0]
    data = pickled(named, MEMOIZE, POP, LIST, MARK, (GET + text(digits) + TUPLE1 + REDUCE) * 3, APPENDS)
    strict = decimal.Context(prec=1, Emax=0, Emin=0, traps=[decimal.Inexact, decimal.Rounded])
    with decimal.localcontext(strict) as context:
        found = sp.loads(data, policy=STDLIB)
        assert not any(context.flags.values())
    assert {one.as_tuple() for one in found} == {decimal.Decimal(digits).as_tuple()}
    assert {type(one) for one in found} == {decimal.Decimal}


@pytest.mark.parametrize("get", [GET, op("LONG_BINGET", 0)])
@pytest.mark.parametrize("way", ["datetime", "time"])
def test_time_zones_are_those_of_the_memo(sp: ModuleType, way: str, get: bytes) -> None:
    named, first = WAYS[way]
    for index in (op("BINGET", 1), op("LONG_BINGET", 1)):
        call = get + first + index + TUPLE2 + REDUCE
        data = pickled(named, MEMOIZE, POP, ZONE, MEMOIZE, POP, LIST, MARK, call * 4, APPENDS)
        found = sp.loads(data, policy=STDLIB)
        assert repr(found) == repr(pickle.loads(data))
        assert all(one.tzinfo is found[0].tzinfo is not None for one in found)


#: What is no argument that a pickler writes, or none at all, in place of the argument among good ones.
WRONG = {
    "month 13": blob(b"\x07\xe8\x0d" + MOMENT[3:]),
    "day 0": blob(b"\x07\xe8\x01\x00" + MOMENT[4:]),
    "day 30 of February": blob(b"\x07\xe8\x02\x1e" + MOMENT[4:]),
    "year 0": blob(b"\x00\x00\x02\x01" + MOMENT[4:]),
    "hour 24": blob(MOMENT[:4] + b"\x18" + MOMENT[5:]),
    "a million microseconds": blob(MOMENT[:7] + b"\x0f\x42\x40"),
    "eleven bytes": blob(MOMENT + b"\0"),
    "no bytes": blob(b""),
    "a date": blob(MOMENT[:4]),
    "a time": blob(MOMENT[4:]),
    "text": text("2024-03-29"),
    "digits with a line": text("1\n"),
    "no digits": text("-"),
    "an exponent": text("1E+999999"),
    "other digits": text("\u0661"),
    "many digits": text("1" * 61),
    "a number": number(5),
    "None": NONE,
    "nothing": b"",
    "two": blob(MOMENT) + NONE,
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("way", WAYS)
def test_what_is_wrong_among_others_is_as_in_the_loop(sp: ModuleType, way: str, wrong: str) -> None:
    named, first = WAYS[way]
    tail = TUPLE2 if wrong == "two" else TUPLE1
    good, bad = first + TUPLE1 + REDUCE, WRONG[wrong] + tail + REDUCE
    head = [named, MEMOIZE, POP, LIST, MARK]
    there = pickled(*head, GET + good, GET + good, GET + bad, GET + good, APPENDS)
    slowly = pickled(*head, *(GET + NOTHING + call for call in (good, good, bad, good)), APPENDS)
    assert outcome(sp, there) == outcome(sp, slowly)


@given(
    digits=st.text("0123456789.-+eE \n\u0661", max_size=64) | st.from_regex(r"\A-?[0-9]+(\.[0-9]+)?\Z"),
    packed=st.binary(max_size=11) | st.datetimes().map(lambda moment: moment.__reduce_ex__(4)[1][0]),
    before=st.binary(max_size=3),
    behind=st.binary(max_size=3),
)
def test_bytes_are_seen_as_arguments_are(
    sp: ModuleType, digits: str, packed: bytes, before: bytes, behind: bytes
) -> None:
    """One by one, as arguments, and as they stand in a pickle."""
    usual = sys.modules[f"{sp.__name__}.decoding.usual"]
    form, raw = usual.form_of(decimal.Decimal), digits.encode()
    found = usual.fits_packed(form, before + raw + behind, len(before), len(raw), None)
    assert found == usual.fits(form, (digits,))
    for kind in (dt.datetime, dt.date, dt.time, dt.timedelta, dt.timezone, decimal.Context):
        for zone in (None, dt.UTC, 5):
            form = usual.form_of(kind)
            found = usual.fits_packed(form, before + packed + behind, len(before), len(packed), zone)
            args = (packed,) if zone is None else (packed, zone)
            assert found == usual.fits(form, args)
            assert not found or CONTRACTS["datetime", kind.__name__].check(args, {}) is None


#: What is no time zone, in the second entry of the memo.
NO_ZONES = {
    "None": NONE,
    "text": text("UTC"),
    "a date": name("datetime", "date") + blob(MOMENT[:4]) + TUPLE1 + REDUCE,
    "a list": LIST,
    "a tuple": number(1) + TUPLE1,
    "the class": name("datetime", "timezone"),
}


@pytest.mark.parametrize("wrong", NO_ZONES)
@pytest.mark.parametrize("way", WAYS)
def test_what_is_no_time_zone_is_as_in_the_loop(sp: ModuleType, way: str, wrong: str) -> None:
    named, first = WAYS[way]
    head = [named, MEMOIZE, POP, NO_ZONES[wrong], MEMOIZE, POP, LIST, MARK, (GET + first + TUPLE1 + REDUCE) * 2]
    call = first + op("BINGET", 1) + TUPLE2 + REDUCE
    there, slowly = (pickled(*head, GET + between + call, APPENDS) for between in (b"", NOTHING))
    found = outcome(sp, there)
    assert found == outcome(sp, slowly)
    # The contract refuses it, not the class.
    assert wrong in ("None", "the class") or found[0][1].startswith("its arguments are refused")


@pytest.mark.parametrize("way", ["datetime", "time"])
def test_none_for_a_time_zone_is_an_argument(sp: ModuleType, way: str) -> None:
    """Whoever asks the memo for the arguments gets it, too."""
    named, first = WAYS[way]
    call = GET + first + TUPLE1 + REDUCE + GET + first + op("BINGET", 1) + TUPLE2 + MEMOIZE + REDUCE + MEMOIZE
    data = pickled(named, MEMOIZE, POP, NONE, MEMOIZE, POP, MARK, call, op("BINGET", 2), TUPLE)
    found = sp.loads(data, policy=STDLIB)
    assert found == pickle.loads(data)
    assert found[2][1] is None


def test_a_rule_is_asked_about_each_of_its_calls(sp: ModuleType) -> None:
    """Also where what is made at once of other classes, whose rules ask nothing, stands around them."""
    (price, digits), (day, first) = WAYS["Decimal"], WAYS["date"]
    rules = """
        schema = 1
        [globals]
        "decimal:Decimal" = ["call"]
        [[allow]]
        module = "datetime"
        names = ["date"]
        rights = ["call"]
        max_instances = 3
    """
    policy = sp.Policy.from_text(rules)
    dates = op("BINGET", 1) + first + TUPLE1 + REDUCE + GET + digits + TUPLE1 + REDUCE
    for count in range(6):
        data = pickled(price, MEMOIZE, POP, day, MEMOIZE, POP, MARK, GET, digits, TUPLE1, REDUCE, dates * count, TUPLE)
        if count <= 3:
            assert sp.loads(data, policy=policy) == pickle.loads(data)
        else:
            with pytest.raises(sp.PolicyError, match="wants at most 3 in one load"):
                sp.loads(data, policy=policy)


@pytest.mark.parametrize("way", WAYS)
def test_a_pickle_that_ends_within_is_refused(sp: ModuleType, way: str) -> None:
    named, first = WAYS[way]
    call = GET + first + MEMOIZE + TUPLE1 + MEMOIZE + REDUCE + MEMOIZE
    data = pickled(named, MEMOIZE, POP, LIST, MARK, call * 4, APPENDS)
    for end in range(2, len(data)):
        with pytest.raises(sp.SafePickleError):
            sp.loads(data[:end], policy=STDLIB)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_made_once_something_was_denied(sp: ModuleType, way: str) -> None:
    """What follows a denial is looked at, but not carried out; its arguments are counted as those of any other call."""
    named, first = WAYS[way]
    call = GET + first + TUPLE1 + REDUCE
    data = pickled(named, MEMOIZE, POP, LIST, MARK, call * 2, name("os", "system") + text("id") + TUPLE1 + REDUCE)
    data = data[:-1] + call * 3 + NONE + APPENDS + b"."
    assert outcome(sp, data) == outcome(sp, data.replace(GET, GET + NOTHING))
    if not sp.COMPILED:
        assert left_by(sp, data, STDLIB, "_make_atom", ahead=True)[0] == 1


def many(sp: ModuleType, protocol: int, ours: bool) -> bytes:
    """Return a pickle of several of each."""
    zone = dt.timezone(dt.timedelta(hours=1))
    values: list[Any] = [dt.datetime(2024, 2, day, 1, 2, 3, day, zone if day % 2 else None) for day in range(1, 9)]
    values += [[dt.date(2024, 1, day), dt.time(day)] for day in range(1, 6)]
    values += [{"price": decimal.Decimal(day) / 4} for day in range(5)]
    return written(sp, values, protocol, ours)


@pytest.mark.parametrize("ours", [False, True], ids=["pickle", "ours"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_machine_is_left_as_the_loop_leaves_it(sp: ModuleType, protocol: int, ours: bool) -> None:
    if sp.COMPILED:
        pytest.skip("looks into the machine")
    data = many(sp, protocol, ours)
    made, found = left_by(sp, data, STDLIB, "_make_atom", ahead=True)
    none, expected = left_by(sp, data, STDLIB, "_make_atom", ahead=False)
    assert none == 0
    assert made > 12 or protocol < 4
    assert found == expected


@pytest.mark.parametrize("limit", ["max_memory", "max_objects", "max_calls", "max_memo", "max_string", "max_depth"])
@pytest.mark.parametrize("ours", [False, True], ids=["pickle", "ours"])
def test_limits_are_met_where_the_loop_meets_them(sp: ModuleType, limit: str, ours: bool) -> None:
    data = many(sp, 4, ours)
    slowly = spread(data)
    assert slowly.count(NOTHING) > 12
    for bound in range(1, 12_000, 37) if limit == "max_memory" else range(200):
        found, expected = (outcome(sp, one, **{limit: bound}) for one in (unframed(data), slowly))
        # Memory is paid for where a slice of the loop ends.
        assert found == expected or limit == "max_memory" == found[0] == expected[0]


def test_memory_is_refused_at_the_same_byte(sp: ModuleType) -> None:
    if sp.COMPILED:
        pytest.skip("looks into the machine")
    data = many(sp, 4, ours=True)
    for bound in range(1, 12_000, 11):
        limits = Limits(max_memory=bound)
        found, expected = (
            left_by(sp, data, STDLIB, "_make_atom", ahead=ahead, limits=limits)[1]["value"] for ahead in (True, False)
        )
        assert found == expected


@pytest.mark.parametrize("way", WAYS)
def test_memory_is_paid_for_what_is_held_where_all_is_walked(sp: ModuleType, way: str) -> None:
    """After many doubts about depths all that the memo has is looked at: also what nobody has asked for."""
    named, first = WAYS[way]
    call = GET + first + MEMOIZE + TUPLE1 + MEMOIZE + REDUCE + MEMOIZE
    data = doubtful(named, MEMOIZE, POP, call * 60, entries=1 + 3 * 60)
    least = least_memory(data, standard)
    assert passes(sp, data, standard, least)
    assert not passes(sp, data, standard, least - 1)


def test_opcodes_are_counted(sp: ModuleType) -> None:
    """Not one more than the limit is carried out."""
    data = many(sp, 4, ours=True)
    opcodes = [(opcode.name, place) for opcode, _, place in pickletools.genops(data)]
    for most in range(5, len(opcodes)):
        with pytest.raises(sp.LimitError, match="max_opcodes") as caught:
            sp.loads(data, policy=STDLIB, limits=Limits(max_opcodes=most))
        # MEMOIZE is named after what it stands behind.
        assert (caught.value.opcode, caught.value.position) in opcodes[most - 2 : most]
    assert len(sp.loads(data, policy=STDLIB, limits=Limits(max_opcodes=len(opcodes)))) == 18


@pytest.mark.parametrize("way", WAYS)
def test_the_last_entry_of_the_memo_is_within_the_limit(sp: ModuleType, way: str) -> None:
    named, first = WAYS[way]
    call = GET + first + MEMOIZE + TUPLE1 + MEMOIZE + REDUCE + MEMOIZE
    data = pickled(named, MEMOIZE, POP, LIST, MARK, call * 5, APPENDS, NOTHING * 10)
    assert len(sp.loads(data, policy=STDLIB, limits=Limits(max_memo=16))) == 5
    for bound in range(16):
        assert outcome(sp, data, max_memo=bound) == ("max_memo", "MEMOIZE")


def test_long_digits_are_within_the_limit(sp: ModuleType) -> None:
    named = WAYS["Decimal"][0]
    calls = [GET + text(digits) + TUPLE1 + REDUCE for digits in ("1", "1.25", "12345678")]
    data = pickled(named, MEMOIZE, POP, LIST, MARK, *calls, APPENDS, NOTHING * 10)
    assert outcome(sp, data, max_string=8) == "[Decimal('1'), Decimal('1.25'), Decimal('12345678')]"
    assert outcome(sp, data, max_string=7) == ("max_string", "SHORT_BINUNICODE")


@pytest.mark.parametrize("way", WAYS)
def test_a_frame_ends_where_it_may_end(sp: ModuleType, way: str) -> None:
    """Between opcodes, or before an argument, but not within one, although its bytes are at hand (X22)."""
    named, first = WAYS[way]
    call = GET + first + MEMOIZE + TUPLE1 + MEMOIZE + REDUCE + MEMOIZE
    body = pickled(named, MEMOIZE, POP, LIST, MARK, call * 4, APPENDS, NOTHING * 10)
    places = [place for _, _, place in pickletools.genops(body)]
    for end in range(3, len(body)):
        data = body[:2] + op("FRAME", end - 2) + body[2:]
        if end in places or end - 1 in places:
            assert sp.loads(data, policy=STDLIB) == pickle.loads(body)
        else:
            with pytest.raises(sp.FormatError):
                sp.loads(data, policy=STDLIB)


def test_a_class_in_place_of_the_usual_one_is_called(sp: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """As libraries that freeze time put it there: what it makes is of that class."""

    class Frozen(dt.date):
        __module__ = "datetime"
        __qualname__ = "date"
        __slots__ = ()

    # No trace of being made by a class statement.
    del Frozen.__slots__
    monkeypatch.setattr(dt, "date", Frozen)
    named, first = WAYS["date"]
    data = pickled(named, MEMOIZE, POP, LIST, MARK, (GET + first + TUPLE1 + REDUCE) * 4, APPENDS)
    assert {type(one) for one in sp.loads(data, policy=STDLIB)} == {Frozen}


#: What a program may have put in the place of what the calls are made with, before anything was loaded.
STAND_INS = {
    "a context that fails": """
        def fail(*args, **kwargs):
            raise RuntimeError("no context")
        decimal.Context = fail
    """,
    "a context of its own": """
        class Context(decimal.Context):
            def create_decimal(self, *args):
                return 1 / 0
        decimal.Context = Context
    """,
    "a module with nothing else": """
        module = types.ModuleType("datetime")
        for name in ("date", "datetime", "time", "timedelta", "timezone", "tzinfo"):
            setattr(module, name, getattr(datetime, name))
        sys.modules["datetime"] = module
    """,
}
LOADING = """
import datetime, decimal, pickle, sys, types
import safepickle
from safepickle._forms import python_form

sp = safepickle if sys.argv[1] == "compiled" else python_form()
values = [[datetime.datetime(2024, 1, day), datetime.date(2024, 1, day), decimal.Decimal(day)] for day in range(1, 9)]
data = pickle.dumps(values)
{stand_in}
assert sp.loads(data, policy=sp.Policy.packs("stdlib")) == values
"""


@pytest.mark.parametrize("stand_in", STAND_INS)
def test_what_stands_in_for_the_modules_changes_no_value(sp: ModuleType, stand_in: str) -> None:
    form = "compiled" if sp.COMPILED else "python"
    script = LOADING.format(stand_in=textwrap.dedent(STAND_INS[stand_in]))
    command = [sys.executable, "-c", script, form]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
