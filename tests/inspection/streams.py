"""Pickles to look at: what real picklers write at every protocol, and what no pickler writes."""

from __future__ import annotations

import datetime as dt
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

REAL = Path(__file__).parent.parent / "real"


class Node:
    """A class with a cycle through its state."""

    def __init__(self) -> None:
        self.items = [1, 2]
        self.itself = self


class Derived(dict):
    """A dict with state beside its items."""


def _values() -> list[Any]:
    inner: list[Any] = []
    around = (inner,)
    inner.append(around)
    derived = Derived(a=1)
    derived.note = "state"
    shared = ["shared"]
    return [
        None,
        [True, False, 0, 255, 256, 65536, -1, 2**31, -(2**31), 10**30, -(10**30), 2**2100],
        [0.0, -1.5, 1e300, float("inf"), float("-inf")],
        ["", "a", "'quote\"", "line\nbreak \\ slash", "\u20ac\U0001f600", "\ud800", "x" * 300, "y" * 70000],
        [b"", b"ab\x00\xff", b"x" * 300, b"y" * 70000, bytearray(b"abc")],
        [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        {"a": {"b": [1, {2: 3}]}, (1, 2): None},
        [{1, 2}, set(), frozenset([3])],
        [shared, shared, {"k": shared}],
        inner,
        around,
        Node(),
        derived,
        OrderedDict(a=1),
        dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
        Node,
        complex(1, 2),
        list(range(300)),
        [str(number) for number in range(9000)],
    ]


#: Well-formed streams, each with a name for the test's id.
WELL_FORMED: dict[str, bytes] = {
    f"{type(value).__name__}{index}-p{protocol}": pickle.dumps(value, protocol)
    for index, value in enumerate(_values())
    for protocol in range(6)
} | {path.name: path.read_bytes() for path in sorted(REAL.glob("*.pkl"))}

#: Streams that must be refused, by what is wrong with them.
MALFORMED: dict[str, bytes] = {
    "no STOP": b"N",
    "an unknown opcode": b"\xff.",
    "length beyond the data": b"B\xff\xff\xff\x7fab.",
    "8 EiB claimed": b"\x8e" + b"\xff" * 7 + b"\x7f" + b"ab",
    "a negative length": b"T\xff\xff\xff\xff.",
    "negative length of a long": b"\x8b\xff\xff\xff\xff.",
    "cut-off int": b"J\x00\x00",
    "cut-off length": b"X\x00\x00",
    "text that is not UTF-8": b"X\x01\x00\x00\x00\xff.",
    "line without end": b"I12",
    "hexadecimal int": b"I0x10\n.",
    "int with an underscore": b"I1_0\n.",
    "unquoted string": b"Sabc\n.",
    "one quote": b"S'\n.",
    "index with a sign": b"Np+1\n.",
    "empty module and name": b"c\n\n.",
    "id that is not ASCII": b"P\xff\n.",
}

#: Streams whose opcodes can be read but do not go together.
ILL_BUILT: dict[str, bytes] = {
    "nothing on the stack": b".",
    "two values left": b"NN.",
    "a mark left": b"(N.",
    "no mark": b"NNt.",
    "items from below a mark": b"N(N\x86.",
    "memo read before written": b"h\x00.",
    "memo written twice": b"Nq\x00q\x00.",
    "memo of nothing": b"q\x00N.",
    "memo of a mark": b"(q\x000N.",
    "MEMOIZE over a PUT": b"Nq\x01\x94.",
    "a second PROTO": b"\x80\x02\x80\x04N.",
    "a late PROTO": b"N\x80\x02.",
    "protocol 6": b"\x80\x06N.",
    "frame longer than the data": b"\x80\x04\x95\x09\x00\x00\x00\x00\x00\x00\x00N.",
    "frame ends in an argument": b"\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00J\x00\x00\x00\x00.",
    "frame in a frame": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x95\x02\x00\x00\x00\x00\x00\x00\x00N.",
}
