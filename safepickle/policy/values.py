"""Guards of single values: numbers, texts, enumerations, instances and globals.

Rules that hold here:

* Those of :mod:`.guards`. A bool is no int, and what is derived from a built-in type is not of that type.
* A class is looked for whenever it is asked for: which one a name stands for is not remembered.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ..errors import quote
from .guards import Looking, Refusal, ValueGuard, length_text, wants
from .patterns import MAX_TEXT, compile_pattern

__all__ = ["BUILTINS", "SCALARS", "InstanceOf", "Number", "OneOf", "Text", "TheGlobal", "find_loaded"]

#: The built-in types that a policy names by one word.
BUILTINS: Mapping[str, type] = MappingProxyType(
    {
        "none": type(None),
        **{
            kind.__name__: kind
            for kind in (
                bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, range, slice,
            )
        },
    }
)  # fmt: skip

#: Types of which an enumeration can be.
SCALARS = frozenset({bool, int, float, str, bytes, type(None)})
_MRO = type.__dict__["__mro__"]
_DICT = type.__dict__["__dict__"]


class Number(ValueGuard):
    """A value of one built-in type, a number within a range."""

    __slots__ = ("high", "kind", "low")

    kind: Any
    low: float | None
    high: float | None

    def __init__(self, kind: str, low: float | None = None, high: float | None = None) -> None:
        if low is not None and high is not None and low > high:
            raise ValueError(f"min = {low} is above max = {high}")
        put = object.__setattr__
        put(self, "kind", BUILTINS[kind])
        put(self, "low", low)
        put(self, "high", high)
        self._freeze(kind + _range(low, high), kind, low, high)

    def look_at(self, value: Any, look: Looking) -> Refusal | None:
        if type(value) is not self.kind:
            return ("", wants(self, value))
        # Written so that a NaN, which is neither below nor above, does not pass.
        if self.low is not None and not value >= self.low:
            return ("", f"wants {self.text}")
        if self.high is not None and not value <= self.high:
            return ("", f"wants {self.text}")
        return None


class Text(ValueGuard):
    """A str, bytes or bytearray of some length, which a pattern may have to match."""

    __slots__ = ("high", "kind", "low", "match")

    kind: Any
    low: int
    high: int | None
    match: Callable[[str], Any] | None

    def __init__(self, kind: str, low: int | None = None, high: int | None = None, pattern: str | None = None) -> None:
        put = object.__setattr__
        put(self, "kind", BUILTINS[kind])
        put(self, "low", low or 0)
        put(self, "high", high)
        put(self, "match", None)
        text = kind + length_text(low, high)
        if pattern is not None:
            put(self, "match", compile_pattern(pattern, high).fullmatch)
            put(self, "high", MAX_TEXT if high is None else min(high, MAX_TEXT))
            text += f" matching {pattern!a}"
        self._freeze(text, kind, low, high, pattern)

    def look_at(self, value: Any, look: Looking) -> Refusal | None:
        if type(value) is not self.kind:
            return ("", wants(self, value))
        size = len(value)
        if size < self.low or (self.high is not None and size > self.high):
            return ("", f"wants {self.text}, has {size}")
        if self.match is not None:
            look.spend(1 + size // 16)
            if self.match(value if self.kind is str else str(value, "latin-1")) is None:
                return ("", f"wants {self.text}")
        return None


class OneOf(ValueGuard):
    """One of some plain values, of the same type."""

    __slots__ = ("values",)

    values: frozenset[tuple[type, Any]]

    def __init__(self, values: Iterable[Any]) -> None:
        found = tuple(values)
        for value in found:
            if type(value) not in SCALARS:
                raise ValueError(f"an enum holds texts, numbers, true and false, not {quote(value)}")
        if not found:
            raise ValueError("an enum of nothing refuses everything; leave the rule out")
        object.__setattr__(self, "values", frozenset((type(value), value) for value in found))
        shown = sorted({ascii(value) for value in found})
        self._freeze("one of " + ", ".join(shown), found)

    def look_at(self, value: Any, look: Looking) -> Refusal | None:
        kind = type(value)
        if kind in SCALARS and (kind, value) in self.values:
            return None
        text = self.text if len(self.text) <= 200 else f"{self.text[:200]}..."
        return ("", f"wants {text}")


class InstanceOf(ValueGuard):
    """An instance of one class, by identity; of a class derived from it too where the policy says so."""

    __slots__ = ("derived", "module", "name")

    module: str
    name: str
    derived: bool

    def __init__(self, module: str, name: str, derived: bool = False) -> None:
        put = object.__setattr__
        put(self, "module", module)
        put(self, "name", name)
        put(self, "derived", derived)
        self._freeze(f"{module}:{name}{' or derived' * derived}", module, name, derived)

    def look_at(self, value: Any, look: Looking) -> Refusal | None:
        wanted = find_loaded(self.module, self.name)
        kind = type(value)
        if wanted is not None and (kind is wanted or (self.derived and _derives(kind, wanted))):
            return None
        return ("", wants(self, value))


class TheGlobal(ValueGuard):
    """One of some globals themselves, by identity: a class that is passed, not an instance of it."""

    __slots__ = ("derived", "pairs")

    pairs: tuple[tuple[str, str], ...]
    derived: bool

    def __init__(self, pairs: Iterable[tuple[str, str]], derived: bool = False) -> None:
        found = tuple(sorted(set(pairs)))
        object.__setattr__(self, "pairs", found)
        object.__setattr__(self, "derived", derived)
        shown = " or ".join(f"{module}:{name}" for module, name in found)
        self._freeze(f"the global {shown}{' or derived' * derived}", found, derived)

    def look_at(self, value: Any, look: Looking) -> Refusal | None:
        is_class = self.derived and _derives(type(value), type)
        for module, name in self.pairs:
            wanted = find_loaded(module, name)
            if wanted is not None and (value is wanted or (is_class and _derives(value, wanted))):
                return None
        return ("", f"wants {self.text}")


def find_loaded(module: str, name: str) -> Any:
    """Return a global of a loaded module, walking through classes; None if there is none. Runs no code."""
    found = sys.modules.get(module)
    if found is None:
        return None
    first, *rest = name.split(".")
    names = getattr(found, "__dict__", None)
    target = names.get(first) if type(names) is dict else None
    for part in rest:
        if not _derives(type(target), type):
            return None
        target = _DICT.__get__(target).get(part)  # pyright: ignore[reportIndexIssue]
    return target


def _derives(kind: Any, base: Any) -> bool:
    """Say whether a class is another one or derived from it, by identity and without asking either."""
    return any(cls is base for cls in _MRO.__get__(kind))  # pyright: ignore[reportIndexIssue]


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if low is not None:
        return f" of at least {low}"
    return "" if high is None else f" of at most {high}"
