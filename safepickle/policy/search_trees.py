"""Contracts for the trees that scikit-learn looks for neighbours in, and for what these measure distances with.

A query goes down such a tree in compiled code and reads points where its nodes say, without a look: nodes, their bounds
and the order of the points are compared with each other first. The kernel of a distance takes its weights for as many
as the points are wide.

Rules that hold here:

* Nothing is imported here: what comes to a check has been made by the library, so that it is loaded.
* Both are made without anything, by a function of one argument. A tree, and a distance with a power, would read what is
  not there: they wait for their state. A tree gets it once; a distance has no weights after any.
* Distances that hold numbers of their own for each feature are left out: whoever asks one compares none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .arrays import ArrayCall
from .library_parts import (
    LibraryState,
    are_as_many,
    class_of,
    index_array,
    is_array,
    is_exactly,
    lie_within,
    plain_array,
)
from .parts import Args

__all__ = [
    "SEARCH_CALLS",
    "SEARCH_CALLS_THAT_WAIT",
    "SEARCH_STATES",
    "SEARCH_STATE_WEIGHTS",
    "is_tree_of",
]

_TREES = {"sklearn.neighbors._kd_tree": "KDTree", "sklearn.neighbors._ball_tree": "BallTree"}
_DISTANCES = "sklearn.metrics._dist_metrics"
#: These have nothing of their own for each feature.
_PLAIN_DISTANCES = ("EuclideanDistance64", "ManhattanDistance64", "ChebyshevDistance64")
#: That one may have weights, and has none here.
_WEIGHTED_DISTANCE = "MinkowskiDistance64"
#: What a tree knows: points, their order, nodes, their bounds, six numbers and one more, a distance, and weights.
_ARRAYS, _NUMBERS, _DISTANCE, _STATE = slice(0, 4), slice(4, 11), 11, 13
_NODE = ("idx_start", "idx_end", "is_leaf", "radius")
#: What a C int counts, a statistic that may have gone round.
_COUNTED = 2**31


def is_tree_of(value: Any, count: Any, width: Any) -> bool:
    """Say whether a value is such a tree, with its state, of so many points of such a width."""
    if not _is_tree(value) or _waits(value):
        return False
    shape = value.data.shape
    return are_as_many(count, shape[0]) and are_as_many(width, shape[1])


def _is_tree(value: Any) -> bool:
    return any(is_exactly(value, module, name) for module, name in _TREES.items())


def _waits(value: Any) -> bool:
    """Say whether a tree, or a distance, has no state yet, and would read what is not there."""
    if _is_tree(value):
        return value.__getstate__()[_DISTANCE] is None
    # As it is made it has one weight, which is for one feature; with state it has none.
    return is_exactly(value, _DISTANCES, _WEIGHTED_DISTANCE) and len(value.__getstate__()[1]) != 0


def _tree_class(module: str) -> Callable[[Args], str | None]:
    def check(args: Args) -> str | None:
        fits = len(args) == 1 and args[0] is not None and args[0] is class_of(module, _TREES[module])
        return None if fits else "wants the class of its trees"

    return check


def _distance_class(args: Args) -> str | None:
    if len(args) == 1 and args[0] is not None:
        for name in (*_PLAIN_DISTANCES, _WEIGHTED_DISTANCE):
            if args[0] is class_of(_DISTANCES, name):
                return None
    return "wants the class of a distance that has nothing of its own for each feature"


def _distance_state(obj: Any, state: Any) -> str | None:
    if type(state) is not tuple or len(state) != 3:
        return "wants a power, weights and a matrix"
    power, weights, matrix = state[0], plain_array(state[1], "f"), plain_array(state[2], "f")
    if type(power) is not float or not power >= 1:
        return "its power is no number"
    if weights is None or weights.ndim != 1 or matrix is None or matrix.shape != (1, 1):
        return "wants a power, weights and a matrix"
    if is_exactly(obj, _DISTANCES, _WEIGHTED_DISTANCE) and weights.size:
        return "it has weights"
    return None if weights.size <= 1 else "it has weights"


def _tree_state(obj: Any, state: Any) -> str | None:
    if type(state) is not tuple or len(state) != _STATE:
        return "wants points, nodes and a distance"
    points, order, nodes, bounds = state[_ARRAYS]
    if plain_array(points, "f") is None or points.ndim != 2 or not points.size:
        return "its points are no table"
    if index_array(order) is None or plain_array(nodes, "V") is None or plain_array(bounds, "f") is None:
        return "wants points, nodes and a distance"
    count, width = points.shape
    if order.shape != (count,) or not lie_within(order, 0, count):
        return "a point is none of its points"
    wrong = _nodes(nodes, count)
    if wrong is not None:
        return wrong
    sides = 2 if is_exactly(obj, "sklearn.neighbors._kd_tree", "KDTree") else 1
    if bounds.shape != (sides, len(nodes), width):
        return "its nodes have other bounds"
    leaf_size, levels, known, *counted = state[_NUMBERS]
    if any(type(number) is not int for number in (leaf_size, levels, known, *counted)):
        return "it does not count its nodes"
    if not 1 <= leaf_size < _COUNTED or not 1 <= levels <= 64 or known != len(nodes):
        return "it does not count its nodes"
    if not all(-_COUNTED <= number < _COUNTED for number in counted):
        return "it does not count what it was asked"
    if state[_STATE - 1] is not None:
        return "its points have weights"
    distance = state[_DISTANCE]
    if any(is_exactly(distance, _DISTANCES, name) for name in _PLAIN_DISTANCES):
        return None
    if is_exactly(distance, _DISTANCES, _WEIGHTED_DISTANCE) and not _waits(distance):
        return None
    return "it measures with something else than it may"


def _nodes(nodes: Any, count: int) -> str | None:
    """Say what is wrong with nodes: those of a row of points, each of which is all its children are."""
    fields = [nodes.dtype.fields[name][0] for name in _NODE] if nodes.dtype.names == _NODE else []
    if nodes.ndim != 1 or not len(nodes) or [field.str for field in fields] != ["<i8", "<i8", "<i8", "<f8"]:
        return "its nodes have other fields"
    starts, ends, leaves = nodes["idx_start"], nodes["idx_end"], nodes["is_leaf"]
    if not lie_within(starts, 0, count + 1) or not lie_within(ends, 0, count + 1) or bool((starts > ends).any()):
        return "a node has points that are not there"
    if starts[0] != 0 or ends[0] != count:
        return "its first node has other points"
    inner = (leaves == 0).nonzero()[0]
    # Both children of a node are where its place says.
    first, second = 2 * inner + 1, 2 * inner + 2
    if not lie_within(second, 0, len(nodes)):
        return "a node has children that are not there"
    # Otherwise a query would meet the same points again in node after node.
    same = (starts[first] == starts[inner]) & (ends[first] == starts[second]) & (ends[second] == ends[inner])
    return None if bool(same.all()) else "a node has other points than its children"


def _read_of_tree_state(state: Any) -> int:
    """Return the bytes of what is looked at of a tree's arrays: any number of trees may share them."""
    if type(state) is not tuple:
        return 0
    return sum(int(array.nbytes) for array in state[_ARRAYS] if is_array(array))


def _has_its_state(value: Any) -> bool:
    return not _waits(value)


_READ = "points, nodes or weights that are not there, which compiled code reads"
_HERE = "found here"
_MAKERS = tuple((module, "newObj") for module in _TREES)

#: What makes trees and distances, and of which classes.
SEARCH_CALLS: Mapping[tuple[str, str], ArrayCall] = MappingProxyType(
    {
        **{(module, name): (_tree_class(module), _READ, _HERE) for module, name in _MAKERS},
        (_DISTANCES, "newObj"): (_distance_class, _READ, _HERE),
    }
)

#: What these have made waits for state.
SEARCH_CALLS_THAT_WAIT = dict.fromkeys(SEARCH_CALLS, _waits)

#: What state they may be given: any number of times a distance, which has no weights after any of them.
SEARCH_STATES: Mapping[tuple[str, str], LibraryState] = MappingProxyType(
    {
        **dict.fromkeys(_MAKERS, (_tree_state, _has_its_state, _READ, _HERE)),
        (_DISTANCES, "newObj"): (_distance_state, None, _READ, _HERE),
    }
)
SEARCH_STATE_WEIGHTS = dict.fromkeys(_MAKERS, _read_of_tree_state)
