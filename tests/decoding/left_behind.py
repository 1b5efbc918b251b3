"""What a machine is left with behind a pickle: the same, whether something was made at once or opcode by opcode."""

from __future__ import annotations

import bisect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from attacks.asm import APPENDS, LIST, MARK, MEMOIZE, POP, TUPLE, op, pickled

from safepickle import _forms
from safepickle.errors import SafePickleError
from safepickle.limits import Limits
from safepickle.policy.rules import Policy


def left_by(
    sp: ModuleType,
    data: bytes,
    policy: Policy,
    maker: str,
    *,
    ahead: bool,
    limits: Limits | None = None,
    show: Callable[[Any], Any] = repr,
) -> tuple[int, dict[str, Any]]:
    """Return how much was made at once, if anything may be, and what a machine of the Python form is left with.

    :param maker: name of the method that makes something at once.
    """
    session = sys.modules[f"{sp.__name__}.decoding.session"]
    bounds = Limits() if limits is None else limits
    machine = session.open_machine(data, None, policy, bounds, None, None, True, "ASCII", "strict", None, False)
    made = 0
    make = getattr(machine, maker)

    def counted(*args: Any) -> int:
        nonlocal made
        end = make(*args) if ahead else 0
        made += end > 0
        return int(end)

    setattr(machine, maker, counted)
    try:
        value = show(machine.run())
    except SafePickleError as error:
        value = type(error), str(error)
    budget, nesting = machine.budget, machine.nesting
    # Opcodes are paid for by slices, which end at other places.
    left = budget.memory_left - 8 * budget.opcodes_left, budget.objects_left, budget.calls_left
    lists = list(nesting.depths), list(nesting.waiting), nesting.sparse
    levels = nesting.top, nesting.cell_count, nesting.unsure, lists
    memo = [repr(entry) if type(entry) in (str, tuple) else type(entry).__name__ for entry in machine.memo]
    spent = machine.opcodes, machine.gate.calls, machine.gate.changed, machine.gate.atom, machine.underflow
    return made, {"value": value, "left": left, "levels": levels, "memo": memo, "spent": spent}


def doubtful(*parts: bytes, entries: int) -> bytes:
    """Return a pickle of which the machine walks all it has, once it has doubted its depth often enough.

    :param parts: opcodes before that, which make *entries* of the memo.
    """
    # A list that grows when it has left the stack: nobody can tell what it is in by then.
    gets = [op("LONG_BINGET", entries + index) for index in range(1100)]
    return pickled(MARK, *parts, *[LIST + MEMOIZE + POP + get + MARK + LIST + APPENDS + POP for get in gets], TUPLE)


def passes(form: ModuleType, data: bytes, rules: Any, bound: int) -> bool:
    """Return whether *bound* bytes of memory are enough; *rules* of a form returns its policy."""
    try:
        form.loads(data, policy=rules(form), limits=form.Limits(max_memory=bound))
    except form.LimitError as error:
        assert error.limit == "max_memory"
        return False
    return True


def least_memory(data: bytes, rules: Any) -> int:
    """Return how many bytes of memory are enough in the Python form, which makes everything opcode by opcode."""
    python = _forms.python_form()
    return bisect.bisect(range(10_000_000), False, key=lambda bound: passes(python, data, rules, bound))
