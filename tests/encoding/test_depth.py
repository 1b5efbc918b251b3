"""Depth of data never becomes depth of calls (S6)."""

from __future__ import annotations

import collections
import gc
import io
import pickle
import pickletools
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from encoding.values import Listed, Mapped, Pair, Point, Reduces, make, nested

DEEP = 1_000_000
#: Deep enough to end any recursion, for what is slower to build.
LESS_DEEP = 30_000


@pytest.fixture(autouse=True)
def _no_cycle_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def opcodes_of(data: bytes) -> collections.Counter[str]:
    return collections.Counter(opcode.name for opcode, _, _ in pickletools.genops(data))


def unwrap(value: Any) -> None:
    """Take deep data apart, so that freeing it does not recurse in interpreters that do."""
    while True:
        if type(value) in (list, tuple):
            value = value[0]
        elif type(value) is dict:
            value = value.popitem()[1]
        else:
            return


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: (v,), lambda v: {"k": v}], ids=["list", "tuple", "dict"])
def test_a_million_deep(sp: ModuleType, wrap: Any) -> None:
    value = nested(DEEP, wrap)
    data = sp.dumps(value, policy=sp.PLAIN, limits=sp.UNLIMITED)
    unwrap(value)
    result = pickle.loads(data)
    depth = 0
    while result is not None:
        result = result["k"] if type(result) is dict else result[0]
        depth += 1
    assert depth == DEEP


def test_a_million_deep_to_a_file(sp: ModuleType) -> None:
    value = nested(DEEP, lambda v: [v, 1])
    file = io.BytesIO()
    sp.dump(value, file, limits=sp.UNLIMITED)
    unwrap(value)
    unwrap(pickle.loads(file.getvalue()))


@pytest.mark.parametrize(
    ("wrap", "opcode"),
    [
        (lambda v: Point(v=v), "BUILD"),
        (lambda v: Listed([v]), "APPEND"),
        (lambda v: Mapped(v=v), "SETITEM"),
        (lambda v: Pair((v,)), "NEWOBJ"),
        (lambda v: frozenset([v]), "FROZENSET"),
        (lambda v: Reduces((make, (v,))), "REDUCE"),
        (lambda v: Reduces((Point, (), {"v": v})), "BUILD"),
        (lambda v: collections.OrderedDict(v=v), "SETITEM"),
    ],
    ids=["instance", "list subclass", "dict subclass", "tuple subclass", "frozenset", "arguments", "state", "C class"],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_deep_instances(sp: ModuleType, wrap: Any, opcode: str, protocol: int) -> None:
    if protocol < 4 and opcode == "FROZENSET":
        opcode = "REDUCE"
    value = nested(LESS_DEEP, wrap)
    data = sp.dumps(value, protocol, policy=sp.UNRESTRICTED, limits=sp.UNLIMITED)
    assert opcodes_of(data)[opcode] == LESS_DEEP


def test_deep_keys(sp: ModuleType) -> None:
    key: Any = 1
    for _ in range(500):
        key = (key, frozenset([key]))
        hash(key)
        if len(repr(key)) > 10_000:
            key = 1
    assert pickle.loads(sp.dumps({key: 1})) == {key: 1}


def test_deep_canonical(sp: ModuleType) -> None:
    value = nested(LESS_DEEP, lambda v: [v, {1: (v,)} if v is None else 2])
    data = sp.dumps(value, canonical=True, limits=sp.UNLIMITED)
    assert opcodes_of(data)["EMPTY_LIST"] == LESS_DEEP
    unwrap(value)


def test_the_default_bound_is_a_clear_error(sp: ModuleType) -> None:
    with pytest.raises(sp.LimitError) as caught:
        sp.dumps(nested(DEEP, lambda v: [v]))
    assert (caught.value.limit, caught.value.bound, caught.value.asked) == ("max_depth", 1000, 1001)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: (v,), lambda v: {"k": v}])
@pytest.mark.parametrize("canonical", [False, True])
def test_depth_is_exact_for_containers(sp: ModuleType, wrap: Any, canonical: bool) -> None:
    limits = sp.Limits(max_depth=20)
    value = nested(20, wrap)
    assert sp.loads(sp.dumps(value, limits=limits, canonical=canonical), limits=limits) == value
    with pytest.raises(sp.LimitError):
        sp.dumps(wrap(value), limits=limits, canonical=canonical)


def test_an_object_made_from_itself_ends(sp: ModuleType) -> None:
    obj = Reduces(None)
    obj.reduced = (make, (obj,))
    with pytest.raises(sp.EncodingError, match="no end"):
        sp.dumps(obj, policy=sp.UNRESTRICTED, limits=sp.UNLIMITED)
    with pytest.raises(sp.LimitError):
        sp.dumps(obj, policy=sp.UNRESTRICTED)


def test_a_cycle_without_a_memo_ends(sp: ModuleType) -> None:
    for value in ([], {}):
        if type(value) is list:
            value.append(value)
        else:
            value["self"] = value
        pickler = sp.Pickler(io.BytesIO(), policy=sp.UNRESTRICTED, limits=sp.UNLIMITED)
        pickler.fast = True
        with pytest.raises(sp.EncodingError, match="cyclic"):
            pickler.dump(value)


def test_a_path_of_long_keys_is_short(sp: Any) -> None:
    """Each is quoted short, and of many only some are shown."""
    value: Any = 1
    for number in range(300):
        value = {f"{number:0300}": value}
    with pytest.raises(sp.LimitError) as refused:
        sp.dumps(value, limits=sp.Limits(max_depth=200))
    assert len(str(refused.value)) < 900
    assert "steps)..." in refused.value.path
