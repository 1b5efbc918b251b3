"""Contracts for the state of the sparse matrices of scipy.

Rules that hold here:

* Nothing is imported here: what comes to a check has been made by scipy, so that it is loaded.
* An index is compared with what it points into, for all items, before anybody uses it. An array of indices that still
  waits for its data is refused, and one that has it gets no other (see ``arrays``): so what was checked stays. Only
  data may wait, where no index leads to any: they look like the data of a matrix of small ints without entries.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from .library_parts import index_array, is_array, is_int, lie_within, number_array, plain_array

__all__ = ["sparse_state"]

_ATTRIBUTES = frozenset(
    "_shape maxprint indptr indices data coords row col offsets rows dtype _dict has_canonical_format "
    "_has_canonical_format _has_sorted_indices has_sorted_indices".split()
)


def sparse_state(obj: Any, state: Any) -> str | None:
    """Say what is wrong with the state of a sparse matrix, or None."""
    if type(state) is not dict or not all(type(key) is str for key in state) or not state.keys() <= _ATTRIBUTES:
        return "wants only the parts of a sparse matrix"
    shape = state.get("_shape")
    if type(shape) is not tuple or not 1 <= len(shape) <= 2:
        return "wants its shape"
    if not all(type(length) is int and 0 <= length < 2**62 for length in shape):
        return "its shape is no tuple of lengths"
    kind = type(obj).__name__[:3]
    if kind == "dok" and issubclass(type(obj), dict):
        return None  # before scipy 1.12 it is the dict of its entries
    checks: Mapping[str, Callable[[Any, Any], str | None]] = {
        "csr": _compressed, "csc": lambda s, n: _compressed(s, n[::-1]), "bsr": _blocks, "coo": _coordinates,
        "dia": _diagonals, "lil": _lists, "dok": _keys,
    }  # fmt: skip
    check = checks.get(kind)
    if check is None:
        return "no sparse matrix that is known"
    return check(state, shape) or _overlap(state)


def _overlap(state: Mapping[str, Any]) -> str | None:
    """Scipy adds up, sorts and multiplies in place: what is data would be indices by then, with nobody to compare them.

    Coordinates may be one array, as those of a diagonal are.
    """
    places = state.get("coords")
    if type(places) is not tuple:
        places = state.get("row"), state.get("col")
    apart = [state[name] for name in ("indptr", "indices", "offsets", "data") if is_array(state.get(name))]
    overlap = getattr(sys.modules.get("numpy"), "may_share_memory", None)
    for number, array in enumerate(apart):
        for other in (*apart[number + 1 :], *places):
            if is_array(other) and overlap is not None and overlap(array, other):
                return "its data and its indices are one"
    return None


def _compressed(state: Any, shape: tuple[int, ...]) -> str | None:
    """Rows by where they begin in arrays of columns and values; *shape* with what is compressed first."""
    starts, indices = plain_array(state.get("indptr"), "i"), index_array(state.get("indices"))
    data = number_array(state.get("data"))
    if starts is None or indices is None or data is None or starts.ndim != 1 or data.ndim != 1 or indices.ndim != 1:
        return "wants arrays of starts, indices and data"
    rows, columns = (1, shape[0]) if len(shape) == 1 else shape
    return _pointers(starts, indices, len(data), rows, columns)


def _pointers(starts: Any, indices: Any, count: int, rows: int, columns: int) -> str | None:
    if len(starts) != rows + 1 or starts[0] != 0 or bool((starts[1:] < starts[:-1]).any()):
        return "its starts are not in order"
    if int(starts[-1]) > min(len(indices), count):
        return "its starts lie beyond its data"
    # Who takes columns goes through all indices, and has room for as many as the starts say.
    if len(indices) != int(starts[-1]):
        return "it has more indices than entries"
    return None if lie_within(indices, 0, columns) else "an index lies outside"


def _blocks(state: Any, shape: tuple[int, ...]) -> str | None:
    starts, indices = plain_array(state.get("indptr"), "i"), index_array(state.get("indices"))
    data = number_array(state.get("data"))
    if starts is None or indices is None or data is None or data.ndim != 3 or len(shape) != 2:
        return "wants arrays of starts, indices and blocks"
    if starts.ndim != 1 or indices.ndim != 1:
        return "its starts and indices are no rows"
    height, width = data.shape[1:]
    if not height or not width or shape[0] % height or shape[1] % width:
        return "its shape is not one of whole blocks"
    return _pointers(starts, indices, len(data), shape[0] // height, shape[1] // width)


def _coordinates(state: Any, shape: tuple[int, ...]) -> str | None:
    places = state.get("coords", (state.get("row"), state.get("col")))
    data = number_array(state.get("data"))
    if data is None or data.ndim != 1 or type(places) is not tuple or len(places) != len(shape):
        return "wants data and coordinates"
    for place, length in zip(places, shape, strict=True):
        array = index_array(place)
        if array is None or array.shape != data.shape or not lie_within(array, 0, length):
            return "a coordinate lies outside"
    return None


def _diagonals(state: Any, shape: tuple[int, ...]) -> str | None:
    offsets, data = plain_array(state.get("offsets"), "i"), number_array(state.get("data"))
    if offsets is None or data is None or data.ndim != 2 or offsets.shape != (data.shape[0],) or len(shape) != 2:
        return "wants one row of data for each diagonal"
    return None if lie_within(offsets, -shape[0], shape[1] + 1) else "a diagonal lies outside"


def _lists(state: Any, shape: tuple[int, ...]) -> str | None:
    rows, data = state.get("rows"), state.get("data")
    if len(shape) != 2 or not all(is_array(part) and part.shape == shape[:1] for part in (rows, data)):
        return "wants a list of columns and one of values for each row"
    if not {*map(id, rows)}.isdisjoint(map(id, data)):
        return "its columns and its values are one"  # who sets an item puts its column and its value into both
    for columns, values in zip(rows, data, strict=True):
        if type(columns) is not list or type(values) is not list or len(columns) != len(values):
            return "wants as many columns as values"
        if not all(is_int(column) and 0 <= column < shape[1] for column in columns):
            return "a column lies outside"
    return None


def _keys(state: Any, shape: tuple[int, ...]) -> str | None:
    entries = state.get("_dict")
    return None if type(entries) is dict else "wants a dict of entries"
