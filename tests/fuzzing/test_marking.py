"""What runs is marked, and nothing else about a module changes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from fuzz.marking import Marks, mark

_SOURCE = '''"""The docstring."""
from __future__ import annotations
import enum


class Colour(enum.Enum):
    """A class whose body makes members."""
    RED = 1


def side(number: int) -> str:
    """Take one of two ways, or none."""
    if number > 5:
        return "more"
    for _ in range(number):
        if number == 3:
            break
    while number == 4:
        number = 0
    try:
        1 // number
    except ZeroDivisionError:
        return "nothing"
    return "less"
'''


@pytest.fixture
def marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Marks, Any]]:
    (tmp_path / "coloured.py").write_text(_SOURCE, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    marks = mark("coloured")
    yield marks, import_module("coloured")
    del sys.modules["coloured"]


def test_what_runs_for_the_first_time_is_new(marked: tuple[Marks, Any]) -> None:
    marks, module = marked
    assert marks.new()  # the module itself
    assert not marks.new()
    fresh = []
    for number in (9, 8, 1, 2, 3, 4, 0, 0, 9, 3):
        module.side(number)
        fresh.append(marks.new())
    # 2 takes the ways of 1; 3 leaves the loop by its break, 4 runs the other loop and finds nothing, as 0 does.
    assert fresh == [True, False, True, False, True, True, False, False, False, False]


def test_a_marked_module_does_what_it_did(marked: tuple[Marks, Any]) -> None:
    _, module = marked
    plain: dict[str, Any] = {"__name__": "plain"}
    exec(compile(_SOURCE, "plain", "exec"), plain)
    assert module.__doc__ == "The docstring."
    assert list(module.Colour.__members__) == ["RED"]
    assert module.side.__doc__ == plain["side"].__doc__
    assert [module.side(number) for number in range(10)] == [plain["side"](number) for number in range(10)]


def test_what_was_imported_before_cannot_be_marked() -> None:
    with pytest.raises(RuntimeError, match="imported before"):
        mark("sys")
