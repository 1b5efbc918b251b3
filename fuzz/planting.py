"""Planted faults: checks taken out of a copy of the package, one by one, each of which the harness must find.

`PLANTED` names rows of `tests/attacks/checks.toml`, which says what stands in the place of a check when it is out, and
`FAULTS` are more of the same kind. For each, the tree is copied, the check taken out,
and the targets run in turn with a
fixed seed until one of them finds anything.

Rules that hold here:

* Without `--corpus` every target begins with nothing: what is measured is the grammar and the oracles, not how well the
  corpus was chosen.
* The number of executions counts all targets that ran before and beside the one that found it.
* A copy without a fault is run first. What it finds is named and left out of what follows: that is no planted fault.
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
from fuzz.running import Order, Result, carry_out
from fuzz.targets import NAMES

CHECKS = ROOT / "tests" / "attacks" / "checks.toml"
PAGE = ROOT / "docs" / "fuzzing.md"
BEGIN, END = "<!-- planted faults -->", "<!-- end of planted faults -->"
#: Executions that a target has before the next one's turn: quick targets find most faults.
TURNS = (300, 1500, 10_000_000)


class Fault(NamedTuple):
    """One check, and what stands in its place."""

    name: str
    file: str
    code: str
    instead: str


#: Rows of the list of checks.
PLANTED = (
    "foreign dicts", "foreign lists", "foreign sets", "extension cache not consulted", "memo index bound",
    "frame length bound", "names are walked through classes only", "trailing bytes", "STOP leaves nothing",
    "memo written once", "frame inside a frame", "frame ends inside an argument", "frame cut off",
    "frame ends inside a line",
    "right to appear", "right to be called", "right to be made", "right to be given state", "right to take items",
    "only globals are called", "no rule, denied", "modules are no values", "gadgets stay denied",
    "known gadgets under another name", "BUILD only on what was made", "items only into what was made",
    "__setstate__ of the type", "state keys are no dunders", "slots are declared", "dict state not by setattr",
    "results are paid for", "exceptions are wrapped", "persistent ids are plain", "persistent objects are foreign",
    "length bound", "items bound, LIST", "int bits", "depth of containers", "key depth", "key size", "equal hashes",
    "unhashable keys", "one load at a time", "contracts, calls", "lazy ranges are paid for", "bytearray of bytes",
    "encode to latin1", "PROTO first", "calls are counted", "inert after a denial", "_reconstructor of its base only",
    "handles are no values, STOP", "memory bound", "opcodes",
)  # fmt: skip

#: Faults that no row of that list is.
FAULTS: tuple[Fault, ...] = (
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


def hunt(root: Path, known: tuple[str, ...], *, runs: int, seed: int, with_corpus: bool) -> tuple[Result | None, int]:
    """Run the targets in turn on a copy until one finds something; return it and the executions in all."""
    total = 0
    done: dict[str, int] = {}
    for turn in TURNS:
        for name in NAMES:
            if name == "forms" or done.get(name, 0) >= runs:
                continue
            bound = min(turn, runs)
            result = carry_out(
                Order(
                    target=name, seed=seed, runs=bound, first=True, known=known, cwd=str(root), path=(str(root),),
                    patience=120 + bound / 10,
                    corpus=(str(root / "fuzz" / "corpus"),) if with_corpus and turn == TURNS[0] else (),
                )
            )  # fmt: skip
            if result.problem:
                raise RuntimeError(f"{name}: {result.problem}")
            if result.findings:
                return result, total + result.findings[0]["execution"]
            done[name] = bound
            total += result.executions
        if turn >= runs:
            break
    return None, total


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
        known = _known(root, options)
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
    return 0 if found == len(rows) else 1


def _known(root: Path, options: Any) -> tuple[str, ...]:
    """Return the causes that the copy without a fault shows."""
    found: dict[str, None] = {}
    total = 0
    for name in NAMES:
        if name == "forms":
            continue
        order = Order(
            target=name, seed=options.seed, runs=options.runs, cwd=str(root), path=(str(root),), patience=600,
            corpus=(str(root / "fuzz" / "corpus"),) if options.corpus else (),
        )  # fmt: skip
        result = carry_out(order)
        total += result.executions
        found.update((row["cause"], None) for row in result.findings)
    print(f"without a fault, {total:,} executions find: {', '.join(found) or 'nothing'}", file=sys.stderr)
    return tuple(found)


def _plant(root: Path, fault: Fault, known: tuple[str, ...], options: Any) -> dict[str, Any]:
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
    source.write_text(text.replace(fault.code, fault.instead), "utf-8")
    started = time.monotonic()
    try:
        result, total = hunt(root, known, runs=options.runs, seed=options.seed, with_corpus=options.corpus)
    finally:
        source.write_text(text, "utf-8")
    return {
        "fault": fault.name, "file": fault.file, "target": "" if result is None else result.target, "executions": total,
        "cause": "" if result is None else result.findings[0]["cause"], "seconds": round(time.monotonic() - started, 1),
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
