"""The Pickler class: hooks, memo, files, buffers, and use of one for several dumps."""

from __future__ import annotations

import contextlib
import copyreg
import gc
import io
import pickle
import weakref
from collections import OrderedDict
from datetime import date, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from encoding.values import Listed, Mapped, Point, Reduces, make


class NotContiguous:
    """Holds a buffer that is no one piece of memory."""

    def __init__(self) -> None:
        self.buffer = pickle.PickleBuffer(memoryview(b"abcd")[::2])

    def close(self) -> None:
        self.buffer.release()


class Chunks:
    """A file that keeps what it is given."""

    def __init__(self) -> None:
        self.chunks: list[Any] = []

    def write(self, data: Any) -> None:
        self.chunks.append(data)

    def value(self) -> bytes:
        return b"".join(self.chunks)


def test_one_pickler_several_dumps(sp: ModuleType) -> None:
    shared = ["a"]
    file = io.BytesIO()
    pickler = sp.Pickler(file, policy=sp.UNRESTRICTED)
    pickler.dump(shared)
    pickler.dump([shared])
    file.seek(0)
    unpickler = pickle.Unpickler(file)
    first, second = unpickler.load(), unpickler.load()
    assert second[0] is first


def test_under_a_policy_each_dump_stands_alone(sp: ModuleType) -> None:
    shared = ["a"]
    file = io.BytesIO()
    pickler = sp.Pickler(file)
    pickler.dump(shared)
    pickler.dump([shared])
    file.seek(0)
    assert [sp.load(file), sp.load(file)] == [["a"], [["a"]]]


def test_memo_of_another_pickler(sp: ModuleType) -> None:
    shared = ["a"]
    first = sp.Pickler(io.BytesIO())
    first.dump(shared)
    assert len(first.memo.copy()) == 2
    assert first.memo.copy()[id(shared)] == (0, shared)
    for memo in (first.memo, first.memo.copy()):
        file = io.BytesIO()
        second = sp.Pickler(file)
        second.memo = memo
        second.dump([shared])
        assert b"a\x94" not in file.getvalue()
    first.clear_memo()
    assert first.memo.copy() == {}
    first.memo.clear()
    for bad in (None, 5, {1: 2}, {1: (1,)}, {1: ("x", 1)}):
        with pytest.raises(TypeError):
            first.memo = bad


def test_reentry(sp: ModuleType) -> None:
    class Reentrant(sp.Pickler):  # type: ignore[misc,name-defined]
        def persistent_id(self, obj: Any) -> Any:
            if obj == "again":
                self.dump(1)

    with pytest.raises(sp.errors.StateError):
        Reentrant(io.BytesIO()).dump(["again"])
    file = io.BytesIO()
    Reentrant(file, policy=sp.UNRESTRICTED).dump(["again"])
    pickler = Reentrant(io.BytesIO())
    with pytest.raises(sp.errors.StateError):
        pickler.dump(["again"])
    pickler.dump(["fine"])


def test_persistent_ids(sp: ModuleType) -> None:
    class Persistent(sp.Pickler):  # type: ignore[misc,name-defined]
        def persistent_id(self, obj: Any) -> Any:
            asked.append(type(obj))
            return (("point", [obj.x]) if self.deep else f"p{obj.x}") if isinstance(obj, Point) else None

    class Reader(pickle.Unpickler):
        def persistent_load(self, pid: Any) -> Any:
            return ("loaded", pid)

    for protocol in range(6):
        for deep in (False, True) if protocol else (False,):
            asked: list[type] = []
            file = io.BytesIO()
            pickler = Persistent(file, protocol, policy=sp.UNRESTRICTED if deep else sp.PLAIN)
            pickler.deep = deep
            pickler.dump({"k": [Point(x=1), (Point(x=2),)]})
            pids = [("point", [1]), ("point", [2])] if deep else ["p1", "p2"]
            expected = {"k": [("loaded", pids[0]), (("loaded", pids[1]),)]}
            assert Reader(io.BytesIO(file.getvalue())).load() == expected
            assert asked.count(Point) == 2


def test_persistent_ids_are_plain(sp: ModuleType) -> None:
    class Persistent(sp.Pickler):  # type: ignore[misc,name-defined]
        def persistent_id(self, obj: Any) -> Any:
            return obj["pid"] if type(obj) is dict else None

    for pid in ("x", 1, (1, "x", b"x", 2.5)):
        Persistent(io.BytesIO()).dump([{"pid": pid}])
    for pid in ([1], (1, [2]), (1, (2,)), 1j):
        with pytest.raises(sp.EncodingError, match="persistent id"):
            Persistent(io.BytesIO()).dump([{"pid": pid}])
        Persistent(io.BytesIO(), policy=sp.UNRESTRICTED).dump([{"pid": pid}])


def test_persistent_id_set_on_the_object(sp: ModuleType) -> None:
    file = io.BytesIO()
    pickler = sp.Pickler(file)
    pickler.persistent_id = lambda obj: "pid" if obj == 5 else None
    pickler.dump([5])
    assert b"pid" in file.getvalue()
    assert sp.Pickler(file).persistent_id(5) is None


def test_persistent_ids_count_as_calls(sp: ModuleType) -> None:
    class Persistent(sp.Pickler):  # type: ignore[misc,name-defined]
        def persistent_id(self, obj: Any) -> Any:
            return "x" if type(obj) is int else None

    with pytest.raises(sp.LimitError):
        Persistent(io.BytesIO(), limits=sp.Limits(max_calls=3)).dump([1, 2, 3, 4])


def test_reducer_override(sp: ModuleType) -> None:
    class Override(sp.Pickler):  # type: ignore[misc,name-defined]
        def reducer_override(self, obj: Any) -> Any:
            seen.append(obj)
            return (make, (obj.x,)) if isinstance(obj, Point) else NotImplemented

    for protocol in range(6):
        seen: list[Any] = []
        file = io.BytesIO()
        Override(file, protocol, policy=sp.UNRESTRICTED).dump([1, "a", Point(x=2), len])
        assert pickle.loads(file.getvalue()) == [1, "a", [2], len]
        assert 1 not in seen


@pytest.mark.parametrize("protocol", range(6))
def test_a_reducer_override_is_asked_of_what_pickle_asks_it_of(sp: ModuleType, protocol: int) -> None:
    """Of classes, too, also of those that are written to be called, for which nothing else is to be asked."""

    def asked(pickler: Any, **terms: Any) -> list[Any]:
        def note(self: Any, obj: Any) -> Any:
            seen.append(obj)
            return NotImplemented

        seen: list[Any] = []
        noting = type("Noting", (pickler,), {"reducer_override": note})(io.BytesIO(), protocol, **terms)
        noting.dump(data)
        noting.clear_memo()
        noting.dump(data)
        return seen

    data = [date(2020, 1, 2), date(2020, 1, 3), Decimal("1.5"), timedelta(1), UUID(int=1), OrderedDict(a=1), Point(x=1)]
    names = f'schema = 1\n[globals]\n"{Point.__module__}:Point" = ["refer", "call", "new", "build"]\n'
    expected = asked(pickle.Pickler)
    for policy in (sp.UNRESTRICTED, sp.Policy.packs("stdlib") | sp.Policy.from_text(names)):
        found = asked(sp.Pickler, policy=policy)
        assert [id(obj) for obj in found] == [id(obj) for obj in expected]


def test_dispatch_tables(sp: ModuleType) -> None:
    def reduce_point(obj: Any) -> Any:
        return make, (obj.x, "table")

    class Tabled(sp.Pickler):  # type: ignore[misc,name-defined]
        dispatch_table = {Point: reduce_point}

    file = io.BytesIO()
    Tabled(file, policy=sp.UNRESTRICTED).dump(Point(x=1))
    assert pickle.loads(file.getvalue()) == [1, "table"]
    file = io.BytesIO()
    pickler = sp.Pickler(file, policy=sp.UNRESTRICTED)
    pickler.dispatch_table = {Point: reduce_point}
    pickler.dump([Point(x=1), Point(x=2)])
    assert pickle.loads(file.getvalue()) == [[1, "table"], [2, "table"]]
    copyreg.pickle(Point, reduce_point)
    try:
        assert pickle.loads(sp.dumps(Point(x=3), policy=sp.UNRESTRICTED)) == [3, "table"]
    finally:
        del copyreg.dispatch_table[Point]


def test_fast(sp: ModuleType) -> None:
    shared = ["a"]
    file = io.BytesIO()
    pickler = sp.Pickler(file)
    pickler.fast = True
    pickler.dump([shared, shared, Ellipsis])
    assert b"\x94" not in file.getvalue()
    assert pickle.loads(file.getvalue()) == [["a"], ["a"], Ellipsis]


def test_bin(sp: ModuleType) -> None:
    assert sp.Pickler(io.BytesIO(), 0).bin is False
    assert sp.Pickler(io.BytesIO(), 1).bin is True


def test_buffers(sp: ModuleType) -> None:
    data = bytearray(b"writable")
    taken: list[Any] = []
    value = [pickle.PickleBuffer(b"read only"), pickle.PickleBuffer(data)]
    out_of_band = sp.dumps(value, 5, buffer_callback=taken.append)
    assert [bytes(buffer) for buffer in taken] == [b"read only", data]
    buffers = [b"read only", data]
    assert pickle.loads(out_of_band, buffers=buffers) == [b"read only", data]
    assert pickle.loads(out_of_band, buffers=buffers)[1] is data
    assert sp.loads(out_of_band, buffers=buffers) == [b"read only", data]
    for in_band in (sp.dumps(value, 5), sp.dumps(value, 5, buffer_callback=lambda buffer: True)):
        result = pickle.loads(in_band)
        assert result == [b"read only", data]
        assert [type(item) for item in result] == [bytes, bytearray]
    twice = pickle.loads(sp.dumps([value[1], value[1]], 5))
    assert twice[0] is twice[1]
    for protocol in range(5):
        with pytest.raises(ValueError, match="protocol >= 5"):
            sp.dumps(value, protocol, buffer_callback=buffers.append)
        with pytest.raises(pickle.PicklingError, match="protocol >= 5"):
            sp.dumps(value, protocol)
    # Released, because CPython 3.11 crashes when its collector finds a buffer of a slice of memory in a cycle.
    with contextlib.closing(NotContiguous()) as holder, pytest.raises(pickle.PicklingError, match="non-contiguous"):
        sp.dumps(holder.buffer, 5)


def test_large_bytes_reach_the_file_uncopied(sp: ModuleType) -> None:
    large = b"x" * 100_000
    for protocol in (3, 4, 5):
        file = Chunks()
        sp.dump([1, large, 2], file, protocol)
        assert any(chunk is large for chunk in file.chunks)
        assert pickle.loads(file.value()) == [1, large, 2]


@pytest.mark.parametrize("protocol", range(6))
def test_a_file_gets_frames_as_they_fill(sp: ModuleType, protocol: int) -> None:
    file = Chunks()
    value = [[f"item {n}", n] for n in range(50_000)]
    sp.dump(value, file, protocol)
    assert len(file.chunks) > 5
    assert max(map(len, file.chunks)) < 2 * 65536
    assert pickle.loads(file.value()) == value


def test_file_arguments(sp: ModuleType) -> None:
    with pytest.raises(TypeError, match="write"):
        sp.dump(1, object())
    with pytest.raises(TypeError, match="write"):
        sp.Pickler(object())

    class NotInitialized(sp.Pickler):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            pass

    with pytest.raises(pickle.PicklingError, match="not called"):
        NotInitialized().dump(1)


def test_protocol_arguments(sp: ModuleType) -> None:
    assert sp.dumps(1) == pickle.dumps(1)
    assert sp.dumps(1, -1) == pickle.dumps(1, -1)
    for call in (lambda: sp.dumps(1, 6), lambda: sp.dump(1, io.BytesIO(), 6), lambda: sp.Pickler(io.BytesIO(), 6)):
        with pytest.raises(ValueError, match="protocol must be <= 5"):
            call()
    with pytest.raises(TypeError):
        sp.dumps(1, limits=5)


def test_fix_imports(sp: ModuleType) -> None:
    for protocol in range(3):
        assert b"__builtin__" in sp.dumps(range(3), protocol)
        assert b"builtins" in sp.dumps(range(3), protocol, fix_imports=False)


def test_nothing_is_kept_alive(sp: ModuleType) -> None:
    class Held(list):  # type: ignore[type-arg]
        __module__ = Listed.__module__
        __qualname__ = "Listed"

        def __reduce__(self) -> Any:
            return make, tuple(self)

    held = Held([Held()])
    references = [weakref.ref(held), weakref.ref(held[0])]
    sp.dumps([held], policy=sp.UNRESTRICTED)
    sp.dump([held], io.BytesIO(), policy=sp.UNRESTRICTED)
    with pytest.raises(sp.LimitError):
        sp.dumps([held, [[[held]]]], policy=sp.UNRESTRICTED, limits=sp.Limits(max_depth=3))
    del held
    gc.collect()
    assert [reference() for reference in references] == [None, None]


# -- data that changes while it is written -----------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("size", [1, 2, 3, 1001, 2500])
def test_containers_that_change_meanwhile(sp: ModuleType, protocol: int, size: int) -> None:
    def collection(kind: str) -> Any:
        items = [Point(n=n) for n in range(size)]
        return items if kind == "list" else dict(enumerate(items)) if kind == "dict" else dict(zip(range(size), items))

    for kind in ("list", "dict"):
        for change in ("clear", "grow", "pop", "swap"):
            value = collection(kind)

            class Changing(sp.Pickler):  # type: ignore[misc,name-defined]
                def persistent_id(self, obj: Any) -> Any:
                    if isinstance(obj, Point) and obj.n == size // 2:
                        if change == "clear":
                            value.clear()
                        elif change == "pop" and value:
                            value.pop(size - 1, None) if kind == "dict" else value.pop()
                        elif change == "grow":
                            value.update({"more": 1}) if kind == "dict" else value.append(1)
                        elif kind == "dict" and value:
                            first = next(iter(value))
                            value[("moved", first)] = value.pop(first)

            file = io.BytesIO()
            try:
                Changing(file, protocol, policy=sp.UNRESTRICTED).dump(value)
            except RuntimeError as error:
                assert "changed" in str(error)
                continue
            pickle.loads(file.getvalue())


def test_a_change_is_an_encoding_error_under_a_policy(sp: ModuleType) -> None:
    value: dict[Any, Any] = {1: Point(), 2: 2}

    class Changing(sp.Pickler):  # type: ignore[misc,name-defined]
        def reducer_override(self, obj: Any) -> Any:
            value.clear()
            return "make"

    Point.n = 1
    with pytest.raises((sp.EncodingError, sp.PolicyError)):
        Changing(io.BytesIO()).dump(value)


@pytest.mark.parametrize(
    "reduced",
    [
        [print, ()], (print,), (print, (), 1, 2, 3, 4, 5), 5, None, (42, ()), (print, []), (list, (), None, 42),
        (list, (), None, []), (dict, (), None, None, {}), (dict, (), None, None, 7), (print, (), 1, None, None, 42),
        (copyreg.__newobj__, ()), (copyreg.__newobj__, (5,)), (copyreg.__newobj__, (str,)),  # type: ignore[attr-defined]
        (copyreg.__newobj_ex__, ()), (copyreg.__newobj_ex__, (Reduces, 42, {})),  # type: ignore[attr-defined]
        (copyreg.__newobj_ex__, (Reduces, (), [])), (copyreg.__newobj_ex__, (Mapped, (), {})),  # type: ignore[attr-defined]
        "no_such_global", "Point.no.such",
    ],
)  # fmt: skip
def test_bad_reduce_results(sp: ModuleType, reduced: Any) -> None:
    for protocol in range(2, 6):
        with pytest.raises(pickle.PicklingError):
            sp.dumps(Reduces(reduced), protocol, policy=sp.UNRESTRICTED)


@pytest.mark.parametrize("entry", [5, (1,), (1, 2, 3), [1, 2], None])
def test_bad_entries(sp: ModuleType, entry: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        sp.dumps(Reduces((dict, (), None, None, iter([entry]))), policy=sp.UNRESTRICTED)
