# cython: annotation_typing=False
"""The machine: the one loop that carries out pickle opcodes, for loading and for every kind of looking (S1).

Rules that hold here:

* Nothing here recurses on input (S6): the depth of data is the length of a list.
* A machine serves one pickle (S6a). Everything that goes wrong leaves through one door, :meth:`Machine.run` (S7).
* ``strict`` refuses what pickle's own parsers disagree about (S10); without it the behaviour is ``_pickle.c``'s.
* What a container is charged with is its own size and 40 bytes for its entry in the nesting.
* Opcodes are compared as numbers, which the compiled form turns into a switch; ``wire.opcodes`` is the table, and a
  test holds the two together.
* The loop carries out the frequent opcodes where it stands. It leaves (``break``) for the others, in
  ``operations``, and when an argument is not wholly at hand: then the bytes are fetched and the opcode is begun again.
* The compiled form has its leaves (``push``, ``pop``, ``extend``, ``tuple_of``, ``read_...``) in C, in
  ``machine.pxd`` and ``reading.pxd``. What is moved out of a list leaves it empty there, and the list is used again.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import FormatError, InternalError, LimitError, PolicyError, SafePickleError, StateError
from ..wire.opcodes import opcode_name
from ..wire.reading import float8, int4, long_int, not_utf8, piece, text, uint4
from .gates import Gate
from .hashing import add_items, set_item, set_items
from .operations import Operations
from .window import NO_OPCODE

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

_FRESH, _RUNNING, _DONE = 0, 1, 2


if not cython.compiled:
    # The leaves: C that is inlined in the compiled form, what Python itself has in this one.
    globals().update(
        push=list.append, pop=list.pop, extend=list.extend, tuple_of=tuple, read_piece=piece, read_utf8=text,
        read_int4=int4, read_uint4=uint4, read_float8=float8, read_small_int=long_int,
    )  # fmt: skip


class Machine(Operations):
    """Decodes one pickle; the parameters are those of :class:`Window` and :class:`Operations`."""

    def __init__(
        self, data: bytes, source: Any, gate: Gate, encoding: str, errors: str, buffers: Iterator[Any] | None
    ) -> None:
        self.open_machine(data, source, gate, encoding, errors, buffers)

    def open_machine(
        self, data: bytes, source: Any, gate: Gate, encoding: str, errors: str, buffers: Iterator[Any] | None
    ) -> None:
        """Begin at the first byte."""
        self.open_window(data, source, gate.budget, gate.strict)
        self.open_stack(gate, encoding, errors, buffers)
        self.opcodes = 0
        self.phase = _FRESH

    # -- the door ----------------------------------------------------------------------------------------------

    def run(self) -> Any:
        """Carry out the pickle and return its value.

        :raises SafePickleError: whatever the bytes are.
        """
        if self.phase != _FRESH:
            raise StateError("a machine serves one pickle")
        self.phase = _RUNNING
        gate = self.gate
        try:
            try:
                value = self._run()
            except UnicodeDecodeError as error:
                if not self.strict or not self.underflow or gate.in_hook:
                    raise
                raise not_utf8(error) from None
            # Also where the policy refuses: the next pickle of the file begins behind this one.
            self.leave_source()
            if gate.denied:
                raise PolicyError(gate.denials(), policy=gate.policy.name)
            return value
        except SafePickleError as error:
            if not self.strict and (native := _native(error)) is not None:
                raise native from None
            if not gate.in_hook:
                text = error.args
                error.locate(self.offset + self.start, self.where())
                if not self.strict and not isinstance(error, LimitError):
                    # The fields say where; the text stays pickle's own.
                    error.args = text
            if gate.denied and not isinstance(error, PolicyError):
                raise PolicyError(gate.denials(), policy=gate.policy.name) from error
            raise
        except Exception as error:
            if gate.in_hook or self.in_source or (not self.strict and not self._is_underflow(error)):
                raise
            failure = self._own_failure(error)
            if gate.denied:
                raise PolicyError(gate.denials(), policy=gate.policy.name) from failure
            raise failure from error
        finally:
            self.phase = _DONE
            if self.source is not None:
                self.abandon_source()

    def _is_underflow(self, error: BaseException) -> bool:
        """Whether the machine itself took more from its stack than there is (and not something that it called)."""
        return isinstance(error, IndexError) and self.underflow and not self.gate.keys.failed

    def _own_failure(self, error: BaseException) -> SafePickleError:
        """Return what to call an exception of the machine's own."""
        failure: SafePickleError
        if isinstance(error, IndexError):
            failure = FormatError("more is taken from the stack than is on it")
        else:
            failure = InternalError(f"the machine failed: {type(error).__name__}")
        failure.locate(self.offset + self.start, self.where())
        return failure

    def where(self) -> str:
        """Return what the machine was doing, for messages."""
        return "reading" if self.opcode == NO_OPCODE else opcode_name(self.opcode)

    # -- the loop ----------------------------------------------------------------------------------------------

    def _run(self) -> Any:
        data = self.data
        position = self.position
        end = self.end
        stack = self.stack
        metastack = self.metastack
        memo = self.memo
        #: An empty list that keeps the room it grew to, for the next mark.
        spare = None
        budget = self.budget
        nesting = self.nesting
        gate = self.gate
        max_memo = budget.max_memo
        max_items = budget.max_items
        short = min(budget.max_string, 255)
        base = 0
        done = 0
        used = 0
        start = 0
        opcode = NO_OPCODE
        missing = 0
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
                done = 0
                missing = 0
                outside = False
                for index in range(steps):
                    start = position
                    if position >= end:
                        missing = -1
                        break
                    opcode = data[position]
                    position += 1

                    if opcode == 0x4B:  # BININT1
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
                        word = read_utf8(data, position - length, position)
                        used += 56 + length if len(word) == length else 56 + 4 * length
                        push(stack, word)
                    elif opcode == 0x94:  # MEMOIZE
                        if len(memo) >= max_memo or self.sparse is not None:
                            break
                        if nesting.top == base + len(stack) - 1 >= 0:
                            nesting.remember(len(memo))
                        used += 8
                        push(memo, stack[-1])
                    elif opcode == 0x68:  # BINGET
                        if position >= end:
                            missing = 1
                            break
                        length = data[position]
                        if length >= len(memo):
                            break
                        position += 1
                        value = memo[length]
                        if type(value) is not str and nesting.cell_count > 1:
                            nesting.recall(base + len(stack), length)
                        push(stack, value)
                    elif opcode == 0x4A:  # BININT
                        if position + 4 > end:
                            missing = 4
                            break
                        used += 24
                        push(stack, read_int4(data, position))
                        position += 4
                    elif opcode == 0x47:  # BINFLOAT
                        if position + 8 > end:
                            missing = 8
                            break
                        used += 24
                        push(stack, read_float8(data, position))
                        position += 8
                    elif opcode == 0x4D:  # BININT2
                        if position + 2 > end:
                            missing = 2
                            break
                        used += 24
                        push(stack, data[position] + data[position + 1] * 256)
                        position += 2
                    elif opcode == 0x4E:  # NONE
                        push(stack, None)
                    elif opcode == 0x88:  # NEWTRUE
                        push(stack, True)
                    elif opcode == 0x89:  # NEWFALSE
                        push(stack, False)
                    elif opcode == 0x71:  # BINPUT
                        if position >= end:
                            missing = 1
                            break
                        length = data[position]
                        if length != len(memo) or length >= max_memo or self.sparse is not None:
                            break
                        position += 1
                        if nesting.top == base + len(stack) - 1 >= 0:
                            nesting.remember(length)
                        used += 8
                        push(memo, stack[-1])
                    elif opcode == 0x58:  # BINUNICODE
                        if position + 4 > end:
                            missing = 4
                            break
                        length = read_uint4(data, position)
                        if position + 4 + length > end:
                            break
                        budget.take_string(length, 56 + length + used)
                        used = 0
                        position += 4 + length
                        word = read_utf8(data, position - length, position)
                        if len(word) != length:
                            budget.take_memory(3 * len(word))
                        push(stack, word)
                    elif opcode == 0x42:  # BINBYTES
                        if position + 4 > end:
                            missing = 4
                            break
                        length = read_uint4(data, position)
                        if position + 4 + length > end:
                            break
                        budget.take_string(length, 40 + length + used)
                        used = 0
                        position += 4 + length
                        push(stack, read_piece(data, position - length, position))
                    elif opcode == 0x28:  # MARK
                        if len(metastack) >= nesting.mark_bound:
                            nesting.refuse(len(metastack) + 1)
                        used += 56
                        push(metastack, stack)
                        base += len(stack)
                        if spare is None:
                            stack = []
                        else:
                            stack = spare
                            spare = None
                    elif opcode == 0x75:  # SETITEMS
                        if not metastack:
                            raise FormatError("SETITEMS without a mark")
                        items = stack
                        stack = metastack.pop()
                        base -= len(stack)
                        target = stack[-1]
                        height = base + len(stack) - 1
                        if nesting.top > height:
                            nesting.join(height)
                        if len(items) % 2:
                            raise FormatError("SETITEMS with a key and no value")
                        if type(target) is dict and not gate.foreign:
                            if gate.handles_seen:
                                self._values(start, opcode, items)
                            length = len(items) // 2
                            if len(target) + length > max_items or 100 * length > budget.memory_left:
                                budget.take_items(len(target), length, 100)
                            budget.memory_left -= 100 * length
                            set_items(gate.keys, target, items)
                            if not items:
                                spare = items
                        else:
                            self._set_items(start, opcode, target, items)
                    elif opcode == 0x7D:  # EMPTY_DICT
                        budget.objects_left -= 1
                        used += 112
                        if not metastack and nesting.bottom_height < len(stack):
                            nesting.refuse(nesting.bottom_height)
                        nesting.opened(base + len(stack), 1)
                        push(stack, {})
                    elif opcode == 0x65:  # APPENDS
                        if not metastack:
                            raise FormatError("APPENDS without a mark")
                        items = stack
                        stack = metastack.pop()
                        base -= len(stack)
                        target = stack[-1]
                        height = base + len(stack) - 1
                        if nesting.top > height:
                            nesting.join(height)
                        if type(target) is list and not gate.foreign:
                            if gate.handles_seen:
                                self._values(start, opcode, items)
                            length = len(items)
                            if len(target) + length > max_items or 8 * length > budget.memory_left:
                                budget.take_items(len(target), length, 8)
                            budget.memory_left -= 8 * length
                            extend(target, items)
                            if not items:
                                spare = items
                        else:
                            self._append(start, opcode, target, items)
                    elif opcode == 0x5D:  # EMPTY_LIST
                        budget.objects_left -= 1
                        used += 104
                        if not metastack and nesting.bottom_height < len(stack):
                            nesting.refuse(nesting.bottom_height)
                        nesting.opened(base + len(stack), 1)
                        push(stack, [])
                    elif opcode == 0x61:  # APPEND
                        value = pop(stack)
                        target = stack[-1]
                        height = base + len(stack) - 1
                        if nesting.top > height:
                            nesting.join(height)
                        if type(target) is list and not gate.foreign and not gate.handles_seen:
                            if len(target) >= max_items:
                                budget.refuse("max_items", len(target) + 1)
                            used += 8
                            push(target, value)
                        else:
                            self._append(start, opcode, target, [value])
                    elif opcode == 0x73:  # SETITEM
                        value = pop(stack)
                        key = pop(stack)
                        target = stack[-1]
                        height = base + len(stack) - 1
                        if nesting.top > height:
                            nesting.join(height)
                        if type(target) is dict and not gate.foreign and not gate.handles_seen:
                            used += 100
                            if len(target) >= max_items or used > budget.memory_left:
                                budget.take_items(len(target), 1, used)
                            if type(key) is str:
                                target[key] = value
                            else:
                                set_item(gate.keys, target, key, value)
                        else:
                            self._set_items(start, opcode, target, [key, value])
                    elif opcode == 0x8F:  # EMPTY_SET
                        budget.objects_left -= 1
                        used += 264
                        nesting.opened(base + len(stack), 1)
                        push(stack, set())
                    elif opcode == 0x90:  # ADDITEMS
                        if not metastack:
                            raise FormatError("ADDITEMS without a mark")
                        items = stack
                        stack = metastack.pop()
                        base -= len(stack)
                        target = stack[-1]
                        height = base + len(stack) - 1
                        if nesting.top > height:
                            nesting.join(height)
                        if type(target) is set and not gate.foreign:
                            if gate.handles_seen:
                                self._values(start, opcode, items)
                            length = len(items)
                            if len(target) + length > max_items or 72 * length > budget.memory_left:
                                budget.take_items(len(target), length, 72)
                            budget.memory_left -= 72 * length
                            add_items(gate.keys, target, items)
                        else:
                            self._add_items(start, opcode, target, items)
                    elif opcode == 0x86:  # TUPLE2
                        value = pop(stack)
                        pair = (stack[-1], value)
                        budget.objects_left -= 1
                        used += 104
                        height = base + len(stack) - 1
                        nesting.opened(height, nesting.absorb(height) + 1 if nesting.top >= height else 1)
                        stack[-1] = pair if not gate.handles_seen else self._tuple(start, opcode, pair)
                    elif opcode == 0x85:  # TUPLE1
                        single = (stack[-1],)
                        budget.objects_left -= 1
                        used += 96
                        height = base + len(stack) - 1
                        nesting.opened(height, nesting.absorb(height) + 1 if nesting.top >= height else 1)
                        stack[-1] = single if not gate.handles_seen else self._tuple(start, opcode, single)
                    elif opcode == 0x87:  # TUPLE3
                        value = pop(stack)
                        key = pop(stack)
                        triple = (stack[-1], key, value)
                        budget.objects_left -= 1
                        used += 112
                        height = base + len(stack) - 1
                        nesting.opened(height, nesting.absorb(height) + 1 if nesting.top >= height else 1)
                        stack[-1] = triple if not gate.handles_seen else self._tuple(start, opcode, triple)
                    elif opcode == 0x74:  # TUPLE
                        if not metastack:
                            raise FormatError("TUPLE without a mark")
                        items = stack
                        stack = metastack.pop()
                        base -= len(stack)
                        budget.objects_left -= 1
                        used += 88
                        length = len(items)
                        if length > max_items or 8 * length > budget.memory_left:
                            budget.take_items(0, length, 8)
                        budget.memory_left -= 8 * length
                        height = base + len(stack)
                        nesting.opened(height, nesting.absorb(height) + 1 if nesting.top >= height else 1)
                        many = tuple_of(items)
                        if not items:
                            spare = items
                        push(stack, many if not gate.handles_seen else self._tuple(start, opcode, many))
                    elif opcode == 0x6A:  # LONG_BINGET
                        if position + 4 > end:
                            missing = 4
                            break
                        length = read_uint4(data, position)
                        if length >= len(memo):
                            break
                        position += 4
                        value = memo[length]
                        if type(value) is not str and nesting.cell_count > 1:
                            nesting.recall(base + len(stack), length)
                        push(stack, value)
                    elif opcode == 0x72:  # LONG_BINPUT
                        if position + 4 > end:
                            missing = 4
                            break
                        length = read_uint4(data, position)
                        if length != len(memo) or length >= max_memo or self.sparse is not None:
                            break
                        position += 4
                        if nesting.top == base + len(stack) - 1 >= 0:
                            nesting.remember(length)
                        used += 8
                        push(memo, stack[-1])
                    elif opcode == 0x81:  # NEWOBJ
                        value = pop(stack)
                        key = pop(stack)
                        budget.memory_left -= used
                        used = 0
                        gate.opcode = opcode
                        gate.position = self.offset + start
                        self.underflow = False
                        value = gate.new(key, value, None)
                        self.underflow = True
                        self._made(base + len(stack), value)
                        push(stack, value)
                        budget.called()
                    elif opcode == 0x62:  # BUILD
                        if self.inlay is not None:
                            break
                        value = pop(stack)
                        target = stack[-1]
                        height = base + len(stack) - 1
                        if nesting.top > height:
                            nesting.join(height)
                        budget.memory_left -= used
                        used = 0
                        gate.opcode = opcode
                        gate.position = self.offset + start
                        self.underflow = False
                        gate.build(target, value)
                        self.underflow = True
                        budget.called()
                    elif opcode == 0x52:  # REDUCE
                        value = pop(stack)
                        key = pop(stack)
                        budget.memory_left -= used
                        used = 0
                        gate.opcode = opcode
                        gate.position = self.offset + start
                        self.underflow = False
                        value = gate.call(key, value)
                        self.underflow = True
                        self._made(base + len(stack), value)
                        push(stack, value)
                        budget.called()
                    elif opcode == 0x29:  # EMPTY_TUPLE
                        push(stack, ())
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
                        push(stack, read_piece(data, position - length, position))
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
                        if 0 < length <= 8:
                            number = read_small_int(data, position - length, position)
                        else:
                            number = long_int(data, position - length, position)
                        if length * 8 > budget.max_int_bits:
                            self._check_int(number)
                        push(stack, number)
                    else:
                        break
                else:
                    done = steps
                    continue

                # The opcode at `start` is not one of the frequent ones, or not in its simplest case.
                self.start = start
                outside = True
                done = index
                if missing:
                    if missing > 0:
                        self.fetch(start, position, missing)
                    else:
                        opcode = NO_OPCODE
                        self.opcode = NO_OPCODE
                        self.fetch(start, start, 1)
                else:
                    done += 1
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


def _native(error: SafePickleError) -> Exception | None:
    """Return the ValueError of Python's own that a leaf replaced (``from None``): pickle lets it out."""
    inner = error.__context__
    return inner if error.__suppress_context__ and isinstance(inner, ValueError) else None
