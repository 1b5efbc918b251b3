cimport cython

cdef extern from *:
    """
    static int safepickle_is_number(PyObject *text) {
        Py_ssize_t length = PyUnicode_GET_LENGTH(text), index = 0, digits = 0, point = 0;
        const unsigned char *data;
        if (!PyUnicode_IS_ASCII(text)) {
            return 0;
        }
        data = (const unsigned char *)PyUnicode_DATA(text);
        if (length > 0 && data[0] == '-') {
            index = 1;
        }
        for (; index < length; index++) {
            if (data[index] >= '0' && data[index] <= '9') {
                digits++;
            } else if (data[index] == '.' && digits > 0 && !point) {
                point = 1;
                digits = 0;
            } else {
                return 0;
            }
        }
        return digits > 0;
    }
    """
    bint is_number "safepickle_is_number"(str text) noexcept

cdef object _DATETIME, _DATE, _TIME, _TIMEDELTA, _TIMEZONE, _DECIMAL
cdef Py_ssize_t _SHORT

@cython.locals(count=Py_ssize_t)
cpdef bint is_usual(object func, tuple args) except -1
@cython.locals(year=cython.int, month=cython.int, day=cython.int, last=cython.int)
cdef bint _is_date(bytes packed, int mask) except -1
@cython.locals(hour=cython.int, fraction=cython.int)
cdef bint _is_time(bytes packed, Py_ssize_t start) except -1
cdef bint _is_below(object number, long long bound) except -1
