cimport cython

cdef object _DATETIME, _DATE, _TIME, _TIMEDELTA, _TIMEZONE, _DECIMAL
cdef Py_ssize_t _SHORT

@cython.locals(count=Py_ssize_t)
cpdef bint is_usual(object func, tuple args) except -1
@cython.locals(year=cython.int, month=cython.int, day=cython.int, last=cython.int)
cdef bint _is_date(bytes packed, int mask) except -1
@cython.locals(hour=cython.int, fraction=cython.int)
cdef bint _is_time(bytes packed, Py_ssize_t start) except -1
cdef bint _is_below(object number, long long bound) except -1
@cython.locals(points=cython.int, digits=cython.int, index=Py_ssize_t, letter=Py_UCS4)
cdef bint _is_number(str text) except -1
