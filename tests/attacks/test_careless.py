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
    APPENDS,
    LIST,
    MARK,
    NONE,
    SETITEMS,
    TUPLE0,
    TUPLE2,
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


MODULUS = 2**61 - 1
KEYS = [number(k * MODULUS) for k in range(1, 200)]
PAIRS = [key + NONE + TUPLE2 for key in KEYS]


def _in(cls: str, parts: list[bytes]) -> bytes:
    """Parts in a container of a class, which asks nothing of what goes into it."""
    module = "collections" if cls == "deque" else CANARY
    made = call(name(module, cls), LIST) if cls == "deque" else new(name(module, cls))
    return made + MARK + b"".join(parts) + APPENDS


@pytest.mark.parametrize(
    ("cls", "argument"),
    [
        ("QuietSet", call(name("builtins", "range"), number(0), number(200 * MODULUS), number(MODULUS))),
        ("QuietSet", call(name("builtins", "range"), number(0), number(-200 * MODULUS), number(-MODULUS))),
        ("QuietSet", list_of(*KEYS)),
        ("QuietSet", _in("deque", KEYS)),
        ("QuietSet", _in("QuietList", KEYS)),
        ("QuietDict", list_of(*PAIRS)),
        ("QuietDict", _in("deque", PAIRS)),
        ("QuietDict", _in("QuietList", PAIRS)),
    ],
)
def test_constructors_of_a_subclass_count_equal_hashes_too(sp: Any, cls: str, argument: bytes) -> None:
    """D05: whatever they take their keys from."""
    rules = allowing("QuietSet call", "QuietDict call", "QuietList new append")
    policy = rules | allowing("deque call append", module="collections")
    check(sp, pickled(call(name(CANARY, cls), argument)), limited("max_hash_work"), policy=policy)


def test_constructors_of_a_subclass_take_small_ranges(sp: Any) -> None:
    made = call(name(CANARY, "QuietSet"), call(name("builtins", "range"), number(3000)))
    check(sp, pickled(made), Loads(lambda value: len(value) == 3000), policy=allowing("QuietSet call"))


@pytest.mark.parametrize("rights", ["refer", "build", "refer build append", "call"])
def test_reconstructor_needs_the_right_to_make(sp: Any, rights: str) -> None:
    body = call(RECONSTRUCTOR, name(CANARY, "Plain") + name("builtins", "object") + NONE)
    check(sp, pickled(body, proto=2), denied(), policy=allowing(f"Plain {rights}"))


def test_sets_of_a_subclass_count_equal_hashes_too(sp: Any) -> None:
    """D04: items that go in through a class's own method are checked like the machine's own."""
    keys = [number(k * (2**61 - 1)) for k in range(1, 200)]
    work = limited("max_hash_work")
    check(sp, pickled(new(name(CANARY, "QuietSet")) + MARK, *keys, ADDITEMS), work, policy=APP)
    pairs = [key + NONE for key in keys]
    check(sp, pickled(new(name(CANARY, "QuietDict")) + MARK, *pairs, SETITEMS), work, policy=APP)


def test_no_line_is_suggested_that_the_policy_has(sp: Any) -> None:
    """Where arguments are refused that no rule can allow, the same line once more would not help."""
    data = pickled(call(name("builtins", "bytearray"), number(10**9)))
    with pytest.raises(sp.errors.PolicyError) as caught:
        sp.loads(data)
    (line,) = caught.value.suggestions
    assert line == '"builtins:bytearray" = ["call"]'
    with pytest.raises(sp.errors.PolicyError) as caught:
        sp.loads(data, policy=sp.Policy.from_text(f"schema = 1\n[globals]\n{line}"))
    assert caught.value.suggestions == ()
    assert "a number as a size" in caught.value.denials[0].reason
