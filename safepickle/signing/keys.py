"""Keys and key rings: who may sign, who may only verify, who may do neither any more.

Rules that hold here:

* Both are immutable values. Rotating, retiring and revoking give a new ring; a running codec goes on with its own.
* One key signs. Staged keys (not signing yet) and retired ones (no longer) verify. Revoked ones are kept only so that
  what names them is refused by name.
* Nothing prints a secret: not ``repr``, not an error, not ``vars``; keys and rings refuse to be pickled. The one way
  out is :meth:`KeyRing.export_secrets`, which says what it does.
* A secret is random bytes, at least 32: no text, no password, no public key mistaken for one (attacks S07).
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ..errors import KeyRingError, quote
from .algorithms import ALGORITHMS, Algorithm, derive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .algorithms import Mac

__all__ = ["DEFAULT_ALGORITHM", "STATES", "Key", "KeyRing"]

DEFAULT_ALGORITHM: Final = "hmac-sha256"

STAGED: Final = "staged"
SIGNING: Final = "signing"
RETIRED: Final = "retired"
REVOKED: Final = "revoked"

#: What a key may do, by its state.
STATES: Final = {
    STAGED: "verifies; will sign once it has been distributed",
    SIGNING: "signs and verifies",
    RETIRED: "verifies what it signed",
    REVOKED: "nothing: what it signed is refused",
}

#: Shortest and longest secret in bytes; and how long a generated one is.
SHORTEST_SECRET: Final = 32
LONGEST_SECRET: Final = 1024
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
#: How public keys and certificates begin, which were taken for secrets elsewhere (CVE-2022-29217, CVE-2024-33663).
_NO_SECRET: Final = re.compile(rb"\s*(-----BEGIN|ssh-|ecdsa-|sk-ssh|sk-ecdsa|PuTTY)")
#: Fewer different bytes than this in a secret are a pattern, not chance: in 32 random bytes there are about 30.
_FEWEST_DIFFERENT: Final = 12


def check_id(key_id: str) -> str:
    """Return a key's id, if it is one.

    :raises KeyRingError: if not.
    """
    if not isinstance(key_id, str) or not _ID.match(key_id):
        raise KeyRingError(
            f"not a key id: {quote(key_id)} (1 to 64 letters, digits, '.', '_', '-', not beginning with a sign)"
        )
    return key_id


def _is_key_file(secret: bytes) -> bool:
    """Whether this is text of OpenSSL, OpenSSH or PuTTY, or a DER sequence of just this length."""
    length = len(secret)
    der = secret[:4] == b"\x30\x82" + (length - 4).to_bytes(2, "big") or (
        length < 259 and secret[:3] == bytes((0x30, 0x81, length - 3))
    )
    return der or _NO_SECRET.match(secret) is not None


def _is_pattern(secret: bytes) -> bool:
    return len(set(secret)) < _FEWEST_DIFFERENT


def _check_secret(secret: bytes) -> bytes:
    if not isinstance(secret, (bytes, bytearray)):
        raise KeyRingError(f"a secret is bytes, not {type(secret).__name__}: make one with Key.generate()")
    if not SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET:
        raise KeyRingError(
            f"a secret has {SHORTEST_SECRET} to {LONGEST_SECRET} random bytes, not {len(secret)}:"
            " make one with Key.generate()"
        )
    if _is_key_file(secret):
        raise KeyRingError("this is a key file of another kind, not a secret: make one with Key.generate()")
    if _is_pattern(secret):
        raise KeyRingError("this secret is a pattern, not random bytes: make one with Key.generate()")
    return bytes(secret)


class Key:
    """A secret with its name, its algorithm and its state.

    :param id: its name; it is in the header of everything that it signs, in clear.
    :param secret: random bytes, at least 32.
    :param algorithm: the one that it is for, a name of :data:`~safepickle.signing.algorithms.ALGORITHMS`.
    :param state: one of :data:`STATES`.
    :param created: when it was made, in seconds since 1970.
    :param changed: when it came into its state.
    :raises KeyRingError: for a secret that is none, an unknown algorithm or state, or no id.
    """

    __slots__ = ("_macs", "_secret", "algorithm", "changed", "created", "id", "state")

    id: str
    algorithm: Algorithm
    state: str
    created: int
    changed: int
    _secret: bytes
    _macs: dict[tuple[int, str], Mac]

    def __init__(
        self,
        id: str,  # noqa: A002  (the field's own word)
        secret: bytes,
        *,
        algorithm: str = DEFAULT_ALGORITHM,
        state: str = SIGNING,
        created: int | None = None,
        changed: int | None = None,
    ) -> None:
        if algorithm not in ALGORITHMS:
            raise KeyRingError(f"no such algorithm: {quote(algorithm)} (there are {', '.join(ALGORITHMS)})")
        if state not in STATES:
            raise KeyRingError(f"no such state: {quote(state)} (there are {', '.join(STATES)})")
        put = object.__setattr__
        put(self, "id", check_id(id))
        put(self, "_secret", _check_secret(secret))
        put(self, "algorithm", ALGORITHMS[algorithm])
        put(self, "state", state)
        put(self, "created", int(time.time()) if created is None else int(created))
        put(self, "changed", self.created if changed is None else int(changed))
        put(self, "_macs", {})

    @classmethod
    def generate(cls, id: str | None = None, *, algorithm: str = DEFAULT_ALGORITHM, state: str = SIGNING) -> Key:  # noqa: A002
        """Make a key with a new random secret.

        :param id: its name; by default the day and eight random hexadecimal digits.
        """
        import secrets

        name = f"{time.strftime('%Y-%m-%d', time.gmtime())}-{secrets.token_hex(4)}" if id is None else id
        size = ALGORITHMS[algorithm].key_size if algorithm in ALGORITHMS else SHORTEST_SECRET
        secret = secrets.token_bytes(size)
        while _is_key_file(secret) or _is_pattern(secret):
            secret = secrets.token_bytes(size)  # once in ten million keys
        return cls(name, secret, algorithm=algorithm, state=state)

    @property
    def verifies(self) -> bool:
        """Whether what it signed is accepted."""
        return self.state != REVOKED

    def in_state(self, state: str, changed: int | None = None) -> Key:
        """Return the same key in another state."""
        changed = int(time.time()) if changed is None else changed
        return Key(
            self.id,
            self._secret,
            algorithm=self.algorithm.name,
            state=state,
            created=self.created,
            changed=changed,
        )

    def mac(self, kind: int, purpose: str) -> Mac:
        """Return a keyed hash for one kind of message and one purpose, fed nothing; to be copied, not fed."""
        found = self._macs.get((kind, purpose))
        if found is None:
            found = self.algorithm.start(derive(self._secret, self.algorithm, kind, purpose))
            self._macs[kind, purpose] = found
        return found

    def same_secret(self, other: Key) -> bool:
        """Whether two keys have one secret; found in constant time."""
        from hmac import compare_digest

        return compare_digest(self._secret, other._secret)

    def digest_of_secret(self) -> bytes:
        """Return what tells secrets apart."""
        from hashlib import sha256

        return sha256(self._secret).digest()

    def as_mapping(self) -> dict[str, Any]:
        """Return everything about the key, **the secret in base64 included**."""
        from base64 import b64encode

        return {
            "id": self.id,
            "algorithm": self.algorithm.name,
            "state": self.state,
            "created": self.created,
            "changed": self.changed,
            "secret": b64encode(self._secret).decode("ascii"),
        }

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Key):
            return NotImplemented
        mine = (self.id, self.algorithm, self.state)
        return mine == (other.id, other.algorithm, other.state) and self.same_secret(other)

    def __hash__(self) -> int:
        return hash((self.id, self.algorithm.code, self.state))

    def __repr__(self) -> str:
        return f"<Key {self.id} {self.algorithm.name} {self.state}>"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Key is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Key is immutable")

    def __copy__(self) -> Key:
        return self

    def __deepcopy__(self, memo: object) -> Key:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Key is not pickled: its secret would be in the pickle")


class KeyRing:
    """Keys by their ids, at most one of which signs.

    :param keys: the keys.
    :raises KeyRingError: for two keys of one id or one secret, or two that sign.
    """

    __slots__ = ("_keys",)

    _keys: dict[str, Key]

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        found: dict[str, Key] = {}
        ids: dict[bytes, str] = {}
        for key in keys:
            if not isinstance(key, Key):
                raise KeyRingError(f"a key ring has Keys, not {type(key).__name__}")
            if key.id in found:
                raise KeyRingError(f"two keys have the id {quote(key.id)}")
            # Each with each other would take a large ring many seconds.
            other = ids.setdefault(key.digest_of_secret(), key.id)
            if other != key.id:
                raise KeyRingError(f"the keys {quote(other)} and {quote(key.id)} have the same secret")
            found[key.id] = key
        signing = [key.id for key in found.values() if key.state == SIGNING]
        if len(signing) > 1:
            raise KeyRingError(f"{len(signing)} keys are to sign: {', '.join(signing)}; retire all but one")
        object.__setattr__(self, "_keys", found)

    # -- where rings come from -----------------------------------------------------------------------------------

    @classmethod
    def generate(cls, id: str | None = None, *, algorithm: str = DEFAULT_ALGORITHM) -> KeyRing:  # noqa: A002
        """Make a ring with one new key, which signs."""
        return cls([Key.generate(id, algorithm=algorithm)])

    @classmethod
    def from_file(cls, path: Any, *, readable_by: str = "owner") -> KeyRing:
        """Read a ring from a file that ``safepickle keys new`` made.

        :param readable_by: who may have access to the file: ``"owner"``; ``"group"`` or ``"anyone"`` where a secret is
            mounted that way. Others may never write it.
        :raises KeyRingError: if it is not a key ring, or others have access to it.
        """
        from .keyfiles import read_ring

        return read_ring(path, readable_by)

    @classmethod
    def from_env(cls, name: str) -> KeyRing:
        """Read a ring from an environment variable that holds the text of a key file.

        :raises KeyRingError: if it is not set or not a key ring.
        """
        import os

        from .keyfiles import parse_ring

        text = os.environ.get(name)
        if not text:
            raise KeyRingError("the environment variable is not set", source=name)
        return parse_ring(text, source=name)

    @classmethod
    def from_callable(cls, source: Callable[[], Any]) -> KeyRing:
        """Take a ring from a callable, such as one that asks a secret manager; it is called once.

        :param source: returns a ring, keys, or the text of a key file as str or bytes.
        :raises KeyRingError: if it returns none of these.
        """
        from .keyfiles import parse_ring

        given = source()
        if isinstance(given, KeyRing):
            return given
        if isinstance(given, (str, bytes, bytearray)):
            return parse_ring(given, source=None)
        if isinstance(given, (list, tuple)):
            return cls(given)
        raise KeyRingError(f"the callable returned {type(given).__name__}, not a key ring, keys or a key file's text")

    # -- what is in it -------------------------------------------------------------------------------------------

    @property
    def signing_key(self) -> Key:
        """The key that signs.

        :raises KeyRingError: if there is none.
        """
        for key in self:
            if key.state == SIGNING:
                return key
        raise KeyRingError("no key of this ring signs: rotate it (safepickle keys rotate)")

    @property
    def can_sign(self) -> bool:
        """Whether a key of it signs."""
        return any(key.state == SIGNING for key in self)

    def get(self, key_id: str) -> Key | None:
        """Return a key, or None."""
        return self._keys.get(key_id)

    def _must(self, key_id: str) -> Key:
        key = self.get(key_id)
        if key is None:
            raise KeyRingError(f"there is no key {quote(key_id)} in this ring")
        return key

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys.values())

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key_id: object) -> bool:
        return key_id in self._keys

    # -- other rings made of it ----------------------------------------------------------------------------------

    def add(self, key: Key) -> KeyRing:
        """Return a ring with one more key."""
        return KeyRing([*self, key])

    def rotate(self, key: Key | None = None) -> KeyRing:
        """Return a ring in which a new key signs and the one that did is retired.

        :param key: the new key; by default one is generated, with the algorithm of the one that signs.
        """
        if key is None:
            key = Key.generate(algorithm=self._algorithm())
        if key.state != SIGNING:
            key = key.in_state(SIGNING)
        return KeyRing([*self._with_signing_retired(), key])

    def stage(self, key: Key | None = None) -> KeyRing:
        """Return a ring with a new key that only verifies: hand it to all readers before :meth:`promote`."""
        if key is None:
            key = Key.generate(algorithm=self._algorithm(), state=STAGED)
        return KeyRing([*self, key if key.state == STAGED else key.in_state(STAGED)])

    def promote(self, key_id: str) -> KeyRing:
        """Return a ring in which a staged or retired key signs, and the one that did is retired."""
        key = self._must(key_id)
        if key.state == REVOKED:
            raise KeyRingError(f"the key {quote(key_id)} is revoked; it never signs again")
        if key.state == SIGNING:
            return self
        return KeyRing(
            [
                other.in_state(SIGNING) if other.id == key_id else other
                for other in self._with_signing_retired()
            ]
        )

    def retire(self, key_id: str) -> KeyRing:
        """Return a ring in which a key only verifies."""
        if self._must(key_id).state == REVOKED:
            raise KeyRingError(f"the key {quote(key_id)} is revoked; it never verifies again")
        return self._changed(key_id, RETIRED)

    def revoke(self, key_id: str) -> KeyRing:
        """Return a ring in which a key does nothing any more; what it signed is refused."""
        self._must(key_id)
        return self._changed(key_id, REVOKED)

    def export_secrets(self) -> str:
        """Return the text of a key file, **with all secrets**, for a file or a secret manager."""
        from .keyfiles import format_ring

        return format_ring(self)

    def _algorithm(self) -> str:
        """Return the algorithm of the key that signs, or of the newest."""
        if self.can_sign:
            return self.signing_key.algorithm.name
        return next((key.algorithm.name for key in reversed(self._keys.values())), DEFAULT_ALGORITHM)

    def _changed(self, key_id: str, state: str) -> KeyRing:
        return KeyRing([key.in_state(state) if key.id == key_id and key.state != state else key for key in self])

    def _with_signing_retired(self) -> list[Key]:
        return [key.in_state(RETIRED) if key.state == SIGNING else key for key in self]

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, KeyRing) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"<KeyRing {', '.join(f'{key.id} ({key.state})' for key in self) or 'empty'}>"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a KeyRing is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a KeyRing is immutable")

    def __copy__(self) -> KeyRing:
        return self

    def __deepcopy__(self, memo: object) -> KeyRing:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a KeyRing is not pickled: its secrets would be in the pickle")
