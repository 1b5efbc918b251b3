"""What hostile streams cost, by default limits: measured in a process of its own, because some would kill it.

Memory is asserted (50 MB over the base); time is not, except by the timeout that ends a hang. The times are
in `benchmarks/hostile.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attacks.costly import MEGABYTES, REFUSALS, SPENDING, SPENT_MEGABYTES, STREAMS

import safepickle

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc for the peak of memory")

SCRIPT = Path(__file__).parent / "costly.py"

#: Cheap streams that are data after all.
LOADED = {
    "memo index 9 999 999": "loaded NoneType",
    "9 billion items, laughing": "loaded list",
}


def environment() -> dict[str, str]:
    """Let a subprocess find the package that is tested here."""
    return {**os.environ, "PYTHONPATH": str(Path(safepickle.__file__).parent.parent)}


def run(*arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run Python on the arguments."""
    command = [sys.executable, "-P", *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.parametrize("pack", ["plain", "stdlib"])
def test_hostile_streams_cost_little(sp: Any, pack: str) -> None:
    form = "compiled" if sp.COMPILED else "python"
    done = run(str(SCRIPT), form, pack, timeout=120)
    rows = {row["title"]: row for row in map(json.loads, done.stdout.splitlines())}
    missing = [title for title in STREAMS if title not in rows]
    assert not missing, f"the process ended ({done.returncode}) at {missing[0]!r}: {done.stderr[-2000:]}"
    wrong = [
        row
        for title, row in rows.items()
        if row["MB"] > (SPENT_MEGABYTES if title in SPENDING else MEGABYTES)
        or not (row["outcome"] == LOADED.get(title) or (title not in LOADED and row["outcome"].startswith(REFUSALS)))
    ]
    assert wrong == []


DEEP = """
import sys
import safepickle
from safepickle._forms import python_form
sp = safepickle if sys.argv[1] == "compiled" else python_form()
levels = 1_000_000 if sys.argv[1] == "compiled" else 200_000
unbounded = sp.Limits(max_depth=None, max_hash_work=None, max_memory=None)
for data in (
    b"]" * levels + b"a" * (levels - 1) + b".",
    b"](" * levels + b"e" * levels + b".",
    b")" + b"\\x85" * levels + b".",
    b"}" + b"K\\0}" * levels + b"s" * levels + b".",
):
    value = sp.loads(data, limits=unbounded)
    again = sp.dumps(value, limits=unbounded)
    del value
    value = sp.loads(again, limits=unbounded)
    depth = 0
    while value:
        value = value[0] if type(value) is not dict else value[0]
        depth += 1
    assert depth >= levels - 1, depth
    # Whatever is made of it: hashing is refused before the interpreter's own recursion could end the process.
    for as_key in (b"}" + data[:-1] + b"Ns.", b"\\x8f(" + data[:-1] + b"\\x90."):
        try:
            sp.loads(as_key, limits=unbounded)
        except sp.SafePickleError:
            pass
print("alive")
"""


def test_a_million_levels_do_not_end_the_process(sp: Any) -> None:
    """D08, D09: with the bound on depth off, a million levels are read, written and freed."""
    done = run("-c", DEEP, "compiled" if sp.COMPILED else "python", timeout=240)
    assert done.stdout == "alive\n", f"{done.returncode}: {done.stderr[-2000:]}"


def test_an_instance_nests_no_deeper_than_the_limit(sp: Any) -> None:
    """D09 under `stdlib`: instances made by calls count as levels too."""
    done = run(str(SCRIPT), "compiled" if sp.COMPILED else "python", "stdlib", "OrderedDicts", "deques", timeout=60)
    outcomes = [json.loads(line)["outcome"] for line in done.stdout.splitlines()]
    assert outcomes == ["LimitError max_depth"] * 2


def test_what_stdlib_allows_takes_no_abuse(sp: Any) -> None:
    """R26, D15, D19: no callable of the pack takes memory or time out of proportion to its arguments."""
    script = SCRIPT.parent / "abuse.py"
    done = run(str(script), "compiled" if sp.COMPILED else "python", timeout=120)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows, done.stderr[-2000:]
    assert rows[-1] == {"trying": ""}, f"ended at {rows[-1]}: {done.stderr[-2000:]}"
    assert [(rows[k - 1], row) for k, row in enumerate(rows) if "problem" in row] == []
