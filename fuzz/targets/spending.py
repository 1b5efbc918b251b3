"""What is written under limits is within them, measured anew, and loads under the same; or it is a LimitError.

The input is a series of choices: an object, limits of which one is tight, a protocol, and a way to write.
"""

from __future__ import annotations

import io
from typing import Any

from fuzz import samples, terms
from fuzz.choices import ByteChoices
from fuzz.objects import Builder
from fuzz.oracles import check_within
from fuzz.outcomes import Finding, failure, feature, outcome
from safepickle.errors import LimitError, SafePickleError

INPUT = "choices"

_TIGHT: tuple[dict[str, Any], ...] = (
    {"max_bytes": 60}, {"max_bytes": 5000}, {"max_opcodes": 12}, {"max_opcodes": 60}, {"max_depth": 2},
    {"max_depth": 40}, {"max_memo": 2}, {"max_objects": 3}, {"max_items": 2}, {"max_items": 40}, {"max_string": 4},
    {"max_string": 400}, {"max_int_bits": 9}, {"max_int_bits": 200}, {"max_calls": 1}, {"max_calls": 4},
)  # fmt: skip


def check(data: bytes) -> Any:
    """Write under a tight limit and measure."""
    draw = ByteChoices(data)
    tight = draw.pick(_TIGHT)
    limits = terms.LIMITS.replace(**tight)
    protocol = draw.below(6)
    road = draw.below(4)
    value = Builder(draw, odd=True).value()
    try:
        if road == 0:
            file = io.BytesIO()
            terms.package.Pickler(file, protocol, policy=terms.BOTH, limits=limits).dump(value)
            written = file.getvalue()
        else:
            written = terms.package.dumps(value, protocol, policy=terms.BOTH, limits=limits)
    except LimitError as error:
        if error.limit not in tight and error.limit not in _WIDE:
            raise Finding(f"a limit that is wide is met: {error.limit}", str(error)) from error
        return "limit", next(iter(tight)), error.limit
    except SafePickleError as error:
        return feature(failure(error))
    finally:
        samples.restore()
    found = outcome(lambda: terms.package.loads(written, policy=terms.BOTH, limits=limits))
    samples.restore()
    if found.error == "LimitError" and not any(word in found.message for word in ("max_hash_work", "max_memory")):
        raise Finding(
            f"dumps writes what loads refuses by the same limit: {next(iter(tight))}", f"{found.message} {protocol}"
        )
    check_within(written, None, limits)
    return next(iter(tight)), tight[next(iter(tight))], bool(found.error)


#: Limits that every object may meet: they are no wider than the builder's largest.
_WIDE = frozenset({"max_depth", "max_bytes", "max_objects", "max_string", "max_int_bits", "max_opcodes", "max_items"})
