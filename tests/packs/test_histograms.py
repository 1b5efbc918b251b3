"""Gradient boosting by histograms: compiled code reads features and sets of categories where nodes say."""

from __future__ import annotations

import importlib
import io
import pickle
import warnings
from types import ModuleType
from typing import Any

import pytest

np = pytest.importorskip("numpy")
sklearn = pytest.importorskip("sklearn")

from packs.test_libraries import SKLEARN, changed  # noqa: E402

from safepickle.errors import LimitError, PolicyError  # noqa: E402
from safepickle.limits import Limits  # noqa: E402

FOLDER = "sklearn.ensemble._hist_gradient_boosting"
ENSEMBLE = importlib.import_module("sklearn.ensemble")
TreePredictor = importlib.import_module(f"{FOLDER}.predictor").TreePredictor
Classifier, Regressor = ENSEMBLE.HistGradientBoostingClassifier, ENSEMBLE.HistGradientBoostingRegressor

POINTS = np.random.RandomState(0).rand(120, 3)
POINTS[::7, 1] = np.nan
KINDS = (POINTS[:, 0] * 3).astype(int)
COUNTED = POINTS.copy()
COUNTED[:, 1] = np.arange(120) % 5

GOOD: dict[str, Any] = {
    "classes": Classifier(max_iter=3).fit(POINTS, KINDS),
    "two classes": Classifier(max_iter=3, early_stopping=True, scoring="loss").fit(POINTS, KINDS % 2),
    "numbers": Regressor(max_iter=3).fit(POINTS, KINDS),
    "distances": Regressor(max_iter=3, loss="absolute_error").fit(POINTS, KINDS),
    "quantiles": Regressor(max_iter=3, loss="quantile", quantile=0.3).fit(POINTS, KINDS),
    "counts": Regressor(max_iter=3, loss="poisson").fit(POINTS, KINDS + 1),
    "not fitted": Classifier(),
}


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("protocol", range(6))
def test_a_model_says_what_it_said(sp: ModuleType, kind: str, protocol: int) -> None:
    model = GOOD[kind]
    for data in (pickle.dumps(model, protocol), sp.dumps(model, protocol, policy=SKLEARN)):
        found = sp.loads(data, policy=SKLEARN)
        if kind != "not fitted":
            assert np.array_equal(found.predict(POINTS), model.predict(POINTS))


def test_categories_that_a_function_makes_are_refused(sp: ModuleType) -> None:
    """Before scikit-learn 1.4 a model of categories knows them itself, and loads."""
    model = Classifier(max_iter=3, categorical_features=[1]).fit(COUNTED, COUNTED[:, 1] % 2)
    assert vars(model._predictors[0][0])["nodes"]["is_categorical"].any()
    if getattr(model, "_preprocessor", None) is None:
        assert np.array_equal(sp.loads(pickle.dumps(model), policy=SKLEARN).predict(COUNTED), model.predict(COUNTED))
        return
    with pytest.raises(PolicyError, match="functools:partial"):
        sp.loads(pickle.dumps(model), policy=SKLEARN)


# ---- hostile nodes -----------------------------------------------------------------------------------------

MODEL = GOOD["numbers"]
TREE = MODEL._predictors[0][0]
NODES = TREE.nodes
INNER = int((NODES["is_leaf"] == 0).nonzero()[0][-1])
FEW = np.zeros((1, 8), "u4")


def tree(**parts: Any) -> Any:
    """Return a tree with other parts, which it does not look at."""
    return bare({**vars(TREE), **parts})


def bare(state: dict[str, Any]) -> Any:
    made = TreePredictor.__new__(TreePredictor)
    vars(made).update(state)
    return made


def with_node(place: int, **fields: Any) -> Any:
    nodes = np.array(NODES)
    for field, number in fields.items():
        nodes[field][place] = number
    return nodes


def model(**attributes: Any) -> Any:
    return changed(MODEL, **attributes)


def one_tree(nodes: Any, **parts: Any) -> Any:
    return model(_predictors=[[tree(nodes=nodes, **parts)]])


def bins(**attributes: Any) -> Any:
    return changed(MODEL._bin_mapper, **attributes)


CATEGORY = {"is_categorical": 1, "bitset_idx": 0}
SETS = {"raw_left_cat_bitsets": FEW, "binned_left_cat_bitsets": FEW}
HOSTILE: dict[str, tuple[Any, str]] = {
    "no state": (tree(nodes=None), "it has no nodes"),
    "half a state": (bare({"nodes": NODES}), "wants nodes, and sets of categories"),
    "no nodes": (tree(nodes=NODES[:0].copy()), "it has no nodes"),
    "a table of nodes": (tree(nodes=NODES.reshape(1, -1)), "it has no nodes"),
    "other fields": (tree(nodes=np.zeros(3, "f8,u4")), "its nodes have other fields"),
    "fields at other places": (
        tree(nodes=NODES.astype(np.dtype(NODES.dtype.descr, align=True))), "its nodes have other fields"
    ),
    "a child beyond": (tree(nodes=with_node(INNER, left=len(NODES))), "a child lies outside"),
    "another child beyond": (tree(nodes=with_node(INNER, right=2**32 - 1)), "a child lies outside"),
    "a child before": (tree(nodes=with_node(INNER, left=0)), "a child lies outside"),
    "a child of itself": (tree(nodes=with_node(INNER, right=INNER)), "a child lies outside"),
    "a last node with children": (tree(nodes=with_node(len(NODES) - 1, is_leaf=0)), "a child lies outside"),
    "a child twice": (tree(nodes=with_node(INNER, left=NODES["right"][INNER])), "a node is the child of two"),
    "a feature before": (tree(nodes=with_node(INNER, feature_idx=-1)), "a node asks for a feature"),
    "categories that are not there": (tree(nodes=with_node(INNER, **CATEGORY)), "a node asks for categories"),
    "categories beyond": (tree(nodes=with_node(INNER, is_categorical=1, bitset_idx=1), **SETS), "asks for categories"),
    "categories of one kind": (
        tree(nodes=with_node(INNER, **CATEGORY), raw_left_cat_bitsets=FEW), "a node asks for categories"
    ),
    "narrow categories": (tree(raw_left_cat_bitsets=np.zeros((1, 7), "u4")), "its sets of categories"),
    "a row of categories": (tree(binned_left_cat_bitsets=np.zeros(8, "u4")), "its sets of categories"),
    "no categories": (tree(binned_left_cat_bitsets=None), "its sets of categories"),
    "a feature beyond": (one_tree(with_node(INNER, feature_idx=3)), "a tree in it has other features"),
    "fewer features": (model(n_features_in_=1), "its bins are of other features"),
    "fewer features in all": (
        model(
            n_features_in_=1,
            _predictors=[[tree(nodes=with_node(INNER, feature_idx=1))]],
            _bin_mapper=bins(
                is_categorical_=np.zeros(1, "u1"), bin_thresholds_=MODEL._bin_mapper.bin_thresholds_[:1],
                n_bins_non_missing_=np.ones(1, "u4"),
            ),
            _n_features=1,
        ),
        "a tree in it has other features",
    ),
    "categories of a number": (
        one_tree(with_node(INNER, **CATEGORY), **SETS), "asks for categories of another feature"
    ),
    "no bins": (model(_bin_mapper=None), "its bins are of other features"),
    "no tree": (model(_predictors=[[MODEL._bin_mapper]]), "a member of it is no tree"),
    "a tree without state": (model(_predictors=[[bare({})]]), "a member of it is no tree"),
    "more trees": (model(_predictors=[[TREE, TREE]]), "its trees are not as many as it counts"),
    "no number of trees": (model(n_trees_per_iteration_=1.0), "its trees are not as many as it counts"),
    "no trees": (model(_predictors=[], n_trees_per_iteration_=10**9), "its trees are not as many as it counts"),
    "no table of trees": (model(_predictors=[TREE]), "its trees are no table"),
    "trees in a tuple": (model(_predictors=((TREE,),)), "its trees are no table"),
    "goes on": (model(warm_start=True), "it goes on where it was"),
    "is in a fit": (model(_in_fit=True), "an attribute that steers its class"),
    "is in a fit, not fitted": (changed(Regressor(), _in_fit=True), "an attribute that steers its class"),
    "no constraints": (changed(Regressor(), _parameter_constraints={}), "an attribute that steers its class"),
    "a loss of its own": (changed(Regressor(), loss=MODEL._loss), "its loss is no name"),
    "a loss of its own, fitted": (model(loss=MODEL._loss), "its loss is no name"),
    "features of another count": (model(_n_features=5000), "its features are not as many as it counts"),
    "bins of fewer features": (
        bins(n_bins_non_missing_=np.ones(2000, "u4")), "its features are not those of its bins"
    ),
    "other columns first": (model(_preprocessor=MODEL._bin_mapper), "it makes other columns"),
    "bins of more features": (bins(is_categorical_=np.zeros(9, "u1")), "its features are not those of its bins"),
    "a table of kinds": (bins(is_categorical_=np.zeros((3, 1), "u1")), "its features are not those of its bins"),
    "bins without end": (bins(bin_thresholds_=[range(10**9)] * 3), "its bins are no numbers"),
    "bins in a range": (bins(bin_thresholds_=range(3)), "its features are not those of its bins"),
    "a table of bins": (bins(bin_thresholds_=[np.zeros((2, 2))] * 3), "its bins are no numbers"),
    "bins of objects": (bins(bin_thresholds_=[np.array([[]], object)] * 3), "its bins are no numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_does_not_belong_together_is_refused(sp: ModuleType, name: str) -> None:
    value, message = HOSTILE[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = pickle.dumps(value)
    with pytest.raises(PolicyError, match=message):
        sp.loads(data, policy=SKLEARN)


def test_categories_of_a_feature_that_has_some(sp: ModuleType) -> None:
    """The one thing that a tree of categories needs of its model."""
    asked = int(NODES["feature_idx"][INNER])
    kinds = np.zeros(3, "u1")
    kinds[asked] = 1
    trees = [[tree(nodes=with_node(INNER, **CATEGORY), **SETS)]]
    found = sp.loads(pickle.dumps(model(_predictors=trees, _bin_mapper=bins(is_categorical_=kinds))), policy=SKLEARN)
    assert len(vars(found)["_predictors"]) == 1


@pytest.mark.parametrize("protocol", range(2, 6))
def test_trees_that_come_later_are_checked_too(sp: ModuleType, protocol: int) -> None:
    trees: list[Any] = [[TREE]]
    more = [tree(nodes=with_node(INNER, feature_idx=3))]
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, protocol)
    pickler.dump([model(_predictors=trees), more])
    place, other = (pickler.memo.copy()[id(one)][0].to_bytes(4, "little") for one in (trees, more))
    data = stream.getvalue()
    assert len(sp.loads(data, policy=SKLEARN)) == 2
    appended = b"j" + place + b"j" + other + b"a0."  # behind the frame, where there is one
    with pytest.raises(PolicyError, match="a tree in it has other features"):
        sp.loads(data[:-1] + appended if protocol < 4 else _without_frame(data)[:-1] + appended, policy=SKLEARN)


def _without_frame(data: bytes) -> bytes:
    return data[:2] + data[11:]


@pytest.mark.parametrize("value", [TREE, MODEL, MODEL._bin_mapper], ids=["a tree", "a model", "bins"])
def test_state_comes_once(sp: ModuleType, value: Any) -> None:
    """Neither half has what is compared; the object has both."""
    data = pickle.dumps(value, 2)
    assert type(sp.loads(data, policy=SKLEARN)) is type(value)
    with pytest.raises(PolicyError, match="has its state already"):
        sp.loads(data[:-1] + b"}b.", policy=SKLEARN)


def test_trees_are_paid_for_where_they_are_looked_at(sp: ModuleType) -> None:
    """D16: any number of models may share trees, and any number of trees their nodes."""
    rounds = [[TREE]] * 2000
    shared = [model(_predictors=rounds) for _ in range(40)]
    nodes = np.zeros(5000, NODES.dtype)
    nodes["is_leaf"] = 1
    for many, weight in ((shared, 40 * 2000 * 1000), ([tree(nodes=nodes) for _ in range(100)], 100 * nodes.nbytes)):
        data = pickle.dumps(many)
        assert len(sp.loads(data, policy=SKLEARN)) == len(many)
        with pytest.raises(LimitError, match="max_memory"):
            sp.loads(data, policy=SKLEARN, limits=Limits(max_memory=weight // 2))
