"""Every limit on the writing side, at its edge, with the place of what went beyond it."""

from __future__ import annotations

import io
import itertools
import pickle
from types import ModuleType
from typing import Any

import pytest
from encoding.values import Listed, Point, Reduces, make

WORDS = [f"word {n}" for n in range(30)]


def refused(sp: ModuleType, value: Any, limit: str, bound: Any, **options: Any) -> Any:
    """The error that *bound* gives."""
    with pytest.raises(sp.LimitError) as caught:
        sp.dumps(value, policy=sp.UNRESTRICTED, limits=sp.Limits(**{limit: bound}), **options)
    error = caught.value
    assert error.limit == limit
    assert error.bound == bound
    assert error.asked > bound or limit == "max_seconds"
    assert error.path.startswith("root")
    assert error.path in str(error)
    return error


def allowed(sp: ModuleType, value: Any, limit: str, bound: Any, **options: Any) -> None:
    limits = sp.Limits(**{limit: bound})
    data = sp.dumps(value, policy=sp.UNRESTRICTED, limits=limits, **options)
    assert pickle.loads(data) == value
    sp.loads(data, policy=sp.UNRESTRICTED, limits=limits)  # what is written within a limit is read within it


def test_max_bytes(sp: ModuleType) -> None:
    value = [b"x" * 50] * 2 + WORDS
    size = len(sp.dumps(value))
    allowed(sp, value, "max_bytes", size)
    refused(sp, value, "max_bytes", size - 1)


def test_max_bytes_stops_early(sp: ModuleType) -> None:
    value = [list(range(1000)) for _ in range(200)]
    error = refused(sp, value, "max_bytes", 100_000)
    assert error.asked < 300_000
    refused(sp, [b"x" * 1_000_000], "max_bytes", 100_000)


def test_max_bytes_of_a_file_is_not_overrun(sp: ModuleType) -> None:
    file = io.BytesIO()
    with pytest.raises(sp.LimitError):
        sp.dump([b"x" * 1000] * 1000 + WORDS * 20_000, file, limits=sp.Limits(max_bytes=200_000))
    assert len(file.getvalue()) <= 200_000


def test_max_items(sp: ModuleType) -> None:
    for value in ([1, 2, 3], (1, 2, 3), {1, 2, 3}, frozenset([1, 2, 3])):
        allowed(sp, value, "max_items", 3)
        assert refused(sp, [value], "max_items", 2).path == "root[0]"
    assert refused(sp, [Listed([1, 2, 3])], "max_items", 2).path.startswith("root[0]")


def test_max_items_of_an_endless_iterator(sp: ModuleType) -> None:
    value = Reduces((list, (), None, itertools.count()))
    refused(sp, value, "max_items", 5000)


def test_max_string(sp: ModuleType) -> None:
    for value in ("abcde", b"abcde", bytearray(b"abcde"), "\xe9\xe9a"):
        allowed(sp, value, "max_string", 5, protocol=5)
        assert refused(sp, [0, value], "max_string", 4, protocol=5).path == "root[1]"
    for value in ("a" * 300, b"a" * 300, "a" * 70_000, b"a" * 70_000):
        allowed(sp, value, "max_string", len(value))
        refused(sp, value, "max_string", len(value) - 1)
        refused(sp, value, "max_string", 10)


def test_entries_of_flat_dicts_have_their_place(sp: ModuleType) -> None:
    for value, path in (
        ({"a": {"b": "x", "c": "abcdef"}}, "root['a']['c']"),
        ({"a": {"b": "x", "abcdef": 1}}, "root['a'].<key 'abcdef'>"),
        ({"a": {"b": "x", "c": [1, "abcdef"]}}, "root['a']['c'][1]"),
        ({"a": {"b": "x", (1, "abcdef"): 1}}, "root['a'].<key <tuple>>[1]"),
    ):
        assert refused(sp, value, "max_string", 5).path == path


@pytest.mark.parametrize("protocol", range(6))
def test_max_int_bits(sp: ModuleType, protocol: int) -> None:
    for number in (5, -5, 2**20, 2**33, 2**63, 2**64, 2**100, -(2**100), 2**3000):
        bits = number.bit_length()
        data = sp.dumps(number, protocol, limits=sp.Limits(max_int_bits=bits))
        assert pickle.loads(data) == number
        error = refused(sp, {"n": (1, number)}, "max_int_bits", bits - 1, protocol=protocol)
        assert error.asked == bits
        assert error.path == "root['n'][1]"


def test_max_depth_says_where(sp: ModuleType) -> None:
    assert refused(sp, {"a": [1, [2]]}, "max_depth", 2).path == "root['a'][1]"


def test_max_depth_of_instances_covers_the_reader(sp: ModuleType) -> None:
    value = Point(a=Point(b=[1, (2,)]))
    for bound in range(1, 12):
        limits = sp.Limits(max_depth=bound)
        try:
            data = sp.dumps(value, policy=sp.UNRESTRICTED, limits=limits)
        except sp.LimitError:
            continue
        sp.loads(data, policy=sp.UNRESTRICTED, limits=limits)
        break
    else:
        pytest.fail("never written")


def test_max_objects(sp: ModuleType) -> None:
    value = [[1], (2,), {3: {4}}, frozenset([5])]
    allowed(sp, value, "max_objects", 6)
    refused(sp, value, "max_objects", 5)


def test_max_memo(sp: ModuleType) -> None:
    words = [word + "!" for word in WORDS]
    value = [words, words, words[0], [words[1]]]
    file = io.BytesIO()
    sp.Pickler(file, limits=sp.Limits(max_memo=40)).dump(value)
    with pytest.raises(sp.LimitError) as caught:
        sp.Pickler(io.BytesIO(), limits=sp.Limits(max_memo=10)).dump(value)
    assert caught.value.limit == "max_memo"
    assert caught.value.path.startswith("root[0]")


def test_max_calls(sp: ModuleType) -> None:
    value = [Point(n=1), Point(n=2), Point(n=3), Point(n=4)]
    allowed(sp, value, "max_calls", 4)
    assert refused(sp, value, "max_calls", 3).path == "root[3]"
    refused(sp, [Reduces((make, ()))], "max_calls", 0)


def test_max_opcodes(sp: ModuleType) -> None:
    value = [[1, 2], {"a": 1}, (1, "x"), None]
    refused(sp, value, "max_opcodes", 8)
    for bound in range(9, 60):
        limits = sp.Limits(max_opcodes=bound)
        try:
            data = sp.dumps(value, limits=limits)
        except sp.LimitError:
            continue
        sp.loads(data, limits=limits)
        break
    else:
        pytest.fail("never written")


def test_max_seconds(sp: ModuleType) -> None:
    refused(sp, [[n] for n in range(20_000)], "max_seconds", 0)
    refused(sp, Reduces((list, (), None, itertools.count())), "max_seconds", 0)


def test_canonical_output_has_the_limits_too(sp: ModuleType) -> None:
    shared: list[Any] = [1, 2]
    for _ in range(64):
        shared = [shared, shared]
    for limit, bound in (("max_objects", 1000), ("max_bytes", 10_000), ("max_opcodes", 1000)):
        assert refused(sp, shared, limit, bound, canonical=True).path.startswith("root[0][0]")
    assert refused(sp, {"a": ["xyz"]}, "max_string", 2, canonical=True).path == "root['a'][0]"
    assert refused(sp, {"a": [2**100]}, "max_int_bits", 99, canonical=True).path == "root['a'][0]"
    assert refused(sp, [1, [1, 2, 3]], "max_items", 2, canonical=True).path == "root[1]"
