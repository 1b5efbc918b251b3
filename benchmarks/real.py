"""Data that libraries make and programs keep: arrays, a frame, a fitted model, and what pyperformance pickles.

Rules:
- A library is imported when its data is made, not before.
- The three `pyperformance` shapes are of the form of that suite's benchmarks `pickle`, `pickle_list` and `pickle_dict`:
  a user's record with a date, a tuple and a list of such records, 20 times over; lists of ten ints; a dict of dicts of
  ten Nones. The data is our own.
"""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Any, Final

from .shape import REAL, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

SEED: Final = 20240229


# ---- pyperformance -----------------------------------------------------------------------------------------


def _user(rng: random.Random) -> dict[str, object]:
    return {
        "age": rng.randrange(18, 90),
        "birthday": dt.date(1950 + rng.randrange(50), 1 + rng.randrange(12), 1 + rng.randrange(28)),
        "city": "Graz",
        "country": "AT",
        "flags": 0,
        "comments": rng.randrange(1000),
        "bulletins": 0,
        "favourite_of": rng.randrange(100),
        "seen": 1_600_000_000 + rng.randrange(10**8),
        "image": f"/images/{rng.randrange(10**9)}.jpg",
        "gender": "F",
        "id": rng.getrandbits(62),
        "language": "de",
        "status": None,
        "zip": "8010",
        "key": f"{rng.getrandbits(128):032x}",
    }


def _pyperformance(count: int) -> object:
    rng = random.Random(SEED)
    record = _user(rng)
    pair = ([265_000_000 + rng.randrange(10**6) for _ in range(60)], 60)
    group = [_user(rng) for _ in range(3)]
    return [[dict(record), (list(pair[0]), pair[1]), [dict(one) for one in group]] for _ in range(count)]


def _pyperformance_list(count: int) -> object:
    return [[list(range(10)), list(range(10))] for _ in range(count)]


def _pyperformance_dict(count: int) -> object:
    return {key: dict.fromkeys(range(10)) for key in range(count)}


# ---- numpy, pandas, scikit-learn ---------------------------------------------------------------------------


def _arrays(count: int) -> object:
    import numpy as np

    rng = np.random.default_rng(SEED)
    return [rng.normal(size=(size, 10)) for size in (1, 100, count)]


def _small_arrays(count: int) -> object:
    import numpy as np

    rng = np.random.default_rng(SEED)
    return [rng.integers(0, 1000, size=20) for _ in range(count)]


def _same_arrays(one: Any, other: Any) -> bool:
    import numpy as np

    pairs = list(zip(one, other, strict=True))
    return all(left.dtype == right.dtype and np.array_equal(left, right) for left, right in pairs)


def _frame(count: int) -> object:
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(SEED)
    return pd.DataFrame(
        {
            "id": np.arange(count),
            "price": rng.normal(100, 20, size=count),
            "name": [f"article {number % 200}" for number in range(count)],
            "when": pd.date_range("2024-01-01", periods=count, freq="h"),
            "kind": pd.Categorical([("tea", "coffee", "cocoa")[number % 3] for number in range(count)]),
            "sold": rng.random(count) < 0.5,
        }
    )


def _data_of_model() -> tuple[Any, Any]:
    import numpy as np

    rng = np.random.default_rng(SEED)
    data = rng.normal(size=(300, 8))
    return data, data[:, 0] + data[:, 1] > 0


def _model(count: int) -> object:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    forest = RandomForestClassifier(n_estimators=count, random_state=1)
    return make_pipeline(StandardScaler(), forest).fit(*_data_of_model())


def _same_model(one: Any, other: Any) -> bool:
    data, _ = _data_of_model()
    return repr(one) == repr(other) and bool((one.predict_proba(data) == other.predict_proba(data)).all())


def _library(name: str, about: str, make: Callable[[int], object], count: int, pack: str, **more: Any) -> Shape:
    return Shape(name, about, make, count, REAL, packs=(pack,), **more)


_ARRAYS: Final[dict[str, Any]] = {"same": _same_arrays, "needs": "numpy"}

SHAPES: Final = (
    _library("pyperformance", "records as of its benchmark pickle, with dates", _pyperformance, 20, "stdlib"),
    Shape("pyperf_list", "lists as of its benchmark pickle_list", _pyperformance_list, 500),
    Shape("pyperf_dict", "a dict as of its benchmark pickle_dict", _pyperformance_dict, 500),
    _library("arrays", "numpy arrays of 10 to 100,000 floats", _arrays, 10_000, "numpy", **_ARRAYS),
    _library("small_arrays", "numpy arrays of 20 ints", _small_arrays, 500, "numpy", **_ARRAYS),
    _library("arrays_apart", "the same arrays, out of band", _arrays, 10_000, "numpy", out_of_band=True, **_ARRAYS),
    _library(
        "frame", "a pandas frame of six columns", _frame, 5_000, "pandas", needs="pandas",
        same=lambda one, other: one.equals(other),
    ),
    _library(
        "model", "a scikit-learn pipeline with a forest", _model, 20, "scikit-learn", needs="sklearn", same=_same_model
    ),
)  # fmt: skip
