"""Guards of containers: how long they are, and what is in them.

Rules that hold here:

* Those of :mod:`.guards`. What looks at all items of a container has a bound on their number, and is paid for.
* A list, dict or set may change after it has passed: guards that look into one say so (``deep``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ..errors import quote
from .guards import Looking, Refusal, ValueGuard, any_deep, kind_of, length_text, wants
from .values import BUILTINS

__all__ = ["MAX_ITEMS", "Elements", "Entries", "Fields", "Items", "fields_refusal", "fields_text"]

#: Most items that a guard looks at in one container, unless the policy gives a ``max_length`` of its own.
MAX_ITEMS = 100_000


class Items(ValueGuard):
    """A list, tuple, set, frozenset or bytearray of some length, with items that all pass one guard."""

    __slots__ = ("high", "items", "kind", "low")

    kind: Any
    low: int
    high: int | None
    items: ValueGuard | None

    def __init__(
        self, kind: str, low: int | None = None, high: int | None = None, items: ValueGuard | None = None
    ) -> None:
        put = object.__setattr__
        put(self, "kind", BUILTINS[kind])
        put(self, "low", low or 0)
        put(self, "high", MAX_ITEMS if high is None and items is not None else high)
        put(self, "items", items)
        inside = "" if items is None else f" with items ({items.text})"
        looks_inside = low is not None or high is not None or items is not None
        deep = (items is not None and items.deep) or (looks_inside and kind not in ("tuple", "frozenset"))
        self._freeze(kind + length_text(low, high) + inside, kind, low, high, items, deep=deep)

    def look_at(self, value: Any, look: Looking) -> Refusal | None:
        if type(value) is not self.kind:
            return ("", wants(self, value))
        size = len(value)
        if (size < self.low or (self.high is not None and size > self.high)) and not _may_shrink(value, look):
            return ("", f"wants {self.kind.__name__}{length_text(self.low, self.high)}, has {size}")
        if self.items is not None:
            look.spend(size)
            refusal = self.items.refusal
            for index, item in enumerate(value):
                wrong = refusal(item, look)
                if wrong is not None:
                    return (f"[{index}]{wrong[0]}", wrong[1])
        return None


class Elements(ValueGuard):
    """A list or tuple whose elements each have a guard of their own."""

    __slots__ = ("elements", "kind")

    kind: Any
    elements: tuple[ValueGuard, ...]

    def __init__(self, kind: str, elements: Iterable[ValueGuard]) -> None:
        found = tuple(elements)
        object.__setattr__(self, "kind", BUILTINS[kind])
        object.__setattr__(self, "elements", found)
        self._freeze(f"{kind} of ({'; '.join(guard.text for guard in found)})", kind, found, deep=any_deep(found, kind))

    def look_at(self, value: Any, look: Looking) -> Refusal | None:
        if type(value) is not self.kind:
            return ("", f"wants {self.kind.__name__} of {len(self.elements)}, got {kind_of(value)}")
        if len(value) != len(self.elements):
            return ("", f"wants {len(self.elements)} elements, has {len(value)}")
        for index, guard in enumerate(self.elements):
            wrong = guard.refusal(value[index], look)
            if wrong is not None:
                return (f"[{index}]{wrong[0]}", wrong[1])
        return None


class Entries(ValueGuard):
    """A dict of some length, with a guard for all keys and one for all values."""

    __slots__ = ("high", "keys", "low", "values")

    low: int
    high: int | None
    keys: ValueGuard | None
    values: ValueGuard | None

    def __init__(
        self,
        low: int | None = None,
        high: int | None = None,
        keys: ValueGuard | None = None,
        values: ValueGuard | None = None,
    ) -> None:
        looks_inside = keys is not None or values is not None
        put = object.__setattr__
        put(self, "low", low or 0)
        put(self, "high", MAX_ITEMS if high is None and looks_inside else high)
        put(self, "keys", keys)
        put(self, "values", values)
        text = "dict" + length_text(low, high)
        text += "" if keys is None else f" with keys ({keys.text})"
        text += "" if values is None else f" with values ({values.text})"
        self._freeze(text, low, high, keys, values, deep=looks_inside or low is not None or high is not None)

    def look_at(self, value: Any, look: Looking) -> Refusal | None:
        if type(value) is not dict:
            return ("", f"wants dict, got {kind_of(value)}")
        size = len(value)
        if (size < self.low or (self.high is not None and size > self.high)) and not _may_shrink(value, look):
            return ("", f"wants dict{length_text(self.low, self.high)}, has {size}")
        if self.keys is not None or self.values is not None:
            look.spend(size)
        if self.keys is not None:
            for key in value:
                wrong = self.keys.refusal(key, look)
                if wrong is not None:
                    return (f" key {quote(key)}{wrong[0]}", wrong[1])
        if self.values is not None:
            for key, item in value.items():
                wrong = self.values.refusal(item, look)
                if wrong is not None:
                    return (f"[{quote(key)}]{wrong[0]}", wrong[1])
        return None


class Fields(ValueGuard):
    """A dict with text keys that are all known, each with a guard of its own."""

    __slots__ = ("guards", "optional")

    guards: Mapping[str, ValueGuard]
    optional: frozenset[str]

    def __init__(self, guards: Mapping[str, ValueGuard], optional: Iterable[str] = ()) -> None:
        left_out = frozenset(optional)
        object.__setattr__(self, "guards", MappingProxyType(dict(guards)))
        object.__setattr__(self, "optional", left_out)
        self._freeze(f"dict of {fields_text(guards, left_out)}", deep=True)

    def __reduce__(self) -> Any:
        return (type(self), (dict(self.guards), tuple(sorted(self.optional))))

    def look_at(self, value: Any, look: Looking) -> Refusal | None:
        if type(value) is not dict:
            return ("", f"wants dict, got {kind_of(value)}")
        return fields_refusal(self.guards, self.optional, value, "[{}]", look)


def _may_shrink(value: Any, look: Looking) -> bool:
    """Say whether things that were not made may be equal once they are: then nobody knows how many there will be."""
    return type(value) not in (list, tuple) and any(type(key) is look.stand_in for key in value)


def fields_refusal(
    guards: Mapping[str, ValueGuard],
    optional: frozenset[str],
    fields: Mapping[Any, Any],
    place: str,
    look: Looking,
) -> Refusal | None:
    """Return what is wrong with values by name; *place* is how one of them is shown."""
    for key, value in fields.items():
        if type(key) is look.stand_in:
            return None
        # Asked before the look-up: that would hash and compare a key of a class of its own.
        guard = guards.get(key) if type(key) is str else None
        if guard is None:
            known = ", ".join(guards)
            return ("", f"{quote(key)} is not one of {known[:200] or 'none'}")
        wrong = guard.refusal(value, look)
        if wrong is not None:
            shown = key if place[0] == "." and key.isidentifier() and key.isascii() else quote(key)
            return (place.format(shown) + wrong[0], wrong[1])
    if len(fields) < len(guards):
        for key in guards:
            if key not in fields and key not in optional:
                return ("", f"{quote(key)} is missing")
    return None


def fields_text(guards: Mapping[str, ValueGuard], optional: frozenset[str]) -> str:
    """Return the text of guards by name; their order does not count."""
    inside = (f"{key!a}{'?' * (key in optional)}: {guards[key].text}" for key in sorted(guards))
    return "{" + "; ".join(inside) + "}"
