"""joblib.Memory, SQLAlchemy and redis-py."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from integrations.conftest import HOSTILE, host, tampered

from safepickle.codec import Codec
from safepickle.errors import BadSignatureError, SignatureError, UnsignedError

CALLS: list[Any] = []


def double(number: int) -> list[int]:
    CALLS.append(number)
    return [2 * number]


def echo(value: Any) -> Any:
    CALLS.append(value)
    return [value]


def gives_a_function() -> Any:
    CALLS.append("function")
    return len


class TestJoblib:
    @pytest.fixture
    def memory(self, codec: Codec, seen: Any, tmp_path: Path) -> Any:
        joblib = host("joblib")
        from safepickle.integrations.joblib import register

        CALLS.clear()
        register("signed", codec, on_refused=seen)
        return joblib.Memory(tmp_path, backend="signed", verbose=0)

    def results(self, memory: Any) -> list[Path]:
        return sorted(Path(memory.location).rglob("output.pkl"))

    def test_results_are_kept(self, memory: Any) -> None:
        cached = memory.cache(double)
        assert [cached(1), cached(1), cached(2)] == [[2], [2], [4]]
        assert CALLS == [1, 2]
        assert all(path.read_bytes().startswith(b"\xf5SPK") for path in self.results(memory))
        assert cached.check_call_in_cache(1)
        shelved = cached.call_and_shelve(1)
        assert shelved.get() == [2]

    @pytest.mark.filterwarnings("ignore:.*:UserWarning")
    def test_a_tampered_result_is_computed_anew(self, memory: Any, seen: Any) -> None:
        cached = memory.cache(double)
        cached(1)
        (path,) = self.results(memory)
        good = path.read_bytes()
        for bad in (tampered(good), good[:-1], HOSTILE, pickle.dumps([2])):
            path.write_bytes(bad)
            assert cached(1) == [2]
        assert CALLS == [1] * 5
        assert seen.kinds == ["BadSignatureError"] * 2 + ["UnsignedError"] * 2
        path.write_bytes(HOSTILE)
        with pytest.raises(UnsignedError):
            cached.call_and_shelve(1).get()

    @pytest.mark.filterwarnings("ignore:.*:UserWarning")
    def test_swapped_results_are_refused(self, memory: Any, seen: Any) -> None:
        cached, echoed = memory.cache(double), memory.cache(echo)
        cached(1), cached(2), echoed(1)
        first, second, _ = self.results(memory)
        first.write_bytes(second.read_bytes())
        CALLS.clear()
        assert [cached(1), cached(2), echoed(1)] == [[2], [4], [1]]
        assert len(CALLS) == 1
        assert seen.kinds == ["BadSignatureError"]

    @pytest.mark.filterwarnings("ignore:.*:UserWarning")
    def test_what_the_policy_refuses_is_not_stored(self, memory: Any) -> None:
        with pytest.warns(Warning, match="a result is not kept: policy"):
            assert memory.cache(gives_a_function)() is len
        assert self.results(memory) == []

    def test_no_mapped_files(self, memory: Any, tmp_path: Path) -> None:
        joblib = host("joblib")
        with pytest.raises(ValueError, match="mmap_mode"):
            joblib.Memory(tmp_path, backend="signed", mmap_mode="r")
        with pytest.raises(ValueError, match="compress"):
            joblib.Memory(tmp_path, backend="signed", compress=True)


class TestSQLAlchemy:
    @pytest.fixture
    def sa(self, codec: Codec, monkeypatch: pytest.MonkeyPatch) -> Any:
        module = ModuleType("app_codecs")
        module.cache = codec  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "app_codecs", module)
        return host("sqlalchemy")

    def table(self, sa: Any, column_type: Any) -> tuple[Any, Any]:
        engine = sa.create_engine("sqlite://")
        table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("v", column_type))
        table.metadata.create_all(engine)
        return engine, table

    def test_there_and_back(self, sa: Any, codec: Codec) -> None:
        from safepickle.integrations.sqlalchemy import SafePickleType

        for given in (codec, "app_codecs.cache"):
            engine, table = self.table(sa, SafePickleType(given, name="t.v"))
            with engine.begin() as connection:
                connection.execute(table.insert(), [{"v": {"a": [1]}}, {"v": None}, {"v": "text"}])
                assert connection.execute(sa.select(table.c.v)).scalars().all() == [{"a": [1]}, None, "text"]
                raw = connection.exec_driver_sql("SELECT v FROM t").scalars().all()
                assert raw[0].startswith(b"\xf5SPK")
                assert raw[1] is None
            engine.dispose()

    def test_tampering_raises(self, sa: Any, codec: Codec, seen: Any) -> None:
        from safepickle.integrations.sqlalchemy import SafePickleType

        engine, table = self.table(sa, SafePickleType(codec, name="t.v", on_refused=seen))
        with engine.begin() as connection:
            connection.execute(table.insert(), [{"v": ["value"]}])
            good = connection.exec_driver_sql("SELECT v FROM t").scalar_one()
            for bad in (tampered(good), HOSTILE, pickle.dumps("stock")):
                connection.exec_driver_sql("UPDATE t SET v = ?", (bad,))
                with pytest.raises(SignatureError):
                    connection.execute(sa.select(table.c.v)).all()
        engine.dispose()
        assert seen.kinds == ["BadSignatureError", "UnsignedError", "UnsignedError"]

    def test_names_are_told_apart(self, sa: Any, codec: Codec, seen: Any) -> None:
        from safepickle.integrations.sqlalchemy import SafePickleType

        one, other = (SafePickleType(codec, name=name, on_refused=seen) for name in ("one", "other"))
        with pytest.raises(BadSignatureError):
            other.pickler.loads(one.pickler.dumps(1, 5))
        assert seen == [("BadSignatureError", "other")]

    def test_pickled_metadata_never_reverts_to_stock_pickle(self, sa: Any, codec: Codec) -> None:
        """PickleType.__reduce__ leaves the pickler out; loaded again it would unpickle anything."""
        from safepickle.integrations.sqlalchemy import SafePickleType

        stock = pickle.loads(pickle.dumps(sa.PickleType(pickler=codec)))
        assert stock.pickler is pickle  # the trap
        _, table = self.table(sa, SafePickleType("app_codecs.cache", name="t.v", protocol=4))
        copied, metadata = pickle.loads(pickle.dumps(table)), pickle.loads(pickle.dumps(table.metadata))
        for again in (copied.c.v.type, metadata.tables["t"].c.v.type):
            assert type(again) is SafePickleType
            assert (again.codec, again.name, again.protocol) == ("app_codecs.cache", "t.v", 4)
            assert again.pickler == table.c.v.type.pickler
            with pytest.raises(UnsignedError):
                again.pickler.loads(HOSTILE)
        for unnamed in (SafePickleType(codec), SafePickleType("app_codecs.cache", on_refused=print)):
            with pytest.raises(TypeError, match="dotted path"):
                pickle.dumps(unnamed)

    def test_copies_keep_the_codec(self, sa: Any, codec: Codec) -> None:
        import copy

        from safepickle.integrations.sqlalchemy import SafePickleType

        _, table = self.table(sa, SafePickleType(codec, name="t.v"))
        copied = table.to_metadata(sa.MetaData()).c.v.type
        for one in (copied, copy.copy(table.c.v.type), copy.deepcopy(table.c.v.type), table.c.v.type.copy()):
            assert one.pickler == table.c.v.type.pickler

    def test_statements_are_cached(self, sa: Any, codec: Codec, seen: Any) -> None:
        from safepickle.integrations.sqlalchemy import SafePickleType

        engine, table = self.table(sa, SafePickleType(codec, name="t.v"))
        other = sa.type_coerce(table.c.v, SafePickleType(codec, name="other", on_refused=seen))
        again = sa.type_coerce(table.c.v, SafePickleType(codec, "t.v"))
        with engine.begin() as connection:
            connection.execute(table.insert(), [{"v": ["value"]}])
            for _ in range(2):  # each column with its own name, though only the name differs
                assert connection.execute(sa.select(again)).scalar_one() == ["value"]
                with pytest.raises(BadSignatureError):
                    connection.execute(sa.select(other)).scalar_one()
        engine.dispose()
        one, same, unlike = (sa.select(column)._generate_cache_key() for column in (again, again, other))
        assert one == same != unlike
        assert len(seen) == 2

    def test_changes_are_found(self, sa: Any, codec: Codec) -> None:
        from safepickle.integrations.sqlalchemy import SafePickleType

        assert SafePickleType(codec).compare_values([1], [1])
        assert SafePickleType(codec, comparator=lambda a, b: False).compare_values(1, 1) is False

    def test_a_codec_without_keys_is_refused(self, sa: Any) -> None:
        from safepickle.integrations.sqlalchemy import SafePickleType

        with pytest.raises(ValueError, match="keys"):
            SafePickleType(Codec())


class TestRedis:
    @pytest.fixture
    def store(self, codec: Codec, seen: Any, redis_client: Any) -> Any:
        from safepickle.integrations.redis import SignedRedis

        return SignedRedis(redis_client, codec, prefix="app:", on_refused=seen)

    def test_there_and_back(self, store: Any) -> None:
        assert store.set("key", ["value"], ex=100) is True
        assert store.get("key") == ["value"]
        assert store.client.ttl("app:key") > 90
        assert store.set("key", 1, nx=True) is False
        assert store.get("none", "default") == "default"
        assert store.mset({"a": 1, "b": None}) is True
        assert store.mget(["a", "b", "c"], "default") == [1, None, "default"]
        assert store.getdel("a") == 1
        assert store.delete("b", "c") == 1
        assert (store.delete(), store.mget([])) == (0, [])
        assert store.client.get("app:key").startswith(b"\xf5SPK")

    def test_tampering_is_seen(self, store: Any, seen: Any, codec: Codec) -> None:
        from safepickle.integrations.redis import SignedRedis

        store.mset({"admin": "admin", "guest": "guest"})
        good, lenient = store.client.get("app:guest"), SignedRedis(store.client, codec, prefix="app:", miss=True)
        bad_ones = [tampered(good), HOSTILE, b"17", store.client.get("app:admin")]
        for bad in bad_ones:
            store.client.set("app:guest", bad)
            with pytest.raises(SignatureError):
                store.get("guest")
            with pytest.raises(SignatureError):
                store.mget(["admin", "guest"])
        assert len(seen) == 8
        lenient._bound.on_refused = seen
        assert lenient.get("guest", "default") == "default"
        assert lenient.mget(["admin", "guest"]) == ["admin", None]
        assert len(seen) == 10

    def test_counters_are_the_clients(self, store: Any, seen: Any) -> None:
        store.set("n", 5)
        with pytest.raises(host("redis").exceptions.ResponseError):
            store.client.incr("app:n")
        store.client.incr("app:m")
        with pytest.raises(UnsignedError):
            store.get("m")
        assert len(seen) == 1

    def test_text_clients_are_refused(self, codec: Codec, redis_url: str) -> None:
        from safepickle.integrations.redis import SignedRedis

        client = host("redis").Redis.from_url(redis_url, decode_responses=True)
        with pytest.raises(ValueError, match="text"):
            SignedRedis(client, codec)
        client.close()

    def test_the_old_value_is_not_given_out(self, store: Any) -> None:
        with pytest.raises(ValueError, match="get=True"):
            store.set("key", 1, get=True)
