"""dis: pickletools' layout, its complaints and some more, and nothing in the output that the input chose."""

from __future__ import annotations

import io
import pickle
import pickletools
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from inspection.streams import ILL_BUILT, MALFORMED, WELL_FORMED

from safepickle.errors import FormatError, LimitError, SafePickleError
from safepickle.limits import UNLIMITED, Limits

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def inspection(sp: ModuleType) -> ModuleType:
    return import_module(f"{sp.__name__}.inspection")


def shown(function: Any, data: Any, **options: Any) -> list[str]:
    out = io.StringIO()
    function(data, out, **options)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("name", WELL_FORMED)
def test_layout_is_that_of_pickletools(inspection: ModuleType, name: str) -> None:
    data = WELL_FORMED[name]
    lines, expected = shown(inspection.dis, data), shown(pickletools.dis, data)
    assert len(lines) == len(expected)
    for line, other in zip(lines, expected, strict=True):
        # Long and non-ASCII arguments are where the two differ on purpose.
        if line != other:
            assert line.split("'")[0].split("<int")[0].rstrip('b"(0123456789') in other
            assert len(other) > 100 or not other.isascii()


def test_annotations_are_aligned_as_in_pickletools(inspection: ModuleType) -> None:
    data = pickle.dumps([1, {"a": (1, 2, 3, 4, "b" * 30)}], 4)
    rows = {row.name: row for row in import_module("safepickle.wire.opcodes").OPCODES}
    documented = {row.name: row.doc.split("\n", 1)[0] for row in pickletools.opcodes}
    lines = shown(inspection.dis, data, annotate=30)
    expected = shown(pickletools.dis, data, annotate=30)
    for (row, _, _), line, other in zip(pickletools.genops(data), lines, expected, strict=False):
        assert line.removesuffix(rows[row.name].meaning) == other.removesuffix(documented[row.name])


def test_memo_is_carried_over(inspection: ModuleType) -> None:
    file = io.BytesIO()
    pickler = pickle.Pickler(file, 2)
    value = [1, 2, 3]
    pickler.dump(value)
    pickler.dump(value)
    file.seek(0)
    memo: dict[int, Any] = {}
    shown(inspection.dis, file, memo=memo)
    lines = shown(inspection.dis, file, memo=memo)
    assert lines == ["   14: \\x80 PROTO      2", "   16: h    BINGET     0", "   18: .    STOP", lines[-1]]


@pytest.mark.parametrize("name", ILL_BUILT)
def test_ill_built_pickles_are_refused_after_the_line_at_fault(inspection: ModuleType, name: str) -> None:
    out = io.StringIO()
    with pytest.raises(FormatError) as caught:
        inspection.dis(ILL_BUILT[name], out)
    assert caught.value.opcode in out.getvalue().splitlines()[-1]
    assert out.getvalue().splitlines()[-1].startswith(f"{caught.value.position:5d}: ")


@pytest.mark.parametrize("name", ILL_BUILT)
def test_what_pickletools_complains_of_is_refused(inspection: ModuleType, name: str) -> None:
    try:
        pickletools.dis(ILL_BUILT[name], io.StringIO())
    except (ValueError, IndexError):
        with pytest.raises(FormatError):
            inspection.dis(ILL_BUILT[name], io.StringIO())


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_pickles_are_refused(inspection: ModuleType, name: str) -> None:
    with pytest.raises(SafePickleError):
        inspection.dis(MALFORMED[name], io.StringIO())


def test_output_is_ascii_and_short(inspection: ModuleType) -> None:
    hostile = "\x1b[2J\u202e fake\n 0: . STOP\r" * 50
    for value in (hostile, hostile.encode("utf-8"), [hostile, 10**4000]):
        for protocol in range(6):
            lines = shown(inspection.dis, pickle.dumps(value, protocol))
            assert all(line.isascii() and line.isprintable() and len(line) < 200 for line in lines)


def test_full_output_is_whole_and_ascii(inspection: ModuleType) -> None:
    hostile = "\x1b[2J\u202e" * 50
    text = "\n".join(shown(inspection.dis, pickle.dumps([hostile, 2**600], 2), full=True))
    assert ascii(hostile) in text
    assert hex(2**600) in text
    assert text.isascii()


def test_names_with_blanks_are_told_apart(inspection: ModuleType) -> None:
    assert shown(inspection.dis, b"ca b\nc\n.")[0].endswith("'a b' 'c'")
    assert shown(inspection.dis, b"ca\nb c\n.")[0].endswith("'a' 'b c'")
    assert shown(inspection.dis, b"ca\nb\n.")[0].endswith("'a b'")


def test_indentation_stops_growing(inspection: ModuleType) -> None:
    depth = 20_000
    data = b"(" * depth + b"t" * depth + b"."
    out = io.StringIO()
    inspection.dis(data, out)
    assert len(out.getvalue()) < 300 * len(data)


def test_memory_and_memo_are_charged(inspection: ModuleType) -> None:
    with pytest.raises(LimitError) as caught:
        inspection.dis(b"N" * 100_000, io.StringIO(), limits=Limits(max_memory=100_000))
    assert caught.value.limit == "max_memory"
    with pytest.raises(LimitError) as caught:
        inspection.dis(b"N" + b"\x94" * 20_000 + b".", io.StringIO(), limits=Limits(max_memo=100))
    assert caught.value.limit == "max_memo"


def test_time_is_bounded(inspection: ModuleType) -> None:
    with pytest.raises(LimitError) as caught:
        inspection.dis(b"N0" * 20_000 + b"N.", io.StringIO(), limits=UNLIMITED.replace(max_seconds=0))
    assert caught.value.limit == "max_seconds"
