# cython: annotation_typing=False
"""What numpy writes for its own arrays, and for its own dtypes of numbers and objects: always the same, and asked once.

Rules that hold here:

* Numpy itself is asked, with one of each. Where it says anything but what is expected here there is no form: then such
  an object is made and written like everything else.
* A form says nothing of a policy: who goes by it has asked for the rights to what is called, and to give state.
"""

from __future__ import annotations

import sys
from pickle import PickleBuffer
from typing import Any

__all__ = ["ArrayForm", "DtypeForm", "array_form", "form_by_code", "form_of"]

#: Codes of numbers and objects. Dates and times have units, text and records a size.
_CODES = "b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16 O8".split()
#: Opcodes from behind the byte order to the end of the state, but for the flags: no base, names or fields, and what
#: stands for its own size and alignment. They are the same in all protocols from 2 on.
_BETWEEN, _BEHIND = b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK", b"t"
#: Protocols as arrays are written: around their memory, or given it as state.
_APART, _FILLED = 5, 4


class DtypeForm:
    """One dtype.

    :ivar dtypes: numpy's class of dtypes, which is called.
    :ivar dtype: the one that numpy hands out to everybody, and ``copy`` the arguments for one like it.
    :ivar names: module and name of its own class.
    :ivar args: what the class is called with, of which the first is the *code*.
    :ivar state: what it is given then, of which the second is the *order* of bytes.
    :ivar tail: opcodes of the state behind that order.
    """

    def __init__(self, dtypes: Any, dtype: Any, args: tuple[Any, ...], state: tuple[Any, ...]) -> None:
        self.dtypes = dtypes
        self.dtype = dtype
        self.names = _names_of(type(dtype))
        self.code: str = args[0]
        self.args = args
        self.state = state
        self.order: str = state[1]
        self.copy: tuple[Any, ...] = (dtype, False, True)
        self.tail = _BETWEEN + bytes([state[7]]) + _BEHIND


class ArrayForm:
    """Arrays whose items lie in C order and are no objects.

    :ivar func: what is called, and ``names`` its module and name.
    :ivar order: the last argument, or None where the result is given state.
    """

    def __init__(self, func: Any, order: Any) -> None:
        self.func = func
        self.names = _names_of(func)
        self.order = order


#: The class of dtypes that the forms are of, which is another one where numpy was imported anew.
_dtypes: Any = None
_by_code: dict[str, DtypeForm] = {}
_by_char: dict[str, DtypeForm] = {}
#: By protocol.
_arrays: dict[int, ArrayForm] = {}


def _names_of(named: Any) -> tuple[str, str]:
    return str(named.__module__), str(named.__qualname__)


def _learn(dtypes: Any) -> None:
    """Ask numpy for the forms of all."""
    global _dtypes, _by_code, _by_char, _arrays
    by_code: dict[str, DtypeForm] = {}
    by_char: dict[str, DtypeForm] = {}
    for code in _CODES:
        dtype: Any = dtypes(code)
        func, args, state = dtype.__reduce__()
        plain = func is dtypes and args == (code, False, True) and len(state) == 8 and type(state[7]) is int
        if plain and state == (3, state[1], None, None, None, -1, -1, state[7] & 0xFF) and type(state[1]) is str:
            by_code[code] = by_char[dtype.char] = DtypeForm(dtypes, dtype, args, state)
    _by_code, _by_char, _arrays, _dtypes = by_code, by_char, _learn_arrays(), dtypes


def _learn_arrays() -> dict[int, ArrayForm]:
    """Ask numpy what it writes for an array of one byte."""
    numpy: Any = sys.modules["numpy"]
    sample: Any = numpy.zeros((1,), "i1")
    found: dict[int, ArrayForm] = {}
    func, args, *rest = sample.__reduce_ex__(_APART)
    if not rest and len(args) == 4 and type(args[0]) is PickleBuffer and args[1:] == (sample.dtype, (1,), "C"):
        found[_APART] = ArrayForm(func, args[3])
    func, args, *rest = sample.__reduce_ex__(_FILLED)
    if args == (type(sample), (0,), b"b") and rest == [(1, (1,), sample.dtype, False, b"\0")]:
        found[_FILLED] = ArrayForm(func, None)
    return found


def form_by_code(dtypes: Any, code: str) -> Any:
    """Return the form of the dtype of a code, None for one without; *dtypes* is numpy's class of them."""
    if dtypes is not _dtypes:
        _learn(dtypes)
    return _by_code.get(code)


def form_of(dtypes: Any, dtype: Any) -> Any:
    """Return the form that a dtype is written in, None for one without."""
    if dtypes is not _dtypes:
        _learn(dtypes)
    if not issubclass(type(dtype), dtypes):
        return None
    form = _by_char.get(dtype.char)
    if form is None or form.dtype is dtype:
        return form
    # One that was read from a pickle, say.
    shared = form.dtype
    if type(dtype) is not type(shared) or dtype.byteorder != shared.byteorder or dtype.flags != shared.flags:
        return None
    # Notes of the application's are written with it, and so is a base that it was given as state.
    return form if dtype.metadata is None and dtype.names is None and dtype.subdtype is None else None


def array_form(dtypes: Any, protocol: int) -> Any:
    """Return the form that arrays are written in, None for none."""
    if dtypes is not _dtypes:
        _learn(dtypes)
    return _arrays.get(_APART if protocol >= _APART else _FILLED)
