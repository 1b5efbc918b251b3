"""Guards: what a rule asks of arguments and of state, as small values that check.

Rules that hold here:

* A guard is immutable, hashable, picklable and the same on every machine: its text is its identity, and part of the
  policy's fingerprint.
* A guard sees hostile values. It compares *exact* types, looks only into built-in containers of exact type, and calls
  no method of any other object; a class is found by identity, in modules that are loaded already, and never imported.
* The work is bounded by the policy's own text, but for items of containers and for patterns: whoever checks is told
  of those (:meth:`Looking.spend`), so that a list shared by a million objects is paid for a million times.
* A refusal is a place and what was expected there; it says no more of the value than its type.
* Where nothing is made (a survey), something stands for what would be: it passes, for nobody knows what it is.

Here is what all guards have in common, and what puts them together: :func:`either` and :func:`both`; None stands for no
constraint. Single values are guarded in :mod:`.values`, lists and dicts in :mod:`.containers`, arguments and state in
:mod:`.uses`. The engine looks with :mod:`..decoding.checks`, made from these; they are asked for what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import quote

__all__ = [
    "ANYTHING",
    "AllOf",
    "AnyOf",
    "Anything",
    "Guard",
    "Looking",
    "Refusal",
    "ValueGuard",
    "any_deep",
    "both",
    "either",
    "kind_of",
    "length_text",
    "wants",
]

#: Where in the value, and what was expected there.
Refusal = tuple[str, str]


class Looking:
    """What guards need of whoever asks them."""

    __slots__ = ()

    #: The exact type of what stands for values that were not made, or None where all have been.
    stand_in: type | None = None

    def spend(self, count: int) -> None:
        """Be told how many values are about to be looked at; raise where that is too much."""


class Guard:
    """A constraint. Equal to another of the same text."""

    __slots__ = ("_arguments", "deep", "made_check", "text")

    #: What it asks for, for messages and the fingerprint.
    text: str
    #: Whether it looks into lists, dicts or sets, which may change after it has passed them.
    deep: bool
    #: What the engine has made of it; says nothing that the guard does not say.
    made_check: Any
    _arguments: tuple[Any, ...]

    def _freeze(self, text: str, *arguments: Any, deep: bool = False) -> None:
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "deep", deep)
        object.__setattr__(self, "made_check", None)
        object.__setattr__(self, "_arguments", arguments)

    def remember(self, check: Any) -> None:
        """Keep what the engine has made of this guard, so that it is made once and not for each load."""
        object.__setattr__(self, "made_check", check)

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

    def refusal(self, value: Any, look: Looking) -> Refusal | None:
        """Return where in *value* something else was expected, and what; None where it is fine."""
        return None if type(value) is look.stand_in else self.look_at(value, look)

    def look_at(self, value: Any, look: Looking) -> Refusal | None:
        """Do the same for a value that has been made."""
        raise NotImplementedError


class Anything(ValueGuard):
    """No constraint, where a value has to be."""

    __slots__ = ()

    def __init__(self) -> None:
        self._freeze("anything")

    def look_at(self, value: Any, look: Looking) -> Refusal | None:
        return None


ANYTHING = Anything()


# ---- together ----------------------------------------------------------------------------------------------


class _Together(ValueGuard):
    """Several guards of one sort: of values, of arguments or of state."""

    __slots__ = ("guards",)

    guards: tuple[Any, ...]
    _word = ""

    def __init__(self, guards: Iterable[Guard]) -> None:
        # What is inside another of the same kind is taken out of it, doubles go and the order does not count: then
        # putting together is commutative, associative and idempotent, and so is the fingerprint.
        flat: dict[str, Guard] = {}
        for guard in guards:
            for part in guard.guards if isinstance(guard, type(self)) else (guard,):
                flat.setdefault(f"{type(part).__name__} {part.text}", part)
        found = tuple(flat[text] for text in sorted(flat))
        object.__setattr__(self, "guards", found)
        self._freeze(f" {self._word} ".join(f"({guard.text})" for guard in found), found, deep=any_deep(found))


class AnyOf(_Together):
    """One of several guards has to pass."""

    __slots__ = ()
    _word = "or"

    def look_at(self, value: Any, look: Looking) -> Refusal | None:
        found: list[Refusal] = []
        for guard in self.guards:
            wrong = guard.refusal(value, look)
            if wrong is None:
                return None
            found.append(wrong)
        # The one that came furthest knows best what was meant.
        place = max((where for where, _ in found), key=len)
        if place:
            return next(wrong for wrong in found if wrong[0] == place)
        return ("", wants(self, value))

    def check(self, *given: Any) -> str | None:
        """Return what each of the guards finds wrong with arguments or state, or None if one of them nothing."""
        found: list[str] = []
        for guard in self.guards:
            wrong = guard.check(*given)
            if wrong is None:
                return None
            found.append(wrong)
        return " -- or else -- ".join(found[:3]) + " ..." * (len(found) > 3)


class AllOf(_Together):
    """All of several guards have to pass."""

    __slots__ = ()
    _word = "and"

    def look_at(self, value: Any, look: Looking) -> Refusal | None:
        for guard in self.guards:
            wrong: Refusal | None = guard.refusal(value, look)
            if wrong is not None:
                return wrong
        return None

    def check(self, *given: Any) -> str | None:
        """Return what the first guard that does finds wrong with arguments or state, or None."""
        for guard in self.guards:
            wrong: str | None = guard.check(*given)
            if wrong is not None:
                return wrong
        return None


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


# ---- texts -------------------------------------------------------------------------------------------------


def any_deep(guards: Iterable[Guard], kind: str = "tuple") -> bool:
    """Return whether a value of *kind* with parts that these guards guard can change after it has passed."""
    return kind != "tuple" or any(guard.deep for guard in guards)


def wants(guard: Guard, value: Any) -> str:
    """Say what was expected instead of *value*."""
    text = guard.text if len(guard.text) <= 200 else f"{guard.text[:200]}..."
    return f"wants {text}, got {kind_of(value)}"


def kind_of(value: Any) -> str:
    """Say no more of a value than its type."""
    return quote(type(value).__name__)[1:-1] if value is not None else "none"


def length_text(low: int | None, high: int | None) -> str:
    """Say what lengths there may be.

    :raises ValueError: if there are none.
    """
    if low is not None and low < 0:
        raise ValueError("a length is not negative")
    if low is not None and high is not None and low > high:
        raise ValueError(f"min_length = {low} is above max_length = {high}")
    if high is not None:
        return f" of {low} to {high}" if low else f" of up to {high}"
    return f" of at least {low}" if low else ""
