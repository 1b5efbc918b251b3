"""keys, sign, verify, load --keys and resign."""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
from pathlib import Path
from typing import Any

import pytest

from safepickle.cli import signing
from safepickle.cli.main import main
from safepickle.cli.outcomes import EXIT_CODES
from safepickle.codec import Codec
from safepickle.signing.keys import Key, KeyRing

VALUE = {"id": 42, "name": "signed"}
CODES = {word: code for code, word, _ in EXIT_CODES}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def run_json(run: Any) -> Any:
    def run_json(*arguments: object) -> dict[str, Any]:
        code, out, err = run(*arguments, "--format", "json")
        assert err == ""
        document = json.loads(out)
        assert document["exit_code"] == code
        assert CODES[document["outcome"]] == code
        return document

    return run_json


@pytest.fixture
def keys(run: Any, tmp_path: Path) -> Path:
    path = tmp_path / "ring.keys"
    assert run("keys", "new", path, "--id", "first")[0] == 0
    return path


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    path = tmp_path / "bare.pkl"
    path.write_bytes(pickle.dumps(VALUE))
    return path


@pytest.fixture
def signed(run: Any, keys: Path, bare: Path, tmp_path: Path) -> Path:
    path = tmp_path / "signed.spk"
    assert run("sign", bare, "-o", path, "--keys", keys, "--context", "c")[0] == 0
    return path


# -- keys ----------------------------------------------------------------------------------------------------


def states(document: dict[str, Any]) -> dict[str, str]:
    return {key["id"]: key["state"] for key in document["keys"]}


def test_the_life_of_a_key_ring(run_json: Any, keys: Path) -> None:
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert states(run_json("keys", "list", keys)) == {"first": "signing"}
    document = run_json("keys", "rotate", keys, "--stage", "--id", "second")
    assert states(document) == {"first": "signing", "second": "staged"}
    assert states(run_json("keys", "rotate", keys, "--to", "second")) == {"first": "retired", "second": "signing"}
    run_json("keys", "rotate", keys, "--id", "third", "--algorithm", "blake2b")
    run_json("keys", "revoke", keys, "first")
    document = run_json("keys", "retire", keys, "third")
    assert states(document) == {"first": "revoked", "second": "retired", "third": "retired"}
    assert [key["algorithm"] for key in document["keys"]] == ["hmac-sha256", "hmac-sha256", "blake2b"]
    assert {key.id: key.state for key in KeyRing.from_file(keys)} == states(document)
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600


def test_no_command_shows_a_secret(run: Any, keys: Path, bare: Path, tmp_path: Path) -> None:
    secrets = [row["secret"] for row in json.loads(keys.read_text("ascii"))["keys"]]
    for arguments in (
        ("keys", "list", keys),
        ("keys", "list", keys, "--format", "json"),
        ("keys", "rotate", keys),
        ("keys", "revoke", keys, "nobody"),
        ("sign", bare, "-o", tmp_path / "out", "--keys", keys),
        ("verify", bare, "--keys", keys),
        ("load", keys, "--keys", keys),
    ):
        _, out, err = run(*arguments)
        assert out or err
        assert not [secret for secret in secrets if secret in out + err]


def test_a_ring_is_never_overwritten_by_a_new_one(run: Any, keys: Path) -> None:
    code, _, err = run("keys", "new", keys)
    assert (code, "never replaces" in err) == (2, True)
    assert "first" in KeyRing.from_file(keys)


@pytest.mark.parametrize(
    "arguments",
    [
        ("revoke", "nobody"),
        ("rotate", "--to", "nobody"),
        ("rotate", "--id", "first"),
        ("rotate", "--to", "first", "--id", "x"),
        ("rotate", "--id", "bad id"),
    ],
)
def test_what_cannot_be_done_changes_nothing(run: Any, run_json: Any, keys: Path, arguments: tuple[str, ...]) -> None:
    before = keys.read_bytes()
    action, *rest = arguments
    code, out, err = run("keys", action, keys, *rest)
    assert (code, out) == (2, "")
    assert err.startswith("safepickle: ")
    assert run_json("keys", action, keys, *rest)["error"]["type"] in ("KeyRingError", "UsageError")
    assert keys.read_bytes() == before


def test_a_ring_without_a_signing_key_says_so(run: Any, keys: Path, bare: Path, tmp_path: Path) -> None:
    code, _, err = run("keys", "retire", keys, "first")
    assert (code, "no key of this ring signs" in err) == (0, True)
    code, _, err = run("sign", bare, "-o", tmp_path / "out", "--keys", keys)
    assert code == 2
    assert not (tmp_path / "out").exists()


def test_open_key_files_are_refused(run: Any, keys: Path, signed: Path) -> None:
    keys.chmod(0o644)
    for arguments in (("keys", "list", keys), ("verify", signed, "--keys", keys), ("load", signed, "--keys", keys)):
        code, _, err = run(*arguments)
        assert (code, "others have access" in err) == (2, True)


# -- sign, verify, load --------------------------------------------------------------------------------------


def test_sign_verify_load(run: Any, run_json: Any, keys: Path, signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Codec(keys=KeyRing.from_file(keys)).load_file(signed, context="c") == VALUE
    code, out, err = run("verify", signed, "--keys", keys, "--context", "c")
    assert (code, err) == (0, "")
    assert "ok: signed by first" in out
    document = run_json("load", signed, "--keys", keys, "--context", "c", "--max-age", "1h")
    assert document["pickles"] == [{"value": VALUE}]
    monkeypatch.setenv("RING", keys.read_text("ascii"))
    header = run_json("verify", signed, "--keys", "env:RING", "--context", "c")["files"][0]["header"]
    assert (header["kind"], header["algorithm"], header["key"]) == ("stream", "hmac-sha256", "first")


def test_each_reason_has_its_exit_code(
    run: Any, run_json: Any, keys: Path, signed: Path, bare: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(signed.read_bytes()[:-1])
    other = tmp_path / "other.keys"
    run("keys", "new", other)
    for_all = ("--keys", keys, "--context", "c")
    cases: list[tuple[str, tuple[object, ...]]] = [
        ("ok", (signed, *for_all)),
        ("bad-signature", (bad, *for_all)),
        ("bad-signature", (bare, *for_all)),
        ("bad-signature", (signed, "--keys", keys)),
        ("bad-signature", (signed, *for_all, "--purpose", "other")),
        ("expired", (signed, *for_all, "--max-age", "0")),
        ("unknown-key", (signed, "--keys", other, "--context", "c")),
        ("unreadable", (tmp_path / "missing", *for_all)),
        ("unreadable", (signed, "--keys", tmp_path / "missing")),
    ]
    for word, arguments in cases:
        for command in ("verify", "load"):
            assert run(command, *arguments)[0] == CODES[word], (word, command, arguments)
            assert run_json(command, *arguments)["outcome"] == word
    hostile = tmp_path / "hostile"
    with hostile.open("wb") as file:
        signer = Codec(keys=KeyRing.from_file(keys))._signed
        assert signer is not None
        file.write(signer.signer.sign(b"cos\ngetpid\n)R."))
    malformed = tmp_path / "malformed"
    malformed.write_bytes(signer.signer.sign(b"\x80\x04"))
    assert run("verify", hostile, malformed, "--keys", keys)[0] == 0
    assert run("load", hostile, "--keys", keys)[0] == CODES["denied"]
    assert run("load", malformed, "--keys", keys)[0] == CODES["malformed"]
    assert run("load", signed, *for_all, "--limits", "max_bytes=3")[0] == CODES["limit"]
    run("keys", "revoke", keys, "first")
    assert run("verify", signed, *for_all)[0] == CODES["unknown-key"]


def test_the_worst_of_several_counts(run_json: Any, keys: Path, signed: Path, bare: Path) -> None:
    document = run_json("verify", signed, bare, "--keys", keys, "--context", "c")
    assert document["exit_code"] == CODES["bad-signature"]
    assert [file["outcome"] for file in document["files"]] == ["ok", "bad-signature"]
    assert document["files"][1]["error"]["type"] == "UnsignedError"


def test_fields_of_errors_are_in_json(run_json: Any, keys: Path, signed: Path) -> None:
    error = run_json("verify", signed, "--keys", keys, "--context", "c", "--max-age", "0")["files"][0]["error"]
    assert (error["type"], error["max_age"]) == ("ExpiredError", 0)
    run_json("keys", "revoke", keys, "first")
    assert run_json("verify", signed, "--keys", keys, "--context", "c")["files"][0]["error"]["key_id"] == "first"


def test_what_the_policy_refuses_is_not_signed(run: Any, run_json: Any, keys: Path, tmp_path: Path) -> None:
    hostile, out = tmp_path / "hostile", tmp_path / "out"
    hostile.write_bytes(b"cos\ngetpid\n)R.")
    document = run_json("sign", hostile, "-o", out, "--keys", keys)
    assert (document["outcome"], document["error"]["denials"][0]["module"]) == ("denied", "os")
    hostile.write_bytes(b"N.N.")
    assert run("sign", hostile, "-o", out, "--keys", keys)[0] == CODES["malformed"]
    hostile.write_bytes(b"N")
    assert run("sign", hostile, "-o", out, "--keys", keys)[0] == CODES["malformed"]
    assert not out.exists()
    assert run("sign", hostile, "-o", out, "--keys", keys, "--unchecked")[0] == 0
    assert run("load", out, "--keys", keys)[0] == CODES["malformed"]


def test_several_values_in_a_signed_file(run: Any, run_json: Any, keys: Path, tmp_path: Path) -> None:
    path = tmp_path / "many"
    codec = Codec(keys=KeyRing.from_file(keys))
    with path.open("wb") as file:
        codec.dump(1, file)
        codec.dump(2, file)
    document = run_json("load", path, "--keys", keys, "--all")
    assert document["pickles"] == [{"value": 1}, {"value": 2}]
    assert run("load", path, "--keys", keys)[0] == CODES["bad-signature"]
    with path.open("ab") as file:
        file.write(b"x")
    document = run_json("load", path, "--keys", keys, "--all")
    assert (document["pickles"], document["outcome"]) == ([{"value": 1}, {"value": 2}], "bad-signature")
    path.write_bytes(b"")
    assert run("load", path, "--keys", keys, "--all")[0] == CODES["malformed"]


def test_options_about_signatures_need_keys(run: Any, bare: Path) -> None:
    for option in (("--context", "x"), ("--purpose", "x"), ("--max-age", "1h")):
        code, _, err = run("load", bare, *option)
        assert (code, "need --keys" in err) == (2, True)
    for bad in ("soon", "-1", "1y", ""):
        assert run("load", bare, "--keys", "x", "--max-age", bad)[0] == 2


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("2m", 120), ("1.5h", 5400), ("7d", 604800)])
def test_times(text: str, seconds: float) -> None:
    assert signing._duration(text) == seconds


# -- resign --------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(keys: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    (folder / "deep").mkdir(parents=True)
    codec = Codec(keys=KeyRing.from_file(keys), clock=lambda: 1_700_000_000.0)
    codec.dump_file(VALUE, folder / "stream.spk")
    (folder / "deep" / "blob.spk").write_bytes(codec.dumps(VALUE, not_before=32_000_000_000.0))
    (folder / "bare.spk").write_bytes(pickle.dumps(VALUE))
    (folder / "other.txt").write_bytes(b"text")
    return folder


def test_resign_a_folder(run: Any, run_json: Any, keys: Path, folder: Path) -> None:
    run("keys", "rotate", keys, "--id", "second")
    options = ("--keys", keys, "--pattern", "*.spk")
    document = run_json("resign", folder, *options)
    assert document["counts"] == {"resigned": 2}
    assert document["outcome"] == "bad-signature"
    assert [Path(row["file"]).name for row in document["failures"]] == ["bare.spk"]
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("*.spk")}
    document = run_json("resign", folder, *options, "--unsigned")
    assert (document["counts"], document["exit_code"]) == ({"already": 2, "signed": 1}, 0)
    assert [path.name for path, stamp in stamps.items() if path.stat().st_mtime_ns != stamp] == ["bare.spk"]
    run("keys", "revoke", keys, "first")
    codec = Codec(keys=KeyRing.from_file(keys))
    assert codec.load_file(folder / "stream.spk") == codec.load_file(folder / "bare.spk") == VALUE
    stream = codec.verify(io.BytesIO((folder / "stream.spk").read_bytes()))
    assert (stream.key_id, stream.created) == ("second", 1_700_000_000_000_000)  # nothing became younger
    later = Codec(keys=KeyRing.from_file(keys), clock=lambda: 32_000_000_001.0)
    assert later.verify((folder / "deep" / "blob.spk").read_bytes()).created == 1_700_000_000_000_000
    code, out, _ = run("resign", folder, *options)
    assert (code, out) == (0, "3 files: 3 already\n")


def test_resigning_with_the_path_as_context(run: Any, keys: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    (folder / "a").mkdir(parents=True)
    for name in ("a/x", "b"):
        (folder / name).write_bytes(Codec(keys=KeyRing.from_file(keys)).dumps(name, context=("users", name)))
    run("keys", "rotate", keys, "--id", "second")
    assert run("resign", folder, "--keys", keys, "--context", "users")[0] == CODES["bad-signature"]
    assert run("resign", folder, "--keys", keys, "--context", "users", "--context-name")[0] == 0
    codec = Codec(keys=KeyRing.from_file(keys).revoke("first"))
    assert codec.load_file(folder / "a/x", context=("users", "a/x")) == "a/x"


def test_a_run_that_is_stopped_is_taken_up(
    run_json: Any, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    codec = Codec(keys=KeyRing.from_file(keys))
    for number in range(6):
        codec.dump_file(number, folder / f"{number}")
    run_json("keys", "rotate", keys, "--id", "second")
    calls = []
    original = os.fsync

    def stop(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 5:
            raise KeyboardInterrupt
        original(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", stop)
        assert main(["resign", str(folder), "--keys", str(keys)]) == 130
    assert sorted(path.name for path in folder.iterdir()) == [str(number) for number in range(6)]
    both = Codec(keys=KeyRing.from_file(keys))
    assert [both.load_file(folder / str(number)) for number in range(6)] == list(range(6))
    document = run_json("resign", folder, "--keys", keys)
    assert set(document["counts"]) == {"already", "resigned"}
    assert sum(document["counts"].values()) == 6


def test_resigning_refuses_what_it_cannot_keep(run_json: Any, keys: Path, tmp_path: Path) -> None:
    """Out-of-band buffers are not in the file, so their tags cannot be made anew here."""
    folder = tmp_path / "cache"
    folder.mkdir()
    codec = Codec(keys=KeyRing.from_file(keys))
    value = pickle.PickleBuffer(b"outside")
    (folder / "blob").write_bytes(codec.dumps(value, 5, buffer_callback=lambda _: None))
    with (folder / "stream").open("wb") as file:
        codec.dump(value, file, 5, buffer_callback=lambda _: None)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    run_json("keys", "rotate", keys)
    document = run_json("resign", folder, "--keys", keys)
    assert [("buffers" in row["error"]["message"]) for row in document["failures"]] == [True, True]
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_resign_of_nothing_is_no_success(run: Any, keys: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for target in (tmp_path / "empty", tmp_path / "missing", keys):
        assert run("resign", target, "--keys", keys)[0] == 2
    assert run("resign", tmp_path, "--keys", keys, "--pattern", "")[0] == 2


def test_progress_is_shown_on_a_terminal_only(keys: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    main(["resign", str(folder), "--keys", str(keys), "--pattern", "*.spk"])
    assert "] 2/3 stream.spk" in shown.getvalue()
    assert shown.getvalue().endswith("\r\033[K")


def test_what_came_between_is_not_taken_back(run: Any, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate = Key.generate

    def slow(*arguments: Any, **options: Any) -> Key:
        monkeypatch.undo()
        assert run("keys", "revoke", keys, "first")[0] == 0
        return generate(*arguments, **options)

    monkeypatch.setattr(Key, "generate", slow)
    code, _, err = run("keys", "rotate", keys)
    assert code == CODES["unreadable"]
    assert "changed meanwhile by somebody else" in err
    assert "revoked" in keys.read_text()


@pytest.mark.parametrize("command", ["sign", "resign"])
def test_what_is_looked_at_is_what_is_signed(
    run: Any, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Whoever may write the file could put something else into it between the look and the signature (S14)."""
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "bare.pkl"
    path.write_bytes(pickle.dumps(VALUE))
    admit = signing._admit

    def look(*arguments: Any) -> None:
        admit(*arguments)
        path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")

    monkeypatch.setattr(signing, "_admit", look)
    out = tmp_path / "signed"
    if command == "sign":
        assert run("sign", "--keys", keys, path, "-o", out)[0] == 0
    else:
        out = path
        assert run("resign", "--keys", keys, "--unsigned", folder)[0] == 0
    assert Codec(keys=KeyRing.from_file(keys)).load_file(out) == VALUE


def test_no_more_is_copied_than_is_refused(run: Any, keys: Path, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(b"B" + (10**9).to_bytes(4, "little"))
        file.truncate(10**12)
    code, _, err = run("sign", "--keys", keys, path, "-o", tmp_path / "signed", "--limits", "max_bytes=1MB")
    assert code == CODES["limit"]
    assert "max_bytes" in err or "max_string" in err
