"""aiocache: a serializer whose values are signed.

    cache = Cache(Cache.REDIS, serializer=SignedSerializer(codec), ...)

Rules that hold here:

* ``loads`` gets ``None`` for a key that is not there, and must give it back.
* A value that is refused is ``None``, a miss; it has been logged and told to ``on_refused`` then.
* Ints stay as they are, because ``increment`` needs them. **An int can therefore be forged.** ``True`` is no int here.
* ``encoding`` is ``None``: aiocache would otherwise decode the bytes as text.
* aiocache does not hand over the key; values are bound to a name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiocache.serializers import BaseSerializer

from .common import Bound, Refused
from .ints import is_countable, is_int

if TYPE_CHECKING:
    from ..codec import Codec

__all__ = ["SignedSerializer"]


class SignedSerializer(BaseSerializer):
    """Signs what a cache stores.

    :param codec: has keys.
    :param name: the cache's name: values of one cache do not verify in another.
    :param on_refused: called with the error when a value does not verify.
    """

    DEFAULT_ENCODING = None

    def __init__(self, codec: Codec, *, name: str = "", on_refused: Refused | None = None) -> None:
        super().__init__()
        self._bound = Bound(codec, "aiocache", on_refused)
        self._name = name

    def dumps(self, value: Any) -> Any:
        return value if is_countable(value) else self._bound.dumps(value, self._name)

    def loads(self, value: Any) -> Any:
        if value is None or type(value) is int:
            return value
        if isinstance(value, bytes) and is_int(value):
            return int(value)
        return self._bound.loads_or(value, self._name, None)
