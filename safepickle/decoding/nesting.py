# cython: annotation_typing=False
"""Nesting: how deep the data is, known while it is being built, without walking it.

Rules that hold here:

* A leaf has depth 0, a container or instance 1 more than the deepest thing in it.
* Only containers are tracked. Each gets a *cell* that holds its depth. Beside the machine's stack runs a shorter
  one, with (height, cell) for each container that is on the machine's stack, so leaves cost nothing.
* The memo remembers the cell, not the depth: the container may still grow after it was memoized.
* Depth is an upper bound at all times. Picklers only ever add to a container that is on the stack where it was
  made; then the bound is exact for acyclic data. A stream that adds to a container which it fetched from the memo
  could deepen one that is inside others already. Such late additions are summed up so that the bound stays above
  the truth, and a stream that builds upside down is refused early rather than measured late.
* In the compiled form the numbers are in C arrays; every index is below a count that is below the room, and room is
  only made in :meth:`Nesting._make_room`.

The attack is D09: deep data makes ``repr``, ``==``, ``hash`` or the next ``dumps`` fail or crash after a load that
looked fine.
"""

from __future__ import annotations

from ..errors import LimitError

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

#: Largest depth that is counted; sums beyond it stay there.
SATURATED = 2**40


class Nesting:
    """Depths of the containers of one load.

    :param max_depth: the bound.
    """

    def __init__(self, max_depth: int) -> None:
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
        self.late = 0
        #: Containers on the stack, and cells in use.
        self.count = 0
        self.cell_count = 1
        #: Cell by memo index, where the index is not dense.
        self.sparse: dict[int, int] | None = None
        if not cython.compiled:
            self.heights: list[int] = []
            self.cells: list[int] = []
            self.depths: list[int] = [0]
            self.sparse = {}

    def __dealloc__(self) -> None:
        if cython.compiled:
            free_numbers(self.heights)
            free_numbers(self.cells)
            free_numbers(self.depths)
            free_numbers(self.memo)

    def _make_room(self) -> None:
        """Have room for one more entry and one more cell (compiled form)."""
        if cython.compiled:
            if self.count >= self.room:
                self.heights = more_numbers(self.heights, self.room)
                self.cells = more_numbers(self.cells, self.room)
                self.room = 2 * self.room + 16
            if self.cell_count >= self.cell_room:
                self.depths = more_numbers(self.depths, self.cell_room)
                self.cell_room = 2 * self.cell_room + 16

    def refuse(self, asked: int) -> None:
        """Raise for depth *asked*."""
        raise LimitError("max_depth", self.max_depth, asked)

    def opened(self, height: int, depth: int) -> None:
        """Note a new container of *depth* at *height* of the stack."""
        if depth + self.late > self.max_depth:
            self.refuse(depth + self.late)
        self.top = height
        if cython.compiled:
            if self.count >= self.room or self.cell_count >= self.cell_room:
                self._make_room()
            self.heights[self.count] = height
            self.cells[self.count] = self.cell_count
            self.depths[self.cell_count] = depth
        else:
            self.heights.append(height)
            self.cells.append(self.cell_count)
            self.depths.append(depth)
        self.count += 1
        self.cell_count += 1

    def absorb(self, height: int) -> int:
        """Forget the containers at *height* and above; return the greatest depth among them."""
        deepest = 0
        if cython.compiled:
            while self.top >= height:
                self.count -= 1
                cell = self.cells[self.count]
                depth = self.depths[cell if cell > 0 else -cell]
                self.top = self.heights[self.count - 1] if self.count > 0 else -1
                deepest = max(deepest, depth)
        elif self.top >= height:
            heights, cells = self.heights, self.cells
            first = len(heights) - 1
            while first > 0 and heights[first - 1] >= height:
                first -= 1
            for cell in cells[first:]:
                depth = self.depths[abs(cell)]
                if depth > deepest:  # noqa: PLR1730 - a call less for each container
                    deepest = depth
            del heights[first:], cells[first:]
            self.count = first
            self.top = heights[-1] if heights else -1
        return deepest

    def join(self, height: int) -> None:
        """Note that the container at *height* took in what is above it."""
        deepest = self.absorb(height + 1)
        if deepest == 0 or self.top != height or self.count == 0:
            return
        cell = self.cells[self.count - 1]
        if cell < 0:
            cell = -cell
            self.late = min(SATURATED, 2 * self.late + deepest + 1)
        depth = deepest + 1
        self.depths[cell] = max(self.depths[cell], depth)
        if depth + self.late > self.max_depth:
            self.refuse(depth + self.late)

    def remember(self, index: int) -> None:
        """Note that the topmost container is now at *index* of the memo."""
        if self.count == 0:
            return
        cell = self.cells[self.count - 1]
        if cell < 0:
            cell = -cell
        if cython.compiled:
            if index >= self.memo_room and index <= 2 * self.memo_room + 16:
                self.memo = more_numbers(self.memo, self.memo_room)
                self.memo_room = 2 * self.memo_room + 16
            if 0 <= index < self.memo_room:
                self.memo[index] = cell
                return
        if self.sparse is None:
            self.sparse = {}
        self.sparse[index] = cell

    def recall(self, height: int, index: int) -> None:
        """Note that memo entry *index* is now at *height*, the top of the stack, too."""
        cell = 0
        if cython.compiled:
            if 0 <= index < self.memo_room:
                cell = self.memo[index]
            elif self.sparse:
                cell = self.sparse.get(index, 0)
        else:
            cell = self.sparse.get(index, 0)  # type: ignore[union-attr]
        if cell > 0:
            self._alias(height, cell)

    def duplicate(self, height: int) -> None:
        """Note that what is at *height* - 1 is now at *height*, the top of the stack, too."""
        if self.count > 0 and self.top == height - 1:
            self._alias(height, abs(self.cells[self.count - 1]))

    def _alias(self, height: int, cell: int) -> None:
        """Push a container that was not made where it now stands: its cell is marked by its sign."""
        self.top = height
        if cython.compiled:
            if self.count >= self.room:
                self._make_room()
            self.heights[self.count] = height
            self.cells[self.count] = -cell
        else:
            self.heights.append(height)
            self.cells.append(-cell)
        self.count += 1
