# cython: annotation_typing=False
"""The gate: every road from the stream to a global, a call or an object's state goes through here (S4).

Rules that hold here:

* Which globals there are, and what a handle stands for, is :mod:`.naming`'s.
* Only a handle can be called: nothing that a stream made, fetched or was given by a call is a callee.
* BUILD, APPEND(S), SETITEM(S) and ADDITEMS reach only objects that this load made by a rule, and go through the
  methods of their *type*; exact ``list``, ``dict`` and ``set`` that the machine made itself do not come here.
* After the first denial nothing is done any more (see ``refusals``).
* :class:`OpenGate` is pickle's own behaviour, for the policy UNRESTRICTED alone.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from typing import Any

from ..errors import FormatError, ReconstructionError, SafePickleError, quote, quote_name
from ..policy.contracts import HARMLESS_FACTORIES, STATES
from ..policy.rules import Policy
from .budget import Budget
from .handles import GlobalHandle, HeldTuple, Inert
from .hashing import KeyGuard
from .naming import NAMED, Naming
from .refusals import ADD, APPEND, BUILD, CALL, NEW, SETITEM
from .resolving import HASHES, READS, SIZES, is_plain_id, size_by, sizer_of
from .state import Shape, check_exception_state, set_state
from .usual import is_usual
from .usual_arrays import UsualArrays, usual_state

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

_FACTORIES = frozenset(HARMLESS_FACTORIES)
_UNHASHABLE = frozenset({list, dict, set, bytearray})
#: What constructors of sets and dicts read, whose own way of going through it is known.
_ITERATED: tuple[Any, ...] = (list, tuple, set, frozenset, dict, range, deque)
#: Arguments that are looked at for nothing.
FEW = 64
#: Bytes of an array, scalar or dtype of numpy without its data, and of what is noted of it.
_MADE_BY_NUMPY = 240
#: What is kept to ask a contract once more, in bytes, beside the entries of the state.
WATCHED = 200


if not cython.compiled:

    def new_instance(cls: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        """Make an instance without initialising it; in the compiled form through the class's own slot."""
        return cls.__new__(cls, *args) if kwargs is None else cls.__new__(cls, *args, **kwargs)


def is_object(handle: GlobalHandle) -> bool:
    """Return whether a handle is that of ``object``."""
    return handle.module == "builtins" and handle.name == "object"


class Gate(Naming):
    """The engine of one load.

    :param policy: what is allowed.
    :param budget: pays for calls and their results.
    :param find_class: the user's own resolver, or None.
    :param persistent_load: the user's callback, or None.
    :param fix_imports: rename Python 2 globals in protocols 0 to 2.
    :param inert: start inert: survey the stream, do nothing.
    """

    def __init__(
        self,
        policy: Policy,
        budget: Budget,
        find_class: Callable[[str, str], Any] | None,
        persistent_load: Callable[[Any], Any] | None,
        fix_imports: bool,
        inert: bool,
    ) -> None:
        self.equip()
        self.open_gate(policy, budget, find_class, persistent_load, fix_imports, inert)

    def equip(self) -> None:
        """Make what serves one load after another."""
        self.keys = KeyGuard.__new__(KeyGuard)

    def open_gate(
        self,
        policy: Policy,
        budget: Budget,
        find_class: Callable[[str, str], Any] | None,
        persistent_load: Callable[[Any], Any] | None,
        fix_imports: bool,
        inert: bool,
    ) -> None:
        """Begin with nothing named."""
        self.open_naming(policy, budget, find_class, fix_imports, inert)
        self.persistent_load = persistent_load
        self.strict = True
        self.keys.open_guard(budget, True)
        #: Something that is not of this load's making may be on the stack.
        self.foreign = False
        #: A call has returned something else than an instance of the class that was called.
        self.lent = False
        #: A method of a class has been given items or state: what the class was given before may be another by now.
        self.changed = False
        #: Items given to objects of classes of their own, by id; the object is kept so that its id stays its own.
        self.filled: Any = None
        #: What the load has to do with numpy, None for nothing.
        self.arrays: Any = None
        #: The class of the last object that was given state, the rule's handle and what is known of it.
        self.last_built: Any = None
        self.last_owner: Any = None
        self.last_shape: Any = None
        #: State that may change although its contract has passed it, as it was set: handle, contract, object, state.
        self.watched: Any = None
        self.calls = 0

    def let_go(self) -> None:
        """Keep nothing of what came from outside or was a key."""
        self.made = None
        self.keys.let_go()

    # -- calls -------------------------------------------------------------------------------------------------

    def call(self, callee: Any, args: Any) -> Any:
        """REDUCE: call a global."""
        if type(callee) is not GlobalHandle:
            if type(callee) is Inert:
                return Inert(None)
            self._not_a_global(callee, CALL)
            return Inert(None)
        if type(args) is not tuple and type(args) is not HeldTuple:
            raise FormatError(f"arguments are {quote(args)}, not a tuple")
        handle = callee
        if type(args) is tuple and handle.emulation is None and handle.rights & CALL and not self.inert:
            return self._run(handle, CALL, args, None)
        if handle.emulation is not None:
            self.calls += 1
            self.budget.take_call()
            result = handle.emulation(self, args.items if type(args) is HeldTuple else args)
            if result is not NotImplemented:
                return result
            if not handle.rights & CALL:
                self.deny(handle, CALL, "not in a form that picklers write")
                return Inert(handle)
            # A call like any other, then: paid for once, where it is made.
            self.calls -= 1
            self.budget.calls_left += 1
        args = self._arguments(handle, args)
        if not self.require(handle, CALL):
            return self._survey_call(handle, CALL, args, None)
        return self._run(handle, CALL, args, None)

    def _survey_call(self, handle: GlobalHandle, right: int, args: tuple[Any, ...], kwargs: Any) -> Inert:
        """Say what stands for the result of a call that is not made, and what the rule has against its arguments."""
        self.calls += 1
        if handle.guards is not None and handle.rights & (NEW | CALL):
            self.look_through(len(args))
            refusal = handle.guards.refuse_call(right == NEW, args, kwargs)
            if refusal is not None:
                self.deny(handle, right, f"its arguments are refused: {refusal}")
        return Inert(handle)

    def _arguments(self, callee: GlobalHandle, args: Any) -> Any:
        """Return arguments as values; a factory that will be called later needs that right now."""
        if type(args) is HeldTuple:
            contract = callee.contract
            if (
                contract is not None
                and contract.calls_later is not None
                and contract.calls_later < len(args.items)
            ):
                factory = args.items[contract.calls_later]
                if type(factory) is GlobalHandle and (factory.module, factory.name) not in _FACTORIES:
                    self.require(factory, CALL)
            return self.value(args)
        return args

    def instantiate(self, callee: Any, args: tuple[Any, ...]) -> Any:
        """INST and OBJ: call a class; without arguments only make an instance, as pickle does."""
        if not args and type(callee) is GlobalHandle and callee.emulation is None and callee.rights & (NEW | CALL):
            if self.inert:
                return self._survey_call(callee, NEW if callee.rights & NEW else CALL, args, None)
            if callee.rights & NEW:
                return self.new(callee, args, None)
            # The right to be called covers the lesser thing that INST and OBJ do here.
            if callee.rights & CALL and isinstance(self.resolve(callee), type):
                if not hasattr(callee.target, "__getinitargs__"):
                    return self._run(callee, NEW, args, None)
        return self.call(callee, self.tuple_of(args))

    def new(self, cls: Any, args: Any, kwargs: Any) -> Any:
        """NEWOBJ and NEWOBJ_EX: ``cls.__new__(cls, *args, **kwargs)``."""
        if type(args) is not tuple and type(args) is not HeldTuple:
            raise FormatError(f"arguments are {quote(args)}, not a tuple")
        if kwargs is not None:
            if type(kwargs) is not dict:
                raise FormatError(f"keyword arguments are {quote(kwargs)}, not a dict")
            self.look_through(len(kwargs))
            for key in kwargs:
                if type(key) is not str:
                    raise FormatError(f"a keyword is {quote(key)}, not a str")
        if type(cls) is not GlobalHandle:
            if type(cls) is Inert:
                return Inert(None)
            self._not_a_global(cls, NEW)
            return Inert(None)
        handle = cls
        if kwargs is None and type(args) is tuple and handle.is_class and handle.rights & NEW and not self.inert:
            if handle.emulation is None:
                return self._run(handle, NEW, args, None)
        args = self._arguments(handle, args)
        if handle.emulation is not None and not args and not kwargs and is_object(handle):
            self.budget.take_object(16)
            return object()
        if not self.require(handle, NEW):
            return self._survey_call(handle, NEW, args, kwargs)
        if not handle.is_class:
            self.resolve(handle)
            if not handle.is_class:
                raise FormatError(f"{quote_name(handle.module, handle.name)} is not a class")
        return self._run(handle, NEW, args, kwargs)

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

    def _not_a_global(self, callee: Any, right: int) -> None:
        if isinstance(callee, NAMED):
            handle = GlobalHandle(str(callee.__module__), callee.__qualname__, 0)
        else:
            # What is held back is a tuple to everybody else.
            kind = tuple if type(callee) is HeldTuple else type(callee)
            handle = GlobalHandle(str(kind.__module__), kind.__qualname__, 0)
        handle.listed = False
        self.deny(handle, right, "only a global that the stream names can be called")

    def _run(self, handle: GlobalHandle, right: int, args: tuple[Any, ...], kwargs: Any) -> Any:
        """Carry out an allowed call, with its contract checked before and its result paid for."""
        target = handle.target if handle.resolved else self.resolve(handle)
        if self.inert:
            return Inert(handle)
        count = len(args)
        if count > FEW:
            self.look_through(count)
        contract = handle.contract
        usual = 0
        fits = False
        if handle.usual:
            usual = self._usual_call(handle, right, args, kwargs)
        elif self.arrays is not None:
            self.arrays.forget()
        if contract is not None and not usual:
            fits = kwargs is None and self._surely_fits(handle, args)
        if not usual and not fits:
            self._take_copies(args)
            if kwargs:
                self._take_copies(tuple(kwargs.values()))
            refusal = None if contract is None else contract.check(args, kwargs if kwargs is not None else {})
            if refusal is not None:
                self.deny(handle, right, f"its arguments are refused: {refusal}")
                return Inert(handle)
        if handle.guards is not None and handle.guards.asks_calls:
            refusal = handle.guards.refuse_call(right == NEW, args, kwargs)
            if refusal is not None:
                self.deny(handle, right if handle.rights & right else CALL, f"its arguments are refused: {refusal}")
                return Inert(handle)
        if handle.sized and not self._sizes_are_bounded(handle, right, args):
            return Inert(handle)
        self.calls += 1
        self.budget.take_made(handle.cost)
        try:
            if usual:
                result = self.arrays.call(usual, target, args)
            elif right == NEW:
                result = new_instance(target, args, kwargs)
            else:
                result = target(*args)
        except SafePickleError:
            raise
        except Exception as error:
            raise ReconstructionError(
                f"{quote_name(handle.module, handle.name)} failed: {type(error).__name__}"
            ) from error
        if usual:
            self._adopt_usual(handle, result)
        elif fits and handle.usual_size > 0 and type(result) is handle.registered:
            self.budget.take_memory(handle.usual_size)
        else:
            self._adopt(handle, result)
            if fits and handle.sizer is not None and type(result) is handle.target:
                # What is seen without the contract is so short that all are of one size.
                handle.usual_size = size_by(handle.sizer, result)
        return result

    def _usual_call(self, handle: GlobalHandle, right: int, args: tuple[Any, ...], kwargs: Any) -> int:
        """Return which of numpy's calls this is, if the contract need not be asked; else 0."""
        arrays = self.arrays
        if arrays is None:
            arrays = self.arrays = UsualArrays()
        if right == CALL and kwargs is None and arrays.fits(handle.usual, args):
            return handle.usual
        arrays.forget()
        return 0

    def _adopt_usual(self, handle: GlobalHandle, result: Any) -> None:
        """Do as :meth:`_adopt` for what numpy has made of plain arguments: it is new, and of a size that is known."""
        kind = type(result)
        if kind is not handle.registered:
            if not self.arrays.is_made_by(handle.usual, kind) or self.types.setdefault(kind, handle) is not handle:
                self._adopt(handle, result)
                return
            handle.registered = kind
        self.budget.take_memory(_MADE_BY_NUMPY)

    def _surely_fits(self, handle: GlobalHandle, args: tuple[Any, ...]) -> bool:
        """Return whether the contract need not be asked: these are what picklers write for dates and numbers."""
        if cython.compiled:
            return handle.resolved and is_usual(handle.target, args)
        return (
            handle.quick is not None
            and len(args) == 1
            and type(args[0]) is handle.quick_type
            and bool(handle.quick(args[0]))
        )

    def _sizes_are_bounded(self, handle: GlobalHandle, right: int, args: tuple[Any, ...]) -> bool:
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

    def _check_keys(self, handle: GlobalHandle, arg: Any) -> None:
        """Check what a constructor will hash: an enumeration its argument, a set or dict the items (D05, D06)."""
        kind = type(arg)
        if isinstance(handle.target, enum.EnumMeta):
            if kind not in _UNHASHABLE:
                self.keys.check(handle, arg)
            return
        self.keys.big_ints = self.keys.big_ints or kind is range
        for base in _ITERATED:
            if issubclass(kind, base):
                # As the interpreter would: what a class of its own makes of them is not known.
                pairs = issubclass(handle.target, dict) and base is not dict
                for item in base.__iter__(arg):
                    key = item[0] if pairs and type(item) in (tuple, list) and item else item
                    if type(key) not in _UNHASHABLE:
                        self.keys.check(arg, key)
                return

    def _adopt(self, handle: GlobalHandle, result: Any) -> None:
        """Note what a call made, so that later opcodes find the rule it was made under, and pay for its size."""
        kind = type(result)
        if kind is not handle.target or (
            kind is not handle.registered and self.types.get(kind, handle) is not handle
        ):
            # Not of the class that was called, or of one that another rule has made instances of under another name:
            # each stays with the rule that it was made by.
            self.lent = True
            self._is_from_elsewhere(kind)
            self.made[id(result)] = (handle, result)
            self.budget.take_memory(100)
            self.foreign = True
            self.budget.take_memory(size_by(sizer_of(kind), result))
        elif kind is not handle.registered:
            handle.registered = kind
            self._is_from_elsewhere(kind)
            self.types[kind] = handle
            if kind.__itemsize__ or kind.__sizeof__ is not object.__sizeof__:
                handle.sizer = sizer_of(kind)
        if handle.sizer is not None and kind is handle.registered:
            # Not of one size: each instance is paid for.
            self.budget.take_memory(size_by(handle.sizer, result))

    def _is_from_elsewhere(self, kind: type) -> None:
        """Note the type of a value that no opcode wrote: nobody has looked how large such an int is (D04)."""
        if kind is int:
            self.keys.big_ints = True

    def emulate_new(self, handle: GlobalHandle, base: type, state: Any) -> Any:
        """``copyreg._reconstructor(cls, base, state)``, which protocols 0 and 1 write; *base* is ours to choose."""
        may = self.require(handle, NEW)
        if self.inert and handle.guards is not None and handle.rights & NEW:
            refusal = handle.guards.refuse_reconstruction(base, state)
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
            raise ReconstructionError(
                f"{quote_name(handle.module, handle.name)} failed: {type(error).__name__}"
            ) from error
        self._adopt(handle, result)
        return result

    # -- objects -----------------------------------------------------------------------------------------------

    def build(self, obj: Any, state: Any) -> None:
        """BUILD: give an object that this load made its state."""
        if type(state) is GlobalHandle or type(state) is HeldTuple:
            state = self.value(state)
        if type(obj) is Inert:
            if obj.handle is not None:
                self._survey_state(obj.handle, state)
            return
        kind = type(obj)
        if kind is self.last_built and not self.made and not self.inert:
            # Whose a class is does not change, but for objects that are noted.
            handle = self.last_owner
            shape = self.last_shape
        else:
            handle = self.owner(obj)
            if handle is None:
                self.disown(obj, BUILD)
                return
            if self.inert or not handle.rights & BUILD:
                self._survey_state(handle, state)
                return
            shape = self.shapes.get(kind)
            if shape is None:
                shape = self.make_shape(handle, kind)
            if not self.made:
                self.last_built = kind
                self.last_owner = handle
                self.last_shape = shape
        weight = -1
        if self.arrays is not None:
            if shape.usual:
                weight = self.arrays.weigh_state(shape.usual, obj, state)
            else:
                self.arrays.forget()
        if weight >= 0:
            self.budget.take_memory(weight)
        elif shape.contract is not None:
            refusal = shape.contract.refusal_to_set(obj, state)
            if refusal is not None:
                self.deny(handle, BUILD, f"its state is refused: {refusal}")
                return
            if shape.contract.weigh is not None:
                self.budget.take_memory(shape.contract.weigh(state))
        if handle.guards is not None and handle.guards.asks_states:
            refusal = handle.guards.refuse_state(state)
            if refusal is not None:
                self.deny(handle, BUILD, f"its state is refused: {refusal}")
                return
        try:
            if shape.setter is not None:
                if shape.setter is BaseException.__setstate__:
                    # It sets attributes one by one: __class__, __cause__, or args that are read to their end.
                    check_exception_state(state)
                self.budget.take_call()
                self._take_copies((state,))
                if type(state) is tuple:
                    self._take_copies(state)
                self.changed = True
                shape.setter(obj, state)
                if handle.guards is not None and handle.guards.asks_states:
                    handle.guards.keep_given(state)
            else:
                set_state(self.budget, shape, obj, state)
            if shape.contract is not None and shape.contract.changeable and type(state) is dict:
                if self.watched is None:
                    self.watched = []
                self.budget.take_memory(WATCHED + 48 * len(state))
                self.watched.append((handle, shape.contract, obj, dict(state)))
        except SafePickleError:
            raise
        except Exception as error:
            raise ReconstructionError(
                f"the state of {quote_name(handle.module, handle.name)} cannot be set: {type(error).__name__}"
            ) from error

    def recheck(self) -> None:
        Naming.recheck(self)
        for handle, contract, obj, state in self.watched or ():
            refusal = contract.refusal(obj, state)
            if refusal is not None:
                self.deny(handle, BUILD, f"its state is refused: {refusal}, at the end of the pickle")

    def _survey_state(self, handle: GlobalHandle, state: Any) -> None:
        """Note what a rule has against state that is not set."""
        self.require(handle, BUILD)
        if handle.guards is not None and handle.rights & BUILD:
            refusal = handle.guards.refuse_state(state)
            if refusal is not None:
                self.deny(handle, BUILD, f"its state is refused: {refusal}")

    def make_shape(self, handle: GlobalHandle, kind: type) -> Shape:
        """Find out what BUILD needs to know of a class."""
        contract = STATES.get((handle.module, handle.name)) or STATES.get((str(kind.__module__), kind.__qualname__))
        shape = Shape(kind, contract)
        if contract is not None:
            shape.usual = usual_state(handle.module, handle.name, kind)
        self.shapes[kind] = shape
        return shape

    def append(self, obj: Any, items: list[Any]) -> None:
        """APPEND and APPENDS on anything but the machine's own lists."""
        items = self.values(items)
        if not self._may_change(obj, APPEND):
            return
        kind = type(obj)
        self.count_items(obj, len(items), 16)
        try:
            extend = getattr(kind, "extend", None)
            if extend is not None:
                extend(obj, items)
            else:
                append = kind.append
                for item in items:
                    append(obj, item)
        except SafePickleError:
            raise
        except Exception as error:
            raise ReconstructionError(
                f"a {quote(kind.__name__)} does not take items: {type(error).__name__}"
            ) from error

    def set_items(self, obj: Any, items: list[Any]) -> None:
        """SETITEM and SETITEMS on anything but the machine's own dicts."""
        items = self.values(items)
        if not self._may_change(obj, SETITEM):
            return
        kind = type(obj)
        self.count_items(obj, len(items) // 2, 100)
        setitem = getattr(kind, "__setitem__", None)
        if setitem is None:
            raise FormatError(f"a {quote(kind.__name__)} has no items to set")
        for index in range(0, len(items), 2):
            self.keys.check(obj, items[index])
            try:
                setitem(obj, items[index], items[index + 1])
            except SafePickleError:
                raise
            except Exception as error:
                raise ReconstructionError(
                    f"a {quote(kind.__name__)} does not take an item: {type(error).__name__}"
                ) from error

    def add_items(self, obj: Any, items: list[Any]) -> None:
        """ADDITEMS on anything but the machine's own sets."""
        items = self.values(items)
        if not self._may_change(obj, ADD):
            return
        kind = type(obj)
        self.count_items(obj, len(items), 72)
        add = getattr(kind, "add", None)
        if add is None:
            raise FormatError(f"a {quote(kind.__name__)} takes no items")
        for item in items:
            self.keys.check(obj, item)
            try:
                add(obj, item)
            except SafePickleError:
                raise
            except Exception as error:
                raise ReconstructionError(
                    f"a {quote(kind.__name__)} does not take an item: {type(error).__name__}"
                ) from error

    def count_items(self, obj: Any, added: int, amount: int) -> None:
        """Pay for items that go into an object of a class of its own, which is not asked how many it has."""
        present = 0
        if self.filled is None:
            self.filled = {}
        else:
            entry = self.filled.get(id(obj))
            if entry is not None:
                present = entry[0]
        self.budget.take_items(present, added, amount)
        self.filled[id(obj)] = (present + added, obj)

    def _may_change(self, obj: Any, right: int) -> bool:
        self.changed = True
        if type(obj) is Inert:
            if obj.handle is not None:
                self.require(obj.handle, right)
            return False
        handle = self.owner(obj)
        if handle is None:
            self.disown(obj, right)
            return False
        return self.require(handle, right)

    # -- the user's hooks --------------------------------------------------------------------------------------

    def persistent(self, pid: Any) -> Any:
        """PERSID and BINPERSID: ask the user's persistent_load, with plain ids only (R64)."""
        pid = self.value(pid)
        if self.persistent_load is None:
            raise FormatError("a persistent id, but no persistent_load was given")
        if self.inert:
            return Inert(None)
        if not is_plain_id(pid):
            raise FormatError(
                f"a persistent id of {quote(type(pid).__name__)}: only text, numbers and tuples of them"
            )
        self.budget.take_call()
        self.in_hook = True
        result = self.persistent_load(pid)
        self.in_hook = False
        self.adopt_foreign(result)
        return result

    def adopt_foreign(self, obj: Any) -> None:
        """Note an object that came from outside: no opcode may change it."""
        self.foreign = True
        self._is_from_elsewhere(type(obj))
        if self.made is None:
            self.made = {}
        self.budget.take_memory(100)
        self.made[id(obj)] = (None, obj)
