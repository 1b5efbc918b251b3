"""Who is measured: safepickle in one of its forms, and what it is compared with.

Rules:
- safepickle runs as a caller gets it: default limits always, the default policy for plain data, and for
  instances a policy with just the rights that they need. Policies and codecs are made once, as programs make
  them.
- Opponents run as their documentation shows them. All pickle writers use their default protocol.
- A contestant that has no such direction, or cannot write the shape, is left out there (None), not guessed.
"""

from __future__ import annotations

import io
import marshal
import pickle
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import safepickle
from safepickle._forms import python_form
from safepickle.policy.rules import Rule

from .shapes import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from .shapes import Shape

    Call = Callable[[Any], object]

OURS: Final = "safepickle"
C_PICKLE: Final = "pickle"
PYTHON_PICKLE: Final = "pickle.py"
FIND_CLASS: Final = "find_class"
MARSHAL: Final = "marshal"

#: The opponents, and what each stands for.
OPPONENTS: Final = {
    C_PICKLE: "the C implementation of pickle",
    PYTHON_PICKLE: "pickle._loads and pickle._dumps, pickle's own Python form",
    FIND_CLASS: "a subclass of the C pickle.Unpickler with find_class, the documentation's recipe",
    MARSHAL: "the floor: no memo for most objects, no classes, no checks",
}

COMPILED: Final = "compiled"
PYTHON: Final = "python"
#: Each form is measured against the form of pickle that it replaces.
REFERENCE: Final = {COMPILED: C_PICKLE, PYTHON: PYTHON_PICKLE}


#: pickle's Python form, by the names of its C form.
_python_pickle: Final = SimpleNamespace(
    loads=getattr(pickle, "_loads"),  # noqa: B009  (unknown to type checkers)
    dumps=getattr(pickle, "_dumps"),  # noqa: B009
)


class FormMissingError(Exception):
    """The form that was asked for is not what this installation runs."""


class Contestant(NamedTuple):
    """One column: its name and its two functions, None for what it cannot do."""

    name: str
    loads: Call | None
    dumps: Call | None

    def function(self, direction: str) -> Call | None:
        """Return its function for a direction."""
        return self.loads if direction == "loads" else self.dumps


def package_of(form: str) -> Any:
    """Return safepickle in the form that was asked for.

    :raises FormMissingError: if the compiled form was asked for and is not installed.
    """
    if form == PYTHON:
        return python_form()
    if not safepickle.COMPILED:
        raise FormMissingError(
            f"safepickle is not compiled here ({safepickle.__file__}): build it first, or say --form python"
        )
    return safepickle


def policy_of(shape: Shape) -> Any:
    """Return the policy that a shape loads under: the default one, or one that grants just what it needs."""
    if shape.group == PLAIN:
        return safepickle.PLAIN
    if shape.packs:
        return safepickle.Policy.packs(*shape.packs)
    rights = safepickle.Right.NEW | safepickle.Right.BUILD
    return safepickle.Policy(
        name=f"benchmark {shape.name}",
        rules=[Rule(module=cls.__module__, name=cls.__qualname__, rights=rights) for cls in shape.classes],
    )


def _restricted_loads(allowed: frozenset[tuple[str, str]]) -> Call:
    """Return the documentation's "restricting globals" recipe for these globals."""

    class RestrictedUnpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) in allowed:
                return super().find_class(module, name)
            raise pickle.UnpicklingError(f"global '{module}.{name}' is forbidden")

    def restricted_loads(data: bytes) -> object:
        return RestrictedUnpickler(io.BytesIO(data)).load()

    return restricted_loads


def contestants(form: str, shape: Shape, opponents: tuple[str, ...] = tuple(OPPONENTS)) -> list[Contestant]:
    """Return who takes part for this shape, safepickle first."""
    package = package_of(form)
    policy = policy_of(shape)
    plain = shape.group == PLAIN
    api = package if plain else package.Codec(policy=policy)
    pairs = frozenset(policy.rules)
    table = {
        C_PICKLE: Contestant(C_PICKLE, pickle.loads, pickle.dumps),
        PYTHON_PICKLE: Contestant(PYTHON_PICKLE, _python_pickle.loads, _python_pickle.dumps),
        FIND_CLASS: Contestant(FIND_CLASS, _restricted_loads(pairs), None),
        MARSHAL: Contestant(MARSHAL, marshal.loads if plain else None, marshal.dumps if plain else None),
    }
    return [Contestant(OURS, api.loads, api.dumps), *(table[name] for name in OPPONENTS if name in opponents)]
