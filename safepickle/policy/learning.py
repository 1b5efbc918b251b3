"""Learning: the least policy under which some pickles load, as a file for people to review.

Rules that hold here:

* It is learned from inert trees, so that learning is itself safe: nothing is imported or called.
* Exact pairs, and only the rights that were used (S2, S3). What lint would call dangerous is never allowed, whatever
  the pickles hold: it is written as a comment, for a person to decide on.
* The same pickles give the same text, in whatever order they come.
* What is written is read back before it is handed out: a learned policy loads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import counted
from .contracts import CONTRACTS
from .hazards import BOUND, DANGER, hazard_of, is_bounded
from .names import module_problem, name_problem
from .observing import Calls, States, rounded
from .rules import Policy, Right
from .toml_text import comment, line, table

if TYPE_CHECKING:
    from ..inspection.tree import Tree

__all__ = ["Learned", "Learner", "Withheld"]

Pair = tuple[str, str]

#: Helpers that the machine emulates; as a call in another shape they are no helpers (S4a).
_MACHINE_OWN = "it is not called in a form that picklers write"
_UNBOUNDED = "its arguments have to be bounded, and what was seen of them gives no bound"


class Withheld(NamedTuple):
    """A global that the pickles use and that is not allowed, because a person has to decide on it."""

    module: str
    name: str
    rights: tuple[str, ...]
    #: In how many pickles, and where in the first one.
    pickles: int
    path: str | None
    reason: str


class Learned(NamedTuple):
    """What was learned."""

    #: The policy file.
    text: str
    policy: Policy
    withheld: tuple[Withheld, ...]
    pickles: int
    #: The globals that the file itself allows, without those of what it extends.
    globals: tuple[Pair, ...]


class _Use:
    """What is known of one global."""

    def __init__(self) -> None:
        self.rights = Right(0)
        self.pickles: set[int] = set()
        #: Where it stands in the pickle that comes first by content, so that the order of the files does not matter.
        self.path: str | None = None
        self.calls = Calls()
        self.states = States()


class Learner:
    """Collects what pickles need.

    :param extends: packs that are extended: what they allow is not written again.
    :param constraints: offer constraints of arguments and state where they were seen often enough.
    """

    def __init__(self, *, extends: Sequence[str] = (), constraints: bool = True) -> None:
        self._extends = tuple(extends)
        self._base = Policy.packs(*self._extends) if self._extends else None
        self._constraints = constraints
        self._uses: dict[Pair, _Use] = {}
        self._pickles = 0
        self._persistent = 0
        self._buffers = 0
        self._strays = 0
        self._nameless = 0

    def add(self, tree: Tree) -> None:
        """Learn from one pickle."""
        number = self._pickles
        self._pickles += 1
        self._persistent += bool(tree.persistent_ids)
        self._buffers += bool(tree.buffers)
        self._strays += bool(tree.strays)
        self._nameless += bool(tree.nameless())
        needs = tree.needs()
        for pair, rights in needs.items():
            use = self._uses.setdefault(pair, _Use())
            use.rights |= rights
            use.pickles.add(number)
        self._note_places(tree, needs)
        for call in tree.calls:
            called = self._uses.get(getattr(call.callee, "pair", ("", "")))
            if called is None:
                continue
            called.calls.add(call, number)
            for operation in call.operations:
                if operation.right == "build":
                    called.states.add(operation.values[0], number)

    def _note_places(self, tree: Tree, needs: dict[Pair, Right]) -> None:
        """Note where the dangerous ones stand; of several places the first by its text."""
        wanted = {pair for pair in needs if self._danger(pair, needs[pair]) is not None}
        if not wanted:
            return
        from ..inspection.paths import DROPPED, find_paths

        calls = {
            call.callee.pair: call
            for call in reversed(tree.calls)
            if getattr(call.callee, "pair", None) in wanted
        }
        records = {record.pair: record for record in tree.globals if record.pair in wanted}
        paths = find_paths(tree.value, [*calls.values(), *records.values()])
        for pair, record in records.items():
            path = paths.get(id(calls.get(pair)), paths.get(id(record), DROPPED))
            use = self._uses[pair]
            use.path = path if use.path is None else min(use.path, path)

    def finish(self, *, name: str = "learned") -> Learned:
        """Return what was learned.

        :raises PolicyFileError: if the text cannot be read back, which would be a defect.
        """
        withheld: list[Withheld] = []
        tables: list[tuple[Any, ...]] = []
        for pair, use in sorted(self._uses.items()):
            reason = self._danger(pair, use.rights)
            if reason is not None:
                labels = use.rights.labels()
                withheld.append(Withheld(*pair, labels, len(use.pickles), use.path, reason))
                continue
            rights = self._missing(pair, use.rights)
            if rights:
                keys = self._keys(pair, use, rights)
                if rights & (Right.CALL | Right.NEW) and _needs_bound(pair) and "args" not in keys:
                    withheld.append(Withheld(*pair, use.rights.labels(), len(use.pickles), use.path, _UNBOUNDED))
                    continue
                tables.append((pair[0], rights.labels(), keys, pair[1], use.calls))
        text = "\n".join([*self._head(name, withheld=bool(withheld)), *_written(tables), *_warnings(withheld)]) + "\n"
        own = tuple((module, table_name) for module, _, _, table_name, _ in tables)
        return Learned(text, Policy.from_text(text, name=name), tuple(withheld), self._pickles, own)

    def _danger(self, pair: Pair, rights: Right) -> str | None:
        """Return why a global is not allowed by itself, or None."""
        from ..decoding.emulated import EMULATED

        problem = module_problem(pair[0]) or name_problem(pair[1])
        if problem is not None:
            return f"no rule can name it: {problem}"
        hazard = hazard_of(*pair)
        if hazard is not None and hazard.kind == DANGER:
            return f"{hazard.reason} ({hazard.source})"
        if pair in EMULATED and pair not in CONTRACTS and rights & ~Right.REFER:
            return _MACHINE_OWN
        return None

    def _missing(self, pair: Pair, rights: Right) -> Right:
        rule = None if self._base is None else self._base.lookup(*pair)
        # A line of a file adds to the pack's, so that the whole need is no more than what is missing.
        return rights if rule is None else rights & ~rule.rights

    def _keys(self, pair: Pair, use: _Use, rights: Right) -> dict[str, Any]:
        """Return the constraints of a table that gives these rights."""
        bound = _needs_bound(pair)
        keys: dict[str, Any] = {}
        if rights & (Right.CALL | Right.NEW) and (self._constraints or bound):
            keys |= use.calls.keys(bound=bound)
        if rights & Right.BUILD and self._constraints:
            keys |= use.states.keys()
        return keys

    def _head(self, name: str, *, withheld: bool) -> list[str]:
        lines = [
            *comment(f"Learned by `safepickle policy learn` from {counted(self._pickles, 'pickle')}."),
            *comment("It allows what they hold and nothing else. Read it before you trust it: what was learned"),
            *comment("from a hostile file is what that file wanted."),
            *(comment("What is dangerous in them is marked below, and not allowed.") if withheld else ()),
            "schema = 1",
            line("name", name),
        ]
        if self._extends:
            lines.append(line("extends", list(self._extends)))
        for count, what in (
            (self._persistent, "persistent ids: what they stand for is for persistent_load to decide"),
            (self._buffers, "out-of-band buffers: they are given to loads beside the pickle"),
            (self._strays, "operations on objects that are no instances: nothing allows these, they stay refused"),
            (self._nameless, "calls of what is no global: nothing allows these, they stay refused"),
        ):
            if count:
                lines += ["", *comment(f"NOTE: {counted(count, 'pickle')} with {what}.")]
        return lines


def _needs_bound(pair: Pair) -> bool:
    """Return whether a global takes any amount of memory or time where a policy does not bound its arguments."""
    hazard = hazard_of(*pair)
    return hazard is not None and hazard.kind == BOUND and not is_bounded(*pair)


def _written(tables: list[tuple[Any, ...]]) -> list[str]:
    """Return the ``[[allow]]`` tables; globals of one module with equal rights and no constraints share one."""
    plain: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    lines: list[str] = []
    for module, rights, keys, name, _ in tables:
        if not keys:
            plain.setdefault((module, rights), []).append(name)
    written: list[tuple[str, str, list[str]]] = []
    for (module, rights), names in plain.items():
        written.append((module, names[0], _table(module, names, rights, {})))
    for module, rights, keys, name, calls in tables:
        if keys:
            written.append((module, name, _table(module, [name], rights, keys, calls)))
    for _, _, text in sorted(written):
        lines += ["", *text]
    return lines


def _table(
    module: str, names: list[str], rights: tuple[str, ...], keys: dict[str, Any], calls: Calls | None = None
) -> list[str]:
    content = {"module": module, "names": sorted(names), "rights": list(rights), **keys}
    if calls is None or not keys:
        return table("allow", content, "")
    lines = table("allow", content, f"constraints as seen in {counted(calls.count, 'call')}")
    if calls.count:
        # How many there are differs from file to file more than anything else: offered, and not put in force.
        most = calls.most_in_one
        place = next((index for index, text in enumerate(lines) if text.startswith("[allow.")), len(lines))
        lines.insert(place, f"# max_instances = {rounded(most)}  # at most {most} in one pickle")
    return lines


def _warnings(withheld: list[Withheld]) -> list[str]:
    lines: list[str] = []
    for one in withheld:
        where = "" if one.path is None else f", at {one.path}"
        lines += [
            "",
            *comment(
                f"WARNING: not allowed: {one.module}:{one.name} ({', '.join(one.rights)}; in"
                f" {counted(one.pickles, 'pickle')}{where}): {one.reason}"
            ),
        ]
    return lines
