"""With a caller's own hooks, persistent ids are plain, what hooks return is never changed, and loads do not nest."""

from __future__ import annotations

import io
from typing import Any

from fuzz import samples, terms
from fuzz.oracles import is_plain_id, watched
from fuzz.outcomes import Finding, features, outcome
from safepickle.errors import StateError

INPUT = "stream"

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
    return features([first, second, again])
