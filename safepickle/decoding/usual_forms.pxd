cimport cython

cdef object _dtypes
cdef dict _by_code, _by_char, _arrays
cdef int _APART, _FILLED

@cython.final
cdef class DtypeForm:
    cdef readonly object dtypes, dtype
    cdef readonly str code, order
    cdef readonly tuple names, args, state, copy
    cdef readonly bytes tail

@cython.final
cdef class ArrayForm:
    cdef readonly object func, order
    cdef readonly tuple names

cpdef DtypeForm form_by_code(object dtypes, str code)
@cython.locals(form=DtypeForm)
cpdef DtypeForm form_of(object dtypes, object dtype)
cpdef ArrayForm array_form(object dtypes, int protocol)
