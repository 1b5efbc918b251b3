cimport cython
from safepickle.decoding.gates cimport Gate

cdef class OpenGate(Gate):
    pass
