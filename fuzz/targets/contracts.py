"""What safepickle holds arguments and state to runs no code of a value's, ends at once, and passes what picklers write.

The input is a series of choices: a contract and values, some of them instances whose every method records. numpy's
arrays, dtypes and generators are among the values where numpy is installed; then what passes is also set, and holds.
"""

from __future__ import annotations

import array
import datetime as dt
import decimal
import fractions
import ipaddress
import pathlib
import pickle
import sys
import time
import types
import uuid
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, UserString, defaultdict, deque
from functools import partial
from importlib.util import find_spec
from typing import Any

from fuzz import samples, terms
from fuzz.choices import ByteChoices, Choices
from fuzz.oracles import watched
from fuzz.outcomes import Finding, describe, outcome
from safepickle.decoding.usual import is_usual
from safepickle.policy.contracts import CONTRACTS, ENUM, STATES
from safepickle.policy.formats import FORMAT_CALLS, WRAPPER, ArrayHeader, Storage, TensorType
from safepickle.policy.rules import Policy

INPUT = "choices"

#: Processor time that no check takes.
SECONDS = 0.3
HAS_NUMPY = find_spec("numpy") is not None
if HAS_NUMPY:
    import numpy  # noqa: ICN001
    import numpy.random
    import numpy.random._pickle

_CALLS = tuple(CONTRACTS.items())
_STATES = tuple(STATES.items())


class Hostile:
    """Records whatever is asked of it."""

    def __record(self, *_arguments: Any, **_options: Any) -> Any:
        samples.RECORD.append("Hostile was asked")
        return 0

    __eq__ = __hash__ = __len__ = __iter__ = __getitem__ = __bool__ = __int__ = __index__ = __float__ = __record
    __repr__ = __str__ = __contains__ = __lt__ = __gt__ = __le__ = __ge__ = __call__ = __fspath__ = __record
    __buffer__ = __complex__ = __bytes__ = __format__ = __instancecheck__ = __getattr__ = __record


class HostileText(str):
    """A text of a class of its own, which records."""

    __slots__ = ()
    __eq__ = __hash__ = __len__ = __iter__ = __contains__ = Hostile.__eq__  # type: ignore[assignment]


_HOSTILE = (Hostile(), HostileText("f8"))
_PLAIN: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 3, 4, 5, 255, 2**31, 2**60, -(2**63), 2**200, 10**5000, 1.5, float("nan"), "", "a",
    "f8", "UTC",
    "Europe/Vienna", "1.5", "-0.5", "1e5", "1e9999", "1e100000000", "NaN", "2/3", "x" * 101, "9" * 5000, "../../x",
    "\u20ac" * 4,
    "\xe9" * 10, b"", b"b", b"\x07\xe4\x02\x1d", b"\x07\xe5\x02\x1d", b"\0\0\1\1", b"\x01\x02\x03\x04\x05\x06",
    b"\xff" * 6,
    b"\x07\xe4\x02\x1d\x01\x02\x03\0\0\x01", b"\xff" * 10, b"x" * 8, (), (0,), (1, 2), (2**62,) * 3, (5,) * 65,
    ("a", 1), [], [1],
    [("a", 1)], [(1.5, 1)], [["a", 1]], ["ab"], [None], {}, {"a": 1}, {1: 2}, {"int": 5, "is_safe": 0}, {"int": -1},
    {"int": 5, "is_safe": 7},
    {"tm_zone": "x"}, {"tm_zone": b"x"}, {"data": {}}, {"data": []}, {"data": "x"}, {"maps": [{}]},
    {"name": "x", "args": ()}, {"args": [1]},
    set(), frozenset([1]), bytearray(b"x"), range(3), range(10**7), dt.timedelta(hours=1), dt.UTC, tuple(range(9)),
    tuple(range(11)),
    (*range(9), "x", 5), (*range(9), b"x"), (1.5,) * 9, ([[1]],), array.array, dict, list, int, samples.Node,
    samples.act, type, 23, 623, 624,
    "<", "|", ">", "C", "F", "K", "i", "u", "MT19937", "PCG64", "utf-8", "C" * 30,
)  # fmt: skip


def _of_numpy() -> tuple[Any, ...]:
    """Return values that numpy makes: what state and arguments of its own look like, right and wrong."""
    if not HAS_NUMPY:
        return ()
    np = numpy
    u4: Any
    u8: Any
    u4, u8 = np.arange(624, dtype="u4"), np.arange(4, dtype="u8")
    record = np.dtype([("a", "i4"), ("b", "f8")])
    titled = np.dtype([(("title", "a"), "i4")])
    waiting = np.array([], dtype="b")
    states: list[Any] = [
        np.dtype(code).__reduce__()[2] for code in ("f8", ">i2", "U3", "S4", "V6", "M8[s]", "m8[2D]", "O", "?", "c16")
    ]
    states += [record.__reduce__()[2], titled.__reduce__()[2], np.dtype(("i4", (2, 3))).__reduce__()[2]]
    changed = []
    for state in states:
        for index, value in ((0, 9), (1, "x"), (2, (np.dtype("O"), (2,))), (3, ("a",)), (4, {"a": 5}), (5, 2**31), (6,
        -9),
                             (7, 63), (8, 5), (8, (None, ("parsec", 1, 1, 1))),
                             (8, ({}, (b"s", 1, 1, 1)))):  # fmt: skip
            if index < len(state):
                changed.append((*state[:index], value, *state[index + 1 :]))
    field = np.dtype("i4")
    fields = record.__reduce__()[2]
    for names, table in (
        (["a"], {"a": (field, 0)}), (("a",), {}), (("a",), {"a": (field, 9)}), (("a",), {"a": (field, 8)}),
        (("a",), {"a": (np.dtype("O"), 0)}),
        (("a",), {"a": (np.dtype("V"), 0)}), (("a",), {"a": (field,)}), ((5,), {5: (field, 0)}),
        (("a", "a"), {"a": (field, 0)}),
        (("a",), {"a": (field, 0, "t"), "t": (np.dtype("f4"), 4)}), (("a",), {"b": (field, 0)}),
        (None, {"a": (field, 0)}),
    ):  # fmt: skip
        changed.append((*fields[:3], names, table, *fields[5:]))
    generator = np.random.Generator(np.random.PCG64(1))
    bits = [kind(1) for kind in (np.random.MT19937, np.random.PCG64, np.random.Philox, np.random.SFC64)]
    numbers = [one.state for one in bits]
    bad = [{**numbers[0], "state": {**numbers[0]["state"], "pos": 999}}, {**numbers[2], "buffer_pos": 9}]
    bad += [{**numbers[1], "state": 5}, {**numbers[1], "state": {5: 5}}, {**numbers[1], "uinteger": Hostile},
    {"bit_generator": 5}]
    seeds = np.random.SeedSequence(1)
    pools: list[Any] = [(1, 0, np.arange(4, dtype="u4"), 4, ()), (1, 0, np.arange(4, dtype="u4"), 9, ()),
    ([1, 2], 0, u4[:4].copy(), 4, (5,))]
    pools += [(1, 0, np.arange(4, dtype="u4"), 4, [5]), (1.5, 0, 1, 4, ()), (1, 0)]
    arrays = [
        (1, (2, 3), np.dtype("f8"), False, b"x" * 48), (1, (2, 3), np.dtype("f8"), False, b"x" * 47),
        ((2,), np.dtype("O"), True, [1, 2]),
        (1, (2,), np.dtype("O"), True, [1]), (1, (2**61, 2**61), np.dtype("f8"), 0, b""),
        (1, [2], np.dtype("f8"), 0, b""), (1, (1,), "f8", 0, b"x" * 8),
        (1, (1,), np.dtype("V"), 0, b""), (1, (1,), np.dtype("f8"), 2, b"x" * 8),
        (1, (0, 2**61), np.dtype("f8"), 1, b""), (2, (1,), np.dtype("?"), 0, b"x"),
        (1, (2,), np.dtype("i4"), False, b"x" * 8, b"\0\1", 5), (1, (2,), np.dtype("i4"), False, b"x" * 8, b"\0", 5),
        (1, (2,), np.dtype("i4"), False, b"x" * 8, b"\0\1", Hostile), (1, (2,), np.dtype("i4"), False, "\xe9" * 8),
        (1, (3,), np.dtype("i4"), False, "\u20ac" * 12),
        (1, (2,), record, False, b"x" * 24, b"\0" * 4, 5), (1, (-1,), np.dtype("i4"), False, b""),
    ]  # fmt: skip
    return (
        np.dtype("f8"), np.dtype("f8").newbyteorder(), np.dtype("O"), np.dtype("V"), np.dtype("V8"), np.dtype("U2"),
        np.dtype("S3"), record,
        np.dtype("M8[s]"), np.ndarray, np.matrix, np.ma.MaskedArray, np.record, waiting, np.arange(3), u4, u8,
        np.float64(1), *states, *changed,
        np.random.PCG64, np.random.MT19937, np.random.SeedSequence, seeds, generator, *bits, *numbers, *bad,
        *((one, seeds) for one in numbers),
        (numbers[0], 5), *pools, *arrays, pickle.PickleBuffer(b"x" * 16), memoryview(b"x" * 16), b"x" * 16, (2,),
        (0, 1), (1, 0),
    )  # fmt: skip


_NUMPY = _of_numpy()
_OBJECTS: tuple[Any, ...] = (None, uuid.UUID(int=1), UserDict(), UserList(), ValueError("x"), *_NUMPY[:20])


def value(draw: Choices) -> Any:
    """Return any value."""
    kind = draw.below(8)
    if kind == 0:
        return draw.pick(_HOSTILE)
    if kind == 1:
        return [draw.pick(_HOSTILE)]
    if kind < 5 and _NUMPY:
        return draw.pick(_NUMPY)
    return draw.pick(_PLAIN)


def asked(what: str, check: Any) -> Any:
    """Ask a contract: an answer in a few words, at once, and nothing acts."""
    samples.RECORD.clear()
    started = time.process_time()
    with watched(f"a contract for {what}"):
        answer = check()
    taken = time.process_time() - started
    if taken > SECONDS:
        started = time.process_time()
        check()
        if time.process_time() - started > SECONDS:
            raise Finding(f"a contract takes time out of proportion: {what}", f"{taken:.1f} s")
    fine = answer is None or (type(answer) is str and answer.isascii() and answer.isprintable() and len(answer) <= 200)
    if not fine:
        raise Finding(f"a contract answers in other than a few words: {what}", ascii(answer)[:200])
    return answer


def _calls(draw: Choices) -> Any:
    pair, contract = draw.pick(_CALLS)
    arguments = tuple(value(draw) for _ in range(draw.below(6)))
    keywords = {"a": value(draw)} if draw.below(9) == 8 else {}
    what = ":".join(pair)
    answer = asked(what, lambda: contract.check(arguments, keywords))
    asked("an enumeration", lambda: ENUM.check(arguments, keywords))
    if keywords and answer is None:
        raise Finding(f"a contract passes keywords: {what}")
    if not keywords and pair[0] in _MADE:
        _shortened(pair, arguments, answer)
    if answer is None and pair[0] in _MADE:
        makes(pair, arguments)
    return pair, answer


def _shortened(pair: tuple[str, str], arguments: tuple[Any, ...], answer: Any) -> None:
    """What the compiled form takes for usual, without asking, the contract takes."""
    func = getattr(sys.modules.get(pair[0]), pair[1], None)
    if func is not None and is_usual(func, arguments) and answer is not None:
        raise Finding(f"arguments are usual that the contract refuses: {':'.join(pair)}", ascii(arguments)[:200])


_USUAL: tuple[tuple[tuple[str, str], tuple[Any, ...]], ...] = (
    (("datetime", "date"), (bytes([7, 228, 2, 28]),)), (("datetime", "date"), (bytes([7, 228, 6, 31]),)),
    (("datetime", "date"), (b"\0\0\1\1",)), (("datetime", "time"), (bytes([0x80 | 23, 59, 59, 15, 66, 63]),)),
    (("datetime", "time"), (bytes([24, 0, 0, 0, 0, 0]),)), (("datetime", "time"), (b"\1\2\3\0\0\1", dt.UTC)),
    (("datetime", "datetime"), (b"\x07\xe4\x02\x1d\x01\x02\x03\0\0\x01",)), (("datetime", "timedelta"), (1, 2, 3)),
    (("datetime", "datetime"), (b"\x07\xe4\x84\x1c\x01\x02\x03\0\0\x01", dt.UTC)),
    (("datetime", "timedelta"), (1, 86_400, 3)), (("datetime", "time"), (b"\1\2\3\0\0\1", 5)),
    (("datetime", "date"), ()), (("datetime", "date"), (1, 2, 3)),
    *((("decimal", "Decimal"), (text,)) for text in ("-1.50", "1-2", "1.2.3", ".", "-", "9" * 99, "1e5")),
)  # fmt: skip


def _usual(draw: Choices) -> Any:
    """Arguments that are nearly usual, a byte of them changed."""
    pair, arguments = draw.pick(_USUAL)
    if arguments and type(arguments[0]) is bytes and draw.below(2):
        packed = bytearray(arguments[0])
        packed[draw.below(len(packed))] = draw.below(256)
        arguments = (bytes(packed), *arguments[1:])
    answer = asked(":".join(pair), lambda: CONTRACTS[pair].check(arguments, {}))
    _shortened(pair, arguments, answer)
    if answer is None:
        makes(pair, arguments)
    return pair, answer


_DATA = 48
_STORAGES: tuple[Any, ...] = (
    Storage("FloatStorage", 4, bytearray(_DATA)), Storage("UntypedStorage", 1, bytearray(_DATA)), 5,
    Storage("DoubleStorage", 8, bytearray()),
)  # fmt: skip
_LENGTHS: tuple[Any, ...] = (
    (2, 3), (3, 1), (), (12,), (0, 5), (13,), (1, 1), (2,), (4, 3), (2**62,), (-1,), [2, 3], (1.5,), (True,),
)  # fmt: skip
_OFFSETS: tuple[Any, ...] = (0, 1, 6, 12, -1, 2**62, None, True)
_GRADIENTS: tuple[Any, ...] = (False, True, 0, None)
_NO_HOOKS: tuple[Any, ...] = (OrderedDict(), None, OrderedDict(a=1), {}, Hostile())
_TYPES: tuple[Any, ...] = (TensorType("bfloat16", 2), 5, *((numpy.dtype("f8"), numpy.dtype("O")) if HAS_NUMPY else ()))
_METADATA: tuple[Any, ...] = (None, {}, {"conj": True}, {"conj": 1}, {"x": True}, {5: 5}, 5)
_PARTS = (_STORAGES, _OFFSETS, _LENGTHS, _LENGTHS, _GRADIENTS, _NO_HOOKS)
#: How many bytes one number of a tensor has, by the place of its type among the arguments.
_TENSORS: dict[str, tuple[tuple[Any, ...], ...]] = {
    "_rebuild_tensor": _PARTS[:4], "_rebuild_tensor_v2": (*_PARTS, _METADATA),
    "_rebuild_tensor_v3": (*_PARTS, _TYPES, _METADATA),
}  # fmt: skip
_OTHERS: dict[tuple[str, str], tuple[tuple[Any, ...], ...]] = {
    ("torch._utils", "_rebuild_parameter"): ((*_STORAGES, *((numpy.zeros(2),) if HAS_NUMPY else ())), _GRADIENTS,
    _NO_HOOKS),
    ("torch", "Size"): ((*_LENGTHS, ("a",), [1]),),
    ("torch", "device"): (("cpu", "cuda:0", "c" * 30, "", "a b", 5), (0, 1, 1024, -1, "x")),
    WRAPPER: ((1, 2),),
}  # fmt: skip
_HEADERS: dict[str, tuple[Any, ...]] = {
    "subclass": (*((numpy.ndarray, numpy.matrix) if HAS_NUMPY else ()), list, Hostile),
    "shape": _LENGTHS, "order": ("C", "F", "K", 5, HostileText("C")),
    "dtype": (*((numpy.dtype("f8"), numpy.dtype("O"), numpy.dtype("V")) if HAS_NUMPY else ()), 5, "f8"),
    "allow_mmap": (True, False, 1), "numpy_array_alignment_bytes": (None, 16, 0, 256, 1.5), "more": (1,),
}  # fmt: skip


def _formats(draw: Choices) -> Any:
    """What joblib's and torch's files say of their data: what passes lies inside of them."""
    kind = draw.below(3)
    if kind == 0:
        return _header(draw)
    if kind == 1:
        pair, parts = draw.pick(tuple(_OTHERS.items()))
        arguments = tuple([draw.pick(part) for part in parts[: draw.below(len(parts) + 1)]])
        return pair, asked(":".join(pair), lambda: FORMAT_CALLS[pair][0](arguments))
    name = draw.pick(tuple(_TENSORS))
    parts = _TENSORS[name]
    # The first of each part is fine, so that one that is not is met alone now and then.
    arguments = tuple([part[0] if draw.below(2) else draw.pick(part) for part in parts])
    arguments = arguments[: len(arguments) - max(0, draw.below(8) - 5)]
    answer = asked(name, lambda: FORMAT_CALLS["torch._utils", name][0](arguments))
    if answer is None:
        _lies_inside(name, arguments)
    return name, answer


def _lies_inside(name: str, arguments: tuple[Any, ...]) -> None:
    storage, offset, size, stride = arguments[:4]
    places = [offset]
    for length, step in zip(size, stride, strict=True):
        places = [place + step * index for place in places for index in range(min(length, 100))]
    width = arguments[6].itemsize if name.endswith("v3") else storage.itemsize
    if any(not 0 <= place * width <= len(storage.data) - width for place in places):
        raise Finding("a tensor lies outside of its storage", f"{name} {offset} {size} {stride}")


def _header(draw: Choices) -> Any:
    state: Any = {name: one[0] if draw.below(2) else draw.pick(one) for name, one in _HEADERS.items() if draw.below(9)}
    if draw.below(8):
        state.pop("more", None)
    state = draw.pick((state, state, state, {**state, 5: 5}, [state]))
    header: Any = draw.pick((ArrayHeader(), ArrayHeader(), 5))
    contract = STATES[WRAPPER]
    answer = asked("an array's header", lambda: contract.refusal(header, state))
    if answer is None:
        header.__dict__.update(state)
        if contract.refusal(header, state) is None and contract.refusal_to_set(header, state) is None:
            raise Finding("a header is given its state twice")
        if HAS_NUMPY and header.dtype.itemsize < 1:
            raise Finding("a header says of no size how many bytes it has", repr(state))
    return answer


#: Modules whose callables are called with what passes: the call must end, or fail as a constructor may.
_MADE = frozenset(
    "datetime decimal fractions uuid pathlib ipaddress array time math operator collections builtins".split()
)


def makes(pair: tuple[str, str], arguments: tuple[Any, ...]) -> None:
    """Call what passes: it ends soon, or fails as a constructor may."""
    target: Any = sys.modules.get(pair[0])
    for part in pair[1].split("."):
        target = getattr(target, part, None)
    if target is None or any(type(one) in (Hostile, HostileText) or _holds_hostile(one) for one in arguments):
        return
    started = time.process_time()
    try:
        made = target(*arguments)
    except (ValueError, TypeError, OverflowError, ArithmeticError, AttributeError, NotImplementedError):
        return
    if isinstance(made, (dt.date, dt.time)):
        str(made), made.isoformat()
    if isinstance(made, dt.date):
        made.ctime()
    if isinstance(made, decimal.Decimal) and made.is_finite():
        int(made)
    if time.process_time() - started > SECONDS:
        raise Finding(f"what a contract passes takes time out of proportion: {':'.join(pair)}")


def _holds_hostile(one: Any) -> bool:
    return type(one) in (list, tuple, set, dict) and any(type(part) in (Hostile, HostileText) for part in one)


def _states(draw: Choices) -> Any:
    pair, contract = draw.pick(_STATES)
    obj = draw.pick(_OBJECTS)
    if _NUMPY and pair[0].startswith("numpy") and draw.below(3):
        obj = draw.pick(_waiting())
    state = value(draw)
    what = ":".join(pair)
    if contract.check_object is None:
        answer = asked(what, lambda: contract.refusal(obj, state))
        if contract.refusal_to_set(obj, state) != answer:
            raise Finding(f"state is refused when set and not before: {what}")
        return pair, answer
    if contract.refusal(obj, state) is None and contract.check(state) is None:
        raise Finding("a contract that needs the object passes without it", what)
    answer = asked(what, lambda: contract.refusal(obj, state))
    if contract.weigh is not None and not 0 <= contract.weigh(state) < 10**9:
        raise Finding("state weighs what it cannot", what)
    of_numpy = pair[0].startswith("numpy")
    settled = of_numpy and contract.is_settled is not None and contract.is_settled(obj)
    if settled and contract.refusal_to_set(obj, state) is None:
        raise Finding("state is given to what has its state", what)
    if HAS_NUMPY and answer is None and not settled and pair[0] == "numpy":
        set_state(obj, state, what)
    return pair, answer


def _waiting() -> tuple[Any, ...]:
    """Return objects that wait for their state, fresh ones: an array, dtypes of every code."""
    return (
        numpy.ndarray.__new__(numpy.ndarray, (0,), "b"),
        *(numpy.dtype(code, copy=True) for code in ("f8", "i2", "U3", "S4", "V6", "V0", "O8", "M8", "m8", "V12",
        "V24", "V4")),
    )


def set_state(obj: Any, state: Any, what: str) -> None:
    """Give what passes to the object: it takes it, stays within its memory, and can be written again."""
    try:
        obj.__setstate__(state)
    except (TypeError, ValueError, OverflowError):
        return
    if isinstance(obj, numpy.ndarray):
        if obj.nbytes > 10**7 or (obj.base is not None and obj.data.nbytes != obj.nbytes):
            raise Finding("an array is larger than its data", what)
        obj.copy().tobytes()
        pickle.dumps(obj)
    else:
        if obj.itemsize >= 0 and obj.names is not None:
            for name in obj.names:
                inner, offset = obj.fields[name][:2]
                if offset + inner.itemsize > obj.itemsize or inner.hasobject:
                    raise Finding("a field of a dtype lies outside of it", what)
        if not obj.hasobject and 0 < obj.itemsize < 10**6:
            numpy.zeros(3, dtype=obj).copy().tobytes()


#: What picklers write for these passes, at every protocol.
ORDINARY: tuple[Any, ...] = (
    dt.date(2020, 2, 29), dt.time(23, 59, 59, 999_999, fold=1), dt.datetime(2020, 1, 2, 3, tzinfo=dt.UTC),
    dt.timedelta(-1),
    dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-5), "x")), decimal.Decimal("-1.5E+3"),
    decimal.Decimal("sNaN12"),
    fractions.Fraction(-1, 3), uuid.UUID(int=2**128 - 1), pathlib.PurePosixPath("a/b"), OrderedDict(a=1),
    Counter("aab"),
    defaultdict(list, a=[1]), deque([1], 3), ChainMap({}, {"a": 1}), UserDict(a=1), UserList([1]), UserString("a"),
    array.array("d", [1.5]), array.array("u", "ab"), ipaddress.ip_address("::1"), ipaddress.ip_network("10.0.0.0/8"),
    types.SimpleNamespace(a=1), time.struct_time(range(11)), time.gmtime(0), OSError(2, "x", "y"),
    ImportError("x", name="n"),
    UnicodeDecodeError("utf-8", b"ab", 0, 1, "w"), UnicodeEncodeError("utf-8", "ab", 0, 1, "w"),
    UnicodeTranslateError("ab", 0, 1, "w"),
    AttributeError("x", name="n"), KeyError(1),
)  # fmt: skip
_PROTOCOLS = range(6)


def _passes(draw: Choices) -> Any:
    """What picklers write for these passes, twice in one pickle too, and is equal."""
    one = draw.pick(ORDINARY)
    protocol = draw.pick(_PROTOCOLS)
    for obj in (one, [one, one.__class__, one], [_another(one), one]):
        if obj.__class__ is list and isinstance(obj[1], type):
            obj.pop(1)
        data = pickle.dumps(obj, protocol)
        found = outcome(partial(terms.package.loads, data, policy=terms.STDLIB, limits=terms.LIMITS))
        if found.error:
            raise Finding(f"what a pickler writes is refused: {type(one).__name__}",
            f"{found.message} (protocol {protocol})")
        if found.value != describe(pickle.loads(data)):
            raise Finding(f"what a pickler writes loads to another value: {type(one).__name__}", str(protocol))
    return type(one).__name__, protocol


def _another(one: Any) -> Any:
    return pickle.loads(pickle.dumps(one))


def _arrays(draw: Choices) -> Any:
    """Under the pack for numpy: its own pickles load to equal arrays, and changed ones are refused or sound."""
    if not HAS_NUMPY:
        return "there is no numpy"
    policy = Policy.packs("numpy")
    np = numpy
    kinds: tuple[Any, ...] = (
        np.arange(6).reshape(2, 3), np.asfortranarray(np.ones((2, 3))), np.zeros(3, ">f4"), np.array(["a", "bc"]),
        np.array([b"x"]),
        np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]), np.array([1, "a", None], object),
        np.array(["2020"], "M8[D]"),
        np.ma.array([1, 2], mask=[0, 1]), np.float32(1.5), np.dtype([("a", "i4")]), np.dtype("M8[3s]"),
        np.matrix([[1]]),
        np.random.default_rng(1), np.random.RandomState(1), np.random.PCG64(1), np.random.Philox(1), np.zeros(0),
        np.array(5),
        np.random.SeedSequence(5), np.array([1, 2]).view(np.recarray), np.zeros((2, 0, 3), complex),
    )  # fmt: skip
    one = draw.pick(kinds)
    protocol = draw.pick(_PROTOCOLS)
    buffers: list[Any] = []
    data = pickle.dumps(one, protocol, buffer_callback=buffers.append if protocol == 5 and draw.below(2) else None)
    made = terms.package.loads(data, policy=policy, limits=terms.LIMITS, buffers=buffers)
    if pickle.dumps(made, 4) != pickle.dumps(pickle.loads(data, buffers=buffers), 4):
        raise Finding("an array loads to another one", f"{one!r} {protocol}")
    changed = bytearray(data)
    for _ in range(1 + draw.below(3)):
        changed[draw.below(len(changed))] = draw.pick((0, 1, 2, 255, draw.below(256)))
    found = _sound(bytes(changed), policy, buffers)
    return type(one).__name__, found


def _sound(data: bytes, policy: Policy, buffers: list[Any]) -> Any:
    with watched("a changed array"):
        try:
            made = terms.package.loads(data, policy=policy, limits=terms.LIMITS, buffers=buffers)
        except terms.package.SafePickleError as error:
            return type(error).__name__
    if isinstance(made, numpy.ndarray) and not made.dtype.hasobject:
        made.copy().tobytes()
        repr(made.shape)
    if isinstance(made, (numpy.random.Generator, numpy.random.RandomState)):
        made.bytes(100)
    return type(made).__name__


def check(data: bytes) -> Any:
    """Ask a contract, or load what picklers write."""
    draw = ByteChoices(data)
    # Few of the first bytes lead to what came later, so that older inputs mean what they did.
    first = draw.below(256)
    if first >= _LATER:
        return (_usual, _formats)[first & 1](draw)
    return (_calls, _calls, _calls, _states, _states, _passes, _arrays)[first % 7](draw)


_LATER = 224
