"""Builds Python objects from choices: what the encoder is given.

Rules that hold here:

* Every kind of object that the encoder has a way of its own for is in the table.
* Objects that were built may be used again, so that there are sharing and cycles.
"""

from __future__ import annotations

import _codecs
import array
import copyreg
import datetime as dt
import decimal
import fractions
import operator
import os
import pathlib
import pickle
import sys
import time
import types
import uuid
import zoneinfo
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque
from typing import Any

from fuzz import samples
from fuzz.choices import Choices
from fuzz.generator import BLOBS, FLOATS, INTS, TEXTS

_encode = _codecs.encode
_REBUILD: Any = copyreg._reconstructor  # type: ignore[attr-defined]

#: One for all: CPython 3.11 crashes where the collector clears a cycle with such a buffer in it.
_HOLED = pickle.PickleBuffer(memoryview(b"abcd")[::2])

_VALUES: tuple[Any, ...] = (
    None, True, False, ..., NotImplemented, type(None), type(...), range(3), range(1, 10, 2), slice(1, None, 2),
    samples.Node,
    samples.Outer.Inner, dt.date(2020, 1, 2), dt.datetime(2020, 1, 2, tzinfo=dt.UTC), dt.timedelta(5),
    decimal.Decimal("-1.5E+3"),
    fractions.Fraction(1, 3), uuid.UUID(int=7), pathlib.PurePosixPath("a/b"), complex(-0.0, 1.5), 2**100, b"", "", (),
    frozenset(), ValueError("x"), 10**400, "z" * 70_000, b"z" * 70_000, bytearray(b"w" * 70_000),
    samples.act, samples.OnlyRefer, object(), samples.Equal(),
)  # fmt: skip


def _cyclic_tuple() -> Any:
    inner: list[Any] = []
    made = (inner, 1, 2, 3)
    inner.append(made)
    return made


def _cyclic_node() -> Any:
    made = samples.Node()
    vars(made)["a"] = [made]
    return made


def _cyclic_frozenset() -> Any:
    key = samples.Keyed()
    made = frozenset([key])
    vars(key)["value"] = made
    return made


def _cyclic_list() -> Any:
    made: list[Any] = []
    made.append(made)
    return made


def _meddled() -> Any:
    """Return a dict that changes while it is written."""
    made: dict[Any, Any] = {}
    made["first"] = samples.Meddling(made)
    made["second"] = 1
    return made


def _with(kind: Any, **attributes: Any) -> Any:
    made = kind()
    vars(made).update(attributes)
    return made


def _slotted(count: int) -> Any:
    row = []
    for number in range(count):
        made = samples.Both()
        if number % 3:
            made.slot = number  # type: ignore[attr-defined]
        if number % 2:
            vars(made)["a"] = number
        row.append(made)
        row.append(_filled(samples.Slotted(), number))
    return row


def _filled(made: Any, number: int) -> Any:
    if number % 4:
        made.declared = number
    return made


def _odd_key() -> Any:
    made = samples.Node()
    vars(made)[5] = 1  # type: ignore[index]
    return made


def _local() -> Any:
    class Local:
        pass

    return Local


_ODD: tuple[Any, ...] = (
    lambda: samples.Color.RED, lambda: [samples.Color.BLUE, samples.Color.BLUE], lambda: samples.Point([1], "x"),
    lambda: samples.Worded("w"), lambda: samples.Newargs(1, "a"), samples.Restless,
    lambda: _slotted(4), lambda: [samples.Node() for _ in range(3)], _meddled, _cyclic_tuple, _cyclic_node,
    _cyclic_frozenset, _cyclic_list, lambda: [samples.Argued(n, second=[n]) for n in range(3)],
    lambda: dict.fromkeys, lambda: samples.Outer.method, lambda: [].append, lambda: len, lambda: samples,
    lambda: lambda: None, _local, lambda: (_local()(),), lambda: memoryview(b"abc"),
    lambda: _HOLED, lambda: operator.attrgetter("a"), lambda: operator.attrgetter,
    lambda: type("a\nb", (), {"__module__": samples.__name__}), lambda: type("", (), {"__module__": samples.__name__}),
    lambda: _with(samples.Node, __reduce_ex__=5), lambda: _with(samples.Node, __class__=5), _odd_key,
    lambda: dict.fromkeys(range(1100)), lambda: set(range(1100)), lambda: frozenset(range(1100)),
    lambda: array.array("i", [1, 2]), lambda: deque([1, [2]], 3), lambda: defaultdict(samples.remade),
    lambda: defaultdict(samples.act), lambda: range(0), lambda: range(5, 6), lambda: range(9, 0, -3),
    lambda: [slice(1, [2], None)] * 2, lambda: dt.datetime(2020, 2, 29, 1, 2, 3, 4, dt.timezone(dt.timedelta(hours=1),
    "x")),
    lambda: [dt.date(2020, n, n) for n in (1, 2)], lambda: dt.time(1, 2, 3), lambda: [decimal.Decimal("1.5")] * 2,
    lambda: [decimal.Decimal("NaN"), decimal.Decimal("1e5")], lambda: KeyError("x", 1),
    lambda: _with(ValueError, note="n"), lambda: AttributeError("x", name="n", obj=1), lambda: OSError(2, "x", "y"),
    lambda: UnicodeDecodeError("utf-8", b"x", 0, 1, "why"), lambda: Counter({"a": 10**30}),
    lambda: {(samples.Color.RED,): 1}, lambda: {samples.Point(): 1}, lambda: {samples.Keyed(): 1},
    lambda: {samples.Color.RED: 1, 2.5: 2, b"k": 3, None: 4}, lambda: ["x" * 300, "x" * 300, b"y" * 300],
    lambda: ("a" * 70_000, "\ud800", "\u20ac" * 30), lambda: [True, False, None, 256, 65536, 2**31, -1, 1.5],
    lambda: "latin \xe9", lambda: b"\xe9" * 5, lambda: bytearray(b"\xe9"), lambda: [[]] * 3, lambda: ({},) * 3,
    lambda: time.struct_time(range(9)), lambda: types.SimpleNamespace(a=1), lambda: samples.Stated,
    lambda: type(None), lambda: int, lambda: samples.Color, lambda: os.path.join, lambda: sys.exit,
    lambda: UserDict(a=1), lambda: ChainMap({}, {"a": 1}), lambda: zoneinfo.ZoneInfo, lambda: uuid.UUID(int=9),
    lambda: _with(samples.Listed, a=1), lambda: samples.Reduced((samples.remade, ("x",), None, [1, 2])),
    lambda: samples.Reduced((samples.remade, (1,), {"a": 1}, None, None, samples.taken)),
    lambda: samples.Reduced((getattr, (samples.Outer, "Inner"))),
    lambda: samples.Reduced((getattr, (dict, "fromkeys"))),
    lambda: samples.Reduced((getattr, (samples.Node, "missing"))),
    lambda: samples.Reduced((getattr, (samples.Outer, "method"))),
    lambda: samples.Reduced((set, ([1, 2],))), lambda: samples.Reduced((bytearray, (b"x",))),
    lambda: samples.Reduced((bytearray, ())), lambda: samples.Reduced((bytearray, (9,))),
    lambda: samples.Reduced((bytearray, ("\u20ac", "latin1"))), lambda: samples.Reduced((_encode, ("\xe9", "latin1"))),
    lambda: samples.Reduced((_encode, ("\u20ac", "latin1"))), lambda: samples.Reduced((_encode, (5, "latin1"))),
    lambda: samples.Reduced((complex, (1, 2))), lambda: samples.Reduced((object, ())),
    lambda: samples.Reduced((bytes, ())),
    lambda: samples.Reduced((bytes, (5,))), lambda: samples.Reduced((range, (1, 5))),
    lambda: samples.Reduced((_REBUILD, (samples.Node, object, None))),
    lambda: samples.Reduced((_REBUILD, (samples.Node,))),
    lambda: samples.Reduced((_REBUILD, (samples.Point, tuple, (1, 2)))),
    lambda: samples.Reduced((_REBUILD, (samples.Listed, list, [1]))),
    lambda: samples.Reduced((frozenset, ([1],))), lambda: samples.Reduced((list, ([1],))),
    lambda: samples.Reduced((type, (None,))),
)  # fmt: skip
_STATES: tuple[Any, ...] = (
    None, False, 0, {}, {"a": 1}, (None, {"a": 1}), ({"a": 1}, None), ({"a": 1}, {"b": 2}), 5, [1], (1, 2, 3),
    {"__class__": 1}, {5: 1}, (None, {"__class__": 1}), ("x", "y"), samples.Node,
)  # fmt: skip


class Builder:
    """Builds one object after another.

    :param odd: also what says itself how it is written, changes meanwhile, has no name or has cycles.
    """

    def __init__(self, draw: Choices, *, odd: bool = False) -> None:
        self._draw = draw
        self._odd = odd
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
        kind = draw.below(30 if self._odd else 24)
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
        if kind > 25:
            return draw.pick(_ODD)() if kind > 26 else samples.Stated(draw.pick(_STATES))
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
