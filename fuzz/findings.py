"""Findings: what broke an invariant, by cause, with a minimised input and a test that is ready to be kept.

Rules that hold here:

* Two findings are one if their target and cause are the same. A cause is a `Finding`'s own words, or for any other
  exception its type and the innermost place of it in the package or the target.
* An input is minimised by whole opcodes first, then by bytes; what is kept still gives the same cause.
* A finding is a folder: the input, the minimised input, `finding.json` and a test. It is written whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from fuzz.assembly import split
from fuzz.outcomes import Finding
from fuzz.targets import Target

#: Seconds of processor time after which an input hangs: the machine may be busy with something else.
TIMEOUT = 10
#: An input that waits uses no processor; it hangs after so many times that.
WAITING = 12
#: Executions that minimising one input may take.
MINIMISING = 4000


class Hang(BaseException):
    """An input took too long. No `Exception`: nothing on the way may swallow it."""


class Found(NamedTuple):
    """One finding."""

    target: str
    cause: str
    detail: str
    data: bytes
    #: Which input of the run it was, from 1.
    execution: int = 0

    @property
    def key(self) -> str:
        """A name for the cause: equal for equal causes."""
        digest = hashlib.sha256(f"{self.target}\n{self.cause}".encode("utf-8", "replace")).hexdigest()
        return f"{self.target}-{digest[:12]}"


def _on_alarm(_number: int, _frame: FrameType | None) -> None:
    raise Hang


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise `Hang` in the block after some time (0: never), where the platform can."""
    if not seconds or not hasattr(signal, "setitimer"):
        yield
        return
    clocks = ((signal.ITIMER_PROF, signal.SIGPROF, seconds), (signal.ITIMER_REAL, signal.SIGALRM, WAITING * seconds))
    before = [signal.signal(number, _on_alarm) for _, number, _ in clocks]
    for clock, _, most in clocks:
        signal.setitimer(clock, most)
    try:
        yield
    finally:
        for (clock, number, _), handler in zip(clocks, before, strict=True):
            signal.setitimer(clock, 0)
            signal.signal(number, handler)


def attempt(target: Target, data: bytes, *, seconds: float = TIMEOUT) -> tuple[Any, Found | None]:
    """Run one input; return what the target saw, and what it found."""
    try:
        with bounded(seconds):
            return target.check(data), None
    except Finding as finding:
        return None, Found(target.name, finding.cause, str(finding), data)
    except Hang:
        return None, Found(target.name, "hang", f"longer than {seconds} s", data)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        cause = f"{type(error).__name__} in {_place(error)}"
        return None, Found(target.name, cause, f"{cause}: {str(error)[:300]}", data)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "safepickle" in frame.filename.rpartition("fuzz/")[2]] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].name}" if ours else "nowhere"


# -- minimising ----------------------------------------------------------------------------------------------------


def minimise(target: Target, found: Found, *, seconds: float = 20) -> bytes:
    """Return the smallest input found that has the same cause."""
    if found.cause == "hang":
        return found.data
    end = time.monotonic() + seconds
    left = MINIMISING

    def holds(data: bytes) -> bool:
        nonlocal left
        left -= 1
        again = attempt(target, data)[1]
        return again is not None and again.cause == found.cause

    def going() -> bool:
        return left > 0 and time.monotonic() < end

    if not holds(found.data):
        return found.data
    best = found.data
    if target.input == "stream":
        best = b"".join(_reduce(split(best), lambda pieces: holds(b"".join(pieces)), going))
    return b"".join(_reduce([bytes([byte]) for byte in best], lambda pieces: holds(b"".join(pieces)), going))


def _reduce(pieces: list[bytes], holds: Callable[[list[bytes]], bool], going: Callable[[], bool]) -> list[bytes]:
    """Leave out runs of pieces, long ones first, as long as the finding stays."""
    size = max(1, len(pieces) // 2)
    while going():
        at = 0
        removed = False
        while at < len(pieces) and going():
            shorter = pieces[:at] + pieces[at + size :]
            if holds(shorter):
                pieces = shorter
                removed = True
            else:
                at += size
        if size == 1 and not removed:
            break
        size = max(1, size // 2) if not removed or size > 1 else 1
    return pieces


# -- writing -------------------------------------------------------------------------------------------------------

_TEST = '''"""Regression test, made by `python -m fuzz`: {target}, {cause}.

{detail}
"""

from __future__ import annotations

from fuzz.targets import load_target


def test_{name}() -> None:
    load_target("{target}").check(bytes.fromhex({hex!a}))
'''


def write(found: Found, minimised: bytes, folder: Path) -> Path:
    """Write a finding; return its folder. One of the same cause that is there already stays, unless it is longer."""
    place = folder / found.key
    if (place / "minimised").exists() and len((place / "minimised").read_bytes()) <= len(minimised):
        return place
    folder.mkdir(parents=True, exist_ok=True)
    row = {
        "target": found.target, "cause": found.cause, "detail": found.detail[:1000], "execution": found.execution,
        "hex": found.data.hex(), "minimised": minimised.hex(),
    }  # fmt: skip
    test = _TEST.format(
        target=found.target, cause=found.cause.replace("\\", "/").replace('"', "'"), name=found.key.replace("-", "_"),
        hex=minimised.hex(),
        detail=ascii(found.detail[:200])[1:-1].replace("\\", "/").replace('"', "'"),
    )  # fmt: skip
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as scratch:
        whole = Path(scratch) / "finding"
        whole.mkdir()
        (whole / "input").write_bytes(found.data)
        (whole / "minimised").write_bytes(minimised)
        (whole / "finding.json").write_text(json.dumps(row, indent=1) + "\n", "utf-8")
        (whole / f"test_{found.key.replace('-', '_')}.py").write_text(test, "utf-8")
        if place.exists():
            place.replace(Path(scratch) / "old")
        whole.replace(place)
    return place
