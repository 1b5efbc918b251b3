cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.refusals cimport Refusals
from safepickle.wire.memo cimport Memo, new_memo

cdef extern from *:
    """
    static long long *safepickle_more_numbers(long long *numbers, long long *few, Py_ssize_t room) {
        /* Room grows to 2 * room + 16, and the new part is zero. */
        size_t size = (2 * (size_t)room + 16) * sizeof(long long);
        long long *more = (long long *)PyMem_Realloc(numbers == few ? NULL : numbers, size);
        if (more == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        if (numbers == few) {
            memcpy(more, few, (size_t)room * sizeof(long long));
        }
        memset(more + room, 0, size - (size_t)room * sizeof(long long));
        return more;
    }
    static void safepickle_no_numbers(long long *numbers, Py_ssize_t count) {
        memset(numbers, 0, (size_t)count * sizeof(long long));
    }
    static void safepickle_free_numbers(long long *numbers, long long *few) {
        if (numbers != few) {
            PyMem_Free(numbers);
        }
    }
    """
    long long *more_numbers "safepickle_more_numbers"(long long *numbers, long long *few, Py_ssize_t room) except NULL
    void no_numbers "safepickle_no_numbers"(long long *numbers, Py_ssize_t count)
    void free_numbers "safepickle_free_numbers"(long long *numbers, long long *few)

cdef Py_ssize_t SATURATED, _FEW, _STEP
cdef frozenset _PLAIN, _LEAVES

@cython.final
@cython.freelist(8)
cdef class Nesting:
    cdef readonly Py_ssize_t max_depth, bottom_height, waiting_bound, mark_bound
    cdef public Py_ssize_t unsure, unsure_bound
    cdef bint shared
    cdef readonly Py_ssize_t top, count, cell_count, inner_cells
    cdef Py_ssize_t room, cell_room, memo_room
    cdef long long[32] few_heights, few_cells, few_depths, few_memo
    cdef long long *heights
    cdef long long *cells
    cdef long long *depths
    cdef long long *memo
    cdef dict sparse

    cpdef open_nesting(self, Py_ssize_t max_depth)
    cdef void _free(self) noexcept
    cdef int _make_room(self) except -1
    cpdef refuse(self, Py_ssize_t asked)
    cdef Py_ssize_t _too_deep(self, Py_ssize_t depth) except -1
    cpdef int opened(self, Py_ssize_t height, Py_ssize_t depth) except -1
    @cython.locals(deepest=Py_ssize_t, depth=Py_ssize_t, cell=cython.longlong, first=Py_ssize_t)
    cpdef Py_ssize_t absorb(self, Py_ssize_t height) except -1
    @cython.locals(cell=cython.longlong, present=cython.longlong, depth=Py_ssize_t)
    cpdef int join(self, Py_ssize_t height) except -1
    @cython.locals(cell=cython.longlong)
    cpdef int remember(self, Py_ssize_t index) except -1
    @cython.locals(cell=cython.longlong)
    cpdef int recall(self, Py_ssize_t height, Py_ssize_t index) except -1
    cpdef int duplicate(self, Py_ssize_t height) except -1
    cpdef bint may_be_deep(self) except -1
    cpdef take_over(self, Nesting inner, Py_ssize_t height)
    cdef int _alias(self, Py_ssize_t height, long long cell) except -1

@cython.locals(
    budget=Budget, known=Memo, depths=list, opened=list, frame=list, above=list, left=list, parts=list, index=Py_ssize_t,
    deepest=Py_ssize_t,
)
cpdef measure(object value, Py_ssize_t bound, Refusals refusals)
@cython.locals(found=list)
cdef list _parts(object obj, Refusals refusals)
