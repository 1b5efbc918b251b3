"""Codecs with keys: all of pickle's calls, context, age, policy, replay, buffers, migration."""

from __future__ import annotations

import array
import copy
import io
import pickle
import socket
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attacks.asm import call, name, pickled
from hypothesis import given
from hypothesis import strategies as st
from signing.counting import counting

import safepickle
from safepickle.errors import (
    BadSignatureError,
    ExpiredError,
    FormatError,
    KeyRingError,
    LimitError,
    NotYetValidError,
    PolicyError,
    PolicyMismatchError,
    ReplayedError,
    RevokedKeyError,
    SafePickleError,
    SignatureError,
    StateError,
    TrailingDataError,
    UnsignedError,
)
from safepickle.limits import Limits
from safepickle.policy.rules import PLAIN, UNRESTRICTED, Policy, Right, Rule
from safepickle.signing.envelope import encode_context
from safepickle.signing.freshness import MemoryReplayGuard, ReplayGuard
from safepickle.signing.keys import KeyRing
from safepickle.signing.migration import AcceptUnsigned
from safepickle.signing.signer import Signer
from safepickle.signing.streams import StreamReader, StreamWriter

VALUE = {"a": [1, 2.5, None], "b": ("x", b"y")}
RING = KeyRing.generate()
OS = pickled(call(name("os", "getpid")))


class Clock:
    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def codec(sp: ModuleType) -> Any:
    return sp.Codec(keys=RING)


def test_there_and_back(codec: Any, tmp_path: Path) -> None:
    for protocol in range(codec.HIGHEST_PROTOCOL + 1):
        assert codec.loads(codec.dumps(VALUE, protocol)) == VALUE
        file = io.BytesIO()
        codec.dump(VALUE, file, protocol)
        codec.Pickler(file, protocol).dump(VALUE)
        file.write(codec.dumps(VALUE, protocol))
        file.seek(0)
        for _ in range(3):
            assert codec.load(file, exact=False) == VALUE
        file.seek(0)
        unpickler = codec.Unpickler(file)
        assert [unpickler.load() for _ in range(3)] == [VALUE] * 3
        with pytest.raises(EOFError):
            unpickler.load()
    codec.dump_file(VALUE, tmp_path / "file", 2, context="c")
    assert codec.load_file(tmp_path / "file", context="c") == VALUE
    assert codec.loads((tmp_path / "file").read_bytes(), context="c") == VALUE
    assert codec.loads(bytearray(codec.dumps(VALUE))) == VALUE
    assert codec.loads(memoryview(codec.dumps(VALUE))) == VALUE
    assert codec.loads(codec.dumps({2: 1, 1: 2}, canonical=True)) == {1: 2, 2: 1}


def test_every_road_in_asks_for_a_signature(sp: ModuleType, codec: Any, tmp_path: Path) -> None:
    bare = pickle.dumps(VALUE)
    (tmp_path / "file").write_bytes(bare)
    with counting(sp) as counts:
        for road in (
            lambda: codec.loads(bare),
            lambda: codec.load(io.BytesIO(bare)),
            lambda: codec.load_file(tmp_path / "file"),
            lambda: codec.Unpickler(io.BytesIO(bare)).load(),
            lambda: codec.verify(bare),
            lambda: codec.verify(io.BytesIO(bare)),
        ):
            with pytest.raises(UnsignedError):
                road()
        assert counts.opcodes == 0


def test_every_road_out_signs(codec: Any, tmp_path: Path) -> None:
    dumped, pickled_ = io.BytesIO(), io.BytesIO()
    codec.dump(1, dumped)
    codec.Pickler(pickled_).dump(1)
    codec.dump_file(1, tmp_path / "file")
    for data in (codec.dumps(1), dumped.getvalue(), pickled_.getvalue(), (tmp_path / "file").read_bytes()):
        assert data.startswith(b"\xf5SPK")
        assert codec.verify(data).key_id == RING.signing_key.id


def test_a_signature_does_not_widen_the_policy(codec: Any) -> None:
    """S18: who signs may be wrong, or an insider."""
    signed = Signer(RING).sign(OS)
    stream = io.BytesIO()
    with StreamWriter(stream, Signer(RING)) as writer:
        writer.write(OS)
    with pytest.raises(PolicyError):
        codec.loads(signed)
    with pytest.raises(PolicyError):
        codec.load(io.BytesIO(stream.getvalue()))
    with pytest.raises(PolicyError):
        codec.Unpickler(io.BytesIO(stream.getvalue())).load()
    with pytest.raises(PolicyError):
        codec.dumps(len)


# -- context and purpose -------------------------------------------------------------------------------------

CONTEXTS = st.one_of(
    st.none(),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.lists(st.one_of(st.text("ab\0\1", max_size=4), st.binary(max_size=10)), max_size=3).map(tuple),
)


def parts_of(context: Any) -> tuple[bytes, ...]:
    parts = () if context is None else context if isinstance(context, tuple) else (context,)
    return tuple(part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part for part in parts)


@given(CONTEXTS, CONTEXTS)
def test_contexts_are_told_apart(one: Any, other: Any) -> None:
    """Law: two contexts are encoded alike only if their parts are the same (S04), and no encoding begins another."""
    first, second = encode_context(one), encode_context(other)
    assert (first == second) == (parts_of(one) == parts_of(other))
    if first != second:
        assert not first.startswith(second)
    signer = Signer(RING)
    blob = signer.sign(b"x", one)
    if parts_of(one) == parts_of(other):
        assert signer.open(blob, other) == b"x"
    else:
        with pytest.raises(BadSignatureError):
            signer.open(blob, other)


def test_a_blob_moved_to_another_key_does_not_load(codec: Any) -> None:
    """S03."""
    cache = {key: codec.dumps(key.upper(), context=key) for key in ("alice", "bob")}
    cache["alice"] = cache["bob"]
    with pytest.raises(BadSignatureError):
        codec.loads(cache["alice"], context="alice")
    for context in (None, "", ("bob", ""), ("bo", "b")):
        with pytest.raises(BadSignatureError):
            codec.loads(cache["bob"], context=context)
    file = io.BytesIO()
    codec.dump(1, file, context="alice")
    for context in (None, "bob"):
        file.seek(0)
        with pytest.raises(BadSignatureError):
            codec.load(file, context=context)
        file.seek(0)
        with pytest.raises(BadSignatureError):
            codec.Unpickler(file, context=context).load()
    file.seek(0)
    assert codec.Unpickler(file, context="alice").load() == 1


def test_a_context_is_text_or_bytes(codec: Any) -> None:
    for bad in (1, ["a"], ("a", 1), object()):
        with pytest.raises(TypeError):
            codec.dumps(1, context=bad)


def test_one_purpose_never_serves_another(sp: ModuleType) -> None:
    """S15."""
    cache, queue = (sp.Codec(keys=RING, purpose=purpose) for purpose in ("cache", "queue"))
    for data in (cache.dumps(1), _dumped(cache, 1)):
        assert cache.load(io.BytesIO(data)) == 1
        with pytest.raises(BadSignatureError):
            queue.load(io.BytesIO(data))
    for bad in ("", "x" * 256):
        with pytest.raises(ValueError, match="purpose"):
            sp.Codec(keys=RING, purpose=bad)
    with pytest.raises(TypeError):
        sp.Codec(keys=RING, purpose=b"x")


def _dumped(codec: Any, value: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    codec.dump(value, file, **options)
    return file.getvalue()


# -- time ----------------------------------------------------------------------------------------------------


def roads(codec: Any, blob: bytes, stream: bytes) -> list[Any]:
    return [
        lambda **options: codec.loads(blob, **options),
        lambda **options: codec.load(io.BytesIO(blob), **options),
        lambda **options: codec.load(io.BytesIO(stream), **options),
        lambda **options: codec.Unpickler(io.BytesIO(stream), **options).load(),
    ]


def test_max_age(sp: ModuleType) -> None:
    clock = Clock()
    codec = sp.Codec(keys=RING, clock=clock)
    strict = sp.Codec(keys=RING, clock=clock, max_age=60)
    blob, stream = codec.dumps(VALUE), _dumped(codec, VALUE)
    clock.now += 61
    for road in roads(codec, blob, stream):
        assert road() == road(max_age=61) == VALUE
        with pytest.raises(ExpiredError) as caught:
            road(max_age=60)
        assert (caught.value.age, caught.value.max_age) == (61, 60)
    for road in roads(strict, blob, stream):
        with pytest.raises(ExpiredError):
            road()
        assert road(max_age=100) == VALUE


def test_what_is_no_number_lets_nothing_through(sp: ModuleType) -> None:
    nan = float("nan")
    blob = sp.Codec(keys=RING).dumps(VALUE)
    for codec, max_age in ((sp.Codec(keys=RING), nan), (sp.Codec(keys=RING, clock=lambda: nan), 10)):
        with pytest.raises(ExpiredError):
            codec.loads(blob, max_age=max_age)


def test_age_is_asked_of_verified_data_only(sp: ModuleType) -> None:
    clock = Clock()
    codec = sp.Codec(keys=RING, clock=clock)
    blob = bytearray(codec.dumps(VALUE))
    clock.now += 1000
    blob[-1] ^= 1
    with pytest.raises(BadSignatureError):
        codec.loads(bytes(blob), max_age=1)


def test_what_was_signed_in_the_future_does_not_live_longer(sp: ModuleType) -> None:
    clock = Clock()
    codec = sp.Codec(keys=RING, clock=clock)
    blob, stream = codec.dumps(VALUE), _dumped(codec, VALUE)
    clock.now -= 59
    for road in roads(codec, blob, stream):
        assert road(max_age=10) == VALUE
    clock.now -= 10
    for road in roads(codec, blob, stream):
        assert road() == VALUE
        with pytest.raises(NotYetValidError):
            road(max_age=10)


def test_not_before(sp: ModuleType) -> None:
    clock = Clock()
    codec = sp.Codec(keys=RING, clock=clock)
    then = clock.now + 100
    blob, stream = codec.dumps(VALUE, not_before=then), _dumped(codec, VALUE, not_before=then)
    for road in roads(codec, blob, stream):
        with pytest.raises(NotYetValidError) as caught:
            road()
        assert caught.value.wait == pytest.approx(100)
    clock.now = then
    for road in roads(codec, blob, stream):
        assert road() == VALUE
    with pytest.raises(ValueError, match="1970"):
        codec.dumps(1, not_before=-1.0)


def test_without_an_age_a_blob_needs_no_clock(sp: ModuleType) -> None:
    blob = sp.Codec(keys=RING).dumps(VALUE)

    def broken() -> float:
        raise AssertionError

    assert sp.Codec(keys=RING, clock=broken).loads(blob) == VALUE


# -- keys ----------------------------------------------------------------------------------------------------


def test_retired_keys_verify_and_revoked_ones_do_not(sp: ModuleType) -> None:
    ring = KeyRing.generate("old")
    blob, stream = sp.Codec(keys=ring).dumps(VALUE), _dumped(sp.Codec(keys=ring), VALUE)
    for road in roads(sp.Codec(keys=ring.rotate()), blob, stream):
        assert road() == VALUE
    for road in roads(sp.Codec(keys=ring.rotate().revoke("old")), blob, stream):
        with pytest.raises(RevokedKeyError):
            road()
    verifier = sp.Codec(keys=ring.retire("old"))
    assert verifier.loads(blob) == VALUE
    for write in (lambda: verifier.dumps(1), lambda: verifier.dump(1, io.BytesIO())):
        with pytest.raises(KeyRingError, match="signs"):
            write()


def test_keys_must_be_a_ring(sp: ModuleType) -> None:
    with pytest.raises(TypeError, match="KeyRing"):
        sp.Codec(keys=b"secret" * 10)


def test_without_keys_nothing_pretends_to_be_signed(sp: ModuleType) -> None:
    codec = sp.Codec()
    for action in (
        lambda: codec.dumps(1, context="x"),
        lambda: codec.dumps(1, not_before=1.0),
        lambda: codec.dump(1, io.BytesIO(), context="x"),
        lambda: codec.loads(b"N.", context="x"),
        lambda: codec.loads(b"N.", max_age=1),
        lambda: codec.load(io.BytesIO(b"N."), context="x"),
        lambda: codec.load(io.BytesIO(b"N."), max_age=1),
        lambda: codec.verify(b"N."),
    ):
        with pytest.raises(StateError, match="no keys"):
            action()
    for options in ({"purpose": "x"}, {"max_age": 1}, {"bind_policy": True}, {"unsigned": object()}):
        with pytest.raises(ValueError, match="need keys"):
            sp.Codec(**options)


@pytest.mark.parametrize("keys", [None, RING], ids=["bare", "signed"])
def test_a_file_of_a_type(sp: ModuleType, tmp_path: Path, keys: Any) -> None:
    codec = sp.Codec(keys=keys)
    codec.dump_file([1, 2], tmp_path / "file")
    assert codec.load_file(tmp_path / "file", type=list[int]) == [1, 2]
    with pytest.raises(SafePickleError, match=r"root\[0\]"):
        codec.load_file(tmp_path / "file", type=list[str])


def test_files_without_keys(sp: ModuleType, tmp_path: Path) -> None:
    codec = sp.Codec()
    codec.dump_file(VALUE, tmp_path / "file")
    assert codec.load_file(tmp_path / "file") == VALUE
    (tmp_path / "file").write_bytes(b"N.N.")
    with pytest.raises(TrailingDataError):
        codec.load_file(tmp_path / "file")


def test_a_codec_with_keys_is_a_value_and_not_pickled(sp: ModuleType) -> None:
    one, other = (sp.Codec(keys=RING, purpose="p", max_age=3) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    for different in (sp.Codec(), sp.Codec(keys=RING), sp.Codec(keys=RING.rotate(), purpose="p", max_age=3)):
        assert one != different
    assert copy.deepcopy(one) is copy.copy(one) is one
    for dumps in (pickle.dumps, lambda v: sp.dumps(v, policy=UNRESTRICTED)):
        with pytest.raises(Exception, match=r"not pickled|secret"):
            dumps(one)
    assert "Key" in repr(one)


def test_a_codec_is_shared_between_threads(codec: Any) -> None:
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            for turn in range(50):
                context = f"{number}.{turn}"
                assert codec.loads(codec.dumps([number, turn], context=context), context=context) == [number, turn]
        except Exception as error:  # noqa: BLE001  (told to the main thread)
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


# -- limits --------------------------------------------------------------------------------------------------


def test_size_is_bounded_before_a_tag_is_computed(sp: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """S19."""
    codec = sp.Codec(keys=RING, limits=Limits(max_bytes=100))
    assert codec.loads(Signer(RING).sign(pickle.dumps(b"x" * 50))) == b"x" * 50
    big = Signer(RING).sign(b"x" * 101)
    with monkeypatch.context() as patch:
        patch.setattr("safepickle.signing.signer.compare_digest", None)
        with pytest.raises(LimitError) as caught:
            codec.loads(big)
        assert (caught.value.limit, caught.value.bound, caught.value.asked) == ("max_bytes", 100, 101)
        with pytest.raises(LimitError):
            codec.load(io.BytesIO(big))
    with pytest.raises(LimitError):
        codec.load(io.BytesIO(_dumped(sp.Codec(keys=RING), b"x" * 200)))
    policy = Policy(name="small", limits=Limits(max_bytes=10))
    with pytest.raises(LimitError):
        sp.Codec(keys=RING, policy=policy).loads(Signer(RING).sign(b"x" * 11))


def test_a_claimed_size_costs_nothing(codec: Any) -> None:
    blob = bytearray(codec.dumps(1))
    at = 9 + blob[8] + 8
    blob[at : at + 8] = (2**40).to_bytes(8, "big")
    with pytest.raises(SignatureError):
        codec.load(io.BytesIO(blob))
    with pytest.raises(SignatureError):
        codec.loads(bytes(blob))


# -- policy --------------------------------------------------------------------------------------------------


def test_a_bound_policy_must_be_the_same(sp: ModuleType) -> None:
    one = Policy(name="one", rules=[Rule(module="m", name="n", rights=Right.REFER)])
    bound, other = sp.Codec(keys=RING, policy=one, bind_policy=True), sp.Codec(keys=RING, bind_policy=True)
    free = sp.Codec(keys=RING)
    blob, stream = bound.dumps(VALUE), _dumped(bound, VALUE)
    assert bound.verify(blob).policy == one.fingerprint
    for road in (*roads(bound, blob, stream), *roads(free, blob, stream)):
        assert road() == VALUE
    for road in roads(other, blob, stream):
        with pytest.raises(PolicyMismatchError) as caught:
            road()
        assert (caught.value.signed, caught.value.expected) == (one.fingerprint, PLAIN.fingerprint)
    for road in roads(bound, free.dumps(VALUE), _dumped(free, VALUE)):
        with pytest.raises(PolicyMismatchError) as caught:
            road()
        assert caught.value.signed is None

    class Own:
        def find_class(self, module: str, name: str) -> Any: ...

    with pytest.raises(ValueError, match="fingerprint"):
        sp.Codec(keys=RING, policy=Own(), bind_policy=True)


# -- replay --------------------------------------------------------------------------------------------------


def test_a_replay_guard_sees_each_message_once(sp: ModuleType) -> None:
    guard = MemoryReplayGuard()
    assert isinstance(guard, ReplayGuard)
    codec = sp.Codec(keys=RING, replay_guard=guard)
    plain = sp.Codec(keys=RING)
    blobs = [codec.dumps(VALUE) for _ in range(3)]
    assert len(set(blobs)) == 3
    for blob in blobs:
        for _ in range(2):  # to verify is not to use
            assert codec.verify(blob).nonce == codec.verify(io.BytesIO(blob)).nonce
        assert codec.loads(blob) == VALUE
    for blob in blobs:
        with pytest.raises(ReplayedError, match="used before"):
            codec.loads(blob)
        assert plain.loads(blob) == VALUE
    stream = _dumped(codec, VALUE)
    assert codec.load(io.BytesIO(stream)) == VALUE
    with pytest.raises(ReplayedError):
        codec.load(io.BytesIO(stream))
    with pytest.raises(ReplayedError, match="no nonce"):
        codec.loads(plain.dumps(VALUE))


def test_the_guard_is_asked_of_verified_messages_only(sp: ModuleType) -> None:
    guard = MemoryReplayGuard()
    codec = sp.Codec(keys=RING, replay_guard=guard)
    blob = codec.dumps(VALUE, context="right")
    for _ in range(2):
        with pytest.raises(BadSignatureError):
            codec.loads(blob, context="wrong")
    assert codec.loads(blob, context="right") == VALUE


def test_a_guard_in_memory_is_bounded() -> None:
    guard = MemoryReplayGuard(most=2)
    assert [guard.first_time(bytes([n]), 0.0) for n in (1, 2, 1, 3, 1)] == [True, True, False, True, True]
    with pytest.raises(ValueError, match="at least"):
        MemoryReplayGuard(0)


# -- out-of-band buffers -------------------------------------------------------------------------------------


@pytest.fixture
def buffered(sp: ModuleType) -> Any:
    return sp.Codec(keys=RING)


def test_buffers_are_covered(buffered: Any) -> None:
    value = [pickle.PickleBuffer(bytearray(b"first")), pickle.PickleBuffer(b"second"), pickle.PickleBuffer(b"")]
    given: list[Any] = []
    blob = buffered.dumps(value, 5, buffer_callback=given.append)
    file = io.BytesIO()
    buffered.dump(value, file, 5, buffer_callback=lambda _: None)
    streamed = io.BytesIO()
    buffered.Pickler(streamed, 5, buffer_callback=lambda _: None).dump(value)
    buffers = [bytes(buffer.raw()) for buffer in given]
    assert buffers == [b"first", b"second", b""]

    def load_all(buffers: list[Any] | None) -> list[Any]:
        return [
            lambda: buffered.loads(blob, buffers=buffers),
            lambda: buffered.load(io.BytesIO(blob), buffers=buffers),
            lambda: buffered.load(io.BytesIO(file.getvalue()), buffers=buffers),
            lambda: buffered.loads(file.getvalue(), buffers=buffers),
            lambda: buffered.Unpickler(io.BytesIO(streamed.getvalue()), buffers=buffers).load(),
        ]

    for road in load_all(buffers):
        assert [bytes(item) for item in road()] == buffers
    for bad in ([b"First", *buffers[1:]], buffers[::-1], buffers[:2], [*buffers[:2], b"x"], None):
        for road in load_all(bad):
            with pytest.raises(SignatureError if bad is not None and len(bad) == 3 else Exception) as caught:
                road()
            assert isinstance(caught.value, (SignatureError, FormatError))
    with pytest.raises(SignatureError):
        buffered.loads(buffered.dumps(1), buffers=[b"more"])


def test_what_stays_in_band_is_covered_by_the_payload(buffered: Any) -> None:
    value = [pickle.PickleBuffer(b"inside"), pickle.PickleBuffer(b"outside")]
    blob = buffered.dumps(value, 5, buffer_callback=lambda buffer: bytes(buffer) == b"inside")
    assert buffered.verify(blob, buffers=[b"outside"]).buffers == 1
    assert buffered.loads(blob, buffers=[b"outside"]) == [b"inside", b"outside"]


def test_verified_buffers_cannot_change_any_more(buffered: Any) -> None:
    """S14: shared memory, say, whose other owner writes on."""
    blob = buffered.dumps([pickle.PickleBuffer(bytearray(b"good"))], 5, buffer_callback=lambda _: None)
    stream = io.BytesIO()
    buffered.dump([pickle.PickleBuffer(bytearray(b"good"))], stream, 5, buffer_callback=lambda _: None)
    for load in (
        lambda buffers: buffered.loads(blob, buffers=buffers),
        lambda buffers: buffered.load(io.BytesIO(stream.getvalue()), buffers=buffers),
    ):
        shared = bytearray(b"good")
        (loaded,) = load([shared])
        shared[:] = b"evil"
        assert bytes(loaded) == b"good"
        (read_only,) = load([memoryview(bytearray(b"good")).toreadonly()])
        assert memoryview(read_only).readonly


def test_buffers_of_other_shapes(buffered: Any) -> None:
    numbers = array.array("d", [1.0, 2.0])
    blob = buffered.dumps(pickle.PickleBuffer(numbers), 5, buffer_callback=lambda _: None)
    assert bytes(buffered.loads(blob, buffers=[numbers])) == numbers.tobytes()


# -- migration -----------------------------------------------------------------------------------------------


def test_unsigned_data_is_accepted_for_a_while_and_counted(sp: ModuleType, tmp_path: Path) -> None:
    clock = Clock()
    seen: list[int] = []
    until = datetime.fromtimestamp(clock.now, UTC) + timedelta(seconds=100)
    unsigned = AcceptUnsigned(until=until, on_accept=seen.append)
    codec = sp.Codec(keys=RING, clock=clock, unsigned=unsigned)
    bare = pickle.dumps(VALUE)
    (tmp_path / "file").write_bytes(bare)
    file_roads = [
        lambda: codec.loads(bare),
        lambda: codec.load(io.BytesIO(bare)),
        lambda: codec.load_file(tmp_path / "file"),
        lambda: codec.Unpickler(io.BytesIO(bare)).load(),
        lambda: codec.loads(bytearray(bare), context="any"),
    ]
    for road in file_roads:
        assert road() == VALUE
    for protocol in (0, 1, 2):
        assert codec.load(io.BytesIO(pickle.dumps([1, "two"], protocol))) == [1, "two"]
    assert unsigned.accepted == 8
    assert seen == list(range(1, 9))
    with pytest.raises(PolicyError):  # only under its policy
        codec.loads(OS)
    signed = codec.dumps(VALUE)
    assert codec.loads(signed) == codec.load(io.BytesIO(signed)) == VALUE
    assert unsigned.accepted == 9
    clock.now += 100
    for road in file_roads:
        with pytest.raises(UnsignedError):
            road()
    assert (unsigned.accepted, unsigned.refused) == (9, 5)
    assert codec.loads(signed) == VALUE


def test_a_bad_signature_is_never_taken_for_none(sp: ModuleType) -> None:
    """S05: only what does not begin as an envelope is unsigned."""
    unsigned = AcceptUnsigned(until=2e10)
    codec = sp.Codec(keys=RING, unsigned=unsigned)
    for blob in (codec.dumps(VALUE), _dumped(codec, VALUE)):
        for at in range(4, len(blob)):
            bad = blob[:at] + bytes((blob[at] ^ 1,)) + blob[at + 1 :]
            with pytest.raises(SignatureError):
                codec.loads(bad)
            with pytest.raises(SignatureError):
                codec.load(io.BytesIO(bad))
    assert unsigned.accepted == 0


def test_migration_needs_an_end_and_a_policy(sp: ModuleType) -> None:
    with pytest.raises(TypeError):
        AcceptUnsigned()  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="time zone"):
        AcceptUnsigned(until=datetime(2030, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="UNRESTRICTED"):
        sp.Codec(keys=RING, policy=UNRESTRICTED, unsigned=AcceptUnsigned(until=2e10))
    assert sp.Codec(keys=RING, policy=UNRESTRICTED)


# -- Pickler and Unpickler -----------------------------------------------------------------------------------


def test_subclasses_keep_their_hooks(codec: Any) -> None:
    class Pickler(codec.Pickler):  # type: ignore[misc,name-defined]
        def persistent_id(self, obj: Any) -> Any:
            return "the one" if obj == ["marked"] else None

    class Unpickler(codec.Unpickler):  # type: ignore[misc,name-defined]
        def persistent_load(self, pid: Any) -> Any:
            return f"<{pid}>"

    file = io.BytesIO()
    pickler = Pickler(file, context="c")
    pickler.dump([["marked"], 1])
    pickler.dump([["marked"], 2])
    file.seek(0)
    unpickler = Unpickler(file, context="c")
    assert [unpickler.load(), unpickler.load()] == [["<the one>", 1], ["<the one>", 2]]


def test_a_dump_that_fails_writes_nothing_that_verifies(codec: Any) -> None:
    file = io.BytesIO()
    for dump in (lambda: codec.dump([1, len], file), lambda: codec.Pickler(file).dump([1, len])):
        file.seek(0)
        file.truncate()
        with pytest.raises(PolicyError):
            dump()
        with pytest.raises(SignatureError):
            codec.verify(file.getvalue())


def test_pickler_and_unpickler_want_files(codec: Any) -> None:
    with pytest.raises(TypeError):
        codec.Pickler(1)
    with pytest.raises(TypeError):
        codec.Unpickler(1)


def test_signed_bytes_behind_the_pickle_are_refused(codec: Any) -> None:
    signer = Signer(RING)
    for chunk in (1, 3, 100):
        file = io.BytesIO()
        with StreamWriter(file, signer, chunk_size=chunk) as writer:
            writer.write(b"K\x01.K\x02.")
        for load in (
            lambda data: codec.load(io.BytesIO(data)),
            codec.loads,
            lambda data: codec.Unpickler(io.BytesIO(data)).load(),
        ):
            with pytest.raises(TrailingDataError):
                load(file.getvalue())
    with pytest.raises(TrailingDataError):
        codec.loads(signer.sign(b"K\x01.K\x02."))


def test_over_a_socket(codec: Any) -> None:
    """One value after another, without waiting for what has not been sent."""
    here, there = socket.socketpair()
    with here, there, here.makefile("wb") as out, there.makefile("rb") as into:
        there.settimeout(10)
        for number in range(3):
            codec.dump([number] * 1000, out, context="socket")
            out.flush()
            assert codec.load(into, context="socket", exact=False) == [number] * 1000
        out.write(codec.dumps("blob"))
        out.flush()
        assert codec.load(into, exact=False) == "blob"


def test_top_level_names() -> None:
    for public in ("Key", "KeyRing", "AcceptUnsigned", "ReplayGuard", "BadSignatureError", "UnsignedError"):
        assert hasattr(safepickle, public)
    for error in (BadSignatureError, ExpiredError, UnsignedError):
        assert issubclass(error, SignatureError)
        assert issubclass(error, pickle.UnpicklingError)
    revoked = RevokedKeyError("r", key_id="k")
    for error in (ExpiredError(5.0, 3.0), PolicyMismatchError(signed=None, expected="x"), revoked):
        again = pickle.loads(pickle.dumps(error))
        assert vars(again) == vars(error)
        assert str(again) == str(error)


def test_a_reader_is_a_file(codec: Any) -> None:
    file = io.BytesIO()
    text = b"first\nsecond\n\nlast"
    with StreamWriter(file, Signer(RING), chunk_size=4) as writer:
        assert writer.write(text[:5]) == 5
        assert writer.write(memoryview(text[5:])) == len(text) - 5
    with pytest.raises(StateError):
        writer.write(b"more")
    with pytest.raises(StateError):
        writer.cover(b"more")

    def reader() -> StreamReader:
        return StreamReader(io.BytesIO(file.getvalue()), Signer(RING))

    assert reader().read() == text
    assert list(reader()) == text.splitlines(keepends=True)
    one = reader()
    assert [one.read(3), one.read1(10), one.read1(10), one.peek(1), one.read(100), one.read(1), one.peek()] == [
        text[:3], text[3:4], text[4:8], text[8:12], text[8:], b"", b"",
    ]  # fmt: skip
    into = bytearray(7)
    assert reader().readinto(into) == 7
    assert bytes(into) == text[:7]


class OneByte:
    """A file that gives and takes a byte at a time, as a pipe may, and has nothing but that."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = data
        self.at = 0

    def read(self, size: int) -> bytes:
        piece = self.data[self.at : self.at + min(1, size)]
        self.at += len(piece)
        return piece

    def readline(self) -> bytes:
        raise AssertionError

    def write(self, data: Any) -> int:
        self.data += bytes(data[:1])
        return 1


def test_files_that_give_and_take_little(codec: Any) -> None:
    file = OneByte()
    codec.dump(VALUE, file)
    assert codec.load(OneByte(file.data)) == VALUE
    assert codec.load(OneByte(codec.dumps(VALUE))) == VALUE
    assert codec.Unpickler(OneByte(file.data)).load() == VALUE


@given(st.binary(max_size=300), st.lists(st.integers(0, 60), max_size=8), st.integers(1, 64))
def test_any_writes_give_the_same_stream(data: bytes, cuts: list[int], chunk: int) -> None:
    """Law: there is one way to write a payload as a stream, however it is handed over."""
    signer = Signer(RING, clock=Clock())
    payloads = []
    for steps in (cuts, []):
        file, at = io.BytesIO(), 0
        with StreamWriter(file, signer, chunk_size=chunk) as writer:
            for step in steps:
                writer.write(data[at : at + step])
                at += step
            writer.write(data[at:])
        lengths = [len(part) for part in _contents(file.getvalue())]
        assert all(length == chunk for length in lengths[:-1])
        assert StreamReader(io.BytesIO(file.getvalue()), signer).read() == data
        payloads.append(lengths)
    assert payloads[0] == payloads[1]


def _contents(stream: bytes) -> list[bytes]:
    at, found = 9 + stream[8] + 32 + 32, []
    while at < len(stream):
        length = int.from_bytes(stream[at + 1 : at + 5], "big")
        found.append(stream[at + 5 : at + 5 + length])
        at += 5 + length + 32
    return found


# -- found by fuzzing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_stream_in_memory_of_any_kind(kind: Any) -> None:
    codec = safepickle.Codec(keys=KeyRing.generate())
    file = io.BytesIO()
    codec.dump([1], file)
    assert codec.loads(kind(file.getvalue())) == [1]


def test_a_clock_before_1970_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="not before it"):
        safepickle.Codec(keys=KeyRing.generate(), clock=lambda: -5.0).dumps(1)


class _Bare:
    """Reads, and reads lines without a bound: pickle asks for no more."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int) -> bytes:
        return self._file.read(size)

    def readline(self) -> bytes:
        return self._file.readline()


@pytest.mark.parametrize("value", [[1], "x" * 300, 10**9, {"a": "b\n"}])
def test_unsigned_data_from_no_file(value: Any) -> None:
    accept = safepickle.AcceptUnsigned(until=datetime.now(UTC) + timedelta(days=1))
    codec = safepickle.Codec(keys=KeyRing.generate(), unsigned=accept)
    assert codec.load(_Bare(pickle.dumps(value, 0))) == value
