cimport cython
from cpython.object cimport PyObject

cdef extern from *:
    """
    #include <string.h>

    /* The output: a bytes object that grows and is handed out without a copy. */
    typedef struct {
        PyObject *holder;
        unsigned char *data;
        Py_ssize_t size;
        Py_ssize_t room;
    } safepickle_output;

    #define SAFEPICKLE_KEPT_ROOM 1024

    static CYTHON_UNUSED int safepickle_output_grow(safepickle_output *out, Py_ssize_t more) {
        Py_ssize_t room;
        if (more > PY_SSIZE_T_MAX / 4 || out->size > PY_SSIZE_T_MAX / 4) {
            PyErr_NoMemory();
            return -1;
        }
        room = out->size + more;
        /* Half as much again as there is, not as is asked for: the room for a large array is that of the array. */
        room = out->holder == NULL && room <= 256 ? 256 : room + (out->size >> 1) + 64;
        if (out->holder == NULL) {
            out->holder = PyBytes_FromStringAndSize(NULL, room);
            out->size = 0;
        } else {
            _PyBytes_Resize(&out->holder, room);
        }
        if (out->holder == NULL) {
            out->data = NULL;
            out->size = 0;
            out->room = 0;
            return -1;
        }
        out->data = (unsigned char *) PyBytes_AS_STRING(out->holder);
        out->room = room;
        return 0;
    }

    static CYTHON_INLINE int safepickle_output_room(safepickle_output *out, Py_ssize_t more) {
        if (out->room - out->size < more) {
            return safepickle_output_grow(out, more);
        }
        return 0;
    }

    static CYTHON_UNUSED void safepickle_output_free(safepickle_output *out) {
        Py_CLEAR(out->holder);
        out->data = NULL;
        out->size = 0;
        out->room = 0;
    }

    /* Begins anew, in the room that there is if it is little. */
    static CYTHON_UNUSED void safepickle_output_reset(safepickle_output *out) {
        if (out->room > SAFEPICKLE_KEPT_ROOM) {
            safepickle_output_free(out);
        }
        out->size = 0;
    }

    static CYTHON_UNUSED PyObject *safepickle_output_take(safepickle_output *out) {
        PyObject *result = out->holder;
        Py_ssize_t size = out->size;
        if (result != NULL && out->room <= SAFEPICKLE_KEPT_ROOM) {
            /* A copy of a little is cheaper than to give up the room and to take it again. */
            out->size = 0;
            return PyBytes_FromStringAndSize((char *) out->data, size);
        }
        out->holder = NULL;
        out->data = NULL;
        out->size = 0;
        out->room = 0;
        if (result == NULL) {
            return PyBytes_FromStringAndSize("", 0);
        }
        if (_PyBytes_Resize(&result, size) < 0) {
            return NULL;
        }
        return result;
    }

    static CYTHON_UNUSED PyObject *safepickle_output_cut(safepickle_output *out, Py_ssize_t start) {
        PyObject *tail;
        if (start < 0 || start > out->size) {
            PyErr_SetString(PyExc_ValueError, "cut outside of the output");
            return NULL;
        }
        if (start == out->size) {
            return PyBytes_FromStringAndSize("", 0);
        }
        tail = PyBytes_FromStringAndSize((char *) out->data + start, out->size - start);
        if (tail != NULL) {
            out->size = start;
        }
        return tail;
    }

    /* Eight stores that compilers join to one. */
    static CYTHON_INLINE void safepickle_little8(unsigned char *p, unsigned long long value) {
        p[0] = (unsigned char) value;
        p[1] = (unsigned char) (value >> 8);
        p[2] = (unsigned char) (value >> 16);
        p[3] = (unsigned char) (value >> 24);
        p[4] = (unsigned char) (value >> 32);
        p[5] = (unsigned char) (value >> 40);
        p[6] = (unsigned char) (value >> 48);
        p[7] = (unsigned char) (value >> 56);
    }

    /* memcpy, which for a short text takes longer to call than to do: as two words that may share bytes. */
    static CYTHON_INLINE void safepickle_copy(unsigned char *to, const void *data, size_t length) {
        const unsigned char *from = (const unsigned char *) data;
        if (length >= 8 && length <= 16) {
            memcpy(to, from, 8);
            memcpy(to + length - 8, from + length - 8, 8);
        } else if (length >= 4 && length < 8) {
            memcpy(to, from, 4);
            memcpy(to + length - 4, from + length - 4, 4);
        } else {
            memcpy(to, from, length);
        }
    }

    static CYTHON_UNUSED int safepickle_output_patch(safepickle_output *out, Py_ssize_t start, unsigned long long value) {
        if (start < 0 || start + 8 > out->size) {
            PyErr_SetString(PyExc_ValueError, "patch outside of the output");
            return -1;
        }
        safepickle_little8(out->data + start, value);
        return 0;
    }

    static CYTHON_INLINE int safepickle_output_put(safepickle_output *out, int code) {
        if (safepickle_output_room(out, 1) < 0) {
            return -1;
        }
        out->data[out->size++] = (unsigned char) code;
        return 0;
    }

    static CYTHON_INLINE int safepickle_output_put2(safepickle_output *out, int code, int value) {
        if (safepickle_output_room(out, 2) < 0) {
            return -1;
        }
        out->data[out->size++] = (unsigned char) code;
        out->data[out->size++] = (unsigned char) value;
        return 0;
    }

    static CYTHON_INLINE int safepickle_output_little(
        safepickle_output *out, int code, unsigned long long value, int width
    ) {
        if (safepickle_output_room(out, 9) < 0) {
            return -1;
        }
        out->data[out->size] = (unsigned char) code;
        safepickle_little8(out->data + out->size + 1, value); /* what is above the width is written over */
        out->size += width + 1;
        return 0;
    }

    static CYTHON_INLINE int safepickle_output_raw(safepickle_output *out, const void *data, Py_ssize_t length) {
        if (safepickle_output_room(out, length) < 0) {
            return -1;
        }
        memcpy(out->data + out->size, data, (size_t) length);
        out->size += length;
        return 0;
    }

    static CYTHON_UNUSED int safepickle_output_bytes(safepickle_output *out, PyObject *data) {
        Py_buffer view;
        int status;
        if (PyBytes_CheckExact(data)) {
            return safepickle_output_raw(out, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data));
        }
        if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
            return -1;
        }
        status = safepickle_output_raw(out, view.buf, view.len);
        PyBuffer_Release(&view);
        return status;
    }

    /* The struct is named by its owner, so that Python sources need no address-of. */
    #define safepickle_m_free(out) safepickle_output_free(&(out))
    #define safepickle_m_reset(out) safepickle_output_reset(&(out))
    #define safepickle_m_take(out) safepickle_output_take(&(out))
    #define safepickle_m_cut(out, start) safepickle_output_cut(&(out), start)
    #define safepickle_m_patch(out, start, value) safepickle_output_patch(&(out), start, value)
    #define safepickle_m_put(out, code) safepickle_output_put(&(out), code)
    #define safepickle_m_put2(out, code, value) safepickle_output_put2(&(out), code, value)
    #define safepickle_m_little(out, code, value, width) safepickle_output_little(&(out), code, value, width)
    #define safepickle_m_bytes(out, data) safepickle_output_bytes(&(out), data)
    """
    ctypedef struct Buffer "safepickle_output":
        Py_ssize_t size
    void output_free "safepickle_m_free"(Buffer out) noexcept
    void output_reset "safepickle_m_reset"(Buffer out) noexcept
    object output_take "safepickle_m_take"(Buffer out)
    object output_cut "safepickle_m_cut"(Buffer out, Py_ssize_t start)
    int output_patch "safepickle_m_patch"(Buffer out, Py_ssize_t start, Py_ssize_t value) except -1
    int output_put "safepickle_m_put"(Buffer out, int code) except -1
    int output_put2 "safepickle_m_put2"(Buffer out, int code, int value) except -1
    int output_little "safepickle_m_little"(Buffer out, int code, long long value, int width) except -1
    int output_bytes "safepickle_m_bytes"(Buffer out, object data) except -1

cdef int _FRAME, _PROTO
cdef Py_ssize_t _FRAME_TARGET, _FRAME_LEAST, _FRAME_HEADER

@cython.final
cdef class Bounds:
    cdef readonly long long max_bytes, max_calls, max_depth, max_int_bits, max_items, max_memo, max_objects
    cdef readonly long long max_opcodes, max_string
    cdef readonly double max_seconds
    cdef readonly object limits

@cython.no_gc
cdef class Output:
    cdef Bounds bounds
    cdef object file_write
    cdef bint framing
    cdef readonly bint in_file
    cdef Py_ssize_t flushed, frame_start
    cdef readonly Py_ssize_t next_stop
    cdef readonly long long frames
    cdef Buffer out

    @cython.final
    cdef int open_output(self, int protocol, Bounds bounds, file_write) except -1
    cdef int begin_output(self, int protocol) except -1
    cpdef Py_ssize_t size(self) noexcept
    cpdef int put(self, int code) except -1
    cpdef int put2(self, int code, int value) except -1
    cpdef int put_u2(self, int code, long long value) except -1
    cpdef int put_u4(self, int code, long long value) except -1
    cpdef int put_i4(self, int code, long long value) except -1
    cpdef int put_u8(self, int code, long long value) except -1
    cpdef int put_bytes(self, data) except -1
    cpdef int start_framing(self) except -1
    @cython.final
    cdef int _open_frame(self) except -1
    @cython.locals(length=Py_ssize_t, start=Py_ssize_t)
    @cython.final
    cdef int _close_frame(self) except -1
    cpdef int boundary(self) except -1
    @cython.locals(total=cython.longlong)
    cpdef int check_size(self, Py_ssize_t more) except -1
    @cython.final
    cdef int _flush(self) except -1
    @cython.final
    cdef int _hand_out(self, data) except -1
    @cython.final
    cdef bytes _take(self)
    cpdef bytes cut(self, Py_ssize_t start)
    @cython.final
    cdef int put_back(self, Py_ssize_t start, bytes tail) except -1
    cpdef finish(self)
    @cython.locals(length=Py_ssize_t)
    @cython.final
    cdef int large(self, int code, int width, data) except -1

cdef inline int put(Output output, int code) except -1:
    return output_put(output.out, code)

cdef inline int begin(Output output, int code) except -1:
    if output.out.size >= output.next_stop:
        output.boundary()
    return output_put(output.out, code)
