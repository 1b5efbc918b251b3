"""One target as a fuzzer of its own, as OSS-Fuzz wants it: libFuzzer's arguments, a crash on a finding.

Rules that hold here:

* Here a finding does raise: the service keeps the input, minimises it and files it.
* The package is instrumented before it is first imported.
"""

from __future__ import annotations

import sys
from contextlib import suppress


def main(name: str, arguments: list[str]) -> None:
    """Run a target under libFuzzer; does not return."""
    import atheris

    if "safepickle" in sys.modules:
        raise RuntimeError("the package was imported before it could be instrumented")
    with atheris.instrument_imports(include=["safepickle"], enable_loader_override=True):
        from fuzz.targets import load_target

        target = load_target(name)
    # What is imported when it is first needed is imported now: an import during a check is a finding.
    for data in (b"", b"N.", b'schema = 1\nname = "x"\n'):
        with suppress(Exception):
            target.check(data)
    from fuzz.choices import Choices
    from fuzz.mutating import mutate

    def one(data: bytes) -> None:
        target.check(data)

    def mutator(data: bytes, most: int, seed: int) -> bytes:
        return bytes(atheris.Mutate(data, most)) if seed % 8 == 0 else mutate(data, Choices(seed), (), most)

    extra = {"custom_mutator": mutator} if target.input == "stream" else {}
    atheris.Setup(arguments, one, enable_python_coverage=True, **extra)
    atheris.Fuzz()
