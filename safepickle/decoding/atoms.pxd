cimport cython
from safepickle.decoding.handles cimport HELD_ARGUMENTS, HELD_BYTES, HELD_TUPLE, GlobalHandle
from safepickle.decoding.instances cimport Instances
from safepickle.decoding.usual cimport A_DECIMAL, fits_packed, new_decimal
from safepickle.decoding.usual_arrays cimport DTYPE
from safepickle.wire.lists cimport push
from safepickle.wire.reading cimport memo_index, piece

cdef extern from *:
    """
    #include "datetime.h"

    /* As the classes read the bytes themselves, of which it is known that they are a date and a time; the highest bit of
       the month, and of the hour of a time, is the fold (PEP 495). A class that has taken the place of another is called
       as any other. */
    static PyObject *safepickle_new_date(
        PyObject *target, PyObject *data, Py_ssize_t start, Py_ssize_t length, PyObject *zone
    ) {
        const unsigned char *p = (const unsigned char *)PyBytes_AS_STRING(data) + start;
        if (PyDateTimeAPI == NULL) {
            PyDateTime_IMPORT;
            if (PyDateTimeAPI == NULL) {
                /* What stands for the module is another one: its classes are called. */
                if (!PyErr_ExceptionMatches(PyExc_Exception)) {
                    return NULL;
                }
                PyErr_Clear();
                Py_RETURN_NONE;
            }
        }
        if (start < 0 || length < 0 || start > PyBytes_GET_SIZE(data) - length) {
            PyErr_SetString(PyExc_IndexError, "a date beyond the data");
            return NULL;
        }
        if (target == (PyObject *)PyDateTimeAPI->DateTimeType && length == 10) {
            return PyDateTimeAPI->DateTime_FromDateAndTimeAndFold(
                p[0] << 8 | p[1], p[2] & 0x7F, p[3], p[4], p[5], p[6], p[7] << 16 | p[8] << 8 | p[9], zone, p[2] >> 7,
                PyDateTimeAPI->DateTimeType);
        }
        if (target == (PyObject *)PyDateTimeAPI->TimeType && length == 6) {
            return PyDateTimeAPI->Time_FromTimeAndFold(
                p[0] & 0x7F, p[1], p[2], p[3] << 16 | p[4] << 8 | p[5], zone, p[0] >> 7, PyDateTimeAPI->TimeType);
        }
        if (target == (PyObject *)PyDateTimeAPI->DateType && length == 4) {
            return PyDateTimeAPI->Date_FromDate(p[0] << 8 | p[1], p[2], p[3], PyDateTimeAPI->DateType);
        }
        Py_RETURN_NONE;
    }

    static PyObject *safepickle_new_ascii(PyObject *data, size_t start, size_t length) {
        PyObject *text;
        if (length > (size_t)PyBytes_GET_SIZE(data) || start > (size_t)PyBytes_GET_SIZE(data) - length) {
            PyErr_SetString(PyExc_IndexError, "a text beyond the data");
            return NULL;
        }
        text = PyUnicode_New((Py_ssize_t)length, 127);
        if (text != NULL) {
            memcpy(PyUnicode_1BYTE_DATA(text), PyBytes_AS_STRING(data) + start, length);
        }
        return text;
    }
    """
    object new_date "safepickle_new_date"(object target, bytes data, Py_ssize_t start, Py_ssize_t length, object zone)
    str new_ascii "safepickle_new_ascii"(bytes data, size_t start, size_t length)

cdef size_t _FEWEST, _BEHIND
cdef Py_ssize_t _SLICE, _BYTES, _TEXT, _TUPLE, _ENTRY
cdef int _FIRST, _ARGUMENTS, _RESULT, _ZONE, _CALL

cdef class Atoms(Instances):
    # Where a call ends that was read last, and the entry of the memo that is its second argument.
    cdef size_t call_end
    cdef Py_ssize_t zone_at

    cdef Py_ssize_t make_ahead(
        self, GlobalHandle handle, list stack, list memo, size_t position, Py_ssize_t base, Py_ssize_t done,
        Py_ssize_t room
    ) except -1
    @cython.locals(data=bytes, end=size_t, place=size_t, reached=Py_ssize_t, taken=Py_ssize_t)
    cdef Py_ssize_t _make_atoms(
        self, GlobalHandle handle, list stack, list memo, size_t position, Py_ssize_t base, Py_ssize_t done,
        Py_ssize_t room
    ) except -1
    @cython.locals(at="const unsigned char *", end=size_t, place=size_t, call=cython.int)
    cdef int _read_call(self, bytes data, size_t position, int code) except -1
    @cython.locals(
        form=cython.int, call=cython.int, place=size_t, length=size_t, notes=cython.int, zones=cython.int,
        cost=Py_ssize_t,
    )
    cdef Py_ssize_t _make_atom(
        self, GlobalHandle handle, bytes data, list stack, list memo, size_t position, Py_ssize_t base, Py_ssize_t done,
        Py_ssize_t room
    ) except -1
    @cython.final
    cdef bint _push_leaf(
        self, GlobalHandle handle, bytes data, list stack, list memo, size_t start, size_t length, object zone, int call
    ) except -1
    @cython.final
    @cython.locals(args=tuple, height=Py_ssize_t)
    cdef int _push_called(
        self, GlobalHandle handle, bytes data, list stack, list memo, size_t start, size_t length, object zone, int call,
        Py_ssize_t base
    ) except -1
    @cython.final
    cdef inline int _push_made(self, list stack, list memo, int call, object first, object args, object result) except -1
