"""Equal plain values have one canonical pickle, however they were put together, and it loads to that value.

The input is a series of choices that builds a value twice: with its dicts and sets in another order, with parts that
are one object here and two there. Other values have other pickles.
"""

from __future__ import annotations

import pickle
from typing import Any

from fuzz import terms
from fuzz.choices import ByteChoices, Choices
from fuzz.generator import BLOBS, FLOATS, INTS, TEXTS
from fuzz.outcomes import Finding, describe, failure
from safepickle.errors import SafePickleError

INPUT = "choices"

_LEAVES: tuple[Any, ...] = (
    None, True, False, ..., NotImplemented, range(0), range(3, 4), range(9, 0, -3), range(2**70), complex(-0.0, 1.5),
    slice(1, None, 2), "", b"", (), frozenset(), "z" * 70_000, b"z" * 70_000, float("nan"), complex(1, float("nan")),
)  # fmt: skip


class _Twice:
    """Builds a value in two ways."""

    def __init__(self, draw: Choices) -> None:
        self.draw = draw
        self.left = 40
        self.made: list[tuple[Any, Any]] = []

    def key(self, depth: int = 2) -> tuple[Any, Any]:
        """Return something hashable, twice."""
        draw = self.draw
        kind = draw.below(7)
        one: Any
        if kind < 2 or not depth:
            one = draw.pick(INTS[:20])
        elif kind == 2:
            one = draw.pick(FLOATS[:8])
        elif kind == 3:
            one = draw.pick(BLOBS)
        elif kind == 4:
            pairs = [self.key(depth - 1) for _ in range(draw.below(4))]
            return tuple(a for a, _ in pairs), tuple(b for _, b in pairs)
        elif kind == 5:
            pairs = _unlike([self.key(depth - 1) for _ in range(draw.below(4))])
            return frozenset(a for a, _ in pairs), frozenset(b for _, b in reversed(pairs))
        else:
            one = draw.pick(TEXTS)
        return one, one

    def value(self) -> tuple[Any, Any]:
        """Return any plain value, twice."""
        draw = self.draw
        self.left -= 1
        kind = draw.below(12)
        if kind == 0 or self.left < 0 or draw.spent:
            one = draw.pick(_LEAVES)
            return one, one
        if kind < 4:
            return self.key()
        if kind == 4:
            data = draw.pick(BLOBS)
            return bytearray(data), bytearray(data)
        if kind == 5 and self.made:
            # Shared in the first, a copy in the second.
            first, second = draw.pick(self.made)
            return first, pickle.loads(pickle.dumps(second))
        if kind == 6:
            parts = [self.value() for _ in range(3)]
            return slice(*(a for a, _ in parts)), slice(*(b for _, b in parts))
        if kind == 7:
            return self._set()
        if kind == 8:
            return self._dict()
        pairs = [self.value() for _ in range(draw.below(6))]
        make = list if kind < 11 else tuple
        found = make(a for a, _ in pairs), make(b for _, b in pairs)
        self.made.append(found)
        return found

    def _set(self) -> tuple[Any, Any]:
        many = self.draw.below(9) == 8
        pairs = [self.key() for _ in range(self.draw.below(5))]
        pairs += [(n, n) for n in range(2000, 3100)] if many else []
        pairs = _unlike(pairs)
        return {a for a, _ in pairs}, {b for _, b in reversed(pairs)}

    def _dict(self) -> tuple[Any, Any]:
        pairs = _unlike([self.key() for _ in range(self.draw.below(5))])
        many = self.draw.below(9) == 8
        items = [((a, b), self.value()) for a, b in pairs]
        items += [((n, n), (None, None)) for n in range(2000, 3100)] if many else []
        found = {a: one for (a, _), (one, _) in items}, {b: two for (_, b), (_, two) in reversed(items)}
        self.made.append(found)
        return found


def _unlike(pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Leave out what is equal to an earlier one: of 1 and 1.0 the first stays in a set, whichever that is."""
    return list({first: (first, second) for first, second in reversed(pairs)}.values())


_OTHERS: tuple[Any, ...] = (
    lambda value: [value, object()], lambda value: {"a": _cyclic(value)}, lambda value: (value, lambda: None),
    lambda value: {frozenset([object]): value}, lambda value: _deep(),
)  # fmt: skip


def _cyclic(value: Any) -> Any:
    made = [value]
    made.append(made)
    return made


def _deep() -> Any:
    made: Any = []
    for _ in range(2000):
        made = [made]
    return made


def _dumped(value: Any, protocol: Any, limits: Any = terms.LIMITS) -> Any:
    try:
        return terms.package.dumps(value, protocol, canonical=True, limits=limits)
    except SafePickleError as error:
        failure(error)
        return type(error).__name__


def check(data: bytes) -> Any:
    """Build, write, compare and read."""
    draw = ByteChoices(data)
    protocol = draw.pick((None, 4, 5))
    tight = draw.below(4) == 0
    twice = _Twice(draw)
    first, second = twice.value()
    other = draw.below(12)
    if other < len(_OTHERS):
        found = _dumped(_OTHERS[other](first), protocol)
        if type(found) is bytes:
            raise Finding("what is no plain value, or has a cycle, has a canonical form")
        return found
    one, two = (_dumped(value, protocol, terms.TIGHT if tight else terms.LIMITS) for value in (first, second))
    if type(one) is str or type(two) is str:
        if one != two or (not tight and one != "LimitError"):
            raise Finding("one of two equal values has no canonical form", f"{one!a:.100} / {two!a:.100}")
        return one
    if one != two:
        raise Finding("two canonical forms of one value", f"{one.hex()[:200]} / {two.hex()[:200]}")
    loaded = terms.package.loads(one, limits=terms.LIMITS)
    if describe(loaded) != describe(pickle.loads(one)):
        raise Finding("a canonical pickle loads to another value than in pickle", one.hex()[:200])
    if _dumped(loaded, protocol) != one:
        raise Finding("a canonical pickle is not that of the value it loads to", one.hex()[:200])
    changed = _dumped([loaded], protocol)
    if changed == one:
        raise Finding("two values have one canonical form")
    _wrong_protocol(first)
    return len(one).bit_length(), type(first).__name__


def _wrong_protocol(value: Any) -> None:
    try:
        terms.package.dumps(value, 3, canonical=True)
    except ValueError:
        return
    raise Finding("canonical output in a protocol that has none")
