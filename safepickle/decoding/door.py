# cython: annotation_typing=False
"""The door: the one way into a machine, and the one way out of it, for the value and for everything that goes wrong.

Rules that hold here:

* A machine serves one pickle (S6a): it is opened, it runs, it is done.
* Whatever the bytes are, the caller gets the value or a :class:`SafePickleError` (S7). What the caller's own hooks,
  files and, without a policy, callables raise passes as it is.
"""

from __future__ import annotations

from typing import Any

from ..errors import FormatError, InternalError, LimitError, PolicyError, SafePickleError, StateError
from ..wire.opcodes import HIGHEST_PROTOCOL, opcode_name
from ..wire.reading import not_utf8, size8
from .budget import Budget
from .operations import Operations
from .window import NO_OPCODE

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    from .leaves import drop

_FRESH, _RUNNING, _DONE = 0, 1, 2
#: So many opcodes make no list so long that it is not worth keeping; and lists that are kept from one load to the next.
_FEW_OPCODES, _MOST_SPARE = 4096, 16


class Door(Operations):
    """Runs the loop of a subclass once."""

    def open_door(self) -> None:
        """Be ready for one pickle."""
        self.opcodes = 0
        self.begun = 0
        self.phase = _FRESH

    def open_again(self, data: bytes, unspent: Budget) -> None:
        """Begin at the first byte of another pickle, after one that went well under the same terms.

        :param unspent: a budget of the same limits. The gate is as it was opened: it has let go of all.
        """
        self.budget.restore(unspent)
        self.begin_window(data)
        self.begin_stack()
        gate = self.gate
        gate.keys.begin_guard()
        gate.opcode = 0
        gate.position = 0
        self.open_door()

    def let_go(self, policy: Any, limits: Any, unspent: Budget | None) -> None:
        """Keep nothing of a pickle that went well but the room it took, and for whom it may be opened again."""
        self.policy = policy
        self.limits = limits
        self.unspent = unspent
        self.data = b""
        # Most are None, whose count of references would be written again and again.
        if self.source is not None:
            self.source = None
        if self.buffers is not None:
            self.buffers = None
        if self.last_made is not None:
            self.last_made = None
        if self.sparse is not None:
            self.sparse = None
        if self.inlay is not None:
            self.inlay = None
        if self.opcodes > _FEW_OPCODES:
            # Each may have made any of the lists, or the numbers of the nesting, longer by one. Nothing new in their
            # place: the collector would come by, and walk what was loaded.
            self.stack.clear()
            self.metastack.clear()
            self.memo.clear()
            self.spare.clear()
            self.nesting.open_nesting(0)
        else:
            drop(self.stack)
            drop(self.memo)
            if len(self.spare) > _MOST_SPARE:
                # One load after another could make each of very many lists long.
                del self.spare[_MOST_SPARE:]

    def _begin(self) -> None:
        """Carry out PROTO and FRAME where they are what most pickles begin with. All else is left to the loop."""
        data = self.data
        if self.end > 11 and data[0] == 0x80 and data[1] <= HIGHEST_PROTOCOL and self.strict:
            self.protocol = data[1]
            self.position = 2
            self.begun = 1
            if data[2] == 0x95 and self.budget.opcodes_left > 2:
                self.start = 2
                self.opcode = 0x95
                self.position = 11
                self.begun = 2
                self.open_frame(size8(data, 3))

    def run(self) -> Any:
        """Carry out the pickle and return its value.

        :raises SafePickleError: whatever the bytes are.
        """
        if self.phase != _FRESH:
            raise StateError("a machine serves one pickle")
        self.phase = _RUNNING
        gate = self.gate
        try:
            try:
                self._begin()
                value = self._run()
            except UnicodeDecodeError as error:
                if not self.strict or not self.underflow or gate.in_hook:
                    raise
                raise not_utf8(error) from None
            # Also where the policy refuses: the next pickle of the file begins behind this one.
            self.leave_source()
            if gate.denied:
                raise PolicyError(gate.denials(), policy=gate.policy.name)
            return value
        except SafePickleError as error:
            if isinstance(error, MemoryError):
                raise  # compiled: there was no memory to make the one that was raised
            if not self.strict and (native := _native(error)) is not None:
                raise native from None
            if not gate.in_hook:
                text = error.args
                error.locate(self.offset + self.start, self.where())
                if not self.strict and not isinstance(error, LimitError):
                    # The fields say where; the text stays pickle's own.
                    error.args = text
            if gate.denied and not isinstance(error, PolicyError):
                raise PolicyError(gate.denials(), policy=gate.policy.name) from error
            raise
        except Exception as error:
            if gate.in_hook or self.in_source or (not self.strict and not self._is_underflow(error)):
                raise
            failure = self._own_failure(error)
            if gate.denied:
                raise PolicyError(gate.denials(), policy=gate.policy.name) from failure
            raise failure from error
        finally:
            self.phase = _DONE
            if self.source is not None:
                self.abandon_source()

    def _is_underflow(self, error: BaseException) -> bool:
        """Whether the machine itself took more from its stack than there is (and not something that it called)."""
        return isinstance(error, IndexError) and self.underflow and not self.gate.keys.failed

    def _own_failure(self, error: BaseException) -> SafePickleError:
        """Return what to call an exception of the machine's own."""
        failure: SafePickleError
        if isinstance(error, IndexError):
            failure = FormatError("more is taken from the stack than is on it")
        else:
            failure = InternalError(f"the machine failed: {type(error).__name__}")
        failure.locate(self.offset + self.start, self.where())
        return failure

    def where(self) -> str:
        """Return what the machine was doing, for messages."""
        return "reading" if self.opcode == NO_OPCODE else opcode_name(self.opcode)

    def _run(self) -> Any:
        raise NotImplementedError


def _native(error: SafePickleError) -> Exception | None:
    """Return the ValueError of Python's own that a leaf replaced (``from None``): pickle lets it out."""
    inner = error.__context__
    return inner if error.__suppress_context__ and isinstance(inner, ValueError) else None
