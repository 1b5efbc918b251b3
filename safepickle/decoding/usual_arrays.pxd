cimport cython

from safepickle.wire.memo cimport identity

cdef extern from *:
    """
    static Py_ssize_t safepickle_buffer_size(PyObject *buffer) {
        /* As memoryview asks, but for the format of the items. */
        Py_buffer view;
        Py_ssize_t size;
        if (PyObject_GetBuffer(buffer, &view, PyBUF_INDIRECT) < 0) {
            return -1;
        }
        size = view.len;
        PyBuffer_Release(&view);
        return size;
    }

    /* Without asking the class of the class. Both are types. */
    #define safepickle_is_subtype(kind, base) PyType_IsSubtype((PyTypeObject *) (kind), (PyTypeObject *) (base))
    """
    bint is_subtype "safepickle_is_subtype"(object kind, object base) noexcept
    Py_ssize_t buffer_size "safepickle_buffer_size"(object buffer) except -1

cdef int BUFFER, SCALAR, ARRAY, DTYPE, _OF_OBJECTS, _OF_RECORDS
cdef long long _LARGEST, _MOST_UNITS, _LARGEST_RECORD, _MOST_ALIGNED
cdef Py_ssize_t _MOST_DIMENSIONS, _MOST_DIGITS, _MOST_FIELDS, _MOST_KNOWN
cdef dict _CALLS
cdef tuple _seen
cdef frozenset _CODES, _UNITS
cdef str _PLAIN, _SIZED_CODES, _WITHOUT_ORDER

@cython.locals(found=cython.int)
cpdef int usual_call(str module, str name, object target) except -1
@cython.locals(found=cython.int)
cpdef int usual_state(str module, str name, object kind) except -1

@cython.final
cdef class UsualArrays:
    cdef readonly object ndarray
    cdef readonly object empty
    cdef readonly object dtypes
    cdef object generic, from_buffer, dtype, waiting
    cdef dict copied
    cdef long long item_size, number_size
    cdef bint has_objects

    cpdef int forget(self) except -1
    cpdef bint fits(self, int which, tuple args) except -1
    cpdef bint fits_now(self, int which, tuple args) except -1
    cpdef bint is_plain(self, object dtype, object shape) except -1
    cpdef Py_ssize_t plain_size(self, object dtype) except -2
    @cython.locals(known=tuple, width=cython.longlong)
    cpdef bint may_be_filled(self, object dtype, long long count, long long size) except -1
    @cython.locals(char=str)
    cdef Py_ssize_t _copied_size(self, object dtype) except -2
    cpdef bint may_give(self, int which, object obj, object state) except -1
    @cython.locals(size=cython.longlong, count=cython.longlong)
    cdef bint _fits_buffer(self, tuple args) except -1
    @cython.locals(size=cython.longlong)
    cdef bint _is_sized(self, object dtype) except -1
    cpdef Py_ssize_t weigh_call(self, int which) except -1
    @cython.locals(shape=tuple)
    cpdef call(self, int which, object target, tuple args)
    cpdef bint is_made_by(self, int which, object kind) except -1
    cpdef Py_ssize_t weigh_state(self, int which, object obj, object state) except -2
    cdef bint _fits_array(self, object array, tuple state) except -1
    @cython.locals(count=cython.longlong)
    cdef bint _describes_array(self, tuple state) except -1
    cdef bint _has_waiting(self, list items) except -1
    cdef bint _fits_dtype(self, object dtype, tuple state) except -1
    @cython.locals(char=str, order=str, count=Py_ssize_t)
    cdef bint _describes_dtype(self, object dtype, tuple state) except -1
    @cython.locals(names=tuple, fields=dict, size=cython.longlong)
    cdef bint _describes_record(self, object dtype, tuple state) except -1
    @cython.locals(char=str)
    cdef bint _is_number(self, object dtype) except -1

cdef Py_ssize_t _weight(object data) except -1
cdef Py_ssize_t _size_of(object buffer) except -2
@cython.locals(count=cython.longlong, size=cython.longlong)
cdef Py_ssize_t _count(object shape) except -2
cdef bint _is_empty(object shape) except -1
cdef bint _is_code(object code) except -1
@cython.locals(count=Py_ssize_t)
cdef bint _is_sized_code(str code) except -1
@cython.locals(unit=tuple)
cdef bint _is_unit(object metadata) except -1
cdef bint _is_count(object number) except -1
