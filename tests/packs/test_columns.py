"""Columns whose buffers Arrow does not survive: its validation finds nothing wrong with them, or ends the process."""

from __future__ import annotations

import io
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
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_arrow_takes_to_be_there_is_there(sp: ModuleType, name: str) -> None:
    with pytest.raises(PolicyError, match="more than there are bytes for"):
        sp.loads(pickle.dumps(HOSTILE[name]), policy=PANDAS)


def view(size: int) -> bytes:
    """Return where a text is: at the beginning of the first buffer."""
    return size.to_bytes(4, "little") + bytes(12)


VIEWS = ["string_view", "binary_view", "month_day_nano_interval"]


@pytest.mark.parametrize("kind", [*VIEWS, "date32", "time64[us]"])
def test_only_plain_types_are_restored(sp: ModuleType, kind: str) -> None:
    """Views may be the same bytes any number of times: Arrow read 640 GB for 6 MB while it validated them."""
    column = arrow(kind, 1000, None, view(100_000) * 1000, bytes(100_000))
    with pytest.raises(PolicyError, match="wants the name of a plain type"):
        sp.loads(pickle.dumps(column), policy=PANDAS)
    with pytest.raises(PolicyError):
        sp.dumps(pa.array([], pa.type_for_alias(kind)), policy=PANDAS)


class Naming(pickle.Pickler):
    """Writes types by an id."""

    def persistent_id(self, obj: Any) -> str | None:
        return str(obj) if isinstance(obj, pa.DataType) else None


@pytest.mark.parametrize("kind", VIEWS)
def test_columns_are_of_plain_types_whoever_gives_the_type(sp: ModuleType, kind: str) -> None:
    file = io.BytesIO()
    Naming(file).dump(arrow(kind, 1000, None, view(100_000) * 1000, bytes(100_000)))

    class Reader(sp.Unpickler):  # type: ignore[misc, name-defined]
        def persistent_load(self, pid: str) -> Any:
            return pa.type_for_alias(pid)

    file.seek(0)
    with pytest.raises(PolicyError, match="wants a plain type"):
        Reader(file, policy=PANDAS).load()


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
