"""Contracts for the libraries that are built on numpy: pandas, support vector machines, and the tables of all others.

The others have rooms of their own: ``sparse`` for scipy, ``blocks`` and ``columns`` for parts of pandas,
``estimators``, ``forests``, ``histograms`` and ``search_trees`` for scikit-learn.

Their compiled parts take it that indices which they made themselves lie inside. In a pickle they need not: a category,
a child of a node or a column may be any number, and is read from there.

Rules that hold here:

* Nothing is imported here: what comes to a check has been made by the library, so that it is loaded.
* An index is compared with what it points into, for all items, before anybody uses it. An array that still waits for
  its data is refused where anything would be read from it, and one that has it gets no other (see ``arrays``): so what
  was checked stays. Lists do not: classes with state in lists are in :data:`CHANGEABLE_STATES`.
* Attributes are read only from classes of the libraries themselves, found by identity.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .arrays import BUFFER_CALLS, ArrayCall
from .blocks import BLOCK_CALLS, BLOCK_STATES
from .columns import ARROW_CALLS
from .copies import COPIES, COPYING_CALLS, copied_of_frame, read_of_state, refuse_nothing
from .estimators import (
    CHANGEABLE,
    ESTIMATOR_STATES,
    copied_by_curve,
    estimator_state,
    read_of_places,
)
from .forests import FOREST_CALL_WEIGHTS, FOREST_CALLS, FOREST_CHANGEABLE, FOREST_STATE_WEIGHTS, FOREST_STATES
from .histograms import HISTOGRAM_CHANGEABLE, HISTOGRAM_STATE_WEIGHTS, HISTOGRAM_STATES
from .labels import are_texts, is_label, wrong_fields
from .library_parts import (
    LibraryState,
    are_as_many,
    class_of,
    has_state,
    index_array,
    is_array,
    is_class_of,
    is_dtype,
    is_one,
    is_placeholder,
    length,
    lie_within,
    plain_array,
    waits,
)
from .parts import Args
from .search_trees import SEARCH_CALLS, SEARCH_CALLS_THAT_WAIT, SEARCH_STATE_WEIGHTS, SEARCH_STATES
from .sparse import sparse_state

__all__ = [
    "BACKED_KEYS",
    "CALLS_THAT_ASK",
    "CALLS_THAT_KEEP",
    "CALLS_THAT_WAIT",
    "CHANGEABLE_STATES",
    "FARTHEST",
    "FRAME_KEYS",
    "LIBRARY_CALLS",
    "LIBRARY_CALL_WEIGHTS",
    "LIBRARY_STATES",
    "LIBRARY_STATE_WEIGHTS",
]

Pair = tuple[str, str]

#: What the arrays of pandas hold, and the dtype of its own that they are called; of times the unit is read from there.
_BACKED = (
    ("DatetimeArray", "M", "DatetimeTZDtype"),
    ("TimedeltaArray", "m", None),
    ("PeriodArray", "i", "PeriodDtype"),
    ("StringArray", "O", "StringDtype"),
)
_WITH_UNITS = frozenset(f"{name}64[{unit}]" for name in ("datetime", "timedelta") for unit in ("s", "ms", "us", "ns"))
#: What intervals may begin and end at: numbers and times.
_BOUNDS = frozenset("iufmM")
_NO_BOUNDS = "intervals begin and end at numbers or times"
#: Where a range may begin and end: the interpreter has no length for a longer one.
FARTHEST = 2**61
#: What arrays of pandas have beside their data, and frames in all.
BACKED_KEYS = frozenset({"_cache", "_freq", "_readonly"})
FRAME_KEYS = frozenset({"_mgr", "_data", "_typ", "_metadata", "attrs", "_flags", "_name", "name"})


# ---- pandas ------------------------------------------------------------------------------------------------


def _backed(args: Args) -> str | None:
    if len(args) != 3 or type(args[1]) is not int or args[2] is not None:
        return "wants a class, a check sum and None"
    return None if is_class_of(args[0], "pandas._libs.arrays", "NDArrayBacked") else "wants a class of arrays"


def _backed_state(obj: Any, state: Any) -> str | None:
    if type(state) is not tuple or len(state) not in (2, 3):
        return "wants a dtype and an array"
    more = state[2] if len(state) == 3 else {}
    if type(more) is not dict or not more.keys() <= BACKED_KEYS:
        return "wants no other attributes than its cache, frequency and whether it may be written"
    first, second = state[:2]
    array, dtype = (first, second) if is_array(first) else (second, first)
    if not is_array(array) or is_placeholder(array):
        return "wants an array that has its data"
    if array.ndim not in (1, 2):
        return "wants an array of one dimension, or of two"  # compiled code reads the first one's length
    for name, kind, other in _BACKED:
        if is_one(obj, "pandas.arrays", name) and not _holds(array.dtype, dtype, kind, other):
            return "its numbers are not what its class reads them as"
    if is_one(obj, "pandas", "Categorical"):
        return (
            _codes(array, getattr(dtype, "categories", None))
            if is_one(dtype, "pandas", "CategoricalDtype")
            else ("wants a dtype of categories")
        )
    return None


def _holds(held: Any, dtype: Any, kind: str, other: str | None) -> bool:
    """Say whether an array of pandas may hold such numbers, and call them so."""
    if held.kind != kind or not held.isnative or (kind in "mM" and held.name not in _WITH_UNITS):
        return False
    if kind == "i" and held.itemsize != 8:
        return False  # it is viewed as 64 bits, and would be of another length
    if other is not None and is_one(dtype, "pandas", other):
        return True
    return kind in "mM" and is_dtype(dtype) and bool(dtype == held)


def _has_array(value: Any) -> bool:
    """Say whether an array of pandas has its data by now; what it is part of has been checked against them."""
    backed = class_of("pandas._libs.arrays", "NDArrayBacked")
    return backed is not None and backed.__dict__["_ndarray"].__get__(value) is not None


def _categories_state(obj: Any, state: Any) -> str | None:
    return None if type(state) is dict else "wants its categories, and whether they are in order"


def _masked_state(obj: Any, state: Any) -> str | None:
    if type(state) is not dict:
        return "wants its data and a mask"
    data, mask = plain_array(state.get("_data"), "biuf"), plain_array(state.get("_mask"), "b")
    if data is None or mask is None or data.shape != mask.shape:
        return "wants arrays of data and mask of one length"
    return None


def _sparse_values(obj: Any, state: Any) -> str | None:
    """Compiled code reads as many values as the index says that there are: what lies behind fewer is not theirs."""
    if type(state) is not dict:
        return "wants an array of values, and an index of where they are"
    values: Any = state.get("_sparse_values")
    index: Any = state.get("_sparse_index")
    # Without values it may be one that waits for its data: more than there are places for are never read.
    if not is_array(values) or values.ndim != 1 or not is_one(index, "pandas._libs.sparse", "SparseIndex"):
        return "wants an array of values, and an index of where they are"
    return None if values.size == index.npoints else "its values are not as many as its index says"


def _offset_state(obj: Any, state: Any) -> str | None:
    """Its parts are hashed wherever it is a frequency: those of a plain name, or what it was told that they are."""
    if type(state) is not dict or not all(type(key) is str for key in state):
        return "wants its parts"
    labels = all(is_label(part) for key, part in state.items() if key[:1] != "_")
    return None if labels and "_cache" not in state else "a part of it is no text or number"


def _codes(codes: Any, levels: Any) -> str | None:
    """Say what is wrong with numbers that point into an index; -1 points to nothing."""
    if not is_one(levels, "pandas", "Index"):
        return "its categories are no index"
    array = plain_array(codes, "i")
    if array is None or array.ndim > 2 or not lie_within(array, -1, len(levels)):
        return "a code points to no category"
    return None


_INDEX_KEYS = frozenset(
    "data name dtype copy levels codes labels names sortorder start stop step freq tz closed left right ordinal "
    "categories ordered".split()
)


def _new_index(args: Args) -> str | None:
    if len(args) != 2 or type(args[1]) is not dict or not is_class_of(args[0], "pandas", "Index"):
        return "wants a class of indexes and a dict"
    cls, fields = args
    if not all(type(key) is str for key in fields) or not fields.keys() <= _INDEX_KEYS:
        return "wants a class of indexes and what it is made from"
    if "dtype" in fields and not _is_dtype_of(fields["dtype"], fields.get("data")):
        # Each index would be a copy, larger than what they share: of bytes as floats eight times as large (D16).
        return "its dtype is not that of its data"
    wrong = wrong_fields(fields)
    if wrong is not None:
        return wrong
    if "data" in fields and not _is_ready(fields["data"]):
        return "its data are no array, or one that waits for its own"
    if "data" not in fields and not all(_is_bound(fields.get(name)) for name in ("start", "stop", "step")):
        return "its range is longer than can be counted"
    if issubclass(cls, class_of("pandas", "IntervalIndex")):
        return "an index of intervals is made from where they begin and end"
    if issubclass(cls, class_of("pandas", "PeriodIndex")) and not _are_periods(fields.get("data")):
        # Each index would be a copy of times that they share, or of a range all that is in it (D15, D16).
        return "its data are no periods"
    if issubclass(cls, class_of("pandas", "MultiIndex")):
        return _levels(fields.get("levels"), fields.get("codes", fields.get("labels")))
    return None


def _is_ready(data: Any) -> bool:
    """Say whether data are an array that stays as long as it is, which a list does not and no pickler writes."""
    kinds = (("pandas", "Index"), ("pandas.api.extensions", "ExtensionArray"))
    return not waits(data) and (is_array(data) or any(is_one(data, *kind) for kind in kinds))


def _is_bound(value: Any) -> bool:
    return value is None or (type(value) is int and -FARTHEST <= value <= FARTHEST)


def _are_periods(data: Any) -> bool:
    """Say whether an index of periods takes such data as they are, unless it is given another frequency.

    Of an array it is ordinals: texts would be parsed, in a time that grows with the square of their length.
    """
    if is_array(data):
        return bool(data.dtype.kind == "i" and data.dtype.itemsize == 8 and data.dtype.isnative)
    return is_one(data, "pandas.arrays", "PeriodArray") or is_one(data, "pandas", "PeriodIndex")


def _is_dtype_of(dtype: Any, data: Any) -> bool:
    """Say whether an index of such data has them as they are."""
    return is_dtype(dtype) and is_array(data) and bool(data.dtype == dtype)


def _of_times(args: Args) -> str | None:
    """Of an index pandas would make another one in another zone, or a copy of it."""
    fields = args[1] if len(args) == 2 else None
    if type(fields) is not dict or "data" not in fields or "copy" in fields:
        return "wants a class of indexes, and times"
    wrong = wrong_fields(fields)
    if wrong is not None:
        return wrong
    data = fields["data"]
    if not _is_ready(data):
        return "its times are no array, or one that waits for its own"
    if is_array(data) and data.dtype.name not in _WITH_UNITS:
        return "its times are of no unit that pandas has"
    return "its times are an index" if is_one(data, "pandas", "Index") else None


def _intervals(args: Args) -> str | None:
    """Of a list pandas would make an array, of what is shared in it as often as it is there (D07)."""
    numpy, fields = sys.modules.get("numpy"), args[1] if len(args) == 2 else None
    if numpy is None or type(fields) is not dict:
        return "wants a class of indexes, and where intervals begin and end"
    for side in (fields.get("left"), fields.get("right")):
        if waits(side) or (type(side) is not numpy.ndarray and not is_one(side, "pandas", "Index")):
            return "intervals begin and end where an array or an index says"
        if not _may_bound(side):
            return _NO_BOUNDS
    return wrong_fields(fields)


def _may_bound(side: Any) -> bool:
    """Say whether intervals may begin or end at such values: pandas lets others pass, and fails where it uses them."""
    return getattr(side.dtype, "kind", None) in _BOUNDS


def _interval_state(obj: Any, state: Any) -> str | None:
    """Compiled code reads as many right sides as there are left ones."""
    sides = state[0] if type(state) is tuple and len(state) == 1 and type(state[0]) is dict else {}
    left, right = sides.get("_left"), sides.get("_right")
    if not _is_ready(left) or not _is_ready(right) or type(left) is not type(right):
        return "wants arrays of where its intervals begin and end"
    if not _may_bound(left) or not _may_bound(right):
        return _NO_BOUNDS
    return None if length(left) == length(right) >= 0 else "its intervals do not begin as often as they end"


def _arrow_state(obj: Any, state: Any) -> str | None:
    return None if type(state) is dict else "wants an array of Arrow's and a dtype"


def _levels(levels: Any, codes: Any) -> str | None:
    """Pandas takes it that a MultiIndex in a pickle was valid and does not look."""
    if type(levels) not in (list, tuple) or type(codes) not in (list, tuple) or len(levels) != len(codes):
        return "wants as many codes as levels"
    arrays = [plain_array(code, "i") for code in codes]
    if not arrays or any(
        array is None or array.shape != (len(arrays[0]),) for array in arrays if arrays[0] is not None
    ):
        return "its codes are not arrays of one length"
    for array, level in zip(codes, levels, strict=True):
        wrong = _codes(array, level)
        if wrong is not None:
            return wrong
    return None


def _frame_state(obj: Any, state: Any) -> str | None:
    if type(state) is not dict or not all(type(key) is str for key in state) or not state.keys() <= FRAME_KEYS:
        return f"wants only {', '.join(sorted(FRAME_KEYS))}"
    if type(state.get("attrs", {})) is not dict or type(state.get("_flags", {})) is not dict:
        return "its attributes and flags are dicts"
    if not are_texts(state.get("_metadata", [])) or not is_label(state.get("_name")) or not is_label(state.get("name")):
        return "its name, or what else it has attributes for, is no text or number"
    manager = state.get("_mgr", state.get("_data"))
    return None if is_one(manager, "pandas.core.internals.managers", "BaseBlockManager") else "wants its blocks"


def _zone(args: Args) -> str | None:
    """Pytz keeps what it is asked for in tables of the whole process: so only offsets that the zone has."""
    from datetime import timedelta

    pytz = sys.modules.get("pytz")
    if pytz is None or not args or type(args[0]) is not str or args[0] not in pytz.all_timezones_set:
        return "wants the name of a time zone"
    if len(args) == 1:
        return None
    if len(args) != 4 or type(args[3]) is not str or not all(_is_seconds(number) for number in args[1:3]):
        return "wants its offset, that of summer time, and what they are called"
    offset = timedelta(seconds=args[1]), timedelta(seconds=args[2]), args[3]
    return None if offset in getattr(pytz.timezone(args[0]), "_tzinfos", {}) else "the zone has no such offset"


def _is_seconds(value: Any) -> bool:
    return type(value) is int and -86_400 < value < 86_400


# ---- scikit-learn ------------------------------------------------------------------------------------------


def _support(obj: Any, state: Any) -> str | None:
    """Libsvm reads as many rows as it is told that there are."""
    wrong = estimator_state(obj, state)
    if wrong is not None or "support_vectors_" not in state:
        return wrong
    if state.get("_sparse") is not False:
        return "wants a model of dense data"
    support, vectors = index_array(state.get("support_")), plain_array(state["support_vectors_"])
    each, weights = plain_array(state.get("_n_support"), "i"), plain_array(state.get("_dual_coef_"))
    shown = plain_array(state.get("dual_coef_"))
    if support is None or vectors is None or each is None or weights is None or vectors.ndim != 2 or weights.ndim != 2:
        return "wants its vectors and their weights"
    count, classes = len(vectors), state.get("classes_")
    # As libsvm asks the class, not the state: which of its kinds it is, and how many numbers it has for each.
    is_classifier = is_one(obj, "sklearn.svm._base", "BaseSVC")
    if "_impl" in state or each.ndim != 1 or (len(each) != 2 and not is_classifier):
        return "it is another kind of machine"
    if is_classifier and (not is_array(classes) or classes.shape != each.shape):
        return "its classes are not as many as it counts"
    total = int(each.sum()) if is_classifier else int(each[0])
    if not lie_within(each, 0, count + 1) or total != count or support.shape != (count,) or weights.shape[1] != count:
        return "its vectors are not as many as it counts"
    if weights.shape[0] != max(len(each) - 1, 1):
        return "its classes are not as many as it counts"
    pairs = len(each) * (len(each) - 1) // 2 if is_classifier else 1
    for name in ("_probA", "_probB"):
        array = plain_array(state.get(name))
        if array is None or len(array) not in (0, pairs):
            return "its probabilities are not those of its classes"
    intercepts = plain_array(state.get("_intercept_"))
    if intercepts is None or len(intercepts) != pairs or shown is None:
        return "its intercepts are not those of its classes"
    if not are_as_many(vectors.shape[1], state.get("n_features_in_")):
        return "its vectors have other features"
    # Of a kernel that was computed before, they are places in a row of it.
    fitted = state.get("shape_fit_")
    rows = fitted[0] if type(fitted) is tuple and len(fitted) == 2 else None
    if type(rows) is not int or not lie_within(support, 0, rows):
        return "its vectors are not among those that it was fitted to"
    return None


# ---- the tables --------------------------------------------------------------------------------------------

_OUTSIDE = "an index that points outside, which compiled code follows"
_UNFOLDED = "lists that are unfolded into arrays, names that are hashed, where nobody counts"
_HOOKS = "attributes that are hooks, set by a __setstate__ that takes all"
_HERE = "found here"

#: Support vector machines.
_MACHINES = tuple(("sklearn.svm._classes", name) for name in ("SVC", "SVR", "NuSVC", "NuSVR", "OneClassSVM"))

#: What the callables of the libraries may be given.
LIBRARY_CALLS: Mapping[Pair, ArrayCall] = MappingProxyType(
    {
        **dict.fromkeys(COPYING_CALLS, (refuse_nothing, COPIES, "D16")),
        **ARROW_CALLS,
        **BLOCK_CALLS,
        ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"): (_backed, "state without a check", "R26"),
        ("pandas.core.indexes.base", "_new_Index"): (_new_index, _OUTSIDE, _HERE),
        ("pandas.core.indexes.datetimes", "_new_DatetimeIndex"): (_of_times, COPIES, "D16"),
        ("pandas.core.indexes.timedeltas", "_new_TimedeltaIndex"): (_of_times, COPIES, "D16"),
        ("pandas.core.indexes.interval", "_new_IntervalIndex"): (_intervals, _UNFOLDED, "D07, D15"),
        ("pytz", "_p"): (_zone, "entries in tables of the whole process", _HERE),
        **FOREST_CALLS,
        **SEARCH_CALLS,
    }
)

#: Whose arguments only the library knows.
CALLS_THAT_ASK = frozenset({("pytz", "_p")})

#: What has its memory in the bytes, or the buffer, that it is given.
CALLS_THAT_KEEP = frozenset({*BUFFER_CALLS, ("pyarrow.lib", "py_buffer")})

#: What gives something that still waits for its data, and what says whether it does.
CALLS_THAT_WAIT: Mapping[Pair, Callable[[Any], bool]] = MappingProxyType(
    {("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"): waits, **SEARCH_CALLS_THAT_WAIT}
)

_SPARSE = tuple(
    (f"scipy.sparse._{kind}", f"{kind}_{form}")
    for kind in ("csr", "csc", "bsr", "coo", "dia", "lil", "dok")
    for form in ("matrix", "array")
)

_MASKED = (
    *(("pandas.arrays", name) for name in ("BooleanArray", "FloatingArray", "IntegerArray")),
    ("pandas.core.arrays.boolean", "BooleanArray"),
    ("pandas.core.arrays.floating", "FloatingArray"),
    ("pandas.core.arrays.integer", "IntegerArray"),
)
#: Columns of pyarrow: whoever holds one has seen how long it is.
_ARROW = (
    *(("pandas.arrays", name) for name in ("ArrowStringArray", "ArrowExtensionArray")),
    ("pandas.core.arrays.string_arrow", "ArrowStringArray"),
    ("pandas.core.arrays.arrow.array", "ArrowExtensionArray"),
)

#: What is copied of arguments and of state, in bytes: any number of objects may share one array (D16).
LIBRARY_CALL_WEIGHTS: Mapping[Pair, Callable[[Args], int]] = MappingProxyType(
    {
        **FOREST_CALL_WEIGHTS,
        **COPYING_CALLS,
    }
)
LIBRARY_STATE_WEIGHTS: Mapping[Pair, Callable[[Any], int]] = MappingProxyType(
    {
        ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"): read_of_state,
        ("sklearn.isotonic", "IsotonicRegression"): copied_by_curve,
        **dict.fromkeys(CHANGEABLE, read_of_places),
        ("sklearn.neighbors._classification", "KNeighborsClassifier"): read_of_state,
        **dict.fromkeys(_MACHINES, read_of_state),
        **FOREST_STATE_WEIGHTS,
        **SEARCH_STATE_WEIGHTS,
        **HISTOGRAM_STATE_WEIGHTS,
        ("pandas", "DataFrame"): copied_of_frame,
        ("pandas", "Series"): copied_of_frame,
        **dict.fromkeys(_SPARSE, read_of_state),
    }
)

#: Whose state is in lists: the rows of a sparse matrix, the trees of a forest.
CHANGEABLE_STATES = frozenset(
    {("scipy.sparse._lil", "lil_matrix"), ("scipy.sparse._lil", "lil_array")}
    | CHANGEABLE
    | FOREST_CHANGEABLE
    | HISTOGRAM_CHANGEABLE
)

#: What state the instances of the libraries may be given.
LIBRARY_STATES: Mapping[Pair, LibraryState] = MappingProxyType(
    {
        ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"): (_backed_state, _has_array, _OUTSIDE, _HERE),
        # Codes have been compared with them.
        ("pandas", "CategoricalDtype"): (_categories_state, has_state, _OUTSIDE, _HERE),
        ("pandas.core.dtypes.dtypes", "CategoricalDtype"): (_categories_state, has_state, _OUTSIDE, _HERE),
        ("pandas.arrays", "SparseArray"): (_sparse_values, has_state, _OUTSIDE, _HERE),
        ("pandas.core.arrays.sparse.array", "SparseArray"): (_sparse_values, has_state, _OUTSIDE, _HERE),
        **dict.fromkeys(_MASKED, (_masked_state, has_state, _OUTSIDE, _HERE)),
        ("pandas._libs.interval", "__pyx_unpickle_IntervalMixin"): (_interval_state, has_state, _OUTSIDE, _HERE),
        **dict.fromkeys(_ARROW, (_arrow_state, has_state, _OUTSIDE, _HERE)),
        **BLOCK_STATES,
        # Of which all that are made of parts derive.
        ("pandas._libs.tslibs.offsets", "RelativeDeltaOffset"): (_offset_state, None, _UNFOLDED, "D06"),
        # Pandas before 3.1 keeps the very list of what a frame has attributes for, and hashes what is in it by now.
        ("pandas", "DataFrame"): (_frame_state, has_state, _HOOKS, "R46, D06"),
        ("pandas", "Series"): (_frame_state, has_state, _HOOKS, "R46, D06"),
        **dict.fromkeys(_SPARSE, (sparse_state, has_state, _OUTSIDE, _HERE)),
        **ESTIMATOR_STATES,
        **FOREST_STATES,
        **SEARCH_STATES,
        **HISTOGRAM_STATES,
        **dict.fromkeys(_MACHINES, (_support, has_state, _OUTSIDE, _HERE)),
    }
)
