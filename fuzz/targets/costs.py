"""A load takes no more memory than its limit and its input account for, and no more time than its work does.

Memory is what the interpreter's allocators give out, at its peak; time is the processor's.
"""

from __future__ import annotations

from typing import Any

from fuzz import samples, terms
from fuzz.oracles import least_seconds, measured
from fuzz.outcomes import Finding
from fuzz.terms import TERMS
from safepickle.limits import Limits

INPUT = "stream"

#: What is measured: 4 MiB to spend.
LIMITS = Limits(
    max_bytes="1 MiB",
    max_opcodes=100_000,
    max_memory="4 MiB",
    max_hash_work=200_000,
    max_seconds=20,
    max_int_bits=14_284,
)
#: What a load may take at most beside its limit: the machine itself, the error, and what an estimate is wrong by.
MOST_BYTES = 2 * (4 << 20) + (1 << 20)
#: Bytes of the input are copied, decoded and held in lists.
BYTES_PER_BYTE = 64
#: Of one load, in seconds: the hash work and the opcodes allowed, on a slow machine.
SECONDS, SECONDS_PER_BYTE = 0.4, 0.0002


def check(data: bytes) -> Any:
    """Load *data* under measurement."""
    sizes = []
    for one in TERMS[1:]:

        def load(one: Any = one) -> Any:
            return terms.load(data, one, LIMITS)

        peak, seconds = measured(load)
        allowed = MOST_BYTES + BYTES_PER_BYTE * len(data)
        if peak > allowed:
            raise Finding("memory beyond the limit", f"{peak} bytes for {len(data)} of input, {allowed} allowed")
        # Tracing memory slows a load down several times over.
        enough = SECONDS + SECONDS_PER_BYTE * len(data)
        if seconds > enough and least_seconds(load, enough) > enough:
            raise Finding("time out of proportion", f"{seconds:.2f} s for {len(data)} bytes, {enough:.2f} allowed")
        sizes.append((peak // (len(data) + 64)).bit_length())
        samples.disturbed()
    return tuple(sizes)
