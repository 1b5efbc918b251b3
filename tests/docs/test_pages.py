"""The documentation pages that are made from tables agree with them, and links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from safepickle.limits import LIMITS

ROOT = Path(__file__).parents[2]


def _module(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_limits_is_made_from_the_table() -> None:
    made = _module(ROOT / "docs" / "make_limits.py").page()
    assert (ROOT / "docs" / "limits.md").read_text(encoding="utf-8") == made
    assert all(f"`{row.name}`" in made for row in LIMITS)


PAGES = [
    "README.md", "SECURITY.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_differentials_page_lists_every_id() -> None:
    text = (ROOT / "docs" / "differentials.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (X\d\d) ", text, re.MULTILINE) == [f"X{number:02}" for number in range(1, 30)]


def test_every_integration_is_on_its_page() -> None:
    """A module that the page does not name is one that nobody finds."""
    text = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
    names = {path.stem for path in (ROOT / "safepickle" / "integrations").glob("*.py")}
    words = set(re.findall(r"[a-z]+", text.lower()))
    for name in names - {"__init__", "common", "ints"}:
        assert set(name.split("_")) <= words, name
