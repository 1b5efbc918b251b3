"""Instruction counts under `valgrind --tool=callgrind`, for regression checks.

Counts do not depend on what else the machine does: two runs differ by a few in ten thousand, where times
differ by percents. They do depend on the compiler, the interpreter and the processor's features, so compare
counts of one machine only, and look at times for what a change is worth: an instruction is not a unit of
time.

Rules:
- Start, imports, making the data and warming up are taken out: the process runs twice, with few and with more
  calls, and the difference divided by the extra calls is the count.
- Hash seed fixed, small data (valgrind is some fifty times slower), one process at a time.

    python -m benchmarks.instructions --shapes ints,records --direction loads
    python -m benchmarks.instructions --save before.json
    python -m benchmarks.instructions --against before.json --tolerance 0.02

Exit codes: 0 counted; 1 a count is above the saved one by more than the tolerance; 2 usage, or no valgrind.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .comparing import KINDS, Task, jobs_of
from .contestants import COMPILED, OPPONENTS, OURS, PYTHON
from .shapes import PLAIN, select

if TYPE_CHECKING:
    from collections.abc import Sequence

FEW: Final = 20
MORE: Final = 60
SCALE: Final = 0.1
_COLLECTED: Final = re.compile(r"Collected\s*:\s*(\d+)")


def _run(task: Task, name: str, calls: int, profile: Path) -> int:
    command = [
        "valgrind",
        "--tool=callgrind",
        f"--callgrind-out-file={profile}",
        sys.executable,
        "-m",
        "benchmarks.instructions",
        *("--calls", str(calls), "--form", task.form, "--shapes", task.shape.name),
        *("--direction", task.kind, "--contestant", name, "--scale", str(task.scale)),
    ]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    found = _COLLECTED.search(done.stderr)
    if done.returncode or found is None:
        raise RuntimeError(f"counting {task.kind} of {task.shape.name} by {name} failed:\n{done.stderr}")
    return int(found[1])


def count(task: Task, name: str, profile: Path) -> int:
    """Return the instructions of one call, and leave the profile of the longer run in `profile`."""
    few, more = (_run(task, name, calls, profile) for calls in (FEW, MORE))
    return (more - few) // (MORE - FEW)


def _call(task: Task, name: str, calls: int) -> None:
    """Do the work that is counted, in this process."""
    jobs, _ = jobs_of(task)
    function, argument = jobs[name]
    for _ in range(calls):
        function(argument)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.instructions", description="Count instructions."
    )
    parser.add_argument("--form", choices=(COMPILED, PYTHON), default=COMPILED)
    parser.add_argument(
        "--shapes", default=PLAIN, metavar="NAMES", help="shapes or groups (default %(default)s)"
    )
    parser.add_argument("--direction", choices=tuple(KINDS), help="one only (default all)")
    parser.add_argument("--contestant", choices=(OURS, *OPPONENTS), default=OURS)
    parser.add_argument(
        "--scale", type=float, default=SCALE, help="times the usual sizes (default %(default)s)"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep the profiles there, for callgrind_annotate"
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the counts as JSON")
    parser.add_argument("--against", type=Path, metavar="FILE", help="compare with counts that were saved")
    parser.add_argument(
        "--tolerance", type=float, default=0.02, help="how much more is allowed (default %(default)s)"
    )
    parser.add_argument("--calls", type=int, help=argparse.SUPPRESS)  # the counted process itself
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.calls is not None:
        (shape,) = select(asked.shapes)
        task = Task(asked.form, shape, asked.direction, (asked.contestant,), asked.scale)
        _call(task, asked.contestant, asked.calls)
        return 0
    if shutil.which("valgrind") is None:
        parser.error("valgrind is not installed")
    try:
        shapes = select(asked.shapes)
    except ValueError as error:
        parser.error(str(error))
    before = json.loads(asked.against.read_text()) if asked.against else {}
    counts: dict[str, int] = {}
    worse = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for kind in [asked.direction] if asked.direction else KINDS:
            for shape in shapes:
                key = f"{kind} {shape.name}"
                profile = folder / f"callgrind.out.{kind}.{shape.name}"
                task = Task(asked.form, shape, kind, (asked.contestant,), asked.scale)
                counts[key] = count(task, asked.contestant, profile)
                change = f"  {counts[key] / before[key] - 1:+8.2%}" if key in before else ""
                if key in before and counts[key] > before[key] * (1 + asked.tolerance):
                    worse.append(key)
                print(f"{key:28}{counts[key]:>14,}{change}", flush=True)
    if asked.save:
        asked.save.write_text(json.dumps(counts, indent=1) + "\n")
    for key in worse:
        print(f"{key}: more than {asked.tolerance:.0%} above the saved count", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
