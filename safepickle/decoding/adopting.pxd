cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.handles cimport GlobalHandle
from safepickle.decoding.hashing cimport KeyGuard
from safepickle.decoding.naming cimport Naming
from safepickle.decoding.resolving cimport size_by, sizer_of

cdef int READS, SIZES, HASHES, FEW

cdef class Adopting(Naming):
    cdef readonly KeyGuard keys
    cdef readonly bint foreign, lent
    cdef dict filled

    cpdef equip(self)
    cpdef let_go(self)
    cpdef open_adopting(self, Budget budget)
    cpdef look_through(self, Py_ssize_t count)
    @cython.locals(count=Py_ssize_t)
    cdef _take_copies(self, tuple parts)
    cpdef _adopt(self, GlobalHandle handle, object result)
    cdef _is_from_elsewhere(self, object kind)
    cpdef adopt_foreign(self, object obj)
