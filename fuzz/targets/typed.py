"""What loads as a type is of that type, as a second reading of the annotation judges, and what is of it loads.

The input is a series of choices: an annotation and a value that fits it or nearly does. The value arrives as pickle
writes it, and is written under the policy of the type too. Nothing else of a hostile stream gets in by a type.
"""

from __future__ import annotations

import pickle
from typing import Any

from fuzz import hints, terms
from fuzz.choices import ByteChoices
from fuzz.generator import Generator
from fuzz.oracles import watched
from fuzz.outcomes import Finding, describe, failure
from safepickle.errors import LimitError, PolicyError, SafePickleError, ShapeError
from safepickle.policy.rules import UNRESTRICTED, Policy
from safepickle.policy.typed import check_type

INPUT = "choices"

#: A policy that refuses nothing that the annotations can lead to: then the shape alone decides.
_WIDE = UNRESTRICTED


def check(data: bytes) -> Any:
    """Make a policy of an annotation, and hold a value to it."""
    draw = ByteChoices(data)
    if draw.below(12) == 0:
        return _refused(draw)
    of = hints.annotation(draw)
    protocol = draw.below(6)
    if of is None:
        return "None is no type given"
    policy = Policy.for_type(of)
    if draw.below(4) == 0:
        return _hostile(draw, of)
    value = hints.value(draw, of)
    fine = hints.fits(value, of)
    try:
        written = pickle.dumps(value, protocol)
    except TypeError:
        return "slots need protocol 2"
    _shape(value, of, fine)
    loads = terms.package.loads
    try:
        loaded = loads(written, type=of, limits=terms.LIMITS)
    except SafePickleError as error:
        failure(error)
        if isinstance(error, LimitError):
            return "limit"
        if fine and not (isinstance(error, PolicyError) and hints.is_open(of)):
            raise Finding(
                f"a value of a type is refused: {type(error).__name__}", f"{error} {of} {value!a:.200}"
            ) from error
        if not isinstance(error, (ShapeError, PolicyError)):
            raise Finding(f"a value of another type ends in {type(error).__name__}", str(error)) from error
        _write(value, of, policy, protocol, fine=False)
        return type(error).__name__, str(of)[:12]
    if not fine:
        raise Finding("a value that is not of a type loads as one", f"{of} {value!a:.300}")
    if describe(loaded) != describe(pickle.loads(written)):
        raise Finding("a value of a type loads to another one", f"{of} {value!a:.200}")
    _write(value, of, policy, protocol, fine=True)
    return "fits", str(of)[:12]


def _shape(value: Any, of: Any, fine: bool) -> None:
    """The shape alone says the same of the value."""
    try:
        check_type(value, of)
    except ShapeError as error:
        if fine:
            raise Finding("the shape of a type refuses what is of it", f"{error} {of}") from error
        return
    if not fine and not _is_surplus(value):
        raise Finding("the shape of a type passes what is not of it", f"{of} {value!a:.300}")


def _is_surplus(value: Any) -> bool:
    # An attribute beyond the fields is the policy's to refuse.
    return "surplus" in repr(getattr(value, "__dict__", "")) or "surplus" in pickle.dumps(value, 0).decode("latin-1")


def _write(value: Any, of: Any, policy: Policy, protocol: int, *, fine: bool) -> None:
    """What is of the type is written under its policy, and only that (S11)."""
    try:
        written = terms.package.dumps(value, protocol, policy=policy, limits=terms.LIMITS)
    except SafePickleError as error:
        failure(error)
        if fine and not isinstance(error, LimitError):
            raise Finding(
                f"a value of a type is not written under its policy: {type(error).__name__}", f"{error} {of}"
            ) from error
        return
    loaded = terms.package.loads(written, policy=policy, limits=terms.LIMITS)
    if describe(loaded) != describe(pickle.loads(written)):
        raise Finding("what is written under the policy of a type loads to another value")


def _hostile(draw: Any, of: Any) -> Any:
    """Whatever a stream says, what comes of it is of the type."""
    stream = Generator(draw, careless=20).run(12)
    with watched("a load as a type"):
        try:
            value = terms.package.loads(stream, type=of, limits=terms.LIMITS)
        except SafePickleError as error:
            failure(error)
            return "refused", type(error).__name__
    if not hints.fits(value, of):
        raise Finding("a hostile stream loads as a type that it is not of", f"{of} {value!a:.200}")
    return "hostile", str(of)[:12]


def _refused(draw: Any) -> Any:
    """What says nothing certain about its pickles makes no policy."""
    of = draw.pick(hints.REFUSED)
    try:
        Policy.for_type(of)
    except TypeError as error:
        if not str(error).isprintable():
            raise Finding("a message of several lines", ascii(error)) from error
        return "refused"
    raise Finding("a policy is made from what says nothing of its pickles", ascii(of))
