"""Keys that cost more than they show, and what calls make that is larger than what they were given.

Found by an attack on this library's own checks; each line of it loaded, or took minutes, before.
"""

from __future__ import annotations

import pickle
import time
import uuid
from collections import OrderedDict, UserString
from fractions import Fraction
from ipaddress import IPv6Interface
from pathlib import PurePosixPath
from typing import Any

import pytest
from attacks import canary
from attacks.app import CANARY, allowing
from attacks.asm import (
    BUILD,
    DICT,
    FROZENSET,
    LIST,
    MARK,
    MEMOIZE,
    NONE,
    POP,
    REDUCE,
    SETITEM,
    SETITEMS,
    TUPLE0,
    TUPLE1,
    name,
    new,
    number,
    op,
    pickled,
    text,
    tuple_of,
)
from attacks.expected import MALFORMED, Loads, check, denied, equals, limited

from safepickle.errors import LimitError
from safepickle.limits import Limits
from safepickle.policy.rules import Policy

ANY = Loads(lambda value: True)
STDLIB = Policy.packs("stdlib")
MODULUS = 2**61 - 1

# ---- keys that change --------------------------------------------------------------------------------------

KEYS = {
    "a UUID": (
        new(name("uuid", "UUID")),
        DICT + text("int") + number(1) + SETITEM,
        DICT + text("int") + number(2) + SETITEM,
    ),
    "a text": (
        new(name("collections", "UserString")),
        DICT + text("data") + text("a") + SETITEM,
        DICT + text("data") + text("b") + SETITEM,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("pack", [b"", TUPLE1], ids=["itself", "in a tuple"])
def test_a_key_keeps_its_hash(sp: Any, kind: str, pack: bytes) -> None:
    """An OrderedDict looks each key up anew when it is walked, and never comes to its end (D07)."""
    made, first, second = KEYS[kind]
    keyed = name("collections", "OrderedDict") + TUPLE0 + REDUCE + op("BINPUT", 9)
    keyed += made + op("BINPUT", 0) + first + BUILD + pack + NONE + SETITEM + POP
    again = op("BINGET", 0) + first + BUILD + POP + op("BINGET", 9)
    check(sp, pickled(keyed, again), Loads(lambda value: len(list(value)) == 1), policy=STDLIB)
    changed = op("BINGET", 0) + second + BUILD + POP + op("BINGET", 9)
    check(sp, pickled(keyed, changed), MALFORMED, policy=STDLIB)
    # Where nothing is asked, as pickle does it.
    data = pickled(keyed, changed)
    assert len(sp.loads(data, policy=sp.UNRESTRICTED)) == len(pickle.loads(data)) == 1


def test_honest_keys_load(sp: Any) -> None:
    """Also those that are keys before they have their state, where their hash does not ask for it."""
    value = {uuid.UUID(int=5): 1, (uuid.UUID(int=6), UserString("a")): 2}
    for protocol in range(2, 6):
        data = pickle.dumps([value, OrderedDict(value), {*value}], protocol)
        assert sp.loads(data, policy=STDLIB) == pickle.loads(data)
    early = new(name(CANARY, "Dozing")) + op("BINPUT", 0) + POP + DICT + op("BINGET", 0) + NONE + SETITEM
    early += op("BINGET", 0) + DICT + text("a") + number(1) + SETITEM + BUILD + POP
    check(sp, pickled(early), ANY, policy=allowing("Dozing new build"))


# ---- keys that are compared --------------------------------------------------------------------------------


def tower(levels: int, width: int) -> bytes:
    """Return a frozenset of seven that are equal in their hash, as are all members but one of each below."""
    count = 7 + levels * (width - 1)
    made = b"".join(op("LONG1", (5 + k * MODULUS).to_bytes(12, "little")) + MEMOIZE + POP for k in range(count))
    pool = [op("BINGET", place) for place in range(count)]
    place = count
    for _ in range(levels):
        common, rest = b"".join(pool[: width - 1]), pool[width - 1 :]
        made += b"".join(MARK + common + one + FROZENSET + MEMOIZE + POP for one in rest)
        pool = [op("BINGET", place + n) for n in range(len(rest))]
        place += len(rest)
    return made + MARK + b"".join(pool) + FROZENSET


def test_comparing_frozensets_is_paid_for(sp: Any) -> None:
    """D05: members of one hash are compared with each other, and so are theirs: each level squares it."""
    check(sp, pickled(tower(1, 4)), ANY)
    check(sp, pickled(tower(3, 10)), limited("max_hash_work"), limits=Limits(max_hash_work=400_000))


def test_the_clock_is_looked_at_while_items_are_set(sp: Any) -> None:
    """D05: the keys of a class's own container take their time within one opcode."""
    keys = b"".join(new(op("BINGET", 0)) + NONE for _ in range(2000))
    body = name(CANARY, "Dozing") + op("BINPUT", 0) + POP
    body += name("collections", "OrderedDict") + TUPLE0 + REDUCE + MARK + keys + SETITEMS
    canary.Dozing.hashed = 0
    policy = allowing("Dozing new") | STDLIB
    check(sp, pickled(body), limited("max_seconds"), policy=policy, limits=Limits(max_seconds=0.5))
    assert canary.Dozing.hashed < 2000


def test_the_clock_is_looked_at_while_a_call_takes_items(sp: Any) -> None:
    """The same where a class of an application's is called with them: each key is hashed to be looked at."""
    pairs = b"".join(new(op("BINGET", 0)) + NONE + b"\x86" for _ in range(2000))
    body = name(CANARY, "Dozing") + op("BINPUT", 0) + POP
    body += name(CANARY, "Heaped") + LIST + MARK + pairs + b"e" + TUPLE1 + REDUCE
    canary.Dozing.hashed = 0
    policy = allowing("Dozing new", "Heaped call")
    check(sp, pickled(body), limited("max_seconds"), policy=policy, limits=Limits(max_seconds=0.5))
    assert canary.Dozing.hashed < 2000


def test_the_clock_is_looked_at_while_an_ordered_dict_takes_pairs(sp: Any) -> None:
    """As Python 2.7 wrote it: numbers can be chosen so that each is looked for among many."""
    pairs = [[number, None] for number in range(3000)]
    body = name("collections", "OrderedDict") + pickle.dumps(pairs, 2)[2:-1] + TUPLE1 + REDUCE
    check(sp, pickled(body), equals(OrderedDict(pairs)), policy=STDLIB)
    budget = sp.decoding.budget.Budget(Limits(max_seconds=0.001))
    time.sleep(0.01)
    with pytest.raises(LimitError, match="max_seconds"):
        sp.decoding.hashing.make_filled(budget, OrderedDict, (pairs,))


# ---- what calls make ---------------------------------------------------------------------------------------

LONG = 1 << 14_000
MADE = {
    "a range": (name("builtins", "range"), tuple_of(number(1), op("LONG4", LONG.to_bytes(1751, "little")), number(1))),
    "a path": (name("pathlib", "PurePosixPath"), tuple_of(text("a/" * 8000 + "a"))),
    "a fraction": (name("fractions", "Fraction"), tuple_of(text(f"{2**13_000 + 2}/4"))),
    "an interface": (name("ipaddress", "IPv6Interface"), tuple_of(text("ffff::1%" + "x" * 30))),
}  # fmt: skip


@pytest.mark.parametrize("kind", MADE)
def test_what_a_call_keeps_is_paid_for(sp: Any, kind: str) -> None:
    """D16: five bytes call for it once more, with arguments from the memo."""
    func, args = MADE[kind]
    body = func + op("BINPUT", 0) + POP + args + op("BINPUT", 1) + POP + LIST + MARK
    calls = {"a range": 1000, "a path": 60, "a fraction": 400, "an interface": 2000}[kind]
    data = pickled(body, (op("BINGET", 0) + op("BINGET", 1) + REDUCE) * calls, b"e")
    check(sp, data, ANY, policy=STDLIB)
    check(sp, data, limited("max_memory"), policy=STDLIB, limits=Limits(max_memory=1_600_000))


def test_what_honest_calls_make_is_little(sp: Any) -> None:
    value = [PurePosixPath("a/b"), Fraction(2, 3), IPv6Interface("::1/64"), range(5)]
    assert sp.loads(pickle.dumps(value), policy=STDLIB, limits=Limits(max_memory=20_000)) == value


@pytest.mark.parametrize("levels", [1200, 3000])
def test_slices_are_as_deep_as_what_is_in_them(sp: Any, levels: int) -> None:
    """D08: a list that grows after it was put into a slice."""
    nested = name("builtins", "slice") + MEMOIZE + POP + LIST + MEMOIZE
    for level in range(1, levels):
        nested += op("LONG_BINGET", level) + op("BINGET", 0) + LIST + MEMOIZE + NONE * 2 + b"\x87" + REDUCE + b"a" + POP
    check(sp, pickled(nested), limited("max_depth"))


@pytest.mark.parametrize(
    "stream",
    [
        name("datetime", "date") + tuple_of(op("SHORT_BINBYTES", b"xx")) + REDUCE,
        name("decimal", "Decimal") + tuple_of(text("1e999999999")) + REDUCE,
        name("collections", "OrderedDict") + tuple_of(number(1)) + REDUCE,
    ],
)
def test_a_survey_asks_contracts_of_plain_arguments(sp: Any, stream: bytes) -> None:
    check(sp, pickled(stream), denied(), policy=STDLIB)
    found = sp.decoding.unpickler.survey(pickled(stream), policy=STDLIB)
    assert [denial.right for denial in found.denials] == ["call"]
