cimport cython
from cpython.object cimport PyObject
from safepickle.decoding.atoms cimport Atoms
from safepickle.decoding.budget cimport SLICE, Budget
from safepickle.decoding.gates cimport Gate
from safepickle.decoding.handles cimport GlobalHandle, Held, HeldTuple, held_at
from safepickle.decoding.hashing cimport KeyGuard, add_items, set_item, set_items
from safepickle.decoding.nesting cimport Nesting
from safepickle.decoding.operations cimport Operations
from safepickle.decoding.runs cimport Row, begins_row, begins_run, push_key, push_numbers, push_row, push_run, push_utf8
from safepickle.decoding.window cimport Window
from safepickle.wire.lists cimport drop, pop, push, push_new, tuple_of
from safepickle.wire.reading cimport float8, int4, long_int, uint4
from safepickle.wire.reading cimport new_float8, new_int2, new_int4, new_piece, new_small_int, read_uint4

cdef extern from *:
    """
    /* A tuple of atoms can be part of no cycle. The collector finds that out when it comes by, and lets go of the tuple
       (_PyTuple_MaybeUntrack); here it need not come by at all. */
    static CYTHON_INLINE int safepickle_list_push_tuple(PyObject *list, PyObject *value) {
        if (PyTuple_CheckExact(value)) {
            Py_ssize_t index = PyTuple_GET_SIZE(value);
            while (index > 0) {
                PyObject *item = PyTuple_GET_ITEM(value, index - 1);
                if (PyObject_IS_GC(item) && (!PyTuple_CheckExact(item) || PyObject_GC_IsTracked(item))) {
                    break;
                }
                index--;
            }
            if (index == 0) {
                PyObject_GC_UnTrack(value);
            }
        }
        return safepickle_list_push(list, value);
    }

    static int safepickle_list_move(PyObject *target, PyObject *items) {
        Py_ssize_t size = PyList_GET_SIZE(target);
    #if SAFEPICKLE_LIST_FIELDS
        PyListObject *to = (PyListObject *)target, *from = (PyListObject *)items;
        Py_ssize_t added = PyList_GET_SIZE(items);
        if (added == 0) {
            return 0;
        }
        if (size == 0 && added <= 1000) {
            /* As picklers batch it: room for just so many, and the machine's list keeps its own. */
            PyObject **exact = (PyObject **)PyMem_Malloc((size_t)added * sizeof(PyObject *));
            if (exact == NULL) {
                PyErr_NoMemory();
                return -1;
            }
            memcpy(exact, from->ob_item, (size_t)added * sizeof(PyObject *));
            PyMem_Free(to->ob_item);
            to->ob_item = exact;
            to->allocated = added;
        } else if (size == 0) {
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

    /* Whether something of one of two types is among the items of a list or tuple. */
    static CYTHON_INLINE int safepickle_holds(PyObject *items, PyObject *kind, PyObject *other) {
        PyObject **parts = PySequence_Fast_ITEMS(items);
        Py_ssize_t index, count = PySequence_Fast_GET_SIZE(items);
        for (index = 0; index < count; index++) {
            PyObject *found = (PyObject *)Py_TYPE(parts[index]);
            if (found == kind || found == other) {
                return 1;
            }
        }
        return 0;
    }
    """
    int push_tuple "safepickle_list_push_tuple"(list stack, object value) except -1
    bint holds "safepickle_holds"(object items, object kind, object other) noexcept
    int extend "safepickle_list_move"(list target, list items) except -1

cdef int NO_OPCODE

cdef inline Py_ssize_t push_leaves(
    Window window, list stack, list below, list memo, bytes data, size_t position, size_t stop, size_t end,
    Py_ssize_t memo_end, size_t longest, size_t widest,
) except -1:
    cdef Py_ssize_t used = 0, last = position
    cdef Py_ssize_t after = push_run(
        stack, below, memo, data, position, stop, end, memo_end, longest, widest, &used, &last
    )
    window.budget.memory_left -= used
    window.start = last
    return after

cdef inline Py_ssize_t push_rows(
    Operations machine, list stack, size_t position, size_t stop, Py_ssize_t memo_end, size_t longest, size_t widest,
    Py_ssize_t base,
) except -1:
    cdef Row row
    cdef bytes data = machine.data
    cdef Budget budget = machine.budget
    cdef Nesting nesting = machine.nesting
    cdef list below = machine.metastack, memo = machine.memo
    machine.ran = 0
    while begins_row(data, position, stop):
        position = push_row(
            stack, below, memo, data, position, stop, machine.end, memo_end, longest, widest, budget.memory_left,
            budget.max_items, nesting.mark_bound, &row,
        )
        budget.memory_left -= row.used
        machine.ran += row.done
        machine.start = row.last
        if row.tuple < 0:
            break
        budget.objects_left -= 1
        nesting.flat(base + row.tuple)
    return position

cdef inline bint is_held(object value) noexcept:
    return type(value) is GlobalHandle or type(value) is HeldTuple

cdef class Machine(Atoms):
    cpdef int open_machine(self, bytes data, object source, Gate gate, str encoding, str errors, object buffers) except -1

    @cython.locals(
        data=bytes, position=size_t, end=size_t, stack=list, metastack=list, memo=list, spare=list, budget=Budget,
        nesting=Nesting, gate=Gate, memo_end=Py_ssize_t, max_items=Py_ssize_t, short=Py_ssize_t,
        shortest_int=Py_ssize_t, base=Py_ssize_t, done=Py_ssize_t, used=Py_ssize_t, start=size_t, stop=size_t,
        opcode=cython.int, missing=Py_ssize_t, steps=Py_ssize_t, length=Py_ssize_t, extra=Py_ssize_t,
        height=Py_ssize_t, after=Py_ssize_t, width=Py_ssize_t, is_deep=bint, compiled=bint, held=bint,
        arguments=Py_ssize_t, items=list, many=tuple, outside=bint,
    )
    cpdef _run(self)
