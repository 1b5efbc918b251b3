"""Making checks: from the guards of a policy to what looks at values.

Rules that hold here:

* A check is made once for a guard, and kept with it: a policy serves many loads.
* A guard for which there is no check is asked itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..policy.containers import Elements, Entries, Fields, Items
from ..policy.guards import AllOf, AnyOf, Anything, Guard
from ..policy.uses import Arguments, AtMost, Attributes, WholeState
from ..policy.values import InstanceOf, Number, OneOf, Text
from .checks import (
    INT_BOUNDS,
    AllCallCheck,
    AllCheck,
    AnyCallCheck,
    AnyCheck,
    ArgumentsCheck,
    AtMostCheck,
    CallCheck,
    Check,
    ElementsCheck,
    EntriesCheck,
    FieldsCheck,
    GuardCheck,
    InstanceCheck,
    IntCheck,
    ItemsCheck,
    OneOfCheck,
    RangeCheck,
    StateCheck,
    TextCheck,
    TypeCheck,
)

_LOWEST, _HIGHEST = INT_BOUNDS


def value_check(guard: Any) -> Check:
    """Return the check for a guard of one value."""
    maker = _MAKERS.get(type(guard))
    found: Check = GuardCheck(guard) if maker is None else maker(guard)
    found.deep = guard.deep
    return found


def _inner(guard: Guard | None) -> Check | None:
    return None if guard is None else value_check(guard)


def _number(guard: Number) -> Check:
    low, high = guard.low, guard.high
    if low is None and high is None:
        return TypeCheck(guard.kind)
    within = all(bound is None or (type(bound) is int and _LOWEST < bound < _HIGHEST) for bound in (low, high))
    if guard.kind is int and within:
        return IntCheck(_LOWEST if low is None else int(low), _HIGHEST if high is None else int(high))
    if guard.kind is float:
        # A float is compared with a float several times as fast as with an int.
        low, high = (float(bound) if type(bound) is int and abs(bound) < 2**53 else bound for bound in (low, high))
    return RangeCheck(guard.kind, low, high)


def _text(guard: Text) -> Check:
    if not guard.low and guard.high is None and guard.match is None:
        return TypeCheck(guard.kind)
    return TextCheck(guard.kind, guard.low, guard.high, guard.match)


def _one_of(guard: OneOf) -> Check:
    by_kind: dict[Any, Any] = {kind: frozenset(v for k, v in guard.values if k is kind) for kind, _ in guard.values}
    return OneOfCheck(by_kind)


def _items(guard: Items) -> Check:
    if not guard.low and guard.high is None and guard.items is None:
        return TypeCheck(guard.kind)
    return ItemsCheck(guard.kind, guard.low, guard.high, _inner(guard.items))


def _fields(guards: Mapping[str, Any], optional: frozenset[str]) -> FieldsCheck:
    checks = {name: value_check(guard) for name, guard in guards.items()}
    return FieldsCheck(checks, tuple(name for name in guards if name not in optional))


_MAKERS: Mapping[type, Callable[[Any], Check]] = {
    Anything: lambda _: Check(),
    Number: _number,
    Text: _text,
    OneOf: _one_of,
    InstanceOf: InstanceCheck,
    Items: _items,
    Elements: lambda guard: ElementsCheck(guard.kind, tuple(map(value_check, guard.elements))),
    Entries: lambda guard: EntriesCheck(guard.low, guard.high, _inner(guard.keys), _inner(guard.values)),
    Fields: lambda guard: _fields(guard.guards, guard.optional),
    AnyOf: lambda guard: AnyCheck(tuple(map(value_check, guard.guards))),
    AllOf: lambda guard: AllCheck(tuple(map(value_check, guard.guards))),
}


def call_check(guard: Guard) -> CallCheck:
    """Return the check for a guard of calls; the one that was made for it before, if there is one."""
    found = guard.made_check
    if isinstance(found, CallCheck):
        return found
    made = _make_call_check(guard)
    guard.remember(made)
    return made


def _make_call_check(guard: Any) -> CallCheck:
    if type(guard) is AtMost:
        return AtMostCheck(guard.most)
    if type(guard) is Arguments:
        keywords = _fields(guard.keywords, guard.optional) if guard.keywords else None
        return ArgumentsCheck(tuple(map(value_check, guard.positional)), guard.required, _inner(guard.rest), keywords)
    checks = tuple(map(_make_call_check, guard.guards))
    return AnyCallCheck(checks) if type(guard) is AnyOf else AllCallCheck(checks)


def state_check(guard: Guard) -> Check:
    """Return the check for a guard of state; the one that was made for it before, if there is one."""
    found = guard.made_check
    if isinstance(found, Check):
        return found
    made = _make_state_check(guard)
    guard.remember(made)
    return made


def _make_state_check(guard: Any) -> Check:
    if type(guard) is WholeState:
        return value_check(guard.value)
    if type(guard) is Attributes:
        return StateCheck(_fields(guard.guards, guard.optional))
    checks = tuple(map(_make_state_check, guard.guards))
    return AnyCheck(checks) if type(guard) is AnyOf else AllCheck(checks)
