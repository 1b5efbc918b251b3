"""What a load or a dump was made of serves the next one: nothing of the data, or of a policy, is left in it."""

from __future__ import annotations

import pickle
import sys
import weakref
from types import ModuleType

import pytest

from safepickle.errors import PolicyError
from safepickle.policy.rights import Right, Rule
from safepickle.policy.rules import Policy
from safepickle.policy.uses import AtMost

ALL = Right.NEW | Right.BUILD | Right.REFER | Right.CALL


class Thing:
    """Has attributes."""


class Other:
    """The same."""


def make() -> Thing:
    return Thing()


class Called:
    """Is what a function gives."""

    def __reduce__(self) -> object:
        return make, ()


def policy(*names: str, name: str = "things") -> Policy:
    return Policy(name=name, rules=[Rule(module=__name__, name=one, rights=ALL) for one in names])


BOTH = policy("Thing", "Other", "make", "Called")


def test_nothing_of_a_load_is_kept(sp: ModuleType) -> None:
    thing = Thing()
    thing.part = Other()  # type: ignore[attr-defined]
    for data in (pickle.dumps([thing, thing]), pickle.dumps([Called(), Called()]), pickle.dumps({"a": thing}, 0)):
        value = sp.loads(data, policy=BOTH)
        found = list(value.values() if type(value) is dict else value)
        kept = [weakref.ref(one) for one in found]
        del value, found
        assert [one() for one in kept] == [None] * len(kept)


def test_nothing_of_a_machine_is_kept(sp: ModuleType) -> None:
    if sp.COMPILED:
        pytest.skip("looks into the machine")
    numpy = pytest.importorskip("numpy")
    session = sys.modules[f"{sp.loads.__module__}"]
    thing = Thing()
    thing.parts = [numpy.arange(3), numpy.float64(1), thing]  # type: ignore[attr-defined]
    sp.loads(pickle.dumps([thing, Called(), {1: "a", (2,): "b"}]), policy=BOTH | Policy.packs("numpy"))
    (machine,) = session._idle
    gate = machine.gate
    for name in ("made", "shapes", "guarded", "filled", "arrays", "models", "watched"):
        assert getattr(gate, name) is None, name
    assert (gate.last_built, gate.last_owner, gate.last_shape) == (None, None, None)
    named = gate.named
    assert (named.handles, named.makers, named.by_pair, named.by_class) == ([], [], None, None)
    assert (machine.stack, machine.memo, machine.metastack, machine.sparse, machine.data) == ([], [], [], None, b"")
    assert machine.last_made is None


def test_nothing_of_a_dump_is_kept(sp: ModuleType) -> None:
    thing = Thing()
    thing.part = Other()  # type: ignore[attr-defined]
    kept = weakref.ref(thing)
    assert sp.loads(sp.dumps([thing], policy=BOTH), policy=BOTH)
    del thing
    assert kept() is None


def test_nothing_of_a_policy_is_kept(sp: ModuleType) -> None:
    data = pickle.dumps(Thing())
    for _ in range(2):
        assert type(sp.loads(data, policy=BOTH)) is Thing
        assert sp.dumps(Thing(), policy=BOTH)
        for other in (policy("Other"), Policy(name="nothing")):
            with pytest.raises(PolicyError):
                sp.loads(data, policy=other)
            with pytest.raises(PolicyError):
                sp.dumps(Thing(), policy=other)
        assert sp.loads(pickle.dumps([1, "a"])) == [1, "a"]


def test_what_a_rule_counts_begins_at_nothing(sp: ModuleType) -> None:
    rule = Rule(module=__name__, name="Thing", rights=ALL, new_guard=AtMost(2), call_guard=AtMost(2))
    two = Policy(name="two", rules=[rule])
    things = [Thing(), Thing()]
    for _ in range(3):
        assert len(sp.loads(pickle.dumps(things), policy=two)) == 2
        assert sp.dumps(things, policy=two)
    for _ in range(2):
        with pytest.raises(PolicyError, match="at most 2"):
            sp.loads(pickle.dumps([*things, Thing()]), policy=two)
        with pytest.raises(PolicyError, match="at most 2"):
            sp.dumps([*things, Thing()], policy=two)


def test_an_object_of_an_earlier_load_takes_no_state(sp: ModuleType) -> None:
    """Whose an object is belongs to one load."""
    data = pickle.dumps(Thing())
    sp.loads(data, policy=BOTH)
    persistent = b"\x80\x04]\x94K\x01a}b."
    with pytest.raises(sp.SafePickleError):
        sp.loads(persistent, policy=BOTH)
