# cython: annotation_typing=False
"""Sessions: an encoder put together and run once. ``dumps`` is here, and is compiled.

Rules that hold here:

* What is put together belongs to one dump and to nobody else (S9). A policy and limits are looked at once for as long
  as the same ones are used.
* An encoder that has written its data is put away, and what it is made of serves the next dump: it is begun anew,
  nothing of the data is left in it, and nobody else has it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

from ..limits import DEFAULT_LIMITS, Limits
from ..policy.rules import PLAIN, Policy
from ..wire.memo import new_memo
from ..wire.opcodes import HIGHEST_PROTOCOL
from ..wire.output import Bounds
from .encoder import Encoder, new_encoder
from .granting import gate_maker

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    push, pop = list.append, list.pop

#: What the running interpreter's pickle writes when no protocol is given.
DEFAULT_PROTOCOL: int = pickle.DEFAULT_PROTOCOL
_PROTOCOL: int = DEFAULT_PROTOCOL

#: The encoder that has been put away, if any. Another thread may take it or put one here at any time; ``pop`` gives it
#: to one of them only.
_idle: list[Encoder] = []

BufferCallback = Callable[[Any], Any]


class Terms:
    """A policy and limits, as the encoder takes them."""

    def __init__(self, policy: Any, limits: Limits) -> None:
        if not isinstance(limits, Limits):
            raise TypeError(f"limits must be Limits, not {type(limits).__name__}")
        self.policy = policy
        self.limits = limits
        self.make_gate = gate_maker(policy)
        #: An encoder that was put away would keep a user's own policy alive.
        self.is_kept = isinstance(policy, Policy)
        self.bounds = Bounds(policy.within(limits) if isinstance(policy, Policy) else limits)


_DEFAULT_TERMS = Terms(PLAIN, DEFAULT_LIMITS)
#: The policy and limits that were used last beside the default: most programs have one set.
_recent = _DEFAULT_TERMS


def terms_of(policy: Any, limits: Limits) -> Terms:
    """Return a policy and limits as the encoder takes them."""
    global _recent
    if policy is PLAIN and limits is DEFAULT_LIMITS:
        return _DEFAULT_TERMS
    known = _recent
    if known.policy is policy and known.limits is limits:
        return known
    terms = Terms(policy, limits)
    if terms.is_kept:
        _recent = terms
    return terms


def protocol_of(protocol: int | None, buffer_callback: BufferCallback | None) -> int:
    """Return the protocol that is meant, checked."""
    if protocol is None:
        protocol = DEFAULT_PROTOCOL
    elif protocol < 0:
        protocol = HIGHEST_PROTOCOL
    elif protocol > HIGHEST_PROTOCOL:
        raise ValueError(f"pickle protocol must be <= {HIGHEST_PROTOCOL}")
    if buffer_callback is not None and protocol < 5:
        raise ValueError("buffer_callback needs protocol >= 5")
    return int(protocol)


def dumps(
    obj: Any,
    protocol: int | None = None,
    *,
    fix_imports: bool = True,
    buffer_callback: BufferCallback | None = None,
    policy: Any = PLAIN,
    limits: Limits = DEFAULT_LIMITS,
    canonical: bool = False,
) -> bytes:
    """Return *obj* as a pickle.

    :param protocol: 0 to 5; None is :data:`DEFAULT_PROTOCOL`, negative the highest.
    :param fix_imports: write Python 2's names in protocols below 3.
    :param buffer_callback: takes the :class:`PickleBuffer` objects that are to stay out of band (protocol 5).
    :param policy: what may be written: the same that it allows to be loaded.
    :param limits: bounds on the pickle.
    :param canonical: equal plain values give equal bytes; see :mod:`safepickle.encoding.canonical`.
    :raises PolicyError: for an object that the policy does not allow.
    :raises LimitError: for a pickle beyond the limits.
    :raises EncodingError: for an object that cannot be written.
    """
    terms = terms_of(policy, limits)
    if canonical:
        from .canonical import canonical_bytes

        return canonical_bytes(obj, protocol, terms.bounds)
    number = _PROTOCOL
    if protocol is not None or buffer_callback is not None:
        number = protocol_of(protocol, buffer_callback)
    encoder = _take()
    if encoder is None:
        encoder = new_encoder(
            number, terms.bounds, terms.make_gate, new_memo(), None, fix_imports, buffer_callback, True
        )
    elif buffer_callback is None and encoder.serves(number, terms.bounds, terms.make_gate, fix_imports):
        encoder.begin_again()
    else:
        encoder.begin(
            number, terms.bounds, terms.make_gate, encoder.memo, None, fix_imports, buffer_callback, True
        )
    data = encoder.dump(obj)
    if not _idle and terms.is_kept and encoder.rest():
        push(_idle, encoder)
    return data  # type: ignore[return-value]


def _take() -> Encoder | None:
    """Return the encoder that was put away, if one was."""
    encoder: Encoder | None = None
    if _idle:
        try:
            encoder = pop(_idle)
        except IndexError:  # another thread was faster
            encoder = None
    return encoder
