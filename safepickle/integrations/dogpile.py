"""dogpile.cache: a serializer and a deserializer for ``make_region``.

    region = make_region(**signed(codec, "reports"))

Rules that hold here:

* What does not verify raises ``CantDeserializeException``, which makes the region create the value anew.
* dogpile does not hand over the key, so a value is bound to the region's name only; and its own metadata, the creation
  time among it, is outside of the signature. Give the codec a ``max_age``, which a writer of the cache cannot forge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import SafePickleError
from .common import Bound, Refused

if TYPE_CHECKING:
    from ..codec import Codec

__all__ = ["signed"]


def signed(codec: Codec, region: str, *, on_refused: Refused | None = None) -> dict[str, Any]:
    """Return the keyword arguments ``serializer`` and ``deserializer`` of ``make_region``.

    :param codec: has keys.
    :param region: the region's name: values of one region do not verify in another.
    :param on_refused: called with the error when a value does not verify.
    """
    from dogpile.cache.api import CantDeserializeException  # pyright: ignore[reportMissingImports]

    bound = Bound(codec, "dogpile", on_refused)

    def serializer(payload: Any) -> bytes:
        return bound.dumps(payload, region)

    def deserializer(data: bytes) -> Any:
        try:
            return bound.loads(data, region)
        except SafePickleError as error:
            raise CantDeserializeException(str(error)) from error

    return {"serializer": serializer, "deserializer": deserializer}
