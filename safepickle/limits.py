"""Limits: how much a stream may ask for. An immutable value, all bounds on by default.

Rules that hold here:

* Every bound has a default, a unit and a precedent, kept together in :data:`LIMITS`; the constructor, the
  documentation page and the command line's ``--limits`` are made from that table.
* A bound is a whole number (seconds may be fractional) or None for "no bound". Sizes may be written as text,
  "64 MiB"; binary and decimal prefixes mean what they say.
* Limits compose by the smaller value (``a & b``): combining never loosens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["DEFAULT_LIMITS", "LIMITS", "UNLIMITED", "Limit", "Limits", "parse_size"]


class Limit(NamedTuple):
    """One row of the table of limits."""

    name: str
    default: float
    unit: str
    meaning: str
    precedent: str


KIB, MIB, GIB = 2**10, 2**20, 2**30

#: The limits, their defaults and where each default comes from.
LIMITS: tuple[Limit, ...] = (
    Limit(
        "max_bytes",
        256 * MIB,
        "bytes",
        "length of one pickle, read or written",
        "Java's jdk.serialFilter maxbytes (no default there); above what caches and queues accept "
        "(memcached 1 MiB, Redis 512 MiB, SQS 256 KiB)",
    ),
    Limit(
        "max_opcodes",
        100_000_000,
        "opcodes",
        "opcodes carried out",
        "fickling's InterpreterLimits (1 000 000 opcodes) calls 10 MB of numbers malicious; this is one opcode "
        "for every 2.7 bytes of max_bytes",
    ),
    Limit(
        "max_depth",
        1_000,
        "levels",
        "containers and instances inside each other",
        "Python's own recursion limit, at which pickle.dumps gives up; PHP's unserialize max_depth is 4096",
    ),
    Limit(
        "max_memo",
        10_000_000,
        "entries",
        "memo entries, and the highest memo index",
        "the memo of _pickle.c grows to the index a stream names (CVE-2018-20406, gh-115952)",
    ),
    Limit(
        "max_objects",
        10_000_000,
        "objects",
        "lists, dicts, sets, tuples and instances made",
        "Java's jdk.serialFilter maxrefs",
    ),
    Limit(
        "max_items",
        20_000_000,
        "items",
        "items in one container",
        "Java's jdk.serialFilter maxarray",
    ),
    Limit(
        "max_string",
        256 * MIB,
        "bytes",
        "length of one str, bytes or bytearray as written in the stream",
        "msgpack's max_str_len and max_bin_len follow the input's length; so does this by default",
    ),
    Limit(
        "max_int_bits",
        14_284,
        "bits",
        "size of one int",
        "the largest size whose decimal text always fits sys.int_info.default_max_str_digits (4300, CVE-2020-10735)",
    ),
    Limit(
        "max_calls",
        5_000_000,
        "calls",
        "calls of allowed callables and of persistent_load",
        "PickleBall and torch bound names, not counts; half of max_objects",
    ),
    Limit(
        "max_memory",
        512 * MIB,
        "bytes",
        "estimate of what the load allocates, charged before allocation",
        "a 4 MB stream of EMPTY_SET makes pickle.loads take 898 MB",
    ),
    Limit(
        "max_hash_work",
        10_000_000,
        "elements",
        "elements visited when nested tuples, frozensets and instances are hashed",
        "a 66-byte tuple tower keeps pickle.loads busy for seconds, doubling per level",
    ),
    Limit(
        "max_seconds",
        60.0,
        "seconds",
        "time one load or dump may take, looked at between opcodes",
        "gunicorn's worker timeout of 30 s, doubled",
    ),
)

_UNITS = {
    "": 1, "b": 1,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": KIB, "mib": MIB, "gib": GIB, "tib": 2**40,
    "k": 10**3, "m": 10**6, "g": 10**9,
}  # fmt: skip
_SIZE = r"\s*([0-9][0-9_]*(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*\Z"  # compiled when the first one is read

#: Stands for "no bound" in the machine's counters: larger than any count that can be reached.
NO_BOUND = 2**62


def parse_size(text: str) -> int:
    """Return the number that *text* stands for: ``"64 MiB"``, ``"10 kB"``, ``"5_000_000"``, ``"2M"``.

    :raises ValueError: if it is no size, or not a whole number of units.
    """
    match = re.match(_SIZE, text) if len(text) <= 64 else None
    if match is None or match[2].lower() not in _UNITS:
        raise ValueError(
            f"not a size: {text[:64]!a} (write a number, or a number with kB, MB, GB, KiB, MiB, GiB)"
        )
    number, factor = match[1].replace("_", ""), _UNITS[match[2].lower()]
    if "." not in number:
        return int(number) * factor
    whole, fraction = number.split(".")
    scaled = int(whole + fraction) * factor
    size: int
    size, rest = divmod(scaled, 10 ** len(fraction))
    if rest:
        raise ValueError(f"not a whole number: {text!a}")
    return size


class Limits:
    """An immutable set of bounds; see :data:`LIMITS` for each one's unit, default and precedent.

    :param max_bytes: ... and so on, one keyword for each row of :data:`LIMITS`: a number, a size as text, or
        None for no bound.
    :raises ValueError: for a negative number or text that is no size.
    :raises TypeError: for another type, or a keyword that is no limit.
    """

    __slots__ = (
        "bounds",
        "max_bytes",
        "max_calls",
        "max_depth",
        "max_hash_work",
        "max_int_bits",
        "max_items",
        "max_memo",
        "max_memory",
        "max_objects",
        "max_opcodes",
        "max_seconds",
        "max_string",
    )  # fmt: skip

    max_bytes: int | None
    max_opcodes: int | None
    max_depth: int | None
    max_memo: int | None
    max_objects: int | None
    max_items: int | None
    max_string: int | None
    max_int_bits: int | None
    max_calls: int | None
    max_memory: int | None
    max_hash_work: int | None
    max_seconds: float | None
    #: All but ``max_seconds`` as whole numbers in the order of :data:`LIMITS`, :data:`NO_BOUND` standing for none.
    bounds: tuple[int, ...]

    def __init__(
        self,
        *,
        max_bytes: int | str | None = 256 * MIB,
        max_opcodes: int | str | None = 100_000_000,
        max_depth: int | str | None = 1_000,
        max_memo: int | str | None = 10_000_000,
        max_objects: int | str | None = 10_000_000,
        max_items: int | str | None = 20_000_000,
        max_string: int | str | None = 256 * MIB,
        max_int_bits: int | str | None = 14_284,
        max_calls: int | str | None = 5_000_000,
        max_memory: int | str | None = 512 * MIB,
        max_hash_work: int | str | None = 10_000_000,
        max_seconds: float | str | None = 60.0,
    ) -> None:
        given = locals()
        for row in LIMITS:
            object.__setattr__(self, row.name, _bound(row, given[row.name]))
        bounds = tuple(self.bound(row.name) for row in LIMITS if row.name != "max_seconds")
        object.__setattr__(self, "bounds", bounds)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Limits:
        """Make limits from names and values, as a policy file or the command line gives them."""
        names = {row.name for row in LIMITS}
        for name in values:
            if name not in names:
                raise ValueError(
                    f"no such limit: {str(name)[:64]!a} (there are {', '.join(sorted(names))})"
                )
        return cls(**values)

    def bound(self, name: str) -> int:
        """Return a bound as a whole number, :data:`NO_BOUND` standing for none (for counters)."""
        value = getattr(self, name)
        return NO_BOUND if value is None else min(NO_BOUND, int(value))

    def replace(self, **values: float | str | None) -> Limits:
        """Return a copy with some bounds changed."""
        return Limits(**{**self.as_dict(), **values})  # type: ignore[arg-type]

    def as_dict(self) -> dict[str, int | float | None]:
        """Return all bounds by name."""
        return {row.name: getattr(self, row.name) for row in LIMITS}

    def __and__(self, other: Limits) -> Limits:
        if not isinstance(other, Limits):
            return NotImplemented
        mine, theirs = self.as_dict(), other.as_dict()
        return Limits(**{name: _smaller(mine[name], theirs[name]) for name in mine})  # type: ignore[arg-type]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Limits are immutable; use replace()")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("Limits are immutable; use replace()")

    def __eq__(self, other: object) -> bool:
        return self.as_dict() == other.as_dict() if isinstance(other, Limits) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.as_dict().items()))

    def __repr__(self) -> str:
        changed = [
            f"{row.name}={getattr(self, row.name)!r}"
            for row in LIMITS
            if getattr(self, row.name) != row.default
        ]
        return f"Limits({', '.join(changed)})"

    def __reduce__(self) -> Any:
        return (_limits_from_items, (tuple(self.as_dict().items()),))


def _limits_from_items(items: tuple[tuple[str, Any], ...]) -> Limits:
    return Limits(**dict(items))


def _bound(row: Limit, value: Any) -> int | float | None:
    if value is None:
        return None
    if isinstance(value, str):
        if row.unit == "seconds":
            try:
                value = float(value.strip().removesuffix("s"))
            except ValueError:
                raise ValueError(f"{row.name}: not a number of seconds: {value[:64]!a}") from None
        else:
            value = parse_size(value)
    if isinstance(value, bool) or not isinstance(value, (int, float) if row.unit == "seconds" else int):
        raise TypeError(f"{row.name} takes a number, a size as text or None, not {type(value).__name__}")
    if not value >= 0:
        raise ValueError(f"{row.name} cannot be negative: {value}")
    return float(value) if row.unit == "seconds" else value


def _smaller(a: float | None, b: float | None) -> float | None:
    if a is None or b is None:
        return b if a is None else a
    return min(a, b)


#: The limits of every function that is given none.
DEFAULT_LIMITS = Limits()

#: No bound at all: for tests and for migration, never for input from elsewhere.
UNLIMITED = Limits(**dict.fromkeys((row.name for row in LIMITS), None))
