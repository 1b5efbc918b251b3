cimport cython
from safepickle.decoding.budget cimport Budget
from safepickle.decoding.handles cimport Facts, GlobalHandle, Inert
from safepickle.decoding.hashing cimport KeyGuard
from safepickle.decoding.naming cimport Naming
from safepickle.decoding.resolving cimport size_by, sizer_of, version_of
from safepickle.decoding.state cimport Shape, setter_of
from safepickle.decoding.usual_arrays cimport usual_state
from safepickle.decoding.usual_frames cimport usual_frame_call
from safepickle.decoding.usual_models cimport UsualModels, usual_estimator, usual_tree, weigh_tree_call
from safepickle.decoding.usual_texts cimport fits_texts, is_of_texts

cdef extern from *:
    """
    static PyObject *safepickle_new_instance(PyObject *cls, PyObject *args, PyObject *kwargs) {
        newfunc make;
        if (!PyType_Check(cls) || (make = ((PyTypeObject *)cls)->tp_new) == NULL) {
            PyErr_SetString(PyExc_TypeError, "a class that makes no instances");
            return NULL;
        }
        return make((PyTypeObject *)cls, args, kwargs == Py_None ? NULL : kwargs);
    }

    /* The memory changes hands: of arrays it is most of a pickle. */
    static PyObject *safepickle_taken_over(PyObject *data) {
        PyObject *own;
    #if PY_VERSION_HEX < 0x030F0000 && !defined(PYPY_VERSION)
        PyByteArrayObject *from = (PyByteArrayObject *)data, *to;
        Py_ssize_t size = PyByteArray_GET_SIZE(data);
        if (from->ob_exports > 0) {
            PyErr_SetString(PyExc_BufferError, "a bytearray in use");
            return NULL;
        }
        if ((own = PyByteArray_FromStringAndSize(NULL, 0)) == NULL) {
            return NULL;
        }
        to = (PyByteArrayObject *)own;
        Py_SET_SIZE((PyVarObject *)to, size);
        to->ob_alloc = from->ob_alloc;
        to->ob_bytes = from->ob_bytes;
        to->ob_start = from->ob_start;
        Py_SET_SIZE((PyVarObject *)from, 0);
        from->ob_alloc = 0;
        from->ob_bytes = from->ob_start = NULL;
        return own;
    #else
        own = PyByteArray_FromStringAndSize(PyByteArray_AS_STRING(data), PyByteArray_GET_SIZE(data));
        if (own != NULL && PyByteArray_Resize(data, 0) < 0) {
            Py_CLEAR(own);
        }
        return own;
    #endif
    }
    """
    object taken_over "safepickle_taken_over"(object data)
    object new_instance "safepickle_new_instance"(object cls, tuple args, object kwargs)

cdef int CALL, NEW, READS, SIZES, HASHES, FEW, COPIED, MANY, _LOOK, NOTED, _NAMES_ITS_SOURCE, STARTS_LATER
cdef frozenset BUFFERS
cdef dict _STATES

cdef _contract_of_state(GlobalHandle handle, object kind)

cdef class Adopting(Naming):
    cdef readonly KeyGuard keys
    cdef readonly bint foreign, lent, changed
    cdef dict filled, fresh, held
    cdef list given
    cdef UsualModels models
    cdef readonly long long calls
    cdef public bint atom

    cpdef int equip(self) except -1
    cpdef bint is_untouched(self) except -1
    cpdef int let_go(self) except -1
    cpdef int open_adopting(self, Budget budget) except -1
    cpdef int look_through(self, Py_ssize_t count) except -1
    cpdef bint hold(self, object data) except -1
    cpdef int note_held(self, object data) except -1
    cpdef bint holds(self, tuple parts) except -1
    @cython.locals(index=Py_ssize_t)
    cpdef tuple own_memory(self, tuple parts)
    cdef Inert _survey_call(self, GlobalHandle handle, int right, tuple args, object kwargs)
    @cython.locals(index=Py_ssize_t)
    cdef int _check_keys_of(self, dict items) except -1
    cdef int _rehearse(self, list keys) except -1
    cpdef bint _sizes_are_bounded(self, GlobalHandle handle, int right, tuple args, object kwargs) except -1
    @cython.locals(count=Py_ssize_t)
    cdef int _take_copies(self, tuple parts) except -1
    cpdef call_settled(self, GlobalHandle handle, tuple args)
    cdef int count_settled(self, GlobalHandle handle) except -1
    cpdef make_plainly(self, GlobalHandle handle)
    @cython.locals(maker=GlobalHandle)
    cpdef int _adopt(self, GlobalHandle handle, object result) except -1
    @cython.locals(facts=Facts)
    cdef int _size_up(self, GlobalHandle handle, object kind) except -1
    @cython.locals(facts=Facts)
    cdef Facts facts_of(self, GlobalHandle handle, object kind)
    @cython.locals(facts=Facts, kept=Shape, shape=Shape)
    cpdef Shape make_shape(self, GlobalHandle handle, object kind)
    cdef Shape shape_of(self, object kind)
    @cython.locals(parts=tuple)
    cdef object _own_state(self, object own, object obj, object state)
    cdef bint _is_fresh(self, object obj) except -1
    cdef int _is_from_elsewhere(self, object kind) except -1
    @cython.locals(which=cython.int)
    cdef bint _fits_model(self, object contract, tuple args, object kwargs) except -1
    @cython.locals(which=cython.int, weight=Py_ssize_t)
    cdef _weigh_call(self, object contract, tuple args)
    cdef Py_ssize_t _weigh_model(self, int which, object obj, object state) except -2
    @cython.locals(models=UsualModels)
    cdef Py_ssize_t _weigh_again(self, int which, object obj, object state) except -2
    cdef UsualModels _usual_models(self)
    cpdef adopt_foreign(self, object obj)
