"""What dumps writes under a policy and limits, loads takes under the same: the law, and the checks one by one (S11)."""

from __future__ import annotations

import array
import codecs
import collections
import copyreg
import datetime
import decimal
import enum
import fractions
import io
import ipaddress
import pathlib
import sys
import uuid
import zoneinfo
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from encoding.values import Listed, Mapped, Named, Pair, Point, Reduces, keys, make, plain_values, set_state
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from safepickle.policy.contracts import CONTRACTS
from safepickle.policy.rules import Right, Rule

HERE = Point.__module__
MINE = __name__


class Bytes(bytes):
    pass


class Array(bytearray):
    pass


class Set(set):  # type: ignore[type-arg]
    pass


class Slotted:
    __slots__ = ("a", "b")

    def __eq__(self, other: object) -> bool:
        return type(other) is Slotted and all(
            getattr(self, name, None) == getattr(other, name, None) for name in self.__slots__
        )

    def __hash__(self) -> int:
        return hash((getattr(self, "a", None), getattr(self, "b", None)))


class Both(Slotted):
    """Slots and a dict."""

    __eq__ = Slotted.__eq__
    __hash__ = Slotted.__hash__


class Key:
    """An instance that is hashed by its parts."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __eq__(self, other: object) -> bool:
        return type(other) is Key and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.parts)


class Colour(enum.Enum):
    RED = 1
    GREEN = "green"
    BOTH = (1, "green")


class Failure(ValueError):
    pass


def slotted(kind: Any, **fields: Any) -> Any:
    made = kind()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def named(text: str, size: int) -> Any:
    return Named(text, size=size)


def policy_for(sp: ModuleType, *rules: str) -> Any:
    """A policy from lines such as `make: call refer`; names without a module are of this one or the values'."""
    made = []
    for line in rules:
        name, rights = line.split(":")
        module, _, name = name.rpartition("/")
        made.append(
            Rule(
                module=module or (MINE if name.partition(".")[0] in globals_here() else HERE),
                name=name,
                rights=Right.parse(rights.split()),
            )
        )
    return sp.Policy(name="test", rules=made)


def globals_here() -> set[str]:
    return {name for name, value in globals().items() if getattr(value, "__module__", None) == MINE}


EVERYTHING = "refer call new build append setitem add"
CLASSES = (
    "Point", "Point.Inner", "Listed", "Mapped", "Named", "Slotted", "Both", "Key", "Colour", "Bytes", "Array", "Set",
    "Failure", "make",
)  # fmt: skip


def everything(sp: ModuleType) -> Any:
    return policy_for(sp, *(f"{name}: {EVERYTHING}" for name in CLASSES)) | sp.Policy.packs("stdlib")


standard = (
    st.datetimes(timezones=st.none() | st.just(datetime.UTC) | st.just(zoneinfo.ZoneInfo("Europe/Vienna")))
    | st.timedeltas()
    | st.dates()
    | st.times()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.uuids()
    | st.ip_addresses()
    | st.lists(st.integers(0, 255), max_size=4).map(lambda items: array.array("B", items))
    | st.sampled_from([pathlib.PurePosixPath("a/b"), collections.deque([1, [2]], 3), collections.Counter("aab")])
    | st.dictionaries(keys, st.integers(), max_size=4).map(collections.OrderedDict)
    | st.dictionaries(st.text(), st.integers(), max_size=4).map(lambda items: collections.defaultdict(list, items))
)
names = st.text(max_size=6) | st.sampled_from(["a", "x", "__class__", "__x__", "__", "____", "_a"])


def instances(part: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.dictionaries(names, part, max_size=3).map(lambda fields: Point(**fields))
        | st.lists(part, max_size=4).map(Listed)
        | st.dictionaries(keys, part, max_size=4).map(Mapped)
        | st.builds(named, st.text(max_size=4), st.integers())
        | st.builds(lambda a: slotted(Slotted, a=a), part)
        | st.builds(lambda a, c: slotted(Both, a=a, c=c), part, part)
        | st.builds(Failure, part)
        | st.sampled_from([*Colour, Point.Inner, make, Colour, Bytes(b"x"), Array(b"yz"), Bytes()])
        | st.sets(keys, max_size=4).map(Set)
        | st.dictionaries(st.builds(Key, keys), part, max_size=3)
        | st.frozensets(st.builds(Key, keys), max_size=3)
        | st.lists(part, max_size=3)
        | st.dictionaries(keys, part, max_size=3)
        | st.tuples(part, part)
    )


guarded_values = st.recursive(plain_values | standard, instances, max_leaves=20)


def same(a: Any, b: Any) -> bool:
    """Equality that knows exceptions, and objects without one of their own."""
    if type(a) is not type(b):
        return False
    if isinstance(a, BaseException):
        return same(a.args, b.args)
    if type(a) is Named:
        return a.__dict__ == b.__dict__
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and a.keys() == b.keys():
        return all(same(value, b[key]) for key, value in a.items())
    if type(a) in {Point, Both} and a.__dict__.keys() == b.__dict__.keys():
        return same(dict(a.__dict__), dict(b.__dict__)) and same(getattr(a, "a", None), getattr(b, "a", None))
    if type(a) is Slotted:
        return same(getattr(a, "a", None), getattr(b, "a", None))
    return bool(a == b)


limits = st.fixed_dictionaries(
    {},
    optional={
        "max_depth": st.integers(1, 8),
        "max_objects": st.integers(1, 40),
        "max_opcodes": st.integers(5, 200),
        "max_calls": st.integers(0, 12),
        "max_items": st.integers(0, 6),
        "max_string": st.integers(0, 64),
        "max_int_bits": st.integers(0, 70),
        "max_memo": st.integers(0, 12),
        "max_bytes": st.integers(10, 400),
        "max_hash_work": st.integers(0, 60),
    },
)


@settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow])
@given(value=guarded_values, protocol=st.integers(0, 5), bounds=limits)
def test_what_is_written_is_read(sp: ModuleType, value: Any, protocol: int, bounds: dict[str, int]) -> None:
    policy = everything(sp)
    for terms in (sp.Limits(), sp.Limits(**bounds)):
        try:
            data = sp.dumps(value, protocol, policy=policy, limits=terms)
        except (sp.EncodingError, sp.PolicyError, sp.LimitError):
            continue
        assert same(sp.loads(data, policy=policy, limits=terms), value)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(value=guarded_values, protocol=st.integers(0, 5), bounds=limits, data=st.data())
def test_what_is_written_under_few_rights_is_read(
    sp: ModuleType, value: Any, protocol: int, bounds: dict[str, int], data: st.DataObject
) -> None:
    rights = st.sets(st.sampled_from(EVERYTHING.split())).map(lambda found: " ".join(sorted(found)))
    policy = policy_for(sp, *(f"{name}: {data.draw(rights, name)}" for name in CLASSES)) | sp.Policy.packs("stdlib")
    terms = sp.Limits(**bounds)
    try:
        written = sp.dumps(value, protocol, policy=policy, limits=terms)
    except (sp.EncodingError, sp.PolicyError, sp.LimitError):
        return
    assert same(sp.loads(written, policy=policy, limits=terms), value)


# -- one by one: what is refused, and that the reader would refuse it too ----------------------------------------


def refused_by_both(sp: ModuleType, value: Any, policy: Any, protocol: int = 4, **bounds: Any) -> Any:
    """The error of dumps, for a value that pickle writes and the reader refuses."""
    terms = sp.Limits(**bounds)
    free = sp.dumps(value, protocol, policy=sp.UNRESTRICTED, limits=sp.UNLIMITED)
    with pytest.raises((sp.PolicyError, sp.LimitError, sp.FormatError)):
        sp.loads(free, policy=policy, limits=terms)
    with pytest.raises((sp.PolicyError, sp.LimitError, sp.EncodingError)) as caught:
        sp.dumps(value, protocol, policy=policy, limits=terms)
    return caught.value


def test_numbers_as_sizes(sp: ModuleType) -> None:
    policy = policy_for(sp, "Bytes: call", "Array: call", "Reduces: call")
    for kind in (Bytes, Array):
        assert "size" in str(refused_by_both(sp, Reduces((kind, (5,))), policy))


def test_ranges_that_constructors_unfold(sp: ModuleType) -> None:
    policy = policy_for(sp, "Set: call", "Listed: call", "Reduces: call")
    for kind in (Set, Listed):
        error = refused_by_both(sp, Reduces((kind, (range(100),))), policy, max_items=99)
        assert (error.limit, error.asked) == ("max_items", 100)
    sp.dumps(Reduces((Set, (range(100),))), policy=policy, limits=sp.Limits(max_items=100))
    assert sp.dumps(Reduces((Listed, (range(2**70, 2**70),))), policy=policy)


TOWER: Any = (1,)
for _ in range(40):
    TOWER = (TOWER, TOWER)
DEEP: Any = (1,)
for _ in range(300):
    DEEP = (DEEP,)


def unhashed(items: list[Any]) -> Any:
    """Reduces to a set of items whose hash would take for ever here, too."""
    return Reduces((Set, (items,)))


def test_hash_work_of_keys(sp: ModuleType) -> None:
    wide = tuple(range(100))
    policy = policy_for(sp, "Set: call", "Mapped: new setitem", "Key: new build")
    mine = (Mapped({wide: 1}), Set([wide]), {Key(*wide): 1})
    for value in ({wide: 1}, {wide}, frozenset([wide]), {(wide, 1): 2}, *mine):
        for protocol in range(2, 6):
            assert refused_by_both(sp, [value], policy, protocol, max_hash_work=150).limit == "max_hash_work"
            data = sp.dumps([value], protocol, policy=policy, limits=sp.Limits(max_hash_work=1000))
            assert sp.loads(data, policy=policy, limits=sp.Limits(max_hash_work=1000)) == [value]


def test_keys_of_one_hash(sp: ModuleType) -> None:
    clash = [n * (2**61 - 1) + 5 for n in range(4, 100)]
    for value in (set(clash), dict.fromkeys(clash), frozenset(clash), dict.fromkeys((n, 1) for n in clash)):
        for protocol in range(6):
            assert refused_by_both(sp, value, sp.PLAIN, protocol).limit == "max_hash_work"
    assert sp.loads(sp.dumps(set(clash[:60]))) == set(clash[:60])


@pytest.mark.parametrize("kind", [collections.OrderedDict, Mapped])
def test_keys_of_one_hash_in_instances(sp: ModuleType, kind: Any) -> None:
    """Keys that are written at once, and such as have parts; the last of them free, among others that are counted."""
    clash: list[Any] = [n * (2**61 - 1) + 5 for n in range(4, 100)]
    policy = sp.Policy.packs("stdlib") | policy_for(sp, "Mapped: new setitem")
    for chosen in (clash, [(n, 1) for n in clash]):
        for protocol in range(6):
            assert refused_by_both(sp, kind.fromkeys(chosen), policy, protocol).limit == "max_hash_work"
    few = kind.fromkeys([*clash[:60], 5])
    assert sp.loads(sp.dumps(few, policy=policy), policy=policy) == few


def test_towers_in_constructors(sp: ModuleType) -> None:
    policy = policy_for(sp, "Set: call", "Reduces: call", "Colour: call")
    for value in (unhashed([TOWER]), unhashed([DEEP]), Reduces((Colour, (TOWER,)))):
        assert refused_by_both_unhashed(sp, value, policy).limit == "max_hash_work"


def test_towers_in_what_the_machine_makes_itself(sp: ModuleType) -> None:
    """Also where the class came before, as what a defaultdict calls: no rule names it."""
    policy = sp.Policy.packs("stdlib") | policy_for(sp, "Reduces: call")
    for made in (set, frozenset):
        for before in ([], [collections.defaultdict(made)]):
            value = [*before, Reduces((made, ([TOWER],)))]
            assert refused_by_both_unhashed(sp, value, policy).limit == "max_hash_work"


def refused_by_both_unhashed(sp: ModuleType, value: Any, policy: Any) -> Any:
    with pytest.raises(sp.LimitError) as caught:
        sp.dumps(value, policy=policy)
    data = sp.dumps(value, policy=sp.UNRESTRICTED, limits=sp.UNLIMITED)
    with pytest.raises(sp.LimitError):
        sp.loads(data, policy=policy)
    return caught.value


def test_factories_that_are_called_later(sp: ModuleType) -> None:
    value = collections.defaultdict(Point, a=1)
    standard_pack = sp.Policy.packs("stdlib")
    error = refused_by_both(sp, value, standard_pack | policy_for(sp, "Point: refer"))
    assert (error.denials[0].name, error.denials[0].right) == ("Point", "call")
    policy = standard_pack | policy_for(sp, "Point: refer call")
    assert sp.loads(sp.dumps(value, policy=policy), policy=policy) == value
    assert sp.dumps(collections.defaultdict(list, a=[1]), policy=standard_pack)


def test_enumerations_take_one_value(sp: ModuleType) -> None:
    policy = policy_for(sp, "Reduces: call", "Colour: call")
    refused_by_both(sp, Reduces((Colour, ("New", "a b"))), policy)


def test_keyword_arguments_are_named_by_text(sp: ModuleType) -> None:
    policy = policy_for(sp, "Named: new build")
    for protocol in range(2, 6):
        data = sp.dumps(named("n", 3), protocol, policy=policy)
        assert sp.loads(data, policy=policy).size == 3
        assert __import__("pickle").loads(data).size == 3
    assert b"partial" not in sp.dumps(named("n", 3), 2, policy=policy)
    assert b"partial" in sp.dumps(named("n", 3), 2, policy=sp.UNRESTRICTED)


def test_state_that_no_reader_sets(sp: ModuleType) -> None:
    noted = Failure("x")
    noted.__dict__["__notes__"] = ["n"]
    policy = policy_for(sp, "Failure: call build", "Point: call new build", "Slotted: new call build", "Reduces: call")
    for value in (
        noted,
        Reduces((Point, (), [1])),
        Reduces((Slotted, (), {"a": 1})),
        Reduces((Slotted, (), (None, {"c": 1}))),
        Reduces((Slotted, (), (None, {"__class__": Point}))),
        Reduces((Failure, (), {"args": [1]})),
        Point(__class__=Point),
    ):
        refused_by_both(sp, value, policy)


def test_state_contracts_hold_for_every_instance(sp: ModuleType) -> None:
    policy = sp.Policy.packs("stdlib")
    first, second = collections.UserList([1]), collections.UserList([2])
    second.data = (3,)  # type: ignore[assignment]
    assert sp.loads(sp.dumps([first, first], policy=policy), policy=policy) == [first, first]
    refused_by_both(sp, [first, second], policy)


def test_a_gadget_under_another_name(sp: ModuleType) -> None:
    module = sys.modules["builtins"]
    module.alias = eval  # type: ignore[attr-defined]
    try:
        rule = Rule(module=module.__name__, name="alias", rights=Right.parse(["refer"]))
        policy = sp.Policy(name="t", rules=[rule]) | policy_for(sp, "Reduces: call", "make: call")
        pickler = type("Aliased", (sp.Pickler,), {"reducer_override": lambda self, obj: "alias"})
        free = io.BytesIO()
        pickler(free, policy=sp.UNRESTRICTED).dump(eval)
        with pytest.raises(sp.PolicyError):
            sp.loads(free.getvalue(), policy=policy)
        with pytest.raises(sp.PolicyError, match=r"it is builtins.*eval"):
            pickler(io.BytesIO(), policy=policy).dump(eval)
    finally:
        del module.alias  # type: ignore[attr-defined]


class Odd(Named):
    def __getnewargs_ex__(self) -> Any:
        return ("n",), {5: 1}


def test_forms_that_no_reader_takes(sp: ModuleType) -> None:
    policy = policy_for(
        sp, "Odd: new build", "Reduces: call", "make: call", "Pair: call new", "Point: new", "Slotted: new"
    )
    odd = Odd("n")
    full, empty = slotted(Slotted, a=1), Slotted()
    for value, protocol in (
        (odd, 4),
        (Reduces((make, Pair((1, 2)))), 4),
        ([Point(), Point(a=1)], 4),
        ([empty, empty, full], 4),
        (Reduces((copyreg._reconstructor, (Point, list, []))), 0),  # type: ignore[attr-defined]
        (Reduces((range, (0, 1, 0))), 4),
        (Reduces((codecs.encode, ("\u0100", "latin1"))), 4),
    ):
        refused_by_both(sp, value, policy, protocol)


def test_items_of_instances_are_one_level(sp: ModuleType) -> None:
    policy = policy_for(sp, "Listed: new append", "Mapped: new setitem")
    for value in (Listed([Listed([[1]])]), Mapped(a=Mapped(b={"c": 1}))):
        for protocol in range(2, 6):
            terms = sp.Limits(max_depth=3)
            data = sp.dumps(value, protocol, policy=policy, limits=terms)
            assert sp.loads(data, policy=policy, limits=terms) == value
            assert refused_by_both(sp, value, policy, protocol, max_depth=2).limit == "max_depth"


def test_an_instance_is_one_call_in_every_protocol(sp: ModuleType) -> None:
    """Protocols 2 and 3 write NEWOBJ_EX as a call of what stands for it."""
    policy = policy_for(sp, "Point: new build", "Named: new build")
    for value in (Point(x=1), Named("a", size=1)):
        for protocol in range(2, 6):
            terms = sp.Limits(max_calls=1)
            data = sp.dumps(value, protocol, policy=policy, limits=terms)
            assert vars(sp.loads(data, policy=policy, limits=terms)) == vars(value)


def test_setters_and_dotted_names_are_levels_and_calls(sp: ModuleType) -> None:
    policy = policy_for(sp, "Point: new call build refer", "Point.Inner: refer", "set_state: call", "Reduces: call")
    for value in (Point.Inner, Reduces((Point, (), {"x": [1]}, None, None, set_state))):
        for protocol in range(6):
            for limit in ("max_depth", "max_calls", "max_objects", "max_opcodes"):
                for bound in range(60):
                    terms = sp.Limits(**{limit: bound})
                    try:
                        data = sp.dumps(value, protocol, policy=policy, limits=terms)
                    except sp.LimitError:
                        continue
                    sp.loads(data, policy=policy, limits=terms)
                    break
                else:
                    pytest.fail("never written")


STANDARD_VALUES = [
    datetime.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Vienna")), decimal.Decimal("1.5"),
    fractions.Fraction(1, 3), uuid.UUID(int=5), ipaddress.ip_address("::1"), pathlib.PurePosixPath("a/b"),
    SimpleNamespace(a=1), FileNotFoundError(2, "x", "y"), collections.ChainMap({"a": 1}),
]  # fmt: skip


@pytest.mark.parametrize("protocol", range(6))
def test_standard_values_at_every_protocol(sp: ModuleType, protocol: int) -> None:
    policy = sp.Policy.packs("stdlib")
    for value in STANDARD_VALUES:
        data = sp.dumps([value, value], protocol, policy=policy)
        first, second = sp.loads(data, policy=policy)
        assert first is second
        assert same(first, value)


def test_an_invalid_date_is_not_written(sp: ModuleType) -> None:
    broken = datetime.date(b"\x00\x00\x01\x01")  # type: ignore[call-overload]
    refused_by_both(sp, [datetime.date(2020, 1, 1), broken], sp.Policy.packs("stdlib"))


packed = st.lists(
    st.integers(0, 255) | st.sampled_from([0, 1, 2, 7, 12, 23, 24, 28, 29, 30, 31, 32, 59, 60, 128 + 2]),
    min_size=3, max_size=11,
).map(bytes)  # fmt: skip
zones = st.sampled_from([(), (datetime.UTC,), (None,), ("UTC",), (datetime.UTC, datetime.UTC)])
numbers = st.from_regex(r"[+-]?[0-9.]{0,8}(?:[Ee][0-9]+)?", fullmatch=True) | st.text("0123456789.-\u0663", max_size=70)
many = st.integers(-2, 2**20) | st.booleans() | st.sampled_from([86_399, 86_400, 999_999, 10**6, 2**70, "1"])


@settings(max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
@given(
    func=st.sampled_from([datetime.datetime, datetime.date, datetime.time, datetime.timedelta, decimal.Decimal]),
    args=st.tuples(packed).flatmap(lambda args: zones.map(lambda zone: args + zone))
    | st.tuples(numbers)
    | st.tuples(many, many, many)
    | st.tuples(st.text() | st.integers() | st.none() | packed),
)
def test_usual_arguments_are_those_of_the_contract(sp: ModuleType, func: Any, args: tuple[Any, ...]) -> None:
    usual = sys.modules[f"{sp.__name__}.decoding.usual"]
    contract = CONTRACTS[func.__module__, func.__qualname__]
    if usual.is_usual(func, args):
        assert contract.check(args, {}) is None


def test_usual_arguments_are_seen(sp: ModuleType) -> None:
    usual = sys.modules[f"{sp.__name__}.decoding.usual"]
    now = datetime.datetime(2024, 12, 31, 23, 59, 59, 999_999, datetime.UTC).replace(tzinfo=None)
    for value in (now, now.replace(tzinfo=datetime.UTC), now.date(), now.time(), decimal.Decimal("-1.50")):
        func, args = value.__reduce_ex__(4)  # type: ignore[misc]
        assert usual.is_usual(func, args)
    assert usual.is_usual(datetime.timedelta, (3, 86_399, 999_999))
