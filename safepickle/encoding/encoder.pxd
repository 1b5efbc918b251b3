cimport cython

from cpython.object cimport PyObject

from safepickle.encoding.containers cimport Containers
from safepickle.encoding.frames cimport Frame
from safepickle.wire.memo cimport Memo
from safepickle.wire.output cimport Bounds
from safepickle.decoding.usual cimport is_usual
from safepickle.wire.writing cimport Writer

cdef int _STOP, _EMPTY_DICT, _EMPTY_TUPLE, _APPEND, _APPENDS, _SETITEM, _SETITEMS, _NEWOBJ, _BUILD, _REDUCE
cdef int _BINPERSID, _NEXT_BUFFER, _READONLY_BUFFER, _STACK_GLOBAL
cdef int _RUN, _WHOLE, _TABLE, _PAIRS, _SCRIPT, _RUN_OF_ITEMS, _CLOSED
cdef int _STATE, _USE, _AGAIN, _CODE, _BYTES, _NOTE, _ITEMS, _ENTRIES
cdef int _KEYS, _LEVEL
cdef int _UNKNOWN, _PLAIN, _SLOTTED, _IN_C, _BARE, _REDUCED
cdef object _MISSING

cdef extern from *:
    """
    /* Text, and no dunder names: two underlines before and behind, also where these are the same ones. */
    static int safepickle_plain_names(PyObject *state) {
        PyObject *key, *value;
        Py_ssize_t position = 0;
        while (PyDict_Next(state, &position, &key, &value)) {
            Py_ssize_t length;
            if (!PyUnicode_CheckExact(key)) {
                return 0;
            }
            length = PyUnicode_GET_LENGTH(key);
            if (length >= 2 && PyUnicode_READ_CHAR(key, 0) == '_' && PyUnicode_READ_CHAR(key, 1) == '_'
                    && PyUnicode_READ_CHAR(key, length - 1) == '_' && PyUnicode_READ_CHAR(key, length - 2) == '_') {
                return 0;
            }
        }
        return 1;
    }

    static PyObject *safepickle_instance_dict(PyObject *obj) {
        return PyObject_GenericGetDict(obj, NULL);
    }

    /* What is in a slot, or `missing`. */
    static PyObject *safepickle_slot_value(PyObject *member, PyObject *obj, PyObject *missing) {
        PyObject *value = Py_TYPE(member)->tp_descr_get(member, obj, (PyObject *) Py_TYPE(obj));
        if (value == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
            PyErr_Clear();
            Py_INCREF(missing);
            return missing;
        }
        return value;
    }
    """
    bint plain_names "safepickle_plain_names"(dict state) noexcept
    dict instance_dict "safepickle_instance_dict"(object obj)
    object slot_value "safepickle_slot_value"(object member, object obj, object missing)

@cython.final
@cython.no_gc
cdef class Encoder(Containers):
    cdef object make_gate
    cdef readonly object gate
    cdef readonly bint fix_imports
    cdef object file_write, buffer_callback, persistent_id, reducer_override, table
    cdef bint one_shot
    cdef public bint in_hook
    cdef dict classes, members, callees

    cdef begin(
        self, int protocol, Bounds bounds, make_gate, Memo memo, file_write, bint fix_imports, buffer_callback,
        bint one_shot
    )
    cdef _begin_output(self)
    cdef bint rest(self) except -1
    cpdef set_hooks(self, persistent_id, reducer_override, dispatch_table, bint binary)
    cpdef dump(self, obj)
    @cython.locals(out=Writer, frame=Frame, kind=cython.int)
    cdef _attempt(self, obj)
    @cython.locals(known=cython.int, usual=cython.bint)
    cdef _save_instance(self, obj, kind)
    cdef _learn(self, kind)
    @cython.locals(known=cython.int)
    cdef bint _save_usual(self, obj, kind) except -1
    @cython.locals(out=Writer, index=Py_ssize_t, fields=dict, note=cython.bint)
    cdef bint _save_slotted_instance(self, obj, kind) except -1
    @cython.locals(out=Writer, frame=Frame, state=dict, index=Py_ssize_t, count=Py_ssize_t, note=cython.bint)
    cdef bint _save_plain_instance(self, obj, kind) except -1
    cdef _learn_call(self, func)
    @cython.locals(levels=cython.int, note=cython.bint)
    cdef _save_reduced(self, obj, reduced, reducer)
    @cython.locals(index=Py_ssize_t)
    cdef bint _save_call(self, obj, reduced, bint note) except -1
    @cython.locals(frame=Frame)
    cdef int _push_closed(self, obj, part, int closer, bint note) except -1
    @cython.locals(out=Writer)
    cdef _close(self, Frame frame)
    @cython.locals(frame=Frame)
    cdef int _push_script(self, obj, list script, long long levels) except -1
    @cython.locals(out=Writer, script=list, step=cython.int, run=Frame)
    cdef _walk_script(self, Frame frame)
    @cython.locals(found=tuple, dots=Py_ssize_t)
    cdef _save_global(self, obj, name)
    cdef int _save_buffer(self, obj) except -1

@cython.locals(encoder=Encoder)
cpdef Encoder new_encoder(
    int protocol, Bounds bounds, make_gate, Memo memo, file_write, bint fix_imports, buffer_callback, bint one_shot
)
