"""SQLAlchemy: a column type whose values are signed.

    Column("settings", SafePickleType("app.codecs.settings", name="users.settings"))

Rules that hold here:

* ``PickleType`` leaves its pickler out when it is pickled itself, so that metadata that was pickled and loaded goes on
  with stock pickle, silently. This type is pickled by the codec's dotted path, and refuses to be without one: a codec
  has keys, and keys are never in a pickle.
* The type is part of SQLAlchemy's cache key of each statement; the codec in it is an immutable value, so ``cache_ok``
  holds.
* A value is bound to a name, best that of table and column: SQLAlchemy does not say which row it is of, so a value can
  be moved to another row. Put the row's key into the value where that matters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import PickleType

from .common import Bound, Refused, load_codec

__all__ = ["SafePickleType"]


class _Pickler:
    """What PickleType calls: equal, and hashed, by codec and name."""

    def __init__(self, bound: Bound, name: str) -> None:
        self._bound = bound
        self._name = name

    def dumps(self, value: Any, protocol: int | None = None) -> bytes:
        return self._bound.dumps(value, self._name, protocol)

    def loads(self, data: Any) -> Any:
        return self._bound.loads(data, self._name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Pickler):
            return NotImplemented
        return self._name == other._name and self._bound.codec == other._bound.codec

    def __hash__(self) -> int:
        return hash((self._name, id(self._bound.codec.keys)))


class SafePickleType(PickleType):
    """A column of signed pickles.

    :param codec: one with keys, or the dotted path to one, such as ``"app.codecs.settings"``.
    :param name: what the values are bound to, such as ``"users.settings"``.
    :param protocol: and *comparator*, *impl*: as for ``PickleType``.
    :param on_refused: called with the error when a value does not verify; it is raised too.
    """

    cache_ok = True

    def __init__(
        self,
        codec: Any,
        # Not keyword-only: SQLAlchemy leaves such parameters out of the statement's cache key, and would read a column
        # with the name of another.
        name: str = "",
        protocol: int = 5,
        comparator: Callable[[Any, Any], bool] | None = None,
        impl: Any = None,
        on_refused: Refused | None = None,
    ) -> None:
        # In attributes named like parameters SQLAlchemy looks for what the cache key is made of.
        self.codec = codec
        self.name = name
        self._on_refused = on_refused
        bound = Bound(load_codec(codec), "sqlalchemy", on_refused)
        super().__init__(protocol=protocol, pickler=_Pickler(bound, name), comparator=comparator, impl=impl)

    def __reduce__(self) -> Any:
        if not isinstance(self.codec, str) or self._on_refused is not None:
            raise TypeError(
                "this SafePickleType is not pickled: its codec has keys. Give it the codec's dotted path"
                " (and no on_refused), and it is pickled by that"
            )
        return _again, (self.codec, self.name, self.protocol, self.comparator)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: object) -> Any:
        return self.copy()


def _again(codec: str, name: str, protocol: int, comparator: Any) -> SafePickleType:
    return SafePickleType(codec, name=name, protocol=protocol, comparator=comparator)
