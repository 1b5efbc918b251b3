"""The policy: the value that the engine decides by.

Rules that hold here:

* A global is the pair (module, qualified name), compared whole: no prefixes, no joining (S2).
* What no rule names is denied. A known gadget stays denied even where a rule names it, unless that rule says
  ``accept_known_gadget`` (S4a). There is no value that means "policy off" but :data:`UNRESTRICTED`, by name.
* "All classes defined in this module" is the one rule that is not of a single pair. Whether it holds is decided when
  the object is there, by what the class itself says of its module and name, never by what the stream says.
* A policy is immutable and hashable, safe to share between threads, and imports nothing that it names (S9).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from ..limits import Limits
from .gadgets import gadget_reason
from .names import KNOWN_GADGET, is_dunder, module_problem, name_problem, suggestion
from .rights import Right, Rule, conjunction, union

__all__ = [
    "BY_DEFAULT",
    "KNOWN_GADGET",
    "PLAIN",
    "UNRESTRICTED",
    "WHOLE_MODULE",
    "FindClass",
    "Policy",
    "Right",
    "Rule",
    "module_problem",
    "name_problem",
    "suggestion",
]

Pair = tuple[str, str]

#: In place of a name: all of the module's, in a denial or an alias; all its classes, in a rule.
WHOLE_MODULE = "*"


@runtime_checkable
class FindClass(Protocol):
    """A policy of the user's own, pickle-style: what it returns is granted, what it refuses it raises for."""

    def find_class(self, module: str, name: str, /) -> Any:
        """Return the object that the global stands for, or raise."""


class Policy:
    """An immutable allowlist: rules by exact pair, aliases applied before them, denials that beat them.

    Policies are put together with ``|`` (what either allows) and ``&`` (what both allow). Denials and limits of
    either hold in both: a denial beats every allow.

    :param name: name for messages.
    :param rules: the rules; of two for one pair, either may allow.
    :param aliases: ``{(module, name): (module, name)}``; a name of ``"*"`` renames a whole moved module.
    :param denies: pairs that are refused whatever a rule says; a name of ``"*"`` stands for all of a module.
    :param limits: bounds that hold wherever the policy is used, beside those of the caller: the smaller of
        the two counts, so a policy can only tighten. None for no bounds of its own.
    """

    __slots__ = (
        "_fingerprint", "aliases", "class_rules", "denies", "granted", "granted_classes", "kept", "kept_names",
        "limits", "name", "rules", "unrestricted",
    )  # fmt: skip

    _fingerprint: str | None
    name: str
    #: Rules for whatever a pair stands for.
    rules: Mapping[Pair, Rule]
    #: Rules that hold only for a class that is defined where the pair says.
    class_rules: Mapping[Pair, Rule]
    aliases: Mapping[Pair, Pair]
    denies: frozenset[Pair]
    limits: Limits | None
    unrestricted: bool
    #: What the engine has made of single pairs that are allowed, so that it is made once and not for each load; says
    #: nothing that the policy does not say.
    kept: dict[Pair, Any]
    #: The same by module and by name, of pairs that no alias leads from.
    kept_names: dict[str, dict[str, Any]]
    #: The same for the writing side.
    granted: dict[Pair, Any]
    #: The same by the identity of classes, of one class for each pair that is in ``granted``.
    granted_classes: dict[int, Any]

    def __init__(
        self,
        *,
        name: str,
        rules: Iterable[Rule] = (),
        aliases: Mapping[Pair, Pair] | None = None,
        denies: Iterable[Pair] = (),
        limits: Limits | None = None,
    ) -> None:
        tables: tuple[dict[Pair, Rule], dict[Pair, Rule]] = ({}, {})
        for rule in rules:
            if rule.name == WHOLE_MODULE and not rule.classes_only:
                raise ValueError("a rule for all of a module can only be one for its classes")
            table = tables[rule.classes_only]
            pair = (rule.module, rule.name)
            table[pair] = rule if pair not in table else union(table[pair], rule)
        _complete(*tables)
        self._set(name, *tables, aliases or {}, frozenset(denies), limits, unrestricted=False)

    def _set(
        self,
        name: str,
        rules: dict[Pair, Rule],
        class_rules: dict[Pair, Rule],
        aliases: Mapping[Pair, Pair],
        denies: frozenset[Pair],
        limits: Limits | None,
        *,
        unrestricted: bool,
    ) -> None:
        put = object.__setattr__
        put(self, "name", name)
        put(self, "rules", MappingProxyType(rules))
        put(self, "class_rules", MappingProxyType(class_rules))
        # Names that are looked up under an alias are plain text, also where a member of a StrEnum was given.
        plain = str.__str__
        pairs = {(plain(a), plain(b)): (plain(c), plain(d)) for (a, b), (c, d) in aliases.items()}
        put(self, "aliases", MappingProxyType(pairs))
        put(self, "denies", denies)
        put(self, "limits", limits)
        put(self, "unrestricted", unrestricted)
        put(self, "_fingerprint", None)
        put(self, "kept", {})
        put(self, "kept_names", {})
        put(self, "granted", {})
        put(self, "granted_classes", {})

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
    def for_type(cls, annotation: Any, *, name: str = "") -> Policy:
        """Return the policy for the values of a type annotation: the classes that it leads to and no others.

        :param annotation: dataclasses, attrs classes, named tuples, typed dicts, enumerations, pydantic models,
            built-in and common standard types, and unions and containers of them.
        :raises TypeError: for what cannot be said exactly; it says what to do instead.
        """
        from .typed import policy_for_type

        return policy_for_type(annotation, name)

    @classmethod
    def packs(cls, *names: str) -> Policy:
        """Return the union of packs shipped with safepickle, such as ``"stdlib"``, or offered by installed packages.

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
        """Return the rule for a global, or None where it is denied.

        Rules for classes only are taken to hold; where :meth:`depends_on_object` says that this matters, ask
        :meth:`lookup_for` once the object is there.
        """
        return self._decide(module, name, may_be_class=True)

    def depends_on_object(self, module: str, name: str) -> bool:
        """Return whether the answer for a global depends on what it stands for."""
        table = self.class_rules
        return bool(table) and ((module, name) in table or (module, WHOLE_MODULE) in table)

    def lookup_for(self, module: str, name: str, target: object) -> Rule | None:
        """Return the rule for a global that stands for *target*, or None where it is denied."""
        return self._decide(module, name, may_be_class=is_defined_as(target, module, name))

    def _decide(self, module: str, name: str, *, may_be_class: bool) -> Rule | None:
        rule = self._granted(module, name, may_be_class=may_be_class)
        if rule is None or (module, name) in self.denies or (module, WHOLE_MODULE) in self.denies:
            return None
        if any(map(is_dunder, name.split("."))):
            # A module's or a class's own machinery: __builtins__, __loader__, __subclasses__ (R05).
            return None
        if not rule.accept_known_gadget and gadget_reason(module, name) is not None:
            return None
        return rule

    def _granted(self, module: str, name: str, *, may_be_class: bool) -> Rule | None:
        """Return what the rules alone say, before denials."""
        if may_be_class and self.class_rules:
            rule = self.class_rules.get((module, name))
            if rule is None:
                rule = self.class_rules.get((module, WHOLE_MODULE))
            if rule is not None:
                return rule if rule.name == name else rule._replace(name=name)
        return self.rules.get((module, name))

    @property
    def fingerprint(self) -> str:
        """A digest of everything the policy allows: equal for equal policies, on every machine."""
        if self._fingerprint is None:
            import hashlib

            lines = sorted(f"allow {rule}" for rule in (*self.rules.values(), *self.class_rules.values()))
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
        _refuse_unrestricted(self, other)
        for old, new in other.aliases.items():
            if self.aliases.get(old, new) != new:
                raise ValueError(f"the two policies disagree on the alias of {old!a}")
        return Policy(
            name=f"{self.name}|{other.name}",
            rules=[*self._all_rules(), *other._all_rules()],
            aliases={**self.aliases, **other.aliases},
            denies=self.denies | other.denies,
            limits=_tighter(self.limits, other.limits),
        )

    def __and__(self, other: Policy) -> Policy:
        """Both allow. A name that the two rename differently means two globals, so it is denied."""
        if not isinstance(other, Policy):
            return NotImplemented
        _refuse_unrestricted(self, other)
        aliases = dict(self.aliases.items() & other.aliases.items())
        unlike = (self.aliases.keys() | other.aliases.keys()) - aliases.keys()
        return Policy(
            name=f"{self.name}&{other.name}",
            rules=[rule for pair in self._pairs() | other._pairs() for rule in _common(self, other, pair)],
            aliases=aliases,
            denies=self.denies | other.denies | unlike,
            limits=_tighter(self.limits, other.limits),
        )

    def _all_rules(self) -> tuple[Rule, ...]:
        return (*self.rules.values(), *self.class_rules.values())

    def _pairs(self) -> set[Pair]:
        return self.rules.keys() | self.class_rules.keys()

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
        return f"<Policy {self.name!a}: {len(self._pairs())} globals, {self.fingerprint[:12]}>"

    def __reduce__(self) -> Any:
        if self.unrestricted:
            return "UNRESTRICTED"
        parts = (self.name, self._all_rules(), dict(self.aliases), tuple(self.denies), self.limits)
        return (_policy_from_parts, parts)


def _tighter(first: Limits | None, second: Limits | None) -> Limits | None:
    if first is None or second is None:
        return second if first is None else first
    return first & second


def _complete(rules: Mapping[Pair, Rule], class_rules: dict[Pair, Rule]) -> None:
    """Let each rule for one class say all that holds for it, so that one look-up decides and equal policies look equal.

    What holds for a pair whatever it is, and what holds for all classes of the module, go into it.
    """
    for module, name in [pair for pair in class_rules if pair[1] == WHOLE_MODULE]:
        whole = class_rules[module, name]
        for pair in [*rules, *class_rules]:
            if pair[0] == module and pair[1] != WHOLE_MODULE:
                same = whole._replace(name=pair[1])
                class_rules[pair] = union(class_rules[pair], same) if pair in class_rules else same
    for pair, rule in class_rules.items():
        if pair in rules:
            class_rules[pair] = union(rule, rules[pair])._replace(classes_only=True)


def _common(first: Policy, second: Policy, pair: Pair) -> list[Rule]:
    """Return the rules for what two policies both allow of one pair: whatever it is, and where it is a class."""
    found = []
    matters = pair[1] == WHOLE_MODULE or first.depends_on_object(*pair) or second.depends_on_object(*pair)
    for classes_only in (False, True) if matters else (False,):
        rules = [policy._granted(*pair, may_be_class=classes_only) for policy in (first, second)]  # noqa: SLF001
        if rules[0] is not None and rules[1] is not None:
            rule = conjunction(rules[0], rules[1])
            if rule.rights:
                found.append(rule._replace(classes_only=classes_only))
    return found


def is_defined_as(target: Any, module: str, name: str) -> bool:
    """Say whether an object is a class that was defined in *module* under this qualified name.

    One with a finaliser is not counted among them: it acts when the object goes, though the load was refused (R66).
    """
    if not issubclass(type(target), type):
        return False
    says: Mapping[str, Any] = type.__dict__
    found = (says["__module__"].__get__(target), says["__qualname__"].__get__(target))
    return found == (module, name) and not any(
        "__del__" in says["__dict__"].__get__(base) for base in says["__mro__"].__get__(target)
    )


def _refuse_unrestricted(first: Policy, second: Policy) -> None:
    if first.unrestricted or second.unrestricted:
        raise ValueError("UNRESTRICTED cannot be combined: it would silently switch the other policy off")


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
    policy._set("UNRESTRICTED", {}, {}, {}, frozenset(), None, unrestricted=True)  # noqa: SLF001
    return policy


#: Built-in data types only: the machine makes those itself, so no global is allowed at all. The default
#: everywhere; a test holds it equal to ``policies/plain.toml``.
PLAIN = Policy(name="plain")

#: The same where a function is given none: another object, so that `type=` sees whether one was given.
BY_DEFAULT = Policy(name="plain")

#: Everything is allowed, as pickle does it. Loud, for tests and migration; never for input from elsewhere.
UNRESTRICTED = _unrestricted()
