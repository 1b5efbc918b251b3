# cython: annotation_typing=False
"""Keys: what hashing and comparing a key may cost, checked before it is done.

Rules that hold here:

* A key of exact type str, bytes, bool, None, float or small int costs nothing worth counting: str and bytes are
  hashed with a secret (SipHash) once, small ints have distinct hashes. Where keys of other kinds have its hash, it is
  counted with them: one float was compared with 63 fractions for each 11 bytes that set it again. That of an empty
  text is known: 0.
* Tuples, frozensets and instances are hashed by visiting what is in them, again and again where it is shared: a
  66-byte stream can ask for 2**30 visits (D06, D07), and CPython's tuple hash recurses on the C stack without a
  guard (D08, gh-154318). So the size of that visit is worked out first, without recursion and remembered, and
  charged to ``max_hash_work``; nesting beyond :data:`MAX_KEY_DEPTH` is refused.
* Comparing is paid for by what it takes: texts by their length, numbers by the square of theirs, since a decimal makes
  one of each int that it is compared with.
* Keys whose hashes an attacker can make equal (large ints, tuples, complex, numbers of other classes) are counted
  per container and hash: beyond :data:`MAX_EQUAL_HASHES` of one hash the container is refused (D04, D05).
"""

from __future__ import annotations

import gc
import sys
from collections import OrderedDict
from enum import EnumMeta
from time import monotonic
from types import FunctionType
from typing import Any

from ..errors import FormatError, LimitError, ReconstructionError, SafePickleError, quote
from .budget import Budget
from .resolving import comes_to_an_end

COMPILING = False
if COMPILING:
    import cython
else:
    from .._form import cython

#: Nesting of tuples, frozensets and instances in a key that CPython's recursive hash is trusted with.
MAX_KEY_DEPTH = 200
#: Keys with one hash in one container.
MAX_EQUAL_HASHES = 64
#: Sizes beyond this stay there.
SATURATED = 2**60
#: ints below this have distinct hashes (-1 and -2 apart): hash(n) is n modulo 2**61 - 1.
_SMALL = 2**60

#: Tuples up to this length are looked through anew each time.
_FLAT = 16

#: Bits of an int that are hashed, and characters of a text that are compared, in the time of one element.
_BITS, _CHARACTERS = 512, 64
#: Bits of an int, and bytes of a decimal, whose square tells how many elements it is to make one of the other.
_SQUARED_BITS, _SQUARED_BYTES = 128, 40
#: What it is to call a ``__hash__`` that is written in Python, in elements.
_CALLED = 8
#: Bytes of what is kept of a container with keys that are counted, of each such key, and of one that was measured.
_COUNTED, _COUNT, _REMEMBERED = 400, 96, 200

#: The clock is looked at once for so many items, less one: a power of 2, less one.
_LOOK = 1023
#: Keys and values of the shortest dict that is filled as a record: a shorter one does not outgrow its first table.
_LEAST = 12
#: A call that fills something may look each key up so many times.
_TIMES = 3

_TEXTS = frozenset({str})
_TEXTS_AND_INTS = frozenset({str, int})
_FREE = frozenset({str, bytes, bool, type(None), float})
_UNHASHABLE = frozenset({list, dict, set, bytearray})
_SCALARS = frozenset({int, str, bytes, bool, type(None), float, complex, range, type, type(Ellipsis)})


if not cython.compiled:

    def _are_free(keys: list[Any] | tuple[Any, ...], big_ints: bool) -> bool:
        if not big_ints:
            return _TEXTS_AND_INTS.issuperset(map(type, keys))
        return _TEXTS.issuperset(map(type, keys)) and "" not in keys

    def set_free(target: dict[Any, Any], items: list[Any], start: int, big_ints: bool) -> int:
        """Set a few of *items* from *start* on, up to a key that needs a check; return where the rest begins."""
        stop = len(items)
        if stop - start > _FLAT:
            stop = min(stop, start + _LOOK + 1)
            keys = items[start:stop:2]
            if _are_free(keys, big_ints):
                for key, value in zip(keys, items[start + 1 : stop : 2], strict=True):
                    target[key] = value  # noqa: PERF403 - an update takes twice as long
                return stop
        for index in range(start, stop, 2):
            key = items[index]
            kind = type(key)
            if (kind is not str or not key) and (kind is not int or big_ints):
                return index
            target[key] = items[index + 1]
        return stop

    def add_free(target: set[Any], items: list[Any] | tuple[Any, ...], big_ints: bool) -> bool:
        """Add a few items where none needs a check; return whether that is done."""
        if len(items) > _LOOK or not _are_free(items, big_ints):
            return False
        target.update(items)
        return True


class KeyGuard:
    """Checks keys for one load.

    :param budget: pays for the work.
    :param strict: refuse what cannot be hashed with a :class:`FormatError`; else leave that to the container.
    """

    def open_guard(self, budget: Budget, strict: bool) -> None:
        """Have these terms, and begin with nothing seen."""
        self.budget = budget
        self.strict = strict
        self.bounded = budget.bounds_hashing
        #: Visits and depth by id, of what BUILD cannot change; the object is kept so that its id stays its own.
        self.sizes: dict[int, tuple[int, int, object]] | None = None
        #: By id of the container, which is kept likewise, and by hash: the key, or how many, and what the dearest of
        #: them is to compare.
        self.counts: dict[int, tuple[dict[int, Any], object]] | None = None
        #: Instances with a hash of their own that are keys, or in one, by id.
        self.keyed: dict[int, object] | None = None
        #: The keys of records, and a dict that has them (compiled form only).
        self.records: list[Any] | None = None
        self.begin_guard()

    def begin_guard(self) -> None:
        """Begin, where nothing is kept."""
        #: Whether the stream has ints so large that their hashes can be made equal; the machine says so.
        self.big_ints = False
        #: A container's own operation raised: what is raised is not the machine's.
        self.failed = False
        #: As many as were met in one key at most.
        self.most_met = 0

    def let_go(self) -> None:
        """Keep nothing that was seen."""
        if self.sizes is not None:
            self.sizes = None
        if self.counts is not None:
            self.counts = None
        if self.keyed is not None:
            self.keyed = None
        if self.records is not None:
            self.records = None
        if cython.compiled:
            forget_marks(self.marks)

    def check(self, container: object, key: object) -> None:
        """Refuse *key* if hashing it, or one more of its hash in *container*, costs too much."""
        kind = type(key)
        if kind is str and key:
            return
        if kind in _FREE or (kind is int and (not self.big_ints or -_SMALL < key < _SMALL)):  # type: ignore[operator]
            self._check_free(container, key)
            return
        if kind in _UNHASHABLE:
            if self.strict:
                raise FormatError(f"a {kind.__name__} cannot be a key or set item")
            return
        if kind in _SCALARS:
            size = _hashing(key) - 1
        else:
            size, depth = self._measure(key)
            if depth > MAX_KEY_DEPTH:
                raise LimitError("max_hash_work", MAX_KEY_DEPTH, depth)
        # Once here, and once by the container.
        self.budget.take_hash_work(2 * size)
        self._count(container, self._hash(key), key)

    def is_counted(self, container: object) -> bool:
        """Return whether a container has keys that are counted: others are compared with those of their hash."""
        return self.counts is not None and id(container) in self.counts

    def rehearse(self, keys: list[Any]) -> None:
        """Take many keys into a dict and a set, with looks at the clock: the call that takes them next has none.

        Ints can be chosen so that each is looked for among all others, though no two have one hash.
        """
        began = monotonic()
        entries: dict[Any, Any] = {}
        members: set[Any] = set()
        try:
            for start in range(0, len(keys), _LOOK + 1):
                part = keys[start : start + _LOOK + 1]
                entries.update(dict.fromkeys(part))
                members.update(part)
                self.budget.look_at_clock()
        except SafePickleError:
            raise
        except Exception as error:
            raise self.failure(error) from error
        self.budget.look_ahead(_TIMES * (monotonic() - began))

    def check_walks(self) -> None:
        """Refuse an OrderedDict whose keys have changed their hash: who walks it may come to no end."""
        if self.counts is not None:
            for _, container in self.counts.values():
                if not comes_to_an_end(container):
                    raise FormatError("a key of an OrderedDict has changed its hash")

    def pass_on(self, given: object, made: object) -> None:
        """Count on for *made*, which a call has filled, what was counted of the keys that it was given."""
        if self.counts is not None:
            entry = self.counts.pop(id(given), None)
            if entry is not None:
                self.counts.setdefault(id(made), (entry[0], made))

    def _check_free(self, container: object, key: object) -> None:
        """Count a key that costs nothing by itself, where others of its hash are: it is compared with all of them."""
        if self.counts is not None:
            entry = self.counts.get(id(container))
            if entry is not None:
                value = hash(key)
                if value in entry[0]:
                    self._count(container, value, key)

    def look(self, index: int) -> None:
        """Look at the clock once for so many items of a container that takes them one by one, or two by two."""
        if index & _LOOK == _LOOK - 1:
            self.budget.look_at_clock()

    def is_keyed(self, obj: object) -> bool:
        """Return whether an object has a hash of its own and is a key, or in one."""
        return self.keyed is not None and id(obj) in self.keyed

    def hash_of(self, obj: object) -> int:
        """Return the hash of an object that is a key, paid for."""
        size, _ = self._measure(obj)
        self.budget.take_hash_work(size)
        return self._hash(obj)

    def _comparing(self, key: object, known: dict[int, int]) -> int:
        """Return how many comparisons telling *key* from one like it may take.

        A member of a frozenset is looked for among those of the other one that have its hash; where these are many, and
        frozensets themselves, the next level multiplies by as many times as many again.
        """
        if type(key) in _SCALARS:
            return _comparing_leaf(key)
        cost = known.get(id(key))
        if cost is not None:
            return cost
        # One that is met within itself counts as a leaf.
        known[id(key)] = 1
        parts = self._parts(key)
        self.budget.take_hash_work(len(parts))
        if type(key) is frozenset:
            longest = dearest = 1
            runs: dict[int, int] = {}
            for part in parts:
                if type(part) not in _FREE:
                    value = self._hash(part)
                    runs[value] = runs.get(value, 0) + 1
                    longest = max(longest, runs[value])
                    dearest = max(dearest, self._comparing(part, known))
            # Two of these are not beyond a number of 64 bits, all three may be.
            cost = SATURATED if len(parts) * longest > SATURATED // dearest else 1 + len(parts) * longest * dearest
        else:
            cost = _CALLED if type(type(key).__eq__) is FunctionType else _comparing_leaf(key)
            for part in parts:
                cost = min(SATURATED, cost + self._comparing(part, known))
        known[id(key)] = cost
        return cost

    def passes(self) -> bool:
        """Note that a container raised while it took a key (the key's ``__eq__`` did); whether that is let out."""
        self.failed = True
        return not self.strict

    def failure(self, error: Exception) -> ReconstructionError:
        """Return what is raised for it otherwise."""
        return ReconstructionError(f"a key cannot be compared: {type(error).__name__}")

    def _hash(self, key: object) -> int:
        try:
            return hash(key)
        except Exception as error:
            if self.strict:
                if isinstance(error, TypeError) and type(key) in (tuple, frozenset):
                    raise FormatError(
                        f"a {type(key).__name__} with something unhashable in it cannot be a key"
                    ) from None
                raise ReconstructionError(
                    f"a key of type {quote(type(key).__name__)} cannot be hashed"
                ) from error
        return 0

    def _count(self, container: object, value: int, key: object) -> None:
        """Count the keys of hash *value* that the container has, this one included, and pay for comparing them."""
        if self.counts is None:
            self.counts = {}
        entry = self.counts.get(id(container))
        if entry is None:
            entry = ({}, container)
            self.counts[id(container)] = entry
            self.budget.take_memory(_COUNTED)
        counts = entry[0]
        found = counts.get(value)
        self.budget.take_memory(_COUNT)
        if found is None:
            counts[value] = key
            return
        if type(found) is not list:
            # The first one of the hash, of which nobody knows yet what it is to compare it.
            found = [1, self._comparing(found, {}) if self.bounded else 0]
            counts[value] = found
        found[0] += 1
        if not self.bounded:
            return
        if found[0] > MAX_EQUAL_HASHES:
            raise LimitError("max_hash_work", MAX_EQUAL_HASHES, found[0])
        # Compared, in the worst case, with every key of the same hash, of which each may be the dearest.
        found[1] = max(found[1], self._comparing(key, {}))
        self.budget.take_hash_work(min(SATURATED, found[0] * found[1]))
        self.budget.look_at_clock()

    def _measure(self, key: object) -> tuple[int, int]:
        """Return how many elements hashing *key* visits, and how deep it goes."""
        if type(key) is tuple and len(key) <= _FLAT:
            # Most tuples that are keys are short and have no other in them: nothing of them is remembered.
            flat = 1
            for part in key:
                if type(part) not in _SCALARS:
                    break
                flat = min(SATURATED, flat + _hashing(part))
            else:
                self.budget.take_hash_work(len(key))
                return flat, 1
        if self.sizes is None:
            self.sizes = {}
        known = self.sizes.get(id(key))
        if known is not None:
            return known[0], known[1]
        # Children before parents, without recursion. An object that is still open when it is met again is a cycle,
        # which hashing could only follow into a RecursionError: it counts as a leaf.
        open_ids = {id(key)}
        work: list[tuple[object, list[Any], int]] = [(key, self._parts(key), 0)]
        # Visits, depth, and whether an instance is among them: what hashing it visits may be more after a BUILD, so
        # that this is remembered for no other key.
        totals = [[1, 1, self._is_instance(key)]]
        met: dict[int, tuple[int, int, object]] = {}
        visited = 0
        total = totals[0]
        while work:
            obj, parts, index = work.pop()
            total = totals[-1]
            descended = False
            while index < len(parts):
                part = parts[index]
                index += 1
                visited += 1
                if type(part) in _SCALARS:
                    total[0] = min(SATURATED, total[0] + _hashing(part))
                    continue
                if id(part) in open_ids:
                    total[0] += 1
                    total[2] = True
                    continue
                known = self.sizes.get(id(part))
                if known is None and met:
                    known = met.get(id(part))
                    if known is not None:
                        total[2] = True
                if known is not None:
                    total[0] = min(SATURATED, total[0] + known[0])
                    total[1] = max(total[1], known[1] + 1)
                    continue
                work.append((obj, parts, index))
                work.append((part, self._parts(part), 0))
                totals.append([self._visit(part), 1, self._is_instance(part)])
                open_ids.add(id(part))
                descended = True
                break
            if descended:
                continue
            totals.pop()
            open_ids.discard(id(obj))
            if total[2]:
                met[id(obj)] = (total[0], total[1], obj)
            elif total[0] > _FLAT:
                self.sizes[id(obj)] = (total[0], total[1], obj)
                self.budget.take_memory(_REMEMBERED)
            if totals:
                above = totals[-1]
                above[0] = min(SATURATED, above[0] + total[0])
                above[1] = max(above[1], total[1] + 1)
                above[2] = above[2] or total[2]
        self.budget.take_hash_work(visited)
        if len(met) > self.most_met:
            self.budget.take_memory(_REMEMBERED * (len(met) - self.most_met))
            self.most_met = len(met)
        return total[0], total[1]

    def _visit(self, obj: object) -> int:
        """Return what it takes to hash an object within a key, beside its parts."""
        kind = type(obj)
        if issubclass(kind, int):
            return 1 + int.bit_length(obj) // _BITS  # type: ignore[arg-type]
        # Members of enumerations are shared, and what has one seldom hashes it.
        return _CALLED if type(kind.__hash__) is FunctionType and not isinstance(kind, EnumMeta) else 1

    def _is_instance(self, obj: object) -> bool:
        return type(obj) is not tuple and type(obj) is not frozenset

    def _parts(self, obj: object) -> list[Any]:
        """Return what hashing *obj* may visit."""
        kind = type(obj)
        if kind is tuple or kind is frozenset:
            return list(obj)  # type: ignore[call-overload,no-any-return]
        if kind.__hash__ is object.__hash__ or kind in _UNHASHABLE:
            return []
        if self.keyed is None:
            self.keyed = {}
        self.keyed[id(obj)] = obj
        dtypes = getattr(sys.modules.get("numpy"), "dtype", None)
        if isinstance(dtypes, type) and issubclass(kind, dtypes):
            # It does not show the collector what it holds.
            dtype: Any = obj
            if dtype.subdtype is not None:
                return [dtype.subdtype[0]]
            return [dtype.fields[name][0] for name in dtype.names or ()]
        # A class of its own: its __hash__ may visit any of its fields, which are in its slots or its __dict__.
        parts: list[Any] = []
        for part in gc.get_referents(obj):
            if type(part) is dict:
                parts.extend(part.values())
            elif not isinstance(part, type):
                parts.append(part)
        return parts


def _hashing(leaf: Any) -> int:
    """Return what it takes to hash what has no parts, in elements: a text keeps its hash, a large number does not."""
    if type(leaf) is int:
        return 1 + leaf.bit_length() // _BITS
    if type(leaf) is range:
        # It hashes its length as well.
        return 4 + 2 * (leaf.start.bit_length() + leaf.stop.bit_length() + leaf.step.bit_length()) // _BITS
    return 1


def _comparing_leaf(leaf: Any) -> int:
    """Return what it takes to compare what has no parts with its like, in elements.

    A decimal makes one of each int that it is compared with, digit by digit for each digit.
    """
    kind, digits = type(leaf), 0
    if kind is str or kind is bytes:
        return 1 + len(leaf) // _CHARACTERS
    if kind is int:
        digits = leaf.bit_length() // _SQUARED_BITS
    elif kind is range:
        digits = max(leaf.start.bit_length(), leaf.stop.bit_length(), leaf.step.bit_length()) // _SQUARED_BITS
    elif issubclass(kind, (str, bytes)):
        return 1 + int((str if issubclass(kind, str) else bytes).__len__(leaf)) // _CHARACTERS
    elif issubclass(kind, int):
        digits = int.bit_length(leaf) // _SQUARED_BITS
    else:
        decimals: Any = getattr(sys.modules.get("decimal"), "Decimal", None)
        if not isinstance(decimals, type) or not issubclass(kind, decimals):
            return 1
        digits = int(decimals.__dict__["__sizeof__"](leaf)) // _SQUARED_BYTES
    return min(SATURATED, 1 + digits * digits)


def make_filled(budget: Budget, target: Any, args: tuple[Any, ...]) -> Any:
    """Call a class with items that it takes: keys can be chosen so that each is looked for among many, without a look.

    An OrderedDict of a dict, or of a list of pairs as Python 2.7 wrote it, is filled piece by piece.
    """
    if target is not OrderedDict or len(args) != 1 or type(args[0]) not in (list, tuple, dict):
        return target(*args)
    pairs = list(args[0].items()) if type(args[0]) is dict else args[0]
    made: Any = OrderedDict()
    for start in range(0, len(pairs), _LOOK + 1):
        budget.look_at_clock()
        made.update(pairs[start : start + _LOOK + 1])
    return made


def add_items(guard: KeyGuard, target: set[Any], items: list[Any] | tuple[Any, ...]) -> None:
    """Add *items* to *target*, an exact set, each one checked."""
    big_ints = guard.big_ints or guard.is_counted(target)
    try:
        if not cython.compiled and add_free(target, items, big_ints):
            items = ()
        for index, item in enumerate(items):
            kind = type(item)
            if (kind is not str or not item) and (kind is not int or big_ints):
                guard.check(target, item)
                big_ints = guard.big_ints or guard.is_counted(target)
            if index & _LOOK == _LOOK:
                guard.budget.look_at_clock()
            target.add(item)
    except SafePickleError:
        raise
    except Exception as error:
        if guard.passes():
            raise
        raise guard.failure(error) from error


def set_items(guard: KeyGuard, target: dict[Any, Any], items: list[Any]) -> None:
    """Set *items*, keys and values in turn, in *target*, an exact dict, each key checked."""
    count = len(items)
    index = 0
    look = _LOOK
    try:
        if cython.compiled and _LEAST <= count <= _LOOK and not target and recurs(guard.marks, items):
            if guard.records is None:
                guard.records = [None] * (2 * _KINDS)
            is_asked = guard.big_ints or guard.is_counted(target)
            index = set_record(guard.marks, target, items, guard.records, is_asked)
        while index < count:
            index = set_free(target, items, index, guard.big_ints or guard.is_counted(target))
            if index < count:
                key = items[index]
                guard.check(target, key)
                target[key] = items[index + 1]
                index += 2
            if index > look:
                # Small ints can be chosen so that they probe the same slots; nothing but time shows it.
                guard.budget.look_at_clock()
                look = index + _LOOK
    except SafePickleError:
        raise
    except Exception as error:
        if guard.passes():
            raise
        raise guard.failure(error) from error


def set_item(guard: KeyGuard, target: dict[Any, Any], key: Any, value: Any) -> None:
    """Set one item of *target*, an exact dict; the key is no str."""
    try:
        guard.check(target, key)
        target[key] = value
    except SafePickleError:
        raise
    except Exception as error:
        if guard.passes():
            raise
        raise guard.failure(error) from error
