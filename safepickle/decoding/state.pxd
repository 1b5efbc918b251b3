cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.resolving cimport found_on

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

    /* Instances whose attributes are beside the object, without a dict, as long as they are few: a dict for each would be
       made only for BUILD, and stay. The word before the collector's is where the dict would be (or, with the lowest bit
       set, the attributes): looked at only in the versions that are known to have it so. */
    #if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030E0000 && !defined(Py_GIL_DISABLED)
    #define SAFEPICKLE_MOST_ATTRIBUTES 30
    #define SAFEPICKLE_LONGEST_ATTRIBUTE 64
    static int safepickle_has_room_for(PyObject *obj, PyObject *given) {
        PyTypeObject *kind = Py_TYPE(obj);
        PyObject *name, *member, *present;
        Py_ssize_t index = 0;
        if (!(kind->tp_flags & Py_TPFLAGS_MANAGED_DICT) || PyDict_GET_SIZE(given) > SAFEPICKLE_MOST_ATTRIBUTES) {
            return 0;
        }
        present = ((PyObject **)obj)[-3];
        if (present != NULL && !((size_t)present & 1)) {
            return 0;
        }
        while (PyDict_Next(given, &index, &name, NULL)) {
            Py_ssize_t length;
            if (!PyUnicode_CheckExact(name) || (length = PyUnicode_GET_LENGTH(name)) > SAFEPICKLE_LONGEST_ATTRIBUTE
                || (length > 1 && PyUnicode_READ_CHAR(name, 0) == '_' && PyUnicode_READ_CHAR(name, 1) == '_')) {
                return 0;
            }
            /* A property, or a slot, is none of the attributes that BUILD writes. */
            member = _PyType_Lookup(kind, name);
            if (member != NULL && Py_TYPE(member)->tp_descr_set != NULL) {
                return 0;
            }
        }
        return 1;
    }
    #else
    static int safepickle_has_room_for(PyObject *obj, PyObject *given) {
        (void)obj;
        (void)given;
        return 0;
    }
    #endif

    static int safepickle_store_attributes(PyObject *obj, PyObject *given) {
        PyObject *name, *value;
        Py_ssize_t index = 0;
        while (PyDict_Next(given, &index, &name, &value)) {
            int failed;
            /* What was there before is let go, which may run a finalizer. */
            Py_INCREF(name);
            Py_INCREF(value);
            failed = PyObject_GenericSetAttr(obj, name, value);
            Py_DECREF(name);
            Py_DECREF(value);
            if (failed) {
                return -1;
            }
        }
        return 0;
    }
    """
    object generic_getattr "PyObject_GenericGetAttr"(object obj, object name)
    bint has_room_for "safepickle_has_room_for"(object obj, dict given) noexcept
    int store_attributes "safepickle_store_attributes"(object obj, dict given) except -1
    bint may_be_hook "safepickle_may_be_hook"(object name) noexcept
    int set_member "safepickle_set_member"(object member, object obj, object value) except -1

@cython.final
cdef class Shape:
    cdef readonly object kind, contract, setter
    cdef dict members
    cdef public int usual, model
    cdef bint has_own_dict

    cpdef member(self, str name)

@cython.locals(given=dict, parts=dict)
cpdef set_state(Budget budget, Shape shape, object obj, object state)
cpdef getattr_dict(object obj)
@cython.locals(name=str)
cpdef check_state_key(object key)
cpdef check_exception_state(object state)
cpdef member_of(object kind, str name)
cdef object _found(object kind, str name)
cdef int _FEW
cdef object _GETSET
