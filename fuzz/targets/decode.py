"""Any bytes decode to a value that the policy lets appear, or to a SafePickleError, and nothing else happens.

Under several policies, encodings and buffers. A refusal names a position in the data and the opcode that stands there.
"""

from __future__ import annotations

from typing import Any

from fuzz.oracles import check_contents, check_keys, is_call, watched
from fuzz.outcomes import Finding, Outcome, describe, failure, features
from fuzz.terms import TERMS, Terms, load
from safepickle.errors import PolicyError, SafePickleError
from safepickle.wire.opcodes import BY_BYTE

INPUT = "stream"


def check(data: bytes) -> Any:
    """Load *data* under all terms."""
    return features([_once(data, terms) for terms in TERMS])


def _once(data: bytes, terms: Terms) -> Outcome:
    with watched(f"a load under {terms.title}"):
        try:
            value = load(data, terms)
        except SafePickleError as error:
            _check_error(error, data)
            if terms.title == "plain" and type(error).__name__ == "ReconstructionError" and not is_call(data):
                raise Finding("a reconstruction fails where nothing is reconstructed", str(error)) from error
            return failure(error)
        check_contents(value, terms.policy)
        check_keys(value)
        found = Outcome(value=describe(value))
        # Finalisers of what was made run while the tripwire is armed.
        del value
    return found


def _check_error(error: SafePickleError, data: bytes) -> None:
    position = error.position
    if position is None:
        if type(error).__name__ not in ("LimitError", "EmptyInputError"):
            raise Finding("an error without a position", str(error))
        return
    if not 0 <= position <= len(data):
        raise Finding("a position outside the data", f"{position} of {len(data)}")
    if isinstance(error, PolicyError) and not error.denials:
        raise Finding("a PolicyError without denials")
    row = BY_BYTE.get(data[position]) if position < len(data) else None
    if error.opcode in (None, "reading") or type(error).__name__ == "TrailingDataError" or row is None:
        return
    if row.name != error.opcode:
        raise Finding("an error that names another opcode than its position", f"{error.opcode} at {row.name}")
