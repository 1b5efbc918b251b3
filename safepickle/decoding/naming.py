# cython: annotation_typing=False
"""Naming: what stands on the machine's stack for a global, and how it becomes a value.

Rules that hold here:

* What the machine has on its stack for a global is a :class:`GlobalHandle`, never the object itself. A handle is
  turned into the object only where it is used, and only if the policy grants the right for that use: so appearing
  never implies being called, and a helper that the machine emulates is never handed out.
* The decision for a pair is made once a load; after that it is one look-up. Where the policy allows it by name alone,
  the decision is kept with the policy, which cannot change, and so is what was found out about the object. A load takes
  the latter over only if the name stands for that very object again.
* Nothing is imported while the gate is inert.
"""

from __future__ import annotations

import copyreg
import enum
import sys
import types
from _weakref import ref  # weakref takes longer to import
from collections.abc import Callable
from typing import Any

from ..errors import UNNAMED, Denial, FormatError, PolicyError, ReconstructionError, quote_name
from ..policy.contracts import CONTRACTS, ENUM
from ..policy.derived import contract_of_derived
from ..policy.gadgets import gadget_reason
from ..policy.rules import Policy, Rule, suggestion
from ..wire.python2 import to_python3
from .budget import Budget
from .emulated import CONSTANTS, EMULATED
from .guarding import RuleGuards
from .handles import Facts, GlobalHandle, HeldTuple, Inert, Known
from .refusals import ALL_RIGHTS, LABELS, REFER, Refusals
from .resolving import import_global, takes_items, traits_of
from .usual_arrays import usual_call

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    from .resolving import found_in, refers_to, version_of

NAMED = (type, types.FunctionType, types.BuiltinFunctionType)


class Naming(Refusals):
    """The globals of one load: what they are called, what is granted, and what they stand for."""

    def open_naming(
        self,
        policy: Policy,
        budget: Budget,
        find_class: Callable[[str, str], Any] | None,
        fix_imports: bool,
        inert: bool,
    ) -> None:
        """Begin with nothing named."""
        self.open_refusals(policy, budget, inert)
        self.find_class = find_class
        self.fix_imports = fix_imports
        self.in_hook = False
        self.handles_seen = False
        #: Rules with constraints that the stream has named, or None.
        self.guarded: Any = None
        #: What BUILD needs to know of classes, where it is not known by their own handle, by id, or None.
        self.shapes: Any = None
        #: What is known of pairs under this policy; and, by module and by name, of those that a stream means itself.
        self.kept: Any = policy.kept
        self.kept_names: Any = policy.kept_names

    # -- globals -----------------------------------------------------------------------------------------------

    def find(self, module: Any, name: Any, protocol: int) -> Any:
        """Return what stands on the stack for a global."""
        if type(module) is not str or type(name) is not str:
            raise FormatError("STACK_GLOBAL requires str")
        if not module or not name:
            raise FormatError(f"a global without a name: {quote_name(module, name)}")
        if self.fix_imports and protocol < 3:
            module, name = to_python3(module, name)
        names = self.kept_names.get(module)
        kept = None if names is None else names.get(name)
        if type(kept) is Known and self.find_class is None:  # not of the other form
            # Named before under this policy, and no constant: the same as below, in as few steps as there are.
            known: Known = kept
            handle = self.named.find(known.pair) if self.handles_seen else None
            if handle is None:
                self._pay_for_name(known.module, known.name)
                handle = self._make_known(known)
                self.named.add(known.pair, handle)
                self.handles_seen = True
            return handle
        module, name = self.policy.rename(module, name)
        return self.lookup(module, name)

    def lookup(self, module: str, name: str) -> Any:
        """Return what stands on the stack for a global under its present name."""
        pair = (module, name)
        handle = self.named.find(pair)
        if handle is not None:
            return handle
        self._pay_for_name(module, name)
        constant = CONSTANTS.get((module, name))
        if constant is not None:
            return constant
        handle = self.make_handle(module, name)
        self.named.add(pair, handle)
        self.handles_seen = True
        return handle

    def _pay_for_name(self, module: str, name: str) -> None:
        self.budget.take_object(400 + 4 * (len(module) + len(name)))

    def make_handle(self, module: str, name: str) -> GlobalHandle:
        """Return the handle of a global, with the rights that the policy or the user's find_class grants."""
        if self.find_class is None:
            known = self.kept.get((module, name))
            if type(known) is Known:
                # Not of the other form of this package, which shares policies with this one.
                return self._make_known(known)
        rule = self.policy.lookup(module, name)
        handle = GlobalHandle(module, name, 0 if rule is None else rule.rights.value)
        handle.contract = CONTRACTS.get((module, name))
        handle.accept_gadget = rule is not None and rule.accept_known_gadget
        if rule is not None and rule.constrained:
            self._guard(handle, rule)
        handle.emulation = EMULATED.get((module, name))
        if handle.emulation is not None:
            if rule is not None and rule.classes_only:
                # Only where it is emulated: what else it does is not for all classes of a module.
                handle.rights = 0
            self._keep(handle, rule)
            return handle
        if self.find_class is not None:
            self._ask_hook(handle, rule is None)
        elif rule is None:
            handle.listed = False
            self._go_inert(handle)
        if rule is not None and self.policy.class_rules and not self.inert:
            self._narrow(handle)
        self._keep(handle, rule)
        return handle

    def _keep(self, handle: GlobalHandle, rule: Rule | None) -> None:
        """Keep what was decided for a pair, if the policy allows it, or the machine emulates it, by its name alone."""
        policy = self.policy
        module, name = handle.module, handle.name
        if self.find_class is not None or (rule is None and handle.emulation is None):
            return
        if policy.depends_on_object(module, name):
            return
        known = Known(module, name, handle.rights, handle.accept_gadget)
        known.emulation = handle.emulation
        # Without what this load has seen, and without its budget.
        known.guards = None if handle.guards is None else handle.guards.renewed(None, Inert)
        self.kept[known.pair] = handle.known = known
        if policy.rename(module, name) == known.pair:
            self.kept_names.setdefault(module, {})[name] = known

    def _make_known(self, known: Known) -> GlobalHandle:
        """Return the handle of a global that was decided on before."""
        handle = GlobalHandle.__new__(GlobalHandle)
        handle.begin(known.module, known.name, known.rights)
        handle.known = known
        handle.accept_gadget = known.accept_gadget
        handle.emulation = known.emulation
        if known.contract is not None:
            handle.contract = known.contract
        if known.guards is not None:
            handle.guards = known.guards.renewed(self.budget, Inert)
            self._note_guarded(handle)
        return handle

    def _note_guarded(self, handle: GlobalHandle) -> None:
        if self.guarded is None:
            self.guarded = []
        self.guarded.append(handle)

    def _guard(self, handle: GlobalHandle, rule: Rule) -> None:
        handle.guards = RuleGuards(rule, self.budget, Inert)
        self._note_guarded(handle)

    def _narrow(self, handle: GlobalHandle) -> None:
        """Hold a rule for the classes of a module to what the name really stands for."""
        if not self.policy.depends_on_object(handle.module, handle.name):
            return
        rule = self.policy.lookup_for(handle.module, handle.name, self.resolve(handle))
        handle.guards = None
        if rule is None:
            handle.rights = 0
            self.deny(handle, REFER, "it is no class that is defined in that module")
        else:
            handle.rights = rule.rights.value
            if rule.constrained:
                self._guard(handle, rule)

    def recheck(self) -> None:
        """Look again at state that later opcodes may have changed."""
        for handle in self.guarded or ():
            refused = None if handle.guards is None else handle.guards.refuse_kept()
            if refused is not None:
                what, right, reason = refused
                self.deny(handle, right, f"its {what} refused: {reason}")

    def _ask_hook(self, handle: GlobalHandle, grant_all: bool) -> None:
        """Ask the user's own find_class: what it returns is granted, unless it is a known gadget or a module."""
        if grant_all:
            handle.rights = ALL_RIGHTS
        if self.inert:
            return
        self.in_hook = True
        target: Any = None
        is_refused = False
        try:
            target = self.find_class(handle.module, handle.name)  # type: ignore[misc]
        except PolicyError:
            is_refused = True
        self.in_hook = False
        if is_refused:
            # It went on to ours, which refuses: one more denial of this stream.
            handle.rights = 0
            handle.listed = False
            self._go_inert(handle)
        else:
            self._settle(handle, target)

    def grant(self, module: str, name: str) -> Any:
        """Return the object of a global for a user's find_class that goes on to ours, or raise."""
        module, name = self.policy.rename(module, name)
        rule = self.policy.lookup(module, name)
        if rule is None:
            reason = gadget_reason(module, name)
            text = suggestion(module, name, (LABELS[REFER],))
            raise PolicyError(
                (Denial(module, name, LABELS[REFER], None, None, UNNAMED, reason, text),),
                policy=self.policy.name,
            )
        handle = GlobalHandle(module, name, rule.rights.value)
        handle.accept_gadget = rule.accept_known_gadget
        self._narrow(handle)
        if not handle.rights:
            raise PolicyError(self.denials(), policy=self.policy.name)
        return self.resolve(handle)

    def extension(self, code: int, protocol: int) -> Any:
        """Return what stands for a copyreg extension code. Its cache is not consulted: it bypasses find_class (R61)."""
        if code <= 0:
            raise FormatError(f"EXT code {code} is not positive")
        pair = copyreg._inverted_registry.get(code)  # type: ignore[attr-defined]
        if type(pair) is not tuple or len(pair) != 2 or type(pair[0]) is not str or type(pair[1]) is not str:
            raise FormatError(f"unregistered extension code {code}")
        module, name = self.policy.rename(pair[0], pair[1])
        return self.lookup(module, name)

    def resolve(self, handle: GlobalHandle) -> Any:
        """Return the object of a granted handle, importing its module if need be."""
        if not handle.resolved:
            known = handle.known
            target = None
            # Another thread may be at the import of a module that has not been there before.
            whole = known is not None and known.facts is not None
            try:
                if whole and known.is_plain:  # type: ignore[union-attr]
                    # Asking a module for an attribute takes five times as long as its names, which are asked first.
                    target = found_in(handle.module, handle.name)
                if target is None:
                    target = import_global(handle.module, handle.name, whole)
            except Exception as error:
                target = self._by_an_old_name(handle)
                if target is None:
                    raise ReconstructionError(
                        f"{quote_name(handle.module, handle.name)} is allowed but cannot be imported: "
                        f"{type(error).__name__}; is it installed, and on the path?"
                    ) from error
            self._settle(handle, target)
        return handle.target

    def _by_an_old_name(self, handle: GlobalHandle) -> Any:
        """Return a global by the name that an alias of the policy leads from: the library may be older than the move.

        Within the package only: no other one is imported in its place.
        """
        for (old_module, old_name), (module, name) in self.policy.aliases.items():
            package = module.partition(".")[0]
            if module != handle.module or name not in (handle.name, "*") or old_module.partition(".")[0] != package:
                continue
            try:
                target = import_global(old_module, handle.name if name == "*" else old_name)
            except Exception:  # noqa: BLE001  the first error is the one to tell of
                target = None
            if target is not None:
                return target
        return None

    def _settle(self, handle: GlobalHandle, target: Any) -> None:
        known = handle.known
        facts = None if known is None else known.facts
        if facts is not None and refers_to(facts.reference, target) and facts.version == version_of(target):
            handle.facts = facts
            handle.target = target
            handle.resolved = True
            handle.cost = facts.cost
            handle.is_class = facts.is_class
            handle.sized = facts.sized
            handle.usual = facts.usual
            handle.keeps_data = facts.keeps_data
            handle.makes_plainly = facts.makes_plainly
            handle.makes_bare = facts.makes_bare
            if handle.contract is not facts.contract:
                handle.contract = facts.contract
            return
        if isinstance(target, types.ModuleType):
            self.deny(handle, REFER, "it is a module")
        elif not handle.accept_gadget and isinstance(target, NAMED):
            # A re-export under another name is the same gadget.
            reason = gadget_reason(str(target.__module__), target.__qualname__)
            if reason is not None:
                self.deny(
                    handle,
                    REFER,
                    f"it is {quote_name(str(target.__module__), target.__qualname__)}, which {reason}",
                )
        handle.target = target
        handle.resolved = True
        handle.cost = 64
        if isinstance(target, NAMED) and handle.contract is None:
            # A re-export under another name is held to the same contract.
            handle.contract = CONTRACTS.get((str(target.__module__), target.__qualname__))
        if not self.inert and not isinstance(target, NAMED) and takes_items(type(target)):
            # It is given none by way of another object either, nor does an array take its memory.
            self.adopt_foreign(target)
        if isinstance(target, type):
            handle.is_class = True
            handle.cost = 32 + type.__getattribute__(target, "__basicsize__") + 2 * 48
            handle.sized = traits_of(target)
            if isinstance(target, enum.EnumMeta) and handle.contract is None:
                handle.contract = ENUM
            elif handle.contract is None:
                handle.contract = contract_of_derived(target)
        if handle.contract is not None:
            handle.usual = usual_call(handle.module, handle.name, target)
            handle.keeps_data = handle.contract.keeps_data
        if known is not None and handle.rights and not self.inert and isinstance(target, NAMED):
            facts = Facts(ref(target), version_of(target), handle.contract)
            facts.cost = handle.cost
            facts.is_class = handle.is_class
            facts.sized = handle.sized
            facts.usual = handle.usual
            facts.keeps_data = handle.keeps_data
            known.facts = handle.facts = facts
            # As the module has them: they are found there by identity. It is no new text that stays.
            known.module, known.name = sys.intern(known.module), sys.intern(known.name)

    def adopt_foreign(self, obj: Any) -> None:
        """Note an object that came from outside: no opcode may change it."""
        raise NotImplementedError

    # -- values ------------------------------------------------------------------------------------------------

    def value(self, obj: Any) -> Any:
        """Return *obj* as a value that may be kept: handles need the right to appear."""
        if type(obj) is GlobalHandle:
            if self.require(obj, REFER):
                target = self.resolve(obj)
                return target if not self.inert else Inert(obj)
            return Inert(obj)
        if type(obj) is HeldTuple:
            if obj.value is None:
                obj.value = tuple([self.value(item) for item in obj.items])
            return obj.value
        return obj

    def values(self, items: list[Any]) -> list[Any]:
        """Return *items* as values."""
        for index in range(len(items)):
            item = items[index]
            if type(item) is GlobalHandle or type(item) is HeldTuple:
                items[index] = self.value(item)
        return items

    def tuple_of(self, items: tuple[Any, ...]) -> Any:
        """Return a tuple of *items*, held back if there are handles in it."""
        held = False
        for item in items:
            if type(item) is GlobalHandle:
                held = True
            elif type(item) is HeldTuple:
                # One level is all that any helper takes: deeper ones become values, so that this never recurses.
                return self.tuple_of(tuple([self.value(i) if type(i) is HeldTuple else i for i in items]))
        return HeldTuple(items) if held else items
