"""Attack streams R01 to R30, as a table; each is refused under `plain` and `stdlib`.

An `Attack` names what must be refused and how. Where the streams of one id differ only in a name, they are
made from a list of names. All streams are our own; where one follows a published case, `source` says which.
Functions that would act are given arguments that do no harm, should a test fail.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator

from attacks.asm import (
    DICT,
    LIST,
    MARK,
    MEMOIZE,
    NEWOBJ_EX,
    NONE,
    OBJ,
    POP,
    POP_MARK,
    PROTO,
    REDUCE,
    TUPLE0,
    blob,
    call,
    dict_of,
    list_of,
    name,
    new,
    number,
    old_name,
    op,
    pickled,
    state,
    text,
    tuple_of,
)
from attacks.expected import MALFORMED, Attack, Expected, denied

Pair = tuple[str, str]


ACT = name("attacks.canary", "act")
ACTED = denied(("attacks.canary", "act"))
CANARY = "attacks.canary"


def called(pair: Pair, *arguments: bytes) -> bytes:
    return pickled(call(name(*pair), *arguments))


# --- 1a Names and resolution --------------------------------------------------------------------------------

DOTTED: tuple[Pair, ...] = (
    ("logging", "os.system"),
    ("random", "_os.system"),
    ("json", "codecs.builtins.exec"),
    ("collections", "abc.sys.modules"),
    ("collections", "OrderedDict.fromkeys"),
    ("collections", "OrderedDict.__init__.__globals__"),
    ("datetime", "sys.modules"),
    ("datetime", "datetime.__class__"),
    ("decimal", "Decimal.__new__"),
    ("builtins", "list.append"),
)

#: From a module that people allow to a function that runs code, by attributes alone (as on 3.8 and 3.13).
REACHABLE: tuple[Pair, ...] = (
    ("uuid", "os.system"),
    ("pathlib", "os.system"),
    ("pathlib", "_local.os.system"),
    ("random", "_os.system"),
    ("statistics", "_random._os.system"),
    ("statistics", "random._os.system"),
    ("enum", "bltns.__import__"),
    ("re", "enum.bltns.eval"),
    ("fractions", "re.enum.bltns.eval"),
    ("string", "_re.enum.bltns.eval"),
    ("base64", "re.enum.bltns.eval"),
    ("textwrap", "re.enum.bltns.eval"),
    ("dataclasses", "inspect.builtins.eval"),
    ("json", "codecs.builtins.eval"),
    ("logging", "os.system"),
    ("contextlib", "os.system"),
    ("queue", "threading._os.system"),
    ("inspect", "os.system"),
    ("calendar", "sys.modules"),
    ("zoneinfo", "_tzpath.os.system"),
    ("ipaddress", "functools.partial"),
    ("decimal", "_decimal.Decimal"),
)

#: As Python 2 wrote it, and what Python 3 calls it.
RENAMED: tuple[tuple[Pair, Pair], ...] = (
    (("__builtin__", "eval"), ("builtins", "eval")),
    (("__builtin__", "reduce"), ("functools", "reduce")),
    (("__builtin__", "unichr"), ("builtins", "chr")),
    (("commands", "getoutput"), ("subprocess", "getoutput")),
    (("cPickle", "loads"), ("pickle", "loads")),
    (("copy_reg", "add_extension"), ("copyreg", "add_extension")),
    (("itertools", "izip"), ("builtins", "zip")),
    (("urllib", "urlopen"), ("urllib.request", "urlopen")),
    (("UserDict", "IterableUserDict.update"), ("collections", "IterableUserDict.update")),
)

NO_DOT: tuple[Pair, ...] = (
    ("collections", "__builtins__"),
    ("collections", "_itemgetter"),
    ("collections", "abc"),
    ("collections", "_sys"),
    ("datetime", "sys"),
    ("datetime", "__builtins__"),
    ("decimal", "__loader__"),
    ("uuid", "os"),
    ("uuid", "__dict__"),
    ("numpy", "__builtins__"),
    ("numpy", "size"),
)

METHODS: tuple[Pair, ...] = (
    ("builtins", "dict.get"),
    ("builtins", "str.format"),
    ("builtins", "object.__subclasses__"),
    ("builtins", "object.__reduce_ex__"),
    ("builtins", "bytes.fromhex"),
    ("builtins", "type.mro"),
    ("datetime", "datetime.strptime"),
    ("pathlib", "Path.unlink"),
    ("uuid", "UUID.__setattr__"),
)

ALIASED: tuple[Pair, ...] = (
    ("__main__", "Thing"),
    ("posix", "system"),
    ("nt", "system"),
    ("_pickle", "loads"),
    ("_io", "FileIO"),
    ("_posixsubprocess", "fork_exec"),
    ("_thread", "start_new_thread"),
    ("_operator", "attrgetter"),
    ("pathlib._local", "os"),
    ("builtins", "builtins"),
)

#: Names that look like an allowed or a famous one. All raw names that a machine must not "repair".
ODD: tuple[Pair, ...] = (
    ("os", "system "),
    ("os ", "system"),
    ("os\r", "system\r"),
    ("os\0", "system"),
    ("OS", "system"),
    ("collections", "OrderedDict "),
    ("collections", "OrderedDict\0"),
    ("collections\r", "OrderedDict\r"),
    ("Collections", "OrderedDict"),
    ("collections", "ordereddict"),
    ("collections.", "OrderedDict"),
    (".collections", "OrderedDict"),
    ("collections", ".OrderedDict"),
    ("collections", "OrderedDict."),
    ("\uff43ollections", "OrderedDict"),
    ("collections", "\u041erderedDict"),
    ("collec\u200btions", "OrderedDict"),
    ("\u202ecollections", "OrderedDict"),
    ("collections", "Ordered\ud800Dict"),
    ("collections", "\x1b[2JOrderedDict"),
    ("collections", "x\nINFO user logged in"),
    ("col", "lections.OrderedDict"),
    ("collections" * 30_000, "OrderedDict"),
    ("collections", "OrderedDict" * 30_000),
)


def _names() -> Iterator[Attack]:
    for pair in DOTTED:
        yield Attack("R01", f"dotted {pair}", pickled(name(*pair)), denied(pair), source="modelscan 89")
        yield Attack("R01", f"dotted text {pair}", pickled(old_name(*pair)), denied(pair), source="nltk 3757")
    for pair in REACHABLE:
        yield Attack("R02", f"reach {pair}", called(pair, text("0")), denied(pair))
    for proto in (0, 3, 5):
        data = PROTO[2] + PROTO[proto] + old_name("collections", "OrderedDict.fromkeys") + b"."
        yield Attack("R03", f"second PROTO {proto}", data, MALFORMED)
    yield Attack("R03", "PROTO after the first opcode", NONE + PROTO[4] + b".", MALFORMED)
    for old, now in RENAMED:
        data = pickled(old_name(*old) + tuple_of(text("0")) + REDUCE, proto=2)
        yield Attack("R04", f"Python 2 name {old}", data, denied(now))
        yield Attack("R04", f"Python 2 name {old}, protocol 0", data[2:], denied(now))
        yield Attack("R04", f"Python 2 name {old}, protocol 4", called(old, text("0")), denied(old))
    for pair in NO_DOT:
        yield Attack("R05", f"without a dot {pair}", pickled(name(*pair)), denied(pair), source="modelscan 330")
    exec_of_builtins = call(call(name("collections", "_itemgetter"), text("exec")), name("collections", "__builtins__"))
    yield Attack(
        "R05",
        "itemgetter over __builtins__",
        pickled(call(exec_of_builtins, text("0"))),
        denied(("collections", "_itemgetter"), ("collections", "__builtins__")),
        source="dirsearch 1073",
    )
    yield from _getattr()
    for pair in METHODS:
        yield Attack("R07", f"method {pair}", called(pair, text("0")), denied(pair))
    landmine = ("attacks.landmine", "Thing")
    yield Attack("R08", "import by STACK_GLOBAL", pickled(name(*landmine)), denied(landmine))
    yield Attack("R08", "import by GLOBAL", pickled(old_name(*landmine), proto=None), denied(landmine))
    yield Attack("R08", "import by INST", pickled(MARK + op("INST", *landmine)), denied(landmine))
    for pair in (("builtins", "__import__"), ("importlib", "import_module"), ("__builtin__", "__import__")):
        yield Attack("R08", f"import by {pair}", called(pair, text("attacks.landmine")), denied(pair))
    for pair in (
        ("collections.landmine", "Thing"),
        ("xml.dom.minidom", "parseString"),
        ("datetime.datetime", "now"),
    ):
        yield Attack("R08", f"submodule of a module in use {pair}", pickled(name(*pair)), denied(pair))
    for pair in ALIASED:
        # The pack `stdlib` knows one of them as another name of pathlib, and denies that one.
        stdlib = denied(("pathlib", "os")) if pair[0] == "pathlib._local" else None
        yield Attack("R09", f"alias {pair}", pickled(name(*pair)), denied(pair), stdlib)
    for number_, pair in enumerate(ODD):
        yield Attack("R10", f"odd name {number_}", pickled(name(*pair)), denied(pair))
        if "\n" not in pair[0] + pair[1]:
            yield Attack("R10", f"odd name {number_} in text", pickled(old_name(*pair)), _odd_in_text(pair))
    yield Attack("R10", "blank in a text name", pickled(old_name("os system", "x")), denied(("os system", "x")))
    for pair in (("", ""), ("collections", ""), ("", "OrderedDict")):
        yield Attack("R10", f"empty name {pair}", pickled(name(*pair)), MALFORMED)
    for pair in (
        ("collections.OrderedDict", "fromkeys"),
        ("collections.abc", "x"),
    ):
        yield Attack("R11", f"another split {pair}", pickled(name(*pair)), denied(pair))


def _odd_in_text(pair: Pair) -> Expected:
    """GLOBAL's lines are UTF-8, which has no lone surrogates."""
    return MALFORMED if any("\ud800" <= c <= "\udfff" for c in pair[0] + pair[1]) else denied(pair)


def _getattr() -> Iterator[Attack]:
    getattr_ = name("builtins", "getattr")
    cases = {
        "as a value": getattr_,
        "for a dunder of a value": call(getattr_, number(1), text("__class__")),
        "for a method of a value": call(getattr_, text("{}"), text("format")),
        "for a method of a dict": call(getattr_, DICT, text("get")),
        "of a class": call(getattr_, name("collections", "OrderedDict"), text("fromkeys")),
        "for globals": call(getattr_, name("collections", "OrderedDict"), text("__init__")),
        "for subclasses": call(getattr_, name("builtins", "object"), text("__subclasses__")),
        "with a default": call(getattr_, name("collections", "OrderedDict"), text("x"), NONE),
        "in Python 2": call(old_name("__builtin__", "getattr"), DICT, text("get")),
        "of a module": call(getattr_, name("collections", "abc"), text("sys")),
        "with a dotted name": call(getattr_, name("collections", "OrderedDict"), text("__init__.__globals__")),
    }
    for title, body in cases.items():
        data = pickled(body, proto=2 if "Python 2" in title else 4)
        yield Attack("R06", f"getattr {title}", data, denied(), source="agent-framework 5923, modelaudit 1662")
    walk = getattr_ + tuple_of(ACT, text("__globals__")) + REDUCE
    yield Attack("R06", "getattr for __globals__", pickled(walk), ACTED)


# --- 1b Calls -----------------------------------------------------------------------------------------------

SINKS: tuple[tuple[Pair, bytes], ...] = (
    ((CANARY, "act"), text("0")),
    (("os", "system"), text("true")),
    (("posix", "system"), text("true")),
    (("builtins", "eval"), text("0")),
    (("builtins", "exec"), text("0")),
    (("builtins", "compile"), text("0")),
    (("builtins", "open"), text("/nonexistent")),
    (("builtins", "__import__"), text("attacks.landmine")),
    (("subprocess", "Popen"), text("true")),
    (("subprocess", "getoutput"), text("true")),
    (("runpy", "run_path"), text("/nonexistent")),
    (("webbrowser", "open"), text("about:blank")),
)

#: Callables that call, resolve or make other callables, with harmless arguments.
DRIVERS: tuple[tuple[Pair, bytes], ...] = (
    (("functools", "partial"), ACT),
    (("functools", "reduce"), ACT + list_of(number(1), number(2))),
    (("builtins", "map"), ACT + list_of(number(1))),
    (("builtins", "filter"), ACT + list_of(number(1))),
    (("builtins", "sorted"), list_of(number(1))),
    (("itertools", "starmap"), ACT + list_of(TUPLE0)),
    (("itertools", "accumulate"), list_of(number(1)) + ACT),
    (("timeit", "timeit"), text("0")),
    (("cProfile", "run"), text("0")),
    (("operator", "methodcaller"), text("clear")),
    (("operator", "attrgetter"), text("__class__")),
    (("operator", "itemgetter"), text("x")),
    (("operator", "call"), ACT),
    (("pkgutil", "resolve_name"), text("attacks.landmine:Thing")),
    (("pydoc", "locate"), text("attacks.landmine.Thing")),
    (("importlib", "import_module"), text("attacks.landmine")),
    (("types", "FunctionType"), NONE + DICT),
    (("types", "MethodType"), ACT + NONE),
    (("types", "CodeType"), NONE),
    (("types", "new_class"), text("X")),
    (("builtins", "type"), text("X") + TUPLE0 + dict_of(text("__del__"), ACT)),
    (("builtins", "property"), ACT),
    (("weakref", "finalize"), LIST + ACT),
    (("atexit", "register"), ACT),
    (("concurrent.futures.thread", "ThreadPoolExecutor"), number(1)),
)

CONSTRUCTORS: tuple[tuple[Pair, bytes], ...] = (
    (("logging", "FileHandler"), text("/nonexistent/x")),
    (("sqlite3", "connect"), text(":memory:")),
    (("_sqlite3", "Connection"), text(":memory:")),
    (("io", "FileIO"), text("/nonexistent")),
    (("_io", "open"), text("/nonexistent")),
    (("subprocess", "Popen"), text("true")),
    (("tempfile", "NamedTemporaryFile"), b""),
    (("socket", "socket"), b""),
    (("threading", "Thread"), b""),
    (("ctypes", "CDLL"), NONE),
)

PROCESS: tuple[tuple[Pair, bytes], ...] = (
    (("sys", "exit"), b""),
    (("os", "_exit"), number(9)),
    (("os", "abort"), b""),
    (("faulthandler", "_sigsegv"), b""),
    (("sys", "setrecursionlimit"), number(1000)),
    (("random", "seed"), number(1)),
    (("logging", "disable"), number(0)),
    (("gc", "disable"), b""),
    (("builtins", "exit"), b""),
    (("builtins", "quit"), b""),
    (("builtins", "SystemExit"), number(9)),
    (("builtins", "KeyboardInterrupt"), b""),
)

#: Callables that real pickles need, with arguments that no pickler gives them. The result must be a refusal.
ABUSED: tuple[tuple[str, Pair, bytes], ...] = (
    ("to rot13", ("_codecs", "encode"), text("x") + text("rot13")),
    ("to zlib", ("_codecs", "encode"), blob(b"x") + text("zlib")),
    ("to punycode", ("_codecs", "encode"), text("x") + text("punycode")),
    ("to utf-16", ("_codecs", "encode"), text("x") + text("utf-16")),
    ("to a codec to be imported", ("_codecs", "encode"), text("x") + text("landmine")),
    ("with an error handler", ("_codecs", "encode"), text("x\u20ac") + text("latin1") + text("replace")),
    ("of an int", ("_codecs", "encode"), number(1) + text("latin1")),
    ("without an encoding", ("_codecs", "encode"), text("x")),
    ("of a size", ("builtins", "bytes"), op("LONG1", (10**10).to_bytes(5, "little"))),
    ("of a size", ("builtins", "bytearray"), op("LONG1", (10**10).to_bytes(5, "little"))),
    ("of a small size", ("builtins", "bytearray"), number(1)),
    ("of a str", ("builtins", "bytes"), text("x") + text("utf-16")),
    ("of a lazy range", ("builtins", "set"), call(name("builtins", "range"), number(10**8))),
    ("of a lazy range", ("builtins", "frozenset"), call(name("builtins", "range"), number(10**8))),
    ("of a lazy range", ("builtins", "bytearray"), call(name("builtins", "range"), number(100))),
    ("of a lazy range", ("builtins", "list"), call(name("builtins", "range"), number(10**8))),
    ("of three", ("builtins", "type"), text("X") + TUPLE0 + DICT),
    ("of an int", ("builtins", "type"), number(1)),
    ("of a list", ("builtins", "type"), LIST),
    ("of a type", ("builtins", "type"), call(name("builtins", "type"), NONE)),
    ("of a name", ("builtins", "type"), name("collections", "OrderedDict")),
    ("of two", ("builtins", "set"), LIST + LIST),
    ("of a text", ("builtins", "range"), text("x")),
    ("of a float", ("builtins", "range"), op("BINFLOAT", 1.0)),
    ("of a step of 0", ("builtins", "range"), number(0) + number(1) + number(0)),
    ("of nothing", ("builtins", "range"), b""),
    ("of two", ("builtins", "slice"), number(1) + number(2)),
    ("of ints", ("builtins", "complex"), number(1) + number(2)),
    ("of text", ("builtins", "complex"), text("1") + text("2")),
    ("of an int", ("builtins", "set"), number(1)),
    ("of an int", ("builtins", "frozenset"), number(1)),
)

RECONSTRUCTED: tuple[tuple[str, Pair, bytes], ...] = (
    (
        "a denied class",
        ("copyreg", "_reconstructor"),
        name(CANARY, "Loud") + name("builtins", "object") + NONE,
    ),
    (
        "a denied base",
        ("copyreg", "_reconstructor"),
        name("builtins", "object") + name(CANARY, "Loud") + NONE,
    ),
    ("no class", ("copyreg", "_reconstructor"), number(1) + name("builtins", "object") + NONE),
    (
        "an abused base",
        ("copyreg", "_reconstructor"),
        name("builtins", "bytearray") + name("builtins", "bytearray") + number(10**8),
    ),
    (
        "in Python 2",
        ("copy_reg", "_reconstructor"),
        name(CANARY, "Loud") + name("__builtin__", "object") + NONE,
    ),
    ("__newobj__", ("copyreg", "__newobj__"), name(CANARY, "Loud")),
    ("__newobj_ex__", ("copyreg", "__newobj_ex__"), name(CANARY, "Loud") + TUPLE0 + DICT),
    ("add_extension", ("copyreg", "add_extension"), text(CANARY) + text("act") + number(77)),
    ("pickle", ("copyreg", "pickle"), name("builtins", "int") + ACT),
    ("constructor", ("copyreg", "constructor"), ACT),
)

NESTED: tuple[Pair, ...] = (
    ("pickle", "loads"),
    ("_pickle", "loads"),
    ("pickle", "Unpickler"),
    ("marshal", "loads"),
    ("dill", "loads"),
    ("cloudpickle", "loads"),
    ("joblib", "load"),
    ("numpy", "load"),
    ("torch", "load"),
    ("torch.storage", "_load_from_bytes"),
    ("pandas", "read_pickle"),
    ("shelve", "open"),
    ("multiprocessing.reduction", "_rebuild_partial"),
)

LIBRARIES: tuple[Pair, ...] = (
    ("numpy.testing._private.utils", "runstring"),
    ("numpy.f2py.diagnose", "run_command"),
    ("numpy.f2py.crackfortran", "getlincoef"),
    ("numpy.distutils.exec_command", "exec_command"),
    ("numpy", "size"),
    ("pandas.io.pickle", "read_pickle"),
    ("pandas.io.parsers.readers", "read_csv"),
    ("pandas", "eval"),
    ("torch.utils.collect_env", "run"),
    ("torch.hub", "load"),
    ("multiprocessing.util", "spawnv_passfds"),
    ("joblib", "load"),
    ("nltk.data", "load"),
)

NUMPY: tuple[Pair, ...] = (
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.numeric", "_frombuffer"),
)


def _calls() -> Iterator[Attack]:
    for pair, argument in SINKS:
        roads = {
            "REDUCE": call(name(*pair), argument),
            "INST": MARK + argument + op("INST", *pair),
            "OBJ": MARK + name(*pair) + argument + OBJ,
            "NEWOBJ": new(name(*pair), argument),
            "NEWOBJ_EX": name(*pair) + tuple_of(argument) + DICT + NEWOBJ_EX,
        }
        for road, body in roads.items():
            yield Attack("R20", f"{pair} by {road}", pickled(body), denied(pair))
    hidden = {
        "POP": call(ACT) + POP + NONE,
        "POP_MARK": MARK + call(ACT) + POP_MARK + NONE,
        "a key": dict_of(call(ACT), number(1)),
        "a memo entry": call(ACT) + MEMOIZE + POP + number(7),
        "an item": list_of(number(1), call(ACT)),
        "BUILD state": state(LIST, text("x"), call(ACT)),
    }
    for title, body in hidden.items():
        yield Attack("R21", f"result hidden as {title}", pickled(body), ACTED, source="fickling GHSA-mxhj-88fx-4pcv")
    for id_, table in (("R22", DRIVERS), ("R23", CONSTRUCTORS), ("R25", PROCESS)):
        for pair, arguments in table:
            yield Attack(id_, f"{pair}", called(pair, arguments), denied(pair))
    for title, pair, arguments in ABUSED:
        yield Attack("R26", f"{pair} {title}", called(pair, arguments), denied())
    for title, pair, arguments in RECONSTRUCTED:
        data = pickled(call(name(*pair) if pair[0] != "copy_reg" else old_name(*pair), arguments), proto=2)
        yield Attack("R27", f"{pair} {title}", data, denied())
    inner = pickle.dumps([1])
    for pair in NESTED:
        yield Attack("R28", f"{pair}", called(pair, blob(inner)), denied(pair))
    for pair in LIBRARIES:
        yield Attack("R29", f"{pair}", called(pair, text("0")), denied(pair), source="vega 228, ragflow 1240")
    for pair in NUMPY:
        body = call(name(*pair), NONE, tuple_of(number(1)), blob(b"b"))
        yield Attack("R30", f"{pair}", pickled(state(body, text("x"), NONE)), denied(pair), source="numpy 21009, 30476")


ATTACKS: tuple[Attack, ...] = (*_names(), *_calls())
