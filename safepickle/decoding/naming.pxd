cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.guarding cimport RuleGuards
from safepickle.decoding.handles cimport Facts, GlobalHandle, HeldTuple, Inert, Known
from safepickle.decoding.resolving cimport found_in, import_global, refers_to, traits_of, version_of
from safepickle.decoding.usual_arrays cimport usual_call
from safepickle.decoding.refusals cimport Refusals

cdef int REFER, ALL_RIGHTS

cdef class Naming(Refusals):
    cdef object find_class
    cdef bint fix_imports
    cdef readonly bint handles_seen
    cdef public bint in_hook
    cdef dict shapes
    cdef readonly list guarded
    cdef dict kept, kept_names

    cpdef int open_naming(self, object policy, Budget budget, object find_class, bint fix_imports, bint inert) except -1
    @cython.locals(handle=GlobalHandle, known=Known, names=dict)
    cpdef find(self, object module, object name, int protocol)
    @cython.locals(handle=GlobalHandle, pair=tuple)
    cpdef lookup(self, str module, str name)
    cdef int _pay_for_name(self, str module, str name) except -1
    cpdef _keep(self, GlobalHandle handle, object rule)
    @cython.locals(handle=GlobalHandle)
    cpdef GlobalHandle _make_known(self, Known known)
    cpdef int _note_guarded(self, GlobalHandle handle) except -1
    @cython.locals(known=Known, facts=Facts)
    cpdef _settle(self, GlobalHandle handle, object target)
    @cython.locals(handle=GlobalHandle)
    cdef int recheck(self) except -1
    cpdef int _guard(self, GlobalHandle handle, object rule) except -1
    cpdef GlobalHandle make_handle(self, str module, str name)
    cpdef extension(self, object code, int protocol)
    @cython.locals(known=Known, whole=bint)
    cpdef resolve(self, GlobalHandle handle)
    cpdef adopt_foreign(self, object obj)
    cpdef value(self, object obj)
    @cython.locals(index=Py_ssize_t)
    cpdef list values(self, list items)
    @cython.locals(held=bint)
    cpdef tuple_of(self, tuple items)
