"""Rights, rules, policies: exact pairs, denials that win, suggestions that paste."""

from __future__ import annotations

import copy
import pickle
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepickle.limits import Limits
from safepickle.policy.rules import (
    PLAIN,
    UNRESTRICTED,
    Policy,
    Right,
    Rule,
    module_problem,
    name_problem,
    suggestion,
)


def rule(module: str = "m", name: str = "C", rights: Right = Right.CALL, **more: object) -> Rule:
    return Rule(module=module, name=name, rights=rights, **more)


def test_a_pair_is_compared_whole() -> None:
    policy = Policy(name="p", rules=[rule("a.b", "c")])
    assert policy.lookup("a.b", "c") is not None
    for module, name in [("a", "b.c"), ("a.b", "c.d"), ("a.b", ""), ("a", "c"), ("a.b.c", ""), ("A.b", "c")]:
        assert policy.lookup(module, name) is None


def test_rules_for_one_pair_add_up() -> None:
    policy = Policy(name="p", rules=[rule(rights=Right.CALL), rule(rights=Right.BUILD, reason="why")])
    merged = policy.lookup("m", "C")
    assert merged is not None
    assert merged.rights == Right.CALL | Right.BUILD
    assert merged.reason == "why"


def test_a_denial_beats_every_rule() -> None:
    assert Policy(name="p", rules=[rule()], denies=[("m", "C")]).lookup("m", "C") is None
    allows, denies = Policy(name="p", rules=[rule()]), Policy(name="q", denies=[("m", "C")])
    assert (allows | denies).lookup("m", "C") is None
    assert (denies | allows).lookup("m", "C") is None


@pytest.mark.parametrize(
    "pair", [("os", "system"), ("os", "anything"), ("builtins", "eval"), ("functools", "partial")]
)
def test_a_known_gadget_needs_a_loud_rule(pair: tuple[str, str]) -> None:
    assert Policy(name="p", rules=[rule(*pair)]).lookup(*pair) is None
    assert Policy(name="p", rules=[rule(*pair, accept_known_gadget=True)]).lookup(*pair) is not None


def test_an_alias_is_applied_once() -> None:
    policy = Policy(
        name="p", aliases={("a", "x"): ("b", "x"), ("b", "x"): ("c", "x"), ("old", "*"): ("new", "*")}
    )
    assert policy.rename("a", "x") == ("b", "x")
    assert policy.rename("old", "Inner.Class") == ("new", "Inner.Class")
    assert policy.rename("old.sub", "x") == ("old.sub", "x")


def test_policies_with_contrary_aliases_do_not_combine() -> None:
    with pytest.raises(ValueError, match="disagree"):
        Policy(name="p", aliases={("a", "x"): ("b", "x")}) | Policy(
            name="q", aliases={("a", "x"): ("c", "x")}
        )


def test_unrestricted_does_not_combine() -> None:
    with pytest.raises(ValueError, match="UNRESTRICTED"):
        PLAIN | UNRESTRICTED
    with pytest.raises(ValueError, match="UNRESTRICTED"):
        UNRESTRICTED | PLAIN


def test_limits_of_both_hold() -> None:
    one = Policy(name="p", limits=Limits(max_depth=10, max_items=7))
    two = Policy(name="q", limits=Limits(max_depth=5, max_items=9))
    both = (one | two).limits
    assert both is not None
    assert (both.max_depth, both.max_items) == (5, 7)
    assert (one | PLAIN).limits == (PLAIN | one).limits == one.limits


def test_policies_are_values() -> None:
    first = Policy(name="p", rules=[rule(), rule("n")], denies=[("a", "b")], limits=Limits(max_depth=3))
    second = Policy(name="q", rules=[rule("n"), rule()], denies=[("a", "b")], limits=Limits(max_depth=3))
    assert first == second
    assert hash(first) == hash(second)
    for same in (copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert same == first
        assert same.limits == first.limits
    assert pickle.loads(pickle.dumps(UNRESTRICTED)) is UNRESTRICTED
    with pytest.raises(AttributeError):
        first.name = "other"
    with pytest.raises(TypeError):
        first.rules["m", "D"] = rule()  # type: ignore[index]


@pytest.mark.parametrize(
    "other",
    [
        Policy(name="p", rules=[rule(rights=Right.NEW)]),
        Policy(name="p", rules=[rule(accept_known_gadget=True)]),
        Policy(name="p", rules=[rule()], denies=[("m", "D")]),
        Policy(name="p", rules=[rule()], aliases={("a", "b"): ("m", "C")}),
        Policy(name="p", rules=[rule()], limits=Limits()),
        UNRESTRICTED,
        PLAIN,
    ],
)
def test_a_fingerprint_covers_all_that_counts(other: Policy) -> None:
    assert Policy(name="p", rules=[rule()]).fingerprint != other.fingerprint


def test_rights_are_parsed_exactly() -> None:
    assert Right.parse(["call", "build"]) == Right.CALL | Right.BUILD
    for wrong in ("CALL", "all", "", "call "):
        with pytest.raises(ValueError, match="there are refer, call, new, build, append, setitem, add"):
            Right.parse([wrong])


@pytest.mark.parametrize(
    "module", ["", "a*", "*", "a.", ".a", "a..b", "a b", "a:b", "a/b", "a\n", "x" * 201, "__builtin__"]
)
def test_modules_that_cannot_be_named(module: str) -> None:
    assert module_problem(module)


@pytest.mark.parametrize("module", ["numpy.__config__", "__future__", "a.__main__"])
def test_dunder_modules_cannot_be_named(module: str) -> None:
    assert "dunder" in (module_problem(module) or "")


@pytest.mark.parametrize("module", ["a", "a.b_c", "my-script", "__main__", "__mp_main__", "_codecs"])
def test_modules_that_can_be_named(module: str) -> None:
    assert module_problem(module) is None


@pytest.mark.parametrize(
    "name", ["", "*", "a*", "a.*", "a.", ".a", "a b", "<lambda>", "f.<locals>.g", "a\x1b", "x" * 201]
)
def test_names_that_cannot_be_listed(name: str) -> None:
    assert name_problem(name)


@pytest.mark.parametrize("name", ["__builtins__", "C.__init__", "__x__.y", "__", "____"])
def test_dunder_names_cannot_be_listed(name: str) -> None:
    assert "dunder" in (name_problem(name) or "")


def test_a_suggestion_is_the_line_to_paste() -> None:
    assert suggestion("decimal", "Decimal", "call") == '"decimal:Decimal" = ["call"]'
    assert suggestion("os", "system", "call") == '"os:system" = ["call", "known-gadget"]'
    assert suggestion("builtins", "__import__", "call") == ""


@given(st.text(max_size=12), st.text(max_size=12))
def test_a_suggestion_is_one_line_and_a_policy_whatever_the_names(module: str, name: str) -> None:
    line = suggestion(module, name, "new")
    assert line.isascii()
    assert line == "" or line.isprintable()
    if line:
        assert tomllib.loads(line).keys() == {f"{module}:{name}"}
        policy = Policy.from_text(f"schema = 1\n[globals]\n{line}\n")
        found = policy.lookup(module, name)
        assert found is not None
        assert found.rights == Right.NEW


def test_a_suggestion_escapes_letters_from_elsewhere() -> None:
    assert suggestion("m", "Größe", "call") == '"m:Gr\\U000000F6\\U000000DFe" = ["call"]'
