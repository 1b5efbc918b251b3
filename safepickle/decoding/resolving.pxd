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
    """
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
