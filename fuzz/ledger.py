"""The ledger: how many executions there have been, by target, engine and form; `run --ledger FILE` adds to it.

Rules that hold here:

* Only a run adds, and only what its workers counted: inputs that met a check. What was skipped is beside it.
* The file is locked while it is changed, and replaced whole, so that several commands may add to one.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuzz import ROOT

if TYPE_CHECKING:
    from fuzz.running import Result

LEDGER = Path(__file__).resolve().parent / "ledger.json"
PAGE = ROOT / "docs" / "fuzzing.md"
BEGIN, END = "<!-- ledger -->", "<!-- end of ledger -->"
_KEY = ("target", "engine", "form")
_SUMS = ("executions", "distinct", "skipped", "whole", "seconds", "processor")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows; none where there is no file."""
    return list(json.loads(path.read_text("utf-8"))["rows"]) if path.exists() else []


def add(result: Result, path: Path) -> None:
    """Add what came of one target."""
    import fcntl

    if not result.executions:
        return
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = read(path)
        found = result.row()
        found["form"] = found["form"] or "installed"
        row = next((row for row in rows if all(row[name] == found[name] for name in _KEY)), None)
        today = time.strftime("%Y-%m-%d", time.gmtime())
        if row is None:
            row = {**{name: found[name] for name in _KEY}, **dict.fromkeys(_SUMS, 0), "runs": 0, "since": today}
            rows.append(row)
        for name in _SUMS:
            row[name] = round(row[name] + found[name], 1)
        row["runs"] += 1
        row["until"] = today
        rows.sort(key=lambda row: [row[name] for name in _KEY])
        _write(rows, path)


def _write(rows: list[dict[str, Any]], path: Path) -> None:
    lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=".")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f'{{"rows": [\n{lines}\n]}}\n')
    Path(scratch).chmod(0o644)
    Path(scratch).replace(path)


def page(rows: list[dict[str, Any]]) -> str:
    """Return the table."""
    lines = [
        "| target | engine | form | executions | distinct, about | hours | a second | a second of processor time |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        rates = [f"{row['executions'] / row[name]:,.0f}" if row[name] else "" for name in ("seconds", "processor")]
        distinct = f"{row['distinct']:,}" if row["distinct"] else ""
        cells = (row["target"], row["engine"], row["form"], f"{row['executions']:,}", distinct,
                 f"{row['seconds'] / 3600:.2f}", *rates)  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    total, distinct, seconds = (sum(row[name] for row in rows) for name in ("executions", "distinct", "seconds"))
    lines.append(f"| **in all** |  |  | **{total:,}** | {distinct:,} | {seconds / 3600:.2f} |  |  |")
    return "\n".join(lines)


def write_page(rows: list[dict[str, Any]]) -> None:
    """Put the table into the manual, between its two marks."""
    text = PAGE.read_text("utf-8")
    head, rest = text.split(BEGIN, 1)
    PAGE.write_text(f"{head}{BEGIN}\n{page(rows)}\n{END}{rest.split(END, 1)[1]}", "utf-8")
