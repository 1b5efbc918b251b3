"""Attack streams R40 to R68 that need no allowed class, and section 4, continuing `streams.py`.

Targets that are not the stream's to change, extension codes, buffers, broken streams, and what scanners miss.
"""

from __future__ import annotations

from collections.abc import Iterator

from attacks.asm import (
    ADDITEMS,
    APPEND,
    APPENDS,
    BUILD,
    DICT,
    LIST,
    MARK,
    MEMOIZE,
    NONE,
    POP,
    PROTO,
    REDUCE,
    SET,
    SETITEM,
    STACK_GLOBAL,
    TUPLE0,
    blob,
    call,
    dict_of,
    frame,
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
from attacks.expected import MALFORMED, TRUNCATED, Attack, denied
from attacks.streams import ACT, ACTED, CANARY, Pair, called

# --- 1c BUILD, 1d containers and extension codes: the streams that need no allowed class --------------------


def _targets() -> Iterator[Attack]:
    ordered = name("collections", "OrderedDict")
    live = {
        "R40": ("class", name(CANARY, "Plain"), (CANARY, "Plain")),
        "R41": ("function", ACT, (CANARY, "act")),
        "R42": ("module", name("attacks", "canary"), ("attacks", "canary")),
    }
    for id_, (title, target, pair) in live.items():
        yield Attack(id_, f"state for a {title}", pickled(state(target, text("limit"), number(2))), denied(pair))
        data = pickled(slot_state(target, text("__eq__"), NONE))
        yield Attack(id_, f"slot state for a {title}", data, denied(pair), source="modelscan 85")
    yield Attack("R40", "state for a class in use", pickled(state(ordered, text("x"), number(1))), denied(), MALFORMED)
    yield Attack(
        "R40",
        "slot state for a class in use",
        pickled(slot_state(ordered, text("x"), NONE)),
        denied(),
        MALFORMED,
    )
    partial = call(name("functools", "partial"), ACT)
    tail = tuple_of(ACT, TUPLE0, DICT, NONE) + BUILD + TUPLE0 + REDUCE
    yield Attack("R48", "partial.__setstate__", pickled(partial + tail), denied(("functools", "partial")))
    registries: tuple[tuple[Pair, bytes], ...] = (
        (("sys", "path"), text("x") + APPEND),
        (("sys", "path"), MARK + text("x") + APPENDS),
        (("sys", "modules"), text("attacks.poisoned") + NONE + SETITEM),
        (("os", "environ"), text("ATTACKS_POISONED") + text("1") + SETITEM),
        (("copyreg", "dispatch_table"), text("x") + NONE + SETITEM),
        ((CANARY, "REGISTRY"), text("x") + NONE + SETITEM),
        ((CANARY, "QUEUE"), NONE + APPEND),
        ((CANARY, "MEMBERS"), MARK + number(1) + ADDITEMS),
    )
    for pair, tail in registries:
        yield Attack("R60", f"items into {pair}", pickled(name(*pair) + tail), denied(pair))
    for registry in ("_extension_cache", "_inverted_registry", "_extension_registry", "dispatch_table"):
        pair = ("copyreg", registry)
        data = pickled(name(*pair) + number(200) + ACT + SETITEM + POP + op("EXT1", 200) + TUPLE0 + REDUCE)
        yield Attack("R62", f"poisoned {registry}", data, denied(pair, (CANARY, "act")))
    for title, opcode in {
        "EXT1 of nothing": op("EXT1", 251),
        "EXT2 of nothing": op("EXT2", 64_000),
        "EXT4 of nothing": op("EXT4", 2**30),
        "EXT1 0": op("EXT1", 0),
        "EXT2 0": op("EXT2", 0),
        "EXT4 0": op("EXT4", 0),
        "EXT4 -1": op("EXT4", -1),
    }.items():
        yield Attack("R63", title, pickled(opcode), MALFORMED)
    yield Attack("R65", "NEXT_BUFFER without buffers", pickled(op("NEXT_BUFFER"), proto=5), MALFORMED)
    for title, value in {"an int": number(1), "a list": LIST, "a str": text("x")}.items():
        yield Attack("R65", f"READONLY_BUFFER of {title}", pickled(value + op("READONLY_BUFFER"), proto=5), MALFORMED)
    yield Attack(
        "R66",
        "finaliser of a popped object",
        pickled(new(name(CANARY, "Loud")) + POP + NONE),
        denied((CANARY, "Loud")),
    )
    yield Attack(
        "R66",
        "hash of an instance",
        pickled(dict_of(new(name(CANARY, "Loud")), NONE)),
        denied((CANARY, "Loud")),
    )
    payload = PROTO[4] + call(ACT)
    for title, broken in {
        "without STOP": payload,
        "then an unknown opcode": payload + b"\xff.",
        "then an empty stack": payload + b"00000.",
        "then a cut argument": payload + b"X\xff\xff\xff\x7fx",
        "then a second PROTO": payload + PROTO[4] + b".",
        "then a missing memo entry": payload + b"h\x63.",
    }.items():
        yield Attack("R68", f"payload {title}", broken, ACTED, source="nullifAI; arXiv 2508.19774")


# --- Section 4: where scanners and loaders differ -----------------------------------------------------------


def _scanners() -> Iterator[Attack]:
    eval_ = denied(("builtins", "eval"))
    tail = tuple_of(text("0")) + REDUCE
    confused = op("SHORT_BINUNICODE", "builtins") + op("BINPUT", 1) + op("SHORT_BINUNICODE", "list") + op("BINPUT", 0)
    got = op("SHORT_BINUNICODE", "eval") + MEMOIZE + POP + op("BINGET", 1) + op("BINGET", 2) + STACK_GLOBAL + tail
    yield Attack("S4", "PUT and MEMOIZE mixed", pickled(confused + got), eval_, source="picklescan 14, 22")
    overwritten = text("builtins") + MEMOIZE + text("list") + MEMOIZE + POP + text("eval") + op("BINPUT", 1) + POP
    yield Attack(
        "S4",
        "memo entry written twice",
        pickled(overwritten + op("BINGET", 1) + STACK_GLOBAL + tail),
        MALFORMED,
        source="modelscan 85",
    )
    beside = text("collections") + text("OrderedDict") + POP + POP + text("builtins") + text("eval") + NONE + POP
    yield Attack("S4", "operands not in the opcodes before", pickled(beside + STACK_GLOBAL + tail), eval_)
    for title, module, qualname in (
        ("UNICODE escapes", op("UNICODE", r"builtin\u0073"), op("UNICODE", r"\u0065val")),
        ("STRING escapes", op("STRING", r"'builtin\x73'"), op("STRING", r"'\x65val'")),
        ("BINSTRING", op("BINSTRING", "builtins"), op("SHORT_BINSTRING", "eval")),
        ("BINUNICODE8", op("BINUNICODE8", "builtins"), op("BINUNICODE8", "eval")),
        ("DUP", op("UNICODE", "builtins"), b"20" + op("UNICODE", "eval")),
    ):
        data = pickled(module + qualname + STACK_GLOBAL + tail)
        yield Attack("S4", f"operands by {title}", data, eval_, source="picklescan 22")
    odd: dict[str, bytes] = {
        "bytes": blob(b"eval"),
        "int": number(1),
        "bytearray": op("BYTEARRAY8", b"eval"),
        "None": NONE,
        "list": LIST,
        "tuple": TUPLE0,
        "set": SET,
    }
    for title, operand in odd.items():
        for data in (text("builtins") + operand, operand + text("eval")):
            yield Attack(
                "S4",
                f"{title} as an operand",
                pickled(data + STACK_GLOBAL + tail),
                MALFORMED,
                source="modelscan 338",
            )
    hidden = call(name("builtins", "eval"), text("0"))
    for title, first in {
        "FLOAT": op("FLOAT", "1.5"),
        "BYTEARRAY8": op("BYTEARRAY8", b"x"),
        "LONG4": op("LONG4", b"\x01"),
        "FROZENSET": MARK + b"\x91",
        "BINUNICODE8": op("BINUNICODE8", "x"),
        "ADDITEMS": SET + MARK + ADDITEMS,
    }.items():
        yield Attack("S4", f"{title} before it", pickled(first + POP + hidden, proto=5), eval_, source="fickling 322")
    whole = pickled(hidden)[2:]
    yield Attack(
        "S4",
        "oversize FRAME around it",
        PROTO[4] + frame(whole, claim=len(whole) + 99),
        TRUNCATED,
        source="gh-154848",
    )
    yield Attack("S4", "in no frame after one", PROTO[4] + frame(NONE + POP) + whole, eval_)
    for pair in (
        ("pkgutil", "resolve_name"),
        ("asyncio.unix_events", "_UnixSubprocessTransport._start"),
        ("asyncio.subprocess", "create_subprocess_shell"),
        ("idlelib.pyshell", "ModifiedInterpreter.runcommand"),
        ("lib2to3.pgen2.grammar", "Grammar.loads"),
        ("code", "InteractiveInterpreter.runcode"),
        ("torch.serialization", "load"),
        ("ensurepip", "_run_pip"),
    ):
        yield Attack(
            "S4",
            f"missing from deny-lists {pair}",
            called(pair, text("0")),
            denied(pair),
            source="picklescan GHSA-vvpj-8cmc-gx39",
        )
    for pair in (
        ("sys", "modules"),
        ("safepickle.policy.rules", "PLAIN"),
        ("safepickle", "UNRESTRICTED"),
        ("safepickle", "loads"),
        ("safepickle.policy.rules", "_policy_from_parts"),
    ):
        yield Attack(
            "S4",
            f"tampering with the reader by {pair}",
            pickled(name(*pair) + text("x") + NONE + SETITEM),
            denied(pair),
            source="fickling 249",
        )


MORE_ATTACKS: tuple[Attack, ...] = (*_targets(), *_scanners())
