cimport cython

cdef extern from *:
    """
    #ifndef _WIN32
    #include <time.h>
    #endif

    /* What time.monotonic() returns, where that can be had without Python; nothing but differences of it is used. */
    static double safepickle_monotonic(void) {
        PyObject *module, *now;
        double seconds;
    #if !defined(_WIN32) && defined(CLOCK_MONOTONIC)
        struct timespec shown;
        if (clock_gettime(CLOCK_MONOTONIC, &shown) == 0) {
            return (double)shown.tv_sec + 1e-9 * (double)shown.tv_nsec;
        }
    #endif
        if ((module = PyImport_ImportModule("time")) == NULL) {
            return -1.0;
        }
        now = PyObject_CallMethod(module, "monotonic", NULL);
        Py_DECREF(module);
        if (now == NULL) {
            return -1.0;
        }
        seconds = PyFloat_AsDouble(now);
        Py_DECREF(now);
        return seconds;
    }
    """
    double monotonic "safepickle_monotonic"() except? -1.0

cdef Py_ssize_t SLICE, LEAF_BYTES

@cython.final
@cython.freelist(8)
cdef class Budget:
    cdef public object limits
    cdef readonly Py_ssize_t max_bytes, max_depth, max_items, max_string, max_int_bits, max_memo
    cdef public Py_ssize_t memory_left, objects_left, opcodes_left, calls_left, hash_work_left, since_clock
    cdef public double deadline
    cdef readonly double seconds
    cdef readonly bint bounds_hashing

    @cython.locals(budget=Budget)
    cpdef Budget renewed(self)
    cpdef int restore(self, Budget unspent) except -1
    cpdef int refuse(self, str limit, Py_ssize_t asked) except -1
    cpdef int overdrawn(self, str limit, Py_ssize_t left, Py_ssize_t asked) except -1
    @cython.locals(steps=Py_ssize_t)
    cpdef Py_ssize_t next_slice(self, Py_ssize_t used) except -1
    cpdef int look_at_clock(self) except -1
    cpdef int look_ahead(self, double seconds) except -1
    cpdef int called(self) except -1
    cpdef int take_memory(self, Py_ssize_t amount) except -1
    cpdef int take_object(self, Py_ssize_t amount) except -1
    cpdef int take_string(self, Py_ssize_t length, Py_ssize_t amount) except -1
    cpdef int take_int(self, Py_ssize_t length) except -1
    cpdef int take_items(self, Py_ssize_t present, Py_ssize_t added, Py_ssize_t amount) except -1
    cpdef int take_call(self) except -1
    cpdef int take_made(self, Py_ssize_t amount) except -1
    cpdef int take_hash_work(self, Py_ssize_t amount) except -1
