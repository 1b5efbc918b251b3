"""Quick patterns: the single argument that picklers nearly always write for a callable, told by one look.

Rules that hold here:

* A pattern allows nothing that the callable's contract does not allow: a test draws from each and asks the contract.
  What does not match is no refusal; then the contract itself decides.
* A pattern has no branches (a branch makes the engine allocate) and no repetition within a repetition. It need not
  let through all that is allowed, only most of what there is.

Ten thousand dates took six times as long to check as to make before there were these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["QUICK"]

# 1792 to 2047, any month, days that every month has; the highest bit of a datetime's month is its fold (PEP 495).
_YEAR = rb"\x07[\x00-\xff]"
_DAY = rb"[\x01-\x1c]"
# Minute, second, and microseconds below 983 040: the first byte alone tells.
_TIME = rb"[\x00-\x3b][\x00-\x3b][\x00-\x0e][\x00-\xff][\x00-\xff]"

#: Patterns for the one positional argument, by global; ``bytes`` or ``str`` as the pattern is.
QUICK: Mapping[tuple[str, str], re.Pattern[bytes] | re.Pattern[str]] = MappingProxyType(
    {
        ("datetime", "date"): re.compile(_YEAR + rb"[\x01-\x0c]" + _DAY),
        ("datetime", "time"): re.compile(rb"[\x00-\x17\x80-\x97]" + _TIME),
        ("datetime", "datetime"): re.compile(_YEAR + rb"[\x01-\x0c\x81-\x8c]" + _DAY + rb"[\x00-\x17]" + _TIME),
        ("decimal", "Decimal"): re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?"),
    }
)
