cdef extern from *:
    int isenabled "PyGC_IsEnabled"()
    int enable "PyGC_Enable"()
    int disable "PyGC_Disable"()

cdef set _running
cdef bint _paused

cpdef int enter(object owner) except -1
cpdef int leave(object owner) except -1
cdef int _enter(object owner) except -1
cdef int _leave(object owner) except -1
