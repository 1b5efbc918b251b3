"""Harmless targets that tell whether a stream acted: whatever runs here leaves a line in `RECORD`.

Streams name them as `attacks.canary:...`. None of them does anything else, so that a test that fails harms
nobody. The tests hold that `RECORD` stays empty, unless a policy written for the test allows what is
recorded.
"""

from __future__ import annotations

import operator
import threading
import time
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

#: A known gadget under a name of our own: a rule for it hands over the gadget.
reexported = operator.attrgetter

#: What acted, oldest first. Emptied by the tripwire.
RECORD: list[str] = []

#: Live objects of an application, which no stream may change.
REGISTRY: dict[Any, Any] = {}
QUEUE: list[Any] = []
MEMBERS: set[Any] = set()


def act(*arguments: object, **options: object) -> str:
    """Stand for any dangerous function."""
    RECORD.append("act")
    return "acted"


def interrupt() -> None:
    """Stand for what raises past `Exception`."""
    raise KeyboardInterrupt


def fail() -> None:
    """Stand for an allowed function that raises."""
    raise ZeroDivisionError("canary")


class Counted:
    """Counts how often it was called."""

    calls = 0

    def __init__(self) -> None:
        Counted.calls += 1


class Taking:
    """Takes any arguments."""

    def __new__(cls, *args: object, **kwargs: object) -> Taking:
        return super().__new__(cls)


class Plain:
    """An ordinary class of an application."""

    limit = 1

    class Inner:
        """A class inside a class."""

    def method(self) -> str:
        """Act."""
        RECORD.append("Plain.method")
        return "acted"


class Slotted:
    """A class with declared slots, a property and no `__dict__`."""

    __slots__ = ("_hidden", "declared")

    @property
    def guarded(self) -> None:
        """Nothing; the setter is what counts."""

    @guarded.setter
    def guarded(self, value: object) -> None:
        RECORD.append("Slotted.guarded")


class DunderSlot:
    """A class that declares a slot with a dunder name."""

    __slots__ = ("__marked__",)


#: An object of the application; `shared` hands it out.
SHARED = Plain()


#: A class under another name than its own.
again_a_factory = defaultdict


def shared() -> Plain:
    """Return an object that lives on."""
    return SHARED


class Loud:
    """Everything that a stream could make run on an instance runs loudly."""

    def __init__(self, *arguments: object) -> None:
        RECORD.append("Loud.__init__")

    def __setstate__(self, state: object) -> None:
        RECORD.append("Loud.__setstate__")

    def __setattr__(self, key: str, value: object) -> None:
        RECORD.append("Loud.__setattr__")

    def __setitem__(self, key: object, value: object) -> None:
        RECORD.append("Loud.__setitem__")

    def __call__(self, *arguments: object) -> str:
        RECORD.append("Loud.__call__")
        return "acted"

    def __del__(self) -> None:
        RECORD.append("Loud.__del__")

    def __reduce__(self) -> Any:
        RECORD.append("Loud.__reduce__")
        return act, ()

    def append(self, item: object) -> None:
        """Act."""
        RECORD.append("Loud.append")

    def extend(self, items: object) -> None:
        """Act."""
        RECORD.append("Loud.extend")

    def add(self, item: object) -> None:
        """Act."""
        RECORD.append("Loud.add")

    def update(self, items: object) -> None:
        """Act."""
        RECORD.append("Loud.update")


class Probing:
    """Asks for attributes that it does not have run loudly."""

    def __getattr__(self, key: str) -> Any:
        RECORD.append(f"Probing.__getattr__ {key}")
        raise AttributeError(key)


class Setting:
    """Attributes set on instances run loudly."""

    def __setattr__(self, key: str, value: object) -> None:
        RECORD.append(f"Setting.__setattr__ {key}")


class WithProperty:
    """A class with a `__dict__` and a property whose setter acts."""

    @property
    def guarded(self) -> None:
        """Nothing; the setter is what counts."""

    @guarded.setter
    def guarded(self, value: object) -> None:
        RECORD.append("WithProperty.guarded")


class Equal:
    """Equal to everything, and callable: membership tests that compare with `==` let it through (R24)."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True

    def __call__(self, *arguments: object) -> str:
        RECORD.append("Equal.__call__")
        return "acted"


class Described:
    """Is hashed and compared by an attribute, of which the class has one too."""

    parts: Any = ()

    def __hash__(self) -> int:
        return hash(self.parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Described) and self.parts == other.parts


class Copying:
    """Copies what it is given."""

    def __new__(cls, items: Any = (), **more: Any) -> Any:
        made = object.__new__(cls)
        made.items = [*items, *more.values()]  # type: ignore[attr-defined]
        return made

    def __setstate__(self, state: Any) -> None:
        self.items = [list(part or ()) for part in state] if type(state) is tuple else list(state)


class Meta(type):
    """A metaclass that acts when its class is called or given attributes."""

    def __call__(cls, *arguments: object) -> Any:
        RECORD.append("Meta.__call__")
        return super().__call__(*arguments)

    def __setattr__(cls, key: str, value: object) -> None:
        RECORD.append("Meta.__setattr__")


class WithMeta(metaclass=Meta):
    """A class of that metaclass."""


class Bag(list[Any]):
    """A list subclass that tells which method put items into it."""

    def append(self, item: Any) -> None:
        RECORD.append("Bag.append")
        super().append(item)

    def extend(self, items: Any) -> None:
        RECORD.append("Bag.extend")
        super().extend(items)


#: What lives on between loads.
MEMORY = bytearray(16)
LIVING: dict[str, Any] = {}


class QuietList(list[Any]):
    """A list subclass that adds nothing."""


class QuietDict(dict[Any, Any]):
    """A dict subclass that adds nothing."""


class QuietSet(set[Any]):
    """A set subclass that adds nothing."""


class QuietFrozenset(frozenset[Any]):
    """A frozenset subclass that adds nothing."""


class QuietTuple(tuple[Any, ...]):
    """A tuple subclass that adds nothing."""

    __slots__ = ()


class Reducing:
    """Is written as a tuple of what it holds."""

    def __init__(self, items: Any) -> None:
        self.items = items

    def __reduce__(self) -> Any:
        return QuietTuple, (self.items,)


class QuietDeque(deque[Any]):
    """A deque subclass that adds nothing."""


class QuietCounter(Counter[Any]):
    """A Counter subclass that adds nothing."""


class QuietMapping(UserDict[Any, Any]):
    """A UserDict subclass that adds nothing."""


class QuietBytes(bytes):
    """A bytes subclass that adds nothing."""


class QuietText(str):
    """A str subclass that adds nothing."""

    __slots__ = ()


class QuietFactory(defaultdict[Any, Any]):
    """A defaultdict subclass that adds nothing."""


class NamedFactory(defaultdict[Any, Any]):
    """A defaultdict subclass that takes its factory as its second argument."""

    def __init__(self, label: str = "", factory: Any = None) -> None:
        super().__init__(factory)
        self.label = label


class KeywordFactory(defaultdict[Any, Any]):
    """A defaultdict subclass that takes its factory by name, where it is made."""

    def __new__(cls, **more: Any) -> Any:
        made = super().__new__(cls)
        made.default_factory = more.get("factory")
        return made


class StatefulFactory(defaultdict[Any, Any]):
    """A defaultdict subclass whose state is its factory."""

    def __setstate__(self, state: Any) -> None:
        self.default_factory = state


class OwnFactory(defaultdict[Any, Any]):
    """A defaultdict subclass that has a factory of its own, whatever the pickle says."""

    def __init__(self) -> None:
        super().__init__(Plain)

    def __reduce__(self) -> Any:
        return OwnFactory, (), None, None, iter(self.items())


class AnyMaps(ChainMap[Any, Any]):
    """A ChainMap subclass that knows what it is made of."""

    def __init__(self, maps: Any = ()) -> None:
        self.maps = maps


class ItemFactory(defaultdict[Any, Any]):
    """A defaultdict subclass that takes an item for its factory."""

    def append(self, item: Any) -> None:
        self.default_factory = item

    def add(self, item: Any) -> None:
        self.default_factory = item

    def __setitem__(self, key: Any, value: Any) -> None:
        if key == "factory":
            self.default_factory = value
        else:
            super().__setitem__(key, value)


class Tallied:
    """Counts how often instances were hashed."""

    hashed = 0

    def __hash__(self) -> int:
        Tallied.hashed += 1
        return object.__hash__(self)


class Listed:
    """Is hashed by a list, which may change."""

    def __hash__(self) -> int:
        return hash(tuple(vars(self)["items"]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Listed) and vars(self) == vars(other)


class HashedList(list[Any]):
    """A list subclass that is hashed by its items."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))


class QuietOrdered(OrderedDict[Any, Any]):
    """An OrderedDict subclass that adds nothing."""


class QuietFraction(Fraction):
    """A Fraction subclass that adds nothing."""


class QuietDecimal(Decimal):
    """A Decimal subclass that adds nothing."""


class QuietDate(date):
    """A date subclass that adds nothing."""


class LateDate(date):
    """A date subclass with code of its own that comes after the date was made."""

    def __init__(self, *_: Any) -> None:
        self.note = "made"


class QuietDecodeError(UnicodeDecodeError):
    """A UnicodeDecodeError subclass that adds nothing."""


class OwnDate(date):
    """A date subclass that knows what it takes."""

    def __new__(cls, text: str) -> Any:
        return super().__new__(cls, *map(int, text.split("-")))

    def __reduce__(self) -> Any:
        return OwnDate, (self.isoformat(),)


class PerThread(threading.local):
    """Is initialised anew in each thread."""

    def __init__(self, *arguments: object) -> None:
        RECORD.append("PerThread.__init__")


class Owned(dict[Any, Any]):
    """A dict subclass that knows what it takes."""

    def __init__(self, owner: Any) -> None:
        super().__init__()
        self.owner = owner


class Keyed:
    """A class that hashes what it holds."""

    def __hash__(self) -> int:
        return hash(self.value)  # type: ignore[attr-defined]


class Buffer(bytearray):
    """A bytearray subclass that adds nothing."""


class MadeByCall:
    """A class that takes one argument."""

    def __init__(self, value: object = None) -> None:
        self.value = value


def shaped_like_a_class() -> None:
    """Stand for what has a `__new__` and is no class (X26)."""
    RECORD.append("shaped_like_a_class")


def _new(*arguments: object) -> str:
    RECORD.append("shaped_like_a_class.__new__")
    return "acted"


shaped_like_a_class.__new__ = _new  # type: ignore[assignment,method-assign]


class Dozing:
    """Takes a while to be hashed, and counts how often it was."""

    hashed = 0

    def __hash__(self) -> int:
        Dozing.hashed += 1
        time.sleep(0.001)
        return id(self) >> 4

    def __eq__(self, other: object) -> bool:
        return self is other


class Heaped(dict[Any, Any]):
    """Takes what a dict takes."""
