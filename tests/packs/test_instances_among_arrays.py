"""Instances that are made of the bytes to come, in a load that has to do with numpy: as the loop makes them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from attacks.asm import (
    BUILD,
    DICT,
    MARK,
    MEMOIZE,
    NEWOBJ,
    NONE,
    POP,
    REDUCE,
    SETITEMS,
    TUPLE0,
    name,
    number,
    op,
    pickled,
    text,
    tuple_of,
)

from safepickle.policy.rules import Policy

pytest.importorskip("numpy")

HERE = __name__
NOTHING = NONE + POP
POLICY = Policy.packs("numpy") | Policy.from_text(f'schema = 1\n[globals]\n"{HERE}:Plain" = ["new", "build"]\n')


class Plain:
    """An ordinary class."""


def both_ways() -> list[bytes]:
    """Return an instance in one step, and opcode by opcode: the same opcodes."""
    end = TUPLE0 + NEWOBJ + DICT + MARK + text("x") + number(1) + SETITEMS + BUILD + POP
    get = op("BINGET", 0)
    return [NOTHING + get + end, get + NOTHING + end]


def outcome(sp: ModuleType, data: bytes) -> Any:
    try:
        return repr(sp.loads(data, policy=POLICY))
    except sp.PolicyError as error:
        return [(denial.name, denial.reason, denial.position) for denial in error.denials]


@pytest.mark.parametrize("between", [True, False])
def test_a_dtype_gets_no_state_once_an_instance_was_made(sp: ModuleType, between: bool) -> None:
    """Arrays and instances may have it by then."""
    dtype = name("numpy", "dtype") + tuple_of(text("f8"), op("NEWFALSE"), op("NEWTRUE")) + REDUCE
    state = tuple_of(number(3), text("<"), NONE, NONE, NONE, op("BININT", -1), op("BININT", -1), number(0))
    head = name(HERE, "Plain") + MEMOIZE + POP
    found = [
        outcome(sp, pickled(head, instance * 3, dtype, instance if between else b"", state + BUILD))
        for instance in both_ways()
    ]
    assert found[0] == found[1]
    assert isinstance(found[0], list) == between
