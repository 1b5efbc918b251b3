# cython: annotation_typing=False
"""The encoder's stack: what is being written and not finished, counted against the limits.

Rules that hold here:

* Depth of data never becomes depth of calls (S6): containers, instances and reduce results wait as frames. Frames
  are used again; nothing is allocated for a container at a depth that has been reached before.
* Every part is counted before it is written. ``max_items`` and ``max_depth`` are exact; the counts of objects,
  opcodes and seconds are looked at every few thousand objects, before code of the data runs, and at the end.
* A path is worked out from the frames when an error happens (S11).
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

import time
from typing import Any

from ..errors import EncodingError, LimitError, SafePickleError, quote
from ..wire.memo import Memo
from ..wire.output import Bounds
from ..wire.writing import Writer
from .paths import path_of

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

#: Objects between two looks at the clock and at the counters.
_INTERVAL = 2048
#: Frames of the kinds up to this one are a plain list or tuple.
_SIMPLE = 2
#: An encoder that is put away keeps so many frames; its memo and its writer have bounds of their own.
_MOST_FRAMES = 64
#: Depth at which data without end is looked for first.
_FIRST_SEARCH = 1024


class Frame:
    """A container, instance or script that is being written.

    :ivar kind: which walk goes on with it.
    :ivar obj: what it is for, where that is not ``items``.
    :ivar items: the list or tuple that is walked, or the steps of a script.
    :ivar index: how far it is walked; ``stop`` ends the batch, ``end`` all.
    :ivar owners: references to an item that the walk itself accounts for.
    :ivar fresh: what comes next has been looked at: it has parts.
    :ivar stage: items in batches before this one; for a dict, 1 between a key and its value.
    :ivar closer: opcode that ends what is open; ``single`` and ``many`` are a batch's for one and for more.
    :ivar again: opcode that follows the whole, or 0.
    """

    __slots__ = (
        "again", "closer", "end", "fresh", "index", "items", "iterator", "key", "kind", "many", "obj", "owners",
        "shared",
        "single", "stage", "stop", "table_position", "value",
    )  # fmt: skip

    def __init__(self) -> None:
        self.kind = 0
        self.obj: Any = None
        self.items: Any = None
        self.index = 0
        self.stop = 0
        self.end = 0
        self.owners = 0
        self.closer = 0
        self.single = 0
        self.many = 0
        self.shared = False
        self.fresh = False
        self.iterator: Any = None
        self.key: Any = None
        self.value: Any = None
        self.stage = 0
        self.again = 0
        if cython.compiled:
            self.table_position = 0

    def clear(self) -> None:
        """Let go of everything. What only some kinds of frames use is 0 or None from here on."""
        # None is not written over None: its count of references would be written twice for each.
        if self.iterator is not None:
            self.iterator = None
        if self.key is not None:
            self.key = None
        if self.value is not None:
            self.value = None
        self.stage = 0
        self.again = 0
        if cython.compiled:
            self.table_position = 0


class StartOver(Exception):
    """Code of the data is about to run: sharing can no longer be told from reference counts."""


class Stack:
    """Frames and counters of one dump."""

    def equip(self) -> None:
        """Make what serves one dump after another."""
        self.out: Writer = Writer.__new__(Writer)
        #: By depth; there is none at depth 0.
        self.frames: list[Any] = [None]

    def begin_stack(self, protocol: int, bounds: Bounds, memo: Memo | None, guarded: bool, sparing: bool) -> None:
        """Begin one dump.

        :param sparing: leave out the memo entries of containers, as long as no code of the data runs.
        """
        self.sparing = sparing
        self.protocol = protocol
        self.binary = protocol >= 1
        self.bounds = bounds
        self.memo = memo
        #: There is a policy: errors then have their place in the text, too. Without one the text is pickle's own.
        self.guarded = guarded
        #: Asked about keys that cost something; made when the first one comes.
        self.guard: Any = None
        self.checks_keys = guarded or bounds.limits.max_hash_work is not None
        self.max_items = bounds.max_items
        self.max_depth = bounds.max_depth
        self.top: Frame = None  # type: ignore[assignment]
        #: A list, tuple or set that is being tried without a frame.
        self.current: Any = None
        #: What code of the data is running, for messages.
        self.doing = ""
        self.begin_counting()

    def begin_counting(self) -> None:
        """Begin with nothing counted, and without a frame."""
        self.objects = 0
        self.calls = 0
        self.opcodes = 4
        self.next_look = min(_INTERVAL, self.bounds.max_objects + 1)
        self.started = 0.0
        self.depth = 0
        #: Levels beyond the number of frames.
        self.extra = 0
        self.next_search = _FIRST_SEARCH

    # -- counting ----------------------------------------------------------------------------------------------

    def check(self, items: int, levels: int) -> None:
        """Check what :func:`enter` has counted."""
        if self.objects >= self.next_look:
            self.look()
        if items > self.max_items:
            raise LimitError("max_items", self.max_items, items)
        levels += self.depth + self.extra
        if levels > self.max_depth:
            raise LimitError("max_depth", self.max_depth, levels)

    def look(self) -> None:
        """Look at the clock and at the counters."""
        bounds = self.bounds
        self.check_counts()
        self.next_look = min(self.objects + _INTERVAL, bounds.max_objects + 1)
        now = time.monotonic()
        if self.started == 0.0:
            # The first look is when code of the data is about to run, or less than a millisecond after the start.
            self.started = now
        seconds = now - self.started
        if seconds > bounds.max_seconds:
            raise LimitError("max_seconds", bounds.max_seconds, round(seconds, 3))

    def check_counts(self) -> None:
        """Refuse too many objects or opcodes: one for each part, and those around the parts and for the memo."""
        if self.objects > self.bounds.max_objects:
            raise LimitError("max_objects", self.bounds.max_objects, self.objects)
        opcodes = self.opcodes + self.out.frames
        if self.memo is not None:
            opcodes += self.memo.count
        if opcodes > self.bounds.max_opcodes:
            raise LimitError("max_opcodes", self.bounds.max_opcodes, opcodes)

    def count_call(self) -> None:
        """Count a call that the reader will make."""
        self.calls += 1
        if self.calls > self.bounds.max_calls:
            raise LimitError("max_calls", self.bounds.max_calls, self.calls)

    def count_object(self, items: int) -> None:
        """Count an object of *items* parts that the reader makes of something that has no frame here."""
        self.objects += 1
        if items > self.max_items:
            raise LimitError("max_items", self.max_items, items)

    def ends_sparing(self) -> None:
        """Call before code of the data runs."""
        if self.sparing:
            raise StartOver

    def start_over(self) -> None:
        """Begin again without sparing memo entries."""
        self.sparing = False
        if self.memo is not None:
            self.memo.clear()
        self.release()
        del self.frames[1:]
        self.objects = 0
        self.calls = 0
        self.opcodes = 4
        self.guard = None
        self.next_look = 0

    # -- frames ------------------------------------------------------------------------------------------------

    def push(self, kind: int, obj: Any, items: Any, index: int, end: int) -> Frame:
        """Put a frame on top, and return it."""
        depth = self.depth + 1
        if depth == len(self.frames):
            self.frames.append(Frame.__new__(Frame) if cython.compiled else Frame())
        frame: Frame = self.frames[depth]
        frame.kind = kind
        # As in clear(): a frame that is not in use has None in both.
        if obj is not None:
            frame.obj = obj
        if items is not None:
            frame.items = items
        frame.index = index
        frame.end = end
        # In this order: an interrupt in between leaves what can be dropped.
        self.top = frame
        self.depth = depth
        if depth >= self.next_search:
            self.search()
        return frame

    def pop(self) -> None:
        """Drop the top frame."""
        frame = self.top
        if frame.obj is not None:
            frame.obj = None
        if frame.items is not None:
            frame.items = None
        if frame.kind > _SIMPLE:
            frame.clear()
        self.depth -= 1
        self.top = self.frames[self.depth]

    def let_go(self) -> bool:
        """Keep nothing of a dump that went well but the room it took; False if there is nothing to keep."""
        if self.memo is None:
            return False
        if len(self.frames) > _MOST_FRAMES:
            del self.frames[_MOST_FRAMES:]
        if self.guard is not None:
            self.guard = None
        self.memo.empty()
        return True

    def release(self) -> None:
        """Drop all frames."""
        while self.depth > 0:
            self.pop()
        self.extra = 0
        if self.current is not None:
            self.current = None

    def search(self) -> None:
        """Refuse data without end: looked for whenever the depth has doubled.

        A container in the memo cannot come again below itself. What can is an object whose arguments contain it,
        and without a memo (``fast``) anything.
        """
        self.next_search = self.depth * 2
        again = 1 if self.memo is None else 100
        seen: dict[int, int] = {}
        for depth in range(1, self.depth + 1):
            frame = self.frames[depth]
            obj = frame.items if frame.obj is None else frame.obj
            if self.memo is not None and (type(obj) is list or type(obj) is dict):
                continue  # it is in the memo, or nothing else refers to it
            times = seen.get(id(obj), 0) + 1
            seen[id(obj)] = times
            if times > again:
                reason = (
                    "cannot be written without a memo" if self.memo is None else "has no end: it is made from itself"
                )
                raise EncodingError(f"a cyclic object {reason}: {quote(obj)}")

    # -- places ------------------------------------------------------------------------------------------------

    def place(self) -> str:
        """Return the path of what is being written."""
        return path_of(self.frames, self.depth, None, None)

    def locate(self, error: SafePickleError) -> None:
        """Give an error its place. Without a policy the text stays pickle's own."""
        if error.path is None and error.position is None:
            error.path = path_of(self.frames, self.depth, self.out.offender, self.current)
            if self.guarded or isinstance(error, LimitError):
                error.args = (error._message(),)


if not cython.compiled:
    # This is C in the compiled form.

    def enter(stack: Stack, items: int, levels: int) -> None:
        """Count one more object of *items* parts and *levels* levels, before it is written."""
        stack.objects += 1
        stack.opcodes += items + 3
        reached = levels + stack.depth + stack.extra
        if stack.objects >= stack.next_look or items > stack.max_items or reached > stack.max_depth:
            stack.check(items, levels)
