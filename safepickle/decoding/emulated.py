"""Helpers that real picklers emit, done by the machine itself with exactly the shapes they are emitted in (S4a).

Rules that hold here:

* The functions are never handed out: ``getattr``, ``copyreg._reconstructor`` and ``_codecs.encode`` are gadgets in
  the hands of a stream (R06, R26, R27), and ``bytearray(10**10)`` is 25 bytes long (D15).
* A helper that is called in another shape returns ``NotImplemented``: then the policy's own rule for the global, if
  there is one, decides.
* Sets are built one key at a time, under the same checks as ADDITEMS (D05).
* What is made is paid for, before it is made.

The shapes are what CPython 2.7 and 3.8 to 3.13 write (attacks.md, section 6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ..errors import FormatError
from .handles import GlobalHandle
from .hashing import add_items

__all__ = ["CONSTANTS", "EMULATED"]

Args = tuple[Any, ...]


def _size(gate: Any, amount: int) -> None:
    gate.budget.take_object(amount)


def _values(gate: Any, args: Args) -> Args:
    return tuple([gate.value(arg) for arg in args])


def _set(gate: Any, args: Args) -> Any:
    """``set(list)``, protocols 0 to 3."""
    if len(args) > 1 or (args and type(args[0]) not in (list, tuple)):
        return NotImplemented
    items = args[0] if args else ()
    gate.budget.take_items(0, len(items), 72)
    _size(gate, 216)
    result: set[Any] = set()
    add_items(gate.keys, result, items)
    return result


def _frozenset(gate: Any, args: Args) -> Any:
    """``frozenset(list)``, protocols 0 to 3."""
    result = _set(gate, args)
    return result if result is NotImplemented else frozenset(result)


def _bytes(gate: Any, args: Args) -> Any:
    """``bytes()``, protocols 0 to 2 for empty bytes."""
    return b"" if not args else NotImplemented


def _encode(gate: Any, args: Args) -> Any:
    """``_codecs.encode(str, 'latin1')``, protocols 0 to 2 for bytes; no other codec (D17)."""
    if len(args) != 2 or type(args[0]) is not str or type(args[1]) is not str or args[1] not in ("latin1", "latin-1"):
        return NotImplemented
    _size(gate, 33 + len(args[0]))
    try:
        return args[0].encode("latin-1")
    except UnicodeEncodeError:
        raise FormatError("text for bytes is not Latin-1") from None


def _bytearray(gate: Any, args: Args) -> Any:
    """``bytearray()``, ``bytearray(bytes)``, and Python 2's ``bytearray(unicode, 'latin-1')``."""
    if not args:
        _size(gate, 57)
        return bytearray()
    if len(args) == 1 and type(args[0]) is bytes:
        _size(gate, 57 + len(args[0]))
        return bytearray(args[0])
    if len(args) == 2:
        encoded = _encode(gate, args)
        return encoded if encoded is NotImplemented else bytearray(encoded)
    return NotImplemented


def _complex(gate: Any, args: Args) -> Any:
    if len(args) != 2 or type(args[0]) is not float or type(args[1]) is not float:
        return NotImplemented
    _size(gate, 32)
    return complex(args[0], args[1])


def _range(gate: Any, args: Args) -> Any:
    """``range(start, stop, step)``; Python 2's ``xrange`` writes the same."""
    if not 1 <= len(args) <= 3 or any(type(arg) is not int for arg in args) or args[2:] == (0,):
        return NotImplemented
    # It holds its length as well, which is a new int of as many digits as its bounds have.
    _size(gate, 144 + sum(arg.bit_length() for arg in args) // 4)
    return range(*args)


def _slice(gate: Any, args: Args) -> Any:
    if len(args) != 3:
        return NotImplemented
    _size(gate, 56)
    start, stop, step = args
    if type(start) is int and type(stop) is int and type(step) is int:
        # As pandas writes where the columns of a block are.
        return slice(start, stop, step)
    return slice(*_values(gate, args))


def _type(gate: Any, args: Args) -> Any:
    """``type(None)`` and the like: one argument, and only singletons."""
    if len(args) == 1 and (args[0] is None or args[0] is Ellipsis or args[0] is NotImplemented):
        return type(args[0])
    return NotImplemented


def _getattr(gate: Any, args: Args) -> Any:
    """``getattr(Class, 'Inner')``: protocols below 4 write nested classes so, and bound built-ins always.

    Nothing is looked up: the pair (module, 'Class.Inner') is one more global, which needs a rule of its own.
    """
    if len(args) != 2 or type(args[1]) is not str or "." in args[1] or not args[1]:
        return NotImplemented
    owner = args[0]
    if type(owner) is not GlobalHandle:
        return NotImplemented
    return gate.lookup(owner.module, f"{owner.name}.{args[1]}")


_BASES = {
    base.__name__: base
    for base in (object, list, dict, tuple, int, str, float, set, frozenset, bytes, complex, bytearray)
}


def _reconstructor(gate: Any, args: Args) -> Any:
    """``copyreg._reconstructor(cls, base, state)``, protocols 0 and 1."""
    if len(args) != 3 or type(args[0]) is not GlobalHandle or type(args[1]) is not GlobalHandle:
        return NotImplemented
    cls, base, state = args
    kind = _BASES.get(base.name) if base.module == "builtins" else None
    if kind is None or (state is not None if kind is object else type(state) is not kind):
        return NotImplemented
    return gate.emulate_new(cls, kind, state)


def _not_called(gate: Any, args: Args) -> Any:
    """A base that ``copyreg._reconstructor`` names: known to the machine, called only under a rule."""
    return NotImplemented


def _newobj(gate: Any, args: Args) -> Any:
    """``copyreg.__newobj__(cls, *args)`` where it is written as a call."""
    if not args or type(args[0]) is not GlobalHandle:
        return NotImplemented
    return gate.new(args[0], gate.tuple_of(args[1:]), None)


def _newobj_ex(gate: Any, args: Args) -> Any:
    """``copyreg.__newobj_ex__(cls, args, kwargs)`` where it is written as a call."""
    if len(args) != 3 or type(args[0]) is not GlobalHandle or type(args[2]) is not dict:
        return NotImplemented
    return gate.new(args[0], args[1], args[2])


#: Helpers by the global they stand for, under its Python 3 name.
EMULATED: Mapping[tuple[str, str], Callable[[Any, Args], Any]] = MappingProxyType(
    {
        **{("builtins", name): _not_called for name in _BASES},
        ("builtins", "set"): _set,
        ("builtins", "frozenset"): _frozenset,
        ("builtins", "bytes"): _bytes,
        ("builtins", "bytearray"): _bytearray,
        ("builtins", "complex"): _complex,
        ("builtins", "range"): _range,
        ("builtins", "slice"): _slice,
        ("builtins", "type"): _type,
        ("builtins", "getattr"): _getattr,
        ("_codecs", "encode"): _encode,
        ("copyreg", "_reconstructor"): _reconstructor,
        ("copyreg", "__newobj__"): _newobj,
        ("copyreg", "__newobj_ex__"): _newobj_ex,
    }
)

#: Globals that are plain values.
CONSTANTS: Mapping[tuple[str, str], Any] = MappingProxyType(
    {
        ("builtins", "Ellipsis"): Ellipsis,
        ("builtins", "NotImplemented"): NotImplemented,
    }
)
