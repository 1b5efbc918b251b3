"""Facts about classes are kept from load to load, as long as the classes are what they were."""

from __future__ import annotations

import gc
import itertools
import pickle
import sys
import weakref
from types import ModuleType
from typing import Any

import pytest
from attacks import asm

from safepickle.errors import PolicyError, SafePickleError
from safepickle.policy.rules import Policy

HERE = __name__
POLICY = f'schema = 1\n[globals]\n"{HERE}:Thing" = ["call", "new", "build"]\n"{HERE}:Other" = ["new", "build"]\n'


@pytest.fixture
def policy() -> Policy:
    """One of its own: nothing is known under it."""
    return Policy.from_text(POLICY)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Any:
    """This module, with two classes that are new."""

    class Base:
        pass

    class Thing(Base):
        part: Any

    class Other:
        __slots__ = ("given", "part")

    for kind in (Thing, Other):
        kind.__module__, kind.__qualname__ = HERE, kind.__name__
        monkeypatch.setattr(sys.modules[HERE], kind.__name__, kind, raising=False)
    return sys.modules[HERE]


def pickled(kind: Any) -> bytes:
    thing = kind()
    thing.part = 1
    return pickle.dumps([thing, thing], 4)


def take(self: Any, state: Any) -> None:
    self.given = state


def test_a_setstate_that_comes_later_is_called(sp: ModuleType, here: Any, policy: Policy) -> None:
    for kind in (here.Thing, here.Other):
        data = pickled(kind)
        for _ in range(3):
            assert sp.loads(data, policy=policy)[0].part == 1
        kind.__setstate__ = take
        for _ in range(3):
            found = sp.loads(data, policy=policy)[0]
            assert not hasattr(found, "part")
            assert found.given == pickle.loads(data)[0].given
        del kind.__setstate__
        assert sp.loads(data, policy=policy)[0].part == 1


def test_one_of_a_base_too(sp: ModuleType, here: Any, policy: Policy) -> None:
    data = pickled(here.Thing)
    for _ in range(3):
        assert sp.loads(data, policy=policy)[0].part == 1
    here.Thing.__mro__[1].__setstate__ = take
    assert sp.loads(data, policy=policy)[0].given == {"part": 1}


def test_another_class_under_the_name_has_facts_of_its_own(sp: ModuleType, here: Any, policy: Policy) -> None:
    data = pickled(here.Thing)
    for _ in range(3):
        assert sp.loads(data, policy=policy)[0].part == 1
    before = here.Thing
    here.Thing = here.Other
    with pytest.raises(SafePickleError):
        sp.loads(data, policy=policy)  # a slot, and the state is of attributes
    here.Thing = before
    for _ in range(3):
        found = sp.loads(data, policy=policy)
        assert found[0].part == 1
        assert found[0] is found[1]


def test_a_class_that_changes_when_it_is_made(sp: ModuleType, here: Any, policy: Policy) -> None:
    class Counting:
        made = 0

        def __new__(cls) -> Any:
            cls.made += 1
            return object.__new__(cls)

    Counting.__module__, Counting.__qualname__ = HERE, "Thing"
    here.Thing = Counting
    data = pickled(Counting)
    for number in range(1, 6):
        assert sp.loads(data, policy=policy)[0].part == 1
        assert Counting.made == 1 + number


def test_a_class_that_gets_another_base_while_it_is_made(sp: ModuleType, here: Any, policy: Policy) -> None:
    """What was known when it was named is not when it is given its state."""
    seen: list[Any] = []

    class Before:
        pass

    class After:
        @property
        def __dict__(self) -> Any:  # type: ignore[override]
            seen.append(self)
            return {}

    class Changing(Before):
        late = False

        def __new__(cls) -> Any:
            made = object.__new__(cls)
            if Changing.late:
                Changing.__bases__ = (After,)
            return made

    Changing.__module__, Changing.__qualname__ = HERE, "Thing"
    here.Thing = Changing
    data = asm.pickled(asm.name(HERE, "Thing") + b")\x81}" + asm.text("part") + b"K\1sb")
    for warm in (0, 3):
        known = Policy.from_text(POLICY)
        Changing.late, Changing.__bases__ = False, (Before,)
        for _ in range(warm):
            assert sp.loads(data, policy=known).part == 1
        Changing.late = True
        seen.clear()
        assert not hasattr(sp.loads(data, policy=known), "part")
        assert len(seen) >= 1


def test_no_class_is_kept_alive(sp: ModuleType, here: Any, policy: Policy) -> None:
    there = []
    for name in ("Thing", "Other"):
        kind = getattr(here, name)
        data = pickled(kind)
        for _ in range(3):
            sp.loads(data, policy=policy)
        there.append(weakref.ref(kind))
        setattr(here, name, None)
        del kind
    gc.collect()
    assert [one() for one in there] == [None, None]


def test_a_constructor_that_is_taken_away(sp: ModuleType, here: Any, policy: Policy) -> None:
    """Then the built-in one is called, which would iterate whatever it is given."""
    if not sp.COMPILED:
        pytest.skip("the Python form keeps what it knows until the name stands for another object")

    class Filled(dict[Any, Any]):
        def __init__(self, other: Any) -> None:
            self.other = other

    class Endless:
        def __iter__(self) -> Any:
            return itertools.count()

    for kind, called in ((Filled, "Thing"), (Endless, "Other")):
        kind.__module__, kind.__qualname__ = HERE, called
        setattr(here, called, kind)
    data = asm.pickled(asm.call(asm.name(HERE, "Thing"), asm.name(HERE, "Other") + b")\x81"))
    for _ in range(3):
        assert type(sp.loads(data, policy=policy).other) is Endless
    del Filled.__init__
    with pytest.raises(PolicyError, match="items that are in no list"):
        sp.loads(data, policy=policy)
