"""joblib.Memory: a store backend whose results are signed.

    register("signed", codec)
    memory = Memory("folder", backend="signed")

Rules that hold here:

* A result is bound to the function and the hash of its arguments, the two names of its folder.
* What does not verify is computed anew, with joblib's own warning; it has been logged and told to ``on_refused`` then.
* Results are pickled by the codec, not by joblib: there is no compression and no ``mmap_mode``, because a mapped file
  can change after it has been verified. Arrays need the policy's permission like everything else.
* joblib keeps the function's source and metadata beside the result, as text and JSON, unsigned: whoever may write the
  folder can make joblib compute something anew, and no more.
"""

from __future__ import annotations

import os.path
import warnings
from typing import TYPE_CHECKING, Any

from joblib import register_store_backend
from joblib._store_backends import CacheWarning, FileSystemStoreBackend

from ..errors import SafePickleError
from .common import Bound, Refused

if TYPE_CHECKING:
    from ..codec import Codec

__all__ = ["SignedStoreBackend", "register"]


class SignedStoreBackend(FileSystemStoreBackend):
    """Results as signed streams; made by :func:`register`."""

    bound: Bound

    def configure(self, location: Any, verbose: int = 1, backend_options: Any = None) -> None:
        options = dict(backend_options or {})
        if options.get("mmap_mode") is not None:
            raise ValueError("mmap_mode cannot be had here: a mapped file can change after it has been verified")
        if options.get("compress"):
            raise ValueError("signed results are not compressed: leave compress out")
        super().configure(location, verbose=verbose, backend_options=options)

    def load_item(self, call_id: Any, verbose: int = 1, timestamp: Any = None, metadata: Any = None) -> Any:  # noqa: ARG002
        """Return a result.

        :raises KeyError: if there is none.
        :raises SafePickleError: if it does not verify, or the policy refuses it.
        """
        path = self._path(call_id)
        if not self._item_exists(path):
            raise KeyError(f"no such result: {path}")
        try:
            with self._open_item(path, "rb") as file:
                return self.bound.codec.load(file, context=self._context(call_id))
        except SafePickleError as error:
            self.bound.refused(error, "/".join(call_id))
            raise

    def dump_item(self, call_id: Any, item: Any, verbose: int = 1) -> None:  # noqa: ARG002
        """Write a result whole, signed. Where that fails, joblib's own backend only warns, and so does this."""
        path = self._path(call_id)

        def write(value: Any, target: Any) -> None:
            with self._open_item(target, "wb") as file:
                self.bound.codec.dump(value, file, context=self._context(call_id))

        try:
            if not self._item_exists(os.path.dirname(path)):  # noqa: PTH120
                self.create_location(os.path.dirname(path))  # noqa: PTH120
            self._concurrency_safe_write(item, path, write)
        except (SafePickleError, OSError) as error:
            warnings.warn(f"a result is not kept: {error}", CacheWarning, stacklevel=2)

    def _path(self, call_id: Any) -> str:
        return os.path.join(self.location, *call_id, "output.pkl")  # noqa: PTH118

    def _context(self, call_id: Any) -> tuple[str | bytes, ...]:
        return (self.bound.host, *map(str, call_id))


def register(name: str, codec: Codec, *, on_refused: Refused | None = None) -> type[SignedStoreBackend]:
    """Register a backend for ``Memory(backend=name)`` and return it.

    :param codec: has keys.
    :param on_refused: called with the error and the result's name when one does not verify.
    """
    backend: type[SignedStoreBackend] = type(
        "BoundStoreBackend", (SignedStoreBackend,), {"bound": Bound(codec, "joblib", on_refused)}
    )
    register_store_backend(name, backend)
    return backend
