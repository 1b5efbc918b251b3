cimport cython
from safepickle.decoding.guarding cimport RuleGuards

@cython.final
cdef class GlobalHandle:
    cdef readonly str module
    cdef readonly str name
    cdef public int rights, sized
    cdef public object target, emulation, registered, sizer
    cdef public RuleGuards guards
    cdef readonly object contract, quick, quick_type
    cdef public bint resolved, is_class, listed, accept_gadget, noted
    cdef public long long cost
    cdef public dict missing

    cpdef hold_to(self, object contract)

@cython.final
cdef class HeldTuple:
    cdef readonly tuple items
    cdef public object value

@cython.final
cdef class Inert:
    cdef readonly object handle
