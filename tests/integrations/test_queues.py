"""kombu and Celery, RQ, huey: messages that call functions."""

from __future__ import annotations

import base64
import json
import pickle
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from integrations.conftest import HOSTILE, host, tampered
from integrations.jobs import RAN, work

from safepickle.codec import Codec
from safepickle.errors import SignatureError
from safepickle.policy.rules import Policy, Right, Rule


class TestKombu:
    @pytest.fixture
    def serialization(self, codec: Codec, seen: Any) -> Iterator[Any]:
        module = host("kombu.serialization")
        from safepickle.integrations import kombu

        kombu.register(codec, on_refused=seen)
        yield module
        kombu.unregister()

    def test_there_and_back(self, serialization: Any) -> None:
        content_type, encoding, payload = serialization.dumps({"a": [1]}, serializer="safepickle")
        assert (content_type, encoding) == ("application/x-safepickle", "binary")
        assert payload.startswith(b"\xf5SPK")
        for data in (payload, memoryview(payload), bytearray(payload)):
            assert serialization.loads(data, content_type, encoding, accept={content_type}) == {"a": [1]}

    def test_only_who_accepts_it_decodes_it(self, serialization: Any) -> None:
        """What is registered late is not disabled by kombu itself."""
        from kombu.exceptions import ContentDisallowed

        content_type, encoding, payload = serialization.dumps(1, serializer="safepickle")
        with pytest.raises(ContentDisallowed):
            serialization.loads(payload, content_type, encoding)
        with pytest.raises(ContentDisallowed):
            serialization.loads(payload, content_type, encoding, accept={"application/json"})

    def test_the_content_type_is_none_that_kombu_trusts(self, serialization: Any) -> None:
        from safepickle.integrations.kombu import CONTENT_TYPE

        assert CONTENT_TYPE not in serialization.TRUSTED_CONTENT
        payload = serialization.dumps([1], serializer="safepickle")[2]
        # In the trusted types kombu decodes nothing, because nothing is registered for them.
        assert serialization.loads(payload, "application/data", "binary", accept=set()) == payload

    def test_tampered_messages_are_decode_errors(self, serialization: Any, seen: Any) -> None:
        from kombu.exceptions import DecodeError

        content_type, encoding, payload = serialization.dumps({"a": 1}, serializer="safepickle")
        bad_ones = [tampered(payload), payload[:-1], HOSTILE, pickle.dumps("stock"), "text"]
        for bad in bad_ones:
            with pytest.raises(DecodeError):
                serialization.loads(bad, content_type, encoding, accept={content_type})
        assert len(seen) == len(bad_ones)

    def test_two_serializers(self, serialization: Any, codec: Codec, seen: Any) -> None:
        from kombu.exceptions import DecodeError

        from safepickle.integrations import kombu

        kombu.register(codec, name="other", on_refused=seen)
        try:
            other_type, encoding, other = serialization.dumps([2], serializer="other")
            assert other_type == "application/x-safepickle-other"
            assert serialization.loads(other, other_type, encoding, accept={other_type}) == [2]
            with pytest.raises(DecodeError):
                serialization.loads(other, kombu.CONTENT_TYPE, encoding, accept={kombu.CONTENT_TYPE})
        finally:
            kombu.unregister("other")
        assert seen.kinds == ["BadSignatureError"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Celery's use of redis-py
class TestCelery:
    """A real worker, over a real Redis."""

    @pytest.fixture
    def app(self, codec: Codec, seen: Any, redis_url: str) -> Iterator[Any]:
        celery = host("celery")
        from safepickle.integrations import kombu

        RAN.clear()
        kombu.register(codec, on_refused=seen)
        app = celery.Celery("app", broker=f"{redis_url}/0", backend=f"{redis_url}/1", set_as_current=False)
        app.conf.update(
            task_serializer="safepickle",
            result_serializer="safepickle",
            accept_content=["safepickle"],
            result_accept_content=["safepickle"],
            broker_connection_retry_on_startup=False,
            worker_hijack_root_logger=False,
        )
        app.task(work, name="work")
        yield app
        app.close()
        kombu.unregister()

    def test_tasks_run_and_tampered_ones_do_not(self, app: Any, seen: Any, redis_client: Any) -> None:
        from celery.contrib.testing.worker import start_worker

        def damaged(message: dict[str, Any], body: bytes) -> str:
            message["properties"]["delivery_tag"] += "x"
            return json.dumps({**message, "body": base64.b64encode(body).decode()})

        app.tasks["work"].apply_async((1,), {"factor": 5}, ignore_result=True)
        (raw,) = redis_client.lrange("celery", 0, -1)
        message = json.loads(raw)
        assert message["content-type"] == "application/x-safepickle"
        body = base64.b64decode(message["body"])
        assert body.startswith(b"\xf5SPK")
        redis_client.delete("celery")
        redis_client.lpush("celery", damaged(message, tampered(body)), damaged(message, HOSTILE))
        stock = {**message, "content-type": "application/x-python-serialize"}
        redis_client.lpush("celery", damaged(stock, HOSTILE))
        with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=30):
            assert app.tasks["work"].delay(21).get(timeout=30) == {"result": 42}
        assert RAN == [21]
        assert sorted(seen.kinds) == ["BadSignatureError", "UnsignedError"]
        assert redis_client.llen("celery") == 0  # acknowledged: they do not come again
        (result,) = (redis_client.execute_command("GET", key) for key in _keys(redis_client))
        assert result.startswith(b"\xf5SPK")


def _keys(client: Any) -> list[bytes]:
    client.execute_command("SELECT", 1)
    return list(client.execute_command("KEYS", "celery-task-meta-*"))


class TestRQ:
    @pytest.fixture
    def serializer(self, codec: Codec, seen: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        from safepickle.integrations.rq import SignedSerializer

        RAN.clear()
        serializer = SignedSerializer(codec, path="app_queues.serializer", on_refused=seen)
        module = ModuleType("app_queues")
        module.serializer = serializer  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "app_queues", module)
        return serializer

    def test_it_is_a_serializer(self, serializer: Any) -> None:
        rq = host("rq.serializers")
        assert rq.resolve_serializer(serializer) is serializer
        assert rq.resolve_serializer("app_queues.serializer") is serializer
        assert f"{serializer.__module__}.{serializer.__qualname__}" == "app_queues.serializer"

    def test_one_without_a_path_fails_in_other_processes(self, codec: Codec) -> None:
        """RQ hands the serializer to them by name; that of the class has no key, and must not decode anything."""
        rq = host("rq.serializers")
        from safepickle.integrations.rq import SignedSerializer

        unnamed = SignedSerializer(codec)
        found = rq.resolve_serializer(f"{unnamed.__module__}.{unnamed.__qualname__}")
        with pytest.raises(TypeError):
            found.loads(unnamed.dumps(1))

    def test_jobs_run_and_tampered_ones_fail(self, serializer: Any, seen: Any, redis_client: Any) -> None:
        rq = host("rq")
        queue = rq.Queue("reports", connection=redis_client, serializer=serializer)
        path = "integrations.jobs.work"
        good, bad, hostile = (queue.enqueue(path, number, factor=3, meta={"a": 1}) for number in (1, 2, 3))
        stored = zlib.decompress(redis_client.hget(bad.key, "data"))
        assert stored.startswith(b"\xf5SPK")
        redis_client.hset(bad.key, "data", zlib.compress(tampered(stored)))
        redis_client.hset(hostile.key, "data", zlib.compress(HOSTILE))
        worker = rq.SimpleWorker([queue], connection=redis_client, serializer=serializer)
        worker.work(burst=True)
        assert RAN == [1]
        assert good.refresh() is None
        assert good.return_value() == {"result": 3}
        assert good.get_meta() == {"a": 1}
        for job in (bad, hostile):
            assert job.get_status(refresh=True) == "failed"
        assert set(seen.kinds) == {"BadSignatureError", "UnsignedError"}

    def test_results_are_signed(self, serializer: Any, redis_client: Any) -> None:
        rq = host("rq")
        queue = rq.Queue("reports", connection=redis_client, serializer=serializer)
        job = queue.enqueue("integrations.jobs.work", 1)
        rq.SimpleWorker([queue], connection=redis_client, serializer=serializer).work(burst=True)
        ((_, fields),) = redis_client.xrange(f"rq:results:{job.id}")
        assert base64.b64decode(fields[b"return_value"]).startswith(b"\xf5SPK")

    def test_the_policy_does_not_limit_the_function(self, serializer: Any) -> None:
        """What the module says: a job names its function in text, and RQ imports that."""
        data = serializer.dumps(("os.system", None, ("true",), {}))
        assert serializer.loads(data)[0] == "os.system"


class TestHuey:
    @pytest.fixture
    def huey_codec(self, ring: Any) -> Codec:
        """huey's messages are instances of two classes of its own."""
        classes = [("huey.registry", "Message"), ("huey.utils", "Error")]
        rules = [Rule(module=m, name=n, rights=Right.NEW | Right.BUILD | Right.CALL) for m, n in classes]
        return Codec(keys=ring, policy=Policy.packs("stdlib") | Policy(name="huey", rules=rules))

    @pytest.fixture(params=["memory", "redis", "sqlite"])
    def app(self, request: pytest.FixtureRequest, huey_codec: Codec, seen: Any, tmp_path: Path) -> Iterator[Any]:
        huey = host("huey")
        from safepickle.integrations.huey import SignedSerializer

        RAN.clear()
        serializer = SignedSerializer(huey_codec, on_refused=seen)
        if request.param == "memory":
            app = huey.MemoryHuey("app", serializer=serializer)
        elif request.param == "redis":
            app = huey.RedisHuey("app", url=request.getfixturevalue("redis_url"), serializer=serializer)
        else:
            app = huey.SqliteHuey("app", filename=str(tmp_path / "huey.db"), serializer=serializer)
        yield app
        if request.param == "sqlite":
            app.storage.close()

    def test_tasks_run(self, app: Any) -> None:
        task = app.task()(work)
        result = task(21, factor=2)
        (stored,) = app.storage.enqueued_items()
        assert bytes(stored).startswith(b"\xf5SPK")
        app.execute(app.dequeue())
        assert result.get(blocking=False) == {"result": 42}
        assert RAN == [21]

    def test_tampered_tasks_do_not(self, app: Any, seen: Any) -> None:
        task = app.task()(work)
        task(1)
        good = bytes(app.storage.dequeue())
        for bad in (tampered(good), HOSTILE, pickle.dumps("stock")):
            app.storage.enqueue(bad)
            with pytest.raises(SignatureError):
                app.dequeue()
        assert (RAN, len(seen)) == ([], 3)
        app.storage.enqueue(good)
        app.execute(app.dequeue())
        assert RAN == [1]

    def test_no_compression_around_the_signature(self, codec: Codec) -> None:
        """S19: it would be unpacked before it is verified."""
        host("huey")
        from safepickle.integrations.huey import SignedSerializer

        with pytest.raises(ValueError, match="compression"):
            SignedSerializer(codec, compression=True)
