"""Shapes: what a value of some type looks like, and where one does not.

Rules that hold here:

* A shape is compared with a value by exact types. Nothing of a user's class runs: attributes are read from the
  instance's own dict and through the slots that its class declares.
* Depth of the value never becomes depth of calls: what is still to be looked at is a list. Cycles end, because a pair
  of value and shape that is being looked at is taken to fit.
* Alternatives are told apart by the type of the value; where several may fit they are tried in turn, and one that fits
  is final. The number of steps is bounded.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

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

#: Most containers and records that are looked at, counted once for each alternative that is tried.
MAX_STEPS = 50_000_000

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

#: How a place was reached: the place above, and the step from there.
Place = tuple[Any, str] | None


class _Choice(NamedTuple):
    """A place where several alternatives may fit."""

    value: Any
    place: Place
    alternatives: list[Shape]
    #: What is left to look at after this.
    rest: Any
    #: How many pairs were taken to fit before.
    seen: int


class _Commit(NamedTuple):
    """All of an alternative has been looked at: it fits, and it stays at that."""

    choices: int


def check_shape(value: Any, shape: Shape) -> None:
    """Compare a value with a shape.

    :raises ShapeError: if it is not of the shape; it says where.
    """
    choices: list[_Choice] = []
    seen: dict[tuple[int, int], None] = {}
    worst: ShapeError | None = None
    pending: Any = ((value, shape, None), None)
    steps = 0
    while pending is not None:
        item, pending = pending
        if type(item) is _Commit:
            del choices[item.choices :]
            continue
        steps += 1
        if steps > MAX_STEPS:
            raise ShapeError(f"more than {MAX_STEPS} steps to tell alternatives apart", path=_show(item[2]))
        try:
            found, inner, place = item
            pending = _look(found, inner, place, pending, choices, seen)
        except ShapeError as error:
            if worst is None or len(error.path or "") > len(worst.path or ""):
                worst = error
            if not choices:
                raise worst from None
            pending = _next(choices, seen)


def _look(
    value: Any, shape: Shape, place: Place, pending: Any, choices: list[_Choice], seen: dict[tuple[int, int], None]
) -> Any:
    """Look at one value and return what is to be looked at now."""
    expected = shape.problem(value)
    if expected is not None:
        raise ShapeError(f"expected {expected}, got {_kind(value)}", path=_show(place))
    if shape.is_leaf:
        return pending
    if isinstance(shape, UnionShape):
        fitting = shape.fitting(value)
        if len(fitting) > 1:
            choices.append(_Choice(value, place, fitting[::-1], pending, len(seen)))
            return _next(choices, seen)
        return ((value, fitting[0], place), pending)
    pair = (id(value), id(shape))
    if pair in seen:
        return pending
    seen[pair] = None
    try:
        for part, inner, step in shape.parts(value):
            if inner.is_leaf:
                wrong = inner.problem(part)
                if wrong is not None:
                    raise ShapeError(f"expected {wrong}, got {_kind(part)}", path=_show((place, step)))
            else:
                pending = ((part, inner, (place, step)), pending)
    except ShapeError as error:
        # What is missing is missing here.
        raise error if error.path else ShapeError(error.reason, path=_show(place)) from None
    return pending


def _next(choices: list[_Choice], seen: dict[tuple[int, int], None]) -> Any:
    """Go on with the next alternative of the last choice."""
    choice = choices[-1]
    while len(seen) > choice.seen:
        seen.popitem()
    shape = choice.alternatives.pop()
    if not choice.alternatives:
        # The last one: if it does not fit, the choice before this one has to do better.
        choices.pop()
        return ((choice.value, shape, choice.place), choice.rest)
    return ((choice.value, shape, choice.place), (_Commit(len(choices) - 1), choice.rest))


def _show(place: Place) -> str:
    steps = []
    while place is not None:
        place, step = place
        steps.append(step)
    if len(steps) > 40:
        steps = [*steps[:20], "...", *steps[-20:]]
    return "root" + "".join(reversed(steps))


def _kind(value: Any) -> str:
    return "None" if value is None else quote(type(value).__name__)[1:-1]
