"""The comparison itself: it must see the differences that `==` does not, and no others."""

from __future__ import annotations

import collections
import datetime as dt
import pickle
from decimal import Decimal
from typing import Any

import pytest
from vectors.loading import difference, globals_named, renamed, vectors


def cyclic(depth: int) -> list[Any]:
    """A ring of that many lists."""
    top: list[Any] = []
    last = top
    for _ in range(depth - 1):
        last.append([])
        last = last[0]
    last.append(top)
    return top


SHARED = [1]
ALIKE = [
    (float("nan"), float("nan")),
    (cyclic(2), cyclic(2)),
    ({1: [SHARED, SHARED]}, {1: [SHARED, SHARED]}),
    (ValueError("a", 1), ValueError("a", 1)),
    ({"a", ("b", 1)}, {("b", 1), "a"}),
    (collections.Counter("aab"), collections.Counter("aab")),
    (Decimal("NaN"), Decimal("NaN")),
]
UNLIKE = [
    (0.0, -0.0),
    (1, True),
    (1, 1.0),
    ([SHARED, SHARED], [[1], [1]]),
    ([[1], [1]], [SHARED, SHARED]),
    (cyclic(1), cyclic(2)),
    ({1: 1, 2: 2}, {2: 2, 1: 1}),
    ({1, 2}, {1, 3}),
    (frozenset([1]), frozenset([True])),
    ((), []),
    ([[()]], [[((),)]]),
    ("a", b"a"),
    (b"a", bytearray(b"a")),
    (Decimal("1.0"), Decimal("1.00")),
    (dt.time(1), dt.time(1, fold=1)),
    (collections.deque([1], 2), collections.deque([1], 3)),
    (collections.OrderedDict(a=1), {"a": 1}),
    (collections.defaultdict(int), collections.defaultdict(list)),
    (ValueError("a"), ValueError("b")),
    (int, float),
    (slice(1), slice(2)),
    (slice(1, 2), slice(True, 2)),
]


@pytest.mark.parametrize(("a", "b"), ALIKE)
def test_alike(a: Any, b: Any) -> None:
    assert difference(a, b) is None


@pytest.mark.parametrize(("a", "b"), UNLIKE)
def test_unlike(a: Any, b: Any) -> None:
    assert difference(a, b) is not None
    assert difference(b, a) is not None


def test_deep_values_are_compared_without_recursion() -> None:
    one: list[Any] = []
    other: list[Any] = []
    for _ in range(20_000):
        one, other = [one], [other]
    assert difference(one, other) is None
    assert difference(one, other[0]) is not None


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_globals_named(protocol: int) -> None:
    data = pickle.dumps([Decimal(1), Decimal(2), dt.date.min, {"decimal": "Decimal"}], protocol)
    assert globals_named(data) - {("_codecs", "encode")} == {("decimal", "Decimal"), ("datetime", "date")}


def test_renamed() -> None:
    assert renamed("__builtin__", "xrange") == ("builtins", "range")
    assert renamed("copy_reg", "_reconstructor") == ("copyreg", "_reconstructor")
    assert renamed("decimal", "Decimal") == ("decimal", "Decimal")


@pytest.mark.parametrize("group", ["plain", "stdlib", "classes"])
def test_the_writers_are_all_there(group: str) -> None:
    """Every interpreter, both implementations, all its protocols, plain and optimized."""
    found = {writer for name in vectors(group).values() for vector in name for writer in vector.writers}
    for version, highest in (("2.7", 2), *((f"3.{minor}", 5) for minor in range(8, 14))):
        for protocol in range(highest + 1):
            for implementation in ("C", "python"):
                for form in ("", " optimized"):
                    assert f"{version} {implementation} {protocol}{form}" in found


def test_vectors_hold_what_their_names_say() -> None:
    """A few anchors that do not come from pickle."""
    for name, value in (
        ("int_255", 255),
        ("text_astral", "\U0001f40d\U0010ffff"),
        ("float_minus_zero", -0.0),
    ):
        for vector in vectors("plain")[name]:
            assert difference(pickle.loads(vector.data, encoding="latin1"), value) is None, vector.label
