cimport cython

from safepickle.decoding.usual_frames cimport UsualFrames

cdef extern from *:
    """
    /* ASCII letters and the underscore are 1; digits are 2, which may not be the first. */
    #define SAFEPICKLE_NONE_8 0, 0, 0, 0, 0, 0, 0, 0
    #define SAFEPICKLE_LETTERS_24 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
    static const unsigned char safepickle_name_classes[128] = {
        SAFEPICKLE_NONE_8, SAFEPICKLE_NONE_8, SAFEPICKLE_NONE_8, SAFEPICKLE_NONE_8, SAFEPICKLE_NONE_8,
        SAFEPICKLE_NONE_8, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0,
        0, SAFEPICKLE_LETTERS_24, 1, 1, 0, 0, 0, 0, 1, 0, SAFEPICKLE_LETTERS_24, 1, 1, 0, 0, 0, 0, 0
    };

    static int safepickle_attribute_names(PyObject *state, Py_ssize_t longest) {
        PyObject *key, *value;
        Py_ssize_t place = 0;
        while (PyDict_Next(state, &place, &key, &value)) {
            const unsigned char *text;
            Py_ssize_t index, length;
            if (!PyUnicode_CheckExact(key) || !PyUnicode_IS_ASCII(key)) {
                return 0;
            }
            length = PyUnicode_GET_LENGTH(key);
            text = (const unsigned char *)PyUnicode_1BYTE_DATA(key);
            if (length == 0 || length > longest || safepickle_name_classes[text[0]] != 1) {
                return 0;
            }
            if (length > 1 && text[0] == '_' && text[1] == '_') {
                return 0;
            }
            for (index = 1; index < length; index++) {
                if (!safepickle_name_classes[text[index]]) {
                    return 0;
                }
            }
        }
        return 1;
    }

    /* Gets a view of contiguous items; 0, without an error, where there is none. */
    static int safepickle_view_items(PyObject *array, Py_buffer *view, int dimensions) {
        if (PyObject_GetBuffer(array, view, PyBUF_ND) < 0) {
            if (!PyErr_ExceptionMatches(PyExc_MemoryError)) {
                PyErr_Clear();
                return 0;
            }
            return -1;
        }
        if (view->ndim != dimensions || view->shape == NULL) {
            PyBuffer_Release(view);
            return 0;
        }
        return 1;
    }

    static Py_ssize_t safepickle_nodes_size(
        PyObject *nodes, Py_ssize_t count, Py_ssize_t left, Py_ssize_t right, Py_ssize_t feature, Py_ssize_t features,
        Py_ssize_t depth
    ) {
        Py_buffer view;
        Py_ssize_t place, width, weight = -1;
        /* How far below the first one each node is. */
        Py_ssize_t *levels;
        const char *item;
        int found = safepickle_view_items(nodes, &view, 1);
        if (found <= 0) {
            return found < 0 ? -2 : -1;
        }
        width = view.itemsize;
        levels = view.shape[0] == count ? (Py_ssize_t *)PyMem_Calloc((size_t)count + 1, sizeof(Py_ssize_t)) : NULL;
        if (levels == NULL && view.shape[0] == count) {
            PyBuffer_Release(&view);
            PyErr_NoMemory();
            return -2;
        }
        if (levels != NULL && width >= 8 && view.len == count * width
            && left >= 0 && right >= 0 && feature >= 0
            && left <= width - 8 && right <= width - 8 && feature <= width - 8) {
            item = (const char *)view.buf;
            for (place = 0; place < count; place++, item += width) {
                long long one, other, asked;
                memcpy(&one, item + left, 8);
                memcpy(&other, item + right, 8);
                if (one == -1) {
                    if (other != -1) {
                        break;
                    }
                    continue;
                }
                memcpy(&asked, item + feature, 8);
                if (one <= place || one >= count || other <= place || other >= count
                    || asked < 0 || asked >= features || levels[place] >= depth) {
                    break;
                }
                if (levels[one] <= levels[place]) {
                    levels[one] = levels[place] + 1;
                }
                if (levels[other] <= levels[place]) {
                    levels[other] = levels[place] + 1;
                }
            }
            if (place == count) {
                weight = view.len;
            }
        }
        PyMem_Free(levels);
        PyBuffer_Release(&view);
        return weight;
    }

    static Py_ssize_t safepickle_values_size(
        PyObject *values, Py_ssize_t count, Py_ssize_t outputs, Py_ssize_t classes
    ) {
        Py_buffer view;
        Py_ssize_t weight = -1;
        int found = safepickle_view_items(values, &view, 3);
        if (found <= 0) {
            return found < 0 ? -2 : -1;
        }
        if (view.shape[0] == count && view.shape[1] == outputs && view.shape[2] == classes) {
            weight = view.len;
        }
        PyBuffer_Release(&view);
        return weight;
    }

    static int safepickle_numbers_lie_within(PyObject *numbers, Py_ssize_t count, long long low, long long high) {
        Py_buffer view;
        Py_ssize_t place = 0;
        int found = safepickle_view_items(numbers, &view, 1);
        if (found <= 0) {
            return found;
        }
        found = view.shape[0] == count && view.itemsize == 8 && view.len == 8 * count;
        for (; found && place < count; place++) {
            long long number;
            memcpy(&number, (const char *)view.buf + 8 * place, 8);
            found = number >= low && number <= high;
        }
        PyBuffer_Release(&view);
        return found;
    }
    """
    bint plain_names "safepickle_attribute_names"(dict state, Py_ssize_t longest)
    Py_ssize_t nodes_size "safepickle_nodes_size"(
        object nodes, Py_ssize_t count, Py_ssize_t left, Py_ssize_t right, Py_ssize_t feature, Py_ssize_t features,
        Py_ssize_t depth
    ) except -2
    Py_ssize_t values_size "safepickle_values_size"(
        object values, Py_ssize_t count, Py_ssize_t outputs, Py_ssize_t classes
    ) except -2
    bint numbers_lie_within "safepickle_numbers_lie_within"(
        object numbers, Py_ssize_t count, long long low, long long high
    ) except -1

cdef extern from "Python.h":
    object generic_getattr "PyObject_GenericGetAttr"(object obj, object name)

cdef int TREE, ESTIMATOR, FOREST, _WIDTH
cdef Py_ssize_t _MOST_ATTRIBUTES, _LONGEST_NAME
cdef tuple _LOOKED_AT
cdef long long _MOST
cdef dict _STATES, _MODULES
cdef object _TREE_CALL

cpdef int usual_estimator(object contract) except -1
cpdef bint usual_tree(object contract) except -1
cpdef Py_ssize_t weigh_tree_call(tuple args) except -1
cpdef bint keeps_dtypes(int which) noexcept

@cython.final
cdef class UsualModels(UsualFrames):
    cdef object tree, estimator

    cpdef bint fits_call(self, tuple args) except -1
    cpdef Py_ssize_t weigh_state(self, int which, object obj, object state) except -2
    @cython.locals(count=Py_ssize_t)
    cpdef Py_ssize_t members(self, int which, object state) except -1
    cpdef bint has_state(self, int which, object obj) except -1
    cdef bint _is_tree(self, object obj) except -1
    @cython.locals(weight=Py_ssize_t, more=Py_ssize_t, depth=Py_ssize_t, one=tuple, other=tuple, asked=tuple)
    cdef Py_ssize_t _weigh_tree(self, object obj, dict state) except -2
    cdef bint _fits_estimator(self, dict state) except -1
    @cython.locals(fields=object)
    cdef bint _fits_forest(self, dict state) except -1

cdef bint _is_int(object dtype) except -1
