"""Shapes: what a value of some type looks like, and where one does not.

Rules that hold here:

* A shape is compared with a value by exact types. Nothing of a user's class runs: attributes are read from the
  instance's own dict and through the slots that its class declares.
* Depth of the value never becomes depth of calls: what is still to be looked at is a list. Cycles end, because a pair
  of value and shape that is being looked at is taken to fit.
* Alternatives are told apart by the type of the value; where several may fit all of them are followed to their ends,
  each pair of a value and a shape once for all places where it stands: nested alternatives add up, and do not multiply.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .. import _gc_pause
from ..errors import ShapeError, quote

__all__ = [
    "ANY",
    "MAX_STEPS",
    "Bounds",
    "EntriesShape",
    "ExactShape",
    "FieldsShape",
    "ItemsShape",
    "LiteralShape",
    "RecordShape",
    "Shape",
    "TupleShape",
    "UnionShape",
    "check_shape",
]

#: Most containers and records that are looked at, counted once for each shape that they may be of.
MAX_STEPS = 50_000_000
#: Most that is looked at to see whether an alternative fits before all of them are followed.
_AT_ONCE = 32

Part = tuple[Any, "Shape", str]


class Bounds(NamedTuple):
    """What an annotation asks for beside the type: numbers within, lengths within."""

    low: Any = None
    high: Any = None
    above: Any = None
    below: Any = None
    shortest: int | None = None
    longest: int | None = None

    def problem(self, value: Any) -> str | None:
        """Return what is expected of a value of the right type, or None if it is so."""
        # Written so that a NaN, which is neither below nor above, does not pass.
        if self.low is not None and not value >= self.low:
            return f"at least {quote(self.low)}"
        if self.high is not None and not value <= self.high:
            return f"at most {quote(self.high)}"
        if self.above is not None and not value > self.above:
            return f"more than {quote(self.above)}"
        if self.below is not None and not value < self.below:
            return f"less than {quote(self.below)}"
        if self.shortest is not None and len(value) < self.shortest:
            return f"a length of at least {self.shortest}"
        if self.longest is not None and len(value) > self.longest:
            return f"a length of at most {self.longest}"
        return None


class Shape:
    """What a value looks like.

    :ivar name: for messages.
    :ivar kinds: the exact types that a value may have; None for any.
    """

    name = "anything"
    kinds: frozenset[type] | None = None
    bounds: Bounds | None = None
    #: Whether the type says everything, so that there is nothing inside to look at.
    is_leaf = True

    def problem(self, value: Any) -> str | None:
        """Return what is expected in place of *value*, or None if it may be of this shape by itself."""
        if self.kinds is not None and type(value) not in self.kinds:
            return self.name
        return None if self.bounds is None else self.bounds.problem(value)

    def parts(self, value: Any) -> Iterator[Part]:
        """Yield what is inside, the shape of each, and how it is reached; *value* is of the right type.

        :raises ShapeError: for a part that is missing.
        """
        return iter(())


ANY = Shape()


class ExactShape(Shape):
    """A value of one of some types."""

    def __init__(self, name: str, *kinds: type) -> None:
        self.name = name
        self.kinds: frozenset[type] | None = frozenset(kinds)


class LiteralShape(Shape):
    """One of some values."""

    def __init__(self, values: tuple[Any, ...]) -> None:
        self.values: frozenset[tuple[type[Any], Any]] = frozenset((type(value), value) for value in values)
        self.kinds: frozenset[type] | None = frozenset(type(value) for value in values)
        self.name: str = " or ".join(quote(value) for value in values)

    def problem(self, value: Any) -> str | None:
        # Asked for its type first: hashing is code of the value's class.
        if type(value) in (self.kinds or ()) and (type(value), value) in self.values:
            return None
        return self.name


class ItemsShape(Shape):
    """A built-in container, or one of ``collections``, with items of one shape."""

    is_leaf = False

    def __init__(self, name: str, item: Shape, *kinds: type) -> None:
        self.name = name
        self.kinds: frozenset[type] | None = frozenset(kinds)
        self.item = item

    def parts(self, value: Any) -> Iterator[Part]:
        item = self.item
        if item is ANY:
            return
        plain = item.kinds if item.is_leaf and item.bounds is None and type(item) is ExactShape else None
        for index, part in enumerate(value):
            if plain is None or type(part) not in plain:
                yield part, item, f"[{index}]"


class TupleShape(Shape):
    """A tuple with elements each of a shape of its own."""

    is_leaf = False

    def __init__(self, name: str, elements: tuple[Shape, ...]) -> None:
        self.name = name
        self.kinds: frozenset[type] | None = frozenset({tuple})
        self.elements = elements

    def problem(self, value: Any) -> str | None:
        if type(value) is tuple and len(value) != len(self.elements):
            return f"a tuple of {len(self.elements)}"
        return super().problem(value)

    def parts(self, value: Any) -> Iterator[Part]:
        for index, element in enumerate(self.elements):
            yield value[index], element, f"[{index}]"


class EntriesShape(Shape):
    """A dict with keys of one shape and values of another."""

    is_leaf = False

    def __init__(self, name: str, key: Shape, value: Shape, *kinds: type) -> None:
        self.name = name
        self.kinds: frozenset[type] | None = frozenset(kinds)
        self.key = key
        self.value = value

    def parts(self, value: Any) -> Iterator[Part]:
        for key, item in dict.items(value):
            if self.key is not ANY:
                yield key, self.key, f" key {quote(key)}"
            if self.value is not ANY:
                yield item, self.value, f"[{quote(key)}]"


class FieldsShape(Shape):
    """A dict with known keys, as typed dicts are."""

    is_leaf = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.kinds: frozenset[type] | None = frozenset({dict})
        self.fields: dict[str, Shape] = {}
        self.optional: frozenset[str] = frozenset()

    def parts(self, value: Any) -> Iterator[Part]:
        for key, item in value.items():
            shape = self.fields.get(key) if type(key) is str else None
            if shape is None:
                raise ShapeError(f"unexpected key {quote(key)} of a {self.name}", path="")
            yield item, shape, f"[{quote(key)}]"
        for key in self.fields:
            if key not in value and key not in self.optional:
                raise ShapeError(f"expected a key {quote(key)} of a {self.name}", path="")


class RecordShape(Shape):
    """An instance of one class with its fields."""

    is_leaf = False

    def __init__(self, cls: type, name: str) -> None:
        self.cls = cls
        self.name = name
        self.kinds: frozenset[type] | None = frozenset({cls})
        self.fields: dict[str, Shape] = {}
        self.optional: frozenset[str] = frozenset()
        #: Whether the fields are the elements of a tuple.
        self.is_tuple = False

    def problem(self, value: Any) -> str | None:
        wrong = super().problem(value)
        if wrong is None and self.is_tuple and tuple.__len__(value) != len(self.fields):
            return f"a {self.name} of {len(self.fields)}"
        return wrong

    def parts(self, value: Any) -> Iterator[Part]:
        if self.is_tuple:
            for item, (name, shape) in zip(tuple.__iter__(value), self.fields.items(), strict=True):
                yield item, shape, f".{name}"
            return
        found = _attributes(value)
        for name, shape in self.fields.items():
            item = found.get(name, _MISSING)
            if item is _MISSING:
                item = _slot(self.cls, name, value)
            if item is not _MISSING:
                yield item, shape, f".{name}"
            elif name not in self.optional:
                raise ShapeError(f"expected an attribute {name} of a {self.name}", path="")


class UnionShape(Shape):
    """One of several shapes."""

    is_leaf = False

    def __init__(self, alternatives: tuple[Shape, ...]) -> None:
        self.alternatives = alternatives
        self.name: str = " or ".join(dict.fromkeys(shape.name for shape in alternatives))

    def problem(self, value: Any) -> str | None:
        return None if self.fitting(value) else self.name

    def fitting(self, value: Any) -> list[Shape]:
        """Return the alternatives that may fit, by what the value itself is."""
        return [shape for shape in self.alternatives if shape.problem(value) is None]


_MISSING = object()
_MEMBER = types.MemberDescriptorType
_MRO = type.__dict__["__mro__"]
_DICT = type.__dict__["__dict__"]


def _attributes(value: Any) -> Mapping[str, Any]:
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if type(found) is dict else {}


def _slot(cls: type, name: str, value: Any) -> Any:
    for base in _MRO.__get__(cls):  # pyright: ignore[reportIndexIssue]
        member = _DICT.__get__(base).get(name)  # pyright: ignore[reportIndexIssue]
        if type(member) is _MEMBER:
            try:
                return member.__get__(value, cls)
            except AttributeError:
                return _MISSING
    return _MISSING


# ---- the walk ----------------------------------------------------------------------------------------------

#: How a place was reached: the place above, the step from there, and how many steps it is from the root.
Place = tuple[Any, str, int] | None
#: What is wrong, and where.
Wrong = tuple[str, Place]
Inner = tuple[Any, Shape, Place]
Key = tuple[int, int]


def check_shape(value: Any, shape: Shape) -> None:
    """Compare a value with a shape.

    :raises ShapeError: if it is not of the shape; it says where.
    """
    here = object()
    try:
        _gc_pause.enter(here)
        _walk(value, shape)
    finally:
        try:
            _gc_pause.leave(here)
        except BaseException:
            # Interrupted: nobody else would end it.
            _gc_pause.leave(here)
            raise


def _walk(value: Any, shape: Shape) -> None:
    choices = _Choices()
    seen: set[Key] = set()
    pending: list[Inner] = [(value, shape, None)]
    while pending:
        value, shape, place = pending.pop()
        choices.count(place)
        if isinstance(shape, UnionShape):
            fitting = shape.fitting(value)
            if len(fitting) == 1:
                pending.append((value, fitting[0], place))
            else:
                choices.settle(value, shape, fitting, place)
            continue
        key = id(value), id(shape)
        if key in seen:
            continue
        seen.add(key)
        found = _inside(value, shape, place)
        if isinstance(found, tuple):
            raise _error(*found)
        pending += found


def _inside(value: Any, shape: Shape, place: Place) -> list[Inner] | Wrong:
    """Return what is inside of a value and has parts itself, or what is wrong with the value or one without parts."""
    expected = shape.problem(value)
    if expected is not None:
        return f"expected {expected}, got {_kind(value)}", place
    if shape.is_leaf:
        return []
    found: list[Inner] = []
    distance = 1 if place is None else place[2] + 1
    try:
        for part, inner, step in shape.parts(value):
            if not inner.is_leaf:
                found.append((part, inner, (place, step, distance)))
            elif (expected := inner.problem(part)) is not None:
                return f"expected {expected}, got {_kind(part)}", (place, step, distance)
    except ShapeError as error:
        # What is missing is missing here.
        return error.reason, place
    return found


class _Pair:
    """A value and a shape that it may be of.

    :ivar left: 0 when the value is not of the shape; until then, how many alternatives are left, 1 for other shapes.
    :ivar above: pairs that rest on this one; ``below`` those that this one rests on.
    :ivar wrong: why the value is not of the shape, where that shows at the value itself.
    """

    __slots__ = ("above", "below", "left", "place", "shape", "value", "wrong")

    def __init__(self, value: Any, shape: Shape, place: Place) -> None:
        self.value = value
        self.shape = shape
        self.place = place
        self.left = 1
        self.above: list[_Pair] = []
        self.below: list[_Pair] = []
        self.wrong: Wrong | None = None


class _Choices:
    """Tells alternatives apart by what is inside of the values."""

    def __init__(self) -> None:
        self._steps = 0
        #: Pairs that have been followed to their ends: None for one that fits.
        self._settled: dict[Key, _Pair | None] = {}

    def count(self, place: Place) -> None:
        """Count one value that is looked at."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise _error(f"more than {MAX_STEPS} steps to compare it with its type", place)

    def settle(self, value: Any, shape: Shape, fitting: list[Shape], place: Place) -> None:
        """Raise unless a value is of a shape, one of the *fitting* alternatives."""
        key = id(value), id(shape)
        if key not in self._settled:
            if any(self._fits_at_once(value, alternative) for alternative in fitting):
                return
            pairs = self._follow(key, _Pair(value, shape, place))
            for each, pair in pairs.items():
                self._settled[each] = pair if pair.left == 0 else None
                pair.above.clear()
        refuted = self._settled[key]
        if refuted is not None:
            raise _error(*_deepest(refuted))

    def _fits_at_once(self, value: Any, shape: Shape) -> bool:
        """Return whether a value is surely of a shape: most alternatives are small, and have no others inside."""
        work: list[Inner] = [(value, shape, None)]
        steps = 0
        while work:
            value, shape, place = work.pop()
            steps += 1
            if steps > _AT_ONCE:
                return False
            if isinstance(shape, UnionShape):
                fitting = shape.fitting(value)
                if len(fitting) != 1:
                    return False
                work.append((value, fitting[0], place))
                continue
            found = _inside(value, shape, place)
            if isinstance(found, tuple):
                return False
            work += found
        return True

    def _follow(self, key: Key, top: _Pair) -> dict[Key, _Pair]:
        """Follow all alternatives of a pair to their ends. What is not refuted then fits, cycles among it."""
        pairs = {key: top}
        work = [top]
        while work:
            pair = work.pop()
            self.count(pair.place)
            found: list[Inner] | Wrong
            if isinstance(pair.shape, UnionShape):
                fitting = pair.shape.fitting(pair.value)
                if any(shape.is_leaf for shape in fitting):
                    continue
                found = [(pair.value, shape, pair.place) for shape in fitting]
                pair.left = len(found)
                if not found:
                    pair.wrong = f"expected {pair.shape.name}, got {_kind(pair.value)}", pair.place
            else:
                found = _inside(pair.value, pair.shape, pair.place)
                if isinstance(found, tuple):
                    pair.wrong = found
                    pair.left = 0
                    found = []
            for value, shape, place in found:
                key = id(value), id(shape)
                if key in self._settled:
                    settled = self._settled[key]
                    if settled is None:
                        continue
                    below = settled
                elif key in pairs:
                    below = pairs[key]
                else:
                    below = pairs[key] = _Pair(value, shape, place)
                    work.append(below)
                pair.below.append(below)
                below.above.append(pair)
                if below.left == 0:
                    pair.left -= 1
                    if pair.left == 0:
                        break
            if pair.left == 0:
                _refute(pair)
        return pairs


def _refute(pair: _Pair) -> None:
    """Take away from what rests on a pair that does not fit."""
    work = [pair]
    while work:
        for above in work.pop().above:
            if above.left > 0:
                above.left -= 1
                if above.left == 0:
                    work.append(above)


def _deepest(top: _Pair) -> Wrong:
    """Return what is wrong farthest from the root, of all that is wrong with a pair that does not fit."""
    worst: Wrong = f"expected {top.shape.name}, got {_kind(top.value)}", top.place
    found = -1
    seen = {id(top)}
    work = [top]
    while work:
        pair = work.pop()
        if pair.wrong is not None:
            place = pair.wrong[1]
            distance = 0 if place is None else place[2]
            if distance > found:
                found = distance
                worst = pair.wrong
        for below in pair.below:
            if below.left == 0 and id(below) not in seen:
                seen.add(id(below))
                work.append(below)
    return worst


def _error(reason: str, place: Place) -> ShapeError:
    steps = []
    while place is not None:
        place, step, _ = place
        steps.append(step)
    if len(steps) > 40:
        steps = [*steps[:20], "...", *steps[-20:]]
    return ShapeError(reason, path="root" + "".join(reversed(steps)))


def _kind(value: Any) -> str:
    return "None" if value is None else quote(type(value).__name__)[1:-1]
