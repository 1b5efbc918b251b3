"""Turns what the command line names into files, policies and limits.

Rules that hold here:

* A policy is a pack's name or a file that the command line names; none is ever looked for in the working
  directory, beside the pickle or in the environment (S9). Without ``--policy`` it is ``plain``.
* Input is read within ``max_bytes``, and output is written whole or not at all.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import LimitError, quote
from ..limits import DEFAULT_LIMITS, Limits
from ..policy.packs import is_file_name
from ..policy.rules import PLAIN, Policy

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

__all__ = [
    "UsageError",
    "format_option",
    "open_input",
    "parse_limits",
    "read_all",
    "resolve_limits",
    "resolve_policy",
    "write_whole",
]

_PIECE = 1 << 20


class UsageError(Exception):
    """The command line asks for something that there is not."""


def format_option(command: argparse.ArgumentParser) -> None:
    """Add ``--format``."""
    command.add_argument(
        "--format", choices=("text", "json"), default="text", help="text (default) or one JSON document"
    )


def resolve_policy(names: Sequence[str]) -> Policy:
    """Return the union of the policies named: packs and policy files.

    :raises UsageError: for a name that is neither, and for policies that do not go together.
    :raises PolicyFileError: for a file that is no policy.
    """
    policy: Policy | None = None
    for name in names:
        one = _policy(name)
        try:
            policy = one if policy is None else policy | one
        except ValueError as error:
            raise UsageError(f"--policy: {error}") from None
    return PLAIN if policy is None else policy


def _policy(name: str) -> Policy:
    if not is_file_name(name):
        return Policy.packs(name)
    if not Path(name).is_file():
        raise UsageError(f"--policy: there is no file {quote(name, 200)} (a pack's name has no '.' or '/')")
    return Policy.from_file(name)


def resolve_limits(texts: Sequence[str], policy: Policy) -> Limits:
    """Return the limits of the command line, tightened by those of the policy's file where it has any."""
    limits = parse_limits(texts)
    return limits if policy.limits is None else limits & policy.limits


def parse_limits(texts: Sequence[str]) -> Limits:
    """Return the default limits with ``name=value,...`` changed; ``none`` lifts a bound.

    :raises UsageError: for a name that is no limit or a value that is no size.
    """
    values: dict[str, str | None] = {}
    for text in texts:
        for pair in text.split(","):
            name, equals, value = pair.partition("=")
            if not equals:
                raise UsageError(f"--limits takes name=value,..., not {quote(pair)}")
            values[name.strip()] = None if value.strip().lower() == "none" else value.strip()
    try:
        return Limits.from_mapping(values) if values else DEFAULT_LIMITS
    except (TypeError, ValueError) as error:
        raise UsageError(f"--limits: {error}") from None


@contextlib.contextmanager
def open_input(name: str) -> Iterator[BinaryIO]:
    """Open a file for reading bytes; ``-`` is standard input."""
    if name == "-":
        yield sys.stdin.buffer
        return
    with Path(name).open("rb") as file:
        yield file


def read_all(file: BinaryIO, limits: Limits) -> bytes:
    """Return everything in *file*.

    :raises LimitError: if it is more than ``max_bytes``; no more than a piece beyond it is read.
    """
    bound = limits.bound("max_bytes")
    output = io.BytesIO()
    while piece := file.read(_PIECE):
        output.write(piece)
        if output.tell() > bound:
            raise LimitError("max_bytes", bound, output.tell())
    return output.getvalue()


def write_whole(name: str, data: bytes) -> None:
    """Write a file whole or leave what was there; see :func:`safepickle.signing.files.whole_file`.

    :raises OSError: if it cannot be written.
    :raises UsageError: if something other than a file has that name, which a rename would replace.
    """
    from ..signing import files

    if not files.is_replaceable(name):
        raise UsageError(f"{quote(name, 200)} is not a regular file (use -o - for standard output)")
    files.write_whole(name, data)
