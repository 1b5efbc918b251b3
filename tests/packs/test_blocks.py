"""Blocks of pandas' frames say which columns they are; pandas writes there without a look."""

from __future__ import annotations

import importlib
import pickle
from types import ModuleType
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

from packs.test_libraries import PANDAS, Made, frame  # noqa: E402

from safepickle.errors import PolicyError  # noqa: E402

BLOCK = importlib.import_module("pandas._libs.internals").__dict__["_unpickle_block"]
MANAGER = importlib.import_module("pandas.core.internals.managers").BlockManager


def of_blocks(*blocks: Any, columns: int = 2, rows: int = 3) -> Made:
    made = tuple(Made(BLOCK, (values, places, 2)) for values, places in blocks)
    return frame(_mgr=Made(MANAGER, (made, [pd.RangeIndex(columns), pd.RangeIndex(rows)])))


ROW, TWO = np.zeros((1, 3)), np.zeros((2, 3))
HOSTILE = {
    "a place below zero": of_blocks((ROW, np.array([-1])), columns=1),
    "a place below zero, of no rows": of_blocks((np.zeros((0, 3)), np.array([-1])), columns=1),
    "a place below zero, of an array of pandas": of_blocks((pd.array([1, None, 2]), np.array([-1])), columns=1),
    "a slice from below zero": of_blocks((ROW, slice(-1, 0)), columns=1),
    "a slice backwards": of_blocks((TWO, slice(1, -1, -1))),
    "a slice without an end": of_blocks((TWO, slice(0, None))),
    "a matrix": of_blocks((TWO.view(np.matrix), slice(0, 2, 1))),
    "records": of_blocks((TWO.view(np.recarray), slice(0, 2, 1))),
    "masked values": of_blocks((np.ma.array(TWO), slice(0, 2, 1))),
    "a list": of_blocks(([[1.0] * 3] * 2, slice(0, 2, 1))),
    "a matrix by itself": Made(BLOCK, (ROW.view(np.matrix), slice(0, 1, 1), 1)),
    "a slice down from beyond": of_blocks((TWO, slice(2, 0, -1))),
    "a slice down from the end": of_blocks((TWO, slice(1, -3, -1))),
    "a slice of steps of none": of_blocks((TWO, slice(0, 2, 0))),
    "a slice whose last place is outside": of_blocks((TWO, slice(0, 4, 2))),
    "a place that is not there": of_blocks((TWO, np.array([0, 5]))),
    "places far away": of_blocks((ROW, np.array([2**40])), columns=1),
    "a slice that ends outside": of_blocks((TWO, slice(1, 3))),
    "more places than rows": of_blocks((ROW, np.array([0, 1]))),
    "fewer places than rows": of_blocks((TWO, slice(0, 1)), columns=1),
    "places that are no ints": of_blocks((ROW, np.array([0.0])), columns=1),
    "a block that is none": frame(_mgr=Made(MANAGER, ((1,), [pd.RangeIndex(1), pd.RangeIndex(3)]))),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_blocks_are_columns_that_are_there(sp: ModuleType, name: str) -> None:
    with pytest.raises(PolicyError, match="arguments are refused"):
        sp.loads(pickle.dumps(HOSTILE[name]), policy=PANDAS)


def test_blocks_of_every_kind_go_both_ways(sp: ModuleType) -> None:
    value = pd.DataFrame({
        "a": [1, 2], "b": [1.5, 2], "c": ["x", None], "d": pd.date_range("2000", periods=2), "e": [3, 4],
        "f": pd.Categorical(["u", "v"]), "g": pd.array([1, None]), "h": pd.date_range("2000", periods=2, tz="UTC"),
        "i": pd.timedelta_range(0, periods=2),
    })  # fmt: skip
    none = value[["a", "b", "c", "d"]][:0]
    for one in (value, value[["e", "a", "c"]], none, value[[]], value[["d"]], value.T, pd.DataFrame()):
        for protocol in (2, 5):
            loaded = sp.loads(pickle.dumps(one, protocol), policy=PANDAS)
            assert loaded.equals(one)
        assert sp.loads(sp.dumps(one, policy=PANDAS), policy=PANDAS).equals(one)


def test_blocks_at_every_other_place_go_both_ways(sp: ModuleType) -> None:
    """Pandas writes a stop that lies beyond the frame, places that go down, and bounds of numpy's."""
    dates = pd.DataFrame({"a": [1, 2], "d": pd.date_range("2000", periods=2)}).assign(z=1).copy()
    assert slice(0, 4, 2) in [block.mgr_locs.indexer for block in dates._mgr.blocks]
    made = [
        dates,
        of_blocks((TWO, slice(1, None, -1))),
        of_blocks((TWO, np.array([1, 0]))),
        of_blocks((ROW, slice(1, 0, -1)), (ROW, slice(0, 1))),
        of_blocks((TWO, slice(np.int64(0), np.int64(2), 1))),
        of_blocks((ROW, slice(1, 2, 5)), (ROW, slice(0, 9, 9))),
    ]
    for one in made:
        for protocol in (2, 5):
            data = pickle.dumps(one, protocol)
            loaded = sp.loads(data, policy=PANDAS)
            assert loaded.equals(pickle.loads(data))
            assert loaded.copy().equals(loaded)
