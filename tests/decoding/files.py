"""File objects that give the same bytes in different ways."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any


class Slow(io.RawIOBase):
    """An unseekable file that gives one byte at a time, whatever it is asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.given >= len(self._data) or not len(buffer):
            return 0
        buffer[:1] = self._data[self.given : self.given + 1]
        self.given += 1
        return 1


class Bare:
    """No file at all: `read` and `readline` as any class may have them."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def readline(self) -> bytes:
        return self._file.readline()


def rest_of(file: Any) -> bytes:
    """Return what is left in a file."""
    pieces = []
    while piece := file.read(1000):
        pieces.append(piece)
    return b"".join(pieces)


FILES: dict[str, Callable[[bytes], Any]] = {
    "BytesIO": io.BytesIO,
    "slow": Slow,
    "bare": Bare,
    "buffered slow": lambda data: io.BufferedReader(Slow(data), 8192),
    **{f"buffer of {size}": (lambda data, size=size: io.BufferedReader(Slow(data), size)) for size in range(1, 17)},
    **{
        f"buffered, {size}": (lambda data, size=size: io.BufferedReader(io.BytesIO(data), size))
        for size in (1, 3, 16, 8192)
    },
}
