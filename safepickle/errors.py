"""Every error that safepickle raises: one tree, with fields for programs and one line for people.

Rules that hold here:

* All errors are :class:`SafePickleError`, which is a :class:`pickle.PickleError`; load-side errors are also
  :class:`pickle.UnpicklingError` and dump-side errors :class:`pickle.PicklingError`, so that code written for
  ``pickle`` goes on catching them.
* A message is one line. What comes from the input is quoted by :func:`quote`: ASCII-escaped and cut short,
  because a stream can carry terminal escapes, fake log lines or 300 kB of name (attacks R10).
* Fields, not text, are the interface for programs; they are plain values and survive pickling and copying.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = [
    "BadSignatureError",
    "Denial",
    "EmptyInputError",
    "EncodingError",
    "ExpiredError",
    "FormatError",
    "InternalError",
    "KeyRingError",
    "LimitError",
    "NotYetValidError",
    "PolicyError",
    "PolicyFileError",
    "PolicyMismatchError",
    "ReconstructionError",
    "ReplayedError",
    "RevokedKeyError",
    "SafePickleError",
    "ShapeError",
    "SignatureError",
    "StateError",
    "TrailingDataError",
    "TruncatedError",
    "UnknownKeyError",
    "UnsignedError",
    "quote",
]

#: Longest quotation of anything that comes from the input, in characters.
QUOTE_LIMIT = 80


def quote(value: object, limit: int = QUOTE_LIMIT) -> str:
    """Return *value* for a message: ASCII only, one line, at most *limit* characters.

    Only exact ``str`` and ``bytes`` are shown by content; of anything else only the type's name is, because
    ``repr`` of an object from a stream may run code or never end.
    """
    if type(value) is str or type(value) is bytes:
        text = ascii(value[:limit])
        if len(value) > limit or len(text) > limit + 3:
            text = f"{text[: limit - 1]}...({len(value)} in all)"
        return text
    if value is None or type(value) is bool or type(value) is float:
        return repr(value)
    if type(value) is int:
        return str(value) if value.bit_length() <= 128 else f"<int of {value.bit_length()} bits>"
    return f"<{ascii(type(value).__name__)[1:-1][:limit]}>"


#: Reasons of denials: there is no rule for the global, or it lacks the right.
UNNAMED, NOT_GIVEN = "no rule names it", "the rule does not give that right"


class Denial(NamedTuple):
    """One thing a policy refused: the global, the right it lacked, and where the stream asked for it."""

    #: Module after renames, e.g. ``posix`` for Python 2's name of it.
    module: str
    #: Qualified name within the module.
    name: str
    #: The right that is missing: ``refer``, ``call``, ``new``, ``build``, ``append``, ``setitem`` or ``add``.
    right: str
    #: Name of the opcode that needed the right, or None on the dump side.
    opcode: str | None
    #: Byte offset of that opcode from the start of the pickle, or None on the dump side.
    position: int | None
    #: Why it was refused, in a few words.
    reason: str
    #: What makes it a known gadget, or None.
    gadget: str | None
    #: A line of policy that would allow it; empty where nothing can.
    suggestion: str
    #: Where in the object graph, e.g. ``root['model'].steps[1]``; None if not known.
    path: str | None = None

    def __str__(self) -> str:
        where = "" if self.opcode is None else f" ({self.opcode} at byte {self.position})"
        path = "" if self.path is None else f" at {self.path}"
        return f"{quote_name(self.module, self.name)}: {self.right}{where}: {self.reason}{path}"

    @property
    def pair(self) -> tuple[str, str]:
        """The pair (module, qualified name)."""
        return (self.module, self.name)


def counted(count: int, what: str) -> str:
    """Return how many there are, in words: ``1 file``, ``2 files``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def quote_name(module: str, name: str) -> str:
    """Return the pair (module, name) for a message, escaped, without joining it to an ambiguous string."""
    if name == "":
        return quote(module)
    plain = (
        module.isascii() and name.isascii() and (module + name).replace(".", "").replace("_", "").isalnum()
    )
    if plain and len(module) + len(name) <= QUOTE_LIMIT:
        return f"{module}:{name}"
    return f"{quote(module)}:{quote(name)}"


class SafePickleError(pickle.PickleError):
    """The base of all errors of safepickle.

    :ivar reason: what was wrong, in words, without the place.
    :ivar position: byte offset from the start of the pickle, or None.
    :ivar opcode: name of the opcode being carried out, or None.
    :ivar path: place in the object graph, or None.
    """

    def __init__(
        self,
        reason: str,
        *,
        position: int | None = None,
        opcode: str | None = None,
        path: str | None = None,
    ) -> None:
        self.reason = reason
        self.position = position
        self.opcode = opcode
        self.path = path
        super().__init__(self._message())

    def _message(self) -> str:
        parts = [self.reason]
        if self.path is not None:
            parts.append(f" at {self.path}")
        if self.position is not None:
            parts.append(f" ({self.opcode or 'reading'} at byte {self.position})")
        return "".join(parts)

    def locate(self, position: int, opcode: str) -> None:
        """Fill in the place, where the leaf that raised did not know it."""
        if self.position is None and self.path is None:
            self.position = position
            self.opcode = opcode
            self.args: tuple[Any, ...] = (self._message(),)

    def __reduce__(self) -> Any:
        # Exceptions are pickled as cls(*args); the fields live in __dict__ instead, so restore that.
        return (_restore_error, (type(self), self.args, self.__dict__.copy()))


def _restore_error(
    cls: type[SafePickleError], args: tuple[Any, ...], fields: dict[str, Any]
) -> SafePickleError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(fields)
    return error


class FormatError(SafePickleError, pickle.UnpicklingError):
    """The bytes are not a well-formed pickle, or use a form that pickle's own parsers disagree about (S10)."""


class TruncatedError(FormatError):
    """The input ends inside a pickle."""


class EmptyInputError(FormatError, EOFError):
    """There is no pickle at all: not one byte.

    The only format error that is also an :class:`EOFError`, so that the usual loop over several pickles in one
    file ends cleanly, and a record that was cut off does not look like the end of the file.
    """


class TrailingDataError(FormatError):
    """Bytes follow the pickle's STOP. ``loads`` takes exactly one pickle."""


class PolicyError(SafePickleError, pickle.UnpicklingError, pickle.PicklingError):
    """The policy refused something. ``denials`` lists everything it refused, the first one first.

    :ivar denials: tuple of :class:`Denial`, never empty. On the load side their paths are found when they, ``path`` or
        the message are first looked at, from the bytes that were loaded.
    :ivar policy: the policy's name.
    """

    def __init__(self, denials: tuple[Denial, ...], *, policy: str) -> None:
        self._denials = denials
        self._locator: Callable[[tuple[Denial, ...]], tuple[Denial, ...]] | None = None
        self.policy = policy
        first = denials[0]
        super().__init__(first.reason, position=first.position, opcode=first.opcode, path=first.path)

    def locate_by(self, locator: Callable[[tuple[Denial, ...]], tuple[Denial, ...]]) -> None:
        """Have *locator* find the paths when somebody looks."""
        self._locator = locator

    @property
    def denials(self) -> tuple[Denial, ...]:
        """Everything that was refused."""
        locator, self._locator = self._locator, None
        if locator is not None:
            self._denials = locator(self._denials)
            self.args: tuple[Any, ...] = (self._message(),)
        return self._denials

    @property
    def path(self) -> str | None:
        """Place of the first denial in the object graph, or None."""
        return self.denials[0].path

    @path.setter
    def path(self, value: str | None) -> None:
        """The first denial's path is the one."""

    def __str__(self) -> str:
        return self._message()

    def __reduce__(self) -> Any:
        _ = self.denials  # found now: the bytes that were loaded are no part of an error
        return super().__reduce__()

    @property
    def module(self) -> str:
        """Module of the first refused global."""
        return self.denials[0].module

    @property
    def name(self) -> str:
        """Qualified name of the first refused global."""
        return self.denials[0].name

    @property
    def right(self) -> str:
        """The right that the first refused global lacked."""
        return self.denials[0].right

    @property
    def suggestion(self) -> str:
        """A line of policy that would allow the first refused global; empty where nothing can."""
        return self.denials[0].suggestion

    @property
    def suggestions(self) -> tuple[str, ...]:
        """The lines of policy that would allow all that was refused, known gadgets left out; to be read first."""
        lines = {denial.suggestion: None for denial in self.denials if denial.suggestion and denial.gadget is None}
        return tuple(lines)

    def _message(self) -> str:
        first = self.denials[0]
        text = f"policy {quote(self.policy)} refuses {first}"
        if first.gadget is not None:
            text += f"; KNOWN GADGET ({first.gadget})"
        elif first.suggestion:
            text += f"; to allow it: {first.suggestion}"
        if len(self.denials) > 1:
            text += f" [and {len(self.denials) - 1} more in .denials]"
        return text


class LimitError(SafePickleError, pickle.UnpicklingError, pickle.PicklingError):
    """A limit would be exceeded; it was checked before the work was done or the memory taken.

    :ivar limit: name of the limit, a field of :class:`safepickle.Limits`.
    :ivar bound: its value.
    :ivar asked: what was asked for, in the limit's unit.
    """

    def __init__(
        self,
        limit: str,
        bound: float,
        asked: float,
        *,
        position: int | None = None,
        opcode: str | None = None,
        path: str | None = None,
    ) -> None:
        self.limit = limit
        self.bound = bound
        self.asked = asked
        super().__init__(
            f"{limit}={bound} would be exceeded: {asked} asked; raise it with Limits({limit}=...)",
            position=position,
            opcode=opcode,
            path=path,
        )


class ReconstructionError(SafePickleError, pickle.UnpicklingError):
    """Something the policy allows failed while it ran; its own exception is ``__cause__``."""


class ShapeError(SafePickleError, pickle.UnpicklingError):
    """The value that was loaded is not of the type that was asked for.

    :ivar path: where it is not, e.g. ``root.items[3].price``.
    """

    def _message(self) -> str:
        return self.reason if not self.path else f"{self.path}: {self.reason}"


class EncodingError(SafePickleError, pickle.PicklingError):
    """The object cannot be written as a pickle."""


class StateError(SafePickleError):
    """A machine, Pickler or Unpickler was used in a way it does not serve: re-entered while it runs, say."""


class PolicyFileError(SafePickleError, ValueError):
    """A policy file cannot be used.

    :ivar file: the file's name as given, or None for text.
    :ivar line: line number from 1, or None.
    :ivar key: the key at fault, dotted, or None.
    """

    def __init__(
        self, reason: str, *, file: str | None = None, line: int | None = None, key: str | None = None
    ) -> None:
        self.file = file
        self.line = line
        self.key = key
        place = file or "policy"
        if line is not None:
            place += f":{line}"
        if key:
            place += f": {key}"
        super().__init__(f"{place}: {reason}")


class InternalError(SafePickleError, pickle.UnpicklingError):
    """The machine itself failed on this input: a defect of safepickle, please report it. ``__cause__`` says how."""


class SignatureError(SafePickleError, pickle.UnpicklingError):
    """A signature is missing or does not verify."""


class UnsignedError(SignatureError):
    """There is no signature at all: the data does not begin as a signed envelope does."""


class BadSignatureError(SignatureError):
    """The data is not what was signed: changed, cut, joined, or signed for another purpose or context.

    There is one message for all of it, and it does not say which part failed: an oracle helps only a forger.
    """


class UnknownKeyError(SignatureError):
    """The key that the data names is not one that may verify it.

    :ivar key_id: the id that the data names. It is not verified: anybody may have written it there.
    """

    def __init__(self, reason: str, *, key_id: str) -> None:
        self.key_id = key_id
        super().__init__(reason)


class RevokedKeyError(UnknownKeyError):
    """The key that the data names has been revoked; whether it signed the data is not looked at."""


class ExpiredError(SignatureError):
    """The signature verifies, but the data is older than ``max_age``.

    :ivar age: seconds since it was signed.
    :ivar max_age: the most that was allowed.
    """

    def __init__(self, age: float, max_age: float) -> None:
        self.age = age
        self.max_age = max_age
        super().__init__(f"signed {age:.0f} s ago, and max_age={max_age:g} s: make it anew, or raise max_age")


class NotYetValidError(SignatureError):
    """The signature verifies, but the data is not to be used yet, or was signed in the future.

    :ivar wait: seconds until it is valid.
    """

    def __init__(self, reason: str, *, wait: float) -> None:
        self.wait = wait
        super().__init__(f"{reason} (in {wait:.0f} s): wait, or compare the clocks of the two machines")


class ReplayedError(SignatureError):
    """The signature verifies, but the replay guard has seen this very message, or cannot tell."""


class PolicyMismatchError(SignatureError):
    """The signature verifies, but the data was signed under another policy, and the policy is bound.

    :ivar signed: fingerprint of the policy that it was signed under, or None.
    :ivar expected: fingerprint of the policy in force.
    """

    def __init__(self, *, signed: str | None, expected: str) -> None:
        self.signed = signed
        self.expected = expected
        was = "without a policy" if signed is None else f"under the policy with fingerprint {signed}"
        super().__init__(f"signed {was}, not {expected}: write it anew under the policy in force")


class KeyRingError(SafePickleError, ValueError):
    """A key or a key ring cannot be used as it is. No message shows any part of a secret.

    :ivar source: the file or environment variable it came from, or None.
    """

    def __init__(self, reason: str, *, source: str | None = None) -> None:
        self.source = source
        super().__init__(reason if source is None else f"{quote(source, 200)}: {reason}")
