# cython: annotation_typing=False
"""Sessions: a machine put together, run once, and its value given back. ``loads`` is here, and is compiled.

Rules that hold here:

* What is put together belongs to one load and to nobody else (S9).
* A machine whose pickle went well is put away, and what it is made of serves the next load: nothing of the pickle is
  left in it (of a long one no room either), nobody else has it, and it is opened anew, which is what makes it one shot
  (S6a); or, for the same policy and limits, opened again: what the pickle can have changed is as it was.
* The cyclic garbage collector is paused while a machine runs, because it would walk the growing data over and over
  (see ``_gc_pause``). Input so short that the collector would hardly run is not worth the pause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..errors import PolicyError, TrailingDataError
from ..limits import DEFAULT_LIMITS, Limits
from ..policy.rules import BY_DEFAULT, PLAIN, FindClass, Policy
from ..wire.source import as_bytes
from .budget import Budget
from .gates import Gate
from .handles import HeldTuple
from .locating import Locator
from .machine import Machine
from .open_gate import OpenGate

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    from .._gc_pause import enter, leave
    from .leaves import pop, push

#: Nothing is ever spent of it; another thread may put another one in its place at any time.
_unspent = Budget(DEFAULT_LIMITS)

#: The machine that has been put away, if any. Another thread may take it or put one here at any time; ``pop`` gives it
#: to one of them only.
_idle: list[Machine] = []

#: As most callers have them: a machine that was put away is opened again, not anew, only for these very objects.
_ENCODING, _ERRORS = "ASCII", "strict"

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
    machine: Machine | None = None,
) -> Machine:
    """Put a machine together.

    :param data: the pickle, or what of it is there.
    :param source: gives more, or None.
    :param find_class: the user's own resolver, or None.
    :param persistent_load: the user's callback, or None.
    :param inert: only survey the pickle. The other parameters are those of :func:`loads`.
    :param machine: one that was put away, or None.
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
    if machine is None or is_open:
        machine = Machine.__new__(Machine)
        machine.equip()
        machine.gate = OpenGate.__new__(OpenGate) if is_open else Gate.__new__(Gate)
        machine.gate.equip()
    gate = machine.gate
    gate.open_gate(policy, budget, find_class, persistent_load, bool(fix_imports), inert)
    machine.open_machine(data, source, gate, encoding, errors, None if buffers is None else iter(buffers))
    return machine


def _take() -> Machine | None:
    """Return the machine that was put away, if one was."""
    machine: Machine | None = None
    if _idle:
        try:
            machine = pop(_idle)
        except IndexError:  # another thread was faster
            machine = None
    return machine


def _put_away(machine: Machine, policy: Policy | FindClass, limits: Limits, is_usual: bool) -> None:
    """Keep a machine that has given its value back, if nothing can refer to it or its gate any more."""
    gate = machine.gate
    if gate.strict and gate.find_class is None and not _idle:
        # Read once: another thread may put one of other limits in its place.
        unspent = _unspent
        is_same = is_usual and unspent.limits is machine.budget.limits
        machine.let_go(policy, limits, unspent if is_same else None)  # if None, it is opened anew, for whomever
        if gate.is_untouched():
            gate.keys.let_go()
        else:
            gate.let_go()
        push(_idle, machine)


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
    # The collector comes by where something is made while it is on: a program that does nothing but load, and puts
    # machines away, would never let it, and rings that were loaded would stay.
    HeldTuple.__new__(HeldTuple)
    try:
        enter(machine)
        return machine.run()
    finally:
        try:
            leave(machine)
        except BaseException:
            # Interrupted: nobody else would end it.
            leave(machine)
            raise


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
    policy: Policy | FindClass = BY_DEFAULT,
    limits: Limits = DEFAULT_LIMITS,
    type: Any = None,  # noqa: A002 (what a user writes)
) -> Any:
    """Return the value that a pickle stands for; ``pickle.loads`` under a policy and within limits.

    :param data: one pickle, as any bytes-like object; it is copied unless it is ``bytes``.
    :param fix_imports: rename Python 2 globals in pickles of protocols 0 to 2.
    :param encoding: codec for Python 2 str, or ``"bytes"`` to leave them bytes.
    :param errors: that codec's error handler.
    :param buffers: out-of-band buffers, in the order in which they were taken (PEP 574).
    :param policy: what is allowed; by default plain data only.
    :param limits: how much is allowed.
    :param type: a type annotation that the value has to be of. Where no policy is given, the classes that it leads to
        are what is allowed (``Policy.for_type``).
    :raises ShapeError: if the value is not of that type; it says where.
    :raises PolicyError: if the policy refuses anything; nothing refused was imported or called.
    :raises LimitError: if a limit would be exceeded.
    :raises FormatError: if *data* is not exactly one well-formed pickle.
    :raises ReconstructionError: if something the policy allows fails.
    """
    if type is not None:
        policy = policy_for(type, policy)
    content = bytes_of(data)
    is_usual = buffers is None and fix_imports is True and encoding is _ENCODING and errors is _ERRORS
    machine = _take()
    if is_usual and machine is not None and machine.policy is policy and machine.limits is limits and machine.unspent:
        machine.open_again(content, machine.unspent)
    else:
        machine = open_machine(
            content, None, policy, limits, None, None, fix_imports, encoding, errors, buffers, False, machine
        )
    try:
        value = run_whole(machine)
    except PolicyError as refusal:
        # Compiled, it may be that there was no memory to make the one that was raised.
        if refusal.__cause__ is None and not isinstance(refusal, MemoryError):
            refusal.locate_by(
                Locator(content, machine.position, policy, limits, fix_imports, encoding, errors, False)
            )
        raise
    _put_away(machine, policy, limits, is_usual)
    if type is not None:
        check(value, type)
    return value


def bytes_of(data: Any) -> bytes:
    """Return what is loaded as bytes."""
    return data if type(data) is bytes else as_bytes(data)


def policy_for(annotation: Any, policy: Policy | FindClass) -> Policy | FindClass:
    """Return the policy for values of a type annotation: the one that was given, if one was."""
    return Policy.for_type(annotation) if policy is BY_DEFAULT else policy


def check(value: Any, annotation: Any) -> None:
    """Compare a value with a type annotation."""
    # Loaded here because only those who name a type need it.
    from ..policy.typed import check_type

    check_type(value, annotation)
