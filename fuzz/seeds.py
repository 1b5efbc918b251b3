"""Seeds that no test holds: streams and texts that reach what the grammar seldom writes.

Rules that hold here:

* Each is here for a place in the package that it reaches; `python -m fuzz seeds` adds them to a corpus.
* The streams are hostile, as all of the corpus.
"""

from __future__ import annotations

import datetime as dt
import decimal
import io
import json
import pickle
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from fuzz import samples
from fuzz.assembly import call, dict_of, list_of, name, new, number, op, pickled, text
from fuzz.idioms import EMPTY_NODE, KEY, ONE, sample

_DATES: tuple[Any, ...] = (
    [dt.date(2020, n, 28) for n in (2, 4, 5)], [dt.time(1, 2, 3, n) for n in (1, 2)], [dt.timedelta(n) for n in (1, 2)],
    [dt.datetime(2020, 1, n, tzinfo=dt.UTC) for n in (1, 2)], [dt.datetime(2021, n, 1) for n in (1, 2)],  # noqa: DTZ001
    [decimal.Decimal(one) for one in ("1.5", "-2", "1e5", "1" * 50, "NaN")], [dt.timedelta(1, 2, 3)] * 2,
)  # fmt: skip
_DATE = name("datetime", "date")


def _calls(target: bytes, *arguments: bytes) -> bytes:
    """Call one global again and again: from the second time on the gate knows it."""
    return target + b"\x940(" + b"".join(b"h\0" + one + b"\x85R" for one in arguments) + b"t"


_BODIES: tuple[bytes, ...] = (
    _calls(_DATE, op("SHORT_BINBYTES", b"\x07\xe4\x02\x1d"), op("SHORT_BINBYTES", b"\0\0\1\1"), ONE, text("x")),
    _calls(name("datetime", "time"), op("SHORT_BINBYTES", b"\1\2\3\0\0\1"), op("SHORT_BINBYTES", b"\xff" * 6)),
    _calls(name("datetime", "datetime"), op("SHORT_BINBYTES", b"\x07\xe4\1\2\3\4\5\0\0\1"), op("SHORT_BINBYTES", b"x")),
    _calls(name("decimal", "Decimal"), text("1.5"), text("-"), text("1e9"), text("1.2.3"), text("9" * 60), ONE),
    _calls(name("datetime", "timedelta"), ONE), name("datetime", "timedelta") + b"\x940(h\0)Rh\0(" + ONE * 3 + b"tRt",
    # items into instances, one by one and by the handful, and methods that fail
    new(sample("OnlyAdd")) + b"(" + ONE + ONE + b"\x90", new(sample("OnlyAppend")) + b"(" + ONE + ONE + b"e",
    new(sample("OnlySetitem")) + b"(" + KEY + ONE + b"u", call(sample("Gathered")) + b"(" + ONE + b"\x90",
    call(sample("Gathered")) + b"(]\x90", call(sample("Mapped")) + b"(]" + ONE + b"u", new(sample("Both")) + ONE + b"b",
    new(sample("Appending")) + b"(" + ONE + ONE + b"e", new(sample("Appending")) + ONE + b"a",
    new(sample("Refusing")) + ONE + b"a", new(sample("Refusing")) + KEY + ONE + b"s",
    new(sample("Refusing")) + b"(" + ONE + b"\x90",
    new(sample("Refusing")) + b"}" + KEY + ONE + b"sb", new(sample("Node")) + b"(" + ONE + b"\x90",
    EMPTY_NODE + ONE + b"a",
    EMPTY_NODE + KEY + ONE + b"s", sample("Argued") + b")" + ONE + b"\x92",
    sample("Argued") + b")" + dict_of(ONE, ONE) + b"\x92",
    sample("fail") + b")\x81", sample("fail") + b")}\x92", b"(" + ONE + b"o", b"(o", b"(" + sample("fail") + ONE + b"o",
    sample("Raising") + b")\x81", sample("Raising") + b")R", sample("Raising") + b")}\x92",
    # keys that say no
    b"}" + new(sample("Unkeyed")) + b"Ns", b"\x8f(" + new(sample("Unkeyed")) + b"\x90",
    b"(" + new(sample("Unkeyed")) + b"\x91",
    b"}(" + new(sample("Unequal")) + b"N" + new(sample("Unequal")) + b"Nu",
    b"\x8f(" + new(sample("Unequal")) * 2 + b"\x90",
    b"(" + new(sample("Unequal")) * 2 + b"\x91",
    call(name("builtins", "set"), list_of(new(sample("Unequal")), new(sample("Unequal")))),
    # helpers in other shapes
    *(call(name("builtins", helper), *arguments) for helper in ("set", "frozenset", "bytes", "bytearray", "complex",
    "range", "slice", "object", "type",
      "getattr") for arguments in ((), (ONE,), (text("x"),), (ONE, ONE), (list_of(ONE),), (ONE, ONE, ONE, ONE),
      (text("x"), text("latin1")))),
    *(call(name("_codecs", "encode"), *arguments) for arguments in ((), (text("a"),),
    (text("\u20ac"), text("latin1")), (ONE, ONE), (text("a"), ONE))),
    *(call(name("copyreg", helper), *arguments) for helper in ("_reconstructor", "__newobj__",
    "__newobj_ex__") for arguments in (
        (), (ONE,), (sample("Node"),), (sample("Node"), b")"), (sample("Node"), b")", b"}"),
        (sample("Node"), ONE, ONE), (sample("Argued"), b"]", b"}"),
        (sample("Node"), name("builtins", "object"), ONE), (sample("Listed"), name("builtins", "list"), ONE),
        (sample("Numbered"), name("builtins", "int"), ONE),
        (sample("Worded"), name("builtins", "str"), text("x")),
        (sample("Point"), name("builtins", "tuple"), b"(" + ONE * 2 + b"t"),
        (sample("Failing"), name("builtins", "int"), ONE),
        (sample("Listed"), name("builtins", "list"), call(name("builtins", "range"), number(9))),
        (name("decimal", "Decimal"), name("builtins", "object"), b"N"), (name("builtins", "set"), b"(]t"),
        (name("datetime", "date"), b"(" + ONE * 3 + b"t"),
    )),
    # enumerations
    call(sample("Color"), ONE), call(sample("Color"), number(9)), call(sample("Color"), b")"),
    call(sample("Color"), b"]"), call(sample("Color"), ONE, ONE),
    call(name("http", "HTTPStatus"), number(200)), b"}" + call(sample("Color"), ONE) + b"Ns",
    # state of every kind
    new(sample("Slotted")) + b"N" + dict_of(text("declared"), ONE) + b"\x86b", new(sample("Slotted")) + ONE + b"b",
    new(sample("Slotted")) + b"N]\x86b",
    new(sample("Both")) + dict_of(KEY, ONE) + dict_of(text("slot"), ONE) + b"\x86b", EMPTY_NODE + b"N]\x86b",
    EMPTY_NODE + b"NN\x86b", EMPTY_NODE + b"Nb",
    *(call(name("builtins", error), text("m")) + state + b"b" for error in ("ValueError", "AttributeError",
    "OSError") for state in (
        dict_of(text("args"), b")"), dict_of(text("args"), ONE), dict_of(text("name"), text("n")), dict_of(KEY, ONE),
        b"N", ONE, b"NN\x86",
        dict_of(text("__traceback__"), b"N"), dict_of(text("__cause__"), b"N"), dict_of(ONE, ONE),
        dict_of(text("__notes__"), list_of(text("n"))))),
    new(name("uuid", "UUID")) + dict_of(text("int"), number(2**64)) + b"b",
    new(name("uuid", "UUID")) + dict_of(text("int"), number(2**200)) + b"b",
    call(name("collections", "UserDict")) + dict_of(text("data"), b"}") + b"b",
    call(name("collections", "UserDict")) + dict_of(text("data"), b"]") + b"b",
    # what the machine is asked for and does not have
    *(op(code, argument) for code in ("PUT", "GET") for argument in ("-1", "x", "99", "1" * 50)),
    op("LONG_BINPUT", 9_999_999), op("STRING", "'\\x'"),
    *(b"N" + op("PUT", argument) for argument in ("-1", "x", "99", "1" * 50)), op("INT", "1_0"),
    op("INT", "9" * 5000), op("LONG", "9" * 5000 + "L"),
    op("FLOAT", "x"), op("FLOAT", "1e999"), op("LONG", "x"), op("INT", "x"), op("STRING", "x"),
    op("STRING", "'\\777'"), op("UNICODE", "\\ud800\\"),
    op("PROTO", 9), op("FRAME", 2**60), op("FRAME", 1) + b"N", op("EXT1", 227), op("EXT2", 300), op("EXT4", 70_000),
    op("EXT1", 228), b"(" * 30 + b"N",
    b"N" + op("FRAME", 5) + b".", b"\x90", b"(\x90", b"N(N\x90", b"]" * 40 + b"a" * 39, b"(" * 40 + b"t" * 40,
    b"}" * 9 + b"N" + b"s", b"N" * 50 + b"0" * 49,
    b"](((((((t\x85\x85\x85\x85\x85tttttte", b"]q\x00" + b"]h\x00ah\x00a" * 3 + b"0" * 3,
    b"".join(b"]\x94" for _ in range(30)) + b"a" * 29, b"N" + op("LONG_BINPUT", 2**31 - 1),
    b"(lp0\n" + b"(lp1\ng0\na" + b"a", b"\x80\x02]q\x00(h\x00h\x00e", b"](h\0e", b"]\x94h\0a", b")\x94\x85" * 5,
    b"}\x94" + b"h\0\x85" * 3 + b"0",
    # globals
    name(samples.__name__, ".".join("x" * 40)), name(samples.__name__, "Outer.<locals>.x"),
    name(samples.__name__, "Outer.Missing"), name(samples.__name__, "shared.x"),
    name("no.such.module", "x"), name(samples.__name__, "missing"), op("GLOBAL", samples.__name__, "Outer.Inner"),
    op("GLOBAL", "__builtin__", "xrange"),
    name("builtins", "len") + b"\x85", name("collections", "OrderedDict") + b"\x85", name("uuid", "SafeUUID.safe"),
    ONE + ONE + b"\x93", name("decimal", "Decimal.sqrt.x"), name("no.such.module", "x.y"),
    call(name("datetime", "date"), number(2020), number(1), number(2)), call(name("datetime", "time"), number(1)),
    call(name("datetime", "datetime"), number(2020), number(1), number(2)),
    call(name("datetime", "date"), text("abcd")),
    call(name("datetime", "date"), text("\u20acbcd")), call(name("datetime", "date"), ONE, ONE),
    call(name("datetime", "time"), op("SHORT_BINBYTES", b"\1\2\3\0\0\1"), ONE),
    call(name("datetime", "datetime"), op("SHORT_BINBYTES", b"\x07\xe4\1\2\3\4\5\0\0\1"), ONE),
    call(name("datetime", "datetime"), op("SHORT_BINBYTES", b"\x07\xe4\1\2\3\4\5\0\0\1"), b"N"),
    call(name("datetime", "timedelta"), ONE, ONE, b"N"), call(name("datetime", "timezone"), ONE),
    call(name("datetime", "timezone"), call(name("datetime", "timedelta"), ONE, ONE, ONE), text("z" * 101)),
    call(name("zoneinfo", "ZoneInfo._unpickle"), text("Europe/Vienna"), b"\x88"),
    call(name("zoneinfo", "ZoneInfo._unpickle"), text("../x"), b"\x88"),
    call(name("zoneinfo", "ZoneInfo._unpickle"), text("UTC"), b"\x89"),
    # joblib's headers without what belongs to them
    name("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81}b",
    name("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81", name("joblib.numpy_pickle", "NumpyArrayWrapper") + ONE
    + b"\x85R",
    call(call(name("builtins", "getattr"), sample("Outer"), text("Inner"))),
    call(name("builtins", "getattr"), name("uuid", "SafeUUID"), text("safe")),
    call(name("builtins", "getattr"), sample("Color"), text("RED")),
    call(name("builtins", "getattr"), sample("Color"), text("NONE")),
    call(sample("remade"), call(name("builtins", "range"), number(10**7))), call(sample("remade"), number(2**40)),
    call(sample("Listed"), number(10**9)),
    call(name("collections", "defaultdict"), sample("act")), call(name("collections", "defaultdict"), sample("Node")),
    call(name("collections", "deque"), b"]", b"N"),
    b"\x97\x98", b"\x97", b"\x97\x97\x97\x97\x97", b"\x97\x98\x94h\0\x86", ONE + b"\x98",
    call(name("builtins", "bytearray"), b"\x97"),
)  # fmt: skip


def streams() -> list[bytes]:
    """Return the streams: each body in a few protocols, and some values as picklers write them."""
    found = [pickled(body, proto=protocol) for body in _BODIES for protocol in (2, 4)]
    found += [pickle.dumps(value, protocol) for value in _DATES for protocol in (0, 2, 4, 5)]
    found += [pickled(body, proto=None) for body in _BODIES]
    # Ends of frames, and files that hold more than one pickle.
    found += [b"\x80\x04" + op("FRAME", size) + b"\x8c\x03abc." for size in range(8)]
    found += [b"\x80\x04N.\x80\x04N.", b"N.N.", b".", b"", b"\x80", b"\x80\x04", b"\x80\x04\x95",
    b"\x80\x04" + b"N" * 70_000 + b"."]
    found += [pickle.dumps(["x" * 30_000, b"y" * 9_000], protocol) for protocol in range(6)]
    found += array_files()
    return found


def array_files() -> list[bytes]:
    """Return files of joblib's, whole and cut off, where joblib and numpy are installed."""
    if find_spec("joblib") is None or find_spec("numpy") is None:
        return []
    joblib, np = import_module("joblib"), import_module("numpy")
    values = (
        np.arange(3), [np.ones((2, 2)), "a", np.ones(2)], np.array([1, "a", None], object), np.zeros(0),
        [np.array([np.arange(2), {}], object), [1]], np.asfortranarray(np.ones((2, 3))), np.matrix([[1]]),
        np.arange(2, dtype=">i4"), np.zeros(1, dtype=[("a", ">i4"), ("b", "f8")]),
        {"a": np.arange(2), "b": (np.arange(2),)}, np.array([[1, [2]], [3, 4]], object),
    )  # fmt: skip
    found = []
    ways: tuple[tuple[Any, dict[str, Any]], ...] = (
        *((value, {"protocol": protocol}) for value in values for protocol in (2, 4, 5)),
        *((values[0], {"compress": (kind, 1)}) for kind in ("zlib", "gzip", "bz2")),
    )
    for one, options in ways:
        with io.BytesIO() as file:
            joblib.dump(one, file, **options)
            found.append(file.getvalue())
    return [*found, *(cut for one in found[:9] for cut in (one[:-1], one[: len(one) // 2], one + b"x"))]


_KEY: dict[str, Any] = {
    "id": "a", "algorithm": "hmac-sha256", "state": "signing", "created": 1, "changed": 2,
    "secret": "AwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISI=",
}  # fmt: skip
_NESTED = 'schema = 1\n[[allow]]\nmodule = "a"\nnames = ["C"]\nrights = ["call"]\nargs = [%s]'
_OTHER = {**_KEY, "id": "b", "secret": "CgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCk="}


def _keys(*rows: Any, **more: Any) -> str:
    return json.dumps({"safepickle_keys": 1, "keys": list(rows), **more})


def texts() -> list[bytes]:
    """Return key files and policy files, and what is nearly one."""
    rows = [
        _keys(), _keys(_KEY), _keys(_KEY, {**_OTHER, "state": "retired"}), _keys(_KEY, _OTHER), _keys(_KEY, _KEY),
        _keys(_KEY, {**_KEY, "id": "b", "state": "staged"}), _keys(5), _keys({}), _keys(_KEY, extra=1), "[]", "5",
        "{", '{"a": 1, "a": 2}',
        json.dumps({"safepickle_keys": 2, "keys": []}), json.dumps({"safepickle_keys": True, "keys": []}),
        json.dumps({"safepickle_keys": 1, "keys": {}}), "[" * 5000, "\x00", _keys({**_KEY, "secret": "!!"}),
        _keys({**_KEY, "secret": "AAAA"}),
        *(_keys({**_KEY, field: value}) for field, value in (
            ("id", 5), ("id", "-"), ("algorithm", "md5"), ("state", "lost"), ("created", "x"), ("created", True),
            ("extra", 1), ("changed", 10**400))),
        'schema = 1\nx = """\n[[allow]]\n"""\n[limits]\nmax_bytes = true', "schema = 1\n'a b' = 1",
        'schema = 1\n"\\q" = 1\n[limits]\nmax_x = 1',
        _NESTED % ("{any_of = [" * 14 + '"int"' + "]}" * 14),
        _NESTED % ("{any_of = [" * 400 + '"int"' + "]}" * 400),
        'schema = 1\nextends = ["stdlib"]\n[[alias]]\nfrom = "copy_reg:X"\nto = "a:B"\n',
        'schema = 1\nextends = ["numpy", "stdlib"]\nname = "two"',
    ]  # fmt: skip
    return [row.encode() for row in rows]
