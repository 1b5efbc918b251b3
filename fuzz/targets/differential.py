"""What loads under `plain` loads in pickle's unpicklers to an equal value, and pickletools reads it without complaint.

Only a stream that loads and that a survey shows to name nothing but helpers for plain values reaches them, so that
nothing can act. Under UNRESTRICTED the value is that of `pickle` as well.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any

from fuzz import terms
from fuzz.outcomes import Finding, Outcome, feature, outcome, same
from safepickle.errors import SafePickleError
from safepickle.inspection import inspect
from safepickle.policy.rules import PLAIN, UNRESTRICTED

INPUT = "stream"

#: Globals that make plain data of plain data, whatever they are given in a stream that loads under `plain`.
HARMLESS = frozenset(
    [("builtins", name) for name in (
        "set", "frozenset", "bytes", "bytearray", "complex", "range", "slice", "Ellipsis", "NotImplemented", "object")]
    + [("_codecs", "encode")]
)  # fmt: skip


def is_plain(data: bytes) -> bool:
    """Return whether a stream may be given to the standard library: nothing in it can act."""
    survey = terms.package.survey(data, policy=PLAIN, limits=terms.LIMITS)
    if survey.error is not None or survey.denials or not set(survey.globals) <= HARMLESS:
        return False
    try:
        tree = inspect(data, limits=terms.LIMITS)
    except SafePickleError:
        return False
    return tree.is_plain


def loads_plain(data: bytes) -> Any:
    """Load under `plain`."""
    return terms.package.loads(data, limits=terms.LIMITS)


class _Nothing(pickle.Unpickler):
    """A belt beside the braces: even a mistake in `is_plain` finds no other global."""

    def find_class(self, module: str, name: str, /) -> Any:
        return _harmless(module, name, super().find_class)


class _NothingInPython(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _harmless(module, name, super().find_class)


def _harmless(module: str, name: str, find: Any) -> Any:
    target = find(module, name)
    if (
        getattr(target, "__name__", None) in {pair[1] for pair in HARMLESS}
        or target is Ellipsis
        or target is NotImplemented
    ):
        return target
    raise Finding("a stream that was shown to be plain names another global", f"{module} {name}")


def by_pickle(data: bytes) -> Any:
    """Load with `_pickle`."""
    return _Nothing(io.BytesIO(data)).load()


def by_python(data: bytes) -> Any:
    """Load with `pickle._Unpickler`."""
    return _NothingInPython(io.BytesIO(data)).load()


def check(data: bytes) -> Any:
    """Load *data* everywhere."""
    ours = outcome(lambda: loads_plain(data))
    if ours.error or not is_plain(data):
        return feature(ours)
    same(ours, _other(by_pickle, data), "another value than _pickle's")
    same(ours, _other(by_python, data), "another value than pickle._Unpickler's")
    try:
        pickletools.dis(data, io.StringIO())
    except Exception as error:
        if not _is_known(data, error):
            raise Finding("pickletools complains of what loads", f"{type(error).__name__}: {error}") from error
    same(
        ours,
        outcome(lambda: terms.package.loads(data, policy=UNRESTRICTED, limits=terms.LIMITS)),
        "another value under UNRESTRICTED",
    )
    return feature(ours)


def _other(load: Any, data: bytes) -> Outcome:
    try:
        return outcome(lambda: load(data))
    except Exception as error:
        raise Finding(f"pickle refuses what loads: {type(error).__name__} from {load.__name__}", str(error)) from error


def _is_known(data: bytes, error: Exception) -> bool:
    """Return whether pickletools is known to refuse what both unpicklers and real picklers agree on."""
    # Names and Python 2 strings beyond ASCII: pickletools decodes them as ASCII.
    return isinstance(error, UnicodeDecodeError) or (b"\x80" in data[:1] and "ordinal" in str(error))
