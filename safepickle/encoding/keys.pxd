cimport cython

from safepickle.encoding.frames cimport Stack

cdef extern from *:
    """
    /* Text, bytes, bool, None, float, and ints of up to 60 bits. */
    static CYTHON_INLINE int safepickle_free_key(PyObject *key) {
        if (PyUnicode_CheckExact(key)) {
            return 1;
        }
        if (PyLong_CheckExact(key)) {
            int overflow;
            long long value;
    #if PY_VERSION_HEX >= 0x030C0000
            if (PyUnstable_Long_IsCompact((PyLongObject *) key)) {
                return 1;
            }
    #else
            if (Py_SIZE(key) >= -1 && Py_SIZE(key) <= 1) {
                return 1;
            }
    #endif
            value = PyLong_AsLongLongAndOverflow(key, &overflow);
            return overflow == 0 && value > -(1LL << 60) && value < (1LL << 60);
        }
        return PyFloat_CheckExact(key) || PyBytes_CheckExact(key) || key == Py_None || PyBool_Check(key);
    }
    """
    bint is_free "safepickle_free_key"(object key) noexcept

cdef frozenset _FREE, _DATA

@cython.no_gc
cdef class Keys(Stack):
    @cython.final
    cdef int check_key(self, container, key) except -1
    @cython.final
    cdef int _ask(self, container, key) except -1
    @cython.final
    @cython.locals(index=Py_ssize_t)
    cdef int check_keys(self, keys, container, Py_ssize_t start) except -1

cpdef bint are_free(dict keys) except -1
