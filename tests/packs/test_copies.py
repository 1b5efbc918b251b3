"""What pandas and pyarrow copy or read of an array that many calls share is paid for by each of them (D16)."""

from __future__ import annotations

import importlib
import pickle
from types import ModuleType
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
scipy_sparse = pytest.importorskip("scipy.sparse")

from packs.test_libraries import ARROW, LEVELS, NEW_INDEX, PANDAS, SPARSE, Made, changed  # noqa: E402

from safepickle.errors import LimitError, PolicyError  # noqa: E402
from safepickle.limits import Limits  # noqa: E402
from safepickle.policy.rules import Policy  # noqa: E402

COUNT = 10_000
NUMBERS = np.arange(COUNT)
ODD, DAYS, TEXTS = NUMBERS % 2, NUMBERS.astype("M8[D]"), np.array(["ab"] * COUNT)
BLOCK = importlib.import_module("pandas._libs.internals").__dict__["_unpickle_block"]
PLACES = importlib.import_module("pandas._libs.sparse").__dict__["IntIndex"]
INTERVALS = importlib.import_module("pandas.core.indexes.interval").__dict__["_new_IntervalIndex"]
TIMES = importlib.import_module("pandas.core.indexes.datetimes").__dict__["_new_DatetimeIndex"]
# None in pandas 2.
DURATIONS = importlib.import_module("pandas.core.indexes.timedeltas").__dict__.get("_new_TimedeltaIndex")
#: Arrow has its memory from outside: as bytes in the stream, which all share.
OFFSETS = (8 * np.arange(COUNT + 1)).tobytes()
TEXT = "abcdef\u00e9".encode() * COUNT
STRINGS = [None, pa.py_buffer(OFFSETS), pa.py_buffer(TEXT)]
CODES = pd.Categorical.from_codes(ODD, ["a", "b"]).__reduce__()
PERIODS = pd.PeriodIndex(pd.arrays.PeriodArray(NUMBERS, dtype=pd.PeriodDtype("D")))
MATRIX = scipy_sparse.csr_array((np.ones(COUNT, "i1"), NUMBERS % 2, np.array([0, COUNT])), (1, 2))


def many(func: Any, *args: Any, state: Any = None, make: Any = None) -> list[Made]:
    return [Made(func, args if make is None else make(), *([] if state is None else [state])) for _ in range(400)]


SHARED: dict[str, tuple[Policy, Any]] = {
    "places of values": (PANDAS, many(PLACES, COUNT, NUMBERS)),
    "times of a unit that pandas has not": (PANDAS, many(BLOCK, DAYS.reshape(1, -1), slice(0, 1), 2)),
    "texts of numpy": (PANDAS, many(BLOCK, TEXTS.reshape(1, -1), slice(0, 1), 2)),
    "places of columns": (PANDAS, many(BLOCK, NUMBERS.reshape(-1, 1), NUMBERS.astype("i4"), 2)),
    "sides of intervals": (
        PANDAS, many(INTERVALS, make=lambda: (pd.IntervalIndex, {"left": NUMBERS, "right": NUMBERS})),
    ),
    "periods of another frequency": (
        PANDAS, many(NEW_INDEX, make=lambda: (pd.PeriodIndex, {"data": PERIODS, "freq": "W"})),
    ),
    "codes of levels": (
        PANDAS, many(NEW_INDEX, make=lambda: (pd.MultiIndex, {"levels": LEVELS[:1], "codes": [ODD]})),
    ),
    "texts of an index": (PANDAS, many(NEW_INDEX, make=lambda: (pd.Index, {"data": TEXTS}))),
    "texts of Arrow": (PANDAS, many(ARROW, (pa.large_string(), COUNT, 0, 0, STRINGS, [], None))),
    "codes of categories": (PANDAS, many(CODES[0], *CODES[1], state=CODES[2])),
    "columns of a matrix": (SPARSE, [changed(MATRIX, **MATRIX.__dict__) for _ in range(400)]),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARED)
def test_what_is_made_of_one_array_again_and_again_is_paid_for(sp: ModuleType, name: str) -> None:
    policy, calls = SHARED[name]
    data = pickle.dumps(calls)
    limits = Limits(max_memory=1_000_000 + 7 * len(data))
    sp.loads(pickle.dumps(calls[:1]), policy=policy, limits=limits)
    with pytest.raises(LimitError) as error:
        sp.loads(data, policy=policy, limits=limits)
    assert error.value.limit == "max_memory"
    sp.loads(data, policy=policy)


@pytest.mark.parametrize("dtype", ["float64", "category", np.dtype("f8"), np.dtype("O"), pd.CategoricalDtype()])
def test_an_index_is_of_its_datas_own_dtype(sp: ModuleType, dtype: Any) -> None:
    """Each call would be another copy, of bytes as floats one of eight times the size."""
    small = np.zeros(5, "i1")
    assert len(sp.loads(pickle.dumps(Made(NEW_INDEX, (pd.Index, {"data": small}))), policy=PANDAS)) == 5
    same = Made(NEW_INDEX, (pd.Index, {"data": small, "dtype": small.dtype}))
    assert len(sp.loads(pickle.dumps(same), policy=PANDAS)) == 5
    with pytest.raises(PolicyError, match="dtype is not that of its data"):
        sp.loads(pickle.dumps(Made(NEW_INDEX, (pd.Index, {"data": small, "dtype": dtype}))), policy=PANDAS)


@pytest.mark.parametrize("kind", [pd.PeriodIndex, pd.IntervalIndex])
def test_periods_and_intervals_are_made_of_nothing_else(sp: ModuleType, kind: Any) -> None:
    """Of times, and of a range in a hundred bytes, pandas would make new ones (D15)."""
    span = Made(NEW_INDEX, (pd.RangeIndex, {"start": 0, "stop": 50_000_000, "step": 1}))
    for data in (pd.date_range("2000", periods=3), pd.date_range("2000", periods=3)._data, span):
        with pytest.raises(PolicyError, match=r"no periods|begin and end"):
            sp.loads(pickle.dumps(Made(NEW_INDEX, (kind, {"data": data, "freq": "D"}))), policy=PANDAS)
    for index in (pd.period_range("2000", periods=3, freq="D"), pd.interval_range(0, 3)):
        assert index.equals(sp.loads(pickle.dumps(index), policy=PANDAS))


def test_intervals_of_a_range_are_as_many_as_there_are_in_it(sp: ModuleType) -> None:
    """A range has no memory; where intervals begin has (D15)."""
    for stop in (50_000_000, 2**60):
        span = Made(NEW_INDEX, (pd.RangeIndex, {"start": 0, "stop": stop, "step": 1}))
        data = pickle.dumps(Made(INTERVALS, (pd.IntervalIndex, {"left": span, "right": span})))
        with pytest.raises(LimitError, match="max_memory"):
            sp.loads(data, policy=PANDAS)


@pytest.mark.parametrize("fields", [{"stop": 2**63}, {"stop": 10**30, "step": 7}, {"start": -(10**30)}])
def test_a_range_is_no_longer_than_can_be_counted(sp: ModuleType, fields: dict[str, int]) -> None:
    """The interpreter has no length for it: codes that point into it could not be looked at."""
    data = pickle.dumps(Made(NEW_INDEX, (pd.RangeIndex, {"start": 0, "stop": 1, "step": 1} | fields)))
    with pytest.raises(PolicyError, match="can be counted"):
        sp.loads(data, policy=PANDAS)


@pytest.mark.parametrize("whole", [pd.DataFrame({"a": [1]}), pd.Series([1])])
def test_the_attributes_of_each_frame_are_paid_for(sp: ModuleType, whole: Any) -> None:
    """Each makes a dict of its own of those that all share (D16)."""
    shared = dict.fromkeys(range(20_000))
    limits = Limits(max_memory=20_000_000)
    for count in (1, 100):
        frames = [whole.copy() for _ in range(count)]
        for frame in frames:
            object.__setattr__(frame, "_attrs", shared)
        data = pickle.dumps(frames)
        if count == 1:
            (one,) = sp.loads(data, policy=PANDAS, limits=limits)
            assert one.attrs == shared
        else:
            with pytest.raises(LimitError, match="max_memory"):
                sp.loads(data, policy=PANDAS, limits=limits)
            sp.loads(data, policy=PANDAS)


def test_times_are_no_index_that_would_be_copied(sp: ModuleType) -> None:
    times, durations = pd.date_range("2000", periods=3), pd.timedelta_range(0, periods=3)
    for func, kind, data in ((TIMES, pd.DatetimeIndex, times), (DURATIONS, pd.TimedeltaIndex, durations)):
        if func is None:
            continue
        for more in ({}, {"copy": True}, {"tz": "Europe/Vienna"}):
            with pytest.raises(PolicyError):
                sp.loads(pickle.dumps(Made(func, (kind, {"data": data, **more}))), policy=PANDAS)
        with pytest.raises(PolicyError, match="indexes, and times"):
            sp.loads(pickle.dumps(Made(func, (kind, {"freq": None}))), policy=PANDAS)
