"""Calls: what a codec with keys does around pickle's calls.

Rules that hold here:

* Nothing here decodes. What comes out of :meth:`Calls.open` and :meth:`Calls.open_file` has been verified, or was
  accepted unsigned under the codec's policy, and counted.
* A policy without restrictions does not go together with unsigned data: that would be pickle, and look like safety.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

from ..limits import Limits
from ..policy.rules import Policy
from ..wire.source import as_bytes
from .envelope import MAGIC
from .keys import KeyRing
from .signer import DEFAULT_PURPOSE, Signer, freeze
from .streams import InMemory, StreamReader, StreamWriter, open_signed, read_exactly, verify_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .envelope import Context, Header
    from .freshness import Clock, ReplayGuard
    from .migration import AcceptUnsigned

__all__ = ["Calls", "bound_classes"]


class Calls:
    """The signed side of a codec. The parameters are those of :class:`safepickle.Codec`."""

    __slots__ = ("_verifier", "max_age", "signer")

    def __init__(
        self,
        keys: KeyRing,
        policy: Any,
        limits: Limits,
        *,
        purpose: str | None,
        max_age: float | None,
        bind_policy: bool,
        replay_guard: ReplayGuard | None,
        unsigned: AcceptUnsigned | None,
        clock: Clock | None,
    ) -> None:
        if not isinstance(keys, KeyRing):
            raise TypeError(f"keys must be a KeyRing, not {type(keys).__name__}")
        is_policy = isinstance(policy, Policy)
        if unsigned is not None and is_policy and policy.unrestricted:
            raise ValueError("unsigned data under UNRESTRICTED would be pickle without any protection: name a policy")
        if bind_policy and not is_policy:
            raise ValueError("bind_policy needs a Policy, which has a fingerprint")
        if is_policy and policy.limits is not None:
            limits = policy.within(limits)
        self.max_age: Final = max_age
        terms: dict[str, Any] = {
            "purpose": DEFAULT_PURPOSE if purpose is None else purpose,
            "clock": clock,
            "policy": policy.fingerprint if bind_policy else None,
            "unsigned": unsigned,
            "max_bytes": limits.bound("max_bytes"),
        }
        self.signer: Final = Signer(keys, replay_guard=replay_guard, **terms)
        # Who only verifies a message does not use it up.
        self._verifier: Final = self.signer if replay_guard is None else Signer(keys, **terms)

    def terms(self) -> tuple[Any, ...]:
        """Return what two codecs must have in common to be equal."""
        signer = self.signer
        guards = (id(signer.replay_guard), id(signer.unsigned), signer.clock)
        return (signer.keys, signer.purpose, signer.policy, self.max_age, guards)

    # -- bytes ---------------------------------------------------------------------------------------------------

    def open(self, data: Any, context: Context, max_age: float | None, buffers: Iterable[Any] | None) -> bytes:
        """Return the pickle in a signed message; see :meth:`Signer.open`."""
        signer = self.signer
        if max_age is None:
            max_age = self.max_age
        if type(data) is not bytes:
            data = as_bytes(data)
        if signer.unsigned is not None and signer.admits_unsigned(data):
            return data  # type: ignore[no-any-return]
        if data[5:6] == b"\x02" and data[:4] == MAGIC:
            return self._open_stream(data, context, max_age, buffers)
        return signer.open(data, context, max_age=max_age, buffers=buffers)

    def _open_stream(
        self, data: bytes, context: Context, max_age: float | None, buffers: Iterable[Any] | None
    ) -> bytes:
        """Return the pickle in a stream that is in memory: what ``dump`` wrote and somebody read as bytes."""
        with StreamReader(InMemory(data), self.signer, context, max_age=max_age) as reader:
            payload = reader.read()
            if buffers is not None:
                for _ in reader.buffers(buffers):
                    pass
        return payload

    def private_buffers(self, buffers: Iterable[Any]) -> list[Any]:
        """Return out-of-band buffers as nobody else can change them after they have been verified."""
        return [freeze(buffer) for buffer in buffers]

    # -- files ---------------------------------------------------------------------------------------------------

    def writer(self, file: Any, context: Context, not_before: float | None) -> StreamWriter:
        """Return a writer of one signed stream."""
        return StreamWriter(file, self.signer, context, not_before=not_before)

    def open_file(
        self,
        file: Any,
        context: Context,
        max_age: float | None,
        exact: bool,
        buffers: Iterable[Any] | None,
        head: bytes = b"",
    ) -> tuple[Any, Iterable[Any] | None]:
        """Return the pickle in a file, as a file to be read, and the out-of-band buffers that the machine may use.

        :param head: bytes that were read from the file already.
        """
        if max_age is None:
            max_age = self.max_age
        if self.signer.unsigned is not None:
            head += read_exactly(file, len(MAGIC) - len(head))
            if head and self.signer.admits_unsigned(head):
                return _Unsigned(head, file), buffers
        reader = open_signed(file, self.signer, context, max_age=max_age, exact=exact, head=head)
        if isinstance(reader, StreamReader):
            return reader, None if buffers is None else reader.buffers(buffers)
        # The tag of a blob covers all buffers, so all of them are looked at before it is decoded.
        if buffers is not None:
            buffers = self.private_buffers(buffers)
        return io.BytesIO(self.signer.open(reader, context, max_age=max_age, buffers=buffers)), buffers

    def finish(self, reader: Any) -> None:
        """Verify that a stream ends where the pickle in it does."""
        if isinstance(reader, StreamReader):
            reader.finish()

    def verify(self, data: Any, context: Context, max_age: float | None, buffers: Iterable[Any] | None) -> Header:
        """Verify bytes or a file without loading anything."""
        if max_age is None:
            max_age = self.max_age
        if hasattr(data, "read"):
            return verify_file(data, self._verifier, context, max_age=max_age)
        content = as_bytes(data)
        if content[5:6] == b"\x02" and content[:4] == MAGIC:
            return verify_file(InMemory(content), self._verifier, context, max_age=max_age)
        return self._verifier.verify(content, context, max_age=max_age, buffers=buffers)


class _Unsigned(io.RawIOBase):
    """A file whose first bytes were read already; what it is for is unsigned."""

    def __init__(self, head: bytes, file: Any) -> None:
        self._head = head
        self._file = file

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = 1 << 62
        taken, self._head = self._head[:size], self._head[size:]
        return taken if len(taken) == size else taken + bytes(self._file.read(size - len(taken)) or b"")

    def readline(self, size: int | None = -1, /) -> bytes:
        stop = self._head.find(b"\n") + 1
        if stop:
            return self.read(stop)
        taken, self._head = self._head, b""
        # Any object may be the file: only a real one is known to take a bound.
        bound = -1 if size is None or size < 0 else size - len(taken)
        rest = self._file.readline(bound) if isinstance(self._file, io.IOBase) else self._file.readline()
        return taken + bytes(rest)


def bound_classes(calls: Calls, pickler: Any, unpickler: Any) -> tuple[Any, Any]:
    """Return a Pickler that signs and an Unpickler that verifies, to be used and subclassed as these two are."""

    class Pickler(pickler):  # type: ignore[misc]
        """Writes signed pickles to a file, each dump a stream of its own.

        :param context: what they are bound to. Other parameters: those of :class:`safepickle.Pickler`.
        """

        def __init__(self, file: Any, *arguments: Any, context: Context = None, **options: Any) -> None:
            if not callable(getattr(file, "write", None)):
                raise TypeError("file must have a 'write' attribute")
            self._signed_file = file
            self._context = context
            self._stream: StreamWriter | None = None
            callback = options.get("buffer_callback")
            if len(arguments) > 2:
                *first, callback = arguments[:3]
                arguments = (*first, *arguments[3:])
            if callback is not None:
                options["buffer_callback"] = lambda buffer: self._cover(buffer, callback)
            super().__init__(_Redirect(self), *arguments, **options)

        def _cover(self, buffer: Any, callback: Any) -> Any:
            answer = callback(buffer)
            if not answer and self._stream is not None:
                self._stream.cover(buffer)
            return answer

        def dump(self, obj: Any) -> None:
            outer = self._stream
            with calls.writer(self._signed_file, self._context, None) as stream:
                self._stream = stream
                try:
                    super().dump(obj)
                finally:
                    self._stream = outer

    class Unpickler(unpickler):  # type: ignore[misc]
        """Reads signed pickles from a file, one stream after another.

        :param context: and *max_age*: what they must be bound to, and how old they may be. Other parameters: those of
            :class:`safepickle.Unpickler`.
        """

        def __init__(self, file: Any, *, context: Context = None, max_age: float | None = None, **options: Any) -> None:
            super().__init__(file, **options)
            self._buffers: Any
            self._signed_file = file
            self._given_buffers: Any = self._buffers
            self._binding = (context, max_age)

        def load(self) -> Any:
            if not hasattr(self, "_binding") or self._running is not None:
                return super().load()  # which says what is wrong
            file = self._signed_file
            context, max_age = self._binding
            first = file.read(1)
            if not first:
                self._file = io.BytesIO()
                return super().load()  # the end, as pickle says it
            reader, self._buffers = calls.open_file(file, context, max_age, False, self._given_buffers, first)
            with reader:
                self._file = reader
                try:
                    value = super().load()
                    calls.finish(reader)
                finally:
                    self._file = file
            return value

    return Pickler, Unpickler


class _Redirect:
    """The file of a signing Pickler: the stream of the dump that is running."""

    def __init__(self, pickler: Any) -> None:
        self._pickler = pickler

    def write(self, data: Any) -> int:
        written: int = self._pickler._stream.write(data)  # noqa: SLF001  (one class in two halves)
        return written
