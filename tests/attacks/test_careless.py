"""Rules that give away more than they say: built-in types, reconstructors, subclasses of containers.

What the machine emulates or checks itself holds whatever the policy lists (R22, R26, R27, D04, D15).
"""

from __future__ import annotations

from typing import Any

import pytest
from attacks import canary
from attacks.app import APP, CANARY, allowing
from attacks.asm import (
    ADDITEMS,
    LIST,
    MARK,
    NONE,
    SETITEMS,
    TUPLE0,
    call,
    list_of,
    name,
    new,
    number,
    op,
    pickled,
    text,
)
from attacks.expected import MALFORMED, Expected, Loads, check, denied, equals, limited

LAZY = call(name("builtins", "range"), number(10**10))
ONE = number(1)


def _fields(cls: type, **fields: Any) -> Loads:
    return Loads(lambda value: type(value) is cls and value.__dict__ == fields)


SIZED: tuple[tuple[str, str, bytes, Expected], ...] = (
    ("bytearray of a number", "bytearray call", call(name("builtins", "bytearray"), number(10**9)), denied()),
    ("bytes of a number", "bytes call", call(name("builtins", "bytes"), number(10**9)), denied()),
    ("list of a lazy range", "list call", call(name("builtins", "list"), LAZY), denied()),
    ("set of a lazy range", "set call", call(name("builtins", "set"), LAZY), limited("max_items")),
    ("tuple of a lazy range", "tuple call", call(name("builtins", "tuple"), LAZY), denied()),
    ("bytes of a lazy range", "bytes call", call(name("builtins", "bytes"), LAZY), limited("max_items")),
)


@pytest.mark.parametrize(("title", "row", "body", "expected"), SIZED, ids=[row[0] for row in SIZED])
def test_a_careless_rule_hands_over_no_size(sp: Any, title: str, row: str, body: bytes, expected: Expected) -> None:
    """D15: a policy that lists a built-in type does not hand over its size argument."""
    check(sp, pickled(body), expected, policy=allowing(row, module="builtins"))


@pytest.mark.parametrize("cls", ["QuietList", "QuietSet", "Buffer"])
def test_a_careless_rule_hands_over_no_lazy_range(sp: Any, cls: str) -> None:
    """D15: nor does one that lists a class derived from it."""
    for length, expected in ((3, Loads(lambda value: len(value) == 3)), (200, limited("max_items"))):
        lazy = call(name("builtins", "range"), number(length))
        limits = sp.Limits(max_items=100)
        check(sp, pickled(call(name(CANARY, cls), lazy)), expected, policy=allowing(f"{cls} call"), limits=limits)


RECONSTRUCTOR = op("GLOBAL", "copy_reg", "_reconstructor")

RECONSTRUCTED: tuple[tuple[str, bytes, Expected], ...] = (
    ("of object", name(CANARY, "Plain") + name("builtins", "object") + NONE, _fields(canary.Plain)),
    (
        "of list",
        name(CANARY, "QuietList") + name("builtins", "list") + list_of(ONE),
        equals(canary.QuietList([1])),
    ),
    ("of a base that is not its own", name(CANARY, "Plain") + name("builtins", "list") + LIST, MALFORMED),
    ("of a base that is no base", name(CANARY, "Plain") + name(CANARY, "Plain") + NONE, denied()),
    ("of a base given as text", name(CANARY, "Plain") + text("object") + NONE, denied()),
    ("with a state of another type", name(CANARY, "QuietList") + name("builtins", "list") + TUPLE0, denied()),
    ("with a state for object", name(CANARY, "Plain") + name("builtins", "object") + LIST, denied()),
    (
        "with a size for bytearray",
        name(CANARY, "Buffer") + name("builtins", "bytearray") + number(10**9),
        denied(),
    ),
)


@pytest.mark.parametrize(("title", "arguments", "expected"), RECONSTRUCTED, ids=[row[0] for row in RECONSTRUCTED])
def test_reconstructor_has_its_exact_shape(sp: Any, title: str, arguments: bytes, expected: Expected) -> None:
    """R27: `copyreg._reconstructor` would call `base.__new__` and `base.__init__` of anything."""
    policy = allowing("Plain new", "QuietList new", "Buffer new")
    check(sp, pickled(call(RECONSTRUCTOR, arguments), proto=2), expected, policy=policy)


def test_what_is_reconstructed_needs_the_right_to_be_made(sp: Any) -> None:
    """R27: another right, such as to appear, does not stand for it."""
    arguments = name(CANARY, "Plain") + name("builtins", "object") + NONE
    policy = allowing("Plain refer build")
    check(sp, pickled(call(RECONSTRUCTOR, arguments), proto=2), denied((CANARY, "Plain")), policy=policy)


def test_sets_of_a_subclass_count_equal_hashes_too(sp: Any) -> None:
    """D04: items that go in through a class's own method are checked like the machine's own."""
    keys = [number(k * (2**61 - 1)) for k in range(1, 200)]
    work = limited("max_hash_work")
    check(sp, pickled(new(name(CANARY, "QuietSet")) + MARK, *keys, ADDITEMS), work, policy=APP)
    pairs = [key + NONE for key in keys]
    check(sp, pickled(new(name(CANARY, "QuietDict")) + MARK, *pairs, SETITEMS), work, policy=APP)
