"""The pack for joblib: real files load as joblib loads them, and nothing in one makes numpy do what is not paid for."""

from __future__ import annotations

import bz2
import gzip
import importlib
import inspect
import io
import lzma
import os
import pickle
import subprocess
import sys
import warnings
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

np = pytest.importorskip("numpy", reason="numpy is not installed: joblib's files are arrays of it")

from packs.arrays import numpy_objects  # noqa: E402
from packs.trips import REAL, bounded, edited, same, unshared  # noqa: E402
from policy.world import Keeping  # noqa: E402
from real.make.library_files import arrays  # noqa: E402

from safepickle import UNLIMITED, Limits, Policy  # noqa: E402
from safepickle.errors import (  # noqa: E402
    FormatError,
    InternalError,
    LimitError,
    PolicyError,
    SafePickleError,
    ShapeError,
    TrailingDataError,
    TruncatedError,
)

try:
    import joblib
except ImportError:
    joblib = None

needs_joblib = pytest.mark.skipif(joblib is None, reason="joblib is not installed")
PACK = Policy.packs("joblib")
COMPRESSORS = ("zlib", "gzip", "bz2", "xz", "lzma")


@pytest.fixture(scope="session")
def files(sp: ModuleType) -> ModuleType:
    return importlib.import_module(f"{sp.__name__}.integrations.joblib_files")


def dumped(value: Any, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    joblib.dump(value, file, **options)
    file.seek(0)
    return file


# ---- real files ------------------------------------------------------------------------------------------------

ARRAYS = sorted(path for path in REAL.glob("joblib_arrays.*") if path.suffix != ".lz4")


def expected_arrays(loaded: Any, *, native: bool = True) -> dict[str, Any]:
    expected = arrays()
    if native:
        expected["big-endian"] = expected["big-endian"].astype("=i4")
    # Some versions of numpy write no metadata as an empty dict, others as None.
    assert loaded["times"].dtype == expected["times"].dtype
    expected["times"] = expected["times"].astype(loaded["times"].dtype)
    return expected


def joblib_loads(file: Any) -> Any:
    """Load as joblib does, leaving the order of bytes alone where it can be told to."""
    told = "ensure_native_byte_order" in inspect.signature(joblib.load).parameters
    return joblib.load(file, ensure_native_byte_order=False) if told else joblib.load(file)


@pytest.mark.parametrize("path", ARRAYS, ids=lambda path: path.name)
def test_real_files(files: ModuleType, path: Path) -> None:
    value = files.load(path, policy=PACK)
    same(value, expected_arrays(value))
    assert value["fortran"].flags.f_contiguous
    assert all(array.flags.writeable for array in value.values() if isinstance(array, np.ndarray))


def test_there_are_real_files_of_each_kind() -> None:
    assert len(ARRAYS) == 8


def test_lz4_where_it_is_installed(files: ModuleType) -> None:
    path = REAL / "joblib_arrays.joblib.lz4"
    if importlib.util.find_spec("lz4") is None:
        with pytest.raises(FormatError, match="install the package lz4"):
            files.load(path, policy=PACK)
    else:
        value = files.load(path, policy=PACK)
        same(value, expected_arrays(value))


@pytest.mark.parametrize("path", ["joblib_pipeline.joblib", "joblib_trees.joblib.gz"])
def test_real_models(files: ModuleType, path: str) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if joblib is not None:
            try:
                joblib.load(REAL / path)
            except (AttributeError, ImportError, TypeError, ValueError) as error:
                pytest.skip(f"joblib cannot read it with what is installed here: {type(error).__name__}")
        model = files.load(REAL / path, policy=Policy.packs("joblib", "scikit-learn"))
    assert len(model.predict(np.zeros((2, 2)))) == 2


def test_the_byte_order_can_be_left(files: ModuleType) -> None:
    value = files.load(REAL / "joblib_arrays.joblib", policy=PACK, native_byte_order=False)
    assert value["big-endian"].dtype == np.dtype(">i4")
    same(value, expected_arrays(value, native=False))


@pytest.mark.parametrize("name", ["joblib_companions.0.9.joblib", "joblib_zfile.0.9.joblib"])
def test_files_before_0_10_are_refused_and_say_so(files: ModuleType, name: str) -> None:
    with pytest.raises((FormatError, PolicyError), match=r"joblib before 0\.10"):
        files.load(REAL / name, policy=PACK)


def test_joblib_and_pickle_are_never_asked(tmp_path: Path) -> None:
    """With a joblib in the way that cannot be imported, and no unpickler of the standard library."""
    (tmp_path / "joblib").mkdir()
    (tmp_path / "joblib" / "__init__.py").write_text("raise AssertionError('joblib was imported')")
    code = f"""
import pickle
def no(*args, **kwargs): raise AssertionError("pickle was called")
import safepickle
from safepickle.integrations import joblib_files
pickle.load = pickle.loads = pickle.Unpickler = pickle._Unpickler = no
value = joblib_files.load({str(REAL / "joblib_arrays.joblib.gz")!r}, policy=safepickle.Policy.packs("joblib"))
assert value["plain"] == (1, "two", b"three")
assert joblib_files.inspect({str(REAL / "joblib_arrays.joblib.gz")!r}).calls
"""
    import safepickle

    path = os.pathsep.join([str(tmp_path), str(Path(safepickle.__file__).resolve().parent.parent)])
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)


# ---- with joblib -----------------------------------------------------------------------------------------------

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    OBJECTS = numpy_objects()


@needs_joblib
@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_objects_load_as_joblib_loads_them(files: ModuleType, name: str, protocol: int) -> None:
    value = {"one": OBJECTS[name], "more": [OBJECTS[name], "text"]}
    file = dumped(value, protocol=protocol)
    expected = joblib.load(file)
    if name == "matrix":
        # joblib forgets the class where numpy 2 is installed.
        expected = value
    file.seek(0)
    same(files.load(file, policy=PACK), expected)


@needs_joblib
@pytest.mark.parametrize("compressor", COMPRESSORS)
@pytest.mark.parametrize("level", [1, 9])
def test_every_compressor(files: ModuleType, compressor: str, level: int) -> None:
    value = [np.arange(100_000), arrays(), "x" * 1000]
    file = dumped(value, compress=(compressor, level))
    same(files.load(file, policy=PACK, native_byte_order=False), value)
    with io.BytesIO() as output:
        files.dump(value, output, policy=PACK, compress=(compressor, level))
        output.seek(0)
        same(joblib_loads(output), value)
        output.seek(0)
        same(files.load(output, policy=PACK, native_byte_order=False), value)


@needs_joblib
def test_estimators_load_as_joblib_loads_them(files: ModuleType) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from packs.estimators import estimators, sparse_objects

    policy = Policy.packs("joblib", "scikit-learn")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, (name, value) in enumerate({**estimators(), **sparse_objects()}.items()):
            file = dumped(value, compress=(COMPRESSORS[number % 5], 1) if number % 2 else 0)
            loaded = files.load(file, policy=policy)
            file.seek(0)
            # With some versions joblib gives arrays of texts another type, or trees other bytes between their fields.
            assert unshared(loaded) in (unshared(value), unshared(joblib.load(file))), name
            if hasattr(value, "predict") and hasattr(value, "n_features_in_"):
                x = np.random.RandomState(1).rand(5, value.n_features_in_)
                assert (loaded.predict(x) == value.predict(x)).all(), name


@needs_joblib
def test_mapped_arrays_are_read_as_others(files: ModuleType, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(5.0))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    same(files.load(dumped([mapped]), policy=PACK), [np.arange(5.0)])


# ---- writing, inspecting ---------------------------------------------------------------------------------------


def test_files_are_written_whole_or_not_at_all(files: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.joblib.gz"
    files.dump([np.arange(3)], path, policy=PACK, compress="gzip")
    before = path.read_bytes()
    with pytest.raises(PolicyError):
        files.dump([os.getcwd], path, policy=PACK)
    assert path.read_bytes() == before
    same(files.load(path, policy=PACK, type=list), [np.arange(3)])
    with pytest.raises(ShapeError):
        files.load(path, policy=PACK, type=dict)
    with pytest.raises(ValueError, match="no such compression"):
        files.dump([], path, compress="rar")


@pytest.mark.parametrize("path", ARRAYS, ids=lambda path: path.name)
def test_inspecting_skips_what_loading_reads(files: ModuleType, path: Path) -> None:
    tree = files.inspect(path)
    assert tree.value["plain"] == (1, "two", b"three")
    assert tree.value["floats"].callee.pair == ("joblib.numpy_pickle", "NumpyArrayWrapper")
    for pair, rights in tree.needs().items():
        rule = PACK.lookup(*pair)
        assert rule is not None, pair
        assert rights & rule.rights == rights, pair


@pytest.mark.parametrize("name", [name for name in OBJECTS if name.startswith(("array", "struct", "datetime"))])
@needs_joblib
def test_inspecting_knows_the_size_of_every_type(files: ModuleType, name: str) -> None:
    assert files.inspect(dumped([OBJECTS[name], "end"])).value[1] == "end"


def test_inspecting_keeps_no_data(files: ModuleType) -> None:
    size = 32 * 2**20
    whole = b"\x80\x02" + header(shape=(size,)) + b"\x01\xff" + bytes(size) + b"."
    packed = io.BytesIO(zlib.compress(whole))
    with bounded(8 * 2**20):
        files.inspect(packed, limits=Limits(max_memory="8 MiB"))


# ---- hostile files ---------------------------------------------------------------------------------------------


def header(**changes: Any) -> bytes:
    state = {
        "subclass": np.ndarray, "shape": (3,), "order": "C", "dtype": np.dtype("u1"), "allow_mmap": True,
        "numpy_array_alignment_bytes": 16, **changes,
    }  # fmt: skip
    state = {key: value for key, value in state.items() if value != "left out"}
    return b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81" + opcodes(state) + b"b"


def opcodes(value: Any) -> bytes:
    """Return what makes a value, without a memo, so that it can stand anywhere."""
    output = io.BytesIO()
    pickler = pickle.Pickler(output, 2)
    pickler.fast = True
    pickler.dump(value)
    return output.getvalue()[2:-1]


def made(data: bytes = b"\x01\xffabc", end: bytes = b".", **changes: Any) -> io.BytesIO:
    return io.BytesIO(b"\x80\x02" + header(**changes) + data + end)


def test_the_form_that_the_hostile_ones_vary_loads(files: ModuleType) -> None:
    same(files.load(made(), policy=PACK), np.frombuffer(b"abc", "u1"))


REFUSED = {
    "negative length": {"shape": (-1,)},
    "no tuple": {"shape": [3]},
    "no int": {"shape": (3.0,)},
    "too many dimensions": {"shape": (1,) * 65},
    "overflow hidden by a zero": {"shape": (2**40, 2**40, 0)},
    "order": {"order": "A"},
    "class of something else": {"subclass": np.float64},
    "class that is no class": {"subclass": None},
    "no dtype": {"dtype": "u1"},
    "class of a dtype": {"dtype": np.ndarray},
    "type without a size": {"dtype": np.dtype("V0")},
    "text without a size": {"dtype": np.dtype("S0")},
    "alignment": {"numpy_array_alignment_bytes": 10**6},
    "no alignment at all": {"numpy_array_alignment_bytes": 0},
    "matrix of one dimension": {"subclass": np.matrix},
    "matrix of three": {"subclass": np.matrix, "shape": (1, 1, 3)},
    "mapping": {"allow_mmap": "r+"},
    "another attribute": {"filename": "/etc/passwd"},
    "a missing attribute": {"dtype": "left out"},
}


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_headers_are_refused(files: ModuleType, name: str) -> None:
    with pytest.raises(PolicyError, match="its state is refused") as caught:
        files.load(made(**REFUSED[name]), policy=PACK)
    assert {denial.right for denial in caught.value.denials} == {"build"}


def test_a_header_takes_no_arguments(files: ModuleType) -> None:
    call = made().getvalue().replace(b"\n)\x81", b"\n(K\x01t\x81", 1)
    with pytest.raises(PolicyError, match="wants no arguments"):
        files.load(io.BytesIO(call), policy=PACK)


def test_data_that_are_not_there_are_not_made_room_for(files: ModuleType) -> None:
    with bounded(10 * 2**20):
        with pytest.raises(TruncatedError):
            files.load(made(shape=(200 * 2**20,)), policy=PACK)
        for changes in ({"shape": (2**50,)}, {"shape": (2**61,), "dtype": np.dtype("V1000000")}):
            with pytest.raises(LimitError, match="max_string"):
                files.load(made(**changes), policy=PACK)
            with pytest.raises(TruncatedError):
                files.load(made(**changes), policy=PACK, limits=UNLIMITED)
            with pytest.raises(LimitError, match="max_string"):
                files.inspect(made(**changes))


def test_arrays_are_paid_for(files: ModuleType) -> None:
    file = io.BytesIO(b"\x80\x02]" + (header(shape=(2**20,)) + b"\x01\xff" + bytes(2**20) + b"a") * 8 + b".")
    with pytest.raises(LimitError, match="max_memory"):
        files.load(file, policy=PACK, limits=Limits(max_memory="8 MiB"))
    file.seek(0)
    assert len(files.load(file, policy=PACK, limits=Limits(max_memory="20 MiB"))) == 8


PADDINGS = {"longer than the alignment": b"\x11" + b"\xff" * 17, "not of 0xff": b"\x02\xff\x00"}


@pytest.mark.parametrize("name", PADDINGS)
def test_nothing_hides_in_padding(files: ModuleType, name: str) -> None:
    with pytest.raises(FormatError, match="padding"):
        files.load(made(PADDINGS[name] + b"abc"), policy=PACK)
    with pytest.raises(FormatError, match="padding"):
        files.inspect(made(PADDINGS[name] + b"abc"))


def test_unpacking_ends_with_the_time(files: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compressed may be one long text: it is all unpacked before the machine sees any of it."""
    packed = io.BytesIO(bz2.compress(b"\x80\x04\x8e" + (2**24).to_bytes(8, "little") + bytes(2**24) + b"."))
    assert len(files.load(packed, policy=PACK, limits=Limits(max_seconds=100, max_string="20 MB"))) == 2**24
    packed.seek(0)
    compression = importlib.import_module(files.PieceSource.__module__)
    clock = iter(range(10**6))
    monkeypatch.setattr(compression, "monotonic", lambda: next(clock))
    with pytest.raises(LimitError, match="max_seconds"):
        files.load(packed, policy=PACK, limits=Limits(max_seconds=10, max_string="20 MB"))


def test_a_header_gets_its_state_once(files: ModuleType) -> None:
    state = opcodes({"shape": (9,)})
    twice = header()[:-1].replace(b")\x81", b")\x81r\xff\x00\x00\x00", 1) + b"b\x01\xffabc0j\xff\x00\x00\x00"
    with pytest.raises(PolicyError, match="its state already"):
        files.load(io.BytesIO(b"\x80\x02" + twice + state + b"b."), policy=PACK)


CHANGES = {"BUILD": b"}b", "SETITEM": b"K\x00K\x05s", "APPEND": b"K\x01a", "ADDITEMS": b"(K\x01\x90"}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("before", ["", "an array that numpy pickled"])
def test_an_array_is_changed_by_no_opcode(files: ModuleType, name: str, before: str) -> None:
    other = opcodes(np.arange(2)) + b"0" if before else b""
    with pytest.raises(PolicyError):
        files.load(io.BytesIO(b"\x80\x02" + other + header() + b"\x01\xffabc" + CHANGES[name] + b"."), policy=PACK)


def test_an_array_does_not_stand_inside_of_a_frame(files: ModuleType) -> None:
    whole = made(data=b"").getvalue()[2:]
    framed = b"\x80\x04\x95" + (len(whole)).to_bytes(8, "little") + whole
    with pytest.raises(FormatError, match="frame goes on"):
        files.load(io.BytesIO(framed + b"\x01\xffabc."), policy=PACK)


def objects(inner: bytes, **changes: Any) -> io.BytesIO:
    return made(inner, dtype=np.dtype(object), **{"shape": (1,), **changes})


def filled(*items: Any) -> Any:
    """Return an array of objects that may be lists."""
    array = np.empty(len(items), object)
    array[:] = items
    return array


class Calls:
    def __reduce__(self) -> Any:
        return os.getcwd, ()


INNER = {
    "calls something": (pickle.dumps(np.array([Calls()], object), 5), PolicyError, "getcwd"),
    "is something else": (pickle.dumps(["a"], 5), FormatError, "not of the array"),
    "has another shape": (pickle.dumps(np.array(["a", "b"], object), 5), FormatError, "not of the array"),
    "has another type": (pickle.dumps(np.array(["a"]), 5), FormatError, "not of the array"),
    "is cut off": (pickle.dumps(np.array(["a"], object), 5)[:-3], FormatError, "cut off|opcode"),
    "takes from the outer stack": (b"\x80\x050.", FormatError, "without a mark"),
    "reads the outer memo": (b"\x80\x02h\x00.", FormatError, "not set"),
}


@pytest.mark.parametrize("name", INNER)
def test_the_pickle_of_an_array_of_objects_is_held_to_the_same(files: ModuleType, name: str) -> None:
    inner, kind, message = INNER[name]
    with pytest.raises(kind, match=message):
        files.load(objects(inner), policy=PACK)


def test_the_pickle_in_a_pickle_has_the_same_budget(files: ModuleType) -> None:
    one = header(dtype=np.dtype(object), shape=(1,)) + pickle.dumps(filled([[], []]), 5)
    limits = Limits(max_objects=100)
    with pytest.raises(LimitError, match="max_objects"):
        files.load(io.BytesIO(b"\x80\x02]" + (one + b"a") * 30 + b"."), policy=PACK, limits=limits)
    with pytest.raises(LimitError, match="max_bytes"):
        files.load(objects(pickle.dumps(np.array(["a" * 500], object), 5)), policy=PACK, limits=Limits(max_bytes=400))


def test_depth_is_counted_through_arrays_of_objects(files: ModuleType) -> None:
    def nested(levels: int) -> Any:
        value: Any = []
        for _ in range(levels):
            value = [value]
        return value

    def file(outer: int) -> io.BytesIO:
        inner = pickle.dumps(filled(nested(60), None), 5)
        body = header(dtype=np.dtype(object), shape=(2,)) + inner
        return io.BytesIO(b"\x80\x02" + b"]" * outer + body + b"a" * outer + b".")

    limits = Limits(max_depth=100)
    files.load(file(20), policy=PACK, limits=limits)
    with pytest.raises(LimitError, match="max_depth"):
        files.load(file(60), policy=PACK, limits=limits)


def test_a_cycle_in_an_array_of_objects_is_walked_in_the_end(files: ModuleType) -> None:
    """It was counted each time that it was closed; nobody knows better before the walk."""
    before, _, after = pickle.dumps(filled([], None), 2).rpartition(b"]q")
    inner = header(dtype=np.dtype(object), shape=(2,)) + before + b"]" + b"2a" * 80 + b"q" + after
    value = files.load(
        io.BytesIO(b"\x80\x02" + b"]" * 40 + inner + b"a" * 40 + b"."), policy=PACK, limits=Limits(max_depth=100)
    )
    for _ in range(40):
        value = value[0]
    assert len(value[0]) == 80
    assert value[0][0] is value[0]


class Kept:
    """Is made of a list that is filled later, as it is in it itself."""

    def __init__(self, given: list[Any]) -> None:
        self.given = given

    def __reduce__(self) -> Any:
        return Keeping, (self.given,)


@pytest.mark.parametrize("more", [1, 2])
def test_what_changes_in_a_pickle_in_a_pickle_is_checked_again(files: ModuleType, more: int) -> None:
    rule = Policy.from_text(
        'schema = 1\n[[allow]]\nmodule = "policy.world"\nnames = ["Keeping"]\nrights = ["call"]\n'
        "args = [{ type = 'list', max_length = 2 }]"
    )
    given: list[Any] = []
    given += [Kept(given), *range(more)]
    file = objects(pickle.dumps(filled(given, None), 5), shape=(2,))
    if more == 1:
        assert type(files.load(file, policy=PACK | rule)[0][0]) is Keeping
        return
    with pytest.raises(PolicyError, match="at the end of the pickle"):
        files.load(file, policy=PACK | rule)


def test_headers_stand_in_the_outermost_pickle(files: ModuleType) -> None:
    """joblib itself reads the inner one with an unpickler that knows no headers, and would see other opcodes."""
    objects_in_objects = header(dtype=np.dtype(object), shape=(1,)) + pickle.dumps(np.array(["a"], object), 5)
    for inner in (objects_in_objects, header() + b"\x01\xffabc"):
        for read in (files.inspect, lambda file: files.load(file, policy=PACK)):
            with pytest.raises(FormatError, match="inside of the pickle"):
                read(objects(b"\x80\x02" + inner + b"."))


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["set", "cut", "copy", "wide"]), st.floats(0, 1, exclude_max=True), st.integers(0, 255)
    ),
    min_size=1, max_size=4,
)  # fmt: skip
SAMPLES = {path.name: path.read_bytes() for path in ARRAYS if path.suffix == ".joblib"}


@given(st.sampled_from(sorted(SAMPLES)), EDITS)
def test_damaged_files_give_a_value_or_an_error_of_ours(files: ModuleType, name: str, edits: list[Any]) -> None:
    data = edited(SAMPLES[name], edits)
    for read in (files.inspect, lambda file: files.load(file, policy=PACK, limits=Limits(max_memory="64 MiB"))):
        try:
            read(io.BytesIO(data))
        except InternalError:
            raise
        except SafePickleError:
            pass


def test_all_that_is_refused_is_said_with_its_place(files: ModuleType) -> None:
    file = io.BytesIO(b"\x80\x02(" + header() + b"\x01\xffabc" + b"cnt\nsystem\nccollections\nOrderedDict\n)Rt.")
    with pytest.raises(PolicyError) as caught:
        files.load(file, policy=Policy.packs("plain"))
    found = {denial.pair: denial.path for denial in caught.value.denials}
    assert found["joblib.numpy_pickle", "NumpyArrayWrapper"] == "root[0]"
    assert found["nt", "system"] == "root[1]"
    assert found["collections", "OrderedDict"] == "root[2]"
    assert ("numpy", "dtype") in found


# ---- compressed ------------------------------------------------------------------------------------------------

PACKERS: dict[str, Any] = {
    "zlib": zlib.compress, "gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
}  # fmt: skip


def most(name: str) -> int:
    """Return what unpacking a piece may take, the dictionary that the file asks for included."""
    return (6 if name in ("zlib", "gzip", "bz2") else 20) * 2**20


@pytest.mark.parametrize("name", PACKERS)
def test_bombs_cost_what_they_are_allowed(files: ModuleType, name: str) -> None:
    size = 64 * 2**20
    bomb = PACKERS[name](b"\x80\x02" + header(shape=(size,)) + b"\x01\xff" + bytes(size) + b".")
    for limits in (Limits(max_bytes="1 MiB"), Limits(max_memory="2 MiB")):
        with bounded(most(name)), pytest.raises(LimitError):
            files.load(io.BytesIO(bomb), policy=PACK, limits=limits)


@pytest.mark.parametrize("name", PACKERS)
def test_opcodes_are_unpacked_piece_by_piece(files: ModuleType, name: str) -> None:
    bomb = PACKERS[name](b"\x80\x02" + b"N0" * 2**22 + b"N.")
    with bounded(most(name)), pytest.raises(LimitError, match="max_opcodes"):
        files.load(io.BytesIO(bomb), policy=PACK, limits=Limits(max_opcodes=10_000))


def test_a_line_is_found_in_time_in_proportion(files: ModuleType) -> None:
    bomb = zlib.compress(b"I" + b"1" * 2**22 + b"\n.")
    with pytest.raises(LimitError, match="max_string"):
        files.load(io.BytesIO(bomb), policy=PACK, limits=Limits(max_string=2**16))


def test_a_dictionary_of_any_size_is_refused(files: ModuleType) -> None:
    data = bytearray(PACKERS["lzma"](b"N."))
    data[1:5] = (2**31).to_bytes(4, "little")
    with pytest.raises(FormatError, match="too much memory"):
        files.load(io.BytesIO(bytes(data)), policy=PACK)


@pytest.mark.parametrize("name", PACKERS)
def test_nothing_follows(files: ModuleType, name: str) -> None:
    pack = PACKERS[name]
    plain = made().getvalue()
    same(files.load(io.BytesIO(pack(plain)), policy=PACK), np.frombuffer(b"abc", "u1"))
    for data in (pack(plain + b"x"), pack(plain) + b"x", pack(plain) + pack(plain), plain + b"x"):
        with pytest.raises(TrailingDataError):
            files.load(io.BytesIO(data), policy=PACK)
    with pytest.raises(FormatError):
        files.load(io.BytesIO(pack(plain)[:-1]), policy=PACK)
    with pytest.raises(FormatError):
        files.load(io.BytesIO(pack(plain)[:12] + b"\x00" * 40), policy=PACK)


def test_the_file_itself_has_a_bound(files: ModuleType) -> None:
    data = zlib.compress(os.urandom(10_000), 0)
    with pytest.raises(LimitError, match="max_bytes"):
        files.load(io.BytesIO(data), policy=PACK, limits=Limits(max_bytes=1000))


# ---- by other doors --------------------------------------------------------------------------------------------


@needs_joblib
def test_plain_loads_refuses_such_files_and_says_what_reads_them(sp: ModuleType) -> None:
    with pytest.raises(PolicyError, match=r"safepickle\.integrations\.joblib_files"):
        sp.loads(made().getvalue(), policy=PACK)


def test_what_is_no_such_file(files: ModuleType) -> None:
    with pytest.raises(FormatError, match="torch_files"):
        files.load(io.BytesIO(b"PK\x03\x04abc"), policy=PACK)
    with pytest.raises(EOFError):
        files.load(io.BytesIO(), policy=PACK)
    with pytest.raises(TypeError, match="BytesIO"):
        files.load(b"N.", policy=PACK)
    with pytest.raises(FormatError, match="binary"):
        files.load(io.StringIO("N."), policy=PACK)


def test_only_policies_that_restrict(sp: ModuleType, files: ModuleType) -> None:
    with pytest.raises(ValueError, match="UNRESTRICTED"):
        files.load(made(), policy=sp.UNRESTRICTED)
    with pytest.raises(TypeError, match="Policy"):
        files.load(made(), policy=object())
    same(files.load(io.BytesIO(pickle.dumps([1, "a"]))), [1, "a"])
