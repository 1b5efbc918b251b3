"""Showing values: bounded, faithful for plain data, and without running the code of what is shown."""

from __future__ import annotations

import collections
import datetime as dt
import enum
import fractions
import json
import math
import re
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepickle.cli.drawing import as_json, as_text
from safepickle.cli.viewing import Bounds, view


class Armed:
    """Every hook that could run while it is shown raises."""

    __slots__ = ("__dict__", "slot", "unset")

    def _refuse(self, *_: Any) -> Any:
        raise AssertionError("run while being shown")

    __repr__ = __str__ = __getattribute__ = __getattr__ = __iter__ = __len__ = __eq__ = __format__ = _refuse  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


class ArmedDict(dict):  # type: ignore[type-arg]
    items = keys = values = __iter__ = __len__ = __repr__ = __getitem__ = Armed._refuse  # type: ignore[assignment]


class ArmedList(list):  # type: ignore[type-arg]
    __iter__ = __len__ = __repr__ = __getitem__ = Armed._refuse  # type: ignore[assignment]


class ArmedText(str):
    __slots__ = ()
    __str__ = __repr__ = __len__ = __getitem__ = encode = Armed._refuse  # type: ignore[assignment]


class ArmedInt(int):
    __repr__ = __str__ = __pos__ = __index__ = __int__ = Armed._refuse  # type: ignore[assignment]


class Colour(enum.Enum):
    RED = 1


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers()), inner)
        | st.tuples(inner, inner)
    ),
    max_leaves=20,
)


@given(value=PLAIN)
def test_plain_data_is_shown_as_python_writes_it(value: Any) -> None:
    text = as_text(view(value))
    assert text.isascii()
    assert eval(text) == value


def untag(value: Any) -> Any:
    """Undo the tags of as_json for plain data."""
    if isinstance(value, list):
        return [untag(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$type" not in value:
        return {key: untag(item) for key, item in value.items()}
    if value["$type"] == "tuple":
        return tuple(untag(item) for item in value["items"])
    if value["$type"] == "bytes":
        return __import__("base64").b64decode(value["base64"])
    if value["$type"] == "int":
        return int(value["text"])
    return {untag(key): untag(item) for key, item in value["pairs"]}


@given(value=PLAIN)
def test_json_holds_plain_data_without_ambiguity(value: Any) -> None:
    document = json.dumps(as_json(view(value)), allow_nan=False)
    assert untag(json.loads(document)) == value


def test_a_dict_cannot_pose_as_a_tag() -> None:
    for value in ({"$type": "bytes", "base64": "AA=="}, {"$type": 1}):
        assert untag(as_json(view(value))) == value
        assert as_json(view(value))["$type"] == "dict"


def test_no_code_of_the_value_runs() -> None:
    armed = Armed.__new__(Armed)
    object.__setattr__(armed, "field", ArmedDict(a=ArmedList([1])))
    object.__setattr__(armed, "slot", [ArmedText("text"), ArmedInt(5)])
    for part in (view(armed), view([armed]), view({1: armed})):
        text, document = as_text(part), json.dumps(as_json(part))
        assert re.search(r"field=\S+:ArmedDict\(\{'a': \S+:ArmedList\(\[1\]\)\}\)", text.replace("\n", ""))
        assert "slot=[" in text
        assert "unset" not in text
        assert "Armed" in document


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (set(), "set()"),
        ({2, 1}, "{1, 2}"),
        (frozenset([1]), "frozenset([1])"),
        (bytearray(b"\x00"), "bytearray(b'\\x00')"),
        (1 + 2j, "(1+2j)"),
        (range(3), "range(0, 3)"),
        (slice(1, None, 2), "slice(1, None, 2)"),
        (collections.OrderedDict(a=1), "collections:OrderedDict({'a': 1})"),
        (collections.deque([1], 3), "collections:deque([1])"),
        (
            dt.datetime(2020, 1, 2, tzinfo=dt.UTC),
            "datetime.datetime(2020, 1, 2, 0, 0, tzinfo=datetime.timezone.utc)",
        ),
        (fractions.Fraction(1, 3), "Fraction(1, 3)"),
        (PurePosixPath("/a\x1b"), "PurePosixPath('/a\\x1b')"),
        (Colour.RED, f"<member {__name__}:Colour.RED>"),
        (Colour, f"<class {__name__}:Colour>"),
        (len, "<function len>"),
        (ValueError("why"), "ValueError(args=('why',))"),
        (object(), "object()"),
        (math.inf, "inf"),
        ([2**20_000], "[<int of 20001 bits>]"),
    ],
)
def test_other_values(value: Any, shown: str) -> None:
    part = view(value)
    assert as_text(part) == shown
    json.dumps(as_json(part), allow_nan=False)


def test_cycles_say_where_they_lead() -> None:
    inner: list[Any] = []
    value = {"a": inner}
    inner.append(value)
    assert as_text(view(value)) == "{'a': [<cycle: dict at root>]}"
    armed = Armed.__new__(Armed)
    object.__setattr__(armed, "itself", armed)
    assert "itself=<cycle: " in as_text(view(armed))


def test_depth_width_and_text_are_bounded() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert "<list: not shown>" in as_text(view(deep))
    wide = view(list(range(10_000)), Bounds(items=5))
    assert as_text(wide) == "[0, 1, 2, 3, 4, ... 9995 more]"
    assert as_json(wide)["omitted"] == 9995
    long = view("x" * 10_000, Bounds(characters=5))
    assert as_text(long) == "'xxxxx' ... 9995 more"
    assert as_json(long) == {"$type": "str", "value": "xxxxx", "omitted": 9995}


def test_a_small_pickle_of_many_parts_is_bounded() -> None:
    laughs: Any = ["ha"] * 10
    for _ in range(20):
        laughs = [laughs] * 10
    assert len(as_text(view(laughs))) < 5_000_000
    texts = ["x" * 1000] * 10_000
    assert len(as_text(view(texts))) < 5_000_000
