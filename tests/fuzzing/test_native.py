"""The native engine's parts that need no compiler: quick checks and what they notice, and the ledger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("resource", reason="the harness bounds memory as POSIX systems do")

from fuzz import corpus, ledger, native, quick, samples
from fuzz.outcomes import Finding
from fuzz.quick import BATCH, QUICK, WHOLE, Watch, Window
from fuzz.running import Result
from fuzz.targets import Target, load_target

ROOT = Path(__file__).resolve().parent.parent.parent
STREAMS = [data for data in corpus.read("stream") if len(data) <= native.MOST]


@pytest.fixture
def watch_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a watch of a target whose quick check is given; its whole check finds what the second one does."""

    def make(check: Any, whole: Any = len) -> Watch:
        monkeypatch.setitem(QUICK, "decode", check)
        return Watch(Target("decode", "", "stream", whole))

    yield make
    quick.oracles._armed.clear()
    samples.disturbed()


def causes(watch: Watch) -> list[str]:
    return [found.cause for found in watch.findings.values()]


@pytest.mark.parametrize("name", sorted(QUICK))
def test_the_corpus_passes_the_quick_checks(name: str) -> None:
    watch = Watch(load_target(name))
    try:
        for data in STREAMS:
            watch.one(data)
    finally:
        quick.oracles._armed.clear()
    assert causes(watch) == []
    # Some streams load, and some meet the whole check.
    assert watch.values > 0
    assert watch.whole == len(STREAMS) // WHOLE


def test_what_a_quick_check_raises_is_a_finding(watch_of: Any) -> None:
    def check(data: bytes) -> bool:
        if data == b"bad":
            raise Finding("bad")
        if data == b"worse":
            raise KeyError("worse")
        return True

    watch = watch_of(check)
    for data in (b"good", b"bad", b"worse"):
        watch.one(data)
    assert [cause.split(" ")[0] for cause in causes(watch)] == ["bad", "KeyError"]
    assert [found.data for found in watch.findings.values()] == [b"bad", b"worse"]


def test_the_whole_check_has_the_last_word(watch_of: Any) -> None:
    def check(_data: bytes) -> bool:
        raise Finding("quickly")

    def whole(_data: bytes) -> Any:
        raise Finding("wholly")

    watch = watch_of(check, whole)
    watch.one(b"")
    assert causes(watch) == ["wholly"]


@pytest.mark.parametrize("act", [samples.act, lambda: samples.QUEUE.append(1), lambda: os.system("true")])
def test_what_acts_is_a_finding_at_once(watch_of: Any, act: Any) -> None:
    watch = watch_of(lambda _data: bool(act()))
    watch.one(b"N.")
    assert len(causes(watch)) == 1
    assert "acted" in causes(watch)[0]


def test_a_class_that_is_changed_is_found_within_a_batch(watch_of: Any) -> None:
    def check(data: bytes) -> bool:
        if data == b"7":
            samples.Node.limit = 1  # type: ignore[attr-defined]
        return True

    watch = watch_of(check)
    try:
        for number in range(BATCH):
            watch.one(b"%d" % number)
    finally:
        del samples.Node.limit  # type: ignore[attr-defined]
    assert causes(watch) == ["inputs together reached a canary: a class was changed"]


def test_every_so_many_inputs_meet_the_whole_check(watch_of: Any) -> None:
    seen: list[bytes] = []
    watch = watch_of(lambda _data: True, seen.append)
    for number in range(2 * WHOLE):
        watch.one(b"%d" % number)
    assert len(seen) == watch.whole == 2


def test_references_kept_over_many_inputs_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "WINDOW", 100)
    kept: list[Any] = []
    window = Window()
    found = []
    for number in range(1, 6):
        kept += [samples.Node] * 50
        found.append(window.look(100 * number))
    # The first window has nothing before it, the second may be a cache that fills.
    assert found[:2] == [None, None]
    assert "references to a type are kept" in str(found[-1])
    kept.clear()
    assert window.look(450) is None


def test_the_ledger_adds_up(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    for executions in (5, 7):
        done = Result("decode", "compiled", "native", executions=executions, seconds=2.0, processor=1.0, distinct=4)
        ledger.add(done, path)
    ledger.add(Result("files", executions=1, seconds=1.0), path)
    ledger.add(Result("leaks"), path)
    rows = ledger.read(path)
    assert [(row["target"], row["executions"], row["runs"]) for row in rows] == [("decode", 12, 2), ("files", 1, 1)]
    assert "| **in all** |  |  | **13** |" in ledger.page(rows)
    assert json.loads(path.read_text("utf-8"))["rows"] == rows


def test_workers_of_one_target_are_one_result() -> None:
    first = Result("decode", executions=3, seconds=1.0, findings=[{"cause": "a"}])
    first.add(Result("decode", executions=4, seconds=2.0, findings=[{"cause": "a"}, {"cause": "b"}]))
    assert (first.executions, first.seconds, [row["cause"] for row in first.findings]) == (7, 3.0, ["a", "b"])


def test_without_clang_the_engine_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fuzz", "run", "--engine", "native", "--target", "decode"], cwd=ROOT,
        env={**os.environ, "FUZZ_CLANG": "no-such-compiler"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "needs clang" in done.stderr
