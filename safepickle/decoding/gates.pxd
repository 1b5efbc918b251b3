cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.handles cimport Facts, GlobalHandle, HeldTuple, Inert, Known
from safepickle.decoding.hashing cimport make_filled
from safepickle.decoding.adopting cimport FEW, new_instance
from safepickle.decoding.receiving cimport Receiving
from safepickle.decoding.resolving cimport is_bare, size_by
from safepickle.decoding.usual cimport A_DEFAULTDICT, MADE_EMPTY, fits, form_of, takes_dict
from safepickle.decoding.usual_arrays cimport ARRAY, DTYPE, UsualArrays
from safepickle.decoding.guarding cimport copy_of
from safepickle.decoding.usual_models cimport keeps_dtypes, usual_estimator, usual_tree
from safepickle.decoding.state cimport Shape, check_exception_state, set_state

cdef Py_ssize_t WATCHED
cdef int CALL, NEW, BUILD, _MADE_BY_NUMPY

cpdef bint is_object(GlobalHandle handle) except -1

cdef class Gate(Receiving):
    cdef object persistent_load
    cdef readonly bint strict, fills, ahead
    cdef UsualArrays arrays
    cdef object last_built
    cdef GlobalHandle last_owner, factory
    cdef Shape last_shape
    cdef readonly list watched, unready

    cpdef int open_gate(
        self, object policy, Budget budget, object find_class, object persistent_load, bint fix_imports, bint inert
    ) except -1
    @cython.locals(handle=GlobalHandle, is_paid=bint)
    cpdef call(self, object callee, object args)
    cdef int _survey_state(self, GlobalHandle handle, object state) except -1
    cpdef bint _surely_fits(self, int form, tuple args) except -1
    @cython.locals(named=GlobalHandle)
    cdef int check_factory(self, object obj) except -1
    cdef bint _is_factory(self, object value) except -1
    cdef bint _holds_factory(self, HeldTuple args) except -1
    cdef bint _may_call_later(self, object contract, tuple args) except -1
    cpdef _arguments(self, GlobalHandle callee, object args)
    cpdef instantiate(self, object callee, tuple args)
    cdef int _resolve_class(self, GlobalHandle handle) except -1
    @cython.locals(handle=GlobalHandle, known=Known)
    cpdef new(self, object cls, object args, object kwargs)
    @cython.locals(usual=cython.int, fits=bint, count=Py_ssize_t, is_asked=bint, is_given=bint, is_sized=bint, form=cython.int, facts=Facts)
    cpdef _run(self, GlobalHandle handle, int right, object args, object kwargs)
    @cython.locals(arrays=UsualArrays)
    cdef int _usual_call(self, GlobalHandle handle, int right, tuple args, object kwargs) except -1
    @cython.locals(maker=GlobalHandle)
    cdef adopt_usual(self, GlobalHandle handle, object result)
    @cython.locals(handle=GlobalHandle, shape=Shape)
    cpdef build(self, object obj, object state)
    @cython.locals(weight=cython.longlong)
    cdef object _refusal_to_build(self, GlobalHandle handle, Shape shape, object obj, object state)
    cdef int count_filled(self) except -1
    @cython.locals(which=cython.int)
    cdef int recheck(self) except -1
    @cython.locals(handle=GlobalHandle)
    cpdef int look_again(self, bint shared) except -1
    cpdef persistent(self, object pid)
