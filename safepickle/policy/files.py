"""Policy files: TOML read into a strict model and turned into a :class:`Policy`.

Rules that hold here:

* A file says what is allowed, pair by pair. Empty names, dunder names, globs and prefixes are refused, and so
  is a known gadget that the file does not accept in so many words. What the model does not know is an error,
  never ignored: a key with a typing error in it must not leave a policy looser than its author thinks.
* Reading a file imports nothing that it names, and takes nothing from the working directory or the
  environment.
* An error says the file, the line, the key and what would be right. Lines come from a scan of the text,
  because the TOML parser keeps none; only messages depend on it.
* Files are small: what is longer than ``MAX_FILE_BYTES`` is refused before it is parsed.

The file::

    schema = 1
    name = "telemetry"
    extends = ["stdlib"]                        # packs

    [limits]                                    # can only tighten
    max_bytes = "64 MiB"

    [globals]                                   # one line for each global: what a denial's suggestion prints
    "telemetry.model:Reading" = ["new", "build"]

    [[allow]]                                   # the same, at length, with a reason for reviewers
    module = "telemetry.units"
    names = ["Celsius", "Kelvin"]
    rights = ["call"]
    reason = "units of a reading"

    [[alias]]                                   # a global that has moved; "old:*" to "new:*" moves all
    from = "telemetry.v1:Reading"
    to = "telemetry.model:Reading"

    [[deny]]                                    # beats every allow, those of packs too
    module = "decimal"
    names = ["Decimal"]
    reason = "this service counts in cents"
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from ..errors import PolicyFileError, quote
from ..limits import LIMITS, Limits
from .gadgets import gadget_reason
from .rules import KNOWN_GADGET, Pair, Policy, Right, Rule, module_problem, name_problem

__all__ = ["MAX_FILE_BYTES", "PolicyFile", "policy_from_file", "policy_from_text"]

#: Longest policy file. The packs are a few kB each; eslint and semgrep rule files stay under 1 MB too.
MAX_FILE_BYTES = 2**20

#: The name that stands for all globals of a module in an ``[[alias]]``.
_WHOLE_MODULE = "*"


# ---- values ------------------------------------------------------------------------------------------------


def _fine(problem: str | None, text: str) -> str:
    if problem is not None:
        raise ValueError(f"{quote(text)}: {problem}")
    return text


def _module(text: str) -> str:
    return _fine(module_problem(text), text)


def _name(text: str) -> str:
    return _fine(name_problem(text), text)


def _rights(names: list[str]) -> list[str]:
    if not names:
        raise ValueError(f"give at least one right of {', '.join(right.label for right in Right)}")
    Right.parse(names)
    return names


def _split(text: str) -> Pair:
    """Return the pair that ``"module:name"`` stands for; neither part can hold a colon."""
    module, colon, name = text.partition(":")
    if not colon:
        raise ValueError(f'{quote(text)}: write a global as "module:name", with a colon')
    return module, name


def _refuse_gadget(module: str, name: str, how: str) -> None:
    reason = gadget_reason(module, name)
    if reason is not None:
        raise ValueError(
            f"{quote(f'{module}:{name}')} is a known gadget ({reason}); if it has to be allowed: {how}"
        )


_Module = Annotated[str, AfterValidator(_module)]
_Names = Annotated[list[Annotated[str, AfterValidator(_name)]], Field(min_length=1)]
_RightNames = Annotated[list[str], AfterValidator(_rights)]


# ---- model -------------------------------------------------------------------------------------------------


class _Table(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid", frozen=True)


class Allow(_Table):
    """``[[allow]]``: some globals of one module, and what a stream may do with them."""

    module: _Module
    names: _Names
    rights: _RightNames
    reason: str = ""
    accept_known_gadget: bool = False

    @model_validator(mode="after")
    def _no_silent_gadget(self) -> Allow:
        if not self.accept_known_gadget:
            for name in self.names:
                _refuse_gadget(self.module, name, "accept_known_gadget = true")
        return self


class Deny(_Table):
    """``[[deny]]``: some globals of one module that no rule can allow."""

    module: _Module
    names: _Names
    reason: str = ""


class Alias(_Table):
    """``[[alias]]``: a global, or with ``:*`` all of a module's, that the stream knows by another name."""

    old: str = Field(alias="from")
    new: str = Field(alias="to")

    @field_validator("old", "new")
    @classmethod
    def _is_pair(cls, text: str) -> str:
        module, name = _split(text)
        _module(module)
        if name != _WHOLE_MODULE:
            _name(name)
        return text

    @model_validator(mode="after")
    def _like_to_like(self) -> Alias:
        if (_split(self.old)[1] == _WHOLE_MODULE) != (_split(self.new)[1] == _WHOLE_MODULE):
            raise ValueError('":*" renames a whole module: it stands in both "from" and "to", or in neither')
        if self.old == self.new:
            raise ValueError("an alias of itself")
        return self


class PolicyFile(_Table):
    """A policy file's content, checked but not yet resolved."""

    version: Literal[1] = Field(alias="schema")
    name: str = Field(default="", max_length=100)
    description: str = ""
    extends: list[str] = []
    limits: dict[str, int | float | str] = {}
    allow: list[Allow] = []
    globals: dict[str, list[str]] = {}
    alias: list[Alias] = []
    deny: list[Deny] = []

    @field_validator("limits")
    @classmethod
    def _are_limits(cls, given: dict[str, int | float | str]) -> dict[str, int | float | str]:
        try:
            Limits.from_mapping(given)
        except (
            TypeError
        ) as error:  # a bool or a float where a whole number belongs: pydantic expects a ValueError
            raise ValueError(str(error)) from None
        return given

    @field_validator("alias")
    @classmethod
    def _applied_once(cls, given: list[Alias]) -> list[Alias]:
        # Policy.rename applies one alias and then decides; a second one would be silently left out.
        sources = {alias.old for alias in given}
        if len(sources) < len(given):
            raise ValueError('the same "from" stands in two aliases')
        for alias in given:
            if alias.new in sources or f"{_split(alias.new)[0]}:{_WHOLE_MODULE}" in sources:
                raise ValueError(f"{quote(alias.new)} is itself an alias; name the global that it leads to")
        return given

    def tightening(self) -> Limits | None:
        """Return ``[limits]``, with no bound where the file gives none: the caller's hold there."""
        if not self.limits:
            return None
        return Limits.from_mapping({**dict.fromkeys(row.name for row in LIMITS), **self.limits})


def _rules(model: PolicyFile, source: str) -> Iterator[Rule]:
    for table in model.allow:
        for name in table.names:
            yield Rule(
                module=table.module,
                name=name,
                rights=Right.parse(table.rights),
                reason=table.reason,
                source=source,
                accept_known_gadget=table.accept_known_gadget,
            )


def _short_rule(key: str, rights: list[str], source: str) -> Rule:
    """Return the rule of one line of ``[globals]``."""
    module, name = _split(key)
    _module(module)
    _name(name)
    accept = KNOWN_GADGET in rights
    rights = _rights([right for right in rights if right != KNOWN_GADGET])
    if not accept:
        _refuse_gadget(module, name, f'put "{KNOWN_GADGET}" among its rights')
    return Rule(
        module=module, name=name, rights=Right.parse(rights), source=source, accept_known_gadget=accept
    )


# ---- reading -----------------------------------------------------------------------------------------------


def policy_from_file(path: str | os.PathLike[str]) -> Policy:
    """Read a policy file; its name, where it gives none, is the file's.

    :raises PolicyFileError: if it cannot be read or is not a policy.
    """
    shown = os.fsdecode(path)
    label = shown if shown.isprintable() else _plain(shown)
    try:
        with Path(shown).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise PolicyFileError(f"cannot be read: {reason}", file=label) from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(data) <= MAX_FILE_BYTES:  # else it may have been cut inside a character
            line = data.count(b"\n", 0, error.start) + 1
            raise PolicyFileError("not UTF-8, which TOML has to be", file=label, line=line) from None
        text = data.decode("utf-8", "replace")
    return policy_from_text(text, name=Path(label).stem, file=label)


def policy_from_text(
    text: str, *, name: str = "policy", file: str | None = None, within: tuple[str, ...] = ()
) -> Policy:
    """Read a policy from TOML text.

    :param name: its name where the text gives none.
    :param file: the file's name, for messages.
    :param within: packs that are being read, each extending the next; guards against a ring.
    :raises PolicyFileError: if it is not a policy.
    """
    where = _Place(text, file)
    model = _model(_parse(text, where), where)
    name = model.name or name
    policy = Policy(
        name=name,
        rules=[*_rules(model, name), *_globals(model, name, where)],
        aliases={_split(alias.old): _split(alias.new) for alias in model.alias},
        denies=[(table.module, name) for table in model.deny for name in table.names],
        limits=model.tightening(),
    )
    for index, pack in enumerate(model.extends):
        policy = _extend(policy, pack, index, where, within)
    return policy


def _parse(text: str, where: _Place) -> dict[str, Any]:
    if len(text) > MAX_FILE_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_FILE_BYTES:
        raise where.error(f"longer than {MAX_FILE_BYTES} bytes: not a policy file")
    if text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}"):
        raise where.error("begins with a byte order mark; save it as UTF-8 without one", line=1)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        last = text.count("\n") + 1
        raise where.error(f"not TOML: {_plain(str(error))}", line=int(line[1]) if line else last) from None
    except (ValueError, RecursionError) as error:  # an int of 5000 digits; a thousand nested brackets
        raise where.error(f"not TOML that can be read: {_plain(str(error))}") from None


def _model(content: dict[str, Any], where: _Place) -> PolicyFile:
    try:
        return PolicyFile.model_validate(content)
    except ValidationError as error:
        first, *others = error.errors(include_url=False, include_context=False)
        reason = _reason(first["type"], first["msg"], first["loc"])
        if others:
            reason += f" [and {len(others)} more]"
        # What stands after a limit's name is pydantic's: the kind of value that it tried.
        key = first["loc"][:2] if first["loc"][:1] == ("limits",) else first["loc"]
        raise where.error(reason, key=key) from None


def _globals(model: PolicyFile, source: str, where: _Place) -> Iterator[Rule]:
    for key, rights in model.globals.items():
        try:
            yield _short_rule(key, rights, source)
        except ValueError as error:
            raise where.error(str(error), key=("globals", key)) from None


def _extend(policy: Policy, pack: str, index: int, where: _Place, within: tuple[str, ...]) -> Policy:
    from .packs import load_pack

    key = ("extends", index)
    if pack in within:
        raise where.error(f"the pack {quote(pack)} extends itself: {' -> '.join((*within, pack))}", key=key)
    try:
        # The file stands on the left: its reasons are shown where both name a global, and the name is its
        # own.
        union = policy | load_pack(pack, within=within)
    except PolicyFileError as error:
        raise where.error(error.reason if error.file is None else str(error), key=key) from None
    except ValueError as error:
        raise where.error(str(error), key=key) from None
    return Policy(
        name=policy.name,
        rules=union.rules.values(),
        aliases=union.aliases,
        denies=union.denies,
        limits=union.limits,
    )


# ---- messages ----------------------------------------------------------------------------------------------

#: What is right, for what pydantic finds wrong.
_WANTED = {
    "missing": "this key is required",
    "string_type": "wants text in quotes",
    "list_type": "wants a list in brackets",
    "dict_type": "wants a table",
    "model_type": "wants a table",
    "bool_type": "wants true or false",
    "too_short": "wants at least one",
    "literal_error": "this safepickle reads schema = 1",
    "string_too_long": "is too long",
}

_KEYS: dict[str, type[_Table]] = {"allow": Allow, "deny": Deny, "alias": Alias}


def _reason(kind: str, message: str, loc: tuple[int | str, ...]) -> str:
    if kind == "extra_forbidden":
        key = str(loc[-1])
        table = _KEYS.get(str(loc[0]), PolicyFile) if len(loc) > 1 else PolicyFile
        known = ", ".join(field.alias or name for name, field in table.model_fields.items())
        return f"no such key: {quote(key)} (there are {known})"
    if len(loc) > 1 and loc[0] == "limits":
        return "a limit is a number or a size as text"
    return _WANTED.get(kind) or message.removeprefix("Value error, ")


def _plain(text: str) -> str:
    """Return a parser's message, which may quote the text, on one line and in ASCII."""
    return ascii(text[:200])[1:-1]


class _Place:
    """Makes errors that know the file, and finds the line of a key in its text."""

    def __init__(self, text: str, file: str | None) -> None:
        self.text = text
        self.file = file

    def error(
        self, reason: str, *, line: int | None = None, key: tuple[int | str, ...] = ()
    ) -> PolicyFileError:
        if key:
            line = self.line(key)
        dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{_key(part)}" for part in key).lstrip(
            "."
        )
        return PolicyFileError(reason, file=self.file, line=line, key=dotted or None)

    def line(self, key: tuple[int | str, ...]) -> int | None:
        """Return the line where a key stands or, failing that, the nearest table around it."""
        best: int | None = None
        count: dict[str, int] = {}
        table: tuple[int | str, ...] = ()
        for number, text in enumerate(_outside_strings(self.text), start=1):
            header = re.match(r"\s*(\[{1,2})\s*([\w\"'.-]+)\s*\]", text)
            if header:
                name = header[2].strip("\"'")
                count[name] = count.get(name, -1) + 1
                table = (name, count[name]) if header[1] == "[[" else (name,)
                if key[: len(table)] == table or (best is None and table[: len(key)] == key):
                    best = number
            elif key[: len(table)] == table and len(key) > len(table) and _begins(text, key[len(table)]):
                return number
        return best


def _begins(line: str, key: int | str) -> bool:
    """Say whether a line gives this key a value; quoted keys may be escaped, so TOML itself reads them."""
    match = re.match(r"""\s*([\w-]+|"(?:[^"\\]|\\.)*"|'[^']*')\s*[.=]""", line)
    if match is None:
        return False
    try:
        return next(iter(tomllib.loads(f"{match[1]}=0"))) == key
    except tomllib.TOMLDecodeError:
        return False


def _outside_strings(text: str) -> Iterator[str]:
    """Yield the lines of TOML text, those inside a multi-line string as empty ones."""
    inside = ""
    for line in text.split("\n"):
        yield "" if inside else line
        for mark in re.findall(r"\"\"\"|'''", line):
            inside = mark if not inside else "" if mark == inside else inside


def _key(part: str) -> str:
    return part if re.fullmatch(r"[A-Za-z0-9_-]{1,80}", part) else quote(part)
