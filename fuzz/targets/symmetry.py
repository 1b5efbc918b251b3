"""What `dumps` writes under a policy loads under that policy, whatever an object's `__reduce_ex__` returns.

The input is a series of choices that builds an object with a hostile reducer. `dumps` refuses it,
or writes what the same
policy takes; and nothing acts while it is written or read.
"""

from __future__ import annotations

import copyreg
import pickle
from typing import Any

from fuzz import samples, terms
from fuzz.choices import ByteChoices, Choices
from fuzz.objects import Builder
from fuzz.oracles import watched
from fuzz.outcomes import Finding, failure, feature, outcome
from safepickle.errors import SafePickleError
from safepickle.policy.rules import UNRESTRICTED

INPUT = "choices"

_CALLEES: tuple[Any, ...] = (
    samples.Node, samples.act, samples.OnlyNew, samples.OnlyCall, samples.Listed, samples.Mapped, samples.fail,
    samples.lend, getattr, set, int, bytearray, pickle.loads, samples.Outer.Inner, samples.Argued, samples.Equal(),
    None,
    samples.OnlyBuild, complex, samples.grow,
)  # fmt: skip


_COPYREG: Any = copyreg
_HELPERS: tuple[Any, ...] = (_COPYREG.__newobj__, _COPYREG.__newobj_ex__, _COPYREG._reconstructor)


def reduced(draw: Choices, builder: Builder) -> Any:
    """Return what a `__reduce_ex__` could return."""
    kind = draw.below(12)
    if kind == 0:
        return draw.pick(("Node", "act", "Outer.Inner", "missing", "", "library.path", "a\nb"))
    if kind == 1:
        return draw.pick((None, 5, (), (1,), (1,) * 7, ("x", 1)))
    func = draw.pick(_HELPERS) if kind == 2 else draw.pick(_CALLEES)
    args: Any = tuple(builder.value() for _ in range(draw.below(3)))
    if kind == 2:
        args = draw.pick((
            (samples.Reduced,), (samples.Reduced, (), {}), (samples.Node, object, None), (), (samples.Reduced, (),
            {1: 2}),
            (samples.Reduced, [], {}), (samples.Listed, list, [1]), (1, 2, 3),
        ))  # fmt: skip
    parts = [func, args if draw.below(9) else list(args)]
    for extra in (
        builder.value,
        lambda: iter([builder.value()]),
        lambda: iter([(1, builder.value())]),
        lambda: draw.pick(_CALLEES),
    ):
        if draw.below(3) == 0:
            parts += [None] * (draw.below(2))
        if draw.below(2):
            parts.append(extra())
    return tuple(parts[: 2 + draw.below(5)])


def check(data: bytes) -> Any:
    """Build, write and read it."""
    draw = ByteChoices(data)
    protocol = draw.below(6)
    builder = Builder(draw, odd=True)
    hostile = samples.Reduced(reduced(draw, builder))
    value = draw.pick(([hostile], {"key": hostile}, (hostile, hostile), hostile))
    with watched("a dump"):
        try:
            written = terms.package.dumps(value, protocol, policy=terms.BOTH, limits=terms.LIMITS)
        except SafePickleError as error:
            return feature(failure(error))
        except RecursionError as error:
            raise Finding("dumps recurses") from error
    with watched("a load of what was dumped"):
        found = outcome(lambda: terms.package.loads(written, policy=terms.BOTH, limits=terms.LIMITS))
    if found.error == "PolicyError":
        raise Finding("dumps wrote what loads denies under the same policy", f"{found.message} {written.hex()}")
    # A call that fails is no matter of the policy's, and what a callee would hash is its own.
    if found.error and found.error not in ("ReconstructionError", "LimitError") and "unhashable" not in found.message:
        raise Finding(
            f"dumps wrote what loads refuses: {found.error} in {found.opcode}", f"{found.message} {written.hex()}"
        )
    return feature(found)


#: Kept for readers of a finding: the policy that writes anything.
ANYTHING = UNRESTRICTED
