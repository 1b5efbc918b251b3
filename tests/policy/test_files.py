# ruff: noqa: E501 (tables of cases, one beside the other)
"""Policy files: what they say is what holds, and what they get wrong is told with file, line and key."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepickle.errors import PolicyFileError
from safepickle.policy import files
from safepickle.policy.rules import PLAIN, Policy, Right

FULL = """\
schema = 1
name = "telemetry"
description = "for the tests"
extends = ["stdlib"]

[limits]
max_bytes = "64 MiB"
max_seconds = 1.5

[globals]
"telemetry.model:Reading" = ["new", "build"]
"os:system" = ["call", "known-gadget"]

[[allow]]
module = "telemetry.units"
names = ["Celsius", "Scale.Kelvin"]
rights = ["call"]
reason = "units"

[[allow]]
module = "functools"
names = ["partial"]
rights = ["refer"]
accept_known_gadget = true

[[alias]]
from = "telemetry.v1:Reading"
to = "telemetry.model:Reading"

[[alias]]
from = "old:*"
to = "new:*"

[[deny]]
module = "decimal"
names = ["Decimal"]
reason = "cents"
"""


def rights(policy: Policy, module: str, name: str) -> Right | None:
    rule = policy.lookup(module, name)
    return None if rule is None else rule.rights


def test_all_tables_of_a_file() -> None:
    policy = Policy.from_text(FULL)
    assert policy.name == "telemetry"
    assert rights(policy, "telemetry.model", "Reading") == Right.NEW | Right.BUILD
    assert rights(policy, "telemetry.units", "Scale.Kelvin") == Right.CALL
    assert rights(policy, "os", "system") == Right.CALL
    assert rights(policy, "functools", "partial") == Right.REFER
    assert rights(policy, "uuid", "UUID") == Right.NEW | Right.BUILD
    assert rights(policy, "decimal", "Decimal") is None
    assert policy.rename("telemetry.v1", "Reading") == ("telemetry.model", "Reading")
    assert policy.rename("old", "X") == ("new", "X")
    rule = policy.rules["telemetry.units", "Celsius"]
    assert (rule.reason, rule.source) == ("units", "telemetry")
    assert policy.rules["uuid", "UUID"].source == "stdlib"


def test_limits_bind_only_what_the_file_names() -> None:
    limits = Policy.from_text(FULL).limits
    assert limits is not None
    given = {name: bound for name, bound in limits.as_dict().items() if bound is not None}
    assert given == {"max_bytes": 64 * 2**20, "max_seconds": 1.5}
    assert Policy.from_text("schema = 1").limits is None


def test_the_short_form_and_the_long_one_are_equal() -> None:
    short = Policy.from_text('schema = 1\n[globals]\n"m:C" = ["call"]')
    long = Policy.from_text('schema = 1\n[[allow]]\nmodule = "m"\nnames = ["C"]\nrights = ["call"]')
    inline = Policy.from_text('schema = 1\nallow = [{ module = "m", names = ["C"], rights = ["call"] }]')
    assert short == long == inline


def test_an_empty_policy_is_plain() -> None:
    assert Policy.from_text("schema = 1") == PLAIN


def error(text: str, **options: str) -> PolicyFileError:
    with pytest.raises(PolicyFileError) as caught:
        Policy.from_text(text, **options)
    message = str(caught.value)
    assert message.isascii()
    assert message.isprintable()
    return caught.value


ALLOW = 'schema = 1\n\n[[allow]]\nmodule = "a"\nnames = ["b"]\nrights = ["call"]\n\n[[allow]]\n'

WRONG = [
    # text, line, key, part of the message
    ("", None, "schema", "required"),
    ("schema = 2", 1, "schema", "schema = 1"),
    ('schema = "1"', 1, "schema", "schema = 1"),
    ("schema = 1\nname = 3", 2, "name", "text"),
    ("schema = 1\nname = 'x", 2, None, "not TOML"),
    ("schema = 1\nschema = 1", 2, None, "not TOML"),
    ("schema = 1\nx = 1\n", 2, "x", "no such key: 'x' (there are schema, name"),
    ('schema = 1\n"a\\tb" = 1\n', 2, "'a\\tb'", "no such key"),
    ("schema = 1\nextends = 'stdlib'", 2, "extends", "list"),
    ("schema = 1\nextends = ['nope']", 2, "extends[0]", "no such pack: 'nope' (there are "),
    ("schema = 1\nextends = ['plain', '../x']", 2, "extends[1]", "no such pack"),
    (f"schema = 1\nextends = ['{'x' * 300}']", 2, "extends[0]", "no such pack"),
    ("schema = 1\n[limits]\nmax_bites = 1", 2, "limits", "no such limit: 'max_bites' (there are max_bytes"),
    ("schema = 1\n[limits]\nmax_bytes = '1 parsec'", 2, "limits", "not a size"),
    ("schema = 1\n[limits]\nmax_depth = 1.5", 2, "limits", "max_depth takes a number"),
    ("schema = 1\n[limits]\nmax_depth = true", 3, "limits.max_depth", "a limit is a number"),
    ("schema = 1\n[limits]\nmax_depth = -1", 2, "limits", "negative"),
    (ALLOW + 'module = "m"\nnames = ["C"]\n', 8, "allow[1].rights", "required"),
    (ALLOW + 'module = "m"\nnames = ["C"]\nrights = ["run"]', 11, "allow[1].rights", "there are refer, call"),
    (ALLOW + 'module = "m"\nnames = ["C"]\nrights = []', 11, "allow[1].rights", "at least one right of refer"),
    (ALLOW + 'module = "m"\nnames = []\nrights = ["call"]', 10, "allow[1].names", "at least one"),
    (ALLOW + 'module = "m"\nnames = "C"\nrights = ["call"]', 10, "allow[1].names", "list"),
    (ALLOW + 'module = "m"\nnames = [""]\nrights = ["call"]', 10, "allow[1].names[0]", "empty"),
    (ALLOW + 'module = "m"\nnames = ["*"]\nrights = ["call"]', 10, "allow[1].names[0]", "no globs"),
    (ALLOW + 'module = "m"\nnames = ["C", "Base*"]\nrights = ["call"]', 10, "allow[1].names[1]", "no globs"),
    (ALLOW + 'module = "m"\nnames = ["__init__"]\nrights = ["call"]', 10, "allow[1].names[0]", "dunder"),
    (ALLOW + 'module = "m"\nnames = ["C.__init__"]\nrights = ["call"]', 10, "allow[1].names[0]", "dunder"),
    (ALLOW + 'module = "m.*"\nnames = ["C"]\nrights = ["call"]', 9, "allow[1].module", "no globs"),
    (ALLOW + 'module = ""\nnames = ["C"]\nrights = ["call"]', 9, "allow[1].module", "empty"),
    (ALLOW + 'module = "m"\nnames = ["C"]\nrights = ["call"]\nname = 1', 12, "allow[1].name", "there are module, names"),
    (ALLOW + 'module = "m"\nnames = ["C"]\nrights = ["call"]\nreason = 1', 12, "allow[1].reason", "text"),
    (ALLOW + 'module = "os"\nnames = ["system"]\nrights = ["call"]', 8, "allow[1]", "accept_known_gadget = true"),
    (
        ALLOW + 'module = "os"\nnames = ["system"]\nrights = ["call"]\naccept_known_gadget = "yes"',
        12, "allow[1].accept_known_gadget", "true or false",
    ),
    ('schema = 1\n[globals]\n"os:system" = ["call"]', 3, "globals.'os:system'", 'put "known-gadget" among'),
    ('schema = 1\n[globals]\n"m:C" = ["known-gadget"]', 3, "globals.'m:C'", "at least one right"),
    ('schema = 1\n[globals]\n"m.C" = ["call"]', 3, "globals.'m.C'", "with a colon"),
    ('schema = 1\n[globals]\n"m:*" = ["call"]', 3, "globals.'m:*'", "no globs"),
    ('schema = 1\n[globals]\n":C" = ["call"]', 3, "globals.':C'", "empty"),
    ('schema = 1\n[globals]\n"m:" = ["call"]', 3, "globals.'m:'", "empty"),
    ('schema = 1\n[globals]\n"m:a:b" = ["call"]', 3, "globals.'m:a:b'", "not a qualified name"),
    ('schema = 1\n[globals]\n"a:b" = ["call"]\n"m:\\u0043" = ["no"]', 4, "globals.'m:C'", "no such right"),
    ('schema = 1\n[globals]\n"m:C" = "call"', 3, "globals.'m:C'", "list"),
    ('schema = 1\n[[alias]]\nfrom = "a:b"\nto = "c"', 4, "alias[0].to", "with a colon"),
    ('schema = 1\n[[alias]]\nfrom = "a:*"\nto = "c:d"', 2, "alias[0]", "in both"),
    ('schema = 1\n[[alias]]\nfrom = "a:b"\nto = "a:b"', 2, "alias[0]", "of itself"),
    ('schema = 1\n[[alias]]\nfrom = "a:b*"\nto = "a:c"', 3, "alias[0].from", "no globs"),
    ('schema = 1\n[[alias]]\nfrom = "a:b"\nto = "a:__c__"', 4, "alias[0].to", "dunder"),
    ('schema = 1\n[[alias]]\nfrom = "a:b"\n', 2, "alias[0].to", "required"),
    (
        'schema = 1\n[[alias]]\nfrom = "a:b"\nto = "c:d"\n[[alias]]\nfrom = "c:d"\nto = "e:f"',
        2, "alias", "is itself an alias",
    ),
    (
        'schema = 1\n[[alias]]\nfrom = "a:b"\nto = "c:d"\n[[alias]]\nfrom = "c:*"\nto = "e:*"',
        2, "alias", "is itself an alias",
    ),
    (
        'schema = 1\n[[alias]]\nfrom = "a:b"\nto = "c:d"\n[[alias]]\nfrom = "a:b"\nto = "e:f"',
        2, "alias", "two aliases",
    ),
    ('schema = 1\n[[deny]]\nmodule = "m"\nnames = ["a*"]', 4, "deny[0].names[0]", "no globs"),
    ('schema = 1\n[[deny]]\nmodule = "m"\nnames = ["C"]\nrights = ["call"]', 5, "deny[0].rights", "no such key"),
    (
        'schema = 1\nextends = ["stdlib"]\n[[alias]]\nfrom = "pathlib._local:*"\nto = "evil:*"',
        2, "extends[0]", "disagree on the alias",
    ),
    ("\ufeffschema = 1", 1, None, "byte order mark"),
    ("schema = " + "9" * 5000, None, None, "not TOML that can be read"),
    ("x = " + "[" * 100_000, None, None, "not TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "key", "part"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_told(text: str, line: int | None, key: str | None, part: str) -> None:
    found = error(text)
    assert part in found.reason
    assert (found.line, found.key) == (line, key)


def test_how_many_more_is_told() -> None:
    assert "[and 2 more]" in error("schema = 1\na = 1\nb = 2\nc = 3").reason


def test_lines_are_not_taken_from_inside_strings() -> None:
    text = 'schema = 1\ndescription = """\n[[allow]]\nrights = 1\n"""\n[[allow]]\nmodule = "m"\nnames = ["C"]\nrights = 1\n'
    assert error(text).line == 9


def test_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text("schema = 1\noops = 2\n")
    with pytest.raises(PolicyFileError, match=r"wrong\.toml:2: oops: no such key") as caught:
        Policy.from_file(path)
    assert caught.value.file == str(path)


def test_a_file_is_named_after_itself(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('schema = 1\n[globals]\n"m:C" = ["new"]\n')
    assert Policy.from_file(path).name == "mine"
    assert Policy.from_file(str(path)) == Policy.from_file(path)
    path.write_text('schema = 1\nname = "given"\n')
    assert Policy.from_file(path).name == "given"
    assert Policy.from_text("schema = 1", name="told").name == "told"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path, "a\0b"):
        with pytest.raises(PolicyFileError, match="cannot be read") as caught:
            Policy.from_file(path)
        assert str(caught.value).isprintable()
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"schema = 1\n# \xe9\n")
    with pytest.raises(PolicyFileError, match="UTF-8") as caught:
        Policy.from_file(latin)
    assert caught.value.line == 2


def test_a_file_that_is_extended_has_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('schema = 1\nextends = ["a\\u0000.toml"]')
    with pytest.raises(PolicyFileError, match="no path of a file") as caught:
        Policy.from_file(path)
    assert caught.value.key == "extends[0]"


@pytest.mark.parametrize("filling", ["x", "\N{SNOWMAN}"], ids=["short", "wide"])
def test_long_files_are_refused_before_they_are_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filling: str
) -> None:
    path = tmp_path / "long.toml"
    path.write_text("schema = 1\n#" + filling * files.MAX_FILE_BYTES, encoding="utf-8")
    monkeypatch.setattr(files.tomllib, "loads", lambda text: pytest.fail("parsed"))
    with pytest.raises(PolicyFileError, match="longer than"):
        Policy.from_file(path)
    with pytest.raises(PolicyFileError, match="longer than"):
        Policy.from_text("##" + filling * (files.MAX_FILE_BYTES // len(filling.encode())))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs an endless file")
def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(PolicyFileError):
        Policy.from_file("/dev/zero")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "above.toml").write_text('schema = 1\nextends = ["pipe.toml"]\n', "utf-8")
    for name in ("pipe.toml", "above.toml"):
        with pytest.raises(PolicyFileError, match="no regular file"):
            Policy.from_file(tmp_path / name)


def test_a_path_object_is_a_path(tmp_path: Path) -> None:
    class PathLike(os.PathLike):  # type: ignore[type-arg]
        def __fspath__(self) -> str:
            return str(path)

    path = tmp_path / "p.toml"
    path.write_text("schema = 1")
    assert Policy.from_file(PathLike()) == PLAIN


def test_reading_a_policy_imports_nothing_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "canary.py").write_text("raise SystemExit('imported')")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from safepickle.policy.rules import Policy\n"
        "Policy.from_text('schema = 1\\n[globals]\\n\"canary:C\" = [\"call\"]').lookup('canary', 'C')\n"
        "assert 'canary' not in sys.modules and 'array' not in sys.modules.get('nothing', ())\n"
    )
    subprocess.run([sys.executable, "-P", "-c", code, str(tmp_path)], check=True, env=_environment())


def test_rules_alone_do_not_load_pydantic() -> None:
    code = "import sys, safepickle.policy.rules, safepickle.policy.packs, safepickle.policy.contracts\n"
    code += "assert 'pydantic' not in sys.modules and 'tomllib' not in sys.modules"
    subprocess.run([sys.executable, "-P", "-c", code], check=True, env=_environment())


def _environment() -> dict[str, str]:
    # The same safepickle that runs here, wherever it is installed.
    return {**os.environ, "PYTHONPATH": str(Path(files.__file__).parent.parent.parent)}


@given(st.text(max_size=60))
def test_any_text_is_a_policy_or_a_policy_file_error(text: str) -> None:
    for whole in (text, f"schema = 1\n{text}", f'schema = 1\n[globals]\n"{text}" = ["call"]'):
        try:
            policy = Policy.from_text(whole)
        except PolicyFileError as wrong:
            message = str(wrong)
        else:
            message = repr(policy)
        assert message.isprintable()
