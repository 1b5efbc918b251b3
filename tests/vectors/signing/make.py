"""Writes vectors.json with the reference implementation: `python tests/vectors/signing/make.py`. A test compares."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from signing import reference  # noqa: E402

CREATED = 1_700_000_000_123_456
NONCE = bytes(range(16))
POLICY = bytes.fromhex("00112233445566778899aabbccddeeff")
VALUE = {"id": 42, "name": "vector", "tags": ["a", "b"]}


def secret(algorithm: int) -> reference.Secret:
    """Return the fixed key of an algorithm."""
    content = bytes((algorithm * 7 + 11 * number) % 256 for number in range(reference.KEYS[algorithm]))
    return reference.Secret(f"vector-{algorithm}", algorithm, content)


def cases() -> list[dict]:
    """Return what is written, as keyword arguments."""
    payload = pickle.dumps(VALUE, 4)
    found = []
    for algorithm in (1, 2, 3):
        found += [
            {"kind": "blob", "algorithm": algorithm, "payload": payload},
            {"kind": "stream", "algorithm": algorithm, "payload": payload, "chunk": 16},
        ]
    found += [
        {"kind": "blob", "algorithm": 1, "payload": b""},
        {"kind": "blob", "algorithm": 1, "payload": payload, "parts": [b"user:42"], "purpose": "cache"},
        {"kind": "blob", "algorithm": 1, "payload": payload, "parts": [b"ab", b"", "naïve".encode()]},
        {"kind": "blob", "algorithm": 1, "payload": payload, "not_before": CREATED + 5_000_000},
        {"kind": "blob", "algorithm": 3, "payload": payload, "policy": POLICY, "nonce": NONCE},
        {"kind": "blob", "algorithm": 1, "payload": payload, "buffers": [b"first", b"", b"third" * 9]},
        {"kind": "stream", "algorithm": 1, "payload": b"", "chunk": 8},
        {"kind": "stream", "algorithm": 1, "payload": payload, "chunk": len(payload)},
        {"kind": "stream", "algorithm": 1, "payload": payload, "chunk": len(payload) // 3 + 1, "parts": [b"queue"]},
        {"kind": "stream", "algorithm": 2, "payload": payload, "chunk": 1 << 18, "policy": POLICY, "not_before": 1},
        {"kind": "stream", "algorithm": 3, "payload": payload, "chunk": 20, "buffers": [b"x" * 50, b""]},
    ]
    return found


def message(case: dict) -> bytes:
    """Write a case with the reference implementation."""
    fields = {name: value for name, value in case.items() if name not in ("kind", "algorithm", "payload")}
    key = secret(case["algorithm"])
    if case["kind"] == "stream":
        return reference.write_stream(key, case["payload"], created=CREATED, nonce=NONCE, **fields)
    return reference.write_blob(key, case["payload"], created=CREATED, **fields)


def vectors() -> str:
    """Return the file's text."""

    def plain(value: object) -> object:
        if isinstance(value, bytes):
            return value.hex()
        return [plain(item) for item in value] if isinstance(value, list) else value

    rows = []
    for case in cases():
        key = secret(case["algorithm"])
        row = {name: plain(value) for name, value in case.items()}
        row |= {"key_id": key.id, "secret": key.secret.hex(), "created": CREATED, "message": message(case).hex()}
        if case["kind"] == "stream":
            row["nonce"] = NONCE.hex()
        rows.append(row)
    return json.dumps(rows, indent=1) + "\n"


if __name__ == "__main__":
    (HERE / "vectors.json").write_text(vectors(), encoding="ascii")
