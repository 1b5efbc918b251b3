"""What is kept of a pair with its policy: no more than is allowed, and nothing of an object that is another by now."""

from __future__ import annotations

import gc
import os
import pickle
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from safepickle.errors import PolicyError
from safepickle.policy.rights import Right, Rule
from safepickle.policy.rules import Policy


class Thing:
    """Allowed."""


def _policy(*names: str, **more: object) -> Policy:
    rights = Right.NEW | Right.BUILD | Right.CALL
    return Policy(name="kept", rules=[Rule(module=__name__, name=name, rights=rights, **more) for name in names])  # type: ignore[arg-type]


def _named(module: str, name: str) -> bytes:
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b")\x81."


def test_only_what_is_allowed_is_kept(sp: ModuleType) -> None:
    policy = _policy("Thing")
    for number in range(50):
        with pytest.raises(PolicyError):
            sp.loads(_named(__name__, f"thing_{number}"), policy=policy)
    for _ in range(3):
        assert type(sp.loads(pickle.dumps(Thing()), policy=policy)) is Thing
    assert list(policy.kept) == [(__name__, "Thing")]
    assert [(module, list(names)) for module, names in policy.kept_names.items()] == [(__name__, ["Thing"])]


class Other(Thing):
    """Allowed, too."""


def test_a_name_that_an_alias_leads_from_is_never_meant_itself(sp: ModuleType) -> None:
    """Also where another alias leads to it, so that it was decided on."""
    rules = _policy("Thing", "Other").rules.values()
    aliases = {(__name__, "First"): (__name__, "Thing"), (__name__, "Thing"): (__name__, "Other")}
    policy = Policy(name="aliased", rules=rules, aliases=aliases)
    for name, kind in (("Thing", Other), ("First", Thing), ("Thing", Other), ("Other", Other), ("First", Thing)):
        for _ in range(2):
            assert type(sp.loads(_named(__name__, name), policy=policy)) is kind
        assert type(sp.loads(_named(__name__, "First")[:-1] + b"0" + _named(__name__, name)[2:], policy=policy)) is kind


def test_names_that_only_a_rule_for_classes_covers_are_not_kept(sp: ModuleType) -> None:
    policy = _policy("*", classes_only=True)
    assert type(sp.loads(pickle.dumps(Thing()), policy=policy)) is Thing
    for number in range(50):
        with pytest.raises((PolicyError, pickle.UnpicklingError)):
            sp.loads(_named(__name__, f"thing_{number}"), policy=policy)
    assert not policy.kept


def test_a_name_that_stands_for_another_object_is_looked_at_again(
    sp: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = _policy("Thing")
    data = pickle.dumps(Thing())
    sp.loads(data, policy=policy)
    called = b"\x80\x02c" + f"{__name__}\nThing\n".encode() + b"X\x04\x00\x00\x00true\x85R."
    monkeypatch.setattr(sys.modules[__name__], "Thing", os.system)
    with pytest.raises(PolicyError, match="which runs"):
        sp.loads(called, policy=policy)
    monkeypatch.undo()
    assert type(sp.loads(data, policy=policy)) is Thing


def test_constraints_begin_anew_with_each_load(sp: ModuleType) -> None:
    policy = Policy.from_text(
        f'schema = 1\n[[allow]]\nmodule = "{__name__}"\nnames = ["Thing"]\nrights = ["new"]\nmax_instances = 2\n'
    )
    for _ in range(3):
        assert len(sp.loads(pickle.dumps([Thing(), Thing()]), policy=policy)) == 2
    for _ in range(2):
        with pytest.raises(PolicyError):
            sp.loads(pickle.dumps([Thing(), Thing(), Thing()]), policy=policy)


def test_the_right_to_be_called_lets_nothing_be_made_otherwise(sp: ModuleType) -> None:
    """INST without arguments only makes an instance, as NEWOBJ does, and asks for another right."""
    policy = Policy(name="called", rules=[Rule(module=__name__, name="Thing", rights=Right.CALL)])
    cls = f"{__name__}\nThing\n".encode()
    made = b"\x80\x02(i" + cls
    assert type(sp.loads(made + b".", policy=policy)) is Thing
    for other in (b"c" + cls + b")\x81", b"(c" + cls + b"o0c" + cls + b")\x81"):
        with pytest.raises(PolicyError):
            sp.loads(made + b"0" + other + b".", policy=policy)


def test_a_class_is_asked_about_arguments_each_time(sp: ModuleType) -> None:
    """That one without arguments was made says nothing of one with arguments."""
    cls = f"{__name__}\nThing\n".encode()
    data = b"\x80\x02(c" + cls + b")\x81c" + cls + b")\x81c" + cls + b"K\x01\x85\x81l."
    with pytest.raises(pickle.UnpicklingError, match="Thing failed: TypeError"):
        sp.loads(data, policy=_policy("Thing"))


@pytest.mark.parametrize(
    "constraint", ['state = { text = { type = "str", pattern = "[a-z]+" } }',
                   'state_value = { type = "dict", values = { type = "str", pattern = "[a-z]+" } }']
)  # fmt: skip
def test_a_text_that_matched_a_pattern_stays_with_whoever_loaded_it(sp: ModuleType, constraint: str) -> None:
    policy = Policy.from_text(
        f'schema = 1\n[[allow]]\nmodule = "{__name__}"\nnames = ["Thing"]\nrights = ["new", "build"]\n{constraint}\n'
    )
    thing = Thing()
    thing.text = "secret"  # type: ignore[attr-defined]
    loaded = sp.loads(pickle.dumps(thing), policy=policy).text
    assert not [holder for holder in gc.get_referrers(loaded) if isinstance(holder, set)]


def test_a_module_that_another_thread_imports_is_waited_for(
    sp: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there already, but without its names: the first loads of two threads come at the same time."""
    meeting = SimpleNamespace(begun=threading.Event(), may_end=threading.Event())
    monkeypatch.setitem(sys.modules, "meeting_place", meeting)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = f"late_{'compiled' if sp.COMPILED else 'python'}"
    lines = "import meeting_place", "meeting_place.begun.set()", "meeting_place.may_end.wait(20)", "class Late: pass"
    (tmp_path / f"{module}.py").write_text("\n".join(lines))
    policy = Policy(name="late", rules=[Rule(module=module, name="Late", rights=Right.NEW)])
    data = _named(module, "Late")
    found: list[Any] = []

    def load() -> None:
        try:
            found.append(type(sp.loads(data, policy=policy)).__name__)
        except sp.SafePickleError as error:
            found.append(str(error))

    threads = [threading.Thread(target=load, daemon=True) for _ in range(2)]
    try:
        threads[0].start()
        assert meeting.begun.wait(20)
        threads[1].start()
        # It waits, and is not done with.
        threads[1].join(0.2)
    finally:
        meeting.may_end.set()
        for thread in threads:
            thread.join(20)
        sys.modules.pop(module, None)
    assert found == ["Late", "Late"]
