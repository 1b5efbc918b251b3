"""Guards: what a rule asks of arguments and of state, as small values that check.

Rules that hold here:

* A guard is immutable, hashable, picklable and the same on every machine: its text is its identity, and part of the
  policy's fingerprint.
* A guard sees hostile values. It compares *exact* types, looks only into built-in containers of exact type, and calls
  no method of any other object; a class is found by identity, in modules that are loaded already, and never imported.
* The work is bounded by the policy's own text, but for items of containers and for patterns: whoever checks is told
  of those (``spend``), so that a list shared by a million objects is paid for a million times.
* A refusal is a place and what was expected there; it says no more of the value than its type.

Values are guarded by :class:`Value` and its kin, the arguments of a call by :class:`Arguments` and
:class:`AtMost`, the state of an
instance by :class:`Attributes` or :class:`WholeState`. :func:`either` and :func:`both` put guards together; None
stands for no constraint.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from ..errors import quote
from .patterns import MAX_TEXT, compile_pattern

__all__ = [
    "ANYTHING",
    "BUILTINS",
    "MAX_ITEMS",
    "AllOf",
    "AnyOf",
    "Anything",
    "Arguments",
    "AtMost",
    "Attributes",
    "Elements",
    "Entries",
    "Fields",
    "Guard",
    "InstanceOf",
    "Items",
    "Number",
    "OneOf",
    "Spend",
    "Text",
    "TheGlobal",
    "ValueGuard",
    "WholeState",
    "both",
    "call_freedom",
    "either",
    "find_loaded",
    "quick_fields",
]

#: Is told how many values are about to be looked at, and raises where that is too much.
Spend = Callable[[int], None]
#: Where in the value, and what was expected there.
Refusal = tuple[str, str]

#: Most items that a guard looks at in one container, unless the policy gives a ``max_length`` of its own.
MAX_ITEMS = 100_000

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

#: None is not among them: a look-up gives it for what is not there.
_QUICK_TYPES = frozenset({bool, int, float, complex, str, bytes})
_SCALARS = frozenset({bool, int, float, str, bytes, type(None)})
_MRO = type.__dict__["__mro__"]
_DICT = type.__dict__["__dict__"]


class Guard:
    """A constraint. Equal to another of the same text."""

    __slots__ = ("_arguments", "deep", "text")

    #: What it asks for, for messages and the fingerprint.
    text: str
    #: Whether it looks into lists, dicts or sets, which may change after it has passed them.
    deep: bool
    _arguments: tuple[Any, ...]

    def _freeze(self, text: str, *arguments: Any, deep: bool = False) -> None:
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "deep", deep)
        object.__setattr__(self, "_arguments", arguments)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a guard is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a guard is immutable")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Guard):
            return NotImplemented
        return type(self) is type(other) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.text}>"

    def __reduce__(self) -> Any:
        return (type(self), self._arguments)


# ---- values ------------------------------------------------------------------------------------------------


class ValueGuard(Guard):
    """A constraint of one value."""

    __slots__ = ()

    def refusal(self, value: Any, spend: Spend) -> Refusal | None:
        """Return where in *value* something else was expected, and what; None where it is fine."""
        raise NotImplementedError


class Anything(ValueGuard):
    """No constraint, where a value has to be."""

    __slots__ = ()

    def __init__(self) -> None:
        self._freeze("anything")

    def refusal(self, value: Any, spend: Spend) -> Refusal | None:
        return None


ANYTHING = Anything()


class Number(ValueGuard):
    """A value of one built-in type, a number within a range."""

    __slots__ = ("_high", "_low", "_type")

    def __init__(self, kind: str, low: float | None = None, high: float | None = None) -> None:
        if low is not None and high is not None and low > high:
            raise ValueError(f"min = {low} is above max = {high}")
        put = object.__setattr__
        put(self, "_type", BUILTINS[kind])
        put(self, "_low", low)
        put(self, "_high", high)
        self._freeze(kind + _range(low, high), kind, low, high)

    _type: Any
    _low: float | None
    _high: float | None

    def refusal(self, value: Any, spend: Spend) -> Refusal | None:
        if type(value) is not self._type:
            return ("", _wants(self, value))
        # Written so that a NaN, which is neither below nor above, does not pass.
        if self._low is not None and not value >= self._low:
            return ("", f"wants {self.text}")
        if self._high is not None and not value <= self._high:
            return ("", f"wants {self.text}")
        return None


class Text(ValueGuard):
    """A str, bytes or bytearray of some length, which a pattern may have to match."""

    __slots__ = ("_high", "_low", "_match", "_type")

    _type: Any
    _low: int
    _high: int | None
    _match: Callable[[str], Any] | None

    def __init__(self, kind: str, low: int | None = None, high: int | None = None, pattern: str | None = None) -> None:
        put = object.__setattr__
        put(self, "_type", BUILTINS[kind])
        put(self, "_low", low or 0)
        put(self, "_high", high)
        put(self, "_match", None)
        text = kind + _length(low, high)
        if pattern is not None:
            put(self, "_match", compile_pattern(pattern, high).fullmatch)
            put(self, "_high", MAX_TEXT if high is None else min(high, MAX_TEXT))
            text += f" matching {pattern!a}"
        self._freeze(text, kind, low, high, pattern)

    def refusal(self, value: Any, spend: Spend) -> Refusal | None:
        if type(value) is not self._type:
            return ("", _wants(self, value))
        size = len(value)
        if size < self._low or (self._high is not None and size > self._high):
            return ("", f"wants {self.text}, has {size}")
        if self._match is not None:
            spend(1 + size // 16)
            if self._match(value if self._type is str else str(value, "latin-1")) is None:
                return ("", f"wants {self.text}")
        return None


class OneOf(ValueGuard):
    """One of some plain values, of the same type."""

    __slots__ = ("_values",)

    _values: frozenset[tuple[type, Any]]

    def __init__(self, values: Iterable[Any]) -> None:
        found = tuple(values)
        for value in found:
            if type(value) not in _SCALARS:
                raise ValueError(f"an enum holds texts, numbers, true and false, not {quote(value)}")
        if not found:
            raise ValueError("an enum of nothing refuses everything; leave the rule out")
        object.__setattr__(self, "_values", frozenset((type(value), value) for value in found))
        shown = sorted({ascii(value) for value in found})
        self._freeze("one of " + ", ".join(shown), found)

    def refusal(self, value: Any, spend: Spend) -> Refusal | None:
        kind = type(value)
        if kind in _SCALARS and (kind, value) in self._values:
            return None
        text = self.text if len(self.text) <= 200 else f"{self.text[:200]}..."
        return ("", f"wants {text}")


class InstanceOf(ValueGuard):
    """An instance of one class, by identity; of a class derived from it too where the policy says so."""

    __slots__ = ("_derived", "_module", "_name")

    _module: str
    _name: str
    _derived: bool

    def __init__(self, module: str, name: str, derived: bool = False) -> None:
        put = object.__setattr__
        put(self, "_module", module)
        put(self, "_name", name)
        put(self, "_derived", derived)
        self._freeze(f"{module}:{name}{' or derived' * derived}", module, name, derived)

    def refusal(self, value: Any, spend: Spend) -> Refusal | None:
        wanted = find_loaded(self._module, self._name)
        kind = type(value)
        if wanted is not None and (kind is wanted or (self._derived and _derives(kind, wanted))):
            return None
        return ("", _wants(self, value))


class TheGlobal(ValueGuard):
    """One of some globals themselves, by identity: a class that is passed, not an instance of it."""

    __slots__ = ("_derived", "_pairs")

    _pairs: tuple[tuple[str, str], ...]
    _derived: bool

    def __init__(self, pairs: Iterable[tuple[str, str]], derived: bool = False) -> None:
        found = tuple(sorted(set(pairs)))
        object.__setattr__(self, "_pairs", found)
        object.__setattr__(self, "_derived", derived)
        shown = " or ".join(f"{module}:{name}" for module, name in found)
        self._freeze(f"the global {shown}{' or derived' * derived}", found, derived)

    def refusal(self, value: Any, spend: Spend) -> Refusal | None:
        is_class = self._derived and _derives(type(value), type)
        for module, name in self._pairs:
            wanted = find_loaded(module, name)
            if wanted is not None and (value is wanted or (is_class and _derives(value, wanted))):
                return None
        return ("", f"wants {self.text}")


class Items(ValueGuard):
    """A list, tuple, set, frozenset or bytearray of some length, with items that all pass one guard."""

    __slots__ = ("_high", "_items", "_low", "_type")

    _type: Any
    _low: int
    _high: int | None
    _items: ValueGuard | None

    def __init__(
        self, kind: str, low: int | None = None, high: int | None = None, items: ValueGuard | None = None
    ) -> None:
        put = object.__setattr__
        put(self, "_type", BUILTINS[kind])
        put(self, "_low", low or 0)
        put(self, "_high", MAX_ITEMS if high is None and items is not None else high)
        put(self, "_items", items)
        inside = "" if items is None else f" with items ({items.text})"
        looks_inside = low is not None or high is not None or items is not None
        deep = (items is not None and items.deep) or (looks_inside and kind not in ("tuple", "frozenset"))
        self._freeze(kind + _length(low, high) + inside, kind, low, high, items, deep=deep)

    def refusal(self, value: Any, spend: Spend) -> Refusal | None:
        if type(value) is not self._type:
            return ("", _wants(self, value))
        size = len(value)
        if size < self._low or (self._high is not None and size > self._high):
            return ("", f"wants {self._type.__name__}{_length(self._low, self._high)}, has {size}")
        if self._items is not None:
            spend(size)
            refusal = self._items.refusal
            for index, item in enumerate(value):
                wrong = refusal(item, spend)
                if wrong is not None:
                    return (f"[{index}]{wrong[0]}", wrong[1])
        return None


class Elements(ValueGuard):
    """A list or tuple whose elements each have a guard of their own."""

    __slots__ = ("_elements", "_type")

    _type: Any
    _elements: tuple[ValueGuard, ...]

    def __init__(self, kind: str, elements: Iterable[ValueGuard]) -> None:
        found = tuple(elements)
        object.__setattr__(self, "_type", BUILTINS[kind])
        object.__setattr__(self, "_elements", found)
        self._freeze(
            f"{kind} of ({'; '.join(guard.text for guard in found)})", kind, found, deep=_any_deep(found, kind)
        )

    def refusal(self, value: Any, spend: Spend) -> Refusal | None:
        if type(value) is not self._type:
            return ("", f"wants {self._type.__name__} of {len(self._elements)}, got {_kind(value)}")
        if len(value) != len(self._elements):
            return ("", f"wants {len(self._elements)} elements, has {len(value)}")
        for index, guard in enumerate(self._elements):
            wrong = guard.refusal(value[index], spend)
            if wrong is not None:
                return (f"[{index}]{wrong[0]}", wrong[1])
        return None


class Entries(ValueGuard):
    """A dict of some length, with a guard for all keys and one for all values."""

    __slots__ = ("_high", "_keys", "_low", "_values")

    _low: int
    _high: int | None
    _keys: ValueGuard | None
    _values: ValueGuard | None

    def __init__(
        self,
        low: int | None = None,
        high: int | None = None,
        keys: ValueGuard | None = None,
        values: ValueGuard | None = None,
    ) -> None:
        looks_inside = keys is not None or values is not None
        put = object.__setattr__
        put(self, "_low", low or 0)
        put(self, "_high", MAX_ITEMS if high is None and looks_inside else high)
        put(self, "_keys", keys)
        put(self, "_values", values)
        text = "dict" + _length(low, high)
        text += "" if keys is None else f" with keys ({keys.text})"
        text += "" if values is None else f" with values ({values.text})"
        self._freeze(text, low, high, keys, values, deep=looks_inside or low is not None or high is not None)

    def refusal(self, value: Any, spend: Spend) -> Refusal | None:
        if type(value) is not dict:
            return ("", f"wants dict, got {_kind(value)}")
        size = len(value)
        if size < self._low or (self._high is not None and size > self._high):
            return ("", f"wants dict{_length(self._low, self._high)}, has {size}")
        spend(0 if self._keys is None and self._values is None else size)
        if self._keys is not None:
            for key in value:
                wrong = self._keys.refusal(key, spend)
                if wrong is not None:
                    return (f" key {quote(key)}{wrong[0]}", wrong[1])
        if self._values is not None:
            for key, item in value.items():
                wrong = self._values.refusal(item, spend)
                if wrong is not None:
                    return (f"[{quote(key)}]{wrong[0]}", wrong[1])
        return None


class Fields(ValueGuard):
    """A dict with text keys that are all known, each with a guard of its own."""

    __slots__ = ("_guards", "_optional")

    _guards: Mapping[str, ValueGuard]
    _optional: frozenset[str]

    def __init__(self, guards: Mapping[str, ValueGuard], optional: Iterable[str] = ()) -> None:
        left_out = frozenset(optional)
        object.__setattr__(self, "_guards", MappingProxyType(dict(guards)))
        object.__setattr__(self, "_optional", left_out)
        self._freeze(f"dict of {_fields_text(guards, left_out)}", deep=True)

    def __reduce__(self) -> Any:
        return (type(self), (dict(self._guards), tuple(sorted(self._optional))))

    def refusal(self, value: Any, spend: Spend) -> Refusal | None:
        if type(value) is not dict:
            return ("", f"wants dict, got {_kind(value)}")
        return _fields_refusal(self._guards, self._optional, value, "[{}]", spend)


# ---- arguments ---------------------------------------------------------------------------------------------


class Arguments(Guard):
    """The arguments of a call.

    :param positional: a guard for each.
    :param required: how many of them there must be.
    :param rest: a guard for any further ones; None where there are none.
    :param keywords: a guard for each keyword argument.
    :param optional: names of those that may be missing.
    """

    __slots__ = ("_keywords", "_optional", "_positional", "_required", "_rest")

    _positional: tuple[ValueGuard, ...]
    _required: int
    _rest: ValueGuard | None
    _keywords: Mapping[str, ValueGuard]
    _optional: frozenset[str]

    def __init__(
        self,
        positional: Iterable[ValueGuard] = (),
        required: int | None = None,
        rest: ValueGuard | None = None,
        keywords: Mapping[str, ValueGuard] | None = None,
        optional: Iterable[str] = (),
    ) -> None:
        found = tuple(positional)
        needed = len(found) if required is None else required
        named = dict(keywords or {})
        left_out = frozenset(optional)
        put = object.__setattr__
        put(self, "_positional", found)
        put(self, "_required", needed)
        put(self, "_rest", rest)
        put(self, "_keywords", MappingProxyType(named))
        put(self, "_optional", left_out)
        parts = [guard.text + " or none" * (index >= needed) for index, guard in enumerate(found)]
        parts += [] if rest is None else [f"any number of {rest.text}"]
        text = f"arguments ({'; '.join(parts)})"
        text += f" and keywords {_fields_text(named, left_out)}" if named else ""
        self._freeze(text, found, needed, rest, named, tuple(sorted(left_out)))

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], spend: Spend, made: int = 0) -> str | None:
        """Return what is wrong with the arguments of a call, or None.

        :param made: how many objects the load has made by the rule.
        """
        count = len(args)
        most = len(self._positional)
        if count < self._required or (count > most and self._rest is None):
            return f"wants {_count(self._required, most if self._rest is None else None, 'argument')}, has {count}"
        for index in range(min(count, most)):
            wrong = self._positional[index].refusal(args[index], spend)
            if wrong is not None:
                return f"args[{index}]{wrong[0]}: {wrong[1]}"
        if self._rest is not None:
            spend(count)
            for index in range(most, count):
                wrong = self._rest.refusal(args[index], spend)
                if wrong is not None:
                    return f"args[{index}]{wrong[0]}: {wrong[1]}"
        if kwargs or self._keywords:
            wrong = _fields_refusal(self._keywords, self._optional, kwargs, "kwargs[{}]", spend)
            if wrong is not None:
                return f"{wrong[0]}: {wrong[1]}" if wrong[0] else wrong[1]
        return None


class AtMost(Guard):
    """Calls that make no more than so many objects in one load."""

    __slots__ = ("_most",)

    _most: int

    def __init__(self, most: int) -> None:
        object.__setattr__(self, "_most", most)
        self._freeze(f"at most {most} in one load", most)

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], spend: Spend, made: int = 0) -> str | None:
        """Return what is wrong with one more call, or None."""
        return None if made < self._most else f"wants {self.text}"


# ---- state -------------------------------------------------------------------------------------------------


class Attributes(Guard):
    """The state of an instance as attributes: those named and no others."""

    __slots__ = ("_guards", "_optional")

    _guards: Mapping[str, ValueGuard]
    _optional: frozenset[str]

    def __init__(self, guards: Mapping[str, ValueGuard], optional: Iterable[str] = ()) -> None:
        left_out = frozenset(optional)
        object.__setattr__(self, "_guards", MappingProxyType(dict(guards)))
        object.__setattr__(self, "_optional", left_out)
        self._freeze(f"attributes {_fields_text(guards, left_out)}", deep=_any_deep(guards.values()))

    def __reduce__(self) -> Any:
        return (type(self), (dict(self._guards), tuple(sorted(self._optional))))

    def check(self, state: Any, spend: Spend) -> str | None:
        """Return what is wrong with the state, or None."""
        if type(state) is tuple and len(state) == 2:
            # What an instance with slots writes: its __dict__ or None, and its slots.
            fields: dict[str, Any] = {}
            for part in state:
                if part is None:
                    continue
                if type(part) is not dict:
                    return f"wants attributes, got {_kind(part)}"
                if not fields.keys().isdisjoint(part):
                    return "an attribute stands in it twice"
                if len(part) > len(self._guards):
                    return self._too_many(part)
                fields.update(part)
        elif type(state) is dict:
            fields = state
        else:
            return f"wants attributes, got {_kind(state)}"
        wrong = _fields_refusal(self._guards, self._optional, fields, ".{}", spend)
        if wrong is None:
            return None
        return f"{wrong[0]}: {wrong[1]}" if wrong[0] else wrong[1]

    def _too_many(self, fields: dict[Any, Any]) -> str:
        wrong = next(key for key in fields if type(key) is not str or key not in self._guards)
        return f"{quote(wrong)} is not one of {', '.join(self._guards)[:200] or 'none'}"


class WholeState(Guard):
    """The state of an instance as one value, as a ``__setstate__`` of its own takes it."""

    __slots__ = ("_value",)

    _value: ValueGuard

    def __init__(self, value: ValueGuard) -> None:
        object.__setattr__(self, "_value", value)
        self._freeze(f"state {value.text}", value, deep=value.deep)

    def check(self, state: Any, spend: Spend) -> str | None:
        """Return what is wrong with the state, or None."""
        wrong = self._value.refusal(state, spend)
        if wrong is None:
            return None
        return f"state{wrong[0]}: {wrong[1]}"


def quick_fields(guard: Guard | None) -> tuple[tuple[str, type, Any, Any], ...] | None:
    """Return all that a guard of state asks for, if that is plain values of one type each, within a range.

    :return: attribute, type, and range of each; None where it asks for more.
    """
    if type(guard) is not Attributes or guard._optional:  # noqa: SLF001
        return None
    found = []
    for name, value in guard._guards.items():  # noqa: SLF001
        kind = getattr(value, "_type", None)
        if kind not in _QUICK_TYPES:
            return None
        if type(value) is Number:
            found.append((name, kind, value._low, value._high))  # noqa: SLF001
        elif type(value) is Text and not value._low and value._high is None and value._match is None:  # noqa: SLF001
            found.append((name, kind, None, None))
        else:
            return None
    return tuple(found)


def call_freedom(guard: Guard | None) -> int:
    """Return 2 if a guard of calls lets everything pass, 1 if it does a call without arguments, else 0."""
    if guard is None:
        return 2
    passes = type(guard) is Arguments and guard.check((), {}, _free) is None
    return int(passes)


def _free(count: int) -> None:
    """Take no pay: there is nothing to look at."""


# ---- together ----------------------------------------------------------------------------------------------


class _Together(ValueGuard):
    """Several guards of one sort: of values, of arguments or of state."""

    __slots__ = ("_guards",)

    _guards: tuple[Any, ...]
    _word = ""

    def __init__(self, guards: Iterable[Guard]) -> None:
        # What is inside another of the same kind is taken out of it, doubles go and the order does not count: then
        # putting together is commutative, associative and idempotent, and so is the fingerprint.
        flat: dict[str, Guard] = {}
        for guard in guards:
            for part in guard._guards if isinstance(guard, type(self)) else (guard,):  # noqa: SLF001
                flat.setdefault(f"{type(part).__name__} {part.text}", part)
        found = tuple(flat[text] for text in sorted(flat))
        object.__setattr__(self, "_guards", found)
        self._freeze(f" {self._word} ".join(f"({guard.text})" for guard in found), found, deep=_any_deep(found))


class AnyOf(_Together):
    """One of several guards has to pass."""

    __slots__ = ()
    _word = "or"

    def refusal(self, value: Any, spend: Spend) -> Refusal | None:
        found: list[Refusal] = []
        for guard in self._guards:
            wrong = guard.refusal(value, spend)
            if wrong is None:
                return None
            found.append(wrong)
        # The one that came furthest knows best what was meant.
        place = max((where for where, _ in found), key=len)
        if place:
            return next(wrong for wrong in found if wrong[0] == place)
        return ("", _wants(self, value))

    def check(self, *given: Any) -> str | None:
        """Return what each of the guards finds wrong with arguments or state, or None if one of them nothing."""
        found: list[str] = []
        for guard in self._guards:
            wrong = guard.check(*given)
            if wrong is None:
                return None
            found.append(wrong)
        return " -- or else -- ".join(found[:3]) + " ..." * (len(found) > 3)


class AllOf(_Together):
    """All of several guards have to pass."""

    __slots__ = ()
    _word = "and"

    def refusal(self, value: Any, spend: Spend) -> Refusal | None:
        for guard in self._guards:
            wrong: Refusal | None = guard.refusal(value, spend)
            if wrong is not None:
                return wrong
        return None

    def check(self, *given: Any) -> str | None:
        """Return what the first guard that does finds wrong with arguments or state, or None."""
        for guard in self._guards:
            wrong: str | None = guard.check(*given)
            if wrong is not None:
                return wrong
        return None


AnyGuard = TypeVar("AnyGuard", bound=Guard)


def either(first: Guard | None, second: Guard | None) -> Guard | None:
    """Return the guard that passes what one of the two passes; None, no constraint, passes everything."""
    if first is None or second is None:
        return None
    return first if first == second else AnyOf((first, second))


def both(first: Guard | None, second: Guard | None) -> Guard | None:
    """Return the guard that passes what both of the two pass."""
    if first is None or second is None:
        return first if second is None else second
    return first if first == second else AllOf((first, second))


# ---- parts -------------------------------------------------------------------------------------------------


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


def _fields_refusal(
    guards: Mapping[str, ValueGuard],
    optional: frozenset[str],
    fields: Mapping[Any, Any],
    place: str,
    spend: Spend,
) -> Refusal | None:
    for key, value in fields.items():
        # Asked before the look-up: that would hash and compare a key of a class of its own.
        guard = guards.get(key) if type(key) is str else None
        if guard is None:
            known = ", ".join(guards)
            return ("", f"{quote(key)} is not one of {known[:200] or 'none'}")
        wrong = guard.refusal(value, spend)
        if wrong is not None:
            shown = key if place[0] == "." and key.isidentifier() and key.isascii() else quote(key)
            return (place.format(shown) + wrong[0], wrong[1])
    if len(fields) < len(guards):
        for key in guards:
            if key not in fields and key not in optional:
                return ("", f"{quote(key)} is missing")
    return None


def _fields_text(guards: Mapping[str, ValueGuard], optional: frozenset[str]) -> str:
    # The order does not count.
    inside = (f"{key!a}{'?' * (key in optional)}: {guards[key].text}" for key in sorted(guards))
    return "{" + "; ".join(inside) + "}"


def _any_deep(guards: Iterable[Guard], kind: str = "tuple") -> bool:
    return kind != "tuple" or any(guard.deep for guard in guards)


def _wants(guard: Guard, value: Any) -> str:
    text = guard.text if len(guard.text) <= 200 else f"{guard.text[:200]}..."
    return f"wants {text}, got {_kind(value)}"


def _kind(value: Any) -> str:
    return quote(type(value).__name__)[1:-1] if value is not None else "none"


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if low is not None:
        return f" of at least {low}"
    return "" if high is None else f" of at most {high}"


def _length(low: int | None, high: int | None) -> str:
    if low is not None and low < 0:
        raise ValueError("a length is not negative")
    if low is not None and high is not None and low > high:
        raise ValueError(f"min_length = {low} is above max_length = {high}")
    if high is not None:
        return f" of {low} to {high}" if low else f" of up to {high}"
    return f" of at least {low}" if low else ""


def _count(low: int, high: int | None, noun: str) -> str:
    if low == high:
        return f"{low} {noun}{'s' * (low != 1)}"
    return f"at least {low} {noun}s" if high is None else f"{low} to {high} {noun}s"
