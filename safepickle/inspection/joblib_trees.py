"""Inert trees of joblib's files, in which the data of arrays lie between the opcodes.

Rules that hold here:

* It is the machine's own reading, with records in place of objects: nothing is imported and nothing called, numpy
  included. How many bytes an array takes is computed from the records of its header and of its type.
* The bytes are skipped, not kept. An array of objects is the pickle that stands in its place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..decoding.budget import Budget
from ..decoding.session import run
from ..decoding.standing import open_with_stand_ins
from ..errors import FormatError
from ..policy.formats import WRAPPER
from .recording import RecordingGate
from .records import Call, Global
from .tree import Tree

if TYPE_CHECKING:
    from ..limits import Limits
    from ..policy.rules import Policy

__all__ = ["inspect_source", "skip_padding"]

_CODE = re.compile(r"[|<>=]?([?bBhHiIlLqQpPefdgFDGcSUVOMmuaT])([0-9]{0,10})")
_MOST_LENGTH = 2**62
#: No file has so many bytes; the counters take no more.
_LARGEST = 2**60
#: So much is read at once.
_PIECE = 2**20


def inspect_source(source: Any, *, policy: Policy, limits: Limits) -> Tree:
    """Return the tree of what a source gives.

    :param source: see :mod:`safepickle.wire.source`.
    :param policy: its aliases hold.
    """
    gate = RecordingGate(policy, Budget(limits), True)
    machine = open_with_stand_ins(b"", source, gate)
    machine.inlay = _Skipping(gate)
    return Tree(run(machine), gate, machine)


def skip_padding(machine: Any, alignment: int) -> None:
    """Read the padding before the data of an array, for loads and for looks: in it nothing may hide."""
    padding = machine.take_raw(machine.take_raw(1)[0])
    if len(padding) > alignment or padding.strip(b"\xff"):
        raise FormatError("an array's padding is longer than its alignment, or something else")


class _Skipping:
    """The inlay: skips the data behind a header.

    :param gate: has the records.
    """

    def __init__(self, gate: RecordingGate) -> None:
        self._gate = gate
        #: Within the pickle of an array of objects, which joblib reads with an unpickler that knows no headers.
        self._inside = False

    def built(self, machine: Any, target: Any) -> Any:
        """Return what stands for an object that was given its state."""
        if type(target) is not Call or type(target.callee) is not Global or target.callee.pair != WRAPPER:
            return target
        if self._inside:
            raise FormatError("the header of an array inside of the pickle of another one")
        state = self._state(target)
        if type(state) is not dict:
            raise FormatError("the header of an array has no attributes")
        code, itemsize = self._item(state.get("dtype"))
        if code == "O":
            self._inside = True
            value = machine.run_inner()
            self._inside = False
            return value
        alignment = state.get("numpy_array_alignment_bytes")
        if alignment is not None:
            if type(alignment) is not int:
                raise FormatError("the alignment of an array is no int")
            skip_padding(machine, alignment)
        size = min(itemsize * _count(state.get("shape")), _LARGEST)
        budget = self._gate.budget
        budget.take_string(size, 2 * min(size, _PIECE))
        while size:
            piece = min(size, _PIECE)
            machine.take_raw(piece)
            size -= piece
            budget.look_at_clock()
        return target

    def _state(self, call: Call) -> Any:
        """Return the last state that an object was given."""
        done = [one for one in self._gate.operations.get(id(call), ()) if one.right == "build"]
        return done[-1].values[0] if done else None

    def _item(self, dtype: Any) -> tuple[str, int]:
        """Return the code of a type, and how many bytes an item takes."""
        if type(dtype) is not Call or type(dtype.callee) is not Global or dtype.callee.pair != ("numpy", "dtype"):
            raise FormatError("the header of an array has no type")
        code = dtype.args[0] if type(dtype.args) is tuple and dtype.args else None
        match = _CODE.fullmatch(code) if type(code) is str else None
        state = self._state(dtype)
        size = state[5] if type(state) is tuple and len(state) in (8, 9) else -1
        if type(code) is Global and code.name == "record":
            kind, count = "V", 0
        elif match is not None:
            kind, count = match[1], int(match[2] or 0) * (4 if match[1] == "U" else 1)
        else:
            raise FormatError("the type of an array is not one that is known")
        if type(size) is int and size > 0:
            count = size
        if kind != "O" and not 0 < count < _MOST_LENGTH:
            raise FormatError("the type of an array has no size")
        return kind, count


def _count(shape: Any) -> int:
    if type(shape) is not tuple or not all(type(length) is int and 0 <= length < _MOST_LENGTH for length in shape):
        raise FormatError("the shape of an array is no tuple of lengths")
    count = 1
    for length in shape:
        count = min(count * length, _MOST_LENGTH)
    return count
