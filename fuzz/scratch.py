"""Scratch folders of the targets that read and write files: in memory where the platform has that, gone at the end."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")


def folder(name: str) -> Path:
    """Return a new, empty folder."""
    made = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-", dir=_MEMORY if _MEMORY.is_dir() else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
