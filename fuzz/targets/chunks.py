"""A signed stream is a file that gives the bytes that were written, in pieces of any size, and none is unverified.

The input is a series of choices: what is written and covered, of which sizes, what is changed, how it is read. Beside
that: calls that mean nothing, files that take or give little, keys and guards at their edges.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any

from fuzz import scratch
from fuzz.choices import ByteChoices, Choices
from fuzz.outcomes import Finding, failure
from safepickle.errors import (
    KeyRingError,
    SafePickleError,
    SignatureError,
    StateError,
    TrailingDataError,
    UnsignedError,
)
from safepickle.limits import DEFAULT_LIMITS
from safepickle.policy.rules import PLAIN
from safepickle.signing.calls import Calls, _Unsigned
from safepickle.signing.envelope import LARGEST_CHUNK, SMALLEST_CHUNK, read_prefix
from safepickle.signing.files import is_replaceable, write_whole
from safepickle.signing.freshness import MemoryReplayGuard
from safepickle.signing.keyfiles import read_ring, write_ring
from safepickle.signing.keys import Key, KeyRing
from safepickle.signing.signer import Signer
from safepickle.signing.streams import BUFFER, DATA, LAST, StreamReader, StreamWriter, open_signed

INPUT = "choices"

_FOLDER = scratch.folder("chunks")
_RING = KeyRing([Key("one", bytes(range(7, 47)), state="signing", created=5)])
#: The same name for a key of another algorithm.
_OTHER = KeyRing([Key("one", bytes(range(9, 49)), algorithm="blake2b", state="signing", created=5)])
_SIZES = (0, 1, 7, 100, SMALLEST_CHUNK - 1, SMALLEST_CHUNK, SMALLEST_CHUNK + 1, 3 * SMALLEST_CHUNK, 6000)


def _signer(ring: KeyRing = _RING) -> Signer:
    return Calls(
        ring, PLAIN, DEFAULT_LIMITS, purpose=None, max_age=None, bind_policy=False, replay_guard=None, unsigned=None,
        clock=lambda: 1_700_000_000.0,
    ).signer  # fmt: skip


class _Slow(io.RawIOBase):
    """Takes and gives little at a time, and in the end nothing."""

    def __init__(self, data: bytes = b"", room: int = 1 << 30) -> None:
        self._given = io.BytesIO(data)
        self.taken = bytearray()
        self._room = room

    def readinto(self, buffer: Any) -> int:
        return self._given.readinto(memoryview(buffer)[:500])

    def write(self, data: Any) -> int:
        piece = bytes(data[: min(1000, self._room - len(self.taken))])
        self.taken += piece
        return len(piece)


def _written(draw: Choices) -> tuple[bytes, bytes, list[bytes]]:
    """Return a stream, what is in it, and the buffers that it covers."""
    file = io.BytesIO()
    content = bytearray()
    buffers: list[bytes] = []
    with StreamWriter(file, _signer(), "context", chunk_size=SMALLEST_CHUNK) as writer:
        for number in range(draw.below(6)):
            piece = bytes([number + 1]) * draw.pick(_SIZES)
            if draw.below(4) == 0:
                buffers.append(piece)
                writer.cover(piece)
            else:
                writer.write(memoryview(piece) if draw.below(2) else piece)
                content += piece
    return file.getvalue(), bytes(content), buffers


def _read(reader: StreamReader, draw: Choices, content: bytes) -> bytes:
    """Read in pieces; each is what was written there."""
    at = 0
    for _ in range(draw.below(8)):
        how, size = draw.below(5), draw.pick((0, 1, 5, SMALLEST_CHUNK, 5000))
        if how == 0:
            piece = reader.read1(size)
            if size and not piece and at < len(content):
                raise Finding("a stream gives nothing before its end")
        elif how == 1:
            piece = reader.read1()
        elif how == 2:
            shown = reader.peek(size)
            if content[at : at + len(shown)] != shown or (not shown and at < len(content)):
                raise Finding("a stream shows other bytes than come")
            piece = b""
        elif how == 3:
            piece = reader.readline(size or -1)
        else:
            piece = reader.read(size)
            if len(piece) != min(size, len(content) - at):
                raise Finding("a stream gives fewer bytes than there are")
        if content[at : at + len(piece)] != piece:
            raise Finding("a stream gives other bytes than were written")
        at += len(piece)
    return content[:at]


def _stream(draw: Choices) -> Any:
    data, content, buffers = _written(draw)
    change = draw.below(4)
    changed = bytearray(data)
    if change == 0:
        at = draw.below(len(changed))
        changed[at] ^= 1 << draw.below(8)
    elif change == 1:
        del changed[draw.below(len(changed)) :]
    given = bytes(changed)
    file: Any = _Slow(given) if draw.below(3) == 0 else io.BytesIO(given)
    try:
        reader = open_signed(file, _signer(), "context", exact=bool(draw.below(2)), head=file.read(draw.below(4)))
        if isinstance(reader, bytes):
            raise Finding("a stream is taken for a blob")
        had = _read(reader, draw, content)
        ends = draw.below(3)
        if ends == 0:
            left = len(content) - len(had)
            try:
                reader.finish()
            except TrailingDataError as error:
                failure(error)
                if not left:
                    raise Finding("a stream that is read to its end has bytes left") from error
                return "left"
            if left:
                raise Finding("a stream that has bytes left is finished", str(left))
        elif ends == 1:
            reader.skip()
            if reader.read(1) or (buffers and not reader.covers):
                raise Finding("a stream that was skipped gives more, or covers nothing")
        else:
            if had + reader.read() != content:
                raise Finding("a stream gives other bytes to its end than were written")
            if [bytes(one) for one in reader.buffers(buffers)] != buffers:
                raise Finding("a stream gives other buffers than were covered")
    except (SignatureError, UnsignedError) as error:
        failure(error)
        if given == data:
            raise Finding("a stream does not verify that was signed", str(error)) from error
        return "refused", type(error).__name__
    if given != data:
        raise Finding("a changed stream is read to its end")
    return "read", ends, bool(buffers)


# -- calls that mean nothing, and edges ------------------------------------------------------------------------------


def _closed() -> StreamWriter:
    writer = StreamWriter(io.BytesIO(), _signer())
    writer.close()
    writer.close()
    return writer


def _given_up() -> Any:
    file = io.BytesIO()
    try:
        with StreamWriter(file, _signer()) as writer:
            writer.write(b"x")
            raise KeyError
    except KeyError:
        return StreamReader(io.BytesIO(file.getvalue()), _signer()).read()


def _chunked(*chunks: tuple[int, bytes]) -> Any:
    """Read chunks that whoever has the key has signed in an order that no writer writes."""
    file = io.BytesIO()
    writer = StreamWriter(file, _signer(), chunk_size=SMALLEST_CHUNK)
    for kind, content in chunks:
        writer._put(kind, content)
    return StreamReader(io.BytesIO(file.getvalue()), _signer()).read()


def _blob() -> bytes:
    return _signer().sign(b"N.", None)


def _as_stream(data: bytes, ring: KeyRing = _RING) -> Any:
    return StreamReader(io.BytesIO(data), _signer(ring)).read()


def _stream_of(content: bytes) -> bytes:
    file = io.BytesIO()
    with StreamWriter(file, _signer()) as writer:
        writer.write(content)
    return file.getvalue()


def _link() -> Any:
    """A name that leads nowhere is taken all the same."""
    path = _FOLDER / "link"
    path.unlink(missing_ok=True)
    path.symlink_to(_FOLDER / "nowhere")
    try:
        write_whole(_FOLDER, b"x", replace=False)
    finally:
        path.unlink()


_WRONG: tuple[tuple[Callable[[], Any], Any], ...] = (
    (lambda: StreamWriter(io.BytesIO(), _signer(), chunk_size=SMALLEST_CHUNK - 1), ValueError),
    (lambda: StreamWriter(io.BytesIO(), _signer(), chunk_size=LARGEST_CHUNK + 1), ValueError),
    (lambda: _closed().write(b"x"), StateError), (lambda: _closed().cover(b"x"), StateError),
    (lambda: StreamWriter(_Slow(room=9), _signer()), OSError), (_given_up, SignatureError),
    (lambda: _chunked((DATA, b"x"), (LAST, b"")), SignatureError),
    (lambda: _chunked((DATA, b"x" * (SMALLEST_CHUNK + 1))), SignatureError),
    (lambda: _chunked((DATA, b"x")), SignatureError), (lambda: _chunked((9, b"x")), SignatureError),
    (lambda: _chunked((BUFFER, b"x")), SignatureError), (lambda: _as_stream(_blob()), SignatureError),
    (lambda: _as_stream(_stream_of(b"x"), _OTHER), SignatureError), (lambda: read_prefix(b"\xffspk"), SafePickleError),
    (lambda: read_prefix(_blob()[:5]), SignatureError), (lambda: _signer().verify(_stream_of(b"x"), None),
    SignatureError),
    (lambda: _signer(_OTHER).verify(_blob(), None), SignatureError), (lambda: read_ring(_FOLDER / "x", "all"),
    ValueError),
    (_link, OSError),
)  # fmt: skip


def _called(draw: Choices) -> Any:
    number = draw.below(len(_WRONG))
    call, expected = _WRONG[number]
    try:
        call()
    except expected as error:
        if isinstance(error, SafePickleError):
            failure(error)
        return "wrong", number
    raise Finding("a call that cannot mean anything is carried out", str(number))


def _edges(draw: Choices) -> Any:
    """The newest messages are remembered; a foreign ring is not read; a pipe is no file; the head comes first."""
    most = 1 + draw.below(4)
    guard = MemoryReplayGuard(most)
    seen = [bytes([number]) for number in range(6)]
    if not all(guard.first_time(one, 0) for one in seen) or any(guard.first_time(one, 0) for one in seen[-most:]):
        raise Finding("a guard does not remember the newest messages")
    head, rest = b"ab\nc"[: draw.below(5)], b"d\nef"
    for size in (None, -1, 0, 1, 3, 9):
        unsigned = _Unsigned(head, io.BytesIO(rest))
        if not unsigned.readable() or unsigned.read(size) != (head + rest)[: None if size in (None, -1) else size]:
            raise Finding("an unsigned file loses bytes that were read already", str(size))
    path = _FOLDER / "ring"
    path.unlink(missing_ok=True)
    write_ring(path, _RING)
    if os.name == "posix" and os.geteuid() == 0:
        os.chown(path, 12345, -1)
        _refused_ring(path)
    path.unlink()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)
        # Open for both, so that whoever reads it does not wait.
        handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        try:
            _refused_ring(path)
            if is_replaceable(path):
                raise Finding("a pipe may be replaced")
        finally:
            os.close(handle)
            path.unlink()
    return "edges", most


def _refused_ring(path: Any) -> None:
    try:
        read_ring(path)
    except KeyRingError as error:
        failure(error)
        return
    raise Finding("a ring is read that others can change")


def check(data: bytes) -> Any:
    """Write and read, or call."""
    draw = ByteChoices(data)
    kind = draw.below(8)
    return _called(draw) if kind < 2 else _edges(draw) if kind == 2 else _stream(draw)

