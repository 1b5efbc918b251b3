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
    given = [bytes((0x68, number)) + b"(K\x03" + text("|") + state + b"K\x01K\x01K\x00tb0" for number, state in states]
    call = text("numpy") + text("dtype") + b"\x93q\xff"
    return b"\x80\x04" + call + b"0" + b"".join(b"h\xff" + one for one in made) + b"".join(given)


def fields(*numbers: int) -> bytes:
    """Return the fields of a dtype's state: each is one of the dtypes, and all of them are the same byte."""
    names = [text(f"f{place}") for place in range(len(numbers))]
    items = [name + bytes((0x68, number)) + b"K\x00\x86" for name, number in zip(names, numbers, strict=True)]
    return b"N(" + b"".join(names) + b"t}(" + b"".join(items) + b"u"


def base(number: int) -> bytes:
    return bytes((0x68, number)) + b"K\x01\x85\x86NN"


def test_dtypes_are_not_in_themselves(sp: ModuleType) -> None:
    """Numpy would hash, compare and copy such a one until the stack ends, and the process with it."""
    for state in (fields, base):
        for start in (dtypes(1, (0, state(0))), dtypes(2, (1, state(0)), (0, state(1)))):
            with pytest.raises(PolicyError, match="itself among them"):
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


#: From above: each gets its state when it is part of another one by now.
FROM_ABOVE = [(number, fields(number - 1, number - 1)) for number in range(17, 0, -1)]


def test_a_dtype_as_a_key_costs_what_hashing_it_visits(sp: ModuleType) -> None:
    data = dtypes(18, *FROM_ABOVE)
    limits = Limits(max_hash_work=10_000)
    assert sp.loads(data + b"h\x11.", policy=NUMPY, limits=limits).itemsize == 1
    assert len(sp.loads(data + b"}h\x05Ns.", policy=NUMPY, limits=limits)) == 1
    with pytest.raises(LimitError) as error:
        sp.loads(data + b"}h\x11Ns.", policy=NUMPY, limits=limits)
    assert error.value.limit == "max_hash_work"


def test_a_mask_is_of_few_parts(sp: ModuleType) -> None:
    """Numpy makes a dtype for the mask too, of each part anew."""
    start = dtypes(18, *FROM_ABOVE) + text("numpy.ma.core") + text("_mareconstruct") + b"\x93("
    start += text("numpy.ma") + text("MaskedArray") + b"\x93" + text("numpy") + text("ndarray") + b"\x93"
    start += b"K\x00\x85C\x01bt"
    for number, fits in ((5, True), (17, False)):
        data = start + b"R(K\x01K\x01\x85" + bytes((0x68, number)) + b"\x89C\x01\x01C\x20" + bytes(32) + b"Nt"
        data += b"b."
        if fits:
            assert sp.loads(data, policy=NUMPY).shape == (1,)
        else:
            with pytest.raises(PolicyError, match="too many parts"):
                sp.loads(data, policy=NUMPY)
