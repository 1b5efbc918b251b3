cimport cython
from safepickle.decoding.budget cimport Budget

@cython.final
cdef class KeyGuard:
    cdef readonly Budget budget
    cdef readonly bint strict
    cdef dict sizes, counts

    cpdef check(self, object container, object key)

@cython.locals(budget=Budget, countdown=cython.int)
cpdef add_items(KeyGuard guard, set target, object items)
@cython.locals(budget=Budget, countdown=cython.int, index=cython.Py_ssize_t)
cpdef set_items(KeyGuard guard, dict target, list items)
