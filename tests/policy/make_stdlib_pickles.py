# ruff: noqa: DTZ001, T201, UP010, UP017, UP031, UP036 (Python 2.7 runs this file too)
"""Writes stdlib_pickles.tsv: real pickles, by several interpreters, of the values that the pack `stdlib` is for.

    python make_stdlib_pickles.py INTERPRETER...     # such as python2.7 python3.8 ... python3.13

Each line: the writers as `version/protocol,...`, the value's name, the pickle as hex. Equal pickles share a
line. This file is run by each interpreter too (argument `--write`), Python 2.7 included, hence its plain
style.
"""

from __future__ import print_function

import sys


def values():
    """Return the values by name, fixed so that the file changes only when a pickler does."""
    import array
    import collections
    import datetime
    import decimal
    import fractions
    import time
    import uuid

    found = {
        "date": datetime.date(2020, 2, 29),
        "time": datetime.time(23, 59, 58, 999999),
        "datetime": datetime.datetime(2020, 1, 2, 3, 4, 5, 6),
        "timedelta": datetime.timedelta(-1, 2, 3),
        "timedelta_max": datetime.timedelta.max,
        "decimal": decimal.Decimal("-1.50E+10"),
        "decimal_infinity": decimal.Decimal("-Infinity"),
        "decimal_nan": decimal.Decimal("NaN123"),
        "decimal_zero": decimal.Decimal("0E-7"),
        "fraction": fractions.Fraction(-1, 3),
        "fraction_whole": fractions.Fraction(5),
        "uuid": uuid.UUID(int=5),
        "struct_time": time.gmtime(0),
        "ordered_dict": collections.OrderedDict([("a", 1), ("b", 2)]),
        "ordered_dict_empty": collections.OrderedDict(),
        "defaultdict_int": collections.defaultdict(int, a=1),
        "defaultdict_none": collections.defaultdict(None, a=1, b=2),
        "defaultdict_deque": collections.defaultdict(collections.deque, a=collections.deque([1])),
        "defaultdict_counter": collections.defaultdict(collections.Counter),
        "defaultdict_ordered": collections.defaultdict(collections.OrderedDict),
        "defaultdict_decimal": collections.defaultdict(decimal.Decimal),
        "deque": collections.deque([1, 2]),
        "deque_maxlen": collections.deque([1], maxlen=3),
        "deque_full": collections.deque(maxlen=0),
        "counter": collections.Counter("aab"),
        "array_i": array.array("i", [1, -2]),
        "array_d": array.array("d", [1.5]),
        "array_b": array.array("b", []),
        "types": [
            bool,
            bytes,
            complex,
            dict,
            float,
            frozenset,
            int,
            list,
            object,
            set,
            str,
            tuple,
            bytearray,
        ],
    }
    errors = (
        "ArithmeticError AssertionError AttributeError BlockingIOError BrokenPipeError BufferError ChildProcessError "
        "ConnectionAbortedError ConnectionError ConnectionRefusedError ConnectionResetError EOFError Exception "
        "FileExistsError FileNotFoundError FloatingPointError ImportError IndexError InterruptedError "
        "IsADirectoryError KeyError LookupError MemoryError ModuleNotFoundError NameError NotADirectoryError "
        "NotImplementedError OSError OverflowError PermissionError ProcessLookupError RecursionError ReferenceError "
        "RuntimeError TimeoutError TypeError UnboundLocalError UnicodeError ValueError ZeroDivisionError"
    )
    names = vars(__import__("__builtin__" if sys.version_info[0] == 2 else "builtins"))
    for name in errors.split():
        if name in names:
            found["error_" + name] = names[name]("text")
    letter = b"\xff".decode("latin-1")
    found["error_encode"] = UnicodeEncodeError("ascii", letter, 0, 1, "reason")
    found["error_translate"] = UnicodeTranslateError(letter, 0, 1, "reason")
    found["error_errno"] = OSError(2, "No such file", "name")
    if sys.version_info[0] == 2:
        return found

    import calendar
    import http
    import ipaddress
    import pathlib
    import types

    # Python 2's is left out: with any encoding but "bytes", pickle itself cannot load it.
    found["error_decode"] = UnicodeDecodeError("ascii", b"\xff", 0, 1, "reason")
    utc = datetime.timezone.utc
    found.update(
        {
            "time_fold": datetime.time(1, 2, fold=1),
            "time_zone": datetime.time(1, 2, tzinfo=utc),
            "datetime_fold": datetime.datetime(2020, 1, 2, fold=1),
            "datetime_zone": datetime.datetime(2020, 1, 2, tzinfo=utc),
            "timezone": datetime.timezone(datetime.timedelta(hours=-2)),
            "timezone_name": datetime.timezone(datetime.timedelta(hours=2), "X"),
            "uuid_safe": uuid.UUID(int=2**128 - 1, is_safe=uuid.SafeUUID.safe),
            "uuid_unsafe": uuid.UUID(int=7, is_safe=uuid.SafeUUID.unsafe),
            "safe_uuid": [uuid.SafeUUID.safe, uuid.SafeUUID.unknown],
            "chain_map": collections.ChainMap({1: 2}, {3: 4}),
            "user_dict": collections.UserDict(a=1),
            "user_list": collections.UserList([1]),
            "user_string": collections.UserString("text"),
            "array_u": array.array("u", "ab"),
            "array_q": array.array("Q", [2**63]),
            "namespace": types.SimpleNamespace(a=1, b=[2]),
            "path": [pathlib.PosixPath("/a/b.txt"), pathlib.PosixPath()],
            "pure_path": [pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("c:/x/y")],
            "address": [ipaddress.ip_address("1.2.3.4"), ipaddress.ip_address("::1")],
            "network": [ipaddress.ip_network("1.0.0.0/8"), ipaddress.ip_network("::/8")],
            "interface": [ipaddress.ip_interface("1.2.3.4/8"), ipaddress.ip_interface("::1/8")],
            "http_status": http.HTTPStatus.NOT_FOUND,
            "error_import": ImportError("text", name="n", path="p"),
            "error_module": ModuleNotFoundError("text", name="n"),
        }
    )
    if sys.version_info >= (3, 9):
        import zoneinfo

        zone = zoneinfo.ZoneInfo("UTC")
        found["zone"] = zone
        found["datetime_zoneinfo"] = datetime.datetime(2020, 1, 2, tzinfo=zone)
        found["address_scope"] = ipaddress.ip_address("fe80::1%eth0")
    if sys.version_info >= (3, 10):
        found["error_attribute"] = AttributeError("text", name="n", obj=3)
    if sys.version_info >= (3, 11):
        found["http_method"] = http.HTTPMethod.GET
    if sys.version_info >= (3, 12):
        found["calendar"] = [calendar.Month.MAY, calendar.Day.FRIDAY]
    return found


def write():
    """Print one line for each value and protocol of this interpreter."""
    import binascii
    import pickle

    version = "%d.%d" % sys.version_info[:2]
    for name, value in sorted(values().items()):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            data = binascii.hexlify(pickle.dumps(value, protocol)).decode("ascii")
            print("%s/%d\t%s\t%s" % (version, protocol, name, data))


def main(interpreters):
    """Run each interpreter and write the file beside this one."""
    import pathlib
    import subprocess

    writers = {}
    for interpreter in interpreters:
        output = subprocess.run(
            [interpreter, "-W", "ignore", __file__, "--write"], check=True, capture_output=True, text=True
        ).stdout
        for line in output.splitlines():
            writer, name, data = line.split("\t")
            writers.setdefault((name, data), []).append(writer)
    lines = ["%s\t%s\t%s\n" % (",".join(who), name, data) for (name, data), who in sorted(writers.items())]
    pathlib.Path(__file__).with_name("stdlib_pickles.tsv").write_text("".join(lines))


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        main(sys.argv[1:])
