cimport cython
from cpython.object cimport PyObject

cdef extern from *:
    """
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
        /* Fibonacci hashing (Knuth 6.4): addresses come in steps, of objects made one after the other, and are spread
           evenly whatever the step is. By the bits of the address, or page by page, entries pile up. */
        size_t at = (size_t) (((unsigned long long) (size_t) key >> 4) * 0x9E3779B97F4A7C15ULL >> 32);
        safepickle_entry *entry;
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

    /* The index of an object, or -1 with the object added under `index`; -2 for an error. */
    static CYTHON_INLINE Py_ssize_t safepickle_table_claim(safepickle_table *table, PyObject *key, Py_ssize_t index) {
        safepickle_entry *entry;
        if (table->entries != NULL) {
            entry = safepickle_table_slot(table, key);
            if (entry->key != NULL) {
                return entry->index;
            }
        }
        if (table->entries == NULL || table->used * 3 >= table->mask * 2) {
            if (safepickle_table_grow(table) < 0) {
                return -2;
            }
            entry = safepickle_table_slot(table, key);
        }
        Py_INCREF(key);
        entry->key = key;
        entry->index = index;
        table->used++;
        return -1;
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

    /* A table of more entries is not kept from one dump to the next, nor one of which most were not used. */
    #define SAFEPICKLE_FEW_ENTRIES 128
    #define SAFEPICKLE_MOST_ENTRIES 32768

    /* As table_free, but the table stays. The system would take its pages back and give others for the next dump, which
       costs more than all look-ups in it. Nothing may be added meanwhile: what is let go may run code. */
    static CYTHON_UNUSED void safepickle_table_empty(safepickle_table *table) {
        size_t i;
        if (table->mask >= SAFEPICKLE_MOST_ENTRIES
            || (table->mask >= SAFEPICKLE_FEW_ENTRIES && table->used < table->mask / 16)) {
            safepickle_table_free(table);
            return;
        }
        for (i = 0; table->used > 0 && i <= table->mask; i++) {
            PyObject *key = table->entries[i].key;
            if (key != NULL) {
                table->entries[i].key = NULL;
                table->used--;
                Py_DECREF(key);
            }
        }
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
    #define safepickle_m_find(table, key) safepickle_table_find(&(table), key)
    #define safepickle_m_claim(table, key, index) safepickle_table_claim(&(table), key, index)
    #define safepickle_m_add(table, key, index) safepickle_table_add(&(table), key, index)
    #define safepickle_m_table_free(table) safepickle_table_free(&(table))
    #define safepickle_m_table_empty(table) safepickle_table_empty(&(table))
    #define safepickle_m_dict(table) safepickle_table_dict(&(table))
    /* As the builtin id, which Cython calls as any function. */
    #define safepickle_identity(item) PyLong_FromVoidPtr((void *) (item))
    """
    object identity "safepickle_identity"(object item)
    ctypedef struct Table "safepickle_table":
        size_t used
    Py_ssize_t table_find "safepickle_m_find"(Table table, object key) noexcept
    Py_ssize_t table_claim "safepickle_m_claim"(Table table, object key, Py_ssize_t index) except -2
    int table_add "safepickle_m_add"(Table table, object key, Py_ssize_t index) except -1
    void table_free "safepickle_m_table_free"(Table table) noexcept
    void table_empty "safepickle_m_table_empty"(Table table) noexcept
    object table_dict "safepickle_m_dict"(Table table)

@cython.final
cdef class Memo:
    cdef long long count
    cdef Table table
    cpdef Py_ssize_t find(self, item) noexcept
    cpdef Py_ssize_t claim(self, item, Py_ssize_t index) except -2
    cpdef int move(self, item, Py_ssize_t index) except -1
    cpdef int clear(self) except -1
    cpdef int empty(self) except -1
    cpdef dict as_dict(self)

cpdef Memo new_memo()
