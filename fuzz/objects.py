"""Builds Python objects from choices: what the encoder is given.

Rules that hold here:

* Every kind of object that the encoder has a way of its own for is in the table.
* Objects that were built may be used again, so that there are sharing and cycles.
"""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import pathlib
import pickle
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

from fuzz import samples
from fuzz.choices import Choices
from fuzz.generator import BLOBS, FLOATS, INTS, TEXTS

_VALUES: tuple[Any, ...] = (
    None, True, False, ..., NotImplemented, type(None), type(...), range(3), range(1, 10, 2), slice(1, None, 2),
    samples.Node,
    samples.Outer.Inner, dt.date(2020, 1, 2), dt.datetime(2020, 1, 2, tzinfo=dt.UTC), dt.timedelta(5),
    decimal.Decimal("-1.5E+3"),
    fractions.Fraction(1, 3), uuid.UUID(int=7), pathlib.PurePosixPath("a/b"), complex(-0.0, 1.5), 2**100, b"", "", (),
    frozenset(), ValueError("x"), 10**400, "z" * 70_000, b"z" * 70_000, bytearray(b"w" * 70_000),
    samples.act, samples.OnlyRefer, object(), samples.Equal(),
)  # fmt: skip


class Builder:
    """Builds one object after another."""

    def __init__(self, draw: Choices) -> None:
        self._draw = draw
        self._made: list[Any] = []
        self._left = 60

    def key(self) -> Any:
        """Return something hashable."""
        draw = self._draw
        kind = draw.below(6)
        if kind == 0:
            return draw.pick(INTS)
        if kind == 1:
            return draw.pick(FLOATS[:8])
        if kind == 2:
            return (draw.pick(TEXTS), draw.pick(INTS))
        if kind == 3:
            return frozenset([draw.pick(TEXTS)])
        return draw.pick(TEXTS)

    def value(self) -> Any:
        """Return any object."""
        draw = self._draw
        self._left -= 1
        kind = draw.below(24)
        if self._left < 0 or draw.spent:
            return draw.pick(INTS)
        if kind < 3:
            return draw.pick(_VALUES)
        if kind < 5:
            return draw.pick(INTS)
        if kind == 5:
            return draw.pick(FLOATS)
        if kind == 6:
            return draw.pick(TEXTS)
        if kind == 7:
            return draw.pick(BLOBS)
        if kind == 8:
            return bytearray(draw.pick(BLOBS))
        if kind == 9 and self._made:
            return draw.pick(self._made)
        if kind == 10:
            return {self.key() for _ in range(draw.below(4))}
        if kind == 11:
            return frozenset(self.key() for _ in range(draw.below(4)))
        if kind == 12:
            return tuple([self.value() for _ in range(draw.below(5))])
        if kind == 13:
            return pickle.PickleBuffer(b"frozen" if draw.below(2) else bytearray(b"open"))
        if kind == 14:
            return self._repeated()
        if kind == 15:
            return [self.value()] * (1 + draw.below(1500))
        return self._container(kind)

    def _repeated(self) -> Any:
        """Return a deep nest, as the encoder must not recurse on it."""
        value: Any = self.value()
        depth = self._draw.below(300)
        wrap = self._draw.below(3)
        for _ in range(depth):
            value = [value] if wrap == 0 else (value,) if wrap == 1 else {"k": value}
        return value

    def _container(self, kind: int) -> Any:
        draw = self._draw
        makers: tuple[Any, ...] = (
            list, dict, samples.Node, samples.Listed, samples.Mapped, OrderedDict, deque, Counter, samples.Gathered,
            samples.Numbered, samples.Argued, samples.Slotted, lambda: defaultdict(list), samples.Outer.Inner,
            samples.Keyed, list, dict,
        )  # fmt: skip
        made = draw.pick(makers)()
        self._made.append(made)
        size = draw.below(5)
        if isinstance(made, (list, deque)):
            for _ in range(size):
                made.append(self.value())
        elif isinstance(made, Counter):
            made.update("aab"[:size])
        elif isinstance(made, dict):
            for _ in range(size):
                made[self.key()] = self.value()
        elif isinstance(made, set):
            made.update(self.key() for _ in range(size))
        if isinstance(made, samples.Slotted):
            if size:
                made.declared = self.value()  # type: ignore[attr-defined]
        elif type(made).__module__ == samples.__name__ and kind % 2:
            for _ in range(size):
                vars(made)[draw.pick(("a", "b", "c", "value"))] = self.value()
        return made
