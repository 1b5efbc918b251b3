# cython: annotation_typing=False
"""Dates, times and Decimals as picklers write them one after the other: made of the bytes to come, in one step.

Each of them is a call with one or two arguments: five to nine short opcodes. Where the bytes to come are those, and
nothing else, the call is made here, without a turn of the loop for each, and a date without the arguments themselves.

Rules that hold here:

* Only after this load has made such a call by the very rule, opcode by opcode: then all is known but the arguments,
  and what the contract asks of them is asked of the bytes they are, by the one hand that also looks at arguments.
* Everything is looked at before anything is done. What is not as expected, or could not be paid for, is left to the
  loop, which finds the same bytes: so nothing is refused here, and nothing passes that the loop would refuse.
* The machine is left as the loop would leave it: the same is in the memo, or is made as soon as somebody asks for it
  (see ``Held``), the same is paid for, the same is counted.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

from typing import Any

from ..wire.reading import memo_index, piece
from .handles import GlobalHandle
from .instances import Instances
from .usual import fits_packed, new_decimal

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    from .handles import HELD_ARGUMENTS, HELD_BYTES, HELD_TUPLE
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
#: How a call is written: with an entry of the memo for the first argument, for all of them, and for what it gives; with
#: a time zone; at all.
_FIRST, _ARGUMENTS, _RESULT, _ZONE, _CALL = 1, 2, 4, 8, 16


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
        return self._make_atoms(handle, stack, memo, position, base, done, room)

    def _make_atoms(
        self, handle: GlobalHandle, stack: list[Any], memo: list[Any], position: int, base: int, done: int, room: int
    ) -> int:
        """Make all atoms of one class that come one after the other; as :meth:`make_ahead`."""
        if not handle.is_settled or self.gate.inert:
            return 0
        data = self.data
        end = self.end
        reached = taken = 0
        while True:
            place = self._make_atom(handle, data, stack, memo, position, base, done + taken, room)
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

    def _read_call(self, data: bytes, position: int, code: int) -> int:
        """Return how the bytes to come write a call with one or two arguments, as bits; 0 if they do not.

        *call_end* is where it ends then, and *zone_at* the entry of the memo that the second argument is.

        :param code: the opcode of the first argument, of which the length is one byte.
        """
        at = data
        end = self.end
        if position + _FEWEST > end or at[position] != code:
            return 0
        # All that is read from here on is behind one look at the end.
        place = position + 2 + at[position + 1]
        if place + _BEHIND > end:
            return 0
        call = _CALL
        if at[place] == 0x94:
            call |= _FIRST
            place += 1
        # the second: a time zone from the memo
        if at[place] == 0x68 or at[place] == 0x6A:
            call |= _ZONE
            self.zone_at = memo_index(data, place)
            place += 2 if at[place] == 0x68 else 5
        # the call
        if at[place] != (0x86 if call & _ZONE else 0x85):
            return 0
        place += 1
        if at[place] == 0x94:
            call |= _ARGUMENTS
            place += 1
        if at[place] != 0x52:
            return 0
        place += 1
        if at[place] == 0x94:
            call |= _RESULT
            place += 1
        self.call_end = place
        return call

    def _make_atom(
        self,
        handle: GlobalHandle,
        data: bytes,
        stack: list[Any],
        memo: list[Any],
        position: int,
        base: int,
        done: int,
        room: int,
    ) -> int:
        form = handle.form
        call = self._read_call(data, position, 0x8C if form == A_DECIMAL else 0x43)
        if not call:
            return 0
        place = self.call_end
        length = data[position + 1]
        zone: Any = None
        if call & _ZONE:
            if self.zone_at >= len(memo) or self.nesting.knows(self.zone_at):
                return 0
            zone = memo[self.zone_at]
            if zone is None:
                return 0
        if length > self.budget.max_string or not fits_packed(form, data, position + 2, length, zone):
            return 0
        notes = (call & _FIRST) + (call >> 1 & 1) + (call >> 2 & 1)
        zones = call >> 3 & 1
        cost = (_TEXT if form == A_DECIMAL else _BYTES) + _TUPLE + length + 8 + 8 * zones + _ENTRY * notes
        self.taken = 3 + zones + notes
        if len(memo) + notes > room or not self.can_pay(cost + handle.cost + handle.usual_size, done):
            return 0
        self.budget.memory_left -= cost
        self.budget.objects_left -= 1
        if not self._push_leaf(handle, data, stack, memo, position + 2, length, zone, call):
            self._push_called(handle, data, stack, memo, position + 2, length, zone, call, base)
        self.budget.called()
        return place

    def _push_leaf(
        self,
        handle: GlobalHandle,
        data: bytes,
        stack: list[Any],
        memo: list[Any],
        start: int,
        length: int,
        zone: Any,
        call: int,
    ) -> bool:
        """Make a date or a Decimal without a call, and its arguments only where somebody asks for them; or do nothing.

        What is held is made of what stands behind it in the memo: a date for both, and the text of a Decimal.
        """
        if not cython.compiled:
            return False
        first: Any = HELD_BYTES
        args: Any = HELD_ARGUMENTS
        if handle.form == A_DECIMAL:
            if call & _ARGUMENTS and not call & _FIRST:
                return False
            first = new_ascii(data, start, length)
            args = HELD_TUPLE
            result = new_decimal(first)
        else:
            if call & (_FIRST | _ARGUMENTS) and not call & _RESULT:
                return False
            result = new_date(handle.target, data, start, length, zone)
        if type(result) is not handle.registered:
            return False
        self.gate.count_settled(handle)
        self._push_made(stack, memo, call, first, args, result)
        return True

    def _push_called(
        self,
        handle: GlobalHandle,
        data: bytes,
        stack: list[Any],
        memo: list[Any],
        start: int,
        length: int,
        zone: Any,
        call: int,
        base: int,
    ) -> None:
        """Make the arguments and the call, and push what it gives."""
        first: Any
        if handle.form == A_DECIMAL:
            # Its digits are ASCII.
            first = new_ascii(data, start, length)
        else:
            first = piece(data, start, start + length)
        args = (first, zone) if call & _ZONE else (first,)
        height = base + len(stack)
        self.underflow = False
        result = self.gate.call_settled(handle, args)
        self.underflow = True
        self._made(height, result, 1)
        if call & _RESULT and self.nesting.top == height:
            self.nesting.remember(len(memo) + (call & _FIRST) + (call >> 1 & 1))
        self._push_made(stack, memo, call, first, args, result)

    def _push_made(self, stack: list[Any], memo: list[Any], call: int, first: Any, args: Any, result: Any) -> None:
        """Push what was made, and note in the memo what the bytes say is to be noted."""
        if call & _FIRST:
            push(memo, first)
        if call & _ARGUMENTS:
            push(memo, args)
        if call & _RESULT:
            push(memo, result)
        push(stack, result)
