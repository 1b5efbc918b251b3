"""Objects of libraries that no pack is for: many of each kind, of other sizes and settings each time.

Each maker takes a random generator and gives one object. Nothing here may depend on anything but the generator, so that
a failure can be had again.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from random import Random
from typing import Any

Maker = Callable[[Random], Any]

#: Makers by kind, and the library that each needs.
MAKERS: dict[str, tuple[str, Maker]] = {}


def kind(library: str) -> Callable[[Maker], Maker]:
    """Register a maker."""

    def register(maker: Maker) -> Maker:
        MAKERS[maker.__name__] = (library, maker)
        return maker

    return register


def made(maker: Maker, seed: int) -> Any:
    """Return one object."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return maker(Random(seed))


def _words(rnd: Random, most: int = 4) -> list[str]:
    return ["".join(rnd.choices("abcdefgh", k=rnd.randint(1, 12))) for _ in range(rnd.randint(1, most))]


def _data(rnd: Random, classes: int | None = None) -> tuple[Any, Any]:
    import numpy as np

    rng = np.random.default_rng(rnd.randrange(10**6))
    points = rng.normal(size=(rnd.randint(20, 60), rnd.randint(2, 5)))
    if classes is None:
        return points, points @ rng.normal(size=points.shape[1])
    target = np.arange(len(points)) % classes
    return points, target


# ---- graphs and mathematics --------------------------------------------------------------------------------


@kind("networkx")
def graphs(rnd: Random) -> Any:
    import networkx as nx

    make = rnd.choice([nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph])
    graph = make(nx.gnm_random_graph(rnd.randint(1, 20), rnd.randint(0, 40), seed=rnd.randrange(99)))
    for node in graph.nodes:
        graph.nodes[node]["label"] = rnd.choice([*_words(rnd), 1, 2.5])
    for edge in list(graph.edges)[: rnd.randint(0, 5)]:
        graph.edges[edge]["weight"] = rnd.random()
    graph.graph["name"] = _words(rnd)[0]
    if rnd.random() < 0.5:
        graph.adj  # noqa: B018 (a cached property is in the state from now on)
    return graph


@kind("sympy")
def formulas(rnd: Random) -> Any:
    import sympy

    x, y = sympy.symbols(rnd.choice(["x y", "a b", "alpha beta"]))
    power = x ** rnd.randint(2, 9) + rnd.randint(1, 99) * y
    return rnd.choice(
        [
            lambda: power,
            lambda: sympy.sin(x) * sympy.Rational(rnd.randint(1, 9), rnd.randint(1, 9)),
            lambda: sympy.Matrix([[x, rnd.randint(0, 9)], [1, y]]),
            lambda: sympy.Integral(power, x),
            lambda: sympy.sqrt(rnd.randint(2, 30)) + sympy.pi,
        ]
    )()


@kind("shapely")
def shapes(rnd: Random) -> Any:
    import shapely

    points = [(rnd.uniform(0, 9), rnd.uniform(0, 9)) for _ in range(rnd.randint(4, 12))]
    return rnd.choice(
        [
            lambda: shapely.Point(*points[0]),
            lambda: shapely.LineString(points[1:]),
            lambda: shapely.Polygon(points[:-1]),
            lambda: shapely.MultiPoint(points[1:]),
            lambda: shapely.Point(*points[0]).buffer(rnd.randint(1, 5)),
        ]
    )()


# ---- tables ------------------------------------------------------------------------------------------------


@kind("xarray")
def labelled_arrays(rnd: Random) -> Any:
    import numpy as np
    import xarray as xr

    rows, columns = rnd.randint(1, 6), rnd.randint(1, 6)
    array = xr.DataArray(
        np.arange(rows * columns, dtype=rnd.choice(["f8", "i4"])).reshape(rows, columns),
        dims=("x", "y"),
        coords={"x": list(range(rows))},
        name=rnd.choice([None, *_words(rnd)]),
        attrs={word: rnd.randint(0, 9) for word in _words(rnd)},
    )
    return rnd.choice([lambda: array, lambda: xr.Dataset({"a": array, "b": array * 2})])()


@kind("polars")
def polar_frames(rnd: Random) -> Any:
    import polars as pl

    count = rnd.randint(0, 8)
    frame = pl.DataFrame({"a": [rnd.randint(0, 9) for _ in range(count)], "b": [_words(rnd)[0] for _ in range(count)]})
    return rnd.choice([lambda: frame, lambda: frame["a"]])()


@kind("pyarrow")
def arrow_tables(rnd: Random) -> Any:
    import pyarrow as pa

    columns = {word: [rnd.randint(0, 9) for _ in range(3)] for word in _words(rnd)}
    return rnd.choice([lambda: pa.table(columns), lambda: pa.array(_words(rnd)), lambda: pa.array([1.5, None])])()


# ---- models ------------------------------------------------------------------------------------------------


#: Estimators by module and class, with the settings that vary; each is a kind of its own.
_ESTIMATORS: dict[str, dict[str, list[Any]]] = {
    "linear_model.LogisticRegression": {
        "C": [0.1, 1, 10.0],
        "max_iter": [100, 200],
        "class_weight": [None, "balanced"],
    },
    "linear_model.Ridge": {"alpha": [0.5, 1, 2.0], "fit_intercept": [True, False]},
    "linear_model.Lasso": {"alpha": [0.1, 1], "random_state": [None, 3]},
    "linear_model.BayesianRidge": {"compute_score": [True, False]},
    "tree.DecisionTreeClassifier": {"max_depth": [None, 2, 5], "random_state": [None, 3]},
    "ensemble.RandomForestClassifier": {"n_estimators": [1, 3], "max_features": ["sqrt", None, 0.5]},
    "ensemble.GradientBoostingRegressor": {"n_estimators": [1, 3], "random_state": [None, 3]},
    "ensemble.ExtraTreesRegressor": {"n_estimators": [1, 3]},
    "svm.SVC": {"gamma": ["scale", "auto", 0.3], "random_state": [None, 1], "kernel": ["rbf", "linear"]},
    "naive_bayes.GaussianNB": {"priors": [None, [0.5, 0.25, 0.25]]},
    "neighbors.KNeighborsClassifier": {"n_neighbors": [1, 5], "weights": ["uniform", "distance"]},
    "neural_network.MLPClassifier": {"hidden_layer_sizes": [(2,), (3, 2), 4], "max_iter": [20]},
    "discriminant_analysis.LinearDiscriminantAnalysis": {"solver": ["svd", "lsqr"]},
    "gaussian_process.GaussianProcessRegressor": {"normalize_y": [True, False], "random_state": [None, 3]},
    "kernel_ridge.KernelRidge": {"alpha": [1, 0.5], "kernel": ["linear", "rbf"]},
    "preprocessing.StandardScaler": {"with_mean": [True, False]},
    "preprocessing.PolynomialFeatures": {"degree": [2, 3], "include_bias": [True, False]},
    "cluster.KMeans": {"n_clusters": [2, 3], "n_init": [1, "auto"], "random_state": [None, 1]},
    "decomposition.PCA": {"n_components": [None, 1, 2], "whiten": [True, False]},
    "mixture.GaussianMixture": {"n_components": [1, 2], "random_state": [None, 1]},
    "impute.SimpleImputer": {"strategy": ["mean", "median", "constant"]},
    "feature_selection.SelectKBest": {"k": [1, 2, "all"]},
}


def _estimator(path: str) -> Maker:
    def estimator(rnd: Random) -> Any:
        module, name = path.rsplit(".", 1)
        cls = getattr(importlib.import_module(f"sklearn.{module}"), name)
        points, _ = _data(rnd)
        target = [index % 3 for index in range(len(points))]
        return cls(**{key: rnd.choice(values) for key, values in _ESTIMATORS[path].items()}).fit(points, target)

    return estimator


for _path in _ESTIMATORS:
    MAKERS[_path] = ("sklearn", _estimator(_path))


@kind("lightgbm")
def boosted_models(rnd: Random) -> Any:
    import lightgbm

    points, classes = _data(rnd, 2)
    model = lightgbm.LGBMClassifier(
        n_estimators=rnd.randint(1, 4), min_child_samples=2, verbose=-1, n_jobs=1, max_depth=rnd.choice([-1, 3])
    )
    return model.fit(points, classes)


@kind("xgboost")
def other_boosted_models(rnd: Random) -> Any:
    import xgboost

    points, classes = _data(rnd, 2)
    model = xgboost.XGBClassifier(n_estimators=rnd.randint(1, 4), max_depth=rnd.choice([None, 3]), n_jobs=1)
    return model.fit(points, classes)


@kind("statsmodels")
def fitted_regressions(rnd: Random) -> Any:
    import statsmodels.api as sm

    points, numbers = _data(rnd)
    return sm.OLS(numbers, sm.add_constant(points)).fit()


# ---- small values ------------------------------------------------------------------------------------------


@kind("PIL")
def images(rnd: Random) -> Any:
    from PIL import Image

    mode = rnd.choice(["L", "RGB", "RGBA", "P", "1"])
    return Image.new(mode, (rnd.randint(1, 9), rnd.randint(1, 9)), rnd.choice([0, 1]))


@kind("dateutil")
def rules_of_time(rnd: Random) -> Any:
    from dateutil import relativedelta, tz

    return rnd.choice(
        [
            lambda: relativedelta.relativedelta(months=rnd.randint(-9, 9), days=rnd.randint(-9, 9)),
            lambda: relativedelta.relativedelta(weekday=relativedelta.MO(rnd.randint(1, 3))),
            tz.tzutc,
            lambda: tz.tzoffset(rnd.choice([None, *_words(rnd)]), rnd.randint(-9, 9) * 3600),
        ]
    )()


@kind("pendulum")
def moments(rnd: Random) -> Any:
    import pendulum

    return rnd.choice(
        [
            lambda: pendulum.datetime(rnd.randint(1900, 2100), rnd.randint(1, 12), rnd.randint(1, 28), tz="UTC"),
            lambda: pendulum.date(rnd.randint(1900, 2100), 1, 1),
            lambda: pendulum.duration(days=rnd.randint(-9, 9), hours=rnd.randint(0, 9)),
        ]
    )()


@kind("nltk")
def trees_and_counts(rnd: Random) -> Any:
    from nltk import FreqDist, Tree

    words = _words(rnd, 20)
    return rnd.choice([lambda: FreqDist(words), lambda: Tree("S", [Tree("N", [word]) for word in words])])()


def available(name: str) -> bool:
    """Say whether the library of a kind can be imported."""
    try:
        importlib.import_module(MAKERS[name][0])
    except ImportError:
        return False
    return True
