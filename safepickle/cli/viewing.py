"""What was loaded, as a bounded tree of plain parts that can be printed or written as JSON.

Rules that hold here:

* No code of a loaded object runs for being shown: no ``repr``, ``str``, property, ``__getattr__`` or iterator
  of its own. Content is read through the methods of the built-in base, fields through the descriptors of
  ``__dict__`` and ``__slots__``. Only a short list of value types of the standard library is asked for its
  ``repr``. numpy's own arrays, scalars and dtypes are asked by numpy's own methods, and the extension types of
  pandas by the descriptors that a table names; no library is imported for it.
* Types are compared by identity and subclass: ``isinstance`` would ask the object for its ``__class__``, and
  a set of types their metaclass for a hash.
* Everything is bounded: parts in all (a long text counts as several), items of one container, characters of
  one text, depth. What is left out is counted. An object that contains itself is shown as a reference to
  where it stands; one that is shared is shown again, at the cost of the bound on parts (a 227-byte pickle can
  stand for 10**9 items, D10).
* The depth bound is also what bounds the recursion here.
"""

from __future__ import annotations

import enum
import sys
import types
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from ..inspection.documents import LARGEST_DECIMAL
from ..inspection.records import Buffer, Call, Global, PersistentId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Bounds", "Part", "view"]


class Bounds(NamedTuple):
    """How much of a value is shown."""

    parts: int = 10_000
    items: int = 1_000
    characters: int = 1_000
    depth: int = 40


class Part(NamedTuple):
    """One part of a value.

    ``kind`` is ``scalar`` (None, bool, int, float), ``text`` (str), ``bytes`` (bytes, bytearray), ``items``
    (list, tuple, set ...), ``pairs`` (dict ...), ``object`` (fields), ``global`` (a class or function),
    ``value`` (its text), ``cycle`` or ``cut``.
    """

    kind: str
    #: Type as people write it: ``list``, or ``module:Name``.
    type: str
    #: The scalar, text or bytes themselves (their beginning), or text that stands for the rest.
    value: Any = None
    #: Parts of it: single parts, or pairs of key and value, or of field and value.
    children: tuple[Any, ...] = ()
    #: Items or characters that are left out.
    omitted: int = 0


#: Value types whose repr is short, made of their data alone, and calls nothing that a stream can choose.
_VALUE_TYPES = {
    "datetime": ("date", "datetime", "time", "timedelta", "timezone"),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "uuid": ("UUID",),
    "ipaddress": (
        "IPv4Address",
        "IPv4Interface",
        "IPv4Network",
        "IPv6Address",
        "IPv6Interface",
        "IPv6Network",
    ),
    "pathlib": ("PosixPath", "PurePosixPath", "PureWindowsPath", "WindowsPath"),
    "zoneinfo": ("ZoneInfo",),
}
_ITEM_BASES = (list, tuple, set, frozenset, deque)
#: What extension types keep outside of ``__dict__`` and ``__slots__``, and worth seeing: by module and class.
_EXTENSION_FIELDS = {
    ("pandas._libs.internals", "BlockManager"): ("axes", "blocks"),
    # The latter two before pandas 2.2.
    **{("pandas._libs.internals", name): ("values",) for name in ("Block", "NumpyBlock", "NDArrayBackedBlock")},
    ("pandas._libs.arrays", "NDArrayBacked"): ("_dtype", "_ndarray"),
}
#: The most bytes of an array's item that is copied to be shown.
_LARGEST_ITEM = 1_000_000


def view(value: Any, bounds: Bounds = Bounds()) -> Part:
    """Return *value* as parts, within *bounds*."""
    return _Viewer(bounds).part(value, "root", 0)


class _Viewer:
    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._left = bounds.parts
        #: Containers that are being shown, by id, with their paths.
        self._open: dict[int, str] = {}

    def part(self, value: Any, path: str, depth: int) -> Part:
        self._left -= 1
        kind = type(value)
        if self._left < 0:
            return Part("cut", type_name(kind))
        simple = self._simple(value, kind)
        if simple is not None:
            return simple
        if id(value) in self._open:
            return Part("cycle", type_name(kind), self._open[id(value)])
        if depth >= self._bounds.depth:
            return Part("cut", type_name(kind))
        self._open[id(value)] = path
        try:
            return self._compound(value, kind, path, depth)
        finally:
            del self._open[id(value)]

    def _simple(self, value: Any, kind: type) -> Part | None:
        if value is None or kind is bool:
            return Part("scalar", kind.__name__, value)
        if kind is int:
            return _integer(value)
        if kind is float:
            return Part("scalar", "float", value)
        if kind is complex:
            return Part("value", "complex", repr(value))
        if kind is str:
            return self._cut_text("text", value, kind)
        if kind is bytes or kind is bytearray:
            return self._cut_text("bytes", value, kind)
        if issubclass(kind, type):
            return Part("global", "class", type_name(value))
        if kind is types.FunctionType or kind is types.BuiltinFunctionType:
            return Part("global", "function", _pair_name(value.__module__, value.__qualname__))
        if issubclass(type(kind), enum.EnumType):
            name = object.__getattribute__(value, "__dict__").get("_name_")
            if type(name) is str:
                return Part("global", "member", f"{type_name(kind)}.{ascii(name)[1:-1][:200]}")
        if kind is Global:
            return Part("global", "global", _pair_name(value.module, value.name))
        if kind is Buffer:
            return Part("global", "out-of-band buffer", str(value.number))
        if _is_value_type(kind):
            return self._by_repr(value, kind)
        return None

    def _call(self, call: Call, path: str, depth: int) -> Part:
        """Return a record of the inert tree as the call that it stands for, with what is done to it afterwards."""
        callee = call.callee
        shown = _pair_name(callee.module, callee.name) if type(callee) is Global else f"<{type_name(type(callee))}>"
        args = call.args if type(call.args) is tuple else (call.args,)
        children = [("", self.part(item, path, depth + 1)) for item in self._take(args)]
        children += [
            (name[:80] if type(name) is str else "?", self.part(item, path, depth + 1))
            for name, item in self._take((call.kwargs or {}).items())
        ]
        for operation in self._take(call.operations):
            if operation.right == "build":
                children.append(("<state>", self.part(operation.values[0], path, depth + 1)))
                continue
            # No more is copied than is shown: an object may be shown as often as it is used.
            most = self._bounds.items + 1
            if operation.right == "setitem":
                shown_items: Any = dict(_shown_pairs(operation.values[: 2 * most]))
            else:
                shown_items = list(operation.values[:most])
            label = "<items>" if operation.right == "setitem" else f"<{operation.right}>"
            children.append((label, self.part(shown_items, path, depth + 1)))
        return Part("object", f"new {shown}" if call.is_instance else shown, children=tuple(children))

    def _cut_text(self, part: str, value: Any, kind: type) -> Part:
        most = self._bounds.characters
        shown = value[:most]
        self._left -= len(shown) // 100
        return Part(part, type_name(kind), shown, omitted=len(value) - len(shown))

    def _by_repr(self, value: Any, kind: type) -> Part:
        try:
            text = repr(value)
        except Exception:
            return Part("value", type_name(kind), "?")
        shown = text[: self._bounds.characters]
        return Part("value", type_name(kind), shown, omitted=len(text) - len(shown))

    def _compound(self, value: Any, kind: type, path: str, depth: int) -> Part:
        if kind is Call:
            return self._call(value, path, depth)
        if kind is PersistentId:
            return Part("object", "persistent id", children=(("", self.part(value.id, path, depth + 1)),))
        name = type_name(kind)
        numpy = sys.modules.get("numpy")
        if numpy is not None and (shown := self._by_numpy(value, kind, numpy, path, depth)) is not None:
            return shown
        arrow = sys.modules.get("pyarrow.lib")
        if arrow is not None and kind is arrow.ChunkedArray:
            return self._column_of_arrow(value, path, depth)
        fields = () if any(kind is plain for plain in _PLAIN) else self._fields(value, kind, path, depth)
        if issubclass(kind, dict):
            pairs, omitted = self._pairs(value, path, depth)
            return Part("pairs", name, fields or None, pairs, omitted)
        if issubclass(kind, _ITEM_BASES):
            items, omitted = self._items(value, kind, path, depth)
            return Part("items", name, fields or None, items, omitted)
        inner = self._inner(value, kind)
        if inner is not None:
            return Part("object", name, children=(("", inner), *fields))
        if kind is slice or kind is range:
            return Part("value", name, _range_text(value))
        if kind is types.MethodType and type(value.__func__) is types.FunctionType:
            return Part(
                "global", "method", _pair_name(value.__func__.__module__, value.__func__.__qualname__)
            )
        return Part("object", name, children=fields)

    def _by_numpy(self, value: Any, kind: type, numpy: Any, path: str, depth: int) -> Part | None:
        """Return what is of numpy's own types: an array with its items in the order of C, a scalar, a dtype."""
        name = type_name(kind)
        if kind is numpy.ndarray and _is_own_dtype(value.dtype, numpy):
            fields = ("dtype", self._dtype(value.dtype)), ("shape", Part("value", "tuple", repr(value.shape)))
            items = self._read_items(
                value.size, lambda index: (value.flat[index : index + 1].item, value.itemsize), path, depth
            )
            return Part("items", name, fields, items, value.size - len(items))
        if issubclass(kind, numpy.dtype) and _is_own_dtype(value, numpy):
            return self._dtype(value)
        if not issubclass(kind, numpy.generic) or issubclass(kind, (str, bytes)):
            return None
        if getattr(numpy, type.__getattribute__(kind, "__name__"), None) is not kind:
            return None
        if kind is numpy.longdouble or kind is numpy.clongdouble:
            inner = Part("value", name, str(value))  # nothing of Python's holds it
        else:
            inner = self._item(value.item, value.nbytes, path, depth)
        return Part("object", name, children=(("", inner),))

    def _column_of_arrow(self, column: Any, path: str, depth: int) -> Part:
        """Return a column of a frame: what a class of Arrow's own holds, and says item by item."""

        def item(index: int) -> tuple[Callable[[], Any], int]:
            return column[index].as_py, column.slice(index, 1).nbytes

        items = self._read_items(len(column), item, path, depth)
        return Part("items", type_name(type(column)), (), items, len(column) - len(items))

    def _read_items(
        self, count: int, item: Callable[[int], tuple[Callable[[], Any], int]], path: str, depth: int
    ) -> tuple[Part, ...]:
        """Return items that are asked for one by one: how each is read, and its bytes."""
        parts: list[Part] = []
        while len(parts) < min(count, self._bounds.items) and self._left > 0:
            parts.append(self._item(*item(len(parts)), f"{path}[{len(parts)}]", depth))
        return tuple(parts)

    def _item(self, read: Callable[[], Any], size: int, path: str, depth: int) -> Part:
        """Return an item of so many bytes, which numpy makes a value of Python's, where there is one."""
        if size > _LARGEST_ITEM:
            return Part("cut", "item")
        try:
            item = read()
        except Exception:  # text whose numbers are no characters, say
            return Part("cut", "item")
        return self.part(item, path, depth + 1)

    def _dtype(self, dtype: Any) -> Part:
        children = [("", self._cut_text("text", dtype.str, str))]
        if dtype.names is not None:
            children.append(("names", self.part(dtype.names, "", self._bounds.depth - 1)))
        return Part("object", "numpy:dtype", children=tuple(children))

    def _inner(self, value: Any, kind: type) -> Part | None:
        """Return what an instance of a subclass of str, bytes, int ... is underneath."""
        if issubclass(kind, str):
            return self._cut_text("text", str.__str__(value), str)
        if issubclass(kind, (bytes, bytearray)):
            base = bytes if issubclass(kind, bytes) else bytearray
            return self._cut_text("bytes", base.__getitem__(value, slice(None)), base)
        if issubclass(kind, int):
            return _integer(int.__pos__(value))
        if issubclass(kind, float):
            return Part("scalar", "float", float.__pos__(value))
        return None

    def _items(self, value: Any, kind: type, path: str, depth: int) -> tuple[tuple[Part, ...], int]:
        base = next(base for base in _ITEM_BASES if issubclass(kind, base))
        ordered = base not in {set, frozenset}
        parts = []
        for index, item in enumerate(self._take(base.__iter__(value))):
            parts.append(self.part(item, f"{path}[{index}]" if ordered else f"{path}{{}}", depth + 1))
        return tuple(parts), base.__len__(value) - len(parts)

    def _pairs(self, value: Any, path: str, depth: int) -> tuple[tuple[tuple[Part, Part], ...], int]:
        parts = []
        for key, item in self._take(dict.items(value)):
            shown = f"[{ascii(key)[:40]}]" if type(key) in {str, int} else "[...]"
            parts.append((self.part(key, path, depth + 1), self.part(item, path + shown, depth + 1)))
        return tuple(parts), dict.__len__(value) - len(parts)

    def _take(self, items: Iterable[Any]) -> Iterable[Any]:
        for count, item in enumerate(items):
            if count >= self._bounds.items or self._left <= 0:
                return
            yield item

    def _fields(self, value: Any, kind: type, path: str, depth: int) -> tuple[tuple[str, Part], ...]:
        parts = []
        for name, item in self._take(_raw_fields(value, kind)):
            shown = name if type(name) is str else "?"
            parts.append((shown[:80], self.part(item, f"{path}.{ascii(shown[:40])[1:-1]}", depth + 1)))
        return tuple(parts)


_PLAIN_KEYS = frozenset({str, int, float, bool, bytes, type(None), Global, Call})
_PLAIN = (list, dict, tuple, set, frozenset, deque)


def _integer(value: int) -> Part:
    bits = value.bit_length()
    if bits > LARGEST_DECIMAL:
        return Part("value", "int", f"<int of {bits} bits>")
    return Part("scalar", "int", value)


def _range_text(value: Any) -> str:
    parts = (value.start, value.stop, value.step)
    if all(part is None or (type(part) is int and part.bit_length() <= 128) for part in parts):
        return repr(value)
    return f"{type(value).__name__}(...)"


def _shown_pairs(values: tuple[Any, ...]) -> Iterable[tuple[Any, Any]]:
    """Yield the items that a stream sets; a key that no dict takes is shown by its type."""
    for key, value in zip(values[::2], values[1::2], strict=True):
        yield (key if type(key) in _PLAIN_KEYS else type_name(type(key))), value


def _is_value_type(kind: type) -> bool:
    name = type.__getattribute__(kind, "__name__")
    for module, names in _VALUE_TYPES.items():
        # Looked up in the module itself, since a class can call itself what it likes.
        if name in names and getattr(sys.modules.get(module), name, None) is kind:
            return True
    return False


def _is_own_dtype(dtype: Any, numpy: Any) -> bool:
    """Whether a dtype is one of those that numpy has of itself, and writes as text without asking anything else."""
    kind = type(dtype)
    return dtype.kind != "T" and getattr(numpy.dtypes, type.__getattribute__(kind, "__name__"), None) is kind


def _raw_fields(value: Any, kind: type) -> Iterable[tuple[Any, Any]]:
    """Yield an instance's fields without running code of its class."""
    if issubclass(kind, BaseException):
        yield "args", BaseException.args.__get__(value)  # type: ignore[attr-defined]
    bases = type.__getattribute__(kind, "__mro__")
    namespaces = [type.__getattribute__(base, "__dict__") for base in bases]
    for (module, name), fields in _EXTENSION_FIELDS.items():
        extension = getattr(sys.modules.get(module), name, None)
        for base, namespace in zip(bases, namespaces, strict=True):
            for field in fields if base is extension else ():
                descriptor = namespace.get(field)
                if type(descriptor) is types.GetSetDescriptorType:
                    yield field, descriptor.__get__(value)
    for namespace in namespaces:
        descriptor = namespace.get("__dict__")
        if type(descriptor) is types.GetSetDescriptorType:
            try:
                own = descriptor.__get__(value)
            except AttributeError:
                continue
            yield from dict.items(own)
            break
    for namespace in namespaces:
        for name, descriptor in namespace.items():
            if type(descriptor) is types.MemberDescriptorType and not name.startswith("__"):
                try:
                    yield name, descriptor.__get__(value)
                except AttributeError:  # a slot that is not set
                    continue


def type_name(kind: type) -> str:
    """Return ``list`` for a built-in type, ``module:Qualified.Name`` for others, from the class alone."""
    return _pair_name(type.__getattribute__(kind, "__module__"), type.__getattribute__(kind, "__qualname__"))


def _pair_name(module: Any, name: Any) -> str:
    shown = ascii(name)[1:-1][:200] if type(name) is str else "?"
    if module == "builtins" and type(module) is str:
        return shown
    return f"{ascii(module)[1:-1][:200] if type(module) is str else '?'}:{shown}"
