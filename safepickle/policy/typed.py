"""Policies from type annotations: the classes that a type leads to, their fields as constraints, and its shape.

Rules that hold here:

* Exactly the classes that the annotation leads to are allowed, each with the rights that its own kind of pickle needs,
  and with its fields as constraints of arguments and state. A derived class is another class.
* A class that says itself how it is pickled (``__reduce__``, ``__setstate__``, ...) is refused, because what its state
  may be is not known from its fields: it belongs into a policy file. What dataclasses, attrs, enumerations and pydantic
  generate is known.
* Nothing heavy is imported: attrs and pydantic classes are known by what they carry.
"""

from __future__ import annotations

import collections
import copyreg
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import inspect
import ipaddress
import pathlib
import types
import typing
import uuid
from collections import abc
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from .names import module_problem, name_problem
from .rules import Policy
from .shapes import (
    ANY,
    Bounds,
    EntriesShape,
    ExactShape,
    FieldsShape,
    ItemsShape,
    LiteralShape,
    RecordShape,
    Shape,
    TupleShape,
    UnionShape,
    check_shape,
)
from .typed_rules import class_rule, member_rules
from .values import find_loaded

__all__ = ["check_type", "policy_for_type", "type_name"]

Pair = tuple[str, str]
Types = Mapping[Any, Any]

_ZONES: tuple[Pair, ...] = (
    ("datetime", "timezone"),
    ("datetime", "timedelta"),
    ("zoneinfo", "ZoneInfo"),
    ("zoneinfo", "ZoneInfo._unpickle"),
)
#: What a defaultdict may have as its factory.
_FACTORIES = tuple(
    ("builtins", name)
    for name in "bool bytearray bytes complex dict float frozenset int list object set str tuple".split()
)


class Leaf(NamedTuple):
    """A class of the standard library that is one value, with rules of the ``stdlib`` pack."""

    kinds: tuple[type, ...]
    #: What beside the classes themselves is needed.
    more: tuple[Pair, ...] = ()


_LEAVES: Mapping[Any, Leaf] = {
    **{kind: Leaf((kind,)) for kind in (bool, int, str, bytes, bytearray, range, slice)},
    # PEP 484: an int is accepted where a float is asked for, both where a complex is.
    float: Leaf((float, int)),
    complex: Leaf((complex, float, int)),
    decimal.Decimal: Leaf((decimal.Decimal,)),
    fractions.Fraction: Leaf((fractions.Fraction,)),
    dt.date: Leaf((dt.date,)),
    dt.timedelta: Leaf((dt.timedelta,)),
    dt.timezone: Leaf((dt.timezone,), _ZONES[1:2]),
    dt.time: Leaf((dt.time,), _ZONES),
    dt.datetime: Leaf((dt.datetime,), _ZONES),
    uuid.UUID: Leaf((uuid.UUID,), (("uuid", "SafeUUID"),)),
    pathlib.Path: Leaf((pathlib.PosixPath, pathlib.WindowsPath, pathlib.Path)),
    pathlib.PurePath: Leaf((pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PurePath)),
    **{
        kind: Leaf((kind,))
        for kind in (
            pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, pathlib.PureWindowsPath,
            ipaddress.IPv4Address, ipaddress.IPv4Network, ipaddress.IPv4Interface,
            ipaddress.IPv6Address, ipaddress.IPv6Network, ipaddress.IPv6Interface,
        )
    },
}  # fmt: skip

#: Containers by what an annotation says: the exact types, and what they need of the ``stdlib`` pack.
_ITEMS: Mapping[Any, tuple[type, ...]] = {
    list: (list,),
    set: (set,),
    frozenset: (frozenset,),
    collections.deque: (collections.deque,),
    abc.Sequence: (list, tuple),
    abc.Iterable: (list, tuple),
    abc.Collection: (list, tuple, set, frozenset),
    abc.MutableSequence: (list,),
    abc.Set: (set, frozenset),
    abc.MutableSet: (set,),
}
_ENTRIES: Mapping[Any, tuple[type, ...]] = {
    dict: (dict,),
    collections.OrderedDict: (collections.OrderedDict,),
    collections.defaultdict: (collections.defaultdict,),
    abc.Mapping: (dict,),
    abc.MutableMapping: (dict,),
}
_HOOKS = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__")


class _Plan(NamedTuple):
    """What a type annotation comes to."""

    policy: Policy
    shape: Shape


def policy_for_type(annotation: Any, name: str = "") -> Policy:
    """Return the policy for the values of a type annotation.

    :param name: its name; by default the annotation's.
    :raises TypeError: for what cannot be said exactly.
    """
    policy = _plan(annotation).policy
    if not name:
        return policy
    return Policy(name=name, rules=policy.rules.values(), aliases=policy.aliases)


def check_type(value: Any, annotation: Any) -> None:
    """Compare a value with a type annotation.

    :raises ShapeError: if it is not of the type; it says where.
    """
    check_shape(value, _plan(annotation).shape)


def type_name(annotation: Any) -> str:
    """Return what a type annotation is called in messages."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__qualname__
    return str(annotation).replace("typing.", "")[:100]


def _plan(annotation: Any) -> _Plan:
    try:
        hash(annotation)
    except TypeError:
        return _make_plan(annotation)
    return _kept_plan(annotation, _as_written(annotation))


@functools.lru_cache(maxsize=128)
def _kept_plan(annotation: Any, _told_apart: Any) -> _Plan:
    return _make_plan(annotation)


def _as_written(annotation: Any) -> Any:
    """Return what tells annotations apart that are equal but not the same, such as those of 1 and of True."""
    return str(annotation)


def _make_plan(annotation: Any) -> _Plan:
    maker = _Maker()
    shape = maker.shape(annotation, {})
    return _Plan(maker.policy(type_name(annotation)), shape)


class _Maker:
    """Follows an annotation to everything that it leads to."""

    def __init__(self) -> None:
        self.records: dict[tuple[Any, Any], Shape] = {}
        self.stdlib: set[Pair] = set()
        #: Made at the end, when all fields are known.
        self.classes: list[tuple[type, Shape]] = []

    # -- annotations -------------------------------------------------------------------------------------------

    def shape(self, annotation: Any, known: Types) -> Shape:
        """Return the shape for an annotation, with type variables as they are *known*."""
        if annotation is None:
            annotation = type(None)
        if isinstance(annotation, typing.TypeVar):
            return self._variable(annotation, known)
        if annotation is Any or annotation is object:
            return ANY
        if hasattr(annotation, "__supertype__"):
            return self.shape(annotation.__supertype__, known)
        if type(annotation).__name__ == "TypeAliasType":
            return self.shape(annotation.__value__, known)
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is None:
            return self._plain(annotation, known)
        if origin is typing.Annotated:
            return self._bounded(self.shape(args[0], known), args[1:])
        if origin in (typing.Final, typing.Required, typing.NotRequired) or origin is getattr(typing, "ReadOnly", ()):
            return self.shape(args[0], known)
        if origin is typing.Union or origin is types.UnionType:
            return _union([self.shape(arg, known) for arg in args])
        if origin is typing.Literal:
            return self._literal(args)
        return self._generic(annotation, origin, args, known)

    def _variable(self, variable: typing.TypeVar, known: Types) -> Shape:
        if variable in known:
            return self.shape(known[variable], {})
        if variable.__constraints__:
            return _union([self.shape(arg, known) for arg in variable.__constraints__])
        return ANY if variable.__bound__ is None else self.shape(variable.__bound__, known)

    def _literal(self, values: tuple[Any, ...]) -> Shape:
        members = [value for value in values if isinstance(value, enum.Enum)]
        for member in members:
            self._plain(type(member), {})
        return LiteralShape(values)

    def _plain(self, cls: Any, known: Types) -> Shape:
        """Return the shape of what has no parameters."""
        if isinstance(cls, (str, typing.ForwardRef)):
            raise TypeError(f"a forward reference that cannot be resolved: {cls!r}; give the class itself")
        if cls is type(None):
            return ExactShape("None", cls)
        leaf = _LEAVES.get(cls) if isinstance(cls, abc.Hashable) else None
        if leaf is not None:
            self._standard(leaf.kinds)
            self.stdlib.update(leaf.more)
            return ExactShape(cls.__name__, *leaf.kinds)
        if cls in (list, set, frozenset, tuple, dict, collections.Counter) or cls in _ITEMS or cls in _ENTRIES:
            return self._generic(cls, cls, (), known)
        if not isinstance(cls, type):
            raise TypeError(_unknown(cls))
        return self._class(cls, ())

    def _generic(self, annotation: Any, origin: Any, args: tuple[Any, ...], known: Types) -> Shape:
        name = type_name(annotation)
        if origin is tuple:
            return self._tuple(name, args, known)
        if origin in _ITEMS:
            kinds = _ITEMS[origin]
            self._standard(kinds)
            return ItemsShape(name, self.shape(args[0], known) if args else ANY, *kinds)
        if origin is collections.Counter:
            self._standard((collections.Counter,))
            return EntriesShape(name, self.shape(args[0], known) if args else ANY, ExactShape("int", int), origin)
        if origin in _ENTRIES:
            kinds = _ENTRIES[origin]
            self._standard(kinds)
            if origin is collections.defaultdict:
                self.stdlib.update(_FACTORIES)
            key, value = (self.shape(arg, known) for arg in args) if args else (ANY, ANY)
            return EntriesShape(name, key, value, *kinds)
        if isinstance(origin, type):
            return self._class(origin, tuple(_substitute(arg, known) for arg in args))
        raise TypeError(_unknown(annotation))

    def _standard(self, kinds: tuple[type, ...]) -> None:
        """Ask for what the ``stdlib`` pack has for some classes; built-in ones are made by the machine itself."""
        for kind in kinds:
            if kind.__module__ != "builtins":
                self.stdlib.add((kind.__module__.removesuffix("._local"), kind.__qualname__))

    def _tuple(self, name: str, args: tuple[Any, ...], known: Types) -> Shape:
        if name == "tuple":
            return ItemsShape(name, ANY, tuple)
        if len(args) == 2 and args[1] is ...:
            return ItemsShape(name, self.shape(args[0], known), tuple)
        return TupleShape(name, tuple(self.shape(arg, known) for arg in args))

    @staticmethod
    def _bounded(shape: Shape, metadata: tuple[Any, ...]) -> Shape:
        """Return a shape with what annotated-types, or anything with the same attributes, asks for."""
        found: dict[str, Any] = {}
        # pydantic's Field holds its own in a list.
        for item in [part for told in metadata for part in (told, *(getattr(told, "metadata", None) or ()))]:
            for word, field in (
                ("ge", "low"), ("le", "high"), ("gt", "above"), ("lt", "below"),
                ("min_length", "shortest"), ("max_length", "longest"),
            ):  # fmt: skip
                value = getattr(item, word, None)
                if value is not None:
                    found[field] = value
        if not found or shape is ANY:
            return shape
        bounded = type(shape).__new__(type(shape))
        vars(bounded).update(vars(shape))
        bounded.bounds = Bounds(**found)
        return bounded

    # -- classes -----------------------------------------------------------------------------------------------

    def _class(self, cls: type, args: tuple[Any, ...]) -> Shape:
        key = (cls, args)
        if key in self.records:
            return self.records[key]
        if issubclass(cls, enum.Enum):
            shape: Shape = ExactShape(cls.__qualname__, cls)
            self.records[key] = shape
        elif typing.is_typeddict(cls):
            return self._typed_dict(cls, args)
        else:
            fields = _fields_of(cls)
            record = RecordShape(cls, cls.__qualname__)
            shape = self.records[key] = record
            record.is_tuple = issubclass(cls, tuple)
            record.optional = fields.optional
            record.fields = self._fields(cls, args, fields)
        _check_name(cls)
        self.classes.append((cls, shape))
        return shape

    def _typed_dict(self, cls: Any, args: tuple[Any, ...]) -> Shape:
        shape = FieldsShape(cls.__qualname__)
        self.records[cls, args] = shape
        known = _variables(cls, args)
        hints = _hints(cls)
        # What the class itself says is wrong where annotations are text, as under `from __future__ import annotations`.
        optional = {name for name, hint in hints.items() if typing.get_origin(hint) is typing.NotRequired}
        required = {name for name, hint in hints.items() if typing.get_origin(hint) is typing.Required}
        shape.optional = (cls.__optional_keys__ | optional) - required
        shape.fields = {name: self.shape(hint, known.get(cls, {})) for name, hint in hints.items()}
        return shape

    def _fields(self, cls: type, args: tuple[Any, ...], fields: _Found) -> dict[str, Shape]:
        known = _variables(cls, args)
        hints: dict[str, tuple[Any, Types]] = {}
        for base in reversed(cls.__mro__):
            own = inspect.get_annotations(base)
            if own:
                found = _hints(base)
                for name in own:
                    hints[name] = (found[name], known.get(base, {}))
        shapes = {}
        for name in fields.names:
            if name not in hints:
                raise TypeError(f"{cls.__qualname__}.{name} has no annotation; its type is needed")
            shapes[name] = self._bounded(self.shape(*hints[name]), fields.metadata.get(name, ()))
        return shapes

    # -- the policy --------------------------------------------------------------------------------------------

    def policy(self, name: str) -> Policy:
        """Return the policy for everything that was found."""
        rules = [class_rule(cls, shape, name) for cls, shape in self.classes]
        rules += [rule for cls, _ in self.classes if issubclass(cls, enum.Enum) for rule in member_rules(cls, name)]
        aliases: Mapping[Pair, Pair] = {}
        if self.stdlib:
            pack = Policy.packs("stdlib")
            aliases = pack.aliases
            rules += [pack.rules[pair] for pair in sorted(self.stdlib)]
        return Policy(name=name, rules=rules, aliases=aliases)


# ---- classes -----------------------------------------------------------------------------------------------


class _Found(NamedTuple):
    """The fields of a class."""

    names: tuple[str, ...]
    optional: frozenset[str] = frozenset()
    metadata: Mapping[str, tuple[Any, ...]] = types.MappingProxyType({})


def _is_named_tuple(cls: type) -> bool:
    return issubclass(cls, tuple) and hasattr(cls, "_fields")


def _fields_of(cls: Any) -> _Found:
    """Return the fields of a class.

    :raises TypeError: if it is of no kind that is known, or says itself how it is pickled.
    """
    if cls in copyreg.dispatch_table:
        raise TypeError(_own_way(cls, "copyreg.dispatch_table"))
    if _is_named_tuple(cls):
        _refuse_hooks(cls, {"__getnewargs__"})
        return _Found(cls._fields)
    if hasattr(cls, "__pydantic_fields__") and hasattr(cls, "__pydantic_private__"):
        return _pydantic_fields(cls)
    if "__attrs_attrs__" in cls.__dict__:
        _refuse_hooks(cls, {name for name in ("__getstate__", "__setstate__") if _is_generated(cls, name, "attr")})
        return _Found(
            tuple(field.name for field in cls.__attrs_attrs__),
            frozenset(field.name for field in cls.__attrs_attrs__ if not field.init),
        )
    if "__dataclass_fields__" in cls.__dict__:
        _refuse_hooks(
            cls, {name for name in ("__getstate__", "__setstate__") if _is_generated(cls, name, "dataclasses")}
        )
        found = dataclasses.fields(cls)
        return _Found(tuple(field.name for field in found), frozenset(field.name for field in found if not field.init))
    raise TypeError(_unknown(cls))


def _pydantic_fields(cls: Any) -> _Found:
    base = next(base for base in cls.__mro__ if base.__module__ == "pydantic.main" and base.__qualname__ == "BaseModel")
    for hook in _HOOKS:
        if getattr(cls, hook, None) is not getattr(base, hook, None):
            raise TypeError(_own_way(cls, hook))
    return _Found(
        tuple(cls.__pydantic_fields__), frozenset(), {n: tuple(f.metadata) for n, f in cls.__pydantic_fields__.items()}
    )


def _is_generated(cls: type, hook: str, by: str) -> bool:
    """Say whether a hook is one that dataclasses or attrs make."""
    found = cls.__dict__.get(hook)
    code = getattr(found, "__code__", None)
    if code is None:
        return False
    if by == "dataclasses":
        return found is getattr(
            dataclasses, {"__getstate__": "_dataclass_getstate"}.get(hook, "_dataclass_setstate"), None
        )
    return code.co_name.startswith("slots_") and "attr" in code.co_filename


def _refuse_hooks(cls: type, known: set[str]) -> None:
    for hook in _HOOKS:
        if hook in known:
            continue
        for base in cls.__mro__:
            if base in (object, tuple):
                break
            if hook in base.__dict__:
                raise TypeError(_own_way(cls, hook))


def _check_name(cls: type) -> None:
    module, name = cls.__module__, cls.__qualname__
    problem = module_problem(module) or name_problem(name)
    if problem is not None:
        raise TypeError(f"{module}:{name} cannot stand in a rule: {problem}")
    if find_loaded(module, name) is not cls:
        raise TypeError(f"{module}:{name} is not found under that name, so it cannot be pickled")


def _own_way(cls: type, hook: str) -> str:
    return (
        f"{cls.__qualname__} says itself how it is pickled ({hook}), so its fields do not tell what its state may be; "
        "give it a rule in a policy file, as `safepickle policy learn` writes one from a pickle of it"
    )


def _unknown(annotation: Any) -> str:
    return (
        f"{type_name(annotation)} is no type whose pickles are known: dataclasses, attrs classes, named tuples, typed "
        "dicts, enumerations, pydantic models, built-in and common standard types; write a rule for it in a policy file"
    )


def _hints(cls: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise TypeError(f"the annotations of {cls.__qualname__} name what is not there: {error}") from None


def _substitute(annotation: Any, known: Types) -> Any:
    """Return an annotation with its type variables as they are known."""
    if isinstance(annotation, typing.TypeVar):
        return known.get(annotation, annotation)
    parameters = getattr(annotation, "__parameters__", ())
    if not parameters or isinstance(annotation, type):
        return annotation
    return annotation[tuple(known.get(parameter, parameter) for parameter in parameters)]


def _variables(cls: Any, args: tuple[Any, ...]) -> dict[Any, dict[Any, Any]]:
    """Return what type variables stand for, class by class: a base may use a variable for something else."""
    found: dict[Any, dict[Any, Any]] = {cls: dict(zip(getattr(cls, "__parameters__", ()), args, strict=False))}
    pending = [cls]
    while pending:
        current = pending.pop()
        for base in getattr(current, "__orig_bases__", ()):
            origin = typing.get_origin(base)
            if isinstance(origin, type) and origin is not typing.Generic and origin not in found:
                inner = (_substitute(arg, found[current]) for arg in typing.get_args(base))
                found[origin] = dict(zip(getattr(origin, "__parameters__", ()), inner, strict=False))
                pending.append(origin)
    return found


def _union(shapes: Iterable[Shape]) -> Shape:
    flat: list[Shape] = []
    for shape in shapes:
        flat += shape.alternatives if isinstance(shape, UnionShape) else (shape,)
    if any(shape is ANY for shape in flat):
        return ANY
    return flat[0] if len(flat) == 1 else UnionShape(tuple(flat))
