# ruff: noqa: E501 (tables of cases, one beside the other)
"""Constraints in policy files: what is written is what is asked, and what cannot be is told with line and key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from safepickle.errors import PolicyFileError
from safepickle.policy import building, model, packs
from safepickle.policy.guards import Looking
from safepickle.policy.rules import Policy, Right
from safepickle.policy.specs import VALUE_KEYS

ALLOW = 'schema = 1\n[[allow]]\nmodule = "m"\nnames = ["C"]\nrights = ["call", "new", "build"]\n'
free = Looking()


def rule(text: str) -> Any:
    found = Policy.from_text(ALLOW + text).lookup("m", "C")
    assert found is not None
    return found


def refusal(text: str, *args: Any, **kwargs: Any) -> str | None:
    found: str | None = rule(text).call_guard.check(args, kwargs, free)
    return found


def state_refusal(text: str, state: Any) -> str | None:
    found: str | None = rule(text).state_guard.check(state, free)
    return found


class Impostor(str):
    """Says that it is whatever one asks."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise AssertionError("asked")

    __hash__ = str.__hash__

    def __len__(self) -> int:
        raise AssertionError("asked")

    @property
    def __class__(self) -> Any:
        raise AssertionError("asked")


# Constraint, values that pass, values that do not and a part of what is said.
VALUES = [
    ("'int'", [0, -1, 2**70], [(True, "wants int, got bool"), (1.0, "got float"), ("1", "got str"), (None, "got none")]),
    ("{ type = 'int', min = 0, max = 9 }", [0, 9], [(-1, "wants int from 0 to 9"), (10, "0 to 9"), (True, "bool")]),
    ("{ type = 'float', max = 1.5 }", [1.5, float("-inf")], [(1.6, "of at most 1.5"), (float("nan"), "at most")]),
    ("'bool'", [True], [(1, "got int")]),
    ("'none'", [None], [(0, "got int")]),
    ("'any'", [None, [1], Impostor("x")], []),
    ("{ type = 'str', min_length = 1, max_length = 3 }", ["a", "abc"], [("", "1 to 3, has 0"), ("abcd", "has 4"), (b"a", "bytes")]),
    ("{ type = 'str', pattern = '[a-z]+(?:-[0-9]{2})?' }", ["ab-12"], [("ab-1", "matching"), ("ab\n", "matching"), ("", "matching")]),
    ("{ type = 'str', pattern = 'a*' }", ["a" * 256], [("a" * 257, "has 257")]),
    ("{ type = 'bytes', pattern = 'b' }", [b"b"], [(b"c", "matching"), ("b", "got str")]),
    ("{ enum = ['a', 1, true] }", ["a", 1, True], [(1.0, "one of"), ("b", "'a', 1, True"), ([], "one of"), (Impostor("a"), "one of")]),
    ("{ enum = [1] }", [1], [(True, "one of 1"), (1.0, "one of 1")]),
    ("['int', 'none']", [1, None], [("x", "(int) or (none), got str")]),
    ("{ type = ['int', 'none'] }", [1, None], [("x", "got str")]),
    ("{ type = 'list', max_length = 2, items = 'int' }", [[], [1, 2]], [([1, "x"], "[1]: wants int, got str"), ([1] * 3, "up to 2, has 3"), ((1,), "got tuple")]),
    ("{ type = 'list', items = { type = 'list', items = 'int' } }", [[[1]]], [([[1], [2, None]], "[1][1]: wants int, got none")]),
    ("{ type = 'tuple', elements = ['int', 'str'] }", [(1, "a")], [((1,), "2 elements, has 1"), ((1, 2), "[1]: wants str"), ([1, "a"], "got list")]),
    ("{ type = 'tuple', elements = [] }", [()], [((1,), "0 elements")]),
    ("{ type = 'set', items = 'int' }", [{1}], [({"a"}, "wants int"), (frozenset(), "got frozenset")]),
    ("{ type = 'dict', keys = 'str', values = 'int' }", [{"a": 1}], [({1: 1}, "key 1: wants str"), ({"a": "b"}, "['a']: wants int"), ([], "got list")]),
    ("{ type = 'dict', max_length = 1 }", [{"a": 1}], [({1: 1, 2: 2}, "up to 1, has 2")]),
    (
        "{ type = 'dict', fields = { a = 'int', b = { type = 'str', optional = true } } }",
        [{"a": 1}, {"a": 1, "b": "x"}],
        [({}, "'a' is missing"), ({"a": 1, "c": 2}, "'c' is not one of a, b"), ({"a": 1, "b": 2}, "['b']: wants str"), ({Impostor("a"): 1}, "not one of")],
    ),
    ("'pathlib:PurePosixPath'", [__import__("pathlib").PurePosixPath("a")], [("a", "wants pathlib:PurePosixPath, got str"), (Path("a"), "got PosixPath")]),
    ("{ type = 'pathlib:PurePath', derived = true }", [Path("a")], [("a", "or derived")]),
    ("{ is = 'builtins:dict' }", [dict], [({}, "wants the global builtins:dict"), (list, "the global")]),
    ("{ is = ['builtins:dict', 'builtins:list'] }", [dict, list], [(set, "builtins:dict or builtins:list")]),
    ("{ is = 'builtins:dict', derived = true }", [dict, __import__("collections").Counter], [(list, "derived"), ({}, "derived")]),
    ("'no_such_module:Class'", [], [(1, "wants no_such_module:Class")]),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "good", "bad"), VALUES, ids=[row[0] for row in VALUES])
def test_a_value_is_held_to_its_constraint(spec: str, good: list[Any], bad: list[Any]) -> None:
    text = f"args = [{spec}]"
    for value in good:
        assert refusal(text, value) is None, value
    for value, part in bad:
        said = refusal(text, value)
        assert said is not None, value
        assert said.startswith("args[0]")
        assert part in said
        assert said.isprintable()


@pytest.mark.parametrize(
    ("text", "args", "kwargs", "part"),
    [
        ("args = []", (1,), {}, "wants 0 arguments, has 1"),
        ("args = ['int']", (), {}, "wants 1 argument, has 0"),
        ("args = ['int', { type = 'str', optional = true }]", (1,), {}, None),
        ("args = ['int', { type = 'str', optional = true }]", (1, 2), {}, "args[1]: wants str"),
        ("args = ['int', { type = 'str', optional = true }]", (1, "a", 3), {}, "1 to 2 arguments, has 3"),
        ("args = ['int']\nrest = 'str'", (1, "a", "b"), {}, None),
        ("args = ['int']\nrest = 'str'", (1, "a", 2), {}, "args[2]: wants str"),
        ("rest = 'int'", (), {}, None),
        ("args = ['int']", (1,), {"x": 1}, "'x' is not one of none"),
        ("kwargs = { x = 'int' }", (), {"x": 1}, None),
        ("kwargs = { x = 'int' }", (1,), {"x": 1}, "wants 0 arguments, has 1"),
        ("kwargs = { x = 'int' }", (), {}, "'x' is missing"),
        ("kwargs = { x = { type = 'int', optional = true } }", (), {}, None),
        ("kwargs = { x = 'int' }", (), {"x": "a"}, "kwargs['x']: wants int, got str"),
        ("kwargs = { x = 'int' }", (), {"x": 1, "y": 2}, "'y' is not one of x"),
    ],
)
def test_arguments(text: str, args: Any, kwargs: Any, part: str | None) -> None:
    said = refusal(text, *args, **kwargs)
    assert said is None if part is None else part in (said or "")


@pytest.mark.parametrize(
    ("text", "state", "part"),
    [
        ("state = { x = 'int' }", {"x": 1}, None),
        ("state = { x = 'int' }", ({"x": 1}, None), None),
        ("state = { x = 'int', y = 'int' }", ({"x": 1}, {"y": 2}), None),
        ("state = { x = 'int', y = 'int' }", ({"x": 1}, {"y": "a"}), ".y: wants int, got str"),
        ("state = { x = 'int' }", ({"x": 1}, {"x": 1}), "twice"),
        ("state = { x = 'int' }", ({"x": 1}, 7), "wants attributes, got int"),
        ("state = { x = 'int' }", {"x": "a"}, ".x: wants int, got str"),
        ("state = { x = 'int' }", {"x": 1, "y": 1}, "'y' is not one of x"),
        ("state = { x = 'int' }", {}, "'x' is missing"),
        ("state = { x = { type = 'int', optional = true } }", {}, None),
        ("state = { x = { type = 'list', items = 'int' } }", {"x": [1, None]}, ".x[1]: wants int"),
        ("state = {}", {"x": 1}, "'x' is not one of none"),
        ("state = { x = 'int' }", [1], "wants attributes, got list"),
        ("state = { x = 'int' }", {1: 1}, "1 is not one of x"),
        ("state_value = { type = 'tuple', elements = ['int'] }", (1,), None),
        ("state_value = { type = 'tuple', elements = ['int'] }", ("a",), "state[0]: wants int"),
        ("state_value = { type = 'dict', fields = { __dict__ = 'int' } }", {"__dict__": 1}, None),
    ],
)
def test_state(text: str, state: Any, part: str | None) -> None:
    said = state_refusal(text, state)
    assert said is None if part is None else part in (said or "")


# What is wrong, the line and key, and a part of the message.
WRONG = [
    ("args = 1", 6, "allow[0].args", "list"),
    ("args = ['integer']", 6, "allow[0].args[0].type", "no such type: 'integer' (there are none, bool, int"),
    ("args = [{}]", 6, "allow[0].args[0]", "exactly one of type, enum, any_of, is"),
    ("args = [{ type = 'int', enum = [1] }]", 6, "allow[0].args[0]", "exactly one of"),
    ("args = [{ type = 'int', mim = 1 }]", 6, "allow[0].args[0].mim", "no such key: 'mim' (there are type, min"),
    ("args = [{ type = 'int', min = 'a' }]", 6, "allow[0].args[0].min", "wants a number"),
    ("args = [{ type = 'int', min = 2, max = 1 }]", 6, "allow[0].args[0]", "min = 2 is above max = 1"),
    ("args = [{ type = 'int', max_length = 1 }]", 6, "allow[0].args[0].max_length", "does not go with int (what goes: min, max)"),
    ("args = [{ type = 'str', min_length = 2, max_length = 1 }]", 6, "allow[0].args[0]", "above max_length"),
    ("args = [{ type = 'str', min_length = -1 }]", 6, "allow[0].args[0].min_length", "greater than or equal to 0"),
    ("args = [{ type = 'str', pattern = '(a+)+' }]", 6, "allow[0].args[0]", "outside the subset"),
    ("args = [{ type = 'str', pattern = '(?:a+)+' }]", 6, "allow[0].args[0]", "for ever"),
    ("args = [{ type = 'list', elements = ['int'], items = 'int' }]", 6, "allow[0].args[0].items", "does not go with elements"),
    ("args = [{ type = 'm.C' }]", 6, "allow[0].args[0].type", "no such type"),
    ("args = [{ type = 'm:*' }]", 6, "allow[0].args[0].type", "no globs"),
    ("args = [{ is = 'dict' }]", 6, "allow[0].args[0].is", "with a colon"),
    ("args = [{ enum = [] }]", 6, "allow[0].args[0].enum", "wants texts"),
    ("args = [{ enum = [[1]] }]", 6, "allow[0].args[0].enum[0]", "wants texts"),
    ("args = [[]]", 6, "allow[0].args[0].any_of", "at least one"),
    ("args = [{ type = 'int', optional = true }, 'int']", 6, "allow[0].args[1]", "has to be there follows"),
    ("kwargs = { __class__ = 'int' }", 6, "allow[0].kwargs.__class__", "dunder"),
    ("state = { __class__ = 'int' }", 6, "allow[0].state.__class__", "dunder"),
    ("[allow.state]\nx = 'int'\n__y__ = 'int'", 8, "allow[0].state.__y__", "dunder"),
    ("[allow.state.x]\ntype = 'int'\nmin = 'a'", 8, "allow[0].state.x.min", "wants a number"),
    ("state = {}\nstate_value = 'int'", 7, "allow[0].state_value", "give one"),
    ("max_instances = 0", 6, "allow[0].max_instances", "greater than or equal to 1"),
    ("max_instances = 1.5", 6, "allow[0].max_instances", "integer"),
    ("classes = 'all'", 6, "allow[0].classes", "defined here"),
    ("args = [" + "[" * 12 + "'int'" + "]" * 12 + "]", 6, None, "more than 10 deep"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "key", "part"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_told(text: str, line: int, key: str | None, part: str) -> None:
    with pytest.raises(PolicyFileError) as caught:
        Policy.from_text(ALLOW + text)
    assert part in caught.value.reason
    assert caught.value.line == line
    assert key is None or caught.value.key == key
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("rights", "text", "word"),
    [
        (["build"], "args = []", "args"),
        (["refer"], "max_instances = 1", "max_instances"),
        (["call"], "state = {}", "state"),
        (["new"], "state_value = 'int'", "state_value"),
    ],
)
def test_a_constraint_of_what_is_not_allowed_is_an_error(rights: list[str], text: str, word: str) -> None:
    with pytest.raises(PolicyFileError, match="constrains what is not allowed here") as caught:
        Policy.from_text(f'schema = 1\n[[allow]]\nmodule = "m"\nnames = ["C"]\nrights = {rights}\n{text}')
    assert caught.value.key == f"allow[0].{word}"


def test_rows_without_names_say_nothing() -> None:
    with pytest.raises(PolicyFileError, match="wants names"):
        Policy.from_text('schema = 1\n[[allow]]\nmodule = "m"\nrights = ["call"]')


@pytest.mark.parametrize("module", ["builtins", "os", "sys"])
def test_no_filter_for_modules_of_gadgets(module: str) -> None:
    with pytest.raises(PolicyFileError, match="not for all classes"):
        Policy.from_text(f'schema = 1\n[[allow]]\nmodule = "{module}"\nclasses = "defined here"\nrights = ["call"]')


def test_a_filter_accepts_no_gadget() -> None:
    with pytest.raises(PolicyFileError, match="by its name alone"):
        Policy.from_text(
            'schema = 1\n[[allow]]\nmodule = "m"\nclasses = "defined here"\nrights = ["call"]\naccept_known_gadget = true'
        )


def test_most_instances_are_kept() -> None:
    for text in ("max_instances = 3", "max_instances = 3\nargs = []"):
        found = rule(text)
        assert found.call_guard == found.new_guard
        assert found.call_guard.check((), {}, free, 2) is None
        assert "at most 3 in one load" in found.call_guard.check((), {}, free, 3)
    assert found.call_guard.check((1,), {}, free, 0) is not None


def test_constraints_hold_for_the_rights_that_are_given() -> None:
    policy = Policy.from_text('schema = 1\n[[allow]]\nmodule = "m"\nnames = ["C"]\nrights = ["new"]\nargs = []')
    found = policy.lookup("m", "C")
    assert found is not None
    assert found.call_guard is None
    assert found.new_guard is not None


def test_a_whole_module_can_be_denied() -> None:
    policy = Policy.from_text('schema = 1\nextends = ["stdlib"]\n[[deny]]\nmodule = "decimal"\nnames = ["*"]')
    assert policy.lookup("decimal", "Decimal") is None
    assert policy.lookup("fractions", "Fraction") is not None


# ---- files that extend files -------------------------------------------------------------------------------


def test_a_file_extends_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "base.toml").write_text('schema = 1\nextends = ["deeper.toml"]\n[globals]\n"m:A" = ["new"]')
    (tmp_path / "common" / "deeper.toml").write_text('schema = 1\n[globals]\n"m:B" = ["call"]')
    (tmp_path / "top.toml").write_text('schema = 1\nextends = ["common/base.toml", "stdlib"]')
    policy = Policy.from_file(tmp_path / "top.toml")
    assert policy.name == "top"
    assert policy.rules["m", "A"].rights == Right.NEW
    assert policy.rules["m", "B"].source == "deeper"
    assert policy.lookup("uuid", "UUID") is not None


def test_a_ring_of_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('schema = 1\nextends = ["b.toml"]')
    (tmp_path / "b.toml").write_text('schema = 1\nextends = ["../' + tmp_path.name + '/a.toml"]')
    with pytest.raises(PolicyFileError, match=r"extends itself: a\.toml -> b\.toml -> a\.toml"):
        Policy.from_file(tmp_path / "a.toml")


def test_a_long_chain_is_refused(tmp_path: Path) -> None:
    for index in range(40):
        (tmp_path / f"{index}.toml").write_text(f'schema = 1\nextends = ["{index + 1}.toml"]')
    with pytest.raises(PolicyFileError, match="more than 16"):
        Policy.from_file(tmp_path / "0.toml")


@pytest.mark.parametrize("name", ["{}/x.toml", "x.toml"])
def test_files_are_extended_from_a_folder_only(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.toml").write_text("schema = 1")
    with pytest.raises(PolicyFileError, match="from the folder of this file"):
        Policy.from_text(f'schema = 1\nextends = ["{name.format(tmp_path)}"]')


def test_no_file_is_extended_by_its_whole_path(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("schema = 1")
    (tmp_path / "y.toml").write_text(f'schema = 1\nextends = ["{tmp_path}/x.toml"]')
    with pytest.raises(PolicyFileError, match="from the folder of this file"):
        Policy.from_file(tmp_path / "y.toml")


def test_an_error_in_an_extended_file_names_both(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('schema = 1\nextends = ["b.toml"]')
    (tmp_path / "b.toml").write_text("schema = 2")
    with pytest.raises(PolicyFileError, match=r"a\.toml:2: extends\[0\]: .*b\.toml:1: schema"):
        Policy.from_file(tmp_path / "a.toml")
    (tmp_path / "b.toml").unlink()
    with pytest.raises(PolicyFileError, match="cannot be read"):
        Policy.from_file(tmp_path / "a.toml")


def test_a_denial_of_an_extended_file_beats_the_one_that_extends(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text('schema = 1\n[[deny]]\nmodule = "m"\nnames = ["C"]')
    (tmp_path / "top.toml").write_text('schema = 1\nextends = ["base.toml"]\n[globals]\n"m:C" = ["call"]')
    assert Policy.from_file(tmp_path / "top.toml").lookup("m", "C") is None


# ---- the model and what is made from it --------------------------------------------------------------------


def test_the_schema_is_the_models() -> None:
    path = packs.packs_folder() / "policy.schema.json"
    assert path.read_text("utf-8") == model.json_schema(), "run python -m safepickle.policy.model"
    schema = json.loads(path.read_text("utf-8"))
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Value"]["anyOf"][0] == {"type": "string"}


def test_the_tables_are_the_models() -> None:
    for name, cls in (("", model.PolicyFile), ("allow", model.Allow), ("alias", model.Alias), ("deny", model.Deny)):
        assert list(building.TABLES[name]) == [field.alias or key for key, field in cls.model_fields.items()]
    assert list(VALUE_KEYS) == [field.alias or key for key, field in model.Value.model_fields.items()]


@pytest.mark.parametrize("name", packs.pack_names())
def test_packs_pass_the_model_that_loading_them_leaves_out(name: str) -> None:
    path = packs.packs_folder() / f"{name}.toml"
    checked = Policy.from_file(path)
    assert checked == packs.load_pack(name)
    assert dict(checked.rules) == dict(packs.load_pack(name).rules)


def test_a_pack_with_an_unknown_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.toml").write_text('schema = 1\n[[allow]]\nmodule = "m"\nnames = ["C"]\nrights = ["call"]\narg = []')
    monkeypatch.setattr(packs, "packs_folder", lambda: tmp_path)
    monkeypatch.setattr(packs, "_CACHE", {})
    with pytest.raises(PolicyFileError, match="no such key: 'arg'"):
        packs.load_pack("mine")
