"""The rules that a type annotation stands for: which classes, with which fields as arguments or state.

Rules that hold here:

* A guard asks for no more than the annotation says, so that what was written under it loads; what it cannot say is
  left to the look at the whole value (:mod:`.shapes`), which comes after the load.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from .containers import Elements, Entries, Fields, Items
from .guards import ANYTHING, AnyOf, ValueGuard
from .names import name_problem
from .rights import Right, Rule
from .shapes import (
    ANY,
    Bounds,
    EntriesShape,
    FieldsShape,
    ItemsShape,
    LiteralShape,
    RecordShape,
    Shape,
    TupleShape,
    UnionShape,
)
from .uses import Arguments, Attributes, WholeState
from .values import BUILTINS, InstanceOf, Number, OneOf, Text

__all__ = ["class_rule", "member_rules", "value_guard_of"]

#: How deep containers in a field are looked into before state is set; the shape looks all the way, at the end.
GUARD_DEPTH = 6


def class_rule(cls: Any, shape: Shape, source: str) -> Rule:
    """Return the rule for a class with the shape of its instances."""
    module, name = cls.__module__, cls.__qualname__
    reason = "from a type annotation"
    if issubclass(cls, enum.Enum):
        return Rule(module, name, Right.CALL, reason, source, call_guard=Arguments([_enum_guard(cls)]))
    assert isinstance(shape, RecordShape)
    if shape.is_tuple:
        fields = [value_guard_of(field) for field in shape.fields.values()]
        return Rule(module, name, Right.NEW, reason, source, new_guard=Arguments(fields))
    return Rule(
        module, name, Right.NEW | Right.BUILD, reason, source, new_guard=Arguments(), state_guard=_state_of(cls, shape)
    )


def member_rules(cls: type[enum.Enum], source: str) -> list[Rule]:
    """Return the rules for an enumeration that is pickled by the names of its members."""
    return [
        Rule(cls.__module__, f"{cls.__qualname__}.{name}", Right.REFER, "from a type annotation", source)
        for name in cls.__members__
        if name_problem(name) is None
    ]


def _enum_guard(cls: type[enum.Enum]) -> ValueGuard:
    values = [member.value for member in cls.__members__.values()]
    if issubclass(cls, enum.Flag):
        return Number("int", 0, sum({abs(int(value)) for value in values}) * 2 + 1)
    if all(type(value) in (int, str, float, bool, bytes) for value in values) and values:
        return OneOf(values)
    return ANYTHING


def _state_of(cls: Any, shape: RecordShape) -> Attributes | WholeState:
    fields = {name: value_guard_of(field) for name, field in shape.fields.items()}
    if hasattr(cls, "__pydantic_fields__") and hasattr(cls, "__pydantic_private__"):
        return WholeState(_pydantic_state(cls, fields))
    if "__attrs_attrs__" in cls.__dict__ and "__setstate__" in cls.__dict__:
        return WholeState(Fields(fields, shape.optional))
    if "__setstate__" in cls.__dict__:
        # A frozen dataclass with slots: the values of its fields in order.
        return WholeState(Elements("list", fields.values()))
    return Attributes(fields, shape.optional)


def _pydantic_state(cls: Any, fields: Mapping[str, ValueGuard]) -> ValueGuard:
    nothing = Number("none")
    private = dict.fromkeys(cls.__private_attributes__, ANYTHING)
    extra = AnyOf((nothing, Entries(keys=Text("str")))) if cls.model_config.get("extra") == "allow" else nothing
    return Fields(
        {
            "__dict__": Fields(fields),
            "__pydantic_fields_set__": Items("set", items=Text("str", None, 200)),
            "__pydantic_extra__": extra,
            "__pydantic_private__": AnyOf((nothing, Fields(private, private))) if private else nothing,
        }
    )


def value_guard_of(shape: Shape, depth: int = 0) -> ValueGuard:
    """Return the guard for a field of a shape: as deep as is worth looking before state is set."""
    if isinstance(shape, UnionShape):
        found = [value_guard_of(part, depth) for part in shape.alternatives]
        return ANYTHING if ANYTHING in found else AnyOf(found)
    if isinstance(shape, LiteralShape):
        plain = all(type(value) in (int, str, bool, bytes, type(None)) for _, value in shape.values)
        return OneOf(value for _, value in shape.values) if plain else ANYTHING
    if shape.kinds is None:
        return ANYTHING
    guards = [_kind_guard(shape, kind, depth) for kind in shape.kinds]
    return guards[0] if len(guards) == 1 else AnyOf(guards)


def _kind_guard(shape: Shape, kind: type, depth: int) -> ValueGuard:
    word = "none" if kind is type(None) else kind.__name__
    if BUILTINS.get(word) is not kind:
        module, name = kind.__module__, kind.__qualname__
        return InstanceOf(module, name)
    bounds = shape.bounds or Bounds()
    low, high = bounds.shortest, bounds.longest
    inside = depth < GUARD_DEPTH
    if isinstance(shape, ItemsShape) and inside and shape.item is not ANY:
        return Items(word, low, _generous(high), value_guard_of(shape.item, depth + 1))
    if isinstance(shape, TupleShape) and inside:
        return Elements("tuple", [value_guard_of(part, depth + 1) for part in shape.elements])
    if isinstance(shape, EntriesShape) and inside:
        keys, values = (None if part is ANY else value_guard_of(part, depth + 1) for part in (shape.key, shape.value))
        return Entries(low, _generous(high), keys, values)
    if isinstance(shape, FieldsShape) and inside:
        return Fields({key: value_guard_of(part, depth + 1) for key, part in shape.fields.items()}, shape.optional)
    if word in ("str", "bytes", "bytearray"):
        return Text(word, low, high)
    if word in ("list", "tuple", "set", "frozenset"):
        return Items(word, low, high)
    if word in ("int", "float") and all(type(bound) in (int, float, type(None)) for bound in (bounds.low, bounds.high)):
        return Number(word, bounds.low, bounds.high)
    return Number(word)


def _generous(longest: int | None) -> int:
    """Return a length for a container: what an annotation leaves open is for the limits to bound."""
    return 2**40 if longest is None else longest
