"""Writes `pickle.dict`, the dictionary of streams for libFuzzer, from the opcode table.

python -m fuzz.make_dictionary
"""

from __future__ import annotations

from pathlib import Path

from fuzz.assembly import op
from fuzz.generator import CLAIMS, NAMES
from fuzz.idioms import ATTACKS
from safepickle.wire.opcodes import ARGUMENTS, OPCODES

HERE = Path(__file__).resolve().parent


def entries() -> list[bytes]:
    """Return the words: opcodes, lengths, names, short idioms."""
    words = [bytes([row.code]) for row in OPCODES]
    words += [
        bytes([row.code]) + (claim & (256**kind.width - 1)).to_bytes(kind.width, "little")
        for row in OPCODES for kind in [ARGUMENTS[row.argument]] if kind.shape == "counted" for claim in CLAIMS[:6]
    ]  # fmt: skip
    words += [op("GLOBAL", *pair) for pair in NAMES] + [op("PROTO", number) for number in range(6)]
    words += [idiom for idiom in ATTACKS.values() if len(idiom) <= 64]
    return list(dict.fromkeys(words))


def dictionary() -> str:
    """Return the file."""
    lines = ["# Made by `python -m fuzz.make_dictionary` from the opcode table."]
    lines += ['"' + "".join(f"\\x{byte:02x}" for byte in word) + '"' for word in entries()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (HERE / "pickle.dict").write_text(dictionary(), "ascii")
