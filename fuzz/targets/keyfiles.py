"""Any text is a key ring that writes itself back, or a KeyRingError that shows nothing of a secret."""

from __future__ import annotations

import re
from typing import Any

from fuzz.oracles import watched
from fuzz.outcomes import Finding, failure
from safepickle.errors import KeyRingError
from safepickle.signing.keyfiles import format_ring, parse_ring

INPUT = "text"

#: What could be a secret in base64.
_SECRET = re.compile(rb"[A-Za-z0-9+/]{24,}")


def check(data: bytes) -> Any:
    """Read *data* as a key file."""
    with watched("reading keys"):
        try:
            ring = parse_ring(data, source="keys")
        except KeyRingError as error:
            message = failure(error).message
            if any(found[0][:24].decode() in message for found in _SECRET.finditer(data)):
                raise Finding("a message holds what may be a secret", message) from error
            return type(error).__name__, re.sub(r"[0-9]+|'[^']*'", "", message)[:60]
        text = format_ring(ring)
    if parse_ring(text, source=None) != ring or format_ring(parse_ring(text, source=None)) != text:
        raise Finding("a ring is not what its own file says")
    if sum(key.state == "signing" for key in ring) > 1 or len({key.id for key in ring}) != len(ring):
        raise Finding("a file makes several keys sign, or names one twice")
    return "ring", len(ring)
