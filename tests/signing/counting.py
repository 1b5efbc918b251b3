"""Counts what the machine really does: its own count of opcodes, and the bytes that it was given.

A codec's calls into the decoder are replaced by ones that put the machine together in the same way, and keep hold of
it, so that it can be asked afterwards, also where it raised.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any


class Counts:
    """What the machines of some loads did."""

    def __init__(self) -> None:
        self.machines: list[Any] = []

    @property
    def opcodes(self) -> int:
        return sum(machine.opcodes for machine in self.machines)

    @property
    def position(self) -> int:
        """Bytes of the pickle that the last machine had before it."""
        return sum(machine.offset + machine.position for machine in self.machines)


@contextlib.contextmanager
def counting(sp: ModuleType) -> Iterator[Counts]:
    """Count within the block."""
    codec = importlib.import_module(f"{sp.__name__}.codec")
    session = importlib.import_module(f"{sp.__name__}.decoding.session")
    source = importlib.import_module(f"{sp.__name__}.wire.source")
    counts = Counts()

    def opened(data: bytes, file: Any, options: dict[str, Any]) -> Any:
        machine = session.open_machine(
            data,
            None if file is None else source.open_source(file),
            options["policy"],
            options["limits"],
            None,
            None,
            options["fix_imports"],
            options["encoding"],
            options["errors"],
            options["buffers"],
            False,
        )
        counts.machines.append(machine)
        return machine

    def loads(data: Any, **options: Any) -> Any:
        return session.run_whole(opened(source.as_bytes(data), None, options))

    def load(file: Any, **options: Any) -> Any:
        return session.run(opened(b"", file, options))

    saved = codec._loads, codec._load
    codec._loads, codec._load = loads, load
    try:
        yield counts
    finally:
        codec._loads, codec._load = saved
