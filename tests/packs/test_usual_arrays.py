"""What is seen of arrays without asking the contracts: never more than they allow, whatever came before it."""

from __future__ import annotations

import io
import pickle
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

np = pytest.importorskip("numpy")

from packs.test_numpy import Made  # noqa: E402

from safepickle.errors import PolicyError, SafePickleError  # noqa: E402
from safepickle.limits import Limits  # noqa: E402
from safepickle.policy.contracts import CONTRACTS, STATES  # noqa: E402
from safepickle.policy.rights import Right, Rule  # noqa: E402
from safepickle.policy.rules import Policy  # noqa: E402

NUMPY = Policy.packs("numpy")
#: Where picklers find them: numpy 2 renamed the module, and in 1.26 the new name has but what old pickles ask for.
CORE = "numpy._core" if int(np.__version__.partition(".")[0]) >= 2 else "numpy.core"
MULTIARRAY, NUMERIC = import_module(f"{CORE}.multiarray"), import_module(f"{CORE}.numeric")
RECONSTRUCT = MULTIARRAY._reconstruct
SCALAR = MULTIARRAY.scalar
FROM = NUMERIC._frombuffer
PAIRS = {
    "buffer": (f"{CORE}.numeric", "_frombuffer", FROM),
    "scalar": (f"{CORE}.multiarray", "scalar", SCALAR),
    "array": (f"{CORE}.multiarray", "_reconstruct", RECONSTRUCT),
    "dtype": ("numpy", "dtype", np.dtype),
}


class Derived(np.ndarray):  # type: ignore[misc]
    """Not an ordinary array."""


class Text(str):
    """Equal to a text, and no text."""

    __slots__ = ()


class Number(int):
    """Equal to an int, and no int."""


def grow(dtype: Any) -> None:
    """Give a dtype another size, as no contract lets a stream do."""
    dtype.__setstate__((3, "|", None, None, None, 16, 1, 0))


def placeholder() -> Any:
    return RECONSTRUCT(np.ndarray, (0,), b"b")


# ---- the law -----------------------------------------------------------------------------------------------

dtypes = st.sampled_from(
    [np.dtype(code) for code in ("f8", "<i2", ">i4", "?", "O", "S3", "U2", "V8", "V0", "M8[s]", "c16")]
    + [np.dtype([("a", "i4"), ("b", "f8")]), np.dtype([("a", "O")]), "f8", None, np.float64]
)
lengths = st.sampled_from([0, 1, 2, 3, 8, 2**30, 2**40, 2**62, 2**70, -1, True, 1.0, Number(2), None])
shapes = st.lists(lengths, max_size=3).map(tuple) | st.sampled_from([[2], 2, None, (1,) * 9, (1,) * 65])
raw = st.sampled_from([0, 1, 2, 3, 8, 16, 24, 48, 64]).map(bytes)
buffers = st.one_of(
    raw, raw.map(bytearray), raw.map(memoryview), raw.map(pickle.PickleBuffer), st.sampled_from(["", "12345678", None])
)
orders = st.sampled_from(["C", "F", "A", "K", "X", b"C", Text("C"), 0, None])
flags = st.sampled_from([True, False, 0, 1, 2, None])
codes = st.sampled_from(
    ["f8", "i8", "<f8", "O8", "V8", "b", "M8", "U5", Text("f8"), np.record, float, "f8,i4", None, "V0", "S", "U01",
     "S\u0662", "V1234567890", "V64", "m8"]
)  # fmt: skip
empties = st.sampled_from([(0,), (1,), (), (0, 0), (False,), (Number(0),), [0], 0])
letters = st.sampled_from([b"b", "b", "c", Text("b"), 98, None])
classes = st.sampled_from([np.ndarray, Derived, np.matrix, list, None, np.ndarray((0,))])
calls = st.one_of(
    st.tuples(st.just("buffer"), st.tuples(buffers, dtypes, shapes, orders) | st.tuples(buffers, dtypes, shapes)),
    st.tuples(st.just("scalar"), st.tuples(dtypes, raw | st.just("12345678")) | st.tuples(dtypes)),
    st.tuples(st.just("array"), st.tuples(classes, empties, letters)),
    st.tuples(st.just("dtype"), st.tuples(codes, flags, flags)),
)


@settings(max_examples=1500, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=st.lists(calls, min_size=1, max_size=4))
def test_calls_that_fit_are_those_of_the_contract(sp: ModuleType, drawn: list[tuple[str, Any]]) -> None:
    usual = sys.modules[f"{sp.__name__}.decoding.usual_arrays"]
    arrays = usual.UsualArrays()
    for which, args in drawn:
        module, name, target = PAIRS[which]
        if arrays.fits(usual.usual_call(module, name, target), args):
            assert CONTRACTS[module, name].check(args, {}) is None


items = st.sampled_from([[], [1], [1, 2], [1, 2, 3]])
versions = st.sampled_from([1, 0, 2, True, Number(1), None])
array_states = st.tuples(versions, shapes, dtypes, flags, raw | items | st.just("12345678"))
filled = [lambda: np.zeros(2), lambda: np.zeros(0), lambda: np.zeros(3, "i1"), lambda: placeholder().view(Derived)]
arrays_of_state = st.sampled_from([placeholder, *filled])
endians = st.sampled_from(["<", ">", "|", "=", "<>", "", b"<", Text("<"), "x"])
sizes = st.sampled_from([-1, 0, 8, 16, 2**31, None, Number(-1), -1.0])
masks = st.sampled_from([0, 0x3F, 8, 16, -1, 0x80, None, Number(0), False])
others = st.sampled_from([None, ("a",), {"a": (np.dtype("f8"), 0)}, (np.dtype("f8"), (2,))])
dtype_states = st.tuples(
    st.sampled_from([3, 4, 2, Number(3)]), endians, st.none() | others, st.none() | others, st.none() | others,
    sizes, sizes, masks,
)  # fmt: skip
#: Structures, nearly all of them right but for one part, and dates and times.
names_of_fields = st.sampled_from(
    [("a", "b"), ("a",), ("a", "a"), ("a", "c"), (Text("a"), "b"), ["a", "b"], (), ("a", 1)]
)
types_of_fields = st.sampled_from(
    [np.dtype("f8"), np.dtype("i4"), np.dtype("O"), np.dtype("S3"), np.dtype("V0"), np.dtype([("x", "i4")]), "f8", None]
)
fields_of_one = st.tuples(types_of_fields, st.sampled_from([0, 0, 4, 8, 9, 16, -1, True, Number(0), 2**70]))
keys_of_fields = st.sampled_from(["a", "b", "c", Text("b"), 1])
record_states = st.tuples(
    st.sampled_from([3, 3, 4]), st.just("|") | endians, st.none() | others, names_of_fields,
    st.dictionaries(keys_of_fields, fields_of_one | st.tuples(types_of_fields, st.just(0), st.just("t")), max_size=3)
    | st.fixed_dictionaries({"a": fields_of_one, "b": fields_of_one}),
    st.sampled_from([16, 16, 8, 0, -1, 2**40]), st.sampled_from([1, 1, 8, 3, 0, -1, 128, 2**20]), masks,
)  # fmt: skip
units = st.tuples(
    st.sampled_from([b"s", b"us", "us", b"xx", Text("s"), None]),
    *[st.sampled_from([1, 1, 1, 0, -1, 2**31, True, Number(1)])] * 3,
) | st.sampled_from([(b"s", 1, 1), [b"s", 1, 1, 1], None])
time_states = st.tuples(
    st.sampled_from([4, 4, 3]), endians, st.none() | others, st.none() | others, st.none() | others,
    st.sampled_from([-1, -1, 8]), st.sampled_from([-1, -1, 8]), masks,
    st.tuples(st.sampled_from([None, None, {}, ()]), units) | st.sampled_from([None, {}]),
)  # fmt: skip
dtypes_of_state = st.sampled_from(
    [lambda: np.dtype("f8", False, True), lambda: np.dtype("O", False, True), lambda: np.dtype("V8", False, True),
     lambda: np.dtype("V0", False, True), lambda: np.dtype("f8"), lambda: np.dtype("O"), lambda: np.dtype("M8"),
     lambda: np.dtype("V16", False, True), lambda: np.dtype("M8", False, True), lambda: np.dtype("m8", False, True)]
)  # fmt: skip


@settings(max_examples=1500, suppress_health_check=[HealthCheck.too_slow])
@given(
    drawn=st.one_of(
        st.tuples(st.just("array"), arrays_of_state, array_states),
        st.tuples(st.just("dtype"), dtypes_of_state, dtype_states | record_states | time_states),
    )
)
def test_states_that_fit_are_those_of_the_contract(sp: ModuleType, drawn: tuple[str, Any, Any]) -> None:
    usual = sys.modules[f"{sp.__name__}.decoding.usual_arrays"]
    which, make, state = drawn
    obj = make()
    module, name, _ = PAIRS[which]
    known = usual.usual_state(module, name, type(obj))
    weight = usual.UsualArrays().weigh_state(known, obj, state) if known else -1
    if weight >= 0:
        contract = STATES[module, name]
        assert contract.refusal_to_set(obj, state) is None
        assert weight == (0 if contract.weigh is None else contract.weigh(state))


PARTS = (3, "|", None, ("a", "b"), {"a": (np.dtype("f8"), 0), "b": (np.dtype("i4"), 8)}, 16, 8, 16)


@pytest.mark.parametrize(
    ("place", "other"),
    [
        (3, ("a", "a")), (3, ("a", "c")), (3, ("a",)), (3, ["a", "b"]), (3, None), (4, None), (4, ()), (6, 3), (6, 0),
        (6, -8), (7, 0x3F), (7, 1), (5, 8), (5, 24), (0, 4), (4, {"a": (np.dtype("f8"), 0), "b": None}),
        (4, {"a": (np.dtype("f8"), 0), "b": (np.dtype("i4"), 13)}),
        (4, {"a": (np.dtype("f8"), -1), "b": PARTS[4]["b"]}),
        (4, {"a": (np.dtype("O"), 0), "b": (np.dtype("i4"), 8)}), (4, {"a": (np.dtype("V0"), 0), "b": PARTS[4]["b"]}),
        (4, {"a": (np.dtype("f8"), 0), "b": "i4"}), (4, {"a": (np.dtype("f8"), 0), Text("b"): (np.dtype("i4"), 8)}),
        (2, (np.dtype("f8"), (2,))),
    ],
    ids=str,
)  # fmt: skip
def test_a_structure_that_is_right_but_for_one_part(sp: ModuleType, place: int, other: Any) -> None:
    usual = sys.modules[f"{sp.__name__}.decoding.usual_arrays"]
    arrays = usual.UsualArrays()
    state = (*PARTS[:place], other, *PARTS[place + 1 :])
    for parts, fits in ((PARTS, True), (state, False)):
        dtype = np.dtype("V16", False, True)
        known = usual.usual_state("numpy", "dtype", type(dtype))
        refusal = STATES["numpy", "dtype"].refusal_to_set(dtype, parts)
        assert (arrays.weigh_state(known, dtype, parts) >= 0) is fits
        assert refusal is None or not fits


def test_what_picklers_write_fits(sp: ModuleType) -> None:
    usual = sys.modules[f"{sp.__name__}.decoding.usual_arrays"]
    arrays = usual.UsualArrays()
    for value in (np.arange(3), np.zeros((2, 3)), np.float64(1), np.dtype("i4"), np.dtype("U3"), np.dtype("M8[ns]")):
        reduced = value.__reduce_ex__(5)
        func, args = reduced[:2]
        if isinstance(value, np.dtype):
            args = (*args[:2], True)
        module, name = func.__module__, func.__qualname__
        assert arrays.fits(usual.usual_call(module, name, func), args), func
    func, args, state = np.arange(3).__reduce__()
    assert arrays.fits(usual.usual_call(func.__module__, func.__qualname__, func), args)
    known = usual.usual_state(func.__module__, func.__qualname__, np.ndarray)
    assert arrays.weigh_state(known, func(*args), state) == 24
    for dtype in (np.dtype("f4"), np.dtype([("a", "i8"), ("b", "?")]), np.dtype("M8[us]"), np.dtype("m8[10s]")):
        func, args, state = dtype.__reduce__()
        known = usual.usual_state("numpy", "dtype", type(dtype))
        # numpy 1 writes a dict where numpy 2 has None, and that is the contract's.
        is_older = dtype.kind in "mM" and state[-1][0] is not None
        assert arrays.weigh_state(known, func(args[0], False, True), state) == (-1 if is_older else 0), dtype


# ---- what a stream may try ---------------------------------------------------------------------------------


class Again:
    """Gives state to what was written before."""

    def __init__(self, target: Any, state: Any) -> None:
        self.target = target
        self.state = state


class Writer(pickle._Pickler):  # type: ignore[misc, name-defined]
    """Writes what no pickler does."""

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if type(obj) is Again:
            super().save(obj.target)
            super().save(obj.state)
            self.write(pickle.BUILD)
        else:
            super().save(obj, save_persistent_id)


def written(obj: Any) -> bytes:
    file = io.BytesIO()
    Writer(file, 4).dump(obj)
    return file.getvalue()


def _of(dtype: Any, size: int) -> Made:
    return Made(FROM, (bytes(size), dtype, (1,), "C"))


def test_a_dtype_that_a_call_changed_is_looked_at_again(sp: ModuleType) -> None:
    rules = [Rule(module=__name__, name="grow", rights=Right.CALL)]
    policy = NUMPY | Policy(name="careless", rules=rules)
    dtype = np.dtype("V8", False, True)
    assert len(sp.loads(pickle.dumps([_of(dtype, 8), _of(dtype, 8)], 4), policy=policy)) == 2
    with pytest.raises(PolicyError, match="exactly its 8 bytes"):
        sp.loads(pickle.dumps([_of(dtype, 8), Made(grow, (dtype,)), _of(dtype, 8)], 4), policy=policy)


def test_state_that_came_after_the_look_is_looked_at(sp: ModuleType) -> None:
    """The dtype was seen with its array, then the stream gives it state of its own: another size, objects, a base."""
    for state in (
        (3, "|", None, None, None, 16, 1, 0),
        (3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 27),
        (3, "|", (np.dtype("f8"), (2,)), None, None, 16, 8, 0),
    ):
        dtype = np.dtype("V8", False, True)
        with pytest.raises(PolicyError, match="its state is refused"):
            sp.loads(written([_of(dtype, 8), Again(dtype, state), _of(dtype, 8)]), policy=NUMPY)


@pytest.mark.parametrize(
    "value",
    [
        Made(FROM, (bytes(16), np.dtype("f8"), (3,), "C")),
        Made(FROM, (bytes(16), np.dtype("f8"), (-2,), "C")),
        Made(FROM, (bytes(8), np.dtype("O"), (1,), "C")),
        Made(FROM, (bytes(8), Made(np.dtype, ("V0", False, True)), (1,), "C")),
        Made(SCALAR, (np.dtype("f8"), b"1234567")),
        Made(SCALAR, (np.dtype("O"), b"12345678")),
        Made(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (2,), np.dtype("f8"), False, b"12345678")),
        Made(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (1,), np.dtype("O"), False, b"12345678")),
        Made(np.dtype, ("f8", False, False), (3, ">", None, None, None, -1, -1, 0)),
        Made(np.dtype, ("f8", False, True), (3, "<", None, None, None, -1, -1, 63)),
    ],
)
def test_one_that_is_wrong_among_many_that_are_right(sp: ModuleType, value: Any) -> None:
    right = [np.arange(3.0), np.float64(2), np.array([1], object), np.zeros((2, 2), order="F")]
    for protocol in (4, 5):
        with pytest.raises(PolicyError):
            sp.loads(pickle.dumps([right, value, right], protocol), policy=NUMPY)


def test_an_array_that_has_its_data_gets_no_other(sp: ModuleType) -> None:
    array = np.arange(3)
    with pytest.raises(PolicyError, match="its state already"):
        sp.loads(written([array, Again(array, (1, (1,), np.dtype("i8"), False, bytes(8)))]), policy=NUMPY)


def test_what_was_made_by_one_rule_is_not_changed_by_another(sp: ModuleType) -> None:
    """An array from a buffer takes no state, also where others of its class did."""
    made = [Made(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (1,), np.dtype("i1"), False, b"1"))]
    state = (1, (1,), np.dtype("i1"), False, b"2")
    for before in ([], made):
        data = pickle.dumps([*before, Made(FROM, (b"1", np.dtype("i1"), (1,), "C"), state)], 4)
        with pytest.raises(PolicyError, match="build"):
            sp.loads(data, policy=NUMPY)


def test_an_array_keeps_hold_of_its_buffer(sp: ModuleType) -> None:
    buffer = bytearray(800)
    data = pickle.dumps(np.zeros(100), 5, buffer_callback=lambda _: None)
    array = sp.loads(data, buffers=[buffer], policy=NUMPY)
    with pytest.raises(BufferError):
        buffer.clear()
    buffer[7] = 0x40
    assert array[0] == 2.0
    assert array.flags.writeable


def test_many_arrays_are_paid_for(sp: ModuleType) -> None:
    data = pickle.dumps([np.float64(number) for number in range(10_000)], 5)
    with pytest.raises(SafePickleError, match="max_memory"):
        sp.loads(data, policy=NUMPY, limits=Limits(max_memory=2_000_000))
    assert len(sp.loads(data, policy=NUMPY, limits=Limits(max_memory=8_000_000))) == 10_000


@pytest.mark.parametrize("dtype", [np.dtype("S20000"), np.dtype("V20000"), np.dtype("U5000")], ids=str)
def test_scalars_that_share_their_bytes_are_paid_for(sp: ModuleType, dtype: Any) -> None:
    data = bytes(b"a\0\0\0" * 5000)
    stream = pickle.dumps([Made(SCALAR, (dtype, data)) for _ in range(500)], 4)
    assert len(stream) < 50_000
    with pytest.raises(SafePickleError, match="max_memory"):
        sp.loads(stream, policy=NUMPY, limits=Limits(max_memory=2_000_000))
    assert len(sp.loads(stream, policy=NUMPY, limits=Limits(max_memory=20_000_000))) == 500


BASE = (3, "|", (np.dtype("i4"), (2,)), None, None, 8, 4, 0)


def test_what_has_fields_and_a_base_is_not_filled_ahead(sp: ModuleType) -> None:
    """Such an array has more dimensions than its shape says: opcode by opcode it would be another one."""
    arrays = sys.modules[f"{sp.__name__}.decoding.usual_arrays"].UsualArrays()
    dtype = pickle.loads(pickle.dumps(np.dtype([("a", "i4"), ("b", "f4")])))
    assert arrays.may_be_filled(dtype, 4, 32)
    arrays.forget()
    dtype.__setstate__(BASE)
    assert dtype.names
    assert dtype.subdtype
    assert not arrays.may_be_filled(dtype, 4, 32)


def test_memory_is_of_no_dtype_with_a_base(sp: ModuleType) -> None:
    made = Made(FROM, (bytearray(32), np.dtype(("i4", (2,))), (4,), "C"))
    with pytest.raises(ValueError, match="reshape"):
        pickle.loads(pickle.dumps(made))
    with pytest.raises(sp.errors.PolicyError, match="its type is an array itself"):
        sp.loads(pickle.dumps(made), policy=NUMPY)
