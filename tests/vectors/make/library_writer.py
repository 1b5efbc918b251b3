"""Writes ../data/library.jsonl: pickles of numpy, pandas, scikit-learn and joblib objects.

    python -m venv DIRECTORY && DIRECTORY/bin/pip install numpy pandas scikit-learn joblib
    PYTHONHASHSEED=0 DIRECTORY/bin/python make/library_writer.py

Rules: small values, fixed seeds; versions of all libraries in the provenance line. joblib.dump (uncompressed) puts the raw
bytes of an array into the stream between two opcodes, after the array's wrapper: such a stream is no valid
pickle on its own, and a reader that knows no joblib must refuse it.
"""
# ruff: noqa: E731, E501

from __future__ import annotations

import io
import pickle
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import scipy
import sklearn
from merge import DATA, encoded, write_group
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

Made = Callable[[], Any]

TIMES = pd.date_range("2024-03-30", periods=3, freq="h", tz="Europe/Berlin")
X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.5], [3.0, 0.5], [4.0, 2.0], [5.0, 1.0]])
Y = np.array([0, 0, 0, 1, 1, 1])

NUMPY: dict[str, Made] = {
    **{
        f"array_{code}": lambda code=code: np.arange(6).astype(code).reshape(2, 3)
        for code in ("int8", "uint8", "int16", "int32", "int64", "uint64", "float16", "float32", "float64", "complex128", "bool")
    },
    "array_big_endian": lambda: np.arange(3, dtype=">i4"),
    "array_fortran": lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "array_strided": lambda: np.arange(10.0)[::3],
    "array_empty": lambda: np.zeros((0, 3)),
    "array_zero_dim": lambda: np.array(1.5),
    "array_bytes": lambda: np.array([b"a", b"bcd"]),
    "array_text": lambda: np.array(["a", "\u20ac"]),
    "array_strings_dtype": lambda: np.array(["a", "long text"], dtype=np.dtypes.StringDType()),
    "array_datetime": lambda: np.array(["2024-02-29", "NaT"], dtype="M8[ns]"),
    "array_timedelta": lambda: np.array([1, 2], dtype="m8[s]"),
    "array_object": lambda: np.array([1, "a", None, [2]], dtype=object),
    "array_structured": lambda: np.array([(1, 2.5, b"x")], dtype=[("a", "i4"), ("b", "f8"), ("c", "S2")]),
    "array_nested_structured": lambda: np.zeros(2, dtype=[("p", [("x", "f4"), ("y", "f4")]), ("n", "i2", (3,))]),
    "recarray": lambda: np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "masked": lambda: np.ma.masked_array([1, 2, 3], mask=[0, 1, 0]),
    "matrix": lambda: np.asmatrix([[1, 2], [3, 4]]),
    "scalar_float64": lambda: np.float64(1.5),
    "scalar_int32": lambda: np.int32(-5),
    "scalar_bool": lambda: np.bool_(True),
    "scalar_datetime": lambda: np.datetime64("2024-02-29T12:00"),
    "scalar_text": lambda: np.str_("abc"),
    "scalar_void": lambda: np.zeros(1, dtype=[("a", "i4")])[0],
    "dtype": lambda: np.dtype([("a", "<i4"), ("b", ">f8")]),
    "dtype_class": lambda: np.float32,
    "ufunc": lambda: np.add,
    "generator": lambda: np.random.default_rng(5),
    "random_state": lambda: np.random.RandomState(5),
    "shared": lambda: (lambda a: [a, a, a[:1]])(np.arange(4)),
}

PANDAS: dict[str, Made] = {
    "frame": lambda: pd.DataFrame({"a": [1, 2, 3], "b": [0.5, None, 2.0], "c": ["x", "y", None]}),
    "frame_mixed": lambda: pd.DataFrame({"when": TIMES, "flag": [True, False, True], "cat": pd.Categorical(["u", "v", "u"])}, index=list("abc")),
    "frame_objects": lambda: pd.DataFrame({"o": pd.Series([1, "a", [2]], dtype=object)}),
    "frame_nullable": lambda: pd.DataFrame({"i": pd.array([1, None], dtype="Int64"), "b": pd.array([True, None], dtype="boolean")}),
    "frame_empty": lambda: pd.DataFrame(),
    "frame_multiindex": lambda: pd.DataFrame({"v": range(4)}, index=pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["k", "n"])),
    "series": lambda: pd.Series([1.5, 2.5], name="s"),
    "series_tz": lambda: pd.Series([1, 2, 3], index=TIMES, name="t"),
    "series_text": lambda: pd.Series(["a", "b"], dtype="string[python]"),
    "categorical": lambda: pd.Categorical(["lo", "hi", None], categories=["lo", "hi"], ordered=True),
    "index": lambda: pd.Index([3, 1, 2], name="i"),
    "range_index": lambda: pd.RangeIndex(0, 10, 2),
    "interval_index": lambda: pd.interval_range(0, 3),
    "period_index": lambda: pd.period_range("2024-01", periods=2, freq="M"),
    "timedelta_index": lambda: pd.to_timedelta(["1D", "2h"]),
    "multiindex": lambda: pd.MultiIndex.from_tuples([(1, "a"), (2, "b")]),
    "timestamp": lambda: pd.Timestamp("2024-02-29 12:00", tz="UTC"),
    "timedelta": lambda: pd.Timedelta("1D 2h"),
    "na": lambda: [pd.NA, pd.NaT],
    "sparse": lambda: pd.arrays.SparseArray([0, 0, 1]),
}

SKLEARN: dict[str, Made] = {
    "linear_regression": lambda: LinearRegression().fit(X, Y),
    "logistic_regression": lambda: LogisticRegression().fit(X, Y),
    "tree": lambda: DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, Y),
    "forest": lambda: RandomForestClassifier(n_estimators=2, max_depth=2, random_state=0).fit(X, Y),
    "boosting": lambda: GradientBoostingRegressor(n_estimators=2, max_depth=1, random_state=0).fit(X, Y),
    "kmeans": lambda: KMeans(2, n_init=1, random_state=0).fit(X),
    "vectorizer": lambda: CountVectorizer().fit(["a few words", "more words"]),
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y),
    "columns": lambda: make_pipeline(ColumnTransformer([("o", OneHotEncoder(), ["c"]), ("s", StandardScaler(), ["n"])])).fit(
        pd.DataFrame({"c": ["a", "b"], "n": [1.0, 2.0]})
    ),
    "unfitted": lambda: LogisticRegression(C=2.0),
}

JOBLIB: dict[str, Made] = {
    "array": lambda: np.arange(10.0),
    "array_object": lambda: np.array([1, "a", None], dtype=object),
    "dict_of_arrays": lambda: {"a": np.arange(3), "b": [np.zeros((2, 2)), "text"], "n": 5},
    "frame": lambda: pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}),
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y),
    "forest": lambda: RandomForestClassifier(n_estimators=2, max_depth=2, random_state=0).fit(X, Y),
    "no_arrays": lambda: {"plain": [1, 2, 3]},
}


def pickled(library: str, table: dict[str, Made]) -> Iterator[dict[str, Any]]:
    for name, made in table.items():
        known: dict[bytes, dict[str, Any]] = {}
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            for implementation, dumps in (("C", pickle.dumps), ("python", pickle._dumps)):
                data = dumps(made(), protocol)
                known.setdefault(data, record(library, name, protocol, data))["writers"].append(
                    f"{library} {implementation} {protocol}"
                )
        yield from known.values()


def dumped(table: dict[str, Made]) -> Iterator[dict[str, Any]]:
    for name, made in table.items():
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            out = io.BytesIO()
            joblib.dump(made(), out, compress=0, protocol=protocol)
            line = record("joblib", name, protocol, out.getvalue())
            line["writers"].append(f"joblib dump {protocol}")
            yield line


def record(library: str, name: str, protocol: int, data: bytes) -> dict[str, Any]:
    return {"name": f"{library}/{name}", "protocol": protocol, "repr": "", "writers": [], **encoded(data)}


def main() -> None:
    versions = {module.__name__: module.__version__ for module in (np, pd, scipy, sklearn, joblib)}
    provenance = {
        "made_by": "make/library_writer.py", "cpython": [platform.python_version()], "libraries": versions,
        "writers": "library implementation protocol",
    }
    records = [*pickled("numpy", NUMPY), *pickled("pandas", PANDAS), *pickled("sklearn", SKLEARN), *dumped(JOBLIB)]
    write_group(DATA / "library.jsonl", provenance, records)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    main()
