"""What the queues of the tests run."""

from __future__ import annotations

from typing import Any

RAN: list[Any] = []


def work(number: int, *, factor: int = 2) -> dict[str, int]:
    """Note that it ran."""
    RAN.append(number)
    return {"result": number * factor}
