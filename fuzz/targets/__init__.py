"""The targets: one small module each, headed by its invariant in one sentence.

`NAMES` is the table. A target is a module with `INPUT`, the kind of input that its mutator writes (`stream`, `choices`,
`text`), and `check(data)`, which raises where the invariant does not hold, and otherwise returns what kind of outcome
it saw: an engine without coverage keeps an input for what is new in that.

Rules that hold here:

* `check` takes any bytes, and gives the same answer for the same bytes whatever ran before.
* What it raises is a `Finding` with a cause; anything else that comes out is a finding too, named after where it came
  from.
* Nothing of an input acts: only what `survey` shows to name no global reaches the standard library's unpicklers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from importlib import import_module
from typing import NamedTuple

#: Every target by name; the order is that of reports.
NAMES = (
    "decode", "programs", "differential", "unrestricted", "roundtrip", "writers", "symmetry", "spending", "canonical",
    "oddities", "readers", "looking", "files", "policies", "drafts", "constraints", "combined", "typed", "records",
    "guards", "contracts", "nearly", "signing", "sealed", "chunks", "rings", "keyfiles", "offered", "habits", "hooks",
    "within", "costs", "leaks", "forms", "learned",
)  # fmt: skip


class Target(NamedTuple):
    """One row."""

    name: str
    #: The invariant: the first sentence of the module's docstring.
    invariant: str
    #: Kind of input: `stream`, `choices` or `text`.
    input: str
    check: Callable[[bytes], Hashable]


def load_target(name: str) -> Target:
    """Return a target; its module, and with it the package under test, is imported now.

    :raises KeyError: if there is none of that name.
    """
    if name not in NAMES:
        raise KeyError(name)
    module = import_module(f"{__name__}.{name}")
    invariant = " ".join((module.__doc__ or "").split("\n\n")[0].split())
    return Target(name, invariant, module.INPUT, module.check)
