"""What comes of a load: its value, described type by type with its sharing, or where and how it failed.

Two loads agree if their outcomes are equal. A description tells 1 from True and 1.0, -0.0 from 0.0, the
order of
a dict and which containers are one and the same object; whether two leaves are one object is left to the
implementations, which cache some of them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import safepickle
from safepickle import _forms
from safepickle.errors import SafePickleError

#: The package in each form that there is.
PACKAGES: tuple[ModuleType, ...] = (
    (safepickle, _forms.python_form()) if safepickle.COMPILED else (_forms.python_form(),)
)


class Outcome(NamedTuple):
    """A value as described, or an error."""

    value: Any = None
    error: str = ""
    position: int | None = None
    opcode: str | None = None
    message: str = ""


def describe(value: Any, seen: dict[int, int] | None = None) -> Any:
    """Return *value* as a tree of tuples that compares type by type, containers numbered as they are met."""
    if seen is None:
        seen = {}
    kind = type(value)
    name = kind.__name__
    if kind is float:
        return name, struct.pack(">d", value)
    if kind is complex:
        return name, struct.pack(">dd", value.real, value.imag)
    if kind not in (list, dict, set, frozenset, tuple, bytearray, memoryview, slice):
        return name, repr(value)
    if value in ((), frozenset()):
        return name, ()
    if id(value) in seen:
        return name, seen[id(value)]
    seen[id(value)] = number = len(seen)
    if kind is dict:
        body: Any = tuple((describe(key, seen), describe(item, seen)) for key, item in value.items())
    elif kind in (set, frozenset):
        # In the order of a set there is nothing to compare.
        body = tuple(sorted((describe(item, {}) for item in value), key=repr))
    elif kind is memoryview:
        body = value.readonly, value.tobytes()
    elif kind is bytearray:
        body = bytes(value)
    elif kind is slice:
        body = tuple(describe(part, seen) for part in (value.start, value.stop, value.step))
    else:
        body = tuple(describe(item, seen) for item in value)
    return name, number, body


def outcome(load: Callable[[], Any]) -> Outcome:
    """Call *load* and return what comes of it; anything but a SafePickleError passes through."""
    try:
        return Outcome(value=describe(load()))
    except SafePickleError as error:
        return failure(error)


def failure(error: SafePickleError) -> Outcome:
    """Return what an error says, and hold it to what every error says."""
    message = str(error)
    assert message.isascii()
    assert message.isprintable()
    assert len(message) <= 1000
    return Outcome(None, type(error).__name__, error.position, error.opcode, message)


def agreed(load: Callable[[ModuleType], Any]) -> Outcome:
    """Return the outcome of a load, which must be the same in all forms."""
    first, *others = (outcome(lambda package=package: load(package)) for package in PACKAGES)
    for other in others:
        assert other == first
    return first
