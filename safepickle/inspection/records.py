"""What an inert tree is made of: plain frozen records that stand for what a stream asks for.

Rules that hold here:

* A record does nothing: it names a global, it is not one. Built-in values (numbers, text, lists, dicts, sets, ...)
  stand in the tree as themselves; everything that a load would have to import, call or fetch is a record.
* Records are compared and hashed by identity, :class:`Global` by its pair. A record may be a key, and hashing one never
  visits what is in it (D06); that two of them would be *equal objects* is not for a tree to know.
* ``repr`` of a record is one short escaped line and looks at nothing inside it: trees may be deep and have cycles.
* A record is frozen once the tree is handed out. What a stream does to an object after it was made (BUILD, APPENDS,
  ...) is in its ``operations``, in the order of the stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from ..errors import quote, quote_name

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RECORDS", "Buffer", "Call", "Global", "Operation", "PersistentId", "Record"]

_put = object.__setattr__


class Record:
    """The base of all records: no attribute can be set or deleted."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a {type(self).__name__} record is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a {type(self).__name__} record is immutable")


class Global(Record):
    """A global that the stream names, after renames: the pair, and where it was named first."""

    __slots__ = ("module", "name", "position")

    module: str
    name: str
    position: int

    def __init__(self, module: str, name: str, position: int = 0) -> None:
        _put(self, "module", module)
        _put(self, "name", name)
        _put(self, "position", position)

    @property
    def pair(self) -> tuple[str, str]:
        """The pair (module, qualified name), by which policies decide."""
        return (self.module, self.name)

    def __eq__(self, other: object) -> bool:
        return self.pair == other.pair if type(other) is Global else NotImplemented

    def __hash__(self) -> int:
        return hash((self.module, self.name))

    def __repr__(self) -> str:
        return f"<Global {quote_name(self.module, self.name)}>"


class Operation(Record):
    """What the stream does to an object that it made: BUILD, APPEND(S), SETITEM(S) or ADDITEMS.

    :ivar values: for ``build`` the one state; for ``append`` and ``add`` the items; for ``setitem`` keys and values
        in turn.
    """

    __slots__ = ("opcode", "position", "right", "values")

    right: str
    opcode: str
    position: int
    values: tuple[Any, ...]

    def __init__(self, right: str, opcode: str, position: int, values: tuple[Any, ...]) -> None:
        _put(self, "right", right)
        _put(self, "opcode", opcode)
        _put(self, "position", position)
        _put(self, "values", values)

    def pairs(self) -> list[tuple[Any, Any]]:
        """Return the keys and values of a ``setitem``."""
        return list(zip(self.values[::2], self.values[1::2], strict=True))

    def __repr__(self) -> str:
        return f"<Operation {self.opcode} at {self.position}: {len(self.values)} values>"


class Call(Record):
    """An object that the stream would make by calling something, or with ``cls.__new__``.

    :ivar right: ``call`` (REDUCE, OBJ, INST) or ``new`` (NEWOBJ, NEWOBJ_EX, and what stands for them).
    :ivar callee: a :class:`Global`; another value where a stream calls what is no global, which no policy allows.
    :ivar base: name of the built-in that ``copyreg._reconstructor`` was told to make it with, or None.
    :ivar operations: what was done to it afterwards.
    """

    __slots__ = ("args", "base", "callee", "kwargs", "opcode", "operations", "position", "right")

    right: str
    opcode: str
    position: int
    callee: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] | None
    base: str | None
    operations: tuple[Operation, ...]

    def __init__(
        self,
        right: str,
        opcode: str,
        position: int,
        callee: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any] | None = None,
        base: str | None = None,
    ) -> None:
        _put(self, "right", right)
        _put(self, "opcode", opcode)
        _put(self, "position", position)
        _put(self, "callee", callee)
        _put(self, "args", args)
        _put(self, "kwargs", kwargs)
        _put(self, "base", base)
        _put(self, "operations", ())

    @property
    def is_instance(self) -> bool:
        """Whether it is made with ``cls.__new__`` and not by a call."""
        return self.right == "new"

    @property
    def states(self) -> tuple[Any, ...]:
        """Every state that BUILD gives it; real picklers write one at most."""
        return tuple(operation.values[0] for operation in self.operations if operation.right == "build")

    @property
    def appended(self) -> tuple[Any, ...]:
        """All items that are appended to it."""
        return self._values("append")

    @property
    def added(self) -> tuple[Any, ...]:
        """All items that are added to it as to a set."""
        return self._values("add")

    @property
    def items(self) -> tuple[tuple[Any, Any], ...]:
        """All keys with their values that are set in it."""
        done = [operation for operation in self.operations if operation.right == "setitem"]
        return tuple(pair for operation in done for pair in operation.pairs())

    def _values(self, right: str) -> tuple[Any, ...]:
        return tuple(value for operation in self.operations if operation.right == right for value in operation.values)

    def __repr__(self) -> str:
        callee = self.callee
        shown = quote_name(callee.module, callee.name) if type(callee) is Global else quote(callee)
        return f"<Call {self.opcode} {shown} at {self.position}>"


class PersistentId(Record):
    """A persistent id: what it stands for is for the program that loads it to say."""

    __slots__ = ("id", "position")

    id: Any
    position: int

    def __init__(self, id: Any, position: int) -> None:  # noqa: A002 - what it is called everywhere
        _put(self, "id", id)
        _put(self, "position", position)

    def __repr__(self) -> str:
        return f"<PersistentId {quote(self.id)} at {self.position}>"


class Buffer(bytes):
    """An out-of-band buffer: its bytes are not in the stream (PEP 574). Empty, because READONLY_BUFFER looks at it.

    :ivar number: which of the buffers it is, from 0.
    """

    number: int
    position: int

    def __new__(cls, number: int, position: int) -> Self:
        """Make the record of the buffer this number."""
        self = super().__new__(cls)
        _put(self, "number", number)
        _put(self, "position", position)
        return self

    # Two buffers are two values, whatever their bytes will be.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Buffer record is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Buffer record is immutable")

    def __repr__(self) -> str:
        return f"<Buffer {self.number} at {self.position}>"


#: All kinds of nodes that are no built-in values.
RECORDS = (Global, Call, PersistentId, Buffer)
