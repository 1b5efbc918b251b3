"""Generated opcode programs: what pickle makes of plain ones, we make of them; what is wrong is refused
alike.

Only programs of `decoding.programs` reach the standard library's unpickler; they name no global but builtins
that make plain data. Streams that were tampered with never do.
"""

from __future__ import annotations

import io
import pickle
from types import ModuleType
from typing import Any

from decoding.files import FILES, rest_of
from decoding.outcomes import Outcome, agreed, describe, outcome
from decoding.programs import BUFFERS, Model, near_misses, streams
from hypothesis import example, given, settings
from hypothesis import strategies as st

import safepickle

TRAILER = b"\x80\x04N."


def loaded(package: ModuleType, data: bytes) -> Any:
    return package.loads(data, buffers=list(BUFFERS))


def load_ours(data: bytes) -> Outcome:
    return agreed(lambda package: loaded(package, data))


@settings(max_examples=200)
@given(streams())
def test_plain_programs_give_what_pickle_gives(stream: tuple[bytes, Model]) -> None:
    data, model = stream
    ours = load_ours(data)
    assert ours.error == "", ours
    assert ours.value == describe(model.value)
    assert ours.value == describe(pickle.loads(data, buffers=list(BUFFERS)))
    assert ours.value == describe(pickle._loads(data, buffers=list(BUFFERS)))  # type: ignore[attr-defined]


@settings(max_examples=60)
@given(streams())
def test_unrestricted_gives_the_same(stream: tuple[bytes, Model]) -> None:
    data, model = stream
    ours = agreed(
        lambda package: package.loads(data, buffers=list(BUFFERS), policy=package.UNRESTRICTED, limits=package.Limits())
    )
    assert ours == Outcome(value=describe(model.value))


@settings(max_examples=250)
@given(near_misses())
@example(b"(")
@example(b"\x80\x04\x95\x01\0\0\0\0\0\0\0\x8c\x01a.")
@example(b"I-----------------------\n.")
def test_near_misses_are_values_or_our_errors(data: bytes) -> None:
    ours = load_ours(data)
    if ours.error:
        assert ours.error not in ("InternalError", "SafePickleError", "StateError")
        assert ours.position is not None
        assert 0 <= ours.position <= len(data)
        assert ours.opcode is not None


@settings(max_examples=300)
@given(st.binary(max_size=40))
@example(b"\x95" + bytes(7) + b"\x80")  # lengths that no C integer holds
@example(b"\x8e" + b"\xff" * 8)
@example(b"\x8b" + b"\xff" * 4)
@example(b"Np99999999999999999999\n.")
@example(b"g-99999999999999999\n.")
def test_noise_is_a_value_or_our_error(data: bytes) -> None:
    assert load_ours(data).error != "InternalError"


def from_file(package: ModuleType, file: Any) -> Any:
    return package.load(file, buffers=list(BUFFERS))


@settings(max_examples=40)
@given(stream=streams(most=25))
def test_every_file_gives_what_the_bytes_give(sp: ModuleType, stream: tuple[bytes, Model]) -> None:
    data, _ = stream
    whole = outcome(lambda: loaded(sp, data))
    for make in FILES.values():
        file = make(data + TRAILER)
        assert outcome(lambda file=file: from_file(sp, file)) == whole
        if not whole.error:
            assert rest_of(file) == TRAILER


@settings(max_examples=80)
@given(data=near_misses())
def test_every_file_fails_as_the_bytes_do(sp: ModuleType, data: bytes) -> None:
    whole = outcome(lambda: loaded(sp, data))
    for make in FILES.values():
        file = make(data)
        found = outcome(lambda file=file: from_file(sp, file))
        if whole.error == "TrailingDataError":
            assert found.error == ""
            assert rest_of(file) == data[whole.position :]
        elif whole.error == "TruncatedError":
            # How many bytes are wanted and there depends on how many are asked for at once.
            assert found[:4] == whole[:4]
        elif whole.error == "PolicyError":
            # The path of a denial is found only where the file can be read once more.
            assert found[:4] == whole[:4]
        else:
            assert found == whole


@settings(max_examples=100)
@given(st.lists(streams(most=8), min_size=1, max_size=4), st.sampled_from(sorted(FILES)))
def test_pickles_one_after_another(many: list[tuple[bytes, Model]], kind: str) -> None:
    """The file is left where pickle leaves it, so that the next pickle begins there."""
    file = FILES[kind](b"".join(data for data, _ in many))
    theirs = io.BytesIO(b"".join(data for data, _ in many))
    for _ in many:
        expected = pickle.load(theirs, buffers=list(BUFFERS))
        found = outcome(lambda: from_file(safepickle, file))
        assert found == Outcome(value=describe(expected))
    assert rest_of(file) == theirs.read() == b""
