cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.wire.reading cimport uint4, uint8

cdef class Window:
    cdef readonly bytes data
    cdef object source
    cdef Budget budget
    cdef readonly bint strict
    cdef readonly Py_ssize_t position, end, offset, start
    cdef bint in_frame, in_source
    cdef readonly int opcode

    cpdef open_window(self, bytes data, object source, Budget budget, bint strict)
    cpdef fetch(self, Py_ssize_t start, Py_ssize_t argument, Py_ssize_t count)
    cpdef _read(self, Py_ssize_t count)
    cpdef _replace(self, bytes data)
    cpdef leave_source(self)
    cpdef abandon_source(self)
    @cython.locals(allowed=Py_ssize_t)
    cpdef Py_ssize_t data_end(self) except -1
    cpdef need(self, Py_ssize_t count)
    cpdef open_frame(self, Py_ssize_t length)
    cpdef bytes line(self)
    @cython.locals(length=Py_ssize_t)
    cpdef Py_ssize_t length(self, int width) except -1
    cpdef payload(self, Py_ssize_t count)
