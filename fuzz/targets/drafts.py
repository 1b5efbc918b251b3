"""A policy file means what its tables say: to look-ups, explanations, comparison, lint, and put together with another.

The input is a series of choices that writes a file, one that it extends and a changed version; a few lines here say
from the tables alone what each allows. What is flattened is the same policy; what cannot be is an error.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fuzz import samples, scratch
from fuzz.choices import ByteChoices, Choices
from fuzz.idioms import ORDINARY
from fuzz.outcomes import Finding, failure
from safepickle.errors import PolicyFileError
from safepickle.inspection import inspect
from safepickle.policy.comparing import compare, explain
from safepickle.policy.gadgets import gadget_reason
from safepickle.policy.lint import CODES, Corpus, lint
from safepickle.policy.names import suggestion
from safepickle.policy.rules import PLAIN, UNRESTRICTED, Policy
from safepickle.policy.sources import flattened, read_source
from safepickle.policy.toml_text import document

INPUT = "choices"

_FOLDER = scratch.folder("drafts")
_RIGHTS = ("refer", "call", "new", "build", "append", "setitem", "add")
#: What the files are about: plain names, gadgets, what has no bound, what safepickle bounds itself, __main__.
_PAIRS: tuple[tuple[str, str], ...] = (
    ("a.b", "C"), ("a.b", "C.D"), ("a.b", "f"), ("my-script", "X"), ("__main__", "T"), ("os", "system"),
    ("functools", "partial"), ("decimal", "Decimal"), ("fractions", "Fraction"), ("numpy", "zeros"), ("yaml", "load"),
    ("datetime", "date"), (samples.__name__, "Node"), ("builtins", "bytearray"), ("builtins", "set"), ("old", "X"),
    ("old", "Y"), ("new.place", "X"), ("new.place", "Y"), ("collections", "OrderedDict"), ("builtins", "Ellipsis"),
)  # fmt: skip
_ASKED = (*_PAIRS, ("a.b", "__class__"), ("a.b", "C.__init__.D"), ("nowhere", "x"), ("a.b", "Other"))
_SPECS: tuple[Any, ...] = (
    "int", ["int", "none"], {"type": "int", "min": 0, "max": 9}, {"type": "str", "max_length": 5, "pattern": "[a-z]+"},
    {"enum": [1, "a", True]}, {"type": "list", "items": "int", "min_length": 1}, {"type": "dict", "keys": "str"},
    {"type": "dict", "fields": {"x": "int", "y y": {"type": "str", "optional": True}}},
    {"is": "a.b:C", "derived": True},
    {"is": ["a.b:C", "a.b:f"]}, {"type": "a.b:C"}, {"type": "tuple", "elements": ["int", "str"]}, "any",
    {"any_of": ["int", {"type": "float", "max": 1.5}]}, {"type": "bytes", "min_length": 1},
    {"type": "int", "optional": True},
)  # fmt: skip
#: Constraints that are none.
_BAD_SPECS: tuple[Any, ...] = (
    "integer", [], {}, {"type": "int", "pattern": "a"}, {"type": "int", "min": 5, "max": 1}, {"type": []}, 5,
    {"type": "str", "min_length": -1}, {"type": "str", "min_length": 5, "max_length": 1}, {"enum": []}, {"is": []},
    {"type": "int", "enum": [1]}, {"type": "str", "pattern": "a**"}, {"type": "str", "pattern": "(a+)+"},
    {"type": "str", "pattern": "(?:a+)+"}, {"type": "str", "pattern": "^a"}, {"type": "str", "pattern": "(?:a"},
    {"type": "str", "pattern": "a)"}, {"type": "str", "pattern": "a" * 201},
    {"type": "str", "pattern": ".*.*.*.*.*"},
    {"type": "str", "pattern": "|".join("a" * 40)}, {"type": "str", "pattern": "*a"},
    {"type": "str", "pattern": "[z-a]"},
    {"type": "str", "pattern": "a{5,2}"}, {"type": "a.b"}, {"type": "a*:C"}, {"is": "C"}, {"enum": [[1]]},
    {"any_of": []},
    {"type": "dict", "fields": 5}, {"type": "list", "items": "int", "elements": ["int"]},
    {"type": "int", "min": "x"},
    {"type": "list", "items": {"type": "list", "items": {"type": "nothing"}}}, {"type": "any", "min": 1},
    {"derived": True},
)  # fmt: skip
#: Parts that make a file no policy: path to the key and what is put there.
_BAD: tuple[tuple[str, Any], ...] = (
    ("schema", 2), ("unknown", 1), ("name", "x" * 101), ("limits", {"max_bytes": True}), ("limits", {"max_nothing": 1}),
    ("limits", {"max_bytes": "many"}), ("globals", {"a.b": ["call"]}), ("globals", {"a.b:C": []}),
    ("globals", {"a.b:C": ["known-gadget"]}), ("globals", {"a.b:C": ["Call"]}), ("globals", {"os:system": ["call"]}),
    ("globals", {"a.*:C": ["call"]}), ("globals", {"__builtin__:C": ["call"]}), ("globals", {"a:__init__": ["call"]}),
    ("globals", {":C": ["call"]}), ("globals", {"a:": ["call"]}), ("globals", {"a.b:C": ["no"]}),
    ("globals", {"a.__x__:C": ["call"]}), ("globals", {"a b:C": ["call"]}), ("globals", {"a:" + "x" * 201: ["call"]}),
    ("allow", [{"module": "a", "rights": ["call"]}]), ("allow", [{"module": "a", "names": ["*"], "rights": ["call"]}]),
    ("allow", [{"module": "a", "names": ["C"], "rights": []}]), ("allow", [{"names": ["C"], "rights": ["call"]}]),
    ("allow", [{"module": "os", "names": ["system"], "rights": ["call"]}]),
    ("allow", [{"module": "os", "classes": "defined here", "rights": ["call"]}]),
    ("allow", [{"module": "builtins", "classes": "defined here", "rights": ["call"]}]),
    ("allow", [{"module": "a", "classes": "all", "rights": ["call"]}]),
    ("allow", [{"module": "a", "classes": "defined here", "rights": ["new"], "accept_known_gadget": True}]),
    ("allow", [{"module": "a", "names": ["C"], "rights": ["refer"], "args": ["int"]}]),
    ("allow", [{"module": "a", "names": ["C"], "rights": ["new"], "state": {"x": "int"}}]),
    ("allow", [{"module": "a", "names": ["C"], "rights": ["build"], "state": {"x": "int"}, "state_value": "int"}]),
    ("allow", [{"module": "a", "names": ["C"], "rights": ["build"], "state": {"__x__": "int"}}]),
    ("allow", [{"module": "a", "names": ["C"], "rights": ["call"], "max_instances": 0}]),
    ("allow", [{"module": "a", "names": ["C"], "rights": ["call"], "args": [{"type": "int", "optional": True},
    "int"]}]),
    *(("allow", [{"module": "a", "names": ["C"], "rights": ["call"], "args": [spec]}]) for spec in _BAD_SPECS),
    ("alias", [{"from": "a:B", "to": "a:B"}]), ("alias", [{"from": "a:*", "to": "b:C"}]),
    ("alias", [{"from": "a", "to": "b"}]),
    ("alias", [{"from": "a:B", "to": "c:D"}, {"from": "a:B", "to": "c:E"}]),
    ("alias", [{"from": "a:B", "to": "c:D"}, {"from": "c:*", "to": "e:*"}]),
    ("deny", [{"module": "a", "names": []}]), ("deny", [{"module": "", "names": ["B"]}]), ("extends", ["nothing"]),
    ("extends", ["main.toml"]), ("extends", ["/base.toml"]), ("extends", ["missing.toml"]), ("extends", ["UPPER"]),
    ("allow", [{"module": "a", "names": ["C"], "rights": ["call"], "args": "int"}]), ("description", 5),
    ("allow", [{"module": "a", "names": ["C"], "rights": ["call"], "kwargs": {"__x__": "int"}}]),
)  # fmt: skip
_PATTERNS = ("[a-z]+", "(?:ab){2}c?", "a|b|c", r"\d{1,4}-\w*", "[^]x]{0,3}", r"\.+", "(?:a|b)")


# -- writing a file --------------------------------------------------------------------------------------------------


def _spec(draw: Choices) -> Any:
    spec = draw.pick((*_SPECS, {"type": "str", "max_length": 40, "pattern": draw.pick(_PATTERNS)}))
    return copy.deepcopy(spec)


def _rights(draw: Choices) -> list[str]:
    return sorted({draw.pick(_RIGHTS) for _ in range(1 + draw.below(4))})


def _content(draw: Choices) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": 1, "name": draw.pick(("main", "other name", "\u20ac\n")), "description": "d"}
    if draw.below(3) == 0:
        content["limits"] = {"max_bytes": draw.pick((1000, "1 MiB")), "max_depth": 5 + draw.below(9)}
    for _ in range(draw.below(4)):
        module, name = draw.pick(_PAIRS)
        extra = ["known-gadget"] if gadget_reason(module, name) is not None else []
        content.setdefault("globals", {})[f"{module}:{name}"] = _rights(draw) + extra
    for _ in range(draw.below(4)):
        content.setdefault("allow", []).append(_table(draw))
    for old, new in (("old:X", "new.place:X"), ("old:*", "new.place:*")):
        if draw.below(4) == 0:
            content.setdefault("alias", []).append({"from": old, "to": new})
    for _ in range(draw.below(3)):
        module, name = draw.pick(_PAIRS)
        content.setdefault("deny", []).append(
            {"module": module, "names": [draw.pick((name, name, "*"))], "reason": "r"}
        )
    return content


def _table(draw: Choices) -> dict[str, Any]:
    module, name = draw.pick(_PAIRS)
    rights = _rights(draw)
    table: dict[str, Any] = {"module": module, "names": [name], "rights": rights, "reason": "because\n\U0001f600"}
    if gadget_reason(module, name) is not None:
        table["accept_known_gadget"] = True
    elif module in ("a.b", "new.place", "__main__") and draw.below(4) == 0:
        del table["names"]
        table["classes"] = "defined here"
    if {"call", "new"} & set(rights) and draw.below(2):
        how = draw.below(4)
        table["args"] = [_spec(draw) for _ in range(how)]
        # What may be missing comes last.
        table["args"].sort(key=lambda spec: type(spec) is dict and bool(spec.get("optional")))
        if how == 1:
            table["kwargs"] = {"k": _spec(draw), "o": {"type": "int", "optional": True}}
        if how == 2:
            table["rest"] = _spec(draw)
        if draw.below(3) == 0:
            table["max_instances"] = 1 + draw.below(5)
    if "build" in rights and draw.below(2):
        if draw.below(2):
            table["state"] = {"x": _spec(draw), "y": {"type": "str", "optional": True}}
        else:
            table["state_value"] = _spec(draw)
    return table


# -- the judge -------------------------------------------------------------------------------------------------------


def granted(contents: list[dict[str, Any]], module: str, name: str) -> set[str] | None:
    """Say what files that extend each other allow of a pair, from their tables."""
    found: set[str] = set()
    for content in contents:
        for row in content.get("deny", ()):
            if row["module"] == module and {name, "*"} & set(row["names"]):
                return None
        found.update(content.get("globals", {}).get(f"{module}:{name}", ()))
        for row in content.get("allow", ()):
            if row["module"] == module and (name in row.get("names", ()) or "classes" in row):
                found.update(row["rights"])
    if any(part.startswith("__") and part.endswith("__") for part in name.split(".")):
        return None
    return found - {"known-gadget"} or None


def _whole(content: dict[str, Any], base: dict[str, Any] | None) -> list[dict[str, Any]]:
    return [content] if base is None else [content, base]


def _labels(policy: Policy, module: str, name: str) -> set[str] | None:
    rule = policy.lookup(module, name)
    return None if rule is None else set(rule.rights.labels())


def _aliases(contents: list[dict[str, Any]]) -> dict[str, str]:
    return {row["from"]: row["to"] for content in contents for row in content.get("alias", ())}


def _renamed(contents: list[dict[str, Any]], module: str, name: str) -> tuple[str, str]:
    rows = _aliases(contents)
    if f"{module}:{name}" in rows:
        new = rows[f"{module}:{name}"].partition(":")
        return new[0], new[2]
    return (rows[f"{module}:*"].partition(":")[0], name) if f"{module}:*" in rows else (module, name)


# -- holding ---------------------------------------------------------------------------------------------------------


def _look_up(policy: Policy, contents: list[dict[str, Any]], draw: Choices) -> None:
    suggested = draw.below(len(_ASKED))
    for number, (module, name) in enumerate(_ASKED):
        expected = granted(contents, module, name)
        if _labels(policy, module, name) != expected:
            raise Finding("a policy allows another thing than its file says", f"{module}:{name} {expected} {contents}")
        pair = _renamed(contents, module, name)
        told = explain(policy, module, name)
        renamed = granted(contents, *pair)
        if told.renamed != pair or told.allowed != (renamed is not None) or set(told.rights) != (renamed or set()):
            raise Finding("an explanation is not what the policy does", f"{module}:{name} {told}")
        if told.allowed == (told.denied_because is not None):
            raise Finding("an explanation has no reason, or one too many", str(told))
        if number != suggested:
            continue
        if told.suggestion:
            again = Policy.from_text(f"schema = 1\n[globals]\n{told.suggestion}\n")
            if _labels(again, *pair) != {"refer"}:
                raise Finding("a suggestion does not allow what it says", told.suggestion)
        line = suggestion(module, name, ["call", "new"])
        if line and _labels(Policy.from_text(f"schema = 1\n[globals]\n{line}\n"), module, name) != {"call", "new"}:
            raise Finding("a suggestion for two rights does not give them", line)


def _is_value(policy: Policy) -> None:
    again = pickle.loads(pickle.dumps(policy))
    if again != policy or hash(again) != hash(policy) or policy == 5 or repr(again) != repr(policy):
        raise Finding("a policy is not equal to its copy")
    for rule in (*policy.rules.values(), *policy.class_rules.values()):
        for guard in (rule.call_guard, rule.new_guard, rule.state_guard):
            if guard is None:
                continue
            copied = pickle.loads(pickle.dumps(guard))
            if copied != guard or hash(copied) != hash(guard) or repr(copied) != repr(guard) or guard == 5:
                raise Finding("a guard is not equal to its copy", repr(guard))
            for value in (policy, guard):
                for attempt in (partial(setattr, value, "text", ""), partial(delattr, value, "text")):
                    try:
                        attempt()
                    except AttributeError:
                        continue
                    raise Finding("a policy or guard can be changed", type(value).__name__)


def _compared(first: Policy, second: Policy, ours: list[Any], theirs: list[Any]) -> None:
    changes, reverse = compare(first, second), compare(second, first)
    for change in changes:
        if not str(change).isascii() or change.how not in ("added", "removed", "changed"):
            raise Finding("a change that is not shown in one line", ascii(str(change)))
    if compare(first, first) or bool(changes) != (first != second):
        raise Finding("comparing policies does not tell whether they differ", str(changes))
    widens = {change.subject.partition(" (")[0] for change in changes if change.widens}
    back = {change.subject.partition(" (")[0] for change in reverse if change.widens}
    for module, name in _PAIRS:
        before, after = granted(ours, module, name) or set(), granted(theirs, module, name) or set()
        subjects = {f"{module}:{name}", f"{module}:*"}
        if after - before and not subjects & widens:
            raise Finding(
                "a comparison does not say that more is allowed", f"{module}:{name} {after - before} {changes}"
            )
        if before - after and not subjects & back:
            raise Finding("a comparison the other way round does not say that more is allowed", f"{module}:{name}")


def _together(first: Policy, second: Policy, ours: list[Any], theirs: list[Any]) -> None:
    """Either, and both, are what the tables of the two say."""
    try:
        either = first | second
    except ValueError:
        either = None
    both = first & second
    no_policy: Any = 5
    for module, name in _PAIRS:
        one, two = granted(ours, module, name), granted(theirs, module, name)
        denied = any(granted([{**part, "globals": {f"{module}:{name}": ["refer"]}}], module, name) is None
                     for part in (*ours, *theirs))  # fmt: skip
        expected = None if denied else (one or set()) | (two or set()) or None
        if either is not None and _labels(either, module, name) != expected:
            raise Finding("the union of two policies allows another thing", f"{module}:{name} {expected}")
        found = _labels(both, module, name)
        if not (found or set()) <= (one or set()) & (two or set()):
            raise Finding("the intersection of two policies allows more than both", f"{module}:{name} {found}")
        # One alias for the name and one for its module are unlike, though they lead to the same.
        unlike = any(
            _aliases(ours).get(key) != _aliases(theirs).get(key) for key in (f"{module}:{name}", f"{module}:*")
        )
        if not denied and not unlike and found != ((one or set()) & (two or set()) or None):
            raise Finding(
                "the intersection of two policies allows less than both", f"{module}:{name} {found} {one} {two}"
            )
    for left, right in ((first & first, first), (first | first, first), (first & second, second & first)):
        if compare(left, right):
            raise Finding("putting policies together is not what it should be", str(compare(left, right)[0]))
    attempts: tuple[Callable[[], Any], ...] = (lambda: first | UNRESTRICTED, lambda: UNRESTRICTED & first)
    for attempt in attempts:
        try:
            attempt()
        except ValueError:
            continue
        raise Finding("UNRESTRICTED is put together with a policy")
    if first.__or__(no_policy) is not NotImplemented or first.__and__(no_policy) is not NotImplemented:
        raise Finding("a policy is put together with what is none")


def _linted(path: Path, content: dict[str, Any], base: dict[str, Any] | None, draw: Choices) -> Any:
    source = read_source(str(path))
    corpus = None
    if draw.below(2):
        corpus = Corpus()
        for _ in range(3):
            corpus.add(inspect(b"\x80\x04" + draw.pick(ORDINARY) + b"."))
    found = lint(source, corpus)
    codes: dict[str, set[tuple[str, str]]] = {}
    for one in found:
        if not str(one).isascii() or not str(one).isprintable() or CODES[one.code][0] != one.level:
            raise Finding("lint says something on several lines, or of another level", ascii(str(one)))
        if one.line is not None and not 1 <= one.line <= source.text.count("\n") + 1:
            raise Finding("lint names a line that there is not", str(one))
        codes.setdefault(one.code, set()).add((one.module, one.name))
    rows = [(row["module"], name, row) for row in content.get("allow", ()) for name in row.get("names", ["*"])]
    rows += [(*key.split(":"), {"rights": rights}) for key, rights in content.get("globals", {}).items()]
    denies = [row for one in _whole(content, base) for row in one.get("deny", ())]

    def denied(module: str, name: str) -> bool:
        return any(row["module"] == module and {name, "*"} & set(row["names"]) for row in denies)

    for code, expected in (
        ("whole-module", {(module, name) for module, name, _ in rows if name == "*"}),
        ("main-module", {(module, name) for module, name, _ in rows if module == "__main__"}),
        ("known-gadget", {(module, name) for module, name, _ in rows if gadget_reason(module, name) is not None}),
        ("shadowed", {(module, name) for module, name, _ in rows if denied(module, name)}),
    ):
        if codes.get(code, set()) != expected:
            raise Finding(f"lint says another thing than the file: {code}", f"{codes.get(code)} {expected}")
    if corpus is not None and not set(codes.get("never-used", ())) <= {row[:2] for row in rows}:
        raise Finding("lint finds what the file does not hold")
    return tuple(sorted(codes))


def _flat(path: Path, policy: Policy) -> None:
    content = flattened(read_source(str(path)))
    text = document(content)
    if not text.isascii():
        raise Finding("what is written as TOML is not ASCII")
    again = Policy.from_text(text)
    if compare(policy, again) or policy != again:
        raise Finding(
            "a flattened file is another policy", f"{[str(one) for one in compare(policy, again)][:3]} {text[:300]}"
        )


def _bad(draw: Choices) -> Any:
    """What is no policy is an error that says where."""
    key, value = draw.pick(_BAD)
    content = {**_content(draw), key: value}
    text = document({**content, key: value}) if key != "unknown" else document(content)
    path = _FOLDER / "main.toml"
    path.write_text(text, "utf-8")
    reads: tuple[Callable[[], Any], ...] = (
        lambda: Policy.from_file(path), lambda: read_source(str(path)), lambda: Policy.from_text(text),
    )  # fmt: skip
    for read in reads:
        try:
            read()
        except PolicyFileError as error:
            failure(error)
            continue
        raise Finding("what is no policy is read as one", f"{key} = {value!a}")
    return "no policy", key


_FILES: tuple[tuple[str, bytes], ...] = (
    ("latin.toml", b'schema = 1\nname = "\xff"\n'), ("long.toml", b"#" * (2**20 + 9)),
    ("bom.toml", b"\xef\xbb\xbfschema = 1"),
    ("a\n.toml", b"schema = 2"), ("deep.toml", b"x = " + b"[" * 3000), ("long int.toml", b"schema = " + b"9" * 5000),
    ("self.toml", b'schema = 1\nextends = ["self.toml"]'), ("long latin.toml", b"#" * 2**20 + b"\xff"),
)  # fmt: skip


def _files(draw: Choices) -> Any:
    """Files that are none, rings and long chains are errors too."""
    name, data = draw.pick(_FILES)
    path = _FOLDER / name
    path.write_bytes(data)
    chain = [_FOLDER / f"chain{number}.toml" for number in range(20)]
    for number, one in enumerate(() if chain[0].exists() else chain):
        one.write_text(f'schema = 1\nextends = ["chain{(number + 1) % 20}.toml"]\n', "ascii")
    for file in (path, chain[0], _FOLDER, _FOLDER / "missing.toml", "\0"):
        try:
            Policy.from_file(file)
        except PolicyFileError as error:
            failure(error)
            continue
        raise Finding("what is no policy file is read as one", ascii(str(file)))
    for pack in ("nothing", "UP", "../plain", "", 5):
        try:
            Policy.packs(pack)  # type: ignore[arg-type]
        except PolicyFileError as error:
            failure(error)
            continue
        raise Finding("a pack that there is not is read", ascii(pack))
    try:
        Policy.packs()
    except ValueError:
        return name
    raise Finding("no packs at all are a policy")


def check(data: bytes) -> Any:
    """Write files, read them, and hold them to what their tables say."""
    draw = ByteChoices(data)
    what = draw.below(10)
    if what == 0:
        return _files(draw)
    if what < 3:
        return _bad(draw)
    content = _content(draw)
    base = _content(draw) if draw.below(3) == 0 else None
    path = _FOLDER / "main.toml"
    if base is not None:
        (_FOLDER / "base.toml").write_text(document(base), "utf-8")
        content["extends"] = ["base.toml"]
    path.write_text(document(content), "utf-8")
    policy = Policy.from_file(path)
    contents = _whole(content, base)
    _look_up(policy, contents, draw)
    _is_value(policy)
    changed = copy.deepcopy(content)
    other = _content(draw)
    key = draw.pick(("globals", "allow", "deny", "alias", "limits"))
    changed[key] = other.get(key, {} if key in ("globals", "limits") else [])
    (_FOLDER / "changed.toml").write_text(document(changed), "utf-8")
    second = Policy.from_file(_FOLDER / "changed.toml")
    theirs = _whole(changed, base)
    _compared(policy, second, contents, theirs)
    _together(policy, second, contents, theirs)
    if compare(UNRESTRICTED, UNRESTRICTED) or not compare(PLAIN, UNRESTRICTED)[0].widens:
        raise Finding("a comparison does not see that a policy is switched off")
    _flat(path, policy)
    return _linted(path, content, base, draw)
