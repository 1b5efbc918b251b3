"""What two policies together let through of arguments and state is what both, or either, let through; to the end.

The input is a series of choices: two constraints, a road, a value and what becomes of it after it was taken. Policies
are put together by `&` and `|`. A list, dict or set that a later opcode changes is judged as it was taken and as it is
at the end; state of an instance with slots comes in every form, right and wrong. A survey denies nothing that loads.
"""

from __future__ import annotations

from functools import partial
from io import BytesIO
from operator import attrgetter
from typing import Any

from fuzz import samples, terms
from fuzz.assembly import dict_of, list_of, name, pickled, text, tuple_of
from fuzz.choices import ByteChoices, Choices
from fuzz.outcomes import Finding, feature, outcome
from fuzz.targets import constraints as one
from safepickle.policy.rules import Policy, Right, Rule

INPUT = "choices"

_SAMPLES = samples.__name__
_FILE = """schema = 1
name = "fuzz"
[[allow]]
module = "%s"
names = ["Argued", "Stated", "Both", "Worded", "Point"]
rights = ["call", "new", "build"]
%s
[globals]
"fuzz.samples:Node" = ["new", "refer", "build"]
"fuzz.samples:Listed" = ["new", "refer", "append", "call"]
"fuzz.samples:Outer" = ["refer"]
"""
_ROADS: tuple[tuple[str, str], ...] = (
    ("args", "args = [%s]"), ("rest", "rest = %s"), ("keyword", 'args = []\nkwargs = { "second" = %s }'),
    ("state", 'state = { "key" = %s }'), ("state value", "state_value = %s"),
    ("reconstructed", "args = [%s]"), ("optional", 'args = []\nkwargs = { "second" = { type = %s, optional = true } }'),
)  # fmt: skip
_PLAIN = ("int", "str", "bytes", "float", "bool", "none")
_DEEP: tuple[Any, ...] = (
    {"type": "list", "items": "int"}, {"type": "dict", "values": "int"}, {"type": "set", "items": "int"},
    {"type": "list", "max_length": 2}, {"type": "dict", "fields": {"0": "int"}}, {"type": "tuple", "items": "list"},
    {"type": "set", "max_length": 2}, {"type": "list", "elements": ["int", "int"]}, "any", "list", "dict",
    {"any_of": [{"type": "list", "items": "int"}, {"type": "set", "items": "str"}]},
)  # fmt: skip


def _policy(line: str, spec: Any) -> Policy:
    return one.policy_of(_FILE % (_SAMPLES, line % one.toml(spec)))


def _sent(road: str, pushed: bytes, draw: Choices) -> bytes:
    target = name(_SAMPLES, "Argued")
    if road == "keyword" or road == "optional":
        return target + b")" + dict_of(text("second"), pushed) + b"\x92"
    if road == "state":
        return target + b")\x81" + dict_of(text("key"), pushed) + b"b"
    if road == "state value":
        return name(_SAMPLES, "Stated") + b")\x81" + pushed + b"b"
    if road == "rest":
        return target + tuple_of(pushed) + b"\x81"
    return target + tuple_of(pushed) + draw.pick((b"R", b"\x81"))


def _judge(policies: tuple[Policy, Policy], verdicts: tuple[bool, bool], stream: bytes, road: str) -> Any:
    """Load a stream under each policy and both, and hold what comes of it to two verdicts."""
    first, second = policies
    # No constraint is what an alternative without one comes to; a constraint beside none stays.
    cases = [
        ("one", first, verdicts[0]), ("both", first & second, all(verdicts)), ("either", first | second, any(verdicts)),
        ("both, the other way round", second & first, all(verdicts)),
    ]  # fmt: skip
    found = None
    for what, policy, allowed in cases:
        found = outcome(partial(terms.package.loads, stream, policy=policy, limits=terms.LIMITS))
        samples.restore()
        if found.error not in ("", "PolicyError"):
            raise Finding(f"a constraint of {what} ends in {found.error}", found.message)
        if allowed != (not found.error):
            how = "refuses what it allows" if allowed else "allows what it refuses"
            raise Finding(f"a constraint of {what} {how}: {road}", f"{stream.hex()}: {found.message}")
        survey = terms.package.survey(stream, policy=policy, limits=terms.LIMITS)
        if allowed and (survey.denials or survey.error is not None):
            raise Finding(f"a survey refuses what a constraint of {what} allows: {road}", f"{survey.denials!a:.300}")
    return feature(found) if found is not None else None


def _together(draw: Choices) -> Any:
    """Two constraints, one value."""
    road, line = draw.pick(_ROADS[:5])
    specs = one.spec_of(draw), one.spec_of(draw)
    value = one.value_of(draw)
    if draw.below(2):
        tries = (value, *(one.value_of(draw) for _ in range(8)))
        value = next((each for each in tries if one.allows(specs[draw.below(2)], each)), value)
    if road == "state value" and value is None:
        # No state is given at all.
        value = 5
    policies = _policy(line, specs[0]), _policy(line, specs[1])
    verdicts = one.allows(specs[0], value), one.allows(specs[1], value)
    stream = pickled(_sent(road, one.pushed_of(value), draw))
    return "together", road, verdicts, _judge(policies, verdicts, stream, road)


# -- what changes after it was taken ---------------------------------------------------------------------------------


def _changed(draw: Choices) -> Any:
    """A container that is filled after it was taken is judged at the end once more."""
    road, line = draw.pick(_ROADS[:5])
    specs = draw.pick(_DEEP), draw.pick(_DEEP)
    kind = draw.pick((list, dict, set))
    before: Any = kind() if draw.below(2) else list_before(kind)
    extra = draw.pick((5, "x", 7))
    inside = draw.below(4) == 0
    taken = (before,) if inside else before
    after = _grown(before, extra)
    at_end = (after,) if inside else after
    item = one.pushed_of(extra)
    memo = one.pushed_of(before) + b"q\x00" + (b"\x85" if inside else b"")
    growing = {
        list: b"h\x00" + item + b"a0", dict: b"h\x00" + text("k") + item + b"s0", set: b"h\x00(" + item + b"\x900"
    }[kind]  # fmt: skip
    stream = pickled(_sent(road, memo, draw), growing)
    if road == "state value" and kind is not list and inside:
        road = "state value inside a tuple"
    verdicts = tuple(one.allows(spec, taken) and one.allows(spec, at_end) for spec in specs)
    policies = _policy(line, specs[0]), _policy(line, specs[1])
    return "changed", road, verdicts, _judge(policies, (verdicts[0], verdicts[1]), stream, road)


def list_before(kind: Any) -> Any:
    """Return a container of a kind with one int in it."""
    return {"0": 1} if kind is dict else kind([1])


def _grown(value: Any, extra: Any) -> Any:
    if type(value) is dict:
        return {**value, "k": extra}
    return type(value)([*value, extra])


# -- state with slots ------------------------------------------------------------------------------------------------


_PARTS: tuple[Any, ...] = (
    None, {}, {"key": 5}, {"slot": 5}, {"key": 5, "slot": 5}, {"other": 5}, 5, {5: 5}, {"key": "x"},
)  # fmt: skip
_SLOTS = 'state = { "key" = { type = "int", optional = true }, "slot" = { type = "int", optional = %s } }'


def _with_slots(draw: Choices) -> Any:
    """Attributes and slots: names that are allowed, each once, or it is refused."""
    parts = [draw.pick(_PARTS) for _ in range(1 + draw.below(3))]
    optional = bool(draw.below(2))
    names = [key for part in parts if type(part) is dict for key in part]
    values = [item for part in parts if type(part) is dict for item in part.values()]
    fine = (
        (len(parts) == 2 or (len(parts) == 1 and type(parts[0]) is dict))
        and all(part is None or type(part) is dict for part in parts)
        and all(key in ("key", "slot") for key in names) and len(set(names)) == len(names)
        and not (len(parts) == 2 and type(parts[1]) is dict and "key" in parts[1])
        and all(type(item) is int for item in values) and (optional or "slot" in names)
    )  # fmt: skip
    state = b"".join(map(one.pushed_of, parts)) if len(parts) == 1 else tuple_of(*map(one.pushed_of, parts))
    stream = pickled(name(_SAMPLES, "Both") + b")\x81" + state + b"b")
    policy = one.policy_of(_FILE % (_SAMPLES, _SLOTS % str(optional).lower()))
    found = outcome(lambda: terms.package.loads(stream, policy=policy, limits=terms.LIMITS))
    samples.restore()
    # None as all of the state is what pickle gives as it is.
    if found.error not in ("", "PolicyError", "FormatError"):
        raise Finding(f"state with slots ends in {found.error}", found.message)
    if fine != (not found.error):
        raise Finding(f"state with slots is {'refused' if fine else 'let through'}", f"{parts} {optional}: {found}")
    survey = terms.package.survey(stream, policy=policy, limits=terms.LIMITS)
    if fine and (survey.denials or survey.error is not None):
        raise Finding("a survey refuses state with slots that loads", f"{survey.denials!a:.300}")
    return "slots", fine, feature(found)


# -- what protocols 0 and 1 write ------------------------------------------------------------------------------------

_NAMED = (
    'args = ["int", "int"]', 'args = [{ type = "tuple", items = "int" }]', 'args = ["str"]',
    "args = []", 'rest = "int"',
    'args = [{ type = "int", min = 3 }]', "max_instances = 1",
)  # fmt: skip
_BASES = ("object", "tuple", "str", "int", "list")


def _reconstructed(draw: Choices) -> Any:
    """`copyreg._reconstructor` makes what NEWOBJ makes: its state are the arguments, or the only one of them."""
    line, base = draw.pick(_NAMED), draw.pick(_BASES)
    state = draw.pick(((1, 2), (), ("a", 1), (1,), "ab", 3, 2, None, [1]))
    times = 1 + draw.below(2)
    target = name(_SAMPLES, draw.pick({"tuple": ("Point",), "str": ("Worded",)}.get(base, ("Node", "Argued"))))
    made = name("copyreg", "_reconstructor") + tuple_of(target, name("builtins", base), one.pushed_of(state)) + b"R"
    stream = pickled(list_of(*[made] * times))
    policy = one.policy_of(_FILE % (_SAMPLES, line))
    found = outcome(lambda: terms.package.loads(stream, policy=policy, limits=terms.LIMITS))
    samples.restore()
    if base in ("tuple", "str") and type(state).__name__ == base:
        given = _of_line(line, (state,)) or (base == "tuple" and _of_line(line, state))
        fine = given and (times == 1 or line != "max_instances = 1")
        if found.error not in ("", "PolicyError", "ReconstructionError") or (fine and found.error == "PolicyError"):
            raise Finding(f"what protocol 0 writes ends in {found.error}", found.message)
        if not fine and not found.error:
            raise Finding("a constraint of calls is passed by in protocol 0", f"{line} {state} {times}")
    return "reconstructed", base, feature(found)


def _of_line(line: str, arguments: Any) -> bool:
    kinds = [type(each) for each in arguments]
    ints = all(kind is int for kind in kinds)
    if line == 'args = ["int", "int"]':
        return ints and len(kinds) == 2
    if "tuple" in line:
        return kinds == [tuple] and all(type(each) is int for each in arguments[0])
    if line == 'args = ["str"]':
        return kinds == [str]
    if "min" in line:
        return kinds == [int] and arguments[0] >= 3
    return line.startswith("max") or (ints if line.startswith("rest") else not kinds)


# -- rules for all classes of a module -------------------------------------------------------------------------------

_CLASSES = """schema = 1
name = "fuzz"
[[allow]]
module = "%s"
classes = "defined here"
rights = [%s]
%s
"""
_NAMES = (
    "Node", "Outer.Inner", "Point", "Color", "Argued", "remade", "act", "SHARED", "REGISTRY", "library", "reexported",
    "words.Template", "Any", "enum", "operator", "NamedTuple", "RIGHTS", "Outer.method", "Missing", "__name__",
)  # fmt: skip
#: Helpers that are emulated, and classes too: no rule for the classes of a module gives them.
_EMULATED = Policy(name="fuzz", rules=[Rule("builtins", "*", Right.REFER | Right.CALL, classes_only=True)])


class _Onward(terms.package.Unpickler):  # type: ignore[misc]
    def find_class(self, module: str, qualname: str, /) -> Any:
        """Go on to ours."""
        return super().find_class(module, qualname)


def _defined_here(draw: Choices) -> Any:
    """A rule for the classes that a module defines is for these, by their own names, and for nothing else there is."""
    word, constraint = draw.pick(_NAMES), draw.pick(("", "args = []", 'args = ["int"]'))
    rights = ("refer", "new") if constraint or draw.below(2) else ("refer",)
    source = _CLASSES % (_SAMPLES, ", ".join(f'"{right}"' for right in rights), constraint)
    try:
        target: Any = attrgetter(word)(samples)
    except AttributeError:
        target = None
    fine = isinstance(target, type) and (target.__module__, target.__qualname__) == (_SAMPLES, word)
    policy = one.policy_of(source)
    if draw.chance(6):
        found = outcome(lambda: terms.package.loads(pickled(name("builtins", "bytearray")), policy=_EMULATED))
        if found.error != "PolicyError":
            raise Finding("a helper appears by a rule for all classes of its module", str(found))
    road = draw.below(3)
    stream = pickled(name(_SAMPLES, word) + (b")\x81" if road == 2 else b""))
    if road == 1:
        found = outcome(_Onward(BytesIO(stream), policy=policy, limits=terms.LIMITS).load)
    else:
        found = outcome(partial(terms.package.loads, stream, policy=policy, limits=terms.LIMITS))
    samples.restore()
    if road == 2:
        # How many arguments an enumeration or a tuple takes is its own affair.
        fine = fine and "new" in rights and constraint != 'args = ["int"]' and word != "Color"
    if fine and found.error not in ("", "ReconstructionError"):
        raise Finding("a rule for the classes of a module refuses one of them", f"{word} {road} {found.message}")
    if not fine and found.error not in ("PolicyError", "ReconstructionError"):
        raise Finding("a rule for the classes of a module lets another thing through", f"{word} {road} {found}")
    return "defined here", road, fine, found.error


def check(data: bytes) -> Any:
    """Do one of these."""
    draw = ByteChoices(data)
    # Few of the first bytes lead to what came later, so that older inputs mean what they did.
    first = draw.below(256)
    if first >= _LATER:
        return _defined_here(draw)
    return (_together, _together, _together, _changed, _changed, _with_slots, _reconstructed)[first % 7](draw)


_LATER = 240
