"""Sources: a policy file as it was written, beside the policy that it means, for lint, show and diff.

Rules that hold here:

* The policy itself is read first, by the code that loads it everywhere: what is no policy is an error there. What is
  kept here besides are the file's own tables, in its own order, with their lines.
* Nothing that a policy names is imported.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import PolicyFileError, quote
from .names import KNOWN_GADGET
from .offered import offered_pack
from .packs import is_file_name, load_pack, no_such_pack, packs_folder
from .rules import Policy

__all__ = ["Entry", "Source", "flattened", "read_source"]

Pair = tuple[str, str]


class Entry(NamedTuple):
    """One allowance of a file: a global of an ``[[allow]]``, or a line of ``[globals]``."""

    module: str
    #: Its name; ``"*"`` where a table is for all classes of a module.
    name: str
    rights: tuple[str, ...]
    #: The table's other keys: constraints, reason.
    keys: Mapping[str, Any]
    line: int | None
    #: Where it stands, such as ``allow[3]``.
    where: str

    @property
    def constrained(self) -> bool:
        """Whether arguments are constrained."""
        return any(key in self.keys for key in ("args", "kwargs", "rest"))

    def keys_of_constraints(self) -> set[str]:
        """Return the keys that ask for anything beyond the rights."""
        return {"args", "kwargs", "rest", "state", "state_value", "max_instances"} & set(self.keys)


class Source(NamedTuple):
    """A policy file, or a pack."""

    #: As people named it.
    label: str
    text: str
    content: Mapping[str, Any]
    policy: Policy
    #: What it extends, in order.
    extends: tuple[Source, ...]

    def entries(self) -> Iterator[Entry]:
        """Yield what the file itself allows, in its order."""
        lines = _header_lines(self.text, "allow")
        for index, table in enumerate(self.content.get("allow", ())):
            keys = {key: value for key, value in table.items() if key not in {"module", "names", "rights"}}
            names = table.get("names") or ["*"]
            for name in names:
                line = lines[index] if index < len(lines) else None
                yield Entry(table["module"], name, tuple(table["rights"]), keys, line, f"allow[{index}]")
        for key, rights in self.content.get("globals", {}).items():
            module, _, name = key.partition(":")
            yield Entry(module, name, tuple(rights), {}, _key_line(self.text, key), f"globals.{quote(key)}")

    def header_line(self, table: str, index: int) -> int | None:
        """Return the line of the table number *index* of an array of tables."""
        lines = _header_lines(self.text, table)
        return lines[index] if index < len(lines) else None


def read_source(name: str, within: tuple[str, ...] = ()) -> Source:
    """Read a policy file, or a pack: a name without ``.`` and ``/`` is a pack's.

    :raises PolicyFileError: if it is no policy.
    """
    if is_file_name(name):
        policy = Policy.from_file(name)
        path = Path(name)
    else:
        policy = load_pack(name)
        path = _pack_path(name)
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise PolicyFileError(f"cannot be read: {error.strerror}", file=name) from None
    content = tomllib.loads(text)
    extended = []
    for one in content.get("extends", ()):
        other = str(path.parent / one) if is_file_name(one) else one
        if other in within:
            raise PolicyFileError(f"{quote(other)} extends itself", file=name)
        extended.append(read_source(other, (*within, name)))
    return Source(name, text, content, policy, tuple(extended))


def _pack_path(name: str) -> Path:
    path = packs_folder() / f"{name}.toml"
    if path.is_file():
        return path
    offered = offered_pack(name)
    if offered is None:
        raise no_such_pack(name)
    return offered


def _header_lines(text: str, table: str) -> list[int]:
    pattern = re.compile(rf"\s*\[\[\s*{table}\s*\]\]")
    return [number for number, line in enumerate(text.split("\n"), 1) if pattern.match(line)]


def _key_line(text: str, key: str) -> int | None:
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r"""\s*("(?:[^"\\]|\\.)*"|'[^']*')\s*=""", line)
        if match is not None:
            try:
                if next(iter(tomllib.loads(f"{match[1]}=0"))) == key:
                    return number
            except tomllib.TOMLDecodeError:
                continue
    return None


def flattened(source: Source) -> dict[str, Any]:
    """Return the content of one file that means the same without extending any."""
    content: dict[str, Any] = {"schema": 1, "name": source.policy.name}
    if source.content.get("description"):
        content["description"] = source.content["description"]
    limits = source.policy.limits
    if limits is not None:
        content["limits"] = {name: bound for name, bound in limits.as_dict().items() if bound is not None}
    allow: list[Mapping[str, Any]] = []
    globals_: dict[str, list[str]] = {}
    deny: list[Mapping[str, Any]] = []
    aliases: dict[str, str] = {}
    for one in _chain(source):
        allow += one.content.get("allow", ())
        deny += one.content.get("deny", ())
        for key, rights in one.content.get("globals", {}).items():
            if key in globals_:
                # One line for each global; the tables can say it again.
                module, _, name = key.partition(":")
                allow.append(_as_table(module, name, rights))
            else:
                globals_[key] = rights
        for alias in one.content.get("alias", ()):
            aliases[alias["from"]] = alias["to"]
    content |= {"globals": globals_} if globals_ else {}
    content |= {"allow": allow} if allow else {}
    content |= {"alias": [{"from": old, "to": new} for old, new in aliases.items()]} if aliases else {}
    content |= {"deny": deny} if deny else {}
    return content


def _as_table(module: str, name: str, rights: list[str]) -> dict[str, Any]:
    table = {"module": module, "names": [name], "rights": [right for right in rights if right != KNOWN_GADGET]}
    return table | ({"accept_known_gadget": True} if KNOWN_GADGET in rights else {})


def _chain(source: Source, seen: set[str] | None = None) -> Iterator[Source]:
    """Yield a source and all that it extends, each once."""
    seen = set() if seen is None else seen
    if source.label in seen:
        return
    seen.add(source.label)
    yield source
    for one in source.extends:
        yield from _chain(one, seen)
