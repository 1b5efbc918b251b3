"""The command that says which goals are met runs from end to end; nothing here looks at a time."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--seconds", "0", "--rounds", "2", "--sample", "0.01")

pytestmark = pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are not installed")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", "goals", *QUICK, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def goals() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        return importlib.import_module("benchmarks.goals")


def test_each_goal_has_a_line_and_a_verdict() -> None:
    done = run("--part", "python", "--shapes", "floats,decimals", "--format", "json")
    rows = {row["name"]: row for row in json.loads(done.stdout)["goals"]}
    assert set(rows) == {goal.name for goal in goals().GOALS}
    measured = {name for name, row in rows.items() if "measured" in row}
    assert measured == {"python-loads", "python-dumps"}
    for name, row in rows.items():
        if name in measured:
            assert set(row["rows"]) == {"floats", "decimals"}
            assert row["verdict"].startswith("met") == (row["measured"] <= row["bound"])
        else:
            assert row["verdict"] == "not measured"
    assert done.returncode == (0 if all(rows[name]["verdict"].startswith("met") for name in measured) else 1)


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.5, "met, and the moonshot"), (0.8, "met"), (0.9, "MISSED"), (None, "not measured")]
)
def test_verdicts(value: float | None, verdict: str) -> None:
    module = goals()
    goal = module.Goal("dumps", "speed", "dumps", 0.8, 0.6)
    found = None if value is None else module.Measured(module.Ratio(value, value, value), ())
    assert module.verdict(goal, found) == verdict


def test_what_was_not_measured_is_not_met() -> None:
    # No plain shape in it is of more than 10 kB: the signed round trip has nothing to measure.
    done = run("--part", "signed", "--shapes", "small_message")
    assert done.returncode in {1, 2}  # 2 where the extension modules are not built
    assert ("not measured" in done.stdout) == (done.returncode == 1)


def test_usage() -> None:
    assert run("--shapes", "no_such_shape").returncode == 2
