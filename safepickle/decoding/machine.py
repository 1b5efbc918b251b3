# cython: annotation_typing=False
"""The machine: the one loop that carries out pickle opcodes, for loading and for every kind of looking (S1).

Rules that hold here:

* The machine moves bytes, the stack and the memo. Whatever concerns a global, a call or an object's state is asked
  of the gate; whatever costs is paid to the budget first; how deep the data gets is known to the nesting.
* Nothing here recurses on input (S6): the depth of data is the length of a list.
* The stack is a list for each open mark, so that nothing is copied when a mark is closed.
* A machine serves one pickle (S6a). Everything that goes wrong leaves through one door, :meth:`Machine.run` (S7).
* ``strict`` refuses what pickle's own parsers disagree about (S10); without it the behaviour is ``_pickle.c``'s.
* Opcodes are compared as numbers, which the compiled form turns into a switch; ``wire.opcodes`` is the table, and a
  test holds the two together.
* The loop carries out the frequent opcodes where it stands and leaves (``break``) for the others, and when an
  argument is not wholly at hand: then the bytes are fetched and the opcode is begun again.
"""

from __future__ import annotations

from typing import Any, Iterator

from ..errors import (
    EmptyInputError,
    FormatError,
    InternalError,
    LimitError,
    PolicyError,
    SafePickleError,
    StateError,
    TruncatedError,
    quote,
)
from ..wire.opcodes import HIGHEST_PROTOCOL, opcode_name
from ..wire.reading import (
    float8,
    int4,
    long_int,
    parse_float_line,
    parse_index_line,
    parse_int_line,
    parse_long_line,
    parse_string_line,
    parse_unicode_line,
    piece,
    uint4,
    uint8,
    utf8,
)
from .budget import Budget
from .gates import Gate
from .hashing import add_items, set_items
from .nesting import Nesting

TYPE_CHECKING = False
if TYPE_CHECKING:
    import cython  # noqa: F401

_FRESH, _RUNNING, _DONE = 0, 1, 2
#: Results of calls whose depth says nothing: no containers, or the arguments are gone from them.
_LEAVES = frozenset({bytes, bytearray, str, int, float, complex, range, bool, type(None), type})
_SETS = frozenset({set, frozenset})


class Machine:
    """Decodes one pickle.

    :param data: the bytes, or what has been read of them.
    :param source: gives more bytes, or None when *data* is all.
    :param gate: decides on globals, calls and state.
    :param budget: the limits' counters.
    :param encoding: how Python 2 str is decoded: a codec's name, or ``bytes``.
    :param errors: the codec's error handler.
    :param buffers: the out-of-band buffers, or None.
    """

    def __init__(
        self,
        data: bytes,
        source: Any,
        gate: Gate,
        budget: Budget,
        encoding: str,
        errors: str,
        buffers: Iterator[Any] | None,
    ) -> None:
        self.data = data
        self.source = source
        self.gate = gate
        self.budget = budget
        self.encoding = encoding
        self.errors = errors
        self.buffers = buffers
        self.strict = gate.strict
        self.nesting = Nesting(budget.max_depth)
        self.stack: list[Any] = []
        self.metastack: list[list[Any]] = []
        self.memo: list[Any] = []
        self.sparse: dict[int, Any] | None = None
        #: The window: where reading goes on, and where it ends (at the frame's end while in a frame).
        self.position = 0
        self.end = len(data)
        self.in_frame = False
        #: Bytes of the pickle before the window.
        self.offset = 0
        #: Items on the stacks below the present mark.
        self.base = 0
        self.start = 0
        self.opcode = 0
        self.opcodes = 0
        self.protocol = 0
        self.phase = _FRESH
        #: Whether an IndexError is the machine's own; not while something is called.
        self.underflow = True

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
            if gate.denied:
                raise PolicyError(gate.denials(), policy=gate.policy.name)
            if self.source is not None:
                self.source.finish(len(self.data) - self.position)
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

    # -- bytes -------------------------------------------------------------------------------------------------

    def fetch(self, start: int, argument: int, count: int) -> None:
        """Have *count* bytes at hand from *argument* on, keeping the opcode at *start*, which becomes the position.

        :raises FormatError: if they are not there, or a frame ends among them.
        """
        if self.in_frame:
            if argument < self.end:
                raise FormatError("a frame ends inside an argument")
            # At the end of a frame, before an opcode or before its argument: every parser goes on behind it (X22).
            self.in_frame = False
            self.end = len(self.data)
        self.position = start
        wanted = argument - start + count
        if start + wanted <= self.end:
            return
        self._read(wanted)
        if self.position + wanted > self.end:
            if self.offset + self.end == 0:
                raise EmptyInputError("there is no pickle: the input is empty")
            if not self.strict and self.opcode == 0 and start == argument:
                # pickle tells input that ends between two opcodes from an argument cut off, not from no input.
                raise EmptyInputError("the input ends before STOP")
            raise TruncatedError(f"the pickle is cut off: {count} bytes wanted, {self.end - self.position} there")

    def _read(self, count: int) -> None:
        """Ask the source, if any, for at least *count* bytes from the position on."""
        if self.source is None:
            return
        most = self.budget.max_bytes
        if self.offset + self.position + count > most:
            self.budget.refuse("max_bytes", self.offset + self.position + count)
        self._replace(self.source.more(self.data[self.position :], count))

    def _replace(self, data: bytes) -> None:
        # The present opcode keeps its place in the pickle, though its byte may be gone from the window.
        self.offset += self.position
        self.start -= self.position
        self.position = 0
        self.data = data
        self.end = len(data)

    def need(self, count: int) -> None:
        """Have *count* bytes at hand from the position on."""
        if self.position + count > self.end:
            self.fetch(self.position, self.position, count)

    def open_frame(self, length: int) -> None:
        """FRAME: the next *length* bytes hold whole opcodes."""
        if self.in_frame:
            if self.position < self.end and self.strict:
                raise FormatError("a frame inside a frame")
            self.in_frame = False
            self.end = len(self.data)
        if length > self.budget.max_bytes:
            self.budget.refuse("max_bytes", length)
        if self.position + length > self.end:
            self._read(length)
            if self.position + length > self.end:
                raise TruncatedError(f"the frame is cut off: {length} bytes claimed")
        if self.strict and length:
            self.in_frame = True
            self.end = self.position + length

    def line(self) -> bytes:
        """Take a line, without its newline."""
        if self.in_frame and self.position >= self.end:
            self.in_frame = False
            self.end = len(self.data)
        stop = self.data.find(b"\n", self.position, self.end)
        if stop < 0:
            if self.in_frame:
                raise FormatError("a frame ends inside a line")
            if self.source is not None:
                limit = min(self.budget.max_string, self.budget.max_bytes)
                self._replace(self.source.line(self.data[self.position :], limit + 1))
                stop = self.data.find(b"\n")
                if stop < 0 and len(self.data) > limit:
                    self.budget.refuse("max_string", len(self.data))
            if stop < 0:
                raise TruncatedError("a line has no end")
        length = stop - self.position
        self.budget.take_string(length, 64 + 5 * length)
        text = self.data[self.position : stop]
        self.position = stop + 1
        return text

    def length(self, width: int) -> int:
        """Take a length of *width* bytes, pay for so many bytes, and have them at hand."""
        self.need(width)
        if width == 1:
            length = self.data[self.position]
        elif width == 4:
            length = uint4(self.data, self.position)
        else:
            claimed = uint8(self.data, self.position)
            if claimed >= 2**62:
                self.budget.refuse("max_string", 2**62)
            length = claimed
        self.position += width
        self.budget.take_string(length, 56 + length)
        self.need(length)
        return length

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
        try:
            while True:
                budget.memory_left -= used
                used = 0
                self.opcodes += done
                steps = budget.next_slice(done)
                done = 0
                missing = 0
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
            self.start = start
            self.opcode = opcode

    def _stop(self) -> Any:
        """STOP: one value and nothing else must be left (pickletools says so; real picklers leave nothing)."""
        if self.strict and (self.metastack or len(self.stack) > 1):
            raise FormatError("STOP with more than one value on the stack, or an open mark")
        return self.gate.value(self.stack.pop())

    # -- containers that are not simply the machine's own ------------------------------------------------------

    def _tuple(self, start: int, opcode: int, items: tuple[Any, ...]) -> Any:
        self.gate.opcode = opcode
        self.gate.position = self.offset + start
        return self.gate.tuple_of(items)

    def _append(self, start: int, opcode: int, target: Any, items: list[Any]) -> None:
        gate = self.gate
        gate.opcode = opcode
        gate.position = self.offset + start
        if type(target) is list and not (gate.foreign and gate.is_foreign(target)):
            self.budget.take_items(len(target), len(items), 8)
            target.extend(gate.values(items))
        else:
            self._call_out()
            gate.append(target, items)
            self.underflow = True

    def _set_items(self, start: int, opcode: int, target: Any, items: list[Any]) -> None:
        gate = self.gate
        gate.opcode = opcode
        gate.position = self.offset + start
        if type(target) is dict and not (gate.foreign and gate.is_foreign(target)):
            self.budget.take_items(len(target), len(items) // 2, 100)
            set_items(gate.keys, target, gate.values(items))
        else:
            self._call_out()
            gate.set_items(target, items)
            self.underflow = True

    def _add_items(self, target: Any, items: list[Any]) -> None:
        gate = self.gate
        if type(target) is set and not (gate.foreign and gate.is_foreign(target)):
            self.budget.take_items(len(target), len(items), 72)
            add_items(gate.keys, target, gate.values(items))
        else:
            self._call_out()
            gate.add_items(target, items)
            self.underflow = True

    def _call_out(self) -> None:
        """From here until the flag is set again, an IndexError is not the machine's."""
        self.underflow = False

    # -- the other opcodes -------------------------------------------------------------------------------------

    def _rare(self, opcode: int) -> None:
        """Carry out any opcode that the loop does not; its argument begins at the position."""
        if opcode == 0x52:  # REDUCE
            self._reduce()
        elif opcode == 0x81:  # NEWOBJ
            self._new_object(False)
        elif opcode == 0x62:  # BUILD
            self._build()
        elif opcode == 0x93:  # STACK_GLOBAL
            name = self.stack.pop()
            module = self.stack.pop()
            self._push(self._find(module, name))
        elif opcode == 0x63:  # GLOBAL
            self._push(self._find_lines())
        elif opcode in _PUTS:
            self._put(self._index(_PUTS[opcode]))
        elif opcode in _GETS:
            self._get(self._index(_GETS[opcode]))
        elif opcode in _TEXTS:
            self._push(self._text(opcode))
        elif opcode == 0x94:  # MEMOIZE
            self._put(len(self.memo) + (0 if self.sparse is None else len(self.sparse)))
        elif opcode == 0x80:  # PROTO
            self._proto()
        elif opcode == 0x95:  # FRAME
            self.need(8)
            self.position += 8
            self.open_frame(uint8(self.data, self.position - 8))
        elif opcode == 0x30:  # POP
            self._pop()
        elif opcode == 0x31:  # POP_MARK
            self._close_mark()
            self.nesting.absorb(self.base + len(self.stack))
        elif opcode == 0x32:  # DUP
            self.stack.append(self.stack[-1])
            self.nesting.duplicate(self.base + len(self.stack) - 1)
        elif opcode == 0x6C:  # LIST
            items = self._close_mark()
            self.budget.take_items(0, len(items), 8)
            self._join_and_push(self.gate.values(items), 64)
        elif opcode == 0x64:  # DICT
            self._dict(self._close_mark())
        elif opcode == 0x8F:  # EMPTY_SET
            self._join_and_push(set(), 224)
        elif opcode == 0x90:  # ADDITEMS
            items = self._close_mark()
            target = self.stack[-1]
            self.nesting.join(self.base + len(self.stack) - 1)
            self._add_items(target, items)
        elif opcode == 0x91:  # FROZENSET
            items = self._close_mark()
            self.budget.take_items(0, len(items), 72)
            collected: set[Any] = set()
            add_items(self.gate.keys, collected, self.gate.values(items))
            self._join_and_push(frozenset(collected), 224)
        elif opcode == 0x92:  # NEWOBJ_EX
            self._new_object(True)
        elif opcode == 0x69:  # INST
            items = self._close_mark()
            cls = self._find_lines()
            self._instantiate(cls, items)
        elif opcode == 0x6F:  # OBJ
            items = self._close_mark()
            if not items:
                raise FormatError("OBJ without a class")
            self._instantiate(items[0], items[1:])
        elif opcode == 0x50:  # PERSID
            self._persid()
        elif opcode == 0x51:  # BINPERSID
            pid = self.stack.pop()
            self.nesting.absorb(self.base + len(self.stack))
            self._persistent(pid)
        elif opcode in _EXTS:
            width = _EXTS[opcode]
            self.need(width)
            code = int.from_bytes(self.data[self.position : self.position + width], "little", signed=width == 4)
            self.position += width
            self._call_out()
            handle = self.gate.extension(code, self.protocol)
            self.underflow = True
            self._push(handle)
        elif opcode == 0x97:  # NEXT_BUFFER
            self._next_buffer()
        elif opcode == 0x98:  # READONLY_BUFFER
            self._readonly_buffer()
        else:
            raise FormatError(f"no such opcode: 0x{opcode:02x}")

    def _push(self, value: Any) -> None:
        self.stack.append(value)

    def _join_and_push(self, value: Any, amount: int) -> None:
        """Push a new container; what was above its place went into it."""
        height = self.base + len(self.stack)
        self.nesting.opened(height, self.nesting.absorb(height) + 1)
        self.budget.take_object(amount)
        self.stack.append(value)

    def _close_mark(self) -> list[Any]:
        """Return what is above the topmost mark, and take the mark away."""
        if not self.metastack:
            raise FormatError(f"{opcode_name(self.opcode)} without a mark")
        items = self.stack
        self.stack = self.metastack.pop()
        self.base -= len(self.stack)
        return items

    def _pop(self) -> None:
        if self.stack:
            self.stack.pop()
            self.nesting.absorb(self.base + len(self.stack))
        else:
            # pickle's own picklers drop a mark so, for recursive tuples in protocol 0.
            self._close_mark()

    def _dict(self, items: list[Any]) -> None:
        if len(items) % 2:
            raise FormatError("DICT with a key and no value")
        self.budget.take_items(0, len(items) // 2, 100)
        value: dict[Any, Any] = {}
        set_items(self.gate.keys, value, self.gate.values(items))
        self._join_and_push(value, 72)

    def _proto(self) -> None:
        self.need(1)
        protocol = self.data[self.position]
        self.position += 1
        if protocol > HIGHEST_PROTOCOL:
            if not self.strict:
                self.underflow = False
                raise ValueError(f"unsupported pickle protocol: {protocol}")
            raise FormatError(f"unsupported pickle protocol: {protocol}")
        if self.strict and self.offset + self.start != 0:
            raise FormatError("PROTO is not the first opcode")
        self.protocol = protocol

    # -- memo --------------------------------------------------------------------------------------------------

    def _index(self, width: int) -> int:
        """Take a memo index: text, or *width* bytes."""
        if width == 0:
            index = parse_index_line(self.line(), self.strict)
            if index < 0:
                if not self.strict and self.opcode == 0x70:  # PUT
                    raise ValueError("negative PUT argument")
                raise FormatError("a negative memo index")
            return index
        self.need(width)
        index = self.data[self.position] if width == 1 else uint4(self.data, self.position)
        self.position += width
        return index

    def _put(self, index: int) -> None:
        count = len(self.memo) + (0 if self.sparse is None else len(self.sparse))
        if index >= self.budget.max_memo or count >= self.budget.max_memo:
            self.budget.refuse("max_memo", min(max(index, count), 2**62) + 1)
        value = self.stack[-1]
        if index < len(self.memo) or (self.sparse is not None and index in self.sparse):
            if self.strict:
                raise FormatError(f"memo entry {index} is set a second time")
        if index < len(self.memo):
            self.memo[index] = value
        elif index == len(self.memo) and self.sparse is None:
            self.memo.append(value)
        else:
            # A gap: Python 2's cPickle counts from 1, and pickletools.optimize of old leaves holes. A dict costs
            # by the entry; a list would grow to the index (D01, CVE-2018-20406).
            self.budget.take_memory(100)
            if self.sparse is None:
                self.sparse = {}
            self.sparse[index] = value
        if self.nesting.top >= 0 and self.nesting.top == self.base + len(self.stack) - 1:
            self.nesting.remember(index)

    def _get(self, index: int) -> None:
        if index < len(self.memo):
            value = self.memo[index]
        elif self.sparse is not None and index in self.sparse:
            value = self.sparse[index]
        else:
            raise FormatError(f"memo entry {index} is not set")
        if self.nesting.cell_count > 1:
            self.nesting.recall(self.base + len(self.stack), index)
        self.stack.append(value)

    def set_memo(self, memo: dict[int, Any]) -> None:
        """Begin with the memo of an earlier pickle (UNRESTRICTED)."""
        rest = dict(memo)
        while len(self.memo) in rest:
            self.memo.append(rest.pop(len(self.memo)))
        self.sparse = rest or None

    def get_memo(self) -> dict[int, Any]:
        """Return the memo by index."""
        return {**dict(enumerate(self.memo)), **(self.sparse or {})}

    # -- text and numbers --------------------------------------------------------------------------------------

    def _text(self, opcode: int) -> Any:
        """Take a value written as text, or with a length of 4 or 8 bytes."""
        if opcode == 0x58 or opcode == 0x8D:  # BINUNICODE, BINUNICODE8
            length = self.length(4 if opcode == 0x58 else 8)
            text = utf8(self.data, self.position, self.position + length)
            self.position += length
            if len(text) != length:
                self.budget.take_memory(3 * len(text))
            return text
        if opcode in _BYTES:
            length = self.length(_BYTES[opcode])
            self.position += length
            data = self.data[self.position - length : self.position]
            if opcode != 0x96:
                return data
            self.budget.take_object(length)
            return bytearray(data)
        if opcode == 0x54 or opcode == 0x55:  # BINSTRING, SHORT_BINSTRING
            if opcode == 0x54:
                self.need(4)
                if int4(self.data, self.position) < 0:
                    raise FormatError("BINSTRING of a negative length")
            length = self.length(4 if opcode == 0x54 else 1)
            self.position += length
            return self._decode(self.data[self.position - length : self.position])
        if opcode == 0x8B:  # LONG4
            self.need(4)
            length = int4(self.data, self.position)
            if length < 0:
                raise FormatError("LONG4 of a negative length")
            self.budget.take_int(length)
            self.gate.keys.big_ints = True
            self.position += 4
            self.need(length)
            self.position += length
            return self._check_int(long_int(self.data, self.position - length, self.position))
        line = self.line()
        if opcode == 0x49 or opcode == 0x4C:  # INT, LONG
            self.gate.keys.big_ints = True
            # A number of d digits has at least (d - 1) * 3.32 bits; int() is quadratic in them (D11).
            if (len(line) - 3) * 3321 // 1000 > self.budget.max_int_bits:
                self.budget.refuse("max_int_bits", (len(line) - 3) * 3321 // 1000)
            if opcode == 0x49:
                return self._check_int(parse_int_line(line, self.strict))
            return self._check_int(parse_long_line(line, self.strict))
        if opcode == 0x46:  # FLOAT
            return parse_float_line(line, self.strict)
        if opcode == 0x53:  # STRING
            return self._decode(parse_string_line(line, self.strict))
        return parse_unicode_line(line, self.strict)

    def _check_int(self, number: int) -> int:
        bits = number.bit_length()
        if bits > self.budget.max_int_bits:
            self.budget.refuse("max_int_bits", bits)
        return number

    def _decode(self, data: bytes) -> Any:
        """Return a Python 2 str as ``encoding`` says."""
        if self.encoding == "bytes":
            return data
        self.budget.take_memory(56 + 4 * len(data))
        try:
            return data.decode(self.encoding, self.errors)
        except UnicodeDecodeError as error:
            if not self.strict:
                raise
            raise FormatError(
                f"a Python 2 str is not {quote(self.encoding)}; try encoding='latin1' or encoding='bytes'"
            ) from error

    # -- globals, calls and state ------------------------------------------------------------------------------

    def _find(self, module: Any, name: Any) -> Any:
        self.nesting.absorb(self.base + len(self.stack))
        self._call_out()
        found = self.gate.find(module, name, self.protocol)
        self.underflow = True
        return found

    def _find_lines(self) -> Any:
        module = self.line()
        name = self.line()
        if not module or not name:
            raise FormatError(f"a global without a name: {quote(module)}, {quote(name)}")
        try:
            texts = module.decode("utf-8"), name.decode("utf-8")
        except UnicodeDecodeError:
            raise FormatError(f"a global's name is not UTF-8: {quote(module)}, {quote(name)}") from None
        return self._find(*texts)

    def _finish_call(self, result: Any) -> None:
        """Push what a call gave, in place of the callee and its arguments, which are off the stack."""
        height = self.base + len(self.stack)
        deepest = self.nesting.absorb(height)
        kind = type(result)
        if kind in _SETS:
            # set(list): a list within a tuple went into it.
            self.nesting.opened(height, deepest - 1 if deepest > 2 else 1)
        elif kind not in _LEAVES:
            self.nesting.opened(height, deepest + 1)
        self.stack.append(result)
        self.underflow = True

    def _reduce(self) -> None:
        args = self.stack.pop()
        callee = self.stack.pop()
        self._call_out()
        self._finish_call(self.gate.call(callee, args))

    def _new_object(self, extended: bool) -> None:
        kwargs = None
        if extended:
            kwargs = self.stack.pop()
        args = self.stack.pop()
        cls = self.stack.pop()
        if extended and type(kwargs) is not dict:
            raise FormatError(f"NEWOBJ_EX keyword arguments are {quote(kwargs)}, not a dict")
        self._call_out()
        self._finish_call(self.gate.new(cls, args, kwargs))

    def _instantiate(self, cls: Any, args: list[Any]) -> None:
        self._call_out()
        self._finish_call(self.gate.instantiate(cls, tuple(args)))

    def _build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        self.nesting.join(self.base + len(self.stack) - 1)
        self._call_out()
        self.gate.build(target, state)
        self.underflow = True

    def _persid(self) -> None:
        line = self.line()
        if not line.isascii():
            raise FormatError("persistent IDs in protocol 0 must be ASCII strings")
        self._persistent(line.decode("ascii"))

    def _persistent(self, pid: Any) -> None:
        self._call_out()
        value = self.gate.persistent(pid)
        self.underflow = True
        self.stack.append(value)

    # -- out-of-band buffers -----------------------------------------------------------------------------------

    def _next_buffer(self) -> None:
        if self.buffers is None:
            raise FormatError("pickle stream refers to out-of-band data but no *buffers* argument was given")
        self.gate.in_hook = True
        try:
            buffer = next(self.buffers)
        except StopIteration:
            self.gate.in_hook = False
            raise FormatError("not enough out-of-band buffers") from None
        self.gate.in_hook = False
        if self.strict:
            try:
                memoryview(buffer).release()
            except (TypeError, ValueError):
                raise FormatError(f"an out-of-band buffer is {quote(buffer)}, not bytes-like") from None
        self.budget.take_object(128)
        self.gate.adopt_foreign(buffer)
        self.stack.append(buffer)

    def _readonly_buffer(self) -> None:
        buffer = self.stack.pop()
        try:
            with memoryview(buffer) as view:
                readonly = buffer if view.readonly else view.toreadonly()
        except TypeError:
            raise FormatError(f"READONLY_BUFFER on {quote(buffer)}, not bytes-like") from None
        self.budget.take_object(184)
        if readonly is not buffer:
            self.gate.adopt_foreign(readonly)
        self.stack.append(readonly)


def _native(error: SafePickleError) -> Exception | None:
    """Return the ValueError of Python's own that a leaf replaced (``from None``): pickle lets it out."""
    inner = error.__context__
    return inner if error.__suppress_context__ and isinstance(inner, ValueError) else None


#: Width of the index by opcode; 0 for text.
_PUTS = {0x70: 0, 0x71: 1, 0x72: 4}
_GETS = {0x67: 0, 0x68: 1, 0x6A: 4}
#: Width of the code by opcode.
_EXTS = {0x82: 1, 0x83: 2, 0x84: 4}
#: Width of the length by opcode: SHORT_BINBYTES is in the loop.
_BYTES = {0x42: 4, 0x8E: 8, 0x96: 8}
_TEXTS = frozenset(
    {0x58, 0x8D, 0x42, 0x8E, 0x96, 0x54, 0x55, 0x8B, 0x49, 0x4C, 0x46, 0x53, 0x56}
)
