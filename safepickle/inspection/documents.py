"""The inert tree as JSON: for other programs and other languages.

The document of a tree::

    {"protocol": 4, "opcodes": 12, "bytes": 40,
     "globals": [{"module": "a", "name": "B", "position": 3}, ...],
     "value": NODE,
     "nodes": {"7": NODE, ...},                 what is nested too deep to stand in its place
     "dropped": [NODE, ...],                    calls whose result is in no value
     "strays": [{"object": NODE, "operation": ...}, ...]}

A NODE is a JSON value where JSON has one (text, true, false, null, finite numbers up to 2**53, lists, dicts with text
as keys), else an object with ``$type``: ``int``, ``float``, ``complex``, ``bytes``, ``tuple``, ``dict`` (``pairs``),
``set``, ``global``, ``call``, ``persistent id``, ``buffer``, ... What stands in several places has ``$id`` where it
stands first and is ``{"$ref": id}`` elsewhere; so a cycle ends in a ``$ref``.

Rules that hold here:

* The document is linear in the tree, not in what the tree stands for: what is shared is written once, long text too
  (a 200-byte pickle can stand for 10**9 items, D10).
* Nothing recurses on input: beyond :data:`MOST_NESTED` levels a node is written into ``nodes``, so that every reader of
  JSON can read it; the bound is also what bounds the recursion here.
* Nothing in a pickle can pose as a tag: a dict with a key that begins with ``$`` is written as pairs.
"""

from __future__ import annotations

import base64
import math
from collections import deque
from typing import TYPE_CHECKING, Any

from .paths import children, walk
from .records import Buffer, Call, Global, Operation, PersistentId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .tree import Tree

__all__ = ["LARGEST_DECIMAL", "MOST_NESTED", "SAFE_INT", "tree_document"]

#: Levels of nodes inside each other; each makes up to four levels of JSON.
MOST_NESTED = 30
#: Text, bytes and ints that are longer than this are written once, however often they are used.
_LONG = 40
#: Ints beyond this lose digits in most readers of JSON.
SAFE_INT = 2**53 - 1
#: Bits of an int that Python writes in decimal by default.
LARGEST_DECIMAL = 14_284

_CONTAINERS = frozenset({list, tuple, dict, set, frozenset, slice, Call, PersistentId, Buffer})
_TEXTS = frozenset({str, bytes, bytearray})


def tree_document(tree: Tree) -> dict[str, Any]:
    """Return the document of a tree."""
    writer = _Writer()
    writer.count([tree.value])
    dropped = [call for call in tree.calls if id(call) not in writer.reached]
    writer.count(dropped)
    for obj, operation in tree.strays:
        writer.count([obj, *operation.values])
    return {
        "protocol": tree.protocol,
        "opcodes": tree.opcodes,
        "bytes": tree.bytes,
        "globals": [_global(record) for record in tree.globals],
        "value": writer.node(tree.value, 0),
        "dropped": [writer.node(call, 0) for call in dropped],
        "strays": [
            {"object": writer.node(obj, 0), "operation": writer.operation(operation, 0)}
            for obj, operation in tree.strays
        ],
        "nodes": writer.rest(),
    }


def _global(record: Global) -> dict[str, Any]:
    return {"module": record.module, "name": record.name, "position": record.position}


class _Writer:
    """Writes nodes, what is shared once."""

    def __init__(self) -> None:
        #: How often each object is used, by id; the tree keeps the objects.
        self._uses: dict[int, int] = {}
        #: Numbers of what has been written, or is waiting to be, under an id of its own.
        self._numbers: dict[int, int] = {}
        self._waiting: deque[Any] = deque()
        #: Ids of all that has been counted.
        self.reached: set[int] = set()

    def count(self, roots: Iterable[Any]) -> None:
        """Count the uses of everything in *roots*."""
        for root in roots:
            self._use(root)
            if type(root) not in _CONTAINERS or id(root) in self.reached:
                continue
            for place in walk(root, self.reached):
                for _, child in children(place.obj):
                    self._use(child)

    def _use(self, obj: Any) -> None:
        if _can_be_shared(obj):
            self._uses[id(obj)] = self._uses.get(id(obj), 0) + 1

    def rest(self) -> dict[str, Any]:
        """Return what has been put off, by number."""
        nodes = {}
        while self._waiting:
            obj = self._waiting.popleft()
            nodes[str(self._numbers[id(obj)])] = self._fresh(obj, 0)
        return nodes

    def node(self, obj: Any, depth: int) -> Any:
        """Return the node of an object: itself, or a reference to it."""
        kind = type(obj)
        if kind is Global:
            return {"$type": "global", **_global(obj)}
        if not _can_be_shared(obj):
            return _scalar(obj)
        number = self._numbers.get(id(obj))
        if number is not None:
            return {"$ref": number}
        put_off = depth >= MOST_NESTED and kind in _CONTAINERS
        if not put_off and self._uses.get(id(obj), 0) < 2:
            return self._fresh(obj, depth)
        number = self._numbers[id(obj)] = len(self._numbers) + 1
        if put_off:
            self._waiting.append(obj)
            return {"$ref": number}
        node = self._fresh(obj, depth)
        if type(node) is dict and "$type" in node:
            return {"$id": number, **node}
        key = "value" if kind is str else "items" if kind is list else "fields"
        return {"$id": number, "$type": kind.__name__, key: node}

    def _fresh(self, obj: Any, depth: int) -> Any:
        kind = type(obj)
        depth += 1
        if kind is list:
            return [self.node(item, depth) for item in obj]
        if kind is tuple:
            return {"$type": "tuple", "items": [self.node(item, depth) for item in obj]}
        if kind is dict:
            return self._dict(obj, depth)
        if kind is set or kind is frozenset:
            return {"$type": kind.__name__, "items": [self.node(item, depth) for item in obj]}
        if kind is slice:
            return {"$type": "slice", "items": [self.node(item, depth) for item in (obj.start, obj.stop, obj.step)]}
        if kind is Call:
            return self._call(obj, depth)
        if kind is PersistentId:
            return {"$type": "persistent id", "position": obj.position, "id": self.node(obj.id, depth)}
        if kind is Buffer:
            return {"$type": "buffer", "position": obj.position, "number": obj.number}
        return _scalar(obj)

    def _dict(self, obj: dict[Any, Any], depth: int) -> Any:
        if all(type(key) is str and len(key) <= _LONG and not key.startswith("$") for key in obj):
            return {key: self.node(value, depth) for key, value in obj.items()}
        return {"$type": "dict", "pairs": self._pairs(obj.items(), depth)}

    def _pairs(self, pairs: Iterable[tuple[Any, Any]], depth: int) -> list[Any]:
        return [[self.node(key, depth), self.node(value, depth)] for key, value in pairs]

    def _call(self, call: Call, depth: int) -> dict[str, Any]:
        node: dict[str, Any] = {
            "$type": "call",
            "right": call.right,
            "opcode": call.opcode,
            "position": call.position,
            "callee": self.node(call.callee, depth),
            "args": self.node(call.args, depth),
        }
        if call.kwargs is not None:
            node["kwargs"] = self.node(call.kwargs, depth)
        if call.base is not None:
            node["base"] = call.base
        if call.operations:
            node["operations"] = [self.operation(operation, depth) for operation in call.operations]
        return node

    def operation(self, operation: Operation, depth: int) -> dict[str, Any]:
        """Return what was done to an object."""
        node: dict[str, Any] = {
            "right": operation.right,
            "opcode": operation.opcode,
            "position": operation.position,
        }
        if operation.right == "build":
            node["state"] = self.node(operation.values[0], depth)
        elif operation.right == "setitem":
            node["pairs"] = self._pairs(operation.pairs(), depth)
        else:
            node["items"] = [self.node(value, depth) for value in operation.values]
        return node


def _can_be_shared(obj: Any) -> bool:
    kind = type(obj)
    if kind in _TEXTS:
        return len(obj) > _LONG
    if kind is int:
        return bool(obj.bit_length() > 4 * _LONG)
    return kind in _CONTAINERS and obj != ()


def _scalar(obj: Any) -> Any:
    kind = type(obj)
    if obj is None or kind is bool or kind is str:
        return obj
    if kind is int:
        return obj if -SAFE_INT <= obj <= SAFE_INT else {"$type": "int", "text": _integer(obj)}
    if kind is float:
        return obj if math.isfinite(obj) else {"$type": "float", "text": repr(obj)}
    if kind is bytes or kind is bytearray:
        return {"$type": kind.__name__, "base64": base64.b64encode(obj).decode("ascii")}
    if kind is tuple:
        return {"$type": "tuple", "items": []}
    if kind is complex:
        return {"$type": "complex", "text": repr(obj)}
    if kind is range:
        return {"$type": "range", "text": [_integer(part) for part in (obj.start, obj.stop, obj.step)]}
    if kind is type:
        return {"$type": "type", "text": obj.__name__}
    # What is left are singletons: Ellipsis and NotImplemented.
    return {"$type": kind.__name__, "text": repr(obj)}


def _integer(number: int) -> str:
    return str(number) if number.bit_length() <= LARGEST_DECIMAL else hex(number)
