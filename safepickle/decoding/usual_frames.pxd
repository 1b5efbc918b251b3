cimport cython

cdef extern from *:
    """
    #define SAFEPICKLE_CODES(type) { \
        const type *items = (const type *) view.buf; \
        for (place = 0; place < size; place++) { \
            within &= items[place] >= -1 && items[place] < count; \
        } \
    }

    static int safepickle_codes_lie_within(PyObject *codes, Py_ssize_t count) {
        Py_buffer view;
        Py_ssize_t place, size;
        int within = 1;
        if (PyObject_GetBuffer(codes, &view, PyBUF_ND) < 0) {
            if (PyErr_ExceptionMatches(PyExc_MemoryError)) {
                return -1;
            }
            PyErr_Clear();
            return 0;
        }
        size = view.itemsize > 0 ? view.len / view.itemsize : 0;
        if (view.ndim < 1 || view.ndim > 2) {
            within = 0;
        } else if (view.itemsize == 1) {
            SAFEPICKLE_CODES(signed char)
        } else if (view.itemsize == 2) {
            SAFEPICKLE_CODES(short)
        } else if (view.itemsize == 4) {
            SAFEPICKLE_CODES(int)
        } else if (view.itemsize == 8) {
            SAFEPICKLE_CODES(long long)
        } else {
            within = 0;
        }
        PyBuffer_Release(&view);
        return within;
    }

    #define safepickle_frames_subtype(kind, base) PyType_IsSubtype((PyTypeObject *) (kind), (PyTypeObject *) (base))
    """
    bint codes_lie_within "safepickle_codes_lie_within"(object codes, Py_ssize_t count) except -1
    bint is_subtype "safepickle_frames_subtype"(object kind, object base) noexcept

cdef extern from "Python.h":
    object generic_getattr "PyObject_GenericGetAttr"(object obj, object name)

cdef int BACKED_CALL, INDEX_CALL, BACKED, CATEGORIES, FRAME
cdef object _BACKED_CALL, _INDEX_CALL
cdef dict _MODULES
cdef object _FARTHEST
cdef frozenset _INDEX_FIELDS, _BACKED_FIELDS, _FRAME_FIELDS

cpdef int usual_frame_call(object contract) except -1

cdef class UsualFrames:
    cdef object ndarray, index, levels, periods, intervals, categorical, categories, manager, backed

    cdef bint _knows_pandas(self) except -1
    cpdef bint fits_frame_call(self, int which, tuple args) except -1
    cpdef bint fits_frame_state(self, int which, object obj, object state) except -1
    cpdef Py_ssize_t weigh_frame_state(self, int which, object obj, object state) except -2
    cpdef bint has_frame_state(self, int which, object obj) except -1
    @cython.locals(count=Py_ssize_t)
    cdef bint _fits_backed(self, object obj, tuple state) except -1

cdef bint _is_bound(object number) except -1
cdef bint _has_only(dict fields, frozenset names) except -1
