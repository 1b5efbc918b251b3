"""Constraints as policy files write them, turned into guards.

Rules that hold here:

* A constraint is a word (``"int"``), a list of alternatives (``["int", "none"]``) or a table
  (``{ type = "int", min = 0 }``). A key that does not belong to the type is an error: a bound that is silently left
  out would be a hole.
* Tables nest ``MAX_DEPTH`` deep at most, so that checking never recurses further than the policy's author wrote.
* A class is named ``"module:Name"``. It is not looked for here.
* Errors know the key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import quote
from .containers import Elements, Entries, Fields, Items
from .guards import ANYTHING, AnyOf, ValueGuard
from .names import is_dunder, module_problem, name_problem
from .uses import Arguments, Attributes, WholeState
from .values import BUILTINS, InstanceOf, Number, OneOf, Text, TheGlobal

__all__ = ["VALUE_KEYS", "SpecError", "arguments_guard", "pair_of", "state_guard", "value_guard"]

#: How deep constraints may stand inside each other.
MAX_DEPTH = 10

Key = tuple[int | str, ...]

_LENGTHS = ("min_length", "max_length")
_TEXT_KEYS = (*_LENGTHS, "pattern")
_KEYS_OF: Mapping[str, tuple[str, ...]] = {
    "int": ("min", "max"),
    "float": ("min", "max"),
    "str": _TEXT_KEYS,
    "bytes": _TEXT_KEYS,
    "bytearray": _TEXT_KEYS,
    "list": (*_LENGTHS, "items", "elements"),
    "tuple": (*_LENGTHS, "items", "elements"),
    "set": (*_LENGTHS, "items"),
    "frozenset": (*_LENGTHS, "items"),
    "dict": (*_LENGTHS, "keys", "values", "fields"),
}
#: What else than a type says what a value is; one of these stands in a table, or none.
_INSTEAD = ("enum", "any_of", "is")
#: All keys of a constraint.
VALUE_KEYS = tuple(
    "type min max min_length max_length pattern items elements keys values fields enum any_of is derived "
    "optional".split()
)


class SpecError(ValueError):
    """A constraint that cannot be; *key* is where in it."""

    def __init__(self, reason: str, key: Key = ()) -> None:
        super().__init__(reason)
        self.key = key


def pair_of(text: str) -> tuple[str, str]:
    """Return the pair that ``"module:name"`` stands for; neither part can hold a colon.

    :raises ValueError: if it is none that a rule could name.
    """
    module, colon, name = text.partition(":")
    if not colon:
        raise ValueError(f'{quote(text)}: write a global as "module:name", with a colon')
    for part, problem in ((module, module_problem(module)), (name, name_problem(name))):
        if problem is not None:
            raise ValueError(f"{quote(part)}: {problem}")
    return module, name


def value_guard(spec: Any, key: Key = (), depth: int = 0) -> ValueGuard:
    """Return the guard that a constraint of one value stands for.

    :raises SpecError: if it cannot be.
    """
    if depth > MAX_DEPTH:
        raise SpecError(f"constraints inside each other more than {MAX_DEPTH} deep", key)
    if type(spec) is str:
        spec = {"type": spec}
    elif type(spec) is list:
        spec = {"any_of": spec}
    if type(spec) is not dict:
        raise SpecError('wants a type in quotes, a list of alternatives, or a table such as { type = "int" }', key)
    given = [word for word in ("type", *_INSTEAD) if word in spec]
    if len(given) != 1:
        raise SpecError(f"wants exactly one of type, {', '.join(_INSTEAD)}", key)
    kind = spec[given[0]]
    if given == ["enum"]:
        _only(spec, ("enum",), "an enum", key)
        return _make(lambda: OneOf(kind), (*key, "enum"))
    if given == ["any_of"] or type(kind) is list:
        return _alternatives(spec, given[0], key, depth)
    if given == ["is"]:
        _only(spec, ("is", "derived"), "a global itself", key)
        return _make(lambda: TheGlobal([pair_of(kind)], spec.get("derived", False)), (*key, "is"))
    if kind == "any":
        _only(spec, ("type",), "any", key)
        return ANYTHING
    if ":" in kind:
        _only(spec, ("type", "derived"), "a class", key)
        return _make(lambda: InstanceOf(*pair_of(kind), spec.get("derived", False)), (*key, "type"))
    if kind not in BUILTINS:
        known = ", ".join(BUILTINS)
        raise SpecError(f'no such type: {quote(kind)} (there are {known}, any, and "module:Class")', (*key, "type"))
    _only(spec, ("type", *_KEYS_OF.get(kind, ())), kind, key)
    return _builtin(kind, spec, key, depth)


def _alternatives(spec: dict[str, Any], word: str, key: Key, depth: int) -> ValueGuard:
    extra = ("derived",) if word == "is" else ()
    _only(spec, (word, *extra), "a list of alternatives", key)
    if type(spec[word]) is not list or not spec[word]:
        raise SpecError("wants a list of at least one alternative", (*key, word))
    if word == "is":
        return _make(lambda: TheGlobal(map(pair_of, spec["is"]), spec.get("derived", False)), (*key, "is"))
    found = [value_guard(part, (*key, word, index), depth + 1) for index, part in enumerate(spec[word])]
    return found[0] if len(found) == 1 else AnyOf(found)


def _builtin(kind: str, spec: dict[str, Any], key: Key, depth: int) -> ValueGuard:
    low, high = spec.get("min_length"), spec.get("max_length")
    inner = {
        word: value_guard(spec[word], (*key, word), depth + 1) for word in ("items", "keys", "values") if word in spec
    }
    if "elements" in spec:
        _only(spec, ("type", "elements"), "elements one by one", key)
        found = [value_guard(part, (*key, "elements", i), depth + 1) for i, part in enumerate(spec["elements"])]
        return Elements(kind, found)
    if "fields" in spec:
        _only(spec, ("type", "fields"), "fields by name", key)
        return Fields(*_named(spec["fields"], (*key, "fields"), depth, dunder=True))
    if kind in ("str", "bytes", "bytearray"):
        return _make(lambda: Text(kind, low, high, spec.get("pattern")), key)
    if kind == "dict":
        return _make(lambda: Entries(low, high, inner.get("keys"), inner.get("values")), key)
    if kind in ("list", "tuple", "set", "frozenset"):
        return _make(lambda: Items(kind, low, high, inner.get("items")), key)
    return _make(lambda: Number(kind, spec.get("min"), spec.get("max")), key)


def _only(spec: Iterable[str], allowed: tuple[str, ...], what: str, key: Key) -> None:
    for word in spec:
        if word not in allowed and word != "optional":
            known = ", ".join(part for part in allowed if part not in ("type", *_INSTEAD)) or "none"
            raise SpecError(f"{quote(word)} does not go with {what} (what goes: {known})", (*key, word))


def _make(maker: Callable[[], ValueGuard], key: Key) -> ValueGuard:
    try:
        return maker()
    except ValueError as error:
        raise SpecError(str(error), key) from None


def _is_optional(spec: Any) -> bool:
    return type(spec) is dict and spec.get("optional", False)


def _named(
    specs: Mapping[str, Any], key: Key, depth: int, *, dunder: bool = False
) -> tuple[dict[str, ValueGuard], tuple[str, ...]]:
    guards = {}
    for name, spec in specs.items():
        if is_dunder(name) and not dunder:
            raise SpecError("dunder names are never set: they are hooks of the interpreter", (*key, name))
        guards[name] = value_guard(spec, (*key, name), depth + 1)
    return guards, tuple(name for name, spec in specs.items() if _is_optional(spec))


def arguments_guard(args: list[Any] | None, kwargs: Mapping[str, Any] | None, rest: Any = None) -> Arguments | None:
    """Return the guard for ``args``, ``kwargs`` and ``rest``; None where none is given, which asks for nothing.

    What one of them leaves out there cannot be, if another is given.

    :raises SpecError: if they cannot be.
    """
    if args is None and kwargs is None and rest is None:
        return None
    positional = []
    required = 0
    for index, spec in enumerate(args or ()):
        positional.append(value_guard(spec, ("args", index)))
        if not _is_optional(spec):
            if required < index:
                raise SpecError("an argument that has to be there follows one that may be missing", ("args", index))
            required = index + 1
    named, optional = _named(kwargs or {}, ("kwargs",), 0)
    more = None if rest is None else value_guard(rest, ("rest",))
    return Arguments(positional, required, more, named, optional)


def state_guard(state: Mapping[str, Any] | None, state_value: Any = None) -> Attributes | WholeState | None:
    """Return the guard for ``state``, the attributes, or for ``state_value``; None where neither is given.

    :raises SpecError: if they cannot be.
    """
    if state_value is not None:
        if state is not None:
            raise SpecError("state is for attributes and state_value for all else: give one", ("state_value",))
        return WholeState(value_guard(state_value, ("state_value",)))
    return None if state is None else Attributes(*_named(state, ("state",), 0))
