# cython: annotation_typing=False
"""Arrays of numpy: further ones of a dtype are written as numpy had the first ones written, without asking it again.

Rules that hold here:

* What numpy says of an array follows from its dtype, its shape and where its items lie. One array of a dtype is written
  as numpy says, after the gate has granted it; then others of that very dtype whose items lie in C order are written
  the same way. What may differ is asked each time: the limits, and what the contract asks of dtype and shape.
* Nobody else refers to what numpy would have made (tuples, a buffer or bytes): there are no memo entries for that.
* The compiled form alone does so, where the memo is used for one dump.
"""

from __future__ import annotations

from collections.abc import Callable
from pickle import PickleBuffer
from typing import Any

from ..wire.opcodes import BY_NAME
from ..wire.output import FRAME_TARGET
from .instances import Instances

_MARK = BY_NAME["MARK"].code
_TUPLE = BY_NAME["TUPLE"].code
_TUPLE1 = BY_NAME["TUPLE1"].code
_TUPLE3 = BY_NAME["TUPLE3"].code
_REDUCE = BY_NAME["REDUCE"].code
_BUILD = BY_NAME["BUILD"].code
_NEWFALSE = BY_NAME["NEWFALSE"].code


class Arrays(Instances):
    """Instances, and arrays of which all is known."""

    def begin_arrays(self, buffer_callback: Callable[[Any], Any] | None) -> None:
        """Begin with nothing known."""
        self.buffer_callback = buffer_callback
        #: The class of arrays, once one was written, and by a dtype's identity: the dtype, what is called, and the
        #: order (None where the result is given state).
        self.array_class: Any = None
        self.array_forms: Any = None

    def save_buffer(self, obj: Any) -> None:
        """Write a PickleBuffer."""
        raise NotImplementedError

    def learn_array(self, obj: Any, kind: type, reduced: Any) -> None:
        """Note how numpy has arrays of a dtype written, if that is granted and they lie in C order."""
        gate = self.gate
        if gate is None or not gate.is_array_class(kind) or type(reduced) is not tuple:
            return
        func, args = reduced[:2]
        if type(self.callees.get(id(func))) is not int or type(args) is not tuple:
            return
        order = None
        if len(reduced) == 2 and len(args) == 4:
            dtype, shape, order = args[1:]
            if type(args[0]) is not PickleBuffer or order != "C" or self.protocol < 5:
                return
        elif len(reduced) == 3 and id(func) in self.builders and 3 <= self.protocol < 5:
            state = reduced[2]
            if args != (kind, (0,), b"b") or type(state) is not tuple or len(state) != 5:
                return
            version, shape, dtype, fortran, data = state
            if version != 1 or fortran is not False or type(data) is not bytes:
                return
        else:
            return
        if dtype is obj.dtype and shape == obj.shape:
            self.array_class = kind
            if self.array_forms is None:
                self.array_forms = {}
            self.array_forms[id(dtype)] = (dtype, func, order)

    def save_array(self, obj: Any, kind: type) -> bool:
        """Write a further array of a dtype; False, with nothing written, for another one."""
        note = self.keep
        dtype = obj.dtype
        form = self.array_forms.get(id(dtype))
        gate = self.gate
        if form is None or gate is None or self.memo is None or self.persistent_id is not None:
            return False
        func = form[1]
        flags = obj.flags
        shape = obj.shape
        if not flags.c_contiguous or type(self.callees.get(id(func))) is not int:
            return False
        size = obj.nbytes
        if self.buffer_callback is None and size >= FRAME_TARGET:
            return False
        index = self.memo.find(func)
        dtype_index = self.memo.find(dtype)
        if index < 0 or dtype_index < 0 or not gate.usual_arrays().is_plain(dtype, shape):
            return False
        if form[2] is None:
            return self._save_filled(obj, kind, func, index, dtype_index, size, note)
        # As for the call, the tuple of its arguments and the buffer, which have no frames here.
        self.count_call()
        self.open(0, 1)
        self.open(4, 2)
        self.opcodes += 4
        out = self.out
        out.get(index)
        out.begin(_MARK)
        if self.buffer_callback is not None:
            self.save_buffer(PickleBuffer(obj))
        elif flags.writeable:
            self.objects += 1
            out.array_bytes(obj, size, False)
        else:
            out.array_bytes(obj, size, True)
        out.get(dtype_index)
        self._save_shape(shape)
        out.text(form[2], 0)
        out.put(_TUPLE)
        out.put(_REDUCE)
        if note:
            out.memoize(obj)
        return True

    def _save_filled(
        self, obj: Any, kind: type, func: Any, index: int, dtype_index: int, size: int, note: bool
    ) -> bool:
        """Write an empty array that is given its shape and data as state (protocols 3 and 4)."""
        kind_index = self.memo.find(kind)  # type: ignore[union-attr]
        if kind_index < 0 or id(func) not in self.builders:
            return False
        # The class appears as a value.
        self.save_known(kind)
        # As for the call, its arguments and the empty shape among them, and the state; the class takes it by a method.
        self.count_call()
        self.count_call()
        self.open(0, 1)
        self.open(3, 2)
        self.open(1, 3)
        self.open(5, 2)
        self.opcodes += 8
        out = self.out
        out.get(index)
        out.get(kind_index)
        out.integer(0)
        out.put(_TUPLE1)
        out.plain_bytes(b"b", obj)
        out.put(_TUPLE3)
        out.put(_REDUCE)
        if note:
            out.memoize(obj)
        out.begin(_MARK)
        out.integer(1)
        self._save_shape(obj.shape)
        out.get(dtype_index)
        out.put(_NEWFALSE)
        out.array_bytes(obj, size, True)
        out.put(_TUPLE)
        out.put(_BUILD)
        return True

    def _save_shape(self, shape: Any) -> None:
        """Write a shape, which is short and so needs no frame, two levels further in."""
        self.extra += 2
        self.save(shape, 1)
        self.extra -= 2
