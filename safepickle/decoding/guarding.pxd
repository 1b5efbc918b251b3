cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.checks cimport ArgumentsCheck, CallCheck, Check, StateCheck

cdef extern from *:
    """
    static int safepickle_same_entries(PyObject *now, PyObject *then) {
        PyObject *key, *value, *other_key, *other_value;
        Py_ssize_t place = 0, other = 0;
        if (PyDict_GET_SIZE(now) != PyDict_GET_SIZE(then)) {
            return 0;
        }
        while (PyDict_Next(now, &place, &key, &value)) {
            if (!PyDict_Next(then, &other, &other_key, &other_value) || key != other_key || value != other_value) {
                return 0;
            }
        }
        return 1;
    }
    """
    bint same_entries "safepickle_same_entries"(dict now, dict then)
    dict copy_of "PyDict_Copy"(dict entries)

cdef int _CALL, _NEW, _STATE, _GIVEN
cdef Py_ssize_t KEPT

@cython.final
cdef class RuleGuards:
    cdef readonly object call_guard, new_guard, state_guard
    cdef readonly CallCheck call_check, new_check
    cdef readonly Check state_check
    cdef readonly bint asks_calls, asks_states
    cdef readonly bint keeps_calls, keeps_news, keeps_states, keeps_copies
    cdef readonly str source
    cdef Budget budget
    cdef object stand_in
    cdef readonly long long made
    cdef list kept, fields_kept
    cdef readonly StateCheck by_name

    @cython.locals(guards=RuleGuards)
    cpdef RuleGuards renewed(self, Budget budget, object stand_in)
    @cython.locals(check=CallCheck)
    cpdef refuse_call(self, bint is_new, tuple args, object kwargs)
    @cython.locals(check=object, asked=ArgumentsCheck)
    cpdef bint asks_of_making(self) except -1
    cpdef refuse_reconstruction(self, object base, object state)
    cpdef refuse_state(self, object state)
    cpdef int keep_given(self, object state) except -1
    cdef _ask_field(self, Check check, object value)
    @cython.locals(index=Py_ssize_t, check=Check)
    cpdef refuse_kept(self)
    cdef int _keep(self, tuple entry) except -1
    cdef _ask(self, int which, object given, object kwargs, long long made, str ending)

cpdef parts_of(object state)
cpdef bint is_as_given(object state, object then) except -1
cdef bint _is_shallow(object guard) except -1
