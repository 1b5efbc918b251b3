# cython: annotation_typing=False
"""Guarding: a rule's constraints while one load or dump runs.

Rules that hold here:

* A call is checked before it is made, and state before it is set. What looks into lists, dicts or sets, which later
  opcodes can change, is checked once more when the pickle ends: arguments as they were given, state as it was set, and
  where the class has a ``__setstate__`` that may keep it, the very state that it was given.
* What a rule asks of calls is asked of every road to one: REDUCE, INST, OBJ, NEWOBJ, NEWOBJ_EX and what protocols 0
  and 1 write for the last two.
* Values that are looked at are paid for.
* The check says yes; where it does not, the guard says what is wrong, and has the last word.
"""

from __future__ import annotations

from operator import is_
from typing import Any

from ..errors import quote
from ..policy.containers import Entries
from ..policy.rights import Right, Rule
from ..policy.uses import Attributes, WholeState
from .budget import Budget
from .checks import ArgumentsCheck, Payer

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

#: What is kept to be looked at again, in bytes for one call or state at most.
KEPT = 200

_CALL, _NEW, _STATE, _GIVEN = 0, 1, 2, 3

if not cython.compiled:
    copy_of = dict.copy

    def same_entries(now: dict[Any, Any], then: dict[Any, Any]) -> bool:
        """Return whether two dicts have the very same keys and values in the same order; none of them is asked."""
        return len(now) == len(then) and all(map(is_, now, then)) and all(map(is_, now.values(), then.values()))


class RuleGuards:
    """The constraints of one rule in one load or dump, with what they have to remember.

    :param rule: a rule with constraints.
    :param budget: pays for what is looked at and kept; None for a dump, in which nothing can change any more.
    :param stand_in: the type of what stands for values that are not made, or None.
    """

    def __init__(self, rule: Rule, budget: Budget | None, stand_in: type | None) -> None:
        # Only here: what has no constraints needs no checks, and loads without it.
        from .making_checks import call_check, state_check

        new_guard = rule.new_guard if rule.rights & Right.NEW else rule.call_guard
        #: Guards and checks of calls, of ``cls.__new__`` and of state.
        self.call_guard: Any = rule.call_guard
        self.new_guard: Any = new_guard
        self.state_guard: Any = rule.state_guard
        self.call_check: Any = None if rule.call_guard is None else call_check(rule.call_guard)
        self.new_check: Any = None if new_guard is None else call_check(new_guard)
        self.state_check: Any = None if rule.state_guard is None else state_check(rule.state_guard)
        #: Whether there is anything to ask of calls, and of state.
        self.asks_calls: bool = self.call_check is not None or self.new_check is not None
        self.asks_states: bool = self.state_check is not None
        keeps = budget is not None
        self.keeps_calls = keeps and rule.call_guard is not None and rule.call_guard.deep
        self.keeps_news = keeps and new_guard is not None and new_guard.deep
        self.keeps_states = keeps and rule.state_guard is not None and rule.state_guard.deep
        #: Whether it would have to be looked at again as it was set, which is a copy of its outermost dict.
        self.keeps_copies = self.keeps_states and not _is_shallow(rule.state_guard)
        self.source: str = f" (rule in {quote(rule.source)})" if rule.source else ""
        self.budget = budget
        self.stand_in = stand_in
        #: Objects made by the rule.
        self.made = 0
        #: What is to be looked at again: (which of the guards, what it is given).
        self.kept: Any = None
        #: The check of state that is looked at name by name, and what of it is to be looked at again: a check and a
        #: value, one after the other.
        self.by_name: Any = self.state_check if type(rule.state_guard) is Attributes else None
        self.fields_kept: Any = [] if self.keeps_states and self.by_name is not None else None

    def renewed(self, budget: Budget | None, stand_in: type) -> RuleGuards:
        """Return the same constraints for another load."""
        guards = RuleGuards.__new__(RuleGuards)
        guards.call_guard = self.call_guard
        guards.new_guard = self.new_guard
        guards.state_guard = self.state_guard
        guards.call_check = self.call_check
        guards.new_check = self.new_check
        guards.state_check = self.state_check
        guards.asks_calls = self.asks_calls
        guards.asks_states = self.asks_states
        guards.keeps_calls = self.keeps_calls
        guards.keeps_news = self.keeps_news
        guards.keeps_states = self.keeps_states
        guards.keeps_copies = self.keeps_copies
        guards.source = self.source
        guards.budget = budget
        guards.stand_in = stand_in
        guards.made = 0
        guards.kept = None
        guards.by_name = self.by_name
        guards.fields_kept = None if self.fields_kept is None else []
        return guards

    def refuse_call(self, is_new: bool, args: tuple[Any, ...], kwargs: Any) -> str | None:
        """Return why a call is refused, or None; then it counts."""
        check = self.new_check if is_new else self.call_check
        if check is not None and not check.allows(args, kwargs, self.made, self.budget):
            wrong = self._ask(_NEW if is_new else _CALL, args, {} if kwargs is None else kwargs, self.made, None)
            if wrong is not None:
                return f"{wrong}{self.source}"
        self.made += 1
        if self.keeps_news if is_new else self.keeps_calls:
            self._keep((_NEW if is_new else _CALL, args, {} if kwargs is None else dict(kwargs)))
        return None

    def asks_of_making(self) -> bool:
        """Return whether anything is asked, counted or kept when an instance is made without arguments."""
        if self.keeps_news:
            return True
        for check in (self.call_check, self.new_check):
            # Others may count, also what the other one lets be made.
            if check is not None and type(check) is not ArgumentsCheck:
                return True
        if self.new_check is None:
            return False
        asked: ArgumentsCheck = self.new_check
        return asked.required > 0 or asked.keywords is not None

    def refuse_reconstruction(self, base: type, state: Any) -> str | None:
        """Return why ``copyreg._reconstructor(cls, base, state)`` is refused, or None.

        ``object`` takes nothing. A tuple is the arguments of the class or, as for other bases, the only one of them:
        later protocols write the one for named tuples and the other for plain derived classes.
        """
        if base is object:
            return self.refuse_call(True, (), None)
        wrong = self.refuse_call(True, (state,), None)
        if wrong is None or base is not tuple or type(state) is not tuple:
            return wrong
        other = self.refuse_call(True, state, None)
        # Of the two, what found an argument wrong says more than what found their number wrong.
        return wrong if other is not None and wrong.startswith("args") else other

    def refuse_state(self, state: Any) -> str | None:
        """Return why state is refused, or None."""
        if self.state_check is None:
            return None
        passes = (
            self.state_check.passes(state, self.budget)
            if self.by_name is None
            else self.by_name.pass_state(state, self.budget, self.fields_kept)
        )
        if not passes:
            wrong = self._ask(_STATE, state, None, 0, None)
            if wrong is not None:
                return f"{wrong}{self.source}"
        if self.keeps_states:
            if self.by_name is None:
                if self.keeps_copies:
                    self._keep((_STATE, _as_set(state), None))
            elif self.budget is not None:
                self.budget.take_memory(KEPT)
        return None

    def keep_given(self, state: Any) -> None:
        """Note state that a method of the class has taken, which may keep the very dict.

        What the method itself has made of it is the class's own affair, so it is noted as it is now.
        """
        given = parts_of(state)
        if given is not None and self.budget is not None:
            self.budget.take_memory((32 if type(given) is dict else 16) * len(given))
            self._keep((_GIVEN, state, given))

    def _keep(self, entry: tuple[int, Any, Any]) -> None:
        if self.kept is None:
            self.kept = []
        self.budget.take_memory(KEPT)  # type: ignore[union-attr]
        self.kept.append(entry)

    def _ask(self, which: int, given: Any, kwargs: Any, made: int, ending: str | None) -> Any:
        """Return what the guard itself finds wrong, or None."""
        look = Payer(self.budget, self.stand_in)
        if which == _STATE:
            wrong = self.state_guard.check(given, look)
        else:
            guard = self.new_guard if which == _NEW else self.call_guard
            wrong = guard.check(given, kwargs, look, made)
        return wrong if wrong is None or ending is None else f"{wrong}{ending}{self.source}"

    def _ask_field(self, check: Any, value: Any) -> str | None:
        """Return what the guard itself finds wrong with one attribute as it is now, or None."""
        fields = self.by_name.fields
        name = fields.names[fields.checks.index(check)]
        wrong = self.state_guard.wrong_with(name, value, Payer(self.budget, self.stand_in))
        return None if wrong is None else f"{wrong}, at the end of the pickle{self.source}"

    def refuse_kept(self) -> tuple[str, int, str] | None:
        """Return what is refused as it is now, the right that was used for it and why, or None."""
        fields = self.fields_kept or ()
        for index in range(0, len(fields), 2):
            check = fields[index]
            if not check.passes(fields[index + 1], self.budget):
                wrong = self._ask_field(check, fields[index + 1])
                if wrong is not None:
                    return ("state is", _RIGHTS[_STATE], wrong)
        for noted, given, kwargs in self.kept or ():
            which = _STATE if noted == _GIVEN else noted
            if noted == _GIVEN:
                passes = is_as_given(given, kwargs)
            elif which == _STATE:
                passes = self.state_check.passes(given, self.budget)
            else:
                passes = (self.new_check if which == _NEW else self.call_check).allows(given, kwargs, 0, self.budget)
            if not passes:
                wrong = self._ask(which, given, kwargs, 0, ", at the end of the pickle")
                if wrong is not None:
                    return ("state is" if which == _STATE else "arguments are", _RIGHTS[which], wrong)
        return None


_RIGHTS = {_CALL: Right.CALL.value, _NEW: Right.NEW.value, _STATE: Right.BUILD.value}


def parts_of(state: Any) -> Any:
    """Return what is in state that may be given other parts, keys and all; None for what cannot be."""
    if type(state) is dict:
        return copy_of(state)
    if type(state) is tuple:
        # What an instance with slots writes.
        found = [part for one in state if type(one) is dict for part in (*one, *one.values())]
        return found or None
    return list(state) if type(state) is list or type(state) is set else None


def is_as_given(state: Any, then: Any) -> bool:
    """Return whether these are the very parts that :func:`parts_of` has returned."""
    if type(state) is dict:
        return type(then) is dict and same_entries(state, then)
    now = parts_of(state)
    return now is not None and len(now) == len(then) and all(map(is_, now, then))


def _is_shallow(guard: Any) -> bool:
    """Return whether a guard of state looks at no more than the keys and values of a dict, and into none of them."""
    if type(guard) is not WholeState or type(guard.value) is not Entries:
        return False
    keys, values = guard.value.keys, guard.value.values
    return (keys is None or not keys.deep) and (values is None or not values.deep)


def _as_set(state: Any) -> Any:
    """Return state as the object has it, whatever becomes of the dict that it came in."""
    if type(state) is tuple:
        return tuple([dict(part) if type(part) is dict else part for part in state])
    return dict(state) if type(state) is dict else state
