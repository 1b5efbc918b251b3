"""Files written whole or not at all.

Rules that hold here:

* A temporary file beside the target, made for this writer alone (``O_EXCL``), synced, then renamed over the target, and
  the directory synced: whatever happens in between, the name holds the old bytes or the new ones (attacks S14).
* A rename replaces regular files only.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["is_replaceable", "whole_file", "write_whole"]


def _status(target: str) -> os.stat_result | None:
    try:
        return os.stat(target)  # noqa: PTH116  (paths of any kind)
    except FileNotFoundError:
        return None


def is_replaceable(path: Any) -> bool:
    """Whether there is nothing of that name, or a regular file."""
    before = _status(os.path.realpath(os.fsdecode(path)))
    return before is None or stat.S_ISREG(before.st_mode)


def _name_new(temporary: str, target: str) -> None:
    """Give a file a name that must not be taken."""
    try:
        os.link(temporary, target)  # fails where it is; a rename would not
    except FileExistsError:
        raise
    except OSError:
        # Not every file system has links. Between this question and the rename somebody may take the name.
        if os.path.lexists(target):
            raise FileExistsError(f"there is {target!a} already") from None
        os.replace(temporary, target)  # noqa: PTH105
        return
    os.unlink(temporary)  # noqa: PTH108


@contextlib.contextmanager
def whole_file(path: Any, *, mode: int | None = None, replace: bool = True) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name when the block ends well, and is gone when it does not.

    :param mode: its permissions; by default those of the file that it replaces, or what the umask leaves.
    :param replace: replace a file of that name; otherwise one that is there by then is an error.
    :raises OSError: if it cannot be written, or the name is that of something other than a file.
    """
    target = os.path.realpath(os.fsdecode(path))
    before = _status(target)
    if before is not None and not stat.S_ISREG(before.st_mode):
        raise OSError(f"{target!a} is not a regular file")
    directory, name = os.path.split(target)
    temporary = os.path.join(directory, f".{name[:100]}.{secrets.token_hex(8)}.tmp")  # noqa: PTH118
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(temporary, flags, 0o666 if mode is None else mode)
    except OSError as error:
        # The name that was asked for, and not one that nobody has seen.
        error.filename = os.fsdecode(path)
        raise
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode is None and before is not None:
            os.chmod(temporary, stat.S_IMODE(before.st_mode))  # noqa: PTH101
        if replace:
            os.replace(temporary, target)  # noqa: PTH105
        else:
            _name_new(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        raise
    _sync_directory(directory)


def write_whole(path: Any, data: bytes, *, mode: int | None = None, replace: bool = True) -> None:
    """Write a file whole or leave what was there; see :func:`whole_file`."""
    with whole_file(path, mode=mode, replace=replace) as file:
        file.write(data)


def _sync_directory(directory: str) -> None:
    """Make a rename last; not every system can, and the file is complete either way."""
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
