"""Rows of a table: tuples of leaves one after the other are taken in one step, and are what one step for each gives."""

from __future__ import annotations

import gc
import pickle
import pickletools
from types import ModuleType
from typing import Any

import pytest
from attacks.asm import APPENDS, LIST, MARK, MEMOIZE, NONE, POP, REDUCE, TUPLE, TUPLE2, name, number, op, pickled, text
from decoding.outcomes import PACKAGES
from hypothesis import given
from hypothesis import strategies as st

from safepickle.limits import Limits
from safepickle.policy.rules import Policy

STDLIB = Policy.packs("stdlib")
TUPLE1, TUPLE3 = op("TUPLE1"), op("TUPLE3")

leaves = st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=4)
rows = st.lists(st.lists(leaves, max_size=6).map(tuple), min_size=3, max_size=12)
odd = st.sampled_from([[], {}, {"k": (1, "v")}, [(1, 2), (3, 4)], ((1, 2), 3), b"b", 2**80, "\udfff", (1, [2]), {1}])
LIMITS = ("max_opcodes", "max_memory", "max_objects", "max_memo", "max_items", "max_depth", "max_string")


def outcome(sp: ModuleType, data: bytes, bounds: dict[str, int]) -> object:
    """Return the value, or what was refused, by what, and where."""
    try:
        return repr(sp.loads(data, policy=STDLIB, limits=Limits(**bounds)))
    except sp.SafePickleError as error:
        return str(error), error.opcode, error.position


@given(table=rows, others=st.lists(odd, max_size=3), protocol=st.integers(1, 5), place=st.integers(0, 12))
def test_rows_are_those_of_pickle(
    sp: ModuleType, table: list[Any], others: list[Any], protocol: int, place: int
) -> None:
    values = [*table[:place], *others, *table[place:], dict(enumerate(table)), {"first": table[0], "last": table[-1]}]
    data = pickle.dumps(values, protocol)
    found = sp.loads(data)
    assert repr(found) == repr(pickle.loads(data)) == repr(values)
    # What is the same tuple is so again.
    assert [found.index(one) for one in found] == [values.index(one) for one in values]
    assert all(found[-1]["first"] is one for one in found[:1] if one == table[0] != ())
    assert sp.loads(sp.dumps(values)) == values


@given(table=rows, data=st.data())
def test_limits_are_met_where_the_other_form_meets_them(table: list[Any], data: Any) -> None:
    """The other form takes one opcode after the other."""
    stream = pickle.dumps([table, table[0], [table[-1], *table]], 4)
    limit = data.draw(st.sampled_from(LIMITS))
    bounds = {limit: data.draw(st.integers(0, 4000 if limit == "max_memory" else 120))}
    first, *rest = [outcome(form, stream, bounds) for form in PACKAGES]
    assert all(other == first for other in rest)


def test_opcodes_are_counted(sp: ModuleType) -> None:
    """Not one more than the limit is carried out, and where that is is told."""
    data = pickle.dumps([(1, 2.5, "x", None, n % 3) if n % 2 else (n, "y") for n in range(20)], 4)
    opcodes = [(opcode.name, place) for opcode, _, place in pickletools.genops(data)]
    for most in range(5, len(opcodes)):
        with pytest.raises(sp.LimitError, match="max_opcodes") as caught:
            sp.loads(data, limits=Limits(max_opcodes=most))
        # MEMOIZE is named after what it stands behind.
        assert (caught.value.opcode, caught.value.position) in opcodes[most - 2 : most]
    assert len(sp.loads(data, limits=Limits(max_opcodes=len(opcodes)))) == 20


@pytest.mark.parametrize(("limit", "least"), [("max_objects", 51), ("max_memo", 51), ("max_items", 50)])
def test_rows_are_within_the_limits(sp: ModuleType, limit: str, least: int) -> None:
    data = pickle.dumps([(n, n + 1, n + 2, n + 3) for n in range(50)], 4)
    assert len(sp.loads(data, limits=Limits(**{limit: least}))) == 50
    with pytest.raises(sp.LimitError, match=limit):
        sp.loads(data, limits=Limits(**{limit: least - 1}))


def least_memory(sp: ModuleType, data: bytes) -> int:
    """Return the least max_memory that is enough."""
    low, high = 0, 10_000_000
    while low < high:
        middle = (low + high) // 2
        try:
            sp.loads(data, limits=Limits(max_memory=middle))
            high = middle
        except sp.LimitError:
            low = middle + 1
    return low


def test_rows_are_paid_for() -> None:
    """With the tuple and its items, the mark and the entry of the memo, as the other form pays for each."""
    few, many = (pickle.dumps([(n % 256, None, "x", 1.5, n + 999) for n in range(count)], 4) for count in (500, 2000))
    for data in (few, many):
        amounts = [least_memory(form, data) for form in PACKAGES]
        assert all(one == amounts[0] for one in amounts)
    assert least_memory(PACKAGES[0], many) - least_memory(PACKAGES[0], few) > 1500 * (88 + 5 * 8 + 56 + 8)


def test_long_rows_are_within_max_items(sp: ModuleType) -> None:
    data = pickle.dumps([tuple(range(place, place + count)) for place, count in enumerate((9, 9, 10, 4))], 4)
    assert len(sp.loads(data, limits=Limits(max_items=10))) == 4
    with pytest.raises(sp.LimitError, match="max_items"):
        sp.loads(data, limits=Limits(max_items=9))


@pytest.mark.parametrize("levels", range(1, 7))
def test_rows_are_as_deep_as_they_are(sp: ModuleType, levels: int) -> None:
    """Tuples around a row alone count as levels."""
    data = pickled(number(1) + number(2) + TUPLE2, number(3) + number(4) + TUPLE2, TUPLE1 * levels, TUPLE2)
    assert sp.loads(data, limits=Limits(max_depth=levels + 2)) == pickle.loads(data)
    with pytest.raises(sp.LimitError, match="max_depth"):
        sp.loads(data, limits=Limits(max_depth=levels + 1))


@pytest.mark.parametrize("depth", range(1, 5))
def test_marks_of_rows_are_counted(sp: ModuleType, depth: int) -> None:
    """A mark of a row is a mark as any other: there are no more than data of that depth can have, and some."""
    most = 2 * depth + 8
    row = number(1) + number(2) + TUPLE2 + MARK + number(1) + TUPLE
    for marks in (most - 1, most):
        data = pickled(MARK * marks, row, op("POP_MARK") * marks, NONE)
        if marks < most:
            assert sp.loads(data, limits=Limits(max_depth=depth)) is None
        else:
            with pytest.raises(sp.LimitError, match="max_depth") as caught:
                sp.loads(data, limits=Limits(max_depth=depth))
            assert caught.value.opcode == "MARK"


#: What may stand behind a row, and is no row: all of it is as in pickle.
BEHIND = {
    "a mark and nothing": MARK + TUPLE,
    "items of a list": LIST + MARK + number(1) + number(2) + APPENDS,
    "a mark in a mark": MARK + number(1) + MARK + number(2) + TUPLE + TUPLE,
    "too few for the tuple": number(1) + TUPLE3,
    "the row before in it": number(1) + TUPLE2,
    "leaves alone": number(1) + number(2) + text("x"),
    "an entry that is a row": op("BINGET", 0) + number(1) + TUPLE2,
    "arguments": name("builtins", "range") + MARK + number(1) + number(2) + TUPLE + REDUCE,
    "a call of a text": text("x") + number(1) + TUPLE1 + REDUCE,
    "a mark that is popped": MARK + number(1) + text("noted") + MEMOIZE + op("POP_MARK") + op("BINGET", 1),
    "a text that is cut off": b"\x8c\x20abc",
}


@pytest.mark.parametrize("behind", BEHIND)
def test_what_is_no_row_is_as_in_pickle(sp: ModuleType, behind: str) -> None:
    data = pickled(MARK, number(1), text("a"), TUPLE2, MEMOIZE, BEHIND[behind], NONE + POP, TUPLE)
    try:
        expected = pickle.loads(data)
    except Exception:  # noqa: BLE001 (pickle raises what it comes upon)
        with pytest.raises(sp.SafePickleError):
            sp.loads(data, policy=STDLIB)
    else:
        assert repr(sp.loads(data, policy=STDLIB)) == repr(expected)


def test_rows_are_no_burden_of_the_collector(sp: ModuleType) -> None:
    """Tuples of leaves are part of no cycle: it need not visit them."""
    found = sp.loads(pickle.dumps([(1, "x"), (2, "y"), (3, 4, 5, 6), ("z", None, 1.5, True)]))
    gc.collect()
    assert not any(map(gc.is_tracked, found))


def test_texts_of_rows_are_not_kept(sp: ModuleType) -> None:
    """Short keys of dicts are kept from load to load; a text in a tuple is none, although a dict is below."""
    data = pickle.dumps({"k": (1, "x"), "l": ("first-of-row", "second-of-row", "third-of-row", "last-of-row")}, 4)
    for one, other in zip(sp.loads(data)["l"], sp.loads(data)["l"], strict=True):
        assert one == other
        assert one is not other
