"""optimize: what pickletools.optimize gives, for pickles that are well-formed; the rest is refused."""

from __future__ import annotations

import pickle
import pickletools
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspection.streams import ILL_BUILT, MALFORMED, WELL_FORMED

from safepickle.errors import FormatError, LimitError, SafePickleError, TrailingDataError
from safepickle.inspection import optimize as optimize_once
from safepickle.limits import Limits

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def inspection(sp: ModuleType) -> ModuleType:
    return import_module(f"{sp.__name__}.inspection")


@pytest.mark.parametrize("name", WELL_FORMED)
def test_the_result_is_that_of_pickletools(inspection: ModuleType, name: str) -> None:
    data = WELL_FORMED[name]
    assert inspection.optimize(data) == pickletools.optimize(data)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner)
        | inner.map(lambda x: [x, x])
    ),
)


@given(value=VALUES, protocol=st.integers(0, 5))
def test_the_value_is_kept(value: object, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    shorter = optimize_once(data)
    assert pickle.loads(shorter) == value
    assert len(shorter) <= len(data) + 9
    assert optimize_once(shorter) == shorter


def test_both_loaders_read_the_result(sp: ModuleType, inspection: ModuleType) -> None:
    shared = ["x" * 20]
    value = [shared, shared, {"a": shared, "b": (1, 2.5, b"c")}, ["y" * 70000] * 2, list(range(40000))]
    for protocol in range(6):
        shorter = inspection.optimize(pickle.dumps(value, protocol))
        for loads in (pickle.loads, pickle._loads, sp.loads):
            loaded = loads(shorter)
            assert loaded == value
            assert loaded[0] is loaded[1] is loaded[2]["a"]


def test_memo_entries_are_numbered_anew(inspection: ModuleType) -> None:
    many = [[index] for index in range(600)]
    data = pickle.dumps([many, many[300:301] * 2, many[599]], 1)
    shorter = inspection.optimize(data)
    operations = [(row.name, argument) for row, argument, _ in inspection.genops(shorter)]
    assert [argument for name, argument in operations if name == "BINPUT"] == [0, 1]
    assert pickle.loads(shorter) == pickle.loads(data)


@pytest.mark.parametrize("name", [*MALFORMED, *ILL_BUILT])
def test_what_is_malformed_is_refused(inspection: ModuleType, name: str) -> None:
    with pytest.raises(SafePickleError):
        inspection.optimize((MALFORMED | ILL_BUILT)[name])


def test_trailing_bytes_are_refused(inspection: ModuleType) -> None:
    with pytest.raises(TrailingDataError):
        inspection.optimize(b"N.N.")


def test_redefined_memo_is_not_made_unambiguous(inspection: ModuleType) -> None:
    # pickle's parsers agree that the second entry wins, pickletools refuses: so it is refused (X12).
    with pytest.raises(FormatError):
        inspection.optimize(b"(Nq\x00K\x01q\x00h\x00t.")


def test_limits_hold(inspection: ModuleType) -> None:
    with pytest.raises(LimitError):
        inspection.optimize(b"N" * 100 + b".", limits=Limits(max_bytes=50))
