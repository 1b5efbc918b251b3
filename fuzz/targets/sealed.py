"""A codec with keys gives back what it signed, by every road, and refuses for each reason that there is to refuse.

The input is a series of choices: rings, purposes, contexts, times, buffers, a guard against replays, a policy's
fingerprint, how a message is written and how it is read. A few lines here say which reasons there are to refuse it.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

from fuzz import scratch
from fuzz.choices import ByteChoices, Choices
from fuzz.outcomes import Finding, describe, failure
from fuzz.targets.files import KINDS as FILES
from safepickle import Codec
from safepickle.errors import LimitError, SafePickleError, StateError, TrailingDataError, UnsignedError
from safepickle.limits import Limits
from safepickle.policy.rules import PLAIN, UNRESTRICTED, Policy
from safepickle.signing.algorithms import ALGORITHMS
from safepickle.signing.calls import Calls
from safepickle.signing.envelope import describe as described
from safepickle.signing.freshness import LEEWAY, MemoryReplayGuard
from safepickle.signing.keys import REVOKED, Key, KeyRing
from safepickle.signing.migration import AcceptUnsigned
from safepickle.signing.resigning import ALREADY, FIRST, RESIGNED, resign_file

INPUT = "choices"

NOW = 1_700_000_000
_POLICY = Policy(name="other", denies=[("os", "system")], limits=Limits(max_bytes="8 MiB"))
_CONTEXTS: tuple[Any, ...] = (None, "a", b"a", ("a", "b"), ("a", b"b", bytearray(b"c")), "\ud800")
_VALUES: tuple[Any, ...] = (
    None, 5, {"a": [1, 2]}, "x" * 5000, [b"z" * 300_000, "end"], b"y" * 262_144, list(range(2000)), ("a\n", 1.5),
)  # fmt: skip
_MUCH = Limits(max_bytes="4 MiB")
_LITTLE = Limits(max_bytes=4000)
_FOLDER = scratch.folder("sealed")


class _Now:
    """A clock that is set."""

    def __init__(self) -> None:
        self.at = float(NOW)

    def __call__(self) -> float:
        return self.at


class _Raw(io.RawIOBase):
    """A raw file that takes and gives little at a time."""

    def __init__(self, data: bytes = b"", most: int = 1000) -> None:
        self._given = io.BytesIO(data)
        self.taken = bytearray()
        self._most = most

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._given.readinto(memoryview(buffer)[: self._most])

    def write(self, data: Any) -> int:
        piece = bytes(data[: self._most])
        self.taken += piece
        return len(piece)


class _Message(NamedTuple):
    """What was written, and how."""

    data: bytes
    value: Any
    #: Buffers that stayed out of band.
    buffers: list[Any]
    is_signed: bool
    is_stream: bool


class _Case:
    """One writer, one reader and what is between them."""

    def __init__(self, draw: Choices) -> None:
        self.draw = draw
        self.clock = _Now()
        self.keys = [
            Key(name, bytes(range(first, first + 32)), algorithm=draw.pick(tuple(ALGORITHMS)), created=NOW, state=state)
            for name, first, state in (("one", 0, "signing"), ("two", 50, "retired"), ("three", 100, "staged"))
        ]
        self.ring = KeyRing(self.keys)
        self.path = _FOLDER / "message"
        self.context = draw.pick(_CONTEXTS)
        self.bound = draw.below(4)
        self.guarded = draw.below(4)
        self.not_before = draw.pick((None, None, None, NOW + 100.0))
        self.purpose = draw.pick((None, "cache"))

    # -- writing -----------------------------------------------------------------------------------------------------

    def write(self) -> _Message:
        """Write a message in some way."""
        draw = self.draw
        codec = self.codec(self.ring, bind=self.bound in (1, 2), guard=self.guarded in (1, 2))
        _holds_together(codec)
        value = draw.pick(_VALUES)
        buffers: list[Any] = []
        road = draw.below(8)
        options: dict[str, Any] = {}
        if draw.below(3) == 0 and road not in (4, 5):
            kept = draw.below(3)
            value = [value, *(pickle.PickleBuffer(data) for data in (b"frozen", bytearray(b"open"), b"w" * 300_000))]
            options = {"protocol": 5, "buffer_callback": lambda one: buffers.append(one) if kept else True}
        plain = {"context": self.context, "not_before": self.not_before}
        if road < 2:
            return _Message(codec.dumps(value, **options, **plain), value, buffers, True, False)
        if road == 4:
            codec.dump_file(value, self.path, draw.below(6), **plain)
            return _Message(self.path.read_bytes(), value, buffers, True, True)
        if road == 5:
            free = Codec(limits=_MUCH)
            data = free.dumps(value, draw.pick((0, 4)))
            return _Message(data, value, buffers, False, False)
        file: Any = _Raw() if draw.below(2) else io.BytesIO()
        if road == 6:
            self.not_before = None
            pickler = cast("Any", codec.Pickler)(
                file, 5, True, *([options["buffer_callback"]] if options else []), context=self.context
            )
            pickler.dump(value)
        else:
            codec.dump(value, file, **options, **plain)
        data = bytes(file.taken) if isinstance(file, _Raw) else file.getvalue()
        return _Message(data, value, buffers, True, True)

    def codec(self, ring: KeyRing, *, bind: bool, guard: Any = None, **more: Any) -> Codec:
        """Return a codec with a clock of ours."""
        guard = MemoryReplayGuard(3) if guard is True else guard or None
        policy = _POLICY if more.pop("other_policy", False) else PLAIN
        return Codec(
            policy=policy, keys=ring, bind_policy=bind, replay_guard=guard, clock=self.clock,
            **{"limits": _MUCH, "purpose": self.purpose, **more},
        )  # fmt: skip

    # -- between -----------------------------------------------------------------------------------------------------

    def change_ring(self, message: _Message) -> tuple[KeyRing, set[str]]:
        """Return the reader's ring, and why it refuses what the writer signed."""
        how = self.draw.below(9)
        if how == 0:
            return self.ring.revoke("one"), {"RevokedKeyError"}
        if how == 1:
            return KeyRing(self.keys[1:]), {"UnknownKeyError"}
        if how == 2:
            return self.ring.rotate(Key("four", bytes(range(200, 232)), created=NOW)), set()
        if how == 3:
            return self.ring.promote("three"), set()
        if how == 4:
            return self.ring.retire("one"), set()
        return self.ring, set()

    # -- reading -----------------------------------------------------------------------------------------------------

    def read(self, message: _Message) -> Any:
        """Read a message in some way and hold the answer to what there is to refuse."""
        draw = self.draw
        ring, wrong = self.change_ring(message)
        more: dict[str, Any] = {}
        context = self.context
        buffers: Any = list(message.buffers)
        binds = self.bound in (1, 3)
        guard = MemoryReplayGuard(2) if self.guarded in (1, 3) else None
        other = draw.below(8)
        if other == 0:
            more["purpose"] = "another"
            wrong.add("BadSignatureError")
        elif other == 1:
            context = ("a", "c")
            wrong.add("BadSignatureError")
        elif other == 2:
            more["limits"] = _LITTLE
        elif other == 3:
            more["other_policy"] = True
            wrong |= {"PolicyMismatchError"} if binds else set()
        elif other == 4 and buffers:
            wrong.add("BadSignatureError")
            buffers[0] = b"altered"
        elif other == 5 and buffers:
            # A stream's buffers are verified as they come: that one is missing is found by the machine.
            wrong.add("FormatError" if message.is_stream else "BadSignatureError")
            buffers.pop()
        if binds and self.bound == 3:
            wrong.add("PolicyMismatchError")
        if self.guarded == 3 and not message.is_stream:
            wrong.add("ReplayedError")
        age = draw.pick((0, 0, 0, 30, 90, -3600))
        self.clock.at = NOW + age
        max_age = draw.pick((None, None, 60.0))
        if max_age is not None and age > max_age:
            wrong.add("ExpiredError")
        if (max_age is not None and age < -LEEWAY) or (self.not_before is not None and self.clock.at < self.not_before):
            wrong.add("NotYetValidError")
        if draw.below(2):
            more["max_age"], max_age = max_age, None
        unsigned = AcceptUnsigned(until=NOW + 60.0, on_accept=lambda _count: None) if draw.below(3) == 0 else None
        if not message.is_signed:
            wrong = {"UnsignedError"} if unsigned is None or age >= 60 else set()
        codec = self.codec(ring, bind=binds, guard=guard, unsigned=unsigned, **more)
        road = _Road(codec, message, {"context": context, "max_age": max_age}, buffers, self.path)
        title = draw.pick(tuple(_ROADS))
        if other == 2 and (len(message.data) > 4000 or title == "verify"):
            wrong |= {"LimitError"} if len(message.data) > 4000 else set()
            if title in ("verify", "verify a file") and message.is_stream:
                wrong.discard("LimitError")
            elif wrong == {"LimitError"} and len(message.data) < 4100:
                return "about as long as the limit"
        if title == "load, no file" and "LimitError" in wrong:
            # Its readline() takes no size: a line beyond the limit is more than was asked for.
            wrong = wrong | {"FormatError"}
        result = _hold(title, road, wrong)
        if result == "value" and guard is not None and message.is_signed and not title.startswith("verify"):
            _hold(title, road, {"ReplayedError"})
        if unsigned is not None and not message.is_signed:
            _counted(unsigned, refused="UnsignedError" in wrong, none=title.startswith("verify"))
        return title, result, tuple(sorted(wrong))


class _Road:
    """What a way to read is given."""

    def __init__(
        self, codec: Codec, message: _Message, options: dict[str, Any], buffers: list[Any], path: Path
    ) -> None:
        self.codec = codec
        self.message = message
        self.options = options
        self.buffers: dict[str, Any] = {"buffers": buffers} if message.buffers else {}
        self.path = path

    def file(self, kind: int) -> Any:
        """Return the message as a file."""
        return _Raw(self.message.data, 70_000) if kind < 0 else FILES[kind][1](self.message.data)


def _by_unpickler(road: _Road, kind: int) -> Any:
    unpickler = cast("Any", road.codec.Unpickler)(road.file(kind), **road.options, **road.buffers)
    value = unpickler.load()
    try:
        unpickler.load()
    except EOFError:
        return value
    raise Finding("an Unpickler of signed pickles gives more than was written")


def _by_path(road: _Road) -> Any:
    if road.buffers:
        return road.codec.loads(road.message.data, **road.options, **road.buffers)
    road.path.write_bytes(road.message.data)
    return road.codec.load_file(road.path, **road.options)


#: Each way to read a message; those that verify give no value.
_ROADS: dict[str, Any] = {
    "loads": lambda r: r.codec.loads(r.message.data, **r.options, **r.buffers),
    "loads, a memoryview": lambda r: r.codec.loads(memoryview(r.message.data), **r.options, **r.buffers),
    "load": lambda r: r.codec.load(io.BytesIO(r.message.data), **r.options, **r.buffers),
    "load, in pieces": lambda r: r.codec.load(r.file(-1), **r.options, **r.buffers),
    "load, no file": lambda r: r.codec.load(r.file(2), **r.options, **r.buffers),
    "load, not exact": lambda r: r.codec.load(
        io.BytesIO(r.message.data + b"rest"), exact=False, **r.options, **r.buffers
    ),
    "Unpickler": lambda r: _by_unpickler(r, 0),
    "Unpickler, in pieces": lambda r: _by_unpickler(r, -1),
    "load_file": _by_path,
    "verify": lambda r: r.codec.verify(r.message.data, **r.options, **r.buffers),
    "verify a file": lambda r: r.codec.verify(io.BytesIO(r.message.data), **r.options),
}


def _hold(title: str, road: _Road, wrong: set[str]) -> str:
    verifies = title.startswith("verify")
    if not road.message.is_signed and verifies:
        wrong = {"UnsignedError"}
    elif verifies:
        # Who only verifies does not use a message up, and what a stream covers is not looked at.
        is_file = title == "verify a file" or road.message.is_stream
        wrong = wrong - {"ReplayedError"}
        if is_file and road.buffers and not road.message.is_stream:
            wrong = wrong | {"BadSignatureError"}
        elif is_file and road.buffers and wrong in ({"BadSignatureError"}, {"FormatError"}):
            return "buffers are not looked at"
    try:
        value = _ROADS[title](road)
    except SafePickleError as error:
        failure(error)
        name = type(error).__name__
        if name not in wrong:
            raise Finding(f"{title} refuses what was signed: {name}", f"{error} {sorted(wrong)}") from error
        return name
    if wrong:
        raise Finding(f"{title} accepts what is to be refused: {' '.join(sorted(wrong))}")
    if verifies:
        fields = described(value)
        if fields["kind"] != ("stream" if road.message.is_stream else "blob") or fields["created"] != NOW:
            raise Finding("verify gives another header than was signed", str(fields))
    elif _plain(value) != _plain(road.message.value):
        raise Finding(f"{title} gives another value than was signed")
    return "value"


def _plain(value: Any) -> Any:
    """Describe a value, buffers by their content."""
    if type(value) is list:
        value = [bytes(part) if type(part) in (pickle.PickleBuffer, bytearray, memoryview) else part for part in value]
    return describe(value)


def _counted(unsigned: AcceptUnsigned, *, refused: bool, none: bool) -> None:
    if not none and (unsigned.refused, unsigned.accepted) != ((1, 0) if refused else (0, 1)):
        raise Finding("unsigned data is not counted", repr(unsigned))


def _holds_together(codec: Codec) -> None:
    """A codec is a value, and says nothing of its secrets."""
    if codec != codec.__copy__() or hash(codec) != hash(codec.__deepcopy__({})) or codec == Codec():
        raise Finding("a codec is not equal to itself, or to another")
    attempts: tuple[Callable[[], None], ...] = (
        lambda: setattr(codec, "keys", None), lambda: delattr(codec, "keys"),
    )  # fmt: skip
    for attempt in attempts:
        try:
            attempt()
        except AttributeError:
            continue
        raise Finding("a codec can be changed")
    for value in (
        codec,
        codec.keys,
        codec.keys.signing_key if codec.keys is not None and codec.keys.can_sign else codec,
    ):
        try:
            pickle.dumps(value)
        except TypeError:
            continue
        raise Finding("a secret can be pickled", type(value).__name__)


# -- signing again ---------------------------------------------------------------------------------------------------


def _resign(case: _Case, message: _Message) -> Any:
    """Sign a file again; it says the same, by the new key, and no other bytes verify any more or less than before."""
    draw = case.draw
    case.path.write_bytes(message.data)
    ring = case.ring.rotate(Key("four", bytes(range(200, 232)), created=NOW)) if draw.below(3) else case.ring
    refused = draw.below(4) == 0
    context = ("a", "d") if refused else case.context
    signer = Calls(
        ring, PLAIN, _MUCH, purpose=case.purpose, max_age=None, bind_policy=False, replay_guard=None, unsigned=None,
        clock=case.clock,
    ).signer  # fmt: skip
    asked: list[bytes] = []
    admit = (lambda file: asked.append(file.read())) if draw.below(2) else None
    expected = ALREADY if ring is case.ring else RESIGNED
    if not message.is_signed:
        expected = FIRST if admit is not None else "UnsignedError"
    elif refused or message.buffers:
        expected = "BadSignatureError"
    try:
        result = resign_file(case.path, signer, context, admit=admit)
    except SafePickleError as error:
        failure(error)
        result = type(error).__name__
    after = case.path.read_bytes()
    if result != expected and not (message.buffers and message.is_stream and result == ALREADY):
        raise Finding(f"signing again: {result} for {expected}")
    if (after == message.data) != (result not in (RESIGNED, FIRST)):
        raise Finding("signing again leaves or changes a file that it should not")
    if asked and asked != [message.data]:
        raise Finding("signing for the first time shows other bytes than it signs")
    if result in (RESIGNED, FIRST):
        case.clock.at = NOW + (100.0 if case.not_before else 0.0)
        reader = Codec(keys=ring, purpose=case.purpose, clock=case.clock, limits=_MUCH)
        header = reader.verify(after, context=context)
        if header.key_id != ring.signing_key.id or header.created != NOW * 1_000_000:
            raise Finding("what was signed again has another time or key", str(header))
        if _plain(reader.load_file(case.path, context=context)) != _plain(message.value):
            raise Finding("what was signed again gives another value")
    if any(one.name != "message" for one in _FOLDER.iterdir()):
        raise Finding("a temporary file is left behind", str(list(_FOLDER.iterdir())))
    return result


# -- without keys, and wrong calls -----------------------------------------------------------------------------------


def _without_keys(case: _Case) -> Any:
    """What is about signing is refused without keys; what is not works as the functions do."""
    draw = case.draw
    codec = Codec(limits=_MUCH)
    value = draw.pick(_VALUES)
    file = io.BytesIO()
    codec.dump(value, file)
    data = file.getvalue()
    case.path.write_bytes(data)
    if pickle.loads(pickle.dumps(codec)) != codec:
        raise Finding("a codec without keys is not equal to its copy")
    for found in (codec.loads(data), codec.load(io.BytesIO(data)), codec.load_file(case.path)):
        if describe(found) != describe(value):
            raise Finding("a codec without keys gives another value")
    for attempt in (
        lambda: codec.loads(data, context="a"), lambda: codec.load(io.BytesIO(data), max_age=1.0),
        lambda: codec.dumps(value, not_before=1.0), lambda: codec.dump(value, file, context="a"),
        lambda: codec.verify(data),
    ):  # fmt: skip
        try:
            attempt()
        except StateError:
            continue
        raise Finding("a codec without keys does what needs keys")
    case.path.write_bytes(data + b"N")
    try:
        codec.load_file(case.path)
    except TrailingDataError:
        return "without keys"
    raise Finding("bytes behind the pickle in a file are passed over")


def _odd(one: object) -> Any:
    """Pass what no annotation allows."""
    return one


_WRONG: tuple[tuple[Any, type[Exception]], ...] = (
    (lambda c: Codec(purpose="x"), ValueError),
    (lambda c: Codec(keys=_odd([])), TypeError),
    (lambda c: Codec(keys=c.ring, purpose=""), ValueError),
    (lambda c: Codec(keys=c.ring, purpose="x" * 300), ValueError),
    (lambda c: Codec(keys=c.ring, purpose=_odd(5)), TypeError),
    (lambda c: Codec(keys=c.ring, policy=_odd(object()), bind_policy=True), ValueError),
    (lambda c: Codec(keys=c.ring, policy=UNRESTRICTED, unsigned=AcceptUnsigned(until=1.0)), ValueError),
    (lambda c: Codec(keys=c.ring).dumps(1, context=_odd(5)), TypeError),
    (lambda c: Codec(keys=c.ring).dumps(1, context=_odd(("a", 5))), TypeError),
    (lambda c: Codec(keys=c.ring, clock=lambda: -5.0).dumps(1), ValueError),
    (lambda c: Codec(keys=c.ring).dumps(1, not_before=-5.0), ValueError),
    (lambda c: Codec(keys=c.ring).Pickler(object()), TypeError),
    (lambda c: Codec(keys=c.ring).load_file(_FOLDER), OSError),
    (lambda c: Codec(keys=c.ring).dump_file(1, _FOLDER), OSError),
    (lambda c: MemoryReplayGuard(0), ValueError),
)


def _wrong_call(case: _Case) -> Any:
    """A call that cannot mean anything is an error of the caller's, by the type that says so."""
    number = case.draw.below(len(_WRONG))
    call, expected = _WRONG[number]
    try:
        call(case)
    except expected:
        return number
    raise Finding("a call that cannot mean anything is carried out", str(number))


def check(data: bytes) -> Any:
    """Write, and read or sign again."""
    draw = ByteChoices(data)
    what = draw.below(12)
    case = _Case(draw)
    if what == 0:
        return _without_keys(case)
    if what == 1:
        return _wrong_call(case)
    message = case.write()
    return _resign(case, message) if what < 5 else case.read(message)


#: For readers: what a refusal may be called.
REASONS = (LimitError, UnsignedError, REVOKED)
