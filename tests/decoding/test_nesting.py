"""How deep data is, where it was built in an order that no tree has: rings, and what grows after it was put somewhere.

`walked` is what the machine must come to: a walk depth first, each container once. Small rings are not walked by the
machine, because what is closed in itself is no deeper than it has containers; the chains below are made so that each
reason for which that may not be said of something is the only one that keeps them from being taken for shallow.
"""

from __future__ import annotations

import datetime as dt
import pickle
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attacks.asm import MEMOIZE, POP, name, op, pickled, text
from decoding import samples
from decoding.outcomes import PACKAGES
from hypothesis import given, settings
from hypothesis import strategies as st

from safepickle.errors import LimitError, SafePickleError
from safepickle.limits import Limits
from safepickle.policy.rules import Policy, Right, Rule

LEVELS = 300
LIST = b"]" + MEMOIZE


def get(index: int) -> bytes:
    return op("LONG_BINGET", index)


def walked(value: Any) -> int:
    """Return how deep a depth-first walk goes that takes each container once."""
    known: dict[int, int] = {}

    def walk(part: Any) -> int:
        if type(part) not in (list, tuple, dict):
            return 0
        if id(part) not in known:
            known[id(part)] = 0
            parts = [*part, *part.values()] if type(part) is dict else part
            known[id(part)] = 1 + max(map(walk, parts), default=0)
        return known[id(part)]

    return walk(value)


@st.composite
def graphs(draw: Any) -> Any:
    """Lists and dicts that refer to others nearby, cycles and tuples, of leaves too, in between included."""
    count = draw(st.integers(1, 12))
    nodes: list[Any] = [draw(st.sampled_from([[], {}, (count,)])) for _ in range(count)]
    nodes = [node if type(node) is tuple else type(node)() for node in nodes]
    for index, node in enumerate(nodes):
        if type(node) is tuple:
            continue
        for _ in range(draw(st.integers(0, 3))):
            near = nodes[min(count - 1, max(0, index + draw(st.integers(-3, 3))))]
            item = (near,) if draw(st.integers(0, 4)) == 0 else near
            if type(node) is list:
                node.append(item)
            else:
                node[len(node)] = item
    return [node for node in nodes if draw(st.booleans())]


@settings(max_examples=150)
@given(st.lists(graphs(), min_size=1, max_size=4), st.sampled_from([1, 2, 4]))
def test_what_picklers_write_is_as_deep_as_a_walk_goes(value: Any, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    for package in PACKAGES:
        depth = walked(package.loads(data))
        package.loads(data, limits=Limits(max_depth=depth))
        if depth > 1:
            with pytest.raises(LimitError):
                package.loads(data, limits=Limits(max_depth=depth - 1))


def _wrapped(inner: bytes, levels: int) -> bytes:
    """Put what *inner* leaves on the stack into so many lists."""
    return pickled(b"]" * levels + inner + b"a" * levels)


@pytest.mark.parametrize(
    "leaves",
    [
        pytest.param(b"K\1\x85" + MEMOIZE + POP + get(0), id="fetched"),
        pytest.param(b"K\1\x85q\0" + POP + get(0), id="fetched, by BINPUT"),
        pytest.param(b"K\1\x85" + b"2" + POP, id="doubled"),
        pytest.param(b"(K\1t" + MEMOIZE + POP + get(0), id="marked"),
        pytest.param(b"K\1\x85", id="just made"),
    ],
)
def test_a_tuple_of_leaves_counts_wherever_it_is_from(sp: Any, leaves: bytes) -> None:
    for levels in (0, 1, 4):
        data = _wrapped(leaves, levels)
        assert walked(sp.loads(data, limits=Limits(max_depth=levels + 1))) == levels + 1
        with pytest.raises(LimitError):
            sp.loads(data, limits=Limits(max_depth=levels))


def test_nothing_can_be_put_into_a_tuple_of_leaves(sp: Any) -> None:
    for more in (b"]a", b"(]e", b"]]s", b"(]]u"):
        with pytest.raises(SafePickleError):
            sp.loads(pickled(b"K\1\x85" + more))


def test_a_tuple_with_a_global_in_it_counts_wherever_it_is_from(sp: Any) -> None:
    """Each holds the last one, fetched from the memo: no container that was noted is in any of them."""
    policy = Policy(name="named", rules=[Rule(module="datetime", name="date", rights=Right.REFER)])
    levels = b"".join(get(0) + get(index) + b"\x86" + MEMOIZE + POP for index in range(1, 20))
    data = pickled(name("datetime", "date") + MEMOIZE, b"\x85" + MEMOIZE + POP, levels, get(20))
    assert walked(sp.loads(data, policy=policy, limits=Limits(max_depth=20))) == 20
    with pytest.raises(LimitError):
        sp.loads(data, policy=policy, limits=Limits(max_depth=19))


STDLIB = Policy.packs("stdlib")


def test_a_date_is_a_leaf(sp: Any) -> None:
    moment = dt.datetime(2024, 2, 29, 1, 2, 3, tzinfo=dt.UTC)
    for value in (moment, moment.date(), moment.timetz(), Decimal("1.5"), dt.timedelta(1)):
        for dumps in (pickle.dumps, sp.dumps):
            data = dumps([[value, value], value], **({} if dumps is pickle.dumps else {"policy": STDLIB}))
            assert sp.loads(data, policy=STDLIB, limits=Limits(max_depth=2)) == [[value, value], value]
            with pytest.raises(LimitError):
                sp.loads(data, policy=STDLIB, limits=Limits(max_depth=1))


def test_a_date_with_more_in_it_than_leaves_is_none(sp: Any) -> None:
    """What holds it is as deep as what went into it says."""
    data = pickle.dumps([dt.datetime(2024, 2, 29, tzinfo=ZoneInfo("Europe/Berlin"))])
    sp.loads(data, policy=STDLIB, limits=Limits(max_depth=6))
    with pytest.raises(LimitError):
        sp.loads(data, policy=STDLIB, limits=Limits(max_depth=5))


class Decorated(dt.date):
    """A date that takes attributes."""


def test_a_class_that_takes_attributes_is_no_leaf_whatever_its_name(sp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dt, "date", Decorated)
    policy = Policy(
        name="decorated", rules=[Rule(module="datetime", name="date", rights=Right.CALL | Right.NEW | Right.BUILD)]
    )
    made = name("datetime", "date") + b"C\x04\x07\xe8\x02\x1d\x85R}" + text("inner")
    data = pickled(made * 10, b"Nsb", b"sb" * 9)
    sp.loads(data, policy=policy, limits=Limits(max_depth=30))
    with pytest.raises(LimitError):
        sp.loads(data, policy=policy, limits=Limits(max_depth=10))


@settings(max_examples=200)
@given(st.lists(st.one_of(st.sampled_from("nnaaptdl"), st.integers(0, 9)), max_size=60), st.integers(1, 30))
def test_nothing_that_is_let_through_is_deeper_than_the_limit(steps: list[Any], bound: int) -> None:
    """Programs that make lists and tuples, and put them into what they fetch from the memo."""
    out, made, height = [LIST], 1, 1
    for step in steps:
        if step == "n" or step == "t":
            out.append(LIST if step == "n" else b"\x85" + MEMOIZE)
            made, height = made + 1, height + (step == "n")
        elif step == "l":
            out.append(b"K\1\x85" + MEMOIZE)
            made, height = made + 1, height + 1
        elif step == "d":
            out.append(b"2")
            height += 1
        elif step == "a" or step == "p":
            if height > 1:
                out.append(b"a" if step == "a" else POP)
                height -= 1
        else:
            out.append(get(max(0, made - 1 - step)))
            height += 1
    data = pickled(*out, b"a" * (height - 1))
    for package in PACKAGES:
        try:
            value = package.loads(data, limits=Limits(max_depth=bound))
        except SafePickleError:  # a tuple takes no items
            continue
        assert walked(value) <= bound


@pytest.mark.parametrize("size", [2, 20])
def test_small_rings_are_not_deep_however_many_they_are(sp: Any, size: int) -> None:
    rings = []
    for _ in range(500):
        nodes: list[Any] = [[] for _ in range(size)]
        for index, node in enumerate(nodes):
            node.append(nodes[index - 1])
        rings.append(nodes)
    loaded = sp.loads(pickle.dumps(rings))
    assert len(loaded) == 500
    assert all(nodes[index][0] is nodes[index - 1] for nodes in loaded for index in range(size))


def test_a_ring_may_be_as_deep_as_the_limit(sp: Any) -> None:
    """One ring is 100 deep; what it may be at most, by its containers alone, is more than twice the limit."""
    nodes: list[Any] = [[] for _ in range(100)]
    for index, node in enumerate(nodes):
        node.append(nodes[index - 1])
    data = pickle.dumps([nodes[0]])
    sp.loads(data, limits=Limits(max_depth=101))
    with pytest.raises(LimitError):
        sp.loads(data, limits=Limits(max_depth=100))


class Writer:
    """Opcodes, with the memo counted."""

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self.made = 0

    def new(self) -> int:
        """Make a list that is memoized, and leave it on the stack."""
        self.out.append(LIST)
        self.made += 1
        return self.made - 1

    def put(self, *steps: bytes) -> None:
        self.out += steps

    def refused(self, sp: Any, **options: Any) -> bool:
        """Return whether fewer levels than there were steps are too few."""
        try:
            sp.loads(pickled(*self.out), limits=Limits(max_depth=LEVELS), **options)
        except LimitError as error:
            return error.limit == "max_depth"
        return False


def test_what_was_settled_and_grows_again(sp: Any) -> None:
    """Rings that were closed are linked afterwards, each through a list that was noted as deeper than what it takes."""
    writer = Writer()
    rings = []
    for _ in range(LEVELS):
        ring = writer.new()
        grown = writer.new()
        writer.put(POP, b"]", get(grown), b"aa")  # [[grown]]: noted as 3 deep
        writer.put(get(grown), b"]]]aaa", POP, POP)  # and then it is 6
        rings.append((ring, grown))
    for (_, grown), (ring, _) in pairwise(rings):
        writer.put(get(grown), get(ring), b"a", POP)
    writer.put(get(rings[0][0]))
    assert writer.refused(sp)


def test_what_was_settled_may_be_deeper_than_its_depth_says(sp: Any) -> None:
    """[[grown]] is noted as 3 deep; what it is in the end is just above the limit."""
    writer = Writer()
    outer = writer.new()
    grown = writer.new()
    writer.put(POP, b"]", get(grown), b"aa", get(grown), b"]" * (LEVELS - 1), b"a" * (LEVELS - 1), POP)
    writer.put(POP, b"]", get(outer), b"a")
    assert writer.refused(sp)


def test_what_leads_outside_is_not_settled(sp: Any) -> None:
    """In each list one that is there already grows, by the list before: the way leads on through all of them."""
    writer = Writer()
    before = writer.new()
    writer.put(POP)
    for _ in range(LEVELS):
        grown = writer.new()
        writer.put(POP)
        outer = writer.new()
        writer.put(b"]", get(grown), b"aa", get(grown), get(before), b"a", POP, POP)
        before = outer
    writer.put(get(before))
    assert writer.refused(sp)


@pytest.mark.parametrize("other", [b"]", b"K\1\x85"], ids=["a list", "a tuple of leaves"])
def test_only_what_was_there_before_the_doubt_settles_it(sp: Any, other: bytes) -> None:
    """Another one is made and dropped after each time that something grew where it was."""
    writer = Writer()
    inner = writer.new()
    writer.put(POP)
    for _ in range(LEVELS):
        outer = writer.new()
        writer.put(POP)
        # As `grown_behind` of test_limits does it: put into the other while open, and only then grown.
        opened = writer.new()
        writer.put(get(outer), get(opened), b"a", POP, get(inner), b"a", POP, other, POP)
        inner = outer
    writer.put(get(inner))
    assert writer.refused(sp)


def test_an_instance_leads_to_what_it_was_made_of(sp: Any) -> None:
    """Each is made of something that leads to the last, by a list that grew after it was measured."""
    writer = Writer()
    writer.put(name(samples.HERE, "Thing"), MEMOIZE, POP)
    writer.made = 1
    before = writer.new()
    writer.put(POP)
    for _ in range(LEVELS):
        writer.put(get(0), get(before), b"\x85\x81", MEMOIZE)  # Thing(before)
        thing = writer.made
        writer.made += 1
        way = writer.new()
        grown = writer.new()
        writer.put(POP, b"]", get(grown), b"aa")  # way: [[grown]]
        writer.put(get(grown), get(thing), b"a", POP)
        writer.put(POP, b"}", text("way"), get(way), b"sb", POP)
        before = way
    writer.put(get(before))
    assert writer.refused(sp, policy=samples.allowing("Thing"))


def test_a_walk_costs_the_same_in_both_forms() -> None:
    """Attributes are in a dict or in the object itself; of leaves among them neither way is paid for."""
    thing = name(samples.HERE, "Thing") + b")\x81}(" + b"".join(text(f"a{n}") + b"K\1" for n in range(20)) + b"ub"
    data = pickled(LIST + POP, LIST, get(0), b"a", get(0), thing, b"a" + POP)
    policy = samples.allowing("Thing")
    costs = set()
    for package in PACKAGES:
        few, enough = 0, 100_000
        while few < enough:
            middle = (few + enough) // 2
            try:
                package.loads(data, policy=policy, limits=Limits(max_memory=middle, max_depth=5))
                enough = middle
            except LimitError:
                few = middle + 1
        costs.add(few)
    assert len(costs) == 1
    assert max(costs) < 100_000
