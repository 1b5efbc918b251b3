"""Builds the extension modules, or does without them.

Used at build time only: setuptools loads this file by its path.

The environment variable SAFEPICKLE_BUILD chooses:

    auto      (default) compile; where that cannot be done, warn and install the sources to run as Python
    require   a compilation that fails, or a missing Cython, fails the build
    python    compile nothing; the wheel is then a pure one

Rules:
- All or nothing. The hot modules use each other's C structures: one that is compiled beside one that is not
  would fail to import. So setuptools' own `optional` extensions, which fail one by one, are not used; after
  any failure everything compiled is removed.
- `safepickle.COMPILED` tells what an installation got.
- No directive and no flag takes a check out: bounds checks stay on, this code reads hostile bytes.
- Standard library, setuptools and (where it is installed) Cython only. Nothing of the package is imported.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from setuptools.command.bdist_wheel import bdist_wheel as _bdist_wheel
from setuptools.command.build_ext import build_ext as _build_ext
from setuptools.errors import OptionError

if TYPE_CHECKING:
    from setuptools import Extension

VARIABLE = "SAFEPICKLE_BUILD"
AUTO, REQUIRE, PYTHON = MODES = ("auto", "require", "python")

#: By kind of compiler, after Python's own flags. Debug information would be most of the compiled size, and
#: two fifths of the time to compile. Most of the code is calls into the interpreter, which take a stub each unless they
#: are made by their address at once (`loads` of a small object: 3 %); both compilers of Linux know the flag for it.
COMPILER_FLAGS = {"unix": ["-O2", "-g0", *(["-fno-plt"] if sys.platform == "linux" else [])]}
#: The same, behind those, for what writes: its loops are short and want their leaves in them (4 % fewer instructions).
#: The machine's one loop has all it needs, and gets longer.
WRITING_FLAGS = {"unix": ["-O3"]}
WRITING = ("safepickle.wire.writing", "safepickle.encoding.")


def build_mode() -> str:
    """Return what the environment asks for."""
    mode = os.environ.get(VARIABLE) or AUTO
    if mode not in MODES:
        raise OptionError(f"{VARIABLE} must be one of {', '.join(MODES)}, not {mode!r}")
    return mode


def without_reason() -> str | None:
    """Return why no extension will be built, or None when it is to be tried."""
    mode = build_mode()
    if mode == PYTHON:
        return f"{VARIABLE}=python"
    if find_spec("Cython") is None:  # a build without isolation, on a machine that has none
        if mode == REQUIRE:
            raise OptionError(f"{VARIABLE}=require, but Cython is not installed")
        return "Cython is not installed"
    return None


class build_ext(_build_ext):
    """The extension build with the three modes above."""

    extensions: list[Extension]
    parallel: int | None
    inplace: bool

    def finalize_options(self) -> None:
        super().finalize_options()
        if self.parallel is None:
            self.parallel = os.cpu_count()

    def run(self) -> None:
        reason = without_reason()
        if reason is not None:
            self._go_without(reason)
        inplace = self.inplace
        try:
            super().run()
        except Exception as error:  # whatever a compiler does wrong, plain Python still works
            if build_mode() == REQUIRE:
                raise
            self.inplace = inplace
            self._go_without(f"the compilation failed: {error}")

    def build_extensions(self) -> None:
        """Translate all modules first, one after another; then the C compiler runs in parallel."""
        from Cython.Build import cythonize

        # It copies what is to be done at the end of a long loop by recursion.
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 10_000))
        translated = cythonize(
            self.extensions,
            build_dir=self.build_temp,  # keeps generated C out of the source tree
            force=self.force,
            quiet=self.verbose == 0,
        )
        for extension, new in zip(self.extensions, translated, strict=True):
            extension.sources = new.sources
            extension.extra_compile_args += COMPILER_FLAGS.get(self.compiler.compiler_type, [])
            if extension.name.startswith(WRITING):
                extension.extra_compile_args += WRITING_FLAGS.get(self.compiler.compiler_type, [])
        super().build_extensions()

    def _go_without(self, reason: str) -> None:
        """Drop all extensions, and what is left of them here from this or an earlier build."""
        self.warn(f"safepickle is built without its compiled form, it will run as Python ({reason})")
        for extension in self.extensions:
            filename = self.get_ext_filename(self.get_ext_fullname(extension.name))
            Path(self.build_lib, filename).unlink(missing_ok=True)
            if self.inplace:
                Path(filename).unlink(missing_ok=True)
        self.extensions = []


class bdist_wheel(_bdist_wheel):
    """The wheel: a pure one where it is known beforehand that nothing will be compiled."""

    def finalize_options(self) -> None:
        # An editable wheel keeps its (then empty) extension build, which removes what was built in place.
        if without_reason() is not None and "editable_wheel" not in self.distribution.commands:
            self.distribution.ext_modules = []
        super().finalize_options()
