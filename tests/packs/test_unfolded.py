"""Names that are hashed, texts and lists that are taken apart, dtypes that are walked: where nobody counts (D06).

What is shared in a tuple, a list or a dtype is visited as often as it is there: twice, four times, eight times.
"""

from __future__ import annotations

import copyreg
import importlib
import pickle
from types import ModuleType
from typing import Any

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")

from packs.test_libraries import NEW_INDEX, PANDAS, Made, frame  # noqa: E402

from safepickle.errors import LimitError, PolicyError  # noqa: E402
from safepickle.limits import Limits  # noqa: E402
from safepickle.policy.rules import Policy  # noqa: E402

NUMPY = Policy.packs("numpy")
INTERVALS = importlib.import_module("pandas.core.indexes.interval").__dict__["_new_IntervalIndex"]
TIMES = importlib.import_module("pandas.core.indexes.datetimes").__dict__["_new_DatetimeIndex"]
NUMBERS, DAYS = np.arange(2), np.zeros(2, "M8[ns]")
LEVEL = pd.Index(["a"])
CODE = np.zeros(1, "i1")


def tower(levels: int, make: Any) -> Any:
    found = make(())
    for _ in range(levels):
        found = make((found, found))
    return found


NAME = tower(11, tuple)


def arrow(held: Any) -> Made:
    """Return an array of pandas around anything."""
    state = {"_pa_array": held, "_dtype": pd.ArrowDtype(pa.int64())}
    return Made(copyreg._reconstructor, (pd.arrays.ArrowExtensionArray, object, None), state)  # type: ignore[attr-defined]


def index(kind: Any, **fields: Any) -> Made:
    return Made(NEW_INDEX, (kind, fields))


UNFOLDED = {
    "name": index(pd.Index, data=NUMBERS, name=NAME),
    "name of a range": index(pd.RangeIndex, start=0, stop=3, step=1, name=NAME),
    "name of intervals": Made(INTERVALS, (pd.IntervalIndex, {"left": NUMBERS, "right": NUMBERS, "name": NAME})),
    "name of times": Made(TIMES, (pd.DatetimeIndex, {"data": DAYS, "name": NAME, "tz": None, "freq": None})),
    "name of a level": index(pd.MultiIndex, levels=[LEVEL], codes=[CODE], names=[NAME]),
    "names of levels": index(pd.MultiIndex, levels=[LEVEL], codes=[CODE], names=NAME),
    "name of a frame": frame(name=NAME),
    "attributes of a frame": frame(attrs=[NAME]),
    "what a frame has attributes for": frame(_metadata=[NAME]),
    "flags of a frame": frame(_flags=NAME),
    "lists as intervals": Made(INTERVALS, (pd.IntervalIndex, {"left": tower(8, list), "right": tower(8, list)})),
    "a range as intervals": Made(INTERVALS, (pd.IntervalIndex, {"left": range(9), "right": range(9)})),
    "lists of Arrow": arrow([range(9)]),
    "text as a frequency": index(pd.PeriodIndex, data=NUMBERS, freq="1" * 50 + "D"),
    "text as the frequency of times": index(pd.DatetimeIndex, data=DAYS, freq="1" * 50 + "D"),
    "text as the frequency of a period": Made(pd.Period, (None, " " * 50 + "D", 1)),
    "part of an offset": Made(pd.DateOffset, (), {"n": 1, "normalize": False, "months": NAME}),
    "parts of an offset": Made(pd.DateOffset, (), {"n": 1, "normalize": False, "_cache": {"_params": NAME}}),
    "a file as a zone": index(pd.DatetimeIndex, data=DAYS, tz="dateutil//etc/hostname"),
    "text as a zone": Made(TIMES, (pd.DatetimeIndex, {"data": DAYS, "tz": "UTC", "freq": None})),
}


@pytest.mark.parametrize("name", UNFOLDED)
def test_what_pandas_would_hash_or_take_apart_is_refused(sp: ModuleType, name: str) -> None:
    with pytest.raises(PolicyError, match="refused"):
        sp.loads(pickle.dumps(UNFOLDED[name]), policy=PANDAS)


def test_names_that_frames_have_pass(sp: ModuleType) -> None:
    time = pd.Timestamp("2020-01-01", tz="UTC")
    names = ["a", 1, 2.5, None, True, ("a", 1), (("a", time), None), time, time.date(), np.int64(3), np.str_("b")]
    for name in [*names, pd.Timedelta(1), pd.Period("2020", "D"), pd.Interval(0, 1), pd.NaT, frozenset]:
        found = sp.loads(pickle.dumps(pd.Index([1, 2], name=name)), policy=PANDAS | Policy.packs("stdlib"))
        assert found.name is name or found.name == name
    series = pd.Series([1], name=("a", 1), index=pd.MultiIndex.from_tuples([(1, 2)], names=["x", ("y", 2)]))
    found = sp.loads(pickle.dumps(series), policy=PANDAS)
    assert found.name == ("a", 1)
    assert list(found.index.names) == ["x", ("y", 2)]


# ---- dtypes ------------------------------------------------------------------------------------------------


def text(value: str) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def dtypes(count: int, *states: tuple[int, bytes]) -> bytes:
    """Return a pickle's beginning: dtypes of one byte in the memo, then the state of some."""
    made = [text("V1") + b"\x89\x88\x87R" + bytes((0x71, number)) + b"0" for number in range(count)]
    given = [bytes((0x68, number)) + b"(K\x03" + text("|") + state + b"tb0" for number, state in states]
    call = text("numpy") + text("dtype") + b"\x93q\xff"
    return b"\x80\x04" + call + b"0" + b"".join(b"h\xff" + one for one in made) + b"".join(given)


def fields(*numbers: int) -> bytes:
    """Return the fields of a dtype's state: each is one of the dtypes, and all of them are the same byte."""
    names = [text(f"f{place}") for place in range(len(numbers))]
    items = [name + bytes((0x68, number)) + b"K\x00\x86" for name, number in zip(names, numbers, strict=True)]
    return b"N(" + b"".join(names) + b"t}(" + b"".join(items) + b"uK\x01K\x01K\x10"


def base(number: int) -> bytes:
    return bytes((0x68, number)) + b"K\x01\x85\x86NNK\x01K\x01K\x00"


def test_dtypes_are_not_in_themselves(sp: ModuleType) -> None:
    """Numpy would hash, compare and copy such a one until the stack ends, and the process with it."""
    for state in (fields, base):
        for start in (dtypes(1, (0, state(0))), dtypes(2, (1, state(0)), (0, state(1)))):
            with pytest.raises(PolicyError, match=r"itself among them|something was made with it"):
                sp.loads(start + b"h\x00.", policy=NUMPY)


def test_dtypes_have_few_parts(sp: ModuleType) -> None:
    levels = [(number, fields(number - 1, number - 1)) for number in range(1, 15)]
    assert sp.loads(dtypes(12, *levels[:11]) + b"h\x0b.", policy=NUMPY).names == ("f0", "f1")
    with pytest.raises(PolicyError, match="too many parts"):
        sp.loads(dtypes(15, *levels) + b"h\x0e.", policy=NUMPY)
    wide = np.dtype([(f"f{number}", "i4") for number in range(20_000)])
    assert sp.loads(pickle.dumps(wide), policy=NUMPY) == wide


def test_dtypes_are_not_deep(sp: ModuleType) -> None:
    for state in (fields, base):
        levels = [(number, state(number - 1)) for number in range(1, 100)]
        assert sp.loads(dtypes(20, *levels[:19]) + b"h\x13.", policy=NUMPY).itemsize == 1
        with pytest.raises(PolicyError, match="too many parts"):
            sp.loads(dtypes(100, *levels) + b"h\x63.", policy=NUMPY)


def test_parts_of_dtypes_are_paid_for(sp: ModuleType) -> None:
    """Any number of dtypes may share one that has many, which is looked through for each of them."""
    levels = [(number, fields(number - 1, number - 1)) for number in range(1, 12)]
    many = [(number, fields(11)) for number in range(12, 200)]
    limits = Limits(max_memory=20_000_000)
    sp.loads(dtypes(12, *levels) + b"h\x0b.", policy=NUMPY, limits=limits)
    with pytest.raises(LimitError) as error:
        sp.loads(dtypes(200, *levels, *many) + b"h\x0b.", policy=NUMPY, limits=limits)
    assert error.value.limit == "max_memory"


def test_a_dtype_as_a_key_costs_what_hashing_it_visits(sp: ModuleType) -> None:
    data = dtypes(12, *[(number, fields(number - 1, number - 1)) for number in range(1, 12)])
    limits = Limits(max_hash_work=1000)
    assert sp.loads(data + b"h\x0b.", policy=NUMPY, limits=limits).itemsize == 1
    assert len(sp.loads(data + b"}h\x05Ns.", policy=NUMPY, limits=limits)) == 1
    with pytest.raises(LimitError) as error:
        sp.loads(data + b"}h\x0bNs.", policy=NUMPY, limits=limits)
    assert error.value.limit == "max_hash_work"


#: A dtype of two bytes, in the memo as 1, and how one like it is given state.
NUMBER = text("numpy") + text("dtype") + b"\x93q\x00" + text("i2") + b"\x89\x88\x87Rq\x010"
SWAPPED = b"h\x01(K\x03" + text(">") + b"NNNJ" + b"\xff" * 4 + b"J" + b"\xff" * 4 + b"K\x00tb0"
MULTIARRAY = text(f"numpy.{'_core' if np.__version__ >= '2' else 'core'}.multiarray")
EMPTY = MULTIARRAY + text("_reconstruct") + b"\x93" + text("numpy") + text("ndarray") + b"\x93K\x00\x85C\x01b\x87R"
#: What makes something with that dtype; the array of two items is made before.
USES = {
    "an array": b"(K\x01K\x02\x85h\x01\x89C\x04\x01\x00\x02\x00tb",
    "a scalar": b"0" + MULTIARRAY + text("scalar") + b"\x93h\x01C\x02\x01\x00\x86R",
    "another dtype": b"0h\x00" + text("V2") + b"\x89\x88\x87R(K\x03" + text("|") + b"N" + text("a")
    + b"\x85}" + text("a") + b"h\x01K\x00\x86sK\x02K\x01K\x10tb",
    "its state": b"0" + SWAPPED + b"N",
}  # fmt: skip


@pytest.mark.parametrize("use", USES)
def test_a_dtype_gets_its_state_before_it_is_used(sp: ModuleType, use: str) -> None:
    """What was looked at of an array's items would not hold any longer: here, in which order their bytes are."""
    start = b"\x80\x04" + EMPTY + NUMBER
    assert sp.loads(start + SWAPPED + b".", policy=NUMPY).size == 0
    assert sp.loads(start + USES[use] + b".", policy=NUMPY) is None or use != "its state"
    with pytest.raises(PolicyError, match="something was made with it"):
        sp.loads(start + USES[use] + b"0" + SWAPPED + b"N.", policy=NUMPY)


class Plain:
    """Making an instance needs no questions."""


def test_a_dtype_gets_its_state_before_any_instance_is_made(sp: ModuleType) -> None:
    """Whatever has been made in this load before, or under this policy."""
    rules = f'schema = 1\n[globals]\n"{__name__}:Plain" = ["new"]\n"numpy:dtype" = ["call", "build", "refer"]\n'
    plain = text(__name__) + text("Plain") + b"\x93)\x810"
    dtype = text("numpy") + text("dtype") + b"\x93" + text("i2") + b"\x89\x88\x87R"
    given = b"(K\x03" + text("<") + b"NNNJ" + b"\xff" * 4 + b"J" + b"\xff" * 4 + b"K\x00tb."
    policy = Policy.from_text(rules)
    for _ in range(2):
        for before in (b"", plain):
            assert sp.loads(b"\x80\x04" + before + dtype + given, policy=policy) == np.dtype("i2")
            with pytest.raises(PolicyError, match="something was made with it"):
                sp.loads(b"\x80\x04" + before + dtype + plain + given, policy=policy)
            with pytest.raises(PolicyError, match="something was made with it"):
                sp.loads(b"\x80\x04" + before + dtype + plain + given, policy=Policy.from_text(rules))
        assert sp.loads(b"\x80\x04" + plain + b"N.", policy=policy) is None


def test_a_dtype_gets_its_state_before_arrays_are_made_at_once_with_it(sp: ModuleType) -> None:
    arrays = [np.arange(20, dtype="i2") + number for number in range(3)]
    func, args = arrays[0].__reduce__()[:2]

    class Bare:
        def __reduce__(self) -> Any:
            return np.dtype, ("i2", False, True)

    class Filled:
        def __reduce__(self) -> Any:
            return func, args, (1, (20,), bare, False, bytes(40))

    bare = Bare()
    data = pickle.dumps([*arrays, bare, Filled()], 4)
    # Without its frame, as it gets longer.
    data = data[:2] + data[11:]
    assert sp.loads(data, policy=NUMPY)[4].size == 20
    shape = data.rindex(b"K\x14\x85\x94h")
    given = data[shape + 4 : shape + 6] + SWAPPED[2:]
    with pytest.raises(PolicyError, match="something was made with it"):
        sp.loads(data[:-2] + given + data[-2:], policy=NUMPY)


def test_fields_of_a_dtype_stay_as_they_were(sp: ModuleType) -> None:
    """Numpy keeps the dict that it is given: moved, a field would lie outside, where its array would write."""
    start = b"\x80\x04" + NUMBER + b"}q\x02" + text("a") + b"h\x01K\x00\x86s0"
    made = b"h\x00" + text("V2") + b"\x89\x88\x87Rq\x03(K\x03" + text("|") + b"N" + text("a") + b"\x85h\x02"
    made += b"K\x02K\x01K\x10tb"
    moved = b"h\x02" + text("a") + b"h\x01M\x00\x40\x86s0"
    for given in (made + b"0" + moved + b"h\x03.", made + moved + b"."):
        dtype = sp.loads(start + given, policy=NUMPY)
        assert dtype.fields["a"][1] == 0
        assert np.zeros(1, dtype)["a"].tolist() == [0]
