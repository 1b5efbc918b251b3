cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.gates cimport Gate
from safepickle.decoding.operations cimport Operations
from safepickle.wire.lists cimport drop
from safepickle.wire.reading cimport size8

cdef int HIGHEST_PROTOCOL, _FRESH, _RUNNING, _DONE, NO_OPCODE

cdef class Door(Operations):
    cdef readonly Py_ssize_t opcodes
    cdef int phase
    # Opcodes that were carried out before the loop.
    cdef Py_ssize_t begun
    # For whom it was put away.
    cdef object policy, limits
    cdef Budget unspent

    cpdef open_door(self)
    @cython.locals(budget=Budget, gate=Gate)
    cpdef open_again(self, bytes data, Budget unspent)
    cpdef let_go(self, object policy, object limits, Budget unspent)
    @cython.locals(data=bytes)
    cpdef _begin(self)
    cpdef run(self)
    cpdef _run(self)
