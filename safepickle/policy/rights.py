"""Rights and rules: what a stream may do with a global, and how two rules for one global go together.

Rules that hold here:

* One right never implies another (S3). A guard belongs to the right that it constrains, so that putting two rules
  together never gives a right of one with the guard of the other.
* :func:`union` allows, use by use, what one of two rules allows; :func:`conjunction` what both allow. Both are
  commutative, associative and idempotent.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any, NamedTuple

from .gadgets import gadget_reason
from .guards import both, either

__all__ = ["Right", "Rule", "conjunction", "union"]


class Right(enum.Flag):
    """What a stream may do with a global. One right never implies another (S3)."""

    #: Appear as a value.
    REFER = 1
    #: Be called: REDUCE, OBJ, INST.
    CALL = 2
    #: Be made with ``cls.__new__``: NEWOBJ, NEWOBJ_EX.
    NEW = 4
    #: Have instances of it given state: BUILD.
    BUILD = 8
    #: Have instances of it appended to: APPEND, APPENDS.
    APPEND = 16
    #: Have items of its instances set: SETITEM, SETITEMS.
    SETITEM = 32
    #: Have items added to its instances: ADDITEMS.
    ADD = 64

    @classmethod
    def parse(cls, names: Iterable[str]) -> Right:
        """Return the rights with these lower-case names.

        :raises ValueError: for a name that is no right.
        """
        rights = cls(0)
        for name in names:
            try:
                rights |= cls[name.upper()] if name == name.lower() else cls[""]
            except KeyError:
                known = ", ".join(right.label for right in cls)
                raise ValueError(f"no such right: {name[:40]!a} (there are {known})") from None
        return rights

    @property
    def label(self) -> str:
        """The name as policy files and messages write it."""
        return (self.name or "").lower()

    def labels(self) -> tuple[str, ...]:
        """The names of all rights in this set."""
        return tuple(right.label for right in self)


class Rule(NamedTuple):
    """What a policy allows for one global."""

    module: str
    #: Qualified name; ``"*"`` for all classes of the module, only with *classes_only*.
    name: str
    rights: Right
    #: Why it is allowed, for reviewers.
    reason: str = ""
    #: Where the rule stands: the file's or pack's name.
    source: str = ""
    #: Loud: allow this although it is a known gadget.
    accept_known_gadget: bool = False
    #: Only for a class that says it was defined in this module under this name.
    classes_only: bool = False
    #: What arguments a call may have, and how many objects it may make: a guard, or None for any.
    call_guard: Any = None
    #: The same for what ``cls.__new__`` is given after the class.
    new_guard: Any = None
    #: What state an instance may be given, or None for any.
    state_guard: Any = None

    @property
    def constrained(self) -> bool:
        """Whether anything but the rights is asked for."""
        return not self.call_guard is self.new_guard is self.state_guard is None

    def __str__(self) -> str:
        parts = [" ".join(self.rights.labels())]
        for word, guard in (("call", self.call_guard), ("new", self.new_guard), ("build", self.state_guard)):
            parts += [] if guard is None else [f"{word}: {guard.text}"]
        parts += ["classes defined here only"] * self.classes_only + ["known gadget"] * self.accept_known_gadget
        return f"{self.module!a} {self.name!a} " + "; ".join(parts)


def union(first: Rule, second: Rule) -> Rule:
    """Return the rule that allows what one of two rules for the same global allows."""
    if first.accept_known_gadget != second.accept_known_gadget and gadget_reason(first.module, first.name):
        # The one that does not accept that it is a gadget allows nothing.
        return first if first.accept_known_gadget else second
    return Rule(
        module=first.module,
        name=first.name,
        rights=first.rights | second.rights,
        reason=first.reason or second.reason,
        source=_sources(first, second),
        # A gadget under a name that is not known as one: let in only if every rule for it says so.
        accept_known_gadget=first.accept_known_gadget and second.accept_known_gadget,
        classes_only=first.classes_only and second.classes_only,
        call_guard=_either(Right.CALL, first, first.call_guard, second, second.call_guard),
        new_guard=_either(Right.NEW, first, first.new_guard, second, second.new_guard),
        state_guard=_either(Right.BUILD, first, first.state_guard, second, second.state_guard),
    )


def conjunction(first: Rule, second: Rule) -> Rule:
    """Return the rule that allows what both of two rules for the same global allow; it may have no rights at all."""
    rights = first.rights & second.rights
    return Rule(
        module=first.module,
        name=first.name,
        rights=rights,
        reason=first.reason or second.reason,
        source=_sources(first, second),
        accept_known_gadget=first.accept_known_gadget and second.accept_known_gadget,
        classes_only=first.classes_only or second.classes_only,
        call_guard=both(first.call_guard, second.call_guard) if rights & Right.CALL else None,
        new_guard=both(first.new_guard, second.new_guard) if rights & Right.NEW else None,
        state_guard=both(first.state_guard, second.state_guard) if rights & Right.BUILD else None,
    )


def _either(right: Right, first: Rule, guard: Any, second: Rule, other: Any) -> Any:
    if not second.rights & right:
        return guard
    return either(guard, other) if first.rights & right else other


def _sources(first: Rule, second: Rule) -> str:
    return ", ".join(dict.fromkeys(f"{first.source}, {second.source}".split(", ")))
