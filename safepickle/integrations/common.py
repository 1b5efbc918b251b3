"""What all integrations share: a codec with keys, contexts that name the place, and refusals that are seen.

Rules that hold here:

* An integration takes a codec with keys. Without keys it would look like protection and be none.
* Where the host hands over the key, the context is the host's name and the key, so that an entry does not verify under
  another key (attacks S03), nor in another host.
* A refusal is an event: it is logged as a warning, and told to ``on_refused``, before the host makes a miss of it.
* Nothing here is imported by the package itself; each module imports its host, and nothing else's.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from ..errors import BadSignatureError, SafePickleError, SignatureError, quote
from ..signing.streams import read_exactly

if TYPE_CHECKING:
    from ..codec import Codec

__all__ = ["Bound", "Refused", "load_codec", "open_entry", "read_entry", "with_keys"]

#: Called with the error and the key (None where the host does not say) of each entry that is refused.
Refused = Callable[[SafePickleError, Any], object]

logger: Final = logging.getLogger("safepickle.integrations")


def with_keys(codec: Any) -> Codec:
    """Return a codec, if it has keys.

    :raises ValueError: if it has none.
    """
    if getattr(codec, "keys", None) is None or not callable(getattr(codec, "verify", None)):
        raise ValueError("this integration signs: give it a safepickle.Codec with keys=KeyRing...")
    return codec  # type: ignore[no-any-return]


def load_codec(codec: Any) -> Codec:
    """Return a codec, or the one that a dotted path names, as settings files do.

    :raises ValueError: if there is none of that name, or it has no keys.
    """
    if isinstance(codec, str):
        from importlib import import_module

        module, _, name = codec.rpartition(".")
        if not module:
            raise ValueError(f"not a dotted path to a codec: {quote(codec)} (such as 'app.codecs.cache')")
        codec = getattr(import_module(module), name)
    return with_keys(codec)


def open_entry(path: Any) -> BinaryIO:
    """Open the file of an entry, which others may have put something else in the place of.

    :raises BadSignatureError: for what is no regular file: a pipe would be waited for.
    :raises OSError: if it is not there.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError:  # a NUL, or no character of the file system's
        raise BadSignatureError("the entry names no file") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise BadSignatureError("the entry is not a regular file")
    return os.fdopen(handle, "rb")


def read_entry(file: Any, codec: Codec) -> bytes:
    """Read the file of an entry, no more than the codec's limits and an envelope allow."""
    return read_exactly(file, codec.limits.bound("max_bytes") + 4096)


class Bound:
    """A codec in one host.

    :param codec: has keys.
    :param host: the host's name, the first part of each context.
    :param on_refused: see :data:`Refused`.
    """

    __slots__ = ("codec", "host", "on_refused")

    def __init__(self, codec: Any, host: str, on_refused: Refused | None = None) -> None:
        self.codec = with_keys(codec)
        self.host = host
        self.on_refused = on_refused

    def context(self, key: Any) -> tuple[str | bytes, ...]:
        """Return the context of an entry: the host, and the key where there is one; keys of two types are two keys."""
        if key is None:
            return (self.host,)
        return (self.host, key) if isinstance(key, (str, bytes)) else (self.host, type(key).__name__, repr(key))

    def dumps(self, value: Any, key: Any = None, protocol: int | None = None) -> bytes:
        """Return a signed entry."""
        return self.codec.dumps(value, protocol, context=self.context(key))

    def loads(self, data: Any, key: Any = None) -> Any:
        """Return the value of an entry.

        :raises SafePickleError: if it is refused; that has been logged then.
        """
        try:
            return self.codec.loads(data, context=self.context(key))
        except SafePickleError as error:
            self.refused(error, key)
            raise

    def loads_or(self, data: Any, key: Any, default: Any) -> Any:
        """Return the value of an entry, or the default where it is refused; that has been logged then."""
        try:
            return self.loads(data, key)
        except SafePickleError:
            return default

    def refused(self, error: SafePickleError, key: Any = None) -> None:
        """Make a refusal seen."""
        kind = "does not verify" if isinstance(error, SignatureError) else "is refused"
        logger.warning("%s entry %s %s: %s: %s", self.host, quote(key), kind, type(error).__name__, error)
        if self.on_refused is not None:
            self.on_refused(error, key)
