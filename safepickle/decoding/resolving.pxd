cimport cython

@cython.locals(traits=cython.int)
cpdef int traits_of(object target) except -1
cpdef size_of(object obj)
