"""A value that is let through is within every limit, measured on the value and the data."""

from __future__ import annotations

from typing import Any

from fuzz import samples, terms
from fuzz.oracles import check_within
from fuzz.outcomes import Outcome, describe, failure, feature
from fuzz.terms import TERMS, TIGHT
from safepickle.errors import SafePickleError

INPUT = "stream"


def check(data: bytes) -> Any:
    """Load *data* under limits so tight that most of them are met."""
    found = []
    for one in TERMS[1:]:
        try:
            value = terms.load(data, one, TIGHT)
        except SafePickleError as error:
            found.append((feature(failure(error)), getattr(error, "limit", "")))
            continue
        finally:
            samples.disturbed()
        check_within(data, value, TIGHT)
        found.append((feature(Outcome(value=describe(value))), ""))
    return tuple(found)
