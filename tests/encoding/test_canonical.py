"""Canonical output: equal values of the same types give equal bytes; all else is refused or differs."""

from __future__ import annotations

import copy
import hashlib
import math
import pickle
import pickletools
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from encoding.values import Listed, Point, plain_values
from hypothesis import given
from hypothesis import strategies as st

import safepickle
from safepickle import _forms


def canonical(sp: ModuleType, value: Any, protocol: int | None = None) -> bytes:
    return bytes(sp.dumps(value, protocol, canonical=True))


def rebuilt(value: Any, shuffle: random.Random) -> Any:
    """An equal value: nothing shared or interned, dicts and sets filled in another order."""
    kind = type(value)
    if kind in (list, tuple):
        return kind([rebuilt(item, shuffle) for item in value])
    if kind is dict:
        entries = [(rebuilt(key, shuffle), rebuilt(item, shuffle)) for key, item in value.items()]
        shuffle.shuffle(entries)
        result = dict.fromkeys(range(shuffle.randrange(50)))
        result.clear()
        result.update(entries)
        return result
    if kind in (set, frozenset):
        items = [rebuilt(item, shuffle) for item in value]
        shuffle.shuffle(items)
        result_set = set(range(1000, 1000 + shuffle.randrange(100)))
        result_set.clear()
        for item in items:
            result_set.add(item)
        return kind(result_set)
    if kind is str:
        return "".join(list(value))
    if kind is float and value == 0:
        return -value
    if kind is range and len(value) == 0:
        return range(shuffle.randrange(9), -1)
    return copy.copy(value) if kind is not bytes else bytes(bytearray(value))


@given(value=plain_values, seed=st.integers())
def test_equal_values_give_equal_bytes(sp: ModuleType, value: Any, seed: int) -> None:
    assert canonical(sp, [value, 1]) == canonical(sp, [rebuilt(value, random.Random(seed)), 1])


@given(value=plain_values)
def test_both_forms_and_both_protocols(sp: ModuleType, value: Any) -> None:
    data = canonical(sp, value)
    assert data == canonical(safepickle, value) == canonical(_forms.python_form(), value)
    assert sp.loads(canonical(sp, value, 4)) == sp.loads(data) == pickle.loads(data)
    assert canonical(sp, pickle.loads(data)) == data


@given(first=plain_values, second=plain_values)
def test_different_values_give_different_bytes(sp: ModuleType, first: Any, second: Any) -> None:
    one, two = canonical(sp, first), canonical(sp, second)
    if first != second:
        assert one != two


def test_types_show(sp: ModuleType) -> None:
    assert (
        len({canonical(sp, value) for value in (1, 1.0, True, 1 + 0j, b"1", "1", [1], (1,), {1}, frozenset([1]))}) == 10
    )


def test_no_memo_and_no_frames(sp: ModuleType) -> None:
    shared = ["a" * 300, "b"]
    data = canonical(sp, [shared, shared, {1: shared}] * 2000)
    names = {opcode.name for opcode, _, _ in pickletools.genops(data)}
    assert not {name for name in names if "MEMO" in name or "GET" in name or "PUT" in name or name == "FRAME"}
    assert pickle.loads(data) == [shared, shared, {1: shared}] * 2000


def test_zeros_nans_and_ranges(sp: ModuleType) -> None:
    assert canonical(sp, -0.0) == canonical(sp, 0.0)
    assert canonical(sp, complex(-0.0, -0.0)) == canonical(sp, 0j)
    assert canonical(sp, math.nan) == canonical(sp, -math.nan) == canonical(sp, float("inf") - float("inf"))
    assert canonical(sp, {0.0: -0.0}) == canonical(sp, {-0.0: 0.0})
    assert canonical(sp, range(0, 3, 2)) == canonical(sp, range(0, 4, 2))
    assert canonical(sp, range(5, 5)) == canonical(sp, range(0))
    assert canonical(sp, range(1, 2)) == canonical(sp, range(1, 9, 8))
    assert canonical(sp, range(3, 0, -1)) != canonical(sp, range(3))


@pytest.mark.parametrize("size", [0, 1, 2, 999, 1000, 1001, 2500])
def test_batches(sp: ModuleType, size: int) -> None:
    for value in (
        list(range(size)),
        dict.fromkeys(range(size)),
        set(range(size)),
        frozenset(range(size)),
        tuple(range(size)),
    ):
        for protocol in (4, 5):
            assert pickle.loads(canonical(sp, value, protocol)) == value == sp.loads(canonical(sp, value, protocol))


def test_large_text(sp: ModuleType) -> None:
    for value in ("x" * 70_000, b"x" * 70_000, bytearray(b"x" * 70_000), "\xe9" * 40_000):
        assert sp.loads(canonical(sp, [value])) == [value]


def test_what_is_not_plain_is_refused(sp: ModuleType) -> None:
    for value in (Point(), Point, len, object(), Listed(), True.__class__, pickle.PickleBuffer(b"x"), type(None)):
        with pytest.raises(sp.EncodingError, match="no canonical form") as caught:
            canonical(sp, {"a": (1, [value])})
        assert caught.value.path == "root['a'][1][0]"


def test_cycles_are_refused(sp: ModuleType) -> None:
    loop: list[Any] = []
    loop.append({"k": (loop,)})
    with pytest.raises(sp.EncodingError, match="cyclic") as caught:
        canonical(sp, [1, loop])
    assert caught.value.path == "root[1][0]['k'][0]"


def test_protocols(sp: ModuleType) -> None:
    assert canonical(sp, 1) == canonical(sp, 1, 5) == canonical(sp, 1, -1)
    for protocol in (0, 1, 2, 3):
        with pytest.raises(ValueError, match="protocol 4 or 5"):
            canonical(sp, 1, protocol)


#: The digest of one value, fixed: it must not change between releases, Python versions or machines.
SAMPLE = (
    "{'b': [1, 2.5, None, True], 'a': {3, 1, 2}, (1, 'x'): frozenset([b'y', -0.0]), 5: 2**80, 'c': 1j, "
    "'r': range(0, 9, 4)}"
)
DIGEST = "72b647e0c28fc64616bf7de0bf46bef66c7573c3181a7a2e7f1e6065420b7baa"


def test_the_bytes_are_fixed(sp: ModuleType) -> None:
    assert hashlib.sha256(canonical(sp, eval(SAMPLE))).hexdigest() == DIGEST


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_hash_seeds_do_not_show(seed: str) -> None:
    program = (
        f"import hashlib, safepickle\nprint(hashlib.sha256(safepickle.dumps({SAMPLE}, canonical=True)).hexdigest())"
    )
    root = str(Path(safepickle.__file__).parent.parent)
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONHASHSEED": seed, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == DIGEST


def test_a_range_of_more_items_than_python_counts(sp: ModuleType) -> None:
    assert sp.loads(canonical(sp, range(2**70))) == range(2**70)
    assert canonical(sp, range(0, 2**70, 3)) == canonical(sp, range(0, 2**70 + 1, 3))
