"""How a class is written is kept from dump to dump (compiled), as long as the class is what it was."""

from __future__ import annotations

import collections
import copyreg
import datetime as dt
import gc
import pickle
import sys
import uuid
import weakref
from decimal import Decimal
from fractions import Fraction
from types import ModuleType
from typing import Any

import pytest

from safepickle._forms import python_form
from safepickle.errors import EncodingError, PolicyError
from safepickle.policy.rules import Policy

HERE = __name__
NAMES = ("Thing", "Slotted", "Both")


def policy_of(rights: str = '["new", "build", "refer"]') -> Policy:
    """One of its own: nothing is known under it."""
    text = "".join(f'"{HERE}:{name}" = {rights}\n' for name in NAMES)
    text += '"datetime:date" = ["refer", "call"]\n'
    return Policy.packs("stdlib") | Policy.from_text(f"schema = 1\n[globals]\n{text}")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Any:
    """This module, with classes that are new."""

    class Thing:
        def __init__(self, **fields: Any) -> None:
            vars(self).update(fields)

    class Slotted:
        __slots__ = ("x", "y")

        def __init__(self, **fields: Any) -> None:
            for name, value in fields.items():
                setattr(self, name, value)

    class Both(Slotted):
        pass

    for kind in (Thing, Slotted, Both):
        kind.__module__, kind.__qualname__ = HERE, kind.__name__
        monkeypatch.setattr(sys.modules[HERE], kind.__name__, kind, raising=False)
    return sys.modules[HERE]


def values_of(here: Any) -> list[Any]:
    shared = here.Thing(x=1, y="text")
    ring = here.Thing()
    ring.ring = [ring]
    day = dt.date(2024, 2, 29)
    return [
        here.Thing(),
        here.Thing(x=here.Thing(x=here.Slotted(x=1))),
        [shared, shared, {"again": shared}, vars(shared)],
        ring,
        [here.Slotted(), here.Slotted(x=1), here.Slotted(x=[2], y=(3,))],
        [here.Both(x=1, z=2), here.Both(z=[here.Both()])],
        [here.Thing, here.Thing(x=here.Thing), here.Slotted],
        day,
        [day, day, dt.date, dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.time(1, 2), dt.timedelta(3)],
        {Decimal("2.5"): Decimal("NaN"), Fraction(1, 3): [Decimal(1)] * 2},
        [uuid.UUID(int=3), collections.deque([day]), collections.OrderedDict(a=day), collections.Counter("aab")],
        here.Thing(day=day, total=Decimal("1.5"), parts=[here.Thing(day=day)]),
    ]


@pytest.mark.parametrize("protocol", range(6))
def test_the_first_dump_and_all_later_ones_are_the_same(sp: ModuleType, here: Any, protocol: int) -> None:
    for number, value in enumerate(values_of(here)):
        if protocol < 2 and number in (1, 4, 5):
            continue  # slots
        policy, known = policy_of(), policy_of()
        for warm in values_of(here)[: 0 if protocol < 2 else None]:
            sp.dumps(warm, protocol, policy=known)
        first = sp.dumps(value, protocol, policy=policy)
        written = {sp.dumps(value, protocol, policy=one) for one in (policy, known, policy, known)}
        assert written == {first}
        assert type(pickle.loads(first)) is type(sp.loads(first, policy=policy)) is type(value)


def test_a_reduce_method_that_comes_later_is_asked(sp: ModuleType, here: Any) -> None:
    policy = policy_of()
    for value in (here.Thing(x=1), here.Slotted(x=1)):
        kind = type(value)
        for _ in range(3):
            assert sp.loads(sp.dumps(value, policy=policy), policy=policy).x == 1
        for name, method in (
            ("__reduce__", lambda self: (dt.date, (2024, 1, 1))),
            ("__getstate__", lambda self: {"x": 5} if hasattr(self, "__dict__") else (None, {"x": 5})),
        ):
            setattr(kind, name, method)
            for _ in range(3):
                found = pickle.loads(sp.dumps(value, policy=policy))
                assert found == dt.date(2024, 1, 1) or found.x == 5
            delattr(kind, name)
        assert pickle.loads(sp.dumps(value, policy=policy)).x == 1
        copyreg.pickle(kind, lambda self: (dt.date, (2023, 1, 1)))
        try:
            assert pickle.loads(sp.dumps(value, policy=policy)) == dt.date(2023, 1, 1)
        finally:
            del copyreg.dispatch_table[kind]


def test_attributes_that_are_hooks_are_refused_of_the_first_instance(sp: ModuleType, here: Any) -> None:
    policy = policy_of()
    for _ in range(3):
        sp.dumps(here.Thing(x=1), policy=policy)
        with pytest.raises(EncodingError, match="attributes that say how"):
            sp.dumps(here.Thing(__reduce_ex__=len), policy=policy)


def test_what_no_longer_stands_under_its_name_is_not_written(sp: ModuleType, here: Any) -> None:
    policy = policy_of()
    value = here.Thing(x=1)
    for _ in range(3):
        sp.dumps(value, policy=policy)
    here.Thing = here.Slotted
    with pytest.raises(EncodingError, match="not the same object"):
        sp.dumps(value, policy=policy)
    for _ in range(3):
        assert pickle.loads(sp.dumps(here.Slotted(x=1), policy=policy)).x == 1


def test_rights_are_those_of_the_policy(sp: ModuleType, here: Any) -> None:
    """What one policy knows of a class another does not, and a class that was written to be made is no value yet."""
    policy = policy_of()
    value = here.Thing(x=1)
    for _ in range(3):
        sp.dumps([value, here.Thing, dt.date(2024, 1, 1)], policy=policy)
        for rights in ('["new"]', '["build", "refer"]', '["refer"]'):
            with pytest.raises(PolicyError):
                sp.dumps(value, policy=policy_of(rights))
        with pytest.raises(PolicyError):
            sp.dumps(value)
    unnamed = policy_of('["new", "build"]')
    for _ in range(3):
        sp.dumps(value, policy=unnamed)
        with pytest.raises(PolicyError, match="refer"):
            sp.dumps([value, here.Thing], policy=unnamed)
    never = Policy.from_text('schema = 1\n[globals]\n"datetime:date" = ["call"]\n')
    for _ in range(3):
        sp.dumps([dt.date(2024, 1, 1)], policy=never)
        with pytest.raises(PolicyError, match="refer"):
            sp.dumps([dt.date(2024, 1, 1), dt.date], policy=never)


def test_a_metaclass_in_the_dispatch_table_is_asked(sp: ModuleType, here: Any) -> None:
    class Meta(type):
        pass

    class Thing(metaclass=Meta):
        pass

    Thing.__module__, Thing.__qualname__ = HERE, "Thing"
    here.Thing = Thing
    policy = policy_of()
    first = sp.dumps([Thing(), Thing()], policy=policy)
    assert sp.dumps([Thing(), Thing()], policy=policy) == first
    copyreg.pickle(Meta, lambda _: "Other")  # type: ignore[arg-type]
    try:
        with pytest.raises(EncodingError, match="not found as"):
            sp.dumps([Thing()], policy=policy)
    finally:
        del copyreg.dispatch_table[Meta]


def test_helpers_that_a_rule_names_are_written_as_they_are_read(sp: ModuleType, here: Any) -> None:
    """The class in them needs the right to be made, whatever the policy says of the helper."""
    reconstruct = copyreg._reconstructor  # type: ignore[attr-defined]

    class Reduces:
        def __reduce__(self) -> Any:
            return reconstruct, (here.Slotted, object, None)

    Reduces.__module__, Reduces.__qualname__ = HERE, "Thing"
    here.Thing = Reduces
    text = f'"{HERE}:Thing" = ["refer"]\n"{HERE}:Slotted" = ["refer"]\n'
    policy = Policy.from_text(f'schema = 1\n[globals]\n{text}"copyreg:_reconstructor" = ["call"]\n')
    for _ in range(3):
        with pytest.raises(PolicyError, match="new"):
            sp.dumps([Reduces(), Reduces()], policy=policy)


def test_where_a_dump_begins_again_all_is_asked_for_again(sp: ModuleType, here: Any) -> None:
    """A class that was written to be made was a value without the right to be one, if code of the data came between."""

    class Own:
        def __getstate__(self) -> Any:
            return {"x": 1}

    Own.__module__, Own.__qualname__ = HERE, "Both"
    here.Both = Own
    policy = policy_of('["new", "build"]')
    for value in ([here.Thing(), Own(), here.Thing], [here.Thing(), Own(), here.Thing(), here.Thing]):
        for _ in range(3):
            with pytest.raises(PolicyError, match="refer"):
                sp.dumps(value, policy=policy)
    assert len(sp.loads(sp.dumps([here.Thing(), Own(), here.Thing()], policy=policy), policy=policy)) == 3


class Refusing:
    """A user's own policy, which is asked for what the reader asks for alone."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"no {module}.{name}")


@pytest.mark.parametrize("value", [range(3), 1j, slice(1, 2), type(None), {1}, bytearray(b"x")], ids=repr)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_helpers_are_not_asked_for_under_a_user_s_policy(sp: ModuleType, value: Any, protocol: int) -> None:
    for _ in range(2):
        assert sp.loads(sp.dumps(value, protocol, policy=Refusing()), policy=Refusing()) == value


@pytest.mark.parametrize("value", [range(3), 1j, slice(1, 2), type(None), {1}, bytearray(b"x")], ids=repr)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_helpers_that_were_written_are_no_values_yet(sp: ModuleType, value: Any, protocol: int) -> None:
    kind = type if value is type(None) else type(value)
    nothing = Policy.from_text("schema = 1\n")
    assert sp.loads(sp.dumps([value, value], protocol, policy=nothing), policy=nothing) == [value, value]
    with pytest.raises(PolicyError, match="refer"):
        sp.dumps([value, kind], protocol, policy=nothing)


def test_a_user_s_policy_is_not_kept_alive(sp: ModuleType, here: Any) -> None:
    class Own:
        def find_class(self, module: str, name: str) -> Any:
            return getattr(sys.modules[module], name)

    policy = Own()
    there = weakref.ref(policy)
    sp.dumps([here.Thing(x=1)], policy=policy)
    del policy
    gc.collect()
    assert there() is None


def test_an_instance_and_its_attributes_are_two_objects(sp: ModuleType, here: Any) -> None:
    for count in (1, 2, 5):
        value = [here.Thing(x=number) for number in range(count)]
        for _ in range(2):
            policy = policy_of()
            data = sp.dumps(value, policy=policy)
            for most in range(1, 40):
                limits = sp.Limits(max_objects=most)
                try:
                    sp.loads(data, policy=policy, limits=limits)
                except sp.LimitError:
                    with pytest.raises(sp.LimitError):
                        sp.dumps(value, policy=policy, limits=limits)


def test_slots_that_are_no_longer_declared_are_refused(sp: ModuleType, here: Any) -> None:
    copyreg._slotnames(here.Slotted)  # type: ignore[attr-defined]
    del here.Slotted.__slots__
    for _ in range(2):
        with pytest.raises(EncodingError, match="slot"):
            sp.dumps(here.Slotted(x=1), policy=policy_of())


def test_a_metaclass_s_setstate_is_no_object_s(sp: ModuleType, here: Any) -> None:
    class Meta(type):
        def __setstate__(cls, *state: Any) -> None:
            raise AssertionError

    class Thing(metaclass=Meta):
        pass

    Thing.__module__, Thing.__qualname__ = HERE, "Thing"
    here.Thing = Thing
    policy = policy_of()
    thing: Any = Thing()
    thing.x = 1
    assert sp.loads(sp.dumps(thing, policy=policy), policy=policy).x == 1
    vars(thing)["__class__"] = 1
    with pytest.raises(EncodingError):
        sp.dumps(thing, policy=policy)


def test_no_class_is_kept_alive(sp: ModuleType, here: Any) -> None:
    policy = policy_of()
    there = []
    for name in NAMES:
        value = getattr(here, name)(x=1)
        for _ in range(3):
            sp.dumps([value], policy=policy)
        there.append(weakref.ref(type(value)))
        setattr(here, name, None)
        del value
    gc.collect()
    assert [one() for one in there] == [None] * 3


@pytest.mark.parametrize("names", [{"__qualname__": "Both"}, {"__module__": "elsewhere"}, {"__qualname__": "Unnamed"}])
def test_a_class_that_has_another_name_is_asked_for_by_that(sp: ModuleType, here: Any, names: dict[str, str]) -> None:
    """The descriptors of ``type`` set names without taking away the number that the interpreter gives a class."""
    policy = policy_of()
    values = [here.Thing(x=1), here.Slotted(x=1)]
    for value in values:
        for _ in range(3):
            first = sp.dumps([value, value], policy=policy)
        kind = type(value)
        former = {name: getattr(kind, name) for name in names}
        for name, text in names.items():
            type.__dict__[name].__set__(kind, text)
        for _ in range(2):
            with pytest.raises((PolicyError, EncodingError), match=r"no rule names|not the same|not found"):
                sp.dumps([value, value], policy=policy)
        for name, text in former.items():
            type.__dict__[name].__set__(kind, text)
        assert sp.dumps([value, value], policy=policy) == first


def test_a_class_is_found_where_its_module_says(sp: ModuleType, here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module may be taken away, or something be put in its place that finds its attributes itself."""

    class Stands(ModuleType):
        def __getattribute__(self, name: str) -> Any:
            return asked.get(name) or getattr(here, name)

    policy = policy_of()
    value = [here.Thing(x=1), dt.date(2024, 2, 29)]
    for _ in range(3):
        first = sp.dumps(value, policy=policy)
    asked: dict[str, Any] = {}
    stands = Stands(HERE)
    object.__getattribute__(stands, "__dict__")["Thing"] = here.Thing
    monkeypatch.setitem(sys.modules, HERE, stands)
    assert sp.dumps(value, policy=policy) == first
    asked["Thing"] = here.Slotted
    with pytest.raises(EncodingError, match="not the same object"):
        sp.dumps(value, policy=policy)
    monkeypatch.setitem(sys.modules, HERE, ModuleType(HERE))
    with pytest.raises(EncodingError, match="not found as"):
        sp.dumps(value, policy=policy)
    monkeypatch.setitem(sys.modules, HERE, here)
    assert sp.dumps(value, policy=policy) == first


def test_a_nested_class_is_found_in_its_owner(sp: ModuleType, here: Any) -> None:
    class Slotted:
        pass

    Slotted.__module__, Slotted.__qualname__ = HERE, "Thing.Slotted"
    here.Thing.Slotted = Slotted
    policy = policy_of() | Policy.from_text(f'schema = 1\n[globals]\n"{HERE}:Thing.Slotted" = ["new", "refer"]\n')
    first = sp.dumps([Slotted()], policy=policy)
    for _ in range(2):
        assert sp.dumps([Slotted()], policy=policy) == first
        assert type(pickle.loads(first)[0]) is Slotted
    del here.Thing.Slotted
    with pytest.raises(EncodingError, match="not found as"):
        sp.dumps([Slotted()], policy=policy)


def test_what_is_kept_of_classes_does_not_grow(sp: ModuleType, here: Any) -> None:
    """A program that makes a class again and again keeps what is known of one."""
    policy = policy_of()
    alive = []
    for number in range(50):
        here.Thing = type("Thing", (), {"__module__": HERE, "__qualname__": "Thing"})
        alive.append(here.Thing)
        value = here.Thing()
        value.x = number
        for _ in range(3):
            assert pickle.loads(sp.dumps([value, dt.date(2024, 1, 1)], policy=policy))[0].x == number
    assert len(policy.granted_classes) <= len(policy.granted) <= 4


def test_a_callable_class_that_is_named_like_a_helper_is_asked_about(sp: ModuleType, here: Any) -> None:
    """Of ``__newobj__`` pickle goes by the name alone."""

    class Makes:
        def __reduce__(self) -> Any:
            return here.Thing, ()

    Makes.__module__, Makes.__qualname__ = HERE, "Slotted"
    here.Slotted = Makes
    here.Thing.__init__ = lambda self: None
    policy = policy_of('["call", "new", "build", "refer"]')
    for _ in range(3):
        assert type(pickle.loads(sp.dumps(Makes(), policy=policy))) is here.Thing
    type.__dict__["__name__"].__set__(here.Thing, "__newobj__")
    for _ in range(3):
        with pytest.raises(EncodingError, match="arglist is empty"):
            sp.dumps(Makes(), policy=policy)


def test_a_class_that_is_renamed_while_it_is_asked_for_is_not_kept(
    sp: ModuleType, here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another thread, or by a finalizer: later dumps under the policy would write a name that nothing allows."""

    def rename(self: Policy, module: str, name: str) -> tuple[str, str]:
        if name == "Thing" and not renamed:
            renamed.append(name)
            type.__dict__["__qualname__"].__set__(kind, "Other")
            monkeypatch.setattr(here, "Other", kind, raising=False)
        return former(self, module, name)

    kind, former = here.Thing, Policy.rename
    policy = policy_of()
    found_out = sp.loads(sp.dumps(here.Slotted(), policy=policy), policy=policy)
    assert type(found_out) is here.Slotted
    kind().__reduce_ex__(2)  # it has a number from here on
    renamed: list[str] = []
    monkeypatch.setattr(Policy, "rename", rename)
    for _ in range(4):
        with pytest.raises((PolicyError, EncodingError), match=r"no rule names|was called otherwise"):
            sp.dumps(kind(x=1), policy=policy)
    assert renamed


def test_a_class_that_renames_itself_is_not_written(sp: ModuleType, here: Any) -> None:
    def renames(self: Any) -> Any:
        type.__dict__["__qualname__"].__set__(here.Thing, "Other")
        here.Other = here.Thing
        return {"x": 1}

    here.Thing.__getstate__ = renames
    try:
        with pytest.raises(EncodingError, match="was called otherwise"):
            sp.dumps(here.Thing(), policy=policy_of())
    finally:
        del here.Other


def test_a_contract_is_of_the_class_as_it_is(sp: ModuleType, here: Any) -> None:
    """One that has a constructor of its own is not held to its base's contract; where that is taken away, it is."""
    if not sp.COMPILED:
        pytest.skip("the Python form does not see that a class was changed")

    class Day(dt.date):
        def __new__(cls, *_: Any) -> Any:
            return dt.date.__new__(cls, 2024, 1, 1)

        def __reduce__(self) -> Any:
            return here.Thing, (given[0],)

        def __reduce_ex__(self, protocol: Any) -> Any:
            return self.__reduce__()

    Day.__module__, Day.__qualname__ = HERE, "Thing"
    here.Thing = Day
    given = [b"\x07\xe8\x01\x01"]
    policy = policy_of('["call", "refer"]')
    day = Day()
    for _ in range(3):
        sp.dumps(day, policy=policy)
    given[0] = b"\0\0\1\1"
    sp.dumps(day, policy=policy)
    del Day.__new__
    for _ in range(2):
        with pytest.raises(PolicyError, match="no such date"):
            sp.dumps(day, policy=policy)


def test_what_the_other_form_has_granted_is_passed_over(here: Any) -> None:
    """Both forms may be given one policy, and classes of one name may follow each other."""
    compiled, python = pytest.importorskip("safepickle"), python_form()
    policy = policy_of()
    for number in range(6):
        here.Thing = type("Thing", (), {"__module__": HERE, "__qualname__": "Thing"})
        form = (python, compiled)[number % 2]
        for _ in range(3):
            assert type(pickle.loads(form.dumps(here.Thing(), policy=policy))) is here.Thing


class NoThing:
    """Allows all but one class by name, whatever is in it."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "Thing":
            raise pickle.UnpicklingError("no Thing")
        found: Any = sys.modules[module]
        for part in name.split("."):
            found = getattr(found, part)
        return found


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_owners_of_nested_classes_are_asked_for_as_they_are_read(sp: ModuleType, here: Any, protocol: int) -> None:
    class Inner:
        pass

    Inner.__module__, Inner.__qualname__ = HERE, "Thing.Inner"
    here.Thing.Inner = Inner
    if protocol < 4:
        with pytest.raises(pickle.UnpicklingError):
            sp.dumps(Inner(), protocol, policy=NoThing())
    else:
        assert type(sp.loads(sp.dumps(Inner(), protocol, policy=NoThing()), policy=NoThing())) is Inner
    text = f'schema = 1\n[[allow]]\nmodule = "{HERE}"\nclasses = "defined here"\nrights = ["new", "build", "refer"]\n'
    defined = Policy.from_text(text)
    assert type(sp.loads(sp.dumps(Inner(), protocol, policy=defined), policy=defined)) is Inner
    type.__dict__["__qualname__"].__set__(Inner, "Both.Inner")  # another name for the owner
    here.Both = here.Thing
    if protocol < 4:
        with pytest.raises(PolicyError, match="no rule names the owner"):
            sp.dumps(Inner(), protocol, policy=defined)
