"""Every vector, in both forms of the package: what pickles of other writers load as, and what is refused.

Rules: the reference is the running interpreter's own `pickle`; values are compared by structure
(`loading.difference`), not by `==`. What a policy refuses on purpose stands in a table with its reason, so
that a refusal by accident fails. One test goes through all the vectors of one
value and reports them together.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import sys
from typing import TYPE_CHECKING, Any

import pytest
from vectors.loading import (
    HERE,
    Outcome,
    Vector,
    difference,
    disagreement,
    globals_named,
    outcome,
    report,
    vectors,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARIES = ("numpy", "pandas", "scipy", "sklearn", "joblib", "pyarrow")
GROUPS = ("plain", "stdlib", "classes", "python2", "by_hand", "library", "real")

#: stdlib values the pack refuses on purpose: name -> reason
STDLIB_REFUSES: dict[str, str] = {
    "class_datetime": "the pack lets datetime be called; the class as a value is nobody's cached data",
    "error_stop": "StopIteration raised again would end somebody's loop",
    "error_stop_async": "as StopIteration",
    "error_with_attributes": "an exception keeps its arguments; arbitrary attributes would be state",
}

#: Globals the machine may serve itself (S4a): a policy need not name them, so a refusal need not either.
SERVED = {
    ("_codecs", "encode"),
    ("copyreg", "_reconstructor"),
    ("builtins", "Ellipsis"),
    ("builtins", "NotImplemented"),
    ("builtins", "getattr"),
    *(
        ("builtins", kind.__name__)
        for kind in (type, object, list, dict, tuple, set, frozenset, range, slice)
    ),
    *(("builtins", kind.__name__) for kind in (str, bytes, bytearray, int, float, complex, bool)),
}

#: Python 2 values made of built-in data only
PLAIN_PYTHON2 = ("str_", "long_", "int_", "mixed_", "xrange_", "bytearray_", "record", "set_")


def named(*groups: str) -> list[Any]:
    """One parameter per value of the groups."""
    return [pytest.param(group, name, id=f"{group}:{name}") for group in groups for name in vectors(group)]


def is_plain(group: str, name: str) -> bool:
    if group == "python2":
        return name.startswith(PLAIN_PYTHON2)
    return group == "plain" or name in ("plain_records", "pypy/cpickle_list")


def is_stdlib(group: str, name: str) -> bool:
    return group == "stdlib" or name == "stdlib_values"


def plain_names() -> list[Any]:
    return [p for p in named("plain", "python2", "real", "by_hand") if is_plain(p.values[0], p.values[1])]


def ways(vector: Vector) -> list[dict[str, Any]]:
    """The keyword arguments a vector is worth loading with."""
    if vector.from_python2:
        return [{"encoding": name} for name in ("ASCII", "latin1", "bytes")]
    return [{}]


@pytest.fixture(autouse=True)
def vector_classes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The module that the vectors' own classes come from, and its extension codes."""
    monkeypatch.syspath_prepend(str(HERE / "make"))
    import vector_classes as module

    for entry in module.EXTENSIONS:
        copyreg.add_extension(*entry)
    yield
    for entry in module.EXTENSIONS:
        copyreg.remove_extension(*entry)
    sys.modules.pop("vector_classes", None)


def need_library(name: str, vector: Vector) -> None:
    """Skips where what the vector holds is not installed."""
    for module in sorted({module.split(".")[0] for module, _ in globals_named(vector.data)}):
        if module in LIBRARIES:
            pytest.importorskip(module, exc_type=ImportError)


@pytest.mark.parametrize(("group", "name"), named(*GROUPS))
def test_unrestricted_loads_what_pickle_loads(sp: Any, group: str, name: str) -> None:
    """The value pickle gives, or a failure where pickle fails."""
    failures = []
    for vector in vectors(group)[name]:
        if name.startswith("joblib/") and name != "joblib/no_arrays":
            pytest.skip("array bytes between the opcodes: no unpickler but joblib's own reads it")
        if group in ("library", "real"):
            need_library(name, vector)
        for keywords in [*ways(vector), {"fix_imports": False}]:
            expected = outcome(pickle.loads, vector.data, **keywords)
            got = outcome(sp.loads, vector.data, policy=sp.UNRESTRICTED, limits=sp.UNLIMITED, **keywords)
            if found := disagreement(expected, got):
                failures.append(f"{vector.label} {keywords}: {found}")
    assert not failures, report(failures)


@pytest.mark.parametrize(("group", "name"), plain_names())
def test_plain_loads_by_default(sp: Any, group: str, name: str) -> None:
    """Built-in data needs no policy and stays within the default limits."""
    failures = []
    for vector in vectors(group)[name]:
        for keywords in ways(vector):
            expected = outcome(pickle.loads, vector.data, **keywords)
            got = outcome(sp.loads, vector.data, **keywords)
            found = disagreement(expected, got)
            if found is None and got.error is not None and not isinstance(got.error, sp.SafePickleError):
                found = f"not one of our errors: {got}"
            if found:
                failures.append(f"{vector.label} {keywords}: {found}")
    assert not failures, report(failures)


@pytest.mark.parametrize(("group", "name"), plain_names())
def test_plain_from_a_file_stops_at_the_end(sp: Any, group: str, name: str) -> None:
    """Pickles one after another in one file: each load leaves the position behind its STOP."""
    failures = []
    for vector in vectors(group)[name]:
        file = io.BytesIO(vector.data + b"N.")
        expected = outcome(pickle.loads, vector.data, encoding="latin1")
        got = outcome(sp.load, file, encoding="latin1")
        found = disagreement(expected, got)
        if found is None and file.tell() != len(vector.data):
            found = f"position {file.tell()} after a pickle of {len(vector.data)} bytes"
        if found:
            failures.append(f"{vector.label}: {found}")
    assert not failures, report(failures)


@pytest.mark.parametrize(("group", "name"), plain_names())
def test_plain_written_again_is_the_same_value(sp: Any, group: str, name: str) -> None:
    """What was read is written at every protocol, read by pickle and by us."""
    failures = []
    value = pickle.loads(vectors(group)[name][0].data, encoding="latin1")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        written = outcome(sp.dumps, value, protocol)
        expected = outcome(pickle.dumps, value, protocol)
        if written.error is not None:
            if expected.error is None:
                failures.append(f"{name} p{protocol}: {written}")
            continue
        for reader in (pickle.loads, sp.loads):
            again = outcome(reader, written.value)
            if found := disagreement(Outcome(value=value), again):
                failures.append(f"{name} p{protocol} read by {reader.__module__}: {found}")
    assert not failures, report(failures)


@pytest.mark.parametrize(("group", "name"), [p for p in named("stdlib", "real") if is_stdlib(*p.values)])
def test_stdlib_loads_under_its_pack(sp: Any, group: str, name: str) -> None:
    """What people keep in caches loads under the pack, as pickle would load it."""
    policy = sp.Policy.packs("stdlib")
    failures = []
    for vector in vectors(group)[name]:
        for keywords in ways(vector):
            expected = outcome(pickle.loads, vector.data, **keywords)
            got = outcome(sp.loads, vector.data, policy=policy, **keywords)
            if found := stdlib_difference(sp, vector, expected, got):
                failures.append(f"{vector.label} {keywords}: {found}")
    assert not failures, report(failures)


def stdlib_difference(sp: Any, vector: Vector, expected: Outcome, got: Outcome) -> str | None:
    """None where the outcome is right under the pack."""
    if got.error is not None and not isinstance(got.error, sp.SafePickleError):
        return f"not one of our errors: {got}"
    if vector.name in STDLIB_REFUSES:
        return (
            None
            if got.error is not None
            else f"refused on purpose ({STDLIB_REFUSES[vector.name]}), but loaded"
        )
    if expected.error is not None and got.error is None:
        # an alias of the pack may read what this Python's pickle cannot (a class that has moved since)
        siblings = [
            outcome(pickle.loads, other.data, encoding="latin1")
            for other in vectors(vector.group)[vector.name]
        ]
        values = [sibling.value for sibling in siblings if sibling.error is None]
        return difference(values[0], got.value) if values else f"pickle cannot load it: {expected}"
    return disagreement(expected, got)


def refused_names() -> list[Any]:
    return [
        p for p in named("classes", "python2", "by_hand", "library", "real")
        if not is_plain(*p.values) and not is_stdlib(*p.values) and p.values[1] != "joblib/no_arrays"
    ]  # fmt: skip


@pytest.mark.parametrize(("group", "name"), refused_names())
def test_default_policy_refuses_by_name(
    sp: Any, group: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything else is refused and every refused global is named; what it names is not importable here."""
    for module in {*LIBRARIES, *sys.modules}:
        if module.split(".")[0] in LIBRARIES:
            monkeypatch.setitem(sys.modules, module, None)  # an import of it fails from here on
    monkeypatch.delitem(sys.modules, "vector_classes", raising=False)
    failures = []
    for vector in vectors(group)[name]:
        got = outcome(sp.loads, vector.data, encoding="latin1")
        if found := refusal_difference(sp, vector, got):
            failures.append(f"{vector.label}: {found}")
        if "vector_classes" in sys.modules:
            failures.append(f"{vector.label}: a module was imported that no rule names")
            del sys.modules["vector_classes"]
    assert not failures, report(failures)


def refusal_difference(sp: Any, vector: Vector, got: Outcome) -> str | None:
    """None where the error names exactly the globals of the stream that nobody allowed."""
    if vector.name.startswith("joblib/"):
        return None if isinstance(got.error, sp.SafePickleError) else f"expected a SafePickleError, got {got}"
    if not isinstance(got.error, sp.PolicyError):
        if (
            got.error is None
            and globals_named(vector.data) <= SERVED
            and not vector.name.startswith("extension_")
        ):
            return None  # references to built-in types only: the machine's own business
        return f"expected a PolicyError, got {got}"
    if vector.name.startswith("extension_"):
        return None  # refused by code or by name
    denied = {(denial.module, denial.name) for denial in got.error.denials}
    stream = globals_named(vector.data)
    # below protocol 4 an inner class is getattr(Outer, "Inner"): the refusal may name Outer or Inner
    heads = {(module, name.split(".")[0]) for module, name in denied}
    if missing := stream - SERVED - denied - heads:
        return f"not named in the refusal: {sorted(missing)}"
    if extra := heads - {(module, name.split(".")[0]) for module, name in stream}:
        return f"refused, but not in the stream: {sorted(extra)}"
    return None


@pytest.mark.parametrize("policy", ["UNRESTRICTED", "PLAIN"])
def test_persistent_ids_go_to_the_hook(sp: Any, policy: str) -> None:
    class Reader(sp.Unpickler):  # type: ignore[misc, name-defined]
        def persistent_load(self, pid: Any) -> Any:
            return ("loaded", pid)

    for vector in vectors("special")["persistent_ids"]:
        got = Reader(io.BytesIO(vector.data), encoding="latin1", policy=getattr(sp, policy)).load()
        assert got == [("loaded", "id-1"), {"k": ("loaded", "id-2")}, 3], vector.label


def test_persistent_ids_are_refused_without_a_hook(sp: Any) -> None:
    for vector in vectors("special")["persistent_ids"]:
        with pytest.raises(sp.SafePickleError):
            sp.loads(vector.data)


@pytest.mark.parametrize("policy", ["UNRESTRICTED", "PLAIN"])
def test_buffers_out_of_band(sp: Any, policy: str) -> None:
    for vector in vectors("special")["buffers_out_of_band"]:
        for buffers in (
            [b"read only", bytearray(b"writable")],
            [bytearray(b"read only"), bytearray(b"writable")],
        ):
            expected = pickle.loads(vector.data, buffers=buffers)
            got = sp.loads(vector.data, buffers=buffers, policy=getattr(sp, policy))
            assert difference(expected, got) is None, vector.label
        with pytest.raises(sp.SafePickleError):
            sp.loads(vector.data)
