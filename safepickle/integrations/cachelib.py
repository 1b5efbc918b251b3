"""cachelib, and Flask-Caching, which uses its serializers.

    cache = signed(FileSystemCache, codec)("folder")      # any cache class of cachelib
    cache.serializer = SignedSerializer(codec)            # or an instance: SimpleCache, MongoDbCache, ...
    cache.serializer = SignedRedisSerializer(codec)       # RedisCache, ValkeyCache, DynamoDbCache: inc() and dec()
    CACHE_SERIALIZER = SignedSerializer(codec)            # Flask-Caching

Rules that hold here:

* A refused entry is ``None``, which is a miss to both libraries. They would make a quiet miss of it, so it is logged
  and told to ``on_refused`` first.
* The Redis form leaves ints as digits, because ``INCRBY`` needs them. **An int can therefore be forged.** Nothing else
  that is unsigned is accepted: cachelib itself takes other bytes for a value of an older version.
* FileSystemCache writes its count of files when it is made, before an instance can be given a serializer; that entry is
  refused and written anew. With :func:`signed` it is signed from the beginning.
* Flask-Caching's memcached backends that spread large values call pickle themselves; they are not covered.
* Neither library hands over the key, so an entry can be moved to another key: put what matters into the value, or use
  a codec of its own for each kind of entry. FileSystemCache keeps the expiry outside of the signature; the codec's
  ``max_age`` is inside.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from cachelib.serializers import BaseRedisSerializer, BaseSerializer

from .common import Bound, Refused, read_entry
from .ints import is_countable, is_int

if TYPE_CHECKING:
    from ..codec import Codec

__all__ = ["SignedRedisSerializer", "SignedSerializer", "signed"]


class SignedSerializer(BaseSerializer):
    """Signs what a cache stores.

    :param codec: has keys.
    :param name: the cache's name: entries of one cache do not verify in another.
    :param on_refused: called with the error when an entry does not verify.
    """

    def __init__(self, codec: Codec, *, name: str = "", on_refused: Refused | None = None) -> None:
        self._bound = Bound(codec, "cachelib", on_refused)
        self._name = name

    def dumps(self, value: Any, protocol: int | None = None) -> bytes:
        return self._bound.dumps(value, self._name, protocol)

    def loads(self, bvalue: Any) -> Any:
        return None if bvalue is None else self._bound.loads_or(bvalue, self._name, None)

    def dump(self, value: Any, f: IO[bytes], protocol: int | None = None) -> None:
        f.write(self.dumps(value, protocol))

    def load(self, f: Any) -> Any:
        return self.loads(read_entry(f, self._bound.codec))


class SignedRedisSerializer(SignedSerializer):
    """The same for caches that count in the database: ints stay digits."""

    def dumps(self, value: Any, protocol: int | None = None) -> bytes:
        return str(value).encode("ascii") if is_countable(value) else super().dumps(value, protocol)

    def loads(self, bvalue: Any) -> Any:
        return int(bytes(bvalue)) if bvalue is not None and is_int(bvalue) else super().loads(bvalue)


def signed(cache_class: Any, codec: Codec, *, name: str = "", on_refused: Refused | None = None) -> Any:
    """Return a subclass of one of cachelib's cache classes that signs.

    The other parameters are those of :class:`SignedSerializer`.
    """
    counts = isinstance(getattr(cache_class, "serializer", None), BaseRedisSerializer)
    serializer = (SignedRedisSerializer if counts else SignedSerializer)(codec, name=name, on_refused=on_refused)
    return type(cache_class.__name__, (cache_class,), {"serializer": serializer, "__doc__": cache_class.__doc__})
