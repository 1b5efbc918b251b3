"""Who is measured: safepickle in one of its forms, and what it is compared with.

Rules:
- safepickle runs as a caller gets it: default limits always, the default policy for plain data, and for
  instances a policy with just the rights that they need. Policies and codecs are made once, as programs make
  them.
- Opponents run as their documentation shows them. All pickle writers use their default protocol.
- A contestant that has no such direction is left out there (None), not guessed; so is one of another format that does
  not give back what it was given (comparing.py finds out).
"""

from __future__ import annotations

import functools
import io
import marshal
import os
import pickle
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import safepickle
from safepickle._forms import python_form
from safepickle.policy.rules import Rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from .shape import Shape

    Call = Callable[[Any], object]

OURS: Final = "safepickle"
C_PICKLE: Final = "pickle"
PYTHON_PICKLE: Final = "pickle.py"
FIND_CLASS: Final = "find_class"
WEIGHTS_ONLY: Final = "weights_only"
MARSHAL: Final = "marshal"
MSGSPEC: Final = "msgspec"
ORJSON: Final = "orjson"
CLOUDPICKLE: Final = "cloudpickle"
ITSDANGEROUS: Final = "itsdangerous"
FICKLING: Final = "fickling"

#: The opponents, and what each stands for.
OPPONENTS: Final = {
    C_PICKLE: "the C implementation of pickle",
    PYTHON_PICKLE: "pickle._loads and pickle._dumps, pickle's own Python form",
    FIND_CLASS: "a subclass of the C pickle.Unpickler with find_class, the documentation's recipe",
    WEIGHTS_ONLY: "an unpickler in Python with a list of globals, as torch.load(weights_only=True) has one",
    MARSHAL: "the floor: no memo for most objects, no classes, no checks",
    MSGSPEC: "msgspec.msgpack: another format, for the data that it gives back as it was",
    ORJSON: "orjson: JSON, for the data that it gives back as it was",
    CLOUDPICKLE: "cloudpickle.dumps, which also writes functions and classes by value",
    ITSDANGEROUS: "itsdangerous.Serializer over pickle: signed, without limits or a policy",
    FICKLING: "fickling.loads: looks through the whole pickle, then loads it with pickle",
}
#: The distributions that opponents take, where they are not the standard library's.
TAKES: Final = {
    MSGSPEC: "msgspec",
    ORJSON: "orjson",
    CLOUDPICKLE: "cloudpickle",
    ITSDANGEROUS: "itsdangerous",
    FICKLING: "fickling",
}
#: Not measured unless named: a thousand times slower than the others.
SLOW: Final = (FICKLING,)
#: Whose bytes are pickles, for any reader of these. The others read their own.
PICKLES: Final = (OURS, C_PICKLE, PYTHON_PICKLE, FIND_CLASS, WEIGHTS_ONLY, CLOUDPICKLE, FICKLING)
#: Who must get every shape right; the others are left out where the data does not come back as it was.
STRICT: Final = (OURS, C_PICKLE, PYTHON_PICKLE, FIND_CLASS, WEIGHTS_ONLY)

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
    return policy_for(shape.name, shape.packs, shape.classes)


def policy_for(name: str, packs: tuple[str, ...], classes: tuple[type[Any], ...]) -> Any:
    """Return a policy of packs, and of rules that grant just what instances of some classes need."""
    of_packs = safepickle.Policy.packs(*packs) if packs else safepickle.PLAIN
    if not classes:
        return of_packs
    rights = safepickle.Right.NEW | safepickle.Right.BUILD
    of_classes = safepickle.Policy(
        name=f"benchmark {name}",
        rules=[Rule(module=cls.__module__, name=cls.__qualname__, rights=rights) for cls in classes],
    )
    return of_packs | of_classes if packs else of_classes


def _restricted_loads(allowed: frozenset[tuple[str, str]]) -> Call:
    """Return the documentation's "restricting globals" recipe for these globals."""

    class RestrictedUnpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) in allowed:
                return super().find_class(module, name)
            raise pickle.UnpicklingError(f"global '{module}.{name}' is forbidden")

    def restricted_loads(data: bytes, **options: Any) -> object:
        return RestrictedUnpickler(io.BytesIO(data), **options).load()

    return restricted_loads


def _weights_only_loads(allowed: frozenset[tuple[str, str]]) -> Call:
    """Return a reader as torch's for weights: pickle's machine written in Python, with a list of globals."""
    python_unpickler: Any = vars(pickle)["_Unpickler"]

    class WeightsOnlyUnpickler(python_unpickler):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) in allowed:
                return super().find_class(module, name)
            raise pickle.UnpicklingError(f"Unsupported global: {module}.{name}")

    def weights_only_loads(data: bytes, **options: Any) -> object:
        return WeightsOnlyUnpickler(io.BytesIO(data), **options).load()

    return weights_only_loads


@functools.cache
def _globals_of(shape: Shape) -> frozenset[tuple[str, str]]:
    """Return what a reader with a list has to have on it: the globals in pickle's pickles of a shape."""
    found = set()

    class Recorder(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            found.add((module, name))
            return super().find_class(module, name)

    for protocol in (pickle.DEFAULT_PROTOCOL, pickle.HIGHEST_PROTOCOL):
        buffers: list[Any] = []
        apart = buffers.append if shape.out_of_band and protocol >= 5 else None
        data = pickle.dumps(shape.build(0.05), protocol, buffer_callback=apart)
        Recorder(io.BytesIO(data), buffers=buffers).load()
    return frozenset(found)


@functools.cache
def module_of(name: str) -> Any:
    """Return the module that an opponent takes, or None where it is not installed."""
    try:
        return import_module(TAKES[name])
    except ImportError:
        return None


def installed(name: str) -> bool:
    """Say whether an opponent can take part here."""
    return name not in TAKES or module_of(name) is not None


def _itsdangerous(_: Any) -> Contestant:
    serializer = import_module("itsdangerous").Serializer(os.urandom(32), serializer=pickle)
    return Contestant(ITSDANGEROUS, serializer.loads, serializer.dumps)


#: The opponents of other distributions, from their modules.
_OTHERS: Final[dict[str, Callable[[Any], Contestant]]] = {
    MSGSPEC: lambda module: Contestant(MSGSPEC, module.msgpack.Decoder().decode, module.msgpack.Encoder().encode),
    ORJSON: lambda module: Contestant(ORJSON, module.loads, module.dumps),
    CLOUDPICKLE: lambda module: Contestant(CLOUDPICKLE, None, module.dumps),
    ITSDANGEROUS: _itsdangerous,
    FICKLING: lambda module: Contestant(FICKLING, module.loads, None),
}


def _apart(one: Contestant) -> Contestant:
    """Return a contestant that writes and reads with its buffers out of band: pairs of the pickle and the buffers."""
    loads: Any = one.loads
    dumps: Any = one.dumps

    def loads_apart(pair: tuple[bytes, list[Any]]) -> object:
        return loads(pair[0], buffers=pair[1])

    def dumps_apart(value: object) -> tuple[bytes, list[Any]]:
        buffers: list[Any] = []
        return dumps(value, protocol=5, buffer_callback=buffers.append), buffers

    return Contestant(one.name, loads and loads_apart, dumps and dumps_apart)


def contestants(form: str, shape: Shape, opponents: tuple[str, ...] = tuple(OPPONENTS)) -> list[Contestant]:
    """Return who takes part for this shape, safepickle first."""
    package = package_of(form)
    policy = policy_of(shape)
    plain = policy is safepickle.PLAIN
    api = package if plain else package.Codec(policy=policy)
    pairs = frozenset() if plain else _globals_of(shape)
    table = {
        C_PICKLE: Contestant(C_PICKLE, pickle.loads, pickle.dumps),
        PYTHON_PICKLE: Contestant(PYTHON_PICKLE, _python_pickle.loads, _python_pickle.dumps),
        FIND_CLASS: Contestant(FIND_CLASS, _restricted_loads(pairs), None),
        WEIGHTS_ONLY: Contestant(WEIGHTS_ONLY, _weights_only_loads(pairs), None),
        MARSHAL: Contestant(MARSHAL, marshal.loads if plain else None, marshal.dumps if plain else None),
    }
    for name in opponents:
        if name in TAKES and (module := module_of(name)) is not None and (plain or name in PICKLES):
            table[name] = _OTHERS[name](module)
    taking_part = [name for name in OPPONENTS if name in opponents and name in table]
    found = [Contestant(OURS, api.loads, api.dumps), *(table[name] for name in taking_part)]
    if shape.out_of_band:
        found = [_apart(one) for one in found if one.name in PICKLES and one.name != FICKLING]
    return found
