# cython: annotation_typing=False
"""Adopting: what goes into a call, and what comes out of it or from outside, is counted, paid for and noted.

Rules that hold here:

* What a class may copy, walk or hash of its arguments is paid for before it is called (D05, D06, D16).
* What a call gave is known by its class, or by its identity where it is not of the class that was called; what came
  from outside is nobody's, and no opcode may change it.
"""

from __future__ import annotations

import enum
from collections import Counter
from typing import Any

from ..errors import FormatError, ReconstructionError, SafePickleError, quote_name
from ..policy.contracts import STATES
from ..policy.derived import calls_factory
from ..policy.parts import BUFFERS
from .budget import Budget
from .handles import Facts, GlobalHandle, Inert
from .hashing import KeyGuard
from .naming import Naming
from .refusals import CALL, NEW
from .resolving import (
    HASHES,
    READS,
    SIZED_AS_BUILT_IN,
    SIZES,
    STARTS_LATER,
    TEXT,
    items_of,
    refuse_items,
    size_by,
    sizer_of,
)
from .state import Shape, setter_of
from .usual_arrays import usual_state
from .usual_frames import usual_frame_call
from .usual_models import UsualModels, usual_estimator, usual_tree, weigh_tree_call
from .usual_texts import fits_texts, is_of_texts

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

_STATES: dict[tuple[str, str], Any] = dict(STATES)
_UNHASHABLE = frozenset({list, dict, set, bytearray})
#: What a survey has as a load would: everything else may be, or hold, what is not made.
_PLAIN_ARGUMENTS = frozenset({type(None), bool, int, float, str, bytes})
#: What ``copyreg._reconstructor`` fills an instance from, key by key.
_KEYED = frozenset({dict, set, frozenset})
#: ``bytes(source=10**9)`` and ``str(object=...)``: what takes such arguments may be given them by name.
_NAMES_ITS_SOURCE = SIZED_AS_BUILT_IN | TEXT
#: Arguments that are looked at for nothing.
FEW = 64
#: Keys that are taken at once without a look at the clock.
MANY = 1000
#: Bytes up to which numpy copies what an array is given as its data; of more it keeps the object (``array_setstate``).
COPIED = 1000
#: Bytes of an entry for what is noted by its id.
NOTED = 100
#: What it is to look at one estimator of a forest, in elements that are hashed.
_LOOK = 4
#: Classes whose instances hold what they were called with, and nothing else for ever.
_ATOMS = frozenset(
    {("decimal", "Decimal"), *(("datetime", name) for name in ("date", "time", "datetime", "timedelta", "timezone"))}
)


if not cython.compiled:
    from .resolving import version_of

    def new_instance(cls: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        """Make an instance without initialising it; in the compiled form through the class's own slot."""
        if kwargs is None:
            return cls.__new__(cls, *args) if args else cls.__new__(cls)
        return cls.__new__(cls, *args, **kwargs)

    def taken_over(data: bytearray) -> bytearray:
        """Return another bytearray with these bytes, which are taken from this one; in the compiled form uncopied."""
        own = bytearray(data)
        data.clear()
        return own


def is_atom(module: str, name: str, kind: type) -> bool:
    """Return whether instances of a class are leaves for whoever walks data.

    What stands under such a name may be another class: one that can be given attributes is none.
    """
    return (module, name) in _ATOMS and not kind.__dictoffset__ and "__slots__" not in vars(kind)


def names_atom(module: str, name: str) -> bool:
    """Return whether a global is that of such a class, as far as its name says."""
    return (module, name) in _ATOMS


def failure_of(handle: GlobalHandle, error: Exception) -> ReconstructionError:
    """Return the error for a call that failed."""
    return ReconstructionError(f"{quote_name(handle.module, handle.name)} failed: {type(error).__name__}")


def refusal_of_plain(contract: Any, args: tuple[Any, ...], kwargs: Any) -> str | None:
    """Return why a contract refuses arguments, as far as they are there while nothing is made; None for nothing."""
    if contract.asks_library:
        return None
    for arg in (*args, *(kwargs or {}).values()):
        if type(arg) not in _PLAIN_ARGUMENTS:
            return None
    refusal: str | None = contract.check(args, kwargs or {})
    return refusal


def _contract_of_state(handle: GlobalHandle, kind: type) -> Any:
    """Return what the state of instances of a class may be, or None."""
    contract = _STATES.get((handle.module, handle.name))
    if contract is None:
        contract = _STATES.get((str(kind.__module__), kind.__qualname__))
    setter = None if contract is not None else setter_of(kind)
    if setter is not None:
        # What a function of the application's gave may be of a class derived from one with a contract.
        for base in kind.__mro__[1:]:
            if contract is None and setter_of(base) is setter:
                contract = _STATES.get((str(base.__module__), base.__qualname__))
    return contract


class Adopting(Naming):
    """What one load has taken in."""

    def equip(self) -> None:
        Naming.equip(self)
        self.keys = KeyGuard.__new__(KeyGuard)

    def open_adopting(self, budget: Budget) -> None:
        """Begin with nothing taken in."""
        self.keys.open_guard(budget, True)
        #: Something that is not of this load's making may be on the stack.
        self.foreign = False
        #: A call has returned something else than an instance of the class that was called.
        self.lent = False
        #: Items given to objects of classes of their own, by id; the object is kept so that its id stays its own.
        self.filled: Any = None
        #: Data that arrays have their memory in, by id.
        self.held: Any = None
        #: Dtypes that nothing has been made with yet, and that have no state, by id.
        self.fresh: Any = None
        #: What the load has to do with scikit-learn, None for nothing.
        self.models: Any = None
        self.calls = 0
        #: A method of a class has been given items or state: what the class was given before may be another by now.
        self.changed = False
        #: Under which the keys that the call at hand is given are counted.
        self.given: Any = None
        #: What a call has just given is a leaf, if its arguments are leaves.
        self.atom = False

    def is_untouched(self) -> bool:
        """Return whether nothing was named and nothing came from outside: all is as it was opened, but for the keys."""
        return not self.named.handles and not self.foreign

    def let_go(self) -> None:
        """Keep nothing of what was named, was made, came from outside or was a key: all is as it was opened."""
        self.named.let_go()
        self.handles_seen = False
        # Most of these are None, whose count of references would be written again and again.
        if self.made is not None:
            self.made = None
        if self.shapes is not None:
            self.shapes = None
        if self.guarded is not None:
            self.guarded = None
        if self.filled is not None:
            self.filled = None
        if self.given is not None:
            self.given = None
        if self.held is not None:
            self.held = None
        if self.fresh is not None:
            self.fresh = None
        if self.models is not None:
            self.models = None
        self.foreign = self.lent = self.changed = self.atom = False
        self.calls = 0
        self.keys.let_go()

    def look_through(self, count: int) -> None:
        """Pay for looking at many arguments: any number of calls may share one dict or tuple of them."""
        if count > FEW:
            self.budget.take_hash_work(count)

    def _take_copies(self, parts: tuple[Any, ...]) -> None:
        """Pay for containers that a class may copy: any number of objects may share one of them (D16)."""
        for part in parts:
            kind = type(part)
            if kind is list or kind is tuple or kind is dict or kind is set or kind is frozenset:
                count = len(part)
                if count > FEW:
                    self.budget.take_memory((8 if kind is list or kind is tuple else 48) * count)

    def _survey_call(self, handle: GlobalHandle, right: int, args: tuple[Any, ...], kwargs: Any) -> Inert:
        """Say what stands for the result of a call that is not made, and what the rule has against its arguments."""
        self.calls += 1
        # A leaf where it is made: what a survey finds too deep a load would have to find, too.
        self.atom = bool(handle.rights & right) and names_atom(handle.module, handle.name)
        refusal = None
        # Any number of calls may share their arguments, whoever looks at them.
        self.look_through(len(args) + len(kwargs or ()))
        self.budget.look_at_clock()
        if handle.guards is not None and handle.rights & (NEW | CALL):
            refusal = handle.guards.refuse_call(right == NEW, args, kwargs)
        if refusal is None and handle.contract is not None and handle.rights & right:
            refusal = refusal_of_plain(handle.contract, args, kwargs)
        if refusal is not None:
            self.deny(handle, right, f"its arguments are refused: {refusal}")
        return Inert(handle)

    def _sizes_are_bounded(self, handle: GlobalHandle, right: int, args: tuple[Any, ...], kwargs: Any) -> bool:
        # Each call counts for itself: what it makes has these keys, and may be given more (pass_on).
        self.given = []
        if not kwargs and len(args) == 1 and type(args[0]) is dict and issubclass(handle.target, dict):
            self._check_keys_of(args[0])
            return True
        if kwargs and handle.sized & _NAMES_ITS_SOURCE:
            args = (*args, *kwargs.values())
        if handle.sized & STARTS_LATER and right == NEW and not handle.rights & CALL:
            self.deny(handle, CALL, "each thread would call __init__ with what it is made with")
            return False
        refusal = refuse_items(handle.sized, args)
        if refusal is not None:
            self.deny(handle, right, f"its arguments are refused: {refusal}")
            return False
        for arg in args:
            kind = type(arg)
            if kind is range and handle.sized & READS:
                length = (arg[-1] - arg[0]) // arg.step + 1 if arg else 0
                self.budget.take_items(0, min(length, 2**60), 36)
                if handle.sized & HASHES:
                    self._check_keys(handle, arg)
            elif kind is int and handle.sized & SIZES:
                self.deny(handle, right, "its arguments are refused: a number as a size")
                return False
            elif handle.sized & HASHES:
                self._check_keys(handle, arg)
        return True

    def _check_keys_of(self, items: dict[Any, Any]) -> None:
        """Check the keys of a dict that a class derived from ``dict`` takes."""
        for index, key in enumerate(items):
            self.keys.look(index)
            self.keys.check(self.given, key)
        self._rehearse(list(items) if len(items) > MANY else [])

    def _rehearse(self, keys: list[Any]) -> None:
        if len(keys) > MANY:
            self.keys.rehearse(keys)
            self.budget.since_clock += len(keys)

    def _check_keys(self, handle: GlobalHandle, arg: Any) -> None:
        """Check what a constructor will hash: an enumeration its argument, a set or dict the items (D05, D06)."""
        kind = type(arg)
        if isinstance(handle.target, enum.EnumMeta):
            if kind not in _UNHASHABLE:
                self.keys.check(handle, arg)
            return
        self.keys.big_ints = self.keys.big_ints or kind is range
        # Counters count whatever they are given, pairs too.
        pairs = issubclass(handle.target, dict) and not issubclass(handle.target, Counter)
        pairs = pairs and not issubclass(kind, dict)
        given = []
        for index, item in enumerate(items_of(arg) or ()):
            self.keys.look(index)
            key = item
            if pairs and issubclass(type(item), (list, tuple)):
                key = next(items_of(item) or iter(()), None)
            if type(key) not in _UNHASHABLE:
                self.keys.check(self.given, key)
                given.append(key)
        self._rehearse(given)

    # -- calls like one before them ----------------------------------------------------------------------------

    def call_settled(self, handle: GlobalHandle, args: tuple[Any, ...]) -> Any:
        """Make a call like one before it, of which all is known but these arguments, which surely fit."""
        self.count_settled(handle)
        try:
            result = handle.target(*args)
        except Exception as error:
            raise failure_of(handle, error) from error
        if type(result) is not handle.registered:
            self._adopt(handle, result)
        elif handle.is_atom:
            self.atom = True
        return result

    def count_settled(self, handle: GlobalHandle) -> None:
        """Count and pay for such a call whose result has been made without it."""
        self.calls += 1
        self.budget.take_made(handle.cost + handle.usual_size)

    def make_plainly(self, handle: GlobalHandle) -> Any:
        """Make an instance as one before it, without arguments, of a class that nothing is asked about."""
        self.calls += 1
        self.budget.take_made(handle.cost)
        try:
            result = new_instance(handle.target, (), None)
        except SafePickleError:
            raise
        except Exception as error:
            raise failure_of(handle, error) from error
        if type(result) is not handle.registered:
            self._adopt(handle, result)
        return result

    def emulate_new(self, handle: GlobalHandle, base: type, state: Any) -> Any:
        """``copyreg._reconstructor(cls, base, state)``, which protocols 0 and 1 write; *base* is ours to choose."""
        may = self.require(handle, NEW)
        if self.inert and handle.guards is not None and handle.rights & NEW:
            refusal = handle.guards.refuse_reconstruction(base, state)
            if refusal is not None:
                self.deny(handle, NEW, f"its arguments are refused: {refusal}")
        if self.inert and handle.contract is not None and base is not object and handle.rights & NEW:
            refusal = refusal_of_plain(handle.contract, (state,), None)
            if refusal is not None:
                self.deny(handle, NEW, f"its arguments are refused: {refusal}")
        if not may:
            return Inert(handle)
        target = self.resolve(handle)
        if self.inert:
            return Inert(handle)
        if not isinstance(target, type) or not issubclass(target, base):
            raise FormatError(
                f"{quote_name(handle.module, handle.name)} is not a class derived from {base.__name__}"
            )
        if handle.contract is not None:
            refusal = handle.contract.check((state,), {}) if base is not object else None
            if refusal is not None:
                self.deny(handle, NEW, f"its arguments are refused: {refusal}")
                return Inert(handle)
        if handle.guards is not None:
            refusal = handle.guards.refuse_reconstruction(base, state)
            if refusal is not None:
                self.deny(handle, NEW, f"its arguments are refused: {refusal}")
                return Inert(handle)
        self.given = []
        if base in _KEYED:
            # Any number of instances may be made of one container; each is looked through, and filled.
            for index, key in enumerate(state):
                self.keys.look(index)
                self.keys.check(self.given, key)
        self.budget.take_object(handle.cost)
        maker: Any = base
        try:
            if base is object:
                result = maker.__new__(target)
            else:
                result = maker.__new__(target, state)
                if maker.__init__ is not object.__init__:
                    maker.__init__(result, state)
        except Exception as error:
            raise failure_of(handle, error) from error
        self.keys.pass_on(self.given, result)
        self._adopt(handle, result)
        return result

    # -- what comes out ----------------------------------------------------------------------------------------

    def _adopt(self, handle: GlobalHandle, result: Any) -> None:
        """Note what a call made, so that later opcodes find the rule it was made under, and pay for its size."""
        kind = type(result)
        maker = handle if kind is handle.registered else self.named.maker(kind)
        if kind is not handle.target or (maker is not None and maker is not handle):
            # Not of the class that was called, or of one that another rule has made instances of under another name:
            # each stays with the rule that it was made by.
            self.lent = True
            self._is_from_elsewhere(kind)
            if self.made is None:
                self.made = {}
            self.made[id(result)] = (handle, result)
            self.budget.take_memory(NOTED)
            self.foreign = True
            self.budget.take_memory(size_by(sizer_of(kind), result))
        elif kind is not handle.registered:
            self.named.register(handle, kind)
            self._is_from_elsewhere(kind)
            self._size_up(handle, kind)
        if handle.sizer is not None and kind is handle.registered:
            # Not of one size: each instance is paid for.
            self.budget.take_memory(size_by(handle.sizer, result))

    def _size_up(self, handle: GlobalHandle, kind: Any) -> None:
        """Find out whether instances of a class are leaves, and how they are asked for their size."""
        facts = self.facts_of(handle, kind)
        if facts is not None and facts.is_sized_up:
            handle.is_atom = facts.is_atom
            handle.sizer = facts.sizer
        else:
            handle.is_atom = is_atom(handle.module, handle.name, kind)
            if kind.__itemsize__ or kind.__sizeof__ is not object.__sizeof__:
                handle.sizer = sizer_of(kind)
            if facts is not None:
                facts.is_atom = handle.is_atom
                facts.sizer = handle.sizer
                facts.is_sized_up = True

    def facts_of(self, handle: GlobalHandle, kind: Any) -> Facts | None:
        """Return what is kept of a class; None if it is not the one that was named, or its own code has changed it."""
        facts = handle.facts
        return facts if facts is not None and facts.version and facts.version == version_of(kind) else None

    def make_shape(self, handle: GlobalHandle, kind: type) -> Shape:
        """Find out what BUILD needs to know of a class."""
        facts = self.facts_of(handle, kind)
        if facts is not None and facts.shape is not None:
            kept: Shape = facts.shape
            shape = kept.renewed(setter_of(kind))
        else:
            contract = _contract_of_state(handle, kind)
            shape = Shape(kind, contract)
            if contract is not None:
                shape.usual = usual_state(handle.module, handle.name, kind)
                shape.model = usual_estimator(contract)
            shape.calls_later = calls_factory(kind)
            if facts is not None:
                facts.shape = shape.renewed(None)
        if kind is handle.target:
            handle.shape = shape
        else:
            if self.shapes is None:
                self.shapes = {}
            self.shapes[id(kind)] = (kind, shape)
        return shape

    def shape_of(self, kind: Any) -> Shape | None:
        """Return what BUILD needs to know of a class that is not its handle's own, if it was found out; by identity."""
        kept = None if self.shapes is None else self.shapes.get(id(kind))
        return None if kept is None else kept[1]

    def _own_state(self, own: Any, obj: Any, state: Any) -> Any:
        """Return state for a dtype to keep, which is as it stays from now on, and so are its parts.

        What was looked at of a dtype would not hold if it could be given other state later: arrays would have items of
        another order or beyond their data, and dtypes parts without end, which numpy walks by recursion on the C stack.
        """
        kept, parts = own(state)
        for used in (obj, *parts):
            self.fresh.pop(id(used), None)
        return kept

    def _is_fresh(self, obj: Any) -> bool:
        return bool(self.fresh) and id(obj) in self.fresh

    def _is_from_elsewhere(self, kind: type) -> None:
        """Note the type of a value that no opcode wrote: nobody has looked how large such an int is (D04)."""
        if kind is int:
            self.keys.big_ints = True

    def _fits_model(self, contract: Any, args: tuple[Any, ...], kwargs: Any) -> bool:
        """Return whether these are surely arguments of a tree, or of a column of text, that its contract takes."""
        if kwargs:
            return False
        if is_of_texts(contract):
            return fits_texts(args)
        which = usual_frame_call(contract)
        if which:
            return self._usual_models().fits_frame_call(which, args)
        return usual_tree(contract) and self._usual_models().fits_call(args)

    def _weigh_call(self, contract: Any, args: tuple[Any, ...]) -> int:
        """Return what a contract takes the arguments of a call to weigh."""
        if usual_tree(contract):
            return weigh_tree_call(args)
        which = usual_frame_call(contract)
        weight = self._usual_models().weigh_frame_call(which, args) if which else -1
        return contract.weigh(args) if weight < 0 else weight

    def _weigh_model(self, which: int, obj: Any, state: Any) -> int:
        """Return what a model's state weighs, -1 where the contract may not let the object have it."""
        return -1 if self._usual_models().has_state(which, obj) else self._weigh_again(which, obj, state)

    def _weigh_again(self, which: int, obj: Any, state: Any) -> int:
        """Do the same for one that has its state, and pay for each estimator: any number of forests may share them."""
        models = self._usual_models()
        self.look_through(_LOOK * models.members(which, state))
        return models.weigh_state(which, obj, state)

    def _usual_models(self) -> UsualModels:
        if self.models is None:
            self.models = UsualModels()
        return self.models  # type: ignore[no-any-return]

    def hold(self, data: Any) -> bool:
        """Note what an array keeps for its memory, and return whether no other one does.

        Numpy writes to the very bytes that a large array was given as its data. Of two arrays in one memory the second
        could be written by whoever goes on with a model, and give the first, which was checked, any places.
        """
        kind = type(data)
        if kind is bytes:
            if len(data) <= COPIED:
                return True
        elif kind is tuple or kind is str or kind is int or kind not in BUFFERS:  # most are no buffers
            return True
        if self.held is not None and id(data) in self.held:
            return False
        self.note_held(data)
        self.budget.take_memory(NOTED)
        return True

    def note_held(self, data: Any) -> None:
        """Note what an array has its memory in; whoever calls this has paid for an entry."""
        if self.held is None:
            self.held = {}
        self.held[id(data)] = data

    def holds(self, parts: tuple[Any, ...]) -> bool:
        """Do so for all of some arguments, or of a state."""
        for part in parts:  # noqa: SIM110 (compiled, a generator takes three times as long)
            if not self.hold(part):
                return False
        return True

    def own_memory(self, parts: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return arguments whose memory nothing else of the pickle has.

        The program could write to a bytearray that it finds in the value, and give an array that was checked any
        places. What else refers to one finds it empty: no pickler writes an array's bytes for two.
        """
        for index, part in enumerate(parts):
            if type(part) is bytearray and not self.is_foreign(part):
                try:
                    own = taken_over(part)
                except BufferError:
                    raise FormatError("the memory of an array is in use by something else") from None
                return (*parts[:index], own, *parts[index + 1 :])
        return parts

    def adopt_foreign(self, obj: Any) -> None:
        """Note an object that came from outside: no opcode may change it."""
        self.foreign = True
        self._is_from_elsewhere(type(obj))
        if self.made is None:
            self.made = {}
        self.budget.take_memory(NOTED)
        self.made[id(obj)] = (None, obj)
