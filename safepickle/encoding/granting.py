"""The gate on the writing side: ``dumps`` refuses what ``loads`` under the same policy would refuse (S11).

Rules that hold here:

* A class that no rule names is not asked how to reduce itself: none of its code runs.
* A global is granted for the use it is written for: called, made, given state, appended to, given items, or merely
  a value. The rule asked for state and items is that of what makes the object, as when loading.
* Helpers that the machine emulates need no rule in the shapes that it knows; the class in them does.
"""

from __future__ import annotations

import codecs
import copyreg
from functools import partial
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any

from ..decoding.guarding import RuleGuards
from ..errors import Denial, EncodingError, PolicyError, quote
from ..policy.contracts import HARMLESS_FACTORIES
from ..policy.gadgets import gadget_reason
from ..policy.rules import Policy, Right, suggestion
from . import conforming, reducing

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..policy.contracts import Contract
    from .encoder import Encoder
    from .reducing import Found, Script

    Granted = tuple[Script | None, Any, tuple[Any, ...]]

__all__ = ["WriteGate", "gate_maker"]

_RIGHTS = {right.label: right.value for right in Right}
_ALL = sum(_RIGHTS.values())
_GLOBALS = (type, FunctionType, BuiltinFunctionType)
_FACTORIES = frozenset(HARMLESS_FACTORIES)
_BASES = (object, list, dict, tuple, int, str, float, set, frozenset, bytes, complex, bytearray)
#: The type of functions that Cython compiles; each compiled module may have one of its own.
_CYTHON = "cython_function_or_method"
_RECONSTRUCTOR = copyreg._reconstructor  # type: ignore[attr-defined]
_NEWOBJ = copyreg.__newobj__  # type: ignore[attr-defined]
_NEWOBJ_EX = copyreg.__newobj_ex__  # type: ignore[attr-defined]


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
        #: By identity: the object (kept alive), its pair after renames, and its rights.
        self.known: dict[int, tuple[Any, Found, int]] = {}
        #: What rules ask for beside their rights, by identity of the global.
        self.guards: dict[int, RuleGuards] = {}
        #: Classes that were granted to be called, with all that is still to be asked of their arguments, or None.
        self.callees: dict[type, Any] = {}

    def forget(self) -> None:
        """Forget what was granted: the dump begins again, and what rules count begins at nothing."""
        self.known.clear()
        self.guards.clear()
        self.callees.clear()

    # -- asking ------------------------------------------------------------------------------------------------

    def require_class(self, kind: type, encoder: Encoder) -> None:
        """Refuse to run the code of a class that nothing names."""
        pair, rights = self._rights(kind, None, encoder)
        if not rights:
            plain = reducing.is_usual_class(kind, 2)
            self.deny(pair, "new" if plain else "call", "no rule names the class, so its code is not run", encoder)

    def refer(self, obj: Any, found: Found, encoder: Encoder) -> None:
        """Ask for a global to appear as a value."""
        if obj is Ellipsis or obj is NotImplemented:
            return
        self._require(obj, found, "refer", encoder)

    def refer_again(self, obj: Any, encoder: Encoder) -> None:
        """Ask for an object that is in the memo to appear as a value: it may be a global, written for another use."""
        known = self.known.get(id(obj))
        if known is not None and not known[2] & _RIGHTS["refer"]:
            self._require(obj, known[1], "refer", encoder)

    def use(self, obj: Any, right: str, encoder: Encoder) -> None:
        """Ask for another use of a global."""
        if not _is_global(obj):
            self.deny(self._pair(type(obj)), right, "only a global can be used so", encoder)
        self._require(obj, None, right, encoder)

    def _require(self, obj: Any, found: Found | None, right: str, encoder: Encoder) -> None:
        pair, rights = self._rights(obj, found, encoder)
        if not rights & _RIGHTS[right]:
            self.deny(pair, right, "the rule does not give that right" if rights else "no rule names it", encoder)

    def _rights(self, obj: Any, found: Found | None, encoder: Encoder) -> tuple[Found, int]:
        known = self.known.get(id(obj))
        if known is not None and (found is None or found == known[1]):
            return known[1], known[2]
        pair = self._pair(obj) if found is None else found
        pair = self.policy.rename(*conforming.as_read(pair, encoder.protocol, encoder.fix_imports))
        if self.find_class is not None:
            rights = self._ask(obj, pair, encoder)
        else:
            rule = self.policy.lookup_for(*pair, obj)
            rights = 0 if rule is None else rule.rights.value
            if rule is not None and rule.constrained and (known is None or known[1] != pair):
                # Not anew each time that it is asked for: it counts.
                self.guards[id(obj)] = RuleGuards(rule, None, None)
            if rule is not None and not rule.accept_known_gadget:
                reason = conforming.check_global(obj, pair)
                if reason is not None:
                    self.deny(pair, "refer", reason, encoder)
        self.known[id(obj)] = (obj, pair, rights)
        return pair, rights

    def _ask(self, obj: Any, pair: Found, encoder: Encoder) -> int:
        encoder.in_hook = True
        granted = self.find_class(*pair)
        encoder.in_hook = False
        if granted is not obj:
            self.deny(pair, "refer", "find_class gives another object for it", encoder)
        return _ALL

    @staticmethod
    def _pair(obj: Any) -> Found:
        """Return what an object says it is called, without looking whether that is so."""
        if isinstance(obj, BuiltinFunctionType) and isinstance(obj.__self__, type):
            # A class method, which is reached through its class.
            return str(obj.__self__.__module__), f"{obj.__self__.__qualname__}.{obj.__name__}"
        name = getattr(obj, "__qualname__", None)
        module = getattr(obj, "__module__", None)
        return (
            module if type(module) is str else "builtins" if isinstance(obj, BuiltinFunctionType) else "",
            name if type(name) is str else "",
        )

    def check_owners(self, found: Found, encoder: Encoder) -> None:
        """Below protocol 4 a nested class is fetched from its owner, which the reader must know too."""
        module, name = found
        while encoder.protocol < 4 and "." in name:
            name = name.rpartition(".")[0]
            pair = self.policy.rename(module, name)
            if self.find_class is None and self.policy.lookup(*pair) is None:
                self.deny(pair, "refer", "no rule names the owner", encoder)

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
        if func is getattr:
            return self._getattr(encoder, obj, args), None, ()
        if not _is_emulated(func, args):
            self.use(func, "call", encoder)
            self._check_arguments(func, "call", args, {}, encoder)
        return None, func, args

    def _reconstructor(self, encoder: Encoder, args: tuple[Any, ...]) -> Script:
        if len(args) != 3 or not any(args[1] is base for base in _BASES):
            self.deny(("copyreg", "_reconstructor"), "call", "not in a form that picklers write", encoder)
        cls, base, state = args
        if (state is not None if base is object else type(state) is not base) or not issubclass(cls, base):
            self.deny(("copyreg", "_reconstructor"), "call", "not in a form that picklers write", encoder)
        self.use(cls, "new", encoder)
        if base is not object:
            self._check_contract(cls, "new", (state,), {}, encoder)
        guards = self.guards.get(id(cls))
        if guards is not None:
            self._refuse(cls, "new", "arguments are", guards.refuse_reconstruction(base, state), encoder)
        return reducing.helper_script(
            encoder, _RECONSTRUCTOR, reducing.USE, cls, reducing.USE, base, reducing.ARGS, state
        )

    def _new(self, encoder: Encoder, obj: Any, func: Any, args: tuple[Any, ...]) -> Granted:
        if not args or not isinstance(args[0], type) or args[0] is not type(obj):
            raise EncodingError(f"args[0] from {func.__name__} args has the wrong class")
        cls = args[0]
        if cls is object and args[1:] in ((), ((), {})):
            return None, object, ()
        self.use(cls, "new", encoder)
        if func is _NEWOBJ_EX:
            if len(args) != 3 or type(args[1]) is not tuple or type(args[2]) is not dict:
                raise EncodingError("__newobj_ex__ takes a class, a tuple and a dict")
            for key in args[2]:
                if type(key) is not str:
                    raise EncodingError(f"a keyword is {quote(key)}, not a str")
            given = args[1]
            self._check_arguments(cls, "new", given, args[2], encoder)
        else:
            given = args[1:]
            self._check_arguments(cls, "new", given, {}, encoder)
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
        module, qualname = self._rights(owner, None, encoder)[0]
        target = getattr(owner, name, None)
        if obj is not encoder.callee or obj != target:
            self._require(target, (module, f"{qualname}.{name}"), "refer", encoder)
        if not self._rights(owner, None, encoder)[1]:
            self.deny((module, qualname), "refer", "no rule names the owner", encoder)
        return reducing.helper_script(encoder, getattr, reducing.USE, owner, reducing.ARGS, name)

    def _check_arguments(
        self, func: Any, right: str, args: tuple[Any, ...], kwargs: dict[str, Any], encoder: Encoder
    ) -> None:
        contract = self._check_contract(func, right, args, kwargs, encoder)
        guards = self.guards.get(id(func))
        if guards is not None:
            self._refuse(func, right, "arguments are", guards.refuse_call(right == "new", args, kwargs), encoder)
        elif right == "call" and type(func) is type and not conforming.traits_of(func):
            if contract is None or contract.calls_later is None:
                self.callees[func] = None if contract is None else contract.check
        sizes = conforming.check_sizes(func, args, encoder.bounds.max_items)
        self._refuse(func, right, "arguments are", sizes, encoder)

    def _check_contract(
        self, func: Any, right: str, args: tuple[Any, ...], kwargs: dict[str, Any], encoder: Encoder
    ) -> Contract | None:
        """Refuse arguments that no policy lets through. Return the contract that says so, if there is one."""
        pair = self._rights(func, None, encoder)[0]
        contract = conforming.contract_of(func, pair)
        if contract is None:
            return None
        self._refuse(func, right, "arguments are", contract.check(args, kwargs), encoder)
        later = contract.calls_later
        if later is not None and later < len(args) and _is_global(args[later]):
            factory, rights = self._rights(args[later], None, encoder)
            if factory not in _FACTORIES and not rights & _RIGHTS["call"]:
                self.deny(factory, "call", f"a {pair[1]} would call it later", encoder)
        return contract

    def _refuse(self, func: Any, right: str, what: str, refusal: str | None, encoder: Encoder) -> None:
        if refusal is not None:
            pair = self._rights(func, None, encoder)[0]
            self.deny(pair, right, f"its {what} refused: {refusal}", encoder, suggest=False)

    def check_state(self, owner: Any, obj: Any, state: Any, encoder: Encoder) -> None:
        """Refuse state that the reader would not set."""
        pair = self._rights(owner, None, encoder)[0]
        kind = conforming.made_by(owner, obj)
        contract = conforming.state_contract_of(pair, kind)
        if contract is not None:
            self._refuse(owner, "build", "state is", contract.refusal(obj, state), encoder)
        guards = self.guards.get(id(owner))
        if guards is not None:
            self._refuse(owner, "build", "state is", guards.refuse_state(state), encoder)
        conforming.check_state(kind, state, encoder.bounds.max_items)

    def may_restore(self, kind: type, encoder: Encoder) -> bool:
        """Return whether any instances of a class may be made, and given any attributes."""
        rights = self._rights(kind, None, encoder)[1]
        return bool(rights & _RIGHTS["new"] and rights & _RIGHTS["build"]) and id(kind) not in self.guards


def _is_global(obj: Any) -> bool:
    """Return whether an object is of a kind that is written by its name."""
    return isinstance(obj, _GLOBALS) or type(obj).__name__ == _CYTHON


def _is_emulated(func: Any, args: tuple[Any, ...]) -> bool:
    """Return whether the machine makes this call itself."""
    count = len(args)
    if func is complex:
        return count == 2 and type(args[0]) is float and type(args[1]) is float
    if func is range:
        return 1 <= count <= 3 and all(type(arg) is int for arg in args) and args[2:] != (0,)
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
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True
