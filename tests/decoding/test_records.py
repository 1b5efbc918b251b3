"""Records: dicts with the same keys, one after the other, are filled from one table; each is what it is alone."""

from __future__ import annotations

import io
import pickle
import sys
from types import ModuleType
from typing import Any

import pytest
from attacks.asm import APPENDS, DICT, LIST, MARK, MEMOIZE, POP, TUPLE1, name, number, op, pickled, text
from decoding.outcomes import PACKAGES
from hypothesis import given
from hypothesis import strategies as st

SETITEMS = op("SETITEMS")
KEYS = [f"key {index}" for index in range(40)]
#: Kept in the memo of a pickle, so that each record has the very same.
keys = st.sampled_from([*KEYS, *range(8), 300, 2**40, 2**70, "", b"b", None, True, 1.0, 1.5, (1, "a"), ("b",)])
values = st.integers() | st.text(max_size=3) | st.none() | st.lists(st.integers(0, 9), max_size=2)
kinds = st.lists(st.lists(keys, min_size=4, max_size=14), min_size=1, max_size=3)


def written(value: Any) -> bytes:
    """The opcodes of a value, none of them for the memo."""
    file = io.BytesIO()
    pickler = pickle.Pickler(file, 3)  # without frames
    pickler.fast = True
    pickler.dump(value)
    return file.getvalue()[2:-1]


def get(index: int) -> bytes:
    return op("BINGET", index)


def records(kinds: list[list[Any]], order: list[int], told: bool = True) -> bytes:
    """A list of records of some kinds, in some order, each with other values: one SETITEMS for each.

    :param told: each key is the same object in all of them; else an equal one.
    """
    known: dict[Any, int] = {}
    head = b""
    for kind in kinds:
        for key in kind:
            if told and (type(key), key) not in known:
                known[type(key), key] = len(known)
                head += written(key) + MEMOIZE + POP
    body = b""
    for turn, which in enumerate(order):
        pairs = b""
        for index, key in enumerate(kinds[which % len(kinds)]):
            one = get(known[type(key), key]) if told else written(key)
            pairs += one + (text(f"v{turn}") if (index + turn) % 3 else number(index))
        body += DICT + MARK + pairs + SETITEMS
    return pickled(head, LIST, MARK, body, APPENDS)


def shape(value: Any) -> Any:
    return [[(type(key), key, item) for key, item in one.items()] for one in value]


@given(kinds=kinds, order=st.lists(st.integers(0, 2), min_size=2, max_size=8))
def test_each_is_what_pickle_makes(sp: ModuleType, kinds: list[list[Any]], order: list[int]) -> None:
    data = records(kinds, order)
    assert shape(sp.loads(data)) == shape(pickle.loads(data))


@given(table=st.lists(st.lists(values, min_size=7, max_size=7), min_size=3, max_size=9), protocol=st.integers(1, 5))
def test_what_is_written_comes_back(sp: ModuleType, table: list[list[Any]], protocol: int) -> None:
    value = [dict(zip(KEYS, row, strict=False)) for row in table]
    data = pickle.dumps(value, protocol)
    assert sp.loads(data) == value
    assert [list(one) for one in sp.loads(data)] == [KEYS[:7]] * len(value)


def test_none_of_them_is_another(sp: ModuleType) -> None:
    made = sp.loads(records([KEYS[:10]], [0] * 6))
    made[2]["key 3"] = "changed"
    made[3]["more"] = 1
    del made[4]["key 0"]
    assert [one.get("key 3") == "changed" for one in made] == [False, False, True, False, False, False]
    assert [len(one) for one in made] == [10, 10, 10, 11, 9, 10]


@pytest.mark.parametrize("count", [5, 6, 7, 10, 11, 21, 22, 43, 86, 200, 511, 512, 600])
def test_they_are_no_larger(sp: ModuleType, count: int) -> None:
    names = [f"name {index}" for index in range(count)]
    value = [dict.fromkeys(names, turn) for turn in range(4)]
    grown = []
    for turn in range(4):
        one: dict[str, int] = {}
        for key in names:
            one[key] = turn
        grown.append(sys.getsizeof(one))
    made = sp.loads(pickle.dumps(value))
    assert made == value
    assert [sys.getsizeof(one) for one in made] == grown


def test_a_key_twice(sp: ModuleType) -> None:
    kind = [*KEYS[:6], "key 0"]
    made = sp.loads(records([kind], [0] * 5))
    assert [list(one) for one in made] == [KEYS[:6]] * 5
    assert made == pickle.loads(records([kind], [0] * 5))


@pytest.mark.parametrize("place", range(7))
@pytest.mark.parametrize("order", [[0, 1] * 4, [0, 0, 0, 1, 0, 1, 1], [0, 0, 1, 1] * 25])
def test_keys_that_differ_at_one_place(sp: ModuleType, place: int, order: list[int]) -> None:
    other = [*KEYS[:7]]
    other[place] = "other"
    data = records([KEYS[:7], other], order)
    assert shape(sp.loads(data)) == shape(pickle.loads(data))


def test_keys_that_are_equal_and_no_more(sp: ModuleType) -> None:
    data = records([KEYS[:8], KEYS[:8]], [0, 1, 0, 1, 0], told=False)
    assert sp.loads(data) == pickle.loads(data)


def test_what_is_in_a_record_already_stays(sp: ModuleType) -> None:
    pairs = b"".join(get(index) + number(index) for index in range(6))
    head = b"".join(text(key) + MEMOIZE + POP for key in KEYS[:6])
    more = MARK + text("first") + number(1) + text("key 2") + number(9) + SETITEMS
    one = DICT + MARK + pairs + SETITEMS
    data = pickled(head, LIST, MARK, one, one, DICT + more + MARK + pairs + SETITEMS, one + more, APPENDS)
    made = sp.loads(data)
    assert shape(made) == shape(pickle.loads(data))
    assert list(made[2]) == ["first", "key 2", "key 0", "key 1", "key 3", "key 4", "key 5"]


@pytest.mark.parametrize("kind", [[*KEYS[:6], (1, (2, 3))], [*KEYS[:6], 2**61 - 1, 2 * (2**61 - 1)], [*KEYS[:7], ""]])
@pytest.mark.parametrize("bound", range(0, 120, 7))
def test_keys_are_counted_in_each(kind: list[Any], bound: int) -> None:
    """What hashing costs is the same in both forms, which is as if each were the first one."""
    outcomes = []
    for package in PACKAGES:
        try:
            package.loads(records([kind], [0] * 8), limits=package.Limits(max_hash_work=bound))
            outcomes.append("made")
        except package.LimitError as error:
            outcomes.append(str(error))
    assert len(set(outcomes)) == 1


def test_keys_that_are_refused_are_refused_in_each(sp: ModuleType) -> None:
    """A key in the third record is asked what it is asked in the first: here, a tuple with a list in it by then."""
    head = b"".join(text(key) + MEMOIZE + POP for key in KEYS[:6]) + LIST + TUPLE1 + MEMOIZE + POP
    pairs = b"".join(get(index) + number(index) for index in range(6))
    bad = DICT + MARK + pairs + get(6) + number(6) + SETITEMS
    good = DICT + MARK + pairs + SETITEMS
    for data in (pickled(LIST, MARK, head, good * 3, bad, APPENDS), pickled(LIST, MARK, head, bad, APPENDS)):
        with pytest.raises(sp.FormatError):
            sp.loads(data)


def test_nothing_of_them_is_kept(sp: ModuleType) -> None:
    # Short keys are kept from load to load; these are not.
    names = [f"{index} " * 200 for index in range(12)]
    found = sp.loads(pickle.dumps([dict.fromkeys(names, 1.5) for _ in range(4)]))
    key = next(iter(found[3]))
    found = None
    assert sys.getrefcount(key) == sys.getrefcount(" ".join(names))


def test_objects_get_their_attributes(sp: ModuleType) -> None:
    head = name("types", "SimpleNamespace") + MEMOIZE + POP + b"".join(text(key) + MEMOIZE + POP for key in KEYS[:7])
    state = DICT + MARK + b"".join(get(index + 1) + number(index) for index in range(7)) + SETITEMS
    policy = sp.Policy.from_text('schema = 1\n[globals]\n"types:SimpleNamespace" = ["call", "build"]\n')
    data = pickled(head, LIST, MARK, (get(0) + op("EMPTY_TUPLE") + op("REDUCE") + state + op("BUILD")) * 4, APPENDS)
    made = sp.loads(data, policy=policy)
    assert [vars(one) for one in made] == [dict(zip(KEYS, range(7), strict=False))] * 4
    assert len({id(vars(one)) for one in made}) == 4
