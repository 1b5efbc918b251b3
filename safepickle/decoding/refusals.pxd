from safepickle.decoding.budget cimport Budget
from safepickle.decoding.handles cimport GlobalHandle, HeldTuple, Named

cdef class Refusals:
    cdef readonly object policy
    cdef readonly Budget budget
    cdef readonly bint inert
    cdef readonly list denied
    cdef readonly Named named
    cdef dict made
    cdef public int opcode
    cdef public long long position

    cpdef int equip(self) except -1
    cpdef int open_refusals(self, object policy, Budget budget, bint inert) except -1
    cpdef int deny(self, GlobalHandle handle, int right, str reason) except -1
    cpdef _go_inert(self, GlobalHandle handle)
    cpdef bint require(self, GlobalHandle handle, int right) except -1
    cpdef owner(self, object obj)
    cpdef bint is_foreign(self, object obj) except -1
    cpdef int disown(self, object obj, int right) except -1
