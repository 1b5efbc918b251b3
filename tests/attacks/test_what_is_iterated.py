"""What constructors iterate, hash and ask for their text: only what has been counted (D05, D06, D10, D15).

A policy that lists a class derived from a built-in one does not hand over what the built-in's constructor does.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest
from attacks import canary
from attacks.app import CANARY, allowing
from attacks.asm import (
    DICT,
    FROZENSET,
    MARK,
    NEWOBJ,
    NEWOBJ_EX,
    NONE,
    REDUCE,
    SETITEM,
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
from attacks.expected import Loads, check, denied, equals, limited

from safepickle.errors import PolicyError
from safepickle.policy.rules import Policy

ANY = Loads(lambda value: True)
STDLIB = Policy.packs("stdlib")
MODULUS = 2**61 - 1
NETWORK = call(name("ipaddress", "IPv4Network"), text("10.0.0.0/30"))
FILLED = ("QuietList", "QuietSet", "QuietFrozenset", "QuietTuple", "QuietDeque", "QuietCounter", "QuietDict")
COLLIDING = [number(k * MODULUS) for k in range(1, 64)]


def policy(*rows: str) -> Policy:
    return STDLIB | allowing(*rows)


@pytest.mark.parametrize("cls", FILLED)
def test_what_nobody_has_counted_is_not_iterated(sp: Any, cls: str) -> None:
    """A network of all addresses is 68 bytes; a tuple of it took 2 GB."""
    for given in (NETWORK, call(name("collections", "UserList"), list_of(number(1)))):
        check(sp, pickled(call(name(CANARY, cls), given)), denied(), policy=policy(f"{cls} call"))


@pytest.mark.parametrize("cls", ["QuietFrozenset", "QuietTuple"])
def test_nor_where_new_takes_the_items(sp: Any, cls: str) -> None:
    body = name(CANARY, cls) + tuple_of(NETWORK) + NEWOBJ
    check(sp, pickled(body), denied(), policy=policy(f"{cls} new"))
    given = name(CANARY, cls) + tuple_of(list_of(number(1))) + NEWOBJ
    check(sp, pickled(given), equals(getattr(canary, cls)([1])), policy=policy(f"{cls} new"))


def test_a_class_that_knows_what_it_takes_is_given_it(sp: Any) -> None:
    expected = Loads(lambda value: value.owner == IPv4Network("10.0.0.0/30"))
    check(sp, pickled(call(name(CANARY, "Owned"), NETWORK)), expected, policy=policy("Owned call"))


def test_the_writer_gives_no_constructor_what_the_reader_refuses(sp: Any) -> None:
    allowed = policy("QuietTuple call", "Reducing new")
    assert sp.dumps(canary.Reducing([1]), policy=allowed)
    with pytest.raises(PolicyError, match="items that are in no list"):
        sp.dumps(canary.Reducing(IPv4Network("10.0.0.0/30")), policy=allowed)


def test_a_counter_counts_pairs_too(sp: Any) -> None:
    """169 bytes of nested tuples took 3 seconds, and twice as many for each level."""
    pairs = list_of(*[tuple_of(number(0), one) for one in [*COLLIDING, number(64 * MODULUS), number(65 * MODULUS)]])
    check(sp, pickled(call(name(CANARY, "QuietDict"), pairs)), ANY, policy=policy("QuietDict call"))
    deep = tuple_of(number(0), number(1))
    for _ in range(30):
        deep += op("DUP") + op("TUPLE2")
    body = call(name(CANARY, "QuietCounter"), list_of(tuple_of(number(5), deep)))
    check(sp, pickled(body), limited("max_hash_work"), policy=policy("QuietCounter call"))
    shallow = call(name(CANARY, "QuietCounter"), list_of(tuple_of(number(5), number(6))))
    check(sp, pickled(shallow), equals(canary.QuietCounter([(5, 6)])), policy=policy("QuietCounter call"))


def test_pairs_are_lists_or_tuples(sp: Any) -> None:
    """Of a frozenset nobody knows which of the two is the key."""
    for pair, expected in (
        (MARK + number(1) + number(2) + FROZENSET, denied()),
        (tuple_of(number(1), list_of()), equals(canary.QuietDict({1: []}))),
        (list_of(number(1), list_of()), equals(canary.QuietDict({1: []}))),
    ):
        check(sp, pickled(call(name(CANARY, "QuietDict"), list_of(pair))), expected, policy=policy("QuietDict call"))


def test_keys_are_counted_where_they_go(sp: Any) -> None:
    """A UserDict keeps its own in a dict: 240 kB took 8 seconds to set one of them again and again."""
    keyed = DICT + b"".join(one + NONE + SETITEM for one in COLLIDING)
    made = name(CANARY, "QuietMapping") + tuple_of() + NEWOBJ + DICT + text("data") + keyed + SETITEM + op("BUILD")
    allowed = policy("QuietMapping new build setitem")
    check(sp, pickled(made, number(0), NONE, SETITEM), ANY, policy=allowed)
    check(sp, pickled(made, (number(0) + NONE + SETITEM) * 2), limited("max_hash_work"), policy=allowed)


def test_what_is_written_of_such_keys_is_what_is_read(sp: Any) -> None:
    for last in ("", 0, 0.0, b""):
        keyed = dict.fromkeys([*[k * MODULUS for k in range(1, 64)], last])
        assert sp.loads(sp.dumps(keyed)) == keyed
        assert sp.loads(sp.dumps(set(keyed))) == set(keyed)
        keyed = dict.fromkeys([*[k * MODULUS for k in range(1, 65)], last])
        with pytest.raises(sp.LimitError):
            sp.dumps(keyed)


def test_text_is_made_of_text(sp: Any) -> None:
    """D10: the text of a list that is shared on 22 levels."""
    allowed = policy("QuietText new")
    made = name(CANARY, "QuietText") + tuple_of(list_of(number(1))) + NEWOBJ
    check(sp, pickled(made), denied(), policy=allowed)
    made = name(CANARY, "QuietText") + tuple_of(text("a")) + NEWOBJ
    check(sp, pickled(made), equals(canary.QuietText("a")), policy=allowed)


def test_reducing_calls_of_one_list_are_no_different(sp: Any) -> None:
    body = name(CANARY, "QuietSet") + tuple_of(list_of(*COLLIDING)) + REDUCE
    check(sp, pickled(body), ANY, policy=policy("QuietSet call"))


@pytest.mark.parametrize(
    ("cls", "argument", "given"),
    [("QuietBytes", "source", number(10**9)), ("QuietText", "object", list_of(number(1)))],
)
def test_nor_are_sizes_and_objects_given_by_name(sp: Any, cls: str, argument: str, given: bytes) -> None:
    """D15: 60 bytes asked for a gigabyte, which was paid for when it was there."""
    body = name(CANARY, cls) + tuple_of() + dict_of(text(argument), given) + NEWOBJ_EX
    check(sp, pickled(body), denied(), policy=policy(f"{cls} new"))
