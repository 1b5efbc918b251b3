"""Python 2 names and their Python 3 ones, frozen.

Rules that hold here:

* The tables are our own copies, taken once and read-only. ``pickle`` looks into the mutable dicts of
  ``_compat_pickle`` at every global, which lets whoever can write to those dicts rename anything, and lets a
  concurrent change crash the interpreter (gh-157122).
* Renames are applied *before* the policy is asked (S2), so a policy speaks of one name only.
"""

from __future__ import annotations

import _compat_pickle
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["to_python2", "to_python3"]

Pair = tuple[str, str]

_NAMES_3: Mapping[Pair, Pair] = MappingProxyType(dict(_compat_pickle.NAME_MAPPING))
_MODULES_3: Mapping[str, str] = MappingProxyType(dict(_compat_pickle.IMPORT_MAPPING))
_NAMES_2: Mapping[Pair, Pair] = MappingProxyType(dict(_compat_pickle.REVERSE_NAME_MAPPING))
_MODULES_2: Mapping[str, str] = MappingProxyType(dict(_compat_pickle.REVERSE_IMPORT_MAPPING))


def to_python3(module: str, name: str) -> Pair:
    """Return what Python 3 calls a global that a Python 2 pickle names (``fix_imports``, protocols 0 to 2)."""
    pair = _NAMES_3.get((module, name))
    if pair is not None:
        return pair
    return _MODULES_3.get(module, module), name


def to_python2(module: str, name: str) -> Pair:
    """Return what Python 2 calls a global, for a pickle of protocol 0 to 2 that Python 2 is to read."""
    pair = _NAMES_2.get((module, name))
    if pair is not None:
        return pair
    return _MODULES_2.get(module, module), name
