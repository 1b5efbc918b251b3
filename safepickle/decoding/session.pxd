cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.gates cimport Gate
from safepickle.decoding.machine cimport Machine
from safepickle.decoding.open_gate cimport OpenGate

cdef Py_ssize_t _SHORT
cdef dict _idle
cdef Budget _unspent

@cython.locals(budget=Budget, gate=Gate, machine=Machine, is_open=bint)
cpdef Machine open_machine(
    bytes data, object source, object policy, object limits, object find_class, object persistent_load,
    object fix_imports, object encoding, object errors, object buffers, bint inert,
)
cpdef run(Machine machine)
@cython.locals(machine=Machine)
cdef Machine _take(bint is_open)
@cython.locals(gate=Gate)
cdef _put_away(Machine machine)
@cython.locals(unspent=Budget)
cdef Budget _budget(object limits)
@cython.locals(size=Py_ssize_t)
cpdef run_whole(Machine machine)
cpdef bytes_of(object data)
