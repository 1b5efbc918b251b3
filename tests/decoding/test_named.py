"""A load knows what it has named, however much that is: few globals are looked through, many are looked up."""

from __future__ import annotations

import enum
import gc
import sys
import types
from types import ModuleType
from typing import Any

import pytest
from attacks.asm import (
    BUILD,
    MEMOIZE,
    POP,
    REDUCE,
    TUPLE0,
    dict_of,
    list_of,
    name,
    new,
    number,
    op,
    pickled,
    state,
    text,
)

from safepickle.errors import FormatError, LimitError, PolicyError
from safepickle.limits import Limits
from safepickle.policy.rules import Policy, Right, Rule

HERE = __name__
#: So many are looked through (``FEW_NAMED``); there are dicts for more.
FEW_NAMED = 8
COUNTS = (1, 2, FEW_NAMED - 1, FEW_NAMED, FEW_NAMED + 1, FEW_NAMED + 2, 3 * FEW_NAMED)
MANY = 3 * FEW_NAMED


def _class(index: int) -> type:
    return type(f"Kind{index}", (), {"__module__": HERE})


KINDS = [_class(index) for index in range(MANY)]
globals().update({kind.__name__: kind for kind in KINDS})
#: Another name for the first one.
Alias: Any = KINDS[0]


def rules(*more: str, rights: str = "new build refer") -> Policy:
    """The policy of the classes here, which knows nothing yet."""
    lines = [f'"{HERE}:{kind.__name__}" = {rights.split()}' for kind in KINDS]
    return Policy.from_text("\n".join(["schema = 1", "[globals]", *lines, *more]).replace("'", '"'))


def named(index: int) -> bytes:
    return name(HERE, f"Kind{index}")


@pytest.mark.parametrize("count", COUNTS)
def test_each_object_is_made_and_filled_by_its_class(sp: ModuleType, count: int) -> None:
    parts = [state(new(named(index)), text("x"), number(index)) for index in range(count)]
    data = pickled(list_of(*parts, *reversed(parts)))
    policy = rules()
    for _ in range(3):
        value = sp.loads(data, policy=policy)
        assert [type(one) for one in value] == [*KINDS[:count], *reversed(KINDS[:count])]
        assert [one.x for one in value] == [*range(count), *reversed(range(count))]


@pytest.mark.parametrize("count", COUNTS)
def test_a_name_is_paid_for_once(sp: ModuleType, count: int) -> None:
    once = pickled(list_of(*map(named, range(count))))
    twice = pickled(list_of(*map(named, range(count)), *map(named, range(count))))
    policy = rules()
    for data, objects in ((once, count + 1), (twice, count + 1)):
        for _ in range(2):
            assert sp.loads(data, policy=policy, limits=Limits(max_objects=objects))
            with pytest.raises(LimitError):
                sp.loads(data, policy=policy, limits=Limits(max_objects=objects - 1))


@pytest.mark.parametrize("count", COUNTS)
def test_each_object_stays_with_the_rule_that_it_was_made_by(sp: ModuleType, count: int) -> None:
    """Made by a name that may not fill it, and by one that may: whichever of the two names came first."""
    policy = rules(f'"{HERE}:Alias" = ["new"]', rights="new build")
    before = b"".join(new(named(index)) + POP for index in range(1, count))
    alias = new(name(HERE, "Alias"))
    attributes = dict_of(text("x"), number(1)) + BUILD
    for _ in range(2):
        assert sp.loads(pickled(before + alias + POP + new(named(0)) + attributes), policy=policy).x == 1
        with pytest.raises(PolicyError):
            sp.loads(pickled(before + new(named(0)) + POP + alias + attributes), policy=policy)
        # What the other one has made in the meantime changes nothing.
        made = alias + MEMOIZE + POP
        index = made.count(MEMOIZE) - 1
        body = made + before + new(named(0)) + POP + op("BINGET", index) + attributes
        with pytest.raises(PolicyError):
            sp.loads(pickled(body), policy=policy)


def least_memory(sp: ModuleType, data: bytes, before: bytes, policy: Policy) -> int:
    """Return how much memory a load has to be allowed, behind another one."""
    low, high = 0, 1 << 20
    while low + 1 < high:
        middle = (low + high) // 2
        sp.loads(before, policy=policy)
        try:
            sp.loads(data, policy=policy, limits=Limits(max_memory=middle))
            high = middle
        except LimitError:
            low = middle
    return high


@pytest.mark.parametrize("count", COUNTS)
def test_nothing_of_one_load_is_known_to_the_next(sp: ModuleType, count: int) -> None:
    """What belonged to the names of another load would be noted, and paid for, one by one."""
    policy = rules(rights="new")
    data = pickled(list_of(*(new(named(index)) for index in range(count))))
    stray = pickled(named(0) + POP + new(named(count - 1)) + dict_of(text("x"), number(1)) + BUILD)
    assert least_memory(sp, data, data, policy) == least_memory(sp, data, pickled(number(1)), policy)
    for _ in range(3):
        assert len(sp.loads(data, policy=policy)) == count
        with pytest.raises(PolicyError):
            sp.loads(stray, policy=policy)


def test_a_class_that_comes_to_be_another_one_is_made_as_that(sp: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where an instance of the one that was there before needed no questions."""
    policy = rules()
    data = pickled(state(new(named(0)), text("x"), number(1)))
    calls = []

    class Base:
        def __new__(cls) -> Any:
            calls.append(cls)
            return object.__new__(cls)

    for _ in range(2):
        assert sp.loads(data, policy=policy).x == 1
    other = type("Kind0", (Base,), {"__module__": HERE})
    monkeypatch.setattr(sys.modules[HERE], "Kind0", other)
    assert type(sp.loads(data, policy=policy)) is other
    assert calls == [other]
    with pytest.raises(PolicyError):
        sp.loads(data, policy=rules(rights="refer"))
    fresh = _class(0)
    monkeypatch.setattr(sys.modules[HERE], "Kind0", fresh)
    assert type(sp.loads(data, policy=policy)) is fresh
    fresh.__new__ = Base.__dict__["__new__"]  # type: ignore[method-assign]
    assert type(sp.loads(data, policy=policy)) is fresh
    assert calls == [other, fresh]


class ByName(type):
    """A metaclass for which classes of one name are equal."""

    def __eq__(cls, other: object) -> bool:
        return isinstance(other, ByName) and cls.__name__ == other.__name__

    def __hash__(cls) -> int:
        return hash(cls.__name__)


@pytest.fixture
def twins(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """Two modules with a class each, which are equal; and a function each that gives an instance of it."""
    first, second = types.ModuleType("twins_first"), types.ModuleType("twins_second")
    for module in (first, second):
        monkeypatch.setitem(sys.modules, module.__name__, module)
        module.K = kind = ByName("K", (), {"__module__": module.__name__})  # type: ignore[attr-defined]

        def give(kind: type = kind) -> Any:
            return kind()

        give.__module__, give.__qualname__ = module.__name__, "give"
        module.give = give  # type: ignore[attr-defined]
    return first, second


@pytest.mark.parametrize("count", COUNTS)
def test_classes_that_say_they_are_equal_are_two(
    sp: ModuleType, twins: tuple[ModuleType, ModuleType], count: int
) -> None:
    rule = '"twins_first:K" = ["new"]', '"twins_second:K" = ["new", "build"]'
    policy = rules(*rule, rights="new")
    first, second = (new(name(module.__name__, "K")) for module in twins)
    others = b"".join(new(named(index)) + POP for index in range(count))
    attributes = dict_of(text("x"), number(1)) + BUILD
    for body in (first + MEMOIZE + POP + second + POP, second + POP + first + MEMOIZE + POP):
        with pytest.raises(PolicyError):
            sp.loads(pickled(body + others + op("BINGET", 0) + attributes), policy=policy)
    for body in (second + MEMOIZE + POP + first + POP, first + POP + second + MEMOIZE + POP):
        assert sp.loads(pickled(body + others + op("BINGET", 0) + attributes), policy=policy).x == 1


def test_equal_classes_that_functions_give_are_filled_each_in_its_way(
    sp: ModuleType, twins: tuple[ModuleType, ModuleType]
) -> None:
    called = []
    twins[0].K.__setstate__ = lambda self, state: called.append(type(self))
    names = [f"{module.__name__}:give" for module in twins]
    policy = Policy.from_text("schema = 1\n[globals]\n" + "".join(f'"{one}" = ["call", "build"]\n' for one in names))
    parts = [
        name(module.__name__, "give") + TUPLE0 + REDUCE + dict_of(text("x"), number(1)) + BUILD for module in twins
    ]
    for order in (parts, parts[::-1]):
        called.clear()
        assert [vars(one) for one in sp.loads(pickled(list_of(*order)), policy=policy)].count({"x": 1}) == 1
        assert len(called) == 1
        assert called[0] is twins[0].K


@pytest.mark.parametrize("other", [eval, sys, None, 1], ids=["a gadget", "a module", "nothing", "a number"])
def test_a_class_that_comes_to_be_none_is_refused_as_if_it_never_had_been_one(
    sp: ModuleType, monkeypatch: pytest.MonkeyPatch, other: Any
) -> None:
    data = pickled(list_of(new(named(0)), new(named(1)), name("os", "system")))
    warm = rules(rights="new")
    assert sp.loads(pickled(new(named(0))), policy=warm)
    monkeypatch.setattr(sys.modules[HERE], "Kind0", other)
    found = []
    for policy in (warm, rules(rights="new")):
        with pytest.raises((PolicyError, FormatError)) as caught:
            sp.loads(data, policy=policy)
        found.append((type(caught.value), str(caught.value), type(caught.value.__cause__)))
    assert found[0] == found[1]
    assert "Kind0" in found[0][1]


def test_a_class_that_is_gone_is_not_what_has_become_of_its_name(
    sp: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A weak reference to what is gone shows None, and so may the name."""
    policy = rules(rights="new")
    monkeypatch.setattr(sys.modules[HERE], "Kind0", _class(0))
    assert sp.loads(pickled(new(named(0))), policy=policy)
    setattr(sys.modules[HERE], "Kind0", None)  # noqa: B010  monkeypatch would keep the class
    gc.collect()
    with pytest.raises(FormatError, match="is not a class"):
        sp.loads(pickled(new(named(0))), policy=policy)


def test_an_alias_of_another_kind_of_text_is_one(sp: ModuleType) -> None:
    class Names(enum.StrEnum):
        MODULE = HERE
        NAME = "Kind0"

    rule = Rule(HERE, "Kind0", Right.NEW)
    policy = Policy(name="aliases", rules=[rule], aliases={("old", "K"): (Names.MODULE, Names.NAME)})
    for _ in range(2):
        assert type(sp.loads(pickled(new(name("old", "K"))), policy=policy)) is KINDS[0]
    assert [type(part) for part in policy.rename("old", "K")] == [str, str]
