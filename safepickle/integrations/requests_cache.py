"""requests-cache: a serializer whose responses are signed.

    session = CachedSession("name", serializer=signed_serializer(codec))

Rules that hold here:

* Responses are taken apart by requests-cache's own stage into plain values and dates; the codec's policy needs no more
  than ``stdlib`` for them.
* requests-cache does not hand over the key, so a response is bound to the cache's name. A response moved to another
  key has the URL that it was got from in it, and requests-cache does not compare it: use one name for each host whose
  answers must not be mixed up.
* A response that does not verify is logged and told to ``on_refused``, and requested anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from requests_cache.serializers import SerializerPipeline, Stage
from requests_cache.serializers.preconf import base_stage

from .common import Bound, Refused

if TYPE_CHECKING:
    from ..codec import Codec

__all__ = ["signed_serializer"]


def signed_serializer(codec: Codec, *, name: str = "", on_refused: Refused | None = None) -> Any:
    """Return a serializer for ``CachedSession``.

    :param codec: has keys, and a policy that allows dates: ``Policy.packs("stdlib")``.
    :param name: the cache's name.
    :param on_refused: called with the error when a response does not verify.
    """
    bound = Bound(codec, "requests-cache", on_refused)

    def dumps(value: Any) -> bytes:
        return bound.dumps(value, name)

    def loads(data: Any) -> Any:
        return bound.loads(data, name)

    stage = Stage(dumps=dumps, loads=loads)
    return SerializerPipeline([base_stage, stage], name="safepickle", is_binary=True)
