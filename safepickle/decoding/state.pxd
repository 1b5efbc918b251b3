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

    /* Instances whose attributes are beside the object, without a dict, as long as they are few: a dict for each would be
       made only for BUILD, and stay. The word before the collector's is where the dict would be (or, with the lowest bit
       set, the attributes): looked at only in the versions that are known to have it so. */
    #if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030E0000 && !defined(Py_GIL_DISABLED)
    #define SAFEPICKLE_MOST_ATTRIBUTES 30
    #define SAFEPICKLE_LONGEST_ATTRIBUTE 64
    /* Stores all, or does nothing and returns 0. */
    static int safepickle_store_attributes(PyObject *obj, PyObject *given) {
        PyTypeObject *kind = Py_TYPE(obj);
        PyObject *names[SAFEPICKLE_MOST_ATTRIBUTES], *values[SAFEPICKLE_MOST_ATTRIBUTES];
        PyObject *name, *value, *member, *present;
        Py_ssize_t index = 0, count = 0, stored;
        int failed = 0;
        if (!(kind->tp_flags & Py_TPFLAGS_MANAGED_DICT) || PyDict_GET_SIZE(given) > SAFEPICKLE_MOST_ATTRIBUTES) {
            return 0;
        }
        present = ((PyObject **)obj)[-3];
        if (present != NULL && !((size_t)present & 1)) {
            return 0;
        }
        while (PyDict_Next(given, &index, &name, &value)) {
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
            names[count] = name;
            values[count++] = value;
        }
        /* What was there before is let go, which may run a finalizer: nothing of the dict may go meanwhile. */
        for (stored = 0; stored < count; stored++) {
            Py_INCREF(names[stored]);
            Py_INCREF(values[stored]);
        }
        for (stored = 0; stored < count; stored++) {
            failed = failed || PyObject_GenericSetAttr(obj, names[stored], values[stored]);
            Py_DECREF(names[stored]);
            Py_DECREF(values[stored]);
        }
        return failed ? -1 : 1;
    }
    #else
    static int safepickle_store_attributes(PyObject *obj, PyObject *given) {
        (void)obj;
        (void)given;
        return 0;
    }
    #endif
    """
    object generic_getattr "PyObject_GenericGetAttr"(object obj, object name)
    int store_attributes "safepickle_store_attributes"(object obj, dict given) except -1
    int set_member "safepickle_set_member"(object member, object obj, object value) except -1

@cython.final
@cython.freelist(8)
cdef class Shape:
    cdef readonly object contract, own, setter
    cdef dict members
    cdef public int usual, model
    cdef public bint calls_later
    cdef bint has_own_dict, keeps_data

    @cython.locals(shape=Shape)
    cdef Shape renewed(self, object setter)
    cpdef member(self, object kind, object name)

cpdef setter_of(object kind)

@cython.locals(given=dict, parts=dict, is_stored=bint)
cpdef int set_state(Budget budget, Shape shape, object obj, object state) except -1
cpdef getattr_dict(object obj)
@cython.locals(name=str)
cpdef check_state_key(object key)
cpdef check_exception_state(object state)
cpdef member_of(object kind, str name)
cdef int _FEW
cdef object _GETSET
