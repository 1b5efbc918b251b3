"""One row of a table: who gets which input, what is checked before, the sizes, the times.

Rules:
- `loads` is measured on two inputs, told apart everywhere: written by pickle, and written by safepickle. In
  both all readers of pickles read the same bytes; those of other formats read their own.
- Nothing is measured before it has been shown to be right: each reader must give the value that was written,
  and what each writer writes must be read back. safepickle and the forms of pickle must; another contestant that does
  not is left out of the row.
"""

from __future__ import annotations

import pickle
import statistics
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from .contestants import C_PICKLE, OPPONENTS, OURS, PICKLES, REFERENCE, SLOW, STRICT, contestants
from .shape import PLAIN
from .timing import Job, Plan, Ratio, geometric_mean, measure, ratio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .contestants import Contestant
    from .shape import Shape

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


#: How much longer samples are of what only the collector frees.
_LONGER: Final = 10


class WrongResultError(Exception):
    """A contestant did not give what was written."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be measured in one row."""

    form: str
    shape: Shape
    kind: str
    opponents: tuple[str, ...] = tuple(name for name in OPPONENTS if name not in SLOW)
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
        """Return who takes part, as far as can be told before trying."""
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


def _read(task: Task, one: Contestant, written: Any) -> object:
    """Read back what a contestant wrote: pickles with pickle, whoever wrote them."""
    if one.name in PICKLES:
        return pickle.loads(written[0], buffers=written[1]) if task.shape.out_of_band else pickle.loads(written)
    assert one.loads is not None
    return one.loads(written)


def size_of(written: Any) -> int:
    """Return how many bytes were written, those out of band among them."""
    if isinstance(written, tuple):
        return len(written[0]) + sum(buffer.raw().nbytes for buffer in written[1])
    return len(written)


def _attempt(task: Task, one: Contestant, value: object, inputs: Mapping[str, Any]) -> tuple[Job | None, Any]:
    """Return what a contestant has to do, tried once, and what it wrote; its function is None if it takes no part."""
    written = None if one.dumps is None else one.dumps(value)
    right = True
    if written is not None:
        right = bool(task.shape.same(value, _read(task, one, written)))
    function = one.function(task.direction)
    job = None
    if function is not None and task.direction == DUMPS:
        job = Job(function, value)
    elif function is not None:
        assert task.source is not None
        job = Job(function, inputs[task.source] if one.name in PICKLES else written)
        right = right and bool(task.shape.same(value, function(job.argument)))
    if not right:
        raise WrongResultError(f"{task.kind} of {task.shape.name} by {one.name} does not give what was written")
    return job, written


def jobs_of(task: Task) -> tuple[dict[str, Job], dict[str, int]]:
    """Return what each contestant has to do, checked, and how many bytes each writes.

    :raises WrongResultError: if one of those that must do it right does it wrong.
    """
    value = task.shape.build(task.scale)
    everyone = contestants(task.form, task.shape, (*task.opponents, C_PICKLE))
    inputs = {one.name: one.dumps(value) for one in everyone if one.dumps is not None and one.name in (OURS, C_PICKLE)}
    jobs: dict[str, Job] = {}
    sizes: dict[str, int] = {}
    for one in everyone:
        try:
            job, written = _attempt(task, one, value, inputs)
        except Exception:
            if one.name in STRICT:
                raise
            continue
        if written is not None:
            sizes[one.name] = size_of(written)
        if job is not None and one.name in (OURS, task.reference, *task.opponents):
            jobs[one.name] = job
    return jobs, sizes


def compare(task: Task, plan: Plan) -> Row:
    """Measure one row."""
    jobs, sizes = jobs_of(task)
    if task.shape.is_cyclic:
        plan = replace(plan, sample=_LONGER * plan.sample)
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
