# cython: annotation_typing=False
"""The gate: every road from the stream to a global, a call or an object's state goes through here (S4).

Rules that hold here:

* Which globals there are, and what a handle stands for, is :mod:`.naming`'s; what goes into a call and what comes out
  of it is noted and paid for in :mod:`.adopting`.
* Only a handle can be called: nothing that a stream made, fetched or was given by a call is a callee.
* BUILD reaches only objects that this load made by a rule, and goes through the methods of their *type*. So do
  APPEND(S), SETITEM(S) and ADDITEMS, which are :mod:`.receiving`'s.
* After the first denial nothing is done any more (see ``refusals``).
* :class:`OpenGate` is pickle's own behaviour, for the policy UNRESTRICTED alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from ..errors import FormatError, ReconstructionError, SafePickleError, quote, quote_name
from ..policy.contracts import HARMLESS_FACTORIES
from ..policy.derived import calls_factory
from ..policy.rules import Policy
from .adopting import failure_of
from .budget import Budget
from .handles import GlobalHandle, HeldTuple, Inert
from .hashing import make_filled
from .naming import NAMED
from .receiving import Receiving
from .refusals import BUILD, CALL, NEW
from .resolving import is_bare, is_plain_id, size_by
from .state import Shape, check_exception_state, set_state
from .usual import fits, form_of, takes_dict
from .usual_arrays import UsualArrays
from .usual_models import keeps_dtypes, usual_estimator, usual_tree

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

_FACTORIES = frozenset(HARMLESS_FACTORIES)
_FACTORY_OF: Any = defaultdict.__dict__["default_factory"].__get__
#: Bytes of an array, scalar or dtype of numpy without its data, and of what is noted of it.
_MADE_BY_NUMPY = 240
#: What is kept to ask a contract once more, in bytes, beside the entries of the state.
WATCHED = 200


if not cython.compiled:
    from .adopting import FEW, new_instance
    from .guarding import copy_of
    from .usual import A_DEFAULTDICT, MADE_EMPTY
    from .usual_arrays import ARRAY, DTYPE


def is_object(handle: GlobalHandle) -> bool:
    """Return whether a handle is that of ``object``."""
    return handle.module == "builtins" and handle.name == "object"


class Gate(Receiving):
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
        self.open_adopting(budget)
        #: What the load has to do with numpy, None for nothing.
        self.arrays: Any = None
        #: The handle of what was granted as a factory the last time.
        self.factory: Any = None
        self.fills = False  # until an array has been given state by the method of its class
        #: There may be more of what has been made, and can be made of the bytes to come.
        self.ahead = False
        #: The class of the last object that was given state, the handle and what is known of it.
        self.last_built: Any = None
        self.last_owner: Any = None
        self.last_shape: Any = None
        #: State that may change although its contract has passed it, as it was set: handle, contract, object, state.
        self.watched: Any = None
        #: What calls gave that its library would take for what it is not, if it were given no state.
        self.unready: Any = None

    def let_go(self) -> None:
        """Keep nothing of a load that went well: all is as it was opened."""
        Receiving.let_go(self)
        self.fills = self.ahead = False
        if self.arrays is not None:
            self.arrays = None
        if self.factory is not None:
            self.factory = None
        if self.last_built is not None:
            self.last_built = self.last_owner = self.last_shape = None
        if self.watched is not None:
            self.watched = None
        if self.unready is not None:
            self.unready = None

    # -- calls -------------------------------------------------------------------------------------------------

    def call(self, callee: Any, args: Any) -> Any:
        """REDUCE: call a global."""
        if type(callee) is not GlobalHandle:
            self._not_a_global(callee, CALL)
            return Inert(None)
        if type(args) is not tuple and type(args) is not HeldTuple:
            raise FormatError(f"arguments are {quote(args)}, not a tuple")
        handle = callee
        if handle.is_settled and not self.inert:
            if type(args) is tuple:
                if fits(handle.form, args):
                    return self.call_settled(handle, args)
            elif handle.form == A_DEFAULTDICT and self._holds_factory(args):
                return self.call_settled(handle, (self.factory.target,))
        if type(args) is tuple and handle.emulation is None and handle.rights & CALL and not self.inert:
            return self._run(handle, CALL, args, None)
        if handle.emulation is not None:
            # What stands for NEWOBJ is paid for where it makes the instance.
            is_paid = handle.name != "__newobj__" and handle.name != "__newobj_ex__"
            if is_paid:
                self.calls += 1
                self.budget.take_call()
            items: Any = args.items if type(args) is HeldTuple else args
            # A helper may copy them, and is not always paid for as a call: any number of calls may share one tuple.
            self.look_through(len(items))
            result = handle.emulation(self, items)
            if result is not NotImplemented:
                return result
            if not handle.rights & CALL:
                self.deny(handle, CALL, "not in a form that picklers write")
                return Inert(handle)
            # A call like any other, then: paid for once, where it is made.
            if is_paid:
                self.calls -= 1
                self.budget.calls_left += 1
        args = self._arguments(handle, args)
        if not self.require(handle, CALL):
            return self._survey_call(handle, CALL, args, None)
        return self._run(handle, CALL, args, None)

    def _arguments(self, callee: GlobalHandle, args: Any) -> Any:
        """Return arguments as values; a factory that will be called later needs that right now."""
        if type(args) is HeldTuple:
            if not callee.resolved and callee.rights & (NEW | CALL) and not self.inert:
                # Under another name, or of a class of its own, only the object says that it calls something later.
                self.resolve(callee)
            contract = callee.contract
            if (
                contract is not None
                and contract.calls_later is not None
                and contract.calls_later < len(args.items)
            ):
                factory = args.items[contract.calls_later]
                if type(factory) is GlobalHandle and factory is not self.factory:
                    if (factory.module, factory.name) in _FACTORIES or self.require(factory, CALL):
                        self.value(factory)
                        self.factory = factory
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
        if type(cls) is GlobalHandle and kwargs is None and type(args) is tuple and not args:
            handle = cls
            if not handle.resolved and handle.rights & NEW and not self.inert:
                known = handle.known
                if known is not None and known.facts is not None:
                    self._resolve_class(handle)
                    if self.inert:
                        return Inert(handle)  # the name stands for something else by now
            # While a dtype may still be given state it is asked: that ends when something is made.
            if handle.makes_plainly and not self.inert and not self.fresh:
                if self.arrays is None or handle.makes_bare:
                    self.ahead = self.ahead or handle.makes_bare
                    return self.make_plainly(handle)
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
        self._resolve_class(handle)
        return self._run(handle, NEW, args, kwargs)

    def _resolve_class(self, handle: GlobalHandle) -> None:
        if not handle.is_class:
            self.resolve(handle)
            if not handle.is_class:
                raise FormatError(f"{quote_name(handle.module, handle.name)} is not a class")

    def _not_a_global(self, callee: Any, right: int) -> None:
        if type(callee) is Inert:
            if self.denied or callee.handle is None:
                return  # what it stands for was refused already, or comes from outside
            handle = GlobalHandle(callee.handle.module, callee.handle.name, 0)
        elif isinstance(callee, NAMED):
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
        form = 0
        if handle.keeps_data:
            if not self.holds(args):
                self.deny(handle, right, "its arguments are refused: its data are the memory of another array")
                return Inert(handle)
            args = self.own_memory(args)
        if handle.usual:
            usual = self._usual_call(handle, right, args, kwargs)
        elif self.arrays is not None and not usual_tree(contract):
            # A tree takes numbers out of an array, whose dtype it leaves as it is.
            self.arrays.forget()
        if contract is not None and not usual:
            form = form_of(target)
            fits = kwargs is None and self._surely_fits(form, args)
        if not usual and not fits:
            self._take_copies(args)
            if kwargs:
                self._take_copies(tuple(kwargs.values()))
            refusal = None
            asked = None if kwargs is None and takes_dict(form, args) else contract
            if asked is not None and not self._fits_model(asked, args, kwargs):
                refusal = asked.check(args, kwargs if kwargs is not None else {})
            if refusal is None and asked is not None and not self._may_call_later(asked, args):
                refusal = "a factory that the pickle does not name in this place"
            if refusal is not None:
                self.deny(handle, right, f"its arguments are refused: {refusal}")
                return Inert(handle)
            if asked is not None and asked.weigh is not None:
                self.budget.take_memory(self._weigh_call(asked, args))
        if handle.guards is not None and handle.guards.asks_calls:
            refusal = handle.guards.refuse_call(right == NEW, args, kwargs)
            if refusal is not None:
                self.deny(handle, right if handle.rights & right else CALL, f"its arguments are refused: {refusal}")
                return Inert(handle)
        is_given = handle.sized != 0 and (count > 0 or bool(kwargs))
        if is_given and not self._sizes_are_bounded(handle, right, args, kwargs):
            return Inert(handle)
        self.calls += 1
        self.budget.take_made(handle.cost)
        try:
            if usual and self.arrays is not None:
                result = self.arrays.call(usual, target, args)
            elif right == NEW:
                result = new_instance(target, args, kwargs)
            elif is_given:
                result = make_filled(self.budget, target, args)
            else:
                result = target(*args)
        except SafePickleError:
            raise
        except Exception as error:
            raise failure_of(handle, error) from error
        if is_given:
            self.keys.pass_on(self.given, result)
        if contract is not None and not usual and not fits and contract.calls_later is not None:
            self.check_factory(result)
        if usual:
            self.adopt_usual(handle, result)
        elif fits and handle.usual_size > 0 and type(result) is handle.registered:
            self.budget.take_memory(handle.usual_size)
        else:
            self._adopt(handle, result)
            if fits and handle.sizer is not None and type(result) is handle.target:
                # What is seen without the contract is so short that all are of one size.
                handle.usual_size = size_by(handle.sizer, result)
            if fits and right == CALL and type(result) is handle.registered and handle.guards is None:
                handle.form = form
                is_sized = handle.sized != 0 and handle.form < MADE_EMPTY
                handle.is_settled = not is_sized and (handle.sizer is None or handle.usual_size > 0)
                self.ahead = self.ahead or (handle.is_settled and handle.is_atom)
            if right == NEW and handle.rights & NEW and contract is None and type(result) is handle.registered:
                is_asked = handle.guards is not None and handle.guards.asks_of_making()
                handle.makes_plainly = not (is_asked or handle.sized or handle.usual or handle.sizer)
                handle.makes_bare = is_bare(target)
                facts = self.facts_of(handle, target)
                if facts is not None:
                    facts.makes_plainly, facts.makes_bare = handle.makes_plainly, handle.makes_bare
        if contract is not None and contract.waits is not None:
            if self.unready is None:
                self.unready = []
            self.budget.take_memory(8)
            self.unready.append(result)
        if handle.is_atom and type(result) is handle.registered:
            self.atom = True
        if handle.usual == DTYPE:
            if self.fresh is None:
                self.fresh = {}
            self.fresh[id(result)] = result
        elif self.fresh:
            self.fresh.clear()
        return result

    def _surely_fits(self, form: int, args: tuple[Any, ...]) -> bool:
        """Return whether the contract need not be asked: these are what picklers write for dates and numbers."""
        if form == A_DEFAULTDICT and len(args) == 1 and self._is_factory(args[0]) and type(args[0]) is type:
            return True
        return fits(form, args)

    def check_factory(self, obj: Any) -> None:
        """Deny a factory that the pickle names and may not call, whatever way the class's own code was given it."""
        value = _FACTORY_OF(obj) if calls_factory(type(obj)) else None
        if value is not None and not self._is_factory(value):
            handles = self.named.handles
            self.budget.take_hash_work(len(handles))
            for named in handles:
                if named.resolved and named.target is value and not named.rights & CALL:
                    if (named.module, named.name) not in _FACTORIES:
                        self.deny(named, CALL, "a factory, which is called later")

    def _is_factory(self, value: Any) -> bool:
        """Return whether a value is what was granted as a factory the last time."""
        return self.factory is not None and self.factory.resolved and value is self.factory.target

    def _holds_factory(self, args: Any) -> bool:
        """Return whether these are the arguments of a defaultdict with a factory as before, which is a class."""
        if len(args.items) != 1 or self.factory is None or args.items[0] is not self.factory:
            return False
        return self.factory.resolved and type(self.factory.target) is type

    def _may_call_later(self, contract: Any, args: tuple[Any, ...]) -> bool:
        """Return whether what is made may keep an argument that it calls later.

        That is what :meth:`_arguments` saw, and granted, as a global. Any number of calls, such as of ``tuple``, make a
        value of one before.
        """
        place = contract.calls_later
        if place is None or place >= len(args):
            return True
        value = args[place]
        return self._is_factory(value) or not callable(value)

    def _usual_call(self, handle: GlobalHandle, right: int, args: tuple[Any, ...], kwargs: Any) -> int:
        """Return which of numpy's calls this is, if the contract need not be asked; else 0."""
        arrays = self.arrays
        if arrays is None:
            arrays = self.arrays = UsualArrays()
        if right == CALL and kwargs is None and arrays.fits(handle.usual, args):
            self.budget.take_memory(arrays.weigh_call(handle.usual))
            return handle.usual
        arrays.forget()
        return 0

    def adopt_usual(self, handle: GlobalHandle, result: Any) -> None:
        """Do as :meth:`_adopt` for what numpy has made of plain arguments: it is new, and of a size that is known."""
        kind = type(result)
        if kind is not handle.registered:
            maker = self.named.maker(kind)
            if not self.arrays.is_made_by(handle.usual, kind) or (maker is not None and maker is not handle):
                self._adopt(handle, result)
                return
            self.named.register(handle, kind)
        self.budget.take_memory(_MADE_BY_NUMPY)

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
            shape = handle.shape if kind is handle.target else self.shape_of(kind)
            if shape is None:
                shape = self.make_shape(handle, kind)
            if not self.made:
                self.last_built = kind
                self.last_owner = handle
                self.last_shape = shape
        if shape.contract is not None or handle.guards is not None or self.arrays is not None:
            refusal = self._refusal_to_build(handle, shape, obj, state)
            if refusal is None and shape.keeps_data and type(state) is tuple and not self.holds(state):
                refusal = "its data are the memory of another array"
            if refusal is not None:
                self.deny(handle, BUILD, f"its state is refused: {refusal}")
                return
        was = self.keys.hash_of(obj) if self.keys.is_keyed(obj) else None
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
                shape.setter(obj, state if shape.own is None else self._own_state(shape.own, obj, state))
                if handle.guards is not None and handle.guards.asks_states:
                    handle.guards.keep_given(state)
            else:
                set_state(self.budget, shape, obj, state)
            if shape.contract is not None and shape.contract.changeable and type(state) is dict:
                if self.watched is None:
                    self.watched = []
                self.budget.take_memory(WATCHED + 48 * len(state))
                self.watched.append((handle, shape.contract, obj, copy_of(state)))
        except SafePickleError:
            raise
        except Exception as error:
            raise ReconstructionError(
                f"the state of {quote_name(handle.module, handle.name)} cannot be set: {type(error).__name__}"
            ) from error
        if shape.calls_later:
            self.check_factory(obj)
        if was is not None and self.keys.hash_of(obj) != was:
            # Who looks for it goes astray, and an OrderedDict that is walked comes to no end.
            raise FormatError(f"a {quote(kind.__name__)} is a key already, and its state changes its hash")

    def _refusal_to_build(self, handle: GlobalHandle, shape: Shape, obj: Any, state: Any) -> str | None:
        """Return what a contract or a rule has against state, or None; then it is paid for as they say."""
        weight = -1
        if shape.own is not None and not self._is_fresh(obj):
            return "it has its state already, or something was made with it"
        if shape.own is None and self.fresh:
            self.fresh.clear()
        if self.arrays is not None:
            if shape.usual:
                weight = self.arrays.weigh_state(shape.usual, obj, state)
            elif not keeps_dtypes(shape.model):
                # What models have for methods keeps their state as it is.
                self.arrays.forget()
        if weight < 0 and shape.model:
            weight = self._weigh_model(shape.model, obj, state)
        if weight >= 0:
            self.budget.take_memory(weight)
            self.ahead = self.ahead or shape.usual != 0
            if shape.usual == ARRAY and self.arrays is not None and type(obj) is self.arrays.ndarray:
                self.fills = True
        elif shape.contract is not None:
            refusal: str | None = shape.contract.refusal_to_set(obj, state)
            if refusal is not None:
                return refusal
            if shape.contract.weigh is not None:
                self.budget.take_memory(shape.contract.weigh(state))
        if handle.guards is not None and handle.guards.asks_states:
            return handle.guards.refuse_state(state)
        return None

    def recheck(self) -> None:
        Receiving.recheck(self)
        for handle, contract, obj, state in self.watched or ():
            which = usual_estimator(contract)
            if which and self._weigh_again(which, obj, state) >= 0:
                continue
            refusal = contract.refusal(obj, state)
            if refusal is not None:
                self.deny(handle, BUILD, f"its state is refused: {refusal}, at the end of the pickle")

    def look_again(self, shared: bool) -> None:
        """Look at what later opcodes may have changed, and refuse what was given no state: its data are not there."""
        if shared or self.lent or self.changed:
            # Else no container has been at two places, and what was checked once has stayed as it was.
            self.recheck()
        self.keys.check_walks()
        for obj in self.unready or ():
            handle = self.owner(obj)
            if handle is not None and handle.contract.waits(obj):
                self.deny(handle, CALL, "what it gave was given no state")

    def _survey_state(self, handle: GlobalHandle, state: Any) -> None:
        """Note what a rule has against state that is not set."""
        self.require(handle, BUILD)
        if handle.guards is not None and handle.rights & BUILD:
            refusal = handle.guards.refuse_state(state)
            if refusal is not None:
                self.deny(handle, BUILD, f"its state is refused: {refusal}")

    def count_filled(self) -> None:
        """Count what was made and given its state at once, as a call and as what :meth:`build` did."""
        self.calls += 1
        self.changed = True

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
