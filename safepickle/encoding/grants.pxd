cimport cython
from cpython.object cimport PyObject

from safepickle.decoding.guarding cimport RuleGuards
from safepickle.decoding.resolving cimport version_of
from safepickle.decoding.usual_arrays cimport usual_call

cdef extern from *:
    """
    /* Of the plain metaclass alone. The names of a class written in C cannot be changed, and are made anew each time. */
    static CYTHON_INLINE int safepickle_is_still(PyObject *kind, unsigned int version, PyObject *name, PyObject *qualname) {
        PyHeapTypeObject *heap = (PyHeapTypeObject *)kind;
        if (!Py_IS_TYPE(kind, &PyType_Type) || !version || safepickle_version_of(kind) != version) {
            return 0;
        }
        if (!PyType_HasFeature((PyTypeObject *)kind, Py_TPFLAGS_HEAPTYPE)) {
            return 1;
        }
        return heap->ht_name == name && heap->ht_qualname == qualname;
    }
    """
    bint is_still "safepickle_is_still"(object kind, unsigned int version, object name, object qualname) noexcept

cdef class KnownClass

cdef int _CALLABLE

@cython.final
cdef class Grant:
    cdef readonly object obj
    cdef public tuple asked
    cdef readonly tuple pair
    cdef readonly int rights
    cdef public RuleGuards guards
    cdef readonly object contract
    cdef readonly int usual, traits
    cdef public object reference, place
    cdef public unsigned int version
    cdef public Grant origin
    cdef public KnownClass kept

    cdef int begin(self, obj, tuple pair, int rights) except -1
    cpdef int settle(self) except -1
    @cython.locals(copy=Grant)
    cpdef Grant copy_for(self, obj)

@cython.final
cdef class KnownClass:
    cdef readonly object reference
    cdef readonly unsigned int version
    cdef readonly str name, qualname
    cdef readonly tuple asked
    cdef readonly bint is_plain
    cdef readonly Grant grant
    cdef public int form
    cdef public tuple slots
    cdef public bint is_called
    cdef public object check

    cdef bint is_of(self, kind) noexcept
    @cython.locals(grant=Grant)
    cdef Grant grant_for(self, kind)
