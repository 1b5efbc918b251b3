# cython: annotation_typing=False
"""The machine: the one loop that carries out pickle opcodes, for loading and for every kind of looking (S1).

Rules that hold here:

* Nothing here recurses on input (S6): the depth of data is the length of a list.
* A machine serves one pickle (S6a). Everything that goes wrong leaves through one door, :meth:`Machine.run` (S7).
* ``strict`` refuses what pickle's own parsers disagree about (S10); without it the behaviour is ``_pickle.c``'s.
* Opcodes are compared as numbers, which the compiled form turns into a switch; ``wire.opcodes`` is the table, and a
  test holds the two together.
* The loop carries out the frequent opcodes where it stands. It leaves (``break``) for the others, in
  ``operations``, and when an argument is not wholly at hand: then the bytes are fetched and the opcode is begun again.
"""

from __future__ import annotations

from typing import Any
from collections.abc import Iterator

from ..errors import FormatError, InternalError, LimitError, PolicyError, SafePickleError, StateError
from ..wire.opcodes import opcode_name
from ..wire.reading import float8, int4, long_int, piece, uint4, utf8
from .gates import Gate
from .hashing import set_items
from .operations import Operations

_FRESH, _RUNNING, _DONE = 0, 1, 2


class Machine(Operations):
    """Decodes one pickle; the parameters are those of :class:`Operations`."""

    def __init__(
        self, data: bytes, source: Any, gate: Gate, encoding: str, errors: str, buffers: Iterator[Any] | None
    ) -> None:
        super().__init__(data, source, gate, encoding, errors, buffers)
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
            value = self._run()
            if self.source is not None:
                # Also where the policy refuses: the next pickle of the file begins behind this one.
                self.source.finish(len(self.data) - self.position)
            if gate.denied:
                raise PolicyError(gate.denials(), policy=gate.policy.name)
            return value
        except SafePickleError as error:
            if not self.strict and (native := _native(error)) is not None:
                raise native from None
            if not gate.in_hook:
                text = error.args
                error.locate(self.offset + self.start, opcode_name(self.opcode) if self.opcode else "reading")
                if not self.strict and not isinstance(error, LimitError):
                    # The fields say where; the text stays pickle's own.
                    error.args = text
            if gate.denied and not isinstance(error, PolicyError):
                raise PolicyError(gate.denials(), policy=gate.policy.name) from error
            raise
        except Exception as error:
            if gate.in_hook or (not self.strict and not self._is_underflow(error)):
                raise
            raise self._own_failure(error) from error
        finally:
            self.phase = _DONE

    def _is_underflow(self, error: BaseException) -> bool:
        """Whether the machine itself took more from its stack than there is (and not something that it called)."""
        return isinstance(error, IndexError) and self.underflow

    def _own_failure(self, error: BaseException) -> SafePickleError:
        gate = self.gate
        if gate.denied:
            return PolicyError(gate.denials(), policy=gate.policy.name)
        failure: SafePickleError
        if isinstance(error, IndexError):
            failure = FormatError("more is taken from the stack than is on it")
        else:
            failure = InternalError(f"the machine failed: {type(error).__name__}")
        failure.locate(self.offset + self.start, opcode_name(self.opcode) if self.opcode else "reading")
        return failure

    # -- the loop ----------------------------------------------------------------------------------------------

    def _run(self) -> Any:
        data = self.data
        position = self.position
        end = self.end
        stack = self.stack
        metastack = self.metastack
        memo = self.memo
        budget = self.budget
        nesting = self.nesting
        gate = self.gate
        max_memo = budget.max_memo
        short = min(budget.max_string, 255)
        base = 0
        done = 0
        used = 0
        start = 0
        opcode = 0
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
                        stack.append(data[position])
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
                        text = utf8(data, position - length, position)
                        used += 56 + length if len(text) == length else 56 + 4 * length
                        stack.append(text)
                    elif opcode == 0x94:  # MEMOIZE
                        if len(memo) >= max_memo or self.sparse is not None:
                            break
                        if nesting.top >= 0 and nesting.top == base + len(stack) - 1:
                            nesting.remember(len(memo))
                        used += 8
                        memo.append(stack[-1])
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
                        stack.append(value)
                    elif opcode == 0x4A:  # BININT
                        if position + 4 > end:
                            missing = 4
                            break
                        used += 24
                        stack.append(int4(data, position))
                        position += 4
                    elif opcode == 0x47:  # BINFLOAT
                        if position + 8 > end:
                            missing = 8
                            break
                        used += 24
                        stack.append(float8(data, position))
                        position += 8
                    elif opcode == 0x4D:  # BININT2
                        if position + 2 > end:
                            missing = 2
                            break
                        used += 24
                        stack.append(data[position] + data[position + 1] * 256)
                        position += 2
                    elif opcode == 0x71:  # BINPUT
                        if position >= end:
                            missing = 1
                            break
                        length = data[position]
                        if length != len(memo) or length >= max_memo or self.sparse is not None:
                            break
                        position += 1
                        if nesting.top >= 0 and nesting.top == base + len(stack) - 1:
                            nesting.remember(length)
                        used += 8
                        memo.append(stack[-1])
                    elif opcode == 0x58:  # BINUNICODE
                        if position + 4 > end:
                            missing = 4
                            break
                        length = uint4(data, position)
                        if position + 4 + length > end:
                            break
                        budget.take_string(length, 56 + length + used)
                        used = 0
                        position += 4 + length
                        text = utf8(data, position - length, position)
                        if len(text) != length:
                            budget.take_memory(3 * len(text))
                        stack.append(text)
                    elif opcode == 0x28:  # MARK
                        if len(metastack) >= nesting.mark_bound:
                            nesting.refuse(len(metastack) + 1)
                        used += 56
                        metastack.append(stack)
                        base += len(stack)
                        stack = []
                    elif opcode == 0x75:  # SETITEMS
                        if not metastack:
                            raise FormatError("SETITEMS without a mark")
                        items = stack
                        stack = metastack.pop()
                        base -= len(stack)
                        target = stack[-1]
                        if nesting.top >= base + len(stack):
                            nesting.join(base + len(stack) - 1)
                        if len(items) % 2:
                            raise FormatError("SETITEMS with a key and no value")
                        if type(target) is dict and not gate.foreign and not gate.handles_seen:
                            budget.take_items(len(target), len(items) // 2, 100)
                            set_items(gate.keys, target, items)
                        else:
                            self._set_items(start, opcode, target, items)
                    elif opcode == 0x7D:  # EMPTY_DICT
                        budget.objects_left -= 1
                        used += 72
                        if nesting.bottom_height < len(stack) and not metastack:
                            nesting.refuse(nesting.bottom_height)
                        nesting.opened(base + len(stack), 1)
                        stack.append({})
                    elif opcode == 0x65:  # APPENDS
                        if not metastack:
                            raise FormatError("APPENDS without a mark")
                        items = stack
                        stack = metastack.pop()
                        base -= len(stack)
                        target = stack[-1]
                        if nesting.top >= base + len(stack):
                            nesting.join(base + len(stack) - 1)
                        if type(target) is list and not gate.foreign and not gate.handles_seen:
                            budget.take_items(len(target), len(items), 8)
                            target.extend(items)
                        else:
                            self._append(start, opcode, target, items)
                    elif opcode == 0x5D:  # EMPTY_LIST
                        budget.objects_left -= 1
                        used += 64
                        if nesting.bottom_height < len(stack) and not metastack:
                            nesting.refuse(nesting.bottom_height)
                        nesting.opened(base + len(stack), 1)
                        stack.append([])
                    elif opcode == 0x61:  # APPEND
                        value = stack.pop()
                        target = stack[-1]
                        if nesting.top >= base + len(stack):
                            nesting.join(base + len(stack) - 1)
                        if type(target) is list and not gate.foreign and not gate.handles_seen:
                            if len(target) >= budget.max_items:
                                budget.refuse("max_items", len(target) + 1)
                            used += 8
                            target.append(value)
                        else:
                            self._append(start, opcode, target, [value])
                    elif opcode == 0x73:  # SETITEM
                        value = stack.pop()
                        key = stack.pop()
                        target = stack[-1]
                        if nesting.top >= base + len(stack):
                            nesting.join(base + len(stack) - 1)
                        if type(target) is dict and not gate.foreign and not gate.handles_seen:
                            budget.take_items(len(target), 1, 100 + used)
                            used = 0
                            if type(key) is not str:
                                gate.keys.check(target, key)
                            target[key] = value
                        else:
                            self._set_items(start, opcode, target, [key, value])
                    elif opcode == 0x86:  # TUPLE2
                        value = stack.pop()
                        pair = (stack[-1], value)
                        budget.objects_left -= 1
                        used += 64
                        length = base + len(stack) - 1
                        nesting.opened(length, nesting.absorb(length) + 1)
                        stack[-1] = pair if not gate.handles_seen else self._tuple(start, opcode, pair)
                    elif opcode == 0x4E:  # NONE
                        stack.append(None)
                    elif opcode == 0x88:  # NEWTRUE
                        stack.append(True)
                    elif opcode == 0x89:  # NEWFALSE
                        stack.append(False)
                    elif opcode == 0x85:  # TUPLE1
                        single = (stack[-1],)
                        budget.objects_left -= 1
                        used += 56
                        length = base + len(stack) - 1
                        nesting.opened(length, nesting.absorb(length) + 1)
                        stack[-1] = single if not gate.handles_seen else self._tuple(start, opcode, single)
                    elif opcode == 0x87:  # TUPLE3
                        value = stack.pop()
                        key = stack.pop()
                        triple = (stack[-1], key, value)
                        budget.objects_left -= 1
                        used += 72
                        length = base + len(stack) - 1
                        nesting.opened(length, nesting.absorb(length) + 1)
                        stack[-1] = triple if not gate.handles_seen else self._tuple(start, opcode, triple)
                    elif opcode == 0x74:  # TUPLE
                        if not metastack:
                            raise FormatError("TUPLE without a mark")
                        items = stack
                        stack = metastack.pop()
                        base -= len(stack)
                        budget.objects_left -= 1
                        budget.take_items(0, len(items), 8)
                        used += 48
                        length = base + len(stack)
                        nesting.opened(length, nesting.absorb(length) + 1)
                        many = tuple(items)
                        stack.append(many if not gate.handles_seen else self._tuple(start, opcode, many))
                    elif opcode == 0x6A:  # LONG_BINGET
                        if position + 4 > end:
                            missing = 4
                            break
                        length = uint4(data, position)
                        if length >= len(memo):
                            break
                        position += 4
                        value = memo[length]
                        if type(value) is not str and nesting.cell_count > 1:
                            nesting.recall(base + len(stack), length)
                        stack.append(value)
                    elif opcode == 0x72:  # LONG_BINPUT
                        if position + 4 > end:
                            missing = 4
                            break
                        length = uint4(data, position)
                        if length != len(memo) or length >= max_memo or self.sparse is not None:
                            break
                        position += 4
                        if nesting.top >= 0 and nesting.top == base + len(stack) - 1:
                            nesting.remember(length)
                        used += 8
                        memo.append(stack[-1])
                    elif opcode == 0x29:  # EMPTY_TUPLE
                        stack.append(())
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
                        stack.append(piece(data, position - length, position))
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
                        number = long_int(data, position - length, position)
                        if length * 8 > budget.max_int_bits:
                            self._check_int(number)
                        stack.append(number)
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
                        opcode = 0
                        self.opcode = 0
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
            self.opcode = opcode


def _native(error: SafePickleError) -> Exception | None:
    """Return the ValueError of Python's own that a leaf replaced (``from None``): pickle lets it out."""
    inner = error.__context__
    return inner if error.__suppress_context__ and isinstance(inner, ValueError) else None
