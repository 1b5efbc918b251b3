"""Locating: where in the object graph a denial happened, found when somebody looks at the error.

Rules that hold here:

* Nothing is done while a load runs, and nothing if nobody asks: a :class:`Locator` is a note of what was loaded and
  how.
* The paths come from the inert tree, which the same machine builds from the same bytes (S1), within the same
  limits. Where there is no tree (the pickle is malformed behind the denial, or a limit is met) there are no paths:
  an error is never turned into another one.
* Under a ``find_class`` of the user's own, globals behind the first denial were not asked for. They are listed here, as
  undecided, so that people see all that the stream names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UNNAMED, Denial, SafePickleError
from ..limits import Limits
from ..policy.gadgets import gadget_reason
from ..policy.rules import PLAIN, FindClass, Policy, suggestion
from ..wire.opcodes import opcode_name

if TYPE_CHECKING:
    from ..inspection.tree import Tree

__all__ = ["Locator", "pickle_of"]

#: A look at an error takes no longer than this, in seconds.
MOST_SECONDS = 5.0
#: Of a file, so much is read once more when something in it is refused; behind a longer pickle there are no paths.
MOST_BYTES = 16 * 2**20

#: The reason of a denial of what nobody was asked about.
UNDECIDED = "not decided: find_class is not asked any more after a refusal"


class Locator:
    """Finds the paths of denials in one pickle.

    :param data: the pickle, and possibly more behind it.
    :param length: its length.
    :param asked: whether a ``find_class`` of the user's own was asked. The other parameters are those of ``loads``.
    """

    __slots__ = ("asked", "data", "encoding", "errors", "fix_imports", "length", "limits", "policy")

    def __init__(
        self,
        data: bytes,
        length: int,
        policy: Policy | FindClass,
        limits: Limits,
        fix_imports: bool,
        encoding: str,
        errors: str,
        asked: bool,
    ) -> None:
        self.data = data
        self.length = length
        self.policy = policy if isinstance(policy, Policy) else PLAIN
        self.limits = limits
        self.fix_imports = fix_imports
        self.encoding = encoding
        self.errors = errors
        self.asked = asked or self.policy is not policy

    def __call__(self, denials: tuple[Denial, ...]) -> tuple[Denial, ...]:
        """Return the denials with their paths."""
        # Not at the top: inspection stands on this package.
        from ..inspection.locating import with_paths
        from ..inspection.tree import inspect

        seconds = self.limits.max_seconds
        limits = self.limits.replace(max_seconds=MOST_SECONDS if seconds is None else min(seconds, MOST_SECONDS))
        try:
            tree = inspect(
                self.data[: self.length], policy=self.policy, limits=limits, fix_imports=self.fix_imports,
                encoding=self.encoding, errors=self.errors,
            )  # fmt: skip
        except SafePickleError:
            return denials
        if self.asked:
            denials += tuple(self._undecided(tree, denials))
        return with_paths(denials, tree)

    def _undecided(self, tree: Tree, denials: tuple[Denial, ...]) -> list[Denial]:
        """Return what the stream uses of the globals for which find_class was not asked."""
        known = {denial.pair for denial in denials}
        named = {record.pair: record.position for record in tree.globals}
        # What find_class refuses is refused where it is named; a denial tells where it was used.
        first = min(
            named.get(denial.pair, denial.position) if denial.reason == UNNAMED else denial.position
            for denial in denials
            if denial.position is not None
        )
        needs = tree.needs()
        uses = {(pair, right): position for pair, right, position in reversed(tree.uses())}
        return [
            Denial(
                module=pair[0],
                name=pair[1],
                right=right.label,
                opcode=opcode_name(self.data[uses[pair, right]]),
                position=uses[pair, right],
                reason=UNDECIDED,
                gadget=gadget_reason(*pair),
                suggestion=suggestion(*pair, needed.labels()),
            )
            for pair, needed in needs.items()
            if named[pair] > first and pair not in known and self.policy.lookup(*pair) is None
            for right in needed
        ]


def pickle_of(file: Any, length: int) -> bytes | None:
    """Return the *length* bytes before the position of a file, and leave it there; None if it cannot be done."""
    if length > MOST_BYTES:
        return None
    try:
        if not file.seekable():
            return None
        end = file.tell()
        if end < length:
            return None
        file.seek(end - length)
        try:
            data = file.read(length)
        finally:
            file.seek(end)
    except Exception:  # noqa: BLE001 - a file of the user's own may raise anything, and has told enough for the error
        return None
    return data if type(data) is bytes and len(data) == length else None
