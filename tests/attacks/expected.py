"""What a test of an attack expects: a refusal of one kind, or plain data.

`expect(...)` objects are data; `check(sp, data, expectation, ...)` loads and compares. Refusals are
compared by error class and fields, never by message, except that every message is held to be one short
ASCII line (R10).
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from attacks.tripwire import watched

from safepickle.errors import (
    FormatError,
    LimitError,
    PolicyError,
    ReconstructionError,
    SafePickleError,
    StateError,
    TrailingDataError,
    TruncatedError,
)


class Denied(NamedTuple):
    """The policy refuses, and lists these globals (at least)."""

    pairs: tuple[tuple[str, str], ...] = ()
    error: type[SafePickleError] = PolicyError


class Refused(NamedTuple):
    """Refused by an error of exactly this class (a subclass counts only where it is named)."""

    error: type[SafePickleError]


class Limited(NamedTuple):
    """One of these limits refuses; none named means any."""

    limits: tuple[str, ...] = ()
    error: type[SafePickleError] = LimitError


class Loads(NamedTuple):
    """Loads, and the value passes the check."""

    check: Callable[[Any], bool]


Expected = Denied | Refused | Limited | Loads


def denied(*pairs: tuple[str, str]) -> Denied:
    """Expect these globals among the denials."""
    return Denied(pairs)


def limited(*limits: str) -> Limited:
    """Expect one of these limits."""
    return Limited(limits)


def equals(value: Any) -> Loads:
    """Expect a value of this type, equal to this one."""
    return Loads(lambda found: type(found) is type(value) and found == value)


MALFORMED = Refused(FormatError)
TRUNCATED = Refused(TruncatedError)
TRAILING = Refused(TrailingDataError)
FAILED = Refused(ReconstructionError)
MISUSED = Refused(StateError)


class Attack(NamedTuple):
    """One hostile stream."""

    id: str
    title: str
    data: bytes
    plain: Expected
    #: Under `stdlib`; None where it is the same as under `plain`.
    stdlib: Expected | None = None
    source: str = ""


def check_refusal(error: SafePickleError, expected: Denied | Refused | Limited) -> None:
    """Compare an error with what was expected of it, and hold its message to the rules of R10."""
    assert type(error) is expected.error, f"expected {expected}, not {type(error).__name__}: {error}"
    if isinstance(expected, Denied):
        assert isinstance(error, PolicyError)
        found = {(denial.module, denial.name) for denial in error.denials}
        missing = set(expected.pairs) - found
        assert not missing, f"{missing} not among the denials {found}"
    if isinstance(expected, Limited) and expected.limits:
        assert isinstance(error, LimitError)
        assert error.limit in expected.limits, f"{error.limit} instead of {expected.limits}: {error}"
    message = str(error)
    assert len(message) <= 1000
    assert message.isascii()
    assert message.isprintable()


def check_load(load: Callable[[], Any], expected: Expected) -> None:
    """Call `load` and compare what comes of it; whatever comes, nothing else may have happened."""
    error: SafePickleError | None = None
    value: Any = None
    with watched() as acts:
        try:
            value = load()
        except SafePickleError as caught:
            error = caught
    assert acts == [], f"acted: {acts}"
    if isinstance(expected, Loads):
        if error is not None:
            raise error
        assert expected.check(value), f"loaded {type(value).__name__} {str(value)[:200]}"
        return
    if error is None:
        pytest.fail(f"loaded {type(value).__name__}, expected {expected}")
    check_refusal(error, expected)


def check(sp: ModuleType, data: Any, expected: Expected, **options: Any) -> None:
    """Load `data` and compare."""
    check_load(lambda: sp.loads(data, **options), expected)
