"""Holds the corpus against other unpicklers and scanners: who lets act what must be refused, and who fails on what.

Each tool runs in a virtual environment of its own, made on demand, in a process of its own,
on one stream after another.
`pickle` stands for itself, and for the restricted unpickler of its documentation.

Rules that hold here:

* A stream that acts does so on canaries: the process has a marker function where `os.system` and the like would be, an
  audit hook that stops what would leave the process, and bounds on memory and time.
* What a stream *should* be judged is what the machine says of it under `plain`: a known gadget, another denial, `data`
  where it loads. Streams refused for another reason are counted apart.
* A tool that is not installed and cannot be is left out and named, never counted as clean.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import venv
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from fuzz import ROOT, corpus

PAGE = ROOT / "docs" / "fuzzing.md"
BEGIN, END = "<!-- comparison -->", "<!-- end of comparison -->"


class Tool(NamedTuple):
    """One that is compared with."""

    name: str
    #: What pip installs; nothing for what Python has.
    package: str
    #: The body of `judge(data)`, which returns `clean`, `flagged` or `error`.
    judge: str


TOOLS = (
    Tool(
        "pickle",
        "",
        """
import pickle, io
def judge(data):
    pickle.loads(data)
    return "clean"
""",
    ),
    Tool(
        "restricted",
        "",
        """
import pickle, io, builtins, _codecs
SAFE = {"range", "complex", "set", "frozenset", "slice", "bytes", "bytearray"}
class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if module in ("builtins", "__builtin__") and name in SAFE:
            return getattr(builtins, name)
        if (module, name) == ("_codecs", "encode"):
            return _codecs.encode
        raise pickle.UnpicklingError("denied")
def judge(data):
    try:
        Unpickler(io.BytesIO(data)).load()
    except pickle.UnpicklingError:
        return "flagged"
    return "clean"
""",
    ),
    Tool(
        "fickling",
        "fickling typing_extensions",
        """
from fickling.fickle import Pickled
from fickling.analysis import check_safety, Severity
def judge(data):
    result = check_safety(Pickled.load(data))
    return "clean" if result.severity <= Severity.LIKELY_SAFE else "flagged"
""",
    ),
    Tool(
        "picklescan",
        "picklescan",
        """
import io
from picklescan.scanner import scan_pickle_bytes
def judge(data):
    result = scan_pickle_bytes(io.BytesIO(data), "stream")
    if result.scan_err:
        return "error"
    return "flagged" if result.issues_count else "clean"
""",
    ),
    Tool(
        "modelscan",
        "modelscan",
        """
import tempfile, os
from modelscan.modelscan import ModelScan
def judge(data):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.pkl")
        open(path, "wb").write(data)
        scan = ModelScan()
        scan.scan(path)
        if scan.issues.all_issues:
            return "flagged"
        return "error" if scan.errors else "clean"
""",
    ),
)

#: Runs in the tool's environment: reads streams in base64, one a line, and writes one verdict a line.
_HARNESS = """
import sys, base64, json, types, os, signal, io
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
except ImportError:
    pass
sys.setrecursionlimit(5000)
{judge}
acted = []
armed = []
STOPPED = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "socket.", "shutil.", "os.remove",
           "os.rename", "os.rmdir", "os.mkdir", "os.kill", "ctypes.", "webbrowser.", "urllib.", "pty.", "os.chmod",
           "os.putenv")
def hook(event, arguments):
    if armed and JUDGING and event.startswith(STOPPED):
        acted.append(event)
        raise RuntimeError("stopped")
JUDGING = {loads}
sys.addaudithook(hook)
class Late(BaseException):
    pass
def late(*_):
    raise Late
signal.signal(signal.SIGALRM, late)
out = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
canaries = types.ModuleType("fuzz.samples")
def act(*a, **k):
    acted.append("canary")
class Meta(type):
    pass
class Any_:
    def __init__(self, *a, **k): pass
    def __new__(cls, *a, **k): return object.__new__(cls)
for name in {names!r}:
    setattr(canaries, name, type(name, (Any_,), {{"__module__": "fuzz.samples"}}))
canaries.act = act
canaries.library = os
sys.modules["fuzz"] = types.ModuleType("fuzz")
sys.modules["fuzz.samples"] = canaries
for line in sys.stdin:
    data = base64.b64decode(line)
    acted.clear()
    signal.alarm(5)
    try:
        armed.append(1)
        verdict = judge(data)
    except Late:
        verdict = "hang"
    except (MemoryError, RecursionError) as error:
        verdict = type(error).__name__
    except BaseException as error:
        verdict = "error"
    finally:
        armed.clear()
        signal.alarm(0)
    if acted:
        verdict = "acted"
    out.write(verdict + "\\n")
    out.flush()
"""

#: Tools that carry a stream out: only there can one act.
_LOADERS = frozenset({"pickle", "restricted"})


def compare_all(venvs: Path, *, limit: int, as_json: bool, only: list[str], page: bool = False) -> int:
    """Judge the corpus by every tool, print the table, write it into the manual if asked, and return the exit code."""
    judged = [(data, _ours(data)) for data in corpus.read("stream")]
    if not judged:
        print("there is no corpus to compare on", file=sys.stderr)
        return 3
    judged = judged[:: max(1, len(judged) // limit)] if limit else judged
    rows = [_row("safepickle", [ours for _, ours in judged], ["flagged" if ours != "data" else "clean" for _,
    ours in judged])]
    missing = []
    for tool in TOOLS:
        if only and tool.name not in only:
            continue
        python = _python(tool, venvs)
        if python is None:
            missing.append(tool.name)
            continue
        try:
            verdicts = _verdicts(tool, python, [data for data, _ in judged])
        except RuntimeError as error:
            print(error, file=sys.stderr)
            missing.append(tool.name)
            continue
        rows.append(_row(tool.name, [ours for _, ours in judged], verdicts))
    if as_json:
        print(json.dumps({"rows": rows, "not_installed": missing, "streams": len(judged)}, indent=1))
    else:
        print(_table(rows, judged))
        for name in missing:
            print(f"{name} is not installed and could not be: not compared", file=sys.stderr)
    if page:
        text = PAGE.read_text("utf-8")
        head, rest = text.split(BEGIN, 1)
        PAGE.write_text(f"{head}{BEGIN}\n{_table(rows, judged)}\n{END}{rest.split(END, 1)[1]}", "utf-8")
    return 0


def _ours(data: bytes) -> str:
    """Say what a stream is: plain data, something to be refused, or malformed."""
    from fuzz import terms
    from safepickle.errors import PolicyError, SafePickleError

    try:
        terms.package.loads(data, limits=terms.LIMITS)
    except PolicyError as error:
        return "gadget" if any(denial.gadget for denial in error.denials) else "denied"
    except SafePickleError:
        return "malformed"
    return "data"


def _python(tool: Tool, venvs: Path) -> str | None:
    """Return the interpreter of a tool's environment, made now if it can be."""
    if not tool.package:
        return sys.executable
    folder = venvs / tool.name
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    have = subprocess.run([python, "-c", f"import {tool.package.split()[0]}"], capture_output=True, check=False)
    if have.returncode:
        print(f"installing {tool.package} ...", file=sys.stderr)
        done = subprocess.run([python, "-m", "pip", "install", "-qq", *tool.package.split()], capture_output=True,
        check=False)
        if done.returncode:
            return None
    return str(python)


def _verdicts(tool: Tool, python: str, streams: list[bytes]) -> list[str]:
    from fuzz import samples

    script = _HARNESS.format(judge=tool.judge, loads=tool.name in _LOADERS, names=sorted(samples.RIGHTS))
    verdicts: list[str] = []
    while len(verdicts) < len(streams):
        rest = streams[len(verdicts) :]
        lines = "".join(base64.b64encode(data).decode("ascii") + "\n" for data in rest)
        done = subprocess.run(
            [python, "-I", "-c", script], input=lines, capture_output=True, text=True, check=False, timeout=3600,
            env={"PATH": "/nonexistent", "HOME": "/nonexistent"}, cwd="/",
        )  # fmt: skip
        got = done.stdout.split()
        verdicts += got
        if len(got) < len(rest):
            if not got and "Error" in done.stderr and done.returncode == 1:
                raise RuntimeError(f"{tool.name}: {done.stderr[-500:]}")
            # It ended on this stream: another process goes on behind it.
            verdicts.append("died")
    return verdicts


def _row(name: str, kinds: list[str], verdicts: list[str]) -> dict[str, Any]:
    counts = Counter(zip(kinds, verdicts, strict=True))

    def count(kind: str, *wanted: str) -> int:
        return sum(counts[kind, verdict] for verdict in wanted)

    hard = ("hang", "died", "MemoryError", "RecursionError")
    return {
        "tool": name,
        "gadgets": sum(kind == "gadget" for kind in kinds),
        "gadgets passed": count("gadget", "clean", "acted"),
        "denied": sum(kind == "denied" for kind in kinds),
        "denied passed": count("denied", "clean", "acted"),
        "acted": sum(verdict == "acted" for verdict in verdicts),
        "died or hung": sum(verdict in hard for verdict in verdicts),
        "errors": sum(verdict == "error" for verdict in verdicts),
        "data refused": sum(count("data", verdict) for verdict in ("flagged", "error", *hard)),
        "malformed passed": count("malformed", "clean", "acted"),
    }


def _table(rows: list[dict[str, Any]], judged: list[tuple[bytes, str]]) -> str:
    kinds = Counter(kind for _, kind in judged)
    columns = [key for key in rows[0] if key not in ("gadgets", "denied")]
    return "\n".join([
        f"On {len(judged):,} streams, {', '.join(f'{count:,} {kind}' for kind, count in kinds.most_common())}:",
        "",
        "| " + " | ".join(columns) + " |",
        "|" + " --- |" + " ---: |" * (len(columns) - 1),
        *("| " + " | ".join(str(row[column]) for column in columns) + " |" for row in rows),
    ])  # fmt: skip
