"""What a policy file constrains is what is let through: arguments and state are judged as a second reading judges them.

The input is a series of choices: a constraint, written as a policy file has it,
and a value. The policy is read from the
text, the value arrives by a stream, as an argument or as state, and a few lines here judge it by themselves.
"""

from __future__ import annotations

import json
from typing import Any

from fuzz import samples, terms
from fuzz.assembly import blob, dict_of, list_of, name, number, op, pickled, text, tuple_of
from fuzz.choices import ByteChoices, Choices
from fuzz.outcomes import Finding, feature, outcome
from safepickle.policy.rules import Policy

INPUT = "choices"

_NUMBERS = (-5, -1, 0, 1, 2, 3, 7, 2**40)
_TEXTS = ("", "a", "ab", "abc", "\u20ac", "abcd\n")
_TYPES = ("int", "str", "bytes", "bool", "float", "none", "list", "tuple", "dict")
_FILE = """schema = 1
name = "fuzz"
[[allow]]
module = "%s"
names = ["Argued"]
rights = ["call", "new", "build"]
%s
"""
_POLICIES: dict[str, Policy] = {}


def _spec(draw: Choices, depth: int = 2) -> Any:
    """Return a constraint, as TOML has it."""
    kind = draw.below(8)
    if kind == 0 and depth:
        return [_spec(draw, 0) if draw.below(2) else draw.pick(_TYPES) for _ in range(1 + draw.below(3))]
    if kind == 1:
        return {"enum": [draw.pick((1, 2, "a", "b", True)) for _ in range(1 + draw.below(3))]}
    kind_of = draw.pick(_TYPES)
    spec: dict[str, Any] = {"type": kind_of}
    if kind_of == "int" and draw.below(3):
        low = draw.pick(_NUMBERS)
        spec["min"] = low
        if draw.below(2):
            spec["max"] = low + draw.below(4)
    elif kind_of in ("str", "bytes", "list", "tuple", "dict") and draw.below(3):
        least = draw.below(3)
        spec["min_length"] = least
        if draw.below(2):
            spec["max_length"] = least + draw.below(3)
    if kind_of in ("list", "tuple") and depth and draw.below(2):
        spec["items"] = _spec(draw, depth - 1)
    if kind_of == "dict" and depth and draw.below(2):
        spec["values"] = _spec(draw, depth - 1)
    return spec


def _value(draw: Choices, depth: int = 2) -> Any:
    kind = draw.below(9 if depth else 6)
    if kind < 2:
        return draw.pick(_NUMBERS)
    if kind == 2:
        return draw.pick(_TEXTS)
    if kind == 3:
        return draw.pick(_TEXTS).encode()
    if kind == 4:
        return draw.pick((None, True, False))
    if kind == 5:
        return draw.pick((0.0, 1.0, -1.5))
    items = [_value(draw, depth - 1) for _ in range(draw.below(4))]
    if kind == 6:
        return items
    return tuple(items) if kind == 7 else {str(index): item for index, item in enumerate(items)}


def _allows(spec: Any, value: Any) -> bool:
    """Judge a value, without a line of the package."""
    if isinstance(spec, str):
        spec = {"type": spec}
    if isinstance(spec, list):
        return any(_allows(part, value) for part in spec)
    if "enum" in spec:
        return any(type(one) is type(value) and one == value for one in spec["enum"])
    wanted: Any = {"none": type(None), "int": int, "str": str, "bytes": bytes, "bool": bool, "float": float,
              "list": list, "tuple": tuple, "dict": dict}[spec["type"]]  # fmt: skip
    if type(value) is not wanted:
        return False
    if ("min" in spec and value < spec["min"]) or ("max" in spec and value > spec["max"]):
        return False
    if ("min_length" in spec and len(value) < spec["min_length"]) or (
        "max_length" in spec and len(value) > spec["max_length"]
    ):
        return False
    if "items" in spec and not all(_allows(spec["items"], item) for item in value):
        return False
    return "values" not in spec or all(_allows(spec["values"], item) for item in value.values())


def _pushed(value: Any) -> bytes:
    kind = type(value)
    if kind is bool:
        return b"\x88" if value else b"\x89"
    if value is None:
        return b"N"
    if kind is int:
        return number(value)
    if kind is float:
        return op("BINFLOAT", value)
    if kind is str:
        return text(value)
    if kind is bytes:
        return blob(value)
    if kind is dict:
        return dict_of(*(part for pair in value.items() for part in map(_pushed, pair)))
    return (list_of if kind is list else tuple_of)(*map(_pushed, value))


def _toml(spec: Any) -> str:
    if isinstance(spec, dict):
        return "{ " + ", ".join(f"{key} = {_toml(value)}" for key, value in spec.items()) + " }"
    if isinstance(spec, list):
        return "[" + ", ".join(map(_toml, spec)) + "]"
    return json.dumps(spec)


def check(data: bytes) -> Any:
    """Constrain, send, and judge."""
    draw = ByteChoices(data)
    spec, road = _spec(draw), draw.below(3)
    value = _value(draw)
    line = ("args = [%s]", 'state = { "key" = %s }', "rest = %s")[road] % _toml(spec)
    source = _FILE % (samples.__name__, line)
    policy = _POLICIES.get(source)
    if policy is None:
        if len(_POLICIES) > 500:
            _POLICIES.clear()
        policy = _POLICIES[source] = Policy.from_text(source)
    target = name(samples.__name__, "Argued")
    if road == 1:
        stream = pickled(target + b")\x81" + dict_of(text("key"), _pushed(value)) + b"b")
    elif road == 2:
        stream = pickled(target + tuple_of(_pushed(value)) + b"\x81")
    else:
        stream = pickled(target + tuple_of(_pushed(value)) + draw.pick((b"R", b"\x81")))
    found = outcome(lambda: terms.package.loads(stream, policy=policy, limits=terms.LIMITS))
    allowed = _allows(spec, value)
    if found.error not in ("", "PolicyError"):
        raise Finding(f"a constraint ends in {found.error}", found.message)
    if allowed != (not found.error):
        how = "refuses what it allows" if allowed else "allows what it refuses"
        raise Finding(
            f"a constraint {how}: {('args', 'state', 'rest')[road]}", f"{_toml(spec)} for {value!a}: {found.message}"
        )
    return _kind(spec), type(value).__name__, allowed, feature(found)


def _kind(spec: Any) -> Any:
    return tuple(sorted(spec)) if isinstance(spec, dict) else type(spec).__name__
