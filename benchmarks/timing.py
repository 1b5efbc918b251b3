"""Time: interleaved rounds, and ratios with their spread.

How a number comes about:
- In each round every contestant is sampled once, in turn. The turn begins with another contestant each round,
  so that nobody always runs in the wake of the same neighbour.
- A sample is as many calls as take about `sample` seconds (calibrated beforehand), after one call that is not
  counted. It is the process's CPU time divided by the calls: other programs on the machine then matter
  little. Making the data, imports and policies are outside.
- A ratio is taken within a round: this contestant's sample over the reference's. What is reported is the
  median of the rounds' ratios, and as spread their quartiles.
- The garbage collector is the same for all: on, as programs run it (or off for all). The benchmark's own
  objects are frozen, so that a collection never looks at them, and each sample begins right after a
  collection. A result is kept until the next call has returned, as a caller would keep it: a collector that
  was put off during the call meets it.
- Letting go of results is in the time, for all alike. Of cyclic data the collector does that, whenever it comes by: its
  samples are longer, so that none has the garbage of several calls, or of none.
"""

from __future__ import annotations

import gc
import itertools
import math
import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


class Job(NamedTuple):
    """What is called again and again."""

    function: Callable[[Any], object]
    argument: Any


@dataclass(frozen=True, slots=True)
class Ratio:
    """A median and the quartiles around it."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure: seconds for one table row, seconds for one sample, and the fewest rounds."""

    seconds: float = 2.0
    sample: float = 0.02
    rounds: int = 5
    collector: bool = True


#: What a run does unless told otherwise.
DEFAULT_PLAN: Final = Plan()


@contextmanager
def quiet_collector(*, enabled: bool) -> Iterator[None]:
    """Hide what exists by now from the garbage collector, and switch it on or off for what is measured."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    (gc.enable if enabled else gc.disable)()
    try:
        yield
    finally:
        gc.unfreeze()
        (gc.enable if was_enabled else gc.disable)()


def _sample(job: Job, calls: int) -> float:
    """Return the CPU seconds of one call, as the mean of many."""
    function, argument = job
    kept = function(argument)  # warms the caches up
    gc.collect()
    repeat = itertools.repeat(None, calls)
    start = time.process_time()
    for _ in repeat:
        kept = function(argument)
    took = time.process_time() - start
    del kept
    return took / calls


def _calibrate(job: Job, sample: float) -> int:
    """Return how many calls take about `sample` seconds."""
    calls = 1
    while True:
        once = _sample(job, calls)
        if once * calls >= sample / 4 or calls >= 1 << 20:
            return max(1, round(sample / once)) if once > 0 else calls
        calls *= 4


def measure(jobs: Mapping[str, Job], plan: Plan) -> dict[str, list[float]]:
    """Return for each contestant its seconds per call, one number a round."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    with quiet_collector(enabled=plan.collector):
        calls = {name: _calibrate(job, plan.sample) for name, job in jobs.items()}
        order = list(jobs)
        end = time.perf_counter() + plan.seconds
        while len(times[order[0]]) < plan.rounds or time.perf_counter() < end:
            first = len(times[order[0]]) % len(order)
            for name in order[first:] + order[:first]:
                times[name].append(_sample(jobs[name], calls[name]))
    return times


def least_time(job: Job, seconds: float, fewest: int = 3) -> float:
    """Return the CPU seconds of one call: the least of the samples that `seconds` has room for, or of two calls."""
    start = time.process_time()
    job.function(job.argument)
    if time.process_time() - start > seconds / 2:
        return _sample(job, 1)
    calls = _calibrate(job, seconds / 20)
    end = time.perf_counter() + seconds
    samples = [_sample(job, calls)]
    while len(samples) < fewest or time.perf_counter() < end:
        samples.append(_sample(job, calls))
    return min(samples)


def ratio(times: Sequence[float], reference: Sequence[float]) -> Ratio:
    """Return how much longer than the reference a contestant took, round by round."""
    ratios = sorted(mine / other for mine, other in zip(times, reference, strict=True))
    if len(ratios) == 1:
        return Ratio(ratios[0], ratios[0], ratios[0])
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(median, low, high)


def geometric_mean(values: Sequence[float]) -> float:
    """Return the mean that treats twice as fast and twice as slow alike; NaN of nothing."""
    return math.exp(statistics.fmean(math.log(value) for value in values)) if values else math.nan
