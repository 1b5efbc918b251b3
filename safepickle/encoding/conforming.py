# cython: annotation_typing=False
"""What the reader asks of arguments, state and names beyond the policy's rules, asked before they are written (S11).

Rules that hold here:

* The reader's own checks are called wherever that is possible: a second copy would part from the first one day.
* Nothing of the data's classes is called, and nothing is hashed: keys are left to the encoder, which looks at them
  when their classes have been granted.
* What is refused here would be refused by ``loads`` under the same policy and limits.
"""

from __future__ import annotations

import codecs
import copyreg
import enum
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..decoding.resolving import HASHES, MAX_DOTS, READS, SIZES, is_plain_id, refuse_items, traits_of
from ..decoding.state import check_exception_state, check_state_key, member_of, setter_of
from ..errors import EncodingError, FormatError, LimitError, quote, quote_name
from ..policy.contracts import CONTRACTS, ENUM, STATES
from ..policy.derived import contract_of_derived
from ..policy.gadgets import gadget_reason
from ..wire.python2 import to_python2, to_python3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..policy.contracts import Contract, StateContract
    from .reducing import Found

__all__ = [
    "HELPERS",
    "as_read",
    "check_global",
    "check_keys",
    "check_persistent_id",
    "check_sizes",
    "check_state",
    "contract_of",
    "hashed_by",
    "is_emulated",
    "is_made_empty",
    "is_new_helper",
    "made_by",
    "sets_attributes",
    "state_contract_of",
    "traits_of",
]


#: By identity: what the machine emulates, so that calls of it need no rule. As values they do.
HELPERS = frozenset(
    map(
        id,
        (
            complex, range, slice, type, set, frozenset, bytes, bytearray, object, codecs.encode, getattr,
            copyreg._reconstructor, copyreg.__newobj__, copyreg.__newobj_ex__,  # type: ignore[attr-defined]
        ),
    )
)  # fmt: skip
#: Contracts of state, as a dict.
_STATES: dict[Found, StateContract] = dict(STATES)


def own_name(obj: Any) -> Found | None:
    """Return the module and name that a class or function gives itself, or None."""
    module, name = getattr(obj, "__module__", None), getattr(obj, "__qualname__", None)
    return (module, name) if type(module) is str and type(name) is str else None


def check_global(obj: Any, pair: Found) -> str | None:
    """Return why the reader refuses this object even under a rule that names it, or None."""
    if isinstance(obj, ModuleType):
        return "it is a module"
    if pair[1].count(".") >= MAX_DOTS:
        return "its name has too many dots"
    own = own_name(obj)
    if own is not None and own != pair:
        # A re-export under another name is the same gadget.
        reason = gadget_reason(*own)
        if reason is not None:
            return f"it is {quote_name(*own)}, which {reason}"
    return None


def as_read(pair: Found, protocol: int, fix_imports: bool) -> Found:
    """Return what the reader takes a written name for: protocols 0 to 2 have Python 2's, not all of them unique."""
    if protocol >= 3:
        return pair
    module, (first, *rest) = pair[0], pair[1].split(".")
    written = to_python2(module, first) if fix_imports else (module, first)
    module, first = to_python3(*written)
    return module, ".".join((first, *rest))


def check_persistent_id(pid: Any) -> None:
    """Refuse a persistent id that is not plain (R64)."""
    if not is_plain_id(pid):
        raise EncodingError(f"a persistent id of {quote(type(pid).__name__)}: only text, numbers and tuples of them")


# -- calls -----------------------------------------------------------------------------------------------------


def contract_of(obj: Any, pair: Found) -> Contract | None:
    """Return the contract that the reader holds calls of a global to."""
    contract = CONTRACTS.get(pair)
    if contract is None:
        own = own_name(obj)
        contract = None if own is None else CONTRACTS.get(own)
    if contract is None and isinstance(obj, enum.EnumMeta):
        return ENUM
    return contract_of_derived(obj) if contract is None else contract


def is_new_helper(func: Any) -> bool:
    """Return whether a callable stands for NEWOBJ or NEWOBJ_EX, which it says by its name."""
    return func.__name__ in ("__newobj__", "__newobj_ex__")


def is_emulated(func: Any, args: tuple[Any, ...]) -> bool:
    """Return whether the machine makes this call itself."""
    count = len(args)
    if func is complex:
        return count == 2 and type(args[0]) is float and type(args[1]) is float
    if func is range:
        return 1 <= count <= 3 and not [arg for arg in args if type(arg) is not int] and args[2:] != (0,)
    if func is slice:
        return count == 3
    if func is type:
        return count == 1 and (args[0] is None or args[0] is ... or args[0] is NotImplemented)
    if func is set or func is frozenset:
        return count == 0 or (count == 1 and type(args[0]) is list)
    if func is bytes:
        return count == 0
    if func is bytearray:
        return count == 0 or (count == 1 and type(args[0]) is bytes)
    if func is codecs.encode:
        return count == 2 and type(args[1]) is str and args[1] == "latin1" and _is_latin(args[0])
    return False


def _is_latin(text: Any) -> bool:
    if type(text) is not str:
        return False
    fits = True
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        fits = False
    return fits


def check_sizes(traits: int, args: tuple[Any, ...], max_items: int) -> str | None:
    """Return why the reader refuses arguments of a class that reads them to their end, or None (D15)."""
    refusal = refuse_items(traits, args)
    if refusal is not None:
        return refusal
    for arg in args if traits else ():
        if type(arg) is range and traits & READS and len_of(arg) > max_items:
            raise LimitError("max_items", max_items, len_of(arg))
        if type(arg) is int and traits & SIZES:
            return "a number as a size"
    return None


def len_of(numbers: range) -> int:
    """Return the length of a range, which may be more than ``len`` can say."""
    return (numbers[-1] - numbers[0]) // numbers.step + 1 if numbers else 0


def hashed_by(func: Any, args: tuple[Any, ...]) -> Iterator[list[Any]]:
    """Return what a class hashes of each argument: its items if it is a set or dict, the argument if it is an enum."""
    if not isinstance(func, type) or not traits_of(func) & HASHES:
        return
    for arg in args:
        if isinstance(func, enum.EnumMeta):
            yield [arg]
        elif type(arg) in {list, tuple, set, frozenset, dict}:
            pairs = issubclass(func, dict) and type(arg) is not dict
            yield [item[0] if pairs and type(item) in {tuple, list} and item else item for item in arg]


# -- state -----------------------------------------------------------------------------------------------------


def sets_attributes(kind: type) -> bool:
    """Return whether state is set attribute by attribute: the class has no say in it, and there is no contract."""
    if not is_made_empty(kind, called=False):
        return False
    return setter_of(kind) is None and (kind.__module__, kind.__qualname__) not in STATES


def state_contract_of(pair: Found, kind: type) -> StateContract | None:
    """Return the contract that the reader holds state to: that of what made the object, or of its class."""
    contract = _STATES.get(pair)
    if contract is not None:
        return contract
    module = kind.__module__
    return _STATES.get((module if type(module) is str else str(module), kind.__qualname__))


def made_by(owner: Any, obj: Any) -> type:
    """Return the class of what the reader will have made: calling a class makes an instance of it."""
    return owner if isinstance(owner, type) else type(obj)


def is_made_empty(kind: Any, called: bool) -> bool:
    """Return whether a new instance of a class has no attributes before it is given its state."""
    return kind.__new__ is object.__new__ and (not called or kind.__init__ is object.__init__)


def check_state(kind: type, state: Any, max_items: int) -> None:
    """Refuse state that the reader would not set on an instance of a class."""
    setter = setter_of(kind)
    try:
        if setter is not None:
            if setter is BaseException.__setstate__:
                check_exception_state(state)
            return
        slots = None
        if type(state) is tuple and len(state) == 2:
            state, slots = state
        if state is not None:
            if type(state) is not dict:
                raise FormatError(f"state is {quote(state)}, not a dict")
            if not kind.__dictoffset__:
                raise FormatError(f"a {quote(kind.__name__)} has no attributes to set")
            # The reader adds up what the instance has and what it is given.
            most = len(state) if is_made_empty(kind, called=True) else 2 * len(state)
            if most > max_items:
                raise LimitError("max_items", max_items, most)
            check_keys(state)
        if slots is not None:
            if type(slots) is not dict:
                raise FormatError(f"slot state is {quote(slots)}, not a dict")
            check_keys(slots)
            for key in slots:
                member_of(kind, key)
    except FormatError as error:
        raise EncodingError(f"a {quote(kind.__name__)} that no reader sets: {error.reason}") from None


def check_keys(state: dict[Any, Any]) -> None:
    """Refuse names of attributes that are no plain names, or that Python gives a meaning of its own."""
    for key in state:
        check_state_key(key)
