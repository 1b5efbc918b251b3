cimport cython
from safepickle.decoding.adopting cimport Adopting
from safepickle.decoding.handles cimport GlobalHandle, Inert
from safepickle.decoding.resolving cimport found_on

cdef int APPEND, SETITEM, ADD, _GIVEN, _LOOK, _WITHIN
cdef object _ORDERED, _DEFAULT, _COUNTER, _DEQUE, _UNKNOWN, _FACTORY_OF

cdef class Receiving(Adopting):
    cpdef append(self, object obj, list items)
    @cython.locals(index=Py_ssize_t)
    cpdef set_items(self, object obj, list items)
    cpdef add_items(self, object obj, list items)
    @cython.locals(handle=GlobalHandle)
    cpdef bint _may_receive(self, object obj, int right) except -1
    cdef int _received(self, object obj, object was, object factory) except -1
    cdef int check_factory(self, object obj) except -1
    @cython.locals(present=Py_ssize_t, entry=tuple, is_known=bint)
    cpdef int count_items(self, object obj, Py_ssize_t added, Py_ssize_t amount) except -1
    cpdef object _container_of(self, object obj)
    cpdef bint _is_lent(self, object obj) except -1

cdef bint _has_length(object kind) except -1
cdef object _factory_of(object obj)
cdef object _inner(object obj)
