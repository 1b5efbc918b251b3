# cython: annotation_typing=False
"""Receiving: what APPEND(S), SETITEM(S) and ADDITEMS put into objects that are no list, dict or set of the machine's.

Rules that hold here:

* Only what this load made by a rule takes items, and only with the right to; they go through the methods of its *type*.
  What keeps them in another container, as a UserDict does, takes none where that one is from outside.
* Keys are counted where they go: what the standard library has for mappings keeps them in a dict (D04, D05).
* Items are paid for before they are given. An object of a class of its own is not asked how many it has.
* The clock is looked at for every so many items: keys can be chosen so that each is looked for among many.
"""

from __future__ import annotations

from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, defaultdict, deque
from typing import Any

from ..errors import FormatError, ReconstructionError, SafePickleError, quote
from .adopting import Adopting
from .handles import Inert
from .refusals import ADD, APPEND, SETITEM

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    from .resolving import found_on

#: Classes, exactly, of which the interpreter knows how many items an instance has: see :func:`_has_length`.
_ORDERED: Any = OrderedDict
_DEFAULT: Any = defaultdict
_COUNTER: Any = Counter
_DEQUE: Any = deque
#: The clock is looked at once for so many items, less one: a power of 2, less one.
_LOOK = 1023
#: Stands for the container of a ChainMap of a class of its own, whose maps are no list.
_UNKNOWN: Any = object()
#: What a call of these makes is the machine's own, which takes items without a right to: a survey asks for none either.
_PLAIN = {("builtins", "list"): APPEND, ("builtins", "dict"): SETITEM, ("builtins", "set"): ADD}
_FACTORY_OF: Any = defaultdict.__dict__["default_factory"].__get__
#: How many containers of the standard library may stand between an object and what its items go into.
_WITHIN = 8
#: Opcodes that take as long as giving an object items may, whatever its class does with them.
_GIVEN = 64


class Receiving(Adopting):
    """Gives objects their items."""

    def append(self, obj: Any, items: list[Any]) -> None:
        """APPEND and APPENDS on anything but the machine's own lists."""
        items = self.values(items)
        if not self._may_receive(obj, APPEND):
            return
        kind = type(obj)
        self.count_items(obj, len(items), 16)
        was = self.keys.hash_of(obj) if self.keys.is_keyed(obj) else None
        factory = _factory_of(obj)
        try:
            extend = getattr(kind, "extend", None)
            if extend is not None:
                extend(obj, items)
            else:
                append = kind.append
                for item in items:
                    append(obj, item)
        except SafePickleError:
            raise
        except Exception as error:
            raise ReconstructionError(
                f"a {quote(kind.__name__)} does not take items: {type(error).__name__}"
            ) from error
        self._received(obj, was, factory)

    def set_items(self, obj: Any, items: list[Any]) -> None:
        """SETITEM and SETITEMS on anything but the machine's own dicts."""
        items = self.values(items)
        if not self._may_receive(obj, SETITEM):
            return
        self.count_items(obj, len(items) // 2, 100)
        container = self._container_of(obj)
        was = self.keys.hash_of(obj) if self.keys.is_keyed(obj) else None
        factory = _factory_of(obj)
        try:
            for index in range(0, len(items), 2):
                key = items[index]
                if type(key) is not str or len(key) == 0:
                    self.keys.check(container, key)
                if index & _LOOK == _LOOK - 1:
                    self.budget.look_at_clock()
                obj[key] = items[index + 1]
        except SafePickleError:
            raise
        except Exception as error:
            kind = type(obj)
            if found_on(kind, "__setitem__") is None:
                raise FormatError(f"a {quote(kind.__name__)} has no items to set") from None
            raise ReconstructionError(
                f"a {quote(kind.__name__)} does not take an item: {type(error).__name__}"
            ) from error
        self._received(obj, was, factory)

    def add_items(self, obj: Any, items: list[Any]) -> None:
        """ADDITEMS on anything but the machine's own sets."""
        items = self.values(items)
        if not self._may_receive(obj, ADD):
            return
        kind = type(obj)
        self.count_items(obj, len(items), 72)
        add = getattr(kind, "add", None)
        if add is None:
            raise FormatError(f"a {quote(kind.__name__)} takes no items")
        was = self.keys.hash_of(obj) if self.keys.is_keyed(obj) else None
        factory = _factory_of(obj)
        for index, item in enumerate(items):
            self.keys.check(obj, item)
            self.keys.look(index)
            try:
                add(obj, item)
            except SafePickleError:
                raise
            except Exception as error:
                raise ReconstructionError(
                    f"a {quote(kind.__name__)} does not take an item: {type(error).__name__}"
                ) from error
        self._received(obj, was, factory)

    def _received(self, obj: Any, was: Any, factory: Any) -> None:
        """Refuse items that change the hash of what is a key (who looks for it goes astray), or become a factory."""
        if was is not None and self.keys.hash_of(obj) != was:
            raise FormatError(f"a {quote(type(obj).__name__)} is a key already, and its items change its hash")
        if _factory_of(obj) is not factory:
            self.check_factory(obj)

    def check_factory(self, obj: Any) -> None:
        """Deny a factory that may not be called."""
        raise NotImplementedError

    def _may_receive(self, obj: Any, right: int) -> bool:
        self.changed = True
        if type(obj) is Inert:
            handle = obj.handle
            if handle is not None and _PLAIN.get((handle.module, handle.name)) != right:
                self.require(handle, right)
            return False
        handle = self.owner(obj)
        if handle is None:
            self.disown(obj, right)
            return False
        if self.foreign and self._is_lent(obj):
            self.deny(handle, right, "its items go into an object that is not of this stream")
            return False
        self.budget.since_clock += _GIVEN
        self.budget.called()
        return self.require(handle, right)

    def count_items(self, obj: Any, added: int, amount: int) -> None:
        """Pay for items that go into an object."""
        present = 0
        is_known = _has_length(type(obj))
        if is_known:
            present = len(obj)
        elif self.filled is None:
            self.filled = {}
        else:
            entry = self.filled.get(id(obj))
            if entry is not None:
                present = entry[0]
        self.budget.take_items(present, added, amount)
        if not is_known:
            self.filled[id(obj)] = (present + added, obj)

    def _container_of(self, obj: Any) -> Any:
        """Return what keys go into that an object is given: those of the standard library keep them in a dict."""
        found = obj if issubclass(type(obj), dict) else _inner(obj)
        return found if isinstance(found, dict) else obj

    def _is_lent(self, obj: Any) -> bool:
        """Return whether items given to an object end up in one that came from outside."""
        inner = _inner(obj)
        for _ in range(_WITHIN):
            if inner is None:
                return False
            if inner is _UNKNOWN or self.is_foreign(inner):
                return True
            inner = _inner(inner)
        return True


def _has_length(kind: Any) -> bool:
    # One by one, in C: a set of four would be asked twice for each object that takes items.
    return kind is _ORDERED or kind is _DEFAULT or kind is _COUNTER or kind is _DEQUE


def _factory_of(obj: Any) -> Any:
    """Return the factory of an object whose class has code of its own for items; None for all others."""
    kind = type(obj)
    if _has_length(kind) or not issubclass(kind, defaultdict):
        return None
    return _FACTORY_OF(obj)


def _inner(obj: Any) -> Any:
    """Return the container in which an object of the standard library's keeps its items, or None."""
    # By the bases: these have a metaclass, which takes longer to ask than the item to set.
    bases = type.__dict__["__mro__"].__get__(type(obj))
    if UserDict in bases or UserList in bases:
        return vars(obj).get("data")
    if ChainMap in bases:
        maps = vars(obj).get("maps")
        if type(maps) is list:
            return maps[0] if maps else None
        return None if maps is None else _UNKNOWN
    return None
