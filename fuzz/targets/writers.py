"""A Pickler with hooks of any kind writes what pickle's would: the same value, the same ids, or a refusal.

The input is a series of choices: an object, a protocol, hooks, a file, and what is done with the Pickler in between.
Under UNRESTRICTED the same is done with pickle's own. Under a policy what is written loads under it.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Callable
from typing import Any

from fuzz import samples, terms
from fuzz.choices import ByteChoices, Choices
from fuzz.objects import Builder
from fuzz.outcomes import Finding, describe, failure
from safepickle.errors import EncodingError, LimitError, PolicyError, SafePickleError, StateError
from safepickle.policy.rules import PLAIN, UNRESTRICTED

INPUT = "choices"

#: Ids that a hook may give.
_IDS: tuple[Any, ...] = ("id", 5, ("t", 1), "a\nb", "\u20ac", b"id", [1], 1.5, ("t", ["x"]), samples.Node)
#: What a reducer may return, given the object.
_REDUCED: tuple[Callable[[Any], Any], ...] = (
    lambda obj: NotImplemented,
    lambda obj: (samples.remade, (1, "a")),
    lambda obj: (samples.remade, ([2],), None, iter([1, 2]), None),
    lambda obj: (samples.Mapped, (), {"a": 1}, None, iter([("k", 1)])),
    lambda obj: (samples.remade, (), [3], None, None, samples.taken),
    lambda obj: (copyreg.__newobj__, (samples.Node,), {"a": 1}),  # type: ignore[attr-defined]
    lambda obj: (copyreg.__newobj_ex__, (samples.Argued, (1,), {"second": 2})),  # type: ignore[attr-defined]
    lambda obj: (samples.act, ()),
    lambda obj: "SHARED",
    lambda obj: 5,
    lambda obj: (samples.remade, [1]),
    lambda obj: (None, ()),
    lambda obj: (copyreg.__newobj__, ()),  # type: ignore[attr-defined]
    lambda obj: (copyreg.__newobj__, (5,)),  # type: ignore[attr-defined]
    lambda obj: (copyreg.__newobj__, (samples.Outer,)),  # type: ignore[attr-defined]
    lambda obj: (copyreg.__newobj_ex__, (samples.Argued, ())),  # type: ignore[attr-defined]
    lambda obj: (copyreg.__newobj_ex__, (5, (), {})),  # type: ignore[attr-defined]
    lambda obj: (copyreg.__newobj_ex__, (samples.Argued, [], {})),  # type: ignore[attr-defined]
    lambda obj: (copyreg.__newobj_ex__, (samples.Argued, (), [])),  # type: ignore[attr-defined]
    lambda obj: (copyreg.__newobj_ex__, (samples.Outer, (), {})),  # type: ignore[attr-defined]
    lambda obj: (samples.remade, (), None, 5),
    lambda obj: (samples.remade, (), None, None, 5),
    lambda obj: (samples.remade, (), None, None, iter([5])),
    lambda obj: (samples.remade, (), None, None, None, 5),
    lambda obj: (samples.remade, (obj,)),
    lambda obj: samples.fail(),
)
_KINDS: tuple[type, ...] = (samples.Node, samples.Listed, samples.Keyed, samples.Point, set, complex)


class Hooks:
    """Hooks as drawn: what each does is the same for every Pickler of one input."""

    def __init__(self, draw: Choices) -> None:
        self.with_ids = draw.below(3) == 0
        self.id = draw.pick(_IDS)
        self.of_ids = draw.pick(_KINDS)
        self.with_override = draw.below(3) == 0
        self.override = draw.pick(_REDUCED)
        self.of_override = draw.pick(_KINDS)
        self.with_table = draw.below(3) == 0
        self.table: dict[type, Any] = {draw.pick(_KINDS[:4]): draw.pick(_REDUCED[1:])}
        self.on_instance = draw.below(4) == 0
        self.nests = draw.below(8) == 0
        self.asked: list[str] = []

    def put_on(self, base: Any) -> Any:
        """Return a class with these hooks."""
        hooks = self

        class Hooked(base):  # type: ignore[misc]
            pass

        def persistent_id(pickler: Any, obj: Any) -> Any:
            hooks.asked.append(type(obj).__name__)
            if hooks.nests and type(obj) is samples.Node:
                pickler.dump(1)
            return hooks.id if type(obj) is hooks.of_ids else None

        def reducer_override(_pickler: Any, obj: Any) -> Any:
            return hooks.override(obj) if type(obj) is hooks.of_override else NotImplemented

        if self.with_ids:
            Hooked.persistent_id = persistent_id
        if self.with_override:
            Hooked.reducer_override = reducer_override
        if self.with_table and not self.on_instance:
            Hooked.dispatch_table = {**copyreg.dispatch_table, **self.table}
        return Hooked


class _Reading:
    """Takes any id."""

    def persistent_load(self, pid: Any, /) -> Any:
        return f"pid {pid!a}"


class _Ours(_Reading, terms.package.Unpickler):  # type: ignore[misc]
    pass


class _Theirs(_Reading, pickle.Unpickler):
    pass


class _Failing(io.BytesIO):
    """A file that is full."""

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > 100:
            raise OSError("full")
        return super().write(data)


_FILES: tuple[Any, ...] = (*[io.BytesIO] * 14, _Failing, object)


def _written(make: Any, draw_steps: list[int], values: list[Any], file: Any, hooks: Hooks) -> Any:
    """Do the steps with a Pickler; return the file's content and what each step came to."""
    found: list[Any] = []
    hooks.asked = []
    try:
        pickler = make(file)
        if hooks.with_table and hooks.on_instance:
            pickler.dispatch_table = {**copyreg.dispatch_table, **hooks.table}
    except Exception as error:
        return None, [error], error
    last: Exception | None = None
    for step in draw_steps:
        try:
            _step(pickler, step, values)
        except (OSError, SafePickleError, StateError, Exception) as error:
            last = error
            found.append(error)
            if step < 8:
                break
        else:
            found.append(None)
    return file, found, last


def _step(pickler: Any, step: int, values: list[Any]) -> None:
    if step < 6:
        pickler.dump(values[step % len(values)])
    elif step == 6:
        pickler.clear_memo()
    elif step == 7:
        pickler.fast = True
    elif step == 8:
        pickler.memo = pickler.memo
    elif step == 9:
        pickler.memo = pickler.memo.copy()
    elif step == 10:
        pickler.memo = 5
    elif step == 11:
        pickler.memo = {1: 2}
    elif step == 12:
        pickler.memo.clear()
    else:
        kind, arguments = pickler.memo.__reduce__()
        pickler.memo = kind(*arguments)


def _read(data: bytes, base: Any, count: int, **options: Any) -> list[Any]:
    """Load so many pickles, with one reader that goes on with its memo."""
    reader = base(io.BytesIO(data), **options)
    return [describe(reader.load()) for _ in range(count)]


def check(data: bytes) -> Any:
    """Write with both, and read what was written."""
    draw = ByteChoices(data)
    hooks = Hooks(draw)
    protocol = draw.pick((None, -1, 0, 1, 2, 3, 4, 5, 0, 4, 2, 6))
    under = draw.below(4)
    steps = [draw.below(14) if draw.below(2) else 0 for _ in range(draw.below(5))] or [0]
    make_file = draw.pick(_FILES)
    answer = draw.below(3)
    with_buffers = draw.below(3) == 0 and (protocol in (-1, 5) or draw.chance(9))
    fix_imports = bool(draw.below(2))
    if under == 0:
        # CPython 3.11's own Pickler crashes on a memo that is none, and on a dump inside a dump.
        hooks.nests = False
        steps = [step for step in steps if step not in (10, 11)] or [0]
    # What the hooks are about, or a reducer of any shape, stands first now and then.
    first = draw.below(4)
    reduced, kind = draw.pick(_REDUCED[1:-2]), draw.pick(_KINDS)
    rest = draw.rest()

    def make_values() -> list[Any]:
        # Afresh for each Pickler: what is written may change by that.
        builder = Builder(ByteChoices(rest), odd=True)
        values = [builder.value(), builder.value()]
        if first == 0:
            values[0] = [samples.Reduced(reduced(None)), values[0]]
        elif first == 1:
            values[0] = {"made": kind(), "value": values[0]}
        return values

    out_of_band: list[Any] = []

    def callback(buffer: Any) -> Any:
        out_of_band.append(buffer)
        return answer == 0

    options: dict[str, Any] = {"protocol": protocol, "fix_imports": fix_imports}
    if with_buffers:
        options["buffer_callback"] = callback
    policy: Any = (UNRESTRICTED, terms.BOTH, PLAIN, _Finder())[under]
    base = hooks.put_on(terms.package.Pickler)
    try:
        file, found, error = _written(
            lambda file: base(file, policy=policy, limits=terms.LIMITS, **options),
            steps,
            make_values(),
            make_file(),
            hooks,
        )
        asked, buffers = hooks.asked, list(out_of_band)
        out_of_band.clear()
        if under == 0:
            return _as_pickle(hooks, options, steps, make_values, make_file, (file, found, error, asked, buffers))
        return _under(policy, file, found, error, buffers)
    finally:
        samples.restore()


class _Finder:
    """A policy of a caller's own: a method that finds classes."""

    def find_class(self, module: str, name: str, /) -> Any:
        """Find a canary, or another object for it."""
        if module != samples.__name__ or name not in samples.RIGHTS:
            raise AttributeError(name)
        return samples.act if name == "Numbered" else _walk(name)


def _walk(name: str) -> Any:
    target: Any = samples
    for part in name.split("."):
        target = getattr(target, part)
    return target


def _under(policy: Any, file: Any, found: list[Any], error: Any, buffers: list[Any]) -> Any:
    """What was written under a policy loads under it, each pickle alone; a refusal is one of the package's."""
    for one in found:
        if isinstance(one, SafePickleError):
            failure(one)
        elif one is not None and not isinstance(
            one, (OSError, ZeroDivisionError, TypeError, ValueError, AttributeError)
        ):
            raise Finding(f"a Pickler raises {type(one).__name__}") from one
    if error is not None or not isinstance(file, io.BytesIO):
        return type(error).__name__, len(found)
    data = file.getvalue()
    reader = _Ours(io.BytesIO(data), policy=policy, limits=terms.LIMITS, buffers=buffers)
    count = 0
    while True:
        try:
            reader.load()
        except EOFError:
            break
        except SafePickleError as refusal:
            if isinstance(refusal, (PolicyError, LimitError)) or "memo" in str(refusal):
                # A memo that was set points into other pickles; what a reducer of a hook names is looked up when read.
                return "refused when read", type(refusal).__name__
            if type(refusal).__name__ in ("FormatError", "InternalError"):
                raise Finding(f"what a Pickler writes is refused: {type(refusal).__name__}", str(refusal)) from refusal
            break
        count += 1
    return "read", count


def _as_pickle(
    hooks: Hooks, options: dict[str, Any], steps: list[int], make_values: Any, make_file: Any, mine: Any
) -> Any:
    """Do the same with pickle's Picklers."""
    file, found, error, asked, buffers = mine
    if isinstance(error, LimitError):
        return "limit"
    theirs = []
    equal: list[str] = []
    for base in (pickle.Pickler, pickle._Pickler):
        options = dict(options)
        kept: list[Any] = []
        if "buffer_callback" in options:
            options["buffer_callback"] = _noting(options["buffer_callback"], kept)
        other_file, other_found, other_error = _written(
            lambda file, base=base, options=options: hooks.put_on(base)(file, **options),
            steps,
            make_values(),
            make_file(),
            hooks,
        )
        theirs.append((other_error is None, [one is None for one in other_found]))
        if isinstance(other_error, RecursionError):
            return "pickle recurses"
        if other_error is None and error is None and isinstance(file, io.BytesIO):
            equal.append(_equal(file.getvalue(), other_file.getvalue(), sum(step < 6 for step in steps), buffers, kept))
            # The owner of a nested global is asked about by pickle below protocol 4, where it writes a call of getattr.
            more, less = set(asked) - set(hooks.asked), set(hooks.asked) - set(asked) - {"type"}
            if hooks.with_ids and (more or less) and base is pickle.Pickler:
                raise Finding(
                    "persistent_id is asked about other objects than pickle asks about",
                    f"{sorted(more)} {sorted(less)}",
                )
    if isinstance(error, OSError) and make_file is _Failing:
        # Where a file is full depends on how many bytes each writes for the same value.
        return "full", len(found)
    # The two of pickle's ask `reducer_override` about different objects.
    if equal and all(equal):
        raise Finding(equal[0], f"{file.getvalue().hex()[:300]}")
    if all((error is None) != fine for fine, _ in theirs):
        raise Finding(
            f"a Pickler {'writes what pickle refuses' if error is None else 'refuses what pickle writes'}"
            f"{'' if error is None else ': ' + type(error).__name__}", f"{error!a:.200} {options}"
        )  # fmt: skip
    return type(error).__name__, len(found)


def _noting(callback: Any, kept: list[Any]) -> Any:
    def noting(buffer: Any) -> Any:
        kept.append(buffer)
        return callback(buffer)

    return noting


def _equal(mine: bytes, theirs: bytes, count: int, buffers: list[Any], kept: list[Any]) -> str:
    """Say what is wrong with what was written, beside what pickle wrote."""
    read = []
    for data, given in ((mine, buffers), (theirs, kept)):
        try:
            read.append(_read(data, _Theirs, count, buffers=given))
        except Exception as error:
            # A callee that fails does so for both.
            read.append([type(error).__name__])
    if read[0] != read[1]:
        return "a Pickler writes another value than pickle"
    try:
        again = _read(mine, _Ours, count, policy=UNRESTRICTED, limits=terms.LIMITS, buffers=buffers)
    except Exception as error:
        again = [type(error).__name__]
        if len(read[0]) == 1 and isinstance(read[0][0], str):
            return ""
        if isinstance(error, LimitError):
            return ""
    return "" if again == read[0] else "an Unpickler reads another value than pickle's"


#: What a refusal is called.
REFUSALS = (EncodingError,)
