"""Sessions: what one dump leaves to the next is room, and nothing else."""

from __future__ import annotations

import collections
import contextlib
import datetime as dt
import pickle
import subprocess
import sys
import uuid
from copy import copy
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import safepickle
from safepickle import _forms

Seen = list[tuple[Any, dict[str, Any]]]


def state_of(encoder: Any) -> dict[str, Any]:
    """Return all that an encoder of the Python form knows when it begins."""
    found: dict[str, Any] = {}
    for part in (encoder, encoder.out, encoder.memo):
        for name, value in vars(part).items():
            if name == "frames" and part is encoder:
                # Frames that were used before hold nothing; what else is in them is set when they are used again.
                found["held"] = [getattr(frame, held) for frame in value[1:] for held in ("obj", "items")]
            else:
                kept = type(value).__name__ if name in ("out", "memo") else value
                found[f"{type(part).__name__}.{name}"] = copy(kept) if type(kept) in (list, dict, bytearray) else kept
    found["held"] = [held for held in found["held"] if held is not None]
    return found


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, Seen]:
    """The Python form, and each encoder of its ``dumps`` with what it knew when it began."""
    package = _forms.python_form()
    session = import_module(f"{package.__name__}.encoding.session")
    encoder = import_module(f"{package.__name__}.encoding.encoder")
    monkeypatch.setattr(session, "_idle", [])
    seen: Seen = []
    dump = encoder.Encoder.dump

    def noting(self: Any, obj: Any) -> Any:
        seen.append((self, state_of(self)))
        return dump(self, obj)

    monkeypatch.setattr(encoder.Encoder, "dump", noting)
    return package, seen


class Failing:
    def __reduce__(self) -> Any:
        raise ZeroDivisionError


VALUES: list[Any] = [
    None,
    [{"id": 1, "tags": ("a", 2.5, None)}, {"id": 2, "tags": {b"b", frozenset({3})}}],
    {(1, (2, index)): [index] for index in range(200)},
    [[[[[], []]] * 3] * 40, b"y" * 70_000],
    {"text" * 30: {index: "é" * index for index in range(30)}},
]


@pytest.mark.parametrize("same", [False, True], ids=["other terms", "the same terms"])
@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_an_encoder_begins_again_as_if_it_were_new(
    begun: tuple[ModuleType, Seen], value: Any, protocol: int, same: bool
) -> None:
    package, seen = begun
    probe = protocol if same else 4
    for obj, number in (([1], probe), (value, protocol), ([1], probe)):
        assert pickle.loads(package.dumps(obj, number)) == obj
    assert seen[0][1] == seen[2][1]
    if protocol >= 4:
        assert len({id(encoder) for encoder, _ in seen}) == 1


@pytest.mark.parametrize(
    ("value", "options"),
    [
        (Failing(), {}),
        (range(3), {}),
        (float, {}),
        ([[[[[[1]]]]]], {"limits": safepickle.Limits(max_depth=3)}),
        (pickle.PickleBuffer(b"abc"), {"protocol": 5, "buffer_callback": lambda buffer: None}),
    ],
    ids=["fails", "is called", "a global", "too deep", "a buffer"],
)
def test_nothing_is_left_of_what_is_more_than_plain_data(
    begun: tuple[ModuleType, Seen], value: Any, options: dict[str, Any]
) -> None:
    """Of what went well the encoder is kept."""
    package, seen = begun
    fails = isinstance(value, (Failing, list))
    if "limits" in options:
        options = {"limits": package.Limits(max_depth=3)}
    package.dumps([1])
    with contextlib.suppress(package.SafePickleError, ZeroDivisionError):
        package.dumps(value, policy=package.UNRESTRICTED, **options)
    package.dumps([1])
    assert seen[0][1] == seen[2][1]
    assert (seen[1][0] is not seen[2][0]) == fails


class Point:
    def __init__(self) -> None:
        self.x: Any = 1


class Slotted:
    __slots__ = ("x",)

    def __init__(self) -> None:
        self.x: Any = 2


class Own:
    def __getstate__(self) -> Any:
        return {"y": 1}


POINT = Point()
OBJECTS: list[Any] = [
    [dt.date(2024, 2, 29), dt.date(2024, 3, 1), Decimal("2.5"), Fraction(1, 3), uuid.UUID(int=3)],
    [POINT, POINT, Point(), Slotted(), Slotted()],
    [Own(), Own(), Point],
    [collections.OrderedDict(a=1), collections.deque([1], 3), collections.Counter("aab")],
    [collections.defaultdict(list, a=[1]), collections.defaultdict(int, {(1, 2): 3})],
    [range(3), ValueError("x", 2), complex(1, 2), dt.date, dt.datetime(2024, 1, 1, tzinfo=dt.UTC)],
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", OBJECTS, ids=range(len(OBJECTS)))
def test_nothing_is_left_of_instances(begun: tuple[ModuleType, Seen], value: Any, protocol: int) -> None:
    """What is granted and known of classes is one dump's, but for what is kept with the policy."""
    package, seen = begun
    if protocol < 2 and any(isinstance(one, Slotted) for one in value):
        value = value[:3]
    names = "".join(f'"{__name__}:{name}" = ["new", "build", "refer"]\n' for name in ("Point", "Slotted", "Own"))
    more = package.Policy.from_text(f'schema = 1\n[globals]\n{names}"datetime:date" = ["refer", "call"]\n')
    policy = package.Policy.packs("stdlib") | more
    package.dumps([1], protocol, policy=policy)
    first = package.dumps(value, protocol, policy=policy)
    assert package.dumps(value, protocol, policy=policy) == package.dumps(value, protocol, policy=policy) == first
    package.dumps([1], protocol, policy=policy)
    assert seen[0][1] == seen[-1][1]
    assert len({id(encoder) for encoder, _ in seen}) == 1


TERMS: list[dict[str, Any]] = [
    {},
    {"protocol": 2},
    {"protocol": 2, "fix_imports": False},
    {"protocol": 5},
    {"limits": safepickle.Limits(max_depth=3)},
    {"policy": safepickle.Policy.packs("stdlib")},
    {"policy": safepickle.UNRESTRICTED},
]


@pytest.mark.parametrize("terms", TERMS, ids=str)
@pytest.mark.parametrize("before", TERMS, ids=str)
def test_no_terms_are_left_to_the_next_dump(before: dict[str, Any], terms: dict[str, Any]) -> None:
    """In whichever form is installed: the terms are compared with those that a dump had before."""

    def written(value: Any) -> Any:
        try:
            return safepickle.dumps(value, **terms)
        except safepickle.SafePickleError as error:
            return type(error)

    for value in ([range(2)], [uuid.UUID(int=5)], [[[[1]]]], {"a": "b"}):
        with pytest.raises(safepickle.PolicyError):
            safepickle.dumps(Failing())  # so that nothing is left
        anew = written(value)
        safepickle.dumps([1], **before)
        assert written(value) == anew


def test_an_encoder_that_is_at_work_is_not_begun_again(sp: ModuleType) -> None:
    """A reduce method that dumps: the dump inside has an encoder of its own."""

    class Nesting:
        def __reduce__(self) -> Any:
            assert pickle.loads(sp.dumps({"inner": [1, (2,)]})) == {"inner": [1, (2,)]}
            return (complex, (1, 2))

    for _ in range(3):
        sp.dumps([0])
        data = sp.dumps([["outer"], Nesting(), "more"], policy=sp.UNRESTRICTED)
        assert pickle.loads(data) == [["outer"], 1 + 2j, "more"]


def test_nothing_of_the_data_is_kept(sp: ModuleType) -> None:
    shared = ["shared"]
    key = "a key that " + str(len(shared))
    data = [shared, shared, {key: shared, 2: key}, (shared, key)]
    before = sys.getrefcount(shared), sys.getrefcount(key), sys.getrefcount(data)
    assert pickle.loads(sp.dumps(data)) == data
    assert (sys.getrefcount(shared), sys.getrefcount(key), sys.getrefcount(data)) == before


@pytest.mark.parametrize("count", [10, 1_000, 20_000, 60_000])
def test_nothing_of_much_data_is_kept(sp: ModuleType, count: int) -> None:
    """Whether the table of what has been written is kept, as one of half a megabyte is, or not."""
    shared: list[Any] = []
    data = [shared, *([number, shared] for number in range(count)), [shared]]

    def references() -> list[int]:
        return [sys.getrefcount(one) for one in data]

    before = references()
    for value in (data, [1], data, {"a": (2, 3)}, data):
        assert pickle.loads(sp.dumps(value)) == value
        assert references() == before


@given(st.lists(st.one_of(st.binary(max_size=3000), st.text(max_size=300), st.lists(st.integers())), max_size=8))
def test_what_was_written_stays_as_it_was(values: list[Any]) -> None:
    """Small pickles are copied out of room that is used again."""
    written = [(safepickle.dumps(value), value) for value in values]
    for data, value in written:
        assert pickle.loads(data) == value


SHORT_OF_MEMORY = """
import collections
import subprocess
import sys

import _testcapi
import safepickle
from safepickle._forms import python_form

sp = safepickle if sys.argv[1] == "compiled" else python_form()
policy = sp.Policy.packs("stdlib")
value = [collections.Counter("aab")]
expected = sp.dumps(value, policy=policy)
for first in range(120):
    try:
        _testcapi.set_nomemory(first, first + 1)
        sp.dumps(value, policy=policy)
    except Exception:
        pass
    finally:
        _testcapi.remove_mem_hooks()
    assert sp.dumps(value, policy=policy) == expected
"""


def test_one_allocation_that_fails_is_no_crash(sp: ModuleType) -> None:
    """Wherever it is: beginning anew, too, which is what a dump does before code of the data runs."""
    pytest.importorskip("_testcapi")
    form = "compiled" if sp.COMPILED else "python"
    done = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY, form], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
