"""Freshness: age, and messages that were seen before.

Rules that hold here:

* All of it is asked after the tag has been verified: a time that anybody could write means nothing.
* The clock is the caller's to replace; ``time.time`` is only looked at where something depends on it.
* A tag does not stop an old value from being put back (attacks S13). ``max_age`` bounds it, a replay guard ends it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

from ..errors import ExpiredError, NotYetValidError, ReplayedError

__all__ = ["LEEWAY", "Clock", "MemoryReplayGuard", "ReplayGuard", "check_age", "check_replay", "microseconds"]

#: Returns seconds since 1970.
Clock = Callable[[], float]

#: How far in the future a message may have been signed, in seconds: clocks of two machines differ.
LEEWAY: Final = 60.0


def microseconds(seconds: float) -> int:
    """Return a time as it is in a header.

    :raises ValueError: for one before 1970 or after the year 500 000.
    """
    value = int(seconds * 1_000_000)
    if not 0 <= value < 1 << 64:
        raise ValueError("a time is seconds since 1970, not before it")
    return value


def check_age(created: int, not_before: int | None, max_age: float | None, clock: Clock) -> None:
    """Refuse what is too old or not to be used yet. Times are microseconds, *max_age* is seconds.

    :raises ExpiredError: if it is older than *max_age*.
    :raises NotYetValidError: before *not_before*, and for what was signed in the future where the age is asked.
    """
    if max_age is None and not_before is None:
        return
    now = clock()
    if not_before is not None and now * 1_000_000 < not_before:
        raise NotYetValidError("it is not to be used yet", wait=not_before / 1e6 - now)
    if max_age is not None:
        age = now - created / 1e6
        if not age <= max_age:  # whatever is no number is refused too
            raise ExpiredError(age, max_age)
        if age < -LEEWAY:
            # Otherwise a signer whose clock is ahead makes messages that do not expire when they should.
            raise NotYetValidError("it was signed in the future", wait=-age)


@runtime_checkable
class ReplayGuard(Protocol):
    """Remembers messages. One for several machines keeps them where all see them (Redis ``SET NX EX``)."""

    def first_time(self, nonce: bytes, created: float) -> bool:
        """Say whether this message has not been seen, and remember it; in one atomic step.

        :param nonce: 16 bytes, random and verified, of this message alone.
        :param created: when it was signed, in seconds since 1970. What is older than the codec's ``max_age`` never gets
            here, so that it need not be remembered longer.
        """
        ...


def check_replay(guard: ReplayGuard, nonce: bytes | None, created: int) -> None:
    """Refuse what the guard has seen.

    :raises ReplayedError: if it has, or the message has no nonce to tell it by.
    """
    if nonce is None:
        raise ReplayedError("it has no nonce to tell it from a copy: sign it with a codec that has a replay guard")
    if not guard.first_time(nonce, created / 1e6):
        raise ReplayedError("this very message has been used before")


class MemoryReplayGuard:
    """A guard for one process: the newest *most* messages are remembered.

    :param most: how many; where more come within ``max_age``, the oldest could be replayed.
    """

    def __init__(self, most: int = 1_000_000) -> None:
        if most < 1:
            raise ValueError("a guard remembers at least one message")
        self._most = most
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def first_time(self, nonce: bytes, created: float) -> bool:  # noqa: ARG002  (a guard with memory needs no time)
        """See :meth:`ReplayGuard.first_time`."""
        with self._lock:
            if nonce in self._seen:
                return False
            self._seen[nonce] = None
            if len(self._seen) > self._most:
                self._seen.popitem(last=False)
            return True
