# cython: annotation_typing=False
"""Instances as picklers write them one after the other: made of the bytes to come, in one step.

An instance is a call for a new one without arguments and then its state: a dict of attributes, or of slots. That is ten
opcodes beside the attributes, the same each time. Where the bytes to come are those, and all attributes are leaves, the
instance is made of them here, without a turn of the loop for each opcode, and without the dict if nobody asks for it.
Where some are no leaves, the loop goes on with the first of them.

Rules that hold here:

* Only after this load has made an instance by the very rule and given it state, opcode by opcode, and only of a class
  that leaves both to ``object`` and has nothing asked of either: none of the program's code runs here, but where the
  collector comes by while the instance is made. What may be set is looked at behind that, and set at once.
* What is not as expected, or could not be paid for, is left to the loop, which finds the same bytes and the machine as
  it was: so nothing is refused here, and nothing passes that the loop would refuse.
* The machine is left as the loop would leave it: the same is in the memo, the same is paid for, the same is counted.
* In Python there is nothing to be gained: a run of leaves takes as long there as the loop does.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

from typing import Any

from .filling import Filling
from .handles import GlobalHandle, Held
from .state import Shape

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    from .leaves import drop, pop, push

_NO_LISTS: list[Any] = []
#: The opcodes before the attributes, and those behind them with the one that comes next.
_BEFORE, _BEHIND = 7, 5
#: Bytes that the attributes may take: the loop counts and pays more often than that.
_LONGEST = 1024
#: What the loop takes for a dict, for the mark of its items, for each of these, for an attribute, for the tuple of
#: slots, and for an entry of the memo, in bytes.
_DICT, _MARK, _ITEM, _ATTRIBUTE, _PAIR, _ENTRY = 112, 56, 100, 48, 104, 8


class Instances(Filling):
    """Makes instances of the bytes to come."""

    def equip(self) -> None:
        Filling.equip(self)
        #: What was made ahead ends behind a mark: the stack that the machine had is not the topmost one any more.
        self.ends_within = False

    def make_instance(
        self, handle: GlobalHandle, stack: list[Any], memo: list[Any], position: int, base: int, done: int, room: int
    ) -> int:
        """Make an instance and push it; return where it ends, or 0 with nothing done.

        What has been made may end in the middle of the state: then *ends_within* says so, and the stack of the items is
        the machine's *stack*, on its *base*.

        :param handle: what was taken from the memo by the opcode that ends at *position*.
        :param base: how many values wait below the mark.
        :param done: opcodes that are not counted yet; *taken* is how many more there were.
        :param room: up to which index the memo may grow.
        """
        data = self.data
        if not cython.compiled or position + _BEFORE + _BEHIND > self.end:
            return 0
        # A new one, and None in place of attributes where it has slots alone.
        if data[position] != 0x29 or data[position + 1] != 0x81:
            return 0
        place = position + 2
        notes_instance = data[place] == 0x94
        place += notes_instance
        in_slots = data[place] == 0x4E
        place += in_slots
        if data[place] != 0x7D:
            return 0
        notes_state = data[place + 1] == 0x94
        place += 1 + notes_state
        is_marked = data[place] == 0x28
        place += is_marked
        shape = self._shape_of_plain(handle, stack, in_slots)
        first = len(memo)
        entries = notes_instance + notes_state
        if shape is None or first + entries > room:
            return 0
        pairs: list[Any] = pop(self.spare) if self.spare else []
        # Both take their places when they are made.
        if notes_instance:
            push(memo, pairs)
        if notes_state:
            push(memo, pairs)
        place = push_state(self, pairs, memo, place, room)
        count = len(pairs)
        # Opcodes: a new one and a dict, leaves and their entries, and for what is whole its items, a tuple, and BUILD.
        self.taken = 3 + in_slots + is_marked + count + len(memo) - first
        cost = self.run_cost + _DICT + _ENTRY * entries + (_MARK if is_marked else 0)
        if not self.can_pay(cost + (_ITEM + _ATTRIBUTE) * (count // 2) + _PAIR + _ENTRY + handle.cost, done):
            del memo[first:]
            drop(pairs)
            push(self.spare, pairs)
            return 0
        budget = self.budget
        budget.objects_left -= 1
        gate = self.gate
        gate.opcode = 0x81
        gate.position = self.offset + position + 1
        self.underflow = False
        instance = gate.make_plainly(handle)
        self.underflow = True
        # Only now: where the collector came by meanwhile, code of the program's may have changed the class.
        after = self._end_of_state(handle, shape, pairs, place, room - len(memo), in_slots, is_marked)
        if after:
            self.taken += 2 + in_slots + self.notes_pair
            cost += _ITEM * (count // 2) + (_PAIR + _ENTRY * self.notes_pair if in_slots else _ATTRIBUTE * (count // 2))
        budget.memory_left -= cost
        height = base + len(stack)
        push(stack, instance)
        if notes_instance:
            put(memo, first, instance)
        where = first + notes_instance if notes_state else -1
        self._note(height, first if notes_instance else -1, where, len(memo), after != 0, in_slots)
        if not after:
            state: dict[Any, Any] = {}
            if notes_state:
                put(memo, where, state)
            self._leave_open(stack, state, pairs, height, in_slots, is_marked)
            return place
        if in_slots:
            budget.objects_left -= 1
            shape.set_slots(instance, pairs)
        else:
            store_pairs(instance, pairs)
        if notes_state or self.notes_pair:
            # Hardly anybody asks for it again.
            held = Held.__new__(Held)
            held.items = tuple_of(pairs)
            if notes_state:
                put(memo, where, held)
            if self.notes_pair:
                both = Held.__new__(Held)
                both.slots = held
                push(memo, both)
        drop(pairs)
        push(self.spare, pairs)
        budget.called()
        return after

    def _note(self, height: int, index: int, where: int, count: int, is_whole: bool, in_slots: bool) -> None:
        """Note the depth of an instance at *height* and of its state, as the loop does opcode by opcode.

        :param index: the entry of the memo that it has, -1 for none; *where* is that of its state.
        :param count: the number of entries, for that of the tuple of slots.
        """
        nesting = self.nesting
        if not is_whole or not nesting.take_instance(
            height, index, where, count if self.notes_pair else -1, in_slots
        ):
            nesting.opened(height, 1)
            if index >= 0:
                nesting.remember(index)
            nesting.opened(height + 1 + in_slots, 1)
            if where >= 0:
                nesting.remember(where)
            if is_whole and in_slots:
                nesting.opened(height + 1, nesting.absorb(height + 1) + 1)
                if self.notes_pair:
                    nesting.remember(count)
            if is_whole:
                nesting.join(height)

    def give_state(self, stack: list[Any], base: int, start: int) -> None:
        """BUILD, of which the opcode is at *start*: give what is below the topmost value that for its state."""
        state = pop(stack)
        target = stack[-1]
        height = base + len(stack) - 1
        if self.nesting.top > height:
            self.nesting.join(height)
        gate = self.gate
        gate.opcode = 0x62
        gate.position = self.offset + start
        self.underflow = False
        gate.build(target, state)
        self.underflow = True
        self.budget.called()

    def _leave_open(
        self, stack: list[Any], state: Any, pairs: list[Any], height: int, in_slots: bool, is_marked: bool
    ) -> None:
        """Leave the machine in the middle of the state of what is at *height*."""
        if in_slots:
            push(stack, None)
        push(stack, state)
        self.ends_within = is_marked
        if is_marked:
            push(self.metastack, stack)
            self.stack = pairs
            self.base = height + 2 + in_slots
        else:
            stack.extend(pairs)
            drop(pairs)
            push(self.spare, pairs)

    def _shape_of_plain(self, handle: GlobalHandle, stack: list[Any], in_slots: bool) -> Shape | None:
        """Return what BUILD knows of the class, or None if anything at all is to be asked of its instances."""
        gate = self.gate
        # Where there are arrays, what is made ends what was known of dtypes.
        if gate.inert or gate.arrays is not None or self.inlay is not None:
            return None
        # There is a shape only of what may be given state.
        shape = handle.shape
        if not handle.makes_plainly or handle.guards is not None or shape is None or not shape.is_plain(in_slots):
            return None
        # It was so when the class was looked at: by now it may have got a method for it.
        if not handle.makes_bare or not is_made_by_object(handle.target):
            return None
        nesting = self.nesting
        if len(self.metastack) >= nesting.mark_bound:
            return None
        # Without a mark the loop looks how much waits on the stack.
        return shape if self.metastack or nesting.bottom_height > len(stack) + 2 else None

    def _end_of_state(
        self,
        handle: GlobalHandle,
        shape: Shape,
        pairs: list[Any],
        place: int,
        room: int,
        in_slots: bool,
        is_marked: bool,
    ) -> int:
        """Return where state ends whose attributes are *pairs*, up to *place*, if it can be set so; else 0."""
        data = self.data
        count = len(pairs)
        self.notes_pair = False
        if place + _BEHIND > self.end or count == 0 or count % 2:
            return 0
        if data[place] != (0x75 if is_marked else 0x73) or not (is_marked or count == 2):
            return 0
        place += 1
        if in_slots:
            if data[place] != 0x86:
                return 0
            self.notes_pair = data[place + 1] == 0x94
            place += 1 + self.notes_pair
        if data[place] != 0x62 or self.notes_pair > room:
            return 0
        if count // 2 > self.budget.max_items:
            return 0
        kind = handle.target
        return place + 1 if (shape.has_slots(kind, pairs) if in_slots else may_store(kind, pairs)) else 0
