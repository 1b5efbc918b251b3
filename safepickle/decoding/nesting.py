# cython: annotation_typing=False
"""Nesting: how deep the data is, known while it is being built, without walking it.

Rules that hold here:

* A leaf has depth 0, a container or instance 1 more than the deepest thing in it.
* Only containers are tracked. Each gets a *cell* that holds its depth. Beside the machine's stack runs a shorter
  one, with (height, cell) for each container that is on the machine's stack, so leaves cost nothing.
* A tuple of leaves never grows and leads nowhere: all such share one cell, which the memo need not remember.
* The memo remembers the cell, not the depth: the container may still grow after it was memoized.
* Depth is exact as long as a container only grows where it was made, before it goes into another: so picklers
  write. A container that grows when it may be inside another already (fetched from the memo, or standing at two
  places of the stack) makes what was known of the other one too little; a cycle that is closed again and again is
  counted again and again. Both are only noted (``unsure``), and :func:`measure` walks such a result at STOP.
* What refers to nothing outside itself, and cannot be reached but through what was made first in it, is no deeper
  than it has containers: the doubts that came up in it end with it, and leave only how much deeper it may be than its
  depth says (``slack``). So rings by the thousand are not walked, as long as each is small. See :meth:`_settle`.
* A cycle has no depth: it counts as deep as a depth-first walk of it goes, where ``repr``, ``copy`` and ``pickle``
  go.
* Its own numbers are up to 40 bytes for each container, which are paid for with the container.
* In the compiled form the numbers are in C arrays; every index is below a count that is below the room, and room is
  only made in :meth:`Nesting._make_room`.

The attack is D09: deep data makes ``repr``, ``==``, ``hash`` or the next ``dumps`` fail or crash after a load that
looked fine.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from ..errors import LimitError
from ..wire.memo import new_memo
from .handles import HeldTuple

if TYPE_CHECKING:
    from .refusals import Refusals

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

#: Stands for no bound.
SATURATED = 2**31 - 1
#: Containers whose items :func:`measure` walks; dicts beside them, and what the load made by a rule.
_PLAIN = frozenset({list, tuple, set, frozenset})
_LEAVES = frozenset({str, int, bytes, bool, float, complex, type(None), bytearray, range, type})
#: What :func:`measure` needs in memory for one container, in bytes, beside 8 for each of its parts.
_STEP = 200
#: The cell of tuples of leaves, and the first one of a container with a cell of its own.
_FLAT = 1
_FIRST = 2
#: As many as the arrays have room for that are in the object itself.
_FEW = 32


class Nesting:
    """Depths of the containers of one load.

    :param max_depth: the bound.
    """

    def open_nesting(self, max_depth: int) -> None:
        """Begin with nothing."""
        self.max_depth = max_depth = min(max_depth, SATURATED)
        # Without a mark, only parents and a handful of arguments wait on the stack: a bound on the height bounds
        # the depth to come, before the containers are joined (``]`` a million times, then ``a``).
        self.bottom_height = 4 * max_depth + 64
        #: The same with leaves between the parents, looked at once a slice of opcodes.
        self.waiting_bound = self.bottom_height + 2048
        #: Open marks: picklers open one for each level, and one for arguments.
        self.mark_bound = 2 * max_depth + 8
        #: Height of the topmost container on the stack, -1 for none.
        self.top = -1
        #: Some container has been at two places.
        self.shared = False
        #: How often something has grown that may have been inside something else; at how many to look what that
        #: has come to, so that a stream that builds upside down is not carried out to its end first.
        self.unsure = 0
        self.unsure_bound = 1000
        #: The first cell that was not there yet when the first of these doubts came up.
        self.doubted = SATURATED
        #: Cells below this one are inside what was settled; how many levels too little the depth of any may be.
        self.settled = 0
        self.slack = 0
        #: Containers on the stack, cells in use, and cells of pickles inside this one.
        self.count = 0
        self.cell_count = _FIRST
        self.inner_cells = 0
        #: Cell by memo index, where the index is not dense.
        self.sparse: dict[int, int] | None = None
        if cython.compiled:
            # Most pickles are small: their numbers are in the object itself.
            self._free()
            self.heights, self.cells, self.lows = self.few_heights, self.few_cells, self.few_lows
            self.depths, self.memo = self.few_depths, self.few_memo
            self.room = self.cell_room = self.memo_room = _FEW
            self.depths[0] = 0
            self.depths[_FLAT] = 1
            #: Entries of the memo that are known, 0 where the machine's has no container.
            self.memo_count = 0
        else:
            #: Height, cell and low of each container on the stack. The low is the least cell that was taken from the
            #: memo since the container was there; one less than its own where it was made of others. The first entry
            #: is none: it is below all heights.
            self.waiting: list[tuple[int, int, int]] = [(-1, 0, SATURATED)]
            self.depths: list[int] = [0, 1]
            self.sparse = {}

    def __dealloc__(self) -> None:
        self._free()

    def _free(self) -> None:
        """Give the arrays back that have outgrown the object."""
        if cython.compiled:
            free_numbers(self.heights, self.few_heights)
            free_numbers(self.cells, self.few_cells)
            free_numbers(self.lows, self.few_lows)
            free_numbers(self.depths, self.few_depths)
            free_numbers(self.memo, self.few_memo)

    def _make_room(self, height: int) -> None:
        """Have room for one more entry, at *height*, and one more cell (compiled form)."""
        if cython.compiled:
            if height >= SATURATED:
                raise MemoryError("more than two billion values wait on the stack")
            if self.count >= self.room:
                self.heights = more_numbers(self.heights, self.few_heights, self.room)
                self.cells = more_numbers(self.cells, self.few_cells, self.room)
                self.lows = more_numbers(self.lows, self.few_lows, self.room)
                self.room = 2 * self.room + 16
            if self.cell_count >= self.cell_room:
                self.depths = more_numbers(self.depths, self.few_depths, self.cell_room)
                self.cell_room = 2 * self.cell_room + 16

    def refuse(self, asked: int) -> None:
        """Raise for depth *asked*."""
        raise LimitError("max_depth", self.max_depth, asked)

    def _too_deep(self, depth: int) -> int:
        """Refuse *depth*, or where a cycle may have been counted again and again, leave it to a walk."""
        if not self.shared:
            self.refuse(depth)
        self.doubt(0)
        return self.max_depth

    def doubt(self, cell: int) -> None:
        """Note that depths may be too little, but only of what was made before *cell*, 0 for all there will be."""
        self.unsure += 1
        self.doubted = min(self.doubted, cell)

    def opened(self, height: int, depth: int) -> None:
        """Note a new container of *depth* at *height* of the stack."""
        if depth > self.max_depth:
            depth = self._too_deep(depth)
        self.top = height
        if cython.compiled:
            if self.count >= self.room or self.cell_count >= self.cell_room or height >= SATURATED:
                self._make_room(height)
            self.heights[self.count] = height
            self.cells[self.count] = self.cell_count
            self.lows[self.count] = SATURATED if depth == 1 else self.cell_count - 1
            self.depths[self.cell_count] = depth
            self.count += 1
            self.cell_count += 1
        else:
            cell = self.cell_count
            self.cell_count = cell + 1
            self.waiting.append((height, cell, SATURATED if depth == 1 else cell - 1))
            self.depths.append(depth)

    def take_instance(self, height: int, index: int, where: int, pair: int, in_slots: bool) -> bool:
        """Note a new instance at *height* whose state is a dict of leaves, and return True; or do nothing.

        The same as ``opened`` for it, its dict and the tuple around that of slots, ``remember`` and ``join``: nothing
        in it is older than itself, so no doubt ends with it, and what it is in need not ask how old its parts are.

        :param index: the entry of the memo that it has, -1 for none; *where* is that of the dict, *pair* of the tuple.
        """
        if cython.compiled and height < SATURATED and self.max_depth > 2:
            cell = self.cell_count
            last = max(index, where, pair)
            if self.count >= self.room or cell + 3 > self.cell_room or last >= self.memo_room:
                return False
            self.top = height
            self.heights[self.count] = height
            self.cells[self.count] = cell
            self.lows[self.count] = SATURATED
            self.count += 1
            self.depths[cell] = 2 + in_slots
            self.depths[cell + 1] = 1
            self.depths[cell + 2] = 2
            self.cell_count += 2 + in_slots
            while self.memo_count <= last:
                self.memo[self.memo_count] = 0
                self.memo_count += 1
            if index >= 0:
                self.memo[index] = cell
            if where >= 0:
                self.memo[where] = cell + 1
            if pair >= 0:
                self.memo[pair] = cell + 2
            return True
        return False

    def flat(self, height: int) -> None:
        """Note a tuple of leaves at *height* of the stack."""
        if self.max_depth < 1:
            self.refuse(1)
        self.top = height
        if cython.compiled:
            if self.count >= self.room or height >= SATURATED:
                self._make_room(height)
            self.heights[self.count] = height
            self.cells[self.count] = -_FLAT
            self.lows[self.count] = SATURATED
            self.count += 1
        else:
            self.waiting.append((height, -_FLAT, SATURATED))

    def absorb(self, height: int) -> int:
        """Forget the containers at *height* and above; return the greatest depth among them."""
        deepest = 0
        low = SATURATED
        if cython.compiled:
            while self.top >= height:
                self.count -= 1
                cell = self.cells[self.count]
                low = min(low, self.lows[self.count])
                if cell > 0 and self.unsure and low >= cell:
                    self._settle(cell)
                depth = self.depths[cell if cell > 0 else -cell]
                if depth < 0:
                    depth = -depth
                self.top = self.heights[self.count - 1] if self.count > 0 else -1
                deepest = max(deepest, depth)
            if low < SATURATED and self.count > 0 and low < self.lows[self.count - 1]:
                self.lows[self.count - 1] = low
        else:
            waiting, depths = self.waiting, self.depths
            # Without min and max, which are a call for each container.
            if not self.shared:  # nothing was taken from the memo
                while waiting[-1][0] >= height:
                    cell = waiting.pop()[1]
                    depth = depths[cell if cell > 0 else -cell]
                    if depth > deepest:  # noqa: PLR1730
                        deepest = depth
                self.top = waiting[-1][0]
                return deepest
            top, cell, least = waiting.pop()
            while top >= height:
                if least < low:  # noqa: PLR1730
                    low = least
                if cell < 0:
                    depth = depths[-cell]
                else:
                    if self.unsure and low >= cell:
                        self._settle(cell)
                    depth = depths[cell]
                if depth < 0:
                    depth = -depth
                if depth > deepest:  # noqa: PLR1730
                    deepest = depth
                top, cell, least = waiting.pop()
            if low < least:  # noqa: PLR1730
                least = low
            waiting.append((top, cell, least))
            self.top = top
        return deepest

    def _settle(self, cell: int) -> None:
        """End the doubts that came up since *cell* was made, if all did: nothing that was made before is in it.

        It was made empty, and nothing was taken from the memo since that was there before, so all that it leads to
        was made since: no way through it is longer than that many containers, and a tuple of leaves at its end. (A call
        may give two levels where one was noted; the depth that was noted is 1 at least.) Nothing older leads into it
        but through it, so only its own depth may be too little, and of no way that ends in it by more than that.
        Should anything in it grow again later, there is a doubt that does not end.
        """
        if cell < self.doubted:
            self.unsure = 0
            self.doubted = SATURATED
            self.settled = self.cell_count
            self.slack = max(self.slack, 2 * (self.cell_count - cell))

    def join(self, height: int) -> None:
        """Note that the container at *height* took in what is above it."""
        depth = self.absorb(height + 1) + 1
        if depth > 1 and self.top == height and (not cython.compiled or self.count > 0):
            if cython.compiled:
                cell = self.cells[self.count - 1]
            else:
                cell = self.waiting[-1][1]
            if cell == -_FLAT:
                depth = 0  # what adds to a tuple is refused by whoever carries out the opcode
            if cell < 0:
                cell = -cell
            present = self.depths[cell]
            if depth > self.max_depth:
                depth = self._too_deep(depth)
            if present < 0:
                if cell < self.settled:
                    self.doubt(0)
                if depth > -present:
                    # It is or was at another place too, and may be inside something there.
                    self.doubt(self.cell_count)
                    self.depths[cell] = -depth
            elif depth > present:
                self.depths[cell] = depth

    def remember(self, index: int) -> None:
        """Note that the topmost container is now at *index* of the memo."""
        if cython.compiled:
            cell = abs(self.cells[self.count - 1]) if self.count > 0 else 0
            if cell == _FLAT:
                cell = 0
            if index >= self.memo_room and index <= 2 * self.memo_room + 16:
                self.memo = more_numbers(self.memo, self.few_memo, self.memo_room)
                self.memo_room = 2 * self.memo_room + 16
            if 0 <= index < self.memo_room:
                while self.memo_count <= index:
                    self.memo[self.memo_count] = 0
                    self.memo_count += 1
                self.memo[index] = cell
            elif cell > 0:
                if self.sparse is None:
                    self.sparse = {}
                self.sparse[index] = cell
        else:
            cell = self.waiting[-1][1]
            if cell < -_FLAT:
                cell = -cell
            if cell > 0:
                self.sparse[index] = cell  # type: ignore[index]

    def recall(self, height: int, index: int, value: Any) -> None:
        """Note that memo entry *index*, which is *value*, is now at *height*, the top of the stack, too."""
        cell = 0
        if cython.compiled:
            if 0 <= index < self.memo_count:
                cell = self.memo[index]
            if cell == 0 and self.sparse:
                # Also one that was beyond the room when it was noted, and is not any more.
                cell = self.sparse.get(index, 0)
        else:
            cell = self.sparse.get(index, 0)  # type: ignore[union-attr]
        if cell > 0:
            self._alias(height, cell)
        elif (type(value) is tuple and value) or type(value) is HeldTuple:
            # Also one that is held back: else each one around it, fetched in turn, would count as the first.
            self.flat(height)

    def knows(self, index: int) -> bool:
        """Return whether memo entry *index* is something whose depth is known: no leaf, and no tuple of leaves."""
        if cython.compiled and 0 <= index < self.memo_count and self.memo[index]:
            return True
        return self.sparse is not None and index in self.sparse

    def duplicate(self, height: int) -> None:
        """Note that what is at *height* - 1 is now at *height*, the top of the stack, too."""
        if self.top >= 0 and self.top == height - 1:
            if cython.compiled:
                cell = abs(self.cells[self.count - 1])
            else:
                cell = abs(self.waiting[-1][1])
            if cell == _FLAT:
                self.flat(height)
            else:
                self._alias(height, cell)

    def may_be_deep(self) -> bool:
        """Return whether what is on the stack could be nested too deep, by what is known of its depth."""
        if not self.unsure and not self.slack:
            return False
        if self.unsure:
            # As many containers as there are, whatever is in which, and a tuple of leaves at the end. What a call gives
            # may be two levels where one container was noted: an instance and its attributes.
            return 2 * (self.cell_count + self.inner_cells) > self.max_depth
        deepest = 0
        if cython.compiled:
            for index in range(self.count):
                deepest = max(deepest, abs(self.depths[abs(self.cells[index])]))
        else:
            deepest = max([abs(self.depths[abs(cell)]) for _, cell, _ in self.waiting], default=0)
        return deepest + self.slack > self.max_depth

    def take_over(self, inner: Nesting, height: int) -> None:
        """Note that what a pickle inside this one gave takes the place at *height*, with all that is not sure of it."""
        self.absorb(height)
        self.opened(height, max(1, inner.absorb(0)))
        self.inner_cells += inner.cell_count
        if inner.unsure:
            self.doubt(0)
        if inner.shared:
            self.shared = True
        if inner.slack:
            # What was settled in there stays so, as long as nothing of it grows.
            self.settled = self.cell_count
            self.slack = max(self.slack, inner.slack)

    def _alias(self, height: int, cell: int) -> None:
        """Push a container that was not made where it now stands.

        The entry is marked by the sign of the cell, the cell by the sign of the depth: one and the same container
        is at two places from now on.
        """
        self.top = height
        self.shared = True
        if self.depths[cell] > 0:
            self.depths[cell] = -self.depths[cell]
        if cython.compiled:
            if self.count >= self.room or height >= SATURATED:
                self._make_room(height)
            self.heights[self.count] = height
            self.cells[self.count] = -cell
            self.lows[self.count] = cell
            self.count += 1
        else:
            self.waiting.append((height, -cell, cell))


def measure(value: Any, bound: int, refusals: Refusals) -> None:
    """Walk *value* depth first, each container once, and refuse it if it is deeper than *bound*.

    Only exact containers are walked, and objects that this load made by a rule: through the interpreter's own list
    of what they refer to, so that nothing of their classes is called.

    :raises LimitError: for ``max_depth``, ``max_memory`` or ``max_seconds``.
    """
    parts = _parts(value, refusals)
    if parts is None:
        return
    budget = refusals.budget
    #: How deep each container is, 0 while it is open.
    known = new_memo()
    known.claim(value, 0)
    walked = 1
    #: For each open container itself, its parts that are left, and its depth so far.
    opened: list[list[Any]] = [[value, parts, 1]]
    while opened:
        frame = opened[-1]
        left: list[Any] = frame[1]
        deepest: int = frame[2]
        while left:
            part = left.pop()
            depth = known.find(part)
            if depth >= 0:
                # One that is open still, at 0, is a cycle.
                deepest = max(deepest, depth + 1)
                continue
            parts = _parts(part, refusals)
            if parts is None:
                continue
            if walked % 1024 == 0:
                budget.look_at_clock()
            walked += 1
            budget.take_memory(_STEP + 8 * len(parts))
            if len(opened) >= bound:
                raise LimitError("max_depth", bound, len(opened) + 1)
            if not parts:
                known.claim(part, 1)
                deepest = max(deepest, 2)
                continue
            known.claim(part, 0)
            frame[2] = deepest
            opened.append([part, parts, 1])
            break
        else:
            opened.pop()
            if deepest > bound:
                raise LimitError("max_depth", bound, deepest)
            known.move(frame[0], deepest)
            if opened:
                above = opened[-1]
                above[2] = max(above[2], deepest + 1)


def _parts(obj: Any, refusals: Refusals) -> list[Any] | None:
    """Return what *obj* has in it that may be deep, the first last, or None for a leaf."""
    if cython.compiled:
        parts = nested_parts(obj)
        if parts is not None:
            return parts
    kind = type(obj)
    if kind in _LEAVES:
        return None
    if kind in _PLAIN:
        return [part for part in reversed(tuple(obj)) if type(part) not in _LEAVES]
    if kind is slice:
        return [part for part in (obj.step, obj.stop, obj.start) if type(part) not in _LEAVES]
    if kind is dict:
        found = [part for part in reversed(obj.values()) if type(part) not in _LEAVES]
        found += [key for key in reversed(obj) if type(key) not in _LEAVES]
        return found
    if refusals.owner(obj) is None:
        return None
    # Attributes are in a dict, or in the object itself: a matter of the interpreter's version.
    found = []
    for part in gc.get_referents(obj):
        if type(part) is dict:
            found += [one for one in part.values() if type(one) not in _LEAVES]
        elif type(part) not in _LEAVES:
            found.append(part)
    found.reverse()
    return found
