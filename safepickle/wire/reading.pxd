cimport cython

cdef extern from *:
    """
    static CYTHON_INLINE double safepickle_unpack_double(PyObject *data, Py_ssize_t position) {
        return PyFloat_Unpack8(PyBytes_AS_STRING(data) + position, 0);
    }
    static CYTHON_INLINE PyObject *safepickle_small_int(PyObject *data, Py_ssize_t start, Py_ssize_t stop) {
        /* At most 8 bytes, at least 1; the highest bit of the last is the sign. */
        const unsigned char *bytes = (const unsigned char *)PyBytes_AS_STRING(data);
        unsigned long long value = bytes[stop - 1] & 0x80 ? ~0ULL : 0ULL;
        while (stop > start) {
            stop--;
            value = (value << 8) | bytes[stop];
        }
        return PyLong_FromLongLong((long long)value);
    }
    static CYTHON_INLINE PyObject *safepickle_cut_bytes(PyObject *data, Py_ssize_t start, Py_ssize_t stop) {
        return PyBytes_FromStringAndSize(PyBytes_AS_STRING(data) + start, stop - start);
    }
    static CYTHON_INLINE PyObject *safepickle_decode_utf8(PyObject *data, Py_ssize_t start, Py_ssize_t stop) {
        return PyUnicode_DecodeUTF8(PyBytes_AS_STRING(data) + start, stop - start, "surrogatepass");
    }
    """
    object small_int "safepickle_small_int"(bytes data, Py_ssize_t start, Py_ssize_t stop)
    bytes cut_bytes "safepickle_cut_bytes"(bytes data, Py_ssize_t start, Py_ssize_t stop)
    str decode_utf8 "safepickle_decode_utf8"(bytes data, Py_ssize_t start, Py_ssize_t stop)
    double unpack_double "safepickle_unpack_double"(bytes data, Py_ssize_t position) except? -1.0

@cython.locals(value=cython.longlong, high=cython.longlong)
cpdef long long int4(bytes data, Py_ssize_t position) except? -1
@cython.locals(value=cython.longlong, high=cython.longlong)
cpdef long long uint4(bytes data, Py_ssize_t position) except? -1
cpdef long long uint2(bytes data, Py_ssize_t position) except? -1
cpdef double float8(bytes data, Py_ssize_t position) except? -1.0
cpdef str utf8(bytes data, Py_ssize_t start, Py_ssize_t stop)
cpdef bytes piece(bytes data, Py_ssize_t start, Py_ssize_t stop)
cpdef object long_int(bytes data, Py_ssize_t start, Py_ssize_t stop)
