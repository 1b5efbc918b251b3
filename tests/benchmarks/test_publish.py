"""The table in the README and the pictures: written whole, from what was measured, and only between the markers."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are not installed")


@pytest.fixture
def publish() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        return importlib.import_module("benchmarks.publish")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    quick = ("--form", "python", "--scale", "0.001", "--seconds", "0", "--sample", "0.01", "--rounds", "2")
    command = [sys.executable, "-m", "benchmarks", *quick, "--shapes", "ints,sets,slots", "--format", "json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    path = tmp_path_factory.mktemp("publish") / "document.json"
    path.write_text(done.stdout, "utf-8")
    return path


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", "publish", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_readme_has_the_markers(publish: Any) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert publish.replaced(text, "NEW").count("NEW") == text.count("NEW") + 1


def test_only_what_is_between_the_markers_changes(publish: Any, document: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{publish.BEGIN}\nold\n{publish.END}\nafter\n", "utf-8")
    for _ in range(2):  # and again: the markers are still there
        done = run("--readme", readme, "--from", document, "--no-plots")
        assert done.returncode == 0, done.stderr
        text = readme.read_text("utf-8")
        assert text.startswith(f"before\n{publish.BEGIN}\n")
        assert text.endswith(f"\n{publish.END}\nafter\n")
        assert "old" not in text
    measured = json.loads(document.read_text("utf-8"))
    assert f"{measured['geometric_means']['dumps']['safepickle']['median']:.2f} |" in text
    for shape in ("ints", "sets", "slots"):
        assert f"\n| {shape} | " in text


def test_a_readme_without_markers_is_left_alone(document: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("no markers\n", "utf-8")
    done = run("--readme", readme, "--from", document, "--no-plots")
    assert done.returncode == 2
    assert "the markers are not there" in done.stderr
    assert readme.read_text("utf-8") == "no markers\n"


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")
def test_pictures(publish: Any, document: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"{publish.BEGIN}\n{publish.END}\n", "utf-8")
    done = run("--readme", readme, "--from", document, "--plots", tmp_path / "images")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "images" / "speed.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "images" / "speed.svg").read_text("utf-8")
