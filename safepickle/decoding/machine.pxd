cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.gates cimport Gate
from safepickle.decoding.nesting cimport Nesting
from safepickle.decoding.hashing cimport KeyGuard, add_items, set_items
from safepickle.wire.reading cimport float8, int4, long_int, piece, uint4, utf8

@cython.final
cdef class Machine:
    cdef readonly bytes data
    cdef object source
    cdef readonly Gate gate
    cdef Budget budget
    cdef Nesting nesting
    cdef str encoding, errors
    cdef object buffers
    cdef readonly bint strict
    cdef list stack, metastack, memo
    cdef dict sparse
    cdef readonly Py_ssize_t position, end, offset, base, start, opcodes
    cdef bint in_frame, underflow
    cdef readonly int opcode, protocol
    cdef int phase

    cpdef fetch(self, Py_ssize_t start, Py_ssize_t argument, Py_ssize_t count)
    cpdef _read(self, Py_ssize_t count)
    cpdef _replace(self, bytes data)
    cpdef need(self, Py_ssize_t count)
    cpdef open_frame(self, object length)
    cpdef bytes line(self)
    @cython.locals(length=Py_ssize_t)
    cpdef Py_ssize_t length(self, int width) except -1
    @cython.locals(
        data=bytes, position=size_t, end=size_t, stack=list, metastack=list, memo=list, budget=Budget,
        nesting=Nesting, gate=Gate, max_memo=Py_ssize_t, short=Py_ssize_t, base=Py_ssize_t,
        done=Py_ssize_t, index=Py_ssize_t, used=Py_ssize_t, start=size_t, opcode=cython.int, missing=Py_ssize_t,
        steps=Py_ssize_t, length=Py_ssize_t, text=str, items=list, pair=tuple, single=tuple, triple=tuple,
        many=tuple,
    )
    cpdef _run(self)
    cpdef _stop(self)
    cpdef _tuple(self, Py_ssize_t start, int opcode, tuple items)
    cpdef _append(self, Py_ssize_t start, int opcode, object target, list items)
    cpdef _set_items(self, Py_ssize_t start, int opcode, object target, list items)
    cpdef _add_items(self, object target, list items)
    cpdef _call_out(self)
    cpdef _rare(self, int opcode)
    cpdef _push(self, object value)
    cpdef _join_and_push(self, object value, Py_ssize_t amount)
    cpdef list _close_mark(self)
    cpdef _index(self, int width)
    cpdef _put(self, object index)
    cpdef _get(self, object index)
    @cython.locals(length=Py_ssize_t, data=bytes)
    cpdef _text(self, int opcode)
    cpdef _check_int(self, object number)
    cpdef _find(self, object module, object name)
    @cython.locals(height=Py_ssize_t, deepest=Py_ssize_t)
    cpdef _finish_call(self, object result)
    cpdef _reduce(self)
    cpdef _new_object(self, bint extended)
    cpdef _instantiate(self, object cls, list args)
    cpdef _build(self)
