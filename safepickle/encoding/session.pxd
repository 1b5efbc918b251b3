cimport cython

from safepickle.encoding.encoder cimport Encoder, new_encoder
from safepickle.wire.lists cimport pop, push
from safepickle.wire.memo cimport Memo, new_memo
from safepickle.wire.output cimport Bounds

cdef Terms _DEFAULT_TERMS, _recent
cdef int _PROTOCOL
cdef list _idle

@cython.final
cdef class Terms:
    cdef readonly object policy, limits, make_gate
    cdef readonly Bounds bounds
    cdef readonly bint is_kept

cdef Encoder _take()
@cython.locals(known=Terms, terms=Terms)
cpdef Terms terms_of(object policy, object limits)
cpdef int protocol_of(object protocol, object buffer_callback) except -1
