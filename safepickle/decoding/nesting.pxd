cimport cython

@cython.final
cdef class Nesting:
    cdef readonly long long max_depth, bottom_height, mark_bound, late
    cdef readonly long long top
    cdef list heights, cells, depths
    cdef dict memo

    cpdef refuse(self, long long asked)
    cpdef opened(self, long long height, long long depth)
    @cython.locals(deepest=cython.longlong, depth=cython.longlong)
    cpdef Py_ssize_t absorb(self, long long height) except -1
    @cython.locals(cell=cython.longlong, deepest=cython.longlong)
    cpdef join(self, long long height)
    cpdef remember(self, long long index)
    cpdef recall(self, long long height, long long index)
    cpdef duplicate(self, long long height)
