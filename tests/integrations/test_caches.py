"""cachelib, Flask-Caching, dogpile.cache, requests-cache, aiocache: libraries that do not hand over the key."""

from __future__ import annotations

import asyncio
import datetime
import io
import pickle
from pathlib import Path
from typing import Any

import pytest
from integrations.conftest import HOSTILE, host, tampered

from safepickle.codec import Codec
from safepickle.errors import PolicyError

VALUES = [True, 1.5, 2**70, "text", b"bytes", [1, {"a": (2,)}], datetime.date(2026, 1, 2), 7, -1, 0]


class TestCachelib:
    @pytest.fixture(params=["simple", "file", "redis"])
    def cache(self, request: pytest.FixtureRequest, codec: Codec, seen: Any, tmp_path: Path) -> Any:
        cachelib = host("cachelib")
        from safepickle.integrations.cachelib import SignedSerializer, signed

        if request.param == "redis":
            return signed(cachelib.RedisCache, codec, on_refused=seen)(request.getfixturevalue("redis_client"))
        if request.param == "file":
            return signed(cachelib.FileSystemCache, codec, on_refused=seen)(str(tmp_path))
        cache = cachelib.SimpleCache()
        cache.serializer = SignedSerializer(codec, on_refused=seen)
        return cache

    def stored(self, cache: Any, data: bytes | None = None) -> bytes:
        """Return the entry `key` as it is stored, or put other bytes there."""
        kind = type(cache).__name__
        if kind == "SimpleCache":
            expires, old = cache._cache["key"]
            if data is not None:
                cache._cache["key"] = (expires, data)
        elif kind == "RedisCache":
            old = cache._write_client.get("key")
            if data is not None:
                cache._write_client.set("key", data)
        else:
            path = Path(cache._get_filename("key"))
            head, old = path.read_bytes()[:4], path.read_bytes()[4:]
            if data is not None:
                path.write_bytes(head + data)
        return bytes(old)

    def test_there_and_back(self, cache: Any) -> None:
        for value in VALUES:
            assert cache.set("key", value)
            assert cache.get("key") == value
            assert type(cache.get("key")) is type(value)
        assert cache.get("none") is None
        cache.set_many({"a": [1], "b": [2]})
        assert cache.get_many("a", "b", "c") == [[1], [2], None]

    def test_counting(self, cache: Any) -> None:
        cache.set("key", 5)
        assert cache.inc("key", 2) == 7
        assert cache.dec("key") == 6
        assert cache.get("key") == 6

    def test_a_tampered_entry_is_a_visible_miss(self, cache: Any, seen: Any) -> None:
        cache.set("key", ["value"])
        good = self.stored(cache)
        assert good.startswith(b"\xf5SPK")
        bad_ones = [tampered(good), good[:-1], HOSTILE, b"!" + pickle.dumps("stock"), b"an old version's text", b""]
        for bad in bad_ones:
            self.stored(cache, bad)
            assert cache.get("key") is None
        assert len(seen) == len(bad_ones)
        self.stored(cache, good)
        assert cache.get("key") == ["value"]

    def test_names_are_told_apart(self, codec: Codec, seen: Any) -> None:
        host("cachelib")
        from safepickle.integrations.cachelib import SignedSerializer

        one, other = (SignedSerializer(codec, name=name, on_refused=seen) for name in ("one", "other"))
        assert other.loads(one.dumps(1)) is None
        assert one.loads(None) is None
        assert seen.kinds == ["BadSignatureError"]

    def test_what_the_policy_refuses_is_not_quietly_left_out(self, codec: Codec) -> None:
        """cachelib's own serializer logs and stores nothing."""
        host("cachelib")
        from safepickle.integrations.cachelib import SignedSerializer

        with pytest.raises(PolicyError):
            SignedSerializer(codec).dump(len, io.BytesIO())  # type: ignore[arg-type]

    @pytest.mark.filterwarnings("ignore:.*SimpleCache.*")
    def test_flask_caching(self, codec: Codec, seen: Any, tmp_path: Path) -> None:
        flask_caching, flask = host("flask_caching"), host("flask")
        from safepickle.integrations.cachelib import SignedSerializer

        app = flask.Flask("app")
        serializer = SignedSerializer(codec, on_refused=seen)
        cache = flask_caching.Cache(
            app, config={"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path), "CACHE_SERIALIZER": serializer}
        )
        calls = []
        with app.app_context():

            @cache.memoize(100)
            def double(number: int) -> list[int]:
                calls.append(number)
                return [2 * number]

            assert [double(1), double(1)] == [[2], [2]]
            cache.set("key", ["value"])
            seen_before = len(seen)  # of the count of files, which was written before the serializer was set
            (path,) = (path for path in tmp_path.iterdir() if b"value" in path.read_bytes())
            path.write_bytes(path.read_bytes()[:4] + HOSTILE)
            assert cache.get("key") is None
        assert calls == [1]
        assert seen.kinds[seen_before:] == ["UnsignedError"]


class TestDogpile:
    @pytest.fixture
    def region(self, codec: Codec, seen: Any, tmp_path: Path) -> Any:
        dogpile = host("dogpile.cache")
        from safepickle.integrations.dogpile import signed

        region = dogpile.make_region(**signed(codec, "reports", on_refused=seen))
        region.configure("dogpile.cache.dbm", arguments={"filename": str(tmp_path / "file")})
        return region

    def test_values_are_made_once(self, region: Any) -> None:
        calls = []

        @region.cache_on_arguments()
        def report(number: int) -> dict[str, Any]:
            calls.append(number)
            return {"number": number, "day": datetime.date(2026, 1, 1)}

        assert [report(1), report(1), report(2)] == [report(1), report(1), report(2)]
        assert calls == [1, 2]
        assert region.get("none") is host("dogpile.cache.api").NO_VALUE

    def test_a_tampered_value_is_made_anew(self, region: Any, seen: Any) -> None:
        made = []

        def make() -> list[str]:
            made.append(1)
            return ["value"]

        assert region.get_or_create("key", make) == ["value"]
        stored = region.backend.get_serialized("key")
        metadata, _, payload = stored.partition(b"|")
        assert payload.startswith(b"\xf5SPK")
        for bad in (tampered(payload), HOSTILE, pickle.dumps("stock")):
            region.backend.set_serialized("key", metadata + b"|" + bad)
            assert region.get_or_create("key", make) == ["value"]
        assert len(made) == 4
        # Looked at once more under the lock, each.
        assert seen.kinds == ["BadSignatureError"] * 2 + ["UnsignedError"] * 4

    def test_the_creation_time_can_be_forged_and_max_age_cannot(self, ring: Any, seen: Any, tmp_path: Path) -> None:
        """dogpile's metadata is outside of the signature."""
        import json

        dogpile = host("dogpile.cache")
        from safepickle.integrations.dogpile import signed

        clock = [1_700_000_000.0]
        for max_age, expected in ((None, False), (60, True)):
            codec = Codec(keys=ring, clock=lambda: clock[0], max_age=max_age)
            region = dogpile.make_region(**signed(codec, "r", on_refused=seen))
            region.configure("dogpile.cache.memory")
            region.configure("dogpile.cache.dbm", arguments={"filename": str(tmp_path / f"{max_age}")},
                             replace_existing_backend=True)  # fmt: skip
            region.set("key", ["old"])
            metadata, _, payload = region.backend.get_serialized("key").partition(b"|")
            forged = json.dumps({**json.loads(metadata), "ct": 1e12}).encode()
            region.backend.set_serialized("key", forged + b"|" + payload)
            clock[0] += 3600
            assert (region.get("key", expiration_time=60) is host("dogpile.cache.api").NO_VALUE) is expected
        assert seen.kinds == ["ExpiredError"]

    def test_regions_are_told_apart(self, codec: Codec, seen: Any) -> None:
        host("dogpile.cache")
        from dogpile.cache.api import CantDeserializeException

        from safepickle.integrations.dogpile import signed

        one, other = (signed(codec, name, on_refused=seen) for name in ("one", "other"))
        with pytest.raises(CantDeserializeException):
            other["deserializer"](one["serializer"](1))
        assert seen == [("BadSignatureError", "other")]


class TestRequestsCache:
    @pytest.fixture
    def session(self, codec: Codec, seen: Any, tmp_path: Path) -> Any:
        requests_cache, requests = host("requests_cache"), host("requests")
        from safepickle.integrations.requests_cache import signed_serializer

        class Adapter(requests.adapters.BaseAdapter):
            """Answers without a network."""

            count = 0

            def send(self, request: Any, **_: Any) -> Any:
                Adapter.count += 1
                response = requests.Response()
                response.status_code, response.url, response.request = 200, request.url, request
                response.headers["Content-Type"] = "text/plain"
                # requests-cache reads the raw answer as urllib3 gives it.
                from urllib3 import HTTPResponse

                response.raw = HTTPResponse(
                    io.BytesIO(b"answer"), headers={"Content-Type": "text/plain"}, status=200, preload_content=False,
                    request_url=request.url,
                )  # fmt: skip
                return response

            def close(self) -> None: ...

        with requests_cache.CachedSession(
            str(tmp_path / "cache"), backend="sqlite", serializer=signed_serializer(codec, on_refused=seen)
        ) as session:
            session.mount("http://", Adapter())
            session.adapter = Adapter
            yield session
            session.cache.close()

    def test_answers_are_kept(self, session: Any) -> None:
        first, second = session.get("http://host/a"), session.get("http://host/a")
        assert (first.from_cache, second.from_cache, session.adapter.count) == (False, True, 1)
        assert second.text == first.text == "answer"
        assert second.headers["Content-Type"] == "text/plain"
        assert isinstance(second.created_at, datetime.datetime)
        assert second.request.url == "http://host/a"

    def test_a_tampered_answer_is_got_anew(self, session: Any, seen: Any) -> None:
        session.get("http://host/a")
        with session.cache.responses.connection(commit=True) as connection:
            ((good,),) = connection.execute("SELECT value FROM responses").fetchall()
        assert bytes(good).startswith(b"\xf5SPK")
        for number, bad in enumerate((tampered(bytes(good)), HOSTILE, pickle.dumps("stock"))):
            with session.cache.responses.connection(commit=True) as connection:
                connection.execute("UPDATE responses SET value = ?", (bad,))
            answer = session.get("http://host/a")
            assert (answer.from_cache, answer.text) == (False, "answer")
            assert len(seen) >= number + 1
        assert set(seen.kinds) == {"BadSignatureError", "UnsignedError"}


@pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")  # aiocache's use of redis-py
class TestAiocache:
    @pytest.fixture(params=["memory", "redis"])
    def make(self, request: pytest.FixtureRequest, codec: Codec, seen: Any) -> Any:
        """Returns a cache; to be called in the loop that uses it."""
        aiocache = host("aiocache")
        from safepickle.integrations.aiocache import SignedSerializer

        def make() -> Any:
            serializer = SignedSerializer(codec, on_refused=seen)
            if request.param == "memory":
                return aiocache.Cache(aiocache.Cache.MEMORY, serializer=serializer)
            port = int(request.getfixturevalue("redis_url").rpartition(":")[2])
            return aiocache.Cache(aiocache.Cache.REDIS, endpoint="127.0.0.1", port=port, serializer=serializer)

        if request.param == "redis":
            request.getfixturevalue("redis_url")
        return make

    def test_there_and_back(self, make: Any) -> None:
        async def run() -> None:
            async with make() as cache:
                for value in VALUES:
                    await cache.set("key", value)
                    assert await cache.get("key") == value
                    assert type(await cache.get("key")) is type(value)
                assert await cache.get("none", default="default") == "default"
                await cache.multi_set([("a", [1]), ("b", [2])])
                assert await cache.multi_get(["a", "b", "c"]) == [[1], [2], None]
                await cache.set("n", 5)
                assert await cache.increment("n", 3) == 8
                assert await cache.get("n") == 8

        asyncio.run(run())

    def test_a_tampered_value_is_a_visible_miss(self, make: Any, seen: Any) -> None:
        async def run() -> None:
            async with make() as cache:
                await cache.set("key", ["value"])
                good = await cache.raw("get", "key") if hasattr(cache, "client") else cache._cache["key"]
                assert bytes(good).startswith(b"\xf5SPK")
                for bad in (tampered(bytes(good)), HOSTILE, pickle.dumps("stock"), b"1_7"):
                    await cache.set("key", bad, dumps_fn=bytes)
                    assert await cache.get("key", default="default") == "default"
                assert seen.kinds == ["BadSignatureError", *["UnsignedError"] * 3]

        asyncio.run(run())
