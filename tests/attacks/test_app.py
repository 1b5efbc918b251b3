"""Attacks on what a policy allows: rights imply no others, BUILD, items, live objects (R11, R24, R40-R60).

The policy is `APP`: canaries with exactly the rights an application would give them.
"""

from __future__ import annotations

import sys
from collections import UserDict
from contextlib import suppress
from typing import Any

import pytest
from attacks import canary
from attacks.app import APP, CANARY, allowing
from attacks.asm import (
    ADDITEMS,
    APPEND,
    APPENDS,
    BUILD,
    DICT,
    LIST,
    MARK,
    NEWOBJ,
    NEWOBJ_EX,
    NONE,
    OBJ,
    REDUCE,
    SETITEM,
    SETITEMS,
    TUPLE0,
    TUPLE2,
    blob,
    call,
    dict_of,
    list_of,
    name,
    new,
    number,
    op,
    pickled,
    slot_state,
    state,
    text,
    tuple_of,
)
from attacks.expected import FAILED, MALFORMED, Expected, Loads, check, denied, equals
from attacks.tripwire import watched

from safepickle.errors import PolicyError, SafePickleError
from safepickle.policy.rules import Policy

PLAIN = new(name(CANARY, "Plain"))
SLOTTED = new(name(CANARY, "Slotted"))
ACT = name(CANARY, "act")
LAZY = call(name("builtins", "range"), number(10**10))
KEY, ONE = text("key"), number(1)


def _fields(cls: type, **fields: Any) -> Loads:
    return Loads(lambda value: type(value) is cls and value.__dict__ == fields)


def _pair(qualname: str) -> Expected:
    return denied((CANARY, qualname))


# --- Rights -------------------------------------------------------------------------------------------------

#: What each right gives, road by road: no right implies another. The rows called granted load.
RIGHTS: tuple[tuple[str, str, bytes, Expected], ...] = (
    ("refer is not call", "act refer", call(ACT), _pair("act")),
    ("refer is not call, by OBJ", "act refer", MARK + ACT + OBJ, _pair("act")),
    ("refer is not call, by INST", "act refer", MARK + op("INST", CANARY, "act"), _pair("act")),
    ("refer is not new", "Plain refer", PLAIN, _pair("Plain")),
    (
        "refer is not new, by NEWOBJ_EX",
        "Plain refer",
        name(CANARY, "Plain") + TUPLE0 + DICT + NEWOBJ_EX,
        _pair("Plain"),
    ),
    ("refer is not build", "Plain refer new", state(PLAIN, KEY, ONE), _pair("Plain")),
    ("call is not refer", "MadeByCall call", name(CANARY, "MadeByCall"), _pair("MadeByCall")),
    ("call is not new", "MadeByCall call", new(name(CANARY, "MadeByCall")), _pair("MadeByCall")),
    (
        "call is not build",
        "MadeByCall call",
        state(call(name(CANARY, "MadeByCall")), KEY, ONE),
        _pair("MadeByCall"),
    ),
    ("new is not refer", "Plain new", name(CANARY, "Plain"), _pair("Plain")),
    ("new is not call", "MadeByCall new", call(name(CANARY, "MadeByCall")), _pair("MadeByCall")),
    (
        "new is not call, by OBJ",
        "MadeByCall new",
        MARK + name(CANARY, "MadeByCall") + ONE + OBJ,
        _pair("MadeByCall"),
    ),
    (
        "new is not call, by INST",
        "MadeByCall new",
        MARK + ONE + op("INST", CANARY, "MadeByCall"),
        _pair("MadeByCall"),
    ),
    # Without arguments, OBJ and INST make an instance and call nothing, in pickle too.
    (
        "new, by OBJ",
        "MadeByCall new",
        MARK + name(CANARY, "MadeByCall") + OBJ,
        _fields(canary.MadeByCall),
    ),
    ("new is not append", "QuietList new", new(name(CANARY, "QuietList")) + ONE + APPEND, _pair("QuietList")),
    (
        "new is not append, by APPENDS",
        "QuietList new",
        new(name(CANARY, "QuietList")) + MARK + ONE + APPENDS,
        _pair("QuietList"),
    ),
    (
        "new is not setitem",
        "QuietDict new",
        new(name(CANARY, "QuietDict")) + KEY + ONE + SETITEM,
        _pair("QuietDict"),
    ),
    (
        "new is not setitem, by SETITEMS",
        "QuietDict new",
        new(name(CANARY, "QuietDict")) + MARK + KEY + ONE + SETITEMS,
        _pair("QuietDict"),
    ),
    (
        "new is not add",
        "QuietSet new",
        new(name(CANARY, "QuietSet")) + MARK + ONE + ADDITEMS,
        _pair("QuietSet"),
    ),
    ("hidden in a tuple", "Plain new", tuple_of(name(CANARY, "Plain")), _pair("Plain")),
    ("hidden in the memo", "Plain new", name(CANARY, "Plain") + op("BINPUT", 0) + b"0h\x00", _pair("Plain")),
    (
        "hidden as an argument",
        "MadeByCall call\nPlain new",
        call(name(CANARY, "MadeByCall"), name(CANARY, "Plain")),
        _pair("Plain"),
    ),
    ("hidden in state", "Plain new build", state(PLAIN, KEY, name(CANARY, "Plain")), _pair("Plain")),
    (
        "all of them, granted",
        "QuietList new append build",
        state(new(name(CANARY, "QuietList")) + ONE + APPEND, KEY, ONE),
        equals(canary.QuietList([1])),
    ),
    (
        "call, granted",
        "MadeByCall call",
        call(name(CANARY, "MadeByCall"), ONE),
        _fields(canary.MadeByCall, value=1),
    ),
    (
        "call, granted, by OBJ",
        "MadeByCall call",
        MARK + name(CANARY, "MadeByCall") + ONE + OBJ,
        _fields(canary.MadeByCall, value=1),
    ),
    (
        "call, granted, by INST",
        "MadeByCall call",
        MARK + ONE + op("INST", CANARY, "MadeByCall"),
        _fields(canary.MadeByCall, value=1),
    ),
)


@pytest.mark.parametrize(("title", "rows", "body", "expected"), RIGHTS, ids=[row[0] for row in RIGHTS])
def test_one_right_never_implies_another(sp: Any, title: str, rows: str, body: bytes, expected: Expected) -> None:
    check(sp, pickled(body), expected, policy=allowing(*rows.split("\n")))


AFTER: tuple[tuple[str, bytes], ...] = (
    ("a call", call(ACT)),
    ("a call by OBJ", MARK + ACT + ONE + OBJ),
    ("a call by INST", MARK + ONE + op("INST", CANARY, "act")),
    ("an instance", new(name(CANARY, "Loud"), ONE)),
    ("state", new(name(CANARY, "Loud")) + DICT + BUILD),
    ("items", new(name(CANARY, "Bag")) + MARK + ONE + APPENDS),
    ("an import", call(name("attacks.landmine", "Thing"))),
)


@pytest.mark.parametrize(("title", "body"), AFTER, ids=[row[0] for row in AFTER])
def test_nothing_is_done_after_a_denial(sp: Any, title: str, body: bytes) -> None:
    """R68, S12: the rest of the stream is read to list what else is refused, not to do what is allowed."""
    policy = allowing("act refer call", "Loud call new build", "Bag new append") | allowing(
        "Thing call", module="attacks.landmine"
    )
    refused = name("os", "system") + op("BINPUT", 99) + b"0"
    check(sp, pickled(refused + body), denied(("os", "system")), policy=policy)
    check(sp, pickled(call(name("os", "system")) + b"0" + body), denied(("os", "system")), policy=policy)


HIDING: dict[str, tuple[bytes, bytes]] = {
    "APPEND": (LIST, b"a"),
    "APPENDS": (LIST + MARK, APPENDS),
    "LIST": (MARK, b"l"),
    "TUPLE": (MARK, b"t"),
    "TUPLE1": (b"", b"\x85"),
    "TUPLE2": (NONE, TUPLE2),
    "TUPLE3": (NONE + NONE, b"\x87"),
    "SETITEM value": (DICT + KEY, SETITEM),
    "SETITEM key": (DICT, NONE + SETITEM),
    "SETITEMS value": (DICT + MARK + KEY, SETITEMS),
    "SETITEMS key": (DICT + MARK, NONE + SETITEMS),
    "DICT": (MARK + KEY, b"d"),
    "ADDITEMS": (op("EMPTY_SET") + MARK, ADDITEMS),
    "FROZENSET": (MARK, b"\x91"),
    "a tuple in a tuple": (b"", b"\x85\x85"),
    "a tuple in a list": (LIST, b"\x85a"),
    "nothing": (b"", b""),
}


@pytest.mark.parametrize("road", HIDING)
def test_a_class_appears_nowhere_without_the_right(sp: Any, road: str) -> None:
    """S3: the right to make instances is not the right to have the class, in whatever container."""
    before, after = HIDING[road]
    body = before + name(CANARY, "Plain") + after
    check(sp, pickled(body), _pair("Plain"), policy=allowing("Plain new build call"))
    check(sp, pickled(PLAIN + b"0" + body), _pair("Plain"), policy=allowing("Plain new build call"))
    found = Loads(lambda value: canary.Plain in flattened(value))
    check(sp, pickled(body), found, policy=allowing("Plain refer"))
    check(sp, pickled(op("BINPUT", 9).join([body, b""]) + b"0h\x09"), found, policy=allowing("Plain refer"))


def flattened(value: Any) -> list[Any]:
    """Return all that is in a value, itself included."""
    parts = list(value.items()) if type(value) is dict else value
    if type(parts) not in (list, tuple, set, frozenset):
        return [value]
    return [item for part in parts for item in flattened(part)]


# --- Names --------------------------------------------------------------------------------------------------

NAMES: tuple[tuple[str, str, str, str, bytes], ...] = (
    (
        "R11 split of module and name",
        "attacks.canary.Plain",
        "Inner",
        "attacks.canary",
        name(CANARY, "Plain.Inner"),
    ),
    (
        "R11 another split",
        "attacks.canary",
        "Plain.Inner",
        "attacks.canary.Plain",
        name("attacks.canary.Plain", "Inner"),
    ),
    ("R01 inner class of an allowed class", CANARY, "Plain", CANARY, name(CANARY, "Plain.Inner")),
    ("R01 prefix of an allowed name", CANARY, "Plain.Inner", CANARY, name(CANARY, "Plain")),
    ("R07 method of an allowed class", CANARY, "Plain", CANARY, name(CANARY, "Plain.method")),
    ("R05 module that is listed", "attacks", "canary", "attacks", name("attacks", "canary")),
    ("R10 case", CANARY, "Plain", CANARY, name(CANARY, "plain")),
)


@pytest.mark.parametrize(("title", "module", "listed", "asked", "body"), NAMES, ids=[row[0] for row in NAMES])
def test_names_are_compared_whole(sp: Any, title: str, module: str, listed: str, asked: str, body: bytes) -> None:
    check(sp, pickled(body), denied(), policy=allowing(f"{listed} refer new call build", module=module))


#: Names that a rule has, whole, and that lead where no rule may lead: refused when they are resolved.
LISTED: tuple[tuple[str, str, str], ...] = (
    ("R01 through a module", "attacks", "canary.act"),
    ("R01 through a function", CANARY, "act.__globals__"),
    ("R05 to the module's own dict", CANARY, "__dict__"),
    ("R05 to the built-ins", CANARY, "__builtins__"),
    ("R05 to the loader", CANARY, "__loader__"),
)


@pytest.mark.parametrize(("title", "module", "listed"), LISTED, ids=[row[0] for row in LISTED])
def test_what_is_listed_is_a_class_or_function(sp: Any, title: str, module: str, listed: str) -> None:
    check_refused(sp, pickled(name(module, listed)), allowing(f"{listed} refer new call build", module=module))


def test_an_inner_class_named_whole_is_granted(sp: Any) -> None:
    policy = allowing("Plain.Inner refer")
    check(
        sp,
        pickled(name(CANARY, "Plain.Inner")),
        Loads(lambda value: value is canary.Plain.Inner),
        policy=policy,
    )


@pytest.mark.parametrize(
    "gadget",
    [
        "os:system",
        "copyreg:dispatch_table",
        "attacks.canary:reexported",
        "builtins:eval",
        "functools:partial",
        "builtins:getattr",
        "pickle:loads",
    ],
)
def test_a_known_gadget_stays_denied_though_listed(sp: Any, gadget: str) -> None:
    """R22: no allow line hands over what drives or resolves callables, unless it says so loudly."""
    module, _, qualname = gadget.partition(":")
    policy = allowing(f"{qualname} refer call", module=module)
    check(sp, pickled(call(name(module, qualname), text("0"))), denied((module, qualname)), policy=policy)


# --- BUILD --------------------------------------------------------------------------------------------------

DUNDERS = (
    "__setstate__",
    "__class__",
    "__dict__",
    "__reduce__",
    "__reduce_ex__",
    "__deepcopy__",
    "__eq__",
    "__x__",
)

BUILDS: tuple[tuple[str, bytes, Expected], ...] = (
    ("R40 class given state", state(name(CANARY, "Plain"), text("limit"), ONE), MALFORMED),
    ("R40 class given slot state", slot_state(name(CANARY, "Plain"), text("limit"), ONE), MALFORMED),
    ("R40 metaclass given state", slot_state(name(CANARY, "WithMeta"), KEY, ONE), MALFORMED),
    ("R41 function given state", state(ACT, KEY, ONE), MALFORMED),
    ("R41 function given slot state", slot_state(ACT, text("__defaults__"), TUPLE0), MALFORMED),
    ("R43 instance-level __setstate__", state(PLAIN, text("__setstate__"), ACT) + KEY + BUILD, MALFORMED),
    (
        "R46 property setter, by slot state",
        slot_state(new(name(CANARY, "WithProperty")), text("guarded"), ONE),
        MALFORMED,
    ),
    ("R46 property of a slotted class", slot_state(SLOTTED, text("guarded"), ONE), MALFORMED),
    ("R46 slot that is not declared", slot_state(SLOTTED, KEY, ONE), MALFORMED),
    ("R46 method of the class, by slot state", slot_state(PLAIN, text("method"), ACT), MALFORMED),
    ("R49 bytes as a key", state(PLAIN, blob(b"key"), ONE), MALFORMED),
    ("R49 int as a key", state(PLAIN, ONE, ONE), MALFORMED),
    ("R49 None as a key", state(PLAIN, NONE, ONE), MALFORMED),
    ("R49 tuple as a key of slot state", slot_state(SLOTTED, tuple_of(KEY), ONE), MALFORMED),
    ("state that is a str", PLAIN + KEY + BUILD, MALFORMED),
    ("state that is a list", PLAIN + list_of(KEY) + BUILD, MALFORMED),
    ("state that is a tuple of three", PLAIN + tuple_of(NONE, NONE, NONE) + BUILD, MALFORMED),
    ("state for an int", state(ONE, KEY, ONE), MALFORMED),
    ("state for a list", state(LIST, KEY, ONE), denied()),
    ("state for a tuple", state(TUPLE0, KEY, ONE), MALFORMED),
    ("granted", state(PLAIN, KEY, ONE), _fields(canary.Plain, key=1)),
    (
        "granted, slots",
        slot_state(SLOTTED, text("declared"), ONE),
        Loads(lambda value: type(value) is canary.Slotted and value.declared == 1),
    ),
    ("granted, both", PLAIN + dict_of(KEY, ONE) + NONE + TUPLE2 + BUILD, _fields(canary.Plain, key=1)),
)


@pytest.mark.parametrize(("title", "body", "expected"), BUILDS, ids=[row[0] for row in BUILDS])
def test_state(sp: Any, title: str, body: bytes, expected: Expected) -> None:
    before = (
        dict(vars(canary.Plain)),
        canary.act.__defaults__,
        dict(vars(canary.act)),
        dict(vars(canary.WithMeta)),
    )
    check(sp, pickled(body), expected, policy=APP)
    after = (
        dict(vars(canary.Plain)),
        canary.act.__defaults__,
        dict(vars(canary.act)),
        dict(vars(canary.WithMeta)),
    )
    assert before == after


def test_slots_with_dunder_names_are_not_set(sp: Any) -> None:
    """R46: not even where a class declares one."""
    target = new(name(CANARY, "DunderSlot"))
    check(sp, pickled(slot_state(target, text("__marked__"), ONE)), MALFORMED, policy=APP)


@pytest.mark.parametrize("key", DUNDERS)
def test_state_keys_are_never_dunders(sp: Any, key: str) -> None:
    """R43, R45, R46: what is looked up on the instance later cannot come from the stream."""
    check(sp, pickled(state(PLAIN, text(key), NONE)), MALFORMED, policy=APP)
    check(sp, pickled(slot_state(PLAIN, text(key), NONE)), MALFORMED, policy=APP)


def test_a_function_as_state_is_only_data(sp: Any) -> None:
    """R44: an injected `append` is never called, because methods are looked up on the type."""
    injected = state(new(name(CANARY, "QuietList")), text("append"), ACT, text("extend"), ACT)
    expected = Loads(lambda value: list(value) == [1, 2])
    check(sp, pickled(injected + ONE + APPEND + MARK + number(2) + APPENDS), expected, policy=APP)


@pytest.mark.parametrize("tail", [ONE + APPEND, MARK + ONE + APPENDS, MARK + ONE + ADDITEMS, KEY + ONE + SETITEM])
def test_injected_methods_of_an_instance_are_never_called(sp: Any, tail: bytes) -> None:
    """R44: an object that is no container takes no items, whatever its state says."""
    pairs = [part for key in ("append", "extend", "add", "update", "__setitem__") for part in (text(key), ACT)]
    policy = allowing("Plain new build append setitem add", "act refer")
    check_refused(sp, pickled(state(PLAIN, *pairs[:-2]) + tail), policy)
    check_refused(sp, pickled(state(PLAIN, *pairs) + tail), policy)


def check_refused(sp: Any, data: bytes, policy: Any, **options: Any) -> None:
    """Refused by whatever error, and nothing ran."""
    with watched() as acts, pytest.raises(SafePickleError):
        sp.loads(data, policy=policy, **options)
    assert acts == []


def test_the_instance_is_not_asked_for_setstate(sp: Any) -> None:
    """R47: `__getattr__` of an allowed class does not run."""
    probing = new(name(CANARY, "Probing"))
    check(sp, pickled(state(probing, KEY, ONE)), Loads(lambda value: value.__dict__ == {"key": 1}), policy=APP)


def test_dict_state_does_not_run_setattr(sp: Any) -> None:
    """R46: dict state goes into `__dict__`; slot state runs no `__setattr__` either."""
    setting = new(name(CANARY, "Setting"))
    check(sp, pickled(state(setting, KEY, ONE)), Loads(lambda value: value.__dict__ == {"key": 1}), policy=APP)
    with watched() as acts, suppress(SafePickleError):
        sp.loads(pickled(slot_state(setting, KEY, ONE)), policy=APP)
    assert acts == []


def test_state_keys_are_not_interned(sp: Any) -> None:
    """R50, D21: interned strings are never freed on 3.12."""
    keys = [f"attacks_key_{sp.__name__}_{number_}" for number_ in range(3)]
    parts = [part for key in keys for part in (text(key), ONE)]
    value = sp.loads(pickled(state(PLAIN, *parts)), policy=APP)
    assert list(value.__dict__) == keys
    for key in keys:
        fresh = "".join([key[:5], key[5:]])
        assert sys.intern(fresh) is fresh, "the key from the stream is in the table of interned strings"


# --- Callables ----------------------------------------------------------------------------------------------


def test_equality_is_not_identity(sp: Any) -> None:
    """R24: an object that says it equals everything is not one of the allowed callables."""
    equal = new(name(CANARY, "Equal"))
    check(sp, pickled(equal + TUPLE0 + REDUCE), denied(), policy=APP)
    check(sp, pickled(MARK + equal + OBJ), denied(), policy=APP)
    check(sp, pickled(equal + TUPLE0 + NEWOBJ), denied(), policy=APP)


@pytest.mark.parametrize("made", [PLAIN, ONE, LIST, text("eval"), call(name(CANARY, "MadeByCall"))])
def test_only_globals_are_called(sp: Any, made: bytes) -> None:
    for road in (
        made + TUPLE0 + REDUCE,
        MARK + made + OBJ,
        made + TUPLE0 + NEWOBJ,
        made + TUPLE0 + DICT + NEWOBJ_EX,
    ):
        check_refused(sp, pickled(road), APP)


def test_exceptions_past_exception_are_not_swallowed(sp: Any) -> None:
    """R25: the machine wraps what derives from `Exception`, and nothing else."""
    with pytest.raises(KeyboardInterrupt):
        sp.loads(pickled(call(name(CANARY, "interrupt"))), policy=APP)
    check(sp, pickled(call(name(CANARY, "fail"))), FAILED, policy=APP)
    with pytest.raises(sp.errors.ReconstructionError) as caught:
        sp.loads(pickled(call(name(CANARY, "fail"))), policy=APP)
    assert type(caught.value.__cause__) is ZeroDivisionError


def test_call_of_an_instance_does_not_run_its_metaclass(sp: Any) -> None:
    """NEWOBJ is `cls.__new__`, never `cls(...)`: neither `__init__` nor a metaclass's `__call__` runs."""
    check(sp, pickled(new(name(CANARY, "WithMeta"))), Loads(lambda v: type(v) is canary.WithMeta), policy=APP)
    loud = allowing("Loud new")
    with watched() as acts:
        value = sp.loads(pickled(new(name(CANARY, "Loud"))), policy=loud)
    assert acts == []
    del value


def test_new_is_given_classes_only(sp: Any) -> None:
    """X26: what merely has a `__new__` is not a class."""
    policy = allowing("shaped_like_a_class refer new call")
    body = name(CANARY, "shaped_like_a_class")
    check_refused(sp, pickled(new(body)), policy)
    check_refused(sp, pickled(body + TUPLE0 + DICT + NEWOBJ_EX), policy)


# --- Live objects -------------------------------------------------------------------------------------------

LIVE: tuple[tuple[str, str, bytes], ...] = (
    ("SETITEM", "REGISTRY", KEY + ONE + SETITEM),
    ("SETITEMS", "REGISTRY", MARK + KEY + ONE + SETITEMS),
    ("APPEND", "QUEUE", ONE + APPEND),
    ("APPENDS", "QUEUE", MARK + ONE + APPENDS),
    ("ADDITEMS", "MEMBERS", MARK + ONE + ADDITEMS),
)


@pytest.mark.parametrize(("opcode", "target", "tail"), LIVE, ids=[row[0] for row in LIVE])
def test_items_go_only_into_what_this_load_made(sp: Any, opcode: str, target: str, tail: bytes) -> None:
    """R60: nor into a listed global, nor into what persistent_load or find_class returns."""
    live = getattr(canary, target)
    policy = allowing(f"{target} refer append setitem add build")
    check_refused(sp, pickled(name(CANARY, target) + tail), policy)

    class Persistent(sp.Unpickler):  # type: ignore[misc,name-defined]
        def persistent_load(self, pid: Any) -> Any:
            return live

    class Finding(sp.Unpickler):  # type: ignore[misc,name-defined]
        def find_class(self, module: str, name: str) -> Any:
            return live

    for cls, target_ in ((Persistent, text("id") + op("BINPERSID")), (Finding, name("x", "y"))):
        with pytest.raises(SafePickleError):
            cls(_file(pickled(target_ + tail))).load()
    assert not live


def test_items_go_into_nothing_from_outside_by_way_of_what_this_load_made(sp: Any) -> None:
    """R60: a UserDict, UserList or ChainMap keeps its items in what its state names."""
    outside: dict[str, Any] = {"dict": {}, "list": [], "data": UserDict()}

    class Persistent(sp.Unpickler):  # type: ignore[misc,name-defined]
        def persistent_load(self, pid: Any) -> Any:
            return outside[pid]

    def kept(cls: str, attribute: str, value: bytes) -> bytes:
        return state(new(name("collections", cls)), text(attribute), value)

    def lent(pid: str) -> bytes:
        return text(pid) + op("BINPERSID")

    policy = Policy.packs("stdlib") | Policy.from_text(
        'schema = 1\n[globals]\n"collections:UserDict" = ["new", "build", "setitem"]\n'
        '"collections:UserList" = ["new", "build", "append"]\n"collections:ChainMap" = ["new", "build", "setitem"]\n'
    )
    chained = kept("ChainMap", "maps", list_of(lent("data")))
    for body in (
        kept("UserDict", "data", lent("dict")) + KEY + ONE + op("SETITEM"),
        kept("UserList", "data", lent("list")) + ONE + APPEND,
        kept("ChainMap", "maps", list_of(lent("dict"))) + KEY + ONE + op("SETITEM"),
        chained + KEY + ONE + op("SETITEM"),
    ):
        with pytest.raises(PolicyError, match="not of this stream"):
            Persistent(_file(pickled(body)), policy=policy).load()
    assert not any(outside.values())
    # Nor into a global, nor into maps that only a class of its own understands.
    given = allowing("LIVING refer", "AnyMaps call setitem")
    for body in (
        kept("UserDict", "data", name(CANARY, "LIVING")) + KEY + ONE + op("SETITEM"),
        call(name(CANARY, "AnyMaps"), tuple_of(lent("dict"))) + KEY + ONE + op("SETITEM"),
    ):
        with pytest.raises(PolicyError, match="not of this stream"):
            Persistent(_file(pickled(body)), policy=policy | given).load()
    assert not canary.LIVING
    assert not outside["dict"]
    # Of this load they take them, beside what came from outside.
    own = tuple_of(lent("dict"), kept("UserDict", "data", dict_of()) + KEY + ONE + op("SETITEM"))
    assert Persistent(_file(pickled(own)), policy=policy).load()[1] == {"key": 1}


def _file(data: bytes) -> Any:
    import io

    return io.BytesIO(data)


def test_state_only_for_what_this_load_made(sp: Any) -> None:
    """R40, S4: BUILD onto an object that persistent_load returned changes the application's object."""
    live = canary.Plain()

    class Persistent(sp.Unpickler):  # type: ignore[misc,name-defined]
        def persistent_load(self, pid: Any) -> Any:
            return live

    with pytest.raises(SafePickleError):
        Persistent(_file(pickled(state(text("id") + op("BINPERSID"), KEY, ONE))), policy=APP).load()
    assert vars(live) == {}


def test_what_an_allowed_function_returns_is_under_the_rule_of_the_function(sp: Any) -> None:
    """R60: one of the same class made by the stream takes state; an object that lives on does not."""
    returned = call(name(CANARY, "shared"))
    check(sp, pickled(returned), Loads(lambda value: value is canary.SHARED), policy=APP)
    for tail in (dict_of(KEY, ONE) + BUILD, NONE + dict_of(KEY, ONE) + TUPLE2 + BUILD):
        check(sp, pickled(PLAIN + b"0" + returned + tail), _pair("shared"), policy=APP)
    assert vars(canary.SHARED) == {}


def test_items_of_a_list_subclass_go_through_its_type(sp: Any) -> None:
    """X18: `_pickle.c` calls extend, `pickle.py` append; both put the items in; real picklers emit it."""
    bag = new(name(CANARY, "Bag"))
    for tail, items in ((ONE + APPEND, [1]), (MARK + ONE + number(2) + APPENDS, [1, 2])):
        value = sp.loads(pickled(bag + tail), policy=APP)
        assert type(value) is canary.Bag
        assert list(value) == items
