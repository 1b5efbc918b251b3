"""Codec: a policy, limits, keys and all of pickle's calls, bound together into one pickle-module-shaped object.

Rules that hold here:

* A codec is immutable and safe to share between threads; it holds no state of any load or dump (S9).
* It has the names that a "pickle module" or a serializer has, so that it goes wherever one is accepted.
* With keys, every road in goes through a signature first (S8): ``loads``, ``load``, ``load_file`` and ``Unpickler``.
  What is about signing is refused without keys, so that nobody takes unsigned data for signed.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .decoding.unpickler import Unpickler as _Unpickler
from .decoding.unpickler import load as _load
from .decoding.unpickler import loads as _loads
from .encoding.pickler import Pickler as _Pickler
from .encoding.pickler import dump as _dump
from .encoding.pickler import dumps as _dumps
from .errors import StateError
from .limits import DEFAULT_LIMITS, Limits
from .policy.rules import PLAIN, FindClass, Policy
from .wire.opcodes import HIGHEST_PROTOCOL

if TYPE_CHECKING:
    from .signing.calls import Calls
    from .signing.envelope import Context, Header
    from .signing.freshness import Clock, ReplayGuard
    from .signing.keys import KeyRing
    from .signing.migration import AcceptUnsigned

__all__ = ["Codec"]


class Codec:
    """All of pickle's calls under one policy and one set of limits, and signed where it has keys.

    :param policy: what is allowed; by default plain data only.
    :param limits: how much is allowed.
    :param keys: sign what is written, and load only what verifies.
    :param purpose: what this codec is for, such as ``"cache"``: keys are derived from it, so that what was signed
        for one purpose never loads for another.
    :param max_age: the most seconds since signing, unless a call says otherwise.
    :param bind_policy: put the policy's fingerprint into what is signed, and load only what has the same.
    :param replay_guard: asked once for each message that verifies.
    :param unsigned: accepts unsigned data for a while, under the same policy: migration from an unsigned past.
    :param clock: returns seconds since 1970; ``time.time`` by default.
    """

    HIGHEST_PROTOCOL = HIGHEST_PROTOCOL
    DEFAULT_PROTOCOL = pickle.DEFAULT_PROTOCOL
    PickleBuffer = pickle.PickleBuffer
    PickleError = pickle.PickleError
    PicklingError = pickle.PicklingError
    UnpicklingError = pickle.UnpicklingError

    __slots__ = ("Pickler", "Unpickler", "_signed", "keys", "limits", "policy", "purpose")

    policy: Policy | FindClass
    limits: Limits
    keys: KeyRing | None
    purpose: str | None
    Pickler: type[_Pickler]
    Unpickler: type[_Unpickler]
    _signed: Calls | None

    def __init__(
        self,
        *,
        policy: Policy | FindClass = PLAIN,
        limits: Limits = DEFAULT_LIMITS,
        keys: KeyRing | None = None,
        purpose: str | None = None,
        max_age: float | None = None,
        bind_policy: bool = False,
        replay_guard: ReplayGuard | None = None,
        unsigned: AcceptUnsigned | None = None,
        clock: Clock | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "policy", policy)
        put(self, "limits", limits)
        put(self, "keys", keys)
        pickler, unpickler = _Pickler, _Unpickler
        if keys is None:
            if purpose is not None or max_age is not None or bind_policy or replay_guard or unsigned:
                raise ValueError("purpose, max_age, bind_policy, replay_guard and unsigned need keys=KeyRing...")
            put(self, "purpose", None)
            put(self, "_signed", None)
        else:
            from .signing import calls

            signed = calls.Calls(
                keys, policy, limits, purpose=purpose, max_age=max_age, bind_policy=bind_policy,
                replay_guard=replay_guard, unsigned=unsigned, clock=clock,
            )  # fmt: skip
            put(self, "purpose", signed.signer.purpose)
            put(self, "_signed", signed)
            pickler, unpickler = calls.bound_classes(signed, pickler, unpickler)
        bound = {"_policy": policy, "_limits": limits, "__module__": __name__}
        put(self, "Pickler", type("Pickler", (pickler,), {**bound, "__doc__": pickler.__doc__}))
        put(self, "Unpickler", type("Unpickler", (unpickler,), {**bound, "__doc__": unpickler.__doc__}))

    # -- pickle's calls ------------------------------------------------------------------------------------------

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
        context: Context = None,
        max_age: float | None = None,
    ) -> Any:
        """:func:`safepickle.loads` under this codec's policy and limits.

        :param context: what *data* must have been signed for: a cache's key, a queue's name, a user.
        :param max_age: the most seconds since it was signed.
        :raises SignatureError: before anything is decoded, if *data* does not verify; see its subclasses.
        """
        signed = self._signed
        if signed is not None:
            if buffers is not None:
                buffers = signed.private_buffers(buffers)
            data = signed.open(data, context, max_age, buffers)
        elif context is not None or max_age is not None:
            raise _no_keys()
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
        context: Context = None,
        max_age: float | None = None,
        exact: bool = True,
    ) -> Any:
        """:func:`safepickle.load` under this codec's policy and limits; with keys, of one signed stream or blob.

        :param context: and *max_age*: see :meth:`loads`.
        :param exact: with keys: refuse bytes that follow. Switch it off for sockets and for several values in a file.
        :raises SignatureError: if a part does not verify; no opcode of that part or behind it has run.
        """
        signed = self._signed
        if signed is None:
            if context is not None or max_age is not None:
                raise _no_keys()
            return _load(
                file, fix_imports=fix_imports, encoding=encoding, errors=errors, buffers=buffers,
                policy=self.policy, limits=self.limits, type=type,
            )  # fmt: skip
        reader, buffers = signed.open_file(file, context, max_age, exact, buffers)
        with reader:
            value = _load(
                reader, fix_imports=fix_imports, encoding=encoding, errors=errors, buffers=buffers,
                policy=self.policy, limits=self.limits, type=type,
            )  # fmt: skip
            signed.finish(reader)
        return value

    def dumps(
        self,
        obj: Any,
        protocol: int | None = None,
        *,
        fix_imports: bool = True,
        buffer_callback: Any = None,
        canonical: bool = False,
        context: Context = None,
        not_before: float | None = None,
    ) -> bytes:
        """:func:`safepickle.dumps` under this codec's policy and limits.

        :param context: what it is signed for; it loads with the same context only.
        :param not_before: it does not load before this time, in seconds since 1970.
        """
        signed = self._signed
        if signed is None:
            if context is not None or not_before is not None:
                raise _no_keys()
            return _dumps(
                obj, protocol, fix_imports=fix_imports, buffer_callback=buffer_callback, canonical=canonical,
                policy=self.policy, limits=self.limits,
            )  # fmt: skip
        covered: list[Any] = []
        if buffer_callback is not None:
            buffer_callback = _noting(buffer_callback, covered.append)
        payload = _dumps(
            obj, protocol, fix_imports=fix_imports, buffer_callback=buffer_callback, canonical=canonical,
            policy=self.policy, limits=self.limits,
        )  # fmt: skip
        return signed.signer.sign(payload, context, not_before=not_before, buffers=covered)

    def dump(
        self,
        obj: Any,
        file: Any,
        protocol: int | None = None,
        *,
        fix_imports: bool = True,
        buffer_callback: Any = None,
        canonical: bool = False,
        context: Context = None,
        not_before: float | None = None,
    ) -> None:
        """:func:`safepickle.dump` under this codec's policy and limits; with keys, as a signed stream.

        :param context: and *not_before*: see :meth:`dumps`.
        """
        signed = self._signed
        if signed is None:
            if context is not None or not_before is not None:
                raise _no_keys()
            _dump(
                obj, file, protocol, fix_imports=fix_imports, buffer_callback=buffer_callback, canonical=canonical,
                policy=self.policy, limits=self.limits,
            )  # fmt: skip
            return
        with signed.writer(file, context, not_before) as writer:
            if buffer_callback is not None:
                buffer_callback = _noting(buffer_callback, writer.cover)
            _dump(
                obj, writer, protocol, fix_imports=fix_imports, buffer_callback=buffer_callback, canonical=canonical,
                policy=self.policy, limits=self.limits,
            )  # fmt: skip

    # -- files ---------------------------------------------------------------------------------------------------

    def dump_file(
        self,
        obj: Any,
        path: Any,
        protocol: int | None = None,
        *,
        context: Context = None,
        not_before: float | None = None,
    ) -> None:
        """Write a file whole or not at all: a temporary file beside it, synced, then renamed over it."""
        from .signing.files import whole_file

        with whole_file(path) as file:
            self.dump(obj, file, protocol, context=context, not_before=not_before)

    def load_file(
        self,
        path: Any,
        *,
        type: Any = None,  # noqa: A002 (what a user writes)
        context: Context = None,
        max_age: float | None = None,
    ) -> Any:
        """Load a file. It is opened once: what is decoded are the bytes that were verified.

        :param type: and *context*, *max_age*: see :meth:`loads`.
        """
        with open(path, "rb") as file:  # noqa: PTH123  (paths of any kind)
            value = self.load(file, type=type, context=context, max_age=max_age)
            if self._signed is None and file.read(1):
                from .errors import TrailingDataError

                raise TrailingDataError("bytes follow the pickle in the file")
            return value

    def verify(
        self, data: Any, *, context: Context = None, max_age: float | None = None, buffers: Iterable[Any] | None = None
    ) -> Header:
        """Verify what :meth:`dumps` or :meth:`dump` wrote, without loading it, and return its header.

        :param data: bytes, or a file.
        :raises SignatureError: if it does not verify.
        :raises StateError: if this codec has no keys.
        """
        if self._signed is None:
            raise _no_keys()
        return self._signed.verify(data, context, max_age, buffers)

    # -- a value -------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Codec is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Codec is immutable")

    def _terms(self) -> tuple[Any, ...]:
        return (self.policy, self.limits, None if self._signed is None else self._signed.terms())

    def __eq__(self, other: object) -> bool:
        return self._terms() == other._terms() if isinstance(other, Codec) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._terms())

    def __repr__(self) -> str:
        signed = "" if self._signed is None else f", keys={self.keys!r}, purpose={self.purpose!r}"
        return f"Codec(policy={self.policy!r}, limits={self.limits!r}{signed})"

    def __copy__(self) -> Codec:
        return self

    def __deepcopy__(self, memo: object) -> Codec:
        return self

    def __reduce__(self) -> Any:
        if self._signed is not None:
            raise TypeError("a Codec with keys is not pickled: its secrets would be in the pickle")
        return (_codec_of, (self.policy, self.limits))


def _codec_of(policy: Policy | FindClass, limits: Limits) -> Codec:
    return Codec(policy=policy, limits=limits)


def _no_keys() -> StateError:
    return StateError("this Codec has no keys, so nothing is signed or verified: give it keys=KeyRing...")


def _noting(callback: Callable[[Any], Any], note: Callable[[Any], object]) -> Callable[[Any], Any]:
    """Return a buffer callback that notes what stays out of band."""

    def noting(buffer: Any) -> Any:
        answer = callback(buffer)
        if not answer:
            note(buffer)
        return answer

    return noting
