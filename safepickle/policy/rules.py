"""Rights, rules and the policy: the values that the engine decides by.

Rules that hold here:

* A global is the pair (module, qualified name), compared whole: no prefixes, no joining (S2).
* What no rule names is denied. A known gadget stays denied even where a rule names it, unless that rule says
  ``accept_known_gadget`` (S4a). There is no value that means "policy off" but :data:`UNRESTRICTED`, by name.
* A policy is immutable and hashable, safe to share between threads, and imports nothing that it names (S9).
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from ..limits import Limits
from .gadgets import gadget_reason

__all__ = [
    "KNOWN_GADGET",
    "PLAIN",
    "UNRESTRICTED",
    "FindClass",
    "Policy",
    "Right",
    "Rule",
    "module_problem",
    "name_problem",
    "suggestion",
]

Pair = tuple[str, str]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a policy allows for one global."""

    module: str
    name: str
    rights: Right
    #: Why it is allowed, for reviewers.
    reason: str = ""
    #: Where the rule stands: the file's or pack's name.
    source: str = ""
    #: Loud: allow this although it is a known gadget.
    accept_known_gadget: bool = False


@runtime_checkable
class FindClass(Protocol):
    """A policy of the user's own, pickle-style: what it returns is granted, what it refuses it raises for."""

    def find_class(self, module: str, name: str, /) -> Any:
        """Return the object that the global stands for, or raise."""


#: What stands among the rights of a ``[globals]`` line where a known gadget is allowed all the same.
KNOWN_GADGET = "known-gadget"

#: Longest module name, and longest qualified name, in a rule.
NAME_LIMIT = 200

#: Modules with a dunder name that classes of real pickles do come from.
_MAIN_MODULES = frozenset({"__main__", "__mp_main__"})


def module_problem(module: str) -> str | None:
    """Return why a rule cannot name this module, or None where it can."""
    parts = module.split(".")
    if not module:
        return "a module's name cannot be empty"
    if "*" in module:
        return "no globs and no prefixes: name the one module, and every global in it that the data needs"
    if len(module) > NAME_LIMIT or not all(map(_is_module_part, parts)):
        return "not a module's name: write it as in `import a.b`"
    if "__builtin__" in parts:
        return "this is Python 2's name; rules use Python 3's: builtins"
    if module not in _MAIN_MODULES and any(map(_is_dunder, parts)):
        return "dunder modules cannot be listed, but for __main__ and __mp_main__"
    return None


def name_problem(name: str) -> str | None:
    """Return why a rule cannot name a global of this qualified name, or None where it can."""
    parts = name.split(".")
    if not name:
        return "a global's name cannot be empty"
    if "*" in name:
        return "no globs and no prefixes: list each global that the data needs by its own name"
    if any(map(_is_dunder, parts)):
        return "dunder names cannot be listed: they lead from data to the interpreter's insides"
    if len(name) > NAME_LIMIT or not all(part.isidentifier() for part in parts):
        return "not a qualified name: write it as in `class Outer: class Inner`, Outer.Inner"
    return None


def _is_dunder(part: str) -> bool:
    return part.startswith("__") and part.endswith("__")


def _is_module_part(part: str) -> bool:
    # Files such as `my-script.py` are modules too (runpy, importlib), hence the hyphen.
    return part.replace("-", "_").replace("_", "a").isalnum() and part.isprintable()


def suggestion(module: str, name: str, rights: str | Iterable[str]) -> str:
    """Return the line of a policy file's ``[globals]`` that would allow a global; loud for a known gadget.

    It is one line and TOML whatever the names hold, because names come from the input. For names that no rule
    can list it is empty.
    """
    if module_problem(module) or name_problem(name):
        return ""
    words = [rights] if isinstance(rights, str) else [*rights]
    if gadget_reason(module, name) is not None:
        words.append(KNOWN_GADGET)
    return f"{_toml(f'{module}:{name}')} = [{', '.join(map(_toml, words))}]"


def _toml(text: str) -> str:
    body = "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\U{ord(c):08X}" for c in text)
    return f'"{body}"'


class Policy:
    """An immutable allowlist: rules by exact pair, aliases applied before them, denials that beat them.

    :param name: name for messages.
    :param rules: the rules; two for one pair add up their rights.
    :param aliases: ``{(module, name): (module, name)}``; a name of ``"*"`` renames a whole moved module.
    :param denies: pairs that are refused whatever a rule says.
    :param limits: bounds that hold wherever the policy is used, beside those of the caller: the smaller of
        the two counts, so a policy can only tighten. None for no bounds of its own.
    """

    __slots__ = ("_fingerprint", "aliases", "denies", "limits", "name", "rules", "unrestricted")

    _fingerprint: str | None
    name: str
    rules: Mapping[Pair, Rule]
    aliases: Mapping[Pair, Pair]
    denies: frozenset[Pair]
    limits: Limits | None
    unrestricted: bool

    def __init__(
        self,
        *,
        name: str,
        rules: Iterable[Rule] = (),
        aliases: Mapping[Pair, Pair] | None = None,
        denies: Iterable[Pair] = (),
        limits: Limits | None = None,
    ) -> None:
        table: dict[Pair, Rule] = {}
        for rule in rules:
            pair = (rule.module, rule.name)
            table[pair] = rule if pair not in table else _merge(table[pair], rule)
        self._set(name, table, aliases or {}, frozenset(denies), limits, unrestricted=False)

    def _set(
        self,
        name: str,
        rules: dict[Pair, Rule],
        aliases: Mapping[Pair, Pair],
        denies: frozenset[Pair],
        limits: Limits | None,
        *,
        unrestricted: bool,
    ) -> None:
        put = object.__setattr__
        put(self, "name", name)
        put(self, "rules", MappingProxyType(rules))
        put(self, "aliases", MappingProxyType(dict(aliases)))
        put(self, "denies", denies)
        put(self, "limits", limits)
        put(self, "unrestricted", unrestricted)
        put(self, "_fingerprint", None)

    @classmethod
    def from_file(cls, path: Any) -> Policy:
        """Read a policy file (TOML).

        :param path: the file's path, as text or ``os.PathLike``.
        :raises PolicyFileError: if the file cannot be read or is not a policy; says file, line, key and what
            would be right.
        """
        from .files import policy_from_file

        return policy_from_file(path)

    @classmethod
    def from_text(cls, text: str, *, name: str = "policy") -> Policy:
        """Read a policy from TOML text; *name* stands in messages where the text gives none."""
        from .files import policy_from_text

        return policy_from_text(text, name=name)

    @classmethod
    def packs(cls, *names: str) -> Policy:
        """Return the union of packs shipped with safepickle, such as ``"stdlib"``.

        :raises PolicyFileError: for a pack that does not exist.
        """
        from .packs import load_pack

        policies = [load_pack(name) for name in names]
        if not policies:
            raise ValueError("name at least one pack")
        union = policies[0]
        for policy in policies[1:]:
            union = union | policy
        return union

    def rename(self, module: str, name: str) -> Pair:
        """Return the pair after aliases. An alias is applied once; it cannot lead to another."""
        pair = self.aliases.get((module, name))
        if pair is not None:
            return pair
        moved = self.aliases.get((module, "*"))
        return (module, name) if moved is None else (moved[0], name)

    def within(self, limits: Limits) -> Limits:
        """Return the limits that hold for a caller who gives *limits*: the smaller bounds of both."""
        return limits if self.limits is None else limits & self.limits

    def lookup(self, module: str, name: str) -> Rule | None:
        """Return the rule for a global, or None where it is denied."""
        rule = self.rules.get((module, name))
        if rule is None or (module, name) in self.denies:
            return None
        if any(part.startswith("__") and part.endswith("__") for part in name.split(".")):
            # A module's or a class's own machinery: __builtins__, __loader__, __subclasses__ (R05).
            return None
        if not rule.accept_known_gadget and gadget_reason(module, name) is not None:
            return None
        return rule

    @property
    def fingerprint(self) -> str:
        """A digest of everything the policy allows: equal for equal policies, on every machine."""
        if self._fingerprint is None:
            lines = sorted(
                f"allow {rule.module!a} {rule.name!a} {rule.rights.value} {rule.accept_known_gadget}"
                for rule in self.rules.values()
            )
            lines += sorted(f"alias {old!a} {new!a}" for old, new in self.aliases.items())
            lines += sorted(f"deny {pair!a}" for pair in self.denies)
            if self.limits is not None:
                lines += sorted(f"limit {bound}" for bound in self.limits.as_dict().items())
            lines.append(f"unrestricted {self.unrestricted}")
            digest = hashlib.sha256("\n".join(lines).encode("ascii")).hexdigest()
            object.__setattr__(self, "_fingerprint", digest[:32])
            return digest[:32]
        return self._fingerprint

    def __or__(self, other: Policy) -> Policy:
        """Either allows; a deny or a limit of one holds for both, because deny beats every allow."""
        if not isinstance(other, Policy):
            return NotImplemented
        if self.unrestricted or other.unrestricted:
            raise ValueError("UNRESTRICTED cannot be combined: it would silently switch the other policy off")
        for old, new in other.aliases.items():
            if self.aliases.get(old, new) != new:
                raise ValueError(f"the two policies disagree on the alias of {old!a}")
        return Policy(
            name=f"{self.name}|{other.name}",
            rules=[*self.rules.values(), *other.rules.values()],
            aliases={**self.aliases, **other.aliases},
            denies=self.denies | other.denies,
            limits=_tighter(self.limits, other.limits),
        )

    def __eq__(self, other: object) -> bool:
        return self.fingerprint == other.fingerprint if isinstance(other, Policy) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Policy is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Policy is immutable")

    def __repr__(self) -> str:
        if self.unrestricted:
            return "safepickle.UNRESTRICTED"
        return f"<Policy {self.name!a}: {len(self.rules)} globals, {self.fingerprint[:12]}>"

    def __reduce__(self) -> Any:
        if self.unrestricted:
            return "UNRESTRICTED"
        parts = (self.name, tuple(self.rules.values()), dict(self.aliases), tuple(self.denies), self.limits)
        return (_policy_from_parts, parts)


def _tighter(first: Limits | None, second: Limits | None) -> Limits | None:
    if first is None or second is None:
        return second if first is None else first
    return first & second


def _merge(first: Rule, second: Rule) -> Rule:
    return Rule(
        module=first.module,
        name=first.name,
        rights=first.rights | second.rights,
        reason=first.reason or second.reason,
        source=first.source if first.source == second.source else f"{first.source}, {second.source}",
        accept_known_gadget=first.accept_known_gadget or second.accept_known_gadget,
    )


def _policy_from_parts(
    name: str,
    rules: tuple[Rule, ...],
    aliases: dict[Pair, Pair],
    denies: tuple[Pair, ...],
    limits: Limits | None = None,
) -> Policy:
    return Policy(name=name, rules=rules, aliases=aliases, denies=denies, limits=limits)


def _unrestricted() -> Policy:
    policy = Policy.__new__(Policy)
    policy._set("UNRESTRICTED", {}, {}, frozenset(), None, unrestricted=True)  # noqa: SLF001
    return policy


#: Built-in data types only: the machine makes those itself, so no global is allowed at all. The default
#: everywhere; a test holds it equal to ``policies/plain.toml``.
PLAIN = Policy(name="plain")

#: Everything is allowed, as pickle does it. Loud, for tests and migration; never for input from elsewhere.
UNRESTRICTED = _unrestricted()
