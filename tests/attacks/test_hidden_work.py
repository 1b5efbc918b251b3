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
from attacks.app import APP, CANARY, allowing
from attacks.asm import (
    ADDITEMS,
    APPENDS,
    DICT,
    DUP,
    FROZENSET,
    LIST,
    MARK,
    NONE,
    POP,
    REDUCE,
    SET,
    SETITEM,
    SETITEMS,
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
MODULUS = 2**61 - 1
#: As many digits, and bits, as a number may have by default.
DIGITS, LARGE = 2200, 2**14_282 - 12_345


def tower(leaf: bytes, *widths: int) -> bytes:
    """Return a tuple of so many of a tuple of so many of one leaf: a byte for each."""
    return MARK * len(widths) + leaf + b"".join(DUP * (width - 1) + TUPLE for width in widths)


def keyed(*keys: bytes) -> bytes:
    return pickled(DICT + b"".join(key + NONE + SETITEM for key in keys))


HASHED = {
    "ints": number(LARGE),
    "ranges": name("builtins", "range") + tuple_of(number(-LARGE), number(LARGE), number(2**14_000 + 1)) + REDUCE,
    "fractions": name("fractions", "Fraction") + tuple_of(number(LARGE), number(2**14_281 + 1)) + REDUCE,
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
    "a decimal and an int": (decimal("9" * DIGITS), number(NINES)),
    "an int and a decimal": (number(NINES), decimal("9" * DIGITS)),
    "a decimal and a fraction": (
        decimal("0." + "7" * DIGITS),
        name("fractions", "Fraction") + tuple_of(number(int("7" * DIGITS)), number(10**DIGITS)) + REDUCE,
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
        check(sp, keyed(*[number(k * MODULUS) for k in range(1, count + 1)]), expected)


def colliding(value: int, count: int = 63) -> list[bytes]:
    """Return decimals of one hash, where no int that is large shows it."""
    return [decimal(str(value + k * MODULUS)) for k in range(1, count + 1)]


def dict_of(keys: list[bytes]) -> bytes:
    return DICT + b"".join(one + NONE + SETITEM for one in keys)


#: What costs nothing as a key, and others of its hash, which anybody can tell.
AGAIN = pytest.mark.parametrize(
    ("again", "others"),
    [(number(5), colliding(5)), (op("BINFLOAT", 5.0), colliding(5)), (text(""), colliding(0))],
    ids=["int", "float", "text"],
)


@AGAIN
@pytest.mark.parametrize("many", [False, True])
def test_keys_that_cost_nothing_are_compared_too(sp: Any, again: bytes, others: list[bytes], many: bool) -> None:
    """D05: 220 kB took three seconds to compare one float with 63 fractions again and again."""
    one = MARK + (again + NONE) * 100 + SETITEMS if many else (again + NONE + SETITEM) * 100
    keyed = dict_of(others)
    check(sp, pickled(keyed, again, NONE, SETITEM), ANY, policy=STDLIB)
    check(sp, pickled(keyed, one), limited("max_hash_work"), policy=STDLIB)
    # Without others of its hash, or where these are in another dict, it may come as often as it likes.
    check(sp, pickled(keyed, POP, DICT, one), ANY, policy=STDLIB)


@AGAIN
def test_members_that_cost_nothing_are_compared_too(sp: Any, again: bytes, others: list[bytes]) -> None:
    members = MARK + b"".join(others)
    check(sp, pickled(SET, members, again, ADDITEMS), ANY, policy=STDLIB)
    for more in (again * 100 + ADDITEMS, ADDITEMS + MARK + again * 100 + ADDITEMS):
        check(sp, pickled(SET, members, more), limited("max_hash_work"), policy=STDLIB)
    check(sp, pickled(MARK, b"".join(others), again * 100, FROZENSET), limited("max_hash_work"), policy=STDLIB)


def test_an_empty_text_is_compared_where_it_is_set_alone(sp: Any) -> None:
    """In the loop, too, where no global has been named: its hash is 0, and so is that of any multiple of 2**61 - 1."""
    others = b"".join(number(k * MODULUS) + NONE + SETITEM for k in range(1, 64))
    once = op("EMPTY_DICT") + others + text("") + NONE + SETITEM
    check(sp, pickled(once), ANY)
    check(sp, pickled(once, (text("") + NONE + SETITEM) * 2), limited("max_hash_work"))
    check(sp, pickled(op("EMPTY_DICT"), (text("") + NONE + SETITEM) * 100), equals({"": None}))


def test_what_a_call_has_filled_has_the_keys_that_it_was_given(sp: Any) -> None:
    """D05: an OrderedDict of a dict took any number of keys that are compared with those of the dict."""
    ordered = name("collections", "OrderedDict") + tuple_of(dict_of(colliding(5))) + REDUCE
    check(sp, pickled(ordered, number(5), NONE, SETITEM), ANY, policy=STDLIB)
    check(sp, pickled(ordered, (number(5) + NONE + SETITEM) * 2), limited("max_hash_work"), policy=STDLIB)
    # Each call counts for itself, but all of them are paid for.
    more = (op("BINGET", 0) + op("BINGET", 1) + REDUCE + POP) * 40
    given = tuple_of(dict_of(colliding(5, 32)))
    shared = name("collections", "OrderedDict") + op("BINPUT", 0) + given + op("BINPUT", 1)
    check(sp, pickled(shared, REDUCE, more), ANY, policy=STDLIB)
    low = Limits(max_hash_work=10_000)
    check(sp, pickled(shared, REDUCE, more), limited("max_hash_work"), policy=STDLIB, limits=low)


@pytest.mark.parametrize(("kind", "base"), [("QuietDict", "dict"), ("QuietSet", "set")])
def test_what_is_reconstructed_has_the_keys_that_it_was_given(sp: Any, kind: str, base: str) -> None:
    large = [number(k * MODULUS + 5) for k in range(1, 64)]
    filled = dict_of(large) if base == "dict" else SET + MARK + b"".join(large) + ADDITEMS
    one = number(5) + NONE + SETITEM if base == "dict" else MARK + number(5) + ADDITEMS
    body = name("copyreg", "_reconstructor") + tuple_of(name(CANARY, kind), name("builtins", base), filled) + REDUCE
    check(sp, pickled(body, one), ANY, policy=APP)
    check(sp, pickled(body, one * 2), limited("max_hash_work"), policy=APP)


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
    body += tuple_of(name("http", "HTTPStatus"), name("builtins", "int"), number(2**70)) + REDUCE
    policy = allowing("HTTPStatus new", module="http")
    check(sp, pickled(body), denied(), policy=policy)
    assert sp.decoding.unpickler.survey(pickled(body), policy=policy).denials
