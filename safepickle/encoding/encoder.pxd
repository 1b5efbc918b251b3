cimport cython
from cpython.dict cimport PyDict_Next, PyDict_Size
from cpython.object cimport PyObject

from safepickle.wire.writing cimport Bounds, Memo, Writer

cdef int _STOP, _MARK, _POP, _POP_MARK, _EMPTY_LIST, _EMPTY_DICT, _EMPTY_SET, _EMPTY_TUPLE, _LIST, _DICT, _TUPLE
cdef int _TUPLE1, _FROZENSET, _APPEND, _APPENDS, _SETITEM, _SETITEMS, _ADDITEMS, _REDUCE, _NEWOBJ, _BUILD
cdef int _BINPERSID, _NEXT_BUFFER, _READONLY_BUFFER, _STACK_GLOBAL
cdef int _BATCH, _CLOCK_INTERVAL
cdef int _RUN, _WHOLE, _TABLE, _PAIRS, _SCRIPT
cdef int _STATE, _USE, _AGAIN, _CODE, _BYTES, _NOTE, _ITEMS, _ENTRIES

@cython.final
cdef class Frame:
    cdef readonly object obj, items, iterator, key, value
    cdef readonly Py_ssize_t index, stop, end, owners
    cdef readonly int kind, stage, closer, single, many, again
    cdef readonly bint shared
    cdef Py_ssize_t table_position

    cdef int begin(self, int kind, obj, items) except -1
    cdef int clear(self) except -1
    cdef bint step(self) except -1

cdef inline bint dict_step(Frame frame) except -1:
    # PyDict_Next stays inside the dict whatever happened to it; what it lends is kept alive at once.
    cdef PyObject *key
    cdef PyObject *value
    if PyDict_Size(frame.obj) != frame.end or not PyDict_Next(frame.obj, &frame.table_position, &key, &value):
        return False
    frame.key = <object>key
    frame.value = <object>value
    return True

cdef extern from *:
    """
    static CYTHON_INLINE int safepickle_weak_references(PyObject *obj) {
        Py_ssize_t offset = Py_TYPE(obj)->tp_weaklistoffset;
        return offset > 0 && *(PyObject **) ((char *) obj + offset) != NULL;
    }
    """
    bint weak_references "safepickle_weak_references"(obj) noexcept

cdef bint has_weak_references(obj) noexcept
cdef instance_dict(obj)

@cython.final
cdef class Encoder:
    cdef readonly int protocol
    cdef readonly bint binary, fix_imports
    cdef Bounds bounds
    cdef readonly object gate
    cdef Memo memo
    cdef object file_write, buffer_callback, persistent_id, reducer_override, dispatch_table
    cdef bint one_shot, sparing, plain, keep
    cdef public bint in_hook
    cdef str doing
    cdef object callee, current
    cdef Py_ssize_t objects, calls, opcodes, next_look, next_search, depth, extra
    cdef double started
    cdef list frames
    cdef dict classes
    cdef Frame top
    cdef Writer out

    cdef _begin_output(self)
    cpdef set_hooks(self, persistent_id, reducer_override, dispatch_table, bint binary)
    cpdef dump(self, obj)
    @cython.locals(out=Writer, frame=Frame, kind=cython.int)
    cdef _attempt(self, obj)
    @cython.locals(frame=Frame)
    cdef _release(self)
    @cython.locals(bounds=Bounds)
    cdef int _open(self, Py_ssize_t items, Py_ssize_t levels) except -1
    @cython.locals(seconds=cython.double, now=cython.double)
    cdef int _look(self) except -1
    cdef int _count_call(self) except -1
    @cython.locals(frame=Frame, depth=Py_ssize_t)
    cdef Frame _push(self, int kind, obj, items)
    cdef int _pop(self) except -1
    @cython.locals(depth=Py_ssize_t, again=Py_ssize_t, seen=dict, frame=Frame)
    cdef int _search(self) except -1
    cpdef str place(self)
    cdef _locate(self, error)
    cdef _save(self, obj, Py_ssize_t owners)
    cdef _save_parts(self, obj, Py_ssize_t owners)
    cdef bint _known(self, obj, Py_ssize_t owners) except -1
    cdef bint _known_set(self, obj, Py_ssize_t owners) except -1
    @cython.locals(out=Writer, count=Py_ssize_t, index=Py_ssize_t, frame=Frame)
    cdef _save_list(self, list obj)
    @cython.locals(out=Writer, count=Py_ssize_t)
    cdef _save_dict(self, dict obj)
    @cython.locals(frame=Frame)
    cdef Frame _push_table(self, obj, Py_ssize_t count)
    @cython.locals(out=Writer, frame=Frame, count=Py_ssize_t, done=Py_ssize_t)
    cdef _save_set(self, set obj, bint keep)
    @cython.locals(out=Writer, frame=Frame, count=Py_ssize_t, done=Py_ssize_t)
    cdef _save_frozenset(self, frozenset obj, bint keep)
    @cython.locals(out=Writer, done=Py_ssize_t)
    cdef Py_ssize_t _set_atoms(self, obj) except -1
    @cython.locals(out=Writer, count=Py_ssize_t, index=Py_ssize_t, closer=cython.int, keep=cython.bint, frame=Frame)
    cdef _save_tuple(self, tuple obj)
    @cython.locals(out=Writer, items=list, index=Py_ssize_t, stop=Py_ssize_t, owners=Py_ssize_t)
    cdef _walk_run(self, Frame frame)
    @cython.locals(out=Writer, left=Py_ssize_t, again=cython.int)
    cdef bint _next_batch(self, Frame frame) except -1
    @cython.locals(batch=list, total=Py_ssize_t)
    cdef Py_ssize_t _refill(self, Frame frame) except -1
    @cython.locals(
        out=Writer, items=tuple, index=Py_ssize_t, stop=Py_ssize_t, owners=Py_ssize_t, closer=cython.int, shared=cython.bint
    )
    cdef _walk_whole(self, Frame frame)
    @cython.locals(out=Writer, plain=cython.bint)
    cdef _walk_table(self, Frame frame)
    cdef _walk_pairs(self, Frame frame)
    @cython.locals(frame=Frame)
    cdef bint _save_persistent(self, obj) except -1
    cdef int _ends_sparing(self) except -1
    cdef _save_other(self, obj, kind)
    @cython.locals(state=cython.int, plain=cython.bint)
    cdef _save_instance(self, obj, kind)
    @cython.locals(out=Writer, frame=Frame, state=dict, index=Py_ssize_t, count=Py_ssize_t)
    cdef bint _save_plain_instance(self, obj, kind) except -1
    cdef _save_reduced(self, obj, reduced, reducer)
    @cython.locals(frame=Frame)
    cdef int _push_script(self, obj, list script) except -1
    @cython.locals(out=Writer, script=list, step=cython.int, run=Frame)
    cdef _walk_script(self, Frame frame)
    @cython.locals(found=tuple)
    cdef _save_global(self, obj, name)
    cdef _save_buffer(self, obj)
