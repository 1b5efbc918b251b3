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

The attack is D09: deep data makes ``repr``, ``==``, ``hash`` or the next ``dumps`` fail or crash after a load that
looked fine.
"""

from __future__ import annotations

from ..errors import LimitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import cython  # noqa: F401

#: Largest depth that is counted; sums beyond it stay there.
SATURATED = 2**40


class Nesting:
    """Depths of the containers of one load.

    :param max_depth: the bound.
    """

    def __init__(self, max_depth: int) -> None:
        self.max_depth = max_depth
        # Without a mark, only parents and a handful of arguments wait on the stack: a bound on the height bounds
        # the depth to come, before the containers are joined (``]`` a million times, then ``a``).
        self.bottom_height = 4 * max_depth + 64
        #: Open marks: picklers open one for each level, and one for arguments.
        self.mark_bound = 2 * max_depth + 8
        #: Height of the topmost container on the stack, -1 for none.
        self.top = -1
        self.heights: list[int] = []
        self.cells: list[int] = []
        self.depths: list[int] = [0]
        self.memo: dict[int, int] = {}
        self.late = 0

    def refuse(self, asked: int) -> None:
        """Raise for depth *asked*."""
        raise LimitError("max_depth", self.max_depth, asked)

    def opened(self, height: int, depth: int) -> None:
        """Note a new container of *depth* at *height* of the stack."""
        if depth + self.late > self.max_depth:
            self.refuse(depth + self.late)
        self.top = height
        self.heights.append(height)
        self.cells.append(len(self.depths))
        self.depths.append(depth)

    def absorb(self, height: int) -> int:
        """Forget the containers at *height* and above; return the greatest depth among them."""
        deepest = 0
        while self.top >= height:
            depth = self.depths[abs(self.cells.pop())]
            if depth > deepest:
                deepest = depth
            self.heights.pop()
            self.top = self.heights[-1] if self.heights else -1
        return deepest

    def join(self, height: int) -> None:
        """Note that the container at *height* took in what is above it."""
        deepest = self.absorb(height + 1)
        if deepest == 0 or self.top != height:
            return
        cell = self.cells[-1]
        if cell < 0:
            cell = -cell
            self.late = min(SATURATED, 2 * self.late + deepest + 1)
        if deepest + 1 > self.depths[cell]:
            self.depths[cell] = deepest + 1
        if self.depths[cell] + self.late > self.max_depth:
            self.refuse(self.depths[cell] + self.late)

    def remember(self, index: int) -> None:
        """Note that the topmost container is now at *index* of the memo."""
        self.memo[index] = abs(self.cells[-1])

    def recall(self, height: int, index: int) -> None:
        """Note that memo entry *index* is now at *height*, the top of the stack, too."""
        cell = self.memo.get(index)
        if cell is not None:
            self.top = height
            self.heights.append(height)
            self.cells.append(-cell)

    def duplicate(self, height: int) -> None:
        """Note that what is at *height* - 1 is now at *height*, the top of the stack, too."""
        if self.top == height - 1 and self.heights:
            self.top = height
            self.heights.append(height)
            self.cells.append(-abs(self.cells[-1]))
