# cython: annotation_typing=False
"""Writing: values without parts to bytes, and references to what has been written before.

Rules that hold here:

* The bytes are those that ``_pickle.c`` writes: the same opcode for the same value at every protocol.
* It knows no policy and no object with parts; it never calls anything that belongs to the data.
* A value that nobody else refers to needs no memo entry, because nothing can point to it twice. ``owners`` says how
  many references the caller itself accounts for; the compiled form compares, the Python form memoizes always.
* What is written is bounded: text, bytes and ints before they are written, the whole by :class:`Output`.

In the compiled form ints, floats and text are written in C, which ``writing.pxd`` has. The names that only exist there
are used under ``cython.compiled`` alone.
"""
# mypy: disable-error-code="name-defined"
# pyright: reportUndefinedVariable=false

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from ..errors import LimitError
from .memo import Memo
from .opcodes import BY_NAME
from .output import FRAME_TARGET, Bounds, Output, pack_i4, pack_u2

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

_NONE = BY_NAME["NONE"].code
_NEWTRUE = BY_NAME["NEWTRUE"].code
_NEWFALSE = BY_NAME["NEWFALSE"].code
_BININT = BY_NAME["BININT"].code
_BININT1 = BY_NAME["BININT1"].code
_BININT2 = BY_NAME["BININT2"].code
_LONG1 = BY_NAME["LONG1"].code
_LONG4 = BY_NAME["LONG4"].code
_BINFLOAT = BY_NAME["BINFLOAT"].code
_SHORT_BINUNICODE = BY_NAME["SHORT_BINUNICODE"].code
_BINUNICODE = BY_NAME["BINUNICODE"].code
_BINUNICODE8 = BY_NAME["BINUNICODE8"].code
_SHORT_BINBYTES = BY_NAME["SHORT_BINBYTES"].code
_BINBYTES = BY_NAME["BINBYTES"].code
_BINBYTES8 = BY_NAME["BINBYTES8"].code
_BYTEARRAY8 = BY_NAME["BYTEARRAY8"].code
_BINGET = BY_NAME["BINGET"].code
_LONG_BINGET = BY_NAME["LONG_BINGET"].code
_BINPUT = BY_NAME["BINPUT"].code
_LONG_BINPUT = BY_NAME["LONG_BINPUT"].code
_MEMOIZE = BY_NAME["MEMOIZE"].code
_NEWLINE = 0x0A
_POP = BY_NAME["POP"].code

_pack_f8 = struct.Struct(">Bd").pack


_NEW = -1
_NEVER = -2


class Writer(Output):
    """The output of one pickle: ``Writer().start(...)``."""

    def start(
        self,
        protocol: int,
        binary: bool,
        bounds: Bounds,
        memo: Memo | None,
        file_write: Callable[[Any], Any] | None,
        sparing: bool,
    ) -> Writer:
        """Begin a pickle.

        :param protocol: 0 to 5.
        :param binary: False writes the text forms of protocol 0.
        :param bounds: the limits.
        :param memo: what has been written before, or None for no memo at all (``fast``).
        :param file_write: takes the output, piece by piece; None keeps it for :meth:`finish`.
        :param sparing: leave out memo entries that cannot be used (compiled form only).
        """
        self.protocol = protocol
        self.binary = binary
        self.open_output(protocol, bounds, file_write)
        self.memo = memo
        self.sparing = sparing
        self.offender: Any = None
        #: Ints of up to 64 bits need not be looked at; nor bytes and text of up to so many bytes in the short forms.
        self.free_ints = binary and bounds.max_int_bits >= 64
        self.free_text = min(bounds.max_string, FRAME_TARGET - 1) if binary and protocol >= 4 else -1
        return self

    # -- values without parts ----------------------------------------------------------------------------------

    def atom(self, item: Any, owners: int) -> bool:
        """Call :meth:`leaf` from Python code."""
        return self.leaf(item, owners)

    def leaf(self, item: Any, owners: int) -> bool:
        """Write *item* if it is a value without parts; return False, with nothing written, if it is not.

        A container that was written before is such a value, too, where that can be told at once.
        """
        if type(item) is str:
            self.text(item, owners)
        elif type(item) is int:
            self.integer(item)
        elif type(item) is float:
            self.floating(item)
        elif item is None:
            if cython.compiled:
                output_put(self.out, _NONE)
            else:
                self.buffer.append(_NONE)
        elif item is True or item is False:
            self.boolean(item)
        elif type(item) is bytes and self.protocol >= 3:
            self.binary_string(item, owners)
        elif cython.compiled and self.sparing and (type(item) is dict or type(item) is list or type(item) is tuple):
            return reference_count(item) > owners and self.recall(item)
        else:
            return False
        return True

    def list_atoms(self, items: list[Any], start: int, stop: int, owners: int) -> int:
        """Write items of a list from *start* up to the first one that has parts; return its index."""
        index = start
        in_runs = self.free_ints and self.protocol >= 2
        while index < stop:
            if cython.compiled and in_runs and is_scalar(items, index):
                index = output_numbers(self.out, items, index, stop)
                if index == stop:
                    break
            if not self.leaf(items[index], owners):
                break
            index += 1
        return index

    def tuple_atoms(self, items: tuple[Any, ...], start: int, stop: int, owners: int) -> int:
        """Write items of a tuple from *start* up to the first one that has parts; return its index."""
        index = start
        while index < stop and self.leaf(items[index], owners):
            index += 1
        return index

    def refuse(self, limit: str, bound: int, asked: int, item: Any) -> None:
        """Raise for *item*; the encoder finds its place by it."""
        self.offender = item
        raise LimitError(limit, bound, asked)

    def boolean(self, item: Any) -> None:
        """Write a bool."""
        if self.protocol >= 2:
            if cython.compiled:
                output_put(self.out, _NEWTRUE if item else _NEWFALSE)
            else:
                self.buffer.append(_NEWTRUE if item else _NEWFALSE)
        else:
            self.digits(b"I01" if item else b"I00", item)

    def integer(self, item: Any) -> None:
        """Write an int."""
        if cython.compiled:
            if not (self.free_ints and output_int(self.out, item, self.protocol >= 2)):
                self.large_integer(item)
        elif not self.free_ints or not -0x80000000 <= item <= 0x7FFFFFFF:
            self.large_integer(item)
        elif 0 <= item <= 0xFF:
            self.buffer.append(_BININT1)
            self.buffer.append(item)
        elif 0 <= item <= 0xFFFF:
            self.buffer += pack_u2(_BININT2, item)
        else:
            self.buffer += pack_i4(_BININT, item)

    def write_integer(self, item: Any) -> None:
        """Call :meth:`integer` from Python code."""
        self.integer(item)

    def write_float(self, item: Any) -> None:
        """Call :meth:`floating` from Python code."""
        self.floating(item)

    def large_integer(self, item: Any) -> None:
        """Write an int that is not short, or one in a text protocol."""
        bits = item.bit_length()
        if bits > self.bounds.max_int_bits:
            self.refuse("max_int_bits", self.bounds.max_int_bits, bits, item)
        if self.binary and -0x80000000 <= item <= 0x7FFFFFFF:
            if 0 <= item <= 0xFF:
                self.put2(_BININT1, item)
            elif 0 <= item <= 0xFFFF:
                self.put_u2(_BININT2, item)
            else:
                self.put_i4(_BININT, item)
        elif self.protocol >= 2:
            data = two_complement(item, bits)
            if len(data) < 256:
                self.put2(_LONG1, len(data))
            else:
                if len(data) > 0x7FFFFFFF:
                    raise OverflowError("int too large to pickle")
                self.put_i4(_LONG4, len(data))
            self.put_bytes(data)
        elif -0x80000000 <= item <= 0x7FFFFFFF:
            self.digits(b"I%d" % item, item)
        else:
            self.digits(b"L" + decimal_digits(item) + b"L", item)

    def floating(self, item: Any) -> None:
        """Write a float."""
        if not self.binary:
            self.line(b"F" + float.__repr__(item).encode("ascii"), item)
        elif cython.compiled:
            output_float(self.out, item)
        else:
            self.buffer += _pack_f8(_BINFLOAT, item)

    def text(self, item: Any, owners: int) -> None:
        """Write a str, or a reference to it."""
        if cython.compiled:
            memo = self.memo
            if memo is None or (self.sparing and reference_count(item) <= owners):
                self.plain_text(item)
            else:
                # Looked up and added in one step.
                index = table_claim(memo.table, item, memo.count)
                if index >= 0:
                    self.get(index)
                else:
                    self.plain_text(item)
                    self.put_index(memo.count, item)
        elif self.free_text >= 0 and self.memo is not None:
            self._short_text(item)
        elif not self.recall(item):
            self.plain_text(item)
            self.memoize(item)

    def _short_text(self, item: Any) -> None:
        """Write a str, or a reference to it: the Python form's one call for what the methods below do."""
        memo: Any = self.memo
        index = memo.entries.get(id(item), _NEW)
        if index >= 0:
            self.get(index)
            return
        if len(self.buffer) >= self.next_stop:
            self.boundary()
        data = item.encode("utf-8", "surrogatepass")
        length = len(data)
        index = memo.count
        if length > 0xFF or length > self.free_text or index >= self.bounds.max_memo:
            self.any_text(item)
            self.memoize(item)
            return
        buffer = self.buffer
        buffer.append(_SHORT_BINUNICODE)
        buffer.append(length)
        buffer += data
        buffer.append(_MEMOIZE)
        memo.entries[id(item)] = index
        memo.kept.append(item)
        memo.count = index + 1

    def plain_text(self, item: Any) -> None:
        """Write a str."""
        if cython.compiled:
            if self.out.size >= self.next_stop:
                self.boundary()
            if not output_text(self.out, item, self.free_text):
                self.any_text(item)
        else:
            if len(self.buffer) >= self.next_stop:
                self.boundary()
            data = item.encode("utf-8", "surrogatepass")
            length = len(data)
            if length <= 0xFF and length <= self.free_text:
                self.buffer.append(_SHORT_BINUNICODE)
                self.buffer.append(length)
                self.buffer += data
            else:
                self.any_text(item)

    def any_text(self, item: Any) -> None:
        """Write a str in whatever form it takes."""
        if self.binary:
            self._text_bytes(item)
        else:
            self._text_line(item)

    def _text_bytes(self, item: str) -> None:
        data = item.encode("utf-8", "surrogatepass")
        length = len(data)
        if length > self.bounds.max_string:
            self.refuse("max_string", self.bounds.max_string, length, item)
        if length <= 0xFF and self.protocol >= 4:
            self.put2(_SHORT_BINUNICODE, length)
            self.put_bytes(data)
        elif length > 0xFFFFFFFF:
            if self.protocol < 4:
                raise OverflowError("cannot serialize a string larger than 4GiB")
            self.large(_BINUNICODE8, 8, data)
        elif length >= FRAME_TARGET:
            self.large(_BINUNICODE, 4, data)
        else:
            self.put_u4(_BINUNICODE, length)
            self.put_bytes(data)

    def _text_line(self, item: str) -> None:
        # What ends a line, or a file on DOS, is escaped beyond what the codec does.
        text = item.replace("\\", "\\u005c").replace("\0", "\\u0000").replace("\n", "\\u000a")
        text = text.replace("\r", "\\u000d").replace("\x1a", "\\u001a")
        self.line(b"V" + text.encode("raw-unicode-escape"), item)

    def digits(self, text: bytes, item: Any) -> None:
        """Write an int or bool as a line. The reader takes its size from the number of digits, before it converts."""
        bits = (len(text.strip(b"-IL")) - 1) * 332192 // 100000 + 1
        if bits > self.bounds.max_int_bits:
            self.refuse("max_int_bits", self.bounds.max_int_bits, bits, item)
        self.line(text, item)

    def line(self, text: bytes, item: Any) -> None:
        """Write an opcode whose argument is a line of text (protocol 0)."""
        if len(text) - 1 > self.bounds.max_string:
            self.refuse("max_string", self.bounds.max_string, len(text) - 1, item)
        self.put_bytes(text)
        self.put(_NEWLINE)

    def binary_string(self, item: Any, owners: int) -> None:
        """Write bytes, or a reference to them (protocol 3 and later)."""
        index = self.index_of(item, owners)
        if index >= 0:
            self.get(index)
        else:
            if cython.compiled and bytes_size(item) <= self.free_text:
                if self.out.size >= self.next_stop:
                    self.boundary()
                output_blob(self.out, item)
            else:
                self.plain_bytes(item, item)
            if index == _NEW:
                self.memoize(item)

    def plain_bytes(self, data: Any, item: Any) -> None:
        """Write *data*, bytes-like, as bytes (protocol 3 and later); *item* is what it was taken from."""
        length = len(data)
        if length > self.bounds.max_string:
            self.refuse("max_string", self.bounds.max_string, length, item)
        if self.size() >= self.next_stop:
            self.boundary()
        if length <= 0xFF:
            self.put2(_SHORT_BINBYTES, length)
            self.put_bytes(data)
        elif length > 0xFFFFFFFF:
            if self.protocol < 4:
                raise OverflowError("serializing a bytes object larger than 4 GiB requires pickle protocol 4 or higher")
            self.large(_BINBYTES8, 8, data)
        elif length >= FRAME_TARGET:
            self.large(_BINBYTES, 4, data)
        else:
            self.put_u4(_BINBYTES, length)
            self.put_bytes(data)

    def plain_bytearray(self, data: Any, item: Any) -> None:
        """Write *data*, bytes-like, as a bytearray (protocol 5)."""
        length = len(data)
        if length > self.bounds.max_string:
            self.refuse("max_string", self.bounds.max_string, length, item)
        if self.size() >= self.next_stop:
            self.boundary()
        if length >= FRAME_TARGET:
            self.large(_BYTEARRAY8, 8, data)
        else:
            self.put_u8(_BYTEARRAY8, length)
            self.put_bytes(data)

    def begin_items(self, array: Any, length: int, readonly: bool) -> None:
        """Begin *length* bytes of an array in C order, not 4 GiB of them, as bytes or as a bytearray (protocol 5).

        They follow, as they are, and then :meth:`end_items`. Not for files, which are given large bytes uncopied.
        """
        if length > self.bounds.max_string:
            self.refuse("max_string", self.bounds.max_string, length, array)
        if self.size() >= self.next_stop:
            self.boundary()
        if length >= FRAME_TARGET:
            self.check_size(length)
            self._close_frame()
        if not readonly:
            self.put_u8(_BYTEARRAY8, length)
        elif length <= 0xFF:
            self.put2(_SHORT_BINBYTES, length)
        else:
            self.put_u4(_BINBYTES, length)

    def end_items(self, length: int) -> None:
        """End the bytes of an array: many of them are outside of any frame."""
        if length >= FRAME_TARGET:
            self._open_frame()

    # -- the memo ----------------------------------------------------------------------------------------------

    def index_of(self, item: Any, owners: int) -> int:
        """Return the memo index of text or bytes; :data:`_NEW` if it is to get one, :data:`_NEVER` if it is not."""
        if cython.compiled:
            if self.memo is None or (self.sparing and reference_count(item) <= owners):
                return _NEVER
            return table_find(self.memo.table, item)
        return _NEVER if self.memo is None else self.memo.entries.get(id(item), _NEW)

    def recall(self, item: Any) -> bool:
        """Write a reference to *item* if it has been written before."""
        if self.memo is None:
            return False
        if cython.compiled:
            index = table_find(self.memo.table, item)
        else:
            index = self.memo.entries.get(id(item), _NEW)
        if index < 0:
            return False
        self.get(index)
        return True

    def recall_over(self, item: Any) -> bool:
        """Replace what is on top of the reader's stack by *item*, if that has been written before."""
        if self.memo is None:
            return False
        index = self.memo.find(item)
        if index < 0:
            return False
        self.put(_POP)
        self.get(index)
        return True

    def memoize(self, item: Any) -> None:
        """Note that the reader has *item* on top of its stack, and tell it to note that too."""
        memo = self.memo
        if memo is not None:
            index = memo.count
            if cython.compiled:
                table_add(memo.table, item, index)
            else:
                memo.entries[id(item)] = index
                memo.kept.append(item)
            self.put_index(index, item)

    def put_index(self, index: int, item: Any) -> None:
        """Tell the reader to note what is on top of its stack, as entry *index*, which has been added to the memo."""
        if self.protocol >= 4 and index < self.bounds.max_memo:
            self.memo.count = index + 1  # type: ignore[union-attr]
            if cython.compiled:
                output_put(self.out, _MEMOIZE)
            else:
                self.buffer.append(_MEMOIZE)
        else:
            self.put_old_index(index, item)

    def put_old_index(self, index: int, item: Any) -> None:
        """Do so in the forms of protocols up to 3; refuse more entries than there may be."""
        if index >= self.bounds.max_memo:
            self.refuse("max_memo", self.bounds.max_memo, index + 1, item)
        self.memo.count = index + 1  # type: ignore[union-attr]
        if not self.binary:
            self.line(b"p%d" % index, item)
        elif index < 256:
            self.put2(_BINPUT, index)
        else:
            self.put_u4(_LONG_BINPUT, index)

    def get(self, index: int) -> None:
        """Write a reference to a memo entry."""
        if cython.compiled:
            if self.binary and index < 256:
                output_put2(self.out, _BINGET, index)
            else:
                self.get_any(index)
        elif self.binary and index < 256:
            self.buffer.append(_BINGET)
            self.buffer.append(index)
        else:
            self.get_any(index)

    def get_any(self, index: int) -> None:
        """Write a reference to a memo entry in whatever form it takes."""
        if not self.binary:
            self.line(b"g%d" % index, None)
        elif index < 256:
            self.put2(_BINGET, index)
        else:
            self.put_u4(_LONG_BINGET, index)


def two_complement(item: int, bits: int) -> bytes:
    """Return an int's bytes as LONG1 and LONG4 take them: little-endian, none for 0, none too many."""
    if item == 0:
        return b""
    length = (bits >> 3) + 1
    data = item.to_bytes(length, "little", signed=True)
    if item < 0 and length > 1 and data[-1] == 0xFF and data[-2] & 0x80:
        data = data[:-1]
    return data


def decimal_digits(item: int) -> bytes:
    """Return an int's decimal digits."""
    return b"%d" % item


if not cython.compiled:
    # This is C in the compiled form.

    def is_shared(writer: Writer, _item: Any, _owners: int) -> bool:
        """Return whether an item belongs into the memo: whether anybody but its owners refers to it."""
        return writer.memo is not None
