# cython: annotation_typing=False
"""The open gate: pickle's own behaviour, for the policy UNRESTRICTED alone.

Rules that hold here:

* Nothing is refused that ``pickle.Unpickler`` does not refuse; what is called may do anything and its exceptions
  pass. Only the budget is asked, as everywhere.
* Where ``_pickle.c`` and ``pickle.py`` differ, this follows ``_pickle.c``.
"""

from __future__ import annotations

import copyreg
import sys
from collections.abc import Callable
from typing import Any

from ..errors import FormatError
from ..policy.rules import Policy
from ..wire.python2 import to_python3
from .budget import Budget
from .gates import Gate

_MISSING = object()


class OpenGate(Gate):
    """Pickle's own behaviour: any global, any callee, any state. For UNRESTRICTED."""

    def open_gate(
        self,
        policy: Policy,
        budget: Budget,
        find_class: Callable[[str, str], Any] | None,
        persistent_load: Callable[[Any], Any] | None,
        fix_imports: bool,
        inert: bool,
    ) -> None:
        # Not super(): Cython has none in methods of both kinds.
        Gate.open_gate(self, policy, budget, find_class, persistent_load, fix_imports, inert)
        self.strict = False
        self.keys.open_guard(budget, False)

    def find(self, module: Any, name: Any, protocol: int) -> Any:
        if type(module) is not str or type(name) is not str:
            raise FormatError("STACK_GLOBAL requires str")
        if self.find_class is not None:
            return self.find_class(module, name)
        return find_any(module, name, protocol, self.fix_imports)

    def extension(self, code: int, protocol: int) -> Any:
        pair = copyreg._inverted_registry.get(code)  # type: ignore[attr-defined]
        if pair is None:
            if code <= 0:
                raise FormatError("EXT specifies code <= 0")
            raise ValueError(f"unregistered extension code {code}")
        if type(pair) is not tuple or len(pair) != 2 or type(pair[0]) is not str or type(pair[1]) is not str:
            raise ValueError(f"corrupt registry entry for extension code {code}")
        return self.find(pair[0], pair[1], protocol)

    def call(self, callee: Any, args: Any) -> Any:
        if type(args) is not tuple:
            raise TypeError(f"argument list must be a tuple, not {type(args).__name__}")
        self.budget.take_call()
        return callee(*args)

    def instantiate(self, callee: Any, args: tuple[Any, ...]) -> Any:
        self.budget.take_call()
        if args or not isinstance(callee, type) or hasattr(callee, "__getinitargs__"):
            try:
                return callee(*args)
            except TypeError as error:
                raise TypeError(
                    f"in constructor for {getattr(callee, '__name__', callee)}: {error}"
                ) from error
        maker: Any = callee
        return maker.__new__(callee)

    def new(self, cls: Any, args: Any, kwargs: Any) -> Any:
        if type(args) is not tuple:
            raise FormatError("NEWOBJ expected an arg tuple")
        if not isinstance(cls, type):
            raise FormatError(f"NEWOBJ class argument must be a type, not {type(cls).__name__}")
        self.budget.take_call()
        maker: Any = cls
        return maker.__new__(cls, *args) if kwargs is None else maker.__new__(cls, *args, **kwargs)

    def value(self, obj: Any) -> Any:
        return obj

    def tuple_of(self, items: tuple[Any, ...]) -> Any:
        return items

    def build(self, obj: Any, state: Any) -> None:
        setter: Any = getattr(obj, "__setstate__", _MISSING)
        if setter is not _MISSING:
            setter(state)
            return
        slots = None
        if isinstance(state, tuple) and len(state) == 2:
            state, slots = state
        if state is not None and (state or not isinstance(state, dict)):
            if not isinstance(state, dict):
                raise FormatError("state is not a dictionary")
            attributes = obj.__dict__
            for key, item in state.items():
                attributes[sys.intern(key) if type(key) is str else key] = item
        if slots is not None and (slots or not isinstance(slots, dict)):
            if not isinstance(slots, dict):
                raise FormatError("slot state is not a dictionary")
            for key, item in slots.items():
                setattr(obj, key, item)

    def append(self, obj: Any, items: list[Any]) -> None:
        extend = getattr(obj, "extend", None)
        if extend is not None:
            extend(items)
            return
        append = obj.append
        for item in items:
            append(item)

    def set_items(self, obj: Any, items: list[Any]) -> None:
        for index in range(0, len(items), 2):
            obj[items[index]] = items[index + 1]

    def add_items(self, obj: Any, items: list[Any]) -> None:
        add = obj.add
        for item in items:
            add(item)

    def persistent(self, pid: Any) -> Any:
        if self.persistent_load is None:
            raise FormatError(
                "A load persistent id instruction was encountered, but no persistent_load function was specified."
            )
        return self.persistent_load(pid)

    def adopt_foreign(self, obj: Any) -> None:
        return None


def find_any(module: str, name: str, protocol: int, fix_imports: bool) -> Any:
    """``pickle.Unpickler.find_class``: any global at all."""
    sys.audit("pickle.find_class", module, name)
    if protocol < 3 and fix_imports:
        module, name = to_python3(module, name)
    __import__(module, level=0)
    target = sys.modules[module]
    if protocol < 4:
        return getattr(target, name)
    for part in name.split("."):
        if part == "<locals>":
            raise AttributeError(f"Can't get local attribute {name!r} on {sys.modules[module]!r}")
        try:
            target = getattr(target, part)
        except AttributeError:
            # pickle names the whole path and the module.
            raise AttributeError(f"Can't get attribute {name!r} on {sys.modules[module]!r}") from None
    return target
