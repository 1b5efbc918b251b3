"""What a policy would refuse of a stream, found from its inert tree.

A load lists all that it was refused by itself. This is for what cannot be read on behind a refusal, and for files that
are looked at without being loaded: the data of an array that was refused cannot be told from the opcodes behind them.

Rules that hold here:

* What is asked for is what the tree says (see ``needs``). Contracts and constraints are not asked: they look at
  values, which nobody makes here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import NOT_GIVEN, UNNAMED, Denial
from ..policy.gadgets import gadget_reason
from ..policy.rules import suggestion
from .locating import with_paths

if TYPE_CHECKING:
    from ..policy.rules import Policy
    from .tree import Tree

__all__ = ["refused"]


def refused(tree: Tree, policy: Policy, known: tuple[Denial, ...] = ()) -> tuple[Denial, ...]:
    """Return what the policy refuses of a stream, with places; each right of a global once, at its first use.

    :param known: refusals that a load has met, which come first.
    """
    met = {(denial.pair, denial.right) for denial in known}
    needs = tree.needs()
    found = list(known)
    for pair, right, position in tree.uses():
        rule = policy.lookup(*pair)
        if (rule is not None and right in rule.rights) or (pair, right.label) in met:
            continue
        met.add((pair, right.label))
        reason = UNNAMED if rule is None else NOT_GIVEN
        text = suggestion(*pair, needs[pair].labels())
        found.append(Denial(*pair, right.label, None, position, reason, gadget_reason(*pair), text))
    if not known:
        found += _never_allowed(tree)
    return with_paths(tuple(found), tree)


def _never_allowed(tree: Tree) -> list[Denial]:
    """Return what no policy allows: calls of what is no global, and changes of what the stream did not make."""
    calls = [(call.callee, call.right, call.opcode, call.position) for call in tree.nameless()]
    strays = [(obj, one.right, one.opcode, one.position) for obj, one in tree.strays]
    return [
        Denial(type(obj).__module__, type(obj).__qualname__, right, opcode, position, "no policy allows it", None, "")
        for obj, right, opcode, position in (*calls, *strays)
    ]
