"""inspect(): the machine with the recording gate. It does nothing, shows everything, and says what loads says."""

from __future__ import annotations

import collections
import datetime
import io
import json
import pickle
import re
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attacks.asm import call, name, number, op, pickled, text
from attacks.streams import ATTACKS
from attacks.streams_objects import MORE_ATTACKS
from attacks.tripwire import watched
from decoding.programs import near_misses
from encoding.values import plain_values
from hypothesis import given
from hypothesis import strategies as st

import safepickle
from safepickle.errors import FormatError, LimitError, PolicyError, SafePickleError, TrailingDataError
from safepickle.limits import Limits
from safepickle.policy.rules import Policy, Rule

CASES = [pytest.param(attack.data, id=f"{attack.id}-{attack.title}"[:60]) for attack in ATTACKS + MORE_ATTACKS]
REAL = sorted((Path(__file__).parents[1] / "real").glob("*.pkl"))


def fields(error: BaseException | None) -> Any:
    if not isinstance(error, SafePickleError):
        return None if error is None else type(error).__name__
    # Of what is no built-in value a message says the type: what stands for it is another one.
    reason = re.sub("<(Inert|Call|PersistentId|GlobalHandle|Global)>", "<...>", error.reason)
    return (type(error).__name__, error.position, error.opcode, reason)


def result(function: Any, data: bytes) -> tuple[Any, SafePickleError | None]:
    try:
        return function(data), None
    except SafePickleError as error:
        return None, error


def agree(sp: ModuleType, data: bytes) -> None:
    """What is malformed for one is malformed for the other, at the same place and in the same words."""
    tree, wrong = result(sp.inspect, data)
    value, refused = result(sp.loads, data)
    if isinstance(refused, PolicyError):
        refused = refused.__cause__  # type: ignore[assignment]
        if refused is None and isinstance(wrong, TrailingDataError):
            # What loads would say of the bytes behind a pickle, had it not refused the pickle itself.
            return
    elif refused is None:
        assert tree.is_plain
        assert sp.dumps(tree.value, canonical=True) == sp.dumps(value, canonical=True)
    if refused is not None and ("persistent id" in refused.reason or "out-of-band data" in refused.reason):
        # Without the program that made the pickle these cannot be loaded, but they can be looked at.
        return
    assert fields(wrong) == fields(refused)


class Point:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class Slotted:
    __slots__ = ("x", "y")


# -- what stands in a tree -------------------------------------------------------------------------------------


def test_calls_instances_state_and_items_are_records(sp: ModuleType) -> None:
    value = {
        "when": datetime.date(2020, 1, 2),
        "many": collections.OrderedDict(a=1),
        "queue": collections.deque([1, 2], 5),
        "point": Point(x=1),
        "plain": [1, {2}, b"3"],
    }
    tree = sp.inspect(pickle.dumps(value, 4))
    found = tree.value
    assert found["plain"] == [1, {2}, b"3"]
    when, many, queue, point = (found[key] for key in ("when", "many", "queue", "point"))
    assert (when.callee.pair, when.args, when.right) == (("datetime", "date"), (b"\x07\xe4\x01\x02",), "call")
    assert (many.items, many.opcode) == ((("a", 1),), "REDUCE")
    assert (queue.appended, queue.args) == ((1, 2), ((), 5))
    assert (point.callee.name, point.is_instance, point.states) == ("Point", True, ({"x": 1},))
    assert [record.name for record in tree.globals] == ["date", "OrderedDict", "deque", "Point"]
    assert tree.calls == (when, many, queue, point)
    assert not tree.is_plain


def test_positions_are_those_of_the_opcodes(sp: ModuleType) -> None:
    data = pickle.dumps(collections.deque([1, 2]), 2)
    tree = sp.inspect(data)
    assert data[tree.value.position :].startswith(pickle.REDUCE)
    assert data[tree.value.callee.position :].startswith(b"ccollections\ndeque\n")
    (operation,) = tree.value.operations
    assert data[operation.position :].startswith(pickle.APPENDS)
    assert tree.bytes == len(data)


@pytest.mark.parametrize("protocol", range(6))
def test_emulated_helpers_appear_as_what_they_give(sp: ModuleType, protocol: int) -> None:
    value = [{1, 2}, frozenset("a"), b"bytes", bytearray(b"more"), range(3), slice(1, 2), 1j, type(None), ...]
    tree = sp.inspect(pickle.dumps(value, protocol))
    assert tree.value == value
    assert tree.calls == ()


def test_a_helper_in_another_shape_is_a_call(sp: ModuleType) -> None:
    tree = sp.inspect(pickled(call(name("builtins", "bytearray"), number(10**9))))
    assert tree.value.callee.pair == ("builtins", "bytearray")
    assert tree.value.args == (10**9,)


@pytest.mark.parametrize("protocol", [0, 1])
def test_instances_of_old_protocols_are_instances(sp: ModuleType, protocol: int) -> None:
    tree = sp.inspect(pickle.dumps(Point(x=1), protocol))
    assert (tree.value.right, tree.value.callee.name, tree.value.base) == ("new", "Point", "object")
    assert tree.value.states == ({"x": 1},)


def test_nested_classes_are_named_whole_below_protocol_4(sp: ModuleType) -> None:
    getattr_ = name("builtins", "getattr") + name("a.b", "Outer") + text("Inner") + b"\x86R"
    tree = sp.inspect(b"\x80\x02" + getattr_ + b".")
    assert tree.value.pair == ("a.b", "Outer.Inner")
    assert {pair: right.labels() for pair, right in tree.needs().items()} == {
        ("a.b", "Outer"): ("refer",),
        ("a.b", "Outer.Inner"): ("refer",),
    }


def test_persistent_ids_and_buffers_are_records(sp: ModuleType) -> None:
    data = pickle.dumps([pickle.PickleBuffer(b"x"), pickle.PickleBuffer(bytearray(b"y"))], 5, buffer_callback=bool)
    tree = sp.inspect(b"\x80\x05" + b"](" + b"\x97\x98" + b"\x97" + text("id") + b"Q" + b"e.")
    first, second, persistent = tree.value
    assert [first.number, second.number] == [0, 1]
    assert first != second
    assert tree.buffers == (first, second)
    assert (persistent.id, tree.persistent_ids) == ("id", (persistent,))
    assert sp.inspect(data).value


def test_what_is_dropped_is_still_among_the_calls(sp: ModuleType) -> None:
    tree = sp.inspect(pickled(call(name("os", "system"), text("id")) + b"0N"))
    assert tree.value is None
    (dropped,) = tree.calls
    assert dropped.callee.pair == ("os", "system")
    assert tree.path_of(dropped) is None
    assert tree.as_json()["dropped"][0]["callee"]["name"] == "system"


def test_what_is_done_to_no_instance_is_a_stray(sp: ModuleType) -> None:
    tree = sp.inspect(pickled(b"]}b"))
    ((obj, operation),) = tree.strays
    assert obj is tree.value
    assert operation.right == "build"
    with pytest.raises(FormatError, match="BUILD on 5"):
        sp.inspect(pickled(b"K\x05}b"))
    with pytest.raises(FormatError, match="on the global"):
        sp.inspect(pickled(name("a", "b") + b"}b"))


def test_records_are_frozen(sp: ModuleType) -> None:
    tree = sp.inspect(pickle.dumps([Point(x=1), pickle.PickleBuffer(b"")], 5, buffer_callback=lambda _: False))
    record = tree.value[0]
    for owner, attribute in ((tree, "value"), (record, "args"), (record.callee, "name"), (tree.value[1], "number"),
                             (record.operations[0], "values")):  # fmt: skip
        with pytest.raises(AttributeError, match="immutable"):
            setattr(owner, attribute, None)
        with pytest.raises(AttributeError, match="immutable"):
            delattr(owner, attribute)


# -- sharing, cycles, paths ------------------------------------------------------------------------------------


def test_sharing_and_cycles_are_kept(sp: ModuleType) -> None:
    shared = Point()
    shared.me = shared
    many: list[Any] = [shared, shared]
    many.append(many)
    tree = sp.inspect(pickle.dumps(many, 4))
    assert tree.value[0] is tree.value[1]
    assert tree.value[2] is tree.value
    assert tree.value[0].states[0]["me"] is tree.value[0]
    assert list(tree.shared()) == [tree.value, tree.value[0]]
    document = tree.as_json()
    assert document["value"]["$id"] == 1
    assert document["value"]["items"][2] == {"$ref": 1}
    json.dumps(document)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"model": [1, Point()]}, "root['model'][1]"),
        (Point(steps=[0, Point()]), "root.steps[1]"),
        ([Point(**{"not a name": Point()})], "root[0]['not a name']"),
        ({Point(): 1}, "root.<key <Call>>"),
        ({"s": {Point()}}, "root['s'].<item>"),
        (collections.OrderedDict(k=Point()), "root['k']"),
        (collections.deque([1, Point()]), "root[1]"),
        (slice(None, Point()), "root.<stop>"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_paths(sp: ModuleType, value: Any, path: str, protocol: int) -> None:
    tree = sp.inspect(pickle.dumps(value, protocol))
    innermost = next(one for one in tree.calls if one.callee.name == "Point" and not has_points(one))
    assert tree.path_of(innermost) == path


def has_points(one: Any) -> bool:
    return any("Point" in repr(list(state.values())) for state in one.states)


def test_slots_are_attributes(sp: ModuleType) -> None:
    slotted = Slotted()
    slotted.y = Point()
    tree = sp.inspect(pickle.dumps(slotted, 2))
    assert tree.path_of(tree.calls[1]) == "root.y"


def test_a_path_says_args_and_kwargs(sp: ModuleType) -> None:
    inner = call(name("a", "inner"))
    tree = sp.inspect(pickled(call(name("a", "f"), inner)))
    assert tree.path_of(tree.value.args[0]) == "root.<args>[0]"
    kwargs = b"}" + text("k") + inner + b"s"
    tree = sp.inspect(pickled(name("a", "C") + b")" + kwargs + b"\x92"))
    assert tree.path_of(tree.calls[0]) == "root.<kwargs>['k']"
    assert tree.path_of(tree.globals[0]) == "root.<callee>"


def test_a_path_is_short_and_escaped(sp: ModuleType) -> None:
    value: Any = Point()
    for _ in range(100):
        value = {"\x1b[31m" + "x" * 500: value}
    path = sp.inspect(sp.dumps(value, policy=sp.UNRESTRICTED)).path_of
    tree = sp.inspect(sp.dumps(value, policy=sp.UNRESTRICTED))
    text_ = tree.path_of(tree.calls[0])
    assert path is not None
    assert text_.isascii()
    assert text_.isprintable()
    assert len(text_) < 3000
    assert "steps)" in text_


# -- hostile input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", CASES)
def test_an_attack_is_looked_at_without_an_act(sp: ModuleType, data: bytes) -> None:
    sp.inspect(b"N.").as_json()  # its modules are imported when they are first used
    with watched() as acts:
        tree, error = result(sp.inspect, data)
        if error is None:
            json.dumps(tree.as_json())
            tree.needs()
            list(tree.walk())
    assert acts == []
    agree(sp, data)


@given(near_misses())
def test_the_tree_and_loads_agree(data: bytes) -> None:
    agree(safepickle, data)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_tree_or_an_error(data: bytes) -> None:
    agree(safepickle, data)


@given(plain_values, st.integers(0, 5))
def test_plain_values_are_themselves(value: Any, protocol: int) -> None:
    tree = safepickle.inspect(safepickle.dumps(value, protocol))
    assert tree.value == value
    assert tree.is_plain
    assert tree.calls == ()
    json.dumps(tree.as_json())


def test_depth_is_no_depth_of_calls(sp: ModuleType) -> None:
    depth = 50_000
    unbounded = Limits(max_depth=10**6)
    for data in (b"]" * depth + b"a" * (depth - 1) + b".", b"ca\nB\n(" * depth + b"N" + b"tR" * depth + b"."):
        tree = sp.inspect(data, limits=unbounded)
        assert sum(1 for _ in tree.walk()) >= depth
        document = tree.as_json()
        assert len(document["nodes"]) > depth // 100
        json.dumps(document)
        assert "steps" in list(tree.walk())[-1].path
        with pytest.raises(LimitError):
            sp.inspect(data)


def test_the_document_is_linear_in_the_tree(sp: ModuleType) -> None:
    laughs = b"](" + b"K\x01e" + b"\x940" * 1
    laughs = b"\x80\x04]\x94(K\x01K\x01e" + b"".join(
        b"0]" + b"\x94(" + op("BINGET", i) * 10 + b"e" for i in range(30)
    ) + b"."  # fmt: skip
    assert len(json.dumps(sp.inspect(laughs).as_json())) < 30_000
    long = b"\x80\x04" + b"X\x00\x01\x00\x00" + b"x" * 256 + b"\x940](" + b"h\x00" * 5000 + b"e."
    assert len(json.dumps(sp.inspect(long).as_json())) < 100_000
    # One state for many objects, and one argument for many dropped calls.
    state = b"\x80\x04}\x94(" + b"".join(text(f"k{i}") + b"N" for i in range(300)) + b"u0]("
    many = state + (name("a", "B") + b")\x81h\x00b") * 300 + b"e."
    assert len(json.dumps(sp.inspect(many).as_json())) < 150_000
    assert sum(1 for _ in sp.inspect(many).walk()) < 1000


def test_the_tree_is_paid_for(sp: ModuleType) -> None:
    data = b"\x80\x04" + name("a", "B") + b"\x940" + b"h\x00)R0" * 10_000 + b"N."
    sp.inspect(data)
    with pytest.raises(LimitError, match="max_memory"):
        sp.inspect(data, limits=Limits(max_memory="1 MB"))
    with pytest.raises(LimitError, match="max_objects"):
        sp.inspect(data, limits=Limits(max_objects=5000))
    with pytest.raises(LimitError, match="max_calls"):
        sp.inspect(data, limits=Limits(max_calls=5000))
    shared = b"\x80\x04}(" + b"".join(text(f"k{i}") + b"N" for i in range(1000)) + b"u\x940" + name("a", "B")
    with pytest.raises(LimitError, match="max_hash_work"):
        sp.inspect(shared + b"\x94" + b"h\x01)h\x00\x92" * 200 + b".", limits=Limits(max_hash_work=100_000))
    built = b"\x80\x04" + name("a", "B") + b")R" + b"}b" * 10_000 + b"."
    with pytest.raises(LimitError, match="max_memory"):
        sp.inspect(built, limits=Limits(max_memory="2 MB"))


def test_nothing_of_the_input_goes_unescaped_into_a_repr(sp: ModuleType) -> None:
    tree = sp.inspect(pickled(call(name("a\x1b[31m", "b" * 1000), text("x"))))
    assert repr(tree.value).isascii()
    assert repr(tree.value).isprintable()
    assert len(repr(tree.value)) < 300


def test_a_dict_cannot_pose_as_a_tag(sp: ModuleType) -> None:
    document = sp.inspect(pickle.dumps({"$type": "call", "$ref": 1})).as_json()
    assert document["value"]["$type"] == "dict"


# -- how it is called ------------------------------------------------------------------------------------------


def test_exactly_one_pickle_or_a_file_of_them(sp: ModuleType) -> None:
    with pytest.raises(TrailingDataError):
        sp.inspect(b"N.N.")
    file = io.BytesIO(b"K\x01.K\x02.")
    assert [sp.inspect(file).value, sp.inspect(file).value] == [1, 2]
    with pytest.raises(EOFError):
        sp.inspect(file)


def test_aliases_and_limits_of_a_policy_hold(sp: ModuleType) -> None:
    policy = Policy(name="p", aliases={("old", "*"): ("new", "*")}, limits=Limits(max_opcodes=4))
    assert sp.inspect(b"cold\nA\n.", policy=policy).value.pair == ("new", "A")
    with pytest.raises(LimitError, match="max_opcodes"):
        sp.inspect(b"NNNN1111.", policy=policy)


def test_what_was_decided_for_a_load_before_is_on_record_all_the_same(sp: ModuleType) -> None:
    policy = Policy.packs("stdlib")
    data = pickle.dumps([Decimal(1), datetime.date(2020, 1, 2), {3}, complex(1, 2)], 2)
    before = sp.inspect(data, policy=policy).as_json()
    assert sp.loads(data, policy=policy)[0] == 1
    assert sp.loads(data, policy=policy)[0] == 1
    assert sp.inspect(data, policy=policy).as_json() == before
    assert {one["name"] for one in before["globals"]} == {"Decimal", "date", "encode", "set", "complex"}


def test_wrong_arguments_are_named(sp: ModuleType) -> None:
    for arguments in ({"limits": None}, {"policy": None}, {"encoding": 5}):
        with pytest.raises(TypeError):
            sp.inspect(b"N.", **arguments)
    with pytest.raises(TypeError):
        sp.inspect("N.")


# -- what a policy would have to grant -------------------------------------------------------------------------


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_needs_are_what_the_deciding_gate_asks_for(sp: ModuleType, path: Path) -> None:
    data = path.read_bytes()
    needs = sp.inspect(data).needs()
    rules = [Rule(module=module, name=name_, rights=rights) for (module, name_), rights in needs.items()]
    assert sp.survey(data, policy=Policy(name="least", rules=rules)).denials == ()
    for index, rule in enumerate(rules):
        for right in rule.rights:
            less = Rule(module=rule.module, name=rule.name, rights=rule.rights & ~right)
            rest = [*rules[:index], *rules[index + 1 :]]
            weaker = Policy(name="less", rules=[*rest, less] if less.rights else rest)
            assert sp.survey(data, policy=weaker).denials, (rule, right)


@pytest.mark.parametrize("data", CASES)
def test_needs_of_attacks_cover_all_denials(sp: ModuleType, data: bytes) -> None:
    tree, error = result(sp.inspect, data)
    found = sp.survey(data)
    if error is not None or found.error is not None:
        return
    named = {(d.module, d.name) for d in found.denials if (d.module, d.name) in {g.pair for g in tree.globals}}
    assert named <= set(tree.needs())


def test_a_factory_needs_the_right_to_be_called(sp: ModuleType) -> None:
    data = pickled(call(name("collections", "defaultdict"), name("a", "factory")))
    assert sp.inspect(data).needs()["a", "factory"].labels() == ("refer", "call")
    assert sp.inspect(pickle.dumps(collections.defaultdict(list), 4)).needs()["builtins", "list"].labels() == ("refer",)


def test_equal_keys_stay_apart(sp: ModuleType) -> None:
    tree = sp.inspect(pickle.dumps({Decimal(1): "a", Decimal(2): "b"}))
    assert len(tree.value) == 2
