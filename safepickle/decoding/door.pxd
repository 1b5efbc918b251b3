cimport cython
from safepickle.decoding.operations cimport Operations

cdef int _FRESH, _RUNNING, _DONE, NO_OPCODE

cdef class Door(Operations):
    cdef readonly Py_ssize_t opcodes
    cdef int phase

    cpdef open_door(self)
    cpdef run(self)
    cpdef _run(self)
