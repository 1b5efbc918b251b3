# cython: annotation_typing=False
"""The window: the bytes of the pickle that are at hand, and how more of them are had.

Rules that hold here:

* A claimed length is compared with what is there before anything is made of it (S5); what a file gives is asked for
  in pieces, by the source.
* In strict mode a frame is a wall: what begins in it ends in it, and there is none inside another (X19 to X22).
* Positions in messages count from the start of the pickle, whatever part of it the window shows.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ..errors import EmptyInputError, FormatError, TruncatedError
from ..wire.reading import uint4, uint8
from .budget import Budget

#: Stands for the opcode where the next one is being read: every byte may be an opcode.
NO_OPCODE = -1


class Window:
    """A stretch of the pickle.

    :param data: the bytes, or what has been read of them.
    :param source: gives more bytes, or None when *data* is all.
    :param budget: the limits' counters.
    :param strict: hold frames to what they say.
    """

    def open_window(self, data: bytes, source: Any, budget: Budget, strict: bool) -> None:
        """Have these terms, and begin at the first byte."""
        self.source = source
        self.budget = budget
        self.strict = strict
        self.begin_window(data)

    def begin_window(self, data: bytes) -> None:
        """Begin at the first byte."""
        self.data = data
        #: Where reading goes on, and where it ends (at the frame's end while in a frame).
        self.position = 0
        self.end = len(data)
        self.in_frame = False
        #: The source is at work: what it raises is the caller's file's, and passes as it is.
        self.in_source = False
        #: Bytes of the pickle before the window.
        self.offset = 0
        #: The opcode being carried out, and where it begins in the window.
        self.start = 0
        self.opcode = NO_OPCODE

    def fetch(self, start: int, argument: int, count: int) -> None:
        """Have *count* bytes at hand from *argument* on, keeping the opcode at *start*, which becomes the position.

        :raises FormatError: if they are not there, or a frame ends among them.
        """
        if self.in_frame:
            if argument < self.end:
                raise FormatError("a frame ends inside an argument")
            # At the end of a frame, before an opcode or before its argument: every parser goes on behind it (X22).
            self.in_frame = False
            self.end = self.data_end()
        self.position = start
        wanted = argument - start + count
        if start + wanted <= self.end:
            return
        self._read(wanted)
        if self.position + wanted > self.end:
            if self.offset + self.end == 0:
                raise EmptyInputError("there is no pickle: the input is empty")
            if not self.strict and self.opcode == NO_OPCODE and start == argument:
                # pickle does not tell input that ends between two opcodes from no input.
                raise EmptyInputError("the input ends before STOP")
            there = self.end - self.position
            raise TruncatedError(f"the pickle is cut off: {count} bytes wanted, {there} there")

    def _read(self, count: int) -> None:
        """Ask the source, if any, for at least *count* bytes from the position on."""
        if self.source is None:
            return
        most = self.budget.max_bytes
        if self.offset + self.position + count > most:
            self.budget.refuse("max_bytes", self.offset + self.position + count)
        self.in_source = True
        data = self.source.more(self.data[self.position :], count)
        self.in_source = False
        self._replace(data)

    def _replace(self, data: bytes) -> None:
        # The present opcode keeps its place in the pickle, though its byte may be gone from the window.
        self.offset += self.position
        self.start -= self.position
        self.position = 0
        self.data = data
        self.end = self.data_end()

    def leave_source(self) -> None:
        """Leave the file right behind what was used of it."""
        if self.source is not None:
            source = self.source
            self.source = None
            self.in_source = True
            source.finish(len(self.data) - self.position)
            self.in_source = False

    def abandon_source(self) -> None:
        """Leave the file likewise where the pickle was not carried out; what went wrong is what is raised."""
        if not self.in_source:
            with suppress(Exception):
                self.leave_source()

    def data_end(self) -> int:
        """Return where the bytes at hand end; a source may have given more than a pickle may be long."""
        allowed = self.budget.max_bytes - self.offset
        return min(allowed, len(self.data))

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
            self.end = self.data_end()
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
            self.end = self.data_end()
        stop = self.data.find(b"\n", self.position, self.end)
        if stop < 0:
            if self.in_frame:
                raise FormatError("a frame ends inside a line")
            if self.source is not None:
                limit = min(self.budget.max_string, self.budget.max_bytes)
                self.in_source = True
                data = self.source.line(self.data[self.position :], limit + 1)
                self.in_source = False
                self._replace(data)
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
        self.payload(length)
        return length

    def payload(self, count: int) -> None:
        """Have the *count* bytes at hand that follow their own length: both are one argument."""
        if self.in_frame and count and self.position >= self.end:
            raise FormatError("a frame ends inside an argument")
        self.need(count)
