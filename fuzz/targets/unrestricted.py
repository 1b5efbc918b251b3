"""Under UNRESTRICTED a stream does what pickle does: the same value, the same calls, or a refusal where pickle refuses.

The globals of a stream are the canaries' and a few of Python's own, by exact names; a stream that asks for any other
ends there, in all three. What was recorded by the canaries is compared too, and classes are put right afterwards.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

from fuzz import samples, terms
from fuzz.assembly import op
from fuzz.outcomes import Finding, describe
from safepickle.errors import LimitError, TruncatedError
from safepickle.policy.rules import UNRESTRICTED

INPUT = "stream"

#: Globals that are handed out: whatever is done with them stays in this process and can be put right.
_OPEN = frozenset({
    *((samples.__name__, name) for name in samples.RIGHTS if name not in ("reexported", "library", "words.Template")),
    (samples.__name__, "act"), (samples.__name__, "Outer.method"),
    *(("builtins", name) for name in ("set", "frozenset", "list", "tuple", "dict", "object", "complex", "slice",
      "Ellipsis", "NotImplemented", "ValueError", "str")),
    ("collections", "OrderedDict"), ("copyreg", "_reconstructor"), ("copyreg", "__newobj__"),
    ("copyreg", "__newobj_ex__"), ("_codecs", "encode"),
})  # fmt: skip
#: Longest input: nothing is bounded by a policy here, and each is loaded three times.
MOST = 2_000


class Outside(Exception):
    """A stream asks for a global that is not handed out."""


class _Hooks:
    """What the three unpicklers have in common."""

    outside = False

    def find_class(self, module: str, name: str, /) -> Any:
        """Hand out what is open, under its present name and Python 2's."""
        pair = (module, name)
        if module in ("__builtin__", "copy_reg"):
            pair = ({"__builtin__": "builtins", "copy_reg": "copyreg"}[module], name)
        if pair not in _OPEN:
            self.outside = True
            raise Outside
        return super().find_class(module, name)  # type: ignore[misc]

    def persistent_load(self, pid: Any, /) -> Any:
        """Give something for every id."""
        return samples.SHARED if pid == "node" else ["pid", type(pid).__name__]


class _InC(_Hooks, pickle.Unpickler):
    pass


class _InPython(_Hooks, pickle._Unpickler):
    pass


def check(data: bytes) -> Any:
    """Load *data* in all three."""
    if len(data) > MOST:
        return "longer than is loaded here"
    if any(op(code, samples.CACHED) in data for code in ("EXT1", "EXT2", "EXT4")):
        # copyreg's cache is not consulted, which other loads may have filled.
        return "an extension of the cache alone"

    class Ours(_Hooks, terms.package.Unpickler):  # type: ignore[misc]
        pass

    options = {"encoding": "latin1", "buffers": terms.buffers()} if len(data) % 2 else {"buffers": terms.buffers()}
    try:
        mine = _loaded(lambda: Ours(io.BytesIO(data), policy=UNRESTRICTED, limits=terms.LIMITS, **options))
        if mine[0] in ("outside", "limit"):
            return mine[0]
        _compare(data, options, mine)
        if not mine[0]:
            _whole(data, options, mine)
    finally:
        samples.restore()
    return mine[0] or "value", str(mine[1])[:60] if mine[0] else len(mine[1]).bit_length()


def _compare(data: bytes, options: dict[str, Any], mine: tuple[Any, ...]) -> None:
    """Hold a result to be that of one of pickle's unpicklers: they differ here and there, by file too."""
    found = []
    for reader, make in _READERS:
        theirs = _loaded(partial(reader, make(data), **{**options, "buffers": terms.buffers()}))
        if theirs == mine:
            return
        found.append(theirs)
    cause = f"{mine[0] or 'a value'} where pickle gives {' or '.join(sorted({one[0] or 'a value' for one in found}))}"
    raise Finding(cause, f"{mine!a:.300} / {found[0]!a:.300}")


_READERS: tuple[tuple[Any, Any], ...] = (
    (_InC, io.BytesIO),
    (_InPython, io.BytesIO),
    (_InC, lambda data: io.BufferedReader(io.BytesIO(data), 1 << 16)),
)


def _loaded(make: Callable[[], Any]) -> tuple[Any, ...]:
    """Return what came of a load, and what the canaries recorded."""
    samples.restore()
    unpickler = make()
    try:
        value = unpickler.load()
    except LimitError:
        return ("limit",)
    except Exception as error:
        return ("outside",) if unpickler.outside else ("error", _kind(error), tuple(samples.RECORD))
    return ("", describe(value), tuple(samples.RECORD))


def _kind(error: Exception) -> str:
    return "error"


def _whole(data: bytes, options: dict[str, Any], mine: tuple[Any, ...]) -> None:
    """The functions are the Unpickler without hooks: what needs none gives the same."""
    if b"Q" in data or b"P" in data:
        return
    samples.restore()
    cut = data[: data.rindex(b".") + 1]
    try:
        rest = terms.package.loads(
            cut, policy=UNRESTRICTED, limits=terms.LIMITS, **{**options, "buffers": terms.buffers()}
        )
    except TruncatedError:
        if len(cut) == len(data):
            raise
        return  # its last frame goes on behind the end
    if describe(rest) != mine[1]:
        raise Finding("loads gives another value than an Unpickler under UNRESTRICTED", data.hex()[:200])
