"""The security checks, taken out one by one: each must be missed by a test.

`checks.toml` lists them: the text in the sources, what stands there when the check is out, and a test that
fails then. Run as a script, this module copies the package, takes the checks out of the copy one at a time,
runs each one's test on it and reports every check that nobody misses; it takes some minutes. The tests must
pass before: one that fails anyway misses nothing.
`test_checks_matter.py` holds the list to the sources, and the page `docs/security-checks.md` to the list.

    python tests/attacks/checks.py [--page | name ...]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
#: Seconds after which a test hangs: many checks are there so that nothing does.
TIMEOUT = 60
#: Stands for the exit code of a test that hangs.
HANGS = -1
PAGE = ROOT / "docs" / "security-checks.md"


class Check(NamedTuple):
    """One check, and the test that misses it."""

    name: str
    #: Source file, below `safepickle/`.
    file: str
    #: The text that is the check; it occurs there.
    code: str
    #: The text in its place when the check is out.
    instead: str
    #: File and function of a test that fails then, and its parameters if it has any.
    test: str


def checks() -> list[Check]:
    """Return the list."""
    rows = tomllib.loads((HERE / "checks.toml").read_text("utf-8"))["check"]
    return [Check(**row) for row in rows]


def page() -> str:
    """Return the page for readers."""
    lines = [
        "# Security checks and the tests that miss them",
        "",
        "Each row is a check in the sources. Taking it out makes the test fail, which",
        "`python tests/attacks/checks.py` tries for all of them; with `--page` it makes this page.",
        "",
        "| check | in | missed by |",
        "| --- | --- | --- |",
    ]
    for check in checks():
        test = check.test.replace("|", "\\|")
        lines.append(f"| {check.name} | `{check.file}` | `{test}` |")
    return "\n".join(lines) + "\n"


def unmissed(chosen: list[Check]) -> Iterator[Check]:
    """Take each check out of a copy of the package and yield those whose test passes all the same."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("safepickle", "policies", "tests"):
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", root)
        for check in chosen:
            if _code_of(root, check.test) != 0:
                sys.stdout.write(f"fails with nothing taken out: {check.test}\n")
                yield check
                continue
            source = root / "safepickle" / check.file
            text = source.read_text("utf-8")
            source.write_text(text.replace(check.code, check.instead), "utf-8")
            # 1 is "tests failed"; anything else, such as "no such test", tells nothing.
            missed = _code_of(root, check.test) in (1, HANGS)
            source.write_text(text, "utf-8")
            if not missed:
                yield check


def _code_of(root: Path, test: str) -> int:
    """Run a test in a copy of the package and return pytest's exit code, or that it hangs."""
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/attacks/{test}"]
    try:
        return subprocess.run(
            command, cwd=root, env=environment, capture_output=True, check=False, timeout=TIMEOUT
        ).returncode
    except subprocess.TimeoutExpired:
        return HANGS


def main(*arguments: str) -> int:
    """Run the checks, or write the page."""
    if arguments == ("--page",):
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(), "utf-8")
        return 0
    chosen = [check for check in checks() if not arguments or check.name in arguments]
    failed = 0
    for check in unmissed(chosen):
        failed += 1
        sys.stdout.write(f"nobody misses {check.name!r} ({check.file}; {check.test})\n")
    sys.stdout.write(f"{len(chosen) - failed} of {len(chosen)} checks are missed when they are taken out\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
