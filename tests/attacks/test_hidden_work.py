"""What costs more than its size shows: items that are hashed and compared again and again, texts with escapes.

Found by an attack on this library's own checks: each stream took seconds to minutes, or the memory of fifty, before.
"""

from __future__ import annotations

import http  # noqa: F401 - or an import of it would be an act
import pickle
import tracemalloc
import uuid
from typing import Any

import pytest
from attacks.app import allowing
from attacks.asm import (
    APPENDS,
    DICT,
    DUP,
    LIST,
    MARK,
    NONE,
    POP,
    REDUCE,
    SETITEM,
    TUPLE,
    TUPLE2,
    name,
    number,
    op,
    pickled,
    text,
    tuple_of,
)
from attacks.expected import MALFORMED, Loads, check, denied, equals, limited

from safepickle.limits import Limits
from safepickle.policy.rules import Policy

ANY = Loads(lambda value: True)
STDLIB = Policy.packs("stdlib")
#: As many digits, and bits, as a number may have by default.
DIGITS, LARGE = 2200, 2**14_282 - 12_345


def large(value: int) -> bytes:
    return op("LONG4", value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True))


def tower(leaf: bytes, *widths: int) -> bytes:
    """Return a tuple of so many of a tuple of so many of one leaf: a byte for each."""
    return MARK * len(widths) + leaf + b"".join(DUP * (width - 1) + TUPLE for width in widths)


def keyed(*keys: bytes) -> bytes:
    return pickled(DICT + b"".join(key + NONE + SETITEM for key in keys))


HASHED = {
    "ints": large(LARGE),
    "ranges": name("builtins", "range") + tuple_of(large(-LARGE), large(LARGE), large(2**14_000 + 1)) + REDUCE,
    "fractions": name("fractions", "Fraction") + tuple_of(large(LARGE), large(2**14_281 + 1)) + REDUCE,
}


def test_hashes_in_python_take_more_than_their_parts(sp: Any) -> None:
    fraction = name("fractions", "Fraction") + tuple_of(number(1), number(3)) + REDUCE
    check(sp, keyed(tower(fraction, 300, 300)), ANY, policy=STDLIB)
    check(sp, keyed(tower(fraction, 1000, 1000)), limited("max_hash_work"), policy=STDLIB)


@pytest.mark.parametrize("kind", HASHED)
def test_large_numbers_are_hashed_for_more_than_small_ones(sp: Any, kind: str) -> None:
    """Each is hashed anew: a text keeps its hash, and so does a decimal."""
    check(sp, keyed(tower(HASHED[kind], 50, 50)), ANY, policy=STDLIB)
    check(sp, keyed(tower(HASHED[kind], 1000, 300)), limited("max_hash_work"), policy=STDLIB)


def decimal(digits: str) -> bytes:
    return name("decimal", "Decimal") + tuple_of(text(digits)) + REDUCE


NINES = int("9" * DIGITS)
COMPARED = {
    "a decimal and an int": (decimal("9" * DIGITS), large(NINES)),
    "an int and a decimal": (large(NINES), decimal("9" * DIGITS)),
    "a decimal and a fraction": (
        decimal("0." + "7" * DIGITS),
        name("fractions", "Fraction") + tuple_of(large(int("7" * DIGITS)), large(10**DIGITS)) + REDUCE,
    ),
    "texts": (text("x" * 200_000), text("x" * 200_000)),
    "bytes": (op("BINBYTES", b"x" * 200_000), op("BINBYTES", b"x" * 200_000)),
}


@pytest.mark.parametrize("kind", COMPARED)
def test_comparing_is_paid_for_by_what_it_takes(sp: Any, kind: str) -> None:
    """D05: two keys of one hash, of which each part is compared with one that is equal, and another object."""
    one, other = COMPARED[kind]
    check(sp, keyed(tower(one, 3, 3), tower(other, 3, 3)), ANY, policy=STDLIB)
    check(sp, keyed(tower(one, 64, 64), tower(other, 64, 64)), limited("max_hash_work"), policy=STDLIB)


def test_few_keys_have_one_hash(sp: Any) -> None:
    """D04: a container compares the next one with all of them."""
    for count, expected in ((64, ANY), (65, limited("max_hash_work"))):
        check(sp, keyed(*[large(k * (2**61 - 1)) for k in range(1, count + 1)]), expected)


def test_honest_keys_are_cheap(sp: Any) -> None:
    """Texts of some length, numbers of 64 bits, nested tuples: a hundred thousand, and the same ones in other dicts."""
    value = {(f"https://example.org/{n}/" + "x" * 80, (n, 2**63 + n)): None for n in range(100_000)}
    assert sp.loads(pickle.dumps(value)) == value
    several = {uuid.UUID(int=n): None for n in range(2000)}
    assert sp.loads(pickle.dumps(several), policy=STDLIB, limits=Limits(max_hash_work=20 * len(several))) == several
    keys = list(value)[:50]
    many = [dict.fromkeys(keys) for _ in range(1000)]
    assert sp.loads(pickle.dumps(many)) == many


@pytest.mark.parametrize("escape", [rb"\na", rb"\n", rb"\'", rb"\x41", rb"\\"])
def test_a_text_with_escapes_takes_what_it_is(sp: Any, escape: bytes) -> None:
    line = escape * (300_000 // len(escape))
    data = b"S'" + line + b"'\n."
    expected = line.decode("unicode_escape")
    assert sp.loads(data, encoding="latin1") == expected
    tracemalloc.start()
    try:
        sp.loads(data, encoding="latin1")
        assert tracemalloc.get_traced_memory()[1] < 6 * len(data)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("escape", [rb"\q", rb"\x4", rb"\xg1", rb"\0", rb"\a", rb"\u0041"])
def test_other_escapes_are_refused(sp: Any, escape: bytes) -> None:
    for before in (b"", b"a", rb"\n", rb"\\"):
        check(sp, b"S'" + before + escape + b"'\n.", MALFORMED)


def test_arguments_that_calls_share_are_paid_for_in_a_survey(sp: Any) -> None:
    """D16: contracts look at plain arguments, each call at the same ones."""
    shared = name("decimal", "Decimal") + op("BINPUT", 0) + MARK + NONE * 50_000 + TUPLE + op("BINPUT", 1)
    call = op("BINGET", 0) + op("BINGET", 1) + REDUCE + POP
    check(sp, pickled(shared, call * 5, NONE), denied(), policy=STDLIB)
    data = pickled(shared, call * 1000, NONE)
    check(sp, data, denied(), policy=STDLIB)
    error = sp.decoding.unpickler.survey(data, policy=STDLIB).error
    assert isinstance(error, sp.LimitError)
    assert error.limit == "max_hash_work"


def test_what_is_kept_of_keys_is_paid_for(sp: Any) -> None:
    """Hashes are counted for each container, and what was measured is remembered."""
    body = number(1) + number(2) + TUPLE2 + op("BINPUT", 0) + POP
    dicts = LIST + MARK + (DICT + op("BINGET", 0) + NONE + SETITEM) * 2000 + APPENDS
    check(sp, pickled(body, dicts), equals([{(1, 2): None}] * 2000))
    check(sp, pickled(body, dicts), limited("max_memory"), limits=Limits(max_memory=1_000_000))


def test_a_survey_asks_what_a_reconstructed_class_is_given(sp: Any) -> None:
    body = name("copyreg", "_reconstructor")
    body += tuple_of(name("http", "HTTPStatus"), name("builtins", "int"), large(2**70)) + REDUCE
    policy = allowing("HTTPStatus new", module="http")
    check(sp, pickled(body), denied(), policy=policy)
    assert sp.decoding.unpickler.survey(pickled(body), policy=policy).denials
