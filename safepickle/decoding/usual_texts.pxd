cdef extern from *:
    """
    static int safepickle_texts_are_within(
        const char *offsets, Py_ssize_t room, const unsigned char *text, Py_ssize_t size, Py_ssize_t count, int width
    ) {
        Py_ssize_t place;
        long long before = 0, last = 0;
        int narrow;
        if (room / width <= count) {
            return 0;
        }
        for (place = 0; place <= count; place++) {
            if (width == 8) {
                memcpy(&last, offsets + 8 * place, 8);
            } else {
                memcpy(&narrow, offsets + 4 * place, 4);
                last = narrow;
            }
            if (last < before) {
                return 0;
            }
            before = last;
        }
        if (last > size) {
            return 0;
        }
        for (place = 0; place + 8 <= last; place += 8) {
            unsigned long long word;
            memcpy(&word, text + place, 8);
            if (word & 0x8080808080808080ULL) {
                return 0;
            }
        }
        for (; place < last; place++) {
            if (text[place] & 0x80) {
                return 0;
            }
        }
        return 1;
    }

    static int safepickle_texts_lie_within(PyObject *offsets, PyObject *text, Py_ssize_t count, int width) {
        Py_buffer first, second;
        int found;
        if (PyObject_GetBuffer(offsets, &first, PyBUF_SIMPLE) < 0) {
            return -1;
        }
        if (PyObject_GetBuffer(text, &second, PyBUF_SIMPLE) < 0) {
            PyBuffer_Release(&first);
            return -1;
        }
        found = safepickle_texts_are_within(
            (const char *)first.buf, first.len, (const unsigned char *)second.buf, second.len, count, width
        );
        PyBuffer_Release(&second);
        PyBuffer_Release(&first);
        return found;
    }
    """
    bint texts_lie_within "safepickle_texts_lie_within"(
        object offsets, object text, Py_ssize_t count, int width
    ) except -1

cdef object _CONTRACT
cdef dict _MODULES
cdef long long _MOST

cpdef bint is_of_texts(object contract) except -1
cpdef bint fits_texts(tuple args) except -1
