"""Builds the sdist and the wheels, and checks what is in them and what installing them gives. Run by .ci/run.

The wheel is built from the sdist, so that a file that the sdist lacks is noticed. What is checked is what a
user of each kind of machine gets: with a compiler, without one, and with a build that must not use one.

Needs `build` in the environment it runs in, and makes its own environments for the rest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
HOT_FILES = [extension["sources"][0] for extension in PYPROJECT["tool"]["setuptools"]["ext-modules"]]
PACKS = [path.name for path in (ROOT / "policies").glob("*.toml")]

#: Run in the installed environment: which form it is, that a load works, that the packs are found.
PROBE = """
import safepickle
assert safepickle.loads(b'\\x80\\x04]\\x94(K\\x01K\\x02e.') == [1, 2]
safepickle.Policy.packs("plain", "stdlib")
print(safepickle.COMPILED)
"""


class CheckError(Exception):
    """A package is not what it should be."""


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command away from the source tree, with these environment variables added."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=tempfile.gettempdir(),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def must(result: subprocess.CompletedProcess[str]) -> str:
    """Return what the command printed, or raise with the end of what it said."""
    if result.returncode:
        output = (result.stdout + result.stderr)[-4000:]
        raise CheckError(f"{result.args} ended with {result.returncode}:\n{output}")
    return result.stdout


def expect(condition: bool, message: str) -> None:
    """Raise unless the condition holds; an assertion that -O does not remove."""
    if not condition:
        raise CheckError(message)


def environment(directory: Path) -> Path:
    """Make a virtual environment and return its interpreter."""
    venv.create(directory, with_pip=True)
    return directory / "bin" / "python"


def compiled(python: Path) -> str:
    """Return what the installed package says about its form, after it has shown that it works."""
    return must(run(python, "-c", PROBE)).strip()


def check_sdist(sdist: Path) -> None:
    """Check that the sdist has what building and testing need."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"LICENSE", "README.md", "pyproject.toml", "safepickle/py.typed", "safepickle/_build.py"}
    wanted |= {"tests/conftest.py", ".ci/run", "safepickle/wire/__init__.pxd"}
    wanted |= {f"policies/{pack}" for pack in PACKS}
    wanted |= {file.removesuffix(".py") + suffix for file in HOT_FILES for suffix in (".py", ".pxd")}
    expect(wanted <= names, f"the sdist lacks {sorted(wanted - names)}")
    built = [name for name in names if name.endswith((".so", ".c", ".pyc")) and not name.endswith("fuzz/driver.c")]
    expect(not built, f"the sdist carries what was built: {built}")


def check_wheel(wheel: Path, *, pure: bool) -> None:
    """Check that the wheel has the sources, the packs and, unless it is pure, the extension modules."""
    names = zipfile.ZipFile(wheel).namelist()
    wanted = {"safepickle/py.typed", *HOT_FILES, *(f"safepickle/packs/{pack}" for pack in PACKS)}
    expect(wanted <= set(names), f"{wheel.name} lacks {sorted(wanted - set(names))}")
    extensions = [name for name in names if name.endswith((".so", ".pyd"))]
    expect(len(extensions) == (0 if pure else len(HOT_FILES)), f"{wheel.name} has {extensions}")
    expect(wheel.name.endswith("-py3-none-any.whl") is pure, f"{wheel.name} has the wrong tag")
    stray = [name for name in names if not name.startswith("safepickle") or name.endswith((".c", ".pxd"))]
    expect(not stray, f"{wheel.name} carries {stray}")


def check_pure_wheel(sdist: Path, work: Path) -> None:
    """Check the wheel of a build that is told not to compile."""
    command = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", work, sdist)
    must(run(*command, SAFEPICKLE_BUILD="python"))
    (wheel,) = work.glob("*.whl")
    check_wheel(wheel, pure=True)


def check_without_compiler(sdist: Path, work: Path) -> None:
    """Check that a machine whose compiler fails gets a working package, unless it wants the compiled one."""
    python = environment(work / "venv")
    install = (python, "-m", "pip", "install", "--no-cache-dir", sdist)
    refused = run(*install, SAFEPICKLE_BUILD="require", CC="/bin/false")
    expect(refused.returncode != 0, "SAFEPICKLE_BUILD=require succeeded without a compiler")
    must(run(*install, SAFEPICKLE_BUILD="auto", CC="/bin/false"))
    expect(compiled(python) == "False", "installed without a compiler, and COMPILED is not False")


def check_without_cython(sdist: Path, work: Path) -> None:
    """Check a build without isolation, where setuptools is all there is."""
    python = environment(work / "venv")
    must(run(python, "-m", "pip", "install", "setuptools>=77"))
    must(run(python, "-m", "pip", "install", "--no-build-isolation", sdist, SAFEPICKLE_BUILD="auto"))
    expect(compiled(python) == "False", "installed without Cython, and COMPILED is not False")


def check_wheel_installs(wheel: Path, work: Path) -> None:
    """Check the package and the command of an installed wheel."""
    python = environment(work / "venv")
    must(run(python, "-m", "pip", "install", wheel))
    expect(compiled(python) == "True", "the wheel has extension modules, and COMPILED is not True")
    must(run(python.with_name("safepickle"), "--help"))


def main() -> None:
    """Run all the checks."""
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        must(run(sys.executable, "-m", "build", "--outdir", work / "dist", ROOT, SAFEPICKLE_BUILD="require"))
        (sdist,) = (work / "dist").glob("*.tar.gz")
        (wheel,) = (work / "dist").glob("*.whl")
        check_sdist(sdist)
        check_wheel(wheel, pure=False)
        print(f"packages: {sdist.name} and {wheel.name} carry what they should", flush=True)
        for check, package in (
            (check_wheel_installs, wheel),
            (check_pure_wheel, sdist),
            (check_without_compiler, sdist),
            (check_without_cython, sdist),
        ):
            check(package, work / check.__name__)
            print(f"packages: {check.__name__} holds", flush=True)


if __name__ == "__main__":
    main()
