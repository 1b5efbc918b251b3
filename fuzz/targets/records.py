"""Models, recursive records and alternatives that only their insides tell apart load as their type, nothing else does.

The input is a series of choices: a row of a table, which has an annotation, what is of it and what is not,
a protocol and
a road. Classes are of pydantic and attrs where these are installed.
"""

from __future__ import annotations

import copyreg
import dataclasses
import pickle
import typing
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any

from fuzz import hints, terms
from fuzz.choices import ByteChoices, Choices
from fuzz.outcomes import Finding, describe, failure
from safepickle.errors import PolicyError, SafePickleError, ShapeError
from safepickle.policy.rules import Policy
from safepickle.policy.typed import check_type

INPUT = "choices"

#: An annotation, what is of it, what is not.
_ROWS: list[tuple[Any, tuple[Any, ...], tuple[Any, ...]]] = []
_REFUSED: list[Any] = [typing.ClassVar[int], typing.Union]


def _nested(levels: int, inside: Any) -> Any:
    for _ in range(levels):
        inside = [inside]
    return inside


def _alternatives(levels: int) -> Any:
    of: Any = list[int] | list[str]
    for _ in range(levels):
        of = list[of] | list[(of | None)]
    return of


def _chain(length: int, last: Any) -> Any:
    node = hints.Frozen(last)
    for _ in range(length):
        node = hints.Frozen(1, node)
    return node


class Registered:
    """Says by copyreg how it is pickled."""


def _reduce_registered(_one: Any) -> Any:
    return Registered, ()


copyreg.pickle(Registered, _reduce_registered)
Misnamed = dataclasses.make_dataclass("Nowhere", [("number", int)], namespace={"__module__": __name__})
_REFUSED += [Registered, Misnamed]

_ROWS += [
    (list[int] | list[str], ([], [1, 2], ["a"]), ([1, "a"], ["a", 1], (1,), [1.5])),
    (
        dict[str, list[int]] | dict[str, list[str]], ({}, {"a": [1]}, {"a": ["x"], "b": []}),
        ({"a": [1], "b": ["x"]}, {1: [1]}, {"a": [b"x"]}),
    ),
    (tuple[list[int] | list[str], ...], ((), ([1], ["a"]), ([],)), (([1, "a"],), [[1]], ([1], ["a", 1]))),
    (_alternatives(3), (_nested(4, 1), _nested(4, "x"), [[None]]), (_nested(4, 1.5), _nested(5, 1), [[[["a", 1]]]])),
    (hints.Frozen, (_chain(3, 1), _chain(60, 99)), (_chain(3, 100), _chain(60, -1), _chain(60, "x"))),
    (Annotated[int, [1]], (1, -5), ("x", None, 1.5)),
    (int | typing.Any, (1, "a", [1]), ()),
    (object | None, (1, "a", None), ()),
]  # fmt: skip

if find_spec("typing_extensions") is not None:
    _alias = import_module("typing_extensions").TypeAliasType
    _ROWS.append((_alias("Names", list[str]), ([], ["a"]), ([1], "a")))

if find_spec("pydantic") is not None:
    pydantic = import_module("pydantic")

    class Model(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        """Fields, one with a bound."""

        number: int = 0
        text: Annotated[str, pydantic.Field(max_length=5)] = ""

    class Open(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        """Fields beyond those it knows, and private ones."""

        model_config = {"extra": "allow"}  # noqa: RUF012
        number: int = 0
        _secret: int = 5

    class OwnState(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        """Says itself what its state is."""

        number: int = 0

        def __getstate__(self) -> Any:
            return {}

    _ROWS += [
        (
            Model, (Model(), Model(number=5, text="abc")),
            (Model.model_construct(number="x"), Model.model_construct(text="abcdef"), Model.model_construct(more=1,
            number=[])),
        ),
        (Open, (Open(), Open(number=1)), (Open.model_construct(number="x"),)),
        (list[Model], ([], [Model()]), ([Model.model_construct(number=None)], [Open()])),
    ]  # fmt: skip
    _REFUSED.append(OwnState)

if find_spec("attr") is not None:
    attr = import_module("attr")

    @attr.s(auto_attribs=True)
    class Attributed:
        """Attributes in a dict."""

        number: int = 0
        text: str = ""

    @attr.define
    class Defined:
        """Attributes in slots."""

        number: int = 0
        later: int = attr.field(init=False, default=3)

    @attr.s(auto_attribs=True)
    class OwnWay:
        """Says itself how it is pickled."""

        number: int = 0

        def __reduce__(self) -> Any:
            return OwnWay, ()

    attributed: Any = Attributed
    defined: Any = Defined
    _ROWS += [
        (Attributed, (attributed(), attributed(5, "x")), (attributed("x"), attributed(1, 2))),
        (Defined, (defined(), defined(5)), (defined("x"), defined([]))),
        (dict[str, Attributed], ({}, {"a": attributed()}), ({"a": attributed(None)}, {"a": defined()})),

    ]
    _REFUSED.append(OwnWay)

_TUPLES: tuple[Any, ...] = (
    tuple.__new__(hints.Pair, (1, None)), tuple.__new__(hints.Pair, (1, "a", 3)), tuple.__new__(hints.Pair, (1,)),
    tuple.__new__(hints.Pair, ()),
)  # fmt: skip


def _held(of: Any, value: Any, *, fine: bool, protocol: int) -> Any:
    """Hold a value to its type by every road."""
    try:
        check_type(value, of)
    except ShapeError as error:
        failure(error)
        if fine:
            raise Finding("a shape refuses what is of it", f"{of} {value!a:.200} {error}") from error
    else:
        if not fine:
            raise Finding("a shape passes what is not of it", f"{of} {value!a:.200}")
    try:
        written = pickle.dumps(value, protocol)
    except TypeError:
        return "slots need protocol 2"
    try:
        loaded = terms.package.loads(written, type=of, limits=terms.LIMITS)
    except SafePickleError as error:
        failure(error)
        if fine:
            cause = f"what is of a type is refused: {type(error).__name__}"
            raise Finding(cause, f"{of} {value!a:.200} {error}") from error
        if not isinstance(error, (ShapeError, PolicyError)):
            raise Finding(f"what is not of a type ends in {type(error).__name__}", str(error)) from error
        return type(error).__name__, protocol
    if not fine:
        raise Finding("what is not of a type loads as it", f"{of} {value!a:.200}")
    if describe(loaded) != describe(pickle.loads(written)):
        raise Finding("what is of a type loads as another value", f"{of} {value!a:.200}")
    policy = Policy.for_type(of, name="named")
    if policy.name != "named":
        raise Finding("a policy for a type is not called as it was told")
    again = terms.package.dumps(value, protocol, policy=policy, limits=terms.LIMITS)
    if describe(terms.package.loads(again, policy=policy, limits=terms.LIMITS)) != describe(loaded):
        raise Finding("what is written under the policy of a type loads as another value", str(of))
    return "of the type", protocol


def _refused(draw: Choices) -> Any:
    of = draw.pick(_REFUSED)
    try:
        Policy.for_type(of)
    except TypeError:
        return "refused", str(of)
    raise Finding("a policy is made from what says nothing of its pickles", ascii(of))


def check(data: bytes) -> Any:
    """Hold one value to one type."""
    draw = ByteChoices(data)
    if draw.chance(9):
        return _refused(draw)
    if draw.chance(9):
        number = draw.below(len(_TUPLES))
        try:
            check_type(_TUPLES[number], hints.Pair)
        except ShapeError as error:
            failure(error)
            if number:
                return "another number of fields", number
            raise Finding("a named tuple is refused", str(error)) from error
        if number:
            raise Finding("a named tuple of another length is passed", str(number))
        return "tuple"
    row = draw.below(len(_ROWS))
    of, good, bad = _ROWS[row]
    fine = not bad or bool(draw.below(2))
    return row, _held(of, draw.pick(good if fine else bad), fine=fine, protocol=draw.below(6))
