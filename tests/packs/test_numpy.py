"""The pack for numpy: real arrays go both ways, and nothing that numpy would crash on gets to it."""

from __future__ import annotations

import copyreg
import pickle
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from packs.arrays import numpy_objects  # noqa: E402
from packs.trips import PROTOCOLS, holds, loads_real, real_files  # noqa: E402

from safepickle.errors import LimitError, PolicyError, SafePickleError  # noqa: E402
from safepickle.limits import Limits  # noqa: E402
from safepickle.policy.rules import Policy  # noqa: E402

NUMPY = Policy.packs("numpy")
#: Where numpy 2 keeps what numpy 1 has in `core`.
CORE = np._core if hasattr(np, "_core") and hasattr(np._core, "numeric") else np.core
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    OBJECTS = numpy_objects()


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_objects_go_both_ways(sp: ModuleType, name: str, protocol: int) -> None:
    holds(sp, NUMPY, OBJECTS[name], protocol)


@pytest.mark.parametrize("path", real_files("numpy"), ids=lambda path: path.stem)
def test_real_files(sp: ModuleType, path: Path) -> None:
    loads_real(sp, NUMPY, path)


def test_names_before_numpy_2(sp: ModuleType) -> None:
    data = pickle.dumps(np.arange(3), 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert sp.loads(data, policy=NUMPY).tolist() == [0, 1, 2]


def test_out_of_band_buffers(sp: ModuleType) -> None:
    buffers: list[Any] = []
    data = pickle.dumps(np.arange(5.0), 5, buffer_callback=buffers.append)
    assert sp.loads(data, policy=NUMPY, buffers=buffers).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(PolicyError, match="exactly its 8 bytes"):
        sp.loads(data, policy=NUMPY, buffers=[b"12345678"])


def test_arrays_of_objects_hold_only_what_is_allowed(sp: ModuleType) -> None:
    with pytest.raises(PolicyError, match="Path"):
        sp.loads(pickle.dumps(np.array([Path("a")], object)), policy=NUMPY)


class Made:
    """Reduces to what it is given."""

    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        return self.reduced


def _reconstructed(state: Any, cls: Any = np.ndarray, shape: Any = (0,), code: Any = b"b") -> Made:
    return Made(CORE.multiarray._reconstruct, (cls, shape, code), state)


def _dtype(code: Any, *state: Any, copy: Any = True) -> Made:
    return Made(np.dtype, (code, False, copy), state or None)


F8, I1, O8 = np.dtype("f8"), np.dtype("i1"), np.dtype("O")
FROM = CORE.numeric._frombuffer
SCALAR = CORE.multiarray.scalar
BITS = np.random._pickle.__dict__["__bit_generator_ctor"]
SEEDED = np.zeros(4, "u4")
SEEDS = np.random.bit_generator.__dict__["__pyx_unpickle_SeedSequence"]
KEY = np.zeros(624, "u4")


def _mt(**more: Any) -> Any:
    state = {"key": KEY, "pos": 5} | more
    return Made(BITS, ("MT19937",), ({"bit_generator": "MT19937", "state": state}, None))


def _philox(**more: Any) -> Any:
    state = {
        "bit_generator": "Philox", "buffer": np.zeros(4, "u8"), "buffer_pos": 1, "has_uint32": 0, "uinteger": 0,
        "state": {"counter": np.zeros(4, "u8"), "key": np.zeros(2, "u8")},
    }  # fmt: skip
    return Made(BITS, ("Philox",), (state | more, None))


HOSTILE: dict[str, Any] = {
    # Arrays.
    "huge shape": _reconstructed((1, (10**12,), F8, False, b"")),
    "negative shape": _reconstructed((1, (-1,), F8, False, b"")),
    "two negative lengths": _reconstructed((1, (-1, -8), F8, False, b"12345678")),
    "overflowing shape": _reconstructed((1, (2**33, 2**33), F8, False, b"")),
    "empty and overflowing shape": _reconstructed((1, (0, 2**40, 2**40), F8, False, b"")),
    "shape of floats": _reconstructed((1, (1.0,), F8, False, b"12345678")),
    "shape as list": _reconstructed((1, [1], F8, False, b"12345678")),
    "too many dimensions": _reconstructed((1, (1,) * 65, F8, False, b"12345678")),
    "less data than the shape says": _reconstructed((1, (2,), F8, False, b"12345678")),
    "more data than the shape says": _reconstructed((1, (1,), F8, False, b"1234567890")),
    "objects from bytes": _reconstructed((1, (1,), O8, False, b"\1" * 8)),
    "fewer objects than the shape says": _reconstructed((1, (2,), O8, False, [1])),
    "huge shape of objects": _reconstructed((1, (10**12,), O8, False, [1])),
    "numbers from a list": _reconstructed((1, (1,), F8, False, [1.0])),
    "no dtype": _reconstructed((1, (1,), "f8", False, b"12345678")),
    "state of 3": _reconstructed(((1,), F8, b"12345678")),
    "state is no tuple": _reconstructed({"a": 1}),
    "unknown version": _reconstructed((9, (1,), F8, False, b"12345678")),
    "order": _reconstructed((1, (1,), F8, "yes", b"12345678")),
    "reconstructed with a shape": _reconstructed(None, shape=(10**10,)),
    "reconstructed with another type": _reconstructed(None, code="O"),
    "reconstructed of another class": Made(CORE.multiarray._reconstruct, (np.dtype, (0,), b"b")),
    "buffer and shape": Made(FROM, (b"12345678", F8, (2,), "C")),
    "buffer and a negative length": Made(FROM, (b"12345678", F8, (-1,), "C")),
    "buffer of objects": Made(FROM, (b"12345678", O8, (1,), "C")),
    "buffer is text": Made(FROM, ("12345678", F8, (1,), "C")),
    "order of a buffer": Made(FROM, (b"12345678", F8, (1,), "X")),
    "axes of a buffer": Made(FROM, (b"12345678", F8, (1,), "K", (5,))),
    "axes twice": Made(FROM, (b"12345678", F8, (1, 1), "K", (0, 0))),
    "scalar without data": Made(SCALAR, (F8, b"")),
    "scalar of objects": Made(SCALAR, (O8, b"12345678")),
    "scalar with an object": Made(SCALAR, (O8, [1])),
    "scalar of no dtype": Made(SCALAR, ("f8", b"12345678")),
    "masked with a huge shape": Made(np.ma.core._mareconstruct, (np.ma.MaskedArray, np.ndarray, (0,), "b"),
                                     (1, (10**12,), F8, False, b"", b"", None)),
    "mask of another length": Made(np.ma.core._mareconstruct, (np.ma.MaskedArray, np.ndarray, (0,), "b"),
                                   (1, (1,), F8, False, b"12345678", b"\0\0", None)),
    "masked with several fill values": Made(
        np.ma.core._mareconstruct, (np.ma.MaskedArray, np.ndarray, (0,), "b"),
        (1, (2,), np.dtype("i1"), False, b"\0" * 2, b"\0" * 2, np.array([1, 2]))),
    "masked of another class": Made(np.ma.core._mareconstruct, (np.ma.MaskedArray, np.dtype, (0,), "b")),
    "masked constant with arguments": Made(np.ma.core.MaskedConstant, ([1],)),
    # Dtypes.
    "shared dtype changed": _dtype("f8", 3, ">", None, None, None, -1, -1, 0, copy=False),
    "dtype by its class": _dtype(np.float64),
    "dtype of commas": _dtype("f8,f8"),
    "dtype of a list": _dtype([("a", "f8")]),
    "flags of objects on numbers": _dtype("f8", 3, "<", None, None, None, -1, -1, 63),
    "flags of objects on void": _dtype("V8", 3, "|", None, None, None, 8, 1, 63),
    "objects without flags": _dtype("O8", 3, "|", None, None, None, -1, -1, 0),
    "size of a number": _dtype("f8", 3, "<", None, None, None, 800, 1, 0),
    "no alignment": _dtype("V8", 3, "|", None, ("a",), {"a": (np.dtype(("i2", (2,))), 0)}, 8, 0, 16),
    "negative alignment": _dtype("V8", 3, "|", None, None, None, 8, -1, 0),
    "odd alignment": _dtype("V8", 3, "|", None, None, None, 8, 3, 0),
    "negative size": _dtype("V8", 3, "|", None, None, None, -8, 1, 0),
    "size of text": _dtype("U1", 3, "<", None, None, None, 3, 4, 8),
    "field outside": _dtype("V8", 3, "|", None, ("a",), {"a": (F8, 4)}, 8, 1, 16),
    "negative offset": _dtype("V8", 3, "|", None, ("a",), {"a": (F8, -8)}, 8, 1, 16),
    "field is no dtype": _dtype("V8", 3, "|", None, ("a",), {"a": ("f8", 0)}, 8, 1, 16),
    "field that is not named": _dtype("V8", 3, "|", None, ("a",), {"a": (F8, 0), "b": (F8, 0)}, 8, 1, 16),
    "name without a field": _dtype("V8", 3, "|", None, ("a", "b"), {"a": (F8, 0)}, 8, 1, 16),
    "names twice": _dtype("V8", 3, "|", None, ("a", "a"), {"a": (F8, 0)}, 8, 1, 16),
    "names without fields": _dtype("V8", 3, "|", None, ("a",), None, 8, 1, 16),
    "names of no text": _dtype("V8", 3, "|", None, (1,), {1: (F8, 0)}, 8, 1, 16),
    "fields of a number": _dtype("f8", 3, "<", None, ("a",), {"a": (F8, 0)}, -1, -1, 16),
    "objects in a structure": np.array([(1, "a")], [("a", "i4"), ("b", "O")]),
    "objects as the base": _dtype("V8", 3, "|", (O8, (1,)), None, None, 8, 1, 63),
    "another size than the code's": _dtype("V8", 3, "|", None, None, None, 16, 1, 0),
    "objects under numbers": _dtype("V8", 3, "|", None, ("a", "b"), {"a": (F8, 0), "b": (O8, 0)}, 8, 1, 27),
    "objects under objects, shifted": _dtype("V12", 3, "|", None, ("a", "b"), {"a": (O8, 0), "b": (O8, 4)}, 12, 1, 27),
    "fields of objects without flags": _dtype("V8", 3, "|", None, ("a",), {"a": (O8, 0)}, 8, 1, 16),
    "base of another size": _dtype("V8", 3, "|", (F8, (1000,)), None, None, 8, 1, 0),
    "base of negative shape": _dtype("V8", 3, "|", (F8, (-1,)), None, None, 8, 1, 0),
    "base is no dtype": _dtype("V8", 3, "|", ("f8", (1,)), None, None, 8, 1, 0),
    "state of 5": _dtype("f8", 3, "<", None, None, None),
    "version 2": _dtype("f8", 2, "<", None, None, None, -1, -1, 0),
    "byte order": _dtype("f8", 3, "xx", None, None, None, -1, -1, 0),
    "order of a number that has none": _dtype("f8", 3, "|", None, None, None, -1, -1, 0),
    "order of the machine": _dtype("f8", 3, "=", None, None, None, -1, -1, 0),
    "order of objects": _dtype("O8", 3, ">", None, None, None, -1, -1, 63),
    "order of bytes": _dtype("S3", 3, "<", None, None, None, 3, 1, 0),
    "order of one byte": _dtype("?", 3, ">", None, None, None, -1, -1, 0),
    "order of a record": _dtype("V1", 3, ">", None, ("a",), {"a": (np.dtype("?"), 0)}, 1, 1, 16),
    "record without the flag that asks for the lock": _dtype(
        "V8", 3, "|", None, ("a",), {"a": (np.dtype("?"), 0)}, 8, 1, 0),
    "a character of no size": _dtype("c", 3, "|", None, None, None, -1, -1, 0),
    "unit of time": _dtype("M8", 4, "<", None, None, None, -1, -1, 0, ({}, (b"parsec", 1, 1, 1))),
    "negative unit": _dtype("M8", 4, "<", None, None, None, -1, -1, 0, ({}, (b"s", -1, 1, 1))),
    "times without a unit": _dtype("M8", 3, "<", None, None, None, -1, -1, 0),
    "metadata": _dtype("f8", 4, "<", None, None, None, -1, -1, 0, [1]),
    "array of no size": _reconstructed((1, (10**6,), np.dtype("V0"), False, b"")),
    "matrix of one dimension": _reconstructed((1, (1,), F8, False, b"12345678"), np.matrix),
    "matrix of three dimensions": _reconstructed((1, (1, 1, 1), F8, False, b"12345678"), np.matrix),
    "matrix of objects in a row": _reconstructed((1, (1,), O8, False, [1]), np.matrix),
    "buffer of a dtype that is an array": Made(FROM, (b"12345678", np.dtype(("i4", (2,))), (1,), "C")),
    "buffer of no size": Made(FROM, (b"", np.dtype("V0"), (10**6,), "C")),
    "scalar of no size": Made(SCALAR, (np.dtype("V0"), b"")),
    "field of no size": _dtype("V8", 3, "|", None, ("a",), {"a": (np.dtype("V0"), 8)}, 8, 1, 16),
    # Random generators.
    "position outside of the key": _mt(pos=10**6),
    "negative position": _mt(pos=-1),
    "short key": _mt(key=np.zeros(5, "u4")),
    "key of other numbers": _mt(key=np.zeros(624)),
    "position outside of the buffer": _philox(buffer_pos=50),
    "negative position in the buffer": _philox(buffer_pos=-5),
    "short buffer": _philox(buffer=np.zeros(1, "u8")),
    "generator of another class": Made(BITS, (np.dtype,)),
    "unknown generator": Made(BITS, ("system",)),
    "generator around no bits": Made(np.random._pickle.__dict__["__generator_ctor"], (5,)),
    "generator from a callable": Made(np.random._pickle.__dict__["__generator_ctor"], (np.random.PCG64(), np.dtype)),
    "random state from no bits": Made(np.random._pickle.__dict__["__randomstate_ctor"], (np.dtype,)),
    "pool of another size": Made(SEEDS, (np.random.SeedSequence, 65708578, None), (5, 0, np.zeros(4, "u4"), 400, ())),
    **{
        f"seeded with {kind}": Made(SEEDS, (np.random.SeedSequence, 65708578, None), (seed, 0, SEEDED, 4, ()))
        for kind, seed in {
            "less than none": np.int64(-1), "a fraction": np.float64(1), "fractions": np.ones(2),
            "objects": np.array([1], object), "a table": np.ones((2, 2), int), "fractions in a list": [1.5],
        }.items()
    },
    "pool is no array": Made(SEEDS, (np.random.SeedSequence, 65708578, None), (5, 0, [0] * 4, 4, ())),
    "seeds with state at once": Made(SEEDS, (np.random.SeedSequence, 65708578, (5, 0, KEY, 4, ()))),
    "seeds of another class": Made(SEEDS, (np.dtype, 65708578, None)),
    # What the pack leaves out.
    "load": Made(np.load, ("x",)),
    "fromfile": Made(np.fromfile, ("x",)),
    "memmap": Made(np.memmap, ("x",)),
    "frombuffer": Made(np.frombuffer, (b"12345678",)),
    "array": Made(np.array, ([1],)),
    "zeros": Made(np.zeros, (10**12,)),
    "ndarray called": Made(np.ndarray, ((10**12,),)),
    "ndarray made": Made(copyreg.__newobj__, (np.ndarray, (10**12,))),
    "scalar class called": Made(np.float64, ([1],)),
}  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_arguments_are_refused(sp: ModuleType, name: str, protocol: int) -> None:
    made = HOSTILE[name]
    if name == "ndarray made":
        data = b"\x80\x02cnumpy\nndarray\n(L1000000000000L\ntR." if protocol == 2 else (
            b"\x80\x04cnumpy\nndarray\nL1000000000000L\n\x85\x85\x81."
        )
    else:
        data = pickle.dumps(made, protocol)
    with pytest.raises(PolicyError) as caught:
        sp.loads(data, policy=NUMPY)
    assert str(caught.value).isprintable()
    assert caught.value.denials[0].module.split(".")[0] in ("numpy", "_codecs")


def test_an_array_of_objects_is_not_in_itself(sp: ModuleType) -> None:
    """Numpy would add, compare and copy it by recursion without end."""
    inner, outer = np.empty(1, object), np.empty(2, object)
    outer[:] = [inner, np.zeros(0, "i1")]
    for protocol in (2, 5):
        assert sp.loads(pickle.dumps(outer, protocol), policy=NUMPY)[1].size == 0
    assert sp.loads(sp.dumps(outer, policy=NUMPY), policy=NUMPY)[1].size == 0
    inner[0] = inner
    for value in (inner, outer):
        for protocol in (2, 5):
            with pytest.raises(PolicyError, match="waits for its data, or is the array itself"):
                sp.loads(pickle.dumps(value, protocol), policy=NUMPY)
    matrix = np.empty((1, 1), object).view(np.matrix)
    matrix[0, 0] = matrix
    with pytest.raises(PolicyError, match="waits for its data, or is the array itself"):
        sp.loads(pickle.dumps(matrix, 5), policy=NUMPY)
    inner[0] = outer
    with pytest.raises(PolicyError, match="waits for its data, or is the array itself"):
        sp.loads(pickle.dumps(outer, 5), policy=NUMPY)


def test_an_array_gets_its_data_once(sp: ModuleType) -> None:
    """What was checked of it would not hold any longer for those who looked at it."""
    data = pickle.dumps(np.arange(3.0), 2)
    assert sp.loads(data, policy=NUMPY).tolist() == [0, 1, 2]
    twice = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85C\x01btR"
    twice += b"(K\x01K\x01\x85cnumpy\ndtype\n(X\x02\0\0\0i1\x89\x88tR\x89C\x01atb"
    assert sp.loads(b"\x80\x03" + twice + b".", policy=NUMPY).tolist() == [97]
    twice += b"(K\x01K\x02\x85cnumpy\ndtype\n(X\x02\0\0\0i1\x89\x88tR\x89C\x02abtb."
    with pytest.raises(PolicyError, match="already"):
        sp.loads(b"\x80\x03" + twice, policy=NUMPY)


@pytest.mark.parametrize("cut", range(0, 120, 3))
def test_no_change_of_a_byte_gets_more_than_a_refusal(sp: ModuleType, cut: int) -> None:
    """An array of a structure, one byte changed: it loads, or it is refused in our own words."""
    data = bytearray(pickle.dumps(OBJECTS["structured"], 2))
    if cut >= len(data):
        pytest.skip("shorter than that")
    for change in (1, 0x40, 0x80):
        wrong = bytes(data[:cut]) + bytes([data[cut] ^ change]) + bytes(data[cut + 1 :])
        try:
            sp.loads(wrong, policy=NUMPY)
        except SafePickleError as error:
            assert str(error).isprintable()


def test_a_copy_of_data_is_paid_for(sp: ModuleType) -> None:
    """Arrays in the other byte order are copied out of their data: D16 with arrays."""
    raw = bytes(2**20)
    array = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85C\x01btR"
    array += b"(K\x01J\0\0\x02\0\x85h\x01\x89h\0tb0"
    dtype = b"cnumpy\ndtype\n(X\x02\0\0\0f8\x89\x88tR(K\x03X\x01\0\0\0>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tbq\x010"
    data = b"\x80\x03B" + len(raw).to_bytes(4, "little") + raw + b"q\x000" + dtype + array + b"N."
    assert sp.loads(data, policy=NUMPY) is None
    with pytest.raises(LimitError, match="max_memory"):
        sp.loads(data, policy=NUMPY, limits=Limits(max_memory="1600 KiB"))


def make_dtype() -> Any:
    """Stands for a function of the application's."""
    return np.dtype("V8")


@pytest.mark.parametrize(
    ("function", "state"),
    [
        (make_dtype, (3, "|", None, None, None, 16, 1, 0)),
        (make_dtype, (3, "|", None, None, None, 8, 0, 0)),
    ],
)
def test_state_of_what_a_function_gave_is_held_to_the_contract_of_its_base(sp: Any, function: Any, state: Any) -> None:
    """Dtypes are of classes derived from numpy.dtype, which has the one ``__setstate__``."""
    rule = sp.policy.rules.Rule(
        module=__name__, name=function.__name__, rights=sp.policy.rights.Right.CALL | sp.policy.rights.Right.BUILD
    )
    policy = sp.Policy.packs("numpy") | sp.Policy(name="mine", rules=[rule])
    with pytest.raises(sp.PolicyError, match="state is refused"):
        sp.loads(pickle.dumps(Made(function, (), state)), policy=policy)


def test_so_many_generators_and_no_more(sp: ModuleType) -> None:
    """Each is seeded from the system before it is given its state: 100 kB of them took seconds."""
    for count, allowed in ((1000, True), (1001, False)):
        data = pickle.dumps([Made(BITS, ("PCG64",)) for _ in range(count)])
        if allowed:
            assert len(sp.loads(data, policy=NUMPY)) == count
            continue
        with pytest.raises(PolicyError, match="at most 1000 in one load"):
            sp.loads(data, policy=NUMPY)
