"""Policies from type annotations: exactly what is needed loads, and where a value is not of the type is told."""

from __future__ import annotations

import io
import pickle
from types import ModuleType
from typing import Any, Literal, TypedDict

import pytest
from attacks.asm import NONE, call, name, new, pickled, state, text
from hypothesis import given
from hypothesis import strategies as st
from policy import typed_world as world

from safepickle.errors import PolicyError, ShapeError
from safepickle.policy import shapes
from safepickle.policy.rules import PLAIN, Policy, Right
from safepickle.policy.typed import check_type

WORLD = "policy.typed_world"
IDS = [f"{index} {str(row[0])[:30]}" for index, row in enumerate(world.KINDS)]


def alike(first: Any, second: Any) -> bool:
    return type(first) is type(second) and (
        bool(first == second) or (not hasattr(first, "__eq__")) or vars(first) == vars(second)
    )


@pytest.fixture(scope="module", autouse=True)
def _orders_are_whole() -> None:
    """A field that no constructor sets: an instance may be without it."""
    for annotation, good, bad in world.KINDS:
        if annotation is world.Order:
            for value in [*good, *(row[0] for row in bad)]:
                value.later = 1
                if value.parent is not None:
                    value.parent.later = 1


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(("annotation", "good", "bad"), world.KINDS, ids=IDS)
def test_values_of_a_type_load_and_no_others(
    sp: ModuleType, annotation: Any, good: list[Any], bad: list[tuple[Any, str]], protocol: int
) -> None:
    policy = Policy.for_type(annotation)
    if annotation is world.Slots and protocol < 2:
        pytest.skip("has slots, which protocols 0 and 1 do not write")
    for value in good:
        data = pickle.dumps(value, protocol)
        assert alike(sp.loads(data, type=annotation), value)
        assert alike(sp.loads(data, policy=policy), value)
        assert alike(sp.loads(sp.dumps(value, protocol, policy=policy), policy=policy), value)
    for value, _ in bad:
        data = pickle.dumps(value, protocol)
        with pytest.raises((PolicyError, ShapeError)):
            sp.loads(data, type=annotation)


@pytest.mark.parametrize(("annotation", "good", "bad"), world.KINDS, ids=IDS)
def test_where_a_value_is_not_of_the_type_is_told(annotation: Any, good: list[Any], bad: list[tuple[Any, str]]) -> None:
    for value in good:
        check_type(value, annotation)
    for value, part in bad:
        with pytest.raises(ShapeError) as caught:
            check_type(value, annotation)
        assert part in str(caught.value)
        assert str(caught.value).startswith("root")
        assert caught.value.path is not None
        assert pickle.loads(pickle.dumps(caught.value)).path == caught.value.path


def test_exactly_the_classes_that_are_reached() -> None:
    policy = Policy.for_type(world.Item)
    assert {pair for pair in policy.rules if pair[0] == WORLD} == {
        (WORLD, "Item"), (WORLD, "Color"), (WORLD, "Color.RED"), (WORLD, "Color.GREEN"),
    }  # fmt: skip
    assert {pair for pair in policy.rules if pair[0] != WORLD} == {("decimal", "Decimal")}
    rule = policy.rules[WORLD, "Item"]
    assert rule.rights == Right.NEW | Right.BUILD
    assert rule.state_guard is not None
    assert not Policy.for_type(list[int]).rules
    assert not Policy.for_type(Any).rules


def test_a_policy_for_a_type_is_a_policy() -> None:
    policy = Policy.for_type(world.Order)
    assert policy == Policy.for_type(world.Order)
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert policy.name == "Order"
    assert Policy.for_type(world.Order, name="mine").name == "mine"
    assert policy.fingerprint != Policy.for_type(world.Item).fingerprint
    assert (policy | Policy.for_type(world.Slots)).lookup(WORLD, "Slots") is not None


def test_annotations_that_are_equal_but_not_the_same() -> None:
    from typing import Literal

    check_type(1, Literal[1])
    check_type(True, Literal[True])
    with pytest.raises(ShapeError):
        check_type(True, Literal[1])


@pytest.mark.parametrize(
    ("annotation", "part"),
    [
        (world.Hooked, r"says itself how it is pickled \(__setstate__\)"),
        (world.Reducing, r"says itself how it is pickled \(__reduce__\)"),
        (world.Bare, "is no type whose pickles are known"),
        (world.Base, "policy file"),
        (type[int], "is no type"),
        (list[world.Bare], "Bare"),
        (world.Lost, "name what is not there"),
        ("Order", "forward reference"),
        (5, "is no type"),
        (ValueError, "is no type"),
        (pickle.Pickler, "is no type"),
    ],
)
def test_what_cannot_be_said_exactly(annotation: Any, part: str) -> None:
    with pytest.raises(TypeError, match=part):
        Policy.for_type(annotation)


def test_a_class_of_a_function_cannot_be_named() -> None:
    import dataclasses

    @dataclasses.dataclass
    class Local:
        x: int

    with pytest.raises(TypeError, match="cannot stand in a rule"):
        Policy.for_type(Local)


@pytest.mark.parametrize(
    "body",
    [
        # Items of a class that the annotation leads to, but not here; a derived class; another attribute; a call.
        state(new(name(WORLD, "Order")), text("items"), new(name(WORLD, "Item"))),
        state(new(name(WORLD, "Item")), text("price"), text("x")),
        state(new(name(WORLD, "Item")), text("extra"), NONE),
        call(name(WORLD, "Item"), NONE),
        new(name(WORLD, "Item"), NONE),
        name(WORLD, "Item"),
        new(name(WORLD, "Derived")),
        call(name(WORLD, "Color"), text("b")),
        call(name("builtins", "getattr"), name(WORLD, "Color"), text("mro")),
    ],
    ids=range(9),
)
def test_a_hostile_stream_gets_nothing_more(sp: ModuleType, body: bytes) -> None:
    with pytest.raises(PolicyError):
        sp.loads(pickled(body), type=world.Order)


def test_an_instance_without_its_fields_is_told(sp: ModuleType) -> None:
    """NEWOBJ without BUILD: nothing was checked because nothing was set."""
    with pytest.raises(ShapeError, match="root: expected an attribute price of a Item"):
        sp.loads(pickled(new(name(WORLD, "Item"))), type=world.Item)


def test_a_policy_that_is_given_is_the_one_that_counts(sp: ModuleType) -> None:
    data = pickle.dumps(world.Color.RED)
    assert sp.loads(data, type=world.Color) is world.Color.RED
    with pytest.raises(PolicyError):
        sp.loads(data, type=world.Color, policy=PLAIN)
    with pytest.raises(PolicyError):
        sp.Codec().loads(data, type=world.Color)
    with pytest.raises(PolicyError):
        sp.loads(data)
    wide = Policy.from_text(f'schema = 1\n[globals]\n"{WORLD}:Color" = ["call"]')
    assert sp.Codec(policy=wide).loads(data, type=world.Color) is world.Color.RED
    with pytest.raises(ShapeError):
        sp.Codec(policy=wide).load(io.BytesIO(data), type=int)


def test_files(sp: ModuleType) -> None:
    data = pickle.dumps([1, 2])
    assert sp.load(io.BytesIO(data), type=list[int]) == [1, 2]
    with pytest.raises(ShapeError, match=r"root\[0\]"):
        sp.load(io.BytesIO(data), type=list[str])


# ---- the walk ----------------------------------------------------------------------------------------------


def test_depth_is_no_depth_of_calls() -> None:
    deep: Any = {"children": []}
    for _ in range(50_000):
        deep = {"children": [deep]}
    check_type(deep, world.Node)
    innermost = deep
    while innermost["children"]:
        innermost = innermost["children"][0]
    innermost["children"].append(1)
    with pytest.raises(ShapeError, match="expected Node, got int") as caught:
        check_type(deep, world.Node)
    assert len(str(caught.value)) < 2000
    innermost["children"].clear()
    while deep["children"]:
        deep = deep["children"].pop()


def test_cycles_end() -> None:
    ring: Any = {"children": []}
    ring["children"].append(ring)
    check_type(ring, world.Node)
    order = world.Order([])
    order.parent = order
    order.later = 1
    check_type(order, world.Order)
    order.tags = {"a": {"b"}}  # type: ignore[dict-item]
    with pytest.raises(ShapeError, match=r"root\.tags"):
        check_type(order, world.Order)


def test_what_was_tried_in_vain_does_not_count_as_seen() -> None:
    """A value that fits under one alternative because of a cycle, which another alternative then relies on."""
    shared: list[Any] = ["a"]
    check_type([[shared, shared], shared], list[list[list[int]] | list[list[str]] | list[str]])
    with pytest.raises(ShapeError):
        check_type([[shared, [1]], shared], list[list[list[int]] | list[list[str]] | list[str]])


    from typing import Any as Anything

    bad = {"children": [{"children": [1]}]}
    with pytest.raises(ShapeError):
        check_type((bad, 1), tuple[world.Node, int] | tuple[world.Node, Anything])


class First(TypedDict):
    tag: list[Literal[1]]
    child: First | Second | None


class Second(TypedDict):
    tag: list[Literal[2]]
    child: First | Second | None


def test_nested_choices_do_not_multiply(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told apart only by what is looked at after all that is below: each level would double the time."""
    monkeypatch.setattr(shapes, "MAX_STEPS", 20_000)
    for innermost, wrong in ((None, False), ({"tag": [3], "child": None}, True)):
        value: Any = innermost
        for _ in range(900):
            value = {"tag": [2], "child": value}
        if not wrong:
            check_type(value, First | Second)
            # Also where many choices, one after another, lead to the same values.
            shared = [{"tag": [1], "child": value}, *({"tag": [2], "child": value} for _ in range(100))]
            check_type(shared, list[First | Second])
            continue
        with pytest.raises(ShapeError, match=r"\['tag'\]\[0\]: expected [12], got int"):
            check_type(value, First | Second)


def test_there_are_only_so_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "MAX_STEPS", 100)
    with pytest.raises(ShapeError, match="more than 100 steps"):
        check_type([[] for _ in range(100)], list[list[int]])
    kind = list[list[list[int] | list[str]] | list[list[float] | list[bytes]]]
    with pytest.raises(ShapeError, match="more than 100 steps"):
        check_type([[[b""]] for _ in range(40)], kind)


#: Values, and shapes, that refer to each other by number: an atom, or what is inside.
_GRAPH = st.lists(st.one_of(st.sampled_from([1, "a"]), st.lists(st.integers(0, 5), max_size=3)), min_size=6, max_size=6)
_SHAPES = st.lists(
    st.one_of(
        st.sampled_from(["int", "str"]),
        st.tuples(st.just("items"), st.integers(0, 6)),
        st.tuples(st.just("union"), st.lists(st.integers(0, 6), min_size=1, max_size=3)),
    ),
    min_size=7,
    max_size=7,
)


@given(_GRAPH, _SHAPES)
def test_the_walk_finds_what_fits(graph: list[Any], plan: list[Any]) -> None:
    """Whatever is shared and cyclic, in the value or the type: what cannot be refuted fits."""
    values: list[Any] = [[] if type(node) is list else node for node in graph]
    for value, node in zip(values, graph, strict=True):
        if type(node) is list:
            value.extend(values[number] for number in node)
    made: list[shapes.Shape] = []
    for entry in plan:
        if type(entry) is str:
            made.append(shapes.ExactShape(entry, int if entry == "int" else str))
        elif entry[0] == "items":
            made.append(shapes.ItemsShape("list", shapes.ANY, list))
        else:
            made.append(shapes.UnionShape(()))
    for shape, entry in zip(made, plan, strict=True):
        if isinstance(shape, shapes.ItemsShape):
            shape.item = made[entry[1]]
        elif isinstance(shape, shapes.UnionShape):
            # A union of unions is made one union; here they are taken for a list of themselves.
            shape.alternatives = tuple(
                one if not isinstance(one, shapes.UnionShape) else _list_of(one)
                for one in (made[number] for number in entry[1])
            )
    for value in values:
        for shape in made:
            assert _fits(value, shape) == _passes(value, shape)


def _list_of(shape: shapes.Shape) -> shapes.Shape:
    return shapes.ItemsShape("list", shape, list)


def _passes(value: Any, shape: shapes.Shape) -> bool:
    try:
        shapes.check_shape(value, shape)
    except ShapeError:
        return False
    return True


def _fits(value: Any, shape: shapes.Shape) -> bool:
    """Say yes to all pairs that can be reached, and take back what cannot be, until nothing changes."""
    pairs: dict[tuple[int, int], tuple[Any, Any]] = {}
    work = [(value, shape)]
    while work:
        pair = work.pop()
        if (id(pair[0]), id(pair[1])) not in pairs:
            pairs[id(pair[0]), id(pair[1])] = pair
            work += _below(*pair)
    fits = dict.fromkeys(pairs, True)
    before = -1
    while before != sum(fits.values()):
        before = sum(fits.values())
        for key, (one, of) in pairs.items():
            below = [fits[id(each), id(inner)] for each, inner in _below(one, of)]
            if isinstance(of, shapes.UnionShape):
                fits[key] = any(below)
            else:
                fits[key] = type(one) in (of.kinds or ()) and all(below)
    return fits[id(value), id(shape)]


def _below(value: Any, shape: shapes.Shape) -> list[tuple[Any, shapes.Shape]]:
    if isinstance(shape, shapes.UnionShape):
        return [(value, one) for one in shape.alternatives]
    if isinstance(shape, shapes.ItemsShape) and type(value) is list:
        return [(each, shape.item) for each in value]
    return []


def test_many_choices_do_not_multiply() -> None:
    kind = list[list[int] | list[str]]
    check_type([["a"], [1]] * 5000, kind)
    with pytest.raises(ShapeError, match=r"root\[10000\]"):
        check_type([*([["a"], [1]] * 5000), [1, "a"]], kind)


def test_nothing_of_a_class_runs() -> None:
    class Liar(int):
        def __eq__(self, other: object) -> bool:
            raise AssertionError("asked")

        __hash__ = None  # type: ignore[assignment]

        @property
        def __class__(self) -> Any:
            raise AssertionError("asked")

    from typing import Literal

    for annotation in (int, Literal[1], list[int], world.Item, int | None, world.Movie):
        with pytest.raises(ShapeError):
            check_type(Liar(), annotation)
