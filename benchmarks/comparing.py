"""One row of a table: who gets which input, what is checked before, the sizes, the times.

Rules:
- `loads` is measured on two inputs, told apart everywhere: written by pickle, and written by safepickle. In
  both all readers of pickles read the same bytes; marshal reads its own.
- Nothing is measured before it has been shown to be right: each reader must give the value that was written,
  and what each writer writes must be read back by pickle.
"""

from __future__ import annotations

import marshal
import pickle
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .contestants import C_PICKLE, MARSHAL, OPPONENTS, OURS, REFERENCE, contestants
from .shapes import PLAIN
from .timing import Job, Plan, Ratio, geometric_mean, measure, ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .contestants import Contestant
    from .shapes import Shape

LOADS: Final = "loads"
DUMPS: Final = "dumps"

#: What can be measured: name, direction, and whose bytes are loaded.
KINDS: Final = {
    "loads": (LOADS, C_PICKLE),
    "loads-own": (LOADS, OURS),
    "dumps": (DUMPS, None),
}

TITLES: Final = {
    "loads": "loads, of what pickle wrote",
    "loads-own": "loads, of what safepickle wrote",
    "dumps": "dumps",
}


class WrongResultError(Exception):
    """A contestant did not give what was written."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be measured in one row."""

    form: str
    shape: Shape
    kind: str
    opponents: tuple[str, ...] = tuple(OPPONENTS)
    scale: float = 1.0

    @property
    def direction(self) -> str:
        """Whether it is about loads or dumps."""
        return KINDS[self.kind][0]

    @property
    def source(self) -> str | None:
        """Who wrote what is loaded."""
        return KINDS[self.kind][1]

    @property
    def section(self) -> str:
        """The table that the row belongs to: its kind, and its group where that is not the plain data."""
        return self.kind if self.shape.group == PLAIN else f"{self.kind}-{self.shape.group}"

    @property
    def reference(self) -> str:
        """Whom all are compared with."""
        return REFERENCE[self.form]

    def contestants(self) -> list[Contestant]:
        """Return who takes part and can do it."""
        everyone = contestants(self.form, self.shape, self.opponents)
        return [one for one in everyone if one.function(self.direction) is not None]


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured for one shape."""

    task: Task
    #: Median seconds of one call.
    seconds: Mapping[str, float]
    #: Time as a multiple of the reference's.
    ratios: Mapping[str, Ratio]
    #: Bytes that each writer writes.
    sizes: Mapping[str, int]
    rounds: int

    @property
    def size_ratio(self) -> float:
        """How many bytes safepickle writes for one that pickle writes."""
        return self.sizes[OURS] / self.sizes[C_PICKLE]


def _check(task: Task, jobs: Mapping[str, Job], value: object) -> None:
    for name, job in jobs.items():
        result = job.function(job.argument)
        if task.direction == DUMPS:
            assert isinstance(result, bytes)
            result = marshal.loads(result) if name == MARSHAL else pickle.loads(result)
        if result != value:
            raise WrongResultError(
                f"{task.kind} of {task.shape.name} by {name} does not give what was written"
            )


def jobs_of(task: Task) -> tuple[dict[str, Job], dict[str, int]]:
    """Return what each contestant has to do, checked, and how many bytes each writes.

    :raises WrongResultError: if one of them does it wrong.
    """
    value = task.shape.build(task.scale)
    writers = contestants(task.form, task.shape, (*task.opponents, C_PICKLE))
    written = {one.name: one.dumps(value) for one in writers if one.dumps is not None}
    jobs = {}
    for one in task.contestants():
        function = one.function(task.direction)
        assert function is not None
        source = MARSHAL if one.name == MARSHAL else task.source
        jobs[one.name] = Job(
            function, value if source is None or task.direction == DUMPS else written[source]
        )
    _check(task, jobs, value)
    return jobs, {name: len(data) for name, data in written.items() if isinstance(data, bytes)}


def compare(task: Task, plan: Plan) -> Row:
    """Measure one row."""
    jobs, sizes = jobs_of(task)
    times = measure(jobs, plan)
    reference = times[task.reference]
    return Row(
        task=task,
        seconds={name: statistics.median(series) for name, series in times.items()},
        ratios={name: ratio(series, reference) for name, series in times.items()},
        sizes=sizes,
        rounds=len(reference),
    )


def means(rows: Sequence[Row]) -> dict[str, Ratio]:
    """Return the geometric mean for each contestant that is in all of the rows; of the quartiles likewise."""
    everyone = [name for name in rows[0].ratios if all(name in row.ratios for row in rows)] if rows else []
    return {
        name: Ratio(
            geometric_mean([row.ratios[name].median for row in rows]),
            geometric_mean([row.ratios[name].low for row in rows]),
            geometric_mean([row.ratios[name].high for row in rows]),
        )
        for name in everyone
    }
