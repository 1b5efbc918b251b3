"""Writes the reference page of opcodes from the opcode table.

``python -m safepickle.inspection.reference docs/opcodes.md`` writes the page; a test compares the two.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..wire.opcodes import ARGUMENTS, HIGHEST_PROTOCOL, OPCODES, Argument, Opcode

__all__ = ["opcode_reference"]

_OPENING = f"""\
# Opcodes

All {len(OPCODES)} opcodes of pickle protocols 0 to {HIGHEST_PROTOCOL}. Made from `safepickle/wire/opcodes.py`
by `python -m safepickle.inspection.reference docs/opcodes.md`; do not edit.

*Stack* shows what an opcode takes and what it leaves in its place, the top last. `mark` is the topmost open
mark, `items` is everything above it, `any` is any object. *Right* is what the policy engine is asked for;
opcodes without one make plain data.
"""


def opcode_reference() -> str:
    """Return the page as Markdown."""
    parts = [_OPENING, _table("Byte", "Opcode", "Since", "Argument", "Stack", "Memo", "Right", "Meaning")]
    parts += [_row(*_opcode_cells(row)) for row in OPCODES]
    parts += ["\n## Arguments\n\n", _table("Argument", "Written as", "Meaning")]
    parts += [
        _row(f"`{row.kind}`", _shape(row), row.meaning) for row in ARGUMENTS.values() if row.kind != "none"
    ]
    return "".join([parts[0], "\n", *parts[1:]])


def _opcode_cells(row: Opcode) -> tuple[str, ...]:
    shown = chr(row.code) if 0x20 < row.code < 0x7F else f"\\x{row.code:02x}"
    stack = f"{' '.join(row.before) or '-'} → {' '.join(row.after) or '-'}"
    argument = "" if row.argument == "none" else f"`{row.argument}`"
    return f"`{shown}`", f"`{row.name}`", str(row.protocol), argument, stack, row.memo, row.right, row.meaning


def _shape(row: Argument) -> str:
    return {
        "fixed": f"{row.width} byte{'s' if row.width > 1 else ''}",
        "counted": f"length in {row.width} byte{'s' if row.width > 1 else ''}, then the bytes",
        "line": "a line",
        "lines": "two lines",
    }[row.shape]


def _table(*titles: str) -> str:
    return _row(*titles) + _row(*("---" for _ in titles))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(opcode_reference(), encoding="utf-8")
