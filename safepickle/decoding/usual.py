# cython: annotation_typing=False
"""Arguments that a contract surely takes: the most frequent forms of dates, times and Decimals, seen without asking.

Rules that hold here:

* This only ever says yes where the contract of :mod:`safepickle.policy.contracts` says yes; what is anything but plain
  goes to the contract. A test holds the two together.
* It is here for speed alone (the contract takes three times as long as all of pickle takes for a date), and so used
  in the compiled form alone.
"""

from __future__ import annotations

from typing import Any

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

# None until the first question, because their modules take as long to import as the machine itself. A callable is never
# None, so what has not been found is not usual and goes to the contract.
_DATETIME: Any = None
_DATE: Any = None
_TIME: Any = None
_TIMEDELTA: Any = None
_TIMEZONE: Any = None
_DECIMAL: Any = None

#: Characters of a Decimal that are looked at here.
_SHORT = 60

#: Whose arguments are looked at.
_NOBODY, _A_DATETIME, _A_DATE, _A_TIME, _A_TIMEDELTA, _A_DECIMAL = range(6)


def is_usual(func: Any, args: tuple[Any, ...]) -> bool:
    """Return whether the contract of *func* surely takes these arguments."""
    return fits(form_of(func), args)


def form_of(func: Any) -> int:
    """Return what :func:`fits` is to be asked about *func*, 0 for nothing."""
    if _DECIMAL is None:
        _find_types()
    if func is _DATETIME:
        return _A_DATETIME
    if func is _DECIMAL:
        return _A_DECIMAL
    if func is _DATE:
        return _A_DATE
    if func is _TIME:
        return _A_TIME
    return _A_TIMEDELTA if func is _TIMEDELTA else _NOBODY


def fits(form: int, args: tuple[Any, ...]) -> bool:
    """Return whether a contract surely takes these arguments; *form* is what :func:`form_of` says of the callable."""
    count = len(args)
    if count == 0 or form == _NOBODY:
        return False
    first = args[0]
    if form in (_A_DATETIME, _A_TIME):
        if type(first) is not bytes or count > 2 or (count == 2 and type(args[1]) is not _TIMEZONE):
            return False
        if form == _A_TIME:
            return len(first) == 6 and is_time(first, 0)
        # The highest bit of the month is the fold (PEP 495).
        return len(first) == 10 and is_date(first, 0x7F) and is_time(first, 4)
    if form == _A_DECIMAL:
        return count == 1 and type(first) is str and len(first) <= _SHORT and is_number(first)
    if form == _A_DATE:
        return count == 1 and type(first) is bytes and len(first) == 4 and is_date(first, 0xFF)
    return count == 3 and _is_below(first, 1_000_000) and _is_below(args[1], 86_400) and _is_below(args[2], 10**6)


if not cython.compiled:

    def is_number(text: str) -> bool:
        """Return whether a text is digits, perhaps with a sign before and a point between them."""
        digits = text[1:] if text[:1] == "-" else text
        whole, point, rest = digits.partition(".")
        return all(part.isascii() and part.isdecimal() for part in ((whole, rest) if point else (whole,)))

    def is_date(packed: bytes, mask: int) -> bool:
        """Return whether four bytes are a year, a month and a day; no leap days."""
        year = packed[0] * 256 + packed[1]
        month = packed[2] & mask
        day = packed[3]
        last = 28 if month == 2 else 30 if month in (4, 6, 9, 11) else 31
        return 1 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= last

    def is_time(packed: bytes, start: int) -> bool:
        """Return whether six bytes from *start* on are a time; at the very start, the highest bit is the fold."""
        hour = packed[start] if start else packed[start] & 0x7F
        fraction = (packed[start + 3] * 256 + packed[start + 4]) * 256 + packed[start + 5]
        return hour < 24 and packed[start + 1] < 60 and packed[start + 2] < 60 and fraction < 1_000_000


def _find_types() -> None:
    global _DATETIME, _DATE, _TIME, _TIMEDELTA, _TIMEZONE, _DECIMAL  # noqa: PLW0603 (found once, for the process)
    import datetime as dt
    import decimal

    _DATETIME, _DATE, _TIME = dt.datetime, dt.date, dt.time
    _TIMEDELTA, _TIMEZONE = dt.timedelta, dt.timezone
    _DECIMAL = decimal.Decimal  # the last one: it tells that all are known


def _is_below(number: Any, bound: int) -> bool:
    return type(number) is int and 0 <= number < bound
