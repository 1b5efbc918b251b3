"""Tensors from storages: as arrays of numpy, or as tensors of torch. What stands in for torch's own functions.

Rules that hold here:

* What comes here has passed the contracts of :mod:`safepickle.policy.formats`; numpy and torch check bounds once more.
* Arrays and tensors on one storage share its memory. What has to be converted is converted once for each storage.
* A tensor that repeats numbers (an expanded one) is paid for as if it had them all: whoever copies it makes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import FormatError
from ..policy.formats import Storage, TensorType

if TYPE_CHECKING:
    from ..decoding.budget import Budget

__all__ = ["ArrayMaker", "StorageClass", "TensorMaker"]

Pair = tuple[str, str]


class StorageClass(NamedTuple):
    """Stands in for a class of storages."""

    name: str
    #: The type of its numbers, by torch's name.
    type: str
    #: Bytes of one number, and of the parts in which a byte order shows: those of complex numbers are two.
    itemsize: int
    unit: int


_CLASSES = (
    StorageClass("FloatStorage", "float32", 4, 4),
    StorageClass("DoubleStorage", "float64", 8, 8),
    StorageClass("HalfStorage", "float16", 2, 2),
    StorageClass("BFloat16Storage", "bfloat16", 2, 2),
    StorageClass("LongStorage", "int64", 8, 8),
    StorageClass("IntStorage", "int32", 4, 4),
    StorageClass("ShortStorage", "int16", 2, 2),
    StorageClass("CharStorage", "int8", 1, 1),
    StorageClass("ByteStorage", "uint8", 1, 1),
    StorageClass("BoolStorage", "bool", 1, 1),
    StorageClass("ComplexFloatStorage", "complex64", 8, 4),
    StorageClass("ComplexDoubleStorage", "complex128", 16, 8),
)
_UNTYPED = StorageClass("UntypedStorage", "uint8", 1, 1)

#: Types of numbers by torch's name: numpy's name, which is the same, or None and the size of one.
_TYPES: Mapping[str, int | None] = {
    **dict.fromkeys(
        "float16 float32 float64 complex64 complex128 bool int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()
    ),
    "bfloat16": 2,
    "complex32": 4,
    **dict.fromkeys("float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu".split(), 1),
}
_TYPE_OF = {one.name: one.type for one in (*_CLASSES, _UNTYPED)}


class _Maker:
    """What both have in common.

    :param budget: pays for what is made.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.stand_ins: dict[Pair, Any] = {
            ("torch._utils", "_rebuild_tensor"): self._old,
            ("torch._utils", "_rebuild_tensor_v2"): self._tensor,
            ("torch._utils", "_rebuild_tensor_v3"): self._typed,
            ("torch._utils", "_rebuild_parameter"): self.parameter,
            ("torch", "Size"): self.size,
            ("torch", "device"): self.device,
            ("torch.storage", _UNTYPED.name): _UNTYPED,
            **{("torch", one.name): one for one in _CLASSES},
            **{("torch", name): self.type_of(name) for name in _TYPES},
        }

    def type_of(self, name: str) -> Any:
        """Return what stands for a type of numbers."""
        raise NotImplementedError

    def view(self, storage: Storage, kind: Any, offset: int, size: Any, stride: Any, flags: Any, grad: bool) -> Any:
        """Return a tensor on a storage."""
        raise NotImplementedError

    def parameter(self, data: Any, requires_grad: bool, hooks: Any) -> Any:
        """Return a tensor that is a parameter."""
        return data

    def size(self, lengths: Any) -> Any:
        """Return the lengths of a tensor."""
        return tuple(lengths)

    def device(self, *parts: Any) -> Any:
        """Return where a tensor was."""
        return ":".join(map(str, parts))

    def _old(self, storage: Storage, offset: int, size: Any, stride: Any) -> Any:
        return self._tensor(storage, offset, size, stride, False, None)

    def _tensor(
        self, storage: Storage, offset: int, size: Any, stride: Any, grad: bool, hooks: Any, flags: Any = None
    ) -> Any:
        return self._typed(storage, offset, size, stride, grad, hooks, self.type_of(_TYPE_OF[storage.kind]), flags)

    def _typed(
        self, storage: Storage, offset: int, size: Any, stride: Any, grad: bool, hooks: Any, kind: Any, flags: Any = 0
    ) -> Any:
        count = 1
        for length in size:
            count *= length
        if count * kind.itemsize > len(storage.data):
            self._budget.take_memory(min(count * kind.itemsize, 2**62))
        return self.view(storage, kind, offset, size, stride, flags or {}, grad)


class ArrayMaker(_Maker):
    """Makes arrays of numpy."""

    def type_of(self, name: str) -> Any:
        import numpy as np

        size = _TYPES[name]
        return np.dtype(name) if size is None else TensorType(name, size)

    def view(self, storage: Storage, kind: Any, offset: int, size: Any, stride: Any, flags: Any, grad: bool) -> Any:
        import numpy as np

        base = storage.shared(str(kind), lambda: self._base(storage, kind))
        if 0 in size:
            return np.empty(size, base.dtype)
        # A stride that is never taken may be any number.
        steps = [base.itemsize * (step if length > 1 else 1) for length, step in zip(size, stride, strict=True)]
        array = np.ndarray(size, base.dtype, buffer=base, offset=offset * base.itemsize, strides=steps)
        if flags.get("conj"):
            array = np.conj(array)
        return np.negative(array) if flags.get("neg") else array

    def _base(self, storage: Storage, kind: Any) -> Any:
        """Return the whole of a storage as one array."""
        import numpy as np

        if type(kind) is not TensorType:
            data = memoryview(storage.data)[: len(storage.data) // kind.itemsize * kind.itemsize]
            if kind.kind == "b":
                _check_flags(data)
            return np.frombuffer(data, kind)
        if kind.name != "bfloat16":
            raise FormatError(f"numpy has no type for torch.{kind.name}: ask for tensors='torch'")
        self._budget.take_memory(3 * len(storage.data) + 200)
        # The upper half of a float32, bit by bit.
        halves = np.frombuffer(storage.data, "u2", len(storage.data) // 2)
        wide: Any = np.zeros(2 * len(halves), "u2")
        wide[int(np.little_endian) :: 2] = halves
        return wide.view("f4")


def _check_flags(data: memoryview) -> None:
    """Refuse truth values that are neither: compiled code takes them for indices."""
    import numpy as np

    if len(data) and np.frombuffer(data, np.uint8).max() > 1:
        raise FormatError("a truth value is neither 0 nor 1")


class TensorMaker(_Maker):
    """Makes tensors of torch, which has to be installed."""

    def __init__(self, budget: Budget) -> None:
        import torch

        self._torch = torch
        super().__init__(budget)

    def type_of(self, name: str) -> Any:
        # What this torch is too old for has a name and no more.
        return getattr(self._torch, name, TensorType(name, _TYPES[name] or 1))

    def parameter(self, data: Any, requires_grad: bool, hooks: Any) -> Any:
        return self._torch.nn.Parameter(data, requires_grad)

    def size(self, lengths: Any) -> Any:
        return self._torch.Size(lengths)

    def device(self, *parts: Any) -> Any:
        return self._torch.device(*parts)

    def view(self, storage: Storage, kind: Any, offset: int, size: Any, stride: Any, flags: Any, grad: bool) -> Any:
        torch = self._torch
        if type(kind) is TensorType:
            raise FormatError(f"this torch has no type {kind.name}: install a newer one")
        if kind is torch.bool:
            _check_flags(memoryview(storage.data))
        base = storage.shared("torch", lambda: self._base(storage))
        tensor = torch.empty(0, dtype=kind).set_(base, offset, size, stride)
        if flags.get("conj"):
            tensor = tensor.conj()
        if flags.get("neg"):
            tensor = torch._neg_view(tensor)  # noqa: SLF001 (how torch itself spells it)
        return tensor.requires_grad_(grad) if grad else tensor

    def _base(self, storage: Storage) -> Any:
        """Return the whole of a storage as one of torch's, with memory of its own, as all that torch loads."""
        torch = self._torch
        if not storage.data:
            return torch.UntypedStorage(0)
        self._budget.take_memory(len(storage.data))
        return torch.frombuffer(storage.data, dtype=torch.uint8).clone().untyped_storage()
