"""Unpickler, load and loads: pickle's own calls, in front of the machine.

Rules that hold here:

* These are thin: they take pickle's arguments, put a machine together, run it once, and give back its value.
* An Unpickler may be subclassed and its ``find_class`` and ``persistent_load`` overridden, as with ``pickle``; what
  they return still goes through the gate.
* Each ``load`` starts with an empty memo (S6a, R67). Only under UNRESTRICTED a reused Unpickler goes on with the
  memo of the last one, as pickle's does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ..errors import (
    Denial,
    FormatError,
    LimitError,
    PolicyError,
    SafePickleError,
    StateError,
    TrailingDataError,
)
from ..limits import DEFAULT_LIMITS, Limits
from ..policy.rules import BY_DEFAULT, PLAIN, FindClass, Policy
from ..wire.source import as_bytes, open_source
from .budget import Budget
from .gates import Gate
from .locating import Locator, pickle_of
from .machine import Machine
from .open_gate import find_any
from .session import check, loads, open_machine, policy_for, run

__all__ = ["Survey", "Unpickler", "load", "loads", "survey"]


def load(
    file: Any,
    *,
    fix_imports: bool = True,
    encoding: str = "ASCII",
    errors: str = "strict",
    buffers: Iterable[Any] | None = None,
    policy: Policy | FindClass = BY_DEFAULT,
    limits: Limits = DEFAULT_LIMITS,
    type: Any = None,  # noqa: A002 (what a user writes)
) -> Any:
    """Read one pickle from a file and return its value; the file is left right behind it, as ``pickle.load`` does.

    :param file: an object with ``read`` and ``readline``, in binary mode. Other parameters and errors: :func:`loads`.
    :raises EmptyInputError: (an ``EOFError``) if the file is at its end.
    """
    if type is not None:
        policy = policy_for(type, policy)
    machine = open_machine(
        b"", open_source(file), policy, limits, None, None, fix_imports, encoding, errors, buffers, False
    )
    try:
        value = run(machine)
    except PolicyError as refusal:
        _locate(refusal, file, machine, policy, limits, fix_imports, encoding, errors, False)
        raise
    if type is not None:
        check(value, type)
    return value


def _locate(
    refusal: PolicyError,
    file: Any,
    machine: Machine,
    policy: Policy | FindClass,
    limits: Limits,
    fix_imports: bool,
    encoding: str,
    errors: str,
    asked: bool,
) -> None:
    """Note what is needed to find the paths of denials, if the file can be read once more."""
    length = machine.offset + machine.position
    data = pickle_of(file, length) if refusal.__cause__ is None else None
    if data is not None:
        refusal.locate_by(Locator(data, length, policy, limits, fix_imports, encoding, errors, asked))


class Unpickler:
    """Reads pickles from a file; ``pickle.Unpickler`` under a policy and within limits.

    :param file: an object with ``read`` and ``readline``, in binary mode. Other parameters: :func:`loads`.
    """

    _policy: Policy | FindClass = PLAIN
    _limits: Limits = DEFAULT_LIMITS

    def __init__(
        self,
        file: Any,
        *,
        fix_imports: bool = True,
        encoding: str = "ASCII",
        errors: str = "strict",
        buffers: Iterable[Any] | None = None,
        policy: Policy | FindClass | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._source = open_source(file)
        self._file = file
        self._fix_imports = fix_imports
        self._encoding = encoding
        self._errors = errors
        self._buffers = None if buffers is None else iter(buffers)
        if policy is not None:
            self._policy = policy
        if limits is not None:
            self._limits = limits
        self._running: Machine | None = None
        #: Of the last pickle: find_class depends on it.
        self._protocol = 0
        self._memo: dict[int, Any] = {}

    def load(self) -> Any:
        """Read the next pickle and return its value.

        :raises StateError: if this Unpickler is loading already (gh-143638).
        """
        if not hasattr(self, "_file"):
            raise FormatError(f"Unpickler.__init__() was not called by {type(self).__name__}.__init__()")
        if self._running is not None:
            raise StateError("this Unpickler is loading already")
        # The file may have been moved by its owner since the last load.
        machine = open_machine(
            b"", open_source(self._file), self._policy, self._limits, self._overridden("find_class"),
            self._overridden("persistent_load"), self._fix_imports, self._encoding, self._errors, self._buffers,
            False,
        )  # fmt: skip
        if not machine.strict:
            machine.set_memo(self._memo)
        self._running = machine
        try:
            return run(machine)
        except PolicyError as refusal:
            _locate(
                refusal, self._file, machine, self._policy, self._limits, self._fix_imports, self._encoding,
                self._errors, self._overridden("find_class") is not None,
            )  # fmt: skip
            raise
        finally:
            self._running = None
            self._protocol = machine.protocol
            if not machine.strict:
                self._memo = machine.get_memo()

    def _overridden(self, name: str) -> Any:
        """Return the user's own method or attribute *name*, or None."""
        if name in self.__dict__ or getattr(type(self), name) is not getattr(Unpickler, name):
            return getattr(self, name)
        return None

    def find_class(self, module: str, name: str, /) -> Any:
        """Return the object that a global stands for, if the policy has a rule for it. May be overridden.

        :raises PolicyError: if it has not.
        """
        machine = self._running
        if isinstance(self._policy, Policy) and self._policy.unrestricted:
            protocol = self._protocol if machine is None else machine.protocol
            return find_any(module, name, protocol, self._fix_imports)
        if not isinstance(self._policy, Policy):
            return self._policy.find_class(module, name)
        gate = (
            Gate(self._policy, Budget(self._limits), None, None, False, False)
            if machine is None
            else machine.gate
        )
        return gate.grant(module, name)

    def persistent_load(self, pid: Any, /) -> Any:
        """Return the object that a persistent id stands for. To be overridden; without, such pickles are refused."""
        raise FormatError(
            "A load persistent id instruction was encountered, but no persistent_load function was specified."
        )

    @property
    def memo(self) -> dict[int, Any]:
        """The memo by index; kept between loads only under UNRESTRICTED."""
        return dict(self._memo)

    @memo.setter
    def memo(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise TypeError(f"'memo' attribute must be a dict, not {type(value).__name__}")
        for index in value:
            if type(index) is not int:
                raise TypeError("memo keys must be integers")
            if index < 0:
                raise ValueError("memo key must be positive integers.")
        self._memo = dict(value)


class Survey(NamedTuple):
    """What a pickle would need, found by running the machine inert: nothing was imported, called or set."""

    #: Everything that the policy refuses.
    denials: tuple[Denial, ...]
    #: What is wrong with the stream, or which limit it exceeds; None if nothing.
    error: SafePickleError | None
    #: Opcodes that were carried out.
    opcodes: int
    #: Calls that the stream asks for.
    calls: int
    #: Globals that the stream names, after renames, in the order of the stream.
    globals: tuple[tuple[str, str], ...]
    #: Bytes of the pickle.
    bytes: int


def survey(
    data: Any,
    *,
    fix_imports: bool = True,
    encoding: str = "ASCII",
    errors: str = "strict",
    buffers: Iterable[Any] | None = None,
    policy: Policy = PLAIN,
    limits: Limits = DEFAULT_LIMITS,
) -> Survey:
    """Carry out a pickle inert and say what the policy would refuse. Nothing is imported, called or set.

    :param data: one pickle, as bytes-like object or as a file.
    """
    is_file = hasattr(data, "read")
    content = b"" if is_file else as_bytes(data)
    if limits.max_bytes is not None and len(content) > limits.max_bytes:
        return Survey((), LimitError("max_bytes", limits.max_bytes, len(content)), 0, 0, (), 0)
    source = open_source(data) if is_file else None
    machine = open_machine(
        content, source, policy, limits, None, None, fix_imports, encoding, errors, buffers, True
    )
    error: SafePickleError | None = None
    gate = machine.gate
    try:
        run(machine)
    except PolicyError as refusal:
        # The denials hide what else was wrong; it is the cause.
        cause = refusal.__cause__
        error = cause if isinstance(cause, SafePickleError) else None
    except SafePickleError as failure:
        error = failure
    denials = gate.denials()
    if error is None:
        length = machine.offset + machine.position
        rest = len(content) - length
        if not is_file and rest:
            error = TrailingDataError(f"{rest} bytes follow the pickle", position=length, opcode="STOP")
        whole = (pickle_of(data, length) if is_file else content) if denials else None
        if whole is not None:
            denials = Locator(whole, length, policy, limits, fix_imports, encoding, errors, False)(denials)
    return Survey(
        denials,
        error,
        machine.opcodes,
        gate.calls,
        tuple([(handle.module, handle.name) for handle in gate.named.handles]),
        machine.offset + machine.position,
    )
