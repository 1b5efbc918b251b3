cimport cython
from cpython.object cimport PyObject

from safepickle.wire.memo cimport Memo, table_add, table_claim, table_find
from safepickle.wire.output cimport Bounds, Buffer, Output, output_put, output_put2

cdef extern from *:
    """
    /* Most that is written for an int or a float here. */
    #define SAFEPICKLE_NUMBER 10

    /* BININT1, BININT2, BININT, or LONG1 of up to 8 bytes, to where there is room; how many bytes it takes, 0 for an int
       that has another form. */
    static CYTHON_INLINE int safepickle_int_at(unsigned char *p, PyObject *item, int wide) {
        int overflow, width;
        long long value;
        unsigned long long bits;
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
        bits = (unsigned long long) value;
        if (bits <= 0xFF) {
            p[0] = 'K';
            p[1] = (unsigned char) bits;
            return 2;
        }
        if (bits <= 0xFFFF) {
            p[0] = 'M';
            p[1] = (unsigned char) bits;
            p[2] = (unsigned char) (bits >> 8);
            return 3;
        }
        if (value >= -0x80000000LL && value <= 0x7FFFFFFFLL) {
            p[0] = 'J';
            p[1] = (unsigned char) bits;
            p[2] = (unsigned char) (bits >> 8);
            p[3] = (unsigned char) (bits >> 16);
            p[4] = (unsigned char) (bits >> 24);
            return 5;
        }
        if (!wide) {
            return 0;
        }
        width = 5;
        while (width < 8 && (value >> (8 * width - 1)) != 0 && (value >> (8 * width - 1)) != -1) {
            width++;
        }
        p[0] = 0x8A;
        p[1] = (unsigned char) width;
        safepickle_little8(p + 2, bits); /* there is room for all eight */
        return 2 + width;
    }

    static CYTHON_INLINE int safepickle_float_at(unsigned char *p, PyObject *item) {
        double number = PyFloat_AS_DOUBLE(item);
        unsigned long long bits;
        memcpy(&bits, &number, 8);
        p[0] = 'G';
        /* Written out, as in safepickle_little8. */
        p[1] = (unsigned char) (bits >> 56);
        p[2] = (unsigned char) (bits >> 48);
        p[3] = (unsigned char) (bits >> 40);
        p[4] = (unsigned char) (bits >> 32);
        p[5] = (unsigned char) (bits >> 24);
        p[6] = (unsigned char) (bits >> 16);
        p[7] = (unsigned char) (bits >> 8);
        p[8] = (unsigned char) bits;
        return 9;
    }

    static CYTHON_INLINE int safepickle_output_int(safepickle_output *out, PyObject *item, int wide) {
        int width;
        if (safepickle_output_room(out, SAFEPICKLE_NUMBER) < 0) {
            return -1;
        }
        width = safepickle_int_at(out->data + out->size, item, wide);
        if (width > 0) {
            out->size += width;
            return 1;
        }
        return width;
    }

    static CYTHON_INLINE int safepickle_output_float(safepickle_output *out, PyObject *item) {
        if (safepickle_output_room(out, SAFEPICKLE_NUMBER) < 0) {
            return -1;
        }
        out->size += safepickle_float_at(out->data + out->size, item);
        return 0;
    }

    /* Numbers, None, True and False of a list in the form of protocol 2, from `index` up to one that is anything else;
       returns its index. Nothing that is called here is the data's. */
    static CYTHON_UNUSED Py_ssize_t safepickle_output_numbers(
        safepickle_output *out, PyObject *items, Py_ssize_t index, Py_ssize_t stop
    ) {
        if (stop > PyList_GET_SIZE(items)) {
            stop = PyList_GET_SIZE(items);
        }
        while (index < stop) {
            Py_ssize_t last = stop - index > 32 ? index + 32 : stop;
            unsigned char *p;
            if (safepickle_output_room(out, SAFEPICKLE_NUMBER * (last - index)) < 0) {
                return -1;
            }
            p = out->data + out->size;
            for (; index < last; index++) {
                PyObject *item = PyList_GET_ITEM(items, index);
                int width;
                if (PyLong_CheckExact(item)) {
                    width = safepickle_int_at(p, item, 1);
                } else if (PyFloat_CheckExact(item)) {
                    width = safepickle_float_at(p, item);
                } else {
                    *p = item == Py_None ? 'N' : item == Py_True ? 0x88 : 0x89;
                    width = item == Py_None || item == Py_True || item == Py_False;
                }
                if (width <= 0) {
                    out->size = p - out->data;
                    return width < 0 ? -1 : index;
                }
                p += width;
            }
            out->size = p - out->data;
        }
        return index;
    }

    /* Whether one of them is there. */
    static CYTHON_INLINE int safepickle_is_scalar(PyObject *items, Py_ssize_t index) {
        PyObject *item = index < PyList_GET_SIZE(items) ? PyList_GET_ITEM(items, index) : NULL;
        return item != NULL && !PyUnicode_CheckExact(item)
            && (PyLong_CheckExact(item) || PyFloat_CheckExact(item) || item == Py_None || PyBool_Check(item));
    }

    /* One opcode of two and a length of one byte or of four, to where there is room; where the data goes. */
    static CYTHON_INLINE unsigned char *safepickle_header_at(
        unsigned char *p, unsigned char shorter, unsigned char longer, Py_ssize_t length
    ) {
        if (length <= 0xFF) {
            p[0] = shorter;
            p[1] = (unsigned char) length;
            return p + 2;
        }
        p[0] = longer;
        p[1] = (unsigned char) length;
        p[2] = (unsigned char) (length >> 8);
        p[3] = (unsigned char) (length >> 16);
        p[4] = (unsigned char) (length >> 24);
        return p + 5;
    }

    /* SHORT_BINUNICODE or BINUNICODE, SHORT_BINBYTES or BINBYTES: up to 4 GiB. */
    static CYTHON_UNUSED int safepickle_output_sized(
        safepickle_output *out, unsigned char shorter, unsigned char longer, const void *data, Py_ssize_t length
    ) {
        unsigned char *p;
        if (safepickle_output_room(out, length + 5) < 0) {
            return -1;
        }
        p = out->data + out->size;
        p = safepickle_header_at(p, shorter, longer, length);
        safepickle_copy(p, data, (size_t) length);
        out->size = p + length - out->data;
        return 1;
    }

    static CYTHON_INLINE int safepickle_output_blob(safepickle_output *out, PyObject *item) {
        return safepickle_output_sized(out, 'C', 'B', PyBytes_AS_STRING(item), PyBytes_GET_SIZE(item));
    }

    /* What is not ASCII, in UTF-8, as safepickle_output_text writes it. Where somebody asked for it before, the text has
       it; here it is not asked for, as the text would keep it. */
    static CYTHON_UNUSED int safepickle_output_utf8(safepickle_output *out, PyObject *item, Py_ssize_t longest) {
        Py_ssize_t i, length = PyUnicode_GET_LENGTH(item);
        int kind = PyUnicode_KIND(item);
        const void *data = PyUnicode_DATA(item);
        unsigned char *start, *p;
    #if !defined(Py_GIL_DISABLED) && !defined(PYPY_VERSION)
        const PyCompactUnicodeObject *text = (PyCompactUnicodeObject *) item;
        if (PyUnicode_IS_COMPACT(item) && text->utf8 != NULL) {
            return text->utf8_length > longest ? 0
                : safepickle_output_sized(out, 0x8C, 'X', text->utf8, text->utf8_length);
        }
    #endif
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

    /* Text of up to `longest` bytes, in protocol 4 form; 0, with nothing written, for other text. */
    static CYTHON_INLINE int safepickle_output_text(safepickle_output *out, PyObject *item, Py_ssize_t longest) {
        Py_ssize_t length = PyUnicode_GET_LENGTH(item);
        unsigned char *p;
        if (length > longest) {
            return 0;
        }
        if (!PyUnicode_IS_COMPACT_ASCII(item)) {
            return safepickle_output_utf8(out, item, longest);
        }
        if (safepickle_output_room(out, length + 5) < 0) {
            return -1;
        }
        p = out->data + out->size;
        p = safepickle_header_at(p, 0x8C, 'X', length);
        safepickle_copy(p, PyUnicode_DATA(item), (size_t) length);
        out->size = p + length - out->data;
        return 1;
    }

    /* The struct is named by its owner, so that Python sources need no address-of. */
    #define safepickle_m_int(out, item, wide) safepickle_output_int(&(out), item, wide)
    #define safepickle_m_float(out, item) safepickle_output_float(&(out), item)
    #define safepickle_m_numbers(out, items, index, stop) safepickle_output_numbers(&(out), items, index, stop)
    #define safepickle_m_text(out, item, longest) safepickle_output_text(&(out), item, longest)
    #define safepickle_m_blob(out, item) safepickle_output_blob(&(out), item)
    """
    int output_int "safepickle_m_int"(Buffer out, object item, bint wide) except -1
    int output_float "safepickle_m_float"(Buffer out, object item) except -1
    Py_ssize_t output_numbers "safepickle_m_numbers"(
        Buffer out, list items, Py_ssize_t index, Py_ssize_t stop
    ) except -1
    bint is_scalar "safepickle_is_scalar"(list items, Py_ssize_t index) noexcept
    int output_text "safepickle_m_text"(Buffer out, object item, Py_ssize_t longest) except -1
    int output_blob "safepickle_m_blob"(Buffer out, object item) except -1
    Py_ssize_t bytes_size "PyBytes_GET_SIZE"(object item) noexcept

    Py_ssize_t reference_count "Py_REFCNT"(object item) noexcept

cdef int _NONE, _NEWTRUE, _NEWFALSE, _BININT, _BININT1, _BININT2, _LONG1, _LONG4, _BINUNICODE, _BINUNICODE8
cdef int _SHORT_BINUNICODE, _SHORT_BINBYTES, _BINBYTES, _BINBYTES8, _BYTEARRAY8, _BINGET, _LONG_BINGET, _BINPUT
cdef int _LONG_BINPUT, _MEMOIZE, _POP, _NEWLINE
cdef Py_ssize_t FRAME_TARGET, _NEW, _NEVER

@cython.final
@cython.no_gc
cdef class Writer(Output):
    cdef readonly int protocol
    cdef public bint binary
    cdef Memo memo
    cdef bint sparing, free_ints
    cdef Py_ssize_t free_text
    cdef readonly object offender

    cpdef Writer start(
        self, int protocol, bint binary, Bounds bounds, Memo memo, file_write, bint sparing
    )
    cpdef bint atom(self, item, Py_ssize_t owners) except -1
    cdef inline bint leaf(self, item, Py_ssize_t owners) except -1
    @cython.locals(index=Py_ssize_t, in_runs=bint)
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
    @cython.locals(memo=Memo, index=Py_ssize_t)
    cdef inline int text(self, item, Py_ssize_t owners) except -1
    cdef inline int plain_text(self, item) except -1
    cdef int any_text(self, item) except -1
    @cython.locals(length=Py_ssize_t)
    cdef int _text_bytes(self, str item) except -1
    cdef int _text_line(self, str item) except -1
    @cython.locals(bits=cython.longlong)
    cdef int digits(self, bytes text, item) except -1
    cpdef int line(self, bytes text, item) except -1
    @cython.locals(index=Py_ssize_t)
    cdef int binary_string(self, item, Py_ssize_t owners) except -1
    @cython.locals(length=Py_ssize_t)
    cpdef int plain_bytes(self, data, item) except -1
    @cython.locals(length=Py_ssize_t)
    cpdef int plain_bytearray(self, data, item) except -1
    cpdef int begin_items(self, array, Py_ssize_t length, bint readonly) except -1
    cpdef int end_items(self, Py_ssize_t length) except -1
    @cython.locals(index=Py_ssize_t)
    cdef bint recall(self, item) except -1
    @cython.locals(index=Py_ssize_t)
    cdef bint recall_over(self, item) except -1
    @cython.locals(memo=Memo, index=Py_ssize_t)
    cdef int memoize(self, item) except -1
    cdef int put_index(self, Py_ssize_t index, item) except -1
    cdef int put_old_index(self, Py_ssize_t index, item) except -1
    cdef inline int get(self, Py_ssize_t index) except -1
    cdef int get_any(self, Py_ssize_t index) except -1
    cdef inline Py_ssize_t index_of(self, item, Py_ssize_t owners) noexcept

cdef inline bint is_shared(Writer writer, item, Py_ssize_t owners) noexcept:
    return writer.memo is not None and (not writer.sparing or reference_count(item) > owners)
