# cython: annotation_typing=False
"""The gate on the writing side: ``dumps`` refuses what ``loads`` under the same policy would refuse (S11).

Rules that hold here:

* A class that no rule names is not asked how to reduce itself: none of its code runs.
* A global is granted for the use it is written for: called, made, given state, appended to, given items, or merely
  a value. The rule asked for state and items is that of what makes the object, as when loading.
* Helpers that the machine emulates need no rule in the shapes that it knows; the class in them does.
* What a policy allows of a global by its name alone is decided once and kept with the policy, which cannot change; a
  dump takes it over only for that very object. What a rule counts begins at nothing in each dump.
* What numpy writes of plain arrays is seen without asking the contract, only where that surely agrees.
"""

from __future__ import annotations

import copyreg
import sys
from _weakref import ref  # weakref takes longer to import
from collections import Counter
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from ..decoding.guarding import RuleGuards
from ..decoding.resolving import HASHES
from ..decoding.usual_arrays import UsualArrays, usual_state
from ..decoding.usual_forms import array_form, form_of
from ..decoding.usual_frames import usual_frame_call
from ..decoding.usual_models import UsualModels, usual_estimator, usual_tree
from ..decoding.usual_texts import fits_texts, is_of_texts
from ..errors import NOT_GIVEN, UNNAMED, Denial, EncodingError, PolicyError, quote
from ..policy.contracts import HARMLESS_FACTORIES
from ..policy.gadgets import gadget_reason
from ..policy.library_parts import of_what_is_written
from ..policy.rules import Policy, Right, suggestion
from . import conforming, reducing
from .conforming import HELPERS, check_state, is_emulated, is_new_helper, made_by, state_contract_of
from .grants import Grant, KnownClass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .encoder import Encoder
    from .reducing import Found, Script

    Granted = tuple[Script | None, Any, tuple[Any, ...]]

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    from ..decoding.resolving import found_in, loaded_module, version_of
    from ..decoding.usual_arrays import ARRAY, BUFFER, DTYPE

    identity = id

__all__ = ["WriteGate", "gate_maker"]

_RIGHTS = {right.label: right.value for right in Right}
_REFER = Right.REFER.value
_ALL = sum(_RIGHTS.values())
_CALL_AND_BUILD = Right.CALL.value | Right.BUILD.value
#: numpy's class of dtypes.
_DTYPES = ("numpy", "dtype")
_GLOBALS = (type, FunctionType, BuiltinFunctionType)
_FACTORIES = frozenset(HARMLESS_FACTORIES)
_BASES = (object, list, dict, tuple, int, str, float, set, frozenset, bytes, complex, bytearray)
#: The type of functions that Cython compiles; each compiled module may have one of its own.
_CYTHON = "cython_function_or_method"
_RECONSTRUCTOR = copyreg._reconstructor  # type: ignore[attr-defined]
_NEWOBJ = copyreg.__newobj__  # type: ignore[attr-defined]
_NEWOBJ_EX = copyreg.__newobj_ex__  # type: ignore[attr-defined]
_GETATTR: Any = getattr
#: Calls that are seen without the contract, beside those of :class:`UsualArrays`: Arrow's arrays of text and trees.
#: Greater ones are those of :class:`UsualFrames`.
_TEXTS, _TREE = 101, 102


def gate_maker(policy: Any) -> Callable[[], WriteGate] | None:
    """Return what makes the gate of a policy, when something comes that needs one: None for UNRESTRICTED.

    :raises TypeError: if it is neither a Policy nor an object with ``find_class``.
    """
    if isinstance(policy, Policy):
        return None if policy.unrestricted else partial(WriteGate, policy, None)
    find_class = getattr(policy, "find_class", None)
    if not callable(find_class):
        raise TypeError(f"policy must be a Policy or have find_class(module, name), not {type(policy).__name__}")
    return partial(WriteGate, Policy(name=type(policy).__name__), find_class)


class WriteGate:
    """The engine of one dump.

    :param find_class: the user's own policy, asked instead of rules: it must return the very object.
    """

    def __init__(self, policy: Policy, find_class: Any) -> None:
        self.policy = policy
        self.find_class = find_class
        #: What is kept with the policy, by the name that the reader reads.
        self.granted: dict[Found, Any] | None = policy.granted if find_class is None else None
        self.granted_classes: dict[int, Any] | None = policy.granted_classes if find_class is None else None
        #: The protocol of the dump; below 3 the reader reads other names, and nothing is known by the class alone.
        self.protocol = 0
        #: By identity of the global.
        self.known: dict[int, Grant] = {}
        #: By identity of callables that were granted to be called, all that is still to be asked of their arguments: a
        #: contract's check, a number that :meth:`takes` knows, :data:`reducing.COUNTED`, or None.
        self.callees: dict[int, Any] = {}
        #: Of those whose results were granted to be given state that is seen without the contract, such a number.
        self.builders: dict[int, int] = {}
        self.arrays: Any = None
        self.models: Any = None
        #: The last factory that was granted to be called later.
        self.factory: Any = None

    def forget(self) -> None:
        """Forget what was granted: the dump begins again, and what rules count begins at nothing."""
        self.known.clear()
        self.callees.clear()
        self.builders.clear()
        self.factory = None

    # -- asking ------------------------------------------------------------------------------------------------

    def require_class(self, kind: type, encoder: Encoder) -> None:
        """Refuse to run the code of a class that nothing names."""
        grant = self._grant(kind, None, encoder)
        if not grant.rights:
            plain = reducing.is_usual_class(kind, 2)
            reason = "no rule names the class, so its code is not run"
            self.deny(grant.pair, "new" if plain else "call", reason, encoder)

    def refer(self, obj: Any, found: Found, encoder: Encoder) -> None:
        """Ask for a global to appear as a value."""
        if obj is Ellipsis or obj is NotImplemented:
            return
        self._require(obj, found, "refer", encoder)

    def refer_again(self, obj: Any, encoder: Encoder) -> None:
        """Ask for an object that is in the memo to appear as a value: it may be a global, written for another use."""
        known = self.known.get(identity(obj))
        if known is not None:
            if not known.rights & _REFER:
                self._require(obj, known.pair, "refer", encoder)
        elif identity(obj) in HELPERS:
            # Written to be called, for which nothing was asked.
            self._require(obj, None, "refer", encoder)

    def use(self, obj: Any, right: str, encoder: Encoder) -> Grant:
        """Ask for another use of a global."""
        if not _is_global(obj):
            self.deny(_pair_of(type(obj)), right, "only a global can be used so", encoder)
        return self._require(obj, None, right, encoder)

    def _require(self, obj: Any, found: Found | None, right: str, encoder: Encoder) -> Grant:
        grant = self._grant(obj, found, encoder)
        if not grant.rights & _RIGHTS[right]:
            self.deny(grant.pair, right, NOT_GIVEN if grant.rights else UNNAMED, encoder)
        return grant

    def _grant(self, obj: Any, found: Found | None, encoder: Encoder) -> Grant:
        """Return what is granted of a global; *found* is what it is called where that is known."""
        known = self.known.get(identity(obj))
        if known is not None and (found is None or found == known.asked or found == known.pair):
            return known
        grant: Any = self._known_before(obj) if known is None and found is None else None
        if grant is not None:
            self.known[identity(obj)] = grant
            return grant  # type: ignore[no-any-return]
        asked = _pair_of(obj) if found is None else found
        read = asked
        if encoder.protocol < 3:
            read = conforming.as_read(asked, encoder.protocol, encoder.fix_imports)
        grant = self._kept(obj, read)
        if grant is None:
            grant = self._decide(obj, read, encoder)
        if known is not None and known.guards is not None and (grant.guards is None or known.pair == grant.pair):
            # Not anew each time that it is asked for: they count.
            grant.guards = known.guards
        grant.asked = asked
        self.known[identity(obj)] = grant
        if found is None and self.protocol >= 3 and type(obj) is type and grant.origin is not None and version_of(obj):
            self._know(obj, asked, grant)
        return grant  # type: ignore[no-any-return]

    def _known_before(self, obj: Any) -> Grant | None:
        """Return what was granted before of a class that is what it was then, without asking what it is called."""
        if self.granted_classes is None or self.protocol < 3:
            return None
        found: Any = self.granted_classes.get(identity(obj))
        # Not of the other form of this package, which shares policies with this one.
        if type(found) is not KnownClass:
            return None
        kept: Any = found
        return kept.grant_for(obj) if kept.is_of(obj) and kept.reference() is obj else None

    def _know(self, kind: type, asked: Found, grant: Grant) -> None:
        """Keep with the policy what was granted of a class, by the class itself: of no more than there are pairs.

        Another thread, or a finalizer, may have changed or renamed it since it was asked for.
        """
        origin: Any = grant.origin
        classes: Any = self.granted_classes
        kept = KnownClass(kind, asked, origin)
        if kept.version == origin.version and _pair_of(kind) == asked and kept.is_of(kind):
            if origin.place != identity(kind):
                classes.pop(origin.place, None)
            origin.place = identity(kind)
            grant.kept = classes[identity(kind)] = kept

    def _kept(self, obj: Any, read: Found) -> Grant | None:
        """Return what was decided before on this very object under this name."""
        kept = None if self.granted is None else self.granted.get(read)
        # Not of the other form of this package, which shares policies with this one.
        if type(kept) is not Grant:
            return None
        grant = kept
        # What a class has for a constructor, and so its contract, goes with the class as it was.
        return grant.copy_for(obj) if grant.reference() is obj and grant.version == version_of(obj) else None

    def known_form(self, kind: type) -> KnownClass | None:
        """Return what was kept of a class that was granted, if it is what it was then and something is known of it."""
        grant = self.known.get(identity(kind))
        kept = None if grant is None else grant.kept
        return kept if kept is not None and kept.form and kept.is_of(kind) else None

    def keep_form(self, kind: type, form: int, slots: tuple[str, ...]) -> None:
        """Keep with the policy what is known of a class that was granted, until the class is changed."""
        grant = self.known.get(identity(kind))
        kept = None if grant is None else grant.kept
        if kept is not None and kept.is_of(kind):
            kept.slots = slots
            kept.form = form

    def known_name(self, obj: Any) -> Found | None:
        """Return the module and name of a class that was granted, if it is kept and there; else all is to be asked."""
        grant = self.known.get(identity(obj))
        kept = None if grant is None else grant.kept
        if kept is None or not kept.is_plain or not kept.is_of(obj):
            return None
        return kept.asked if found_in(kept.asked[0], kept.asked[1]) is obj else None

    def callee_before(self, func: Any, args: tuple[Any, ...], missing: Any, encoder: Any) -> Any:
        """Return what is to be asked of the arguments of a class, if that is all that is to be asked of a call.

        What may be a helper that the machine emulates, of which a user's policy is not asked, is left to
        :meth:`call_script`.
        """
        if type(func) is not type or self.find_class is not None:
            return missing
        grant = self._grant(func, None, encoder)
        kept = grant.kept
        if kept is not None and kept.is_called and kept.is_of(func):
            self.callees[identity(func)] = kept.check
            return kept.check
        if is_new_helper(func) or is_emulated(func, args):
            return missing
        contract = grant.contract
        if grant.guards is not None or grant.traits or not grant.rights & _RIGHTS["call"]:
            return missing
        if contract is not None and contract.calls_later is not None:
            return missing
        check = None if contract is None else _asked_again(grant)
        self.callees[identity(func)] = check
        if kept is not None and kept.is_of(func) and identity(func) not in HELPERS:
            kept.check = check
            kept.is_called = True
        return check

    def _decide(self, obj: Any, read: Found, encoder: Encoder) -> Grant:
        """Decide on a global; *read* is what the reader reads."""
        version = version_of(obj)
        pair = self.policy.rename(*read)
        if self.find_class is not None:
            grant = Grant(obj, pair, self._ask(obj, pair, encoder))
            grant.settle()
            return grant
        rule = self.policy.lookup_for(*pair, obj)
        grant = Grant(obj, pair, 0 if rule is None else rule.rights.value)
        if rule is None:
            grant.settle()
            return grant
        if rule.constrained:
            grant.guards = RuleGuards(rule, None, None)
        if not rule.accept_known_gadget:
            reason = conforming.check_global(obj, pair)
            if reason is not None:
                self.deny(pair, "refer", reason, encoder)
        grant.settle()
        if _is_global(obj) and type(obj).__weakrefoffset__ and not self.policy.depends_on_object(*pair):
            kept = grant.copy_for(None)
            kept.reference = ref(obj)
            kept.version = version
            kept.origin = None
            former = self.policy.granted.get(read)
            if type(former) is Grant:
                self.policy.granted_classes.pop(former.place, None)
            self.policy.granted[read] = grant.origin = kept
        return grant

    def _ask(self, obj: Any, pair: Found, encoder: Encoder) -> int:
        encoder.in_hook = True
        granted = self.find_class(*pair)
        encoder.in_hook = False
        if granted is not obj:
            self.deny(pair, "refer", "find_class gives another object for it", encoder)
        return _ALL

    def check_owners(self, found: Found, encoder: Encoder) -> None:
        """Below protocol 4 a nested class is fetched from its owner, which the reader must know too."""
        module, name = found
        while encoder.protocol < 4 and "." in name:
            name = name.rpartition(".")[0]
            pair = self.policy.rename(module, name)
            owner = reducing.attribute_of(sys.modules[module], name, strict=True)
            if self.find_class is not None:
                self._ask(owner, pair, encoder)
            elif self.policy.lookup_for(*pair, owner) is None:
                self.deny(pair, "refer", "no rule names the owner", encoder)

    def is_named_so(self, obj: Any, found: Found) -> bool:
        """Return whether a class that was granted for a use is still called what it was called then."""
        grant = self.known.get(identity(obj))
        return grant is None or not isinstance(obj, type) or grant.asked == found

    def deny(self, pair: Found, right: str, reason: str, encoder: Encoder, *, suggest: bool = True) -> None:
        """Raise a denial."""
        gadget = gadget_reason(*pair)
        line = suggestion(*pair, right) if suggest and self.find_class is None else ""
        denial = Denial(*pair, right, None, None, reason, gadget, line, encoder.place())
        raise PolicyError((denial,), policy=self.policy.name)

    # -- calls and state ---------------------------------------------------------------------------------------

    def call_script(self, encoder: Encoder, obj: Any, func: Any, args: tuple[Any, ...]) -> Granted:
        """Grant the call that makes *obj*.

        :return: its steps, unless the usual ones; whose rule rules it; and the arguments that this one is given.
        """
        if type(args) is not tuple:
            raise EncodingError(f"arguments are a {quote(type(args).__name__)}, not a tuple")
        if func is _RECONSTRUCTOR:
            return self._reconstructor(encoder, args), args[0], args[2:]
        if func is _NEWOBJ or func is _NEWOBJ_EX:
            return self._new(encoder, obj, func, args)
        if func is _GETATTR:
            return self._getattr(encoder, obj, args), None, ()
        if not is_emulated(func, args):
            self._check_arguments(self.use(func, "call", encoder), "call", args, {}, encoder)
        return None, func, args

    def _reconstructor(self, encoder: Encoder, args: tuple[Any, ...]) -> Script:
        if len(args) != 3 or not [base for base in _BASES if args[1] is base]:
            self.deny(("copyreg", "_reconstructor"), "call", "not in a form that picklers write", encoder)
        cls, base, state = args
        if (state is not None if base is object else type(state) is not base) or not issubclass(cls, base):
            self.deny(("copyreg", "_reconstructor"), "call", "not in a form that picklers write", encoder)
        grant = self.use(cls, "new", encoder)
        if base is not object:
            self._check_contract(grant, "new", (state,), {}, encoder)
        if grant.guards is not None:
            self._refuse(grant, "new", "arguments are", grant.guards.refuse_reconstruction(base, state), encoder)
        return reducing.helper_script(
            encoder, _RECONSTRUCTOR, reducing.USE, cls, reducing.USE, base, reducing.ARGS, state
        )

    def _new(self, encoder: Encoder, obj: Any, func: Any, args: tuple[Any, ...]) -> Granted:
        if not args or not isinstance(args[0], type) or args[0] is not type(obj):
            raise EncodingError(f"args[0] from {func.__name__} args has the wrong class")
        cls = args[0]
        if cls is object and args[1:] in ((), ((), {})):
            return None, object, ()
        grant = self.use(cls, "new", encoder)
        if func is _NEWOBJ_EX:
            if len(args) != 3 or type(args[1]) is not tuple or type(args[2]) is not dict:
                raise EncodingError("__newobj_ex__ takes a class, a tuple and a dict")
            for key in args[2]:
                if type(key) is not str:
                    raise EncodingError(f"a keyword is {quote(key)}, not a str")
            given = args[1]
            self._check_arguments(grant, "new", given, args[2], encoder)
        else:
            given = args[1:]
            self._check_arguments(grant, "new", given, {}, encoder)
        if encoder.protocol >= 2:
            return None, cls, given
        encoder.count_object(len(args))
        steps: Script = [reducing.USE, func, reducing.CODE, reducing._MARK, reducing.USE, cls, reducing.LEVEL, 1]
        for arg in args[1:]:
            steps += (reducing.ARGS, arg)
        return [*steps, reducing.LEVEL, -1, reducing.CODE, reducing._TUPLE, reducing.CODE, reducing._REDUCE], cls, given

    def _getattr(self, encoder: Encoder, obj: Any, args: tuple[Any, ...]) -> Script:
        """``getattr(Class, 'name')``: one more global, which needs a rule of its own."""
        if len(args) != 2 or not isinstance(args[0], type) or type(args[1]) is not str or "." in args[1]:
            self.deny(("builtins", "getattr"), "call", "only attributes of classes are reached", encoder)
        owner, name = args
        module, qualname = self._grant(owner, None, encoder).pair
        target = getattr(owner, name, None)
        if obj is not encoder.callee or obj != target:
            self._require(target, (module, f"{qualname}.{name}"), "refer", encoder)
        if not self._grant(owner, None, encoder).rights:
            self.deny((module, qualname), "refer", "no rule names the owner", encoder)
        return reducing.helper_script(encoder, getattr, reducing.USE, owner, reducing.ARGS, name)

    def _check_arguments(
        self, grant: Grant, right: str, args: tuple[Any, ...], kwargs: dict[str, Any], encoder: Encoder
    ) -> None:
        self._check_contract(grant, right, args, kwargs, encoder)
        func = grant.obj
        if grant.guards is not None:
            refusal = grant.guards.refuse_call(right == "new", args, kwargs)
            self._refuse(grant, right, "arguments are", refusal, encoder)
        elif right == "call" and not grant.traits:
            contract = grant.contract
            if (contract is None or contract.calls_later is None) and not is_new_helper(func):
                self.callees[identity(func)] = None if contract is None else _asked_again(grant)
        elif right == "call" and func is Counter:
            self.callees[identity(func)] = reducing.COUNTED
        if grant.traits:
            sizes = conforming.check_sizes(grant.traits, args, encoder.bounds.max_items)
            self._refuse(grant, right, "arguments are", sizes, encoder)

    def _check_contract(
        self, grant: Grant, right: str, args: tuple[Any, ...], kwargs: dict[str, Any], encoder: Encoder
    ) -> None:
        """Refuse arguments that no policy lets through."""
        contract = grant.contract
        if contract is None:
            return
        if right == "call" and not kwargs and self._surely_takes(grant, args):
            return
        refusal = contract.check(args, kwargs)
        if refusal is not None:
            refusal = of_what_is_written(contract.check, args, kwargs)
        self._refuse(grant, right, "arguments are", refusal, encoder)
        later = contract.calls_later
        if later is None or later >= len(args):
            return
        if _is_global(args[later]):
            factory = self._grant(args[later], None, encoder)
            if factory.pair not in _FACTORIES and not factory.rights & _RIGHTS["call"]:
                self.deny(factory.pair, "call", f"a {grant.pair[1]} would call it later", encoder)
            self.factory = args[later]
        elif callable(args[later]):
            self.deny(_pair_of(type(args[later])), "call", "only a global can be called later", encoder)

    def _surely_takes(self, grant: Grant, args: tuple[Any, ...]) -> bool:
        """Return whether the contract of what is called need not be asked about these arguments."""
        which = _seen_as(grant)
        return which != 0 and self.takes(which, args)

    def takes(self, which: int, args: tuple[Any, ...]) -> bool:
        """Return whether the contract surely takes the arguments of a call that is seen without it."""
        if which == _TEXTS:
            return fits_texts(args)
        if which == _TREE:
            return self._usual_models().fits_call(args)
        if which > _TREE:
            return self._usual_models().fits_frame_call(which, args)
        return self.usual_arrays().fits_now(which, args)

    def _fits_model(self, contract: Any, obj: Any, state: Any) -> bool:
        """Return whether the contract of state surely lets a model have it."""
        which = usual_estimator(contract)
        return which != 0 and self._usual_models().weigh_state(which, obj, state) >= 0

    def _usual_models(self) -> UsualModels:
        if self.models is None:
            self.models = UsualModels()
        return self.models  # type: ignore[no-any-return]

    def hashed_by(self, owner: Any, args: tuple[Any, ...]) -> Iterable[list[Any]]:
        """Return what is hashed of the arguments of a call that was granted."""
        grant = self.known.get(identity(owner))
        # Helpers that are emulated have no grant.
        return () if grant is not None and not grant.traits & HASHES else conforming.hashed_by(owner, args)

    def _refuse(self, grant: Grant, right: str, what: str, refusal: str | None, encoder: Encoder) -> None:
        if refusal is not None:
            self.deny(grant.pair, right, f"its {what} refused: {refusal}", encoder, suggest=False)

    def usual_arrays(self) -> UsualArrays:
        """Return what sees plain arrays; numpy is there."""
        if self.arrays is None:
            self.arrays = UsualArrays()
        return self.arrays  # type: ignore[no-any-return]

    def sees_arrays(self) -> bool:
        """Return whether there is a numpy to have made anything, and all of it."""
        numpy = loaded_module("numpy")
        if numpy is None:
            return False
        # What an application has put in its place for tests may have no spec.
        spec: Any = _GETATTR(numpy, "__spec__", None)
        return self.arrays is not None or not _GETATTR(spec, "_initializing", True)

    def dtype_form(self, obj: Any, encoder: Encoder) -> Any:
        """Return the form of one of numpy's own dtypes, if calls and state as they are in it are granted, else None."""
        form = form_of(self.usual_arrays().dtypes, obj)
        if form is None or not self._grant(type(obj), form.names, encoder).rights:
            return None
        grant = self._grant(form.dtypes, _DTYPES, encoder)
        return form if _is_plain_grant(grant, DTYPE, _CALL_AND_BUILD) else None

    def array_form(self, kind: type, encoder: Encoder) -> Any:
        """Return the form of numpy's arrays, if they are granted as they are in it, else None."""
        arrays = self.usual_arrays()
        form = array_form(arrays.dtypes, encoder.protocol)
        if form is None or kind is not arrays.ndarray or not self._grant(kind, None, encoder).rights:
            return None
        grant = self._grant(form.func, form.names, encoder)
        if form.order is not None:
            return form if _is_plain_grant(grant, BUFFER, _RIGHTS["call"]) else None
        return form if _is_plain_grant(grant, ARRAY, _CALL_AND_BUILD) else None

    def check_state(self, owner: Any, obj: Any, state: Any, encoder: Encoder) -> None:
        """Refuse state that the reader would not set."""
        grant = self._grant(owner, None, encoder)
        kind = made_by(owner, obj)
        contract = state_contract_of(grant.pair, kind)
        if contract is not None:
            usual = usual_state(*grant.pair, kind) if grant.usual else 0
            seen = self.usual_arrays().may_give(usual, obj, state) if usual else self._fits_model(contract, obj, state)
            if not seen:
                refusal = contract.refusal(obj, state)
                if refusal is not None:
                    refusal = of_what_is_written(contract.refusal, obj, state)
                self._refuse(grant, "build", "state is", refusal, encoder)
            if usual and grant.guards is None:
                self.builders[identity(owner)] = usual
        if grant.guards is not None:
            self._refuse(grant, "build", "state is", grant.guards.refuse_state(state), encoder)
        check_state(kind, state, encoder.bounds.max_items)

    def may_fill(self, kind: type, encoder: Encoder) -> bool:
        """Return whether nothing is asked of what a class that is granted is called with, beside its contract."""
        return self._grant(kind, None, encoder).guards is None

    def may_restore(self, kind: type, encoder: Encoder) -> bool:
        """Return whether any instances of a class may be made, and given any attributes."""
        grant = self._grant(kind, None, encoder)
        return bool(grant.rights & _RIGHTS["new"] and grant.rights & _RIGHTS["build"]) and grant.guards is None


def _is_plain_grant(grant: Grant, usual: int, rights: int) -> bool:
    """Return whether a call that is seen without the contract has these rights, and no rule asks for more."""
    return grant.usual == usual and grant.guards is None and not grant.traits and grant.rights & rights == rights


def _seen_as(grant: Grant) -> int:
    """Return which of the calls it is that are seen without the contract, 0 for none."""
    if grant.usual:
        return grant.usual
    if is_of_texts(grant.contract):
        return _TEXTS
    return _TREE if usual_tree(grant.contract) else usual_frame_call(grant.contract)


def _asked_again(grant: Grant) -> Any:
    """Return what is to be asked about the arguments of a further call: a number of those above, or the contract."""
    return _seen_as(grant) or grant.contract.check


def _pair_of(obj: Any) -> Found:
    """Return what an object says it is called, without looking whether that is so."""
    if isinstance(obj, (BuiltinFunctionType, MethodType)) and isinstance(obj.__self__, type):
        # A class method, which is reached through its class.
        return str(obj.__self__.__module__), f"{obj.__self__.__qualname__}.{obj.__name__}"
    name = getattr(obj, "__qualname__", None)
    module = getattr(obj, "__module__", None)
    return (
        module if type(module) is str else "builtins" if isinstance(obj, BuiltinFunctionType) else "",
        name if type(name) is str else "",
    )


def _is_global(obj: Any) -> bool:
    """Return whether an object is of a kind that is written by its name."""
    if type(obj) is type or type(obj) is FunctionType:
        return True
    if type(obj) is MethodType:
        return isinstance(obj.__self__, type)
    return isinstance(obj, _GLOBALS) or type(obj).__name__ == _CYTHON
