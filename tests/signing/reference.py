"""The envelope once more, written from docs/envelope.md alone and sharing nothing with the package.

It is simple rather than safe: assertions where a reader would raise errors.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import NamedTuple

TAGS = {1: 32, 2: 64, 3: 32}
KEYS = {1: 32, 2: 64, 3: 32}


class Secret(NamedTuple):
    id: str
    algorithm: int
    secret: bytes


def u(number: int, size: int) -> bytes:
    return number.to_bytes(size, "big")


def hkdf(secret: bytes, info: bytes, length: int) -> bytes:
    prk = hmac.new(b"safepickle/signing/1", secret, hashlib.sha256).digest()
    out, block, count = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + u(count, 1), hashlib.sha256).digest()
        out += block
        count += 1
    return out[:length]


def mac(key: Secret, kind: int, purpose: str, message: bytes) -> bytes:
    info = u(key.algorithm, 1) + u(kind, 1) + purpose.encode()
    derived = hkdf(key.secret, info, KEYS[key.algorithm])
    if key.algorithm == 1:
        return hmac.new(derived, message, hashlib.sha256).digest()
    if key.algorithm == 2:
        return hmac.new(derived, message, hashlib.sha512).digest()
    return hashlib.blake2b(message, key=derived, digest_size=32).digest()


def context(parts: Sequence[bytes]) -> bytes:
    return u(len(parts), 4) + b"".join(u(len(part), 8) + part for part in parts)


def header(
    kind: int,
    key: Secret,
    created: int,
    size: int,
    *,
    not_before: int | None = None,
    policy: bytes | None = None,
    nonce: bytes | None = None,
    buffers: int = 0,
) -> bytes:
    flags = (not_before is not None) + 2 * (policy is not None) + 4 * (nonce is not None) + 8 * bool(buffers)
    out = b"\xf5SPK" + bytes((1, kind, key.algorithm, flags, len(key.id))) + key.id.encode()
    out += u(created, 8) + u(size, 8)
    if not_before is not None:
        out += u(not_before, 8)
    out += (policy or b"") + (nonce or b"")
    return out + (u(buffers, 4) if buffers else b"")


def write_blob(
    key: Secret,
    payload: bytes,
    *,
    purpose: str = "pickle",
    parts: Sequence[bytes] = (),
    created: int,
    buffers: Sequence[bytes] = (),
    **fields,
) -> bytes:
    head = header(1, key, created, len(payload), buffers=len(buffers), **fields)
    covered = b"".join(u(len(buffer), 8) + buffer for buffer in buffers)
    return head + payload + mac(key, 1, purpose, context(parts) + head + payload + covered)


def write_stream(
    key: Secret,
    payload: bytes,
    *,
    purpose: str = "pickle",
    parts: Sequence[bytes] = (),
    created: int,
    chunk: int,
    nonce: bytes,
    buffers: Sequence[bytes] = (),
    **fields,
) -> bytes:
    head = header(2, key, created, chunk, nonce=nonce, **fields)
    ht = mac(key, 2, purpose, b"\0" + context(parts) + head)
    out, number = head + ht, 0

    def put(kind: int, content: bytes) -> None:
        nonlocal out, number
        front = u(kind, 1) + u(len(content), 4)
        out += front + content + mac(key, 2, purpose, b"\1" + ht + u(number, 8) + front + content)
        number += 1

    for index, buffer in enumerate(buffers):
        covered = mac(key, 2, purpose, b"\2" + ht + u(index, 8) + u(len(buffer), 8) + buffer)
        put(2, u(len(buffer), 8) + covered)
    pieces = [payload[at : at + chunk] for at in range(0, len(payload), chunk)] or [b""]
    for piece in pieces[:-1]:
        put(0, piece)
    put(1, pieces[-1])
    return out


def read(
    key: Secret, data: bytes, *, purpose: str = "pickle", parts: Sequence[bytes] = (), buffers: Sequence[bytes] = ()
) -> bytes:
    """Return the payload of a blob or a stream, or fail an assertion."""
    assert data[:5] == b"\xf5SPK\x01"
    kind, algorithm, flags, length = data[5:9]
    assert algorithm == key.algorithm
    assert data[9 : 9 + length] == key.id.encode()
    size = int.from_bytes(data[17 + length : 25 + length], "big")
    end = 25 + length + 8 * (flags & 1) + 8 * (flags & 2) + 4 * (flags & 4) + (4 if flags & 8 else 0)
    head, tag_size = data[:end], TAGS[algorithm]
    if kind == 1:
        payload, tag = data[end : len(data) - tag_size], data[len(data) - tag_size :]
        assert len(payload) == size
        assert (int.from_bytes(head[-4:], "big") if flags & 8 else 0) == len(buffers)
        covered = b"".join(u(len(buffer), 8) + buffer for buffer in buffers)
        assert tag == mac(key, 1, purpose, context(parts) + head + payload + covered)
        return payload
    ht = data[end : end + tag_size]
    assert ht == mac(key, 2, purpose, b"\0" + context(parts) + head)
    at, number, index, payload, last = end + tag_size, 0, 0, b"", False
    while not last:
        front = data[at : at + 5]
        length = int.from_bytes(front[1:], "big")
        content = data[at + 5 : at + 5 + length]
        tag = data[at + 5 + length : at + 5 + length + tag_size]
        assert tag == mac(key, 2, purpose, b"\1" + ht + u(number, 8) + front + content)
        at += 5 + length + tag_size
        number += 1
        if front[0] == 2:
            covered = mac(key, 2, purpose, b"\2" + ht + u(index, 8) + u(len(buffers[index]), 8) + buffers[index])
            assert content == u(len(buffers[index]), 8) + covered
            index += 1
            continue
        last = front[0] == 1
        assert front[0] in (0, 1)
        assert len(content) <= size if last else len(content) == size
        payload += content
    assert at == len(data)
    return payload
