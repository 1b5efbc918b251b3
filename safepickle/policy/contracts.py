"""Contracts: what a callable may be given, and a class's instances as state, whichever policy lists it.

A rule says *that* a global may be called. These tables say *with what*, for the globals whose arguments can
hurt: that ask for memory or time out of proportion, hash or convert what they are given, or take any bytes
for a valid value.

Rules that hold here:

* The tables are keyed by the exact pair after renames and aliases. A contract holds for every road to the
  callable: REDUCE, OBJ, INST, NEWOBJ, NEWOBJ_EX (for the last two: the arguments after the class). It is not
  a permission: the policy is asked as well.
* A check returns None, or in a few words what was wrong. It sees hostile values: it asks for the *exact* type
  of each before it looks at it, calls no method of an object from the stream, hashes nothing but short text
  and ints, and takes time in proportion to the arguments. It says nothing of what it was given.
* What real picklers of CPython 2.7 and 3.8 to 3.13 write for these classes passes; little else does.
* The tables are complete once this is imported. Modules that a check needs for their classes are imported by the check,
  so that nobody pays for them who loads no such thing.

Attack ids (D05, R23, ...) are those of this project's catalogue of attacks on unpicklers.
"""

from __future__ import annotations

import re
from collections import ChainMap, UserDict
from collections.abc import Callable, Mapping
from types import BuiltinFunctionType, FunctionType, MappingProxyType, ModuleType
from typing import Any, NamedTuple

from .arrays import ARRAY_CALLS, ARRAY_STATES, is_settled, own_dtype_state
from .dates import (
    check_date,
    check_datetime,
    check_struct_time,
    check_time,
    check_timedelta,
    check_timezone,
    check_zoneinfo,
)
from .formats import FORMAT_CALLS, FORMAT_STATES
from .libraries import (
    CALLS_THAT_ASK,
    CALLS_THAT_KEEP,
    CALLS_THAT_WAIT,
    CHANGEABLE_STATES,
    LIBRARY_CALL_WEIGHTS,
    LIBRARY_CALLS,
    LIBRARY_STATE_WEIGHTS,
    LIBRARY_STATES,
)
from .parts import Args, Kwargs, exact_fields, has_base, is_int, is_text

__all__ = ["CONTRACTS", "ENUM", "HARMLESS_FACTORIES", "STATES", "Contract", "StateContract"]

Pair = tuple[str, str]

#: Digits of a number as text: the bound of ``sys.set_int_max_str_digits`` (CVE-2020-10735), held here because
#: that one is global to the process and can be switched off.
MAX_DIGITS = 4300
#: The same for ints, in bits; the default of ``Limits.max_int_bits``.
MAX_BITS = 14_284
#: Largest exponent of a Decimal, either way: decimal128's (IEEE 754), the widest interchange format.
MAX_EXPONENT = 6176
#: Longest text of a path: Linux's PATH_MAX is 4096, Windows' 32767.
MAX_PATH = 32_767


class Contract(NamedTuple):
    """What one callable may be given."""

    #: Returns why the arguments are refused, or None.
    check: Callable[[Args, Kwargs], str | None]
    #: What the contract stops.
    reason: str
    #: Where that is known from.
    source: str
    #: Index of an argument that the made object will call later, without arguments, or None. Whoever applies
    #: the contract asks the policy for the right to call it, unless it is one of :data:`HARMLESS_FACTORIES`.
    calls_later: int | None = None
    #: Returns how many bytes the call copies of arguments that it is allowed.
    weigh: Callable[[Args], int] | None = None
    #: Says whether what the call gave still has to be given state, without which nobody may have it; or None.
    waits: Callable[[Any], bool] | None = None
    #: Whether the check asks the library that the callable is of: it cannot be asked where nothing is imported.
    asks_library: bool = False
    #: Whether what it makes has its memory in an argument.
    keeps_data: bool = False


class StateContract(NamedTuple):
    """What one class's instances may be given as state."""

    #: Returns why the state is refused, or None.
    check: Callable[[Any], str | None]
    #: What the contract stops.
    reason: str
    #: Where that is known from.
    source: str
    #: In place of ``check`` where it depends on the object that gets the state.
    check_object: Callable[[Any, Any], str | None] | None = None
    #: Returns how many bytes setting the state takes, beside what is in the stream.
    weigh: Callable[[Any], int] | None = None

    #: Says whether no state may be given to an object any more.
    is_settled: Callable[[Any], bool] | None = None
    #: Whether it looks into lists, which later opcodes may change: then it is asked once more when the pickle ends.
    changeable: bool = False
    #: Returns the state to set, with copies of what the object would keep and later opcodes could change, and what
    #: becomes part of the object. Such an object gets its state before anything is made with it, and once.
    own: Callable[[Any], tuple[Any, tuple[Any, ...]]] | None = None
    #: Whether the object has its memory in a part of its state.
    keeps_data: bool = False

    def refusal(self, obj: Any, state: Any) -> str | None:
        """Return why an object is refused this state, or None."""
        return self.check(state) if self.check_object is None else self.check_object(obj, state)

    def refusal_to_set(self, obj: Any, state: Any) -> str | None:
        """The same where the state is about to be set."""
        if self.is_settled is not None and self.is_settled(obj):
            return "it has its state already, or is shared by the whole process"
        return self.refusal(obj, state)


# ---- parts -------------------------------------------------------------------------------------------------


def _positional(check: Callable[[Args], str | None]) -> Callable[[Args, Kwargs], str | None]:
    """Return a check that refuses keyword arguments, which none of the picklers writes for these."""

    def without_keywords(args: Args, kwargs: Kwargs) -> str | None:
        return "no keyword arguments" if kwargs else check(args)

    return without_keywords


def _nothing(args: Args) -> str | None:
    return "no arguments" if args else None


# ---- numbers -----------------------------------------------------------------------------------------------

_DECIMAL = r"[+-]?(?:Inf(?:inity)?|s?NaN[0-9]*|(?=\.?[0-9])[0-9]*(?:\.[0-9]*)?(?:[Ee]([+-]?[0-9]{1,5}))?)"
_FRACTION = rf"[+-]?[0-9]{{1,{MAX_DIGITS}}}(?:/[0-9]{{1,{MAX_DIGITS}}})?"


def _decimal(args: Args) -> str | None:
    if len(args) != 1 or type(args[0]) is not str:
        return "wants one text"
    if len(args[0]) > MAX_DIGITS:
        return f"more than {MAX_DIGITS} digits"
    match = re.fullmatch(_DECIMAL, args[0])
    if match is None:
        return "not a number as Decimal writes it, or an exponent beyond 5 digits"
    if match[1] is not None and abs(int(match[1])) > MAX_EXPONENT:
        return f"an exponent beyond {MAX_EXPONENT}"
    return None


def _fraction(args: Args) -> str | None:
    if len(args) == 1 and is_text(args[0], 2 * MAX_DIGITS + 2) and re.fullmatch(_FRACTION, args[0]):
        return None
    if len(args) == 2 and all(type(value) is int and value.bit_length() <= MAX_BITS for value in args):
        return None
    return "wants two ints, or a plain text such as 2/3"


def _int(args: Args) -> str | None:
    if not args or (len(args) == 1 and (type(args[0]) in {int, bool, float} or is_text(args[0], MAX_DIGITS))):
        return None
    return f"wants a number, or a text of up to {MAX_DIGITS} digits"


def _power(args: Args) -> str | None:
    fine = all(type(value) is float or (type(value) is int and value.bit_length() <= 32) for value in args)
    # Of two arguments; a third one is the modulus, which bounds the result.
    if fine and len(args) == 2 and type(args[0]) is type(args[1]) is int:
        fine = args[0].bit_length() * abs(args[1]) <= MAX_BITS
    return None if fine else f"wants numbers whose result stays within {MAX_BITS} bits"


def _factorial(args: Args) -> str | None:
    return None if args and all(is_int(value, 0, 1000) for value in args) else "wants ints up to 1000"


def _uuid(args: Args) -> str | None:
    # NEWOBJ gives none and leaves the rest to the state.
    if not args or (len(args) == 1 and is_text(args[0], 45)):
        return None
    return "wants nothing, or the text of a UUID"


# ---- containers --------------------------------------------------------------------------------------------


def _is_pairs(value: object) -> bool:
    """Say whether this is a list of pairs whose keys cost nothing to hash and cannot be made to collide.

    Keys set one by one are charged by the machine; those inside an argument are not (D04, D05). Text is
    hashed with a secret seed, and ints below 2**60 are their own hash.
    """
    if type(value) not in {list, tuple}:
        return False
    for pair in value:  # type: ignore[attr-defined]
        if type(pair) not in {list, tuple} or len(pair) != 2:
            return False
        if type(pair[0]) not in {str, bytes} and not is_int(pair[0], -(2**60), 2**60):
            return False
    return True


def _ordered_dict(args: Args) -> str | None:
    if not args or (len(args) == 1 and (type(args[0]) is dict or _is_pairs(args[0]))):
        return None
    return "wants nothing, a dict, or a list of pairs with simple keys"


def _defaultdict(args: Args) -> str | None:
    if not args or (len(args) == 1 and (args[0] is None or has_base(args[0], type) or type(args[0]) is FunctionType)):
        return None
    # A method of an object is of that type, too.
    if len(args) == 1 and type(args[0]) is BuiltinFunctionType and type(args[0].__self__) is ModuleType:
        return None
    return "wants nothing, or a class or function as factory"


def _one_of(*types: type) -> Callable[[Args], str | None]:
    """Return a check for no argument, or one of exactly these types."""
    allowed = frozenset(types)
    names = " or ".join(sorted(cls.__name__ for cls in types))

    def check(args: Args) -> str | None:
        return None if not args or (len(args) == 1 and type(args[0]) in allowed) else f"wants nothing, or a {names}"

    return check


def _deque(args: Args) -> str | None:
    if not args:
        return None
    if type(args[0]) not in {list, tuple} or len(args) > 2:
        return "wants a list and a length"
    if len(args) == 2 and args[1] is not None and not is_int(args[1], 0, 2**63 - 1):
        return "maxlen is an int of at least 0, or None"
    return None


def _chain_map(args: Args) -> str | None:
    return None if all(type(value) is dict for value in args) else "wants dicts"


_TYPECODES = frozenset("bBuwhHiIlLqQfd")


def _array(args: Args) -> str | None:
    if len(args) not in {1, 2} or not is_text(args[0], 1) or args[0] not in _TYPECODES:
        return "wants a type code and a list"
    if len(args) == 2:
        allowed = {str} if args[0] in "uw" else {int, float}
        if type(args[1]) is not list or not all(type(item) in allowed for item in args[1]):
            return "wants its items as a list of plain numbers, or of single characters"
    return None


def _array_reconstructor(args: Args) -> str | None:
    # (class, type code, machine format 0..21 of Modules/arraymodule.c, content)
    from array import array

    if len(args) != 4 or args[0] is not array or not is_text(args[1], 1) or args[1] not in _TYPECODES:
        return "wants array.array, a type code, a machine format and bytes"
    if not is_int(args[2], 0, 21):
        return "no such machine format"
    return None if type(args[3]) is bytes else "its content is bytes"


# ---- other values ------------------------------------------------------------------------------------------


def _path(args: Args) -> str | None:
    if len(args) > 1000 or sum(len(part) if type(part) is str else MAX_PATH + 1 for part in args) > MAX_PATH:
        return f"wants text, up to {MAX_PATH} characters in all"
    return None


def _address(bits: int) -> Callable[[Args], str | None]:
    def check(args: Args) -> str | None:
        if len(args) == 1 and (is_int(args[0], 0, 2**bits - 1) or is_text(args[0], 100)):
            return None
        return f"wants an int of {bits} bits, or a short text"

    return check


def _enum(args: Args) -> str | None:
    # Looking a member up hashes the value (D06), and a second argument makes a new class.
    if len(args) == 1 and (args[0] is None or is_int(args[0], -(2**63), 2**63) or is_text(args[0], 100)):
        return None
    return "wants one value: an int or a short text"


def _one_argument(args: Args) -> str | None:
    return None if len(args) == 1 else "wants one value"


def _os_error(args: Args) -> str | None:
    # The first of several is looked up in a dict to choose the subclass, so it is hashed.
    if len(args) < 2:
        return None
    plain = all(value is None or type(value) in {int, str, bytes} for value in args)
    return None if plain and len(args) <= 5 else "wants up to 5 ints and texts"


def _unicode_error(of: type | None) -> Callable[[Args], str | None]:
    def check(args: Args) -> str | None:
        if of is not None:
            if not args or not is_text(args[0], 100):
                return "wants the name of an encoding"
            args = args[1:]
        if len(args) != 4 or type(args[0]) is not (of or str) or type(args[3]) is not str:
            return "wants what was converted, start, end and a reason"
        converted, start, end, _ = args
        inside = is_int(end, 0, len(converted)) and is_int(start, 0, end)
        return None if inside else "start and end lie outside"

    return check


# ---- the table of calls ------------------------------------------------------------------------------------


def _entry(
    module: str,
    names: str,
    check: Callable[[Args], str | None],
    reason: str,
    source: str,
    calls_later: int | None = None,
    weigh: Callable[[Args], int] | None = None,
) -> dict[Pair, Contract]:
    contract = Contract(_positional(check), reason, source, calls_later, weigh)
    return {(module, name): contract for name in names.split()}


def _parsed(each: int, behind: int) -> Callable[[Args], int]:
    """Return what weighs an object that keeps what it has parsed, which may be of some text that is shared.

    :param each: bytes for each character.
    :param behind: bytes of what hangs on the object itself, and does not say its size.
    """

    def weigh(args: Args) -> int:
        return behind + sum(each * len(arg) for arg in args if type(arg) is str or type(arg) is bytes)

    return weigh


def _reduced(args: Args) -> int:
    """A fraction in its lowest terms has new numbers."""
    return sum(len(arg) if type(arg) is str else arg.bit_length() // 4 for arg in args if type(arg) in (str, int))


_PACKED = "a date made of any bytes: the constructor looks at the month only; year 0 crashes ctime()"
_PACKED_SOURCE = "found here: date(b'\\0\\0\\1\\1').ctime() ends CPython 3.11 and 3.13"
_ANY_KIND = "values of any kind"
_ADDRESSES = "IP{0}Address IP{0}Network IP{0}Interface"
_LAZY = "a range is unfolded, or keys are hashed, where nobody counts"
_ARITHMETIC = "a few bytes of input ask for numbers of any size"

#: What each callable may be given. Keyed by (module, qualified name).
CONTRACTS: Mapping[Pair, Contract] = MappingProxyType(
    {
        **_entry("datetime", "date", check_date, _PACKED, _PACKED_SOURCE),
        **_entry("datetime", "time", check_time, _PACKED, _PACKED_SOURCE),
        **_entry("datetime", "datetime", check_datetime, _PACKED, _PACKED_SOURCE),
        **_entry("datetime", "timedelta", check_timedelta, "arithmetic with huge numbers", "D19"),
        **_entry("datetime", "timezone", check_timezone, "a zone of other than plain values", "R26"),
        **_entry(
            "zoneinfo",
            "ZoneInfo._unpickle",
            check_zoneinfo,
            "a key that is a path; a file read for each call",
            "R23",
        ),
        **_entry(
            "time",
            "struct_time",
            check_struct_time,
            _LAZY,
            "D15, D06: it unfolds any sequence and hashes as a tuple",
        ),
        **_entry("decimal", "Decimal", _decimal, _ARITHMETIC, "D19: Decimal('1E999999999'), then int() of it"),
        **_entry("fractions", "Fraction", _fraction, _ARITHMETIC, "D19: Fraction('1e100000000')", weigh=_reduced),
        **_entry(
            "builtins",
            "int float",
            _int,
            "digits without bound; a conversion method of an instance",
            "D11, R26",
        ),
        **_entry("builtins", "str", _one_of(str), "repr of any object, of any size", "D10, R26"),
        **_entry("builtins", "list tuple", _one_of(list, tuple), _LAZY, "D15: list(range(5 * 10**7))"),
        **_entry("builtins", "dict", _ordered_dict, _LAZY, "D05"),
        **_entry("builtins", "pow", _power, _ARITHMETIC, "D19"),
        **_entry("operator", "pow ipow", _power, _ARITHMETIC, "D19"),
        **_entry("_operator", "pow ipow", _power, _ARITHMETIC, "D19"),
        **_entry("math", "factorial comb perm", _factorial, _ARITHMETIC, "D19"),
        **_entry("uuid", "UUID", _uuid, "a value that is not plain, hashed later", "D06"),
        **_entry("collections", "OrderedDict", _ordered_dict, _LAZY, "D05; Python 2.7 wrote a list of pairs"),
        **_entry("collections", "Counter", _one_of(dict), _LAZY, "D05"),
        **_entry(
            "collections",
            "defaultdict",
            _defaultdict,
            "any callable as factory, called later",
            "S3, R22",
            calls_later=0,
        ),
        **_entry("collections", "deque", _deque, _LAZY, "D15"),
        **_entry("collections", "ChainMap", _chain_map, "methods of any object, called by each look-up", "R26"),
        **_entry("collections", "UserDict", _one_of(dict), _LAZY, "D05"),
        **_entry("collections", "UserList", _one_of(list, tuple), _LAZY, "D15"),
        **_entry("collections", "UserString", _one_of(str), "str() of any object", "D10"),
        **_entry("array", "array", _array, _LAZY, "D15: array('b', range(10**9))"),
        **_entry("array", "_array_reconstructor", _array_reconstructor, "another class, or odd content", "R26"),
        **_entry(
            "pathlib",
            "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath",
            _path,
            "objects with __fspath__; interned parts without bound",
            "R26, R50",
            weigh=_parsed(12, 512),
        ),
        **_entry("ipaddress", _ADDRESSES.format("v4"), _address(32), _ANY_KIND, "R26", weigh=_parsed(4, 1024)),
        **_entry("ipaddress", _ADDRESSES.format("v6"), _address(128), _ANY_KIND, "R26", weigh=_parsed(4, 1024)),
        **_entry("types", "SimpleNamespace", _nothing, "attributes that BUILD would refuse: __class__", "R46"),
        **_entry("http", "HTTPStatus HTTPMethod", _enum, "a value hashed uncharged", "D06"),
        **_entry("calendar", "Month Day", _enum, "a value hashed uncharged", "D06"),
        **_entry("uuid", "SafeUUID", _enum, "a value hashed uncharged", "D06"),
        **_entry(
            "builtins",
            "OSError BlockingIOError ChildProcessError ConnectionError BrokenPipeError "
            "ConnectionAbortedError ConnectionRefusedError ConnectionResetError FileExistsError "
            "FileNotFoundError InterruptedError IsADirectoryError NotADirectoryError PermissionError "
            "ProcessLookupError TimeoutError",
            _os_error,
            "a value hashed uncharged: the errno chooses the subclass",
            "D06",
        ),
        **_entry(
            "builtins",
            "UnicodeDecodeError",
            _unicode_error(bytes),
            "start and end outside the object",
            "gh-123378",
        ),
        **_entry(
            "builtins",
            "UnicodeEncodeError",
            _unicode_error(str),
            "start and end outside the object",
            "gh-123378",
        ),
        **_entry("builtins", "UnicodeTranslateError", _unicode_error(None), "start and end outside", "gh-123378"),
        **{
            pair: Contract(
                _positional(check),
                reason,
                source,
                weigh=LIBRARY_CALL_WEIGHTS.get(pair),
                waits=CALLS_THAT_WAIT.get(pair),
                asks_library=pair in CALLS_THAT_ASK,
                keeps_data=pair in CALLS_THAT_KEEP,
            )
            for pair, (check, reason, source) in {**ARRAY_CALLS, **LIBRARY_CALLS, **FORMAT_CALLS}.items()
        },
    }
)

#: For every other enumeration that a policy lists: a class whose type is :class:`enum.EnumType`. Values of
#: such may be of any kind, so whoever applies this one charges the hash of the argument, as for a dict's key.
ENUM = Contract(_positional(_one_argument), "a second argument makes a new class", "R22")

#: What a defaultdict may call without the policy's right to call it: without arguments each gives an empty
#: value.
HARMLESS_FACTORIES: tuple[Pair, ...] = (
    *(
        ("builtins", name)
        for name in "bool int float complex str bytes bytearray list tuple dict set frozenset".split()
    ),
    *(("collections", name) for name in "OrderedDict Counter defaultdict deque".split()),
    ("decimal", "Decimal"),
)


# ---- state -------------------------------------------------------------------------------------------------


def _uuid_state(state: Any) -> str | None:
    fields = exact_fields(state, "int", "is_safe")
    if fields is None:
        return "wants int and is_safe"
    safe = fields.get("is_safe")
    if not is_int(fields["int"], 0, 2**128 - 1):
        return "wants an int of 128 bits"
    return None if safe is None or is_int(safe, -1, 0) else "is_safe is 0, -1 or None"


def _data_state(key: str, of: type) -> Callable[[Any], str | None]:
    def check(state: Any) -> str | None:
        fields = exact_fields(state, key)
        return None if fields is not None and type(fields[key]) is of else f"wants {key}, a {of.__name__}"

    return check


def _maps_state(state: Any) -> str | None:
    fields = exact_fields(state, "maps")
    if fields is None or type(fields["maps"]) is not list:
        return "wants maps, a list"
    if not all(any(has_base(one, base) for base in (dict, UserDict, ChainMap, Mapping)) for one in fields["maps"]):
        return "a part of maps is no mapping"
    return None


def _error_state(state: Any) -> str | None:
    fields = exact_fields(state, "", "name path name_from args")
    if fields is None:
        return "wants only name, path, name_from and args"
    for key, value in fields.items():
        if type(value) is not tuple if key == "args" else value is not None and type(value) is not str:
            return "wants text, and args as a tuple"
    return None


_CONVERTED = frozenset("encoding object start end reason".split())


def _unicode_error_state(state: Any) -> str | None:
    """What was converted, and where it failed, were compared with each other when the error was made."""
    if state is None:
        return None
    if type(state) is not dict or any(type(key) is not str or key in _CONVERTED for key in state):
        return "wants other attributes than those that it was made with"
    return None


def _nothing_known(state: Any) -> str | None:  # noqa: ARG001
    """For contracts that look at the object too: nothing passes without it."""
    return "its object is not known"


_HASHED = "a value hashed uncharged, at once or when the object is a key"

#: What each class's instances may be given as state. Keyed by (module, qualified name) of the class.
STATES: Mapping[Pair, StateContract] = MappingProxyType(
    {
        ("uuid", "UUID"): StateContract(_uuid_state, _HASHED, "D06: __setstate__ looks is_safe up in an enum"),
        ("collections", "ChainMap"): StateContract(_maps_state, "methods of any object", "R26", changeable=True),
        ("collections", "UserDict"): StateContract(_data_state("data", dict), "methods of any object", "R26"),
        ("collections", "UserList"): StateContract(_data_state("data", list), "methods of any object", "R26"),
        ("collections", "UserString"): StateContract(_data_state("data", str), _HASHED, "D06"),
        **dict.fromkeys(
            (("builtins", name) for name in ("AttributeError", "ImportError", "ModuleNotFoundError")),
            StateContract(_error_state, "setters of exceptions: args unfolds any sequence, __cause__", "R46, D15"),
        ),
        **dict.fromkeys(
            (("builtins", f"Unicode{kind}Error") for kind in ("Decode", "Encode", "Translate")),
            StateContract(_unicode_error_state, "start and end outside the object, set afterwards", "gh-123378, R46"),
        ),
        **{
            pair: StateContract(
                _nothing_known,
                reason,
                source,
                check,
                weigh,
                is_settled,
                own=own_dtype_state if pair == ("numpy", "dtype") else None,
                keeps_data=pair != ("numpy", "dtype"),
            )
            for pair, (check, weigh, reason, source) in ARRAY_STATES.items()
        },
        **{
            pair: StateContract(
                _nothing_known,
                reason,
                source,
                check,
                LIBRARY_STATE_WEIGHTS.get(pair),
                settled,
                changeable=pair in CHANGEABLE_STATES,
            )
            for pair, (check, settled, reason, source) in {**LIBRARY_STATES, **FORMAT_STATES}.items()
        },
    }
)
