"""A pickle gives the same result from memory and from files of any kind, and the file is left right behind it."""

from __future__ import annotations

import io
from typing import Any

from fuzz import terms
from fuzz.outcomes import Finding, Outcome, features, outcome, same
from fuzz.terms import TERMS, Terms

INPUT = "stream"


class Slow(io.RawIOBase):
    """An unseekable file that gives one byte at a time, whatever it is asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.given >= len(self._data) or not len(buffer):
            return 0
        buffer[:1] = self._data[self.given : self.given + 1]
        self.given += 1
        return 1


class Bare:
    """No file at all: `read` and `readline` as any class may have them."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        """Read."""
        return self._file.read(size)

    def readline(self) -> bytes:
        """Read a line, without a bound."""
        return self._file.readline()


KINDS: tuple[tuple[str, Any], ...] = (
    ("BytesIO", io.BytesIO),
    ("one byte at a time", Slow),
    ("no file", Bare),
    ("a buffer of 3", lambda data: io.BufferedReader(Slow(data), 3)),
    ("a buffer of 16 over all", lambda data: io.BufferedReader(io.BytesIO(data), 16)),
)


def check(data: bytes) -> Any:
    """Load *data* from everything."""
    found = []
    for terms_ in TERMS[:: 2 if len(data) > 1000 else 1]:
        whole = _loaded(data, terms_)
        found.append(whole)
        for title, make in KINDS:
            _compare(data, terms_, whole, title, make)
    return features(found)


def _loaded(data: bytes, terms_: Terms) -> Outcome:
    return outcome(lambda: terms.load(data, terms_))


def _compare(data: bytes, terms_: Terms, whole: Outcome, title: str, make: Any) -> None:
    file = make(data)
    other = outcome(lambda: terms.package.load(file, limits=terms.LIMITS, **terms.options_of(terms_)))
    if whole.error == "TrailingDataError":
        # A file may hold more than one pickle: this is the one error that only a whole input has.
        if other.error:
            raise Finding(f"another result from {title}: {other.error} where bytes follow", other.message)
        rest = _rest(file)
        if data[(whole.position or 0) :] != rest:
            raise Finding(f"{title} is left at another place than behind the pickle", f"{len(rest)} bytes follow")
        return
    if whole.error in ("TruncatedError", "LimitError", "EmptyInputError") and other.error:
        # How many bytes are there is known only of a whole input; a bound on a line is met before its end is.
        if other.error not in ("TruncatedError", "LimitError", "EmptyInputError"):
            raise Finding(f"another result from {title}: {other.error} for {whole.error}", other.message)
        return
    if other.error == "LimitError" and whole.error:
        return
    if whole.error == "PolicyError":
        # Where in the value a denial would have stood is found by a second look, which a file may not allow.
        whole, other = whole._replace(message=""), other._replace(message="")
    same(whole, other, f"another result from {title}")
    if not whole.error and _rest(file):
        raise Finding(f"{title} is left at another place than behind the pickle")


def _rest(file: Any) -> bytes:
    pieces = []
    while piece := file.read(1000):
        pieces.append(piece)
    return b"".join(pieces)
