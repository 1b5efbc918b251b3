"""The machine is held to the opcode table: one minimal program per row, made from what the row says.

Each program puts a sentinel behind a mark, then what the row takes, then the opcode, and closes the mark with
TUPLE: the value is the whole of what is left, so that the stack effect shows in it.
"""

from __future__ import annotations

import copyreg
import io
import pickletools
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from attacks.asm import op
from decoding import samples

from safepickle.errors import EmptyInputError, FormatError, PolicyError, SafePickleError, TruncatedError
from safepickle.policy.rules import PLAIN, UNRESTRICTED, Right
from safepickle.wire.opcodes import ARGUMENTS, BY_BYTE, BY_NAME, OPCODES, Opcode

SENTINEL = 7
EXTENSION = 0x7A
CLASS = op("GLOBAL", samples.HERE, "Thing")
INSTANCE = CLASS + op("EMPTY_TUPLE") + op("NEWOBJ")

#: Bytes that push one item of a kind, and what they push.
PUSHED: dict[str, tuple[bytes, Any]] = {
    "any": (op("BININT1", 1), 1),
    "str": (op("SHORT_BINUNICODE", "a"), "a"),
    "list": (op("EMPTY_LIST"), []),
    "dict": (op("EMPTY_DICT"), {}),
    "set": (op("EMPTY_SET"), set()),
    "tuple": (op("EMPTY_TUPLE"), ()),
    "buffer": (op("BYTEARRAY8", b"buf"), bytearray(b"buf")),
    "mark": (op("MARK"), None),
    "items": (op("BININT1", 2) + op("BININT1", 3), None),
}

#: Instead of "any", where the opcode asks for more than its row can say.
FIRST: dict[str, bytes] = {
    "REDUCE": CLASS,
    "NEWOBJ": CLASS,
    "NEWOBJ_EX": CLASS,
    "OBJ": CLASS,
    "BUILD": INSTANCE,
}
BUILD_STATE = op("EMPTY_DICT")

#: An argument for each kind, its bytes after the opcode, and what it stands for.
SAMPLES: dict[str, list[tuple[bytes, Any]]] = {
    "none": [(b"", None)],
    "uint1": [(bytes([n]), n) for n in (0, 1, 127, 128, 255)],
    "uint2": [(struct.pack("<H", n), n) for n in (0, 1, 255, 256, 0x8000, 0xFFFF)],
    "int4": [(struct.pack("<i", n), n) for n in (0, 1, -1, 2**31 - 1, -(2**31))],
    "uint4": [(struct.pack("<I", n), n) for n in (0, 1, 2**16)],
    "uint8": [(struct.pack("<Q", 0), 0)],
    "float8": [(struct.pack(">d", x), x) for x in (0.0, -1.5, 1e308, float("inf"))],
    "int_line": [(b"0\n", 0), (b"-12\n", -12), (b"00\n", False), (b"01\n", True), (b"%d\n" % 2**70, 2**70)],
    "long_line": [(b"0L\n", 0), (b"-%dL\n" % 2**80, -(2**80)), (b"5\n", 5)],
    "float_line": [(b"0.5\n", 0.5), (b"-1e+300\n", -1e300), (b"inf\n", float("inf")), (b"3\n", 3.0)],
    "index_line": [(b"0\n", 0)],
    "string_line": [(b"'a'\n", "a"), (b'"b\\n\\x41\\\'"\n', "b\nA'"), (b"''\n", "")],
    "unicode_line": [(b"a\\u20ac\\U0001f600\n", "a\u20ac\U0001f600"), (b"\xe9\n", "\xe9"), (b"\n", "")],
    "text_line": [(b"id\n", "id"), (b"\n", "")],
    "name_lines": [(samples.HERE.encode() + b"\nThing\n", None)],
}
for _kind in ARGUMENTS.values():
    if _kind.shape == "counted":
        _payloads: list[tuple[bytes, Any]]
        if _kind.kind.startswith("utf8"):
            _payloads = [
                (text.encode("utf-8", "surrogatepass"), text)
                for text in ("", "a", "\u20ac\U0001f600", "\ud800", "x" * 200)
            ]
        elif _kind.kind.startswith("long"):
            _payloads = [
                (b"", 0),
                (b"\xff", -1),
                (b"\x00\x80\x00", 0x8000),
                (b"\x80" * 40, int.from_bytes(b"\x80" * 40, "little", signed=True)),
            ]
        elif _kind.kind.startswith("string"):
            _payloads = [(b"", ""), (b"py2", "py2"), (b"y" * 200, "y" * 200)]
        else:
            _payloads = [(b"", b""), (b"\x00\xff.", b"\x00\xff."), (b"z" * 200, b"z" * 200)]
        SAMPLES[_kind.kind] = [
            (len(payload).to_bytes(_kind.width, "little") + payload, value) for payload, value in _payloads
        ]

#: Rows whose program needs more than a stack.
NAMES = [row.name for row in OPCODES if row.name not in ("STOP", "PROTO", "FRAME")]


@pytest.fixture(autouse=True)
def _extension() -> Iterator[None]:
    copyreg.add_extension(samples.HERE, "Thing", EXTENSION)
    yield
    copyreg.remove_extension(samples.HERE, "Thing", EXTENSION)


def argument_of(row: Opcode) -> bytes:
    """Return one argument that the opcode takes."""
    if row.name.startswith("EXT"):
        return EXTENSION.to_bytes(ARGUMENTS[row.argument].width, "little")
    return SAMPLES[row.argument][0][0]


def taken(row: Opcode) -> list[bytes]:
    """Return bytes that push what a row takes, kind by kind."""
    pushes = [PUSHED[kind][0] for kind in row.before]
    if row.name in FIRST:
        pushes[row.before.index("any")] = FIRST[row.name]
    if row.name == "BUILD":
        pushes[-1] = BUILD_STATE
    if row.name == "STACK_GLOBAL":
        pushes = [op("SHORT_BINUNICODE", samples.HERE), op("SHORT_BINUNICODE", "Thing")]
    return pushes


def program(row: Opcode, argument: bytes | None = None, after: bytes = b"") -> bytes:
    """Return a whole pickle around one opcode."""
    memo = op("NONE") + op("BINPUT", 0) + op("POP") if row.memo == "get" else b""
    body = (
        memo
        + op("MARK")
        + op("BININT1", SENTINEL)
        + b"".join(taken(row))
        + bytes([row.code])
        + (argument_of(row) if argument is None else argument)
        + after
    )
    if "mark" in row.after:
        body += op("TUPLE")
    return body + op("TUPLE") + op("STOP")


def load(sp: Any, data: bytes, file: Any = None, policy: Any = None) -> Any:
    class Reader(sp.Unpickler):  # type: ignore[misc, name-defined]
        def persistent_load(self, pid: Any) -> Any:
            return "persistent", pid

    policy = samples.allowing("Thing") if policy is None else policy
    reader = Reader(io.BytesIO(data) if file is None else file, buffers=[b"out of band"] * 3, policy=policy)
    return reader.load()


#: What stands on the stack in the place of "any", where it is not simply what was there.
def matches(kind: str, value: Any) -> bool:
    if kind == "any":
        return True
    if kind == "mark":
        return value == ()
    if kind == "buffer":
        return isinstance(value, (bytes, bytearray, memoryview))
    if kind == "None":
        return value is None
    return type(value).__name__ == kind


@pytest.mark.parametrize("name", NAMES)
def test_the_stack_effect(sp: Any, name: str) -> None:
    row = BY_NAME[name]
    sentinel, *left = load(sp, program(row))
    assert sentinel == SENTINEL
    assert len(left) == len(row.after)
    assert all(map(matches, row.after, left)), left


@pytest.mark.parametrize("name", [row.name for row in OPCODES if row.argument != "none"])
def test_the_argument(sp: Any, name: str) -> None:
    """The value is what the bytes say, and exactly those bytes are taken."""
    row = BY_NAME[name]
    if row.memo or row.name in ("PROTO", "FRAME") or row.name.startswith("EXT"):
        return
    for argument, value in SAMPLES[row.argument]:
        result = load(sp, program(row, argument, after=op("BININT1", 8)))
        found = result[1]
        assert result[2:] == (8,)
        if row.right:
            assert found is samples.Thing or type(found) is samples.Thing
        elif row.name == "PERSID":
            assert found == ("persistent", value)
        else:
            assert type(found).__name__ == row.after[0] or row.after[0] == "int"
            assert found == value
            assert type(found) is (bytearray if row.after[0] == "bytearray" else type(value))


@pytest.mark.parametrize("name", [row.name for row in OPCODES if row.memo == "get"])
def test_memo_indexes(sp: Any, name: str) -> None:
    row = BY_NAME[name]
    argument = {"index_line": b"0\n", "uint1": b"\0", "uint4": b"\0\0\0\0"}[row.argument]
    assert load(sp, b"K\x05q\x000" + op(name, *_index(row, 0)) + b".") == 5
    assert argument_of(row) == argument
    with pytest.raises(FormatError, match="memo entry 3 is not set") as caught:
        load(sp, b"K\x05q\x000" + op(name, *_index(row, 3)) + b".")
    assert (caught.value.opcode, caught.value.position) == (name, 5)


def _index(row: Opcode, index: int) -> tuple[Any, ...]:
    return (str(index),) if row.argument == "index_line" else (index,)


@pytest.mark.parametrize("name", NAMES)
def test_the_memo_effect(sp: Any, name: str) -> None:
    row = BY_NAME[name]
    if row.memo:
        *_, top, again = load(sp, program(row, after=op("BINGET", 0)))
        assert top is again
        return
    with pytest.raises(FormatError, match="memo entry 0 is not set"):
        load(sp, program(row, after=op("BINGET", 0)))


@pytest.mark.parametrize("name", [row.name for row in OPCODES if row.memo in ("put", "memoize")])
def test_a_memo_entry_is_set_once(sp: Any, name: str) -> None:
    row = BY_NAME[name]
    again = bytes([row.code]) + argument_of(row)
    if row.memo == "memoize":
        assert load(sp, b"N" + again + again + op("BINGET", 1) + b"\x86.") == (None, None)
        # Its index is how many entries there are.
        with pytest.raises(FormatError, match="memo entry 1 is set a second time"):
            load(sp, b"N" + op("BINPUT", 1) + again + b".")
        return
    with pytest.raises(FormatError, match="memo entry 0 is set a second time"):
        load(sp, b"N" + again + again + b".")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("from_file", [False, True], ids=["bytes", "file"])
def test_every_cut_is_a_truncation(sp: Any, name: str, from_file: bool) -> None:
    data = program(BY_NAME[name])
    if not from_file and name in ("PERSID", "BINPERSID", "NEXT_BUFFER"):
        return  # these ask an Unpickler, which reads from a file
    policy = samples.allowing("Thing")
    for cut in range(len(data)):
        with pytest.raises(TruncatedError if cut else EmptyInputError) as caught:
            load(sp, data[:cut]) if from_file else sp.loads(data[:cut], policy=policy)
        assert caught.value.position is not None
        assert 0 <= caught.value.position <= cut


@pytest.mark.parametrize("name", [row.name for row in OPCODES if row.before])
def test_too_little_on_the_stack(sp: Any, name: str) -> None:
    row = BY_NAME[name]
    pushes = taken(row)
    for missing in range(1, len(pushes) + 1):
        kept = b"".join(pushes[missing:])
        if "mark" in row.before[missing:]:
            # What lies below a mark is missing: FormatError as well, from an empty stack.
            assert row.before.index("mark") > 0
        data = kept + bytes([row.code]) + argument_of(row) + b"."
        with pytest.raises(FormatError) as caught:
            load(sp, data)
        assert type(caught.value) is FormatError
        if row.name not in ("OBJ", "INST"):
            assert (caught.value.opcode, caught.value.position) == (name, len(kept))


@pytest.mark.parametrize("name", [row.name for row in OPCODES if "mark" in row.before])
def test_without_a_mark(sp: Any, name: str) -> None:
    row = BY_NAME[name]
    pushes = [push for kind, push in zip(row.before, taken(row), strict=True) if kind != "mark"]
    with pytest.raises(FormatError, match="without a mark"):
        load(sp, b"".join(pushes) + bytes([row.code]) + argument_of(row) + b".")


@pytest.mark.parametrize("policy", [PLAIN, UNRESTRICTED], ids=lambda policy: policy.name)
def test_unknown_bytes(sp: Any, policy: Any) -> None:
    unknown = [code for code in range(256) if code not in BY_BYTE]
    assert len(unknown) == 256 - len(OPCODES)
    for code in unknown:
        for data, position in ((bytes([code]), 0), (b"N" + bytes([code]) + b".", 1)):
            with pytest.raises(FormatError) as caught:
                sp.loads(data, policy=policy)
            assert (caught.value.opcode, caught.value.position) == (f"0x{code:02x}", position)
            assert f"0x{code:02x}" in str(caught.value)


@pytest.mark.parametrize("policy", [PLAIN, UNRESTRICTED], ids=lambda policy: policy.name)
def test_every_opcode_is_known_to_the_machine(sp: Any, policy: Any) -> None:
    for row in OPCODES:
        for rest in (b"", bytes(16), b"\n\n"):
            try:
                sp.loads(bytes([row.code]) + rest, policy=policy)
            except Exception as error:  # noqa: BLE001  (UNRESTRICTED lets out what pickle does)
                assert policy is UNRESTRICTED or isinstance(error, SafePickleError)
                assert f"no such opcode: 0x{row.code:02x}" not in str(error)


def test_stop(sp: Any) -> None:
    assert sp.loads(b"N.") is None
    for left in (b".", b"NN.", b"N(.", b"(N.", b"(.", b"N(N."):
        with pytest.raises(FormatError) as caught:
            sp.loads(left)
        assert (caught.value.opcode, caught.value.position) == ("STOP", len(left) - 1)


def test_proto_is_first_and_known(sp: Any) -> None:
    for protocol in range(256):
        data = op("PROTO", protocol) + b"N."
        if protocol <= 5:
            assert sp.loads(data) is None
        else:
            with pytest.raises(FormatError, match="unsupported pickle protocol"):
                sp.loads(data)
        with pytest.raises(FormatError):
            sp.loads(b"N0" + data)
        with pytest.raises(FormatError):
            sp.loads(op("PROTO", 4) + data)


def test_frame_leaves_the_stack_alone(sp: Any) -> None:
    for size in (0, 1, 2):
        data = b"\x80\x04N" + op("FRAME", size) + b"0N."[:size] + b"0N."[size:]
        assert sp.loads(data) is None


#: Bytes before an opcode that asks for a right, and the global that is asked about.
ASKING: dict[str, bytes] = {
    "REDUCE": CLASS + b")R",
    "INST": b"(" + op("INST", samples.HERE, "Thing"),
    "OBJ": b"(" + CLASS + b"o",
    "NEWOBJ": CLASS + b")\x81",
    "NEWOBJ_EX": CLASS + b")}\x92",
    "BUILD": INSTANCE + b"}b",
    "APPEND": INSTANCE + b"Na",
    "APPENDS": INSTANCE + b"(Ne",
    "SETITEM": INSTANCE + b"K\x01Ns",
    "SETITEMS": INSTANCE + b"(K\x01Nu",
    "ADDITEMS": INSTANCE + b"(K\x01\x90",
    "GLOBAL": CLASS,
    "STACK_GLOBAL": op("SHORT_BINUNICODE", samples.HERE) + op("SHORT_BINUNICODE", "Thing") + op("STACK_GLOBAL"),
    "EXT1": op("EXT1", EXTENSION),
    "EXT2": op("EXT2", EXTENSION),
    "EXT4": op("EXT4", EXTENSION),
}


@pytest.mark.parametrize("name", [row.name for row in OPCODES if row.right])
def test_the_right(sp: Any, name: str) -> None:
    """Every right but the one in the row: refused for that right, at that opcode. With it: carried out."""
    row = BY_NAME[name]
    data = ASKING[name] + b"."
    right = Right[row.right.upper()]
    lacking = samples.EVERY_RIGHT & ~right
    if name in ("INST", "OBJ"):
        # Without arguments they only make an instance, for which `new` is enough.
        lacking &= ~Right.NEW
    with pytest.raises(PolicyError) as caught:
        load(sp, data, policy=samples.allowing("Thing", rights=lacking))
    (denial,) = caught.value.denials
    assert (denial.module, denial.name, denial.right) == (samples.HERE, "Thing", row.right)
    # A global is refused where it is used as a value, which may be the STOP behind it.
    assert denial.opcode == (name if right is not Right.REFER else "STOP")
    value = load(sp, data, policy=samples.allowing("Thing"))
    assert value is samples.Thing if row.right == "refer" else type(value) is samples.Thing


def test_the_table_has_pickles_opcodes() -> None:
    theirs = {(ord(row.code), row.name): row.proto for row in pickletools.opcodes}
    assert {(row.code, row.name): row.protocol for row in OPCODES} == theirs
