cimport cython

cdef int BUFFER, SCALAR, ARRAY, DTYPE, _OF_OBJECTS
cdef long long _LARGEST
cdef Py_ssize_t _MOST_DIMENSIONS
cdef dict _CALLS
cdef frozenset _CODES
cdef str _PLAIN, _ORDERS

@cython.locals(found=cython.int)
cpdef int usual_call(str module, str name, object target) except -1
@cython.locals(found=cython.int)
cpdef int usual_state(str module, str name, object kind) except -1

@cython.final
cdef class UsualArrays:
    cdef readonly object ndarray
    cdef object dtypes, generic, from_buffer, dtype
    cdef long long item_size
    cdef bint has_objects

    cpdef forget(self)
    cpdef bint fits(self, int which, tuple args) except -1
    cpdef bint fits_now(self, int which, tuple args) except -1
    cpdef bint is_plain(self, object dtype, object shape) except -1
    cpdef bint may_give(self, int which, object obj, object state) except -1
    @cython.locals(size=cython.longlong, count=cython.longlong)
    cdef bint _fits_buffer(self, tuple args) except -1
    @cython.locals(size=cython.longlong)
    cdef bint _is_sized(self, object dtype) except -1
    cpdef Py_ssize_t weigh_call(self, int which) except -1
    @cython.locals(shape=tuple)
    cpdef call(self, int which, object target, tuple args)
    cpdef bint is_made_by(self, int which, object kind) except -1
    cpdef Py_ssize_t weigh_state(self, int which, object obj, object state) except -2
    cdef bint _fits_array(self, object array, tuple state) except -1
    @cython.locals(count=cython.longlong)
    cdef bint _describes_array(self, tuple state) except -1
    cdef bint _fits_dtype(self, object dtype, tuple state) except -1
    @cython.locals(char=str)
    cdef bint _describes_dtype(self, object dtype, tuple state) except -1

cdef Py_ssize_t _weight(object data) except -1
@cython.locals(count=cython.longlong, size=cython.longlong)
cdef Py_ssize_t _count(object shape) except -2
cdef bint _is_empty(object shape) except -1
cdef bint _is_code(object code) except -1
