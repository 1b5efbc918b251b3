"""Numbers that compiled code takes for as many as its data have: weights of a descent, measures, machines, columns."""

from __future__ import annotations

import importlib
import pickle
import warnings
from types import ModuleType
from typing import Any

import pytest

np = pytest.importorskip("numpy")
sklearn = pytest.importorskip("sklearn")

from packs.test_libraries import MODELS, SKLEARN, changed, tree  # noqa: E402

from safepickle.errors import PolicyError  # noqa: E402
from safepickle.policy.contracts import STATES  # noqa: E402
from safepickle.policy.estimators import ESTIMATOR_STATES  # noqa: E402

LINEAR, SVM, MANY = (importlib.import_module(f"sklearn.{name}") for name in ("linear_model", "svm", "multiclass"))
FORESTS, BAYES, PARTS = (importlib.import_module(f"sklearn.{name}") for name in ("ensemble", "naive_bayes", "pipeline"))
CLUSTERS = importlib.import_module("sklearn.cluster")
SPARSE = importlib.import_module("scipy.sparse")
TEXTS = importlib.import_module("sklearn.feature_extraction.text")
EmpiricalCovariance = importlib.import_module("sklearn.covariance").EmpiricalCovariance
NearestNeighbors = importlib.import_module("sklearn.neighbors").NearestNeighbors
KNeighborsClassifier = importlib.import_module("sklearn.neighbors").KNeighborsClassifier

POINTS = np.random.RandomState(0).rand(40, 3)
KINDS = np.arange(40) % 3
NUMBERS = POINTS.sum(1)
LABELS = (POINTS > 0.5).astype(int)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    GOOD: dict[str, Any] = {
        "classes": LINEAR.SGDClassifier().fit(POINTS, KINDS),
        "classes on average": LINEAR.SGDClassifier(average=True).fit(POINTS, KINDS),
        "two classes on average": LINEAR.SGDClassifier(average=3).fit(POINTS, KINDS % 2),
        "few weights": LINEAR.SGDClassifier(penalty="l1").fit(POINTS, KINDS).sparsify(),
        "numbers": LINEAR.SGDRegressor().fit(POINTS, NUMBERS),
        "numbers on average": LINEAR.SGDRegressor(average=True).fit(POINTS, NUMBERS),
        "no descent": LINEAR.SGDRegressor(),
        "one class": LINEAR.SGDOneClassSVM(average=True).fit(POINTS),
        "perceptron": LINEAR.Perceptron().fit(POINTS, KINDS),
        "passive": LINEAR.PassiveAggressiveClassifier().fit(POINTS, KINDS),
        "passive numbers": LINEAR.PassiveAggressiveRegressor().fit(POINTS, NUMBERS),
        "measured": NearestNeighbors(
            metric="mahalanobis", algorithm="brute", metric_params={"VI": np.eye(3)}
        ).fit(POINTS),
        "voted": KNeighborsClassifier(
            metric="mahalanobis", algorithm="brute", metric_params={"VI": np.eye(3)}
        ).fit(POINTS, KINDS),
        "powers": NearestNeighbors(p=3, algorithm="brute").fit(POINTS),
        "covariance": EmpiricalCovariance().fit(POINTS),
        "covariance alone": EmpiricalCovariance(store_precision=False).fit(POINTS),
        "machine of classes": SVM.SVC().fit(POINTS, KINDS),
        "machine of numbers": SVM.SVR().fit(POINTS, NUMBERS),
        "machine of numbers, too": SVM.NuSVR().fit(POINTS, NUMBERS),
        "machine of one class": SVM.OneClassSVM().fit(POINTS),
        "lines for labels": MANY.OneVsRestClassifier(LINEAR.LogisticRegression()).fit(POINTS, LABELS),
        "steps for labels": MANY.OneVsRestClassifier(LINEAR.SGDClassifier()).fit(POINTS, LABELS),
        "machines for labels": MANY.OneVsRestClassifier(SVM.SVC()).fit(POINTS, LABELS),
        "trees for labels": MANY.OneVsRestClassifier(FORESTS.RandomForestClassifier(3)).fit(POINTS, LABELS),
        "bayes for classes": MANY.OneVsRestClassifier(BAYES.GaussianNB()).fit(POINTS, KINDS),
        "jobs": FORESTS.RandomForestClassifier(3, n_jobs=-1).fit(POINTS, KINDS),
        "many features": LINEAR.LinearRegression().fit(np.ones((1, 5000)), [1]),
        "boosting": FORESTS.GradientBoostingRegressor(n_estimators=2).fit(POINTS, NUMBERS),
        "boosting from zero": FORESTS.GradientBoostingRegressor(n_estimators=2, init="zero").fit(POINTS, NUMBERS),
        "boosting of two": FORESTS.GradientBoostingClassifier(n_estimators=2).fit(POINTS, KINDS % 2),
        "centres": CLUSTERS.KMeans(3, n_init=1).fit(POINTS),
        "few centres": CLUSTERS.MiniBatchKMeans(3, n_init=1).fit(POINTS),
        "columns": TEXTS.HashingVectorizer(n_features=16),
    }  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("name", GOOD)
def test_what_was_fitted_is_loaded(sp: ModuleType, name: str, protocol: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert type(sp.loads(pickle.dumps(GOOD[name], protocol), policy=SKLEARN)) is type(GOOD[name])


@pytest.mark.parametrize("name", ["two classes on average", "numbers on average", "passive"])
def test_what_was_loaded_is_fitted_further(sp: ModuleType, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = sp.loads(pickle.dumps(GOOD[name]), policy=SKLEARN)
    kinds = {"two classes on average": KINDS % 2, "numbers on average": NUMBERS}.get(name, KINDS)
    assert len(found.partial_fit(POINTS, kinds).predict(POINTS)) == 40


def without(value: Any, *names: str, **attributes: Any) -> Any:
    """Return a copy with other attributes, and without some."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of these are on their way out
        copy = changed(value, **attributes)
    for name in names:
        del vars(copy)[name]
    return copy


CLASSES, NUMBER = GOOD["machine of classes"], GOOD["machine of numbers"]
FOR_LABELS = GOOD["lines for labels"]


def of_members(member: Any, **attributes: Any) -> Any:
    return changed(FOR_LABELS, estimators_=[*FOR_LABELS.estimators_[1:], member], **attributes)


BOOSTING = GOOD["boosting"]
LINE = FOR_LABELS.estimators_[0]
COUNT = len(CLASSES.support_vectors_)
MEASURED, COVARIANCE = GOOD["measured"], GOOD["covariance"]
HOSTILE: dict[str, Any] = {
    "standard weights of other features": changed(GOOD["two classes on average"], _standard_coef=np.zeros((1, 1))),
    "average weights of other features": changed(GOOD["numbers on average"], _average_coef=np.zeros(1)),
    "weights of other features": changed(GOOD["numbers"], coef_=np.zeros(1)),
    "weights of no features": without(GOOD["numbers"], "n_features_in_"),
    "weights of other classes": changed(GOOD["two classes on average"], _average_coef=np.zeros((5, 3))),
    "weights in records": changed(GOOD["numbers on average"], _standard_coef=np.zeros(3, [("a", "f8")])),
    "weights in a list": without(GOOD["passive numbers"], coef_=[0.0]),
    "weights for each other": changed(GOOD["perceptron"], coef_=np.zeros((1, 3, 1))),
    "averages without weights": changed(GOOD["numbers on average"], coef_=None),
    "weights of one class": changed(GOOD["one class"], _standard_coef=np.zeros(1)),
    "weights of classes": without(GOOD["passive"], coef_=np.zeros((3, 2))),
    "few weights, and others": changed(GOOD["few weights"], _standard_coef=np.zeros((3, 1))),
    "measure of other features": changed(MEASURED, effective_metric_params_={"VI": np.eye(2)}),
    "measure of one number": changed(MEASURED, effective_metric_params_={"VI": np.float64(1)}),
    "measure in a list": changed(GOOD["voted"], effective_metric_params_={"VI": [[1.0]]}),
    "norms that were computed before": changed(
        GOOD["powers"], effective_metric_="sqeuclidean", effective_metric_params_={"X_norm_squared": np.zeros(1)}
    ),
    "measures in a list": changed(GOOD["powers"], effective_metric_params_=["VI"]),
    "covariance of other features": changed(COVARIANCE, covariance_=np.eye(1)),
    "precision of other features": changed(COVARIANCE, precision_=np.eye(1)),
    "precision of no features": without(COVARIANCE, "n_features_in_", precision_=np.eye(1)),
    "precision in a row": changed(COVARIANCE, precision_=np.ones(3)),
    "precision in a list": changed(COVARIANCE, precision_=[[1.0]]),
    "kinds without classes": without(
        CLASSES, "classes_", _n_support=np.array([COUNT] + [0] * 2000, "i4"), _intercept_=np.zeros(1)
    ),
    "two kinds without classes": without(
        MODELS["SVC"], "classes_", _n_support=np.array([len(MODELS["SVC"].support_)] * 2, "i4")
    ),
    "machine of another kind": changed(NUMBER, _impl="c_svc"),
    "number of one kind": changed(NUMBER, _n_support=NUMBER._n_support[:1].copy()),
    "numbers without weights": changed(NUMBER, _dual_coef_=np.zeros((0, len(NUMBER.support_)))),
    "one class of many kinds": changed(
        GOOD["machine of one class"], _n_support=np.array([len(GOOD["machine of one class"].support_), 0, 0, 0], "i4")
    ),
    "answers for other rows": of_members(changed(LINE, coef_=np.ones((300, 3)), intercept_=np.zeros(300))),
    "answers shifted for other rows": of_members(changed(LINE, intercept_=np.zeros(300))),
    "answers of more classes": of_members(CLASSES),
    "answers of anything": of_members(BAYES.GaussianNB()),
    "answers of one class": of_members(
        changed(GOOD["one class"], coef_=np.ones((1, 3)), _standard_coef=np.ones((1, 3)), offset_=np.zeros(300))
    ),
    "answers of no model": of_members(5),
    "answers in an array": changed(FOR_LABELS, estimators_=np.array([LINE], dtype=object)),
    "answers of labels that say nothing": of_members(BAYES.GaussianNB(), label_binarizer_=None),
    "an answer in the place of a method": changed(LINE, decision_function=np.float64),
    "a method of a class": changed(COVARIANCE, get_precision=np.float64),
    "jobs beyond": changed(PARTS.FeatureUnion([("a", GOOD["columns"])]), n_jobs=10**5),
    "jobs below": changed(GOOD["jobs"], n_jobs=-(10**5)),
    "jobs of no number": changed(GOOD["jobs"], n_jobs=2.0),
    "features beyond": changed(GOOD["many features"], n_features_in_=10**9),
    "features to come beyond": changed(GOOD["many features"], _n_features_out=10**9),
    "features of an empty array": changed(GOOD["many features"], mean_=np.zeros((2**40, 0))),
    "features of no number": changed(GOOD["many features"], n_features_in_=1e9),
    "features of a tree beyond": changed(FORESTS.RandomForestClassifier(), n_features_in_=10**9),
    "boosting from no rows": changed(BOOSTING, init_=changed(BOOSTING.init_, n_outputs_=0)),
    "boosting of a matrix of trees": changed(BOOSTING, estimators_=BOOSTING.estimators_.view(np.matrix)),
    "boosting from another model": changed(BOOSTING, init_=LINE),
    "boosting from classes": changed(BOOSTING, init_=GOOD["boosting of two"].init_),
    "boosting from other classes": changed(
        GOOD["boosting of two"], init_=changed(GOOD["boosting of two"].init_, class_prior_=np.ones(1))
    ),
    "boosting from as many classes as it says": changed(
        GOOD["boosting of two"], init_=changed(GOOD["boosting of two"].init_, n_classes_=5)
    ),
    "boosting from what it is asked": changed(BOOSTING, _raw_predict_init=np.float64),
    "more neighbours than there are": changed(GOOD["voted"], n_neighbors=10**9),
    "no centres": changed(GOOD["centres"], cluster_centers_=np.zeros((0, 3))),
    "none of few centres": changed(GOOD["few centres"], cluster_centers_=np.zeros((0, 3)), _counts=np.zeros(0)),
    "no columns": changed(GOOD["columns"], n_features=0),
    "false columns": changed(GOOD["columns"], n_features=False),
    "columns beyond": changed(GOOD["columns"], n_features=2**31),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_numbers_of_something_else_are_refused(sp: ModuleType, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(PolicyError, match="its state is refused"):
            sp.loads(pickle.dumps(HOSTILE[name]), policy=SKLEARN)


def test_a_tree_is_no_deeper_than_it_has_nodes(sp: ModuleType) -> None:
    """Whoever asks for the way down makes room for that many nodes."""
    count = tree().reduced[2]["node_count"]
    assert sp.loads(pickle.dumps(tree(max_depth=count - 1)), policy=SKLEARN).node_count == count
    with pytest.raises(PolicyError, match="it is deeper than it has nodes"):
        sp.loads(pickle.dumps(tree(max_depth=count)), policy=SKLEARN)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_measures_that_come_later_are_checked_too(sp: ModuleType, protocol: int) -> None:
    measures: dict[str, Any] = {}
    late = changed(MEASURED)
    object.__setattr__(late, "effective_metric_params_", measures)
    measures.update(p=late, VI=np.eye(1))
    with pytest.raises(PolicyError, match="it measures other features"):
        sp.loads(pickle.dumps(measures, protocol), policy=SKLEARN)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_members_that_come_later_are_checked_too(sp: ModuleType, protocol: int) -> None:
    members: list[Any] = []
    late = changed(FOR_LABELS)
    object.__setattr__(late, "estimators_", members)
    members += [late, BAYES.GaussianNB()]
    with pytest.raises(PolicyError, match="a member of it may answer for other rows"):
        sp.loads(pickle.dumps(members, protocol), policy=SKLEARN)


@pytest.mark.parametrize("kind", ["csr", "csc", "bsr"])
def test_a_matrix_has_as_many_indices_as_entries(sp: ModuleType, kind: str) -> None:
    """Who takes columns of it goes through all indices, and writes one entry for each."""
    matrix = getattr(SPARSE, f"{kind}_matrix")(np.eye(4))
    assert sp.loads(pickle.dumps(matrix), policy=SKLEARN).nnz == 4
    more = changed(matrix, indices=np.concatenate([matrix.indices] * 3), data=np.concatenate([matrix.data] * 3))
    with pytest.raises(PolicyError, match="it has more indices than entries"):
        sp.loads(pickle.dumps(more), policy=SKLEARN)


@pytest.mark.parametrize("pair", ESTIMATOR_STATES, ids=lambda pair: pair[1])
def test_state_of_any_kind_is_looked_at_without_asking_it(pair: tuple[str, str]) -> None:
    class Asked:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError("asked")

        __len__ = __iter__ = __getitem__ = __contains__ = __eq__ = __bool__ = __getattr__  # type: ignore[assignment]
        __hash__ = None  # type: ignore[assignment]

    estimator = getattr(importlib.import_module(pair[0]), pair[1], None)
    if estimator is None:
        pytest.skip("not in this scikit-learn")
    for state in (None, [], 1, "text", (), [{}], Asked(), {1: 2}):
        assert STATES[pair].refusal(object.__new__(estimator), state) is not None
