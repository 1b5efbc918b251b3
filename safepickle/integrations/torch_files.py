"""torch's checkpoints: state dicts from the archives of ``torch.save``, as numpy's arrays or as torch's tensors.

    state = torch_files.load("model.pt", policy=Policy.packs("torch-state"))
    model.load_state_dict(torch_files.load("model.pt", policy=Policy.packs("torch-state"), tensors="torch"))

Rules that hold here:

* The machine carries out the pickle of the archive (S1). ``torch.load`` is not called; torch is imported only where
  its tensors are asked for.
* The archive can be read in one way only (see ``stored_zip``), and has the members that torch writes, and no others.
* A storage is as long as its class and count say. A tensor lies inside of its storage: checked before it is made.
* Tensors on one storage share their memory, as they did. All of them are on the CPU, wherever they were.
* Files from before torch 1.6, which are no archives, and archives of TorchScript, which hold code, are refused.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..decoding.budget import Budget
from ..decoding.locating import Locator
from ..decoding.session import check, policy_for, run_whole
from ..decoding.standing import StandInGate, open_with_stand_ins, opened_file, restricting
from ..errors import FormatError, PolicyError, quote
from ..inspection.tree import Tree
from ..inspection.tree import inspect as inspect_pickle
from ..limits import DEFAULT_LIMITS, Limits
from ..policy.formats import Storage
from ..policy.rules import BY_DEFAULT, Policy
from .stored_zip import StoredZip
from .tensors import ArrayMaker, StorageClass, TensorMaker

if TYPE_CHECKING:
    from .stored_zip import Member

__all__ = ["inspect", "load", "pickle_of"]

#: What else an archive may have in it, beside its pickle and its storages.
_MARKS = frozenset({"version", "byteorder", ".format_version", ".storage_alignment", ".data/serialization_id"})
#: What archives of TorchScript have.
_CODE = ("constants.pkl", "code/")
#: The first bytes of files from before torch 1.6: a pickle of a number.
_LEGACY = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"
_SHORT = 64


def load(
    file: Any,
    /,
    *,
    policy: Policy = BY_DEFAULT,
    limits: Limits = DEFAULT_LIMITS,
    tensors: str = "numpy",
    type: Any = None,  # noqa: A002 (what a user writes)
) -> Any:
    """Return the value that a file of ``torch.save`` stands for.

    :param file: a path, or a binary file that can seek.
    :param policy: what is allowed; tensors need the pack ``torch-state``.
    :param limits: how much is allowed. ``max_bytes`` holds for the pickle, ``max_memory`` for the storages too.
    :param tensors: ``"numpy"`` for arrays (bfloat16 becomes float32), or ``"torch"`` for tensors.
    :param type: a type annotation that the value has to be of.
    :raises PolicyError: if the policy refuses anything; nothing refused was imported or called.
    :raises LimitError: if a limit would be exceeded.
    :raises FormatError: if it is no such file, or one that other readers could read in another way.
    """
    if type is not None:
        policy = policy_for(type, policy)  # type: ignore[assignment]
    policy, limits = restricting(policy, limits)
    if tensors not in ("numpy", "torch"):
        raise ValueError(f"tensors is 'numpy' or 'torch', not {tensors!a}")
    budget = Budget(limits)
    with opened_file(file) as opened:
        archive = _Archive(opened, budget)
        maker = (ArrayMaker if tensors == "numpy" else TensorMaker)(budget)
        content = archive.pickle()
        gate = StandInGate(policy, budget, maker.stand_ins, archive.storage)
        machine = open_with_stand_ins(content, None, gate)
        try:
            value = run_whole(machine)
        except PolicyError as refusal:
            if refusal.__cause__ is None:
                refusal.locate_by(Locator(content, machine.position, policy, limits, True, "ASCII", "strict", False))
            raise
    if type is not None:
        check(value, type)
    return value


def inspect(file: Any, /, *, policy: Policy = BY_DEFAULT, limits: Limits = DEFAULT_LIMITS) -> Tree:
    """Return what the pickle of a checkpoint asks for, as :func:`safepickle.inspect` does.

    :param file: a path, or a binary file that can seek.
    """
    policy, limits = restricting(policy, limits)
    return inspect_pickle(pickle_of(file, limits=limits), policy=policy, limits=limits)


def pickle_of(file: Any, /, *, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """Return the pickle of a checkpoint, after the whole archive has been checked.

    :param file: a path, or a binary file that can seek.
    """
    with opened_file(file) as opened:
        return _Archive(opened, Budget(limits)).pickle()


class _Archive:
    """A checkpoint's archive.

    :param file: it, seekable.
    :param budget: pays for what is read.
    """

    def __init__(self, file: Any, budget: Budget) -> None:
        self._budget = budget
        file.seek(0)
        first = file.read(_SHORT)
        if first[:4] != b"PK\x03\x04":
            raise FormatError(_otherwise(first))
        self._zip = StoredZip(file, budget)
        self._members = self._named()
        order = self._mark("byteorder", "little")
        if order not in ("little", "big"):
            raise FormatError("the byte order is neither little nor big")
        self._swapped = order != sys.byteorder
        if not self._mark("version", "0").isdigit():
            raise FormatError("the version of the archive is no number")
        #: Storages that were asked for, with what was asked.
        self._storages: dict[str, tuple[Any, Storage]] = {}

    def _named(self) -> dict[str, Member]:
        """Return the members by their name below the one folder."""
        found: dict[str, Member] = {}
        root: str | None = None
        for name, member in self._zip.members.items():
            folder, _, rest = name.partition("/")
            if not rest or (root is not None and folder != root):
                raise FormatError("the members of a checkpoint are in one folder")
            root = folder
            if rest.startswith(_CODE):
                raise FormatError("an archive of TorchScript, which holds code: save the state dict instead")
            folder, _, key = rest.partition("/")
            if rest != "data.pkl" and rest not in _MARKS and (folder != "data" or not key or not _is_key(key)):
                raise FormatError(f"a checkpoint has no member {quote(rest)}")
            found[rest] = member
        if "data.pkl" not in found:
            raise FormatError("an archive without data.pkl: no checkpoint of torch")
        return found

    def _mark(self, name: str, default: str) -> str:
        member = self._members.get(name)
        if member is None:
            return default
        if member.size > _SHORT:
            raise FormatError(f"{quote(name)} is longer than torch writes it")
        return self._zip.read(member).decode("latin-1").strip()

    def pickle(self) -> bytes:
        """Return the pickle."""
        member = self._members["data.pkl"]
        if member.size > self._budget.max_bytes:
            self._budget.refuse("max_bytes", member.size)
        return bytes(self._zip.read(member))

    def storage(self, pid: Any) -> Storage:
        """Return the storage of a persistent id."""
        # Types first: comparing asks the values, and an array has no one answer.
        if type(pid) is not tuple or len(pid) != 5 or type(pid[0]) is not str or type(pid[1]) is not StorageClass:
            raise FormatError("a persistent id that is not of a storage")
        word, kind, key, location, count = pid
        if word != "storage":
            raise FormatError("a persistent id that is not of a storage")
        if type(key) is not str or type(location) is not str or type(count) is not int or count < 0:
            raise FormatError("a storage without key, place or count")
        known = self._storages.get(key)
        if known is not None:
            # Two types for the same bytes: torch does not write it, and only its own loader would take the first.
            if known[0] != (kind.name, count):
                raise FormatError(f"storage {quote(key)} is of two kinds or lengths")
            return known[1]
        member = self._members.get(f"data/{key}")
        if member is None or not _is_key(key):
            raise FormatError(f"there is no storage {quote(key)} in the archive")
        if member.size != count * kind.itemsize:
            raise FormatError(f"storage {quote(key)} has {member.size} bytes, not {quote(count)} times {kind.itemsize}")
        if self._swapped and kind.name == "UntypedStorage":
            raise FormatError("untyped bytes in the other byte order: load it with torch where it was made")
        data = self._zip.read(member)
        if self._swapped and kind.unit > 1:
            import numpy as np

            np.frombuffer(data, f"u{kind.unit}").byteswap(inplace=True)
        storage = Storage(kind.name, kind.itemsize, data)
        self._storages[key] = ((kind.name, count), storage)
        return storage


def _is_key(key: str) -> bool:
    return key.isascii() and key.replace("_", "").isalnum() and len(key) <= 40


def _otherwise(first: bytes) -> str:
    """Say what a file is instead."""
    if _LEGACY in first:
        return (
            "a checkpoint from before torch 1.6, which is no archive: "
            "load it with torch.load(weights_only=True) where nothing is at stake, and save it again"
        )
    if first[:2] in (b"\x1f\x8b", b"BZ") or first[257:262] == b"ustar":
        return "a compressed or old file, not a checkpoint's archive: unpack it first"
    return "not a checkpoint's archive: torch.save writes a zip"


