"""Laws of policies: how ``|`` and ``&`` decide, that denials beat, that limits are the smaller."""

from __future__ import annotations

import copy
import itertools
import pickle
import sys
import types
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepickle.errors import PolicyFileError
from safepickle.limits import Limits
from safepickle.policy import offered, packs
from safepickle.policy.containers import MAX_ITEMS, Elements, Items
from safepickle.policy.guards import AllOf, AnyOf, Looking, both, either
from safepickle.policy.rules import UNRESTRICTED, WHOLE_MODULE, Policy, Right, Rule, is_defined_as
from safepickle.policy.uses import Arguments, AtMost, Attributes
from safepickle.policy.values import InstanceOf, Number, OneOf, Text, find_loaded

free = Looking()

PAIRS = [("m", "C"), ("m", "D"), ("m", "function"), ("n", "C"), ("os", "system")]
RIGHTS = [Right(bits) for bits in (1, 2, 3, 4, 6, 12, 14, 15)]


def _module() -> types.ModuleType:
    """A module with classes, and a function that is none."""
    module = types.ModuleType("m")
    for name in "CD":
        setattr(module, name, type(name, (), {"__module__": "m"}))
    module.function = len  # type: ignore[attr-defined]
    return module


MODULE = _module()
OBJECTS: dict[tuple[str, str], Any] = {
    ("m", "C"): MODULE.C, ("m", "D"): MODULE.D, ("m", "function"): len, ("n", "C"): int, ("os", "system"): len,
}  # fmt: skip

VALUES = st.one_of(
    st.builds(Number, st.sampled_from(["int", "float"]), st.none() | st.integers(-2, 0), st.none() | st.integers(1, 3)),
    st.builds(Text, st.just("str"), st.none(), st.none() | st.integers(0, 2)),
    st.builds(OneOf, st.lists(st.sampled_from([0, 1, True, "a", 1.0]), min_size=1, max_size=3)),
)
NESTED = VALUES | st.builds(Items, st.just("list"), st.none(), st.integers(0, 2), VALUES)
QUOTAS = st.builds(AtMost, st.integers(1, 2))
ARGUMENTS = st.builds(Arguments, st.lists(NESTED, max_size=2).map(tuple)) | QUOTAS
ARGUMENTS |= st.builds(both, ARGUMENTS, QUOTAS)
STATES = st.builds(Attributes, st.dictionaries(st.sampled_from("xy"), NESTED, max_size=2))


def _sound(rule: Rule) -> Rule:
    """A rule as a file gives it: guards only for rights that it has."""
    rights = rule.rights
    return rule._replace(
        call_guard=rule.call_guard if rights & Right.CALL else None,
        new_guard=rule.new_guard if rights & Right.NEW else None,
        state_guard=rule.state_guard if rights & Right.BUILD else None,
        name=WHOLE_MODULE if rule.classes_only and rule.name == "D" else rule.name,
    )


RULES = st.builds(
    lambda pair, rights, gadget, only, call, new, state: _sound(
        Rule(pair[0], pair[1], rights, "", "s", gadget, only, call, new, state)
    ),
    st.sampled_from(PAIRS), st.sampled_from(RIGHTS), st.sampled_from([False, False, True]),
    st.sampled_from([False, False, True]), st.none() | ARGUMENTS, st.none() | ARGUMENTS, st.none() | STATES,
)  # fmt: skip
DENIES = st.lists(st.sampled_from([*PAIRS, ("n", WHOLE_MODULE)]), max_size=1)
ALIASES = st.sampled_from([{}, {}, {("n", "C"): ("m", "C")}, {("n", WHOLE_MODULE): ("m", WHOLE_MODULE)}])
LIMITS = st.none() | st.builds(
    lambda depth, items: Limits(max_depth=depth, max_items=items), st.integers(1, 9), st.integers(1, 9)
)
POLICIES = st.builds(
    lambda rules, denies, limits, aliases: Policy(name="p", rules=rules, denies=denies, limits=limits, aliases=aliases),
    st.lists(RULES, max_size=4), DENIES, LIMITS, ALIASES,
)  # fmt: skip

ARGS: list[tuple[Any, ...]] = [
    (),
    (0,),
    (1,),
    (True,),
    (1.0,),
    ("a",),
    ("aaa",),
    ([0],),
    ([0, 5, 1],),
    (0, "a"),
    (5, 5),
]
SETS: list[Any] = [{}, {"x": 0}, {"x": 1.0}, {"x": "a"}, {"x": 0, "y": True}, {"y": [1]}, {"z": 1}, 5]


def decisions(policy: Policy) -> set[Any]:
    """Everything that a policy allows, of what there is here."""
    found = set()
    for stream_pair, target in OBJECTS.items():
        pair = policy.rename(*stream_pair)
        rule = policy.lookup_for(*pair, OBJECTS.get(pair, target))
        if rule is None:
            continue
        key = (stream_pair, pair)
        for right in rule.rights:
            if right not in (Right.CALL, Right.NEW, Right.BUILD):
                found.add((key, right))
        for right, guard in ((Right.CALL, rule.call_guard), (Right.NEW, rule.new_guard)):
            if rule.rights & right:
                for index, made in itertools.product(range(len(ARGS)), range(3)):
                    if guard is None or guard.check(ARGS[index], {}, free, made) is None:
                        found.add((key, right, index, made))
        if rule.rights & Right.BUILD:
            for index, state in enumerate(SETS):
                if rule.state_guard is None or rule.state_guard.check(state, free) is None:
                    found.add((key, Right.BUILD, index))
    return found


def agree(first: Policy, second: Policy) -> bool:
    """Whether the two rename everything alike, so that `|` does not refuse."""
    shared = first.aliases.keys() & second.aliases.keys()
    return all(first.aliases[key] == second.aliases[key] for key in shared)


@given(POLICIES, POLICIES)
def test_either_is_commutative(first: Policy, second: Policy) -> None:
    assert (first | second).fingerprint == (second | first).fingerprint


@given(POLICIES, POLICIES, POLICIES)
def test_either_is_associative(first: Policy, second: Policy, third: Policy) -> None:
    assert ((first | second) | third).fingerprint == (first | (second | third)).fingerprint


@given(POLICIES)
def test_a_policy_with_itself_is_itself(policy: Policy) -> None:
    assert (policy | policy).fingerprint == policy.fingerprint
    assert decisions(policy & policy) == decisions(policy)


@given(POLICIES, POLICIES)
def test_both_is_commutative(first: Policy, second: Policy) -> None:
    assert (first & second).fingerprint == (second & first).fingerprint


@given(POLICIES, POLICIES, POLICIES)
def test_both_decides_associatively(first: Policy, second: Policy, third: Policy) -> None:
    assert decisions((first & second) & third) == decisions(first & (second & third))


@given(POLICIES, POLICIES)
def test_either_allows_what_either_allows(first: Policy, second: Policy) -> None:
    """But for what one of them denies, and known gadgets under two opinions, nothing is lost and nothing is added."""
    plain = [Policy(name="p", rules=p._all_rules()) for p in (first, second)]
    assert decisions(plain[0] | plain[1]) <= decisions(plain[0]) | decisions(plain[1])
    mild = [Policy(name="p", rules=[r for r in p._all_rules() if not r.accept_known_gadget]) for p in (first, second)]
    assert decisions(mild[0] | mild[1]) == decisions(mild[0]) | decisions(mild[1])


@given(POLICIES, POLICIES)
def test_both_allow_at_most_what_each_allows(first: Policy, second: Policy) -> None:
    together = decisions(first & second)
    assert together <= decisions(first)
    assert together <= decisions(second)


@given(POLICIES, POLICIES)
def test_both_allow_all_that_both_allow(first: Policy, second: Policy) -> None:
    same = [Policy(name="p", rules=p._all_rules(), denies=p.denies) for p in (first, second)]
    assert decisions(same[0] & same[1]) == decisions(same[0]) & decisions(same[1])


@given(POLICIES, POLICIES, st.sampled_from(PAIRS))
def test_a_denial_beats_every_allow(first: Policy, second: Policy, pair: tuple[str, str]) -> None:
    deny = Policy(name="d", denies=[pair])
    for policy in (first | deny | second, deny | first, first & deny, (first & second) | deny):
        assert policy.lookup(*pair) is None
    whole = Policy(name="d", denies=[(pair[0], WHOLE_MODULE)])
    assert (first | whole).lookup(*pair) is None


@given(POLICIES, POLICIES)
def test_limits_are_the_smaller(first: Policy, second: Policy) -> None:
    for policy in (first | second, first & second):
        for name in ("max_depth", "max_items"):
            given = [getattr(p.limits, name) for p in (first, second) if p.limits is not None]
            assert (policy.limits is None) == (not given)
            assert not given or getattr(policy.limits, name) == min(given)


@given(st.lists(RULES, max_size=4), st.randoms())
def test_the_order_of_rules_does_not_count(rules: list[Rule], random: Any) -> None:
    shuffled = list(rules)
    random.shuffle(shuffled)
    assert Policy(name="p", rules=rules) == Policy(name="q", rules=shuffled)


@given(POLICIES)
def test_policies_survive_copying(policy: Policy) -> None:
    for same in (copy.deepcopy(policy), pickle.loads(pickle.dumps(policy))):
        assert same == policy
        assert hash(same) == hash(policy)
        assert decisions(same) == decisions(policy)


@given(POLICIES, POLICIES)
def test_equal_fingerprints_decide_alike(first: Policy, second: Policy) -> None:
    if first.fingerprint == second.fingerprint:
        assert decisions(first) == decisions(second)


def test_unrestricted_is_not_combined() -> None:
    for combine in (lambda: UNRESTRICTED & Policy(name="p"), lambda: Policy(name="p") & UNRESTRICTED):
        with pytest.raises(ValueError, match="UNRESTRICTED"):
            combine()
    with pytest.raises(TypeError):
        Policy(name="p") & 1  # type: ignore[operator]


def test_what_the_two_rename_differently_is_denied() -> None:
    first = Policy(
        name="p", aliases={("a", "X"): ("m", "C")}, rules=[Rule("m", "C", Right.NEW), Rule("a", "X", Right.NEW)]
    )
    second = Policy(name="q", rules=[Rule("m", "C", Right.NEW), Rule("a", "X", Right.NEW)])
    together = first & second
    assert together.lookup(*together.rename("m", "C")) is not None
    assert together.lookup(*together.rename("a", "X")) is None


def test_a_right_comes_with_its_own_constraints() -> None:
    """Calling under one rule and making under another: neither lends its freedom to the other."""
    narrow = Rule("m", "C", Right.CALL, call_guard=Arguments())
    wide = Rule("m", "C", Right.NEW)
    found = (Policy(name="p", rules=[narrow]) | Policy(name="q", rules=[wide])).lookup("m", "C")
    assert found is not None
    assert found.call_guard == Arguments()
    assert found.new_guard is None


# ---- guards ------------------------------------------------------------------------------------------------


@given(NESTED, NESTED, NESTED)
def test_guards_go_together_in_any_order(first: Any, second: Any, third: Any) -> None:
    for put in (either, both):
        assert put(first, second) == put(second, first)
        assert put(put(first, second), third) == put(first, put(second, third))
        assert put(first, first) == first
        assert hash(put(first, second)) == hash(put(second, first))


@given(NESTED, NESTED, st.sampled_from([args[0] for args in ARGS if args]))
def test_guards_mean_what_they_say(first: Any, second: Any, value: Any) -> None:
    one, other = first.refusal(value, free) is None, second.refusal(value, free) is None
    assert (AnyOf((first, second)).refusal(value, free) is None) == (one or other)
    assert (AllOf((first, second)).refusal(value, free) is None) == (one and other)


def test_no_constraint_passes_all() -> None:
    guard = Number("int")
    assert either(guard, None) is either(None, guard) is None
    assert both(guard, None) is both(None, guard) is guard
    assert both(None, None) is None


@given(ARGUMENTS | STATES | NESTED)
def test_guards_are_values(guard: Any) -> None:
    for same in (copy.copy(guard), copy.deepcopy(guard), pickle.loads(pickle.dumps(guard))):
        assert same == guard
        assert hash(same) == hash(guard)
    with pytest.raises(AttributeError, match="immutable"):
        guard.text = "any"
    with pytest.raises(AttributeError, match="immutable"):
        del guard.text
    assert guard != guard.text


def test_enumerations_are_told_apart_by_type() -> None:
    texts = {OneOf([1]).text, OneOf([True]).text, OneOf([1.0]).text, OneOf(["1"]).text}
    assert len(texts) == 4


def test_what_is_looked_at_is_paid_for() -> None:
    paid: list[int] = []

    class Purse(Looking):
        def spend(self, count: int) -> None:
            paid.append(count)

    Items("list", items=Number("int")).refusal([1] * 50, Purse())
    Elements("tuple", [Number("int")] * 3).refusal((1, 2, 3), Purse())
    Arguments([Items("list", items=Number("int"))]).check(([1] * 7,), {}, Purse())
    assert paid == [50, 7]


def test_no_more_than_so_many_items_are_looked_at() -> None:
    guard = Items("list", items=Number("int"))
    assert guard.refusal([0] * (MAX_ITEMS + 1), free) is not None
    assert Items("list", high=MAX_ITEMS + 1, items=Number("int")).refusal([0] * (MAX_ITEMS + 1), free) is None


def test_a_class_is_found_by_identity_alone() -> None:
    """A class that says it is another one, a module that is not loaded, a name that is no attribute of a class."""
    liar = type("Decimal", (), {"__module__": "decimal", "__qualname__": "Decimal"})
    wanted = InstanceOf("decimal", "Decimal")
    assert wanted.refusal(liar(), free) is not None
    assert find_loaded("no.such.module", "C") is None
    assert find_loaded("no.such.module", "C.D") is None
    assert find_loaded("sys", "modules.get") is None
    assert find_loaded("collections", "OrderedDict") is sys.modules["collections"].OrderedDict
    assert InstanceOf("no.such", "C").refusal(None, free) is not None


# ---- all classes of a module -------------------------------------------------------------------------------


def test_a_filter_holds_for_classes_that_are_defined_there() -> None:
    policy = Policy(name="p", rules=[Rule("m", WHOLE_MODULE, Right.NEW, classes_only=True)])
    assert policy.lookup_for("m", "C", MODULE.C) is not None
    assert policy.lookup_for("m", "function", len) is None
    assert policy.lookup_for("m", "C", int) is None, "another module's"
    assert policy.lookup_for("m", "C", MODULE.D) is None, "another name's"
    assert policy.lookup_for("m.sub", "C", MODULE.C) is None
    assert policy.lookup("m", "__class__") is None
    assert policy.depends_on_object("m", "C")
    assert not policy.depends_on_object("n", "C")


def test_a_rule_for_all_of_a_module_is_for_classes() -> None:
    with pytest.raises(ValueError, match="only be one for its classes"):
        Policy(name="p", rules=[Rule("m", WHOLE_MODULE, Right.NEW)])


def test_a_class_is_asked_past_its_metaclass() -> None:
    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            raise AssertionError("asked")

    assert not is_defined_as(Meta("Liar", (), {"__module__": "x"}), "m", "C")
    assert is_defined_as(Meta("Liar", (), {"__module__": "x"}), "x", "Liar")


# ---- packs of other packages -------------------------------------------------------------------------------


class Distribution:
    """Enough of an installed distribution."""

    def __init__(self, name: str, folder: Any) -> None:
        self.name = name
        self.folder = folder

    def locate_file(self, path: str) -> Any:
        return self.folder / path


@pytest.fixture
def offers(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> list[Any]:
    found: list[Any] = []
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group, name: [o for o in found if o.name == name])
    monkeypatch.setattr(packs, "_CACHE", {})
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "acme.toml").write_text('schema = 1\n[globals]\n"acme:C" = ["new"]')
    return found


def _offer(name: str, value: str, folder: Any, whose: str = "acme") -> Any:
    from importlib.metadata import EntryPoint

    offer = EntryPoint(name, value, offered.GROUP)
    vars(offer)["dist"] = Distribution(whose, folder)
    return offer


def test_a_pack_of_a_package_is_read_when_it_is_named(offers: list[Any], tmp_path: Any) -> None:
    offers.append(_offer("acme", "acme:acme.toml", tmp_path))
    before = set(sys.modules)
    assert Policy.packs("acme").lookup("acme", "C") is not None
    assert "acme" not in set(sys.modules) - before
    assert Policy.from_text('schema = 1\nextends = ["acme"]').lookup("acme", "C") is not None
    assert Policy.packs("stdlib").lookup("acme", "C") is None
    assert "acme" not in packs.pack_names()


def test_a_package_does_not_replace_a_pack_that_is_shipped(offers: list[Any], tmp_path: Any) -> None:
    offers.append(_offer("stdlib", "acme:acme.toml", tmp_path))
    assert Policy.packs("stdlib").lookup("acme", "C") is None


@pytest.mark.parametrize(
    ("values", "part"),
    [
        (["acme:acme.toml", "other:other.toml"], "several packages"),
        (["acme:missing.toml"], "is not there"),
        (["acme:POLICY"], "wants"),
        ([], "no such pack"),
    ],
)
def test_offers_that_cannot_be_taken(offers: list[Any], tmp_path: Any, values: list[str], part: str) -> None:
    offers += [_offer("acme", value, tmp_path, f"acme{index}") for index, value in enumerate(values)]
    with pytest.raises(PolicyFileError, match=part):
        Policy.packs("acme")
