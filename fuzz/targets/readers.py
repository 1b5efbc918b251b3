"""An Unpickler goes on from pickle to pickle as pickle's does, takes what may be a file, and refuses what is none.

The input is a series of choices: pickles in one file, what is done with the Unpickler between loads, and files that
lie about what they have. Under a policy no pickle sees another one's memo.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

from fuzz import samples, terms
from fuzz.assembly import call, name, op, pickled
from fuzz.choices import ByteChoices, Choices
from fuzz.idioms import PLAIN as SHAPES
from fuzz.idioms import sample
from fuzz.oracles import watched
from fuzz.outcomes import Finding, describe, failure, outcome
from safepickle.errors import FormatError, PolicyError, SafePickleError, StateError
from safepickle.limits import Limits
from safepickle.policy.rules import PLAIN, UNRESTRICTED, Policy

INPUT = "choices"

#: Pickles that stand alone, and some that point into an earlier one's memo.
_PICKLES: tuple[bytes, ...] = (
    *(pickled(body) for body in SHAPES[:12]), pickle.dumps([1, "a", {"b": (2.5, None)}], 0), pickle.dumps({1, 2}, 2),
    pickled(b"]\x94"), pickled(b"h\0"), pickled(b"g0\n", proto=None), pickled(op("LONG_BINGET", 1)),
    pickled(op("PERSID", "1")), pickled(op("SHORT_BINUNICODE", "x") + b"Q"),
    pickled(sample("Node") + b")\x81"), pickled(op("BINPUT", 3), proto=None)[:0] + pickled(b"Nq\3"),
)  # fmt: skip
_STEPS = ("load", "load", "load", "memo", "memo = {}", "memo = own")


def _step(unpickler: Any, step: str) -> Any:
    if step == "load":
        return describe(unpickler.load())
    if step == "memo":
        return sorted(dict(unpickler.memo.copy()))
    if step == "memo = {}":
        unpickler.memo = {}
    else:
        unpickler.memo = unpickler.memo.copy()
    return None


class _Persistent:
    def persistent_load(self, pid: Any, /) -> Any:
        return f"pid {pid}"


class _Ours(_Persistent, terms.package.Unpickler):  # type: ignore[misc]
    pass


class _Theirs(_Persistent, pickle._Unpickler):
    """The one in Python: CPython 3.11's other one crashes on a memo that was set, empty or no memo at all."""


def _sequence(draw: Choices) -> Any:
    """Under UNRESTRICTED: the same answers as pickle's, whether values or errors, step by step."""
    data = b"".join(draw.pick(_PICKLES) for _ in range(1 + draw.below(4)))
    steps = [draw.pick(_STEPS) for _ in range(1 + draw.below(6))]
    rows = []
    for make in (
        lambda: _Ours(io.BytesIO(data), policy=UNRESTRICTED, limits=terms.LIMITS), lambda: _Theirs(io.BytesIO(data)),
    ):  # fmt: skip
        unpickler = make()
        row: list[Any] = []
        for step in steps:
            try:
                row.append(_step(unpickler, step))
            except Exception as error:
                row.append("error" if isinstance(error, SafePickleError) else type(error).__name__)
                if step == "load":
                    break
        rows.append(row)
    for mine, theirs, step in zip(*rows, steps, strict=False):
        if mine != theirs and not (mine == "error" and type(theirs) is str and theirs != "None"):
            raise Finding(f"an Unpickler gives another answer than pickle's: {step}",
            f"{mine!a:.200} / {theirs!a:.200}")
    return "sequence", tuple(type(one).__name__ for one in rows[0])


def _alone(draw: Choices) -> Any:
    """Under a policy each pickle of a file loads as it does alone."""
    chosen = [draw.pick(_PICKLES) for _ in range(1 + draw.below(4))]
    unpickler = _Ours(io.BytesIO(b"".join(chosen)), policy=terms.BOTH, limits=terms.LIMITS)
    for data in chosen:
        alone = outcome(_Ours(io.BytesIO(data), policy=terms.BOTH, limits=terms.LIMITS).load)
        found = outcome(unpickler.load)
        if (found.value, found.error) != (alone.value, alone.error):
            raise Finding("a pickle behind another one gives another result than alone", data.hex())
        if alone.error:
            break
    return "alone", alone.error


# -- files that lie --------------------------------------------------------------------------------------------------


class _Lying:
    """A file with a `read` of its own."""

    def __init__(self, data: bytes, how: str) -> None:
        self._file = io.BytesIO(data)
        self._how = how

    def read(self, size: int = -1) -> Any:
        """Read, and lie."""
        data = self._file.read(size)
        if self._how == "str":
            return data.decode("latin-1")
        if self._how == "None":
            return None
        if self._how == "more":
            return data + b"x"
        if self._how == "list":
            return list(data)
        if self._how == "memoryview":
            return memoryview(data)
        return bytearray(data) if self._how == "bytearray" else data

    def readline(self, size: int = -1) -> Any:
        """Read a line, and lie alike."""
        line = self._file.readline()
        if self._how == "None":
            return None
        return line.decode("latin-1") if self._how == "str" else line


class _Peeking(_Lying):
    """A file that shows bytes and does not have them, or has no peek after all."""

    def peek(self, _size: int = 0) -> bytes:
        """Show what comes."""
        if self._how == "no peek":
            raise NotImplementedError
        at = self._file.tell()
        shown = self._file.read()
        self._file.seek(at)
        if self._how == "takes back" and shown:
            self._file.seek(0, io.SEEK_END)
        return shown


_LIES: tuple[tuple[type[_Lying], str, bool], ...] = (
    (_Lying, "str", False), (_Lying, "None", False), (_Lying, "more", False), (_Lying, "list", False),
    (_Lying, "memoryview", True), (_Lying, "bytearray", True), (_Lying, "", True), (_Peeking, "no peek", True),
    (_Peeking, "takes back", False), (_Peeking, "", True),
)  # fmt: skip


def _lies(draw: Choices) -> Any:
    """A file that gives bytes in some form gives the value, one that lies is a FormatError; never anything else."""
    kind, how, fine = draw.pick(_LIES)
    data = draw.pick((*_PICKLES[:14], pickle.dumps(["x" * 70_000, b"y" * 200_000])))
    alone = outcome(lambda: terms.package.loads(data, limits=terms.LIMITS))
    found = outcome(lambda: terms.package.load(kind(data, how), limits=terms.LIMITS))
    if fine and found != alone:
        raise Finding(f"a file that gives {how or 'bytes'} gives another result", f"{found!a:.200} / {alone!a:.200}")
    if not fine and found.error not in ("FormatError", "TruncatedError", "EmptyInputError") and not alone.error:
        raise Finding(f"a file that lies is believed: {how}", f"{found!a:.200}")
    return how, found.error


# -- calls -----------------------------------------------------------------------------------------------------------


class _Uninitialised(_Ours):
    def __init__(self) -> None:
        """Forget what every Unpickler has to be told."""


class _Finding:
    """A policy of a caller's own."""

    def find_class(self, module: str, qualname: str, /) -> Any:
        """Give one class."""
        if (module, qualname) == (samples.__name__, "Node"):
            return samples.Node
        raise AttributeError(qualname)


_N = pickled(b"N")
_NODE = pickled(sample("Node") + b")\x81")
_WRONG: tuple[tuple[Any, type[BaseException]], ...] = (
    (lambda p: p.loads("text"), TypeError), (lambda p: p.loads(5), TypeError), (lambda p: p.load(5), TypeError),
    (lambda p: p.loads(_N, encoding=5), TypeError), (lambda p: p.loads(_N, errors=5), TypeError),
    (lambda p: p.loads(_N, limits=5), TypeError), (lambda p: p.loads(_N, policy=5), TypeError),
    (lambda p: p.Unpickler(io.StringIO("x")).load(), FormatError), (lambda p: p.Unpickler(object()), TypeError),
    (lambda p: _Uninitialised().load(), FormatError), (lambda p: p.Pickler.__new__(p.Pickler).dump(1), SafePickleError),
    (lambda p: p.dumps(1, limits=5), TypeError), (lambda p: p.dumps(samples.Node(), policy=5), TypeError),
    (lambda p: p.Unpickler(io.BytesIO(pickled(op("PERSID", "a")))).load(), SafePickleError),
    (lambda p: p.Unpickler(io.BytesIO()).persistent_load("a"), FormatError),
    (lambda p: p.Unpickler(io.BytesIO()).find_class("os", "system"), PolicyError),
    (lambda p: p.loads(pickled(b"\x97"), buffers=[5]), FormatError),
    (lambda p: p.loads(pickled(b"\x97"), buffers=["text"]), FormatError),
    (lambda p: p.loads(pickled(b"\x97"), buffers=[]), FormatError), (lambda p: p.loads(pickled(b"\x97")), FormatError),
    (lambda p: p.loads(_NODE, policy=_Finding(), limits=Limits(max_calls=0)), SafePickleError),
    (lambda p: p.loads(pickled(call(name("os", "getcwd"))), policy=_Finding()), AttributeError),
    (lambda p: setattr(p.Unpickler(io.BytesIO()), "memo", 5), TypeError),
    (lambda p: setattr(p.Unpickler(io.BytesIO()), "memo", {"a": 1}), TypeError),
    (lambda p: setattr(p.Unpickler(io.BytesIO()), "memo", {-1: 1}), ValueError),
)  # fmt: skip
_RIGHT: tuple[tuple[Any, Any], ...] = (
    (lambda p: type(p.loads(_NODE, policy=_Finding())), samples.Node),
    (lambda p: p.Unpickler(io.BytesIO(), policy=_Finding()).find_class(samples.__name__, "Node"), samples.Node),
    (lambda p: p.Unpickler(io.BytesIO(), policy=terms.BOTH).find_class(samples.__name__, "Node"), samples.Node),
    (lambda p: p.loads(_N, policy=Policy(name="x", limits=Limits(max_bytes=99))), None),
    (lambda p: p.survey(_N).error, None), (lambda p: p.survey(io.BytesIO(_N + _N)).error, None),
    (lambda p: type(p.survey(_N, limits=Limits(max_bytes=1)).error).__name__, "LimitError"),
    (lambda p: type(p.survey(b"").error).__name__, "EmptyInputError"),
    (lambda p: type(p.survey(_N + _N).error).__name__, "TrailingDataError"),
    (lambda p: p.load(io.BytesIO(_N), type=type(None)), None), (lambda p: p.loads(_N, type=object, policy=PLAIN), None),
)  # fmt: skip


def _calls(draw: Choices) -> Any:
    number = draw.below(len(_WRONG) + len(_RIGHT))
    with watched("a call"):
        if number >= len(_WRONG):
            make, expected = _RIGHT[number - len(_WRONG)]
            if make(terms.package) != expected:
                raise Finding("a call gives another answer", str(number))
            return number
        make, wrong = _WRONG[number]
        try:
            make(terms.package)
        except wrong as error:
            if isinstance(error, SafePickleError):
                failure(error)
            return number
    raise Finding("a call that cannot mean anything is carried out", str(number))


def _nested(draw: Choices) -> Any:
    """A load inside a load is refused, from whichever hook it comes."""
    road = draw.below(2)

    class Nested(terms.package.Unpickler):  # type: ignore[misc]
        def persistent_load(self, _pid: Any, /) -> Any:
            return self.load()

        def find_class(self, _module: str, _name: str, /) -> Any:
            return self.load()

    data = (pickled(op("PERSID", "1")), _NODE)[road]
    try:
        Nested(io.BytesIO(data), policy=(terms.BOTH, PLAIN)[draw.below(2)]).load()
    except StateError:
        return "nested", road
    raise Finding("a load inside a load of the same Unpickler")


def check(data: bytes) -> Any:
    """Do one of these."""
    draw = ByteChoices(data)
    return draw.pick((_sequence, _sequence, _alone, _lies, _lies, _calls, _calls, _calls, _nested))(draw)
