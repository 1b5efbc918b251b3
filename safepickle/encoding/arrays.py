# cython: annotation_typing=False
"""Arrays and dtypes of numpy's own: written as numpy always has them written, without asking it for each.

Rules that hold here:

* What numpy says of an array follows from its dtype, its shape and where its items lie: arrays whose items lie in C
  order are written in one form (see ``usual_forms``), and so are numpy's own dtypes. An array of another dtype is
  written so where that dtype has been written before.
* The gate has granted it: the class, and what is called, as for any object. What may differ from one array to the next
  is asked each time: the limits, and what the contract asks of dtype and shape.
* Nobody else refers to what numpy would have made (tuples, a buffer or bytes): there are no memo entries for that.
* The memory of an array is read through the buffer protocol, and locked meanwhile: neither its shape nor its size can
  change between what is looked at and what is written.
* Arrays are written so by the compiled form alone, where the memo is used for one dump.
"""
# mypy: disable-error-code="name-defined, attr-defined"
# pyright: reportUndefinedVariable=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable
from pickle import PickleBuffer
from typing import Any

from ..decoding.usual_forms import DtypeForm
from ..errors import EncodingError
from ..wire.opcodes import BY_NAME
from ..wire.output import FRAME_TARGET
from .instances import Instances

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    # These are C in the compiled form.
    from ..wire.output import begin, put
    from .frames import enter

_MARK = BY_NAME["MARK"].code
_TUPLE = BY_NAME["TUPLE"].code
_TUPLE1 = BY_NAME["TUPLE1"].code
_TUPLE3 = BY_NAME["TUPLE3"].code
_REDUCE = BY_NAME["REDUCE"].code
_BUILD = BY_NAME["BUILD"].code
_NEWTRUE = BY_NAME["NEWTRUE"].code
_NEWFALSE = BY_NAME["NEWFALSE"].code

#: The longest bytes whose length has four bytes.
_MOST_BYTES = 0xFFFFFFFF
#: Dates, times and records: those that are no buffers numpy writes as before protocol 5, whoever takes buffers.
_UNNAMED = "MmV"


class Arrays(Instances):
    """Instances, and arrays of which all is known."""

    def begin_arrays(
        self, buffer_callback: Callable[[Any], Any] | None, file_write: Callable[[Any], Any] | None
    ) -> None:
        """Begin with nothing known."""
        self.buffer_callback = buffer_callback
        self.file_write = file_write
        #: The class of arrays, once it was granted that they are written in this form.
        self.array_class: Any = None
        self.array_form: Any = None

    def dtype_form(self, obj: Any, kind: type) -> Any:
        """Return the form that a dtype is written in without asking it, None for anything else."""
        raise NotImplementedError

    def save_buffer(self, obj: Any) -> None:
        """Write a PickleBuffer."""
        raise NotImplementedError

    def save_dtype(self, obj: Any, form: DtypeForm) -> None:
        """Write one of numpy's own dtypes. Nobody else refers to its arguments and its state."""
        # As for the call, its arguments, and the state, which a method of the class takes.
        self.count_call()
        self.count_call()
        enter(self, 0, 1)
        enter(self, 3, 2)
        enter(self, 8, 2)
        self.opcodes += 8
        out = self.out
        self.save_callee(form.dtypes)
        out.plain_text(form.code)
        put(out, _NEWFALSE)
        put(out, _NEWTRUE)
        put(out, _TUPLE3)
        put(out, _REDUCE)
        out.memoize(obj)
        begin(out, _MARK)
        out.integer(form.state[0])
        out.text(form.order, 2)
        out.put_bytes(form.tail)
        put(out, _BUILD)

    def _save_dtype_of(self, dtype: Any, form: Any) -> None:
        """Write the dtype of an array, or a reference to it, two levels further in."""
        if not self.out.recall(dtype):
            self.extra += 2
            self.save_dtype(dtype, form)
            self.extra -= 2

    def save_array(self, obj: Any, kind: type) -> bool:
        """Write an array of numpy's own class; False, with nothing written, for one that numpy is to be asked about."""
        note = self.keep
        gate = self.gate
        if not cython.compiled or gate is None or self.memo is None or self.persistent_id is not None:
            return False
        if self.array_class is not kind:
            self.array_form = gate.array_form(kind, self)
            if self.array_form is None:
                return False
            self.array_class = kind
        dtype = obj.dtype
        form: Any = None
        if self.memo.find(dtype) < 0:
            form = self.dtype_form(dtype, type(dtype))
            if form is None:
                return False
        item_size = gate.usual_arrays().plain_size(dtype)
        if item_size < 0:
            return False
        if self.array_form.order is not None:
            return self._save_apart(obj, dtype, form, note)
        if not open_items(self.items, obj):
            return False
        done = False
        try:
            size = items_size(self.items, item_size)
            if size >= 0 and self._may_be_copied(size):
                self._save_filled(obj, kind, dtype, form, size, note)
                done = True
        finally:
            close_items(self.items)
        return done

    def _may_be_copied(self, size: int) -> bool:
        """Return whether so many bytes are copied into the output here. A file is given what it may keep."""
        return size < FRAME_TARGET or (self.file_write is None and size <= _MOST_BYTES)

    def _save_apart(self, obj: Any, dtype: Any, form: Any, note: bool) -> bool:
        """Write an array that is made around its memory (protocol 5)."""
        flags = obj.flags
        shape = obj.shape
        size = obj.nbytes
        if not flags.c_contiguous or not self.gate.usual_arrays().is_plain(dtype, shape):  # type: ignore[union-attr]
            return False
        buffer: Any = None
        apart = self.buffer_callback is not None
        if apart or dtype.char in _UNNAMED:
            buffer = _buffer_of(obj)
            if buffer is None:
                return False
        if not apart and not self._may_be_copied(size):
            return False
        # As for the call, the tuple of its arguments and the buffer, which have no frames here.
        self.count_call()
        enter(self, 0, 1)
        enter(self, 4, 2)
        self.opcodes += 4
        out = self.out
        self.save_callee(self.array_form.func)
        begin(out, _MARK)
        if apart:
            self.save_buffer(buffer)
        else:
            if flags.writeable:
                self.objects += 1
            out.begin_items(obj, size, not flags.writeable)
            start = out.size()
            out.put_bytes(obj)
            if out.size() - start != size:
                # The file that was given what came before has resized it: its items would be read as opcodes.
                raise EncodingError("the array was resized while it was written")
            out.end_items(size)
        self._save_dtype_of(dtype, form)
        self._save_shape(shape)
        out.text(self.array_form.order, 0)
        put(out, _TUPLE)
        put(out, _REDUCE)
        if note:
            out.memoize(obj)
        return True

    def _save_filled(self, obj: Any, kind: type, dtype: Any, form: Any, size: int, note: bool) -> None:
        """Write an empty array that is given its shape and data, those of the open buffer, as state (protocol 4)."""
        # As for the call, its arguments and the empty shape among them, and the state; the class takes it by a method.
        self.count_call()
        self.count_call()
        enter(self, 0, 1)
        enter(self, 3, 2)
        enter(self, 1, 3)
        enter(self, 5, 2)
        self.opcodes += 8
        out = self.out
        dimensions = items_dimensions(self.items)
        # Before anything is written: a file may give it another one.
        shape: Any = None if 0 < dimensions <= 3 else obj.shape
        self.save_callee(self.array_form.func)
        # The class appears as a value.
        if out.recall(kind):
            self.save_known(kind)
        else:
            self.save_global(kind, None)
        out.integer(0)
        put(out, _TUPLE1)
        out.plain_bytes(b"b", obj)
        put(out, _TUPLE3)
        put(out, _REDUCE)
        if note:
            out.memoize(obj)
        begin(out, _MARK)
        out.integer(1)
        if shape is None:
            # As for any tuple of so few.
            enter(self, dimensions, 3)
            for place in range(dimensions):
                out.integer(items_length(self.items, place))
            put(out, _TUPLE1 + dimensions - 1)
        else:
            self._save_shape(shape)
        self._save_dtype_of(dtype, form)
        put(out, _NEWFALSE)
        out.begin_items(obj, size, True)
        put_items(out.out, self.items)
        out.end_items(size)
        put(out, _TUPLE)
        put(out, _BUILD)

    def _save_shape(self, shape: Any) -> None:
        """Write a shape, which is short and so needs no frame, two levels further in."""
        self.extra += 2
        self.save(shape, 1)
        self.extra -= 2


def _buffer_of(array: Any) -> Any:
    """Return the buffer of an array, None for one whose items have no name there: then numpy writes it otherwise."""
    buffer: Any
    try:
        buffer = PickleBuffer(array)
    except (BufferError, RuntimeError, ValueError):
        # Dates and times, and records with fields that overlap or have them.
        buffer = None
    return buffer
