"""Streams: signed data of any size, verified chunk by chunk, in memory bounded by the chunk.

Rules that hold here:

* Each chunk has a tag over the header's tag, its number, its type and its bytes; the header has a nonce. So nothing can
  be cut off, left out, repeated, moved, appended or taken from another stream (attacks S11, S12; the STREAM
  construction of age and libsodium).
* A reader hands out bytes of verified chunks only (S8), and its end only when the last chunk has been verified.
* All chunks but the last are of the size that the header says, so that there is one way to write a stream.
* A writer that is given up writes no last chunk: what is half written never verifies.
"""

from __future__ import annotations

import io
import struct
from collections import deque
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Final, Self

from ..errors import BadSignatureError, LimitError, StateError, TrailingDataError
from .algorithms import BLOB, STREAM
from .envelope import (
    FIXED,
    LARGEST_CHUNK,
    LONG,
    SMALLEST_CHUNK,
    Context,
    Header,
    encode_context,
    garbled,
    read_header,
    read_prefix,
    rest_of_header,
)
from .signer import freeze, raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .algorithms import Mac
    from .signer import Signer

__all__ = ["DEFAULT_CHUNK", "InMemory", "StreamReader", "StreamWriter", "open_signed", "read_exactly", "verify_file"]

#: Bytes of a chunk: large enough that a tag costs little, small enough to stay in a processor's cache.
DEFAULT_CHUNK: Final = 1 << 18

# Types of chunks.
DATA: Final = 0
LAST: Final = 1
BUFFER: Final = 2

#: What the inputs of the tags of one stream's key begin with.
_OF_HEADER: Final = b"\x00"
_OF_CHUNK: Final = b"\x01"
_OF_BUFFER: Final = b"\x02"

_CHUNK: Final = struct.Struct(">BI")
_NUMBERED: Final = struct.Struct(">QBI")
_PIECE: Final = 1 << 20


def read_exactly(file: Any, count: int) -> bytes:
    """Read *count* bytes, or what there is of them; a claimed length costs nothing until the bytes are there."""
    pieces = []
    while count > 0:
        piece = file.read(min(count, _PIECE))
        if not piece:
            break
        pieces.append(bytes(piece))
        count -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _write_all(file: Any, data: Any) -> None:
    """Write all of it, to a raw file too, whose ``write`` may take less."""
    written = file.write(data)
    if type(written) is int and written < len(data):
        rest = memoryview(data)[written:]
        while len(rest):
            written = file.write(rest)
            if not written:
                raise OSError("the file takes no more data")
            rest = rest[written:]


class _Tags:
    """The tags of one stream."""

    def __init__(self, mac: Mac, header: bytes, context: Context) -> None:
        tag = mac.copy()
        tag.update(_OF_HEADER + encode_context(context) + header)
        self.header: bytes = tag.digest()
        self._chunk = mac.copy()
        self._chunk.update(_OF_CHUNK + self.header)
        self._buffer = mac.copy()
        self._buffer.update(_OF_BUFFER + self.header)

    def chunk(self, number: int, kind: int, content: Any) -> bytes:
        tag = self._chunk.copy()
        tag.update(_NUMBERED.pack(number, kind, len(content)))
        tag.update(content)
        digest: bytes = tag.digest()
        return digest

    def buffer(self, number: int, buffer: Any) -> bytes:
        """Return the tag of an out-of-band buffer, behind its length."""
        with raw(buffer) as content:
            tag = self._buffer.copy()
            tag.update(LONG.pack(number) + LONG.pack(len(content)))
            tag.update(content)
            length = len(content)
        digest: bytes = tag.digest()
        return LONG.pack(length) + digest


class InMemory:
    """A file over bytes in memory, which gives out views of them instead of copies."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def read(self, size: int) -> memoryview:
        """Return the next bytes, fewer only at the end."""
        taken, self._data = self._data[:size], self._data[size:]
        return taken


class StreamWriter:
    """Writes a signed stream to a file: ``write`` as often as needed, then ``close``, which leaves the file open.

    As a context manager it closes at the end of the block, and gives up where that ends with an exception.

    :param file: has ``write``, in binary mode.
    :param signer: the keys and the purpose.
    :param context: what the stream is bound to.
    :param chunk_size: bytes of a chunk; the reader holds one.
    :param not_before: the stream is refused before this time, in seconds since 1970.
    :param header: one from :meth:`Signer.renewed`, instead of one of now.
    """

    def __init__(
        self,
        file: Any,
        signer: Signer,
        context: Context = None,
        *,
        chunk_size: int = DEFAULT_CHUNK,
        not_before: float | None = None,
        header: Header | None = None,
    ) -> None:
        if not SMALLEST_CHUNK <= chunk_size <= LARGEST_CHUNK:
            raise ValueError(f"a chunk has {SMALLEST_CHUNK} to {LARGEST_CHUNK} bytes, not {chunk_size}")
        if header is None:
            header = signer.header(STREAM, chunk_size, not_before, nonce=True)
        encoded = header.encode()
        self._file = file
        self._size = header.size
        self._tags = _Tags(signer.keys.signing_key.mac(STREAM, signer.purpose), encoded, context)
        self._pending = bytearray()
        self._number = 0
        self._buffers = 0
        self._open = True
        _write_all(file, encoded + self._tags.header)

    def write(self, data: Any, /) -> int:
        """Take bytes; chunks that are full by then are written."""
        if not self._open:
            raise StateError("this stream has been closed")
        with memoryview(data) as view, view.cast("B") as content:
            length = len(content)
            room = self._size - len(self._pending)
            if length <= room:
                self._pending += content
                return length
            # The last chunk is not empty, so a full one waits until there is more.
            at = 0
            if self._pending:
                self._pending += content[:room]
                at = room
                self._put(DATA, self._pending)
                self._pending = bytearray()
            while length - at > self._size:
                self._put(DATA, content[at : at + self._size])
                at += self._size
            self._pending += content[at:]
        return length

    def cover(self, buffer: Any) -> None:
        """Cover an out-of-band buffer: its tag goes into the stream, it itself does not."""
        if not self._open:
            raise StateError("this stream has been closed")
        self._put(BUFFER, self._tags.buffer(self._buffers, buffer))
        self._buffers += 1

    def close(self) -> None:
        """Write the last chunk. The file stays open."""
        if self._open:
            self._open = False
            self._put(LAST, self._pending)

    def give_up(self) -> None:
        """Write nothing more: what there is never verifies as a whole."""
        self._open = False

    def _put(self, kind: int, content: Any) -> None:
        tag = self._tags.chunk(self._number, kind, content)
        self._number += 1
        _write_all(self._file, _CHUNK.pack(kind, len(content)))
        _write_all(self._file, content)
        _write_all(self._file, tag)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.give_up()


class StreamReader(io.BufferedIOBase):
    """Reads a signed stream from a file, as a file: what it returns has been verified.

    Made, it has verified the header. ``close`` does not close the file.

    :param file: has ``read``, in binary mode; ``readinto`` is used where it is there.
    :param signer: the keys and the purpose.
    :param context: what the stream must be bound to.
    :param max_age: the most seconds since it was signed.
    :param exact: refuse bytes behind the stream. Switch it off for what comes from a socket, or where several streams
        follow one another; then the file is left right behind the stream.
    :param head: bytes that were read from the file already.
    :raises SignatureError: from here and from every read, if anything does not verify.
    """

    def __init__(
        self,
        file: Any,
        signer: Signer,
        context: Context = None,
        *,
        max_age: float | None = None,
        exact: bool = True,
        head: bytes = b"",
    ) -> None:
        self._file = file
        self._exact = exact
        self._readinto: Callable[[memoryview], int | None] | None = getattr(file, "readinto", None)
        data = head + read_exactly(file, FIXED - len(head))
        data += read_exactly(file, data[8] if len(data) == FIXED else 0)
        kind, algorithm, flags, key_id = read_prefix(data)
        if kind != STREAM:
            raise garbled("it is a blob, not a stream")
        data += read_exactly(file, rest_of_header(flags))
        #: Verified.
        self.header: Header = read_header(data)[0]
        key = signer.key_for(key_id, algorithm)
        self._tags = _Tags(key.mac(STREAM, signer.purpose), data, context)
        self._tag_size = key.algorithm.tag_size
        if not compare_digest(self._tags.header, read_exactly(file, self._tag_size)):
            raise _failed()
        signer.check(self.header, max_age)
        self._buffer = memoryview(bytearray(self.header.size + self._tag_size))
        self._number = 0
        self._ended = False
        self._data_seen = False
        #: The verified chunk that is being read, and how far.
        self._chunk = b""
        self._at = 0
        #: Tags of out-of-band buffers that have come and were not used.
        self._covered: deque[bytes] = deque()
        self._buffers = 0

    # -- chunks --------------------------------------------------------------------------------------------------

    def _take(self, count: int) -> memoryview:
        """Return so many bytes that nobody else can change: of our own buffer, or as the file gave them."""
        if count > len(self._buffer):  # the tag of a buffer, where chunks are shorter
            self._buffer = memoryview(bytearray(count))
        whole = view = self._buffer[:count]
        while len(view):
            if self._readinto is not None:
                got = self._readinto(view) or 0
            else:
                piece = self._file.read(len(view)) or b""
                got = len(piece)
                if got == count and type(piece.obj if type(piece) is memoryview else piece) is bytes:
                    return memoryview(piece)
                if got <= len(view):
                    view[:got] = piece
            if not 0 < got <= len(view):
                raise _failed()
            view = view[got:]
        return whole

    def _read_chunk(self) -> tuple[int, memoryview]:
        """Read a chunk, verify it, and return its type and content, which is there until the next one is read."""
        head = read_exactly(self._file, _CHUNK.size)
        if len(head) < _CHUNK.size:
            raise _failed()
        kind, length = _CHUNK.unpack(head)
        if kind == DATA:
            fits = length == self.header.size
        elif kind == LAST:
            fits = length <= self.header.size
        else:
            fits = kind == BUFFER and length == LONG.size + self._tag_size
        if not fits:
            raise _failed()
        whole = self._take(length + self._tag_size)
        content = whole[:length]
        if not compare_digest(self._tags.chunk(self._number, kind, content), whole[length:]):
            raise _failed()
        self._number += 1
        return kind, content

    def _end(self, length: int) -> None:
        """Look at what is around the last chunk, which has been verified."""
        if not length and self._data_seen:
            raise _failed()
        if self._exact and self._file.read(1):
            raise BadSignatureError("bytes follow the signed stream")
        self._ended = True

    def _next(self) -> memoryview | None:
        """Verify the next chunk of data and return it, to be copied before the next one; None at the end."""
        while not self._ended:
            kind, content = self._read_chunk()
            if kind == BUFFER:
                self._covered.append(bytes(content))
                continue
            if kind == LAST:
                self._end(len(content))
            self._data_seen = True
            return content
        return None

    def _more(self) -> bool:
        """Have the next chunk at hand; False at the end."""
        content = self._next()
        if content is None:
            self._chunk = b""
            self._at = 0
            return False
        self._chunk = bytes(content)
        self._at = 0
        return True

    def skip(self) -> None:
        """Verify all the rest; what it covers is passed over too."""
        # A second thread that computes tags while this one reads was tried: it gains nothing, because the two share
        # the memory bus, and loses much on a busy machine.
        while self._next() is not None:
            pass
        self._chunk = b""
        self._at = 0

    def finish(self) -> None:
        """Verify the end, and that everything has been read.

        :raises TrailingDataError: if it has not.
        """
        left = len(self._chunk) - self._at
        while not left and self._more():
            left = len(self._chunk)
        if left:
            raise TrailingDataError(f"{left} or more signed bytes follow the pickle")

    @property
    def covers(self) -> bool:
        """Whether out-of-band buffers have come that were not asked for."""
        return bool(self._covered)

    def buffers(self, given: Iterable[Any]) -> Iterator[Any]:
        """Yield out-of-band buffers, each a private copy that has been verified.

        :raises BadSignatureError: for one that the stream does not cover.
        """
        for buffer in given:
            frozen = freeze(buffer)
            if not self._covered or not compare_digest(
                self._covered.popleft(), self._tags.buffer(self._buffers, frozen)
            ):
                raise BadSignatureError("an out-of-band buffer is not the one that was signed")
            self._buffers += 1
            yield frozen

    # -- a file --------------------------------------------------------------------------------------------------

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read *size* bytes, fewer only at the end; all that is left for -1."""
        chunk, at = self._chunk, self._at
        if size is not None and 0 <= size <= len(chunk) - at:
            self._at = at + size
            return chunk[at : at + size]
        wanted = -1 if size is None or size < 0 else size
        pieces = [chunk[at:]]
        have = len(pieces[0])
        while wanted < 0 or have < wanted:
            if not self._more():
                return b"".join(pieces)
            pieces.append(self._chunk)
            have += len(self._chunk)
        over = have - wanted
        if over:
            pieces[-1] = pieces[-1][:-over]
        self._at = len(self._chunk) - over
        return b"".join(pieces)

    def read1(self, size: int = -1, /) -> bytes:
        """Read at most what is at hand, or from the next chunk."""
        shown = self.peek()
        return self.read(len(shown) if size < 0 else min(size, len(shown)))

    def peek(self, _size: int = 0, /) -> bytes:
        """Return what is at hand without taking it; empty only at the end."""
        if self._at == len(self._chunk) and not self._more():
            return b""
        return self._chunk[self._at :] if self._at else self._chunk


def _failed() -> BadSignatureError:
    return BadSignatureError(
        "the signed stream does not verify: it was cut, changed or put together from several,"
        " or was signed for another purpose or context"
    )


def open_signed(
    file: Any,
    signer: Signer,
    context: Context = None,
    *,
    max_age: float | None = None,
    exact: bool = True,
    head: bytes = b"",
) -> StreamReader | bytes:
    """Open what is signed in a file: return a reader of a stream, or all of a blob, which is **not verified** yet.

    The parameters are those of :class:`StreamReader`.
    """
    data = head + read_exactly(file, FIXED - len(head))
    if len(data) < FIXED or read_kind(data) != BLOB:
        return StreamReader(file, signer, context, max_age=max_age, exact=exact, head=data)
    return _read_blob(file, signer, data, exact)


def read_kind(head: bytes) -> int:
    """Return the kind that the first bytes of a message name."""
    return head[5]


def _read_blob(file: Any, signer: Signer, data: bytes, exact: bool) -> bytes:
    """Read a blob from a file, no more than its key and the limit allow."""
    data += read_exactly(file, data[8])
    _, algorithm, flags, key_id = read_prefix(data)
    tag_size = signer.key_for(key_id, algorithm).algorithm.tag_size
    data += read_exactly(file, rest_of_header(flags))
    size = read_header(data)[0].size
    payload = read_exactly(file, min(size, signer.max_bytes + 1))
    if len(payload) > signer.max_bytes:
        raise LimitError("max_bytes", signer.max_bytes, size)
    # One byte more than there may be shows what was appended.
    return data + payload + read_exactly(file, tag_size + exact)


def verify_file(file: Any, signer: Signer, context: Context = None, *, max_age: float | None = None) -> Header:
    """Verify all that is signed in a file and return its header. Nothing is loaded, and one chunk is held.

    :raises SignatureError: if anything does not verify.
    """
    data = read_exactly(file, FIXED)
    if len(data) == FIXED and read_kind(data) == BLOB:
        blob = _read_blob(file, signer, data, True)
        return signer.verify(blob, context, max_age=max_age)
    reader = StreamReader(file, signer, context, max_age=max_age, head=data)
    reader.skip()
    return reader.header
