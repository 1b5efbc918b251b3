# cython: annotation_typing=False
"""Sessions: a machine put together, run once, and its value given back. ``loads`` is here, and is compiled.

Rules that hold here:

* What is put together belongs to one load and to nobody else (S9).
* The cyclic garbage collector is paused while a machine runs, because it would walk the growing data over and over
  (see ``_gc_pause``). Input so short that the collector would hardly run is not worth the pause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import _gc_pause
from ..errors import PolicyError, TrailingDataError
from ..limits import DEFAULT_LIMITS, Limits
from ..policy.rules import PLAIN, FindClass, Policy
from ..wire.source import as_bytes
from .budget import Budget
from .gates import Gate
from .locating import Locator
from .machine import Machine
from .open_gate import OpenGate

#: Nothing is ever spent of it; another thread may put another one in its place at any time.
_unspent = Budget(DEFAULT_LIMITS)

#: Input in memory that is shorter than this cannot make enough objects for the collector to matter.
_SHORT = 4096


def open_machine(
    data: bytes,
    source: Any,
    policy: Policy | FindClass,
    limits: Limits,
    find_class: Callable[[str, str], Any] | None,
    persistent_load: Callable[[Any], Any] | None,
    fix_imports: bool,
    encoding: str,
    errors: str,
    buffers: Iterable[Any] | None,
    inert: bool,
) -> Machine:
    """Put a machine together.

    :param data: the pickle, or what of it is there.
    :param source: gives more, or None.
    :param find_class: the user's own resolver, or None.
    :param persistent_load: the user's callback, or None.
    :param inert: only survey the pickle. The other parameters are those of :func:`loads`.
    """
    if type(encoding) is not str or type(errors) is not str:
        raise TypeError("encoding and errors must be str")
    if type(limits) is not Limits:
        raise TypeError(f"limits must be Limits, not {type(limits).__name__}")
    is_open = False
    if isinstance(policy, Policy):
        if policy.limits is not None:
            limits = policy.within(limits)
        is_open = policy.unrestricted and not inert
    elif isinstance(policy, FindClass):
        # The user's own policy object: what its find_class returns is granted, all else is denied.
        if find_class is None:
            find_class = policy.find_class
        policy = PLAIN
    else:
        raise TypeError(f"policy must be a Policy or have find_class, not {type(policy).__name__}")
    budget = _budget(limits)
    gate: Gate = OpenGate.__new__(OpenGate) if is_open else Gate.__new__(Gate)
    gate.open_gate(policy, budget, find_class, persistent_load, bool(fix_imports), inert)
    machine = Machine.__new__(Machine)
    machine.open_machine(data, source, gate, encoding, errors, None if buffers is None else iter(buffers))
    return machine


def _budget(limits: Limits) -> Budget:
    """Return a fresh budget. Most loads have the limits that the last one had: they are not read out again."""
    global _unspent
    unspent = _unspent
    if unspent.limits is not limits:
        unspent = Budget(limits)
        _unspent = unspent
    return unspent.renewed()


def run(machine: Machine) -> Any:
    """Carry out the pickle, with the garbage collector out of the way, and return its value."""
    if machine.source is None and len(machine.data) < _SHORT:
        return machine.run()
    _gc_pause.enter()
    try:
        return machine.run()
    finally:
        _gc_pause.leave()


def run_whole(machine: Machine) -> Any:
    """Carry out a pickle that must be all of the machine's data, and return its value."""
    size = len(machine.data)
    if size > machine.budget.max_bytes:
        machine.budget.refuse("max_bytes", size)
    value = run(machine)
    if machine.position != size and machine.strict:
        # What follows is never looked at by pickle, and hides a second pickle or another file format (R69).
        raise TrailingDataError(
            f"{size - machine.position} bytes follow the pickle", position=machine.position, opcode="STOP"
        )
    return value


def loads(
    data: Any,
    /,
    *,
    fix_imports: bool = True,
    encoding: str = "ASCII",
    errors: str = "strict",
    buffers: Iterable[Any] | None = None,
    policy: Policy | FindClass = PLAIN,
    limits: Limits = DEFAULT_LIMITS,
) -> Any:
    """Return the value that a pickle stands for; ``pickle.loads`` under a policy and within limits.

    :param data: one pickle, as any bytes-like object; it is copied unless it is ``bytes``.
    :param fix_imports: rename Python 2 globals in pickles of protocols 0 to 2.
    :param encoding: codec for Python 2 str, or ``"bytes"`` to leave them bytes.
    :param errors: that codec's error handler.
    :param buffers: out-of-band buffers, in the order in which they were taken (PEP 574).
    :param policy: what is allowed; by default plain data only.
    :param limits: how much is allowed.
    :raises PolicyError: if the policy refuses anything; nothing refused was imported or called.
    :raises LimitError: if a limit would be exceeded.
    :raises FormatError: if *data* is not exactly one well-formed pickle.
    :raises ReconstructionError: if something the policy allows fails.
    """
    content = data if type(data) is bytes else as_bytes(data)
    machine = open_machine(
        content, None, policy, limits, None, None, fix_imports, encoding, errors, buffers, False
    )
    try:
        return run_whole(machine)
    except PolicyError as refusal:
        if refusal.__cause__ is None:
            refusal.locate_by(
                Locator(content, machine.position, policy, limits, fix_imports, encoding, errors, False)
            )
        raise
