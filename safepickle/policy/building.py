"""From a policy file's content to rules: the one place that knows what each table of a file means.

Rules that hold here:

* It takes the content as the TOML parser gives it and needs nothing heavy. Files of users go through the model first
  (``model.py``), which knows every key and type. Packs of this installation went through it when they were made, so
  that loading one takes a few milliseconds; :func:`is_familiar` still refuses a key that the model does not know.
* Nothing that is named is imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import quote
from ..limits import LIMITS, Limits
from .gadgets import GADGET_MODULES, gadget_reason
from .guards import Guard, both
from .names import KNOWN_GADGET
from .rights import Right, Rule
from .rules import WHOLE_MODULE, Pair, Policy
from .specs import SpecError, arguments_guard, pair_of, state_guard
from .uses import AtMost

__all__ = ["DEFINED_HERE", "TABLES", "is_familiar", "policy_of", "refuse_gadget"]

#: The one kind filter: all classes that say they were defined in the module.
DEFINED_HERE = "defined here"

#: The keys of a file and of its tables, as the model has them.
TABLES: Mapping[str, tuple[str, ...]] = {
    "": tuple("schema name description extends limits allow globals alias deny".split()),
    "allow": tuple(
        "module names classes rights args kwargs rest state state_value max_instances reason "
        "accept_known_gadget".split()
    ),
    "alias": ("from", "to"),
    "deny": ("module", "names", "reason"),
}


def is_familiar(content: Mapping[str, Any]) -> bool:
    """Say whether a file has only keys that the model knows; what stands there is not looked at."""
    if content.get("schema") != 1 or not content.keys() <= set(TABLES[""]):
        return False
    return all(row.keys() <= set(TABLES[name]) for name in ("allow", "alias", "deny") for row in content.get(name, ()))


def refuse_gadget(module: str, name: str, how: str) -> None:
    """Raise ValueError for a known gadget that the file does not accept in so many words."""
    reason = gadget_reason(module, name)
    if reason is not None:
        raise ValueError(f"{quote(f'{module}:{name}')} is a known gadget ({reason}); if it has to be allowed: {how}")


def policy_of(content: Mapping[str, Any], name: str) -> Policy:
    """Return the policy of a file's content, without what it extends.

    :param name: its name.
    :raises SpecError: for what only shows when the parts are put together; it knows the key.
    """
    return Policy(
        name=name,
        rules=_rules(content, name),
        aliases={_alias(row["from"]): _alias(row["to"]) for row in content.get("alias", ())},
        denies=[(row["module"], denied) for row in content.get("deny", ()) for denied in row["names"]],
        limits=_tightening(content.get("limits")),
    )


def _alias(text: str) -> Pair:
    module, _, name = text.partition(":")
    return module, name


def _tightening(given: Mapping[str, Any] | None) -> Limits | None:
    """Return ``[limits]``, with no bound where the file gives none: the caller's hold there."""
    return Limits.from_mapping({**dict.fromkeys(row.name for row in LIMITS), **given}) if given else None


def _rules(content: Mapping[str, Any], source: str) -> Iterator[Rule]:
    for index, row in enumerate(content.get("allow", ())):
        try:
            yield from _long_rules(row, source)
        except SpecError as error:
            raise SpecError(str(error), ("allow", index, *error.key)) from None
    for key, rights in content.get("globals", {}).items():
        try:
            yield _short_rule(key, rights, source)
        except ValueError as error:
            raise SpecError(str(error), ("globals", key)) from None


def _long_rules(row: Mapping[str, Any], source: str) -> Iterator[Rule]:
    """Yield the rules of one ``[[allow]]``."""
    rights = Right.parse(row["rights"])
    arguments: Guard | None = arguments_guard(row.get("args"), row.get("kwargs"), row.get("rest"))
    state = state_guard(row.get("state"), row.get("state_value"))
    if "max_instances" in row:
        arguments = both(arguments, AtMost(row["max_instances"]))
    makes = bool(rights & (Right.CALL | Right.NEW))
    for words, right, reason in (
        (("args", "kwargs", "rest", "max_instances"), makes, "it needs the right call or new"),
        (("state", "state_value"), bool(rights & Right.BUILD), "it needs the right build"),
    ):
        for word in words:
            if word in row and not right:
                raise SpecError(f"constrains what is not allowed here: {reason}", (word,))
    names = [(name, False) for name in row.get("names", ())]
    if "classes" in row:
        _check_filter(row)
        names.append((WHOLE_MODULE, True))
    if not names:
        raise SpecError(f'wants names = [...], or classes = "{DEFINED_HERE}"', ())
    for name, classes_only in names:
        yield Rule(
            row["module"],
            name,
            rights,
            row.get("reason", ""),
            source,
            row.get("accept_known_gadget", False),
            classes_only,
            arguments if rights & Right.CALL else None,
            arguments if rights & Right.NEW else None,
            state,
        )


def _check_filter(row: Mapping[str, Any]) -> None:
    module = row["module"]
    if row.get("accept_known_gadget"):
        raise SpecError("a gadget is accepted by its name alone, not by a filter", ("accept_known_gadget",))
    if module == "builtins" or module in GADGET_MODULES:
        why = GADGET_MODULES.get(module, "its classes make classes, bind methods and read anything to its end")
        raise SpecError(f"not for all classes of {quote(module)}: {why}; name those that the data needs", ("classes",))


def _short_rule(key: str, rights: list[str], source: str) -> Rule:
    """Return the rule of one line of ``[globals]``."""
    module, name = pair_of(key)
    accept = KNOWN_GADGET in rights
    words = [right for right in rights if right != KNOWN_GADGET]
    if not words:
        raise ValueError(f"give at least one right of {', '.join(right.label for right in Right)}")
    parsed = Right.parse(words)
    if not accept:
        refuse_gadget(module, name, f'put "{KNOWN_GADGET}" among its rights')
    return Rule(module, name, parsed, "", source, accept)
