"""Known gadgets: globals that turn an allowlist into code execution, with the reason for each.

Rules that hold here:

* This table never *allows* anything and nothing relies on it being complete: a global that no rule names is
  denied anyway. It catches the policy author's mistake (S4a): naming ``functools.partial`` hands over more than it
  says.
* Entries are data: an exact pair, or a whole module none of whose globals is data. Submodules are listed
  themselves; there is no prefix matching.

Sources: attacks R05-R07, R20-R29 (fickling, picklescan and modelscan advisories), the torch ``weights_only`` list.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["GADGETS", "GADGET_MODULES", "gadget_reason"]

_RUNS = "runs code or programs"
_RESOLVES = "resolves names to any object"
_DRIVES = "calls whatever callable it is given"
_NESTED = "unpickles its argument with plain pickle"
_PROCESS = "changes or ends the process"
_FILES = "opens, writes or deletes files"
_NETWORK = "opens connections"
_OLD_JOBLIB = "unpickles the file that its state names, for files of joblib before 0.10: dump those again"
_CODECS = "decompresses without bound and imports codecs"
_REGISTRY = "changes how every later pickle is loaded"


def _pairs(module: str, names: str, reason: str) -> dict[tuple[str, str], str]:
    return {(module, name): reason for name in names.split()}


#: Exact globals.
GADGETS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        **_pairs("builtins", "eval exec compile breakpoint execfile", _RUNS),
        **_pairs("builtins", "getattr setattr delattr hasattr vars globals locals dir __import__", _RESOLVES),
        **_pairs("builtins", "map filter sorted max min iter next sum any all reduce apply", _DRIVES),
        **_pairs("builtins", "open input print", _FILES),
        **_pairs("builtins", "exit quit help memoryview", _PROCESS),
        **_pairs("builtins", "type super property classmethod staticmethod", "makes classes or binds methods"),
        **_pairs("functools", "partial partialmethod reduce cached_property singledispatch wraps", _DRIVES),
        **_pairs("operator", "attrgetter itemgetter methodcaller call", _RESOLVES),
        **_pairs("_operator", "attrgetter itemgetter methodcaller call", _RESOLVES),
        **_pairs("itertools", "starmap accumulate takewhile dropwhile filterfalse groupby", _DRIVES),
        **_pairs("collections", "__builtins__ _itemgetter namedtuple", _RESOLVES),
        **_pairs("types", "FunctionType CodeType LambdaType MethodType new_class ModuleType", _RUNS),
        **_pairs("pickle", "load loads _load _loads Unpickler _Unpickler", _NESTED),
        **_pairs("_pickle", "load loads Unpickler", _NESTED),
        **_pairs("joblib", "load", _NESTED),
        **_pairs("joblib.numpy_pickle", "load", _NESTED),
        **_pairs("joblib.numpy_pickle", "NDArrayWrapper ZNDArrayWrapper", _OLD_JOBLIB),
        **_pairs("joblib.numpy_pickle_compat", "NDArrayWrapper ZNDArrayWrapper", _OLD_JOBLIB),
        **_pairs("numpy", "load", _NESTED),
        **_pairs("numpy", "loadtxt fromfile memmap save savez", _FILES),
        **_pairs("numpy", "__builtins__ size", _RESOLVES),
        **_pairs("numpy.testing._private.utils", "runstring rundocs", _RUNS),
        **_pairs("numpy.f2py.diagnose", "run_command", _RUNS),
        **_pairs("numpy.f2py.crackfortran", "getlincoef myeval", _RUNS),
        **_pairs("numpy.distutils.exec_command", "exec_command _exec_command", _RUNS),
        **_pairs("pandas", "read_pickle", _NESTED),
        **_pairs("pandas", "eval", _RUNS),
        **_pairs("pandas.io.pickle", "read_pickle", _NESTED),
        **_pairs("torch", "load", _NESTED),
        **_pairs("torch.storage", "_load_from_bytes", _NESTED),
        **_pairs("torch.utils.collect_env", "run run_and_read_all", _RUNS),
        **_pairs("torch.hub", "load", _RUNS),
        **_pairs("logging", "FileHandler", _FILES),
        **_pairs("logging", "config disable", _PROCESS),
        **_pairs("logging.config", "dictConfig fileConfig listen", _RUNS),
        **_pairs("codecs", "open", _FILES),
        **_pairs("codecs", "decode encode", _CODECS),
        **_pairs("_codecs", "decode", _CODECS),
        **_pairs("random", "seed setstate", _PROCESS),
        **_pairs("copyreg", "add_extension remove_extension clear_extension_cache pickle constructor", _REGISTRY),
        **_pairs("copyreg", "dispatch_table _extension_cache _inverted_registry _extension_registry", _REGISTRY),
    }
)

#: Modules none of whose globals belongs into a pickle of data.
GADGET_MODULES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            "os posix nt subprocess _posixsubprocess pty commands popen2 multiprocessing.util "
            "code codeop timeit cProfile profile pdb bdb trace doctest runpy webbrowser antigravity "
            "ctypes _ctypes cffi distutils.spawn setuptools pip asyncio.unix_events asyncio.subprocess "
            "venv ensurepip pip._internal pydoc lib2to3.pgen2.pgen idlelib.pyshell".split(),
            _RUNS,
        ),
        **dict.fromkeys(
            "importlib importlib._bootstrap importlib.util imp pkgutil inspect zipimport".split(), _RESOLVES
        ),
        **dict.fromkeys("shelve marshal dill cloudpickle cPickle".split(), _NESTED),
        **dict.fromkeys("sys faulthandler signal gc atexit threading _thread site resource".split(), _PROCESS),
        **dict.fromkeys("shutil tempfile io _io fileinput glob tarfile zipfile sqlite3 dbm".split(), _FILES),
        **dict.fromkeys(
            "socket ssl urllib.request http.client ftplib smtplib telnetlib xmlrpc.client socketserver "
            "http.server".split(),
            _NETWORK,
        ),
    }
)


def gadget_reason(module: str, name: str) -> str | None:
    """Return why a global is a known gadget, or None where it is not known as one."""
    reason = GADGET_MODULES.get(module)
    if reason is not None:
        return reason
    return GADGETS.get((module, name))
