"""The two forms of the package: compiled by Cython, and the same files run as Python.

`HOT_MODULES` lists the modules that are compiled (the same list as the ext-modules of pyproject.toml, a test
says so). `COMPILED` tells which form this package is in. `python_form()` loads the whole package once more
from its `.py` files, whatever has been compiled, so that one process can run both and compare them.

Rules:
- All or nothing. The hot modules use each other's C structures, so that a mixture would not import; the build
  never leaves one behind, and `COMPILED` is true only when every hot module is an extension module.
- The second package shares the modules in `SHARED` with the first: the same error classes, limits and
  policies can be handed to either form. Everything else is loaded afresh, under the name
  `safepickle_python`.
- That works only because every import inside the package is relative.
"""

from __future__ import annotations

import os.path
import sys
from _thread import allocate_lock  # threading takes longer to import than what is done here
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, SourceFileLoader
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from types import ModuleType
else:
    Loader = object  # importlib.abc takes longer to import than this package

HOT_MODULES: Final = (
    "safepickle._gc_pause",
    "safepickle.wire.reading",
    "safepickle.wire.memo",
    "safepickle.wire.output",
    "safepickle.wire.writing",
    "safepickle.decoding.budget",
    "safepickle.decoding.nesting",
    "safepickle.decoding.checks",
    "safepickle.decoding.guarding",
    "safepickle.decoding.handles",
    "safepickle.decoding.hashing",
    "safepickle.decoding.usual",
    "safepickle.decoding.usual_arrays",
    "safepickle.decoding.usual_forms",
    "safepickle.decoding.usual_frames",
    "safepickle.decoding.usual_models",
    "safepickle.decoding.usual_texts",
    "safepickle.decoding.refusals",
    "safepickle.decoding.resolving",
    "safepickle.decoding.state",
    "safepickle.decoding.naming",
    "safepickle.decoding.adopting",
    "safepickle.decoding.receiving",
    "safepickle.decoding.gates",
    "safepickle.decoding.open_gate",
    "safepickle.decoding.window",
    "safepickle.decoding.operations",
    "safepickle.decoding.door",
    "safepickle.decoding.dtypes",
    "safepickle.decoding.filling",
    "safepickle.decoding.instances",
    "safepickle.decoding.atoms",
    "safepickle.decoding.machine",
    "safepickle.decoding.session",
    "safepickle.encoding.frames",
    "safepickle.encoding.keys",
    "safepickle.encoding.containers",
    "safepickle.encoding.conforming",
    "safepickle.encoding.reducing",
    "safepickle.encoding.grants",
    "safepickle.encoding.granting",
    "safepickle.encoding.instances",
    "safepickle.encoding.arrays",
    "safepickle.encoding.encoder",
    "safepickle.encoding.session",
)

#: Modules that both forms have in common, a package with all that is in it.
SHARED: Final = ("errors", "limits", "policy", "signing", "wire.opcodes", "wire.python2")

_PACKAGE: Final = __name__.rpartition(".")[0]
_PYTHON_PACKAGE: Final = "safepickle_python"
_ROOT: Final = os.path.dirname(__file__)


def _is_extension(module: str) -> bool:
    """Import a module, which the package needs anyway, and say whether it is an extension module."""
    return (import_module(module).__file__ or "").endswith(tuple(EXTENSION_SUFFIXES))


COMPILED: Final = all(_is_extension(_PACKAGE + name.removeprefix("safepickle")) for name in HOT_MODULES)


class _SharedLoader(Loader):
    """Gives the module of the first form under its name in the second."""

    def __init__(self, original: str) -> None:
        self._original = original

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave the creation of the place holder to the import system."""

    def exec_module(self, module: ModuleType) -> None:
        # The import system takes what is in sys.modules after this, and leaves its attributes as they are.
        sys.modules[module.__name__] = import_module(self._original)


def _source_spec(fullname: str, source: str, submodules: list[str] | None = None) -> ModuleSpec | None:
    from importlib.util import spec_from_file_location

    loader = SourceFileLoader(fullname, source)
    return spec_from_file_location(fullname, source, loader=loader, submodule_search_locations=submodules)


class _PythonFormFinder:
    """Finds the modules of `safepickle_python`: the shared ones in the first form, else sources."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, inner = fullname.partition(".")
        if package != _PYTHON_PACKAGE:
            return None
        if any(inner == shared or inner.startswith(shared + ".") for shared in SHARED):
            return ModuleSpec(fullname, _SharedLoader(f"{_PACKAGE}.{inner}"))
        base = os.path.join(_ROOT, *inner.split(".")) if inner else _ROOT
        package_source = os.path.join(base, "__init__.py")
        if os.path.isfile(package_source):
            return _source_spec(fullname, package_source, submodules=[base])
        return _source_spec(fullname, base + ".py") if os.path.isfile(base + ".py") else None


_finder: Final = _PythonFormFinder()
_lock: Final = allocate_lock()


def python_form() -> ModuleType:
    """Return the package run as Python throughout: this one if it is not compiled, else a second one."""
    if not COMPILED:
        return import_module(_PACKAGE)
    with _lock:
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
    return import_module(_PYTHON_PACKAGE)
