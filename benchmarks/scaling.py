"""The command `python -m benchmarks scaling`: time and memory against the size of the input, over five decades.

Rules:
- An axis is one thing that a limit counts (opcodes, memo entries, depth, containers, keys, hashing, calls, bytes), and
  a value in which only that grows. Limits are raised for the largest size, and stay on.
- From each time and peak what an empty value takes is taken off; what is left is fitted as a power of the size, from
  where it is more than the empty value's. An exponent of 1 is linear; it stands with its 95 % confidence and with the
  typical distance of the points from the line. pickle's exponent stands beside it, where pickle can do it: caches that
  no longer hold the data make every codec seem a little steeper.
- With `--instructions`, instructions are counted under valgrind in place of time: what an algorithm does, without what
  the machine's caches make of it. Sizes then end at 100,000.
- Time is the least CPU time of several samples; memory is the peak of Python's allocators (tracemalloc), which repeats
  exactly and can be read at small sizes.

Exit codes: 0 every exponent is at most the bound, or pickle's; 1 one is above both; 2 usage, or a form that is not
installed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import tempfile
import tracemalloc
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import safepickle

from .contestants import C_PICKLE, COMPILED, OURS, PYTHON, FormMissingError, package_of
from .instructions import profiles_of, total_of
from .shapes import Point
from .timing import least_time, quiet_collector

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .timing import Job

#: Largest exponent that passes.
BOUND: Final = 1.1
#: How much an exponent above the bound may be above pickle's: caches do to the one what they do to the other.
MORE: Final = 0.05
SIZES: Final = (10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
#: Largest size that is counted under valgrind.
MOST_COUNTED: Final = 100_000
#: Points that a fit takes.
FEWEST: Final = 4
#: Student's t for 95 %, by degrees of freedom; the last one for all above.
_STUDENT: Final = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)


# ---- the axes ----------------------------------------------------------------------------------------------


def _depth(size: int) -> object:
    value: list[object] = []
    for _ in range(size):
        value = [value]
    return value


def _memo(size: int) -> object:
    parts = [[] for _ in range(size)]  # type: list[list[object]]
    return [parts, list(parts)]


def _containers(size: int) -> object:
    return [([], {}, {number}, (number,))[number % 4] for number in range(size)]


class Axis(NamedTuple):
    """What grows."""

    name: str
    about: str
    make: Callable[[int], object]
    #: Times each size: what is small is measured on more of it.
    times: int = 1
    packs: tuple[str, ...] = ()
    classes: tuple[type, ...] = ()
    #: Whether pickle can write it at all sizes.
    pickle_can: bool = True


AXES: Final = (
    Axis("opcodes", "a list of None", lambda size: [None] * size),
    Axis("memo", "lists, each referred to twice", _memo),
    Axis("depth", "lists in each other", _depth, pickle_can=False),
    Axis("containers", "lists, dicts, sets and tuples", _containers),
    Axis("items", "a dict of ints", lambda size: dict.fromkeys(range(size), 0)),
    Axis("hashing", "a dict of pairs", lambda size: {(number, -number): None for number in range(size)}),
    Axis("strings", "texts", lambda size: [f"text {number}" for number in range(size)]),
    Axis("bytes", "one bytes", lambda size: b"x" * size, times=30),
    Axis("calls", "Decimals", lambda size: [Decimal(number) for number in range(size)], packs=("stdlib",)),
    Axis("instances", "objects with state", lambda size: [Point(number, 0.5, "p") for number in range(size)],
         classes=(Point,)),
)  # fmt: skip


class Fit(NamedTuple):
    """A power law through points."""

    exponent: float
    #: Half the width of the 95 % confidence interval.
    confidence: float
    #: Typical distance of a point from the line, as a part of its value.
    residual: float
    points: int


class Series(NamedTuple):
    """What was measured along one axis."""

    axis: str
    direction: str
    #: "time" in seconds, "memory" in bytes, or "instructions".
    unit: str
    contestant: str
    #: Of the empty value.
    empty: float
    sizes: tuple[int, ...]
    values: tuple[float, ...]

    def fit(self) -> Fit | None:
        """Return the exponent over the points that are more than the empty value's, None for too few."""
        points = [
            (math.log(size), math.log(value - self.empty))
            for size, value in zip(self.sizes, self.values, strict=True)
            if value > 2 * self.empty
        ]
        return power_law(points) if len(points) >= FEWEST else None


def power_law(points: Sequence[tuple[float, float]]) -> Fit:
    """Fit a line to logarithms, by least squares."""
    count = len(points)
    mean_x = math.fsum(x for x, _ in points) / count
    mean_y = math.fsum(y for _, y in points) / count
    spread = math.fsum((x - mean_x) ** 2 for x, _ in points)
    slope = math.fsum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    left = math.fsum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    freedom = count - 2
    student = _STUDENT[min(freedom, len(_STUDENT)) - 1]
    return Fit(slope, student * math.sqrt(left / freedom / spread), math.expm1(math.sqrt(left / freedom)), count)


# ---- measuring ---------------------------------------------------------------------------------------------


def _calls(package: Any, axis: Axis, most: int) -> dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]]:
    """Return loads and dumps of those who can do it."""
    import pickle

    from .contestants import policy_for

    room = 100 * most + 1_000_000
    limits = safepickle.Limits(
        max_opcodes=room, max_depth=room, max_memo=room, max_objects=room, max_items=room, max_calls=room,
        max_hash_work=room, max_bytes=100 * room, max_memory=1000 * room, max_seconds=3600,
    )  # fmt: skip
    codec = package.Codec(policy=policy_for(axis.name, axis.packs, axis.classes), limits=limits)
    found = {OURS: (codec.loads, codec.dumps)}
    if axis.pickle_can:
        found[C_PICKLE] = (pickle.loads, pickle.dumps)
    return found


def _peak(job: Job) -> int:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        kept = job.function(job.argument)
        _, peak = tracemalloc.get_traced_memory()
        del kept
        return peak - before
    finally:
        tracemalloc.stop()


def measure_axis(package: Any, axis: Axis, sizes: Sequence[int], seconds: float) -> list[Series]:
    """Measure both directions of one axis, time and memory."""
    from .timing import Job

    calls = _calls(package, axis, max(sizes) * axis.times)
    found: dict[tuple[str, str, str], list[float]] = {}
    steps = tuple(size * axis.times for size in sizes)
    for size in (0, *steps):
        value = axis.make(size)
        for name, (loads, dumps) in calls.items():
            jobs = {"loads": Job(loads, dumps(value)), "dumps": Job(dumps, value)}
            for direction, job in jobs.items():
                with quiet_collector(enabled=True):
                    found.setdefault((direction, "time", name), []).append(least_time(job, seconds))
                found.setdefault((direction, "memory", name), []).append(float(_peak(job)))
        del value
    return [
        Series(axis.name, direction, unit, name, values[0], steps, tuple(values[1:]))
        for (direction, unit, name), values in found.items()
    ]


def run_counted(package: Any, axes: Sequence[Axis], sizes: Sequence[int]) -> None:
    """Do once what is counted, with a mark before and after each part."""
    for axis in axes:
        calls = _calls(package, axis, max(sizes) * axis.times)
        for size in (0, *(size * axis.times for size in sizes)):
            value = axis.make(size)
            for loads, dumps in calls.values():
                data = dumps(value)
                for function, argument in ((loads, data), (dumps, value)):
                    with quiet_collector(enabled=True):
                        function(argument)
                        os.sched_yield()
                        function(argument)
                        os.sched_yield()


def count_axes(package: Any, axes: Sequence[Axis], sizes: Sequence[int], form: str) -> list[Series]:
    """Count the instructions of both directions of these axes, in one process under valgrind."""
    names = ",".join(axis.name for axis in axes)
    options = ("--counted", "--form", form, "--axes", names, "--largest", str(max(sizes)))
    keys = [
        (axis, size, name, direction)
        for axis in axes
        for size in (0, *sizes)
        for name in _calls(package, axis, 1)
        for direction in ("loads", "dumps")
    ]
    with tempfile.TemporaryDirectory() as folder:
        totals = [total_of(path) for path in profiles_of("benchmarks.scaling", options, len(keys), Path(folder))]
    found: dict[tuple[Axis, str, str], list[float]] = {}
    for (axis, _, name, direction), total in zip(keys, totals, strict=True):
        found.setdefault((axis, direction, name), []).append(float(total))
    return [
        Series(axis.name, direction, "instructions", name, values[0], tuple(size * axis.times for size in sizes),
               tuple(values[1:]))
        for (axis, direction, name), values in found.items()
    ]  # fmt: skip


# ---- the command -------------------------------------------------------------------------------------------


def too_steep(series: Sequence[Series], bound: float) -> list[str]:
    """Return a line for each series of ours whose exponent is above the bound, and above pickle's as well."""
    theirs = {(one.axis, one.direction, one.unit): one.fit() for one in series if one.contestant == C_PICKLE}
    lines = []
    for one in series:
        fit = one.fit()
        if one.contestant != OURS or fit is None:
            continue
        beside = theirs.get((one.axis, one.direction, one.unit))
        if fit.exponent > max(bound, beside.exponent + MORE if beside is not None else bound):
            lines.append(f"{one.direction} by {one.axis}: {one.unit} grows with the power {fit.exponent:.3f}")
    return lines


def _shown(fit: Fit | None) -> str:
    return "-" if fit is None else f"{fit.exponent:.3f} +-{fit.confidence:.3f} {fit.residual:5.1%}"


def _lines(series: Sequence[Series]) -> list[str]:
    unit = series[0].unit if series[0].unit != "memory" else "time"
    head = f"{'axis':12}{'direction':11}{unit + ': exponent, residual':>34}{'of pickle':>11}{'memory':>24}"
    lines = [head, "-" * len(head)]
    table = {(one.axis, one.direction, one.unit, one.contestant): one for one in series}
    for axis in dict.fromkeys(one.axis for one in series):
        for direction in ("loads", "dumps"):
            time = table[axis, direction, unit, OURS].fit()
            space = table.get((axis, direction, "memory", OURS))
            memory = space.fit() if space is not None else None
            other = table.get((axis, direction, unit, C_PICKLE))
            theirs = other.fit() if other is not None else None
            beside = "-" if theirs is None else f"{theirs.exponent:.3f}"
            lines.append(f"{axis:12}{direction:11}{_shown(time):>34}{beside:>11}{_shown(memory):>24}")
    return lines


def _document(series: Sequence[Series], form: str) -> dict[str, Any]:
    rows = []
    for one in series:
        fit = one.fit()
        rows.append({**one._asdict(), "fit": fit._asdict() if fit is not None else None})
    return {"schema": 1, "form": form, "python": sys.version.split()[0], "series": rows}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks scaling",
        description="Measure time and memory against the size of the input.",
        epilog="example:\n  python -m benchmarks scaling --axes depth,memo --plot docs/images",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(axis.name for axis in AXES)
    parser.add_argument("--form", choices=(COMPILED, PYTHON), default=COMPILED, help="which form (%(default)s)")
    parser.add_argument("--axes", metavar="NAMES", help=f"some of {names} (default all)")
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="largest size (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.1, help="for each point (default %(default)s)")
    parser.add_argument("--bound", type=float, default=BOUND, help="largest exponent (default %(default)s)")
    parser.add_argument("--plot", metavar="FOLDER", help="draw scaling.png and scaling.svg there (takes matplotlib)")
    parser.add_argument("--instructions", action="store_true", help="count instructions in place of time (valgrind)")
    parser.add_argument("--counted", action="store_true", help=argparse.SUPPRESS)  # the counted process itself
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of the report")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    wanted = [name.strip() for name in (asked.axes or "").split(",") if name.strip()]
    unknown = set(wanted) - {axis.name for axis in AXES}
    largest = min(asked.largest, MOST_COUNTED) if asked.instructions else asked.largest
    sizes = [size for size in SIZES if size <= largest]
    if unknown or len(sizes) < FEWEST:
        parser.error(f"no such axis: {', '.join(sorted(unknown))}" if unknown else "too few sizes for a fit")
    try:
        package = package_of(asked.form)
    except FormMissingError as error:
        parser.error(str(error))
    axes = [axis for axis in AXES if not wanted or axis.name in wanted]
    if asked.counted:
        run_counted(package, axes, sizes)
        return 0
    series: list[Series] = []
    if asked.instructions:
        if shutil.which("valgrind") is None:
            parser.error("valgrind is not installed")
        series = count_axes(package, axes, sizes, asked.form)
    else:
        for axis in axes:
            series += measure_axis(package, axis, sizes, asked.seconds)
    if asked.plot and not asked.instructions:
        from .plots import draw_scaling

        draw_scaling(series, asked.plot)
    print(json.dumps(_document(series, asked.form), indent=1) if asked.format == "json" else "\n".join(_lines(series)))
    steep = too_steep(series, asked.bound)
    for line in steep:
        print(line, file=sys.stderr)
    return 1 if steep else 0


if __name__ == "__main__":
    sys.exit(main())
