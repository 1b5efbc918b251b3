"""What the contracts ask in many places: exact types, bounds, keys.

Rules that hold here:

* No method of a value from the stream is called, and its class is not asked what it is.
"""

from __future__ import annotations

import pickle
from typing import Any

__all__ = ["BUFFERS", "Args", "Kwargs", "exact_fields", "has_base", "is_buffer", "is_int", "is_text"]

Args = tuple[Any, ...]
Kwargs = dict[str, Any]

#: What picklers write of bytes, or take for them.
BUFFERS = frozenset({bytes, bytearray, memoryview, pickle.PickleBuffer})


def is_int(value: object, low: int, high: int) -> bool:
    """Say whether a value is an exact int within a range."""
    return type(value) is int and low <= value <= high


def is_text(value: object, longest: int) -> bool:
    """Say whether a value is an exact str of some length."""
    return type(value) is str and len(value) <= longest


def is_buffer(value: object) -> bool:
    """Say whether a value is bytes, of one of the types that picklers write of them or take for them."""
    return type(value) in BUFFERS


def has_base(value: object, base: type) -> bool:
    """Say whether a value is an instance, without isinstance(): that asks the value for its __class__."""
    return any(cls is base for cls in type(value).__mro__)


def exact_fields(state: object, required: str, optional: str = "") -> dict[str, Any] | None:
    """Return a value if it is an exact dict of these keys, all of them text."""
    if type(state) is not dict or not all(type(key) is str for key in state):
        return None
    must = set(required.split())
    return state if must <= state.keys() <= must | set(optional.split()) else None
