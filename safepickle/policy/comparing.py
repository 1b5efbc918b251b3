"""Comparing: what one policy says of a global, and what another one would change.

Rules that hold here:

* Both sides are compared as the engine sees them: flattened, with what they extend, after merging.
* Whether the second allows more is answered on the safe side: a constraint that changed may be wider.
* Nothing that a policy names is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..decoding.emulated import CONSTANTS, EMULATED
from ..errors import UNNAMED
from .contracts import CONTRACTS, STATES
from .gadgets import gadget_reason
from .hazards import hazard_of
from .names import suggestion

if TYPE_CHECKING:
    from .rules import Policy, Rule

__all__ = ["Change", "Explanation", "compare", "explain"]

Pair = tuple[str, str]


class Change(NamedTuple):
    """One difference between two policies."""

    #: ``rule``, ``alias``, ``denial`` or ``limit``.
    what: str
    #: ``added``, ``removed`` or ``changed``.
    how: str
    #: The global as ``module:name``, or the limit's name.
    subject: str
    before: str | None
    after: str | None
    #: Whether the second policy may allow something by it that the first does not.
    widens: bool

    def __str__(self) -> str:
        sign = {"added": "+", "removed": "-", "changed": "~"}[self.how]
        if self.how == "changed":
            values = f"{self.before} -> {self.after}"
        else:
            values = (self.after if self.how == "added" else self.before) or ""
        return f"{sign} {self.what} {self.subject}: {values}{'  (allows more)' if self.widens else ''}"


def compare(first: Policy, second: Policy) -> tuple[Change, ...]:
    """Return what *second* would change where *first* is in use."""
    if first.unrestricted or second.unrestricted:
        if first.unrestricted == second.unrestricted:
            return ()
        before, after = str(first.unrestricted), str(second.unrestricted)
        return (Change("rule", "changed", "everything", before, after, second.unrestricted),)
    changes = [
        *_rules(dict(first.rules), dict(second.rules), ""),
        *_rules(dict(first.class_rules), dict(second.class_rules), " (classes only)"),
        *_aliases(first, second),
        *_denials(first, second),
        *_limits(first, second),
    ]
    return tuple(changes)


def _rules(old: dict[Pair, Rule], new: dict[Pair, Rule], note: str) -> list[Change]:
    changes = []
    for pair in sorted({*old, *new}):
        before, after = old.get(pair), new.get(pair)
        subject = _shown(pair) + note
        if after is None and before is not None:
            changes.append(Change("rule", "removed", subject, _said(before), None, False))
        elif before is None and after is not None:
            changes.append(Change("rule", "added", subject, None, _said(after), True))
        elif before is not None and after is not None and _said(before) != _said(after):
            changes.append(Change("rule", "changed", subject, _said(before), _said(after), _widens(before, after)))
    return changes


def _shown(pair: Pair) -> str:
    return f"{pair[0]}:{pair[1]}"


def _said(rule: Rule) -> str:
    """Return what a rule allows, as it is decided by."""
    return str(rule).removeprefix(f"{rule.module!a} {rule.name!a} ")


def _widens(before: Rule, after: Rule) -> bool:
    if after.rights & ~before.rights or (after.accept_known_gadget and not before.accept_known_gadget):
        return True
    guards = (
        (before.call_guard, after.call_guard),
        (before.new_guard, after.new_guard),
        (before.state_guard, after.state_guard),
    )
    return any(old is not None and (new is None or new.text != old.text) for old, new in guards)


def _aliases(first: Policy, second: Policy) -> list[Change]:
    changes = []
    for old in sorted({*first.aliases, *second.aliases}):
        before, after = first.aliases.get(old), second.aliases.get(old)
        if before == after:
            continue
        how = "added" if before is None else "removed" if after is None else "changed"
        shown = [None if pair is None else _shown(pair) for pair in (before, after)]
        # A name that leads elsewhere is a name that was not allowed before.
        changes.append(Change("alias", how, _shown(old), shown[0], shown[1], after is not None))
    return changes


def _denials(first: Policy, second: Policy) -> list[Change]:
    gone = [Change("denial", "removed", _shown(pair), "denied", None, True) for pair in first.denies - second.denies]
    new = [Change("denial", "added", _shown(pair), None, "denied", False) for pair in second.denies - first.denies]
    return sorted(gone + new, key=lambda change: change.subject)


def _limits(first: Policy, second: Policy) -> list[Change]:
    old = {} if first.limits is None else first.limits.as_dict()
    new = {} if second.limits is None else second.limits.as_dict()
    changes = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before != after:
            how = "added" if before is None else "removed" if after is None else "changed"
            widens = before is not None and (after is None or after > before)
            changes.append(Change("limit", how, name, _text(before), _text(after), widens))
    return changes


def _text(value: float | None) -> str | None:
    return None if value is None else str(value)


# ---- explaining --------------------------------------------------------------------------------------------


class Explanation(NamedTuple):
    """What a policy says of one global, and what is known of it."""

    module: str
    name: str
    #: After the policy's aliases.
    renamed: Pair
    allowed: bool
    rights: tuple[str, ...]
    #: Why it is denied, or None.
    denied_because: str | None
    constraints: tuple[str, ...]
    reason: str
    source: str
    #: What is to be known of it, in words.
    notes: tuple[str, ...]
    #: A line that would allow it to appear, where a line can.
    suggestion: str


def explain(policy: Policy, module: str, name: str) -> Explanation:
    """Return what *policy* says of a global."""
    pair = policy.rename(module, name)
    rule = policy.lookup(*pair)
    listed = policy.rules.get(pair)
    return Explanation(
        module,
        name,
        pair,
        rule is not None or policy.unrestricted,
        () if rule is None else rule.rights.labels(),
        None if rule is not None or policy.unrestricted else _why_denied(policy, pair, listed),
        () if rule is None else tuple(_said(rule).split("; ")[1:]),
        "" if rule is None else rule.reason,
        "" if rule is None else rule.source,
        tuple(_notes(pair)),
        suggestion(*pair, "refer") if rule is None and gadget_reason(*pair) is None else "",
    )


def _why_denied(policy: Policy, pair: Pair, listed: Any) -> str:
    if pair in policy.denies or (pair[0], "*") in policy.denies:
        return "a [[deny]] names it, which beats every rule"
    return UNNAMED if listed is None else "it is a known gadget, or a dunder name, and stays denied"


def _notes(pair: Pair) -> list[str]:
    notes = []
    hazard = hazard_of(*pair)
    if hazard is not None:
        notes.append(f"{hazard.kind}: {hazard.reason} [{hazard.source}]")
    if pair in CONSTANTS:
        notes.append("a constant that the machine knows: it needs no rule")
    elif pair in EMULATED:
        notes.append("emulated: in the form that picklers write, the machine does this itself and needs no rule")
    if pair in CONTRACTS:
        contract = CONTRACTS[pair]
        notes.append(f"its arguments are held to a contract: against {contract.reason} [{contract.source}]")
    if pair in STATES:
        state = STATES[pair]
        notes.append(f"its state is held to a contract: against {state.reason} [{state.source}]")
    return notes
