"""The data that is measured: a table of shapes, each made afresh from a fixed seed.

Rules:
- A shape is data that programs really pickle, with the sharing that it really has: an encoder may skip the
  memo for an object that nobody else refers to, so nothing here keeps a second reference to what it builds,
  or hides one.
- Sizes are such that the C pickle takes about a millisecond, and the one written in Python no more than a
  round.
- Group `plain` loads under the default policy. Group `instances` needs a policy: `classes` and `packs` say
  which. Group `real` is what libraries make (real.py); where the library is not installed, its shapes are left out.
"""

from __future__ import annotations

import datetime as dt
import random
import string
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from . import real
from .shape import GROUPS, INSTANCES, PLAIN, REAL, Shape, same_graph, unmet

__all__ = ["GROUPS", "INSTANCES", "PLAIN", "REAL", "SHAPES", "Shape", "select"]

# ---- the classes of the instance shapes --------------------------------------------------------------------


class Point:
    """An ordinary class: its state is its dictionary."""

    def __init__(self, x: int, y: float, label: str) -> None:
        self.x = x
        self.y = y
        self.label = label

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class SlotPoint:
    """The same with slots: its state is a pair, no dictionary and the slots."""

    __slots__ = ("label", "x", "y")

    def __init__(self, x: int, y: float, label: str) -> None:
        self.x = x
        self.y = y
        self.label = label

    def __eq__(self, other: object) -> bool:
        mine = (self.x, self.y, self.label)
        return isinstance(other, SlotPoint) and mine == (other.x, other.y, other.label)

    __hash__ = None  # type: ignore[assignment]


@dataclass
class Order:
    """A dataclass, written like an ordinary class, with more fields."""

    number: int
    customer: str
    amount: float
    paid: bool
    tags: list[str]


# ---- the makers --------------------------------------------------------------------------------------------


def _rng() -> random.Random:
    return random.Random(20240229)


def _word(rng: random.Random, shortest: int = 4, longest: int = 14) -> str:
    return "".join(rng.choices(string.ascii_lowercase, k=rng.randint(shortest, longest)))


def _ints(count: int) -> object:
    rng = _rng()
    # Bits and sign, as in counters, identifiers, time stamps, hashes; one in twenty is beyond a machine word.
    sizes = (7, 8, 8, 12, 16, 16, 20, 24, 28, 30, 31, 31, 32, 32, 40, 48, 62, 63, 64, 160)
    return [rng.getrandbits(rng.choice(sizes)) * rng.choice((1, 1, -1)) for _ in range(count)]


def _floats(count: int) -> object:
    rng = _rng()
    return [rng.uniform(-1e6, 1e6) for _ in range(count)]


def _short_strs(count: int) -> object:
    rng = _rng()
    return [_word(rng) for _ in range(count)]


def _long_strs(count: int) -> object:
    rng = _rng()
    texts = []
    for number in range(count):
        words = [_word(rng) for _ in range(rng.randint(30, 300))]
        if number % 4 == 0:
            words[len(words) // 2] = "naïve Grüße, 你好 мир"
        texts.append(" ".join(words))
    return texts


def _repeated_strs(count: int) -> object:
    rng = _rng()
    names = [_word(rng) for _ in range(100)]
    return [rng.choice(names) for _ in range(count)]


def _bytes(count: int) -> object:
    rng = _rng()
    return [rng.randbytes(rng.choice((8, 16, 32, 64, 200, 1000, 4000))) for _ in range(count)]


def _records(count: int) -> object:
    rng = _rng()
    return [
        {
            "id": number,
            "name": _word(rng),
            "score": rng.random(),
            "active": rng.random() < 0.5,
            "parent": None if number % 3 else rng.randrange(100_000),
            "tags": [_word(rng) for _ in range(rng.randrange(3))],
        }
        for number in range(count)
    ]


def _dict_of_ints(count: int) -> object:
    rng = _rng()
    return {key: rng.getrandbits(rng.choice((8, 16, 31))) for key in rng.sample(range(count * 10), count)}


def _nested_lists(count: int) -> object:
    rng = _rng()

    def tree(depth: int) -> list[object]:
        if depth == 0:
            return [rng.randrange(1000) for _ in range(3)]
        return [tree(depth - 1) for _ in range(4)]

    return [tree(3) for _ in range(max(1, count // 85))]  # 85 lists in a tree


def _tuples(count: int) -> object:
    rng = _rng()
    return [(number, rng.random(), _word(rng), True, None)[: 1 + number % 5] for number in range(count)]


def _sets(count: int) -> object:
    rng = _rng()
    return [
        {rng.randrange(10_000) for _ in range(10)} if number % 2 else {_word(rng) for _ in range(5)}
        for number in range(count)
    ]


def _bools_and_none(count: int) -> object:
    rng = _rng()
    return [rng.choice((True, False, None)) for _ in range(count)]


def _linked_lists(count: int) -> object:
    # pickle follows links by recursion and writes no chain of more than a few hundred; the Python form fewer still.
    rng = _rng()
    chains = []
    for _ in range(max(1, count // 150)):
        node: dict[str, Any] | None = None
        for _ in range(min(count, 150)):
            node = {"value": rng.randrange(10**6), "next": node}
        chains.append(node)
    return chains


def _shared(count: int) -> object:
    """Orders that refer to the same customers and the same pairs, a list twice among them."""
    rng = _rng()
    customers = [{"name": _word(rng), "city": _word(rng), "tags": [_word(rng)]} for _ in range(max(1, count // 20))]
    pairs = [(rng.random(), _word(rng)) for _ in range(50)]
    orders: list[Any] = [
        {"number": number, "customer": rng.choice(customers), "at": rng.choice(pairs)} for number in range(count)
    ]
    return [orders, orders, customers]


def _cyclic(count: int) -> object:
    """Rings of nodes with neighbours on both sides, and each in its own list."""
    rng = _rng()
    rings = []
    for _ in range(max(1, count // 20)):
        nodes: list[dict[str, Any]] = [{"id": rng.randrange(10**6), "near": []} for _ in range(min(20, count))]
        for index, node in enumerate(nodes):
            node["near"] += [nodes[index - 1], nodes[(index + 1) % len(nodes)], node["near"]]
        rings.append(nodes)
    return rings


def _small_message(_: int) -> object:
    return {
        "id": 81_223,
        "method": "orders.update",
        "user": "j.doe@example.org",
        "roles": ["clerk", "auditor"],
        "amount": 129.95,
        "retry": False,
        "trace": b"\x8f\x1e\x02\xd4\x99\x00\x7f\x31",
        "parent": None,
    }


def _small_object(_: int) -> object:
    order = Order(81_223, "j.doe@example.org", 129.95, False, ["gift"])
    return {"order": order, "due": dt.date(2024, 2, 29), "total": Decimal("155.94"), "retry": False}


def _points(count: int) -> object:
    rng = _rng()
    return [Point(number, rng.random(), _word(rng)) for number in range(count)]


def _slot_points(count: int) -> object:
    rng = _rng()
    return [SlotPoint(number, rng.random(), _word(rng)) for number in range(count)]


def _orders(count: int) -> object:
    rng = _rng()

    def order(number: int) -> Order:
        tags = [_word(rng) for _ in range(number % 3)]
        return Order(number, _word(rng), rng.uniform(1, 500), number % 2 == 0, tags)

    return [order(number) for number in range(count)]


def _datetimes(count: int) -> object:
    rng = _rng()
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    return [start + dt.timedelta(microseconds=rng.randrange(10**14)) for _ in range(count)]


def _collections(count: int) -> object:
    """Shelves with an ordered index, a queue of the latest, groups by kind and a count of each."""
    rng = _rng()
    words = [_word(rng) for _ in range(200)]

    def shelf(number: int) -> dict[str, Any]:
        found = rng.choices(words, k=8)
        groups: defaultdict[str, list[int]] = defaultdict(list)
        for place, word in enumerate(found):
            groups[word[:1]].append(place)
        return {
            "number": number,
            "index": OrderedDict((word, place) for place, word in enumerate(found)),
            "latest": deque(found[:4], maxlen=4),
            "groups": groups,
            "counts": Counter(found),
        }

    return [shelf(number) for number in range(count)]


def _decimals(count: int) -> object:
    rng = _rng()
    return [Decimal(rng.randrange(10**9)).scaleb(-2) for _ in range(count)]


# ---- the table ---------------------------------------------------------------------------------------------


_SMALL_OBJECT: Final = Shape(
    "small_object",
    "one dict with an instance, a date and a Decimal",
    _small_object,
    1,
    INSTANCES,
    classes=(Order,),
    packs=("stdlib",),
)

SHAPES: Final = (
    Shape("ints", "list of ints of 7 to 64 bits and a few of 160, both signs", _ints, 10_000),
    Shape("floats", "list of floats", _floats, 10_000),
    Shape("short_strs", "list of unique strings of 4 to 14 characters", _short_strs, 10_000),
    Shape("long_strs", "list of texts of 0.3 to 3 kB, a quarter of them not ASCII", _long_strs, 1_000),
    Shape("repeated_strs", "list that refers to 100 strings again and again", _repeated_strs, 20_000),
    Shape("bytes", "list of bytes, 8 to 4000 each", _bytes, 4_000),
    Shape("records", "list of dicts with the same six keys", _records, 2_000),
    Shape("dict_of_ints", "one dict of ints by ints", _dict_of_ints, 10_000),
    Shape("nested_lists", "trees of lists, four deep", _nested_lists, 8_500),
    Shape("tuples", "list of tuples of one to five mixed values", _tuples, 10_000),
    Shape("sets", "list of sets of ints and sets of strings", _sets, 1_000),
    Shape("bools_and_none", "list of True, False and None", _bools_and_none, 50_000),
    Shape("linked_lists", "chains of 150 dicts, each in the one before", _linked_lists, 6_000),
    Shape("shared", "orders that share their customers and other parts", _shared, 4_000, same=same_graph),
    Shape("cyclic", "rings of nodes that refer to each other", _cyclic, 4_000, same=same_graph, is_cyclic=True),
    Shape("small_message", "one dict of eight entries, 200 bytes", _small_message, 1),
    Shape("objects", "instances of an ordinary class", _points, 10_000, INSTANCES, (Point,)),
    Shape("slots", "instances of a class with __slots__", _slot_points, 10_000, INSTANCES, (SlotPoint,)),
    Shape("dataclasses", "instances of a dataclass", _orders, 10_000, INSTANCES, (Order,)),
    Shape("datetimes", "aware datetimes in UTC", _datetimes, 10_000, INSTANCES, packs=("stdlib",)),
    Shape("decimals", "Decimals", _decimals, 10_000, INSTANCES, packs=("stdlib",)),
    Shape("collections", "OrderedDict, deque, defaultdict, Counter", _collections, 500, INSTANCES, packs=("stdlib",)),
    _SMALL_OBJECT,
    *real.SHAPES,
)


def select(names: str | None) -> tuple[Shape, ...]:
    """Return the shapes named in a comma-separated list of shapes and groups; for None all that can be made here.

    :raises ValueError: for a name that is neither, and for a shape whose library is not installed.
    """
    if names is None:
        return tuple(shape for shape in SHAPES if unmet(shape) is None)
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in GROUPS and not any(name == shape.name for shape in SHAPES):
            raise ValueError(f"no such shape: {name} (there are {', '.join((*GROUPS, *(one.name for one in SHAPES)))})")
    for shape in SHAPES:
        if shape.name in wanted and (missing := unmet(shape)) is not None:
            raise ValueError(f"{shape.name} needs {missing}, which is not installed")
    chosen = (shape for shape in SHAPES if shape.name in wanted or shape.group in wanted)
    return tuple(shape for shape in chosen if unmet(shape) is None)
