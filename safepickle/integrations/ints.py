"""Ints that stay digits, because databases count in them."""

from __future__ import annotations

from typing import Any

__all__ = ["is_countable", "is_int"]

_INT64 = 1 << 63


def is_countable(value: Any) -> bool:
    """Whether a value is an int that ``INCRBY`` can count on. By type: True is no counter."""
    return type(value) is int and -_INT64 <= value < _INT64


def is_int(data: Any) -> bool:
    """Whether bytes are an int as ``INCRBY`` writes it: no spaces, underscores, plus signs or leading zeros.

    A signed entry is never one: it begins with a byte that is no digit.
    """
    if len(data) > 20:
        return False
    text = bytes(data)
    digits = text.removeprefix(b"-")
    return digits.isdigit() and (text == b"0" or digits[:1] != b"0")
