"""diff and explain: two policies as the engine sees them, and what one says of a global."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepickle.limits import Limits
from safepickle.policy.comparing import compare, explain
from safepickle.policy.rules import PLAIN, UNRESTRICTED, Policy, Right, Rule

STDLIB = Policy.packs("stdlib")


def policy(text: str) -> Policy:
    return Policy.from_text("schema = 1\n" + text)


CALL = '[[allow]]\nmodule = "a"\nnames = ["B"]\nrights = ["call"]\n'


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ("", "", []),
        ("", CALL, [("rule", "added", "a:B", True)]),
        (CALL, "", [("rule", "removed", "a:B", False)]),
        (CALL, CALL.replace('"call"', '"call", "refer"'), [("rule", "changed", "a:B", True)]),
        (CALL.replace('"call"', '"call", "refer"'), CALL, [("rule", "changed", "a:B", False)]),
        (CALL, CALL + 'args = ["int"]', [("rule", "changed", "a:B", False)]),
        (CALL + 'args = ["int"]', CALL, [("rule", "changed", "a:B", True)]),
        (CALL + 'args = ["int"]', CALL + 'args = ["str"]', [("rule", "changed", "a:B", True)]),
        (CALL + "max_instances = 5", CALL + "max_instances = 6", [("rule", "changed", "a:B", True)]),
        (CALL, CALL + "max_instances = 6", [("rule", "changed", "a:B", False)]),
        (CALL, CALL + 'reason = "words"', []),
        ("", '[[deny]]\nmodule = "a"\nnames = ["B"]', [("denial", "added", "a:B", False)]),
        ('[[deny]]\nmodule = "a"\nnames = ["B"]', "", [("denial", "removed", "a:B", True)]),
        ("[limits]\nmax_depth = 5", "[limits]\nmax_depth = 6", [("limit", "changed", "max_depth", True)]),
        ("[limits]\nmax_depth = 5", "[limits]\nmax_depth = 4", [("limit", "changed", "max_depth", False)]),
        ("[limits]\nmax_depth = 5", "", [("limit", "removed", "max_depth", True)]),
        ("", '[[alias]]\nfrom = "a:B"\nto = "c:D"', [("alias", "added", "a:B", True)]),
        ('[[alias]]\nfrom = "a:B"\nto = "c:D"', "", [("alias", "removed", "a:B", False)]),
        (
            "",
            '[[allow]]\nmodule = "a"\nclasses = "defined here"\nrights = ["new"]',
            [("rule", "added", "a:* (classes only)", True)],
        ),
    ],
)
def test_changes(first: str, second: str, wanted: list[tuple[str, str, str, bool]]) -> None:
    found = compare(policy(first), policy(second))
    assert [(one.what, one.how, one.subject, one.widens) for one in found] == wanted
    for one in found:
        assert "\n" not in str(one)


def test_unrestricted_allows_more_than_anything() -> None:
    (change,) = compare(STDLIB, UNRESTRICTED)
    assert change.widens
    (change,) = compare(UNRESTRICTED, STDLIB)
    assert not change.widens
    assert compare(UNRESTRICTED, UNRESTRICTED) == ()


rules = st.builds(
    lambda name, rights: Rule(module="m", name=name, rights=Right(rights)), st.sampled_from("ABC"), st.integers(1, 127)
)
policies = st.builds(
    lambda rules, denies, depth: Policy(
        name="p", rules=rules, denies=denies, limits=None if depth is None else Limits(max_depth=depth)
    ),
    st.lists(rules, max_size=4),
    st.lists(st.tuples(st.just("m"), st.sampled_from("ABC")), max_size=2),
    st.none() | st.integers(1, 3),
)


@given(policies, policies)
def test_nothing_wider_means_nothing_more_is_allowed(first: Policy, second: Policy) -> None:
    changes = compare(first, second)
    assert (changes == ()) == (first == second)
    if any(change.widens for change in changes):
        return
    for name in "ABC":
        old, new = first.lookup("m", name), second.lookup("m", name)
        assert new is None or (old is not None and not new.rights & ~old.rights)


def test_explaining_what_is_allowed() -> None:
    found = explain(STDLIB, "decimal", "Decimal")
    assert found.allowed
    assert "call" in found.rights
    assert found.source == "stdlib"
    assert any("contract" in note for note in found.notes)
    constrained = explain(policy(CALL + 'args = ["int"]'), "a", "B")
    assert any("int" in text for text in constrained.constraints)


def test_explaining_what_is_denied() -> None:
    assert explain(PLAIN, "a", "B").denied_because == "no rule names it"
    assert explain(PLAIN, "a", "B").suggestion == '"a:B" = ["refer"]'
    found = explain(PLAIN, "functools", "partial")
    assert found.suggestion == ""
    assert any(note.startswith("danger: known gadget") for note in found.notes)
    denied = explain(policy(CALL + '[[deny]]\nmodule = "a"\nnames = ["B"]'), "a", "B")
    assert denied.denied_because == "a [[deny]] names it, which beats every rule"
    assert any("emulated" in note for note in explain(PLAIN, "builtins", "set").notes)
    assert any("constant" in note for note in explain(PLAIN, "builtins", "Ellipsis").notes)


def test_explaining_goes_by_the_aliases() -> None:
    moved = policy('[globals]\n"c:D" = ["call"]\n[[alias]]\nfrom = "a:B"\nto = "c:D"')
    assert explain(moved, "a", "B").renamed == ("c", "D")
    assert explain(moved, "a", "B").allowed
    assert explain(UNRESTRICTED, "os", "system").allowed
