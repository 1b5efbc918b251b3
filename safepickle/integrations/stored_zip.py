"""A zip archive of stored members, read so strictly that no other reader can see another one.

Zip readers disagree on what to believe: the directory at the end or the headers between the members, the first or the
last member of a name, what lies before, between and behind them. An archive that was made to be read in two ways is
how a scanner is shown something else than the loader gets (CVE-2025-1944, CVE-2025-10155 and their like). Here there
is one reading, or none.

Rules that hold here:

* The directory ends the file, without a comment, and covers it: members stand one behind the other from the first
  byte to the directory, with nothing between, and none over another.
* Each header in front of a member says what the directory says: name, method, flags, sizes and check sum.
* Members are stored, not compressed: what comes out is as long as what is there. No encryption, no other disks.
* No two members of one name; names are plain relative paths, compared as bytes are.
* Memory for the directory is paid for before it is read.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import FormatError, TruncatedError, quote

if TYPE_CHECKING:
    from ..decoding.budget import Budget

__all__ = ["Member", "StoredZip"]

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_HEADER = struct.Struct("<4s5H3L2H")
_DESCRIPTOR, _DESCRIPTOR64 = struct.Struct("<4s3L"), struct.Struct("<4sL2Q")
#: Sizes that stand in the field for 64 bits instead.
_ELSEWHERE = 2**32 - 1
#: Flags that may be set: sizes behind the member (3), a name in UTF-8 (11).
_FLAGS = 1 << 3 | 1 << 11
#: What one member takes in memory, in bytes.
_MEMBER = 400
_MOST_MEMBERS = 1_000_000


class Member(NamedTuple):
    """One member of an archive."""

    name: str
    size: int
    crc: int
    #: Where its header begins, and its data.
    start: int
    data: int


class _Entry(NamedTuple):
    raw: bytes
    flags: int
    crc: int
    size: int
    start: int


class StoredZip:
    """An archive that has been checked as a whole.

    :param file: a seekable binary file.
    :param budget: pays for the directory and for what is read.
    :raises FormatError: if it is no archive, or one that could be read in two ways.
    """

    def __init__(self, file: Any, budget: Budget) -> None:
        self._file = file
        self._budget = budget
        self._length = file.seek(0, 2)
        first, count, size = self._directory()
        budget.take_memory(size + count * _MEMBER)
        entries = _entries(self._bytes(first, size), count)
        self.members: dict[str, Member] = {}
        place = 0
        for entry in sorted(entries, key=lambda one: one.start):
            if entry.start != place:
                raise FormatError("members of the archive overlap, or something lies between them")
            member, place = self._member(entry, first)
            if member.name in self.members:
                raise FormatError(f"two members of the name {quote(member.name)}")
            self.members[member.name] = member
        if place != first:
            raise FormatError("something lies between the last member and the directory")

    def read(self, member: Member) -> bytearray:
        """Return a member's data, which are paid for here.

        :raises FormatError: if their check sum is another one.
        """
        import zlib

        self._budget.take_memory(member.size)
        self._budget.look_at_clock()
        data = bytearray(member.size)
        self._file.seek(member.data)
        view = memoryview(data)
        done = 0
        while done < member.size:
            piece = self._file.read(min(member.size - done, 1 << 20))
            if not piece or len(piece) > member.size - done:
                raise TruncatedError("the archive is cut off")
            view[done : done + len(piece)] = piece
            done += len(piece)
        if zlib.crc32(data) != member.crc:
            raise FormatError(
                f"the check sum of {quote(member.name)} is wrong: it is damaged, or was written without check sums"
            )
        return data

    # -- parts -------------------------------------------------------------------------------------------------

    def _bytes(self, start: int, size: int) -> bytes:
        if start < 0 or start + size > self._length:
            raise TruncatedError("the archive is cut off, or is none")
        self._file.seek(start)
        data = self._file.read(size)
        if type(data) is not bytes or len(data) != size:
            raise TruncatedError("the archive is cut off")
        return data

    def _directory(self) -> tuple[int, int, int]:
        """Return where the directory begins, how many members it has and how long it is."""
        where = self._length - _END.size
        mark, disk, other, here, count, size, first, comment = _END.unpack(self._bytes(where, _END.size))
        if mark != b"PK\x05\x06" or comment:
            raise FormatError("the file does not end as an archive does: something follows it, or it is none")
        wide = where - _LOCATOR.size
        if wide >= _END64.size and self._bytes(wide, 4) == b"PK\x06\x07":
            _, disk64, at, disks = _LOCATOR.unpack(self._bytes(wide, _LOCATOR.size))
            where = wide - _END64.size
            end = _END64.unpack(self._bytes(where, _END64.size))
            if end[0] != b"PK\x06\x06" or end[1] != _END64.size - 12 or at != where or disk64 or disks != 1:
                raise FormatError("the archive's two ends do not go together")
            narrow = (disk, other, here, count, size, first)
            disk, other, here, count, size, first = end[4:]
            # Each number of the narrow end is the wide one's, or says that it is there.
            for mine, theirs, most in zip(narrow, end[4:], (*(4 * (2**16 - 1,)), _ELSEWHERE, _ELSEWHERE), strict=True):
                if mine not in (theirs, most):
                    raise FormatError("the archive's two ends do not go together")
        if disk or other or here != count or count > _MOST_MEMBERS:
            raise FormatError("an archive on several disks, or of too many members")
        if first + size != where or size < count * _ENTRY.size:
            raise FormatError("the directory does not end where the archive does")
        return first, count, size

    def _member(self, entry: _Entry, limit: int) -> tuple[Member, int]:
        """Return a member, and where the next one begins; its header has been compared with the directory."""
        head = self._bytes(entry.start, _HEADER.size)
        mark, _, flags, method, _, _, crc, packed, size, names, more = _HEADER.unpack(head)
        if mark != b"PK\x03\x04" or flags != entry.flags or method:
            raise FormatError("the header of a member is another one than the directory says")
        rest = self._bytes(entry.start + _HEADER.size, names + more)
        if rest[:names] != entry.raw:
            raise FormatError(f"{quote(entry.raw)} of the directory has another name in front of its data")
        place = entry.start + _HEADER.size + names + more
        end = place + entry.size
        sizes = _wide(rest[names:], (size, packed), "a header")
        plain = (crc, *sizes) == (entry.crc, entry.size, entry.size)
        if not plain and (not flags & 1 << 3 or any((crc, *sizes))):
            raise FormatError(f"{quote(entry.raw)} has other sizes in front of its data than in the directory")
        if flags & 1 << 3:
            end = self._behind(entry, end)
        if end > limit:
            raise FormatError("a member reaches into the directory")
        return Member(_name(entry.raw), entry.size, entry.crc, entry.start, place), end

    def _behind(self, entry: _Entry, end: int) -> int:
        """Return where a member ends that says its sizes once more behind its data."""
        for form in (_DESCRIPTOR, _DESCRIPTOR64):
            if end + form.size <= self._length:
                found = form.unpack(self._bytes(end, form.size))
                if found == (b"PK\x07\x08", entry.crc, entry.size, entry.size):
                    return end + form.size
        if entry.size:
            raise FormatError(f"{quote(entry.raw)} has other sizes behind its data than in the directory")
        # Torch's writer leaves it out behind nothing.
        return end


def _entries(data: bytes, count: int) -> list[_Entry]:
    """Return what a directory says, which is nothing but entries."""
    found = []
    place = 0
    for _ in range(count):
        if place + _ENTRY.size > len(data):
            raise FormatError("the directory has fewer members than it says")
        row = _ENTRY.unpack_from(data, place)
        mark, _, _, flags, method, _, _, crc, packed, size, names, more, comment, disk, _, _, start = row
        place += _ENTRY.size
        if mark != b"PK\x01\x02" or disk or comment:
            raise FormatError("the directory is damaged, or its members have comments")
        if method or flags & ~_FLAGS:
            raise FormatError("a member is compressed or encrypted: torch stores all but the code of TorchScript")
        raw = data[place : place + names]
        size, packed, start = _wide(data[place + names : place + names + more], (size, packed, start), "the directory")
        if size != packed:
            raise FormatError(f"{quote(raw)} is stored, and has two sizes")
        found.append(_Entry(raw, flags, crc, size, start))
        place += names + more + comment
    if place != len(data):
        raise FormatError("the directory has more in it than its members")
    return found


def _wide(extra: bytes, numbers: tuple[int, ...], where: str) -> tuple[int, ...]:
    """Return numbers, those that stand elsewhere from the one field for 64 bits; other fields say nothing."""
    wide: list[int] | None = None
    place = 0
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, place)
        place += 4
        if kind == 1:
            if wide is not None or size % 8 or place + size > len(extra):
                raise FormatError(f"{where} has two fields of sizes, or a damaged one")
            wide = [int.from_bytes(extra[at : at + 8], "little") for at in range(place, place + size, 8)]
        elif kind == 0x7075:
            # A name in Unicode, which some readers take and others do not.
            raise FormatError(f"{where} has a second name for a member")
        place += size
    if place != len(extra):
        raise FormatError(f"{where} has a field that is cut off")
    left = list(wide or ())
    found = tuple(left.pop(0) if number == _ELSEWHERE and left else number for number in numbers)
    if left or _ELSEWHERE in found:
        raise FormatError(f"{where} has a field of sizes that does not fit")
    return found


def _name(raw: bytes) -> str:
    """Return a member's name: a relative path of plain parts."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError(f"a member's name is not UTF-8: {quote(raw)}") from None
    parts = name.split("/")
    plain = all(part and part not in (".", "..") for part in parts) and name.isprintable()
    if not plain or "\\" in name:
        raise FormatError(f"a member's name is no plain path: {quote(name)}")
    return name
