"""The benchmark of signing runs from end to end; nothing here looks at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--form", "python", "--seconds", "0", "--rounds", "1", "--size", "3")

pytestmark = pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are not installed")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.signing", *QUICK, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_streams_are_measured() -> None:
    done = run("--part", "streams", "--format", "json", "--require", "stream-time=1e9,stream-memory=1e9")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["measures"]) == {"stream-time", "stream-memory-time", "stream-memory"}


def test_a_requirement_that_is_missed_or_not_measured() -> None:
    done = run("--part", "streams", "--require", "stream-time=1e-9,loads=1")
    assert done.returncode == 1
    assert "stream-time: required" in done.stderr
    assert "loads: required at most 1, not measured" in done.stderr
    assert run("--require", "nothing=1").returncode == 2
    assert run("--shapes", "small_message").returncode == 2


def test_blobs_are_measured() -> None:
    done = run("--part", "blobs", "--shapes", "floats,sets", "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert {"loads", "dumps", "small-loads", "small-dumps"} <= set(document["measures"])
    assert {row["direction"] for row in document["rows"]} == {"loads", "dumps"}
    assert all(row["ratios"]["pickle"] == 1 for row in document["rows"])
