cimport cython

cdef extern from *:
    """
    static long long *safepickle_more_numbers(long long *numbers, Py_ssize_t room) {
        /* Room grows to 2 * room + 16, and the new part is zero. */
        size_t size = (2 * (size_t)room + 16) * sizeof(long long);
        long long *more = (long long *)PyMem_Realloc(numbers, size);
        if (more == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        memset(more + room, 0, size - (size_t)room * sizeof(long long));
        return more;
    }
    """
    long long *more_numbers "safepickle_more_numbers"(long long *numbers, Py_ssize_t room) except NULL
    void free_numbers "PyMem_Free"(void *numbers)

cdef Py_ssize_t SATURATED

@cython.final
@cython.freelist(8)
cdef class Nesting:
    cdef readonly Py_ssize_t max_depth, bottom_height, waiting_bound, mark_bound
    cdef public Py_ssize_t unsure, unsure_bound
    cdef bint shared
    cdef readonly Py_ssize_t top, count, cell_count
    cdef Py_ssize_t room, cell_room, memo_room
    cdef long long *heights
    cdef long long *cells
    cdef long long *depths
    cdef long long *memo
    cdef dict sparse

    cpdef open_nesting(self, Py_ssize_t max_depth)
    cdef _make_room(self)
    cpdef refuse(self, Py_ssize_t asked)
    cdef Py_ssize_t _too_deep(self, Py_ssize_t depth) except -1
    cpdef opened(self, Py_ssize_t height, Py_ssize_t depth)
    @cython.locals(deepest=Py_ssize_t, depth=Py_ssize_t, cell=cython.longlong, first=Py_ssize_t)
    cpdef Py_ssize_t absorb(self, Py_ssize_t height) except -1
    @cython.locals(cell=cython.longlong, present=cython.longlong, deepest=Py_ssize_t, depth=Py_ssize_t)
    cpdef join(self, Py_ssize_t height)
    @cython.locals(cell=cython.longlong)
    cpdef remember(self, Py_ssize_t index)
    @cython.locals(cell=cython.longlong)
    cpdef recall(self, Py_ssize_t height, Py_ssize_t index)
    cpdef duplicate(self, Py_ssize_t height)
    cdef _alias(self, Py_ssize_t height, long long cell)
