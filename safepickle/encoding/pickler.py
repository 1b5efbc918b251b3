"""``dump``, ``dumps`` and ``Pickler``: pickle's names and arguments, with a policy and limits.

Rules that hold here:

* Each dump has an encoder of its own. A Pickler keeps what pickle's keeps between dumps: file, hooks and memo.
* Under a policy the memo starts empty for each dump, because no reader with a policy takes a pickle that points into
  an earlier one (S6a); a memo that is set with ``pickler.memo = ...`` is used as it is.
* A dump inside a dump of the same Pickler is refused, except under UNRESTRICTED.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import EncodingError, StateError
from ..limits import DEFAULT_LIMITS, Limits
from ..policy.rules import PLAIN
from ..wire.memo import Memo
from ..wire.opcodes import HIGHEST_PROTOCOL
from .encoder import new_encoder
from .session import DEFAULT_PROTOCOL, BufferCallback, dumps, protocol_of, terms_of

__all__ = ["DEFAULT_PROTOCOL", "HIGHEST_PROTOCOL", "Pickler", "PicklerMemo", "dump", "dumps"]


def _write_of(file: Any) -> Callable[[Any], Any]:
    try:
        write = file.write
    except AttributeError:
        raise TypeError("file must have a 'write' attribute") from None
    return write  # type: ignore[no-any-return]


def dump(
    obj: Any,
    file: Any,
    protocol: int | None = None,
    *,
    fix_imports: bool = True,
    buffer_callback: BufferCallback | None = None,
    policy: Any = PLAIN,
    limits: Limits = DEFAULT_LIMITS,
    canonical: bool = False,
) -> None:
    """Write *obj* as a pickle to *file*, an object with ``write``. See :func:`dumps`."""
    terms = terms_of(policy, limits)
    protocol_used = protocol_of(protocol, buffer_callback)
    write = _write_of(file)
    if canonical:
        from .canonical import canonical_bytes

        write(canonical_bytes(obj, protocol, terms.bounds))
        return
    new_encoder(
        protocol_used, terms.bounds, terms.make_gate, Memo(), write, fix_imports, buffer_callback, True
    ).dump(obj)


class PicklerMemo:
    """A Pickler's memo, as ``pickle.Pickler.memo`` shows it: to be copied, cleared, and given to another Pickler."""

    __slots__ = ("_memo",)

    def __init__(self, memo: Memo) -> None:
        self._memo = memo

    def copy(self) -> dict[int, tuple[int, Any]]:
        """Return ``{id: (index, object)}``."""
        return self._memo.as_dict()

    def clear(self) -> None:
        """Forget what has been written."""
        self._memo.clear()

    def __reduce__(self) -> Any:
        return dict, (self.copy(),)


class Pickler:
    """Writes pickles to a file; to be subclassed as :class:`pickle.Pickler` is.

    A subclass may define ``persistent_id(obj)``, ``reducer_override(obj)`` and ``dispatch_table``.

    :param file: an object with ``write``.
    :param protocol: and so on: see :func:`dumps`.
    """

    #: What a subclass that is bound to a policy and limits (``Codec.Pickler``) puts here.
    _policy: Any = PLAIN
    _limits: Limits = DEFAULT_LIMITS

    #: Write without a memo: shorter, but cyclic data cannot be written. Deprecated by pickle.
    fast: bool = False

    def __init__(
        self,
        file: Any,
        protocol: int | None = None,
        fix_imports: bool = True,
        buffer_callback: BufferCallback | None = None,
        *,
        policy: Any = None,
        limits: Limits | None = None,
    ) -> None:
        self._protocol = protocol_of(protocol, buffer_callback)
        self._write = _write_of(file)
        self._fix_imports = fix_imports
        self._buffer_callback = buffer_callback
        self._terms = terms_of(
            self._policy if policy is None else policy, self._limits if limits is None else limits
        )
        self._memo = Memo()
        self._memo_is_set = False
        self._running = False
        #: True for the binary opcodes, which every protocol but 0 has.
        self.bin: bool = self._protocol >= 1

    def persistent_id(self, obj: Any) -> Any:
        """Return the persistent id of *obj*, or None to write the object itself."""
        return None

    def dump(self, obj: Any) -> None:
        """Write *obj* as one pickle."""
        try:
            write = self._write
        except AttributeError:
            raise EncodingError(f"Pickler.__init__() was not called by {type(self).__name__}.__init__()") from None
        terms = self._terms
        if terms.make_gate is not None:
            if self._running:
                raise StateError("this Pickler is writing already")
            if not self._memo_is_set:
                self._memo.clear()
        encoder = new_encoder(
            self._protocol, terms.bounds, terms.make_gate, None if self.fast else self._memo, write,
            self._fix_imports, self._buffer_callback, False,
        )  # fmt: skip
        encoder.set_hooks(
            self._overridden("persistent_id"),
            getattr(self, "reducer_override", NotImplemented),
            getattr(self, "dispatch_table", None),
            bool(self.bin),
        )
        self._running = True
        try:
            encoder.dump(obj)
        finally:
            self._running = False

    def _overridden(self, name: str) -> Any:
        """Return a method where a subclass or this object has its own, else None: asking costs time per object."""
        if getattr(type(self), name) is getattr(Pickler, name) and name not in self.__dict__:
            return None
        return getattr(self, name)

    def clear_memo(self) -> None:
        """Forget what has been written, so that the next pickle stands alone."""
        self._memo.clear()
        self._memo_is_set = False

    @property
    def memo(self) -> PicklerMemo:
        """What has been written, by identity."""
        return PicklerMemo(self._memo)

    @memo.setter
    def memo(self, value: Any) -> None:
        entries = value.copy() if isinstance(value, PicklerMemo) else value
        if not isinstance(entries, dict):
            raise TypeError(f"'memo' attribute must be a PicklerMemoProxy object or dict, not {type(value).__name__}")
        for entry in entries.values():
            if type(entry) is not tuple or len(entry) != 2 or type(entry[0]) is not int:
                raise TypeError("'memo' values must be 2-item tuples")
        self._memo.fill(entries)
        self._memo_is_set = True
