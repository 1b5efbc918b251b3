"""Sources: how a file gives its bytes to the machine.

Rules that hold here:

* The machine asks for a number of bytes and gets at least as many or learns that there are fewer. A source never
  takes bytes from the file that ``pickle`` would leave there: several pickles may follow one another.
* A length that a stream claims is not trusted: data arrives in pieces of at most :data:`PIECE` bytes, so a claim of
  8 GB costs nothing until the bytes are really there (D02).
* Lines are read up to a bound (D22).
* What a file object returns is checked: ``bytes``-like, and no more than was asked for.
"""

from __future__ import annotations

import io
from typing import Any, Protocol

from ..errors import FormatError, LimitError

__all__ = ["PIECE", "MemorySource", "PeekSource", "ReadSource", "as_bytes", "open_source"]

#: Largest read at once, in bytes.
PIECE = 1 << 16
#: Growth of reads for data that really arrives, in bytes.
MOST = 1 << 20


class Source(Protocol):
    """What the machine needs from a file."""

    def more(self, unused: bytes, need: int) -> bytes:
        """Return *unused* followed by new data, at least *need* bytes in all if the file has them."""
        ...

    def line(self, unused: bytes, limit: int) -> bytes:
        """Return *unused* followed by new data that holds a newline, or has no more than *limit* bytes."""
        ...

    def finish(self, unused: int) -> None:
        """Leave the file right after the bytes that were used; *unused* of those handed out were not."""


class MemorySource:
    """An ``io.BytesIO``: all there is at once, and the position put right at the end."""

    def __init__(self, file: io.BytesIO) -> None:
        self._file = file
        self._start = file.tell()
        self._given = 0

    def more(self, unused: bytes, need: int) -> bytes:
        data = self._file.read()
        self._given += len(data)
        return unused + data if unused else data

    def line(self, unused: bytes, limit: int) -> bytes:
        return self.more(unused, limit)

    def finish(self, unused: int) -> None:
        if unused:
            self._file.seek(self._start + self._given - unused)


class ReadSource:
    """Any object with ``read`` (and ``readline``): exactly what is needed is read, as ``pickle`` does."""

    def __init__(self, file: Any) -> None:
        self._read = file.read
        self._readline = file.readline
        self._bounded_readline = isinstance(file, io.IOBase)

    def more(self, unused: bytes, need: int) -> bytes:
        pieces = [unused]
        have = len(unused)
        size = PIECE
        while have < need:
            piece = _checked(self._read(min(size, need - have)), min(size, need - have))
            if not piece:
                break
            pieces.append(piece)
            have += len(piece)
            size = min(MOST, size * 2)
        return b"".join(pieces)

    def line(self, unused: bytes, limit: int) -> bytes:
        room = max(1, limit - len(unused))
        if self._bounded_readline:
            return unused + _checked(self._readline(room), room)
        line = _checked(self._readline(), 2**62)
        if len(line) > room:
            raise LimitError("max_string", limit - 1, len(line) + len(unused))
        return unused + line

    def finish(self, unused: int) -> None:
        if unused:
            raise FormatError("bytes were read that the pickle does not have")


class PeekSource(ReadSource):
    """A buffered file with ``peek``: its buffer is looked at, and consumed only as far as it was used."""

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self._peek: Any = file.peek
        #: Bytes at the end of what was handed out that are still in the file's buffer.
        self._peeked = 0

    def _consume(self, count: int) -> None:
        while count > 0:
            piece = _checked(self._read(count), count)
            if not piece:
                raise FormatError("the file took back bytes that it had shown")
            count -= len(piece)

    def _look(self, count: int) -> bytes:
        try:
            return _checked(self._peek(count), 2**62)
        except NotImplementedError:
            # A file may have peek() only by inheritance. pickle goes on without it.
            self._peek = None
            return b""

    def more(self, unused: bytes, need: int) -> bytes:
        # What was peeked and is unused stays peeked: the new peek shows it again.
        still = min(len(unused), self._peeked)
        self._consume(self._peeked - still)
        self._peeked = still
        head = unused[: len(unused) - still]
        if need - len(head) <= PIECE and self._peek is not None:
            shown = self._look(need - len(head))
            if len(head) + len(shown) >= need and len(shown) >= still:
                self._peeked = len(shown)
                return head + shown
        self._consume(still)
        self._peeked = 0
        return super().more(unused, need)

    def line(self, unused: bytes, limit: int) -> bytes:
        self._consume(self._peeked)
        self._peeked = 0
        return super().line(unused, limit)

    def finish(self, unused: int) -> None:
        if unused > self._peeked:
            raise FormatError("bytes were read that the pickle does not have")
        self._consume(self._peeked - unused)
        self._peeked = 0


def _checked(piece: Any, most: int) -> bytes:
    if type(piece) is not bytes:
        if piece is None:
            raise FormatError("the file has no data ready (it is non-blocking)")
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            raise FormatError(
                f"read() returned {type(piece).__name__[:40]!a}, not bytes: open the file in binary mode"
            )
        piece = bytes(piece)
    if len(piece) > most:
        raise FormatError("read() returned more than was asked for")
    checked: bytes = piece
    return checked


def open_source(file: Any) -> Source:
    """Return the source for a file object.

    :raises TypeError: if it has no ``read`` and ``readline``, as ``pickle`` does.
    """
    if type(file) is io.BytesIO:
        return MemorySource(file)
    # Both are looked up before either is missed, as pickle does: a property of the file may raise.
    methods = getattr(file, "read", None), getattr(file, "readline", None)
    if None in methods:
        raise TypeError("file must have 'read' and 'readline' attributes")
    return PeekSource(file) if callable(getattr(file, "peek", None)) else ReadSource(file)


def as_bytes(data: Any) -> bytes:
    """Return the bytes of any bytes-like object, copied unless immutable: what is decoded must not change under it.

    :raises TypeError: if it is not bytes-like, as ``pickle`` does.
    """
    if type(data) is bytes:
        return data
    if isinstance(data, str):
        raise TypeError("a bytes-like object is required, not 'str'")
    with memoryview(data) as view:
        return view.tobytes()
