"""What the tests of the encoder write: classes that pickle can find, and strategies for values."""

from __future__ import annotations

import weakref
from typing import Any

from hypothesis import strategies as st

plain_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters())  # lone surrogates too
    | st.binary()
    | st.binary().map(bytearray)
    | st.builds(range, st.integers(-5, 5), st.integers(-5, 5), st.integers(1, 3))
    | st.sampled_from([Ellipsis, NotImplemented, (), "", b""])
)
keys = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda part: st.tuples(part, part) | st.frozensets(part, max_size=4),
    max_leaves=6,
)


def containers(part: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(part, max_size=6)
        | st.tuples(part)
        | st.lists(part, max_size=6).map(tuple)
        | st.dictionaries(keys, part, max_size=6)
        | st.sets(keys, max_size=6)
        | st.frozensets(keys, max_size=6)
    )


#: Plain data; `values` are objects that need no rule, too.
plain_values = st.recursive(plain_leaves, containers, max_leaves=40)
values = st.recursive(plain_leaves | st.sampled_from([type(None), type(...)]), containers, max_leaves=40)


class Point:
    """A plain class: nothing of pickling is its own."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __eq__(self, other: object) -> bool:
        return type(other) is Point and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    class Inner:
        """A nested class."""


class Slots:
    __slots__ = ("a", "b")


class Listed(list):  # type: ignore[type-arg]
    pass


class Mapped(dict):  # type: ignore[type-arg]
    pass


class Pair(tuple):  # type: ignore[type-arg]
    __slots__ = ()


class Named:
    """Has arguments for __new__."""

    def __new__(cls, name: str, *, size: int = 0) -> Named:
        self = super().__new__(cls)
        self.name, self.size = name, size
        return self

    name: str
    size: int

    def __getnewargs_ex__(self) -> Any:
        return (self.name,), {"size": self.size}


class Built:
    """Is made by a method of its class, as bidict's are."""

    def __init__(self, *items: Any) -> None:
        self.items = items

    @classmethod
    def from_items(cls, items: Any) -> Any:
        """Make one."""
        return cls(*items)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.items == self.items  # type: ignore[attr-defined]

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> Any:
        return self.from_items, (self.items,)


class BuiltToo(Built):
    """Inherits the method."""


class Reduces:
    """Returns what it was given from __reduce__, and counts how often that was asked for."""

    asked = 0

    def __init__(self, reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        type(self).asked += 1
        return self.reduced() if callable(self.reduced) else self.reduced


class Child:
    """Hands out its parent's list, which it does not refer to itself."""

    def __init__(self, parent: Any) -> None:
        self.parent = weakref.ref(parent)

    def __getstate__(self) -> Any:
        parent = self.parent()
        return {"siblings": parent.children, "parent_value": parent}

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)


class Parent:
    children: Any


def set_state(obj: Any, state: Any) -> None:
    """A state setter."""
    obj.__dict__.update(state, set_by="set_state")


def make(*args: Any) -> Any:
    """A function that a reducer names."""
    return list(args)


def nested(depth: int, wrap: Any) -> Any:
    """Return something in *depth* wrappings."""
    value: Any = None
    for _ in range(depth):
        value = wrap(value)
    return value
