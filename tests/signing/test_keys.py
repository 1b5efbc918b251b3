"""Keys and rings: what is a key, who signs, where rings come from, and that nothing shows a secret."""

from __future__ import annotations

import base64
import copy
import json
import logging
import os
import pickle
import traceback
from pathlib import Path

import pytest

from safepickle.errors import KeyRingError, RevokedKeyError, UnknownKeyError
from safepickle.signing import files, keyfiles
from safepickle.signing.algorithms import ALGORITHMS, derive
from safepickle.signing.keys import STATES, Key, KeyRing
from safepickle.signing.signer import Signer

SECRET = bytes(range(100, 140))
SHOWN = [SECRET, base64.b64encode(SECRET), SECRET.hex().encode(), repr(SECRET).encode()[2:-1]]


def shows(text: str) -> bool:
    return any(form in text.encode() for form in SHOWN)


def test_hkdf_is_that_of_the_rfc() -> None:
    """RFC 5869 appendix A.1's scheme, with our salt and info, computed by hand here."""
    import hashlib
    import hmac

    prk = hmac.new(b"safepickle/signing/1", SECRET, hashlib.sha256).digest()
    info = b"\x02\x01cache"
    first = hmac.new(prk, info + b"\1", hashlib.sha256).digest()
    second = hmac.new(prk, first + info + b"\2", hashlib.sha256).digest()
    assert derive(SECRET, ALGORITHMS["hmac-sha512"], 1, "cache") == first + second
    assert derive(SECRET, ALGORITHMS["hmac-sha256"], 1, "cache") != first[:32]


@pytest.mark.parametrize(
    "secret",
    [
        b"",
        b"short",
        SECRET[:31],
        b"\0" * 32,
        b"changeme" * 8,
        b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE",
        b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3 somebody@example.org",
        b"\x30\x82\x00\x24" + SECRET[:36],
        b"\x30\x81\x25" + SECRET[:37],
        SECRET * 26,
        SECRET.hex(),
        None,
        12345,
    ],
)
def test_what_is_no_secret_is_refused(secret: object) -> None:
    """S07: empty, short, a pattern, a public key, text."""
    with pytest.raises(KeyRingError) as caught:
        Key("k", secret)  # type: ignore[arg-type]
    assert caught.value.reason


def test_a_secret_of_32_random_bytes_is_accepted() -> None:
    for _ in range(200):
        assert Key("k", os.urandom(32)).verifies


@pytest.mark.parametrize("name", ["", "a" * 65, "-a", "a b", "ä", "a\n", "../k", 7])
def test_what_is_no_id_is_refused(name: object) -> None:
    with pytest.raises(KeyRingError, match="not a key id"):
        Key(name, SECRET)  # type: ignore[arg-type]


def test_unknown_algorithms_and_states_are_refused() -> None:
    for options in ({"algorithm": "none"}, {"algorithm": "hmac-sha1"}, {"state": "signed"}):
        with pytest.raises(KeyRingError, match="no such"):
            Key("k", SECRET, **options)
    with pytest.raises(KeyRingError, match="no such"):
        Key.generate(algorithm="md5")


def test_nothing_shows_a_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    key = Key("k", SECRET)
    ring = KeyRing([key])
    signer = Signer(ring)
    signer.sign(b"x")
    texts = [repr(key), str(key), f"{ring}", repr(ring), repr([key]), repr({"k": ring}), repr(signer)]
    caplog.set_level(logging.DEBUG)
    logging.getLogger("test").warning("%s %r", key, ring)
    texts.append(caplog.text)
    for action in (
        lambda: pickle.dumps(key),
        lambda: pickle.dumps(ring),
        lambda: json.dumps(key),
        lambda: KeyRing([key, key]),
        lambda: KeyRing([key, Key("other", SECRET)]),
        lambda: keyfiles.parse_ring(base64.b64encode(SECRET), source="s"),
        lambda: keyfiles.parse_ring(json.dumps({"secret": base64.b64encode(SECRET).decode()}), source="s"),
        lambda: keyfiles.parse_ring(ring.export_secrets().replace('"signing"', '"x"'), source="s"),
        lambda: keyfiles.parse_ring(ring.export_secrets()[:-4], source="s"),
        lambda: ring.get("k").no_such_attribute,  # type: ignore[union-attr]
    ):
        with pytest.raises((TypeError, KeyRingError, AttributeError)) as caught:
            action()
        texts.append("".join(traceback.format_exception(caught.value)))
    assert not [text for text in texts if shows(text)]
    with pytest.raises(TypeError):
        vars(key)
    assert shows(ring.export_secrets())  # the search would find it


def test_copies_are_the_same_object() -> None:
    ring = KeyRing.generate()
    assert copy.copy(ring) is copy.deepcopy(ring) is ring
    key = ring.signing_key
    assert copy.copy(key) is copy.deepcopy(key) is key


def test_they_are_immutable() -> None:
    ring = KeyRing.generate()
    for thing in (ring, ring.signing_key):
        with pytest.raises(AttributeError):
            thing.state = "signing"
        with pytest.raises(AttributeError):
            del thing.id


def test_equality() -> None:
    ring = KeyRing([Key("k", SECRET)])
    assert ring == KeyRing([Key("k", SECRET)])
    assert hash(ring) == hash(KeyRing([Key("k", SECRET)]))
    assert ring != KeyRing([Key("k", SECRET[::-1])])
    assert ring != ring.retire("k")
    assert ring != 1
    assert ring.signing_key != 1


def test_a_ring_has_one_key_of_each_id_and_one_that_signs() -> None:
    with pytest.raises(KeyRingError, match="two keys"):
        KeyRing([Key("k", SECRET), Key("k", SECRET[::-1])])
    with pytest.raises(KeyRingError, match="same secret"):
        KeyRing([Key("k", SECRET), Key("l", SECRET, state="retired")])
    with pytest.raises(KeyRingError, match="2 keys are to sign"):
        KeyRing([Key("k", SECRET), Key("l", SECRET[::-1])])
    with pytest.raises(KeyRingError, match="no key of this ring signs"):
        Signer(KeyRing([])).sign(b"")


def test_rotation_without_a_gap() -> None:
    """Readers get the new key before anybody signs with it, and keep the old one until nothing needs it."""
    first = KeyRing.generate("first")
    old = Signer(first).sign(b"old")
    staged = first.stage(Key.generate("second"))
    assert Signer(staged).open(Signer(staged).sign(b"x")) == b"x"
    assert staged.signing_key.id == "first"
    promoted = staged.promote("second")
    new = Signer(promoted).sign(b"new")
    for reader in (staged, promoted):
        assert Signer(reader).open(old) == b"old"
        assert Signer(reader).open(new) == b"new"
    with pytest.raises(UnknownKeyError):
        Signer(first).open(new)
    revoked = promoted.revoke("first")
    assert Signer(revoked).open(new) == b"new"
    with pytest.raises(RevokedKeyError) as caught:
        Signer(revoked).open(old)
    assert caught.value.key_id == "first"
    for change in (revoked.promote, revoked.retire):
        with pytest.raises(KeyRingError, match="revoked"):
            change("first")
    assert revoked.revoke("first") == revoked
    with pytest.raises(KeyRingError, match="there is no key"):
        revoked.revoke("third")


def test_rotation_makes_a_key_of_the_same_algorithm() -> None:
    ring = KeyRing.generate(algorithm="blake2b").rotate()
    assert [key.algorithm.name for key in ring] == ["blake2b"] * 2
    assert [key.state for key in ring] == ["retired", "signing"]
    assert KeyRing([]).rotate().signing_key.algorithm.name == "hmac-sha256"


# -- files, variables, callables -----------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.keys"


def test_a_file_there_and_back(path: Path) -> None:
    ring = KeyRing.generate(algorithm="hmac-sha512").rotate().stage()
    ring = ring.revoke(next(iter(ring)).id)
    keyfiles.write_ring(path, ring)
    assert path.stat().st_mode & 0o777 == 0o600
    again = KeyRing.from_file(path)
    assert again == ring
    assert [(key.created, key.changed) for key in again] == [(key.created, key.changed) for key in ring]


def test_a_new_ring_never_replaces_a_file(path: Path) -> None:
    keyfiles.write_ring(path, KeyRing.generate("mine"), new=True)
    with pytest.raises(KeyRingError, match="never replaces"):
        keyfiles.write_ring(path, KeyRing.generate(), new=True)
    assert "mine" in KeyRing.from_file(path)
    link = path.with_name("link")
    link.symlink_to(path.with_name("nowhere"))
    with pytest.raises(KeyRingError, match="never replaces"):
        keyfiles.write_ring(link, KeyRing.generate(), new=True)


def test_a_new_ring_where_there_are_no_links(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError("this file system has none")

    monkeypatch.setattr(os, "link", no_links)
    keyfiles.write_ring(path, KeyRing.generate("mine"), new=True)
    assert "mine" in KeyRing.from_file(path)
    with pytest.raises(FileExistsError):
        files.write_whole(path, b"x", replace=False)
    monkeypatch.undo()
    with pytest.raises(FileExistsError):
        files.write_whole(path, b"x", replace=False)
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_file_that_others_may_open_is_refused(path: Path) -> None:
    keyfiles.write_ring(path, KeyRing.generate())
    for mode, readers in (
        (0o640, ()),
        (0o644, ()),
        (0o604, ()),
        (0o660, ()),
        (0o440, ("group", "anyone")),
        (0o444, ("anyone",)),
        (0o666, ()),
        (0o400, ("owner", "group", "anyone")),
    ):
        path.chmod(mode)
        for who in ("owner", "group", "anyone"):
            if who in readers or (mode & 0o037 == 0 and who != "owner") or (mode & 0o022 == 0 and who == "anyone"):
                assert KeyRing.from_file(path, readable_by=who)
            else:
                with pytest.raises(KeyRingError, match="others have access"):
                    KeyRing.from_file(path, readable_by=who)
    with pytest.raises(ValueError, match="readable_by"):
        KeyRing.from_file(path, readable_by="all")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(path: Path) -> None:
    keyfiles.write_ring(path, KeyRing.generate())
    os.chown(path, 12345, -1)
    with pytest.raises(KeyRingError, match="belongs to user 12345"):
        KeyRing.from_file(path)


def entry(**changes: object) -> dict[str, object]:
    return {**Key("k", SECRET, created=1).as_mapping(), **changes}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"safepickle_keys": 1}',
        '{"safepickle_keys": 2, "keys": []}',
        '{"safepickle_keys": true, "keys": []}',
        '{"safepickle_keys": 1, "keys": {}}',
        '{"safepickle_keys": 1, "keys": [], "more": 1}',
        '{"safepickle_keys": 1, "keys": [], "keys": []}',
        '{"safepickle_keys": 1, "keys": [1]}',
        *(
            json.dumps({"safepickle_keys": 1, "keys": [changed]})
            for changed in (
                entry(id=1),
                entry(id="a b"),
                entry(algorithm="none"),
                entry(state="good"),
                entry(created="today"),
                entry(created=True),
                entry(created=10**400),
                entry(created=2**53),
                entry(changed=-1),
                entry(secret="%%%"),
                entry(secret="c2hvcnQ="),
                entry(secret=None),
                entry(comment="hello"),
            )
        ),
        json.dumps({"safepickle_keys": 1, "keys": [entry(), entry()]}),
        "[" * 100_000,
        "\xff",
    ],
)
def test_what_is_no_key_file_is_refused(path: Path, text: str) -> None:
    path.write_text(text, encoding="latin-1")
    path.chmod(0o600)
    with pytest.raises(KeyRingError) as caught:
        KeyRing.from_file(path)
    assert caught.value.source == str(path)
    assert not shows(str(caught.value))


def test_other_files_are_refused(tmp_path: Path) -> None:
    for bad in (tmp_path / "missing", tmp_path, Path("/dev/null")):
        with pytest.raises(KeyRingError):
            KeyRing.from_file(bad)
    big = tmp_path / "big"
    big.write_bytes(b" " * (2 << 20))
    big.chmod(0o600)
    with pytest.raises(KeyRingError, match="longer"):
        KeyRing.from_file(big)


def test_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = KeyRing.generate()
    one_line = json.dumps(json.loads(ring.export_secrets()))
    assert "\n" not in one_line
    monkeypatch.setenv("APP_KEYS", one_line)
    assert KeyRing.from_env("APP_KEYS") == ring
    for value in ("", "secret!"):
        monkeypatch.setenv("APP_KEYS", value)
        with pytest.raises(KeyRingError) as caught:
            KeyRing.from_env("APP_KEYS")
        assert "secret!" not in str(caught.value)
    monkeypatch.delenv("APP_KEYS")
    with pytest.raises(KeyRingError, match="not set"):
        KeyRing.from_env("APP_KEYS")


def test_from_a_callable() -> None:
    ring = KeyRing.generate()
    for given in (ring, ring.export_secrets(), ring.export_secrets().encode(), list(ring)):
        assert KeyRing.from_callable(lambda given=given: given) == ring
    with pytest.raises(KeyRingError, match="returned NoneType"):
        KeyRing.from_callable(lambda: None)


def test_a_key_file_is_replaced_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyfiles.write_ring(path, KeyRing.generate("mine"))

    def broken(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="no space"):
        keyfiles.write_ring(path, KeyRing.generate("other"))
    assert "mine" in KeyRing.from_file(path)
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_ring_that_somebody_else_changed_is_not_replaced(path: Path) -> None:
    """Else a rotation would take back a revocation that came between."""
    before = KeyRing.generate("leaked").rotate(Key.generate("good"))
    keyfiles.write_ring(path, before)
    keyfiles.write_ring(path, before.revoke("leaked"), instead_of=before)
    with pytest.raises(KeyRingError, match="changed meanwhile"):
        keyfiles.write_ring(path, before.rotate(), instead_of=before)
    leaked = KeyRing.from_file(path).get("leaked")
    assert leaked is not None
    assert leaked.state == "revoked"
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.keys"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(KeyRingError, match="not a regular file"):
        KeyRing.from_file(pipe)


def test_a_large_ring_does_not_compare_each_with_each(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr(Key, "same_secret", lambda *keys: compared.append(keys))
    assert len(KeyRing(Key.generate(f"k{number}", state="retired") for number in range(2000))) == 2000
    assert compared == []


def test_states_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "envelope.md").read_text("utf-8")
    assert all(f"| `{state}` |" in page for state in STATES)
    for row in ALGORITHMS.values():
        assert f"| {row.code} | `{row.name}` | {row.tag_size} bytes | {row.key_size} bytes" in page


def test_a_long_name_of_a_field_is_not_shown() -> None:
    """It may be a secret in the wrong place."""
    secret = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"
    for name, shown in ((secret, False), ("colour", True)):
        text = json.dumps({"safepickle_keys": 1, "keys": [{name: ""}]})
        with pytest.raises(KeyRingError, match="a field that there is not") as refused:
            keyfiles.parse_ring(text.encode(), source="keys")
        assert (name in str(refused.value)) is shown
