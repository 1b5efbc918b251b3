"""numpy's own dtypes that are made of the bytes to come, and written without asking them: as the loop makes them."""

from __future__ import annotations

import copyreg
import io
import pickle
import pickletools
import re
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

np = pytest.importorskip("numpy")

from attacks.asm import (  # noqa: E402
    APPENDS,
    BUILD,
    LIST,
    MARK,
    MEMOIZE,
    NONE,
    POP,
    REDUCE,
    TUPLE,
    name,
    number,
    op,
    pickled,
    text,
)
from decoding.left_behind import left_by  # noqa: E402
from packs.test_usual_arrays import NUMPY  # noqa: E402

from safepickle.errors import LimitError, PolicyError, SafePickleError  # noqa: E402
from safepickle.limits import Limits  # noqa: E402
from safepickle.policy.contracts import CONTRACTS, STATES  # noqa: E402
from safepickle.policy.rights import Right, Rule  # noqa: E402
from safepickle.policy.rules import Policy  # noqa: E402

CODES = "b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16 O8".split()
#: Those, like ones that are not the same object, and some that have no form.
SOME = [
    *map(np.dtype, CODES),
    *(np.dtype(code, False, True) for code in CODES),
    *map(np.dtype, (">f8", ">i2", "S5", "U3", "V4", "M8[us]", "m8[3s]", "longdouble", "q", "Q")),
    np.dtype([("a", "<i4"), ("b", "<f8")]),
    np.dtype(("<i4", (2,))),
]
#: Does nothing, and is nothing that picklers write behind a class.
NOTHING = NONE + POP
GET = op("BINGET", 0)
#: The parts of a dtype behind its global: the code, the tuple, the call, the order, the rest of the state.
CODE, ARGS, ORDER = text("f8"), op("NEWFALSE") + op("NEWTRUE") + op("TUPLE3"), text("<")
REST = NONE * 3 + op("BININT", -1) * 2 + number(0) + TUPLE
#: The same with all its parts in the memo.
NOTED = CODE + MEMOIZE + ARGS + MEMOIZE + REDUCE + MEMOIZE + MARK + number(3) + ORDER + MEMOIZE + REST + MEMOIZE + BUILD
PLAIN = CODE + ARGS + REDUCE + MARK + number(3) + ORDER + REST + BUILD
NAMED = name("numpy", "dtype")


def attributes(dtype: Any) -> tuple[Any, ...]:
    """Return all that two dtypes may differ in."""
    plain = dtype.str, dtype.byteorder, dtype.flags, dtype.alignment, dtype.num, dtype.itemsize, dtype.isbuiltin
    return *plain, dtype.metadata, dtype.fields, dtype.shape, type(dtype)


def again(sp: ModuleType, data: bytes, **bounds: Any) -> Any:
    """Load under a policy that has named numpy's dtypes before."""
    sp.loads(pickle.dumps(np.dtype("i1")), policy=NUMPY)
    return sp.loads(data, policy=NUMPY, limits=Limits(**bounds))


def outcome(sp: ModuleType, data: bytes, **bounds: int) -> Any:
    """Return the value, or what was refused and why, but for where."""
    try:
        return repr(again(sp, data, **bounds))
    except PolicyError as error:
        return [(denial.name, denial.reason) for denial in error.denials]
    except LimitError as error:
        return error.limit
    except SafePickleError as error:
        return type(error)


# ---- the law -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", CODES)
def test_a_form_is_what_the_contracts_take(sp: ModuleType, code: str) -> None:
    forms = sys.modules[f"{sp.__name__}.decoding.usual_forms"]
    form = forms.form_by_code(np.dtype, code)
    made = np.dtype(*form.args)
    assert CONTRACTS["numpy", "dtype"].check(form.args, {}) is None
    assert STATES["numpy", "dtype"].refusal_to_set(made, form.state) is None
    made.__setstate__(form.state)
    assert attributes(np.dtype(*form.copy)) == attributes(made)
    assert form.args[0] == form.code == code
    assert form.state[1] == form.order
    opcodes = [(opcode.name, argument) for opcode, argument, _ in pickletools.genops(b"(" + form.tail + b".")]
    minus, flags = ("BININT", -1), ("BININT1", form.state[7])
    assert opcodes[1:-1] == [("NONE", None)] * 3 + [minus, minus, flags, ("TUPLE", None)]


def test_arrays_have_the_forms_that_the_contracts_take(sp: ModuleType) -> None:
    forms = sys.modules[f"{sp.__name__}.decoding.usual_forms"]
    array = np.arange(3)
    for protocol in (4, 5):
        form = forms.array_form(np.dtype, protocol)
        reduced = array.__reduce_ex__(protocol)
        assert reduced[0] is form.func
        assert form.names in CONTRACTS
        assert CONTRACTS[form.names].check(reduced[1], {}) is None
        assert form.order == (reduced[1][3] if protocol == 5 else None)


def test_what_is_not_numpy_s_own_has_no_form(sp: ModuleType) -> None:
    forms = sys.modules[f"{sp.__name__}.decoding.usual_forms"]
    noted = np.dtype("f8", metadata={"unit": "m"})
    others = [*SOME[2 * len(CODES) :], noted, np.dtype, np.float64, "f8", None, 5]
    for one in others:
        form = forms.form_of(np.dtype, one)
        # A name of a C type may be another one's.
        assert form is None or one.__reduce__() == (np.dtype, form.args, form.state)
    assert forms.form_of(np.dtype, noted) is None
    assert forms.form_of(np.dtype, np.dtype(">f8")) is None
    for one in SOME[: 2 * len(CODES)]:
        form = forms.form_of(np.dtype, one)
        assert one.__reduce__() == (np.dtype, form.args, form.state)


# ---- reading -----------------------------------------------------------------------------------------------

drawn = st.lists(st.sampled_from(SOME), min_size=1, max_size=6)


@given(values=drawn, protocol=st.integers(2, 5), ours=st.booleans())
def test_dtypes_are_those_of_pickle(sp: ModuleType, values: list[Any], protocol: int, ours: bool) -> None:
    values = [*values, *values[::-1], {"more": values}]
    data = sp.dumps(values, protocol, policy=NUMPY) if ours else pickle.dumps(values, protocol)
    found, theirs = again(sp, data), pickle.loads(data)
    for one, other in zip(found[:-1], theirs[:-1], strict=True):
        assert attributes(one) == attributes(other)
        # A new one, which may be given state; not the one that numpy hands out.
        assert (one is np.dtype(one.char)) == (other is np.dtype(other.char))
    # What is the same object in the one is so in the other.
    assert [id(one) == id(found[0]) for one in found] == [id(one) == id(theirs[0]) for one in theirs]


@given(values=drawn, protocol=st.integers(2, 5), ours=st.booleans())
def test_the_machine_is_left_as_the_loop_leaves_it(
    sp: ModuleType, values: list[Any], protocol: int, ours: bool
) -> None:
    if sp.COMPILED:
        pytest.skip("looks into the machine")
    values = [[values], values, *[np.ones(2, dtype) for dtype in values if dtype.kind in "bifc"]]
    data = sp.dumps(values, protocol, policy=NUMPY) if ours else pickle.dumps(values, protocol)
    again(sp, data)
    _, found = left_by(sp, data, NUMPY, "describe", ahead=True)
    none, expected = left_by(sp, data, NUMPY, "describe", ahead=False)
    assert none == 0
    assert found == expected


@pytest.mark.parametrize("ours", [False, True], ids=["pickle", "ours"])
def test_dtypes_are_made_at_once(sp: ModuleType, ours: bool) -> None:
    """Else the other tests compare the loop with itself."""
    if sp.COMPILED:
        pytest.skip("looks into the machine")
    values = [np.dtype(code) for code in CODES]
    data = sp.dumps(values, 4, policy=NUMPY) if ours else pickle.dumps(values, 4)
    again(sp, data)
    assert left_by(sp, data, NUMPY, "describe", ahead=True)[0] == len(CODES)


@pytest.mark.parametrize("noted", range(32))
def test_the_memo_holds_what_the_loop_notes(sp: ModuleType, noted: int) -> None:
    """The code, the arguments, the dtype, the order and the state, where MEMOIZE stands behind one, and only then."""
    parts = [CODE, ARGS, REDUCE, MARK + number(3) + ORDER, REST]
    dtype = b"".join(part + (noted >> place & 1) * MEMOIZE for place, part in enumerate(parts)) + BUILD
    gets = b"".join(op("BINGET", index) for index in range(1, 1 + 3 * noted.bit_count()))
    for named in (NAMED + MEMOIZE, NAMED + MEMOIZE + NOTHING):
        data = pickled(MARK, named, dtype, (GET + dtype) * 2, gets, NOTHING * 20, TUPLE)
        found, expected = again(sp, data), pickle.loads(data)
        assert found == expected
        # What is the same object in the one is so in the other, but for texts and tuples: the loop makes new ones.
        dtypes = [[one for one in some if isinstance(one, np.dtype)] for some in (found, expected)]
        assert [[one is other for other in dtypes[0]] for one in dtypes[0]] == [
            [one is other for other in dtypes[1]] for one in dtypes[1]
        ]


#: What is no dtype of numpy's own, or none at all.
WRONG = {
    "another order": PLAIN.replace(ORDER, text(">")),
    "no order": PLAIN.replace(ORDER, text("")),
    "two orders": PLAIN.replace(ORDER, text("<<")),
    "an order that is no ASCII": PLAIN.replace(ORDER, text("\xe9")),
    "the order of objects": PLAIN.replace(ORDER, text("|")),
    "bytes for its order": PLAIN.replace(ORDER, op("SHORT_BINBYTES", b"<")),
    "an order from the memo": PLAIN.replace(ORDER, op("BINGET", 1)),
    "no text from the memo": PLAIN.replace(ORDER, GET),
    "an entry that is not there": PLAIN.replace(ORDER, op("BINGET", 99)),
    "an order from far in the memo": PLAIN.replace(ORDER, op("LONG_BINGET", 1)),
    "flags of objects": PLAIN.replace(number(0), number(63)),
    "flags of nothing": PLAIN.replace(number(0), number(4)),
    "version 1": PLAIN.replace(number(3), number(1)),
    "version 4": PLAIN.replace(number(3), number(4)),
    "a size": PLAIN.replace(op("BININT", -1), op("BININT", 8), 1),
    "names": PLAIN.replace(NONE, op("EMPTY_TUPLE"), 1),
    "no copy": PLAIN.replace(op("NEWTRUE"), op("NEWFALSE")),
    "aligned": PLAIN.replace(op("NEWFALSE"), op("NEWTRUE")),
    "objects": PLAIN.replace(CODE, text("O8")),
    "objects as they are": PLAIN.replace(CODE, text("O8")).replace(ORDER, text("|")).replace(number(0), number(63)),
    "unknown": PLAIN.replace(CODE, text("zz")),
    "no ASCII": PLAIN.replace(CODE, text("f\xe9")),
    "structures": PLAIN.replace(CODE, text("i4,")),
    "a long code": PLAIN.replace(CODE, text("float64")),
    "bytes for its code": PLAIN.replace(CODE, op("SHORT_BINBYTES", b"f8")),
    "more state": PLAIN.replace(number(0) + TUPLE, number(0) + NONE + TUPLE),
    "state twice": PLAIN + MARK + number(3) + text(">") + REST + BUILD,
    "an item": PLAIN.replace(BUILD, op("APPEND")),
    "no state": CODE + ARGS + REDUCE,
    "nothing": b"",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_among_others_is_as_in_the_loop(sp: ModuleType, wrong: str) -> None:
    head = [LIST, MARK, NAMED, MEMOIZE, PLAIN, text("<"), MEMOIZE]
    there = pickled(*head, GET + PLAIN, GET + WRONG[wrong], GET + PLAIN, APPENDS)
    slowly = pickled(*head, *(GET + NOTHING + one for one in (PLAIN, WRONG[wrong], PLAIN)), APPENDS)
    assert outcome(sp, there) == outcome(sp, slowly)
    first = pickled(LIST, MARK, text("<"), POP, NAMED, MEMOIZE, WRONG[wrong], GET + PLAIN, APPENDS)
    slowly = pickled(LIST, MARK, text("<"), POP, NAMED, MEMOIZE, NOTHING, WRONG[wrong], GET + PLAIN, APPENDS)
    assert outcome(sp, first) == outcome(sp, slowly)


@pytest.mark.parametrize("named", [NAMED + MEMOIZE, NAMED + MEMOIZE + POP + GET], ids=["named", "from the memo"])
def test_each_other_byte_is_as_in_the_loop(sp: ModuleType, named: bytes) -> None:
    for place in range(len(NOTED)):
        for other in (0, 1, 0x28, 0x4E, 0x52, 0x62, 0x68, 0x74, 0x94, 0xFF, NOTED[place] ^ 1):
            changed = NOTED[:place] + bytes([other]) + NOTED[place + 1 :]
            fast, slow = (pickled(named, between, changed, NOTHING * 20) for between in (b"", NOTHING))
            assert outcome(sp, fast) == outcome(sp, slow), (place, other)


def test_a_pickle_that_ends_within_is_refused(sp: ModuleType) -> None:
    data = pickled(LIST, MARK, NAMED, MEMOIZE, PLAIN, (GET + PLAIN) * 2, APPENDS)
    assert len(again(sp, data)) == 3
    for end in range(2, len(data)):
        with pytest.raises(sp.SafePickleError):
            again(sp, data[:end])


@pytest.mark.parametrize("dtype", [PLAIN, NOTED], ids=["plain", "noted"])
def test_a_frame_ends_where_it_may_end(sp: ModuleType, dtype: bytes) -> None:
    """Between opcodes, or before an argument, but not within one, although its bytes are at hand (X22)."""
    body = pickled(LIST, MARK, NAMED, MEMOIZE, dtype, GET + dtype, APPENDS, NOTHING * 20)
    places = [place for _, _, place in pickletools.genops(body)]
    for end in range(3, len(body)):
        data = body[:2] + op("FRAME", end - 2) + body[2:]
        if end in places or end - 1 in places:
            assert again(sp, data) == pickle.loads(body)
        else:
            with pytest.raises(sp.FormatError):
                again(sp, data)


@pytest.mark.parametrize("limit", ["max_memory", "max_objects", "max_calls", "max_memo", "max_string", "max_depth"])
@pytest.mark.parametrize("ours", [False, True], ids=["pickle", "ours"])
def test_limits_are_met_where_the_loop_meets_them(sp: ModuleType, limit: str, ours: bool) -> None:
    values = [[[np.dtype(code)]] for code in CODES]
    data = sp.dumps(values, 4, policy=NUMPY) if ours else pickle.dumps(values, 4)
    slowly = data[:2] + re.sub(rb"h.(?=\x8c[\2\3])", lambda found: found[0] + NOTHING, data[11:], flags=re.DOTALL)
    assert slowly.count(NOTHING) >= len(CODES) - 1
    for bound in range(1, 16_000, 61) if limit == "max_memory" else range(100):
        found, expected = (outcome(sp, one, **{limit: bound}) for one in (data, slowly))
        # Memory is paid for where a slice of the loop ends.
        assert found == expected or {found, expected} <= {"max_memory", repr(again(sp, data))}


BOUNDED = ["max_memory", "max_objects", "max_calls", "max_memo", "max_string", "max_depth", "max_items"]


@pytest.mark.parametrize("limit", BOUNDED)
def test_what_is_refused_is_refused_at_the_same_byte(sp: ModuleType, limit: str) -> None:
    if sp.COMPILED:
        pytest.skip("looks into the machine")
    data = sp.dumps([[[np.dtype(code)]] for code in CODES], 4, policy=NUMPY)
    for bound in range(1, 16_000, 7) if limit == "max_memory" else range(100):
        limits = Limits(**{limit: bound})
        found, expected = (
            left_by(sp, data, NUMPY, "describe", ahead=ahead, limits=limits)[1]["value"] for ahead in (True, False)
        )
        assert found == expected


@pytest.mark.parametrize("before", [0, 40])
def test_opcodes_are_counted(sp: ModuleType, before: int) -> None:
    """Not one more than the limit is carried out, nor where others came before that have not been counted yet."""
    data = pickle.dumps([*range(before), *(np.dtype(code) for code in CODES)], 4)
    opcodes = [(opcode.name, place) for opcode, _, place in pickletools.genops(data)]
    for most in range(5, len(opcodes)):
        with pytest.raises(sp.LimitError, match="max_opcodes") as caught:
            again(sp, data, max_opcodes=most)
        # MEMOIZE is named after what it stands behind.
        assert (caught.value.opcode, caught.value.position) in opcodes[most - 2 : most]
    assert len(again(sp, data, max_opcodes=len(opcodes))) == before + len(CODES)


def test_the_last_entry_of_the_memo_is_within_the_limit(sp: ModuleType) -> None:
    data = pickled(LIST, MARK, NAMED, MEMOIZE, NOTED, (GET + NOTED) * 3, APPENDS, NOTHING * 10)
    for bound in range(21):
        assert outcome(sp, data, max_memo=bound) == "max_memo"
    assert len(again(sp, data, max_memo=21)) == 4


def others(rights: str, *rest: str) -> Policy:
    """The pack with another rule for numpy.dtype."""
    row = "\n".join(['schema = 1\nname = "app"', '[[allow]]\nmodule = "numpy"\nnames = ["dtype"]', rights, *rest])
    rules = [rule for rule in NUMPY.rules.values() if (rule.module, rule.name) != ("numpy", "dtype")]
    return Policy(name="others", rules=rules, aliases=NUMPY.aliases) | Policy.from_text(row)


@pytest.mark.parametrize("wanted", ["call", "build"])
def test_each_right_is_asked_for(sp: ModuleType, wanted: str) -> None:
    value = [np.dtype("f8"), np.arange(2)]
    policy = others('rights = ["{}"]'.format("build" if wanted == "call" else "call"))
    for protocol in (4, 5):
        data = pickle.dumps(value, protocol)
        for _ in range(2):
            with pytest.raises(PolicyError, match=wanted):
                sp.loads(data, policy=policy)
            with pytest.raises(PolicyError, match=wanted):
                sp.dumps(value, protocol, policy=policy)


def test_a_rule_that_asks_for_more_is_asked_each_time(sp: ModuleType) -> None:
    policy = others('rights = ["call", "build"]', 'args = [{ type = "str", pattern = "f8" }, "any", "any"]')
    good, bad = [np.dtype("f8")], [np.dtype("f8"), np.dtype("i8")]
    for _ in range(2):
        assert sp.loads(sp.dumps(good, policy=policy), policy=policy) == good
        for refused in (lambda: sp.loads(pickle.dumps(bad), policy=policy), lambda: sp.dumps(bad, policy=policy)):
            with pytest.raises(PolicyError, match=r"args\[0\]"):
                refused()


def test_a_rule_that_counts_counts_each(sp: ModuleType) -> None:
    policy = others('rights = ["call", "build"]', "max_instances = 2")
    value = [np.dtype(code) for code in CODES[:2]]
    for _ in range(3):
        assert sp.loads(sp.dumps(value, policy=policy), policy=policy) == value
        with pytest.raises(PolicyError, match="at most 2"):
            sp.loads(pickle.dumps([*value, np.dtype("f8")]), policy=policy)
        with pytest.raises(PolicyError, match="at most 2"):
            sp.dumps([*value, np.dtype("f8")], policy=policy)


def test_nothing_is_made_once_something_was_denied(sp: ModuleType) -> None:
    refused = name("os", "system") + text("id") + op("TUPLE1") + REDUCE
    data = pickled(LIST, MARK, refused, NAMED, MEMOIZE, PLAIN, APPENDS)
    assert [found[0] for found in outcome(sp, data)] == ["system"]
    if not sp.COMPILED:
        assert left_by(sp, data, NUMPY, "describe", ahead=True)[0] == 0


def test_what_find_class_gives_is_called(sp: ModuleType) -> None:
    calls: list[Any] = []

    def described(*args: Any) -> Any:
        calls.append(args)
        return np.dtype(*args)

    class Own(sp.Unpickler):  # type: ignore[name-defined,misc]
        def find_class(self, module: str, name: str) -> Any:
            return described

    data = pickle.dumps([np.dtype("f8"), np.dtype("i8")], 4)
    for _ in range(2):
        assert Own(io.BytesIO(data)).load() == [np.dtype("f8"), np.dtype("i8")]
    assert calls == [("f8", False, True), ("i8", False, True)] * 2


def test_a_class_of_another_rule_keeps_its_rule(sp: ModuleType) -> None:
    """Each is given state by the rule that it was made by, though they are of one class."""
    if not hasattr(np, "dtypes"):
        pytest.skip("this numpy has no names for its dtypes' classes")
    policy = NUMPY | Policy(name="kept", rules=[Rule(module="numpy.dtypes", name="Float64DType", rights=Right.CALL)])
    other = name("numpy.dtypes", "Float64DType") + op("EMPTY_TUPLE") + REDUCE
    given = MARK + number(3) + text(">") + REST + BUILD
    for between in (b"", NOTHING):
        for _ in range(2):
            ours = NAMED, MEMOIZE, between, PLAIN, GET, CODE, ARGS, REDUCE, given
            found = sp.loads(pickled(MARK, other, *ours, TUPLE), policy=policy)
            assert [dtype.str for dtype in found] == ["<f8", "<f8", ">f8"]
            with pytest.raises(PolicyError) as caught:
                sp.loads(pickled(MARK, other, given, NAMED, MEMOIZE, between, PLAIN, TUPLE), policy=policy)
            assert [(denial.name, denial.right) for denial in caught.value.denials] == [("Float64DType", "build")]


def made(code: str) -> Any:
    return np.dtype(code, False, True)


# ---- writing -----------------------------------------------------------------------------------------------


def test_notes_of_the_application_s_are_not_lost(sp: ModuleType) -> None:
    """A dtype with metadata is asked what it is written as, and so it is as before."""
    noted = np.dtype("f8", metadata={"unit": "m"})
    for value in (noted, [np.dtype("f8"), noted], np.zeros(2, noted)):
        theirs = pickle.loads(pickle.dumps(value, 4))
        for policy in (sp.UNRESTRICTED, NUMPY):
            data = sp.dumps(value, 4, policy=policy)
            assert b"unit" in data
            assert repr(pickle.loads(data)) == repr(sp.loads(data, policy=policy)) == repr(theirs)


def test_a_base_that_a_dtype_was_given_is_not_lost(sp: ModuleType) -> None:
    """A dtype of numbers that the application has given a base looks like its plain one otherwise."""
    based = np.dtype("f8", False, True)
    based.__setstate__((3, "<", (np.dtype("i4"), (2,)), None, None, -1, -1, 0))
    assert based.char == "d"
    for value in (based, [np.dtype("f8"), based]):
        data = sp.dumps(value, 4, policy=sp.UNRESTRICTED)
        assert repr(pickle.loads(data)) == repr(pickle.loads(pickle.dumps(value, 4)))
        with pytest.raises(PolicyError, match="base"):
            sp.dumps(value, 4, policy=NUMPY)


def test_reducers_of_the_application_s_are_asked(sp: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type(np.dtype("f8"))
    table = {**copyreg.dispatch_table, kind: lambda dtype: (made, ("i2",))}
    monkeypatch.setattr(copyreg, "dispatch_table", table)
    policy = NUMPY | Policy(name="made", rules=[Rule(module=__name__, name="made", rights=Right.CALL)])
    for protocol in (4, 5):
        data = sp.dumps([np.dtype("f8"), np.dtype("i8")], protocol, policy=policy)
        assert sp.loads(data, policy=policy) == [np.dtype("i2"), np.dtype("i8")]
        array = np.zeros(2)
        assert b"made" in sp.dumps([np.arange(2), array], protocol, policy=policy)


def test_reducers_of_arrays_are_asked(sp: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {**copyreg.dispatch_table, np.ndarray: lambda array: (made, ("i2",))}
    monkeypatch.setattr(copyreg, "dispatch_table", table)
    policy = NUMPY | Policy(name="made", rules=[Rule(module=__name__, name="made", rights=Right.CALL)])
    for protocol in (4, 5):
        assert pickle.loads(sp.dumps([np.arange(2)] * 2, protocol, policy=policy)) == [np.dtype("i2")] * 2


@pytest.mark.parametrize("protocol", range(2, 6))
def test_a_class_that_no_rule_names_is_refused(sp: ModuleType, protocol: int) -> None:
    rules = [rule for rule in NUMPY.rules.values() if not rule.name.endswith("DType") and rule.module != "numpy.dtypes"]
    policy = Policy(name="few", rules=rules, aliases=NUMPY.aliases)
    if policy.lookup("numpy.dtypes", "Float64DType") is not None:
        pytest.skip("the pack names it otherwise")
    with pytest.raises(PolicyError, match="DType"):
        sp.dumps(np.dtype("f8"), protocol, policy=policy)


def test_a_numpy_that_is_being_imported_is_not_asked(sp: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may import it meanwhile: there is half of it, and nothing can be of it."""
    half = ModuleType("numpy")
    half.__spec__ = type(np.__spec__)("numpy", None)
    half.__spec__._initializing = True  # type: ignore[attr-defined]
    stdlib = Policy.packs("stdlib")
    for module in (half, ModuleType("numpy"), SimpleNamespace(), None):
        monkeypatch.setitem(sys.modules, "numpy", module)
        assert sp.loads(sp.dumps([1j, range(3)], 5, policy=stdlib), policy=stdlib) == [1j, range(3)]


def test_arrays_of_a_dtype_that_was_not_written_before(sp: ModuleType) -> None:
    """Each dtype is written with its first array, in and out of band, at any depth."""
    value = [[[np.ones(2, code)], np.ones((2, 1), code)] for code in CODES[:-1]]
    for protocol in (4, 5):
        data = sp.dumps(value, protocol, policy=NUMPY)
        assert repr(pickle.loads(data)) == repr(again(sp, data)) == repr(value)
    buffers: list[Any] = []
    data = sp.dumps(value, 5, policy=NUMPY, buffer_callback=buffers.append)
    assert len(buffers) == 2 * len(value)
    assert repr(pickle.loads(data, buffers=buffers)) == repr(value)


def test_arrays_without_a_buffer_are_written_beside_those_with_one(sp: ModuleType) -> None:
    """Numpy gives no buffer of dates: whatever a callback is there for, they are written as without it."""
    dates = np.arange(3).astype("M8[s]")
    apart = {"names": ["a", "b"], "formats": ["<i4", "<i4"], "offsets": [4, 0]}
    for array in (dates, dates - dates[0], np.ones(3, [("when", "M8[s]")]), np.ones(3, apart)):
        value = [array, array.copy(), np.arange(3), [array.dtype, array.copy()]]
        for callback in ([].append, lambda _: True):
            buffers: list[Any] = []
            data = sp.dumps(value, 5, policy=sp.UNRESTRICTED, buffer_callback=buffers.append)
            assert len(buffers) == 1
            assert repr(pickle.loads(data, buffers=buffers)) == repr(value)
            data = sp.dumps(value[:2], 5, policy=NUMPY, buffer_callback=callback)
            assert repr(pickle.loads(data)) == repr(sp.loads(data, policy=NUMPY)) == repr(value[:2])


class Changing:
    """A file that does something to an array when it is given the first piece."""

    def __init__(self, change: Any) -> None:
        self.change = change
        self.pieces: list[bytes] = []

    def write(self, piece: Any) -> None:
        self.pieces.append(bytes(piece))
        if self.change is not None:
            self.change()
        self.change = None


def test_items_of_an_array_that_its_file_resizes_are_no_opcodes(sp: ModuleType) -> None:
    """A piece may be given to the file between the array's class and its items: they were another number then."""
    if not sp.COMPILED:
        pytest.skip("numpy is asked for the array, and has its memory where it was")
    refused = 0
    for length in range(65_500, 65_640):
        array = np.ones((4, 6), "u1")
        file = Changing(lambda array=array: array.resize((600,), refcheck=False))
        try:
            sp.dump(["x" * (length - 200), "y" * 100, array], file, 5, policy=NUMPY)
        except sp.EncodingError as error:
            refused += "resized while it was written" in str(error)
        else:
            assert pickle.loads(b"".join(file.pieces))[2].tolist() == [[1] * 6] * 4
    assert refused


def test_an_array_that_its_file_gives_another_dtype_has_the_shape_it_had(sp: ModuleType) -> None:
    if not sp.COMPILED:
        pytest.skip("numpy is asked for the shape, the dtype and the items at once")
    for length in range(65_500, 65_640):
        array = np.arange(16, dtype="i4").reshape(2, 2, 2, 2)
        file = Changing(lambda array=array: setattr(array, "dtype", np.dtype("i1")))
        sp.dump(["x" * (length - 200), "y" * 100, array], file, 4, policy=NUMPY)
        found = pickle.loads(b"".join(file.pieces))[2]
        assert found.tobytes() == array.tobytes()
