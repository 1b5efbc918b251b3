"""Contracts for scikit-learn's gradient boosting by histograms: nodes, categories, and the model they belong to.

A prediction goes down the nodes in compiled code, which reads features and sets of categories where these say, without
a look. A tree does not know how many features there are, nor which have categories: its model is asked for those.

Rules that hold here:

* Nothing is imported here: what comes to a check has been made by the library, so that it is loaded.
* Trees and what sorts values into bins get their state once; lists of them can be changed after they were looked at, so
  that models, and bins, are looked at again at the end.
* A model that makes other columns of its data first is left out: nobody compares how many these are. So is one that
  goes on where it was, with whatever data it is given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from .estimators import estimator_state
from .library_parts import (
    LibraryState,
    are_as_many,
    class_of,
    has_state,
    is_array,
    is_exactly,
    is_int,
    lie_within,
    plain_array,
)

__all__ = ["HISTOGRAM_CHANGEABLE", "HISTOGRAM_STATES", "HISTOGRAM_STATE_WEIGHTS"]

_FOLDER = "sklearn.ensemble._hist_gradient_boosting"
_TREE, _BINS = (f"{_FOLDER}.predictor", "TreePredictor"), (f"{_FOLDER}.binning", "_BinMapper")
_MODELS = tuple(
    (f"{_FOLDER}.gradient_boosting", f"HistGradientBoosting{kind}") for kind in ("Classifier", "Regressor")
)
#: A set of categories has a bit for each of 256, in so many numbers.
_WORDS = 8
#: Bytes that looking at one tree weighs, beside those of its nodes.
_ENTRY = 1000


def _tree(obj: Any, state: Any) -> str | None:  # noqa: ARG001
    if type(state) is not dict or state.keys() != {"nodes", "binned_left_cat_bitsets", "raw_left_cat_bitsets"}:
        return "wants nodes, and sets of categories"
    nodes, sets = plain_array(state["nodes"], "V"), []
    for name in ("binned_left_cat_bitsets", "raw_left_cat_bitsets"):
        array = plain_array(state[name], "u")
        if array is None or array.ndim != 2 or array.shape[1] != _WORDS:
            return "its sets of categories are no table"
        sets.append(len(array))
    if nodes is None or nodes.ndim != 1 or not len(nodes):
        return "it has no nodes"
    if nodes.dtype != class_of(f"{_FOLDER}.common", "PREDICTOR_RECORD_DTYPE"):
        return "its nodes have other fields"
    parent = _inner(nodes)
    left, right = nodes["left"][parent], nodes["right"][parent]
    # Children come behind their parent: whoever goes down arrives.
    for child in (left, right):
        if not bool((child > parent).all()) or not lie_within(child, 0, len(nodes)):
            return "a child lies outside, or before its parent"
    # Whoever goes both ways makes room for each node once.
    if len({*left.tolist(), *right.tolist()}) != 2 * len(parent):
        return "a node is the child of two"
    if not lie_within(nodes["feature_idx"][parent], 0, sys.maxsize):
        return "a node asks for a feature that is not there"
    chosen = nodes["bitset_idx"][parent[nodes["is_categorical"][parent] != 0]]
    return None if lie_within(chosen, 0, min(sets)) else "a node asks for categories that are not there"


def _inner(nodes: Any) -> Any:
    """Return the places of nodes that are no leaves."""
    return (nodes["is_leaf"] == 0).nonzero()[0]


def _bins(obj: Any, state: Any) -> str | None:
    """Each category of a feature is set in a table, one by one."""
    wrong = estimator_state(obj, state)
    if wrong is not None or "bin_thresholds_" not in state:
        return wrong
    kinds, thresholds = plain_array(state.get("is_categorical_"), "u"), state["bin_thresholds_"]
    if kinds is None or kinds.ndim != 1 or type(thresholds) is not list or len(thresholds) != len(kinds):
        return "its features are not those of its bins"
    counts = state.get("n_bins_non_missing_")
    if counts is not None and not (is_array(counts) and counts.shape == kinds.shape):
        return "its features are not those of its bins"
    for array in thresholds:
        if not is_array(array) or array.dtype.kind not in "fiu" or array.ndim != 1:
            return "its bins are no numbers"
    return None


def _model(obj: Any, state: Any) -> str | None:
    wrong = estimator_state(obj, state)
    if wrong is not None:
        return wrong
    # An object here makes room for as many classes as it says, and writes as many as its compiled part has.
    if type(state.get("loss", "")) is not str:
        return "its loss is no name"
    if "_predictors" not in state:
        return None
    # Whoever goes on with it runs the trees that are there over other columns, as many as those have.
    if state.get("warm_start", False) is not False:
        return "it goes on where it was"
    if state.get("_preprocessor") is not None:
        return "it makes other columns of its data first"
    bins = state.get("_bin_mapper")
    kinds: Any = vars(bins).get("is_categorical_") if is_exactly(bins, *_BINS) else None
    features, count = state.get("n_features_in_"), state.get("n_trees_per_iteration_")
    if not is_array(kinds) or not are_as_many(features, kinds.size):
        return "its bins are of other features"
    if not are_as_many(features, state.get("_n_features", features)):
        return "its features are not as many as it counts"
    rounds = state["_predictors"]
    if type(rounds) is not list or not all(type(trees) is list for trees in rounds):
        return "its trees are no table"
    # As many columns of answers are made, also where there are no trees to compare them with.
    if not is_int(count) or not rounds or any(len(trees) != count for trees in rounds):
        return "its trees are not as many as it counts"
    for tree in _trees(rounds):
        nodes = _nodes(tree)
        if nodes is None:
            return "a member of it is no tree"
        asked = nodes["feature_idx"][_inner(nodes)]
        if not lie_within(asked, 0, features):
            return "a tree in it has other features"
        chosen = nodes["is_categorical"][_inner(nodes)] != 0
        if not bool(kinds[asked[chosen]].all()):
            return "a tree in it asks for categories of another feature"
    return None


def _trees(rounds: Any) -> Iterator[Any]:
    """Go through the trees of all rounds."""
    for trees in rounds if type(rounds) is list else ():
        yield from trees if type(trees) is list else ()


def _nodes(tree: Any) -> Any:
    """Return the nodes of a tree that has its state, or None."""
    return vars(tree).get("nodes") if is_exactly(tree, *_TREE) else None


def _read_of_tree(state: Any) -> int:
    return sum(int(array.nbytes) for array in state.values() if is_array(array)) if type(state) is dict else 0


def _read_of_bins(state: Any) -> int:
    thresholds = state.get("bin_thresholds_") if type(state) is dict else None
    return _ENTRY * len(thresholds) if type(thresholds) is list else 0


def _read_of_model(state: Any) -> int:
    """Return what it weighs to look at all trees of a model: any number of models may share them."""
    rounds = state.get("_predictors") if type(state) is dict else None
    weight = _ENTRY * len(rounds) if type(rounds) is list else 0
    for tree in _trees(rounds):
        weight += _ENTRY
        nodes = _nodes(tree)
        if nodes is not None:
            weight += int(nodes.nbytes)
    return weight


_OUTSIDE = "a node, a feature or a category that is not there, which compiled code reads"
_HERE = "found here"

#: What state they may be given.
HISTOGRAM_STATES: Mapping[tuple[str, str], LibraryState] = MappingProxyType(
    {
        _TREE: (_tree, has_state, _OUTSIDE, _HERE),
        _BINS: (_bins, has_state, _OUTSIDE, _HERE),
        **dict.fromkeys(_MODELS, (_model, has_state, _OUTSIDE, _HERE)),
    }
)
HISTOGRAM_STATE_WEIGHTS: Mapping[tuple[str, str], Callable[[Any], int]] = MappingProxyType(
    {_TREE: _read_of_tree, _BINS: _read_of_bins, **dict.fromkeys(_MODELS, _read_of_model)}
)
#: Whose state is in lists.
HISTOGRAM_CHANGEABLE = frozenset({_BINS, *_MODELS})
