cimport cython

@cython.final
cdef class Budget:
    cdef public object limits
    cdef readonly long long max_bytes, max_items, max_string, max_int_bits, max_memo
    cdef public long long memory_left, objects_left, opcodes_left, calls_left, hash_work_left, since_clock
    cdef public double deadline

    cpdef refuse(self, str limit, long long asked)
    cpdef overdrawn(self, str limit, long long left, long long asked)
    @cython.locals(steps=cython.longlong)
    cpdef Py_ssize_t next_slice(self, long long used) except -1
    cpdef look_at_clock(self)
    cpdef take_memory(self, long long amount)
    cpdef take_object(self, long long amount)
    cpdef take_string(self, long long length, long long amount)
    cpdef take_int(self, long long length)
    cpdef take_items(self, long long present, long long added, long long amount)
    cpdef take_call(self)
    cpdef take_hash_work(self, long long amount)
