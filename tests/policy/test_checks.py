"""Checks are what the guards say: made from them, they pass the same and cost the same, in both forms."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepickle.policy.containers import Elements, Entries, Fields, Items
from safepickle.policy.guards import ANYTHING, AllOf, AnyOf, Guard, Looking, both
from safepickle.policy.uses import Arguments, AtMost, Attributes, WholeState
from safepickle.policy.values import InstanceOf, Number, OneOf, Text, TheGlobal


class Counting(Looking):
    """Counts what is spent as a budget counts it."""

    def __init__(self) -> None:
        self.spent = 0

    def spend(self, count: int) -> None:
        self.spent += 1 + count // 8


class Odd(str):
    """A key that must not be compared while it is looked at."""

    __slots__ = ()

    watched = False

    def __eq__(self, other: object) -> bool:
        assert not Odd.watched
        return self is other

    def __hash__(self) -> int:
        return hash("x")


BOUNDS = st.none() | st.integers(-2, 2) | st.sampled_from([2**61, 2**62, 2**63, -(2**62), -(2**70), 0.5, -1.5])
SIZES = st.none() | st.integers(0, 2)


def _made(kind: Any, *arguments: Any) -> st.SearchStrategy[Any]:
    """Guards of random bounds; those that cannot be are none."""

    def make(*given: Any) -> Any:
        try:
            return kind(*given)
        except ValueError:
            return ANYTHING

    return st.builds(make, *arguments)


SINGLE = st.one_of(
    _made(Number, st.sampled_from(["int", "float", "bool"]), BOUNDS, BOUNDS),
    _made(
        Text,
        st.sampled_from(["str", "bytes", "bytearray"]),
        SIZES,
        SIZES,
        st.none() | st.sampled_from(["a*", "[0-9]", "x"]),
    ),
    st.builds(OneOf, st.lists(st.sampled_from([0, 1, True, "a", 1.0, None, b"a"]), min_size=1, max_size=4)),
    st.sampled_from(
        [
            ANYTHING,
            Number("none"),
            InstanceOf("decimal", "Decimal"),
            InstanceOf("builtins", "dict", True),
            InstanceOf("policy.world", "Outer.Inner"),
            InstanceOf("no.such", "C"),
            TheGlobal([("decimal", "Decimal")]),
        ]
    ),
)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    maybe = st.none() | inner
    named = st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
    optional = st.sets(st.sampled_from("xyz"))
    return st.one_of(
        _made(Items, st.sampled_from(["list", "tuple", "set", "frozenset"]), SIZES, SIZES, maybe),
        st.builds(Elements, st.sampled_from(["list", "tuple"]), st.lists(inner, max_size=2)),
        _made(Entries, SIZES, SIZES, maybe, maybe),
        st.builds(lambda guards, left: Fields(guards, left & guards.keys()), named, optional),
        st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3)),
        st.builds(AllOf, st.lists(inner, min_size=1, max_size=3)),
    )


GUARDS = st.recursive(SINGLE, _nested, max_leaves=6)

FIXED = st.sampled_from(
    [None, True, 0, 1, -3, 2**62, -(2**62), 2**63, -(2**70), 1.0, 0.5, float("nan"), float("inf"), "", "a", "aaa", b"a",
     bytearray(b"ab"), Decimal(1), Decimal, OrderedDict(), dt.date(2020, 1, 1), "7", 1j, ()]
)  # fmt: skip
KEYS = st.sampled_from(["x", "y", "z", "w", 1, None, Odd("x")])


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    plain = st.sampled_from([None, 0, "a", 1.0, True, b"a"])
    return st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.sets(plain, max_size=3),
        st.frozensets(plain, max_size=3),
        st.dictionaries(KEYS, inner, max_size=3),
    )


DATA = st.recursive(FIXED, _containers, max_leaves=8)


@contextlib.contextmanager
def watching() -> Iterator[None]:
    Odd.watched = True
    try:
        yield
    finally:
        Odd.watched = False


def budgets(sp: Any) -> Any:
    from safepickle.limits import Limits

    return sp.decoding.budget.Budget(Limits(max_hash_work=10**9))


def compare(passes: bool, budget: Any, wrong: Any, look: Counting) -> None:
    assert passes == (wrong is None)
    if passes:
        assert 10**9 - budget.hash_work_left == look.spent


@given(GUARDS, DATA)
def test_a_check_passes_what_its_guard_passes(sp: Any, guard: Any, value: Any) -> None:
    budget, look = budgets(sp), Counting()
    with watching():
        passes = sp.decoding.making_checks.value_check(guard).passes(value, budget)
        wrong = guard.refusal(value, look)
    compare(passes, budget, wrong, look)
    assert sp.decoding.making_checks.value_check(guard).passes(value, None) == passes, "a dump pays nothing"


NAMED = st.dictionaries(st.sampled_from("xyz"), GUARDS, max_size=3)
ATTRIBUTES = st.builds(
    lambda guards, left: Attributes(guards, left & guards.keys()), NAMED, st.sets(st.sampled_from("xyz"))
)
STATES = st.recursive(
    ATTRIBUTES | GUARDS.map(WholeState),
    lambda inner: (
        st.builds(AnyOf, st.lists(inner, min_size=1, max_size=2))
        | st.builds(AllOf, st.lists(inner, min_size=1, max_size=2))
    ),
    max_leaves=3,
)
DICTS = st.dictionaries(KEYS, DATA, max_size=3)
#: What instances write, with slots and without, and what they do not.
GIVEN = DICTS | st.tuples(st.none() | DICTS, st.none() | DICTS | DATA) | DATA


@given(STATES, GIVEN)
def test_state_is_checked_as_the_guard_says(sp: Any, guard: Any, state: Any) -> None:
    budget, look = budgets(sp), Counting()
    with watching():
        passes = sp.decoding.making_checks.state_check(guard).passes(state, budget)
        wrong = guard.check(state, look)
    compare(passes, budget, wrong, look)


@pytest.mark.parametrize("key", [Odd("x"), 1, None, b"x", ("x",)])
def test_only_plain_texts_are_names(sp: Any, key: Any) -> None:
    """What is hashed and compared by code of its own is not looked up among the names."""
    check = sp.decoding.making_checks.state_check(Attributes({"x": ANYTHING}, frozenset("x")))
    assert check.passes({"x": 1}, budgets(sp))
    with watching():
        assert not check.passes({key: 1}, budgets(sp))


ARGUMENTS = st.builds(
    lambda positional, needed, rest, named, left: Arguments(
        positional, min(needed, len(positional)), rest, named, left & named.keys()
    ),
    st.lists(GUARDS, max_size=2), st.integers(0, 2), st.none() | GUARDS, NAMED, st.sets(st.sampled_from("xyz")),
)  # fmt: skip
CALLS = st.recursive(
    ARGUMENTS | st.builds(AtMost, st.integers(1, 3)),
    lambda inner: st.builds(AnyOf, st.lists(inner, min_size=1, max_size=2)) | st.builds(both, inner, inner),
    max_leaves=4,
)


@given(CALLS, st.lists(DATA, max_size=3).map(tuple), st.none() | DICTS, st.integers(0, 4))
def test_calls_are_checked_as_the_guard_says(sp: Any, guard: Any, args: Any, kwargs: Any, made: int) -> None:
    budget, look = budgets(sp), Counting()
    with watching():
        allows = sp.decoding.making_checks.call_check(guard).allows(args, kwargs, made, budget)
        wrong = guard.check(args, kwargs or {}, look, made)
    compare(allows, budget, wrong, look)


def test_a_check_is_made_once(sp: Any) -> None:
    state, call = Attributes({"x": Number("int")}), Arguments([Number("int")])
    checks = sp.decoding.making_checks
    assert checks.state_check(state) is checks.state_check(state)
    assert checks.call_check(call) is checks.call_check(call)


def test_a_check_of_the_other_form_is_not_taken(sp: Any) -> None:
    guard: Guard = Attributes({"x": Number("int")})
    guard.remember(object())
    assert sp.decoding.making_checks.state_check(guard).passes({"x": 1}, None)


def test_which_class_a_name_stands_for_is_not_remembered(sp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = type("C", (), {}), type("C", (), {})
    module: Any = types.ModuleType("policy_replaced")
    monkeypatch.setitem(sys.modules, "policy_replaced", module)
    guard = InstanceOf("policy_replaced", "C")
    check = sp.decoding.making_checks.value_check(guard)
    module.C = first
    assert check.passes(first(), None)
    module.C = second
    assert check.passes(second(), None)
    assert not check.passes(first(), None)
    del module.C
    assert not check.passes(second(), None)
