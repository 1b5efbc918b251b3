"""Key files: the text of a key ring, and files that hold it.

Rules that hold here:

* The text is one JSON document, on one line if need be, so that a file, an environment variable and a secret manager
  hold the same thing. Unknown and repeated names are errors, never skipped.
* A file is opened once; who may read it is asked of what was opened, not of its path (attacks S14).
* A file is written for its owner alone, whole or not at all.
* No error shows any of the text: it may be a secret in the wrong place.
"""

from __future__ import annotations

import binascii
import json
import os
import stat
from base64 import b64decode
from typing import TYPE_CHECKING, Any, Final

from ..errors import KeyRingError, quote
from .files import whole_file
from .keys import Key, KeyRing

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["format_ring", "parse_ring", "read_ring", "write_ring"]

SCHEMA: Final = 1
_MOST_BYTES: Final = 1 << 20
#: Times after this lose digits in most readers of JSON.
_LATEST: Final = 2**53 - 1
_FIELDS: Final = {"id": str, "algorithm": str, "state": str, "created": int, "changed": int, "secret": str}

#: Characters of a field's name that are shown.
_LONGEST_NAME: Final = 16

#: Permission bits that others must not have, by who may have access.
_FORBIDDEN: Final = {"owner": 0o077, "group": 0o037, "anyone": 0o022}


def format_ring(ring: Iterable[Key]) -> str:
    """Return the text of a key file."""
    lines = ",\n".join(f"  {json.dumps(key.as_mapping())}" for key in ring)
    body = f"[\n{lines}\n]" if lines else "[]"
    return f'{{"safepickle_keys": {SCHEMA}, "keys": {body}}}\n'


def parse_ring(text: str | bytes | bytearray, *, source: str | None) -> KeyRing:
    """Read the text of a key file.

    :param source: what to call it in errors.
    :raises KeyRingError: if it is not one.
    """
    try:
        document = json.loads(text, object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError):
        raise KeyRingError("not a key file: it is not JSON, or repeats a name", source=source) from None
    if not isinstance(document, dict) or set(document) != {"safepickle_keys", "keys"}:
        raise KeyRingError('not a key file: it needs "safepickle_keys" and "keys", and nothing else', source=source)
    if document["safepickle_keys"] != SCHEMA or isinstance(document["safepickle_keys"], bool):
        raise KeyRingError(f"a key file of another version than {SCHEMA}: update safepickle", source=source)
    if not isinstance(document["keys"], list):
        raise KeyRingError('"keys" is not a list', source=source)
    try:
        return KeyRing([_parse_key(number, entry) for number, entry in enumerate(document["keys"], 1)])
    except KeyRingError as error:
        raise KeyRingError(error.reason, source=source) from None


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _parse_key(number: int, entry: Any) -> Key:
    if not isinstance(entry, dict):
        raise KeyRingError(f"key {number} is not an object")
    for name in entry:
        if name not in _FIELDS:
            # A long name may be a secret in the wrong place.
            named = f": {quote(name)}" if len(name) <= _LONGEST_NAME else ""
            raise KeyRingError(f"key {number} has a field that there is not{named}")
    for name, kind in _FIELDS.items():
        if type(entry.get(name)) is not kind:
            raise KeyRingError(f"key {number}: {name} must be there and {kind.__name__}")
        if kind is int and not 0 <= entry[name] <= _LATEST:
            raise KeyRingError(f"key {number}: {name} is no time in seconds since 1970")
    try:
        secret = b64decode(entry["secret"], validate=True)
    except (binascii.Error, ValueError):
        raise KeyRingError(f"key {number}: its secret is not base64") from None
    try:
        return Key(
            entry["id"],
            secret,
            algorithm=entry["algorithm"],
            state=entry["state"],
            created=entry["created"],
            changed=entry["changed"],
        )
    except KeyRingError as error:
        raise KeyRingError(f"key {number}: {error.reason}") from None


def read_ring(path: Any, readable_by: str = "owner") -> KeyRing:
    """Read a key file.

    :param readable_by: see :meth:`KeyRing.from_file`.
    :raises KeyRingError: if it cannot be read, is not a key file, or others have access to it.
    """
    if readable_by not in _FORBIDDEN:
        raise ValueError(f"readable_by is one of {', '.join(_FORBIDDEN)}")
    source = os.fsdecode(path)
    try:
        with open(path, "rb", opener=_open) as file:
            _check_access(os.fstat(file.fileno()), readable_by, source)
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise KeyRingError(f"cannot be read: {error.strerror or 'error'}", source=source) from None
    if len(text) > _MOST_BYTES:
        raise KeyRingError(f"not a key file: it is longer than {_MOST_BYTES} bytes", source=source)
    return parse_ring(text, source=source)


def _open(path: str, flags: int) -> int:
    """Open a file to look at it: a pipe in its place would wait for somebody to write to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_access(status: os.stat_result, readable_by: str, source: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyRingError("not a regular file", source=source)
    if os.name != "posix":
        return  # permission bits mean nothing there
    if status.st_uid not in (os.geteuid(), 0):
        raise KeyRingError(
            f"it belongs to user {status.st_uid}, who could change it; it must be this user's or root's", source=source
        )
    excess = stat.S_IMODE(status.st_mode) & _FORBIDDEN[readable_by]
    if excess:
        raise KeyRingError(
            f"others have access to it (mode {stat.S_IMODE(status.st_mode):04o}): chmod 600, and if somebody"
            " may have read it, rotate and revoke",
            source=source,
        )


def write_ring(path: Any, ring: KeyRing, *, new: bool = False, instead_of: KeyRing | None = None) -> None:
    """Write a key file for its owner alone, whole or not at all.

    :param new: refuse to replace a file.
    :param instead_of: what was read from the file: refuse to replace anything else, such as a revocation that another
        process wrote meanwhile.
    :raises KeyRingError: if there is a file and *new* is set, or it holds something else than *instead_of*.
    """
    source = os.fsdecode(path)
    if new and os.path.lexists(source):
        reason = "there is a file already, and a new ring never replaces one: its keys would be lost"
        raise KeyRingError(reason, source=source)
    with whole_file(source, mode=0o600, replace=not new) as file:
        file.write(format_ring(ring).encode("ascii"))
        # Here, when nothing but the rename is left to be done.
        file.flush()
        os.fsync(file.fileno())
        if instead_of is not None and read_ring(source, "anyone") != instead_of:
            raise KeyRingError("it was changed meanwhile by somebody else: do it again", source=source)
