"""Policies made for the tests: an application that allows some canaries, each with exactly the rights named.

They show what a stream may *not* do with what it is allowed to use; `plain` and `stdlib` deny the same
streams at the global already.
"""

from __future__ import annotations

from safepickle.policy.rules import Policy, Right, Rule

CANARY = "attacks.canary"


def allowing(*rows: str, module: str = CANARY) -> Policy:
    """Return a policy of rows such as `"Plain new build"`: a qualified name, then rights."""
    rules = []
    for row in rows:
        name, *rights = row.split()
        rules.append(Rule(module=module, name=name, rights=Right.parse(rights)))
    return Policy(name="app", rules=rules)


#: What an application would write for its classes.
APP = allowing(
    "Plain refer new build",
    "Slotted refer new build",
    "DunderSlot new build",
    "shared call",
    "WithProperty refer new build",
    "Probing refer new build",
    "Setting refer new build",
    "WithMeta refer new build",
    "Bag refer new append",
    "QuietList refer new append build",
    "QuietDict refer new setitem",
    "QuietSet refer new add",
    "MadeByCall call build",
    "Equal new",
    "act refer",
    "interrupt call",
    "fail call",
)
