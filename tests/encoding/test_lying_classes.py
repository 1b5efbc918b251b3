"""Classes that say they are others, and instances whose attributes are no plain dict: neither gets past the gate."""

from __future__ import annotations

import pickle
from types import ModuleType
from typing import Any

import pytest

from safepickle.errors import EncodingError, PolicyError
from safepickle.policy.rights import Right, Rule
from safepickle.policy.rules import Policy

ran: list[str] = []


class Plain:
    """Its instances are their attributes."""


def lying(about: type) -> type:
    """Return a metaclass whose classes are equal to everything, and hash as another class."""

    class Lying(type):
        def __hash__(cls) -> int:
            ran.append("hash")
            return hash(about)

        def __eq__(cls, other: object) -> bool:
            ran.append("eq")
            return True

    return Lying


class Exempt(metaclass=lying(range)):
    """Says that it is a class that needs no rule."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        ran.append("reduce")
        return set, ([],)


class Old(list, metaclass=lying(bytes)):  # type: ignore[type-arg]
    """Says that it is a class that older protocols have no opcode for."""

    def __iter__(self) -> Any:
        ran.append("iter")
        return list.__iter__(self)


class Known(metaclass=lying(Plain)):
    """Says that it is a class of which all is known; no rule lets its instances be made."""


class Attributes(dict):  # type: ignore[type-arg]
    """Stands in the place of an instance's attributes."""

    def __iter__(self) -> Any:
        ran.append("iter")
        return dict.__iter__(self)

    def items(self) -> Any:
        ran.append("items")
        return dict.items(self)


POLICY = Policy.packs("stdlib") | Policy(
    name="ours",
    rules=[
        Rule(module=__name__, name="Plain", rights=Right.NEW | Right.BUILD),
        Rule(module=__name__, name="Known", rights=Right.REFER),
    ],
)


def plain(**attributes: Any) -> Plain:
    value = Plain()
    value.__dict__.update(attributes)
    return value


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("value", [Exempt(), Old([1])], ids=["exempt", "old"])
def test_a_class_that_no_rule_names_is_not_asked_whom_it_is_equal_to(sp: ModuleType, value: Any, protocol: int) -> None:
    for before in ([], [plain(a=1), plain(a=1)], [range(3)]):
        ran.clear()
        with pytest.raises(PolicyError, match="no rule names the class"):
            sp.dumps([*before, value], protocol, policy=POLICY)
        assert ran == []


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_what_is_known_of_a_class_is_not_known_of_one_that_says_it_is_the_same(sp: ModuleType, protocol: int) -> None:
    """What dumps wrote here loads refused: the class may appear as a value, and no more."""
    value = [plain(a=1), plain(a=2), Known]
    assert sp.loads(sp.dumps(value, protocol, policy=POLICY), policy=POLICY)[2] is Known
    with pytest.raises(PolicyError, match="does not give that right"):
        sp.dumps([*value, Known()], protocol, policy=POLICY)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_attributes_that_are_no_plain_dict_are_not_written_as_one(sp: ModuleType, protocol: int) -> None:
    odd = plain()
    odd.__dict__ = Attributes(a=1)
    for value in ([odd], [plain(a=1), odd], [plain(a=1), plain(a=1), odd, odd]):
        ran.clear()
        with pytest.raises((PolicyError, EncodingError), match=r"Attributes|not a dict"):
            sp.dumps(value, protocol, policy=POLICY)
        assert ran == []


def test_a_class_may_compare_itself_as_it_likes_if_a_rule_names_it(sp: ModuleType) -> None:
    rules = [Rule(module=__name__, name=name, rights=Right.NEW | Right.BUILD) for name in ("Known", "Plain")]
    policy = Policy(name="all", rules=rules)
    first, second = Known(), Known()
    first.__dict__["a"] = 1
    value = [plain(b=2), first, plain(b=2), second, first]
    for protocol in (2, 4, 5):
        loaded = sp.loads(sp.dumps(value, protocol, policy=policy), policy=policy)
        assert [type(one) is Known for one in loaded] == [False, True, False, True, True]
        assert loaded[1] is loaded[4]
        assert vars(loaded[1]) == {"a": 1}
    assert pickle.loads(sp.dumps(value, policy=policy))[1].a == 1
