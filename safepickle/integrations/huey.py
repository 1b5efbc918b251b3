"""huey: a serializer whose tasks and results are signed.

    huey = RedisHuey("app", serializer=SignedSerializer(codec))

Rules that hold here:

* huey's own ``SignedSerializer`` is HMAC-SHA1 with one key, over stock pickle. This one has key rings and a policy.
* huey compresses around the signature, and would unpack before anything is verified; compression is refused (S19).
* The names of tasks come from huey's registry: an unknown one is an error there. Who has the key may call any of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from huey.serializer import Serializer

from .common import Bound, Refused

if TYPE_CHECKING:
    from ..codec import Codec

__all__ = ["SignedSerializer"]


class SignedSerializer(Serializer):
    """Signs what huey stores.

    :param codec: has keys, and a policy for what tasks have: huey's own messages are tuples of class ``Message``, which
        are taken apart here.
    :param name: what it is bound to, beside the codec's purpose.
    :param on_refused: called with the error when something does not verify.
    """

    def __init__(
        self, codec: Codec, *, name: str = "", on_refused: Refused | None = None, compression: bool = False
    ) -> None:
        if compression:
            raise ValueError("no compression: huey would unpack before anything is verified")
        super().__init__()
        self._bound = Bound(codec, "huey", on_refused)
        self._name = name

    def _serialize(self, data: Any) -> bytes:
        return self._bound.dumps(data, self._name)

    def _deserialize(self, data: Any) -> Any:
        return self._bound.loads(data, self._name)
