"""What `dumps` writes of an object loads to an equal one here and in pickle, at every protocol, also optimized.

The input is a series of choices that builds the object: plain data, sharing, cycles, values of the standard library and
instances of the canaries' classes.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from typing import Any

from fuzz import samples, terms
from fuzz.choices import ByteChoices
from fuzz.objects import Builder
from fuzz.outcomes import Finding, describe, failure, feature, outcome, same
from safepickle.errors import SafePickleError
from safepickle.inspection import optimize
from safepickle.policy.rules import UNRESTRICTED

INPUT = "choices"


def check(data: bytes) -> Any:
    """Build an object, write and read it."""
    draw = ByteChoices(data)
    protocol = draw.below(6)
    policy = terms.BOTH if draw.below(4) else UNRESTRICTED
    buffers: list[Any] | None = [] if protocol == 5 and draw.below(2) else None
    canonical = draw.chance(8) and protocol >= 4 and buffers is None
    value = Builder(draw).value()
    before = describe(value)
    options: dict[str, Any] = {} if buffers is None else {"buffer_callback": buffers.append}
    try:
        written = terms.package.dumps(
            value, protocol, policy=policy, limits=terms.LIMITS, canonical=canonical, **options
        )
    except SafePickleError as error:
        return feature(failure(error))
    except TypeError:
        if policy is not UNRESTRICTED or not _fails_in_pickle(value, protocol):
            raise
        return "fails as in pickle"
    if describe(value) != before:
        raise Finding("dumps changed the object")
    expected = outcome(lambda: pickle.loads(written, buffers=buffers))
    keywords = {"policy": policy, "limits": terms.LIMITS}
    found = outcome(lambda: terms.package.loads(written, buffers=buffers, **keywords))
    same(found, expected, f"what dumps writes loads to another value than in pickle (protocol {protocol})")
    if not canonical:
        # Canonical output puts items in an order of its own.
        _compare_with_original(found.value, before, buffers)
    if protocol >= 4 or not buffers:
        shorter = outcome(lambda: terms.package.loads(optimize(written), buffers=buffers, **keywords))
        same(found, shorter, "optimize changes the value")
    file = io.BytesIO()
    if buffers is None and not canonical:
        terms.package.dump(value, file, protocol, policy=policy, limits=terms.LIMITS)
        # Memo entries that nobody reads may differ: the compiled form counts references to know.
        same(found, outcome(lambda: terms.package.loads(file.getvalue(), **keywords)), "dump writes another value")
    _with_hooks(value, protocol, policy)
    return feature(found)


def _fails_in_pickle(value: Any, protocol: int) -> bool:
    try:
        pickle.dumps(value, protocol, buffer_callback=None if protocol < 5 else lambda _: None)
    except TypeError:
        return True
    return False


def _with_hooks(value: Any, protocol: int, policy: Any) -> None:
    """Write with a Pickler that has hooks of its own, twice into one file, and read it back."""

    class Hooked(terms.package.Pickler):  # type: ignore[misc]
        dispatch_table = copyreg.dispatch_table

        def persistent_id(self, obj: Any) -> Any:
            return "node" if type(obj) is samples.Node else None

        def reducer_override(self, obj: Any) -> Any:
            return (samples.OnlyCall, ()) if type(obj) is samples.Keyed else NotImplemented

    class Reading(terms.package.Unpickler):  # type: ignore[misc]
        def persistent_load(self, _pid: Any, /) -> Any:
            return samples.SHARED

    file = io.BytesIO()
    pickler = Hooked(file, protocol, policy=policy, limits=terms.LIMITS)
    try:
        for _ in range(2):
            pickler.dump(value)
            pickler.clear_memo()
    except SafePickleError as error:
        failure(error)
        return
    file.seek(0)
    # A reader of its own for each: under UNRESTRICTED one goes on with its memo, as pickle's does.
    first, second = (outcome(Reading(file, policy=policy, limits=terms.LIMITS).load) for _ in range(2))
    if first.error in ("PolicyError", "FormatError"):
        raise Finding(f"what a Pickler with hooks writes is refused: {first.error} in {first.opcode}", first.message)
    same(first, second, "a Pickler with hooks writes another value the second time")


def _compare_with_original(found: Any, before: Any, buffers: Any) -> None:
    # A buffer comes back as what it was a view of; iteration order and identity of leaves are not pickle's to keep.
    if buffers or any(type(part) is tuple and part[0] in ("memoryview", "PickleBuffer") for part in before):
        return
    if len(found) != len(before) or [_kind(part) for part in found] != [_kind(part) for part in before]:
        index = next((n for n, (a, b) in enumerate(zip(found, before, strict=False)) if _kind(a) != _kind(b)), -1)
        raise Finding(
            "a round trip changes the object", f"part {index}: {found[index]!a:.100} / {before[index]!a:.100}"
        )


def _kind(part: Any) -> Any:
    return part if type(part) is str else part[0]
