"""Choices: where a generator gets its decisions from, random numbers or the bytes of a fuzzing input.

Rules that hold here:

* Both kinds have one method that matters, `below(n)`; everything else is made from it, so that a generator is the
  same program whether an engine steers it by bytes or a seed does.
* Bytes that run out give zeros: every input is a complete series of decisions.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Decisions by a seeded random number generator."""

    def __init__(self, seed: int | random.Random) -> None:
        self._random = seed if isinstance(seed, random.Random) else random.Random(seed)
        #: No decision is left: only zeros would follow.
        self.spent = False

    def below(self, bound: int) -> int:
        """Return a number from 0 to *bound* - 1."""
        return int(self._random.random() * bound)

    def blob(self, most: int) -> bytes:
        """Return a few bytes."""
        return self._random.randbytes(self.below(most + 1))

    def pick(self, options: Sequence[T]) -> T:
        """Choose one."""
        return options[self.below(len(options))]

    def chance(self, one_in: int) -> bool:
        """Say yes once in so many times."""
        return self.below(one_in) == one_in - 1


class ByteChoices(Choices):
    """Decisions by the bytes of an input."""

    def __init__(self, data: bytes) -> None:
        super().__init__(0)
        self._data = data
        self._position = 0
        self.spent = not data

    def below(self, bound: int) -> int:
        if self.spent:
            return 0
        width = 1 if bound <= 256 else 2 if bound <= 65536 else 9
        piece = self._data[self._position : self._position + width]
        self._position += width
        self.spent = self._position >= len(self._data)
        return int.from_bytes(piece, "little") % bound

    def rest(self) -> bytes:
        """Return what has not been used: the same decisions again, for another `ByteChoices`."""
        return self._data[self._position :]

    def blob(self, most: int) -> bytes:
        size = self.below(most + 1)
        piece = self._data[self._position : self._position + size]
        self._position += size
        self.spent = self._position >= len(self._data)
        return piece
