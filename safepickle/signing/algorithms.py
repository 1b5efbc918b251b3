"""Algorithms: how a tag is computed, and how a key for one purpose is derived from a secret.

Rules that hold here:

* All of it is the standard library's: ``hmac`` and ``hashlib``. Nothing is computed by hand but HKDF's two lines.
* An algorithm belongs to a key. What a message says about it is compared with the key's, never obeyed (attacks S06).
* A secret signs nothing itself. Each purpose and each kind of message has a key of its own (attacks S15).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Protocol

__all__ = ["ALGORITHMS", "BY_CODE", "Algorithm", "Mac", "derive", "encode_purpose"]

#: Kinds of messages.
BLOB: Final = 1
STREAM: Final = 2

#: HKDF's salt; its number is that of the envelope's version.
_SALT: Final = b"safepickle/signing/1"
_MOST_PURPOSE: Final = 255


class Mac(Protocol):
    """A keyed hash that has been fed something; ``hmac.HMAC`` and ``hashlib.blake2b`` objects are."""

    def copy(self) -> Any:
        """Return another one in the same state."""
        ...

    def update(self, data: Any, /) -> None:
        """Feed more."""
        ...

    def digest(self) -> bytes:
        """Return the tag of what was fed."""
        ...


class Algorithm(NamedTuple):
    """One row of the table of algorithms."""

    name: str
    #: Its number in headers.
    code: int
    #: Length of its tags in bytes.
    tag_size: int
    #: Length of the keys derived for it, in bytes.
    key_size: int
    #: What ``hashlib`` calls the hash.
    hash: str

    def start(self, key: bytes) -> Mac:
        """Return a keyed hash that has been fed nothing."""
        if self.hash == "blake2b":
            import hashlib

            return hashlib.blake2b(key=key, digest_size=self.tag_size)
        import hmac

        return hmac.new(key, digestmod=self.hash)


#: The algorithms by name, the default first.
ALGORITHMS: Final[dict[str, Algorithm]] = {
    row.name: row
    for row in (
        Algorithm("hmac-sha256", 1, 32, 32, "sha256"),
        Algorithm("hmac-sha512", 2, 64, 64, "sha512"),
        Algorithm("blake2b", 3, 32, 32, "blake2b"),
    )
}
#: The same by their numbers.
BY_CODE: Final = {row.code: row for row in ALGORITHMS.values()}


def encode_purpose(purpose: str) -> bytes:
    """Return a purpose as it goes into the derivation of keys.

    :raises TypeError: if it is no str.
    :raises ValueError: if it is empty or too long.
    """
    if not isinstance(purpose, str):
        raise TypeError(f"purpose must be str, not {type(purpose).__name__}")
    encoded = purpose.encode("utf-8")
    if not 1 <= len(encoded) <= _MOST_PURPOSE:
        raise ValueError(f"a purpose has 1 to {_MOST_PURPOSE} bytes, not {len(encoded)}")
    return encoded


def derive(secret: bytes, algorithm: Algorithm, kind: int, purpose: str) -> bytes:
    """Return the key for one algorithm, kind of message and purpose: HKDF-SHA256 (RFC 5869)."""
    from hmac import digest

    info = bytes((algorithm.code, kind)) + encode_purpose(purpose)
    extracted = digest(_SALT, secret, "sha256")
    output = block = b""
    for number in range(1, 1 + -(-algorithm.key_size // 32)):
        block = digest(extracted, block + info + bytes((number,)), "sha256")
        output += block
    return output[: algorithm.key_size]
