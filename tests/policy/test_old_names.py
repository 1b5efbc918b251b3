"""An alias holds for older libraries too: where what it leads to is not there yet, the old name is taken."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attacks.asm import name, pickled

from safepickle.policy.rules import Policy, Right, Rule

RULES = [Rule(module="moved_library._core", name="Thing", rights=Right.parse(["refer"]))]
ALIASES = {
    ("moved_library.core", "*"): ("moved_library._core", "*"),
    ("elsewhere", "*"): ("moved_library._core", "*"),
    ("moved_library", "Other"): ("moved_library._core", "Thing"),
}


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put an old version of a library onto the path, and another package that has a thing of that name."""
    folder = tmp_path / "moved_library"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (tmp_path / "elsewhere.py").write_text("class Thing: pass")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for module in [module for module in sys.modules if module.partition(".")[0] in ("moved_library", "elsewhere")]:
        del sys.modules[module]


def _load(sp: Any, aliases: Any, module: str = "moved_library._core", qualname: str = "Thing") -> Any:
    return sp.loads(pickled(name(module, qualname)), policy=Policy(name="moved", rules=RULES, aliases=aliases))


@pytest.mark.parametrize("module", ["moved_library.core", "moved_library._core"])
def test_an_old_library_is_asked_by_its_old_name(sp: Any, library: Path, module: str) -> None:
    (library / "core.py").write_text("class Thing: pass")
    assert _load(sp, ALIASES, module).__module__ == "moved_library.core"


def test_a_name_of_its_own(sp: Any, library: Path) -> None:
    (library / "__init__.py").write_text("class Other: pass")
    assert _load(sp, ALIASES).__qualname__ == "Other"
    assert _load(sp, ALIASES, "moved_library", "Other").__qualname__ == "Other"


def test_a_new_library_is_asked_by_its_new_name(sp: Any, library: Path) -> None:
    (library / "core.py").write_text("raise AssertionError('imported')")
    (library / "_core.py").write_text("class Thing: pass")
    assert _load(sp, ALIASES, "moved_library.core").__module__ == "moved_library._core"


def test_no_other_package_stands_in(sp: Any, library: Path) -> None:
    """What an alias leads from may be a name that anybody can take, in the working directory for one."""
    for module in ("elsewhere", "moved_library._core"):
        with pytest.raises(sp.errors.ReconstructionError, match=r"moved_library\._core:Thing is allowed but cannot"):
            _load(sp, ALIASES, module)
    assert "elsewhere" not in sys.modules


def test_no_name_that_no_alias_has(sp: Any, library: Path) -> None:
    (library / "core.py").write_text("class Thing: pass")
    with pytest.raises(sp.errors.ReconstructionError):
        _load(sp, {})
