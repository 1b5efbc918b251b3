cimport cython

from safepickle.decoding.guarding cimport RuleGuards
from safepickle.decoding.resolving cimport found_in, loaded_module, version_of
from safepickle.decoding.usual_arrays cimport ARRAY, BUFFER, DTYPE, UsualArrays, usual_state
from safepickle.decoding.usual_forms cimport ArrayForm, DtypeForm, array_form, form_of
from safepickle.decoding.usual_frames cimport usual_frame_call
from safepickle.decoding.usual_models cimport UsualModels, usual_estimator, usual_tree
from safepickle.decoding.usual_texts cimport fits_texts, is_of_texts
from safepickle.wire.memo cimport identity
from safepickle.encoding.conforming cimport check_state, is_emulated, is_new_helper, made_by, state_contract_of
from safepickle.encoding.grants cimport Grant, KnownClass

cdef int _CALL_AND_BUILD, _REFER, _TEXTS, _TREE
cdef dict _RIGHTS
cdef frozenset _FACTORIES, HELPERS
cdef tuple _GLOBALS, _BASES, _DTYPES
cdef object _RECONSTRUCTOR, _NEWOBJ, _NEWOBJ_EX, _GETATTR

@cython.final
cdef class WriteGate:
    cdef readonly object policy, find_class
    cdef readonly dict granted, granted_classes, known, callees, builders
    cdef public int protocol
    cdef UsualArrays arrays
    cdef readonly object factory
    cdef UsualModels models

    cpdef int forget(self) except -1
    @cython.locals(grant=Grant)
    cpdef int require_class(self, kind, encoder) except -1
    cpdef refer(self, obj, tuple found, encoder)
    @cython.locals(known=Grant)
    cpdef int refer_again(self, obj, encoder) except -1
    cpdef Grant use(self, obj, str right, encoder)
    @cython.locals(grant=Grant)
    cdef Grant _require(self, obj, tuple found, str right, encoder)
    @cython.locals(known=Grant, grant=Grant, read=tuple)
    cdef Grant _grant(self, obj, tuple found, encoder)
    @cython.locals(kept=KnownClass)
    cdef Grant _known_before(self, obj)
    @cython.locals(origin=Grant, classes=dict, kept=KnownClass)
    cdef int _know(self, kind, tuple asked, Grant grant) except -1
    @cython.locals(grant=Grant)
    cdef Grant _kept(self, obj, tuple read)
    @cython.locals(grant=Grant, kept=KnownClass)
    cdef KnownClass known_form(self, kind)
    @cython.locals(grant=Grant, kept=KnownClass)
    cdef int keep_form(self, kind, int form, tuple slots) except -1
    @cython.locals(grant=Grant, kept=KnownClass)
    cdef tuple known_name(self, obj)
    @cython.locals(grant=Grant, kept=KnownClass)
    cdef callee_before(self, func, tuple args, missing, encoder)
    @cython.locals(grant=Grant, kept=Grant, version=cython.uint)
    cdef Grant _decide(self, obj, tuple read, encoder)
    cdef _ask(self, obj, tuple pair, encoder)
    cpdef int check_owners(self, tuple found, encoder) except -1
    @cython.locals(grant=Grant)
    cpdef bint is_named_so(self, obj, tuple found) except -1
    cpdef tuple call_script(self, encoder, obj, func, args)
    @cython.locals(grant=Grant)
    cdef _reconstructor(self, encoder, tuple args)
    @cython.locals(grant=Grant, given=tuple)
    cdef tuple _new(self, encoder, obj, func, tuple args)
    cdef _getattr(self, encoder, obj, tuple args)
    cdef int _check_arguments(self, Grant grant, str right, tuple args, dict kwargs, encoder) except -1
    @cython.locals(factory=Grant)
    cdef _check_contract(self, Grant grant, str right, tuple args, dict kwargs, encoder)
    @cython.locals(which=cython.int)
    cdef bint _surely_takes(self, Grant grant, tuple args) except -1
    cpdef bint takes(self, int which, tuple args) except -1
    @cython.locals(which=cython.int)
    cdef bint _fits_model(self, object contract, object obj, object state) except -1
    cdef UsualModels _usual_models(self)
    @cython.locals(grant=Grant)
    cpdef hashed_by(self, owner, tuple args)
    cdef int _refuse(self, Grant grant, str right, str what, refusal, encoder) except -1
    cpdef UsualArrays usual_arrays(self)
    cpdef bint sees_arrays(self) except -1
    @cython.locals(form=DtypeForm, grant=Grant)
    cpdef DtypeForm dtype_form(self, obj, encoder)
    @cython.locals(arrays=UsualArrays, form=ArrayForm, grant=Grant)
    cpdef ArrayForm array_form(self, kind, encoder)
    @cython.locals(grant=Grant, usual=cython.int, seen=bint)
    cpdef int check_state(self, owner, obj, state, encoder) except -1
    @cython.locals(grant=Grant)
    cpdef bint may_fill(self, kind, encoder) except -1
    cpdef bint may_restore(self, kind, encoder) except -1

cdef bint _is_plain_grant(Grant grant, int usual, int rights) except -1
cdef int _seen_as(Grant grant) except -1
cdef _asked_again(Grant grant)
cdef tuple _pair_of(obj)
cdef bint _is_global(obj) except -1
