cimport cython

from safepickle.encoding.granting cimport WriteGate
from safepickle.encoding.instances cimport Instances
from safepickle.wire.writing cimport Writer

cdef int _MARK, _TUPLE, _TUPLE1, _TUPLE3, _REDUCE, _BUILD, _NEWFALSE
cdef Py_ssize_t FRAME_TARGET

@cython.no_gc
cdef class Arrays(Instances):
    cdef object buffer_callback, array_class
    cdef dict array_forms

    @cython.final
    cdef begin_arrays(self, buffer_callback)
    cdef int save_buffer(self, obj) except -1
    @cython.locals(gate=WriteGate)
    cdef learn_array(self, obj, kind, reduced)
    @cython.locals(
        out=Writer, gate=WriteGate, form=tuple, size=Py_ssize_t, index=Py_ssize_t, dtype_index=Py_ssize_t,
        note=cython.bint
    )
    cdef bint save_array(self, obj, kind) except -1
    @cython.locals(out=Writer, kind_index=Py_ssize_t)
    cdef bint _save_filled(
        self, obj, kind, func, Py_ssize_t index, Py_ssize_t dtype_index, Py_ssize_t size, bint note
    ) except -1
    cdef _save_shape(self, shape)
