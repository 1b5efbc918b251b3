"""dumps refuses what loads under the same policy would refuse, and runs no code that the policy does not name (S11)."""

from __future__ import annotations

import collections
import copyreg
import datetime
import decimal
import functools
import io
import os
import pickle
import sys
from types import ModuleType
from typing import Any

import pytest
from encoding.values import Built, BuiltToo, Listed, Mapped, Named, Point, Reduces, make, set_state

HERE = Point.__module__


def policy_for(sp: ModuleType, **rights: str) -> Any:
    """A policy with rules for globals of the values module, `Outer__Inner` standing for a dotted name."""
    return sp.Policy(
        name="test",
        rules=[
            sp_rule(sp, HERE, name.replace("__", "."), given)
            for name, given in rights.items()
        ],
    )


def sp_rule(sp: ModuleType, module: str, name: str, rights: str) -> Any:
    from safepickle.policy.rules import Right, Rule

    return Rule(module=module, name=name, rights=Right.parse(rights.split()))


def denial(sp: ModuleType, value: Any, policy: Any, **options: Any) -> Any:
    with pytest.raises(sp.PolicyError) as caught:
        sp.dumps(value, policy=policy, **options)
    (first,) = caught.value.denials
    assert first.path == caught.value.path
    assert isinstance(caught.value, pickle.PicklingError)
    return first


PLAIN_VALUES = [
    None, True, 5, 2.5, 1j, "x", b"x", b"", bytearray(b"x"), bytearray(), [1], (1,), {1: 2}, {1}, set(), frozenset([1]),
    frozenset(), range(3), slice(1, 2), ..., NotImplemented, type(None), type(...), type(NotImplemented),
]  # fmt: skip


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_needs_no_rule_and_is_read_back(sp: ModuleType, protocol: int) -> None:
    for value in PLAIN_VALUES:
        data = sp.dumps([value, [value]], protocol)
        assert sp.loads(data) == [value, [value]] == pickle.loads(data)
    assert type(sp.loads(sp.dumps(object(), protocol)) if protocol >= 2 else object()) is object


def test_code_of_an_unnamed_class_is_not_run(sp: ModuleType) -> None:
    Reduces.asked = 0
    first = denial(sp, {"model": [0, Reduces((make, ()))]}, sp.PLAIN)
    assert Reduces.asked == 0
    assert (first.module, first.name, first.path) == (HERE, "Reduces", "root['model'][1]")
    assert first.suggestion
    assert HERE in first.suggestion


def test_the_path_goes_through_state(sp: ModuleType) -> None:
    value = {"model": Point(steps=[1, Reduces((make, ()))])}
    first = denial(sp, value, policy_for(sp, Point="new build"))
    assert first.path == "root['model'].steps[1]"
    value = [Point(a=Point(b={"k": (1, make)}))]
    first = denial(sp, value, policy_for(sp, Point="new build"))
    assert (first.name, first.right, first.path) == ("make", "refer", "root[0].a.b['k'][1]")


def test_rights_are_separate(sp: ModuleType) -> None:
    def right(value: Any, **rules: str) -> str:
        return str(denial(sp, value, policy_for(sp, **rules)).right)

    assert right(Point(), Point="refer call build append setitem add") == "new"
    assert right(Point(a=1), Point="refer call new append setitem add") == "build"
    assert right(Point, Point="call new build") == "refer"
    assert right(make, make="call") == "refer"
    assert right(Reduces((make, (1,))), Reduces="call", make="refer new") == "call"
    assert right(Listed([1]), Listed="new build setitem add") == "append"
    assert right(Mapped(a=1), Mapped="new build append add") == "setitem"
    assert right([Point(), Point], Point="new") == "refer"


@pytest.mark.parametrize("protocol", range(6))
def test_what_is_granted_is_written_and_read(sp: ModuleType, protocol: int) -> None:
    policy = policy_for(
        sp, Point="new build", Listed="new append build", Mapped="new setitem", Named="new build",
        make="call refer", Reduces="call", Point__Inner="refer new",
    )  # fmt: skip
    for value in (Point(), Point(x=1, y=[2]), Mapped(a=1), [make, make]):
        data = sp.dumps(value, protocol, policy=policy)
        assert sp.loads(data, policy=policy) == value == pickle.loads(data)
    assert sp.loads(sp.dumps(Reduces((make, (1, 2))), protocol, policy=policy), policy=policy) == [1, 2]
    assert sp.loads(sp.dumps(Point.Inner, protocol, policy=policy), policy=policy) is Point.Inner
    if protocol >= 2:
        named = sp.loads(sp.dumps(Named("n", size=3), protocol, policy=policy), policy=policy)
        assert (named.name, named.size) == ("n", 3)
        data = sp.dumps(Listed([1, [2]]), protocol, policy=policy)
        assert sp.loads(data, policy=policy) == [1, [2]]


def test_the_second_instance_is_checked_like_the_first(sp: ModuleType) -> None:
    policy = policy_for(sp, Point="new build")
    value = [Point(a=1), Point(a=2), Point(__class__x=3)]
    data = sp.dumps(value, policy=policy)
    assert sp.loads(data, policy=policy) == value
    value[2].__dict__["__reduce__"] = 4
    with pytest.raises(sp.EncodingError, match="say how to write it"):
        sp.dumps(value, policy=policy)
    del value[2].__dict__["__reduce__"]
    value[2].__dict__["__class__"] = 4
    with pytest.raises(sp.EncodingError, match="no reader sets"):
        sp.dumps(value, policy=policy)
    value[2].__dict__.clear()
    value[2].__dict__[5] = 4
    with pytest.raises(sp.EncodingError, match="no reader sets"):
        sp.dumps(value, policy=policy)


def test_methods_of_an_instance_are_data(sp: ModuleType) -> None:
    policy = policy_for(sp, Point="new build")
    obj = Point()
    obj.__dict__["__reduce_ex__"] = lambda protocol: (os.system, ("true",))
    with pytest.raises(sp.EncodingError):
        sp.dumps(obj, policy=policy)
    obj.__dict__["__getstate__"] = lambda: pytest.fail("was called")
    with pytest.raises(sp.SafePickleError):
        sp.dumps(obj, policy=policy)


def test_gadgets_stay_refused(sp: ModuleType) -> None:
    policy = policy_for(sp, Reduces="call")
    for func, args in (
        (os.system, ("true",)),
        (getattr, (Point(), "x")),
        (getattr, (sys, "modules")),
        (functools.partial, (make,)),
        (eval, ("1",)),
        (bytearray, (10**10,)),
        (bytes, (10**10,)),
        (set, (range(10),)),
        (type, ("n", (), {})),
        (copyreg._reconstructor, (Point, list, [])),  # type: ignore[attr-defined]
        (copyreg.__newobj__, (Point,)),  # type: ignore[attr-defined]
    ):
        for protocol in range(6):
            with pytest.raises((sp.PolicyError, sp.EncodingError)):
                sp.dumps(Reduces((func, args)), protocol, policy=policy)


def test_a_callable_object_is_no_callee(sp: ModuleType) -> None:
    class Callee:
        __module__ = HERE

        def __call__(self) -> None: ...

        def __reduce__(self) -> str:
            return "callee"

    first = denial(sp, Reduces((Callee(), ())), policy_for(sp, Reduces="call", callee="call refer"))
    assert first.right == "call"


def test_nested_names_below_protocol_4_need_their_owner(sp: ModuleType) -> None:
    policy = policy_for(sp, Point__Inner="refer")
    assert sp.loads(sp.dumps(Point.Inner, 4, policy=policy), policy=policy) is Point.Inner
    assert denial(sp, Point.Inner, policy, protocol=2).name == "Point"


def test_state_setters_are_calls(sp: ModuleType) -> None:
    value = Reduces((Point, (), {"x": 1}, None, None, set_state))
    first = denial(sp, value, policy_for(sp, Reduces="call", Point="call build"))
    assert (first.name, first.right) == ("set_state", "call")


def test_extension_codes_are_not_written_under_a_policy(sp: ModuleType) -> None:
    copyreg.add_extension(HERE, "make", 0xF0)
    try:
        policy = policy_for(sp, make="refer")
        assert b"make" in sp.dumps(make, 2, policy=policy)
        assert b"make" not in sp.dumps(make, 2, policy=sp.UNRESTRICTED)
    finally:
        copyreg.remove_extension(HERE, "make", 0xF0)


def test_the_standard_pack(sp: ModuleType) -> None:
    policy = sp.Policy.packs("stdlib")
    value = [
        datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), datetime.timedelta(1), decimal.Decimal("1.5"),
        collections.OrderedDict(a=1), collections.deque([1], 3), collections.Counter("aab"),
    ]  # fmt: skip
    for protocol in range(6):
        data = sp.dumps(value, protocol, policy=policy)
        assert sp.loads(data, policy=policy) == value


class FindClass:
    """A policy of the user's own."""

    def __init__(self, **found: Any) -> None:
        self.found = found
        self.asked: list[tuple[str, str]] = []

    def find_class(self, module: str, name: str) -> Any:
        self.asked.append((module, name))
        return self.found[name]


def test_a_policy_with_find_class(sp: ModuleType) -> None:
    policy = FindClass(Point=Point)
    data = sp.dumps([Point(a=1), Point(a=2)], policy=policy)
    assert policy.asked == [(HERE, "Point")]
    assert sp.loads(data, policy=policy) == [Point(a=1), Point(a=2)]
    with pytest.raises(KeyError):  # its own exception, as it was raised
        sp.dumps(make, policy=policy)
    assert denial(sp, make, FindClass(make=len)).name == "make"
    with pytest.raises(TypeError):
        sp.dumps(1, policy=None)


# -- errors ------------------------------------------------------------------------------------------------------


class Failing:
    def __reduce__(self) -> Any:
        raise ZeroDivisionError("of its own")


def test_code_that_fails_is_an_encoding_error(sp: ModuleType) -> None:
    policy = sp.Policy(name="test", rules=[sp_rule(sp, __name__, "Failing", "call")])
    with pytest.raises(sp.EncodingError) as caught:
        sp.dumps({"k": [Failing()]}, policy=policy)
    assert type(caught.value.__cause__) is ZeroDivisionError
    assert caught.value.path == "root['k'][0]"
    with pytest.raises(ZeroDivisionError):
        sp.dumps([Failing()], policy=sp.UNRESTRICTED)


def test_hooks_fail_with_their_own_exceptions(sp: ModuleType) -> None:
    class Hooked(sp.Pickler):  # type: ignore[misc,name-defined]
        def persistent_id(self, obj: Any) -> Any:
            return 1 // 0

    class Overridden(sp.Pickler):  # type: ignore[misc,name-defined]
        def reducer_override(self, obj: Any) -> Any:
            return 1 // 0

    class File:
        def write(self, data: Any) -> Any:
            return 1 // 0

    for act in (
        lambda: Hooked(io.BytesIO()).dump(1),
        lambda: Overridden(io.BytesIO()).dump(Point()),
        lambda: sp.dump(1, File()),
        lambda: sp.dump([b"x" * 100_000], File()),
        lambda: sp.dumps(pickle.PickleBuffer(b"x"), 5, buffer_callback=lambda buffer: 1 // 0),
    ):
        with pytest.raises(ZeroDivisionError):
            act()


def test_messages_are_short_and_escaped(sp: ModuleType) -> None:
    key = "\x1b[31m" + "\n" * 1000
    kind = type("Evil\x1b[0m" + "x" * 1000, (), {"__module__": HERE + "\n" * 500})
    with pytest.raises(sp.PolicyError) as caught:
        sp.dumps({key: kind()})
    text = str(caught.value)
    assert text.isprintable()
    assert text.isascii()
    assert len(text) < 1000


def test_local_and_renamed_globals(sp: ModuleType) -> None:
    def local() -> None: ...

    with pytest.raises(sp.EncodingError, match="not found"):
        sp.dumps(local, policy=sp.UNRESTRICTED)
    impostor = type("Point", (), {"__module__": HERE})
    with pytest.raises(sp.EncodingError, match="not the same object"):
        sp.dumps(impostor(), policy=policy_for(sp, Point="new build"))


@pytest.mark.parametrize("protocol", range(6))
def test_a_method_of_a_class_is_a_global_of_its_own(sp: ModuleType, protocol: int) -> None:
    """It is reached through the class that it is bound to, which is not always the one that has it."""
    values = [Built(1, 2), Built(), BuiltToo("a")]
    rights = {"Built": "refer", "BuiltToo": "refer", "Built__from_items": "call", "BuiltToo__from_items": "call"}
    policy = policy_for(sp, **rights)
    data = sp.dumps(values, protocol, policy=policy)
    assert sp.loads(data, policy=policy) == values == pickle.loads(data)
    del rights["BuiltToo__from_items"]
    first = denial(sp, values, policy_for(sp, **rights), protocol=protocol)
    assert (first.name, first.right) == ("BuiltToo.from_items", "call")
    bound = Reduces((Built(1).__eq__, (2,)))
    first = denial(sp, bound, policy_for(sp, Reduces="new", **rights), protocol=protocol)
    assert first.reason.startswith("only a global")
