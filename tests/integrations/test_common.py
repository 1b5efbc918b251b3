"""What all integrations have in common."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from safepickle.codec import Codec
from safepickle.errors import BadSignatureError
from safepickle.integrations.common import Bound, load_codec, with_keys
from safepickle.integrations.ints import is_int
from safepickle.signing.keys import KeyRing


def test_a_codec_without_keys_is_refused(codec: Codec) -> None:
    import pickle

    for bad in (Codec(), pickle, None, "x", object()):
        with pytest.raises(ValueError, match="keys"):
            with_keys(bad)
    assert with_keys(codec) is codec


def test_a_codec_by_its_dotted_path(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("app_codecs")
    module.cache, module.bare = codec, Codec()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "app_codecs", module)
    assert load_codec("app_codecs.cache") is load_codec(codec) is codec
    with pytest.raises(ValueError, match="keys"):
        load_codec("app_codecs.bare")
    with pytest.raises(ValueError, match="dotted"):
        load_codec("cache")
    with pytest.raises(AttributeError):
        load_codec("app_codecs.missing")


def test_hosts_and_keys_are_told_apart(codec: Codec, seen: Any) -> None:
    one, other = (Bound(codec, host, seen) for host in ("one", "other"))
    data = one.dumps(1, "key")
    assert one.loads(data, "key") == 1
    assert len({one.context(key) for key in (None, "", "1", 1, 1.0, True, ("1",), "None")}) == 8
    for bound, key in ((one, "yek"), (one, None), (other, "key")):
        with pytest.raises(BadSignatureError):
            bound.loads(data, key)
        assert bound.loads_or(data, key, "default") == "default"
    assert seen.kinds == ["BadSignatureError"] * 6


def test_the_log_has_one_short_line_without_control_characters(codec: Codec, seen: Any, caplog: Any) -> None:
    Bound(codec, "host", seen).loads_or(b"N.", "key\n\x1b[31m" + "x" * 1000, None)
    (record,) = caplog.records
    assert record.getMessage().isascii()
    assert "\n" not in record.getMessage()
    assert "\x1b" not in record.getMessage()
    assert len(record.getMessage()) < 400


@pytest.mark.parametrize("algorithm", ["hmac-sha256", "hmac-sha512", "blake2b"])
def test_a_signed_entry_is_no_number_no_text_no_pickle(algorithm: str) -> None:
    data = Codec(keys=KeyRing.generate(algorithm=algorithm)).dumps(1)
    assert not is_int(data)
    with pytest.raises(ValueError):  # noqa: PT011  (Django tries this on everything it reads)
        int(data)
    with pytest.raises(UnicodeDecodeError):
        data.decode()
    import pickle

    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(data)
    assert not data.startswith((b"\x00", b"!", b"\x1f\x8b", b"x"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"0", True), (b"-1", True), (b"123", True), (b"9223372036854775807", True), (b"-9223372036854775808", True),
        (b"", False), (b"-", False), (b"+1", False), (b" 1", False), (b"1\n", False), (b"01", False), (b"-0", False),
        (b"1_0", False), (b"1.0", False), (b"1" * 21, False), ("\u0661".encode(), False), (b"0x1", False),
    ],
)  # fmt: skip
def test_ints_as_databases_write_them(data: bytes, expected: bool) -> None:
    assert is_int(data) is expected
