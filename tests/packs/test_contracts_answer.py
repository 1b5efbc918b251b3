"""Contracts answer whatever they are given: a stream may put any object in any place, and none of its code is run.

A contract that raises is a refusal, but one that says "the machine failed"; and whoever compares, counts or asks a
value for its truth has its class answer, which may run code, or take for ever.
"""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
pytest.importorskip("scipy.sparse")
pytest.importorskip("sklearn")

from packs.arrays import numpy_objects  # noqa: E402
from packs.estimators import estimators, sparse_objects  # noqa: E402
from packs.frames import pandas_objects  # noqa: E402

from safepickle.policy.contracts import CONTRACTS, STATES  # noqa: E402

OBJECTS: dict[str, Callable[[], dict[str, Any]]] = {
    "numpy": numpy_objects,
    "pandas": pandas_objects,
    "sparse": sparse_objects,
    "scikit-learn": estimators,
}
ASKED = (
    "bool eq ne lt gt le ge len iter hash contains getitem int index float add radd sub rsub mul rmul mod neg call str"
    " repr format and rand or ror"
)


def _asked(*_: Any) -> NoReturn:
    raise AssertionError("it was asked")


class Plain:
    """Answers nothing; what its class is may be seen."""


for _name in ASKED.split():
    setattr(Plain, f"__{_name}__", _asked)

#: What comes into each place: what cannot be asked, what has no one truth, no length or too great a value, other kinds.
OTHERS: list[Any] = [
    Plain(), pd.NA, np.array(5), np.array([1, 2]), np.zeros((2, 2)), np.array(["a"], object), np.dtype("f8"),
    np.ndarray, pd.Index([1]), float("nan"), 2**70, -1, "x", b"x", (), [None], {1: 2}, None,
]  # fmt: skip
DEEPEST, MOST = 4, 40


class Recorder(pickle._Unpickler):
    """Loads as pickle does, and notes what is called with what, and which state is given."""

    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.calls: list[tuple[Any, Any]] = []
        self.states: list[tuple[Any, Any]] = []

    def call(self) -> None:
        self.calls.append((self.stack[-2], self.stack[-1]))
        pickle._Unpickler.load_reduce(self)

    def new(self) -> None:
        self.calls.append((self.stack[-2], self.stack[-1]))
        pickle._Unpickler.load_newobj(self)

    def build(self) -> None:
        self.states.append((self.stack[-2], self.stack[-1]))
        pickle._Unpickler.load_build(self)

    dispatch[pickle.REDUCE[0]] = call
    dispatch[pickle.NEWOBJ[0]] = new
    dispatch[pickle.BUILD[0]] = build


def changed(value: Any, other: Any, depth: int = 0) -> Iterator[Any]:
    """Return a value as often as there are places in it, with something else in one of them each time."""
    yield other
    if depth > DEEPEST:
        return
    if type(value) in (tuple, list):
        for place, part in enumerate(value[:MOST]):
            for one in changed(part, other, depth + 1):
                yield type(value)([*value[:place], one, *value[place + 1 :]])
    elif type(value) is dict:
        for key in [*value][:MOST]:
            for one in changed(value[key], other, depth + 1):
                yield {**value, key: one}
            yield {name: value[name] for name in value if name != key}


def contract_of(obj: Any) -> Any:
    """Return the contract for the state of an object, under the public name of its class or that of a base."""
    for base in type(obj).__mro__:
        found = STATES.get((base.__module__, base.__qualname__))
        if found is not None:
            return found
    return None


@pytest.mark.parametrize("library", OBJECTS)
def test_contracts_answer_whatever_they_are_given(library: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calls: dict[str, tuple[Any, Any]] = {}
        states: dict[str, tuple[Any, Any, Any]] = {}
        for value in OBJECTS[library]().values():
            recorder = Recorder(pickle.dumps(value, 4))
            recorder.load()
            for func, args in recorder.calls:
                contract = CONTRACTS.get((func.__module__, func.__qualname__))
                if contract is not None:
                    calls.setdefault(f"{func!r} {[type(arg) for arg in args]!r:.300}", (contract, args))
            for obj, state in recorder.states:
                contract = contract_of(obj)
                if contract is not None:
                    states.setdefault(f"{type(obj)} {state!r:.100}", (contract, obj, state))
        asked = 0
        for contract, args in calls.values():
            for other in OTHERS:
                for given in changed(args, other):
                    if type(given) is tuple:
                        asked += 1
                        refusal = contract.check(given, {})
                        assert refusal is None or type(refusal) is str
                        if refusal is None and contract.weigh is not None:
                            assert contract.weigh(given) >= 0
        for contract, obj, state in states.values():
            for other in OTHERS:
                for given in changed(state, other):
                    asked += 1
                    refusal = contract.refusal(obj, given)
                    assert refusal is None or type(refusal) is str
                    if contract.weigh is not None:
                        contract.weigh(given)
        assert asked > 500
