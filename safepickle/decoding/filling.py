# cython: annotation_typing=False
"""Arrays of numpy as picklers write them one after the other: made at once, without a turn of the loop for each opcode.

An array is a call of ``_reconstruct`` for an empty one and then its state: some twenty opcodes, always the same but for
dtype, shape and data. Where the bytes to come are those, and nothing else, the array is made of them here.

Rules that hold here:

* Only after this load has made an array by the very rule and given it state, opcode by opcode: then all is known but
  what is looked at here for each array, and that is what the contract asks of its arguments and its state.
* Everything is looked at before anything is done. What is not as expected, or could not be paid for, is left to the
  loop, which finds the same bytes: so nothing is refused here, and nothing passes that the loop would refuse.
* The machine is left as the loop would leave it: the same is in the memo, the same is paid for, the same is counted.
* An array whose items numpy would copy is made with room for them, and they are copied into it; of a longer one the
  bytes are its memory, as numpy has it.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

from typing import Any

from ..wire.reading import int4, memo_index, piece, uint4
from .dtypes import Dtypes
from .handles import GlobalHandle, HeldTuple
from .refusals import BUILD, CALL, REFER

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    from .adopting import COPIED, NOTED
    from .leaves import push
    from .usual_arrays import ARRAY

    def new_filled(empty: Any, kind: Any, shape: Any, dtype: Any, data: bytes, start: int, length: int) -> Any:
        """Return a new array of class *kind*, with bytes of *data* for its items."""
        array: Any = empty(0, "b")
        if type(array) is not kind:
            raise TypeError("no array")
        array.__setstate__((1, shape, dtype, False, data[start : start + length]))
        return array


#: Bytes that are there behind the first opcode of any array; those up to its data are no more.
_FEWEST = 64
_EMPTY_SHAPE = (0,)
_LETTER = b"b"
_LARGEST = 2**40
#: What the loop takes for the opcodes of an array, in bytes: the tuples of its arguments, the mark, the bytes and the
#: tuple of its state, and what numpy has of it; then for each dimension of its shape, and for an entry of the memo.
_FIXED = 96 + 112 + 56 + 40 + 88 + 40 + 240
_SHAPE, _ENTRY = 88, 8
#: Of an int of two or four bytes, and of the letter where it is written out.
_INT, _WRITTEN_OUT = 24, 41


class Filling(Dtypes):
    """Makes arrays of the bytes to come."""

    def fill(
        self, handle: GlobalHandle, stack: list[Any], memo: list[Any], position: int, base: int, done: int, room: int
    ) -> int:
        """Make an array and push it; return where it ends, or 0 with nothing done.

        :param handle: what was taken from the memo by the opcode that ends at *position*.
        :param base: how many values wait below the mark.
        :param done: opcodes that are not counted yet; *taken* is how many more there were.
        :param room: up to which index the memo may grow.
        """
        data = self.data
        end = self.end
        gate = self.gate
        arrays = gate.arrays
        if handle.usual != ARRAY or arrays is None or gate.fresh or end - position < _FEWEST:
            return 0
        # _reconstruct(ndarray, (0,), b"b"), and the mark of its state
        index = memo_index(data, position)
        place = position + (2 if data[position] == 0x68 else 5)
        if index < 0 or data[place] != 0x4B or data[place + 1] or data[place + 2] != 0x85:
            return 0
        known = len(memo)
        if index >= known or type(memo[index]) is not GlobalHandle:
            return 0
        named: GlobalHandle = memo[index]
        place += 3
        noted_zero = data[place] == 0x94
        place += noted_zero
        cost = 0
        letter: Any
        if data[place] == 0x43:
            # as safepickle writes it: not from the memo, nor into it
            if data[place + 1] != 1 or data[place + 2] != 0x62 or data[place + 3] != 0x87:
                return 0
            letter = _LETTER
            cost = _WRITTEN_OUT
            place += 4
        else:
            index = memo_index(data, place)
            place += 2 if data[place] == 0x68 else 5
            if index < 0 or index >= known or data[place] != 0x87:
                return 0
            letter = memo[index]
            if type(letter) is not bytes or letter != _LETTER:
                return 0
            place += 1
        noted_args = data[place] == 0x94
        place += noted_args
        if data[place] != 0x52:
            return 0
        noted_array = data[place + 1] == 0x94
        place += 1 + noted_array
        if data[place] != 0x28 or data[place + 1] != 0x4B or data[place + 2] != 1:
            return 0
        place += 3
        # its shape
        first = second = third = 0
        dimensions = 0
        count = 1
        while dimensions < 3:
            if data[place] == 0x4B:
                length = data[place + 1]
                place += 2
            elif data[place] == 0x4D:
                length = data[place + 1] + 256 * data[place + 2]
                place += 3
                cost += _INT
            elif data[place] == 0x4A:
                length = int4(data, place + 1)
                place += 5
                cost += _INT
            else:
                break
            if length <= 0 or count > _LARGEST // length:
                return 0
            count *= length
            first, second, third = second, third, length
            dimensions += 1
        if dimensions == 0 or data[place] != 0x84 + dimensions:
            return 0
        noted_shape = data[place + 1] == 0x94
        place += 1 + noted_shape
        # its dtype, and False: not in the order of Fortran
        index = memo_index(data, place)
        place += 2 if data[place] == 0x68 else 5
        if index < 0 or index >= known or data[place] != 0x89:
            return 0
        dtype = memo[index]
        # its data
        if data[place + 1] == 0x43:
            length = data[place + 2]
            place += 3
        elif data[place + 1] == 0x42:
            length = uint4(data, place + 2)
            place += 6
        else:
            return 0
        start = place
        if length > end - start - 4:
            return 0
        place += length
        noted_data = data[place] == 0x94
        place += noted_data
        if data[place] != 0x74:
            return 0
        noted_state = data[place + 1] == 0x94
        place += 1 + noted_state
        if place >= end or data[place] != 0x62:
            return 0
        place += 1
        if not self._is_granted(handle, named) or not arrays.may_be_filled(dtype, count, length):
            return 0
        notes = noted_zero + noted_args + noted_array + noted_shape + noted_data + noted_state
        self.taken = 14 + dimensions + notes
        cost += _FIXED + _SHAPE + 8 * dimensions + 2 * length + _ENTRY * notes + handle.cost
        if length > COPIED:
            cost += NOTED
        if known + notes > room or not self._pay(cost, length, done):
            return 0
        shape: Any
        if dimensions == 1:
            shape = (third,)
        elif dimensions == 2:
            shape = (second, third)
        else:
            shape = (first, second, third)
        raw = piece(data, start, start + length) if noted_data or noted_state or length > COPIED else None
        state = (1, shape, dtype, False, raw) if noted_state or length > COPIED else None
        if length > COPIED:
            gate.note_held(raw)
            array = handle.target(arrays.ndarray, _EMPTY_SHAPE, letter)
            gate.shape_of(arrays.ndarray).setter(array, state)  # type: ignore[union-attr]
        else:
            array = new_filled(arrays.empty, arrays.ndarray, shape, dtype, data, start, length)
        # As the loop does it, opcode by opcode.
        nesting = self.nesting
        height = base + len(stack)
        nesting.flat(height + 2)
        if noted_zero:
            push(memo, _EMPTY_SHAPE)
        nesting.opened(height + 1, nesting.absorb(height + 1) + 1)
        if noted_args:
            nesting.remember(len(memo))
            push(memo, HeldTuple((named, _EMPTY_SHAPE, letter)))
        self._made(height, array, 0)
        if noted_array:
            nesting.remember(len(memo))
            push(memo, array)
        nesting.flat(height + 2)
        if noted_shape:
            push(memo, shape)
        nesting.recall(height + 3, index, dtype)
        if noted_data:
            push(memo, raw)
        nesting.opened(height + 1, nesting.absorb(height + 1) + 1)
        if noted_state:
            nesting.remember(len(memo))
            push(memo, state)
        nesting.join(height)
        push(stack, array)
        return place

    def _is_granted(self, handle: GlobalHandle, named: GlobalHandle) -> bool:
        """Return whether *handle* makes and fills arrays of the class *named*, and nothing else is to be asked."""
        gate = self.gate
        kind = gate.arrays.ndarray
        if gate.inert or self.inlay is not None or self.sparse is not None or handle.guards is not None:
            return False
        if handle.registered is not kind or not handle.rights & CALL or not handle.rights & BUILD or handle.sized:
            return False
        if gate.named.maker(kind) is not handle or not named.resolved or named.target is not kind:
            return False
        # It was given state by this rule before.
        return bool(named.rights & REFER) and gate.fills and gate.shape_of(kind) is not None

    def _pay(self, cost: int, length: int, done: int) -> bool:
        """Pay for an array, if there is enough left, and for the marks and levels it takes as well."""
        budget = self.budget
        if length > budget.max_string or budget.max_items < 5 or not self.can_pay(cost, done):
            return False
        nesting = self.nesting
        if len(self.metastack) >= nesting.mark_bound or nesting.max_depth < 8:
            return False
        budget.memory_left -= cost
        budget.objects_left -= 5
        # Of the function, and of the method that takes the state.
        budget.take_call()
        budget.take_call()
        self.gate.count_filled()
        budget.called()
        return True
