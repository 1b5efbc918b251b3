"""Whatever is done to a signed message, it is a SignatureError, and no opcode runs on a byte that was not verified."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signing.counting import counting

from safepickle.errors import BadSignatureError, SignatureError, UnknownKeyError
from safepickle.signing.keys import KeyRing
from safepickle.signing.signer import Signer
from safepickle.signing.streams import InMemory, StreamReader, StreamWriter, verify_file

VALUE = {"id": 42, "name": "tampered", "list": [1, 2.5, None, True], "more": ("x", b"y")}
PAYLOAD = pickle.dumps(VALUE, 3)  # without frames: a machine begins a frame only when it has all of it
CONTEXT = "user:42"
RING = KeyRing.generate("k1")


def damaged(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the place and the message for every byte: each bit flipped, left out, doubled, cut off there, cut out."""
    for at in range(len(data)):
        byte = data[at]
        for bit in range(8):
            yield at, data[:at] + bytes((byte ^ 1 << bit,)) + data[at + 1 :]
        yield at, data[:at] + data[at + 1 :]
        yield at, data[:at] + data[at : at + 1] + data[at:]
        yield at, data[:at]
        yield at, data[:at] + b"\0" + data[at:]
    yield len(data), data + b"\0"
    yield len(data), data + b"."
    yield len(data), data + data


def refused(at: int, load: Callable[..., object], data: object) -> None:
    """Check that a message that was damaged at a byte is refused as it should be."""
    try:
        load(data, context=CONTEXT)
    except SignatureError:
        return
    pytest.fail(f"accepted, changed at byte {at}")


@pytest.mark.parametrize("algorithm", ["hmac-sha256", "blake2b"])
def test_every_damage_to_a_blob_is_refused_before_any_opcode(sp: ModuleType, algorithm: str) -> None:
    codec = sp.Codec(keys=KeyRing.generate("k1", algorithm=algorithm))
    blob = codec.dumps(VALUE, context=CONTEXT)
    with counting(sp) as counts:
        assert codec.loads(blob, context=CONTEXT) == VALUE
        assert counts.opcodes > 10  # the counter counts
    with counting(sp) as counts:
        for at, bad in damaged(blob):
            refused(at, codec.loads, bad)
            refused(at, codec.load, io.BytesIO(bad))
        assert counts.opcodes == 0


def three_chunks(codec_keys: KeyRing = RING, context: str | None = CONTEXT, purpose: str = "pickle") -> bytes:
    file = io.BytesIO()
    with StreamWriter(file, Signer(codec_keys, purpose=purpose), context, chunk_size=len(PAYLOAD) // 3 + 1) as writer:
        writer.write(PAYLOAD)
    return file.getvalue()


def chunk_ends(data: bytes) -> list[tuple[int, int]]:
    """Return for each chunk of a stream where it ends in the file, and how much of the payload it completes."""
    size = len(PAYLOAD) // 3 + 1
    at = 9 + data[8] + 8 + 8 + 16 + 32
    ends, done = [], 0
    while at < len(data):
        length = int.from_bytes(data[at + 1 : at + 5], "big")
        at += 5 + length + 32
        done += length
        ends.append((at, done))
    assert len(ends) == 3
    assert [done for _, done in ends] == [size, 2 * size, len(PAYLOAD)]
    return ends


def test_no_damage_to_a_stream_lets_an_opcode_run_on_an_unverified_byte(sp: ModuleType) -> None:
    codec = sp.Codec(keys=RING)
    stream = three_chunks()
    ends = chunk_ends(stream)
    assert codec.load(io.BytesIO(stream), context=CONTEXT) == VALUE
    starts = [position for _, _, position in pickletools.genops(PAYLOAD)]
    ran = 0
    for at, bad in damaged(stream):
        # A byte that is doubled is the same up to its second copy.
        same = next((n for n, (a, b) in enumerate(zip(bad, stream)) if a != b), min(len(bad), len(stream)))
        verified = max((done for end, done in ends[:2] if end <= same), default=0)
        with counting(sp) as counts:
            refused(at, codec.load, io.BytesIO(bad))
            # The machine counts the opcode whose byte it asks for, and did not get: that one did not run.
            begun = sum(1 for start in starts if start < verified)
            assert counts.opcodes <= begun + 1, at
            assert counts.position <= verified, at
            if not verified:
                assert counts.position == 0, at
            ran = max(ran, counts.opcodes)
        refused(at, codec.verify, io.BytesIO(bad))
        refused(at, codec.loads, bad)
    assert ran > 5  # the verified chunks before the damage are really being read


def test_bytes_behind_the_last_chunk_are_found_before_it_is_read(sp: ModuleType) -> None:
    codec = sp.Codec(keys=RING)
    stream = three_chunks()
    with counting(sp) as counts:
        with pytest.raises(BadSignatureError, match="follow"):
            codec.load(io.BytesIO(stream + b"x"), context=CONTEXT)
        assert counts.position <= chunk_ends(stream)[1][1]


def pieces(stream: bytes) -> list[bytes]:
    """Return the header and the chunks of a stream."""
    cuts = [9 + stream[8] + 8 + 8 + 16 + 32, *(end for end, _ in chunk_ends(stream))]
    return [stream[:cuts[0]], *(stream[a:b] for a, b in pairwise(cuts))]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), max_size=6))
def test_chunks_of_two_streams_cannot_be_put_together(order: list[tuple[str, int]]) -> None:
    """Law: of all sequences of the pieces of two streams, only the two streams themselves verify."""
    parts = {"a": pieces(SPLICED[0]), "b": pieces(SPLICED[1])}
    signer = Signer(RING)
    data = b"".join(parts[which][number] for which, number in order)
    if data in SPLICED:
        assert verify_file(io.BytesIO(data), signer, CONTEXT)
        return
    with pytest.raises(SignatureError):
        verify_file(io.BytesIO(data), signer, CONTEXT)


SPLICED = [three_chunks(), three_chunks()]


def test_the_two_streams_of_the_law_verify() -> None:
    assert SPLICED[0] != SPLICED[1]  # of the same payload: the nonces differ
    for stream in SPLICED:
        assert verify_file(io.BytesIO(stream), Signer(RING), CONTEXT)
        assert b"".join(pieces(stream)) == stream


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_signature_error(data: bytes) -> None:
    signer = Signer(RING)
    for bad in (data, b"\xf5SPK" + data, b"\xf5SPK\1\1\1\0\2k1" + data, b"\xf5SPK\1\2\1\4\2k1" + data):
        with pytest.raises(SignatureError):
            signer.open(bad)
        with pytest.raises(SignatureError):
            verify_file(io.BytesIO(bad), signer)
        with pytest.raises(SignatureError):
            StreamReader(io.BytesIO(bad), signer)


def test_a_blob_is_no_stream_and_no_chunk_a_blob() -> None:
    """The kinds have keys of their own: the bytes of the one never verify as the other."""
    signer = Signer(RING)
    blob = signer.sign(PAYLOAD)
    stream = three_chunks(context=None)
    for data in (blob, stream):
        other = bytearray(data)
        other[5] ^= 3
        with pytest.raises(SignatureError):
            signer.open(bytes(other))
        with pytest.raises(SignatureError):
            verify_file(io.BytesIO(other), signer)
    with pytest.raises(SignatureError):
        signer.open(stream)


def test_the_algorithm_belongs_to_the_key() -> None:
    """S06: a message cannot choose one, not even one with tags of the same length."""
    ring = KeyRing.generate("k1", algorithm="hmac-sha256")
    blob = bytearray(Signer(ring).sign(PAYLOAD))
    for code in (0, 2, 3, 4, 255):
        blob[6] = code
        with pytest.raises(BadSignatureError):
            Signer(ring).open(bytes(blob))
    secret = next(iter(ring))._secret
    other = KeyRing([type(next(iter(ring)))("k1", secret, algorithm="blake2b")])
    with pytest.raises(BadSignatureError):
        Signer(ring).open(Signer(other).sign(PAYLOAD))


def test_a_shortened_tag_is_refused() -> None:
    """S10."""
    signer = Signer(RING)
    blob = signer.sign(PAYLOAD)
    for cut in range(1, 33):
        with pytest.raises(BadSignatureError):
            signer.open(blob[:-cut])


def test_an_unknown_key_is_said_to_be_unknown() -> None:
    with pytest.raises(UnknownKeyError) as caught:
        Signer(KeyRing.generate("other")).open(Signer(RING).sign(b""))
    assert caught.value.key_id == "k1"


def test_damage_to_a_long_stream_is_found_without_loading() -> None:
    signer = Signer(RING)
    file = io.BytesIO()
    with StreamWriter(file, signer, chunk_size=10) as writer:
        for number in range(12):
            writer.write(b"%09d" % number)
            if number % 5 == 0:
                writer.cover(b"a buffer")
    stream = file.getvalue()
    for data in (io.BytesIO(stream), InMemory(stream)):
        assert verify_file(data, signer).size == 10
    for _, bad in damaged(stream):
        with pytest.raises(SignatureError):
            verify_file(io.BytesIO(bad), signer)
        with pytest.raises(SignatureError):
            verify_file(InMemory(bad), signer)


class Generous:
    """A file that gives more than it is asked for, or what it can still change."""

    def __init__(self, data: bytes, more: int) -> None:
        self.file = io.BytesIO(data)
        self.more = more

    def read(self, size: int) -> bytearray:
        return bytearray(self.file.read(size + self.more))


def test_what_a_file_can_still_change_is_copied() -> None:
    signer, stream = Signer(RING), three_chunks(context=None)
    assert StreamReader(Generous(stream, 0), signer).read() == PAYLOAD
    with pytest.raises(SignatureError):
        verify_file(Generous(stream, 1), signer)


def test_an_empty_last_chunk_is_for_empty_streams_only() -> None:
    """There is one way to write a stream: signed by the same key, another way is refused all the same."""
    signer = Signer(RING)
    for count in (1, 20):
        file = io.BytesIO()
        writer = StreamWriter(file, signer, chunk_size=4)
        for _ in range(count):
            writer._put(0, b"four")
        writer._put(1, b"")
        with pytest.raises(BadSignatureError):
            verify_file(io.BytesIO(file.getvalue()), signer)
        with pytest.raises(BadSignatureError):
            StreamReader(io.BytesIO(file.getvalue()), signer).read()
    for kind, content in ((0, b"two"), (1, b"five5"), (2, b"short"), (3, b"four")):
        file = io.BytesIO()
        writer = StreamWriter(file, signer, chunk_size=4)
        writer._put(kind, content)
        writer._put(1, b"end")
        with pytest.raises(BadSignatureError):
            verify_file(io.BytesIO(file.getvalue()), signer)
