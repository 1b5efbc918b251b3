from cpython.object cimport PyObject
from safepickle.wire.lists cimport push, push_new
from safepickle.wire.reading cimport new_float8, new_int2, new_int4, new_small_int

# Runs of leaves, for the machine's loop and for who makes what the bytes to come say: nothing but C, so that who uses it
# imports nothing. What each is in Python is in leaves.py.

cdef extern from *:
    """
    /* Pushes the numbers from `position` on whose opcode is the same, up to one that is not wholly there. */
    static CYTHON_INLINE Py_ssize_t safepickle_push_numbers(
        PyObject *list, PyObject *data, size_t position, size_t stop, size_t end
    ) {
        const unsigned char *p = (const unsigned char *)PyBytes_AS_STRING(data);
        unsigned char code;
        size_t width;
        if (stop > end || end > (size_t)PyBytes_GET_SIZE(data) || position >= stop) {
            PyErr_SetString(PyExc_IndexError, "numbers beyond the data");
            return -1;
        }
        code = p[position];
        width = code == 0x47 ? 8 : code == 0x4A ? 4 : 2;
        while (position < stop && p[position] == code && end - position > width) {
            PyObject *number;
            if (code == 0x4A) {
                number = safepickle_new_int4(data, position + 1);
            } else if (code == 0x47) {
                number = PyFloat_FromDouble(safepickle_float8(data, position + 1));
            } else {
                number = safepickle_new_int2(data, position + 1);
            }
            if (number == NULL || safepickle_list_push_new(list, number) < 0) {
                return -1;
            }
            position += 1 + width;
        }
        return (Py_ssize_t)position;
    }

    /* Pushes the text, and returns what it may take beyond its bytes: nothing if it is ASCII. */
    static CYTHON_INLINE Py_ssize_t safepickle_push_utf8(PyObject *list, PyObject *data, size_t start, size_t stop) {
        Py_ssize_t length;
        PyObject *word = safepickle_utf8(data, start, stop);
        if (word == NULL) {
            return -1;
        }
        length = PyUnicode_GET_LENGTH(word);
        if (safepickle_list_push_new(list, word) < 0) {
            return -1;
        }
        return (size_t)length == stop - start ? 0 : 3 * length;
    }

    #if SAFEPICKLE_LIST_FIELDS
    /* Keys come back from load to load. Short ASCII ones are kept, by their bytes, and are then neither made nor hashed
       again; a new one takes the place of another. Only keys: what dicts hold stays with whoever loaded it. */
    #define SAFEPICKLE_KEYS 512
    #define SAFEPICKLE_LONGEST_KEY 24
    static PyObject *safepickle_keys[SAFEPICKLE_KEYS];

    static CYTHON_INLINE size_t safepickle_key_place(const char *bytes, size_t length) {
        unsigned long long first = 0, last = 0;
        if (length >= 8) {
            memcpy(&first, bytes, 8);
            memcpy(&last, bytes + length - 8, 8);
        } else if (length >= 4) {
            memcpy(&first, bytes, 4);
            memcpy(&last, bytes + length - 4, 4);
        } else {
            memcpy(&first, bytes, 2);
            memcpy(&last, bytes + length - 2, 2);
        }
        first = (first + length) * 0x9E3779B97F4A7C15ULL ^ last * 0xC2B2AE3D27D4EB4FULL;
        return (size_t)((first ^ first >> 29) * 0x9E3779B97F4A7C15ULL >> 55);
    }
    #endif

    /* Pushes a text, as safepickle_push_utf8 does; behind a mark behind a dict it may be one of its keys. */
    static CYTHON_INLINE Py_ssize_t safepickle_push_key(
        PyObject *list, PyObject *below, PyObject *data, size_t start, size_t stop
    ) {
    #if SAFEPICKLE_LIST_FIELDS
        Py_ssize_t depth = PyList_GET_SIZE(below);
        size_t length = stop - start;
        if (depth > 0 && !(PyList_GET_SIZE(list) & 1) && length > 1 && length <= SAFEPICKLE_LONGEST_KEY
            && stop <= (size_t)PyBytes_GET_SIZE(data)) {
            PyObject *parents = PyList_GET_ITEM(below, depth - 1);
            Py_ssize_t height = PyList_GET_SIZE(parents);
            if (height > 0 && PyDict_CheckExact(PyList_GET_ITEM(parents, height - 1))) {
                const char *bytes = PyBytes_AS_STRING(data) + start;
                PyObject **place = &safepickle_keys[safepickle_key_place(bytes, length)];
                PyObject *key = *place;
                if (key == NULL || (size_t)PyUnicode_GET_LENGTH(key) != length
                    || memcmp(PyUnicode_1BYTE_DATA(key), bytes, length) != 0) {
                    Py_ssize_t more = safepickle_push_utf8(list, data, start, stop);
                    if (more == 0) {
                        PyObject *known = key;
                        key = PyList_GET_ITEM(list, PyList_GET_SIZE(list) - 1);
                        Py_INCREF(key);
                        *place = key;
                        Py_XDECREF(known);
                    }
                    return more;
                }
                return safepickle_list_push(list, key);
            }
        }
    #else
        (void)below;
    #endif
        return safepickle_push_utf8(list, data, start, stop);
    }

    /* Bytes of what pushes a leaf: numbers, None, True, False, short texts, and texts that are fetched from the memo. */
    static const unsigned char safepickle_leaf[256] = {
        ['J'] = 5, ['K'] = 2, ['M'] = 3, ['G'] = 9, ['N'] = 1, [0x88] = 1, [0x89] = 1, [0x8A] = 2, [0x8C] = 2, ['h'] = 2,
        ['j'] = 5,
    };
    /* Whether two leaves are pushed one after the other, as far as can be seen. For one alone a run would not pay. */
    static CYTHON_INLINE int safepickle_begins_run(int opcode, PyObject *data, size_t position, size_t stop) {
        const unsigned char *p = (const unsigned char *)PyBytes_AS_STRING(data);
        size_t width = safepickle_leaf[(unsigned char)opcode];
        if (width == 0 || stop > (size_t)PyBytes_GET_SIZE(data) || position + 1 >= stop) {
            return 0;
        }
        if (opcode == 0x8C || opcode == 0x8A) {
            width += p[position + 1];
            if (position + width < stop && p[position + width] == 0x94) {
                width++;
            }
        }
        return position + width < stop && safepickle_leaf[p[position + width]];
    }

    /* Carries out what pushes a leaf, and MEMOIZE behind a text, as the loop does with each, up to what is anything else,
       not wholly there, too long, not in the memo, or fails: the loop then meets that by itself. `last` is where the last
       of them begins, for messages: of numbers of one kind the first, as where safepickle_push_numbers takes them. */
    static Py_ssize_t safepickle_push_run(
        PyObject *list, PyObject *below, PyObject *memo, PyObject *data, size_t position, size_t stop, size_t end,
        Py_ssize_t memo_end, size_t longest, size_t widest, Py_ssize_t *used, Py_ssize_t *last
    ) {
        const unsigned char *bytes = (const unsigned char *)PyBytes_AS_STRING(data);
        unsigned char before = 0;
        if (stop > end || end > (size_t)PyBytes_GET_SIZE(data)) {
            PyErr_SetString(PyExc_IndexError, "a run beyond the data");
            return -1;
        }
        while (position < stop) {
            const unsigned char *p = bytes + position;
            size_t left = end - position, taken, index;
            PyObject *value;
            Py_ssize_t more;
            switch (*p) {
            case 'K':
                if (left < 2) {
                    return (Py_ssize_t)position;
                }
                taken = 2;
                value = PyLong_FromLong(p[1]);
                break;
            case 'M':
                if (left < 3) {
                    return (Py_ssize_t)position;
                }
                taken = 3;
                *used += 24;
                value = safepickle_new_int2(data, position + 1);
                break;
            case 'J':
                if (left < 5) {
                    return (Py_ssize_t)position;
                }
                taken = 5;
                *used += 24;
                value = safepickle_new_int4(data, position + 1);
                break;
            case 'G':
                more = safepickle_push_numbers(list, data, position, stop, end);
                if (more <= (Py_ssize_t)position) {
                    return more;
                }
                *used += 24 * ((more - (Py_ssize_t)position) / 9);
                *last = (Py_ssize_t)position;
                position = (size_t)more;
                before = *p;
                continue;
            case 0x8A:
                /* Of eight bytes on, the loop wants to know. */
                if (left < 2 || p[1] == 0 || p[1] > 7 || p[1] > widest || left < (taken = 2 + (size_t)p[1])) {
                    return (Py_ssize_t)position;
                }
                *used += 30 + (Py_ssize_t)taken;
                value = safepickle_small_int(data, position + 2, position + taken);
                break;
            case 'N':
            case 0x88:
            case 0x89:
                taken = 1;
                value = *p == 'N' ? Py_None : *p == 0x88 ? Py_True : Py_False;
                Py_INCREF(value);
                break;
            case 'h':
            case 'j':
                taken = *p == 'h' ? 2 : 5;
                if (left < taken) {
                    return (Py_ssize_t)position;
                }
                index = *p == 'h' ? p[1] : p[1] | (size_t)p[2] << 8 | (size_t)p[3] << 16 | (size_t)p[4] << 24;
                if (index >= (size_t)PyList_GET_SIZE(memo)
                    || !PyUnicode_CheckExact(value = PyList_GET_ITEM(memo, (Py_ssize_t)index))) {
                    return (Py_ssize_t)position;
                }
                Py_INCREF(value);
                break;
            case 0x8C:
                if (left < 2 || left < (taken = 2 + (size_t)p[1]) || p[1] > longest) {
                    return (Py_ssize_t)position;
                }
                more = safepickle_push_key(list, below, data, position + 2, position + taken);
                if (more < 0) {
                    PyErr_Clear();
                    return (Py_ssize_t)position;
                }
                *last = (Py_ssize_t)position;
                before = *p;
                position += taken;
                *used += 54 + (Py_ssize_t)taken + more;
                if (position < stop && bytes[position] == 0x94 && PyList_GET_SIZE(memo) < memo_end) {
                    if (safepickle_list_push(memo, PyList_GET_ITEM(list, PyList_GET_SIZE(list) - 1)) < 0) {
                        return -1;
                    }
                    *used += 8;
                    position++;
                }
                continue;
            default:
                return (Py_ssize_t)position;
            }
            if (value == NULL || safepickle_list_push_new(list, value) < 0) {
                return -1;
            }
            /* Of several numbers of one kind it is the first, as in the loop. */
            if (*p != before || (before != 'J' && before != 'M')) {
                *last = (Py_ssize_t)position;
                before = *p;
            }
            position += taken;
        }
        return (Py_ssize_t)position;
    }

    /* Whether what follows a tuple may be the next row of a table: leaves, or a mark. */
    static CYTHON_INLINE int safepickle_begins_row(PyObject *data, size_t position, size_t stop) {
        return SAFEPICKLE_LIST_FIELDS && position < stop && stop <= (size_t)PyBytes_GET_SIZE(data)
            && (safepickle_leaf[(unsigned char)PyBytes_AS_STRING(data)[position]]
                || PyBytes_AS_STRING(data)[position] == '(');
    }

    /* What has been done for a row: the memory it takes, its opcodes, where the last of them begins, and where on the stack
       it has put a tuple, or -1. */
    typedef struct {
        Py_ssize_t used, done, last, tuple;
    } safepickle_row;

    #if SAFEPICKLE_LIST_FIELDS
    /* What is below where there can be no keys: an empty list. */
    static PyObject *safepickle_no_lists;

    /* Makes a tuple of the topmost `count` items, which are leaves: nothing that the collector need know. */
    static int safepickle_push_top(PyObject *list, Py_ssize_t count) {
        Py_ssize_t low = PyList_GET_SIZE(list) - count, index;
        PyObject *made = PyTuple_New(count), **items = ((PyListObject *)list)->ob_item + low;
        if (made == NULL) {
            return -1;
        }
        for (index = 0; index < count; index++) {
            PyTuple_SET_ITEM(made, index, items[index]);
        }
        Py_SET_SIZE((PyVarObject *)list, low);
        PyObject_GC_UnTrack(made);
        return safepickle_list_push_new(list, made);
    }

    /* Carries out a run of leaves and the tuple of the last of them, with its mark if it has one, and MEMOIZE behind it, as
       the loop does with each. A mark is left to the loop where the tuple is not wholly there: all behind it is undone. */
    static Py_ssize_t safepickle_push_row(
        PyObject *list, PyObject *below, PyObject *memo, PyObject *data, size_t position, size_t stop, size_t end,
        Py_ssize_t memo_end, size_t longest, size_t widest, Py_ssize_t memory, Py_ssize_t max_items, Py_ssize_t marks,
        safepickle_row *row
    ) {
        const unsigned char *bytes = (const unsigned char *)PyBytes_AS_STRING(data), *p;
        Py_ssize_t low = PyList_GET_SIZE(list), noted = PyList_GET_SIZE(memo), last = (Py_ssize_t)position, count, size;
        Py_ssize_t after = (Py_ssize_t)position, used = 0, mark = -1, kept = 0, used_then = 0, last_then;
        size_t taken, place;
        row->tuple = -1;
        if (bytes[position] != '(') {
            after = safepickle_push_run(
                list, below, memo, data, position, stop, end, memo_end, longest, widest, &used, &last);
        }
        last_then = last;
        place = (size_t)after;
        size = PyList_GET_SIZE(list);
        if (after >= 0 && place < stop && bytes[place] == '(' && PyList_GET_SIZE(below) < marks
            && (size == 0 || PyTuple_CheckExact(PyList_GET_ITEM(list, size - 1))
                || PyUnicode_CheckExact(PyList_GET_ITEM(list, size - 1)))) {
            if (safepickle_no_lists == NULL && (safepickle_no_lists = PyList_New(0)) == NULL) {
                return -1;
            }
            mark = size;
            kept = PyList_GET_SIZE(memo);
            used_then = used;
            used += 56;
            last = after;
            after = safepickle_push_run(
                list, safepickle_no_lists, memo, data, place + 1, stop, end, memo_end, longest, widest, &used, &last);
            size = PyList_GET_SIZE(list);
        }
        if (after < 0) {
            return -1;
        }
        position = (size_t)after;
        p = bytes + position;
        taken = 1 + (position + 1 < stop && p[1] == 0x94 && PyList_GET_SIZE(memo) < memo_end);
        count = position >= stop ? 0 : mark >= 0 ? (*p == 't') * (size - mark) : *p >= 0x85 && *p <= 0x87 ? *p - 0x84 : 0;
        if (count > 0 && count <= size - low && count <= max_items && 8 * count <= memory) {
            if (safepickle_push_top(list, count) < 0) {
                return -1;
            }
            row->used = used + 88 + 8 * count + (taken == 2 ? 8 : 0);
            row->done = size - low + PyList_GET_SIZE(memo) - noted + (mark >= 0) + (Py_ssize_t)taken;
            row->last = (Py_ssize_t)position;
            row->tuple = size - count;
            if (taken == 2 && safepickle_list_push(memo, PyList_GET_ITEM(list, size - count)) < 0) {
                return -1;
            }
            return (Py_ssize_t)(position + taken);
        }
        if (mark >= 0) {
            if (PyList_SetSlice(list, mark, PyList_GET_SIZE(list), NULL) < 0
                || PyList_SetSlice(memo, kept, PyList_GET_SIZE(memo), NULL) < 0) {
                return -1;
            }
            used = used_then;
            last = last_then;
            position = place;
        }
        row->used = used;
        row->done = PyList_GET_SIZE(list) - low + PyList_GET_SIZE(memo) - noted;
        row->last = last;
        return (Py_ssize_t)position;
    }
    #else
    static Py_ssize_t safepickle_push_row(
        PyObject *list, PyObject *below, PyObject *memo, PyObject *data, size_t position, size_t stop, size_t end,
        Py_ssize_t memo_end, size_t longest, size_t widest, Py_ssize_t memory, Py_ssize_t max_items, Py_ssize_t marks,
        safepickle_row *row
    ) {
        (void)list, (void)below, (void)memo, (void)data, (void)stop, (void)end, (void)memo_end, (void)longest;
        (void)widest, (void)memory, (void)max_items, (void)marks;
        row->used = row->done = 0;
        row->last = (Py_ssize_t)position;
        row->tuple = -1;
        return (Py_ssize_t)position;
    }
    #endif
    """
    Py_ssize_t push_utf8 "safepickle_push_utf8"(list stack, bytes data, size_t start, size_t stop) except -1
    Py_ssize_t push_key "safepickle_push_key"(
        list stack, list below, bytes data, size_t start, size_t stop
    ) except -1
    Py_ssize_t push_numbers "safepickle_push_numbers"(
        list stack, bytes data, size_t position, size_t stop, size_t end
    ) except -1
    bint begins_run "safepickle_begins_run"(int opcode, bytes data, size_t position, size_t stop) noexcept
    Py_ssize_t push_run "safepickle_push_run"(
        list stack, list below, list memo, bytes data, size_t position, size_t stop, size_t end, Py_ssize_t memo_end,
        size_t longest, size_t widest, Py_ssize_t *used, Py_ssize_t *last
    ) except -1
    ctypedef struct Row "safepickle_row":
        Py_ssize_t used, done, last, tuple
    bint begins_row "safepickle_begins_row"(bytes data, size_t position, size_t stop) noexcept
    Py_ssize_t push_row "safepickle_push_row"(
        list stack, list below, list memo, bytes data, size_t position, size_t stop, size_t end, Py_ssize_t memo_end,
        size_t longest, size_t widest, Py_ssize_t memory, Py_ssize_t max_items, Py_ssize_t marks, Row *row
    ) except -1
