"""What picklers write for listed callables passes their contracts; what is nearly that is refused, or is sound.

The input is a series of choices: an object, how it reduces, and a part of its arguments or state, at any depth, that is
replaced, left out, doubled or exchanged. What passes is carried out and looked at.
"""

from __future__ import annotations

import array
import copy
import datetime as dt
import decimal
import math
import operator
import pickle
import sys
import time
import warnings
from importlib import import_module
from typing import Any

from fuzz import samples
from fuzz.choices import ByteChoices, Choices
from fuzz.outcomes import Finding
from fuzz.targets import contracts as known
from safepickle.policy.contracts import CONTRACTS, STATES
from safepickle.policy.formats import Storage, TensorType

INPUT = "choices"

_NUMPY: Any = import_module("numpy") if known.HAS_NUMPY else None
#: What stands in the place of a part.
_OTHER: tuple[Any, ...] = (
    None, True, 0, 1, -1, 2, 3, 5, 9, 22, 255, 2**31, 2**63, 2**200, 1.5, "", "a", "x" * 101, b"", b"a", b"x" * 8, (),
    (1,),
    (2, 3), (0, 0), [], [1], ["a", "b"], [[1]], {}, {"a": 1}, {5: 5}, {"tm_zone": "x", "tm_gmtoff": 5}, {"tm_zone": []},
    "|", "<", ">", "V", "U", "S", "O", "e" * 2, "1e5", "1e9999", "1e10000", "9" * 5000, "1." + "1" * 5000, set(), int,
    list,
    samples.Node, (5,) * 4, (5,) * 9, "\u20ac", ("a", "a"), ("a", "b"), float("nan"), array.array,
)  # fmt: skip
#: Calls that no object reduces to.
_CALLS: tuple[tuple[Any, tuple[Any, ...]], ...] = (
    (pow, (2, 10)), (pow, (2, 5, 7)), (operator.pow, (2, 3)), (math.factorial, (5,)), (int, ("12",)), (range, (1, 5)),
    (time.struct_time, (tuple(range(9)), {"tm_zone": "UTC", "tm_gmtoff": 0})), (time.struct_time, (tuple(range(11)),)),
    (decimal.Decimal, ("-1.5E+3",)), (bytes, ([1, 2],)), (dt.timezone, (dt.timedelta(hours=1), "x")),
)  # fmt: skip


def _reductions() -> list[tuple[Any, ...]]:
    """Return what objects reduce to: a callable's name, the callable, its arguments, state, whose that is."""
    found: list[tuple[tuple[str, str], Any, tuple[Any, ...], Any]] = []
    for one in (*known.ORDINARY, *_of_numpy()):
        for protocol in (0, 2, 5):
            try:
                reduced = one.__reduce_ex__(protocol)
            except (TypeError, AttributeError):
                continue
            if type(reduced) is not tuple:
                continue
            func, args, *more = reduced
            is_new = getattr(func, "__name__", "") == "__newobj__"
            named = args[0] if is_new else func
            found.append((_pair(named), func, args, more[0] if more else None))
    found += [(_pair(func), func, args, None) for func, args in _CALLS]
    return [(*row, _state_pair(row)) for row in found if row[0] in CONTRACTS or _state_pair(row) is not None]


def _pair(func: Any) -> tuple[str, str]:
    name = getattr(func, "__qualname__", "")
    for pair in ((str(getattr(func, "__module__", "")), name), ("builtins", name)):
        if pair in CONTRACTS:
            return pair
    # Contracts stand under the names that picklers write: re-exports are looked up by what they are.
    same = (pair for pair in CONTRACTS if getattr(sys.modules.get(pair[0]), pair[1], None) is func)
    return next(same, (str(getattr(func, "__module__", "")), name))


def _state_pair(row: tuple[tuple[str, str], Any, tuple[Any, ...], Any]) -> tuple[str, str] | None:
    pair, func, args, state = row
    if state is None:
        return None
    made = type(func(*args))
    own = (made.__module__, made.__qualname__)
    return pair if pair in STATES else own if own in STATES else None


def _of_numpy() -> tuple[Any, ...]:
    if _NUMPY is None:
        return ()
    np = _NUMPY
    return (
        np.arange(6).reshape(2, 3), np.asfortranarray(np.ones((2, 3))), np.array(["a", "bc"]), np.zeros((2, 0)),
        np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]), np.array([1, "a", None], object), np.array(["2020"],
        "M8[D]"),
        np.ma.array([1, 2], mask=[0, 1]), np.float32(1.5), np.dtype([("a", "i4"), ("b", "f8")]), np.dtype("M8[3s]"),
        np.dtype([(("title", "a"), "i4"), ("b", "S3")]), np.dtype(("i4", (2, 3))), np.dtype("U3"), np.dtype("V5"),
        np.dtype(">f8"),
        np.dtype({"names": ["a"], "formats": ["f8"], "offsets": [8], "itemsize": 24}), np.dtype([("s", ("i2", (2,)))]),
        np.random.default_rng(1), np.random.RandomState(1), np.random.PCG64(1), np.random.Philox(1),
        np.random.MT19937(1),
        np.random.SeedSequence([1, 2], spawn_key=(3,)), np.zeros((1, 1)).view(np.matrix), np.ma.array([(1, 2.0)],
        dtype="i4,f8"),
    )  # fmt: skip


_REDUCTIONS = _reductions()


# -- changing a part -------------------------------------------------------------------------------------------------


def _other(draw: Choices) -> Any:
    if _NUMPY is None or draw.below(3):
        return draw.pick(_OTHER)
    np = _NUMPY
    return draw.pick((
        np.dtype("O"), np.dtype("V"), np.dtype("f8"), np.dtype("V8"), np.dtype("i2"), (np.dtype("i4"), (2,)),
        (np.dtype("O"), 2),
        (np.dtype("i2"), 2), (np.dtype("V"), ()), (np.dtype("f8"), 4), (np.dtype("f8"), 0, "t"), (np.dtype("O"), 0),
        (np.dtype("V"), 0), {"a": (np.dtype("f8"), 0)}, np.arange(4, dtype="u4"), np.arange(3), np.float64(1),
        np.array(["a"]),
    ))  # fmt: skip


def _changed(whole: Any, draw: Choices, depth: int = 4) -> Any:
    """Return a value with one part changed."""
    kind = type(whole)
    if depth and kind in (tuple, list, dict) and whole and draw.below(5):
        if kind is dict:
            return _changed_dict(whole, draw, depth)
        parts = list(whole)
        index = draw.below(len(parts))
        how = draw.below(8)
        if how == 0:
            del parts[index]
        elif how == 1:
            parts.append(_other(draw))
        elif how == 2:
            other = draw.below(len(parts))
            parts[index], parts[other] = parts[other], parts[index]
        else:
            parts[index] = _changed(parts[index], draw, depth - 1)
        return kind(parts)
    if kind is int and draw.below(2):
        return whole + draw.pick((1, -1, 2, 7, 256))
    if kind in (bytes, str) and draw.below(2):
        return whole[: draw.below(len(whole) + 1)] + whole[: draw.below(4)]
    return _other(draw)


def _changed_dict(whole: dict[Any, Any], draw: Choices, depth: int) -> Any:
    key = draw.pick(tuple(whole))
    how = draw.below(6)
    changed = dict(whole)
    if how == 0:
        del changed[key]
    elif how == 1:
        changed[draw.pick(("a", "t", 5, "title", "b"))] = draw.pick((changed[key], _other(draw)))
    elif how == 2:
        other = draw.pick(tuple(whole))
        changed[key], changed[other] = changed[other], changed[key]
    else:
        changed[key] = _changed(changed[key], draw, depth - 1)
    return changed


# -- asking ----------------------------------------------------------------------------------------------------------


def _call(row: Any, draw: Choices) -> Any:
    pair, func, args, _, _ = row
    if getattr(func, "__name__", "") == "__newobj__":
        func, args = args[0], args[1:]
    contract = CONTRACTS[pair]
    what = ":".join(pair)
    if known.asked(what, lambda: contract.check(args, {})) is not None:
        raise Finding(f"a contract refuses what a pickler writes: {what}", ascii(args)[:300])
    given = args
    for _ in range(1 + draw.below(2)):
        given = _changed(given, draw)
    if type(given) is not tuple:
        given = (given,)
    answer = known.asked(what, lambda: contract.check(given, {}))
    if answer is None:
        _make(func, given, what, pair)
    return what, answer


def _make(func: Any, given: tuple[Any, ...], what: str, pair: tuple[str, str]) -> None:
    if not pair[0].startswith("numpy"):
        known.makes(pair, given)
        return
    try:
        made = func(*given)
    except (ValueError, TypeError, OverflowError, AttributeError, pickle.PickleError):
        return
    if isinstance(made, _NUMPY.ndarray) and not made.dtype.hasobject:
        if made.nbytes > 10**7:
            raise Finding(f"what a contract passes is large: {what}")
        made.copy().tobytes()


def _give(row: Any, draw: Choices) -> Any:
    _, func, args, state, named = row
    contract = STATES[named]
    what = ":".join(named)
    if known.asked(what, lambda: contract.refusal(func(*args), state)) is not None:
        raise Finding(f"a contract refuses the state that a pickler writes: {what}", ascii(state)[:300])
    given = state
    for _ in range(1 + draw.below(2)):
        given = _changed(given, draw)
    obj = func(*args)
    answer = known.asked(what, lambda: contract.refusal(obj, given))
    if answer is None and contract.weigh is not None and not 0 <= contract.weigh(given) < 10**9:
        raise Finding("state weighs what it cannot", what)
    if answer is None and named[0].startswith("numpy") and contract.refusal_to_set(obj, given) is None:
        _set(obj, copy.copy(given), what)
    return what, answer


def _set(obj: Any, given: Any, what: str) -> None:
    if isinstance(obj, (_NUMPY.ndarray, _NUMPY.dtype)):
        known.set_state(obj, given, what)
        return
    try:
        obj.__setstate__(given)
    except (TypeError, ValueError, KeyError, OverflowError):
        return
    if isinstance(obj, (_NUMPY.random.Generator, _NUMPY.random.RandomState)):
        obj.bytes(100)
    elif isinstance(obj, _NUMPY.random.BitGenerator):
        obj.random_raw(10)


def _files(draw: Choices) -> Any:
    """What stands for torch's types and storages cannot be changed, and counts what it holds."""
    data = bytearray(draw.below(40))
    width = 1 + draw.below(8)
    storage = Storage("FloatStorage", width, data)
    key = draw.pick(("a", 1))
    made = storage.shared(key, list)
    if len(storage) != len(data) // width or storage.shared(key, dict) is not made:
        raise Finding("a storage counts or shares otherwise than it holds")
    for one in (storage, TensorType("bfloat16", 2)):
        try:
            one.itemsize = 1
        except AttributeError:
            continue
        raise Finding("what stands for a type of torch's can be changed", type(one).__name__)
    return "files"


def check(data: bytes) -> Any:
    """Reduce, change and ask."""
    draw = ByteChoices(data)
    if draw.chance(32):
        return _files(draw)
    row = draw.pick(_REDUCTIONS)
    gives = row[4] is not None and (row[0] not in CONTRACTS or draw.below(3))
    try:
        with warnings.catch_warnings():
            # Arguments may be out of fashion, too.
            warnings.simplefilter("ignore")
            return (_give if gives else _call)(row, draw)
    finally:
        samples.restore()

