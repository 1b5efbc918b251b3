# cython: annotation_typing=False
"""Arguments that a contract surely takes: the most frequent forms of dates, times, Decimals and empty collections.

Rules that hold here:

* This only ever says yes where the contract of :mod:`safepickle.policy.contracts` says yes; what is anything but plain
  goes to the contract. A test holds the two together.
* It is here for speed alone: the contract takes three times as long as all of pickle takes for a date.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict, defaultdict, deque
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
#: What makes the same of a short number as Decimal does, in half the time.
_NEW_DECIMAL: Any = None

#: Characters of a Decimal that are looked at here.
_SHORT = 60

#: Whose arguments are looked at.
NOBODY, A_DATETIME, A_DATE, A_TIME, A_TIMEDELTA, A_DECIMAL, A_COUNTER = range(7)
A_DEQUE, AN_ORDERED_DICT, A_DEFAULTDICT = range(7, 10)
#: Those from here on are made empty, and filled by other opcodes.
MADE_EMPTY = A_DEQUE
#: Lengths that a deque may have at most and that are looked at here.
_LONGEST = 2**62
_DEQUE: Any = deque
_ORDERED_DICT: Any = OrderedDict
_DEFAULTDICT: Any = defaultdict
_COUNTER: Any = Counter


def is_usual(func: Any, args: tuple[Any, ...]) -> bool:
    """Return whether the contract of *func* surely takes these arguments."""
    return fits(form_of(func), args)


def form_of(func: Any) -> int:
    """Return what :func:`fits` is to be asked about *func*, 0 for nothing."""
    if _DECIMAL is None:
        _find_types()
    if func is _DATETIME:
        return A_DATETIME
    if func is _DECIMAL:
        return A_DECIMAL
    if func is _DATE:
        return A_DATE
    if func is _TIME:
        return A_TIME
    if func is _TIMEDELTA:
        return A_TIMEDELTA
    if func is _DEQUE:
        return A_DEQUE
    if func is _ORDERED_DICT:
        return AN_ORDERED_DICT
    if func is _COUNTER:
        return A_COUNTER
    return A_DEFAULTDICT if func is _DEFAULTDICT else NOBODY


def fits(form: int, args: tuple[Any, ...]) -> bool:
    """Return whether a contract surely takes these arguments; *form* is what :func:`form_of` says of the callable."""
    count = len(args)
    if form >= MADE_EMPTY:
        return count == 0 or fits_empty(form, args)
    if count == 0 or form == NOBODY:
        return False
    first = args[0]
    if form == A_TIMEDELTA:
        return count == 3 and _is_below(first, 1_000_000) and _is_below(args[1], 86_400) and _is_below(args[2], 10**6)
    if form == A_DECIMAL:
        return count == 1 and type(first) is str and len(first) <= _SHORT and is_number(first)
    if type(first) is not bytes or count > 2 or (count == 2 and args[1] is None):
        return False
    return fits_packed(form, first, 0, len(first), args[1] if count == 2 else None)


def takes_dict(form: int, args: tuple[Any, ...]) -> bool:
    """Return whether these are arguments of a Counter as it is written: one dict, which its contract takes.

    What is in there is looked at and paid for as for other calls, where a contract that passed would be asked no more.
    """
    return form == A_COUNTER and len(args) == 1 and type(args[0]) is dict


def fits_empty(form: int, args: tuple[Any, ...]) -> bool:
    """Return whether these are arguments of a deque without items, or of a defaultdict that calls nothing."""
    count = len(args)
    first = args[0]
    if form == A_DEFAULTDICT:
        return count == 1 and first is None
    if form != A_DEQUE or (type(first) is not tuple and type(first) is not list) or len(first) > 0:
        return False
    return count == 1 or (count == 2 and (args[1] is None or _is_below(args[1], _LONGEST)))


def fits_packed(form: int, data: bytes, start: int, length: int, zone: Any) -> bool:
    """Return the same for arguments as they stand in a pickle: bytes of *data*, and a time zone or None."""
    if zone is not None and (type(zone) is not _TIMEZONE or (form != A_DATETIME and form != A_TIME)):
        return False
    if form == A_DATETIME:
        # The highest bit of the month is the fold (PEP 495), as is that of the hour of a time alone.
        return length == 10 and is_date(data, start, 0x7F) and is_time(data, start + 4, 0xFF)
    if form == A_DECIMAL:
        return length <= _SHORT and is_digits(data, start, length)
    if form == A_DATE:
        return length == 4 and is_date(data, start, 0xFF)
    return form == A_TIME and length == 6 and is_time(data, start, 0x7F)


def new_decimal(text: str) -> Any:
    """Return the Decimal of what :func:`is_number` says yes of, or what is of another class."""
    return _NEW_DECIMAL(text)


if not cython.compiled:

    _NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
    _DIGITS = re.compile(_NUMBER.pattern.encode())

    def is_number(text: str) -> bool:
        """Return whether a text is digits, perhaps with a sign before and a point between them."""
        return _NUMBER.fullmatch(text) is not None

    def is_digits(data: bytes, start: int, length: int) -> bool:
        """Return the same of bytes."""
        return _DIGITS.fullmatch(data, start, start + length) is not None

    def is_date(data: bytes, start: int, mask: int) -> bool:
        """Return whether four bytes from *start* on are a year, a month and a day."""
        year = data[start] * 256 + data[start + 1]
        month = data[start + 2] & mask
        day = data[start + 3]
        is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        last = 28 + is_leap if month == 2 else 30 if month in (4, 6, 9, 11) else 31
        return 1 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= last

    def is_time(data: bytes, start: int, mask: int) -> bool:
        """Return whether six bytes from *start* on are a time."""
        fraction = (data[start + 3] * 256 + data[start + 4]) * 256 + data[start + 5]
        return data[start] & mask < 24 and data[start + 1] < 60 and data[start + 2] < 60 and fraction < 1_000_000


def _find_types() -> None:
    global _DATETIME, _DATE, _TIME, _TIMEDELTA, _TIMEZONE, _DECIMAL, _NEW_DECIMAL  # noqa: PLW0603 (found once, for the process)
    import datetime as dt
    import decimal

    _DATETIME, _DATE, _TIME = dt.datetime, dt.date, dt.time
    _TIMEDELTA, _TIMEZONE = dt.timedelta, dt.timezone
    _NEW_DECIMAL = _maker_of(decimal.Decimal)
    _DECIMAL = decimal.Decimal  # the last one: it tells that all are known


def _maker_of(kind: Any) -> Any:
    """Return what makes Decimals of digits: the class, or a context that is exact up to the digits that it has.

    The class looks for keywords, and for a context of the thread's. Only what is C is taken in its place: a program may
    have classes of its own stand for Decimal, or for Context.
    """
    try:
        import _decimal
    except ImportError:
        return kind
    if kind is not _decimal.Decimal:
        return kind
    bounds = _decimal.MIN_EMIN, _decimal.MAX_EMAX
    return _decimal.Context(_SHORT, _decimal.ROUND_HALF_EVEN, *bounds, 1, 0, [], []).create_decimal


def _is_below(number: Any, bound: int) -> bool:
    return type(number) is int and 0 <= number < bound
