"""Writes parts, errors and denials: as text for people, as values for JSON.

Rules that hold here:

* Everything that comes from a pickle is ASCII-escaped, so that nothing in it can move the cursor, colour the
  terminal or pose as a line of ours (attacks R10).
* Text is coloured only where the output is a terminal and rich is installed; rich's markup is never parsed.
* JSON says what it cannot hold: types that it lacks are objects with the key ``$type``, and a dict that has
  such a key itself is written as pairs, so that nothing in a pickle can pose as a tag.
"""

from __future__ import annotations

import base64
import math
import os
import re
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import (
    Denial,
    LimitError,
    PolicyError,
    PolicyFileError,
    SafePickleError,
    TrailingDataError,
    quote,
    quote_name,
)
from ..inspection.documents import LARGEST_DECIMAL, SAFE_INT
from .viewing import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Printer", "argument_json", "as_json", "as_text", "denial_lines", "error_json"]

#: Width up to which a container is put on one line.
WIDTH = 88
#: Refused globals that are printed; JSON has all of them.
MOST_DENIALS = 100
_UNPRINTABLE = re.compile("[^ -~]")
#: Characters of an opcode's argument that are shown.
_ARGUMENT = 80
_BRACKETS = {"list": "[]", "tuple": "()", "set": "{}", "dict": "{}"}


class Printer:
    """Prints lines, in colour where that makes sense."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._paint: Callable[[str, str], None] | None = None
        if stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
            self._paint = _rich_painter(stream)

    def line(self, text: str = "", style: str = "") -> None:
        """Print one line; *style* is one of rich's, and goes unseen without it."""
        if self._paint is not None and style:
            self._paint(text, style)
        else:
            print(text, file=self._stream)


def _rich_painter(stream: TextIO) -> Callable[[str, str], None] | None:
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        return None
    console = Console(file=stream, highlight=False, soft_wrap=True)

    def paint(text: str, style: str) -> None:
        console.print(Text(text, style=style))

    return paint


# -- values as text ------------------------------------------------------------------------------------------


def as_text(part: Part) -> str:
    """Return a value as indented text in Python's manner."""
    if part.kind == "scalar":
        return _scalar_text(part.value)
    if part.kind in {"text", "bytes"}:
        shown = ascii(part.value) + _omitted(part.omitted, "more")
        return shown if part.type in {"str", "bytes", "bytearray"} else f"{part.type}({shown})"
    if part.kind == "items":
        return _items_text(part)
    if part.kind == "pairs":
        lines = [f"{as_text(key)}: {as_text(value)}" for key, value in part.children]
        return _enclosed(part, lines, "{}" if part.type == "dict" else (f"{part.type}({{", "})"))
    if part.kind == "object":
        return _enclosed(part, _field_lines(part.children), (f"{part.type}(", ")"))
    if part.kind == "global":
        return f"<{part.type} {part.value}>"
    if part.kind == "cycle":
        return f"<cycle: {part.type} at {part.value}>"
    if part.kind == "cut":
        return f"<{part.type}: not shown>"
    return f"{ascii_text(part.value)}{_omitted(part.omitted, 'more')}"


def _scalar_text(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:  # sys.set_int_max_str_digits() may be lower than the default
        return quote(value)


def ascii_text(text: str) -> str:
    """Return text with everything but printable ASCII escaped: one line, nothing that a terminal acts on."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


def _omitted(count: int, what: str) -> str:
    return f" ... {count} {what}" if count else ""


def _items_text(part: Part) -> str:
    lines = [as_text(item) for item in part.children]
    brackets: Sequence[str] = _BRACKETS.get(part.type, (f"{part.type}([", "])"))
    if part.type in {"set", "frozenset"}:
        lines.sort()
        if not lines and not part.omitted and part.type == "set":
            return "set()"
    if part.type == "tuple" and len(lines) == 1 and not part.omitted:
        brackets = ("(", ",)")
    return _enclosed(part, lines, brackets)


def _field_lines(fields: Sequence[tuple[str, Part]]) -> list[str]:
    return [f"{ascii_text(name)}={as_text(value)}" if name else as_text(value) for name, value in fields]


def _enclosed(part: Part, lines: list[str], brackets: Sequence[str]) -> str:
    """Put lines between brackets, on one line if they fit."""
    opening, closing = brackets[0], brackets[1]
    if part.omitted:
        lines = [*lines, f"... {part.omitted} more"]
    fields = []
    if part.kind in {"items", "pairs"} and part.value:
        fields = [f"<field> {line}" for line in _field_lines(part.value)]
    one = f"{opening}{', '.join([*lines, *fields])}{closing}"
    if len(one) <= WIDTH and "\n" not in one:
        return one
    body = ",\n".join([*_filled(lines), *fields]).replace("\n", "\n  ")
    return f"{opening}\n  {body}\n{closing.lstrip(',')}"


def _filled(lines: list[str]) -> list[str]:
    """Put short items side by side: a thousand numbers are not a thousand lines."""
    if len(lines) < 20 or any(len(line) > 24 or "\n" in line for line in lines):
        return lines
    rows = [lines[0]]
    for line in lines[1:]:
        if len(rows[-1]) + len(line) + 2 <= WIDTH:
            rows[-1] += f", {line}"
        else:
            rows.append(line)
    return rows


# -- values as JSON ------------------------------------------------------------------------------------------


def as_json(part: Part) -> Any:
    """Return a value as what JSON can hold, other types tagged with ``$type``."""
    if part.kind == "scalar":
        return _scalar_json(part.value)
    if part.kind == "text":
        if part.type == "str" and not part.omitted:
            return part.value
        return {"$type": part.type, "value": part.value, "omitted": part.omitted}
    if part.kind == "bytes":
        encoded = base64.b64encode(part.value).decode("ascii")
        return {"$type": part.type, "base64": encoded, **_left_out(part)}
    if part.kind == "items":
        items = [as_json(item) for item in part.children]
        if part.type == "list" and not part.omitted:
            return items
        return {"$type": part.type, "items": items, **_left_out(part), **_own_fields(part)}
    if part.kind == "pairs":
        return _pairs_json(part)
    if part.kind == "object":
        return {"$type": part.type, "fields": {name: as_json(value) for name, value in part.children}}
    if part.kind == "cut":
        return {"$type": part.type, "cut": True}
    key = {"global": "global", "cycle": "cycle"}.get(part.kind, "text")
    return {"$type": part.type, key: part.value, **_left_out(part)}


def _scalar_json(value: Any) -> Any:
    if type(value) is float and not math.isfinite(value):
        return {"$type": "float", "text": repr(value)}
    if type(value) is int and abs(value) > SAFE_INT:
        return {"$type": "int", "text": _scalar_text(value)}
    return value


def _pairs_json(part: Part) -> Any:
    plain = part.type == "dict" and not part.omitted
    if plain and all(
        key.kind == "text" and key.type == "str" and not key.omitted for key, _ in part.children
    ):
        names = [key.value for key, _ in part.children]
        if "$type" not in names:
            return {key.value: as_json(value) for key, value in part.children}
    pairs = [[as_json(key), as_json(value)] for key, value in part.children]
    return {"$type": part.type, "pairs": pairs, **_left_out(part), **_own_fields(part)}


def _left_out(part: Part) -> dict[str, int]:
    return {"omitted": part.omitted} if part.omitted else {}


def _own_fields(part: Part) -> dict[str, Any]:
    return {"fields": {name: as_json(value) for name, value in part.value}} if part.value else {}


def argument_json(argument: Any, *, full: bool) -> Any:
    """Return an opcode's argument as what JSON can hold, cut short unless *full*."""
    kind = type(argument)
    if kind is tuple:
        return {"module": argument[0], "name": argument[1]}
    if kind in {str, bytes, bytearray}:
        cut = 0 if full else max(0, len(argument) - _ARGUMENT)
        value = argument[: len(argument) - cut]
        part = Part("text" if kind is str else "bytes", kind.__name__, value, omitted=cut)
        return as_json(part)
    if kind is int and argument.bit_length() > LARGEST_DECIMAL:
        return {"$type": "int", "hex": hex(argument)}
    return _scalar_json(argument)


# -- errors and denials --------------------------------------------------------------------------------------


def denial_lines(denials: Sequence[Denial]) -> list[tuple[str, str]]:
    """Return styled lines on refused globals; each global is said once, with all its rights."""
    by_global: dict[tuple[str, str], list[Denial]] = {}
    for denial in denials:
        by_global.setdefault((denial.module, denial.name), []).append(denial)
    lines: list[tuple[str, str]] = []
    for same in list(by_global.values())[:MOST_DENIALS]:
        lines += _one_global(same)
    if len(by_global) > MOST_DENIALS:
        lines.append((f"  ... {len(by_global) - MOST_DENIALS} more; --format json lists all", ""))
    return lines


def _one_global(denials: list[Denial]) -> list[tuple[str, str]]:
    first = denials[0]
    lines = [(f"  refused  {quote_name(first.module, first.name)}", "bold red")]
    rights: dict[tuple[str, str], list[Denial]] = {}
    for denial in denials:
        rights.setdefault((denial.right, denial.reason), []).append(denial)
    for (right, reason), same in rights.items():
        where = f"{same[0].opcode or 'reading'} at byte {same[0].position}"
        again = "" if len(same) == 1 else f" (and {len(same) - 1} more times)"
        path = "" if same[0].path is None else f" at {ascii_text(same[0].path)}"
        lines.append((f"    right {right}: {where}{again}: {ascii_text(reason)}{path}", ""))
    if first.gadget is not None:
        lines += [
            (f"    WARNING: known gadget: {ascii_text(first.gadget)}", "bold yellow"),
            (
                "    data has no use for it: do not allow it, and do not trust this file",
                "bold yellow",
            ),
        ]
        return lines
    for suggestion in dict.fromkeys(denial.suggestion for denial in denials if denial.suggestion):
        lines.append((f"    to allow it, in a policy file:  {ascii_text(suggestion)}", "dim"))
    return lines


def error_json(error: BaseException) -> dict[str, Any]:
    """Return an error with all its fields."""
    document: dict[str, Any] = {"type": type(error).__name__, "message": _message(error)}
    if not isinstance(error, SafePickleError):
        return document
    document |= {
        "reason": getattr(error, "reason", None),
        "position": getattr(error, "position", None),
        "opcode": getattr(error, "opcode", None),
        "path": getattr(error, "path", None),
    }
    if isinstance(error, LimitError):
        document |= {"limit": error.limit, "bound": error.bound, "asked": error.asked}
    if isinstance(error, PolicyFileError):
        document |= {"file": error.file, "line": error.line, "key": error.key}
    for name in ("key_id", "age", "max_age", "wait", "signed", "expected", "source"):  # of signatures and keys
        if hasattr(error, name):
            document[name] = getattr(error, name)
    if isinstance(error, PolicyError):
        document |= {"policy": error.policy, "denials": denials_json(error.denials)}
    if error.__cause__ is not None:
        document["cause"] = {"type": type(error.__cause__).__name__, "message": _message(error.__cause__)}
    return document


def denials_json(denials: Sequence[Denial]) -> list[dict[str, Any]]:
    """Return refused globals with all their fields; for a known gadget, no line that would allow it."""
    documents = []
    for denial in denials:
        document = denial._asdict()
        document["suggestion"] = None if denial.gadget is not None else denial.suggestion or None
        documents.append(document)
    return documents


def _message(error: BaseException) -> str:
    # An exception of an allowed class may hold anything: only the text it was given is shown, cut and
    # escaped.
    if isinstance(error, (SafePickleError, OSError, UnicodeError, MemoryError)):
        return ascii_text(str(error))[:2000]
    first = error.args[0] if error.args else ""
    return ascii_text(first)[:500] if type(first) is str else quote(first)


def error_line(error: BaseException) -> str:
    """Return one line on an error."""
    text = _message(error)
    if isinstance(error, LimitError):
        text = text.replace(f"Limits({error.limit}=...)", f"--limits {error.limit}=...")
    if isinstance(error, TrailingDataError):
        text += "; --all takes several pickles in one file"
    if isinstance(error, SafePickleError) and error.__cause__ is not None:
        text += f": {type(error.__cause__).__name__}: {_message(error.__cause__)}"
    return text or type(error).__name__
