"""SignedShelf: :mod:`shelve` whose values are signed, each for its key.

Rules that hold here:

* A mapping like ``shelve.Shelf``, over any mapping of bytes to bytes: a dbm, or :class:`SQLiteStore`.
* A value under another key than the one it was stored for does not verify. A key that is gone is a ``KeyError``: a tag
  cannot tell what somebody deleted, and an old value of the same key still verifies (``max_age`` bounds that).
* A tampered value raises, and is not a missing one: a shelf is a store, not a cache.
"""

from __future__ import annotations

import shelve
import sqlite3
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from .common import Bound, Refused

if TYPE_CHECKING:
    from ..codec import Codec

__all__ = ["SQLiteStore", "SignedShelf", "open_shelf"]


class SignedShelf(shelve.Shelf[Any]):
    """A shelf of signed values.

    :param store: a mapping of bytes to bytes.
    :param codec: has keys.
    :param on_refused: called with the error and the key when a value does not verify.
    :param writeback: and *keyencoding*: as for :class:`shelve.Shelf`.
    """

    # Of shelve.Shelf; type checkers are not told of them.
    dict: MutableMapping[bytes, bytes]
    cache: MutableMapping[str, Any]
    keyencoding: str
    writeback: bool

    def __init__(
        self,
        store: MutableMapping[bytes, bytes],
        codec: Codec,
        *,
        on_refused: Refused | None = None,
        writeback: bool = False,
        keyencoding: str = "utf-8",
    ) -> None:
        self._bound = Bound(codec, "shelf", on_refused)
        super().__init__(store, None, writeback, keyencoding)

    def __getitem__(self, key: str) -> Any:
        if key in self.cache:
            return self.cache[key]
        name = key.encode(self.keyencoding)
        value = self._bound.loads(self.dict[name], name)
        if self.writeback:
            self.cache[key] = value
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        name = key.encode(self.keyencoding)
        self.dict[name] = self._bound.dumps(value, name)
        if self.writeback:
            self.cache[key] = value


class SQLiteStore(MutableMapping[bytes, bytes]):
    """A mapping of bytes to bytes in an SQLite file; each change is committed at once.

    :param path: the file; made where there is none.
    """

    def __init__(self, path: Any) -> None:
        self._connection = sqlite3.connect(path)
        with self._connection as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS shelf (key BLOB PRIMARY KEY, value BLOB NOT NULL)")

    def __getitem__(self, key: bytes) -> bytes:
        row = self._connection.execute("SELECT value FROM shelf WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        value = row[0]
        # SQLite holds in any column what somebody puts there.
        return value if isinstance(value, bytes) else b""

    def __setitem__(self, key: bytes, value: bytes) -> None:
        with self._connection as connection:
            connection.execute("INSERT OR REPLACE INTO shelf VALUES (?, ?)", (key, value))

    def __delitem__(self, key: bytes) -> None:
        with self._connection as connection:
            if not connection.execute("DELETE FROM shelf WHERE key = ?", (key,)).rowcount:
                raise KeyError(key)

    def __iter__(self) -> Iterator[bytes]:
        for (key,) in self._connection.execute("SELECT key FROM shelf").fetchall():
            yield bytes(key) if isinstance(key, bytes) else b""

    def __len__(self) -> int:
        (count,) = self._connection.execute("SELECT count(*) FROM shelf").fetchone()
        return int(count)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def open_shelf(path: Any, codec: Codec, *, flag: str = "c", sqlite: bool = False, **options: Any) -> SignedShelf:
    """Open a shelf in a file.

    :param flag: as for :func:`dbm.open`.
    :param sqlite: keep it in an SQLite file, whatever dbm there is. Other options: those of :class:`SignedShelf`.
    """
    if sqlite:
        return SignedShelf(SQLiteStore(path), codec, **options)
    import dbm

    return SignedShelf(dbm.open(path, flag), codec, **options)  # type: ignore[arg-type]
