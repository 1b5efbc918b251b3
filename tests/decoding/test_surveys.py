"""survey(): the machine run inert. It does nothing, says everything, and never says other than loads."""

from __future__ import annotations

import io
import pickle
from datetime import UTC, date, datetime
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest
from attacks.asm import MEMOIZE, POP, blob, call, name, op, pickled, text
from attacks.streams import ATTACKS
from attacks.streams_objects import MORE_ATTACKS
from attacks.tripwire import watched
from decoding import samples
from decoding.programs import near_misses
from hypothesis import given, settings

import safepickle
from safepickle.errors import FormatError, LimitError, PolicyError, SafePickleError, TrailingDataError
from safepickle.limits import Limits
from safepickle.policy.rules import Policy

CASES = [pytest.param(attack.data, id=f"{attack.id}-{attack.title}"[:60]) for attack in ATTACKS + MORE_ATTACKS]


def fields(error: SafePickleError | None) -> Any:
    return None if error is None else (type(error).__name__, error.position, error.opcode, error.reason)


def refusal(sp: ModuleType, data: bytes) -> SafePickleError | None:
    try:
        sp.loads(data)
    except SafePickleError as error:
        return error
    return None


@pytest.mark.parametrize("data", CASES)
def test_an_attack_is_surveyed_without_an_act(sp: ModuleType, data: bytes) -> None:
    survey = sp.decoding.unpickler.survey
    with watched() as acts:
        found = survey(data)
        again = survey(io.BytesIO(data))
    assert acts == []
    assert found.denials == again.denials
    error = refusal(sp, data)
    if isinstance(error, PolicyError):
        assert found.denials == error.denials
        assert fields(found.error) == fields(error.__cause__)  # type: ignore[arg-type]
    else:
        assert found.denials == ()
        assert fields(found.error) == fields(error)


@pytest.mark.parametrize("opcode", ["REDUCE", "NEWOBJ"])
def test_a_survey_knows_that_what_a_call_gave_is_not_called(sp: ModuleType, opcode: str) -> None:
    """`check` said "ok" of it, where a load refuses it by right."""
    made = call(name("datetime", "date"), blob(b"\x07\xe4\2\x1d"))
    data = pickled(made + op("EMPTY_TUPLE") + op(opcode))
    policy = sp.Policy.packs("stdlib")
    found = sp.decoding.unpickler.survey(data, policy=policy)
    with pytest.raises(PolicyError) as caught:
        sp.loads(data, policy=policy)
    assert [(denial.name, denial.right) for denial in found.denials] == [
        (denial.name, denial.right) for denial in caught.value.denials
    ]
    # What was refused already is refused once.
    refused = call(name("x", "y")) + op("EMPTY_TUPLE") + op(opcode)
    assert len(sp.decoding.unpickler.survey(pickled(refused), policy=policy).denials) == 1


@pytest.mark.parametrize("made", ["list", "dict", "set", "deque"])
def test_a_survey_asks_for_items_where_a_load_does(sp: ModuleType, made: str) -> None:
    """What list(...) gave is the machine's own and takes items; a survey asked for `append`, and `check` refused it."""
    given = {"list": b"K\1a", "dict": b"K\1K\2s", "set": b"(K\1\x90", "deque": b"K\1a"}[made]
    home = "collections" if made == "deque" else "builtins"
    policy = sp.Policy.from_text(f'schema = 1\n[globals]\n"{home}:{made}" = ["call"]\n')
    data = pickled(call(name(home, made)) + given)
    found = sp.decoding.unpickler.survey(data, policy=policy)
    assert [denial.right for denial in found.denials] == (["append"] if made == "deque" else [])
    if made != "deque":
        assert type(sp.loads(data, policy=policy)).__name__ == made
        return
    with pytest.raises(PolicyError, match="append"):
        sp.loads(data, policy=policy)


@pytest.mark.parametrize("data", CASES)
def test_under_stdlib_a_survey_refuses_no_more_than_loads(sp: ModuleType, data: bytes) -> None:
    """What only a look at the object itself shows (its contract, its failure) a survey cannot know."""
    policy = sp.Policy.packs("stdlib")
    with watched() as acts:
        found = sp.decoding.unpickler.survey(data, policy=policy)
    assert acts == []
    if not found.denials:
        return
    with pytest.raises(SafePickleError) as caught:
        sp.loads(data, policy=policy)
    if isinstance(caught.value, PolicyError):
        refused = {(d.module, d.name) for d in caught.value.denials}
        assert {(d.module, d.name) for d in found.denials} <= refused


def test_nothing_is_made_even_where_the_policy_allows(sp: ModuleType) -> None:
    before = vars(samples.Failing).copy()
    data = pickled(name(samples.HERE, "Failing") + b")\x81")
    found = sp.decoding.unpickler.survey(data, policy=samples.allowing("Failing"))
    assert found.error is None
    assert found.denials == ()
    assert vars(samples.Failing) == before
    assert found.globals == ((samples.HERE, "Failing"),)


def test_all_denials_are_listed(sp: ModuleType) -> None:
    names = [("os", "system"), ("builtins", "eval"), ("a.b", "C"), ("subprocess", "Popen")]
    data = pickled(b"(" + b"".join(call(name(*pair), text("x")) for pair in names) + b"l")
    found = sp.decoding.unpickler.survey(data)
    assert [(d.module, d.name) for d in found.denials] == names
    assert {d.right for d in found.denials} == {"call"}
    assert found.globals == tuple(names)
    assert found.error is None
    assert found.bytes == len(data)


def test_what_is_fine_is_said_to_be_fine(sp: ModuleType) -> None:
    data = pickle.dumps({"a": [1, 2]})
    found = sp.decoding.unpickler.survey(data)
    assert (found.denials, found.error, found.globals, found.calls, found.bytes) == (
        (),
        None,
        (),
        0,
        len(data),
    )
    assert found.opcodes > 5


def test_what_is_wrong_is_said(sp: ModuleType) -> None:
    survey = sp.decoding.unpickler.survey
    assert isinstance(survey(b"N.x").error, TrailingDataError)
    assert isinstance(survey(b"").error, EOFError)
    assert isinstance(survey(b"](NN", limits=Limits(max_bytes=2)).error, LimitError)
    for data in (b"](cos\nsystem\ne0R.rest", b"cos\nsystem\n0R."):
        # More is taken from the stack than is on it: said so, and not that bytes follow.
        found = survey(data)
        assert [d.name for d in found.denials] == ["system"]
        assert isinstance(found.error, FormatError)
        assert found.error.opcode == "REDUCE"
    found = survey(b"cos\nsystem\n(")
    assert [d.name for d in found.denials] == ["system"]
    assert found.error is not None


def test_trailing_bytes_are_said_beside_denials(sp: ModuleType) -> None:
    assert isinstance(sp.decoding.unpickler.survey(b"cos\nsystem\n.x").error, TrailingDataError)


@settings(max_examples=150)
@given(near_misses())
def test_on_plain_data_a_survey_is_what_loads_says(data: bytes) -> None:
    found = safepickle.decoding.unpickler.survey(data)
    error = refusal(safepickle, data)
    if isinstance(error, PolicyError):
        assert found.denials == error.denials
    else:
        assert fields(found.error) == fields(error)


@pytest.mark.parametrize(
    ("named", "args"),
    [
        (name("decimal", "Decimal"), text("1.5") + b"\x85R"),
        (name("datetime", "date"), b"C\x04\x07\xe4\x01\x01\x85R"),
        (name("fractions", "Fraction"), b"K\x01K\x02\x86R"),
    ],
    ids=["Decimal", "date", "Fraction"],
)
def test_nothing_is_called_after_a_denial(sp: ModuleType, named: bytes, args: bytes) -> None:
    """Not even what has just been called, with arguments that surely fit: each call would be paid for."""
    made = op("BINGET", 0) + args
    data = pickled(
        named + MEMOIZE + POP + b"](" + made * 3 + name("os", "system") + text("true") + b"\x85R" + made * 20 + b"e"
    )
    with pytest.raises(PolicyError) as refused:
        sp.loads(data, policy=sp.Policy.packs("stdlib"), limits=Limits(max_calls=4))
    assert [denial.name for denial in refused.value.denials] == ["system"]
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("value", [Decimal("1.5"), date(2024, 2, 3), datetime(2024, 2, 3, tzinfo=UTC)], ids=repr)
@pytest.mark.parametrize("protocol", [2, 5])
def test_what_is_a_leaf_to_a_load_is_one_to_a_survey(sp: ModuleType, value: Any, protocol: int) -> None:
    data = pickle.dumps([[value], value, value], protocol)
    policy, limits, survey = Policy.packs("stdlib"), Limits(max_depth=2), sp.decoding.unpickler.survey
    assert sp.loads(data, policy=policy, limits=limits) == [[value], value, value]
    found = survey(data, policy=policy, limits=limits)
    assert found.error is None
    assert not found.denials
    assert type(survey(data, policy=policy, limits=Limits(max_depth=1)).error).__name__ == "LimitError"
    with pytest.raises(LimitError):
        sp.loads(data, policy=policy, limits=Limits(max_depth=1))
