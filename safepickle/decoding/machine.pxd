cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.gates cimport Gate
from safepickle.decoding.hashing cimport KeyGuard, add_items, set_item, set_items
from safepickle.decoding.nesting cimport Nesting
from safepickle.decoding.operations cimport Operations
from safepickle.wire.reading cimport float8, int4, long_int, uint4
from safepickle.wire.reading cimport read_float8, read_int4, read_piece, read_small_int, read_uint4, read_utf8

cdef extern from *:
    """
    /* CPython without a global lock guards lists in ways of its own: there, only what it offers is used. */
    #ifdef Py_GIL_DISABLED
    #define SAFEPICKLE_LIST_FIELDS 0
    #else
    #define SAFEPICKLE_LIST_FIELDS 1
    #endif

    static CYTHON_INLINE int safepickle_list_push(PyObject *list, PyObject *value) {
    #if SAFEPICKLE_LIST_FIELDS
        Py_ssize_t size = PyList_GET_SIZE(list);
        if (size < ((PyListObject *)list)->allocated) {
            Py_INCREF(value);
            PyList_SET_ITEM(list, size, value);
            Py_SET_SIZE((PyVarObject *)list, size + 1);
            return 0;
        }
    #endif
        return PyList_Append(list, value);
    }

    static CYTHON_INLINE PyObject *safepickle_list_pop(PyObject *list) {
        Py_ssize_t size = PyList_GET_SIZE(list);
        PyObject *value;
        if (size == 0) {
            PyErr_SetString(PyExc_IndexError, "pop from empty list");
            return NULL;
        }
        value = PyList_GET_ITEM(list, size - 1);
    #if SAFEPICKLE_LIST_FIELDS
        Py_SET_SIZE((PyVarObject *)list, size - 1);
    #else
        Py_INCREF(value);
        if (PyList_SetSlice(list, size - 1, size, NULL) < 0) {
            Py_DECREF(value);
            return NULL;
        }
    #endif
        return value;
    }

    static int safepickle_list_move(PyObject *target, PyObject *items) {
        Py_ssize_t size = PyList_GET_SIZE(target);
    #if SAFEPICKLE_LIST_FIELDS
        PyListObject *to = (PyListObject *)target, *from = (PyListObject *)items;
        Py_ssize_t added = PyList_GET_SIZE(items);
        if (size == 0) {
            PyObject **present = to->ob_item;
            Py_ssize_t allocated = to->allocated;
            to->ob_item = from->ob_item;
            to->allocated = from->allocated;
            from->ob_item = present;
            from->allocated = allocated;
        } else {
            if (size + added > to->allocated) {
                size_t room = (size_t)(size + added);
                PyObject **more;
                room += (room >> 3) + 6;
                more = (PyObject **)PyMem_Realloc(to->ob_item, room * sizeof(PyObject *));
                if (more == NULL) {
                    PyErr_NoMemory();
                    return -1;
                }
                to->ob_item = more;
                to->allocated = (Py_ssize_t)room;
            }
            memcpy(to->ob_item + size, from->ob_item, (size_t)added * sizeof(PyObject *));
        }
        Py_SET_SIZE((PyVarObject *)from, 0);
        Py_SET_SIZE((PyVarObject *)to, size + added);
        return 0;
    #else
        return PyList_SetSlice(target, size, size, items);
    #endif
    }

    static PyObject *safepickle_list_as_tuple(PyObject *items) {
    #if SAFEPICKLE_LIST_FIELDS
        Py_ssize_t size = PyList_GET_SIZE(items);
        PyObject *result = PyTuple_New(size);
        if (result != NULL && size > 0) {
            memcpy(((PyTupleObject *)result)->ob_item, ((PyListObject *)items)->ob_item,
                   (size_t)size * sizeof(PyObject *));
            Py_SET_SIZE((PyVarObject *)items, 0);
        }
        return result;
    #else
        return PyList_AsTuple(items);
    #endif
    }
    """
    int push "safepickle_list_push"(list stack, object value) except -1
    object pop "safepickle_list_pop"(list stack)
    int extend "safepickle_list_move"(list target, list items) except -1
    tuple tuple_of "safepickle_list_as_tuple"(list items)

cdef int _FRESH, _RUNNING, _DONE, NO_OPCODE

@cython.final
cdef class Machine(Operations):
    cdef readonly Py_ssize_t opcodes
    cdef int phase

    cpdef open_machine(self, bytes data, object source, Gate gate, str encoding, str errors, object buffers)
    cpdef run(self)

    @cython.locals(
        data=bytes, position=size_t, end=size_t, stack=list, metastack=list, memo=list, spare=list, budget=Budget,
        nesting=Nesting, gate=Gate, max_memo=Py_ssize_t, max_items=Py_ssize_t, short=Py_ssize_t, base=Py_ssize_t,
        done=Py_ssize_t, index=Py_ssize_t, used=Py_ssize_t, start=size_t, opcode=cython.int, missing=Py_ssize_t,
        steps=Py_ssize_t, length=Py_ssize_t, height=Py_ssize_t, word=str, items=list, pair=tuple, single=tuple, triple=tuple,
        many=tuple, outside=bint,
    )
    cpdef _run(self)
