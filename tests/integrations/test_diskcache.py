"""diskcache: everything signed but ints, keys bound, nothing believed that the database says."""

from __future__ import annotations

import io
import os
import pickle
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from integrations.conftest import HOSTILE, host

from safepickle.codec import Codec
from safepickle.errors import BadSignatureError, FormatError, PolicyError, SignatureError, UnsignedError
from safepickle.limits import UNLIMITED

diskcache = host("diskcache")

from safepickle.integrations.diskcache import SignedCache, SignedDisk, signed_disk  # noqa: E402

LARGE = "x" * 100_000
VALUES = [None, True, 1.5, 2**70, "text", b"bytes", LARGE, LARGE.encode(), [1, "two"], {"a": (1, 2)}, 7, -1, 0]
KEYS = ["text", b"bytes", 5, 1.25, ("tuple", 1), None, True, 2**80, frozenset({1, 2})]


@pytest.fixture
def cache(codec: Codec, tmp_path: Path, seen: Any) -> Any:
    with SignedCache(tmp_path / "cache", disk=signed_disk(codec, on_refused=seen)) as cache:
        yield cache


def rows(cache: Any, statement: str, *values: Any) -> list[Any]:
    with sqlite3.connect(Path(cache.directory) / "cache.db") as connection:
        return connection.execute(statement, values).fetchall()


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:12])
def test_values_there_and_back(cache: Any, value: Any) -> None:
    cache["key"] = value
    assert cache["key"] == value
    assert type(cache["key"]) is type(value)
    assert cache.pop("key") == value
    assert cache.get("key", "gone") == "gone"


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_keys_there_and_back(cache: Any, key: Any) -> None:
    cache[key] = "value"
    assert cache[key] == "value"
    assert key in cache
    assert list(cache) == [key]
    assert cache.peekitem() == (key, "value")
    assert cache.add(key, "other") is False
    del cache[key]
    assert len(cache) == 0


def test_equal_keys_are_equal(cache: Any) -> None:
    """Keys are written canonically: equal keys are equal bytes, or entries would be lost."""
    cache["a", frozenset({"x", "y", "z"})] = 1
    assert cache["a", frozenset({"z", "y", "x"})] == 1
    cache[1] = "int"
    assert cache[1.0] == "int"  # SQLite takes them for one


def test_everything_but_ints_is_signed(cache: Any) -> None:
    for value in VALUES:
        cache.clear()
        cache["key"] = value
        ((stored, filename),) = rows(cache, "SELECT value, filename FROM Cache")
        if type(value) is int and abs(value) < 2**63:
            assert stored == value
        else:
            data = stored if filename is None else (Path(cache.directory) / filename).read_bytes()
            assert bytes(data).startswith(b"\xf5SPK")


def test_ints_count(cache: Any) -> None:
    assert [cache.incr("n"), cache.incr("n", 5), cache.decr("n")] == [1, 6, 5]
    assert cache["n"] == 5


def test_a_tampered_entry_is_a_visible_miss(cache: Any, seen: Any) -> None:
    for number, value in enumerate(([1], LARGE)):
        cache["key"] = value
        ((stored, filename),) = rows(cache, "SELECT value, filename FROM Cache")
        if filename is None:
            rows(cache, "UPDATE Cache SET value = ?", stored[:-1] + bytes((stored[-1] ^ 1,)))
        else:
            path = Path(cache.directory) / filename
            path.write_bytes(path.read_bytes()[:-1])
        assert cache.get("key", "default") == "default"
        assert cache.get("key", "default", expire_time=True, tag=True) == ("default", None, None)
        with pytest.raises(KeyError):
            cache["key"]
        assert cache.pop("key", "default") == "default"
        assert seen.kinds == ["BadSignatureError"] * 4 * (number + 1)


def test_swapped_entries_are_refused(cache: Any, seen: Any) -> None:
    """fetch() is not told the key, and the row's key is what a writer of the database changes."""
    cache["admin"], cache["guest"], cache["tuple", 1] = ["admin"], ["guest"], ["t"]
    rows(cache, "UPDATE Cache SET key = 'x' WHERE key = 'guest'")
    rows(cache, "UPDATE Cache SET key = 'guest' WHERE key = 'admin'")
    assert cache.get("guest") is None
    assert cache.get("x") is None
    with pytest.raises(BadSignatureError):
        cache.peekitem(last=False)
    assert seen.kinds == ["BadSignatureError"] * 3
    assert cache["tuple", 1] == ["t"]


@pytest.mark.parametrize(
    ("mode", "value"),
    [(1, "raw text"), (1, b"raw bytes"), (1, 1.5), (1, None), (2, None), (3, None), (4, None), (4, HOSTILE), (4, 5),
     (9, b""), (4, pickle.dumps(1)), (None, None)],
)  # fmt: skip
def test_the_mode_column_is_not_believed(cache: Any, seen: Any, mode: int, value: Any) -> None:
    cache["key"] = ["signed"]
    rows(cache, "UPDATE Cache SET mode = ?, value = ?", mode, value)
    assert cache.get("key", "default") == "default"
    assert seen.kinds[0] in ("BadSignatureError", "UnsignedError")


def test_a_raw_int_can_be_forged(cache: Any) -> None:
    """What the module says: counters are not protected."""
    cache["n"] = 1
    rows(cache, "UPDATE Cache SET value = 1000000")
    assert cache["n"] == 1_000_000


def test_file_names_do_not_lead_out_of_the_cache(cache: Any, seen: Any, codec: Codec, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(codec.dumps("secret", context=("diskcache", "tuple", repr(("key", "raw 'key'")))))
    cache["key"] = LARGE
    for name in ("../outside", str(outside)):
        rows(cache, "UPDATE Cache SET filename = ?", name)
        assert cache.get("key") is None
    (Path(cache.directory) / "link").symlink_to(outside)
    rows(cache, "UPDATE Cache SET filename = 'link'")
    assert cache.get("key") is None
    assert seen.kinds == ["BadSignatureError"] * 3


@pytest.mark.parametrize("name", [b"bytes", "nul\0nul", "\0", ""], ids=repr)
def test_what_is_no_file_name_is_a_miss(cache: Any, seen: Any, name: Any) -> None:
    cache["key"] = LARGE
    rows(cache, "UPDATE Cache SET filename = ?", name)
    assert cache.get("key", "default") == "default"
    assert seen.kinds == ["BadSignatureError"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_what_is_no_file_is_not_waited_for(cache: Any, seen: Any) -> None:
    cache["key"] = LARGE
    ((filename,),) = rows(cache, "SELECT filename FROM Cache")
    path = Path(cache.directory) / filename
    for make in (os.mkfifo, os.mkdir):
        path.rmdir() if path.is_dir() else path.unlink()
        make(path)
        assert cache.get("key", "default") == "default"
    assert seen.kinds == ["BadSignatureError"] * 2


def test_files_of_a_codec_without_limits(codec: Codec, tmp_path: Path) -> None:
    """As many bytes as may be wanted are never asked for at once."""
    free = Codec(policy=codec.policy, limits=UNLIMITED, keys=codec.keys)
    with SignedCache(tmp_path / "cache", disk=signed_disk(free)) as cache:
        cache["key"] = LARGE
        assert cache["key"] == LARGE


def test_keys_of_another_kind_are_refused(cache: Any) -> None:
    cache["a", 1] = 1
    for key in (5, 1.5, "text"):
        rows(cache, "UPDATE Cache SET key = ?", key)
        with pytest.raises(FormatError):
            list(cache)


def test_keys_from_the_database_are_read_under_the_policy(cache: Any) -> None:
    cache[("a", 1)] = 1
    rows(cache, "UPDATE Cache SET key = ?", HOSTILE)
    with pytest.raises(PolicyError):
        list(cache)
    with pytest.raises(PolicyError):
        cache.peekitem()


def test_settings_from_the_database_protect_nothing(codec: Codec, stranger: Codec, tmp_path: Path, seen: Any) -> None:
    """diskcache reads `disk_...` settings from the database: none of ours is one."""
    disk = signed_disk(codec, on_refused=seen)
    with SignedCache(tmp_path, disk=disk) as cache:
        cache["key"] = ["value"]
        rows(cache, "INSERT INTO Settings VALUES ('disk_codec', 'pickle')")
    with pytest.raises(TypeError, match="codec"):
        SignedCache(tmp_path, disk=disk)


def test_files_are_signed_streams(cache: Any, seen: Any) -> None:
    data = bytes(range(256)) * 5000
    cache.set("file", io.BytesIO(data), read=True)
    with cache.read("file") as reader:
        assert reader.read(100) == data[:100]
        assert reader.read() == data[100:]
    assert cache["file"] == data
    ((filename,),) = rows(cache, "SELECT filename FROM Cache")
    path = Path(cache.directory) / filename
    signed = path.read_bytes()
    path.write_bytes(signed[:-1])
    assert cache.get("file") is None
    with cache.read("file") as reader, pytest.raises(BadSignatureError):
        reader.read()
    path.write_bytes(b"unsigned")
    with pytest.raises(KeyError):
        cache.read("file")
    assert seen.kinds == ["BadSignatureError", "UnsignedError"]


def test_queues(cache: Any, seen: Any) -> None:
    cache.push([1])
    cache.push([2], prefix="q")
    cache.push(LARGE)
    "a" in cache  # a key that was looked at just before  # noqa: B015
    assert cache.peek() == (500000000000000, [1])
    assert cache.pull(prefix="q") == ("q-500000000000000", [2])
    assert cache[500000000000000] == [1]
    assert [cache.pull()[1], cache.pull()[1], cache.pull()] == [[1], LARGE, (None, None)]
    cache.push([3])
    rows(cache, "UPDATE Cache SET value = ?", HOSTILE)
    for take in (cache.peek, cache.pull):  # a miss would make diskcache look again for ever
        with pytest.raises(UnsignedError):
            take()
    assert len(seen) == 2


def test_what_was_pushed_is_no_entry(cache: Any, seen: Any) -> None:
    cache.push(["pushed"])
    rows(cache, "UPDATE Cache SET key = 'entry'")
    assert cache.get("entry") is None
    cache["other"] = ["entry"]
    rows(cache, "UPDATE Cache SET key = 500000000000005 WHERE key = 'other'")
    with pytest.raises(BadSignatureError):
        cache.pull()
    assert seen.kinds == ["BadSignatureError"] * 2


def test_its_other_classes(codec: Codec, tmp_path: Path, seen: Any) -> None:
    disk = signed_disk(codec, on_refused=seen)
    with diskcache.FanoutCache(tmp_path / "fanout", shards=2, disk=disk) as fanout:
        for key in KEYS:
            fanout[key] = ["value"]
            assert fanout[key] == ["value"]
            assert fanout.get(key) == ["value"]
    deque = diskcache.Deque.fromcache(SignedCache(tmp_path / "deque", disk=disk))
    deque.extend([["a"], ["b"], ["c"]])
    assert [deque.popleft(), deque[0], deque.pop()] == [["a"], ["b"], ["c"]]
    index = diskcache.Index.fromcache(SignedCache(tmp_path / "index", disk=disk))
    index.update({"a": [1], ("b",): [2]})
    assert dict(index) == {"a": [1], ("b",): [2]}
    assert index.popitem() == (("b",), [2])


def test_memoize(cache: Any) -> None:
    calls = []

    @cache.memoize()
    def double(number: int) -> list[int]:
        calls.append(number)
        return [2 * number]

    assert [double(2), double(2), double(3)] == [[4], [4], [6]]
    assert calls == [2, 3]


class AppDisk(SignedDisk):
    """At the top of a module, so that a cache can be pickled; the codec comes later here."""


def test_a_cache_is_pickled_by_its_disk_class(codec: Codec, tmp_path: Path) -> None:
    AppDisk.codec = codec
    with SignedCache(tmp_path, disk=AppDisk) as cache:
        cache["key"] = ["value"]
        state = cache.__getstate__()
        assert AppDisk in state
        again = SignedCache(*state)
        assert again["key"] == ["value"]
        again.close()


def test_a_codec_is_needed(tmp_path: Path) -> None:
    for disk in (None, diskcache.Disk, SignedDisk, type("D", (SignedDisk,), {"codec": Codec()})):
        with pytest.raises(ValueError, match=r"codec|keys"):
            SignedCache(tmp_path, disk=disk)
    with pytest.raises(ValueError, match="keys"):
        signed_disk(Codec())


def test_errors_are_signature_errors_in_a_stock_cache(codec: Codec, tmp_path: Path, seen: Any) -> None:
    with diskcache.Cache(tmp_path, disk=signed_disk(codec, on_refused=seen)) as cache:
        cache["key"] = ["value"]
        rows(cache, "UPDATE Cache SET value = ?", HOSTILE)
        with pytest.raises(SignatureError):
            cache.get("key")
        assert seen == [("UnsignedError", ("key", "raw 'key'"))]
