cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.handles cimport HeldTuple
from safepickle.decoding.refusals cimport Refusals
from safepickle.wire.memo cimport Memo, new_memo

cdef extern from *:
    """
    /* Room grows to 2 * room + 16; what is in the new part is not known, so that its pages are not taken before they are
       used. Whatever is counted here takes some bytes of memory, so that int is enough where there is that much. */
    static int *safepickle_more_numbers(int *numbers, int *few, Py_ssize_t room) {
        size_t size = (2 * (size_t)room + 16) * sizeof(int);
        int *more;
        if (room >= INT_MAX / 2 - 16) {
            PyErr_NoMemory();
            return NULL;
        }
        more = (int *)PyMem_Realloc(numbers == few ? NULL : numbers, size);
        if (more == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        if (numbers == few) {
            memcpy(more, few, (size_t)room * sizeof(int));
        }
        return more;
    }
    static void safepickle_free_numbers(int *numbers, int *few) {
        if (numbers != few) {
            PyMem_Free(numbers);
        }
    }

    static CYTHON_INLINE int safepickle_is_leaf(PyObject *obj) {
        PyTypeObject *kind = Py_TYPE(obj);
        return kind == &PyUnicode_Type || kind == &PyLong_Type || obj == Py_None || kind == &PyFloat_Type
            || kind == &PyBool_Type || kind == &PyBytes_Type || kind == &PyComplex_Type || kind == &PyByteArray_Type
            || kind == &PyRange_Type || kind == &PyType_Type;
    }
    /* What is no leaf in a list, tuple or dict, the first last; None for anything else. */
    static PyObject *safepickle_parts(PyObject *obj) {
        Py_ssize_t count = 0, index = 0, size;
        PyObject *key, *value, *parts;
        if (PyDict_CheckExact(obj)) {
            while (PyDict_Next(obj, &index, &key, &value)) {
                count += !safepickle_is_leaf(key) + !safepickle_is_leaf(value);
            }
        } else if (PyList_CheckExact(obj) || PyTuple_CheckExact(obj)) {
            size = PySequence_Fast_GET_SIZE(obj);
            while (index < size) {
                count += !safepickle_is_leaf(PySequence_Fast_GET_ITEM(obj, index++));
            }
        } else {
            Py_INCREF(Py_None);
            return Py_None;
        }
        /* The collector may come by here, and let a finalizer run: only what is still there is taken. */
        parts = PyList_New(count);
        if (parts == NULL || count == 0) {
            return parts;
        }
        index = 0;
        if (PyDict_CheckExact(obj)) {
            while (count > 0 && PyDict_Next(obj, &index, &key, &value)) {
                if (!safepickle_is_leaf(key)) {
                    Py_INCREF(key);
                    PyList_SET_ITEM(parts, --count, key);
                }
            }
            index = 0;
            while (count > 0 && PyDict_Next(obj, &index, &key, &value)) {
                if (!safepickle_is_leaf(value)) {
                    Py_INCREF(value);
                    PyList_SET_ITEM(parts, --count, value);
                }
            }
        } else {
            for (; count > 0 && index < PySequence_Fast_GET_SIZE(obj); index++) {
                value = PySequence_Fast_GET_ITEM(obj, index);
                if (!safepickle_is_leaf(value)) {
                    Py_INCREF(value);
                    PyList_SET_ITEM(parts, --count, value);
                }
            }
        }
        if (count > 0 && PyList_SetSlice(parts, 0, count, NULL) < 0) {
            Py_CLEAR(parts);
        }
        return parts;
    }
    """
    list nested_parts "safepickle_parts"(object obj)
    int *more_numbers "safepickle_more_numbers"(int *numbers, int *few, Py_ssize_t room) except NULL
    void free_numbers "safepickle_free_numbers"(int *numbers, int *few)

cdef Py_ssize_t SATURATED, _FEW, _STEP, _FLAT, _FIRST
cdef frozenset _PLAIN, _LEAVES

@cython.final
@cython.freelist(8)
cdef class Nesting:
    cdef readonly Py_ssize_t max_depth, bottom_height, waiting_bound, mark_bound
    cdef readonly Py_ssize_t unsure
    cdef public Py_ssize_t unsure_bound
    cdef Py_ssize_t doubted, settled, slack
    cdef bint shared
    cdef readonly Py_ssize_t top, count, cell_count, inner_cells
    cdef Py_ssize_t room, cell_room, memo_room, memo_count
    cdef int[32] few_heights, few_cells, few_lows, few_depths, few_memo
    cdef int *heights
    cdef int *cells
    cdef int *lows
    cdef int *depths
    cdef int *memo
    cdef dict sparse

    cpdef int open_nesting(self, Py_ssize_t max_depth) except -1
    cdef void _free(self) noexcept
    cdef int _make_room(self, Py_ssize_t height) except -1
    cpdef int refuse(self, Py_ssize_t asked) except -1
    cdef Py_ssize_t _too_deep(self, Py_ssize_t depth) except -1
    cpdef int doubt(self, Py_ssize_t cell) except -1
    cdef int _settle(self, Py_ssize_t cell) except -1
    @cython.locals(cell=Py_ssize_t, last=Py_ssize_t)
    cdef bint take_instance(
        self, Py_ssize_t height, Py_ssize_t index, Py_ssize_t where, Py_ssize_t pair, bint in_slots
    ) except -1
    cpdef int flat(self, Py_ssize_t height) except -1
    cpdef int opened(self, Py_ssize_t height, Py_ssize_t depth) except -1
    @cython.locals(deepest=Py_ssize_t, depth=Py_ssize_t, cell=cython.longlong, low=cython.longlong, first=Py_ssize_t, index=Py_ssize_t)
    cpdef Py_ssize_t absorb(self, Py_ssize_t height) except -1
    @cython.locals(cell=cython.longlong, present=cython.longlong, depth=Py_ssize_t)
    cpdef int join(self, Py_ssize_t height) except -1
    @cython.locals(cell=cython.longlong)
    cpdef int remember(self, Py_ssize_t index) except -1
    @cython.locals(cell=cython.longlong)
    cpdef int recall(self, Py_ssize_t height, Py_ssize_t index, object value) except -1
    cpdef bint knows(self, Py_ssize_t index) except -1
    cpdef int duplicate(self, Py_ssize_t height) except -1
    @cython.locals(deepest=cython.longlong, depth=cython.longlong, index=Py_ssize_t)
    cpdef bint may_be_deep(self) except -1
    cpdef int take_over(self, Nesting inner, Py_ssize_t height) except -1
    cdef int _alias(self, Py_ssize_t height, long long cell) except -1

@cython.locals(
    budget=Budget, known=Memo, opened=list, frame=list, above=list, left=list, parts=list, depth=Py_ssize_t,
    deepest=Py_ssize_t, walked=Py_ssize_t,
)
cpdef measure(object value, Py_ssize_t bound, Refusals refusals)
@cython.locals(found=list, parts=list)
cdef list _parts(object obj, Refusals refusals)
