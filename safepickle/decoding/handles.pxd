cimport cython
from safepickle.decoding.guarding cimport RuleGuards
from safepickle.wire.lists cimport drop, push

cdef Py_ssize_t FEW_NAMED

@cython.final
cdef class Facts:
    cdef readonly object reference, contract
    cdef readonly unsigned int version
    cdef public bint is_class, keeps_data, is_sized_up, is_atom, makes_plainly, makes_bare
    cdef public long long cost
    cdef public int sized, usual
    cdef public object sizer, shape

@cython.final
cdef class Known:
    cdef readonly str module, name
    cdef readonly int rights
    cdef readonly tuple pair
    cdef readonly bint accept_gadget, is_plain
    cdef public object emulation
    cdef public RuleGuards guards
    cdef readonly object contract
    cdef public Facts facts

# Each load makes some, and lets them go when it ends.
@cython.final
@cython.freelist(8)
cdef class GlobalHandle:
    cdef readonly str module
    cdef readonly str name
    cdef public int rights, sized, usual, form
    cdef public object target, emulation, registered, sizer, shape
    cdef public RuleGuards guards
    cdef public Known known
    cdef public Facts facts
    cdef public object contract
    cdef public bint is_settled, makes_plainly, makes_bare, is_atom, resolved, is_class, listed, accept_gadget, noted
    cdef public bint keeps_data
    cdef public long long cost, usual_size
    cdef public dict missing

    cdef int begin(self, str module, str name, int rights) except -1

# Leaves alone are in it: the collector need not know.
@cython.final
@cython.no_gc
@cython.freelist(8)
cdef class Held:
    cdef tuple items
    cdef Held slots
    cdef object made

    cpdef state(self)

cdef Held HELD_BYTES, HELD_ARGUMENTS, HELD_TUPLE

@cython.locals(held=Held, place=Py_ssize_t)
cpdef held_at(list memo, Py_ssize_t index)
@cython.locals(index=Py_ssize_t)
cpdef int make_held(list memo) except -1

@cython.final
cdef class Named:
    cdef readonly list handles, makers
    cdef dict by_pair, by_class

    @cython.locals(handle=GlobalHandle, module=str, name=str)
    cdef GlobalHandle find(self, tuple pair)
    @cython.locals(known=GlobalHandle)
    cdef int add(self, tuple pair, GlobalHandle handle) except -1
    @cython.locals(handle=GlobalHandle, entry=tuple)
    cdef GlobalHandle maker(self, object kind)
    @cython.locals(known=GlobalHandle)
    cdef int register(self, GlobalHandle handle, object kind) except -1
    cdef int let_go(self) except -1

@cython.final
cdef class HeldTuple:
    cdef readonly tuple items
    cdef public object value

@cython.final
cdef class Inert:
    cdef readonly object handle
