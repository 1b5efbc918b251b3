"""The pack for torch: real checkpoints load as torch loads them, and no tensor lies outside of its storage."""

from __future__ import annotations

import copy
import functools
import importlib
import importlib.util
import io
import os
import pickle
import struct
import subprocess
import sys
import warnings
import zipfile
import zlib
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

np = pytest.importorskip("numpy", reason="numpy is not installed: tensors are read as its arrays")

from packs.trips import REAL, bounded, edited, same  # noqa: E402

from safepickle import Limits, Policy  # noqa: E402
from safepickle.errors import (  # noqa: E402
    FormatError,
    InternalError,
    LimitError,
    PolicyError,
    SafePickleError,
    ShapeError,
    TrailingDataError,
)


class Torch:
    """Torch, imported when a test asks for something of it: once it is there, CPython's own pickle tests fail."""

    def __getattr__(self, name: str) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(importlib.import_module("torch"), name)


torch: Any = Torch()
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
PACK = Policy.packs("torch-state")
KINDS = (
    "uint8 int8 int16 int32 int64 uint16 uint32 uint64 float16 float32 float64 bfloat16 complex64 complex128 bool"
).split()


@pytest.fixture(scope="session")
def files(sp: ModuleType) -> ModuleType:
    return importlib.import_module(f"{sp.__name__}.integrations.torch_files")


# ---- real files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["torch_kinds.pt", "torch_kinds.p4.pt"])
def test_every_type(files: ModuleType, name: str) -> None:
    value = files.load(REAL / name, policy=PACK)
    assert type(value) is OrderedDict
    assert list(value) == KINDS
    for kind, array in value.items():
        assert array.dtype == np.dtype("float32" if kind == "bfloat16" else kind)
        assert (array == np.arange(6).reshape(2, 3).astype(array.dtype)).all()


def test_storages_are_shared(files: ModuleType) -> None:
    base, part, turned, strided = files.load(REAL / "torch_shared.pt", policy=PACK)
    assert (part == [2, 3, 4]).all()
    assert (turned == np.arange(12).reshape(3, 4).T).all()
    assert (strided == np.arange(12).reshape(3, 4)[1:, ::2]).all()
    base[3] = 77
    assert part[1] == turned[3, 0] == 77
    assert turned.strides == (4, 16)


def test_state_of_a_training(files: ModuleType) -> None:
    value = files.load(REAL / "torch_training.pt", policy=PACK)
    assert value["epoch"] == 3
    assert value["model"]["0.weight"].shape == (3, 2)
    assert value["model"]._metadata["0"] == {"version": 1}
    assert value["optimizer"]["param_groups"][0]["betas"] == (0.9, 0.999)
    assert value["optimizer"]["state"][0]["step"] == 1


def test_what_stands_beside_tensors(files: ModuleType) -> None:
    value = files.load(REAL / "torch_others.pt", policy=PACK)
    same([value["parameter"], value["empty"]], [np.ones(2, "f4"), np.empty((0, 3), "f4")])
    assert value["size"] == (1, 2)
    assert value["device"] == "cuda:1"
    assert value["type"] == np.dtype("f4")
    assert value["expanded"].shape == (100,)
    assert value["conjugate"][0] == 1 - 2j


def test_files_from_before_archives_are_refused_and_say_so(files: ModuleType) -> None:
    with pytest.raises(FormatError, match=r"before torch 1\.6"):
        files.load(REAL / "torch_legacy.pt", policy=PACK)


def test_inspecting_needs_no_more_than_the_pack_gives(files: ModuleType) -> None:
    for path in sorted(REAL.glob("torch_*.pt")):
        if "legacy" in path.name:
            continue
        tree = files.inspect(path)
        assert tree.persistent_ids
        for pair, rights in tree.needs().items():
            rule = PACK.lookup(*pair)
            assert rule is not None, pair
            assert rights & rule.rights == rights, pair


def test_torch_and_pickle_are_never_asked(tmp_path: Path) -> None:
    """With a torch in the way that cannot be imported, and no unpickler of the standard library."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise AssertionError('torch was imported')")
    code = f"""
import pickle
def no(*args, **kwargs): raise AssertionError("pickle was called")
import safepickle
from safepickle.integrations import torch_files
pickle.load = pickle.loads = pickle.Unpickler = pickle._Unpickler = no
value = torch_files.load({str(REAL / "torch_training.pt")!r}, policy=safepickle.Policy.packs("torch-state"))
assert value["epoch"] == 3
assert torch_files.inspect({str(REAL / "torch_training.pt")!r}).calls
"""
    import safepickle

    path = os.pathsep.join([str(tmp_path), str(Path(safepickle.__file__).resolve().parent.parent)])
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)


# ---- with torch ------------------------------------------------------------------------------------------------


@functools.cache
def torch_objects() -> dict[str, Any]:
    """Return objects by name."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(16, 2)
    )
    found: dict[str, Any] = {}
    for name in ("Adam", "AdamW", "RMSprop", "Adagrad"):
        optimizer = getattr(torch.optim, name)(model.parameters())
        model(torch.randn(2, 3, 4, 4)).sum().backward()
        optimizer.step()
        found[f"optimizer {name}"] = optimizer.state_dict()
    base = torch.arange(24.0)
    found |= {
        "module": model.state_dict(),
        "LSTM": torch.nn.LSTM(3, 4).state_dict(),
        "Transformer": torch.nn.TransformerEncoderLayer(4, 2, 8).state_dict(),
        "Embedding": torch.nn.Embedding(10, 3).state_dict(),
        "both": {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "loss": 0.5},
        "shared": [base, base[3:9], base.view(4, 6).t(), base.view(2, 3, 4)[:, 1:, ::2]],
        "parameter": torch.nn.Parameter(torch.ones(3)),
        "frozen parameter": torch.nn.Parameter(torch.ones(3), requires_grad=False),
        "scalar": torch.tensor(3.5),
        "empty": torch.empty(0, 3),
        "expanded": torch.ones(1).expand(1000),
        "size": torch.Size([1, 2]),
        "device": torch.device("cuda:1"),
        "types": [torch.float32, torch.bfloat16, torch.float8_e5m2],
        "conjugate": torch.randn(3, dtype=torch.complex64).conj(),
        "negative": torch.randn(3, dtype=torch.complex64).conj().imag,
        "with a gradient": torch.ones(2, requires_grad=True),
        "nothing": {},
    }
    for name in (*KINDS, "float8_e4m3fn", "float8_e5m2"):
        found[f"tensor {name}"] = torch.arange(6).to(torch.float32).to(getattr(torch, name)).reshape(2, 3)
    return found


NAMES = [
    *(f"optimizer {name}" for name in ("Adam", "AdamW", "RMSprop", "Adagrad")),
    "module", "LSTM", "Transformer", "Embedding", "both", "shared", "parameter", "frozen parameter", "scalar", "empty",
    "expanded", "size", "device", "types", "conjugate", "negative", "with a gradient", "nothing",
    *(f"tensor {name}" for name in (*KINDS, "float8_e4m3fn", "float8_e5m2")),
]  # fmt: skip


@needs_torch
def test_all_objects_are_tried() -> None:
    assert list(torch_objects()) == NAMES


def saved(value: Any, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(value, file, **options)
    file.seek(0)
    return file


def alike(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        for name in ("dtype", "shape", "requires_grad"):
            assert getattr(one, name) == getattr(other, name)
        for name in ("stride", "storage_offset", "is_conj", "is_neg"):
            assert getattr(one, name)() == getattr(other, name)()
        if one.dtype.itemsize == 1:
            one, other = one.view(torch.uint8), other.view(torch.uint8)
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            alike(one[key], other[key])
        if hasattr(one, "__dict__"):
            alike(vars(one), vars(other))
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other):
            alike(mine, theirs)
    else:
        assert one == other


@needs_torch
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_objects_load_as_torch_loads_them(files: ModuleType, name: str, protocol: int) -> None:
    file = saved(torch_objects()[name], pickle_protocol=protocol)
    expected = torch.load(file, weights_only=False, map_location="cpu")
    alike(files.load(file, policy=PACK, tensors="torch"), expected)
    if "float8" in name:
        with pytest.raises(FormatError, match="numpy has no type"):
            files.load(file, policy=PACK)
    elif isinstance(expected, torch.Tensor):
        plain = expected.detach().resolve_conj().resolve_neg()
        same(files.load(file, policy=PACK), (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy())
    else:
        files.load(file, policy=PACK)


@needs_torch
def test_a_module_takes_its_state_back(files: ModuleType) -> None:
    model = torch.nn.Linear(2, 3)
    other = torch.nn.Linear(2, 3)
    other.load_state_dict(files.load(saved(model.state_dict()), policy=PACK, tensors="torch"))
    assert torch.equal(model.weight, other.weight)
    other.weight.data.resize_(0)


@needs_torch
def test_whole_models_and_what_else_is_no_state(files: ModuleType) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = saved([torch.nn.Linear(1, 1), torch.sparse_coo_tensor([[0]], [1.0], (2,)), os.getcwd])
    with pytest.raises(PolicyError) as caught:
        files.load(file, policy=PACK)
    found = {denial.pair: denial.path for denial in caught.value.denials}
    assert found["torch.nn.modules.linear", "Linear"] == "root[0]"
    assert found["torch._utils", "_rebuild_sparse_tensor"] == "root[1]"
    assert found[os.getcwd.__module__, "getcwd"] == "root[2]"


@needs_torch
def test_archives_with_code_are_refused(files: ModuleType, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), tmp_path / "code.pt")
    with pytest.raises(FormatError, match="TorchScript"):
        files.load(tmp_path / "code.pt", policy=PACK)


# ---- hostile pickles -------------------------------------------------------------------------------------------


class Named:
    """A class that pickles as another one's name."""

    def __init__(self, module: str, name: str) -> None:
        self.pair = module, name


class Asked:
    """Pickles as a persistent id."""

    def __init__(self, *pid: Any) -> None:
        self.pid = pid


class Called:
    def __init__(self, function: Any, *args: Any) -> None:
        self.function, self.args = function, args


def opcodes(value: Any) -> bytes:
    """Return what makes a value, with names, calls and persistent ids as they are wanted."""
    if isinstance(value, Named):
        return "c{}\n{}\n".format(*value.pair).encode()
    if isinstance(value, Asked):
        return opcodes(value.pid[0] if len(value.pid) == 1 else value.pid) + b"Q"
    if isinstance(value, Called):
        return opcodes(value.function) + opcodes(value.args) + b"R"
    if type(value) is tuple:
        return b"(" + b"".join(map(opcodes, value)) + b"t"
    if type(value) is list:
        return b"](" + b"".join(map(opcodes, value)) + b"e"
    return pickle.dumps(value, 2)[2:-1].replace(b"q\x00", b"")


FLOATS = Named("torch", "FloatStorage")
HOOKS = Called(Named("collections", "OrderedDict"))


def storage(key: Any = "0", count: Any = 6, kind: Any = FLOATS, place: Any = "cpu", word: Any = "storage") -> Asked:
    return Asked(word, kind, key, place, count)


def tensor(offset: Any = 0, size: Any = (2, 3), stride: Any = (3, 1), *more: Any, of: Any = None, **other: Any) -> Any:
    args = [of or storage(), offset, size, stride, other.get("grad", False), other.get("hooks", HOOKS), *more]
    return Called(Named("torch._utils", other.get("by", "_rebuild_tensor_v2")), *args)


def archive(value: Any, **members: bytes | None) -> io.BytesIO:
    """Return a checkpoint with a pickle of a value, and a storage of 6 floats."""
    content: dict[str, bytes | None] = {
        "data.pkl": b"\x80\x02" + (value if type(value) is bytes else opcodes(value)) + b".",
        "byteorder": b"little", "data/0": np.arange(6, dtype="<f4").tobytes(), "version": b"3\n",
        **{name.replace("__", "/"): data for name, data in members.items()},
    }  # fmt: skip
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as output:
        for name, data in content.items():
            if data is not None:
                output.writestr(f"archive/{name}", data)
    file.seek(0)
    return file


def test_the_forms_that_the_hostile_ones_vary_load(files: ModuleType) -> None:
    expected = np.arange(6, dtype="f4")
    same(files.load(archive(tensor()), policy=PACK), expected.reshape(2, 3))
    same(files.load(archive(tensor(4, (2,), (1,))), policy=PACK), expected[4:])
    same(files.load(archive(tensor(5, (1, 1), (10**18, 0))), policy=PACK), expected[5:].reshape(1, 1))
    same(files.load(archive(tensor(0, (0, 5), (5, 1))), policy=PACK), np.empty((0, 5), "f4"))
    same(files.load(archive(tensor(0, (), ())), policy=PACK), np.array(0, "f4"))
    typed = tensor(1, (2,), (1,), Named("torch", "int32"), by="_rebuild_tensor_v3")
    assert files.load(archive(typed), policy=PACK).dtype == np.int32
    parameter = Called(Named("torch._utils", "_rebuild_parameter"), tensor(), True, HOOKS)
    same(files.load(archive(parameter), policy=PACK), expected.reshape(2, 3))


REFUSED = {
    "one behind the end": tensor(1),
    "offset behind the end": tensor(6, (1,), (1,)),
    "offset behind the end of nothing": tensor(7, (0,), (1,)),
    "negative offset": tensor(-1, (1,), (1,)),
    "offset that is none": tensor(0.0),
    "offset beyond 64 bits": tensor(2**64, (1,), (1,)),
    "huge size": tensor(0, (10**12,), (1,)),
    "negative size": tensor(0, (-1,), (1,)),
    "sizes that overflow": tensor(0, (2**33, 2**33), (0, 0)),
    "sizes hidden by a zero": tensor(0, (2**40, 2**40, 0), (0, 0, 0)),
    "stride that leads outside": tensor(0, (2,), (6,)),
    "negative stride": tensor(5, (2,), (-1,)),
    "stride that wraps around": tensor(0, (2,), (2**64 - 1,)),
    "fewer strides than sizes": tensor(0, (2, 3), (3,)),
    "sizes as a list": tensor(0, [2, 3], (3, 1)),
    "too many dimensions": tensor(0, (1,) * 65, (1,) * 65),
    "truth values as sizes": tensor(0, (True, True), (1, 1)),
    "hooks": tensor(hooks=Called(Named("collections", "OrderedDict"), [("a", 1)])),
    "a dict as hooks": tensor(hooks={}),
    "gradient": tensor(grad=1),
    "metadata": tensor(0, (2, 3), (3, 1), {"backward": True}),
    "metadata that are no flags": tensor(0, (2, 3), (3, 1), {"conj": "yes"}),
    "no storage": tensor(of=[1.0] * 6),
    "another tensor as storage": tensor(of=tensor()),
    "type of more bytes": tensor(0, (6,), (1,), Named("torch", "float64"), by="_rebuild_tensor_v3"),
    "type that is none": tensor(0, (6,), (1,), "float32", by="_rebuild_tensor_v3"),
    "no type": tensor(by="_rebuild_tensor_v3"),
    "old tensor outside": Called(Named("torch._utils", "_rebuild_tensor"), storage(), 1, (6,), (1,)),
    "parameter of no tensor": Called(Named("torch._utils", "_rebuild_parameter"), [1], True, HOOKS),
    "parameter with hooks": Called(Named("torch._utils", "_rebuild_parameter"), tensor(), True, [1]),
    "size of text": Called(Named("torch", "Size"), ("a",)),
    "device of a path": Called(Named("torch", "device"), "../cpu"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("tensors", ["numpy", pytest.param("torch", marks=needs_torch)])
def test_hostile_tensors_are_refused(files: ModuleType, name: str, tensors: str) -> None:
    with pytest.raises(PolicyError, match="its arguments are refused"):
        files.load(archive(REFUSED[name]), policy=PACK, tensors=tensors)


STORAGES: dict[str, tuple[Any, str]] = {
    "longer than it is": (storage(count=7), "24 bytes, not 7 times 4"),
    "shorter than it is": (storage(count=5), "24 bytes, not 5 times 4"),
    "negative": (storage(count=-1), "without key"),
    "count that is none": (storage(count=6.0), "without key"),
    "count beyond 64 bits": (storage(count=2**64), "24 bytes"),
    "of another class": (storage(kind=Named("torch", "DoubleStorage")), "24 bytes, not 6 times 8"),
    "of no class": (storage(kind="FloatStorage"), "not of a storage"),
    "of a class of no storage": (storage(kind=Named("torch", "float32")), "not of a storage"),
    "not there": (storage("9"), "no storage '9'"),
    "a path": (storage("../data.pkl"), "no storage"),
    "another member": (storage("0/../../version"), "no storage"),
    "a number": (storage(0), "without key"),
    "another word": (storage(word="module"), "not of a storage"),
    "a word that is a tensor": (storage(word=tensor()), "not of a storage"),
    "no tuple": (Asked("storage"), "not of a storage"),
    "of two kinds": ([storage(), storage(kind=Named("torch", "IntStorage"))], "two kinds"),
    "of two lengths": ([storage(), storage(count=3)], "two kinds or lengths"),
}


@pytest.mark.parametrize("name", STORAGES)
def test_hostile_storages_are_refused(files: ModuleType, name: str) -> None:
    value, message = STORAGES[name]
    with pytest.raises(FormatError, match=message):
        files.load(archive(value), policy=PACK)


def test_a_storage_is_changed_by_no_opcode(files: ModuleType) -> None:
    for tail in (b"}b", b"}(K\x01K\x02ub", b"(K\x01e"):
        with pytest.raises((PolicyError, FormatError)):
            files.load(archive(opcodes(storage()) + tail), policy=PACK)


CHANGES = {"BUILD": b"}b", "SETITEM": b"K\x00K\x05s", "APPEND": b"K\x01a", "ADDITEMS": b"(K\x01\x90"}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("tensors", ["numpy", pytest.param("torch", marks=needs_torch)])
def test_a_tensor_is_changed_by_no_opcode(files: ModuleType, name: str, tensors: str) -> None:
    """CVE-2026-24747 wrote items into tensors."""
    with pytest.raises(PolicyError, match="_rebuild_tensor_v2"):
        files.load(archive(opcodes(tensor()) + CHANGES[name]), policy=PACK, tensors=tensors)


def test_truth_values_are_true_or_false(files: ModuleType) -> None:
    flags = tensor(0, (24,), (1,), of=storage(count=24, kind=Named("torch", "BoolStorage")))
    with pytest.raises(FormatError, match="truth value"):
        files.load(archive(flags), policy=PACK)
    files.load(archive(flags, data__0=bytes(12) + b"\x01" * 12), policy=PACK)


def test_the_other_byte_order_is_turned(files: ModuleType) -> None:
    other = "big" if sys.byteorder == "little" else "little"
    data = np.arange(6, dtype="f4").byteswap().tobytes()
    same(
        files.load(archive(tensor(), byteorder=other.encode(), data__0=data), policy=PACK),
        np.arange(6, dtype="f4").reshape(2, 3),
    )
    complex_numbers = tensor(0, (3,), (1,), of=storage(count=3, kind=Named("torch", "ComplexFloatStorage")))
    value = files.load(archive(complex_numbers, byteorder=other.encode(), data__0=data), policy=PACK)
    assert list(value) == [1j, 2 + 3j, 4 + 5j]
    untyped = storage(count=24, kind=Named("torch.storage", "UntypedStorage"))
    with pytest.raises(FormatError, match="other byte order"):
        files.load(archive(untyped, byteorder=other.encode()), policy=PACK)


def test_numbers_are_paid_for(files: ModuleType) -> None:
    big = archive(tensor(0, (2**20,), (1,), of=storage(count=2**20)), data__0=bytes(2**22))
    with pytest.raises(LimitError, match="max_memory"):
        files.load(big, policy=PACK, limits=Limits(max_memory="3 MiB"))
    assert files.load(big, policy=PACK, limits=Limits(max_memory="6 MiB")).shape == (2**20,)
    for length in (2**24, 2**61):
        repeated = archive([tensor(0, (length,), (0,))])
        with pytest.raises(LimitError, match="max_memory"):
            files.load(repeated, policy=PACK, limits=Limits(max_memory="50 MiB"))
    with pytest.raises(LimitError, match="max_bytes"):
        files.load(archive(["a" * 1000]), policy=PACK, limits=Limits(max_bytes=500))
    halves = tensor(0, (2**20,), (1,), of=storage(count=2**20, kind=Named("torch", "BFloat16Storage")))
    with pytest.raises(LimitError, match="max_memory"):
        files.load(archive(halves, data__0=bytes(2**21)), policy=PACK, limits=Limits(max_memory="7 MiB"))


def test_nothing_follows_the_pickle(files: ModuleType) -> None:
    with pytest.raises(TrailingDataError):
        files.load(archive(b"N.N"), policy=PACK)


def test_by_other_doors_nothing_of_it_is_called(sp: ModuleType) -> None:
    data = files_pickle(tensor(of=[1]))
    with pytest.raises((PolicyError, sp.ReconstructionError)):
        sp.loads(data, policy=PACK)


def files_pickle(value: Any) -> bytes:
    return b"\x80\x02" + opcodes(value) + b"."


def test_options(sp: ModuleType, files: ModuleType) -> None:
    file = archive(tensor())
    with pytest.raises(ValueError, match="numpy"):
        files.load(file, policy=PACK, tensors="jax")
    with pytest.raises(ValueError, match="UNRESTRICTED"):
        files.load(file, policy=sp.UNRESTRICTED)
    with pytest.raises(TypeError, match="BytesIO"):
        files.load(file.getvalue(), policy=PACK)
    with pytest.raises(PolicyError, match="_rebuild_tensor_v2"):
        files.load(file)
    assert files.load(archive([1.5]), type=list[float]) == [1.5]
    with pytest.raises(ShapeError):
        files.load(archive([1.5]), type=list[str])


# ---- hostile archives ------------------------------------------------------------------------------------------


def members(data: bytes) -> list[tuple[str, int, int]]:
    """Return names of members, where their headers begin and where their entries in the directory do."""
    found = []
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        place = opened.start_dir
        for info in opened.infolist():
            found.append((info.filename, info.header_offset, place))
            place += 46 + len(info.orig_filename.encode()) + len(info.extra) + len(info.comment)
    return found


PLAIN = archive(tensor()).getvalue()
HEAD, ENTRY = {name: at for name, at, _ in members(PLAIN)}, {name: at for name, _, at in members(PLAIN)}
PICKLE, DATA = "archive/data.pkl", "archive/data/0"
END = len(PLAIN) - 22


def patched(*changes: tuple[int, bytes], data: bytes = PLAIN) -> bytes:
    copied = bytearray(data)
    for place, new in changes:
        copied[place : place + len(new)] = new
    return bytes(copied)


def number(size: int, value: int) -> bytes:
    return value.to_bytes(size, "little")


def at(place: int, form: str) -> int:
    return int(struct.unpack_from(form, PLAIN, place)[0])


def moved_end(data: bytes, by: int) -> bytes:
    """Return an archive with its directory's place moved, as what was put in front of it wants."""
    end = len(data) - 22
    return patched((end + 16, number(4, struct.unpack_from("<L", data, end + 16)[0] + by)), data=data)


def rezipped(**options: Any) -> bytes:
    """Return the archive as another writer writes it."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(PLAIN)) as old, zipfile.ZipFile(file, "w") as new:
        for info in old.infolist():
            again = zipfile.ZipInfo(options.get("rename", lambda name: name)(info.filename))
            again.compress_type = options.get("method", zipfile.ZIP_STORED)
            again.comment = options.get("comment", b"")
            again.extra = options.get("extra", b"")
            for _ in range(options.get("times", 1)):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    new.writestr(copy.copy(again), old.read(info))
        new.comment = options.get("end", b"")
    return file.getvalue()


FIRST = at(END + 16, "<L")
ARCHIVES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not a checkpoint"),
    "cut off": (PLAIN[:-1], "does not end"),
    "something behind": (PLAIN + b"x", "does not end"),
    "another archive behind": (PLAIN + PLAIN, "overlap|lies between|end"),
    "something in front": (b"x" + PLAIN, "not a checkpoint"),
    "an archive in front": (PLAIN + moved_end(PLAIN, len(PLAIN)), "overlap|lies between"),
    "a comment": (rezipped(end=b"PK\x05\x06"), "does not end"),
    "comments of members": (rezipped(comment=b"x"), "comments"),
    "compressed": (rezipped(method=zipfile.ZIP_DEFLATED), "compressed"),
    "bzip2": (rezipped(method=zipfile.ZIP_BZIP2), "compressed"),
    "encrypted": (patched((ENTRY[PICKLE] + 8, number(2, 1)), (HEAD[PICKLE] + 6, number(2, 1))), "encrypted"),
    "two of each name": (rezipped(times=2), "two members"),
    "another name in front of the data": (patched((HEAD[PICKLE] + 30, b"archive/xxxx.pkl")), "another name"),
    "another method in front of the data": (patched((HEAD[PICKLE] + 8, number(2, 8))), "another one"),
    "another size in front of the data": (patched((HEAD[PICKLE] + 18, number(4, 3) * 2)), "other sizes"),
    "another sum in front of the data": (patched((HEAD[PICKLE] + 14, number(4, 3))), "other sizes"),
    "other flags in front of the data": (patched((HEAD[PICKLE] + 6, number(2, 8))), "another one"),
    "a longer name in front of the data": (patched((HEAD[PICKLE] + 26, number(2, 17))), "another name"),
    "two sizes": (patched((ENTRY[PICKLE] + 20, number(4, 3))), "two sizes"),
    "longer than it is": (
        patched(*((where, number(4, at(ENTRY[PICKLE] + 24, "<L") + 5) * 2)
                for where in (ENTRY[PICKLE] + 20, HEAD[PICKLE] + 18))),
        "overlap|lies between",
    ),
    "shorter than it is": (
        patched(*((where, number(4, at(ENTRY[PICKLE] + 24, "<L") - 5) * 2)
                for where in (ENTRY[PICKLE] + 20, HEAD[PICKLE] + 18))),
        "overlap|lies between",
    ),
    "one member over another": (patched((ENTRY[DATA] + 42, number(4, HEAD[PICKLE]))), "overlap|another name"),
    "outside of the file": (patched((ENTRY[DATA] + 42, number(4, 2**31))), "overlap|cut off"),
    "in the directory": (patched((ENTRY["archive/version"] + 42, number(4, FIRST))), "overlap|another"),
    "changed data": (patched((HEAD[DATA] + 30 + len(DATA), b"\x01")), "check sum"),
    "changed pickle": (patched((HEAD[PICKLE] + 30 + len(PICKLE) + 3, b"\x01")), "check sum"),
    "more members than it says": (patched((END + 8, number(2, 3) * 2)), "more in it"),
    "fewer members than it says": (patched((END + 8, number(2, 5) * 2)), "does not end where|fewer"),
    "other disks": (patched((END + 4, number(2, 1))), "several disks"),
    "members of other disks": (patched((END + 8, number(2, 3))), "several disks"),
    "directory elsewhere": (patched((END + 16, number(4, FIRST - 1))), "does not end where"),
    "directory of another size": (patched((END + 12, number(4, 100))), "does not end where"),
    "second names": (rezipped(extra=b"up\x05\x00\x01abcd"), "second name"),
    "a field that is cut off": (rezipped(extra=b"ab\x05\x00\x01"), "cut off"),
    "sizes that are not wanted": (rezipped(extra=b"\x01\x00\x08\x00" + bytes(8)), "sizes"),
    "no mark of an entry": (patched((ENTRY[DATA], b"XX")), "damaged"),
    "no mark of a header": (patched((HEAD[DATA], b"XX")), "another one"),
    "out of the folder": (rezipped(rename=lambda name: name.replace("data/0", "../0")), "no plain path"),
    "absolute": (rezipped(rename=lambda name: f"/{name}"), "no plain path"),
    "backslash": (rezipped(rename=lambda name: name.replace("data/0", "data\\0")), "no plain path"),
    "two folders": (rezipped(rename=lambda name: name.replace("archive/data/", "other/data/")), "one folder"),
    "no folder": (rezipped(rename=lambda name: name.partition("/")[2].replace("/", "")), "one folder"),
    "no pickle": (rezipped(rename=lambda name: name.replace("data.pkl", "version2")), "no member"),
    "other members": (archive([], evil=b"").getvalue(), "no member 'evil'"),
    "code": (archive([], **{"code__model.py": b""}).getvalue(), "TorchScript"),
    "constants": (archive([], **{"constants.pkl": b""}).getvalue(), "TorchScript"),
    "byte order": (archive([], byteorder=b"middle").getvalue(), "byte order"),
    "version": (archive([], version=b"a").getvalue(), "version"),
    "a long mark": (archive([], version=b"1" * 100).getvalue(), "longer"),
    "two-ended": (
        PLAIN[:END] + struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 4, 4, 10, FIRST)
        + struct.pack("<4sLQL", b"PK\x06\x07", 0, END, 1) + PLAIN[END:],
        "two ends",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_with_two_readings_are_refused(files: ModuleType, name: str) -> None:
    data, message = ARCHIVES[name]
    with pytest.raises(FormatError, match=message):
        files.load(io.BytesIO(data), policy=PACK)


def test_archives_of_other_writers_load(files: ModuleType) -> None:
    expected = np.arange(6, dtype="f4").reshape(2, 3)
    same(files.load(io.BytesIO(rezipped()), policy=PACK), expected)
    same(files.load(io.BytesIO(rezipped(extra=b"FB\x02\x00ZZ")), policy=PACK), expected)
    # Torch names the folder by its file.
    for folder in ("run:1", "model (2)", "modèle"):
        data = rezipped(rename=lambda name, folder=folder: name.replace("archive/", f"{folder}/"))
        same(files.load(io.BytesIO(data), policy=PACK), expected)


def test_sizes_behind_the_data_are_compared(files: ModuleType) -> None:
    """Torch writes them there, and nothing in front."""
    data = (REAL / "torch_shared.pt").read_bytes()
    place = data.index(b"PK\x07\x08")
    for offset in (0, 4, 8, 12):
        with pytest.raises(FormatError, match="behind its data"):
            files.load(io.BytesIO(patched((place + offset, b"\x11"), data=data)), policy=PACK)


def test_every_changed_byte_is_refused_or_makes_no_difference(files: ModuleType) -> None:
    """What no reader looks at may change: times, versions and attributes of the directory, padding."""
    data = (REAL / "torch_shared.pt").read_bytes()
    expected = files.load(io.BytesIO(data), policy=PACK)
    for place in range(len(data)):
        changed = patched((place, bytes([data[place] ^ 0x41])), data=data)
        try:
            value = files.load(io.BytesIO(changed), policy=PACK)
        except FormatError:
            continue
        same(value, expected)


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["set", "cut", "copy", "wide"]), st.floats(0, 1, exclude_max=True), st.integers(0, 255)
    ),
    min_size=1, max_size=4,
)  # fmt: skip
SAMPLES = {}
for _path in sorted(REAL.glob("torch_*.pt")):
    if "legacy" not in _path.name:
        with zipfile.ZipFile(_path) as _opened:
            SAMPLES[_path.name] = {info.filename: _opened.read(info) for info in _opened.infolist()}


@given(st.sampled_from(sorted(SAMPLES)), EDITS)
def test_damaged_pickles_give_a_value_or_an_error_of_ours(files: ModuleType, name: str, edits: list[Any]) -> None:
    """In an archive whose check sums are right."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as output:
        for member, data in SAMPLES[name].items():
            output.writestr(zipfile.ZipInfo(member), edited(data, edits) if member.endswith("data.pkl") else data)
    for read in (files.inspect, lambda file: files.load(file, policy=PACK, limits=Limits(max_memory="64 MiB"))):
        try:
            read(file)
        except InternalError:
            raise
        except SafePickleError:
            pass


def test_a_directory_is_paid_for(files: ModuleType) -> None:
    many = archive([], **{f"data__{n}": b"" for n in range(2000)}).getvalue()
    with pytest.raises(LimitError, match="max_memory"):
        files.load(io.BytesIO(many), policy=PACK, limits=Limits(max_memory=200_000))
    claimed = patched((END + 12, number(4, 2**31)), (END + 16, number(4, 0)))
    with bounded(2**20), pytest.raises(FormatError):
        files.load(io.BytesIO(claimed), policy=PACK)


def test_the_check_sum_is_that_of_the_data() -> None:
    assert at(ENTRY[DATA] + 16, "<L") == zlib.crc32(np.arange(6, dtype="<f4").tobytes())
