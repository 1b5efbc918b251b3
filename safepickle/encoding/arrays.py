# cython: annotation_typing=False
"""Arrays of numpy: further ones of a dtype are written as numpy had the first ones written, without asking it again.

Rules that hold here:

* What numpy says of an array follows from its dtype, its shape and where its items lie. One array of a dtype is written
  as numpy says, after the gate has granted it; then others of that very dtype whose items lie in C order are written
  the same way. What may differ is asked each time: the limits, and what the contract asks of dtype and shape.
* Nobody else refers to what numpy would have made (tuples, a buffer or bytes): there are no memo entries for that.
* The memory of an array is read through the buffer protocol, and locked meanwhile: neither its shape nor its size can
  change between what is looked at and what is written.
* The compiled form alone does so, where the memo is used for one dump.
"""
# mypy: disable-error-code="name-defined, attr-defined"
# pyright: reportUndefinedVariable=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable
from pickle import PickleBuffer
from typing import Any

from ..wire.opcodes import BY_NAME
from ..wire.output import FRAME_TARGET
from .instances import Instances

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    identity = id

_MARK = BY_NAME["MARK"].code
_TUPLE = BY_NAME["TUPLE"].code
_TUPLE1 = BY_NAME["TUPLE1"].code
_TUPLE3 = BY_NAME["TUPLE3"].code
_REDUCE = BY_NAME["REDUCE"].code
_BUILD = BY_NAME["BUILD"].code
_NEWFALSE = BY_NAME["NEWFALSE"].code

#: The longest bytes whose length has four bytes.
_MOST_BYTES = 0xFFFFFFFF


class Arrays(Instances):
    """Instances, and arrays of which all is known."""

    def begin_arrays(
        self, buffer_callback: Callable[[Any], Any] | None, file_write: Callable[[Any], Any] | None
    ) -> None:
        """Begin with nothing known."""
        self.buffer_callback = buffer_callback
        self.file_write = file_write
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
        if type(self.callees.get(identity(func))) is not int or type(args) is not tuple:
            return
        order = None
        if len(reduced) == 2 and len(args) == 4:
            dtype, shape, order = args[1:]
            if type(args[0]) is not PickleBuffer or order != "C" or self.protocol < 5:
                return
        elif len(reduced) == 3 and identity(func) in self.builders and 3 <= self.protocol < 5:
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
            self.array_forms[identity(dtype)] = (dtype, func, order)

    def save_array(self, obj: Any, kind: type) -> bool:
        """Write a further array of a dtype; False, with nothing written, for another one."""
        note = self.keep
        dtype = obj.dtype
        form = self.array_forms.get(identity(dtype))
        gate = self.gate
        if form is None or gate is None or self.memo is None or self.persistent_id is not None:
            return False
        func = form[1]
        if type(self.callees.get(identity(func))) is not int:
            return False
        index = self.memo.find(func)
        dtype_index = self.memo.find(dtype)
        if index < 0 or dtype_index < 0:
            return False
        item_size = gate.usual_arrays().plain_size(dtype)
        if item_size < 0:
            return False
        if form[2] is not None:
            return self._save_apart(obj, form, index, dtype_index, note)
        kind_index = self.memo.find(kind)
        if kind_index < 0 or identity(func) not in self.builders or not open_items(self.items, obj):
            return False
        done = False
        try:
            size = items_size(self.items, item_size)
            if size >= 0 and self._may_be_copied(size):
                self._save_filled(obj, kind, index, kind_index, dtype_index, size, note)
                done = True
        finally:
            close_items(self.items)
        return done

    def _may_be_copied(self, size: int) -> bool:
        """Return whether so many bytes are copied into the output here. A file is given what it may keep."""
        return size < FRAME_TARGET or (self.file_write is None and size <= _MOST_BYTES)

    def _save_apart(self, obj: Any, form: tuple[Any, ...], index: int, dtype_index: int, note: bool) -> bool:
        """Write an array that is made around its memory (protocol 5)."""
        flags = obj.flags
        shape = obj.shape
        size = obj.nbytes
        if not flags.c_contiguous or not self.gate.usual_arrays().is_plain(form[0], shape):  # type: ignore[union-attr]
            return False
        if self.buffer_callback is None and not self._may_be_copied(size):
            return False
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
        else:
            if flags.writeable:
                self.objects += 1
            out.begin_items(obj, size, not flags.writeable)
            out.put_bytes(obj)
            out.end_items(size)
        out.get(dtype_index)
        self._save_shape(shape)
        out.text(form[2], 0)
        out.put(_TUPLE)
        out.put(_REDUCE)
        if note:
            out.memoize(obj)
        return True

    def _save_filled(
        self, obj: Any, kind: type, index: int, kind_index: int, dtype_index: int, size: int, note: bool
    ) -> None:
        """Write an empty array that is given its shape and data, those of the open buffer, as state (3 and 4)."""
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
        dimensions = items_dimensions(self.items)
        if 0 < dimensions <= 3:
            # As for any tuple of so few.
            self.open(dimensions, 3)
            for place in range(dimensions):
                out.integer(items_length(self.items, place))
            out.put(_TUPLE1 + dimensions - 1)
        else:
            self._save_shape(obj.shape)
        out.get(dtype_index)
        out.put(_NEWFALSE)
        out.begin_items(obj, size, True)
        put_items(out.out, self.items)
        out.end_items(size)
        out.put(_TUPLE)
        out.put(_BUILD)

    def _save_shape(self, shape: Any) -> None:
        """Write a shape, which is short and so needs no frame, two levels further in."""
        self.extra += 2
        self.save(shape, 1)
        self.extra -= 2
