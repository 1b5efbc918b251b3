"""Files that older versions of numpy and pandas wrote load under the packs as pickle loads them."""

from __future__ import annotations

import importlib
import pickle
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
pytz = pytest.importorskip("pytz")

from packs.trips import REAL, look  # noqa: E402

from safepickle.errors import PolicyError  # noqa: E402
from safepickle.policy.rules import Policy  # noqa: E402

OLDER = REAL / "older"
NUMPY, PANDAS = Policy.packs("numpy"), Policy.packs("pandas")


def pickles(path: Path, installed: ModuleType) -> dict[str, bytes]:
    """Return the pickles of a file, if it is of no later version than what is installed."""
    if _version(path.stem.partition("_")[2]) > _version(installed.__version__):
        pytest.skip("of a later version than what is installed")
    found: dict[str, bytes] = pickle.loads(path.read_bytes())
    return found


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")[:2]))


@pytest.mark.parametrize("path", sorted(OLDER.glob("pandas_*.pkl")), ids=lambda path: path.stem)
def test_frames(sp: ModuleType, path: Path) -> None:
    compared = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in pickles(path, pd).items():
            try:
                expected = look(pickle.loads(data))
            except (ImportError, AttributeError):
                continue  # what it names is not there any more; pickle cannot load it either
            assert look(sp.loads(data, policy=PANDAS)) == expected, name
            compared += 1
    assert compared >= 50


@pytest.mark.parametrize("path", sorted(OLDER.glob("numpy_*.pkl")), ids=lambda path: path.stem)
def test_arrays_and_generators(sp: ModuleType, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {name: sp.loads(data, policy=NUMPY) for name, data in pickles(path, np).items()}
    # Where a generator was seeded is not in such a file: only its numbers can be compared.
    assert found["generator"].random() == np.random.default_rng(1).random()
    assert found["random state"].random() == np.random.RandomState(1).random()
    assert found["texts"].tolist() == ["a", "bc"]
    assert found["records"].b.tolist() == [2.5]


def test_there_are_files_of_each() -> None:
    assert len(list(OLDER.glob("*.pkl"))) == 4


class Made:
    """Reduces to what it is given."""

    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        return self.reduced


NAME = "Europe/Vienna"
BITS, GENERATOR = (np.random._pickle.__dict__[f"__{name}_ctor"] for name in ("bit_generator", "generator"))
MT = {"bit_generator": "MT19937", "state": {"key": np.zeros(624, "u4"), "pos": 5}}

HOSTILE: dict[str, tuple[Policy, Any]] = {
    "an offset that the zone never had": (PANDAS, Made(pytz._p, (NAME, 1234, 0, "LMT"))),
    "a name that the zone never had": (PANDAS, Made(pytz._p, (NAME, 3900, 0, "x" * 1000))),
    "no zone": (PANDAS, Made(pytz._p, ("../../etc/passwd",))),
    "a number for a zone": (PANDAS, Made(pytz._p, (1,))),
    "an offset that is no number": (PANDAS, Made(pytz._p, (NAME, 1e300, 0, "LMT"))),
    "too few": (PANDAS, Made(pytz._p, (NAME, 3900))),
    "a zone without offsets": (PANDAS, Made(pytz._p, ("Etc/GMT+1", 0, 0, "x"))),
    "UTC of something": (PANDAS, Made(pytz._UTC, (1,))),
    "a generator by another function": (NUMPY, Made(GENERATOR, ("MT19937", np.dtype))),
    "a generator of no known name": (NUMPY, Made(GENERATOR, ("os.system", BITS))),
    "a position outside": (NUMPY, Made(GENERATOR, ("MT19937", BITS), MT | {"state": MT["state"] | {"pos": 10**6}})),
    "a key too short": (
        NUMPY, Made(GENERATOR, ("MT19937", BITS), MT | {"state": {"key": np.zeros(2, "u4"), "pos": 1}})
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_arguments_are_refused(sp: ModuleType, name: str) -> None:
    policy, value = HOSTILE[name]
    before = dict(getattr(pytz.timezone(NAME), "_tzinfos"))  # noqa: B009
    with pytest.raises(PolicyError, match="refused"):
        sp.loads(pickle.dumps(value, 4), policy=policy)
    assert before == pytz.timezone(NAME)._tzinfos


def test_the_same_without_the_harm(sp: ModuleType) -> None:
    zone = sp.loads(pickle.dumps(Made(pytz._p, (NAME, 3900, 0, "LMT")), 4), policy=PANDAS)
    assert zone is pytz.timezone(NAME)
    assert sp.loads(pickle.dumps(Made(pytz._UTC, ()), 4), policy=PANDAS) is pytz.UTC
    assert sp.loads(pickle.dumps(Made(GENERATOR, ("MT19937", BITS), MT), 4), policy=NUMPY).random() == 0.0


@pytest.mark.parametrize("args", [("UTC",), (NAME, 3600, 0, "CET")])
def test_a_survey_asks_nobody_for_zones(sp: ModuleType, monkeypatch: pytest.MonkeyPatch, args: tuple[Any, ...]) -> None:
    """It imports nothing, and what pytz is asked for stays in its tables: load alone asks it."""
    data = pickle.dumps(Made(pytz._p, args))
    assert str(sp.loads(data, policy=PANDAS)) == args[0]
    monkeypatch.delitem(sys.modules, "pytz")
    found = importlib.import_module(f"{sp.__name__}.decoding.unpickler").survey(data, policy=PANDAS)
    assert (found.denials, found.error) == ((), None)
    assert "pytz" not in sys.modules
