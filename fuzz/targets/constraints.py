"""What a policy file constrains is what is let through: arguments and state are judged as a second reading judges them.

The input is a series of choices: a constraint, written as a policy file has it, and a value. The policy is read from
the text, the value arrives by a stream, as an argument, a keyword or as state, and a few lines here judge it by
themselves. What is written under the policy is judged alike.
"""

from __future__ import annotations

import json
import re
from typing import Any

from fuzz import samples, terms
from fuzz.assembly import blob, dict_of, list_of, name, number, op, pickled, text, tuple_of
from fuzz.choices import ByteChoices, Choices
from fuzz.outcomes import Finding, feature, outcome
from safepickle.policy.rules import Policy

INPUT = "choices"

_SAMPLES = samples.__name__
_NUMBERS = (-5, -1, 0, 1, 2, 3, 7, 2**40)
_TEXTS = ("", "a", "ab", "abc", "\u20ac", "abcd\n", "12-a", "abab")
_TYPES = ("int", "str", "bytes", "bool", "float", "none", "list", "tuple", "dict", "set", "frozenset", "bytearray")
_PATTERNS = ("[a-z]+", "(?:ab){2}", r"\d{1,3}-\w?", "a|ab", "[^a]*", "..")
_CLASSES = ("Node", "Listed", "Outer")
_FILE = """schema = 1
name = "fuzz"
[[allow]]
module = "%s"
names = ["Argued", "Stated", "Both"]
rights = ["call", "new", "build"]
%s
[globals]
"fuzz.samples:Node" = ["new", "refer", "build"]
"fuzz.samples:Listed" = ["new", "refer", "append", "call"]
"fuzz.samples:Outer" = ["refer"]
"""
_POLICIES: dict[str, Policy] = {}
#: How a value gets there, and the line that constrains it.
_ROADS: tuple[tuple[str, str], ...] = (
    ("args", "args = [%s]"), ("state", 'state = { "key" = %s }'), ("rest", "rest = %s"),
    ("keyword", 'args = []\nkwargs = { "second" = %s, "first" = { type = "any", optional = true } }'),
    ("state value", "state_value = %s"), ("slots",
    'state = { "slot" = %s, "key" = { type = "int", optional = true } }'),
    ("optional", 'args = ["any", { type = %s, optional = true }]'), ("instances", "max_instances = %s"),
)  # fmt: skip


class _Of:
    """A value that is an instance, or a class itself."""

    def __init__(self, cls: str, *, instance: bool) -> None:
        self.cls = cls
        self.instance = instance

    def made(self) -> Any:
        cls = getattr(samples, self.cls)
        return cls() if self.instance else cls


def spec_of(draw: Choices, depth: int = 2) -> Any:
    """Return a constraint, as TOML has it."""
    kind = draw.below(12)
    if kind == 0 and depth:
        return [spec_of(draw, 0) if draw.below(2) else draw.pick(_TYPES) for _ in range(1 + draw.below(3))]
    if kind == 1:
        return {"enum": [draw.pick((1, 2, "a", "b", True, 1.5)) for _ in range(1 + draw.below(3))]}
    if kind == 2:
        return draw.pick(({"type": "any"}, "any", {"any_of": ["int", {"type": "str", "max_length": 1}]}))
    if kind == 3:
        pair = f"{_SAMPLES}:{draw.pick(_CLASSES)}"
        derived = {"derived": True} if draw.below(2) else {}
        return {draw.pick(("is", "type")): pair if draw.below(2) else "builtins:list", **derived}
    if kind == 4:
        return {"is": [f"{_SAMPLES}:{cls}" for cls in _CLASSES[: 1 + draw.below(3)]]}
    kind_of = draw.pick(_TYPES)
    spec: dict[str, Any] = {"type": kind_of}
    if kind_of in ("int", "float") and draw.below(3):
        low = draw.pick(_NUMBERS)
        which = draw.below(3)
        spec.update({"min": low} if which != 1 else {}, **({"max": low + draw.below(4)} if which else {}))
    elif kind_of in ("str", "bytes", "list", "tuple", "dict", "set", "frozenset", "bytearray") and draw.below(3):
        least = draw.below(3)
        which = draw.below(3)
        spec.update({"min_length": least} if which != 1 else {},
        **({"max_length": least + draw.below(3)} if which else {}))
    if kind_of in ("str", "bytes", "bytearray") and draw.below(3) == 0:
        spec["pattern"] = draw.pick(_PATTERNS)
    return _inside(draw, spec, kind_of, depth)


def _inside(draw: Choices, spec: dict[str, Any], kind_of: str, depth: int) -> dict[str, Any]:
    if kind_of in ("list", "tuple") and draw.below(4) == 0:
        return {"type": kind_of, "elements": [spec_of(draw, 0) for _ in range(draw.below(3))]}
    if kind_of == "dict" and draw.below(4) == 0:
        optional = {"type": "int", "optional": True}
        more = {"1": optional} if draw.below(2) else {}
        return {"type": "dict", "fields": {"0": spec_of(draw, 0), **more}}
    if kind_of in ("list", "tuple", "set", "frozenset") and depth and draw.below(2):
        spec["items"] = spec_of(draw, depth - 1)
    if kind_of == "dict" and depth and draw.below(2):
        spec[draw.pick(("values", "keys"))] = spec_of(draw, depth - 1)
    return spec


def value_of(draw: Choices, depth: int = 2) -> Any:
    """Return a value."""
    kind = draw.below(15 if depth else 8)
    if kind < 2:
        return draw.pick(_NUMBERS)
    if kind == 2:
        return draw.pick(_TEXTS)
    if kind == 3:
        return draw.pick(_TEXTS).encode()
    if kind == 4:
        return draw.pick((None, True, False))
    if kind == 5:
        return draw.pick((0.0, 1.0, -1.5, float("nan")))
    if kind == 6:
        return _Of(draw.pick(_CLASSES[:2]), instance=True)
    if kind == 7:
        return _Of(draw.pick(_CLASSES), instance=False)
    if kind == 8:
        return bytearray(draw.pick(_TEXTS).encode())
    if kind == 9:
        plain = {draw.pick((0, 1, "a", "b")) for _ in range(draw.below(4))}
        return plain if draw.below(2) else frozenset(plain)
    items = [value_of(draw, depth - 1) for _ in range(draw.below(4))]
    if kind == 10:
        return items
    return tuple(items) if kind == 11 else {str(index): item for index, item in enumerate(items)}


_WANTED: dict[str, type] = {
    "none": type(None), "int": int, "str": str, "bytes": bytes, "bool": bool, "float": float, "list": list,
    "tuple": tuple, "dict": dict, "set": set, "frozenset": frozenset, "bytearray": bytearray,
}  # fmt: skip


def allows(spec: Any, value: Any) -> bool:
    """Judge a value, without a line of the package."""
    kind: object = type(value)
    if isinstance(spec, str):
        spec = {"type": spec}
    if isinstance(spec, list):
        return any(allows(part, value) for part in spec)
    if "any_of" in spec:
        return any(allows(part, value) for part in spec["any_of"])
    if "enum" in spec:
        return any(type(one) is type(value) and one == value for one in spec["enum"])
    if spec.get("type") == "any":
        return True
    if "is" in spec or ":" in str(spec.get("type", "")):
        return _allows_class(spec, value)
    if kind is not _WANTED[spec["type"]]:
        return False
    # A NaN is neither below nor above.
    if ("min" in spec and not value >= spec["min"]) or ("max" in spec and not value <= spec["max"]):
        return False
    if ("min_length" in spec and len(value) < spec["min_length"]) or (
        "max_length" in spec and len(value) > spec["max_length"]
    ):
        return False
    if "pattern" in spec:
        shown = value if kind is str else value.decode("latin-1")
        if re.fullmatch(spec["pattern"], shown, re.ASCII | re.DOTALL) is None:
            return False
    return _allows_parts(spec, value)


def _allows_class(spec: Any, value: Any) -> bool:
    word = "is" if "is" in spec else "type"
    pairs = spec[word] if type(spec[word]) is list else [spec[word]]
    wanted = [list if pair == "builtins:list" else getattr(samples, pair.partition(":")[2]) for pair in pairs]
    if word == "is":
        made = value.made() if type(value) is _Of and not value.instance else None
        derived = spec.get("derived", False)
        return made is not None and any(made is one or (derived and issubclass(made, one)) for one in wanted)
    kind = getattr(samples, value.cls) if type(value) is _Of and value.instance else type(value)
    if type(value) is _Of and not value.instance:
        kind = type
    return kind is wanted[0] or (spec.get("derived", False) and issubclass(kind, wanted[0]))


def _allows_parts(spec: Any, value: Any) -> bool:
    if "elements" in spec:
        return len(value) == len(spec["elements"]) and all(map(allows, spec["elements"], value))
    if "fields" in spec:
        fields = spec["fields"]
        needed = [key for key, part in fields.items() if not (type(part) is dict and part.get("optional"))]
        return all(key in fields and allows(fields[key], item) for key, item in value.items()) and all(
            key in value for key in needed
        )
    if "items" in spec and not all(allows(spec["items"], item) for item in value):
        return False
    if "keys" in spec and not all(allows(spec["keys"], key) for key in value):
        return False
    return "values" not in spec or all(allows(spec["values"], item) for item in value.values())


def pushed_of(value: Any) -> bytes:
    """Return the opcodes that push a value."""
    kind = type(value)
    if kind is _Of:
        pushed = name(_SAMPLES, value.cls)
        return pushed + b")\x81" if value.instance else pushed
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
    if kind is bytearray:
        return op("BYTEARRAY8", bytes(value))
    if kind is set:
        return b"\x8f(" + b"".join(map(pushed_of, value)) + b"\x90"
    if kind is frozenset:
        return b"(" + b"".join(map(pushed_of, value)) + b"\x91"
    if kind is dict:
        return dict_of(*(part for pair in value.items() for part in map(pushed_of, pair)))
    return (list_of if kind is list else tuple_of)(*map(pushed_of, value))


def _made(value: Any) -> Any:
    """Return the value itself: instances in place of what stands for them."""
    if type(value) is _Of:
        return value.made()
    if type(value) in (list, tuple):
        return type(value)(map(_made, value))
    return {key: _made(item) for key, item in value.items()} if type(value) is dict else value


def toml(spec: Any) -> str:
    """Return a constraint as text."""
    if isinstance(spec, dict):
        return "{ " + ", ".join(f'"{key}" = {toml(value)}' for key, value in spec.items()) + " }"
    if isinstance(spec, list):
        return "[" + ", ".join(map(toml, spec)) + "]"
    return json.dumps(spec)


def policy_of(source: str) -> Policy:
    """Return the policy of a file's text."""
    policy = _POLICIES.get(source)
    if policy is None:
        if len(_POLICIES) > 500:
            _POLICIES.clear()
        policy = _POLICIES[source] = Policy.from_text(source)
    return policy


def _stream(road: str, value: Any, draw: Choices) -> tuple[bytes, Any]:
    """Return the pickle that brings a value, and the object that would be written so; None where there is none."""
    target = name(_SAMPLES, "Argued")
    pushed = pushed_of(value)
    made: Any
    if road == "state":
        return target + b")\x81" + dict_of(text("key"), pushed) + b"b", None
    if road == "keyword":
        return target + b")" + dict_of(text("second"), pushed) + b"\x92", None
    if road == "state value":
        return name(_SAMPLES, "Stated") + b")\x81" + pushed + b"b", samples.Stated(_made(value))
    if road == "slots":
        made = samples.Both()
        made.slot = _made(value)
        if draw.below(2):
            return name(_SAMPLES, "Both") + b")\x81N" + dict_of(text("slot"), pushed) + b"\x86b", made
        return name(_SAMPLES, "Both") + b")\x81}" + text("key") + number(5) + b"s" + dict_of(text("slot"),
        pushed) + b"\x86b", made
    if road == "instances":
        return b"(" + (target + b")\x81") * value + b"t", None
    call = draw.pick((b"R", b"\x81")) if road == "args" else b"\x81"
    return target + tuple_of(pushed) + call, None


def check(data: bytes) -> Any:
    """Constrain, send, and judge."""
    draw = ByteChoices(data)
    road, line = draw.pick(_ROADS)
    spec = spec_of(draw)
    value = value_of(draw)
    if draw.below(2):
        # One that fits, if a few tries find it.
        value = next((one for one in (value, *(value_of(draw) for _ in range(8))) if allows(spec, one)), value)
    if road == "instances":
        spec, value = 1 + draw.below(3), draw.below(5)
    if road == "optional":
        spec = draw.pick(("int", "str", ["int", "none"]))
    policy = policy_of(_FILE % (_SAMPLES, line % toml(spec)))
    body, made = _stream(road, value, draw)
    found = outcome(lambda: terms.package.loads(pickled(body), policy=policy, limits=terms.LIMITS))
    if road == "instances":
        allowed = value <= spec
    else:
        allowed = road == "optional" or allows(spec, value)
    if found.error not in ("", "PolicyError"):
        raise Finding(f"a constraint ends in {found.error}", found.message)
    if allowed != (not found.error):
        how = "refuses what it allows" if allowed else "allows what it refuses"
        raise Finding(f"a constraint {how}: {road}", f"{toml(spec)} for {value!a}: {found.message}")
    if made is not None and (road != "state value" or value is not None):
        _written(made, policy, road, allowed=allowed)
    return road, _kind(spec), type(value).__name__, allowed, feature(found)


def _written(made: Any, policy: Policy, road: str, *, allowed: bool) -> None:
    """What a policy constrains is what is written under it (S11)."""
    written = outcome(lambda: terms.package.loads(terms.package.dumps(made, policy=policy), policy=policy))
    samples.restore()
    if allowed == bool(written.error):
        how = "refuses to write what it allows" if allowed else "writes what it refuses"
        raise Finding(f"a constraint {how}: {road}", written.message)


def _kind(spec: Any) -> Any:
    return tuple(sorted(spec)) if isinstance(spec, dict) else type(spec).__name__
