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

    static CYTHON_UNUSED int safepickle_output_grow(safepickle_output *out, Py_ssize_t more) {
        Py_ssize_t room;
        if (more > PY_SSIZE_T_MAX / 4 || out->size > PY_SSIZE_T_MAX / 4) {
            PyErr_NoMemory();
            return -1;
        }
        room = out->size + more;
        room = out->holder == NULL && room <= 256 ? 256 : room + (room >> 1);
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

    static CYTHON_UNUSED PyObject *safepickle_output_take(safepickle_output *out) {
        PyObject *result = out->holder;
        Py_ssize_t size = out->size;
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

    static CYTHON_UNUSED int safepickle_output_patch(safepickle_output *out, Py_ssize_t start, unsigned long long value) {
        int i;
        if (start < 0 || start + 8 > out->size) {
            PyErr_SetString(PyExc_ValueError, "patch outside of the output");
            return -1;
        }
        for (i = 0; i < 8; i++) {
            out->data[start + i] = (unsigned char) (value >> (8 * i));
        }
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
        int i;
        unsigned char *p;
        if (safepickle_output_room(out, 9) < 0) {
            return -1;
        }
        p = out->data + out->size;
        p[0] = (unsigned char) code;
        for (i = 0; i < width; i++) {
            p[i + 1] = (unsigned char) (value >> (8 * i));
        }
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

    /* BININT1, BININT2, BININT, or LONG1 of up to 8 bytes; 0 for an int that has another form. */
    static CYTHON_INLINE int safepickle_output_int(safepickle_output *out, PyObject *item, int wide) {
        int overflow, width;
        long long value;
        unsigned long long bits;
        unsigned char *p;
    #if PY_VERSION_HEX >= 0x030C0000
        if (PyUnstable_Long_IsCompact((PyLongObject *) item)) {
            value = PyUnstable_Long_CompactValue((PyLongObject *) item);
        } else
    #else
        Py_ssize_t digits = Py_SIZE(item);
        if (digits == 1) {
            value = ((PyLongObject *) item)->ob_digit[0];
        } else if (digits == 0) {
            value = 0;
        } else if (digits == 2 && PyLong_SHIFT == 30) {
            value = ((long long) ((PyLongObject *) item)->ob_digit[1] << 30) | ((PyLongObject *) item)->ob_digit[0];
        } else
    #endif
        {
            value = PyLong_AsLongLongAndOverflow(item, &overflow);
            if (overflow != 0) {
                return 0;
            }
            if (value == -1 && PyErr_Occurred()) {
                return -1;
            }
        }
        if (safepickle_output_room(out, 10) < 0) {
            return -1;
        }
        p = out->data + out->size;
        bits = (unsigned long long) value;
        if (bits <= 0xFF) {
            p[0] = 'K';
            p[1] = (unsigned char) bits;
            out->size += 2;
        } else if (bits <= 0xFFFF) {
            p[0] = 'M';
            p[1] = (unsigned char) bits;
            p[2] = (unsigned char) (bits >> 8);
            out->size += 3;
        } else if (value >= -0x80000000LL && value <= 0x7FFFFFFFLL) {
            p[0] = 'J';
            p[1] = (unsigned char) bits;
            p[2] = (unsigned char) (bits >> 8);
            p[3] = (unsigned char) (bits >> 16);
            p[4] = (unsigned char) (bits >> 24);
            out->size += 5;
        } else if (wide) {
            int i;
            width = 5;
            while (width < 8 && (value >> (8 * width - 1)) != 0 && (value >> (8 * width - 1)) != -1) {
                width++;
            }
            p[0] = 0x8A;
            p[1] = (unsigned char) width;
            for (i = 0; i < width; i++) {
                p[2 + i] = (unsigned char) (bits >> (8 * i));
            }
            out->size += 2 + width;
        } else {
            return 0;
        }
        return 1;
    }

    static CYTHON_INLINE int safepickle_output_float(safepickle_output *out, PyObject *item) {
        double number = PyFloat_AS_DOUBLE(item);
        unsigned long long bits;
        unsigned char *p;
        int i;
        if (safepickle_output_room(out, 9) < 0) {
            return -1;
        }
        p = out->data + out->size;
        memcpy(&bits, &number, 8);
        p[0] = 'G';
        for (i = 0; i < 8; i++) {
            p[1 + i] = (unsigned char) (bits >> (8 * (7 - i)));
        }
        out->size += 9;
        return 0;
    }

    /* Text of up to `longest` bytes, in protocol 4 form; 0, with nothing written, for other text. */
    static CYTHON_INLINE int safepickle_output_text(safepickle_output *out, PyObject *item, Py_ssize_t longest) {
        Py_ssize_t length = PyUnicode_GET_LENGTH(item);
        unsigned char *p;
        if (length > longest) {
            return 0;
        }
        if (PyUnicode_IS_COMPACT_ASCII(item)) {
            if (safepickle_output_room(out, length + 5) < 0) {
                return -1;
            }
            p = out->data + out->size;
            if (length <= 0xFF) {
                p[0] = 0x8C;
                p[1] = (unsigned char) length;
                p += 2;
                out->size += 2 + length;
            } else {
                p[0] = 'X';
                p[1] = (unsigned char) length;
                p[2] = (unsigned char) (length >> 8);
                p[3] = (unsigned char) (length >> 16);
                p[4] = (unsigned char) (length >> 24);
                p += 5;
                out->size += 5 + length;
            }
            memcpy(p, PyUnicode_DATA(item), (size_t) length);
            return 1;
        }
        {
            int kind = PyUnicode_KIND(item);
            const void *data = PyUnicode_DATA(item);
            Py_ssize_t i;
            unsigned char *start;
            if (length > 63 || length * 4 > longest) {
                return 0;
            }
            if (safepickle_output_room(out, length * 4 + 2) < 0) {
                return -1;
            }
            start = p = out->data + out->size + 2;
            for (i = 0; i < length; i++) {
                Py_UCS4 c = PyUnicode_READ(kind, data, i);
                if (c < 0x80) {
                    *p++ = (unsigned char) c;
                } else if (c < 0x800) {
                    *p++ = (unsigned char) (0xC0 | (c >> 6));
                    *p++ = (unsigned char) (0x80 | (c & 0x3F));
                } else if (c < 0x10000) {
                    *p++ = (unsigned char) (0xE0 | (c >> 12));
                    *p++ = (unsigned char) (0x80 | ((c >> 6) & 0x3F));
                    *p++ = (unsigned char) (0x80 | (c & 0x3F));
                } else {
                    *p++ = (unsigned char) (0xF0 | (c >> 18));
                    *p++ = (unsigned char) (0x80 | ((c >> 12) & 0x3F));
                    *p++ = (unsigned char) (0x80 | ((c >> 6) & 0x3F));
                    *p++ = (unsigned char) (0x80 | (c & 0x3F));
                }
            }
            start[-2] = 0x8C;
            start[-1] = (unsigned char) (p - start);
            out->size += 2 + (p - start);
            return 1;
        }
    }

    /* The memo: pointers, kept alive, to their indexes; open addressing, never more than two thirds full. */
    typedef struct {
        PyObject *key;
        Py_ssize_t index;
    } safepickle_entry;

    typedef struct {
        safepickle_entry *entries;
        size_t mask;
        size_t used;
    } safepickle_table;

    static CYTHON_INLINE safepickle_entry *safepickle_table_slot(safepickle_table *table, PyObject *key) {
        size_t at = (size_t) key;
        safepickle_entry *entry;
        at = (at >> 4) ^ (at >> 13);
        for (;; at++) {
            entry = &table->entries[at & table->mask];
            if (entry->key == NULL || entry->key == key) {
                return entry;
            }
        }
    }

    static CYTHON_INLINE Py_ssize_t safepickle_table_find(safepickle_table *table, PyObject *key) {
        safepickle_entry *entry;
        if (table->used == 0) {
            return -1;
        }
        entry = safepickle_table_slot(table, key);
        return entry->key == NULL ? -1 : entry->index;
    }

    static CYTHON_UNUSED int safepickle_table_grow(safepickle_table *table) {
        safepickle_table bigger;
        size_t i, size = table->entries == NULL ? 32 : (table->mask + 1) * (table->used > 50000 ? 2 : 4);
        bigger.entries = (safepickle_entry *) PyMem_Calloc(size, sizeof(safepickle_entry));
        if (bigger.entries == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        bigger.mask = size - 1;
        bigger.used = table->used;
        for (i = 0; table->entries != NULL && i <= table->mask; i++) {
            if (table->entries[i].key != NULL) {
                *safepickle_table_slot(&bigger, table->entries[i].key) = table->entries[i];
            }
        }
        PyMem_Free(table->entries);
        *table = bigger;
        return 0;
    }

    static CYTHON_INLINE int safepickle_table_add(safepickle_table *table, PyObject *key, Py_ssize_t index) {
        safepickle_entry *entry;
        if (table->entries == NULL || table->used * 3 >= table->mask * 2) {
            if (safepickle_table_grow(table) < 0) {
                return -1;
            }
        }
        entry = safepickle_table_slot(table, key);
        if (entry->key == NULL) {
            Py_INCREF(key);
            entry->key = key;
            table->used++;
        }
        entry->index = index;
        return 0;
    }

    static CYTHON_UNUSED void safepickle_table_free(safepickle_table *table) {
        safepickle_entry *entries = table->entries;
        size_t i, mask = table->mask, used = table->used;
        table->entries = NULL;
        table->mask = 0;
        table->used = 0;
        /* What is let go may run code: the table is empty by then. */
        for (i = 0; entries != NULL && used > 0 && i <= mask; i++) {
            if (entries[i].key != NULL) {
                Py_DECREF(entries[i].key);
                used--;
            }
        }
        PyMem_Free(entries);
    }

    static CYTHON_UNUSED PyObject *safepickle_table_dict(safepickle_table *table) {
        size_t i;
        PyObject *result = PyDict_New();
        for (i = 0; result != NULL && table->entries != NULL && i <= table->mask; i++) {
            if (table->entries[i].key != NULL) {
                PyObject *id = PyLong_FromVoidPtr(table->entries[i].key);
                PyObject *value = Py_BuildValue("(nO)", table->entries[i].index, table->entries[i].key);
                if (id == NULL || value == NULL || PyDict_SetItem(result, id, value) < 0) {
                    Py_CLEAR(result);
                }
                Py_XDECREF(id);
                Py_XDECREF(value);
            }
        }
        return result;
    }

    /* The struct is named by its owner, so that Python sources need no address-of. */
    #define safepickle_m_room(out, more) safepickle_output_room(&(out), more)
    #define safepickle_m_free(out) safepickle_output_free(&(out))
    #define safepickle_m_take(out) safepickle_output_take(&(out))
    #define safepickle_m_cut(out, start) safepickle_output_cut(&(out), start)
    #define safepickle_m_patch(out, start, value) safepickle_output_patch(&(out), start, value)
    #define safepickle_m_put(out, code) safepickle_output_put(&(out), code)
    #define safepickle_m_put2(out, code, value) safepickle_output_put2(&(out), code, value)
    #define safepickle_m_little(out, code, value, width) safepickle_output_little(&(out), code, value, width)
    #define safepickle_m_bytes(out, data) safepickle_output_bytes(&(out), data)
    #define safepickle_m_int(out, item, wide) safepickle_output_int(&(out), item, wide)
    #define safepickle_m_float(out, item) safepickle_output_float(&(out), item)
    #define safepickle_m_text(out, item, longest) safepickle_output_text(&(out), item, longest)
    #define safepickle_m_find(table, key) safepickle_table_find(&(table), key)
    #define safepickle_m_add(table, key, index) safepickle_table_add(&(table), key, index)
    #define safepickle_m_table_free(table) safepickle_table_free(&(table))
    #define safepickle_m_dict(table) safepickle_table_dict(&(table))
    """
    ctypedef struct Output "safepickle_output":
        Py_ssize_t size
    void output_free "safepickle_m_free"(Output out) noexcept
    object output_take "safepickle_m_take"(Output out)
    object output_cut "safepickle_m_cut"(Output out, Py_ssize_t start)
    int output_patch "safepickle_m_patch"(Output out, Py_ssize_t start, Py_ssize_t value) except -1
    int output_put "safepickle_m_put"(Output out, int code) except -1
    int output_put2 "safepickle_m_put2"(Output out, int code, int value) except -1
    int output_little "safepickle_m_little"(Output out, int code, long long value, int width) except -1
    int output_bytes "safepickle_m_bytes"(Output out, object data) except -1
    int output_int "safepickle_m_int"(Output out, object item, bint wide) except -1
    int output_float "safepickle_m_float"(Output out, object item) except -1
    int output_text "safepickle_m_text"(Output out, object item, Py_ssize_t longest) except -1

    ctypedef struct Table "safepickle_table":
        size_t used
    Py_ssize_t table_find "safepickle_m_find"(Table table, object key) noexcept
    int table_add "safepickle_m_add"(Table table, object key, Py_ssize_t index) except -1
    void table_free "safepickle_m_table_free"(Table table) noexcept
    object table_dict "safepickle_m_dict"(Table table)

    Py_ssize_t reference_count "Py_REFCNT"(object item) noexcept

cdef int _NONE, _NEWTRUE, _NEWFALSE, _BININT, _BININT1, _BININT2, _LONG1, _LONG4, _BINUNICODE, _BINUNICODE8
cdef int _SHORT_BINUNICODE, _SHORT_BINBYTES, _BINBYTES, _BINBYTES8, _BYTEARRAY8, _BINGET, _LONG_BINGET, _BINPUT
cdef int _LONG_BINPUT, _MEMOIZE, _POP, _FRAME, _PROTO
cdef Py_ssize_t _NEW, _NEVER, _FRAME_TARGET, _FRAME_LEAST, _FRAME_HEADER

@cython.final
cdef class Bounds:
    cdef readonly long long max_bytes, max_calls, max_depth, max_int_bits, max_items, max_memo, max_objects
    cdef readonly long long max_opcodes, max_string
    cdef readonly double max_seconds

@cython.final
cdef class Memo:
    cdef long long count
    cdef Table table
    cpdef Py_ssize_t find(self, item) noexcept
    cpdef clear(self)
    cpdef dict as_dict(self)

@cython.final
cdef class Writer:
    cdef readonly int protocol
    cdef public bint binary
    cdef Bounds bounds
    cdef Memo memo
    cdef object file_write
    cdef bint sparing, framing, free_ints
    cdef Py_ssize_t free_text
    cdef readonly bint in_file
    cdef Py_ssize_t flushed, frame_start
    cdef readonly Py_ssize_t next_stop
    cdef readonly long long frames
    cdef readonly object offender
    cdef Output out

    cpdef Py_ssize_t size(self) noexcept
    cpdef Writer start(
        self, int protocol, bint binary, Bounds bounds, Memo memo, file_write, bint sparing
    )
    cpdef int put(self, int code) except -1
    cpdef int put2(self, int code, int value) except -1
    cpdef int put_u2(self, int code, long long value) except -1
    cpdef int put_u4(self, int code, long long value) except -1
    cpdef int put_i4(self, int code, long long value) except -1
    cpdef int put_u8(self, int code, long long value) except -1
    cpdef int put_bytes(self, data) except -1
    cpdef int start_framing(self) except -1
    cdef int _open_frame(self) except -1
    @cython.locals(length=Py_ssize_t, start=Py_ssize_t)
    cdef int _close_frame(self) except -1
    cdef int begin(self, int code) except -1
    cpdef int boundary(self) except -1
    @cython.locals(total=cython.longlong)
    cpdef int check_size(self, Py_ssize_t more) except -1
    cdef int _flush(self) except -1
    cdef int _hand_out(self, data) except -1
    cdef bytes _take(self)
    cpdef bytes cut(self, Py_ssize_t start)
    cdef int put_back(self, Py_ssize_t start, bytes tail) except -1
    cpdef finish(self)
    @cython.locals(length=Py_ssize_t)
    cdef int large(self, int code, int width, data) except -1
    cpdef bint atom(self, item, Py_ssize_t owners) except -1
    cdef inline bint leaf(self, item, Py_ssize_t owners) except -1
    @cython.locals(index=Py_ssize_t)
    cdef Py_ssize_t list_atoms(self, list items, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t owners) except -1
    @cython.locals(index=Py_ssize_t)
    cdef Py_ssize_t tuple_atoms(self, tuple items, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t owners) except -1
    cdef int refuse(self, str limit, long long bound, asked, item) except -1
    cdef int boolean(self, item) except -1
    cpdef int write_integer(self, item) except -1
    cdef inline int integer(self, item) except -1
    cdef int large_integer(self, item) except -1
    cpdef int write_float(self, item) except -1
    cdef inline int floating(self, item) except -1
    @cython.locals(index=Py_ssize_t)
    cdef inline int text(self, item, Py_ssize_t owners) except -1
    cdef inline int plain_text(self, item) except -1
    cdef int any_text(self, item) except -1
    @cython.locals(length=Py_ssize_t)
    cdef int _text_bytes(self, str item) except -1
    cdef int _text_line(self, str item) except -1
    @cython.locals(index=Py_ssize_t)
    cdef int binary_string(self, item, Py_ssize_t owners) except -1
    @cython.locals(length=Py_ssize_t)
    cpdef int plain_bytes(self, data, item) except -1
    @cython.locals(length=Py_ssize_t)
    cpdef int plain_bytearray(self, data, item) except -1
    cdef bint shared(self, item, Py_ssize_t owners) noexcept
    @cython.locals(index=Py_ssize_t)
    cdef bint recall(self, item) except -1
    @cython.locals(index=Py_ssize_t)
    cdef bint recall_over(self, item) except -1
    @cython.locals(memo=Memo, index=Py_ssize_t)
    cdef memoize(self, item)
    cdef inline int get(self, Py_ssize_t index) except -1
    cdef int get_any(self, Py_ssize_t index) except -1
    cdef inline Py_ssize_t index_of(self, item, Py_ssize_t owners) noexcept
