"""The catalogue of attacks, line by line: what each is refused for, under `plain` and under `stdlib`.

`LINES` is the catalogue: an id, what the attack is, and the verdicts that are right, as patterns. A verdict says why in
words: `denied: no rule names it`, `limit: max_memo`, `FormatError: ...`, and `loads` where the stream does no harm.
`STREAMS` are the streams of each id, those of the other modules and the few that are only here; `TRIALS` are what takes
more than a stream. `test_catalogue.py` holds every stream and every trial of a line to its verdicts, under both packs.
"""

from __future__ import annotations

import copyreg
import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from attacks import canary
from attacks.asm import (
    ADDITEMS,
    APPEND,
    APPENDS,
    BUILD,
    DICT,
    LIST,
    MARK,
    MEMOIZE,
    NEWOBJ,
    NONE,
    OBJ,
    REDUCE,
    SET,
    SETITEM,
    TUPLE0,
    TUPLE2,
    blob,
    call,
    dict_of,
    name,
    new,
    number,
    op,
    pickled,
    slot_state,
    state,
    text,
)
from attacks.expected import Expected, Loads
from attacks.streams import ACT, ATTACKS, CANARY
from attacks.streams_objects import MORE_ATTACKS
from attacks.test_differentials import ANSWERS, Answer
from attacks.test_limits import CASES, REFUSED_CLAIM, Case

from safepickle.errors import LimitError, PolicyError
from safepickle.limits import Limits


class Line(NamedTuple):
    """One line of the catalogue."""

    id: str
    what: str
    #: Patterns, one of which is the whole verdict on each stream and trial.
    plain: tuple[str, ...]
    #: The same under `stdlib`, where it is another.
    stdlib: tuple[str, ...] = ()


UNNAMED = "denied: no rule names it"
#: A helper of picklers, which the machine does itself and only as picklers write it.
FORM = "denied: not in a form that picklers write"
NO_RIGHT = "denied: the rule does not give that right"
NOT_MADE = "denied: not an object that this stream made under a rule"
ARGUMENTS = "denied: its arguments are refused: .*"
CUT = "TruncatedError: .* is cut off: .*"
LATE_PROTO = "FormatError: PROTO is not the first opcode"
NO_INT, NO_FLOAT, NO_INDEX = (f"FormatError: not a {what}: .*" for what in ("decimal int", "float", "memo index"))
TRAILING = r"TrailingDataError: .*bytes? follows? the pickle"
BUILD_ON_A_GLOBAL = "FormatError: BUILD on the global .*"
HASHED = "limit: max_hash_work"
DUNDER = "FormatError: a state key is a dunder name: .*"
LOADS = "loads"

LINES: tuple[Line, ...] = (
    # 1a: names and their resolution
    Line("R01", "a dotted name, to walk attributes", (UNNAMED,)),
    Line("R02", "a short way from a module that people allow to one that acts", (UNNAMED,)),
    Line("R03", "a second PROTO, which changes how names are split", (LATE_PROTO,)),
    Line("R04", "a name of Python 2 that becomes another one after the check", (UNNAMED,)),
    Line("R05", "a module's __builtins__ and what it imported", (UNNAMED,)),
    Line("R06", "getattr, which real pickles need", (UNNAMED, FORM, f"{UNNAMED}; {FORM}"), (UNNAMED, FORM)),
    Line("R07", "a method of an allowed class", (UNNAMED,)),
    Line("R08", "an import is an act before anything is called", (UNNAMED,)),
    Line("R09", "the same thing under the name of another module", (UNNAMED,)),
    Line("R10", "names that look like allowed ones, or are not for a terminal", (UNNAMED, "FormatError: a global.*")),
    Line("R11", "module and name joined and split elsewhere", (UNNAMED,)),
    Line("R12", "a value of an option that means no policy", ("TypeError: policy must be a Policy .*", UNNAMED)),
    # 1b: calls
    Line("R20", "functions that act, by every opcode that calls", (UNNAMED,)),
    Line("R21", "a call whose result is dropped", (UNNAMED, f"{UNNAMED}; {NOT_MADE}")),
    Line("R22", "callables that call, resolve or make callables", (UNNAMED, f"{UNNAMED}; {FORM}")),
    Line("R23", "constructors that act", (UNNAMED,)),
    Line("R24", "an object that says it equals an allowed callable", (UNNAMED,)),
    Line("R25", "what ends or changes the process", (UNNAMED,)),
    Line("R26", "callables that pickles need, with other arguments", (FORM, f"{UNNAMED}; {FORM}"), (FORM,)),
    Line("R27", "the helpers of copyreg", (UNNAMED, FORM, f"{UNNAMED}; {FORM}")),
    Line("R28", "a pickle in a pickle, for a loader without a policy", (UNNAMED,)),
    Line("R29", "functions of libraries that act", (UNNAMED,)),
    Line("R30", "state that makes numpy read foreign memory", (UNNAMED,)),
    # 1c: BUILD
    Line("R40", "state for a class", (UNNAMED,), (UNNAMED, BUILD_ON_A_GLOBAL)),
    Line("R41", "state for a function", (UNNAMED,)),
    Line("R42", "state for a module", (UNNAMED,)),
    Line("R43", "__setstate__ as an attribute, then called", (UNNAMED,), (DUNDER,)),
    Line("R44", "append and the like as attributes, then called", (UNNAMED,), (NO_RIGHT,)),
    Line("R45", "hooks as attributes, called later", (UNNAMED,), (DUNDER,)),
    Line(
        "R46",
        "setters, slots and __class__ by state",
        (UNNAMED,),
        (DUNDER, "FormatError: .*declares no slot.*", "denied: its state is refused.*"),
    ),
    Line("R47", "an instance is asked for __setstate__", (UNNAMED,)),
    Line("R48", "state that exchanges the function of a partial", (UNNAMED,)),
    Line("R49", "state keys that are no str", (UNNAMED,), ("FormatError: a state key is .*, not a str",)),
    Line("R50", "state keys that are interned and never freed", (UNNAMED,), (LOADS,)),
    Line("R51", "a load that enters itself", ("StateError: .*",)),
    # 1d: items, extension codes, persistent ids, buffers, what lives on
    Line("R60", "items into objects of the application", (UNNAMED,)),
    Line("R61", "a warm cache of extension codes", (UNNAMED,)),
    Line("R62", "a poisoned registry of extension codes", (UNNAMED,)),
    Line(
        "R63",
        "extension codes that nothing is registered for",
        ("FormatError: unregistered extension code .*", "FormatError: EXT code .* is not positive"),
    ),
    Line("R64", "persistent ids: unasked for, or any object", ("FormatError: a persistent id.*",)),
    Line(
        "R65",
        "buffers that nobody gave, or that are none",
        ("FormatError: .*buffers.*", "FormatError: READONLY_BUFFER on .*, not bytes-like"),
    ),
    Line("R66", "hash and finaliser of an instance", (UNNAMED,)),
    Line("R67", "the memo of the pickle before", ("FormatError: memo entry 0 is not set",)),
    Line("R68", "an act in front of a broken end", (UNNAMED,)),
    Line("R69", "bytes behind the pickle", (TRAILING,)),
    Line("R70", "objects that choose how they are written", ("denied: .*",)),
    Line("R71", "plain data that the application believes", (LOADS,)),
    # 2: more work or memory than the bytes are worth
    Line("D01", "a memo index far away", ("limit: max_memo",)),
    Line("D02", "a length that is only claimed", (CUT, "limit: max_string", "limit: max_int_bits")),
    Line(
        "D03",
        "empty containers and marks by the million",
        tuple(f"limit: max_{what}" for what in ("memory", "objects", "depth", "items")),
    ),
    Line("D04", "keys of one hash", (HASHED,)),
    Line("D05", "keys of one hash, within one call", (HASHED, UNNAMED), (HASHED,)),
    Line("D06", "a tower of tuples as a key", (HASHED,)),
    Line("D07", "two equal towers as keys", (HASHED,)),
    Line("D08", "a deep tuple as a key", (HASHED, "limit: max_depth")),
    Line("D09", "nesting", ("limit: max_depth", UNNAMED), ("limit: max_depth",)),
    Line("D10", "a value that is large only when it is walked", (LOADS,)),
    Line("D11", "numbers in text", ("limit: max_int_bits", NO_INDEX)),
    Line("D12", "numbers of megabytes", ("limit: max_int_bits",)),
    Line("D13", "floats in text", (NO_FLOAT,)),
    Line("D14", "text that takes four bytes for each", ("limit: max_memory",)),
    Line("D15", "callables that take a size", (FORM, UNNAMED), (FORM, ARGUMENTS)),
    Line("D16", "copies of one value, by six bytes each", ("limit: max_memory",)),
    Line("D17", "slow codecs", (FORM,)),
    Line("D18", "decompression", (UNNAMED,)),
    Line("D19", "arithmetic", (UNNAMED,), (UNNAMED, ARGUMENTS)),
    Line(
        "D20",
        "opcodes that do nothing",
        (LATE_PROTO, *(f"limit: max_{what}" for what in ("opcodes", "bytes", "string", "calls"))),
    ),
    Line("D21", "interned keys, as R50", (UNNAMED,), (LOADS,)),
    Line("D22", "a line without an end, from a socket", ("limit: max_string",)),
    # 3: where the parsers differ
    Line("X01", "hexadecimal in text", (NO_INT,)),
    Line("X02", "leading zeros", (NO_INT,)),
    Line("X03", "signs and blanks", (NO_INT,)),
    Line("X04", "NUL in a number", (NO_INT, NO_FLOAT)),
    Line("X05", "floats with _ or blanks", (NO_FLOAT,)),
    Line("X06", "floats out of range", ("FormatError: float out of range: .*",)),
    Line("X07", "longs with zeros, signs, without L", (NO_INT,)),
    Line(
        "X08",
        "strings without quotes",
        (
            "FormatError: the STRING opcode argument must be quoted: .*",
            "FormatError: an escape that no Python 2 repr writes: .*",
        ),
    ),
    Line(
        "X09",
        "bytes beyond ASCII in text",
        (
            "FormatError: a STRING with bytes that no Python 2 repr writes",
            "FormatError: a Python 2 str is not 'ASCII'; .*",
            "FormatError: a global.*",
            UNNAMED,
        ),
    ),
    Line("X10", "memo indexes beyond 2**64", ("limit: max_memo", NO_INDEX)),
    Line("X11", "memo indexes with signs, blanks, zeros", (NO_INDEX,)),
    Line(
        "X12",
        "memo entries set twice, or not at all",
        ("FormatError: memo entry .* is (set a second time|not set)", "FormatError: more is taken .*"),
    ),
    Line("X13", "arguments that are no tuple", (UNNAMED,), (UNNAMED, "FormatError: arguments are .*, not a tuple")),
    Line("X14", "a false state", (UNNAMED,), (UNNAMED, "FormatError: state is .*, not a dict")),
    Line("X15", "state without a place for it", (UNNAMED,), (UNNAMED, NO_RIGHT)),
    Line("X16", "slot state that is no dict", (UNNAMED,), (UNNAMED, "FormatError: slot state is .*, not a dict")),
    Line("X17", "no items, for what takes none", ("FormatError: (APPENDS|ADDITEMS|SETITEMS) on .*", NOT_MADE)),
    Line("X18", "items for a class derived from list", (UNNAMED,)),
    Line("X19", "a frame longer than the data", (CUT, "limit: max_bytes")),
    Line("X20", "a frame in a frame", ("FormatError: a frame inside a frame",)),
    Line("X21", "a frame that ends inside an argument", ("FormatError: a frame ends inside (an argument|a line)",)),
    Line("X22", "a frame that ends before an argument: no difference", (LOADS, UNNAMED)),
    Line(
        "X23",
        "marks and values left over, or taken where there are none",
        (
            "FormatError: STOP with .*",
            "FormatError: more is taken .*",
            "FormatError: .* without a mark",
            "FormatError: .* with a key and no value",
            "FormatError: a .* cannot be a key.*",
        ),
    ),
    Line("X24", "damage of every kind", ("FormatError: .*", "TruncatedError: .*", "EmptyInputError: .*")),
    Line("X25", "a global without a name", ("FormatError: a global without a name: .*",)),
    Line("X26", "NEWOBJ on what is no class", (UNNAMED, "denied: only a global that the stream names can be called")),
    Line("X27", "type() of three", (FORM,)),
    Line("X28", "bytes behind STOP", (TRAILING,)),
    Line("X29", "negative lengths", ("FormatError: .* of a negative length",)),
    # 4: where scanners and loaders differ
    Line(
        "S4",
        "what scanners have missed",
        (UNNAMED, CUT, "FormatError: memo entry 1 is set a second time", "FormatError: STACK_GLOBAL requires str"),
    ),
)


def verdict(error: BaseException | None) -> str:
    """Say what came of a load, in words that do not depend on the bytes."""
    if error is None:
        return LOADS
    if isinstance(error, PolicyError):
        return "; ".join(sorted({f"denied: {denial.reason}" for denial in error.denials}))
    if isinstance(error, LimitError):
        return f"limit: {error.limit}"
    message = str(error).partition(" (")[0] if getattr(error, "opcode", None) else str(error)
    return f"{type(error).__name__}: {message}"


class Stream(NamedTuple):
    """A stream with the limits to load it under."""

    title: str
    data: bytes
    limits: Limits = Limits()


ROWS = (*ATTACKS, *MORE_ATTACKS, *CASES, *ANSWERS)

SIMPLE = call(name("types", "SimpleNamespace"))
KEY, ONE = text("key"), number(1)
EQUAL = new(name(CANARY, "Equal"))

#: Streams on what `stdlib` allows, where those of the other modules need classes of an application.
EXTRA: dict[str, tuple[bytes, ...]] = {
    "R24": (EQUAL + TUPLE0 + REDUCE, MARK + EQUAL + OBJ, EQUAL + TUPLE0 + NEWOBJ),
    "R43": (
        state(SIMPLE, text("__setstate__"), NONE),
        state(SIMPLE, text("__setstate__"), name("collections", "OrderedDict")) + KEY + BUILD,
    ),
    "R44": (
        state(SIMPLE, text("append"), ONE) + ONE + APPEND,
        state(SIMPLE, text("extend"), ONE) + MARK + ONE + APPENDS,
        state(SIMPLE, text("add"), ONE) + MARK + ONE + ADDITEMS,
        state(SIMPLE, text("update"), ONE) + KEY + ONE + SETITEM,
    ),
    "R45": tuple(
        state(SIMPLE, text(key), NONE) for key in ("__reduce_ex__", "__reduce__", "__deepcopy__", "__getstate__")
    ),
    "R46": (
        state(SIMPLE, text("__class__"), name("collections", "OrderedDict")),
        slot_state(SIMPLE, KEY, ONE),
        slot_state(new(name("uuid", "UUID")), text("int"), ONE),
        slot_state(new(name("collections", "UserDict")), text("data"), ONE),
    ),
    "R47": (state(new(name(CANARY, "Probing")), KEY, ONE),),
    "R49": tuple(state(SIMPLE, key, ONE) for key in (blob(b"key"), ONE, NONE)),
    "R64": (ONE + op("BINPERSID"), op("PERSID", "id")),
    "R69": (NONE + b"." + pickled(call(ACT))[:-1], NONE + b".."),
    "X13": (name("collections", "OrderedDict") + LIST + REDUCE, name("collections", "UserDict") + LIST + NEWOBJ),
    "X14": tuple(SIMPLE + falsy + BUILD for falsy in (LIST, number(0), text(""), TUPLE0, SET)),
    "X15": (
        call(name("decimal", "Decimal"), text("1")) + DICT + BUILD,
        call(name("collections", "deque")) + DICT + BUILD,
    ),
    "X16": (SIMPLE + NONE + SET + TUPLE2 + BUILD, SIMPLE + NONE + LIST + TUPLE2 + BUILD),
    "X18": (new(name(CANARY, "Bag")) + ONE + APPEND, new(name(CANARY, "Bag")) + MARK + ONE + APPENDS),
}


def _is_contrast(expected: Expected) -> bool:
    """Return whether a row of a table is there to show what still loads."""
    return isinstance(expected, Loads) and expected is not REFUSED_CLAIM


def streams(line: Line, pack: str) -> list[Stream]:
    """Return the streams of a line that are to be refused, or all where the line says that they load."""
    found = [Stream(f"of its own, {n}", pickled(body)) for n, body in enumerate(EXTRA.get(line.id, ()), 1)]
    for row in ROWS:
        if row.id != line.id:
            continue
        expected = row.expected if isinstance(row, Answer) else (pack == "stdlib" and row.stdlib) or row.plain
        if LOADS in line.plain or not _is_contrast(expected):
            found.append(Stream(row.title, row.data, row.limits if isinstance(row, Case) else Limits()))
    return found


# --- What takes more than a stream ---------------------------------------------------------------------------


def _no_policy(sp: Any, policy: Any) -> Iterator[Callable[[], Any]]:
    data, codec = pickled(call(ACT)), sp.Codec  # loaded here, so that its import is no act of the stream's
    for nothing in (None, False, 0, "", (), frozenset()):
        yield lambda nothing=nothing: sp.loads(data, policy=nothing)
        yield lambda nothing=nothing: codec(policy=nothing).loads(data)
    yield lambda: sp.loads(data, policy=policy | sp.Policy(name="nothing"))
    yield lambda: sp.loads(data, policy=policy & sp.Policy(name="nothing"))


def _interned(sp: Any, policy: Any) -> Iterator[Callable[[], Any]]:
    def load() -> None:
        # Another each time: Python 3.12 keeps what the last line puts there for ever.
        key = f"attacks_key_{sp.__name__}_{time.monotonic_ns()}"
        value = sp.loads(pickled(state(SIMPLE, text(key), ONE)), policy=policy)
        assert list(vars(value)) == [key]
        fresh = "".join([key[:5], key[5:]])
        assert sys.intern(fresh) is fresh, "the key from the stream is in the table of interned strings"

    yield load


def _reentered(sp: Any, policy: Any) -> Iterator[Callable[[], Any]]:
    class Reentrant(sp.Unpickler):  # type: ignore[misc,name-defined]
        def persistent_load(self, pid: Any) -> Any:
            return self.load()

    yield Reentrant(io.BytesIO(b"Pid\n." * 3), policy=policy).load


@contextmanager
def _warm_cache() -> Iterator[int]:
    """Register an extension code for the canary, and warm copyreg's cache as an unrestricted load does."""
    copyreg.add_extension(CANARY, "act", 240)
    copyreg._extension_cache[240] = canary.act  # type: ignore[attr-defined]
    try:
        yield 240
    finally:
        copyreg.remove_extension(CANARY, "act", 240)
        copyreg.clear_extension_cache()


def _extension(sp: Any, policy: Any) -> Iterator[Callable[[], Any]]:
    def load(stream: bytes) -> None:
        with _warm_cache():
            sp.loads(stream, policy=policy)

    for opcode in ("EXT1", "EXT2", "EXT4"):
        yield lambda opcode=opcode: load(pickled(call(op(opcode, 240))))
        yield lambda opcode=opcode: load(pickled(op(opcode, 240)))


def _any_id(sp: Any, policy: Any) -> Iterator[Callable[[], Any]]:
    class Persistent(sp.Unpickler):  # type: ignore[misc,name-defined]
        def persistent_load(self, pid: Any) -> Any:
            canary.RECORD.append("asked")

    for pid in (LIST, DICT, dict_of(KEY, ONE)):
        yield Persistent(io.BytesIO(pickled(pid + op("BINPERSID"))), policy=policy).load


def _next_memo(sp: Any, policy: Any) -> Iterator[Callable[[], Any]]:
    unpickler = sp.Unpickler(io.BytesIO(pickled(text("secret") + MEMOIZE) + pickled(op("BINGET", 0))), policy=policy)
    assert unpickler.load() == "secret"
    yield unpickler.load


def _written(sp: Any, policy: Any) -> Iterator[Callable[[], Any]]:
    hooked = canary.Plain()
    for key in ("__reduce_ex__", "__reduce__", "__getstate__", "__getnewargs__"):
        hooked.__dict__[key] = canary.act
    for value in (hooked, canary.Slotted(), canary.act, {"a": [canary.Plain()]}):
        yield lambda value=value: sp.dumps(value, policy=policy)


def _believed(sp: Any, policy: Any) -> Iterator[Callable[[], Any]]:
    yield lambda: sp.loads(pickled(dict_of(text("command"), text("rm -rf /"))), policy=policy)


class _Endless(io.RawIOBase):
    """A socket whose text argument never ends."""

    def __init__(self, start: bytes) -> None:
        self.start, self.given = start, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = (b"" if self.given else self.start) + b"1" * len(buffer)
        self.given += len(buffer)
        assert self.given < 32 << 20, "reads on and on"
        buffer[:] = data[: len(buffer)]
        return len(buffer)


def _endless(sp: Any, policy: Any) -> Iterator[Callable[[], Any]]:
    limits = sp.Limits(max_bytes="2 MiB")
    for start in (b"V", b"I", b"L", b"F", b"S", b"P", b"c", b"(i", b"g", b"Np"):
        yield lambda start=start: sp.load(io.BufferedReader(_Endless(start)), policy=policy, limits=limits)


TRIALS: dict[str, Callable[[Any, Any], Iterator[Callable[[], Any]]]] = {
    "R12": _no_policy,
    "R50": _interned,
    "R51": _reentered,
    "R61": _extension,
    "R64": _any_id,
    "R67": _next_memo,
    "R70": _written,
    "R71": _believed,
    "D21": _interned,
    "D22": _endless,
}
