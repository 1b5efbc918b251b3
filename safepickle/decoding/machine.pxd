cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.gates cimport Gate
from safepickle.decoding.nesting cimport Nesting
from safepickle.decoding.hashing cimport KeyGuard, add_items, set_items
from safepickle.wire.reading cimport float8, int4, uint4, utf8

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
    cdef readonly long long position, end, offset, base, start, opcodes
    cdef bint in_frame, underflow
    cdef readonly int opcode, protocol
    cdef int phase

    cpdef fetch(self, long long start, long long argument, long long count)
    cpdef _read(self, long long count)
    cpdef _replace(self, bytes data)
    cpdef need(self, long long count)
    cpdef open_frame(self, object length)
    cpdef bytes line(self)
    @cython.locals(length=cython.longlong)
    cpdef Py_ssize_t length(self, int width) except -1
    @cython.locals(
        data=bytes, position=Py_ssize_t, end=Py_ssize_t, stack=list, metastack=list, memo=list, budget=Budget,
        nesting=Nesting, gate=Gate, max_memo=cython.longlong, short=cython.longlong, base=cython.longlong,
        done=cython.longlong, used=cython.longlong, start=cython.longlong, opcode=cython.int, missing=cython.longlong,
        steps=cython.longlong, length=cython.longlong, text=str, items=list, pair=tuple, single=tuple, triple=tuple,
        many=tuple,
    )
    cpdef _run(self)
    cpdef _stop(self)
    cpdef _tuple(self, long long start, int opcode, tuple items)
    cpdef _append(self, long long start, int opcode, object target, list items)
    cpdef _set_items(self, long long start, int opcode, object target, list items)
    cpdef _add_items(self, object target, list items)
    cpdef _call_out(self)
    cpdef _rare(self, int opcode)
    cpdef _push(self, object value)
    cpdef _join_and_push(self, object value, long long amount)
    cpdef list _close_mark(self)
    cpdef _index(self, int width)
    cpdef _put(self, object index)
    cpdef _get(self, object index)
    @cython.locals(length=cython.longlong, data=bytes)
    cpdef _text(self, int opcode)
    cpdef _check_int(self, object number)
    cpdef _find(self, object module, object name)
    @cython.locals(height=cython.longlong, deepest=cython.longlong)
    cpdef _finish_call(self, object result)
    cpdef _reduce(self)
    cpdef _new_object(self, bint extended)
    cpdef _instantiate(self, object cls, list args)
    cpdef _build(self)
