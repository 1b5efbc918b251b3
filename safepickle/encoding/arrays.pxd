cimport cython

from safepickle.decoding.usual_forms cimport ArrayForm, DtypeForm
from safepickle.encoding.granting cimport WriteGate
from safepickle.encoding.frames cimport enter
from safepickle.encoding.instances cimport Instances
from safepickle.wire.output cimport Buffer, begin, put
from safepickle.wire.writing cimport Writer

cdef extern from *:
    """
    /* The memory of an array: open while it is looked at and written. */
    typedef struct {
        Py_buffer view;
        int is_open;
    } safepickle_items;

    static CYTHON_UNUSED void safepickle_items_close(safepickle_items *items) {
        if (items->is_open) {
            items->is_open = 0;
            PyBuffer_Release(&items->view);
        }
    }

    /* 0 for an array whose items don't lie in C order. */
    static CYTHON_UNUSED int safepickle_items_open(safepickle_items *items, PyObject *array) {
        safepickle_items_close(items);
        if (PyObject_GetBuffer(array, &items->view, PyBUF_C_CONTIGUOUS) == 0) {
            items->is_open = 1;
            return 1;
        }
        if (PyErr_ExceptionMatches(PyExc_ValueError) || PyErr_ExceptionMatches(PyExc_BufferError)) {
            PyErr_Clear();
            return 0;
        }
        return -1;
    }

    /* Bytes of so many items; -1 for an array without items, of more dimensions than are counted here, or whose items
       are not of this size. */
    static CYTHON_UNUSED Py_ssize_t safepickle_items_size(safepickle_items *items, long long item_size) {
        Py_ssize_t i, count = 1, most = (Py_ssize_t) 1 << 40;
        if (items->view.ndim > 8 || item_size <= 0 || item_size >= most || items->view.itemsize != item_size) {
            return -1;
        }
        for (i = 0; i < items->view.ndim; i++) {
            Py_ssize_t length = items->view.shape[i];
            if (length <= 0 || length >= most || count > most / length) {
                return -1;
            }
            count *= length;
        }
        return count <= items->view.len / item_size && items->view.len == count * item_size ? items->view.len : -1;
    }

    #define safepickle_m_items_open(items, array) safepickle_items_open(&(items), array)
    #define safepickle_m_items_close(items) safepickle_items_close(&(items))
    #define safepickle_m_items_size(items, item_size) safepickle_items_size(&(items), item_size)
    #define safepickle_m_items_dimensions(items) ((items).view.ndim)
    #define safepickle_m_items_length(items, place) ((items).view.shape[place])
    #define safepickle_m_items_put(out, items) safepickle_output_raw(&(out), (items).view.buf, (items).view.len)
    """
    ctypedef struct Items "safepickle_items":
        int is_open
    bint open_items "safepickle_m_items_open"(Items items, object array) except -1
    void close_items "safepickle_m_items_close"(Items items) noexcept
    Py_ssize_t items_size "safepickle_m_items_size"(Items items, long long item_size) noexcept
    int items_dimensions "safepickle_m_items_dimensions"(Items items) noexcept
    Py_ssize_t items_length "safepickle_m_items_length"(Items items, int place) noexcept
    int put_items "safepickle_m_items_put"(Buffer out, Items items) except -1

cdef int _MARK, _TUPLE, _TUPLE1, _TUPLE3, _REDUCE, _BUILD, _NEWTRUE, _NEWFALSE
cdef Py_ssize_t FRAME_TARGET, _MOST_BYTES
cdef str _UNNAMED

@cython.no_gc
cdef class Arrays(Instances):
    cdef object buffer_callback, file_write, array_class
    cdef ArrayForm array_form
    cdef Items items

    @cython.final
    cdef int begin_arrays(self, buffer_callback, file_write) except -1
    cdef DtypeForm dtype_form(self, obj, kind)
    @cython.locals(out=Writer)
    cdef int save_dtype(self, obj, DtypeForm form) except -1
    cdef int _save_dtype_of(self, dtype, DtypeForm form) except -1
    cdef int save_buffer(self, obj) except -1
    @cython.locals(
        gate=WriteGate, form=DtypeForm, size=Py_ssize_t, item_size=cython.longlong, note=cython.bint, done=cython.bint
    )
    cdef bint save_array(self, obj, kind) except -1
    cdef bint _may_be_copied(self, Py_ssize_t size) noexcept
    @cython.locals(out=Writer, size=Py_ssize_t, start=Py_ssize_t, apart=bint)
    cdef bint _save_apart(self, obj, dtype, DtypeForm form, bint note) except -1
    @cython.locals(out=Writer, dimensions=cython.int, place=cython.int)
    cdef int _save_filled(self, obj, kind, dtype, DtypeForm form, Py_ssize_t size, bint note) except -1
    cdef int _save_shape(self, shape) except -1
