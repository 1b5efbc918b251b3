"""Audit mode: note what a policy refuses, and go on only where the user has chosen so, by a loud name.

Between learning a policy and enforcing it lies a time in which people want to know what enforcement would break::

    log = AuditLog()
    codec = AuditingCodec(Codec(policy=policy), log)                             # notes, and refuses all the same
    codec = AuditingCodec(Codec(policy=policy), log, on_denial=GO_ON_UNENFORCED)  # notes, and loads it nevertheless
    print(log.report())

Rules that hold here:

* Without :data:`GO_ON_UNENFORCED` an audit changes nothing: what the codec refuses stays refused.
* What goes on goes on under a policy too: the codec's own, with exactly the globals and rights added that this one
  pickle lacks, found by a survey before anything runs. So all of the machine's checks hold: known gadgets, callables
  that hand over more than they say, state, items, contracts, limits. Only the list is longer.
* Never added: known gadgets and hazards, what a ``[[deny]]`` names, names that no rule can have. A pickle that needs
  one of these is refused, and noted as refused.
* Every denial is told in three ways: a ``sys.audit`` event ``safepickle.denied``, the user's callback, and ``logging``.
  It is counted first, so that a callback that raises loses nothing.
* A log is safe to share between threads, and bounded: hostile input cannot fill the memory with names.
"""

from __future__ import annotations

import io
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from .decoding.unpickler import loads as _loads
from .decoding.unpickler import survey
from .errors import Denial, PolicyError, StateError, TrailingDataError, counted, quote_name
from .policy.hazards import DANGER, hazard_of
from .policy.rules import Policy, Right, Rule

if TYPE_CHECKING:
    import logging

    from .codec import Codec

__all__ = [
    "GO_ON_UNENFORCED",
    "REFUSE",
    "AuditEvent",
    "AuditLog",
    "AuditReport",
    "AuditedDenial",
    "AuditingCodec",
    "UnenforcedWarning",
]

#: What happens to a pickle that the policy refuses: it is refused (the default) ...
REFUSE = "refuse"
#: ... or loaded nevertheless, but for known gadgets and hazards. It may import modules and call callables that nobody
#: has listed: for a time of migration, on data that was loaded without any policy before.
GO_ON_UNENFORCED = "go on although the policy refuses"

#: Different denials that a log keeps apart.
MOST_DENIALS = 10_000


class UnenforcedWarning(UserWarning):
    """A codec was made that does not enforce its policy."""


class AuditEvent(NamedTuple):
    """One denial, as callbacks get it."""

    denial: Denial
    #: The policy's name and fingerprint.
    policy: str
    fingerprint: str
    #: Whether the pickle is loaded nevertheless.
    goes_on: bool


class AuditedDenial(NamedTuple):
    """What the policy refused of one global, over all loads so far."""

    module: str
    name: str
    right: str
    #: Loads that were refused it, and how many of them went on.
    times: int
    went_on: int
    #: Of the first of them.
    reason: str
    path: str | None
    gadget: str | None
    suggestion: str

    def __str__(self) -> str:
        what = f"{quote_name(self.module, self.name)}: {self.right}"
        text = f"{what}: {counted(self.times, 'time')}, {self.went_on} went on"
        text += f": {self.reason}" + ("" if self.path is None else f", first at {self.path}")
        return text + (f"; KNOWN GADGET ({self.gadget})" if self.gadget else "")


class AuditReport(NamedTuple):
    """What enforcement would have refused, or has."""

    #: Loads that were observed, those in which the policy refused something, and those of them that went on.
    loads: int
    denied: int
    went_on: int
    #: The most frequent first.
    denials: tuple[AuditedDenial, ...]
    #: Denials that are not kept apart because there were too many different ones.
    dropped: int

    @property
    def clean(self) -> bool:
        """Whether something was loaded and nothing was refused: the policy could be enforced."""
        return self.loads > 0 and self.denied == 0

    @property
    def suggestions(self) -> tuple[str, ...]:
        """Lines of policy that would allow what was refused, without known gadgets."""
        lines = {denial.suggestion: None for denial in self.denials if denial.suggestion and denial.gadget is None}
        return tuple(sorted(lines))

    def as_json(self) -> dict[str, Any]:
        """Return the report as what JSON can hold."""
        return {
            "loads": self.loads,
            "denied": self.denied,
            "went_on": self.went_on,
            "dropped": self.dropped,
            "denials": [denial._asdict() for denial in self.denials],
            "suggestions": list(self.suggestions),
        }

    def __str__(self) -> str:
        lines = [f"{counted(self.loads, 'load')}, {self.denied} with denials, of which {self.went_on} went on"]
        lines += [f"  {denial}" for denial in self.denials]
        if self.dropped:
            lines.append(f"  ... and {self.dropped} more denials")
        if self.suggestions:
            lines += ["to allow it, in a policy file:", *(f"  {line}" for line in self.suggestions)]
        return "\n".join(lines)


class AuditLog:
    """Counts and tells what policies refuse.

    :param callback: called with an :class:`AuditEvent` for each denial.
    :param logger: a logger, or the name of one; None for no logging.
    """

    def __init__(
        self,
        *,
        callback: Callable[[AuditEvent], object] | None = None,
        logger: logging.Logger | str | None = "safepickle.audit",
    ) -> None:
        self._callback = callback
        self._logger: logging.Logger | None
        if isinstance(logger, str):
            import logging

            self._logger = logging.getLogger(logger)
        else:
            self._logger = logger
        self._lock = threading.Lock()
        self._loads = self._denied = self._went_on = self._dropped = 0
        self._found: dict[tuple[str, str, str], AuditedDenial] = {}

    def note_load(self) -> None:
        """Count a load in which nothing was refused."""
        with self._lock:
            self._loads += 1

    def note(self, denials: tuple[Denial, ...], policy: Policy | None, *, goes_on: bool) -> None:
        """Count the denials of one load, and tell them."""
        with self._lock:
            self._loads += 1
            self._denied += 1
            self._went_on += goes_on
            for denial in denials:
                self._count(denial, goes_on=goes_on)
        name = "" if policy is None else policy.name
        fingerprint = "" if policy is None else policy.fingerprint
        for denial in denials:
            self._tell(AuditEvent(denial, name, fingerprint, goes_on))

    def _count(self, denial: Denial, *, goes_on: bool) -> None:
        key = (denial.module, denial.name, denial.right)
        known = self._found.get(key)
        if known is not None:
            self._found[key] = known._replace(times=known.times + 1, went_on=known.went_on + goes_on)
        elif len(self._found) < MOST_DENIALS:
            self._found[key] = AuditedDenial(
                *key, 1, int(goes_on), denial.reason, denial.path, denial.gadget, denial.suggestion
            )
        else:
            self._dropped += 1

    def _tell(self, event: AuditEvent) -> None:
        denial = event.denial
        sys.audit("safepickle.denied", event.policy, *denial.pair, denial.right, denial.path, event.goes_on)
        if self._logger is not None:
            # The denial's text is escaped and short (R10).
            done = "loaded nevertheless" if event.goes_on else "refused"
            extra = {"safepickle_denial": denial._asdict(), "safepickle_policy": event.fingerprint}
            self._logger.warning("policy %r denies %s (%s)", event.policy[:80], denial, done, extra=extra)
        if self._callback is not None:
            self._callback(event)

    def report(self) -> AuditReport:
        """Return what was counted so far."""
        with self._lock:
            found = sorted(self._found.values(), key=lambda one: (-one.times, one[:3]))
            return AuditReport(self._loads, self._denied, self._went_on, tuple(found), self._dropped)

    def clear(self) -> None:
        """Start over."""
        with self._lock:
            self._loads = self._denied = self._went_on = self._dropped = 0
            self._found.clear()


class AuditingCodec:
    """A codec whose denials are noted; it has a codec's names and is immutable as one.

    :param codec: what is audited. Its keys, policy and limits hold.
    :param log: where denials are noted.
    :param on_denial: :data:`REFUSE`, or :data:`GO_ON_UNENFORCED` for ``load`` and ``loads``. What an ``Unpickler`` is
        refused stays refused, as does what is written.
    :raises ValueError: if it is to go on with a codec that has keys, or a policy that is none of ours.
    """

    __slots__ = ("Pickler", "Unpickler", "codec", "log", "on_denial")

    codec: Codec
    log: AuditLog
    on_denial: str
    Pickler: type
    Unpickler: type

    def __init__(self, codec: Codec, log: AuditLog, *, on_denial: str = REFUSE) -> None:
        if on_denial not in (REFUSE, GO_ON_UNENFORCED):
            raise ValueError("on_denial is REFUSE or GO_ON_UNENFORCED")
        put = object.__setattr__
        put(self, "codec", codec)
        put(self, "log", log)
        put(self, "on_denial", on_denial)
        put(self, "Pickler", codec.Pickler)
        put(self, "Unpickler", _audited_unpickler(codec, log))
        if on_denial == GO_ON_UNENFORCED:
            if getattr(codec, "keys", None) is not None:
                raise ValueError("a codec with keys cannot go on: verify first, and audit one without keys behind it")
            if not isinstance(codec.policy, Policy):
                raise ValueError("only a Policy can be gone beyond, not a find_class of the user's own")
            warnings.warn(
                f"policy {codec.policy.name[:80]!a} is not enforced: what it refuses is noted and loaded nevertheless",
                UnenforcedWarning,
                stacklevel=2,
            )

    def __getattr__(self, name: str) -> Any:
        # What a codec has besides: policy, limits, dumps, dump, the constants, the exceptions.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.codec, name)

    def loads(self, data: Any, /, *, buffers: Iterable[Any] | None = None, **options: Any) -> Any:
        """:meth:`Codec.loads`, with denials noted."""
        if self.on_denial == GO_ON_UNENFORCED:
            return self._go_on(data, buffers, options)
        return _noted(self, lambda: self.codec.loads(data, buffers=buffers, **options))

    def load(self, file: Any, *, buffers: Iterable[Any] | None = None, **options: Any) -> Any:
        """:meth:`Codec.load`, with denials noted."""
        if self.on_denial == GO_ON_UNENFORCED:
            return self._go_on(_Recorder(file), buffers, options)
        return _noted(self, lambda: self.codec.load(file, buffers=buffers, **options))

    def load_file(self, path: Any, **options: Any) -> Any:
        """:meth:`Codec.load_file`, with denials noted."""
        if self.on_denial == REFUSE:
            return _noted(self, lambda: self.codec.load_file(path, **options))
        with open(path, "rb") as file:  # noqa: PTH123  (paths of any kind)
            value = self.load(file, **options)
            if file.read(1):
                raise TrailingDataError("bytes follow the pickle in the file")
            return value

    def _go_on(self, data: Any, buffers: Iterable[Any] | None, options: dict[str, Any]) -> Any:
        """Survey a pickle, then load it under a policy that has what it lacks, if that can be had."""
        policy, limits = self.codec.policy, self.codec.limits
        assert isinstance(policy, Policy)
        given = None if buffers is None else list(buffers)
        # What the value is to be is asked of the value; a survey has none.
        wanted = options.pop("type", None)
        found = survey(data, policy=policy, limits=limits, buffers=given, **options)
        content = data
        if isinstance(data, _Recorder):
            content = bytes(data.taken)
            # Once more from memory, where the places of denials can be found.
            found = survey(content, policy=policy, limits=limits, buffers=given, **options) if found.denials else found
        added = _missing(found.denials, policy) if found.error is None else None
        goes_on = bool(found.denials) and added is not None
        if found.denials:
            self.log.note(found.denials, policy, goes_on=goes_on)
        wider = policy | added if goes_on and added is not None else policy
        try:
            value = _loads(content, policy=wider, limits=limits, buffers=given, type=wanted, **options)
        except PolicyError as refusal:
            if not found.denials or goes_on:
                # What only shows when the object is there: arguments, state, a gadget under another name.
                self.log.note(refusal.denials, policy, goes_on=False)
            raise
        if not found.denials:
            self.log.note_load()
        return value

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("an AuditingCodec is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("an AuditingCodec is immutable")

    def __repr__(self) -> str:
        return f"AuditingCodec({self.codec!r}, on_denial={self.on_denial!r})"


def _noted(owner: Any, load: Callable[[], Any]) -> Any:
    """Return what *load* gives, with a denial noted on its way out."""
    codec = owner.codec
    try:
        value = load()
    except PolicyError as refusal:
        policy = codec.policy if isinstance(codec.policy, Policy) else None
        owner.log.note(refusal.denials, policy, goes_on=False)
        raise
    owner.log.note_load()
    return value


def _audited_unpickler(audited: Codec, note_in: AuditLog) -> type:
    class Unpickler(audited.Unpickler):  # type: ignore[name-defined,misc]
        """The codec's Unpickler, with denials noted."""

        codec = audited
        log = note_in

        def load(self) -> Any:
            """Read the next pickle and return its value."""
            return _noted(self, super().load)

    return Unpickler


def _missing(denials: tuple[Denial, ...], policy: Policy) -> Policy | None:
    """Return a policy of exactly what was refused, or None if some of it is not to be had."""
    rights: dict[tuple[str, str], Right] = {}
    for denial in denials:
        pair = denial.pair
        hazard = hazard_of(*pair)
        if not denial.suggestion or (hazard is not None and hazard.kind == DANGER):  # known gadgets are hazards
            return None
        if pair in policy.denies or (pair[0], "*") in policy.denies:
            return None
        rights[pair] = rights.get(pair, Right(0)) | Right.parse([denial.right])
    rules = [
        Rule(module=module, name=name, rights=right, source="audit mode") for (module, name), right in rights.items()
    ]
    return Policy(name="audit mode", rules=rules)


class _Recorder:
    """A file that remembers what was read of it: exactly the bytes of the pickle, as the machine takes no more."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.taken = bytearray()

    def read(self, size: int = -1, /) -> Any:
        """Read from the file."""
        return self._kept(self._file.read(size))

    def readline(self, size: int = -1, /) -> Any:
        """Read a line from the file."""
        line = self._file.readline(size) if isinstance(self._file, io.IOBase) else self._file.readline()
        return self._kept(line)

    def _kept(self, data: Any) -> Any:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise StateError("a file that is loaded in audit mode has to give bytes")
        self.taken += data
        return data
