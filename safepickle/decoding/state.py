# cython: annotation_typing=False
"""State: what BUILD may set on an object whose class has no say in it, and how.

Rules that hold here:

* State keys are ``str`` and never dunder names: those are hooks, not data (R43 to R45).
* A slot is set only where the class declares it, through that very member: setattr would run properties (R46).
* Nothing of the object's own class is called, but for members that the interpreter itself made.
* What BUILD needs to know of a class is found out once a load, and kept in its :class:`Shape`.
* In the compiled form attributes are stored without making a ``__dict__``, where the interpreter needs none.
"""

from __future__ import annotations

import types
from typing import Any

from ..errors import FormatError, quote
from .budget import Budget

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

_MEMBER = types.MemberDescriptorType
_GETSET: Any = types.GetSetDescriptorType
#: Where there may be so many items in a container, those of an instance without a dict are not counted: they are fewer.
_FEW = 64

#: Dunder names that a library has given to data of its own, found in real pickles. No hook of the interpreter, of copy,
#: of pickle or of numpy can be among them: exact names only, each with where it is from.
_DATA_NAMES = frozenset(
    {
        "__networkx_cache__",  # networkx 3: a dict in every graph
    }
)

if not cython.compiled:
    from .resolving import found_on

    # The leaves: what the interpreter has in C, as Python offers it.
    generic_getattr = object.__getattribute__

    set_member: Any = _MEMBER.__set__

    def names_slots(members: dict[str, Any], kind: Any, pairs: list[Any]) -> bool:
        """Return whether all names, each followed by a value, are among those of some slots, which *kind* has still."""
        names = pairs[::2]
        return all(type(name) is str and name in members for name in names) and all(
            issubclass(kind, members[name].__objclass__) for name in names
        )

    def set_slots(members: dict[str, Any], obj: Any, pairs: list[Any]) -> None:
        """Set slots of an object, of which all are known."""
        for name, value in zip(pairs[::2], pairs[1::2], strict=True):
            set_member(members[name], obj, value)


class Shape:
    """What BUILD needs to know of a class. It keeps nothing of it alive but for the load that it was made for."""

    def __init__(self, kind: type, contract: Any) -> None:
        self.contract = contract
        self.own: Any = None if contract is None else contract.own
        self.keeps_data = contract is not None and contract.keeps_data
        #: Which kind of state it is that is seen without the contract, 0 for none.
        self.usual = 0
        #: Which kind of state of a model's it is, 0 for none.
        self.model = 0
        #: Looked up on the type: an instance attribute would be a call without REDUCE (R43).
        self.setter: Any = setter_of(kind)
        #: Whether instances call later what they were given.
        self.calls_later = False
        #: Slots that have been set, by names that have been checked; None for none.
        self.members: dict[str, Any] | None = None
        #: Whether ``__dict__`` is the interpreter's, and no property of the class.
        self.has_own_dict = type(found_on(kind, "__dict__")) is _GETSET

    def renewed(self, setter: Any) -> Shape:
        """Return the same for another load, with the class's ``__setstate__`` or None."""
        shape = Shape.__new__(Shape)
        shape.contract = self.contract
        shape.own = self.own
        shape.keeps_data = self.keeps_data
        shape.usual = self.usual
        shape.model = self.model
        shape.setter = setter
        shape.calls_later = self.calls_later
        shape.members = None
        shape.has_own_dict = self.has_own_dict
        return shape

    def is_plain(self, in_slots: bool) -> bool:
        """Return whether nothing is asked of state: it is set as attributes beside an instance, or as slots.

        Of a class that leaves making instances to ``object``: what calls a factory later is a dict.
        """
        if self.contract is not None or self.setter is not None:
            return False
        return self.members is not None if in_slots else self.has_own_dict

    def has_slots(self, kind: Any, pairs: list[Any]) -> bool:
        """Return whether all names, each followed by a value, are those of slots of *kind* that were set before."""
        return self.members is not None and names_slots(self.members, kind, pairs)

    def set_slots(self, obj: Any, pairs: list[Any]) -> None:
        """Set these slots."""
        set_slots(self.members or {}, obj, pairs)

    def member(self, kind: type, name: Any) -> Any:
        """Return the slot *name* that the class declares, and know it from now on.

        setattr would run properties and ``__class__`` swaps (R46).
        """
        check_state_key(name)
        member = member_of(kind, name)
        if self.members is None:
            self.members = {}
        self.members[name] = member
        return member


def setter_of(kind: type) -> Any:
    """Return the ``__setstate__`` of a class, which takes the object and its state, or None."""
    # Where there is none, asking for the attribute takes as long as all else that is found out about a class.
    return None if found_on(kind, "__setstate__") is None else getattr(kind, "__setstate__", None)


def set_state(budget: Budget, shape: Shape, obj: Any, state: Any) -> None:
    """Set the state of an object whose class has no ``__setstate__``: attributes and slots, nothing else."""
    slots = None
    if type(state) is tuple and len(state) == 2:
        slots = state[1]
        state = state[0]
    if state is not None:
        if type(state) is not dict:
            raise FormatError(f"state is {quote(state)}, not a dict")
        given: dict[Any, Any] = state
        budget.take_items(0, len(given), 48)
        is_stored = False
        if cython.compiled and shape.has_own_dict and budget.max_items >= _FEW:
            is_stored = store_attributes(obj, given)
        if not is_stored:
            # A class without __dict__ is refused even for no attributes, where pickle's parsers differ (X15).
            attributes = getattr_dict(obj)
            for key in given:
                if type(key) is not str or key[:1] == "_":
                    check_state_key(key)
            if len(attributes) > budget.max_items - len(given):
                budget.refuse("max_items", len(attributes) + len(given))
            # Keys are not interned: they would stay for ever on some versions (R50).
            attributes.update(given)
    if slots is not None:
        if type(slots) is not dict:
            raise FormatError(f"slot state is {quote(slots)}, not a dict")
        parts: dict[Any, Any] = slots
        for key, item in parts.items():
            member = shape.members.get(key) if shape.members is not None and type(key) is str else None
            if member is None:
                member = shape.member(type(obj), key)
            set_member(member, obj, item)


def getattr_dict(obj: Any) -> dict[str, Any]:
    """Return the ``__dict__`` of an instance, by the generic look-up of its type."""
    try:
        attributes: dict[str, Any] = generic_getattr(obj, "__dict__")
    except AttributeError:
        raise FormatError(f"a {quote(type(obj).__name__)} has no attributes to set") from None
    return attributes


def check_state_key(key: Any) -> None:
    """Refuse a state key that is no attribute of data: hooks are dunder names (R43-R45)."""
    if type(key) is not str:
        raise FormatError(f"a state key is {quote(key)}, not a str")
    name: str = key
    if name and name[0] == "_" and name.startswith("__") and name.endswith("__"):
        if name in _DATA_NAMES:
            return
        raise FormatError(f"a state key is a dunder name: {quote(name)}")


def check_exception_state(state: Any) -> None:
    """Refuse state that an exception's own ``__setstate__`` would turn into more than data."""
    if state is None:
        return
    if type(state) is not dict:
        raise FormatError(f"state is {quote(state)}, not a dict")
    for key in state:
        check_state_key(key)
    if "args" in state and type(state["args"]) is not tuple:
        raise FormatError("the args of an exception are not a tuple")


def member_of(kind: type, name: str) -> Any:
    """Return the slot *name* that a class declares."""
    member = found_on(kind, name)
    # What classes written in C have of members no pickler writes: a defaultdict has its factory there (R22).
    if type(member) is _MEMBER and "__slots__" in vars(member.__objclass__):
        return member
    raise FormatError(f"{quote(kind.__name__)} declares no slot {quote(name)}")
