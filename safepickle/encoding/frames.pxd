cimport cython
from cpython.dict cimport PyDict_Next
from cpython.object cimport PyObject

from safepickle.wire.memo cimport Memo
from safepickle.wire.output cimport Bounds
from safepickle.wire.writing cimport Writer

cdef Py_ssize_t _INTERVAL, _FIRST_SEARCH
cdef int _SIMPLE
cdef Py_ssize_t _MOST_FRAMES

@cython.final
@cython.no_gc
cdef class Frame:
    cdef readonly object obj, items, iterator, key, value
    cdef readonly Py_ssize_t index, stop, end, owners, stage
    cdef readonly int kind, closer, single, many, again
    cdef readonly bint shared, fresh
    cdef Py_ssize_t table_position

    cdef int clear(self) except -1

cdef extern from "Python.h":
    Py_ssize_t PyDict_GET_SIZE(object mapping)

cdef inline bint dict_step(Frame frame) except -1:
    # PyDict_Next stays inside the dict whatever happened to it; what it lends is kept alive at once.
    cdef PyObject *key
    cdef PyObject *value
    if PyDict_GET_SIZE(frame.obj) != frame.end or not PyDict_Next(frame.obj, &frame.table_position, &key, &value):
        return False
    frame.key = <object>key
    frame.value = <object>value
    return True

@cython.no_gc
cdef class Stack:
    cdef readonly int protocol
    cdef readonly bint binary, guarded
    cdef bint sparing, checks_keys
    cdef object guard
    cdef readonly Bounds bounds
    cdef Memo memo
    cdef long long max_items, max_depth
    cdef long long objects, calls, opcodes, next_look
    cdef double started
    cdef list frames
    cdef Frame top
    cdef Py_ssize_t depth, extra, next_search
    cdef object current
    cdef str doing
    cdef Writer out

    cdef int equip(self) except -1
    cdef int begin_counting(self) except -1
    cdef int begin_stack(self, int protocol, Bounds bounds, Memo memo, bint guarded, bint sparing) except -1
    cdef int check(self, long long items, long long levels) except -1
    @cython.locals(bounds=Bounds, now=cython.double, seconds=cython.double)
    cdef int look(self) except -1
    @cython.locals(opcodes=cython.longlong)
    cdef int check_counts(self) except -1
    cpdef int count_call(self) except -1
    cpdef int count_object(self, long long items) except -1
    cdef int ends_sparing(self) except -1
    cdef int start_over(self) except -1
    @cython.locals(frame=Frame, depth=Py_ssize_t)
    cdef Frame push(self, int kind, obj, items, Py_ssize_t index, Py_ssize_t end)
    @cython.locals(frame=Frame)
    cdef int pop(self) except -1
    cdef bint let_go(self) except -1
    cdef int release(self) except -1
    @cython.locals(depth=Py_ssize_t, again=Py_ssize_t, seen=dict, frame=Frame)
    cdef int search(self) except -1
    cpdef str place(self)
    cdef int locate(self, error) except -1

cdef inline int enter(Stack stack, long long items, long long levels) except -1:
    stack.objects += 1
    stack.opcodes += items + 3
    if (
        stack.objects >= stack.next_look or items > stack.max_items
        or levels + stack.depth + stack.extra > stack.max_depth
    ):
        return stack.check(items, levels)
    return 0
