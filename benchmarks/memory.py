"""Peak memory of one call, each measured in a process of its own.

Rules:
- The system's count of resident pages is measured, not Python's allocations: tracemalloc sees what goes
  through Python's allocators and slows some contestants down, and C buffers are what codecs differ in.
- The process makes its input (or reads it from a file, so that a reader never had the value), sets the
  high-water mark back where the system can (Linux), makes one call, keeps the result and reads the mark.
  Elsewhere the mark is that of `getrusage`, of the whole life of the process.
- Before that it makes one call of a hundredth of the data, which is not counted, as for times: code that is read in
  from its file by a process's first call, whole pages of it, is not what data takes.
- Sizes are larger than for times, or pages and allocator arenas would be all that is seen.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import pickle
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .comparing import LOADS, Task, jobs_of
from .contestants import C_PICKLE, PICKLES, contestants
from .shapes import select

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Times the sizes that `--scale` asks for.
SCALE: Final = 10
_STATUS: Final = Path("/proc/self/status")
_CLEAR: Final = Path("/proc/self/clear_refs")
_PAGE: Final = 4096
#: The share of the data in the call that is not counted.
_FIRST: Final = 0.01


@dataclass(frozen=True, slots=True)
class Peak:
    """What one call takes at its peak, for each contestant."""

    task: Task
    #: Bytes over what the process had before.
    peaks: Mapping[str, int]

    def ratio(self, name: str, reference: str) -> float:
        """Return a contestant's peak as a multiple of the reference's."""
        return self.peaks[name] / self.peaks[reference]


def high_water_mark() -> int:
    """Return the high-water mark in bytes."""
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource  # not on every system

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_mark() -> None:
    """Set the high-water mark back to what is resident now, where the system can."""
    with contextlib.suppress(OSError):  # not Linux, or not allowed: the mark then covers the input too
        _CLEAR.write_text("5")


def _first(file: Path) -> Path:
    return file.with_name(f"{file.name}.first")


def _argument(task: Task, share: float, file: Path) -> Any:
    """Return what a function is called with."""
    if task.direction != LOADS:
        return task.shape.build(task.scale * share)
    data = file.read_bytes()
    return pickle.loads(data) if task.shape.out_of_band else data


def measure_call(task: Task, name: str, file: Path) -> int:
    """Return the bytes that one call takes at its peak, in this process."""
    one = next(one for one in task.contestants() if one.name == name)
    function = one.function(task.direction)
    assert function is not None
    function(_argument(task, _FIRST, _first(file)))
    argument = _argument(task, 1, file)
    gc.collect()
    reset_mark()
    before = high_water_mark()
    kept = function(argument)
    after = high_water_mark()
    del kept
    return max(after - before, _PAGE)


def write_input(task: Task, name: str, file: Path) -> None:
    """Write what a reader will be given, and what it is given first."""
    one = next(one for one in contestants(task.form, task.shape) if one.name == name)
    assert one.dumps is not None
    for share, place in ((_FIRST, _first(file)), (1, file)):
        data: Any = one.dumps(task.shape.build(task.scale * share))
        if task.shape.out_of_band:
            data = pickle.dumps((data[0], [bytes(buffer) for buffer in data[1]]))
        place.write_bytes(data)


def _child(action: str, task: Task, name: str, file: Path) -> int:
    asked = (action, task.form, task.shape.name, task.kind, name, str(task.scale), str(file))
    command = [sys.executable, "-m", "benchmarks.memory", *asked]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return int(done.stdout or 0)


def peak(task: Task) -> Peak:
    """Measure all contestants for one row, a process each, on data larger than for times."""
    larger = replace(task, scale=task.scale * SCALE)
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in jobs_of(task)[0]:
            writer = (task.source or C_PICKLE) if name in PICKLES else name
            file = Path(folder, writer)
            if task.direction == LOADS and not file.exists():
                _child("write", larger, writer, file)
            peaks[name] = _child("measure", larger, name, file)
    return Peak(task, peaks)


def main() -> None:
    """Do one thing in this process: write an input, or measure one call."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=main.__doc__)
    parser.add_argument("action", choices=("write", "measure"))
    for name in ("form", "shape", "kind", "contestant"):
        parser.add_argument(name)
    parser.add_argument("scale", type=float)
    parser.add_argument("file", type=Path)
    asked = parser.parse_args()
    (shape,) = select(asked.shape)
    task = Task(asked.form, shape, asked.kind, scale=asked.scale)
    if asked.action == "write":
        write_input(task, asked.contestant, asked.file)
    else:
        print(measure_call(task, asked.contestant, asked.file))


if __name__ == "__main__":
    main()
