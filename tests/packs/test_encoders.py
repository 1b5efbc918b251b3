"""What estimators of scikit-learn read at once, and places that encoders and vectorizers write to without a look."""

from __future__ import annotations

import importlib
import pickle
import warnings
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

np = pytest.importorskip("numpy")
sklearn = pytest.importorskip("sklearn")

from packs.test_libraries import MODELS, SKLEARN, changed  # noqa: E402

from safepickle.errors import LimitError, PolicyError  # noqa: E402
from safepickle.limits import Limits  # noqa: E402

DummyClassifier = importlib.import_module("sklearn.dummy").DummyClassifier
BOOSTERS = importlib.import_module("sklearn.ensemble")
GradientBoostingClassifier, GradientBoostingRegressor = (
    BOOSTERS.GradientBoostingClassifier, BOOSTERS.GradientBoostingRegressor,
)  # fmt: skip
DictVectorizer = importlib.import_module("sklearn.feature_extraction").DictVectorizer
TEXTS = importlib.import_module("sklearn.feature_extraction.text")
CountVectorizer, TfidfVectorizer = TEXTS.CountVectorizer, TEXTS.TfidfVectorizer
IsotonicRegression = importlib.import_module("sklearn.isotonic").IsotonicRegression
CLUSTERS = importlib.import_module("sklearn.cluster")
NEIGHBOURS = importlib.import_module("sklearn.neighbors")
SPARSE = importlib.import_module("scipy.sparse")
PREPARING = importlib.import_module("sklearn.preprocessing")
MultiLabelBinarizer, OneHotEncoder = PREPARING.MultiLabelBinarizer, PREPARING.OneHotEncoder

POINTS = np.random.RandomState(0).rand(40, 3)
KINDS = np.arange(40) % 3
COLORS = [["red"]] * 9 + [["green"]] * 9 + [["blue"], ["gray"]]

WORDS = CountVectorizer().fit(["red green", "green blue"])
RARE_WORDS = TfidfVectorizer().fit(["red green", "green blue"])
RECORDS = DictVectorizer().fit([{"red": 1}, {"green": 2}])
LABELS = MultiLabelBinarizer().fit([["red"], ["green"]])
LABELS.transform([["red"]])
ENCODER = OneHotEncoder().fit(COLORS)
DROPPING = OneHotEncoder(drop="first").fit(COLORS)
GROUPING = OneHotEncoder(min_frequency=5, handle_unknown="infrequent_if_exist").fit(COLORS)
BOTH = OneHotEncoder(min_frequency=5, drop="first").fit(COLORS)
BOOSTING = GradientBoostingClassifier(n_estimators=2).fit(POINTS, KINDS)
LINE = GradientBoostingRegressor(n_estimators=2).fit(POINTS, KINDS)
ZERO = GradientBoostingClassifier(n_estimators=2, init="zero").fit(POINTS, KINDS)
CENTRES = CLUSTERS.KMeans(3, n_init=1, random_state=0).fit(POINTS)
FEW_CENTRES = CLUSTERS.MiniBatchKMeans(3, n_init=1, random_state=0).fit(POINTS)
VOTERS = NEIGHBOURS.KNeighborsClassifier(3, algorithm="brute", metric="manhattan").fit(POINTS, KINDS)
TABLE_VOTERS = NEIGHBOURS.KNeighborsClassifier(3, algorithm="brute").fit(POINTS, np.stack([KINDS, KINDS % 2], 1))
LOOSE_VOTERS = NEIGHBOURS.KNeighborsClassifier(3, algorithm="brute").fit(SPARSE.csr_matrix(POINTS), KINDS)
NEIGHBOUR = NEIGHBOURS.KNeighborsRegressor(3, algorithm="brute").fit(POINTS, KINDS)
CURVE = IsotonicRegression(out_of_bounds="clip").fit(POINTS[:, 0], KINDS)
TWO = DummyClassifier().fit(POINTS, KINDS % 2)

GOOD = {
    name: value
    for name, value in globals().items()
    if name.isupper() and isinstance(value, sklearn.base.BaseEstimator) and name != "TWO"
}
if not hasattr(ZERO, "n_trees_per_iteration_"):
    # Before scikit-learn 1.4 nothing but the loss says how wide a beginning with nothing is.
    del GOOD["ZERO"]

QUESTIONS: dict[str, Any] = {
    "WORDS": ["red blue"], "RARE_WORDS": ["red blue"], "RECORDS": [{"red": 3}], "LABELS": [["green"]],
    "ENCODER": COLORS, "DROPPING": COLORS, "GROUPING": [*COLORS, ["pink"]], "BOTH": COLORS,
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_was_fitted_is_loaded(sp: ModuleType, name: str) -> None:
    found = sp.loads(pickle.dumps(GOOD[name]), policy=SKLEARN)
    if name not in QUESTIONS:
        question = POINTS[:, 0] if name == "CURVE" else POINTS
        assert (found.predict(question) == GOOD[name].predict(question)).all()
        return
    answers = [model.transform(QUESTIONS[name]) for model in (found, GOOD[name])]
    if name == "LABELS":
        assert (answers[0] == answers[1]).all()
    else:
        assert (answers[0].toarray() == answers[1].toarray()).all()


BARE = SimpleNamespace(tree_=LINE.estimators_[0, 0].tree_)


def members(model: Any, last: Any) -> Any:
    """Return the trees of a model, but for the last one."""
    found = model.estimators_.copy()
    found[-1, 0] = last
    return found


def widened(model: Any, count: int) -> Any:
    return np.array([[row[0]] * count for row in model.estimators_], dtype=object)


HOSTILE: dict[str, Any] = {
    "word beyond": changed(WORDS, vocabulary_={"red": 10**9}),
    "word before": changed(WORDS, vocabulary_={"red": -1}),
    "word nowhere": changed(WORDS, vocabulary_={"red": "0"}),
    "words in a list": changed(WORDS, vocabulary_=[5]),
    "word of a weighted text": changed(RARE_WORDS, vocabulary_={"red": 1}),
    "key beyond": changed(RECORDS, vocabulary_={"red": 0, "green": np.int64(2)}),
    "label beyond": changed(LABELS, _cached_dict={"red": 2, "green": 0}),
    "fewer columns than categories": changed(ENCODER, _n_features_outs=[3]),
    "columns of no number": changed(ENCODER, _n_features_outs=["4"]),
    "columns of other features": changed(ENCODER, _n_features_outs=[]),
    "columns in an array": changed(ENCODER, _n_features_outs=np.array([9])),
    "fewer columns than are left": changed(DROPPING, _n_features_outs=[2]),
    "another dropped": changed(DROPPING, _drop_idx_after_grouping=np.array([-5], dtype=object)),
    "one dropped beyond": changed(DROPPING, _drop_idx_after_grouping=np.array([4], dtype=object)),
    "drops of other features": changed(DROPPING, _drop_idx_after_grouping=np.array([0, 0], dtype=object)),
    "rare ones beyond": changed(GROUPING, _default_to_infrequent_mappings=[np.array([0, 1, 2, 3])]),
    "rare ones before": changed(GROUPING, _default_to_infrequent_mappings=[np.array([-1, 0, 0, 0])]),
    "rare ones of other features": changed(GROUPING, _default_to_infrequent_mappings=[]),
    "more trees than classes": changed(LINE, estimators_=widened(LINE, 9)),
    "more trees than are counted": changed(BOOSTING, n_trees_per_iteration_=1),
    "trees of other classes": changed(BOOSTING, init_=TWO),
    "trees that begin with a model": changed(BOOSTING, init_=PREPARING.StandardScaler()),
    "a member that is no tree": changed(LINE, estimators_=members(LINE, BARE)),
    "a member without a tree": changed(LINE, estimators_=members(LINE, changed(LINE.estimators_[0, 0], tree_=None))),
    "no trees": changed(ZERO, estimators_=np.empty((2, 0), dtype=object), n_trees_per_iteration_=0),
    "centres of other features": changed(CENTRES, cluster_centers_=np.zeros((3, 1))),
    "centres in a row": changed(CENTRES, cluster_centers_=np.zeros(3)),
    "centres in a list": changed(FEW_CENTRES, cluster_centers_=[[0.0] * 3]),
    "centres for other features": changed(FEW_CENTRES, n_features_in_=30),
    "threads below none": changed(CENTRES, _n_threads=-1),
    "threads of no number": changed(CENTRES, _n_threads="1"),
    "threads beyond any": changed(FEW_CENTRES, _n_threads=10**6),
    "counts of other centres": changed(FEW_CENTRES, _counts=np.zeros(1)),
    "points of other features": changed(NEIGHBOUR, _fit_X=np.zeros((40, 1))),
    "fewer points than are counted": changed(NEIGHBOUR, n_samples_fit_=41),
    "points that nobody counted": changed(NEIGHBOUR, n_samples_fit_=None),
    "no points": changed(VOTERS, _fit_X=np.zeros((0, 3)), _y=np.zeros(0, int), n_samples_fit_=0),
    "points in a list": changed(NEIGHBOUR, _fit_X=[[0.0] * 3]),
    "points in a row": changed(VOTERS, _fit_X=np.zeros(3)),
    "scattered points of other features": changed(LOOSE_VOTERS, _fit_X=SPARSE.csr_matrix((40, 1))),
    "classes beyond": changed(VOTERS, _y=np.full(40, 3)),
    "classes before": changed(VOTERS, _y=np.full(40, -1)),
    "classes of fewer points": changed(VOTERS, _y=np.zeros(1, int)),
    "classes of scattered points": changed(LOOSE_VOTERS, _y=np.zeros(1, int)),
    "classes of nothing": changed(VOTERS, _y=np.array(0)),
    "classes that are no numbers": changed(VOTERS, _y=np.zeros(40)),
    "classes in a table": changed(VOTERS, _y=np.zeros((40, 2), int)),
    "classes in a list": changed(VOTERS, classes_=[0, 1, 2]),
    "curve of lists": changed(CURVE, X_thresholds_=[[0.0]], y_thresholds_=[[0.0]]),
    "curve of a range": changed(CURVE, X_thresholds_=range(9), y_thresholds_=range(9)),
    "curve of other lengths": changed(CURVE, X_thresholds_=np.zeros(7)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_places_that_are_not_there_are_refused(sp: ModuleType, name: str) -> None:
    with pytest.raises(PolicyError, match="its state is refused"):
        sp.loads(pickle.dumps(HOSTILE[name]), policy=SKLEARN)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_places_that_come_later_are_checked_too(sp: ModuleType, protocol: int) -> None:
    words: dict[Any, Any] = {}
    late = changed(WORDS)
    object.__setattr__(late, "vocabulary_", words)
    words.update(holder=late, red=10**9)
    with pytest.raises(PolicyError, match="a word has a place that is not there"):
        sp.loads(pickle.dumps(words, protocol), policy=SKLEARN)


@pytest.mark.parametrize("name", ["DecisionTreeClassifier", "RandomForestClassifier", "SVC", "PCA", "Pipeline"])
@pytest.mark.parametrize("version", ["1" * 41, ("1", "2"), ["1"], 1, None])
def test_a_version_is_a_short_text(sp: ModuleType, name: str, version: Any) -> None:
    """It is quoted in a warning: of what is shared in it, as often as it is there."""
    data = pickle.dumps(MODELS[name], 2)
    given = pickle.dumps(sklearn.__version__, 2)[2:-1]
    assert given[:-2] in data
    other = pickle.dumps(version, 2)[2:-1].replace(b"q\x00", b"").replace(b"q\x01", b"").replace(b"q\x02", b"")
    at = data.rindex(given[:-2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(PolicyError, match="its version is no short text"):
            sp.loads(data[:at] + other + data[at + len(given) - 2 :], policy=SKLEARN)


def test_curves_that_share_their_points_are_paid_for(sp: ModuleType) -> None:
    points = np.arange(10_000.0)
    many = [changed(CURVE) for _ in range(50)]
    for one in many:
        one.__dict__.update(X_thresholds_=points, y_thresholds_=points)
    data = pickle.dumps(many)
    sp.loads(pickle.dumps(many[:1]), policy=SKLEARN, limits=Limits(max_memory=3_000_000))
    with pytest.raises(LimitError) as error:
        sp.loads(data, policy=SKLEARN, limits=Limits(max_memory=3_000_000))
    assert error.value.limit == "max_memory"


def test_points_that_are_looked_through_are_paid_for(sp: ModuleType) -> None:
    points, kinds = np.zeros((20_000, 3)), np.zeros(20_000, int)
    many = [changed(VOTERS, _fit_X=points, _y=kinds, n_samples_fit_=20_000) for _ in range(200)]
    data = pickle.dumps(many)
    assert sp.loads(pickle.dumps(many[:1]), policy=SKLEARN, limits=Limits(max_memory=5_000_000))
    with pytest.raises(LimitError) as error:
        sp.loads(data, policy=SKLEARN, limits=Limits(max_memory=5_000_000))
    assert error.value.limit == "max_memory"


def test_places_that_estimators_share_are_paid_for(sp: ModuleType) -> None:
    words = {str(place): place for place in range(5000)}
    for one in (WORDS, RARE_WORDS, RECORDS):
        many = [changed(one, vocabulary_=words) for _ in range(50)]
        assert sp.loads(pickle.dumps(many[:1]), policy=SKLEARN, limits=Limits(max_memory=6_000_000))
        with pytest.raises(LimitError) as error:
            sp.loads(pickle.dumps(many), policy=SKLEARN, limits=Limits(max_memory=6_000_000))
        assert error.value.limit == "max_memory"
