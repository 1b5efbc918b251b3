"""`dis` and `optimize` read a frame's end as the machine does (X19 to X22)."""

from __future__ import annotations

import io
from typing import Any

import pytest
from attacks.asm import PROTO, frame, op

from safepickle.errors import FormatError

READ = {
    "an argument begins at the end": PROTO[4] + frame(b"K\x05", claim=1) + b".",
    "a frame is the last opcode of a frame": PROTO[4] + frame(b"N" + frame(b"")) + b".",
    "the second line begins at the end": PROTO[4] + frame(op("GLOBAL", "m", "n"), claim=3) + b"0N.",
}
REFUSED = {
    "a frame in the middle of a frame": PROTO[4] + frame(frame(b"N") + b"0N") + b".",
    "a frame ends inside an argument": PROTO[4] + frame(b"J\0\0\0\0", claim=3) + b".",
    "a frame ends inside a line": PROTO[4] + frame(op("GLOBAL", "m", "n"), claim=2) + b"0N.",
}


@pytest.mark.parametrize("title", READ)
def test_what_the_machine_reads(sp: Any, title: str) -> None:
    out = io.StringIO()
    sp.inspection.dis(READ[title], out=out)
    assert "STOP" in out.getvalue()
    assert sp.inspection.optimize(READ[title])


@pytest.mark.parametrize("title", REFUSED)
def test_what_the_machine_refuses(sp: Any, title: str) -> None:
    with pytest.raises(FormatError):
        sp.loads(REFUSED[title])
    with pytest.raises(FormatError):
        sp.inspection.dis(REFUSED[title], out=io.StringIO())
