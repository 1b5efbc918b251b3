"""Growth with size: what the fit says of growth that is known, and that the command runs; nothing looks at a time."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SIZES = (10, 100, 1_000, 10_000, 100_000)

pytestmark = pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="the benchmarks are not installed")


@pytest.fixture
def scaling() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        return importlib.import_module("benchmarks.scaling")


def series(scaling: Any, growth: Any, empty: float = 5.0) -> Any:
    values = tuple(empty + growth(size) for size in SIZES)
    return scaling.Series("depth", "loads", "time", "safepickle", empty, SIZES, values)


@pytest.mark.parametrize(
    ("growth", "exponent", "steep"),
    [
        (lambda size: 3.0 * size, 1.0, False),
        (lambda size: 0.001 * size**2, 2.0, True),
        (lambda size: size * math.log(size), 1.14, True),
        (lambda size: 40 * math.sqrt(size), 0.5, False),
    ],
)
def test_exponents(scaling: Any, growth: Any, exponent: float, steep: bool) -> None:
    one = series(scaling, growth, empty=0.01)
    fit = one.fit()
    assert fit.exponent == pytest.approx(exponent, abs=0.05)
    assert (fit.residual < 1e-6) == (growth(10) != 10 * math.log(10))
    assert bool(scaling.too_steep([one], 1.1)) == steep


def test_what_is_hidden_by_the_empty_value_is_not_fitted(scaling: Any) -> None:
    # At the small sizes all is the empty value's; without these points the growth is seen for what it is.
    fit = series(scaling, lambda size: 1e-3 * size, empty=0.05).fit()
    assert fit.points == 4
    assert fit.exponent == pytest.approx(1.0, abs=1e-6)
    assert series(scaling, lambda size: 1e-3 * size, empty=50.0).fit() is None


def test_pickle_s_growth_fails_nothing(scaling: Any) -> None:
    one = series(scaling, lambda size: float(size**2), empty=0.0)
    theirs = one._replace(contestant="pickle")
    assert scaling.too_steep([theirs], 1.1) == []
    assert len(scaling.too_steep([one], 1.1)) == 1
    # What makes pickle as steep is not ours; what makes it less steep is.
    assert scaling.too_steep([one, theirs], 1.1) == []
    assert len(scaling.too_steep([one, theirs._replace(values=tuple(map(float, SIZES)))], 1.1)) == 1


@pytest.mark.parametrize(("bound", "code"), [("9", 0), ("-9", 1)])
def test_the_command(bound: str, code: int) -> None:
    command = [sys.executable, "-m", "benchmarks", "scaling", "--form", "python", "--largest", "3000"]
    more = ("--seconds", "0", "--axes", "depth,calls", "--bound", bound, "--format", "json")
    done = subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    rows = json.loads(done.stdout)["series"]
    assert {(row["axis"], row["direction"], row["unit"]) for row in rows} == {
        (axis, direction, unit)
        for axis in ("depth", "calls") for direction in ("loads", "dumps") for unit in ("time", "memory")
    }  # fmt: skip
    assert bool(done.stderr) == bool(code)


@pytest.mark.parametrize("arguments", [("--axes", "nothing"), ("--largest", "10")])
def test_usage(arguments: tuple[str, str]) -> None:
    command = [sys.executable, "-m", "benchmarks", "scaling", "--form", "python", *arguments]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 2
