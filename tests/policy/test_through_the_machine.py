"""Contracts, seen through the machine: state, enumerations, factories and the policy's own limits."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from safepickle.errors import LimitError, PolicyError, SafePickleError
from safepickle.policy.rules import Policy

if TYPE_CHECKING:
    from types import ModuleType

STDLIB = Policy.packs("stdlib")
#: A tuple whose hash takes 2**26 steps: refused at once, or the test hangs for minutes.
TOWER = b"K\x01" + b"2\x86" * 26


def allowing(*lines: str) -> Policy:
    return STDLIB | Policy.from_text("schema = 1\n[globals]\n" + "\n".join(lines))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x80\x04cuuid\nUUID\n)\x81}(\x8c\x03intK\x05\x8c\x07is_safe" + TOWER + b"ub.", id="is_safe"),
        pytest.param(b"\x80\x04cuuid\nUUID\n)\x81}\x8c\x03int" + TOWER + b"sb.", id="int"),
        pytest.param(b"\x80\x04ccollections\nUserDict\n)\x81}\x8c\x04datacbuiltins\nrange\nK\x05\x85Rsb.", id="data"),
        pytest.param(
            b"\x80\x04cbuiltins\nImportError\n)R}\x8c\x04argscbuiltins\nrange\nK\x05\x85Rsb.", id="args"
        ),
    ],
)
def test_state_is_held_to_its_contract(sp: ModuleType, data: bytes) -> None:
    with pytest.raises(PolicyError) as caught:
        sp.loads(data, policy=STDLIB)
    assert caught.value.right == "build"


def test_the_value_of_an_enumeration_is_charged_before_it_is_hashed(sp: ModuleType) -> None:
    data = b"\x80\x04cplistlib\nPlistFormat\n" + TOWER + b"\x85R."
    with pytest.raises(SafePickleError) as caught:
        sp.loads(data, policy=allowing('"plistlib:PlistFormat" = ["call"]'))
    assert isinstance(caught.value, (LimitError, PolicyError))


def test_an_enumeration_takes_one_value(sp: ModuleType) -> None:
    data = b"\x80\x04cplistlib\nPlistFormat\n\x8c\x01a]\x8c\x01ba\x86R."
    with pytest.raises(PolicyError, match="wants one value"):
        sp.loads(data, policy=allowing('"plistlib:PlistFormat" = ["call"]'))


def test_a_factory_needs_the_right_to_be_called(sp: ModuleType) -> None:
    data = b"\x80\x04ccollections\ndefaultdict\nclogging\nFormatter\n\x85R."
    with pytest.raises(PolicyError) as caught:
        sp.loads(data, policy=allowing('"logging:Formatter" = ["refer"]'))
    assert (caught.value.name, caught.value.right) == ("Formatter", "call")
    assert sp.loads(data, policy=allowing('"logging:Formatter" = ["refer", "call"]')) == {}


def test_the_limits_of_a_policy_hold(sp: ModuleType) -> None:
    policy = Policy.from_text("schema = 1\n[limits]\nmax_depth = 2")
    with pytest.raises(LimitError, match="max_depth=2"):
        sp.loads(pickle.dumps([[[]]]), policy=policy)
    with pytest.raises(LimitError, match="max_depth=2"):
        sp.loads(pickle.dumps([[[]]]), policy=policy, limits=sp.UNLIMITED)
    with pytest.raises(LimitError, match="max_depth=2"):
        sp.dumps([[[]]], policy=policy)
