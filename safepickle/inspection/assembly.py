"""What ``pickletools`` does, on input that nobody vouches for: ``genops``, ``dis`` and ``optimize``.

Rules that hold here:

* Signatures and layout are pickletools'; ``limits=`` and ``full=`` are added, keyword-only. Everything comes
  from the opcode table and from :mod:`safepickle.wire.scanning`.
* Time, memory and output are linear in the input. That is why indentation stops growing at some depth: a
  megabyte of MARK would otherwise print two terabytes of blanks.
* What is quoted from the input is ASCII-escaped and, unless asked for in full, short (attacks R10).
* Whatever the bytes are, only :class:`SafePickleError` is raised (S7). None of this decides what may be
  loaded (S1).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import SafePickleError, TrailingDataError, quote
from ..limits import DEFAULT_LIMITS, Limits
from ..wire.scanning import Instruction, bounded_bytes, scan, scan_bytes
from .emulation import Emulation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..wire.opcodes import Opcode

__all__ = ["Step", "dis", "genops", "optimize", "steps"]

#: Levels of marks up to which ``dis`` indents further.
MOST_INDENTED = 40
#: Sizes of pickle's own framer: a frame is closed once it has so many bytes; a shorter one is not worth its
#: header.
FRAME_TARGET, FRAME_LEAST = 64 * 1024, 4


def genops(pickle: Any, *, limits: Limits = DEFAULT_LIMITS) -> Iterator[tuple[Opcode, Any, int | None]]:
    """Generate all opcodes of a pickle as (row of the opcode table, argument, position).

    :param pickle: a bytes-like object or a binary file, which is left right behind the pickle's STOP.
    :param limits: of these, the ones on the stream itself hold: ``max_bytes``, ``max_opcodes``,
        ``max_string``, ``max_int_bits``.
    :raises SafePickleError: at the opcode that is malformed or above a limit.

    The argument of GLOBAL and INST is "module name" in one string, as with pickletools; that is for people to
    read, since both parts may hold blanks. Positions are those of the file's ``tell``, None where it cannot
    tell.
    """
    origin = _origin(pickle)
    for row, argument, start, _ in scan(pickle, limits):
        shown = " ".join(argument) if type(argument) is tuple else argument
        yield row, shown, None if origin is None else origin + start


def _origin(source: Any) -> int | None:
    """Return where in its file a pickle starts, or None if the file cannot say."""
    if not hasattr(source, "read"):
        return 0
    try:
        position = source.tell()
    except (AttributeError, OSError):
        return None
    return position if type(position) is int else None


def dis(
    pickle: Any,
    out: Any = None,
    memo: dict[int, Any] | None = None,
    indentlevel: int = 4,
    annotate: int = 0,
    *,
    full: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> None:
    """Print a disassembly of a pickle, in the layout of ``pickletools.dis``.

    :param pickle: a bytes-like object or a binary file, which is left right behind the pickle's STOP.
    :param out: text file to print to; standard output if None.
    :param memo: dict that carries the memo over to the next pickle of one Pickler.
    :param indentlevel: blanks for each open MARK.
    :param annotate: column at which each opcode's meaning is put; 0 for none.
    :param full: print whole arguments instead of the start of long ones.
    :raises SafePickleError: after printing the opcode that is at fault, for what ``pickletools.dis``
        complains about and for what pickle's parsers disagree on.
    """
    out = sys.stdout if out is None else out
    highest = -1
    column = annotate
    for instruction, position, depth, note, problem in steps(pickle, memo, limits):
        row = instruction.opcode
        highest = max(highest, row.protocol)
        indent = " " * (indentlevel * min(depth, MOST_INDENTED))
        line = f"{ascii(chr(row.code))[1:-1]:<4} {indent}{row.name}"
        if position is not None:
            line = f"{position:5d}: {line}"
        shown = _shown(instruction, full=full)
        if shown or note:
            line += " " * (10 - len(row.name))
            line += "".join(f" {part}" for part in (shown, note) if part)
        if annotate:
            start = len(line) - (0 if position is None else len(f"{position:5d}: "))
            line += " " * (column - start)
            column = max(column, start) if max(column, start) <= 50 else annotate
            line += f" {row.meaning}"
        print(line, file=out)
        if problem is not None:
            raise problem
    print("highest protocol among opcodes =", highest, file=out)


class Step(NamedTuple):
    """One opcode of a disassembly."""

    instruction: Instruction
    #: Of the file, None where that cannot tell.
    position: int | None
    #: Open marks before it.
    depth: int
    #: What it does to marks and memo, in words.
    note: str
    #: What is wrong with it; the last step then.
    problem: SafePickleError | None


def steps(pickle: Any, memo: dict[int, Any] | None = None, limits: Limits = DEFAULT_LIMITS) -> Iterator[Step]:
    """Generate the steps of a disassembly; the parameters are those of :func:`dis`."""
    origin = _origin(pickle)
    state = Emulation(memo=memo, limits=limits, origin=origin)
    for instruction in scan(pickle, limits):
        depth = len(state.marks)
        note, problem = state.step(instruction)
        yield Step(instruction, None if origin is None else origin + instruction.start, depth, note, problem)
        if problem is not None:
            return


def _shown(instruction: Instruction, *, full: bool) -> str:
    """Return an opcode's argument for a line of the disassembly, nothing where it has none."""
    argument = instruction.argument
    if instruction.opcode.argument == "none":
        return ""
    if type(argument) is tuple:
        module, name = argument
        if " " in module + name:
            return f"{_quoted(module, full=full)} {_quoted(name, full=full)}"
        return _quoted(f"{module} {name}", full=full)
    if type(argument) is bytearray:
        return f"bytearray({_quoted(bytes(argument), full=full)})"
    return _quoted(argument, full=full)


def _quoted(value: Any, *, full: bool) -> str:
    if not full:
        return quote(value)
    if type(value) is int and value.bit_length() > 128:
        return hex(value)  # decimal digits take quadratic time, and the interpreter refuses more than some
    return ascii(value)


def optimize(p: Any, *, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Return an equal pickle without unread memo entries, the others numbered anew, framed anew.

    :param p: one pickle, bytes-like.
    :raises SafePickleError: if it is malformed, goes on after its STOP, or is above a limit. What pickle's
        parsers disagree on is not rewritten into something they agree on, but refused.
    """
    data = bounded_bytes(p, limits)
    used, protocol = _survey_memo(data, limits)
    output = _Output(protocol)
    numbers: dict[int, int] = {}
    written = 0
    for instruction in scan_bytes(data, limits):
        row, argument, start, stop = instruction
        if row.name == "PROTO":
            output.header(data[start:stop])
        elif row.memo in {"put", "memoize"}:
            index = written if row.memo == "memoize" else argument
            written += 1
            if index in used:
                numbers[index] = len(numbers)
                output.write(_put(numbers[index], protocol))
        elif row.memo == "get":
            output.write(_get(numbers[argument], protocol))
        elif row.name != "FRAME":
            output.write(data[start:stop])
    return output.finish()


def _survey_memo(data: bytes, limits: Limits) -> tuple[set[int], int]:
    """Check a pickle, and return the memo indices that it reads and the protocol to write it in."""
    state = Emulation(limits=limits)
    used: set[int] = set()
    protocol = stop = 0
    for instruction in scan_bytes(data, limits):
        row, stop = instruction.opcode, instruction.stop
        _, problem = state.step(instruction)
        if problem is not None:
            raise problem
        if row.memo == "get":
            used.add(instruction.argument)
            protocol = max(protocol, row.protocol)
        elif row.name == "PROTO":
            protocol = max(protocol, instruction.argument)
    if stop < len(data):
        raise TrailingDataError(f"{len(data) - stop} bytes follow the pickle", position=stop)
    return used, protocol


def _put(index: int, protocol: int) -> bytes:
    if protocol >= 4:
        return b"\x94"
    return _numbered(index, protocol, b"p", b"q", b"r")


def _get(index: int, protocol: int) -> bytes:
    return _numbered(index, protocol, b"g", b"h", b"j")


def _numbered(index: int, protocol: int, text: bytes, short: bytes, long: bytes) -> bytes:
    if protocol < 1:
        return text + str(index).encode("ascii") + b"\n"
    return short + bytes([index]) if index < 256 else long + index.to_bytes(4, "little")


class _Output:
    """Collects opcodes into frames as pickle's own framer does, from protocol 4 on."""

    def __init__(self, protocol: int) -> None:
        self._framed = protocol >= 4
        self._done = bytearray()
        self._frame = bytearray()

    def header(self, data: bytes) -> None:
        """Write PROTO, which stands before the first frame."""
        self._done += data

    def write(self, data: bytes) -> None:
        """Write one opcode; a large one stands between frames."""
        if not self._framed:
            self._done += data
            return
        alone = len(data) > FRAME_TARGET
        if alone or len(self._frame) >= FRAME_TARGET:
            self._close()
        if alone:
            self._done += data
        else:
            self._frame += data

    def _close(self) -> None:
        if len(self._frame) >= FRAME_LEAST:
            self._done += b"\x95" + len(self._frame).to_bytes(8, "little")
        self._done += self._frame
        self._frame.clear()

    def finish(self) -> bytes:
        """Return all that was written."""
        self._close()
        return bytes(self._done)
