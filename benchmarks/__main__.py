"""The command `python -m benchmarks`.

Exit codes: 0 measured, and every requirement met; 1 a requirement missed; 2 usage, a form that is not
installed, or a contestant that gave a wrong value.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final, TypeVar

from .comparing import KINDS, Task, WrongResultError, compare, means
from .contestants import COMPILED, OPPONENTS, OURS, REFERENCE, SLOW, TAKES, FormMissingError, installed, package_of
from .memory import peak
from .report import FORMATS, Conditions, by_section, peaks_report, sections, times_report
from .shapes import SHAPES, select
from .timing import DEFAULT_PLAN, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .comparing import Row

MET: Final = 0
MISSED: Final = 1
UNUSABLE: Final = 2

#: Commands of their own: `python -m benchmarks goals` is `python -m benchmarks.goals`.
COMMANDS: Final = ("goals", "instructions", "scaling", "signing", "publish")

T = TypeVar("T")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Compare safepickle with pickle.",
        epilog=f"commands of their own: python -m benchmarks {{{','.join(COMMANDS)}}} --help",
    )
    parser.add_argument(
        "--form", choices=tuple(REFERENCE), default=COMPILED, help="which form (default %(default)s)"
    )
    parser.add_argument("--shapes", metavar="NAMES", help="shapes or groups, with commas (default all)")
    parser.add_argument("--direction", choices=("loads", "dumps"), help="one direction only")
    parser.add_argument(
        "--input",
        choices=("pickle", "safepickle"),
        help="load only what this one wrote (default: first the one, then the other)",
    )
    parser.add_argument(
        "--opponents",
        metavar="NAMES",
        help=f"some of {', '.join(OPPONENTS)}, or all (default all but {', '.join(SLOW)})",
    )
    parser.add_argument(
        "--seconds", type=float, default=DEFAULT_PLAN.seconds, help="for each row (default %(default)s)"
    )
    parser.add_argument(
        "--sample",
        type=float,
        default=DEFAULT_PLAN.sample * 1e3,
        help="milliseconds of each sample (default %(default)s)",
    )
    parser.add_argument(
        "--rounds", type=int, default=DEFAULT_PLAN.rounds, help="at least so many (default %(default)s)"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="times the usual number of items")
    parser.add_argument(
        "--gc", choices=("on", "off"), default="on", help="the garbage collector, for all alike"
    )
    parser.add_argument(
        "--memory", action="store_true", help="measure peak memory instead of time (a while longer)"
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="of the report (default %(default)s)"
    )
    parser.add_argument(
        "--require",
        metavar="NAME=RATIO,...",
        default="",
        help=f"exit with {MISSED} if a geometric mean is above this; names: {', '.join(sections())}",
    )
    parser.add_argument("--list", action="store_true", help="say which shapes there are")
    return parser


def _requirements(text: str) -> dict[str, float]:
    wanted = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, bound = part.partition("=")
        if name not in sections():
            raise ValueError(f"no such table to require: {name} (there are {', '.join(sections())})")
        wanted[name] = float(bound)
    return wanted


def _opponents(names: str | None, form: str) -> tuple[str, ...]:
    if names in {None, "all"}:
        return tuple(name for name in OPPONENTS if names or name not in SLOW)
    assert names is not None
    wanted = tuple(name.strip() for name in names.split(",") if name.strip())
    for name in wanted:
        if name not in OPPONENTS:
            raise ValueError(f"no such opponent: {name} (there are {', '.join(OPPONENTS)})")
        if not installed(name):
            raise ValueError(f"{name} is not installed (pip install {TAKES[name]})")
    return (*wanted, REFERENCE[form])


def _kinds(direction: str | None, source: str | None) -> list[str]:
    return [
        kind
        for kind, (way, written_by) in KINDS.items()
        if way == (direction or way) and written_by in (None, source or written_by)
    ]


def missed(rows: Sequence[Row], wanted: dict[str, float]) -> list[str]:
    """Return a line for each requirement that is not met; a table that was not measured meets none."""
    found = by_section(rows)
    lines = []
    for name, bound in wanted.items():
        if name not in found:
            lines.append(f"{name}: required at most {bound:g}, not measured")
        elif not (mean := means(found[name])[OURS].median) <= bound:
            lines.append(f"{name}: required at most {bound:g}, measured {mean:.3f}")
    return lines


def _each(tasks: Sequence[Task], do: Callable[[Task], T]) -> list[T]:
    """Do all tasks, and say on a terminal how far it has got."""
    watched = sys.stderr.isatty()
    results: list[T] = []
    for number, task in enumerate(tasks, 1):
        if watched:
            note = f"\r\033[K{number}/{len(tasks)} {task.kind} {task.shape.name}"
            print(note, end="", file=sys.stderr, flush=True)
        results.append(do(task))
    if watched:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in COMMANDS:
        command: Callable[[Sequence[str]], int] = import_module(f".{given[0]}", __package__).main
        return command(given[1:])
    parser = _parser()
    asked = parser.parse_args(given)
    if asked.list:
        for shape in SHAPES:
            print(f"{shape.name:16}{shape.group:12}{shape.count:>8}  {shape.about}")
        return MET
    try:
        shapes = select(asked.shapes)
        wanted = _requirements(asked.require)
        opponents = _opponents(asked.opponents, asked.form)
        package_of(asked.form)
    except (ValueError, FormMissingError) as error:
        parser.error(str(error))
    if asked.memory and wanted:
        parser.error("--require is about time, --memory measures none")
    kinds = _kinds(asked.direction, asked.input)
    tasks = [Task(asked.form, shape, kind, opponents, asked.scale) for kind in kinds for shape in shapes]
    plan = Plan(asked.seconds, asked.sample / 1e3, max(1, asked.rounds), asked.gc == "on")
    conditions = Conditions(asked.form, asked.scale, plan)
    if asked.memory:
        print(peaks_report(_each(tasks, peak), conditions, asked.format), end="")
        return MET
    try:
        rows = _each(tasks, lambda task: compare(task, plan))
    except WrongResultError as error:
        print(f"error: {error}", file=sys.stderr)
        return UNUSABLE
    print(times_report(rows, conditions, asked.format), end="")
    misses = missed(rows, wanted)
    for line in misses:
        print(line, file=sys.stderr)
    return MISSED if misses else MET


if __name__ == "__main__":
    sys.exit(main())
