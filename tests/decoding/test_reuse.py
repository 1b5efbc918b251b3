"""One load after another, and within another: nothing of a load is left for the next one, nor kept by the package."""

from __future__ import annotations

import gc
import mmap
import pickle
import signal
import sys
import threading
import tracemalloc
import weakref
from types import ModuleType
from typing import Any

import pytest
from attacks.asm import DICT, NONE, SETITEM, call, name, number, op, pickled, text
from decoding import samples

from safepickle._forms import python_form
from safepickle.errors import SafePickleError
from safepickle.policy.rules import Policy

#: So long that the garbage collector is paused.
LONG = pickle.dumps(list(range(3000)))
TAKEN_OUT = pickle.dumps(pickle.PickleBuffer(bytearray()), 5, buffer_callback=lambda _: None)


class Piece(bytearray):
    """Can be referred to weakly."""


class Gone:
    """Loads when it goes."""

    def __init__(self, load: Any) -> None:
        self.load = load

    def __del__(self) -> None:
        self.load()


@pytest.mark.parametrize(
    "value",
    [{(1, 2): 3}, {(1, (2, 3)): 4}, {2**70: 5}, {frozenset((6,)): 7}, {1j: 8}, {(2**70,), ((9,),)}],
    ids=repr,
)
def test_no_value_is_kept(sp: ModuleType, value: Any) -> None:
    loaded = sp.loads(pickle.dumps(value))
    assert loaded == value
    assert sys.getrefcount(loaded) == 2
    if isinstance(loaded, dict):
        assert sys.getrefcount(next(iter(loaded))) == 3 - (type(value) is int)


def test_no_room_is_kept_that_a_long_pickle_took(sp: ModuleType) -> None:
    """A stack, a memo or numbers of nesting would stay as long as they have ever been."""
    wide = pickle.dumps([[number] for number in range(20_000)])
    deep = b"\x80\4" + b"]" * 400 + b"(" * 300 + b"t" * 300 + b"a" * 400 + b"."
    long = pickle.dumps(tuple(range(20_000)), 4)
    sp.loads(pickle.dumps(1))
    for data in (wide, deep, long):
        sp.loads(data)
        gc.collect()
        tracemalloc.start()
        try:
            sp.loads(data)
            gc.collect()
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert kept < 30_000


def test_rings_that_were_loaded_are_collected(sp: ModuleType) -> None:
    """Also where a program does nothing but load."""
    ring: list[Any] = [b"x" * 5000]
    ring.append(ring)
    data = pickle.dumps(ring)
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(3000):
            sp.loads(data)
        kept, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 3000 * 5000 // 2


def test_no_buffer_is_kept(sp: ModuleType) -> None:
    piece = Piece(b"abc")
    there = weakref.ref(piece)
    assert sp.loads(TAKEN_OUT, buffers=[piece]) is piece
    del piece
    assert there() is None
    # A view that is kept would keep the map open.
    with mmap.mmap(-1, 100) as room:
        assert type(sp.loads(TAKEN_OUT, buffers=[memoryview(room)])) is memoryview


@pytest.mark.parametrize("stream", [b"", b"(", b"]]]a", b"K\x01r\xff\0\0\0h\x07.", b"cos\nsystem\n.", LONG[:-1]])
def test_what_goes_wrong_leaves_nothing(sp: ModuleType, stream: bytes) -> None:
    for _ in range(3):
        with pytest.raises(SafePickleError):
            sp.loads(stream)
        with pytest.raises(sp.FormatError, match="memo entry 0 is not set"):
            sp.loads(pickled(op("BINGET", 0)))
        with pytest.raises(sp.FormatError, match="more is taken from the stack"):
            sp.loads(pickled(number(1), SETITEM))
        assert sp.loads(pickle.dumps([{"a": (1, 2)}] * 2)) == [{"a": (1, 2)}] * 2


def test_loads_within_loads(sp: ModuleType) -> None:
    """Whatever the caller has a part in: files, resolvers, persistent ids, buffers, finalizers."""
    short = pickle.dumps([[[1], {"a": (2, [3])}], "x"])
    seen = []

    def load(*_: Any) -> Any:
        for data in (short, LONG):
            value = sp.loads(data)
            assert value == pickle.loads(data)
        with pytest.raises(sp.FormatError):
            sp.loads(b"((]]")
        seen.append(value)
        return samples.Thing

    class Unpickler(sp.Unpickler):  # type: ignore[name-defined,misc]
        def find_class(self, module: str, qualname: str) -> Any:
            return load()

        def persistent_load(self, pid: Any) -> Any:
            load()
            return Gone(load)

    class File:
        def __init__(self, data: bytes) -> None:
            self.data = data

        def read(self, size: int) -> bytes:
            load()
            piece, self.data = self.data[:size], self.data[size:]
            return piece

        def readline(self) -> bytes:
            return self.read(self.data.index(b"\n") + 1)

    def buffers() -> Any:
        load()
        yield b"abc"

    body = b"(" + number(1) + op("GLOBAL", samples.HERE, "Thing") + b")\x81" + op("PERSID", "7") + b"0" + b"t"
    value = Unpickler(File(pickled(body))).load()
    assert value[0] == 1
    assert type(value[1]) is samples.Thing
    assert sp.loads(TAKEN_OUT, buffers=buffers()) == b"abc"
    assert len(seen) > 4


def test_a_signal_may_load_at_any_time() -> None:
    """The collector's pause is counted under a lock, which a handler may meet in the hands of its own thread.

    In the Python form; compiled, nobody comes between.
    """
    sp = python_form()
    pause = sys.modules[f"{sp.__name__}._gc_pause"]
    calls: list[int] = []

    def meet() -> bool:
        """Stands where the lock is held: at the question whether the collector runs."""
        if not calls:
            calls.append(1)
            assert len(sp.loads(LONG)) == 3000
        return gc.isenabled()

    thread = threading.Thread(target=lambda: sp.loads(LONG), daemon=True)
    pause.isenabled = meet  # type: ignore[attr-defined]
    try:
        thread.start()
        thread.join(20)
        assert not thread.is_alive(), "a load waits for itself"
    finally:
        pause.isenabled = gc.isenabled  # type: ignore[attr-defined]
    assert len(calls) == 1
    assert gc.isenabled()


class Interrupt(BaseException):
    """As Ctrl-C raises it, at any line."""


@pytest.mark.parametrize("write", [False, True], ids=["loads", "dumps"])
def test_an_interrupt_at_any_line(write: bool) -> None:
    """In the Python form, and where the compiled form calls Python: it goes out as it is, and all goes on."""
    sp = python_form()
    value: Any = [[{"a": (1, [2])}], samples.Thing(), *range(3000)]
    policy = Policy.from_text(f'schema = 1\n[globals]\n"{samples.HERE}:Thing" = ["new", "build", "refer"]')
    data = pickle.dumps(value, 4)
    left = 0

    def line(frame: Any, event: str, _: Any) -> Any:
        nonlocal left
        if "safepickle" not in frame.f_code.co_filename:
            return None
        left -= 1
        if left == 0:
            raise Interrupt
        return line

    def run() -> Any:
        return sp.dumps(value, policy=policy) if write else len(sp.loads(data, policy=policy))

    expected = run()
    before = sys.gettrace()
    for first in [*range(1, 400), *range(400, 3000, 61)]:
        left = first
        sys.settrace(line)
        try:
            run()
        except Interrupt:
            pass
        finally:
            sys.settrace(before)
        assert gc.isenabled()
        assert run() == expected


@pytest.mark.parametrize("first", range(1, 7))
def test_an_interrupt_where_a_pause_ends(first: int) -> None:
    """In the Python form. While compiled code runs nobody looks for Ctrl-C, and there is nothing of Python in there."""
    sp = python_form()
    pause = sys.modules[f"{sp.__name__}._gc_pause"]
    left = first

    def event(frame: Any, _event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code is not pause.leave.__code__:
            return None
        left -= 1
        if left == 0:
            raise Interrupt
        return event

    before = sys.gettrace()
    for data in (LONG, LONG[:-1]):
        left = first
        sys.settrace(event)
        try:
            with pytest.raises(Interrupt):
                sp.loads(data)
        finally:
            sys.settrace(before)
        assert left <= 0
        assert gc.isenabled()
        assert len(sp.loads(LONG)) == 3000
        assert gc.isenabled()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that send signals")
def test_signals_while_loading(sp: ModuleType) -> None:
    short = pickle.dumps([{"a": (1, [2])}, (3,)])
    done = []
    ended = False

    def handler(*_: Any) -> None:
        done.append((sp.loads(short), len(sp.loads(LONG))))
        # A signal that comes with the end is handled behind it: a timer set then would find the default handler.
        if not ended:
            signal.setitimer(signal.ITIMER_REAL, 0.001)

    sp.loads(short)
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        for _ in range(300):
            assert len(sp.loads(LONG)) == 3000
            assert sp.loads(short) == [{"a": (1, [2])}, (3,)]
    finally:
        ended = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert all(found == ([{"a": (1, [2])}, (3,)], 3000) for found in done)
    assert gc.isenabled()


def test_a_finalizer_that_a_dict_runs_may_load(sp: ModuleType) -> None:
    """A key that is set again lets the value go that it had, in the middle of SETITEMS."""
    gone = []
    policy = Policy.from_text('schema = 1\n[globals]\n"policy.world:Finalized" = ["call"]')
    from policy import world

    class Calls(list[Any]):
        def append(self, item: Any) -> None:
            gone.append(sp.loads(pickle.dumps([{"a": [item]}] * 3)))

    before, world.CALLS = world.CALLS, Calls()
    try:
        made = call(name("policy.world", "Finalized"))
        body = DICT + b"(" + text("a") + made + text("a") + NONE + text("b") + number(1) + b"u"
        assert sp.loads(pickled(body), policy=policy) == {"a": None, "b": 1}
    finally:
        world.CALLS = before
    assert gone == [[{"a": [("gone",)]}] * 3]


def test_threads_share_no_machine(sp: ModuleType) -> None:
    values = [[{f"k{number}": [number, (number, str(number))]} for number in range(size)] for size in range(40)]
    streams = [(pickle.dumps(value), value) for value in values]
    wrong = []

    def work(first: int) -> None:
        for turn in range(300):
            data, value = streams[(first + turn) % len(streams)]
            if sp.loads(data) != value:
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(6)]
    pause = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(pause)
    assert not wrong
