"""CPython's own pickle tests, bound to `Codec(policy=UNRESTRICTED, limits=UNLIMITED)`.

The interpreter ships its abstract pickle tests (`test.pickletester`) and the classes that bind them to
the standard library (`test.test_pickle`). Each class here derives from one of those bindings, the one of
the C implementation wherever there is one, and puts a codec in the place of `_pickle`: all that the
standard library asks of itself on this interpreter is asked of the codec, as strictly.

What holds here:
- Both forms are bound: the compiled modules and the same files run as Python. Each reads its own output,
  and crosswise the output of `_pickle`, of `pickle._Pickler` and of the other form; those read its output.
- A test is skipped only where the class it derives from skips the same test on the same interpreter;
  any other skip is a failure. Tests that the standard library switches off for in-memory pickling
  (it has no class to test there) run.
- Without the compiled form its classes are one skip; with SAFEPICKLE_REQUIRE_COMPILED=1, one failure.
  So is an interpreter without its `test` package, with SAFEPICKLE_REQUIRE_CPYTHON_TESTS=1.

Runs under pytest, and alone: `python -m unittest tests/conformance/test_cpython.py`.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import unittest
from types import SimpleNamespace
from typing import Any, NamedTuple

import safepickle
from safepickle._forms import python_form

try:
    stock: Any = importlib.import_module("test.test_pickle")
    pickletester: Any = importlib.import_module("test.pickletester")
except ImportError as error:
    if os.environ.get("SAFEPICKLE_REQUIRE_CPYTHON_TESTS") == "1":
        raise
    raise unittest.SkipTest(f"this interpreter comes without its own tests ({error})") from error


class Side(NamedTuple):
    """One implementation, as writer or as reader: `api` has the names of the pickle module."""

    name: str
    api: Any


def _codec_of(package: Any) -> Any:
    return package.Codec(policy=package.UNRESTRICTED, limits=package.UNLIMITED)


PYTHON = Side("Python", _codec_of(python_form()))
COMPILED = Side("Compiled", _codec_of(safepickle)) if safepickle.COMPILED else None
STOCK_C = Side("StockC", importlib.import_module("_pickle"))
STOCK_PYTHON = Side(
    "StockPython",
    SimpleNamespace(
        dump=pickle._dump,  # type: ignore[attr-defined]
        dumps=pickle._dumps,  # type: ignore[attr-defined]
        load=pickle._load,  # type: ignore[attr-defined]
        loads=pickle._loads,  # type: ignore[attr-defined]
        Pickler=pickle._Pickler,
        Unpickler=pickle._Unpickler,
    ),
)


# --- Skips ------------------------------------------------------------------------------------------------


class _SkipWatch:
    """A unittest result that turns a skip into a failure unless the standard library skips that test too.

    Everything else goes to the result of whoever runs the tests (unittest's runner or pytest).
    """

    def __init__(self, result: Any) -> None:
        self._result = result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._result, name)

    def addSkip(self, test: Any, reason: str) -> None:
        case = getattr(test, "test_case", test)
        if stock_skips(case):
            self._result.addSkip(test, reason)
            return
        try:
            raise AssertionError(f"skipped, though the standard library runs it: {reason}")
        except AssertionError:
            self._result.addFailure(test, sys.exc_info())


class Bound:
    """Mixed into every generated class: no skip that `stock_class` would not make."""

    stock_class: type[unittest.TestCase]

    def run(self, result: Any = None) -> Any:
        watched = None if result is None else _SkipWatch(result)
        return super().run(watched)  # type: ignore[misc]


def stock_skips(case: Any) -> bool:
    """Whether the standard library's own class skips the test that `case` is about to run."""
    method = case._testMethodName
    if getattr(case.stock_class, method, None) is None:
        return False
    result = unittest.TestResult()
    case.stock_class(method).run(result)
    return bool(result.skipped)


# --- The classes ------------------------------------------------------------------------------------------


def _memory(writer: Any, reader: Any) -> dict[str, Any]:
    """In-memory pickling, with the classes too, so that tests which need one are not left out."""
    return {
        "dumps": staticmethod(writer.dumps),
        "loads": staticmethod(reader.loads),
        "pickler": writer.Pickler,
        "unpickler": reader.Unpickler,
    }


def _files(writer: Any, reader: Any) -> dict[str, Any]:
    return {"pickler": writer.Pickler, "unpickler": reader.Unpickler}


def _objects(writer: Any, reader: Any) -> dict[str, Any]:
    return {"pickler_class": writer.Pickler, "unpickler_class": reader.Unpickler}


def _module(writer: Any, reader: Any) -> dict[str, Any]:
    return {
        "dump": staticmethod(writer.dump),
        "dumps": staticmethod(writer.dumps),
        "load": staticmethod(reader.load),
        "loads": staticmethod(reader.loads),
        "Pickler": writer.Pickler,
        "Unpickler": reader.Unpickler,
    }


def _hook(writer: Any, reader: Any) -> dict[str, Any]:
    custom = type("CustomPickler", (writer.Pickler, pickletester.AbstractCustomPicklerClass), {})
    return {"pickler_class": custom}


def _memory_unpickling(writer: Any, reader: Any) -> dict[str, Any]:
    """The standard library's in-memory class takes any of seven exceptions for broken bytes; here, one."""
    errors = (pickle.UnpicklingError,)
    return _memory(writer, reader) | {"bad_stack_errors": errors, "truncated_errors": errors}


# (name of the class here, the standard library's class, what is bound). The first table asks one
# implementation about itself, the second also about a pair: one writes, another reads.
ALONE = (
    ("ModuleTests", "CPickleTests", _module),
    ("UnpicklerTests", "CUnpicklerTests", _files),
    ("PicklingErrorTests", "CPicklingErrorTests", _files),
    ("InMemoryTests", "InMemoryPickleTests", _memory_unpickling),
    ("DispatchTableTests", "CDispatchTableTests", _objects),
    ("ChainDispatchTableTests", "CChainDispatchTableTests", _objects),
    ("HookTests", "CPicklerHookTests", _hook),
)
PAIRED = (
    ("PicklerTests", "{}PicklerTests", _files),
    ("InMemoryPicklerTests", "{}PicklerTests", _memory),
    ("PersPicklerTests", "{}PersPicklerTests", _files),
    ("IdPersPicklerTests", "{}IdPersPicklerTests", _files),
    ("PicklerUnpicklerObjectTests", "{}PicklerUnpicklerObjectTests", _objects),
)
# Only newer interpreters have these.
MAY_BE_MISSING = {"CPicklingErrorTests"}


def _bind(name: str, stock_class: type[unittest.TestCase], attributes: dict[str, Any]) -> Any:
    names = {"__module__": __name__, "stock_class": stock_class} | _switched_off(stock_class) | attributes
    return type(name, (Bound, stock_class), names)


def _switched_off(stock_class: type) -> dict[str, Any]:
    """Tests that the standard library's class sets to None, taken back from the abstract class."""
    found = {}
    for name, value in vars(stock_class).items():
        if name.startswith("test_") and value is None:
            found[name] = next(v for c in stock_class.__mro__ if (v := vars(c).get(name)) is not None)
    return found


def bindings(writer: Side, reader: Side) -> dict[str, type[unittest.TestCase]]:
    """The test classes for `writer` writing and `reader` reading."""
    same = writer is reader
    prefix = writer.name if same else f"{writer.name}To{reader.name}"
    # pickle's Python form lacks what only the tests of the C form ask for (the checks of `memo`).
    kind = "Py" if STOCK_PYTHON in (writer, reader) else "C"
    found: dict[str, type[unittest.TestCase]] = {}
    for suffix, stock_name, bound in (ALONE if same else ()) + PAIRED:
        stock_class: Any = getattr(stock, stock_name.format(kind), None)
        if stock_class is None and stock_name in MAY_BE_MISSING:
            continue
        found[prefix + suffix] = _bind(prefix + suffix, stock_class, bound(writer.api, reader.api))
    return found


FORMS = [PYTHON] if COMPILED is None else [COMPILED, PYTHON]
PAIRS = [(form, form) for form in FORMS]
for _form in FORMS:
    for _other in (STOCK_C, STOCK_PYTHON):
        PAIRS += [(_form, _other), (_other, _form)]
if COMPILED is not None:
    PAIRS += [(COMPILED, PYTHON), (PYTHON, COMPILED)]

CASES: dict[str, type[unittest.TestCase]] = {}
for _writer, _reader in PAIRS:
    CASES.update(bindings(_writer, _reader))
globals().update(CASES)


# --- What the classes stand on ----------------------------------------------------------------------------


class HarnessTests(unittest.TestCase):
    """That nothing is left out: forms, abstract classes, tests."""

    def test_compiled_form_is_tested(self) -> None:
        if COMPILED is not None:
            return
        if os.environ.get("SAFEPICKLE_REQUIRE_COMPILED") == "1":
            self.fail("the compiled form is required and was not built")
        self.skipTest("the compiled form was not built: only the Python form is tested")

    def test_every_abstract_class_is_bound(self) -> None:
        for form in FORMS:
            bound = {base for case in bindings(form, form).values() for base in case.__mro__}
            abstract = {
                cls
                for cls in vars(pickletester).values()
                if isinstance(cls, type) and any(name.startswith("test") for name in vars(cls))
            }
            assert abstract <= bound, (form.name, abstract - bound)

    def test_no_test_is_switched_off(self) -> None:
        for case in CASES.values():
            tests = {name: getattr(case, name) for name in dir(case) if name.startswith("test")}
            off = [name for name, test in tests.items() if not callable(test)]
            assert off == [], case.__name__

    def test_a_skip_of_our_own_is_a_failure(self) -> None:
        def skipping(self: unittest.TestCase) -> None:
            self.skipTest("of our own")

        name = "test_roundtrip_equality"
        case = type("Skipping", (CASES["PythonPicklerTests"],), {name: skipping})
        result = unittest.TestResult()
        case(name).run(result)
        assert (len(result.failures), len(result.skipped)) == (1, 0)


_directory = importlib.import_module("test.support.os_helper").temp_cwd()


def setUpModule() -> None:
    """Work in a directory of its own: some of the tests leave files behind when they fail."""
    _directory.__enter__()


def tearDownModule() -> None:
    _directory.__exit__(None, None, None)


if __name__ == "__main__":
    unittest.main()
