"""What is learned from many pickles allows each of them, constraints and all, whatever their order, and not everything.

The input is a series of choices: calls of a few callables with arguments and state that are alike or not, in so many
pickles that constraints are offered. A callable without a bound of its own is never allowed without one.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from fuzz import samples, terms
from fuzz.assembly import blob, call, dict_of, list_of, name, number, op, pickled, text, tuple_of
from fuzz.choices import ByteChoices, Choices
from fuzz.outcomes import Finding, outcome
from fuzz.targets.learned import by_rules
from safepickle.inspection import inspect
from safepickle.policy.hazards import BOUND, hazard_of, is_bounded
from safepickle.policy.learning import Learner
from safepickle.policy.rules import Policy

INPUT = "choices"

#: What is called: canaries, and globals that ask for any amount of memory where nothing bounds them.
_CALLEES: tuple[tuple[str, str], ...] = (
    (samples.__name__, "remade"), (samples.__name__, "Argued"), ("numpy", "zeros"), ("datetime", "date"),
    ("decimal", "Decimal"), (samples.__name__, "Node"), ("yaml", "load"), ("copyreg", "_reconstructor"),
    ("collections", "OrderedDict"), ("my\nmodule", "x"), ("a.b", "__init__"),
)  # fmt: skip
_VALUES: tuple[bytes, ...] = (
    number(1), number(500), number(-3), text("a"), text("b" * 40), blob(b"x"), b"N", b"\x88", op("BINFLOAT", 1.5),
    list_of(number(1)),
    list_of(number(7), number(9)), tuple_of(text("a"), number(1)), dict_of(text("a"), number(1)),
    b"\x8f(" + number(1) + b"\x90",
    name(samples.__name__, "Node"), name("a.b", "C"), name(samples.__name__, "Node") + b")\x81",
    op("BYTEARRAY8", b"ab"), b"]" * 3 + b"aa",
)  # fmt: skip
_KEYS = ("a", "b", "key", "y y", "__class__", "\ud800", "\u20ac")


class _Habit:
    """How one callable is called: kinds of arguments, and how much they vary."""

    def __init__(self, draw: Choices) -> None:
        self.pair = draw.pick(_CALLEES)
        self.road = draw.below(4)
        self.counts = [draw.below(4) for _ in range(1 + draw.below(2))]
        varied = 1 + draw.below(3)
        self.values = [[draw.pick(_VALUES) for _ in range(varied)] for _ in range(4)]
        self.keys = [draw.pick(_KEYS) for _ in range(draw.below(3))]
        self.optional = draw.below(3) == 0
        self.many = draw.chance(9)

    def body(self, turn: int) -> bytes:
        """Return the call of one turn."""
        count = self.counts[turn % len(self.counts)] if not self.many else 14
        given = [self.values[index % 4][turn % len(self.values[index % 4])] for index in range(count)]
        target = name(*self.pair)
        keys = self.keys[: 1 + turn % 2] if self.optional else self.keys
        named = dict_of(*(part for key in dict.fromkeys(keys) for part in (text(key), self.values[0][0])))
        if self.road == 0:
            return call(target, *given)
        if self.road == 1:
            return target + tuple_of(*given) + named + b"\x92"
        if self.road == 2:
            return target + b")\x81" + named + b"b"
        return target + b")\x81N" + named + b"\x86b"


def _tree(body: bytes) -> Any:
    return inspect(pickled(body), limits=terms.LIMITS)


def check(data: bytes) -> Any:
    """Learn from many pickles, and hold the policy to each."""
    draw = ByteChoices(data)
    habits = [_Habit(draw) for _ in range(1 + draw.below(3))]
    pickles, each = draw.pick(((1, 1), (5, 2), (5, 2), (10, 2))), draw.pick((True, True, False))
    bodies = [
        tuple_of(*(habit.body(turn * pickles[1] + again) for habit in habits for again in range(pickles[1])))
        for turn in range(pickles[0])
    ]
    extends = ("stdlib",) if draw.below(3) == 0 else ()
    learned = _learn(bodies, extends, constraints=each)
    if _learn(bodies[::-1], extends, constraints=each).text != learned.text:
        raise Finding("what is learned depends on the order of the pickles")
    if not learned.text.isascii():
        raise Finding("what is learned is written in other than ASCII")
    if Policy.from_text(learned.text) != learned.policy:
        raise Finding("what was learned is not what its file says")
    withheld = {(one.module, one.name) for one in learned.withheld}
    for pair, rule in learned.policy.rules.items():
        hazard = hazard_of(*pair)
        if hazard is not None and hazard.kind != BOUND:
            raise Finding("what is dangerous was learned", f"{pair} {hazard.reason}")
        if hazard is not None and not is_bounded(*pair) and not rule.constrained:
            raise Finding("what has no bound was learned without one", str(pair))
    if not withheld:
        for body in bodies:
            survey = terms.package.survey(pickled(body), policy=learned.policy, limits=terms.LIMITS)
            tree = _tree(body)
            denials = by_rules(survey.denials)
            if denials and not tree.strays and not tree.nameless():
                raise Finding("a learned policy denies what it was learned from", f"{denials[0]} {learned.text}")
    if not learned.policy.rules and not withheld and any(habit.pair == (samples.__name__, "Node") for habit in habits):
        raise Finding("nothing was learned from a call")
    constrained = sorted(pair[1] for pair, rule in learned.policy.rules.items() if rule.constrained)
    _holds(learned, habits, bodies)
    return pickles, tuple(constrained), len(withheld), bool(extends)


def _learn(bodies: list[bytes], extends: tuple[str, ...], *, constraints: bool) -> Any:
    learner = Learner(extends=extends, constraints=constraints)
    for body in bodies:
        learner.add(_tree(body))
    return learner.finish(name="fuzz")


def _holds(learned: Any, habits: list[_Habit], bodies: list[bytes]) -> None:
    """Each pickle loads, as far as its callables exist; where arguments are constrained, not any number passes."""
    if {habit.pair[0] for habit in habits} == {samples.__name__} and not learned.withheld:
        for body in bodies:
            tree = _tree(body)
            found = outcome(partial(terms.package.loads, pickled(body), policy=learned.policy))
            samples.restore()
            if found.error == "PolicyError" and not tree.strays and not tree.nameless():
                raise Finding("a learned constraint refuses what it was learned from",
                f"{found.message} {learned.text}")
    for rule in learned.policy.rules.values():
        if rule.call_guard is not None and rule.call_guard.check((1,) * 40, {}, lambda _count: None) is None:
            raise Finding("a learned constraint passes any number of arguments", learned.text)
