"""Every line of the catalogue is refused under `plain` and under `stdlib`, for the reason that it states."""

from __future__ import annotations

import re
from typing import Any

import pytest
from attacks.catalogue import LINES, LOADS, TRIALS, Line, streams, verdict
from attacks.tripwire import watched

#: The ids, with the gaps that the catalogue has.
IDS = (
    *(f"R{n:02}" for n in (*range(1, 13), *range(20, 31), *range(40, 52), *range(60, 72))),
    *(f"D{n:02}" for n in range(1, 23)),
    *(f"X{n:02}" for n in range(1, 30)),
    "S4",
)


def test_the_table_has_every_line() -> None:
    assert [line.id for line in LINES] == list(IDS)


@pytest.mark.parametrize("pack", ["plain", "stdlib"])
@pytest.mark.parametrize("line", LINES, ids=[line.id for line in LINES])
def test_refused_for_the_stated_reason(sp: Any, line: Line, pack: str) -> None:
    policy = sp.Policy.packs(pack)
    stated = (line.stdlib if pack == "stdlib" else ()) or line.plain
    loads = [
        (one.title, lambda one=one: sp.loads(one.data, policy=policy, limits=one.limits)) for one in streams(line, pack)
    ]
    if line.id in TRIALS:
        loads += [(f"trial {number}", load) for number, load in enumerate(TRIALS[line.id](sp, policy), 1)]
    assert loads, f"{line.id} ({line.what}) is not tried under {pack}"
    met = set()
    for title, load in loads:
        found = _outcome(load)
        right = [pattern for pattern in stated if re.fullmatch(pattern, found, re.DOTALL)]
        assert right, f"{line.id}, {title}: {found!r}, and the catalogue says {stated}"
        met.add(right[0])
    assert met == set(stated), f"{line.id}: no stream is refused for {set(stated) - met}"


def _outcome(load: Any) -> str:
    """Return the verdict on what a load came to; whatever it was, nothing else may have happened."""
    error: Exception | None = None
    with watched() as acts:
        try:
            load()
        except AssertionError:
            raise
        except Exception as caught:  # noqa: BLE001  the verdict says which it was, and the table whether that is right
            error = caught
    assert acts == []
    return verdict(error)


def test_what_loads_is_stated_as_harmless() -> None:
    """A line that lets something load says so, and there are few."""
    assert {line.id for line in LINES if LOADS in line.plain + line.stdlib} == {"R50", "R71", "D10", "D21", "X22"}
