"""diskcache: a ``Disk`` that signs all values, and a ``Cache`` in which a tampered entry is a miss.

    class Disk(SignedDisk):
        codec = safepickle.Codec(keys=...)

    cache = SignedCache("folder", disk=Disk)

Rules that hold here:

* diskcache stores ``str``, ``bytes``, floats and files as they are, and believes the mode column. Here all of them are
  signed, and an entry that claims to be raw is refused, unless it is an int: ``incr`` works on ints in the database.
  **A raw int can therefore be forged**; do not decide about access by a counter.
* ``Disk.fetch`` is not given the key. ``put`` and ``get``, which come before it in the same thread, are; what is pushed
  has no key and is bound to the queue. A value under another key does not verify.
* A key that is no text, bytes or number is written canonically, unsigned, because equal keys must be equal bytes; it is
  read under the codec's policy.
* diskcache hands ``disk_...`` settings **from its database** to ``Disk``, so the codec is an attribute of the class and
  nothing that protects is a setting.
"""

from __future__ import annotations

import io
import os.path
import re
import threading
from typing import TYPE_CHECKING, Any, ClassVar, Final

from diskcache import UNKNOWN, Cache, Disk

from ..decoding.unpickler import loads
from ..encoding.pickler import dumps
from ..errors import BadSignatureError, FormatError, SafePickleError
from ..signing.streams import StreamReader, StreamWriter
from .common import Bound, Refused, open_entry, read_entry, with_keys

if TYPE_CHECKING:
    from ..codec import Codec

__all__ = ["SignedCache", "SignedDisk", "signed_disk"]

# The values of diskcache.core, which it stores in the database.
_RAW: Final = 1
_BINARY: Final = 2
_PICKLE: Final = 4

_INT64: Final = 1 << 63
_QUEUE: Final = object()
#: What push() makes keys of: a number of 15 digits, behind a prefix and a hyphen if there is one.
_PUSHED: Final = re.compile(r".*-[0-9]{15}\Z", re.DOTALL)


class SignedDisk(Disk):
    """Serializes and signs; to be subclassed with a codec.

    :cvar codec: has keys.
    :cvar on_refused: called with the error and the key when an entry does not verify.
    """

    codec: ClassVar[Codec]
    on_refused: ClassVar[Refused | None] = None

    def __init__(self, directory: str, min_file_size: int = 0, pickle_protocol: int = 0) -> None:
        super().__init__(directory, min_file_size=min_file_size, pickle_protocol=pickle_protocol)
        self.bound = Bound(type(self).codec, "diskcache", type(self).on_refused)
        self._local = threading.local()

    # -- keys ----------------------------------------------------------------------------------------------------

    def put(self, key: Any) -> tuple[Any, bool]:
        """Return a key as the database has it."""
        if type(key) in (bytes, str, float) or (type(key) is int and -_INT64 <= key < _INT64):
            stored = super().put(key)
        else:
            stored = memoryview(dumps(key, canonical=True)), False
        self._local.key = _name(*stored)
        return stored  # type: ignore[no-any-return]

    def get(self, key: Any, raw: bool) -> Any:
        """Return a key from the database, where anybody may have written it."""
        self._local.key = _name(key, raw)
        if raw:
            return bytes(key) if type(key) is memoryview else key
        if not isinstance(key, (bytes, memoryview)):
            raise FormatError("the key of an entry is no pickle")
        return loads(key, policy=self.bound.codec.policy, limits=self.bound.codec.limits)

    def expect_pushed(self) -> None:
        """Expect what comes next to have been pushed."""
        self._local.key = _QUEUE

    def _contexts(self) -> list[Any]:
        """Return the contexts that the next value may have been signed for, and forget the key."""
        key = getattr(self._local, "key", None)
        self._local.key = None
        if key is None or key is _QUEUE:
            return ["queue"]
        return [("key", key), "queue"] if _is_pushed(key) else [("key", key)]

    # -- values --------------------------------------------------------------------------------------------------

    def store(self, value: Any, read: bool, key: Any = UNKNOWN) -> tuple[int, int, str | None, Any]:
        """Return a value as the database has it."""
        if type(value) is int and -_INT64 <= value < _INT64:
            return 0, _RAW, None, value
        context: Any = "queue"
        if key is not UNKNOWN:
            self.put(key)
            context = self._contexts()[0]
        if read and type(value) not in (bytes, str):
            return self._store_file(value, context)
        blob = self.bound.dumps(value, context)
        if len(blob) < self.min_file_size:
            return 0, _PICKLE, None, memoryview(blob)
        filename, full_path = self.filename()
        self._write(full_path, iter([blob]), "xb")
        return len(blob), _PICKLE, filename, None

    def _store_file(self, value: Any, context: Any) -> tuple[int, int, str | None, Any]:
        """Sign a file's content as a stream."""
        filename, full_path = self.filename()
        bound, codec = self.bound, self.bound.codec

        def pieces() -> Any:
            # diskcache's writer, which makes folders again that another process removed, takes pieces.
            signed = io.BytesIO()
            with StreamWriter(signed, codec._signed.signer, bound.context(context)) as writer:  # type: ignore[union-attr] # noqa: SLF001
                while piece := value.read(1 << 22):
                    writer.write(piece)
                    yield signed.getvalue()
                    signed.seek(0)
                    signed.truncate()
            yield signed.getvalue()

        size = self._write(full_path, pieces(), "xb")
        return size, _BINARY, filename, None

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        """Return a value from the database.

        :raises SafePickleError: if it does not verify, or the policy refuses it.
        """
        contexts = self._contexts()
        try:
            if mode == _RAW and type(value) is int:
                return value
            if mode == _PICKLE:
                return self._fetch_value(filename, value, contexts)
            if mode == _BINARY and filename is not None:
                return self._fetch_file(filename, contexts, read)
            raise BadSignatureError("the entry claims to need no signature: only ints do not")
        except SafePickleError as error:
            self.bound.refused(error, contexts[0])
            raise

    def _open(self, filename: str) -> Any:
        # The name is from the database too: it must not lead out of the folder.
        if type(filename) is not str:
            raise BadSignatureError("the entry names no file")
        root = os.path.realpath(self._directory)
        try:
            path = os.path.realpath(os.path.join(root, filename))  # noqa: PTH118
        except ValueError:
            raise BadSignatureError("the entry names no file") from None
        if os.path.commonpath([root, path]) != root:
            raise BadSignatureError("the entry names a file outside of the cache")
        return open_entry(path)

    def _fetch_value(self, filename: str | None, value: Any, contexts: list[Any]) -> Any:
        if value is None and filename is not None:
            with self._open(filename) as file:
                value = read_entry(file, self.bound.codec)
        if not isinstance(value, (bytes, memoryview)):
            raise BadSignatureError("the entry has no signed value")
        data = bytes(value)
        for context in contexts[:-1]:
            try:
                return self.bound.codec.loads(data, context=self.bound.context(context))
            except BadSignatureError:
                pass
        return self.bound.codec.loads(data, context=self.bound.context(contexts[-1]))

    def _fetch_file(self, filename: str, contexts: list[Any], read: bool) -> Any:
        signed = self.bound.codec._signed  # noqa: SLF001
        assert signed is not None
        for number, context in enumerate(contexts, 1):
            file = self._open(filename)
            try:
                reader = _OwnReader(file, signed.signer, self.bound.context(context), max_age=signed.max_age)
            except SafePickleError as error:
                file.close()
                if number < len(contexts) and isinstance(error, BadSignatureError):
                    continue
                raise
            if read:
                return reader
            with reader:
                return reader.read()
        raise AssertionError("there is always a context")


class _OwnReader(StreamReader):
    """A reader that closes its file: nobody else has it."""

    def close(self) -> None:
        super().close()
        self._file.close()


def _name(stored: Any, raw: bool) -> str:
    """Return a key as it is in contexts: equal for keys that SQLite takes for one."""
    if type(stored) is float and stored.is_integer():
        stored = int(stored)
    shown = bytes(stored) if isinstance(stored, memoryview) else stored
    return f"{'raw' if raw else 'pickled'} {shown!r}"


def _is_pushed(name: str) -> bool:
    kind, _, shown = name.partition(" ")
    return kind == "raw" and (shown.isdigit() or _PUSHED.match(shown.strip("'\"")) is not None)


class SignedCache(Cache):
    """A cache in which an entry that is refused is a miss; it has been logged and told to ``on_refused`` then."""

    def __init__(self, directory: Any = None, timeout: float = 60, disk: Any = None, **settings: Any) -> None:
        if not (isinstance(disk, type) and issubclass(disk, SignedDisk)):
            raise ValueError("disk must be a subclass of SignedDisk, with a codec: see signed_disk()")
        with_keys(getattr(disk, "codec", None))
        super().__init__(directory, timeout, disk, **settings)

    def get(self, key: Any, default: Any = None, read: bool = False, expire_time: bool = False, tag: bool = False,
            retry: bool = False) -> Any:  # fmt: skip
        try:
            return super().get(key, default, read, expire_time, tag, retry)
        except SafePickleError:
            return (default, *[None] * (expire_time + tag)) if expire_time or tag else default

    def pop(self, key: Any, default: Any = None, expire_time: bool = False, tag: bool = False,
            retry: bool = False) -> Any:  # fmt: skip
        try:
            return super().pop(key, default, expire_time, tag, retry)
        except SafePickleError:
            return (default, *[None] * (expire_time + tag)) if expire_time or tag else default

    def pull(self, *arguments: Any, **options: Any) -> Any:
        self._disk.expect_pushed()
        return super().pull(*arguments, **options)

    def peek(self, *arguments: Any, **options: Any) -> Any:
        self._disk.expect_pushed()
        return super().peek(*arguments, **options)


def signed_disk(codec: Codec, *, on_refused: Refused | None = None) -> type[SignedDisk]:
    """Return a subclass of :class:`SignedDisk` for a codec.

    A cache that is pickled names its disk class, so for that write the subclass at the top of a module instead.
    """
    members = {"codec": with_keys(codec), "on_refused": None if on_refused is None else staticmethod(on_refused)}
    return type("BoundDisk", (SignedDisk,), members)
