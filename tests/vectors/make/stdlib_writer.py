"""Writes the vectors of one interpreter as JSON lines on stdout; runs on Python 2.7 and 3.8 to 3.13.

    python stdlib_writer.py > one.jsonl

Rules: no dependencies; values are built anew for each pickle, so that reference counts and interning
do not depend on what was pickled before; a value this Python lacks is skipped, one that a protocol cannot
express is skipped there. Each line: group, name, protocol, implementation (C or python), form (plain or
optimized), python, repr, b64.
"""
# ruff: noqa
from __future__ import print_function

import base64
import io
import json
import os
import pickle
import pickletools
import platform
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import vector_classes as vc  # noqa: E402

PY2 = sys.version_info[0] == 2
if PY2:
    import cPickle
    import copy_reg as copyreg
else:
    import copyreg

for entry in vc.EXTENSIONS:
    copyreg.add_extension(*entry)

VALUES = []  # (group, name, factory), in the order of the file


def value(group, name=None):
    def register(factory):
        VALUES.append((group, name or factory.__name__, factory))
        return factory

    return register


def constants(group, **named):
    for name in sorted(named):
        VALUES.append((group, name, lambda kept=named[name]: kept))


def called(group, **named):
    for name in sorted(named):
        VALUES.append((group, name, named[name]))


# ---- plain: built-in data types ----------------------------------------------------------------------

INTS = (
    0, 1, 10, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**62,
    2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**127, 10**30, 2**1015, 2**1023, 2**2040, 10**700,
)
for number in INTS:
    label = "int_%d" % number if number < 2**65 else "int_bits%d" % number.bit_length()
    constants("plain", **{label: number, label.replace("int_", "int_minus_"): -number - 1})

constants(
    "plain",
    none=None, true=True, false=False,
    float_zero=0.0, float_minus_zero=-0.0, float_one=1.0, float_tenth=0.1, float_pi=3.141592653589793,
    float_big=1.7976931348623157e308, float_small=5e-324, float_negative=-1.5e-7,
    float_inf=float("inf"), float_minus_inf=float("-inf"), float_nan=float("nan"), float_exact=1e22,
    text_empty=u"", text_a=u"a", text_ascii=u"hello, world", text_newline=u"line\nnext\r\n\ttab\\back\\u0041",
    text_quotes=u"it's \"quoted\"", text_latin=u"caf\xe9 \xff\x80", text_bmp=u"\u0416\u4e2d\u20ac",
    text_astral=u"\U0001f40d\U0010ffff", text_nul=u"a\x00b\x1a\x7f", text_255=u"x" * 255, text_256=u"x" * 256,
    text_256_bytes=u"\xe9" * 128, text_long=u"long \u20ac " * 120, text_lone_high=u"\ud800",
    text_lone_low=u"a\udc80b", text_line_separators=u"\x1c\x1d\x85\u2028\u2029",
    tuple_0=(), tuple_1=(1,), tuple_2=(1, 2), tuple_3=(1, 2, 3), tuple_4=(1, 2, 3, 4),
    tuple_nested=((), ((),), (((1,),),)), tuple_long=tuple(range(30)),
    complex_number=complex(1.5, -2.0), complex_nan=complex(float("nan"), float("inf")),
    ellipsis=Ellipsis, not_implemented=NotImplemented,
)
if not PY2:
    constants(
        "plain",
        bytes_empty=b"", bytes_one=b"x", bytes_all=bytes(bytearray(range(256))), bytes_255=b"b" * 255,
        bytes_256=b"b" * 256, bytes_lines=b"a\nb\r\n'\"\\",
    )

called(
    "plain",
    bytearray_empty=lambda: bytearray(), bytearray_some=lambda: bytearray(b"abc\x00\xff"),
    bytearray_long=lambda: bytearray(range(256)) * 3,
    list_empty=lambda: [], list_one=lambda: [1], list_two=lambda: [1, u"two"],
    list_nested=lambda: [[], [[]], [[[1]], {}], ()],
    list_bools=lambda: [True, False, None, 1, 0],
    list_999=lambda: list(range(999)), list_1000=lambda: list(range(1000)),
    list_1001=lambda: list(range(1001)), list_2500=lambda: [n % 7 for n in range(2500)],
    dict_empty=lambda: {}, dict_one=lambda: {u"k": 1}, dict_two=lambda: {u"a": 1, u"b": [2]},
    dict_300=lambda: dict((u"key%d" % n, n) for n in range(300)),
    dict_1001=lambda: dict((n, None) for n in range(1001)),
    dict_keys=lambda: {1: 1, 2.5: 2, u"s": 3, (1, u"t"): 4, None: 5, frozenset([1]): 6},
    set_empty=lambda: set(), set_some=lambda: set([1, 2, 3]), set_1001=lambda: set(range(1001)),
    frozenset_empty=lambda: frozenset(), frozenset_some=lambda: frozenset([u"a", 1, None]),
    frozenset_nested=lambda: frozenset([frozenset([1]), frozenset()]),
    set_of_tuples=lambda: set([(1, 2), (u"a",)]),
    slice_all=lambda: slice(1, None, 2), slice_none=lambda: slice(None),
)
if not PY2:
    called("plain", range_some=lambda: range(1, 10, 3), range_empty=lambda: range(0), range_big=lambda: range(2**40))


@value("plain")
def list_shared():
    inner = [1]
    return [inner, inner, (inner, u"x")]


@value("plain")
def text_shared():
    text = u"".join([u"sha", u"red"])
    return [text, text, {text: text}]


@value("plain")
def tuple_shared():
    inner = (1, (2, 3))
    return (inner, inner, [inner])


@value("plain")
def equal_not_shared():
    return [[1], [1], tuple([1, 2]), tuple([1, 2])]


@value("plain")
def frozenset_shared():
    inner = frozenset([1, 2])
    return [inner, inner]


@value("plain")
def set_shared():
    inner = set([1])
    return (inner, inner)


@value("plain")
def bytearray_shared():
    inner = bytearray(b"xy")
    return [inner, inner]


@value("plain")
def list_cyclic():
    a = []
    a.append(a)
    return a


@value("plain")
def dict_cyclic():
    d = {}
    d[u"self"] = d
    return d


@value("plain")
def tuple_cyclic():
    a = []
    t = (a,)
    a.append(t)
    return t


@value("plain")
def tuple_cyclic_long():
    d = {}
    t = (1, 2, 3, 4, d)
    d[u"t"] = t
    return t


@value("plain")
def tuple_cyclic_from_list():
    a = []
    a.append((a, 1))
    return a


@value("plain")
def cyclic_mixed():
    a = []
    d = {u"list": a}
    a.append((d, [a, d]))
    return d


@value("plain")
def deep_100():
    top = []
    for _ in range(100):
        top = [top]
    return top


@value("plain")
def memo_over_256():
    shared = [[n] for n in range(300)]
    return shared + shared


@value("plain")
def records():
    return [
        {u"id": n, u"name": u"user%d" % n, u"score": n / 4.0, u"tags": [u"a", u"b"], u"active": n % 2 == 0,
         u"parent": None}
        for n in range(40)
    ]


if not PY2:

    @value("plain")
    def bytes_shared():
        data = b"".join([b"ab", b"cd"])
        return [data, data]

    @value("plain")
    def frame_over_64k():
        """Past the pickler's frame size: several frames, and a large object outside of any."""
        return [u"%05d" % n * 4 for n in range(3500)]

    @value("plain")
    def frame_then_large_bytes():
        return [1, b"\x07" * 66000, u"after"]

    @value("plain")
    def frame_then_large_text():
        return (u"z" * 66000, 2)


# ---- stdlib: what people keep in caches -----------------------------------------------------------------

import array
import collections
import datetime
import decimal
import fractions
import uuid

called(
    "stdlib",
    none_type=lambda: type(None), class_list=lambda: [int, list, dict, set, frozenset, complex, object],
    class_datetime=lambda: datetime.datetime,
    date=lambda: datetime.date(2024, 2, 29), date_min=lambda: datetime.date.min, date_max=lambda: datetime.date.max,
    time=lambda: datetime.time(23, 59, 58, 999999), datetime_naive=lambda: datetime.datetime(2024, 2, 29, 12, 30, 1, 5),
    datetime_high_bytes=lambda: datetime.datetime(2024, 12, 31, 23, 59, 59, 999999),
    datetime_list=lambda: [datetime.datetime(2024, 1, d) for d in range(1, 6)],
    timedelta=lambda: datetime.timedelta(-1, 5, 7), timedelta_max=lambda: datetime.timedelta.max,
    decimal=lambda: decimal.Decimal("1.50"), decimal_negative_zero=lambda: decimal.Decimal("-0E+3"),
    decimal_nan=lambda: decimal.Decimal("NaN"), decimal_inf=lambda: decimal.Decimal("-Infinity"),
    fraction=lambda: fractions.Fraction(-3, 7),
    uuid4=lambda: uuid.UUID("12345678-1234-4678-9234-567812345678"),
    uuid_zero=lambda: uuid.UUID(int=0),
    ordered_dict=lambda: collections.OrderedDict([(u"b", 1), (u"a", 2)]),
    ordered_dict_empty=lambda: collections.OrderedDict(),
    deque_plain=lambda: collections.deque([1, u"x", None]), deque_maxlen=lambda: collections.deque([1, 2, 3], 2),
    deque_empty=lambda: collections.deque(), counter=lambda: collections.Counter({u"a": 2, u"b": 1}),
    counter_empty=lambda: collections.Counter(),
    array_int=lambda: array.array("i", [1, -2, 3]), array_double=lambda: array.array("d", [0.5, -0.0]),
    array_bytes=lambda: array.array("B", [0, 255]), array_empty=lambda: array.array("h"),
    error_value=lambda: ValueError(u"bad", 3), error_key=lambda: KeyError(u"k"),
    error_zero_division=lambda: ZeroDivisionError(u"division by zero"),
    error_os=lambda: OSError(2, u"No such file"), error_stop=lambda: StopIteration(5),
    error_unicode=lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
)


@value("stdlib")
def defaultdict_int():
    d = collections.defaultdict(int)
    d[u"n"] += 3
    return d


@value("stdlib")
def defaultdict_list():
    d = collections.defaultdict(list)
    d[u"n"].append(3)
    return d


@value("stdlib")
def defaultdict_none():
    return collections.defaultdict(None, {1: 2})


@value("stdlib")
def deque_cyclic():
    d = collections.deque()
    d.append(d)
    return d


@value("stdlib")
def ordered_dict_cyclic():
    d = collections.OrderedDict()
    d[u"self"] = d
    return d


@value("stdlib")
def cache_entry():
    return {
        u"when": datetime.datetime(2020, 5, 17, 3, 4), u"price": decimal.Decimal("9.99"),
        u"key": uuid.UUID(int=2**127 + 1), u"days": [datetime.date(2020, 5, d) for d in (1, 2)],
        u"totals": collections.OrderedDict([(u"x", fractions.Fraction(1, 3))]),
    }


@value("stdlib")
def error_with_attributes():
    error = RuntimeError(u"failed")
    error.extra = [1, 2]
    return error


@value("stdlib")
def deque_1001():
    return collections.deque(range(1001))


if not PY2:
    import enum
    import http
    import ipaddress
    import pathlib
    import types

    TZ = datetime.timezone
    called(
        "stdlib",
        timezone_utc=lambda: TZ.utc, timezone_offset=lambda: TZ(datetime.timedelta(hours=5, minutes=30)),
        timezone_named=lambda: TZ(datetime.timedelta(hours=-3), "BRT"),
        datetime_utc=lambda: datetime.datetime(2024, 2, 29, 12, 30, tzinfo=TZ.utc),
        datetime_offset=lambda: datetime.datetime(1999, 1, 1, tzinfo=TZ(datetime.timedelta(hours=2))),
        datetime_fold=lambda: datetime.datetime(2021, 10, 31, 2, 30, fold=1),
        time_fold=lambda: datetime.time(2, 30, fold=1), time_utc=lambda: datetime.time(1, 2, tzinfo=TZ.utc),
        pure_posix_path=lambda: pathlib.PurePosixPath("/a/b", "c.txt"), pure_posix_empty=lambda: pathlib.PurePosixPath(),
        pure_windows_path=lambda: pathlib.PureWindowsPath("c:\\a\\b.txt"),
        path=lambda: pathlib.Path("/tmp/x"),
        ipv4_address=lambda: ipaddress.IPv4Address("192.0.2.1"), ipv6_address=lambda: ipaddress.IPv6Address("2001:db8::1"),
        ipv6_scoped=lambda: ipaddress.ip_address("fe80::1%eth0"),
        ipv4_network=lambda: ipaddress.ip_network("192.0.2.0/24"), ipv6_network=lambda: ipaddress.ip_network("2001:db8::/32"),
        ipv4_interface=lambda: ipaddress.ip_interface("192.0.2.1/24"),
        namespace=lambda: types.SimpleNamespace(a=1, b=[2]), namespace_empty=lambda: types.SimpleNamespace(),
        chain_map=lambda: collections.ChainMap({"a": 1}, {"b": 2}),
        user_dict=lambda: collections.UserDict(a=1), user_list=lambda: collections.UserList([1, 2]),
        user_string=lambda: collections.UserString("abc"),
        http_status=lambda: http.HTTPStatus.NOT_FOUND, http_status_list=lambda: [http.HTTPStatus.OK, http.HTTPStatus(500)],
        uuid_safe=lambda: uuid.UUID(int=5, is_safe=uuid.SafeUUID.safe), uuid_enum=lambda: uuid.SafeUUID.unsafe,
        error_os_file=lambda: FileNotFoundError(2, "No such file", "/x"), error_connection=lambda: ConnectionResetError(104, "reset"),
        error_import=lambda: ImportError("no", name="n", path="p"), error_stop_async=lambda: StopAsyncIteration(),
        singleton_types=lambda: [type(Ellipsis), type(NotImplemented)],
        array_unicode=lambda: array.array("u", "a\u20ac"), array_float=lambda: array.array("f", [1.0, 0.5]),
        array_long_long=lambda: array.array("q", [2**62, -1]),
        range_in_dict=lambda: {"r": range(3), "s": slice(1, 2)},
    )
    for name in ("zoneinfo", "zoneinfo_datetime"):
        try:
            import zoneinfo

            zoneinfo.ZoneInfo("Europe/Berlin")
        except Exception:
            break
        if name == "zoneinfo":
            called("stdlib", zoneinfo=lambda: zoneinfo.ZoneInfo("Europe/Berlin"))
        else:
            called(
                "stdlib",
                zoneinfo_datetime=lambda: datetime.datetime(2024, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
            )


# ---- classes: instances of vector_classes -----------------------------------------------------------------


def _made(cls, **attributes):
    self = cls.__new__(cls)
    for name in sorted(attributes):
        setattr(self, name, attributes[name])
    return self


def _with(self, **attributes):
    for name in sorted(attributes):
        setattr(self, name, attributes[name])
    return self


called(
    "classes",
    old=lambda: vc.Old(5), old_list=lambda: [vc.Old(n) for n in range(3)], old_arguments=lambda: vc.OldWithArguments(1, u"two"),
    old_state=lambda: vc.OldWithState(7), new=lambda: vc.New([1]), new_list=lambda: [vc.New(n) for n in range(4)],
    slotted_dict=lambda: _made(vc.SlottedWithDict, x=1, z=3), with_state=lambda: vc.WithState(9),
    new_arguments=lambda: vc.WithNewArguments(1, u"b"), my_list=lambda: _with(vc.MyList([1, 2]), tag=u"t"),
    my_dict=lambda: _with(vc.MyDict(a=1), tag=u"t"), my_set=lambda: vc.MySet([1, 2]), my_int=lambda: _with(vc.MyInt(300), tag=1),
    my_text=lambda: vc.MyText(u"abc"), my_tuple=lambda: vc.MyTuple((1, 2)), my_float=lambda: vc.MyFloat(2.5),
    my_error=lambda: vc.MyError(u"m", 4), class_new=lambda: vc.New, class_list=lambda: [vc.Old, vc.New, vc.Slotted],
    function=lambda: vc.a_function, extension_1=lambda: vc.Extension1(), extension_2=lambda: vc.Extension2(),
    extension_4=lambda: [vc.Extension4, vc.Extension4()],
)
if not PY2:
    called(
        "classes",
        nested_class=lambda: vc.Outer.Inner, nested_instance=lambda: vc.Outer.Inner(3), nested_deeper=lambda: vc.Outer.Inner.Deeper(),
        method_descriptor=lambda: str.join, bound_builtin=lambda: [].append, class_method=lambda: dict.fromkeys,
        function_len=lambda: len,
        keywords=lambda: vc.WithKeywords(1, b=2), keywords_only=lambda: vc.WithKeywords(k=u"v"),
    )


@value("classes")
def slotted():
    return _made(vc.Slotted, x=1, y=[2])


@value("classes")
def reducing():
    made = vc.Reducing(1)
    made.extend([1, 2, 3])
    made[u"k"] = 1
    made[u"l"] = 2
    return made


@value("classes")
def new_cyclic():
    made = vc.New()
    made.x = made
    return made


@value("classes")
def new_cyclic_through_list():
    made = vc.New([])
    made.x.append(made)
    return [made, made.x]


@value("classes")
def my_list_cyclic():
    made = vc.MyList()
    made.append(made)
    return made


@value("classes")
def new_shared_state():
    shared = {u"a": 1}
    return [vc.New(shared), vc.New(shared), shared]


# ---- python2: what only Python 2 writes --------------------------------------------------------------------

if PY2:
    import Queue  # noqa: F401
    import UserDict
    import UserList
    import cookielib
    import xmlrpclib

    constants(
        "python2",
        str_empty="", str_ascii="native", str_high="caf\xc3\xa9", str_binary="".join(map(chr, range(256))),
        str_lines="a\nb'c\"\\d", str_255="x" * 255, str_256="x" * 256,
        long_zero=long(0), long_one=long(1), long_negative=long(-1), long_byte=long(255), long_big=2**70,
        long_huge=-(3**400),
        int_max=sys.maxint, int_min=-sys.maxint - 1, mixed_keys={"a": u"a", u"b": "b", long(1): 1},
        mixed_list=["s", u"u", 1, long(1), 1.5, None, True], type_names=(str, unicode, long, int, float, bool, basestring),
        none_type=type(None), old_classes=[vc.Old, vc.OldWithState],
        function_unichr=unichr, function_map=[map, zip, range, xrange, reduce, intern],
    )
    called(
        "python2",
        xrange_some=lambda: xrange(1, 10, 3), xrange_list=lambda: [xrange(3), xrange(0)],
        user_dict=lambda: UserDict.UserDict({"a": 1}), iterable_user_dict=lambda: UserDict.IterableUserDict({"a": 1}),
        user_list=lambda: UserList.UserList([1, 2]), xmlrpc_binary=lambda: xmlrpclib.Binary("data"),
        xmlrpc_datetime=lambda: xmlrpclib.DateTime("20240229T12:00:00"),
        bytearray_text=lambda: bytearray("caf\xe9"),
        error_standard=lambda: StandardError("x"), error_io=lambda: IOError(2, "No such file", "name"),
        error_environment=lambda: EnvironmentError(1, "no"),
        cookie=lambda: cookielib.Cookie(0, "n", "v", None, False, "d", True, False, "/", True, False, None, True, None, None, {}),
        datetime_str=lambda: {"when": datetime.datetime(2024, 12, 31, 23, 59), "day": datetime.date(2024, 2, 29)},
        old_nested=lambda: vc.Old(vc.Old({"k": vc.OldWithState(1)})), record=lambda: [{"id": n, "name": "user%d" % n} for n in range(5)],
        set_str=lambda: set(["a", "b"]),
    )

    @value("python2")
    def str_shared():
        text = "".join(["sha", "red"])
        return [text, text, {text: 1}]

    @value("python2")
    def old_cyclic():
        made = vc.Old()
        made.x = made
        return made


# ---- writing --------------------------------------------------------------------------------------------


def implementations():
    if PY2:
        return (("C", cPickle.dumps, 2), ("python", pickle.dumps, 2))
    return (("C", pickle.dumps, pickle.HIGHEST_PROTOCOL), ("python", pickle._dumps, pickle.HIGHEST_PROTOCOL))


def short_repr(obj):
    try:
        text = repr(obj)
    except Exception as error:
        return "no repr: %s" % type(error).__name__
    text = re.sub(" at (0x)?[0-9a-f]{6,}", "", text)
    if PY2:
        text = text.decode("latin-1")
    text = text.encode("ascii", "backslashreplace").decode("ascii")
    return text if len(text) <= 80 else text[:77] + "..."


def emit(group, name, protocol, implementation, form, data, text):
    line = {
        "group": group, "name": name, "protocol": protocol, "implementation": implementation, "form": form,
        "python": platform.python_version(), "repr": text, "b64": base64.b64encode(data).decode("ascii"),
    }
    print(json.dumps(line, sort_keys=True))


def persistent():
    """A pickle with persistent ids: text ones (PERSID) at protocol 0, any object (BINPERSID) above."""
    for implementation, _, highest in implementations():
        for protocol in range(highest + 1):
            if PY2:
                base = cPickle.Pickler if implementation == "C" else pickle.Pickler
                out = io.BytesIO()
                pickler = base(out, protocol)
                pickler.persistent_id = lambda obj: "id-%s" % obj.x if type(obj) is vc.New else None
            else:
                base = pickle.Pickler if implementation == "C" else pickle._Pickler

                class Writer(base):
                    def persistent_id(self, obj):
                        return "id-%s" % obj.x if type(obj) is vc.New else None

                out = io.BytesIO()
                pickler = Writer(out, protocol)
            pickler.dump([vc.New(1), {u"k": vc.New(2)}, 3])
            yield protocol, implementation, out.getvalue()


def out_of_band():
    """Buffers left out of the stream (protocol 5): the reader must be given them."""
    if PY2:
        return
    for implementation, dumps, highest in implementations():
        if highest >= 5:
            kept = []
            obj = [pickle.PickleBuffer(b"read only"), pickle.PickleBuffer(bytearray(b"writable"))]
            yield 5, implementation, dumps(obj, 5, buffer_callback=kept.append)


def in_band():
    if PY2:
        return
    for implementation, dumps, highest in implementations():
        if highest >= 5:
            obj = [pickle.PickleBuffer(b"read only"), pickle.PickleBuffer(bytearray(b"writable"))]
            yield 5, implementation, dumps(obj, 5)


def main():
    for group, name, factory in VALUES:
        for implementation, dumps, highest in implementations():
            for protocol in range(highest + 1):
                try:
                    data = dumps(factory(), protocol)
                except Exception as error:
                    print("%s %s p%d %s: %r" % (group, name, protocol, implementation, error), file=sys.stderr)
                    continue
                text = short_repr(factory())
                emit(group, name, protocol, implementation, "plain", data, text)
                optimized = pickletools.optimize(data)
                if optimized != data:
                    emit(group, name, protocol, implementation, "optimized", optimized, text)
    for protocol, implementation, data in persistent():
        emit("special", "persistent_ids", protocol, implementation, "plain", data, "New(1) and New(2) by id")
    for protocol, implementation, data in out_of_band():
        emit("special", "buffers_out_of_band", protocol, implementation, "plain", data, "two buffers left out")
    for protocol, implementation, data in in_band():
        emit("plain", "buffers_in_band", protocol, implementation, "plain", data, "two PickleBuffers inside")


if __name__ == "__main__":
    main()
