"""Classes and annotations that policies are made from, and a second judge of what values are of them.

Rules that hold here:

* The classes are of this module, so that they are found under their names.
* `fits` is written from the meaning of annotations, without a line of the package.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import pathlib
import types
import typing
import uuid
from collections import abc
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, Optional, TypedDict, TypeVar

T = TypeVar("T")
Bounded = TypeVar("Bounded", bound=int)
Either = TypeVar("Either", int, str)


class AtLeast(NamedTuple):
    """Bounds as annotated-types has them."""

    ge: Any = None
    le: Any = None
    gt: Any = None
    lt: Any = None
    min_length: int | None = None
    max_length: int | None = None


@dataclasses.dataclass
class Plain:
    """Fields in a dict."""

    number: int = 0
    text: Annotated[str, AtLeast(max_length=5)] = ""
    more: list[float] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    """Frozen, with slots: its state is a list."""

    number: Annotated[int, AtLeast(ge=0, lt=100)] = 0
    child: Optional[Frozen] = None  # noqa: UP045


@dataclasses.dataclass(slots=True)
class Slotted:
    """Slots that may be set."""

    value: Any = None


@dataclasses.dataclass
class Later:
    """A field that the constructor does not take."""

    first: int = 1
    second: str = dataclasses.field(init=False, default="x")


@dataclasses.dataclass
class Box(Generic[T]):
    """Of any type."""

    item: T


@dataclasses.dataclass
class Numbers(Box[int]):
    """Of a type that its base leaves open."""

    name: str = ""


class Pair(NamedTuple):
    """A tuple with names."""

    left: int = 0
    right: str | None = None


class Options(TypedDict):
    """A dict with known keys."""

    name: str
    size: NotRequired[int]


class Loose(TypedDict, total=False):
    """A dict whose keys may all be missing."""

    name: typing.Required[str]
    size: int


class Color(enum.Enum):
    """Looked up by value."""

    RED = 1
    BLUE = "b"


class Flags(enum.Flag):
    """A set of bits."""

    A = 1
    B = 2


class Odd(enum.Enum):
    """Values that are no plain ones."""

    PAIR = (1, 2)


Name = NewType("Name", str)


# -- what no policy can be made from ---------------------------------------------------------------------------------


class Reduces:
    """Says itself how it is pickled."""

    def __reduce__(self) -> Any:
        return (Reduces, ())


@dataclasses.dataclass
class SetsState:
    """A dataclass that does."""

    number: int = 0

    def __setstate__(self, state: Any) -> None:
        """Take anything."""


class Bare:
    """No fields that anybody knows."""


@dataclasses.dataclass
class Lost:
    """A field of a type that there is not."""

    other: Missing  # type: ignore[name-defined]  # noqa: F821


class Untold(collections.namedtuple("Untold", "first second")):  # noqa: PYI024
    """A named tuple without types."""

    __slots__ = ()


def _local() -> Any:
    @dataclasses.dataclass
    class Local:
        number: int = 0

    return Local


REFUSED: tuple[Any, ...] = (
    Reduces, SetsState, Bare, Lost, Untold, _local(), "Plain", list["Missing"], abc.Callable[[], int], 5, print,  # type: ignore[name-defined]  # noqa: F821
    typing.Literal, type[int], abc.Iterator[int],
)  # fmt: skip

_LEAVES: tuple[Any, ...] = (
    int, str, bool, float, bytes, None, complex, bytearray, range, slice, decimal.Decimal, fractions.Fraction, dt.date,
    dt.datetime, dt.time, dt.timedelta, dt.timezone, uuid.UUID, pathlib.PurePosixPath, pathlib.Path,
)  # fmt: skip
_CLASSES: tuple[Any, ...] = (
    Plain, Frozen, Slotted, Later, Pair, Options, Loose, Color, Flags, Odd, Numbers, Name, Box[int], Box[str],
    Box[Pair], Box,
)  # fmt: skip
_GENERIC: tuple[Any, ...] = (
    list, set, frozenset, tuple, dict, collections.deque, collections.OrderedDict, collections.defaultdict,
    collections.Counter, abc.Sequence, abc.Mapping, abc.Iterable, abc.Set, abc.MutableSequence,
)  # fmt: skip
_OF_ONE = (list, set, frozenset, collections.deque, abc.Sequence, abc.Iterable, abc.Set, abc.MutableSequence, Optional)
_OF_TWO = (dict, collections.OrderedDict, collections.defaultdict, abc.Mapping)
_WRAPPERS = (typing.Final, typing.Required, typing.NotRequired)
_UNIONS = (typing.Union, types.UnionType)
_HASHABLE = (int, str, bool, None, Literal[1, "a"], Pair, Color)
_LITERALS = (Literal[1, "a", True], Literal[b"x", 5], Literal[Color.RED])
_BOUNDS = (
    AtLeast(ge=0), AtLeast(le=10), AtLeast(gt=0, lt=3), AtLeast(min_length=1), AtLeast(max_length=2), AtLeast(),
)  # fmt: skip


def annotation(draw: Any, depth: int = 3) -> Any:
    """Return an annotation."""
    kind = draw.below(12 if depth else 4)
    if depth == 3 and draw.chance(20):
        return draw.pick((typing.Final[int], typing.Required[str], typing.NotRequired[str]))
    if kind < 3:
        return draw.pick(_LEAVES)
    if kind == 3:
        return draw.pick((Any, object, *_CLASSES))
    if kind == 4:
        return draw.pick(_CLASSES)
    if kind == 5:
        return draw.pick((*_GENERIC, *_LITERALS, T, Bounded, Either))
    if kind == 6:
        inner = draw.pick(_HASHABLE) if draw.below(2) else annotation(draw, depth - 1)
        return draw.pick(_OF_ONE)[inner]
    if kind == 7:
        return draw.pick(_OF_TWO)[draw.pick(_HASHABLE), annotation(draw, depth - 1)]
    if kind == 8:
        parts: Any = tuple(annotation(draw, depth - 1) for _ in range(draw.below(4)))
        of: Any = tuple
        return of[parts] if draw.below(2) else of[(*parts[:1], ...)] if parts else of[()]
    if kind == 9:
        # Two alternatives that only what is inside tells apart, now and then.
        return annotation(draw, depth - 1)
    if kind == 10:
        bounds = draw.pick(_BOUNDS)
        bounded: Any = (
            draw.pick((int, float))
            if bounds[4:] == (None, None)
            else draw.pick((str, bytes, list[int], dict[str, int]))
        )
        return Annotated[bounded, bounds, "a word"]
    boxed: Any = Box
    return boxed[annotation(draw, depth - 1)]


def is_open(of: Any) -> bool:
    """Say whether an annotation leaves something open: there a policy allows plain data only."""
    origin, args = typing.get_origin(of), typing.get_args(of)
    if (
        of in (Any, object, Slotted, Box)
        or of in _GENERIC
        or (isinstance(of, TypeVar) and of is not Bounded and of is not Either)
    ):
        return True
    return origin is not Literal and any(
        is_open(part) for part in args if part is not ... and not isinstance(part, AtLeast | str)
    )


# -- values ----------------------------------------------------------------------------------------------------------

_SAMPLES: dict[Any, Any] = {
    int: (0, 5, -1, 10**6, True), str: ("", "a", "abc"), bool: (True, False, 1), float: (1.5, 2),
    bytes: (b"", b"x", "x"), complex: (1j, 1, 1.0), bytearray: (bytearray(b"x"), b"x"), range: (range(3), [0]),
    slice: (slice(1), None), decimal.Decimal: (decimal.Decimal(1), 1),
    fractions.Fraction: (fractions.Fraction(1, 2), 1),
    dt.date: (dt.date(2020, 1, 1), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
    dt.datetime: (dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.date(2020, 1, 1)),
    dt.time: (dt.time(1), None), dt.timedelta: (dt.timedelta(1), 1), dt.timezone: (dt.UTC, None),
    uuid.UUID: (uuid.UUID(int=3), 3), pathlib.PurePosixPath: (pathlib.PurePosixPath("a"), "a"),
    pathlib.Path: (pathlib.Path("a"), pathlib.PurePosixPath("a")), type(None): (None, 0),
}  # fmt: skip
_ANYTHING: tuple[Any, ...] = (None, 1, "a", [1], {"a": 1}, (1, 2), 1.5, b"x", set(), Color.RED, Pair(), Plain())


def value(draw: Any, of: Any, depth: int = 5) -> Any:
    """Return a value that is of the annotation most often, and otherwise nearly so."""
    if draw.chance(14) or depth < 0:
        return draw.pick(_ANYTHING)
    of = type(None) if of is None else of
    origin, args = typing.get_origin(of), typing.get_args(of)
    if origin is Annotated:
        return value(draw, args[0], depth)
    if origin in _WRAPPERS:
        return value(draw, args[0], depth)
    if origin is Literal:
        return draw.pick(args)
    if origin in _UNIONS:
        return value(draw, draw.pick(args), depth)
    if of in _SAMPLES:
        return draw.pick(_SAMPLES[of])
    if isinstance(of, TypeVar) or of in (Any, object):
        return draw.pick(_ANYTHING)
    if of is Name:
        return draw.pick(("n", 5))
    kind = origin or of
    if kind in _GENERIC:
        return _container(draw, kind, args, depth, empty=origin is tuple and not args)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return draw.pick((*kind, Flags.A | Flags.B)) if kind is Flags else draw.pick(tuple(kind))
    return _record(draw, kind, args, depth)


def _container(draw: Any, kind: Any, args: Any, depth: int, *, empty: bool) -> Any:
    size = draw.below(4)
    if kind is tuple:
        if len(args) == 2 and args[1] is ...:
            return tuple(value(draw, args[0], depth - 1) for _ in range(size))
        wanted = args if args or empty else tuple([int] * size)
        return tuple(value(draw, part, depth - 1) for part in (wanted if not draw.chance(9) else wanted[:-1]))
    if kind is collections.Counter:
        return collections.Counter({draw.pick(("a", "b", 3)): draw.pick((1, 2, "x")) for _ in range(size)})
    made_of: Any = {
        abc.Sequence: draw.pick((list, tuple)), abc.Iterable: list, abc.Set: frozenset, abc.MutableSequence: list,
        abc.Mapping: dict,
    }.get(kind, kind)  # fmt: skip
    if made_of in (dict, collections.OrderedDict, collections.defaultdict):
        made = collections.defaultdict(list) if made_of is collections.defaultdict else made_of()
        for _ in range(size):
            key = value(draw, args[0] if args else str, depth - 1)
            made[_hashable(key)] = value(draw, args[1] if args else int, depth - 1)
        return made
    items = [value(draw, args[0] if args else int, depth - 1) for _ in range(size)]
    return made_of(map(_hashable, items)) if made_of in (set, frozenset) else made_of(items)


def _hashable(one: Any) -> Any:
    try:
        hash(one)
    except TypeError:
        return "unhashable"
    return one


def _record(draw: Any, kind: Any, args: Any, depth: int) -> Any:
    if kind in (Options, Loose):
        made = {"name": value(draw, str, depth - 1)}
        if draw.below(2):
            made["size"] = value(draw, int, depth - 1)
        if draw.chance(8):
            made.pop("name")
        if draw.chance(8):
            made[draw.pick(("extra", 5))] = 1
        return made
    hints = {name: _known(hint, kind, args) for name, hint in _hints_of(kind).items()}
    fields = {name: value(draw, hint, depth - 1) for name, hint in hints.items()}
    if kind is Pair:
        return Pair(**fields)
    made = kind.__new__(kind)
    for name, item in fields.items():
        if not draw.chance(20):
            object.__setattr__(made, name, item)
        else:
            # A field that is missing; with slots and a list as state it cannot be.
            object.__setattr__(made, name, item) if kind is Frozen else None
    if draw.chance(20) and kind is Plain:
        made.surplus = 1
    return made


def _hints_of(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def _known(hint: Any, kind: Any, args: Any) -> Any:
    if isinstance(hint, TypeVar):
        return int if kind is Numbers else args[0] if args else Any
    return hint


# -- the judge -------------------------------------------------------------------------------------------------------

_EXACT: dict[Any, tuple[type, ...]] = {
    float: (float, int), complex: (complex, float, int), pathlib.Path: (pathlib.PosixPath, pathlib.Path),
    dt.timezone: (dt.timezone,),
}  # fmt: skip
_KINDS: dict[Any, tuple[type, ...]] = {
    abc.Sequence: (list, tuple), abc.Iterable: (list, tuple), abc.Set: (set, frozenset), abc.MutableSequence: (list,),
    abc.Mapping: (dict,),
}  # fmt: skip


def fits(one: Any, of: Any) -> bool:
    """Say whether a value is of an annotation."""
    of = type(None) if of is None else of
    if of is Any or of is object:
        return True
    if isinstance(of, TypeVar):
        parts = of.__constraints__ or (() if of.__bound__ is None else (of.__bound__,))
        return not parts or any(fits(one, part) for part in parts)
    if of is Name:
        return type(one) is str
    origin, args = typing.get_origin(of), typing.get_args(of)
    if origin is Annotated:
        return fits(one, args[0]) and all(_within(one, part) for part in args[1:] if isinstance(part, AtLeast))
    if origin in _WRAPPERS:
        return fits(one, args[0])
    if origin is Literal:
        return any(type(one) is type(part) and one == part for part in args)
    if origin in _UNIONS:
        return any(fits(one, part) for part in args)
    if of in _SAMPLES:
        return type(one) in _EXACT.get(of, (of,))
    kind = origin or of
    if kind in _GENERIC:
        return _fits_container(one, kind, args, empty=origin is tuple and not args)
    if issubclass(kind, enum.Enum):
        return type(one) is kind
    return _fits_record(one, kind, args)


def _within(one: Any, bounds: AtLeast) -> bool:
    return bool(
        (bounds.ge is None or one >= bounds.ge) and (bounds.le is None or one <= bounds.le)
        and (bounds.gt is None or one > bounds.gt) and (bounds.lt is None or one < bounds.lt)
        and (bounds.min_length is None or len(one) >= bounds.min_length)
        and (bounds.max_length is None or len(one) <= bounds.max_length)
    )  # fmt: skip


def _fits_container(one: Any, kind: Any, args: Any, *, empty: bool) -> bool:
    if type(one) not in _KINDS.get(kind, (kind,)):
        return False
    if empty:
        return bool(one == ())
    if kind is tuple and args != ():
        if len(args) == 2 and args[1] is ...:
            return all(fits(item, args[0]) for item in one)
        return len(one) == len(args) and all(map(fits, one, args))
    if kind is collections.Counter:
        return all(type(count) is int for count in one.values()) and (
            not args or all(fits(key, args[0]) for key in one)
        )
    if not args:
        return True
    if len(args) == 2:
        return all(fits(key, args[0]) and fits(item, args[1]) for key, item in one.items())
    return all(fits(item, args[0]) for item in one)


def _fits_record(one: Any, kind: Any, args: Any) -> bool:
    if kind in (Options, Loose):
        return (
            type(one) is dict and set(one) <= {"name", "size"} and "name" in one and type(one["name"]) is str
            and ("size" not in one or type(one["size"]) is int)
        )  # fmt: skip
    if type(one) is not kind:
        return False
    for name, hint in _hints_of(kind).items():
        if not hasattr(one, name) or (kind in (Plain, Later, Box, Numbers) and name not in vars(one)):
            if kind is Later and name == "second":
                continue
            return False
        if not fits(getattr(one, name), _known(hint, kind, args)):
            return False
    return kind is not Plain or set(vars(one)) <= {"number", "text", "more"}
