"""Observing: what the callables of some pickles are given, and what of that would hold for more pickles of the kind.

Rules that hold here:

* What is looked at are inert trees: nothing of what was pickled exists here.
* A constraint is offered only where it was seen often enough, in enough pickles, to be a habit of whoever wrote them;
  one that is too narrow makes people switch it off. Where a callable is dangerous without a bound, one is always
  offered.
* Numbers are rounded up, scalars taken together: ``None`` today is a float tomorrow.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from .names import is_dunder, module_problem, name_problem

if TYPE_CHECKING:
    from ..inspection.records import Call

__all__ = ["Calls", "States", "rounded"]

#: So many calls in so many pickles make a habit of a callable's arguments ...
ENOUGH_CALLS, ENOUGH_PICKLES = 10, 5
#: ... and so many of a class's state, whose values vary more.
ENOUGH_STATES, ENOUGH_STATE_PICKLES = 20, 10
#: More than so many arguments, or attributes, are not told apart.
MOST_ARGUMENTS, MOST_ATTRIBUTES = 12, 80

_NUMBERS = ("none", "bool", "int", "float")
_SCALARS = (*_NUMBERS, "complex", "str", "bytes")
_WORDS: dict[type, str] = {
    type(None): "none",
    **{
        kind: kind.__name__
        for kind in (
            bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, range, slice,
        )
    },
}  # fmt: skip


class _Values:
    """The values that were seen in one place."""

    def __init__(self) -> None:
        self.words: set[str] = set()
        self.globals: set[str] = set()
        self.anything = False
        self.largest = 0
        self.negative = False
        self.inner: _Values | None = None

    def add(self, value: Any, *, within: bool = True) -> None:
        kind = type(value)
        word = _WORDS.get(kind)
        if word is not None:
            self.words.add(word)
            if kind is int:
                self.largest = max(self.largest, abs(value))
                self.negative = self.negative or value < 0
            elif kind in (str, bytes, bytearray, list, tuple, dict, set, frozenset):
                self.largest = max(self.largest, len(value))
            if within and (kind is list or kind is tuple) and len(value) <= MOST_ARGUMENTS:
                self.inner = self.inner or _Values()
                for item in value:
                    self.inner.add(item, within=False)
        elif kind.__name__ == "Global" and not (module_problem(value.module) or name_problem(value.name)):
            # By name, because the package has two forms and a record for each.
            self.globals.add(f"{value.module}:{value.name}")
        else:
            self.anything = True

    def spec(self) -> Any:
        """Return a constraint of types, the ones that vary together taken together."""
        if self.anything or (self.globals and self.words):
            return "any"
        if self.globals:
            return {"is": sorted(self.globals)}
        words = set(self.words)
        if len(words & set(_NUMBERS)) > 1:
            words |= set(_NUMBERS)
        if "bytearray" in words:
            words.add("bytes")  # which of the two is written depends on whether the buffer may be changed
        return _alternatives(words)

    def wide_spec(self) -> Any:
        """Return a constraint for an attribute: any scalar where there were only scalars."""
        if self.anything or self.globals:
            return "any"
        words = set(self.words)
        if words <= set(_SCALARS):
            return _alternatives({*_NUMBERS, "str", *words})
        return _alternatives(words) if len(words) == 1 else "any"

    def bound_spec(self) -> Any:
        """Return a constraint with bounds, for what is dangerous without."""
        if len(self.words) != 1 or self.anything or self.globals:
            return self.spec()
        (word,) = self.words
        if word == "int":
            high = rounded(self.largest)
            return {"type": word, "min": -high if self.negative else 0, "max": high}
        if word in {"str", "bytes", "list", "tuple", "dict", "set", "frozenset"}:
            bound: dict[str, Any] = {"type": word, "max_length": rounded(self.largest)}
            if self.inner is not None and self.inner.words == {"int"}:
                bound["items"] = self.inner.bound_spec()
            return bound
        return word


def _alternatives(words: set[str]) -> Any:
    ordered = sorted(words)
    return ordered[0] if len(ordered) == 1 else ordered


def rounded(number: int) -> int:
    """Return a round number well above this one."""
    return 16 << max(0, max(1, number) - 1).bit_length()


class Calls:
    """What one callable is given."""

    def __init__(self) -> None:
        self.count: int = 0
        self.pickles: set[int] = set()
        #: Most calls in one pickle.
        self.most_in_one: int = 0
        self.in_this: int = 0
        self.fewest: int = -1
        self.most: int = 0
        self.arguments: list[_Values] = []
        self.keywords: dict[str, _Values] = {}
        self.keyword_calls: dict[str, int] = {}

    def add(self, call: Call, pickle: int) -> None:
        """Note one call; those of a pickle come one after the other."""
        self.count += 1
        self.in_this = self.in_this + 1 if pickle in self.pickles else 1
        self.most_in_one = max(self.most_in_one, self.in_this)
        self.pickles.add(pickle)
        args = call.args if type(call.args) is tuple else ()
        self.fewest = len(args) if self.fewest < 0 else min(self.fewest, len(args))
        self.most = max(self.most, len(args))
        for index, value in enumerate(args[:MOST_ARGUMENTS]):
            if index == len(self.arguments):
                self.arguments.append(_Values())
            self.arguments[index].add(value)
        # Many calls may share their arguments: no more of them is looked at than is kept.
        for name, value in islice((call.kwargs or {}).items(), MOST_ARGUMENTS):
            self.keywords.setdefault(name, _Values()).add(value)
            self.keyword_calls[name] = self.keyword_calls.get(name, 0) + 1

    def keys(self, *, bound: bool) -> dict[str, Any]:
        """Return the keys of an ``[[allow]]`` that hold calls to what was seen; none where that is no habit."""
        if self.most > MOST_ARGUMENTS or len(self.keywords) >= MOST_ARGUMENTS or not self.count:
            return {}
        if not all(map(_can_be_a_key, self.keywords)):
            return {}
        if not bound and (self.count < ENOUGH_CALLS or len(self.pickles) < ENOUGH_PICKLES):
            return {}
        specs = [values.bound_spec() if bound else values.spec() for values in self.arguments]
        args = [_optional(spec) if index >= self.fewest else spec for index, spec in enumerate(specs)]
        if all(_says_nothing(spec) for spec in args) and args and not self.keywords:
            return {}
        keys: dict[str, Any] = {"args": args}
        if self.keywords:
            keys["kwargs"] = {
                name: values.spec() if self.keyword_calls[name] == self.count else _optional(values.spec())
                for name, values in sorted(self.keywords.items())
            }
        return keys


class States:
    """What the instances of one class are given as state."""

    def __init__(self) -> None:
        self.count: int = 0
        self.pickles: set[int] = set()
        self.names: frozenset[str] | None = None
        self.same: bool = True
        self.attributes: dict[str, _Values] = {}

    def add(self, state: Any, pickle: int) -> None:
        """Note the state of one instance."""
        self.count += 1
        self.pickles.add(pickle)
        tables = state if type(state) is tuple and len(state) == 2 else (state,)
        attributes: dict[Any, Any] = {}
        for table in tables:
            if type(table) is dict and len(table) <= MOST_ATTRIBUTES:
                attributes |= table
            elif table is not None:
                self.same = False
        if not self.same or not all(type(name) is str for name in attributes):
            self.same = False
            return
        names = frozenset(attributes)
        self.same = (self.names is None or names == self.names) and all(map(_can_be_a_key, names))
        self.names = names
        for name, value in attributes.items():
            self.attributes.setdefault(name, _Values()).add(value)

    def keys(self) -> dict[str, Any]:
        """Return the keys of an ``[[allow]]`` that hold state to what was seen; none where that is no habit."""
        if not self.same or self.count < ENOUGH_STATES or len(self.pickles) < ENOUGH_STATE_PICKLES:
            return {}
        return {"state": {name: values.wide_spec() for name, values in sorted(self.attributes.items())}}


def _can_be_a_key(name: Any) -> bool:
    """Return whether a file can constrain an attribute or keyword of this name.

    What is in a dict of keywords may have been put there after the call.
    """
    if type(name) is not str or is_dunder(name):
        return False
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in name)


def _optional(spec: Any) -> Any:
    if type(spec) is dict:
        return {**spec, "optional": True}
    return {"any_of": spec, "optional": True} if type(spec) is list else {"type": spec, "optional": True}


def _says_nothing(spec: Any) -> bool:
    return spec == "any" or (type(spec) is dict and spec.get("type") == "any")
