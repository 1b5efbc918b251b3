cimport cython

@cython.final
cdef class GlobalHandle:
    cdef readonly str module
    cdef readonly str name
    cdef public int rights, sized
    cdef public object target, emulation, contract, registered
    cdef public bint resolved, is_class, listed, accept_gadget, noted
    cdef public long long cost
    cdef public dict missing

@cython.final
cdef class HeldTuple:
    cdef readonly tuple items
    cdef public object value

@cython.final
cdef class Inert:
    cdef readonly object handle
