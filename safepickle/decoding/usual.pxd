cimport cython

cdef extern from *:
    """
    static int safepickle_is_decimal(const unsigned char *text, Py_ssize_t length) {
        Py_ssize_t index = 0, digits = 0, point = 0;
        if (length > 0 && text[0] == '-') {
            index = 1;
        }
        for (; index < length; index++) {
            if (text[index] >= '0' && text[index] <= '9') {
                digits++;
            } else if (text[index] == '.' && digits > 0 && !point) {
                point = 1;
                digits = 0;
            } else {
                return 0;
            }
        }
        return digits > 0;
    }

    static int safepickle_is_number(PyObject *text) {
        return PyUnicode_IS_ASCII(text)
            && safepickle_is_decimal((const unsigned char *)PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text));
    }

    /* The bytes from `start` on, if there are so many. */
    static const unsigned char *safepickle_bytes_at(PyObject *data, Py_ssize_t start, Py_ssize_t length) {
        if (start < 0 || length < 0 || start > PyBytes_GET_SIZE(data) - length) {
            return NULL;
        }
        return (const unsigned char *)PyBytes_AS_STRING(data) + start;
    }

    static int safepickle_is_digits(PyObject *data, Py_ssize_t start, Py_ssize_t length) {
        const unsigned char *p = safepickle_bytes_at(data, start, length);
        return p != NULL && safepickle_is_decimal(p, length);
    }

    static int safepickle_is_date(PyObject *data, Py_ssize_t start, int mask) {
        const unsigned char *p = safepickle_bytes_at(data, start, 4);
        int year, month, day, last;
        if (p == NULL) {
            return 0;
        }
        year = p[0] << 8 | p[1];
        month = p[2] & mask;
        day = p[3];
        if (month == 2) {
            last = 28 + (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
        } else {
            last = month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
        }
        return year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= last;
    }

    static int safepickle_is_time(PyObject *data, Py_ssize_t start, int mask) {
        const unsigned char *p = safepickle_bytes_at(data, start, 6);
        return p != NULL && (p[0] & mask) < 24 && p[1] < 60 && p[2] < 60 && (p[3] << 16 | p[4] << 8 | p[5]) < 1000000;
    }
    """
    bint is_number "safepickle_is_number"(str text) noexcept
    bint is_digits "safepickle_is_digits"(bytes data, Py_ssize_t start, Py_ssize_t length) noexcept
    bint is_date "safepickle_is_date"(bytes data, Py_ssize_t start, int mask) noexcept
    bint is_time "safepickle_is_time"(bytes data, Py_ssize_t start, int mask) noexcept

cdef object _DATETIME, _DATE, _TIME, _TIMEDELTA, _TIMEZONE, _DECIMAL, _NEW_DECIMAL
cdef Py_ssize_t _SHORT
cdef object _DEQUE, _ORDERED_DICT, _DEFAULTDICT, _COUNTER
cdef long long _LONGEST
cdef int NOBODY, A_DATETIME, A_DATE, A_TIME, A_TIMEDELTA, A_DECIMAL, A_COUNTER, A_DEQUE, AN_ORDERED_DICT, A_DEFAULTDICT
cdef int MADE_EMPTY

cpdef bint is_usual(object func, tuple args) except -1
cpdef int form_of(object func) except -1
@cython.locals(count=Py_ssize_t)
cpdef bint fits(int form, tuple args) except -1
cpdef bint takes_dict(int form, tuple args) except -1
@cython.locals(count=Py_ssize_t)
cpdef bint fits_empty(int form, tuple args) except -1
cpdef bint fits_packed(int form, bytes data, Py_ssize_t start, Py_ssize_t length, object zone) except -1
cpdef new_decimal(str text)
cdef bint _is_below(object number, long long bound) except -1
