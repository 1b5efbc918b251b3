"""Canonical output: equal plain values give equal bytes, so that a digest of the bytes can be a cache key.

Rules that hold here:

* Plain values only, of exactly the built-in types: None, bool, int, float, complex, str, bytes, bytearray, list,
  tuple, dict, set, frozenset, range, slice, Ellipsis and NotImplemented. Everything else is refused.
* What does not make two values unequal does not show: the order of dicts and sets (entries are sorted by the bytes
  of the key), sharing and interning (there is no memo: a part that occurs twice is written twice), reference
  counts, how a str is stored, the sign of a zero, which NaN, the step of a range beyond its last item. Cyclic values
  are refused.
* Types show: 1, 1.0 and True are equal in Python and different here.
* The bytes depend on the protocol alone, 5 unless 4 is asked for: there are no frames, and batches have a fixed
  size. They are an ordinary pickle, which any pickle module loads.
* Depth takes no C stack. Keys and the items of sets are sorted, so they are held as bytes meanwhile.

A value that shares parts at many levels grows exponentially when written; ``max_bytes`` and ``max_objects`` end that.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from ..errors import EncodingError, LimitError, SafePickleError, quote
from ..wire.opcodes import BY_NAME
from ..wire.output import Bounds
from ..wire.writing import Writer
from .paths import join, key_step

__all__ = ["CANONICAL_PROTOCOL", "canonical_bytes"]

#: The protocol of canonical output; it does not follow the interpreter's default.
CANONICAL_PROTOCOL = 5

_BATCH = 1000
_CLOCK_INTERVAL = 4096
_NAN = float("nan")

_CODE = {name: row.code for name, row in BY_NAME.items()}
_BYTE = {name: bytes([row.code]) for name, row in BY_NAME.items()}


def _text(value: str) -> bytes:
    data = value.encode()
    return _BYTE["SHORT_BINUNICODE"] + bytes([len(data)]) + data


def _global(name: str) -> bytes:
    return _text("builtins") + _text(name) + _BYTE["STACK_GLOBAL"]


_COMPLEX, _RANGE, _SLICE, _BYTEARRAY = map(_global, ("complex", "range", "slice", "bytearray"))
_CONSTANTS = {Ellipsis: _global("Ellipsis"), NotImplemented: _global("NotImplemented")}

#: A walk writes the leaves of one container itself and yields its other parts, each with its step of the path.
Walk = Iterator[tuple[str, Any]]


def canonical_bytes(obj: Any, protocol: int | None, bounds: Bounds) -> bytes:
    """Return the canonical pickle of a plain value.

    :raises EncodingError: for a value that is not plain, or cyclic.
    :raises LimitError: for one beyond the limits.
    """
    if protocol is None or protocol < 0:
        protocol = CANONICAL_PROTOCOL
    if protocol not in (4, 5):
        raise ValueError("canonical output needs protocol 4 or 5")
    return _Canonical(protocol, bounds).dump(obj)


class _Canonical:
    """One canonical pickle in the making."""

    def __init__(self, protocol: int, bounds: Bounds) -> None:
        self.protocol = protocol
        self.bounds = bounds
        self.out = Writer().start(protocol, True, bounds, None, None, False)
        self.steps: list[str] = []
        self.open: set[int] = set()
        self.objects = 0
        self.opcodes = 3
        self.started = time.monotonic()
        self.walks: dict[type, Callable[[Any], Walk]] = {
            list: self._list,
            tuple: self._tuple,
            dict: self._dict,
            set: self._set,
            frozenset: self._frozenset,
            slice: self._slice,
        }

    def dump(self, obj: Any) -> bytes:
        try:
            self._run(obj)
            self.out.put(_CODE["STOP"])
            return self.out.finish() or b""
        except SafePickleError as error:
            if error.path is None:
                error.path = join(self.steps)
                error.args = (error._message(),)
            raise

    def _run(self, obj: Any) -> None:
        if self._leaf(obj):
            return
        walks = [(obj, self._begin(obj))]
        while walks:
            owner, walk = walks[-1]
            for step, part in walk:
                self.steps.append(step)
                if self._leaf(part):
                    self.steps.pop()
                    continue
                walks.append((part, self._begin(part)))
                break
            else:
                walks.pop()
                self.open.discard(id(owner))
                if walks:
                    self.steps.pop()

    def _begin(self, obj: Any) -> Walk:
        walk = self.walks.get(type(obj))
        if walk is None:
            raise EncodingError(f"a {quote(type(obj).__name__)} has no canonical form")
        if id(obj) in self.open:
            raise EncodingError("a cyclic value has no canonical form")
        self.open.add(id(obj))
        self._count(3 if type(obj) is slice else len(obj), len(self.open))
        return walk(obj)

    def _count(self, items: int, depth: int) -> None:
        bounds = self.bounds
        self.objects += 1
        self.opcodes += 2 * items + 4
        for limit, bound, asked in (
            ("max_items", bounds.max_items, items),
            ("max_depth", bounds.max_depth, depth),
            ("max_objects", bounds.max_objects, self.objects),
            ("max_opcodes", bounds.max_opcodes, self.opcodes),
        ):
            if asked > bound:
                raise LimitError(limit, bound, asked)
        if self.objects % 64 == 0:
            self.out.check_size(0)
        if self.objects % _CLOCK_INTERVAL == 0:
            seconds = time.monotonic() - self.started
            if seconds > bounds.max_seconds:
                raise LimitError("max_seconds", bounds.max_seconds, round(seconds, 3))

    # -- values without parts ----------------------------------------------------------------------------------

    def _leaf(self, obj: Any) -> bool:
        kind = type(obj)
        out = self.out
        if kind is float:
            out.write_float(_plain_float(obj))
        elif kind in (str, bytes) and len(obj) > 0xFFFF:
            out.atom(obj, 0)
            out.check_size(0)
        elif out.atom(obj, 0):
            pass
        elif kind is bytearray:
            self._bytearray(obj)
        elif kind is complex:
            self._count(2, len(self.open) + 2)
            out.put_bytes(_COMPLEX)
            out.write_float(_plain_float(obj.real))
            out.write_float(_plain_float(obj.imag))
            self._call(2)
        elif kind is range:
            self._count(3, len(self.open) + 2)
            out.put_bytes(_RANGE)
            for number in _plain_range(obj):
                out.write_integer(number)
            self._call(3)
        elif obj is Ellipsis or obj is NotImplemented:
            out.put_bytes(_CONSTANTS[obj])
        else:
            return False
        return True

    def _bytearray(self, obj: bytearray) -> None:
        self._count(1, len(self.open) + 2)
        if self.protocol >= 5:
            self.out.plain_bytearray(bytes(obj), obj)
        else:
            self.out.put_bytes(_BYTEARRAY)
            self.out.plain_bytes(bytes(obj), obj)
            self._call(1)

    def _call(self, count: int) -> None:
        self.out.put(_CODE[f"TUPLE{count}"])
        self.out.put(_CODE["REDUCE"])

    # -- values with parts -------------------------------------------------------------------------------------

    def _list(self, obj: list[Any]) -> Walk:
        out = self.out
        out.put(_CODE["EMPTY_LIST"])
        index = 0
        items = iter(obj)
        while batch := list(islice(items, _BATCH)):
            if len(batch) > 1:
                out.put(_CODE["MARK"])
            for item in batch:
                if not self._leaf_of(item):
                    yield f"[{index}]", item
                index += 1
            out.put(_CODE["APPENDS" if len(batch) > 1 else "APPEND"])

    def _leaf_of(self, item: Any) -> bool:
        """Write an item that cannot be refused for its value, without a step of the path."""
        kind = type(item)
        if kind is float:
            self.out.write_float(_plain_float(item))
            return True
        return (kind is bool or item is None) and bool(self.out.atom(item, 0))

    def _tuple(self, obj: tuple[Any, ...]) -> Walk:
        out = self.out
        if not obj:
            out.put(_CODE["EMPTY_TUPLE"])
            return
        if len(obj) > 3:
            out.put(_CODE["MARK"])
        for index, item in enumerate(obj):
            if not self._leaf_of(item):
                yield f"[{index}]", item
        out.put(_CODE["TUPLE" if len(obj) > 3 else f"TUPLE{len(obj)}"])

    def _slice(self, obj: slice) -> Walk:
        self.out.put_bytes(_SLICE)
        yield ".start", obj.start
        yield ".stop", obj.stop
        yield ".step", obj.step
        self._call(3)

    def _dict(self, obj: dict[Any, Any]) -> Walk:
        out = self.out
        out.put(_CODE["EMPTY_DICT"])
        entries = []
        for key in list(obj):
            start = out.size()
            if not self._leaf_of(key):
                yield f".<key {quote(key)}>", key
            entries.append((out.cut(start), key))
        entries.sort(key=_first)
        for start in range(0, len(entries), _BATCH):
            batch = entries[start : start + _BATCH]
            if len(batch) > 1:
                out.put(_CODE["MARK"])
            for data, key in batch:
                out.put_bytes(data)
                item = obj[key]
                if not self._leaf_of(item):
                    yield key_step(key), item
            out.put(_CODE["SETITEMS" if len(batch) > 1 else "SETITEM"])

    def _set(self, obj: set[Any]) -> Walk:
        out = self.out
        out.put(_CODE["EMPTY_SET"])
        items: list[bytes] = []
        yield from self._sorted(obj, items)
        for start in range(0, len(items), _BATCH):
            out.put(_CODE["MARK"])
            for data in items[start : start + _BATCH]:
                out.put_bytes(data)
            out.put(_CODE["ADDITEMS"])

    def _frozenset(self, obj: frozenset[Any]) -> Walk:
        out = self.out
        out.put(_CODE["MARK"])
        if len(obj) == 1:
            # Nothing to sort: a tower of frozensets is not copied at every level.
            for item in obj:
                yield ".<item>", item
        else:
            items: list[bytes] = []
            yield from self._sorted(obj, items)
            for data in items:
                out.put_bytes(data)
        out.put(_CODE["FROZENSET"])

    def _sorted(self, obj: Any, items: list[bytes]) -> Walk:
        for item in list(obj):
            start = self.out.size()
            yield ".<item>", item
            items.append(self.out.cut(start))
        items.sort()


def _first(entry: tuple[bytes, Any]) -> bytes:
    return entry[0]


def _plain_float(number: float) -> float:
    """Return the one float that stands for all that are equal to it, and one NaN for all."""
    if number == 0.0:
        return 0.0
    return _NAN if math.isnan(number) else number


def _plain_range(obj: range) -> tuple[int, int, int]:
    """Return start, stop and step of the one range that stands for all with the same items."""
    # Not by len(): a range of 2**64 items has none that Python would give.
    if not obj:
        return 0, 0, 1
    last = obj[-1]
    if last == obj.start:
        return obj.start, obj.start + 1, 1
    return obj.start, last + obj.step, obj.step
