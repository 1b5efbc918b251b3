"""The corpus: small files, one input each, by kind of input; it is shared by all targets that take that kind.

Rules that hold here:

* A file's name is the start of the SHA-256 of its content, so that corpora can be merged by copying.
* What is in the repository is minimised: each entry adds a line, a branch or a kind of outcome that no other has.
* The streams are hostile. They are data here; nothing but the targets loads them.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent / "corpus"
KINDS = ("stream", "choices", "text")
#: What a corpus in the repository may take.
MOST_BYTES = 5_000_000


def file_name(data: bytes) -> str:
    """Return the name of an entry."""
    return hashlib.sha256(data).hexdigest()[:20]


def read(kind: str, folder: Path = HERE) -> list[bytes]:
    """Return the entries of one kind, small ones first."""
    place = folder / kind
    if not place.is_dir():
        return []
    return sorted({path.read_bytes() for path in place.iterdir() if path.is_file()}, key=lambda data: (len(data), data))


def add(kind: str, data: bytes, folder: Path = HERE) -> bool:
    """Add an entry; return whether it is new."""
    place = folder / kind / file_name(data)
    if place.exists():
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=place.parent, prefix=".")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(scratch).chmod(0o644)
    Path(scratch).replace(place)
    return True


def keep_only(kind: str, kept: Iterable[bytes], folder: Path = HERE) -> int:
    """Remove every entry of a kind that is not among *kept*; return how many went."""
    names = {file_name(data) for data in kept}
    gone = [path for path in (folder / kind).iterdir() if path.name not in names]
    for path in gone:
        path.unlink()
    return len(gone)


def size(folder: Path = HERE) -> int:
    """Return how many bytes there are in all."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
