"""Streams that are cheap to write and dear to load, and a script that measures what each costs.

`STREAMS` is data: title to a function that makes the stream. Run as a script, this module loads the named
streams one after another and prints one JSON line for each: the outcome, the time and the peak of memory
over what the process had before. `test_resources.py` and `benchmarks/hostile.py` run it in processes of
their own, under a bound on address space, so that a stream that wins takes nothing else with it.

    python tests/attacks/costly.py compiled|python plain|stdlib [title ...]
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from attacks.asm import (
    DICT,
    DUP,
    FROZENSET,
    LIST,
    MARK,
    MEMOIZE,
    NONE,
    POP,
    PROTO,
    REDUCE,
    SET,
    SETITEM,
    TUPLE,
    TUPLE0,
    TUPLE1,
    TUPLE2,
    blob,
    call,
    dict_of,
    list_of,
    name,
    number,
    op,
    pickled,
    text,
    tuple_of,
)

MILLION = 1_000_000
ADDRESS_SPACE = 3 << 30


def _le(value: int, width: int = 4) -> bytes:
    return value.to_bytes(width, "little")


def colliding(count: int) -> list[bytes]:
    """Push ints that all hash to 0."""
    return [number(k * (2**61 - 1)) for k in range(1, count + 1)]


def tower(levels: int) -> bytes:
    """Push a tuple that holds 2**levels ones."""
    return number(1) + (DUP + TUPLE2) * levels


def down_the_memo(levels: int) -> bytes:
    """Nest lists from the outside in: each is fetched from the memo to get the next one."""
    return pickled(b"]\x94" + b"".join(b"]\x94a0j" + _le(k) for k in range(1, levels)) + b"0h\0")


def up_the_memo(levels: int) -> bytes:
    """Nest lists from the inside out: each new one gets the last one from the memo."""
    return pickled(b"]\x94" + b"".join(b"0]j" + _le(k) + b"a\x94" for k in range(levels)))


def upside_down(levels: int) -> bytes:
    """Nest lists that are in the memo already, the innermost pair first."""
    made = MARK + b"]\x94" * levels + b"1"
    joined = b"".join(b"j" + _le(k - 1) + b"j" + _le(k) + b"a0" for k in range(levels - 1, 0, -1))
    return pickled(made + joined + b"h\0")


ORDERED, DEQUE = name("collections", "OrderedDict"), name("collections", "deque")


def _instances(cls: bytes, levels: int, nest: bytes) -> bytes:
    """Nest instances made by REDUCE; the class and the empty tuple come from the memo."""
    once = b"h\0)R"
    return pickled(cls + MEMOIZE + POP + (once + nest) * levels + NONE + (b"s" if nest else b"a") * levels)


STREAMS: dict[str, Callable[[], bytes]] = {
    # Claims and indexes.
    "8 GB of bytes claimed": lambda: pickled(op("BINBYTES8", b"xx", claim=2**33)),
    "8 GB of bytearray claimed": lambda: pickled(op("BYTEARRAY8", b"xx", claim=2**33), proto=5),
    "8 GB of text claimed": lambda: pickled(op("BINUNICODE8", b"xx", claim=2**33)),
    "2 GB of int claimed": lambda: pickled(op("LONG4", b"xx", claim=2**31 - 1)),
    "200 MB of bytearray claimed": lambda: pickled(op("BYTEARRAY8", b"xx", claim=200_000_000), proto=5),
    "frame of 8 GB": lambda: PROTO[4] + op("FRAME", 2**33) + NONE + b".",
    "memo index 2**31": lambda: pickled(NONE + op("LONG_BINPUT", 2**31)),
    "memo index 9 999 999": lambda: pickled(NONE + op("LONG_BINPUT", 9_999_999)),
    # Hashing.
    "tower of 28 as a key": lambda: pickled(DICT + tower(28) + NONE + SETITEM),
    "tower of 1000 as a key": lambda: pickled(DICT + tower(999) + NONE + SETITEM),
    "twin towers of 27": lambda: pickled(dict_of(tower(27), NONE, tower(27), NONE)),
    "towers of 18, one after another": lambda: pickled(dict_of(*(tower(18) + NONE for _ in range(2000)))),
    "towers of one hash": lambda: pickled(
        # Equal hashes make the dict compare whole towers with each other, again and again.
        dict_of(*(tower(15) + number(k * (2**61 - 1) + 5) + TUPLE2 + NONE for k in range(63)))
    ),
    "deep tuple as a key": lambda: pickled(DICT + TUPLE0 + TUPLE1 * 300_000 + NONE + SETITEM),
    "ints of one hash": lambda: pickled(dict_of(*(key + NONE for key in colliding(10_000)))),
    "ints of one hash in a set": lambda: pickled(SET + MARK, *colliding(10_000), b"\x90"),
    "ints of one hash in set(list)": lambda: pickled(call(name("builtins", "set"), list_of(*colliding(10_000)))),
    "ints of one hash in a Counter": lambda: pickled(
        call(name("collections", "Counter"), dict_of(*(key + NONE for key in colliding(10_000))))
    ),
    "ints of one hash in an OrderedDict": lambda: pickled(
        call(ORDERED) + MARK, *(key + NONE for key in colliding(10_000)), b"u"
    ),
    "tuples of one hash": lambda: pickled(dict_of(*(key + TUPLE1 + NONE for key in colliding(5_000)))),
    # Depth.
    "lists by ](": lambda: pickled(b"](" * MILLION + b"e" * MILLION),
    "lists by ] and a": lambda: pickled(b"]" * MILLION + b"a" * (MILLION - 1)),
    "lists by ( and l": lambda: pickled(MARK * MILLION + b"l" * MILLION),
    "tuples by TUPLE1": lambda: pickled(TUPLE0 + TUPLE1 * MILLION),
    "tuples by ( and t": lambda: pickled(MARK * MILLION + TUPLE * MILLION),
    "dicts by s": lambda: pickled(DICT + b"K\0}" * MILLION + SETITEM * MILLION),
    "dicts by d": lambda: pickled(b"(K\0" * MILLION + NONE + b"d" * MILLION),
    "frozensets": lambda: pickled(MARK * MILLION + FROZENSET * MILLION),
    "marks": lambda: PROTO[4] + MARK * MILLION,
    "lists down the memo": lambda: down_the_memo(MILLION),
    "lists up the memo": lambda: up_the_memo(MILLION),
    "lists upside down": lambda: upside_down(10_000),
    "OrderedDicts": lambda: _instances(ORDERED, MILLION, b"K\0"),
    "deques": lambda: _instances(DEQUE, MILLION, b""),
    # Width.
    "4 MB of EMPTY_SET": lambda: pickled(MARK + SET * (4 * MILLION) + TUPLE),
    "9 billion items, laughing": lambda: pickled(
        LIST + MEMOIZE + b"".join(POP + LIST + MARK + op("BINGET", k) * 10 + b"e" + MEMOIZE for k in range(9))
    ),
    "copies of a bytearray": lambda: pickled(
        op("BINBYTES", b"x" * 500_000)
        + op("BINPUT", 0)
        + POP
        + name("builtins", "bytearray")
        + op("BINPUT", 1)
        + POP
        + MARK
        + (op("BINGET", 1) + op("BINGET", 0) + TUPLE1 + REDUCE) * 5000
        + TUPLE
    ),
    # Numbers.
    "INT of 1 MB": lambda: b"I" + b"9" * MILLION + b"\n.",
    "LONG of 1 MB": lambda: b"L" + b"9" * MILLION + b"L\n.",
    "LONG4 of 10 MB": lambda: pickled(op("LONG4", b"\x7f" * 10_000_000)),
    "FLOAT of 10 MB": lambda: b"F" + b"1" * 10_000_000 + b"\n.",
    # Callables.
    "bytearray(10**9)": lambda: pickled(call(name("builtins", "bytearray"), number(10**9))),
    "set(range(10**8))": lambda: pickled(call(name("builtins", "set"), call(name("builtins", "range"), number(10**8)))),
    "list(range(10**8))": lambda: pickled(
        call(name("builtins", "list"), call(name("builtins", "range"), number(10**8)))
    ),
    "deque(range(10**8))": lambda: pickled(call(DEQUE, call(name("builtins", "range"), number(10**8)))),
    "punycode of 20 kB": lambda: pickled(call(name("_codecs", "encode"), text("\u00e4" * 20_000), text("punycode"))),
    "Fraction of 1e100000000": lambda: pickled(call(name("fractions", "Fraction"), text("1e100000000"))),
    "Decimal of 10 MB": lambda: pickled(call(name("decimal", "Decimal"), op("BINUNICODE", "9" * 10_000_000))),
    "datetime of 10 MB": lambda: pickled(call(name("datetime", "datetime"), blob(b"\7" * 10_000_000))),
    "keywords that many calls share": lambda: pickled(
        op("GLOBAL", "m", "n") + MEMOIZE + POP,
        dict_of(*(text(f"k{k}") + NONE for k in range(40_000))) + MEMOIZE + POP,
        (op("BINGET", 0) + TUPLE0 + op("BINGET", 1) + b"\x92" + POP) * 40_000 + NONE,
    ),
    # Denials.
    "names of 300 kB": lambda: pickled(name("x" * 300_000, "y" * 300_000)),
    "100 000 names": lambda: pickled(*(op("GLOBAL", "m", f"n{k}") + POP for k in range(100_000)), NONE),
    "100 000 denied calls": lambda: pickled(
        name("m", "n") + op("BINPUT", 0) + (op("BINGET", 0) + tuple_of() + REDUCE + POP) * 100_000
    ),
}

#: Streams that are refused only when a limit is spent. They are measured under a nearer `max_memory`, so that
#: the measuring stays cheap, and may cost what it says.
SPENDING = frozenset(
    {
        "towers of 18, one after another",
        "towers of one hash",
        "OrderedDicts",
        "deques",
        "4 MB of EMPTY_SET",
        "copies of a bytearray",
        "100 000 names",
        "100 000 denied calls",
        "keywords that many calls share",
    }
)
SPENDING_MEMORY = "64 MiB"
#: That much in MB, an allocation of the list that grows last, and what the measured process adds by itself.
SPENT_MEGABYTES = 90.0
#: What refusing any other stream may take over what the process has anyway.
MEGABYTES = 50.0

#: Outcomes that hold no surprise; anything else is a failure wherever this is used.
REFUSALS = ("LimitError", "PolicyError", "FormatError", "TruncatedError", "ReconstructionError")


def _reset_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _memory(field: str) -> int:
    """Return a field of the process's status in bytes; where there is no /proc, the peak so far."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextmanager
def peak_over() -> Iterator[list[float]]:
    """Measure the peak of memory in the block over what there was before, in MB, into the list."""
    peak: list[float] = []
    _reset_peak()
    base = _memory("VmRSS")
    yield peak
    peak.append(round(max(0, _memory("VmHWM") - base) / 1e6, 1))


def measure(load: Callable[[bytes], Any], data: bytes) -> dict[str, Any]:
    """Load once and return what came of it, in milliseconds and megabytes."""
    gc.collect()
    with peak_over() as peak:
        start = time.perf_counter()
        try:
            value = load(data)
            outcome = f"loaded {type(value).__name__}"
            del value
        except Exception as error:  # noqa: BLE001  whatever it is, it is the outcome
            outcome = type(error).__name__ + (f" {error.limit}" if hasattr(error, "limit") else "")
        seconds = time.perf_counter() - start
    return {"bytes": len(data), "outcome": outcome, "ms": round(seconds * 1000, 1), "MB": peak[0]}


def main(form: str, pack: str, *titles: str) -> None:
    """Measure the streams and print one JSON line for each."""
    import safepickle

    sp: Any = safepickle
    if form == "python":
        from safepickle._forms import python_form

        sp = python_form()
    elif not safepickle.COMPILED:
        raise SystemExit("the compiled form is not there")
    policy = sp.Policy.packs(pack)
    # What is imported on first use is not what a stream costs.
    for warm_up in (pickled(name("a", "b")), pickled(call(ORDERED)), pickled(call(DEQUE)), b"N.", b"x"):
        try:
            sp.loads(warm_up, policy=policy)
        except sp.SafePickleError as error:
            str(error)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    for title in titles or STREAMS:
        data = STREAMS[title]()
        limits = sp.Limits(max_memory=SPENDING_MEMORY) if title in SPENDING else sp.DEFAULT_LIMITS
        row = measure(lambda stream, limits=limits: sp.loads(stream, policy=policy, limits=limits), data)
        sys.stdout.write(json.dumps({"title": title, "form": form, "policy": pack, **row}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
