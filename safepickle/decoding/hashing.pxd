cimport cython
from safepickle.decoding.budget cimport Budget

cdef extern from *:
    """
    /* Sets at most 512 pairs from start on, up to a key that is neither an exact str nor an exact int; with big_ints
       up to one that is no exact str, or an empty one. Nothing but the dict refers to the items while a value that
       goes may run its finalizer. */
    static Py_ssize_t safepickle_set_free(PyObject *target, PyObject *items, Py_ssize_t start, int big_ints) {
        Py_ssize_t stop = PyList_GET_SIZE(items);
        Py_ssize_t index;
        if (stop > start + 1024) {
            stop = start + 1024;
        }
        for (index = start; index + 1 < stop; index += 2) {
            PyObject *key = PyList_GET_ITEM(items, index);
            if (PyUnicode_CheckExact(key) ? big_ints && PyUnicode_GET_LENGTH(key) == 0
                                          : big_ints || !PyLong_CheckExact(key)) {
                break;
            }
            if (PyDict_SetItem(target, key, PyList_GET_ITEM(items, index + 1)) < 0) {
                return -1;
            }
        }
        return index;
    }
    """
    Py_ssize_t set_free "safepickle_set_free"(dict target, list items, Py_ssize_t start, bint big_ints) except -1

cdef Py_ssize_t _LOOK
cdef frozenset _FREE, _UNHASHABLE, _SCALARS

cdef Py_ssize_t _hashing(object leaf) except -1
@cython.locals(digits=Py_ssize_t)
cdef Py_ssize_t _comparing_leaf(object leaf) except -1

@cython.final
@cython.freelist(8)
cdef class KeyGuard:
    cdef readonly Budget budget
    cdef readonly bint strict, bounded
    cdef public bint big_ints, failed
    cdef dict sizes, counts, keyed
    cdef Py_ssize_t most_met

    cpdef int open_guard(self, Budget budget, bint strict) except -1
    cpdef int begin_guard(self) except -1
    cpdef int let_go(self) except -1
    cpdef int check_walks(self) except -1
    cdef bint _is_instance(self, object obj) except -1
    cpdef check(self, object container, object key)
    cpdef int look(self, Py_ssize_t index) except -1
    cpdef bint is_keyed(self, object obj) except -1
    cpdef bint is_counted(self, object container) except -1
    cpdef int pass_on(self, object given, object made) except -1
    cdef int _check_free(self, object container, object key) except -1
    cpdef hash_of(self, object obj)
    @cython.locals(longest=Py_ssize_t, dearest=Py_ssize_t)
    cdef Py_ssize_t _comparing(self, object key, dict known) except -1

cpdef make_filled(Budget budget, object target, tuple args)
@cython.locals(big_ints=bint, index=Py_ssize_t)
cpdef int add_items(KeyGuard guard, set target, object items) except -1
@cython.locals(index=Py_ssize_t, count=Py_ssize_t, look=Py_ssize_t)
cpdef int set_items(KeyGuard guard, dict target, list items) except -1
cpdef int set_item(KeyGuard guard, dict target, object key, object value) except -1
