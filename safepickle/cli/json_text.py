"""Writes the one JSON document of a command, as it comes.

Rules that hold here:

* Nothing that has been written is held. What a command makes one by one, such as a row for each opcode, is handed over
  as an iterator, and each is written before the next one is made.
* Where an iterator fails, what was opened is closed: there is one document whatever happened, with what came before.
* What has nothing deep in it stands on one line: a row is a line, and not six.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Document"]

#: Containers with containers in them stand on one line up to so many parts and characters.
_FEW, _WIDTH = 6, 240
_encode = json.JSONEncoder(allow_nan=False).encode


class Document:
    """A JSON object that is written field by field.

    :param write: takes text.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._written: set[str] = set()

    def add(self, fields: Mapping[str, Any]) -> None:
        """Write the fields that were not written yet. What comes meanwhile waits for the next call."""
        for name, value in list(fields.items()):
            if name not in self._written:
                self._write(",\n  " if self._written else "{\n  ")
                self._written.add(name)
                self._write(f"{_encode(name)}: ")
                _value(self._write, value, "\n  ")

    def end(self) -> None:
        """Write the end."""
        self._write("\n}\n" if self._written else "{}\n")


def _value(write: Callable[[str], object], value: Any, margin: str) -> None:
    """Write a value; *margin* is a new line up to where it stands."""
    if isinstance(value, Iterator):
        _parts(write, "[]", (("", part) for part in value), margin)
        return
    line = _line(value)
    if line is not None:
        write(line)
    elif type(value) is dict:
        _parts(write, "{}", ((f"{_encode(key)}: ", part) for key, part in value.items()), margin)
    else:
        _parts(write, "[]", (("", part) for part in value), margin)


def _parts(write: Callable[[str], object], brackets: str, parts: Iterable[tuple[str, Any]], margin: str) -> None:
    inner = f"{margin}  "
    before, after = inner, ""
    write(brackets[0])
    try:
        for label, part in parts:
            write(before + label)
            before, after = f",{inner}", margin
            _value(write, part, inner)
    finally:
        write(after + brackets[1])


def _line(value: Any) -> str | None:
    """Return a value as one line, None where it takes several."""
    inner = list(_containers(value))
    if not inner:
        return _encode(value)
    if len(value) > _FEW or any(True for part in inner for _ in _containers(part)):
        return None
    line = _encode(value)
    return line if len(line) <= _WIDTH else None


def _containers(value: Any) -> Iterator[Any]:
    """Yield what a value directly holds that holds something itself."""
    if type(value) is dict:
        value = value.values()
    elif type(value) is not list and type(value) is not tuple:
        return
    for part in value:
        if part and (type(part) is dict or type(part) is list or type(part) is tuple):
            yield part
