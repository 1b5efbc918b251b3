"""The regression check: what it compares, and that it counts where valgrind is installed."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are not installed")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", "instructions", "--form", "python", "--scale", "0.001", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def instructions() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        return importlib.import_module("benchmarks.instructions")


BEFORE = {"loads ints": 1.0, "dumps ints": 0.5, "dumps bytes": 0.5}


@pytest.mark.parametrize(
    ("ratios", "found"),
    [
        ({}, []),
        ({"dumps ints": 0.54}, ["all"]),
        ({"dumps ints": 0.51}, []),
        ({"dumps ints": 0.56}, ["dumps ints", "all"]),
        ({"dumps ints": 0.3, "loads ints": 1.2}, ["loads ints"]),
        ({"dumps bytes": 5.0}, []),  # copies: not compared
        ({"another": 9.0}, []),
    ],
)
def test_what_is_worse(instructions: Any, ratios: dict[str, float], found: list[str]) -> None:
    lines = instructions.worse(BEFORE | ratios, BEFORE, 0.1)
    assert [line.partition(":")[0] for line in lines] == found


def test_a_baseline_of_another_version_is_a_usage_error(tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    baseline.write_text('{"loads ints": 12345}')
    done = run("--against", str(baseline))
    assert done.returncode == 2
    assert "not a baseline of this version" in done.stderr


def test_the_baseline_of_the_project_covers_all_shapes(instructions: Any) -> None:
    shapes = importlib.import_module("benchmarks.shapes").select("plain,instances")
    document = json.loads((ROOT / "benchmarks" / "instructions.json").read_text("utf-8"))
    assert document["schema"] == instructions.SCHEMA
    keys = {f"{kind} {shape.name}" for kind in instructions.DEFAULT_KINDS for shape in shapes}
    assert all(set(found) == keys for found in document["ratios"]["compiled"].values())


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_counts_are_saved_and_compared(tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    profiles = tmp_path / "profiles"
    arguments = ("--shapes", "floats", "--direction", "dumps", "--keep", str(profiles))
    done = run(*arguments, "--save", str(baseline))
    assert done.returncode == 0, done.stderr
    document = json.loads(baseline.read_text("utf-8"))
    (saved,) = document["ratios"]["python"].values()
    assert set(saved) == {"dumps floats"}
    assert {path.name for path in profiles.iterdir()} == {
        "dumps.floats.safepickle.callgrind",
        "dumps.floats.pickle.py.callgrind",
    }
    saved["dumps floats"] /= 2
    baseline.write_text(json.dumps(document))
    done = run(*arguments, "--against", str(baseline))
    assert done.returncode == 1, done.stdout
    assert "dumps floats:" in done.stderr
