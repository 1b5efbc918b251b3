cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.gates cimport Gate
from safepickle.decoding.operations cimport Operations
from safepickle.wire.lists cimport drop
from safepickle.wire.reading cimport size8

cdef int HIGHEST_PROTOCOL, _FRESH, _RUNNING, _DONE, NO_OPCODE
cdef Py_ssize_t _FEW_OPCODES, _MOST_SPARE

cdef class Door(Operations):
    cdef readonly Py_ssize_t opcodes
    cdef int phase
    # Opcodes that were carried out before the loop.
    cdef Py_ssize_t begun
    # For whom it was put away.
    cdef object policy, limits
    cdef Budget unspent

    cpdef int open_door(self) except -1
    @cython.locals(budget=Budget, gate=Gate)
    cpdef int open_again(self, bytes data, Budget unspent) except -1
    cpdef int let_go(self, object policy, object limits, Budget unspent) except -1
    @cython.locals(data=bytes)
    cpdef int _begin(self) except -1
    cpdef run(self)
    cpdef _run(self)
