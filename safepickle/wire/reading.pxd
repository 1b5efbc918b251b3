cimport cython
from cpython.object cimport PyObject

cdef extern from *:
    """
    /* Every leaf checks once more that the bytes are there; its caller has done so before. */
    static int safepickle_cut_off(void) {
        PyErr_SetString(PyExc_IndexError, "an argument is cut off");
        return -1;
    }
    static CYTHON_INLINE const unsigned char *safepickle_bytes(PyObject *data, size_t start, size_t stop) {
        if (start > stop || stop > (size_t)PyBytes_GET_SIZE(data)) {
            safepickle_cut_off();
            return NULL;
        }
        return (const unsigned char *)PyBytes_AS_STRING(data) + start;
    }
    static CYTHON_INLINE long long safepickle_int4(PyObject *data, size_t position) {
        const unsigned char *p = safepickle_bytes(data, position, position + 4);
        if (p == NULL) {
            return -1;
        }
        return (int)(p[0] | (unsigned int)p[1] << 8 | (unsigned int)p[2] << 16 | (unsigned int)p[3] << 24);
    }
    static CYTHON_INLINE long long safepickle_uint4(PyObject *data, size_t position) {
        const unsigned char *p = safepickle_bytes(data, position, position + 4);
        if (p == NULL) {
            return -1;
        }
        return p[0] | (unsigned int)p[1] << 8 | (unsigned int)p[2] << 16 | (unsigned int)p[3] << 24;
    }
    static CYTHON_INLINE long long safepickle_memo_index(PyObject *data, size_t position) {
        const unsigned char *p = safepickle_bytes(data, position, position + 2);
        if (p == NULL) {
            return -2;
        }
        if (p[0] == 0x6A) {
            p = safepickle_bytes(data, position, position + 5);
            return p == NULL ? -2 : safepickle_uint4(data, position + 1);
        }
        return p[0] == 0x68 ? p[1] : -1;
    }
    static CYTHON_INLINE PyObject *safepickle_uint8(PyObject *data, size_t position) {
        unsigned long long value = 0;
        int i;
        const unsigned char *p = safepickle_bytes(data, position, position + 8);
        if (p == NULL) {
            return NULL;
        }
        for (i = 7; i >= 0; i--) {
            value = value << 8 | p[i];
        }
        return PyLong_FromUnsignedLongLong(value);
    }
    static CYTHON_INLINE long long safepickle_size8(PyObject *data, size_t position) {
        unsigned long long value = 0;
        int i;
        const unsigned char *p = safepickle_bytes(data, position, position + 8);
        if (p == NULL) {
            return -1;
        }
        for (i = 7; i >= 0; i--) {
            value = value << 8 | p[i];
        }
        return value < 1ULL << 62 ? (long long)value : 1LL << 62;
    }
    static CYTHON_INLINE double safepickle_float8(PyObject *data, size_t position) {
        /* CPython has had IEEE 754 doubles only since 3.11. */
        unsigned long long bits;
        double value;
        const unsigned char *p = safepickle_bytes(data, position, position + 8);
        if (p == NULL) {
            return -1.0;
        }
        /* Written out, because compilers make one instruction of it then, and none of a loop. */
        bits = (unsigned long long)p[0] << 56 | (unsigned long long)p[1] << 48 | (unsigned long long)p[2] << 40
            | (unsigned long long)p[3] << 32 | (unsigned long long)p[4] << 24 | (unsigned long long)p[5] << 16
            | (unsigned long long)p[6] << 8 | (unsigned long long)p[7];
        memcpy(&value, &bits, 8);
        return value;
    }
    static CYTHON_INLINE PyObject *safepickle_small_int(PyObject *data, size_t start, size_t stop) {
        /* At most 8 bytes, at least 1; the highest bit of the last is the sign. */
        unsigned long long value, sign;
        const unsigned char *p = safepickle_bytes(data, start, stop);
        if (p == NULL) {
            return NULL;
        }
        sign = 1ULL << (8 * (stop - start) - 1);
        if ((size_t)PyBytes_GET_SIZE(data) - start >= 8) {
            /* What is behind them is read with them, at once, and left out. */
            value = p[0] | (unsigned long long)p[1] << 8 | (unsigned long long)p[2] << 16
                | (unsigned long long)p[3] << 24 | (unsigned long long)p[4] << 32 | (unsigned long long)p[5] << 40
                | (unsigned long long)p[6] << 48 | (unsigned long long)p[7] << 56;
            value &= sign | (sign - 1);
        } else {
            value = 0;
            while (stop > start) {
                stop--;
                value = (value << 8) | p[stop - start];
            }
        }
        value = (value ^ sign) - sign;
        return PyLong_FromLongLong((long long)value);
    }
    static PyObject *safepickle_long(PyObject *data, size_t start, size_t stop) {
        const unsigned char *p = safepickle_bytes(data, start, stop);
        return p == NULL ? NULL : _PyLong_FromByteArray(p, stop - start, 1, 1);
    }
    static CYTHON_INLINE PyObject *safepickle_piece(PyObject *data, size_t start, size_t stop) {
        const unsigned char *p = safepickle_bytes(data, start, stop);
        return p == NULL ? NULL : PyBytes_FromStringAndSize((const char *)p, (Py_ssize_t)(stop - start));
    }
    static CYTHON_INLINE PyObject *safepickle_byte_array(PyObject *data, size_t start, size_t stop) {
        const unsigned char *p = safepickle_bytes(data, start, stop);
        return p == NULL ? NULL : PyByteArray_FromStringAndSize((const char *)p, (Py_ssize_t)(stop - start));
    }
    static CYTHON_INLINE PyObject *safepickle_utf8(PyObject *data, size_t start, size_t stop) {
        const unsigned char *p = safepickle_bytes(data, start, stop);
        size_t length = stop - start, at;
        unsigned long long seen, first = 0, last = 0, word;
        unsigned char *to;
        PyObject *text;
        if (p == NULL) {
            return NULL;
        }
        if (length > 1 && length <= 64) {
            /* Short text is mostly ASCII, and then is its bytes. One character may be one that Python shares. The first
               and the last of them are read as words, which may share bytes. */
            size_t width = length >= 8 ? 8 : length >= 4 ? 4 : 2;
            if (width == 8) {
                memcpy(&first, p, 8);
                memcpy(&last, p + length - 8, 8);
            } else if (width == 4) {
                memcpy(&first, p, 4);
                memcpy(&last, p + length - 4, 4);
            } else {
                memcpy(&first, p, 2);
                memcpy(&last, p + length - 2, 2);
            }
            seen = first | last;
            for (at = 8; at + 8 < length; at += 8) {
                memcpy(&word, p + at, 8);
                seen |= word;
            }
            if (!(seen & 0x8080808080808080ULL)) {
                text = PyUnicode_New((Py_ssize_t)length, 127);
                if (text == NULL) {
                    return NULL;
                }
                to = PyUnicode_1BYTE_DATA(text);
                if (length > 16) {
                    memcpy(to, p, length);
                } else if (width == 8) {
                    memcpy(to, &first, 8);
                    memcpy(to + length - 8, &last, 8);
                } else if (width == 4) {
                    memcpy(to, &first, 4);
                    memcpy(to + length - 4, &last, 4);
                } else {
                    memcpy(to, &first, 2);
                    memcpy(to + length - 2, &last, 2);
                }
                return text;
            }
        }
        return PyUnicode_DecodeUTF8((const char *)p, (Py_ssize_t)length, "surrogatepass");
    }
    static CYTHON_INLINE PyObject *safepickle_new_int2(PyObject *data, size_t position) {
        const unsigned char *p = safepickle_bytes(data, position, position + 2);
        return p == NULL ? NULL : PyLong_FromLong((long)(p[0] | (unsigned int)p[1] << 8));
    }
    static CYTHON_INLINE PyObject *safepickle_new_int4(PyObject *data, size_t position) {
        const unsigned char *p = safepickle_bytes(data, position, position + 4);
        if (p == NULL) {
            return NULL;
        }
        return PyLong_FromLong((int)(p[0] | (unsigned int)p[1] << 8 | (unsigned int)p[2] << 16 | (unsigned int)p[3] << 24));
    }
    static CYTHON_INLINE PyObject *safepickle_new_float8(PyObject *data, size_t position) {
        return safepickle_bytes(data, position, position + 8) == NULL
            ? NULL : PyFloat_FromDouble(safepickle_float8(data, position));
    }
    """
    long long read_int4 "safepickle_int4"(bytes data, size_t position) except? -1
    long long read_uint4 "safepickle_uint4"(bytes data, size_t position) except? -1
    long long read_memo_index "safepickle_memo_index"(bytes data, size_t position) except? -2
    object read_uint8 "safepickle_uint8"(bytes data, size_t position)
    long long read_size8 "safepickle_size8"(bytes data, size_t position) except? -1
    double read_float8 "safepickle_float8"(bytes data, size_t position) except? -1.0
    object read_small_int "safepickle_small_int"(bytes data, size_t start, size_t stop)
    object read_long "safepickle_long"(bytes data, size_t start, size_t stop)
    bytes read_piece "safepickle_piece"(bytes data, size_t start, size_t stop)
    # The same as references of their own, for lists of the machine to take over.
    PyObject *new_int2 "safepickle_new_int2"(bytes data, size_t position) except NULL
    PyObject *new_int4 "safepickle_new_int4"(bytes data, size_t position) except NULL
    PyObject *new_float8 "safepickle_new_float8"(bytes data, size_t position) except NULL
    PyObject *new_small_int "safepickle_small_int"(bytes data, size_t start, size_t stop) except NULL
    PyObject *new_piece "safepickle_piece"(bytes data, size_t start, size_t stop) except NULL
    bytearray read_byte_array "safepickle_byte_array"(bytes data, size_t start, size_t stop)
    str read_utf8 "safepickle_utf8"(bytes data, size_t start, size_t stop)

cpdef long long int4(bytes data, Py_ssize_t position) except? -1
cpdef long long uint4(bytes data, Py_ssize_t position) except? -1
cpdef long long memo_index(bytes data, Py_ssize_t position) except? -2
cpdef object uint8(bytes data, Py_ssize_t position)
cpdef long long size8(bytes data, Py_ssize_t position) except? -1
cpdef long long uint2(bytes data, Py_ssize_t position) except? -1
cpdef double float8(bytes data, Py_ssize_t position) except? -1.0
cpdef bytearray byte_array(bytes data, Py_ssize_t start, Py_ssize_t stop)
cpdef str utf8(bytes data, Py_ssize_t start, Py_ssize_t stop)
cpdef bytes piece(bytes data, Py_ssize_t start, Py_ssize_t stop)
cpdef object long_int(bytes data, Py_ssize_t start, Py_ssize_t stop)
