# cython: annotation_typing=False
"""The memo of the writing side: what has been written, as the reader will number it.

Rules that hold here:

* Objects are told apart by identity, and kept alive as long as they are in it: an id is never used again meanwhile.
* It knows nothing of what it holds, and calls none of it.

In the compiled form it is a table of pointers; ``memo.pxd`` has it, in C.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

from typing import Any

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython


class Memo:
    """What has been written, by identity: object to memo index. It keeps the objects alive."""

    def __init__(self) -> None:
        self.count: int = 0
        if not cython.compiled:
            self.entries: dict[int, int] = {}
            #: Keeps them alive. (Entries that are pairs would have the garbage collector look at each.)
            self.kept: list[Any] = []

    def find(self, item: Any) -> int:
        """Return the index of an object, or -1."""
        if cython.compiled:
            return table_find(self.table, item)
        return self.entries.get(id(item), -1)

    def claim(self, item: Any, index: int) -> int:
        """Return the index of an object, or -1 with the object now at *index*."""
        if cython.compiled:
            return table_claim(self.table, item, index)
        present = self.entries.setdefault(id(item), index)
        if present != index:
            return present
        self.kept.append(item)
        return -1

    def move(self, item: Any, index: int) -> None:
        """Give an object that is in it another index."""
        if cython.compiled:
            table_add(self.table, item, index)
        else:
            self.entries[id(item)] = index

    def clear(self) -> None:
        """Forget everything."""
        self.count = 0
        if cython.compiled:
            table_free(self.table)
        else:
            self.entries = {}
            self.kept = []

    def empty(self) -> None:
        """Forget everything, and keep the room for the next dump, if it is not more than half a megabyte."""
        if cython.compiled:
            self.count = 0
            table_empty(self.table)
        else:
            self.clear()

    def as_dict(self) -> dict[int, tuple[int, Any]]:
        """Return ``{id: (index, object)}``, as ``Pickler.memo`` shows it."""
        if cython.compiled:
            return table_dict(self.table)
        return {id(item): (self.entries[id(item)], item) for item in self.kept}

    def fill(self, entries: dict[int, tuple[int, Any]]) -> None:
        """Take over what :meth:`as_dict` gave."""
        self.clear()
        for index, item in entries.values():
            if cython.compiled:
                table_add(self.table, item, index)
            else:
                self.entries[id(item)] = index
                self.kept.append(item)
        self.count = len(entries)

    def __dealloc__(self) -> None:
        if cython.compiled:
            table_free(self.table)


def new_memo() -> Memo:
    """Return an empty memo."""
    # In the compiled form all is 0 from the start, and a call of the class would cost more than it does.
    return Memo.__new__(Memo) if cython.compiled else Memo()
