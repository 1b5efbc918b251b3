"""Signer: a key ring for one purpose, which signs payloads and opens signed ones.

Rules that hold here:

* :meth:`Signer.open` returns bytes whose tag has been verified, or raises; there is nothing in between (S8).
* Lengths are compared before a tag is computed, and tags of the key's full length in constant time (attacks S09, S10).
* What is verified is what is returned: anything that could still change is copied first (attacks S14).
* Opening a small message is the hot path of every cache: what depends only on the key is kept from call to call.
"""

from __future__ import annotations

import os
import time
from hmac import compare_digest
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..errors import (
    BadSignatureError,
    LimitError,
    PolicyMismatchError,
    RevokedKeyError,
    UnknownKeyError,
)
from ..limits import NO_BOUND
from ..wire.source import as_bytes
from .algorithms import BLOB, encode_purpose
from .envelope import (
    FIXED,
    LONG,
    MOST_HEADER,
    NO_CONTEXT,
    SIZES,
    Context,
    Header,
    encode_context,
    garbled,
    is_signed,
    read_header,
    read_prefix,
    rest_of_header,
    unknown_key,
)
from .freshness import check_age, check_replay, microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .algorithms import Mac
    from .freshness import Clock, ReplayGuard
    from .keys import Key, KeyRing
    from .migration import AcceptUnsigned

__all__ = ["DEFAULT_PURPOSE", "Signer", "freeze"]

DEFAULT_PURPOSE: Final = "pickle"

_FAILED: Final = (
    "the signature does not verify: the data was changed or cut, or was signed for another purpose or context"
)


class _Known(NamedTuple):
    """What is known of messages that begin with certain bytes."""

    start: Callable[[], Any]
    #: Length of the header.
    header: int
    tag: int
    #: Whether there is more to look at than the time: any flag.
    more: int


class Signer:
    """Signs and verifies for one purpose.

    :param keys: the ring.
    :param purpose: what the messages are for: ``"cache"``, ``"queue"``. Keys are derived from it, so that a message for
        one purpose never verifies for another.
    :param clock: returns seconds since 1970.
    :param policy: a fingerprint to put into each header and to demand of each message, or None.
    :param replay_guard: asked once for each message that verifies; then each message gets a nonce.
    :param unsigned: accepts unsigned data for a while, or None.
    :param max_bytes: longest payload.
    """

    __slots__ = (
        "_known", "_signing", "clock", "keys", "max_bytes", "policy", "purpose", "replay_guard", "unsigned",
    )  # fmt: skip

    keys: KeyRing
    purpose: str
    clock: Clock
    policy: str | None
    replay_guard: ReplayGuard | None
    unsigned: AcceptUnsigned | None
    max_bytes: int
    _known: dict[bytes, _Known]
    _signing: tuple[bytes, Mac] | None

    def __init__(
        self,
        keys: KeyRing,
        *,
        purpose: str = DEFAULT_PURPOSE,
        clock: Clock | None = None,
        policy: str | None = None,
        replay_guard: ReplayGuard | None = None,
        unsigned: AcceptUnsigned | None = None,
        max_bytes: int = NO_BOUND,
    ) -> None:
        encode_purpose(purpose)
        self.keys = keys
        self.purpose = purpose
        self.clock = time.time if clock is None else clock
        self.policy = policy
        self.replay_guard = replay_guard
        self.unsigned = unsigned
        self.max_bytes = max_bytes
        # By the first bytes of a message: only what names a key of the ring, in a valid form, gets in.
        self._known = {}
        self._signing = None

    # -- signing -------------------------------------------------------------------------------------------------

    def header(
        self, kind: int, size: int, not_before: float | None = None, buffers: int = 0, *, nonce: bool = False
    ) -> Header:
        """Return the header of a message that is signed now, with the key that signs."""
        key = self.keys.signing_key
        return Header(
            kind,
            key.algorithm.code,
            key.id,
            microseconds(self.clock()),
            size,
            None if not_before is None else microseconds(not_before),
            self.policy,
            os.urandom(16) if nonce or self.replay_guard is not None else None,
            buffers,
        )

    def renewed(self, header: Header, size: int | None = None) -> Header:
        """Return the header of a verified message as the key that signs now would sign it again.

        Its times and its policy stay: signing again makes nothing younger.
        """
        key = self.keys.signing_key
        nonce = None if header.nonce is None else os.urandom(16)
        size = header.size if size is None else size
        return header._replace(algorithm=key.algorithm.code, key_id=key.id, nonce=nonce, size=size)

    def sign(
        self,
        payload: bytes,
        context: Context = None,
        *,
        not_before: float | None = None,
        buffers: Sequence[Any] = (),
        header: Header | None = None,
    ) -> bytes:
        """Return a payload as a signed message.

        :param context: what it is bound to: it verifies only together with the same context.
        :param not_before: it is refused before this time, in seconds since 1970.
        :param buffers: out-of-band buffers that the tag covers.
        :param header: one from :meth:`renewed`, instead of one of now.
        :raises KeyRingError: if no key of the ring signs.
        """
        bound = NO_CONTEXT if context is None else encode_context(context)
        if not_before is None and not buffers and self._usual and header is None:
            # The usual message: of its header only the numbers change.
            prefix, mac = self._signing or self._begin_signing()
            encoded = prefix + SIZES.pack(microseconds(self.clock()), len(payload))
        else:
            mac = self.keys.signing_key.mac(BLOB, self.purpose)
            if header is None:
                header = self.header(BLOB, len(payload), not_before, len(buffers))
            encoded = header.encode()
        tag = mac.copy()
        tag.update(bound + encoded)
        tag.update(payload)
        for buffer in buffers:
            with raw(buffer) as content:
                tag.update(LONG.pack(len(content)))
                tag.update(content)
        return b"".join((encoded, payload, tag.digest()))

    @property
    def _usual(self) -> bool:
        return self.policy is None and self.replay_guard is None

    def _begin_signing(self) -> tuple[bytes, Mac]:
        key = self.keys.signing_key
        self._signing = Header(BLOB, key.algorithm.code, key.id, 0, 0).prefix(), key.mac(BLOB, self.purpose)
        return self._signing

    # -- verifying -----------------------------------------------------------------------------------------------

    def open(
        self, blob: Any, context: Context = None, *, max_age: float | None = None, buffers: Iterable[Any] | None = None
    ) -> bytes:
        """Return the payload of a message that verifies.

        :param context: what it must be bound to.
        :param max_age: the most seconds since it was signed.
        :param buffers: the out-of-band buffers that belong to it; they must not change any more.
        :raises SignatureError: if it does not verify; see its subclasses.
        :raises LimitError: if it is longer than ``max_bytes``: nothing was computed over it then (attacks S19).
        """
        data: bytes = blob if type(blob) is bytes else as_bytes(blob)
        width = FIXED + data[8] if len(data) > 8 else 0
        known = self._known.get(data[:width]) or self._recognise(data)
        start, length, tag_size, more = known
        end = len(data) - tag_size
        if end < length:
            raise garbled("it is cut off")
        size: int = LONG.unpack_from(data, width + 8)[0]
        if end - length != size:
            raise garbled(f"its payload has {end - length} bytes, and {size} were signed")
        if size > self.max_bytes:
            raise LimitError("max_bytes", self.max_bytes, size)
        payload = data[length:end]
        tag = start()
        # Both at once where they are short: one more copy takes less than one more call.
        front = (NO_CONTEXT if context is None else encode_context(context)) + data[: end if size < 4096 else length]
        tag.update(front)
        if size >= 4096:
            tag.update(payload)
        if more or buffers is not None:
            self._cover(tag, data, buffers)
        if not compare_digest(tag.digest(), data[end:]):
            raise BadSignatureError(_FAILED)
        if more or max_age is not None or self.replay_guard is not None or self.policy is not None:
            self.check(read_header(data[:MOST_HEADER])[0], max_age)
        return payload

    def verify(
        self, blob: Any, context: Context = None, *, max_age: float | None = None, buffers: Iterable[Any] | None = None
    ) -> Header:
        """Verify a message and return its header; see :meth:`open`. Nothing is loaded."""
        data: bytes = blob if type(blob) is bytes else as_bytes(blob)
        self.open(data, context, max_age=max_age, buffers=buffers)
        return read_header(data[:MOST_HEADER])[0]

    @staticmethod
    def read_header(data: bytes) -> Header:
        """Return what a message says about itself, **not verified**."""
        return read_header(data[:MOST_HEADER])[0]

    def check(self, header: Header, max_age: float | None) -> None:
        """Check what a verified header says.

        :raises SignatureError: for a message of the wrong time or policy, or one that was seen before.
        """
        check_age(header.created, header.not_before, max_age, self.clock)
        if self.policy is not None and header.policy != self.policy:
            raise PolicyMismatchError(signed=header.policy, expected=self.policy)
        if self.replay_guard is not None:
            check_replay(self.replay_guard, header.nonce, header.created)

    def key_for(self, key_id: str, algorithm: int) -> Key:
        """Return the key that is to verify a message.

        :raises SignatureError: if there is none, or it is not for that algorithm.
        """
        key = self.keys.get(key_id)
        if key is None:
            raise UnknownKeyError(unknown_key(key_id), key_id=key_id)
        if not key.verifies:
            raise RevokedKeyError(f"the key {key_id} has been revoked: what it signed is not accepted", key_id=key_id)
        if key.algorithm.code != algorithm:
            raise BadSignatureError(_FAILED)
        return key

    def admits_unsigned(self, data: bytes) -> bool:
        """Whether data is not signed, and accepted nonetheless; it is counted then.

        :raises UnsignedError: if it is not signed and the time for that is over.
        """
        if self.unsigned is None or is_signed(data):
            return False
        self.unsigned.admit(self.clock)
        return True

    def _recognise(self, data: bytes) -> _Known:
        """Look at the beginning of a message and keep what was found."""
        kind, algorithm, flags, key_id = read_prefix(data)
        key = self.key_for(key_id, algorithm)
        if kind != BLOB:
            raise garbled("it is a stream: load it from a file")
        width = FIXED + len(key_id)
        mac = key.mac(BLOB, self.purpose)
        known = _Known(mac.copy, width + rest_of_header(flags), key.algorithm.tag_size, flags)
        self._known[data[:width]] = known
        return known

    def _cover(self, tag: Any, data: bytes, buffers: Iterable[Any] | None) -> None:
        """Feed out-of-band buffers, if the header says that there are such."""
        given = () if buffers is None else tuple(buffers)
        signed = read_header(data[:MOST_HEADER])[0].buffers
        if len(given) != signed:
            raise BadSignatureError(f"{signed} out-of-band buffers were signed, and {len(given)} are given")
        for buffer in given:
            with raw(buffer) as content:
                tag.update(LONG.pack(len(content)))
                tag.update(content)


def raw(buffer: Any) -> memoryview:
    """Return a buffer's bytes, in whichever order they lie in memory (PEP 574)."""
    return PickleBuffer(buffer).raw()


def freeze(buffer: Any) -> Any:
    """Return a buffer that nobody else can change, of the same kind: read-only, or to be written by its new owner."""
    if type(buffer) is bytes:
        return buffer
    with raw(buffer) as content:
        return bytes(content) if content.readonly else bytearray(content)
