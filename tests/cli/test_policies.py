"""policy learn, lint, explain, show and diff, as commands."""

from __future__ import annotations

import datetime
import json
import pickle
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attacks.asm import REDUCE, TUPLE1, call, name, pickled, text

from safepickle.cli import policies
from safepickle.cli.main import main
from safepickle.inspection import inspect
from safepickle.policy import learning
from safepickle.policy.rules import Policy

GADGET = pickled(call(name("os", "system"), text("\x1b[31mid")))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code, out, err = run(capsys, *arguments, "--format", "json")
    assert err == ""
    document = json.loads(out)
    assert document["exit_code"] == code
    return code, document


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    values = [datetime.date(2020, 1, 2), [Decimal(1)], {"plain": 1}]
    paths = []
    for index, value in enumerate(values):
        path = tmp_path / f"{index}.pkl"
        path.write_bytes(pickle.dumps(value))
        paths.append(str(path))
    return paths


@pytest.fixture
def hostile(tmp_path: Path) -> str:
    path = tmp_path / "hostile.pkl"
    path.write_bytes(GADGET)
    return str(path)


def policy_file(tmp_path: Path, text_: str, name_: str = "policy.toml") -> str:
    path = tmp_path / name_
    path.write_text("schema = 1\n" + text_, "utf-8")
    return str(path)


# -- learn -----------------------------------------------------------------------------------------------------


def test_learn_then_load_and_lint(capsys: Any, tmp_path: Path, files: list[str]) -> None:
    out = str(tmp_path / "learned.toml")
    code, stdout, err = run(capsys, "policy", "learn", *files, "-o", out, "--name", "mine")
    assert (code, stdout) == (0, "")
    assert "learned 2 globals from 3 pickles" in err
    assert Policy.from_file(out).name == "mine"
    for file in files:
        assert run(capsys, "load", file, "--policy", out)[0] == 0
    assert run(capsys, "policy", "lint", out, "--corpus", *files)[0] == 0
    assert run(capsys, "policy", "learn", *reversed(files), "-o", "-", "--name", "mine")[1] == Path(out).read_text()


def test_learn_counts_what_it_wrote_itself(capsys: Any, tmp_path: Path, files: list[str]) -> None:
    """Not all that the packs beneath allow."""
    out = str(tmp_path / "learned.toml")
    _, _, err = run(capsys, "policy", "learn", *files, "-o", out, "--extends", "stdlib", "--extends", "numpy")
    assert "learned 0 globals from 3 pickles, on top of stdlib, numpy" in err
    _, document = as_json(capsys, "policy", "learn", *files, "-o", out, "--extends", "stdlib")
    assert document["globals"] == []


def test_a_word_that_is_no_pack_may_have_been_meant_as_a_file(capsys: Any) -> None:
    for command in (("policy", "show", "shop"), ("policy", "lint", "shop"), ("packs", "shop")):
        code, _, err = run(capsys, *command)
        assert (code, "a file is named by its path" in err) == (2, True)


def test_learn_marks_what_is_dangerous(capsys: Any, tmp_path: Path, files: list[str], hostile: str) -> None:
    out = str(tmp_path / "learned.toml")
    code, _, err = run(capsys, "policy", "learn", *files, hostile, "-o", out)
    assert code == 1
    assert "WARNING: known gadget" in err
    assert ("os", "system") not in Policy.from_file(out).rules
    assert "# WARNING: not allowed: os:system" in Path(out).read_text()
    code, document = as_json(capsys, "policy", "learn", *files, hostile, "-o", out)
    assert (code, document["withheld"][0]["path"], document["pickles"]) == (1, "root", 4)
    assert document["globals"][0] == {"module": "datetime", "name": "date", "rights": ["call"]}


def test_learn_writes_nothing_where_a_file_is_broken(capsys: Any, tmp_path: Path, files: list[str]) -> None:
    broken, out = tmp_path / "broken.pkl", tmp_path / "learned.toml"
    broken.write_bytes(b"\x80\x04N")
    out.write_text("before")
    code, _, err = run(capsys, "policy", "learn", *files, str(broken), "-o", str(out))
    assert (code, out.read_text()) == (4, "before")
    assert "--keep-going" in err
    code, document = as_json(capsys, "policy", "learn", *files, str(broken), "-o", str(out))
    assert (code, document["broken"][0]["file"], out.read_text()) == (4, str(broken), "before")
    code, _, err = run(capsys, "policy", "learn", *files, str(broken), "-o", str(out), "--keep-going")
    assert code == 4
    assert Policy.from_file(str(out)).rules
    assert run(capsys, "policy", "learn", str(broken), "-o", str(out), "--keep-going")[0] == 4
    assert run(capsys, "policy", "learn", str(tmp_path / "none"), "-o", str(out))[0] == 2


def test_learn_says_what_stays_refused(capsys: Any, tmp_path: Path, files: list[str]) -> None:
    """Contracts, and what packs constrain, hold whatever was learned."""
    path, out = tmp_path / "huge.pkl", str(tmp_path / "learned.toml")
    path.write_bytes(pickled(name("decimal", "Decimal"), text("1e999999999"), TUPLE1, REDUCE))
    for options in ([], ["--extends", "stdlib"]):
        code, _, err = run(capsys, "policy", "learn", *files, str(path), "-o", out, *options)
        assert (code, "huge.pkl: still refused" in err, "right call: REDUCE" in err) == (1, True, True)
        code, document = as_json(capsys, "policy", "learn", *files, str(path), "-o", out, *options)
        assert (code, [one["file"] for one in document["refused"]]) == (1, [str(path)])
        assert document["refused"][0]["denials"][0]["name"] == "Decimal"
        _, document = as_json(capsys, "policy", "learn", *files, "-o", out, *options)
        assert document["refused"] == []


def test_learn_from_several_pickles_in_one_file(capsys: Any, tmp_path: Path) -> None:
    path = tmp_path / "many.pkl"
    path.write_bytes(pickle.dumps(datetime.date(2020, 1, 2)) + pickle.dumps(Decimal(1)))
    assert run(capsys, "policy", "learn", str(path), "-o", "-")[0] == 4
    code, out, _ = run(capsys, "policy", "learn", str(path), "-o", "-", "--all")
    assert (code, len(tomllib.loads(out)["allow"])) == (0, 2)


def test_learn_on_top_of_a_pack(capsys: Any, files: list[str]) -> None:
    code, out, _ = run(capsys, "policy", "learn", *files, "-o", "-", "--extends", "stdlib")
    assert (code, tomllib.loads(out)["extends"]) == (0, ["stdlib"])
    assert "allow" not in tomllib.loads(out)
    assert run(capsys, "policy", "learn", *files, "-o", "-", "--extends", "nothing")[0] == 2
    assert run(capsys, "policy", "learn", *files, "-o", "-", "--format", "json")[0] == 2


# -- lint ------------------------------------------------------------------------------------------------------


def test_lint_warns(capsys: Any, tmp_path: Path) -> None:
    file = policy_file(tmp_path, '[globals]\n"copyreg:_reconstructor" = ["call"]\n"__main__:A" = ["new"]')
    code, out, _ = run(capsys, "policy", "lint", file)
    assert code == 9
    assert f"{file}:3: warning: copyreg:_reconstructor: " in out
    assert out.endswith("1 warning, 1 note\n")
    code, document = as_json(capsys, "policy", "lint", file, "stdlib")
    assert (code, document["outcome"]) == (9, "findings")
    assert {found["code"] for found in document["findings"]} >= {"hands-over-more", "main-module"}
    assert run(capsys, "policy", "lint", "stdlib")[0] == 0
    assert run(capsys, "policy", "lint", "nothing")[0] == 2


def test_lint_with_a_broken_corpus_is_no_answer(capsys: Any, tmp_path: Path, files: list[str]) -> None:
    broken = tmp_path / "broken.pkl"
    broken.write_bytes(b"\x80\x04N")
    code, out, err = run(capsys, "policy", "lint", "stdlib", "--corpus", *files, str(broken))
    assert (code, out) == (2, "")
    assert "broken.pkl" in err


# -- explain, show, diff ---------------------------------------------------------------------------------------


def test_explain(capsys: Any) -> None:
    code, out, _ = run(capsys, "policy", "explain", "decimal", "Decimal", "--policy", "stdlib")
    assert code == 0
    assert "decimal:Decimal: allowed by stdlib: " in out
    code, out, _ = run(capsys, "policy", "explain", "os", "system\x1b[31m")
    assert code == 1
    assert "denied by plain: no rule names it" in out
    assert "\x1b" not in out
    code, document = as_json(capsys, "policy", "explain", "functools", "partial")
    assert (code, document["allowed"], document["suggestion"]) == (1, False, "")


def test_show(capsys: Any, tmp_path: Path) -> None:
    file = policy_file(tmp_path, 'extends = ["stdlib"]\n[globals]\n"a:B" = ["call"]')
    code, out, _ = run(capsys, "policy", "show", file)
    assert code == 0
    shown = Policy.from_text(out)
    assert shown.fingerprint == Policy.from_file(file).fingerprint
    assert shown.fingerprint in out
    code, document = as_json(capsys, "policy", "show", file)
    assert (code, document["content"]["globals"]["a:B"]) == (0, ["call"])
    assert run(capsys, "policy", "show", "nothing")[0] == 2


def test_diff(capsys: Any, tmp_path: Path) -> None:
    narrow = policy_file(tmp_path, '[globals]\n"a:B" = ["call"]')
    wide = policy_file(tmp_path, '[globals]\n"a:B" = ["call", "refer"]', "wide.toml")
    assert run(capsys, "policy", "diff", narrow, narrow)[:2] == (0, "no difference\n")
    code, out, _ = run(capsys, "policy", "diff", narrow, wide)
    assert code == 9
    assert "~ rule a:B: call -> refer call  (allows more)" in out
    code, document = as_json(capsys, "policy", "diff", wide, narrow)
    assert (code, document["allows_more"], document["outcome"]) == (10, False, "differs")
    assert run(capsys, "policy", "diff", wide, "nothing")[0] == 2


def test_help(capsys: Any) -> None:
    code, _, err = run(capsys, "policy")
    assert code == 2
    assert "usage: safepickle policy" in err
    for command in ("learn", "lint", "explain", "show", "diff"):
        code, out, _ = run(capsys, "policy", command, "--help")
        assert code == 0
        assert f"  safepickle policy {command} " in out
        assert "--format" in out


def test_learning_many_globals_looks_each_up() -> None:
    """In a set: a tuple of them, asked for each, takes the square of their number."""

    class Once(tuple[Any, ...]):
        __slots__ = ()

        def __contains__(self, item: object) -> bool:
            raise AssertionError("looked through from the start")

    learner = learning.Learner()
    learner.add(inspect(pickled(*(call(name("a", f"n{number}")) + b"0" for number in range(3)), b"N")))
    learned = learner.finish()
    shown = policies._learned_json(learned._replace(globals=Once(learned.globals)), "-")
    assert [one["name"] for one in shown["globals"]] == ["n0", "n1", "n2"]
