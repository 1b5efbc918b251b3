cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.handles cimport GlobalHandle, HeldTuple, Inert
from safepickle.decoding.hashing cimport KeyGuard
from safepickle.decoding.refusals cimport Refusals
from safepickle.decoding.usual cimport is_usual
from safepickle.decoding.state cimport Shape, check_exception_state, fits, set_state

cdef extern from *:
    """
    static PyObject *safepickle_new_instance(PyObject *cls, PyObject *args, PyObject *kwargs) {
        newfunc make;
        if (!PyType_Check(cls) || (make = ((PyTypeObject *)cls)->tp_new) == NULL) {
            PyErr_SetString(PyExc_TypeError, "a class that makes no instances");
            return NULL;
        }
        return make((PyTypeObject *)cls, args, kwargs == Py_None ? NULL : kwargs);
    }
    """
    object new_instance "safepickle_new_instance"(object cls, tuple args, object kwargs)

cdef int REFER, CALL, NEW, BUILD, APPEND, SETITEM, ADD, ALL_RIGHTS, READS, SIZES, HASHES, FEW

cpdef bint is_object(GlobalHandle handle) except -1

cdef class Gate(Refusals):
    cdef readonly KeyGuard keys
    cdef object find_class, persistent_load
    cdef bint fix_imports
    cdef readonly bint strict, foreign, handles_seen, lent
    cdef public bint in_hook
    cdef readonly dict handles
    cdef dict shapes, filled
    cdef readonly list guarded
    cdef readonly long long calls

    cpdef equip(self)
    cpdef open_gate(
        self, object policy, Budget budget, object find_class, object persistent_load, bint fix_imports, bint inert
    )
    cpdef find(self, object module, object name, int protocol)
    @cython.locals(handle=GlobalHandle)
    cpdef lookup(self, str module, str name)
    @cython.locals(budget=object)
    cpdef _guard(self, GlobalHandle handle, object rule)
    cpdef GlobalHandle make_handle(self, str module, str name)
    cpdef extension(self, object code, int protocol)
    cpdef resolve(self, GlobalHandle handle)
    cpdef value(self, object obj)
    @cython.locals(index=Py_ssize_t)
    cpdef list values(self, list items)
    @cython.locals(held=bint)
    cpdef tuple_of(self, tuple items)
    cpdef call(self, object callee, object args)
    cpdef _arguments(self, GlobalHandle callee, object args)
    cpdef look_through(self, Py_ssize_t count)
    cpdef instantiate(self, object callee, tuple args)
    cpdef new(self, object cls, object args, object kwargs)
    @cython.locals(arguments=tuple, freedom=int)
    cpdef _run(self, GlobalHandle handle, int right, object args, object kwargs)
    cpdef bint _surely_fits(self, GlobalHandle handle, tuple args) except -1
    cpdef _adopt(self, GlobalHandle handle, object result)
    cpdef Shape make_shape(self, GlobalHandle handle, object kind)
    @cython.locals(handle=GlobalHandle, shape=Shape)
    cpdef build(self, object obj, object state)
    cpdef append(self, object obj, list items)
    @cython.locals(index=Py_ssize_t)
    cpdef set_items(self, object obj, list items)
    cpdef add_items(self, object obj, list items)
    cpdef bint _may_change(self, object obj, int right) except -1
    cpdef persistent(self, object pid)
    cpdef adopt_foreign(self, object obj)
