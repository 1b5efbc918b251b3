cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.door cimport Door
from safepickle.decoding.gates cimport Gate
from safepickle.decoding.handles cimport GlobalHandle, Known
from safepickle.decoding.nesting cimport Nesting
from safepickle.decoding.usual_arrays cimport DTYPE, UsualArrays
from safepickle.decoding.usual_forms cimport DtypeForm, form_by_code
from safepickle.wire.lists cimport push
from safepickle.wire.reading cimport memo_index, utf8

cdef int BUILD, CALL
cdef Py_ssize_t _FEWEST, _FIXED, _ORDER, _ENTRY, _ADOPTED, _SPARE

cdef class Dtypes(Door):
    # Opcodes of what was made last of the bytes to come, but for the first.
    cdef Py_ssize_t taken

    @cython.locals(handle=GlobalHandle, known=Known, position=Py_ssize_t, place=Py_ssize_t, memo=list)
    cdef Py_ssize_t describe_named(self, Py_ssize_t done, Py_ssize_t room) except -1
    @cython.locals(
        data=bytes, end=Py_ssize_t, gate=Gate, arrays=UsualArrays, form=DtypeForm, place=Py_ssize_t, index=Py_ssize_t,
        known=Py_ssize_t, length=Py_ssize_t, notes=Py_ssize_t, cost=Py_ssize_t, order=str, budget=Budget,
        nesting=Nesting, height=Py_ssize_t, noted_code=bint, noted_args=bint, noted_result=bint, noted_order=bint,
        noted_state=bint,
    )
    cdef Py_ssize_t describe(
        self, GlobalHandle handle, list stack, list memo, Py_ssize_t position, Py_ssize_t base, Py_ssize_t done,
        Py_ssize_t room
    ) except -1
    @cython.locals(gate=Gate)
    cdef bint _may_describe(self, GlobalHandle handle, UsualArrays arrays) except -1
    @cython.locals(budget=Budget, nesting=Nesting)
    cdef bint _can_nest(self) except -1
    @cython.locals(budget=Budget, opcodes=Py_ssize_t)
    cdef bint can_pay(self, Py_ssize_t cost, Py_ssize_t done) except -1
