"""learn: the least policy of some pickles, from their inert trees; what is dangerous is never in it."""

from __future__ import annotations

import collections
import contextlib
import datetime
import itertools
import pickle
import random
import tomllib
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attacks.asm import call, name, new, pickled, state, text
from attacks.streams import ATTACKS
from attacks.streams_objects import MORE_ATTACKS
from attacks.tripwire import watched
from hypothesis import given
from hypothesis import strategies as st

import safepickle
from safepickle.errors import PolicyError, SafePickleError
from safepickle.policy.hazards import BOUND, DANGER, hazard_of, is_bounded
from safepickle.policy.learning import Learned, Learner
from safepickle.policy.rules import Policy, Right
from safepickle.policy.toml_text import comment, document, inline, key

REAL = Path(__file__).parents[1] / "real"
STDLIB = [
    datetime.datetime(2020, 1, 2, 3, 4, tzinfo=datetime.UTC),
    Decimal("1.5"),
    collections.OrderedDict(a=1),
    collections.deque([1], 3),
    collections.Counter("abca"),
    collections.defaultdict(list, {1: [2]}),
]


class Point:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def learned(*pickles: bytes, **options: Any) -> Learned:
    learner = Learner(**options)
    for data in pickles:
        learner.add(safepickle.inspect(data))
    return learner.finish()


# -- the least policy ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(6))
def test_what_was_learned_loads_what_it_was_learned_from(protocol: int) -> None:
    data = pickle.dumps(STDLIB, protocol)
    lesson = learned(data)
    assert safepickle.loads(data, policy=lesson.policy) == STDLIB
    assert lesson.withheld == ()


@pytest.mark.parametrize("kind", sorted({path.name.partition("_")[0] for path in REAL.glob("*.pkl")}))
def test_real_files(kind: str) -> None:
    data = [path.read_bytes() for path in sorted(REAL.glob(f"{kind}_*.pkl"))]
    lesson = learned(*data)
    for one in data:
        assert safepickle.survey(one, policy=lesson.policy).denials == ()
    needs: dict[Any, Any] = {}
    for one in data:
        for pair, rights in safepickle.inspect(one).needs().items():
            needs[pair] = needs.get(pair, rights) | rights
    assert {pair: rule.rights for pair, rule in lesson.policy.rules.items()} == needs


def test_only_rights_that_are_used() -> None:
    rules = learned(pickle.dumps([collections.deque([1]), datetime.date]), constraints=False).policy.rules
    assert {pair[1]: rule.rights.labels() for pair, rule in rules.items()} == {
        "deque": ("call", "append"),
        "date": ("refer",),
    }


def test_the_text_is_stable_and_loads() -> None:
    pickles = [pickle.dumps(value, protocol) for value in STDLIB for protocol in (2, 4)]
    pickles += [pickled(call(name("os", "system"), text("x"))), pickled(b"](" + call(name("os", "system")) + b"e")]
    texts = {learned(*order).text for order in itertools.islice(itertools.permutations(pickles), 0, 5000, 997)}
    assert len(texts) == 1
    (found,) = texts
    assert found.isascii()
    assert Policy.from_text(found).fingerprint == learned(*pickles).policy.fingerprint
    assert tomllib.loads(found)["schema"] == 1


@given(st.permutations(range(8)))
def test_the_order_makes_no_difference(order: list[int]) -> None:
    values = [Point(x=1), Point(y=2), [Point()], 1, {"p": (Point(x="a"),)}, Decimal(1), print, Point(x=None)]
    pickles = [pickle.dumps(value) for value in values]
    assert learned(*(pickles[index] for index in order)).text == learned(*pickles).text


def test_packs_are_extended() -> None:
    data = pickle.dumps([datetime.date(2020, 1, 2), Point(x=1)])
    lesson = learned(data, extends=["stdlib"])
    content = tomllib.loads(lesson.text)
    assert content["extends"] == ["stdlib"]
    assert [table["names"] for table in content["allow"]] == [["Point"]]
    assert lesson.policy.lookup("datetime", "date") is not None


# -- what is withheld ------------------------------------------------------------------------------------------


CASES = [pytest.param(attack.data, id=f"{attack.id}-{attack.title}"[:60]) for attack in ATTACKS + MORE_ATTACKS]


@pytest.mark.parametrize("data", CASES)
def test_no_attack_teaches_anything_dangerous(data: bytes) -> None:
    try:
        tree = safepickle.inspect(data)
    except SafePickleError:
        return
    learner = Learner()
    with watched() as acts:
        learner.add(tree)
        lesson = learner.finish()
    assert acts == []
    for module, global_ in lesson.policy.rules:
        hazard = hazard_of(module, global_)
        assert hazard is None or hazard.kind != DANGER
    for rule in lesson.policy.rules.values():
        assert not rule.accept_known_gadget
    assert all(ord(character) < 127 for character in lesson.text)


def test_what_is_dangerous_is_marked() -> None:
    lesson = learned(pickled(b"](", call(name("os", "system"), text("x")), name("functools", "partial"), b"e"))
    assert [(one.module, one.name, one.path) for one in lesson.withheld] == [
        ("functools", "partial", "root[1]"),
        ("os", "system", "root[0]"),
    ]
    assert lesson.policy.rules == {}
    assert "# WARNING: not allowed: os:system (call; in 1 pickle, at root[0])" in lesson.text


@pytest.mark.parametrize(
    "pair",
    [("a\nb = 1\n[globals]", "c"), ("a", 'x"] = 1'), ("a", "__reduce__"), ("a", "b\x1b[31m"), ("a", "\ud800")],
)
def test_names_cannot_write_the_file(pair: tuple[str, str]) -> None:
    try:
        tree = safepickle.inspect(pickled(name(*pair)))
    except SafePickleError:
        return
    learner = Learner()
    learner.add(tree)
    lesson = learner.finish()
    assert lesson.policy.rules == {}
    assert [one.name for one in lesson.withheld] == [pair[1]]
    assert lesson.text.isascii()
    assert set(tomllib.loads(lesson.text)) == {"schema", "name"}


def test_a_helper_in_a_wrong_form_is_withheld() -> None:
    lesson = learned(pickled(call(name("builtins", "bytearray"), b"J\x00\x00\x00\x7f")))
    assert [one.name for one in lesson.withheld] == ["bytearray"]


def test_notes_on_what_no_policy_decides() -> None:
    lesson = learned(pickled(b"](" + text("id") + b"Qe"), b"\x80\x05\x97.", pickled(b"]}b"))
    assert lesson.text.count("# NOTE: 1 pickle with") == 3


# -- constraints -----------------------------------------------------------------------------------------------


def many(count: int, make: Any) -> list[bytes]:
    return [pickle.dumps(make(index)) for index in range(count)]


def test_constraints_where_they_are_a_habit() -> None:
    pickles = many(12, Decimal)
    (table,) = tomllib.loads(learned(*pickles).text)["allow"]
    assert table["args"] == ["str"]
    (table,) = tomllib.loads(learned(*pickles[:4]).text)["allow"]
    assert "args" not in table
    (table,) = tomllib.loads(learned(*pickles, constraints=False).text)["allow"]
    assert "args" not in table


def test_state_is_constrained_to_names_that_never_vary() -> None:
    pickles = many(25, lambda index: Point(x=index, name="a", inner=[1]))
    lesson = learned(*pickles)
    (table,) = tomllib.loads(lesson.text)["allow"]
    assert sorted(table["state"]) == ["inner", "name", "x"]
    assert table["state"]["inner"] == "list"
    assert "none" in table["state"]["x"]
    varied = learned(*pickles, pickle.dumps(Point(x=1)))
    assert "state" not in tomllib.loads(varied.text)["allow"][0]
    extra = pickled(state(new(name(__name__, "Point")), text("evil"), b"N"))
    assert safepickle.survey(pickles[0], policy=lesson.policy).denials == ()
    with pytest.raises(SafePickleError):
        safepickle.loads(extra, policy=lesson.policy)


def test_how_many_there_may_be_is_offered_and_not_put_in_force() -> None:
    pickles = [pickle.dumps([Point(x=index) for index in range(1 + number % 3)]) for number in range(25)]
    text = learned(*pickles).text
    (table,) = tomllib.loads(text)["allow"]
    assert "max_instances" not in table
    assert "# max_instances = 64  # at most 3 in one pickle" in text
    (taken,) = tomllib.loads(text.replace("# max_instances", "max_instances"))["allow"]
    assert taken == {**table, "max_instances": 64}


def test_what_has_to_be_bounded_is_bounded() -> None:
    (table,) = tomllib.loads(
        learned(pickled(call(name("numpy", "zeros"), b"K\x05" + b"K\x07\x86"))).text
    )["allow"]
    assert table["args"] == [{"type": "tuple", "max_length": 32, "items": {"type": "int", "min": 0, "max": 128}}]


def test_scalars_are_taken_together() -> None:
    numbers = ["bool", "float", "int", "none"]
    for values, wanted in (([None, 1.5], numbers), (["a"], "str"), ([[], "a"], ["list", "str"])):
        pickles = [
            pickled(call(name("a", "f"), safepickle.dumps(values[index % len(values)], 2)[2:-1])) for index in range(12)
        ]
        (table,) = tomllib.loads(learned(*pickles).text)["allow"]
        assert table["args"] == [wanted]


def test_what_cannot_be_bounded_is_withheld() -> None:
    lesson = learned(pickled(call(name("numpy", "zeros"), call(name("a", "f")))))
    assert [one.name for one in lesson.withheld] == ["zeros"]
    assert "have to be bounded" in lesson.text


def test_keywords_that_are_changed_after_the_call() -> None:
    late = name("a", "B") + b")}" + b"\x94\x92" + b"h\x00K\x05Ns" + b"\x86"
    lesson = learned(*[pickled(b"](" + late * 3 + b"e") for _ in range(6)])
    assert lesson.policy.rules["a", "B"].rights.labels() == ("new",)


_WORDS = ["a", "B", "__x__", "x y", "os", "system", "numpy", "zeros", "\ud800", "builtins", "list", "deque"]


@st.composite
def programs(draw: Any) -> list[bytes]:
    """A few kinds of calls with state, each in many pickles: constraints are made of whatever names there are."""
    word = st.sampled_from(_WORDS)
    value = st.sampled_from([b"N", b"K\x01", b"]", b")", text("a"), name("a", "__b__"), name("m", "C"), text("\ud800")])
    called = name(draw(word), draw(word))
    args = b"(" + b"".join(draw(st.lists(value, max_size=3))) + b"t"
    kwargs = b"}" + b"".join(text(draw(word)) + draw(value) + b"s" for _ in range(draw(st.integers(0, 2))))
    made = called + args + (kwargs + b"\x92" if draw(st.booleans()) else draw(st.sampled_from([b"R", b"\x81"])))
    keys = draw(st.lists(word, max_size=3))
    made += b"}" + b"".join(text(key_) + draw(value) + b"s" for key_ in keys) + b"b"
    return [b"\x80\x04](" + made * 3 + b"e."] * draw(st.integers(1, 20))


@given(st.lists(programs(), max_size=3))
def test_whatever_is_learned_is_a_policy_without_warnings(batches: list[list[bytes]]) -> None:
    learner = Learner()
    for data in (one for batch in batches for one in batch):
        with contextlib.suppress(SafePickleError):
            learner.add(safepickle.inspect(data))
    lesson = learner.finish()
    for pair, rule in lesson.policy.rules.items():
        hazard = hazard_of(*pair)
        if hazard is not None and rule.rights & (Right.CALL | Right.NEW):
            assert hazard.kind == BOUND
            assert is_bounded(*pair) or rule.constrained


# -- held back: learn on half, load the other half -------------------------------------------------------------


def half_teaches_the_other(values: list[Any], *, seed: int = 1) -> None:
    chooser = random.Random(seed)
    pickles = [pickle.dumps(value, chooser.choice((2, 4, 5))) for value in values]
    chooser.shuffle(pickles)
    middle = len(pickles) // 2
    lesson = learned(*pickles[:middle])
    for pair in lesson.policy.rules:
        hazard = hazard_of(*pair)
        assert hazard is None or hazard.kind != DANGER
    for data in pickles[middle:]:
        safepickle.loads(data, policy=lesson.policy)
    with pytest.raises(PolicyError):
        safepickle.loads(pickled(call(name("os", "system"), text("true"))), policy=lesson.policy)


def test_held_back_arrays() -> None:
    np = pytest.importorskip("numpy")
    rng = np.random.default_rng(0)
    kinds = [
        lambda i: rng.normal(size=(i, 3)),
        lambda i: np.asfortranarray(rng.normal(size=(3, i))),
        lambda i: np.array([None, {"x": i}], dtype=object),
        lambda i: np.array(["a" * i, "b"]),
        lambda i: np.zeros(i, dtype=[("a", "i4"), ("b", "U3")]),
        np.float32,
    ]
    half_teaches_the_other([kinds[i % len(kinds)](i) for i in range(60)])


@pytest.mark.filterwarnings("ignore")
def test_held_back_frames() -> None:
    pd = pytest.importorskip("pandas")
    kinds = [
        lambda n: pd.DataFrame({"x": range(n), "s": ["a"] * n}),
        lambda n: pd.DataFrame({"x": range(n)}).x,
        lambda n: pd.DataFrame({"x": range(n), "y": range(n)}).set_index(["x", "y"]),
        lambda n: pd.Series(pd.date_range("2020", periods=n, tz="UTC")),
        lambda n: pd.Series(pd.Categorical(["u", "v"] * n)),
        lambda n: pd.Series([1, None] * n, dtype="Int64"),
    ]
    half_teaches_the_other([kinds[i % len(kinds)](i + 1) for i in range(60)])


@pytest.mark.filterwarnings("ignore")
def test_held_back_estimators() -> None:
    pytest.importorskip("sklearn")
    import numpy as np
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    features = rng.normal(size=(20, 2))
    labels = (features[:, 0] > 0).astype(int)
    kinds = [
        lambda i: LogisticRegression(C=1 + i, class_weight=(None, "balanced")[i % 2], random_state=(None, i)[i % 2]),
        lambda i: RandomForestClassifier(n_estimators=2, max_depth=(None, 2)[i % 2], random_state=0),
        lambda i: make_pipeline(StandardScaler(), KNeighborsClassifier(2)),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        half_teaches_the_other([kinds[i % 3](i // 3).fit(features, labels) for i in range(48)])


@pytest.mark.filterwarnings("ignore")
def test_held_back_graphs() -> None:
    nx = pytest.importorskip("networkx")
    kinds = (nx.Graph, nx.DiGraph, nx.MultiGraph)
    graphs = [kinds[i % 3]((j, (j * 7 + i) % 11) for j in range(10)) for i in range(30)]
    half_teaches_the_other(graphs)


# -- the text --------------------------------------------------------------------------------------------------


@given(st.dictionaries(st.text(min_size=1), st.text() | st.integers(-(2**62), 2**62) | st.booleans(), max_size=4))
def test_what_is_written_is_read_back(content: dict[str, Any]) -> None:
    clean = {k: v for k, v in content.items() if _is_unicode(k) and (type(v) is not str or _is_unicode(v))}
    assert tomllib.loads(document(clean)) == clean
    assert tomllib.loads(document({"t": [clean, {"inner": clean}]}))["t"] == [clean, {"inner": clean}]
    assert tomllib.loads("x = " + inline([clean]))["x"] == [clean]


def _is_unicode(words: str) -> bool:
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in words)


@given(st.text())
def test_comments_are_comments(words: str) -> None:
    lines = comment(words)
    assert all(line.startswith("#") and line.isascii() and line.isprintable() and len(line) <= 120 for line in lines)
    assert tomllib.loads("\n".join(lines)) == {}


def test_keys_are_quoted_where_they_have_to_be() -> None:
    assert (key("a-b_1"), key("a b"), key("")) == ("a-b_1", '"a b"', '""')
    with pytest.raises(TypeError):
        inline(None)


def test_calls_of_what_is_no_global_are_said() -> None:
    """NEWOBJ on text: no rule can allow it, and the policy that is written says so."""
    learner = Learner()
    learner.add(safepickle.inspect(bytes.fromhex("8c017829812e")))
    assert "calls of what is no global" in learner.finish().text
