# cython: annotation_typing=False
"""The encoder: walks an object's parts and writes them, one pickle per encoder.

Rules that hold here:

* Depth of data never becomes depth of calls (S6): containers, instances and reduce results wait as frames on a
  stack of its own. One frame is walked at a time; writing a part either finishes it at once or pushes one frame.
* The opcodes are those that ``_pickle.c`` chooses at each protocol.
* Under a policy nothing of a class's own runs before the gate has been asked for the class, and every global is
  granted for the use it is written for (S11). What the hooks of a user's Pickler raise passes through unchanged.
* A container that nobody else refers to gets no memo entry, but only as long as no code of the data has run: such
  code can hand out an existing object once more. At the first such code the encoder starts over without sparing.
* Every part is counted before it is written; the place of an error is worked out from the frames when it happens.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

import copyreg
import time
from itertools import islice
from pickle import PickleBuffer
from types import FunctionType
from typing import Any
from collections.abc import Callable

from ..errors import EncodingError, LimitError, SafePickleError, quote
from ..wire.opcodes import BY_NAME
from ..wire.writing import Bounds, Memo, Writer
from . import reducing
from .paths import path_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import cython

    from .granting import WriteGate
else:
    from .._form import cython

_STOP = BY_NAME["STOP"].code
_MARK = BY_NAME["MARK"].code
_POP = BY_NAME["POP"].code
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
_REDUCE = BY_NAME["REDUCE"].code
_NEWOBJ = BY_NAME["NEWOBJ"].code
_BUILD = BY_NAME["BUILD"].code
_BINPERSID = BY_NAME["BINPERSID"].code
_NEXT_BUFFER = BY_NAME["NEXT_BUFFER"].code
_READONLY_BUFFER = BY_NAME["READONLY_BUFFER"].code
_STACK_GLOBAL = BY_NAME["STACK_GLOBAL"].code

#: Items between a MARK and its APPENDS, SETITEMS or ADDITEMS.
_BATCH = 1000
#: Objects between two looks at the clock.
_CLOCK_INTERVAL = 4096

# Kinds of frames.
_RUN = 1
_WHOLE = 2
_TABLE = 3
_PAIRS = 4
_SCRIPT = 5

# Steps of a script: the numbers are those of the module that writes the scripts.
_STATE = reducing.STATE
_USE = reducing.USE
_AGAIN = reducing.AGAIN
_CODE = reducing.CODE
_BYTES = reducing.BYTES
_NOTE = reducing.NOTE
_ITEMS = reducing.ITEMS
_ENTRIES = reducing.ENTRIES


class _StartOver(Exception):
    """Code of the data is about to run: sharing can no longer be told from reference counts."""


class Frame:
    """A container, instance or script that is being written."""

    __slots__ = (
        "again", "closer", "end", "index", "items", "iterator", "key", "kind", "many", "obj", "owners", "shared",
        "single", "stage", "stop", "table_position", "value",
    )  # fmt: skip

    def __init__(self) -> None:
        self.kind = 0
        self.obj: Any = None
        self.items: Any = None
        self.iterator: Any = None
        self.key: Any = None
        self.value: Any = None

    def begin(self, kind: int, obj: Any, items: Any) -> None:
        """Begin with something new. What stays 0 or False here is set by those who need it."""
        self.kind = kind
        self.obj = obj
        self.items = items
        self.index = 0
        self.stop = 0
        self.end = 0
        self.owners = 0
        self.stage = 0
        self.closer = 0
        self.single = 0
        self.many = 0
        self.again = 0
        self.shared = False
        if cython.compiled:
            self.table_position = 0

    def clear(self) -> None:
        """Let go of everything."""
        self.obj = None
        self.items = None
        self.iterator = None
        self.key = None
        self.value = None

    def step(self) -> bool:
        """Go to the next entry of a dict: set ``key`` and ``value``. False where there is none."""
        if cython.compiled:
            return dict_step(self)
        for self.key, self.value in self.iterator:
            return True
        return False


class Encoder:
    """Writes one object graph.

    :param gate: grants what is written, or None (UNRESTRICTED).
    :param memo: shared by the dumps of one Pickler; None writes without a memo (``fast``).
    :param sparing: the memo is not used again: entries that nothing can refer to may be left out.
    """

    def __init__(
        self,
        protocol: int,
        bounds: Bounds,
        gate: WriteGate | None,
        memo: Memo | None,
        file_write: Callable[[Any], Any] | None,
        fix_imports: bool,
        buffer_callback: Callable[[Any], Any] | None,
        sparing: bool,
    ) -> None:
        self.protocol = protocol
        self.binary = protocol >= 1
        self.bounds = bounds
        self.gate = gate
        self.memo = memo
        self.file_write = file_write
        self.fix_imports = fix_imports
        self.buffer_callback = buffer_callback
        #: Text and bytes without a second owner are not memoized; containers neither, while `sparing` holds.
        self.one_shot = sparing
        #: Protocols 0 to 2 are for Python 2 too: their containers are written byte for byte as pickle does.
        self.sparing = sparing and protocol > 2 and file_write is None and bool(cython.compiled)
        self.plain = True
        self.persistent_id: Any = None
        #: NotImplemented where there is none: what is set to None fails when it is called, as in pickle.
        self.reducer_override: Any = NotImplemented
        self.dispatch_table: Any = None
        self.in_hook = False
        self.doing = ""
        self.keep = True
        self.callee: Any = None
        self.current: Any = None
        self.objects = 0
        self.calls = 0
        self.opcodes = 0
        self.frames: list[Frame] = []
        self.classes: dict[type, int] = {}
        self.depth = 0
        self.extra = 0
        self.frames.append(Frame())
        self.top = self.frames[0]
        self._begin_output()

    def _begin_output(self) -> None:
        self.out = Writer(self.protocol, self.binary, self.bounds, self.memo, self.file_write, self.one_shot)

    def set_hooks(self, persistent_id: Any, reducer_override: Any, dispatch_table: Any, binary: bool) -> None:
        """Take over what a Pickler object adds."""
        self.persistent_id = persistent_id
        self.reducer_override = reducer_override
        self.dispatch_table = dispatch_table
        self.plain = persistent_id is None
        self.binary = binary
        self.out.binary = binary

    def dump(self, obj: Any) -> bytes | None:
        """Write *obj*; return the pickle, or None where it went to a file."""
        try:
            try:
                return self._attempt(obj)
            except _StartOver:
                self.sparing = False
                if self.memo is not None:
                    self.memo.clear()
                self._release()
                self._begin_output()
                return self._attempt(obj)
        except SafePickleError as error:
            self._locate(error)
            raise
        except Exception as error:
            if self.gate is None or self.in_hook or self.out.in_file:
                raise
            what = f"{self.doing} raised {type(error).__name__}" if self.doing else f"{type(error).__name__}: {error}"
            failure = EncodingError(quote(what)[1:-1] if not what.isascii() else what)
            self._locate(failure)
            raise failure from error
        finally:
            self._release()

    def _attempt(self, obj: Any) -> bytes | None:
        self.objects = 0
        self.calls = 0
        self.opcodes = 4
        self.next_look = _CLOCK_INTERVAL
        self.next_search = 1024
        self.started = 0.0
        out = self.out
        if self.protocol >= 4:
            out.start_framing()
        self._save(obj, 0)
        while self.depth > 0:
            frame = self.top
            kind = frame.kind
            if kind == _RUN:
                self._walk_run(frame)
            elif kind == _TABLE:
                self._walk_table(frame)
            elif kind == _WHOLE:
                self._walk_whole(frame)
            elif kind == _SCRIPT:
                self._walk_script(frame)
            else:
                self._walk_pairs(frame)
        out.put(_STOP)
        return out.finish()

    def _release(self) -> None:
        while self.depth > 0:
            self._pop()
        self.depth = 0
        self.top = self.frames[0]
        self.extra = 0
        self.current = None
        self.callee = None

    # -- counting ----------------------------------------------------------------------------------------------

    def _open(self, items: int, levels: int) -> None:
        """Count one more object of *items* parts, before it is written."""
        bounds = self.bounds
        self.objects += 1
        self.opcodes += items + 3
        if items > bounds.max_items:
            raise LimitError("max_items", bounds.max_items, items)
        levels += self.depth + self.extra
        if levels > bounds.max_depth:
            raise LimitError("max_depth", bounds.max_depth, levels)
        if self.objects > bounds.max_objects:
            raise LimitError("max_objects", bounds.max_objects, self.objects)
        if self.opcodes > bounds.max_opcodes:
            raise LimitError("max_opcodes", bounds.max_opcodes, self.opcodes)
        if self.objects >= self.next_look:
            self._look()

    def _look(self) -> None:
        """Look at the clock, and at the opcodes that are not counted one by one."""
        self.next_look = self.objects + _CLOCK_INTERVAL
        now = time.monotonic()
        if self.started == 0.0:
            # The first look is when code of the data is about to run, or a millisecond after the start.
            self.started = now
        seconds = now - self.started
        if seconds > self.bounds.max_seconds:
            raise LimitError("max_seconds", self.bounds.max_seconds, round(seconds, 3))

    def _count_call(self) -> None:
        self.calls += 1
        if self.calls > self.bounds.max_calls:
            raise LimitError("max_calls", self.bounds.max_calls, self.calls)

    # -- frames ------------------------------------------------------------------------------------------------

    def _push(self, kind: int, obj: Any, items: Any) -> Frame:
        depth = self.depth + 1
        if depth == len(self.frames):
            self.frames.append(Frame())
        frame = self.frames[depth]
        frame.begin(kind, obj, items)
        self.depth = depth
        self.top = frame
        if depth >= self.next_search:
            self._search()
        return frame

    def _pop(self) -> None:
        self.top.clear()
        self.depth -= 1
        self.top = self.frames[self.depth]

    def _search(self) -> None:
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
            if obj is not None:
                times = seen.get(id(obj), 0) + 1
                seen[id(obj)] = times
                if times > again:
                    reason = "cannot be written without a memo" if self.memo is None else "has no end: it is made from itself"
                    raise EncodingError(f"a cyclic object {reason}: {quote(obj)}")

    def place(self) -> str:
        """Return the path of what is being written."""
        return path_of(self.frames, self.depth, None, None)

    def _locate(self, error: SafePickleError) -> None:
        """Give an error its place. Under UNRESTRICTED the text stays pickle's own."""
        if error.path is None and error.position is None:
            error.path = path_of(self.frames, self.depth, self.out.offender, self.current)
            if self.gate is not None or isinstance(error, LimitError):
                error.args = (error._message(),)

    # -- one object --------------------------------------------------------------------------------------------

    def _save(self, obj: Any, owners: int) -> None:
        """Write *obj*, or begin to: then there is a new frame on top."""
        if self.persistent_id is not None and self._save_persistent(obj):
            return
        if not self.out.atom(obj, owners):
            self._save_parts(obj, owners)

    def _save_parts(self, obj: Any, owners: int) -> None:
        """Write or begin something that is no atom."""
        kind = type(obj)
        if kind is list:
            if not self._known(obj, owners):
                self._save_list(obj)
        elif kind is dict:
            if not self._known(obj, owners):
                self._save_dict(obj)
        elif kind is tuple:
            if not self._known(obj, owners):
                self._save_tuple(obj)
        elif kind is set and self.protocol >= 4:
            if not self._known_set(obj, owners):
                self._save_set(obj, self.keep)
        elif kind is frozenset and self.protocol >= 4:
            if not self._known_set(obj, owners):
                self._save_frozenset(obj, self.keep)
        elif self.out.recall(obj):
            if self.gate is not None and obj is not self.callee:
                self.gate.refer_again(obj, self)
        elif kind is bytearray and self.protocol >= 5:
            self.out.plain_bytearray(obj, obj)
            self.out.memoize(obj)
        else:
            self._save_other(obj, kind)

    def _known(self, obj: Any, owners: int) -> bool:
        """Write a reference to a container that was written before; remember whether it needs an entry."""
        self.keep = not self.sparing or self.out.shared(obj, owners)
        return self.keep and self.out.recall(obj)

    def _known_set(self, obj: Any, owners: int) -> bool:
        # Weak references are not counted, and can hand out a set once more.
        self.keep = not self.sparing or self.out.shared(obj, owners) or has_weak_references(obj)
        return self.keep and self.out.recall(obj)

    def _save_list(self, obj: Any) -> None:
        out = self.out
        count = len(obj)
        self._open(count, 1)
        if self.binary:
            out.put(_EMPTY_LIST)
        else:
            out.put(_MARK)
            out.put(_LIST)
        if self.keep:
            out.memoize(obj)
        if count == 0:
            return
        index = 0
        if self.plain and 1 < count <= _BATCH and self.binary:
            # Short and flat lists are the most frequent: they need no frame.
            out.put(_MARK)
            self.current = obj
            index = out.list_atoms(obj, 0, count, 2)
            if index == count:
                out.put(_APPENDS)
                return
        frame = self._push(_RUN, None, obj)
        frame.index = index
        frame.end = count
        frame.owners = 2
        frame.single = _APPEND
        frame.many = _APPENDS
        if self.plain and 1 < count <= _BATCH and self.binary:
            frame.stop = count
            frame.closer = _APPENDS

    def _save_dict(self, obj: Any) -> None:
        out = self.out
        count = len(obj)
        self._open(2 * count, 1)
        if self.binary:
            out.put(_EMPTY_DICT)
        else:
            out.put(_MARK)
            out.put(_DICT)
        if self.keep:
            out.memoize(obj)
        if count > 0:
            self._push_table(obj, count)

    def _push_table(self, obj: Any, count: int) -> Frame:
        frame = self._push(_TABLE, obj, None)
        frame.end = count
        frame.single = _SETITEM
        frame.many = _SETITEMS
        if not cython.compiled:
            frame.iterator = iter(obj.items())
        return frame

    def _save_set(self, obj: Any, keep: bool) -> None:
        out = self.out
        count = len(obj)
        self._open(count, 1)
        out.put(_EMPTY_SET)
        if keep:
            out.memoize(obj)
        if count == 0:
            return
        done = 0
        if self.plain and count <= _BATCH:
            out.put(_MARK)
            done = self._set_atoms(obj)
            if done == count:
                out.put(_ADDITEMS)
                return
        frame = self._push(_RUN, obj, list(obj))
        frame.index = done
        frame.end = count
        frame.owners = 3
        frame.many = _ADDITEMS
        if self.plain and count <= _BATCH:
            frame.stop = count
            frame.closer = _ADDITEMS

    def _save_frozenset(self, obj: Any, keep: bool) -> None:
        out = self.out
        count = len(obj)
        self._open(count, 1)
        out.put(_MARK)
        done = 0
        if self.plain:
            done = self._set_atoms(obj)
            if done == count:
                out.put(_FROZENSET)
                if keep:
                    out.memoize(obj)
                return
        frame = self._push(_WHOLE, obj, tuple(obj))
        frame.index = done
        frame.end = count
        frame.owners = 3
        frame.shared = keep
        frame.closer = _FROZENSET

    def _set_atoms(self, obj: Any) -> int:
        """Write items of a set up to the first one that has parts; return how many. No code runs meanwhile."""
        out = self.out
        done = 0
        self.current = obj
        for item in obj:
            if not out.atom(item, 2):
                return done
            done += 1
        return done

    def _save_tuple(self, obj: Any) -> None:
        out = self.out
        count = len(obj)
        keep = self.keep
        self._open(count, 1)
        if count == 0:
            # Never in the memo: there is one of it only.
            if self.binary:
                out.put(_EMPTY_TUPLE)
            else:
                out.put(_MARK)
                out.put(_TUPLE)
            return
        if count <= 3 and self.protocol >= 2:
            closer = _TUPLE1 + count - 1
        else:
            closer = _TUPLE
            out.put(_MARK)
        index = 0
        if self.plain:
            self.current = obj
            index = out.tuple_atoms(obj, 0, count, 2)
            if index == count:
                out.put(closer)
                if keep:
                    out.memoize(obj)
                return
        frame = self._push(_WHOLE, None, obj)
        frame.index = index
        frame.end = count
        frame.owners = 2
        frame.shared = keep
        frame.closer = closer

    # -- containers --------------------------------------------------------------------------------------------

    def _walk_run(self, frame: Frame) -> None:
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
                if self.plain:
                    index = out.list_atoms(items, index, stop, owners)
                    frame.index = index
                if index < stop:
                    item = items[index]
                    frame.index = index + 1
                    if self.plain:
                        self._save_parts(item, owners)
                    else:
                        self._save(item, owners)
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
            out.put(frame.closer)
            frame.closer = 0
        if frame.kind == _RUN and frame.end > len(frame.items):
            # The list was made shorter by code that ran meanwhile: what is left of it is written.
            frame.end = len(frame.items)
        left = frame.end - frame.index
        if left <= 0 and frame.iterator is not None and frame.kind != _TABLE:
            left = self._refill(frame)
        if left <= 0:
            again = frame.again
            self._pop()
            if again != 0:
                self.extra -= 1
                out.put(again)
            return False
        if not self.binary:
            left = 1
        elif left > _BATCH:
            left = _BATCH
        if left == 1 and frame.single != 0:
            frame.closer = frame.single
        else:
            out.put(_MARK)
            frame.closer = frame.many
        frame.stop = frame.index + left
        return True

    def _refill(self, frame: Frame) -> int:
        """Take the next items of an instance; its code runs."""
        self.doing = "an iterator over its items"
        frame.items = batch = list(islice(frame.iterator, _BATCH))
        self.doing = ""
        frame.stage += frame.index
        frame.index = 0
        frame.end = len(batch)
        self.opcodes += 2 * frame.end
        total = frame.stage + frame.end
        if total > self.bounds.max_items:
            raise LimitError("max_items", self.bounds.max_items, total)
        self._look()
        if frame.end < _BATCH:
            frame.iterator = None
        return frame.end

    def _walk_whole(self, frame: Frame) -> None:
        """Go on with a tuple or frozenset."""
        out = self.out
        items = frame.items
        index = frame.index
        stop = frame.end
        owners = frame.owners
        while index < stop:
            if self.plain:
                index = out.tuple_atoms(items, index, stop, owners)
                frame.index = index
                if index == stop:
                    break
            item = items[index]
            index += 1
            frame.index = index
            if self.plain:
                self._save_parts(item, owners)
            else:
                self._save(item, owners)
            if self.top is not frame:
                return
        obj = frame.items if frame.obj is None else frame.obj
        closer = frame.closer
        shared = frame.shared
        self._pop()
        if shared and self.memo is not None and self.memo.find(obj) >= 0:
            # Its own items led back to it: it is in the memo already. Drop what was written of this one.
            if closer != _TUPLE and closer != _FROZENSET:
                out.put_bytes(b"0" * stop)
            elif self.binary:
                out.put(_POP_MARK)
            else:
                out.put_bytes(b"0" * (stop + 1))
            out.recall(obj)
            return
        out.put(closer)
        if shared:
            out.memoize(obj)

    def _walk_table(self, frame: Frame) -> None:
        """Go on with a dict."""
        out = self.out
        plain = self.plain
        while True:
            if frame.stage == 1:
                frame.stage = 0
                value = frame.value
                if plain:
                    if not out.atom(value, 3):
                        self._save_parts(value, 3)
                        if self.top is not frame:
                            return
                else:
                    self._save(value, 3)
                    if self.top is not frame:
                        return
            elif frame.index < frame.stop:
                if not frame.step():
                    raise RuntimeError("dictionary changed size during iteration")
                frame.index += 1
                frame.stage = 1
                key = frame.key
                if plain:
                    if not out.atom(key, 3):
                        self._save_parts(key, 3)
                        if self.top is not frame:
                            return
                else:
                    self._save(key, 3)
                    if self.top is not frame:
                        return
            elif not self._next_batch(frame):
                return

    def _walk_pairs(self, frame: Frame) -> None:
        """Go on with the keys and values of an instance."""
        while True:
            if frame.stop == -1:
                return
            if frame.value is not None:
                value = frame.value[0]
                frame.value = None
                self._save(value, 0)
            elif frame.index < frame.stop:
                pair = frame.items[frame.index]
                if type(pair) is not tuple or len(pair) != 2:
                    raise TypeError("dict items iterator must return 2-tuples")
                frame.index += 1
                frame.key = pair[0]
                frame.value = (pair[1],)
                self._save(pair[0], 0)
            elif not self._next_batch(frame):
                return
            if self.top is not frame:
                return

    # -- everything else ---------------------------------------------------------------------------------------

    def _save_persistent(self, obj: Any) -> bool:
        """Ask the user's persistent_id; write the id if it gives one."""
        self.in_hook = True
        pid = self.persistent_id(obj)
        self.in_hook = False
        if pid is None:
            return False
        self._count_call()
        if not self.binary:
            self.out.put_bytes(reducing.persistent_line(pid, self.gate is not None))
            return True
        # The id itself is not asked about again.
        if self.out.atom(pid, 0):
            self.out.put(_BINPERSID)
            return True
        frame = self._push(_SCRIPT, None, [_CODE, _BINPERSID])
        frame.end = 2
        self._save_parts(pid, 0)
        return True

    def _ends_sparing(self) -> None:
        """Call before code of the data runs."""
        if self.sparing:
            raise _StartOver

    def _save_other(self, obj: Any, kind: type) -> None:
        """Write or begin an object that is not of the exact types written without asking anybody."""
        if self.protocol < 5 and kind in reducing.OLD_FORMS:
            self._push_script(obj, reducing.old_form(self, obj, kind))
            return
        if kind is PickleBuffer:
            self._save_buffer(obj)
            return
        if self.reducer_override is not NotImplemented:
            self.in_hook = True
            reduced = self.reducer_override(obj)
            self.in_hook = False
            if reduced is not NotImplemented:
                self._save_reduced(obj, reduced, "reducer_override")
                return
        if kind is type:
            singleton = reducing.SINGLETON_TYPES.get(obj)
            if singleton is None:
                self._save_global(obj, None)
            else:
                self._save_reduced(obj, (type, singleton), "type")
            return
        if kind is FunctionType:
            self._save_global(obj, None)
            return
        table = copyreg.dispatch_table if self.dispatch_table is None else self.dispatch_table
        reducer = table.get(kind, NotImplemented)
        if reducer is not NotImplemented:
            if reducing.runs_own_code(reducer):
                self._ends_sparing()
            self.doing = "a reducer of the dispatch table"
            reduced = reducer(obj)
            self.doing = ""
            self._save_reduced(obj, reduced, reducer)
            return
        if issubclass(kind, type):
            self._save_global(obj, None)
            return
        self._save_instance(obj, kind)

    def _save_instance(self, obj: Any, kind: type) -> None:
        state = self.classes.get(kind, 0)
        if state == 2 and self._save_plain_instance(obj, kind):
            return
        if self.gate is not None and state == 0 and kind not in reducing.EXEMPT:
            self.gate.require_class(kind, self)
        plain = state == 0 and reducing.is_plain_class(kind, self.protocol)
        if self.sparing and not plain and not reducing.is_trusted(kind):
            raise _StartOver
        self.doing = "its reduce method"
        reduced, reducer = reducing.reduce_object(obj, kind, self.protocol, self.gate is not None)
        self.doing = ""
        if state == 0:
            self.classes[kind] = 2 if plain and reducing.confirms_plain_class(obj, kind, reduced) else 1
        self._save_reduced(obj, reduced, reducer)

    def _save_plain_instance(self, obj: Any, kind: type) -> bool:
        """Write an instance of a class that leaves reducing to ``object``: no code of its own runs."""
        state = instance_dict(obj)
        if "__reduce_ex__" not in state and "__getstate__" not in state:
            index = -1 if self.memo is None else self.memo.find(kind)
            if index >= 0 and self.persistent_id is None:
                count = len(state)
                self._open(2 * count + 3, 2)
                self._count_call()
                if self.gate is not None:
                    self.gate.check_plain(kind, state, self)
                out = self.out
                out.get(index)
                out.put(_EMPTY_TUPLE)
                out.put(_NEWOBJ)
                out.memoize(obj)
                if count > 0:
                    self.keep = not self.sparing or out.shared(state, 2)
                    if self.keep and out.recall(state):
                        out.put(_BUILD)
                        return True
                    out.put(_EMPTY_DICT)
                    if self.keep:
                        out.memoize(state)
                    frame = self._push_table(state, count)
                    # One frame for the instance and its dict.
                    frame.again = _BUILD
                    self.extra += 1
                return True
        return False

    def _save_reduced(self, obj: Any, reduced: Any, reducer: Any) -> None:
        """Write or begin what a reduce method returned."""
        if isinstance(reduced, str):
            self._save_global(obj, reduced)
            return
        self._count_call()
        self._push_script(obj, reducing.script(self, obj, reduced, reducer))

    def _push_script(self, obj: Any, script: list[Any]) -> None:
        self._open(8, 1)
        frame = self._push(_SCRIPT, obj, script)
        frame.end = len(script)

    def _walk_script(self, frame: Frame) -> None:
        """Go on with a script: pairs of a step and what it is about."""
        out = self.out
        script = frame.items
        while frame.index < frame.end:
            step = script[frame.index]
            subject = script[frame.index + 1]
            frame.index += 2
            if step <= _STATE:
                self._save(subject, 0)
            elif step == _CODE:
                out.put(subject)
            elif step == _USE:
                self.callee = subject
                self._save(subject, 0)
                self.callee = None
            elif step == _NOTE:
                # Its own arguments may have led back to it: then it is in the memo, and this one is dropped.
                if not out.recall_over(subject):
                    out.memoize(subject)
            elif step == _BYTES:
                out.put_bytes(subject)
            elif step == _ITEMS:
                run = self._push(_RUN, None, [])
                run.iterator = subject
                run.single = _APPEND
                run.many = _APPENDS
            elif step == _ENTRIES:
                run = self._push(_PAIRS, None, [])
                run.iterator = subject
                run.single = _SETITEM
                run.many = _SETITEMS
            elif step == _AGAIN and not out.recall(subject):
                self._save(subject, 0)
            if self.top is not frame:
                return
        self._pop()

    def _save_global(self, obj: Any, name: str | None) -> None:
        """Write a class, function or other global by its name."""
        found = reducing.find_global(obj, name, self.gate is not None)
        if self.gate is not None:
            if obj is not self.callee:
                self.gate.refer(obj, found, self)
        elif self.protocol >= 2:
            code = reducing.extension_code(found)
            if code is not None:
                self.out.put_bytes(code)
                return
        if self.protocol >= 4 and self.persistent_id is None:
            self.opcodes += 3
            self.out.text(found[0], 0)
            self.out.text(found[1], 0)
            self.out.put(_STACK_GLOBAL)
            self.out.memoize(obj)
            return
        self._push_script(obj, reducing.global_script(self, obj, found))

    def _save_buffer(self, obj: Any) -> None:
        """Write a PickleBuffer: out of band if the callback takes it, else as bytes or bytearray."""
        if self.protocol < 5:
            raise EncodingError("PickleBuffer can only be pickled with protocol >= 5")
        with obj.raw() as raw:
            if not raw.contiguous:
                raise EncodingError("PickleBuffer can not be pickled when pointing to a non-contiguous buffer")
            in_band = True
            if self.buffer_callback is not None:
                self._ends_sparing()
                self.in_hook = True
                in_band = bool(self.buffer_callback(obj))
                self.in_hook = False
            if not in_band:
                self.out.put(_NEXT_BUFFER)
                if raw.readonly:
                    self.out.put(_READONLY_BUFFER)
            elif raw.readonly:
                self.out.plain_bytes(raw.tobytes(), obj)
                self.out.memoize(obj)
            else:
                self.out.plain_bytearray(raw.tobytes(), obj)
                self.out.memoize(obj)


def has_weak_references(obj: Any) -> bool:
    """Return whether an object has weak references."""
    if cython.compiled:
        return weak_references(obj)
    return True


def instance_dict(obj: Any) -> Any:
    """Return an instance's ``__dict__``."""
    return object.__getattribute__(obj, "__dict__")
