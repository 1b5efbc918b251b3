"""Nothing is kept after a load: reference counts of shared objects and the number of blocks stay as they were."""

from __future__ import annotations

import gc
import sys
from typing import Any

from fuzz import samples, terms
from fuzz.oracles import check_references
from fuzz.outcomes import feature, outcome
from fuzz.terms import TERMS

INPUT = "stream"

_frozen: list[bool] = []
#: Objects of the application that streams may reach.
_REACHED = (samples.SHARED, samples.QUEUE, samples.REGISTRY, samples.Node, samples.act)


def check(data: bytes) -> Any:
    """Load *data* again and again."""
    if not _frozen:
        # What there is by now never becomes garbage: collecting is quick.
        _frozen.append(True)
        gc.collect()
        gc.freeze()
    one = TERMS[1 + sum(data) % 2]

    def load() -> Any:
        return terms.load(data, one)

    try:
        check_references(load, (data, one.policy, *_REACHED))
    finally:
        samples.disturbed()
    return feature(outcome(load)), sys.implementation.name
