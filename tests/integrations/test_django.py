"""Django's cache backends: memory, files, database and a real Redis."""

from __future__ import annotations

import base64
import datetime
import os
import pickle
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from integrations.conftest import HOSTILE, host, tampered

from safepickle.codec import Codec

django = host("django")

from django.conf import settings  # noqa: E402

BACKENDS = ("locmem", "file", "db", "redis")


@pytest.fixture(scope="session")
def configured(tmp_path_factory: pytest.TempPathFactory) -> None:
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path_factory.mktemp("django") / "db")}
    settings.configure(DATABASES={"default": database}, CACHES={}, USE_TZ=True)
    django.setup()


@pytest.fixture
def options(configured: None, codec: Codec, seen: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    module = ModuleType("app_codecs")
    module.cache, module.bare, module.refused = codec, Codec(), seen  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "app_codecs", module)
    return {"OPTIONS": {"CODEC": "app_codecs.cache", "ON_REFUSED": "app_codecs.refused"}}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cache(backend: str, options: dict[str, Any], request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    from safepickle.integrations import django as ours

    if backend == "locmem":
        cache: Any = ours.LocMemCache("", options)
    elif backend == "file":
        cache = ours.FileCache(str(tmp_path), options)
    elif backend == "db":
        from django.core.management import call_command

        settings.CACHES = {"default": {"BACKEND": "safepickle.integrations.django.DatabaseCache", "LOCATION": "entries",
                                       **options}}  # fmt: skip
        call_command("createcachetable", verbosity=0)
        cache = ours.DatabaseCache("entries", options)
    else:
        cache = ours.RedisCache(request.getfixturevalue("redis_url"), options)
    cache.clear()
    yield cache
    cache.clear()
    if backend == "db":
        from django.db import connections

        connections.close_all()
    if backend == "redis":
        cache._cache.get_client().connection_pool.disconnect()


def stored(cache: Any, backend: str, key: str) -> bytes:
    """Return an entry as it is stored, in bytes."""
    full = cache.make_key(key)
    if backend == "locmem":
        return bytes(cache._cache[full])
    if backend == "file":
        return Path(cache._key_to_file(key)).read_bytes()
    if backend == "redis":
        return bytes(cache._cache.get_client().get(full))
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM entries WHERE cache_key = %s", [full])
        return bytes(pickle.loads(base64.b64decode(cursor.fetchone()[0])))  # what the test itself has written


def store(cache: Any, backend: str, key: str, data: bytes, *, bare: bool = False) -> None:
    """Put bytes in an entry's place; in the database as Django would wrap them, unless *bare*."""
    full = cache.make_key(key)
    if backend == "locmem":
        cache._cache[full] = data
    elif backend == "file":
        Path(cache._key_to_file(key)).write_bytes(data)
    elif backend == "redis":
        cache._cache.get_client().set(full, data)
    else:
        from django.db import connection

        text = base64.b64encode(data if bare else pickle.dumps(data)).decode()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE entries SET value = %s WHERE cache_key = %s", [text, full])


VALUES = [None, True, 0, -5, 2**70, 1.5, "text", b"bytes", [1, {"a": (2,)}], datetime.date(2026, 1, 2)]


def test_there_and_back(cache: Any, backend: str) -> None:
    for number, value in enumerate(VALUES):
        cache.set(f"key{number}", value)
        got = cache.get(f"key{number}", "missing")
        assert got == value
        assert type(got) is type(value)
    assert cache.get_many(["key1", "key2", "none"]) == {"key1": True, "key2": 0}
    assert cache.add("key1", "other") is False
    assert cache.add("new", "value") is True
    assert cache.set_many({"a": [1], "b": [2]}) == []
    assert cache.get_or_set("a", [3]) == [1]
    assert cache.has_key("a")
    assert "a" in cache
    assert cache.delete("a") is True
    assert cache.get("a", "default") == "default"
    assert cache.touch("b", 100) is True
    assert cache.touch("none") is False
    assert cache.get("b") == [2]
    cache.set("versioned", 1, version=2)
    assert cache.get("versioned") is None
    cache.incr_version("versioned", version=2)
    assert cache.get("versioned", version=3) == 1


def test_expiry(cache: Any) -> None:
    cache.set("gone", [1], timeout=0)
    cache.set("going", [2], timeout=1)
    cache.set("staying", [3], timeout=None)
    assert cache.get("gone") is None
    assert cache.get("staying") == [3]
    time.sleep(2.1)
    assert cache.get("going") is None
    assert not cache.has_key("going")
    assert cache.get("staying") == [3]


def test_counting(cache: Any, backend: str) -> None:
    cache.set("n", 5)
    assert [cache.incr("n"), cache.incr("n", 10), cache.decr("n", 6)] == [6, 16, 10]
    assert cache.get("n") == 10
    with pytest.raises(ValueError, match="not found"):
        cache.incr("none")
    if backend == "redis":
        assert stored(cache, backend, "n") == b"10"  # the server counts


def test_a_tampered_entry_is_a_visible_miss(cache: Any, backend: str, seen: Any) -> None:
    cache.set_many({"key": ["value"], "other": ["other"]})
    good = stored(cache, backend, "key")
    assert good.startswith(b"\xf5SPK")
    for bad in (tampered(good), good[:-1], HOSTILE, b"", stored(cache, backend, "other")):
        store(cache, backend, "key", bad)
        seen.clear()
        assert cache.get("key", "default") == "default"
        assert seen.kinds[0] in ("BadSignatureError", "UnsignedError")
        assert seen[0][1] == ":1:key"
        assert cache.get_many(["key", "other"]) == {"other": ["other"]}
    store(cache, backend, "key", good)
    assert cache.get("key") == ["value"]
    seen.extend([("", "")] * 8)  # the list was cleared on the way: ten refusals were logged


@pytest.mark.parametrize("backend", ["locmem", "file"])
def test_counting_what_was_tampered_with(cache: Any, backend: str, seen: Any) -> None:
    cache.set("n", 5)
    store(cache, backend, "n", tampered(stored(cache, backend, "n")))
    with pytest.raises(ValueError, match="not found"):
        cache.incr("n")
    assert seen.kinds == ["BadSignatureError"]


@pytest.mark.parametrize("backend", ["file"])
def test_no_file_of_django_is_unpickled(cache: Any, backend: str, seen: Any) -> None:
    """Django's own backend unpickles the expiry first, in get, has_key and touch."""
    cache.set("key", ["value"])
    for content in (HOSTILE, pickle.dumps(None) + zlib.compress(pickle.dumps("value"))):
        store(cache, backend, "key", content)
        assert cache.get("key") is None
        assert cache.has_key("key") is False
        assert cache.touch("key") is False
    assert seen.kinds == ["UnsignedError"] * 6


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize("backend", ["file"])
def test_what_is_no_file_is_a_miss(cache: Any, backend: str, seen: Any) -> None:
    """A pipe would be waited for, and a folder was an error."""
    cache.set("key", ["value"])
    path = Path(cache._key_to_file("key"))
    for make in (os.mkfifo, os.mkdir):
        path.unlink()
        make(path)
        assert cache.get("key", "default") == "default"
        if path.is_dir():
            path.rmdir()
            path.touch()
    assert seen.kinds == ["BadSignatureError"] * 2


@pytest.mark.parametrize("backend", ["file"])
def test_the_expiry_of_a_file_is_signed(cache: Any, backend: str, seen: Any, codec: Codec) -> None:
    cache.set("key", ["value"], timeout=100)
    data = stored(cache, backend, "key")
    expiry, _ = codec.loads(data, context=("django", ":1:key"))
    assert expiry == pytest.approx(time.time() + 100, abs=10)
    at = data.index(b"G") + 2  # within the float that is the expiry
    store(cache, backend, "key", data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :])
    assert cache.get("key") is None
    assert seen.kinds == ["BadSignatureError"]


@pytest.mark.parametrize("backend", ["db"])
def test_no_row_is_unpickled_by_django(cache: Any, backend: str, seen: Any) -> None:
    cache.set("key", ["value"])
    for data in (HOSTILE, pickle.dumps(["unsigned"]), b"\xff", b""):
        store(cache, backend, "key", data, bare=True)
        assert cache.get("key", "default") == "default"
    assert len(seen) == 4


@pytest.mark.parametrize("backend", ["redis"])
def test_only_digits_are_ints(cache: Any, backend: str, seen: Any) -> None:
    cache.set("key", ["value"])
    for data, value in ((b"17", 17), (b"-3", -3), (b" 17", None), (b"1_7", None), (b"+17", None), (b"017", None)):
        store(cache, backend, "key", data)
        assert cache.get("key") == value
    assert seen.kinds == ["UnsignedError"] * 4


@pytest.mark.parametrize("bad", [None, "", "nodots", "missing.module", "app_codecs.missing", "app_codecs.bare", 5])
def test_the_codec_of_the_settings_is_checked(options: dict[str, Any], bad: object, tmp_path: Path) -> None:
    from django.core.cache.backends.base import InvalidCacheBackendError

    from safepickle.integrations import django as ours

    for make in (ours.LocMemCache, ours.FileCache, ours.DatabaseCache, ours.RedisCache):
        with pytest.raises(InvalidCacheBackendError, match="CODEC"):
            make(str(tmp_path), {"OPTIONS": {"CODEC": bad}})


def test_redis_takes_no_other_serializer(options: dict[str, Any]) -> None:
    from django.core.cache.backends.base import InvalidCacheBackendError

    from safepickle.integrations.django import RedisCache

    options["OPTIONS"]["serializer"] = "django.core.cache.backends.redis.RedisSerializer"
    with pytest.raises(InvalidCacheBackendError, match="no serializer"):
        RedisCache("redis://127.0.0.1:1", options).get("key")


def test_through_djangos_settings(options: dict[str, Any]) -> None:
    from django.core.cache import CacheHandler

    name = "safepickle.integrations.django.LocMemCache"
    caches = CacheHandler({"default": {"BACKEND": name, "LOCATION": "x", "TIMEOUT": 5, **options}})
    caches["default"].set("key", [1])
    assert caches["default"].get("key") == [1]
    assert caches["default"].default_timeout == 5
