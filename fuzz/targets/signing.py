"""Anything but the exact bytes that a key of the ring signed, for this purpose and context, is a SignatureError.

And it is one before an opcode runs: the pickles that are signed begin with a global that the policy's own `find_class`
notes. The input is a series of choices: what is signed, as blob or stream, and how it is changed; or it is the message.
"""

from __future__ import annotations

import io
from typing import Any

from fuzz import terms
from fuzz.choices import ByteChoices, Choices
from fuzz.generator import CLAIMS, Generator
from fuzz.outcomes import Finding, failure, feature
from safepickle import Codec
from safepickle.errors import LimitError, SafePickleError, SignatureError
from safepickle.signing.envelope import Header, read_header
from safepickle.signing.keys import Key, KeyRing
from safepickle.signing.signer import Signer
from safepickle.signing.streams import StreamWriter

INPUT = "choices"

NOW = 1_700_000_000.0
#: Bytes of a chunk: the global that is noted is in the first one.
CHUNK = 64
_KEY = Key("fuzz", bytes(range(32)), created=int(NOW))
#: Verifies and does not sign; was revoked; is in nobody's ring.
_OLD = Key("old", bytes(range(1, 33)), created=int(NOW), state="retired")
_GONE = Key("gone", bytes(range(2, 34)), created=int(NOW), state="revoked")
_FOREIGN = Key("fuzz", bytes(range(3, 35)), created=int(NOW))
RING = KeyRing([_KEY, _OLD, _GONE])
_ASKED: list[str] = []


class _Noting:
    """A policy that notes that an opcode ran."""

    def find_class(self, module: str, name: str, /) -> Any:
        """Note and refuse."""
        _ASKED.append(f"{module}:{name}")
        raise AttributeError(name)


def _clock() -> float:
    return NOW


CODEC = Codec(policy=_Noting(), limits=terms.LIMITS, keys=RING, purpose="fuzz", clock=_clock, max_age=60)
_SIGNER = Signer(RING, purpose="fuzz", clock=_clock)
#: Each signs what must not verify.
_OTHERS: tuple[tuple[str, Signer, Any], ...] = (
    ("for another purpose", Signer(RING, purpose="other", clock=_clock), "context"),
    ("for another context", _SIGNER, "contexT"),
    ("for no context", _SIGNER, None),
    ("for a context that is put together alike", _SIGNER, ("con", "text")),
    ("with another secret of the same name", Signer(KeyRing([_FOREIGN]), purpose="fuzz", clock=_clock), "context"),
    ("too long ago", Signer(RING, purpose="fuzz", clock=lambda: NOW - 61), "context"),
    ("for later", Signer(RING, purpose="fuzz", clock=lambda: NOW + 3600), "context"),
)


def _stream(signer: Signer, payload: bytes, context: Any) -> bytes:
    file = io.BytesIO()
    header = signer.header(2, CHUNK, None, nonce=True)._replace(nonce=b"n" * 16)
    with StreamWriter(file, signer, context, chunk_size=CHUNK, header=Header(*header)) as writer:
        writer.write(payload)
    return file.getvalue()


def _changed(message: bytes, draw: Choices) -> bytes:
    """Change a message."""
    data = bytearray(message)
    for _ in range(1 + draw.below(3)):
        at = draw.below(len(data) + 1)
        how = draw.below(10)
        if how == 0:
            data[at:at] = draw.blob(9)
        elif how == 1:
            del data[at : at + 1 + draw.below(40)]
        elif how == 2:
            del data[at:]
        elif how == 3:
            data += draw.blob(40)
        elif how == 4:
            start = draw.below(len(data) + 1)
            data[at:at] = data[start : start + draw.below(1200)]
        elif how == 5:
            data[at : at + 8] = (draw.pick(CLAIMS) & (2**64 - 1)).to_bytes(8, "little")
        elif how == 6:
            # The tag: cut to its beginning, or all zeros.
            data[-32:] = data[-32 : -32 + draw.below(32)] if draw.below(2) else bytes(32)
        elif how == 9 and data:
            # One bit of the tag, wherever in it.
            data[-1 - draw.below(min(32, len(data)))] ^= 1 << draw.below(8)
        elif data:
            at = min(at, len(data) - 1)
            # Most often the header.
            at = at % 60 if how == 7 else at
            data[min(at, len(data) - 1)] ^= 1 << draw.below(8)
    return bytes(data)


def check(data: bytes) -> Any:
    """Sign, change and load."""
    draw = ByteChoices(data)
    kind = draw.below(8)
    if kind == 0:
        return _refused(data[1:], "arbitrary bytes")
    payload = b"\x80\x04cfuzz.samples\nNode\n" + Generator(draw, careless=20).run(draw.below(20))[2:]
    payload *= 1 + draw.below(3) * 40
    if kind == 1:
        title, signer, context = draw.pick(_OTHERS)
        make = _stream if draw.below(2) else _blob
        return title, _refused(make(signer, payload, context), title)
    is_stream = kind < 4
    message = (_stream if is_stream else _blob)(_SIGNER, payload, "context")
    _accepted(message)
    changed = _changed(message, draw)
    if changed == message:
        return "unchanged"
    return kind, _refused(changed, "a changed stream" if is_stream else "a changed blob", message)


def _blob(signer: Signer, payload: bytes, context: Any) -> bytes:
    return signer.sign(payload, context)


def _accepted(message: bytes) -> None:
    """What is signed reaches the machine: else a refusal of what is changed would mean nothing."""
    _ASKED.clear()
    try:
        CODEC.loads(message, context="context")
    except SignatureError as error:
        raise Finding("a message that was signed does not verify", str(error)) from error
    except (SafePickleError, AttributeError):
        pass
    if not _ASKED:
        raise Finding("no opcode of a verified message ran")
    _ASKED.clear()


def _refused(message: bytes, what: str, original: bytes = b"") -> Any:
    """Hold a message to being refused, from memory and from a file."""
    found = []
    for title, load in (
        ("loads", lambda: CODEC.loads(message, context="context")),
        ("load", lambda: CODEC.load(io.BytesIO(message), context="context")),
        ("verify", lambda: CODEC.verify(message, context="context")),
    ):
        _ASKED.clear()
        try:
            load()
        except (SignatureError, LimitError) as error:
            if original and type(error).__name__ in _LATER:
                raise Finding(f"{what}: judged by what is not verified ({title})", type(error).__name__) from error
            found.append(feature(failure(error)))
        except AttributeError:
            found.append(("an opcode ran",))
        else:
            raise Finding(f"{what}: {title} accepts it", message.hex()[:200])
        if _ASKED and not _begins_verified(message, original):
            raise Finding(f"{what}: an opcode ran before a tag was verified ({title})", message.hex()[:200])
    _ASKED.clear()
    return tuple(found)


#: What a refusal is for that looks at what a verified header says.
_LATER = frozenset({"ExpiredError", "NotYetValidError", "PolicyMismatchError", "ReplayedError"})


def _begins_verified(message: bytes, original: bytes) -> bool:
    # Chunks of a stream are verified one by one: the first one may be as it was signed.
    return len(original) > _FIRST_CHUNK and message[:_FIRST_CHUNK] == original[:_FIRST_CHUNK]


#: Where the first chunk of a stream ends, its tag included.
_FIRST_CHUNK = (
    len(read_header(_stream(_SIGNER, b"", "context")[:200])[0].encode()) + _KEY.algorithm.tag_size
    + len(_stream(_SIGNER, bytes(3 * CHUNK), "context")) - len(_stream(_SIGNER, bytes(2 * CHUNK),
    "context"))
)  # fmt: skip
