# cython: annotation_typing=False
"""What stands on the machine's stack for a global, for a tuple with globals in it, and for what was not made.

Rules that hold here:

* These are inert records. They never leave the machine: the gate turns a handle into its object, or refuses, at
  the moment it is used as a value.
* There is one handle for a pair, and one owner of what a class's instances are made by: :class:`Named` keeps both.
* What is :class:`Known` of a pair from load to load says nothing that the policy and the tables do not say, and of an
  object only what holds for that very one.
"""

from __future__ import annotations

from typing import Any

from ..policy.contracts import CONTRACTS
from .guarding import RuleGuards

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    push, drop = list.append, list.clear

#: So many globals are looked through one by one, which takes less than making dicts for them.
FEW_NAMED = 8


class Facts:
    """What was found out about an object that a pair stood for, from load to load.

    Nothing in here keeps the object alive. It is of one object, as it was then: of a class that has been changed since,
    by whomever, all is found out anew (compiled; the Python form has no way to tell, and keeps less). A pair that comes
    to stand for another object gets other facts, and handles that have these keep them.
    """

    def __init__(self, reference: Any, version: int, contract: Any) -> None:
        #: A weak reference to the object.
        self.reference = reference
        #: See :func:`~.resolving.version_of`; where it is 0, nothing below ``keeps_data`` is kept.
        self.version = version
        self.contract = contract
        self.is_class = False
        self.cost = 0
        self.sized = 0
        self.usual = 0
        self.keeps_data = False
        #: Whether the next two are known.
        self.is_sized_up = False
        self.is_atom = False
        self.sizer: Any = None
        #: As of a handle: whether an instance is made without asking anything, if the rule asks nothing either.
        self.makes_plainly = self.makes_bare = False
        #: What BUILD needs to know of the class, None for not known.
        self.shape: Any = None


class Known:
    """What a policy and the tables say of a pair, and what is known of the object that it stood for the last time.

    Kept with the policy, for the pairs that it allows and for those alone: a stream cannot make it grow.
    """

    def __init__(self, module: str, name: str, rights: int, accept_gadget: bool) -> None:
        self.module = module
        self.name = name
        self.pair = (module, name)
        #: Whether the name is that of one attribute of a module, with no meaning for the interpreter.
        self.is_plain = "." not in name and not name.startswith("__")
        self.rights = rights
        self.accept_gadget = accept_gadget
        self.emulation: Any = None
        #: The rule's constraints, to be renewed for each load, or None.
        self.guards: RuleGuards | None = None
        self.contract: Any = CONTRACTS.get((module, name))
        self.facts: Facts | None = None


class GlobalHandle:
    """A global on the machine's stack: named, not yet handed out.

    :ivar rights: granted rights, as the bits of :class:`Right`.
    :ivar target: the object, once ``resolved``; ``is_class`` says whether that is a class.
    :ivar noted: it is in the list of denials.
    :ivar known: what was known of the pair before, if it is kept; and ``facts``, of the very object.
    :ivar guards: what the rule asks for beside its rights, or None.
    :ivar usual: which of the calls it is that are seen without the contract, 0 for none.
    :ivar keeps_data: whether what it makes has its memory in data that it is given.
    :ivar usual_size: size of the instances that are made of what is seen so, where instances are asked for it; 0 for
        not known.
    :ivar is_settled: it has been called, and nothing is left to be asked of a call but whether its arguments surely
        fit; ``form`` says which do.
    :ivar makes_plainly: it is a class of which an instance has been made, and nothing is to be asked of one without
        arguments.
    :ivar makes_bare: the class leaves making them to ``object``: none of its code runs.
    :ivar is_atom: its instances are leaves, if their arguments are: they hold nothing else, and take nothing later.
    :ivar sizer: how the size of an instance is asked, None where all have one size.
    :ivar shape: what BUILD needs to know of the class that it is, None for not known.
    :ivar missing: rights that were used without being granted: bits, and (opcode, position, reason) by bit; None for
        none.
    """

    def __init__(self, module: str, name: str, rights: int) -> None:
        self.begin(module, name, rights)

    def begin(self, module: str, name: str, rights: int) -> None:
        """Begin with nothing known but the name."""
        self.module = module
        self.name = name
        self.rights = rights
        self.listed = True
        if not cython.compiled:
            # Compiled, a new one has all that; writing the same None's count of references again and again takes longer
            # than all else that is done for a global.
            self.target: Any = None
            self.emulation: Any = None
            self.known: Known | None = None
            self.facts: Facts | None = None
            self.contract: Any = None
            self.guards: RuleGuards | None = None
            self.registered: Any = None
            self.sizer: Any = None
            self.shape: Any = None
            self.missing: dict[int, tuple[str, int, str]] | None = None
            self.resolved = self.is_class = self.accept_gadget = self.noted = self.keeps_data = False
            self.is_settled = self.makes_plainly = self.makes_bare = self.is_atom = False
            self.cost = self.sized = self.usual = self.usual_size = self.form = 0


class Named:
    """The globals that one load has named: handles by pair, and by class of what they made."""

    def __init__(self) -> None:
        self.handles: list[GlobalHandle] = []
        #: Those under which instances of a class were first made, each of one class unless there is a dict.
        self.makers: list[GlobalHandle] = []
        #: The same, from when there are too many to be looked through.
        self.by_pair: dict[tuple[str, str], GlobalHandle] | None = None
        #: By id, as a metaclass may say of two classes that they are equal; each class is kept so that its id stays.
        self.by_class: dict[int, tuple[Any, GlobalHandle]] | None = None

    def find(self, pair: tuple[str, str]) -> GlobalHandle | None:
        """Return the handle of a pair, or None."""
        if self.by_pair is not None:
            return self.by_pair.get(pair)
        module, name = pair
        for handle in self.handles:
            if handle.name == name and handle.module == module:
                return handle
        return None

    def add(self, pair: tuple[str, str], handle: GlobalHandle) -> None:
        """Take in the handle of a pair that was not named before."""
        if self.by_pair is None and len(self.handles) == FEW_NAMED:
            self.by_pair = {(known.module, known.name): known for known in self.handles}
        if self.by_pair is not None:
            self.by_pair[pair] = handle
        push(self.handles, handle)

    def maker(self, kind: Any) -> GlobalHandle | None:
        """Return the handle under which instances of a class were first made, or None."""
        if self.by_class is not None:
            entry = self.by_class.get(id(kind))
            return None if entry is None else entry[1]
        for handle in self.makers:
            if handle.registered is kind:
                return handle
        return None

    def register(self, handle: GlobalHandle, kind: Any) -> None:
        """Note that instances of a class, which no other handle has made, are made under this one."""
        if self.by_class is None and (handle.registered is not None or len(self.makers) == FEW_NAMED):
            self.by_class = {id(known.registered): (known.registered, known) for known in self.makers}
        handle.registered = kind
        if self.by_class is None:
            push(self.makers, handle)
        else:
            self.by_class[id(kind)] = (kind, handle)

    def let_go(self) -> None:
        """Keep nothing but the room for a few."""
        if self.by_pair is None:
            drop(self.handles)
        else:
            self.handles.clear()
            self.by_pair = None
        drop(self.makers)
        if self.by_class is not None:
            self.by_class = None


class HeldTuple:
    """A tuple with handles in it, as helpers such as ``getattr(cls, name)`` take them; not yet a value."""

    def __init__(self, items: tuple[Any, ...]) -> None:
        self.items = items
        self.value: Any = None


class Held:
    """What stands in the memo for what was not made, since most often nobody asks for it; nothing but a leaf is in it.

    Picklers put there the state of an instance, for objects that share one state, and the arguments of a date.

    :ivar items: names and values in turn, of the state of an instance.
    :ivar slots: where that is a tuple of None and the slots, what stands for these, else None.
    """

    items: tuple[Any, ...]
    slots: Held | None
    made: Any

    def state(self) -> Any:
        """Return the state itself, the same each time."""
        if self.made is None:
            if self.slots is not None:
                self.made = (None, self.slots.state())
            else:
                self.made = dict(zip(self.items[::2], self.items[1::2], strict=True))
        return self.made


#: The bytes of a date, and the tuple of its arguments: behind them in the memo there is the date itself.
HELD_BYTES, HELD_ARGUMENTS = Held(), Held()
#: A tuple of what is before it in the memo.
HELD_TUPLE = Held()


def held_at(memo: list[Any], index: int) -> Any:
    """Return what there is instead of something held, now that somebody asks for it: the same from now on.

    What is beside it is what was put there with it: only under UNRESTRICTED, where nothing is held, an entry may be set
    a second time.
    """
    held: Held = memo[index]
    if held is HELD_TUPLE:
        memo[index] = (memo[index - 1],)
        return memo[index]
    if held is not HELD_BYTES and held is not HELD_ARGUMENTS:
        return held.state()
    place = index + 1
    if type(memo[place]) is Held:
        place += 1
    # Classes of C: what they were made of is known by what they are.
    args = memo[place].__reduce_ex__(4)[1]
    if memo[place - 1] is HELD_ARGUMENTS:
        place -= 1
        memo[place] = args
    if memo[place - 1] is HELD_BYTES:
        memo[place - 1] = args[0]
    return memo[index]


def make_held(memo: list[Any]) -> None:
    """Make all that is held."""
    for index in range(len(memo)):
        if type(memo[index]) is Held:
            memo[index] = held_at(memo, index)


class Inert:
    """Stands for what a refused or inert call would have made."""

    __slots__ = ("handle",)

    def __init__(self, handle: GlobalHandle | None) -> None:
        self.handle = handle
