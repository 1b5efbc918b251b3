"""joblib's files: what ``joblib.dump`` wrote, compressed or not, loaded under a policy with no code of joblib's.

    model = joblib_files.load("model.joblib.gz", policy=Policy.packs("joblib", "scikit-learn"))

joblib puts the data of each array between the opcodes of its pickle, right behind the BUILD of a header. The machine
asks here after each BUILD (an *inlay*), and what stands for the header from then on is the array.

Rules that hold here:

* The machine carries out the pickle (S1). Neither joblib nor ``pickle`` nor ``numpy.load`` is called.
* Data are paid for, and have to be there, before an array is made for them. Its shape and type have been checked.
* An array of objects is a pickle inside the pickle: the same machine, policy, limits and budget carry it out.
* Compressed files are unpacked piece by piece; ``max_bytes`` holds for what is in the file and for what comes out.
* Files of joblib before 0.10 name other files that belong to them, and are refused.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, Any

from ..decoding.budget import Budget
from ..decoding.handles import Inert
from ..decoding.session import check, policy_for, run
from ..decoding.standing import StandInGate, open_with_stand_ins, opened_file, restricting
from ..errors import FormatError, PolicyError, SafePickleError
from ..inspection.joblib_trees import inspect_source, skip_padding
from ..inspection.refused import refused
from ..limits import DEFAULT_LIMITS, Limits
from ..policy.formats import WRAPPER, ArrayHeader
from ..policy.rules import BY_DEFAULT, Policy
from .compression import PieceSource, compressor

if TYPE_CHECKING:
    from ..inspection.tree import Tree

__all__ = ["dump", "inspect", "load"]

_STAND_INS = {WRAPPER: ArrayHeader}
#: When something is refused, so many seconds are spent to say where, and what else would be; of longer files, none.
_MOST_SECONDS, _MOST_BYTES = 5.0, 16 * 2**20
_LARGEST = 2**60
_PIECE = 2**20


def load(
    file: Any,
    /,
    *,
    policy: Policy = BY_DEFAULT,
    limits: Limits = DEFAULT_LIMITS,
    native_byte_order: bool = True,
    type: Any = None,  # noqa: A002 (what a user writes)
) -> Any:
    """Return the value that a file of ``joblib.dump`` stands for.

    :param file: a path, or a binary file, which is read to its end.
    :param policy: what is allowed; arrays need the packs ``joblib`` or ``numpy`` and a rule for joblib's header.
    :param limits: how much is allowed.
    :param native_byte_order: give arrays this machine's byte order, as ``joblib.load`` does.
    :param type: a type annotation that the value has to be of.
    :raises PolicyError: if the policy refuses anything; nothing refused was imported or called.
    :raises LimitError: if a limit would be exceeded, unpacking included.
    :raises FormatError: if it is no such file, or of joblib before 0.10.
    """
    if type is not None:
        policy = policy_for(type, policy)  # type: ignore[assignment]
    policy, limits = restricting(policy, limits)
    with opened_file(file) as opened:
        start = _position(opened)
        source = _source(opened, limits)
        gate = StandInGate(policy, Budget(limits), _STAND_INS)
        machine = open_with_stand_ins(b"", source, gate)
        machine.inlay = _Arrays(native_byte_order)
        try:
            value = run(machine)
        except PolicyError as refusal:
            if start is not None:
                opened.seek(start)
                _complete(refusal, opened, policy, limits)
            raise
        source.expect_end()
    if type is not None:
        check(value, type)
    return value


def inspect(file: Any, /, *, policy: Policy = BY_DEFAULT, limits: Limits = DEFAULT_LIMITS) -> Tree:
    """Return what a file of ``joblib.dump`` asks for, as :func:`safepickle.inspect` does for pickles.

    An array is a record of its header; an array of objects is what the pickle in its place asks for.

    :param file: a path, or a binary file, which is read to its end.
    """
    policy, limits = restricting(policy, limits)
    with opened_file(file) as opened:
        source = _source(opened, limits)
        tree = inspect_source(source, policy=policy, limits=limits)
        source.expect_end()
    return tree


def dump(
    value: Any,
    file: Any,
    /,
    *,
    policy: Policy = BY_DEFAULT,
    limits: Limits = DEFAULT_LIMITS,
    compress: str | tuple[str, int] | None = None,
    protocol: int | None = None,
) -> None:
    """Write a file that :func:`load` and ``joblib.load`` read: a pickle, with arrays as numpy itself pickles them.

    :param value: any value that the policy would let :func:`load` load.
    :param file: a path, which is written whole or not at all, or a binary file.
    :param compress: ``zlib``, ``gzip``, ``bz2``, ``xz`` or ``lzma``, or one of these and a level.
    :raises PolicyError: if the policy would refuse it on loading; then nothing has been written.
    """
    from ..encoding.pickler import dumps
    from ..signing.files import write_whole

    data = dumps(value, protocol, policy=policy, limits=limits)
    if compress is not None:
        name, level = (compress, None) if isinstance(compress, str) else compress
        output = io.BytesIO()
        with contextlib.closing(compressor(name, level, output)) as packer:
            packer.write(data)
        data = output.getvalue()
    if hasattr(file, "write"):
        file.write(data)
    else:
        write_whole(os.fspath(file), data)


# ---- files -------------------------------------------------------------------------------------------------


def _source(file: Any, limits: Limits) -> PieceSource:
    source = PieceSource(file, limits.max_bytes, limits.max_seconds)
    if source.prefix.startswith(b"ZF"):
        raise FormatError("a file of joblib before 0.10: load it where it was made, and dump it again with a newer one")
    if source.prefix.startswith(b"PK\x03\x04"):
        raise FormatError("a zip archive, not joblib's: torch_files.load reads checkpoints of torch")
    return source


def _position(file: Any) -> int | None:
    """Return where a file is that can be read once more."""
    try:
        position = file.tell() if file.seekable() else None
    except (OSError, AttributeError, ValueError):
        return None
    return position if type(position) is int else None


def _complete(refusal: PolicyError, file: Any, policy: Policy, limits: Limits) -> None:
    """Add what the rest of the file would be refused: behind a refused array the load itself cannot go on."""
    seconds = limits.max_seconds
    limits = limits.replace(max_seconds=_MOST_SECONDS if seconds is None else min(seconds, _MOST_SECONDS))
    limits = limits.replace(max_bytes=min(_MOST_BYTES, limits.bound("max_bytes")))
    try:
        tree = inspect_source(_source(file, limits), policy=policy, limits=limits)
    except (SafePickleError, OSError):
        return
    found = refused(tree, policy, refusal.denials)
    refusal.locate_by(lambda _: found)


# ---- arrays ------------------------------------------------------------------------------------------------


#: What refused the array is what is raised; this is its cause, and the end of what can be read.
_REFUSED = "the data of an array that was refused cannot be told from the opcodes behind them"


class _Arrays:
    """The inlay: reads the data behind a header.

    :param native: give arrays this machine's byte order.
    """

    def __init__(self, native: bool) -> None:
        self._native = native
        #: Within the pickle of an array of objects, which joblib reads with an unpickler that knows no headers.
        self._inside = False

    def built(self, machine: Any, target: Any) -> Any:
        """Return what stands for an object that was given its state."""
        gate = machine.gate
        if type(target) is Inert and target.handle is not None:
            pair = target.handle.module, target.handle.name
            if pair == WRAPPER:
                raise FormatError(_REFUSED)
        if type(target) is not ArrayHeader:
            return target
        if gate.inert:
            raise FormatError(_REFUSED)
        if self._inside:
            raise FormatError("the header of an array inside of the pickle of another one")
        if target.dtype.hasobject:
            self._inside = True
            value = machine.run_inner()
            self._inside = False
            if not gate.inert and not _is_array_of(value, target):
                raise FormatError("the pickle of an array of objects is not of the array that its header announces")
        else:
            value = _read(machine, target)
        if self._native and not gate.inert:
            value = _native_order(value)
        return value


def _is_array_of(value: Any, header: ArrayHeader) -> bool:
    import numpy as np

    plain = issubclass(type(value), np.ndarray)
    return plain and value.shape == header.shape and value.dtype == header.dtype


def _read(machine: Any, header: ArrayHeader) -> Any:
    """Return an array with the data that follow."""
    import numpy as np

    alignment = header.numpy_array_alignment_bytes
    if alignment is not None:
        skip_padding(machine, alignment)
    count = 1
    for length in header.shape:
        count *= length
    # No file has so much; the counters take no more.
    size = min(count * header.dtype.itemsize, _LARGEST)
    # The data, what a buffer that grows has beside them, and a piece.
    machine.gate.budget.take_string(size, 1000 + size + size // 8 + min(size, _PIECE))
    data = bytearray()
    while len(data) < size:
        # It grows by what is there: a claim makes no room.
        machine.gate.budget.look_at_clock()
        data += machine.take_raw(min(size - len(data), _PIECE))
    try:
        array = np.frombuffer(data, header.dtype)
        array = array.reshape(header.shape[::-1]).transpose() if header.order == "F" else array.reshape(header.shape)
        return array.view(np.matrix) if header.subclass is np.matrix else array
    except (ValueError, TypeError) as error:
        raise FormatError(f"numpy makes no such array ({type(error).__name__})") from error


def _native_order(array: Any) -> Any:
    """Return an array in this machine's byte order, of a structure where all of its fields are in the other one."""
    other = ">" if sys.byteorder == "little" else "<"
    dtype = array.dtype
    swapped = dtype.byteorder == other or (
        dtype.fields and all(field[0].byteorder == other for field in dtype.fields.values())
    )
    return array.byteswap().view(dtype.newbyteorder("=")) if swapped else array
