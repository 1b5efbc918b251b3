"""Canaries: what the generated streams name. Whatever acts without the right to leaves a line in `RECORD`.

Rules that hold here:

* Nothing here does any harm: a finding is a line in a list.
* `RIGHTS` is the table that the policy `app` is made from. A class does what its rights allow in silence and records
  everything else, so that any line in `RECORD` is a finding.
* `disturbed` says what has changed since the last look, and puts it right again.
"""

from __future__ import annotations

import copyreg
import enum
import operator
import os
import string
import types
from typing import Any, NamedTuple, Self

_COPYREG: Any = copyreg

RECORD: list[str] = []

REGISTRY: dict[Any, Any] = {}
QUEUE: list[Any] = []
MEMBERS: set[Any] = set()

#: A known gadget under a name of our own, and a module as a value: no rule hands them over.
reexported = operator.attrgetter
library = os
words = string


def act(*arguments: object, **options: object) -> str:
    """Stand for any dangerous function."""
    RECORD.append("act")
    return "acted"


def fail(*_arguments: object) -> None:
    """Stand for an allowed function that raises."""
    raise ZeroDivisionError("canary")


def grow(count: object = 0) -> bytes:
    """Stand for an allowed function whose result is larger than its arguments: 1 MB."""
    return bytes(1 << 20)


def shared() -> Node:
    """Return an object that lives on."""
    return SHARED


def lend(*_arguments: object) -> list[Any]:
    """Return a list of the application's."""
    return QUEUE


class Node:
    """Attributes and nothing else; every right but those to take items."""


class Outer:
    """Only there to be walked through."""

    class Inner:
        """A class inside a class."""

    def method(self) -> None:
        """Act."""
        RECORD.append("Outer.method")


class Quiet:
    """Records whatever is done to it without a right; its subclasses have one right each."""

    __slots__ = ("value",)

    def __init__(self, *_arguments: object) -> None:
        RECORD.append(f"{type(self).__name__}.__init__")

    def __setstate__(self, state: object) -> None:
        RECORD.append(f"{type(self).__name__}.__setstate__")

    def __setitem__(self, key: object, item: object) -> None:
        RECORD.append(f"{type(self).__name__}.__setitem__")

    def append(self, _item: object) -> None:
        """Act."""
        RECORD.append(f"{type(self).__name__}.append")

    def extend(self, _items: object) -> None:
        """Act."""
        RECORD.append(f"{type(self).__name__}.extend")

    def add(self, _item: object) -> None:
        """Act."""
        RECORD.append(f"{type(self).__name__}.add")


class OnlyRefer(Quiet):
    """May appear."""

    __slots__ = ()

    def __new__(cls, *_arguments: object) -> Self:
        RECORD.append("OnlyRefer.__new__")
        return super().__new__(cls)


class OnlyCall(Quiet):
    """May be called."""

    __slots__ = ()

    def __init__(self, *_arguments: object) -> None:
        """Nothing."""


class OnlyNew(Quiet):
    """May be made."""

    __slots__ = ()


class OnlyBuild(Quiet):
    """May be made and given state."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        self.value = state


class OnlyAppend(Quiet):
    """May be made and appended to."""

    __slots__ = ()

    def append(self, _item: object) -> None:
        """Take it."""

    def extend(self, _items: object) -> None:
        """Take them."""


class OnlySetitem(Quiet):
    """May be made and have items set."""

    __slots__ = ()

    def __setitem__(self, key: object, item: object) -> None:
        """Take it."""


class OnlyAdd(Quiet):
    """May be made and have items added."""

    __slots__ = ()

    def add(self, _item: object) -> None:
        """Take it."""


class Slotted:
    """Declared slots, a property and no `__dict__`."""

    __slots__ = ("declared", "other")

    @property
    def guarded(self) -> None:
        """Nothing; the setter is what counts."""

    @guarded.setter
    def guarded(self, value: object) -> None:
        RECORD.append("Slotted.guarded")


class Watched:
    """Attributes with a `__setattr__` and a property that record, and a `__getattr__` that does."""

    def __setattr__(self, key: str, value: object) -> None:
        RECORD.append(f"Watched.__setattr__ {key}")

    def __getattr__(self, key: str) -> Any:
        RECORD.append(f"Watched.__getattr__ {key}")
        raise AttributeError(key)


class Keyed:
    """Hashes what it holds."""

    value: Any = None

    def __hash__(self) -> int:
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Keyed) and bool(self.value == other.value)


class Equal:
    """Equal to everything: membership by `==` would take it for anything."""

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return True

    def __call__(self, *_arguments: object) -> str:
        RECORD.append("Equal.__call__")
        return "acted"


class Listed(list[Any]):
    """A list with attributes."""


class Mapped(dict[Any, Any]):
    """A dict with attributes."""


class Gathered(set[Any]):
    """A set with attributes."""


class Numbered(int):
    """An int with attributes."""


class Reduced:
    """Is written as whatever it was given to be: a hostile or careless `__reduce_ex__`."""

    def __init__(self, reduced: Any = "Reduced") -> None:
        self.reduced = reduced

    def __reduce_ex__(self, _protocol: Any) -> Any:
        return self.reduced


class Argued:
    """Made with arguments by keyword."""

    def __new__(cls, first: object = None, *, second: object = None) -> Self:
        made = super().__new__(cls)
        made.__dict__.update(first=first, second=second)
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (self.__dict__.get("first"),), {"second": self.__dict__.get("second")}


class Color(enum.Enum):
    """An enumeration, looked up by value."""

    RED = 1
    BLUE = "blue"


class Point(NamedTuple):
    """A tuple with names."""

    first: Any = 1
    second: Any = None


class Both:
    """Slots and attributes."""

    __slots__ = ("__dict__", "slot")


class Worded(str):
    """Text with attributes."""

    __slots__ = ()


class Stated:
    """Says its state itself, of any kind; takes it back as it is."""

    def __init__(self, state: Any = None) -> None:
        self.state = state

    def __getstate__(self) -> Any:
        return self.state

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Newargs:
    """Made with arguments."""

    def __new__(cls, *arguments: Any) -> Self:
        made = super().__new__(cls)
        made.__dict__["arguments"] = arguments
        return made

    def __getnewargs__(self) -> Any:
        return self.__dict__.get("arguments", ())


class Restless(dict[Any, Any]):
    """Changes while it is written."""

    def __reduce_ex__(self, _protocol: Any) -> Any:
        return Restless, (), None, None, self._items()

    def _items(self) -> Any:
        for number in range(3):
            yield number, Node()


class Meddling:
    """Changes a dict while it is written."""

    def __init__(self, target: dict[Any, Any] | None = None) -> None:
        self.target = target

    def __reduce_ex__(self, _protocol: Any) -> Any:
        if self.target is not None:
            self.target["more"] = len(self.target)
        return remade, ("meddled",)


class Grown(bytearray):
    """An instance that is larger than what it is made from: 1 MB."""

    def __init__(self, *_arguments: object) -> None:
        super().__init__(1 << 20)


class Unkeyed:
    """Cannot be hashed, and says so with an error of its own."""

    def __hash__(self) -> int:
        raise ZeroDivisionError("canary")

    def __eq__(self, other: object) -> bool:
        return self is other


class Unequal:
    """Cannot be compared."""

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError("canary")


class Raising:
    """Cannot be made."""

    def __new__(cls, *_arguments: object, **_options: object) -> Self:
        raise ZeroDivisionError("canary")


class Failing(int):
    """An int that cannot be made."""

    def __new__(cls, *_arguments: object) -> Self:
        raise ZeroDivisionError("canary")


class Appending:
    """Takes items one by one."""

    def append(self, _item: object) -> None:
        """Take it."""


class Refusing:
    """Has the methods, and each fails."""

    def __setstate__(self, _state: object) -> None:
        raise ZeroDivisionError("canary")

    def __setitem__(self, _key: object, _item: object) -> None:
        raise ZeroDivisionError("canary")

    def append(self, _item: object) -> None:
        """Fail."""
        raise ZeroDivisionError("canary")

    def add(self, _item: object) -> None:
        """Fail."""
        raise ZeroDivisionError("canary")


def remade(*arguments: Any) -> Any:
    """Return a list of what it is given: what a reducer names."""
    return ["remade", *arguments]


def taken(made: Any, state: Any) -> None:
    """Take state for an object: the sixth item of what a reducer returns."""
    made.append(state)


SHARED = Node()

#: Name to rights. What is not here (`act`, `Outer.method`) is denied.
RIGHTS: dict[str, str] = {
    "Node": "refer call new build",
    "Outer": "refer",
    "Outer.Inner": "refer call new build",
    "OnlyRefer": "refer",
    "OnlyCall": "call",
    "OnlyNew": "new",
    "OnlyBuild": "new build",
    "OnlyAppend": "new append",
    "OnlySetitem": "new setitem",
    "OnlyAdd": "new add",
    "Slotted": "new build",
    "Watched": "new build",
    "Keyed": "refer new build",
    "Equal": "new call",
    "Listed": "call new build append",
    "Mapped": "call new build setitem",
    "Gathered": "call new build add",
    "Numbered": "new build",
    "Argued": "new build",
    "Reduced": "call new build",
    "Color": "refer call",
    "Point": "new",
    "Both": "new build",
    "Worded": "new",
    "Stated": "new build",
    "Newargs": "new build",
    "Restless": "call new setitem",
    "Meddling": "call",
    "Grown": "call",
    "Unkeyed": "new",
    "Unequal": "new",
    "Raising": "new call",
    "Failing": "call new",
    "Appending": "new append",
    "Refusing": "new build append setitem add",
    "remade": "call",
    "taken": "call",
    "fail": "call",
    "grow": "call",
    "shared": "call",
    "lend": "call",
    "REGISTRY": "refer",
    "QUEUE": "refer",
    "MEMBERS": "refer",
    "reexported": "refer call",
    "library": "refer",
    "words.Template": "refer",
}
#: Known gadgets that the policy `app` lists and does not accept: they stay denied.
LISTED_GADGETS = (("operator", "attrgetter"), ("operator", "methodcaller"))
#: What no value may hold, and no value may be an instance of, whatever a policy says.
NEVER: tuple[Any, ...] = (operator.attrgetter, operator.methodcaller, os.system, act)
#: Known to the generator and named by no rule.
DENIED = ("act", "Outer.method", "RECORD", "SHARED")

_OWN = tuple(value for value in globals().values() if getattr(value, "__module__", None) == __name__)
_CLASSES: tuple[type, ...] = tuple(value for value in _OWN if isinstance(value, type))


# copyreg keeps the names of a class's slots on the class when an instance is pickled: that is no act of a stream.
def _snapshot() -> list[tuple[tuple[str, int], ...]]:
    return [tuple([(key, id(item)) for key, item in vars(cls).items() if key != "__slotnames__"]) for cls in _CLASSES]


_BEFORE = _snapshot()
_FUNCTIONS: tuple[Any, ...] = tuple(value for value in _OWN if isinstance(value, types.FunctionType))
#: What can be set on a function.
_OF_FUNCTIONS = ("__code__", "__defaults__", "__kwdefaults__", "__name__", "__qualname__", "__module__", "__doc__")
_CLASSES_BEFORE = [(cls, dict(vars(cls))) for cls in _CLASSES]
_FUNCTIONS_BEFORE = [(function, [getattr(function, name) for name in _OF_FUNCTIONS]) for function in _FUNCTIONS]


def restore() -> None:
    """Put right whatever an unrestricted load may have changed, classes and functions included."""
    disturbed()
    for cls, before in _CLASSES_BEFORE:
        for key in [key for key, item in vars(cls).items() if before.get(key) is not item]:
            if key not in before and key != "__slotnames__":
                delattr(cls, key)
        for key in [key for key, item in before.items() if vars(cls).get(key) is not item]:
            setattr(cls, key, before[key])
    for function, values in _FUNCTIONS_BEFORE:
        vars(function).clear()
        for name, value in zip(_OF_FUNCTIONS, values, strict=True):
            setattr(function, name, value)


def disturbed() -> str | None:
    """Say what acted or changed, or None."""
    if not RECORD and not REGISTRY and not QUEUE and not MEMBERS and not vars(SHARED) and _snapshot() == _BEFORE:
        return None
    for live, what in ((REGISTRY, "REGISTRY"), (QUEUE, "QUEUE"), (MEMBERS, "MEMBERS"), (vars(SHARED), "SHARED")):
        if live:
            live.clear()
            RECORD.append(f"{what} was changed")
    if _snapshot() != _BEFORE:
        RECORD.append("a class was changed")
    acted = "; ".join(RECORD[:5])
    RECORD.clear()
    return acted


#: Extension codes: denied, allowed, and one that only the cache knows (attack R61).
CACHED = 226
EXTENSIONS = {224: "act", 225: "Node", CACHED: None}


def register_extensions() -> None:
    """Fill copyreg's registry and, as an unrestricted load would have, its cache."""
    for code, target in EXTENSIONS.items():
        if target is not None and code not in _COPYREG._inverted_registry:
            copyreg.add_extension(__name__, target, code)
        # As an unrestricted load of another program's pickles leaves it.
        _COPYREG._extension_cache[code] = Node if target == "Node" else act
