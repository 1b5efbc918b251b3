cimport cython

cdef extern from *:
    """
    static Py_ssize_t safepickle_after_digits(PyObject *text, Py_ssize_t start) {
        Py_ssize_t length = PyUnicode_GET_LENGTH(text);
        int kind = PyUnicode_KIND(text);
        const void *data = PyUnicode_DATA(text);
        while (start < length && PyUnicode_READ(kind, data, start) >= '0' && PyUnicode_READ(kind, data, start) <= '9') {
            start++;
        }
        return start;
    }
    """
    Py_ssize_t after_digits "safepickle_after_digits"(str text, Py_ssize_t start) noexcept

cdef object _DATETIME, _DATE, _TIME, _TIMEDELTA, _TIMEZONE, _DECIMAL
cdef Py_ssize_t _SHORT

@cython.locals(count=Py_ssize_t)
cpdef bint is_usual(object func, tuple args) except -1
@cython.locals(year=cython.int, month=cython.int, day=cython.int, last=cython.int)
cdef bint _is_date(bytes packed, int mask) except -1
@cython.locals(hour=cython.int, fraction=cython.int)
cdef bint _is_time(bytes packed, Py_ssize_t start) except -1
cdef bint _is_below(object number, long long bound) except -1
@cython.locals(length=Py_ssize_t, first=Py_ssize_t, end=Py_ssize_t)
cdef bint _is_number(str text) except -1
