"""With a caller's own hooks, persistent ids are plain, what hooks return is never changed, and loads do not nest."""

from __future__ import annotations

import bz2  # noqa: F401 (files are unpacked by what was imported before)
import gzip  # noqa: F401
import io
import lzma  # noqa: F401
import zlib  # noqa: F401
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from fuzz import samples, terms
from fuzz.oracles import is_plain_id, watched
from fuzz.outcomes import Finding, features, outcome
from safepickle.decoding.budget import Budget
from safepickle.decoding.session import run_whole
from safepickle.decoding.standing import StandInGate, open_with_stand_ins, restricting
from safepickle.errors import StateError
from safepickle.integrations import joblib_files
from safepickle.policy.rules import Policy

INPUT = "stream"
HAS_NUMPY = find_spec("numpy") is not None
_JOBLIB = Policy.packs("joblib") | terms.BOTH if HAS_NUMPY else terms.BOTH
if HAS_NUMPY:
    # What the policy names is imported before the tripwire is armed: numpy itself leaves out its masked arrays.
    for _module, _ in _JOBLIB.rules:
        with suppress(ImportError):
            import_module(_module)

_OBJECTS: dict[Any, Any] = {
    "list": samples.QUEUE, "dict": samples.REGISTRY, "set": samples.MEMBERS, "node": samples.SHARED, "act": samples.act,
}  # fmt: skip


def check(data: bytes) -> Any:
    """Load *data* with hooks."""

    class Hooked(terms.package.Unpickler):  # type: ignore[misc]
        asked = 0

        def persistent_load(self, pid: Any, /) -> Any:
            if not is_plain_id(pid, terms.BOTH):
                raise Finding("a persistent id that is no plain value", type(pid).__name__)
            self.asked += 1
            if self.asked == 2:
                self._enter()
            return _OBJECTS.get(pid, samples.SHARED) if type(pid) is str else samples.QUEUE

        def find_class(self, module: str, name: str, /) -> Any:
            if module == samples.__name__ and name == "Node":
                return samples.Node
            return super().find_class(module, name)

        def _enter(self) -> None:
            try:
                self.load()
            except StateError:
                return
            raise Finding("a load inside a load of the same Unpickler")

    with watched("a load with hooks"):
        first = outcome(lambda: Hooked(io.BytesIO(data), policy=terms.BOTH, limits=terms.LIMITS).load())
    with watched("a load with hooks and little to spend"):
        unpickler = Hooked(io.BytesIO(data), limits=terms.TIGHT)
        second = outcome(unpickler.load)
        if unpickler.asked > (terms.TIGHT.max_calls or 0):
            raise Finding("max_calls was exceeded by persistent ids", str(unpickler.asked))
        # The memo of the first pickle is not the second one's (S6a).
        again = outcome(unpickler.load)
    return features([first, second, again, *_with_stand_ins(data)]), _with_arrays(data)


def _with_arrays(data: bytes) -> Any:
    """Read *data* as a file of joblib's: arrays are no larger than what is there."""
    with watched("a load of a file with arrays"):
        found = outcome(lambda: joblib_files.load(io.BytesIO(data), policy=_JOBLIB, limits=terms.LIMITS))
    with watched("a look at a file with arrays"):
        outcome(lambda: joblib_files.inspect(io.BytesIO(data), policy=_JOBLIB, limits=terms.LIMITS))
    return found.error


class StandIn:
    """Stands for a class that is not to be made."""

    made = 0

    def __init__(self, *_arguments: Any) -> None:
        type(self).made += 1


_STAND_INS: dict[tuple[str, str], Any] = {
    (samples.__name__, "Node"): StandIn, (samples.__name__, "remade"): StandIn, ("collections", "OrderedDict"): StandIn,
}  # fmt: skip


def _with_stand_ins(data: bytes) -> list[Any]:
    """Load as readers of checkpoints do: objects of the reader's own for some names, and ids that go to the reader."""
    policy, limits = restricting(terms.BOTH, terms.LIMITS)
    found = []
    for inert, storages in ((False, _storage), (True, _storage), (False, None)):
        StandIn.made = 0

        def load(inert: bool = inert, storages: Any = storages) -> Any:
            gate = StandInGate(policy, Budget(limits), _STAND_INS, storages, inert)
            return run_whole(open_with_stand_ins(data, None, gate))

        with watched("a load with stand-ins"):
            one = outcome(load)
        if inert and StandIn.made:
            raise Finding("an inert load makes what stands in for a class")
        # What is surveyed stands for values that are not made.
        found.append(one.error if inert else one)
    return [one for one in found if not isinstance(one, (str, type(None)))]


def _storage(pid: Any) -> Any:
    return samples.QUEUE if type(pid) is tuple else samples.SHARED
