"""What is seen of models without asking the contracts: never more than they allow, and weighed alike."""

from __future__ import annotations

import pickle
import sys
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

np = pytest.importorskip("numpy")
sklearn = pytest.importorskip("sklearn")

from packs.test_libraries import MODELS, SKLEARN, changed  # noqa: E402
from packs.test_numpy import Made  # noqa: E402
from packs.test_usual_arrays import Number, Text  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.tree import DecisionTreeClassifier  # noqa: E402
from sklearn.tree._tree import Tree  # noqa: E402

from safepickle.errors import LimitError, PolicyError  # noqa: E402
from safepickle.limits import Limits  # noqa: E402
from safepickle.policy.contracts import CONTRACTS, STATES  # noqa: E402
from safepickle.policy.rights import Right, Rule  # noqa: E402
from safepickle.policy.rules import Policy  # noqa: E402

DATA = np.random.RandomState(1).rand(60, 3)
LABELS = DATA[:, 0] + DATA[:, 1] > 1
FOREST = RandomForestClassifier(n_estimators=3, random_state=1).fit(DATA, LABELS)
TREE = FOREST.estimators_[0].tree_
STATE = TREE.__reduce__()[2]
CALL = CONTRACTS["sklearn.tree._tree", "Tree"]
#: The contracts of state by what is given it.
KINDS = {
    "tree": STATES["sklearn.tree._tree", "Tree"],
    "estimator": STATES["sklearn.tree._classes", "DecisionTreeClassifier"],
    "forest": STATES["sklearn.ensemble._forest", "RandomForestClassifier"],
}
COUNT = len(STATE["nodes"])


def models(sp: ModuleType) -> tuple[Any, Any]:
    assert sp.loads
    module = sys.modules[f"{sp.__name__}.decoding.usual_models"]
    return module, module.UsualModels()


def agree(sp: ModuleType, kind: str, obj: Any, state: Any) -> bool:
    """Ask both; return whether it was seen without the contract."""
    module, seen = models(sp)
    contract = KINDS[kind]
    weight = seen.weigh_state(module.usual_estimator(contract), obj, state)
    if weight < 0:
        return False
    assert contract.refusal(obj, state) is None
    assert weight == (0 if contract.weigh is None else contract.weigh(state))
    return True


# ---- trees -------------------------------------------------------------------------------------------------


def with_node(place: int, **fields: Any) -> Any:
    nodes = STATE["nodes"].copy()
    for name, value in fields.items():
        nodes[name][place] = value
    return nodes


def other_fields(**codes: str) -> Any:
    """Return the nodes with some of their fields of another type."""
    dtype = STATE["nodes"].dtype
    return STATE["nodes"].astype([(name, codes.get(name, dtype[name])) for name in dtype.names])


node_values = st.sampled_from([-2, -1, 0, 1, 2, 3, COUNT - 1, COUNT, COUNT + 1, 2**62])
one_node = st.builds(
    with_node,
    st.integers(0, COUNT - 1),
    left_child=node_values,
    right_child=node_values,
    feature=node_values,
) | st.builds(with_node, st.integers(0, COUNT - 1), right_child=node_values)
nodes = one_node | st.sampled_from(
    [
        STATE["nodes"], STATE["nodes"][:-1], STATE["nodes"].reshape(1, -1), STATE["nodes"][::2], np.zeros(COUNT),
        np.zeros(COUNT, "V64"), other_fields(left_child="<i4"), other_fields(right_child=">i8"),
        other_fields(feature="<u8"), other_fields(left_child="<f8"), other_fields(feature="<M8[s]"),
        other_fields(threshold="<M8[s]"), None, [],
    ]
)  # fmt: skip
values = st.sampled_from(
    [STATE["values"], STATE["values"][:-1], STATE["values"].astype("i8"), STATE["values"][:, 0], STATE["values"] * 1j,
     np.zeros((COUNT, 2, 1)), np.zeros((COUNT, 1, 3)), np.asfortranarray(np.zeros((COUNT, 1, 2))),
     STATE["values"].astype("f4"), STATE["values"].astype(">f8"), None]
)  # fmt: skip
tree_states = st.fixed_dictionaries(
    {
        "max_depth": st.sampled_from(
            [STATE["max_depth"], STATE["max_depth"], STATE["max_depth"] - 1, 0, -1, 2**70, None, 1.0, Number(3)]
        ),
        "node_count": st.sampled_from([COUNT, COUNT, COUNT, COUNT - 1, 0, -1, 2**70, Number(COUNT), None]),
        "nodes": nodes,
        "values": values,
    },
    optional={"more": st.none()},
)
one_change = st.one_of(
    st.builds(lambda value: {**STATE, "nodes": value}, nodes),
    st.builds(lambda value: {**STATE, "values": value}, values),
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(state=one_change | tree_states, features=st.sampled_from([3, 1, 2]))
def test_trees_that_are_seen_are_those_of_the_contract(sp: ModuleType, state: Any, features: int) -> None:
    agree(sp, "tree", Tree(features, np.array([2]), 1), state)


@given(
    features=st.sampled_from([3, 0, -1, 2**31, 2**70, True, Number(3), None]),
    classes=st.sampled_from(
        [np.array([2]), np.array([0]), np.array([2, 2]), np.array([2**31]), np.array([2], "i4"), np.array([2], ">i8"),
         np.array([2.0]), np.array([[2]]), np.array([2, 0])[::2], np.zeros(0, "i1"), [2], None]
    ),
    outputs=st.sampled_from([1, 2, 0, 2**31, True, Number(1), None]),
    more=st.sampled_from([(), (1,)]),
)  # fmt: skip
def test_calls_that_are_seen_are_those_of_the_contract(
    sp: ModuleType, features: Any, classes: Any, outputs: Any, more: Any
) -> None:
    module, seen = models(sp)
    args = features, classes, outputs, *more
    assert module.usual_tree(CALL)
    if seen.fits_call(args):
        assert CALL.check(args, {}) is None


def test_what_scikit_learn_writes_is_seen(sp: ModuleType) -> None:
    _, seen = models(sp)
    assert seen.fits_call(TREE.__reduce__()[1])
    assert agree(sp, "tree", TREE, STATE)
    assert agree(sp, "estimator", DecisionTreeClassifier(), FOREST.estimators_[0].__getstate__())
    assert agree(sp, "forest", RandomForestClassifier(), FOREST.__getstate__())
    assert agree(sp, "estimator", DecisionTreeClassifier(), DecisionTreeClassifier().__getstate__())


@pytest.mark.parametrize(
    "fields",
    [
        {"left_child": COUNT}, {"left_child": 0}, {"left_child": 2**62}, {"left_child": -2}, {"right_child": COUNT},
        {"right_child": 0}, {"right_child": -1}, {"feature": 3}, {"feature": -1},
    ],
    ids=str,
)  # fmt: skip
def test_a_tree_that_leads_outside_is_refused_after_others(sp: ModuleType, fields: dict[str, int]) -> None:
    hostile = Made(Tree, TREE.__reduce__()[1], {**STATE, "nodes": with_node(0, **fields)})
    assert STATE["nodes"]["left_child"][0] > 0, "a node with children"
    assert not agree(sp, "tree", TREE, {**STATE, "nodes": with_node(0, **fields)})
    for value in (hostile, Made(Tree, TREE.__reduce__()[1], {**STATE, "nodes": with_node(COUNT - 1, right_child=1)})):
        with pytest.raises(PolicyError, match="its state is refused"):
            sp.loads(pickle.dumps([FOREST, TREE, value]), policy=SKLEARN)


def woven() -> Any:
    """Return nodes each of which leads to the next two: the way through all is as long as there are nodes."""
    nodes = STATE["nodes"].copy()
    nodes["left_child"] = np.arange(COUNT) + 1
    nodes["right_child"] = np.minimum(np.arange(COUNT) + 2, COUNT - 1)
    nodes["feature"] = 0
    for name in ("left_child", "right_child"):
        nodes[name][-1] = -1
    return nodes


WOVEN = woven()


def test_a_way_down_is_no_longer_than_the_depth(sp: ModuleType) -> None:
    """Whoever notes a path has room for that many nodes, and writes behind it without a look."""
    assert not agree(sp, "tree", TREE, {**STATE, "nodes": WOVEN, "max_depth": COUNT - 2})
    assert agree(sp, "tree", TREE, {**STATE, "nodes": WOVEN, "max_depth": COUNT - 1})


@pytest.mark.parametrize(
    "settings",
    [{}, {"max_leaf_nodes": 5}, {"max_depth": 1}, {"ccp_alpha": 0.01}, {"min_samples_leaf": 7}, {"splitter": "random"}],
    ids=str,
)
def test_trees_say_how_deep_they_are(sp: ModuleType, settings: dict[str, Any]) -> None:
    rng = np.random.RandomState(1)
    points, kinds = rng.rand(200, 3), rng.randint(0, 2, 200)
    for count in (1, 5, 200):
        made = DecisionTreeClassifier(random_state=0, **settings).fit(points[:count], kinds[:count])
        assert agree(sp, "tree", made.tree_, made.tree_.__getstate__())
        again = sp.loads(sp.dumps(made, policy=SKLEARN), policy=SKLEARN)
        assert (again.decision_path(points) != made.decision_path(points)).nnz == 0


@pytest.mark.parametrize(
    "state",
    [
        {**STATE, "values": np.zeros((COUNT - 1, 1, 2))},
        {**STATE, "values": np.zeros((COUNT, 1, 3))},
        {**STATE, "values": np.zeros((COUNT, 2, 1))},
        {**STATE, "values": np.zeros((COUNT, 1, 2), "i8")},
        {**STATE, "node_count": COUNT - 1},
        {**STATE, "nodes": other_fields(left_child="<f8")},
        {**STATE, "nodes": other_fields(feature="<u8")},
        {**STATE, "nodes": other_fields(left_child="<u8")},
        {**STATE, "nodes": other_fields(right_child="<u8")},
        {**STATE, "max_depth": STATE["max_depth"] - 1},
        {**STATE, "max_depth": 0},
        {**STATE, "max_depth": -1},
        # Two ways to a node, of which the second is longer.
        {**STATE, "nodes": WOVEN, "max_depth": 2},
        # A leaf more that nothing leads to.
        {**STATE, "nodes": np.concatenate([STATE["nodes"], STATE["nodes"][-1:]])},
    ],
)
def test_a_tree_of_another_form_is_refused_after_others(sp: ModuleType, state: Any) -> None:
    with pytest.raises(PolicyError, match="its state is refused"):
        sp.loads(pickle.dumps([TREE, Made(Tree, TREE.__reduce__()[1], state)]), policy=SKLEARN)


def test_nodes_without_a_buffer_of_a_known_format_are_looked_at(sp: ModuleType) -> None:
    """Of dates numpy gives none: asked for one, it raises."""
    nodes = other_fields(threshold="<M8[s]")
    agree(sp, "tree", Tree(3, np.array([2]), 1), {**STATE, "nodes": nodes})
    nodes["left_child"][0] = COUNT
    with pytest.raises(PolicyError, match="its state is refused"):
        sp.loads(pickle.dumps([TREE, Made(Tree, TREE.__reduce__()[1], {**STATE, "nodes": nodes})]), policy=SKLEARN)


@pytest.mark.parametrize("classes", [np.array([0]), np.array([2**31]), np.array([2, 2]), np.array([2.0])])
def test_a_tree_of_other_classes_is_refused_after_others(sp: ModuleType, classes: Any) -> None:
    with pytest.raises(PolicyError, match="its arguments are refused"):
        sp.loads(pickle.dumps([TREE, Made(Tree, (3, classes, 1))]), policy=SKLEARN)


# ---- estimators and forests --------------------------------------------------------------------------------

ONE = FOREST.estimators_[0]
keys = st.sampled_from(
    ["tree_", "n_features_in_", "a", "_b", "__c", "__class__", "1a", "a b", "", "\u00e9", Text("d"), 1, "x" * 201]
)
parts_of_estimator = st.sampled_from(
    [TREE, Tree(3, np.array([2]), 1), Tree(2, np.array([2]), 1), None, 3, 2, Number(3), 3.0]
)


@settings(max_examples=300)
@given(state=st.dictionaries(keys, parts_of_estimator, max_size=4) | st.just([]))
def test_estimators_that_are_seen_are_those_of_the_contract(sp: ModuleType, state: Any) -> None:
    agree(sp, "estimator", DecisionTreeClassifier(), state)


def fitted(**attributes: Any) -> Any:
    found = pickle.loads(pickle.dumps(ONE))
    for name, value in attributes.items():
        if value is None:
            delattr(found, name)
        else:
            setattr(found, name, value)
    return found


members = st.lists(
    st.sampled_from(
        [ONE, FOREST.estimators_[1], fitted(n_features_in_=2), fitted(tree_=None), fitted(n_features_in_=None), None, 3]
    ),
    max_size=3,
)


@settings(max_examples=300)
@given(
    found=members | members.map(tuple) | st.sampled_from([np.array([ONE, ONE], object), None]),
    features=st.sampled_from([3, 3, 2, Number(3), 3.0, None]),
    more=st.dictionaries(keys.filter(lambda key: key != "n_features_in_"), st.just(1), max_size=2),
)
def test_forests_that_are_seen_are_those_of_the_contract(sp: ModuleType, found: Any, features: Any, more: Any) -> None:
    state = {"estimators_": found, "n_features_in_": features, **more}
    agree(sp, "forest", RandomForestClassifier(), state)
    del state["n_features_in_"]
    agree(sp, "forest", RandomForestClassifier(), state)


@pytest.mark.parametrize(
    "other",
    [
        changed(ONE, n_features_in_=4),
        changed(ONE, tree_=Made(Tree, (3, np.array([2]), 1))),
        changed(FOREST, n_features_in_=4),
        changed(FOREST, estimators_=[ONE, fitted(tree_=None)]),
        changed(FOREST, estimators_=[ONE, fitted(n_features_in_=None)]),
    ],
)
def test_a_model_whose_parts_differ_is_refused_after_others(sp: ModuleType, other: Any) -> None:
    with pytest.raises(PolicyError, match="its state is refused"):
        sp.loads(pickle.dumps([FOREST, ONE, other]), policy=SKLEARN)


def test_names_that_are_none_are_refused_after_others(sp: ModuleType) -> None:
    pairs = {(type(one).__module__, type(one).__name__) for one in (FOREST, ONE)}
    rights = Right.NEW | Right.BUILD | Right.REFER
    rules = [Rule(module=module, name=name, rights=rights) for module, name in pairs]
    policy = Policy(name="careless", rules=rules) | SKLEARN
    assert sp.loads(pickle.dumps([FOREST, ONE]), policy=policy)
    for name in ("__call__", "__array__", "a b", ""):
        with pytest.raises(PolicyError, match="without a plain name"):
            sp.loads(pickle.dumps([FOREST, ONE, changed(ONE, **{name: 1})]), policy=policy)


def test_models_are_seen_in_both_directions(sp: ModuleType) -> None:
    model = MODELS["RandomForestClassifier"]
    found = sp.loads(sp.dumps(model, policy=SKLEARN), policy=SKLEARN)
    assert (found.predict(DATA[:, :model.n_features_in_]) == model.predict(DATA[:, :model.n_features_in_])).all()


def test_estimators_that_forests_share_are_paid_for(sp: ModuleType) -> None:
    """Each forest is looked at with all of its estimators: 100 kB of forests with one list took minutes."""
    forests = []
    for kind in (list, tuple):
        members = kind(FOREST.estimators_ * 40)
        for _ in range(30):
            forests.append(RandomForestClassifier())
            vars(forests[-1]).update({**vars(FOREST), "estimators_": members})
        data = pickle.dumps(forests[-30:])
        assert len(sp.loads(data, policy=SKLEARN)) == 30
        with pytest.raises(LimitError, match="max_hash_work"):
            sp.loads(data, policy=SKLEARN, limits=Limits(max_hash_work=12_000))
