"""What pandas takes to be as long as something else is as long, and stays so: compiled code reads as many items."""

from __future__ import annotations

import copyreg
import importlib
import pickle
import sys
from types import ModuleType
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

from packs.test_blocks import BLOCK, MANAGER, ROW, of_blocks  # noqa: E402
from packs.test_libraries import ARRAY, BACKED, NEW_INDEX, PANDAS, Made, frame, twice  # noqa: E402

from safepickle.errors import LimitError, PolicyError, SafePickleError  # noqa: E402

SCALAR = np.float64(1).__reduce__()[0]
SINGLE = importlib.import_module("pandas.core.internals.managers").SingleBlockManager
INTERVALS = sys.modules["pandas._libs.interval"].__dict__["__pyx_unpickle_IntervalMixin"]
DATES = importlib.import_module("pandas.core.indexes.datetimes").__dict__["_new_DatetimeIndex"]
PERIODS = importlib.import_module("pandas.core.indexes.period").__dict__["_new_PeriodIndex"]
CHECKSUM = pd.interval_range(0, 1).array.__reduce__()[1][1]


def series(index: Any, values: Any, places: Any = slice(0, 3, 1), **changes: Any) -> Made:
    """Return a series of any index and values."""
    extra = {"axes": [index], "blocks": [{"values": values, "mgr_locs": places}]} | changes
    manager = Made(copyreg._reconstructor, (SINGLE, object, None), ([], [], [], {"0.14.1": extra}))  # type: ignore[attr-defined]
    state = pd.Series([1]).__getstate__() | {"_mgr": manager}
    return Made(copyreg._reconstructor, (pd.Series, object, None), state)  # type: ignore[attr-defined]


def intervals(left: Any, right: Any) -> Made:
    state = {"_left": left, "_right": right, "_dtype": pd.IntervalDtype("int64", "right")}
    return Made(INTERVALS, (pd.arrays.IntervalArray, CHECKSUM, None), (state,))


def waiting() -> Made:
    """Return an array of numpy that is given no data."""
    return Made(ARRAY, (np.ndarray, (0,), b"b"))


def without(kind: Any) -> Made:
    """Return an array of pandas that is given no data."""
    return Made(BACKED, (kind, 82904607, None))


def grown(around: Any) -> Made:
    """Return an array that is given items when something has been made of it: they are that."""
    array = Made(ARRAY, (np.ndarray, (0,), b"b"))
    array.reduced += ((1, (3,), np.dtype("O"), False, [around(array)] * 3),)
    return array


def index_of(data: Any, kind: Any = pd.Index) -> Made:
    return Made(NEW_INDEX, (kind, {"data": data, "name": None}))


THREE, DAYS = pd.RangeIndex(3), pd.date_range("2000", periods=3)
LABELS = pd.Categorical(["a", "b", "a"])
HOSTILE = {
    "fewer values than its index": series(pd.RangeIndex(10**6), np.zeros(3)),
    "more values than its index": series(THREE, np.zeros(9)),
    "fewer values of pandas' than its index": series(pd.RangeIndex(10**6), LABELS),
    "values of two dimensions": series(THREE, np.zeros((3, 3))),
    "a list of values": series(THREE, [1, 2, 3]),
    "two axes": series(THREE, ROW, axes=[THREE, THREE]),
    "no axis": series(THREE, np.zeros(3), axes=[]),
    "no blocks": series(THREE, np.zeros(3), blocks=[]),
    "an axis that is a list": series([1, 2, 3], np.zeros(3)),
    "a place below zero": series(THREE, np.zeros(3), slice(-1, 2, 1)),
    "fewer right sides": intervals(np.arange(3), np.arange(2)),
    "fewer left sides": intervals(np.arange(2), np.arange(3)),
    "sides of two kinds": intervals(np.arange(3), THREE),
    "sides that are text": intervals("abc", "abc"),
    "sides of two dimensions": intervals(np.zeros((3, 3)), np.zeros((3, 3))),
    "a list as an index": index_of([1, 2, 3]),
    "a list as times": Made(DATES, (pd.DatetimeIndex, {"data": ["2000"], "name": None})),
    "an index grows": grown(index_of),
    "the index of a series grows": grown(lambda array: series(index_of(array), np.zeros(0))),
    "the values of a series grow": grown(lambda array: series(pd.RangeIndex(0), array)),
    "the rows of a frame grow": grown(
        lambda array: frame(_mgr=Made(MANAGER, ((), [pd.RangeIndex(0), index_of(array)])))
    ),
    "the values of a block grow": grown(lambda array: Made(BLOCK, (array, slice(0, 0, 1), 1))),
    "sides grow": grown(lambda array: intervals(array, array)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_lengths_are_those_of_what_is_there(sp: ModuleType, name: str) -> None:
    with pytest.raises(PolicyError, match=r"(arguments are|state is) refused"):
        sp.loads(pickle.dumps(HOSTILE[name]), policy=PANDAS)


KINDS = [
    pd.Categorical, pd.arrays.DatetimeArray, pd.arrays.TimedeltaArray, pd.arrays.PeriodArray, pd.arrays.StringArray,
    getattr(pd.arrays, "NumpyExtensionArray", None) or pd.arrays.PandasArray,  # its name before pandas 2.1
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("protocol", [2, 4])
def test_arrays_of_pandas_have_data(sp: ModuleType, kind: Any, protocol: int) -> None:
    for value in (without(kind), [without(kind), 1], {"a": DAYS, "b": without(kind)}):
        with pytest.raises(PolicyError, match="given no state"):
            sp.loads(pickle.dumps(value, protocol), policy=PANDAS)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_made_of_arrays_of_pandas_before(sp: ModuleType, kind: Any) -> None:
    for value in (
        index_of(without(kind)), index_of([without(kind)]), series(pd.RangeIndex(0), without(kind)),
        of_blocks((without(kind), slice(0, 1)), columns=1), Made(BLOCK, (without(kind), slice(0, 1, 1), 1)),
        intervals(without(kind), without(kind)), Made(DATES, (pd.DatetimeIndex, {"data": without(kind), "name": None})),
        index_of(without(kind), pd.PeriodIndex), index_of(without(kind), pd.CategoricalIndex),
    ):  # fmt: skip
        with pytest.raises(SafePickleError, match="refused"):
            sp.loads(pickle.dumps(value), policy=PANDAS)


def test_who_has_been_asked_for_a_length_gets_no_other(sp: ModuleType) -> None:
    for value in (
        pd.interval_range(0, 3).array, pd.array(["a", "b"], dtype="string[pyarrow]"),
        pd.array([1, 2], dtype="int64[pyarrow]"), pd.Series([1, 2])._mgr,
    ):  # fmt: skip
        state = value.__reduce_ex__(2)[2]
        with pytest.raises(PolicyError, match="already"):
            sp.loads(twice(value, state), policy=PANDAS)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_what_has_no_items_goes_both_ways(sp: ModuleType, protocol: int) -> None:
    """An array without items that has its state is told from one that waits for it."""
    small = np.zeros(0, "i1")
    for value in (
        pd.Series([], dtype="Int8"), pd.Series([], dtype="int8"), pd.Series(pd.Categorical([])),
        pd.Series(LABELS[:0]), pd.DataFrame({"a": LABELS[:0], "b": small}), pd.Series(small, index=pd.Index(small)),
        pd.DataFrame({"a": pd.array([1], dtype="Int8")})[:0], pd.Series(pd.interval_range(0, 3)[:0]),
        pd.Series(1, index=pd.MultiIndex.from_arrays([[], []])), pd.Series([], dtype="string[pyarrow]"),
    ):  # fmt: skip
        compare = pd.testing.assert_series_equal if type(value) is pd.Series else pd.testing.assert_frame_equal
        compare(sp.loads(pickle.dumps(value, protocol), policy=PANDAS), value)
        compare(sp.loads(sp.dumps(value, protocol, policy=PANDAS), policy=PANDAS), value)


def test_an_array_without_items_gets_its_state_once(sp: ModuleType) -> None:
    empty = np.zeros(0, "i1")
    with pytest.raises(PolicyError, match="already"):
        sp.loads(twice(empty, np.arange(9).__reduce__()[2]), policy=PANDAS)


def test_no_array_is_of_arrays(sp: ModuleType) -> None:
    """Of such a dtype numpy makes an array of more dimensions; one that has it is written to past its end."""
    for dtype in (np.dtype(("f8", (3,))), np.dtype(("u1", (2, 2)))):
        state = (1, (4,), dtype, False, bytes(4 * dtype.itemsize))
        with pytest.raises(PolicyError, match="its type is an array itself"):
            sp.loads(pickle.dumps(Made(ARRAY, (np.ndarray, (0,), b"b"), state)), policy=PANDAS)
        with pytest.raises(PolicyError, match="its type is an array itself"):
            sp.loads(pickle.dumps(Made(SCALAR, (dtype, bytes(dtype.itemsize)))), policy=PANDAS)
        part = np.zeros(2, [("a", dtype)])
        assert (sp.loads(pickle.dumps(part), policy=PANDAS) == part).all()


@pytest.mark.parametrize("code", ["S0", "U0"])
def test_texts_of_no_length_are_paid_for(sp: ModuleType, code: str) -> None:
    """A hundred bytes would be as many items as whoever copies or compares them has no room for."""

    def of(count: int) -> bytes:
        return pickle.dumps(Made(ARRAY, (np.ndarray, (0,), b"b"), (1, (count,), np.dtype(code), False, b"")))

    assert sp.loads(of(3), policy=PANDAS).shape == (3,)
    for count in (2**28, 2**40, 2**61):
        with pytest.raises(LimitError, match="max_memory"):
            sp.loads(of(count), policy=PANDAS)
