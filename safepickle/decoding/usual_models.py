# cython: annotation_typing=False
"""What scikit-learn writes for trees, forests and their estimators, seen without asking the contracts.

A load and a dump ask the same of it, but whether an object has its state already.

Rules that hold here:

* This only ever says yes where the contract of :mod:`safepickle.policy.libraries` says yes, and weighs what it weighs;
  what is anything but plain goes to the contract. A test holds the two together.
* Each tree is looked at, node by node: nothing that was seen of one is taken for another. Remembered are classes alone,
  for one load or dump, and compared by identity.
* The nodes are read through the buffer protocol, from an exact array of numpy that has the bytes of as many items as it
  says. Where the fields of an item lie is asked of its dtype each time.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

import sys
from typing import Any

from ..policy.contracts import CONTRACTS
from ..policy.estimators import LONGEST_NAME, LONGEST_VERSION, MOST_ATTRIBUTES, MOST_FEATURES, MOST_JOBS, STEERING
from ..policy.libraries import LIBRARY_STATES
from .usual_frames import FRAME_STATES, UsualFrames

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

__all__ = ["UsualModels", "keeps_dtypes", "usual_estimator", "usual_tree", "weigh_tree_call"]

#: What is given state.
TREE, ESTIMATOR, FOREST = 1, 2, 3

_TREES = LIBRARY_STATES["sklearn.tree._tree", "Tree"]
_ESTIMATORS = LIBRARY_STATES["sklearn.tree._classes", "DecisionTreeClassifier"]
_FORESTS = LIBRARY_STATES["sklearn.ensemble._forest", "RandomForestClassifier"]
#: By the check of a contract itself.
_STATES: dict[Any, int] = {_TREES[0]: TREE, _ESTIMATORS[0]: ESTIMATOR, _FORESTS[0]: FOREST, **FRAME_STATES}
_TREE_CALL: Any = CONTRACTS["sklearn.tree._tree", "Tree"]
_MODULES: Any = sys.modules
#: The contract's own.
_MOST_ATTRIBUTES, _LONGEST_NAME = MOST_ATTRIBUTES, LONGEST_NAME
#: Attributes of which the contract has to be asked.
_LOOKED_AT = ("_n_features_out", *STEERING)
#: Nodes, features, classes and outputs that are counted here.
_MOST = 2**31 - 1
#: Bytes of a number that points to a node or a feature; and what a tree keeps of each output.
_WIDTH = 8
_COPIED = 16

if not cython.compiled:
    # The leaves: what the compiled form has in C.
    generic_getattr = object.__getattribute__

    def plain_names(state: dict[Any, Any], longest: int) -> bool:
        """Return whether all keys are ASCII identifiers of exact text that do not begin with two underscores."""
        return all(
            type(key) is str and len(key) <= longest and key.isascii() and key.isidentifier() and key[:2] != "__"
            for key in state
        )

    def view_items(array: Any, dimensions: int) -> Any:
        """Return a view of contiguous items; None where there is none, as for dates."""
        try:
            view = memoryview(array)
        except (ValueError, TypeError, BufferError):
            return None
        return view if view.ndim == dimensions and view.c_contiguous else None

    def nodes_size(
        nodes: Any, count: int, left: int, right: int, feature: int, features: int, depth: int
    ) -> int:
        """Return the bytes of so many nodes, -1 where a child is not behind its parent or a feature is not there.

        No way down may be longer than *depth*.

        :param left: where in a node the left child is; *right* and *feature* alike.
        """
        view = view_items(nodes, 1)
        if view is None or view.shape != (count,):
            return -1
        width = view.itemsize
        if max(left, right, feature) + _WIDTH > width or min(left, right, feature) < 0:
            return -1
        raw = view.tobytes()
        levels = [0] * count
        for place in range(count):
            start = place * width
            one, other, asked = (
                int.from_bytes(raw[start + at : start + at + _WIDTH], sys.byteorder, signed=True)
                for at in (left, right, feature)
            )
            if one == -1:
                if other != -1:
                    return -1
                continue
            if not place < one < count or not place < other < count or not 0 <= asked < features:
                return -1
            if levels[place] >= depth:
                return -1
            for child in (one, other):
                levels[child] = max(levels[child], levels[place] + 1)
        return len(raw)

    def values_size(values: Any, count: int, outputs: int, classes: int) -> int:
        """Return the bytes of an array of this shape, -1 for another one."""
        view = view_items(values, 3)
        return -1 if view is None or view.shape != (count, outputs, classes) else int(view.nbytes)

    def numbers_lie_within(numbers: Any, count: int, low: int, high: int) -> bool:
        """Return whether an array has so many ints of 8 bytes, all from *low* to *high*."""
        view = view_items(numbers, 1)
        if view is None or view.shape != (count,) or view.itemsize != _WIDTH:
            return False
        raw = view.tobytes()
        found = [
            int.from_bytes(raw[start : start + _WIDTH], sys.byteorder, signed=True)
            for start in range(0, len(raw), _WIDTH)
        ]
        return all(low <= number <= high for number in found)


def usual_estimator(contract: Any) -> int:
    """Return which of the states that are known here a contract is for, 0 for none."""
    return 0 if contract is None else _STATES.get(contract.check_object, 0)


def usual_tree(contract: Any) -> bool:
    """Return whether a contract is that for calls of the class of trees."""
    return contract is _TREE_CALL


def weigh_tree_call(args: tuple[Any, ...]) -> int:
    """Return the bytes of what a tree copies of its arguments, which its contract has taken."""
    return _COPIED * int(args[2])


def keeps_dtypes(which: int) -> bool:
    """Return whether what is given such a state leaves the dtypes in it as they are, as those of scikit-learn do."""
    return 0 < which <= FOREST


class UsualModels(UsualFrames):
    """What one load or dump has to do with scikit-learn, and with pandas."""

    def __init__(self) -> None:
        UsualFrames.__init__(self)
        #: The class of trees, and the classes of estimators of one tree that were seen, by identity.
        self.tree: Any = None
        self.estimator: Any = None

    def fits_call(self, args: tuple[Any, ...]) -> bool:
        """Return whether the contract of the class of trees surely takes these arguments."""
        if len(args) != 3 or type(args[0]) is not int or type(args[2]) is not int:
            return False
        if not 1 <= args[0] <= _MOST or not 1 <= args[2] <= _MOST:
            return False
        classes = args[1]
        if type(classes) is not self.ndarray or self.ndarray is None or not _is_int(classes.dtype):
            return False
        return numbers_lie_within(classes, args[2], 1, _MOST)

    def weigh_state(self, which: int, obj: Any, state: Any) -> int:
        """Return what the contract takes a state to weigh, -1 where it may be one that the object must not have."""
        if which > FOREST:
            return self.weigh_frame_state(which, obj, state)
        if type(state) is not dict or self.ndarray is None:
            return -1
        fields: dict[Any, Any] = state
        if which == TREE:
            return self._weigh_tree(obj, fields)
        if len(fields) > _MOST_ATTRIBUTES or not plain_names(fields, _LONGEST_NAME):
            return -1
        for name in _LOOKED_AT:
            if name in fields:
                return -1
        version = fields.get("_sklearn_version", "")
        if type(version) is not str or len(version) > LONGEST_VERSION:
            return -1
        jobs: Any = fields.get("n_jobs")
        if jobs is not None and (type(jobs) is not int or not -MOST_JOBS <= jobs <= MOST_JOBS):
            return -1
        features: Any = fields.get("n_features_in_", 0)
        if type(features) is not int or not 0 <= features <= MOST_FEATURES:
            return -1
        if which == ESTIMATOR:
            return 0 if self._fits_estimator(fields) else -1
        return 0 if which == FOREST and self._fits_forest(fields) else -1

    def members(self, which: int, state: Any) -> int:
        """Return how many estimators there may be to look at in the state of a forest; no key is asked for."""
        count = 0
        if which == FOREST and type(state) is dict:
            fields: dict[Any, Any] = state
            for part in fields.values():
                kind = type(part)
                if kind is list or kind is tuple:
                    count += len(part)
                elif kind is self.ndarray:
                    count += part.size
        return count

    def has_state(self, which: int, obj: Any) -> bool:
        """Return whether an object has its state and gets no other. A tree may get another one."""
        if which > FOREST:
            return self.has_frame_state(which, obj)
        return which != TREE and bool(generic_getattr(obj, "__dict__"))

    def _is_tree(self, obj: Any) -> bool:
        if self.tree is None:
            self.tree = getattr(_MODULES.get("sklearn.tree._tree"), "Tree", None)
        return self.tree is not None and type(obj) is self.tree

    def _weigh_tree(self, obj: Any, state: dict[Any, Any]) -> int:
        if len(state) != 4 or not plain_names(state, _LONGEST_NAME) or not self._is_tree(obj):
            return -1
        count = state.get("node_count")
        nodes: Any = state.get("nodes")
        values: Any = state.get("values")
        deepest = state.get("max_depth")
        if type(count) is not int or not 0 < count <= _MOST or type(deepest) is not int or not 0 <= deepest < count:
            return -1
        depth: int = deepest
        if type(nodes) is not self.ndarray or type(values) is not self.ndarray or values.dtype.kind != "f":
            return -1
        fields = nodes.dtype.fields
        if fields is None:
            return -1
        one, other, asked = fields.get("left_child"), fields.get("right_child"), fields.get("feature")
        if one is None or other is None or asked is None or not _is_int(one[0]):
            return -1
        if (other[0] is not one[0] and not _is_int(other[0])) or (asked[0] is not one[0] and not _is_int(asked[0])):
            return -1
        weight = nodes_size(nodes, count, one[1], other[1], asked[1], obj.n_features, depth)
        if weight < 0:
            return -1
        more = values_size(values, count, obj.n_outputs, obj.max_n_classes)
        return -1 if more < 0 else weight + more

    def _fits_estimator(self, state: dict[Any, Any]) -> bool:
        tree = state.get("tree_")
        if tree is None:
            return True
        features = state.get("n_features_in_")
        return self._is_tree(tree) and type(features) is int and tree.node_count != 0 and features == tree.n_features

    def _fits_forest(self, state: dict[Any, Any]) -> bool:
        members = state.get("estimators_")
        features = state.get("n_features_in_")
        if type(members) is not list or type(features) is not int:
            return False
        for member in members:
            if type(member) is not self.estimator or self.estimator is None:
                base = getattr(_MODULES.get("sklearn.tree._classes"), "BaseDecisionTree", None)
                if base is None or not issubclass(type(member), base):
                    return False
                self.estimator = type(member)
            fields = generic_getattr(member, "__dict__")
            if type(fields) is not dict or "tree_" not in fields:
                return False
            found = fields.get("n_features_in_")
            if type(found) is not int or found != features:
                return False
        return True


def _is_int(dtype: Any) -> bool:
    """Return whether a dtype is that of ints of 8 bytes in the machine's own order."""
    return dtype.kind == "i" and dtype.itemsize == _WIDTH and dtype.isnative is True

