cimport cython

from safepickle.encoding.containers cimport Containers
from safepickle.encoding.frames cimport Frame
from safepickle.wire.memo cimport Memo
from safepickle.wire.output cimport Bounds
from safepickle.wire.writing cimport Writer

cdef int _STOP, _EMPTY_DICT, _EMPTY_TUPLE, _APPEND, _APPENDS, _SETITEM, _SETITEMS, _NEWOBJ, _BUILD, _REDUCE
cdef int _BINPERSID, _NEXT_BUFFER, _READONLY_BUFFER, _STACK_GLOBAL
cdef int _RUN, _WHOLE, _TABLE, _PAIRS, _SCRIPT, _RUN_OF_ITEMS
cdef int _ARGS, _STATE, _USE, _AGAIN, _CODE, _BYTES, _NOTE, _ITEMS, _ENTRIES
cdef int _KEYS, _LEVEL
cdef int _UNKNOWN, _PLAIN, _IN_C, _REDUCED

cdef instance_dict(obj)

@cython.final
cdef class Encoder(Containers):
    cdef object make_gate
    cdef readonly object gate
    cdef readonly bint fix_imports
    cdef object file_write, buffer_callback, persistent_id, reducer_override, dispatch_table
    cdef bint one_shot
    cdef public bint in_hook
    cdef dict classes

    cdef _begin_output(self)
    cpdef set_hooks(self, persistent_id, reducer_override, dispatch_table, bint binary)
    cpdef dump(self, obj)
    @cython.locals(out=Writer, frame=Frame, kind=cython.int)
    cdef _attempt(self, obj)
    @cython.locals(known=cython.int, plain=cython.bint)
    cdef _save_instance(self, obj, kind)
    @cython.locals(out=Writer, frame=Frame, state=dict, index=Py_ssize_t, count=Py_ssize_t)
    cdef bint _save_plain_instance(self, obj, kind) except -1
    @cython.locals(levels=cython.int)
    cdef _save_reduced(self, obj, reduced, reducer)
    @cython.locals(index=Py_ssize_t)
    cdef bint _save_call(self, obj, reduced) except -1
    @cython.locals(frame=Frame)
    cdef int _push_script(self, obj, list script, long long levels) except -1
    @cython.locals(out=Writer, script=list, step=cython.int, run=Frame)
    cdef _walk_script(self, Frame frame)
    @cython.locals(found=tuple, dots=Py_ssize_t)
    cdef _save_global(self, obj, name)
    cdef int _save_buffer(self, obj) except -1
