"""Writes TOML: what the commands on policies print, and what ``learn`` leaves for people to review.

Rules that hold here:

* Names come from pickles. Whatever they hold, what is written is ASCII, one line for each key, and TOML: everything
  else is escaped, in comments too.
* The same content gives the same text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["comment", "document", "inline", "key", "line", "table"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
#: Longest line of a comment.
_WIDTH = 118


def text(value: str) -> str:
    """Return a string of TOML."""
    body = "".join(c if " " <= c <= "~" and c not in '"\\' else _escaped(c) for c in value)
    return f'"{body}"'


def _escaped(character: str) -> str:
    # A lone surrogate is no character of TOML at all.
    code = ord(character)
    return f"\\U{code:08X}" if not 0xD800 <= code <= 0xDFFF else "?"


def key(name: str) -> str:
    """Return a key, quoted where it has to be."""
    return name if _BARE.fullmatch(name) else text(name)


def inline(value: Any) -> str:
    """Return a value on one line: text, numbers, booleans, lists and tables of these."""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return text(value)
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key(name)} = {inline(part)}" for name, part in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(inline, value))}]"
    raise TypeError(f"no TOML for a {type(value).__name__}")


def line(name: str, value: Any) -> str:
    """Return the line of one key; a long list gets a line for each item."""
    short = f"{key(name)} = {inline(value)}"
    if len(short) <= _WIDTH or isinstance(value, (str, int, float)) or not value:
        return short
    if isinstance(value, Mapping):
        return short  # an inline table stands on one line in TOML 1.0
    return f"{key(name)} = [\n" + "".join(f"    {inline(item)},\n" for item in value) + "]"


def table(header: str, content: Mapping[str, Any], note: str = "") -> list[str]:
    """Return the lines of one table of an array of tables; tables in it follow what else it holds."""
    lines = [f"[[{header}]]", *(comment(note) if note else ())]
    lines += [line(name, value) for name, value in content.items() if not isinstance(value, Mapping)]
    for name, value in content.items():
        if isinstance(value, Mapping):
            lines += [f"[{header}.{key(name)}]", *(line(inner, part) for inner, part in value.items())]
    return lines


def document(content: Mapping[str, Any]) -> str:
    """Return a whole file: plain keys first, then tables, then arrays of tables."""
    lines: list[str] = []
    arrays = {name for name, value in content.items() if _is_tables(value)}
    for name, value in content.items():
        if name not in arrays and not isinstance(value, Mapping):
            lines.append(line(name, value))
    for name, value in content.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{key(name)}]", *(line(inner, part) for inner, part in value.items())]
    for name in content:
        if name in arrays:
            for one in content[name]:
                lines += ["", *table(name, one)]
    return "\n".join(lines) + "\n"


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def comment(words: str) -> list[str]:
    """Return lines of comment with these words, escaped and wrapped."""
    shown = "".join(c if " " <= c <= "~" else ascii(c)[1:-1] for c in words)
    lines = []
    while len(shown) > _WIDTH - 2:
        cut = shown.rfind(" ", 0, _WIDTH - 2)
        cut = cut if cut > 0 else _WIDTH - 2
        lines.append(f"# {shown[:cut]}")
        shown = shown[cut:].lstrip()
    lines.append(f"# {shown}".rstrip())
    return lines
