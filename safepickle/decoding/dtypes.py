# cython: annotation_typing=False
"""numpy's own dtypes as picklers write them: made at once, without a turn of the loop for each opcode.

A dtype is a call with a code and then its state: some twenty opcodes, always the same but for the code. Where the bytes
to come are those, and nothing else, the dtype is made of them here.

Rules that hold here:

* Only where the rule lets ``numpy.dtype`` be called and its results be given state, and asks for nothing beside: what
  the contract asks of arguments and state, the forms of :mod:`.usual_forms` have. A test holds the two together.
* Everything is looked at before anything is done. What is not as expected, or could not be paid for, is left to the
  loop, which finds the same bytes: so nothing is refused here, and nothing passes that the loop would refuse.
* The machine is left as the loop would leave it: the same is in the memo, the same is paid for, the same is counted.
* The dtype is a new one, as numpy makes it for each call, and not the one that all share.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

import sys
from typing import Any

from ..wire.reading import memo_index, utf8
from .door import Door
from .handles import GlobalHandle
from .refusals import BUILD, CALL
from .usual_arrays import UsualArrays
from .usual_forms import DtypeForm, form_by_code

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    from .leaves import push
    from .usual_arrays import DTYPE


#: The shortest, from its code on; what is looked at one by one, up to the order of bytes, is shorter in any case.
_FEWEST = 30
#: What the loop takes for the opcodes of a dtype, in bytes: the code, the tuple of arguments, what numpy has of it, the
#: mark, the numbers and the tuple of its state; then for its order where that is written out, and for an entry of the
#: memo. What numpy has is paid for where it is adopted.
_FIXED = 56 + 112 + 56 + 2 * 24 + 88 + 8 * 8
_ORDER, _ENTRY = 57, 8
#: The most that adopting a dtype may cost, in bytes.
_ADOPTED = 1024
#: More opcodes and objects than one thing that is made at once needs beyond what is counted.
_SPARE = 8


class Dtypes(Door):
    """Makes dtypes of the bytes to come."""

    def describe_named(self, done: int, room: int) -> int:
        """Make a dtype behind the global that was named by the last opcode; return how many more opcodes that took.

        *done* and *room* are those of :meth:`describe`.
        """
        named: Any = self.stack[-1]
        position = self.position
        if type(named) is not GlobalHandle or position >= self.end:
            return 0
        handle: GlobalHandle = named
        known = handle.known
        if handle.usual != DTYPE and (known is None or known.facts is None or known.facts.usual != DTYPE):
            return 0
        if self.data[position] != 0x94 or "numpy" not in sys.modules:
            return 0
        # Behind the entry of the memo for the global itself.
        self.stack.pop()
        memo = self.memo
        push(memo, handle)
        self.taken = 0
        place = self.describe(handle, self.stack, memo, position + 1, self.base, done + 1, room)
        if not place:
            memo.pop()
            push(self.stack, handle)
            return 0
        self.budget.memory_left -= _ENTRY
        self.position = place
        return self.taken + 1

    def describe(
        self, handle: GlobalHandle, stack: list[Any], memo: list[Any], position: int, base: int, done: int, room: int
    ) -> int:
        """Make a dtype and push it; the parameters and what is returned are those of :meth:`Filling.fill`."""
        data = self.data
        end = self.end
        if end - position < _FEWEST or data[position] != 0x8C:
            return 0
        # its code, False and True
        length = data[position + 1]
        if (length != 2 and length != 3) or data[position + 2] >= 0x80:
            return 0
        place = position + 2 + length
        if data[position + 3] >= 0x80 or data[place - 1] >= 0x80:
            return 0
        noted_code = data[place] == 0x94
        place += noted_code
        if data[place] != 0x89 or data[place + 1] != 0x88 or data[place + 2] != 0x87:
            return 0
        noted_args = data[place + 3] == 0x94
        place += 3 + noted_args
        if data[place] != 0x52:
            return 0
        noted_result = data[place + 1] == 0x94
        place += 1 + noted_result
        # its state: version 3, the order, and what follows from the code
        if data[place] != 0x28 or data[place + 1] != 0x4B or data[place + 2] != 3:
            return 0
        place += 3
        known = len(memo)
        index = -1
        noted_order = False
        if data[place] == 0x8C:
            if data[place + 1] != 1:
                return 0
            order = utf8(data, place + 2, place + 3) if data[place + 2] < 0x80 else ""
            noted_order = data[place + 3] == 0x94
            place += 3 + noted_order
        else:
            index = memo_index(data, place)
            if index < 0 or index >= known or type(memo[index]) is not str:
                return 0
            place += 2 if data[place] == 0x68 else 5
            order = memo[index]
        gate = self.gate
        arrays = gate.arrays
        if arrays is None:
            arrays = gate.arrays = UsualArrays()
        form: DtypeForm | None = form_by_code(arrays.dtypes, utf8(data, position + 2, position + 2 + length))
        if form is None or order != form.order or not data.startswith(form.tail, place):
            return 0
        place += len(form.tail)
        if place + 1 >= end:
            return 0
        noted_state = data[place] == 0x94
        place += 1 + noted_state
        if data[place - 1] != 0x62:
            return 0
        if not self._may_describe(handle, arrays):
            return 0
        notes = noted_code + noted_args + noted_result + noted_order + noted_state
        self.taken = 16 + notes
        cost = _FIXED + length + (_ORDER if index < 0 else 0) + _ENTRY * notes
        if known + notes > room or not self._can_nest() or not self.can_pay(cost + handle.cost + _ADOPTED, done):
            return 0
        result: Any = arrays.dtypes(*form.copy)
        budget = self.budget
        nesting = self.nesting
        # As the loop does it, opcode by opcode.
        budget.memory_left -= cost
        budget.objects_left -= 2
        height = base + len(stack)
        if noted_code:
            push(memo, form.code)
        if noted_args:
            push(memo, form.args)
        budget.take_made(handle.cost)
        gate.adopt_usual(handle, result)
        self._made(height, result, 1)
        if noted_result:
            nesting.remember(len(memo))
            push(memo, result)
        if noted_order:
            push(memo, order)
        nesting.flat(height + 1)
        if noted_state:
            push(memo, form.state)
        nesting.join(height)
        budget.take_call()
        gate.count_filled()
        gate.ahead = True
        push(stack, result)
        budget.called()
        return place

    def _may_describe(self, handle: GlobalHandle, arrays: UsualArrays) -> bool:
        """Return whether a global makes dtypes and gives them state, and nothing else is to be asked."""
        gate = self.gate
        if gate.inert or self.inlay is not None or self.sparse is not None or handle.guards is not None:
            return False
        if not handle.rights & CALL or not handle.rights & BUILD or handle.emulation is not None:
            return False
        if not handle.resolved:
            gate.resolve(handle)
        return handle.usual == DTYPE and handle.target is arrays.dtypes

    def _can_nest(self) -> bool:
        """Return whether a dtype is within the limits that nothing is used up of."""
        budget = self.budget
        if budget.max_items < 8 or budget.max_string < 3:
            return False
        nesting = self.nesting
        return len(self.metastack) < nesting.mark_bound and nesting.max_depth >= 4

    def can_pay(self, cost: int, done: int) -> bool:
        """Return whether there is enough left for what takes *cost* bytes, and for the opcodes of one more.

        Opcodes that are not paid for yet take memory as well: it is the loop that finds where there is none left.
        """
        budget = self.budget
        opcodes = done + self.taken + _SPARE
        if cost + 8 * opcodes > budget.memory_left or opcodes > budget.opcodes_left:
            return False
        return budget.objects_left >= _SPARE and budget.calls_left >= 2
