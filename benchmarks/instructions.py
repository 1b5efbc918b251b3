"""The command `python -m benchmarks instructions`: counts under `valgrind --tool=callgrind`, for regression checks.

Counts do not depend on what else the machine does: two runs differ by a few in ten thousand, where times differ by
percents. An instruction is not a unit of time, so look at times for what a change is worth.

Rules:
- What is compared is the ratio of safepickle's instructions to pickle's for the same data in the same process: counts
  depend on the interpreter's build, their ratio far less.
- The C library is told to do without what only some processors have: where it copies with `rep movsb`, a block counts
  as one instruction, and ratios moved by a quarter from one machine to the next.
- One process counts everything. Start, imports, making the data and warming up lie between the parts that count: around
  each part the process calls `sched_yield`, which does nothing and at which valgrind writes out what it has counted.
- Hash seed fixed, an environment of its own, one heap for blocks of all sizes, small data (valgrind is some fifty times
  slower), nothing collected that was there before.
- A baseline holds for a minor version of Python; for another one it says so and compares nothing.

    python -m benchmarks instructions --shapes ints,records --direction loads
    python -m benchmarks instructions --save benchmarks/instructions.json
    python -m benchmarks instructions --against benchmarks/instructions.json --tolerance 0.1

Exit codes: 0 counted; 1 a ratio, or the mean of all, is above the saved one by more than the tolerance; 2 usage, no
valgrind, or a form that is not installed.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .comparing import KINDS, Task, jobs_of
from .contestants import COMPILED, OURS, PYTHON, REFERENCE, FormMissingError, package_of
from .shape import INSTANCES, PLAIN
from .shapes import select
from .timing import geometric_mean, quiet_collector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCHEMA: Final = 2
#: Calls in a part, and parts; the part with the fewest instructions counts, because a buffer that grows is moved or not
#: as the heap lies.
CALLS: Final = 2
PARTS: Final = 4
#: So many times the calls for a shape of one item, or the marks would be seen.
SMALL: Final = 20
SCALE: Final = 0.1
#: How much a single ratio may grow: what is copied when a list outgrows its block depends on how the heap lies, and
#: makes up to 0.12. The mean of all may grow by a fifth of it.
TOLERANCE: Final = 0.2
#: Not compared: nearly all of their work is copying, whose instructions depend on where the blocks lie.
COPYING: Final = ("bytes", "long_strs")
#: What is counted unless told otherwise.
DEFAULT_KINDS: Final = ("loads", "dumps")
#: What the process that counts is given: nothing that differs from one machine or user to the next.
_TUNABLES: Final = (
    "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-BMI1,-BMI2,-ERMS,-FSRM,-RTM,-SSE4_1,-SSE4_2,-SSSE3"
    ":glibc.cpu.x86_non_temporal_threshold=0xc0000"
)
_KEPT_VARIABLES: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "HOME")
_TOTAL: Final = re.compile(rb"^totals: (\d+)", re.MULTILINE)
_MINOR: Final = "{}.{}".format(*sys.version_info)


# ---- the process that is counted ---------------------------------------------------------------------------


def _tasks(asked: argparse.Namespace) -> list[Task]:
    kinds = (asked.direction,) if asked.direction else DEFAULT_KINDS
    reference = REFERENCE[asked.form]
    return [
        Task(asked.form, shape, kind, (reference,), asked.scale) for kind in kinds for shape in select(asked.shapes)
    ]


def _calls(task: Task, calls: int) -> int:
    return calls if task.shape.count > 1 else calls * SMALL


def run_counted(tasks: Sequence[Task], calls: int) -> None:
    """Do the work, with a mark before and after each part."""
    for task in tasks:
        jobs, _ = jobs_of(task)
        for name in (OURS, task.reference):
            function, argument = jobs[name]
            kept = function(argument)
            with quiet_collector(enabled=True):
                for _ in range(PARTS):
                    os.sched_yield()
                    for _ in range(_calls(task, calls)):
                        kept = function(argument)
                    os.sched_yield()
            del kept
        del jobs
        gc.collect()


# ---- the one that reads the counts -------------------------------------------------------------------------


def profiles_of(module: str, options: Sequence[str], parts: int, folder: Path) -> list[Path]:
    """Run a module under valgrind and return the profiles of the parts between its marks, in order."""
    profile = folder / "callgrind.out"
    command = [
        "valgrind",
        "--tool=callgrind",
        "--dump-before=sched_yield",
        f"--callgrind-out-file={profile}",
        sys.executable,
        *("-m", module, *options),
    ]
    heap = {f"MALLOC_{name}_": str(1 << 28) for name in ("MMAP_THRESHOLD", "TRIM_THRESHOLD", "TOP_PAD")}
    environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ} | heap
    environment |= {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "GLIBC_TUNABLES": _TUNABLES}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"counting failed:\n{done.stderr[-4000:]}")
    # The dumps are numbered from 1; each second one covers what lies between two marks.
    return [profile.with_name(f"{profile.name}.{2 * number}") for number in range(1, parts + 1)]


def total_of(profile: Path) -> int:
    """Return the instructions in a profile."""
    total = _TOTAL.search(profile.read_bytes())
    if total is None:
        raise RuntimeError(f"{profile} has no total")
    return int(total[1])


def count(tasks: Sequence[Task], options: Sequence[str], calls: int, folder: Path) -> dict[str, dict[str, int]]:
    """Return the instructions of one call for each contestant, by task; profiles are left in `folder`."""
    whose = [(task, name) for task in tasks for name in (OURS, task.reference)]
    profiles = profiles_of("benchmarks.instructions", ("--counted", *options), PARTS * len(whose), folder)
    counts: dict[str, dict[str, int]] = {}
    for index, (task, name) in enumerate(whose):
        least = min(profiles[PARTS * index : PARTS * (index + 1)], key=total_of)
        counts.setdefault(f"{task.kind} {task.shape.name}", {})[name] = total_of(least) // _calls(task, calls)
        least.replace(folder / f"{task.kind}.{task.shape.name}.{name}.callgrind")
    for left_over in folder.glob("callgrind.out*"):
        left_over.unlink()
    return counts


def ratios_of(counts: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """Return safepickle's instructions for one of the reference's."""
    found = {}
    for key, row in counts.items():
        (reference,) = (value for name, value in row.items() if name != OURS)
        found[key] = row[OURS] / reference
    return found


def worse(ratios: Mapping[str, float], before: Mapping[str, float], tolerance: float) -> list[str]:
    """Return a line for each ratio that has grown too much, and one for the mean."""
    both = [key for key in ratios if key in before and key.partition(" ")[2] not in COPYING]
    lines = [
        f"{key}: {ratios[key]:.3f} times pickle's instructions, {before[key]:.3f} in the baseline"
        for key in both
        if ratios[key] > before[key] * (1 + tolerance)
    ]
    now, then = (geometric_mean([values[key] for key in both]) for values in (ratios, before))
    if both and now > then * (1 + tolerance / 5):
        lines.append(f"all: {now:.3f} times pickle's instructions, {then:.3f} in the baseline")
    return lines


def _load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if document.get("schema") != SCHEMA:
        raise ValueError(f"{path} is not a baseline of this version (schema {SCHEMA})")
    return document


def _save(path: Path, form: str, ratios: Mapping[str, float]) -> None:
    document = _load(path) if path.exists() else {"schema": SCHEMA, "ratios": {}}
    rounded = {key: round(value, 4) for key, value in ratios.items()}
    document["ratios"].setdefault(form, {}).setdefault(_MINOR, {}).update(rounded)
    path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks instructions",
        description="Count instructions, as a multiple of pickle's.",
        epilog="example:\n  python -m benchmarks instructions --against benchmarks/instructions.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--form", choices=(COMPILED, PYTHON), default=COMPILED, help="which form (%(default)s)")
    parser.add_argument(
        "--shapes", default=f"{PLAIN},{INSTANCES}", metavar="NAMES", help="shapes or groups (default %(default)s)"
    )
    parser.add_argument(
        "--direction", choices=tuple(KINDS), help=f"one only (default {' and '.join(DEFAULT_KINDS)})"
    )
    parser.add_argument("--scale", type=float, default=SCALE, help="times the usual sizes (default %(default)s)")
    parser.add_argument("--calls", type=int, default=CALLS, help="calls that are counted (default %(default)s)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the profiles, for callgrind_annotate")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the ratios into this baseline")
    parser.add_argument("--against", type=Path, metavar="FILE", help="compare with a baseline")
    parser.add_argument(
        "--tolerance", type=float, default=TOLERANCE, help="how much a ratio may grow (default %(default)s)"
    )
    parser.add_argument("--counted", action="store_true", help=argparse.SUPPRESS)  # the counted process itself
    return parser


def _report(counts: Mapping[str, Mapping[str, int]], ratios: Mapping[str, float], before: Mapping[str, float]) -> None:
    reference = next(name for row in counts.values() for name in row if name != OURS)
    print(f"{'instructions of one call':26}{OURS:>14}{reference:>14}{'ratio':>8}{'change':>9}")
    for key, row in counts.items():
        change = f"{ratios[key] / before[key] - 1:+9.1%}" if key in before else ""
        print(f"{key:26}{row[OURS]:>14,}{row[reference]:>14,}{ratios[key]:8.3f}{change}")
    print(f"{'geometric mean':54}{geometric_mean(list(ratios.values())):8.3f}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = _parser()
    given = list(sys.argv[1:] if arguments is None else arguments)
    asked = parser.parse_args(given)
    try:
        package_of(asked.form)
        tasks = _tasks(asked)
        before = {}
        if asked.against:
            before = _load(asked.against)["ratios"].get(asked.form, {}).get(_MINOR, {})
    except (ValueError, OSError, FormMissingError) as error:
        parser.error(str(error))
    if asked.counted:
        run_counted(tasks, asked.calls)
        return 0
    if shutil.which("valgrind") is None:
        parser.error("valgrind is not installed")
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        counts = count(tasks, given, asked.calls, folder.resolve())
    ratios = ratios_of(counts)
    _report(counts, ratios, before)
    if asked.against and not before:
        print(f"{asked.against} has no baseline for Python {_MINOR}: nothing to compare with", file=sys.stderr)
    if asked.save:
        _save(asked.save, asked.form, ratios)
    lines = worse(ratios, before, asked.tolerance)
    for line in lines:
        print(line, file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
