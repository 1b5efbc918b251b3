"""What stands in for `cython` when a hot module runs as plain Python.

A hot module asks `cython.compiled` in a few leaf helpers. When Cython compiles the module, it answers itself
and drops the other branch. When the file runs as it is, the answer comes from here, so that nothing of
Cython is imported (or needs to be installed) at run time:

    COMPILING = False
    if COMPILING:
        import cython
    else:
        from .._form import cython

Type checkers are told that COMPILING is false, so that they check the form that runs as Python; names that only
the compiled side uses are declared in the `.pxd`.

Rule: nothing but `compiled` is offered. C types live in the `.pxd` beside the module; a decorator or a cast
from `cython` in a hot module is an AttributeError in the uncompiled form, and a test runs that form.
"""

from typing import Final


class _Uncompiled:
    """The one attribute of the real `cython` module that the sources may use."""

    # Of the instance, and in a slot: the interpreter specialises such a look-up, and none of a class attribute.
    __slots__ = ("compiled",)

    def __init__(self) -> None:
        self.compiled: Final = False


cython: Final = _Uncompiled()
