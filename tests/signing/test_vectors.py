"""The vectors of the envelope, read and written by the package and by the reference implementation."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import vectors.signing.make as maker
from hypothesis import given
from hypothesis import strategies as st
from signing import reference

from safepickle.errors import SignatureError
from safepickle.signing.algorithms import BY_CODE
from safepickle.signing.keys import Key, KeyRing
from safepickle.signing.signer import Signer
from safepickle.signing.streams import StreamReader, StreamWriter

FILE = Path(__file__).parents[1] / "vectors" / "signing" / "vectors.json"
VECTORS = json.loads(FILE.read_text("ascii"))


def signer_of(vector: dict[str, Any]) -> Signer:
    key = Key(vector["key_id"], bytes.fromhex(vector["secret"]), algorithm=BY_CODE[vector["algorithm"]].name)
    return Signer(
        KeyRing([key]),
        purpose=vector.get("purpose", "pickle"),
        clock=lambda: vector["created"] / 1e6 + 10,
        policy=vector.get("policy"),
    )


def context_of(vector: dict[str, Any]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(part) for part in vector.get("parts", []))


def buffers_of(vector: dict[str, Any]) -> list[bytes] | None:
    return [bytes.fromhex(buffer) for buffer in vector["buffers"]] if "buffers" in vector else None


def read(vector: dict[str, Any], message: bytes, context: tuple[bytes, ...], buffers: list[bytes] | None) -> bytes:
    signer = signer_of(vector)
    if vector["kind"] == "blob":
        return signer.open(message, context, buffers=buffers)
    reader = StreamReader(io.BytesIO(message), signer, context)
    payload = reader.read()
    assert list(reader.buffers(buffers or [])) == (buffers or [])
    return payload


def test_the_file_is_what_the_reference_writes() -> None:
    assert FILE.read_text("ascii") == maker.vectors()


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
class TestVector:
    def test_it_is_read(self, vector: dict[str, Any]) -> None:
        message = bytes.fromhex(vector["message"])
        assert read(vector, message, context_of(vector), buffers_of(vector)) == bytes.fromhex(vector["payload"])

    def test_it_is_written(self, vector: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        """With the same time and nonce, byte by byte."""
        signer = signer_of(vector)
        signer.clock = lambda: vector["created"] / 1e6
        nonce = bytes.fromhex(vector.get("nonce", ""))
        monkeypatch.setattr("os.urandom", lambda size: nonce)
        if nonce:
            signer.replay_guard = object()  # type: ignore[assignment]
        payload, context = bytes.fromhex(vector["payload"]), context_of(vector)
        not_before = vector["not_before"] / 1e6 if "not_before" in vector else None
        if vector["kind"] == "blob":
            written = signer.sign(payload, context, not_before=not_before, buffers=buffers_of(vector) or ())
        else:
            file = io.BytesIO()
            with StreamWriter(file, signer, context, chunk_size=vector["chunk"], not_before=not_before) as writer:
                for buffer in buffers_of(vector) or []:
                    writer.cover(buffer)
                writer.write(payload)
            written = file.getvalue()
        assert written.hex() == vector["message"]

    def test_another_context_purpose_or_buffer_is_refused(self, vector: dict[str, Any]) -> None:
        message, context, buffers = bytes.fromhex(vector["message"]), context_of(vector), buffers_of(vector)
        for other in ((*context, b""), context[:-1] if context else (b"x",), (b"".join(context) + b"x",)):
            with pytest.raises(SignatureError):
                read(vector, message, other, buffers)
        with pytest.raises(SignatureError):
            read({**vector, "purpose": "another"}, message, context, buffers)
        if buffers:
            for changed in ([b"y", *buffers[1:]], buffers[::-1], [*buffers, b""]):
                with pytest.raises(SignatureError):
                    read(vector, message, context, changed)


@given(
    algorithm=st.sampled_from(sorted(BY_CODE)),
    payload=st.binary(max_size=400),
    parts=st.lists(st.binary(max_size=20), max_size=3),
    buffers=st.lists(st.binary(max_size=20), max_size=3),
    chunk=st.integers(1, 100),
    purpose=st.text(min_size=1, max_size=20),
)
def test_what_the_package_writes_the_reference_reads(
    algorithm: int, payload: bytes, parts: list[bytes], buffers: list[bytes], chunk: int, purpose: str
) -> None:
    secret = maker.secret(algorithm)
    ring = KeyRing([Key(secret.id, secret.secret, algorithm=BY_CODE[algorithm].name)])
    try:
        signer = Signer(ring, purpose=purpose)
    except ValueError:
        return  # longer than a purpose may be, or not to be encoded
    blob = signer.sign(payload, tuple(parts), buffers=buffers)
    assert reference.read(secret, blob, purpose=purpose, parts=parts, buffers=buffers) == payload
    file = io.BytesIO()
    with StreamWriter(file, signer, tuple(parts), chunk_size=chunk) as writer:
        for buffer in buffers:
            writer.cover(buffer)
        writer.write(payload[:7])
        writer.write(payload[7:])
    assert reference.read(secret, file.getvalue(), purpose=purpose, parts=parts, buffers=buffers) == payload
