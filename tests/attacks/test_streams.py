"""Every attack that is one stream, under `plain` and under `stdlib`, from bytes and from a file."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from attacks.expected import Attack, check, check_load
from attacks.streams import ATTACKS
from attacks.streams_objects import MORE_ATTACKS

CASES = [pytest.param(attack, id=f"{attack.id}-{attack.title}"[:70]) for attack in ATTACKS + MORE_ATTACKS]

#: What the catalogue lists, with the gaps it has.
CATALOGUE = (
    *(f"R{n:02}" for n in (*range(1, 13), *range(20, 31), *range(40, 52), *range(60, 72))),
    *(f"D{n:02}" for n in range(1, 23)),
    *(f"X{n:02}" for n in range(1, 30)),
)


@pytest.mark.parametrize("attack", CASES)
def test_plain(sp: Any, attack: Attack) -> None:
    check(sp, attack.data, attack.plain)


@pytest.mark.parametrize("attack", CASES)
def test_stdlib(sp: Any, attack: Attack) -> None:
    check(sp, attack.data, attack.stdlib or attack.plain, policy=sp.Policy.packs("stdlib"))


@pytest.mark.parametrize("attack", CASES)
def test_from_a_file(sp: Any, attack: Attack) -> None:
    check_load(lambda: sp.load(io.BytesIO(attack.data)), attack.plain)


def test_every_line_of_the_catalogue_is_tried() -> None:
    sources = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("*.py") if path != Path(__file__))
    tried = set(re.findall(r"\b[RDX]\d\d\b", sources))
    assert [id_ for id_ in CATALOGUE if id_ not in tried] == []
