"""Planted faults: checks taken out of a copy of the package, one by one, each of which the harness must find.

`PLANTED` names rows of `tests/attacks/checks.toml`, which says what stands in the place of a check when it is out, and
`FAULTS` are more of the same kind. For each, the tree is copied, the check taken out,
and the targets run in turn with a
fixed seed until one of them finds anything.

Rules that hold here:

* Without `--corpus` every target begins with nothing: what is measured is the grammar and the oracles, not how well the
  corpus was chosen.
* The number of executions counts all targets that ran before and beside the one that found it.
* What finds a fault finds nothing in the copy without it: every finding is tried there too. One that is the same is
  no planted fault; it is named, and the hunt goes on without it.
* A hunt is bounded by executions, not by time: how busy the machine is does not decide. A worker that is silent hangs.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from fuzz import ROOT, corpus
from fuzz.engine import Run
from fuzz.running import Order, Result, carry_out
from fuzz.targets import load_target

CHECKS = ROOT / "tests" / "attacks" / "checks.toml"
PAGE = ROOT / "docs" / "fuzzing.md"
BEGIN, END = "<!-- planted faults -->", "<!-- end of planted faults -->"
#: Executions that a target has before the next one's turn: quick targets find most faults.
TURNS = (300, 1000, 10_000_000)
#: The targets that hunt a fault, by the room that it is planted in; quick ones first.
HUNTERS: dict[str, tuple[str, ...]] = {
    "wire": ("decode", "files", "readers", "differential", "unrestricted", "looking", "within", "programs"),
    "decoding": (
        "decode", "within", "differential", "looking", "hooks", "unrestricted", "guards", "contracts", "constraints",
        "typed", "files", "programs", "readers", "costs",
    ),
    "encoding": ("writers", "symmetry", "spending", "canonical", "constraints", "typed", "roundtrip", "oddities"),
    "policy": (
        "constraints", "contracts", "combined", "nearly", "typed", "records", "drafts", "policies",
        "learned", "habits", "offered", "guards", "decode",
    ),
    "signing": ("signing", "sealed", "chunks", "rings", "keyfiles"),
    "inspection": ("looking", "learned", "habits", "roundtrip"),
}  # fmt: skip
#: Seconds of silence after which a worker hangs, which is a finding; an input that takes long is ended much earlier.
PATIENCE = 300


class Fault(NamedTuple):
    """One check, and what stands in its place."""

    name: str
    file: str
    code: str
    instead: str


#: Rows of the list of checks.
PLANTED = (
    "right to appear", "right to be called", "right to be made", "right to be given state", "right to take items",
    "no rule, denied", "only globals are called", "extension cache not consulted",
    "names are walked through classes only",
    "modules are no values", "known gadgets under another name", "BUILD only on what was made",
    "foreign dicts", "foreign lists", "foreign sets", "items only into what was made", "state keys are no dunders",
    "slots are declared", "dict state not by setattr", "handles are no values, STOP", "contracts, calls",
    "exceptions are wrapped", "encode to latin1",
    "persistent ids are plain", "persistent objects are foreign", "memo index bound", "memo written once",
    "STOP leaves nothing",
    "trailing bytes", "frame ends inside an argument", "frame ends inside a line",
    "key depth",
    "equal hashes", "unhashable keys", "int bits", "length bound", "items bound, LIST", "calls are counted",
    "results are paid for", "lazy ranges are paid for",
)  # fmt: skip

#: Faults that no row of that list is.
FAULTS: tuple[Fault, ...] = (
    Fault(
        # The row of the list leaves what is paid for comparing, which is no less.
        "key size",
        "decoding/hashing.py",
        "            size, depth = self._measure(key)\n",
        "            size, depth = 0, self._measure(key)[1]\n",
    ),
    Fault(
        "a blob's tag is compared",
        "signing/signer.py",
        "        if not compare_digest(tag.digest(), data[end:]):",
        "        if False:",
    ),
    Fault(
        "a blob's tag is compared as a whole",
        "signing/signer.py",
        "        if not compare_digest(tag.digest(), data[end:]):",
        "        if not compare_digest(tag.digest()[:1], data[end:][:1]):",
    ),
    Fault(
        "a stream's chunks are verified",
        "signing/streams.py",
        "        if not compare_digest(self._tags.chunk(self._number, kind, content), whole[length:]):",
        "        if False:",
    ),
    Fault(
        "a stream's header is verified",
        "signing/streams.py",
        "        if not compare_digest(self._tags.header, read_exactly(file, self._tag_size)):",
        "        if not read_exactly(file, self._tag_size):",
    ),
    Fault(
        "the context is in the tag",
        "signing/signer.py",
        "        front = (NO_CONTEXT if context is None else encode_context(context)) + data",
        "        front = NO_CONTEXT + data",
    ),
    Fault(
        "the least of a number",
        "policy/values.py",
        "        if self.low is not None and not value >= self.low:",
        "        if False:",
    ),
    Fault(
        "survey finds no trailing bytes",
        "decoding/unpickler.py",
        "        if not is_file and rest:",
        "        if False:",
    ),
    Fault(
        "dis prints what it quotes as it is",
        "inspection/assembly.py",
        "        return quote(value)\n",
        "        return str(value)\n",
    ),
    Fault(
        "optimize keeps the wrong memo entries",
        "inspection/assembly.py",
        "                numbers[index] = len(numbers)",
        "                numbers[index] = max(0, len(numbers) - 1)",
    ),
    Fault(
        "a line is read to its end from a file",
        "wire/source.py",
        '                raise FormatError("the file took back bytes that it had shown")',
        "                return",
    ),
    Fault(
        "peeked bytes are left in the file",
        "wire/source.py",
        "        self._consume(self._peeked - unused)\n        self._peeked = 0\n",
        "        self._peeked = 0\n",
    ),
)  # fmt: skip


def faults() -> list[Fault]:
    """Return all planted faults, in the order of the table."""
    rows = {row["name"]: row for row in tomllib.loads(CHECKS.read_text("utf-8"))["check"]}
    listed = [
        Fault(name, *(rows[name][key] for key in ("file", "code", "instead"))) for name in PLANTED if name in rows
    ]
    return [*listed, *FAULTS]


def _copy(into: Path) -> None:
    for name in ("safepickle", "policies", "fuzz"):
        shutil.copytree(
            ROOT / name, into / name, ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__", "work", "*.c")
        )
    shutil.copy(ROOT / "pyproject.toml", into)


def hunt(root: Path, known: tuple[str, ...], options: Any, hunters: tuple[str, ...]) -> Result:
    """Run targets in turn on a copy until one finds something, in one process; return what came of it."""
    order = Order(
        target=",".join(hunters), engine="hunt", seed=options.seed,
        runs=options.runs,
        first=True, known=known, cwd=str(root), path=(str(root),), patience=PATIENCE,
        corpus=(str(root / "fuzz" / "corpus"),) if options.corpus else (),
    )  # fmt: skip
    result = carry_out(order)
    if result.problem:
        raise RuntimeError(result.problem)
    return result


def hunting(options: Any) -> int:
    """Be the worker of :func:`hunt`."""
    from fuzz.engine import Engine
    from fuzz.worker import LastInput, bound_memory, inputs, tell, tell_state

    bound_memory()
    last = LastInput(options.last)
    total = Run("")
    engines = []
    for name in options.target.split(","):
        target = load_target(name)

        def check(data: bytes, check: Any = target.check) -> Any:
            last.note(data)
            return check(data)

        engines.append(
            Engine(target._replace(check=check), options.seed, report=_alive, first=True, known=options.known)
        )
    if options.corpus:
        for engine in engines:
            engine.replay(inputs(engine.target.input, options.corpus))
            if _add(total, engine):
                tell_state(total, done=True)
                return 0
    done = 0
    for most in TURNS:
        turn = min(most, options.runs) - done
        for engine in engines:
            tell(at=engine.target.name)
            engine.fuzz(executions=turn)
            if _add(total, engine):
                tell_state(total, done=True)
                return 0
            tell_state(total)
        done += turn
    tell_state(total, done=True)
    return 0


def _alive(run: Run) -> None:
    from fuzz.worker import tell

    tell(at=run.target)


def _add(total: Run, engine: Any) -> bool:
    """Put what an engine did since the last time to the total; say whether it found anything."""
    run = engine.run
    total.executions += run.executions
    total.seconds += run.seconds
    run.executions, run.seconds = 0, 0.0
    for key, found in run.findings.items():
        total.findings[key] = found._replace(execution=total.executions)
    return bool(run.findings)


def plant_all(options: Any) -> int:
    """Plant every fault, report, and return the exit code."""
    chosen = [
        fault for number, fault in enumerate(faults(), 1)
        if not options.names or fault.name in options.names or str(number) in options.names
    ]  # fmt: skip
    rows = []
    with tempfile.TemporaryDirectory(prefix="fuzz-faults-") as folder:
        root = Path(folder)
        _copy(root)
        known: dict[str, None] = {}
        for fault in chosen:
            row = _plant(root, fault, known, options)
            rows.append(row)
            if options.format == "text":
                mark = "found" if row["target"] else "MISSED"
                print(f"{mark:7}{fault.name:45}{row['target']:13}{row['executions']:>7}  {row['cause'][:70]}")
                sys.stdout.flush()
    found = sum(bool(row["target"]) for row in rows)
    if options.format == "json":
        print(json.dumps(rows, indent=1))
    else:
        print(f"{found} of {len(rows)} planted faults were found")
    if options.page:
        write_page(rows, options)
    if known:
        print(f"found without a fault too, and left out: {', '.join(known)}", file=sys.stderr)
    return 0 if found == len(rows) else 1


def _without(root: Path, found: dict[str, Any]) -> set[str]:
    """Return the causes that an input shows in the copy without a fault."""
    with tempfile.TemporaryDirectory(prefix="fuzz-input-") as folder:
        target = load_target(found["target"])
        corpus.add(target.input, bytes.fromhex(found["hex"]), Path(folder))
        result = carry_out(
            Order(target=target.name, corpus=(folder,), cwd=str(root), path=(str(root),), patience=PATIENCE)
        )
    if result.problem:
        raise RuntimeError(result.problem)
    return {row["cause"] for row in result.findings}


def _plant(root: Path, fault: Fault, known: dict[str, None], options: Any) -> dict[str, Any]:
    source = root / "safepickle" / fault.file
    text = source.read_text("utf-8")
    if fault.code.lstrip("\n") not in text and fault.code not in text:
        return {
            "fault": fault.name,
            "file": fault.file,
            "target": "",
            "executions": 0,
            "cause": "no longer in the sources",
        }
    started = time.monotonic()
    while True:
        source.write_text(text.replace(fault.code, fault.instead), "utf-8")
        try:
            result = hunt(root, tuple(known), options, HUNTERS[fault.file.partition("/")[0]])
        finally:
            source.write_text(text, "utf-8")
        found = result.findings[0] if result.findings else {}
        if not found or found["cause"] not in _without(root, found):
            break
        known[found["cause"]] = None
    return {
        "fault": fault.name, "file": fault.file, "target": found.get("target", ""), "cause": found.get("cause", ""),
        "executions": found.get("execution", result.executions), "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip


def write_page(rows: list[dict[str, Any]], options: Any) -> None:
    """Put the table into the manual, between its two marks."""
    lines = [
        BEGIN,
        f"Seed {options.seed}, at most {options.runs:,} executions of each target, "
        + ("the corpus first." if options.corpus else "no corpus."),
        "",
        "| planted fault | in | found by | as | executions |",
        "| --- | --- | --- | --- | ---: |",
    ]
    for row in rows:
        cause = re.sub(r"[|`]", "'", row["cause"])[:80]
        lines.append(
            f"| {row['fault']} | `{row['file']}` | {row['target'] or 'MISSED'} | {cause} | {row['executions']:,} |"
        )
    text = PAGE.read_text("utf-8")
    head, rest = text.split(BEGIN, 1)
    PAGE.write_text(head + "\n".join([*lines, END]) + rest.split(END, 1)[1], "utf-8")


#: For tests: where the corpus of a copy is.
CORPUS_NAME = corpus.HERE.name
