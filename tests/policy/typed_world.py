# ruff: noqa: E501 (tables of cases, one beside the other)
"""Classes of every kind that a type annotation may lead to."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    TypedDict,
    TypeVar,
    Union,
)

import attrs
import pydantic

T = TypeVar("T")
N = TypeVar("N", int, str)
Name = NewType("Name", str)


class Color(enum.Enum):
    RED = 1
    GREEN = "g"


class Flags(enum.IntFlag):
    A = 1
    B = 2


class Shade(enum.Enum):
    LIGHT = enum.auto()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return getattr, (Shade, self.name)


class Named(NamedTuple):
    x: int
    name: str = ""


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Base:
    pass


@dataclasses.dataclass
class Item:
    price: decimal.Decimal
    color: Color = Color.RED
    count: ClassVar[int] = 0


@dataclasses.dataclass
class Order:
    items: list[Item]
    when: dt.datetime | None = None
    parent: Order | None = None
    tags: dict[str, set[int]] = dataclasses.field(default_factory=dict)
    later: int = dataclasses.field(init=False)


@dataclasses.dataclass
class Derived(Item):
    weight: float = 0


@dataclasses.dataclass(slots=True)
class Slots:
    x: int
    y: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenSlots:
    x: int
    y: str = "a"


@dataclasses.dataclass
class Box(Generic[T]):
    content: T


@dataclasses.dataclass
class Cased(Box[str]):
    label: str = ""


@dataclasses.dataclass
class Both(Box[int], Generic[T]):
    other: T | None = None


@attrs.define
class Attrs:
    x: int
    _y: str = "b"


@attrs.define(slots=False)
class PlainAttrs:
    x: int


class Model(pydantic.BaseModel):
    x: int
    items: list[Item] = []
    n: Annotated[int, pydantic.Field(ge=0)] = 0


class Extra(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    x: int
    _seen: int = pydantic.PrivateAttr(default=1)


@dataclasses.dataclass
class Bounded:
    share: Annotated[float, pydantic.Field(ge=0, le=1)]
    names: Annotated[list[str], pydantic.Field(max_length=2)]


@dataclasses.dataclass
class Hooked:
    x: int

    def __setstate__(self, state: Any) -> None:
        self.x = 0


@dataclasses.dataclass
class Reducing(Item):
    def __reduce__(self) -> Any:
        return Item, ()


class Bare:
    x: int


@dataclasses.dataclass
class Lost:
    x: Missing  # type: ignore[name-defined] # noqa: F821


class Node(TypedDict):
    children: list[Node]


#: An annotation, values of it, and values that are not, with what is said.
KINDS: list[tuple[Any, list[Any], list[tuple[Any, str]]]] = [
    (int, [1], [("a", "root: expected int, got str"), (True, "expected int, got bool"), (None, "got None")]),
    (float, [1.5, 2], [("a", "expected float")]),
    (type(None), [None], [(1, "expected None")]),
    (Any, [None, [1, {"a": (2,)}]], []),
    (str, ["a"], [(b"a", "got bytes")]),
    (decimal.Decimal, [decimal.Decimal("1.5")], [(1.5, "expected Decimal, got float")]),
    (uuid.UUID, [uuid.UUID(int=5)], [(5, "expected UUID")]),
    (dt.datetime, [dt.datetime(2020, 1, 1, tzinfo=dt.UTC)], [(dt.date(2020, 1, 1), "expected datetime")]),
    (Path, [Path("a/b")], [("a", "expected Path")]),
    (list[int], [[], [1, 2]], [([1, "a"], "root[1]: expected int, got str"), ((1,), "expected list[int]")]),
    (list, [[1, "a"]], [((), "expected list")]),
    (set[str], [{"a"}], [({1}, "expected str")]),
    (frozenset[int], [frozenset({1})], [({1}, "got set")]),
    (tuple[int, str], [(1, "a")], [((1,), "a tuple of 2"), ((1, 2), "root[1]: expected str"), ([1, "a"], "got list")]),
    (tuple[()], [()], [((1,), "a tuple of 0")]),
    (tuple[int, ...], [(), (1, 2)], [((1, "a"), "root[1]: expected int")]),
    (dict[str, list[int]], [{"a": [1]}], [({"a": [None]}, "root['a'][0]: expected int, got None"), ({1: []}, "root key 1: expected str")]),
    (Mapping[str, int], [{"a": 1}], [([("a", 1)], "got list")]),
    (Sequence[int], [[1], (1,)], [({1}, "got set"), (["a"], "root[0]")]),
    (deque[int], [deque([1], 3)], [(deque(["a"]), "root[0]: expected int"), ([1], "got list")]),
    (OrderedDict[str, int], [OrderedDict(a=1)], [({"a": 1}, "got dict")]),
    (defaultdict[str, list[int]], [defaultdict(list, a=[1])], [(defaultdict(list, a=["x"]), "root['a'][0]")]),
    (Counter[str], [Counter("aab")], [(Counter([1]), "root key 1: expected str")]),
    (Optional[int], [1, None], [("a", "expected int or None, got str")]),
    (Union[int, list[str]], [1, ["a"]], [([1], "root[0]: expected str"), ("a", "expected int or list[str]")]),
    (int | None, [1, None], [(1.0, "expected int or None")]),
    (Literal["a", 1], ["a", 1], [(True, "expected 'a' or 1"), ("b", "got str"), ([], "got list")]),
    (list[int] | list[str], [[1], ["a"], []], [([1, "a"], "root[")]),
    (dict[str, list[int] | list[str]], [{"a": [1], "b": ["x"]}], [({"a": [1], "b": ["x", 2]}, "root['b'][")]),
    (Color, [Color.RED, Color.GREEN], [(1, "expected Color, got int")]),
    (Flags, [Flags.A, Flags.A | Flags.B], [(1, "expected Flags")]),
    (Shade, [Shade.LIGHT], []),
    (Literal[Color.RED], [Color.RED], [(Color.GREEN, "got Color")]),
    (Named, [Named(1, "a")], [(Named("a"), "root.x: expected int, got str"), ((1, "a"), "expected Named, got tuple")]),  # type: ignore[arg-type]
    (Movie, [{"title": "a"}, {"title": "a", "year": 1}], [({}, "root: expected a key 'title'"), ({"title": 1}, "root['title']"), ({"title": "a", "x": 1}, "unexpected key 'x'")]),
    (Item, [Item(decimal.Decimal(1))], [(Item(1.5), "root.price: expected Decimal, got float"), (Order([]), "expected Item, got Order")]),  # type: ignore[arg-type]
    (Derived, [Derived(decimal.Decimal(1), weight=2.5)], [(Derived(decimal.Decimal(1), weight="a"), "root.weight"), (Item(decimal.Decimal(1)), "got Item")]),  # type: ignore[arg-type]
    (
        Order,
        [Order([Item(decimal.Decimal(1))], dt.datetime(2020, 1, 1, tzinfo=dt.UTC)), Order([], parent=Order([]), tags={"a": {1}})],
        [
            (Order([Item(decimal.Decimal(1)), Item("x")]), "root.items[1].price: expected Decimal, got str"),  # type: ignore[arg-type]
            (Order([], parent=Order([], when=5)), "root.parent.when: expected datetime or None, got int"),  # type: ignore[arg-type]
            (Order([], tags={"a": {"x"}}), "root.tags['a'][0]: expected int"),  # type: ignore[dict-item]
        ],
    ),
    (Slots, [Slots(1), Slots(1, (2,))], [(Slots("a"), "root.x"), (Slots(1, ("a",)), "root.y[0]")]),  # type: ignore[arg-type]
    (FrozenSlots, [FrozenSlots(1)], [(FrozenSlots("a"), "root.x: expected int")]),  # type: ignore[arg-type]
    (Box[int], [Box(1)], [(Box("a"), "root.content: expected int")]),
    (Box, [Box(1), Box("a")], []),
    (Box[Box[int]], [Box(Box(1))], [(Box(Box("a")), "root.content.content: expected int"), (Box(1), "root.content: expected Box")]),
    (list[Box[int] | Box[str]], [[Box(1), Box("a")]], [([Box(1), Box(2.5)], "root[1].content: expected")]),
    (Cased, [Cased("a")], [(Cased(1), "root.content: expected str")]),  # type: ignore[arg-type]
    (Both[str], [Both(1, "a")], [(Both("a", "a"), "root.content: expected int"), (Both(1, 2), "root.other: expected")]),  # type: ignore[arg-type]
    (Attrs, [Attrs(1)], [(Attrs("a"), "root.x: expected int")]),  # type: ignore[arg-type]
    (PlainAttrs, [PlainAttrs(1)], [(PlainAttrs("a"), "root.x: expected int")]),  # type: ignore[arg-type]
    (Model, [Model(x=1, items=[Item(decimal.Decimal(1))])], [(Model.model_construct(x="a"), "root.x"), (Model.model_construct(x=1, n=-1), "root.n: expected at least 0")]),
    (Extra, [Extra(x=1, more="b")], [(Extra.model_construct(x="a"), "root.x")]),  # type: ignore[call-arg]
    (Bounded, [Bounded(0.5, ["a"])], [(Bounded(1.5, []), "root.share: expected at most 1"), (Bounded(0, ["a"] * 3), "root.names: expected a length of at most 2")]),
    (Name, ["a"], [(1, "expected str")]),
    (N, [1, "a"], [(1.5, "expected int or str")]),
    (Annotated[list[int], "told"], [[1]], [(["a"], "root[0]")]),
    (Node, [{"children": [{"children": []}]}], [({"children": [{"children": [1]}]}, "root['children'][0]['children'][0]: expected Node")]),
    (deque[int], [deque([1])], [([1], "got list")]),
]  # fmt: skip
