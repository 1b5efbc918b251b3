"""Contracts for the columns of pyarrow: a type, and buffers that it says lie so and so.

Rules that hold here:

* Nothing is imported here: what comes to a check has been made by Arrow, so that it is loaded.
* Arrow validates, but not for any input: its validation itself follows what is not there, and multiplies past 64 bits.
  What it takes to be right when it begins is looked at before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .library_parts import class_of, is_one
from .parts import Args, is_buffer

__all__ = ["ARROW_CALLS"]

#: Bytes of an offset in the types that have any.
_OFFSETS = {"string": 4, "binary": 4, "large_string": 8, "large_binary": 8}
#: Names of the types that have no parts and no unit, as Arrow writes them. Not those whose items are views, of which
#: any number may be the same bytes, read for each (D07): pandas has no use for them, and its to_json crashes.
_PLAIN = frozenset(
    "null bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 halffloat float double"
    " string binary large_string large_binary".split()
)


def _restore_array(args: Args) -> str | None:
    if len(args) != 1 or type(args[0]) is not tuple or len(args[0]) != 7:
        return "wants type, length, nulls, offset, buffers, children and a dictionary"
    kind, length, nulls, offset, buffers, children, dictionary = args[0]
    plain = type(children) in (list, tuple, type(None)) and not children and dictionary is None
    if not is_one(kind, "pyarrow.lib", "DataType") or type(buffers) is not list or not plain:
        return "wants a plain type and its buffers, without children or a dictionary"
    if str(kind) not in _PLAIN:
        return "wants a plain type, whose items are not views or in units"
    numbers = (length, nulls, offset)
    if any(type(number) is not int or not -1 <= number < 2**62 for number in numbers) or length < 0 or offset < 0:
        return "its length and offset are no lengths"
    if not all(buffer is None or is_one(buffer, "pyarrow.lib", "Buffer") for buffer in buffers):
        return "its buffers are none"
    if not _are_there(kind, offset, length, nulls, buffers):
        return "its items are more than there are bytes for"
    try:
        # Arrow's own full validation: sizes of the buffers, order of the offsets, text that is UTF-8, count of nulls.
        make = class_of("pyarrow.lib", "Array").from_buffers
        make(kind, length, buffers, nulls, offset).validate(full=True)
    except Exception as error:  # noqa: BLE001 (whatever Arrow says of data from a stream, it is refused)
        return f"Arrow finds it invalid ({type(error).__name__})"
    return None


def _are_there(kind: Any, offset: int, length: int, nulls: int, buffers: list[Any]) -> bool:
    """Say whether there is what Arrow takes to be there when it validates, and of an array without items when it reads.

    Only that of which items are missing may be left out, and an item has a bit at least: more would be multiplied past
    what 64 bits hold. An array of texts has one offset more than texts.
    """
    if len(buffers) < 2:
        return nulls in (-1, length)
    if any(buffer is None for buffer in buffers[1:]):
        return False
    size = int(buffers[1].size)
    width = _OFFSETS.get(str(kind))
    return offset + length <= 8 * size if width is None else (offset + length + 1) * width <= size


def _py_buffer(args: Args) -> str | None:
    return None if len(args) == 1 and is_buffer(args[0]) else "wants bytes"


def _alias(args: Args) -> str | None:
    plain = len(args) == 1 and type(args[0]) is str and args[0] in _PLAIN
    return None if plain else "wants the name of a plain type"


#: What the callables of pyarrow may be given: the check, what it stops, and where that is from.
ARROW_CALLS: Mapping[tuple[str, str], tuple[Callable[[Args], str | None], str, str]] = MappingProxyType(
    {
        ("pyarrow.lib", "_restore_array"): (
            _restore_array, "lengths and offsets that lie outside of the data", "found here",
        ),
        ("pyarrow.lib", "py_buffer"): (_py_buffer, "memory of any object", "R65"),
        ("pyarrow.lib", "type_for_alias"): (_alias, "a type that is no name, or has parts", "R26"),
    }
)  # fmt: skip
