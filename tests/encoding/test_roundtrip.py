"""What the encoder writes, pickle reads: equal values, the same types, the same sharing, at every protocol."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import io
import pickle
import pickletools
import re
import uuid
from types import ModuleType
from typing import Any

import pytest
from encoding.values import Child, Listed, Mapped, Named, Pair, Parent, Point, Reduces, Slots, make, set_state, values
from hypothesis import given
from hypothesis import strategies as st

PROTOCOLS = range(6)
protocols = st.sampled_from(PROTOCOLS)


def dumps(sp: ModuleType, value: Any, protocol: int | None = None, **options: Any) -> bytes:
    data = sp.dumps(value, protocol, policy=sp.UNRESTRICTED, limits=sp.UNLIMITED, **options)
    pickletools.dis(data, io.StringIO())  # complains of what pickle itself would read in spite of it
    return bytes(data)


def same(first: Any, second: Any) -> bool:
    return (
        type(first) is type(second) and repr(first) == repr(second) if first != first else shape(first) == shape(second)
    )


def shape(value: Any) -> Any:
    """The value with its types, comparable."""
    kind = type(value)
    if kind in (list, tuple):
        return (kind, [shape(item) for item in value])
    if kind is dict:
        return (kind, [(shape(key), shape(item)) for key, item in value.items()])
    if kind in (set, frozenset):
        return (kind, sorted(map(repr, map(shape, value))))
    if kind is float:
        return (kind, value.hex())
    return (kind, value)


@given(value=values, protocol=protocols)
def test_pickle_reads_what_is_written(sp: ModuleType, value: Any, protocol: int) -> None:
    assert same(pickle.loads(dumps(sp, value, protocol)), value)


@given(value=values, protocol=protocols)
def test_a_file_gets_the_same_as_memory(sp: ModuleType, value: Any, protocol: int) -> None:
    file = io.BytesIO()
    sp.dump(value, file, protocol, policy=sp.UNRESTRICTED)
    assert same(pickle.loads(file.getvalue()), value)


@given(value=values, protocol=protocols)
def test_a_pickler_writes_byte_for_byte_what_pickle_writes(sp: ModuleType, value: Any, protocol: int) -> None:
    ours, theirs = io.BytesIO(), io.BytesIO()
    sp.Pickler(ours, protocol, policy=sp.UNRESTRICTED).dump(value)
    pickle.Pickler(theirs, protocol).dump(value)
    assert ours.getvalue() == theirs.getvalue()


@pytest.mark.parametrize("size", [0, 1, 2, 999, 1000, 1001, 2000, 2001])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_batches(sp: ModuleType, size: int, protocol: int) -> None:
    numbers = list(range(size))
    parts: list[Any] = [[n] for n in numbers]
    for value in (
        numbers, parts, dict.fromkeys(numbers), dict(zip(numbers, parts)), set(numbers), frozenset(numbers),
        {(n,) for n in numbers}, frozenset((n,) for n in numbers), tuple(numbers), tuple(parts),
        Listed(parts), Mapped(zip(numbers, parts)), collections.deque(parts),
    ):  # fmt: skip
        assert pickle.loads(dumps(sp, value, protocol)) == value


INTS = [0, 1, -1, 255, 256, -128, -129, 65535, 65536, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**39, -(2**39)]
INTS += [
    sign * (2**bits) + more
    for bits in (40, 47, 48, 55, 56, 62, 63, 64, 2040, 2048)
    for sign in (1, -1)
    for more in (-1, 0, 1)
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_ints_are_written_as_pickle_writes_them(sp: ModuleType, protocol: int) -> None:
    for number in INTS:
        assert dumps(sp, number, protocol) == pickle.dumps(number, protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_text_of_every_length_and_width(sp: ModuleType, protocol: int) -> None:
    for character in ("a", "\xe9", "\u20ac", "\U0001f600", "\udc80", "\n", "\\", "\0", "\x1a"):
        for count in (0, 1, 15, 16, 21, 22, 31, 32, 62, 63, 64, 127, 128, 255, 256, 21845, 32768, 65535, 65536, 70000):
            text = character * count
            data = dumps(sp, text, protocol)
            assert pickle.loads(data) == text
            assert data == pickle.dumps(text, protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bytes_of_every_length(sp: ModuleType, protocol: int) -> None:
    for count in (0, 1, 255, 256, 65535, 65536, 70000):
        for value in (b"x" * count, bytearray(b"x" * count)):
            assert pickle.loads(dumps(sp, value, protocol)) == value


class Color(enum.Enum):
    RED = 1


OBJECTS = [
    Point(x=1, y=[2]),
    Point(),
    Point.Inner,
    Named("n", size=3),
    Listed([1]),
    Mapped(a=1),
    Pair((1, 2)),
    Color.RED,
    datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC),
    datetime.timedelta(1),
    decimal.Decimal("1.50"),
    fractions.Fraction(1, 3),
    uuid.UUID(int=5),
    collections.OrderedDict(b=1, a=2),
    collections.Counter("abca"),
    collections.defaultdict(list, a=[1]),
    len,
    [].append,
    str.upper,
    make,
    type(...),
    slice(1, None, 2),
    ValueError("x", 1),
]


def shown(value: Any) -> str:
    """The repr, without addresses."""
    return re.sub("0x[0-9a-f]+", "", repr(value))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("obj", OBJECTS, ids=lambda obj: type(obj).__name__)
def test_objects(sp: ModuleType, obj: Any, protocol: int) -> None:
    for value in ([obj], [obj, obj], [[obj, 1], {"a": obj}]):
        assert shown(pickle.loads(dumps(sp, value, protocol))) == shown(value)
    result = pickle.loads(dumps(sp, [obj, obj], protocol))
    assert type(result[0]) is type(obj)
    if type(obj) is not type([].append):
        assert result[0] is result[1]


@pytest.mark.parametrize("protocol", PROTOCOLS[2:])
def test_slots(sp: ModuleType, protocol: int) -> None:
    obj = Slots()
    obj.a, obj.b = 1, [2]
    result = pickle.loads(dumps(sp, obj, protocol))
    assert (result.a, result.b) == (1, [2])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_six_items_of_a_reduce(sp: ModuleType, protocol: int) -> None:
    inner = [1]
    obj = Reduces((Mapped, (), {"x": inner}, None, iter([("k", inner)]), set_state))
    result = pickle.loads(dumps(sp, obj, protocol))
    assert result == {"k": [1]}
    assert result.__dict__ == {"x": [1], "set_by": "set_state"}
    assert result["k"] is result.x


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_sharing_and_cycles(sp: ModuleType, protocol: int) -> None:
    a: list[Any] = []
    d: dict[str, Any] = {"a": a}
    t = (a, d)
    p = Point(t=t)
    a += [d, t, p, a]
    result = pickle.loads(dumps(sp, a, protocol))
    assert result[0]["a"] is result
    assert result[1][0] is result
    assert result[1] is result[2].t
    assert result[3] is result


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_recursive_tuples(sp: ModuleType, protocol: int, size: int) -> None:
    holder: list[Any] = []
    value = (holder, *range(size - 1))
    holder.append(value)
    result = pickle.loads(dumps(sp, value, protocol))
    assert result[0][0] is result
    assert result[1:] == value[1:]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_recursive_tuple_of_a_subclass(sp: ModuleType, protocol: int) -> None:
    holder: list[Any] = []
    value = Pair((holder, 1))
    holder.append(value)
    result = pickle.loads(dumps(sp, value, protocol))
    assert type(result) is Pair
    assert result[0][0] is result


def test_what_code_hands_out_once_more_stays_shared(sp: ModuleType) -> None:
    # The list is referred to once when it is reached; only the child's code, run later, shows it again.
    parent = Parent()
    parent.children = [1, "a", [2]]
    value = [[3], parent, Child(parent)]
    result = pickle.loads(dumps(sp, value))
    assert result[2].siblings is result[1].children
    assert result[2].parent_value is result[1]
    result = pickle.loads(dumps(sp, [parent.__dict__["children"], Child(parent), "x"]))
    assert result[1].siblings is result[0]


def test_sharing_that_only_a_reducer_shows(sp: ModuleType) -> None:
    class Handing(sp.Pickler):  # type: ignore[misc,name-defined]
        def reducer_override(self, obj: Any) -> Any:
            return (make, (hidden[0],)) if type(obj) is Point else NotImplemented

    hidden = [[1, 2]]
    file = io.BytesIO()
    Handing(file, policy=sp.UNRESTRICTED).dump([hidden, Point()])
    result = pickle.loads(file.getvalue())
    assert result[1][0] is result[0][0]


def test_weak_references_to_sets(sp: ModuleType) -> None:
    import weakref

    shared = {1, 2}
    reference = weakref.ref(shared)
    value = [shared, Reduces(lambda: (make, (reference(),)))]
    del shared
    result = pickle.loads(dumps(sp, value))
    assert result[1][0] is result[0]


@given(value=values)
def test_equal_objects_keep_their_sharing(sp: ModuleType, value: Any) -> None:
    result = pickle.loads(dumps(sp, [value, [value], {"k": value}]))
    if type(value) in (list, dict, set, bytearray):
        assert result[0] is result[1][0]
        assert result[0] is result[2]["k"]
