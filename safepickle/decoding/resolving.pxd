cimport cython

@cython.locals(traits=cython.int)
cpdef int traits_of(object target) except -1
cpdef import_global(str module, str name)
cpdef sizer_of(object kind)
cpdef size_by(object sizer, object obj)
