"""Reads the vectors, and compares what two unpicklers made of one.

Rules: nothing here imports the package under test. `difference` compares structure, not `==`: exact types,
NaN equal to NaN, zero signs, the order of dict items, sharing and cycles; it keeps its own work list, so that
depth and cycles are no matter.
"""

from __future__ import annotations

import _compat_pickle
import base64
import io
import json
import pickletools
import struct
import types
import zlib
from collections import deque
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
REAL = HERE.parent / "real"


@dataclass(frozen=True)
class Vector:
    """One pickle and who wrote it. `writers` are strings: version, implementation, protocol, form."""

    group: str
    name: str
    protocol: int
    writers: tuple[str, ...]
    repr: str
    data: bytes

    @property
    def from_python2(self) -> bool:
        """Whether any Python 2 wrote these bytes: its `str` needs an encoding."""
        return any(writer.startswith("2.") for writer in self.writers)

    @property
    def only_python2(self) -> bool:
        return all(writer.startswith("2.") for writer in self.writers)

    @property
    def label(self) -> str:
        """Enough to find the record: name, lowest protocol, first writer."""
        return f"{self.group}:{self.name} p{self.protocol} [{self.writers[0]}] {self.data[:40]!r}"


def _read(path: Path) -> Iterator[Vector]:
    with path.open(encoding="ascii") as lines:
        next(lines)  # provenance
        for line in lines:
            record = json.loads(line)
            packed = base64.b64decode(record.get("z64") or record["b64"])
            yield Vector(
                group=path.stem,
                name=record["name"],
                protocol=record["protocol"],
                writers=tuple(record["writers"]),
                repr=record["repr"],
                data=zlib.decompress(packed) if "z64" in record else packed,
            )


def _read_real() -> Iterator[Vector]:
    for path in sorted(REAL.glob("*.pkl")):
        name, protocol = path.stem.rsplit(".p", 1)
        yield Vector("real", name, int(protocol), (f"real {path.name}",), "", path.read_bytes())


@cache
def vectors(group: str) -> dict[str, tuple[Vector, ...]]:
    """The vectors of one group by name. "real" is the folder beside this one."""
    by_name: dict[str, list[Vector]] = {}
    for vector in _read_real() if group == "real" else _read(DATA / f"{group}.jsonl"):
        by_name.setdefault(vector.name, []).append(vector)
    return {name: tuple(found) for name, found in by_name.items()}


# ---- the globals a stream names, read without loading it ----------------------------------------------

_TEXT = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"}
_PUT = {"PUT", "BINPUT", "LONG_BINPUT"}
_GET = {"GET", "BINGET", "LONG_BINGET"}


def renamed(module: str, name: str) -> tuple[str, str]:
    """A Python 2 name as Python 3 knows it: what fix_imports does."""
    if (module, name) in _compat_pickle.NAME_MAPPING:
        return _compat_pickle.NAME_MAPPING[(module, name)]
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


def _opcodes(data: bytes) -> Iterator[tuple[str, Any]]:
    """pickletools.genops without its ASCII rule for STRING, which Python 2's binary text breaks."""
    file = io.BytesIO(data)
    while code := file.read(1):
        opcode = pickletools.code2op[code.decode("latin-1")]
        if opcode.name == "STRING":
            yield opcode.name, file.readline()
        else:
            yield opcode.name, None if opcode.arg is None else opcode.arg.reader(file)


def globals_named(data: bytes) -> set[tuple[str, str]]:
    """Every (module, name) that GLOBAL, INST or STACK_GLOBAL names, renamed where the protocol is below 3.

    Enough for streams of real picklers: the two texts of a STACK_GLOBAL are the two pushed last.
    """
    found: set[tuple[str, str]] = set()
    memo: dict[int, Any] = {}
    pushed: deque[Any] = deque(maxlen=2)
    protocol = 0
    for name, argument in _opcodes(data):
        if name == "PROTO":
            protocol = argument
        elif name in ("GLOBAL", "INST"):
            pair = tuple(argument.split(" ", 1))
            found.add(renamed(*pair) if protocol < 3 else (pair[0], pair[1]))
        elif name == "STACK_GLOBAL":
            found.add((pushed[0], pushed[1]))
        elif name in _PUT:
            memo[argument] = pushed[-1] if pushed else None
        elif name == "MEMOIZE":
            memo[len(memo)] = pushed[-1] if pushed else None
        elif name in _GET:
            pushed.append(memo.get(argument))
        if name in _TEXT:
            pushed.append(argument)
        elif name not in _PUT and name not in _GET and name not in ("MEMOIZE", "FRAME", "PROTO"):
            pushed.append(None)
    return found


# ---- comparing ------------------------------------------------------------------------------------------

_ATOMS = (type(None), bool, int, str, bytes, type(Ellipsis), type(NotImplemented))
_BY_IDENTITY = (type, types.FunctionType, types.ModuleType)


class _Differs(Exception):
    """Carries the first difference found."""


class _Comparison:
    """A work list of pairs still to be compared, and which object stands for which on the other side."""

    def __init__(self) -> None:
        self.left: dict[int, Any] = {}
        self.right: dict[int, Any] = {}
        self.kept: list[Any] = []  # an id stays taken only while its object lives
        self.work: list[tuple[Any, Any, str]] = []

    def run(self, a: Any, b: Any) -> None:
        self.work.append((a, b, "root"))
        while self.work:
            one, other, path = self.work.pop()
            if type(one) is not type(other):
                raise _Differs(f"{path}: {type(one).__name__} against {type(other).__name__}")
            if not self.leaf(one, other, path) and self.fresh(one, other, path):
                self.parts(one, other, path)

    def leaf(self, a: Any, b: Any, path: str) -> bool:
        """True where nothing is left to descend into."""
        if isinstance(a, float) and type(a) is float:
            same = struct.pack("d", a) == struct.pack("d", b) or (a != a and b != b)
        elif type(a) is complex:
            self.work += [(a.real, b.real, path + ".real"), (a.imag, b.imag, path + ".imag")]
            same = True
        elif type(a) in _ATOMS:
            same = a == b
        elif isinstance(a, _BY_IDENTITY):
            same = a is b
        else:
            return False
        if not same:
            raise _Differs(f"{path}: {str(a)[:60]!r} against {str(b)[:60]!r}")
        return True

    def fresh(self, a: Any, b: Any, path: str) -> bool:
        """False for a pair seen before; two objects on one side never stand for one on the other."""
        known = self.left.get(id(a), self)
        back = self.right.get(id(b), self)
        if known is self and back is self:
            self.left[id(a)], self.right[id(b)] = b, a
            self.kept += [a, b]
            return True
        if known is not b or back is not a:
            if isinstance(a, (tuple, frozenset)) and not a:
                return False  # empty ones are one object or not, as the interpreter likes
            raise _Differs(f"{path}: shared on one side only ({type(a).__name__})")
        return False

    def parts(self, a: Any, b: Any, path: str) -> None:
        if type(a) in (list, tuple):
            self.items(a, b, path)
        elif type(a) is dict:
            self.items(list(a), list(b), path + ".keys")
            self.items(list(a.values()), list(b.values()), path + ".values")
        elif type(a) in (set, frozenset):
            self.unordered(a, b, path)
        elif type(a) in (bytearray, range):
            if a != b:
                raise _Differs(f"{path}: {a!r:.60} against {b!r:.60}")
        elif type(a) is slice:
            self.items([a.start, a.stop, a.step], [b.start, b.stop, b.step], path)
        elif isinstance(a, memoryview):
            self.items([bytes(a), a.readonly], [bytes(b), b.readonly], path)
        else:
            self.reduced(a, b, path)

    def items(self, a: Any, b: Any, path: str) -> None:
        if len(a) != len(b):
            raise _Differs(f"{path}: {len(a)} items against {len(b)}")
        self.work += [(x, y, f"{path}[{n}]") for n, (x, y) in enumerate(zip(a, b, strict=True))]

    def unordered(self, a: Any, b: Any, path: str) -> None:
        """Sets iterate in any order: pair equal elements, by equality where they have it."""
        if len(a) != len(b):
            raise _Differs(f"{path}: {len(a)} elements against {len(b)}")
        partners = {element: element for element in b}
        for element in a:
            if element not in partners:
                raise _Differs(f"{path}: only one side has {element!r:.60}")
            self.work.append((element, partners[element], f"{path}{{}}"))

    def reduced(self, a: Any, b: Any, path: str) -> None:
        """Any other object is what its own pickling says it is made of, plus its attributes."""
        one, other = _pieces(a), _pieces(b)
        self.kept += [one, other]
        if isinstance(one, str) or isinstance(other, str):
            if one != other or a is not b:
                raise _Differs(f"{path}: {one!r:.60} against {other!r:.60}")
            return
        if len(one) != len(other):
            raise _Differs(f"{path}: reduced to {len(one)} parts against {len(other)}")
        for n, (x, y) in enumerate(zip(one, other, strict=True)):
            self.work.append((x, y, f"{path}<{type(a).__name__}:{n}>"))


def _pieces(obj: Any) -> Any:
    """The reduce value with its iterators made lists; the bare attributes where the object cannot be reduced
    (attributes named by bytes, after encoding="bytes").
    """
    try:
        value = obj.__reduce_ex__(4)
    except Exception:  # noqa: BLE001  (any class's own)
        return [type(obj), getattr(obj, "__dict__", None)]
    if isinstance(value, str):
        return value
    return [list(part) if n > 2 and part is not None else part for n, part in enumerate(value)]


def difference(a: Any, b: Any) -> str | None:
    """None where the two are alike in every respect a pickle can carry, else the first difference."""
    try:
        _Comparison().run(a, b)
    except _Differs as found:
        return str(found)
    return None


@dataclass(frozen=True)
class Outcome:
    """What a call gave: a value, or the exception it ended with."""

    value: Any = None
    error: BaseException | None = None

    def __str__(self) -> str:
        if self.error is None:
            return f"value {type(self.value).__name__}"
        return f"{type(self.error).__name__}: {str(self.error)[:200]}"


def outcome(call: Any, *arguments: Any, **keywords: Any) -> Outcome:
    """Runs a loader; any Exception is an outcome."""
    try:
        return Outcome(value=call(*arguments, **keywords))
    except Exception as error:  # noqa: BLE001  (the point is to compare them)
        return Outcome(error=error)


def disagreement(expected: Outcome, got: Outcome) -> str | None:
    """None where both gave like values or both failed."""
    if (expected.error is None) != (got.error is None):
        return f"expected {expected}, got {got}"
    return None if expected.error is not None else difference(expected.value, got.value)


def report(failures: Iterable[str]) -> str:
    found = list(failures)
    return "\n".join([f"{len(found)} failed", *found[:12]])
