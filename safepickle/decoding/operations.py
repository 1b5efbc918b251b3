# cython: annotation_typing=False
"""Operations: what each opcode does to the stack and the memo, but for the frequent ones in the machine's loop.

Rules that hold here:

* Whatever concerns a global, a call or an object's state is asked of the gate; whatever costs is paid to the budget
  first; how deep the data gets is known to the nesting.
* The stack is a list for each open mark, so that nothing is copied when a mark is closed.
* Only exact ``list``, ``dict`` and ``set`` that the machine made are changed here; all else goes to the gate (S4).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import FormatError, quote
from ..wire.opcodes import HIGHEST_PROTOCOL, opcode_name
from ..wire.reading import (
    byte_array,
    int4,
    long_int,
    parse_float_line,
    parse_index_line,
    parse_int_line,
    parse_long_line,
    parse_string_line,
    parse_unicode_line,
    size8,
    uint4,
    utf8,
)
from .gates import Gate
from .handles import Held, held_at, make_held
from .hashing import add_items, set_items
from .nesting import Nesting, measure
from .window import Window

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    from .leaves import pop
    from .usual_arrays import buffer_size

#: Results of calls whose depth says nothing: no containers, or the arguments are gone from them.
_LEAVES = frozenset({bytes, bytearray, str, int, float, complex, range, bool, type(None), type})

#: Widths by opcode: of the index (0 for text), of the code, of the length (SHORT_BINBYTES is in the loop).
_PUTS = {0x70: 0, 0x71: 1, 0x72: 4}
_GETS = {0x67: 0, 0x68: 1, 0x6A: 4}
_EXTS = {0x82: 1, 0x83: 2, 0x84: 4}
_BYTES = {0x42: 4, 0x8E: 8, 0x96: 8}
_TEXTS = frozenset({0x58, 0x8D, 0x42, 0x8E, 0x96, 0x54, 0x55, 0x8B, 0x49, 0x4C, 0x46, 0x53, 0x56})


class Operations(Window):
    """A pickle's stack and memo, and the opcodes that work on them.

    :param gate: decides on globals, calls and state.
    :param encoding: how Python 2 str is decoded: a codec's name, or ``bytes``.
    :param errors: the codec's error handler.
    :param buffers: the out-of-band buffers, or None.
    """

    def equip(self) -> None:
        """Make what serves one load after another."""
        self.nesting = Nesting.__new__(Nesting)
        self.stack: list[Any] = []
        self.metastack: list[list[Any]] = []
        self.memo: list[Any] = []
        #: Empty lists that keep the room they grew to, for the next marks.
        self.spare: list[list[Any]] = []

    def open_stack(self, gate: Gate, encoding: str, errors: str, buffers: Iterator[Any] | None) -> None:
        """Have these terms, and begin with nothing on the stack and nothing in the memo."""
        self.gate = gate
        self.encoding = encoding
        self.errors = errors
        self.buffers = buffers
        self.sparse: dict[int, Any] | None = None
        #: The class of the last instance that a call gave.
        self.last_made: Any = None
        #: Of a file that has more than opcodes: is asked after each BUILD what stands for the object. Or None.
        self.inlay: Any = None
        self.begin_stack()

    def begin_stack(self) -> None:
        """Begin with nothing."""
        self.nesting.open_nesting(self.gate.budget.max_depth)
        #: Items on the stacks below the present mark.
        self.base = 0
        self.protocol = 0
        #: Whether an IndexError is the machine's own; not while something is called.
        self.underflow = True
        #: Where the present pickle begins; above 0 for one inside another.
        self.origin = 0

    def _stop(self) -> Any:
        """STOP: one value and nothing else must be left (pickletools says so; real picklers leave nothing)."""
        if self.strict and (self.metastack or len(self.stack) > 1):
            raise FormatError("STOP with more than one value on the stack, or an open mark")
        if self.in_frame and self.position != self.end:
            # The C and Python loaders would leave a file at different places.
            raise FormatError("STOP before the end of its frame")
        value = self.gate.value(self.stack[-1])
        gate = self.gate
        if self.origin == 0 and gate.handles_seen:
            gate.look_again(self.nesting.shared)
        if self.nesting.may_be_deep():
            self._measure(value, 0)
        return value

    def _measure(self, value: Any, above: int) -> None:
        """Walk *value*, which is *above* levels more than data, to know how deep it really is."""
        if self.budget.limits.max_depth is not None:
            measure(value, self.nesting.max_depth + above, self.gate)

    def _look_at_depth(self, stack: list[Any]) -> None:
        """Walk all there is by now; so seldom that all walks cost no more than the last."""
        self.nesting.unsure_bound = 2 * self.nesting.unsure
        if cython.compiled:
            # What is held is paid for here like what is made.
            make_held(self.memo)
        self._measure((stack, self.metastack, self.memo), 3)

    # -- containers that are not simply the machine's own ------------------------------------------------------

    def _tuple(self, start: int, opcode: int, items: tuple[Any, ...]) -> Any:
        self.gate.opcode = opcode
        self.gate.position = self.offset + start
        return self.gate.tuple_of(items)

    def _values(self, start: int, opcode: int, items: list[Any]) -> None:
        self.gate.opcode = opcode
        self.gate.position = self.offset + start
        self.gate.values(items)

    def _append(self, start: int, opcode: int, target: Any, items: list[Any]) -> None:
        gate = self.gate
        gate.opcode = opcode
        gate.position = self.offset + start
        if type(target) is list and not (gate.foreign and gate.is_foreign(target)):
            self.budget.take_items(len(target), len(items), 8)
            target.extend(gate.values(items))
        else:
            self.underflow = False
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
            self.underflow = False
            gate.set_items(target, items)
            self.underflow = True

    def _add_items(self, start: int, opcode: int, target: Any, items: list[Any]) -> None:
        gate = self.gate
        gate.opcode = opcode
        gate.position = self.offset + start
        if type(target) is set and not (gate.foreign and gate.is_foreign(target)):
            self.budget.take_items(len(target), len(items), 72)
            add_items(gate.keys, target, gate.values(items))
        else:
            self.underflow = False
            gate.add_items(target, items)
            self.underflow = True

    # -- the other opcodes -------------------------------------------------------------------------------------

    def _rare(self, opcode: int) -> None:
        """Carry out any opcode that the loop does not; its argument begins at the position."""
        if opcode == 0x80:  # PROTO
            self._proto()
        elif opcode == 0x95:  # FRAME
            self.need(8)
            self.position += 8
            self.open_frame(size8(self.data, self.position - 8))
        elif opcode == 0x93:  # STACK_GLOBAL
            name = pop(self.stack)
            module = pop(self.stack)
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
        elif opcode == 0x91:  # FROZENSET
            items = self._close_mark()
            self.budget.take_items(0, len(items), 72)
            collected: set[Any] = set()
            add_items(self.gate.keys, collected, self.gate.values(items))
            self._join_and_push(frozenset(collected), 224)
        elif opcode == 0x92:  # NEWOBJ_EX
            self._new_object_ex()
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
            pid = pop(self.stack)
            self.nesting.absorb(self.base + len(self.stack))
            self._persistent(pid)
        elif opcode in _EXTS:
            width = _EXTS[opcode]
            self.need(width)
            code = int.from_bytes(
                self.data[self.position : self.position + width], "little", signed=width == 4
            )
            self.position += width
            self.underflow = False
            handle = self.gate.extension(code, self.protocol)
            self.underflow = True
            self._push(handle)
        elif opcode == 0x62:  # BUILD, where there is an inlay
            self._build()
        elif opcode == 0x97:  # NEXT_BUFFER
            self._next_buffer()
        elif opcode == 0x98:  # READONLY_BUFFER
            self._readonly_buffer()
        else:
            raise FormatError(f"no such opcode: 0x{opcode:02x}")

    def _push(self, value: Any) -> None:
        self.stack.append(value)

    def _join_and_push(self, value: Any, amount: int) -> None:
        """Push a new container of *amount* bytes; what was above its place went into it."""
        height = self.base + len(self.stack)
        self.nesting.opened(height, self.nesting.absorb(height) + 1)
        self.budget.take_object(amount + 40)
        self.stack.append(value)

    def _close_mark(self) -> list[Any]:
        """Return what is above the topmost mark, and take the mark away."""
        if not self.metastack:
            raise FormatError(f"{opcode_name(self.opcode)} without a mark")
        items = self.stack
        self.stack = pop(self.metastack)
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
        if self.strict and self.offset + self.start != self.origin:
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
        if type(value) is Held:
            value = held_at(self.memo, index)
        self.nesting.recall(self.base + len(self.stack), index, value)
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
            if opcode != 0x96:
                return self.data[self.position - length : self.position]
            self.budget.take_object(length)
            return byte_array(self.data, self.position - length, self.position)
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
            self.payload(length)
            self.position += length
            return self._check_int(long_int(self.data, self.position - length, self.position))
        line = self.line()
        if opcode == 0x49 or opcode == 0x4C:  # INT, LONG
            self.gate.keys.big_ints = True
            # A number of d digits has at least (d - 1) * 3.32192 bits; int() is quadratic in them (D11).
            digits = len(line.strip(b"-L"))
            bits = (digits - 1) * 332192 // 100000 + 1
            if bits > self.budget.max_int_bits:
                self.budget.refuse("max_int_bits", bits)
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
        # The codec and its error handler are the caller's choice: what they raise is the caller's, but for data.
        self.gate.in_hook = True
        try:
            text = data.decode(self.encoding, self.errors)
        except UnicodeError as error:
            if not self.strict:
                raise
            self.gate.in_hook = False
            others = "try encoding='latin1' or encoding='bytes'"
            raise FormatError(f"a Python 2 str is not {quote(self.encoding)}; {others}") from error
        self.gate.in_hook = False
        return text

    # -- globals, calls and state ------------------------------------------------------------------------------

    def _find(self, module: Any, name: Any) -> Any:
        self.nesting.absorb(self.base + len(self.stack))
        self.underflow = False
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

    def _made(self, height: int, result: Any, deepest: int) -> None:
        """Note what a call gave, which goes to *height*: the callee and its arguments are off the stack.

        :param deepest: the depth of arguments that have not been noted.
        """
        if self.nesting.top >= height:
            deepest = max(deepest, self.nesting.absorb(height))
        if self.gate.atom:
            self.gate.atom = False
            if deepest <= 1:
                return
        if self.gate.lent:
            # It may be one of the arguments, or something that other calls return too.
            self.nesting.doubt(0)
        kind = type(result)
        if kind is self.last_made:
            self.nesting.opened(height, deepest + 1)
        elif kind is set or kind is frozenset:
            # set(list): a list within a tuple went into it.
            self.nesting.opened(height, deepest - 1 if deepest > 2 else 1)
        elif type(kind) is not type or kind not in _LEAVES:  # a metaclass may hash as it likes
            self.last_made = kind
            self.nesting.opened(height, deepest + 1)

    def _new_object_ex(self) -> None:
        kwargs = pop(self.stack)
        args = pop(self.stack)
        cls = pop(self.stack)
        if type(kwargs) is not dict:
            raise FormatError(f"NEWOBJ_EX keyword arguments are {quote(kwargs)}, not a dict")
        self.underflow = False
        self._give(self.gate.new(cls, args, kwargs))

    def _instantiate(self, cls: Any, args: list[Any]) -> None:
        self.underflow = False
        self._give(self.gate.instantiate(cls, tuple(args)))

    def _give(self, result: Any) -> None:
        """Push what a call gave."""
        self.underflow = True
        self._made(self.base + len(self.stack), result, 0)
        self.stack.append(result)

    def _persid(self) -> None:
        line = self.line()
        if not line.isascii():
            raise FormatError("persistent IDs in protocol 0 must be ASCII strings")
        self._persistent(line.decode("ascii"))

    def _persistent(self, pid: Any) -> None:
        self.underflow = False
        value = self.gate.persistent(pid)
        self.underflow = True
        self.stack.append(value)

    # -- what is no opcode -------------------------------------------------------------------------------------

    def _build(self) -> None:
        state = pop(self.stack)
        target = self.stack[-1]
        self.nesting.join(self.base + len(self.stack) - 1)
        self.underflow = False
        self.gate.build(target, state)
        value = self.inlay.built(self, target)
        self.underflow = True
        self.stack[-1] = value
        self.budget.called()

    def take_raw(self, count: int) -> bytes:
        """Take *count* bytes that are no opcodes, for an inlay, which has paid for them."""
        if self.in_frame and self.position < self.end:
            raise FormatError("a frame goes on where data of an array are due")
        self.need(count)
        self.position += count
        return self.data[self.position - count : self.position]

    def run_inner(self) -> Any:
        """Carry out a pickle that begins here, for an inlay, with a stack and a memo of its own; return its value."""
        if self.in_frame and self.position < self.end:
            raise FormatError("a frame goes on where another pickle is due")
        if self.origin:
            raise FormatError("a pickle inside a pickle inside a pickle")
        outer = self.stack, self.metastack, self.memo, self.sparse, self.base, self.protocol, self.nesting
        self.stack, self.metastack, self.memo, self.sparse, self.base, self.protocol = [], [], [], None, 0, 0
        self.nesting = inner = Nesting.__new__(Nesting)
        inner.open_nesting(self.budget.max_depth)
        self.origin = self.offset + self.position
        self.underflow = True
        machine: Any = self
        value = machine._run()  # noqa: SLF001 - its own
        self.underflow = False
        self.origin = 0
        self.stack, self.metastack, self.memo, self.sparse, self.base, self.protocol, self.nesting = outer
        # It takes the place of what is on top of the stack, and is as deep as it was.
        self.nesting.take_over(inner, self.base + len(self.stack) - 1)
        return value

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
                buffer_size(buffer)
            except (TypeError, ValueError):
                raise FormatError(f"an out-of-band buffer is {quote(buffer)}, not bytes-like") from None
        self.budget.take_object(128)
        self.gate.adopt_foreign(buffer)
        self.stack.append(buffer)

    def _readonly_buffer(self) -> None:
        buffer = pop(self.stack)
        try:
            with memoryview(buffer) as view:
                readonly = buffer if view.readonly else view.toreadonly()
        except TypeError:
            raise FormatError(f"READONLY_BUFFER on {quote(buffer)}, not bytes-like") from None
        self.budget.take_object(184)
        if readonly is not buffer:
            if self.strict and not self.gate.hold(buffer):
                raise FormatError("READONLY_BUFFER on what an array has its memory in")
            if self.strict and type(buffer) is bytearray and not self.gate.is_foreign(buffer):
                self.budget.take_memory(len(buffer))  # no pickler writes so: what else has it could write to it
                readonly = memoryview(bytes(buffer))
            self.gate.adopt_foreign(readonly)
        self.stack.append(readonly)
