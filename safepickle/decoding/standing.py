"""Stand-ins: loading what a library wrote with nothing of that library imported or called.

A gate for readers of files that have more in them than a pickle, joblib's and torch's: where the stream names a class
or function of the library, the reader's own object stands in for it.

Rules that hold here:

* A stand-in is no permission: the policy is asked under the library's name, as for everything else, and the contract
  of that name is held to.
* What has a stand-in is never imported. What has none is what it is everywhere.
* A persistent id goes to the reader as it is in the stream, with stand-ins in place of classes. What the reader gives
  for it is changed by no opcode.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..policy.rules import Policy
from .budget import Budget
from .gates import Gate
from .handles import Inert
from .machine import Machine

if TYPE_CHECKING:
    from ..limits import Limits
    from .handles import GlobalHandle

__all__ = ["StandInGate", "open_with_stand_ins", "opened_file", "restricting"]

Pair = tuple[str, str]


class StandInGate(Gate):
    """Decides as the gate of every load does, and resolves some names to objects of the reader's own.

    :param policy: what is allowed.
    :param budget: pays for calls and their results.
    :param stand_ins: objects by the name that they stand in for.
    :param storages: returns the object of a persistent id, or raises a SafePickleError. None: there are none.
    :param inert: survey the stream, do nothing.
    """

    def __init__(
        self,
        policy: Policy,
        budget: Budget,
        stand_ins: Mapping[Pair, Any],
        storages: Callable[[Any], Any] | None = None,
        inert: bool = False,
    ) -> None:
        super().__init__(policy, budget, None, None, True, inert)
        self._stand_ins = stand_ins
        self._storages = storages

    def resolve(self, handle: GlobalHandle) -> Any:
        pair = handle.module, handle.name
        if handle.resolved or pair not in self._stand_ins:
            return super().resolve(handle)
        target = self._stand_ins[pair]
        handle.target = target
        handle.is_class = isinstance(target, type)
        handle.cost = 200
        handle.resolved = True
        return target

    def persistent(self, pid: Any) -> Any:
        if self._storages is None:
            return super().persistent(pid)
        pid = self.value(pid)
        if self.inert:
            return Inert(None)
        self.budget.take_call()
        result = self._storages(pid)
        self.adopt_foreign(result)
        return result


def restricting(policy: Any, limits: Limits) -> tuple[Policy, Limits]:
    """Return a policy that these readers can work under, and the limits under it.

    :raises TypeError: for anything but a :class:`Policy`.
    :raises ValueError: for UNRESTRICTED: that would be the library's own loader, which such files are not given to.
    """
    if not isinstance(policy, Policy):
        raise TypeError(f"policy must be a Policy, not {type(policy).__name__}")
    if policy.unrestricted:
        raise ValueError("UNRESTRICTED cannot be had here: name what is allowed, or use the library's own loader")
    return policy, policy.within(limits)


def open_with_stand_ins(data: bytes, source: Any, gate: Gate) -> Machine:
    """Put a machine together: for all of *data*, or for what a source gives."""
    machine = Machine.__new__(Machine)
    machine.equip()
    machine.open_machine(data, source, gate, "ASCII", "strict", None)
    return machine


@contextlib.contextmanager
def opened_file(file: Any) -> Iterator[Any]:
    """Open the file that a reader is given by its path; one that is open already is the caller's to close."""
    if hasattr(file, "read"):
        yield file
        return
    if isinstance(file, (bytes, bytearray, memoryview)):
        raise TypeError("a path or a file is wanted: for bytes, io.BytesIO(data)")
    with Path(file).open("rb") as opened:
        yield opened
