# cython: annotation_typing=False
"""Writing the built-in containers: list, tuple, dict, set and frozenset, part by part.

Rules that hold here:

* Writing a part either finishes it at once or pushes one frame; the walk that goes on with a frame stops there.
* Runs of values without parts are written without a frame or a step in between: that is where the speed is.
* A container that nobody else refers to gets no memo entry, but only as long as no code of the data has run
  (``sparing``): such code can hand out an existing object once more.
* A container that changes while it is written (hooks run meanwhile) is written as far as it is there, or refused;
  memory is safe in any case (R70, gh-149816).
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

from itertools import islice
from typing import Any

from ..errors import LimitError
from ..wire.memo import Memo
from ..wire.opcodes import BY_NAME
from ..wire.output import Bounds
from .frames import Frame
from .keys import Keys

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    # These are C in the compiled form.
    from ..wire.output import begin, put
    from ..wire.writing import is_shared
    from .frames import enter
    from .keys import is_free

_MARK = BY_NAME["MARK"].code
_POP_MARK = BY_NAME["POP_MARK"].code
_EMPTY_LIST = BY_NAME["EMPTY_LIST"].code
_EMPTY_DICT = BY_NAME["EMPTY_DICT"].code
_EMPTY_SET = BY_NAME["EMPTY_SET"].code
_EMPTY_TUPLE = BY_NAME["EMPTY_TUPLE"].code
_LIST = BY_NAME["LIST"].code
_DICT = BY_NAME["DICT"].code
_TUPLE = BY_NAME["TUPLE"].code
_TUPLE1 = BY_NAME["TUPLE1"].code
_FROZENSET = BY_NAME["FROZENSET"].code
_APPEND = BY_NAME["APPEND"].code
_APPENDS = BY_NAME["APPENDS"].code
_SETITEM = BY_NAME["SETITEM"].code
_SETITEMS = BY_NAME["SETITEMS"].code
_ADDITEMS = BY_NAME["ADDITEMS"].code

#: Items between a MARK and its APPENDS, SETITEMS or ADDITEMS; also the most that is written between two looks at
#: the size of a frame, where the items are numbers.
_BATCH = 1000

# Kinds of frames; there are two more in the encoder.
_RUN = 1
_WHOLE = 2
_TABLE = 3
_PAIRS = 4


class Containers(Keys):
    """Frames, and how the built-in containers are written."""

    def begin_containers(
        self, protocol: int, bounds: Bounds, memo: Memo | None, guarded: bool, sparing: bool
    ) -> None:
        """Begin one dump."""
        self.begin_stack(protocol, bounds, memo, guarded, sparing and bool(cython.compiled))
        #: No persistent_id is asked for each part.
        self.plain = True
        self.keep = True
        self.callee: Any = None
        self.entry_written = False
        self.forget_entry()

    def forget_entry(self) -> None:
        """Hold no entry of a dict: the one at which the walk through a flat one stopped (or its key was written)."""
        if not cython.compiled or self.entry_key is not None or self.entry_value is not None:
            self.entry_key: Any = None
            self.entry_value: Any = None
        if not cython.compiled:
            self.entry_iterator: Any = None

    def save_other(self, obj: Any, kind: type) -> None:
        """Write or begin an object of another type."""
        raise NotImplementedError

    def save_known(self, obj: Any) -> None:
        """Follow up a reference to an object that is no container."""
        raise NotImplementedError

    def ask_persistent_id(self, obj: Any) -> bool:
        """Write a persistent id instead of *obj*, if it has one."""
        raise NotImplementedError

    # -- one object --------------------------------------------------------------------------------------------

    def save(self, obj: Any, owners: int) -> None:
        """Write *obj*, or begin to: then there is a new frame on top."""
        if not self.plain and self.ask_persistent_id(obj):
            return
        if not self.out.leaf(obj, owners):
            self.save_parts(obj, owners)

    def save_parts(self, obj: Any, owners: int) -> None:
        """Write or begin something that is no leaf: that has been asked."""
        kind = type(obj)
        if kind is list or kind is dict or kind is tuple:
            if self.sparing:
                # Whether it was written before, leaf has found out: what is in the memo has one owner more.
                self.keep = is_shared(self.out, obj, owners)
            elif self.out.recall(obj):
                return
            if kind is list:
                self._save_list(obj)
            elif kind is dict:
                self._save_dict(obj)
            else:
                self._save_tuple(obj)
        elif kind is set and self.protocol >= 4:
            if not self._known_other(obj, owners):
                self._save_set(obj, self.keep)
        elif kind is frozenset and self.protocol >= 4:
            if not self._known_other(obj, owners):
                self._save_frozenset(obj, self.keep)
        elif self._known_other(obj, owners):
            if self.guarded and obj is not self.callee:
                self.save_known(obj)
        elif kind is bytearray and self.protocol >= 5:
            self.objects += 1
            self.out.plain_bytearray(obj, obj)
            if self.keep:
                self.out.memoize(obj)
        else:
            self.save_other(obj, kind)

    def _known_other(self, obj: Any, owners: int) -> bool:
        """Write a reference to what was written before; else note whether it needs an entry."""
        # Weak references are not counted, and can hand out an object once more.
        self.keep = not self.sparing or is_shared(self.out, obj, owners) or has_weak_references(obj)
        return self.keep and self.out.recall(obj)

    def _save_list(self, obj: Any) -> None:
        out = self.out
        count = len(obj)
        enter(self, count, 1)
        if self.binary:
            begin(out, _EMPTY_LIST)
        else:
            begin(out, _MARK)
            put(out, _LIST)
        if self.keep:
            out.memoize(obj)
        if count == 0:
            return
        index = 0
        closer = 0
        if self.plain and self.binary and count <= _BATCH:
            # Short and flat lists are the most frequent: they need no frame.
            closer = _APPEND
            if count > 1:
                put(out, _MARK)
                closer = _APPENDS
            self.current = obj
            index = out.list_atoms(obj, 0, count, 2)
            if index == count:
                put(out, closer)
                return
        frame = self.push(_RUN, None, obj, index, count)
        # Without a batch begun above, the first is still to be begun.
        frame.stop = count if closer != 0 else 0
        frame.closer = closer
        frame.fresh = closer != 0
        frame.owners = 2
        frame.single = _APPEND
        frame.many = _APPENDS

    def _save_dict(self, obj: Any) -> None:
        out = self.out
        count = len(obj)
        enter(self, count, 1)
        self.opcodes += count
        if self.binary:
            begin(out, _EMPTY_DICT)
        else:
            begin(out, _MARK)
            put(out, _DICT)
        if self.keep:
            out.memoize(obj)
        if count == 0:
            return
        if not self.plain or not self.binary or count > _BATCH:
            self.push_table(obj, count)
            return
        # As for lists: short and flat ones need no frame.
        closer = _SETITEM
        if count > 1:
            put(out, _MARK)
            closer = _SETITEMS
        self.current = obj
        done = dict_atoms(self, out, obj, count)
        if done == count:
            put(out, closer)
            return
        frame = self.push_table(obj, count)
        frame.index = done + 1
        frame.stop = count
        frame.closer = closer
        frame.stage = 1
        frame.key = key = self.entry_key
        frame.value = self.entry_value
        self.entry_key = None
        self.entry_value = None
        if cython.compiled:
            frame.table_position = self.entry_position
        else:
            frame.iterator = self.entry_iterator
        # Where the key is written already, it is the value that has been asked.
        frame.fresh = self.entry_written
        if not self.entry_written:
            self.save_parts(key, 3)

    def push_table(self, obj: Any, count: int) -> Frame:
        frame = self.push(_TABLE, obj, None, 0, count)
        frame.stop = 0
        frame.closer = 0
        frame.fresh = False
        frame.single = _SETITEM
        frame.many = _SETITEMS
        if not cython.compiled:
            frame.iterator = iter(obj.items())
        return frame

    def _save_set(self, obj: Any, keep: bool) -> None:
        out = self.out
        count = len(obj)
        enter(self, count, 1)
        begin(out, _EMPTY_SET)
        if keep:
            out.memoize(obj)
        if count == 0:
            return
        done = 0
        closer = 0
        if self.plain and count <= _BATCH:
            # Nothing but the file's own write can run meanwhile.
            put(out, _MARK)
            closer = _ADDITEMS
            self.current = obj
            for item in obj:
                if not out.leaf(item, 2):
                    break
                if not is_free(item) or self.guard is not None:
                    self.check_key(obj, item)
                done += 1
            if done == count:
                put(out, _ADDITEMS)
                return
        frame = self.push(_RUN, obj, list(obj), done, count)
        frame.stage = done
        frame.stop = count if closer != 0 else 0
        frame.closer = closer
        frame.fresh = closer != 0
        frame.owners = 3
        frame.single = 0
        frame.many = _ADDITEMS

    def _save_frozenset(self, obj: Any, keep: bool) -> None:
        out = self.out
        count = len(obj)
        enter(self, count, 1)
        begin(out, _MARK)
        done = 0
        if self.plain and count <= _BATCH:
            self.current = obj
            for item in obj:
                if not out.leaf(item, 2):
                    break
                if not is_free(item) or self.guard is not None:
                    self.check_key(obj, item)
                done += 1
            if done == count:
                put(out, _FROZENSET)
                if keep:
                    out.memoize(obj)
                return
        frame = self.push(_WHOLE, obj, tuple(obj), done, count)
        frame.stage = done
        frame.owners = 3
        frame.fresh = False
        frame.shared = keep
        frame.closer = _FROZENSET

    def _save_tuple(self, obj: Any) -> None:
        out = self.out
        count = len(obj)
        keep = self.keep
        enter(self, count, 1)
        if count == 0:
            # Never in the memo: there is one of it only.
            if self.binary:
                begin(out, _EMPTY_TUPLE)
            else:
                put(out, _MARK)
                put(out, _TUPLE)
            return
        if count <= 3 and self.protocol >= 2:
            closer = _TUPLE1 + count - 1
        else:
            closer = _TUPLE
            begin(out, _MARK)
        index = 0
        if self.plain and count <= _BATCH:
            self.current = obj
            index = out.tuple_atoms(obj, 0, count, 2)
            if index == count:
                put(out, closer)
                if keep:
                    out.memoize(obj)
                return
        frame = self.push(_WHOLE, None, obj, index, count)
        frame.owners = 2
        frame.fresh = self.plain and count <= _BATCH
        frame.shared = keep
        frame.closer = closer

    # -- containers --------------------------------------------------------------------------------------------

    def walk_run(self, frame: Frame) -> None:
        """Go on with a list or set, or with the items of an instance."""
        out = self.out
        items = frame.items
        owners = frame.owners
        while True:
            index = frame.index
            stop = frame.stop
            if index < stop:
                if stop > len(items):
                    stop = frame.stop = len(items)
                if frame.fresh:
                    frame.fresh = False
                elif self.plain:
                    index = out.list_atoms(items, index, stop, owners)
                    frame.index = index
                if index < stop:
                    item = items[index]
                    frame.index = index + 1
                    if self.plain:
                        self.save_parts(item, owners)
                    else:
                        self.save(item, owners)
                    if self.top is not frame:
                        return
            elif not self._next_batch(frame):
                return
            else:
                items = frame.items

    def _next_batch(self, frame: Frame) -> bool:
        """End a batch and begin the next. Returns False, with the frame gone, when that was the last."""
        out = self.out
        if frame.closer != 0:
            if frame.many == _ADDITEMS:
                self.check_keys(frame.items[: frame.index], frame.obj, frame.stage)
                frame.stage = frame.index
            put(out, frame.closer)
            frame.closer = 0
        if frame.kind == _RUN and frame.end > len(frame.items):
            # The list was made shorter by code that ran meanwhile: what is left of it is written.
            frame.end = len(frame.items)
        left = frame.end - frame.index
        if left <= 0 and frame.iterator is not None and frame.kind != _TABLE:
            left = self._refill(frame)
        if left <= 0:
            again = frame.again
            if frame.many == _ADDITEMS:
                frame.stage = 0
            self.pop()
            if again != 0:
                self.extra -= 1
                put(out, again)
            return False
        if not self.binary:
            left = 1
        elif left > _BATCH:
            left = _BATCH
        if left == 1 and frame.single != 0:
            frame.closer = frame.single
        else:
            begin(out, _MARK)
            frame.closer = frame.many
        frame.stop = frame.index + left
        return True

    def _refill(self, frame: Frame) -> int:
        """Take the next items of an instance; its code runs."""
        self.look()
        self.doing = "an iterator over its items"
        batch: list[Any]
        if frame.kind == _PAIRS:
            batch = []
            for pair in frame.iterator:
                if type(pair) is not tuple or len(pair) != 2:
                    self.doing = ""
                    raise TypeError("dict items iterator must return 2-tuples")
                batch.append(pair[0])
                batch.append(pair[1])
                # Iterators over dicts use their tuple again if nobody else has it.
                pair = None  # noqa: PLW2901
                if len(batch) == 2 * _BATCH:
                    break
        else:
            batch = list(islice(frame.iterator, _BATCH))
        self.doing = ""
        frame.items = batch
        frame.stage += frame.index
        frame.index = 0
        frame.end = len(batch) if frame.kind != _PAIRS else len(batch) // 2
        self.opcodes += 2 * frame.end
        total = frame.stage + frame.end
        if total > self.bounds.max_items:
            raise LimitError("max_items", self.bounds.max_items, total)
        if frame.end < _BATCH:
            frame.iterator = None
        return frame.end

    def walk_whole(self, frame: Frame) -> None:
        """Go on with a tuple or frozenset."""
        out = self.out
        items = frame.items
        index = frame.index
        stop = frame.end
        owners = frame.owners
        while index < stop:
            if frame.fresh:
                frame.fresh = False
            elif self.plain:
                until = min(stop, index + _BATCH)
                index = out.tuple_atoms(items, index, until, owners)
                frame.index = index
                if index == until:
                    continue
            item = items[index]
            index += 1
            frame.index = index
            if self.plain:
                self.save_parts(item, owners)
            else:
                self.save(item, owners)
            if self.top is not frame:
                return
        obj = frame.items if frame.obj is None else frame.obj
        closer = frame.closer
        shared = frame.shared
        if closer == _FROZENSET:
            self.check_keys(items, obj, frame.stage)
            frame.stage = 0
        self.pop()
        if shared and self.memo is not None and self.memo.find(obj) >= 0:
            # Its own items led back to it: it is in the memo already. Drop what was written of this one.
            if closer != _TUPLE and closer != _FROZENSET:
                out.put_bytes(b"0" * stop)
            elif self.binary:
                put(out, _POP_MARK)
            else:
                out.put_bytes(b"0" * (stop + 1))
            out.recall(obj)
            return
        put(out, closer)
        if shared:
            out.memoize(obj)

    def walk_table(self, frame: Frame) -> None:
        """Go on with a dict."""
        out = self.out
        while True:
            if frame.stage == 1:
                # The key has just been written, as something with parts or by a frame of its own.
                frame.stage = 0
                if not is_free(frame.key) or self.guard is not None:
                    self.check_key(frame.obj, frame.key)
                if frame.fresh:
                    frame.fresh = False
                    self.save_parts(frame.value, 3)
                else:
                    self.save(frame.value, 3)
                if self.top is not frame:
                    return
            if self.plain:
                while frame.index < frame.stop:
                    if not next_entry(frame):
                        raise RuntimeError("dictionary changed size during iteration")
                    frame.index += 1
                    key = frame.key
                    if type(key) is str:
                        out.text(key, 3)
                    elif not out.leaf(key, 3):
                        frame.stage = 1
                        self.save_parts(key, 3)
                        if self.top is not frame:
                            return
                        frame.stage = 0
                    if not is_free(key) or self.guard is not None:
                        self.check_key(frame.obj, key)
                    value = frame.value
                    if not out.leaf(value, 3):
                        self.save_parts(value, 3)
                        if self.top is not frame:
                            return
            elif frame.index < frame.stop:
                if not next_entry(frame):
                    raise RuntimeError("dictionary changed size during iteration")
                frame.index += 1
                frame.stage = 1
                self.save(frame.key, 3)
                if self.top is not frame:
                    return
                continue
            if not self._next_batch(frame):
                return

    def walk_pairs(self, frame: Frame) -> None:
        """Go on with the keys and values of an instance, which take turns."""
        out = self.out
        items = frame.items
        while True:
            index = frame.index
            if frame.value is not None:
                # The key has been written, by a frame of its own or with something to be asked of it. It belongs to the
                # object whose script is below.
                frame.value = None
                below = self.frames[self.depth - 1]
                if not is_free(frame.key) or self.guard is not None:
                    self.check_key(below.obj, frame.key)
                self.save(items[2 * index - 1], 0)
            elif index < frame.stop:
                key = frame.key = items[2 * index]
                frame.index = index + 1
                frame.value = items
                if not self.plain:
                    self.save(key, 0)
                elif not out.leaf(key, 0):
                    self.save_parts(key, 0)
                elif is_free(key) and self.guard is None:
                    frame.value = None
                    value = items[2 * index + 1]
                    if not out.leaf(value, 0):
                        self.save_parts(value, 0)
            elif not self._next_batch(frame):
                return
            else:
                items = frame.items
            if self.top is not frame:
                return


if not cython.compiled:
    # This is C in the compiled form.

    def dict_atoms(containers: Any, out: Any, obj: dict[Any, Any], count: int) -> int:
        """Write entries of a dict up to the first one that has parts; return how many."""
        done = 0
        containers.entry_iterator = iterator = iter(obj.items())
        for key, value in iterator:
            containers.entry_written = out.leaf(key, 2)
            if not containers.entry_written or not out.leaf(value, 2):
                containers.entry_key = key
                containers.entry_value = value
                return done
            if not is_free(key) or containers.guard is not None:
                containers.check_key(obj, key)
            done += 1
        return done


def next_entry(frame: Frame) -> bool:
    """Go to the next entry of a dict: set ``key`` and ``value``. False where there is none."""
    if cython.compiled:
        return dict_step(frame)
    for frame.key, frame.value in frame.iterator:
        return True
    return False


def has_weak_references(obj: Any) -> bool:
    """Return whether an object has weak references."""
    if cython.compiled:
        return weak_references(obj)
    return True
