"""Lint: what an author of a policy should know about it before somebody else finds out.

Rules that hold here:

* Lint decides nothing and changes nothing; it imports nothing that a policy names. A policy without findings is not
  thereby safe: it allows what it says.
* A finding has a code that stays, a level, the global, a reason, and where it is known from.
* ``warning`` is for what hands over more than it says, or cannot mean what it was written for; ``note`` for what people
  may want and should know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..errors import quote, quote_name
from .gadgets import gadget_reason
from .hazards import DANGER, hazard_of, is_bounded
from .names import KNOWN_GADGET
from .rules import Right

if TYPE_CHECKING:
    from ..inspection.tree import Tree
    from .rules import Policy
    from .sources import Entry, Source

__all__ = ["CODES", "NOTE", "WARNING", "Corpus", "Finding", "lint"]

Pair = tuple[str, str]

WARNING, NOTE = "warning", "note"

#: What can be found: its level and what it means.
CODES: dict[str, tuple[str, str]] = {
    "hands-over-more": (WARNING, "the callable resolves names, calls others, unpickles, opens or runs things"),
    "known-gadget": (WARNING, "a known gadget is accepted"),
    "unbounded": (WARNING, "a few bytes of arguments ask for any amount of memory or time, and nothing bounds them"),
    "bounded-elsewhere": (NOTE, "it would be unbounded, but safepickle holds its arguments to a contract of its own"),
    "duplicate": (WARNING, "the same global is allowed twice in one file"),
    "shadowed": (WARNING, "the rule has no effect: a denial beats it"),
    "in-a-pack": (NOTE, "the rule adds nothing to what the file extends"),
    "widens-a-pack": (NOTE, "the rule takes the constraints of what the file extends away"),
    "whole-module": (NOTE, "all classes of a module are allowed, those of its next release too"),
    "main-module": (NOTE, "what __main__ holds depends on the program that is started"),
    "useless-denial": (NOTE, "the denial denies what nothing allows"),
    "never-used": (WARNING, "no pickle of the corpus uses the rule"),
    "right-never-used": (NOTE, "no pickle of the corpus uses this right of the rule"),
}


class Finding(NamedTuple):
    """One thing that lint has to say."""

    code: str
    level: str
    module: str
    name: str
    message: str
    #: Where it is known from: an attack id, an advisory.
    source: str
    file: str
    line: int | None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        known = f" [{self.source}]" if self.source else ""
        return f"{place}: {self.level}: {quote_name(self.module, self.name)}: {self.message} ({self.code}){known}"


class Corpus:
    """What the pickles of a corpus use."""

    def __init__(self) -> None:
        self.pickles: int = 0
        self.used: dict[Pair, Right] = {}

    def add(self, tree: Tree) -> None:
        """Count one pickle in."""
        self.pickles += 1
        for pair, rights in tree.needs().items():
            self.used[pair] = self.used.get(pair, Right(0)) | rights


def lint(source: Source, corpus: Corpus | None = None) -> tuple[Finding, ...]:
    """Return what is to be said of a policy file, in its order."""
    return tuple(_Linter(source, corpus).run())


class _Linter:
    def __init__(self, source: Source, corpus: Corpus | None) -> None:
        self._source = source
        self._corpus = corpus
        self._base: Policy | None = None
        for one in source.extends:
            self._base = one.policy if self._base is None else self._base | one.policy
        #: What the file allows of each global, as far as it has been read.
        self._seen: dict[Pair, list[Entry]] = {}

    def run(self) -> Iterator[Finding]:
        entries = list(self._source.entries())
        for entry in entries:
            yield from self._hazards(entry)
            yield from self._shape(entry)
            yield from self._neighbours(entry)
            if self._corpus is not None:
                yield from self._usage(entry, self._corpus)
        yield from self._denials()

    def _find(self, code: str, entry: Entry, message: str = "", source: str = "") -> Finding:
        level, meaning = CODES[code]
        text = message or meaning
        return Finding(code, level, entry.module, entry.name, text, source, self._source.label, entry.line)

    # -- what a rule hands over ----------------------------------------------------------------------------------

    def _hazards(self, entry: Entry) -> Iterator[Finding]:
        hazard = hazard_of(entry.module, entry.name)
        if hazard is None:
            return
        if gadget_reason(entry.module, entry.name) is not None:
            yield self._find("known-gadget", entry, f"accepted although it is a {hazard.reason}", hazard.source)
        elif hazard.kind == DANGER:
            yield self._find("hands-over-more", entry, f"hands over more than it says: {hazard.reason}", hazard.source)
        elif not {"call", "new"} & set(entry.rights):
            return
        elif is_bounded(entry.module, entry.name):
            yield self._find("bounded-elsewhere", entry, f"{hazard.reason}; safepickle itself bounds it", hazard.source)
        elif not entry.constrained:
            text = f"{hazard.reason}; constrain its args"
            yield self._find("unbounded", entry, text, hazard.source)

    def _shape(self, entry: Entry) -> Iterator[Finding]:
        if entry.name == "*":
            yield self._find("whole-module", entry)
        if entry.module in {"__main__", "__mp_main__"}:
            yield self._find("main-module", entry)

    # -- what stands beside it -----------------------------------------------------------------------------------

    def _neighbours(self, entry: Entry) -> Iterator[Finding]:
        pair = (entry.module, entry.name)
        denied = self._source.policy.denies
        if pair in denied or (entry.module, "*") in denied:
            yield self._find("shadowed", entry)
            return
        rights = set(entry.rights)
        earlier = self._seen.setdefault(pair, [])
        for other in earlier:
            if rights & set(other.rights) and (not other.keys_of_constraints() or not entry.keys_of_constraints()):
                place = other.where if other.line is None else f"line {other.line}"
                yield self._find("duplicate", entry, f"allowed already at {place}")
                break
        earlier.append(entry)
        if self._base is None:
            return
        rule = self._base.lookup(*pair)
        if rule is None or entry.name == "*":
            return
        if rule.constrained and not entry.keys_of_constraints() and rights & set(rule.rights.labels()):
            yield self._find("widens-a-pack", entry, f"takes the constraints of {_shown(rule.source)} away")
        elif not rule.constrained and rights <= set(rule.rights.labels()):
            yield self._find("in-a-pack", entry, f"{_shown(rule.source)} allows it already")

    def _denials(self) -> Iterator[Finding]:
        policy = self._source.policy
        pairs = {*policy.rules, *policy.class_rules}
        modules = {module for module, _ in pairs}
        wide = {module for module, name in pairs if name == "*"}
        for index, table in enumerate(self._source.content.get("deny", ())):
            for name in table["names"]:
                module = table["module"]
                useful = module in modules if name == "*" else (module, name) in pairs or module in wide
                if not useful:
                    level, meaning = CODES["useless-denial"]
                    line = self._source.header_line("deny", index)
                    yield Finding("useless-denial", level, module, name, meaning, "", self._source.label, line)

    # -- what it is used for -------------------------------------------------------------------------------------

    def _usage(self, entry: Entry, corpus: Corpus) -> Iterator[Finding]:
        used = self._used(entry, corpus)
        if not used:
            text = f"none of the {corpus.pickles} pickles of the corpus uses it"
            yield self._find("never-used", entry, text)
            return
        idle = [right for right in entry.rights if right != KNOWN_GADGET and not Right.parse([right]) & used]
        if idle:
            yield self._find("right-never-used", entry, f"no pickle of the corpus uses: {', '.join(idle)}")

    def _used(self, entry: Entry, corpus: Corpus) -> Right:
        renamed = [
            rights
            for pair, rights in corpus.used.items()
            if _matches(entry, self._source.policy.rename(*pair))
        ]
        return _all(renamed)


def _shown(source: str) -> str:
    # The name of a policy is whatever its file says.
    return quote(source)[1:-1]


def _matches(entry: Entry, pair: Pair) -> bool:
    return pair[0] == entry.module and entry.name in {"*", pair[1]}


def _all(rights: Iterable[Right]) -> Right:
    found = Right(0)
    for one in rights:
        found |= one
    return found
