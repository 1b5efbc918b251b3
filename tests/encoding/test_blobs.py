"""Bytes and text at the edges of their opcodes: what is written without looking at it again is what pickle writes."""

from __future__ import annotations

import pickle
import pickletools
from types import ModuleType
from typing import Any

import pytest

#: Around the longest of the short forms, and around a frame.
LENGTHS = [0, 1, 3, 4, 7, 8, 16, 17, 63, 64, 127, 128, 254, 255, 256, 257, 65534, 65535, 65536, 65537]
#: Of one, two, three and four bytes in UTF-8; a lone surrogate has no UTF-8 of its own.
LETTERS = ["a", "é", "你", "🙂", "\ud800"]


def opcodes(data: bytes) -> list[tuple[str, Any]]:
    """All but what is for the memo, and how it is divided into frames."""
    aside = ("MEMOIZE", "BINPUT", "LONG_BINPUT", "FRAME")
    return [(opcode.name, arg) for opcode, arg, _ in pickletools.genops(data) if opcode.name not in aside]


def made(letter: str, length: int) -> str:
    """New text of so many bytes in UTF-8, or a little more."""
    width = len(letter.encode("utf-8", "surrogatepass"))
    return "".join([letter] * -(-length // width))


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("length", LENGTHS)
def test_bytes(sp: ModuleType, length: int, protocol: int) -> None:
    value = [bytes(length), b"x" * length]
    data = sp.dumps(value, protocol, policy=sp.UNRESTRICTED)
    assert opcodes(data) == opcodes(pickle.dumps(value, protocol))
    assert pickle.loads(data) == value


@pytest.mark.parametrize("protocol", [1, 3, 4, 5])
@pytest.mark.parametrize("letter", LETTERS, ids=ascii)
@pytest.mark.parametrize("length", LENGTHS)
def test_text_with_and_without_its_utf8(sp: ModuleType, length: int, letter: str, protocol: int) -> None:
    value = [made(letter, length), "." + made(letter, length)]
    before = sp.dumps(value, protocol)
    expected = pickle.dumps(value, protocol)  # from here on the text has its UTF-8
    assert opcodes(before) == opcodes(expected)
    assert sp.dumps(value, protocol) == before
    assert sp.loads(before) == value


@pytest.mark.parametrize("letter", LETTERS[1:], ids=ascii)
@pytest.mark.parametrize("kept", [False, True])
def test_what_is_too_long_in_utf8_is_refused(sp: ModuleType, letter: str, kept: bool) -> None:
    text = made(letter, 600)
    if kept:
        pickle.dumps(text, 4)
    size = len(text.encode("utf-8", "surrogatepass"))
    assert sp.loads(sp.dumps([text], limits=sp.Limits(max_string=size))) == [text]
    with pytest.raises(sp.LimitError) as caught:
        sp.dumps([text], limits=sp.Limits(max_string=size - 1))
    assert (caught.value.limit, caught.value.asked) == ("max_string", size)
    assert caught.value.path == "root[0]"


def test_bytes_that_are_too_long_are_refused(sp: ModuleType) -> None:
    for size in (10, 300, 70_000):
        sp.dumps([b"x" * size], limits=sp.Limits(max_string=size))
        with pytest.raises(sp.LimitError) as caught:
            sp.dumps([b"x" * size], limits=sp.Limits(max_string=size - 1))
        assert (caught.value.limit, caught.value.asked, caught.value.path) == ("max_string", size, "root[0]")


@pytest.mark.parametrize("part", [b"x" * 300, "é" * 150, "x" * 300])
def test_what_is_long_in_all_ends_frames(sp: ModuleType, part: Any) -> None:
    value = [part[:-1] + part[:1] for _ in range(1000)]
    pickle.dumps(value, 4)
    data = sp.dumps(value, 4)
    frames = [arg for opcode, arg, _ in pickletools.genops(data) if opcode.name == "FRAME"]
    assert len(frames) > 3
    assert all(65536 <= frame <= 65536 + 310 for frame in frames[:-1])
    assert sp.loads(data) == pickle.loads(data) == value
