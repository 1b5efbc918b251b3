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

    static int safepickle_is_date(PyObject *packed, int mask) {
        const unsigned char *data = (const unsigned char *)PyBytes_AS_STRING(packed);
        int year, month, day, last;
        if (PyBytes_GET_SIZE(packed) < 4) {
            return 0;
        }
        year = data[0] << 8 | data[1];
        month = data[2] & mask;
        day = data[3];
        last = month == 2 ? 28 : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
        return year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= last;
    }

    static int safepickle_is_time(PyObject *packed, Py_ssize_t start) {
        const unsigned char *data = (const unsigned char *)PyBytes_AS_STRING(packed) + start;
        int hour;
        if (start < 0 || PyBytes_GET_SIZE(packed) - start < 6) {
            return 0;
        }
        hour = start > 0 ? data[0] : data[0] & 0x7F;
        return hour < 24 && data[1] < 60 && data[2] < 60 && (data[3] << 16 | data[4] << 8 | data[5]) < 1000000;
    }
    """
    bint is_number "safepickle_is_number"(str text) noexcept
    bint is_date "safepickle_is_date"(bytes packed, int mask) noexcept
    bint is_time "safepickle_is_time"(bytes packed, Py_ssize_t start) noexcept

cdef object _DATETIME, _DATE, _TIME, _TIMEDELTA, _TIMEZONE, _DECIMAL
cdef Py_ssize_t _SHORT
cdef int _NOBODY, _A_DATETIME, _A_DATE, _A_TIME, _A_TIMEDELTA, _A_DECIMAL

cpdef bint is_usual(object func, tuple args) except -1
cpdef int form_of(object func) except -1
@cython.locals(count=Py_ssize_t)
cpdef bint fits(int form, tuple args) except -1
cdef bint _is_below(object number, long long bound) except -1
