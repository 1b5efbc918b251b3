cimport cython
from safepickle.decoding.budget cimport Budget

cdef extern from *:
    """
    static int safepickle_in_range(PyObject *value, long long low, long long high) {
        /* Bounds at the ends of the range, 2 ** 62 either way, stand for none. */
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
        if (overflow != 0) {
            return overflow < 0 ? low == -(1LL << 62) : high == 1LL << 62;
        }
        if (number == -1 && PyErr_Occurred()) {
            return -1;
        }
        return (low == -(1LL << 62) || number >= low) && (high == 1LL << 62 || number <= high);
    }

    static Py_hash_t *safepickle_hashes_of(PyObject *names) {
        Py_ssize_t index, count = PyTuple_GET_SIZE(names);
        Py_hash_t *hashes = (Py_hash_t *)PyMem_Malloc((size_t)(count + 1) * sizeof(Py_hash_t));
        if (hashes == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        for (index = 0; index < count; index++) {
            hashes[index] = PyObject_Hash(PyTuple_GET_ITEM(names, index));
        }
        return hashes;
    }

    static Py_ssize_t safepickle_find_name(
        PyObject *names, const Py_hash_t *hashes, PyObject *name, Py_ssize_t first
    ) {
        /* Both are exact texts. Begin with the name at *first*, and go round once. */
        Py_ssize_t tried, count = PyTuple_GET_SIZE(names), length = PyUnicode_GET_LENGTH(name);
        Py_hash_t hash = ((PyASCIIObject *)name)->hash;
        if (hash == -1) {
            hash = PyObject_Hash(name);
        }
        for (tried = 0; tried < count; tried++, first++) {
            if (first >= count) {
                first = 0;
            }
            if (hashes[first] == hash) {
                PyObject *other = PyTuple_GET_ITEM(names, first);
                if (other == name || (
                    PyUnicode_GET_LENGTH(other) == length && PyUnicode_KIND(other) == PyUnicode_KIND(name)
                    && memcmp(PyUnicode_DATA(other), PyUnicode_DATA(name), (size_t)length * PyUnicode_KIND(name)) == 0
                )) {
                    return first;
                }
            }
        }
        return -1;
    }
    """
    bint in_range "safepickle_in_range"(object value, long long low, long long high) except -1
    Py_hash_t *hashes_of "safepickle_hashes_of"(tuple names) except NULL
    Py_ssize_t find_name "safepickle_find_name"(tuple names, const Py_hash_t *hashes, str name, Py_ssize_t first)
    void free_hashes "PyMem_Free"(Py_hash_t *hashes)

cdef object _MODULE
cdef Py_ssize_t _MOST_COMPARED, _MOST_KNOWN, _LONGEST_KNOWN
cdef dict _MODULES
cdef long long _LOWEST, _HIGHEST

cdef int pay(Budget budget, Py_ssize_t count) except -1

cdef class Check:
    cdef readonly object exact
    cdef public bint deep

    cpdef bint passes(self, object value, Budget budget) except -1

@cython.final
cdef class TypeCheck(Check):
    pass

@cython.final
cdef class IntCheck(Check):
    cdef readonly long long low, high

@cython.final
cdef class RangeCheck(Check):
    cdef readonly object kind, low, high

cdef class TextCheck(Check):
    cdef readonly object kind, match
    cdef readonly set known
    cdef public bint is_of_keys
    cdef readonly Py_ssize_t low, high

    @cython.locals(size=Py_ssize_t)
    cpdef bint passes(self, object value, Budget budget) except -1

@cython.final
cdef class OneOfCheck(Check):
    cdef readonly dict by_kind

cdef class InstanceCheck(Check):
    cdef readonly object guard
    cdef readonly str module, name
    cdef readonly bint plain

    @cython.locals(names=dict)
    cpdef bint passes(self, object value, Budget budget) except -1

@cython.final
cdef class GuardCheck(Check):
    cdef readonly object guard

cdef class AnyCheck(Check):
    cdef readonly tuple checks

    @cython.locals(check=Check)
    cpdef bint passes(self, object value, Budget budget) except -1

cdef class AllCheck(Check):
    cdef readonly tuple checks

    @cython.locals(check=Check)
    cpdef bint passes(self, object value, Budget budget) except -1

cdef class ItemsCheck(Check):
    cdef readonly object kind
    cdef readonly Py_ssize_t low, high
    cdef readonly Check item

    @cython.locals(size=Py_ssize_t, check=Check, items=list, parts=tuple)
    cpdef bint passes(self, object value, Budget budget) except -1

cdef class ElementsCheck(Check):
    cdef readonly object kind
    cdef readonly tuple checks

    @cython.locals(index=Py_ssize_t, check=Check)
    cpdef bint passes(self, object value, Budget budget) except -1

cdef class EntriesCheck(Check):
    cdef readonly Py_ssize_t low, high
    cdef readonly Check key, value

    @cython.locals(size=Py_ssize_t, of_key=Check, of_item=Check, entries=dict)
    cpdef bint passes(self, object value, Budget budget) except -1

cdef class FieldsCheck(Check):
    cdef readonly tuple names, checks
    cdef readonly Py_ssize_t needed
    cdef dict places
    cdef Py_hash_t *hashes

    @cython.locals(check=Check, place=Py_ssize_t, found=Py_ssize_t)
    cpdef Py_ssize_t pass_fields(self, dict fields, Budget budget, list kept) except -2

cdef Py_ssize_t place_of(FieldsCheck check, str name, Py_ssize_t last) except -2

@cython.final
cdef class StateCheck(Check):
    cdef readonly FieldsCheck fields

    cpdef bint pass_state(self, object value, Budget budget, list kept) except -1
    @cython.locals(found=Py_ssize_t, more=Py_ssize_t)
    cdef bint _pass_two(self, object attributes, object slots, Budget budget, list kept) except -1

cdef class CallCheck:
    cpdef bint allows(self, tuple args, object kwargs, long long made, Budget budget) except -1

cdef class ArgumentsCheck(CallCheck):
    cdef readonly tuple checks
    cdef readonly Py_ssize_t required
    cdef readonly Check rest
    cdef readonly FieldsCheck keywords

    @cython.locals(count=Py_ssize_t, most=Py_ssize_t, index=Py_ssize_t, check=Check)
    cpdef bint allows(self, tuple args, object kwargs, long long made, Budget budget) except -1

@cython.final
cdef class AtMostCheck(CallCheck):
    cdef readonly long long most

cdef class AnyCallCheck(CallCheck):
    cdef readonly tuple checks

    @cython.locals(check=CallCheck)
    cpdef bint allows(self, tuple args, object kwargs, long long made, Budget budget) except -1

cdef class AllCallCheck(CallCheck):
    cdef readonly tuple checks

    @cython.locals(check=CallCheck)
    cpdef bint allows(self, tuple args, object kwargs, long long made, Budget budget) except -1
