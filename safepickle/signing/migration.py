"""Migration: unsigned data is accepted until a day that is set beforehand, and counted.

Rules that hold here:

* There is no end without a date: whoever leaves it out would accept unsigned data for ever (attacks S05).
* Only what does not begin as an envelope is unsigned. An envelope that does not verify is refused, never taken for
  unsigned data.
* Unsigned data is loaded under the codec's policy, and a codec without restrictions does not accept any.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..errors import UnsignedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from .freshness import Clock

__all__ = ["AcceptUnsigned"]


class AcceptUnsigned:
    """Lets a codec accept unsigned data for a while.

    :param until: from then on it is refused; an aware datetime, or seconds since 1970.
    :param on_accept: called with the count after each one that was accepted, for a log or a metric.
    """

    def __init__(self, *, until: datetime | float, on_accept: Callable[[int], object] | None = None) -> None:
        if not isinstance(until, (int, float)):
            if until.tzinfo is None:
                raise ValueError("until is an aware datetime: say which time zone, such as timezone.utc")
            until = until.timestamp()
        self._until = float(until)
        self._on_accept = on_accept
        self._lock = threading.Lock()
        self._accepted = 0
        self._refused = 0

    @property
    def accepted(self) -> int:
        """How many were accepted."""
        return self._accepted

    @property
    def refused(self) -> int:
        """How many came after the end and were refused."""
        return self._refused

    def admit(self, clock: Clock) -> None:
        """Count one.

        :raises UnsignedError: after the end.
        """
        over = not clock() < self._until
        with self._lock:
            if over:
                self._refused += 1
            else:
                self._accepted += 1
            count = self._accepted
        if over:
            raise UnsignedError("it is not signed, and the time in which that was accepted is over")
        if self._on_accept is not None:
            self._on_accept(count)

    def __repr__(self) -> str:
        return f"AcceptUnsigned(until={self._until!r}) with {self._accepted} accepted and {self._refused} refused"
