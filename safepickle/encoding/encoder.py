# cython: annotation_typing=False
"""The encoder: writes one object graph, and what is no built-in container in it.

Rules that hold here:

* The opcodes are those that ``_pickle.c`` chooses at each protocol.
* What a reduce method returns is carried out as a script, a frame like any other, so that arguments and state of
  any depth take no C stack (S6).
* Under a policy nothing of a class's own runs before the gate has been asked for the class, and every global is
  granted for the use it is written for (S11). What the hooks of a user's Pickler raise passes through unchanged.
* Before the first code of the data runs, the encoder starts over without sparing memo entries.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

import copyreg
from pickle import PickleBuffer
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ..errors import EncodingError, SafePickleError, quote
from ..wire.memo import Memo
from ..wire.opcodes import BY_NAME
from ..wire.output import Bounds
from . import conforming, reducing
from .arrays import Arrays
from .conforming import is_new_helper, sets_attributes
from .frames import Frame, StartOver
from .instances import FILLED
from .reducing import (
    confirms_usual_class,
    find_global,
    is_trusted,
    is_usual_class,
    reduce_method,
    runs_own_code,
    script_of,
    slot_members,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .granting import WriteGate

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

if not cython.compiled:
    # These are C in the compiled form.
    from ..decoding.resolving import found_on
    from ..wire.output import put
    from .reducing import is_itself

_GETATTR: Any = getattr
_STOP = BY_NAME["STOP"].code
_APPEND = BY_NAME["APPEND"].code
_APPENDS = BY_NAME["APPENDS"].code
_SETITEM = BY_NAME["SETITEM"].code
_SETITEMS = BY_NAME["SETITEMS"].code
_BINPERSID = BY_NAME["BINPERSID"].code
_NEXT_BUFFER = BY_NAME["NEXT_BUFFER"].code
_READONLY_BUFFER = BY_NAME["READONLY_BUFFER"].code
_STACK_GLOBAL = BY_NAME["STACK_GLOBAL"].code

# Kinds of frames: those of the containers, scripts, and what only waits for one thing to be written.
_RUN = 1
_WHOLE = 2
_TABLE = 3
_PAIRS = 4
_SCRIPT = 5
_RUN_OF_ITEMS = 6
_CLOSED = 0

# Steps of a script: the numbers are those of the module that writes the scripts.
_STATE = reducing.STATE
_USE = reducing.USE
_AGAIN = reducing.AGAIN
_CODE = reducing.CODE
_BYTES = reducing.BYTES
_NOTE = reducing.NOTE
_ITEMS = reducing.ITEMS
_ENTRIES = reducing.ENTRIES
_KEYS = reducing.KEYS
_OLD_FORMS = reducing.OLD_FORMS
_SINGLETON_TYPES = reducing.SINGLETON_TYPES
_EXEMPT = reducing.EXEMPT
_LEVEL = reducing.LEVEL

# What is known of a class: nothing; that its instances are their ``__dict__``; that they are their slots; or that they
# are reduced one by one, by code in C, by such code and have no attributes of their own, or by any; or that they are
# made empty and filled.
_UNKNOWN, _PLAIN, _SLOTTED, _IN_C, _BARE, _REDUCED, _FILLED = 0, 1, 2, 3, 4, 5, 6


class Encoder(Arrays):
    """Writes one object graph.

    :param make_gate: makes the gate that grants what is written, when it is needed; None without a policy.
    :param memo: shared by the dumps of one Pickler; None writes without a memo (``fast``).
    :param one_shot: the memo is not used again: entries that nothing can refer to may be left out.
    """

    def begin(
        self,
        protocol: int,
        bounds: Bounds,
        make_gate: Callable[[], WriteGate] | None,
        memo: Memo | None,
        file_write: Callable[[Any], Any] | None,
        fix_imports: bool,
        buffer_callback: Callable[[Any], Any] | None,
        one_shot: bool,
    ) -> None:
        """Begin one dump."""
        # Text and bytes without a second owner are never memoized in one shot. Containers neither, where the encoder
        # can start over (with buffers to give away it would, at the first one); protocols 0 to 2 are for Python 2 too
        # and are written byte for byte as pickle does.
        sparing = one_shot and protocol > 2 and file_write is None and buffer_callback is None
        self.begin_containers(protocol, bounds, memo, make_gate is not None, sparing)
        self.make_gate = make_gate
        self.fix_imports = fix_imports
        self.one_shot = one_shot
        self.table: Any = None
        #: A hook of the user's is running: what it raises is not ours to change.
        self.in_hook = False
        self.classes: Any = None
        self.begin_instances()
        self.begin_arrays(buffer_callback, file_write)
        self._begin_output()

    def serves(self, protocol: int, bounds: Bounds, make_gate: Any, fix_imports: bool) -> bool:
        """Return whether these are the terms of the last dump, which was one shot to memory."""
        is_same = self.protocol == protocol and self.bounds is bounds and self.make_gate is make_gate
        return is_same and self.fix_imports == fix_imports

    def begin_again(self) -> None:
        """Begin another dump under the same terms, after one that left nothing (:meth:`rest`)."""
        self.sparing = self.protocol > 2 and bool(cython.compiled)
        self.keep = True
        self.entry_written = False
        self.begin_counting()
        self.out.begin_output(self.protocol)

    def _begin_output(self) -> None:
        self.out.start(self.protocol, self.binary, self.bounds, self.memo, self.file_write, self.one_shot)

    def rest(self) -> bool:
        """Keep nothing of what was written but the room it took; False where it cannot serve again."""
        if not self.let_go():
            return False
        if self.classes is not None:
            self.classes = None
            self.table = None
            self.begin_instances()
            self.begin_arrays(None, None)
        if self.buffer_callback is not None:
            self.buffer_callback = None
        self.forget_entry()
        return True

    def save_known(self, obj: Any) -> None:
        """A global that was written for one use may be referred to for another."""
        if self.gate is not None:
            self.gate.refer_again(obj, self)

    def set_hooks(self, persistent_id: Any, reducer_override: Any, dispatch_table: Any, binary: bool) -> None:
        """Take over what a Pickler object adds."""
        self.persistent_id = persistent_id
        self.reducer_override = reducer_override
        if dispatch_table is not None:
            self.table = dispatch_table
        self.plain = persistent_id is None
        if binary != self.binary:
            self.binary = binary
            self._begin_output()

    def dump(self, obj: Any) -> bytes | None:
        """Write *obj*; return the pickle, or None where it went to a file."""
        try:
            try:
                return self._attempt(obj)
            except StartOver:
                self.start_over()  # compiled, a return in here crashes where there was no memory for a traceback
            if self.gate is not None:
                self.gate.forget()
                # What is known of classes goes without asking for what it was granted; that is to be asked for again.
                self.classes = None
                self.begin_arrays(self.buffer_callback, self.file_write)
            self.keep = True
            self._begin_output()
            return self._attempt(obj)
        except SafePickleError as error:
            if not isinstance(error, MemoryError):  # compiled: there was no memory to make the one that was raised
                self.locate(error)
            raise
        except Exception as error:
            if not self.guarded or self.in_hook or self.out.in_file:
                raise
            what = f"{self.doing} raised {type(error).__name__}" if self.doing else f"{type(error).__name__}: {error}"
            failure = EncodingError(quote(what)[1:-1] if not what.isascii() else what)
            self.locate(failure)
            raise failure from error
        finally:
            if self.callee is not None:
                self.callee = None
            self.release()

    def _attempt(self, obj: Any) -> bytes | None:
        out = self.out
        if self.protocol >= 4:
            out.start_framing()
        self.save(obj, 0)
        while self.depth > 0:
            frame = self.top
            kind = frame.kind
            if kind == _RUN:
                self.walk_run(frame)
            elif kind == _TABLE:
                self.walk_table(frame)
            elif kind == _WHOLE:
                self.walk_whole(frame)
            elif kind == _CLOSED:
                self.close(frame)
            elif kind == _SCRIPT:
                self._walk_script(frame)
            elif kind == _PAIRS:
                self.walk_pairs(frame)
            else:
                self.walk_run(frame)
        put(out, _STOP)
        self.check_counts()
        return out.finish()

    # -- everything else ---------------------------------------------------------------------------------------

    def ask_persistent_id(self, obj: Any) -> bool:
        """Ask the user's persistent_id; write the id if it gives one."""
        self.look()
        self.in_hook = True
        pid = self.persistent_id(obj)
        self.in_hook = False
        if pid is None:
            return False
        if self.guarded:
            conforming.check_persistent_id(pid)
        self.count_call()
        if not self.binary:
            self.out.line(reducing.persistent_line(pid, self.guarded), pid)
            return True
        # The id itself is not asked about again.
        if self.out.leaf(pid, 0):
            put(self.out, _BINPERSID)
            return True
        self.push(_SCRIPT, None, [_CODE, _BINPERSID], 0, 2)
        self.save_parts(pid, 0)
        return True

    def save_other(self, obj: Any, kind: type) -> None:
        """Write or begin an object that is not of the exact types written without asking anybody."""
        if self.classes is None:
            self.classes = {}
            self.members = {}
            self.callees = {}
            if self.table is None:
                self.table = copyreg.dispatch_table
            if self.gate is None and self.make_gate is not None:
                self.gate = self.make_gate()
                self.gate.protocol = self.protocol
            if self.gate is not None:
                self.callees = self.gate.callees
                self.builders = self.gate.builders
        elif self._save_usual(obj, kind):
            return
        if self.protocol < 5 and is_itself(kind) and kind in _OLD_FORMS:
            self.count_call()
            self.push_script(obj, reducing.old_form(self, obj, kind), 1)
            return
        if kind is PickleBuffer:
            self.save_buffer(obj)
            return
        if self.reducer_override is not NotImplemented:
            self.in_hook = True
            reduced = self.reducer_override(obj)
            self.in_hook = False
            if reduced is not NotImplemented:
                self._save_reduced(obj, reduced, "reducer_override")
                return
        singleton = _SINGLETON_TYPES.get(obj) if kind is type else None
        if singleton is not None:
            self._save_reduced(obj, (type, singleton), "type")
            return
        if kind is type or kind is FunctionType:
            self.save_global(obj, None)
            return
        if self.gate is not None and not is_itself(kind):
            # Looking it up would run its metaclass, which may say that it is another class.
            self.ends_sparing()
            self.gate.require_class(kind, self)
        if self.gate is not None and self.one_shot and is_trusted(kind) and self._save_numpys(obj, kind):
            return
        table = self.table
        reducer: Any = table.get(kind, NotImplemented) if type(table) is not dict else _of_table(table, kind)
        if reducer is not NotImplemented:
            if runs_own_code(reducer):
                self.ends_sparing()
            self.look()
            self.doing = "a reducer of the dispatch table"
            reduced = reducer(obj)  # pyright: ignore[reportOptionalCall]
            self.doing = ""
            self._save_reduced(obj, reduced, reducer)
            return
        if issubclass(kind, type):
            self.save_global(obj, None)
            return
        self._save_instance(obj, kind)

    def _save_numpys(self, obj: Any, kind: type) -> bool:
        """Write an array or a dtype in the form that numpy writes it in; False, with nothing written, for others."""
        if self.protocol < 4 or self.memo is None or self.persistent_id is not None:
            return False
        if not self.gate.sees_arrays():  # type: ignore[union-attr]
            return False
        if kind is self.gate.usual_arrays().ndarray:  # type: ignore[union-attr]
            if kind in self.table or not self.save_array(obj, kind):
                return False
            self.classes[kind] = _BARE
            return True
        form = None if type(kind) is type else self.dtype_form(obj, kind)
        if form is None:
            return False
        self.save_dtype(obj, form)
        return True

    def dtype_form(self, obj: Any, kind: type) -> Any:
        """Return the form that a dtype is written in without asking it, None for anything else."""
        return None if kind in self.table else self.gate.dtype_form(obj, self)  # type: ignore[union-attr]

    def _save_instance(self, obj: Any, kind: type) -> None:
        itself = is_itself(kind)
        known = self.classes.get(kind, _UNKNOWN) if itself else _UNKNOWN
        is_asked = self.gate is not None and known == _UNKNOWN and obj is not self.callee
        if is_asked and not (itself and kind in _EXEMPT):
            self.gate.require_class(kind, self)  # type: ignore[union-attr]
        else:
            is_asked = False
        if not (is_asked and self.one_shot and self._remembers(kind) and self._save_usual(obj, kind)):
            self._reduce_instance(obj, kind, itself, self.classes.get(kind, _UNKNOWN) if itself else _UNKNOWN)

    def _reduce_instance(self, obj: Any, kind: type, itself: bool, known: int) -> None:
        """Ask an instance of a class that was granted how it is written.

        :param itself: whether the class is told apart by identity.
        :param known: what is known of it.
        """
        usual = known == _UNKNOWN and is_usual_class(kind, self.protocol)
        if self.sparing and not usual and known not in (_IN_C, _BARE, _FILLED) and not is_trusted(kind):
            self.ends_sparing()
        self.look()
        self.doing = "its reduce method"
        reducer: Any
        if self.guarded:
            reducer = reduce_method(obj, kind)
            reduced = reducer(self.protocol)
        else:
            reducer = getattr(obj, "__reduce_ex__", NotImplemented)
            if reducer is NotImplemented:
                reducer = reducing.old_reduce_method(obj, kind)
                reduced = reducer()
            else:
                reduced = reducer(self.protocol)
        self.doing = ""
        is_written = False
        if known == _UNKNOWN and itself:
            if usual and confirms_usual_class(obj, kind, reduced) and sets_attributes(kind):
                self._learn(kind)
                if self.gate is not None and self.one_shot and self.protocol >= 4 and type(kind) is type:
                    # As those that follow are written, and this one by the next dump. Nothing else refers to the state.
                    reduced = None
                    is_written = self._save_usual(obj, kind)
                    if not is_written:
                        reduced = reducer(self.protocol)
            else:
                trusted = is_trusted(kind)
                form = _REDUCED if not trusted else _IN_C if kind.__dictoffset__ else _BARE
                self.classes[kind] = form
                if self.gate is not None and form == _BARE and kind not in FILLED:  # of those more will be known
                    self.gate.keep_form(kind, form, ())
        if not is_written:
            self._save_reduced(obj, reduced, reducer)
        if itself and kind in FILLED and is_trusted(kind) and (self.gate is None or self.gate.may_fill(kind, self)):
            # All of it was granted just now, when its script was made.
            self.classes[kind] = _FILLED

    def _learn(self, kind: type) -> None:
        """Note that instances of a class are their attributes, if the policy lets them be made and given those."""
        members = slot_members(kind)
        if members is None or (self.gate is not None and not self.gate.may_restore(kind, self)):
            self.classes[kind] = _REDUCED
        else:
            form = _SLOTTED if members else _PLAIN
            self.members[kind] = members
            self.classes[kind] = form
            if self.gate is not None:
                self.gate.keep_form(kind, form, tuple([name for name, _ in members]))

    def _remembers(self, kind: type) -> bool:
        """Return whether the policy has kept what is known of a class; then it is known to this dump, too."""
        is_named = self.protocol >= 4 and type(kind) is type
        kept = self.gate.known_form(kind) if is_named else None  # type: ignore[union-attr]
        if kept is None:
            return False
        if kept.slots:
            self.members[kind] = tuple([(name, found_on(kind, name)) for name in kept.slots])
        self.classes[kind] = kept.form
        return True

    def _save_usual(self, obj: Any, kind: type) -> bool:
        """Write an instance of a class of which all is known; False, with nothing written, for another."""
        if not is_itself(kind):
            return False
        known = self.classes.get(kind, _UNKNOWN)
        if known in (_UNKNOWN, _REDUCED) or self.reducer_override is not NotImplemented:
            return False
        if kind in self.table:
            return False
        if known == _PLAIN:
            return self.save_plain_instance(obj, kind)
        if known == _SLOTTED:
            return self.save_slotted_instance(obj, kind)
        if known == _FILLED:
            return self.save_filled(obj, kind)
        if known == _BARE:
            # Nothing of the instance or its class can be in the way of the method in C.
            if kind is self.array_class and self.save_array(obj, kind):
                return True
            self.doing = "its reduce method"
            reduced = obj.__reduce_ex__(self.protocol)
            self.doing = ""
            self._save_reduced(obj, reduced, "__reduce_ex__")
            return True
        return False

    def _save_reduced(self, obj: Any, reduced: Any, reducer: Any) -> None:
        """Write or begin what a reduce method returned."""
        if isinstance(reduced, str):
            self.save_global(obj, reduced)
            return
        self.count_call()
        note = self.keep
        if not self.save_call(obj, reduced, note):
            # What getattr gives is two levels for the reader: the tuple of its arguments and the result.
            levels = 2 if type(reduced) is tuple and reduced and reduced[0] is _GETATTR else 1
            script = script_of(self, obj, reduced, reducer)
            self.push_script(obj, script, levels)
            if self.gate is None and type(reduced) is tuple and len(reduced) == 2:
                func = reduced[0]
                if type(func) is type and not is_new_helper(func):
                    # Nothing is to be asked if it is called once more.
                    self.callees[id(func)] = None

    def _walk_script(self, frame: Frame) -> None:
        """Go on with a script: pairs of a step and what it is about."""
        out = self.out
        script = frame.items
        while frame.index < frame.end:
            step = script[frame.index]
            subject = script[frame.index + 1]
            frame.index += 2
            if step <= _STATE:
                self.save(subject, 0)
            elif step == _CODE:
                put(out, subject)
            elif step == _USE:
                self.callee = subject
                self.save(subject, 0)
                self.callee = None
            elif step == _NOTE:
                # Its own arguments may have led back to it: then it is in the memo, and this one is dropped.
                if not out.recall_over(subject):
                    out.memoize(subject)
            elif step == _BYTES:
                out.put_bytes(subject)
            elif step == _ITEMS:
                run = self.push(_RUN_OF_ITEMS, None, [], 0, 0)
                run.iterator = subject
                run.stop = 0
                run.closer = 0
                run.owners = 2
                run.fresh = False
                run.single = _APPEND
                run.many = _APPENDS
            elif step == _ENTRIES:
                run = self.push(_PAIRS, None, [], 0, 0)
                run.iterator = subject
                run.stop = 0
                run.closer = 0
                run.single = _SETITEM
                run.many = _SETITEMS
            elif step == _KEYS:
                self.check_keys(subject, subject, 0)
            elif step == _LEVEL:
                self.extra += subject
            elif step == _AGAIN and not out.recall(subject):
                self.save(subject, 0)
            if self.top is not frame:
                return
        self.pop()

    def save_global(self, obj: Any, name: str | None) -> None:
        """Write a class, function or other global by its name."""
        found: Any = None
        if name is None and self.gate is not None and self.protocol >= 4:
            found = self.gate.known_name(obj)
        is_known = found is not None
        if not is_known:
            found = find_global(obj, name, self.gate is not None)
        if self.gate is not None:
            if self.protocol < 4:
                self.gate.check_owners(found, self)
            if obj is not self.callee:
                self.gate.refer(obj, found, self)
            elif not is_known and not self.gate.is_named_so(obj, found):
                raise EncodingError(f"{quote('.'.join(found))} was called otherwise when it was granted")
        elif self.protocol >= 2:
            code = reducing.extension_code(found)
            if code is not None:
                self.out.put_bytes(code)
                return
        if self.protocol >= 4 and self.persistent_id is None:
            self.opcodes += 3
            self.objects += 1
            self.out.text(found[0], 0)
            self.out.text(found[1], 0)
            put(self.out, _STACK_GLOBAL)
            self.out.memoize(obj)
            return
        # The reader makes a tuple and a call of each dot.
        dots = found[1].count(".") if self.protocol < 4 else 0
        self.opcodes += 8 * dots
        self.objects += dots
        for _ in range(dots):
            self.count_object(2)
            self.count_call()
        self.push_script(obj, reducing.global_script(self, obj, found), max(1, 2 * dots))

    def save_buffer(self, obj: Any) -> None:
        """Write a PickleBuffer: out of band if the callback takes it, else as bytes or bytearray."""
        if self.protocol < 5:
            raise EncodingError("PickleBuffer can only be pickled with protocol >= 5")
        with obj.raw() as raw:
            if not raw.contiguous:
                raise EncodingError("PickleBuffer can not be pickled when pointing to a non-contiguous buffer")
            in_band = True
            if self.buffer_callback is not None:
                self.ends_sparing()
                self.in_hook = True
                in_band = bool(self.buffer_callback(obj))
                self.in_hook = False
            if not in_band:
                self.objects += 2
                put(self.out, _NEXT_BUFFER)
                if raw.readonly:
                    put(self.out, _READONLY_BUFFER)
            else:
                # Copied once; a file is given what it may keep.
                data = raw if cython.compiled and self.file_write is None else raw.tobytes()
                if raw.readonly:
                    self.out.plain_bytes(data, obj)
                else:
                    self.objects += 1
                    self.out.plain_bytearray(data, obj)
                self.out.memoize(obj)


def _of_table(table: dict[type, Any], kind: type) -> Any:
    """Return the reducer of a class in a dispatch table, NotImplemented for none."""
    return table.get(kind, NotImplemented)


def new_encoder(
    protocol: int,
    bounds: Bounds,
    make_gate: Callable[[], WriteGate] | None,
    memo: Memo | None,
    file_write: Callable[[Any], Any] | None,
    fix_imports: bool,
    buffer_callback: Callable[[Any], Any] | None,
    one_shot: bool,
) -> Encoder:
    """Return an encoder for one dump; the parameters are those of the class."""
    encoder = Encoder.__new__(Encoder)
    encoder.equip()
    encoder.begin(protocol, bounds, make_gate, memo, file_write, fix_imports, buffer_callback, one_shot)
    return encoder
