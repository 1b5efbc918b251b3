"""Follows a pickle's stack, marks, memo and frames by the opcode table, without making any object.

Rules that hold here:

* What an opcode takes and leaves comes from the table's ``before``, ``after`` and ``memo``; a value is only
  its kind, a word. Nothing is imported, called or built.
* It complains where ``pickletools.dis`` does, and where pickle's own parsers would not agree on what the
  bytes mean (S10): frames that lie about their length, a second PROTO, items taken from below an open mark.
* Its own memory is charged to ``max_memory`` and its time to ``max_seconds``: a byte of input can be a slot
  (D03).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..errors import FormatError, LimitError, SafePickleError
from ..limits import DEFAULT_LIMITS, Limits
from ..wire.opcodes import BY_BYTE, HIGHEST_PROTOCOL

if TYPE_CHECKING:
    from ..wire.scanning import Instruction

__all__ = ["Emulation"]

_MARK = "mark"
#: How many items each opcode takes above a mark or without one, by its byte.
_TAKES = {
    code: (row.before.index(_MARK) if _MARK in row.before else len(row.before))
    for code, row in BY_BYTE.items()
}
_POPS_MARK = frozenset(code for code, row in BY_BYTE.items() if _MARK in row.before)

#: What a slot of the stack and an entry of the memo cost here, in bytes (a list's, and a dict's with its
#: key).
_SLOT, _ENTRY = 16, 140
#: Opcodes between two looks at the clock and at the memory.
_INTERVAL = 4096


class Emulation:
    """The state of one pickle, opcode by opcode.

    :param memo: kinds by index; given by callers who follow several pickles of one Pickler.
    :param origin: added to positions in notes, where the stream does not start at 0.
    """

    def __init__(
        self, *, memo: dict[int, str] | None = None, limits: Limits = DEFAULT_LIMITS, origin: int | None = 0
    ) -> None:
        self.stack: list[str] = []
        self.memo: dict[int, str] = {} if memo is None else memo
        #: For each open mark, its index in the stack and where it was written.
        self.marks: list[tuple[int, int]] = []
        self.frame_stop = 0
        self.count = 0
        self._origin = origin
        self._max_memory = limits.bound("max_memory")
        self._max_memo = limits.bound("max_memo")
        self._max_seconds = limits.max_seconds
        self._started = time.monotonic()

    def step(self, instruction: Instruction) -> tuple[str, SafePickleError | None]:
        """Carry out one opcode; return a note on it for readers, and what is wrong with it."""
        row, start = instruction.opcode, instruction.start
        self.count += 1
        if self.count % _INTERVAL == 0:
            self._charge(start, row.name)
        problem = self._framing(instruction)
        takes = _TAKES[row.code]
        note = ""
        if row.code in _POPS_MARK or (row.name == "POP" and self.stack[-1:] == [_MARK]):
            # Protocol 0 and 1 write POP for the mark itself, after the inner part of a recursive tuple.
            if row.name == "POP":
                takes = 0
            if self.marks:
                height, written = self.marks.pop()
                del self.stack[height:]
                note = "(MARK at unknown opcode offset)" if self._origin is None else f"(MARK at {written})"
            else:
                note = "no MARK exists on stack"
                problem = problem or "there is no mark on the stack"
        after = row.after
        if row.memo:
            index = len(self.memo) if row.memo == "memoize" else instruction.argument
            note = f"(as {index})" if row.memo == "memoize" else note
            if row.memo == "get" and index in self.memo:
                after = (self.memo[index],)
            problem = problem or self._use_memo(row.memo, index)
        problem = problem or self._replace(takes, after, start)
        if row.name == "STOP" and problem is None and self.stack:
            problem = f"{len(self.stack)} items are left on the stack at STOP"
        if problem is None:
            return note, None
        return note, FormatError(problem, position=start, opcode=row.name)

    def _charge(self, position: int, opcode: str) -> None:
        memory = (len(self.stack) + 9 * len(self.marks)) * _SLOT + len(self.memo) * _ENTRY
        if memory > self._max_memory:
            raise LimitError("max_memory", self._max_memory, memory, position=position, opcode=opcode)
        if len(self.memo) > self._max_memo:
            raise LimitError("max_memo", self._max_memo, len(self.memo), position=position, opcode=opcode)
        if self._max_seconds is not None and (spent := time.monotonic() - self._started) > self._max_seconds:
            raise LimitError(
                "max_seconds", self._max_seconds, round(spent, 3), position=position, opcode=opcode
            )

    def _framing(self, instruction: Instruction) -> str | None:
        row, argument, start, stop = instruction
        if row.name == "PROTO":
            if self.count > 1:
                return "PROTO is not the first opcode"
            if argument > HIGHEST_PROTOCOL:
                return f"there is no protocol {argument}"
        inside = start < self.frame_stop
        # A frame may end where an argument begins: every parser goes on behind it (X22).
        ends = {start + 1, stop}
        if row.name in ("GLOBAL", "INST"):
            ends.add(stop - 1 - len(argument[1].encode("utf-8", "surrogatepass")))
        if row.name == "FRAME":
            if inside and self.frame_stop not in ends:
                return "a frame inside a frame"
            self.frame_stop = stop + argument
        elif inside and stop > self.frame_stop and self.frame_stop not in ends:
            return "a frame ends inside an opcode"
        elif row.name == "STOP" and stop < self.frame_stop:
            return "STOP is not at the end of its frame"
        return None

    def _use_memo(self, use: str, index: int) -> str | None:
        if use == "get":
            return None if index in self.memo else f"memo entry {index} is read before it is written"
        if index in self.memo:
            return f"memo entry {index} is written twice"
        if not self.stack:
            return "the stack is empty: there is nothing to store in the memo"
        if self.stack[-1] == _MARK:
            return "a mark cannot be stored in the memo"
        self.memo[index] = self.stack[-1]
        return None

    def _replace(self, takes: int, after: tuple[str, ...], position: int) -> str | None:
        floor = self.marks[-1][0] + 1 if self.marks else 0
        have = len(self.stack) - floor
        if have < takes:
            where = " above the mark" if self.marks else ""
            return f"takes {takes} items from the stack, which has {have}{where}"
        if takes:
            del self.stack[-takes:]
        if after and after[0] == _MARK:
            self.marks.append((len(self.stack), position + (self._origin or 0)))
        self.stack.extend(after)
        return None
