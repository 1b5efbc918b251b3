"""Paths: where in the object graph something is, such as ``root['model'].steps[1]``.

Rules that hold here:

* A tree comes from a stream: it may be as deep as the limits allow, and have cycles. Nothing here recurses, and each
  object is visited once, so that time and memory are linear in the tree and not in what it stands for (D10).
* Keys are quoted as everything else that comes from data is (R10); a long path keeps its two ends.
* The steps are the ones that the writing side uses in its errors: ``['key']``, ``[0]``, ``.attribute``, ``.<args>``,
  ``.<item>``, ``.<key 'k'>``; beside them ``.<callee>``, ``.<kwargs>``, ``.<state>`` and ``.<persistent id>``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import quote
from .records import RECORDS, Call, PersistentId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["DROPPED", "ROOT", "Place", "find_paths", "shared", "walk"]

ROOT = "root"
#: The path of what a stream makes and then drops: it is in no value, but its making would have acted (R21).
DROPPED = "<dropped>"
#: Steps shown of a path: this many at each end.
_SHOWN = 12

_LONGEST_ATTRIBUTE = 80

#: What is looked into; everything else is a leaf.
_INNER = frozenset({list, tuple, dict, set, frozenset, slice, *RECORDS})

_INDEX, _KEYED, _KEY, _ITEM, _NAMED, _STATE = range(6)


class _Step(NamedTuple):
    kind: int
    what: Any


class Place:
    """An object of a tree, and where it stands.

    :ivar obj: a built-in container or a record.
    :ivar parent: the place that it was reached from, or None for the root.
    """

    __slots__ = ("_step", "obj", "parent")

    def __init__(self, obj: Any, parent: Place | None, step: _Step | None) -> None:
        self.obj = obj
        self.parent = parent
        self._step = step

    @property
    def path(self) -> str:
        """The path as text."""
        chain: list[tuple[_Step, Any]] = []
        place: Place | None = self
        while place is not None and place._step is not None:  # noqa: SLF001 - another place
            chain.append((place._step, place.obj))  # noqa: SLF001
            place = place.parent
        chain.reverse()
        return join(list(_texts(chain)))

    def __repr__(self) -> str:
        return f"<Place {self.path}>"


def join(steps: list[str]) -> str:
    """Return the path with these steps."""
    if len(steps) > 2 * _SHOWN:
        steps = [*steps[:_SHOWN], f"...({len(steps) - 2 * _SHOWN} steps)...", *steps[-_SHOWN:]]
    return ROOT + "".join(steps)


def _texts(chain: list[tuple[_Step, Any]]) -> Iterator[str]:
    """Yield the steps as text. What a state dict holds are attributes; the dict itself is no step of its own."""
    in_state = False
    for index, (step, obj) in enumerate(chain):
        last = index == len(chain) - 1
        if in_state and step.kind == _INDEX and type(obj) is dict and not last:
            continue  # of a state that is (attributes, slots)
        if step.kind == _STATE:
            in_state = type(obj) is dict or (type(obj) is tuple and len(obj) == 2)
            if last or not in_state:
                yield ".<state>"
            continue
        yield _text(step, in_state)
        in_state = False


def _text(step: _Step, in_state: bool) -> str:
    what = step.what
    if step.kind == _KEYED:
        plain = type(what) is str and what.isascii() and what.isidentifier() and len(what) <= _LONGEST_ATTRIBUTE
        return f".{what}" if in_state and plain else f"[{quote(what)}]"
    if step.kind == _INDEX:
        return f".<state>[{what}]" if in_state else f"[{what}]"
    if step.kind == _KEY:
        return f".<key {quote(what)}>"
    return ".<item>" if step.kind == _ITEM else f".<{what}>"


def walk(root: Any, seen: set[int] | None = None) -> Iterator[Place]:
    """Yield the containers and records in *root* and itself, each once, nearest first.

    :param seen: ids of what an earlier walk has met and this one passes over; more are added.
    """
    seen = set() if seen is None else seen
    seen.add(id(root))
    level = [Place(root, None, None)]
    while level:
        below: list[Place] = []
        for place in level:
            yield place
            for step, child in children(place.obj):
                if type(child) in _INNER and id(child) not in seen:
                    seen.add(id(child))
                    below.append(Place(child, place, step))
        level = below


def find_paths(root: Any, wanted: Iterable[Any]) -> dict[int, str]:
    """Return the shortest paths to these objects by id, for those that can be reached."""
    missing = {id(obj) for obj in wanted}
    found: dict[int, str] = {}
    for place in walk(root):
        if not missing:
            break
        if id(place.obj) in missing:
            missing.discard(id(place.obj))
            found[id(place.obj)] = place.path
    return found


def shared(root: Any) -> tuple[Any, ...]:
    """Return the containers and records that are met more than once in a walk, in its order."""
    counts: dict[int, int] = {id(root): 1}
    order: list[Any] = []
    for place in walk(root):
        order.append(place.obj)
        for _, child in children(place.obj):
            if type(child) in _INNER:
                counts[id(child)] = counts.get(id(child), 0) + 1
    # There is one empty tuple in the interpreter, wherever it stands.
    return tuple(obj for obj in order if counts[id(obj)] > 1 and obj != ())


def children(obj: Any) -> Iterator[tuple[_Step, Any]]:
    """Yield what *obj* directly holds, with the steps to it."""
    kind = type(obj)
    if kind is list or kind is tuple:
        for index, item in enumerate(obj):
            yield _Step(_INDEX, index), item
    elif kind is dict:
        yield from _entries(obj.items())
    elif kind is set or kind is frozenset:
        for item in obj:
            yield _Step(_ITEM, None), item
    elif kind is slice:
        for name in ("start", "stop", "step"):
            yield _Step(_NAMED, name), getattr(obj, name)
    elif kind is Call:
        yield from _call(obj)
    elif kind is PersistentId:
        yield _Step(_NAMED, "persistent id"), obj.id


def _entries(pairs: Iterable[tuple[Any, Any]]) -> Iterator[tuple[_Step, Any]]:
    for key, value in pairs:
        yield _Step(_KEY, key), key
        yield _Step(_KEYED, key), value


def _call(call: Call) -> Iterator[tuple[_Step, Any]]:
    yield _Step(_NAMED, "callee"), call.callee
    yield _Step(_NAMED, "args"), call.args
    if call.kwargs is not None:
        yield _Step(_NAMED, "kwargs"), call.kwargs
    index = 0
    for operation in call.operations:
        if operation.right == "build":
            # A node of its own, since many objects may be given one state: it is looked into once.
            yield _Step(_STATE, None), operation.values[0]
        elif operation.right == "setitem":
            yield from _entries(operation.pairs())
        elif operation.right == "append":
            for item in operation.values:
                yield _Step(_INDEX, index), item
                index += 1
        else:
            for item in operation.values:
                yield _Step(_ITEM, None), item
