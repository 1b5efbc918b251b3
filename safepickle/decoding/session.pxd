cimport cython
from safepickle._gc_pause cimport enter, leave
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.gates cimport Gate
from safepickle.decoding.handles cimport HeldTuple
from safepickle.decoding.machine cimport Machine
from safepickle.decoding.open_gate cimport OpenGate
from safepickle.wire.lists cimport pop, push

cdef Py_ssize_t _SHORT
cdef list _idle
cdef str _ENCODING, _ERRORS
cdef Budget _unspent

@cython.locals(budget=Budget, gate=Gate, machine=Machine, is_open=bint)
cpdef Machine open_machine(
    bytes data, object source, object policy, object limits, object find_class, object persistent_load,
    object fix_imports, object encoding, object errors, object buffers, bint inert, Machine machine=*
)
cpdef run(Machine machine)
cdef Machine _take()
@cython.locals(gate=Gate, unspent=Budget)
cdef int _put_away(Machine machine, object policy, object limits, bint is_usual) except -1
@cython.locals(unspent=Budget)
cdef Budget _budget(object limits)
@cython.locals(size=Py_ssize_t)
cpdef run_whole(Machine machine)
cpdef bytes_of(object data)
