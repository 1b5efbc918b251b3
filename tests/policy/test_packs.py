"""The packs: found in this installation only, and allowing exactly what real pickles need."""

from __future__ import annotations

import binascii
import copyreg
import enum
import io
import os
import pickle
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from safepickle.errors import PolicyFileError
from safepickle.policy import packs
from safepickle.policy.contracts import CONTRACTS, STATES
from safepickle.policy.gadgets import gadget_reason
from safepickle.policy.rules import PLAIN, Policy, Right
from safepickle.wire.python2 import to_python3

if TYPE_CHECKING:
    from types import ModuleType

# What older interpreters wrote has to load as long as the newer ones can make it.
pytestmark = pytest.mark.filterwarnings("ignore:The 'u' type code:DeprecationWarning")

STDLIB = Policy.packs("stdlib")
ROWS = [line.split("\t") for line in Path(__file__).with_name("stdlib_pickles.tsv").read_text().splitlines()]
PICKLES = [(writers, name, binascii.unhexlify(data)) for writers, name, data in ROWS]

#: What the machine does itself, so that no rule names it.
EMULATED = {
    ("_codecs", "encode"),
    ("builtins", "bytearray"),
    ("builtins", "bytes"),
    ("builtins", "complex"),
    ("builtins", "frozenset"),
    ("builtins", "getattr"),
    ("builtins", "set"),
    ("copyreg", "_reconstructor"),
}


def test_plain_is_the_default_policy() -> None:
    assert Policy.packs("plain") == PLAIN
    assert Policy.packs("plain").name == "plain"


def test_packs_are_the_files_that_are_shipped() -> None:
    assert "plain" in packs.pack_names()
    assert "stdlib" in packs.pack_names()
    for name in packs.pack_names():
        assert packs.load_pack(name).name == name


def test_a_pack_is_read_once() -> None:
    assert packs.load_pack("stdlib") is packs.load_pack("stdlib")


@pytest.mark.parametrize(
    "name",
    ["nope", "", "Stdlib", "../plain", "plain.toml", "/etc/passwd", "a/b", "plain\n", ".", None, 3, []],
)
def test_names_that_are_no_pack(name: Any) -> None:
    with pytest.raises(PolicyFileError, match=r"there are .*plain"):
        packs.load_pack(name)


def test_a_name_is_checked_before_it_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "packs").mkdir()
    (tmp_path / "evil.toml").write_text("schema = 1")
    monkeypatch.setattr(packs, "_PACKAGE", tmp_path)
    with pytest.raises(PolicyFileError, match="no such pack"):
        packs.load_pack("../evil")
    with pytest.raises(PolicyFileError, match="no such pack"):
        packs.load_pack(str(tmp_path / "evil"))


def test_nothing_comes_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("packs", "policies", "safepickle/packs"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "mine.toml").write_text("schema = 1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(PolicyFileError, match="no such pack"):
        packs.load_pack("mine")


def test_installed_packs_come_before_a_source_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "_PACKAGE", tmp_path / "safepickle")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "other.toml").write_text("schema = 1")
    # Beside an installed package, a folder of that name is not ours.
    assert packs.pack_names() == ()
    (tmp_path / "pyproject.toml").touch()
    assert packs.pack_names() == ("other",)
    (tmp_path / "safepickle" / "packs").mkdir(parents=True)
    assert packs.pack_names() == ()


def test_packs_that_extend_each_other_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "packs").mkdir()
    monkeypatch.setattr(packs, "_PACKAGE", tmp_path)
    monkeypatch.setattr(packs, "_CACHE", {})
    (tmp_path / "packs" / "one.toml").write_text('schema = 1\nextends = ["two"]')
    (tmp_path / "packs" / "two.toml").write_text('schema = 1\nextends = ["one"]')
    with pytest.raises(PolicyFileError, match="one -> two -> one"):
        packs.load_pack("one")


def test_several_packs_are_a_union() -> None:
    assert Policy.packs("plain", "stdlib") == STDLIB
    with pytest.raises(ValueError, match="at least one"):
        Policy.packs()


def test_no_pack_accepts_a_known_gadget() -> None:
    for name in packs.pack_names():
        for rule in packs.load_pack(name).rules.values():
            assert not rule.accept_known_gadget
            assert gadget_reason(rule.module, rule.name) is None


def test_each_rule_of_stdlib_has_a_reason_and_a_meaning() -> None:
    for (module, name), rule in STDLIB.rules.items():
        assert rule.reason
        try:
            value: Any = import_module(module)
            for part in name.split("."):
                value = getattr(value, part)
        except AttributeError:
            assert module in {"calendar", "http"}  # newer than this interpreter
            continue
        assert callable(value)
        # A finaliser would run however the load ends (attack R66).
        assert not hasattr(value, "__del__")
        if isinstance(value, enum.EnumType):
            assert (module, name) in CONTRACTS


class Recorder(pickle._Unpickler):  # type: ignore[name-defined,misc]
    """Loads a pickle written by a trusted interpreter, and notes each right that it needs."""

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)  # type: ignore[attr-defined]

    def __init__(self, file: Any, **options: Any) -> None:
        super().__init__(file, **options)
        self.needed: set[tuple[tuple[str, str], Right]] = set()
        self.refused: list[str] = []
        self.pairs: dict[int, tuple[str, str]] = {}
        self.kept: list[Any] = []

    def find_class(self, module: str, name: str) -> Any:
        pair = STDLIB.rename(*(to_python3(module, name) if self.proto < 3 else (module, name)))
        found = super().find_class(*pair)
        self.remember(found, pair)
        return found

    def remember(self, found: Any, pair: tuple[str, str]) -> None:
        self.kept.append(found)
        self.pairs[id(found)] = pair

    def need(self, what: Any, right: Right) -> tuple[str, str]:
        pair = self.pairs.get(id(what)) or STDLIB.rename(what.__module__, what.__qualname__)
        self.needed.add((pair, right))
        return pair

    def refer(self, *values: Any) -> None:
        for value in values:
            if isinstance(value, type) and id(value) in self.pairs:
                self.need(value, Right.REFER)

    def checked(self, pair: tuple[str, str], args: tuple[Any, ...]) -> None:
        if pair in CONTRACTS:
            problem = CONTRACTS[pair].check(args, {})
            if problem is not None:
                self.refused.append(f"{pair}: {problem}: {args}")

    def load_reduce(self) -> None:
        function, args = self.stack[-2:]
        if function is getattr:
            super().load_reduce()
            module, name = self.need(args[0], Right.REFER)
            self.remember(self.stack[-1], (module, f"{name}.{args[1]}"))
            return
        if function is copyreg._reconstructor:  # type: ignore[attr-defined]
            self.need(args[0], Right.NEW)
        elif self.pairs[id(function)] not in EMULATED:
            self.checked(self.need(function, Right.CALL), args)
            self.refer(*args)
        super().load_reduce()

    def load_newobj(self) -> None:
        cls, args = self.stack[-2:]
        self.checked(self.need(cls, Right.NEW), args)
        super().load_newobj()

    def load_build(self) -> None:
        pair = self.need(type(self.stack[-2]), Right.BUILD)
        if pair in STATES:
            problem = STATES[pair].check(self.stack[-1])
            if problem is not None:
                self.refused.append(f"{pair}: {problem}: {self.stack[-1]}")
        super().load_build()

    def load_append(self) -> None:
        self.filled(self.stack[-2], list, Right.APPEND)
        super().load_append()

    def load_appends(self) -> None:
        self.filled(self.metastack[-1][-1], list, Right.APPEND)
        self.refer(*self.stack)
        super().load_appends()

    def load_setitem(self) -> None:
        self.filled(self.stack[-3], dict, Right.SETITEM)
        super().load_setitem()

    def load_setitems(self) -> None:
        self.filled(self.metastack[-1][-1], dict, Right.SETITEM)
        super().load_setitems()

    def filled(self, container: Any, free: type, right: Right) -> None:
        if type(container) is not free:
            self.need(type(container), right)

    for _opcode, _load in list(dispatch.items()):
        if _load.__name__ in locals():
            dispatch[_opcode] = locals()[_load.__name__]


def recorded(data: bytes) -> Recorder:
    recorder = _reader(data)
    recorder.load()
    return recorder


def _present() -> set[tuple[str, str]]:
    """Return the pairs of the pack that this interpreter has."""
    return {pair for pair in STDLIB.rules if hasattr(import_module(pair[0]), pair[1].partition(".")[0])}


def loadable(name: str) -> bool:
    """Say whether a value can be made here: some enumerations are new, and PosixPath is for POSIX."""
    if name == "path":
        return os.name == "posix"
    return name != "calendar" or ("calendar", "Month") in _present()


def test_real_pickles_need_no_more_than_stdlib_gives() -> None:
    for writers, name, data in PICKLES:
        if not loadable(name):
            continue
        found = recorded(data)
        assert found.refused == [], (name, writers)
        for pair, right in found.needed:
            rule = STDLIB.lookup(*pair)
            assert rule is not None, (name, writers, pair)
            assert right in rule.rights, (name, writers, pair, right)


def test_stdlib_gives_no_more_than_real_pickles_need() -> None:
    needed = {need for _, name, data in PICKLES if loadable(name) for need in recorded(data).needed}
    given = {(pair, right) for pair, rule in STDLIB.rules.items() for right in rule.rights}
    idle = {(pair, right) for pair, right in given - needed if pair in _present()}
    # On this system the concrete paths of the other one cannot be made; Path and PurePath only come as one of
    # those.
    idle = {need for need in idle if need[0][0] != "pathlib"}
    assert idle == set()


def test_real_pickles_load_under_stdlib(sp: ModuleType) -> None:
    for writers, name, data in PICKLES:
        if not loadable(name):
            continue
        expected = _reader(data).load()
        result = sp.loads(data, policy=STDLIB, encoding="latin1")
        assert type(result) is type(expected), (name, writers)
        # Exceptions and namespaces of numbers that are no numbers compare by identity; their text does not.
        assert repr(result) == repr(expected), (name, writers)


def _reader(data: bytes) -> Recorder:
    return Recorder(io.BytesIO(data), encoding="latin1")


def test_an_offer_that_names_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "dist-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dist\nVersion: 1\n", "ascii")
    (info / "entry_points.txt").write_text("[safepickle.policies]\nno-file = some_package\n", "ascii")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PolicyFileError, match="wants"):
        Policy.packs("no-file")
