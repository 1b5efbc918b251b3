"""Packs: the policy files that are shipped with safepickle, and those that installed packages offer.

Rules that hold here:

* A pack comes from this installation and from nowhere else: not from the working directory, not from where an
  environment variable points (S9).
* A pack of another package is read only when it is named, and never in place of one that is shipped.
* A pack is named by letters, digits and hyphens. A name is never part of a path before it has been checked.
* Packs are read once; a policy is immutable, so that all may share it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import PolicyFileError, quote

if TYPE_CHECKING:
    from .rules import Policy

__all__ = ["is_file_name", "load_pack", "no_such_pack", "pack_names", "packs_folder"]

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
#: A name is that of a file, too: file systems take 255 bytes.
_LONGEST = 64
_PACKAGE = Path(__file__).resolve().parent.parent
_CACHE: dict[str, Policy] = {}


def packs_folder() -> Path:
    """Return where the packs are: in the package where it is installed, beside it in a source tree."""
    installed = _PACKAGE / "packs"
    root = _PACKAGE.parent
    # Beside an installed package is site-packages, where a folder `policies` would be somebody else's.
    if not installed.is_dir() and (root / "pyproject.toml").is_file():
        return root / "policies"
    return installed


def pack_names() -> tuple[str, ...]:
    """Return the names of the packs that are shipped."""
    return tuple(sorted(path.stem for path in packs_folder().glob("*.toml") if _NAME.fullmatch(path.stem)))


def is_file_name(name: str) -> bool:
    """Say whether somebody means a file by a name: it has a sign in it that no pack's name has."""
    return any(sign in name for sign in "/\\.")


def load_pack(name: str, *, within: tuple[str, ...] = ()) -> Policy:
    """Return a pack's policy.

    :param within: packs and files that are being read and lead to this one, to notice a ring.
    :raises PolicyFileError: if there is no such pack.
    """
    policy = _CACHE.get(name) if type(name) is str else None
    if policy is None:
        policy = _CACHE[name] = _read(name, within)
    return policy


def no_such_pack(name: Any) -> PolicyFileError:
    """Return the error for a name that no pack has."""
    known = ", ".join(pack_names())
    # Where a file may be named, it was taken for one before.
    is_path = type(name) is str and ("." in name or "/" in name)
    hint = "only a pack can stand here" if is_path else "a file is named by its path: ./my.toml"
    return PolicyFileError(f"no such pack: {quote(name)} (there are {known}; {hint})")


def _read(name: str, within: tuple[str, ...]) -> Policy:
    if type(name) is not str or len(name) > _LONGEST or not _NAME.fullmatch(name):
        raise no_such_pack(name)
    path = packs_folder() / f"{name}.toml"
    if path.is_file():
        return _read_own(name, path, within)
    from .offered import offered_pack

    # One that an installed package offers, which nothing but its name here makes anybody read.
    found = offered_pack(name)
    if found is None:
        raise no_such_pack(name)
    from .files import policy_from_file

    return policy_from_file(found, within=(*within, name))


def _read_own(name: str, path: Path, within: tuple[str, ...]) -> Policy:
    """Read a pack of this installation. It was checked against the model when it was made, which takes pydantic."""
    import tomllib

    from .building import is_familiar, policy_of

    text = path.read_text(encoding="utf-8")
    content: dict[str, Any] = {}
    try:
        content = tomllib.loads(text)
        own = is_familiar(content)
        policy = policy_of(content, name) if own else None
    except (ValueError, TypeError, KeyError, AttributeError):
        policy = None
    if policy is None or content.get("extends"):
        # Extends others, or somebody has been at it: the long way round, which says what is wrong.
        from .files import policy_from_text

        return policy_from_text(text, name=name, file=str(path), folder=path.parent, within=(*within, name))
    return policy
