"""The engine without coverage: replays a corpus, then generates and mutates by a seed, and keeps what is new.

It needs nothing but Python, runs on both forms, and gives the same inputs for the same seed: CI, the planted faults and
machines without atheris use it. What it takes for new is a kind of outcome that it has not seen (`Target.check`).

Rules that hold here:

* One input is one execution; a finding does not end a run unless it was asked to.
* Inputs depend on the seed, the target's name and what was new so far, on nothing else.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

from fuzz import corpus
from fuzz.choices import Choices
from fuzz.findings import Found, attempt
from fuzz.mutating import generate, generate_bytes, mutate, mutate_bytes, openings
from fuzz.targets import Target

#: Inputs kept to mutate, at most: the newest stay.
POOL = 4000
#: Longest input that is generated.
MOST = 4096


@dataclass
class Run:
    """What a run has done so far."""

    target: str
    executions: int = 0
    seconds: float = 0.0
    #: Inputs whose kind of outcome was new.
    new: list[bytes] = field(default_factory=list)
    findings: dict[str, Found] = field(default_factory=dict)
    kinds: set[Hashable] = field(default_factory=set)
    #: Edges that an engine with coverage counts; 0 without.
    coverage: int = 0


Report = Callable[[Run], None]


class Engine:
    """Runs one target.

    :param target: what is run.
    :param seed: where inputs come from.
    :param report: called now and then with the state.
    :param first: stop at the first finding.
    :param known: causes that are no news; they are left out.
    """

    def __init__(
        self,
        target: Target,
        seed: int,
        *,
        report: Report | None = None,
        first: bool = False,
        known: Iterable[str] = (),
    ) -> None:
        self.target = target
        self.run = Run(target.name)
        self._random = random.Random(f"{seed} {target.name}")
        self._draw = Choices(self._random)
        self._pool: list[bytes] = []
        self._report = report
        self._first = first
        self._known = frozenset(known)
        self._reported = 0.0
        self._opening: list[bytes] | None = None

    def replay(self, inputs: list[bytes]) -> None:
        """Run given inputs; all of them join the pool."""
        for data in inputs:
            self.one(data)
            if self.done:
                return
        self._pool += inputs

    def fuzz(self, *, executions: int | None = None, seconds: float | None = None) -> None:
        """Make inputs until a bound is met."""
        end = None if seconds is None else time.monotonic() + seconds
        left = executions
        while not self.done:
            if left is not None:
                if left <= 0:
                    return
                left -= 1
            if end is not None and time.monotonic() >= end:
                return
            self.one(self.input(), keep=True)

    @property
    def done(self) -> bool:
        """Whether the run is to end at what it found."""
        return self._first and bool(self.run.findings)

    def input(self) -> bytes:
        """Make the next input."""
        if self._opening is None:
            begins = not self._pool and self.target.input == "stream"
            self._opening = openings(self._draw) if begins else []
        if self._opening:
            return self._opening.pop()
        fresh = not self._pool or self._draw.below(4) == 0
        if self.target.input == "stream":
            return generate(self._draw) if fresh else mutate(self._chosen(), self._draw, self._pool, MOST)
        if fresh and self.target.input != "text":
            return generate_bytes(self._draw)
        return mutate_bytes(self._chosen(), self._draw, self._pool, MOST)

    def _chosen(self) -> bytes:
        if not self._pool:
            return b""
        # What was new lately is worth more than what has been there for long.
        recent = self._draw.below(2) and len(self._pool) > 50
        return self._pool[-1 - self._draw.below(50)] if recent else self._draw.pick(self._pool)

    def one(self, data: bytes, *, keep: bool = False) -> None:
        """Run one input."""
        started = time.monotonic()
        kind, found = attempt(self.target, data)
        run = self.run
        run.executions += 1
        run.seconds += time.monotonic() - started
        if found is not None and found.cause in self._known:
            return
        if found is not None:
            found = found._replace(execution=run.executions)
            known = run.findings.get(found.key)
            if known is None or len(data) < len(known.data):
                run.findings[found.key] = found
        elif kind not in run.kinds:
            run.kinds.add(kind)
            if keep:
                run.new.append(data)
                self._pool.append(data)
                del self._pool[:-POOL]
        if self._report is not None and time.monotonic() - self._reported > 0.2:
            self._reported = time.monotonic()
            self._report(run)


def seeds(target: Target, folder: Any = corpus.HERE) -> list[bytes]:
    """Return the corpus of a target."""
    return corpus.read(target.input, folder)
