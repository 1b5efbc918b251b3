"""dis, optimize, packs, help, version, and the command as a process."""

from __future__ import annotations

import os
import pickle
import pickletools
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from safepickle.cli import inputs
from safepickle.cli.main import main
from safepickle.cli.outcomes import EXIT_CODES, worst

COMMANDS = ("load", "check", "inspect", "policy", "dis", "optimize", "packs", "keys", "sign", "verify", "resign")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def file(tmp_path: Path) -> Path:
    shared = ["shared"]
    path = tmp_path / "file.pkl"
    path.write_bytes(pickle.dumps([shared, shared, "unshared" * 20], 4))
    return path


def test_dis_prints_what_pickletools_does(capsys: Any, file: Path) -> None:
    code, out, err = run(capsys, "dis", "--full", str(file))
    assert (code, err) == (0, "")
    pickletools.dis(file.read_bytes())
    assert capsys.readouterr().out == out
    assert "stores the top in the memo" in run(capsys, "dis", "--annotate", str(file))[1]


def test_dis_goes_on_only_where_asked(capsys: Any, tmp_path: Path) -> None:
    path = tmp_path / "two.pkl"
    path.write_bytes(b"N.K\x01.")
    code, out, err = run(capsys, "dis", str(path))
    assert (code, out.count("STOP")) == (0, 1)
    assert "--all" in err
    code, out, err = run(capsys, "dis", "--all", str(path))
    assert (code, out.count("STOP"), err) == (0, 2, "")


def test_dis_prints_up_to_the_fault(capsys: Any, tmp_path: Path) -> None:
    path = tmp_path / "bad.pkl"
    path.write_bytes(b"Nt.")
    code, out, err = run(capsys, "dis", str(path))
    assert code == 4
    assert out.splitlines()[-1].startswith("    1: t    TUPLE")
    assert "no mark" in err


def test_optimize_writes_a_shorter_pickle(capsys: Any, file: Path, tmp_path: Path) -> None:
    target = tmp_path / "small.pkl"
    assert run(capsys, "optimize", str(file), "-o", str(target))[0] == 0
    assert target.read_bytes() == pickletools.optimize(file.read_bytes())
    assert len(target.read_bytes()) < len(file.read_bytes())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.pkl", "small.pkl"]


def test_optimize_in_place_keeps_the_mode(capsys: Any, file: Path) -> None:
    file.chmod(0o640)
    expected = pickletools.optimize(file.read_bytes())
    assert run(capsys, "optimize", str(file), "-o", str(file))[0] == 0
    assert file.read_bytes() == expected
    assert file.stat().st_mode & 0o777 == 0o640


def test_optimize_writes_nothing_on_failure(capsys: Any, tmp_path: Path) -> None:
    bad, target = tmp_path / "bad.pkl", tmp_path / "out.pkl"
    bad.write_bytes(b"N")
    target.write_bytes(b"before")
    assert run(capsys, "optimize", str(bad), "-o", str(target))[0] == 4
    assert target.read_bytes() == b"before"


def test_a_failed_write_leaves_what_was_there(monkeypatch: Any, tmp_path: Path) -> None:
    target = tmp_path / "out.pkl"
    target.write_bytes(b"before")

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        inputs.write_whole(str(target), b"after")
    assert target.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["out.pkl"]


def test_writing_follows_links_and_spares_devices(tmp_path: Path) -> None:
    target, link = tmp_path / "real.pkl", tmp_path / "link.pkl"
    target.write_bytes(b"before")
    link.symlink_to(target)
    inputs.write_whole(str(link), b"after")
    assert link.is_symlink()
    assert target.read_bytes() == b"after"
    for name in (os.devnull, str(tmp_path)):
        with pytest.raises(inputs.UsageError):
            inputs.write_whole(name, b"after")


def test_packs(capsys: Any) -> None:
    code, out, _ = run(capsys, "packs")
    assert code == 0
    assert {"plain", "stdlib"} <= {line.split()[0] for line in out.splitlines()}
    code, out, _ = run(capsys, "packs", "stdlib")
    assert code == 0
    assert "datetime:datetime  " in out
    assert run(capsys, "packs", "nothing")[0] == 2


def test_help_has_examples_and_exit_codes(capsys: Any) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert all(f"{number}" in out and word in out and meaning in out for number, word, meaning in EXIT_CODES)
    for command in COMMANDS:
        code, out, _ = run(capsys, command, "--help")
        assert code == 0
        assert f"  safepickle {command} " in out
    for action in ("new", "rotate", "retire", "revoke", "list"):
        code, out, _ = run(capsys, "keys", action, "--help")
        assert code == 0
        assert f"  safepickle keys {action} cache.keys" in out
    for action in ("learn", "lint", "explain", "show", "diff"):
        code, out, _ = run(capsys, "policy", action, "--help")
        assert code == 0
        assert f"  safepickle policy {action} " in out


def test_no_command_is_usage(capsys: Any) -> None:
    code, out, err = run(capsys)
    assert (code, out) == (2, "")
    assert "usage: safepickle" in err


def test_version(capsys: Any) -> None:
    code, out, _ = run(capsys, "--version")
    assert code == 0
    assert out.startswith("safepickle ")


def test_a_denial_outranks_other_outcomes() -> None:
    assert worst([]) == 2
    assert worst([0, 0]) == 0
    assert worst([0, 4, 2, 1]) == 1
    assert worst([5, 3, 0]) == 3


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "safepickle", *arguments],
        capture_output=True,
        check=False,
        timeout=60,
        **options,
    )


def test_as_a_module(file: Path) -> None:
    done = process("load", "-", input=file.read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"[\n  ['shared'],\n")
    assert process("load", "-", input=b"cos\nsystem\n(S'true'\ntR.").returncode == 1


def test_an_unread_output_is_no_success(tmp_path: Path) -> None:
    path = tmp_path / "long.pkl"
    path.write_bytes(pickle.dumps(list(range(100_000))))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "safepickle", "dis", str(path)],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (2, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "2>&1 >/dev/full <&-"])
@pytest.mark.parametrize("command", ["check", "check --format json", "load", "load --format json", "dis"])
def test_an_output_that_cannot_be_written_is_no_success(file: Path, command: str, redirection: str) -> None:
    line = f"exec {shlex.quote(sys.executable)} -m safepickle {command} {shlex.quote(str(file))} {redirection}"
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=False, timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode == 2
    assert b"safepickle: " in said
    assert b"Traceback" not in said


@pytest.mark.skipif(os.name != "posix", reason="closes streams as a shell does")
def test_closed_streams_are_no_defect(tmp_path: Path) -> None:
    refused = tmp_path / "refused.pkl"
    refused.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    for rest, code in (
        ("load - <&-", 4), ("check - <&-", 4), (f"load {refused} 2>&-", 1), (f"check {refused} 2>&-", 1),
    ):  # fmt: skip
        line = f"exec {shlex.quote(sys.executable)} -m safepickle {rest}"
        done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=False, timeout=60)
        assert (done.returncode, b"Traceback" in done.stderr) == (code, False)


def test_start_is_light(tmp_path: Path) -> None:
    code = (
        "import sys, safepickle.cli.main as m; m.main(['--help']);"
        "print(sorted({'pydantic', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert done.stdout.endswith(b"[]\n")
