"""SignedShelf over a dbm, SQLite and a dict."""

from __future__ import annotations

import dbm
import shelve
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from integrations.conftest import HOSTILE, tampered

from safepickle.codec import Codec
from safepickle.errors import BadSignatureError, SignatureError, UnsignedError
from safepickle.integrations.shelf import SignedShelf, SQLiteStore, open_shelf
from safepickle.signing.keys import KeyRing


@pytest.fixture(params=["dbm", "sqlite"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, bool]:
    return tmp_path / "shelf", request.param == "sqlite"


def test_it_is_a_shelf(codec: Codec, path: tuple[Path, bool]) -> None:
    file, sqlite = path
    with open_shelf(file, codec, sqlite=sqlite) as shelf:
        assert isinstance(shelf, shelve.Shelf)
        shelf["one"] = [1]
        shelf.update(two={"a": 2}, three=None)
        assert shelf.setdefault("two", 5) == {"a": 2}
    with open_shelf(file, codec, sqlite=sqlite) as shelf:
        assert dict(shelf) == {"one": [1], "two": {"a": 2}, "three": None}
        assert shelf.pop("three", 1) is None
        assert sorted(shelf) == ["one", "two"]
        assert (len(shelf), "one" in shelf, "none" in shelf, shelf.get("none", 7)) == (2, True, False, 7)
        with pytest.raises(KeyError):
            shelf["none"]
        with pytest.raises(KeyError):
            del shelf["none"]
    with pytest.raises(ValueError, match="closed"):
        shelf["one"]


def test_writeback(codec: Codec, path: tuple[Path, bool]) -> None:
    file, sqlite = path
    with open_shelf(file, codec, sqlite=sqlite, writeback=True) as shelf:
        shelf["list"] = [1]
        shelf["list"].append(2)
    with open_shelf(file, codec, sqlite=sqlite) as shelf:
        shelf["list"].append(3)
        assert shelf["list"] == [1, 2]


def test_tampering_is_seen(codec: Codec, seen: Any) -> None:
    store: dict[bytes, bytes] = {}
    shelf = SignedShelf(store, codec, on_refused=seen)
    shelf["admin"], shelf["guest"] = {"role": "admin"}, {"role": "guest"}
    good = store[b"guest"]
    for bad in (tampered(good), good[:-1], b"", HOSTILE, b"\x80\x04N."):
        store[b"guest"] = bad
        with pytest.raises(SignatureError):
            shelf["guest"]
        with pytest.raises(SignatureError):
            list(shelf.values())
    store[b"guest"] = store[b"admin"]  # moved to another key
    with pytest.raises(BadSignatureError):
        shelf["guest"]
    assert len(seen) == 11
    assert all(key == b"guest" for _, key in seen)


def test_stock_values_are_refused(codec: Codec, tmp_path: Path, seen: Any) -> None:
    with shelve.open(str(tmp_path / "old")) as old:
        old["key"] = 1
    with open_shelf(str(tmp_path / "old"), codec, flag="r", on_refused=seen) as shelf, pytest.raises(UnsignedError):
        shelf["key"]
    with dbm.open(str(tmp_path / "old"), "r"):
        pass


def test_sqlite_holds_what_somebody_puts_there(codec: Codec, tmp_path: Path, seen: Any) -> None:
    store = SQLiteStore(tmp_path / "file")
    with SignedShelf(store, codec, on_refused=seen) as shelf:
        for value in ("text", 5, 1.5):
            store._connection.execute("INSERT OR REPLACE INTO shelf VALUES (?, ?)", (b"key", value))
            with pytest.raises(UnsignedError):
                shelf["key"]


class Shelves(RuleBasedStateMachine):
    """Against a dict, with a store that is given new keys on the way."""

    keys = st.sampled_from(["a", "b", "ä", ""])

    def __init__(self) -> None:
        super().__init__()
        self.ring = KeyRing.generate()
        self.store: dict[bytes, bytes] = {}
        self.model: dict[str, int] = {}

    @property
    def shelf(self) -> SignedShelf:
        return SignedShelf(self.store, Codec(keys=self.ring))

    @rule(key=keys, value=st.integers())
    def put(self, key: str, value: int) -> None:
        self.shelf[key] = self.model[key] = value

    @rule(key=keys)
    def remove(self, key: str) -> None:
        assert self.shelf.pop(key, None) == self.model.pop(key, None)

    @rule()
    def rotate(self) -> None:
        self.ring = self.ring.rotate()

    @invariant()
    def same(self) -> None:
        assert dict(self.shelf) == self.model


TestShelves = Shelves.TestCase
TestShelves.settings = settings(max_examples=40, stateful_step_count=20)
