"""One opcode at a time against a model stack, marks and memo; at the end both forms carry out the whole.

Hypothesis chooses the rules and shrinks a failure to the fewest opcodes. Unlike the generated programs, every
state is also looked at on the way: what stands above the topmost mark, each memo entry, and what must be
refused
there.
"""

from __future__ import annotations

from typing import Any

from attacks.asm import op
from decoding.outcomes import agreed, describe
from decoding.programs import BUFFERS, Model, assembled, is_key, step
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from safepickle.wire.opcodes import BY_NAME, OPCODES, Opcode

#: Containers are what goes wrong: they are chosen more often than leaves.
SHAPING = (
    "EMPTY_LIST",
    "EMPTY_DICT",
    "EMPTY_SET",
    "MARK",
    "EMPTY_TUPLE",
    "NONE",
    "BININT1",
    "SHORT_BINUNICODE",
)


class Programs(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model = Model()

    def run(self, tail: bytes) -> Any:
        data = b"".join(self.model.pieces) + tail
        return agreed(lambda package: package.loads(data, buffers=list(BUFFERS)))

    @rule(data=st.data(), name=st.sampled_from(SHAPING))
    def begin(self, data: Any, name: str) -> None:
        step(self.model, name, data.draw)

    @rule(data=st.data())
    def carry_on(self, data: Any) -> None:
        step(self.model, data.draw(st.sampled_from(self.model.choices())), data.draw)

    @precondition(lambda self: self.model.stack and len(self.model.memo) < 20)
    @rule(data=st.data(), name=st.sampled_from(["BINPUT", "MEMOIZE", "PUT", "LONG_BINPUT"]))
    def remember(self, data: Any, name: str) -> None:
        if self.model.fits(BY_NAME[name]):
            step(self.model, name, data.draw)

    @precondition(lambda self: self.model.memo)
    @rule(data=st.data(), name=st.sampled_from(["BINGET", "GET", "LONG_BINGET"]))
    def recall(self, data: Any, name: str) -> None:
        step(self.model, name, data.draw)

    @precondition(lambda self: self.model.marks)
    @rule(data=st.data())
    def close(self, data: Any) -> None:
        closers = [name for name in self.model.choices() if "mark" in BY_NAME[name].before]
        step(self.model, data.draw(st.sampled_from(closers)), data.draw)

    @precondition(lambda self: self.model.marks or self.model.stack)
    @rule()
    def look_at_all(self) -> None:
        """Close every mark with TUPLE: the value is all that is there."""
        model = self.model
        whole: Any = tuple(model.stack)
        for below in reversed(model.marks):
            whole = (*below, whole)
        # One mark more, at the very bottom, gathers what lies below the first.
        data = b"(" + b"".join(model.pieces) + op("TUPLE") * (len(model.marks) + 1) + b"."
        found = agreed(lambda package: package.loads(data, buffers=list(BUFFERS)))
        assert found.error == "", found
        assert found.value == describe(whole)

    @precondition(lambda self: self.model.memo)
    @rule(data=st.data())
    def look_at_the_memo(self, data: Any) -> None:
        index = data.draw(st.sampled_from(sorted(self.model.memo)))
        closing = op("TUPLE") * len(self.model.marks) + (op("POP") * 1 if self.model.marks else b"")
        rest = op("POP") * (len(self.model.marks[0]) if self.model.marks else len(self.model.stack))
        found = self.run(closing + rest + op("LONG_BINGET", index) + b".")
        assert found.error == "", found
        assert found.value == describe(self.model.memo[index])

    @rule(row=st.sampled_from([row for row in OPCODES if row.argument == "none" and row.name != "STOP"]))
    def what_does_not_fit_is_refused(self, row: Opcode) -> None:
        if row.right and row.name not in ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS"):
            return
        if row.name in ("BINPERSID", "NEXT_BUFFER") or self.model.fits(row):
            return
        found = self.run(bytes([row.code]) + b".")
        # Items for what is no container of the machine's own are denied rather than malformed.
        assert found.error in ("FormatError", "PolicyError" if row.right else ""), (row.name, found)
        assert found.position == len(b"".join(self.model.pieces))
        assert found.opcode == row.name

    @precondition(lambda self: self.model.memo)
    @rule(data=st.data())
    def a_second_put_is_refused(self, data: Any) -> None:
        if not self.model.stack:
            return
        index = data.draw(st.sampled_from(sorted(self.model.memo)))
        found = self.run(op("LONG_BINPUT", index) + b".")
        assert (found.error, found.opcode) == ("FormatError", "LONG_BINPUT")

    @invariant()
    def keys_are_keys(self) -> None:
        assert all(is_key(key) for value in self.model.stack if type(value) is dict for key in value)

    def teardown(self) -> None:
        model = self.model
        model.finish()
        for protocol, cuts in ((None, []), (4, [3, 5, 11])):
            data = assembled(model.pieces, protocol, cuts)
            found = agreed(lambda package, data=data: package.loads(data, buffers=list(BUFFERS)))
            assert found.error == "", found
            assert found.value == describe(model.value)


Programs.TestCase.settings = settings(max_examples=30, stateful_step_count=30)
TestPrograms = Programs.TestCase
