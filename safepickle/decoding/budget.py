# cython: annotation_typing=False
"""The budget: what one load may still use. Everything is paid for before it is done (S5).

Rules that hold here:

* A claim is checked against what is left before anything is allocated; a refusal names the limit, its bound and
  what was asked.
* Memory is an estimate of what the load allocates, on CPython with 64-bit pointers. Nothing is given back: a value
  that the stream drops was allocated all the same.
* The machine runs in slices of opcodes. A slice is cut so short that values of fixed size cannot overdraw the
  memory within it; values of variable size are charged one by one.
"""

from __future__ import annotations

from ..errors import LimitError
from ..limits import Limits

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    # The same clock as in the compiled form, which need not make an object of what it shows.
    from time import monotonic

#: Opcodes in one slice; the clock is looked at once per slice.
SLICE = 1024
#: The most that one opcode pays for without a check of its own: a short str of 255 bytes, wide characters included.
LEAF_BYTES = 56 + 4 * 256


class Budget:
    """Counters for one load, made from :class:`Limits`, or from another budget of the same limits."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        (
            self.max_bytes,
            self.opcodes_left,
            self.max_depth,
            self.max_memo,
            self.objects_left,
            self.max_items,
            self.max_string,
            self.max_int_bits,
            self.calls_left,
            self.memory_left,
            self.hash_work_left,
        ) = limits.bounds
        self.since_clock = 0
        self.deadline = -1.0
        #: Whether hashing has a bound at all; what the clock may show in all, in seconds, below 0 for no bound.
        self.bounds_hashing = limits.max_hash_work is not None
        self.seconds = -1.0
        if limits.max_seconds is not None:
            self.seconds = limits.max_seconds
            self.deadline = monotonic() + self.seconds

    def renewed(self) -> Budget:
        """Return a budget of the same limits with nothing spent; of this one nothing may be spent either."""
        budget = Budget.__new__(Budget)
        budget.limits = self.limits
        budget.max_bytes = self.max_bytes
        budget.opcodes_left = self.opcodes_left
        budget.max_depth = self.max_depth
        budget.max_memo = self.max_memo
        budget.objects_left = self.objects_left
        budget.max_items = self.max_items
        budget.max_string = self.max_string
        budget.max_int_bits = self.max_int_bits
        budget.calls_left = self.calls_left
        budget.memory_left = self.memory_left
        budget.hash_work_left = self.hash_work_left
        budget.since_clock = 0
        budget.bounds_hashing = self.bounds_hashing
        budget.seconds = self.seconds
        budget.deadline = monotonic() + self.seconds if self.seconds >= 0 else -1.0
        return budget

    def restore(self, unspent: Budget) -> None:
        """Have as much again as one of the same limits of which nothing was spent."""
        self.opcodes_left = unspent.opcodes_left
        self.objects_left = unspent.objects_left
        self.calls_left = unspent.calls_left
        self.memory_left = unspent.memory_left
        self.hash_work_left = unspent.hash_work_left
        self.since_clock = 0
        if self.seconds >= 0:
            self.deadline = monotonic() + self.seconds

    def refuse(self, limit: str, asked: int) -> None:
        """Raise for *limit*; *asked* is what it would take in all."""
        raise LimitError(limit, getattr(self.limits, limit), asked)

    def overdrawn(self, limit: str, left: int, asked: int) -> None:
        """Raise for a counter with *left* to give and *asked* wanted now."""
        bound = self.limits.bound(limit)
        self.refuse(limit, bound - left + asked)

    def next_slice(self, used: int) -> int:
        """Pay for *used* opcodes and return how many may follow before the next look (at least one)."""
        self.opcodes_left -= used
        # Whatever an opcode does, it may leave one more place taken on the stack.
        self.memory_left -= 8 * used
        self.since_clock += used
        # What is paid for within a slice without a check can have been overdrawn by one opcode at most.
        if self.objects_left < 0:
            self.overdrawn("max_objects", 0, -self.objects_left)
        if self.memory_left < 0:
            self.overdrawn("max_memory", 0, -self.memory_left)
        if self.opcodes_left <= 0:
            self.overdrawn("max_opcodes", 0, 1)
        if self.since_clock >= SLICE:
            self.look_at_clock()
        steps = SLICE
        steps = min(steps, self.opcodes_left)
        if self.objects_left < steps:
            steps = max(1, self.objects_left)
        if self.memory_left < SLICE * LEAF_BYTES:
            steps = min(steps, self.memory_left // LEAF_BYTES + 1)
        return steps

    def look_at_clock(self) -> None:
        """Raise if the time is up."""
        self.since_clock = 0
        if self.deadline >= 0 and monotonic() > self.deadline:
            spent = self.seconds + monotonic() - self.deadline
            raise LimitError("max_seconds", self.seconds, round(spent, 3))

    def look_ahead(self, seconds: float) -> None:
        """Raise if *seconds* more would be too long."""
        if self.deadline >= 0 and monotonic() + seconds > self.deadline:
            spent = self.seconds + monotonic() + seconds - self.deadline
            raise LimitError("max_seconds", self.seconds, round(spent, 3))

    def called(self) -> None:
        """Look at the clock if there have been many calls since."""
        if self.since_clock >= SLICE:
            self.look_at_clock()

    def take_memory(self, amount: int) -> None:
        """Pay for *amount* bytes."""
        if amount > self.memory_left:
            self.overdrawn("max_memory", self.memory_left, amount)
        self.memory_left -= amount

    def take_object(self, amount: int) -> None:
        """Pay for one object of *amount* bytes."""
        if self.objects_left <= 0:
            self.overdrawn("max_objects", 0, 1)
        self.objects_left -= 1
        if amount > self.memory_left:
            self.overdrawn("max_memory", self.memory_left, amount)
        self.memory_left -= amount

    def take_string(self, length: int, amount: int) -> None:
        """Pay for text or bytes of *length* bytes in the stream and *amount* in memory."""
        if length > self.max_string:
            self.refuse("max_string", length)
        if amount > self.memory_left:
            self.overdrawn("max_memory", self.memory_left, amount)
        self.memory_left -= amount

    def take_int(self, length: int) -> None:
        """Pay for an int of *length* bytes. A byte may go to the sign, so the exact size is checked afterwards."""
        if (length - 1) * 8 > self.max_int_bits:
            self.refuse("max_int_bits", length * 8)
        self.take_memory(32 + length)

    def take_items(self, present: int, added: int, amount: int) -> None:
        """Pay for *added* items of *amount* bytes each in a container that has *present*."""
        if present + added > self.max_items:
            self.refuse("max_items", present + added)
        amount *= added
        if amount > self.memory_left:
            self.overdrawn("max_memory", self.memory_left, amount)
        self.memory_left -= amount

    def take_call(self) -> None:
        """Pay for one call."""
        if self.calls_left <= 0:
            self.overdrawn("max_calls", 0, 1)
        self.calls_left -= 1
        # A call may take as long as many opcodes.
        self.since_clock += 64

    def take_made(self, amount: int) -> None:
        """Pay for one call that makes one object of *amount* bytes."""
        if self.calls_left <= 0 or self.objects_left <= 0 or amount > self.memory_left:
            self.take_call()
            self.take_object(amount)
        else:
            self.calls_left -= 1
            self.since_clock += 64
            self.objects_left -= 1
            self.memory_left -= amount

    def take_hash_work(self, amount: int) -> None:
        """Pay for visiting *amount* elements while hashing or comparing."""
        if amount > self.hash_work_left:
            self.overdrawn("max_hash_work", self.hash_work_left, amount)
        self.hash_work_left -= amount
