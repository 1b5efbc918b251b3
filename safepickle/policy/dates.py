"""Contracts for dates and times: which arguments picklers write for them, checked field by field.

Rules that hold here:

* A date made of any bytes is a date that its constructor has not looked at: year 0 ends the interpreter in ``ctime()``.
* Those of :mod:`.contracts`, whose table names these checks.
"""

from __future__ import annotations

import re

from .parts import Args, exact_fields, has_base, is_int, is_text

__all__ = [
    "check_date",
    "check_datetime",
    "check_struct_time",
    "check_time",
    "check_timedelta",
    "check_timezone",
    "check_zoneinfo",
]


def _packed(value: object, length: int) -> bytes | None:
    """Return the packed fields of a date or time. Python 2 wrote them as a str, read here as latin-1 text."""
    if type(value) is bytes and len(value) == length:
        return value
    if type(value) is str and len(value) == length:
        try:
            return value.encode("latin-1")
        except UnicodeEncodeError:
            return None
    return None


_DAYS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _is_date(year: int, month: int, day: int) -> bool:
    if not (1 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= _DAYS[month]):
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return leap or (month, day) != (2, 29)


def _is_time(fields: bytes) -> bool:
    hour, minute, second = fields[0], fields[1], fields[2]
    return hour < 24 and minute < 60 and second < 60 and int.from_bytes(fields[3:6], "big") < 1_000_000


def _is_zone(args: Args) -> bool:
    if not args:
        return True
    from datetime import tzinfo

    return len(args) == 1 and (args[0] is None or has_base(args[0], tzinfo))


def _small_ints(args: Args, fewest: int, most: int) -> bool:
    if not fewest <= len(args) <= most:
        return False
    return all(type(value) is int and 0 <= value <= 999_999 for value in args)


def check_date(args: Args) -> str | None:
    """Return what is wrong with the arguments of a date, or None."""
    if _small_ints(args, 3, 3):
        return None
    fields = _packed(args[0], 4) if len(args) == 1 else None
    if fields is None:
        return "wants 4 packed bytes, or year, month and day"
    return None if _is_date(fields[0] * 256 + fields[1], fields[2], fields[3]) else "no such date"


def check_time(args: Args) -> str | None:
    """Return what is wrong with the arguments of a time, or None."""
    if _small_ints(args[:4], 1, 4) and (len(args) <= 4 or _is_zone(args[4:])):
        return None
    fields = _packed(args[0], 6) if args else None
    if fields is None:
        return "wants 6 packed bytes and a time zone, or up to 4 small ints"
    if not _is_zone(args[1:]):
        return "the second argument is no time zone"
    # The highest bit of the first byte is the fold, from protocol 4 on.
    return None if _is_time(bytes([fields[0] & 0x7F]) + fields[1:]) else "no such time"


def check_datetime(args: Args) -> str | None:
    """Return what is wrong with the arguments of a date and time, or None."""
    # Classes derived from it (pendulum's) are written as all of their fields and the zone.
    if _small_ints(args[:7], 3, 7) and (len(args) <= 7 or _is_zone(args[7:])):
        return None
    fields = _packed(args[0], 10) if args else None
    if fields is None:
        return "wants 10 packed bytes and a time zone, or 3 to 7 small ints and one"
    if not _is_zone(args[1:]):
        return "the second argument is no time zone"
    # The highest bit of the month is the fold, from protocol 4 on.
    valid = _is_date(fields[0] * 256 + fields[1], fields[2] & 0x7F, fields[3]) and _is_time(fields[4:])
    return None if valid else "no such date and time"


def check_timedelta(args: Args) -> str | None:
    """Return what is wrong with the arguments of a time difference, or None."""
    if len(args) == 3:
        days, seconds, microseconds = args
        if is_int(days, -999_999_999, 999_999_999) and is_int(seconds, 0, 86_399) and is_int(microseconds, 0, 999_999):
            return None
    return "wants days, seconds and microseconds as ints within their ranges"


def check_timezone(args: Args) -> str | None:
    """Return what is wrong with the arguments of a fixed time zone, or None."""
    from datetime import timedelta

    if len(args) in {1, 2} and type(args[0]) is timedelta and all(is_text(name, 100) for name in args[1:]):
        return None
    return "wants a timedelta and a short name"


# Patterns are text: `re` compiles them when they are first used, and keeps them.
_ZONE_KEY = r"[A-Za-z0-9][A-Za-z0-9_+-]*(?:/[A-Za-z0-9][A-Za-z0-9_+-]*){0,3}"


def check_zoneinfo(args: Args) -> str | None:
    """Return what is wrong with the arguments of ``ZoneInfo._unpickle``, or None."""
    if len(args) != 2 or not is_text(args[0], 100) or re.fullmatch(_ZONE_KEY, args[0]) is None:
        return "wants a zone's key, such as Europe/Vienna, and whether it comes from the cache"
    if args[1] is True or is_int(args[1], 1, 1):
        return None
    return "a zone outside the cache is read from its file each time"


def check_struct_time(args: Args) -> str | None:
    """Return what is wrong with the arguments of ``time.struct_time``, or None."""
    if len(args) not in {1, 2} or type(args[0]) is not tuple or not 9 <= len(args[0]) <= 11:
        return "wants a tuple of 9 to 11 fields, and a dict"
    if not all(is_int(value, -(2**63), 2**63) for value in args[0][:9]):
        return "its first 9 fields are ints"
    more = dict(zip(("tm_zone", "tm_gmtoff"), args[0][9:], strict=False))
    if len(args) == 2:
        fields = exact_fields(args[1], "", "tm_zone tm_gmtoff")
        if fields is None:
            return "the second argument is a dict of tm_zone and tm_gmtoff"
        more |= fields
    for value in more.values():
        if value is not None and not is_text(value, 100) and not is_int(value, -(2**31), 2**31):
            return "tm_zone is a short text and tm_gmtoff an int"
    return None
