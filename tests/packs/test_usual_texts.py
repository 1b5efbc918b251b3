"""What is seen of Arrow's columns of text without Arrow: never more than it finds valid."""

from __future__ import annotations

import pickle
import sys
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")

from packs.test_libraries import PANDAS, arrow  # noqa: E402

from safepickle.errors import PolicyError  # noqa: E402
from safepickle.policy.contracts import CONTRACTS  # noqa: E402
from safepickle.policy.rights import Right, Rule  # noqa: E402
from safepickle.policy.rules import Policy  # noqa: E402

CONTRACT = CONTRACTS["pyarrow.lib", "_restore_array"]


class Column:
    """Reduces to a column of text."""

    def __init__(self, places: Any, text: bytes) -> None:
        self.places = places
        self.text = text

    def __reduce__(self) -> Any:
        func = pa.array(["a"]).__reduce__()[0]
        return func, ((pa.large_string(), 2, 0, 0, [None, self.places, pa.py_buffer(self.text)], [], None),)


RULES = [Rule(module=__name__, name="Column", rights=Right.REFER)]
WITH_COLUMN = PANDAS | Policy(name="ours", rules=RULES)


def seen(sp: ModuleType, args: tuple[Any, ...]) -> bool:
    """Ask both; return whether it was seen without Arrow."""
    assert sp.loads
    found = sys.modules[f"{sp.__name__}.decoding.usual_texts"].fits_texts(args)
    if found:
        assert CONTRACT.check(args, {}) is None
    return bool(found)


def offsets(*places: int, width: int = 8) -> Any:
    return pa.py_buffer(b"".join(place.to_bytes(width, sys.byteorder, signed=True) for place in places))


places = st.lists(st.sampled_from([0, 0, 1, 2, 3, 6, 7, -1, 2**31 - 1]), max_size=4)
texts = st.sampled_from([b"", b"abc", b"abcdef", b"abcdefghijk", b"ab\xc3\xa9ef", b"ab\xffdefgh", b"abcdefghi\xff"])


@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(
    places=places | places.map(sorted),
    text=texts,
    width=st.sampled_from([4, 8]),
    kind=st.sampled_from([pa.large_string(), pa.string(), pa.large_binary(), pa.int64(), pa.string_view()]),
    count=st.sampled_from([0, 1, 2, 3, 4, -1, True, None]),
    nulls=st.sampled_from([0, 0, -1, 1]),
    offset=st.sampled_from([0, 0, 1]),
    more=st.sampled_from([(), (None,)]),
    mask=st.sampled_from([None, None, pa.py_buffer(b"\xff")]),
)
def test_columns_that_are_seen_are_valid(
    sp: ModuleType, places: list[int], text: bytes, width: int, kind: Any, count: Any, nulls: int, offset: int,
    more: Any, mask: Any,
) -> None:  # fmt: skip
    buffers = [mask, offsets(*places, width=width), pa.py_buffer(text), *more]
    seen(sp, ((kind, count, nulls, offset, buffers, [], None),))


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string()])
def test_what_arrow_writes_is_seen(sp: ModuleType, kind: Any) -> None:
    for values in (["a"], ["", "", ""], ["one", "", "three" * 9, "4"]):
        array = pa.array(values, kind)
        func, args = array.__reduce__()[:2]
        assert func.__name__ == "_restore_array"
        assert seen(sp, args)
    assert not seen(sp, pa.array(["a", None], kind).__reduce__()[1])
    assert not seen(sp, pa.array(["\u00e9"], kind).__reduce__()[1])
    assert not seen(sp, pa.array([b"a"], pa.large_binary()).__reduce__()[1])


@pytest.mark.parametrize(
    ("places", "text"),
    [
        ((0, 1, 4), b"abc"), ((0, 2, 1), b"abc"), ((-1, 1, 3), b"abc"), ((0, 0), b"abc"), ((0, 1, 3), b"a\xffc"),
        ((0, 1, 2**62), b"abc"), ((0, 9, 9), b"abcdefgh\xff"), ((0, -5, 3), b"abc"),
    ],
    ids=str,
)  # fmt: skip
def test_a_column_that_is_right_but_for_one_part(sp: ModuleType, places: tuple[int, ...], text: bytes) -> None:
    right = pa.array(["a", "bc"], pa.large_string())
    hostile = offsets(*places)
    assert not seen(sp, ((pa.large_string(), 2, 0, 0, [None, hostile, pa.py_buffer(text)], [], None),))
    data = pickle.dumps([right, right, arrow("large_string", 2, None, hostile, text)])
    with pytest.raises(PolicyError, match=r"Arrow finds it invalid|more than there are bytes for"):
        sp.loads(data, policy=PANDAS)
    with pytest.raises(PolicyError, match=r"Arrow finds it invalid|more than there are bytes for"):
        sp.dumps([right, right, Column(hostile, text)], policy=WITH_COLUMN)
