"""Classes that add nothing to one with a contract: what the base may not be given, they may not be given either.

What they would do with it is what the base does: crash when they are shown, or take for ever.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any

import pytest
from attacks import canary
from attacks.app import CANARY, allowing
from attacks.asm import (
    APPEND,
    DICT,
    LIST,
    MARK,
    MEMOIZE,
    NEWOBJ,
    NONE,
    POP,
    REDUCE,
    SETITEMS,
    TUPLE1,
    blob,
    call,
    dict_of,
    list_of,
    name,
    new,
    number,
    op,
    pickled,
    state,
    text,
)
from attacks.expected import Loads, Refused, check, denied

from safepickle.errors import FormatError, LimitError
from safepickle.limits import Limits
from safepickle.policy.derived import HELD, contract_of_derived
from safepickle.policy.rules import Policy

STDLIB = Policy.packs("stdlib")
ANY = Loads(lambda value: True)
ORDERED = name("collections", "OrderedDict")


def policy(*rows: str) -> Policy:
    return STDLIB | allowing(*rows)


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        ("QuietDate", [blob(b"\0\0\1\1")]),
        ("QuietFraction", [text("1e20000000")]),
        ("QuietDecimal", [text("1E999999999")]),
        ("QuietDecodeError", [text("utf8"), blob(b"abc"), number(-(2**40)), number(1 - 2**40), text("r")]),
    ],
)
def test_a_contract_holds_for_classes_that_add_nothing(sp: Any, cls: str, arguments: list[bytes]) -> None:
    """Twenty seconds for a fraction; a date of year 0 and an error without its object crash who shows them."""
    check(sp, pickled(call(name(CANARY, cls), *arguments)), denied((CANARY, cls)), policy=policy(f"{cls} call"))


@pytest.mark.parametrize("cls", ["QuietDate", "LateDate"])
def test_what_new_reads_is_held_to_the_contract_whatever_init_does(sp: Any, cls: str) -> None:
    """A date of year 0: the base has read it when a class's own `__init__` begins, which NEWOBJ does not run at all."""
    year_0 = blob(b"\0\0\1\1")
    check(sp, pickled(call(name(CANARY, cls), year_0)), denied((CANARY, cls)), policy=policy(f"{cls} call"))
    made = name(CANARY, cls) + year_0 + TUPLE1 + NEWOBJ
    check(sp, pickled(made), denied((CANARY, cls)), policy=policy(f"{cls} new"))
    fine = call(name(CANARY, "LateDate"), blob(b"\x07\xe4\2\x1d"))
    check(sp, pickled(fine), Loads(lambda value: value.note == "made"), policy=policy("LateDate call"))


def test_what_they_are_written_as_is_read(sp: Any) -> None:
    values = [
        canary.QuietDate(2020, 2, 29),
        canary.QuietFraction(1, 3),
        canary.QuietDecimal("1.5"),
        canary.OwnDate("2020-02-29"),
    ]
    rows = policy("QuietDate call", "QuietFraction call", "QuietDecimal call", "OwnDate call")
    back = sp.loads(sp.dumps(values, policy=rows), policy=rows)
    assert back == values
    assert [type(value) for value in back] == [type(value) for value in values]


def test_a_class_with_code_of_its_own_takes_what_it_takes() -> None:
    assert contract_of_derived(canary.OwnDate) is None
    assert contract_of_derived(canary.QuietDate) is not None
    assert contract_of_derived(canary.QuietList) is None
    assert len(HELD) > 20


def test_parts_of_a_chain_map_are_mappings(sp: Any) -> None:
    """`len` of one with a range of 10**12 takes all memory, and a class runs its `__class_getitem__`."""
    chain = name("collections", "ChainMap")
    numbers = call(name("builtins", "range"), number(0), number(10**12), number(1))
    check(sp, pickled(state(new(chain), text("maps"), list_of(numbers))), denied(), policy=STDLIB)
    # Not when it is given either, but afterwards.
    later = LIST + MEMOIZE + POP + state(new(chain), text("maps"), op("BINGET", 0)) + op("BINGET", 0) + numbers
    later += APPEND + POP
    check(sp, pickled(later), denied(), policy=STDLIB)
    fine = state(new(chain), text("maps"), list_of(dict_of(text("a"), number(1)), call(ORDERED)))
    check(sp, pickled(fine), Loads(lambda value: value["a"] == 1), policy=STDLIB)


#: An OrderedDict of two keys; then the second one becomes equal to the first.
CHANGED = (
    (LIST + MEMOIZE + text("a") + APPEND + POP + LIST + MEMOIZE + POP)
    + call(ORDERED)
    + MARK
    + b"".join(state(new(name(CANARY, "Listed")), text("items"), op("BINGET", index)) + NONE for index in (0, 1))
    + SETITEMS
    + (op("BINGET", 1) + text("a") + APPEND + POP)
)


def test_the_hash_of_a_key_does_not_change(sp: Any) -> None:
    """Who walks an OrderedDict with such a key comes to no end."""
    check(sp, pickled(CHANGED), Refused(FormatError), policy=policy("Listed new build"))
    key = LIST + POP + new(name(CANARY, "HashedList")) + MEMOIZE
    body = DICT + key + NONE + op("SETITEM") + op("BINGET", 0) + text("a") + APPEND + POP
    check(sp, pickled(body), Refused(FormatError), policy=policy("HashedList new append"))


@pytest.mark.parametrize("cls", ["QuietList", "QuietDeque", "QuietOrdered"])
def test_nobody_is_given_what_comes_to_no_end(sp: Any, cls: str) -> None:
    body = name(CANARY, cls) + CHANGED + TUPLE1 + REDUCE
    check(sp, pickled(body), denied((CANARY, cls)), policy=policy("Listed new build", f"{cls} call"))


def test_many_keys_are_taken_with_looks_at_the_clock_before_a_call_takes_them(sp: Any) -> None:
    """Ints of which no two have one hash, chosen so that each is looked for among all others: 15 s for 554 kB."""
    keys = name(CANARY, "Tallied") + MEMOIZE + POP + DICT + MARK
    keys += b"".join(op("BINGET", 0) + op("EMPTY_TUPLE") + NEWOBJ + NONE for _ in range(1100)) + SETITEMS
    rows = policy("Tallied new", "QuietDict call")
    canary.Tallied.hashed = 0
    check(sp, pickled(name(CANARY, "QuietDict") + keys + TUPLE1 + REDUCE), ANY, policy=rows)
    # To be looked at and to be set in the dict; to be looked at once more for the call, and to be taken twice.
    assert canary.Tallied.hashed >= 5 * 1100


def test_the_clock_is_looked_at_while_keys_are_taken(sp: Any) -> None:
    keys = list(range(3000))
    guard = sp.decoding.hashing.KeyGuard.__new__(sp.decoding.hashing.KeyGuard)
    guard.open_guard(sp.decoding.budget.Budget(Limits()), True)
    guard.rehearse(keys)
    guard.open_guard(sp.decoding.budget.Budget(Limits(max_seconds=0.001)), True)
    time.sleep(0.01)
    canary.Tallied.hashed = 0
    with pytest.raises(LimitError, match="max_seconds"):
        guard.rehearse([canary.Tallied() for _ in range(3000)])
    assert canary.Tallied.hashed < 3000
    budget = sp.decoding.budget.Budget(Limits(max_seconds=0.001))
    time.sleep(0.01)
    with pytest.raises(LimitError, match="max_seconds"):
        sp.decoding.hashing.make_filled(budget, OrderedDict, (dict.fromkeys(keys),))
