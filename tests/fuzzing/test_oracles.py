"""Each oracle notices what it is there for, and nothing where there is nothing."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import json
import os
import sys
import time
import tracemalloc
from typing import Any

import pytest

pytest.importorskip("resource", reason="the harness bounds memory as POSIX systems do")

from fuzz import findings, oracles, samples, terms
from fuzz.findings import Found, attempt, minimise, write
from fuzz.outcomes import Finding, describe, feature, outcome
from fuzz.targets import Target
from safepickle.errors import FormatError, LimitError
from safepickle.policy.rules import PLAIN


class Unlisted:
    def __init__(self) -> None:
        self.__dict__["__setstate__"] = 1


def _wrapping() -> Any:
    return lambda: None


_wrapped = _wrapping()


def finds(cause: str) -> Any:
    return pytest.raises(Finding, match=cause)


def test_the_tripwire_is_silent_where_nothing_acts() -> None:
    with oracles.watched("nothing"):
        [1, 2].sort()


def test_the_tripwire_sees_a_file_opened(tmp_path: Any) -> None:
    with finds("acted: open"), oracles.watched("this"):
        (tmp_path / "x").write_text("")


def test_the_tripwire_sees_a_process() -> None:
    with finds("acted: os.system"), oracles.watched("this"):
        os.system("true")


def test_the_tripwire_sees_an_import() -> None:
    sys.modules.pop("this_is_no_module", None)
    with finds("acted: import"), oracles.watched("this"), contextlib.suppress(ImportError):
        __import__("this_is_no_module")


def test_the_tripwire_sees_a_canary_called() -> None:
    with finds("reached a canary: act"), oracles.watched("this"):
        samples.act()
    assert samples.disturbed() is None


@pytest.mark.parametrize(
    "change",
    [
        lambda: samples.QUEUE.append(1),
        lambda: samples.REGISTRY.update(a=1),
        lambda: samples.MEMBERS.add(1),
        lambda: setattr(samples.SHARED, "a", 1),
    ],
)
def test_the_tripwire_sees_a_live_object_changed(change: Any) -> None:
    with finds("was changed"), oracles.watched("this"):
        change()
    assert samples.disturbed() is None


def test_the_tripwire_sees_a_class_changed() -> None:
    try:
        with finds("a class was changed"), oracles.watched("this"):
            samples.Node.limit = 1  # type: ignore[attr-defined]
    finally:
        del samples.Node.limit  # type: ignore[attr-defined]
    assert samples.disturbed() is None


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ([os], "a module as a value"),
        ({"a": (samples.lend,)}, "without the right to appear"),
        ([samples.act], "a known gadget as a value"),
        ([samples.OnlyCall], "without the right to appear"),
        (Unlisted(), "an attribute that is a hook"),
    ],
)
def test_contents(value: Any, cause: str) -> None:
    with finds(cause):
        oracles.check_contents(value, terms.BOTH)


def test_functions_made_for_an_instance_are_no_globals() -> None:
    made = ipaddress.IPv4Network("192.0.2.124")
    assert "<locals>" in made.hosts.__qualname__
    oracles.check_contents(made, terms.BOTH)
    with finds("without the right to appear"):
        oracles.check_contents(functools.singledispatch, terms.BOTH)
    with finds("without the right to appear"):
        # Made inside a function too, and a global all the same.
        oracles.check_contents(_wrapped, terms.BOTH)


def test_contents_that_are_granted() -> None:
    oracles.check_contents([samples.Node(), samples.OnlyRefer, {1: (2, {3})}, type(None)], terms.BOTH)
    with finds("that no rule lets be made"):
        oracles.check_contents([samples.Node()], PLAIN)


@pytest.mark.parametrize(
    ("data", "value", "limit"),
    [
        (b"N" * 80 + b".", None, "max_opcodes"),
        (b"N\x94" * 20 + b".", None, "max_memo"),
        (b"R" * 9 + b".", None, "max_calls"),
        (b".", [[[[[[[]]]]]]], "max_depth"),
        (b".", [[]] * 2 + [[] for _ in range(3)] + [1], "max_items"),
        (b".", "x" * 41, "max_string"),
        (b".", 2**41, "max_int_bits"),
        (b"x" * 401, None, "max_bytes"),
    ],
)
def test_limits_measured_anew(data: bytes, value: Any, limit: str) -> None:
    with finds(f"{limit} was exceeded"):
        oracles.check_within(data, value, terms.TIGHT)


def test_what_is_within_the_limits() -> None:
    oracles.check_within(b"\x80\x04](K\x01e.", [1, ("a", {2: b"b"})], terms.TIGHT)
    # The empty tuple is no level; a line of 14 bytes of Latin-1 is 21 in UTF-8.
    oracles.check_within(b")\x85\x85\x85\x85\x85\x85.", ((((((((),),),),),),)), terms.TIGHT)
    oracles.check_within(b"", "\xb7\xcd\xf5\x9e\xb3\xce\xb3\xf4aF1.5\xb7\xcd\xf5", terms.TIGHT)


def test_kept_references_are_found() -> None:
    kept: list[Any] = []
    shared = object()
    with finds("references to a object are kept"):
        oracles.check_references(lambda: kept.append(shared), (shared,))
    with finds("memory is kept"):
        oracles.check_references(lambda: kept.append(bytearray(100)), ())
    oracles.check_references(lambda: [object() for _ in range(10)], ())


def test_memory_is_measured() -> None:
    peak, _ = oracles.measured(lambda: bytes(5_000_000))
    assert peak >= 5_000_000
    assert not tracemalloc.is_tracing()


def test_outcomes_tell_apart_what_equality_does_not() -> None:
    shared: list[Any] = []
    values = [1, True, 1.0, 0.0, -0.0, [shared, shared], [[], []], {1: 2, 3: 4}, {3: 4, 1: 2}, (), [], b"", bytearray()]
    assert len({describe(value) for value in values}) == len(values)
    first, second = float("nan"), float("nan")
    assert describe({first, (1, first), 2.0}) == describe({second, (1, second), 2.0}) != describe({second, 2.0})
    doubled: Any = ()
    for _ in range(22):
        doubled = (doubled, doubled)
    assert len(describe({doubled})) == 1
    recursive: list[Any] = []
    recursive.append(recursive)
    assert describe(recursive) == describe([recursive][0])


def test_features_have_no_numbers_in_them() -> None:
    def fail(number: int) -> Any:
        return outcome(lambda: _raise(FormatError(f"memo entry {number} is not set", position=number, opcode="GET")))

    assert feature(fail(1)) == feature(fail(2))
    assert feature(fail(1)) != feature(outcome(lambda: _raise(LimitError("max_depth", 1, 2))))


def _raise(error: Exception) -> Any:
    raise error


# -- findings ------------------------------------------------------------------------------------------------------


def _check(data: bytes) -> Any:
    if b"K\x05" in data and b"N" in data:
        raise Finding("five and nothing")
    if b"]" in data:
        raise KeyError(data)
    return len(data)


TARGET = Target("decode", "", "stream", _check)


def test_a_finding_is_minimised_and_written_whole(tmp_path: Any) -> None:
    data = b"\x80\x04(NK\x05K\x06}tK\x07\x86."
    _, found = attempt(TARGET, data)
    assert found is not None
    smallest = minimise(TARGET, found)
    assert smallest == b"NK\x05"
    place = write(found, smallest, tmp_path)
    row = json.loads((place / "finding.json").read_text())
    assert (row["cause"], row["minimised"]) == ("five and nothing", "4e4b05")
    test = next(place.glob("test_*.py")).read_text()
    assert "4e4b05" in test
    compile(test, "test", "exec")
    # The same cause again is the same finding; the shorter input stays.
    assert write(found._replace(data=data + b"x"), data, tmp_path) == place
    assert (place / "minimised").read_bytes() == smallest
    assert [path.name for path in tmp_path.iterdir()] == [place.name]


def test_causes_of_one_place_are_one() -> None:
    first, second = (attempt(TARGET, data)[1] for data in (b"]", b"]]a"))
    assert isinstance(first, Found)
    assert isinstance(second, Found)
    assert first.key == second.key
    assert first.cause.startswith("KeyError in ")


def test_a_hang_is_a_finding() -> None:
    def forever(_data: bytes) -> Any:
        while True:
            try:
                while True:
                    pass
            except Exception:  # noqa: BLE001  what a target may do around an input
                continue

    _, found = attempt(Target("decode", "", "stream", forever), b"", seconds=0.2)
    assert found is not None
    assert found.cause == "hang"


def test_waiting_for_the_processor_is_no_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    def waiting(_data: bytes) -> Any:
        time.sleep(0.4)

    assert attempt(Target("decode", "", "stream", waiting), b"", seconds=0.1)[1] is None
    monkeypatch.setattr(findings, "WAITING", 1)
    found = attempt(Target("decode", "", "stream", waiting), b"", seconds=0.1)[1]
    assert found is not None
    assert found.cause == "hang"
