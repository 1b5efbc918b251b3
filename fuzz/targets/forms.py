"""Both forms of the package, compiled and run as Python, agree on value, error, position and message.

Loads under all terms, loads under tight limits, surveys, and dumps of what was loaded. Where there is no compiled form
there is nothing to compare, and the target says so.
"""

from __future__ import annotations

from typing import Any

from fuzz import samples, terms
from fuzz.outcomes import Finding, Outcome, failure, features, outcome, same
from fuzz.terms import FORMS, LIMITS, TERMS, TIGHT
from safepickle.errors import LimitError, SafePickleError

INPUT = "stream"


def check(data: bytes) -> Any:
    """Load *data* in both forms."""
    if len(FORMS) < 2:
        return "there is no compiled form"
    found = []
    for one in TERMS:
        for limits in (LIMITS, TIGHT):
            first, second = [_loaded(data, one, limits, form) for form in FORMS.values()]
            same(first, second, "the two forms differ")
        found.append(first)
        surveys = [_survey(data, one, form) for form in FORMS.values()]
        if surveys[0] != surveys[1]:
            raise Finding("the surveys of the two forms differ", f"{surveys[0]!a:.200} / {surveys[1]!a:.200}")
        _dumps(data, one)
    samples.disturbed()
    return features(found)


def _loaded(data: bytes, one: terms.Terms, limits: Any, form: Any) -> Outcome:
    return outcome(lambda: terms.load(data, one, limits, form))


def _survey(data: bytes, one: terms.Terms, form: Any) -> Any:
    survey = form.survey(data, limits=LIMITS, **terms.options_of(one))
    error = None if survey.error is None else failure(survey.error)
    return survey._replace(error=error)


def _dumps(data: bytes, one: terms.Terms) -> None:
    try:
        value = terms.load(data, one)
    except SafePickleError:
        return
    for protocol in (0, 2, 5):
        # Which memo entries are left out is each form's own affair; what the pickle stands for is not.
        read = [_written(value, protocol, one, form) for form in FORMS.values()]
        same(read[0], read[1], f"what the two forms write differs (protocol {protocol})")


def _written(value: Any, protocol: int, one: terms.Terms, form: Any) -> Outcome:
    try:
        data = form.dumps(value, protocol, policy=one.policy, limits=LIMITS)
    except LimitError as error:
        found = failure(error)
        if error.limit != "max_bytes":
            return found
        # How much was asked for takes in the memo entries that the form has written so far.
        return found._replace(message=f"{found.error} at {error.limit}")
    except SafePickleError as error:
        return failure(error)
    return outcome(lambda: terms.package.loads(data, policy=one.policy, limits=LIMITS))
