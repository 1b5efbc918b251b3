"""The command `python -m benchmarks goals`: each goal for speed, size and memory, what was measured, and a verdict.

Rules:
- A goal is a row of `GOALS`: a ratio to pickle, what it is the ratio of, the bound that must be met and one beyond it.
- Ratios are medians of interleaved rounds (timing.py), peaks of memory are taken in processes of their own (memory.py).
  `loads` reads what pickle wrote, so that both read the same bytes.
- Means are geometric, over the shapes of a group. The small message is among the plain shapes and has goals of its own.
- "No single shape" looks at all shapes of all groups, both ways; all that are above the bound are named.

Exit codes: 0 all goals met that were measured; 1 one missed; 2 usage, or a form that is not installed.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import safepickle

from .comparing import Row, Task, compare
from .contestants import C_PICKLE, COMPILED, OURS, PYTHON, PYTHON_PICKLE, FormMissingError, package_of
from .memory import peak
from .report import Conditions
from .shape import INSTANCES, PLAIN
from .shapes import select
from .timing import Plan, Ratio, geometric_mean, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .shape import Shape

SMALL: Final = ("small_message", "small_object")
#: Peaks below this are pages, not data.
LEAST_PEAK: Final = 1 << 20
PARTS: Final = ("speed", "signed", "memory", "python")


class Goal(NamedTuple):
    """One line."""

    name: str
    #: Which part of the measurements it takes.
    part: str
    about: str
    bound: float
    moonshot: float


GOALS: Final = (
    Goal("loads", "speed", "loads, plain data, default policy and limits", 0.65, 0.5),
    Goal("dumps", "speed", "dumps, plain data, default policy", 0.5, 0.4),
    Goal("loads-instances", "speed", "loads, class instances under a policy", 0.9, 0.7),
    Goal("dumps-instances", "speed", "dumps, class instances", 0.8, 0.6),
    Goal("small-loads", "speed", "small messages, loads", 1.0, 0.8),
    Goal("small-dumps", "speed", "small messages, dumps", 1.0, 0.8),
    Goal("signed", "signed", "signed round trip, plain data over 10 kB", 0.75, 0.6),
    Goal("worst", "speed", "no single shape slower than", 1.05, 0.95),
    Goal("size", "speed", "output size, all shapes", 0.97, 0.9),
    Goal("memory", "memory", "peak memory of loads", 1.05, 1.0),
    Goal("python-loads", "python", "Python form, pickle._loads", 1.0, 0.7),
    Goal("python-dumps", "python", "Python form, pickle._dumps", 1.0, 0.7),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found for one goal."""

    value: Ratio
    #: Rows behind it: name and ratio.
    rows: tuple[tuple[str, float], ...]


def _mean(rows: Sequence[tuple[str, Ratio]]) -> Measured:
    values = [one for _, one in rows]
    mean = Ratio(*(geometric_mean([getattr(one, part) for one in values]) for part in ("median", "low", "high")))
    return Measured(mean, tuple((name, one.median) for name, one in rows))


def _exactly(value: float, rows: Sequence[tuple[str, float]]) -> Measured:
    return Measured(Ratio(value, value, value), tuple(rows))


def _rows(shapes: Sequence[Shape], form: str, plan: Plan, note: Callable[[str], None]) -> list[Row]:
    rows = []
    for kind in ("loads", "dumps"):
        for shape in shapes:
            note(f"{form} {kind} {shape.name}")
            rows.append(compare(Task(form, shape, kind, (C_PICKLE,) if form == COMPILED else (PYTHON_PICKLE,)), plan))
    return rows


def _ours(rows: Sequence[Row], kind: str, *groups: str) -> list[tuple[str, Ratio]]:
    return [
        (row.task.shape.name, row.ratios[OURS])
        for row in rows
        if row.task.kind == kind and row.task.shape.group in groups
    ]


def speed(shapes: Sequence[Shape], plan: Plan, note: Callable[[str], None]) -> dict[str, Measured]:
    """Measure the compiled form: time and size."""
    rows = _rows(shapes, COMPILED, plan, note)
    found = {}
    for kind in ("loads", "dumps"):
        found[kind] = _mean(_ours(rows, kind, PLAIN))
        found[f"{kind}-instances"] = _mean(_ours(rows, kind, INSTANCES))
        small = [(name, one) for name, one in _ours(rows, kind, PLAIN, INSTANCES) if name in SMALL]
        found[f"small-{kind}"] = _mean(small)
    single = sorted(
        ((f"{row.task.kind} {row.task.shape.name}", row.ratios[OURS]) for row in rows), key=lambda row: -row[1].median
    )
    if single:
        found["worst"] = Measured(single[0][1], tuple((name, one.median) for name, one in single))
    sizes = [(row.task.shape.name, row.size_ratio) for row in rows if row.task.kind == "dumps"]
    found["size"] = _exactly(geometric_mean([value for _, value in sizes]), sizes)
    return {name: one for name, one in found.items() if one.rows}


def signed(shapes: Sequence[Shape], plan: Plan, note: Callable[[str], None]) -> dict[str, Measured]:
    """Measure dumps and loads of signed blobs, together, beside pickle without a signature."""
    from .signing import BARE, LEAST, contestants, measure_shape
    from .signing import OURS as SIGNED

    everyone = [one for one in contestants(safepickle) if one.name in (SIGNED, BARE)]
    rows = []
    for shape in shapes:
        if shape.group != PLAIN or len(everyone[1].dumps(shape.build(1.0))) <= LEAST:
            continue
        note(f"signed {shape.name}")
        loads = measure_shape(shape, "loads", everyone, plan)
        dumps = measure_shape(shape, "dumps", everyone, plan)
        count = min(len(loads[BARE]), len(dumps[BARE]))
        trips = {name: [loads[name][index] + dumps[name][index] for index in range(count)] for name in (SIGNED, BARE)}
        rows.append((shape.name, ratio(trips[SIGNED], trips[BARE])))
    return {"signed": _mean(rows)} if rows else {}


def memory(shapes: Sequence[Shape], _: Plan, note: Callable[[str], None]) -> dict[str, Measured]:
    """Measure the peak of loads, a process for each number."""
    rows = []
    for shape in shapes:
        note(f"memory {shape.name}")
        found = peak(Task(COMPILED, shape, "loads", (C_PICKLE,)))
        if found.peaks[C_PICKLE] >= LEAST_PEAK:
            rows.append((shape.name, found.ratio(OURS, C_PICKLE)))
    return {"memory": _exactly(geometric_mean([value for _, value in rows]), rows)} if rows else {}


def python(shapes: Sequence[Shape], plan: Plan, note: Callable[[str], None]) -> dict[str, Measured]:
    """Measure the Python form."""
    rows = _rows([shape for shape in shapes if shape.group != "real"], PYTHON, plan, note)
    found = {f"python-{kind}": _mean(_ours(rows, kind, PLAIN, INSTANCES)) for kind in ("loads", "dumps")}
    return {name: one for name, one in found.items() if one.rows}


def verdict(goal: Goal, found: Measured | None) -> str:
    """Say what became of a goal."""
    if found is None:
        return "not measured"
    if found.value.median <= goal.moonshot:
        return "met, and the moonshot"
    return "met" if found.value.median <= goal.bound else "MISSED"


def _lines(found: dict[str, Measured]) -> list[str]:
    lines = [f"{'goal':48}{'bound':>7}{'moonshot':>10}{'measured':>22}  verdict"]
    for goal in GOALS:
        one = found.get(goal.name)
        shown = "-" if one is None else f"{one.value.median:.3f}"
        if one is not None and one.value.low != one.value.high:
            shown += f" [{one.value.low:.2f}-{one.value.high:.2f}]"
        lines.append(f"{goal.about:48}{goal.bound:7.2f}{goal.moonshot:10.2f}{shown:>22}  {verdict(goal, one)}")
    if "worst" in found:
        bound = next(goal.bound for goal in GOALS if goal.name == "worst")
        above = [f"{name} {value:.2f}" for name, value in found["worst"].rows if value > bound]
        lines += ["", f"single shapes above {bound:g}: {', '.join(above) or 'none'}"]
    return lines


def _document(found: dict[str, Measured], conditions: Conditions) -> dict[str, Any]:
    rows = []
    for goal in GOALS:
        row: dict[str, Any] = {**goal._asdict(), "verdict": verdict(goal, found.get(goal.name))}
        if goal.name in found:
            one = found[goal.name]
            row |= {"measured": one.value.median, "low": one.value.low, "high": one.value.high, "rows": dict(one.rows)}
        rows.append(row)
    return {"schema": 1, "conditions": conditions.as_dict(), "goals": rows}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks goals",
        description="Measure each goal and say whether it is met.",
        epilog="example:\n  python -m benchmarks goals --part speed --shapes plain,instances",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--part", choices=PARTS, action="append", help="one part of the measurements (default all)")
    parser.add_argument("--shapes", metavar="NAMES", help="shapes or groups, with commas (default all)")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each row (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="at least so many (default %(default)s)")
    parser.add_argument("--sample", type=float, default=20.0, help="milliseconds of each sample (default %(default)s)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of the report")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    parts = asked.part or PARTS
    try:
        shapes = select(asked.shapes)
        package_of(PYTHON if parts == ["python"] else COMPILED)
    except (ValueError, FormMissingError) as error:
        parser.error(str(error))
    plan = Plan(asked.seconds, asked.sample / 1e3, max(1, asked.rounds))
    watched = sys.stderr.isatty()

    def note(text: str) -> None:
        if watched:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    found: dict[str, Measured] = {}
    for part in parts:
        found |= {"speed": speed, "signed": signed, "memory": memory, "python": python}[part](shapes, plan, note)
    if watched:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    conditions = Conditions(COMPILED, 1.0, plan)
    if asked.format == "json":
        print(json.dumps(_document(found, conditions), indent=1))
    else:
        print("\n".join([conditions.lines()[0], "Ratios to pickle; less is better.", "", *_lines(found)]))
    wanted = [goal for goal in GOALS if goal.part in parts]
    return 0 if all(verdict(goal, found.get(goal.name)).startswith("met") for goal in wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
