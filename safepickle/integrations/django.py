"""Django: cache backends whose entries are signed for their keys.

    CACHES = {"default": {
        "BACKEND": "safepickle.integrations.django.RedisCache",     # or FileCache, DatabaseCache, LocMemCache
        "LOCATION": "redis://...",
        "OPTIONS": {"CODEC": "app.codecs.cache"},                   # dotted path to a safepickle.Codec with keys
    }}

Rules that hold here:

* Django's own backends call ``pickle`` inside; only Redis takes a serializer, and that is not given the key. So the
  backends themselves are replaced, as far as they read and write values.
* The file backend of Django unpickles an entry's expiry before its body. Here both are in one signed entry, and so is
  the expiry that counts. In the other backends the expiry is the database's, and whoever writes there can extend it;
  the codec's ``max_age`` cannot be extended.
* An entry that is refused is a miss; it has been logged and told to ``on_refused`` (``OPTIONS["ON_REFUSED"]``) then.
* In Redis ints stay digits, because ``incr`` needs them. **An int can therefore be forged.**
* The key is the full one, with prefix and version.
"""

from __future__ import annotations

import base64
import time
from functools import partial
from typing import Any

from django.core.cache.backends import base, db, filebased, locmem, redis
from django.utils.module_loading import import_string

from ..errors import BadSignatureError, SafePickleError
from .common import Bound, load_codec, open_entry, read_entry
from .ints import is_countable, is_int

__all__ = ["DatabaseCache", "FileCache", "LocMemCache", "RedisCache"]

_MISSING: Any = object()


def _bound(params: dict[str, Any]) -> Bound:
    """Take our options out of a cache's settings."""
    options = dict(params.get("OPTIONS", {}))
    codec, refused = options.pop("CODEC", None), options.pop("ON_REFUSED", None)
    if codec is None:
        raise base.InvalidCacheBackendError('OPTIONS need "CODEC": the dotted path to a safepickle.Codec with keys')
    params["OPTIONS"] = options
    try:
        return Bound(load_codec(codec), "django", import_string(refused) if isinstance(refused, str) else refused)
    except (ImportError, AttributeError, ValueError) as error:
        raise base.InvalidCacheBackendError(f"CODEC: {error}") from error


class LocMemCache(locmem.LocMemCache):
    """Entries in memory. They are signed like all others, so that tests meet what production does."""

    def __init__(self, name: str, params: dict[str, Any]) -> None:
        params = dict(params)
        self._bound = _bound(params)
        super().__init__(name, params)

    def add(self, key: str, value: Any, timeout: Any = base.DEFAULT_TIMEOUT, version: Any = None) -> bool:
        full = self.make_and_validate_key(key, version=version)
        entry = self._bound.dumps(value, full)
        with self._lock:
            if not self._has_expired(full):
                return False
            self._set(full, entry, timeout)
            return True

    def get(self, key: str, default: Any = None, version: Any = None) -> Any:
        full = self.make_and_validate_key(key, version=version)
        with self._lock:
            if self._has_expired(full):
                self._delete(full)
                return default
            entry = self._cache[full]
            self._cache.move_to_end(full, last=False)
        return self._bound.loads_or(entry, full, default)

    def set(self, key: str, value: Any, timeout: Any = base.DEFAULT_TIMEOUT, version: Any = None) -> None:
        full = self.make_and_validate_key(key, version=version)
        entry = self._bound.dumps(value, full)
        with self._lock:
            self._set(full, entry, timeout)

    def incr(self, key: str, delta: int = 1, version: Any = None) -> int:
        full = self.make_and_validate_key(key, version=version)
        with self._lock:
            entry = None if self._has_expired(full) else self._cache[full]
            value: Any = _MISSING if entry is None else self._bound.loads_or(entry, full, _MISSING)
            if value is _MISSING:
                raise ValueError(f"Key '{full}' not found")
            new: int = value + delta
            self._cache[full] = self._bound.dumps(new, full)
            self._cache.move_to_end(full, last=False)
        return new


class _Entry:
    """A file's content, on its way through Django's writing of files."""

    def __init__(self, write: Any) -> None:
        self.write = write


class FileCache(filebased.FileBasedCache):
    """Entries in files: each a signed pair of expiry and value."""

    cache_suffix = ".safecache"

    def __init__(self, dir: str, params: dict[str, Any]) -> None:  # noqa: A002  (Django's name)
        params = dict(params)
        self._bound = _bound(params)
        super().__init__(dir, params)

    def set(self, key: str, value: Any, timeout: Any = base.DEFAULT_TIMEOUT, version: Any = None) -> None:
        full = self.make_and_validate_key(key, version=version)
        entry = self._bound.dumps((self.get_backend_timeout(timeout), value), full)
        super().set(key, entry, timeout, version)

    def _write_content(self, file: Any, timeout: Any, value: bytes) -> None:  # noqa: ARG002
        file.write(value)

    def _read(self, key: str, version: Any) -> Any:
        """Return the value of an entry that verifies and has not expired, or _MISSING."""
        full = self.make_and_validate_key(key, version=version)
        path = self._key_to_file(key, version)
        try:
            with open_entry(path) as file:
                data = read_entry(file, self._bound.codec)
        except FileNotFoundError:
            return _MISSING
        except BadSignatureError as error:
            self._bound.refused(error, full)
            return _MISSING
        expiry, value = self._bound.loads_or(data, full, (0, _MISSING))
        if value is not _MISSING and expiry is not None and expiry < time.time():
            self._delete(path)
            return _MISSING
        return value

    def get(self, key: str, default: Any = None, version: Any = None) -> Any:
        value = self._read(key, version)
        return default if value is _MISSING else value

    def has_key(self, key: str, version: Any = None) -> bool:
        return self._read(key, version) is not _MISSING

    def touch(self, key: str, timeout: Any = base.DEFAULT_TIMEOUT, version: Any = None) -> bool:
        value = self._read(key, version)
        if value is _MISSING:
            return False
        self.set(key, value, timeout, version)
        return True


class DatabaseCache(db.DatabaseCache):
    """Entries in a table. Django's writing of rows is kept; it pickles the signed bytes once more, as bytes."""

    def __init__(self, table: str, params: dict[str, Any]) -> None:
        params = dict(params)
        self._bound = _bound(params)
        super().__init__(table, params)

    def _base_set(self, mode: str, key: str, value: Any, timeout: Any = base.DEFAULT_TIMEOUT) -> bool:
        entry = None if mode == "touch" else self._bound.dumps(value, key)
        return bool(super()._base_set(mode, key, entry, timeout))

    def get_many(self, keys: Any, version: Any = None) -> dict[Any, Any]:
        """Read rows as Django does, but for the unpickling: its loads() is never reached."""
        if not keys:
            return {}
        names = {self.make_and_validate_key(key, version=version): key for key in keys}
        connection = db.connections[db.router.db_for_read(self.cache_model_class)]
        quoted = connection.ops.quote_name
        columns = ", ".join(map(quoted, ("cache_key", "value", "expires")))
        places = ", ".join(["%s"] * len(names))
        with connection.cursor() as cursor:
            # Names of columns and of the table from the settings, quoted by the database's own rules.
            cursor.execute(
                f"SELECT {columns} FROM {quoted(self._table)} WHERE {quoted('cache_key')} IN ({places})",  # noqa: S608
                list(names),
            )
            rows = cursor.fetchall()
        expression = db.models.Expression(output_field=db.models.DateTimeField())
        converters = [*connection.ops.get_db_converters(expression), *expression.get_db_converters(connection)]
        found, expired = {}, []
        for key, text, expires in rows:
            for converter in converters:
                expires = converter(expires, expression, connection)  # noqa: PLW2901
            if expires < db.tz_now():
                expired.append(key)
                continue
            value = self._value(key, connection.ops.process_clob(text))
            if value is not _MISSING:
                found[names[key]] = value
        self._base_delete_many(expired)
        return found

    def _value(self, key: str, text: str) -> Any:
        """Return a row's value; the pickle of bytes around the entry is plain data, and read as such."""
        from ..decoding.unpickler import loads

        try:
            entry = loads(base64.b64decode(text.encode("latin-1", "replace")))
        except (SafePickleError, ValueError) as error:
            self._bound.refused(error if isinstance(error, SafePickleError) else SafePickleError(str(error)), key)
            return _MISSING
        return self._bound.loads_or(entry if isinstance(entry, bytes) else b"", key, _MISSING)


class _Client(redis.RedisCacheClient):
    """Redis with values signed for their keys; ints stay ints."""

    def __init__(self, bound: Bound, servers: Any, **options: Any) -> None:
        if options.pop("serializer", None) is not None:
            raise base.InvalidCacheBackendError("no serializer here: the codec is the serializer")
        self._bound = bound
        super().__init__(servers, serializer=_AsItIs(), **options)

    def _entry(self, key: str, value: Any) -> Any:
        return value if is_countable(value) else self._bound.dumps(value, key)

    def _value(self, key: str, data: bytes) -> Any:
        return int(data) if is_int(data) else self._bound.loads_or(data, key, _MISSING)

    def add(self, key: str, value: Any, timeout: Any) -> bool:
        return bool(super().add(key, self._entry(key, value), timeout))

    def set(self, key: str, value: Any, timeout: Any) -> None:
        super().set(key, self._entry(key, value), timeout)

    def set_many(self, data: dict[str, Any], timeout: Any) -> None:
        super().set_many({key: self._entry(key, value) for key, value in data.items()}, timeout)

    def get(self, key: str, default: Any) -> Any:
        data = super().get(key, None)
        value = _MISSING if data is None else self._value(key, data)
        return default if value is _MISSING else value

    def get_many(self, keys: Any) -> dict[str, Any]:
        values = {key: self._value(key, data) for key, data in super().get_many(keys).items()}
        return {key: value for key, value in values.items() if value is not _MISSING}


class _AsItIs:
    """The serializer of a client whose values are bytes and ints already."""

    def dumps(self, value: Any) -> Any:
        return value

    def loads(self, data: Any) -> Any:
        return data


class RedisCache(redis.RedisCache):
    """Entries in Redis."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        params = dict(params)
        bound = _bound(params)
        super().__init__(server, params)
        self._class = partial(_Client, bound)
