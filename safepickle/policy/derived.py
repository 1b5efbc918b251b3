"""Derived: contracts of classes that are derived from one with a contract.

Rules that hold here:

* A class that leaves taking its arguments to such a base (``__new__`` and ``__init__`` are the base's own) is held to
  the base's contract: a date of year 0 crashes whoever formats it, whatever its class is called. Of a base that reads
  them in ``__new__``, an ``__init__`` of its own changes nothing: it comes too late, and NEWOBJ leaves it out.
* Bases that read what they are given to its end are not among them: what those take is read off the class (see
  ``decoding.resolving``), and a class derived from ``list`` may be given a set.
* A class derived from ``defaultdict`` calls its factory later, however it takes it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from .contracts import CONTRACTS, Contract, Pair
from .parts import Args, Kwargs

__all__ = ["FACTORY", "HELD", "calls_factory", "contract_of_derived"]

_MRO: Any = type.__dict__["__mro__"]
_NAMES: Any = type.__dict__["__dict__"]
_MODULE: Any = type.__dict__["__module__"]
_QUALNAME: Any = type.__dict__["__qualname__"]

#: Classes of the standard library whose contract holds for those derived from them, by module.
_HELD = {
    "datetime": "date time datetime timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "uuid": "UUID",
    "collections": "ChainMap UserDict UserList UserString",
    "array": "array",
    "pathlib": "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath",
    "ipaddress": "IPv4Address IPv4Network IPv4Interface IPv6Address IPv6Network IPv6Interface",
    "types": "SimpleNamespace",
    "builtins": "UnicodeDecodeError UnicodeEncodeError UnicodeTranslateError",
}
HELD: frozenset[Pair] = frozenset((module, name) for module, names in _HELD.items() for name in names.split())

#: Modules whose classes among these read what they are given in ``__new__``.
_READ_BY_NEW = frozenset({"datetime", "decimal", "fractions", "array"})


def _takes_all(args: Args, kwargs: Kwargs) -> None:
    """For classes that know what they take."""


#: For every class derived from ``defaultdict`` that a policy lists: it calls its first argument later, too.
FACTORY = Contract(_takes_all, "any callable as factory, called later", "S3, R22", calls_later=0)


def calls_factory(target: Any) -> bool:
    """Return whether instances call later what they are made with: a class derived from ``defaultdict``."""
    # One by one: a metaclass may compare its classes as it likes.
    return isinstance(target, type) and any(base is defaultdict for base in _MRO.__get__(target))


def contract_of_derived(target: Any) -> Contract | None:
    """Return the contract of a class that has none under its own name."""
    if not isinstance(target, type):
        return None
    if calls_factory(target):
        return FACTORY
    for base in _MRO.__get__(target)[1:]:
        pair = (str(_MODULE.__get__(base)), _QUALNAME.__get__(base))
        if pair in HELD:
            readers = ("__new__",) if pair[0] in _READ_BY_NEW else ("__new__", "__init__")
            same = all(_found(target, name) is _found(base, name) for name in readers)
            return CONTRACTS[pair] if same else None
    return None


def _found(kind: type, name: str) -> Any:
    for base in _MRO.__get__(kind):
        names = _NAMES.__get__(base)
        if name in names:
            return names[name]
    return None
