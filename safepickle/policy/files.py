"""Policy files: TOML, read, checked against the model and turned into a :class:`Policy`.

Rules that hold here:

* Reading a file imports nothing that it names, and takes nothing from the working directory or the environment. A
  file that another one extends is found from that one's own folder.
* An error says the file, the line, the key and what would be right. Lines come from a scan of the text,
  because the TOML parser keeps none; only messages depend on it.
* Files are small: what is longer than ``MAX_FILE_BYTES`` is refused before it is parsed. Files that extend each other
  form no ring, and no chain of more than ``MAX_CHAIN``.

The file::

    schema = 1
    name = "telemetry"
    extends = ["stdlib", "common/base.toml"]    # packs, and files beside this one

    [limits]                                    # can only tighten
    max_bytes = "64 MiB"

    [globals]                                   # one line for each global: what a denial's suggestion prints
    "telemetry.model:Reading" = ["new", "build"]

    [[allow]]                                   # the same, at length, with a reason for reviewers
    module = "telemetry.units"
    names = ["Celsius", "Kelvin"]
    rights = ["call"]
    args = [{ type = "float", min = -300, max = 6000 }]     # anything else is refused before the call
    max_instances = 10_000
    reason = "units of a reading"

    [[allow]]
    module = "telemetry.model"
    names = ["Station"]
    rights = ["new", "build"]
    state = { name = { type = "str", max_length = 80 }, height = ["int", "none"] }   # these attributes, no others

    [[allow]]
    module = "telemetry.events"
    classes = "defined here"                    # every class of this very module
    rights = ["new"]

    [[alias]]                                   # a global that has moved; "old:*" to "new:*" moves all
    from = "telemetry.v1:Reading"
    to = "telemetry.model:Reading"

    [[deny]]                                    # beats every allow, those of packs too
    module = "decimal"
    names = ["Decimal"]
    reason = "this service counts in cents"     # names = ["*"] denies all of a module
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import PolicyFileError, quote
from .building import DEFINED_HERE, TABLES, policy_of
from .rules import Policy
from .specs import VALUE_KEYS, Key, SpecError

__all__ = ["MAX_CHAIN", "MAX_FILE_BYTES", "extended", "policy_from_file", "policy_from_text"]

#: Longest policy file. The packs are a few kB each; eslint and semgrep rule files stay under 1 MB too.
MAX_FILE_BYTES = 2**20
#: Most files and packs that extend each other in a chain.
MAX_CHAIN = 16


# ---- reading -----------------------------------------------------------------------------------------------


def policy_from_file(path: str | os.PathLike[str], *, within: tuple[str, ...] = ()) -> Policy:
    """Read a policy file; its name, where it gives none, is the file's.

    :param within: packs and files that are being read, each extending the next; guards against a ring.
    :raises PolicyFileError: if it cannot be read or is not a policy.
    """
    shown = os.fsdecode(path)
    label = shown if shown.isprintable() else _plain(shown)
    try:
        with open(shown, "rb", opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise PolicyFileError("cannot be read: it is no regular file", file=label)
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise PolicyFileError(f"cannot be read: {reason}", file=label) from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(data) <= MAX_FILE_BYTES:  # else it may have been cut inside a character
            line = data.count(b"\n", 0, error.start) + 1
            raise PolicyFileError("not UTF-8, which TOML has to be", file=label, line=line) from None
        text = data.decode("utf-8", "replace")
    within = (*within, os.path.realpath(shown))
    return policy_from_text(text, name=Path(label).stem, file=label, folder=Path(shown).parent, within=within)


def _open(path: str, flags: int) -> int:
    """Open a file to look at it: a pipe in its place would wait for somebody to write to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def policy_from_text(
    text: str,
    *,
    name: str = "policy",
    file: str | None = None,
    folder: Path | None = None,
    within: tuple[str, ...] = (),
) -> Policy:
    """Read a policy from TOML text.

    :param name: its name where the text gives none.
    :param file: the file's name, for messages.
    :param folder: where files that it extends are found; without, it extends packs alone.
    :param within: packs and files that are being read, each extending the next; guards against a ring.
    :raises PolicyFileError: if it is not a policy.
    """
    where = _Place(text, file)
    content = _parse(text, where)
    _check(content, where)
    try:
        policy = policy_of(content, content.get("name") or name)
    except SpecError as error:
        raise where.error(str(error), key=error.key) from None
    for index, base in enumerate(content.get("extends", ())):
        policy = _extend(policy, base, index, where, folder, within)
    return policy


def extended(policy: Policy, base: Policy) -> Policy:
    """Return the union with what a policy extends. Its own reasons are the ones that are shown, and its name stays."""
    union = policy | base
    return Policy(
        name=policy.name,
        rules=[*union.rules.values(), *union.class_rules.values()],
        aliases=union.aliases,
        denies=union.denies,
        limits=union.limits,
    )


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


def _check(content: dict[str, Any], where: _Place) -> None:
    """Check the content against the model."""
    from pydantic import ValidationError

    from .model import PolicyFile

    try:
        PolicyFile.model_validate(content)
    except ValidationError as error:
        first, *others = error.errors(include_url=False, include_context=False)
        loc = _without_types(first["type"], first["loc"])
        reason = _reason(first["type"], first["msg"], loc)
        more = sum(_without_types(other["type"], other["loc"]) != loc for other in others)
        if more:
            reason += f" [and {more} more]"
        raise where.error(reason, key=loc) from None
    except RecursionError:
        raise where.error("constraints inside each other too deep") from None


def _extend(
    policy: Policy, base: str, index: int, where: _Place, folder: Path | None, within: tuple[str, ...]
) -> Policy:
    """Return the policy with a pack, or a file beside this one, that it extends."""
    from .packs import load_pack

    key = ("extends", index)
    is_file = base.endswith(".toml")
    name = base
    if is_file:
        path = Path(base)
        if folder is None or path.is_absolute() or path.drive:
            raise where.error("a file is extended by its path from the folder of this file", key=key)
        try:
            name = os.path.realpath(folder / path)
        except ValueError:  # a NUL in it
            raise where.error(f"no path of a file: {quote(base)}", key=key) from None
    if name in within:
        raise where.error(f"{quote(base)} extends itself: {_chain((*within, name))}", key=key)
    if len(within) >= MAX_CHAIN:
        raise where.error(f"more than {MAX_CHAIN} files and packs extend each other", key=key)
    try:
        if is_file and folder is not None:
            found = policy_from_file(folder / base, within=within)
        else:
            found = load_pack(base, within=within)
        return extended(policy, found)
    except PolicyFileError as error:
        raise where.error(error.reason if error.file is None else str(error), key=key) from None
    except ValueError as error:
        raise where.error(str(error), key=key) from None


def _chain(names: tuple[str, ...]) -> str:
    return " -> ".join(_plain(Path(name).name) for name in names)


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

#: The kinds of value that a key of a constraint may have: pydantic adds the one that it tried to the place.
_TRIED = frozenset({"int", "float", "str", "bool", "list[str]", "constrained-int"})


def _without_types(kind: str, loc: Key) -> Key:
    """Return a place without the kind of value that pydantic tried there."""
    if loc[:1] == ("limits",):
        return loc[:2]
    if kind.endswith("_type") and len(loc) > 1 and loc[-1] in _TRIED and loc[-2] not in ("state", "kwargs", "fields"):
        return loc[:-1]
    return loc


def _reason(kind: str, message: str, loc: Key) -> str:
    last = str(loc[-1]) if loc else ""
    if kind == "extra_forbidden":
        known = ", ".join(_keys_beside(loc))
        return f"no such key: {quote(last)} (there are {known})"
    if len(loc) > 1 and loc[0] == "limits":
        return "a limit is a number or a size as text"
    if kind in ("int_type", "float_type", "string_type") and last in ("min", "max"):
        return "wants a number"
    if last == "classes":
        return f"the one filter is {quote(DEFINED_HERE)}"
    if "enum" in loc[-2:]:
        return "wants texts, numbers, true or false"
    return _WANTED.get(kind) or message.removeprefix("Value error, ")


def _keys_beside(loc: Key) -> tuple[str, ...]:
    """Return the keys that a table may have."""
    if len(loc) < 2:
        return tuple(TABLES[""])
    return tuple(TABLES.get(str(loc[0]), ())) if len(loc) <= 3 else VALUE_KEYS


def _plain(text: str) -> str:
    """Return a parser's message, which may quote the text, on one line and in ASCII."""
    return ascii(text[:200])[1:-1]


class _Place:
    """Makes errors that know the file, and finds the line of a key in its text."""

    def __init__(self, text: str, file: str | None) -> None:
        self.text = text
        self.file = file

    def error(self, reason: str, *, line: int | None = None, key: Key = ()) -> PolicyFileError:
        if key:
            line = self.line(key)
        dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{_key(part)}" for part in key).lstrip(".")
        return PolicyFileError(reason, file=self.file, line=line, key=dotted or None)

    def line(self, key: Key) -> int | None:
        """Return the line where a key stands or, failing that, the nearest table around it."""
        best: int | None = None
        count: dict[Key, int] = {}
        table: Key = ()
        for number, text in enumerate(_outside_strings(self.text), start=1):
            header = re.match(r"\s*(\[{1,2})\s*([\w\"'.-]+)\s*\]", text)
            if header:
                table = _table(header[2], header[1] == "[[", count)
                if key[: len(table)] == table or (best is None and table[: len(key)] == key):
                    best = number
            elif key[: len(table)] == table and len(key) > len(table) and _begins(text, key[len(table)]):
                return number
        return best


def _table(header: str, is_array: bool, count: dict[Key, int]) -> Key:
    """Return the place that a header opens: the last row, where a table of rows is on the way."""
    table: Key = ()
    parts = header.split(".")
    for index, part in enumerate(parts, start=1):
        table = (*table, part.strip("\"'"))
        if index == len(parts) and is_array:
            count[table] = count.get(table, -1) + 1
        if table in count:
            table = (*table, count[table])
    return table


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
