"""Benchmarks: safepickle beside pickle and marshal, in one process.

`python -m benchmarks` measures time and output size, with `--memory` the peak memory instead; `python -m benchmarks
goals`, `scaling`, `signing`, `instructions` and `publish` are commands of their own. README.md says how to repeat a
table and how to read it.

The modules:

    shape.py         what a shape of data is
    shapes.py        the table of data shapes, and the classes of the instance shapes
    real.py          the shapes that libraries make
    contestants.py   who is measured, and with which policy
    timing.py        rounds, calibration, ratios and their spread
    comparing.py     one row of a table: inputs, checks, sizes, times
    memory.py        peak memory, one process per number
    report.py        text, Markdown and JSON
    goals.py         the goals, with a verdict for each
    scaling.py       growth with size, fitted
    signing.py       what signing costs
    instructions.py  instruction counts under valgrind, for regression checks
    plots.py         pictures
    publish.py       the table and pictures of the documentation
    hostile.py       what hostile streams cost

Rules:
- Every number stands beside the one it is compared with: same process, same round, same garbage collector.
- What is measured has been checked first: a contestant that gives another value than was written is an error.
- The form that was asked for is the form that runs; where it is missing, that is an error and not a slower
  table.
"""

from __future__ import annotations

import sys
from pathlib import Path

# `python -m` puts the project's root first on the path, where the sources of safepickle lie. An installed
# safepickle is compiled and the sources may not be, so it must win; without one the sources are found, last.
_ROOT = str(Path(__file__).resolve().parent.parent)
if sys.path and sys.path[0] in ("", _ROOT):
    sys.path.append(sys.path.pop(0) or _ROOT)
