"""Guarding: a rule's constraints while one load or dump runs.

Rules that hold here:

* A call is checked before it is made, and state before it is set. A list or dict within a state can be changed by
  later opcodes, so what looks into such ones is checked once more when the pickle ends, on the state as it was set.
* What a rule asks of calls is asked of every road to one: REDUCE, INST, OBJ, NEWOBJ, NEWOBJ_EX and what protocols 0
  and 1 write for the last two.
* Values that are looked at are paid for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import quote
from .guards import call_freedom, quick_fields
from .rights import Right, Rule

__all__ = ["RuleGuards"]


class RuleGuards:
    """The constraints of one rule in one load or dump, with what they have to remember.

    :param rule: a rule with constraints.
    :param pay: is told how much looking is about to cost, in steps of hashing.
    :param keep: is told how many bytes are about to be kept; None if state cannot change any more.
    """

    def __init__(self, rule: Rule, pay: Callable[[int], Any], keep: Callable[[int], Any] | None) -> None:
        self.call_guard: Any = rule.call_guard
        self.new_guard: Any = rule.new_guard if rule.rights & Right.NEW else rule.call_guard
        self.state_guard: Any = rule.state_guard
        self.source: str = f" (rule in {quote(rule.source)})" if rule.source else ""
        self.pay = pay
        self.keep = keep
        #: What is asked for where that is so little that the gate itself looks.
        self.quick: tuple[tuple[str, type, Any, Any], ...] | None = quick_fields(self.state_guard)
        self.free_call: int = call_freedom(self.call_guard)
        self.free_new: int = call_freedom(self.new_guard)
        #: Objects made by the rule, where they are counted.
        self.made: int = 0
        #: State to look at again, as it was set.
        self.kept: list[Any] = []

    def refuse_call(self, is_new: bool, args: tuple[Any, ...], kwargs: Any) -> str | None:
        """Return why a call is refused, or None; then it counts."""
        guard = self.new_guard if is_new else self.call_guard
        if guard is not None:
            wrong = guard.check(args, {} if kwargs is None else kwargs, self._spend, self.made)
            if wrong is not None:
                return f"{wrong}{self.source}"
        self.made += 1
        return None

    def refuse_reconstruction(self, base: type, state: Any) -> str | None:
        """Return why ``copyreg._reconstructor(cls, base, state)`` is refused, or None.

        ``object`` takes nothing. A tuple is the arguments of the class or, as for other bases, the only one of them:
        later protocols write the one for named tuples and the other for plain derived classes.
        """
        if base is object:
            return self.refuse_call(True, (), None)
        wrong = self.refuse_call(True, (state,), None)
        if wrong is None or base is not tuple:
            return wrong
        other = self.refuse_call(True, state, None)
        # Of the two, what found an argument wrong says more than what found their number wrong.
        return wrong if other is not None and wrong.startswith("args") else other

    def refuse_state(self, state: Any) -> str | None:
        """Return why state is refused, or None."""
        guard = self.state_guard
        if guard is None:
            return None
        wrong: str | None = guard.check(state, self._spend)
        if wrong is not None:
            return f"{wrong}{self.source}"
        if guard.deep and self.keep is not None:
            self.keep(100)
            self.kept.append(_as_set(state))
        return None

    def refuse_kept(self) -> str | None:
        """Return why state that was set is refused as it is now, or None."""
        for state in self.kept:
            wrong: str | None = self.state_guard.check(state, self._spend)
            if wrong is not None:
                return f"{wrong}, at the end of the pickle{self.source}"
        return None

    def _spend(self, count: int) -> None:
        """Pay for looking at values; some eight of them take as long as hashing one."""
        self.pay(1 + count // 8)


def _as_set(state: Any) -> Any:
    """Return state as the object has it, whatever becomes of the dict that it came in."""
    if type(state) is tuple:
        return tuple([dict(part) if type(part) is dict else part for part in state])
    return dict(state) if type(state) is dict else state
