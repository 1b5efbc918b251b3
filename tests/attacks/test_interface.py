"""Attacks that need more than a stream: options, hooks, files, extension codes, several loads, dumping."""

from __future__ import annotations

import copyreg
import io
import pickle
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from attacks import canary
from attacks.app import CANARY, allowing
from attacks.asm import (
    DICT,
    LIST,
    MEMOIZE,
    NONE,
    PROTO,
    call,
    name,
    new,
    number,
    op,
    pickled,
    text,
    tuple_of,
)
from attacks.expected import MALFORMED, TRAILING, TRUNCATED, check, check_load, denied, equals, limited
from attacks.tripwire import watched

from safepickle.errors import LimitError, PolicyError, SafePickleError, StateError

ACT = name(CANARY, "act")
ACTED = denied((CANARY, "act"))
PERSID = op("BINPERSID")


# --- Nothing means "off" ------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [None, False, 0, "", (), {}, frozenset(), "UNRESTRICTED", object()])
def test_no_value_of_an_option_means_no_policy(sp: Any, nothing: Any) -> None:
    """R12."""
    data = pickled(call(ACT))
    for make in (
        lambda: sp.loads(data, policy=nothing),
        lambda: sp.load(io.BytesIO(data), policy=nothing),
        lambda: sp.Unpickler(io.BytesIO(data), policy=nothing).load(),
        lambda: sp.Codec(policy=nothing).loads(data),
    ):
        with watched() as acts, pytest.raises((TypeError, ValueError, PolicyError)):
            make()
        assert acts == []


@pytest.mark.parametrize("nothing", [None, False, 0, "", {}])
def test_no_value_of_an_option_means_no_limits(sp: Any, nothing: Any) -> None:
    """R12, for limits."""
    with pytest.raises((TypeError, ValueError, SafePickleError)):
        sp.loads(pickled(b"NrZ\xff\xff\x7f"), limits=nothing)


def test_an_empty_policy_denies(sp: Any) -> None:
    check(sp, pickled(ACT), ACTED, policy=sp.Policy(name="empty"))
    check(sp, pickled(ACT), ACTED)
    check_load(lambda: sp.Unpickler(io.BytesIO(pickled(ACT))).load(), ACTED)
    check_load(lambda: sp.Codec().loads(pickled(ACT)), ACTED)


# --- Names --------------------------------------------------------------------------------------------------


def test_renames_do_not_follow_the_mutable_tables(sp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """R04: pickle looks into `_compat_pickle` at every global; whoever writes there renames anything."""
    import _compat_pickle

    monkeypatch.setitem(_compat_pickle.NAME_MAPPING, ("__builtin__", "set"), (CANARY, "act"))
    monkeypatch.setitem(_compat_pickle.IMPORT_MAPPING, "harmless", CANARY)
    check(sp, pickled(op("GLOBAL", "__builtin__", "set") + tuple_of(LIST) + b"R", proto=2), equals(set()))
    policy = allowing("act refer call")
    check(sp, pickled(op("GLOBAL", "harmless", "act"), proto=2), denied(("harmless", "act")), policy=policy)


def test_renames_come_before_the_policy(sp: Any) -> None:
    """R04: a policy that names the Python 2 spelling allows nothing."""
    policy = allowing("eval refer call", module="__builtin__")
    data = pickled(op("GLOBAL", "__builtin__", "eval"), proto=2)
    check(sp, data, denied(("builtins", "eval")), policy=policy)
    check(sp, data, denied(("__builtin__", "eval")), fix_imports=False)


def test_a_module_of_the_working_directory_does_not_stand_in(
    sp: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R08: nothing is imported for a name that no rule has, wherever it could be found."""
    (tmp_path / "attacks_shadow.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    check(sp, pickled(name("attacks_shadow", "Thing")), denied(("attacks_shadow", "Thing")))
    policy = allowing("Other refer", module="attacks_shadow")
    check(sp, pickled(name("attacks_shadow", "Thing")), denied(("attacks_shadow", "Thing")), policy=policy)


def test_all_refused_globals_are_listed(sp: Any) -> None:
    """S12: a report that stops at the first denial hides the others; nothing runs while the rest is read."""
    data = pickled(call(ACT) + b"0" + call(name("os", "system"), text("true")) + b"0" + new(name("x.y", "Z")))
    with watched() as acts, pytest.raises(PolicyError) as caught:
        sp.loads(data)
    assert acts == []
    assert [(d.module, d.name) for d in caught.value.denials] == [
        (CANARY, "act"),
        ("os", "system"),
        ("x.y", "Z"),
    ]
    assert [d.right for d in caught.value.denials] == ["call", "call", "new"]


def test_what_is_granted_is_not_among_the_denials(sp: Any) -> None:
    """S12: the list says what to add to the policy, so it must not name what the policy has."""
    granted = (
        new(name(CANARY, "MadeByCall")) + b"0" + op("MARK") + op("INST", CANARY, "MadeByCall") + b"0"
        + op("MARK") + name(CANARY, "MadeByCall") + op("OBJ")
    )  # fmt: skip
    with pytest.raises(PolicyError) as caught:
        sp.loads(pickled(name("os", "system") + b"0" + granted), policy=allowing("MadeByCall new"))
    assert [(d.module, d.name) for d in caught.value.denials] == [("os", "system")]


# --- Extension codes ----------------------------------------------------------------------------------------


@pytest.fixture
def extension() -> Iterator[int]:
    """Register an extension code for the canary, and warm copyreg's cache as an unrestricted load does."""
    code = 240
    copyreg.add_extension(CANARY, "act", code)
    copyreg._extension_cache[code] = canary.act  # type: ignore[attr-defined]
    yield code
    copyreg.remove_extension(CANARY, "act", code)
    copyreg.clear_extension_cache()


@pytest.mark.parametrize("opcode", ["EXT1", "EXT2", "EXT4"])
def test_a_warm_extension_cache_is_not_consulted(sp: Any, extension: int, opcode: str) -> None:
    """R61: `pickle` hands out the cached object without asking find_class."""
    data = pickled(call(op(opcode, extension)))
    for stream in (data, pickled(op(opcode, extension))):
        check(sp, stream, ACTED, policy=sp.PLAIN)
        check(sp, stream, ACTED, policy=sp.Policy.packs("stdlib"))

    class Refusing(sp.Unpickler):  # type: ignore[misc,name-defined]
        def find_class(self, module: str, name: str) -> Any:
            raise LookupError

    with watched() as acts, pytest.raises((LookupError, SafePickleError)):
        Refusing(io.BytesIO(data)).load()
    assert acts == []


def test_the_object_in_the_extension_cache_is_not_handed_out(sp: Any, extension: int) -> None:
    """R61, R62: a rule for the registered name gives that global, not what was put into the cache."""
    copyreg._extension_cache[extension] = canary.fail  # type: ignore[attr-defined]
    with watched():
        try:
            value = sp.loads(pickled(op("EXT1", extension)), policy=allowing("act refer"))
        except SafePickleError:
            return
    assert value is canary.act


@pytest.mark.parametrize("entry", [(CANARY, "act"), "x", (CANARY,), [CANARY, "act"], (1, 2), None])
def test_a_poisoned_extension_registry_gives_nothing(sp: Any, monkeypatch: pytest.MonkeyPatch, entry: Any) -> None:
    """R62, R63: codes that cannot be registered, and entries that copyreg would not make."""
    registry = copyreg._inverted_registry  # type: ignore[attr-defined]
    for code, opcode in ((0, "EXT1"), (-1, "EXT4")):
        monkeypatch.setitem(registry, code, (CANARY, "act"))
        check(sp, pickled(op(opcode, code)), MALFORMED, policy=allowing("act refer"))
    monkeypatch.setitem(registry, 241, entry)
    check(sp, pickled(op("EXT1", 241)), ACTED if entry == (CANARY, "act") else MALFORMED)


# --- Hooks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [pickled(number(1) + PERSID), b"Pid\n."])
def test_persistent_ids_are_refused_without_a_hook(sp: Any, data: bytes) -> None:
    """R64."""
    check(sp, data, MALFORMED)


def test_hooks_are_not_asked_after_a_denial(sp: Any) -> None:
    """R68: neither persistent_load nor find_class runs for a stream that is refused already."""

    class Hooked(sp.Unpickler):  # type: ignore[misc,name-defined]
        def persistent_load(self, pid: Any) -> Any:
            canary.RECORD.append("persistent_load")

        def find_class(self, module: str, name: str) -> Any:
            if module == "os":
                return super().find_class(module, name)
            canary.RECORD.append("find_class")
            return canary.Plain

    refused = name("os", "system") + b"0"
    for rest in (number(1) + PERSID, name("x", "y"), new(name("x", "y"))):
        check_load(Hooked(io.BytesIO(pickled(refused + rest))).load, denied(("os", "system")))


@pytest.mark.parametrize("between", [name("builtins", "object"), name("os", "system")])
@pytest.mark.parametrize(
    ("live", "change"),
    [
        ([], number(1) + b"a"),
        ([], b"(" + number(1) + b"e"),
        ({}, number(1) + number(2) + b"s"),
        ({}, b"(" + number(1) + number(2) + b"u"),
        (set(), b"(" + number(1) + b"\x90"),
    ],
)
def test_what_a_hook_returned_stays_foreign_behind_the_first_global(
    sp: Any, between: bytes, live: Any, change: bytes
) -> None:
    """S4: the first global of a stream must not make the machine forget what came from outside before it."""

    class Persistent(sp.Unpickler):  # type: ignore[misc,name-defined]
        def persistent_load(self, pid: Any) -> Any:
            return live

    data = pickled(number(1) + PERSID + between + b"0" + change)
    with pytest.raises(PolicyError):
        Persistent(io.BytesIO(data)).load()
    assert not live


def test_persistent_ids_in_text_are_ascii(sp: Any) -> None:
    """X09, R64: with a hook that would take anything."""

    class Persistent(sp.Unpickler):  # type: ignore[misc,name-defined]
        def persistent_load(self, pid: Any) -> Any:
            canary.RECORD.append("asked")

    check_load(Persistent(io.BytesIO(b"P\xc3\xa9\n.")).load, MALFORMED)


def test_persistent_ids_are_counted(sp: Any) -> None:
    """R64: each asks the application once."""

    class Persistent(sp.Unpickler):  # type: ignore[misc,name-defined]
        def persistent_load(self, pid: Any) -> Any:
            return pid

    data = pickled((number(1) + PERSID + b"0") * 11 + NONE)
    check_load(lambda: Persistent(io.BytesIO(data), limits=sp.Limits(max_calls=10)).load(), limited("max_calls"))
    check_load(lambda: Persistent(io.BytesIO(data), limits=sp.Limits(max_calls=11)).load(), equals(None))


@pytest.mark.parametrize("pid", [LIST, DICT, tuple_of(LIST), new(name(CANARY, "Plain"))])
def test_persistent_ids_are_plain_values(sp: Any, pid: bytes) -> None:
    """R64: the hook gets str, bytes, numbers and tuples of those, not graphs of objects."""

    class Persistent(sp.Unpickler):  # type: ignore[misc,name-defined]
        def persistent_load(self, pid: Any) -> Any:
            canary.RECORD.append("asked")

    with watched() as acts, pytest.raises(SafePickleError):
        Persistent(io.BytesIO(pickled(pid + PERSID)), policy=allowing("Plain new")).load()
    assert acts == []


def test_a_second_entry_is_refused(sp: Any) -> None:
    """R51: CPython's own was a use after free (gh-143638)."""
    seen: list[BaseException] = []

    class Reentrant(sp.Unpickler):  # type: ignore[misc,name-defined]
        def persistent_load(self, pid: Any) -> Any:
            try:
                return self.load()
            except BaseException as error:
                seen.append(error)
                raise

    with pytest.raises(StateError):
        Reentrant(io.BytesIO(b"Pid\n." * 3)).load()
    assert [type(error) for error in seen] == [StateError]


def test_a_machine_serves_one_pickle(sp: Any) -> None:
    """R51, R67: nor can what is running be run once more from within."""
    seen: list[BaseException] = []

    class Reentrant(sp.Unpickler):  # type: ignore[misc,name-defined]
        def persistent_load(self, pid: Any) -> Any:
            try:
                self._running.run()
            except SafePickleError as error:
                seen.append(error)

    assert Reentrant(io.BytesIO(b"Pid\n.")).load() is None
    assert [type(error) for error in seen] == [StateError]


def test_what_find_class_returns_goes_through_the_call_gate(sp: Any) -> None:
    """S4: an overridden find_class grants what it returns, and nothing besides."""

    class Finding(sp.Unpickler):  # type: ignore[misc,name-defined]
        def find_class(self, module: str, name: str) -> Any:
            return [canary.act]

    with watched() as acts, pytest.raises(SafePickleError):
        Finding(io.BytesIO(pickled(call(name("x", "y"))))).load()
    assert acts == []


# --- Buffers ------------------------------------------------------------------------------------------------


def test_buffers_are_the_applications(sp: Any) -> None:
    """R65: no more than were given, and no items into them."""
    one = op("NEXT_BUFFER")
    check(sp, pickled(one, proto=5), equals(b"x"), buffers=[b"x"])
    check(sp, pickled(one + one + b"\x86", proto=5), MALFORMED, buffers=[b"x"])
    live = bytearray(b"x")
    with pytest.raises(SafePickleError):
        sp.loads(pickled(one + number(1) + b"a", proto=5), buffers=[live])
    assert live == b"x"
    view = sp.loads(pickled(one + op("READONLY_BUFFER"), proto=5), buffers=[live])
    assert type(view) is memoryview
    assert view.readonly


@pytest.mark.parametrize("given", [[1], ["x"], [None], [object()], 3])
def test_buffers_are_buffers(sp: Any, given: Any) -> None:
    with pytest.raises((TypeError, SafePickleError)):
        sp.loads(pickled(op("NEXT_BUFFER") + op("READONLY_BUFFER"), proto=5), buffers=given)
    with pytest.raises((TypeError, SafePickleError)):
        sp.loads(pickled(op("NEXT_BUFFER"), proto=5), buffers=given)


# --- Several pickles ----------------------------------------------------------------------------------------


def test_the_memo_does_not_carry_over(sp: Any) -> None:
    """R67."""
    first, second = pickled(text("secret") + MEMOIZE), pickled(op("BINGET", 0))
    unpickler = sp.Unpickler(io.BytesIO(first + second))
    assert unpickler.load() == "secret"
    check_load(unpickler.load, MALFORMED)


@pytest.mark.parametrize("tail", [b".", b"\0", b"\n", pickled(NONE), pickled(call(ACT)), b"PK\x03\x04"])
def test_bytes_after_the_end_are_refused(sp: Any, tail: bytes) -> None:
    """R69, X28."""
    for data in (pickled(NONE) + tail, bytearray(pickled(NONE) + tail), memoryview(pickled(NONE) + tail)):
        check(sp, data, TRAILING)
    file = io.BytesIO(pickled(NONE) + tail)
    check_load(lambda: sp.load(file), equals(None))
    assert file.read() == tail


def test_a_pickle_that_is_a_zip_file_too_is_refused(sp: Any) -> None:
    """R69."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("data.pkl", pickled(call(ACT)))
    check(sp, pickled(NONE) + archive.getvalue(), TRAILING)
    check(sp, archive.getvalue(), TRUNCATED)


# --- The dump side ------------------------------------------------------------------------------------------


def _refuses_to_write(sp: Any, value: Any, **options: Any) -> None:
    with watched() as acts, pytest.raises(SafePickleError):
        sp.dumps(value, **options)
    assert "act" not in acts


def test_instances_do_not_choose_how_they_are_written(sp: Any) -> None:
    """R70, R45: `__reduce_ex__` and the like are looked up on the type."""
    value = canary.Plain()
    for key in ("__reduce_ex__", "__reduce__", "__getstate__", "__getnewargs__", "__getnewargs_ex__"):
        value.__dict__[key] = canary.act
    _refuses_to_write(sp, value)
    with watched() as acts, suppress(SafePickleError):
        sp.dumps(value, policy=allowing("Plain refer new build", "act refer"))
    assert "act" not in acts


@pytest.mark.parametrize("protocol", range(6))
def test_what_load_refuses_dump_refuses(sp: Any, protocol: int) -> None:
    """R70, S11."""
    for value in (canary.Plain(), canary.act, canary.Plain, canary.Loud(), len, print, [canary.MadeByCall()]):
        _refuses_to_write(sp, value, protocol=protocol)
    with pytest.raises(PolicyError) as caught:
        sp.dumps({"a": [0, canary.Plain()]}, protocol)
    assert (caught.value.module, caught.value.name) == (CANARY, "Plain")
    canary.RECORD.clear()


def test_a_poisoned_dispatch_table_is_held_to_the_policy(sp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """R62, R70."""
    monkeypatch.setitem(copyreg.dispatch_table, canary.Plain, lambda value: (canary.act, ()))
    _refuses_to_write(sp, canary.Plain(), policy=allowing("Plain refer new build"))


def test_a_container_that_changes_while_it_is_written(sp: Any) -> None:
    """R70: a use after free in CPython (gh-149816); here an error, or a pickle of some state it was in."""
    for make in (lambda: [1.5, "x", 2], lambda: {1: 2, 3: "x"}, lambda: {1, 2, 3}):
        value: Any = make()

        class Changing(sp.Pickler):  # type: ignore[misc,name-defined]
            def persistent_id(self, item: Any, target: Any = value) -> None:
                if item is not target:
                    target.clear()

        out = io.BytesIO()
        try:
            Changing(out).dump(value)
        except (SafePickleError, RuntimeError):
            continue
        assert type(sp.loads(out.getvalue())) is type(value)


def test_a_buffer_released_by_its_callback(sp: Any) -> None:
    """R70: gh-143308."""
    buffer = pickle.PickleBuffer(bytearray(b"data"))

    def release(given: Any) -> bool:
        given.release()
        return True

    try:
        data = sp.dumps(buffer, protocol=5, buffer_callback=release)
    except (SafePickleError, ValueError):
        return
    assert type(data) is bytes


def test_no_policy_stops_an_application_from_believing_data(sp: Any) -> None:
    """R71: a `command` that the application runs later is plain data; the documentation says so."""
    check(sp, pickle.dumps({"command": "rm -rf /"}), equals({"command": "rm -rf /"}))


# --- Limits as options --------------------------------------------------------------------------------------


def test_an_endless_line_is_not_read_to_its_end(sp: Any) -> None:
    """D22: from a socket, a line without an end is memory without an end."""

    class Endless(io.RawIOBase):
        given = 0
        opcode = b"V"

        def readable(self) -> bool:
            return True

        def _give(self, size: int) -> bytes:
            size = 1 << 20 if size < 0 else size
            first = self.opcode if self.given == 0 else b""
            self.given += size
            assert self.given < 32 << 20, "reads on and on"
            return (first + b"1" * size)[:size]

        def read(self, size: int = -1) -> bytes:
            return self._give(size)

        def readline(self, size: int | None = -1) -> bytes:
            return self._give(-1 if size is None else size)

        def readinto(self, buffer: Any) -> int:
            buffer[:] = self._give(len(buffer))
            return len(buffer)

    for opcode in b"VILFSPcigp":
        file = Endless()
        file.opcode = bytes([opcode])
        with pytest.raises(SafePickleError):
            sp.load(file, limits=sp.Limits(max_bytes="4 MiB"))


def test_int_digits_are_capped_whatever_the_process_says(sp: Any) -> None:
    """D11: the interpreter's own guard is process-wide and may be off."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        for data in (b"I" + b"9" * 100_000 + b"\n.", b"L" + b"9" * 100_000 + b"L\n."):
            with pytest.raises(LimitError) as caught:
                sp.loads(data)
            assert caught.value.limit == "max_int_bits"
    finally:
        sys.set_int_max_str_digits(before)


def test_tuple_of_values_is_what_persistent_ids_may_be(sp: Any) -> None:
    """R64: what applications use goes through."""

    class Persistent(sp.Unpickler):  # type: ignore[misc,name-defined]
        def persistent_load(self, pid: Any) -> Any:
            return [pid]

    data = PROTO[4] + tuple_of(text("storage"), number(1), NONE) + PERSID + b"."
    assert Persistent(io.BytesIO(data)).load() == [("storage", 1, None)]
