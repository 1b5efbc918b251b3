# cython: annotation_typing=False
"""Refusals: what a load was denied, and whose object is whose.

Rules that hold here:

* After the first denial the gate is *inert*: nothing is imported, called or set any more, and the machine goes on
  to the end of the stream only to learn everything else that would be refused.
* A denial names the global, the right, the opcode, the byte and a line for a policy file; there is one for each
  right that a global lacks, at its first use.
* An object belongs to the rule that this load made it by. What belongs to no rule is changed by no opcode.
"""

from __future__ import annotations

from typing import Any

from ..errors import NOT_GIVEN, UNNAMED, Denial, FormatError, quote, quote_name
from ..policy.gadgets import gadget_reason
from ..policy.rules import Policy, Right, suggestion
from ..wire.opcodes import opcode_name
from .budget import Budget
from .handles import GlobalHandle, HeldTuple, Named

REFER = Right.REFER.value
CALL = Right.CALL.value
NEW = Right.NEW.value
BUILD = Right.BUILD.value
APPEND = Right.APPEND.value
SETITEM = Right.SETITEM.value
ADD = Right.ADD.value
ALL_RIGHTS = REFER | CALL | NEW | BUILD | APPEND | SETITEM | ADD
LABELS = {right.value: right.label for right in Right}

#: Globals that are listed one by one in a PolicyError.
MOST_DENIALS = 1000

#: What no opcode changes; lists, dicts and sets come here only when the stream did not make them.
_DATA = frozenset(
    {
        int, str, bytes, bool, float, complex, tuple, frozenset, type(None), range, slice, bytearray, HeldTuple,
        GlobalHandle,
    }
)  # fmt: skip


class Refusals:
    """What one load was denied, and the owners of what it made."""

    def equip(self) -> None:
        """Make what serves one load after another."""
        #: What the load has named.
        self.named = Named()

    def open_refusals(self, policy: Policy, budget: Budget, inert: bool) -> None:
        """Begin with nothing refused.

        :param policy: what is allowed, for messages.
        :param budget: pays for what is noted.
        :param inert: start inert: survey the stream, do nothing.
        """
        self.policy = policy
        self.budget = budget
        self.inert = inert
        self.denied: list[GlobalHandle] | None = None
        #: Objects that are not of their handle's own class, by id, with their handle or None for no rule at all; the
        #: object is kept so that its id stays its own.
        self.made: Any = None
        self.opcode = 0
        self.position = 0

    def deny(self, handle: GlobalHandle, right: int, reason: str) -> None:
        """Note that *handle* lacks *right* here, and go inert."""
        if handle.missing is None:
            handle.missing = {}
        if right not in handle.missing:
            handle.missing[right] = (opcode_name(self.opcode), self.position, reason)
        self._go_inert(handle)

    def _go_inert(self, handle: GlobalHandle) -> None:
        self.inert = True
        if self.denied is None:
            self.denied = []
        if handle.noted:
            return
        handle.noted = True
        self.budget.take_memory(256)
        if len(self.denied) < MOST_DENIALS:
            if not handle.missing:
                # What it is used for, if anything, comes later in the stream.
                handle.missing = {0: (opcode_name(self.opcode), self.position, UNNAMED)}
            self.denied.append(handle)

    def denials(self) -> tuple[Denial, ...]:
        """Everything refused so far, in the order of the stream."""
        found = []
        for handle in self.denied or ():
            missing = handle.missing or {}
            uses = [(bit, use) for bit, use in missing.items() if bit]
            if not uses and handle.listed and handle.rights:
                continue
            if not uses:
                uses = [(REFER, missing[0])]
            # A line in a file replaces the one that is there. What a rule adds for an emulated built-in is not that.
            have = handle.rights & ALL_RIGHTS if handle.listed and handle.emulation is None else 0
            for bit, _ in uses:
                have |= bit
            labels = tuple(label for bit, label in LABELS.items() if have & bit)
            for bit, (opcode, position, reason) in uses:
                found.append(
                    Denial(
                        handle.module,
                        handle.name,
                        LABELS[bit],
                        opcode,
                        position,
                        reason,
                        gadget_reason(handle.module, handle.name),
                        ""
                        if (handle.contract is not None or handle.guards is not None or handle.sized)
                        and handle.rights & bit
                        else suggestion(handle.module, handle.name, labels),
                    )
                )
        return tuple(found)

    def require(self, handle: GlobalHandle, right: int) -> bool:
        """Return whether *handle* has *right* and may be acted on; note a denial if it has not."""
        if handle.rights & right:
            return not self.inert
        self.deny(handle, right, NOT_GIVEN if handle.rights else UNNAMED)
        return False

    def owner(self, obj: Any) -> Any:
        """Return the handle by which this load made *obj*, or None."""
        if self.made:
            entry = self.made.get(id(obj))
            if entry is not None:
                return entry[0]
        return self.named.maker(type(obj))

    def is_foreign(self, obj: Any) -> bool:
        """Return whether *obj*, of exact type list, dict or set, was not made by the machine."""
        return self.made is not None and id(obj) in self.made

    def disown(self, obj: Any, right: int) -> None:
        """Deny an operation on an object that this load did not make."""
        kind = type(obj)
        if kind is GlobalHandle:
            raise FormatError(f"{opcode_name(self.opcode)} on the global {quote_name(obj.module, obj.name)}")
        if kind in _DATA:
            raise FormatError(f"{opcode_name(self.opcode)} on {quote(obj)}")
        module, name = str(kind.__module__), kind.__qualname__
        handle = GlobalHandle(module, name, 0)
        handle.listed = False
        self.deny(handle, right, "not an object that this stream made under a rule")
