"""Oracles: what tells that a load did more than make data, or took more than it paid for.

    with watched() as acts: ...        # imports, files, processes, canaries: `acts` is empty, or it is a finding
    check_contents(value, policy)      # nothing in a value that the policy does not let appear
    check_within(data, value, limits)  # a value that was let through is within the limits, measured anew
    measured(load)                     # memory and processor time of one load
    check_references(load)             # nothing is kept after repeats

Rules that hold here:

* An oracle knows nothing of how the machine works: it measures the data, the value and the process.
* One audit hook is installed for the life of the process, because hooks cannot be removed; it looks only while armed
  and only at the thread that armed it.
* Each oracle is itself tested: `python -m fuzz faults` takes checks out of a copy of the package, and every one of
  them must be found.
"""

from __future__ import annotations

import enum
import gc
import sys
import threading
import time
import tracemalloc
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fuzz import samples
from fuzz.assembly import split
from fuzz.outcomes import Finding
from safepickle.errors import SafePickleError
from safepickle.policy import packs
from safepickle.policy.rules import Policy, Right
from safepickle.wire.opcodes import BY_BYTE

# -- the tripwire --------------------------------------------------------------------------------------------------

#: Audit events that no load of data causes, by their first words.
EVENTS = (
    "import", "open", "exec", "compile", "code.__new__", "function.__new__", "marshal.", "subprocess.", "os.", "pty.",
    "socket.", "ctypes.", "shutil.", "sqlite3.", "urllib.", "webbrowser.", "ftplib.", "smtplib.", "tempfile.",
    "builtins.input", "gc.get_objects", "gc.get_referrers", "signal.", "sys.settrace", "sys.setprofile",
    "sys._getframe", "pickle.find_class", "object.__setattr__", "type.__setattr__", "copyreg.", "syslog.",
)  # fmt: skip
_PACKS = Path(packs.__file__).resolve().parents[2] / "policies"
#: Files that a time zone is read from, and modules of the package's own that are loaded late.
_HARMLESS = ("zoneinfo", "tzdata", "safepickle", str(_PACKS))

_armed: list[int] = []
_seen: list[str] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if not _armed or not event.startswith(EVENTS) or threading.get_ident() not in _armed:
        return
    subject = ascii(arguments[0])[:200] if arguments else ""
    if not any(word in subject for word in _HARMLESS):
        _seen.append(f"{event} {subject}")


_installed: list[bool] = []


def install() -> None:
    """Put the audit hook in place, once."""
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_hook)


@contextmanager
def watched(what: str) -> Iterator[None]:
    """Watch the block; anything that acts in it is a finding of *what*."""
    install()
    modules = len(sys.modules)
    _seen.clear()
    _armed.append(threading.get_ident())
    try:
        yield
    finally:
        _armed.clear()
    if _seen:
        raise Finding(f"{what} acted: {_seen[0].split(' ')[0]}", "; ".join(_seen[:5]))
    if len(sys.modules) != modules and not all("safepickle" in name for name in list(sys.modules)[modules:]):
        raise Finding(f"{what} imported", ", ".join(list(sys.modules)[modules:])[:200])
    acted = samples.disturbed()
    if acted is not None:
        raise Finding(f"{what} reached a canary: {acted.split(';')[0]}", acted)


# -- what a value may hold -----------------------------------------------------------------------------------------

_PLAIN = frozenset({
    int, bool, float, complex, str, bytes, bytearray, memoryview, list, tuple, dict, set, frozenset, range, slice,
    type(None), type(Ellipsis), type(NotImplemented), object,
})  # fmt: skip
_SINGLETON_TYPES = frozenset({type(None), type(Ellipsis), type(NotImplemented)})


def walk(value: Any, most: int = 100_000) -> Iterator[tuple[Any, int]]:
    """Give every object in a value once, with its depth where it is first met."""
    seen = {id(value)}
    level: list[Any] = [value]
    keep = []
    depth = 0
    while level and len(seen) < most:
        depth += 1
        below: list[Any] = []
        for item in level:
            yield item, depth
            for part in _held(item):
                if id(part) not in seen:
                    seen.add(id(part))
                    below.append(part)
        keep.append(level)
        level = below


def _held(item: Any) -> list[Any]:
    kind = type(item)
    if kind in (list, tuple, set, frozenset):
        return list(item)
    if kind is dict:
        return [*item.keys(), *item.values()]
    if kind is slice:
        return [item.start, item.stop, item.step]
    if kind in _PLAIN or isinstance(item, (type, enum.Enum)):
        # What hangs on a class or on a member of an enumeration was there before.
        return []
    held: list[Any] = []
    with suppress(AttributeError):
        held.append(object.__getattribute__(item, "__dict__"))
    if isinstance(item, (list, tuple)):
        held += list.__iter__(item) if isinstance(item, list) else tuple.__iter__(item)
    elif isinstance(item, dict):
        held += [part for pair in dict.items(item) for part in pair]
    return held


def check_contents(value: Any, policy: Policy) -> None:
    """Hold a value to what its policy lets appear: no module, no function or class without `refer`, no hooks."""
    for item, _ in walk(value):
        kind = type(item)
        if kind in _PLAIN:
            if kind is dict and any(type(key) is str and key.startswith("__") and key.endswith("__") for key in item):
                continue
            continue
        if kind in samples.NEVER or any(item is never for never in samples.NEVER):
            raise Finding("a known gadget as a value", ascii(kind.__name__))
        if isinstance(item, types.ModuleType):
            raise Finding("a module as a value", item.__name__)
        if kind.__module__.startswith(("safepickle", "_safepickle")) and not isinstance(item, type):
            raise Finding("an object of the machine's own as a value", kind.__name__)
        if isinstance(item, (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType)):
            if item in _SINGLETON_TYPES or _is_made(item):
                continue
            pair = (str(item.__module__), item.__qualname__)
            if not _may(policy, pair, Right.REFER):
                raise Finding("a global as a value without the right to appear", ":".join(pair))
            continue
        pair = (kind.__module__, kind.__qualname__)
        if kind.__module__ == samples.__name__ and not _may(policy, pair, Right.CALL | Right.NEW):
            raise Finding("an instance of a class that no rule lets be made", ":".join(pair))
        if not isinstance(item, (BaseException, enum.Enum)):
            _check_attributes(item, kind)


def _is_made(item: Any) -> bool:
    """Return whether a function was made by a call, as `ipaddress` does for an instance: no stream can say its name."""
    if type(item) is not types.FunctionType or "<locals>" not in item.__qualname__:
        return False
    return not any(item is known for known in vars(sys.modules[item.__module__]).values())


def _may(policy: Policy, pair: tuple[str, str], rights: Right) -> bool:
    # Any alias of the global may have been what the rule names.
    rule = policy.lookup(*pair)
    if rule is None and pair[0] != samples.__name__:
        last = pair[1].rpartition(".")[2]
        return any(name.rpartition(".")[2] == last for module, name in policy.rules if module != samples.__name__)
    return rule is not None and bool(rule.rights & rights)


def _check_attributes(item: Any, kind: type) -> None:
    try:
        attributes = object.__getattribute__(item, "__dict__")
    except AttributeError:
        return
    for key in attributes:
        if type(key) is not str:
            raise Finding("an attribute whose name is no str", f"{kind.__name__} {type(key).__name__}")
        if key.startswith("__") and key.endswith("__"):
            raise Finding("an attribute that is a hook", f"{kind.__name__} {key!a:.50}")


def is_plain_id(value: Any, policy: Policy) -> bool:
    """Return whether a value is text, a number, or a flat tuple of them and of classes that may appear."""
    scalars = (str, bytes, int, float, bool, type(None))
    if type(value) is not tuple:
        return type(value) in scalars
    return all(
        type(part) in scalars
        or (isinstance(part, type) and _may(policy, (part.__module__, part.__qualname__), Right.REFER))
        for part in value
    )


# -- limits, measured anew -----------------------------------------------------------------------------------------

_CALLS = frozenset({"REDUCE", "OBJ", "INST", "NEWOBJ", "NEWOBJ_EX"})


def check_within(data: bytes, value: Any, limits: Any) -> None:
    """Hold a value that was let through to the limits."""
    _over("max_bytes", len(data), limits.max_bytes)
    names = [BY_BYTE[piece[0]].name for piece in split(data) if piece[0] in BY_BYTE]
    _over("max_opcodes", len(names), limits.max_opcodes)
    _over("max_memo", sum(name in _MEMO for name in names), limits.max_memo)
    _over("max_calls", sum(name in _CALLS for name in names), limits.max_calls)
    depth = objects = work = 0
    for item, level in walk(value):
        kind = type(item)
        if kind in (dict, set, frozenset):
            work += _check_keys(item)
        if kind in (list, dict, set, frozenset, tuple):
            # Empty tuples are one object that nobody makes.
            objects += kind not in (tuple, frozenset) or bool(item)
            depth = max(depth, level - _is_nobodys(item))
            if kind is not tuple:
                _over("max_items", len(item), limits.max_items)
        elif kind in (str, bytes, bytearray):
            size = len(item.encode("utf-8", "surrogatepass")) if kind is str else len(item)
            # The limit is for bytes as written: Latin-1 in a line of text takes two in UTF-8. What a call makes of a
            # str may be longer still.
            _over("max_string", size, limits.max_string * (4 if kind is not str else 2))
        elif kind is int:
            _over("max_int_bits", item.bit_length(), limits.max_int_bits)
    _over("max_objects", objects, limits.max_objects)
    _over("max_hash_work", work, limits.max_hash_work)
    if not any(name in ("GET", "BINGET", "LONG_BINGET", "DUP") for name in names):
        # With sharing, what is met first on a short way may be deeper on another.
        _over("max_depth", depth, limits.max_depth)
    elif shortest_depth(value) > limits.max_depth:
        _over("max_depth", shortest_depth(value), limits.max_depth)
    _over("max_memory", sum(_size(item) for item, _ in walk(value)), limits.max_memory)


def is_call(data: bytes) -> bool:
    """Return whether a stream may call anything, give state, or put an instance's items in."""
    return any(BY_BYTE[piece[0]].name in (*_CALLS, "BUILD") for piece in split(data) if piece[0] in BY_BYTE)


def check_keys(value: Any) -> None:
    """Hold the keys of every container in a value to their bounds."""
    for item, _ in walk(value):
        if type(item) in (dict, set, frozenset):
            _check_keys(item)


#: Keys of one hash that one container may have, and how deep a key may be: more crashes or stalls the interpreter.
EQUAL_HASHES, KEY_DEPTH = 64, 250


def _check_keys(container: Any) -> int:
    """Hold keys to their bounds, and return how many parts hashing them has visited at least."""
    hashes: dict[int, int] = {}
    work = 0
    for key in container:
        if type(key) is int:
            hashes[hash(key)] = hashes.get(hash(key), 0) + 1
        elif type(key) in (tuple, frozenset):
            parts = list(walk(key, 2_000))
            # Every element of every tuple in it; what is shared is visited again and again, and counted once here.
            work += 1 + sum(len(part) for part, _ in parts if type(part) in (tuple, frozenset))
            _over("the depth of a key", max(level for _, level in parts), KEY_DEPTH)
    _over("keys of one hash", max(hashes.values(), default=0), EQUAL_HASHES)
    return work


_MEMO = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})


def _size(item: Any) -> int:
    """Return what an object holds of memory for sure."""
    if isinstance(item, (str, bytes, bytearray)):
        return len(item)
    return 8 * len(item) if type(item) in (list, tuple, dict, set, frozenset) else 0


def shortest_depth(value: Any) -> int:
    """Return a depth that a value has on the shortest ways: never more than its real depth."""
    kinds = (list, dict, set, tuple, frozenset)
    return max((depth - _is_nobodys(item) for item, depth in walk(value) if type(item) in kinds), default=0)


def _is_nobodys(item: Any) -> bool:
    """Return whether an item is one of the empty containers that are one object for all, and no level of anything."""
    return type(item) in (tuple, frozenset) and not item


def _over(limit: str, found: int, bound: int | None) -> None:
    if bound is not None and found > bound:
        raise Finding(f"{limit} was exceeded", f"{found} of {bound}")


# -- memory and time -----------------------------------------------------------------------------------------------


def measured(load: Callable[[], Any]) -> tuple[int, float]:
    """Return the peak of memory over what there was, in bytes, and the processor time in seconds, of one load."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        started = time.process_time()
        with suppress(SafePickleError):
            load()
        seconds = time.process_time() - started
        return max(0, tracemalloc.get_traced_memory()[1] - before), seconds
    finally:
        tracemalloc.stop()


def least_seconds(load: Callable[[], Any], enough: float, tries: int = 3) -> float:
    """Return the least processor time of a few runs: the machine may have been busy with something else."""
    least = float("inf")
    for _ in range(tries):
        started = time.process_time()
        with suppress(SafePickleError):
            load()
        least = min(least, time.process_time() - started)
        if least <= enough:
            break
    return least


# -- references ----------------------------------------------------------------------------------------------------

_SHARED: tuple[Any, ...] = (None, True, False, (), b"", "", Ellipsis, NotImplemented, 0, 1, 255, "a", b"a")


def check_references(load: Callable[[], Any], also: tuple[Any, ...]) -> None:
    """Hold the reference counts of shared objects, and the number of blocks, to stay as they are over repeats."""
    with suppress(Finding):
        _check_references(load, also)
        return
    # The first time may have filled a cache of the interpreter's; what leaks does so again.
    _check_references(load, also)


def _check_references(load: Callable[[], Any], also: tuple[Any, ...], repeats: int = 8) -> None:
    shared = (*_SHARED, *also)
    for _ in range(2):
        _run(load)
    for attempt in range(4):
        # What grows once, a cache or a table, does not grow again and again.
        repeats *= 1 + attempt
        blocks = _blocks()
        counts = [sys.getrefcount(item) for item in shared]
        for _ in range(repeats):
            _run(load)
        gc.collect()
        grown = [
            (type(item).__name__, now - before)
            for item, before, now in zip(shared, counts, map(sys.getrefcount, shared), strict=True)
            if now - before >= repeats
        ]
        more = _blocks() - blocks
        if not grown and more < repeats:
            return
        if attempt == 3:
            if grown:
                raise Finding(f"references to a {grown[0][0]} are kept", f"{grown[0][1]} more after {repeats} loads")
            raise Finding("memory is kept", f"{more} blocks more after {repeats} loads")


def _run(load: Callable[[], Any]) -> None:
    with suppress(SafePickleError):
        load()


def _blocks() -> int:
    # The interpreter remembers what types have, by the address of the name that was asked for: some thousand names.
    clear = getattr(sys, "_clear_internal_caches", None) or getattr(sys, "_clear_type_cache", None)
    if clear is not None:
        clear()
    gc.collect()
    return sys.getallocatedblocks()
