"""The site: pages made from the sources agree with them, the tutorial works as it stands, and Sphinx builds it all."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from safepickle.cli.main import main
from safepickle.policy.lint import CODES

DOCS = Path(__file__).parents[2] / "docs"


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["policy-reference.md", "hazards.md"])
def test_pages_are_made_from_the_sources(page: str) -> None:
    made = _module(DOCS / "make_policy.py").pages()
    assert (DOCS / page).read_text("utf-8") == made[page], "run python docs/make_policy.py"


def test_the_table_of_lint_codes_is_the_one_in_the_code() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (warning|note) \|", (DOCS / "learning.md").read_text("utf-8"), re.MULTILINE)
    assert dict(rows) == {code: level for code, (level, _) in CODES.items()}


def test_every_page_is_in_the_table_of_contents() -> None:
    index = (DOCS / "index.md").read_text("utf-8")
    listed = set(re.findall(r"^([a-z-]+)$", index, re.MULTILINE))
    assert listed == {path.stem for path in DOCS.glob("*.md")} - {"index"}


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the code blocks of a page with their languages."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_tutorial_works_as_it_stands(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    names: dict[str, Any] = {"__name__": "tutorial"}
    commands = 0
    try:
        for language, code in blocks("tutorial.md"):
            if language == "python" and code.startswith("# file: "):
                (tmp_path / code.split()[2]).write_text(code, "utf-8")
            elif language == "python":
                exec(compile(code, "tutorial.md", "exec"), names)
            elif language == "console":
                commands += code.count("$ safepickle")
                for line in code.splitlines():
                    run(line, capsys)
            elif language == "text":
                # What was printed last has these lines.
                assert main(["load", "samples/1.pkl"]) == 1
                assert code in capsys.readouterr().err
        assert commands == 7
        learned = names["Path"]("shop.toml").read_text("utf-8")
        assert "max_instances" in learned
    finally:
        sys.modules.pop("shop", None)


def run(line: str, capsys: Any) -> None:
    """Run one line of a console block, and hold it to the exit code that it names."""
    command, _, expected = line.partition("# exit code ")
    words = shlex.split(command.removeprefix("$ safepickle "))
    arguments = [path for word in words for path in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]
    code = main(arguments)
    captured = capsys.readouterr()
    assert code == int(expected), captured.out + captured.err


def test_the_tutorial_learns_the_state(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """What the tutorial says of the learned file: short, and with the state of its classes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    python = [code for language, code in blocks("tutorial.md") if language == "python"]
    try:
        (tmp_path / "shop.py").write_text(python[0], "utf-8")
        exec(compile(python[1], "tutorial.md", "exec"), {"__name__": "tutorial"})
        run("$ safepickle policy learn samples/*.pkl --extends stdlib -o shop.toml # exit code 0", capsys)
    finally:
        sys.modules.pop("shop", None)
    text = Path("shop.toml").read_text("utf-8")
    assert text.count("[allow.state]") == 2
    assert "datetime" not in text


def test_sphinx_builds_it_without_a_warning(tmp_path: Path) -> None:
    for package in ("sphinx", "furo", "myst_parser"):
        pytest.importorskip(package)
    built = subprocess.run(
        [sys.executable, "-P", "-m", "sphinx", "-q", "-W", "-b", "html", str(DOCS), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "out" / "tutorial.html").is_file()
