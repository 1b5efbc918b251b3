# cython: annotation_typing=False
"""Dates, times and Decimals as picklers write them one after the other: made of the bytes to come, in one step.

Each of them is a call with one or two arguments: five to nine short opcodes. Where the bytes to come are those, and
nothing else, the call is made here, without a turn of the loop for each, and a date without the arguments themselves.

Rules that hold here:

* Only after this load has made such a call by the very rule, opcode by opcode: then all is known but the arguments,
  and what the contract asks of them is asked of the bytes they are, by the one hand that also looks at arguments.
* Everything is looked at before anything is done. What is not as expected, or could not be paid for, is left to the
  loop, which finds the same bytes: so nothing is refused here, and nothing passes that the loop would refuse.
* The machine is left as the loop would leave it: the same is in the memo, the same is paid for, the same is counted.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

from typing import Any

from ..wire.reading import memo_index, piece
from .handles import GlobalHandle
from .instances import Instances
from .usual import fits_packed

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    from .leaves import push
    from .usual import A_DECIMAL
    from .usual_arrays import DTYPE

    def new_ascii(data: bytes, start: int, length: int) -> str:
        """Return bytes that are ASCII as text."""
        return data[start : start + length].decode("ascii")


#: The shortest: a date, the call, and one opcode behind it.
_FEWEST = 9
#: Behind the first argument there are at most a LONG_BINGET, a tuple, a call and three entries of the memo.
_BEHIND = 10
#: Opcodes after which the loop counts and pays for them.
_SLICE = 4096
#: What the loop takes for bytes and a text beyond their length, for a tuple, and for an entry of the memo, in bytes.
_BYTES, _TEXT, _TUPLE, _ENTRY = 40, 56, 88, 8


class Atoms(Instances):
    """Makes what the bytes to come say, where it is known what they may say."""

    def make_ahead(
        self, handle: GlobalHandle, stack: list[Any], memo: list[Any], position: int, base: int, done: int, room: int
    ) -> int:
        """Make an atom, an array, a dtype or an instance and push it; return where it ends, or 0 with nothing done.

        :param handle: what was taken from the memo by the opcode that ends at *position*.
        :param base: how many values wait below the mark.
        :param done: opcodes that are not counted yet; *taken* is how many more there were.
        :param room: up to which index the memo may grow.
        """
        if handle.usual == DTYPE:
            return self.describe(handle, stack, memo, position, base, done, room)
        if handle.makes_bare:
            return self.make_instance(handle, stack, memo, position, base, done, room)
        if not handle.is_atom:
            return self.fill(handle, stack, memo, position, base, done, room) if self.gate.fills else 0
        data = self.data
        end = self.end
        reached = taken = 0
        while True:
            place = self._make_atom(handle, stack, memo, position, base, done + taken, room)
            if not place:
                break
            reached = place
            taken += self.taken
            # Most often the next one is of the same class, named by its memo entry. Now and then the loop counts.
            if taken > _SLICE or place + 2 > end or data[place] != 0x68 or data[place + 1] >= len(memo):
                break
            if memo[data[place + 1]] is not handle:
                break
            position = place + 2
            taken += 1
        # The last BINGET has not been carried out, if there was one.
        self.taken = taken - 1 if reached and not place else taken
        return reached

    def _make_atom(
        self, handle: GlobalHandle, stack: list[Any], memo: list[Any], position: int, base: int, done: int, room: int
    ) -> int:
        data = self.data
        gate = self.gate
        form = handle.form
        end = self.end
        if not handle.is_settled or gate.inert or position + _FEWEST > end:
            return 0
        # the first argument
        if data[position] != (0x8C if form == A_DECIMAL else 0x43):
            return 0
        length = data[position + 1]
        start = position + 2
        place = start + length
        if place + _BEHIND > end or length > self.budget.max_string:
            return 0
        noted_first = data[place] == 0x94
        place += noted_first
        # the second: a time zone from the memo
        known = len(memo)
        zone: Any = None
        index = memo_index(data, place)
        if index >= 0:
            if index >= known or self.nesting.knows(index):
                return 0
            zone = memo[index]
            if zone is None:
                return 0
            place += 2 if data[place] == 0x68 else 5
        # the call
        if data[place] != (0x85 if zone is None else 0x86):
            return 0
        noted_args = data[place + 1] == 0x94
        place += 1 + noted_args
        if data[place] != 0x52:
            return 0
        noted_result = data[place + 1] == 0x94
        place += 1 + noted_result
        if not fits_packed(form, data, start, length, zone):
            return 0
        notes = noted_first + noted_args + noted_result
        cost = _TEXT if form == A_DECIMAL else _BYTES
        cost += length + _TUPLE + (8 if zone is None else 16) + _ENTRY * notes
        self.taken = 3 + (zone is not None) + notes
        if known + notes > room or not self.can_pay(cost + handle.cost + handle.usual_size, done):
            return 0
        budget = self.budget
        budget.memory_left -= cost
        budget.objects_left -= 1
        first: Any = None
        args: Any = None
        result: Any = None
        if cython.compiled and form != A_DECIMAL:
            result = new_date(handle.target, data, start, length, zone)
        is_date = result is not None and type(result) is handle.registered
        if noted_first or noted_args or not is_date:
            # The digits of a Decimal are ASCII.
            first = new_ascii(data, start, length) if form == A_DECIMAL else piece(data, start, start + length)
        if noted_args or not is_date:
            args = (first,) if zone is None else (first, zone)
        height = base + len(stack)
        if is_date:
            gate.count_settled(handle)
        else:
            self.underflow = False
            result = gate.call_settled(handle, args)
            self.underflow = True
            self._made(height, result, 1)
        if noted_first:
            push(memo, first)
        if noted_args:
            push(memo, args)
        if noted_result:
            if self.nesting.top == height:
                self.nesting.remember(len(memo))
            push(memo, result)
        push(stack, result)
        budget.called()
        return place
