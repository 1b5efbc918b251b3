"""kombu and Celery: a serializer whose messages are signed.

    register(codec)
    app.conf.update(task_serializer="safepickle", result_serializer="safepickle", accept_content=["safepickle"],
                    result_accept_content=["safepickle"])

Rules that hold here:

* The content type is one of its own. ``application/data`` and ``application/text`` are trusted by kombu whatever
  ``accept`` says, so that anybody's message would be decoded.
* What is registered late is not among the types that kombu disables by itself; it is disabled here, so that only
  who names it in ``accept`` decodes it.
* Name nothing else in ``accept_content``: a worker that accepts ``pickle`` too loads what nobody signed.
* A message that does not verify is a ``DecodeError`` to kombu: Celery logs it and acknowledges it, so that it is
  lost and does not come again. It has been told to ``on_refused`` before.
* A message can be sent again by whoever has seen it. ``max_age``, and a replay guard where tasks are not delivered
  twice on purpose, belong to the codec.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kombu.serialization import registry

from .common import Bound, Refused

if TYPE_CHECKING:
    from ..codec import Codec

__all__ = ["CONTENT_TYPE", "NAME", "register", "unregister"]

NAME: Final = "safepickle"
CONTENT_TYPE: Final = "application/x-safepickle"


def register(codec: Codec, *, name: str = NAME, on_refused: Refused | None = None) -> None:
    """Register the serializer, in producers and in workers.

    :param codec: has keys; give it the purpose of the queue, so that a cache's entry is never a task.
    :param name: what the serializer is called; another name than the default has its own content type.
    :param on_refused: called with the error when a message does not verify.
    """
    bound = Bound(codec, "kombu", on_refused)

    def encode(message: Any) -> bytes:
        return bound.dumps(message, name)

    def decode(data: Any) -> Any:
        # Some transports hand over text, which nothing signed is.
        return bound.loads(data.encode("latin-1", "replace") if isinstance(data, str) else data, name)

    content_type = CONTENT_TYPE if name == NAME else f"{CONTENT_TYPE}-{name}"
    registry.register(name, encode, decode, content_type=content_type, content_encoding="binary")
    registry.disable(name)


def unregister(name: str = NAME) -> None:
    """Take the serializer out again."""
    registry.unregister(name)
