# cython: annotation_typing=False
"""The machine: the one loop that carries out pickle opcodes, for loading and for every kind of looking (S1).

Rules that hold here:

* Nothing here recurses on input (S6): the depth of data is the length of a list.
* ``strict`` refuses what pickle's own parsers disagree about (S10); without it the behaviour is ``_pickle.c``'s.
* What a container is charged with is its own size and 40 bytes for its entry in the nesting.
* Opcodes are compared as numbers, which is a switch when compiled; a test holds them to the table, ``wire.opcodes``.
  In Python each comparison counts: the most frequent come first. Groups would save more, but cost the switch a percent.
* The loop carries out the frequent opcodes where it stands. It leaves (``break``) for the others, in
  ``operations``, and when an argument is not wholly at hand: then the bytes are fetched and the opcode is begun again.
* The leaves are C in the compiled form (see ``leaves``). A list that is moved away is empty, and serves the next mark.
* Picklers write MEMOIZE behind every text and container: there it is carried out at once, without a turn of the loop.
* A slice of the loop ends after so many bytes, not opcodes: an opcode has one byte at least, so it is none too long.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import FormatError
from ..wire.reading import long_int
from .atoms import Atoms
from .gates import Gate
from .handles import GlobalHandle, Held, HeldTuple, held_at
from .hashing import add_items, set_item, set_items
from .window import NO_OPCODE

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    from .budget import SLICE  # noqa: I001
    from .leaves import (
        begins_run, drop, extend, holds, is_held, new_float8, new_int2, new_int4, new_piece, new_small_int, pop,
        push, push_key, push_leaves, push_new, push_numbers, push_tuple, push_utf8, read_uint4, tuple_of,
    )  # fmt: skip


class Machine(Atoms):
    """Decodes one pickle; the parameters are those of :class:`Window` and :class:`Operations`."""

    def __init__(
        self, data: bytes, source: Any, gate: Gate, encoding: str, errors: str, buffers: Iterator[Any] | None
    ) -> None:
        self.equip()
        self.open_machine(data, source, gate, encoding, errors, buffers)

    def open_machine(
        self, data: bytes, source: Any, gate: Gate, encoding: str, errors: str, buffers: Iterator[Any] | None
    ) -> None:
        """Begin at the first byte."""
        self.open_window(data, source, gate.budget, gate.strict)
        self.open_stack(gate, encoding, errors, buffers)
        self.open_door()

    # -- the loop ----------------------------------------------------------------------------------------------

    def _run(self) -> Any:
        compiled = cython.compiled
        data, position, end = self.data, self.position, self.end
        stack, metastack, memo, spare = self.stack, self.metastack, self.memo, self.spare
        budget = self.budget
        nesting = self.nesting
        gate = self.gate
        # The memo grows here up to this index; not at all once it has gaps.
        memo_end = budget.max_memo if self.sparse is None else 0
        max_items = budget.max_items
        short = min(budget.max_string, 255)
        # Ints of so many bytes are within max_int_bits.
        shortest_int = budget.max_int_bits // 8
        done = self.begun
        self.begun = 0
        # The last one is the depth of the arguments of the call that comes next, where that has not been noted.
        base = used = start = missing = arguments = 0
        opcode = NO_OPCODE
        outside = False
        try:
            while True:
                budget.memory_left -= used
                used = 0
                self.opcodes += done
                steps = budget.next_slice(done)
                if len(stack) > nesting.waiting_bound and not metastack:
                    # Without a mark there are only parents and arguments on the stack: so many are too deep.
                    nesting.refuse(len(stack))
                if nesting.unsure >= nesting.unsure_bound:
                    self._look_at_depth(stack)
                done = missing = 0
                outside = False
                stop = min(end, position + steps)
                while position < stop:
                    start = position
                    opcode = data[position]
                    if compiled and begins_run(opcode, data, position, stop):
                        length = len(stack) + len(memo)
                        position = push_leaves(
                            self, stack, metastack, memo, data, position, stop, end, memo_end, short, shortest_int
                        )
                        done += len(stack) + len(memo) - length
                        start = self.start if position >= stop else position
                        opcode = data[start]
                        if position >= stop:
                            continue
                    position += 1
                    done += 1
                    if opcode == 0x68:  # BINGET
                        if position >= end:
                            missing = 1
                            break
                        length = data[position]
                        if length >= len(memo):
                            break
                        position += 1
                        value = memo[length]
                        if type(value) is str:
                            pass
                        elif type(value) is GlobalHandle:
                            if gate.ahead:
                                budget.memory_left -= used
                                used = 0
                                after = self.make_ahead(value, stack, memo, position, base, done, memo_end)
                                if after:
                                    position = after
                                    done += self.taken
                                    if self.ends_within:
                                        stack, base, self.ends_within = self.stack, self.base, False
                                    continue
                        else:
                            if compiled and type(value) is Held:
                                value = held_at(memo, length)
                            nesting.recall(base + len(stack), length, value)
                        push(stack, value)
                    elif opcode == 0x4B:  # BININT1
                        if position >= end:
                            missing = 1
                            break
                        push(stack, data[position])
                        position += 1
                    elif opcode == 0x8C:  # SHORT_BINUNICODE
                        if position >= end:
                            missing = 1
                            break
                        length = data[position]
                        if position + 1 + length > end:
                            missing = 1 + length
                            break
                        if length > short:
                            budget.refuse("max_string", length)
                        position += 1 + length
                        used += 56 + length + push_key(stack, metastack, data, position - length, position)
                        if position < stop and data[position] == 0x94 and len(memo) < memo_end:
                            position += 1
                            done += 1
                            used += 8
                            push(memo, stack[-1])
                    elif opcode == 0x28:  # MARK
                        if len(metastack) >= nesting.mark_bound:
                            nesting.refuse(len(metastack) + 1)
                        used += 56
                        push(metastack, stack)
                        base += len(stack)
                        stack = pop(spare) if spare else []
                    elif opcode == 0x4E:  # NONE
                        push(stack, None)
                    elif opcode == 0x4D:  # BININT2
                        if position + 2 > end:
                            missing = 2
                            break
                        used += 24
                        push_new(stack, new_int2(data, position))
                        position += 2
                        if position < stop and data[position] == 0x4D:
                            length = len(stack)
                            position = push_numbers(stack, data, position, stop, end)
                            done += len(stack) - length
                            used += 24 * (len(stack) - length)
                    elif opcode == 0x88 or opcode == 0x89:  # NEWTRUE, NEWFALSE
                        push(stack, opcode == 0x88)
                    elif opcode == 0x4A:  # BININT
                        if position + 4 > end:
                            missing = 4
                            break
                        used += 24
                        push_new(stack, new_int4(data, position))
                        position += 4
                        if position < stop and data[position] == 0x4A:
                            length = len(stack)
                            position = push_numbers(stack, data, position, stop, end)
                            done += len(stack) - length
                            used += 24 * (len(stack) - length)
                    elif opcode == 0x5D:  # EMPTY_LIST
                        budget.objects_left -= 1
                        used += 104
                        if not metastack and nesting.bottom_height < len(stack):
                            nesting.refuse(nesting.bottom_height)
                        nesting.opened(base + len(stack), 1)
                        push(stack, [])
                        if position < stop and data[position] == 0x94 and len(memo) < memo_end:
                            position += 1
                            done += 1
                            used += 8
                            nesting.remember(len(memo))
                            push(memo, stack[-1])
                    elif opcode == 0x75:  # SETITEMS
                        if not metastack:
                            raise FormatError("SETITEMS without a mark")
                        items = stack
                        stack = pop(metastack)
                        base -= len(stack)
                        target = stack[-1]
                        height = base + len(stack) - 1
                        if nesting.top > height:
                            nesting.join(height)
                        if len(items) % 2:
                            raise FormatError("SETITEMS with a key and no value")
                        if type(target) is dict and not gate.foreign:
                            if gate.handles_seen and holds(items, GlobalHandle, HeldTuple):
                                self._values(start, opcode, items)
                            length = len(items) // 2
                            if len(target) + length > max_items or 100 * length > budget.memory_left:
                                budget.take_items(len(target), length, 100)
                            budget.memory_left -= 100 * length
                            set_items(gate.keys, target, items)
                        else:
                            self._set_items(start, opcode, target, items)
                        drop(items)
                        push(spare, items)
                        if position < stop and data[position] == 0x62 and self.inlay is None:
                            start, opcode = position, 0x62
                            position += 1
                            done += 1
                            budget.memory_left -= used
                            used = 0
                            self.give_state(stack, base, start)
                    elif opcode == 0x7D:  # EMPTY_DICT
                        budget.objects_left -= 1
                        used += 112
                        if not metastack and nesting.bottom_height < len(stack):
                            nesting.refuse(nesting.bottom_height)
                        nesting.opened(base + len(stack), 1)
                        push(stack, {})
                        if position < stop and data[position] == 0x94 and len(memo) < memo_end:
                            position += 1
                            done += 1
                            used += 8
                            nesting.remember(len(memo))
                            push(memo, stack[-1])
                    elif opcode == 0x65:  # APPENDS
                        if not metastack:
                            raise FormatError("APPENDS without a mark")
                        items = stack
                        stack = pop(metastack)
                        base -= len(stack)
                        target = stack[-1]
                        height = base + len(stack) - 1
                        if nesting.top > height:
                            nesting.join(height)
                        if type(target) is list and not gate.foreign:
                            if gate.handles_seen and holds(items, GlobalHandle, HeldTuple):
                                self._values(start, opcode, items)
                            length = len(items)
                            if len(target) + length > max_items or 8 * length > budget.memory_left:
                                budget.take_items(len(target), length, 8)
                            budget.memory_left -= 8 * length
                            extend(target, items)
                            if not items:
                                push(spare, items)
                        else:
                            self._append(start, opcode, target, items)
                    elif opcode == 0x43:  # SHORT_BINBYTES
                        if position >= end:
                            missing = 1
                            break
                        length = data[position]
                        if position + 1 + length > end:
                            missing = 1 + length
                            break
                        if length > short:
                            budget.refuse("max_string", length)
                        position += 1 + length
                        used += 40 + length
                        push_new(stack, new_piece(data, position - length, position))
                        if position < stop and data[position] == 0x94 and len(memo) < memo_end:
                            position += 1
                            done += 1
                            used += 8
                            push(memo, stack[-1])
                    elif opcode == 0x47:  # BINFLOAT
                        if position + 8 > end:
                            missing = 8
                            break
                        used += 24
                        push_new(stack, new_float8(data, position))
                        position += 8
                        if position < stop and data[position] == 0x47:
                            length = len(stack)
                            position = push_numbers(stack, data, position, stop, end)
                            done += len(stack) - length
                            used += 24 * (len(stack) - length)
                    elif opcode == 0x8A:  # LONG1
                        if position >= end:
                            missing = 1
                            break
                        length = data[position]
                        if position + 1 + length > end:
                            missing = 1 + length
                            break
                        position += 1 + length
                        used += 32 + length
                        if length >= 8:
                            gate.keys.big_ints = True
                        if 0 < length <= 8 <= shortest_int:
                            push_new(stack, new_small_int(data, position - length, position))
                        else:
                            number = long_int(data, position - length, position)
                            if length * 8 > budget.max_int_bits:
                                self._check_int(number)
                            push(stack, number)
                    elif opcode in {0x86, 0x85, 0x87, 0x74}:  # TUPLE2, TUPLE1, TUPLE3, TUPLE
                        if opcode == 0x86:
                            value = pop(stack)
                            many: tuple[Any, ...] = (pop(stack), value)
                            used += 104
                        elif opcode == 0x85:
                            many = (pop(stack),)
                            used += 96
                        elif opcode == 0x87:
                            value, key = pop(stack), pop(stack)
                            many = (pop(stack), key, value)
                            used += 112
                        else:
                            if not metastack:
                                raise FormatError("TUPLE without a mark")
                            items = stack
                            stack = pop(metastack)
                            base -= len(stack)
                            used += 88
                            length = len(items)
                            if length > max_items or 8 * length > budget.memory_left:
                                budget.take_items(0, length, 8)
                            budget.memory_left -= 8 * length
                            many = tuple_of(items)
                            if not items:
                                push(spare, items)
                        budget.objects_left -= 1
                        height = base + len(stack)
                        if (is_deep := nesting.top >= height):
                            nesting.opened(height, nesting.absorb(height) + 1)
                        if gate.handles_seen and holds(many, GlobalHandle, HeldTuple):
                            push(stack, self._tuple(start, opcode, many))
                        else:
                            push_tuple(stack, many)
                        if position < stop and data[position] == 0x94 and len(memo) < memo_end:
                            position += 1
                            done += 1
                            used += 8
                            if is_deep:
                                nesting.remember(len(memo))
                            push(memo, stack[-1])
                        if not is_deep and position < stop and (data[position] == 0x52 or data[position] == 0x81):
                            arguments = 1  # the call that comes next takes it at once
                        elif not is_deep:
                            nesting.flat(height)
                            if cython.compiled and begins_row(data, position, stop):
                                position = push_rows(self, stack, position, stop, memo_end, short, shortest_int, base)
                                done += self.ran
                                start, opcode = self.start, data[self.start]
                    elif opcode == 0x81 or opcode == 0x52:  # NEWOBJ, REDUCE
                        value, key = pop(stack), pop(stack)
                        budget.memory_left -= used
                        used = 0
                        gate.opcode = opcode
                        gate.position = self.offset + start
                        self.underflow = False
                        value = gate.new(key, value, None) if opcode == 0x81 else gate.call(key, value)
                        self.underflow = True
                        self._made(base + len(stack), value, arguments)
                        arguments = 0
                        push(stack, value)
                        if budget.since_clock >= SLICE:
                            budget.look_at_clock()
                        if position < stop and data[position] == 0x94 and len(memo) < memo_end:
                            position += 1
                            done += 1
                            used += 8
                            if nesting.top == base + len(stack) - 1:
                                nesting.remember(len(memo))
                            push(memo, value)
                    elif opcode == 0x62:  # BUILD
                        if self.inlay is not None:
                            break
                        budget.memory_left -= used
                        used = 0
                        self.give_state(stack, base, start)
                    elif opcode == 0x29:  # EMPTY_TUPLE
                        push(stack, ())
                    elif opcode == 0x6A:  # LONG_BINGET
                        if position + 4 > end:
                            missing = 4
                            break
                        length = read_uint4(data, position)
                        if length >= len(memo):
                            break
                        position += 4
                        value = memo[length]
                        if type(value) is GlobalHandle:
                            if gate.ahead:
                                budget.memory_left -= used
                                used = 0
                                after = self.make_ahead(value, stack, memo, position, base, done, memo_end)
                                if after:
                                    position = after
                                    done += self.taken
                                    if self.ends_within:
                                        stack, base, self.ends_within = self.stack, self.base, False
                                    continue
                        elif type(value) is not str:
                            if compiled and type(value) is Held:
                                value = held_at(memo, length)
                            nesting.recall(base + len(stack), length, value)
                        push(stack, value)
                    elif opcode == 0x58:  # BINUNICODE
                        if position + 4 > end:
                            missing = 4
                            break
                        length = read_uint4(data, position)
                        if position + 4 + length > end:
                            break
                        used += 56 + length
                        if length > budget.max_string or used > budget.memory_left:
                            budget.take_string(length, used)
                        budget.memory_left -= used
                        used = 0
                        # There are no opcodes in it.
                        stop = min(end, stop + length)
                        position += 4 + length
                        extra = push_utf8(stack, data, position - length, position)
                        if extra:
                            budget.take_memory(extra)
                        if position < stop and data[position] == 0x94 and len(memo) < memo_end:
                            position += 1
                            done += 1
                            used += 8
                            push(memo, stack[-1])
                    elif opcode == 0x42:  # BINBYTES
                        if position + 4 > end:
                            missing = 4
                            break
                        length = read_uint4(data, position)
                        if position + 4 + length > end:
                            break
                        used += 40 + length
                        if length > budget.max_string or used > budget.memory_left:
                            budget.take_string(length, used)
                        budget.memory_left -= used
                        used = 0
                        # There are no opcodes in it.
                        stop = min(end, stop + length)
                        position += 4 + length
                        push_new(stack, new_piece(data, position - length, position))
                        if position < stop and data[position] == 0x94 and len(memo) < memo_end:
                            position += 1
                            done += 1
                            used += 8
                            push(memo, stack[-1])
                    elif opcode == 0x94:  # MEMOIZE
                        if len(memo) >= memo_end:
                            break
                        if nesting.top == base + len(stack) - 1 >= 0:
                            nesting.remember(len(memo))
                        used += 8
                        push(memo, stack[-1])
                    elif opcode == 0x71 or opcode == 0x72:  # BINPUT, LONG_BINPUT
                        width = 1 if opcode == 0x71 else 4
                        if position + width > end:
                            missing = width
                            break
                        length = data[position] if opcode == 0x71 else read_uint4(data, position)
                        if length != len(memo) or length >= memo_end:
                            break
                        position += width
                        if nesting.top == base + len(stack) - 1 >= 0:
                            nesting.remember(length)
                        used += 8
                        push(memo, stack[-1])
                    elif opcode == 0x8F:  # EMPTY_SET
                        budget.objects_left -= 1
                        used += 264
                        nesting.opened(base + len(stack), 1)
                        push(stack, set())
                        if position < stop and data[position] == 0x94 and len(memo) < memo_end:
                            position += 1
                            done += 1
                            used += 8
                            nesting.remember(len(memo))
                            push(memo, stack[-1])
                    elif opcode == 0x90:  # ADDITEMS
                        if not metastack:
                            raise FormatError("ADDITEMS without a mark")
                        items = stack
                        stack = pop(metastack)
                        base -= len(stack)
                        target = stack[-1]
                        height = base + len(stack) - 1
                        if nesting.top > height:
                            nesting.join(height)
                        if type(target) is set and not gate.foreign:
                            if gate.handles_seen and holds(items, GlobalHandle, HeldTuple):
                                self._values(start, opcode, items)
                            length = len(items)
                            if len(target) + length > max_items or 72 * length > budget.memory_left:
                                budget.take_items(len(target), length, 72)
                            budget.memory_left -= 72 * length
                            add_items(gate.keys, target, items)
                        else:
                            self._add_items(start, opcode, target, items)
                        drop(items)
                        push(spare, items)
                    elif opcode == 0x73:  # SETITEM
                        value, key = pop(stack), pop(stack)
                        target = stack[-1]
                        height = base + len(stack) - 1
                        if nesting.top > height:
                            nesting.join(height)
                        held = gate.foreign or (gate.handles_seen and (is_held(key) or is_held(value)))
                        if type(target) is dict and not held:
                            used += 100
                            if len(target) >= max_items or used > budget.memory_left:
                                budget.take_items(len(target), 1, used)
                            if type(key) is str and len(key) > 0:
                                target[key] = value
                            else:
                                set_item(gate.keys, target, key, value)
                        else:
                            self._set_items(start, opcode, target, [key, value])
                    elif opcode == 0x61:  # APPEND
                        value = pop(stack)
                        target = stack[-1]
                        height = base + len(stack) - 1
                        if nesting.top > height:
                            nesting.join(height)
                        if type(target) is list and not gate.foreign and not (gate.handles_seen and is_held(value)):
                            if len(target) >= max_items:
                                budget.refuse("max_items", len(target) + 1)
                            used += 8
                            push(target, value)
                        else:
                            self._append(start, opcode, target, [value])
                    else:
                        break
                else:
                    if position < end:
                        continue
                    start = position
                    missing = -1

                # The opcode at `start` is not one of the frequent ones, or not in its simplest case.
                self.start = start
                outside = True
                if missing > 0:
                    done -= 1
                    self.fetch(start, position, missing)
                elif missing:
                    opcode = NO_OPCODE
                    self.opcode = NO_OPCODE
                    self.fetch(start, start, 1)
                else:
                    budget.memory_left -= used
                    used = 0
                    self.position = position
                    self.stack = stack
                    self.base = base
                    self.opcode = opcode
                    gate.opcode = opcode
                    gate.position = self.offset + start
                    if opcode == 0x2E:  # STOP
                        self.opcodes += done
                        return self._stop()
                    self._rare(opcode)
                    if self.sparse is not None:
                        memo_end = 0
                    done += self.describe_named(done, memo_end) if opcode == 0x93 else 0  # STACK_GLOBAL
                    stack = self.stack
                    base = self.base
                    start = self.start
                data = self.data
                position = self.position
                end = self.end
        finally:
            if not outside:
                # Else it was right already, and has moved with the window since if that moved.
                self.start = start
                self.position = position
            self.opcode = opcode
