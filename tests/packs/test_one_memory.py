"""Two arrays in one memory: what was checked of the first could be written by way of the second."""

from __future__ import annotations

import io
import pickle
import pickletools
from types import ModuleType
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from attacks import canary  # noqa: E402
from attacks.app import CANARY, allowing  # noqa: E402
from attacks.asm import REDUCE, call, name, number, op, pickled, text, tuple_of  # noqa: E402
from packs.test_libraries import BUFFERED, Made  # noqa: E402

from safepickle.errors import FormatError, PolicyError  # noqa: E402
from safepickle.policy.rules import Policy  # noqa: E402

NUMPY = Policy.packs("numpy")
RECONSTRUCT = np.zeros(1).__reduce__()[0]
FLOATS, INTS = np.dtype("f8"), np.dtype("i8")


def over(data: Any, dtype: Any = FLOATS) -> Made:
    """Return an array that numpy makes around data."""
    return Made(BUFFERED, (data, dtype, (len(data) // 8,), "C"))


def of(data: bytes, dtype: Any = FLOATS) -> Made:
    """Return an array that is given data."""
    return Made(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (len(data) // 8,), dtype, False, data))


LONG, SHORT = bytes(2000), bytes(1000)
MEMORY, FEW = bytearray(2000), bytearray(8)
SHARED: dict[str, list[Any]] = {
    "a bytearray": [over(MEMORY), over(MEMORY, INTS)],
    "a short bytearray": [over(FEW), over(FEW, INTS)],
    "bytes": [of(LONG), of(LONG, INTS)],
    "bytes that one may not write": [of(LONG), over(LONG, INTS)],
    "bytes that the other may not write": [over(LONG), of(LONG, INTS)],
    "bytes far apart": [of(LONG), *(of(bytes(1001 * 8)) for _ in range(5)), of(LONG)],
    "a matrix": [of(LONG), Made(RECONSTRUCT, (np.matrix, (0,), b"b"), (1, (10, 25), FLOATS, False, LONG))],
}


@pytest.mark.parametrize("kind", SHARED)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_data_are_the_memory_of_one_array(sp: ModuleType, kind: str, protocol: int) -> None:
    """Numpy writes to the very bytes that a large array was given."""
    if protocol < 5 and "bytearray" in kind:
        pytest.skip("written as a call")
    with pytest.raises(PolicyError, match="its data are the memory of another array"):
        sp.loads(pickle.dumps(SHARED[kind], protocol), policy=NUMPY)


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_their_own_load(sp: ModuleType, protocol: int) -> None:
    """Also those whose short data are one object: numpy copies these."""
    arrays = [np.arange(300.0), np.arange(300), np.arange(3.0)]
    found = sp.loads(pickle.dumps([*arrays, arrays[0]], protocol), policy=NUMPY)
    assert all(map(np.array_equal, found, arrays))
    assert found[3] is found[0]
    if protocol > 2:
        one, other = sp.loads(pickle.dumps([of(SHORT), of(SHORT, INTS)], protocol), policy=NUMPY)
        assert not np.shares_memory(one, other)


def test_buffers_that_share_a_memory_are_the_caller_s(sp: ModuleType) -> None:
    """Views go out of band one by one, and come back as what the caller gave."""
    whole = np.arange(10.0)
    buffers: list[Any] = []
    data = pickle.dumps([whole, whole[2:]], 5, buffer_callback=buffers.append)
    found = sp.loads(data, buffers=buffers, policy=NUMPY)
    assert np.shares_memory(*found)
    other = pickle.dumps([whole, whole + 1], 5, buffer_callback=lambda _: None)
    with pytest.raises(PolicyError, match="memory of another array"):
        sp.loads(other, buffers=buffers[:1] * 2, policy=NUMPY)


def test_one_buffer_is_the_memory_of_one_array(sp: ModuleType) -> None:
    put, get, following, readonly = op("BINPUT", 200), op("BINGET", 200), op("NEXT_BUFFER"), op("READONLY_BUFFER")
    shared = pickletools.optimize(pickle.dumps(FLOATS, 2))[2:-1]

    def made(data: bytes) -> bytes:
        function = name(BUFFERED.__module__, "_frombuffer")
        return function + tuple_of(data, shared, tuple_of(number(1)), text("C")) + REDUCE

    one = made(following)
    assert sp.loads(pickled(one), buffers=[bytearray(8)], policy=NUMPY) == [0.0]
    assert sp.loads(pickled(made(following + readonly)), buffers=[bytearray(8)], policy=NUMPY) == [0.0]
    for first, second, error in (
        (following + put, get, PolicyError), (following + put, get + readonly, FormatError),
        (following + put + readonly, get, PolicyError),
    ):  # fmt: skip
        with pytest.raises(error, match="memory"):
            sp.loads(pickled(tuple_of(made(first), made(second))), buffers=[bytearray(8)], policy=NUMPY)


@pytest.mark.parametrize("hidden", [False, True])
def test_no_bytearray_of_the_value_is_the_memory_of_an_array(sp: ModuleType, hidden: bool) -> None:
    """Who writes to it would change what was checked: places of a sparse matrix, offsets of texts."""
    memory = bytearray(np.arange(300).tobytes())
    arguments = (memory, INTS, (300,), "C")
    value = [arguments if hidden else memory, Made(BUFFERED, arguments)]
    first, array = sp.loads(pickle.dumps(value, 5), policy=NUMPY)
    assert (first[0] if hidden else first) == b""
    assert array.tolist() == list(range(300))
    array[0] = 7  # it may be written, as pickle's may
    assert array[0] == 7


def test_a_view_of_a_bytearray_is_of_a_copy(sp: ModuleType) -> None:
    """READONLY_BUFFER is written behind NEXT_BUFFER only: of the pickle's own bytearray it would share the memory."""
    body = op("MARK") + op("BYTEARRAY8", np.arange(3).tobytes()) + op("BINPUT", 0)
    body += name("numpy.core.numeric", "_frombuffer") + op("MARK") + op("BINGET", 0) + op("READONLY_BUFFER")
    body += call(name("numpy", "dtype"), text("<i8"), number(0), number(1)) + tuple_of(number(3)) + text("C")
    memory, array = sp.loads(pickled(body + op("TUPLE") + REDUCE + op("TUPLE")), policy=NUMPY)
    assert memory == np.arange(3).tobytes()
    memory[0] = 77
    assert array.tolist() == [0, 1, 2]
    assert not array.flags.writeable


@pytest.mark.parametrize("road", ["a global", "find_class"])
def test_a_bytearray_of_the_program_is_not_taken(sp: ModuleType, road: str) -> None:
    arguments = text("<i8") + number(0) + number(1)
    dtype = name("numpy", "dtype") + op("MARK") + arguments + op("TUPLE") + REDUCE
    body = name("numpy.core.numeric", "_frombuffer") + op("MARK") + name(CANARY, "MEMORY") + dtype
    data = pickled(body + tuple_of(number(2)) + text("C") + op("TUPLE") + REDUCE)

    class Finding(sp.Unpickler):  # type: ignore[misc, name-defined]
        def find_class(self, module: str, name: str) -> Any:
            return canary.MEMORY if name == "MEMORY" else super().find_class(module, name)

    policy = NUMPY | allowing("MEMORY refer")
    reader = (sp.Unpickler if road == "a global" else Finding)(io.BytesIO(data), policy=policy)
    assert len(reader.load()) == 2
    assert len(canary.MEMORY) == 16


def test_the_memory_of_a_buffer_from_outside_stays_the_caller_s(sp: ModuleType) -> None:
    memory = bytearray(80)
    array = sp.loads(pickle.dumps(np.arange(10), 5, buffer_callback=lambda _: None), buffers=[memory], policy=NUMPY)
    memory[0] = 9
    assert array[0] == 9


def test_a_buffer_that_was_released_is_refused(sp: ModuleType) -> None:
    """By whoever gives the buffers, when the next one is asked for."""
    data = pickle.dumps([np.arange(10)], 5, buffer_callback=lambda _: None)
    view = memoryview(bytearray(80))

    def buffers() -> Any:
        yield view

    class Releasing(sp.Unpickler):  # type: ignore[misc, name-defined]
        def find_class(self, module: str, name: str) -> Any:
            found = super().find_class(module, name)
            if name == "dtype":
                view.release()
            return found

    with pytest.raises(PolicyError, match="wants data that are there"):
        Releasing(io.BytesIO(data), buffers=buffers(), policy=NUMPY).load()
