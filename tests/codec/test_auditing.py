"""Audit mode: what is refused is noted; it goes on only by the loud name, and never with a gadget."""

from __future__ import annotations

import collections
import datetime
import io
import logging
import pickle
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attacks.asm import call, name, pickled, text
from attacks.streams import ATTACKS
from attacks.streams_objects import MORE_ATTACKS
from attacks.tripwire import watched

from safepickle.errors import FormatError, PolicyError, SafePickleError
from safepickle.policy.hazards import DANGER, hazard_of
from safepickle.policy.rules import Policy, Right, Rule

DATES = pickle.dumps([datetime.date(2020, 1, 2), datetime.timedelta(1)])
SYSTEM = pickled(call(name("os", "system"), text("true")))
PARTIAL = pickled(b"](" + call(name("datetime", "timedelta"), b"K\x01") + name("copyreg", "_reconstructor") + b"e")


@pytest.fixture
def log(sp: ModuleType) -> Any:
    return sp.AuditLog(logger=None)


def unenforced(sp: ModuleType, log: Any, policy: Any = None) -> Any:
    auditing = sp.auditing if hasattr(sp, "auditing") else __import__(f"{sp.__name__}.auditing").auditing
    with pytest.warns(auditing.UnenforcedWarning, match="not enforced"):
        return sp.AuditingCodec(sp.Codec(policy=policy or sp.PLAIN), log, on_denial=sp.GO_ON_UNENFORCED)


def test_an_audit_changes_nothing_by_itself(sp: ModuleType, log: Any) -> None:
    codec = sp.AuditingCodec(sp.Codec(), log)
    assert codec.loads(codec.dumps([1])) == [1]
    with pytest.raises(PolicyError) as caught:
        codec.loads(DATES)
    with pytest.raises(PolicyError):
        codec.load(io.BytesIO(DATES))
    with pytest.raises(PolicyError):
        codec.Unpickler(io.BytesIO(DATES)).load()
    assert codec.Unpickler(io.BytesIO(b"N.")).load() is None
    with pytest.raises(FormatError):
        codec.loads(b"")
    report = log.report()
    assert (report.loads, report.denied, report.went_on) == (5, 3, 0)
    assert [(one.module, one.name, one.right, one.times) for one in report.denials] == [
        ("datetime", "date", "call", 3),
        ("datetime", "timedelta", "call", 3),
    ]
    assert report.denials[0].path == "root[0]"
    assert report.suggestions == tuple(sorted({denial.suggestion for denial in caught.value.denials}))
    assert not report.clean


def test_it_goes_on_only_by_the_loud_name(sp: ModuleType, log: Any) -> None:
    for wrong in (True, "go on", None):
        with pytest.raises(ValueError, match="GO_ON_UNENFORCED"):
            sp.AuditingCodec(sp.Codec(), log, on_denial=wrong)
    codec = unenforced(sp, log)
    assert codec.loads(DATES) == pickle.loads(DATES)
    assert codec.loads(b"N.") is None
    report = log.report()
    assert (report.loads, report.denied, report.went_on, report.clean) == (2, 1, 1, False)
    assert "2 loads, 1 with denials, of which 1 went on" in str(report)
    assert '"datetime:date" = ["call"]' in report.suggestions
    assert report.as_json()["denials"][0]["path"] == "root[0]"


@pytest.mark.parametrize("kind", [io.BytesIO, io.BufferedReader])
def test_files_go_on_too(sp: ModuleType, log: Any, kind: Any) -> None:
    codec = unenforced(sp, log)
    file = io.BytesIO(DATES + b"N." + DATES + b"rest")
    file = file if kind is io.BytesIO else io.BufferedReader(file)  # type: ignore[arg-type, assignment]
    values = [codec.load(file) for _ in range(3)]
    assert values == [pickle.loads(DATES), None, pickle.loads(DATES)]
    assert file.read() == b"rest"
    assert log.report().denials[0].path == "root[0]"
    with pytest.raises(EOFError):
        codec.load(io.BytesIO())


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_file_by_its_path_is_audited_too(sp: ModuleType, log: Any, tmp_path: Path, goes_on: bool) -> None:
    audited = unenforced(sp, log) if goes_on else sp.AuditingCodec(sp.Codec(), log)
    path = tmp_path / "file"
    path.write_bytes(pickle.dumps([1]))
    assert audited.load_file(path, type=list[int]) == [1]
    path.write_bytes(pickle.dumps(datetime.date(2020, 1, 2)))
    if goes_on:
        assert audited.load_file(path) == datetime.date(2020, 1, 2)
    else:
        with pytest.raises(PolicyError):
            audited.load_file(path)
    report = log.report()
    assert (report.loads, report.denied) == (2, 1)
    path.write_bytes(pickle.dumps(1) + b"N.")
    with pytest.raises(FormatError):
        audited.load_file(path)


def test_what_goes_on_is_of_the_type_that_was_asked_for(sp: ModuleType, log: Any) -> None:
    audited = unenforced(sp, log)
    data = pickle.dumps([datetime.date(2020, 1, 2)])
    assert audited.loads(data, type=list[datetime.date]) == [datetime.date(2020, 1, 2)]
    with pytest.raises(SafePickleError, match=r"root\[0\]"):
        audited.loads(data, type=list[int])


def test_buffers_are_not_used_up(sp: ModuleType, log: Any) -> None:
    buffers: list[Any] = []
    value = [datetime.date(2020, 1, 2), pickle.PickleBuffer(bytearray(b"x"))]
    data = pickle.dumps(value, 5, buffer_callback=buffers.append)
    assert bytes(unenforced(sp, log).loads(data, buffers=iter(buffers))[1]) == b"x"


@pytest.mark.parametrize("data", [SYSTEM, PARTIAL], ids=["gadget", "hazard"])
def test_gadgets_and_hazards_never_go_on(sp: ModuleType, log: Any, data: bytes) -> None:
    codec = unenforced(sp, log)
    with watched() as acts, pytest.raises(PolicyError):
        codec.loads(data)
    assert acts == []
    assert (log.report().denied, log.report().went_on) == (1, 0)


@pytest.mark.parametrize(
    "data", [pytest.param(a.data, id=f"{a.id}-{a.title}"[:60]) for a in ATTACKS + MORE_ATTACKS]
)
def test_nothing_dangerous_is_ever_added(sp: ModuleType, log: Any, data: bytes) -> None:
    """Asked of the code that decides, because what it lets go on would be called here."""
    missing = sys.modules[type(log).__module__]._missing
    added = missing(sp.survey(data).denials, sp.PLAIN)
    if added is None:
        return
    for pair, rule in added.rules.items():
        hazard = hazard_of(*pair)
        assert hazard is None or hazard.kind != DANGER
        assert not rule.accept_known_gadget


def test_an_explicit_denial_is_enforced(sp: ModuleType, log: Any) -> None:
    policy = Policy(name="p", denies=[("datetime", "date")])
    with pytest.raises(PolicyError):
        unenforced(sp, log, policy).loads(DATES)
    assert log.report().went_on == 0


def test_other_checks_go_on_holding(sp: ModuleType, log: Any) -> None:
    codec = unenforced(sp, log)
    year_0 = pickled(call(name("datetime", "date"), b"C\x04\x00\x00\x01\x01"))
    with pytest.raises(PolicyError, match="its arguments are refused"):
        codec.loads(year_0)
    hook = pickled(name("collections", "UserDict") + b")\x81}" + text("__class__") + b"Nsb")
    with pytest.raises(SafePickleError):
        codec.loads(hook)
    many = pickled(call(name("collections", "OrderedDict")) + b"0" + b"(" + b"N" * 10 + b"1N")
    assert codec.loads(many) is None


def test_rights_are_added_not_replaced(sp: ModuleType, log: Any) -> None:
    policy = Policy(name="p", rules=[Rule(module="collections", name="OrderedDict", rights=Right.CALL)])
    data = pickle.dumps(collections.OrderedDict(a=1))
    assert unenforced(sp, log, policy).loads(data) == {"a": 1}
    assert [one.right for one in log.report().denials] == ["setitem"]


def test_every_way_of_telling(sp: ModuleType, caplog: Any) -> None:
    events: list[Any] = []
    audited: list[tuple[Any, ...]] = []
    log = sp.AuditLog(callback=events.append)
    sys.addaudithook(lambda event, args: audited.append(args) if event == "safepickle.denied" else None)
    codec = sp.AuditingCodec(sp.Codec(), log)
    with caplog.at_level(logging.WARNING, "safepickle.audit"), pytest.raises(PolicyError):
        codec.loads(pickled(name("a\x1b[31m\nforged", "B")))
    assert audited == [("plain", "a\x1b[31m\nforged", "B", "refer", "root", False)]
    assert events[0].denial.path == "root"
    assert events[0].fingerprint == sp.PLAIN.fingerprint
    (record,) = caplog.records
    assert record.getMessage().isprintable()
    assert "refused" in record.getMessage()
    assert record.safepickle_denial["right"] == "refer"


def test_a_callback_that_raises_loses_nothing(sp: ModuleType) -> None:
    log = sp.AuditLog(callback=lambda event: 1 / 0, logger=None)
    with pytest.raises(ZeroDivisionError):
        sp.AuditingCodec(sp.Codec(), log).loads(DATES)
    assert len(log.report().denials) == 2


def test_a_log_is_bounded(sp: ModuleType, log: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys.modules[type(log).__module__], "MOST_DENIALS", 10)
    codec = sp.AuditingCodec(sp.Codec(), log)
    for index in range(20):
        with pytest.raises(PolicyError):
            codec.loads(pickled(name("a", f"B{index}")))
    assert (len(log.report().denials), log.report().dropped) == (10, 10)
    log.clear()
    assert log.report() == type(log.report())(0, 0, 0, (), 0)


def test_threads_share_a_log(sp: ModuleType, log: Any) -> None:
    codec = sp.AuditingCodec(sp.Codec(), log)

    def work() -> None:
        for _ in range(200):
            with pytest.raises(PolicyError):
                codec.loads(DATES)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.times for one in log.report().denials} == {800}


def test_it_is_immutable_and_looks_like_a_codec(sp: ModuleType, log: Any) -> None:
    codec = sp.AuditingCodec(sp.Codec(), log)
    assert codec.HIGHEST_PROTOCOL == 5
    assert codec.policy == sp.PLAIN
    with pytest.raises(AttributeError):
        codec.log = None
    with pytest.raises(AttributeError):
        del codec.log
    with pytest.raises(AttributeError):
        _ = codec.no_such_name
    file = io.BytesIO()
    codec.dump([1], file)
    assert codec.loads(file.getvalue()) == [1]


def test_what_cannot_go_on_is_said_when_it_is_made(sp: ModuleType, log: Any) -> None:
    class Mine:
        def find_class(self, module: str, name_: str) -> Any:
            return None

    with pytest.raises(ValueError, match="find_class"):
        sp.AuditingCodec(sp.Codec(policy=Mine()), log, on_denial=sp.GO_ON_UNENFORCED)
    sp.AuditingCodec(sp.Codec(policy=Mine()), log)
