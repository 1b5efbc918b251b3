"""Contracts for what joblib's and torch's files have in a pickle: headers of arrays, and tensors on storages.

Such a file is more than a pickle: array data lie between the opcodes, or beside them in an archive. What the pickle
says of them decides how memory is read, and is checked here before anybody reads.

Rules that hold here:

* Neither joblib nor torch is imported, and nothing of theirs is called. What stands in for their classes is made here,
  and only by the readers in :mod:`safepickle.integrations`: elsewhere these contracts refuse all there is.
* A tensor lies inside of its storage, whatever its offset, sizes and strides: compared before it is made.
* A header says how many bytes of data follow. It gets its state once, and no dtype without a size.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .arrays import ArrayCall, is_sized_dtype, item_count
from .library_parts import LibraryState, is_array, is_dtype, is_exactly
from .parts import Args

__all__ = ["FORMAT_CALLS", "FORMAT_STATES", "WRAPPER", "ArrayHeader", "Storage", "TensorType", "extent"]

Pair = tuple[str, str]

#: What joblib writes in place of each array.
WRAPPER: Pair = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_LARGEST = 2**62


# ---- joblib ------------------------------------------------------------------------------------------------


class ArrayHeader:
    """What joblib says of an array whose data follow it in the file: its attributes are those of the wrapper."""

    subclass: Any
    shape: tuple[int, ...]
    order: str
    dtype: Any
    #: Of the data in the file, in bytes; None in files of joblib before 1.2.
    numpy_array_alignment_bytes: int | None = None


_FIELDS = frozenset("subclass shape order dtype".split())
_MORE_FIELDS = _FIELDS | {"allow_mmap", "numpy_array_alignment_bytes"}


def _header(args: Args) -> str | None:
    return "wants no arguments" if args else None


def _header_state(header: Any, state: Any) -> str | None:
    if type(header) is not ArrayHeader:
        return "its data follow in the file, which safepickle.integrations.joblib_files reads"
    if type(state) is not dict or not all(type(key) is str for key in state):
        return "wants attributes"
    if not _FIELDS <= state.keys() <= _MORE_FIELDS:
        return f"wants {', '.join(sorted(_FIELDS))}"
    numpy = sys.modules.get("numpy")
    if numpy is None or not any(state["subclass"] is cls for cls in (numpy.ndarray, numpy.matrix)):
        return "its class is neither ndarray nor matrix"
    if item_count(state["shape"]) is None:
        return "its shape is no tuple of lengths"
    if state["subclass"] is numpy.matrix and len(state["shape"]) != 2:
        return "a matrix has two dimensions"
    if type(state["order"]) is not str or state["order"] not in ("C", "F"):
        return "its order is neither C nor F"
    if not is_sized_dtype(state["dtype"]):
        return "its type is no dtype with a size"
    alignment = state.get("numpy_array_alignment_bytes")
    if alignment is not None and (type(alignment) is not int or not 1 <= alignment <= 255):
        return "its alignment is no small number"
    return None if type(state.get("allow_mmap", False)) is bool else "allow_mmap is neither true nor false"


def _has_state(header: Any) -> bool:
    return type(header) is ArrayHeader and bool(header.__dict__)


# ---- torch -------------------------------------------------------------------------------------------------


class TensorType:
    """A type of numbers of torch's that numpy has not, by its name. Immutable."""

    __slots__ = ("itemsize", "name")

    name: str
    itemsize: int

    def __init__(self, name: str, itemsize: int) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "itemsize", itemsize)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a TensorType is immutable")

    def __repr__(self) -> str:
        return f"torch.{self.name}"


class Storage:
    """The numbers that tensors lie on; made by :mod:`safepickle.integrations.torch_files`. Immutable.

    :ivar kind: the name of its class, such as ``FloatStorage``; ``UntypedStorage`` has bytes.
    :ivar itemsize: bytes of one number.
    :ivar data: the bytes, which all tensors on it share.
    """

    __slots__ = ("_views", "data", "itemsize", "kind")

    kind: str
    itemsize: int
    data: bytearray
    _views: dict[Any, Any]

    def __init__(self, kind: str, itemsize: int, data: bytearray) -> None:
        for name, value in (("kind", kind), ("itemsize", itemsize), ("data", data), ("_views", {})):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Storage is immutable")

    def __len__(self) -> int:
        return len(self.data) // self.itemsize

    def __repr__(self) -> str:
        return f"<Storage: {self.kind} of {len(self)}>"

    def shared(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what the reader has made of the whole data under a key: one for all tensors on it."""
        if key not in self._views:
            self._views[key] = make()
        return self._views[key]


def extent(offset: Any, size: Any, stride: Any) -> int | None:
    """Return how many numbers a tensor spans from the storage's first one, or None if these are no such things."""
    if type(offset) is not int or not 0 <= offset < _LARGEST or type(stride) is not tuple:
        return None
    if item_count(size) is None or len(stride) != len(size):
        return None
    last = offset
    for length, step in zip(size, stride, strict=True):
        # Torch has no negative ones; its own loader would take one for a place before the storage.
        if type(step) is not int or not 0 <= step < _LARGEST:
            return None
        last += (length - 1) * step if length else 0
    return offset if 0 in size else last + 1


def _is_hooks(value: Any) -> bool:
    # They are never made part of anything; a place for callables all the same.
    return value is None or (type(value) is OrderedDict and not value)


def _view(args: Args, itemsize: int) -> str | None:
    storage, offset, size, stride = args[:4]
    spans = extent(offset, size, stride)
    if spans is None:
        return "its offset, sizes and strides are no tuples of lengths"
    if spans * itemsize > len(storage.data):
        return f"it ends {spans * itemsize - len(storage.data)} bytes behind its storage"
    return None


def _only_here(args: Args) -> str | None:
    if not args or type(args[0]) is not Storage:
        return "wants a storage of a checkpoint, which safepickle.integrations.torch_files reads"
    return None


def _tensor(args: Args) -> str | None:
    wrong = _only_here(args)
    if wrong is not None:
        return wrong
    if len(args) not in (6, 7) or type(args[4]) is not bool or not _is_hooks(args[5]):
        return "wants storage, offset, sizes, strides, whether it has a gradient, and no hooks"
    return _metadata(args[6:]) or _view(args, args[0].itemsize)


def _typed_tensor(args: Args) -> str | None:
    wrong = _only_here(args)
    if wrong is not None:
        return wrong
    if len(args) not in (7, 8) or type(args[4]) is not bool or not _is_hooks(args[5]):
        return "wants storage, offset, sizes, strides, whether it has a gradient, no hooks, and a type"
    if not _is_tensor_type(args[6]):
        return "its type is none of numbers"
    return _metadata(args[7:]) or _view(args, args[6].itemsize)


def _is_tensor_type(value: Any) -> bool:
    if type(value) is TensorType or is_exactly(value, "torch", "dtype"):
        return True
    return is_dtype(value) and value.kind in "biufc"


def _metadata(given: Args) -> str | None:
    for value in given:
        if value is None:
            continue
        if type(value) is not dict or not all(type(key) is str for key in value):
            return "its metadata are a dict"
        if not value.keys() <= {"conj", "neg"} or not all(type(flag) is bool for flag in value.values()):
            return "wants no other metadata than conj and neg"
    return None


def _old_tensor(args: Args) -> str | None:
    wrong = _only_here(args)
    if wrong is not None:
        return wrong
    return _view(args, args[0].itemsize) if len(args) == 4 else "wants storage, offset, sizes and strides"


def _parameter(args: Args) -> str | None:
    if len(args) != 3 or type(args[1]) is not bool or not _is_hooks(args[2]):
        return "wants a tensor, whether it has a gradient, and no hooks"
    return None if is_array(args[0]) or is_exactly(args[0], "torch", "Tensor") else "its data are no tensor"


def _size(args: Args) -> str | None:
    plain = len(args) == 1 and type(args[0]) in (tuple, list) and all(type(length) is int for length in args[0])
    return None if plain else "wants a tuple of lengths"


def _device(args: Args) -> str | None:
    plain = 1 <= len(args) <= 2 and type(args[0]) is str and len(args[0]) <= 20
    if plain and args[0].replace(":", "").isalnum() and all(type(n) is int and 0 <= n < 1024 for n in args[1:]):
        return None
    return "wants the name of a device, and its number"


# ---- the tables --------------------------------------------------------------------------------------------

_OUTSIDE = "a tensor that lies outside of its storage"
_HERE = "found here"

#: What the callables may be given.
FORMAT_CALLS: Mapping[Pair, ArrayCall] = MappingProxyType(
    {
        WRAPPER: (_header, "arguments of a class whose state says all", _HERE),
        ("torch._utils", "_rebuild_tensor"): (_old_tensor, _OUTSIDE, "CVE-2026-24747"),
        ("torch._utils", "_rebuild_tensor_v2"): (_tensor, _OUTSIDE, "CVE-2026-24747"),
        ("torch._utils", "_rebuild_tensor_v3"): (_typed_tensor, _OUTSIDE, "CVE-2026-24747"),
        ("torch._utils", "_rebuild_parameter"): (_parameter, "any object as a parameter, with hooks", "R26"),
        ("torch", "Size"): (_size, "objects that are asked for their length", "R26"),
        ("torch", "device"): (_device, "objects that are asked for their text", "R26"),
    }
)

#: What state the instances may be given.
FORMAT_STATES: Mapping[Pair, LibraryState] = MappingProxyType(
    {
        WRAPPER: (_header_state, _has_state, "arrays of a size that is not there as data", "R30"),
    }
)
