from safepickle.decoding.budget cimport Budget

cpdef set_state(Budget budget, object obj, object state)
cpdef getattr_dict(object obj)
cpdef check_state_key(object key)
cpdef check_exception_state(object state)
cpdef member_of(object kind, str name)
