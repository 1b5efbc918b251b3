"""The examples of the pages run as they stand there: Python blocks one after another, commands with their exit codes.

The tutorial has a test of its own. A page with examples that is neither there nor here makes a test fail.
"""

from __future__ import annotations

import http
import pickle
import re
import shlex
import shutil
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import safepickle
from safepickle.auditing import UnenforcedWarning
from safepickle.cli.main import main

ROOT = Path(__file__).parents[2]
REAL = ROOT / "tests" / "real"
KEYS = "/etc/app/cache.keys"
TRIED = (
    "auditing", "index", "inspecting", "integrations", "migration", "packs", "signing", "tutorial", "types",
)  # fmt: skip


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page in a language."""
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with the files that the examples name, and go there."""
    monkeypatch.chdir(tmp_path)
    (policy,) = blocks("README.md", "toml")
    for name in ("cache.toml", "main.toml"):
        (tmp_path / name).write_text(policy, "utf-8")
    (tmp_path / "samples").mkdir()
    for number in range(3):
        (tmp_path / "samples" / f"{number}.pkl").write_bytes(pickle.dumps([http.HTTPStatus.OK, date(2026, 1, 2)]))
    assert main(["keys", "new", str(tmp_path / "cache.keys")]) == 0
    return tmp_path


def run(page: str, folder: Path, **names: Any) -> dict[str, Any]:
    """Run the Python blocks of a page in one namespace, with a key ring of the test's own."""
    for code in blocks(page, "python"):
        exec(compile(code.replace(KEYS, str(folder / "cache.keys")), page, "exec"), names)
    return names


def test_every_page_with_examples_is_tried() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found = {
        path.relative_to(ROOT).as_posix()
        for path in pages
        if re.search(r"^```python$", path.read_text("utf-8"), re.MULTILINE)
    }
    here = {f"docs/{name}.md" for name in TRIED}
    assert found == {"README.md", *here}


def test_readme(folder: Path) -> None:
    names = run("README.md", folder, data=pickle.dumps([1, 2]), value={"a": [1, 2]})
    codec = names["codec"]
    assert codec.loads(names["blob"], context="user:42", max_age=3600) == {"a": [1, 2]}
    assert codec.load_file("report.spk") == {"a": [1, 2]}
    assert (names["policy"].name, names["policy"].limits.max_bytes) == ("order cache", 16 << 20)


@pytest.mark.parametrize("policy", [*blocks("README.md", "toml"), (ROOT / "examples/cache.toml").read_text("utf-8")])
def test_the_example_of_a_policy_has_the_line_that_a_refusal_prints(policy: str) -> None:
    order = b"\x80\x04\x8c\x0bshop.orders\x8c\x05Order\x93)\x81}\x8c\x06numberK\x01sb."
    with pytest.raises(safepickle.PolicyError) as caught:
        safepickle.loads(order, policy=safepickle.Policy.packs("stdlib"))
    (line,) = caught.value.suggestions
    assert line in re.split(r"\n|    #", policy)
    assert not safepickle.survey(order, policy=safepickle.Policy.from_text(policy)).denials


def test_index(folder: Path) -> None:
    run("docs/index.md", folder, data=pickle.dumps([1, 2]))


def test_inspecting(folder: Path) -> None:
    """Each line of the example says in its comment what it gives."""
    (code,) = blocks("docs/inspecting.md", "python")
    names: dict[str, Any] = {}
    compared = 0
    for line in code.splitlines():
        statement, _, comment = line.partition("  #")
        if not comment:
            exec(statement, names)
        else:
            given = repr(eval(statement, names)).replace("'", '"')
            if comment.strip() != "for other programs":
                assert comment.strip().replace("'", '"').startswith(given)
                compared += 1
    assert compared == 5


def test_auditing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {"policy": safepickle.Policy.packs("stdlib")}
    with pytest.warns(UnenforcedWarning):
        run("docs/auditing.md", folder, **names)
    assert capsys.readouterr().out == "0 loads, 0 with denials, of which 0 went on\n"


def test_integrations(folder: Path) -> None:
    cache = run("docs/integrations.md", folder)["cache"]
    assert cache.loads(cache.dumps([1], context="k"), context="k") == [1]


def test_packs(folder: Path) -> None:
    pytest.importorskip("sklearn")
    shutil.copy(REAL / "joblib_pipeline.joblib", "model.joblib.gz")
    shutil.copy(REAL / "torch_training.pt", "model.pt")
    joblib_block, torch_block = blocks("docs/packs.md", "python")
    names: dict[str, Any] = {}
    exec(joblib_block, names)
    assert Path("copy.joblib.xz").exists()
    kept = [line for line in torch_block.splitlines() if "model." not in line.partition("(")[0]]
    exec("\n".join(kept), names)  # what is left out takes a model of torch's
    assert len(names["state"]) > 0


@pytest.mark.parametrize("page", ["signing", "migration"])
def test_blocks_and_commands_in_turn(folder: Path, page: str) -> None:
    """A command of a console block says in its comment with which code it ends."""
    shutil.copy(REAL / "plain_records.p4.pkl", "order.pkl")
    names: dict[str, Any] = {}
    if page == "migration":
        shutil.copy("cache.keys", "app.keys")
    commands = 0
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    for language, code in re.findall(r"^```(python|console)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language == "python":
            exec(compile(code, page, "exec"), names)
            continue
        for line in code.splitlines():
            command, _, expected = line.partition("# exit code ")
            assert (line, _run(command.removeprefix("$ "))) == (line, int(expected))
            commands += 1
    assert commands == {"signing": 10, "migration": 1}[page]


def test_types(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder))
    module, *others = blocks("docs/types.md", "python")
    Path("orders.py").write_text(module, "utf-8")
    names: dict[str, Any] = {}
    try:
        for code in others:
            exec(compile(code, "types.md", "exec"), names)
        assert names["order"].items[0].name == "tea"
    finally:
        sys.modules.pop("orders", None)


COMMANDS = {
    "docs/learning.md": [0, 0, 0, 0, 9],
    "docs/packs.md": [0, 0],
}


@pytest.mark.parametrize("page", COMMANDS)
def test_commands(folder: Path, page: str) -> None:
    if page == "docs/packs.md":
        pytest.importorskip("numpy")
    (folder / "models").mkdir()
    shutil.copy(REAL / "joblib_pipeline.joblib", "models/a.joblib")
    shutil.copy(REAL / "torch_training.pt", "checkpoint.pt")
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    assert [_run(line) for line in lines] == COMMANDS[page]


def _run(line: str) -> int:
    words = shlex.split(line, comments=True)
    assert words[0] == "safepickle"
    paths = [sorted(map(str, Path().glob(word))) if "*" in word else [word] for word in words[1:]]
    return main([path for some in paths for path in some])
