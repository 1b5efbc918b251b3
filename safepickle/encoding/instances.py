# cython: annotation_typing=False
"""Instances: those that are written without a script of what a reduce method returned, because all is known of them.

Rules that hold here:

* What is written here has been granted before: of a class whose instances are their attributes, the right to make and
  to fill any; of a callable, the right to be called. What may differ from one instance to the next is asked each time.
* Everything else is left, with nothing written, to the encoder.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from typing import TYPE_CHECKING, Any

from ..decoding.usual import is_usual
from ..wire.opcodes import BY_NAME
from . import reducing
from .containers import Containers
from .frames import Frame
from .keys import are_free

if TYPE_CHECKING:
    from .granting import WriteGate

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    # These are C in the compiled form.
    from ..wire.output import put
    from ..wire.writing import is_shared
    from .frames import enter
    from .reducing import has_attributes, instance_dict, plain_names, slot_value

    identity = id

_EMPTY_DICT = BY_NAME["EMPTY_DICT"].code
_EMPTY_TUPLE = BY_NAME["EMPTY_TUPLE"].code
_NEWOBJ = BY_NAME["NEWOBJ"].code
_BUILD = BY_NAME["BUILD"].code
_REDUCE = BY_NAME["REDUCE"].code

_SCRIPT = 5
_CLOSED = 0

_ARGS = reducing.ARGS
_STATE = reducing.STATE
_CODE = reducing.CODE
_NOTE = reducing.NOTE
_ITEMS = reducing.ITEMS
_ENTRIES = reducing.ENTRIES
_LEVEL = reducing.LEVEL
_COUNTED: Any = reducing.COUNTED

_ORDERED_DICT: Any = OrderedDict
_DEFAULTDICT: Any = defaultdict
_DEQUE: Any = deque
#: Collections whose reduce method, in C, gives how they are made empty and an iterator over what they are filled with.
FILLED = frozenset({OrderedDict, defaultdict, deque})

_MISSING = object()


class Instances(Containers):
    """Containers, and instances of which all is known."""

    def begin_instances(self) -> None:
        """Begin with nothing known."""
        self.gate: WriteGate | None = None
        self.persistent_id: Any = None
        #: NotImplemented where there is none: what is set to None fails when it is called, as in pickle.
        self.reducer_override: Any = NotImplemented
        #: Slots by class, where its instances are their slots.
        self.members: Any = None
        #: By identity: what is still to be asked of the arguments of a callable that has been called before, or None;
        #: and which of the states that are seen without the contract its results may be given. The gate's, if any.
        self.callees: Any = None
        self.builders: Any = None

    def save_global(self, obj: Any, name: str | None) -> None:
        """Write a global by its name."""
        raise NotImplementedError

    def save_callee(self, func: Any) -> None:
        """Write a global that was granted for the use it is written for, or a reference to it."""
        if not self.out.recall(func):
            self.callee = func
            self.save_global(func, None)
            self.callee = None

    def _may_name(self, index: int, obj: Any) -> bool:
        """Return whether a class is in the memo, at *index*, or its name can be written at once.

        A reducer_override is asked of classes, too, and one of another metaclass may be in the dispatch table, by that.
        """
        if index >= 0 or self.gate is None or self.protocol < 4:
            return index >= 0
        return type(obj) is type and self.reducer_override is NotImplemented

    def save_plain_instance(self, obj: Any, kind: type) -> bool:
        """Write an instance of a class that leaves reducing to ``object``: no code of its own runs."""
        note = self.keep
        state = instance_dict(obj)
        if not plain_names(state) or self.memo is None or self.persistent_id is not None:
            return False
        index = self.memo.find(kind)
        if not self._may_name(index, kind):
            return False
        count = len(state)
        enter(self, count, 2)
        self.opcodes += count + 3
        self.count_call()
        out = self.out
        if index >= 0:
            out.get(index)
        else:
            self.save_callee(kind)
        put(out, _EMPTY_TUPLE)
        put(out, _NEWOBJ)
        if note:
            out.memoize(obj)
        if count > 0:
            self.keep = not self.sparing or is_shared(out, state, 2)
            if self.keep and out.recall(state):
                put(out, _BUILD)
                return True
            self.objects += 1
            put(out, _EMPTY_DICT)
            if self.keep:
                out.memoize(state)
            frame = self.push_table(state, count)
            # One frame for the instance and its dict.
            frame.again = _BUILD
            self.extra += 1
        return True

    def save_slotted_instance(self, obj: Any, kind: type) -> bool:
        """Write an instance of such a class that has slots: its state is a pair, as ``object`` makes it."""
        note = self.keep
        if self.memo is None or self.persistent_id is not None:
            return False
        index = self.memo.find(kind)
        if not self._may_name(index, kind):
            return False
        fields = {}
        for name, member in self.members[kind]:
            value = slot_value(member, obj, _MISSING)
            if value is not _MISSING:
                fields[name] = value
        state: Any = None
        if kind.__dictoffset__ != 0:
            state = instance_dict(obj)
            if not plain_names(state):
                return False
            if not state:
                state = None
        if fields:
            state = (state, fields)
        enter(self, 0, 1)
        self.opcodes += 4
        self.count_call()
        out = self.out
        if index >= 0:
            out.get(index)
        else:
            self.save_callee(kind)
        put(out, _EMPTY_TUPLE)
        put(out, _NEWOBJ)
        if note:
            out.memoize(obj)
        if state is not None:
            # The state is made here: it is the script's and this method's, its dict the pair's and this method's.
            fields = None  # type: ignore[assignment]
            self.push_closed(obj, state, _BUILD, False)
            self.save(state, 2)
        return True

    def save_filled(self, obj: Any, kind: Any) -> bool:
        """Write one of :data:`FILLED` as its reduce method would give it, without a tuple of what that gives."""
        if self.memo is None or self.persistent_id is not None:
            return False
        index = self.memo.find(kind)
        if index < 0:
            return False
        args: Any = ()
        step = _ENTRIES
        if kind is _DEQUE:
            step = _ITEMS
            if obj.maxlen is not None:
                args = ((), obj.maxlen)
        elif kind is _ORDERED_DICT:
            if has_attributes(obj):
                return False
        elif obj.default_factory is not None:
            # Of the last one the contract was asked, and the right to be called.
            factory = obj.default_factory
            if self.gate is not None and (factory is not self.gate.factory or type(factory) is not type):
                return False
            args = (factory,)
        note = self.keep
        self.count_call()
        script = [_ARGS, args, _CODE, _REDUCE]
        if note:
            script += (_NOTE, obj)
        if len(obj) > 0:
            script += (_LEVEL, -1, step, iter(obj if kind is _DEQUE else obj.items()), _LEVEL, 1)
        self.push_script(obj, script, 1)
        self.out.get(index)
        return True

    def save_call(self, obj: Any, reduced: Any, note: bool) -> bool:
        """Begin the most frequent forms: what has been called before is called with some arguments.

        What that gives may be given state, if no contract needs to be asked about it.
        """
        if type(reduced) is not tuple or self.memo is None or self.persistent_id is not None:
            return False
        parts = len(reduced)
        if parts != 2 and parts != 3:
            return False
        func = reduced[0]
        args = reduced[1]
        # What is not in there has no right to be called yet, though it may be in the memo as a value.
        check = self.callees.get(identity(func), _MISSING)
        if check is _MISSING and parts == 2 and self.gate is not None and type(args) is tuple:
            check = self.gate.callee_before(func, args, _MISSING, self)
        if check is _MISSING or type(args) is not tuple:
            return False
        if parts == 3 and (self.gate is None or identity(func) not in self.builders):
            return False
        if check is _COUNTED:
            if len(args) != 1 or type(args[0]) is not dict or not are_free(args[0]):
                return False
        elif type(check) is int:
            if not self.gate.takes(check, args):  # type: ignore[union-attr]
                return False
        elif check is not None and not (cython.compiled and is_usual(func, args)) and check(args, {}) is not None:
            return False
        index = self.memo.find(func)
        if not self._may_name(index, func):
            return False
        if parts == 3:
            return index >= 0 and self._save_built(obj, func, args, reduced[2], index)
        reduced = None
        enter(self, 0, 1)
        self.opcodes += 4
        if index >= 0:
            self.out.get(index)
        else:
            self.save_callee(func)
        self.push_closed(obj, args, _REDUCE, note)
        self.save(args, 3)
        return True

    def _save_built(self, obj: Any, func: Any, args: Any, state: Any, index: int) -> bool:
        """Begin a call whose result is given state, if that is plain."""
        which = self.builders.get(identity(func))
        if which is None or not self.gate.usual_arrays().may_give(which, obj, state):  # type: ignore[union-attr]
            return False
        # A method of the class takes it.
        self.count_call()
        self.push_script(obj, [_ARGS, args, _CODE, _REDUCE, _NOTE, obj, _STATE, state, _CODE, _BUILD], 1)
        self.out.get(index)
        return True

    def push_closed(self, obj: Any, part: Any, closer: int, note: bool) -> None:
        """Wait for one part to be written."""
        frame = self.push(_CLOSED, obj, part, 0, 0)
        frame.closer = closer
        frame.shared = note

    def close(self, frame: Frame) -> None:
        """End what waited for one part."""
        out = self.out
        obj = frame.obj
        put(out, frame.closer)
        if frame.shared and not out.recall_over(obj):
            out.memoize(obj)
        self.pop()

    def push_script(self, obj: Any, script: list[Any], levels: int) -> None:
        enter(self, 0, levels)
        self.opcodes += 8
        self.push(_SCRIPT, obj, script, 0, len(script))
