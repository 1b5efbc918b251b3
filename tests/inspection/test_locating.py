"""Denials with their places in the object graph: found when somebody looks, and never in the way of the refusal."""

from __future__ import annotations

import io
import pickle
from types import ModuleType
from typing import Any

import pytest
from attacks.asm import call, name, new, pickled, state, text

from safepickle.errors import FormatError, LimitError, PolicyError
from safepickle.limits import Limits
from safepickle.policy.rules import Policy, Right, Rule


class Step:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


VALUE = {"model": Step(steps=[0, Step(fine=1)])}
#: One allowed class, so that what is refused lies deeper.
OUTER = name("a", "Step")


def refusal(function: Any) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        function()
    return caught.value


def allowing(*rules: tuple[str, str, Right]) -> Policy:
    return Policy(name="p", rules=[Rule(module=m, name=n, rights=r) for m, n, r in rules])


def test_the_message_and_every_denial_say_where(sp: ModuleType) -> None:
    data = pickle.dumps(VALUE)
    error = refusal(lambda: sp.loads(data))
    assert error.path == "root['model']"
    assert " at root['model'];" in str(error)
    # The inner one is finished first.
    places = {denial.right: denial.path for denial in error.denials}
    assert places == {"new": "root['model']", "build": "root['model'].steps[1]"}
    data = pickle.dumps([VALUE, b"x" * 10, {1, 2}, [[print]]])
    paths = {denial.pair: denial.path for denial in refusal(lambda: sp.loads(data)).denials}
    assert paths["builtins", "print"] == "root[3][0][0]"


def test_each_right_has_its_own_place(sp: ModuleType) -> None:
    data = pickled(
        b"](",
        call(name("a", "f")),
        new(name("a", "C")) + b"}b",
        name("a", "g"),
        call(name("a", "f")) + b"(NNu",
        b"]}be",
    )
    paths = [(d.pair, d.right, d.path) for d in refusal(lambda: sp.loads(data)).denials]
    assert paths == [
        (("a", "f"), "call", "root[0]"),
        (("a", "f"), "setitem", "root[3]"),
        (("a", "C"), "new", "root[1]"),
        (("a", "C"), "build", "root[1]"),
        (("a", "g"), "refer", "root[2]"),
        (("builtins", "list"), "build", "root[4]"),
    ]


def test_dropped_calls_say_so(sp: ModuleType) -> None:
    error = refusal(lambda: sp.loads(pickled(call(name("os", "system"), text("id")) + b"0N")))
    assert error.path == "<dropped>"


def test_attributes_of_state(sp: ModuleType) -> None:
    policy = allowing(("a", "C", Right.NEW | Right.BUILD))
    data = pickled(state(new(name("a", "C")), text("steps"), b"](N" + call(name("a", "f")) + b"e"))
    # The class is not there to be imported: a survey does not ask.
    (denial,) = sp.survey(data, policy=policy).denials
    assert denial.path == "root.steps[1]"


@pytest.mark.parametrize("look", [str, lambda e: e.path, lambda e: e.denials[0].path, pickle.dumps, repr])
def test_it_is_found_whatever_is_looked_at_first(sp: ModuleType, look: Any) -> None:
    error = refusal(lambda: sp.loads(pickle.dumps([Step()])))
    look(error)
    assert error.denials[0].path == "root[0]"
    again = pickle.loads(pickle.dumps(error))
    assert (again.path, str(again), again.denials) == (error.path, str(error), error.denials)


def test_an_error_is_no_bigger_than_what_it_says(sp: ModuleType) -> None:
    error = refusal(lambda: sp.loads(pickle.dumps([Step(), b"x" * 100_000])))
    assert len(pickle.dumps(error)) < 2000


def test_files(sp: ModuleType, tmp_path: Any) -> None:
    data = pickle.dumps([Step()])
    path = tmp_path / "a.pkl"
    path.write_bytes(data + data + b"N.")
    with path.open("rb") as file:
        for _ in range(2):
            error = refusal(lambda: sp.load(file))
        assert sp.load(file) is None
    assert error.path == "root[0]"  # the file is closed now

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    assert refusal(lambda: sp.load(Pipe(data))).path is None

    class Broken(io.BytesIO):
        def tell(self) -> int:
            raise OSError("gone")

    assert refusal(lambda: sp.load(Broken(data))).path is None


def test_big_pickles_are_not_read_twice_from_files(sp: ModuleType, monkeypatch: Any) -> None:
    data = pickle.dumps([Step(), b"x" * 5000])
    monkeypatch.setattr(sp.decoding.locating, "MOST_BYTES", 5000)
    assert refusal(lambda: sp.load(io.BytesIO(data))).path is None
    assert refusal(lambda: sp.loads(data)).path == "root[0]"


def test_lines_to_paste_for_all_of_it(sp: ModuleType) -> None:
    data = pickled(b"](", call(name("a", "f")), name("os", "system"), new(name("a", "C")) + b"}b", b"e")
    error = refusal(lambda: sp.loads(data))
    assert error.suggestions == ('"a:f" = ["call"]', '"a:C" = ["new", "build"]')
    lines = "\n".join(["schema = 1", "[globals]", *error.suggestions])
    assert set(Policy.from_text(lines).rules) == {("a", "f"), ("a", "C")}


def test_what_has_no_tree_has_no_paths(sp: ModuleType) -> None:
    broken = refusal(lambda: sp.loads(pickle.dumps([Step()], 3)[:-1]))
    assert broken.path is None
    assert isinstance(broken.__cause__, FormatError)
    # The tree takes more memory than the refused load did.
    data = pickled(b"](" + new(name("a", "C")) * 300 + b"e")
    for memory in range(20_000, 400_000, 20_000):
        try:
            sp.loads(data, limits=Limits(max_memory=memory))
        except PolicyError as error:
            if error.path is None and error.__cause__ is None:
                break
        except LimitError:
            continue
    else:
        pytest.fail("no limit is between the two")


def test_all_globals_are_listed_under_an_overridden_find_class(sp: ModuleType) -> None:
    asked = []

    class Mine(sp.Unpickler):
        def find_class(self, module: str, name_: str) -> Any:
            asked.append(name_)
            return super().find_class(module, name_)

    data = pickled(b"](", name("a", "f"), call(name("b", "g")), name("os", "system"), b"e")
    error = refusal(lambda: Mine(io.BytesIO(data)).load())
    assert asked == ["f"]
    assert [(d.pair, d.right, d.path) for d in error.denials] == [
        (("a", "f"), "refer", "root[0]"),
        (("b", "g"), "call", "root[1]"),
        (("os", "system"), "refer", "root[2]"),
    ]
    assert "not decided" in error.denials[1].reason
    assert error.denials[1].suggestion == '"b:g" = ["call"]'
    assert error.denials[2].gadget
    mine = Policy(name="mine", rules=[Rule(module="b", name="g", rights=Right.CALL)])
    error = refusal(lambda: Mine(io.BytesIO(data), policy=mine).load())
    assert ("b", "g") not in {denial.pair for denial in error.denials}


def test_a_policy_of_the_users_own(sp: ModuleType) -> None:
    class Mine:
        def find_class(self, module: str, name_: str) -> Any:
            return sp.Unpickler(io.BytesIO()).find_class(module, name_)

    data = pickled(b"](", name("a", "f"), name("b", "g"), b"e")
    error = refusal(lambda: sp.loads(data, policy=Mine()))
    assert [denial.pair for denial in error.denials] == [("a", "f"), ("b", "g")]


def test_the_two_sides_write_the_same_path(sp: ModuleType) -> None:
    for value in ([Step()], {"k": (1, Step())}, {1: {"x": [Step()]}}):
        data = pickle.dumps(value)
        reading = refusal(lambda data=data: sp.loads(data))
        writing = refusal(lambda value=value: sp.dumps(value))
        assert reading.path == writing.path
