"""Paths: where in the object graph an error happened, such as ``root['model'].steps[1]``.

Rules that hold here:

* A path is made only when an error is raised, from the frames as they stand; the encoder keeps nothing for it but
  the current key or index.
* Keys are quoted as everything else that comes from data is; a long path keeps its two ends.
"""

from __future__ import annotations

from typing import Any

from ..errors import quote
from ..wire.opcodes import BY_NAME
from . import reducing

__all__ = ["ROOT", "join", "key_step", "path_of"]

ROOT = "root"
_REDUCE = BY_NAME["REDUCE"].code
#: Steps shown of a path: this many at each end.
_SHOWN = 12
#: Characters of a path; fewer steps are shown where keys are long.
_LONGEST = 600

_CLOSED, _RUN, _WHOLE, _TABLE, _PAIRS, _SCRIPT, _RUN_OF_ITEMS = 0, 1, 2, 3, 4, 5, 6


def join(steps: list[str]) -> str:
    """Return the path with these steps."""
    text = _ends(steps, _SHOWN)
    for shown in range(_SHOWN - 1, 0, -1):
        if len(text) <= _LONGEST:
            break
        text = _ends(steps, shown)
    return ROOT + text


def _ends(steps: list[str], shown: int) -> str:
    """Return so many steps of each end."""
    if len(steps) > 2 * shown:
        steps = [*steps[:shown], f"...({len(steps) - 2 * shown} steps)...", *steps[-shown:]]
    return "".join(steps)


def key_step(key: Any) -> str:
    """Return the step to the value under a key."""
    return f"[{quote(key)}]"


def path_of(frames: list[Any], depth: int, offender: Any, current: Any) -> str:
    """Return the path of what is being written.

    :param offender: a value without parts that was refused, or None.
    :param current: a list, tuple or dict that was tried without a frame, or None.
    """
    steps: list[str] = []
    in_state = False
    for level in range(1, depth + 1):
        frame = frames[level]
        last = level == depth
        kind = frame.kind
        if kind == _SCRIPT:
            in_state = _script_step(frame, steps)
            continue
        if kind == _CLOSED:
            # The arguments of a call, or the state of an instance with slots: a pair, not a step of its own.
            steps.extend([".<args>"] if frame.closer == _REDUCE else [])
            continue
        if kind in (_RUN, _WHOLE, _RUN_OF_ITEMS):
            _item_step(frame, offender if last else None, steps)
        else:
            _entry_step(frame, in_state or frame.again != 0, offender if last else None, steps)
        in_state = False
    if offender is not None and type(current) in (list, tuple) and not _is_framed(frames, depth, current):
        index = _index_of(current, offender, 0)
        if index >= 0:
            steps.append(f"[{index}]")
    if offender is not None and type(current) is dict and not (depth > 0 and frames[depth].obj is current):
        steps.extend(_entry_of(current, offender))
    return join(steps)


def _is_framed(frames: list[Any], depth: int, current: Any) -> bool:
    return depth > 0 and frames[depth].items is current


def _index_of(items: Any, offender: Any, start: int) -> int:
    for index in range(start, len(items)):
        if items[index] is offender:
            return index
    return -1


def _entry_of(entries: dict[Any, Any], offender: Any) -> list[str]:
    for key, value in entries.items():
        if value is offender:
            return [key_step(key)]
        if key is offender:
            return [f".<key {quote(key)}>"]
    return []


def _item_step(frame: Any, offender: Any, steps: list[str]) -> None:
    index = frame.index - 1
    if offender is not None:
        found = _index_of(frame.items, offender, frame.index)
        index = found if found >= 0 else index
    if type(frame.obj) in (set, frozenset):
        steps.append(".<item>")
    elif index >= 0:
        steps.append(f"[{frame.stage + index}]")


def _entry_step(frame: Any, is_state: bool, offender: Any, steps: list[str]) -> None:
    key = frame.key
    if frame.index == 0:
        return
    if (
        (offender is not None and offender is key and offender is not frame.value)
        or (frame.stage == 1 and frame.kind == _TABLE)
        or (frame.kind == _PAIRS and frame.value is not None)
    ):
        steps.append(f".<key {quote(key)}>")
    elif is_state and type(key) is str and key.isidentifier() and key.isascii() and len(key) <= 80:
        steps.append(f".{key}")
    else:
        steps.append(key_step(key))


def _script_step(frame: Any, steps: list[str]) -> bool:
    """Add what a script is at; return whether that is the state."""
    if frame.index < 2:
        return False
    step = frame.items[frame.index - 2]
    if step == reducing.ARGS:
        steps.append(".<args>")
    return bool(step == reducing.STATE and type(frame.items[frame.index - 1]) is dict)
