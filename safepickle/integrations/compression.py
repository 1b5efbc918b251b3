"""Decompressing what nobody vouches for: piece by piece, never more than was asked for.

Rules that hold here:

* No piece is larger than asked for, however well it was compressed: a bomb costs what its reader takes of it (D18).
* Decompressors have a bound on memory. LZMA's dictionary is as large as the file says; what needs more than
  :data:`MOST_DICTIONARY` is refused.
* One compressed stream and nothing behind it: what a second reader would see otherwise is refused.
"""

from __future__ import annotations

import io
from importlib import import_module
from time import monotonic
from typing import Any, NamedTuple

from ..errors import FormatError, LimitError, TrailingDataError, TruncatedError
from ..limits import NO_BOUND

__all__ = ["COMPRESSIONS", "Compression", "PieceSource", "compression_of", "compressor"]

#: Compressed bytes that are read at once.
_PIECE = 1 << 15
#: What is asked of a decompressor at once, at the least.
_LEAST = 1 << 15
#: Memory of LZMA's decompressor, in bytes: its highest preset takes 65 MiB.
MOST_DICTIONARY = 100 * 2**20


class Compression(NamedTuple):
    """How files are compressed."""

    name: str
    #: What they begin with.
    prefix: bytes


#: Those that joblib knows.
COMPRESSIONS: tuple[Compression, ...] = (
    Compression("zlib", b"\x78"),
    Compression("gzip", b"\x1f\x8b"),
    Compression("bz2", b"BZ"),
    Compression("xz", b"\xfd7zXZ"),
    Compression("lzma", b"\x5d\x00"),
    Compression("lz4", b"\x04\x22\x4d\x18"),
)


def compression_of(prefix: bytes) -> Compression | None:
    """Return how a file is compressed that begins with these bytes; None where it is not. No pickle begins so."""
    return next((one for one in COMPRESSIONS if prefix.startswith(one.prefix)), None)


class _Zlib:
    """zlib and gzip, with the names that the other decompressors have."""

    def __init__(self, bits: int) -> None:
        import zlib

        self._inner = zlib.decompressobj(bits)
        self._rest = b""

    def decompress(self, data: bytes, most: int) -> bytes:
        out = self._inner.decompress(self._rest + data, most)
        self._rest = self._inner.unconsumed_tail
        return out

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._rest


def _decompressor(name: str) -> Any:
    if name in ("zlib", "gzip"):
        return _Zlib(31 if name == "gzip" else 15)
    if name == "bz2":
        import bz2

        return bz2.BZ2Decompressor()
    if name == "lz4":
        try:
            frames = import_module("lz4.frame")
        except ImportError:
            raise FormatError("it is compressed by LZ4: install the package lz4 to read it") from None
        return frames.LZ4FrameDecompressor()
    import lzma

    kind = lzma.FORMAT_XZ if name == "xz" else lzma.FORMAT_ALONE
    return lzma.LZMADecompressor(format=kind, memlimit=MOST_DICTIONARY)


def compressor(name: str, level: int | None, file: Any) -> Any:
    """Return a file that compresses into another one; close it to end the stream.

    :raises ValueError: for a name or level that there is not.
    """
    if level is not None and not 0 <= level <= 9:
        raise ValueError(f"no such level: {level} (there are 0 to 9)")
    if name == "zlib":
        return _ZlibWriter(3 if level is None else level, file)
    if name == "gzip":
        import gzip

        return gzip.GzipFile("", "wb", 3 if level is None else level, file, 0)
    if name == "bz2":
        import bz2

        return bz2.BZ2File(file, "wb", compresslevel=max(1, 9 if level is None else level))
    if name in ("xz", "lzma"):
        import lzma

        kind = lzma.FORMAT_XZ if name == "xz" else lzma.FORMAT_ALONE
        return lzma.LZMAFile(file, "wb", format=kind, preset=level)
    raise ValueError(f"no such compression: {name!a} (there are zlib, gzip, bz2, xz and lzma)")


class _ZlibWriter(io.RawIOBase):
    def __init__(self, level: int, file: Any) -> None:
        import zlib

        self._inner = zlib.compressobj(level)
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._file.write(self._inner.compress(data))
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.write(self._inner.flush())
        super().close()


class PieceSource:
    """What the machine reads from (see :mod:`safepickle.wire.source`): a file, decompressed if it is compressed.

    :param file: has ``read``.
    :param max_bytes: the most that is read of the file, in bytes; what comes out is bounded by who reads here.
    :param max_seconds: how long unpacking may take, from now on: much can come out of little before the machine sees
        any of it.
    """

    def __init__(self, file: Any, max_bytes: int | None, max_seconds: float | None) -> None:
        self._file = file
        self._seconds = max_seconds
        self._began = monotonic()
        self._left = NO_BOUND if max_bytes is None else max_bytes
        self._bound = self._left
        self._unread = b""
        while len(self._unread) < 6 and (piece := self._read(6 - len(self._unread))):
            self._unread += piece
        self.compression = compression_of(self._unread)
        self._inner = None if self.compression is None else _decompressor(self.compression.name)
        self._rest = 0

    @property
    def prefix(self) -> bytes:
        """What the file begins with, before anything was read."""
        return self._unread

    def _read(self, size: int) -> bytes:
        # One more than allowed, so that a longer file is seen as one.
        piece = self._file.read(min(size, self._left + 1))
        if type(piece) is not bytes:
            raise FormatError("read() did not return bytes: open the file in binary mode")
        self._left -= len(piece)
        if self._left < 0:
            raise LimitError("max_bytes", self._bound, self._bound + 1)
        return piece

    def _take(self, size: int) -> bytes:
        piece, self._unread = self._unread, b""
        return piece or self._read(size)

    def _piece(self, most: int) -> bytes:
        """Return at most so many bytes of what is in the file; none at its end."""
        if self._inner is None:
            return self._take(most)
        while not self._inner.eof:
            data = self._take(_PIECE) if self._inner.needs_input else b""
            if not data and self._inner.needs_input:
                raise TruncatedError("the compressed data are cut off")
            piece = self._decompress(self._inner, data, most)
            if piece:
                return piece
        return b""

    def _decompress(self, inner: Any, data: bytes, most: int) -> bytes:
        if self._seconds is not None and (spent := monotonic() - self._began) > self._seconds:
            raise LimitError("max_seconds", self._seconds, round(spent, 3))
        try:
            piece: bytes = inner.decompress(data, most)
        except Exception as error:  # each decompressor has its own
            name = "" if self.compression is None else self.compression.name
            raise FormatError(f"the compressed data are damaged, or ask for too much memory ({name})") from error
        return piece

    # -- the machine's side ------------------------------------------------------------------------------------

    def more(self, unused: bytes, need: int) -> bytes:
        """Return *unused* and more, at least *need* bytes in all if they are there."""
        pieces = [unused]
        have = len(unused)
        while have < need:
            piece = self._piece(min(max(_LEAST, need - have), 1 << 20))
            if not piece:
                break
            pieces.append(piece)
            have += len(piece)
        return b"".join(pieces)

    def line(self, unused: bytes, limit: int) -> bytes:
        """Return *unused* and more, with a newline in it or with *limit* bytes if they are there."""
        pieces = [unused]
        have = len(unused)
        while b"\n" not in pieces[-1] and have < limit:
            piece = self._piece(_LEAST)
            if not piece:
                break
            pieces.append(piece)
            have += len(piece)
        return b"".join(pieces)

    def finish(self, unused: int) -> None:
        """Note how much of what was given has not been used."""
        self._rest = unused

    def expect_end(self) -> None:
        """Make sure that nothing follows.

        :raises TrailingDataError: if something does, in the file or in what was compressed.
        """
        if self._rest or self._piece(1):
            raise TrailingDataError("bytes follow the pickle in its file")
        if self._inner is not None and (self._inner.unused_data or self._take(1)):
            raise TrailingDataError("bytes follow the compressed data in the file")
