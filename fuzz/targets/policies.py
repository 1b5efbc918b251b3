"""Any text is a Policy that keeps its promises, or a PolicyFileError that is one short line."""

from __future__ import annotations

import pickle
from typing import Any
from unittest.mock import patch

from fuzz import terms
from fuzz.oracles import watched
from fuzz.outcomes import Finding, failure, feature
from safepickle.errors import PolicyFileError
from safepickle.policy import offered
from safepickle.policy.files import policy_from_text
from safepickle.policy.gadgets import gadget_reason
from safepickle.policy.rules import Policy

INPUT = "text"
#: Everything that reading a file imports late has been imported by then.
BEFORE = terms.FORMS


def check(data: bytes) -> Any:
    """Read *data* as a policy file."""
    text = data.decode("utf-8", "replace")
    # Line numbers and names of TOML's own parser come from the parser: it is the second one that runs.
    # Looking for an unknown pack reads what is installed: `offered` is about that.
    with patch.object(offered, "offered_pack", _offers_none), watched("reading a policy"):
        try:
            policy = policy_from_text(text, name="fuzz")
        except PolicyFileError as error:
            return feature(failure(error))
    _hold(policy)
    return "policy", len(policy.rules).bit_length(), len(policy.aliases).bit_length(), policy.limits is not None


def _offers_none(_name: str) -> None:
    return None


def _hold(policy: Policy) -> None:
    if policy.unrestricted:
        raise Finding("a policy file switched the policy off")
    for (module, name), rule in policy.rules.items():
        if "*" in module + name or not module or not name:
            raise Finding("a rule that is no exact name", f"{module!a}:{name!a}")
        if any(part.startswith("__") and part.endswith("__") for part in name.split(".")):
            raise Finding("a rule for a dunder name", f"{module!a}:{name!a}")
        granted = policy.lookup(module, name)
        if granted is not None and gadget_reason(module, name) is not None and not rule.accept_known_gadget:
            raise Finding("a known gadget is granted without being accepted", f"{module!a}:{name!a}")
        if granted is not None and (module, name) in policy.denies:
            raise Finding("a rule beats a denial", f"{module!a}:{name!a}")
    again = pickle.loads(pickle.dumps(policy))
    if again != policy or hash(again) != hash(policy):
        raise Finding("a policy is not equal to its own copy")
