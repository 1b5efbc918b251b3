"""Contracts for scikit-learn's trees and forests: nodes, and the models that they belong to.

Compiled code follows the nodes of a tree without a look, and takes features and classes of a model for those of its
trees. ``decoding/usual_models`` asks the same of what picklers write, faster.

Rules that hold here:

* Nothing is imported here: what comes to a check has been made by the library, so that it is loaded.
* An index is compared with what it points into, for all items, before anybody uses it.
* A forest has its trees in a list, which can be changed afterwards: it is looked at again at the end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .arrays import ArrayCall
from .estimators import attributes, estimator_state, first_guess
from .library_parts import LibraryState, are_as_many, has_state, is_array, is_one, lie_within, plain_array
from .parts import Args

__all__ = ["FOREST_CALLS", "FOREST_CALL_WEIGHTS", "FOREST_CHANGEABLE", "FOREST_STATES", "FOREST_STATE_WEIGHTS"]


def _tree(args: Args) -> str | None:
    if len(args) != 3 or any(type(args[i]) is not int or not 1 <= args[i] < 2**31 for i in (0, 2)):
        return "wants how many features, classes and outputs there are"
    classes = plain_array(args[1], "i")
    if classes is None or classes.shape != (args[2],) or not lie_within(classes, 1, 2**31):
        return "wants how many classes each output has"
    return None


def _tree_state(obj: Any, state: Any) -> str | None:
    if type(state) is not dict or state.keys() != {"max_depth", "node_count", "nodes", "values"}:
        return "wants depth, count, nodes and values"
    count, depth = state["node_count"], state["max_depth"]
    nodes, values = plain_array(state["nodes"], "V"), plain_array(state["values"], "f")
    if type(count) is not int or type(depth) is not int or nodes is None or values is None:
        return "wants arrays of nodes and values"
    names = nodes.dtype.names or ()
    if nodes.shape != (count,) or not count or values.ndim != 3 or len(values) != count:
        return "wants as many nodes and values as it counts"
    if values.shape[1] != obj.n_outputs or values.shape[2] != obj.max_n_classes:
        return "its values are not those of its outputs"
    # Whoever asks for the way makes room for that many nodes of each row.
    if not 0 <= depth < count:
        return "it is deeper than it has nodes"
    if not {"left_child", "right_child", "feature"} <= set(names):
        return "its nodes have other fields"
    left, right, feature = nodes["left_child"], nodes["right_child"], nodes["feature"]
    if any(field.dtype.kind != "i" or field.ndim != 1 for field in (left, right, feature)):
        return "its nodes have other fields"
    # By the place of each node that is no leaf. What is compared is so few that each call of numpy counts, and those
    # of its own methods that are written in Python most.
    count_true = sys.modules["numpy"].count_nonzero
    parent = (left != -1).nonzero()[0]
    parents = len(parent)
    if count_true(right == -1) != count - parents:
        return "a node has one child"
    # Children come behind their parent: whoever goes down arrives. So no parent has -1 on its right, and all that have
    # are the leaves.
    for child in (left[parent], right[parent]):
        if count_true(child > parent) != parents or count_true(child < count) != parents:
            return "a child lies outside, or before its parent"
    if not lie_within(feature[parent], 0, obj.n_features):
        return "a node asks for a feature that is not there"
    return None if _is_within(parent, left, right, depth) else "a way down is longer than its depth says"


def _is_within(parent: Any, left: Any, right: Any, depth: int) -> bool:
    """Say whether no way down a tree is longer than that: as many nodes are noted of each way, without a look."""
    levels: dict[int, int] = {}
    for place, one, other in zip(parent.tolist(), left[parent].tolist(), right[parent].tolist(), strict=True):
        level = levels.pop(place, 0) + 1
        if level > depth:
            return False
        levels[one] = max(levels.get(one, 0), level)
        levels[other] = max(levels.get(other, 0), level)
    return True


def _copied_by_tree(args: Args) -> int:
    """Return the bytes of what a tree copies of its arguments; they are as :func:`_tree` wants them."""
    return 16 * int(args[2])


def _copied_by_tree_state(state: Any) -> int:
    if type(state) is not dict:
        return 0
    arrays = (plain_array(state.get("nodes"), "V"), plain_array(state.get("values"), "f"))
    return sum(int(array.nbytes) for array in arrays if array is not None)


def _tree_estimator(obj: Any, state: Any) -> str | None:  # noqa: ARG001
    """A tree is asked with what its estimator was told about features, without another look."""
    wrong = attributes(state)
    if wrong is not None:
        return wrong
    tree = state.get("tree_")
    if tree is None:
        return None
    if not is_one(tree, "sklearn.tree._tree", "Tree") or not tree.node_count:
        return "its tree is none"
    return None if are_as_many(state.get("n_features_in_"), tree.n_features) else "its tree has other features"


def _forest(obj: Any, state: Any) -> str | None:
    wrong = attributes(state)
    if wrong is not None:
        return wrong
    members = state.get("estimators_", ())
    if is_array(members):
        members = list(members.flat)
    if type(members) not in (list, tuple):
        return "its estimators are no list"
    if members and type(obj).__module__ == "sklearn.ensemble._bagging":
        return None
    for member in members:
        if not is_one(member, "sklearn.tree._classes", "BaseDecisionTree"):
            continue
        fields = vars(member)
        if "tree_" not in fields or not are_as_many(fields.get("n_features_in_"), state.get("n_features_in_")):
            return "a tree in it has other features, or no nodes"
    return None


def _boosting(obj: Any, state: Any) -> str | None:
    """What members have for a tree is taken for one by compiled code, without asking them."""
    wrong = estimator_state(obj, state)
    if wrong is None:
        wrong = _forest(obj, state)
    if wrong is not None:
        return wrong
    members = state.get("estimators_")
    for member in members.flat if is_array(members) else ():
        if not is_one(member, "sklearn.tree._classes", "BaseDecisionTree") or vars(member).get("tree_") is None:
            return "a member of it is no tree"
    return first_guess(obj, state)


_OUTSIDE = "a place that is not there, which compiled code reads or writes"
_HERE = "found here"

_TREE = ("sklearn.tree._tree", "Tree")
_FORESTS = {
    "sklearn.ensemble._forest": "RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor "
    "RandomTreesEmbedding",
    "sklearn.ensemble._gb": "GradientBoostingClassifier GradientBoostingRegressor",
    "sklearn.ensemble._iforest": "IsolationForest",
    "sklearn.ensemble._bagging": "BaggingClassifier BaggingRegressor",
    "sklearn.ensemble._weight_boosting": "AdaBoostClassifier AdaBoostRegressor",
}
_TREES = "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor"

#: What makes a tree, and what is copied of its arguments and its state, in bytes (D16).
FOREST_CALLS: Mapping[tuple[str, str], ArrayCall] = MappingProxyType({_TREE: (_tree, _OUTSIDE, _HERE)})
FOREST_CALL_WEIGHTS: Mapping[tuple[str, str], Callable[[Args], int]] = MappingProxyType({_TREE: _copied_by_tree})
FOREST_STATE_WEIGHTS: Mapping[tuple[str, str], Callable[[Any], int]] = MappingProxyType({_TREE: _copied_by_tree_state})

#: What state they may be given.
FOREST_STATES: Mapping[tuple[str, str], LibraryState] = MappingProxyType(
    {
        _TREE: (_tree_state, None, _OUTSIDE, _HERE),
        **{("sklearn.tree._classes", name): (_tree_estimator, has_state, _OUTSIDE, _HERE) for name in _TREES.split()},
        **{
            (module, name): (_forest, has_state, _OUTSIDE, _HERE)
            for module, names in _FORESTS.items()
            for name in names.split()
        },
        **{
            ("sklearn.ensemble._gb", name): (_boosting, has_state, _OUTSIDE, _HERE)
            for name in _FORESTS["sklearn.ensemble._gb"].split()
        },
    }
)
#: Whose trees are in a list.
FOREST_CHANGEABLE = frozenset((module, name) for module, names in _FORESTS.items() for name in names.split())
