"""Contracts for estimators of scikit-learn that have no room of their own: attributes, places, points.

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
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from .copies import read_of_state
from .library_parts import (
    LibraryState,
    are_as_many,
    has_state,
    index_array,
    is_array,
    is_exactly,
    is_int,
    is_one,
    lie_within,
    plain_array,
)
from .search_trees import is_tree_of

__all__ = [
    "CHANGEABLE",
    "ESTIMATOR_STATES",
    "LONGEST_NAME",
    "LONGEST_VERSION",
    "MOST_ATTRIBUTES",
    "MOST_FEATURES",
    "MOST_JOBS",
    "STEERING",
    "attributes",
    "copied_by_curve",
    "estimator_state",
    "first_guess",
    "read_of_places",
]

#: Bytes that looking at one place weighs.
_ENTRY = 48
#: As many threads as a process may have on the largest machines.
_MOST_THREADS = 4096
#: As many neighbours as may be asked for, even where there are fewer.
_FEW_NEIGHBOURS = 1000
#: As many columns as a sparse matrix of them has room for, and what distances are measured with.
_MOST_COLUMNS = 2**31
_MEASURES = frozenset({"p", "w", "V", "VI", "missing_values", "squared"})
#: As many processes as a load may have started, as many features as names are made up for, and products of how many.
MOST_JOBS, MOST_FEATURES, _HIGHEST_DEGREE = 1024, 2**24, 1024
MOST_ATTRIBUTES, LONGEST_NAME, LONGEST_VERSION = 1000, 200, 40
#: What no estimator has in its state: these would have it take data, or parameters, without a look.
STEERING = frozenset({"_in_fit", "_parameter_constraints"})


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
    if type(version) is not str or len(version) > LONGEST_VERSION:
        return "its version is no short text"
    # Joblib starts as many processes as it is told, and a name is made up for each feature to show a model.
    jobs = state.get("n_jobs")
    if jobs is not None and not (is_int(jobs) and -MOST_JOBS <= jobs <= MOST_JOBS):
        return "it wants no number of jobs"
    for key in ("n_features_in_", "_n_features_out"):
        features = state.get(key, 0)
        if not is_int(features) or not 0 <= features <= MOST_FEATURES:
            return "its features are no number"
    if not STEERING.isdisjoint(state):
        return "an attribute that steers its class"
    # Some make up a name for each row of what has no columns.
    empty = (value for value in state.values() if is_array(value) and not value.size and value.ndim)
    return "an array of nothing, too often" if any(max(array.shape) > MOST_FEATURES for array in empty) else None


def estimator_state(obj: Any, state: Any) -> str | None:
    """Say what is wrong with the attributes of an estimator, none of which takes the place of a method of its class."""
    wrong = attributes(state)
    kind: Any = type(obj)
    if wrong is None and not _methods(kind).isdisjoint(state):
        return "an attribute in the place of a method"
    return wrong


@lru_cache(256)
def _methods(cls: type) -> frozenset[str]:
    """Return the names of methods of a class, and of what becomes one: whatever an instance could have instead."""
    found = {name: kept for base in reversed(cls.__mro__) for name, kept in vars(base).items() if kept is not None}
    return frozenset(
        name for name, kept in found.items() if hasattr(type(kept), "__get__") and not hasattr(type(kept), "__set__")
    )


def _curve(obj: Any, state: Any) -> str | None:
    """An isotonic regression makes a curve of its points at once."""
    wrong = estimator_state(obj, state)
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
    members = state.get("estimators_")
    more = _ENTRY * len(members) if type(members) is list else 0
    return read_of_state(state) + more + sum(_ENTRY * len(table) for table in tables if type(table) is dict)


def _lie_inside(table: Any) -> bool:
    """Say whether the values of a dict are places among as many as it has entries."""
    if type(table) is not dict:
        return False
    return all(is_int(place) and 0 <= place < len(table) for place in table.values())


def _words(obj: Any, state: Any) -> str | None:
    wrong = estimator_state(obj, state)
    if wrong is None and "vocabulary_" in state and not _lie_inside(state["vocabulary_"]):
        return "a word has a place that is not there"
    return wrong


def _labels(obj: Any, state: Any) -> str | None:
    wrong = estimator_state(obj, state)
    if wrong is None and state.get("_cached_dict") is not None and not _lie_inside(state["_cached_dict"]):
        return "a label has a place that is not there"
    return wrong


def _one_hot(obj: Any, state: Any) -> str | None:
    """Each category has a column of its own, but what is dropped, and what is rare."""
    wrong = estimator_state(obj, state)
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
        if count < 0 or (drop is not None and (not is_int(drop) or not 0 <= drop < count)):
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
    wrong = estimator_state(obj, state)
    if wrong is not None or "cluster_centers_" not in state:
        return wrong
    centres = plain_array(state["cluster_centers_"], "f")
    if centres is None or centres.ndim != 2 or not are_as_many(centres.shape[1], state.get("n_features_in_")):
        return "its centres have other features"
    if not len(centres):
        return "it has no centres"
    # Of fewer than none OpenMP makes so many that there is no memory for them, and ends the process.
    threads = state.get("_n_threads", 1)
    if not is_int(threads) or not 1 <= threads <= _MOST_THREADS:
        return "it wants no number of threads"
    counts = state.get("_counts")
    if counts is None:
        return None
    counted = plain_array(counts, "f")
    return None if counted is not None and counted.shape == (len(centres),) else "it counts other centres"


def _is_square(value: Any, state: Any) -> bool:
    """Say whether a value is an array of floats that has a row and a column for each feature."""
    array = plain_array(value, "f")
    if array is None or array.ndim != 2 or array.shape[0] != array.shape[1]:
        return False
    return are_as_many(array.shape[1], state.get("n_features_in_"))


def _measure(state: Any) -> str | None:
    """What distances are measured with is handed on to compiled code, which takes it for as wide as the data."""
    given = state.get("effective_metric_params_")
    if given is None:
        return None
    # Norms that were computed before are not among them: those are never asked how many they are.
    if type(given) is not dict or not all(type(key) is str and key in _MEASURES for key in given):
        return "it measures with something else than it may"
    return None if "VI" not in given or _is_square(given["VI"], state) else "it measures other features"


def _covariance(obj: Any, state: Any) -> str | None:
    """Distances are measured with the inverse, or with that of what it was made of."""
    wrong = estimator_state(obj, state)
    if wrong is not None:
        return wrong
    found = [state[name] for name in ("covariance_", "precision_") if state.get(name) is not None]
    return None if all(_is_square(array, state) for array in found) else "it is of other features"


def _descent(obj: Any, state: Any) -> str | None:
    """Who goes on with a descent writes to its weights, as many as the data are wide."""
    wrong = estimator_state(obj, state)
    if wrong is not None:
        return wrong
    found = [state[name] for name in ("_standard_coef", "_average_coef") if state.get(name) is not None]
    weights = state.get("coef_")
    if weights is None and not found:
        return None
    if not any(is_one(weights, "scipy.sparse", name) for name in ("spmatrix", "sparray")):
        found.append(weights)  # those that are none are not gone on with
    arrays = [plain_array(one, "f") for one in found]
    for array in arrays:
        if array is None or not 1 <= array.ndim <= 2 or array.size != arrays[0].size:
            return "its weights are not those of one model"
        if not are_as_many(array.shape[-1], state.get("n_features_in_")):
            return "its weights are of other features"
    return None


def _one_by_one(obj: Any, state: Any) -> str | None:
    """Of several labels, what each member answers becomes the rows of a matrix, however many rows it answers for."""
    wrong = estimator_state(obj, state)
    if wrong is not None or state.get("estimators_") is None:
        return wrong
    members, labels = state["estimators_"], state.get("label_binarizer_")
    if is_exactly(labels, "sklearn.preprocessing._label", "LabelBinarizer"):
        kind = vars(labels).get("y_type_")
        if type(kind) is str and kind == "multiclass":
            return None  # numpy compares those
    if type(members) is not list or not all(_answers_each(member, state) for member in members):
        return "a member of it may answer for other rows than it is asked"
    return None


def _answers_each(member: Any, state: Any) -> bool:
    """Say whether a member surely has one answer for each row."""
    if not is_one(member, "sklearn.base", "BaseEstimator"):
        return False
    pair, fields = (type(member).__module__, type(member).__name__), vars(member)
    if pair in _COUNTED:
        return True
    if pair in _MACHINES:
        classes = fields.get("classes_")
        return is_array(classes) and classes.shape == (2,)
    if pair not in _LINES:
        return False
    weights, start = plain_array(fields.get("coef_"), "f"), fields.get("intercept_")
    # One row of them, which ridges of scikit-learn 1.9 have without a second dimension.
    if weights is None or not (weights.ndim == 1 or (weights.ndim == 2 and len(weights) == 1)):
        return False
    return type(start) is float or (is_array(start) and start.dtype.kind == "f" and start.shape in {(), (1,)})


def _hashing(obj: Any, state: Any) -> str | None:
    """It divides by how many columns it makes."""
    wrong = estimator_state(obj, state)
    if wrong is not None or "n_features" not in state:
        return wrong
    count = state["n_features"]
    return None if is_int(count) and 1 <= count < _MOST_COLUMNS else "it makes no number of columns"


def _highest(degree: Any) -> Any:
    return degree[1] if type(degree) is tuple and len(degree) == 2 else degree


def _powers(obj: Any, state: Any) -> str | None:
    """It makes a column of each product of features, up to a degree."""
    wrong = estimator_state(obj, state)
    if wrong is not None or "n_features_in_" not in state:
        return wrong
    degree = _highest(state.get("degree"))
    if not is_int(degree) or not 0 <= degree <= _HIGHEST_DEGREE:
        return "its degree is no number, or too high a one"
    count = 1
    for number in range(degree):
        count = count * (state["n_features_in_"] + number + 1) // (number + 1)
        if count > MOST_FEATURES:
            return "it makes more columns than names are made up for"
    return None


def _neighbours(obj: Any, state: Any) -> str | None:
    """The nearest points are found by compiled code, which takes the width of the data for theirs."""
    wrong = estimator_state(obj, state)
    if wrong is None:
        wrong = _measure(state)
    if wrong is not None:
        return wrong
    tree = state.get("_tree")
    if tree is not None and not is_tree_of(tree, state.get("n_samples_fit_"), state.get("n_features_in_")):
        return "its tree is of other points"
    if state.get("_fit_X") is None:
        return None
    points = state["_fit_X"]
    if not is_array(points) and not any(is_one(points, "scipy.sparse", name) for name in ("spmatrix", "sparray")):
        return "its points are no table"
    if len(points.shape) != 2 or not are_as_many(points.shape[1], state.get("n_features_in_")):
        return "its points have other features"
    # It makes room for as many of them as it is asked for, whether they are there or not.
    asked = state.get("n_neighbors")
    if asked is not None and not (is_int(asked) and asked <= max(points.shape[0], _FEW_NEIGHBOURS)):
        return "it asks for more points than there are"
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
    if kinds.ndim != 1 or not is_array(classes) or classes.ndim != 1 or not lie_within(kinds, 0, len(classes)):
        return "a point is of a class that is not there"
    return None


def first_guess(obj: Any, state: Any) -> str | None:
    """Say what is wrong with what boosting begins with: each of its trees adds to a column of that, without a look."""
    kind = "Regressor" if is_one(obj, "sklearn.base", "RegressorMixin") else "Classifier"
    members = state.get("estimators_")
    if members is None:
        return None
    if not is_array(members) or members.ndim != 2:
        return "its trees are no table"
    count = members.shape[1]
    # Before scikit-learn 1.4 the loss says how many there are.
    if not is_int(state.get("n_trees_per_iteration_", 1)) or state.get("n_trees_per_iteration_", count) != count:
        return "its trees are not as many as it counts"
    if not count:
        return "its trees are not as many as it counts"
    guess = state.get("init_")
    if guess is None or (type(guess) is str and guess == "zero" and ("n_trees_per_iteration_" in state or count == 1)):
        return None
    # Other models may answer for fewer rows, or know fewer classes.
    first = vars(guess) if is_one(guess, "sklearn.dummy", f"Dummy{kind}") else {}
    if not are_as_many(first.get("n_outputs_"), 1):
        return "it begins with another model"
    if kind == "Regressor":
        return None if count == 1 else "its trees are not as many as it counts"
    known, classes = plain_array(first.get("class_prior_"), "f"), max(count, 2)
    if known is None or known.shape != (classes,) or not are_as_many(first.get("n_classes_"), classes):
        return "it begins with other classes than its trees have"
    return None


_OUTSIDE = "a place that is not there, which compiled code writes to"
_POINTS = "points of another width or class than compiled code takes them for"
_SHAPES = "numbers of other shapes than compiled code takes them for"
_UNFOLDED = "lists that are unfolded, texts that are made of anything, where nobody counts"
_HERE = "found here"

#: Models with one answer for each row: by what they are, of two classes, and with one row of weights.
_COUNTED = frozenset(
    {("sklearn.tree._classes", name) for name in ("DecisionTreeClassifier", "ExtraTreeClassifier")}
    | {("sklearn.ensemble._forest", name) for name in ("RandomForestClassifier", "ExtraTreesClassifier")}
)
_MACHINES = frozenset(("sklearn.svm._classes", name) for name in ("SVC", "NuSVC"))
#: Their weights are looked at in the model that they are members of, so that these stay.
_STAYING = (
    ("sklearn.linear_model._logistic", "LogisticRegression"),
    ("sklearn.linear_model._logistic", "LogisticRegressionCV"),
    ("sklearn.linear_model._ridge", "RidgeClassifier"),
    ("sklearn.linear_model._ridge", "RidgeClassifierCV"),
    ("sklearn.svm._classes", "LinearSVC"),
    ("sklearn.preprocessing._label", "LabelBinarizer"),
)
#: Linear models that can be fitted further.
_DESCENTS = (
    ("sklearn.linear_model._stochastic_gradient", "SGDClassifier"),
    ("sklearn.linear_model._stochastic_gradient", "SGDRegressor"),
    ("sklearn.linear_model._stochastic_gradient", "SGDOneClassSVM"),
    ("sklearn.linear_model._passive_aggressive", "PassiveAggressiveClassifier"),
    ("sklearn.linear_model._passive_aggressive", "PassiveAggressiveRegressor"),
    ("sklearn.linear_model._perceptron", "Perceptron"),
)

#: Others of them begin at another number than those have, or answer for none of two.
_LINES = frozenset(
    {*_STAYING, *_DESCENTS}
    - {
        ("sklearn.preprocessing._label", "LabelBinarizer"),
        ("sklearn.linear_model._stochastic_gradient", "SGDRegressor"),
        ("sklearn.linear_model._stochastic_gradient", "SGDOneClassSVM"),
        ("sklearn.linear_model._passive_aggressive", "PassiveAggressiveRegressor"),
    }
)

#: What state the instances may be given. The first one holds for all whose ``__setstate__`` is that of the base, and
#: compares nothing with anything.
ESTIMATOR_STATES: Mapping[tuple[str, str], LibraryState] = MappingProxyType(
    {
        ("sklearn.base", "BaseEstimator"): (estimator_state, None, _UNFOLDED, "D07"),
        ("sklearn.isotonic", "IsotonicRegression"): (_curve, has_state, _UNFOLDED, "D07, D15, D16"),
        ("sklearn.feature_extraction.text", "CountVectorizer"): (_words, has_state, _OUTSIDE, _HERE),
        ("sklearn.feature_extraction.text", "TfidfVectorizer"): (_words, has_state, _OUTSIDE, _HERE),
        ("sklearn.feature_extraction._dict_vectorizer", "DictVectorizer"): (_words, has_state, _OUTSIDE, _HERE),
        ("sklearn.feature_extraction.text", "HashingVectorizer"): (_hashing, has_state, _SHAPES, _HERE),
        ("sklearn.preprocessing._polynomial", "PolynomialFeatures"): (_powers, has_state, _UNFOLDED, _HERE),
        ("sklearn.covariance._empirical_covariance", "EmpiricalCovariance"): (_covariance, has_state, _SHAPES, _HERE),
        ("sklearn.multiclass", "OneVsRestClassifier"): (_one_by_one, has_state, _OUTSIDE, _HERE),
        **dict.fromkeys(_STAYING, (estimator_state, has_state, _SHAPES, _HERE)),
        **dict.fromkeys(_DESCENTS, (_descent, has_state, _SHAPES, _HERE)),
        ("sklearn.cluster._kmeans", "KMeans"): (_centres, has_state, _POINTS, _HERE),
        ("sklearn.cluster._kmeans", "MiniBatchKMeans"): (_centres, has_state, _POINTS, _HERE),
        ("sklearn.neighbors._classification", "KNeighborsClassifier"): (_voters, has_state, _POINTS, _HERE),
        ("sklearn.neighbors._regression", "KNeighborsRegressor"): (_neighbours, has_state, _POINTS, _HERE),
        ("sklearn.neighbors._unsupervised", "NearestNeighbors"): (_neighbours, has_state, _POINTS, _HERE),
        ("sklearn.neighbors._lof", "LocalOutlierFactor"): (_neighbours, has_state, _POINTS, _HERE),
        ("sklearn.preprocessing._label", "MultiLabelBinarizer"): (_labels, has_state, _OUTSIDE, _HERE),
        ("sklearn.preprocessing._encoders", "OneHotEncoder"): (_one_hot, has_state, _OUTSIDE, _HERE),
    }
)

#: Whose places, or what they measure with, are in dicts and lists.
CHANGEABLE = frozenset(
    pair for pair, row in ESTIMATOR_STATES.items() if row[2] is _OUTSIDE or row[0] in (_neighbours, _voters)
)
