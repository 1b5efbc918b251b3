# cython: annotation_typing=False
"""Columns of text as pandas has Arrow write them, seen without having Arrow validate them.

Rules that hold here:

* This only ever says yes where the contract of :mod:`safepickle.policy.libraries`, and Arrow's full validation that it
  asks for, say yes; all else goes there. A test holds the two together.
* Of plain text without missing values all is looked at: each offset, and each byte of the text, which must be ASCII.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

import sys
from typing import Any

from ..policy.contracts import CONTRACTS

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

__all__ = ["fits_texts", "is_of_texts"]

_CONTRACT: Any = CONTRACTS["pyarrow.lib", "_restore_array"]
_MODULES: Any = sys.modules
_MOST = 2**31 - 1

if not cython.compiled:
    from itertools import pairwise

    #: Texts that are looked at one by one.
    _FEW = 64

    def texts_lie_within(offsets: Any, text: Any, count: int, width: int) -> bool:
        """Return whether so many texts of ASCII lie one behind the other where offsets of *width* bytes say."""
        if count > _FEW:
            # Arrow's validation is in C: of one column that many calls share this would take the time of hundreds.
            return False
        raw = bytes(memoryview(offsets).cast("B"))
        if len(raw) < (count + 1) * width:
            return False
        places = [
            int.from_bytes(raw[start : start + width], sys.byteorder, signed=True)
            for start in range(0, (count + 1) * width, width)
        ]
        whole = bytes(memoryview(text).cast("B"))
        if places[0] < 0 or places[-1] > len(whole):
            return False
        if any(one > other for one, other in pairwise(places)):
            return False
        return whole[: places[-1]].isascii()


def is_of_texts(contract: Any) -> bool:
    """Return whether a contract is that for Arrow's arrays."""
    return contract is _CONTRACT


def fits_texts(args: tuple[Any, ...]) -> bool:
    """Return whether the contract surely takes these arguments: a column of text without missing values."""
    if len(args) != 1 or type(args[0]) is not tuple or len(args[0]) != 7:
        return False
    kind, count, missing, offset, buffers, children, dictionary = args[0]
    arrow = _MODULES.get("pyarrow.lib")
    if arrow is None or type(kind) is not arrow.DataType or dictionary is not None:
        return False
    if type(count) is not int or not 0 < count <= _MOST or type(missing) is not int or type(offset) is not int:
        return False
    if missing != 0 or offset != 0 or type(children) is not list or children or type(buffers) is not list:
        return False
    if len(buffers) != 3 or buffers[0] is not None:
        return False
    if type(buffers[1]) is not arrow.Buffer or type(buffers[2]) is not arrow.Buffer:
        return False
    code = kind.id
    if code == arrow.Type_LARGE_STRING:
        return texts_lie_within(buffers[1], buffers[2], count, 8)
    return code == arrow.Type_STRING and texts_lie_within(buffers[1], buffers[2], count, 4)
