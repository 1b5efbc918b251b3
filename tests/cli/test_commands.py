"""load and check: what is printed where, and with which exit code."""

from __future__ import annotations

import collections
import datetime as dt
import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from safepickle.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable


class Account:
    """A class of the user's, with and without fields that may be shown."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        raise AssertionError("the command line must not run this")


class Failing:
    def __setstate__(self, state: Any) -> None:
        raise ValueError("\x1b[31m no")


class Leaving:
    def __setstate__(self, state: Any) -> None:
        raise SystemExit(0)


class Runs:
    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write_file(data: Any, name: str = "file.pkl") -> str:
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else pickle.dumps(data, 4))
        return str(path)

    return write_file


@pytest.fixture
def policy(tmp_path: Path) -> str:
    """A policy file that allows this module's classes their state."""
    path = tmp_path / "policy.toml"
    names = ["Account", "Failing", "Leaving"]
    lines = ["schema = 1", 'name = "accounts"', "[globals]"]
    lines += [f'"{__name__}:{name}" = ["new", "build"]' for name in names]
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


HOSTILE = [Runs(os.system, "exit 3"), Runs(subprocess.Popen, ["false"]), Runs(collections.OrderedDict)]


def test_load_shows_plain_data(capsys: Any, write: Any) -> None:
    code, out, err = run(capsys, "load", write({"a": [1, 2.5, None, "x\x1b[2J"], (1,): b"\xff"}))
    assert (code, err) == (0, "")
    assert out == "{'a': [1, 2.5, None, 'x\\x1b[2J'], (1,): b'\\xff'}\n"


def test_load_under_a_pack(capsys: Any, write: Any) -> None:
    file = write([dt.date(2020, 1, 2), collections.OrderedDict(a=1)])
    assert run(capsys, "load", file)[0] == 1
    code, out, err = run(capsys, "load", file, "--policy", "stdlib")
    assert (code, err) == (0, "")
    assert out == "[datetime.date(2020, 1, 2), collections:OrderedDict({'a': 1})]\n"


def test_load_under_a_policy_file_shows_fields(capsys: Any, write: Any, policy: str) -> None:
    code, out, _ = run(capsys, "load", write(Account("Ada")), "--policy", policy)
    assert code == 0
    assert out == f"{__name__}:Account(name='Ada')\n"


def test_load_lists_all_that_is_refused(capsys: Any, write: Any) -> None:
    code, out, err = run(capsys, "load", write(HOSTILE), "--policy", "plain")
    assert code == 1
    assert out == ""
    system = f"{os.system.__module__}:system"
    assert "policy 'plain' refuses 3 globals" in err
    assert f"refused  {system}\n    right call: REDUCE at byte " in err
    assert "refused  subprocess:Popen\n" in err
    assert err.count("WARNING: known gadget") == 2
    # Only what is no gadget comes with the line that would allow it.
    assert err.count("to allow it") == 1
    assert "collections" in err.split("to allow it")[1]


def test_load_as_json(capsys: Any, write: Any) -> None:
    code, out, err = run(capsys, "load", "--format", "json", write({"a": (1, b"\x00")}))
    document = json.loads(out)
    assert (code, err, document["exit_code"], document["error"]) == (0, "", 0, None)
    assert document["policy"]["name"] == "plain"
    value = {"a": {"$type": "tuple", "items": [1, {"$type": "bytes", "base64": "AA=="}]}}
    assert document["pickles"] == [{"value": value}]


def test_denials_as_json(capsys: Any, write: Any) -> None:
    code, out, err = run(capsys, "load", "--format", "json", write(HOSTILE))
    document = json.loads(out)
    assert (code, err, document["outcome"]) == (1, "", "denied")
    assert document["pickles"] == []
    error = document["error"]
    assert error["type"] == "PolicyError"
    assert [denial["name"] for denial in error["denials"]] == ["system", "Popen", "OrderedDict"]
    for denial in error["denials"]:
        assert denial["right"] == "call"
        assert denial["opcode"] == "REDUCE"
        assert denial["position"] > 0
        assert (denial["gadget"] is None) == (denial["suggestion"] is not None)


@pytest.mark.parametrize("command", ["load", "check"])
@pytest.mark.parametrize(
    ("data", "options", "code"),
    [
        (b"", (), 4),
        (b"N", (), 4),
        (b"\xffN.", (), 4),
        (b"N.N.", (), 4),
        (b"cos\nsystem\n(S'x'\ntR.", (), 1),
        (b"K\x01K\x02\x86.", ("--limits", "max_opcodes=2"), 3),
        (b"K\x01K\x02\x86.", ("--limits", "max_bytes=2,max_depth=none"), 3),
        (b"N.", ("--limits", "max_size=2"), 2),
        (b"N.", ("--limits", "max_bytes=many"), 2),
        (b"N.", ("--limits", "max_bytes"), 2),
        (b"N.", ("--policy", "no_such_pack"), 2),
        (b"N.", ("--policy", "./no_such_file.toml"), 2),
        (b"N.", ("--encoding", "no-such"), 2),
        (b"N.", ("--no-such-option",), 2),
        (b"N.", ("--form", "json"), 2),
        (b"N.", (), 0),
        (b"N.K\x01.", ("--all",), 0),
        (b"N.K", ("--all",), 4),
        (b"", ("--all",), 4),
    ],
)
def test_exit_codes(capsys: Any, write: Any, command: str, data: bytes, options: Any, code: int) -> None:
    file = write(data)
    assert run(capsys, command, file, *options)[0] == code
    found, out, _ = run(capsys, command, "--format", "json", file, *options)
    assert found == code
    if out:
        assert json.loads(out)["exit_code"] == code
    else:
        assert code == 2  # argparse found it


@pytest.mark.parametrize("most", ["0", "-1", "many", "9" * 5000])
def test_nothing_to_show_is_said_in_words(capsys: Any, write: Any, most: str) -> None:
    code, out, err = run(capsys, "load", write(b"N."), f"--show={most}")
    assert (code, out) == (2, "")
    assert f"argument --show: not a number of at least 1: {most[:5]!r}"[:-1] in err
    assert len(err) < 2000


def test_a_file_that_is_not_there_is_said_once(capsys: Any, write: Any) -> None:
    code, _, err = run(capsys, "policy", "show", "./no_such.toml")
    assert (code, err) == (2, "safepickle: ./no_such.toml: cannot be read: No such file or directory\n")


def test_a_failing_class_has_its_own_code(capsys: Any, write: Any, policy: str) -> None:
    failing = Failing()
    failing.field = 1
    code, _, err = run(capsys, "load", write(failing), "--policy", policy)
    assert code == 5
    assert "ValueError" in err
    assert "\x1b" not in err


def test_a_class_cannot_choose_the_exit_code(capsys: Any, write: Any, policy: str) -> None:
    leaving = Leaving()
    leaving.field = 1
    assert run(capsys, "load", write(leaving), "--policy", policy)[0] == 5


def test_a_missing_file_is_unreadable(capsys: Any, tmp_path: Path) -> None:
    for command in ("load", "check", "dis"):
        assert run(capsys, command, str(tmp_path / "none.pkl"))[0] == 2
        assert run(capsys, command, str(tmp_path))[0] == 2


def test_a_policy_is_never_picked_up(capsys: Any, write: Any, policy: str, monkeypatch: Any) -> None:
    file = write(Account("Ada"))
    folder = Path(policy).parent
    for name in ("plain", "plain.toml", "safepickle.toml", "policy", "file.pkl.toml"):
        (folder / name).write_text(Path(policy).read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SAFEPICKLE_POLICY", policy)
    assert run(capsys, "load", file)[0] == 1
    assert run(capsys, "load", file, "--policy", "plain")[0] == 1
    assert run(capsys, "load", file, "--policy", "policy")[0] == 2


def test_policies_add_up(capsys: Any, write: Any, policy: str) -> None:
    file = write([Account("Ada"), dt.date(2020, 1, 2)])
    assert run(capsys, "load", file, "--policy", "stdlib")[0] == 1
    assert run(capsys, "load", file, "--policy", policy)[0] == 1
    assert run(capsys, "load", file, "--policy", "stdlib", "--policy", policy)[0] == 0


def test_several_pickles_in_one_file(capsys: Any, write: Any) -> None:
    file = write(pickle.dumps(1) + pickle.dumps([2]))
    code, _, err = run(capsys, "load", file)
    assert code == 4
    assert "--all" in err
    assert run(capsys, "load", file, "--all") == (0, "1\n\n[2]\n\n", "")
    document = json.loads(run(capsys, "load", file, "--all", "--format", "json")[1])
    assert document["pickles"] == [{"value": 1}, {"value": [2]}]


def test_standard_input(capsys: Any, monkeypatch: Any) -> None:
    for command, expected in (("load", "[1]\n"), ("check", "-: ok"), ("dis", "    0: \\x80")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pickle.dumps([1]))))
        code, out, _ = run(capsys, command, "-")
        assert code == 0
        assert out.startswith(expected)


def test_python_2_strings(capsys: Any, write: Any) -> None:
    file = write(b"U\x01\xe9.")
    assert run(capsys, "load", file)[0] != 0
    assert run(capsys, "load", file, "--encoding", "latin1")[:2] == (0, "'\\xe9'\n")
    assert run(capsys, "load", file, "--encoding", "bytes")[:2] == (0, "b'\\xe9'\n")


# -- check ---------------------------------------------------------------------------------------------


def test_check_acts_on_nothing(
    capsys: Any, write: Any, policy: str, tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "untouched_module.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    rules = tmp_path / "rules.toml"
    rules.write_text('schema = 1\n[globals]\n"untouched_module:Thing" = ["new", "build"]\n', encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    file = write(b"\x80\x02cuntouched_module\nThing\n)\x81}b.")
    code, out, _ = run(capsys, "check", file, "--policy", str(rules))
    assert code == 0
    assert "globals: untouched_module:Thing" in out
    assert "untouched_module" not in sys.modules
    assert run(capsys, "check", write(Failing()), "--policy", policy)[0] == 0


def test_check_of_several_files(capsys: Any, write: Any, tmp_path: Path) -> None:
    good, bad, cut = write([1], "good.pkl"), write(HOSTILE, "bad.pkl"), write(b"K", "cut.pkl")
    missing = str(tmp_path / "missing.pkl")
    code, out, err = run(capsys, "check", good, cut, bad, missing)
    assert (code, err) == (1, "")
    assert f"{good}: ok: " in out
    assert f"{bad}: denied\n  refused  " in out
    assert f"{cut}: malformed\n  TruncatedError: " in out
    assert f"{missing}: unreadable\n" in out
    assert out.endswith("4 files: 1 ok, 1 malformed, 1 denied, 1 unreadable\n")
    assert run(capsys, "check", good, cut)[0] == 4
    assert run(capsys, "check", cut, missing)[0] == 2
    assert run(capsys, "check", good, good)[0] == 0


def test_check_as_json(capsys: Any, write: Any) -> None:
    good, bad = write([1], "good.pkl"), write(HOSTILE, "bad.pkl")
    code, out, _ = run(capsys, "check", "--format", "json", good, bad)
    document = json.loads(out)
    assert (code, document["exit_code"]) == (1, 1)
    assert [file["outcome"] for file in document["files"]] == ["ok", "denied"]
    assert document["files"][0]["pickles"][0]["opcodes"] > 1
    assert len(document["files"][1]["pickles"][0]["denials"]) == 3


def test_check_goes_on_behind_a_denial(capsys: Any, write: Any) -> None:
    file = write(pickle.dumps(1) + pickle.dumps(HOSTILE[:1], 2) + pickle.dumps(HOSTILE[1:2], 2))
    code, out, _ = run(capsys, "check", "--all", file)
    assert code == 1
    assert "pickle 2:" in out
    assert "subprocess:Popen" in out


def test_check_and_inspect_count_the_same_calls(capsys: Any, write: Any) -> None:
    """Whether the policy allows them or not; none of them is made."""
    path = write([dt.date(2026, 1, 2), dt.date(2026, 1, 3), Account("x"), {1, 2}])
    main(["inspect", path])
    assert ", 3 calls" in capsys.readouterr().out
    for policy in ("plain", "stdlib"):
        main(["check", path, "--policy", policy, "--format", "json"])
        assert json.loads(capsys.readouterr().out)["files"][0]["pickles"][0]["calls"] == 3
    main(["check", write(dt.date(2026, 1, 2)), "--policy", "stdlib"])
    assert ", 1 call, globals: datetime:date" in capsys.readouterr().out


def test_what_cannot_be_imported_is_said_so(capsys: Any, write: Any, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('schema = 1\n[globals]\n"shop_elsewhere:Order" = ["refer"]\n')
    path = write(b"\x80\x04\x8c\x0eshop_elsewhere\x8c\x05Order\x93.")
    assert main(["check", path, "--policy", str(policy)]) == 0
    assert main(["load", path, "--policy", str(policy)]) == 5
    assert "is it installed, and on the path?" in capsys.readouterr().err


def test_check_without_files_is_usage(capsys: Any) -> None:
    assert run(capsys, "check")[0] == 2


def test_hostile_names_cannot_reach_the_terminal(capsys: Any, write: Any) -> None:
    name = "\x1b[2J\u202e\u00e9" + "x" * 1000
    data = (
        b"\x80\x04\x8c\x02os" + b"X" + len(name.encode()).to_bytes(4, "little") + name.encode() + b"\x93)R."
    )
    for command in ("load", "check", "dis"):
        _, out, err = run(capsys, command, write(data))
        assert (out + err).isascii()
        assert "\x1b" not in out + err
        assert all(len(line) < 500 for line in (out + err).splitlines())
