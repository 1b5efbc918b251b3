"""What an installation must offer, and that the lists that describe the package agree with each other."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from importlib import import_module, metadata, resources
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import safepickle
from safepickle import _forms

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(safepickle.__file__).resolve().parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]

#: Packages that cost too much to be loaded by `import safepickle`, or that it has no business with.
HEAVY = (
    "Cython",
    "argparse",
    "array",
    "asyncio",
    "cython",
    "dataclasses",
    "datetime",
    "decimal",
    "email",
    "hashlib",
    "hmac",
    "http",
    "inspect",
    "json",
    "logging",
    "multiprocessing",
    "pathlib",
    "pydantic",
    "pydantic_core",
    "rich",
    "setuptools",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "tomllib",
    "unittest",
    "urllib",
)


def run_python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a fresh interpreter that sees the package under test (and not the working directory)."""
    return subprocess.run(
        [sys.executable, "-P", *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


def test_hot_modules_are_the_ext_modules() -> None:
    assert list(_forms.HOT_MODULES) == [extension["name"] for extension in SETUPTOOLS["ext-modules"]]


@pytest.mark.parametrize("extension", SETUPTOOLS["ext-modules"], ids=lambda extension: extension["name"])
def test_each_hot_module_is_a_source_with_its_types(extension: dict[str, list[str]]) -> None:
    path = extension["name"].replace(".", "/")
    assert extension["sources"] == [f"{path}.py"]
    source = ROOT / f"{path}.py"
    assert source.read_text("utf-8").startswith("# cython: annotation_typing=False\n")
    assert source.with_suffix(".pxd").is_file()
    # Cython looks for a module's types by its package, which it knows by this file.
    assert (source.parent / "__init__.pxd").is_file()


def test_every_module_with_types_is_hot() -> None:
    typed = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "safepickle").rglob("*.pxd")
        if path.name != "__init__.pxd" and path.with_suffix(".py").exists()  # else there is nothing but C in it
    }
    assert typed == set(_forms.HOT_MODULES)


def test_no_unsafe_compiler_directive() -> None:
    sources = [path for pattern in ("*.py", "*.pxd") for path in (ROOT / "safepickle").rglob(pattern)]
    unsafe = re.compile(r"\b(boundscheck|initializedcheck|nonecheck|overflowcheck)\s*[=(]\s*False")
    assert [str(path) for path in sources if unsafe.search(path.read_text("utf-8"))] == []


def test_every_package_is_listed() -> None:
    found = {
        ".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "safepickle").rglob("__init__.py")
    }
    assert found | {"safepickle.packs"} == set(SETUPTOOLS["packages"])


def test_imports_inside_the_package_are_relative() -> None:
    absolute = re.compile(r"^\s*(from|import) safepickle\b", re.MULTILINE)
    sources = (ROOT / "safepickle").rglob("*.py")
    assert [str(path) for path in sources if absolute.search(path.read_text("utf-8"))] == []


def test_version_is_the_distribution_s() -> None:
    assert metadata.version("safepickle-codec") == PYPROJECT["project"]["version"]


def test_type_information_is_announced() -> None:
    assert (resources.files("safepickle") / "py.typed").is_file()


def test_packs_are_installed() -> None:
    installed = PACKAGE / "packs"
    if not installed.is_dir():
        pytest.skip(
            "the source tree is tested: it has the packs in policies/, an installation in safepickle/packs/"
        )
    packs = {path.name: path.read_bytes() for path in installed.glob("*.toml")}
    assert packs == {path.name: path.read_bytes() for path in (ROOT / "policies").glob("*.toml")}


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / "policies").glob("*.toml")])
def test_packs_load(name: str) -> None:
    assert safepickle.Policy.packs(name).fingerprint


def test_command_line_runs_as_a_module(tmp_path: Path) -> None:
    result = run_python("-m", "safepickle", "--help", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "load" in result.stdout


def modules_of(statements: str, cwd: Path) -> set[str]:
    """Return the modules that these statements import, in an interpreter that has imported pickle."""
    code = f"import pickle, sys; before = set(sys.modules); {statements}; print(*set(sys.modules) - before)"
    result = run_python("-c", code, cwd=cwd)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


@pytest.mark.parametrize(
    ("statements", "most"),
    [
        ("import safepickle", 14),
        ("from safepickle import loads; loads(pickle.dumps([{'a': 1.5}]))", 72),
        ("from safepickle import dumps; dumps([{'a': 1.5}])", 64),
    ],
)
def test_import_is_light(tmp_path: Path, statements: str, most: int) -> None:
    found = modules_of(statements, tmp_path)
    assert {name.partition(".")[0] for name in found} & set(HEAVY) == set()
    assert len({name for name in found if name.startswith("safepickle")}) <= most, sorted(found)


def test_help_is_light(tmp_path: Path) -> None:
    # What argparse, pathlib and the like take is the standard library's; what a command needs comes with the command.
    code = (
        "import sys; from safepickle.cli.main import main; main(['--help']);"
        " print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    result = run_python("-c", code, cwd=tmp_path)
    assert result.returncode == 0
    own = {"argparse", "http", "inspect", "json", "pathlib", "threading", "urllib"}
    assert set(result.stderr.split()) & (set(HEAVY) - own) == set()


def test_names_that_come_later_are_all_there(tmp_path: Path) -> None:
    code = (
        "from safepickle import *; import safepickle;"
        " names = [name for name in dir(safepickle) if not name.startswith('_')];"
        " assert {'Codec', 'KeyRing', 'Pickler', 'PolicyError', 'dumps', 'inspect', 'loads'} <= set(names);"
        " assert all(getattr(safepickle, name) is globals()[name] for name in names);"
        " assert not hasattr(safepickle, 'no_such_name')"
    )
    result = run_python("-c", code, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def imports_of(name: str, path: Path, modules: dict[str, Path]) -> set[str]:
    """Return the modules of the package that importing this one imports: what stands outside functions."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()

    def look_at(body: list[ast.stmt]) -> None:
        for statement in body:
            if isinstance(statement, ast.ImportFrom) and statement.level:
                parts = package.split(".")
                base = ".".join(parts[: len(parts) - statement.level + 1])
                base += f".{statement.module}" if statement.module else ""
                found.update(f"{base}.{alias.name}" for alias in statement.names)
                found.add(base)
            elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
                look_at(statement.orelse)
            elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                for part in ("body", "orelse", "finalbody"):
                    look_at(getattr(statement, part, []))

    look_at(ast.parse(path.read_text("utf-8")).body)
    # A module is in its package already when it imports from it: that is no circle.
    return {other for other in found & modules.keys() if not f"{name}.".startswith(f"{other}.")}


def test_no_modules_import_each_other_in_a_circle() -> None:
    # Where two threads import a circle from two sides, one of them gets a module that is half done (importlib breaks
    # the deadlock in that way). Names of the package are imported when first used, by whichever thread comes first.
    modules = {}
    for path in (ROOT / "safepickle").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    graph = {name: imports_of(name, path, modules) for name, path in modules.items()}
    assert "safepickle.decoding.gates" in graph["safepickle.decoding.unpickler"]
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_compiled_says_what_is_loaded() -> None:
    files = {name: import_module(name).__file__ or "" for name in _forms.HOT_MODULES}
    extensions = {name for name, file in files.items() if file.endswith(tuple(EXTENSION_SUFFIXES))}
    assert extensions == (set(_forms.HOT_MODULES) if safepickle.COMPILED else set())


class TestForms:
    """The second, uncompiled package."""

    def test_is_compiled_only_where_it_says_so(self, sp) -> None:
        assert sp.COMPILED is (sp is safepickle and safepickle.COMPILED)

    def test_python_form_is_made_of_python_files(self) -> None:
        package = _forms.python_form().__name__
        names = [package + name.removeprefix("safepickle") for name in _forms.HOT_MODULES]
        assert {Path(import_module(name).__file__ or "").suffix for name in names} == {".py"}

    def test_python_form_is_made_once(self) -> None:
        assert _forms.python_form() is _forms.python_form()

    def test_shared_modules_are_the_same_objects(self, sp) -> None:
        assert sp.errors is safepickle.errors
        assert sp.limits is safepickle.limits
        assert sp.policy.rules is safepickle.policy.rules
        assert sp.PolicyError is safepickle.PolicyError
        assert sp.PLAIN is safepickle.PLAIN
        assert safepickle.errors.__spec__.name == "safepickle.errors"

    def test_other_modules_are_fresh(self) -> None:
        if not safepickle.COMPILED:
            pytest.skip("the extension modules are not built: the one form is the Python form")
        package = _forms.python_form()
        assert package.Codec is not safepickle.Codec
        assert package.Unpickler is not safepickle.Unpickler

    def test_both_forms_work(self, sp) -> None:
        assert sp.loads(sp.dumps({"a": [1, 2.5, None]})) == {"a": [1, 2.5, None]}


class TestContinuousIntegration:
    """.ci/run takes its two commands from the README: they cannot differ, and must be there to be taken."""

    @pytest.mark.parametrize("marker", ["ci:main-job", "ci:test"])
    def test_readme_has_the_command(self, marker: str) -> None:
        readme = (ROOT / "README.md").read_text("utf-8")
        blocks = re.findall(rf"<!-- {marker} -->\s*```[a-z]*\n(.+?)\n```", readme, re.DOTALL)
        assert len(blocks) == 1
        assert "pip install" in blocks[0]

    def test_the_readme_s_tests_run_the_installed_package(self) -> None:
        readme = (ROOT / "README.md").read_text("utf-8")
        assert "python -m pytest" not in readme
