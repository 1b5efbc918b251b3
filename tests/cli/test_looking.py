"""inspect, and JSON of the commands that had none."""

from __future__ import annotations

import datetime
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from attacks.asm import call, name, pickled, text

from safepickle.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code, out, _ = run(capsys, *arguments, "--format", "json")
    document = json.loads(out)
    assert document["exit_code"] == code
    assert document["command"] == arguments[0]
    return code, document


class Point:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"when": datetime.date(2020, 1, 2), "point": Point(x=[1])}, 2))
    return str(path)


def written(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "b.pkl"
    path.write_bytes(data)
    return str(path)


def test_inspect_shows_what_is_asked_for(capsys: Any, file: str) -> None:
    code, out, err = run(capsys, "inspect", file)
    assert (code, err) == (0, "")
    assert "'when': datetime:date(b'\\x07\\xe4\\x01\\x02')" in out
    assert "Point(<state>={'x': [1]})" in out
    assert "#   datetime:date  call  (byte " in out
    assert "root['when'])" in out


def test_inspect_warns_and_escapes(capsys: Any, tmp_path: Path) -> None:
    data = pickled(call(name("os", "system"), text("\x1b[31m")) + b"0" + name("a\x1b[31m\nforged", "b"))
    code, out, _ = run(capsys, "inspect", written(tmp_path, data))
    assert code == 0
    assert "\x1b" not in out
    assert "WARNING: known gadget" in out
    assert "<dropped>" in out
    assert "forged" not in [line.strip() for line in out.splitlines()]


def test_inspect_as_json(capsys: Any, file: str, tmp_path: Path) -> None:
    code, document = as_json(capsys, "inspect", file)
    assert code == 0
    (tree,) = document["pickles"]
    assert tree["value"]["when"]["callee"]["name"] == "date"
    assert tree["needs"][0] == {"module": "datetime", "name": "date", "rights": ["call"], "hazard": None}
    code, document = as_json(capsys, "inspect", written(tmp_path, b"N"))
    assert (code, document["error"]["type"], document["pickles"]) == (4, "TruncatedError", [])


def test_inspect_several(capsys: Any, tmp_path: Path) -> None:
    path = written(tmp_path, b"N.K\x01.(K\x01K\x02l.")
    assert run(capsys, "inspect", path)[0] == 4
    code, document = as_json(capsys, "inspect", path, "--all")
    assert (code, [tree["value"] for tree in document["pickles"]]) == (0, [None, 1, [1, 2]])
    assert run(capsys, "inspect", written(tmp_path, b""), "--all")[0] == 4
    assert run(capsys, "inspect", str(tmp_path / "none"))[0] == 2


def test_inspect_shows_every_kind_of_record(capsys: Any, tmp_path: Path) -> None:
    deep = call(name("a", "f"), b"](K\x01e") + b"](K\x02e" + b"b" + b"(K\x03K\x04u" + b"(K\x05e" + b"(K\x06\x90"
    data = b"\x80\x05](" + deep + text("id") + b"Q" + b"\x97" + name("a", "g") + b"]}b" + b"e."
    code, out, _ = run(capsys, "inspect", written(tmp_path, data))
    assert code == 0
    assert "a:f([1], <state>=[2], <items>={3: 4}, <append>=[5], <add>=[6])" in out
    assert "persistent id('id')" in out
    assert "<out-of-band buffer 0>" in out
    assert "<global a:g>" in out
    assert "1 operations on what is no instance" in out


def test_denials_are_shown_with_their_places(capsys: Any, file: str) -> None:
    for command in ("load", "check"):
        code, out, err = run(capsys, command, file)
        assert code == 1
        assert "no rule names it at root['when']" in out + err
        code, document = as_json(capsys, command, file)
        denials = document["error"]["denials"] if command == "load" else document["files"][0]["pickles"][0]["denials"]
        assert denials[0]["path"] == "root['when']"


def test_a_suggestion_for_a_built_in_says_only_what_is_missing(capsys: Any, tmp_path: Path) -> None:
    path = written(tmp_path, pickled(call(name("builtins", "bytearray"), b"J\x00\x00\x00\x7f")))
    code, out, _ = run(capsys, "check", "--policy", "stdlib", path)
    assert code == 1
    assert '"builtins:bytearray" = ["call"]' in out


def test_trailing_bytes_are_said_beside_denials(capsys: Any, tmp_path: Path) -> None:
    code, out, _ = run(capsys, "check", written(tmp_path, b"ca\nB\n.more"))
    assert code == 1
    assert "TrailingDataError" in out


def test_dis_as_json(capsys: Any, tmp_path: Path) -> None:
    path = written(tmp_path, b"\x80\x02X\xc8\x00\x00\x00" + b"x" * 200 + b"q\x00c" + b"a\nB\n0.")
    code, document = as_json(capsys, "dis", path)
    assert code == 0
    (steps,) = document["pickles"]
    assert steps[0] == {"position": 0, "opcode": "PROTO", "argument": 2, "note": None}
    assert steps[1]["argument"] == {"$type": "str", "value": "x" * 80, "omitted": 120}
    assert steps[3]["argument"] == {"module": "a", "name": "B"}
    code, document = as_json(capsys, "dis", path, "--full")
    assert document["pickles"][0][1]["argument"] == "x" * 200
    code, document = as_json(capsys, "dis", written(tmp_path, b"Nt."))
    assert (code, document["pickles"][0][-1]["opcode"], document["error"]["type"]) == (4, "TUPLE", "FormatError")
    code, document = as_json(capsys, "dis", written(tmp_path, b"N.N."))
    assert (code, document["more"], len(document["pickles"])) == (0, True, 1)
    code, document = as_json(capsys, "dis", written(tmp_path, b"N.N."), "--all")
    assert (document["more"], len(document["pickles"])) == (False, 2)
    code, document = as_json(capsys, "dis", str(tmp_path / "none"))
    assert code == 2


def test_optimize_as_json(capsys: Any, file: str, tmp_path: Path) -> None:
    out = str(tmp_path / "out.pkl")
    code, document = as_json(capsys, "optimize", file, "-o", out)
    assert code == 0
    assert document["bytes_out"] == len(Path(out).read_bytes()) < document["bytes_in"]
    code, document = as_json(capsys, "optimize", file, "-o", "-")
    assert (code, document["error"]["type"]) == (2, "UsageError")
    code, document = as_json(capsys, "optimize", written(tmp_path, b"N"), "-o", out)
    assert code == 4


def test_packs_as_json(capsys: Any) -> None:
    code, document = as_json(capsys, "packs")
    assert code == 0
    assert {pack["pack"] for pack in document["packs"]} >= {"plain", "stdlib"}
    assert all(pack["description"].endswith(".") for pack in document["packs"])
    code, document = as_json(capsys, "packs", "stdlib")
    assert {"datetime"} <= {rule["module"] for rule in document["rules"]}
    code, document = as_json(capsys, "packs", "nothing")
    assert (code, document["error"]["type"]) == (2, "PolicyFileError")


def test_keywords_that_are_no_text_are_shown(capsys: Any, tmp_path: Path) -> None:
    late = name("a", "B") + b")}" + b"\x94\x92" + b"h\x00K\x05Ns" + b"\x86"
    code, out, _ = run(capsys, "inspect", written(tmp_path, pickled(late)))
    assert code == 0
    assert "?=None" in out
