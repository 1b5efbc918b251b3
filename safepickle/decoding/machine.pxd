cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.gates cimport Gate
from safepickle.decoding.hashing cimport KeyGuard, set_items
from safepickle.decoding.nesting cimport Nesting
from safepickle.decoding.operations cimport Operations
from safepickle.wire.reading cimport float8, int4, long_int, piece, uint4, utf8

cdef int _FRESH, _RUNNING, _DONE

@cython.final
cdef class Machine(Operations):
    cdef readonly Py_ssize_t opcodes
    cdef int phase

    @cython.locals(
        data=bytes, position=size_t, end=size_t, stack=list, metastack=list, memo=list, budget=Budget,
        nesting=Nesting, gate=Gate, max_memo=Py_ssize_t, short=Py_ssize_t, base=Py_ssize_t,
        done=Py_ssize_t, index=Py_ssize_t, used=Py_ssize_t, start=size_t, opcode=cython.int, missing=Py_ssize_t,
        steps=Py_ssize_t, length=Py_ssize_t, text=str, items=list, pair=tuple, single=tuple, triple=tuple,
        many=tuple, outside=bint,
    )
    cpdef _run(self)
