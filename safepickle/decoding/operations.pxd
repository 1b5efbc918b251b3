cimport cython
from safepickle.decoding.gates cimport Gate
from safepickle.decoding.handles cimport Held, held_at, make_held
from safepickle.decoding.hashing cimport KeyGuard, add_items, set_items
from safepickle.decoding.nesting cimport Nesting
from safepickle.decoding.usual_arrays cimport buffer_size
from safepickle.decoding.window cimport Window
from safepickle.wire.lists cimport pop
from safepickle.wire.reading cimport byte_array, int4, long_int, size8, uint4, utf8

cdef frozenset _LEAVES, _TEXTS
cdef dict _PUTS, _GETS, _EXTS, _BYTES

cdef class Operations(Window):
    cdef readonly Gate gate
    cdef Nesting nesting
    cdef str encoding, errors
    cdef object buffers
    cdef list stack, metastack, memo, spare
    cdef dict sparse
    cdef Py_ssize_t base
    cdef readonly int protocol
    cdef bint underflow
    # Opcodes of the last rows of a table.
    cdef Py_ssize_t ran
    cdef object last_made
    cdef Py_ssize_t origin
    cdef public object inlay

    cpdef int equip(self) except -1
    cpdef int open_stack(self, Gate gate, str encoding, str errors, object buffers) except -1
    cpdef int begin_stack(self) except -1
    cpdef _stop(self)
    cpdef int _measure(self, object value, int above) except -1
    cpdef int _look_at_depth(self, list stack) except -1
    cpdef _tuple(self, Py_ssize_t start, int opcode, tuple items)
    cpdef int _values(self, Py_ssize_t start, int opcode, list items) except -1
    cpdef int _append(self, Py_ssize_t start, int opcode, object target, list items) except -1
    cpdef int _set_items(self, Py_ssize_t start, int opcode, object target, list items) except -1
    cpdef int _add_items(self, Py_ssize_t start, int opcode, object target, list items) except -1
    cpdef int _rare(self, int opcode) except -1
    @cython.locals(protocol=int)
    cpdef int _proto(self) except -1
    cpdef int _push(self, object value) except -1
    cpdef int _join_and_push(self, object value, Py_ssize_t amount) except -1
    cpdef list _close_mark(self)
    cpdef _index(self, int width)
    cpdef int _put(self, object index) except -1
    cpdef int _get(self, object index) except -1
    @cython.locals(length=Py_ssize_t, data=bytes)
    cpdef _text(self, int opcode)
    cpdef _check_int(self, object number)
    cpdef _find(self, object module, object name)
    cpdef _made(self, Py_ssize_t height, object result, Py_ssize_t deepest)
    cpdef int _new_object_ex(self) except -1
    cpdef int _instantiate(self, object cls, list args) except -1
    cpdef int _give(self, object result) except -1
    cpdef int _build(self) except -1
    cpdef bytes take_raw(self, Py_ssize_t count)
    @cython.locals(inner=Nesting, machine=object)
    cpdef run_inner(self)
