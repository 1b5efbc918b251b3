"""What comes of a load: its value, described type by type with its sharing, or where and how it failed.

Rules that hold here:

* Two loads agree if their outcomes are equal. A description tells 1 from True and 1.0, -0.0 from 0.0, the order of a
  dict, and which containers are one and the same object. Whether two leaves are one object is left out: the
  implementations cache some of them.
* Nothing here recurses on the value, and no method of an object from a stream is called but that of built-in types.
* `feature` gives what is new about an outcome: the kind of error without the numbers and names in it.
"""

from __future__ import annotations

import re
import struct
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from safepickle.errors import SafePickleError


class Finding(AssertionError):
    """An invariant that does not hold.

    :ivar cause: a few words that are the same for the same defect.
    """

    def __init__(self, cause: str, detail: str = "") -> None:
        self.cause = cause
        super().__init__(f"{cause}: {detail}" if detail else cause)


class Outcome(NamedTuple):
    """A value as described, or an error."""

    value: Any = None
    error: str = ""
    position: int | None = None
    opcode: str | None = None
    message: str = ""


_LEAVES = (int, bool, type(None), str, bytes, range, type(Ellipsis), type(NotImplemented))
_CONTAINERS = (list, dict, set, frozenset, tuple, slice)
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
#: Values that a description holds at most: what is larger agrees in its beginning.
MOST_PARTS = 200_000


def _leaf(value: Any) -> Any:
    kind = type(value)
    if kind is float:
        return "float", struct.pack(">d", value)
    if kind is complex:
        return "complex", struct.pack(">dd", value.real, value.imag)
    if kind is int:
        return "int", hex(value)
    if kind in _LEAVES:
        return kind.__name__, value
    if kind is bytearray:
        return "bytearray", bytes(value)
    if kind is memoryview:
        return "memoryview", value.readonly, value.tobytes()
    if isinstance(value, type):
        return "class", value.__module__, value.__qualname__
    return None


def _parts(value: Any) -> tuple[Any, list[Any]]:
    """Return what an object is and what it holds, in order."""
    kind = type(value)
    if kind is list or kind is tuple:
        return len(value), list(value)
    if kind is dict:
        return len(value), [part for pair in value.items() for part in pair]
    if kind is set or kind is frozenset:
        # There is no order to compare; the hashes of one process are.
        return tuple(sorted((type(item).__name__, _hash(item)) for item in value)), []
    if kind is deque:
        # Its text would be that of all in it, again for each place that something shared is at.
        return (value.maxlen, len(value)), list(value)
    if kind is slice:
        return 3, [value.start, value.stop, value.step]
    held: list[Any] = []
    if isinstance(value, dict):
        held += [list(pair) for pair in dict.items(value)]
    elif isinstance(value, list):
        held += list.__iter__(value)
    elif isinstance(value, tuple):
        held += tuple.__iter__(value)
    try:
        held.append(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        if not held:
            held.append(_ADDRESS.sub("0x", ascii(_shown(value)))[:2000])
    return kind.__module__, held


_HASHED = (float, complex, tuple, frozenset)


def _hash(item: Any) -> int:
    """Return the hash of a set's item; of one whose hash is an address (a NaN, an object), how much is in it."""
    held = [item]
    seen = {id(item)}
    for one in held:
        if type(one) in (tuple, frozenset):
            # Each part once: what is shared again and again may stand for millions.
            fresh = {id(part): part for part in one if id(part) not in seen}
            seen.update(fresh)
            held += fresh.values()
    by_content = all(one == one if type(one) in _HASHED else type(one) in _LEAVES for one in held)  # noqa: PLR0124
    return hash(item) if by_content else len(held)


def _shown(value: Any) -> str:
    # Only classes of the standard library are asked for their text.
    if type(value).__module__ not in _TEXTUAL:
        return ""
    try:
        return repr(value)
    except Exception:
        # An instance that was made and not filled: it has no text, in any form.
        return "nothing to show"


_TEXTUAL = frozenset(
    "builtins datetime decimal fractions uuid collections pathlib array ipaddress time zoneinfo enum re types".split()
)


def describe(value: Any) -> tuple[Any, ...]:
    """Return *value* as a flat row of descriptions, containers numbered as they are met."""
    row: list[Any] = []
    seen: dict[int, int] = {}
    keep: list[Any] = []
    stack = [value]
    while stack and len(row) < MOST_PARTS:
        item = stack.pop()
        leaf = _leaf(item)
        if leaf is not None:
            row.append(leaf)
            continue
        kind = type(item)
        if (kind is tuple or kind is frozenset) and not item:
            row.append(kind.__name__)
            continue
        number = seen.get(id(item))
        if number is not None:
            row.append((kind.__name__, number))
            continue
        seen[id(item)] = len(seen)
        keep.append(item)
        head, parts = _parts(item)
        row.append((kind.__name__, head))
        parts.reverse()
        stack += parts
    return tuple(row)


def outcome(load: Callable[[], Any]) -> Outcome:
    """Call *load* and return what comes of it; anything but a SafePickleError passes through."""
    try:
        value = load()
    except SafePickleError as error:
        return failure(error)
    return Outcome(value=describe(value))


def failure(error: SafePickleError) -> Outcome:
    """Return what an error says, and hold it to what every error says (S7)."""
    message = str(error)
    if not message.isascii() or not message.isprintable() or len(message) > 1000:
        raise Finding("a message that is not one short ASCII line", f"{len(message)} characters: {message[:200]!a}")
    if type(error).__name__ == "InternalError":
        cause = error.__cause__
        raise Finding(f"InternalError of {type(cause).__name__} in {error.opcode}", message) from error
    return Outcome(None, type(error).__name__, error.position, error.opcode, message)


_VARIABLE = re.compile(r"[0-9]+|'[^']*'|\"[^\"]*\"|[\w.]*:[\w.]*|<[^>]*>|at .*|\(.*")


def feature(found: Outcome) -> tuple[str, ...]:
    """Return what kind of outcome this is."""
    if found.error:
        return found.error, found.opcode or "", _VARIABLE.sub("", found.message)[:60]
    kinds = sorted({part[0] if type(part) is tuple else part for part in found.value[:200]})
    return ("value", *kinds[:3], str(len(found.value).bit_length()))


def same(first: Outcome, second: Outcome, cause: str) -> None:
    """Hold two outcomes to be equal."""
    if first != second:
        raise Finding(cause, difference(first, second))


def difference(first: Outcome, second: Outcome) -> str:
    """Say where two outcomes differ, in short."""
    if first.error or second.error:
        return f"{_short(first)} / {_short(second)}"
    pairs = zip(first.value, second.value, strict=False)
    index = next((number for number, (one, two) in enumerate(pairs) if one != two), -1)
    return f"part {index}: {first.value[index]!a:.100} / {second.value[index]!a:.100}"


def _short(found: Outcome) -> str:
    return f"{found.error} {found.opcode}@{found.position}: {found.message[:100]}" if found.error else "a value"


def features(found: Iterable[Outcome]) -> tuple[Any, ...]:
    """Return the features of some outcomes."""
    return tuple([feature(one) for one in found])
