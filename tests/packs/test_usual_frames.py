"""What is seen of frames without asking the contracts: never more than they allow."""

from __future__ import annotations

import pickle
import sys
from types import ModuleType
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")

from safepickle.errors import SafePickleError  # noqa: E402
from safepickle.policy.contracts import CONTRACTS, STATES  # noqa: E402
from safepickle.policy.rules import Policy  # noqa: E402

PANDAS = Policy.packs("pandas")
BACKED_CALL = CONTRACTS["pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"]
INDEX_CALL = CONTRACTS["pandas.core.indexes.base", "_new_Index"]
BACKED = STATES["pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"]
CATEGORIES = STATES["pandas", "CategoricalDtype"]
FRAME = STATES["pandas", "DataFrame"]
BLOCK_CALL = CONTRACTS["pandas._libs.internals", "_unpickle_block"]
MANAGER_CALL = CONTRACTS["pandas.core.internals.managers", "BlockManager"]
COLORS = pd.CategoricalDtype(["red", "green", "blue"])
DATES = pd.date_range("2024-01-01", periods=3)._data
PERIODS = pd.period_range("2024-01-01", periods=2, freq="D")._data
TEXTS = pd.array(["a"], dtype=pd.StringDtype("python"))
KINDS = type(pd.Categorical(["red"], dtype=COLORS))


class Text(str):
    """Is no exact text."""

    __slots__ = ()


class Number(int):
    """Is no exact int."""


def seen(sp: ModuleType) -> tuple[Any, Any]:
    assert sp.loads
    models = sys.modules[f"{sp.__name__}.decoding.usual_models"]
    return models, models.UsualModels()


def call_is_seen(sp: ModuleType, contract: Any, args: tuple[Any, ...]) -> bool:
    """Ask both; return whether it was seen without the contract."""
    frames = sys.modules[f"{sp.__name__}.decoding.usual_frames"]
    models = seen(sp)[1]
    which = frames.usual_frame_call(contract)
    weight = models.weigh_frame_call(which, args)
    if not models.fits_frame_call(which, args):
        return False
    assert contract.check(args, {}) is None, args
    assert weight < 0 or weight == contract.weigh(args), args
    return True


def state_is_seen(sp: ModuleType, contract: Any, obj: Any, state: Any) -> bool:
    module, models = seen(sp)
    weight = models.weigh_state(module.usual_estimator(contract), obj, state)
    if weight < 0:
        return False
    assert contract.refusal(obj, state) is None, state
    assert weight == (0 if contract.weigh is None else contract.weigh(state)), state
    return True


def test_what_pandas_writes_is_seen(sp: ModuleType) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": pd.Categorical(["red", "blue"], dtype=COLORS), "c": DATES[:2]})
    assert call_is_seen(sp, INDEX_CALL, (pd.RangeIndex, {"start": 0, "stop": 2, "step": 1, "name": None}))
    assert call_is_seen(sp, BACKED_CALL, (type(DATES), 1, None))
    assert state_is_seen(sp, FRAME, frame, frame.__getstate__())
    assert state_is_seen(sp, CATEGORIES, COLORS, COLORS.__getstate__())
    for codes in ("i1", "i2", "i4", "i8"):
        kinds = pd.Categorical(["red"], dtype=COLORS)
        for numbers in ([0, 2, -1], [[0, 1], [2, -1]]):
            assert state_is_seen(sp, BACKED, kinds, (COLORS, np.array(numbers, codes), {}))


def block_of(values: Any, places: Any, dimensions: int = 2) -> Any:
    """Return a block as pandas makes it."""
    return pd._libs.internals._unpickle_block(values, places, dimensions)


def test_what_pandas_writes_of_blocks_is_seen(sp: ModuleType) -> None:
    two, three = np.zeros((2, 3)), np.array([["a", "b", "c"]], "O")
    columns, rows = pd.Index(["x", "y", "z"]), pd.RangeIndex(3)
    for values, places in (
        (two, slice(0, 2, 1)),
        (two, slice(0, 3, 2)),
        (two, slice(0, 4, 2)),
        (three, slice(2, 3, 1)),
        (np.zeros((0, 3)), slice(1, 1, 1)),
        (DATES.reshape(1, 3), slice(0, 1, 1)),
        (pd.Categorical(["red", "blue", "red"], dtype=COLORS), slice(2, 3, 1)),
    ):
        assert call_is_seen(sp, BLOCK_CALL, (values, places, 2)), places
    assert call_is_seen(sp, BLOCK_CALL, (np.zeros(3), slice(0, 3, 1), 1))
    blocks = block_of(two, slice(0, 2, 1)), block_of(three, slice(2, 3, 1))
    assert call_is_seen(sp, MANAGER_CALL, (blocks, [columns, rows]))
    assert call_is_seen(sp, MANAGER_CALL, ((), [columns[:0], rows]))
    kinds = pd.Categorical(["red", "blue"], dtype=COLORS)
    frame = pd.DataFrame({"a": [1, 2], "b": kinds, "c": DATES[:2], "d": ["x", "y"]})
    for block in frame._mgr.blocks:
        assert call_is_seen(sp, BLOCK_CALL, block.__reduce__()[1])
    assert call_is_seen(sp, MANAGER_CALL, frame._mgr.__reduce__()[1])


def test_what_pandas_writes_of_arrays_is_seen(sp: ModuleType) -> None:
    for unit in ("s", "ms", "us", "ns"):
        times = pd.date_range("2024-01-01", periods=3, unit=unit)
        for array in (times._data, times.tz_localize("UTC")._data, (times - times[0])._data):
            assert state_is_seen(sp, BACKED, array, array.__reduce__()[2]), array
    texts = pd.array(["a", "b", None], dtype=pd.StringDtype("python"))
    state = texts.__reduce__()[2]
    if type(state) is tuple:
        assert state_is_seen(sp, BACKED, texts, state)


ARRAY = np.array([0, 1], "i1")
HOSTILE_CALLS = {
    "no arguments": (BACKED_CALL, ()),
    "more arguments": (BACKED_CALL, (type(DATES), 1, None, None)),
    "another class": (BACKED_CALL, (dict, 1, None)),
    "an instance": (BACKED_CALL, (DATES, 1, None)),
    "another sum": (BACKED_CALL, (type(DATES), Number(1), None)),
    "state in the call": (BACKED_CALL, (type(DATES), 1, ())),
    "no index": (INDEX_CALL, (dict, {})),
    "an index made": (INDEX_CALL, (pd.Index([1]), {})),
    "no dict": (INDEX_CALL, (pd.Index, [])),
    "other fields": (INDEX_CALL, (pd.Index, {"data": 1, "dtype": None, "verify": False})),
    "a field of another kind of text": (INDEX_CALL, (pd.Index, {Text("data"): 1})),
    "a dtype of its own": (INDEX_CALL, (pd.Index, {"data": ARRAY, "dtype": np.dtype("f8")})),
    "levels": (INDEX_CALL, (pd.MultiIndex, {"levels": [pd.Index(["a"])], "codes": [np.array([7])]})),
    "a block without a count": (BLOCK_CALL, (np.zeros((1, 2)), slice(0, 1, 1))),
    "a block of more rows": (BLOCK_CALL, (np.zeros((2, 2)), slice(0, 1, 1), 2)),
    "a block of fewer rows": (BLOCK_CALL, (np.zeros((1, 2)), slice(0, 4, 2), 2)),
    "a block below zero": (BLOCK_CALL, (np.zeros((1, 2)), slice(-1, 0, 1), 2)),
    "a block that goes down": (BLOCK_CALL, (np.zeros((1, 2)), slice(1, 0, -1), 2)),
    "a block without a step": (BLOCK_CALL, (np.zeros((1, 2)), slice(0, 1, 0), 2)),
    "a block far away": (BLOCK_CALL, (np.zeros((1, 2)), slice(2**31, 2**31 + 1, 1), 2)),
    "a block of flags": (BLOCK_CALL, (np.zeros((1, 2)), slice(False, True, True), 2)),
    "a block at a place": (BLOCK_CALL, (np.zeros((1, 2)), 0, 2)),
    "a block at an array": (BLOCK_CALL, (np.zeros((1, 2)), np.array([-1]), 2)),
    "a block of a derived array": (BLOCK_CALL, (np.zeros((1, 2)).view(np.recarray), slice(0, 5, 1), 2)),
    "a block of a number of dimensions": (BLOCK_CALL, (np.zeros((1, 2)), slice(0, 1, 1), Number(2))),
    "blocks in a list": (MANAGER_CALL, ([], [pd.Index([]), pd.Index([])])),
    "blocks that are none": (MANAGER_CALL, ((1,), [pd.Index(["a"]), pd.Index([0])])),
    "names of columns that are none": (MANAGER_CALL, ((), [["a"], pd.Index([0])])),
    "names of columns alone": (MANAGER_CALL, ((), [pd.Index(["a"])])),
    "a block outside": (
        MANAGER_CALL,
        ((block_of(np.zeros((1, 1)), slice(1, 2, 1)),), [pd.Index(["a"]), pd.Index([0])]),
    ),
    "levels beside": (INDEX_CALL, (pd.MultiIndex, {"data": 1})),
}


@pytest.mark.parametrize("name", HOSTILE_CALLS)
def test_a_call_that_is_not_usual_is_not_seen(sp: ModuleType, name: str) -> None:
    assert not call_is_seen(sp, *HOSTILE_CALLS[name])


def test_a_block_of_other_places_is_not_seen(sp: ModuleType) -> None:
    try:
        block = block_of(DATES.reshape(1, 3), slice(0, 2, 1))
    except ValueError:
        pytest.skip("this pandas makes none")
    assert not call_is_seen(sp, MANAGER_CALL, ((block,), [pd.Index(["a", "b"]), pd.Index([0, 1, 2])]))


KINDS_MADE = pd.Categorical(["red"], dtype=COLORS)


class Derived(KINDS):  # type: ignore[misc, valid-type]
    """Is a kind of categories."""


HOSTILE_STATES = {
    "a code behind the last category": (BACKED, KINDS_MADE, (COLORS, np.array([0, 3], "i1"), {})),
    "a code before the first one": (BACKED, KINDS_MADE, (COLORS, np.array([-2, 0], "i8"), {})),
    "a code of another order": (BACKED, KINDS_MADE, (COLORS, np.array([1], ">i4"), {})),
    "codes without signs": (BACKED, KINDS_MADE, (COLORS, np.array([255], "u1"), {})),
    "codes in an array of objects": (BACKED, KINDS_MADE, (COLORS, np.array([1], "O"), {})),
    "codes with holes": (BACKED, KINDS_MADE, (COLORS, np.array([0, 9, 1, 9], "i1")[::2], {})),
    "codes of three dimensions": (BACKED, KINDS_MADE, (COLORS, np.array([[[0]]], "i1"), {})),
    "no codes": (BACKED, KINDS_MADE, (COLORS, np.array([], "i1"), {})),
    "no categories": (BACKED, KINDS_MADE, (np.dtype("i1"), ARRAY, {})),
    "categories that are no dtype": (BACKED, KINDS_MADE, (None, ARRAY, {})),
    "a derived kind": (BACKED, Derived(["red"], dtype=COLORS), (COLORS, np.array([5], "i1"), {})),
    "times of another unit": (BACKED, DATES, (np.dtype("M8[s]"), np.array([1], "M8[ns]"), {})),
    "times of a unit that pandas has not": (BACKED, DATES, (np.dtype("M8[D]"), np.array([1], "M8[D]"), {})),
    "times that are spans": (BACKED, DATES, (np.dtype("m8[ns]"), np.array([1], "m8[ns]"), {})),
    "times of three dimensions": (BACKED, DATES, (np.dtype("M8[ns]"), np.zeros((1, 1, 1), "M8[ns]"), {})),
    "times that are objects": (BACKED, DATES, (pd.DatetimeTZDtype("ns", "UTC"), np.array([None]), {})),
    "spans that are times": (BACKED, (DATES - DATES[0]), (np.dtype("M8[ns]"), np.array([1], "M8[ns]"), {})),
    "periods of categories": (BACKED, PERIODS, (COLORS, np.array([0, 1], "i8"), {})),
    "texts that are numbers": (BACKED, TEXTS, (pd.StringDtype("python"), np.array([1]), {})),
    "texts of another dtype": (BACKED, TEXTS, (np.dtype("O"), np.array(["a"], "O"), {})),
    "times that are numbers": (BACKED, DATES, (COLORS, ARRAY, {})),
    "a code of no dimension": (BACKED, KINDS_MADE, (COLORS, np.array(1, "i1"), {})),
    "data that is none": (BACKED, KINDS_MADE, (COLORS, [1], {})),
    "data of a derived array": (BACKED, KINDS_MADE, (COLORS, np.array([1], "i1").view(np.matrix), {})),
    "data that waits": (BACKED, KINDS_MADE, (COLORS, np.array([], "b"), {})),
    "other attributes": (BACKED, KINDS_MADE, (COLORS, ARRAY, {"__class__": 1})),
    "attributes that are no dict": (BACKED, KINDS_MADE, (COLORS, ARRAY, [])),
    "more than three": (BACKED, KINDS_MADE, (COLORS, ARRAY, {}, {})),
    "a list": (BACKED, KINDS_MADE, [COLORS, ARRAY]),
    "categories in a list": (CATEGORIES, COLORS, []),
    "a frame without blocks": (FRAME, pd.DataFrame(), {"_mgr": 1}),
    "a frame with hooks": (FRAME, pd.DataFrame(), {**pd.DataFrame().__getstate__(), "__class__": 1}),
    "a frame with another kind of text": (FRAME, pd.DataFrame(), {Text("attrs"): 1, **pd.DataFrame().__getstate__()}),
    "a frame of nothing": (FRAME, pd.DataFrame(), {}),
    "a list for a frame": (FRAME, pd.DataFrame(), []),
}


@pytest.mark.parametrize("name", HOSTILE_STATES)
def test_state_that_is_not_usual_is_not_seen(sp: ModuleType, name: str) -> None:
    assert not state_is_seen(sp, *HOSTILE_STATES[name])


def test_state_is_given_once(sp: ModuleType) -> None:
    module, models = seen(sp)
    kind: Any = type(DATES)
    new = kind.__new__(kind)
    empty = pd.CategoricalDtype.__new__(pd.CategoricalDtype)
    bare = pd.DataFrame.__new__(pd.DataFrame)
    given = ((BACKED, DATES), (BACKED, new), (CATEGORIES, COLORS), (CATEGORIES, empty))
    for contract, obj in (*given, (FRAME, pd.DataFrame()), (FRAME, bare)):
        assert contract.is_settled is not None
        assert models.has_state(module.usual_estimator(contract), obj) is contract.is_settled(obj)
    assert models.has_state(module.usual_estimator(BACKED), 5)


@pytest.mark.parametrize("codes", [np.array([0, 1, 9], "i1"), np.array([0, -2, 1], "i1")])
def test_codes_that_lead_outside_are_refused_after_others(sp: ModuleType, codes: Any) -> None:
    good = pd.Categorical(["red", "blue", "red"], dtype=COLORS)
    data = pickle.dumps([good, good.copy()], 4)
    assert len(sp.loads(data, policy=PANDAS)) == 2
    place = data.index(good.codes.tobytes())
    hostile = data[:place] + codes.tobytes() + data[place + len(codes) :]
    with pytest.raises(SafePickleError, match="no category"):
        sp.loads(hostile, policy=PANDAS)


def test_frames_come_back(sp: ModuleType) -> None:
    frame = pd.DataFrame(
        {
            "number": [1, 2, 3],
            "when": pd.date_range("2024-01-01", periods=3),
            "kind": pd.Categorical(["red", None, "blue"], dtype=COLORS),
            "text": ["a", "b", None],
        }
    ).set_index("when")
    for protocol in (2, 4, 5):
        data = sp.dumps([frame, frame.copy(), frame["kind"]], protocol, policy=PANDAS)
        for loaded in (sp.loads(data, policy=PANDAS), pickle.loads(data)):
            assert loaded[1].equals(frame)
            assert list(loaded[2]) == list(frame["kind"])
