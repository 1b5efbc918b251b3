"""redis-py: values that are signed for their keys.

    store = SignedRedis(redis.Redis(), codec)
    store.set("session:42", value, ex=3600)
    store.get("session:42")

Rules that hold here:

* Every value is signed, ints too, and bound to its key: nothing that is read was unsigned. Counters belong to the
  client itself (``store.client.incr``); a value that ``incr`` wrote does not verify.
* What does not verify raises; with ``miss=True`` it is the default, and has been logged and told to ``on_refused``.
* A client that decodes responses as text is refused: signed values are bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .common import Bound, Refused

if TYPE_CHECKING:
    from ..codec import Codec

__all__ = ["SignedRedis"]


class SignedRedis:
    """Signed values in a Redis database.

    :param client: a ``redis.Redis``, or anything with its methods.
    :param codec: has keys.
    :param prefix: put before each key.
    :param miss: take a value that does not verify for a missing one, instead of raising.
    :param on_refused: called with the error and the key when a value does not verify.
    """

    def __init__(
        self, client: Any, codec: Codec, *, prefix: str = "", miss: bool = False, on_refused: Refused | None = None
    ) -> None:
        pool = getattr(client, "connection_pool", None)
        if pool is not None and pool.connection_kwargs.get("decode_responses"):
            raise ValueError("the client decodes responses as text: signed values are bytes, use one that does not")
        self.client = client
        self._bound = Bound(codec, "redis", on_refused)
        self._prefix = prefix
        self._miss = miss

    def key(self, name: str) -> str:
        """Return the key in the database."""
        return self._prefix + name

    def set(self, name: str, value: Any, **options: Any) -> bool:
        """Store a value; the options are those of ``Redis.set``, such as ``ex=`` seconds or ``nx=True``."""
        if options.get("get"):
            raise ValueError("get=True would give the old value as it is stored: use get() first, or getdel()")
        key = self.key(name)
        return bool(self.client.set(key, self._bound.dumps(value, key), **options))

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value, or the default if there is none."""
        key = self.key(name)
        return self._value(key, self.client.get(key), default)

    def getdel(self, name: str, default: Any = None) -> Any:
        """Return a value and delete it, in one step."""
        key = self.key(name)
        return self._value(key, self.client.getdel(key), default)

    def mset(self, values: Mapping[str, Any]) -> bool:
        """Store several values."""
        keyed = {self.key(name): value for name, value in values.items()}
        return bool(self.client.mset({key: self._bound.dumps(value, key) for key, value in keyed.items()}))

    def mget(self, names: Iterable[str], default: Any = None) -> list[Any]:
        """Return several values, the default for those that are not there."""
        keys = [self.key(name) for name in names]
        found = self.client.mget(keys) if keys else []
        return [self._value(key, data, default) for key, data in zip(keys, found, strict=True)]

    def delete(self, *names: str) -> int:
        """Delete values and return how many there were."""
        return int(self.client.delete(*map(self.key, names))) if names else 0

    def _value(self, key: str, data: Any, default: Any) -> Any:
        if data is None:
            return default
        return self._bound.loads_or(data, key, default) if self._miss else self._bound.loads(data, key)
