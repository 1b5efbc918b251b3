# cython: annotation_typing=False
"""Resolving: from a granted name to the object, and what is to be known of it before it is used.

Rules that hold here:

* Only what the gate has granted comes here, so importing is allowed; a dotted name is walked through classes only,
  never through modules (S2).
* What a class does with its arguments is read off its bases: nothing of it is called.
"""

from __future__ import annotations

import enum
import sys
import types
from _thread import _local
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

#: Classes whose constructors read an iterable to its end, take a number as a size (D15), or hash items (D05).
_MRO: Any = type.__dict__["__mro__"]
_NAMES: Any = type.__dict__["__dict__"]
_METHOD: Any = types.MethodDescriptorType
_SIZER: Any = object.__sizeof__
_MAKER: Any = object.__dict__["__new__"]
#: What a type has whose instances take items.
_TAKING = ("__setitem__", "append", "extend", "add")
_READERS = (list, tuple, set, frozenset, dict, bytes, bytearray, deque)
_SIZED = (bytes, bytearray)
_HASHERS = (set, frozenset, dict)
#: Of these ``__new__`` takes the arguments, of the others ``__init__`` does.
_MADE_WHOLE = (tuple, frozenset, bytes, str)
#: The last four only where no code of the class's own comes between: that knows what it takes.
READS, SIZES, HASHES, UNFOLDS, PAIRS, TEXT, SIZED_AS_BUILT_IN = 1, 2, 4, 8, 16, 32, 64
#: What it is made with goes to ``__init__``, later, in each thread that asks for an attribute.
STARTS_LATER = 128
#: What can be iterated, and is counted before it is.
_ITERATED: tuple[Any, ...] = (list, tuple, set, frozenset, dict, range, deque)
_COUNTED = (*_ITERATED, str, bytes, bytearray, memoryview, type)
#: What is neither iterated nor a pair, and text if text is asked for.
_PLAIN_ITEMS = frozenset({str, bytes, int, float, types.NoneType})
#: What text is made of without asking an object for it.
_TOLD = (str, bytes, bytearray, int, float, types.NoneType)
#: Depth of attributes in a dotted name; pickle has no bound.
MAX_DOTS = 20

if not cython.compiled:
    # This is C in the compiled form: the interpreter's own look-up, which goes the same way.

    def found_on(kind: type, name: str) -> Any:
        """Return what a class or its bases have by a name, as it stands there, past the metaclass; None for nothing."""
        for base in _MRO.__get__(kind):
            names = _NAMES.__get__(base)
            if name in names:
                return names[name]
        return None

    def loaded_module(name: str) -> Any:
        """Return a module that is there, or None."""
        return sys.modules.get(name)

    def found_in(module: str, name: str) -> Any:
        """Return what a plain module that is there has by a name, or None."""
        loaded = sys.modules.get(module)
        return vars(loaded).get(name) if type(loaded) is types.ModuleType else None

    def refers_to(reference: Any, target: Any) -> bool:
        """Return whether a weak reference is to an object that is there."""
        return target is not None and reference() is target

    def flags_of(kind: type) -> int:
        """Return the flags of a class, as the interpreter knows them."""
        return kind.__flags__

    def version_of(target: Any) -> int:  # noqa: ARG001
        """Return a number that a class has as long as neither it nor a base is changed, 0 where there is none."""
        return 0


def import_global(module: str, name: str, whole: bool = False) -> Any:
    """Import *module* and return what *name* is in it; a dotted name is walked through classes only (S2).

    :param whole: the module has been imported before; else another thread may be at it, and is waited for.
    """
    loaded = loaded_module(module)
    if loaded is None or (not whole and _is_half(loaded)):
        __import__(module, level=0)
        loaded = sys.modules[module]
    if "." not in name:
        return getattr(loaded, name)
    parts = name.split(".")
    if len(parts) > MAX_DOTS:
        raise AttributeError("too many dots")
    target = getattr(loaded, parts[0])
    for part in parts[1:]:
        if not isinstance(target, type):
            raise AttributeError("only attributes of classes are reached")
        target = getattr(target, part)
    return target


def _is_half(module: Any) -> bool:
    """Return whether a module is being imported: what it has of names is not all."""
    return getattr(getattr(module, "__spec__", None), "_initializing", False) is True


def takes_items(kind: type) -> bool:
    """Return whether instances of a type may be given items."""
    return any(found_on(kind, name) is not None for name in _TAKING)


def traits_of(target: type) -> int:
    """Return what a class's constructor does with its arguments."""
    traits = READS if issubclass(target, _READERS) else 0
    if issubclass(target, _SIZED):
        traits |= SIZES
    if issubclass(target, _HASHERS) or isinstance(target, enum.EnumMeta):
        traits |= HASHES
    if issubclass(target, _local):
        traits |= STARTS_LATER
    if _takes_as_built_in(target):
        traits |= UNFOLDS if traits & READS else 0
        traits |= PAIRS if issubclass(target, dict) and not issubclass(target, Counter) else 0
        traits |= TEXT if issubclass(target, str) else 0
        traits |= SIZED_AS_BUILT_IN if issubclass(target, _SIZED) else 0
    return traits


def _takes_as_built_in(target: type) -> bool:
    """Return whether what takes the arguments is the built-in class's own method, or one of ``collections``."""
    found = found_on(target, "__new__" if issubclass(target, _MADE_WHOLE) else "__init__")
    if type(found) is staticmethod:
        found = found.__func__
    return type(found) is not types.FunctionType or found.__module__ == Counter.__module__


def items_of(arg: object) -> Iterator[Any] | None:
    """Return the items of what is iterated in a known way, as the interpreter would; None for all else."""
    for base in _ITERATED:
        if issubclass(type(arg), base):
            found: Iterator[Any] = base.__iter__(arg)
            return found
    return None


def comes_to_an_end(container: Any) -> bool:
    """Return whether whoever walks an OrderedDict finds as many keys as it has; true of everything else."""
    if not issubclass(type(container), OrderedDict):
        return True
    most = dict.__len__(container)
    found = 0
    try:
        for _ in islice(OrderedDict.__iter__(container), most + 1):
            found += 1
    except Exception:  # noqa: BLE001  it has lost a key
        found = most + 1
    return found <= most


def refuse_items(traits: int, args: tuple[Any, ...]) -> str | None:
    """Return why a constructor must not be given arguments, or None.

    It would iterate what nobody has counted (a network of all addresses is 20 bytes), take keys out of pairs that were
    not looked at, or ask objects for their text, in which shared parts are written out again and again.
    """
    for arg in args:
        kind = type(arg)
        if kind in _PLAIN_ITEMS:
            continue
        if traits & UNFOLDS and not issubclass(kind, _COUNTED):
            for name in ("__iter__", "__getitem__", "keys"):
                if found_on(kind, name) is not None:
                    return "items that are in no list, tuple, set, dict or bytes"
        if traits & READS and not comes_to_an_end(arg):
            return "an OrderedDict of which a key has changed its hash"
        if traits & PAIRS and not issubclass(kind, dict):
            for item in items_of(arg) or ():
                if not issubclass(type(item), (list, tuple)):
                    return "a pair that is no list or tuple"
        if traits & TEXT and not issubclass(kind, _TOLD):
            return "something else than text"
    return None


def is_bare(kind: type) -> bool:
    """Return whether a class leaves the making of instances to ``object``: none of its code runs."""
    return found_on(kind, "__new__") is _MAKER


def sizer_of(kind: type) -> Any:
    """Return how an instance of a class is asked for its own size, running no code of the class."""
    sizer = found_on(kind, "__sizeof__")
    return sizer if type(sizer) is _METHOD else _SIZER


def size_by(sizer: Any, obj: Any) -> int:
    """Return an estimate of an object's own size, in bytes."""
    size = sizer(obj)
    return size if type(size) is int and size >= 0 else 64


def is_plain_id(pid: Any) -> bool:
    """Return whether a persistent id is plain: text, numbers, classes, or a flat tuple of them."""
    if type(pid) is tuple:
        return all(type(part) in _PLAIN_IDS or isinstance(part, type) for part in pid)
    return type(pid) in _PLAIN_IDS


_PLAIN_IDS = frozenset({str, int, bytes, bool, float, type(None)})
