"""Runs targets in workers, shows what they do, gathers what they found.

Rules that hold here:

* A worker that dies, hangs or cannot start is a finding or an error, never silence: nothing fails open.
* Findings are minimised here, in one more worker-free pass, and written as folders.
* Progress goes to a terminal's standard error and nowhere else; results go to standard output.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from fuzz import ROOT, corpus

WORK = ROOT / "fuzz" / "work"
_DONE = re.compile(r"Done (\d+) runs in")
_COVERAGE = re.compile(r"cov: (\d+)")
#: Seconds that a worker may be silent, beside the time it was given.
PATIENCE = 120


@dataclass
class Result:
    """What came of one target."""

    target: str
    form: str = ""
    engine: str = "plain"
    executions: int = 0
    replayed: int = 0
    seconds: float = 0.0
    coverage: int = 0
    new: int = 0
    kinds: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""
    #: Kind of input.
    kind: str = "stream"
    #: The last worker did not come to its end.
    died: bool = False
    #: Engine `native`: inputs not run because they had been lately, an estimate of how many of the others were
    #: distinct, how many met the whole check, and seconds of processor time.
    skipped: int = 0
    distinct: int = 0
    whole: int = 0
    processor: float = 0.0

    @property
    def rate(self) -> float:
        """Executions a second."""
        return self.executions / self.seconds if self.seconds else 0.0

    def row(self) -> dict[str, Any]:
        """Return it for a report."""
        return {
            **self.__dict__, "seconds": round(self.seconds, 2), "processor": round(self.processor, 2),
            "rate": round(self.rate),
        }  # fmt: skip

    def add(self, other: Result) -> None:
        """Take in what another worker of the same target did after this one."""
        for name in ("executions", "seconds", "new", "skipped", "distinct", "whole", "processor"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        known = {row["cause"] for row in self.findings}
        self.findings += [row for row in other.findings if row["cause"] not in known]
        self.coverage, self.kinds = max(self.coverage, other.coverage), max(self.kinds, other.kinds)
        self.problem = self.problem or other.problem


class Progress:
    """One line at the bottom of a terminal, drawn anew; nothing where there is no terminal."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = sys.stderr if out is None else out
        self._live = self._out.isatty()
        self._lock = threading.Lock()
        self._rows: dict[str, Result] = {}
        self._drawn = 0.0

    def show(self, result: Result) -> None:
        """Draw the state of all that runs."""
        if not self._live:
            return
        with self._lock:
            self._rows[result.target] = result
            if time.monotonic() - self._drawn < 0.1:
                return
            self._drawn = time.monotonic()
            parts = [
                f"{r.target} {r.executions:,} ({r.rate:,.0f}/s) cov {r.coverage} new {r.new} found {len(r.findings)}"
                for r in self._rows.values()
            ]
            self._out.write("\r\x1b[2K" + " | ".join(parts)[: os.get_terminal_size(self._out.fileno()).columns - 1])
            self._out.flush()

    def end(self, result: Result) -> None:
        """Take a target off the line."""
        if self._live:
            with self._lock:
                self._rows.pop(result.target, None)
                self._out.write("\r\x1b[2K")
                self._out.flush()


@dataclass(frozen=True, kw_only=True)
class Order:
    """What one worker is to do."""

    target: str
    engine: str = "plain"
    form: str = ""
    seed: int = 1
    seconds: float = 0.0
    runs: int = 0
    corpus: tuple[str, ...] = (str(corpus.HERE),)
    save: str = ""
    first: bool = False
    #: Causes that are no news.
    known: tuple[str, ...] = ()
    #: Where `fuzz` and the package are found, if not as here.
    path: tuple[str, ...] = ()
    cwd: str = ""
    #: Seconds after which the worker is ended, for a hunt seconds of silence; 0 for what its bounds suggest.
    patience: float = 0.0
    unbounded: bool = False
    #: Longest input; 0 for what the engine thinks best.
    most: int = 0
    #: Engine `native`: variants of each input.
    variants: int = 0
    #: Engine `native`: the folder of the instrumented package.
    site: str = ""


#: Workers that one order may take if they die: every death is a finding, and the time that is left is worth another.
MOST_WORKERS = 20


def carry_out(order: Order, progress: Progress | None = None) -> Result:
    """Run a target, in one worker, or in several where an input ends the process and time is left."""
    started = time.monotonic()
    result = _carry_out(order, progress)
    for number in range(1, MOST_WORKERS):
        left = order.seconds - (time.monotonic() - started)
        if order.engine != "native" or not result.died or result.problem or left < 5:
            break
        more = _carry_out(replace(order, seed=order.seed + 1000 * number, seconds=left), progress)
        result.add(more)
        result.died = more.died
    if progress is not None:
        progress.end(result)
    return result


def _carry_out(order: Order, progress: Progress | None) -> Result:
    result = Result(order.target, "compiled" if order.site else order.form, order.engine)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        last = str(Path(scratch) / "last")
        command = [
            sys.executable, "-m", "fuzz", "worker", "--target", order.target, "--engine", order.engine, "--seed",
            str(order.seed),
            "--seconds", str(order.seconds), "--runs", str(order.runs), "--last", last, "--save", order.save,
        ]  # fmt: skip
        if order.engine != "plain":
            Path(scratch, "corpus").mkdir()
            command += ["--folder", str(Path(scratch, "corpus"))]
        command += ["--most", str(order.most), "--variants", str(order.variants)]
        command += [part for folder in order.corpus for part in ("--corpus", folder)]
        command += [part for cause in order.known for part in ("--known", cause)]
        command += ["--form", order.form] if order.form else []
        command += ["--first"] if order.first else []
        command += ["--unbounded"] if order.unbounded else []
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONFAULTHANDLER": "1"}
        site = [order.site] if order.site else []
        path = [*site, *order.path, *([str(ROOT)] if order.engine == "atheris" or site else [])]
        if order.path:
            environment["SAFEPICKLE_FUZZ_TREE"] = "1"
        if path:
            environment["PYTHONPATH"] = os.pathsep.join([*path, environment.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        # libFuzzer ends by itself what hangs; on a busy machine its corpus may take long to read.
        slack = PATIENCE if order.engine == "plain" else order.seconds + 5 * PATIENCE
        patience = order.patience or order.seconds + slack + order.runs / 20
        _watch(
            command, environment, order.cwd or str(ROOT), patience, result, progress, last,
            silent=order.engine == "hunt",
        )  # fmt: skip
        if order.engine == "atheris":
            _keep(Path(scratch, "corpus"), order, result)
        elif order.engine == "native":
            _keep_whole(Path(scratch, "corpus"), order, result)
    return result


def _keep(folder: Path, order: Order, result: Result) -> None:
    """Keep what libFuzzer found worth keeping."""
    known = {corpus.file_name(data) for place in order.corpus for data in corpus.read(result.kind, Path(place))}
    for path in folder.iterdir():
        data = path.read_bytes()
        if corpus.file_name(data) not in known:
            result.new += 1
            if order.save:
                corpus.add(result.kind, data, Path(order.save))


def _keep_whole(folder: Path, order: Order, result: Result) -> None:
    """Run what libFuzzer found worth keeping through the whole check, and keep it."""
    given = {corpus.file_name(data) for place in order.corpus for data in corpus.read(result.kind, Path(place))}
    kept = folder / result.kind
    for path in [*kept.iterdir()] if kept.is_dir() else []:
        data = path.read_bytes()
        path.unlink()
        if corpus.file_name(data) not in given:
            corpus.add(result.kind, data, folder)
    again = _carry_out(
        Order(target=order.target, corpus=(str(folder),), site=order.site, unbounded=order.unbounded), None
    )
    result.whole += again.executions
    known = {row["cause"] for row in result.findings}
    result.findings += [row for row in again.findings if row["cause"] not in known]
    result.problem = result.problem or again.problem
    bad = {row["hex"] for row in again.findings}
    for data in corpus.read(result.kind, folder):
        result.new += 1
        if order.save and data.hex() not in bad:
            corpus.add(result.kind, data, Path(order.save))


#: What libFuzzer or a sanitizer says that a process died of.
_SUMMARY = re.compile(r"SUMMARY: (\w+): (.*)")
#: What differs from one run to another in that.
_VARYING = re.compile(r"0x[0-9a-f]+|\(.*?\)|:\d+(:\d+)?|/\S*/")


def _watch(
    command: list[str], environment: dict[str, str], cwd: str, patience: float, result: Result,
    progress: Progress | None,
    last: str, *, silent: bool = False,
) -> None:  # fmt: skip
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    overdue = threading.Timer(patience, process.kill)
    overdue.start()
    noise: list[str] = []
    done = False
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if silent:
                # Time counts from the last that was heard.
                overdue.cancel()
                overdue = threading.Timer(patience, process.kill)
                overdue.start()
            if line.startswith("{"):
                done |= _take(json.loads(line), result)
                if progress is not None:
                    progress.show(result)
            elif (found := _COVERAGE.search(line)) is not None:
                result.coverage = int(found[1])
            elif line.startswith("ERROR: no interesting inputs"):
                result.problem = "the target reaches no compiled code: another engine is the one for it"
            elif (found := _DONE.match(line)) is not None:
                # The native engine counts for itself, and leaves out what was run before.
                result.executions = result.executions if result.engine == "native" else int(found[1])
                done = True
            else:
                noise.append(line)
        code = process.wait()
    finally:
        overdue.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()
    if done or result.problem:
        return
    result.died = True
    result.seconds = result.seconds or time.monotonic() - started
    data = LastInputReader.read(last)
    summary = next((found for line in noise if (found := _SUMMARY.search(line)) is not None), None)
    if summary is not None:
        what = f"the process ended: {_VARYING.sub('', summary[2]).strip()}"
    elif code < 0:
        timed_out = time.monotonic() - started >= patience
        what = "hang" if timed_out else f"the process died of {signal.Signals(-code).name}"
    elif data:
        what = f"the process ended with {code}"
    else:
        result.problem = f"the worker did not start (exit code {code}): {''.join(noise[-8:])[-800:]}"
        return
    row = {"target": result.target, "cause": what, "detail": "".join(noise[-12:])[-1000:], "hex": data.hex()}
    result.findings.append({**row, "execution": result.executions + 1})


class LastInputReader:
    """Reads what a worker was at, without importing the worker."""

    @staticmethod
    def read(path: str) -> bytes:
        """Return it, or nothing."""
        try:
            content = Path(path).read_bytes()
        except OSError:
            return b""
        return content[8 : 8 + int.from_bytes(content[:8], "little")]


def _take(row: dict[str, Any], result: Result) -> bool:
    if "problem" in row:
        result.problem = row["problem"]
    result.target = row.get("at", result.target)
    result.replayed = row.get("replayed", row.get("given", result.replayed))
    result.kind = row.get("kind", result.kind)
    if "executions" in row:
        result.executions = row["executions"]
        result.seconds = row["seconds"]
        result.new, result.kinds = row["new"], row["kinds"]
        for name in ("skipped", "distinct", "whole", "processor"):
            setattr(result, name, row.get(name, getattr(result, name)))
        result.findings = row["findings"]
    return bool(row.get("done"))


def carry_out_all(
    orders: list[Order],
    jobs: int = 1,
    progress: Progress | None = None,
    ended: Callable[[Result], None] = lambda _result: None,
) -> list[Result]:
    """Run workers, so many at a time, and call *ended* with each result; they are in the order of the orders."""
    results: dict[int, Result] = {}
    queue = list(enumerate(orders))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if not queue:
                    return
                number, order = queue.pop(0)
            results[number] = carry_out(order, progress)
            with lock:
                ended(results[number])

    threads = [threading.Thread(target=work, daemon=True) for _ in range(max(1, jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[number] for number in range(len(orders))]


def write_findings(results: list[Result], folder: Path) -> list[Path]:
    """Minimise and write every finding."""
    from fuzz.findings import Found, minimise, write
    from fuzz.targets import load_target
    from fuzz.terms import FORMS, use_form

    places = []
    for result in results:
        if result.form in FORMS:
            use_form(result.form)
        for row in result.findings:
            found = Found(row["target"], row["cause"], row["detail"], bytes.fromhex(row["hex"]), row["execution"])
            # What ends a process must not end this one.
            fatal = "process" in found.cause or found.cause == "hang"
            smaller = found.data if fatal else minimise(load_target(found.target), found)
            places.append(write(found, smaller, folder))
            row["folder"] = str(places[-1])
            row["minimised"] = smaller.hex()
    return places


def has_atheris() -> bool:
    """Return whether atheris can be imported."""
    from importlib.util import find_spec

    return find_spec("atheris") is not None
