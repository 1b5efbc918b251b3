"""Signing again: what old keys signed, signed by the key that signs now; and pickles signed for the first time.

Rules that hold here:

* A file is replaced by a whole, synced one or left as it was; what is copied are bytes that have been verified.
* Nothing becomes younger or loses its policy: times and fingerprint are taken over.
* Doing it twice does it once: what the present key signed is verified and left alone, so that a run that was stopped is
  taken up by running it again.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any, Final

from ..errors import BadSignatureError, UnsignedError
from ..limits import NO_BOUND
from .files import whole_file
from .signer import Signer
from .streams import StreamReader, StreamWriter, open_signed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .envelope import Context

__all__ = ["ALREADY", "FIRST", "RESIGNED", "private_copy", "resign_file", "sign_file"]

ALREADY: Final = "already"
RESIGNED: Final = "resigned"
FIRST: Final = "signed"

_PIECE: Final = 1 << 18
#: Copies up to this size are not written to disk.
_IN_MEMORY: Final = 1 << 24


def private_copy(file: Any, beside: Any, most: int | None = None) -> IO[bytes]:
    """Return what is in an open file as one that nobody else can change: what is looked at is what is signed (S14).

    :param beside: a file whose folder has room for it, where it is large.
    :param most: bytes after which it is not signed anyway, so that no more need be copied.
    """
    import tempfile

    folder = os.path.dirname(os.path.realpath(os.fsdecode(beside)))  # noqa: PTH120  (paths of any kind)
    copy = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=folder)  # noqa: SIM115  (the caller's to close)
    left = NO_BOUND if most is None else most
    while piece := file.read(min(_PIECE, left)):
        copy.write(piece)
        left -= len(piece)
    copy.seek(0)
    return copy


def sign_file(source: Any, target: Any, signer: Signer, context: Context = None) -> None:
    """Copy all of one open file to another as a signed stream."""
    with StreamWriter(target, signer, context) as writer:
        while piece := source.read(_PIECE):
            writer.write(piece)


def resign_file(
    path: Any,
    signer: Signer,
    context: Context = None,
    *,
    admit: Callable[[Any], None] | None = None,
    most: int | None = None,
) -> str:
    """Sign a file again with the key that signs now.

    :param admit: looks at an unsigned file and raises if it is not to be signed; without it none is.
    :param most: bytes of an unsigned file that *admit* is given at most; it refuses a file that has as many.
    :returns: :data:`RESIGNED`; :data:`ALREADY` if that key had signed it; :data:`FIRST` if nobody had.
    :raises SignatureError: if it does not verify; then it is left as it was.
    """
    # A message that is not to be used yet is nevertheless to be signed by the new key.
    reader_of = Signer(signer.keys, purpose=signer.purpose, clock=lambda: float("inf"), max_bytes=signer.max_bytes)
    with open(path, "rb") as file:  # noqa: PTH123  (paths of any kind)
        try:
            opened = open_signed(file, reader_of, context)
        except UnsignedError:
            if admit is None:
                raise
            file.seek(0)
            with private_copy(file, path, most) as copy:
                admit(copy)
                copy.seek(0)
                with whole_file(path) as target:
                    sign_file(copy, target, signer, context)
            return FIRST
        if isinstance(opened, StreamReader):
            return _resign_stream(path, opened, signer, context)
    return _resign_blob(path, opened, reader_of, signer, context)


def _resign_stream(path: Any, reader: StreamReader, signer: Signer, context: Context) -> str:
    if reader.header.key_id == signer.keys.signing_key.id:
        reader.skip()
        return ALREADY
    with whole_file(path) as target, StreamWriter(
        target, signer, context, header=signer.renewed(reader.header)
    ) as writer:
        while piece := reader.read(_PIECE):
            writer.write(piece)
        if reader.covers:
            raise _covers()
    return RESIGNED


def _resign_blob(path: Any, blob: bytes, verifier: Signer, signer: Signer, context: Context) -> str:
    header = verifier.read_header(blob)
    if header.buffers:
        raise _covers()
    payload = verifier.open(blob, context)
    if header.key_id == signer.keys.signing_key.id:
        return ALREADY
    with whole_file(path) as target:
        target.write(signer.sign(payload, context, header=signer.renewed(header)))
    return RESIGNED


def _covers() -> BadSignatureError:
    return BadSignatureError("it covers out-of-band buffers: sign it again where these are, with loads and dumps")
