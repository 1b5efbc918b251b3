"""Hazards: callables that hand over more than their rule says, with a reason and a source for each.

Known gadgets (:mod:`.gadgets`) are refused by the engine whatever a file lists. What stands here is not refused: some
program may have a use for it. But an author should know what naming it means, so ``policy lint`` says it, and ``policy
learn`` never allows what is marked ``danger``.

Rules that hold here:

* Entries are data: an exact pair, or a whole module. There is no prefix matching.
* ``danger``: it resolves names, calls what it is given, unpickles, opens, decompresses. ``bound``: a few bytes of
  arguments make it take any amount of memory or time; it belongs into a policy with constrained arguments only.
* Nothing relies on the table being complete: what no rule names is denied.

Sources: attack ids (R22, D15, ...) of this project's catalogue, advisories, and the libraries' own code.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from .contracts import CONTRACTS
from .gadgets import GADGETS, gadget_reason

__all__ = ["BOUND", "DANGER", "HAZARDS", "HAZARD_MODULES", "Hazard", "hazard_of", "is_bounded"]

Pair = tuple[str, str]

DANGER, BOUND = "danger", "bound"


class Hazard(NamedTuple):
    """What naming a global means beyond what its name says."""

    #: ``danger`` or ``bound``.
    kind: str
    reason: str
    source: str


def _pairs(module: str, names: str, kind: str, reason: str, source: str) -> dict[Pair, Hazard]:
    hazard = Hazard(kind, reason, source)
    return {(module, name): hazard for name in names.split()}


_RESOLVES = "resolves names: it hands out objects that no rule names"
_DRIVES = "calls what it is given, now or later"
_NESTED = "unpickles its argument with plain pickle, beyond every policy"
_FILES = "reads or writes files that its arguments name"
_NETWORK = "opens connections"
_CODE = "makes or runs code from its arguments"
_MEMORY = "a few bytes of arguments ask for any amount of memory"
_TIME = "a few bytes of arguments ask for any amount of time"
_INFLATES = "decompresses: 486 kB become 500 MB"

#: Exact globals.
HAZARDS: Mapping[Pair, Hazard] = MappingProxyType(
    {
        # -- the standard library: names, calls, code
        **_pairs(
            "copyreg",
            "_reconstructor",
            DANGER,
            "calls __new__ and __init__ of any class that it is given; the form that picklers write needs no rule",
            "R27; the machine emulates it",
        ),
        **_pairs(
            "_codecs", "encode", DANGER,
            "any codec, some slow, some imported by name; the form that picklers write needs no rule", "R26, D17",
        ),
        **_pairs("builtins", "str.format str.format_map", DANGER, "walks attributes of what it formats", "R07"),
        **_pairs("builtins", "enumerate zip reversed", DANGER, _DRIVES, "R22"),
        **_pairs("operator", "getitem setitem delitem index length_hint contains", DANGER, _DRIVES, "R22, R60"),
        **_pairs("_operator", "getitem setitem delitem index length_hint contains", DANGER, _DRIVES, "R22, R60"),
        **_pairs("functools", "update_wrapper cmp_to_key lru_cache cache total_ordering", DANGER, _DRIVES, "R22"),
        **_pairs("itertools", "chain.from_iterable tee zip_longest", DANGER, _DRIVES, "R22"),
        **_pairs("itertools", "repeat count cycle product permutations combinations", BOUND, _MEMORY, "D15"),
        **_pairs("weakref", "finalize ref proxy WeakMethod", DANGER, "calls a callback later", "R22, R66"),
        **_pairs("contextlib", "ExitStack AsyncExitStack closing contextmanager suppress", DANGER, _DRIVES, "R22"),
        **_pairs("dataclasses", "make_dataclass field", DANGER, _CODE, "make_dataclass ends in exec()"),
        **_pairs("typing", "NamedTuple ForwardRef get_type_hints", DANGER, _CODE, "ForwardRef is evaluated"),
        **_pairs("enum", "EnumMeta EnumType", DANGER, "makes classes", "R22"),
        **_pairs("abc", "ABCMeta", DANGER, "makes classes", "R22"),
        **_pairs("string", "Formatter", DANGER, "walks attributes of what it formats", "R07"),
        **_pairs("unittest.mock", "Mock MagicMock patch", DANGER, _DRIVES, "R22"),
        **_pairs("sched", "scheduler", DANGER, _DRIVES, "R22"),
        **_pairs("concurrent.futures", "ThreadPoolExecutor ProcessPoolExecutor", DANGER, _DRIVES, "R22"),
        **_pairs("multiprocessing", "Process Pool", DANGER, _DRIVES, "R22"),
        **_pairs("multiprocessing.connection", "Client Listener rebuild_connection", DANGER, _NESTED, "R28"),
        **_pairs("asyncio", "run", DANGER, _DRIVES, "R22"),
        **_pairs("uuid", "getnode uuid1", DANGER, "may start programs to learn the network address", "uuid.py"),
        **_pairs("ctypes.util", "find_library", DANGER, "starts a compiler or ldconfig", "ctypes/util.py"),
        **_pairs("linecache", "getline getlines updatecache", DANGER, _FILES, "fickling's bypass list"),
        **_pairs("zoneinfo", "ZoneInfo.from_file", DANGER, _FILES, "zoneinfo"),
        **_pairs("time", "sleep", BOUND, _TIME, "R25"),
        **_pairs("re", "compile _compile", BOUND, "a short pattern may take for ever, to compile or to match", "D19"),
        **_pairs("zlib", "decompress decompressobj", DANGER, _INFLATES, "D18"),
        **_pairs("bz2", "decompress", DANGER, _INFLATES, "D18"),
        **_pairs("lzma", "decompress", DANGER, _INFLATES, "D18"),
        **_pairs("gzip", "decompress", DANGER, _INFLATES, "D18"),
        **_pairs("gzip", "open GzipFile", DANGER, _FILES, "R23"),
        **_pairs("bz2", "open BZ2File", DANGER, _FILES, "R23"),
        **_pairs("lzma", "open LZMAFile", DANGER, _FILES, "R23"),
        **_pairs("builtins", "bytearray bytes", BOUND, _MEMORY, "D15: bytearray(10**10) is 25 bytes long"),
        **_pairs("builtins", "range list tuple set frozenset dict", BOUND, "unfolds a range of any length", "D15"),
        **_pairs("builtins", "pow", BOUND, _TIME, "D19"),
        **_pairs("builtins", "int str", BOUND, _TIME, "D11"),
        **_pairs("operator", "mul imul pow ipow lshift concat iconcat", BOUND, _MEMORY, "D19"),
        **_pairs("_operator", "mul imul pow ipow lshift concat iconcat", BOUND, _MEMORY, "D19"),
        **_pairs("math", "factorial comb perm", BOUND, _TIME, "D19"),
        **_pairs("decimal", "Decimal", BOUND, _TIME, "D19: int(Decimal('1E999999999')) never ends"),
        **_pairs("fractions", "Fraction", BOUND, _TIME, "D19: Fraction('1e100000000')"),
        **_pairs("array", "array", BOUND, _MEMORY, "D15: array('b', range(10**9))"),
        **_pairs("collections", "deque Counter OrderedDict", BOUND, "unfolds a range of any length", "D15"),
        # -- numpy
        **_pairs(
            "numpy", "genfromtxt recfromtxt recfromcsv fromregex DataSource", DANGER, _FILES, "numpy/lib; R28"
        ),
        **_pairs("numpy.lib.npyio", "load NpzFile", DANGER, _NESTED, "R28"),
        **_pairs("numpy.lib.npyio", "DataSource loadtxt genfromtxt", DANGER, _FILES, "R28"),
        **_pairs("numpy.lib._npyio_impl", "load NpzFile", DANGER, _NESTED, "R28"),
        **_pairs("numpy.lib._npyio_impl", "loadtxt genfromtxt", DANGER, _FILES, "R28"),
        **_pairs("numpy.lib.format", "read_array open_memmap", DANGER, _NESTED, "R28: read_array(allow_pickle=True)"),
        **_pairs("numpy.core.memmap", "memmap", DANGER, _FILES, "R29"),
        **_pairs("numpy._core.memmap", "memmap", DANGER, _FILES, "R29"),
        **_pairs(
            "numpy", "vectorize frompyfunc apply_along_axis apply_over_axes piecewise fromfunction fromiter",
            DANGER, _DRIVES, "R29",
        ),
        **_pairs("numpy", "ctypeslib", DANGER, "loads shared libraries", "R29"),
        **{
            (module, name): Hazard(BOUND, "the shape that it is given is allocated; wrong state may crash", "R30")
            for module in ("numpy.core.multiarray", "numpy._core.multiarray")
            for name in ("_reconstruct", "empty", "zeros", "arange")
        },
        **_pairs("numpy", "ndarray", BOUND, "the shape that it is given is allocated; wrong state may crash", "R30"),
        **_pairs(
            "numpy", "zeros ones empty full arange linspace logspace tile repeat eye identity broadcast_to pad indices",
            BOUND, _MEMORY, "D15",
        ),
        **_pairs("numpy.ma.core", "_mareconstruct", BOUND, "the shape that it is given is allocated", "R30"),
        # -- pandas
        **_pairs(
            "pandas",
            "read_csv read_table read_json read_html read_xml read_excel read_hdf read_parquet read_sql read_feather "
            "read_stata read_sas read_orc read_fwf HDFStore ExcelFile",
            DANGER, _FILES, "R29",
        ),
        **_pairs("pandas.compat.pickle_compat", "load loads Unpickler", DANGER, _NESTED, "R28"),
        **_pairs("pandas.core.computation.eval", "eval", DANGER, _CODE, "R29"),
        **_pairs("pandas.core.frame", "DataFrame.eval DataFrame.query", DANGER, _CODE, "R29"),
        **_pairs("pandas", "date_range period_range timedelta_range interval_range", BOUND, _MEMORY, "D15"),
        # -- scikit-learn, scipy, joblib
        **_pairs("sklearn.datasets", "load_files fetch_openml load_svmlight_file", DANGER, _FILES, "R29"),
        **_pairs("scipy.io", "loadmat readsav mmread", DANGER, _FILES, "R29"),
        **_pairs("scipy.sparse", "load_npz", DANGER, _FILES, "R28"),
        **_pairs("joblib", "Memory Parallel delayed dump", DANGER, _DRIVES, "R22"),
        **_pairs("joblib.memory", "Memory MemorizedFunc MemorizedResult", DANGER, _NESTED, "R28: it loads its cache"),
        **_pairs("joblib.numpy_pickle_utils", "_read_fileobject", DANGER, _FILES, "R28"),
        **_pairs("joblib.parallel", "Parallel BatchedCalls", DANGER, _DRIVES, "R22"),
        # -- torch
        **_pairs("torch.serialization", "load _load _legacy_load", DANGER, _NESTED, "R28, CVE-2025-32434"),
        **_pairs("torch.jit", "load", DANGER, _CODE, "R28"),
        **_pairs("torch.jit._serialization", "load", DANGER, _CODE, "R28"),
        **_pairs("torch._tensor", "_rebuild_from_type_v2", DANGER, _DRIVES, "calls the function in its arguments"),
        **_pairs("torch._utils", "_rebuild_wrapper_subclass", DANGER, _DRIVES, "torch/_utils.py"),
        **_pairs(
            "torch.fx.graph_module", "reduce_graph_module reduce_package_graph_module", DANGER, _CODE,
            "it executes the source that it is given",
        ),
        **_pairs("torch.package.package_importer", "PackageImporter", DANGER, _CODE, "torch.package"),
        **_pairs(
            "torch._utils", "_rebuild_tensor _rebuild_tensor_v2 _rebuild_sparse_tensor", BOUND,
            "sizes, strides and offset beyond the storage", "CVE-2026-24747",
        ),
        # -- frameworks
        **_pairs("django.utils.module_loading", "import_string", DANGER, _RESOLVES, "R22"),
        **_pairs("django.db.models.base", "model_unpickle", DANGER, _RESOLVES, "it takes any model by name"),
        **_pairs("werkzeug.utils", "import_string", DANGER, _RESOLVES, "R22"),
        **_pairs("celery.utils.imports", "symbol_by_name instantiate import_from_cwd", DANGER, _RESOLVES, "R22"),
        **_pairs("kombu.serialization", "loads pickle_loads", DANGER, _NESTED, "R28"),
        **_pairs("kombu.utils.imports", "symbol_by_name", DANGER, _RESOLVES, "R22"),
        **_pairs("sqlalchemy.ext.serializer", "loads Deserializer", DANGER, _NESTED, "R28"),
        **_pairs("jinja2.environment", "Template Environment", DANGER, _CODE, "templates reach attributes"),
        **_pairs("jinja2", "Template Environment", DANGER, _CODE, "templates reach attributes"),
        **_pairs("sympy", "sympify parse_expr", DANGER, _CODE, "sympify ends in eval()"),
        **_pairs("sympy.core.sympify", "sympify", DANGER, _CODE, "sympify ends in eval()"),
        **_pairs("pkg_resources", "load_entry_point EntryPoint run_script", DANGER, _RESOLVES, "R22"),
        **_pairs("importlib.metadata", "EntryPoint entry_points", DANGER, _RESOLVES, "EntryPoint.load() imports"),
        **_pairs("importlib.resources", "open_text read_text files", DANGER, _FILES, "R22"),
        **_pairs("keras.models", "load_model model_from_json", DANGER, _CODE, "Lambda layers hold code"),
        **_pairs("nltk.data", "load find", DANGER, _FILES, "nltk 3757"),
        **_pairs("mlflow.pyfunc", "load_model", DANGER, _NESTED, "R28"),
        **_pairs("yaml", "load unsafe_load full_load", DANGER, _CODE, "YAML tags call Python"),
        **_pairs("requests", "get post request Session", DANGER, _NETWORK, "R23"),
    }
)  # fmt: skip

#: Modules of which every global is a hazard.
HAZARD_MODULES: Mapping[str, Hazard] = MappingProxyType(
    {
        **dict.fromkeys(
            "cloudpickle.cloudpickle cloudpickle.cloudpickle_fast joblib.externals.cloudpickle.cloudpickle "
            "joblib.externals.cloudpickle ray.cloudpickle.cloudpickle pyspark.cloudpickle.cloudpickle".split(),
            Hazard(DANGER, "makes functions, classes and modules from what it is given", "cloudpickle; R22"),
        ),
        **dict.fromkeys(
            ["dill._dill", "dill.session"],
            Hazard(DANGER, "makes functions, classes and modules from what it is given", "dill; R22"),
        ),
        "logging.handlers": Hazard(DANGER, "opens files and connections", "R23"),
        "torch.multiprocessing.reductions": Hazard(DANGER, "opens shared memory and files by name", "torch; R23"),
        "multiprocessing.reduction": Hazard(DANGER, "opens file descriptors, rebuilds connections", "R23"),
        "multiprocessing.managers": Hazard(DANGER, _NETWORK, "R23; its proxies unpickle"),
        "encodings": Hazard(DANGER, "imports codecs by name", "R26"),
        "imaplib": Hazard(DANGER, _NETWORK, "R23"),
        "poplib": Hazard(DANGER, _NETWORK, "R23"),
        "ast": Hazard(DANGER, "parses code of any size", "R22"),
        "platform": Hazard(DANGER, "starts programs", "R22"),
    }
)


def hazard_of(module: str, name: str) -> Hazard | None:
    """Return what naming a global means, or None where nothing is known against it; known gadgets included."""
    reason = gadget_reason(module, name)
    if reason is not None:
        source = "R22 to R29" if (module, name) in GADGETS else "a module that holds no data; R20 to R29"
        return Hazard(DANGER, f"known gadget: {reason}", source)
    return HAZARDS.get((module, name)) or HAZARD_MODULES.get(module)


def is_bounded(module: str, name: str) -> bool:
    """Return whether safepickle itself bounds what a global is given, whichever policy lists it."""
    return (module, name) in CONTRACTS or (module, name) in _BOUNDED_BY_THE_GATE


#: Numbers as sizes are refused, ranges are paid for before they are unfolded, and the right shapes are emulated.
_BOUNDED_BY_THE_GATE = frozenset(("builtins", name) for name in ("bytearray", "bytes", "range", "set", "frozenset"))
