from cpython.object cimport PyObject

# Lists as stacks, for both machines: nothing but C, so that who uses it imports nothing.

cdef extern from *:
    """
    /* CPython without a global lock guards lists in ways of its own: there, only what it offers is used. */
    #ifdef Py_GIL_DISABLED
    #define SAFEPICKLE_LIST_FIELDS 0
    #else
    #define SAFEPICKLE_LIST_FIELDS 1
    #endif

    /* A list of the machine's own grows by half, not by an eighth: its items are moved less often. */
    static int safepickle_list_grow(PyObject *list, PyObject *value) {
    #if SAFEPICKLE_LIST_FIELDS
        Py_ssize_t size = PyList_GET_SIZE(list);
        size_t room = (size_t)size + ((size_t)size >> 1) + 8;
        PyObject **more = (PyObject **)PyMem_Realloc(((PyListObject *)list)->ob_item, room * sizeof(PyObject *));
        if (more == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        ((PyListObject *)list)->ob_item = more;
        ((PyListObject *)list)->allocated = (Py_ssize_t)room;
        Py_INCREF(value);
        PyList_SET_ITEM(list, size, value);
        Py_SET_SIZE((PyVarObject *)list, size + 1);
        return 0;
    #else
        return PyList_Append(list, value);
    #endif
    }

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
        return safepickle_list_grow(list, value);
    }

    /* For a value that nobody else refers to yet: the reference moves into the list. */
    static CYTHON_INLINE int safepickle_list_push_new(PyObject *list, PyObject *value) {
        int failed;
    #if SAFEPICKLE_LIST_FIELDS
        Py_ssize_t size = PyList_GET_SIZE(list);
        if (size < ((PyListObject *)list)->allocated) {
            PyList_SET_ITEM(list, size, value);
            Py_SET_SIZE((PyVarObject *)list, size + 1);
            return 0;
        }
    #endif
        failed = safepickle_list_grow(list, value);
        Py_DECREF(value);
        return failed;
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

    /* Puts a value in the place of another one. */
    static CYTHON_INLINE int safepickle_list_put(PyObject *list, Py_ssize_t index, PyObject *value) {
    #if SAFEPICKLE_LIST_FIELDS
        if (index >= 0 && index < PyList_GET_SIZE(list)) {
            PyObject *known = PyList_GET_ITEM(list, index);
            Py_INCREF(value);
            PyList_SET_ITEM(list, index, value);
            Py_DECREF(known);
            return 0;
        }
        PyErr_SetString(PyExc_IndexError, "no such place in a list");
        return -1;
    #else
        Py_INCREF(value);
        return PyList_SetItem(list, index, value);
    #endif
    }

    /* Lets go of all items, and keeps the room. */
    static int safepickle_list_drop(PyObject *items) {
        Py_ssize_t size = PyList_GET_SIZE(items);
    #if SAFEPICKLE_LIST_FIELDS
        while (size > 0) {
            /* One at a time: what goes may run a finalizer. */
            PyObject *item = PyList_GET_ITEM(items, --size);
            Py_SET_SIZE((PyVarObject *)items, size);
            Py_DECREF(item);
        }
        return 0;
    #else
        return PyList_SetSlice(items, 0, size, NULL);
    #endif
    }

    /* A tuple of all items, which the list has no more where that saves counting them; it keeps the room. */
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
    int push_new "safepickle_list_push_new"(list stack, PyObject *value) except -1
    object pop "safepickle_list_pop"(list stack)
    int put "safepickle_list_put"(list stack, Py_ssize_t index, object value) except -1
    int drop "safepickle_list_drop"(list items) except -1
    tuple tuple_of "safepickle_list_as_tuple"(list items)
