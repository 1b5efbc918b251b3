"""State: BUILD gives instances what pickle gives them, whether or not they have a dict for it by then.

The compiled form stores attributes beside the instance, as the interpreter does for `self.x = ...`; whatever that could
not do as pickle does, with a `__dict__`, goes the other way.
"""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from attacks.asm import name, op, pickled, text
from decoding.samples import EVERY_RIGHT

from safepickle.errors import FormatError, LimitError
from safepickle.limits import Limits
from safepickle.policy.rules import Policy, Rule


class Plain:
    """Attributes, and nothing else."""

    kind = "plain"


class Filled:
    """Has attributes from the start."""

    def __new__(cls) -> Any:
        made = super().__new__(cls)
        made.first = 1
        made.__dict__["second"] = 2
        return made


class Early:
    """Has an attribute from the start, and no dict for it."""

    def __new__(cls) -> Any:
        made = super().__new__(cls)
        made.value = "from the start"
        return made


class Guarded:
    """Has a property, which pickle does not run for what is in the state by its name."""

    @property
    def value(self) -> Any:
        raise ZeroDivisionError("run by a load")

    @value.setter
    def value(self, item: Any) -> None:
        raise ZeroDivisionError("run by a load")


class Slotted:
    """Has a slot and a dict."""

    __slots__ = ("__dict__", "inner")


class Listed(list[Any]):
    """A container that has attributes too."""


class Telling(Plain):
    """Says when it goes."""

    gone: list[Any] = []

    def __del__(self) -> None:
        self.gone.append(vars(self).pop("keep", None))


class Watched:
    """Would like to hear of every attribute."""

    def __setattr__(self, attribute: str, item: Any) -> None:
        raise ZeroDivisionError("run by a load")


KINDS = (Plain, Filled, Early, Guarded, Slotted, Listed, Telling, Watched)
POLICY = Policy(
    name="states", rules=[Rule(module=__name__, name=kind.__name__, rights=EVERY_RIGHT) for kind in KINDS]
)

STATES: tuple[dict[str, Any], ...] = (
    {},
    {"value": 1},
    {"kind": 7, "value": 1.5},
    {"first": 0, "second": 0, "third": 3},
    {"_private": 1, "__mangled": 2, "_": 3, "": 4},
    {"inner": 1},
    {"a" * 64: 1, "b" * 65: 2},
    {"\u00e4": 1, "\u4e2d": 2, "\U0001f600": 3},
    {f"name{number}": number for number in range(30)},
    {f"name{number}": number for number in range(31)},
    {f"name{number}": number for number in range(200)},
)


def as_written(state: dict[str, Any]) -> bytes:
    items = b"".join(text(key) + pickle.dumps(value, 2)[2:-1] for key, value in state.items())
    return b"}(" + items + b"u"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("number", range(len(STATES)))
def test_attributes_are_those_that_pickle_gives(sp: Any, kind: type, number: int) -> None:
    state = STATES[number]
    for states in ([state], [state, {"value": 2}], [{"value": 2}, state], [state, state]):
        data = pickled(name(__name__, kind.__name__) + b")\x81" + b"".join(as_written(one) + b"b" for one in states))
        ours, theirs = sp.loads(data, policy=POLICY), pickle.loads(data)
        assert type(ours) is kind
        assert vars(ours) == vars(theirs)
        assert {key: getattr(ours, key) for key in vars(ours) if key not in dir(kind)} == {
            key: getattr(theirs, key) for key in vars(theirs) if key not in dir(kind)
        }


def test_many_names_for_one_class(sp: Any) -> None:
    """More than the class has common places for."""
    states = [{f"n{k}": k, f"m{k % 7}": k} for k in range(500)]
    stream = pickled(
        b"](" + b"".join(name(__name__, "Plain") + b")\x81" + as_written(state) + b"b" for state in states) + b"e"
    )
    assert [vars(made) for made in sp.loads(stream, policy=POLICY)] == states


@pytest.mark.parametrize("key", ["__class__", "__dict__", "__reduce__", "__x__", "__"])
def test_dunder_names_are_refused(sp: Any, key: str) -> None:
    data = pickled(name(__name__, "Plain") + b")\x81" + as_written({"fine": 1, key: 2}) + b"b")
    with pytest.raises(FormatError, match="dunder"):
        sp.loads(data, policy=POLICY)


def test_what_was_there_before_goes(sp: Any) -> None:
    """An instance that replaces another ends it, and may look at all there is."""
    Telling.gone.clear()
    telling = name(__name__, "Telling") + b")\x81" + as_written({"keep": "kept"}) + b"b"
    holder = name(__name__, "Plain") + b")\x81"
    data = pickled(
        holder + b"}" + text("value") + telling + b"sb" + b"}" + text("value") + op("BININT1", 1) + b"sb"
    )
    made = sp.loads(data, policy=POLICY)
    assert vars(made) == {"value": 1}
    del made
    assert Telling.gone == ["kept"]


def test_attributes_are_paid_for(sp: Any) -> None:
    made = pickled(name(__name__, "Plain") + b")\x81" + as_written(STATES[8]) + b"b")
    sp.loads(made, policy=POLICY, limits=Limits(max_items=30))
    with pytest.raises(LimitError, match="max_items"):
        sp.loads(made, policy=POLICY, limits=Limits(max_items=29))


def test_attributes_are_counted_over_all_states(sp: Any) -> None:
    """State after state: no instance gets more attributes than a container has items."""
    states = [{f"n{number}_{k}": 0 for k in range(10)} for number in range(10)]
    made = pickled(name(__name__, "Plain") + b")\x81" + b"".join(as_written(state) + b"b" for state in states))
    assert len(vars(sp.loads(made, policy=POLICY, limits=Limits(max_items=100)))) == 100
    with pytest.raises(LimitError, match="max_items"):
        sp.loads(made, policy=POLICY, limits=Limits(max_items=99))
