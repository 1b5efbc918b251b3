"""D01 to D20: streams that ask for more than they are worth, with the limit that refuses each.

Where the default bound is far away, the test sets a nearer one, so that the test itself stays cheap; the
bounds by default are tried in `test_resources.py` and `benchmarks/hostile.py`. No time is measured here.
"""

from __future__ import annotations

import io
import pickle
import zlib
from typing import Any, NamedTuple

import pytest
from attacks.asm import (
    ADDITEMS,
    APPENDS,
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
    SETITEMS,
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
    old_name,
    op,
    pickled,
    text,
    tuple_of,
)
from attacks.expected import MALFORMED, TRUNCATED, Expected, Loads, check, check_load, denied, equals, limited

from safepickle.errors import LimitError, TruncatedError
from safepickle.limits import Limits


class Case(NamedTuple):
    """One stream with the limits to load it under."""

    id: str
    title: str
    data: bytes
    plain: Expected
    stdlib: Expected | None = None
    limits: Limits = Limits()


ANY = Loads(lambda value: True)

# Multiples of it hash to 0: hash(int) is the remainder modulo 2**61 - 1 on 64-bit machines.
MODULUS = 2**61 - 1


def colliding(count: int) -> list[bytes]:
    """Push ints that all hash to 0."""
    return [number(k * MODULUS) for k in range(1, count + 1)]


def tower(levels: int) -> bytes:
    """Push a tuple that holds itself doubled, level by level: 2**levels ones in all."""
    return number(1) + (DUP + TUPLE2) * levels


def set_tower(levels: int, slots: int) -> bytes:
    """Push a frozenset of two tuples that each hold the same frozenset of two tuples ..."""
    step = MARK + op("BINGET", 0) + number(0) + TUPLE2 + op("BINGET", 0) + number(1) + TUPLE2 + FROZENSET
    return (
        MARK
        + number(1)
        + FROZENSET
        + b"".join(
            op("LONG_BINPUT", slots + k) + POP + step.replace(op("BINGET", 0), op("LONG_BINGET", slots + k))
            for k in range(levels)
        )
    )


def deep_tuple(levels: int) -> bytes:
    """Push a tuple of a tuple of ..."""
    return TUPLE0 + TUPLE1 * levels


def _memo() -> list[Case]:
    memo = limited("max_memo")
    return [
        Case("D01", "LONG_BINPUT 2**26", b"Nr\xff\xff\xff\x03.", memo),
        Case("D01", "LONG_BINPUT 2**31", b"Nr\0\0\0\x80.", memo),
        Case("D01", "LONG_BINPUT 2**32 - 1", b"Nr\xff\xff\xff\xff.", memo),
        Case("D01", "PUT 2**31", b"Np2147483648\n.", memo),
        Case("D01", "PUT 2**62", b"Np4611686018427387904\n.", memo),
        Case("D01", "many entries", pickled(NONE + MEMOIZE * 101), memo, limits=Limits(max_memo=100)),
        Case("D01", "index at the bound", pickled(NONE + op("BINPUT", 101)), memo, limits=Limits(max_memo=100)),
    ]


def _claims() -> list[Case]:
    cases = []
    for opcode, width in (
        ("BINBYTES8", 8),
        ("BYTEARRAY8", 8),
        ("BINUNICODE8", 8),
        ("BINBYTES", 4),
        ("BINUNICODE", 4),
        ("LONG4", 4),
        ("BINSTRING", 4),
    ):
        for claim in (100, 1_500_000_000, 2**33, 2**63 - 1, 2**63, 2**64 - 1):
            if claim >= 2 ** (8 * width) or (opcode in ("LONG4", "BINSTRING") and claim >= 2**31):
                continue
            data = PROTO[4] + op(opcode, b"xx", claim=claim) + b"."
            # Which of the two is nearer depends on the claim; both are checked before anything is taken.
            expected = TRUNCATED if claim == 100 else REFUSED_CLAIM
            cases.append(Case("D02", f"{opcode} claims {claim}", data, expected))
    return cases


#: A claim beyond a limit is refused by the limit, one beyond the input as a cut stream.
REFUSED_CLAIM = Loads(lambda value: False)


def _floods() -> list[Case]:
    small = Limits(max_memory="4 MiB")
    objects = Limits(max_objects=1000)
    return [
        *(
            Case(
                "D03",
                f"{title} flood",
                pickled(MARK + opcode * 100_000 + TUPLE),
                limited("max_memory"),
                limits=small,
            )
            for title, opcode in (("EMPTY_SET", SET), ("EMPTY_DICT", DICT), ("EMPTY_LIST", LIST))
        ),
        Case("D03", "objects", pickled(MARK + SET * 1001 + TUPLE), limited("max_objects"), limits=objects),
        Case(
            "D03",
            "dropped objects",
            pickled((LIST + POP) * 1001 + NONE),
            limited("max_objects"),
            limits=objects,
        ),
        Case("D03", "MARK flood", PROTO[4] + MARK * 1_000_000, limited(), limits=small),
        Case("D03", "NONE flood", PROTO[4] + NONE * 1_000_000, limited(), limits=small),
        Case("D03", "MEMOIZE flood", PROTO[4] + NONE + MEMOIZE * 1_000_000, limited(), limits=small),
        Case(
            "D03",
            "items of a list",
            pickled(list_of(NONE * 101)),
            limited("max_items"),
            limits=Limits(max_items=100),
        ),
        Case(
            "D03",
            "items of a tuple",
            pickled(tuple_of(NONE * 101)),
            limited("max_items"),
            limits=Limits(max_items=100),
        ),
        Case(
            "D03",
            "items of a dict, one by one",
            pickled(DICT, *(number(k) + NONE + SETITEM for k in range(101))),
            limited("max_items"),
            limits=Limits(max_items=100),
        ),
        Case(
            "D03",
            "items of a list, one by one",
            pickled(LIST + b"Na" * 101),
            limited("max_items"),
            limits=Limits(max_items=100),
        ),
    ]


def _hashes() -> list[Case]:
    many = colliding(20_000)
    pairs = [key + NONE for key in many]
    tuples = [key + TUPLE1 for key in many]
    work = limited("max_hash_work")
    complexes = [
        call(old_name("__builtin__", "complex"), op("BINFLOAT", -1000003.0 * k), op("BINFLOAT", float(k)))
        for k in range(1, 5000)
    ]
    cases = [
        Case("D04", "dict of ints", pickled(dict_of(*pairs)), work),
        Case("D04", "dict of ints, one by one", pickled(DICT, *(pair + SETITEM for pair in pairs)), work),
        Case("D04", "dict of ints, by DICT", pickled(MARK, *pairs, b"d"), work),
        Case(
            "D04",
            "dict of ints, in batches",
            pickled(DICT, *(MARK + b"".join(pairs[n : n + 50]) + SETITEMS for n in range(0, 20_000, 50))),
            work,
        ),
        Case("D04", "set of ints", pickled(SET + MARK, *many, ADDITEMS), work),
        Case("D04", "set of ints, one by one", pickled(SET, *(MARK + key + ADDITEMS for key in many)), work),
        Case("D04", "frozenset of ints", pickled(MARK, *many, FROZENSET), work),
        Case("D04", "dict of tuples", pickled(dict_of(*(key + NONE for key in tuples))), work),
        Case("D04", "complex numbers", pickled(SET + MARK, *complexes, ADDITEMS, proto=2), work),
        Case("D05", "set(list)", pickled(call(name("builtins", "set"), list_of(*many))), work),
        Case("D05", "frozenset(list)", pickled(call(name("builtins", "frozenset"), list_of(*many))), work),
        Case(
            "D05",
            "set(list) of Python 2",
            pickled(call(old_name("__builtin__", "set"), list_of(*many)), proto=2),
            work,
        ),
        Case(
            "D05",
            "Counter(dict)",
            pickled(call(name("collections", "Counter"), dict_of(*pairs))),
            denied(),
            work,
        ),
        Case(
            "D05",
            "OrderedDict items",
            pickled(name("collections", "OrderedDict") + TUPLE0 + REDUCE + MARK, *pairs, SETITEMS),
            denied(),
            work,
        ),
        Case(
            "D05",
            "defaultdict items",
            pickled(name("collections", "defaultdict") + TUPLE0 + REDUCE + MARK, *pairs, SETITEMS),
            denied(),
            work,
        ),
    ]
    for levels in (28, 64, 200):
        cases += [
            Case("D06", f"tower of {levels} as a key", pickled(DICT + tower(levels) + NONE + SETITEM), work),
            Case("D06", f"tower of {levels} in a set", pickled(SET + MARK + tower(levels) + ADDITEMS), work),
            Case("D06", f"tower of {levels} in a frozenset", pickled(MARK + tower(levels) + FROZENSET), work),
        ]
    cases += [
        Case("D07", "twin towers of 27", pickled(dict_of(tower(27), NONE, tower(27), NONE)), work),
        Case(
            "D07",
            "twin towers of 20, many times",
            pickled(dict_of(*(tower(20) + NONE for _ in range(40)))),
            work,
        ),
        Case(
            "D07",
            "twin towers of frozensets",
            pickled(dict_of(set_tower(64, 0), NONE, set_tower(64, 100), NONE)),
            work,
        ),
        Case("D08", "deep tuple as a key", pickled(dict_of(deep_tuple(900), NONE)), work),
        Case("D08", "deeper tuple as a key", pickled(dict_of(deep_tuple(300_000), NONE)), limited("max_depth")),
    ]
    return cases


def nested(levels: int) -> dict[str, bytes]:
    """Return pickles of lists, dicts and tuples nested so deep, in every encoding that nests."""
    return {
        "lists, by APPENDS": pickled(b"](" * levels + b"e" * levels),
        "lists, by APPEND": pickled(b"]" * levels + b"a" * (levels - 1)),
        "lists, by LIST": pickled(b"(" * levels + b"l" * levels),
        "tuples, by TUPLE1": pickled(b")" + b"\x85" * levels),
        "tuples, by TUPLE": pickled(b"(" * levels + b"t" * levels),
        "dicts, by SETITEM": pickled(b"}" + b"K\0}" * levels + b"s" * levels),
        "dicts, by DICT": pickled(b"(K\0" * levels + b"N" + b"d" * levels),
        "frozensets": pickled(b"(" * levels + b"\x91" * levels),
        "memo chain, from the inside out": pickled(
            b"]\x940"
            + b"".join(b"]j" + k.to_bytes(4, "little") + b"a\x940" for k in range(levels))
            + b"h\0"
            + b"0j"
            + levels.to_bytes(4, "little")
        ),
        "memo chain, from the outside in": pickled(
            b"]\x94" + b"".join(b"]\x94a0j" + k.to_bytes(4, "little") for k in range(1, levels)) + b"0h\0"
        ),
    }


def _depth() -> list[Case]:
    depth = limited("max_depth")
    near = Limits(max_depth=50)
    cases = [Case("D09", f"{title}, 60 deep", data, depth, limits=near) for title, data in nested(60).items()]
    cases += [
        Case("D09", f"{title}, 40 deep", data, ANY, limits=near) for title, data in nested(40).items()
    ]
    cases.append(Case("D09", "open marks", PROTO[4] + MARK * 1000, depth, limits=near))
    for kind in ("OrderedDict", "deque"):
        make = name("collections", kind) + TUPLE0 + REDUCE
        if kind == "deque":
            data = pickled(make * 60 + b"a" * 59)
        else:
            data = pickled(make + (number(0) + make) * 60 + SETITEM * 60)
        cases.append(Case("D09", f"{kind}, 60 deep", data, denied(), depth, limits=near))
    return cases


def laughs(levels: int) -> bytes:
    """Push a list of ten lists of ten lists of ..., each made once."""
    return (
        LIST + MEMOIZE + b"".join(POP + LIST + MARK + op("BINGET", k) * 10 + APPENDS + MEMOIZE for k in range(levels))
    )


def _values() -> list[Case]:
    astral = "x" * 1_000_000 + "\U0001f600"
    bits, memory = limited("max_int_bits"), limited("max_memory")
    tight = Limits(max_memory="3 MiB")
    return [
        # It cannot be refused by size; what counts is that loading costs nothing.
        Case(
            "D10",
            "billion laughs",
            pickled(laughs(9)),
            Loads(lambda value: type(value) is list and len(value) == 10),
        ),
        Case("D11", "INT of 1 MB", b"I" + b"9" * 1_000_000 + b"\n.", bits),
        Case("D11", "LONG of 1 MB", b"L" + b"9" * 1_000_000 + b"L\n.", bits),
        Case("D11", "LONG of 4301 digits", b"L" + b"9" * 4301 + b"L\n.", bits),
        Case("D11", "GET of 1 MB", b"Ng" + b"9" * 1_000_000 + b"\n.", MALFORMED),
        Case("D11", "PUT of 1 MB", b"Np" + b"9" * 1_000_000 + b"\n.", MALFORMED),
        Case("D11", "PUT of zeros", b"Np" + b"0" * 1_000_000 + b"\n.", MALFORMED),
        Case("D12", "LONG4 of 10 MB", pickled(op("LONG4", b"\x7f" * 10_000_000)), bits),
        Case(
            "D12",
            "LONG1 of 255 bytes",
            pickled(op("LONG1", b"\x7f" * 255)),
            bits,
            limits=Limits(max_int_bits=2000),
        ),
        Case("D13", "FLOAT of 1 MB", b"F" + b"1" * 1_000_000 + b"\n.", MALFORMED),
        Case("D13", "FLOAT of zeros", b"F0." + b"0" * 1_000_000 + b"\n.", MALFORMED),
        Case("D14", "wide str", pickled(op("BINUNICODE", astral)), memory, limits=tight),
        Case("D14", "wide str in text", b"V" + b"x" * 1_000_000 + b"\\U0001f600\n.", memory, limits=tight),
        Case("D14", "wide str, by default", pickled(op("BINUNICODE", astral)), equals(astral)),
        Case("D15", "bytearray(10**9)", pickled(call(name("builtins", "bytearray"), number(10**9))), denied()),
        Case("D15", "bytes(10**9)", pickled(call(name("builtins", "bytes"), number(10**9))), denied()),
        *(
            Case(
                "D15",
                f"{kind}(range(10**8))",
                pickled(call(name("builtins", kind), call(name("builtins", "range"), number(10**8)))),
                denied(),
            )
            for kind in ("list", "set", "tuple", "frozenset", "dict", "bytearray")
        ),
        Case(
            "D15",
            "deque of a range",
            pickled(call(name("collections", "deque"), call(name("builtins", "range"), number(10**8)))),
            denied(),
        ),
        Case(
            "D16",
            "bytearray(bytes) many times",
            _copies("bytearray", op("BINBYTES", b"x" * 100_000)),
            memory,
            limits=tight,
        ),
        Case(
            "D16",
            "frozenset(list) many times",
            _copies("frozenset", list_of(*map(number, range(1000)))),
            memory,
            limits=tight,
        ),
        Case(
            "D16",
            "encode(str) many times",
            pickled(
                op("BINUNICODE", "x" * 100_000)
                + MEMOIZE
                + POP
                + MARK
                + (name("_codecs", "encode") + op("BINGET", 0) + text("latin1") + TUPLE2 + REDUCE) * 100
                + TUPLE
            ),
            memory,
            limits=tight,
        ),
        Case(
            "D17",
            "punycode",
            pickled(call(name("_codecs", "encode"), text("\u00e4" * 20_000), text("punycode"))),
            denied(),
        ),
        Case("D17", "idna", pickled(call(name("_codecs", "encode"), text("a" * 100), text("idna"))), denied()),
        Case(
            "D18",
            "zlib by _codecs",
            pickled(call(name("_codecs", "decode"), blob(zlib.compress(b"x" * 100_000)), text("zlib"))),
            denied(),
        ),
        Case(
            "D18",
            "zlib",
            pickled(call(name("zlib", "decompress"), blob(zlib.compress(b"x" * 100_000)))),
            denied(),
        ),
        *(
            Case("D19", f"{pair}", pickled(call(name(*pair), *arguments)), denied(pair))
            for pair, arguments in (
                (("builtins", "pow"), (number(2), number(10**9))),
                (("math", "factorial"), (number(10**6),)),
                (("operator", "mul"), (text("x"), number(10**9))),
                (("operator", "pow"), (number(2), number(10**9))),
                (("builtins", "str.join"), (text(","), list_of(text("x")))),
                (("re", "_compile"), (text("(a{1,9999}){1,9999}"), number(0))),
                (("re", "compile"), (text("(a+)+$"),)),
            )
        ),
        Case(
            "D19",
            "Fraction of a text",
            pickled(call(name("fractions", "Fraction"), text("1e100000000"))),
            denied(),
            None,
        ),
        Case(
            "D19",
            "Decimal with a huge exponent",
            pickled(call(name("decimal", "Decimal"), text("1E999999999"))),
            denied(),
            None,
        ),
        Case(
            "D20",
            "DUP and POP",
            PROTO[4] + NONE + (DUP + POP) * 600 + b".",
            limited("max_opcodes"),
            limits=Limits(max_opcodes=1000),
        ),
        Case(
            "D20",
            "empty frames",
            PROTO[4] + op("FRAME", 0) * 1100 + NONE + b".",
            limited("max_opcodes"),
            limits=Limits(max_opcodes=1000),
        ),
        Case("D20", "PROTO", PROTO[4] * 1100 + NONE + b".", MALFORMED),
        Case("D20", "bytes", pickled(blob(b"x" * 2000)), limited("max_bytes"), limits=Limits(max_bytes=1000)),
        Case(
            "D20",
            "one string",
            pickled(text("x" * 2000)),
            limited("max_string"),
            limits=Limits(max_string=1000),
        ),
        Case(
            "D20",
            "one line",
            b"V" + b"x" * 2000 + b"\n.",
            limited("max_string"),
            limits=Limits(max_string=1000),
        ),
        Case(
            "D20",
            "calls",
            pickled((call(name("builtins", "set"), LIST) + POP) * 11 + NONE),
            limited("max_calls"),
            limits=Limits(max_calls=10),
        ),
    ]


def _copies(function: str, argument: bytes) -> bytes:
    once = name("builtins", function) + op("BINGET", 0) + TUPLE1 + REDUCE
    return pickled(argument + op("BINPUT", 0) + POP + MARK + once * 200 + TUPLE)


CASES = [*_memo(), *_claims(), *_floods(), *_hashes(), *_depth(), *_values()]
PARAMS = [pytest.param(case, id=f"{case.id}-{case.title}"[:70]) for case in CASES]


def _check(sp: Any, case: Case, expected: Expected, policy: Any) -> None:
    if expected is REFUSED_CLAIM:
        with pytest.raises((TruncatedError, LimitError)):
            sp.loads(case.data, policy=policy)
        with pytest.raises((TruncatedError, LimitError)):
            sp.load(io.BytesIO(case.data), policy=policy)
        return
    check(sp, case.data, expected, policy=policy, limits=case.limits)
    check_load(lambda: sp.load(io.BytesIO(case.data), policy=policy, limits=case.limits), expected)


@pytest.mark.parametrize("case", PARAMS)
def test_plain(sp: Any, case: Case) -> None:
    _check(sp, case, case.plain, sp.PLAIN)


@pytest.mark.parametrize("case", PARAMS)
def test_stdlib(sp: Any, case: Case) -> None:
    _check(sp, case, case.stdlib or case.plain, sp.Policy.packs("stdlib"))


def test_a_limit_names_itself(sp: Any) -> None:
    with pytest.raises(LimitError) as caught:
        sp.loads(b"Nr\0\0\0\x80.")
    error = caught.value
    assert (error.limit, error.bound, error.asked) == ("max_memo", 10_000_000, 2**31 + 1)
    assert (error.position, error.opcode) == (1, "LONG_BINPUT")


def test_real_data_is_within_the_limits(sp: Any) -> None:
    """What the counters refuse must not be what people store: many keys, a few equal hashes."""
    values = [
        {number_: str(number_) for number_ in range(100_000)},
        {(a, b) for a in range(200) for b in range(200)},
        {-1, -2, 0, 2**61 - 1, (), "", b"", 0.5, None},
        [float(number_) for number_ in range(10_000)],
        {frozenset({a, a + 1}): a for a in range(2_000)},
    ]
    for value in values:
        for protocol in range(6):
            assert sp.loads(pickle.dumps(value, protocol)) == value


def test_a_deeper_limit_is_honoured(sp: Any) -> None:
    limits = sp.Limits(max_depth=None)
    for title, data in nested(20_000).items():
        if title == "frozensets":
            # An item of a set is hashed, which recurses in C: its own bound holds.
            check(sp, data, limited("max_hash_work"), limits=limits)
        elif "outside in" not in title:
            assert sp.loads(data, limits=limits) is not None
