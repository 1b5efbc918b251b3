"""Contracts for estimators of scikit-learn but its trees and support vector machines: attributes, places, points.

What an encoder or a vectorizer has found says which column a value goes to. They make sparse matrices of that without
a look, and whoever makes those dense writes there.

Rules that hold here:

* Nothing is imported here: what comes to a check has been made by the library, so that it is loaded.
* What a ``__setstate__`` of the library reads at once is an array, or short: a version is quoted in a warning, and what
  is shared in it as often as it is there (D07).
* What belongs together is compared when it is set: so that state comes once, or half of it could be set afterwards.
* Dicts and lists can be changed after they were looked at: such classes are in :data:`CHANGEABLE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .copies import read_of_state
from .library_parts import (
    LibraryState,
    are_as_many,
    has_state,
    index_array,
    is_array,
    is_int,
    is_one,
    lie_within,
    plain_array,
)

__all__ = [
    "CHANGEABLE",
    "ESTIMATOR_STATES",
    "LONGEST_NAME",
    "LONGEST_VERSION",
    "MOST_ATTRIBUTES",
    "attributes",
    "copied_by_curve",
    "first_guess",
    "read_of_places",
]

#: Bytes that looking at one place weighs.
_ENTRY = 48
#: As many threads as a process may have on the largest machines.
_MOST_THREADS = 4096
MOST_ATTRIBUTES, LONGEST_NAME, LONGEST_VERSION = 1000, 200, 40


def attributes(state: Any) -> str | None:
    """Say what is wrong with attributes that a ``__setstate__`` puts into an instance as they are."""
    if type(state) is not dict or len(state) > MOST_ATTRIBUTES:
        return "wants attributes"
    for key in state:
        if type(key) is not str or len(key) > LONGEST_NAME or not key.isidentifier():
            return "an attribute without a plain name"
        if key[0] == "_" and key[1:2] == "_":
            return "an attribute without a plain name"
    version = state.get("_sklearn_version", "")
    return None if type(version) is str and len(version) <= LONGEST_VERSION else "its version is no short text"


def _estimator(obj: Any, state: Any) -> str | None:
    return attributes(state)


def _curve(obj: Any, state: Any) -> str | None:
    """An isotonic regression makes a curve of its points at once."""
    wrong = attributes(state)
    if wrong is not None or not {"X_thresholds_", "y_thresholds_"} <= state.keys():
        return wrong
    places, values = plain_array(state["X_thresholds_"]), plain_array(state["y_thresholds_"])
    if places is None or values is None or places.ndim != 1 or places.shape != values.shape:
        return "the points of its curve are not two arrays of one length"
    return None


def copied_by_curve(state: Any) -> int:
    """Return the bytes of what it makes of them: copies, in order, as floats."""
    if type(state) is not dict:
        return 0
    arrays = (plain_array(state.get(name)) for name in ("X_thresholds_", "y_thresholds_"))
    return sum(64 * int(array.size) for array in arrays if array is not None)


def read_of_places(state: Any) -> int:
    """Return what it weighs to look at tables of places: any number of estimators may share one."""
    if type(state) is not dict:
        return 0
    tables = (state.get(name) for name in ("vocabulary_", "_cached_dict"))
    return read_of_state(state) + sum(_ENTRY * len(table) for table in tables if type(table) is dict)


def _lie_inside(table: Any) -> bool:
    """Say whether the values of a dict are places among as many as it has entries."""
    if type(table) is not dict:
        return False
    return all(is_int(place) and 0 <= place < len(table) for place in table.values())


def _words(obj: Any, state: Any) -> str | None:
    wrong = attributes(state)
    if wrong is None and "vocabulary_" in state and not _lie_inside(state["vocabulary_"]):
        return "a word has a place that is not there"
    return wrong


def _labels(obj: Any, state: Any) -> str | None:
    wrong = attributes(state)
    if wrong is None and state.get("_cached_dict") is not None and not _lie_inside(state["_cached_dict"]):
        return "a label has a place that is not there"
    return wrong


def _one_hot(obj: Any, state: Any) -> str | None:
    """Each category has a column of its own, but what is dropped, and what is rare."""
    wrong = attributes(state)
    if wrong is not None or "_n_features_outs" not in state:
        return wrong
    widths, categories = state["_n_features_outs"], state.get("categories_")
    if type(widths) is not list or type(categories) is not list or len(widths) != len(categories):
        return "its columns are not those of its categories"
    dropped: Any = [None] * len(widths)
    if state.get("_drop_idx_after_grouping") is not None:
        dropped = state["_drop_idx_after_grouping"]
        if not is_array(dropped) or dropped.shape != (len(widths),):
            return "what it drops is not one of each feature"
        dropped = dropped.tolist()
    rare: Any = [None] * len(widths)
    if state.get("_infrequent_enabled", False) is not False:
        rare = state.get("_default_to_infrequent_mappings", rare)
        if type(rare) is not list or len(rare) != len(widths):
            return "what is rare is not said of each feature"
    for width, found, drop, mapping in zip(widths, categories, dropped, rare, strict=True):
        count = _columns(found, mapping)
        if count < 0 or (drop is not None and (type(drop) is not int or not 0 <= drop < count)):
            return "a category has a column that is not there"
        if not is_int(width) or width < count - (drop is not None):
            return "a category has a column that is not there"
    return None


def _columns(found: Any, mapping: Any) -> int:
    """Return how many columns the categories of a feature have, -1 for what is wrong."""
    if not is_array(found) or found.ndim != 1:
        return -1
    if mapping is None:
        return int(found.size)
    places = plain_array(mapping, "i")
    if places is None or places.ndim != 1 or not places.size or not lie_within(places, 0, found.size):
        return -1
    return int(places.max()) + 1


def _centres(obj: Any, state: Any) -> str | None:
    """What is closest to which centre is found by compiled code, which takes the width of the data for theirs."""
    wrong = attributes(state)
    if wrong is not None or "cluster_centers_" not in state:
        return wrong
    centres = plain_array(state["cluster_centers_"], "f")
    if centres is None or centres.ndim != 2 or not are_as_many(centres.shape[1], state.get("n_features_in_")):
        return "its centres have other features"
    # Of fewer than none OpenMP makes so many that there is no memory for them, and ends the process.
    threads = state.get("_n_threads", 1)
    if not is_int(threads) or not 1 <= threads <= _MOST_THREADS:
        return "it wants no number of threads"
    counts = state.get("_counts")
    if counts is None:
        return None
    counted = plain_array(counts, "f")
    return None if counted is not None and counted.shape == (len(centres),) else "it counts other centres"


def _neighbours(obj: Any, state: Any) -> str | None:
    """The nearest points are found by compiled code, which takes the width of the data for theirs."""
    wrong = attributes(state)
    if wrong is not None or state.get("_fit_X") is None:
        return wrong
    points = state["_fit_X"]
    if not is_array(points) and not any(is_one(points, "scipy.sparse", name) for name in ("spmatrix", "sparray")):
        return "its points are no table"
    if len(points.shape) != 2 or not are_as_many(points.shape[1], state.get("n_features_in_")):
        return "its points have other features"
    # It divides by how many there are.
    there = points.shape[0] > 0 and are_as_many(points.shape[0], state.get("n_samples_fit_"))
    return None if there else "its points are not as many as it counts"


def _voters(obj: Any, state: Any) -> str | None:
    """Each of the nearest points adds to what its class has, without a look."""
    wrong = _neighbours(obj, state)
    if wrong is not None or state.get("_fit_X") is None:
        return wrong
    kinds, classes = index_array(state.get("_y")), state.get("classes_")
    if kinds is None or not 1 <= kinds.ndim <= 2 or len(kinds) != state["_fit_X"].shape[0]:
        return "its points have other classes"
    if state.get("outputs_2d_") is True:
        return None  # numpy counts those
    if kinds.ndim != 1 or not is_array(classes) or not lie_within(kinds, 0, len(classes)):
        return "a point is of a class that is not there"
    return None


def first_guess(state: Any) -> str | None:
    """Say what is wrong with what boosting begins with: each of its trees adds to a column of that, without a look."""
    members = state.get("estimators_")
    if not is_array(members):
        return None
    if members.ndim != 2:
        return "its trees are no table"
    count = members.shape[1]
    # Before scikit-learn 1.4 the loss says how many there are.
    if not is_int(state.get("n_trees_per_iteration_", 1)) or state.get("n_trees_per_iteration_", count) != count:
        return "its trees are not as many as it counts"
    if count <= 1:
        return None if count else "its trees are not as many as it counts"
    guess = state.get("init_")
    if type(guess) is str and guess == "zero" and "n_trees_per_iteration_" in state:
        return None
    if not is_one(guess, "sklearn.dummy", "DummyClassifier"):
        return "it begins with another model, which may know fewer classes"
    known = plain_array(vars(guess).get("class_prior_"), "f")
    if known is None or known.shape != (count,) or vars(guess).get("n_classes_") != count:
        return "it begins with other classes than its trees have"
    return None


_OUTSIDE = "a place that is not there, which compiled code writes to"
_POINTS = "points of another width or class than compiled code takes them for"
_UNFOLDED = "lists that are unfolded, texts that are made of anything, where nobody counts"
_HERE = "found here"

#: What state the instances may be given. The first one holds for all whose ``__setstate__`` is that of the base, and
#: compares nothing with anything.
ESTIMATOR_STATES: Mapping[tuple[str, str], LibraryState] = MappingProxyType(
    {
        ("sklearn.base", "BaseEstimator"): (_estimator, None, _UNFOLDED, "D07"),
        ("sklearn.isotonic", "IsotonicRegression"): (_curve, has_state, _UNFOLDED, "D07, D15, D16"),
        ("sklearn.feature_extraction.text", "CountVectorizer"): (_words, has_state, _OUTSIDE, _HERE),
        ("sklearn.feature_extraction.text", "TfidfVectorizer"): (_words, has_state, _OUTSIDE, _HERE),
        ("sklearn.feature_extraction._dict_vectorizer", "DictVectorizer"): (_words, has_state, _OUTSIDE, _HERE),
        ("sklearn.cluster._kmeans", "KMeans"): (_centres, has_state, _POINTS, _HERE),
        ("sklearn.cluster._kmeans", "MiniBatchKMeans"): (_centres, has_state, _POINTS, _HERE),
        ("sklearn.neighbors._classification", "KNeighborsClassifier"): (_voters, has_state, _POINTS, _HERE),
        ("sklearn.neighbors._regression", "KNeighborsRegressor"): (_neighbours, has_state, _POINTS, _HERE),
        ("sklearn.neighbors._unsupervised", "NearestNeighbors"): (_neighbours, has_state, _POINTS, _HERE),
        ("sklearn.preprocessing._label", "MultiLabelBinarizer"): (_labels, has_state, _OUTSIDE, _HERE),
        ("sklearn.preprocessing._encoders", "OneHotEncoder"): (_one_hot, has_state, _OUTSIDE, _HERE),
    }
)

#: Whose places are in dicts and lists.
CHANGEABLE = frozenset(pair for pair, row in ESTIMATOR_STATES.items() if row[2] is _OUTSIDE)
