"""lint: what is said of a policy file, with codes, lines and sources; the table of hazards."""

from __future__ import annotations

import datetime
import pickle
from pathlib import Path
from typing import Any

import pytest

import safepickle
from safepickle.errors import PolicyFileError
from safepickle.policy.gadgets import GADGET_MODULES, GADGETS
from safepickle.policy.hazards import BOUND, DANGER, HAZARD_MODULES, HAZARDS, hazard_of, is_bounded
from safepickle.policy.lint import CODES, Corpus, Finding, lint
from safepickle.policy.names import module_problem, name_problem
from safepickle.policy.packs import pack_names
from safepickle.policy.rules import Policy
from safepickle.policy.sources import flattened, read_source
from safepickle.policy.toml_text import document


def findings(tmp_path: Path, text: str, corpus: Corpus | None = None) -> list[Finding]:
    path = tmp_path / "policy.toml"
    path.write_text("schema = 1\n" + text, "utf-8")
    return list(lint(read_source(str(path)), corpus))


def codes(tmp_path: Path, text: str, corpus: Corpus | None = None) -> list[tuple[str, str, int | None]]:
    return [(found.code, found.name, found.line) for found in findings(tmp_path, text, corpus)]


#: Either of two forms: what a constructor with two signatures needs.
TWICE = "".join(
    f'[[allow]]\nmodule = "a"\nnames = ["B"]\nrights = ["call"]\nargs = ["{of}"]\n' for of in ("int", "str")
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('[globals]\n"a:B" = ["call"]', []),
        ('[globals]\n"copyreg:_reconstructor" = ["call"]', [("hands-over-more", "_reconstructor", 3)]),
        ('[globals]\n"functools:partial" = ["call", "known-gadget"]', [("known-gadget", "partial", 3)]),
        ('[globals]\n"operator:getitem" = ["call"]', [("hands-over-more", "getitem", 3)]),
        ('[globals]\n"joblib.memory:Memory" = ["new"]', [("hands-over-more", "Memory", 3)]),
        ('[globals]\n"cloudpickle.cloudpickle:anything" = ["call"]', [("hands-over-more", "anything", 3)]),
        ('[globals]\n"numpy:zeros" = ["call"]', [("unbounded", "zeros", 3)]),
        ('[globals]\n"numpy:zeros" = ["refer"]', []),
        ('[globals]\n"builtins:bytearray" = ["call"]', [("bounded-elsewhere", "bytearray", 3)]),
        ('[globals]\n"__main__:A" = ["new"]', [("main-module", "A", 3)]),
        (
            '[[allow]]\nmodule = "numpy"\nnames = ["zeros"]\nrights = ["call"]\nargs = [{ type = "int", max = 9 }]',
            [],
        ),
        ('[[allow]]\nmodule = "a"\nclasses = "defined here"\nrights = ["new"]', [("whole-module", "*", 2)]),
        (
            '[globals]\n"a:B" = ["call"]\n[[allow]]\nmodule = "a"\nnames = ["A", "B"]\nrights = ["call"]',
            [("duplicate", "B", 3)],
        ),
        (TWICE, []),
        (
            '[globals]\n"a:B" = ["call"]\n[[deny]]\nmodule = "a"\nnames = ["B", "C"]',
            [("shadowed", "B", 3), ("useless-denial", "C", 4)],
        ),
        ('[globals]\n"a:B" = ["call"]\n[[deny]]\nmodule = "a"\nnames = ["*"]', [("shadowed", "B", 3)]),
        ('extends = ["stdlib"]\n[globals]\n"uuid:UUID" = ["new"]', [("in-a-pack", "UUID", 4)]),
        ('extends = ["stdlib"]\n[globals]\n"uuid:UUID" = ["new", "add"]', []),
        ('extends = ["stdlib"]\n[[deny]]\nmodule = "uuid"\nnames = ["UUID"]', []),
    ],
)
def test_findings(tmp_path: Path, text: str, wanted: list[Any]) -> None:
    assert codes(tmp_path, text) == wanted


def test_a_file_that_takes_the_constraints_of_another_away(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(
        'schema = 1\n[[allow]]\nmodule = "a"\nnames = ["B"]\nrights = ["call"]\nargs = ["int"]', "utf-8"
    )
    text = 'extends = ["base.toml"]\n[globals]\n"a:B" = ["call"]'
    assert codes(tmp_path, text) == [("widens-a-pack", "B", 4)]


def test_a_corpus(tmp_path: Path) -> None:
    corpus = Corpus()
    corpus.add(safepickle.inspect(pickle.dumps(datetime.date(2020, 1, 2))))
    corpus.add(safepickle.inspect(b"cold\nThing\n."))
    text = (
        '[globals]\n"datetime:date" = ["call", "refer"]\n"datetime:time" = ["call"]\n"new:Thing" = ["refer"]\n'
        '[[alias]]\nfrom = "old:*"\nto = "new:*"'
    )
    assert codes(tmp_path, text, corpus) == [("right-never-used", "date", 3), ("never-used", "time", 4)]


def test_every_finding_says_why_and_from_where(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, '[globals]\n"torch._tensor:_rebuild_from_type_v2" = ["call"]')
    assert found.level == "warning"
    assert found.source
    assert str(found).endswith(f"[{found.source}]")
    assert "policy.toml:3: warning: torch._tensor:_rebuild_from_type_v2: " in str(found)


def test_what_is_no_policy_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError):
        findings(tmp_path, "nothing = 1")
    with pytest.raises(PolicyFileError):
        read_source("nosuchpack")
    with pytest.raises(PolicyFileError):
        read_source(str(tmp_path / "missing.toml"))


@pytest.mark.parametrize("name", pack_names())
def test_our_own_packs_have_no_warnings(name: str) -> None:
    assert [str(found) for found in lint(read_source(name)) if found.level == "warning"] == []


# -- the tables ------------------------------------------------------------------------------------------------


def test_the_table_of_hazards_is_well_formed() -> None:
    for (module, name), hazard in HAZARDS.items():
        assert module_problem(module) is None, module
        assert name_problem(name) is None, name
        assert hazard.kind in {DANGER, BOUND}
        assert hazard.reason
        assert hazard.source
    for module, hazard in HAZARD_MODULES.items():
        assert module_problem(module) is None
        assert hazard.reason
        assert hazard.source


def test_every_gadget_is_a_hazard_and_stands_in_one_table_only() -> None:
    for pair in GADGETS:
        found = hazard_of(*pair)
        assert found is not None
        assert found.kind == DANGER
    assert hazard_of(next(iter(GADGET_MODULES)), "anything") is not None
    assert {pair for pair in HAZARDS if pair in GADGETS or pair[0] in GADGET_MODULES} == set()
    assert hazard_of("decimal", "getcontext") is None


@pytest.mark.parametrize(
    "pair",
    [
        "builtins:getattr", "operator:attrgetter", "operator:itemgetter", "functools:partial",
        "importlib:import_module", "copyreg:_reconstructor", "joblib:load",
        "torch.storage:_load_from_bytes", "numpy:load", "numpy.lib.npyio:load",
    ],
)  # fmt: skip
def test_what_people_ask_for_is_dangerous(pair: str) -> None:
    module, _, name = pair.partition(":")
    found = hazard_of(module, name)
    assert found is not None
    assert found.kind == DANGER


@pytest.mark.parametrize("pair", ["builtins:bytearray", "builtins:range", "numpy:ndarray", "numpy:zeros"])
def test_what_amplifies_needs_a_bound(pair: str) -> None:
    module, _, name = pair.partition(":")
    found = hazard_of(module, name)
    assert found is not None
    assert found.kind == BOUND
    assert is_bounded(module, name) is (module == "builtins")


def test_codes_have_a_level_and_a_meaning() -> None:
    assert {level for level, _ in CODES.values()} == {"warning", "note"}
    assert all(meaning for _, meaning in CODES.values())


# -- flattening ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", pack_names())
def test_a_flattened_pack_is_the_same_policy(name: str) -> None:
    source = read_source(name)
    again = Policy.from_text(document(flattened(source)))
    assert again.fingerprint == source.policy.fingerprint
    assert "extends" not in flattened(source)


def test_a_flattened_file_is_the_same_policy(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(
        'schema = 1\nextends = ["stdlib"]\n[limits]\nmax_depth = 9\n[globals]\n"a:B" = ["call"]\n[[alias]]\n'
        'from = "old:*"\nto = "new:*"',
        "utf-8",
    )
    path = tmp_path / "top.toml"
    path.write_text(
        'schema = 1\nname = "top"\nextends = ["base.toml", "stdlib"]\n[limits]\nmax_depth = 10\nmax_bytes = "1 MiB"\n'
        '[globals]\n"a:B" = ["refer"]\n"functools:partial" = ["refer", "known-gadget"]\n'
        '[[allow]]\nmodule = "a"\nnames = ["C"]\nrights = ["new", "build"]\nargs = ["int", { type = "str", '
        'max_length = 3, optional = true }]\nstate = { x = "int" }\nmax_instances = 5\n'
        '[[deny]]\nmodule = "uuid"\nnames = ["UUID"]',
        "utf-8",
    )
    source = read_source(str(path))
    again = Policy.from_text(document(flattened(source)))
    assert again.fingerprint == source.policy.fingerprint
    assert again.name == "top"


def test_a_policy_s_name_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text('schema = 1\nname = "a\\nb\\u20ac"\n[globals]\n"a:B" = ["call"]\n')
    [found] = findings(tmp_path, 'extends = ["base.toml"]\n[globals]\n"a:B" = ["call"]\n')
    assert found.code == "in-a-pack"
    assert str(found).isascii()
    assert str(found).isprintable()
