cimport cython

from safepickle.decoding.resolving cimport found_on
from safepickle.decoding.usual_forms cimport DtypeForm
from safepickle.encoding.arrays cimport Arrays
from safepickle.encoding.conforming cimport is_new_helper, sets_attributes
from safepickle.encoding.frames cimport Frame
from safepickle.encoding.granting cimport WriteGate
from safepickle.encoding.grants cimport KnownClass
from safepickle.encoding.reducing cimport (
    confirms_usual_class, find_global, is_trusted, is_usual_class, reduce_method, runs_own_code,
    script_of, slot_members,
)
from safepickle.wire.memo cimport Memo
from safepickle.wire.output cimport Bounds, put
from safepickle.wire.writing cimport Writer

cdef extern from *:
    """
    static CYTHON_INLINE int safepickle_is_itself(PyObject *kind) {
        PyTypeObject *meta = Py_TYPE(kind);
        return meta == &PyType_Type
            || (meta->tp_hash == PyType_Type.tp_hash && meta->tp_richcompare == PyType_Type.tp_richcompare);
    }
    """
    bint is_itself "safepickle_is_itself"(object kind) noexcept

cdef object _GETATTR
cdef int _STOP, _APPEND, _APPENDS, _SETITEM, _SETITEMS
cdef int _BINPERSID, _NEXT_BUFFER, _READONLY_BUFFER, _STACK_GLOBAL
cdef int _RUN, _WHOLE, _TABLE, _PAIRS, _SCRIPT, _RUN_OF_ITEMS, _CLOSED
cdef int _STATE, _USE, _AGAIN, _CODE, _BYTES, _NOTE, _ITEMS, _ENTRIES
cdef int _KEYS, _LEVEL
cdef frozenset _OLD_FORMS, _EXEMPT
cdef dict _SINGLETON_TYPES
cdef int _UNKNOWN, _PLAIN, _SLOTTED, _IN_C, _BARE, _REDUCED, _FILLED

@cython.final
@cython.no_gc
cdef class Encoder(Arrays):
    cdef object make_gate
    cdef readonly bint fix_imports
    cdef object table
    cdef bint one_shot
    cdef public bint in_hook
    cdef dict classes

    cdef int begin(
        self, int protocol, Bounds bounds, make_gate, Memo memo, file_write, bint fix_imports, buffer_callback,
        bint one_shot
    ) except -1
    cdef bint serves(self, int protocol, Bounds bounds, make_gate, bint fix_imports) except -1
    cdef int begin_again(self) except -1
    cdef int _begin_output(self) except -1
    cdef bint rest(self) except -1
    cpdef int set_hooks(self, persistent_id, reducer_override, dispatch_table, bint binary) except -1
    cpdef dump(self, obj)
    @cython.locals(out=Writer, frame=Frame, kind=cython.int)
    cdef _attempt(self, obj)
    @cython.locals(form=DtypeForm)
    cdef bint _save_numpys(self, obj, kind) except -1
    @cython.locals(known=cython.int, itself=cython.bint, is_asked=cython.bint)
    cdef int _save_instance(self, obj, kind) except -1
    @cython.locals(form=cython.int, usual=cython.bint, is_written=cython.bint)
    cdef int _reduce_instance(self, obj, kind, bint itself, int known) except -1
    @cython.locals(form=cython.int)
    cdef int _learn(self, kind) except -1
    @cython.locals(kept=KnownClass)
    cdef bint _remembers(self, kind) except -1
    @cython.locals(known=cython.int)
    cdef bint _save_usual(self, obj, kind) except -1
    @cython.locals(levels=cython.int, note=cython.bint)
    cdef _save_reduced(self, obj, reduced, reducer)
    @cython.locals(out=Writer, script=list, step=cython.int, run=Frame)
    cdef _walk_script(self, Frame frame)

cdef _of_table(dict table, kind)

@cython.locals(encoder=Encoder)
cpdef Encoder new_encoder(
    int protocol, Bounds bounds, make_gate, Memo memo, file_write, bint fix_imports, buffer_callback, bint one_shot
)
