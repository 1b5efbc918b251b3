cimport cython

from safepickle.decoding.resolving cimport flags_of, found_on
from safepickle.encoding.conforming cimport made_by
from safepickle.encoding.granting cimport WriteGate

cdef object _MISSING, _OWN_REDUCERS
cdef tuple _USUAL_METHODS
cdef unsigned long long _HEAP_TYPE, _IMMUTABLE_TYPE
cdef tuple _HOOKS

cpdef reduce_method(obj, kind)
cpdef refuse_hooks(obj)
cdef bint has_hooks(dict fields) except -1
cpdef bint is_trusted(kind) except -1
cpdef bint is_usual_class(kind, int protocol) except -1
cpdef slot_members(kind)
cpdef bint confirms_usual_class(obj, kind, reduced) except -1
cdef bint _confirms_state(obj, kind, state) except -1
cpdef bint runs_own_code(reducer) except -1
@cython.locals(steps=list, gate=WriteGate)
cpdef list script_of(encoder, obj, reduced, reducer)
@cython.locals(count=Py_ssize_t)
cdef tuple _parts(reduced, reducer)
cdef str _name(reducer)
cdef list _call_script(encoder, obj, func, args)
cdef _newobj_class(obj, args)
cpdef tuple find_global(obj, name, bint strict)
cdef _own_name(obj)
cpdef attribute_of(target, str name, bint strict)
cdef _module_of(obj, name)
