"""The benchmark command runs from end to end on tiny data; nothing here looks at a time."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--form", "python", "--scale", "0.001", "--seconds", "0", "--sample", "0.01", "--rounds", "2")

pytestmark = pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are not installed")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def benchmarks_module(name: str) -> Any:
    """Return a module of the benchmarks, which are no part of the installation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        return importlib.import_module(f"benchmarks.{name}")


def test_every_shape_is_measured_in_both_directions() -> None:
    done = run(*QUICK, "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    sections = {"loads", "loads-own", "dumps"}
    groups = ("", "-instances", "-real")
    assert set(document["geometric_means"]) == {f"{name}{group}" for name in sections for group in groups}
    assert len({row["shape"] for row in document["rows"]}) * len(sections) == len(document["rows"])
    assert {row["rounds"] for row in document["rows"]} == {2}
    for row in document["rows"]:
        assert row["ratios"]["pickle.py"]["median"] == 1
        assert row["ratios"]["safepickle"]["low"] <= row["ratios"]["safepickle"]["high"]
        assert ("marshal" in row["ratios"]) == (row["section"] in sections)
        assert row["sizes"]["safepickle"] <= row["sizes"]["pickle"]


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_tables_end_with_their_mean(form: str) -> None:
    done = run(*QUICK, "--shapes", "ints,slots", "--direction", "dumps", "--format", form)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("geometric mean") == 4  # of times and of sizes
    assert "plain data, default policy" in done.stdout
    assert "instances, under a policy" in done.stdout


@pytest.mark.parametrize(
    ("requirement", "code"),
    [("dumps=1e9", 0), ("dumps=1e-9", 1), ("dumps=1e9,loads=1e9", 1), ("nothing=1", 2)],
)
def test_requirements_decide_the_exit_code(requirement: str, code: int) -> None:
    done = run(*QUICK, "--shapes", "small_message", "--direction", "dumps", "--require", requirement)
    assert done.returncode == code, done.stderr
    assert bool(done.stderr) == bool(code)


def test_who_does_not_give_the_data_back_is_left_out() -> None:
    done = run(*QUICK, "--shapes", "shared,sets", "--format", "json", "--opponents", "all")
    assert done.returncode == 0, done.stderr
    for row in json.loads(done.stdout)["rows"]:
        assert {"safepickle", "pickle.py"} <= set(row["ratios"])
        assert {"msgspec", "orjson"}.isdisjoint(row["ratios"])


@pytest.mark.parametrize("change", ["shares less", "shares more", "another leaf", "another key", "a part less"])
def test_graphs_are_compared_by_what_they_share(change: str) -> None:
    same_graph = benchmarks_module("shape").same_graph

    def graph(shared: object, other: object) -> list[object]:
        ring: list[object] = [{"a": shared, "b": (other, 1)}]
        ring.append(ring)
        return ring

    part: list[object] = [1, "x"]
    assert same_graph(graph(part, part), graph(part, part))
    assert not same_graph(
        graph(part, list(part)) if change == "shares more" else graph(part, part),
        {
            "shares less": graph(part, list(part)),
            "shares more": graph(part, part),
            "another leaf": graph([1, "y"], [1, "x"]),
            "another key": [{"a": part, "c": (part, 1)}, None],
            "a part less": [{"a": part}],
        }[change],
    )


def test_an_unknown_shape_is_a_usage_error() -> None:
    done = run(*QUICK, "--shapes", "ints,no_such_shape")
    assert done.returncode == 2
    assert "no such shape: no_such_shape" in done.stderr


def test_peak_memory_is_measured_in_processes_of_their_own() -> None:
    done = run(*QUICK, "--memory", "--shapes", "floats", "--direction", "loads", "--opponents", "marshal")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("floats") == 2
