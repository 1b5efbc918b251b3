# ruff: noqa: E501 (tables of cases, one beside the other)
"""Contracts: hostile arguments are refused before the call; what is refused here hurts where it is let through.

That real pickles pass is shown in test_packs.py, on what seven interpreters wrote.
"""

from __future__ import annotations

import array
import calendar
import datetime as dt
import decimal
import enum
import fractions
import functools
import importlib
import ipaddress
import pickle
import subprocess
import sys
import time
import uuid
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepickle.errors import PolicyError
from safepickle.policy.arrays import ARRAY_CALLS, ARRAY_STATES
from safepickle.policy.contracts import CONTRACTS, ENUM, HARMLESS_FACTORIES, STATES
from safepickle.policy.formats import FORMAT_CALLS, FORMAT_STATES
from safepickle.policy.libraries import LIBRARY_CALLS, LIBRARY_STATES
from safepickle.policy.rules import Policy


class Trap:
    """Fails the test as soon as anything of it is called."""

    def _sprung(self, *args: Any) -> Any:
        pytest.fail("a contract called a method of its argument")

    __hash__ = __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __len__ = __iter__ = _sprung  # type: ignore[assignment]
    __getattr__ = __index__ = __int__ = __float__ = __str__ = __fspath__ = __contains__ = __getitem__ = (
        _sprung
    )


class Text(str):
    __slots__ = ()
    __len__ = __eq__ = __hash__ = Trap._sprung  # type: ignore[assignment]


class Key(str):
    __slots__ = ()


class Number(int):
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __hash__ = __index__ = Trap._sprung  # type: ignore[assignment]


class Items(list):  # type: ignore[type-arg]
    __len__ = __iter__ = Trap._sprung  # type: ignore[assignment]


class Undecodable(UnicodeDecodeError):
    """One of an application's own."""


def tower(levels: int = 40) -> tuple[Any, ...]:
    """Return a tuple whose hash takes 2**levels steps (D06)."""
    top: tuple[Any, ...] = (1,)
    for _ in range(levels):
        top = (top, top)
    return top


DATE, TIME = b"\x07\xe4\x01\x02", b"\x01\x02\x03\x00\x00\x04"
UTC = dt.UTC
RANGE = range(10**9)
OS_ERRORS = (
    "OSError BlockingIOError BrokenPipeError ChildProcessError ConnectionAbortedError ConnectionError "
)
OS_ERRORS += "ConnectionRefusedError ConnectionResetError FileExistsError FileNotFoundError InterruptedError "
OS_ERRORS += "IsADirectoryError NotADirectoryError PermissionError ProcessLookupError TimeoutError"

REFUSED: dict[str, list[tuple[Any, ...]]] = {
    "datetime:date": [
        (), (b"",), (DATE + b"\1",), (DATE, UTC), (bytearray(DATE),), ("\x07\xe4\1\2\3",), ("\u0107\xe4\1\2",), (b"\x00\x00\x01\x01",),
        (b"\x27\x10\x01\x01",), (b"\x07\xe4\x00\x01",), (b"\x07\xe4\x0d\x01",), (b"\x07\xe4\x01\x00",),
        (b"\x07\xe4\x01\x20",), (b"\x07\xe4\x04\x1f",), (b"\x07\xe5\x02\x1d",), (b"\x07\x6c\x02\x1d",),
        (2020, 1), (2020, 1, 2.0), (2020, 1, 10**6), (2020, -1, 1),
    ],
    "datetime:time": [
        (), (TIME[:5],), (b"\x18" + TIME[1:],), (b"\x98" + TIME[1:],), (b"\1\x3c" + TIME[2:],), (b"\1\2\x3c" + TIME[3:],),
        (b"\1\2\3\x0f\x42\x40",), (TIME, UTC, 1), (TIME, "UTC"), (TIME, dt.timedelta(0)), (1, 2, 3, 4, 5), (UTC,),
    ],
    "datetime:datetime": [
        (), (DATE,), (DATE + TIME, UTC, UTC), (DATE + TIME, "UTC"), (DATE + b"\x18" + TIME[1:],), (b"\0\0\1\1" + TIME,),
        (b"\x07\xe4\x8d\x02" + TIME,), (b"\x07\xe4\x80\x02" + TIME,), (2020, 1, 1, 1, 1, 1, 1, 1), (2020, 1),
    ],
    "datetime:timedelta": [
        (), (1,), (1, 2), (1, 2, 3, 4), (10**9, 0, 0), (-(10**9), 0, 0), (0, 86_400, 0), (0, -1, 0), (0, 0, 10**6), (0, 0, -1),
        (1.0, 0, 0), (10**5000, 0, 0),
    ],
    "datetime:timezone": [(), (0,), (dt.timedelta(0), 1), (dt.timedelta(0), "x" * 101), (dt.timedelta(0), "a", "b")],
    "zoneinfo:ZoneInfo._unpickle": [
        (), ("UTC",), ("UTC", 0), ("UTC", False), ("UTC", 2), ("UTC", "yes"), ("../UTC", 1), ("/etc/passwd", 1), ("a/../b", 1),
        ("a//b", 1), ("a/", 1), ("", 1), ("a\0", 1), ("a.b", 1), ("UTC\n", 1), ("a/b/c/d/e", 1), ("a" * 101, 1), (b"UTC", 1), ("UTC", 1, 1),
    ],
    "time:struct_time": [
        (), (RANGE,), ((1,) * 8,), ((1,) * 12,), ([1] * 9,), ((tower(),) * 9,), ((1.0,) * 9,), ((2**64,) * 9,), ((1,) * 9 + (tower(),),),
        ((1,) * 9, []), ((1,) * 9, {"tm_zone": tower()}), ((1,) * 9, {"x": 1}), ((1,) * 9, {1: 1}), ((1,) * 9, {"tm_zone": "x" * 101}),
        ((1,) * 9, {"tm_gmtoff": 2**40}), ((1,) * 9, {}, {}),
    ],
    "decimal:Decimal": [
        (), (1,), (1.5,), ((0, (1,), 10**9),), ("1E999999999",), ("1E-999999999",), ("1E6177",), ("1E-6177",), ("1" * 4301,), ("",),
        ("E5",), (".",), ("1_0",), (" 1",), ("1\n",), ("\u0661",), ("--1",), ("1", None), (b"1",),
    ],
    "fractions:Fraction": [
        (), (1,), (1.5,), ("1e100000000",), ("1.5",), ("1/",), ("/1",), ("1/-2",), ("1" * 4301,), ("1/" + "1" * 4301,), ("1 ",), ("\u0661",),
        (1, 2, 3), (1, 2.0), (1 << 14_284, 1), (1, 1 << 14_284), (decimal.Decimal("1E999999999"),), (fractions.Fraction(1), 2),
    ],
    "builtins:int": [("1" * 4301,), ("ff", 16), (b"1",), ([],), (decimal.Decimal("1E999999999"),)],
    "builtins:float": [("1" * 4301,), (1, 2), ([],)],
    "builtins:str": [(1,), (b"x", "zlib"), ([],), ("a", "b")],
    "builtins:list": [(RANGE,), ("x",), ({},), ([], [])],
    "builtins:tuple": [(RANGE,), ("x",)],
    "builtins:dict": [(RANGE,), ([(tower(), 1)],), ([[1]],), ([5],), ({}, {})],
    "builtins:pow": [(10, 10**9), (2**40, 2**40, 7), ("a", 2), (2, 20_000), (2**64, 0.5), (2, 10, "m")],
    "operator:pow": [(10, 10**9)],
    "operator:ipow": [(10, 10**9)],
    "_operator:pow": [(10, 10**9)],
    "_operator:ipow": [(10, 10**9)],
    "math:factorial": [(10**7,), (-1,), (1.0,), ()],
    "math:comb": [(10**7, 10**6)],
    "math:perm": [(10**7, 10**6)],
    "uuid:UUID": [("a", "b"), (1,), ("x" * 46,), (None, b"x" * 16), (tower(),)],
    "uuid:SafeUUID": [(), (tower(),), ("x" * 101,), (0, 1), (0, ["a", "b"]), (2**64,), (1.5,)],
    "http:HTTPStatus": [(), (tower(),), ("New", ["a", "b"])],
    "http:HTTPMethod": [(), (tower(),), ("New", ["a", "b"])],
    "calendar:Month": [(), (tower(),), ("New", ["a", "b"])],
    "calendar:Day": [(), (tower(),), ("New", ["a", "b"])],
    "collections:OrderedDict": [
        (RANGE,), ([(tower(), 1)],), ([(2**61, 1)],), ([(1.5, 1)],), ([((1,), 1)],), ([[1, 2, 3]],), ([1],), ([], []), ({1},),
        (iter([]),), (["ab"],),
    ],
    "collections:Counter": [(RANGE,), ("text",), ([1],), ({}, {})],
    "collections:defaultdict": [(functools.partial(list),), ("x".upper,), (int, {}), (Trap(),)],
    "collections:deque": [(RANGE,), ("x",), ([], -1), ([], 2**63), ([], 1.0), ([], True), ([], 1, 1), ({},)],
    "collections:ChainMap": [([],), ({}, RANGE), (Trap(),)],
    "collections:UserDict": [(RANGE,), ([(1, 2)],), ({}, {})],
    "collections:UserList": [(RANGE,), ("x",)],
    "collections:UserString": [(1,), ([],), (Trap(),)],
    "array:array": [
        (), ("b", RANGE), ("b", array.array("b")), ("x",), ("",), ("bb",), (1,), ("b", ["x"]), ("u", [1]), ("d", [Trap()]), ("b", "x"),
        ("b", [], 1), ("b", bytearray(1)), ("b", b"x"),
    ],
    "array:_array_reconstructor": [
        (), (list, "b", 1, b""), (array.array, "x", 1, b""), (array.array, "bb", 1, b""), (array.array, "b", 22, b""),
        (array.array, "b", -1, b""), (array.array, "b", 1.0, b""), (array.array, "b", 1, "x"), (array.array, "b", 1, bytearray(1)),
        (array.array, "b", 1), (type("array", (array.array,), {}), "b", 1, b""),
    ],
    **{
        f"pathlib:{name}": [(b"x",), (1,), ("x" * 32_768,), ("x" * 20_000, "x" * 20_000), ("",) * 1001, (Trap(),)]
        for name in "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath".split()
    },
    **{
        f"ipaddress:IPv4{kind}": [(), (-1,), (2**32,), ("1" * 101,), (b"\1\2\3\4",), (("1.2.3.4", 8),), ("1.2.3.4", 1), (True,)]
        for kind in ("Address", "Network", "Interface")
    },
    **{
        f"ipaddress:IPv6{kind}": [(), (-1,), (2**128,), ("1" * 101,), (b"x" * 16,), (("::", 8),)]
        for kind in ("Address", "Network", "Interface")
    },
    "types:SimpleNamespace": [({"__class__": int},), (1,)],
    **{f"builtins:{name}": [(tower(), "text"), (2, Trap()), (1, 2, 3, 4, 5, 6), (1, RANGE)] for name in OS_ERRORS.split()},
    "builtins:UnicodeDecodeError": [
        (), ("ascii", b"x", 0, 1), ("ascii", b"x", -1, 1, "r"), ("ascii", b"x", 0, 2, "r"), ("ascii", b"xy", 2, 1, "r"),
        ("ascii", "x", 0, 1, "r"), (1, b"x", 0, 1, "r"), ("ascii", b"x", 0, 1, 1), ("a" * 101, b"x", 0, 1, "r"), ("ascii", b"x", 0, 1.0, "r"),
    ],
    "builtins:UnicodeEncodeError": [("ascii", b"x", 0, 1, "r"), ("ascii", "x", 0, 2, "r"), ("ascii", "x", 2**62, 2**62, "r")],
    "builtins:UnicodeTranslateError": [("x", 0, 2, "r"), (b"x", 0, 1, "r"), ("x", -1, 1, "r")],
}  # fmt: skip

ACCEPTED: dict[str, list[tuple[Any, ...]]] = {
    "datetime:date": [(DATE,), ("\x07\xe4\x01\x02",), (b"\x07\xd0\x02\x1d",), (b"\x27\x0f\x0c\x1f",), (b"\0\1\1\1",), (2020, 1, 2)],
    "datetime:time": [(TIME,), (TIME, UTC), (TIME, None), (b"\x97" + TIME[1:],), (b"\x17\x3b\x3b\x0f\x42\x3f",), (1,), (1, 2, 3, 4), (1, 2, 3, 4, UTC)],
    "datetime:datetime": [(DATE + TIME,), (DATE + TIME, UTC), (b"\x07\xe4\x8c\x02" + TIME,), (2020, 1, 2), (2020, 1, 2, 3, 4, 5, 6), (*range(1, 8), None), (*range(1, 8), UTC)],
    "datetime:timedelta": [(-999_999_999, 0, 0), (999_999_999, 86_399, 999_999)],
    "datetime:timezone": [(dt.timedelta(0),), (dt.timedelta(0), "x" * 100)],
    "zoneinfo:ZoneInfo._unpickle": [("America/Argentina/Buenos_Aires", 1), ("Etc/GMT+12", True), ("EST5EDT", 1)],
    "time:struct_time": [((1,) * 9,), ((1,) * 9 + ("GMT", 0),), ((1,) * 9, {"tm_zone": None, "tm_gmtoff": None})],
    "decimal:Decimal": [
        ("0",), ("-1.5",), ("1.",), (".5",), ("1E+6176",), ("1e-6176",), ("NaN",), ("-sNaN12",), ("Infinity",), ("Inf",), ("1" * 4300,)
    ],
    "fractions:Fraction": [("1/3",), ("-5",), (1, 3), (-1, 10**4000)],
    "builtins:int": [(), (1,), (True,), (1.5,), ("12",)],
    "builtins:float": [(), (1,), ("1e5",)],
    "builtins:str": [(), ("x",)],
    "builtins:list": [(), ([],), ((),)],
    "builtins:pow": [(2, 10), (2, -10), (2.0, 0.5), (2.0, 10**9), (2, 7000), (2, 1e9), (10**9, 10**9, 7)],
    "math:factorial": [(1000,)],
    **{f"pathlib:{name}": [(), ("a", "b"), ("x" * 32_767,), ("",) * 1000] for name in ("Path", "PurePosixPath")},
    "ipaddress:IPv4Address": [(0,), (2**32 - 1,), ("1.2.3.4",)],
    "ipaddress:IPv6Network": [(2**128 - 1,), ("::/8",)],
    "http:HTTPStatus": [(404,), (-(2**63),), (2**63,)],
    "http:HTTPMethod": [("GET",)],
    "uuid:SafeUUID": [(None,), (0,)],
    "uuid:UUID": [(), ("00000000-0000-0000-0000-000000000005",)],
    "collections:OrderedDict": [(), ({},), ([["a", 1], (b"b", 2), (3, 4)],)],
    "collections:defaultdict": [(), (None,), (int,), (fractions.Fraction,), (functools.wraps,), (len,)],
    "collections:deque": [(), ([],), ((), 3), ([], None), ([], 0)],
    "collections:ChainMap": [(), ({}, {})],
    "array:array": [("b",), ("b", [1]), ("d", [1, 1.5]), ("u", ["a"])],
    "array:_array_reconstructor": [(array.array, "b", 0, b"x"), (array.array, "d", 21, b"")],
    "types:SimpleNamespace": [()],
    "builtins:OSError": [(), (tower(),), (2, "text", "name", None, "other")],
    "builtins:UnicodeDecodeError": [("ascii", b"", 0, 0, "r")],
    "builtins:UnicodeTranslateError": [("x", 0, 1, "r")],
}  # fmt: skip


def pairs(table: dict[str, list[tuple[Any, ...]]]) -> list[Any]:
    return [
        pytest.param(tuple(key.split(":")), args, id=f"{key}-{index}")
        for key, cases in table.items()
        for index, args in enumerate(cases)
    ]


@pytest.mark.parametrize(("pair", "args"), pairs(REFUSED))
def test_hostile_arguments_are_refused(pair: tuple[str, str], args: tuple[Any, ...]) -> None:
    reason = CONTRACTS[pair].check(args, {})
    assert reason
    assert reason.isascii()
    assert reason.isprintable()


@pytest.mark.parametrize(("pair", "args"), pairs(ACCEPTED))
def test_plain_arguments_pass(pair: tuple[str, str], args: tuple[Any, ...]) -> None:
    assert CONTRACTS[pair].check(args, {}) is None


def test_every_contract_refuses_something_here() -> None:
    assert {tuple(key.split(":")) for key in REFUSED} == set(CONTRACTS) - LIBRARIES


@pytest.mark.parametrize("pair", sorted(CONTRACTS), ids=":".join)
def test_no_contract_takes_keywords(pair: tuple[str, str]) -> None:
    key = ":".join(pair)
    args = ACCEPTED[key][0] if key in ACCEPTED else ()
    assert CONTRACTS[pair].check(args, {"hour": 1})


@pytest.mark.parametrize("pair", sorted(CONTRACTS), ids=":".join)
def test_no_contract_touches_what_it_is_given(pair: tuple[str, str]) -> None:
    hostile: list[Any] = [
        Trap(),
        Text("1"),
        Number(1),
        Items(),
        RANGE,
        tower(),
        float("nan"),
        iter([]),
        type,
        pair,
    ]
    for value in hostile:
        for count in range(1, 11):
            for args in (
                (value,) * count,
                (*(1,) * (count - 1), value),
                ("b", value),
                ([], value),
                (DATE + TIME, value),
                (array.array, value, 1, b""),
            ):
                CONTRACTS[pair].check(args, {})
                CONTRACTS[pair].check(args, {"x": value})
    for nested in ([Trap()], [[Trap(), 1]], (Trap(),) * 9, {"tm_zone": Trap()}):
        CONTRACTS[pair].check((nested,), {})
        CONTRACTS[pair].check((nested, nested), {})
        CONTRACTS[pair].check(((1,) * 9, nested), {})


#: Those are held to what real libraries do in `tests/packs`.
LIBRARIES = ARRAY_CALLS.keys() | FORMAT_CALLS.keys() | LIBRARY_CALLS.keys()


@pytest.mark.parametrize("pair", sorted(set(CONTRACTS) - LIBRARIES), ids=":".join)
def test_every_contract_is_about_something_that_exists(pair: tuple[str, str]) -> None:
    module, name = pair
    if pair in {("calendar", "Month"), ("calendar", "Day")} and sys.version_info < (3, 12):
        return
    if pair == ("pathlib", "WindowsPath"):
        return
    value: Any = importlib.import_module(module)
    for part in name.split("."):
        value = getattr(value, part)
    assert callable(value)
    contract = CONTRACTS[pair]
    assert contract.reason
    assert contract.source


def test_a_date_of_any_bytes_would_crash_the_interpreter() -> None:
    # The reason for the date contract, kept here so that it goes when CPython has mended it.
    code = "import datetime; dt.date(b'\\0\\0\\1\\1').ctime()"
    died = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode
    if died == 0:
        pytest.skip("this interpreter is mended")
    assert CONTRACTS["datetime", "date"].check((b"\0\0\1\1",), {}) == "no such date"


@given(st.dates())
def test_every_date_passes(value: dt.date) -> None:
    assert CONTRACTS["datetime", "date"].check(value.__reduce__()[1], {}) is None


@given(st.datetimes(allow_imaginary=False))
def test_every_datetime_passes(value: dt.datetime) -> None:
    for protocol in (2, 4):
        args = value.__reduce_ex__(protocol)[1]
        assert CONTRACTS["datetime", "datetime"].check(args, {}) is None
        args = value.time().__reduce_ex__(protocol)[1]
        assert CONTRACTS["datetime", "time"].check(args, {}) is None


@given(st.binary(min_size=4, max_size=4))
def test_a_date_passes_exactly_if_it_is_one(packed: bytes) -> None:
    try:
        dt.date(packed[0] * 256 + packed[1], packed[2], packed[3])
        valid = True
    except ValueError:
        valid = False
    assert (CONTRACTS["datetime", "date"].check((packed,), {}) is None) == valid


@pytest.mark.parametrize("month", range(1, 13))
@pytest.mark.parametrize("year", [1900, 2000, 2023, 2024])
def test_each_month_ends_where_it_ends(year: int, month: int) -> None:
    last = calendar.monthrange(year, month)[1]
    check = CONTRACTS["datetime", "date"].check
    assert check((bytes([year >> 8, year & 255, month, last]),), {}) is None
    assert check((bytes([year >> 8, year & 255, month, last + 1]),), {})


@given(st.timedeltas())
def test_every_timedelta_passes(value: dt.timedelta) -> None:
    assert CONTRACTS["datetime", "timedelta"].check(value.__reduce__()[1], {}) is None


@given(st.decimals())
def test_every_usual_decimal_passes(value: decimal.Decimal) -> None:
    assert CONTRACTS["decimal", "Decimal"].check((str(value),), {}) is None


@given(st.text(alphabet="0123456789.+-eE_ NaInf\u0661", max_size=12))
def test_a_decimal_that_passes_is_small_and_one(text: str) -> None:
    if CONTRACTS["decimal", "Decimal"].check((text,), {}) is None:
        value = decimal.Decimal(text)
        assert not value.is_finite() or abs(value.adjusted()) <= 6176 + len(text)


@given(st.ip_addresses())
def test_every_address_passes(value: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    check = CONTRACTS["ipaddress", type(value).__name__].check
    assert check((int(value),), {}) is None
    assert check((str(value),), {}) is None


def test_every_time_zone_passes() -> None:
    import zoneinfo

    for key in zoneinfo.available_timezones():
        assert CONTRACTS["zoneinfo", "ZoneInfo._unpickle"].check((key, 1), {}) is None


@pytest.mark.parametrize("pair", [("decimal", "Decimal"), ("fractions", "Fraction")])
def test_long_numbers_are_refused_quickly(pair: tuple[str, str]) -> None:
    start = time.perf_counter()
    for text in ("1" * 10**6, "1/" + "1" * 10**6, "1E" + "1" * 10**6, "." * 10**6, "NaN" + "1" * 10**6):
        assert CONTRACTS[pair].check((text,), {})
    assert time.perf_counter() - start < 1


def test_a_factory_is_called_later() -> None:
    assert CONTRACTS["collections", "defaultdict"].calls_later == 0
    for module, name in HARMLESS_FACTORIES:
        assert not getattr(importlib.import_module(module), name)()
    assert [pair for pair, contract in CONTRACTS.items() if contract.calls_later is not None] == [
        ("collections", "defaultdict")
    ]


class Colour(enum.Enum):
    RED = (1, 2)


def test_enumerations_take_one_value() -> None:
    assert ENUM.check(((1, 2),), {}) is None
    assert ENUM.check((Trap(),), {}) is None
    for args, kwargs in [((), {}), (("New", ["a"]), {}), (("New",), {"names": ["a"]})]:
        assert ENUM.check(args, kwargs)


STATES_REFUSED: dict[tuple[str, str], list[Any]] = {
    ("uuid", "UUID"): [
        None, {}, [], {"int": "x"}, {"int": -1}, {"int": 2**128}, {"int": True}, {"int": tower()}, {"int": 1, "is_safe": tower()},
        {"int": 1, "is_safe": 1}, {"int": 1, "is_safe": uuid.SafeUUID.safe}, {"int": 1, "x": 1}, {"int": 1, 2: 3}, (None, {"int": 1}),
        {"int": Number(1)}, {"is_safe": 0},
    ],
    ("collections", "ChainMap"): [None, {}, {"maps": ()}, {"maps": RANGE}, {"maps": [], "x": 1}, ({"maps": []}, None)],
    ("collections", "UserDict"): [{}, {"data": []}, {"data": Trap()}, {"data": {}, "x": 1}, [("data", {})]],
    ("collections", "UserList"): [{}, {"data": ()}, {"data": RANGE}, {"data": Items()}],
    ("collections", "UserString"): [{}, {"data": b"x"}, {"data": tower()}, {"data": Text("x")}],
    **{
        ("builtins", name): [
            None, {"args": RANGE}, {"args": []}, {"__cause__": None}, {"__class__": int}, {"name": 1}, {"path": Trap()},
            {"obj": 1}, {1: "x"}, {Key("name"): "x"}, ({"name": "x"}, None),
        ]
        for name in ("AttributeError", "ImportError", "ModuleNotFoundError")
    },
    **{
        ("builtins", name): [
            {"start": -(10**10)}, {"end": 10**10}, {"object": b""}, {"encoding": "ascii"}, {"reason": "r"}, {"x": 1, "end": 2},
            {Key("start"): 1}, {1: "x"}, [("start", 1)], (None, {"start": 1}),
        ]
        for name in ("UnicodeDecodeError", "UnicodeEncodeError", "UnicodeTranslateError")
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("pair", "state"),
    [
        pytest.param(pair, state, id=f"{pair[1]}-{i}")
        for pair, states in STATES_REFUSED.items()
        for i, state in enumerate(states)
    ],
)
def test_hostile_state_is_refused(pair: tuple[str, str], state: Any) -> None:
    reason = STATES[pair].check(state)
    assert reason
    assert reason.isascii()


@pytest.mark.parametrize("kind", [UnicodeDecodeError, Undecodable])
def test_where_a_text_was_wrong_is_not_set_behind(sp: ModuleType, kind: type) -> None:
    """What it says as text is read from there: the process would end."""
    pair = f"{kind.__module__}:{kind.__qualname__}"
    policy = Policy.from_text(f'schema = 1\n[globals]\n"{pair}" = ["call", "build"]')
    error = kind("ascii", b"\xff", 0, 1, "r")
    error.line = 3
    assert sp.loads(pickle.dumps(error), policy=policy).line == 3
    error.__dict__.update(start=-(10**10), end=1 - 10**10)
    with pytest.raises(PolicyError, match="wants other attributes than those that it was made with"):
        sp.loads(pickle.dumps(error), policy=policy)


def test_every_state_contract_refuses_something_here() -> None:
    assert set(STATES_REFUSED) == set(STATES) - ARRAY_STATES.keys() - FORMAT_STATES.keys() - LIBRARY_STATES.keys()
    assert all(contract.reason and contract.source for contract in STATES.values())


def test_real_state_passes() -> None:
    for name, data in [("UserDict", {}), ("UserList", []), ("UserString", "")]:
        assert STATES["collections", name].check({"data": data}) is None
    assert STATES["collections", "ChainMap"].check({"maps": [{}]}) is None
    for state in ({"int": 0}, {"int": 2**128 - 1, "is_safe": -1}, {"int": 1, "is_safe": None}):
        assert STATES["uuid", "UUID"].check(state) is None
    for state in (None, {}, {"line": 3}):
        assert STATES["builtins", "UnicodeDecodeError"].check(state) is None
    assert STATES["builtins", "ImportError"].check({"name": "n", "path": None, "args": ("x",)}) is None
