"""A key ring does what a list of names and states says: one key signs at most, and what was revoked stays so.

The input is a series of choices: operations on a ring, mirrored by that list, then files of the ring with permissions,
and secrets of which a table says whether they are any.
"""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

from fuzz import scratch
from fuzz.choices import ByteChoices, Choices
from fuzz.outcomes import Finding
from safepickle.errors import KeyRingError
from safepickle.signing.files import is_replaceable, write_whole
from safepickle.signing.keyfiles import write_ring
from safepickle.signing.keys import Key, KeyRing
from safepickle.signing.migration import AcceptUnsigned

INPUT = "choices"

_FOLDER = scratch.folder("rings")
_STATES = ("signing", "staged", "retired", "revoked")
_ALGORITHMS = ("hmac-sha256", "hmac-sha512", "blake2b")
_NAMES = tuple("abcdef")
_RANDOM = bytes(range(3, 203))

#: Secrets, and whether they are any.
_SECRETS: tuple[tuple[Any, bool], ...] = (
    (_RANDOM[:32], True), (_RANDOM[:64], True), (bytearray(_RANDOM[:40]), True), (_RANDOM[:31], False),
    (_RANDOM * 40, False), ("a" * 40, False), (bytes(32), False), (b"ab" * 20, False),
    (b"-----BEGIN PRIVATE KEY-----" + _RANDOM[:20], False), (b" ssh-rsa " + _RANDOM[:40], False),
    (bytes((0x30, 0x81, 197)) + _RANDOM[:197], False), (b"\x30\x82" + (600).to_bytes(2, "big") + _RANDOM * 3, False),
    (bytes((0x30, 0x81, 196)) + _RANDOM[:197], True), (b"PuTTY-User-Key-File" + _RANDOM[:40], False),
)  # fmt: skip
#: Ids, and whether they are any.
_IDS: tuple[tuple[Any, bool], ...] = (
    ("a", True), ("2024-01-01.b_c", True), ("x" * 64, True), ("x" * 65, False), ("", False), ("a b", False),
    ("-a", False), ("a\n", False), ("\u20ac", False), (5, False),
)  # fmt: skip


def _refused(call: Callable[[], Any]) -> bool:
    """Say whether a call is refused, in a message that holds no secret."""
    try:
        call()
    except KeyRingError as error:
        text = str(error)
        if not text.isascii() or not text.isprintable():
            raise Finding("a message that is not one ASCII line", ascii(text)) from error
        return True
    return False


def _giving(one: Any) -> Callable[[], Any]:
    return lambda: one


def _same(expected: bool, found: bool, what: str) -> None:
    if expected != found:
        raise Finding(f"{what}: {'refused' if found else 'accepted'}")


# -- operations ------------------------------------------------------------------------------------------------------


class _Model:
    """Names and states in order, beside the ring."""

    def __init__(self) -> None:
        self.ring = KeyRing()
        self.states: dict[str, str] = {}
        self._made = 0

    def key(self, draw: Choices, name: str) -> Key:
        """Return a new key."""
        self._made += 1
        secret = bytes((5 * self._made + 7 * index) % 251 for index in range(64))
        return Key(name, secret, algorithm=draw.pick(_ALGORITHMS), state=draw.pick(_STATES), created=5)

    def _retired(self) -> None:
        self.states.update({name: "retired" for name, state in self.states.items() if state == "signing"})

    def step(self, draw: Choices) -> None:
        """Do one thing to both."""
        how = draw.below(7)
        name = draw.pick(_NAMES)
        state = self.states.get(name)
        ring = self.ring
        if how in (0, 1, 2):
            key = self.key(draw, name)
            signing = {0: key.state == "signing", 1: True, 2: False}[how]
            clash = state is not None or (how == 0 and signing and "signing" in self.states.values())
            with_key: Callable[[Key], KeyRing] = {0: ring.add, 1: ring.rotate, 2: ring.stage}[how]
            refused = _refused(lambda: setattr(self, "ring", with_key(key)))
            _same(clash, refused, ("add", "rotate", "stage")[how])
            if not refused:
                if how == 1:
                    self._retired()
                self.states[name] = {0: key.state, 1: "signing", 2: "staged"}[how]
        elif how == 6:
            self._made_for(draw)
        else:
            with_name: Callable[[str], KeyRing] = {3: ring.promote, 4: ring.retire, 5: ring.revoke}[how]
            refused = _refused(lambda: setattr(self, "ring", with_name(name)))
            _same(state is None or (state == "revoked" and how != 5), refused, ("promote", "retire", "revoke")[how - 3])
            if not refused:
                if how == 3 and state != "signing":
                    self._retired()
                self.states[name] = {3: "signing", 4: "retired", 5: "revoked"}[how]

    def _made_for(self, draw: Choices) -> None:
        """A key that nobody gave: a new one, named after the day, of the algorithm of the one that signs."""
        before = self.ring
        staged = draw.below(2)
        made = before.stage() if staged else before.rotate()
        key = list(made)[-1]
        like = [one for one in before if one.state == "signing"] or list(before)[-1:]
        if like and key.algorithm != like[0].algorithm:
            raise Finding("a key is made for another algorithm than that of the ring")
        if key.state != ("staged" if staged else "signing") or len(made) != len(before) + 1:
            raise Finding("a key that was made is in another state", key.state)

    def look(self) -> None:
        """Hold the ring to the model."""
        ring = self.ring
        if {key.id: key.state for key in ring} != self.states or len(ring) != len(self.states):
            raise Finding("a ring has other keys or states than were made", repr(ring))
        signing = [name for name, state in self.states.items() if state == "signing"]
        _same(not signing, _refused(lambda: ring.signing_key), "asking for the key that signs")
        if len(signing) > 1 or ring.can_sign != bool(signing) or (signing and ring.signing_key.id != signing[0]):
            raise Finding("another key signs, or several", str(signing))
        for name in _NAMES:
            key = ring.get(name)
            if (name in ring) != (name in self.states) or (
                key is not None and key.verifies != (key.state != "revoked")
            ):
                raise Finding("a ring is not clear about a key", name)


def _operations(draw: Choices) -> Any:
    model = _Model()
    for _ in range(draw.below(12)):
        model.step(draw)
        model.look()
    _copies(model.ring)
    _through_files(model.ring, draw)
    return tuple(sorted(model.states.values()))


def _copies(ring: KeyRing) -> None:
    """A ring is a value, equal to what its file holds, and kept out of pickles and messages."""
    text = ring.export_secrets()
    os.environ["FUZZ_RING"] = text
    again = KeyRing.from_env("FUZZ_RING")
    del os.environ["FUZZ_RING"]
    _same(True, _refused(lambda: KeyRing.from_env("FUZZ_RING")), "a variable that is not set")
    for source in (ring, text, text.encode(), bytearray(text.encode()), list(ring), tuple(ring)):
        if KeyRing.from_callable(_giving(source)) != ring:
            raise Finding("a ring from a callable is another one", type(source).__name__)
    _same(True, _refused(lambda: KeyRing.from_callable(lambda: 5)), "a callable that returns no ring")
    if (
        again != ring
        or hash(again) != hash(ring)
        or copy.copy(ring) != ring
        or copy.deepcopy(ring) != ring
        or ring == 5
    ):
        raise Finding("a ring is not equal to its copy")
    shown = repr(ring) + "".join(map(repr, ring))
    for key in ring:
        secret = key.as_mapping()["secret"]
        if secret in shown or secret not in text or copy.copy(key) != key or copy.deepcopy(key) != key or key == 5:
            raise Finding("a secret is shown, or not written")
    for value in (ring, *ring):
        for attempt in (
            lambda value=value: setattr(value, "state", "signing"), lambda value=value: delattr(value, "state"),
            lambda value=value: pickle.dumps(value),
        ):  # fmt: skip
            try:
                attempt()
            except (AttributeError, TypeError):
                continue
            raise Finding("a ring or key is changed or pickled", type(value).__name__)


def _through_files(ring: KeyRing, draw: Choices) -> None:
    path = _FOLDER / "keys"
    path.unlink(missing_ok=True)
    write_ring(path, ring, new=True)
    if path.stat().st_mode & 0o777 != 0o600:
        raise Finding("a ring is written for others to read", oct(path.stat().st_mode))
    before = path.read_bytes()
    _same(True, _refused(lambda: write_ring(path, ring, new=True)), "a new ring where there is one")
    mode = draw.pick((0o600, 0o640, 0o644, 0o660, 0o666, 0o400, 0o604))
    path.chmod(mode)
    for readable_by, forbidden in (("owner", 0o077), ("group", 0o037), ("anyone", 0o022)):
        _same(bool(mode & forbidden), _refused(partial(KeyRing.from_file, path, readable_by=readable_by)),
              f"a file of mode {mode:o} for {readable_by}")  # fmt: skip
    path.chmod(0o600)
    if KeyRing.from_file(path) != ring or path.read_bytes() != before:
        raise Finding("a ring from its file is another one")
    _same(True, _refused(lambda: KeyRing.from_file(_FOLDER)), "a folder")
    _same(True, _refused(lambda: KeyRing.from_file(_FOLDER / "missing")), "a file that is not there")
    path.write_bytes(before.rjust((1 << 20) + 1))
    _same(True, _refused(lambda: KeyRing.from_file(path)), "a file that is too long")
    path.unlink()
    _whole(path, before)


def _whole(path: Path, data: bytes) -> None:
    """A name that must be new is not taken from anybody, and nothing is left beside it."""
    if not is_replaceable(path) or is_replaceable(_FOLDER):
        raise Finding("a folder may be replaced, or nothing may not")
    write_whole(path, data, mode=0o600, replace=False)
    try:
        write_whole(path, b"other", replace=False)
    except FileExistsError:
        pass
    else:
        raise Finding("a file was replaced that had to be new")
    if not is_replaceable(path) or path.read_bytes() != data or [one.name for one in _FOLDER.iterdir()] != ["keys"]:
        raise Finding("a file was not written whole, or something is left", str(list(_FOLDER.iterdir())))


# -- keys ------------------------------------------------------------------------------------------------------------


def _keys(draw: Choices) -> Any:
    (name, named), (secret, secure) = draw.pick(_IDS), draw.pick(_SECRETS)
    algorithm, state = draw.pick((*_ALGORITHMS, "md5")), draw.pick((*_STATES, "lost"))
    fine = named and secure and algorithm != "md5" and state != "lost"
    refused = _refused(lambda: Key(name, secret, algorithm=algorithm, state=state))
    _same(not fine, refused, f"a key with id {name!a:.20}, {algorithm}, {state}, secret {secret[:9]!a}")
    if fine:
        key = Key(name, secret, algorithm=algorithm, state=state)
        _same(True, _refused(lambda: KeyRing([key, key])), "one id twice")
        other = Key("other", secret, algorithm=algorithm, state="retired")
        _same(True, _refused(lambda: KeyRing([key, other])), "one secret under two names")
    _same(True, _refused(partial(KeyRing, cast("Any", ["key"]))), "a ring of no keys")
    made = Key.generate(algorithm=draw.pick(_ALGORITHMS))
    if Key.generate().same_secret(made) or KeyRing.generate("a").signing_key.id != "a":
        raise Finding("two keys that are generated have one secret, or another name")
    _same(True, _refused(lambda: Key.generate(algorithm="md5")), "an algorithm that there is not")
    return fine


def _migration(draw: Choices) -> Any:
    """Unsigned data is accepted until the day, and not at it; the day has a time zone."""
    end = 1_700_000_000 + draw.below(3)
    days: tuple[float | datetime, ...] = (float(end), datetime.fromtimestamp(end, UTC))
    accept = AcceptUnsigned(until=draw.pick(days))
    for now in (end - 1, end, end + 1):
        try:
            accept.admit(_giving(now))
        except Exception as error:
            if now < end:
                raise Finding("unsigned data is refused before the end") from error
            continue
        if now >= end:
            raise Finding("unsigned data is accepted after the end")
    if (accept.accepted, accept.refused) != (1, 2) or "1 accepted and 2 refused" not in repr(accept):
        raise Finding("unsigned data is not counted", repr(accept))
    try:
        AcceptUnsigned(until=datetime(2030, 1, 1))  # noqa: DTZ001
    except ValueError:
        return "refused without a zone"
    raise Finding("a day without a time zone is taken")


def check(data: bytes) -> Any:
    """Do one of these."""
    draw = ByteChoices(data)
    what = draw.below(6)
    return what, _keys(draw) if what == 0 else _migration(draw) if what == 1 else _operations(draw)
