"""The calls in front of the machine: pickle's signatures, what they read from, hooks, buffers, threads."""

from __future__ import annotations

import array
import collections
import copyreg
import gc
import inspect
import io
import mmap
import os
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attacks.asm import MEMOIZE, NONE, POP, call, name, number, op, pickled, text
from decoding import samples
from decoding.files import FILES, Bare, Slow, rest_of

from safepickle.errors import (
    EmptyInputError,
    FormatError,
    PolicyError,
    ReconstructionError,
    StateError,
    TrailingDataError,
    TruncatedError,
)
from safepickle.limits import Limits
from safepickle.policy.rules import Policy, Right, Rule

VALUE = {"a": [1, 2.5, None], "b": ("x", b"y")}
DATA = pickle.dumps(VALUE)


# -- signatures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["loads", "load", "Unpickler", "dumps", "dump", "Pickler"])
def test_signatures_are_pickles(sp: ModuleType, which: str) -> None:
    ours = inspect.signature(getattr(sp, which)).parameters
    theirs = inspect.signature(getattr(pickle, "_" + which)).parameters
    ours_too = {"policy", "limits", "type", "canonical"}
    # What pickle.py calls `s` is `data` in C, and its Pickler takes `fix_imports` by position there.
    renamed = {"s": "data"} if which == "loads" else {}
    assert [key for key in ours if key not in ours_too] == [renamed.get(key, key) for key in theirs]
    for theirs_key, parameter in theirs.items():
        key = renamed.get(theirs_key, theirs_key)
        if which != "Pickler":
            assert ours[key].kind is parameter.kind, key
        assert ours[key].default == parameter.default, key
    for key in ours_too & set(ours):
        assert ours[key].kind is inspect.Parameter.KEYWORD_ONLY


def test_parameters_of_loads_are_pickles_in_c_too(sp: ModuleType) -> None:
    ours = inspect.signature(sp.loads).parameters
    theirs = inspect.signature(pickle.loads).parameters
    assert [*ours][: len(theirs)] == [*theirs]
    assert [ours[key].kind for key in theirs] == [parameter.kind for parameter in theirs.values()]


@pytest.mark.parametrize("which", ["loads", "load", "dumps", "dump"])
def test_codec_has_the_signatures_without_the_options(sp: ModuleType, which: str) -> None:
    codec = inspect.signature(getattr(sp.Codec(), which)).parameters
    free = inspect.signature(getattr(sp, which)).parameters
    signing = {"context", "max_age", "not_before", "exact"}
    assert [key for key in codec if key not in signing] == [key for key in free if key not in ("policy", "limits")]
    assert all(codec[key].kind is inspect.Parameter.KEYWORD_ONLY for key in signing & set(codec))


# -- what is read from ---------------------------------------------------------------------------------------


def strided(data: bytes) -> memoryview:
    """Return a view that is not contiguous."""
    return memoryview(b"".join(bytes([byte, 0xFF]) for byte in data))[::2]


def mapped(data: bytes) -> mmap.mmap:
    memory = mmap.mmap(-1, len(data))
    memory.write(data)
    return memory


BYTES_LIKE: dict[str, Callable[[bytes], Any]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "writable memoryview": lambda data: memoryview(bytearray(data)),
    "strided memoryview": strided,
    "reversed memoryview": lambda data: memoryview(data[::-1])[::-1],
    "mmap": mapped,
    "array": lambda data: array.array("B", data),
    "PickleBuffer": pickle.PickleBuffer,
    "bytes subclass": type("Sub", (bytes,), {}),
}


@pytest.mark.parametrize("kind", BYTES_LIKE)
def test_bytes_like(sp: ModuleType, kind: str) -> None:
    data = BYTES_LIKE[kind](DATA)
    assert sp.loads(data) == VALUE
    if kind in ("bytearray", "array"):
        data.append(0)  # it is no longer exported
    with pytest.raises(TrailingDataError):
        sp.loads(BYTES_LIKE[kind](DATA + b"x"))


def test_items_wider_than_a_byte(sp: ModuleType) -> None:
    data = b"\x80\x04N."
    assert sp.loads(array.array("H", data)) is None
    assert sp.loads(memoryview(data).cast("B", (2, 2))) is None


@pytest.mark.parametrize("data", ["text", None, 3, [], object(), io.BytesIO(DATA)])
def test_what_is_not_bytes_like(sp: ModuleType, data: Any) -> None:
    with pytest.raises(TypeError):
        sp.loads(data)


def test_data_that_changes_is_read_once(sp: ModuleType) -> None:
    data = bytearray(pickled(name(samples.HERE, "Thing") + b")R" + POP + text("as it was")))

    class Policed:
        def find_class(self, module: str, called: str) -> Any:
            data[:] = b"." * len(data)
            return samples.Thing

    assert sp.loads(data, policy=Policed()) == "as it was"


@pytest.mark.parametrize("kind", FILES)
def test_several_pickles_in_one_file(sp: ModuleType, kind: str) -> None:
    values = [VALUE, None, "x" * 5000, [[]], 2**100]
    for protocol in range(6):
        file = FILES[kind](b"".join(pickle.dumps(value, protocol) for value in values))
        reader = sp.Unpickler(file)
        assert [reader.load() for _ in values] == values
        with pytest.raises(EOFError) as caught:
            reader.load()
        assert type(caught.value) is EmptyInputError


def test_a_file_on_disk(sp: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "two.pickle"
    path.write_bytes(DATA + DATA + b"rest")
    for buffering in (0, 1 << 4, -1):
        with path.open("rb", buffering=buffering) as file:
            assert sp.load(file) == VALUE
            assert file.tell() == len(DATA)
            assert sp.load(file) == VALUE
            assert file.read() == b"rest"


def test_a_pipe(sp: ModuleType) -> None:
    """The writer goes on only after the first pickle was read: nothing behind it is waited for."""
    reading, writing = os.pipe()
    with io.FileIO(reading, "r") as source, io.FileIO(writing, "w") as sink:
        sink.write(DATA)
        assert sp.load(source) == VALUE
        sink.write(b"I5\n.")
        assert sp.load(source) == 5


class Odd:
    """A file whose `read` and `readline` give what they are told to."""

    def __init__(self, read: Callable[[int], Any], readline: Callable[[], Any]) -> None:
        self.read = read
        self.readline = readline


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (lambda size: None, FormatError),
        (lambda size: "x" * size, FormatError),
        (lambda size: [0] * size, FormatError),
        (lambda size: b"N" * (size + 1), FormatError),
        (lambda size: b"", EmptyInputError),
        (lambda size: 5, FormatError),
    ],
    ids=["None", "str", "list", "too much", "nothing", "int"],
)
def test_what_read_may_not_return(sp: ModuleType, given: Any, error: Any) -> None:
    with pytest.raises(error) as caught:
        sp.load(Odd(given, lambda: b""))
    assert type(caught.value) is error


@pytest.mark.parametrize("line", ["5\n", 5, [53, 10]], ids=["str", "int", "list"])
def test_what_readline_may_not_return(sp: ModuleType, line: Any) -> None:
    give = io.BytesIO(b"I")
    with pytest.raises(FormatError):
        sp.load(Odd(give.read, lambda: line))


@pytest.mark.parametrize("shown", ["5\n", 5, 2**40, [75, 1], None], ids=["str", "int", "much", "list", "None"])
def test_what_peek_may_not_return(sp: ModuleType, shown: Any) -> None:
    """bytes(2**40) would be so many of them."""
    file = io.BytesIO(b"K\x01.")
    odd = Odd(file.read, file.readline)
    odd.peek = lambda size: shown  # type: ignore[attr-defined]
    with pytest.raises(FormatError):
        sp.load(odd)


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_what_read_may_return_beside_bytes(sp: ModuleType, kind: Any) -> None:
    file = io.BytesIO(DATA + b"I5\n.")
    odd = Odd(lambda size: kind(file.read(size)), lambda: kind(file.readline()))
    assert sp.load(odd) == VALUE
    assert sp.load(odd) == 5


def test_short_reads_go_on(sp: ModuleType) -> None:
    file = Slow(DATA + DATA)
    assert sp.load(file) == VALUE
    assert file.given == len(DATA)


def failing(sp: ModuleType, error: Exception) -> None:
    def fail(size: int = -1) -> bytes:
        raise error

    sp.load(Odd(fail, fail))


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("closed"), TimeoutError("late")], ids=repr)
def test_errors_of_the_file_are_the_files(sp: ModuleType, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        failing(sp, error)
    assert caught.value is error


def test_interrupts_of_the_file_pass(sp: ModuleType) -> None:
    with pytest.raises(KeyboardInterrupt):
        failing(sp, KeyboardInterrupt())  # type: ignore[arg-type]


@pytest.mark.parametrize("file", [None, object(), b"N.", Path("x")])
def test_what_is_no_file(sp: ModuleType, file: Any) -> None:
    with pytest.raises(TypeError, match="must have 'read' and 'readline'"):
        sp.load(file)
    with pytest.raises(TypeError, match="must have 'read' and 'readline'"):
        sp.Unpickler(file)


def test_a_failed_load_takes_no_more_than_pickle(sp: ModuleType) -> None:
    """What is read of a refused pickle is what stands before the refusal."""
    file = io.BytesIO(b"\x80\x04]Ns." + DATA)
    with pytest.raises(FormatError):
        sp.load(file)
    denied = io.BytesIO(b"cos\nsystem\n." + DATA)
    reader = sp.Unpickler(denied)
    with pytest.raises(PolicyError):
        reader.load()
    # Behind a denial the stream is carried on inertly to its end, and the next pickle is there.
    assert reader.load() == VALUE


# -- hooks ---------------------------------------------------------------------------------------------------


def instance(module: str = samples.HERE, cls: str = "Thing") -> bytes:
    return name(module, cls) + b")\x81"


def test_find_class_overridden(sp: ModuleType) -> None:
    asked = []

    class Reader(sp.Unpickler):  # type: ignore[misc, name-defined]
        def find_class(self, module: str, called: str) -> Any:
            asked.append((module, called))
            return samples.Thing

    (thing,) = Reader(io.BytesIO(pickled(instance("made.up", "Name.Inner") + b"\x85"))).load()
    assert type(thing) is samples.Thing
    assert asked == [("made.up", "Name.Inner")]


def test_find_class_is_asked_once_for_each_name(sp: ModuleType) -> None:
    asked = []

    class Reader(sp.Unpickler):  # type: ignore[misc, name-defined]
        def find_class(self, module: str, called: str) -> Any:
            asked.append(called)
            return samples.Thing

    Reader(io.BytesIO(pickled(b"(" + instance() + instance() + instance(cls="Other") + b"t"))).load()
    assert asked == ["Thing", "Other"]


def test_helpers_are_the_machines_even_under_an_override(sp: ModuleType) -> None:
    """`set`, `getattr` and the like are carried out by the machine, whatever an override would return."""

    class Reader(sp.Unpickler):  # type: ignore[misc, name-defined]
        def find_class(self, module: str, called: str) -> Any:
            raise AssertionError((module, called))

    data = pickled(call(name("builtins", "set"), b"](K\x01e"))
    assert Reader(io.BytesIO(data)).load() == {1}


def test_find_class_of_a_policy_object(sp: ModuleType) -> None:
    class Mine:
        def find_class(self, module: str, called: str) -> Any:
            if (module, called) != (samples.HERE, "Thing"):
                raise LookupError(called)
            return samples.Thing

    assert type(sp.loads(pickled(instance()), policy=Mine())) is samples.Thing
    assert type(sp.Codec(policy=Mine()).loads(pickled(instance()))) is samples.Thing
    assert type(sp.Unpickler(io.BytesIO(pickled(instance())), policy=Mine()).load()) is samples.Thing
    with pytest.raises(LookupError) as caught:
        sp.loads(pickled(instance(cls="Node")), policy=Mine())
    assert type(caught.value) is LookupError


def test_find_class_that_goes_on_to_ours(sp: ModuleType) -> None:
    class Reader(sp.Unpickler):  # type: ignore[misc, name-defined]
        def find_class(self, module: str, called: str) -> Any:
            return super().find_class(module, {"Old": "Thing"}.get(called, called))

    policy = samples.allowing("Thing")
    assert type(Reader(io.BytesIO(pickled(instance(cls="Old"))), policy=policy).load()) is samples.Thing
    reader = Reader(io.BytesIO(pickled(instance(cls="Node"))), policy=policy)
    with pytest.raises(PolicyError) as caught:
        reader.load()
    assert [(d.module, d.name) for d in caught.value.denials] == [(samples.HERE, "Node")]


@pytest.mark.parametrize("error", [ValueError("no"), IndexError("no"), pickle.UnpicklingError("no"), KeyError("k")])
def test_errors_of_hooks_pass_unchanged(sp: ModuleType, error: Exception) -> None:
    class Reader(sp.Unpickler):  # type: ignore[misc, name-defined]
        def find_class(self, module: str, called: str) -> Any:
            raise error

        def persistent_load(self, pid: Any) -> Any:
            raise error

    for data in (pickled(instance()), pickled(text("id") + b"Q"), b"Pid\n."):
        with pytest.raises(type(error)) as caught:
            Reader(io.BytesIO(data)).load()
        assert caught.value is error


def test_an_override_under_a_rule_has_the_rules_rights(sp: ModuleType) -> None:
    class Reader(sp.Unpickler):  # type: ignore[misc, name-defined]
        def find_class(self, module: str, called: str) -> Any:
            return samples.Thing

    policy = samples.allowing("Thing", rights=Right.NEW)
    assert type(Reader(io.BytesIO(pickled(instance())), policy=policy).load()) is samples.Thing
    for tail, right in ((b"}b", "build"), (b"Na", "append"), (b"NNs", "setitem"), (b"(N\x90", "add")):
        with pytest.raises(PolicyError) as caught:
            Reader(io.BytesIO(pickled(instance() + tail)), policy=policy).load()
        assert caught.value.right == right
        Reader(io.BytesIO(pickled(instance() + tail))).load()
    with pytest.raises(PolicyError) as caught:
        Reader(io.BytesIO(pickled(name(samples.HERE, "Thing"))), policy=policy).load()
    assert caught.value.right == "refer"


GADGETS: dict[str, Any] = {
    "os.system": os.system,
    "eval": eval,
    "a module": os,
    "getattr": getattr,
    "builtins.exec": exec,
}


@pytest.mark.parametrize("gadget", GADGETS)
def test_gadgets_are_refused_whoever_returns_them(sp: ModuleType, gadget: str) -> None:
    class Mine:
        def find_class(self, module: str, called: str) -> Any:
            return GADGETS[gadget]

    data = pickled(call(name("harmless", "name"), text("raise SystemExit")))
    with pytest.raises(PolicyError):
        sp.loads(data, policy=Mine())
    with pytest.raises(PolicyError):
        sp.loads(pickled(name("harmless", "name")), policy=Mine())

    class Reader(sp.Unpickler):  # type: ignore[misc, name-defined]
        find_class = Mine.find_class

    with pytest.raises(PolicyError):
        Reader(io.BytesIO(data)).load()


def test_persistent_load(sp: ModuleType) -> None:
    class Reader(sp.Unpickler):  # type: ignore[misc, name-defined]
        def persistent_load(self, pid: Any) -> Any:
            return "got", pid

    pid = text("table") + number(5) + b"\x86"
    assert Reader(io.BytesIO(pickled(pid + b"Q"))).load() == ("got", ("table", 5))
    assert Reader(io.BytesIO(b"Pid 1\n.")).load() == ("got", "id 1")
    for data in (pickled(pid + b"Q"), b"Pid 1\n."):
        with pytest.raises(FormatError, match="persistent"):
            sp.loads(data)


def test_persistent_load_set_on_the_instance(sp: ModuleType) -> None:
    reader = sp.Unpickler(io.BytesIO(b"Pid\n."))
    reader.persistent_load = str.upper
    assert reader.load() == "ID"


def test_what_persistent_load_returns_is_not_changed(sp: ModuleType) -> None:
    for shared, tail in (([], b"Na"), ({}, b"NNs"), (set(), b"(N\x90"), (samples.Thing(), b"}b")):

        class Reader(sp.Unpickler):  # type: ignore[misc, name-defined]
            def persistent_load(self, pid: Any, shared: Any = shared) -> Any:
                return shared

        policy = samples.allowing("Thing")
        with pytest.raises((PolicyError, FormatError)):
            Reader(io.BytesIO(b"Pid\n" + tail + b"."), policy=policy).load()
        assert not shared or vars(shared) == vars(samples.Thing())


# -- out-of-band buffers -------------------------------------------------------------------------------------


def test_buffers(sp: ModuleType) -> None:
    buffers: list[Any] = []
    data = pickle.dumps([pickle.PickleBuffer(b"ro"), pickle.PickleBuffer(bytearray(b"rw"))], 5,
                        buffer_callback=buffers.append)  # fmt: skip
    kept = bytearray(b"mine")
    found = sp.loads(data, buffers=[b"given", kept])
    assert found == [b"given", b"mine"]
    assert found[1] is kept
    assert sp.loads(data, buffers=iter(buffers))[0] is buffers[0] or sp.loads(data, buffers=buffers)
    (readonly,) = sp.loads(pickled(op("NEXT_BUFFER") + op("READONLY_BUFFER") + b"\x85", proto=5), buffers=[kept])
    assert type(readonly) is memoryview
    assert readonly.readonly
    assert readonly == kept


@pytest.mark.parametrize("buffers", [None, [], (), iter(())], ids=["None", "list", "tuple", "iterator"])
def test_too_few_buffers(sp: ModuleType, buffers: Any) -> None:
    with pytest.raises(FormatError, match="out-of-band"):
        sp.loads(pickled(op("NEXT_BUFFER"), proto=5), buffers=buffers)


def test_one_iterator_of_buffers_for_all_pickles_of_a_file(sp: ModuleType) -> None:
    data = pickled(op("NEXT_BUFFER"), proto=5)
    reader = sp.Unpickler(io.BytesIO(data * 2), buffers=[b"1", b"2", b"3"])
    assert [reader.load(), reader.load()] == [b"1", b"2"]


def test_errors_of_the_buffers_pass(sp: ModuleType) -> None:
    def failing_buffers() -> Any:
        raise ZeroDivisionError
        yield

    with pytest.raises(ZeroDivisionError):
        sp.loads(pickled(op("NEXT_BUFFER"), proto=5), buffers=failing_buffers())


# -- extension codes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("opcode", "code"), [("EXT1", 0xF0), ("EXT2", 0xF0F0), ("EXT4", 0x70F0F0F0)])
def test_extension_codes(sp: ModuleType, opcode: str, code: int) -> None:
    data = pickled(op(opcode, code) + b")\x81", proto=2)
    with pytest.raises(FormatError, match="unregistered"):
        sp.loads(data)
    copyreg.add_extension(samples.HERE, "Thing", code)
    try:
        for warm in (None, samples.Thing, os.system):
            copyreg._extension_cache.clear()  # type: ignore[attr-defined]
            if warm is not None:
                copyreg._extension_cache[code] = warm  # type: ignore[attr-defined]
            assert type(sp.loads(data, policy=samples.allowing("Thing"))) is samples.Thing
            with pytest.raises(PolicyError) as caught:
                sp.loads(data)
            assert (caught.value.module, caught.value.name) == (samples.HERE, "Thing")
    finally:
        copyreg._extension_cache.clear()  # type: ignore[attr-defined]
        copyreg.remove_extension(samples.HERE, "Thing", code)


@pytest.mark.parametrize("code", [0, -1, -(2**31)])
def test_extension_codes_are_positive(sp: ModuleType, code: int) -> None:
    with pytest.raises(FormatError, match="not positive"):
        sp.loads(op("EXT4", code) + b".")


# -- Python 2 ------------------------------------------------------------------------------------------------


PY2_TEXT = "U\x04caf\xe9."


def test_python_2_text(sp: ModuleType) -> None:
    data = PY2_TEXT.encode("latin-1")
    assert sp.loads(data, encoding="latin1") == "caf\xe9"
    assert sp.loads(data, encoding="bytes") == b"caf\xe9"
    assert sp.loads(data, errors="replace") == "caf\ufffd"
    assert sp.loads(data, encoding="utf-8", errors="ignore") == "caf"
    with pytest.raises(FormatError, match="latin1") as caught:
        sp.loads(data)
    assert isinstance(caught.value.__cause__, UnicodeDecodeError)
    assert sp.loads(b"S'caf\\xe9'\n.", encoding="latin1") == "caf\xe9"
    assert sp.loads(b"(dp1\nS'k'\np2\nI1\ns.", encoding="bytes") == {b"k": 1}


def test_python_2_names(sp: ModuleType) -> None:
    assert sp.loads(b"c__builtin__\nset\n(](K\x01etR.") == {1}
    with pytest.raises(PolicyError) as caught:
        sp.loads(b"c__builtin__\nset\n(](K\x01etR.", fix_imports=False)
    assert caught.value.module == "__builtin__"
    # From protocol 3 on nothing is renamed.
    with pytest.raises(PolicyError):
        sp.loads(b"\x80\x03c__builtin__\nset\n(](K\x01etR.")


@pytest.mark.parametrize("options", [{"encoding": None}, {"errors": None}, {"encoding": b"ascii"}, {"limits": {}}])
def test_options_of_the_wrong_type(sp: ModuleType, options: Any) -> None:
    with pytest.raises(TypeError):
        sp.loads(DATA, **options)


def test_a_codec_that_does_not_exist(sp: ModuleType) -> None:
    with pytest.raises(LookupError):
        sp.loads(b"U\x01a.", encoding="no such codec")


# -- one load at a time --------------------------------------------------------------------------------------


def test_no_second_entry(sp: ModuleType) -> None:
    class Reader(sp.Unpickler):  # type: ignore[misc, name-defined]
        def persistent_load(self, pid: Any) -> Any:
            return self.load()

    with pytest.raises(StateError):
        Reader(io.BytesIO(b"Pid\n." + DATA)).load()


def test_after_a_second_entry_it_still_serves(sp: ModuleType) -> None:
    caught = []

    class Reader(sp.Unpickler):  # type: ignore[misc, name-defined]
        def persistent_load(self, pid: Any) -> Any:
            try:
                self.load()
            except StateError as error:
                caught.append(error)
            return pid

    reader = Reader(io.BytesIO(b"Pid\n." + DATA))
    assert reader.load() == "id"
    assert len(caught) == 1
    assert reader.load() == VALUE


def test_an_unpickler_that_was_not_set_up(sp: ModuleType) -> None:
    class Reader(sp.Unpickler):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            pass

    with pytest.raises(pickle.UnpicklingError, match="__init__"):
        Reader().load()


def test_the_memo_serves_one_pickle(sp: ModuleType) -> None:
    """R67: what the first pickle stored is out of the second one's reach."""
    reader = sp.Unpickler(Slow(pickled(NONE + MEMOIZE) + pickled(op("BINGET", 0))))
    assert reader.load() is None
    with pytest.raises(FormatError, match="memo entry 0 is not set"):
        reader.load()
    assert reader.memo == {}


BAD = b"\x80\x04h\x00."


@pytest.mark.parametrize(
    "kind",
    ["slow", "bare", "BytesIO"],
)
def test_behind_an_error_is_what_was_not_taken(sp: ModuleType, kind: str) -> None:
    """As with pickle, the file stands right behind the opcode that failed, not at the end of the file."""
    theirs, ours = io.BytesIO(BAD + DATA), FILES[kind](BAD + DATA)
    with pytest.raises(pickle.UnpicklingError):
        pickle._load(theirs)  # type: ignore[attr-defined]
    with pytest.raises(FormatError):
        sp.load(ours)
    assert rest_of(ours) == theirs.read()


def test_under_unrestricted_the_memo_stays(sp: ModuleType) -> None:
    two = pickled(text("kept") + MEMOIZE) + pickled(op("BINGET", 0))
    reader = sp.Unpickler(io.BytesIO(two), policy=sp.UNRESTRICTED)
    assert [reader.load(), reader.load()] == ["kept", "kept"]
    assert reader.memo == {0: "kept"}


# -- errors of what is allowed -------------------------------------------------------------------------------


def test_what_fails_is_wrapped(sp: ModuleType) -> None:
    with pytest.raises(ReconstructionError) as caught:
        sp.loads(pickled(instance(cls="Failing")), policy=samples.allowing("Failing"))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value.opcode == "NEWOBJ"
    with pytest.raises(ReconstructionError) as caught:
        sp.loads(pickled(instance(cls="NotThere")), policy=samples.allowing("NotThere"))
    assert isinstance(caught.value.__cause__, AttributeError)


@pytest.mark.parametrize("tail", [b"}(%sN%sNu", b"}%sNs%sNs", b"\x8f(%s%s\x90", b"(%s%s\x91", b"(%sN%sNd"])
def test_a_key_that_cannot_be_compared(sp: ModuleType, tail: bytes) -> None:
    key = op("GLOBAL", samples.HERE, "Sulking") + b")\x81"
    with pytest.raises(ReconstructionError):
        sp.loads(pickled(tail % (key, key)), policy=samples.allowing("Sulking"))


# -- threads and the collector -------------------------------------------------------------------------------


def test_threads_share_policy_limits_and_codec(sp: ModuleType) -> None:
    policy = sp.Policy.packs("stdlib")
    codec = sp.Codec(policy=policy, limits=Limits(max_items=5000))
    good = pickle.dumps([collections.Counter("abc"), VALUE, *range(1000)])
    bad = pickled(call(name("os", "getpid")))
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(30):
                assert codec.loads(good)[0] == {"a": 1, "b": 1, "c": 1}
                with pytest.raises(PolicyError):
                    codec.loads(bad)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert gc.isenabled()


def nested_load(sp: ModuleType, inner: bytes) -> Any:
    class Reader(sp.Unpickler):  # type: ignore[misc, name-defined]
        def persistent_load(self, pid: Any) -> Any:
            assert not gc.isenabled()
            try:
                return sp.loads(inner)
            finally:
                assert not gc.isenabled()

    return Reader(io.BytesIO(b"Pid\n.")).load()


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_it_was(sp: ModuleType, enabled: bool) -> None:
    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        assert sp.loads(DATA) == VALUE
        assert gc.isenabled() is enabled
        for data, error in ((b"", EOFError), (b"(", TruncatedError), (b"cos\nsystem\n.", PolicyError)):
            with pytest.raises(error):
                sp.loads(data)
            assert gc.isenabled() is enabled
        if enabled:
            assert nested_load(sp, DATA) == VALUE
            with pytest.raises(FormatError):
                nested_load(sp, b"(")
        with pytest.raises(KeyboardInterrupt):
            failing(sp, KeyboardInterrupt())  # type: ignore[arg-type]
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()


def test_errors_keep_nothing_alive(sp: ModuleType) -> None:
    """A refused load leaves no pause behind, and a reader that failed can be used on."""
    reader = sp.Unpickler(Bare(b"N0(l\x00" + DATA))
    with pytest.raises(FormatError):
        reader.load()
    assert rest_of(reader._file)
    assert reader._running is None
    assert gc.isenabled()


def test_rules_of_a_policy_bind_an_alias_too(sp: ModuleType) -> None:
    policy = Policy(
        name="moved",
        rules=[Rule(module=samples.HERE, name="Thing", rights=samples.EVERY_RIGHT)],
        aliases={("old.place", "Thing"): (samples.HERE, "Thing")},
    )
    assert type(sp.loads(pickled(instance("old.place")), policy=policy)) is samples.Thing
    with pytest.raises(PolicyError):
        sp.loads(pickled(instance("old.place", "Other")), policy=policy)


def test_a_tuple_that_is_called_is_called_a_tuple(sp: ModuleType) -> None:
    """Also one that is held back because there is a global in it: how is nobody's business."""
    with pytest.raises(PolicyError) as caught:
        sp.loads(b"co\nt\n\x85(tR.")
    assert ("builtins", "tuple", "call") in [(d.module, d.name, d.right) for d in caught.value.denials]
    assert "HeldTuple" not in str(caught.value.denials)
