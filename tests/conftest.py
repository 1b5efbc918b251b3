"""What all tests share: the two forms of the package, and how much hypothesis tries.

Which package is tested. The installed one, with its extension modules: `pip install ".[test]" && pytest`.
The plain `pytest` command matters, because `python -m pytest` puts the working directory, and with it the
bare sources, before what is installed. For work in the source tree, `pip install -e ".[test]"` compiles the
modules beside their sources, and then both commands run those.

Both forms. A test that takes the fixture `sp` runs twice: on the compiled package and on the same files run
as Python. `sp` is the package, so `sp.loads`, `sp.errors`, `sp.decoding.machine` are those of one form;
errors, limits and policies are the same objects in both. Without extension modules the compiled half is
skipped. With SAFEPICKLE_REQUIRE_COMPILED=1 (as in .ci/run) the run stops at once if the extension modules,
or the installed package, are not what would be tested.

Helper modules. `tests` is on sys.path (`pythonpath` in pyproject.toml), so that `tests/vectors/loading.py` is
`from vectors.loading import ...`. No `__init__.py` anywhere under tests, and no helper named like an
installed package. A subprocess that should run the installed package needs `python -P`, or another working
directory.

Hypothesis profiles, by `--hypothesis-profile`: `ci` (the default, the same examples each time), `dev`
(random, fewer), `thorough` (random, many).
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

import safepickle
from safepickle import _forms

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(safepickle.__file__).resolve().parent
FROM_SOURCE_TREE = PACKAGE == ROOT / "safepickle"
REQUIRE_COMPILED = os.environ.get("SAFEPICKLE_REQUIRE_COMPILED") == "1"
FORMS = ("compiled", "python")

settings.register_profile(
    "ci",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile(
    "thorough", deadline=None, max_examples=5000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci")


def _stale_modules() -> list[str]:
    """Name the hot modules that were changed after they were compiled (as can happen in a source tree)."""
    stale = []
    for name in _forms.HOT_MODULES:
        source = PACKAGE.parent / (name.replace(".", "/") + ".py")
        built = max(
            (path.stat().st_mtime for path in source.parent.glob(source.stem + ".*.so")), default=None
        )
        if built is not None and source.stat().st_mtime > built:
            stale.append(name)
    return stale


def pytest_configure() -> None:
    """Refuse to start where the extension modules were expected and something else would be tested."""
    if not REQUIRE_COMPILED:
        return
    if not safepickle.COMPILED:
        raise pytest.UsageError(
            f"SAFEPICKLE_REQUIRE_COMPILED=1, but the hot modules of {PACKAGE} are not compiled"
            " (install with SAFEPICKLE_BUILD=require; run `pytest`, not `python -m pytest`)"
        )
    if FROM_SOURCE_TREE:
        raise pytest.UsageError(
            f"SAFEPICKLE_REQUIRE_COMPILED=1, but {PACKAGE} is the source tree, not the installed package"
        )


def pytest_report_header() -> list[str]:
    """Say what is tested."""
    forms = (
        "compiled and python" if safepickle.COMPILED else "python only (the extension modules are not built)"
    )
    where = "source tree" if FROM_SOURCE_TREE else "installed"
    lines = [f"safepickle: forms {forms}; {where}: {PACKAGE}"]
    if FROM_SOURCE_TREE and (stale := _stale_modules()):
        lines.append(f"safepickle: WARNING, compiled before the last change: {', '.join(stale)}")
    return lines


@pytest.fixture(scope="session", params=FORMS)
def sp(request: pytest.FixtureRequest) -> ModuleType:
    """The package, once in each form, with the modules that are loaded when they are first used."""
    if request.param == "compiled" and not safepickle.COMPILED:
        pytest.skip("the extension modules are not built, so there is no compiled form to test")
    package = _forms.python_form() if request.param == "python" else safepickle
    for module in ("decoding.making_checks", "decoding.locating", "decoding.unpickler", "inspection"):
        import_module(f"{package.__name__}.{module}")
    return package
