"""Classes that policies of the tests are about. Importable under one name, so that pickles can name them."""

from __future__ import annotations

import enum
from typing import Any

CALLS: list[tuple[Any, ...]] = []


class Point:
    def __init__(self, x: int = 0, y: int = 0) -> None:
        self.x = x
        self.y = y


class Called:
    """Notes what it is called with."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        CALLS.append(args)

    def __reduce__(self) -> Any:
        return (Called, (1,))


class Slotted:
    __slots__ = ("__dict__", "x")

    x: Any


class Setting:
    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __getstate__(self) -> Any:
        return ("v1", 5)


class Holding:
    """Keeps the very state that it is given, as many classes do."""

    def __setstate__(self, state: Any) -> None:
        self.__dict__ = state


class Amending:
    """Changes the very state that it is given, before it takes it over."""

    def __setstate__(self, state: Any) -> None:
        state["x"] = str(state["x"])
        state["more"] = [1]
        self.__dict__.update(state)


class Keeping:
    """Keeps what it is made with."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        made = object.__new__(cls)
        made.args = args  # type: ignore[attr-defined]
        return made


class Growing(Keeping):
    """Gives what it was made with more items, whichever way items come."""

    def append(self, item: Any) -> None:
        self.args[0].append(item)

    add = __setstate__ = append

    def __setitem__(self, key: Any, item: Any) -> None:
        self.args[0].append(item)


class Pair(tuple[Any, ...]):
    __slots__ = ()


class Outer:
    class Inner:
        pass


class Finalized(Point):
    def __del__(self) -> None:
        CALLS.append(("gone",))


class Color(enum.Enum):
    RED = 1


def make(*args: Any) -> Point:
    """Return a point; state may be given to what a call makes too."""
    return Point()


SHARED: list[Any] = []


def shared() -> list[Any]:
    """Return the same list each time."""
    return SHARED


def function() -> int:
    """Is no class."""
    return 1


Borrowed = enum.Enum
Renamed = Point
