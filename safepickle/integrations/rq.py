"""RQ: a serializer whose jobs, results and metadata are signed.

    serializer = SignedSerializer(codec, path="app.queues.serializer")      # in app/queues.py
    Queue("reports", connection=..., serializer=serializer)
    rq worker --serializer app.queues.serializer reports

Rules that hold here:

* A job is the name of a function with its arguments. RQ imports and calls what is named; a policy on the pickle does
  not limit that, the signature does: only who has the key can name a function.
* The codec is given the purpose of the queue; everybody who has the key may name any function in it.
* A job that does not verify is a ``DeserializationError`` to RQ, which moves it to the failed jobs. It has been logged
  and told to ``on_refused`` before.
* A worker that starts processes hands them the serializer by name, so that it must know its own.
* RQ compresses what it stores outside of the signature, so that it unpacks before anything is verified: whoever writes
  to the database can make a worker unpack much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .common import Bound, Refused

if TYPE_CHECKING:
    from ..codec import Codec

__all__ = ["SignedSerializer"]


class SignedSerializer:
    """Signs what RQ stores.

    :param codec: has keys.
    :param path: the dotted path under which this object can be imported.
    :param name: what it is bound to, beside the codec's purpose.
    :param on_refused: called with the error when something does not verify.
    """

    def __init__(
        self, codec: Codec, *, path: str | None = None, name: str = "", on_refused: Refused | None = None
    ) -> None:
        self._bound = Bound(codec, "rq", on_refused)
        self._name = name
        # RQ makes the name out of these two. That of the class, which has no key, fails in the other process.
        self.__module__, _, self.__qualname__ = (path or f"{__name__}.SignedSerializer").rpartition(".")

    def dumps(self, obj: Any, /) -> bytes:
        return self._bound.dumps(obj, self._name)

    def loads(self, data: Any, /) -> Any:
        return self._bound.loads(data, self._name)
