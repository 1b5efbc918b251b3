cimport cython
from safepickle.decoding.budget cimport Budget

cdef extern from *:
    """
    /* Whether nothing is asked of a key: an exact text or int; with big_ints no int, and no empty text. */
    static CYTHON_INLINE int safepickle_is_free(PyObject *key, int big_ints) {
        return PyUnicode_CheckExact(key) ? !big_ints || PyUnicode_GET_LENGTH(key) != 0
                                         : !big_ints && PyLong_CheckExact(key);
    }

    /* Sets at most 512 pairs from start on, up to a key of which something is asked. Nothing but the dict refers to the
       items while a value that goes may run its finalizer. */
    static Py_ssize_t safepickle_set_free(PyObject *target, PyObject *items, Py_ssize_t start, int big_ints) {
        Py_ssize_t stop = PyList_GET_SIZE(items);
        Py_ssize_t index;
        if (stop > start + 1024) {
            stop = start + 1024;
        }
        for (index = start; index + 1 < stop; index += 2) {
            PyObject *key = PyList_GET_ITEM(items, index);
            if (!safepickle_is_free(key, big_ints)) {
                break;
            }
            if (PyDict_SetItem(target, key, PyList_GET_ITEM(items, index + 1)) < 0) {
                return -1;
            }
        }
        return index;
    }

    /* Which dicts were filled, by their first keys and how many: addresses, to be compared with and nothing else; and
       what was spent on records that did not come again. A load in which keys keep changing does without. */
    #define SAFEPICKLE_KINDS 8
    #define SAFEPICKLE_MOST_SPENT 32
    typedef struct {
        size_t of[SAFEPICKLE_KINDS];
        int spent;
    } safepickle_marks;

    /* Where a kind of dict is: many kinds begin with one key, as with an id, and have other numbers of keys. */
    static CYTHON_INLINE size_t safepickle_place_of(PyObject *items) {
        return (((size_t)PyList_GET_ITEM(items, 0) >> 5) + (size_t)PyList_GET_SIZE(items) / 2) % SAFEPICKLE_KINDS;
    }

    /* Whether a dict like that to be filled was filled before, as it seems; it is noted that it is. */
    static CYTHON_INLINE int safepickle_recurs(safepickle_marks *marks, PyObject *items) {
        size_t mark = (size_t)PyList_GET_ITEM(items, 0) + (size_t)PyList_GET_SIZE(items);
        size_t *known = &marks->of[safepickle_place_of(items)];
        if (*known == mark) {
            return marks->spent < SAFEPICKLE_MOST_SPENT;
        }
        *known = mark;
        return 0;
    }

    /* Records have the same keys, one after the other. From the third one on an empty dict gets a copy of the table of a
       dict with these keys, which need not grow, and then its own values. Returns how much of the items is done: all or
       nothing. `records` has the keys and that dict, by turns; nobody else has it. */
    static Py_ssize_t safepickle_set_record(
        safepickle_marks *marks, PyObject *target, PyObject *items, PyObject *records, int big_ints
    ) {
        Py_ssize_t count = PyList_GET_SIZE(items) / 2;
        Py_ssize_t place = 2 * (Py_ssize_t)safepickle_place_of(items);
        Py_ssize_t index = 0;
        PyObject *keys = PyList_GET_ITEM(records, place), *record = PyList_GET_ITEM(records, place + 1);
        if (PyTuple_CheckExact(keys) && PyTuple_GET_SIZE(keys) == count) {
            while (index < count && PyTuple_GET_ITEM(keys, index) == PyList_GET_ITEM(items, 2 * index)) {
                index++;
            }
        }
        if (index < count) {
            marks->spent++;
            if ((keys = PyTuple_New(count)) == NULL) {
                return -1;
            }
            for (index = 0; index < count; index++) {
                PyObject *key = PyList_GET_ITEM(items, 2 * index);
                Py_INCREF(key);
                PyTuple_SET_ITEM(keys, index, key);
            }
            /* In this order: keys that go may run a finalizer, and never is there a dict with other keys. */
            Py_INCREF(Py_None);
            if (PyList_SetItem(records, place + 1, Py_None) < 0) {
                Py_DECREF(keys);
                return -1;
            }
            return PyList_SetItem(records, place, keys) < 0 ? -1 : 0;
        }
        for (index = 0; index < count; index++) {
            if (!safepickle_is_free(PyTuple_GET_ITEM(keys, index), big_ints)) {
                marks->spent++;
                return 0;
            }
        }
        if (record == Py_None) {
            marks->spent += 4;
            if ((record = PyDict_New()) == NULL || PyList_SetItem(records, place + 1, record) < 0) {
                return -1;
            }
            for (index = 0; index < count; index++) {
                if (PyDict_SetItem(record, PyTuple_GET_ITEM(keys, index), Py_None) < 0) {
                    return -1;
                }
            }
        }
        marks->spent -= marks->spent > 0;
        if (PyDict_Update(target, record) < 0) {
            return -1;
        }
        for (index = 0; index < 2 * count; index += 2) {
            if (PyDict_SetItem(target, PyList_GET_ITEM(items, index), PyList_GET_ITEM(items, index + 1)) < 0) {
                return -1;
            }
        }
        return index;
    }

    /* The struct is named by its owner, so that Python sources need no address-of. */
    #define safepickle_m_recurs(marks, items) safepickle_recurs(&(marks), items)
    #define safepickle_m_set_record(marks, target, items, records, big_ints) \\
        safepickle_set_record(&(marks), target, items, records, big_ints)
    #define safepickle_m_forget(marks) memset(&(marks), 0, sizeof(safepickle_marks))
    """
    ctypedef struct Marks "safepickle_marks":
        pass
    Py_ssize_t _KINDS "SAFEPICKLE_KINDS"
    bint recurs "safepickle_m_recurs"(Marks marks, list items) noexcept
    void forget_marks "safepickle_m_forget"(Marks marks) noexcept
    Py_ssize_t set_record "safepickle_m_set_record"(
        Marks marks, dict target, list items, list records, bint big_ints
    ) except -1
    Py_ssize_t set_free "safepickle_set_free"(dict target, list items, Py_ssize_t start, bint big_ints) except -1

cdef Py_ssize_t _LOOK, _LEAST
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
    cdef list records
    cdef Marks marks
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
