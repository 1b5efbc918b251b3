"""Packs: the policy files that are shipped with safepickle.

Rules that hold here:

* A pack comes from this installation and from nowhere else: not from the working directory, not from where an
  environment variable points (S9).
* A pack is named by letters, digits and hyphens. A name is never part of a path before it has been checked.
* Packs are read once; a policy is immutable, so that all may share it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import PolicyFileError, quote

if TYPE_CHECKING:
    from .rules import Policy

__all__ = ["load_pack", "pack_names"]

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_PACKAGE = Path(__file__).resolve().parent.parent
_CACHE: dict[str, Policy] = {}


def _folder() -> Path:
    """Return where the packs are: in the package where it is installed, beside it in a source tree."""
    installed = _PACKAGE / "packs"
    root = _PACKAGE.parent
    # Beside an installed package is site-packages, where a folder `policies` would be somebody else's.
    if not installed.is_dir() and (root / "pyproject.toml").is_file():
        return root / "policies"
    return installed


def pack_names() -> tuple[str, ...]:
    """Return the names of the packs there are."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml") if _NAME.fullmatch(path.stem)))


def load_pack(name: str, *, within: tuple[str, ...] = ()) -> Policy:
    """Return a pack's policy.

    :param within: packs that are being read and lead to this one, to notice a ring.
    :raises PolicyFileError: if there is no such pack.
    """
    policy = _CACHE.get(name) if type(name) is str else None
    if policy is None:
        policy = _CACHE[name] = _read(name, within)
    return policy


def _read(name: str, within: tuple[str, ...]) -> Policy:
    path = _folder() / f"{name}.toml" if type(name) is str and _NAME.fullmatch(name) else None
    if path is None or not path.is_file():
        raise PolicyFileError(f"no such pack: {quote(name)} (there are {', '.join(pack_names())})")
    # Loaded here because it brings pydantic, which `import safepickle` must not.
    from .files import policy_from_text

    text = path.read_text(encoding="utf-8")
    return policy_from_text(text, name=name, file=str(path), within=(*within, name))
