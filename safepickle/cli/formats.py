"""What the command line reads beside pickles: joblib's files and torch's checkpoints, where ``--as`` says so.

Rules that hold here:

* What a file is read as is the user's word, never a guess: one file may be two things to two readers. Where a file
  cannot be read as it was asked for and looks like another, the error says which.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from ..errors import EmptyInputError, FormatError
from .inputs import UsageError, open_input, read_all

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from ..decoding.unpickler import Survey
    from ..inspection.tree import Tree
    from ..limits import Limits
    from ..policy.rules import Policy

Found = TypeVar("Found")

__all__ = ["FORMATS", "is_pickle", "kind_option", "load_as", "one_after_another", "survey_as", "trees", "with_hint"]

FORMATS = ("pickle", "joblib", "torch")


def kind_option(command: argparse.ArgumentParser) -> None:
    """Add ``--as``."""
    command.add_argument(
        "--as",
        dest="kind",
        choices=FORMATS,
        default="pickle",
        help="what the file is: a pickle (default), a file of joblib.dump, or a checkpoint of torch.save",
    )


def is_pickle(arguments: argparse.Namespace) -> bool:
    """Say whether files are read as pickles.

    :raises UsageError: if they are not, and there is an option that goes with pickles only.
    """
    if getattr(arguments, "kind", "pickle") == "pickle":
        return True
    for option in ("all", "keys", "context"):
        if getattr(arguments, option, None):
            raise UsageError(f"--{option} goes with pickles, not with --as {arguments.kind}")
    return False


def _reader(kind: str) -> ModuleType:
    if kind == "joblib":
        from ..integrations import joblib_files

        return joblib_files
    from ..integrations import torch_files

    return torch_files


def _seekable(file: BinaryIO, limits: Limits) -> BinaryIO:
    return file if file.seekable() else io.BytesIO(read_all(file, limits))


def load_as(kind: str, file: BinaryIO, policy: Policy, limits: Limits) -> Any:
    """Return the value of a file."""
    return _reader(kind).load(_seekable(file, limits), policy=policy, limits=limits)


def tree_as(kind: str, file: BinaryIO, limits: Limits, policy: Policy | None = None) -> Tree:
    """Return what a file asks for."""
    named = {} if policy is None else {"policy": policy}
    tree: Tree = _reader(kind).inspect(_seekable(file, limits), limits=limits, **named)
    return tree


def survey_as(kind: str, file: BinaryIO, policy: Policy, limits: Limits) -> Survey:
    """Return what a policy would refuse of a file."""
    from ..decoding.unpickler import Survey
    from ..inspection.refused import refused

    tree = tree_as(kind, file, limits, policy)
    error = None
    if tree.buffers or (tree.persistent_ids and kind != "torch"):
        error = FormatError("it asks for what is not in the file: out-of-band buffers, or persistent ids")
    pairs = tuple(record.pair for record in tree.globals)
    return Survey(refused(tree, policy), error, tree.opcodes, len(tree.calls), pairs, tree.bytes)


def trees(name: str, arguments: argparse.Namespace, limits: Limits) -> Iterator[Tree]:
    """Yield what a file asks for: one tree, or with ``--all`` that of each pickle in it."""
    from ..inspection.tree import inspect

    with open_input(name) as file:
        if not is_pickle(arguments):
            yield tree_as(arguments.kind, file, limits)
            return
        if not arguments.all:
            data = read_all(file, limits)
            try:
                tree = inspect(data, limits=limits, encoding=arguments.encoding)
            except FormatError as error:
                raise with_hint(error, data) from None
            yield tree
            return
        source = _seekable(file, limits)
        yield from one_after_another(lambda: inspect(source, limits=limits, encoding=arguments.encoding))


def one_after_another(read: Callable[[], Found]) -> Iterator[Found]:
    """Yield what is read of each pickle in a file; a file without any is an error, its end behind one is not."""
    count = 0
    while True:
        try:
            found = read()
        except EmptyInputError:
            if not count:
                raise
            return
        count += 1
        yield found


def with_hint(error: FormatError, data: bytes) -> FormatError:
    """Return an error of data that were read as a pickle, with what they look like."""
    from ..integrations.compression import compression_of
    from ..signing.envelope import is_signed

    found = compression_of(data)
    if is_signed(data):
        hint = "it is signed: load it with --keys, or see safepickle verify"
        return FormatError(f"{error.reason}; {hint}", position=error.position, opcode=error.opcode)
    if data.startswith(b"PK\x03\x04"):
        hint = "it looks like a zip archive, such as a checkpoint of torch: try --as torch"
    elif found is not None:
        hint = f"it looks compressed by {found.name}, as joblib's files may be: try --as joblib"
    else:
        return error
    return FormatError(f"{error.reason}; {hint}", position=error.position, opcode=error.opcode)
