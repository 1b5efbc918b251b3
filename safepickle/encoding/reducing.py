# cython: annotation_typing=False
"""The reduce protocol: what an object that is no built-in container is written as.

Rules that hold here:

* What ``__reduce_ex__`` and its kin return becomes a *script*: a flat list of steps, each followed by what it is
  about. The encoder carries it out part by part, so that arguments and state of any depth take no C stack.
* The order of steps and the choice of opcodes are those of ``_pickle.c`` and, where that differs between Python
  versions, of the newest.
* A class is looked at, its code not run, to learn whether writing its instances runs any code of its own.
"""

from __future__ import annotations

import codecs
import copyreg
import functools
import sys
from types import BuiltinFunctionType, FunctionType, GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import TYPE_CHECKING, Any

from ..decoding.state import setter_of
from ..errors import EncodingError, LimitError, quote
from ..wire.opcodes import BY_NAME
from ..wire.python2 import to_python2
from .conforming import made_by

if TYPE_CHECKING:
    from .encoder import Encoder

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    from ..decoding.resolving import flags_of, found_on

Found = tuple[str, str]
Script = list[Any]

# Steps. The first four write their subject; the names tell the path of an error where it is.
SAVE = 0
ARGS = 1
STATE = 2
#: Write a global for a use that has been granted already.
USE = 3
#: Write an object that is in the memo by now, if there is a memo.
AGAIN = 4
#: Write an opcode.
CODE = 5
BYTES = 6
#: Put the object into the memo.
NOTE = 7
#: Append the items of an iterator.
ITEMS = 8
#: Set the pairs of an iterator.
ENTRIES = 9
#: Look at keys that have been written.
KEYS = 10
#: The reader counts so many levels more, or less, than there are frames from here on.
LEVEL = 11
#: What is left to be asked of a call that hashes the keys of one dict: whether that costs nothing.
COUNTED = "keys"

_MARK = BY_NAME["MARK"].code
_TUPLE = BY_NAME["TUPLE"].code
_TUPLE1 = BY_NAME["TUPLE1"].code
_TUPLE2 = BY_NAME["TUPLE2"].code
_REDUCE = BY_NAME["REDUCE"].code
_NEWOBJ = BY_NAME["NEWOBJ"].code
_NEWOBJ_EX = BY_NAME["NEWOBJ_EX"].code
_BUILD = BY_NAME["BUILD"].code
_POP = BY_NAME["POP"].code
_GLOBAL = bytes([BY_NAME["GLOBAL"].code])
_STACK_GLOBAL = BY_NAME["STACK_GLOBAL"].code
_EXT1, _EXT2, _EXT4 = (bytes([BY_NAME[name].code]) for name in ("EXT1", "EXT2", "EXT4"))

_MISSING = object()

#: Exact types that older protocols have no opcode for.
OLD_FORMS = frozenset({bytes, bytearray, set, frozenset})
#: Types without a name of their own, and what ``type`` gives them for.
SINGLETON_TYPES: dict[type, tuple[Any]] = {
    type(None): (None,),
    type(NotImplemented): (NotImplemented,),
    type(...): (...,),
}
#: Reducers of copyreg's table that run no code of the data.
_OWN_REDUCERS = (getattr(copyreg, "pickle_complex", None), getattr(copyreg, "pickle_union", None))
#: Where numpy has its own reducer, before version 2 and since.
_NUMPY_CORES = ("numpy._core", "numpy.core")
#: Types that need no rule: the machine makes their values itself, or they are written as a global.
EXEMPT = frozenset({range, slice, object, type(...), type(NotImplemented), BuiltinFunctionType})

#: What a class leaves to ``object`` whose instances are their attributes.
_USUAL_METHODS = tuple(
    (name, object.__dict__.get(name)) for name in ("__reduce_ex__", "__reduce__", "__getstate__", "__getattribute__")
)
_BY_IDENTITY = tuple((name, object.__dict__[name]) for name in ("__eq__", "__hash__"))
_HOOKS = ("__reduce__", "__reduce_ex__", "__getstate__", "__getnewargs__", "__getnewargs_ex__")

_HEAP_TYPE = 1 << 9
_IMMUTABLE_TYPE = 1 << 8


# -- reducing --------------------------------------------------------------------------------------------------


def reduce_method(obj: Any, kind: type) -> Any:
    """Return the ``__reduce_ex__`` of an object's class, bound: an instance attribute is data, not code (R70)."""
    refuse_hooks(obj)
    method = found_on(kind, "__reduce_ex__")
    return method.__get__(obj, kind) if hasattr(type(method), "__get__") else method


def old_reduce_method(obj: Any, kind: type) -> Any:
    """Return the ``__reduce__`` of an object that has no ``__reduce_ex__``."""
    method = getattr(obj, "__reduce__", _MISSING)
    if method is _MISSING:
        raise EncodingError(f"can't pickle {kind.__name__!r} object: {obj!r}")
    return method


def refuse_hooks(obj: Any) -> None:
    """Refuse an instance with attributes of its own that ``object.__reduce_ex__`` would call (R70)."""
    if type(obj).__dictoffset__ == 0:
        return
    try:
        fields = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        fields = None
    if type(fields) is dict and has_hooks(fields):
        raise EncodingError(f"a {quote(type(obj).__name__)} has attributes that say how to write it")


def has_hooks(fields: dict[Any, Any]) -> bool:
    """Return whether one of the hooks is among attributes; keys of the data are not asked for their hashes."""
    return bool([name for name in _HOOKS if name in fields])


def runs_own_code(reducer: Any) -> bool:
    """Return whether a reducer of the dispatch table may be code of the data."""
    if reducer in _OWN_REDUCERS:
        return False
    # numpy registers one for the classes of dtypes, from which nobody derives: it gives their names.
    if type(reducer) is not FunctionType or reducer.__qualname__ != "_DType_reduce":
        return True
    return not [core for core in _NUMPY_CORES if reducer.__globals__ is vars(sys.modules.get(core, sys))]


def is_trusted(kind: type) -> bool:
    """Return whether reducing instances runs C code alone: the class is one of C that nobody can change."""
    flags = flags_of(kind)
    return not flags & _HEAP_TYPE or bool(flags & _IMMUTABLE_TYPE)


def is_usual_class(kind: type, protocol: int) -> bool:
    """Return whether a class leaves reducing to ``object``, so that an instance is its class and its attributes."""
    if protocol < 2 or issubclass(kind, (list, dict)) or kind.__itemsize__:
        return False
    for name, usual in _USUAL_METHODS:
        if found_on(kind, name) is not usual:
            return False
    if found_on(kind, "__getnewargs_ex__") is not None or found_on(kind, "__getnewargs__") is not None:
        return False
    return slot_members(kind) is not None


def slot_members(kind: type) -> tuple[tuple[str, Any], ...] | None:
    """Return the slots that a class and its bases declare; None where looking at attributes may run code."""
    attributes = found_on(kind, "__dict__")
    if attributes is not None and type(attributes) is not GetSetDescriptorType:
        return None
    members = tuple([(name, found_on(kind, name)) for name in copyreg._slotnames(kind)])  # type: ignore[attr-defined]
    if attributes is None and not members:
        return None
    for name, member in members:
        if type(member) is not MemberDescriptorType or (name.startswith("__") and name.endswith("__")):
            return None
        if "__slots__" not in vars(member.__objclass__):
            return None  # the reader sets what is declared
    return None if members and found_on(kind, "__getattr__") is not None else members


def confirms_usual_class(obj: Any, kind: type, reduced: Any) -> bool:
    """Return whether the first instance was reduced as :func:`is_usual_class` says (C code may refuse or differ)."""
    return (
        type(reduced) is tuple
        and len(reduced) >= 3
        and reduced[0] is copyreg.__newobj__  # type: ignore[attr-defined]
        and reduced[1] == (kind,)
        and _confirms_state(obj, kind, reduced[2])
        and not [part for part in reduced[3:] if part is not None]
    )


def _confirms_state(obj: Any, kind: type, state: Any) -> bool:
    if type(state) is tuple:
        members = dict(slot_members(kind) or ())
        return len(state) == 2 and type(state[1]) is dict and state[1].keys() <= members.keys()
    return state is None or (kind.__dictoffset__ != 0 and state is object.__getattribute__(obj, "__dict__"))


# -- classes and attributes, in the Python form --------------------------------------------------------------------


def is_itself(kind: type) -> bool:
    """Return whether a class is equal to itself alone, as its metaclass leaves it to ``object`` to say."""
    meta = type(kind)
    return meta is type or not [name for name, usual in _BY_IDENTITY if found_on(meta, name) is not usual]


def instance_dict(obj: Any) -> Any:
    """Return an instance's ``__dict__``."""
    return object.__getattribute__(obj, "__dict__")


def has_attributes(obj: Any) -> bool:
    """Return whether there is something in an instance's ``__dict__``."""
    return bool(instance_dict(obj))


def plain_names(state: dict[Any, Any]) -> bool:
    """Return whether all keys are names that the reader sets: text, and no dunder names; of a plain dict."""
    return type(state) is dict and all(type(key) is str and not (key[:2] == "__" and key[-2:] == "__") for key in state)


def slot_value(member: Any, obj: Any, missing: Any) -> Any:
    """Return what is in a slot, or *missing*."""
    try:
        value = member.__get__(obj)
    except AttributeError:
        value = missing
    return value


# -- scripts ---------------------------------------------------------------------------------------------------


def script_of(encoder: Encoder, obj: Any, reduced: Any, reducer: Any) -> Script:
    """Return the steps that write *obj* as *reduced*, what *reducer* returned for it."""
    func, args, state, items, entries, setter = _parts(reduced, reducer)
    gate = encoder.gate
    if gate is not None and type(state) is dict and not state and isinstance(obj, BaseException):
        # Looking for hooks made an exception's empty __dict__, which it then gives as its state.
        state = None
    steps: Script | None = None
    owner, given = func, args
    if gate is not None:
        steps, owner, given = gate.call_script(encoder, obj, func, args)
    if steps is None:
        steps = _call_script(encoder, obj, func, args)
    if gate is not None:
        for keys in gate.hashed_by(owner, given):
            steps += (KEYS, keys)
    steps.append(NOTE)
    steps.append(obj)
    if items is not None:
        if gate is not None:
            gate.use(owner, "append", encoder)
        # A frame each for the object and its items, where the reader has one level.
        steps += (LEVEL, -1, ITEMS, items, LEVEL, 1)
    if entries is not None:
        if gate is not None:
            gate.use(owner, "setitem", encoder)
        steps += (LEVEL, -1, ENTRIES, entries, LEVEL, 1)
    if state is not None and setter is None:
        if setter_of(made_by(owner, obj)) is not None:
            encoder.count_call()
        if gate is not None:
            gate.use(owner, "build", encoder)
            gate.check_state(owner, obj, state, encoder)
        steps += (STATE, state, CODE, _BUILD)
    elif state is not None:
        if gate is not None:
            gate.use(setter, "call", encoder)
        encoder.count_call()
        encoder.count_object(0)
        # The object is in a tuple beside its state, and the reader may take it for part of the result.
        call = (USE, setter, *_tuple(encoder, AGAIN, obj, STATE, state), CODE, _REDUCE, CODE, _POP)
        steps = [LEVEL, 2, *steps, *call, LEVEL, -2]
    return steps


def _parts(reduced: Any, reducer: Any) -> tuple[Any, Any, Any, Any, Any, Any]:
    """Check what a reducer returned, with pickle's words."""
    if not isinstance(reduced, tuple):
        raise EncodingError(f"{_name(reducer)} must return a string or tuple")
    if not 2 <= len(reduced) <= 6:
        raise EncodingError(f"tuple returned by {_name(reducer)} must contain 2 through 6 elements")
    count = len(reduced)
    func, args = reduced[0], reduced[1]
    state = reduced[2] if count > 2 else None
    items = reduced[3] if count > 3 else None
    entries = reduced[4] if count > 4 else None
    setter = reduced[5] if count > 5 else None
    if not callable(func):
        raise EncodingError(f"first item of the tuple returned by {_name(reducer)} must be callable")
    if not isinstance(args, tuple):
        raise EncodingError(f"second item of the tuple returned by {_name(reducer)} must be a tuple")
    if items is not None or entries is not None:
        for part, number in ((items, "fourth"), (entries, "fifth")):
            if part is not None and not hasattr(type(part), "__next__"):
                raise EncodingError(
                    f"{number} element of the tuple returned by {_name(reducer)} must be an iterator, "
                    f"not {type(part).__name__}"
                )
    if setter is not None and not callable(setter):
        raise EncodingError(
            f"sixth element of the tuple returned by {_name(reducer)} must be a function, not {type(setter).__name__}"
        )
    return func, args, state, items, entries, setter


def _name(reducer: Any) -> str:
    return str(getattr(reducer, "__name__", "__reduce__")) if not isinstance(reducer, str) else reducer


def _call_script(encoder: Encoder, obj: Any, func: Any, args: tuple[Any, ...]) -> Script:
    """Return the steps that make the object: REDUCE, NEWOBJ or NEWOBJ_EX."""
    name = getattr(func, "__name__", None) if encoder.protocol >= 2 else None
    if name == "__newobj_ex__":
        return _newobj_ex_script(encoder, obj, args)
    if name == "__newobj__":
        cls = _newobj_class(obj, args)
        return [USE, cls, ARGS, args[1:], CODE, _NEWOBJ]
    return [USE, func, ARGS, args, CODE, _REDUCE]


def _newobj_class(obj: Any, args: tuple[Any, ...]) -> Any:
    if not args:
        raise EncodingError("__newobj__ arglist is empty")
    cls = args[0]
    if not hasattr(cls, "__new__"):
        raise EncodingError("args[0] from __newobj__ args has no __new__")
    if cls is not obj.__class__:
        raise EncodingError("args[0] from __newobj__ args has the wrong class")
    return cls


def _newobj_ex_script(encoder: Encoder, obj: Any, arguments: tuple[Any, ...]) -> Script:
    if len(arguments) != 3:
        raise EncodingError(f"length of the NEWOBJ_EX argument tuple must be exactly 3, not {len(arguments)}")
    cls, args, kwargs = arguments
    if not isinstance(cls, type):
        raise EncodingError(f"first item from NEWOBJ_EX argument tuple must be a class, not {type(cls).__name__}")
    if not isinstance(args, tuple):
        raise EncodingError(f"second item from NEWOBJ_EX argument tuple must be a tuple, not {type(args).__name__}")
    if not isinstance(kwargs, dict):
        raise EncodingError(f"third item from NEWOBJ_EX argument tuple must be a dict, not {type(kwargs).__name__}")
    if cls is not obj.__class__:
        raise EncodingError("args[0] from __newobj_ex__ args has the wrong class")
    if encoder.protocol >= 4:
        return [USE, cls, ARGS, args, ARGS, kwargs, CODE, _NEWOBJ_EX]
    if encoder.gate is not None:
        # functools.partial, which pickle writes here, is refused by every reader with a policy; this helper is not.
        helper = copyreg.__newobj_ex__  # type: ignore[attr-defined]
        return [USE, helper, *_tuple(encoder, USE, cls, ARGS, args, ARGS, kwargs), CODE, _REDUCE]
    return [SAVE, functools.partial(cls.__new__, cls, *args, **kwargs), SAVE, (), CODE, _REDUCE]


def _tuple(encoder: Encoder, *steps: Any) -> Script:
    """Return steps that make a tuple of two or three written things."""
    encoder.count_object(len(steps) // 2)
    if encoder.protocol < 2:
        return [CODE, _MARK, LEVEL, 1, *steps, LEVEL, -1, CODE, _TUPLE]
    return [LEVEL, 1, *steps, LEVEL, -1, CODE, _TUPLE1 + len(steps) // 2 - 1]


def helper_script(encoder: Encoder, func: Any, *steps: Any) -> Script:
    """Return the steps of a call of a helper that the machine emulates, its arguments written one by one."""
    return [USE, func, *_tuple(encoder, *steps), CODE, _REDUCE]


def old_form(encoder: Encoder, obj: Any, kind: type) -> Script:
    """Return the steps for an exact built-in type that the protocol has no opcode for."""
    func: Any = kind
    args: tuple[Any, ...]
    if kind is bytes:
        if obj:
            func, args = codecs.encode, (str(obj, "latin-1"), "latin1")
        else:
            args = ()
    elif kind is bytearray:
        args = (bytes(obj),) if obj else ()
    else:
        args = (list(obj),)
        return [LEVEL, -1, USE, func, ARGS, args, CODE, _REDUCE, KEYS, args[0], NOTE, obj, LEVEL, 1]
    return [LEVEL, -1, USE, func, ARGS, args, CODE, _REDUCE, NOTE, obj, LEVEL, 1]


# -- globals ---------------------------------------------------------------------------------------------------


def find_global(obj: Any, name: str | None, strict: bool) -> Found:
    """Return the module and qualified name that *obj* is found under.

    :param strict: exact ``str`` alone, and attributes only of classes (S2).
    :raises EncodingError: if it is not there, or something else is.
    """
    name = _own_name(obj) if name is None else name
    module = _module_of(obj, name)
    if strict and (type(name) is not str or type(module) is not str):
        raise EncodingError(f"a global without a plain name: {quote(obj)}")
    try:
        if module not in sys.modules:
            __import__(module, level=0)
        found = attribute_of(sys.modules[module], name, strict)
    except (ImportError, KeyError, AttributeError, TypeError, ValueError):
        place = _place(module, name, strict)
        raise EncodingError(f"Can't pickle {_show(obj, strict)}: it's not found as {place}") from None
    if found is not obj:
        place = _place(module, name, strict)
        raise EncodingError(f"Can't pickle {_show(obj, strict)}: it's not the same object as {place}")
    return module, name


def _place(module: Any, name: Any, strict: bool) -> str:
    """Return a global's name for messages; a reduce method may return any text as one."""
    text = f"{module}.{name}"
    return text if not strict or (text.isascii() and text.isprintable() and len(text) < 100) else quote(text)


def _own_name(obj: Any) -> str:
    name: str | None = getattr(obj, "__qualname__", None)
    plain: str = obj.__name__ if name is None else name
    return plain


def _show(obj: Any, strict: bool) -> str:
    return quote(obj) if strict else repr(obj)


def attribute_of(target: Any, name: str, strict: bool) -> Any:
    """Return what a module has by a qualified name.

    :param strict: attributes only of classes.
    """
    if "." not in name and not name.startswith("<"):
        return getattr(target, name)
    parts = name.split(".")
    if "<locals>" in parts:
        raise AttributeError("a local object")
    target = getattr(target, parts[0])
    for part in parts[1:]:
        if strict and not isinstance(target, type):
            raise AttributeError("only attributes of classes are reached")
        target = getattr(target, part)
    return target


def _module_of(obj: Any, name: str) -> str:
    """Return the module that an object says it is from, or the first loaded one that has it under that name."""
    module = getattr(obj, "__module__", None)
    if module is not None:
        return module  # type: ignore[no-any-return]
    # A copy: another thread may import meanwhile.
    for candidate, loaded in sys.modules.copy().items():
        if candidate in ("__main__", "__mp_main__") or loaded is None or not isinstance(loaded, ModuleType):
            continue
        try:
            found = attribute_of(loaded, name, strict=False)
        except AttributeError:
            found = _MISSING
        if found is obj:
            return candidate
    return "__main__"


def extension_code(found: Found) -> bytes | None:
    """Return the EXT opcode of a global that is registered with ``copyreg.add_extension``, or None."""
    code = copyreg._extension_registry.get(found, _MISSING)  # type: ignore[attr-defined]
    if code is _MISSING:
        return None
    if not isinstance(code, int):
        raise TypeError(f"extension code must be an int, not {type(code).__name__}")
    if not -0x80000000 <= code <= 0x7FFFFFFF:
        raise OverflowError(f"extension code {code} is out of range")
    if code <= 0:
        raise RuntimeError(f"extension code {code} is out of range")
    if code <= 0xFF:
        return _EXT1 + code.to_bytes(1, "little")
    if code <= 0xFFFF:
        return _EXT2 + code.to_bytes(2, "little")
    return _EXT4 + code.to_bytes(4, "little")


def global_script(encoder: Encoder, obj: Any, found: Found) -> Script:
    """Return the steps that write a global by its name, in protocols below 4 or where persistent ids are asked for."""
    module, name = found
    if encoder.protocol >= 4:
        return [SAVE, module, SAVE, name, CODE, _STACK_GLOBAL, NOTE, obj]
    first, *rest = name.split(".")
    steps: Script = []
    for _ in rest:
        # Protocols below 4 know no dotted names: getattr(getattr(first, second), third).
        steps += (USE, getattr)
        if encoder.protocol < 2:
            steps += (CODE, _MARK)
    steps += (BYTES, _global_line(encoder, module, first))
    for part in rest:
        steps += (SAVE, part, CODE, _TUPLE if encoder.protocol < 2 else _TUPLE2, CODE, _REDUCE)
    return [*steps, NOTE, obj]


def _global_line(encoder: Encoder, module: str, name: str) -> bytes:
    """Return a GLOBAL opcode."""
    if encoder.protocol >= 3:
        lines = f"{module}\n{name}\n".encode()
    else:
        if encoder.fix_imports:
            module, name = to_python2(module, name)
        try:
            lines = f"{module}\n{name}\n".encode("ascii")
        except UnicodeEncodeError:
            raise EncodingError(
                f"can't pickle global identifier '{ascii(module)[1:-1]}.{ascii(name)[1:-1]}' "
                f"using pickle protocol {encoder.protocol}"
            ) from None
    if lines.count(b"\n") != 2:
        raise EncodingError(f"a name with a line break: {quote(name)}")
    longest = max(map(len, lines.split(b"\n")))
    if longest > encoder.bounds.max_string:
        raise LimitError("max_string", encoder.bounds.max_string, longest)
    return _GLOBAL + lines


def persistent_line(pid: Any, strict: bool) -> bytes:
    """Return a PERSID opcode and its line (protocol 0)."""
    try:
        line = str(pid).encode("ascii")
    except UnicodeEncodeError:
        raise EncodingError("persistent IDs in protocol 0 must be ASCII strings") from None
    if strict and b"\n" in line:
        raise EncodingError("a persistent id with a line break")
    return b"P" + line
