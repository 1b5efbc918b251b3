"""Runs: what is taken in one step is what one step for each would give, and is counted as such."""

from __future__ import annotations

import pickle
import pickletools
from typing import Any

import pytest

#: Beyond what is looked at one by one, and beyond what is between two looks at the clock.
MANY = (20, 3000)


@pytest.mark.parametrize("count", MANY)
@pytest.mark.parametrize("odd", [None, 2.5, b"k", (1, 2), "\ud800", 2**70, False])
def test_keys_of_any_kind_among_many(sp: Any, count: int, odd: object) -> None:
    """One key that needs a look of its own, in the middle, at the end and alone."""
    for keys in ([str(n) for n in range(count)], list(range(1, count + 1))):
        for place in (0, count // 2, count):
            some = [*keys[:place], odd, *keys[place:]]
            value = {key: index for index, key in enumerate(some)}
            assert sp.loads(pickle.dumps(value)) == value
            assert sp.loads(pickle.dumps(set(some))) == set(some)


@pytest.mark.parametrize("kind", [dict.fromkeys, set])
def test_equal_hashes_are_counted_among_many(sp: Any, kind: Any) -> None:
    """Ints whose hashes are equal are no free keys, however many there are at once."""
    data = pickle.dumps(kind([n * (2**61 - 1) for n in range(1, 200)]))
    with pytest.raises(sp.LimitError, match="max_hash_work"):
        sp.loads(data)


@pytest.mark.parametrize("item", ["x" * 2000, "é" * 1500, b"x" * 2000], ids=["text", "wide text", "bytes"])
def test_opcodes_behind_long_items_are_counted(sp: Any, item: Any) -> None:
    """A slice of the loop goes on behind what is long: not one opcode more than the limit is carried out."""
    data = pickle.dumps([item[:-1] + item[:1] + item[: n % 7] for n in range(300)])
    count = sum(1 for _ in pickletools.genops(data))
    assert sp.loads(data, limits=sp.Limits(max_opcodes=count)) == pickle.loads(data)
    with pytest.raises(sp.LimitError, match="max_opcodes"):
        sp.loads(data, limits=sp.Limits(max_opcodes=count - 1))


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb" * 20, "\ud800" * 300, "ab\udc80"])
def test_surrogates_are_taken_as_picklers_write_them(sp: Any, text: str) -> None:
    """Also where the usual way of decoding refuses them."""
    assert sp.loads(pickle.dumps([text, {text: text}])) == [text, {text: text}]


def test_where_a_run_is_cut_off_is_told(sp: Any) -> None:
    """An error names the last opcode that was carried out, also of leaves that are pushed in one step."""
    data = pickle.dumps([None, True, False, 1, None, False, 2.5, True, None] * 4, 2)
    opcodes = [(opcode.name, place) for opcode, _, place in pickletools.genops(data)]
    for most in range(5, len(opcodes)):
        with pytest.raises(sp.LimitError) as caught:
            sp.loads(data, limits=sp.Limits(max_opcodes=most))
        assert (caught.value.opcode, caught.value.position) == opcodes[most - 1]
