"""Sessions: what one load leaves to the next is room and keys, and nothing else."""

from __future__ import annotations

import array
import collections
import datetime as dt
import io
import pickle
import subprocess
import sys
import uuid
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import safepickle
from safepickle import _forms

#: What a machine is made of; anything else that it refers to is compared by value.
_PARTS = ("gate", "nesting", "budget", "keys")
#: What a machine is kept for: room, and for whom it may be opened again; and scratch pads.
_NOT_KNOWN = ("spare", "policy", "unspent", "limits", "taken", "call_end", "zone_at")


def state_of(machine: Any) -> dict[str, Any]:
    """Return all that a machine of the Python form knows when it is opened."""
    found: dict[str, Any] = {}
    for part in (machine, machine.gate, machine.nesting, machine.budget, machine.gate.keys):
        for name, value in vars(part).items():
            if (name in _NOT_KNOWN and part is machine) or name == "deadline":
                continue
            kept = type(value).__name__ if name in _PARTS else value
            found[f"{type(part).__name__}.{name}"] = list(kept) if type(kept) is list else kept
    return found


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, list[tuple[str, dict[str, Any]]]]:
    """The Python form, and how each machine of its ``loads`` was opened and what it knew then."""
    package = _forms.python_form()
    door = import_module(f"{package.__name__}.decoding.door")
    seen: list[tuple[str, dict[str, Any]]] = []
    open_again, run = door.Door.open_again, door.Door.run
    how = ["anew"]

    def noting_again(self: Any, *arguments: Any) -> None:
        how[0] = "again"
        open_again(self, *arguments)

    def noting_run(self: Any) -> Any:
        seen.append((how[0], state_of(self)))
        how[0] = "anew"
        return run(self)

    monkeypatch.setattr(door.Door, "open_again", noting_again)
    monkeypatch.setattr(door.Door, "run", noting_run)
    package.loads(b"N.", encoding="UTF-8")  # the next is opened anew
    seen.clear()
    return package, seen


VALUES: list[Any] = [
    [{"id": 1, "tags": ("a", 2.5, None)}, {"id": 2, "tags": ["é", True]}],
    {2**70 + index: (index,) for index in range(20)},  # keys whose hashes could be made equal
    [[[[[]], []]] * 3] * 40,
]
STREAMS = [
    *(pickle.dumps(value, protocol) for value in VALUES for protocol in range(2, 6)),
    pickle.dumps([{b"b", frozenset({3})}, bytearray(b"x") * 300], 5),
    b"]\x94(h\x00h\x00e.",  # a list in itself
    b"\x80\x02]q\x05(h\x05e.",  # a memo with gaps
    b"]]" + b"\x94" + b"ah\x00" + b"0.",  # grows inside another
    b"(" * 50 + b"t" * 50 + b".",
]


@pytest.mark.parametrize("data", STREAMS, ids=range(len(STREAMS)))
def test_a_machine_is_opened_again_as_if_it_were_new(
    opened: tuple[ModuleType, list[tuple[str, dict[str, Any]]]], data: bytes
) -> None:
    package, seen = opened
    probe = pickle.dumps([1])
    package.loads(probe)
    package.loads(data)
    package.loads(probe)
    assert [how for how, _ in seen] == ["anew", "again", "again"]
    assert seen[0][1] == seen[2][1]


class Counting:
    """Is a key, and takes state and items."""

    def __setstate__(self, state: dict[str, int]) -> None:
        self.count = state["count"]

    def __getstate__(self) -> dict[str, int]:
        return {"count": 1}


def give() -> Counting:
    """Return what is not of the class that was called."""
    return Counting()


class Given:
    """Is what a function gives, and has state of its own."""

    def __reduce__(self) -> Any:
        return give, (), {"count": 2}


class Point(NamedTuple):
    x: int


ONE = Counting()
NAMING: list[Any] = [
    [dt.date(2024, 2, 29), dt.datetime(2024, 1, 1, tzinfo=dt.UTC), Decimal("2.5"), Fraction(1, 3)],
    {dt.date(2024, 2, day): Decimal(day) for day in range(1, 9)},
    [collections.OrderedDict(a=1), collections.deque([1], 3), collections.Counter("aab")],
    [collections.defaultdict(list, a=[1]), collections.defaultdict(int, {(1, 2): 3})],
    [collections.UserDict(a=1), collections.ChainMap({1: 2}), ValueError("x", 2), range(3), slice(1, 2)],
    [ONE, ONE, {ONE: 1}, {(ONE, 2)}, [Counting() for _ in range(5)]],
    [Given(), Given(), Point(1), complex(1, 2), array.array("d", [1.5]), uuid.UUID(int=3)],
    [dt.date, Counting, len],
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", NAMING, ids=range(len(NAMING)))
def test_so_it_is_after_a_pickle_that_names_globals(
    opened: tuple[ModuleType, list[tuple[str, dict[str, Any]]]], value: Any, protocol: int
) -> None:
    """Rights, owners, shapes, factories, keys: nothing that was found out is left, but with the policy."""
    package, seen = opened
    names = "".join(f'"{__name__}:{name}" = ["new", "build", "refer"]\n' for name in ("Counting", "Point"))
    text = f'schema = 1\n[globals]\n{names}"{__name__}:give" = ["call", "build"]\n'
    text += '"datetime:date" = ["refer", "call"]\n"builtins:len" = ["refer"]\n"builtins:slice" = ["call"]\n'
    text += "".join(f'"collections:{name}" = ["new", "build", "setitem"]\n' for name in ("UserDict", "ChainMap"))
    text += '"array:_array_reconstructor" = ["call"]\n"array:array" = ["call", "refer"]\n"builtins:list" = ["refer"]\n'
    policy = package.Policy.packs("stdlib") | package.Policy.from_text(text, name="more")
    data = pickle.dumps(value, protocol)
    package.loads(b"N.", policy=policy)
    for _ in range(2):
        package.loads(data, policy=policy)
    package.loads(b"N.", policy=policy)
    assert [how for how, _ in seen] == ["anew", "again", "again", "again"]
    assert seen[0][1] == seen[3][1]


def test_what_it_holds_a_machine_lets_go(opened: tuple[ModuleType, list[tuple[str, dict[str, Any]]]]) -> None:
    """Data of a buffer are noted although nothing is named."""
    package, seen = opened
    for data in (b"N.", b"\x96" + (2000).to_bytes(8, "little") + b"x" * 2000 + b"\x98.", b"N."):
        package.loads(data)
    assert [how for how, _ in seen] == ["anew", "again", "again"]
    assert seen[0][1] == seen[2][1]


@pytest.mark.parametrize(
    "options",
    [
        {"limits": safepickle.Limits(max_objects=1000)},
        {"policy": safepickle.Policy.packs("stdlib")},
        {"buffers": []},
        {"fix_imports": False},
        {"encoding": "latin-1"},
        {"errors": "replace"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_under_other_terms_a_machine_is_opened_anew(
    opened: tuple[ModuleType, list[tuple[str, dict[str, Any]]]], options: dict[str, Any]
) -> None:
    package, seen = opened
    package.loads(b"N.")
    package.loads(b"N.", **{name: _of_form(package, value) for name, value in options.items()})
    package.loads(b"N.")
    assert [how for how, _ in seen] == ["anew"] * 3


def _of_form(package: ModuleType, value: Any) -> Any:
    if isinstance(value, safepickle.Limits):
        return package.Limits(max_objects=1000)
    return package.Policy.packs("stdlib") if isinstance(value, safepickle.Policy) else value


def test_a_machine_that_is_at_work_is_not_opened_again(sp: ModuleType) -> None:
    """A file that loads while it is read: the load inside has a machine of its own."""

    class Reader:
        def __init__(self) -> None:
            self.rest = io.BytesIO(b"\x80\x04K\x01.")

        def read(self, count: int = -1) -> bytes:
            assert sp.loads(pickle.dumps({"inner": [1]})) == {"inner": [1]}
            return self.rest.read(count)

        def readline(self) -> bytes:
            return self.rest.readline()

    for _ in range(3):
        sp.loads(b"N.")
        assert sp.load(Reader()) == 1


@given(st.lists(st.dictionaries(st.text(max_size=40), st.integers(0, 9), max_size=8), max_size=6))
def test_keys_that_are_kept_are_the_right_ones(records: list[dict[str, int]]) -> None:
    """The compiled form keeps short keys by their bytes: other bytes, another key."""
    for record in records:
        loaded = safepickle.loads(pickle.dumps(record, 4))
        assert loaded == record
        assert list(map(type, loaded)) == [str] * len(record)


@pytest.mark.parametrize("length", [*range(30), 255])
def test_keys_of_one_length_that_differ_in_one_place_stay_apart(length: int) -> None:
    keys = ["x" * length, *("x" * place + "y" + "x" * (length - place - 1) for place in range(length))]
    for _ in range(2):
        for key in keys:
            assert list(safepickle.loads(pickle.dumps({key: 1, key + "z": 2}, 4))) == [key, key + "z"]


def test_only_keys_are_kept() -> None:
    """What dicts and lists hold belongs to whoever loaded it."""
    data = pickle.dumps({"a key of mine": "a value of mine", "more": ["an item of mine", "another of mine"]}, 4)
    first, second = safepickle.loads(data), safepickle.loads(data)
    kept = [one is other for one, other in zip(first, second, strict=True)]
    assert kept == [safepickle.COMPILED] * 2
    assert first["a key of mine"] is not second["a key of mine"]
    assert all(one is not other for one, other in zip(first["more"], second["more"], strict=True))


SHORT_OF_MEMORY = """
import collections
import datetime
import decimal
import pickle
import sys

import _testcapi
import safepickle
from safepickle._forms import python_form

sp = safepickle if sys.argv[1] == "compiled" else python_form()
policy = sp.Policy.packs("stdlib")
ring = []
ring.append(ring)
values = [[{"a": 1, "b": [1.5, "x"]}] * 3, collections.Counter("abc"), decimal.Decimal("2.5"), datetime.date.min]
streams = [pickle.dumps(values), pickle.dumps(ring)]
streams += [b"cos\\nsystem\\n(S'x'\\ntR.", b"\\x80\\x04}(]K\\x01u.", b"N\\xff."]
works = [lambda data=data: sp.loads(data, policy=policy) for data in streams]
works += [lambda: sp.dumps(values, policy=policy), lambda: sp.dumps(lambda: 0)]
for number, work in enumerate(works):
    for first in range(-1, 250):
        try:
            if first >= 0:  # the first time, all is imported that is needed
                _testcapi.set_nomemory(first, first + 1)
            work()
        except (sp.SafePickleError, MemoryError):
            pass
        except SystemError:  # the interpreter's own
            assert not sp.COMPILED
        finally:
            _testcapi.remove_mem_hooks()
"""


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="later interpreters end by themselves, in either form")
def test_where_one_allocation_fails_nothing_but_an_error_comes_of_it(sp: ModuleType) -> None:
    pytest.importorskip("_testcapi")
    form = "compiled" if sp.COMPILED else "python"
    done = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY, form], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
