"""`dis`, `genops`, `optimize` and `survey` raise only SafePickleErrors, do nothing, and agree with the machine."""

from __future__ import annotations

import io
from typing import Any

from fuzz import terms
from fuzz.oracles import watched
from fuzz.outcomes import Finding, Outcome, describe, failure, feature, outcome, same
from safepickle.errors import SafePickleError
from safepickle.inspection import dis, genops, optimize

INPUT = "stream"

#: Whole output of `dis` for each byte of input, at most.
MOST_TEXT = 400


def check(data: bytes) -> Any:
    """Look at *data* in every way."""
    with watched("looking"):
        seen = _quietly(lambda: _genops(data))
        _same_from_file(data, terms.LIMITS)
        _same_from_file(data, terms.TIGHT)
        shown = _quietly(lambda: _dis(data))
        shorter = _quietly(lambda: optimize(data, limits=terms.LIMITS))
        surveys = [(one, _survey(data, one)) for one in terms.TERMS]
    found = _kind(seen), _kind(shown), _kind(shorter)
    for one, survey in surveys:
        loaded = _loaded(data, one)
        _agree(one, survey, loaded)
        if not loaded.error and one.title == "plain":
            _plain(data, loaded, seen, shown, shorter)
    return found


def _kind(found: Outcome) -> Any:
    return feature(found) if found.error else ("seen",)


def _quietly(look: Any) -> Outcome:
    try:
        return Outcome(value=(look(),))
    except SafePickleError as error:
        return failure(error)


def _genops(data: bytes) -> int:
    end = 0
    for row, _, position in genops(data, limits=terms.LIMITS):
        if position is None or position < end or data[position] != row.code:
            raise Finding("genops gives another position than the opcode's", f"{row.name} at {position}")
        end = position + 1
    return end


def _same_from_file(data: bytes, limits: Any) -> None:
    """What is read from a file, opcode by opcode, is what is read from memory."""
    seen = _quietly(lambda: [one for one in genops(data, limits=limits)])  # noqa: C416
    file = io.BytesIO(data)
    rows: list[Any] = []
    try:
        for row, argument, position in genops(file, limits=limits):
            rows.append((row.name, repr(argument), position))
    except SafePickleError as error:
        found = failure(error)
        # How many bytes follow is known only of a whole input.
        if not seen.error and found.error:
            raise Finding("genops refuses from a file what it reads from memory", found.message) from error
        if seen.error != found.error and not {seen.error, found.error} <= _CUT:
            raise Finding("genops gives another error from a file", f"{seen.message} / {found.message}") from error
        return
    if seen.error == "LimitError" and rows[-1][2] < limits.max_bytes < len(data):
        # Nor how many bytes there are in all.
        return
    if seen.error:
        raise Finding("genops reads from a file what it refuses from memory", seen.message)
    whole = [(row.name, repr(argument), position) for row, argument, position in seen.value[0]]
    if rows != whole:
        raise Finding("genops reads other opcodes from a file")


#: Errors for data that is cut, which a file and memory may name by another of these.
_CUT = frozenset({"TruncatedError", "LimitError", "FormatError", "EmptyInputError"})


def _dis(data: bytes) -> int:
    text = io.StringIO()
    try:
        dis(data, text, limits=terms.LIMITS)
    finally:
        shown = text.getvalue()
        if not shown.isascii() or any(ord(c) < 32 and c != "\n" for c in shown):
            raise Finding("dis prints what is not plain ASCII")
        if len(shown) > MOST_TEXT * (len(data) + 1):
            raise Finding("dis prints out of proportion", f"{len(shown)} for {len(data)} bytes")
    return len(shown)


def _survey(data: bytes, one: terms.Terms) -> Any:
    return terms.package.survey(data, limits=terms.LIMITS, **terms.options_of(one))


def _loaded(data: bytes, one: terms.Terms) -> Outcome:
    return outcome(lambda: terms.load(data, one))


def _agree(one: terms.Terms, survey: Any, loaded: Outcome) -> None:
    """What a survey finds and what a load does must be the same answer."""
    if survey.denials and not loaded.error:
        raise Finding("a survey denies what loads", f"{one.title}: {survey.denials[0]}")
    if not loaded.error and survey.error is not None:
        raise Finding("a survey refuses what loads", f"{one.title}: {survey.error}")
    if one.title == "plain" and bool(survey.denials) != (loaded.error == "PolicyError"):
        raise Finding("a survey denies other streams than a load", f"{loaded.error} / {survey.denials!a:.200}")
    # Under other policies a call may fail, or a contract refuse arguments, that an inert machine does not have.
    if one.title == "plain" and loaded.error and not survey.denials:
        if survey.error is None:
            raise Finding(f"a survey finds nothing wrong with what a load refuses: {loaded.error}", loaded.message)
        found = failure(survey.error)
        same(found, loaded, "a survey finds another error than a load")


def _plain(data: bytes, loaded: Outcome, seen: Outcome, shown: Outcome, shorter: Outcome) -> None:
    for what, other in (("genops", seen), ("dis", shown), ("optimize", shorter)):
        if other.error:
            raise Finding(f"{what} refuses what loads: {other.error} in {other.opcode}", other.message)
    if seen.value[0] != len(data):
        raise Finding("genops ends at another place than the machine", f"{seen.value[0]} of {len(data)}")
    again = terms.package.loads(shorter.value[0], limits=terms.LIMITS)
    if describe(again) != loaded.value:
        raise Finding("optimize changes the value", data.hex()[:200])
