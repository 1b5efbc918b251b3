cimport cython

cpdef tuple own_name(obj)
cpdef check_global(obj, tuple pair)
cpdef tuple as_read(tuple pair, int protocol, bint fix_imports)
cpdef contract_of(obj, tuple pair)
cpdef bint is_new_helper(func) except -1
@cython.locals(count=Py_ssize_t)
cpdef bint is_emulated(func, tuple args) except -1
cdef bint _is_latin(text) except -1
cpdef check_sizes(int traits, tuple args, long long max_items)
cpdef bint sets_attributes(kind) except -1
cpdef state_contract_of(tuple pair, kind)
cpdef made_by(owner, obj)
cpdef bint is_made_empty(kind, bint called) except -1
cpdef check_state(kind, state, long long max_items)
cpdef int check_keys(dict state) except -1
