"""S01 to S20, the attacks on signatures of the catalogue: each is refused under `plain` and under `stdlib`, as it says.

Where the attack is on bytes, no opcode may have run. What takes a whole test is in the other modules of this folder,
under the same id.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from attacks.asm import call, name, pickled
from signing.counting import counting

from safepickle.errors import (
    BadSignatureError,
    ExpiredError,
    KeyRingError,
    LimitError,
    PolicyError,
    ReplayedError,
    RevokedKeyError,
    SafePickleError,
    UnknownKeyError,
    UnsignedError,
)
from safepickle.limits import Limits
from safepickle.policy.rules import Policy
from safepickle.signing.freshness import MemoryReplayGuard
from safepickle.signing.keys import Key, KeyRing
from safepickle.signing.signer import Signer
from safepickle.signing.streams import StreamWriter

RING = KeyRing.generate("k1")
ACTS = pickled(call(name("os", "getpid")))
PLAIN = pickle.dumps({"a": [1, 2.5]})
SIGNED = Signer(RING).sign(PLAIN)


class World(NamedTuple):
    """What an attack works with: the package in one form, and a codec under one of the policies."""

    sp: ModuleType
    policy: Policy
    folder: Path

    def codec(self, **options: Any) -> Any:
        return self.sp.Codec(**({"policy": self.policy, "keys": RING} | options))


def verified_late(world: World) -> None:
    world.codec().loads(SIGNED[:-1] + bytes((SIGNED[-1] ^ 1,)))


def another_serialisation(world: World) -> None:
    tag = Signer(RING).sign(pickle.dumps({"a": [1, 2.5]}, 2))[-32:]
    world.codec().loads(SIGNED[:-32] + tag)


def moved(world: World) -> None:
    codec = world.codec()
    codec.loads(codec.dumps([1], context="user:1"), context="user:2")


def joined(world: World) -> None:
    codec = world.codec()
    codec.loads(codec.dumps([1], context=("ab", "c")), context=("a", "bc"))


def unsigned(world: World) -> None:
    world.codec().loads(PLAIN)


def algorithm_of_the_message(world: World) -> None:
    world.codec().loads(SIGNED[:6] + b"\3" + SIGNED[7:])


def short_key(world: World) -> None:
    Key("k1", b"")


def open_key_file(world: World) -> None:
    path = world.folder / "beside.keys"
    path.write_text("{}", "utf-8")
    path.chmod(0o644)
    KeyRing.from_file(path)


def compared(world: World) -> None:
    """Every tag is compared by the standard library's function, in full length."""
    lengths = []

    def compare(one: bytes, other: bytes) -> bool:
        lengths.append((len(one), len(other)))
        return False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("safepickle.signing.signer.compare_digest", compare)
        try:
            world.codec().loads(SIGNED)
        finally:
            assert lengths == [(32, 32)]


def short_tag(world: World) -> None:
    world.codec().loads(SIGNED[:-31])


def extended(world: World) -> None:
    world.codec().loads(SIGNED + ACTS)


def reordered(world: World) -> None:
    codec, file = world.codec(), io.BytesIO()
    value = list(range(200))
    with StreamWriter(file, Signer(RING), chunk_size=64) as writer:
        writer.write(pickle.dumps(value))
    data, first, chunk = file.getvalue(), 9 + 2 + 8 + 8 + 16 + 32, 5 + 64 + 32
    assert codec.load(io.BytesIO(data)) == value
    swapped = data[first + chunk : first + 2 * chunk] + data[first : first + chunk]
    assert len(data) > first + 2 * chunk
    codec.load(io.BytesIO(data[:first] + swapped + data[first + 2 * chunk :]))


def replayed(world: World) -> None:
    codec = world.codec(replay_guard=MemoryReplayGuard(), max_age=60)
    blob = codec.dumps([1])
    assert codec.loads(blob) == [1]
    codec.loads(blob)


def old(world: World) -> None:
    blob = world.codec(clock=lambda: 1_700_000_000.0).dumps([1])
    world.codec(clock=lambda: 1_700_000_100.0, max_age=60).loads(blob)


def changed_after_the_look(world: World) -> None:
    """What is verified is a copy: bytes that change meanwhile are not what is decoded."""
    shared = bytearray(SIGNED)
    assert world.codec().loads(shared) == {"a": [1, 2.5]}
    shared[-1] ^= 1
    world.codec().loads(shared)


def another_purpose(world: World) -> None:
    world.codec(purpose="queue").loads(world.codec(purpose="cache").dumps([1]))


def bare_hash(world: World) -> None:
    import hashlib

    world.codec().loads(SIGNED[:-32] + hashlib.sha256(SIGNED[:-32]).digest())


def revoked(world: World) -> None:
    ring = RING.rotate(Key.generate("k2")).revoke("k1")
    world.codec(keys=ring).loads(SIGNED)


def chosen_key(world: World) -> None:
    world.codec(keys=KeyRing.generate("k2")).loads(SIGNED)


def signed_but_hostile(world: World) -> None:
    world.codec().loads(Signer(RING).sign(ACTS))


def large(world: World) -> None:
    world.codec(limits=Limits(max_bytes=100)).loads(Signer(RING).sign(b"x" * 1000))


def oracle(world: World) -> None:
    """Whatever is wrong, the words are the same, and none of them is a tag."""
    words = set()
    for at in (30, len(SIGNED) - 40, len(SIGNED) - 1):
        with pytest.raises(BadSignatureError) as caught:
            world.codec().loads(SIGNED[:at] + bytes((SIGNED[at] ^ 1,)) + SIGNED[at + 1 :])
        words.add(str(caught.value))
    assert len(words) == 1
    assert SIGNED[-32:].hex() not in words.pop()
    world.codec().loads(SIGNED[:-1] + b"\0\0")


Attack = tuple[str, Callable[[World], None], type[SafePickleError]]

ATTACKS: tuple[Attack, ...] = (
    ("S01", verified_late, BadSignatureError),
    ("S02", another_serialisation, BadSignatureError),
    ("S03", moved, BadSignatureError),
    ("S04", joined, BadSignatureError),
    ("S05", unsigned, UnsignedError),
    ("S06", algorithm_of_the_message, BadSignatureError),
    ("S07", short_key, KeyRingError),
    ("S08", open_key_file, KeyRingError),
    ("S09", compared, BadSignatureError),
    ("S10", short_tag, BadSignatureError),
    ("S11", extended, BadSignatureError),
    ("S12", reordered, BadSignatureError),
    ("S13", replayed, ReplayedError),
    ("S13", old, ExpiredError),
    ("S14", changed_after_the_look, BadSignatureError),
    ("S15", another_purpose, BadSignatureError),
    ("S16", bare_hash, BadSignatureError),
    ("S17", revoked, RevokedKeyError),
    ("S17", chosen_key, UnknownKeyError),
    ("S18", signed_but_hostile, PolicyError),
    ("S19", large, LimitError),
    ("S20", oracle, BadSignatureError),
)


def test_the_table_has_every_line() -> None:
    assert sorted({id_ for id_, _, _ in ATTACKS}) == [f"S{number:02}" for number in range(1, 21)]


@pytest.mark.parametrize("pack", ["plain", "stdlib"])
@pytest.mark.parametrize(
    ("id_", "attack", "error"), ATTACKS, ids=[f"{id_}-{attack.__name__}" for id_, attack, _ in ATTACKS]
)
def test_refused(
    sp: ModuleType, tmp_path: Path, pack: str, id_: str, attack: Callable[[World], None], error: type[SafePickleError]
) -> None:
    with pytest.raises(SafePickleError) as caught:
        attack(World(sp, sp.Policy.packs(pack), tmp_path))
    assert type(caught.value) is error


@pytest.mark.parametrize("attack", [verified_late, another_serialisation, unsigned, short_tag, extended, bare_hash])
def test_no_opcode_runs(sp: ModuleType, tmp_path: Path, attack: Callable[[World], None]) -> None:
    with counting(sp) as counts, pytest.raises(SafePickleError):
        attack(World(sp, sp.PLAIN, tmp_path))
    assert counts.opcodes == 0
