# ruff: noqa: E501 (tables of cases, one beside the other)
"""Real objects of pandas, of every kind that its pack is for."""

from __future__ import annotations

from typing import Any

import pandas as pd


def pandas_objects() -> dict[str, Any]:
    """Return objects by name."""
    days = pd.date_range("2024-01-01", periods=3)
    frame = pd.DataFrame({"i": [1, 2, 3], "f": [1.5, None, 2.5], "b": [True, False, True]})
    found: dict[str, Any] = {
        "frame": frame,
        "frame of texts": pd.DataFrame({"s": ["a", None, "b"]}),
        "frame of objects": pd.DataFrame({"o": pd.Series([1, "a", None], dtype=object)}),
        "empty frame": pd.DataFrame(),
        "frame with an index": pd.DataFrame({"x": [1, 2]}, index=["a", "b"]),
        "frame by dates": pd.DataFrame({"x": [1, 2, 3]}, index=days),
        "frame with categories": pd.DataFrame({"c": pd.Categorical(["a", "b", "a"], ordered=True)}),
        "frame with times": pd.DataFrame({"t": days, "z": days.tz_localize("UTC"), "d": days - days[0]}),
        "frame with attributes": frame.assign(),
        "columns of two levels": pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
        "group": frame.set_index(["i", "b"]),
        "series": pd.Series([1, 2, 3], name="n"),
        "series of texts": pd.Series(["a", "b"]),
        "index": pd.Index([1, 2, 3], name="n"),
        "index of texts": pd.Index(["a", "b"]),
        "index of objects": pd.Index([1, "a"], dtype=object),
        "range": pd.RangeIndex(5),
        "multi-index": pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["x", None]),
        "dates": days,
        "dates with a zone": pd.date_range("2024-01-01", periods=3, tz="Europe/Vienna"),
        "dates with an offset": pd.date_range("2024-01-01", periods=2, tz="+01:00"),
        "timedeltas": pd.timedelta_range("1D", periods=3),
        "periods": pd.period_range("2024-01", periods=3, freq="M"),
        "intervals": pd.interval_range(0, 3),
        "categories": pd.CategoricalIndex(["a", "b"]),
        "timestamp": pd.Timestamp("2024-01-01 10:00", tz="UTC"),
        "timestamp without a zone": pd.Timestamp("2024-01-01"),
        "timedelta": pd.Timedelta("1D"),
        "period": pd.Period("2024-01", "M"),
        "interval": pd.Interval(0, 1, closed="left"),
        "no time": pd.NaT,
        "missing": pd.NA,
        "offset": pd.offsets.Day(2),
        "offset of months": pd.offsets.MonthEnd(),
        "offset of business days": pd.offsets.BusinessDay(),
        "offset of parts": pd.DateOffset(months=1),
        "offset of easter": pd.offsets.Easter(),
        "offset of half a month": pd.offsets.SemiMonthEnd(),
        "offset of a week": pd.offsets.WeekOfMonth(week=1, weekday=2),
        "offset of the last week": pd.offsets.LastWeekOfMonth(weekday=2),
        "dtype of categories": pd.CategoricalDtype(["a"], ordered=True),
        "dtype of zones": pd.DatetimeTZDtype(tz="UTC"),
        "dtype of periods": pd.PeriodDtype("M"),
        "dtype of intervals": pd.IntervalDtype("int64"),
    }
    for name in ("Int8", "Int64", "UInt16", "Float32", "Float64", "boolean"):
        found[f"series {name}"] = pd.Series([1, None, 0], dtype=name)
        found[f"dtype {name}"] = pd.Series([1], dtype=name).dtype
    for storage in ("python", "pyarrow"):
        found[f"series string[{storage}]"] = pd.Series(["a", None], dtype=pd.StringDtype(storage))
    for name in ("int64", "string", "double", "bool"):
        found[f"series {name}[pyarrow]"] = pd.Series([1, None] if name != "string" else ["a", None], dtype=f"{name}[pyarrow]")
    found["sparse series"] = pd.Series(pd.arrays.SparseArray([0, 0, 1]))
    found["array of dates"] = pd.array(days)
    found["array of periods"] = pd.array(found["periods"])
    found["array of intervals"] = found["intervals"].array
    found["categorical"] = pd.Categorical(["a", None])
    found["frame"].attrs["a"] = 1
    return found
