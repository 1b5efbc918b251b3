# ruff: noqa: E501 (tables of cases, one beside the other)
"""The packs for pandas, scipy.sparse and scikit-learn: real objects go both ways, and no index leads outside."""

from __future__ import annotations

import copyreg
import importlib
import pickle
import pickletools
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
scipy_sparse = pytest.importorskip("scipy.sparse")
sklearn = pytest.importorskip("sklearn")

from packs.estimators import estimators, sparse_objects  # noqa: E402
from packs.frames import pandas_objects  # noqa: E402
from packs.trips import holds, loads_real, real_files  # noqa: E402

from safepickle.errors import LimitError, PolicyError  # noqa: E402
from safepickle.limits import Limits  # noqa: E402
from safepickle.policy.rules import Policy  # noqa: E402

PANDAS, SPARSE, SKLEARN = (Policy.packs(name) for name in ("pandas", "scipy-sparse", "scikit-learn"))

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    FRAMES = pandas_objects()
    MATRICES = sparse_objects()
    MODELS = estimators()


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_frames_go_both_ways(sp: ModuleType, name: str, protocol: int) -> None:
    holds(sp, PANDAS, FRAMES[name], protocol)


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_matrices_go_both_ways(sp: ModuleType, name: str, protocol: int) -> None:
    holds(sp, SPARSE, MATRICES[name], protocol)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("protocol", [2, 5])
def test_models_go_both_ways(sp: ModuleType, name: str, protocol: int) -> None:
    holds(sp, SKLEARN, MODELS[name], protocol)


@pytest.mark.parametrize("path", real_files("pandas"), ids=lambda path: path.stem)
def test_real_frames(sp: ModuleType, path: Path) -> None:
    loads_real(sp, PANDAS, path)


@pytest.mark.parametrize("path", real_files("scipy"), ids=lambda path: path.stem)
def test_real_matrices(sp: ModuleType, path: Path) -> None:
    loads_real(sp, SPARSE, path)


@pytest.mark.parametrize("path", real_files("sklearn"), ids=lambda path: path.stem)
def test_real_models(sp: ModuleType, path: Path) -> None:
    value = loads_real(sp, SKLEARN, path)
    assert len(value.predict(np.zeros((2, value.n_features_in_)))) == 2


def test_models_predict_alike(sp: ModuleType) -> None:
    x = np.random.RandomState(1).rand(10, 3)
    for name in ("RandomForestClassifier", "GradientBoostingRegressor", "SVC", "Pipeline", "IsolationForest"):
        loaded = sp.loads(pickle.dumps(MODELS[name]), policy=SKLEARN)
        assert (loaded.predict(x) == MODELS[name].predict(x)).all()


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz"])
def test_frames_that_pandas_compressed(sp: ModuleType, tmp_path: Path, suffix: str) -> None:
    """``DataFrame.to_pickle`` compresses as joblib does: a pickle, and no arrays between its opcodes."""
    files = importlib.import_module(f"{sp.__name__}.integrations.joblib_files")
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    frame.to_pickle(tmp_path / f"frame.pkl{suffix}")
    assert files.load(tmp_path / f"frame.pkl{suffix}", policy=PANDAS).equals(frame)


def changed(value: Any, **attributes: Any) -> Any:
    """Return a copy with other attributes, which its class did not get to see."""
    copy = pickle.loads(pickle.dumps(value))
    for name, other in attributes.items():
        object.__setattr__(copy, name, other)
    return copy


def parts(matrix: Any, **other: Any) -> Any:
    return changed(matrix, **{name: np.array(value, "i4") for name, value in other.items()})


CSR = scipy_sparse.csr_matrix(np.eye(3))
HOSTILE_MATRICES = {
    "column outside": parts(CSR, indices=[0, 1, 10**6]),
    "negative column": parts(CSR, indices=[0, 1, -1]),
    "starts beyond the data": parts(CSR, indptr=[0, 1, 2, 10**6]),
    "starts out of order": parts(CSR, indptr=[0, 3, 1, 3]),
    "starts below": parts(CSR, indptr=[-5, 1, 2, 3]),
    "fewer starts than rows": parts(CSR, indptr=[0, 3]),
    "fewer data than indices": changed(CSR, data=np.ones(1)),
    "data of objects": changed(CSR, data=np.array([1, 2, 3], object)),
    "another shape": changed(CSR, _shape=(3, 1)),
    "huge shape": changed(CSR, _shape=(10**9, 3)),
    "no shape": changed(CSR, _shape="a"),
    "other attributes": changed(CSR, evil=1),
    "csc row outside": parts(scipy_sparse.csc_matrix(np.eye(3)), indices=[0, 1, 99]),
    "coo outside": changed(scipy_sparse.coo_matrix(np.eye(3)), coords=(np.array([0, 1, 99]), np.array([0, 1, 2]))),
    "coo of another length": changed(scipy_sparse.coo_matrix(np.eye(3)), coords=(np.array([0]), np.array([0, 1, 2]))),
    "bsr outside": parts(scipy_sparse.bsr_matrix(np.eye(4), blocksize=(2, 2)), indices=[0, 9]),
    "dia outside": parts(scipy_sparse.dia_matrix(np.eye(3)), offsets=[99]),
    "dia of another length": parts(scipy_sparse.dia_matrix(np.eye(3)), offsets=[0, 1]),
    "lil outside": changed(scipy_sparse.lil_matrix(np.eye(2)), rows=np.array([[0], [9]], object)[:, 0:].reshape(-1)),
}


class Made:
    """Reduces to what it is given."""

    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        return self.reduced


BUFFERED = np.zeros(1).__reduce_ex__(5)[0]


def one_memory(matrix: Any, *names: str) -> Any:
    """Return a matrix some of whose arrays are one."""
    return changed(matrix, **dict.fromkeys(names, getattr(matrix, names[0])))


ONES = scipy_sparse.csr_matrix((np.array([1, 1], "i4"), np.array([1, 1], "i4"), np.array([0, 2], "i4")), (1, 2))
COO = ONES.tocoo()
#: Before scipy 1.13 they are two attributes.
PLACES = {name: vars(COO)[name] for name in ("coords", "row", "col") if name in vars(COO)}
ROWS = scipy_sparse.lil_matrix((2, 2))
HOSTILE_MATRICES |= {
    "data that are columns": one_memory(ONES, "indices", "data"),
    "columns that are starts": one_memory(scipy_sparse.csr_matrix(np.ones((1, 2))), "indptr", "indices"),
    "data that are starts": one_memory(ONES.T, "indptr", "data"),
    "data that are coordinates": changed(COO, **PLACES, data=PLACES["coords"][0] if "coords" in PLACES else COO.row),
    "values that are columns": one_memory(ROWS, "rows", "data"),
    "values of another row that are columns": changed(ROWS, rows=ROWS.rows, data=ROWS.rows[::-1].copy()),
}


def test_data_in_the_memory_of_columns_are_refused(sp: ModuleType) -> None:
    """Where the caller gives two buffers on one memory: of those in the stream each is one array's."""
    memory = np.ones(2, "i4")
    buffers: list[Any] = []
    data = pickle.dumps(changed(ONES, indices=memory, data=memory[:]), 5, buffer_callback=buffers.append)
    with pytest.raises(PolicyError, match="its state is refused"):
        sp.loads(data, buffers=buffers, policy=SPARSE)


def test_coordinates_of_a_diagonal_may_be_one_array(sp: ModuleType) -> None:
    places = np.arange(3, dtype="i4")
    matrix = scipy_sparse.coo_matrix((np.ones(3), (places, places)))
    for name, one in {"coords": (places, places), "row": places, "col": places}.items():
        if name in vars(matrix):
            setattr(matrix, name, one)
    loaded = sp.loads(pickle.dumps(matrix), policy=SPARSE)
    assert np.may_share_memory(loaded.row, loaded.col)
    assert sp.loads(sp.dumps(matrix, policy=SPARSE), policy=SPARSE).nnz == 3


@pytest.mark.parametrize("name", HOSTILE_MATRICES)
def test_hostile_matrices_are_refused(sp: ModuleType, name: str) -> None:
    with pytest.raises(PolicyError, match="its state is refused"):
        sp.loads(pickle.dumps(HOSTILE_MATRICES[name]), policy=SPARSE)


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("more", [10**8, -1, "a"])
def test_rows_that_change_after_they_were_checked_are_refused(sp: ModuleType, protocol: int, more: Any) -> None:
    """A list that the matrix is in is filled behind it."""
    columns: list[Any] = []
    matrix = scipy_sparse.lil_matrix((1, 3))
    matrix.rows[0] = columns
    sp.loads(pickle.dumps([matrix, columns], protocol), policy=SPARSE)
    columns += [matrix, more]
    with pytest.raises(PolicyError, match="at the end of the pickle"):
        sp.loads(pickle.dumps(columns, protocol), policy=SPARSE)


def twice(value: Any, state: Any) -> bytes:
    """Return a pickle of a value and something of it that is given state once more: the pair is (value, part)."""
    data = pickle.dumps((value, state), 2)
    assert data[-4:-2] == b"\x86q"
    return data[:-4] + b"b."


@pytest.mark.parametrize("kind", ["dok_matrix", "dok_array"])
def test_nobody_sets_entries_of_a_matrix_one_by_one(sp: ModuleType, kind: str) -> None:
    """It would make an array of what is set: of a range, all that is in it (D15). No pickler writes such."""
    matrix = getattr(scipy_sparse, kind)((3, 3))
    data = pickle.dumps(matrix, 2)
    assert sp.loads(data, policy=SPARSE).shape == (3, 3)
    for entry in (range(10), 1.0):
        with pytest.raises(PolicyError, match="setitem"):
            sp.loads(data[:-1] + b"K\x00K\x00\x86" + pickletools.optimize(pickle.dumps(entry, 2))[2:-1] + b"s.", policy=SPARSE)


def test_matrices_get_their_state_once(sp: ModuleType) -> None:
    for matrix in MATRICES.values():
        if type(matrix).__module__ != "scipy.sparse._dok":
            with pytest.raises(PolicyError, match="already"):
                sp.loads(twice(matrix, matrix.__dict__), policy=SPARSE)


NEW_INDEX = sys.modules["pandas.core.indexes.base"].__dict__["_new_Index"]
NEW_INTERVALS = sys.modules["pandas.core.indexes.interval"].__dict__["_new_IntervalIndex"]
BACKED = sys.modules["pandas._libs.arrays"].__dict__["__pyx_unpickle_NDArrayBacked"]
ARROW = pa.lib._restore_array
ARRAY = np.zeros(1).__reduce__()[0]
LEVELS = [pd.Index([1, 2]), pd.Index([3, 4])]


def test_categories_that_codes_were_compared_with_stay(sp: ModuleType) -> None:
    values = pd.Categorical(["a", "b", "c"])
    smaller = {"categories": pd.Index(["a"]), "ordered": False}
    data = pickle.dumps((values, values.dtype, smaller), 2)
    sp.loads(data, policy=PANDAS)
    assert data[-4:-2] == b"\x87q"
    with pytest.raises(PolicyError, match="already"):
        sp.loads(data[:-4] + b"b\x86.", policy=PANDAS)


def test_arrays_of_pandas_get_their_data_once(sp: ModuleType) -> None:
    values = pd.Categorical(["a", "b", "c"])
    data = twice(values, values.__reduce__()[2])
    with pytest.raises(PolicyError, match="already"):
        sp.loads(data, policy=PANDAS)


WRONG_NUMBERS = {
    "times that are ints": (pd.date_range("2000", periods=2)._data, np.arange(2)),
    "times that are durations": (pd.date_range("2000", periods=2)._data, np.arange(2).astype("m8[ns]")),
    "times without a unit": (pd.date_range("2000", periods=2)._data, np.arange(2).astype("M8")),
    "times in days": (pd.date_range("2000", periods=2)._data, np.arange(2).astype("M8[D]")),
    "times in a zone that are floats": (pd.date_range("2000", periods=2, tz="UTC")._data, np.arange(2.0)),
    "durations that are ints": (pd.timedelta_range(0, periods=2)._data, np.arange(2)),
    "periods that are objects": (pd.period_range("2000", periods=2, freq="D")._data, np.array(["a", "b"], "O")),
    "periods of few bits": (pd.period_range("2000", periods=2, freq="D")._data, np.arange(2, dtype="i1")),
    "periods in the other order": (
        pd.period_range("2000", periods=2, freq="D")._data, np.arange(2).astype(np.dtype("i8").newbyteorder())
    ),
    "texts that are ints": (pd.array(["a", "b"], dtype=pd.StringDtype("python")), np.arange(2)),
}


@pytest.mark.parametrize("name", WRONG_NUMBERS)
def test_arrays_of_pandas_hold_what_their_class_reads(sp: ModuleType, name: str) -> None:
    """A unit is read from a dtype that has none: the process ends when two such arrays are added."""
    good, wrong = WRONG_NUMBERS[name]
    func, args, state = good.__reduce__()
    assert len(sp.loads(pickle.dumps(good), policy=PANDAS)) == 2
    given = tuple(wrong if type(part) is np.ndarray else part for part in state)
    with pytest.raises(PolicyError, match="its class reads"):
        # In older protocols numpy brings what it reads into this machine's order.
        sp.loads(pickle.dumps(Made(func, args, given), 5), policy=PANDAS)


@pytest.mark.parametrize("shape", [(), (1, 1, 1)])
def test_arrays_of_pandas_have_a_length(sp: ModuleType, shape: Any) -> None:
    """Of an array without dimensions compiled code reads the first one's length all the same."""
    func, args, state = pd.timedelta_range(0, periods=2)._data.__reduce__()
    assert len(sp.loads(pickle.dumps(Made(func, args, state)), policy=PANDAS)) == 2
    given = tuple(np.zeros(shape, "m8[ns]") if type(part) is np.ndarray else part for part in state)
    with pytest.raises(PolicyError, match="of one dimension"):
        sp.loads(pickle.dumps(Made(func, args, given)), policy=PANDAS)


@pytest.mark.parametrize("values", [np.ones(1), np.ones(0), np.ones(3), np.ones((2, 1)), [1.0, 2.0], None])
def test_sparse_values_are_as_many_as_there_are_places(sp: ModuleType, values: Any) -> None:
    """Pandas adds what lies behind fewer: memory that is not theirs."""
    good = pd.arrays.SparseArray([float("nan"), 1.0, 2.0])
    for right in (good, pd.arrays.SparseArray(np.zeros(3, "i1")), pd.arrays.SparseArray(np.zeros(0))):
        assert (sp.loads(pickle.dumps(right), policy=PANDAS).to_dense() == right.to_dense())[1:].all()
    with pytest.raises(PolicyError, match="its state is refused"):
        sp.loads(pickle.dumps(changed(good, _sparse_values=values)), policy=PANDAS)


@pytest.mark.parametrize("mask", [[False], [[False, False]], [0, 1]])
def test_masks_are_as_long_as_their_data(sp: ModuleType, mask: Any) -> None:
    good = pd.array([1, 2], dtype="Int64")
    sp.loads(pickle.dumps(good), policy=PANDAS)
    good._mask = np.array(mask)
    with pytest.raises(PolicyError, match="of one length"):
        sp.loads(pickle.dumps(good), policy=PANDAS)


def levels(*codes: Any, **more: Any) -> Made:
    return Made(NEW_INDEX, (pd.MultiIndex, {"levels": LEVELS, "codes": [np.array(c, "i1") for c in codes], **more}))


def categories(codes: Any, *more: Any, dtype: Any = None) -> Made:
    state = (pd.CategoricalDtype(["a", "b"]) if dtype is None else dtype, np.array(codes, "i1"), *more)
    return Made(BACKED, (pd.Categorical, 82904607, None), state)


def arrow(kind: str, length: int, *buffers: Any, nulls: int = 0, offset: int = 0) -> Made:
    found = [None if buffer is None else pa.py_buffer(buffer) for buffer in buffers]
    return Made(ARROW, ((pa.lib.type_for_alias(kind), length, nulls, offset, found, [], None),))


def bounds(code: str) -> Any:
    return {"left": np.zeros(2, code), "right": np.zeros(2, code), "closed": "right", "name": None}


def frame(**state: Any) -> Any:
    value = pd.DataFrame({"x": [1]})
    return Made(copyreg._reconstructor, (pd.DataFrame, object, None), value.__getstate__() | state)  # type: ignore[attr-defined]


HOSTILE_FRAMES = {
    "code of no level": levels([0, 1], [0, 99]),
    "negative code": levels([0, 1], [0, -7]),
    "codes of another length": levels([0, 1], [0]),
    "fewer codes than levels": levels([0, 1]),
    "integrity not looked at": levels([0, 1], [0, 1], verify_integrity=False),
    "levels are lists": Made(NEW_INDEX, (pd.MultiIndex, {"levels": [[1]], "codes": [np.array([0])]})),
    "codes are a list": Made(NEW_INDEX, (pd.MultiIndex, {"levels": LEVELS, "codes": [[0], [0]]})),
    "index of another class": Made(NEW_INDEX, (pd.Series, {"data": [1]})),
    "other keywords": Made(NEW_INDEX, (pd.Index, {"data": [1], "fastpath": True})),
    "index of periods that are text": Made(
        NEW_INDEX, (pd.PeriodIndex, {"data": np.array(["1." * 2000], "O"), "name": None, "freq": "M"})
    ),
    "index of periods of few bits": Made(
        NEW_INDEX, (pd.PeriodIndex, {"data": np.arange(2, dtype="i4"), "name": None, "freq": "M"})
    ),
    "intervals of bools": Made(NEW_INTERVALS, (pd.IntervalIndex, bounds("?"))),
    "intervals of complex numbers": Made(NEW_INTERVALS, (pd.IntervalIndex, bounds("c16"))),
    "code of no category": categories([0, 1, 2]),
    "negative category": categories([0, -2]),
    "categories of no dtype": categories([0], dtype=np.dtype("i4")),
    "attributes of categories": categories([0], {"__class__": 1}),
    "categories that wait for their data": Made(BACKED, (pd.Categorical, 82904607, None),
                                                (pd.CategoricalDtype(["a"]), Made(ARRAY, (np.ndarray, (0,), b"b")))),
    "state of an array at once": Made(BACKED, (pd.Categorical, 82904607, (1, 2))),
    "array of another class": Made(BACKED, (np.dtype, 82904607, None)),
    "longer than its buffers": arrow("int64", 10**9, None, bytes(8)),
    "offset beyond its buffers": arrow("int64", 1, None, bytes(8), offset=1000),
    "text beyond its data": arrow("large_string", 1, None, (0).to_bytes(8, "little") + (10**6).to_bytes(8, "little"), b"a"),
    "text that begins below": arrow("large_string", 1, None, (-9).to_bytes(8, "little", signed=True) + bytes(8), b"a"),
    "text that is no text": arrow("large_string", 1, None, bytes(8) + (1).to_bytes(8, "little"), b"\xff"),
    "too few buffers": arrow("int64", 1, bytes(8)),
    "negative length": arrow("int64", -1, None, bytes(8)),
    "class of a frame": frame(__class__=1),
    "another attribute of a frame": frame(evil=1),
    "no blocks": frame(_mgr=1),
    "block in 9 dimensions": Made(pd._libs.internals._unpickle_block, (np.zeros(1), slice(0, 1, 1), 9)),
    "block placed by text": Made(pd._libs.internals._unpickle_block, (np.zeros(1), "a", 1)),
    "reading": Made(pd.read_pickle, ("x",)),
    "evaluating": Made(pd.eval, ("1",)),
    "frame called": Made(pd.DataFrame, ([[1]],)),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_FRAMES)
def test_hostile_frames_are_refused(sp: ModuleType, name: str) -> None:
    with pytest.raises(PolicyError):
        sp.loads(pickle.dumps(HOSTILE_FRAMES[name]), policy=PANDAS)


TREE = MODELS["DecisionTreeClassifier"].tree_


def tree(*, features: int = 3, **state: Any) -> Made:
    made = TREE.__reduce__()
    arguments = (features, *made[1][1:])
    return Made(made[0], arguments, TREE.__getstate__() | state)


def nodes(**fields: Any) -> Any:
    found = TREE.__getstate__()["nodes"].copy()
    for name, (index, value) in fields.items():
        found[name][index] = value
    return found


COUNT = TREE.node_count
HOSTILE_MODELS = {
    "child outside": tree(nodes=nodes(left_child=(0, 10**6))),
    "child before its parent": tree(nodes=nodes(left_child=(0, 0))),
    "negative child": tree(nodes=nodes(right_child=(0, -5))),
    "one child": tree(nodes=nodes(right_child=(0, -1))),
    "feature outside": tree(nodes=nodes(feature=(0, 99))),
    "negative feature": tree(nodes=nodes(feature=(0, -1))),
    "a way down that is longer than the depth": tree(max_depth=0),
    "fewer features": tree(features=1),
    "more nodes than there are": tree(node_count=COUNT + 1000),
    "negative count": tree(node_count=-1),
    "fewer values": tree(values=TREE.value[:1].copy()),
    "values of other outputs": tree(values=np.zeros((COUNT, 9, 2))),
    "nodes of numbers": tree(nodes=np.zeros(COUNT)),
    "other state": tree(evil=1),
    "tree of other features": changed(MODELS["DecisionTreeClassifier"], n_features_in_=1),
    "no tree": changed(MODELS["DecisionTreeClassifier"], tree_=5),
    "forest of other features": changed(MODELS["RandomForestClassifier"], n_features_in_=1),
    "boosting of other features": changed(MODELS["GradientBoostingRegressor"], n_features_in_=1),
    "forest of a tree without nodes": changed(
        MODELS["RandomForestClassifier"], estimators_=[sklearn.tree.DecisionTreeClassifier()]
    ),
    "more vectors than there are": changed(MODELS["SVC"], _n_support=np.array([1000, 1000], "i4")),
    "fewer vectors than there are": changed(MODELS["SVC"], _n_support=np.array([1, 1], "i4")),
    "negative vectors": changed(MODELS["SVC"], _n_support=np.array([-1, 41], "i4")),
    "vectors beyond what was fitted": changed(MODELS["SVC"], shape_fit_=(1, 3)),
    "vectors of nothing that was fitted": changed(MODELS["SVC"], shape_fit_=None),
    "vectors of other features": changed(MODELS["SVC"], support_vectors_=np.zeros((1, 1))),
    "weights of other vectors": changed(MODELS["SVC"], _dual_coef_=np.zeros((1, 1))),
    "intercepts of other classes": changed(MODELS["SVC"], _intercept_=np.zeros(0)),
    "probabilities of other classes": changed(MODELS["SVC"], _probA=np.zeros(7)),
    "vectors of a regression": changed(MODELS["SVR"], _n_support=np.array([10**6, 0], "i4")),
    "hook": changed(MODELS["Ridge"], __call__=1),
    "hook of a forest": changed(MODELS["RandomForestClassifier"], __class_getitem__=1),
    "arguments": Made(sklearn.linear_model.Ridge, (1,)),
    "powers of a high degree": changed(MODELS["PolynomialFeatures"], degree=10**9),
    "powers of a high degree of nothing": changed(MODELS["PolynomialFeatures"], degree=2000, n_features_in_=0),
    "powers of no degree": changed(MODELS["PolynomialFeatures"], degree="2"),
    "powers of many features": changed(MODELS["PolynomialFeatures"], degree=(0, 3), n_features_in_=2000),
    "transformer of a callable": sklearn.preprocessing.FunctionTransformer(np.load),
    "transformer of a class that may be referred to": sklearn.preprocessing.FunctionTransformer(np.ndarray),
    "inverse of a transformer": sklearn.preprocessing.FunctionTransformer(inverse_func=np.ndarray),
    "arguments of a transformer": sklearn.preprocessing.FunctionTransformer(kw_args={"shape": 2**40}),
}


@pytest.mark.parametrize("name", HOSTILE_MODELS)
def test_hostile_models_are_refused(sp: ModuleType, name: str) -> None:
    with pytest.raises(PolicyError):
        sp.loads(pickle.dumps(HOSTILE_MODELS[name]), policy=SKLEARN)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_trees_that_come_later_are_checked_too(sp: ModuleType, protocol: int) -> None:
    """A list that the forest is in is filled behind it."""
    forest = sklearn.ensemble.RandomForestClassifier().set_params()
    forest.__dict__.update(vars(MODELS["RandomForestClassifier"]))
    trees: list[Any] = []
    forest.estimators_ = trees
    trees += [forest, *MODELS["RandomForestClassifier"].estimators_]
    assert len(sp.loads(pickle.dumps(trees, protocol), policy=SKLEARN)) == len(trees)
    wide = sklearn.tree.DecisionTreeClassifier().fit(np.eye(50), np.arange(50) % 2)
    trees.append(wide)
    with pytest.raises(PolicyError, match="a tree in it has other features, or no nodes, at the end of the pickle"):
        sp.loads(pickle.dumps(trees, protocol), policy=SKLEARN)


def test_models_get_no_hooks_whatever_a_policy_says_of_state(sp: ModuleType) -> None:
    free = Policy.from_text(
        'schema = 1\n[globals]\n"sklearn.ensemble._forest:RandomForestClassifier" = ["refer", "call", "new", "build"]'
    )
    with pytest.raises(PolicyError, match="an attribute without a plain name"):
        sp.loads(pickle.dumps(HOSTILE_MODELS["hook of a forest"]), policy=SKLEARN | free)


def test_a_model_gets_its_state_once(sp: ModuleType) -> None:
    """A forest is checked with its trees: another state for a tree afterwards would go around that."""
    data = pickle.dumps(MODELS["DecisionTreeClassifier"], 2)
    assert data.endswith(b"ub.")
    again = data[:-1] + b"}b."
    with pytest.raises(PolicyError, match="already"):
        sp.loads(again, policy=SKLEARN)


def test_trees_that_share_their_arrays_are_paid_for(sp: ModuleType) -> None:
    """Each copies them: nodes and values of its state, and how many classes each of its outputs has."""
    make, arguments, state = TREE.__reduce__()
    size = state["nodes"].nbytes + state["values"].nbytes
    # Nodes in another order of bytes are for the contract to look at, others are seen at once.
    swapped = {**state, "nodes": state["nodes"].astype(state["nodes"].dtype.newbyteorder())}
    many = Made(make, (1, np.ones(5000, np.intp), 5000))
    for made, each in (Made(make, arguments, state), size), (Made(make, arguments, swapped), size), (many, 40_000):
        stream = pickle.dumps([Made(*made.reduced) for _ in range(1000)], 4)
        with pytest.raises(LimitError, match="max_memory"):
            sp.loads(stream, policy=SKLEARN, limits=Limits(max_memory=each * 1000))
        assert len(sp.loads(stream, policy=SKLEARN, limits=Limits(max_memory=4 * each * 1000))) == 1000
