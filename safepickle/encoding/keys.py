# cython: annotation_typing=False
"""Keys of dicts and items of sets: what hashing them will cost the reader, which refuses what costs too much.

Rules that hold here:

* The reader's own guard is asked, with the same bounds (S11): a key is looked at when it has been written, so when
  its class has been granted, and for the container that it is in.
* Text, bytes, numbers up to 60 bits and the like cost nothing: nobody is asked about them.
* Hashing an instance runs code of its class: the encoder then starts over without sparing memo entries.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

from typing import Any

from ..decoding.budget import Budget
from ..decoding.hashing import KeyGuard
from ..errors import EncodingError, FormatError
from .frames import Stack

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

#: ints below this have distinct hashes.
_SMALL = 2**60
_FREE = frozenset({str, bytes, bool, type(None), float})
#: Keys that are hashed by C code alone, tuples and frozensets if all that is in them is.
_DATA = _FREE | {int, complex, range, type(...), type}


class Keys(Stack):
    """Frames, and the guard of keys."""

    def check_key(self, container: Any, key: Any) -> None:
        """Refuse a key whose hash, or one more key of whose hash in *container*, costs the reader too much.

        Need not be called for a key that is free as long as there is no guard: nothing has been counted then.
        """
        if self.checks_keys and (not is_free(key) or (self.guard is not None and self.guard.is_counted(container))):
            self._ask(container, key)

    def _ask(self, container: Any, key: Any) -> None:
        if self.guard is None:
            guard = KeyGuard.__new__(KeyGuard)
            guard.open_guard(Budget(self.bounds.limits), self.guarded)
            guard.big_ints = True
            self.guard = guard
        kind = type(key)
        if self.sparing and kind not in _DATA and not (kind in (tuple, frozenset) and _is_data(key)):
            self.ends_sparing()
        self.doing = "hashing a key"
        try:
            self.guard.check(container, key)
        except FormatError as error:
            raise EncodingError(error.reason) from error
        self.doing = ""

    def check_keys(self, keys: Any, container: Any, start: int) -> None:
        """Do that for all keys in a list or tuple from *start* on."""
        for index in range(start, len(keys)):
            if not is_free(keys[index]) or self.guard is not None:
                self.check_key(container, keys[index])


if not cython.compiled:

    def is_free(key: Any) -> bool:
        """Return whether hashing a key costs nothing worth counting (the compiled form has it in C)."""
        kind = type(key)
        return kind in _FREE or (kind is int and -_SMALL < key < _SMALL)


def are_free(keys: dict[Any, Any]) -> bool:
    """Return whether hashing any of the keys of a dict costs nothing worth counting."""
    for key in keys:  # noqa: SIM110 (compiled, a generator takes three times as long)
        if not is_free(key):
            return False
    return True


def _is_data(key: Any) -> bool:
    """Return whether all that is in a tuple or frozenset is hashed by C code: deeper ones are not looked into."""
    return all(type(part) in _DATA for part in key)
