"""What pandas' own operations make goes both ways under its pack, whatever blocks, orders and caches they leave.

A frame that was just made is an easy case. One that was worked with has columns at every other place of a block, places
that go down, bounds of numpy's, and dtypes that remember what they found out.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

from packs.trips import same  # noqa: E402

from safepickle.policy.rules import Policy  # noqa: E402

PANDAS = Policy.packs("pandas")

COLUMNS: dict[str, Callable[[int], Any]] = {
    "ints": np.arange,
    "small ints": lambda n: np.arange(n, dtype="i1"),
    "floats": lambda n: np.arange(n) / 3,
    "small floats": lambda n: np.arange(n, dtype="f4"),
    "bools": lambda n: np.arange(n) % 2 == 0,
    "texts": lambda n: [f"x{i}" for i in range(n)],
    "objects": lambda n: [(1, 2)] * n,
    "dates": lambda n: pd.date_range("2020", periods=n),
    "dates of a zone": lambda n: pd.date_range("2020", periods=n, tz="UTC"),
    "spans": lambda n: pd.to_timedelta(np.arange(n), unit="s"),
    "periods": lambda n: pd.period_range("2020", periods=n, freq="M"),
    "intervals": lambda n: pd.IntervalIndex.from_breaks(range(n + 1)),
    "categories": lambda n: pd.Categorical(["uvw"[i % 3] for i in range(n)]),
    "sparse": lambda n: pd.arrays.SparseArray([0] * (n - 1) + [1]),
    "masked ints": lambda n: pd.array([None if i % 2 else i for i in range(n)], dtype="Int64"),
    "masked bools": lambda n: pd.array([True] * n, dtype="boolean"),
    "masked texts": lambda n: pd.array(["a"] * n, dtype="string"),
}
#: Each takes a frame and one of its columns. What pandas does not do with such a frame is left out.
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "assign": lambda frame, _: frame.assign(**{f"n{len(frame.columns)}": range(len(frame))}),
    "assign dates": lambda frame, _: frame.assign(**{f"d{len(frame.columns)}": pd.Timestamp("2020")}),
    "copy": lambda frame, _: frame.copy(),
    "columns turned": lambda frame, _: frame[list(frame.columns)[::-1]],
    "rows turned": lambda frame, _: frame.iloc[::-1],
    "columns by slice": lambda frame, _: frame.iloc[:, ::-1],
    "every other column": lambda frame, _: frame.iloc[:, ::2],
    "rows": lambda frame, _: frame.iloc[1:],
    "no rows": lambda frame, _: frame.iloc[:0],
    "drop": lambda frame, column: frame.drop(columns=column),
    "reset": lambda frame, _: frame.reset_index(),
    "index": lambda frame, column: frame.set_index(column),
    "two indexes": lambda frame, _: frame.set_index(list(frame.columns)[:2]),
    "sort": lambda frame, column: frame.sort_values(column),
    "below": lambda frame, _: pd.concat([frame, frame]),
    "beside": lambda frame, _: pd.concat([frame, frame], axis=1),
    "transpose": lambda frame, _: frame.T,
    "describe": lambda frame, _: frame.describe(include="all"),
    "group": lambda frame, column: frame.groupby(column, observed=True).first(),
    "merge": lambda frame, column: frame.merge(frame, on=column),
    "pivot": lambda frame, column: frame.pivot_table(index=column, columns=frame.columns[-1], aggfunc="count"),
    "objects": lambda frame, _: frame.astype(object),
    "numbers": lambda frame, _: frame.select_dtypes("number"),
    "new column": lambda frame, _: frame.reindex(columns=[*frame.columns, "zz"]),
    "new row": lambda frame, _: frame.reindex(range(len(frame) + 1)),
    "missing": lambda frame, _: frame.isna(),
    "convert": lambda frame, _: frame.convert_dtypes(),
    "stack": lambda frame, _: frame.stack().to_frame(),
    "shift": lambda frame, _: frame.shift(),
}


def frame_of(kinds: list[str], rows: int, steps: list[tuple[str, int]]) -> Any:
    frame = pd.DataFrame({f"c{place}": COLUMNS[kind](rows) for place, kind in enumerate(kinds)})
    for name, place in steps:
        try:
            made = OPERATIONS[name](frame, frame.columns[place % len(frame.columns)])
        except (ValueError, TypeError, KeyError, IndexError, ZeroDivisionError, NotImplementedError):
            continue
        if made.shape[1]:
            frame = made
    return frame


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    kinds=st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=6),
    rows=st.integers(1, 5),
    steps=st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 7)), max_size=5),
    protocol=st.sampled_from([2, 4, 5]),
)
def test_what_operations_make_goes_both_ways(
    sp: ModuleType, kinds: list[str], rows: int, steps: list[tuple[str, int]], protocol: int
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = frame_of(kinds, rows, steps)
        for value in (frame, frame.iloc[:, 0], frame.columns, frame.index):
            data = pickle.dumps(value, protocol)
            same(sp.loads(data, policy=PANDAS), pickle.loads(data))
            same(sp.loads(sp.dumps(value, policy=PANDAS), policy=PANDAS), value)


def test_a_dtype_may_remember_what_it_found_out(sp: ModuleType) -> None:
    """Whoever makes an index of masked numbers leaves the class of it in their dtype, for good."""
    for dtype in ("Int64", "UInt8", "Float32", "boolean"):
        values = pd.Series([1, None, 0], dtype=dtype)
        values.groupby(values).size().reset_index()
        pd.Index(values.array).is_unique  # noqa: B018 (it is remembered)
        for name in ("is_signed_integer", "is_unsigned_integer", "kind", "itemsize", "numpy_dtype", "index_class"):
            getattr(values.dtype, name, None)
        assert values.dtype._cache
        data = pickle.dumps(values, 5)
        same(sp.loads(data, policy=PANDAS), values)
        same(sp.loads(sp.dumps(values, policy=PANDAS), policy=PANDAS), values)
