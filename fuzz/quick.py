"""Quick checks: one load of an input, with the oracles that cost less than it; for engines that run millions.

A target's whole check is up to thirty loads. `QUICK` has, for some targets, a check of one or two loads that holds the
same invariant by one choice of terms, which the input itself makes. Targets without one run their whole check.

Rules that hold here:

* The tripwire is armed throughout and looked at after every input, and so are the canaries; the classes' attributes,
  which take longer to compare, after every `BATCH` inputs, which are then run again one by one to say which it was.
* What an input ought to meet is a function of its bytes: the same input meets the same check again.
* Over `WINDOW` inputs, reference counts of shared objects and the number of blocks stay as they were.
* A whole check is run on one input in `WHOLE`, and on whatever a quick one finds.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from fuzz import oracles, samples, terms
from fuzz.findings import Found, attempt
from fuzz.oracles import check_contents, check_within
from fuzz.outcomes import Finding, failure
from fuzz.targets import Target, decode, files, looking
from fuzz.terms import LIMITS, TERMS, TIGHT
from safepickle.errors import PolicyError, SafePickleError

BATCH = 64
WHOLE = 256
WINDOW = 1 << 18
#: Of references and blocks, for each input of a window: what changes by more is kept, or given away.
DRIFT = 0.02

#: A check that returns whether the input loaded.
Check = Callable[[bytes], Any]


#: Keyword arguments that need not be made anew for each load.
_OPTIONS = {one.title: None if "buffers" in one.options else terms.options_of(one) for one in TERMS}


def _decode(data: bytes) -> bool:
    """Load under one of the terms; a value is what its policy lets appear, an error says where."""
    number = hash(data)
    one = TERMS[number % 3]
    try:
        value = terms.package.loads(data, limits=LIMITS, **(_OPTIONS[one.title] or terms.options_of(one)))
    except PolicyError as error:
        # Where in the value a denial stands is found by a second look; that is worth it now and then.
        if number & 15 == 0:
            decode._check_error(error, data)
            failure(error)
        elif error.position is None or not 0 <= error.position < len(data):
            raise Finding("a position outside the data", f"{error.position} of {len(data)}") from error
        return False
    except SafePickleError as error:
        decode._check_error(error, data)
        failure(error)
        return False
    check_contents(value, one.policy)
    return True


def _within(data: bytes) -> bool:
    """Load under tight limits; a value is within them."""
    try:
        value = terms.load(data, TERMS[1 + (hash(data) & 1)], TIGHT)
    except SafePickleError as error:
        if type(error) is not PolicyError:
            failure(error)
        return False
    check_within(data, value, TIGHT)
    return True


def _files(data: bytes) -> bool:
    """Load from memory and from one kind of file."""
    number = hash(data)
    one = TERMS[number % 3]
    whole = files._loaded(data, one)
    title, make = files.KINDS[number % 5]
    files._compare(data, one, whole, title, make)
    return not whole.error


def _looking(data: bytes) -> bool:
    """Survey and load under one of the terms: one answer."""
    one = TERMS[hash(data) % 3]
    survey = looking._survey(data, one)
    loaded = looking._loaded(data, one)
    looking._agree(one, survey, loaded)
    return not loaded.error


#: By target. The others' whole checks are what there is.
QUICK: dict[str, Check] = {"decode": _decode, "within": _within, "files": _files, "looking": _looking}


class Watch:
    """Runs the inputs of one target: quick checks, the whole one now and then, and what is looked at over many.

    :param target: what is run.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.findings: dict[str, Found] = {}
        #: Inputs that met the whole check, and inputs that loaded.
        self.whole = self.values = 0
        self._check = QUICK.get(target.name)
        self._count = 0
        self._recent: list[bytes] = []
        self._live = (samples.RECORD, samples.REGISTRY, samples.QUEUE, samples.MEMBERS, vars(samples.SHARED))
        self._window = Window()
        self._told = 0.0
        self._telling = 0.0
        self._tell: Callable[[], None] = lambda: None
        oracles.install()
        # What there is by now never becomes garbage: collecting is quick.
        gc.collect()
        gc.freeze()
        self._arm()

    def every(self, seconds: float, tell: Callable[[], None]) -> None:
        """Call *tell* now and then."""
        self._telling, self._tell = seconds, tell

    def rows(self) -> list[dict[str, Any]]:
        """Return the findings as a worker tells them."""
        return [
            {"target": f.target, "cause": f.cause, "detail": f.detail[:1000], "hex": f.data.hex(),
             "execution": f.execution}
            for f in self.findings.values()
        ]  # fmt: skip

    def one(self, data: bytes) -> None:
        """Run one input."""
        self._count += 1
        if self._check is None or self._count % WHOLE == 0:
            self._whole(data)
        else:
            try:
                self.values += self._check(data)
            except BaseException as error:
                self._suspect(data, error)
            if oracles._seen or any(self._live):
                self._suspect(data, Finding("something acted"))
        self._recent.append(data)
        if len(self._recent) >= BATCH:
            self._look_back()

    def _whole(self, data: bytes) -> bool:
        self.whole += 1
        found = attempt(self.target, data, seconds=0)[1]
        self._arm()
        if found is None:
            return False
        self._add(found)
        return True

    def _suspect(self, data: bytes, error: BaseException) -> None:
        """Have the whole check say what is wrong; where it says nothing, the quick one's words stand."""
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise error
        # Looking at a traceback opens files.
        oracles._armed.clear()
        acted = [*oracles._seen, *filter(None, [samples.disturbed()])]
        if self._whole(data):
            return

        def again(_data: bytes) -> Any:
            if acted:
                raise Finding(f"a quick load acted: {acted[0]}")
            raise error

        oracles._armed.clear()
        found = attempt(self.target._replace(check=again), data, seconds=0)[1]
        if found is not None:
            self._add(found)
        self._arm()

    def _look_back(self) -> None:
        recent, self._recent = self._recent, []
        if (acted := samples.disturbed()) is not None:
            found = [self._whole(data) for data in recent]
            if not any(found):
                cause = f"inputs together reached a canary: {acted.split(';')[0]}"
                self._add(Found(self.target.name, cause, acted, recent[-1]))
        if (drift := self._window.look(self._count)) is not None:
            self._add(Found(self.target.name, drift.cause, f"{drift}; the target `leaks` says which", recent[-1]))
        now = time.monotonic()
        if now - self._told > self._telling:
            self._told = now
            self._tell()
            self._arm()

    def _add(self, found: Found) -> None:
        known = self.findings.get(found.key)
        if known is None or len(found.data) < len(known.data):
            self.findings[found.key] = found._replace(execution=self._count)

    def _arm(self) -> None:
        oracles._seen.clear()
        oracles._armed[:] = [threading.get_ident()]


class Window:
    """Looks for what many loads keep, or give away: a reference too few is worse than one too many."""

    def __init__(self) -> None:
        self._shared = (*oracles._SHARED, samples.Node, samples.act, samples.SHARED, *[one.policy for one in TERMS])
        self._next = WINDOW
        self._before: tuple[int, list[int]] | None = None
        self._suspected = ""

    def look(self, count: int) -> Finding | None:
        """Compare with the last window, once *count* inputs make another one; two windows alike are a finding."""
        if count < self._next:
            return None
        self._next = count + WINDOW
        gc.collect()
        now = sys.getallocatedblocks(), [sys.getrefcount(item) for item in self._shared]
        before, self._before = self._before, now
        if before is None:
            return None
        cause = ""
        most = DRIFT * WINDOW
        if now[0] - before[0] > most:
            cause = "memory is kept over many inputs"
        for item, one, other in zip(self._shared, before[1], now[1], strict=True):
            if abs(other - one) > most:
                how = "kept" if other > one else "given away"
                cause = f"references to a {type(item).__name__} are {how} over many inputs"
        suspected, self._suspected = self._suspected, cause
        return Finding(cause, f"{now[0] - before[0]} blocks") if cause and cause == suspected else None
