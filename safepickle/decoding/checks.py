# cython: annotation_typing=False
"""Checks: what the guards of a policy ask for, as a tree that says yes or no at once.

Rules that hold here:

* A check passes exactly what the guard that it was made from passes (a test holds the two together), and is paid for
  alike. What is wrong, and where, the guard says: only then is it asked.
* As for guards: exact types, built-in containers of exact type, and no method of any other object. A key is looked up
  only when it is a ``str``.
* A check is made once for a guard and kept there (see ``making_checks``); of a load it holds nothing but some keys of
  dicts that have matched a pattern.
* In the compiled form a tree of checks is C structures, and :meth:`Check.passes` a C call.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ..policy.guards import Looking
from ..policy.values import InstanceOf
from .budget import Budget

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

#: Bounds of ints that are compared in C.
_LOWEST, _HIGHEST = -(2**62), 2**62
INT_BOUNDS: Any = (_LOWEST, _HIGHEST)
_MODULES: Any = sys.modules
#: Most names that a key is compared with one after the other.
_MOST_COMPARED = 32
#: Texts that are known to match a pattern: so many of them, none longer.
_MOST_KNOWN, _LONGEST_KNOWN = 256, 64

if not cython.compiled:

    def in_range(value: int, low: int, high: int) -> bool:
        """Return whether an int is within C bounds, of which those at the ends stand for none."""
        return (low == _LOWEST or value >= low) and (high == _HIGHEST or value <= high)


class Payer(Looking):
    """Looks on behalf of one load: what is looked at is paid for; some eight values take as long as hashing one.

    :param budget: pays; None for a dump, whose values the caller made.
    :param stand_in: the type of what stands for values that are not made.
    """

    __slots__ = ("budget", "stand_in")

    def __init__(self, budget: Budget | None, stand_in: type | None) -> None:
        self.budget: Any = budget
        self.stand_in = stand_in

    def spend(self, count: int) -> None:
        if self.budget is not None:
            self.budget.take_hash_work(1 + count // 8)


def pay(budget: Budget | None, count: int) -> None:
    """Pay for looking at *count* values."""
    if budget is not None:
        budget.take_hash_work(1 + count // 8)


# ---- values ------------------------------------------------------------------------------------------------


class Check:
    """Passes everything."""

    #: The type that is all it asks for; None where there is more to ask, or nothing.
    exact: Any
    #: Whether it looks into what may change afterwards.
    deep: bool

    def __init__(self) -> None:
        self.exact = None
        self.deep = False

    def passes(self, value: Any, budget: Budget | None) -> bool:
        """Return whether the guard has nothing against *value*."""
        return True


class TypeCheck(Check):
    """A value of one type."""

    def __init__(self, kind: type) -> None:
        self.exact = kind

    def passes(self, value: Any, budget: Budget | None) -> bool:
        return type(value) is self.exact


class IntCheck(Check):
    """An int between two bounds that C can hold."""

    def __init__(self, low: int, high: int) -> None:
        self.exact = None
        self.low = low
        self.high = high

    def passes(self, value: Any, budget: Budget | None) -> bool:
        return type(value) is int and in_range(value, self.low, self.high)


class RangeCheck(Check):
    """A number between two bounds of any kind; no bound is None."""

    def __init__(self, kind: type, low: Any, high: Any) -> None:
        self.exact = None
        self.kind: Any = kind
        self.low = low
        self.high = high

    def passes(self, value: Any, budget: Budget | None) -> bool:
        # A NaN, which is neither below nor above, does not pass.
        return (
            type(value) is self.kind
            and (self.low is None or bool(value >= self.low))
            and (self.high is None or bool(value <= self.high))
        )


class TextCheck(Check):
    """A text of some length, which may have to match.

    Keys of dicts come again and again: some that have matched are known, for this very pattern. What else a load has
    stays with whoever loaded it.
    """

    def __init__(self, kind: type, low: int, high: int | None, match: Callable[[str], Any] | None) -> None:
        self.exact = None
        self.kind: Any = kind
        self.low = low
        self.high = sys.maxsize if high is None else high
        self.match: Any = match
        self.known: set[str] = set()
        self.is_of_keys = False

    def passes(self, value: Any, budget: Budget | None) -> bool:
        if type(value) is not self.kind:
            return False
        size = len(value)
        if size < self.low or size > self.high:
            return False
        if self.match is None:
            return True
        pay(budget, 1 + size // 16)
        if self.kind is not str:
            return self.match(str(value, "latin-1")) is not None
        if not self.is_of_keys:
            return self.match(value) is not None
        if value in self.known:
            return True
        if self.match(value) is None:
            return False
        if size <= _LONGEST_KNOWN:
            if len(self.known) >= _MOST_KNOWN:
                self.known.clear()
            self.known.add(value)
        return True


class OneOfCheck(Check):
    """One of some plain values. *by_kind* has them by type, for 1, 1.0 and True are equal."""

    def __init__(self, by_kind: dict[Any, Any]) -> None:
        self.exact = None
        self.by_kind = by_kind

    def passes(self, value: Any, budget: Budget | None) -> bool:
        values = self.by_kind.get(type(value))
        return values is not None and value in values


class InstanceCheck(Check):
    """An instance of one class of a module, which is looked up each time: it is whichever class is there then."""

    def __init__(self, guard: InstanceOf) -> None:
        self.exact = None
        self.guard = guard
        self.module = guard.module
        self.name = guard.name
        self.plain = "." not in guard.name

    def passes(self, value: Any, budget: Budget | None) -> bool:
        if self.plain:
            module = _MODULES.get(self.module)
            if module is None:
                return False
            if type(module) is _MODULE:
                names: dict[str, Any] = module.__dict__
                if names.get(self.name) is type(value):
                    return True
                if not self.guard.derived:
                    return False
        return self.guard.look_at(value, Payer(budget, None)) is None


class GuardCheck(Check):
    """Whatever else there is: the guard itself is asked."""

    def __init__(self, guard: Any) -> None:
        self.exact = None
        self.guard = guard

    def passes(self, value: Any, budget: Budget | None) -> bool:
        return self.guard.look_at(value, Payer(budget, None)) is None


_MODULE: Any = type(sys)


class AnyCheck(Check):
    """What one of several checks passes."""

    def __init__(self, checks: tuple[Check, ...]) -> None:
        self.exact = None
        self.checks = checks

    def passes(self, value: Any, budget: Budget | None) -> bool:
        for check in self.checks:
            if type(value) is check.exact or (check.exact is None and check.passes(value, budget)):
                return True
        return False


class AllCheck(Check):
    """What all of several checks pass."""

    def __init__(self, checks: tuple[Check, ...]) -> None:
        self.exact = None
        self.checks = checks

    def passes(self, value: Any, budget: Budget | None) -> bool:
        for check in self.checks:
            if not check.passes(value, budget):
                return False
        return True


# ---- containers --------------------------------------------------------------------------------------------


class ItemsCheck(Check):
    """A list, tuple, set or frozenset of some length, with items that one check passes, or None."""

    def __init__(self, kind: type, low: int, high: int | None, item: Check | None) -> None:
        self.exact = None
        self.kind: Any = kind
        self.low = low
        self.high = sys.maxsize if high is None else high
        self.item = item

    def passes(self, value: Any, budget: Budget | None) -> bool:
        if type(value) is not self.kind:
            return False
        size = len(value)
        if size < self.low or size > self.high:
            return False
        check = self.item
        if check is None:
            return True
        pay(budget, size)
        exact = check.exact
        if self.kind is list:
            items: list[Any] = value
            for item in items:
                if type(item) is not exact and (exact is not None or not check.passes(item, budget)):
                    return False
        elif self.kind is tuple:
            parts: tuple[Any, ...] = value
            for item in parts:
                if type(item) is not exact and (exact is not None or not check.passes(item, budget)):
                    return False
        else:
            for item in value:
                if not check.passes(item, budget):
                    return False
        return True


class ElementsCheck(Check):
    """A list or tuple whose elements each have a check of their own."""

    def __init__(self, kind: type, checks: tuple[Check, ...]) -> None:
        self.exact = None
        self.kind: Any = kind
        self.checks = checks

    def passes(self, value: Any, budget: Budget | None) -> bool:
        if type(value) is not self.kind or len(value) != len(self.checks):
            return False
        for index in range(len(self.checks)):
            check: Check = self.checks[index]
            if not check.passes(value[index], budget):
                return False
        return True


class EntriesCheck(Check):
    """A dict of some length, with checks for keys and values, or None."""

    def __init__(self, low: int, high: int | None, key: Check | None, value: Check | None) -> None:
        self.exact = None
        self.low = low
        self.high = sys.maxsize if high is None else high
        self.key = key
        self.value = value
        if type(key) is TextCheck:
            key.is_of_keys = True

    def passes(self, value: Any, budget: Budget | None) -> bool:
        if type(value) is not dict:
            return False
        entries: dict[Any, Any] = value
        size = len(entries)
        if size < self.low or size > self.high:
            return False
        of_key = self.key
        of_item = self.value
        if of_key is None and of_item is None:
            return True
        pay(budget, size)
        for name, item in entries.items():
            if of_key is not None and type(name) is not of_key.exact:
                if of_key.exact is not None or not of_key.passes(name, budget):
                    return False
            if of_item is not None and type(item) is not of_item.exact:
                if of_item.exact is not None or not of_item.passes(item, budget):
                    return False
        return True


class FieldsCheck(Check):
    """A dict with text keys that are all known, each with a check of its own.

    In the compiled form a key is compared with the names one after the other, from the one that follows the last that
    was found: instances of a class have their attributes in the same order nearly always.

    :param checks: by name.
    :param needed: names that may not be missing.
    """

    def __init__(self, checks: dict[str, Check], needed: tuple[str, ...]) -> None:
        self.exact = None
        self.deep = True
        #: Names, those that are needed before the others, and the check of each.
        self.names = tuple(sorted(checks, key=lambda name: name not in needed))
        self.checks = tuple([checks[name] for name in self.names])
        self.needed = len(needed)
        self.places = {name: place for place, name in enumerate(self.names)}
        if cython.compiled and len(self.names) <= _MOST_COMPARED:
            self.hashes = hashes_of(self.names)

    def __dealloc__(self) -> None:
        if cython.compiled:
            free_hashes(self.hashes)

    def passes(self, value: Any, budget: Budget | None) -> bool:
        return type(value) is dict and self.pass_fields(value, budget, None) == self.needed

    def pass_fields(self, fields: dict[Any, Any], budget: Budget | None, kept: list[Any] | None) -> int:
        """Return how many of the names that are needed are there; -1 where something is wrong with a key or a value.

        :param kept: takes the check and the value of each field that may change afterwards; None for none.
        """
        place = -1
        found = 0
        if len(fields) > len(self.names):
            return -1
        for name, item in fields.items():
            if type(name) is not str:
                return -1
            place = place_of(self, name, place)
            if place < 0:
                return -1
            if place < self.needed:
                found += 1
            check: Check = self.checks[place]
            if type(item) is not check.exact and (check.exact is not None or not check.passes(item, budget)):
                return -1
            if kept is not None and check.deep:
                kept.append(check)
                kept.append(item)
        return found


def place_of(check: FieldsCheck, name: str, last: int) -> int:
    """Return the place of *name* among the names of *check*, -1 for none. The one before was at *last*."""
    if cython.compiled and check.hashes:
        return find_name(check.names, check.hashes, name, last + 1)
    return check.places.get(name, -1)


# ---- uses --------------------------------------------------------------------------------------------------


class StateCheck(Check):
    """State as attributes: a dict, or what an instance with slots writes, a dict or None and a dict of slots."""

    def __init__(self, fields: FieldsCheck) -> None:
        self.exact = None
        self.deep = any(check.deep for check in fields.checks)
        self.fields = fields

    def passes(self, value: Any, budget: Budget | None) -> bool:
        return self.pass_state(value, budget, None)

    def pass_state(self, value: Any, budget: Budget | None, kept: list[Any] | None) -> bool:
        """Do the same and note in *kept* what may change afterwards: a check and a value, one after the other."""
        if type(value) is dict:
            return self.fields.pass_fields(value, budget, kept) == self.fields.needed
        return type(value) is tuple and len(value) == 2 and self._pass_two(value[0], value[1], budget, kept)

    def _pass_two(self, attributes: Any, slots: Any, budget: Budget | None, kept: list[Any] | None) -> bool:
        found = 0
        more = 0
        if attributes is not None:
            if type(attributes) is not dict:
                return False
            found = self.fields.pass_fields(attributes, budget, kept)
        if slots is not None:
            if type(slots) is not dict:
                return False
            more = self.fields.pass_fields(slots, budget, kept)
        if found < 0 or more < 0 or found + more != self.fields.needed:
            return False
        if attributes and slots:
            # All of their keys are texts.
            for name in slots:
                if name in attributes:
                    return False
        return True


class CallCheck:
    """Allows all calls."""

    def allows(self, args: tuple[Any, ...], kwargs: Any, made: int, budget: Budget | None) -> bool:
        """Return whether the guard has nothing against a call; *kwargs* is a dict or None."""
        return True


class ArgumentsCheck(CallCheck):
    """Calls with certain arguments."""

    def __init__(
        self, checks: tuple[Check, ...], required: int, rest: Check | None, keywords: FieldsCheck | None
    ) -> None:
        self.checks = checks
        self.required = required
        self.rest = rest
        self.keywords = keywords

    def allows(self, args: tuple[Any, ...], kwargs: Any, made: int, budget: Budget | None) -> bool:
        count = len(args)
        most = len(self.checks)
        if count < self.required or (count > most and self.rest is None):
            return False
        for index in range(min(count, most)):
            check: Check = self.checks[index]
            if type(args[index]) is not check.exact:
                if check.exact is not None or not check.passes(args[index], budget):
                    return False
        if self.rest is not None:
            pay(budget, count)
            for index in range(most, count):
                if not self.rest.passes(args[index], budget):
                    return False
        if self.keywords is None:
            return not kwargs
        return self.keywords.passes({} if kwargs is None else kwargs, budget)


class AtMostCheck(CallCheck):
    """So many calls and no more."""

    def __init__(self, most: int) -> None:
        self.most = most

    def allows(self, args: tuple[Any, ...], kwargs: Any, made: int, budget: Budget | None) -> bool:
        return made < self.most


class AnyCallCheck(CallCheck):
    """What one of several checks allows."""

    def __init__(self, checks: tuple[CallCheck, ...]) -> None:
        self.checks = checks

    def allows(self, args: tuple[Any, ...], kwargs: Any, made: int, budget: Budget | None) -> bool:
        for check in self.checks:
            if check.allows(args, kwargs, made, budget):
                return True
        return False


class AllCallCheck(CallCheck):
    """What all of several checks allow."""

    def __init__(self, checks: tuple[CallCheck, ...]) -> None:
        self.checks = checks

    def allows(self, args: tuple[Any, ...], kwargs: Any, made: int, budget: Budget | None) -> bool:
        for check in self.checks:
            if not check.allows(args, kwargs, made, budget):
                return False
        return True
