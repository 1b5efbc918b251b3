"""Contracts for what pandas hashes or reads as text while it loads: names of indexes and columns, frequencies, zones.

Rules that hold here:

* A name is hashed where nobody charges for it, and whoever hashes a tuple visits what is shared in it again and again
  (D06): so a name is text, a number or a date, or a tuple of few such, each counted as often as it is visited.
* A frequency as text is taken apart by patterns that look at every part of it from every place: so it is short.
* A zone as text may be the name of a file: so it is an object, which has been made under its own contract.
"""

from __future__ import annotations

from typing import Any

from .library_parts import is_one

__all__ = ["are_texts", "is_label", "wrong_fields"]

#: As many parts as a name may have: columns of several levels have one for each.
_MOST_PARTS = 1000
_MOST_NAMES, _LONGEST_NAME = 1000, 200
#: As long as the text of a frequency may be: such as W-MON, or 15min.
_LONGEST = 40
_PLAIN = frozenset({str, int, float, bool, bytes, complex, range, type, type(None)})
#: Classes beside them, and what derives from these: their hash asks for text and numbers.
_SHORT = (
    ("datetime", "date"), ("datetime", "time"), ("datetime", "timedelta"), ("datetime", "timezone"),
    ("decimal", "Decimal"), ("fractions", "Fraction"), ("uuid", "UUID"), ("enum", "Enum"), ("pathlib", "PurePath"),
    ("numpy", "number"), ("numpy", "bool_"), ("numpy", "character"), ("numpy", "datetime64"),
    ("pandas", "Period"), ("pandas", "Interval"), ("pandas._libs.missing", "NAType"),
)  # fmt: skip


def is_label(value: Any) -> bool:
    """Say whether a value may be a name: what hashing it visits is little."""
    pending = [value]
    left = _MOST_PARTS
    while pending:
        value = pending.pop()
        kind = type(value)
        if kind in _PLAIN:
            continue
        if issubclass(kind, tuple):
            left -= tuple.__len__(value)
            if left < 0:
                return False
            pending += tuple.__iter__(value)
        elif not any(is_one(value, *pair) for pair in _SHORT):
            return False
    return True


def _are_labels(value: Any) -> bool:
    """Say whether a value may be the names of several levels."""
    if value is None:
        return True
    return type(value) in (list, tuple) and len(value) <= _MOST_NAMES and all(map(is_label, value))


def are_texts(value: Any) -> bool:
    """Say whether a value may be what a frame has attributes for."""
    if type(value) not in (list, tuple) or len(value) > _MOST_NAMES:
        return False
    return all(type(name) is str and len(name) <= _LONGEST_NAME for name in value)


def _is_frequency(value: Any) -> bool:
    """Say whether a value may be a frequency."""
    if value is None or is_one(value, "pandas._libs.tslibs.offsets", "BaseOffset"):
        return True
    return type(value) is str and len(value) <= _LONGEST


def _is_zone(value: Any) -> bool:
    """Say whether a value may be a time zone."""
    return value is None or is_one(value, "datetime", "tzinfo")


def wrong_fields(fields: dict[str, Any]) -> str | None:
    """Say what is wrong with what an index is called, how often its times are, and in which zone."""
    if not is_label(fields.get("name")) or not _are_labels(fields.get("names")):
        return "its name has more parts than are hashed at once"
    if not _is_frequency(fields.get("freq")):
        return "its frequency is neither one of pandas nor a short text"
    return None if _is_zone(fields.get("tz")) else "its zone is no time zone"
