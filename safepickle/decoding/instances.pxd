cimport cython
from cpython.object cimport PyObject
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.filling cimport Filling
from safepickle.decoding.gates cimport Gate
from safepickle.decoding.handles cimport GlobalHandle, Held
from safepickle.decoding.nesting cimport Nesting
from safepickle.decoding.runs cimport push_run
from safepickle.decoding.state cimport Shape, may_store, store_pairs
from safepickle.wire.lists cimport drop, pop, push, put, tuple_of

cdef extern from *:
    """
    /* What was found out of a class holds as long as nobody has given it a __new__, or made it abstract. */
    static CYTHON_INLINE int safepickle_is_made_by_object(PyObject *kind) {
        return PyType_Check(kind) && ((PyTypeObject *)kind)->tp_new == PyBaseObject_Type.tp_new
            && !PyType_HasFeature((PyTypeObject *)kind, Py_TPFLAGS_IS_ABSTRACT);
    }

    """
    bint is_made_by_object "safepickle_is_made_by_object"(object kind) noexcept

cdef size_t _BEFORE, _BEHIND
cdef Py_ssize_t _LONGEST, _DICT, _MARK, _ITEM, _ATTRIBUTE, _PAIR, _ENTRY
cdef list _NO_LISTS

cdef inline Py_ssize_t push_state(
    Instances machine, list pairs, list memo, size_t position, Py_ssize_t room
) except -1:
    cdef Budget budget = machine.budget
    cdef Py_ssize_t used = 0, last = position, end = machine.end
    cdef size_t stop = min(end, <Py_ssize_t>position + _LONGEST)
    cdef Py_ssize_t after = push_run(
        pairs, _NO_LISTS, memo, machine.data, position, stop, end, room, min(budget.max_string, 255),
        budget.max_int_bits // 8, &used, &last
    )
    machine.run_cost = used
    return after

cdef class Instances(Filling):
    # What the run of leaves takes in memory; whether the tuple of slots is in the memo; whether a mark is open.
    cdef Py_ssize_t run_cost
    cdef bint notes_pair, ends_within

    cpdef int equip(self) except -1
    @cython.locals(
        data=bytes, place=size_t, first=Py_ssize_t, after=Py_ssize_t, count=Py_ssize_t, entries=Py_ssize_t,
        cost=Py_ssize_t, height=Py_ssize_t, gate=Gate, budget=Budget, shape=Shape, pairs=list, where=Py_ssize_t, held=Held, both=Held,
        notes_instance=bint, notes_state=bint, in_slots=bint, is_marked=bint,
    )
    cdef Py_ssize_t make_instance(
        self, GlobalHandle handle, list stack, list memo, size_t position, Py_ssize_t base, Py_ssize_t done,
        Py_ssize_t room
    ) except -1
    @cython.locals(gate=Gate, height=Py_ssize_t)
    cdef int give_state(self, list stack, Py_ssize_t base, size_t start) except -1
    @cython.locals(nesting=Nesting)
    cdef int _note(
        self, Py_ssize_t height, Py_ssize_t index, Py_ssize_t where, Py_ssize_t count, bint is_whole, bint in_slots
    ) except -1
    cdef int _leave_open(
        self, list stack, object state, list pairs, Py_ssize_t height, bint in_slots, bint is_marked
    ) except -1
    @cython.locals(gate=Gate, nesting=Nesting, shape=Shape)
    cdef Shape _shape_of_plain(self, GlobalHandle handle, list stack, bint in_slots)
    @cython.locals(data=bytes, count=Py_ssize_t)
    cdef Py_ssize_t _end_of_state(
        self, GlobalHandle handle, Shape shape, list pairs, size_t place, Py_ssize_t room, bint in_slots, bint is_marked
    ) except -1
