"""The recording gate: the gate that notes what a stream asks for instead of deciding on it or doing it.

Rules that hold here:

* The machine is the one that loads (S1); this gate stands where the deciding one stands. Nothing is imported, called,
  set or fetched, whatever the bytes are: what a load would make is a :class:`Call` in its place.
* Helpers that the machine emulates (S4a) give here what they give there: plain sets, bytes, and names of nested
  classes. In another shape they are calls like any other.
* What the deciding gate calls malformed is malformed here, with the same words at the same place. What it would deny is
  no error here: the tree is how people see it.
* Every record is paid for before it is made, so that a tree is held to ``max_objects`` and ``max_memory`` too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..decoding.emulated import EMULATED
from ..decoding.gates import Gate
from ..decoding.handles import GlobalHandle, HeldTuple
from ..errors import FormatError, quote, quote_name
from ..policy.rules import Right
from ..wire.opcodes import opcode_name
from .records import Buffer, Call, Global, Operation, PersistentId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..decoding.budget import Budget
    from ..decoding.handles import Known
    from ..policy.rules import Policy

__all__ = ["RecordingGate"]

#: Every right: nothing is acted on, so nothing has to be withheld.
_ALL = sum(right.value for right in Right)
#: What no rule covers, and what the deciding gate therefore denies as a target of BUILD and the like: the machine's own
#: containers, and what came from outside the stream. Everything else that is no record is malformed.
_STRAYS = frozenset({list, dict, set, type, type(Ellipsis), type(NotImplemented), PersistentId, Buffer})
#: Estimates of records' sizes in bytes, what points to them included.
_CALL, _GLOBAL, _OPERATION, _PERSISTENT = 320, 120, 160, 120


class RecordingGate(Gate):
    """Builds records.

    :param policy: its aliases are applied to names; its rules are not asked.
    :param budget: pays for the records.
    :param fix_imports: rename Python 2 globals in protocols 0 to 2.
    """

    def __init__(self, policy: Policy, budget: Budget, fix_imports: bool) -> None:
        # Inert, so that what is not overridden here could not act either.
        super().__init__(policy, budget, None, None, fix_imports, True)
        self.on_record: dict[tuple[str, str], Global] = {}
        #: Globals that appear as values, with the position where they first do.
        self.referred: dict[tuple[str, str], int] = {}
        self.made_calls: list[Call] = []
        self.operations: dict[int, list[Operation]] = {}
        self.counts: dict[int, int] = {}
        self.strays: list[tuple[Any, Operation]] = []
        self.persistent_ids: list[PersistentId] = []
        self.out_of_band: list[Buffer] = []

    # -- globals -----------------------------------------------------------------------------------------------

    def make_handle(self, module: str, name: str) -> GlobalHandle:
        self.budget.take_object(_GLOBAL)
        self.on_record[module, name] = Global(module, name, self.position)
        handle = GlobalHandle(module, name, _ALL)
        handle.emulation = EMULATED.get((module, name))
        return handle

    def _make_known(self, known: Known) -> GlobalHandle:
        # What the deciding gate keeps with a policy is its decision: a global is on record all the same.
        return self.make_handle(known.module, known.name)

    def _record(self, obj: Any) -> Any:
        return self.on_record[obj.module, obj.name] if type(obj) is GlobalHandle else obj

    def value(self, obj: Any) -> Any:
        if type(obj) is GlobalHandle:
            pair = (obj.module, obj.name)
            self.referred.setdefault(pair, self.position)
            return self.on_record[pair]
        if type(obj) is HeldTuple:
            if obj.value is None:
                obj.value = tuple([self.value(item) for item in obj.items])
            return obj.value
        return obj

    # -- calls -------------------------------------------------------------------------------------------------

    def call(self, callee: Any, args: Any) -> Any:
        return self._call(Right.CALL.label, callee, args)

    def instantiate(self, callee: Any, args: tuple[Any, ...]) -> Any:
        # Without arguments INST and OBJ only make an instance, as pickle does.
        emulated = type(callee) is GlobalHandle and callee.emulation is not None
        right = Right.CALL if args or emulated else Right.NEW
        return self._call(right.label, callee, self.tuple_of(args))

    def _call(self, right: str, callee: Any, args: Any) -> Any:
        self.budget.take_call()
        if type(callee) is not GlobalHandle:
            # Denied whatever the arguments are, so that the deciding gate does not look at them.
            return self._make(right, callee, self.value(args), None, None)
        if type(args) is not tuple and type(args) is not HeldTuple:
            raise FormatError(f"arguments are {quote(args)}, not a tuple")
        if callee.emulation is not None:
            result = callee.emulation(self, args.items if type(args) is HeldTuple else args)
            if result is not NotImplemented:
                return result
        return self._make(right, callee, self.value(args), None, None)

    def new(self, cls: Any, args: Any, kwargs: Any) -> Any:
        if type(args) is not tuple and type(args) is not HeldTuple:
            raise FormatError(f"arguments are {quote(args)}, not a tuple")
        if kwargs is not None:
            if type(kwargs) is not dict:
                raise FormatError(f"keyword arguments are {quote(kwargs)}, not a dict")
            self.look_through(len(kwargs))
            for key in kwargs:
                if type(key) is not str:
                    raise FormatError(f"a keyword is {quote(key)}, not a str")
        self.budget.take_call()
        return self._make(Right.NEW.label, cls, self.value(args), kwargs, None)

    def emulate_new(self, handle: GlobalHandle, base: type, state: Any) -> Any:
        args = () if base is object else (state,)
        return self._make(Right.NEW.label, handle, args, None, base.__name__)

    def _make(self, right: str, callee: Any, args: Any, kwargs: Any, base: str | None) -> Call:
        self.budget.take_object(_CALL)
        call = Call(right, opcode_name(self.opcode), self.position, self._record(callee), args, kwargs, base)
        self.made_calls.append(call)
        return call

    # -- objects -----------------------------------------------------------------------------------------------

    def build(self, obj: Any, state: Any) -> None:
        self._note(Right.BUILD, obj, (self.value(state),))

    def append(self, obj: Any, items: list[Any]) -> None:
        self._note(Right.APPEND, obj, tuple(self.values(items)))

    def set_items(self, obj: Any, items: list[Any]) -> None:
        self._note(Right.SETITEM, obj, tuple(self.values(items)))

    def add_items(self, obj: Any, items: list[Any]) -> None:
        self._note(Right.ADD, obj, tuple(self.values(items)))

    def _note(self, right: Right, obj: Any, values: tuple[Any, ...]) -> None:
        present = self.counts.get(id(obj), 0)
        self.budget.take_items(present, len(values), 8)
        self.budget.take_object(_OPERATION)
        self.counts[id(obj)] = present + len(values)
        operation = Operation(right.label, opcode_name(self.opcode), self.position, values)
        if type(obj) is Call:
            self.operations.setdefault(id(obj), []).append(operation)
        elif type(obj) in _STRAYS:
            self.strays.append((obj, operation))
        elif type(obj) is GlobalHandle:
            raise FormatError(f"{operation.opcode} on the global {quote_name(obj.module, obj.name)}")
        else:
            raise FormatError(f"{operation.opcode} on {quote(obj)}")

    # -- what comes from outside the stream --------------------------------------------------------------------

    def persistent(self, pid: Any) -> Any:
        self.budget.take_call()
        self.budget.take_object(_PERSISTENT)
        record = PersistentId(self.value(pid), self.position)
        self.persistent_ids.append(record)
        return record

    def adopt_foreign(self, obj: Any) -> None:
        """Buffers are our own records here: nothing came from outside."""

    def buffers(self) -> Iterator[Buffer]:
        """Yield a record for each out-of-band buffer that the stream takes."""
        while True:
            buffer = Buffer(len(self.out_of_band), self.position)
            self.out_of_band.append(buffer)
            yield buffer

    def freeze(self) -> tuple[Call, ...]:
        """Give the records their operations, and return all calls in the order of the stream."""
        for call in self.made_calls:
            done = self.operations.get(id(call))
            if done is not None:
                object.__setattr__(call, "operations", tuple(done))
        return tuple(self.made_calls)
