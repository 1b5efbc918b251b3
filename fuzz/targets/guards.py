"""Whatever arguments and state a listed callable is given, it makes plain data at a bounded price, or is refused.

The input is a series of choices: a rule of the policies, a road to it (REDUCE, OBJ, INST, NEWOBJ, NEWOBJ_EX),
arguments,
state and items.
"""

from __future__ import annotations

import time
from typing import Any

from fuzz import samples, terms
from fuzz.assembly import dict_of, list_of, name, number, op, pickled, text
from fuzz.choices import ByteChoices, Choices
from fuzz.generator import BLOBS, FLOATS, INTS, TEXTS, Generator
from fuzz.idioms import ORDINARY, sample
from fuzz.oracles import check_contents, least_seconds, watched
from fuzz.outcomes import Finding, feature, outcome
from safepickle.errors import SafePickleError

INPUT = "choices"

RULES = tuple(terms.BOTH.rules)
#: Processor time that no call of plain values takes.
SECONDS = 0.5
_LAZY = name("builtins", "range") + number(10**7) + b"\x85R"
_ARGUMENTS = (
    b"N", b"\x88", b"]", b"}", b"\x8f", b")", _LAZY, list_of(_LAZY), number(10**9), number(-1), op("BINUNICODE",
    "9" * 9000),
    op("BINBYTES", b"\1" * 9000), text("1e100000000"), text("../../etc/passwd"), text("UTC"), text("b"), text("d"),
    name("builtins", "list"),
    sample("act"), sample("Node"), list_of(text("a"), number(1)), dict_of(text("int"), number(2**200)),
    dict_of(text("a"), number(1)),
    op("BINFLOAT", 1e308), list_of(number(1), number(2), number(3)), text("1.5"), number(8), text("__class__"),
    dict_of(text("__dict__"), b"}"), b"N}\x86", b"}}\x86", text("value"), op("BINBYTES",
    b"\x07\xe4\x01\x02\x03\x04\x05\0\0\x06"),
)  # fmt: skip


def argument(draw: Choices) -> bytes:
    """Push any value."""
    kind = draw.below(10)
    if kind < 4:
        return draw.pick(_ARGUMENTS)
    if kind == 4:
        return number(draw.pick(INTS[:28]))
    if kind == 5:
        return text(draw.pick(TEXTS))
    if kind == 6:
        return op("BINBYTES", draw.pick(BLOBS) if draw.below(2) else draw.blob(12))
    if kind == 7:
        return op("BINFLOAT", draw.pick(FLOATS))
    if kind == 8:
        return draw.pick(ORDINARY)
    generator = Generator(draw, plain=True)
    for _ in range(draw.below(6)):
        generator.step()
    generator.finish()
    return b"".join(generator.pieces) if not generator.memo else b"N"


def program(draw: Choices, module: str, qualname: str) -> bytes:
    """Return the stream that uses a global."""
    callee = name(module, qualname)
    arguments = [argument(draw) for _ in range(draw.below(4))]
    packed = b"(" + b"".join(arguments) + b"t"
    road = draw.below(6)
    if road == 0:
        made = callee + packed + b"\x81"
    elif road == 1:
        made = callee + packed + dict_of(text(draw.pick(TEXTS)), argument(draw)) + b"\x92"
    elif road == 2:
        made = b"(" + callee + b"".join(arguments) + b"o"
    elif road == 3 and module.isascii() and qualname.isascii():
        made = b"(" + b"".join(arguments) + op("INST", module, qualname)
    else:
        made = callee + packed + b"R"
    after = draw.below(8)
    if after == 0:
        made += argument(draw) + b"b"
    elif after == 1:
        made += b"N" + dict_of(text(draw.pick(TEXTS)), argument(draw)) + b"\x86b"
    elif after == 2:
        made += argument(draw) + b"a"
    elif after == 3:
        made += argument(draw) + argument(draw) + b"s"
    elif after == 4:
        made += b"(" + argument(draw) + argument(draw) + draw.pick((b"e", b"\x90", b"u"))
    elif after == 5:
        made = b"}" + made + b"Ns"
    return pickled(made)


def check(data: bytes) -> Any:
    """Write the program and load it."""
    draw = ByteChoices(data)
    rule = draw.pick(RULES)
    stream = program(draw, *rule)

    def load() -> Any:
        return terms.package.loads(stream, policy=terms.BOTH, limits=terms.LIMITS)

    with watched("a guarded call"):
        started = time.process_time()
        try:
            value = load()
        except SafePickleError:
            value = None
        taken = time.process_time() - started
        check_contents(value, terms.BOTH)
        del value
    if taken > SECONDS and least_seconds(load, SECONDS) > SECONDS:
        raise Finding("a call takes time out of proportion", f"{taken:.1f} s for {stream.hex()[:200]}")
    found = outcome(load)
    samples.disturbed()
    return rule, feature(found)
