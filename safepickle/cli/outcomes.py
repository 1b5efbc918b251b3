"""Exit codes: what a command came to, for scripts.

Rules that hold here:

* 0 means that every input was read to its end and nothing was wrong with it. Nothing read is never 0 (S12).
* With several inputs the smallest code above 0 is the command's: a denial matters most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import (
    ExpiredError,
    FormatError,
    InternalError,
    LimitError,
    NotYetValidError,
    PolicyError,
    ReconstructionError,
    SignatureError,
    UnknownKeyError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["EXIT_CODES", "exit_code", "outcome", "worst"]

OK, DENIED, UNREADABLE, LIMIT, MALFORMED, FAILED, DEFECT = 0, 1, 2, 3, 4, 5, 70
BAD_SIGNATURE, EXPIRED, UNKNOWN_KEY = 6, 7, 8
FINDINGS, DIFFERS = 9, 10

#: Codes with their meaning, for ``--help``.
EXIT_CODES = (
    (OK, "ok", "everything was loaded, or nothing speaks against it"),
    (DENIED, "denied", "the policy refuses something"),
    (
        UNREADABLE,
        "unreadable",
        "usage, an input that cannot be read, a policy file that is wrong, no input at all",
    ),
    (LIMIT, "limit", "a limit would be exceeded"),
    (MALFORMED, "malformed", "not a well-formed pickle: cut off, empty, followed by other bytes, ..."),
    (FAILED, "failed", "what the policy allows raised an exception, or could not be imported"),
    (BAD_SIGNATURE, "bad-signature", "the signature is missing or does not verify"),
    (EXPIRED, "expired", "the signature verifies, but the data is too old, or not to be used yet"),
    (UNKNOWN_KEY, "unknown-key", "the key that signed it is not in the key ring, or is revoked"),
    (FINDINGS, "findings", "policy lint warns; or by policy diff, the second policy may allow more"),
    (DIFFERS, "differs", "by policy diff, the policies differ and the second allows no more"),
    (DEFECT, "defect", "safepickle itself failed: please report it"),
)

_BY_ERROR: tuple[tuple[type[BaseException], int], ...] = (
    (PolicyError, DENIED),
    (LimitError, LIMIT),
    (FormatError, MALFORMED),
    (ExpiredError, EXPIRED),
    (NotYetValidError, EXPIRED),
    (UnknownKeyError, UNKNOWN_KEY),
    (SignatureError, BAD_SIGNATURE),
    (ReconstructionError, FAILED),
    (InternalError, DEFECT),
    # What the callables of a policy may throw past the machine, which wraps only Exception.
    (SystemExit, FAILED),
)


def exit_code(error: BaseException | None) -> int:
    """Return the exit code for how one input ended."""
    if error is None:
        return OK
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), UNREADABLE)


def outcome(code: int) -> str:
    """Return an exit code as a word."""
    return next(word for known, word, _ in EXIT_CODES if known == code)


def worst(codes: Iterable[int]) -> int:
    """Return the code of a command with several inputs."""
    seen = set(codes)
    if not seen:
        return UNREADABLE
    return min(seen - {OK}, default=OK)
