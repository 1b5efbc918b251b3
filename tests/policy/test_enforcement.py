"""Constraints in force: on every road of the reading side before anything is done, and the same on the writing side."""

from __future__ import annotations

import io
import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attacks.asm import (
    ADDITEMS,
    APPEND,
    APPENDS,
    BUILD,
    DICT,
    LIST,
    MARK,
    MEMOIZE,
    NEWOBJ_EX,
    NONE,
    OBJ,
    POP,
    SET,
    SETITEM,
    TUPLE0,
    TUPLE2,
    call,
    dict_of,
    list_of,
    name,
    new,
    number,
    old_name,
    op,
    pickled,
    slot_state,
    state,
    text,
    tuple_of,
)
from policy import world

from safepickle.errors import LimitError, PolicyError, ReconstructionError
from safepickle.limits import Limits
from safepickle.policy.rules import Policy

WORLD = "policy.world"


def policy(text: str, *, names: str = "Point", rights: str = "new build", more: str = "") -> Policy:
    """A policy with one row for some globals of the world."""
    return Policy.from_text(
        f'schema = 1\nname = "app"\n[[allow]]\nmodule = "{WORLD}"\nnames = {names.split()}\n'
        f"rights = {rights.split()}\n{text}\n{more}"
    )


def world_of(qualname: str) -> bytes:
    return name(WORLD, qualname)


def refusal(sp: ModuleType, data: bytes, rules: Policy) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        sp.loads(data, policy=rules)
    error = caught.value
    assert str(error).isprintable()
    assert error.suggestion == ""
    return error


# ---- arguments ---------------------------------------------------------------------------------------------

CALLED = world_of("Called")
INT_ONLY = "args = [{ type = 'int', min = 0, max = 9 }]"
#: Every road to a call, with a number that is too big.
ROADS = [
    ("call", call(CALLED, number(10))),
    ("call", MARK + CALLED + number(10) + OBJ),
    ("call", MARK + number(10) + op("INST", WORLD, "Called")),
    ("new", new(CALLED, number(10))),
    ("new", CALLED + tuple_of(number(10)) + DICT + NEWOBJ_EX),
    ("new", call(name("copyreg", "__newobj__"), CALLED, number(10))),
    ("new", call(name("copyreg", "__newobj_ex__"), CALLED, tuple_of(number(10)), DICT)),
    ("new", call(name("copyreg", "_reconstructor"), CALLED, name("builtins", "object"), NONE)),
    ("new", MARK + CALLED + OBJ),
    ("new", MARK + op("INST", WORLD, "Called")),
    ("call", MARK + CALLED + OBJ),
    ("call", MARK + op("INST", WORLD, "Called")),
]


@pytest.mark.parametrize(("rights", "body"), ROADS, ids=range(len(ROADS)))
def test_no_road_leads_past_the_constraint_of_arguments(sp: ModuleType, rights: str, body: bytes) -> None:
    rules = policy(INT_ONLY, names="Called", rights=rights)
    world.CALLS.clear()
    error = refusal(sp, pickled(body), rules)
    assert world.CALLS == []
    assert (error.module, error.name) == (WORLD, "Called")
    assert "its arguments are refused" in error.reason
    assert "(rule in 'app')" in error.reason


def test_what_is_wrong_with_an_argument_is_told(sp: ModuleType) -> None:
    error = refusal(sp, pickled(call(CALLED, number(10))), policy(INT_ONLY, names="Called", rights="call"))
    assert error.right == "call"
    assert error.opcode == "REDUCE"
    assert "args[0]: wants int from 0 to 9" in str(error)


def test_arguments_that_are_fine_pass(sp: ModuleType) -> None:
    rules = policy(INT_ONLY, names="Called", rights="call new")
    world.CALLS.clear()
    sp.loads(pickled(call(CALLED, number(9))), policy=rules)
    assert world.CALLS == [(9,)]
    sp.loads(pickled(new(CALLED, number(9))), policy=rules)


def test_keyword_arguments(sp: ModuleType) -> None:
    rules = policy("kwargs = { x = 'int' }", names="Called", rights="new")
    sp.loads(pickled(CALLED + TUPLE0 + dict_of(text("x"), number(1)) + NEWOBJ_EX), policy=rules)
    body = CALLED + TUPLE0 + dict_of(text("x"), text("1")) + NEWOBJ_EX
    assert "kwargs['x']: wants int, got str" in refusal(sp, pickled(body), rules).reason


def test_a_derived_tuple_is_constrained_in_both_forms(sp: ModuleType) -> None:
    rules = policy("args = [{ type = 'tuple', items = 'int' }]", names="Pair", rights="new")
    for protocol in (1, 2, 4):
        good, bad = world.Pair((1, 2)), world.Pair((1, "a"))
        assert sp.loads(pickle.dumps(good, protocol), policy=rules) == good
        assert sp.dumps(good, protocol, policy=rules)
        assert "[1]: wants int" in refusal(sp, pickle.dumps(bad, protocol), rules).reason
        with pytest.raises(PolicyError, match=r"\[1\]: wants int"):
            sp.dumps(bad, protocol, policy=rules)


def test_an_argument_is_compared_by_exact_type(sp: ModuleType) -> None:
    rules = policy("args = ['tuple']", names="Called", rights="call", more=f'[globals]\n"{WORLD}:Pair" = ["new"]')
    sp.loads(pickled(call(CALLED, TUPLE0)), policy=rules)
    assert "wants tuple, got Pair" in refusal(sp, pickled(call(CALLED, new(world_of("Pair")))), rules).reason


def test_an_argument_that_is_a_class(sp: ModuleType) -> None:
    rules = policy(
        f"args = [{{ is = '{WORLD}:Point' }}]", names="Called", rights="call",
        more=f'[globals]\n"{WORLD}:Point" = ["refer"]\n"{WORLD}:Pair" = ["refer"]',
    )  # fmt: skip
    sp.loads(pickled(call(CALLED, world_of("Point"))), policy=rules)
    assert "the global" in refusal(sp, pickled(call(CALLED, world_of("Pair"))), rules).reason


def test_no_more_instances_than_allowed(sp: ModuleType) -> None:
    rules = policy("max_instances = 3", rights="new build refer")
    three, four = [world.Point() for _ in range(3)], [world.Point() for _ in range(4)]
    assert len(sp.loads(sp.dumps(three, policy=rules), policy=rules)) == 3
    assert len(sp.loads(sp.dumps(three, policy=rules), policy=rules)) == 3, "each load counts for itself"
    error = refusal(sp, pickle.dumps(four), rules)
    assert (error.right, "at most 3 in one load" in error.reason) == ("new", True)
    with pytest.raises(PolicyError, match=r"at most 3 in one load.* at root\[3\]"):
        sp.dumps(four, policy=rules)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("args = ['int']", "has 0"),
        ("args = []\nkwargs = { x = 'int' }", "x"),
        ("args = []\nmax_instances = 4", "at most 4"),
        ("max_instances = 4", "at most 4"),
    ],
)
def test_what_a_rule_asks_of_making_is_asked_each_time(sp: ModuleType, rule: str, reason: str) -> None:
    """Also of the fifth instance without arguments, when the class is well known."""
    rules = policy(rule, rights="new")
    error = refusal(sp, pickled(LIST, MARK, *[new(world_of("Point"))] * 5, APPENDS), rules)
    assert reason in error.reason


def test_a_rule_for_calls_counts_what_is_made_without_arguments(sp: ModuleType) -> None:
    rules = policy("max_instances = 4", rights="new call")
    made, called = new(world_of("Point")), call(world_of("Point"))
    assert sp.loads(pickled(LIST, MARK, made * 3, called, APPENDS), policy=rules)
    assert "at most 4" in refusal(sp, pickled(LIST, MARK, made * 4, called, APPENDS), rules).reason


def test_arguments_are_asked_about_after_instances_without(sp: ModuleType) -> None:
    rules = policy("args = []", rights="new")
    plain = new(world_of("Point"))
    assert len(sp.loads(pickled(LIST, MARK, plain * 4, APPENDS), policy=rules)) == 4
    error = refusal(sp, pickled(LIST, MARK, plain * 4, new(world_of("Point"), number(1)), APPENDS), rules)
    assert "wants 0 arguments, has 1" in error.reason


def test_a_pickler_and_an_unpickler_count_anew_for_each_pickle(sp: ModuleType) -> None:
    rules = policy("max_instances = 3")
    file = io.BytesIO()
    pickler = sp.Pickler(file, policy=rules)
    three = [world.Point() for _ in range(3)]
    for _ in range(3):
        pickler.dump(three)
    file.seek(0)
    unpickler = sp.Unpickler(file, policy=rules)
    assert [len(unpickler.load()) for _ in range(3)] == [3, 3, 3]


def test_the_other_name_of_a_class_lends_nothing(sp: ModuleType) -> None:
    """Made under one rule and given state under another: each object stays with the rule that it was made by."""
    rules = policy("state = { x = 'int', y = 'int' }", more=f'[globals]\n"{WORLD}:Renamed" = ["new", "build"]')
    made = new(world_of("Point")) + MEMOIZE + POP
    wrong = dict_of(text("x"), text("a"))
    sp.loads(pickled(new(world_of("Renamed")) + wrong + BUILD), policy=rules)
    body = made + new(world_of("Renamed")) + POP + op("BINGET", 0) + wrong + BUILD
    # MEMOIZE counts from 0 for the first name that is written; find the object whatever its index is.
    body = new(world_of("Point")) + MEMOIZE + new(world_of("Renamed")) + POP + wrong + BUILD
    assert "wants int, got str" in refusal(sp, pickled(body), rules).reason
    body = new(world_of("Renamed")) + POP + new(world_of("Point")) + wrong + BUILD
    assert "wants int, got str" in refusal(sp, pickled(body), rules).reason


# ---- state -------------------------------------------------------------------------------------------------

POINT = new(world_of("Point"))
XY = "state = { x = 'int', y = { type = 'int', optional = true } }"


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (state(POINT, text("x"), text("a")), ".x: wants int, got str"),
        (state(POINT, text("x"), number(1), text("z"), number(1)), "'z' is not one of x, y"),
        (state(POINT, text("y"), number(1)), "'x' is missing"),
        (state(POINT), "'x' is missing"),
        (POINT + number(1) + BUILD, "wants attributes, got int"),
        (POINT + list_of(number(1)) + BUILD, "wants attributes, got list"),
        (state(POINT, number(1), number(1)), "1 is not one of"),
        (state(POINT, text("__class__"), number(1)), "is not one of"),
        (slot_state(POINT, text("x"), text("a")), ".x: wants int"),
        (POINT + dict_of(text("x"), number(1)) + dict_of(text("x"), number(1)) + TUPLE2 + BUILD, "twice"),
    ],
)
def test_state_is_held_to_its_constraint(sp: ModuleType, body: bytes, part: str) -> None:
    error = refusal(sp, pickled(body), policy(XY))
    assert (error.right, error.opcode) == ("build", "BUILD")
    assert part in error.reason
    assert "(rule in 'app')" in error.reason


def test_state_that_is_fine_is_set(sp: ModuleType) -> None:
    assert vars(sp.loads(pickled(state(POINT, text("x"), number(1))), policy=policy(XY))) == {"x": 1}
    rules = policy("state = { x = 'int', d = 'str' }", names="Slotted")
    body = new(world_of("Slotted")) + dict_of(text("d"), text("a")) + dict_of(text("x"), number(1)) + TUPLE2 + BUILD
    assert sp.loads(pickled(body), policy=rules).x == 1


def test_refused_state_is_not_set(sp: ModuleType) -> None:
    seen = []
    rules = policy("state_value = { type = 'tuple', elements = [{ enum = ['v1'] }, 'int'] }", names="Setting")
    data = pickled(new(world_of("Setting")) + tuple_of(text("v1"), number(5)) + BUILD)
    assert sp.loads(data, policy=rules).state == ("v1", 5)
    world_class: Any = world.Setting
    original = world_class.__setstate__
    world_class.__setstate__ = lambda self, value: seen.append(value)
    try:
        body = new(world_of("Setting")) + tuple_of(text("v2"), number(5)) + BUILD
        assert "state[0]: wants one of 'v1'" in refusal(sp, pickled(body), rules).reason
    finally:
        world_class.__setstate__ = original
    assert seen == []


def test_each_state_is_checked(sp: ModuleType) -> None:
    body = state(state(POINT, text("x"), number(1)), text("x"), text("a"))
    assert "wants int" in refusal(sp, pickled(body), policy(XY)).reason


def test_what_a_call_made_is_held_to_the_rule_of_the_call(sp: ModuleType) -> None:
    rules = policy(XY, names="make", rights="call build")
    assert sp.loads(pickled(state(call(world_of("make")), text("x"), number(7))), policy=rules).x == 7
    assert "wants int" in refusal(sp, pickled(state(call(world_of("make")), text("x"), text("a"))), rules).reason


DEEP = "state = { x = { type = 'list', max_length = 2, items = 'int' } }"


@pytest.mark.parametrize(
    ("constraint", "body", "part"),
    [
        # The list is empty when it is checked, and filled through the memo after that.
        (DEEP, LIST + MEMOIZE + POP + POINT + DICT + text("x") + op("BINGET", 0) + SETITEM + BUILD
         + op("BINGET", 0) + text("a") + APPEND + POP, ".x[0]: wants int, got str, at the end of the pickle"),
        (DEEP, LIST + MEMOIZE + POP + POINT + DICT + text("x") + op("BINGET", 0) + SETITEM + BUILD
         + op("BINGET", 0) + (number(1) + APPEND) * 3 + POP, "up to 2, has 3"),
        # The state's own dict gets another list once it has been set: the object keeps the first.
        (DEEP, LIST + MEMOIZE + POP + DICT + MEMOIZE + POP + POINT + op("BINGET", 1) + text("x") + op("BINGET", 0)
         + SETITEM + BUILD + op("BINGET", 0) + text("a") + APPEND + POP + op("BINGET", 1) + text("x") + LIST + SETITEM
         + POP, ".x[0]: wants int, got str, at the end of the pickle"),
        ("state = { x = { type = 'dict', fields = { a = 'int' } } }", dict_of(text("a"), number(1)) + MEMOIZE + POP
         + POINT + DICT + text("x") + op("BINGET", 0) + SETITEM + BUILD + op("BINGET", 0) + text("b") + number(1)
         + SETITEM + POP, "'b' is not one of a"),
        ("state = { x = { type = 'tuple', items = { type = 'dict', values = 'int' } } }", DICT + MEMOIZE + POP
         + POINT + DICT + text("x") + op("BINGET", 0) + op("TUPLE1") + SETITEM + BUILD + op("BINGET", 0) + text("b")
         + text("c") + SETITEM + POP, ".x[0]['b']: wants int, got str"),
    ],
    ids=range(5),
)  # fmt: skip
def test_what_changes_after_the_check_is_checked_again(sp: ModuleType, constraint: str, body: bytes, part: str) -> None:
    assert part in refusal(sp, pickled(body), policy(constraint)).reason


@pytest.mark.parametrize(
    "constraint",
    [
        "state_value = { type = 'dict', values = { type = 'list', items = 'int' } }",
        "state_value = { type = 'dict', keys = 'str', values = { type = 'list', max_length = 1 } }",
    ],
)
def test_what_is_inside_of_a_whole_state_is_checked_again(sp: ModuleType, constraint: str) -> None:
    """The instance has a copy of the dict, but not of the list in it."""
    items = LIST + MEMOIZE + number(1) + APPEND
    held = DICT + text("x") + items + SETITEM
    rules = policy(constraint)
    assert sp.loads(pickled(POINT + held + BUILD), policy=rules).x == [1]
    body = POINT + held + BUILD + op("BINGET", 0) + text("a") + APPEND + POP
    assert "at the end of the pickle" in refusal(sp, pickled(body), rules).reason


HELD = new(world_of("Holding"))
SHALLOW = "state = { x = 'int' }"
FILLED = DICT + text("x") + number(1) + SETITEM


@pytest.mark.parametrize(
    ("constraint", "body", "part"),
    [
        # The class keeps the dict of its state, and the stream changes that.
        (SHALLOW, HELD + FILLED + MEMOIZE + BUILD + op("BINGET", 0) + text("x") + text("a") + SETITEM + POP,
         ".x: wants int, got str, at the end of the pickle"),
        (SHALLOW, HELD + FILLED + MEMOIZE + BUILD + op("BINGET", 0) + text("y") + number(1) + SETITEM + POP,
         "'y' is not one of x"),
        ("state_value = { type = 'dict', values = 'int' }", HELD + FILLED + MEMOIZE + BUILD + op("BINGET", 0)
         + text("x") + text("a") + SETITEM + POP, "['x']: wants int, got str, at the end of the pickle"),
    ],
    ids=range(3),
)  # fmt: skip
def test_state_that_the_class_keeps_is_checked_again(sp: ModuleType, constraint: str, body: bytes, part: str) -> None:
    rules = policy(constraint, names="Holding")
    error = refusal(sp, pickled(body), rules)
    assert part in error.reason
    assert error.right == "build"


def test_what_the_class_itself_makes_of_its_state_is_its_own_affair(sp: ModuleType) -> None:
    rules = policy(SHALLOW, names="Amending")
    shared = MEMOIZE + POP + LIST + op("BINGET", 0) + APPEND + op("BINGET", 0) + APPEND
    loaded = sp.loads(pickled(new(world_of("Amending")) + FILLED + BUILD + shared), policy=rules)
    assert loaded[0] is loaded[1]
    assert loaded[0].x == "1"
    refusal(sp, pickled(new(world_of("Amending")) + DICT + text("x") + text("1") + SETITEM + BUILD + shared), rules)


@pytest.mark.parametrize(
    ("right", "body"),
    [
        ("call", LIST + MEMOIZE + POP + call(world_of("Keeping"), op("BINGET", 0))),
        ("new", LIST + MEMOIZE + POP + new(world_of("Keeping"), op("BINGET", 0))),
        ("new", LIST + MEMOIZE + POP + world_of("Keeping") + TUPLE0 + dict_of(text("k"), op("BINGET", 0)) + NEWOBJ_EX),
    ],
    ids=range(3),
)
def test_arguments_that_change_after_the_call_are_checked_again(sp: ModuleType, right: str, body: bytes) -> None:
    ints = "{ type = 'list', items = 'int' }"
    rules = policy(
        f"args = [{ints[:-2]}, optional = true }}]\nkwargs = {{ k = {ints[:-2]}, optional = true }} }}",
        names="Keeping", rights=right,
    )  # fmt: skip
    assert sp.loads(pickled(body, op("BINGET", 0), number(1), APPEND, POP), policy=rules) is not None
    error = refusal(sp, pickled(body, op("BINGET", 0), text("a"), APPEND, POP), rules)
    assert "[0]: wants int, got str, at the end of the pickle" in error.reason
    assert "its arguments are refused" in error.reason
    assert error.right == right


@pytest.mark.parametrize(
    ("right", "ending"),
    [
        ("append", lambda item: item + APPEND),
        ("append", lambda item: MARK + item + APPENDS),
        ("setitem", lambda item: number(1) + item + SETITEM),
        ("add", lambda item: MARK + item + ADDITEMS),
        ("build", lambda item: item + BUILD),
    ],
    ids=["append", "appends", "setitem", "add", "build"],
)
def test_what_methods_of_the_class_change_is_checked_again(sp: ModuleType, right: str, ending: Any) -> None:
    """Nothing is at two places here, but the object has what it was made with."""
    rules = policy("args = [{ type = 'list', items = 'int' }]", names="Growing", rights=f"call {right}")
    body = call(world_of("Growing"), LIST)
    assert sp.loads(pickled(body, ending(number(1))), policy=rules).args == ([1],)
    assert "[0]: wants int, got str, at the end of the pickle" in refusal(
        sp, pickled(body, ending(text("a"))), rules
    ).reason


def test_a_list_is_known_again_wherever_its_memo_entry_was(sp: ModuleType) -> None:
    """The room for what is known of memo entries grows past one that was noted beyond it."""
    made = call(world_of("Keeping"), LIST + op("LONG_BINPUT", 1000))
    grown = b"".join(LIST + op("LONG_BINPUT", index) + POP for index in (60, 150, 300, 700, 1500))
    rules = policy("args = [{ type = 'list', items = 'int' }]", names="Keeping", rights="call")
    body = made + grown + op("LONG_BINGET", 1000)
    assert sp.loads(pickled(body, number(1), APPEND, POP), policy=rules).args == ([1],)
    assert "at the end of the pickle" in refusal(sp, pickled(body, text("a"), APPEND, POP), rules).reason


def test_what_a_call_gives_twice_is_checked_again(sp: ModuleType) -> None:
    ints = "args = [{ type = 'list', items = 'int' }]"
    rules = policy(
        ints, names="Keeping", rights="call",
        more=f'[[allow]]\nmodule = "{WORLD}"\nnames = ["shared"]\nrights = ["call", "append"]',
    )  # fmt: skip
    body = call(world_of("Keeping"), call(world_of("shared"))) + call(world_of("shared"))
    try:
        assert sp.loads(pickled(body, number(1), APPEND, POP), policy=rules).args == ([1],)
        error = refusal(sp, pickled(body, text("a"), APPEND, POP), rules)
    finally:
        world.SHARED.clear()
    assert "at the end of the pickle" in error.reason


# ---- surveys -----------------------------------------------------------------------------------------------


BAD = world_of("nobody") + POP


@pytest.mark.parametrize("before", [b"", BAD], ids=["alone", "after a denial"])
@pytest.mark.parametrize(
    ("constraint", "rights", "body", "part"),
    [
        (INT_ONLY, "call", call(CALLED, number(10)), "args[0]: wants int from 0 to 9"),
        (INT_ONLY, "new", new(CALLED, number(10)), "args[0]: wants int from 0 to 9"),
        (INT_ONLY, "new", call(name("copyreg", "_reconstructor"), CALLED, name("builtins", "object"), NONE),
         "wants 1 argument"),
        (INT_ONLY, "call", MARK + CALLED + OBJ, "wants 1 argument"),
        ("state = { x = 'int' }", "new build", state(new(CALLED), text("x"), text("a")), ".x: wants int, got str"),
        ("max_instances = 1", "new", new(CALLED) + POP + new(CALLED), "at most 1 in one load"),
    ],
    ids=range(6),
)  # fmt: skip
def test_a_survey_tells_of_constraints(
    sp: ModuleType, constraint: str, rights: str, body: bytes, part: str, before: bytes
) -> None:
    rules = policy(constraint, names="Called", rights=rights)
    world.CALLS.clear()
    data = pickled(before, body)
    found = [denial.reason for denial in sp.survey(data, policy=rules).denials]
    assert any(part in reason for reason in found)
    assert len(found) == 1 + bool(before)
    assert world.CALLS == []
    with pytest.raises(PolicyError) as caught:
        sp.loads(data, policy=rules)
    assert [denial.reason for denial in caught.value.denials] == found


def test_a_survey_lets_pass_what_it_cannot_know(sp: ModuleType) -> None:
    """What is not made is of a type that nobody knows; what stands around it is looked at all the same."""
    rules = policy(
        "state = { x = { type = 'list', max_length = 1, items = 'int' }, y = 'policy.world:Called' }",
        names="Point Called", rights="new build",
    )  # fmt: skip
    made = new(CALLED)
    fine = POINT + dict_of(text("x"), list_of(made), text("y"), made) + BUILD
    assert sp.survey(pickled(fine), policy=rules).denials == ()
    long = POINT + dict_of(text("x"), list_of(made, made), text("y"), made) + BUILD
    assert ".x: wants list of up to 1, has 2" in sp.survey(pickled(long), policy=rules).denials[0].reason
    # Things that turn out equal may be fewer.
    rules = policy(
        "state = { x = { type = 'set', max_length = 1 }, y = { type = 'dict', max_length = 1 } }",
        names="Point Called",
        rights="new build",
    )
    several = SET + MARK + made + made + ADDITEMS
    body = POINT + dict_of(text("x"), several, text("y"), dict_of(made, NONE, made, NONE)) + BUILD
    assert sp.survey(pickled(body), policy=rules).denials == ()
    body = POINT + dict_of(made, NONE) + BUILD
    assert sp.survey(pickled(body), policy=rules).denials == ()


def test_a_cycle_is_checked_and_ends(sp: ModuleType) -> None:
    rules = policy("state = { x = { type = 'list', items = { type = 'list', items = 'any' } } }")
    point = world.Point()
    point.x = [[]]  # type: ignore[assignment]
    point.x[0].append(point)  # type: ignore[index]
    del point.y
    loaded = sp.loads(pickle.dumps(point), policy=rules)
    assert loaded.x[0][0] is loaded


def test_looking_is_paid_for(sp: ModuleType) -> None:
    """A long list that is shared by many objects: bytes of input would buy minutes of work."""
    rules = policy("state = { x = { type = 'list', items = 'int' } }")
    shared = list_of(*[number(1)] * 50_000) + MEMOIZE + POP
    one = POINT + DICT + text("x") + op("BINGET", 0) + SETITEM + BUILD + POP
    with pytest.raises(LimitError, match="max_hash_work"):
        sp.loads(pickled(shared, one * 2000, NONE), policy=rules)
    with pytest.raises(LimitError, match="max_hash_work"):
        sp.loads(pickled(shared, one, NONE), policy=rules, limits=Limits(max_hash_work=1000))
    rest = policy("rest = 'any'", names="Called", rights="call")
    arguments = MARK + number(1) * 50_000 + op("TUPLE") + MEMOIZE + POP
    with pytest.raises(LimitError, match="max_hash_work"):
        sp.loads(pickled(arguments, (CALLED + op("BINGET", 0) + op("REDUCE") + POP) * 2000, NONE), policy=rest)


# ---- all classes of a module -------------------------------------------------------------------------------

FILTER = Policy.from_text(
    f'schema = 1\nname = "app"\n[[allow]]\nmodule = "{WORLD}"\nclasses = "defined here"\nrights = ["new", "build"]\n'
)


@pytest.mark.parametrize("qualname", ["Point", "Slotted", "Outer", "Outer.Inner"])
def test_classes_that_are_defined_there(sp: ModuleType, qualname: str) -> None:
    assert type(sp.loads(pickled(new(world_of(qualname))), policy=FILTER)).__qualname__ == qualname


@pytest.mark.parametrize(
    "qualname",
    ["function", "Borrowed", "Renamed", "CALLS", "enum", "Any", "Outer.__init__", "Point.__init__", "Finalized"],
)
@pytest.mark.parametrize("how", ["new", "state", "refer", "old"])
def test_nothing_else_of_the_module(sp: ModuleType, qualname: str, how: str) -> None:
    made = new(world_of(qualname))
    body = {"new": made, "state": state(made), "refer": world_of(qualname), "old": old_name(WORLD, qualname)}[how]
    with pytest.raises(PolicyError):
        sp.loads(pickled(body, proto=4 if how != "old" else 2), policy=FILTER)


def test_a_filter_is_no_prefix_and_no_right_more(sp: ModuleType) -> None:
    for module in ("policy", f"{WORLD}.sub", "policy.world2"):
        with pytest.raises(PolicyError, match="no rule names it"):
            sp.loads(pickled(new(name(module, "Point"))), policy=FILTER)
    for body in (call(world_of("Point")), world_of("Point")):
        with pytest.raises(PolicyError):
            sp.loads(pickled(body), policy=FILTER)


def test_a_filter_imports_only_its_own_module(sp: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "filtered_canary.py").write_text("class C: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    rules = Policy.from_text(
        'schema = 1\n[[allow]]\nmodule = "filtered_canary"\nclasses = "defined here"\nrights = ["new"]'
    )
    sys.modules.pop("filtered_canary", None)
    sp.loads(pickled(NONE), policy=rules)
    assert "filtered_canary" not in sys.modules
    assert type(sp.loads(pickled(new(name("filtered_canary", "C"))), policy=rules)).__name__ == "C"
    del sys.modules["filtered_canary"]
    sp.survey(pickled(new(name("filtered_canary", "C"))), policy=rules)
    assert "filtered_canary" not in sys.modules, "a survey imports nothing"
    with pytest.raises(ReconstructionError):
        sp.loads(pickled(new(name("filtered_canary", "Missing"))), policy=rules)
    sys.modules.pop("filtered_canary", None)


def test_a_filter_holds_for_what_find_class_returns(sp: ModuleType) -> None:
    class Other(sp.Unpickler):  # type: ignore[name-defined, misc]
        def find_class(self, module: str, name: str, /) -> Any:
            return world.function

    with pytest.raises(PolicyError, match="no class that is defined"):
        Other(io.BytesIO(pickled(new(world_of("Point")))), policy=FILTER).load()

    class Same(sp.Unpickler):  # type: ignore[name-defined, misc]
        def find_class(self, module: str, name: str, /) -> Any:
            return super().find_class(module, name)

    assert type(Same(io.BytesIO(pickled(new(world_of("Point")))), policy=FILTER).load()) is world.Point
    with pytest.raises(PolicyError):
        Same(io.BytesIO(pickled(new(world_of("Borrowed")))), policy=FILTER).load()


def test_a_filter_holds_for_our_find_class(sp: ModuleType) -> None:
    unpickler = sp.Unpickler(io.BytesIO(b""), policy=FILTER)
    assert unpickler.find_class(WORLD, "Point") is world.Point
    for qualname in ("function", "Borrowed"):
        with pytest.raises(PolicyError):
            unpickler.find_class(WORLD, qualname)


def test_a_filter_beside_a_rule_for_one_function(sp: ModuleType) -> None:
    rules = FILTER | policy("", names="function", rights="call")
    assert sp.loads(pickled(call(world_of("function"))), policy=rules) == 1
    assert type(sp.loads(pickled(new(world_of("Point"))), policy=rules)) is world.Point
    with pytest.raises(PolicyError):
        sp.loads(pickled(new(world_of("function"))), policy=rules)


def test_writing_under_a_filter(sp: ModuleType) -> None:
    assert sp.loads(sp.dumps(world.Point(1, 2), policy=FILTER), policy=FILTER).x == 1
    for obj in (world.function, world.Borrowed, world.Point):
        with pytest.raises(PolicyError):
            sp.dumps(obj, policy=FILTER)


# ---- writing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(6))
def test_writing_refuses_what_loading_would(sp: ModuleType, protocol: int) -> None:
    rules = policy("state = { x = { type = 'int', max = 5 }, y = 'any' }")
    good, bad = {"a": [world.Point(1)]}, {"a": [world.Point(1), world.Point(6), world.Point(2)]}
    assert sp.loads(sp.dumps(good, protocol, policy=rules), policy=rules)["a"][0].x == 1
    refusal(sp, pickle.dumps(bad, protocol), rules)
    with pytest.raises(PolicyError, match=r"\.x: wants int of at most 5 .* at root\['a'\]\[1\]"):
        sp.dumps(bad, protocol, policy=rules)


def test_writing_checks_every_instance(sp: ModuleType) -> None:
    """The second and later ones of a plain class take a shorter way."""
    rules = policy("state = { x = { type = 'int', max = 5 }, y = 'int' }")
    points = [world.Point(1), world.Point(2), world.Point(9)]
    with pytest.raises(PolicyError, match=r"root\[2\]"):
        sp.dumps(points, policy=rules)


def test_writing_checks_every_call(sp: ModuleType) -> None:
    rules = policy("args = [{ type = 'int', min = 5 }]", names="Called", rights="call")
    with pytest.raises(PolicyError, match=r"args\[0\]: wants int of at least 5"):
        sp.dumps([world.Called()], policy=rules)


def test_writing_checks_whole_states(sp: ModuleType) -> None:
    good = policy("state_value = { type = 'tuple', elements = ['str', 'int'] }", names="Setting")
    bad = policy("state_value = { type = 'tuple', elements = ['str', 'str'] }", names="Setting")
    assert sp.loads(sp.dumps(world.Setting(), policy=good), policy=good).state == ("v1", 5)
    with pytest.raises(PolicyError, match=r"state\[1\]: wants str"):
        sp.dumps(world.Setting(), policy=bad)
