# cython: annotation_typing=False
"""The output of one pickle: bytes that grow, the frames around them, and the file that they go to.

Rules that hold here:

* It knows no object and no opcode but FRAME and PROTO; values are written by :class:`Writer`, which is built on it.
* Frames are those of ``_pickle.c``: 64 KiB, none shorter than 4 bytes, long text and bytes outside of them and given
  to a file uncopied.
* What is written is bounded: the whole whenever a frame ends, and long text and bytes before they are written.

In the compiled form the output is a ``bytes`` object that grows and is handed out without a copy; ``output.pxd`` has
it, in C. The names that only exist there are used under ``cython.compiled`` alone.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from ..errors import LimitError
from .opcodes import BY_NAME

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

#: A frame is ended at the first opcode past this size.
FRAME_TARGET = 64 * 1024
_FRAME_TARGET = FRAME_TARGET
#: Shorter frames are written without the FRAME opcode.
_FRAME_LEAST = 4
_FRAME_HEADER = 9

_FRAME = BY_NAME["FRAME"].code
_PROTO = BY_NAME["PROTO"].code

pack_u2 = struct.Struct("<BH").pack
pack_u4 = struct.Struct("<BI").pack
pack_i4 = struct.Struct("<Bi").pack
pack_u8 = struct.Struct("<BQ").pack


class Bounds:
    """Limits as the encoder counts them; made once for a :class:`Limits`."""

    __slots__ = (
        "limits", "max_bytes", "max_calls", "max_depth", "max_int_bits", "max_items", "max_memo", "max_objects",
        "max_opcodes", "max_seconds", "max_string",
    )  # fmt: skip

    def __init__(self, limits: Any) -> None:
        self.limits = limits
        self.max_bytes = limits.bound("max_bytes")
        self.max_calls = limits.bound("max_calls")
        self.max_depth = limits.bound("max_depth")
        self.max_int_bits = limits.bound("max_int_bits")
        self.max_items = limits.bound("max_items")
        self.max_memo = limits.bound("max_memo")
        self.max_objects = limits.bound("max_objects")
        self.max_opcodes = limits.bound("max_opcodes")
        self.max_string = limits.bound("max_string")
        self.max_seconds = limits.max_seconds if limits.max_seconds is not None else 1e18


class Output:
    """Bytes, frames and the file; to be opened for each pickle."""

    def open_output(self, protocol: int, bounds: Bounds, file_write: Callable[[Any], Any] | None) -> None:
        """Begin a pickle.

        :param file_write: takes the output, piece by piece; None keeps it for :meth:`finish`.
        """
        self.bounds = bounds
        self.file_write = file_write
        self.begin_output(protocol)

    def begin_output(self, protocol: int) -> None:
        """Begin a pickle under the terms that there are."""
        self.flushed = 0
        self.frames = 0
        self.framing = False
        self.in_file = False
        if cython.compiled:
            output_reset(self.out)
        else:
            self.buffer: bytearray = bytearray()
            #: What comes before the buffer: large bytes are kept as they are until the end.
            self.chunks: list[Any] = []
        if protocol >= 2:
            self.put2(_PROTO, protocol)
        self.frame_start = self.size()
        self.next_stop = _FRAME_TARGET

    def __dealloc__(self) -> None:
        if cython.compiled:
            output_free(self.out)

    # -- bytes -------------------------------------------------------------------------------------------------

    def size(self) -> int:
        """Return how many bytes wait in the buffer."""
        if cython.compiled:
            return self.out.size
        return len(self.buffer)

    def put(self, code: int) -> None:
        """Write one byte."""
        if cython.compiled:
            output_put(self.out, code)
        else:
            self.buffer.append(code)

    def put2(self, code: int, value: int) -> None:
        """Write an opcode and an argument of one byte."""
        if cython.compiled:
            output_put2(self.out, code, value)
        else:
            self.buffer.append(code)
            self.buffer.append(value)

    def put_u2(self, code: int, value: int) -> None:
        """Write an opcode and two bytes."""
        if cython.compiled:
            output_little(self.out, code, value, 2)
        else:
            self.buffer += pack_u2(code, value)

    def put_u4(self, code: int, value: int) -> None:
        """Write an opcode and four bytes."""
        if cython.compiled:
            output_little(self.out, code, value, 4)
        else:
            self.buffer += pack_u4(code, value)

    def put_i4(self, code: int, value: int) -> None:
        """Write an opcode and four bytes, signed."""
        if cython.compiled:
            output_little(self.out, code, value, 4)
        else:
            self.buffer += pack_i4(code, value)

    def put_u8(self, code: int, value: int) -> None:
        """Write an opcode and eight bytes."""
        if cython.compiled:
            output_little(self.out, code, value, 8)
        else:
            self.buffer += pack_u8(code, value)

    def put_bytes(self, data: bytes) -> None:
        """Write bytes as they are."""
        if cython.compiled:
            output_bytes(self.out, data)
        else:
            self.buffer += data

    # -- frames and the file -----------------------------------------------------------------------------------

    def start_framing(self) -> None:
        """Begin the first frame (protocol 4 and later)."""
        self.framing = True
        self._open_frame()

    def _open_frame(self) -> None:
        if self.framing:
            self.put_u8(_FRAME, 0)
        self.frame_start = self.size()
        self.next_stop = self.frame_start + _FRAME_TARGET

    def _close_frame(self) -> None:
        """Write the frame's length into its header, or take the header out of a frame too short to have one."""
        if self.framing:
            length = self.size() - self.frame_start
            start = self.frame_start - _FRAME_HEADER
            if length < _FRAME_LEAST:
                self.put_back(start, self.cut(self.frame_start))
            elif cython.compiled:
                output_patch(self.out, start + 1, length)
                self.frames += 1
            else:
                self.buffer[start : self.frame_start] = pack_u8(_FRAME, length)
                self.frames += 1

    def boundary(self) -> None:
        """End a frame that is full. Called between opcodes; also where output goes to the file and is counted.

        Text, bytes and whatever has parts look for it before they are written; numbers do not, so whoever writes
        runs of them keeps the runs short.
        """
        self.check_size(0)
        self._close_frame()
        self._flush()
        self._open_frame()

    def check_size(self, more: int) -> None:
        """Refuse output that has grown, or with *more* bytes would grow, beyond its bound."""
        total = self.flushed + self.size() + more
        if total > self.bounds.max_bytes:
            raise LimitError("max_bytes", self.bounds.max_bytes, total)

    def _flush(self) -> None:
        if self.file_write is not None and self.size() > 0:
            data = self._take()
            self.flushed += len(data)
            self._hand_out(data)

    def _hand_out(self, data: Any) -> None:
        self.in_file = True
        self.file_write(data)  # type: ignore[misc]
        self.in_file = False

    def _take(self) -> bytes:
        """Return all that waits, and begin anew."""
        if cython.compiled:
            return output_take(self.out)
        data = b"".join([*self.chunks, self.buffer])
        self.buffer = bytearray()
        self.chunks = []
        return data

    def cut(self, start: int) -> bytes:
        """Take back and return everything written since the buffer had *start* bytes."""
        if cython.compiled:
            return output_cut(self.out, start)
        tail = bytes(self.buffer[start:])
        del self.buffer[start:]
        return tail

    def put_back(self, start: int, tail: bytes) -> None:
        """Go back to *start* bytes and go on with *tail*."""
        self.cut(start)
        self.put_bytes(tail)

    def finish(self) -> bytes | None:
        """End the pickle: return it, or None where it went to a file."""
        self._close_frame()
        self.check_size(0)
        if self.file_write is None:
            return self._take()
        self._flush()
        return None

    def large(self, code: int, width: int, data: Any) -> None:
        """Write an opcode, a length and at least a frame's worth of bytes, outside of any frame."""
        length = len(data)
        self.check_size(length)
        self._close_frame()
        if width == 8:
            self.put_u8(code, length)
        else:
            self.put_u4(code, length)
        if self.file_write is not None:
            self._flush()
            self.flushed += length
            self._hand_out(data)
        elif cython.compiled or not self.framing:
            self.put_bytes(data)
        else:
            self.flushed += len(self.buffer) + length
            self.chunks += (self.buffer, data)
            self.buffer = bytearray()
        self._open_frame()


if not cython.compiled:
    # These are C in the compiled form: an opcode takes longer to call for than to write.

    def put(output: Output, code: int) -> None:
        """Write one byte."""
        output.buffer.append(code)

    def begin(output: Output, code: int) -> None:
        """Write the first opcode of something with parts, in a new frame if this one is full."""
        if len(output.buffer) >= output.next_stop:
            output.boundary()
        output.buffer.append(code)
