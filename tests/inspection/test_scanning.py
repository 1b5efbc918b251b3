"""genops: what pickletools gives for real pickles, and only our errors for anything else."""

from __future__ import annotations

import contextlib
import io
import pickle
import pickletools
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspection.streams import ILL_BUILT, MALFORMED, WELL_FORMED

from safepickle.errors import EmptyInputError, FormatError, LimitError, SafePickleError, TruncatedError
from safepickle.limits import Limits
from safepickle.wire.opcodes import BY_NAME, OPCODES

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def inspection(sp: ModuleType) -> ModuleType:
    return import_module(f"{sp.__name__}.inspection")


@pytest.fixture
def scanning(sp: ModuleType) -> ModuleType:
    return import_module(f"{sp.__name__}.wire.scanning")


class Slow:
    """A file that gives a byte at a time, cannot tell where it is, and notes what was taken."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)
        self.taken = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(min(size, 1))
        self.taken += len(data)
        return data

    def readline(self) -> bytes:
        data = self._file.readline()
        self.taken += len(data)
        return data


def rows(operations: Any) -> list[tuple[str, str, int]]:
    # repr, because a nan is not equal to itself and False is equal to 0
    return [(row.name, repr(argument), position) for row, argument, position in operations]


@pytest.mark.parametrize("name", WELL_FORMED)
def test_genops_agrees_with_pickletools(inspection: ModuleType, name: str) -> None:
    data = WELL_FORMED[name]
    expected = rows(pickletools.genops(data))
    assert rows(inspection.genops(data)) == expected
    assert rows(inspection.genops(io.BytesIO(data + b"tail"))) == expected


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_genops_takes_bytes_like_objects(inspection: ModuleType, kind: Any) -> None:
    assert [row.name for row, _, _ in inspection.genops(kind(b"K\x01."))] == ["BININT1", "STOP"]


def test_genops_takes_no_byte_behind_stop(inspection: ModuleType) -> None:
    for data in (pickle.dumps([1.5, "text", b"x" * 300, 10**30], protocol) for protocol in range(6)):
        file = Slow(data + b"next")
        operations = list(inspection.genops(file))
        assert file.taken == len(data)
        assert [position for _, _, position in operations] == [None] * len(operations)


def test_genops_counts_from_where_the_file_stands(inspection: ModuleType) -> None:
    file = io.BytesIO(b"N.K\x05.")
    assert [place for _, _, place in inspection.genops(file)] == [0, 1]
    assert [place for _, _, place in inspection.genops(file)] == [2, 4]


def test_every_argument_kind_is_read(scanning: ModuleType) -> None:
    for row in OPCODES:
        argument = {
            "none": b"",
            "fixed": b"\x00" * 8,
            "counted": b"\x00" * 8,
            "line": b"'0'\n" if row.argument == "string_line" else b"0\n",
            "lines": b"module\nname\n",
        }[scanning.ARGUMENTS[row.argument].shape]
        found, _, _ = scanning.read_opcode(bytes([row.code]) + argument, 0)
        assert found is row


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("wrap", [bytes, io.BytesIO, Slow])
def test_malformed_streams_are_format_errors(inspection: ModuleType, name: str, wrap: Any) -> None:
    with pytest.raises((FormatError, LimitError)) as caught:
        list(inspection.genops(wrap(MALFORMED[name])))
    assert caught.value.position is not None


def test_empty_input_is_its_own_error(inspection: ModuleType) -> None:
    for empty in (b"", io.BytesIO(), Slow(b"")):
        with pytest.raises(EmptyInputError):
            list(inspection.genops(empty))


@pytest.mark.parametrize(
    ("limits", "data", "limit"),
    [
        (Limits(max_bytes=3), b"K\x01K\x02.", "max_bytes"),
        (Limits(max_opcodes=2), b"NNN.", "max_opcodes"),
        (Limits(max_string=3), b"C\x04abcd.", "max_string"),
        (Limits(max_string=3), b"Vabcd\n.", "max_string"),
        (Limits(max_string=3), b"cabcd\nx\n.", "max_string"),
        (Limits(max_string=3), b"cx\nabcd\n.", "max_string"),
        (Limits(max_int_bits=64), b"\x8a\x0a" + b"\x7f" * 10 + b".", "max_int_bits"),
        (Limits(max_int_bits=64), b"I" + b"9" * 60 + b"\n.", "max_int_bits"),
        (Limits(max_int_bits=64), b"L" + b"9" * 20 + b"L\n.", "max_int_bits"),
    ],
)
@pytest.mark.parametrize("wrap", [bytes, io.BytesIO, Slow])
def test_limits_hold(inspection: ModuleType, limits: Limits, data: bytes, limit: str, wrap: Any) -> None:
    with pytest.raises(LimitError) as caught:
        list(inspection.genops(wrap(data), limits=limits))
    assert caught.value.limit == limit


def test_a_claimed_length_is_not_read_from_a_file(inspection: ModuleType) -> None:
    class Counting(io.BytesIO):
        largest = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.largest = max(self.largest, size or 0)
            return super().read(size)

    file = Counting(b"\x8e\x00\x00\x00\x08\x00\x00\x00\x00" + b"x" * 10)
    with pytest.raises(TruncatedError):
        list(inspection.genops(file, limits=Limits(max_bytes=None, max_string=None)))
    assert file.largest <= 2**20


def test_text_files_are_a_mistake_of_the_caller(inspection: ModuleType) -> None:
    with pytest.raises((TypeError, FormatError)):
        list(inspection.genops(io.StringIO("N.")))
    with pytest.raises(TypeError):
        list(inspection.genops("N."))


def test_strict_text_is_the_default_and_can_be_left(scanning: ModuleType) -> None:
    with pytest.raises(FormatError):
        list(scanning.scan(b"I0x10\n."))
    lenient = list(scanning.scan(b"I0x10\n.", strict=False))
    assert lenient[0].argument == 16
    assert lenient[0].opcode is BY_NAME["INT"]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from([item for item in WELL_FORMED.values() if len(item) < 3000])))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(data) - 1))
        data[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
        if not data:
            break
    return bytes(data)


#: Opcode bytes are a quarter of all bytes; this makes streams that go on for longer.
OPCODE_BYTES = st.lists(
    st.sampled_from([bytes([row.code]) for row in OPCODES] + [b"\x00", b"\x01", b"1\n"])
).map(b"".join)


def outcome(genops: Any, source: Any) -> Any:
    try:
        return [(row.name, repr(argument)) for row, argument, _ in genops(source)]
    except SafePickleError as error:
        message = str(error)
        return type(error), error.position, error.opcode, message.isascii() and len(message) < 400


@given(data=st.binary() | OPCODE_BYTES | mutated())
def test_any_bytes_give_opcodes_or_our_error(data: bytes) -> None:
    from safepickle.inspection import dis, genops, optimize

    outcomes = [outcome(genops, source) for source in (data, io.BytesIO(data), Slow(data))]
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert type(outcomes[0]) is list or outcomes[0][-1]
    for full in (False, True):
        with contextlib.suppress(SafePickleError):
            dis(data, out=io.StringIO(), full=full, annotate=30)
    try:
        shorter = optimize(data)
    except SafePickleError:
        return
    assert list(genops(shorter))


@pytest.mark.parametrize("name", ILL_BUILT)
def test_genops_reads_what_only_dis_refuses(inspection: ModuleType, name: str) -> None:
    assert list(inspection.genops(ILL_BUILT[name]))[-1][0].name == "STOP"
