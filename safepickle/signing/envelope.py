"""The envelope: what a signed message begins with, and what its tag is computed over. See docs/envelope.md.

Rules that hold here:

* A header says its own length in each part, so that no two different headers, contexts and payloads give the tag the
  same input (attacks S04).
* The magic is no opcode of pickle, no digit, no NUL and no UTF-8: a message is never taken for a pickle, for a number
  that ``incr`` counts, for a compressed result of Celery, or for text.
* Reading a header trusts nothing: it gives a :class:`Header`, or raises a SignatureError.
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

from ..errors import BadSignatureError, UnsignedError, quote
from .algorithms import BLOB, BY_CODE, STREAM

__all__ = ["MAGIC", "Context", "Header", "encode_context", "is_signed", "read_header"]

MAGIC: Final = b"\xf5SPK"
VERSION: Final = 1
#: Bytes before the key's id.
FIXED: Final = 9
#: Most bytes of a header.
MOST_HEADER: Final = FIXED + 64 + 16 + 8 + 16 + 16 + 4

# Flags: which of the fields after the sizes are there, in this order.
NOT_BEFORE: Final = 1
POLICY: Final = 2
NONCE: Final = 4
BUFFERS: Final = 8
_KNOWN_FLAGS: Final = NOT_BEFORE | POLICY | NONCE | BUFFERS

#: Smallest and largest chunk of a stream, in bytes: the largest bounds what a reader holds.
SMALLEST_CHUNK: Final = 1
LARGEST_CHUNK: Final = 1 << 24

SIZES: Final = struct.Struct(">QQ")
LONG: Final = struct.Struct(">Q")
_COUNT: Final = struct.Struct(">I")
_ONE_PART: Final = struct.Struct(">IQ")

#: What a message is bound to: nothing, text, bytes, or several of these.
Context = str | bytes | tuple[str | bytes, ...] | None

NO_CONTEXT: Final = _COUNT.pack(0)


def is_signed(data: Any) -> bool:
    """Whether bytes begin as a signed message does."""
    return bytes(data[: len(MAGIC)]) == MAGIC


def encode_context(context: Context) -> bytes:
    """Return a context as the tag's input begins with it: a count, and each part with its length.

    :raises TypeError: if it is not text, bytes or a tuple of these.
    """
    if context is None:
        return NO_CONTEXT
    if type(context) is str:
        text = context.encode("utf-8", "surrogatepass")
        return _ONE_PART.pack(1, len(text)) + text
    if type(context) is bytes:
        return _ONE_PART.pack(1, len(context)) + context
    parts = context if isinstance(context, tuple) else (context,)
    pieces = [_COUNT.pack(len(parts))]
    for part in parts:
        if not isinstance(part, (str, bytes, bytearray)):
            raise TypeError(f"a context is text, bytes or a tuple of these, not {type(part).__name__}")
        encoded = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else bytes(part)
        pieces += LONG.pack(len(encoded)), encoded
    return b"".join(pieces)


class Header(NamedTuple):
    """What a signed message says about itself. Verified only where a verifying call returned it."""

    #: 1 for a blob, 2 for a stream.
    kind: int
    algorithm: int
    key_id: str
    #: Microseconds since 1970.
    created: int
    #: Length of a blob's payload, or of a stream's chunks.
    size: int
    not_before: int | None = None
    #: The fingerprint of the policy that it was signed under, in hexadecimal.
    policy: str | None = None
    nonce: bytes | None = None
    #: How many out-of-band buffers the tag covers.
    buffers: int = 0

    @property
    def flags(self) -> int:
        """Which optional fields it has."""
        return (
            (NOT_BEFORE if self.not_before is not None else 0)
            | (POLICY if self.policy is not None else 0)
            | (NONCE if self.nonce is not None else 0)
            | (BUFFERS if self.buffers else 0)
        )

    def prefix(self) -> bytes:
        """Return its beginning up to the key's id, which says how long the rest is."""
        key_id = self.key_id.encode("ascii")
        fixed = bytes((VERSION, self.kind, self.algorithm, self.flags, len(key_id)))
        return MAGIC + fixed + key_id

    def encode(self) -> bytes:
        """Return it as bytes."""
        pieces = [self.prefix(), SIZES.pack(self.created, self.size)]
        if self.not_before is not None:
            pieces.append(LONG.pack(self.not_before))
        if self.policy is not None:
            pieces.append(bytes.fromhex(self.policy))
        if self.nonce is not None:
            pieces.append(self.nonce)
        if self.buffers:
            pieces.append(_COUNT.pack(self.buffers))
        return b"".join(pieces)


def rest_of_header(flags: int) -> int:
    """Return how many bytes of a header follow the key's id."""
    return (
        SIZES.size
        + (8 if flags & NOT_BEFORE else 0)
        + (16 if flags & POLICY else 0)
        + (16 if flags & NONCE else 0)
        + (4 if flags & BUFFERS else 0)
    )


def garbled(what: str) -> BadSignatureError:
    """Return the error for a message whose form is not that of an envelope."""
    return BadSignatureError(f"the signed envelope is damaged: {what}")


def read_prefix(data: bytes) -> tuple[int, int, int, str]:
    """Read up to the key's id and return kind, algorithm, flags and the id.

    :raises UnsignedError: if it does not begin as a signed message.
    :raises BadSignatureError: if it begins as one, and goes on as none.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise UnsignedError("it is not signed: sign it (safepickle sign), or accept unsigned data for a while")
    if len(data) < FIXED:
        raise garbled("it is cut off")
    version, kind, algorithm, flags, length = data[4:FIXED]
    if version != VERSION:
        raise garbled(f"version {version} is not {VERSION}")
    if kind not in (BLOB, STREAM):
        raise garbled(f"there is no kind {kind}")
    if algorithm not in BY_CODE:
        raise garbled(f"there is no algorithm {algorithm}")
    if flags & ~_KNOWN_FLAGS or (kind == STREAM and flags & (BUFFERS | NONCE) != NONCE):
        raise garbled(f"it has flags {flags:#04x}")
    name = data[FIXED : FIXED + length]
    if not 1 <= length <= 64 or len(name) < length or not name.isascii():
        raise garbled("its key id is none")
    key_id = name.decode("ascii")
    return kind, algorithm, flags, key_id


def read_header(data: bytes) -> tuple[Header, int]:
    """Read a header and return it, **not verified**, with its length.

    :raises SignatureError: if there is none.
    """
    kind, algorithm, flags, key_id = read_prefix(data)
    at = FIXED + len(key_id)
    end = at + rest_of_header(flags)
    if len(data) < end:
        raise garbled("it is cut off")
    created, size = SIZES.unpack_from(data, at)
    at += SIZES.size
    not_before = policy = nonce = None
    buffers = 0
    if flags & NOT_BEFORE:
        not_before = LONG.unpack_from(data, at)[0]
        at += 8
    if flags & POLICY:
        policy = data[at : at + 16].hex()
        at += 16
    if flags & NONCE:
        nonce = data[at : at + 16]
        at += 16
    if flags & BUFFERS:
        buffers = _COUNT.unpack_from(data, at)[0]
        if not buffers:
            raise garbled("it covers buffers, and none")
    if kind == STREAM and not SMALLEST_CHUNK <= size <= LARGEST_CHUNK:
        raise garbled(f"a chunk has {SMALLEST_CHUNK} to {LARGEST_CHUNK} bytes")
    return Header(kind, algorithm, key_id, created, size, not_before, policy, nonce, buffers), end


def describe(header: Header) -> dict[str, Any]:
    """Return a header for people and for JSON."""
    return {
        "kind": "blob" if header.kind == BLOB else "stream",
        "algorithm": BY_CODE[header.algorithm].name,
        "key": header.key_id,
        "created": header.created / 1e6,
        "size": header.size,
        "not_before": None if header.not_before is None else header.not_before / 1e6,
        "policy": header.policy,
        "nonce": None if header.nonce is None else header.nonce.hex(),
        "buffers": header.buffers,
    }


def unknown_key(key_id: str) -> str:
    """Return the words for a key that a ring does not have."""
    return f"no key {quote(key_id)} in the key ring: add it, or sign the data with one that is there"
