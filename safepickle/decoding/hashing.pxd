cimport cython
from safepickle.decoding.budget cimport Budget

cdef int _LOOK
cdef frozenset _FREE, _UNHASHABLE, _SCALARS

@cython.final
@cython.freelist(8)
cdef class KeyGuard:
    cdef readonly Budget budget
    cdef readonly bint strict, bounded
    cdef public bint big_ints, failed
    cdef dict sizes, counts

    cpdef open_guard(self, Budget budget, bint strict)
    cpdef check(self, object container, object key)

@cython.locals(big_ints=bint, index=Py_ssize_t)
cpdef add_items(KeyGuard guard, set target, object items)
@cython.locals(big_ints=bint, index=Py_ssize_t)
cpdef set_items(KeyGuard guard, dict target, list items)
cpdef set_item(KeyGuard guard, dict target, object key, object value)
