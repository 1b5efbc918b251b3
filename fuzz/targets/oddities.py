"""Odd objects are written as pickle writes them, or refused where pickle refuses; under a policy what is written loads.

The input is a series of choices: an object of a table, a protocol, and what is set on the Pickler. The objects change
while they are written, hide or mistype what a pickler asks for, have names that no stream can say, share what is never
shared, lead back to themselves. A reduce method returns any shape; what the reader would refuse is not written.
"""

from __future__ import annotations

import collections
import copyreg
import io
import os
import pickle
import sys
import types
from collections.abc import Callable
from functools import partial
from typing import Any

from fuzz import samples, terms
from fuzz.choices import ByteChoices, Choices
from fuzz.outcomes import Finding, describe, failure
from safepickle.errors import LimitError, PolicyError, SafePickleError
from safepickle.limits import Limits
from safepickle.policy.rules import PLAIN, UNRESTRICTED, Policy, Right, Rule

INPUT = "choices"

_COPYREG: Any = copyreg


# -- classes that hide or mistype what a pickler asks for ------------------------------------------------------------


class HidesEx:
    """Has no `__reduce_ex__` to be found."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__reduce_ex__":
            raise AttributeError(name)
        return super().__getattribute__(name)

    def __reduce__(self) -> Any:
        return int, (5,)


class HidesBoth(HidesEx):
    """Has no way to be reduced."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__reduce"):
            raise AttributeError(name)
        return super().__getattribute__(name)


class HidesNew:
    """Seems to have no `__new__`."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__new__":
            raise AttributeError(name)
        return super().__getattribute__(name)


class OddDict:
    """Has a `__dict__` of its own making."""

    __slots__ = ("kept",)

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        """Return attributes that are none."""
        return {}


class LostSlot:
    """Declares a slot that something else stands in for."""

    __slots__ = ("kept", "lost")


setattr(LostSlot, "lost", 5)  # noqa: B010  what no checker knows


class Shrinking:
    """Takes items from the list that it is in."""

    def __init__(self, owner: Any = None) -> None:
        self.owner = owner

    def __reduce__(self) -> Any:
        if self.owner:
            self.owner.pop()
        return int, (1,)


class Registering:
    """Registers a reducer for a class while it is written."""

    def __init__(self, table: Any = None) -> None:
        self.table = table

    def __reduce__(self) -> Any:
        if self.table is not None:
            self.table[samples.Node] = _reduce_node
        return int, (1,)


def _reduce_node(_node: Any) -> Any:
    return samples.remade, ("node",)


class Wandering:
    """Says that it is from nowhere."""

    def __reduce__(self) -> Any:
        return "WANDERING"


Wandering.__module__ = None  # type: ignore[assignment]
WANDERING = Wandering()
_LOST = Wandering()
Away = type("Away", (), {"__module__": "fuzz.nowhere.at_all"})
Typed = type("Typed", (), {"__module__": 5})
Odd = type("\u00d6dd", (), {"__module__": __name__})
Broken = type("Bro\nken", (), {"__module__": __name__})
Hidden = type("Hidden", (), {"__module__": __name__, "__qualname__": "check.<locals>.Hidden"})
Long = type("L" * 400, (), {"__module__": __name__})
Numbered = type("Numbered", (), {"__module__": __name__})
globals().update({"\u00d6dd": Odd, "Bro\nken": Broken, "L" * 400: Long})


class Deep:
    """A class of classes of classes."""


_inner: Any = Deep
for _ in range(25):
    _next: Any = type("In", (), {"__module__": __name__, "__qualname__": f"{_inner.__qualname__}.In"})
    _inner.In = _next
    _inner = _next
DEEPEST = _inner


# -- objects ---------------------------------------------------------------------------------------------------------


def _shrinking(draw: Choices) -> Any:
    items: list[Any] = [1] * draw.pick((0, 1, 5, 1500))
    items[:0] = [Shrinking(items) for _ in range(1 + draw.below(4))]
    return items


def _shrinking_dict(draw: Choices) -> Any:
    fields: dict[Any, Any] = {}
    fields.update({1: samples.Meddling(fields), 2: [], 3: samples.Meddling(fields)})
    return [fields, draw.below(2)]


def _sharing_state(draw: Choices) -> Any:
    state = {"a": [1]} if draw.below(3) else {}
    nodes = [samples.Node() for _ in range(3)]
    for node in nodes[draw.below(2) :]:
        node.__dict__ = state
    return [*nodes, state] if draw.below(2) else nodes


def _unnamed_state(draw: Choices) -> Any:
    made: list[Any] = [samples.Both() for _ in range(3)]
    for one in made:
        one.slot = 1
    odd: Any = made[draw.below(3)].__dict__
    odd[draw.pick((5, "x", "__x__", ("a",)))] = 1
    return made


def _recursive(draw: Choices) -> Any:
    kind = draw.below(5)
    inner: list[Any] = []
    size = 1 + draw.below(5)
    if kind == 4:
        key = samples.Keyed()
        held = frozenset([key])
        key.value = held
        return held
    outer: Any = (inner, *range(size - 1))
    inner.append(outer)
    if kind == 1:
        return inner
    return (outer, outer) if kind == 2 else {"a": outer} if kind == 3 else outer


def _twice(draw: Choices) -> Any:
    return [_reduced(draw) for _ in range(2)]


def _registered(draw: Choices) -> Any:
    return [Numbered, Numbered] if draw.below(2) else samples.Reduced((Numbered, ()))


#: Made once: the interpreter's collector crashes on a view in a cycle that a buffer was taken of.
_STRIDED = tuple([pickle.PickleBuffer(memoryview(bytearray(b"abcdef"))[::step]) for step in (1, 2, -1)])


#: What a reduce method may return.
_SHAPES: tuple[Any, ...] = (
    (samples.remade, [1]), (samples.remade, 5), (samples.remade, (1,), None, 5), (samples.remade,), (),
    (samples.Node, (), {"a": 1}), (samples.Node, (), (None, 5)), (samples.Node, (), 5),
    (samples.Node, (), ({}, {1: 2})),
    (samples.Node, (), ({"a": 1}, {"b": 2})), (samples.Numbered, (5,), {"a": 1}),
    (samples.Both, (), ({"a": 1}, {"slot": 2})),
    (int, (5,), {"a": 1}), (ValueError, ("x",), {"a": 1}), (ValueError, ("x",), {"args": 5}), (ValueError, ("x",), [1]),
    (ValueError, ("x",), {1: 2}), (collections.deque, (range(60_000),)), (collections.deque, (range(5),)),
    (bytearray, (5,)), (bytearray, (range(5),)), (samples.Listed, (range(60_000),)), (samples.Gathered, ([[1]],)),
    (collections.defaultdict, (samples.act,)), (collections.defaultdict, (list,)),
    (collections.defaultdict, (samples.Node,)),
    (_COPYREG._reconstructor, (samples.Node, object, None)), (_COPYREG._reconstructor, (samples.Node, object, 5)),
    (_COPYREG._reconstructor, (samples.Node, samples.Outer, None)), (_COPYREG._reconstructor, (samples.Node,)),
    (_COPYREG._reconstructor, (samples.Worded, str, "a")), (_COPYREG._reconstructor, (samples.Node, str, "a")),
    (getattr, (samples.Outer, "Inner")), (getattr, (samples, "Node")), (getattr, (samples.Outer, "a.b")),
    (getattr, (samples.Node, "missing")), (getattr, (samples.Slotted, "guarded")), (getattr, (HidesEx, "__doc__")),
    (_COPYREG.__newobj__, (HidesNew(),)), (_COPYREG.__newobj__, (samples.Reduced,)), (dict.fromkeys, (("a",),)),
    (str.maketrans, ({},)), ("".join, ([],)), (samples.Outer().method, ()), (DEEPEST, ()), (Odd, ()), (Broken, ()),
    (Hidden, ()), (Typed, ()), (Away, ()), (Long, ()), (os.getpid, ()),
    (samples.Color, ("no",)), (samples.Color, (1,)),
    "samples", "missing.name", "SHARED", "a\nb", "\u20ac", "Outer.Inner", "Outer.method.x", "x" * 300,
    (samples.remade, (), None, iter([1, 2]), None, samples.taken), (samples.remade, (), 5, None, None, samples.taken),
    (samples.remade, (), 5, None, None, samples.act), (samples.Mapped, (), None, None, iter([("a", 1), (1,)])),
    (samples.Mapped, (), None, None, iter([([], 1)])), (samples.Listed, (), None, iter([1]), iter([])), (None, ()),
    (samples.Reduced, ("x",)), (complex, (1.0, 2.0)), (slice, (1, 2, None)), (range, (1, 2, 3)), (type, (5,)),
)  # fmt: skip


def _reduced(draw: Choices) -> Any:
    shape = draw.pick(_SHAPES)
    if type(shape) is tuple:
        # Iterators are used up by the first who writes them.
        shape = tuple([iter(list(part)) if _is_iterator(part) else part for part in shape])
    return samples.Reduced(shape)


def _is_iterator(part: Any) -> bool:
    return type(part) is type(iter([]))


_OBJECTS: tuple[Callable[[Choices], Any], ...] = (
    _shrinking, _shrinking_dict, _sharing_state, _unnamed_state, _recursive, _twice, _registered, _reduced, _reduced,
    lambda draw: draw.pick(_STRIDED),
    lambda draw: HidesEx(), lambda draw: [HidesBoth()], lambda draw: OddDict(), lambda draw: LostSlot(),
    lambda draw: [WANDERING, WANDERING], lambda draw: _LOST, lambda draw: Away, lambda draw: [Away()],
    lambda draw: Typed, lambda draw: [Odd, Odd()], lambda draw: [Broken], lambda draw: Hidden(), lambda draw: Long,
    lambda draw: DEEPEST, lambda draw: [DEEPEST()], lambda draw: samples, lambda draw: [os.system, 1],
    lambda draw: 1 << draw.pick((63, 64, 255, 2039, 2040, 2047, 2048, 40_000)), lambda draw: -(1 << draw.below(2100)),
    lambda draw: [samples.Node, samples.OnlyNew(), samples.OnlyNew], lambda draw: dict.fromkeys,
    lambda draw: {"a": [{"b": (1, {2: samples.act})}]}, lambda draw: {samples.act: 1}, lambda draw: [({samples.act},)],
    lambda draw: ["x" * n for n in (1, 255, 256, 70_000)], lambda draw: [str(n) for n in range(300)] * 2,
    lambda draw: [samples.Slotted(), samples.Slotted()], lambda draw: [collections.deque([1], 3)] * 2,
    lambda draw: collections.UserDict(a=draw.below(9)), lambda draw: types.SimpleNamespace(a=[1]),
    lambda draw: [bytes(n) for n in (0, 1, 255, 256, 70_000)], lambda draw: [bytearray(n) for n in (0, 3, 70_000)],
)  # fmt: skip


# -- with pickle -----------------------------------------------------------------------------------------------------


class _Ids:
    """Gives ids for what is of some type."""

    def persistent_id(self, obj: Any) -> Any:
        """Give one that protocol 0 cannot write, or one that it can."""
        return "\u20ac" if type(obj) is samples.Node else "id" if type(obj) is samples.Slotted else None


def _write(base: Any, obj: Any, how: int, **options: Any) -> bytes:
    """Write with a Pickler on which something is set."""
    file = io.BytesIO()
    if how == 1:
        base = type("Hooked", (_Ids, base), {})
    pickler = base(file, **options)
    if how == 2:
        pickler.fast = True
    elif how == 3:
        table: dict[Any, Any] = dict(copyreg.dispatch_table)
        pickler.dispatch_table = table
        obj = [samples.Node(), samples.Node(), Registering(table), samples.Node(), obj]
    elif how == 4:
        pickler.bin = False
    elif how == 5:
        obj = [samples.Slotted(), samples.Slotted(), samples.Both(), samples.Both(), obj]
    pickler.dump(obj)
    return file.getvalue()


#: Registered for a class, beside what may be: what a registry that anybody can write to may hold.
_CODES: tuple[Any, ...] = (None, None, None, 1, 255, 256, 65_535, 65_536, 2**31 - 1, 2**31, 0, -5, "x")


def _made(write: Callable[[], bytes]) -> tuple[bytes | None, Exception | None]:
    try:
        return write(), None
    except Exception as error:
        return None, error
    finally:
        samples.restore()


class _Reading:
    def persistent_load(self, pid: Any, /) -> Any:
        """Take any id."""
        return f"pid {pid!a}"


class _Theirs(_Reading, pickle.Unpickler):
    pass


class _Ours(_Reading, terms.package.Unpickler):  # type: ignore[misc]
    pass


def _value(read: Callable[[], Any]) -> Any:
    try:
        return describe(read())
    except LimitError:
        return "limit"
    except Exception as error:
        return "error", isinstance(error, SafePickleError)
    finally:
        samples.restore()


def _make(factory: Callable[[Choices], Any], rest: bytes) -> Any:
    return factory(ByteChoices(rest))


def _as_pickle(make: partial[Any], how: int, protocol: int) -> Any:
    """Write with all three; ours does what one of pickle's does."""
    rows: list[Any] = []
    # CPython's Pickler in C keeps no reference to the item of a list that it writes.
    bases = (pickle._Pickler,) if make.args[0] is _shrinking else (pickle.Pickler, pickle._Pickler)
    for base in bases:
        data, _ = _made(partial(_write_new, base, make, how, protocol=protocol))
        rows.append(None if data is None else _value(partial(_load, _Theirs, data)))
    options = {"protocol": protocol, "policy": UNRESTRICTED, "limits": terms.LIMITS}
    mine, error = _made(partial(_write_new, terms.package.Pickler, make, how, **options))
    if isinstance(error, LimitError):
        return "limit"
    if mine is None:
        if None not in rows and not any(_failed(row) for row in rows):
            raise Finding("an odd object is refused that pickle writes", f"{error!r} {protocol} {how}") from error
        return "refused", type(error).__name__
    value = _value(partial(_load, _Theirs, mine))
    if make.args[0] is _shrinking and not _failed(value):
        # The two of pickle's look at a list at other times.
        return "written", "shorter"
    if value not in rows and not (_failed(value) and None in rows):
        raise Finding("an odd object is written as another value than pickle's", f"{value!a:.300} {rows!a:.300}")
    again = _value(partial(_load, _Ours, mine, policy=UNRESTRICTED, limits=terms.LIMITS))
    if again not in (value, "limit") and not (_failed(again) and _failed(value)):
        raise Finding("an odd object is read as another value than by pickle", f"{again!a:.300} {value!a:.300}")
    return "written", _failed(value)


def _write_new(base: Any, make: Callable[[], Any], how: int, **options: Any) -> bytes:
    return _write(base, make(), how, **options)


def _load(base: Any, data: bytes, **options: Any) -> Any:
    return base(io.BytesIO(data), **options).load()


def _failed(row: Any) -> bool:
    return type(row) is tuple and len(row) == 2 and row[0] == "error"


# -- under policies --------------------------------------------------------------------------------------------------

_ALL = Right.REFER | Right.CALL | Right.NEW | Right.BUILD
#: Everything here by name; a gadget under another name; a module under the name of an attribute.
_LISTING = Policy(
    name="listing",
    rules=[
        *(
            Rule(one.__module__, one.__qualname__, _ALL)
            for one in (HidesEx, HidesBoth, OddDict, LostSlot, Shrinking, Odd, Broken, Long, Numbered, DEEPEST)
        ),
        Rule("renamed", "system", _ALL), Rule("os", "path", Right.REFER), Rule("builtins", "dict.fromkeys", _ALL),
        Rule("collections", "deque", _ALL), Rule("builtins", "bytearray", _ALL), Rule("builtins", "int", _ALL),
        Rule(samples.__name__, "Reduced", _ALL), Rule(samples.__name__, "Node", Right.NEW | Right.BUILD),
    ],
    aliases={("posix", "system"): ("renamed", "system"), ("nt", "system"): ("renamed", "system")},
)  # fmt: skip
_POLICIES = (terms.BOTH, _LISTING, PLAIN, terms.BOTH | _LISTING)
_EXPECTED = (
    SafePickleError, OSError, ZeroDivisionError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError,
)  # fmt: skip


def _under(make: Callable[[], Any], how: int, protocol: int, policy: Policy, limits: Limits) -> Any:
    """Write under a policy: it is refused, or it loads under the same."""
    options = {"protocol": protocol, "policy": policy, "limits": limits}
    data, error = _made(partial(_write_new, terms.package.Pickler, make, how, **options))
    if data is None:
        if isinstance(error, SafePickleError):
            failure(error)
        if not isinstance(error, _EXPECTED):
            raise Finding(f"writing an odd object raises {type(error).__name__}") from error
        return type(error).__name__, str(error)[:40]
    read = partial(_load, _Ours, data, policy=policy, limits=limits)
    try:
        value = describe(read())
    except (PolicyError, LimitError) as refusal:
        # Memory and hashing are counted when read.
        if isinstance(refusal, PolicyError) or refusal.limit not in ("max_memory", "max_hash_work"):
            raise Finding(f"an odd object is written that is refused when read: {type(refusal).__name__}", str(refusal)
            ) from refusal
        return "limit", refusal.limit
    except SafePickleError as refusal:
        return "fails when read", type(refusal).__name__
    finally:
        samples.restore()
    return "written", str(len(value).bit_length())


class _Overriding(terms.package.Pickler):  # type: ignore[misc]
    def reducer_override(self, obj: Any) -> Any:
        """Write a module as an attribute of another."""
        return "path" if isinstance(obj, types.ModuleType) else NotImplemented


def _special(draw: Choices) -> Any:
    """What is always the same: modules are no values, a gadget is one under any name, canonical pickles go to files."""
    for policy, obj in ((_LISTING, os.path), (_LISTING, os.system), (terms.BOTH | _LISTING, [os.system])):
        try:
            _Overriding(io.BytesIO(), draw.below(6), policy=policy).dump(obj)
        except PolicyError as error:
            failure(error)
            continue
        raise Finding("a module or a gadget under another name is written")
    value = draw.pick(({"b": 1, "a": [2]}, [{3, 1, 2}], "x", (1.5, None)))
    file = io.BytesIO()
    terms.package.dump(value, file, canonical=True)
    if file.getvalue() != terms.package.dumps(value, canonical=True):
        raise Finding("a canonical pickle in a file is another one")
    if terms.package.Pickler(file).persistent_id(value) is not None:
        raise Finding("a Pickler without a hook gives an id")
    return _in_time(draw) if draw.chance(8) else "special"


def _in_time(draw: Choices) -> Any:
    """Time that is up is a limit, for every way to read and to write."""
    soon = Limits(max_seconds=1e-9)
    much = [{str(n): [n, (n, "x" * n), {n}] for n in range(3000)}] * 2
    data = pickle.dumps(much, draw.below(6))
    ways: tuple[Callable[[], Any], ...] = (
        lambda: terms.package.loads(data, limits=soon), lambda: terms.package.load(io.BytesIO(data), limits=soon),
        lambda: terms.package.dumps(much, limits=soon), lambda: terms.package.dumps(much, limits=soon, canonical=True),
        lambda: terms.package.dump(much, io.BytesIO(), limits=soon),
    )  # fmt: skip
    for number, way in enumerate(ways):
        try:
            way()
        except LimitError as error:
            failure(error)
            if error.limit != "max_seconds":
                raise Finding("another limit than time is met", error.limit) from error
            continue
        raise Finding("a limit of time is passed over", str(number))
    return "in time"


def check(data: bytes) -> Any:
    """Write an odd object."""
    draw = ByteChoices(data)
    kind = draw.below(16)
    if kind == 15:
        return _special(draw)
    factory = draw.below(len(_OBJECTS))
    how, protocol = draw.below(8), draw.below(6)
    code = draw.pick(_CODES)
    rest = draw.rest()

    # Afresh for each who writes it: what is written may change by that.
    make = partial(_make, _OBJECTS[factory], rest)

    key = (__name__, "Numbered")
    if code is not None:
        _COPYREG._extension_registry[key] = code
        _COPYREG._inverted_registry[code] = key
    try:
        if kind < 6:
            return _as_pickle(make, how, protocol)
        policy = _POLICIES[kind % 4]
        limits = terms.LIMITS if kind < 12 else terms.TIGHT
        return _under(make, how, protocol, policy, limits)
    finally:
        if code is not None:
            del _COPYREG._extension_registry[key], _COPYREG._inverted_registry[code]
            _COPYREG._extension_cache.pop(code, None)
        sys.modules.pop("fuzz.nowhere", None)
