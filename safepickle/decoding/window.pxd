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

    cpdef int open_window(self, bytes data, object source, Budget budget, bint strict) except -1
    cpdef int begin_window(self, bytes data) except -1
    cpdef fetch(self, Py_ssize_t start, Py_ssize_t argument, Py_ssize_t count)
    cpdef _read(self, Py_ssize_t count)
    cpdef int _replace(self, bytes data) except -1
    cpdef int leave_source(self) except -1
    cpdef int abandon_source(self) except -1
    @cython.locals(allowed=Py_ssize_t)
    cpdef Py_ssize_t data_end(self) except -1
    cpdef int need(self, Py_ssize_t count) except -1
    cpdef int open_frame(self, Py_ssize_t length) except -1
    cpdef bytes line(self)
    @cython.locals(length=Py_ssize_t)
    cpdef Py_ssize_t length(self, int width) except -1
    cpdef int payload(self, Py_ssize_t count) except -1
