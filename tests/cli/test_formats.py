"""Files of joblib and torch on the command line: read where ``--as`` says so, and never taken for something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from safepickle import Codec, KeyRing, Policy
from safepickle.cli.main import main

REAL = Path(__file__).resolve().parents[1] / "real"
JOBLIB, TORCH = str(REAL / "joblib_arrays.joblib.gz"), str(REAL / "torch_training.pt")


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    main([*arguments, "--format", "json"])
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("kind", "file", "pack"), [("joblib", JOBLIB, "joblib"), ("torch", TORCH, "torch-state")])
def test_load_check_and_inspect(capsys: pytest.CaptureFixture[str], kind: str, file: str, pack: str) -> None:
    pytest.importorskip("numpy")
    loaded = document(capsys, "load", file, "--as", kind, "--policy", pack)
    assert (loaded["outcome"], len(loaded["pickles"])) == ("ok", 1)
    denied = document(capsys, "load", file, "--as", kind)
    assert denied["outcome"] == "denied"
    checked = document(capsys, "check", file, "--as", kind)
    assert checked["outcome"] == "denied"

    def pairs(denials: list[dict]) -> set:
        return {(one["module"], one["name"], one["right"]) for one in denials}

    assert pairs(checked["files"][0]["pickles"][0]["denials"]) == pairs(denied["error"]["denials"])
    assert document(capsys, "check", file, "--as", kind, "--policy", pack)["outcome"] == "ok"
    inspected = document(capsys, "inspect", file, "--as", kind)
    assert {one["module"] for one in inspected["pickles"][0]["needs"]} & {"joblib.numpy_pickle", "torch._utils"}


def test_what_is_learned_loads(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    for kind, file in (("joblib", JOBLIB), ("torch", TORCH)):
        learned = tmp_path / f"{kind}.toml"
        assert main(["policy", "learn", file, "--as", kind, "-o", str(learned)]) == 0
        assert main(["load", file, "--as", kind, "--policy", str(learned)]) == 0
        corpus = ["policy", "lint", str(learned), "--as", kind, "--corpus", file, "--format", "json"]
        capsys.readouterr()
        assert main(corpus) == 0
        assert "never-used" not in capsys.readouterr().out
        assert Policy.from_file(learned).rules


@pytest.mark.parametrize(("file", "hint"), [(JOBLIB, "try --as joblib"), (TORCH, "try --as torch")])
@pytest.mark.parametrize("command", ["load", "check", "inspect"])
def test_what_a_file_looks_like_is_said_and_not_acted_on(
    capsys: pytest.CaptureFixture[str], command: str, file: str, hint: str
) -> None:
    assert main([command, file]) == 4
    captured = capsys.readouterr()
    assert hint in captured.out + captured.err


@pytest.mark.parametrize("command", ["load", "check", "inspect"])
def test_a_signed_file_without_keys_is_said_to_be_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    signed = tmp_path / "value.spk"
    Codec(keys=KeyRing.generate()).dump_file([1], signed)
    assert main([command, str(signed)]) == 4
    captured = capsys.readouterr()
    assert "it is signed: load it with --keys" in captured.out + captured.err


def test_options_that_go_with_pickles_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", JOBLIB, "--as", "joblib", "--all"]) == 2
    assert "--all goes with pickles" in capsys.readouterr().err


def test_hostile_checkpoints_are_malformed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.pt"
    broken.write_bytes(Path(TORCH).read_bytes()[:-1])
    for command in ("load", "check", "inspect"):
        assert document(capsys, command, str(broken), "--as", "torch")["outcome"] == "malformed"
