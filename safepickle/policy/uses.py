"""Guards of what is done with a global: the arguments of a call, how many there may be, and state.

Rules that hold here:

* Those of :mod:`.guards`. What is not named there cannot be: no further arguments, no other attributes.
* A guard of calls is asked ``check(args, kwargs, look, made)``, one of state ``check(state, look)``; both say what is
  wrong, or None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ..errors import quote
from .containers import fields_refusal, fields_text
from .guards import Guard, Looking, ValueGuard, any_deep, kind_of

__all__ = ["Arguments", "AtMost", "Attributes", "WholeState"]


# ---- arguments ---------------------------------------------------------------------------------------------


class Arguments(Guard):
    """The arguments of a call.

    :param positional: a guard for each.
    :param required: how many of them there must be.
    :param rest: a guard for any further ones; None where there are none.
    :param keywords: a guard for each keyword argument.
    :param optional: names of those that may be missing.
    """

    __slots__ = ("keywords", "optional", "positional", "required", "rest")

    positional: tuple[ValueGuard, ...]
    required: int
    rest: ValueGuard | None
    keywords: Mapping[str, ValueGuard]
    optional: frozenset[str]

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
        put(self, "positional", found)
        put(self, "required", needed)
        put(self, "rest", rest)
        put(self, "keywords", MappingProxyType(named))
        put(self, "optional", left_out)
        parts = [guard.text + " or none" * (index >= needed) for index, guard in enumerate(found)]
        parts += [] if rest is None else [f"any number of {rest.text}"]
        text = f"arguments ({'; '.join(parts)})"
        text += f" and keywords {fields_text(named, left_out)}" if named else ""
        deep = any_deep([*found, *named.values(), *(() if rest is None else (rest,))])
        self._freeze(text, found, needed, rest, named, tuple(sorted(left_out)), deep=deep)

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], look: Looking, made: int = 0) -> str | None:
        """Return what is wrong with the arguments of a call, or None.

        :param made: how many objects the load has made by the rule.
        """
        count = len(args)
        most = len(self.positional)
        if count < self.required or (count > most and self.rest is None):
            return f"wants {_count(self.required, most if self.rest is None else None, 'argument')}, has {count}"
        for index in range(min(count, most)):
            wrong = self.positional[index].refusal(args[index], look)
            if wrong is not None:
                return f"args[{index}]{wrong[0]}: {wrong[1]}"
        if self.rest is not None:
            look.spend(count)
            for index in range(most, count):
                wrong = self.rest.refusal(args[index], look)
                if wrong is not None:
                    return f"args[{index}]{wrong[0]}: {wrong[1]}"
        if kwargs or self.keywords:
            wrong = fields_refusal(self.keywords, self.optional, kwargs, "kwargs[{}]", look)
            if wrong is not None:
                return f"{wrong[0]}: {wrong[1]}" if wrong[0] else wrong[1]
        return None


class AtMost(Guard):
    """Calls that make no more than so many objects in one load."""

    __slots__ = ("most",)

    most: int

    def __init__(self, most: int) -> None:
        object.__setattr__(self, "most", most)
        self._freeze(f"at most {most} in one load", most)

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], look: Looking, made: int = 0) -> str | None:
        """Return what is wrong with one more call, or None."""
        return None if made < self.most else f"wants {self.text}"


# ---- state -------------------------------------------------------------------------------------------------


class Attributes(Guard):
    """The state of an instance as attributes: those named and no others."""

    __slots__ = ("guards", "optional")

    guards: Mapping[str, ValueGuard]
    optional: frozenset[str]

    def __init__(self, guards: Mapping[str, ValueGuard], optional: Iterable[str] = ()) -> None:
        left_out = frozenset(optional)
        object.__setattr__(self, "guards", MappingProxyType(dict(guards)))
        object.__setattr__(self, "optional", left_out)
        self._freeze(f"attributes {fields_text(guards, left_out)}", deep=any_deep(guards.values()))

    def __reduce__(self) -> Any:
        return (type(self), (dict(self.guards), tuple(sorted(self.optional))))

    def check(self, state: Any, look: Looking) -> str | None:
        """Return what is wrong with the state, or None."""
        if type(state) is tuple and len(state) == 2:
            # What an instance with slots writes: its __dict__ or None, and its slots.
            fields: dict[str, Any] = {}
            for part in state:
                if type(part) is look.stand_in:
                    return None
                if part is None:
                    continue
                if type(part) is not dict:
                    return f"wants attributes, got {kind_of(part)}"
                for key, value in part.items():
                    # Asked before it is looked up, as everywhere.
                    if type(key) is look.stand_in:
                        return None
                    if type(key) is not str or key not in self.guards:
                        return f"{quote(key)} is not one of {', '.join(self.guards)[:200] or 'none'}"
                    if key in fields:
                        return "an attribute stands in it twice"
                    fields[key] = value
        elif type(state) is dict:
            fields = state
        elif type(state) is look.stand_in:
            return None
        else:
            return f"wants attributes, got {kind_of(state)}"
        wrong = fields_refusal(self.guards, self.optional, fields, ".{}", look)
        if wrong is None:
            return None
        return f"{wrong[0]}: {wrong[1]}" if wrong[0] else wrong[1]

    def wrong_with(self, name: str, value: Any, look: Looking) -> str | None:
        """Return what is wrong with one attribute, or None."""
        wrong = fields_refusal(self.guards, frozenset(self.guards), {name: value}, ".{}", look)
        return None if wrong is None else f"{wrong[0]}: {wrong[1]}"


class WholeState(Guard):
    """The state of an instance as one value, as a ``__setstate__`` of its own takes it."""

    __slots__ = ("value",)

    value: ValueGuard

    def __init__(self, value: ValueGuard) -> None:
        object.__setattr__(self, "value", value)
        self._freeze(f"state {value.text}", value, deep=value.deep)

    def check(self, state: Any, look: Looking) -> str | None:
        """Return what is wrong with the state, or None."""
        wrong = self.value.refusal(state, look)
        if wrong is None:
            return None
        return f"state{wrong[0]}: {wrong[1]}"


def _count(low: int, high: int | None, noun: str) -> str:
    if low == high:
        return f"{low} {noun}{'s' * (low != 1)}"
    return f"at least {low} {noun}s" if high is None else f"{low} to {high} {noun}s"
