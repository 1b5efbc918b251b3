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

    /* Whether all names, each followed by a value, are among those of some slots, which a class has still: its bases may be
       others by now. */
    static int safepickle_names_slots(PyObject *members, PyObject *kind, PyObject *pairs) {
        Py_ssize_t index;
        if (!PyType_Check(kind)) {
            return 0;
        }
        for (index = 0; index < PyList_GET_SIZE(pairs); index += 2) {
            PyObject *name = PyList_GET_ITEM(pairs, index);
            PyObject *member = PyUnicode_CheckExact(name) ? PyDict_GetItemWithError(members, name) : NULL;
            if (member == NULL) {
                return PyErr_Occurred() ? -1 : 0;
            }
            if (Py_TYPE(member) != &PyMemberDescr_Type
                || !PyType_IsSubtype((PyTypeObject *)kind, PyDescr_TYPE(member))) {
                return 0;
            }
        }
        return 1;
    }

    static int safepickle_set_slots(PyObject *members, PyObject *obj, PyObject *pairs) {
        Py_ssize_t index;
        for (index = 0; index + 1 < PyList_GET_SIZE(pairs); index += 2) {
            PyObject *member = PyDict_GetItemWithError(members, PyList_GET_ITEM(pairs, index));
            if (member == NULL) {
                if (!PyErr_Occurred()) {
                    PyErr_SetString(PyExc_KeyError, "not a slot");
                }
                return -1;
            }
            if (safepickle_set_member(member, obj, PyList_GET_ITEM(pairs, index + 1)) < 0) {
                return -1;
            }
        }
        return 0;
    }

    /* Instances whose attributes are beside the object, without a dict, as long as they are few: a dict for each would be
       made only for BUILD, and stay. The word before the collector's is where the dict would be (or, with the lowest bit
       set, the attributes): looked at only in the versions that are known to have it so. */
    #if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030E0000 && !defined(Py_GIL_DISABLED)
    #define SAFEPICKLE_MOST_ATTRIBUTES 30
    #define SAFEPICKLE_LONGEST_ATTRIBUTE 64
    /* Whether BUILD may store an attribute of this name so: it is no property and no slot, which are none of the attributes
       that BUILD writes, and surely nothing that it refuses. */
    static CYTHON_INLINE int safepickle_is_stored(PyTypeObject *kind, PyObject *name) {
        Py_ssize_t length;
        PyObject *member;
        if (!PyUnicode_CheckExact(name) || (length = PyUnicode_GET_LENGTH(name)) > SAFEPICKLE_LONGEST_ATTRIBUTE
            || (length > 1 && PyUnicode_READ_CHAR(name, 0) == '_' && PyUnicode_READ_CHAR(name, 1) == '_')) {
            return 0;
        }
        member = _PyType_Lookup(kind, name);
        return member == NULL || Py_TYPE(member)->tp_descr_set == NULL;
    }

    /* Stores all, or does nothing and returns 0. */
    static int safepickle_store_attributes(PyObject *obj, PyObject *given) {
        PyTypeObject *kind = Py_TYPE(obj);
        PyObject *names[SAFEPICKLE_MOST_ATTRIBUTES], *values[SAFEPICKLE_MOST_ATTRIBUTES];
        PyObject *name, *value, *present;
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
            if (!safepickle_is_stored(kind, name)) {
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

    /* Whether all of some attributes, names and values in turn, can be stored so in a new instance of a class. Where a name
       may come twice a dict would have fewer of them, and is paid for as such. */
    static int safepickle_may_store(PyObject *kind, PyObject *pairs) {
        Py_ssize_t index, other, size = PyList_GET_SIZE(pairs);
        Py_hash_t hashes[SAFEPICKLE_MOST_ATTRIBUTES];
        if (!PyType_Check(kind) || !(((PyTypeObject *)kind)->tp_flags & Py_TPFLAGS_MANAGED_DICT)
            || size > 2 * SAFEPICKLE_MOST_ATTRIBUTES) {
            return 0;
        }
        for (index = 0; index < size; index += 2) {
            PyObject *name = PyList_GET_ITEM(pairs, index);
            Py_hash_t hash;
            if (!safepickle_is_stored((PyTypeObject *)kind, name)) {
                return 0;
            }
            hash = hashes[index / 2] = PyObject_Hash(name);
            for (other = 0; other < index / 2; other++) {
                if (hashes[other] == hash) {
                    return 0;
                }
            }
        }
        return 1;
    }
    #else
    static int safepickle_store_attributes(PyObject *obj, PyObject *given) {
        (void)obj;
        (void)given;
        return 0;
    }
    static int safepickle_may_store(PyObject *kind, PyObject *pairs) {
        (void)kind;
        (void)pairs;
        return 0;
    }
    #endif

    /* Stores attributes, names and values in turn. */
    static int safepickle_store_pairs(PyObject *obj, PyObject *pairs) {
        Py_ssize_t index;
        for (index = 0; index + 1 < PyList_GET_SIZE(pairs); index += 2) {
            if (PyObject_GenericSetAttr(obj, PyList_GET_ITEM(pairs, index), PyList_GET_ITEM(pairs, index + 1)) < 0) {
                return -1;
            }
        }
        return 0;
    }
    """
    object generic_getattr "PyObject_GenericGetAttr"(object obj, object name)
    int store_attributes "safepickle_store_attributes"(object obj, dict given) except -1
    bint may_store "safepickle_may_store"(object kind, list pairs) noexcept
    int store_pairs "safepickle_store_pairs"(object obj, list pairs) except -1
    bint names_slots "safepickle_names_slots"(dict members, object kind, list pairs) except -1
    int set_slots "safepickle_set_slots"(dict members, object obj, list pairs) except -1
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
    cpdef bint is_plain(self, bint in_slots) except -1
    cdef bint has_slots(self, object kind, list pairs) except -1
    cdef int set_slots(self, object obj, list pairs) except -1
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
