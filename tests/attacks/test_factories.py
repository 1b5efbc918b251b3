"""What is called later, without a REDUCE: the factory of a defaultdict needs the right to be called (S3, R22).

Whatever way a stream takes to give it one: named, in a tuple that a call made, by another name of the class, by a class
derived from it, or as state.
"""

from __future__ import annotations

import functools
import pickle
import time
from collections import OrderedDict, defaultdict, deque
from typing import Any

import pytest
from attacks import canary
from attacks.app import CANARY, allowing
from attacks.asm import (
    BUILD,
    NEWOBJ,
    NEWOBJ_EX,
    REDUCE,
    call,
    dict_of,
    list_of,
    name,
    op,
    pickled,
    slot_state,
    text,
    tuple_of,
)
from attacks.expected import Loads, Refused, check, denied

from safepickle.errors import FormatError, PolicyError
from safepickle.policy.rules import Policy

STDLIB = Policy.packs("stdlib")
ANY = Loads(lambda value: True)
DEFAULTDICT = name("collections", "defaultdict")
COUNTED = name(CANARY, "Counted")


def policy(*rows: str) -> Policy:
    """Return a policy under which `Counted` may appear as a value."""
    return STDLIB | allowing("Counted refer", *rows)


def calls_later(value: Any) -> bool:
    """Return whether looking up a key calls something of the stream's choice."""
    before = canary.Counted.calls
    value["missing"]
    return canary.Counted.calls > before


@pytest.mark.parametrize("cls", ["QuietFactory", "again_a_factory"])
@pytest.mark.parametrize("right", ["call", "new"])
def test_a_factory_needs_the_right_to_be_called(sp: Any, cls: str, right: str) -> None:
    """Of a class derived from `defaultdict`, and under another name than its own."""
    body = call(name(CANARY, cls), COUNTED) if right == "call" else name(CANARY, cls) + tuple_of(COUNTED) + NEWOBJ
    check(sp, pickled(body), denied((CANARY, "Counted")), policy=policy(f"{cls} {right}"))
    if right == "call":
        check(sp, pickled(body), Loads(calls_later), policy=policy("Counted call refer", f"{cls} call"))


@pytest.mark.parametrize("cls", [DEFAULTDICT, name(CANARY, "QuietFactory")])
def test_a_factory_may_not_be_hidden_in_a_value(sp: Any, cls: bytes) -> None:
    """`tuple([Counted])` is a tuple like any other."""
    tuples = Policy.from_text('schema = 1\n[globals]\n"builtins:tuple" = ["call"]')
    hidden = cls + call(name("builtins", "tuple"), list_of(COUNTED)) + REDUCE
    check(sp, pickled(hidden), denied(), policy=policy("QuietFactory call") | tuples)


@pytest.mark.parametrize("cls", ["defaultdict", "QuietFactory"])
def test_no_state_sets_a_factory(sp: Any, cls: str) -> None:
    """`default_factory` is a member of the class as a slot is, and no pickler writes it."""
    build = Policy.from_text('schema = 1\n[globals]\n"collections:defaultdict" = ["call", "build"]')
    cls_ = DEFAULTDICT if cls == "defaultdict" else name(CANARY, cls)
    body = slot_state(call(cls_), text("default_factory"), COUNTED)
    check(sp, pickled(body), Refused(FormatError), policy=policy("QuietFactory call build") | build)


def test_a_class_may_not_be_given_one_by_its_own_code(sp: Any) -> None:
    """Whatever way it takes, what it calls later is what the stream named."""
    rows = ("NamedFactory call", "KeywordFactory new", "StatefulFactory call build")
    for body in (
        call(name(CANARY, "NamedFactory"), text("a"), COUNTED),
        name(CANARY, "KeywordFactory") + op("EMPTY_TUPLE") + dict_of(text("factory"), COUNTED) + NEWOBJ_EX,
        call(name(CANARY, "StatefulFactory")) + COUNTED + BUILD,
    ):
        check(sp, pickled(body), denied((CANARY, "Counted")), policy=policy(*rows))
        check(sp, pickled(body), Loads(calls_later), policy=policy("Counted call refer", *rows))
        check(sp, pickled(body.replace(COUNTED, name("builtins", "list"))), ANY, policy=policy(*rows))


def test_a_function_may_be_a_factory(sp: Any) -> None:
    body = call(DEFAULTDICT, name(CANARY, "act"))
    check(sp, pickled(body), denied((CANARY, "act")), policy=policy("act refer"))
    value = defaultdict(canary.shared, a=1)
    rows = policy("shared call refer")
    back = sp.loads(sp.dumps(value, policy=rows), policy=rows)
    assert (back, back.default_factory) == (value, canary.shared)


def test_what_is_made_in_each_thread_takes_the_right_to_be_called(sp: Any) -> None:
    body = name(CANARY, "PerThread") + tuple_of(text("a")) + NEWOBJ
    check(sp, pickled(body), denied((CANARY, "PerThread")), policy=policy("PerThread new"))


def test_what_is_no_global_is_not_called_later(sp: Any) -> None:
    made = name(CANARY, "Equal") + op("EMPTY_TUPLE") + NEWOBJ
    rows = policy("QuietFactory call", "Equal new")
    check(sp, pickled(call(name(CANARY, "QuietFactory"), made)), denied(), policy=rows)


def test_dumps_refuses_what_loads_would(sp: Any) -> None:
    rows = policy("QuietFactory call setitem", "Equal new")
    with pytest.raises(PolicyError, match="only a global can be called later"):
        sp.dumps(canary.QuietFactory(canary.Equal()), policy=rows)
    with pytest.raises(PolicyError, match="would call it later"):
        sp.dumps(canary.QuietFactory(canary.Counted), policy=rows)
    with pytest.raises(PolicyError):
        sp.dumps(canary.QuietFactory(functools.partial(int)), policy=rows)


def test_each_factory_is_granted(sp: Any) -> None:
    """Also where one like it has been made before, and nothing is to be asked any more."""
    lists = call(DEFAULTDICT, name("builtins", "list"))
    check(sp, pickled(list_of(lists, lists, call(DEFAULTDICT, COUNTED))), denied((CANARY, "Counted")), policy=policy())
    values = [defaultdict(list), defaultdict(list), defaultdict(canary.Counted)]
    with pytest.raises(PolicyError, match="would call it later"):
        sp.dumps(values, policy=policy())


def test_what_is_filled_comes_back(sp: Any) -> None:
    """Those after the first of a kind take a shorter way."""
    rows = policy("Counted call refer")
    groups = [
        [OrderedDict(), OrderedDict(b=1, a=2), OrderedDict(zip("ba", "ab", strict=True))],
        [deque(), deque([1, 2]), deque([3, 4], maxlen=1), deque(maxlen=0), deque("ab", 5)],
        [defaultdict(None), defaultdict(list, a=[1]), defaultdict(list), defaultdict(canary.Counted), defaultdict(int)],
    ]
    for values in groups:
        for kept in (values, values * 2):
            back = sp.loads(sp.dumps(kept, policy=rows), policy=rows)
            assert back == kept
            assert [type(value) for value in back] == [type(value) for value in kept]
            assert [getattr(value, "default_factory", 0) for value in back] == [
                getattr(value, "default_factory", 0) for value in kept
            ]
            assert [getattr(value, "maxlen", 0) for value in back] == [getattr(value, "maxlen", 0) for value in kept]
            assert [list(value) for value in back] == [list(value) for value in kept]


def test_what_is_filled_may_hold_itself(sp: Any) -> None:
    ring: deque[Any] = deque(maxlen=3)
    ring.append(ring)
    table: OrderedDict[str, Any] = OrderedDict()
    table["self"] = table
    groups: defaultdict[str, Any] = defaultdict(list)
    groups["self"] = groups
    for value in (ring, table, groups):
        first = type(value)(*((list,) if value is groups else ()))
        back = sp.loads(sp.dumps([first, value], policy=STDLIB), policy=STDLIB)[1]
        assert (back[0] if value is ring else back["self"]) is back


def test_attributes_of_an_ordered_dict_are_written(sp: Any) -> None:
    rows = STDLIB | Policy.from_text('schema = 1\n[globals]\n"collections:OrderedDict" = ["call", "setitem", "build"]')
    plain, noted = OrderedDict(a=1), OrderedDict(a=1)
    noted.note = "kept"  # type: ignore[attr-defined]
    back = sp.loads(sp.dumps([plain, noted, plain], policy=rows), policy=rows)
    assert vars(back[1]) == {"note": "kept"}
    assert back[0] is back[2]


@pytest.mark.parametrize(
    "tail",
    [
        COUNTED + op("APPEND"),
        op("MARK") + COUNTED + op("APPENDS"),
        text("factory") + COUNTED + op("SETITEM"),
        op("MARK") + COUNTED + op("ADDITEMS"),
    ],
    ids=["APPEND", "APPENDS", "SETITEM", "ADDITEMS"],
)
def test_an_item_that_a_class_takes_for_its_factory_needs_the_right(sp: Any, tail: bytes) -> None:
    rights = "ItemFactory call append add setitem"
    body = call(name(CANARY, "ItemFactory")) + tail
    check(sp, pickled(body), denied((CANARY, "Counted")), policy=policy(rights))
    check(sp, pickled(body), Loads(calls_later), policy=policy("Counted call refer", rights))


def test_a_factory_that_a_class_has_by_itself_is_no_item(sp: Any) -> None:
    value = canary.OwnFactory()
    value["a"] = canary.Plain()
    rows = policy("OwnFactory call setitem", "Plain new build")
    back = sp.loads(sp.dumps(value, policy=rows), policy=rows)
    assert type(back["a"]) is canary.Plain
    assert back.default_factory is canary.Plain


def test_a_function_written_in_c_may_be_a_factory(sp: Any) -> None:
    clock = Policy.from_text('schema = 1\n[globals]\n"time:time" = ["call", "refer"]')
    value = defaultdict(time.time, {"a": 1.0})
    for data in (pickle.dumps(value), sp.dumps(value, policy=STDLIB | clock)):
        back = sp.loads(data, policy=STDLIB | clock)
        assert back == value
        assert back.default_factory is time.time
    check(sp, pickle.dumps(value), denied(), policy=STDLIB)
