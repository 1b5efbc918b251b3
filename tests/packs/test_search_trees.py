"""Trees that neighbours are looked for in: a query follows them in compiled code, without a look."""

from __future__ import annotations

import importlib
import pickle
from types import ModuleType
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("sklearn")

from packs.test_libraries import SKLEARN, Made, changed  # noqa: E402

from safepickle.errors import LimitError, PolicyError  # noqa: E402
from safepickle.limits import Limits  # noqa: E402

NEIGHBOURS = importlib.import_module("sklearn.neighbors")
KD, BALL = (importlib.import_module(f"sklearn.neighbors._{kind}_tree") for kind in ("kd", "ball"))
DISTANCES = importlib.import_module("sklearn.metrics._dist_metrics")

POINTS = np.random.RandomState(0).rand(40, 3)
KINDS = np.arange(40) % 3
GOOD: dict[str, Any] = {
    "a tree": KD.KDTree(POINTS, leaf_size=3),
    "one node": KD.KDTree(POINTS[:1]),
    "a node for each point": KD.KDTree(POINTS, leaf_size=1),
    "the same point": KD.KDTree(POINTS[[0] * 9], leaf_size=2),
    "balls": BALL.BallTree(POINTS, leaf_size=3),
    "one ball": BALL.BallTree(POINTS[:1, :1]),
    "streets": KD.KDTree(POINTS, metric="manhattan"),
    "the largest": BALL.BallTree(POINTS, metric="chebyshev", leaf_size=3),
    "powers": BALL.BallTree(POINTS, metric="minkowski", p=3, leaf_size=3),
}
MODELS: dict[str, Any] = {
    "classes": NEIGHBOURS.KNeighborsClassifier(leaf_size=3).fit(POINTS, KINDS),
    "weighted classes": NEIGHBOURS.KNeighborsClassifier(weights="distance", p=3).fit(POINTS, KINDS),
    "numbers": NEIGHBOURS.KNeighborsRegressor(algorithm="ball_tree").fit(POINTS, KINDS),
    "neighbours": NEIGHBOURS.NearestNeighbors(p=1, radius=0.2).fit(POINTS),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", GOOD)
def test_a_tree_finds_what_it_found(sp: ModuleType, kind: str, protocol: int) -> None:
    tree = GOOD[kind]
    points = POINTS[:1, : tree.data.shape[1]]
    for data in (pickle.dumps(tree, protocol), sp.dumps(tree, protocol, policy=SKLEARN)):
        found = sp.loads(data, policy=SKLEARN)
        for ask in (lambda one: one.query(points, 1), lambda one: one.query_radius(points, 0.3, count_only=True)):
            assert np.array_equal(ask(found), ask(tree))


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_finds_what_it_found(sp: ModuleType, kind: str) -> None:
    model = MODELS[kind]
    for data in (pickle.dumps(model), sp.dumps(model, policy=SKLEARN)):
        found = sp.loads(data, policy=SKLEARN)
        assert np.array_equal(found.kneighbors(POINTS), model.kneighbors(POINTS))
        if kind != "neighbours":
            assert np.array_equal(found.predict(POINTS), model.predict(POINTS))


def made(value: Any, at: int | None = None, by: Any = None) -> Made:
    """Return what makes a tree or a distance, with another part of its state."""
    function, args, state = value.__reduce__()
    return Made(function, args, state if at is None else (*state[:at], by, *state[at + 1 :]))


def with_node(place: int, **fields: Any) -> Any:
    nodes = np.array(TREE.__getstate__()[2])
    for field, number in fields.items():
        nodes[field][place] = number
    return made(TREE, 2, nodes)


def with_order(place: int, number: int) -> Any:
    order = np.array(TREE.__getstate__()[1])
    order[place] = number
    return made(TREE, 1, order)


TREE, POWERS = GOOD["a tree"], GOOD["powers"].__getstate__()[11]
STATE = TREE.__getstate__()
LAST = len(STATE[2]) - 1
#: As a tree is made: of one point, with one feature.
SMALLEST = NEIGHBOURS.NearestNeighbors(algorithm="kd_tree").fit(POINTS[:1, :1])
WEIGHTS = DISTANCES.MinkowskiDistance64(3.0, np.ones(3))
HOSTILE: dict[str, tuple[Any, str]] = {
    "no state": (Made(KD.newObj, (KD.KDTree,)), "was given no state"),
    "no state of a ball": (Made(BALL.newObj, (BALL.BallTree,)), "was given no state"),
    "no power": (Made(DISTANCES.newObj, (DISTANCES.MinkowskiDistance64,)), "was given no state"),
    "another class": (Made(KD.newObj, (BALL.BallTree,)), "wants the class of its trees"),
    "no class": (Made(KD.newObj, (None,)), "wants the class of its trees"),
    "a weighted distance": (
        made(DISTANCES.SEuclideanDistance64(V=np.ones(3))), "SEuclideanDistance64"
    ),
    "a tree for a distance": (Made(DISTANCES.newObj, (KD.KDTree,)), "wants the class of a distance"),
    "no class of a distance": (Made(DISTANCES.newObj, (None,)), "wants the class of a distance"),
    "a place beyond": (with_order(3, 40), "a point is none of its points"),
    "a place before": (with_order(3, -1), "a point is none of its points"),
    "few places": (made(TREE, 1, STATE[1][:39]), "a point is none of its points"),
    "no places": (made(TREE, 1, STATE[1].astype(float)), "wants points, nodes and a distance"),
    "no points": (made(TREE, 0, np.zeros((0, 3))), "its points are no table"),
    "a row of points": (made(TREE, 0, np.zeros(40)), "its points are no table"),
    "points of another kind": (made(TREE, 0, np.zeros((40, 3), int)), "its points are no table"),
    "fewer points": (made(TREE, 0, POINTS[:20].copy()), "a point is none of its points"),
    "wider points": (made(TREE, 0, np.zeros((40, 4))), "its nodes have other bounds"),
    "nodes of a beginning before": (with_node(LAST, idx_start=-5), "a node has points that are not there"),
    "nodes of an end beyond": (with_node(LAST, idx_end=41), "a node has points that are not there"),
    "nodes that end before": (with_node(LAST, idx_start=40, idx_end=3), "a node has points that are not there"),
    "a first node of few": (with_node(0, idx_end=30), "its first node has other points"),
    "a last node with children": (with_node(LAST, is_leaf=0), "a node has children that are not there"),
    "a child of all": (with_node(1, idx_end=40), "a node has other points than its children"),
    "a child of others": (with_node(2, idx_start=0), "a node has other points than its children"),
    "a child of fewer": (with_node(2, idx_end=30), "a node has other points than its children"),
    "no nodes": (made(TREE, 2, STATE[2][:0].copy()), "its nodes have other fields"),
    "a table of nodes": (made(TREE, 2, STATE[2].reshape(1, -1)), "its nodes have other fields"),
    "nodes of other fields": (made(TREE, 2, np.zeros(LAST + 1, "i8,i8,i8,f8")), "its nodes have other fields"),
    "nodes of other numbers": (
        made(TREE, 2, STATE[2].astype([(name, "f8") for name in STATE[2].dtype.names])), "its nodes have other fields"
    ),
    "few bounds": (made(TREE, 3, STATE[3][:, 1:].copy()), "its nodes have other bounds"),
    "narrow bounds": (made(TREE, 3, STATE[3][:, :, 1:].copy()), "its nodes have other bounds"),
    "bounds of one side": (made(TREE, 3, STATE[3][:1].copy()), "its nodes have other bounds"),
    "no size of leaves": (made(TREE, 4, 0), "it does not count its nodes"),
    "a size that is no number": (made(TREE, 4, "3"), "it does not count its nodes"),
    "no number of levels": (made(TREE, 5, 0), "it does not count its nodes"),
    "more nodes": (made(TREE, 6, 10**6), "it does not count its nodes"),
    "no number of nodes": (made(TREE, 6, None), "it does not count its nodes"),
    "a count beyond": (made(TREE, 7, 2**40), "it does not count what it was asked"),
    "no distance": (made(TREE, 11, None), "it measures with something else"),
    "another distance": (made(TREE, 11, np.ones(3)), "it measures with something else"),
    "points with weights": (made(TREE, 12, np.ones(1)), "its points have weights"),
    "half a state": (Made(KD.newObj, (KD.KDTree,), STATE[:12]), "wants points, nodes and a distance"),
    "weights": (made(WEIGHTS), "it has weights"),
    "one weight": (made(DISTANCES.MinkowskiDistance64(3.0, np.ones(1))), "it has weights"),
    "weights of nothing else": (made(STATE[11], 1, np.ones(3)), "it has weights"),
    "a table of weights": (made(STATE[11], 1, np.ones((1, 1))), "wants a power, weights and a matrix"),
    "a matrix": (made(STATE[11], 2, np.ones((3, 3))), "wants a power, weights and a matrix"),
    "no numbers": (Made(DISTANCES.newObj, (DISTANCES.EuclideanDistance64,), (2.0,)), "wants a power, weights"),
    "half a power": (made(POWERS, 0, 0.5), "its power is no number"),
    "a power that is no number": (made(POWERS, 0, float("nan")), "its power is no number"),
    "a model of other points": (
        changed(MODELS["classes"], _tree=KD.KDTree(POINTS[:20])), "its tree is of other points"
    ),
    "a model of other features": (
        changed(MODELS["neighbours"], _tree=KD.KDTree(POINTS[:, :2].copy())), "its tree is of other points"
    ),
    "a model without a tree": (changed(MODELS["numbers"], _tree=KINDS), "its tree is of other points"),
    "a model of a tree that waits": (
        changed(SMALLEST, _tree=Made(KD.newObj, (KD.KDTree,))), "its tree is of other points"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_does_not_belong_together_is_refused(sp: ModuleType, name: str) -> None:
    value, message = HOSTILE[name]
    with pytest.raises(PolicyError, match=message):
        sp.loads(pickle.dumps(value), policy=SKLEARN)


def test_a_tree_gets_its_state_once(sp: ModuleType) -> None:
    """What was compared with each other stays; a distance has no weights after any state."""
    for value, once in ((TREE, True), (GOOD["balls"], True), (POWERS, False)):
        data = pickle.dumps(value, 2)
        assert (data[-4:-3], data[-2:]) == (b"q", b"b.")
        assert type(sp.loads(data, policy=SKLEARN)) is type(value)
        twice = data[:-1] + b"h" + data[-3:-2] + b"b."
        if not once:
            assert type(sp.loads(twice, policy=SKLEARN)) is type(value)
            continue
        with pytest.raises(PolicyError, match="its state is refused"):
            sp.loads(twice, policy=SKLEARN)


def test_a_tree_is_paid_for_by_its_arrays(sp: ModuleType) -> None:
    """D16: any number of trees may share their arrays, which are looked at."""
    many = [KD.newObj(KD.KDTree) for _ in range(30)]
    points = np.random.RandomState(0).rand(3000, 2)
    state = KD.KDTree(points).__getstate__()
    for tree in many:
        tree.__setstate__(state)
    data = pickle.dumps(many)
    assert len(sp.loads(data, policy=SKLEARN)) == len(many)
    with pytest.raises(LimitError, match="max_memory"):
        sp.loads(data, policy=SKLEARN, limits=Limits(max_memory=len(data) + 30 * points.nbytes))
