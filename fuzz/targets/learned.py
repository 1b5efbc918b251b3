"""What is learned from a pickle is a policy file that can be read, allows that pickle, and grants no known gadget.

The tools that look at policies (lint, comparison, explanation) take whatever was learned.
"""

from __future__ import annotations

from typing import Any

from fuzz import terms
from fuzz.oracles import watched
from fuzz.outcomes import Finding, failure, feature
from safepickle.errors import SafePickleError
from safepickle.inspection import inspect
from safepickle.policy.comparing import compare, explain
from safepickle.policy.contracts import CONTRACTS
from safepickle.policy.gadgets import gadget_reason
from safepickle.policy.learning import Learner
from safepickle.policy.rules import PLAIN, Policy

INPUT = "stream"


def by_rules(denials: Any) -> list[Any]:
    """Return what a policy's own rules deny: contracts hold under every policy, and there is nothing to learn."""
    refused = "its arguments are refused"
    return [one for one in denials if one.pair not in CONTRACTS or not one.reason.startswith(refused)]


def check(data: bytes) -> Any:
    """Learn from *data*, and look at what was learned."""
    with watched("learning"):
        try:
            tree = inspect(data, limits=terms.LIMITS)
        except SafePickleError as error:
            return feature(failure(error))
        tree.as_json()
        repr(tree)
        for place in tree.walk():
            str(place)
        learner = Learner(extends=("stdlib",) if len(data) % 2 else ())
        learner.add(tree)
        learned = learner.finish(name="fuzz")
    policy = learned.policy
    again = Policy.from_text(learned.text)
    if again != policy:
        raise Finding("what was learned is not what its file says")
    for (module, name), rule in policy.rules.items():
        if gadget_reason(module, name) is not None and policy.lookup(module, name) is not None and not len(data) % 2:
            raise Finding("a known gadget was learned", f"{module!a}:{name!a} {rule.rights}")
        explain(policy, module, name)
    if any(compare(policy, again)) or (policy.rules and not compare(PLAIN, policy)):
        raise Finding("comparing policies does not tell whether they differ")
    survey = terms.package.survey(data, policy=policy, limits=terms.LIMITS)
    # A callee that is no global is denied under every policy, and nothing to learn.
    odd = any(not hasattr(call.callee, "pair") for call in tree.calls)
    denials = by_rules(survey.denials)
    if denials and not learned.withheld and not tree.strays and not tree.persistent_ids and not odd:
        raise Finding("a learned policy denies what it was learned from", str(denials[0]))
    return len(policy.rules), len(learned.withheld), bool(tree.strays)
