"""What was checked is not set to something else behind: by state that comes twice, or by arrays that wait for data.

Streams that no pickler writes, opcode by opcode. Each of them ended the process when its value was used, or read what
is not its own.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
sparse = pytest.importorskip("scipy.sparse")
pytest.importorskip("pyarrow")
sklearn = pytest.importorskip("sklearn")

from attacks.asm import (  # noqa: E402
    BUILD,
    DICT,
    LIST,
    NONE,
    POP,
    call,
    dict_of,
    list_of,
    name,
    new,
    number,
    op,
    pickled,
    state,
    text,
    tuple_of,
)  # fmt: skip

from safepickle.errors import PolicyError  # noqa: E402
from safepickle.policy.rules import Policy  # noqa: E402

PANDAS, SPARSE, SKLEARN = (Policy.packs(pack) for pack in ("pandas", "scipy-sparse", "scikit-learn"))
TRUE, FALSE = op("NEWTRUE"), op("NEWFALSE")


def kept(place: int) -> bytes:
    """Take what is on the stack away, and keep it."""
    return op("BINPUT", place) + POP


def again(place: int) -> bytes:
    """Push what was kept."""
    return op("BINGET", place)


def dtype(code: str) -> bytes:
    """Push a dtype of numbers."""
    made = call(name("numpy", "dtype"), text(code), FALSE, TRUE)
    rest = [NONE] * 3 + [number(-1)] * 2 + [number(0)]
    return made + tuple_of(number(3), text("<"), *rest) + BUILD


#: An array that waits for its data.
WAITING = call(
    name("numpy._core.multiarray", "_reconstruct"),
    name("numpy", "ndarray"), tuple_of(number(0)), op("SHORT_BINBYTES", b"b"),
)  # fmt: skip


def data(values: Any) -> bytes:
    """Give the array on the stack its data."""
    array = np.asarray(values)
    shape = tuple_of(*map(number, array.shape))
    return tuple_of(number(1), shape, dtype(array.dtype.str[1:]), FALSE, op("BINBYTES", array.tobytes())) + BUILD


def array(values: Any) -> bytes:
    """Push an array of numbers."""
    return WAITING + data(values)


def value(given: Any) -> bytes:
    """Push an attribute of a model; bytes are pushed already."""
    if type(given) is np.ndarray:
        return array(given)
    if type(given) is tuple:
        return tuple_of(*map(value, given))
    if type(given) is bytes:
        return given
    if isinstance(given, float):
        return op("BINFLOAT", given)
    if given is None or type(given) is bool:
        return NONE if given is None else TRUE if given else FALSE
    return text(given) if type(given) is str else number(given)


def attributes(**given: Any) -> bytes:
    """Push a dict of them."""
    return dict_of(*(part for key, one in given.items() for part in (text(key), value(one))))


def fitted(module: str, cls: str, **given: Any) -> bytes:
    """Push an estimator with attributes."""
    return new(name(f"sklearn.{module}", cls)) + attributes(_sklearn_version=sklearn.__version__, **given) + BUILD


# ---- arrays that wait for their data -----------------------------------------------------------------------


#: Where the entries of a matrix are, for scipy since 1.13 and before.
PLACES = (
    {"coords": tuple_of(again(1), again(2))}
    if "coords" in vars(sparse.coo_matrix((1, 1)))
    else {"row": again(1), "col": again(2)}
)
MATRICES: dict[str, tuple[dict[str, bytes], dict[int, Any]]] = {
    "coo": (
        {"data": again(0), **PLACES},
        {0: np.ones(1), 1: np.array([10**8], "i4"), 2: np.array([10**8], "i4")},
    ),
    "csr": (
        {"data": array(np.zeros(0)), "indptr": array(np.zeros(3, "i4")), "indices": again(1)},
        {1: np.array([10**8], "i4")},
    ),
    "bsr": (
        {"data": array(np.zeros((0, 1, 1))), "indptr": array(np.zeros(3, "i4")), "indices": again(1)},
        {1: np.array([10**8], "i4")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MATRICES)
def test_indices_of_a_matrix_are_there(sp: ModuleType, kind: str) -> None:
    """Without any they all lie inside, whatever they are when they come."""
    parts, later = MATRICES[kind]
    pairs = [part for key, one in parts.items() for part in (text(key), one)]
    matrix = new(name(f"scipy.sparse._{kind}", f"{kind}_matrix"))
    whole = state(matrix, text("_shape"), tuple_of(number(2), number(2)), *pairs)
    waiting = b"".join(WAITING + kept(place) for place in range(3))
    filled = b"".join(again(place) + data(given) + POP for place, given in later.items())
    with pytest.raises(PolicyError, match="its state is refused"):
        sp.loads(pickled(waiting + whole + filled), policy=SPARSE)
    # The same with arrays that have their data: none.
    empty = b"".join(array(np.zeros(0, "i4")) + kept(place) for place in range(3))
    assert sp.loads(pickled(empty + whole), policy=SPARSE).nnz == 0


@pytest.mark.parametrize("late", ["_probA", "_probB"])
def test_probabilities_of_a_machine_are_there(sp: ModuleType, late: str) -> None:
    from sklearn.svm import SVC

    points = np.random.RandomState(0).rand(60, 2)
    parts: Any = vars(SVC().fit(points, np.arange(60) % 3)) | {"_probA": np.ones(3), "_probB": np.ones(3)}
    assert sp.loads(pickled(fitted("svm._classes", "SVC", **parts)), policy=SKLEARN)
    stream = WAITING + kept(0) + fitted("svm._classes", "SVC", **{**parts, late: again(0)})
    with pytest.raises(PolicyError, match="its probabilities"):
        sp.loads(pickled(stream + again(0) + data(np.ones(1)) + POP), policy=SKLEARN)


def test_a_width_is_a_number(sp: ModuleType) -> None:
    """What is equal to one now need not be later: an array that waits is neither equal nor another before numpy 2.2."""
    for width, fits in ((2, True), (array(np.array([2])), False), (2.0, False), (3, False)):
        stream = pickled(fitted("cluster._kmeans", "KMeans", cluster_centers_=np.zeros((3, 2)), n_features_in_=width))
        if fits:
            assert sp.loads(stream, policy=SKLEARN).n_features_in_ == 2
            continue
        with pytest.raises(PolicyError, match=r"its (centres have other features|features are no number)"):
            sp.loads(stream, policy=SKLEARN)
    for count, fits in ((4, True), (array(np.array([4])), False), (4.0, False), (5, False)):
        parts = {"_fit_X": POINTS, "n_features_in_": 2, "n_samples_fit_": count}
        stream = pickled(fitted("neighbors._unsupervised", "NearestNeighbors", **parts))
        if fits:
            assert sp.loads(stream, policy=SKLEARN).n_samples_fit_ == 4
            continue
        with pytest.raises(PolicyError, match="its points are not as many as it counts"):
            sp.loads(stream, policy=SKLEARN)


# ---- state that comes twice --------------------------------------------------------------------------------

POINTS = np.zeros((4, 2))
COUNTED = {"n_features_in_": 2, "n_samples_fit_": 4}
TWICE: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "centres": ("cluster._kmeans:KMeans", {"cluster_centers_": POINTS, "n_features_in_": 2}, {"n_features_in_": 9999}),
    "few centres": (
        "cluster._kmeans:MiniBatchKMeans",
        {"cluster_centers_": POINTS, "n_features_in_": 2}, {"n_features_in_": 9999},
    ),
    "neighbours": (
        "neighbors._unsupervised:NearestNeighbors", {"_fit_X": POINTS, **COUNTED}, {"n_features_in_": 9999},
    ),
    "outliers": ("neighbors._lof:LocalOutlierFactor", {"_fit_X": POINTS, **COUNTED}, {"n_features_in_": 9999}),
    "neighbours of numbers": (
        "neighbors._regression:KNeighborsRegressor", {"_fit_X": POINTS, **COUNTED}, {"n_features_in_": 9999},
    ),
    "voters": (
        "neighbors._classification:KNeighborsClassifier",
        {"_fit_X": POINTS, **COUNTED, "_y": np.zeros(4, int), "classes_": np.arange(2)},
        {"_y": np.full(4, 10**9)},
    ),
    "columns": (
        "preprocessing._encoders:OneHotEncoder",
        {"_n_features_outs": list_of(number(1)), "categories_": list_of(array(np.arange(1)))},
        {"categories_": list_of(array(np.arange(10**4)))},
    ),
    "curve": (
        "isotonic:IsotonicRegression",
        {"y_thresholds_": call(name("builtins", "range"), number(10**5))},
        {"X_thresholds_": call(name("builtins", "range"), number(10**5))},
    ),
    "words": ("feature_extraction.text:CountVectorizer", {"vocabulary_": DICT}, {"fixed_vocabulary_": True}),
    "weighted words": ("feature_extraction.text:TfidfVectorizer", {"vocabulary_": DICT}, {"fixed_vocabulary_": True}),
    "keys": ("feature_extraction._dict_vectorizer:DictVectorizer", {"vocabulary_": DICT}, {"sort": True}),
    "labels": ("preprocessing._label:MultiLabelBinarizer", {"_cached_dict": DICT}, {"classes": None}),
}  # fmt: skip


@pytest.mark.parametrize("case", TWICE)
def test_half_of_the_state_of_an_estimator_is_not_set_behind(sp: ModuleType, case: str) -> None:
    """Neither half has what is compared; the object has both."""
    cls, first, second = TWICE[case]
    module, _, class_name = cls.partition(":")
    stream = fitted(module, class_name, **first)
    assert sp.loads(pickled(stream), policy=SKLEARN)
    with pytest.raises(PolicyError, match="it has its state already"):
        sp.loads(pickled(stream + attributes(**second) + BUILD), policy=SKLEARN)


#: What pandas calls a column of Arrow's, since 2.1 and before.
HELD = "_pa_array" if "_pa_array" in vars(pd.array(["a"], dtype="string[pyarrow]")) else "_data"


def arrow(texts: list[str]) -> bytes:
    """Push the state of a column of Arrow's."""
    ends = np.cumsum([0, *map(len, texts)]).astype("i4").tobytes()
    buffers = [call(name("pyarrow.lib", "py_buffer"), op("BINBYTES", one)) for one in (ends, "".join(texts).encode())]
    kind = call(name("pyarrow.lib", "type_for_alias"), text("string"))
    parts = tuple_of(kind, number(len(texts)), number(0), number(0), list_of(NONE, *buffers), LIST, NONE)
    own = attributes(_storage="pyarrow", pyarrow_dtype=kind)
    return attributes(
        **{HELD: call(name("pyarrow.lib", "_restore_array"), parts)},
        _dtype=new(name("pandas", "ArrowDtype")) + own + BUILD,
    )


def index(values: bytes) -> bytes:
    """Push an index."""
    function = name("pandas.core.indexes.base", "_new_Index")
    return call(function, name("pandas", "Index"), attributes(data=values, name=None))


def intervals(count: int) -> bytes:
    """Push the state of an array of intervals."""
    kind = new(name("pandas", "IntervalDtype")) + attributes(subtype=dtype("i8"), closed="right") + BUILD
    sides = {"_left": index(array(np.arange(count))), "_right": index(array(np.arange(count) + 1))}
    return tuple_of(attributes(**sides, _dtype=kind))


INTERVALS: Any = pd.arrays.IntervalArray.from_breaks([0, 1])
SHRINKING: dict[str, tuple[bytes, Any, Any]] = {
    "ArrowExtensionArray": (
        new(name("pandas.arrays", "ArrowExtensionArray")), arrow(["a", "b", "c"]), arrow([]),
    ),
    "ArrowStringArray": (
        new(name("pandas.arrays", "ArrowStringArray")), arrow(["a", "b", "c"]), arrow([]),
    ),
    "IntervalArray": (
        call(
            name("pandas._libs.interval", "__pyx_unpickle_IntervalMixin"),
            name("pandas.arrays", "IntervalArray"), number(INTERVALS.__reduce__()[1][1]), NONE,
        ),
        intervals(3), intervals(1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", SHRINKING)
def test_an_index_does_not_get_shorter(sp: ModuleType, kind: str) -> None:
    """A frame has as many columns as its index: pandas writes to where a block says that it is a column."""
    made, full, short = SHRINKING[kind]
    stream = made + full + BUILD + kept(0) + index(again(0))
    assert len(sp.loads(pickled(stream), policy=PANDAS)) == 3
    with pytest.raises(PolicyError, match="it has its state already"):
        sp.loads(pickled(stream + again(0) + short + BUILD + POP), policy=PANDAS)


def test_a_frame_gets_its_state_once(sp: ModuleType) -> None:
    """Pandas before 3.1 hashes what is in its list of attributes when it gets another one."""
    function, lists = name("pandas.core.indexes.base", "_new_Index"), attributes(start=0, stop=0, step=1, name=None)
    rows = call(function, name("pandas", "RangeIndex"), lists)
    blocks = call(name("pandas.core.internals.managers", "BlockManager"), tuple_of(), list_of(rows, rows))
    given = {"_typ": "dataframe", "attrs": DICT, "_flags": attributes(allows_duplicate_labels=True)}
    frame = blocks + kept(0) + new(name("pandas", "DataFrame")) + attributes(_mgr=again(0), **given) + BUILD
    assert sp.loads(pickled(frame), policy=PANDAS).shape == (0, 0)
    with pytest.raises(PolicyError, match="it has its state already"):
        sp.loads(pickled(frame + attributes(_mgr=again(0), **given) + BUILD), policy=PANDAS)
