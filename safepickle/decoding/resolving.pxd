cimport cython
from cpython.object cimport PyObject

cdef extern from *:
    """
    static PyObject *safepickle_found_on(PyObject *kind, PyObject *name) {
        PyObject *found;
        if (!PyType_Check(kind)) {
            PyErr_SetString(PyExc_TypeError, "not a class");
            return NULL;
        }
        found = _PyType_Lookup((PyTypeObject *)kind, name);
        if (found == NULL) {
            if (PyErr_Occurred()) {
                return NULL;
            }
            found = Py_None;
        }
        Py_INCREF(found);
        return found;
    }
    /* The interpreter gives each class a number, for its own cache of methods, takes it away when the class or one of its
       bases is changed (PyType_Modified), and never gives it to another one. Looked at only in the versions that are
       known to do so. */
    static CYTHON_INLINE unsigned int safepickle_version_of(PyObject *target) {
    #if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030E0000 && !defined(Py_GIL_DISABLED) && !defined(PYPY_VERSION)
        if (PyType_Check(target)) {
            PyTypeObject *kind = (PyTypeObject *)target;
    #if PY_VERSION_HEX < 0x030D0000
            if (!PyType_HasFeature(kind, Py_TPFLAGS_VALID_VERSION_TAG)) {
                return 0;
            }
    #endif
            /* Since 3.13 the number alone says it: 0 for none. */
            return kind->tp_version_tag;
        }
    #else
        (void)target;
    #endif
        return 0;
    }

    /* Calling a weak reference takes as long as a look-up. */
    static CYTHON_INLINE int safepickle_refers_to(PyObject *reference, PyObject *target) {
        PyObject *found = NULL;
        if (!PyWeakref_Check(reference)) {
            PyErr_SetString(PyExc_TypeError, "not a weak reference");
            return -1;
        }
    #if PY_VERSION_HEX >= 0x030D0000
        if (PyWeakref_GetRef(reference, &found) < 0) {
            return -1;
        }
        Py_XDECREF(found);
    #else
        found = PyWeakref_GetObject(reference);
    #endif
        /* None stands for an object that is gone. */
        return found == target && target != Py_None;
    }

    static CYTHON_INLINE unsigned long safepickle_flags_of(PyObject *kind) {
        return PyType_Check(kind) ? PyType_GetFlags((PyTypeObject *)kind) : Py_TPFLAGS_HEAPTYPE;
    }

    /* PyImport_GetModule also asks whether the module is whole, which takes longer than all else; see import_global. */
    static CYTHON_INLINE PyObject *safepickle_loaded_module(PyObject *name) {
        PyObject *modules = PyImport_GetModuleDict(), *found;
        if (modules == NULL || !PyDict_Check(modules)) {
            found = PyImport_GetModule(name);
        } else {
            found = PyDict_GetItemWithError(modules, name);
            Py_XINCREF(found);
        }
        if (found == NULL && !PyErr_Occurred()) {
            found = Py_None;
            Py_INCREF(found);
        }
        return found;
    }

    static CYTHON_INLINE PyObject *safepickle_found_in(PyObject *module, PyObject *name) {
        PyObject *loaded = safepickle_loaded_module(module), *found;
        if (loaded == NULL) {
            return NULL;
        }
        found = PyModule_CheckExact(loaded) ? PyDict_GetItemWithError(PyModule_GetDict(loaded), name) : NULL;
        if (found == NULL && !PyErr_Occurred()) {
            found = Py_None;
        }
        Py_XINCREF(found);
        Py_DECREF(loaded);
        return found;
    }
    """
    unsigned long flags_of "safepickle_flags_of"(object kind) noexcept
    bint refers_to "safepickle_refers_to"(object reference, object target) except -1
    object found_in "safepickle_found_in"(str module, str name)
    object loaded_module "safepickle_loaded_module"(str name)
    unsigned int version_of "safepickle_version_of"(object target)
    object found_on "safepickle_found_on"(object kind, str name)

cdef object _METHOD, _SIZER, _MAKER
cdef frozenset _PLAIN_ITEMS

@cython.locals(traits=cython.int)
cpdef int traits_of(object target) except -1
cdef bint _takes_as_built_in(object target) except -1
cpdef items_of(object arg)
cpdef bint comes_to_an_end(object container) except -1
cpdef str refuse_items(int traits, tuple args)
cpdef import_global(str module, str name, bint whole=*)
cpdef bint is_bare(object kind) except -1
cpdef sizer_of(object kind)
cpdef size_by(object sizer, object obj)
