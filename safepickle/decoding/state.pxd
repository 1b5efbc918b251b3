cimport cython
from safepickle.decoding.budget cimport Budget

cdef extern from *:
    """
    static CYTHON_INLINE int safepickle_set_member(PyObject *member, PyObject *obj, PyObject *value) {
        if (Py_TYPE(member)->tp_descr_set == NULL) {
            PyErr_SetString(PyExc_TypeError, "not a slot");
            return -1;
        }
        return Py_TYPE(member)->tp_descr_set(member, obj, value);
    }
    static CYTHON_INLINE int safepickle_may_be_hook(PyObject *name) {
        return PyUnicode_GET_LENGTH(name) > 0 && PyUnicode_READ_CHAR(name, 0) == '_';
    }
    """
    object generic_getattr "PyObject_GenericGetAttr"(object obj, object name)
    bint may_be_hook "safepickle_may_be_hook"(object name) noexcept
    int set_member "safepickle_set_member"(object member, object obj, object value) except -1

@cython.final
cdef class Shape:
    cdef readonly object kind, contract, setter
    cdef dict members
    cdef public int usual

    cpdef member(self, str name)

@cython.locals(given=dict, parts=dict)
cpdef set_state(Budget budget, Shape shape, object obj, object state)
cpdef getattr_dict(object obj)
@cython.locals(name=str)
cpdef check_state_key(object key)
cpdef check_exception_state(object state)
cpdef member_of(object kind, str name)
