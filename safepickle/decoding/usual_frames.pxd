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

cdef int BACKED_CALL, INDEX_CALL, BLOCK_CALL, MANAGER_CALL, BACKED, CATEGORIES, FRAME, COLUMN
cdef object _BACKED_CALL, _INDEX_CALL, _BLOCK_CALL, _MANAGER_CALL
cdef dict _MODULES
cdef object _FARTHEST
cdef long long _MOST_PLACES, _READ
cdef frozenset _INDEX_FIELDS, _BACKED_FIELDS, _FRAME_FIELDS, _TIMES, _SPANS

cpdef int usual_frame_call(object contract) except -1

cdef class UsualFrames:
    cdef object dtypes, times, spans, texts, zoned, texts_dtype
    cdef tuple blocks, columns
    cdef object ndarray, index, levels, periods, intervals, categorical, categories, manager, backed

    cdef bint _knows_pandas(self) except -1
    cpdef bint fits_frame_call(self, int which, tuple args) except -1
    cdef bint _is_ready(self, object data) except -1
    @cython.locals(fields=dict)
    cpdef Py_ssize_t weigh_frame_call(self, int which, tuple args) except -2
    @cython.locals(kind=str, size=Py_ssize_t)
    cdef Py_ssize_t _made_anew(self, object array) except -2
    @cython.locals(start=cython.longlong, stop=cython.longlong, step=cython.longlong)
    cdef bint _fits_block(self, tuple args) except -1
    @cython.locals(width=Py_ssize_t, count=Py_ssize_t, start=cython.longlong, step=cython.longlong)
    cdef bint _fits_manager(self, tuple args) except -1
    cdef bint _is_own_block(self, object kind) noexcept
    cpdef bint fits_frame_state(self, int which, object obj, object state) except -1
    @cython.locals(size=Py_ssize_t)
    cpdef Py_ssize_t weigh_frame_state(self, int which, object obj, object state) except -2
    cpdef bint has_frame_state(self, int which, object obj) except -1
    @cython.locals(count=Py_ssize_t)
    cdef bint _fits_backed(self, object obj, tuple state) except -1
    cdef bint _holds(self, object kind, object held, object dtype) except -1

cdef bint _is_plain_name(object name) except -1
cdef bint _is_bound(object number) except -1
cdef bint _has_only(dict fields, frozenset names) except -1
