"""JSON documents as they are written: what they say, that they are whole, and that nothing of them is held."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepickle.cli.json_text import Document
from safepickle.cli.main import main

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text(), inner, max_size=8),
)


def written(*parts: dict[str, Any]) -> str:
    pieces: list[str] = []
    document = Document(pieces.append)
    for part in parts:
        document.add(part)
    document.end()
    return "".join(pieces)


@given(st.dictionaries(st.text(), _VALUES))
def test_a_document_says_what_it_was_given(content: dict[str, Any]) -> None:
    text = written(content)
    assert json.loads(text) == content
    assert list(json.loads(text)) == list(content)
    assert text.isascii()


@given(st.lists(_VALUES), st.lists(st.lists(_VALUES, max_size=3), max_size=3))
def test_iterators_are_written_as_lists(rows: list[Any], inner: list[list[Any]]) -> None:
    text = written({"rows": iter(rows), "inner": (iter(one) for one in inner)})
    assert json.loads(text) == {"rows": rows, "inner": inner}


def test_what_was_written_is_not_written_again() -> None:
    assert json.loads(written({"a": 1}, {"a": 2, "b": 3})) == {"a": 1, "b": 3}


def test_a_row_is_written_before_the_next_one_is_made() -> None:
    pieces: list[str] = []

    def rows() -> Iterator[dict[str, int]]:
        for number in range(3):
            assert "".join(pieces).count('"number"') == number
            yield {"number": number}

    document = Document(pieces.append)
    document.add({"rows": iter([rows()])})
    document.end()
    assert json.loads("".join(pieces)) == {"rows": [[{"number": 0}, {"number": 1}, {"number": 2}]]}


def test_a_document_is_whole_where_an_iterator_fails() -> None:
    def rows() -> Iterator[int]:
        yield 1
        raise LookupError

    pieces: list[str] = []
    document = Document(pieces.append)
    content = {"pickles": (rows() for _ in range(2)), "never": 1}
    with pytest.raises(LookupError):
        document.add(content)
    document.add({**content, "error": "it failed"})
    document.end()
    assert json.loads("".join(pieces)) == {"pickles": [[1]], "never": 1, "error": "it failed"}


def test_an_opcode_is_a_line(capsys: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x04]\x94(K\x01C\x03abcK\x02e.")
    assert main(["dis", "--format", "json", str(path)]) == 0
    out = capsys.readouterr().out
    assert len(json.loads(out)["pickles"][0]) == 9
    assert sum('"opcode"' in line for line in out.splitlines()) == 9
    assert '{"position": 0, "opcode": "PROTO", "argument": 4, "note": null}' in out
