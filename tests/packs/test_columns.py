"""Columns whose buffers Arrow does not survive: its validation finds nothing wrong with them, or ends the process."""

from __future__ import annotations

import pickle
from types import ModuleType
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow")
pytest.importorskip("pandas")

from packs.test_libraries import PANDAS, arrow  # noqa: E402

from safepickle.errors import LimitError, PolicyError  # noqa: E402

WIDE = (0).to_bytes(8, "little")

#: The first ones are accepted without the check, and only crash when they are used; the later ones do so at once.
HOSTILE: dict[str, Any] = {
    "no offsets of no texts": arrow("large_string", 0, None, None, b"abc"),
    "no offset of no texts": arrow("string", 0, None, b"", b"abc"),
    "half an offset of no texts": arrow("large_string", 0, None, WIDE[:4], b"abc"),
    "no texts behind the offsets": arrow("string", 0, None, WIDE, b"abc", offset=2),
    "no bytes behind the offsets": arrow("large_binary", 0, None, WIDE, b"abc", offset=1),
    "no numbers far behind": arrow("int64", 0, None, WIDE, offset=65),
    "no numbers, nowhere": arrow("int64", 0, None, None),
    "no text": arrow("string", 0, None, WIDE, None),
    "more nulls than items": arrow("null", 5, None, nulls=2**61),
    "views past 64 bits": arrow("binary_view", 2, b"\xff", None, offset=2**61),
    "views of text past 64 bits": arrow("string_view", 2, None, bytes(32), offset=2**60),
    "views of a buffer that is none": arrow("string_view", 1, None, (13).to_bytes(4, "little") + bytes(12), None),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_arrow_takes_to_be_there_is_there(sp: ModuleType, name: str) -> None:
    with pytest.raises(PolicyError, match="more than there are bytes for"):
        sp.loads(pickle.dumps(HOSTILE[name]), policy=PANDAS)


def view(size: int, buffer: int = 0, place: int = 0) -> bytes:
    """Return where a text is."""
    return b"".join(number.to_bytes(4, "little") for number in (size, 0, buffer, place))


@pytest.mark.parametrize("kind", ["string_view", "binary_view"])
@pytest.mark.parametrize("places", [view(50, 9), view(50, 0, 2**30), view(2**31 - 1)])
def test_missing_texts_are_somewhere(sp: ModuleType, kind: str, places: bytes) -> None:
    """Arrow's validation leaves out what is missing, and its comparison does not."""
    if int(pa.__version__.split(".")[0]) < 18:
        pytest.skip("this pyarrow makes no such columns of buffers")
    column = arrow(kind, 2, b"\x01", view(20) + bytes(16), bytes(20), nulls=1)
    assert len(sp.loads(pickle.dumps(column), policy=PANDAS)) == 2
    for missing, nulls in ((b"\x01", 1), (b"\x01", -1)):
        with pytest.raises(PolicyError, match="finds it invalid"):
            sp.loads(pickle.dumps(arrow(kind, 2, missing, view(20) + places, bytes(20), nulls=nulls)), policy=PANDAS)
    with pytest.raises(PolicyError, match="finds it invalid"):
        sp.loads(pickle.dumps(arrow(kind, 1, b"\x00", places, nulls=1)), policy=PANDAS)


@pytest.mark.parametrize("count", [2**28, 2**40, 2**61])
def test_columns_of_nothing_are_paid_for(sp: ModuleType, count: int) -> None:
    """A hundred bytes would be as many items as whoever walks them will never see the end of."""
    assert len(sp.loads(pickle.dumps(arrow("null", 3, None, nulls=3)), policy=PANDAS)) == 3
    with pytest.raises(LimitError, match="max_memory"):
        sp.loads(pickle.dumps(arrow("null", count, None, nulls=count)), policy=PANDAS)


@pytest.mark.parametrize(
    "kind", ["string", "large_string", "binary", "large_binary", "float16", "int64", "bool_", "null"]
)
def test_columns_without_items_go_both_ways(sp: ModuleType, kind: str) -> None:
    made = getattr(pa, kind)()
    for column in (
        pa.array([], made), pa.array([None, None], made), pa.array([None, None], made)[:0], pa.array([None], made)[1:],
        pa.chunked_array([], made).combine_chunks(), pa.nulls(0, made), pa.nulls(3, made)[2:],
    ):  # fmt: skip
        for protocol in (2, 5):
            assert sp.loads(pickle.dumps(column, protocol), policy=PANDAS).equals(column)
        assert sp.loads(sp.dumps(column, policy=PANDAS), policy=PANDAS).equals(column)
