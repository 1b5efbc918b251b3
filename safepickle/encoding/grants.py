# cython: annotation_typing=False
"""What is granted of a global that is written, and what is kept of a class from one dump to the next.

Rules that hold here:

* What is kept with a policy keeps no object alive, says nothing that the policy and the tables do not say, and of an
  object only what holds for that very one.
* What is kept of a class holds as long as the class is what it was: by the number that the interpreter takes away from
  a class that is changed, and by its names, which can be changed without that. Where there is no such number (the
  Python form, unknown versions of Python) nothing is kept of classes.
"""

from __future__ import annotations

import sys
from _weakref import ref  # weakref takes longer to import
from typing import TYPE_CHECKING, Any

from ..decoding.usual_arrays import usual_call
from ..policy.rules import Right
from . import conforming

if TYPE_CHECKING:
    from .reducing import Found

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    from ..decoding.resolving import version_of

__all__ = ["Grant", "KnownClass"]

_CALLABLE = Right.CALL.value | Right.NEW.value


class Grant:
    """What is granted of one global: for one dump or, without the object, kept with the policy.

    :ivar obj: the object, kept alive for the dump.
    :ivar asked: the pair that it was asked for by, and ``pair`` what that is after renames.
    :ivar guards: what its rule asks for beside its rights, or None.
    :ivar usual: which of the calls it is that are seen without the contract, 0 for none.
    :ivar traits: what a class does with its arguments.
    :ivar reference: a weak reference to the object that what is kept is of; and ``version``, a class's number then.
    :ivar place: where it is kept by the class itself, None for nowhere.
    :ivar origin: what is kept of it, where that is another one than this; and ``kept``, of the class.
    """

    def __init__(self, obj: Any, pair: Found, rights: int) -> None:
        self.begin(obj, pair, rights)

    def begin(self, obj: Any, pair: Found, rights: int) -> None:
        """Begin with what a rule says alone."""
        self.obj = obj
        self.asked = pair
        self.pair = pair
        self.rights = rights
        if not cython.compiled:
            # Compiled, a new one has all that (see GlobalHandle.begin).
            self.guards: Any = None
            self.contract: Any = None
            self.reference: Any = None
            self.place: Any = None
            self.origin: Grant | None = None
            self.kept: KnownClass | None = None
            self.usual = self.traits = self.version = 0

    def settle(self) -> None:
        """Find out what any policy asks of calls of the object."""
        # Also where no rule names it: the machine makes the values of some classes itself.
        if isinstance(self.obj, type):
            self.traits = conforming.traits_of(self.obj)
        if self.rights & _CALLABLE:
            self.contract = conforming.contract_of(self.obj, self.pair)
            if self.contract is not None and "numpy" in sys.modules:
                self.usual = usual_call(self.pair[0], self.pair[1], self.obj)

    def copy_for(self, obj: Any) -> Grant:
        """Return the same for another dump, or to be kept; what the rule counts begins at nothing."""
        copy = Grant.__new__(Grant)
        copy.begin(obj, self.pair, self.rights)
        if self.contract is not None:
            copy.contract = self.contract
        copy.usual = self.usual
        copy.traits = self.traits
        if self.guards is not None:
            copy.guards = self.guards.renewed(None, None)
        copy.origin = self
        return copy


class KnownClass:
    """What a policy has granted of a class, and what the encoder knows of it, as long as it is what it was.

    :ivar asked: the module and name that the class says are its own.
    :ivar is_plain: whether that is an attribute of its module, and no name that modules have themselves.
    :ivar form: what the encoder knows of its instances, 0 for nothing yet; and ``slots``, theirs.
    :ivar check: what is to be asked of the arguments of a call, if ``is_called`` says that nothing else is.
    """

    def __init__(self, kind: type, asked: Found, grant: Grant) -> None:
        self.reference = ref(kind)
        self.version = version_of(kind)
        #: The very texts: setting another one does not change the class's number.
        self.name = kind.__name__
        self.qualname = kind.__qualname__
        self.asked = asked
        self.is_plain = "." not in asked[1] and not asked[1].startswith(("__", "<"))
        self.grant = grant
        self.form = 0
        self.slots: tuple[str, ...] = ()
        self.is_called = False
        self.check: Any = None

    def is_of(self, kind: Any) -> bool:
        """Return whether a class is this one, and what it was."""
        return is_still(kind, self.version, self.name, self.qualname)

    def grant_for(self, kind: type) -> Grant:
        """Return what was granted of it, for another dump."""
        grant = self.grant.copy_for(kind)
        grant.asked = self.asked
        grant.kept = self
        return grant


if not cython.compiled:

    def is_still(kind: Any, version: int, name: str, qualname: str) -> bool:
        """Return whether a class has the number and the names that it had."""
        return False
