"""A well-typed program of plain data loads, and gives the value that both of pickle's unpicklers give.

The input is a series of choices that the grammar turns into a program. Nothing is refused here but what a limit, an
unhashable tuple or a hash that costs too much explains.
"""

from __future__ import annotations

from typing import Any

from fuzz.choices import ByteChoices
from fuzz.generator import Generator
from fuzz.outcomes import Finding, feature, outcome, same
from fuzz.targets.differential import by_pickle, by_python, loads_plain

INPUT = "choices"

#: What well-typed programs meet: depth, big ints, an unhashable item in a tuple, wild values of the argument pools.
_EXPLAINED = ("max_", "hash", "too deep", "recursi", "not Latin", "is not 'ASCII'", "is not an int")


def check(data: bytes) -> Any:
    """Write the program and load it."""
    stream = Generator(ByteChoices(data), plain=True).run(60)
    ours = outcome(lambda: loads_plain(stream))
    if ours.error:
        if ours.error != "LimitError" and not any(word in ours.message for word in _EXPLAINED):
            raise Finding(
                f"a well-typed program is refused: {ours.error} in {ours.opcode}", f"{ours.message} {stream.hex()}"
            )
        return feature(ours)
    same(ours, outcome(lambda: by_pickle(stream)), "another value than _pickle's")
    same(ours, outcome(lambda: by_python(stream)), "another value than pickle._Unpickler's")
    return feature(ours)
