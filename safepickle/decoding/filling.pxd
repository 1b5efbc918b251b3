cimport cython
from safepickle.decoding.adopting cimport COPIED, NOTED
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.dtypes cimport Dtypes
from safepickle.decoding.gates cimport Gate
from safepickle.decoding.handles cimport GlobalHandle, HeldTuple
from safepickle.decoding.nesting cimport Nesting
from safepickle.decoding.usual_arrays cimport ARRAY, UsualArrays
from safepickle.wire.lists cimport push
from safepickle.wire.reading cimport int4, memo_index, piece, uint4

cdef extern from *:
    """
    static PyObject *safepickle_new_filled(
        PyObject *empty, PyObject *kind, PyObject *shape, PyObject *dtype, PyObject *data, Py_ssize_t start,
        Py_ssize_t length
    ) {
        PyObject *args[3], *array;
        Py_buffer view;
        int fits;
        args[0] = NULL;
        args[1] = shape;
        args[2] = dtype;
        if (start < 0 || length < 0 || start > PyBytes_GET_SIZE(data) - length) {
            PyErr_SetString(PyExc_IndexError, "items beyond the data");
            return NULL;
        }
        array = PyObject_Vectorcall(empty, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        if (array == NULL) {
            return NULL;
        }
        if ((PyObject *)Py_TYPE(array) != kind || PyObject_GetBuffer(array, &view, PyBUF_WRITABLE) < 0) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_TypeError, "no array");
            }
            Py_DECREF(array);
            return NULL;
        }
        fits = view.len == length;
        if (fits) {
            memcpy(view.buf, PyBytes_AS_STRING(data) + start, (size_t)length);
        }
        PyBuffer_Release(&view);
        if (!fits) {
            Py_DECREF(array);
            PyErr_SetString(PyExc_ValueError, "an array of another size");
            return NULL;
        }
        return array;
    }
    """
    object new_filled "safepickle_new_filled"(
        object empty, object kind, object shape, object dtype, bytes data, Py_ssize_t start, Py_ssize_t length
    )

cdef int BUILD, CALL, REFER
cdef Py_ssize_t _FEWEST, _FIXED, _SHAPE, _ENTRY, _INT, _WRITTEN_OUT
cdef long long _LARGEST
cdef tuple _EMPTY_SHAPE
cdef bytes _LETTER

cdef class Filling(Dtypes):
    @cython.locals(
        data=bytes, end=Py_ssize_t, gate=Gate, arrays=UsualArrays, place=Py_ssize_t, index=Py_ssize_t,
        known=Py_ssize_t, named=GlobalHandle, length=cython.longlong, dimensions=Py_ssize_t, count=cython.longlong,
        first=cython.longlong, second=cython.longlong, third=cython.longlong, start=Py_ssize_t, notes=Py_ssize_t,
        cost=Py_ssize_t, nesting=Nesting, height=Py_ssize_t, noted_zero=bint, noted_args=bint, noted_array=bint,
        noted_shape=bint, noted_data=bint, noted_state=bint,
    )
    cdef Py_ssize_t fill(
        self, GlobalHandle handle, list stack, list memo, Py_ssize_t position, Py_ssize_t base, Py_ssize_t done,
        Py_ssize_t room
    ) except -1
    @cython.locals(gate=Gate)
    cdef bint _is_granted(self, GlobalHandle handle, GlobalHandle named) except -1
    @cython.locals(budget=Budget, nesting=Nesting)
    cdef bint _pay(self, Py_ssize_t cost, Py_ssize_t length, Py_ssize_t done) except -1
