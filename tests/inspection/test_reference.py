"""The reference page is what the opcode table says."""

from __future__ import annotations

from pathlib import Path

from safepickle.inspection.reference import opcode_reference
from safepickle.wire.opcodes import OPCODES

PAGE = Path(__file__).parent.parent.parent / "docs" / "opcodes.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == opcode_reference(), (
        "run: python -m safepickle.inspection.reference docs/opcodes.md"
    )


def test_the_page_has_every_opcode() -> None:
    page = opcode_reference()
    assert all(f"`{row.name}`" in page for row in OPCODES)
