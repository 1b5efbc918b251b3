"""Arrays that are made of the bytes to come, without a turn of the loop for each opcode: as the loop makes them."""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import sys
from functools import wraps
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

np = pytest.importorskip("numpy")

from decoding.left_behind import left_by  # noqa: E402
from packs.test_usual_arrays import NUMPY, Again, written  # noqa: E402

from safepickle.errors import LimitError, PolicyError, SafePickleError  # noqa: E402
from safepickle.limits import Limits  # noqa: E402
from safepickle.policy.rights import Right, Rule  # noqa: E402
from safepickle.policy.rules import Policy  # noqa: E402

RECORD = np.dtype([("a", "<i4"), ("b", "<f8")])
BASED = np.dtype(("<i4", (2,)))
CODES = ("<f8", "<i8", "i1", "?", "<c16", "<f2", ">i4", "M8[us]", "m8[3s]", "S3", "<U2", "V5", "O")
DTYPES = [*map(np.dtype, CODES), RECORD]
#: Of items so many bytes, on both sides of what numpy copies.
shapes = st.sampled_from([(1,), (3,), (2, 3), (2, 2, 2), (1, 1, 1, 1), (0,), (), (300,), (65536,), (20, 1000)])


def array_of(dtype: Any, shape: tuple[int, ...], number: int) -> Any:
    size = int(np.prod(shape)) * dtype.itemsize
    if dtype.hasobject:
        return np.full(shape, number, dtype)
    if dtype.char == "U":
        return np.full(shape, "xy", dtype)
    return np.frombuffer(bytearray((number + place) % 2 for place in range(size)), dtype).reshape(shape).copy()


def same(one: Any, other: Any) -> bool:
    return (
        type(one) is type(other)
        and one.dtype == other.dtype
        and one.dtype.byteorder == other.dtype.byteorder
        and one.shape == other.shape
        and one.tobytes() == other.tobytes()
        and one.flags.writeable == other.flags.writeable
        and one.flags.owndata == other.flags.owndata
    )


drawn_arrays = st.lists(st.tuples(st.sampled_from(DTYPES), shapes), min_size=1, max_size=5)


@given(drawn=drawn_arrays, protocol=st.sampled_from([2, 3, 4]), ours=st.booleans())
def test_arrays_are_those_of_pickle(sp: ModuleType, drawn: list[Any], protocol: int, ours: bool) -> None:
    arrays = [array_of(dtype, shape, number) for number, (dtype, shape) in enumerate(2 * drawn)]
    writer = sp.dumps if ours else pickle.dumps
    data = writer(arrays, protocol, **({"policy": NUMPY} if ours else {}))
    for one, other in zip(sp.loads(data, policy=NUMPY), pickle.loads(data), strict=True):
        assert one.tolist() == other.tolist() if one.dtype.hasobject else same(one, other)


def states_of(sp: ModuleType, data: bytes, limits: Limits, fills: bool) -> tuple[int, dict[str, Any]]:
    """Return how many arrays were made at once, if they may be, and what a machine is left with."""

    def show(arrays: Any) -> Any:
        return [array.tolist() for array in arrays]

    return left_by(sp, data, NUMPY, "fill", ahead=fills, limits=limits, show=show)


def written_out(data: bytes) -> bytes:
    """Return a pickle of arrays as safepickle writes it: the letter is not taken from the memo."""
    for opcode, _, place in reversed(list(pickletools.genops(data))):
        if opcode.name == "FRAME" and place is not None:
            data = data[:place] + data[place + 9 :]
    return re.sub(rb"(\x85(?:\x94|q.)?)h.\x87", lambda found: found[1] + b"C\1b\x87", data, flags=re.DOTALL)


@given(drawn=drawn_arrays, protocol=st.sampled_from([2, 4]), ours=st.booleans())
def test_the_machine_is_left_as_the_loop_leaves_it(sp: ModuleType, drawn: list[Any], protocol: int, ours: bool) -> None:
    if sp.COMPILED:
        pytest.skip("looks into the machine")
    arrays = [array_of(dtype, shape, number) for number, (dtype, shape) in enumerate(3 * drawn)]
    data = pickle.dumps(arrays, protocol)
    data = written_out(data) if ours else data
    at_once, one_by_one = states_of(sp, data, Limits(), True), states_of(sp, data, Limits(), False)
    assert at_once[1] == one_by_one[1]


@given(
    bounds=st.fixed_dictionaries(
        {},
        optional={
            "max_memory": st.integers(4000, 12_000),
            "max_objects": st.integers(10, 80),
            "max_opcodes": st.integers(50, 260),
            "max_calls": st.integers(1, 25),
            "max_memo": st.integers(10, 90),
            "max_string": st.sampled_from([10, 159, 160]),
            "max_depth": st.integers(2, 9),
            "max_items": st.sampled_from([3, 5, 10]),
        },
    )
)
def test_limits_are_met_where_the_loop_meets_them(sp: ModuleType, bounds: dict[str, int]) -> None:
    if sp.COMPILED:
        pytest.skip("looks into the machine")
    data = pickle.dumps([np.arange(20) + number for number in range(10)], 4)
    at_once, one_by_one = (states_of(sp, data, Limits(**bounds), fills) for fills in (True, False))
    assert at_once[1]["value"] == one_by_one[1]["value"]


@pytest.mark.parametrize(("count", "least", "most"), [(20, 2000, 6000), (200, 8000, 20_000)])
def test_memory_is_refused_at_the_same_byte(sp: ModuleType, count: int, least: int, most: int) -> None:
    """Also of arrays that are so long that numpy keeps their data, which is noted."""
    if sp.COMPILED:
        pytest.skip("looks into the machine")
    data = pickle.dumps([np.arange(count) + number for number in range(4)], 4)
    for bound in range(least, most, 3):
        limits = Limits(max_memory=bound)
        at_once, one_by_one = (states_of(sp, data, limits, fills) for fills in (True, False))
        assert at_once[1]["value"] == one_by_one[1]["value"]


def test_arrays_are_made_at_once(sp: ModuleType) -> None:
    """Else the other tests compare the loop with itself."""
    if sp.COMPILED:
        pytest.skip("looks into the machine")
    data = pickle.dumps([np.arange(20) + number for number in range(10)], 4)
    assert states_of(sp, data, Limits(), True)[0] == 9
    assert states_of(sp, written_out(data), Limits(), True)[0] == 9


# ---- what a stream may try ---------------------------------------------------------------------------------

#: Where an array of 20 bytes has its shape, and its data.
SHAPE, DATA = b"(K\x01K\x14\x85\x94h", b"\x89C\x14"


def stream(place: bytes, other: bytes, *, dtype: str = "i1") -> bytes:
    """Return a pickle of five arrays of 20 items, the fourth of which has something else at a place."""
    data = pickle.dumps([np.full(20, number, dtype) for number in range(5)], 4)
    parts = data.split(place)
    assert len(parts) >= 4, "a place that every array has"
    place_of_fourth = len(place.join(parts[:-2]))
    changed = data[:place_of_fourth] + other + data[place_of_fourth + len(place) :]
    size = int.from_bytes(changed[3:11], "little") + len(changed) - len(data)
    return changed[:3] + size.to_bytes(8, "little") + changed[11:]


@pytest.mark.parametrize(
    ("place", "other"),
    [
        (SHAPE, b"(K\x01K\x15\x85\x94h"),
        (SHAPE, b"(K\x01K\x13\x85\x94h"),
        (SHAPE, b"(K\x01J\xec\xff\xff\xff\x85\x94h"),
        (SHAPE, b"(K\x01K\x00\x85\x94h"),
        (SHAPE, b"(K\x02K\x14\x85\x94h"),
        (SHAPE, b"(K\x01K\x0aK\x03\x86\x94h"),
        (SHAPE, b"(K\x01J\x00\x00\x00\x40J\x00\x00\x00\x40J\x00\x00\x00\x40\x87\x94h"),
        (b"K\x00\x85\x94h", b"K\x01\x85\x94h"),
    ],
)
def test_a_hostile_array_among_others_is_refused(sp: ModuleType, place: bytes, other: bytes) -> None:
    assert len(sp.loads(stream(place, place), policy=NUMPY)) == 5
    with pytest.raises(PolicyError, match="refused"):
        sp.loads(stream(place, other), policy=NUMPY)


def test_bytes_in_place_of_a_dtype_are_refused(sp: ModuleType) -> None:
    data = pickle.dumps([np.full(20, number, "i1") for number in range(5)], 4)
    first = data.index(b"\x85\x94h", data.index(b"\x89C\x14"))  # the second array's arguments
    shape = data.index(b"(K\x01K\x14\x85\x94h", first)
    dtype = data[shape + 8]
    for other in range(dtype):
        changed = data[: shape + 8] + bytes([other]) + data[shape + 9 :]
        with pytest.raises(PolicyError, match=r"refused|no rule|right"):
            sp.loads(changed, policy=NUMPY)


def test_a_dtype_of_objects_takes_no_bytes(sp: ModuleType) -> None:
    """Eight bytes are as long as a pointer, and would be one."""
    with pytest.raises(PolicyError, match="list of the 2 objects"):
        sp.loads(mixed("O8", "O", bytes(16)), policy=NUMPY)


def mixed(code: str, char: str, raw: bytes) -> bytes:
    """Return a pickle of arrays of ints, and one of another dtype with bytes for its items."""
    dtype = np.dtype(code, False, True)
    array = np.zeros(2, dtype)
    state = (1, (2,), dtype, False, raw)
    assert dtype.char == char
    func, args = array.__reduce__()[:2]
    ints = [np.arange(2) + number for number in range(3)]

    class Odd:
        def __reduce__(self) -> Any:
            return func, args, state

    return pickle.dumps([*ints, dtype, Odd(), *ints], 4)


def test_numbers_in_another_order_are_swapped(sp: ModuleType) -> None:
    arrays = [np.array([1, 2, 3], ">i4") + number for number in range(4)]
    found = sp.loads(pickle.dumps(arrays, 4), policy=NUMPY)
    assert [array.tolist() for array in found] == [[1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6]]
    orders = [{array.dtype.byteorder for array in some} for some in (found, pickle.loads(pickle.dumps(arrays, 4)))]
    assert orders[0] == orders[1]


def test_a_dtype_with_a_base_gives_arrays_of_its_size(sp: ModuleType) -> None:
    """numpy.empty would take the base's shape for further dimensions."""
    data = mixed("V8", "V", bytes(16))
    assert len(sp.loads(data, policy=NUMPY)) == 8
    based = pickle.dumps([*[np.arange(3) + n for n in range(3)], BASED], 4)
    assert sp.loads(based, policy=NUMPY)[-1] == BASED


def test_a_dtype_that_changes_is_looked_at_again(sp: ModuleType) -> None:
    """Between two arrays the stream gives their dtype state: another size."""
    for state in ((3, "|", None, None, None, 16, 1, 0), (3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 27)):
        dtype = np.dtype([("a", "<i8")])
        arrays = [np.zeros(3, dtype) for _ in range(3)]
        with pytest.raises(PolicyError, match="its state is refused"):
            sp.loads(written([*arrays, Again(dtype, state), np.zeros(3, dtype)]), policy=NUMPY)


def test_a_dtype_that_is_forgotten_is_looked_at_again(sp: ModuleType) -> None:
    arrays = sys.modules[f"{sp.__name__}.decoding.usual_arrays"].UsualArrays()
    dtype = np.dtype([("a", "<i8")])
    assert arrays.may_be_filled(dtype, 2, 16)
    assert not arrays.may_be_filled(dtype, 2, 15)
    dtype.__setstate__((3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 27))
    arrays.forget()
    assert not arrays.may_be_filled(dtype, 2, 16)
    for other in [np.dtype(f"V{size}") for size in range(1, 40)]:
        assert not arrays.may_be_filled(other, 1, other.itemsize)


@pytest.mark.parametrize("right", [Right.CALL, Right.BUILD])
def test_rights_are_asked_for(sp: ModuleType, right: Right) -> None:
    """A rule that lacks one, under which the first array is refused, lets no other through either."""
    module, name = np.zeros(1).__reduce__()[0].__module__, "_reconstruct"
    rest = Right.CALL | Right.BUILD | Right.REFER
    rules = [
        Rule(module=module, name=name, rights=rest & ~right),
        Rule(module="numpy", name="ndarray", rights=Right.REFER),
        Rule(module="numpy", name="dtype", rights=Right.CALL | Right.BUILD),
    ]
    data = pickle.dumps([np.arange(3) + number for number in range(4)], 4)
    with pytest.raises(PolicyError) as caught:
        sp.loads(data, policy=Policy(name="less", rules=rules))
    assert right.label in {denial.right for denial in caught.value.denials}


def with_last(value: bytes) -> bytes:
    """Return a pickle of three arrays, then something else."""
    data = pickle.dumps([np.full(20, number, "i1") for number in range(3)], 4)
    changed = data[:-2] + value + b"e."
    return changed[:3] + (len(changed) - 11).to_bytes(8, "little") + changed[11:]


#: What the second array and those behind it begin with, in all pickles of this page: function, class, and b"b".
CALLED, CLASS, LETTER, DTYPE = b"h\x03", b"h\x06", b"h\x08", b"h\x10"
BEHIND = b"K\x00\x85" + LETTER + b"\x87R(K\x01K\x14\x85" + DTYPE + b"\x89C\x14" + bytes(20) + b"tb"
#: Once more; behind the last array there is too little that it could be made at once.
MORE = CALLED + CLASS + BEHIND


def test_arrays_of_another_class_are_of_that_class(sp: ModuleType) -> None:
    assert sp.loads(with_last(MORE + MORE), policy=NUMPY)[-1].tolist() == [0] * 20
    place = bytes([with_last(b"").count(b"\x94")])
    memoized = b"cnumpy\nrecarray\n\x940" + CALLED + b"h" + place + BEHIND
    again = CALLED + b"h" + place + BEHIND
    found = sp.loads(with_last(memoized + again + MORE + MORE), policy=NUMPY)
    assert [type(array) for array in found[-4:]] == [np.recarray, np.recarray, np.ndarray, np.ndarray]


def test_a_class_that_may_not_appear_is_refused(sp: ModuleType) -> None:
    """It is known, because it has been called: the right to be an argument is another one."""
    rules = [Rule(module="numpy.ma.core", name="ndarray", rights=Right.CALL)]
    policy = NUMPY | Policy(name="calls", rules=rules)
    place = bytes([with_last(b"").count(b"\x94")])
    called = b"cnumpy.ma.core\nndarray\n\x94K\x01\x85R"
    assert len(sp.loads(with_last(called), policy=policy)) == 4
    with pytest.raises(PolicyError) as caught:
        sp.loads(with_last(called + CALLED + b"h" + place + BEHIND + MORE + MORE), policy=policy)
    assert {(denial.name, denial.right) for denial in caught.value.denials} == {("ndarray", "refer")}


@pytest.mark.parametrize(("name", "protocol"), [("_reconstruct", 4), ("_frombuffer", 5)])
def test_what_find_class_gives_is_called_for_each_array(sp: ModuleType, name: str, protocol: int) -> None:
    """A function of the application's own: it may refuse any of them. It looks like numpy's."""
    data = pickle.dumps([np.arange(3.0) for _ in range(5)], protocol)
    made = []

    class Counting(sp.Unpickler):  # type: ignore[misc,name-defined]
        def find_class(self, module: str, wanted: str) -> Any:
            found = super().find_class(module, wanted)

            @wraps(found)
            def counted(*args: Any) -> Any:
                made.append(args)
                return found(*args)

            return counted if wanted == name else found

    assert len(Counting(io.BytesIO(data), policy=NUMPY).load()) == 5
    assert len(made) == 5


def test_many_arrays_are_paid_for(sp: ModuleType) -> None:
    data = pickle.dumps([np.arange(20) + number for number in range(2000)], 4)
    for bounds in ({"max_memory": 1_500_000}, {"max_calls": 3000}, {"max_objects": 9000}, {"max_memo": 5000}):
        with pytest.raises(LimitError, match=next(iter(bounds))):
            sp.loads(data, policy=NUMPY, limits=Limits(**bounds))
    assert len(sp.loads(data, policy=NUMPY)) == 2000


def test_a_pickle_that_ends_within_an_array_is_refused(sp: ModuleType) -> None:
    data = pickle.dumps([np.arange(20) + number for number in range(3)], 2)
    for end in range(2, len(data) - 1):
        with pytest.raises(SafePickleError):
            sp.loads(data[:end], policy=NUMPY)


def test_what_was_made_is_in_the_memo(sp: ModuleType) -> None:
    """Whoever refers to it later gets it: array, shape, data and state."""
    data = pickle.dumps([np.arange(20) + number for number in range(3)], 4)
    memo = data.count(b"\x94") - 1
    for back, kind in ((0, tuple), (1, bytes), (2, tuple), (3, np.ndarray), (4, tuple), (5, tuple)):
        head, tail = data[:-2], b"h" + bytes([memo - back]) + b"e."
        changed = head + tail
        changed = changed[:3] + (len(changed) - 11).to_bytes(8, "little") + changed[11:]
        found = sp.loads(changed, policy=NUMPY)
        expected = pickle.loads(changed)
        assert type(found[-1]) is type(expected[-1]) is kind
        if kind is np.ndarray:
            assert found[-1] is found[-2]
        else:
            assert repr(found[-1]) == repr(expected[-1])
