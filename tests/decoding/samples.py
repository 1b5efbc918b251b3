"""Classes that the decoding tests allow under rules of their own."""

from __future__ import annotations

from typing import Any, Self

from safepickle.policy.rules import Policy, Right, Rule


class Thing:
    """Takes anything, so that every right has something to be used on."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        thing = super().__new__(cls)
        thing.made_of = (args, kwargs)
        thing.items = []
        return thing

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.called = True

    def append(self, item: Any) -> None:
        self.items.append(item)

    def __setitem__(self, key: Any, item: Any) -> None:
        self.items.append((key, item))

    def add(self, item: Any) -> None:
        self.items.append(item)


class Failing:
    """Fails however it is made."""

    def __new__(cls) -> Self:
        raise ZeroDivisionError("on purpose")


class Sulking:
    """An instance that is a fine key until it is compared."""

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        raise IndexError("on purpose")


class Node:
    """A plain instance with attributes."""


HERE = __name__
EVERY_RIGHT = Right.REFER | Right.CALL | Right.NEW | Right.BUILD | Right.APPEND | Right.SETITEM | Right.ADD


def allowing(*names: str, rights: Right = EVERY_RIGHT) -> Policy:
    """Return a policy that grants rights for classes of this module."""
    return Policy(name="samples", rules=[Rule(module=HERE, name=name, rights=rights) for name in names])
