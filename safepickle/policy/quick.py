"""Quick patterns: the single argument that picklers nearly always write for a callable, told by one look.

Rules that hold here:

* A pattern allows nothing that the callable's contract does not allow: a test draws from each and asks the contract.
  What does not match is no refusal; then the contract itself decides.
* A pattern is linear: no repetition within a repetition.

Ten thousand dates took six times as long to check as to make before there were these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["QUICK"]

# 1 to 9999, then month and day but for 29 February; the highest bit of a datetime's month is its fold (PEP 495).
_YEAR = rb"(?:[\x01-\x26][\x00-\xff]|\x00[\x01-\xff]|\x27[\x00-\x0f])"
_DAY = rb"(?:[\x01\x03\x05\x07\x08\x0a\x0c][\x01-\x1f]|[\x04\x06\x09\x0b][\x01-\x1e]|\x02[\x01-\x1c])"
_DAY_OR_FOLD = (
    rb"(?:[\x01\x03\x05\x07\x08\x0a\x0c\x81\x83\x85\x87\x88\x8a\x8c][\x01-\x1f]"
    rb"|[\x04\x06\x09\x0b\x84\x86\x89\x8b][\x01-\x1e]|[\x02\x82][\x01-\x1c])"
)
# Hour, minute, second, and microseconds below 1 000 000.
_TIME = (
    rb"[\x00-\x3b][\x00-\x3b]"
    rb"(?:[\x00-\x0e][\x00-\xff][\x00-\xff]|\x0f[\x00-\x41][\x00-\xff]|\x0f\x42[\x00-\x3f])"
)

#: Patterns for the one positional argument, by global; ``bytes`` or ``str`` as the pattern is.
QUICK: Mapping[tuple[str, str], re.Pattern[bytes] | re.Pattern[str]] = MappingProxyType(
    {
        ("datetime", "date"): re.compile(_YEAR + _DAY),
        ("datetime", "time"): re.compile(rb"[\x00-\x17\x80-\x97]" + _TIME),
        ("datetime", "datetime"): re.compile(_YEAR + _DAY_OR_FOLD + rb"[\x00-\x17]" + _TIME),
        ("decimal", "Decimal"): re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?"),
    }
)
