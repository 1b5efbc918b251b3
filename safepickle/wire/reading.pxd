cimport cython

cdef extern from *:
    """
    static CYTHON_INLINE double safepickle_unpack_double(PyObject *data, Py_ssize_t position) {
        return PyFloat_Unpack8(PyBytes_AS_STRING(data) + position, 0);
    }
    """
    double unpack_double "safepickle_unpack_double"(bytes data, Py_ssize_t position) except? -1.0

@cython.locals(value=cython.longlong, high=cython.longlong)
cpdef long long int4(bytes data, Py_ssize_t position) except? -1
@cython.locals(value=cython.longlong, high=cython.longlong)
cpdef long long uint4(bytes data, Py_ssize_t position) except? -1
cpdef long long uint2(bytes data, Py_ssize_t position) except? -1
cpdef double float8(bytes data, Py_ssize_t position) except? -1.0
cpdef str utf8(bytes data, Py_ssize_t start, Py_ssize_t stop)
