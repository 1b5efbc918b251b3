cimport cython

from cpython.object cimport PyObject

from safepickle.decoding.usual cimport is_usual
from safepickle.encoding.containers cimport Containers
from safepickle.encoding.frames cimport Frame, enter
from safepickle.encoding.keys cimport are_free
from safepickle.encoding.granting cimport WriteGate
from safepickle.wire.memo cimport identity
from safepickle.wire.output cimport put
from safepickle.wire.writing cimport Writer, is_shared

cdef int _EMPTY_DICT, _EMPTY_TUPLE, _NEWOBJ, _BUILD, _REDUCE
cdef int _SCRIPT, _CLOSED, _ARGS, _CODE, _NOTE, _ITEMS, _ENTRIES, _LEVEL
cdef object _ORDERED_DICT, _DEFAULTDICT, _DEQUE
cdef object _MISSING, _COUNTED

cdef extern from *:
    """
    /* Of a plain dict text, and no dunder names: two underlines before and behind, also where these are the same ones. */
    static int safepickle_plain_names(PyObject *state) {
        PyObject *key, *value;
        Py_ssize_t position = 0;
        if (!PyDict_CheckExact(state)) {
            return 0;
        }
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

    /* Whether there is a __dict__ with something in it; none is made. */
    static int safepickle_has_attributes(PyObject *obj) {
        PyObject **attributes = _PyObject_GetDictPtr(obj);
        return attributes != NULL && *attributes != NULL
            && (!PyDict_CheckExact(*attributes) || PyDict_GET_SIZE(*attributes) > 0);
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
    bint has_attributes "safepickle_has_attributes"(object obj) noexcept
    object slot_value "safepickle_slot_value"(object member, object obj, object missing)

@cython.no_gc
cdef class Instances(Containers):
    cdef readonly WriteGate gate
    cdef object persistent_id, reducer_override
    cdef dict members, callees, builders

    cdef save_global(self, obj, name)
    @cython.final
    cdef int save_callee(self, func) except -1
    @cython.final
    cdef int begin_instances(self) except -1
    cdef bint _may_name(self, Py_ssize_t index, obj) except -1
    @cython.locals(out=Writer, index=Py_ssize_t, fields=dict, note=cython.bint)
    cdef bint save_slotted_instance(self, obj, kind) except -1
    @cython.locals(out=Writer, frame=Frame, state=dict, index=Py_ssize_t, count=Py_ssize_t, note=cython.bint)
    cdef bint save_plain_instance(self, obj, kind) except -1
    @cython.locals(index=Py_ssize_t, note=cython.bint, step=cython.int, script=list)
    cdef bint save_filled(self, obj, kind) except -1
    @cython.locals(index=Py_ssize_t, parts=Py_ssize_t)
    cdef bint save_call(self, obj, reduced, bint note) except -1
    cdef bint _save_built(self, obj, func, args, state, Py_ssize_t index) except -1
    @cython.locals(frame=Frame)
    cdef int push_closed(self, obj, part, int closer, bint note) except -1
    @cython.locals(out=Writer)
    cdef int close(self, Frame frame) except -1
    @cython.locals(frame=Frame)
    cdef int push_script(self, obj, list script, long long levels) except -1
