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
COLORS = pd.CategoricalDtype(["red", "green", "blue"])
DATES = pd.date_range("2024-01-01", periods=3)._data
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
    if not seen(sp)[1].fits_frame_call(frames.usual_frame_call(contract), args):
        return False
    assert contract.check(args, {}) is None, args
    return True


def state_is_seen(sp: ModuleType, contract: Any, obj: Any, state: Any) -> bool:
    module, models = seen(sp)
    if models.weigh_state(module.usual_estimator(contract), obj, state) < 0:
        return False
    assert contract.refusal(obj, state) is None, state
    return True


def test_what_pandas_writes_is_seen(sp: ModuleType) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": pd.Categorical(["red", "blue"], dtype=COLORS), "c": DATES[:2]})
    assert call_is_seen(sp, INDEX_CALL, (pd.RangeIndex, {"start": 0, "stop": 2, "step": 1, "name": None}))
    assert call_is_seen(sp, BACKED_CALL, (type(DATES), 1, None))
    assert state_is_seen(sp, FRAME, frame, frame.__getstate__())
    assert state_is_seen(sp, CATEGORIES, COLORS, COLORS.__getstate__())
    assert state_is_seen(sp, BACKED, DATES, DATES.__reduce__()[2])
    for codes in ("i1", "i2", "i4", "i8"):
        kinds = pd.Categorical(["red"], dtype=COLORS)
        for numbers in ([0, 2, -1], [[0, 1], [2, -1]]):
            assert state_is_seen(sp, BACKED, kinds, (COLORS, np.array(numbers, codes), {}))


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
    "levels": (INDEX_CALL, (pd.MultiIndex, {"levels": [pd.Index(["a"])], "codes": [np.array([7])]})),
    "levels beside": (INDEX_CALL, (pd.MultiIndex, {"data": 1})),
}


@pytest.mark.parametrize("name", HOSTILE_CALLS)
def test_a_call_that_is_not_usual_is_not_seen(sp: ModuleType, name: str) -> None:
    assert not call_is_seen(sp, *HOSTILE_CALLS[name])


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
    "data that is none": (BACKED, DATES, (DATES.dtype, [1], {})),
    "data of a derived array": (BACKED, DATES, (DATES.dtype, np.array([1]).view(np.matrix), {})),
    "data that waits": (BACKED, DATES, (DATES.dtype, np.array([], "b"), {})),
    "other attributes": (BACKED, DATES, (DATES.dtype, ARRAY, {"__class__": 1})),
    "attributes that are no dict": (BACKED, DATES, (DATES.dtype, ARRAY, [])),
    "more than three": (BACKED, DATES, (DATES.dtype, ARRAY, {}, {})),
    "a list": (BACKED, DATES, [DATES.dtype, ARRAY]),
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
    new = type(DATES).__new__(type(DATES))
    empty = pd.CategoricalDtype.__new__(pd.CategoricalDtype)
    for contract, obj in ((BACKED, DATES), (BACKED, new), (CATEGORIES, COLORS), (CATEGORIES, empty)):
        assert contract.is_settled is not None
        assert models.has_state(module.usual_estimator(contract), obj) is contract.is_settled(obj)
    assert models.has_state(module.usual_estimator(BACKED), 5)
    assert FRAME.is_settled is None
    assert not models.has_state(module.usual_estimator(FRAME), pd.DataFrame())


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
