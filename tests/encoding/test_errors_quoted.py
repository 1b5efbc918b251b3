"""Errors of the write side are one line of plain text, whatever the data calls itself."""

from __future__ import annotations

from typing import Any

import pytest

from safepickle.errors import EncodingError
from safepickle.policy.rules import Policy, Right, Rule


class Misnamed:
    """Its reduce method returns any text as a global's name."""

    name = ""

    def __reduce_ex__(self, protocol: Any) -> str:
        return self.name


@pytest.mark.parametrize("name", ["a\nb", "\u202e", "x" * 300_000, "\0"])
def test_names_are_quoted(sp: Any, name: str) -> None:
    policy = Policy(name="q", rules=[Rule(module=__name__, name="Misnamed", rights=Right.REFER | Right.CALL)])
    obj = Misnamed()
    obj.name = name
    with pytest.raises(EncodingError) as refused:
        sp.dumps([obj], policy=policy)
    text = str(refused.value)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 400
