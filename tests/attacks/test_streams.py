"""Every attack that is one stream, under `plain` and under `stdlib`, from bytes and from a file."""

from __future__ import annotations

import io
from typing import Any

import pytest
from attacks.expected import Attack, check, check_load
from attacks.streams import ATTACKS
from attacks.streams_objects import MORE_ATTACKS

CASES = [pytest.param(attack, id=f"{attack.id}-{attack.title}"[:70]) for attack in ATTACKS + MORE_ATTACKS]


@pytest.mark.parametrize("attack", CASES)
def test_plain(sp: Any, attack: Attack) -> None:
    check(sp, attack.data, attack.plain)


@pytest.mark.parametrize("attack", CASES)
def test_stdlib(sp: Any, attack: Attack) -> None:
    check(sp, attack.data, attack.stdlib or attack.plain, policy=sp.Policy.packs("stdlib"))


@pytest.mark.parametrize("attack", CASES)
def test_from_a_file(sp: Any, attack: Attack) -> None:
    check_load(lambda: sp.load(io.BytesIO(attack.data)), attack.plain)
