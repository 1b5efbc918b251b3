"""Instances that are made of the bytes to come: as the loop makes them, opcode by opcode (compiled form)."""

from __future__ import annotations

import gc
import io
import pickle
import sys
from types import ModuleType
from typing import Any

import pytest
from attacks.asm import (
    APPENDS,
    BUILD,
    DICT,
    LIST,
    MARK,
    MEMOIZE,
    NEWOBJ,
    NONE,
    POP,
    REDUCE,
    SETITEM,
    SETITEMS,
    TUPLE0,
    TUPLE2,
    blob,
    list_of,
    name,
    number,
    op,
    pickled,
    text,
)
from decoding.left_behind import doubtful, least_memory, passes
from hypothesis import given
from hypothesis import strategies as st

from safepickle.limits import Limits
from safepickle.policy.rules import Policy

HERE = __name__
GET = op("BINGET", 0)
#: Does nothing, and is nothing that picklers write behind a class.
NOTHING = NONE + POP


class Point:
    """An ordinary class, with a property among its attributes."""

    _hidden = 0

    @property
    def area(self) -> int:
        return 5

    @area.setter
    def area(self, value: int) -> None:
        raise AssertionError("a property ran")


class Slotted:
    __slots__ = ("left", "right")


class Wider(Slotted):
    """Has a dict beside the slots of its base."""


class Setting:
    """Takes its state itself."""

    def __setstate__(self, state: Any) -> None:
        self.given = state


class Making:
    """Makes its instances itself."""

    def __new__(cls) -> Making:
        made = super().__new__(cls)
        made.made = True  # type: ignore[attr-defined]
        return made


def made_anew(kind: type) -> Any:
    made = object.__new__(kind)
    made.made = True  # type: ignore[attr-defined]
    return made


class Sizing:
    """Says itself how large its instances are."""

    def __sizeof__(self) -> int:
        raise AssertionError("its size was asked")


#: How many of the next were let go.
GONE: list[int] = []


class Dying:
    """Says when an instance goes."""

    def __del__(self) -> None:
        GONE.append(1)


#: What the next ones have for their attributes.
SHARED: dict[str, Any] = {}


class Posing:
    """Has a property where others have their attributes."""

    __dict__ = property(lambda self: SHARED)  # type: ignore[assignment]


class Left:
    __slots__ = ("left",)


class AlsoLeft:
    __slots__ = ("left",)


class Changing:
    """Changes the other classes when it is given state."""

    def __setstate__(self, state: Any) -> None:
        kind: Any = globals()["Changed"]
        if state == "property":
            kind.late = property(lambda self: 7)
        elif state == "new":
            kind.__new__ = made_anew
        elif state == "another":
            kind.__new__ = lambda kind: THE_POINT
        elif state == "abstract":
            kind.__abstractmethods__ = frozenset(["nothing"])
        elif state == "bases":
            kind.__bases__ = (AlsoLeft,)
        elif state == "setstate":
            kind.__setstate__ = lambda self, given: None


#: Stands for a class that is another one for each test, as one that had a ``__new__`` is never again what it was.
Changed: Any = None
THE_POINT = Point()
KINDS = {"Point": Point, "Slotted": Slotted, "Wider": Wider, "Setting": Setting, "Making": Making, "Sizing": Sizing}
RULES = "".join(f'"{HERE}:{kind}" = ["new", "build"]\n' for kind in (*KINDS, "Changing", "Changed", "Dying", "Posing"))
POLICY = Policy.from_text(f"schema = 1\n[globals]\n{RULES}")


def described(value: Any, seen: dict[int, int] | None = None) -> Any:
    """Return what a value is made of, in its order, with a number for what is at more than one place."""
    seen = {} if seen is None else seen
    if isinstance(value, (list, tuple, dict, *KINDS.values())):
        if id(value) in seen:
            return "again", seen[id(value)]
        seen[id(value)] = len(seen)
    if type(value) in (list, tuple):
        return type(value).__name__, [described(part, seen) for part in value]
    if type(value) is dict:
        return "dict", [(described(key, seen), described(part, seen)) for key, part in value.items()]
    if type(value) in KINDS.values() or type(value).__name__ == "Changed":
        slots = ("left", "right") if isinstance(value, Slotted) else ()
        inner = [described(getattr(value, slot, "unset"), seen) for slot in slots]
        return type(value).__name__, described(getattr(value, "__dict__", None), seen), inner
    return repr(value)


def outcome(sp: ModuleType, data: bytes, **bounds: int) -> Any:
    """Return the value, or what was refused and why, but for where."""
    try:
        return described(sp.loads(data, policy=POLICY, limits=Limits(**bounds)))
    except sp.PolicyError as error:
        return [(denial.name, denial.right, denial.reason) for denial in error.denials]
    except sp.LimitError as error:
        # Memory is paid for where a slice of the loop ends, and opcodes are in another order.
        return error.limit, error.limit in ("max_memory", "max_opcodes") or error.opcode
    except sp.SafePickleError as error:
        return type(error), error.opcode, str(error).partition(" at byte")[0]


def both_ways(kind: str, *calls: bytes, before: bytes = b"", behind: bytes = b"") -> tuple[bytes, bytes]:
    """Return a pickle of these instances of a class, and one of which each opcode is carried out by the loop.

    Both have the same opcodes: what does nothing stands before the class is fetched, or behind that.
    """
    head = [name(HERE, kind), MEMOIZE, POP, before, LIST, MARK]
    ahead = b"".join(NOTHING + GET + TUPLE0 + NEWOBJ + call for call in calls)
    slowly = b"".join(GET + NOTHING + TUPLE0 + NEWOBJ + call for call in calls)
    return pickled(*head, ahead, behind, APPENDS), pickled(*head, slowly, behind, APPENDS)


def given_dict(*pairs: bytes) -> bytes:
    return DICT + MARK + b"".join(pairs) + SETITEMS + BUILD


def given_slots(*pairs: bytes) -> bytes:
    return NONE + DICT + MARK + b"".join(pairs) + SETITEMS + TUPLE2 + BUILD


X, Y = text("x") + number(1), text("y") + text("why")
GOOD = {
    "Point": given_dict(X, Y),
    "Slotted": given_slots(text("left") + number(1), text("right") + NONE),
    "Wider": given_dict(X, Y),
    "Setting": given_dict(X, Y),
    "Making": given_dict(X, Y),
    "Sizing": given_dict(X, Y),
}

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
parts = leaves | st.lists(leaves, max_size=3) | st.dictionaries(st.text(max_size=3), leaves, max_size=2)
names = st.sampled_from(["x", "y", "_hidden", "é", "a rather long name of an attribute", ""])


@st.composite
def instances(draw: st.DrawFn) -> Any:
    kind = draw(st.sampled_from(list(KINDS.values())))
    made = kind()
    for attribute, value in draw(st.dictionaries(names, parts, max_size=4)).items():
        if kind is Slotted:
            setattr(made, draw(st.sampled_from(["left", "right"])), value)
        else:
            made.__dict__[attribute] = value
    return made


@given(
    values=st.lists(instances(), min_size=1, max_size=8),
    protocol=st.integers(2, 5),
    ours=st.booleans(),
    chunk=st.integers(1, 40),
)
def test_values_are_those_of_pickle(sp: ModuleType, values: list[Any], protocol: int, ours: bool, chunk: int) -> None:
    values = [*values, *values[::-1]]
    data: bytes = sp.dumps(values, protocol, policy=POLICY) if ours else pickle.dumps(values, protocol)
    expected = described(pickle.loads(data))
    assert described(sp.loads(data, policy=POLICY)) == expected

    class Slow(io.BytesIO):
        """Gives a few bytes at a time."""

        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(chunk if size is None or size < 0 else min(size, chunk))

    assert described(sp.load(Slow(data), policy=POLICY)) == expected


@pytest.mark.parametrize("noted", range(8))
@pytest.mark.parametrize("kind", ["Point", "Slotted"])
def test_the_memo_holds_what_the_loop_notes(sp: ModuleType, kind: str, noted: int) -> None:
    """The instance, its state and the tuple of its slots, where MEMOIZE stands behind it, and only then."""
    notes = [MEMOIZE if noted >> bit & 1 else b"" for bit in range(3)]
    if kind == "Point":
        call = notes[0] + DICT + notes[1] + MARK + X + Y + SETITEMS + BUILD + (notes[2] and number(1) + POP)
        entries = (noted & 3).bit_count()
    else:
        state = DICT + notes[1] + MARK + text("left") + number(1) + SETITEMS
        call = notes[0] + NONE + state + TUPLE2 + notes[2] + BUILD
        entries = noted.bit_count()
    gets = b"".join(op("BINGET", index) + op("LONG_BINGET", index) for index in range(1, 1 + 4 * entries))
    head = [name(HERE, kind), MEMOIZE, POP, LIST, MARK]
    data = pickled(*head, (GET + TUPLE0 + NEWOBJ + call) * 4, gets + op("GET", 1 if entries else 0), APPENDS)
    if not entries:
        data = data.replace(op("GET", 0), b"")
    assert described(sp.loads(data, policy=POLICY)) == described(pickle.loads(data))


def test_state_that_is_fetched_again_is_a_dict_of_its_own(sp: ModuleType) -> None:
    """What is put into it later, the instance has not; and another instance may have it all."""
    call = GET + TUPLE0 + NEWOBJ + DICT + MEMOIZE + MARK + X + Y + SETITEMS + BUILD
    more = op("BINGET", 4) + MARK + text("z") + number(3) + SETITEMS
    other = GET + TUPLE0 + NEWOBJ + op("BINGET", 4) + BUILD
    data = pickled(name(HERE, "Point"), MEMOIZE, POP, LIST, MARK, call * 4, more, other, op("BINGET", 4), APPENDS)
    found = sp.loads(data, policy=POLICY)
    assert described(found) == described(pickle.loads(data))
    assert found[4] is found[6]
    assert vars(found[3]) == {"x": 1, "y": "why"}
    assert vars(found[5]) == {"x": 1, "y": "why", "z": 3} == found[4]


#: State that is no dict of plain attributes, or not written as picklers write it, by what it is.
ODD: dict[str, bytes] = {
    "nothing": b"",
    "None": NONE + BUILD,
    "no attributes": DICT + BUILD,
    "no items": given_dict(),
    "one item": DICT + X + SETITEM + BUILD,
    "one item behind a mark": DICT + MARK + X + SETITEM + BUILD,
    "two items without a mark": DICT + X + SETITEM + Y + SETITEM + BUILD,
    "items without a mark": DICT + X + Y + SETITEMS + BUILD,
    "no value": given_dict(X, text("y")),
    "the same twice": given_dict(X, Y, X, text("x") + number(2)),
    "set in two": DICT + MARK + X + SETITEMS + MARK + Y + SETITEMS + BUILD,
    "given twice": given_dict(X) + given_dict(Y),
    "no end": DICT + MARK + X + Y,
    "no BUILD": DICT + MARK + X + Y + SETITEMS,
    "a hook": given_dict(X, text("__class__") + number(1)),
    "__dict__": given_dict(text("__dict__") + number(1)),
    "a private name": given_dict(text("_hidden") + number(1), text("_Point__x") + number(2)),
    "an underscore": given_dict(text("_") + number(1), text("__") + number(2)),
    "no name": given_dict(text("") + number(1)),
    "a property": given_dict(text("area") + number(1), X),
    "a late property": given_dict(text("late") + number(1), X),
    "a slot": given_dict(text("left") + number(1)),
    "a number for a name": given_dict(number(5) + number(1)),
    "None for a name": given_dict(NONE + number(1)),
    "bytes for a name": given_dict(blob(b"x") + number(1)),
    "a list": given_dict(X, text("y") + list_of(number(1), number(2))),
    "an empty list": given_dict(text("y") + LIST, X),
    "a list first": given_dict(text("y") + LIST),
    "a dict in a dict": given_dict(X, text("y") + DICT + MEMOIZE + X + SETITEM),
    "a tuple": given_dict(X, text("y") + number(1) + number(2) + TUPLE2),
    "bytes": given_dict(X, text("y") + blob(b"bytes")),
    "a class": given_dict(X, text("y") + GET),
    "another one": given_dict(X, text("y") + GET + TUPLE0 + NEWOBJ + given_dict(X)),
    "a large int": given_dict(text("y") + op("LONG1", b"\xff" * 9), X),
    "an int of eight bytes": given_dict(text("y") + op("LONG1", b"\x7f" * 8), X),
    "no UTF-8": given_dict(text("y") + op("SHORT_BINUNICODE", b"\xff\xfe")),
    "a surrogate": given_dict(text("y") + text("\ud800")),
    "long text": given_dict(text("y") + op("BINUNICODE", "a" * 300), X),
    "many bytes": given_dict(*(text(f"name{index}") + text("a" * 200) for index in range(9))),
    "many attributes": given_dict(*(text(f"name{index}") + NONE for index in range(40))),
    "a long name": given_dict(text("a" * 70) + NONE),
    "slots": given_slots(text("left") + number(1)),
    "one slot": NONE + DICT + text("left") + number(1) + SETITEM + TUPLE2 + BUILD,
    "no such slot": given_slots(text("middle") + number(1)),
    "a hook among slots": given_slots(text("__class__") + number(1)),
    "a slot of two": DICT + X + SETITEM + DICT + text("left") + number(1) + SETITEM + TUPLE2 + BUILD,
    "slots with no BUILD": NONE + DICT + MARK + text("left") + number(1) + SETITEMS + TUPLE2,
    "slots with no tuple": NONE + DICT + MARK + text("left") + number(1) + SETITEMS + BUILD,
    "a list for a slot": given_slots(text("left") + LIST),
    "a call": given_dict(X, text("y") + name("os", "system") + text("id") + REDUCE),
    "an entry that is not there": given_dict(X, text("y") + op("BINGET", 200)),
    "the list": given_dict(X, text("y") + op("BINGET", 1)),
    "text of the memo": given_dict(X, text("y") + op("BINGET", 2), op("BINGET", 2) + op("LONG_BINGET", 2)),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_odd_among_others_is_as_in_the_loop(sp: ModuleType, kind: str, odd: str) -> None:
    good = GOOD[kind]
    before = LIST + MEMOIZE + POP + text("some text") + MEMOIZE + POP
    for calls in ([good, good, good, ODD[odd], good], [ODD[odd]] * 3 + [good] * 3):
        there, slowly = both_ways(kind, *calls, before=before)
        found = outcome(sp, there)
        assert found == outcome(sp, slowly)
        for bounds in ({"max_depth": 4}, {"max_items": 7}, {"max_items": 100}, {"max_memo": 4}):
            assert outcome(sp, there, **bounds) == outcome(sp, slowly, **bounds)


def test_a_slot_of_another_base_is_as_in_the_loop(sp: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the class has now has the same name, and is not what was set before."""
    changing = name(HERE, "Changing") + TUPLE0 + NEWOBJ + text("bases") + BUILD + POP
    good = given_slots(text("left") + number(1))
    found = []
    for data in both_ways("Changed", good, good, good, good + changing, good, good):
        made = type("Changed", (Left,), {"__module__": HERE, "__slots__": ()})
        monkeypatch.setitem(globals(), "Changed", made)
        found.append(outcome(sp, data))
    assert found[0] == found[1]
    assert found[0][1] == "BUILD"


def test_a_property_that_comes_with_the_collector_does_not_run(
    sp: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making an instance may call the collector, and that the program."""
    there, _ = both_ways("Changed", *[given_dict(X)] * 40)
    ran = []

    def change(phase: str, info: Any) -> None:
        Changed.x = property(lambda self: 1, lambda self, value: ran.append(value))

    thresholds = gc.get_threshold()
    try:
        for threshold in range(1, 60):
            monkeypatch.setitem(globals(), "Changed", type("Changed", (), {"__module__": HERE}))
            gc.collect()
            gc.callbacks.append(change)
            gc.set_threshold(threshold)
            outcome(sp, there)
            gc.set_threshold(*thresholds)
            gc.callbacks.remove(change)
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks[:] = [callback for callback in gc.callbacks if callback is not change]
    assert not ran


@pytest.mark.parametrize("change", ["property", "new", "another", "abstract", "setstate", "nothing"])
def test_a_class_that_changes_meanwhile_is_as_in_the_loop(
    sp: ModuleType, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Properties are not run, and code that the class has got since is not left out."""
    changing = name(HERE, "Changing") + TUPLE0 + NEWOBJ + text(change) + BUILD + POP
    good = given_dict(X, text("late") + number(1), text("area") + number(2))
    found = []
    for data in both_ways("Changed", good, good, good, good + changing, good, good):
        monkeypatch.setitem(globals(), "Changed", type("Changed", (), {"__module__": HERE}))
        vars(THE_POINT).clear()
        found.append((outcome(sp, data), dict(vars(THE_POINT))))
    assert found[0] == found[1]
    assert len(found[0][0][1]) == 6 or change in ("another", "abstract")
    assert change != "abstract" or found[0][0][1] == "NEWOBJ"


def test_nothing_is_made_once_something_was_denied(sp: ModuleType) -> None:
    good = GOOD["Point"]
    denied = name("os", "system") + text("id") + op("TUPLE1") + REDUCE
    there, slowly = both_ways("Point", good, good, good, good + denied, *[good] * 20)
    found = outcome(sp, there)
    assert found == outcome(sp, slowly)
    assert [denial[0] for denial in found] == ["system"]
    there, _ = both_ways("Dying", good, good, good, good + denied, *[good] * 20)
    outcome(sp, there)
    GONE.clear()
    outcome(sp, there)
    gc.collect()
    assert len(GONE) == 4


def test_attributes_go_where_the_class_has_them(sp: ModuleType) -> None:
    for data in both_ways("Posing", *[GOOD["Point"]] * 5, given_dict(text("z") + NONE), GOOD["Point"]):
        SHARED.clear()
        outcome(sp, data)
        assert SHARED == {"x": 1, "y": "why", "z": None}


def test_what_has_a_contract_is_asked_of_each(sp: ModuleType) -> None:
    policy = Policy.from_text('schema = 1\n[globals]\n"collections:UserString" = ["new", "build"]\n')
    call = GET + TUPLE0 + NEWOBJ + DICT + MARK + text("data") + text("a text") + SETITEMS + BUILD
    wrong = call.replace(text("a text"), number(5))
    head = name("collections", "UserString") + MEMOIZE + POP
    assert sp.loads(pickled(head, LIST, MARK, call * 5, APPENDS), policy=policy) == ["a text"] * 5
    with pytest.raises(sp.PolicyError, match="its state is refused"):
        sp.loads(pickled(head, LIST, MARK, call * 4, wrong, call, APPENDS), policy=policy)


def test_a_class_without_a_right_is_refused_however_often_it_comes(sp: ModuleType) -> None:
    """The right to be made is not that to be given state."""
    policy = Policy.from_text(f'schema = 1\n[globals]\n"{HERE}:Point" = ["new"]\n')
    there, _ = both_ways("Point", b"", b"", b"", GOOD["Point"], GOOD["Point"])
    for _ in range(2):
        with pytest.raises(sp.PolicyError) as caught:
            sp.loads(there, policy=policy)
        assert [denial.right for denial in caught.value.denials] == ["build"]


def test_constraints_are_asked_of_each(sp: ModuleType) -> None:
    rule = f'module = "{HERE}"\nnames = ["Point"]\nrights = ["new", "build"]\nstate = {{ x = "int", y = "str" }}\n'
    policy = Policy.from_text(f"schema = 1\n[[allow]]\n{rule}")
    there, _ = both_ways("Point", *[GOOD["Point"]] * 4, given_dict(X, text("z") + number(1)), GOOD["Point"])
    with pytest.raises(sp.PolicyError, match="its state is refused"):
        sp.loads(there, policy=policy)


@pytest.mark.parametrize("kind", ["Point", "Slotted"])
def test_a_pickle_that_ends_within_is_refused(sp: ModuleType, kind: str) -> None:
    data, _ = both_ways(kind, *[MEMOIZE + GOOD[kind]] * 4)
    for end in range(2, len(data)):
        with pytest.raises(sp.SafePickleError):
            sp.loads(data[:end], policy=POLICY)
        with pytest.raises(sp.SafePickleError):
            sp.load(io.BytesIO(data[:end]), policy=POLICY)


LIMITED = ("bytes", "opcodes", "memory", "objects", "calls", "memo", "string", "depth", "items", "hash_work")


def many(kind: str) -> tuple[bytes, bytes]:
    """Return pickles of several, with texts and lists among them, and entries of the memo."""
    good = MEMOIZE + GOOD[kind].replace(DICT, DICT + MEMOIZE).replace(TUPLE2, TUPLE2 + MEMOIZE)
    key = b"left" if kind == "Slotted" else b"x"
    other = good.replace(text(key.decode()) + number(1), text(key.decode()) + list_of(number(1), NONE))
    return both_ways(kind, *[good, good, other, good, good + TUPLE0 + POP, good] * 2)


@pytest.mark.parametrize("limit", [f"max_{what}" for what in LIMITED])
@pytest.mark.parametrize("kind", ["Point", "Slotted", "Wider"])
def test_limits_are_met_where_the_loop_meets_them(sp: ModuleType, kind: str, limit: str) -> None:
    there, slowly = many(kind)
    for bound in range(1, 12_000, 7) if limit == "max_memory" else range(1, 400):
        assert outcome(sp, there, **{limit: bound}) == outcome(sp, slowly, **{limit: bound})
    assert outcome(sp, there)[0] == "list"


def test_slots_are_counted_as_items(sp: ModuleType) -> None:
    """Also where one is set again and again."""
    left, right = (text(slot) + number(1) for slot in ("left", "right"))
    calls = [given_slots(left), given_slots(right), given_slots(left, right), given_slots(left, right, left, right)]
    there, slowly = both_ways("Slotted", *calls)
    for bound in range(1, 6):
        assert outcome(sp, there, max_items=bound) == outcome(sp, slowly, max_items=bound)
    assert outcome(sp, there, max_items=3)[0] == "max_items"


def test_what_has_a_size_of_its_own_is_paid_for_among_others(sp: ModuleType) -> None:
    call = TUPLE0 + NEWOBJ + GOOD["Sizing"]
    before = name(HERE, "Sizing") + MEMOIZE + POP
    get = op("BINGET", 1)
    there, slowly = (
        both_ways("Point", *[GOOD["Point"]] * 4, before=before, behind=one * 8)[0]
        for one in (NOTHING + get + call, get + NOTHING + call)
    )
    for bound in range(9_000, 14_000, 7):
        assert outcome(sp, there, max_memory=bound) == outcome(sp, slowly, max_memory=bound)


@pytest.mark.parametrize("kind", ["Point", "Slotted"])
def test_names_that_come_twice_are_paid_for_as_in_the_loop(sp: ModuleType, kind: str) -> None:
    if kind == "Point":
        state, again = given_dict(X), given_dict(*[X] * 20)
    else:
        left = text("left") + number(1)
        state, again = given_slots(left), given_slots(*[left] * 20)
    there, slowly = both_ways(kind, state, state, state, *[again] * 8)
    for bound in range(1, 60_000, 41):
        assert outcome(sp, there, max_memory=bound) == outcome(sp, slowly, max_memory=bound)


@pytest.mark.parametrize("kind", ["Point", "Slotted"])
def test_marks_and_what_waits_are_bounded_as_in_the_loop(sp: ModuleType, kind: str) -> None:
    for waiting in (MARK, NONE):
        for count in range(1, 120):
            there, slowly = (
                pickled(name(HERE, kind), MEMOIZE, POP, (call + POP) * 3, waiting * count, call * 3)
                for call in (NOTHING + GET + TUPLE0 + NEWOBJ + GOOD[kind], GET + NOTHING + TUPLE0 + NEWOBJ + GOOD[kind])
            )
            assert outcome(sp, there, max_depth=5) == outcome(sp, slowly, max_depth=5)


def test_an_inlay_is_asked_of_each(sp: ModuleType) -> None:
    """As the joblib files are read, which have data behind some objects."""
    session = sys.modules[f"{sp.__name__}.decoding.session"]
    there, _ = both_ways("Point", *[GOOD["Point"]] * 5)
    machine = session.open_machine(there, None, POLICY, Limits(), None, None, True, "ASCII", "strict", None, False)
    asked = []

    class Inlay:
        def built(self, machine: Any, made: Any) -> Any:
            asked.append(made)
            return made

    machine.inlay = Inlay()
    machine.run()
    assert len(asked) == 5


@pytest.mark.parametrize("kind", ["Point", "Slotted", "Wider"])
def test_depth_is_counted_through_what_is_made_ahead(sp: ModuleType, kind: str) -> None:
    """An instance is a level, and its state is one or two, where they are, and wherever they are fetched again."""
    good = MEMOIZE + GOOD[kind].replace(DICT, DICT + MEMOIZE).replace(TUPLE2, TUPLE2 + MEMOIZE)
    entries = 3 if kind == "Slotted" else 2
    nested = {index: [op("BINGET", index)] * 2 for index in range(1, 1 + 5 * entries)}
    nested[0] = [NOTHING + GET + TUPLE0 + NEWOBJ + good, GET + NOTHING + TUPLE0 + NEWOBJ + good]
    for inner in nested.values():
        ahead, slow = (LIST * 6 + one + op("APPEND") * 6 for one in inner)
        there = both_ways(kind, *[good] * 5, behind=ahead)[0]
        slowly = both_ways(kind, *[good] * 5, behind=slow)[1]
        for bound in range(1, 14):
            assert outcome(sp, there, max_depth=bound) == outcome(sp, slowly, max_depth=bound)


def test_reference_counts_are_right(sp: ModuleType) -> None:
    """What the instances had is let go with them, and what the load had when it ends."""
    there, _ = many("Point")
    odd = [both_ways("Point", GOOD["Point"], GOOD["Point"], GOOD["Point"], state)[0] for state in ODD.values()]
    for data in (there, there[:-3], *odd):
        outcome(sp, data)
    gc.collect()
    known = [None, Point, "why", "x", True, ()]
    before = [sys.getrefcount(one) for one in known]
    for data in (there, there[:-3], *odd) * 20:
        outcome(sp, data)
    gc.collect()
    # What is kept of classes from load to load is there already.
    assert all(abs(sys.getrefcount(one) - count) < 15 for one, count in zip(known, before, strict=True))


@pytest.mark.parametrize("kind", ["Point", "Slotted"])
def test_memory_is_paid_for_what_is_held_where_all_is_walked(sp: ModuleType, kind: str) -> None:
    """After many doubts about depths all that the memo has is looked at: also what nobody has asked for."""

    def rules(form: ModuleType) -> Any:
        return form.Policy.from_text(f'schema = 1\n[globals]\n"{HERE}:{kind}" = ["new", "build"]\n')

    state = DICT + MEMOIZE + MARK + text("left") + number(1) + text("right") + number(2) + SETITEMS
    state = NONE + state + TUPLE2 + MEMOIZE if kind == "Slotted" else state
    made = GET + TUPLE0 + NEWOBJ + MEMOIZE + state + BUILD
    entries = 1 + 60 * (3 if kind == "Slotted" else 2)
    data = doubtful(name(HERE, kind), MEMOIZE, POP, made * 60, entries=entries)
    least = least_memory(data, rules)
    assert passes(sp, data, rules, least)
    assert not passes(sp, data, rules, least - 1)
