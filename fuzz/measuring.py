"""Measures what of the package the corpus reaches, by coverage.py on the form that runs as Python.

Rules that hold here:

* Only the replay of the corpus counts, nothing that is generated.
* Every target replays, in this process, with measurement begun before the package is first imported. So this module
  imports neither the targets nor the package.
* The report says what share of lines and branches each room reaches, and names the files below the whole.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from fuzz import ROOT, corpus
from fuzz.targets import NAMES

#: The rooms that bytes from outside pass through.
ROOMS = ("wire", "decoding", "encoding", "policy", "signing", "inspection")
#: Targets that replay: the others run the same code under other measurements.
_REPLAYED = tuple(name for name in NAMES if name not in ("costs", "leaks", "forms"))

_SCRIPT = """
import sys
from pathlib import Path
import fuzz
from fuzz import corpus
from fuzz.findings import attempt
from fuzz.targets import load_target
for name in {names!r}:
    target = load_target(name)
    for data in corpus.read(target.input):
        attempt(target, data, seconds=0)
"""


def measure(html: Path, *, least: float, as_json: bool) -> int:
    """Replay under coverage.py, write the HTML report, print the shares and return the exit code."""
    try:
        import coverage  # noqa: F401
    except ImportError:
        print("coverage.py is not installed: pip install coverage", file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "COVERAGE_FILE": f"{folder}/data"}
        script = Path(folder, "replay.py")
        script.write_text(_SCRIPT.format(names=_REPLAYED), "utf-8")
        sources = ",".join(str(ROOT / "safepickle" / room) for room in ROOMS if (ROOT / "safepickle" / room).is_dir())
        settings = Path(folder, "settings")
        settings.write_text(_settings(), "utf-8")
        tool = [sys.executable, "-m", "coverage"]
        rc = f"--rcfile={settings}"
        ran = subprocess.run(
            [*tool, "run", rc, "--branch", f"--source={sources}", str(script)], env=environment, cwd=ROOT, check=False
        )
        if ran.returncode:
            return 3
        subprocess.run([*tool, "html", rc, "-q", "-d", str(html)], env=environment, cwd=ROOT, check=True)
        out = Path(folder, "report.json")
        subprocess.run([*tool, "json", rc, "-q", "-o", str(out)], env=environment, cwd=ROOT, check=True)
        found = json.loads(out.read_text("utf-8"))
    return _report(found, html, least=least, as_json=as_json)


#: What is left out of the shares, and why. Patterns are coverage.py's: a line that matches, with all below it.
EXCLUDED: tuple[tuple[str, str], ...] = (
    ("if TYPE_CHECKING", "seen by type checkers only"),
    ("if COMPILING", "seen by Cython only"),
    ("cython.compiled", "runs in the compiled form only, which coverage.py does not see; its replay runs it"),
    ("raise NotImplementedError", "methods that every subclass has"),
    (r"\.\.\.$", "bodies of protocols"),
    ("class .*Protocol", "protocols"),
    ("if __name__ == ", "modules as programs: run by hand"),
    ("def __repr__", "for people"),
    ("raise StartOver", "the compiled form alone writes without a memo first, and starts over where that was wrong"),
    ("except StartOver", "the same"),
    ("def start_over", "the same"),
    ("def forget", "the same"),
    (r"if self\.sparing", "the same"),
    (r"def _known\(", "the same"),
    ("def _is_data", "the same"),
    (r"if length > 0xFFFFFFFF|elif length > 0xFFFFFFFF|if len\(data\) > 0x7FFFFFFF", "needs a value of 2 or 4 GiB"),
    ("def json_schema", "writes the schema that is shipped; a test holds it to the model"),
)
#: Files left out, and why.
EXCLUDED_FILES: tuple[tuple[str, str], ...] = (
    ("policy/libraries.py", "needs pandas, pyarrow, scipy and scikit-learn: tests/packs runs it with them"),
    ("policy/blocks.py", "likewise"),
    ("policy/columns.py", "likewise"),
    ("policy/copies.py", "likewise"),
    ("policy/library_parts.py", "likewise"),
    ("policy/sparse.py", "likewise"),
)
#: Left out where numpy is not installed.
WITH_NUMPY: tuple[str, str] = ("policy/arrays.py", "needs numpy, which is not installed here")


def _left_out() -> tuple[tuple[str, str], ...]:
    from importlib.util import find_spec

    return EXCLUDED_FILES if find_spec("numpy") is not None else (*EXCLUDED_FILES, WITH_NUMPY)


def _settings() -> str:
    lines = ["[report]", "exclude_also =", *(f"    {pattern}" for pattern, _ in EXCLUDED), "omit ="]
    return "\n".join([*lines, *(f"    */safepickle/{name}" for name, _ in _left_out())]) + "\n"


def _report(found: dict[str, Any], html: Path, *, least: float, as_json: bool) -> int:
    rooms: dict[str, list[int]] = {}
    files = []
    for name, row in found["files"].items():
        summary = row["summary"]
        room = next((room for room in ROOMS if f"safepickle/{room}/" in name.replace(os.sep, "/")), "")
        if not room or summary["num_statements"] == 0:
            continue
        counts = rooms.setdefault(room, [0, 0, 0, 0])
        for index, key in enumerate(("covered_lines", "num_statements", "covered_branches", "num_branches")):
            counts[index] += summary[key]
        missing = row["missing_lines"]
        if missing:
            files.append({"file": name, "lines": round(summary["percent_statements_covered"], 1), "missing": missing})
    rows = [
        {"room": room, "lines": _share(c[0], c[1]), "branches": _share(c[2], c[3]), "statements": c[1]}
        for room, c in rooms.items()
    ]
    total = _share(sum(c[0] for c in rooms.values()), sum(c[1] for c in rooms.values()))
    entries = {kind: len(corpus.read(kind)) for kind in corpus.KINDS}
    if as_json:
        print(
            json.dumps({"rooms": rows, "lines": total, "files": files, "corpus": entries, "html": str(html),
                        "left_out": [*EXCLUDED, *_left_out()]}, indent=1)
        )
    else:
        for row in rows:
            print(
                f"{row['room']:12}{row['lines']:6.1f} % of {row['statements']} lines, "
                f"{row['branches']:5.1f} % of branches"
            )
        print(f"{'in all':12}{total:6.1f} % of lines, by {sum(entries.values()):,} inputs; {html}/index.html")
        for what, why in (*EXCLUDED, *_left_out()):
            print(f"  left out: {what}: {why}")
        for file in files:
            print(f"  {file['file']}: {file['lines']} %, not {_runs(file['missing'])}")
    return 1 if total < least else 0


def _share(part: int, whole: int) -> float:
    return 100.0 if whole == 0 else round(100 * part / whole, 2)


def _runs(lines: list[int]) -> str:
    return ", ".join(map(str, lines[:12])) + (" ..." if len(lines) > 12 else "")
