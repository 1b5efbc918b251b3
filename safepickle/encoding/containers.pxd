cimport cython
from cpython.dict cimport PyDict_Next
from cpython.object cimport PyObject

from safepickle.encoding.frames cimport Frame, PyDict_GET_SIZE, dict_step, enter
from safepickle.encoding.keys cimport Keys, is_free
from safepickle.wire.memo cimport Memo
from safepickle.wire.output cimport Bounds, begin, put
from safepickle.wire.writing cimport Writer, is_shared

cdef int _MARK, _POP_MARK, _EMPTY_LIST, _EMPTY_DICT, _EMPTY_SET, _EMPTY_TUPLE, _LIST, _DICT, _TUPLE, _TUPLE1
cdef int _FROZENSET, _APPEND, _APPENDS, _SETITEM, _SETITEMS, _ADDITEMS
cdef int _BATCH
cdef int _RUN, _WHOLE, _TABLE, _PAIRS

cdef extern from *:
    """
    static CYTHON_INLINE int safepickle_weak_references(PyObject *obj) {
        Py_ssize_t offset = Py_TYPE(obj)->tp_weaklistoffset;
        return offset != 0 && *(PyObject **) ((char *) obj + offset) != NULL;
    }
    """
    bint weak_references "safepickle_weak_references"(obj) noexcept

cdef bint next_entry(Frame frame) except -1
cdef bint has_weak_references(obj) noexcept

@cython.no_gc
cdef class Containers(Keys):
    cdef bint plain, keep, entry_written
    cdef object entry_key, entry_value
    cdef Py_ssize_t entry_position
    cdef readonly object callee

    cdef int forget_entry(self) except -1
    cdef int begin_containers(self, int protocol, Bounds bounds, Memo memo, bint guarded, bint sparing) except -1
    cdef save_other(self, obj, kind)
    cdef save_known(self, obj)
    cdef bint ask_persistent_id(self, obj) except -1
    cdef save(self, obj, Py_ssize_t owners)
    cdef save_parts(self, obj, Py_ssize_t owners)
    @cython.final
    cdef bint _known_other(self, obj, Py_ssize_t owners) except -1
    @cython.final
    @cython.locals(out=Writer, count=Py_ssize_t, index=Py_ssize_t, closer=cython.int, frame=Frame)
    cdef _save_list(self, list obj)
    @cython.final
    @cython.locals(out=Writer, count=Py_ssize_t, done=Py_ssize_t, closer=cython.int, frame=Frame)
    cdef _save_dict(self, dict obj)
    @cython.locals(frame=Frame)
    cdef Frame push_table(self, obj, Py_ssize_t count)
    @cython.final
    @cython.locals(out=Writer, frame=Frame, count=Py_ssize_t, done=Py_ssize_t, closer=cython.int)
    cdef _save_set(self, set obj, bint keep)
    @cython.final
    @cython.locals(out=Writer, frame=Frame, count=Py_ssize_t, done=Py_ssize_t)
    cdef _save_frozenset(self, frozenset obj, bint keep)
    @cython.final
    @cython.locals(out=Writer, count=Py_ssize_t, index=Py_ssize_t, closer=cython.int, keep=cython.bint, frame=Frame)
    cdef _save_tuple(self, tuple obj)
    @cython.locals(out=Writer, items=list, index=Py_ssize_t, stop=Py_ssize_t, owners=Py_ssize_t)
    cdef walk_run(self, Frame frame)
    @cython.final
    @cython.locals(out=Writer, left=Py_ssize_t, again=cython.int)
    cdef bint _next_batch(self, Frame frame) except -1
    @cython.final
    @cython.locals(batch=list, total=Py_ssize_t)
    cdef Py_ssize_t _refill(self, Frame frame) except -1
    @cython.locals(
        out=Writer, items=tuple, index=Py_ssize_t, stop=Py_ssize_t, until=Py_ssize_t, owners=Py_ssize_t,
        closer=cython.int, shared=cython.bint
    )
    cdef walk_whole(self, Frame frame)
    @cython.locals(out=Writer)
    cdef walk_table(self, Frame frame)
    @cython.locals(out=Writer, items=list, index=Py_ssize_t, below=Frame)
    cdef walk_pairs(self, Frame frame)

cdef inline Py_ssize_t dict_atoms(Containers containers, Writer out, dict obj, Py_ssize_t count) except -1:
    # Borrowed references become owned ones before anything else happens; the dict may change where a file is written.
    cdef PyObject *next_key
    cdef PyObject *next_value
    cdef Py_ssize_t position = 0
    cdef Py_ssize_t done = 0
    cdef bint written
    while PyDict_GET_SIZE(obj) == count and PyDict_Next(obj, &position, &next_key, &next_value):
        key = <object>next_key
        value = <object>next_value
        # Most keys are text, of which nothing is asked.
        written = True
        if type(key) is str:
            out.text(key, 2)
        else:
            written = out.leaf(key, 2)
        if not written or not out.leaf(value, 2):
            containers.entry_written = written
            containers.entry_key = key
            containers.entry_value = value
            containers.entry_position = position
            return done
        if not is_free(key) or containers.guard is not None:
            containers.check_key(obj, key)
        done += 1
    if done != count:
        raise RuntimeError("dictionary changed size during iteration")
    return done
