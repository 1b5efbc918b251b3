"""Codec: a policy, limits and all of pickle's calls, bound together into one pickle-module-shaped object.

Rules that hold here:

* A codec is immutable and safe to share between threads; it holds no state of any load or dump (S9).
* It has the names that a "pickle module" or a serializer has, so that it goes wherever one is accepted.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from typing import Any

from .decoding.unpickler import Unpickler as _Unpickler
from .decoding.unpickler import load as _load
from .decoding.unpickler import loads as _loads
from .encoding.pickler import Pickler as _Pickler
from .encoding.pickler import dump as _dump
from .encoding.pickler import dumps as _dumps
from .limits import DEFAULT_LIMITS, Limits
from .policy.rules import PLAIN, FindClass, Policy
from .wire.opcodes import HIGHEST_PROTOCOL

__all__ = ["Codec"]


class Codec:
    """All of pickle's calls under one policy and one set of limits.

    :param policy: what is allowed; by default plain data only.
    :param limits: how much is allowed.
    """

    HIGHEST_PROTOCOL = HIGHEST_PROTOCOL
    DEFAULT_PROTOCOL = pickle.DEFAULT_PROTOCOL
    PickleBuffer = pickle.PickleBuffer
    PickleError = pickle.PickleError
    PicklingError = pickle.PicklingError
    UnpicklingError = pickle.UnpicklingError

    __slots__ = ("Pickler", "Unpickler", "limits", "policy")

    policy: Policy | FindClass
    limits: Limits
    Pickler: type[_Pickler]
    Unpickler: type[_Unpickler]

    def __init__(self, *, policy: Policy | FindClass = PLAIN, limits: Limits = DEFAULT_LIMITS) -> None:
        put = object.__setattr__
        put(self, "policy", policy)
        put(self, "limits", limits)
        bound = {"_policy": policy, "_limits": limits, "__module__": __name__}
        put(self, "Pickler", type("Pickler", (_Pickler,), {**bound, "__doc__": _Pickler.__doc__}))
        put(self, "Unpickler", type("Unpickler", (_Unpickler,), {**bound, "__doc__": _Unpickler.__doc__}))

    def loads(
        self,
        data: Any,
        /,
        *,
        fix_imports: bool = True,
        encoding: str = "ASCII",
        errors: str = "strict",
        buffers: Iterable[Any] | None = None,
        type: Any = None,  # noqa: A002 (what a user writes)
    ) -> Any:
        """:func:`safepickle.loads` under this codec's policy and limits."""
        return _loads(
            data, fix_imports=fix_imports, encoding=encoding, errors=errors, buffers=buffers,
            policy=self.policy, limits=self.limits, type=type,
        )  # fmt: skip

    def load(
        self,
        file: Any,
        *,
        fix_imports: bool = True,
        encoding: str = "ASCII",
        errors: str = "strict",
        buffers: Iterable[Any] | None = None,
        type: Any = None,  # noqa: A002 (what a user writes)
    ) -> Any:
        """:func:`safepickle.load` under this codec's policy and limits."""
        return _load(
            file, fix_imports=fix_imports, encoding=encoding, errors=errors, buffers=buffers,
            policy=self.policy, limits=self.limits, type=type,
        )  # fmt: skip

    def dumps(
        self,
        obj: Any,
        protocol: int | None = None,
        *,
        fix_imports: bool = True,
        buffer_callback: Any = None,
        canonical: bool = False,
    ) -> bytes:
        """:func:`safepickle.dumps` under this codec's policy and limits."""
        return _dumps(
            obj, protocol, fix_imports=fix_imports, buffer_callback=buffer_callback, canonical=canonical,
            policy=self.policy, limits=self.limits,
        )  # fmt: skip

    def dump(
        self,
        obj: Any,
        file: Any,
        protocol: int | None = None,
        *,
        fix_imports: bool = True,
        buffer_callback: Any = None,
        canonical: bool = False,
    ) -> None:
        """:func:`safepickle.dump` under this codec's policy and limits."""
        _dump(
            obj, file, protocol, fix_imports=fix_imports, buffer_callback=buffer_callback, canonical=canonical,
            policy=self.policy, limits=self.limits,
        )  # fmt: skip

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Codec is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Codec is immutable")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Codec):
            return NotImplemented
        return self.policy == other.policy and self.limits == other.limits

    def __hash__(self) -> int:
        return hash((self.policy, self.limits))

    def __repr__(self) -> str:
        return f"Codec(policy={self.policy!r}, limits={self.limits!r})"

    def __reduce__(self) -> Any:
        return (_codec_of, (self.policy, self.limits))


def _codec_of(policy: Policy | FindClass, limits: Limits) -> Codec:
    return Codec(policy=policy, limits=limits)
