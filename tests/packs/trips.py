"""What every pack is held to: real objects go both ways at every protocol, and come back as pickle brings them."""

from __future__ import annotations

import contextlib
import io
import pickle
import tracemalloc
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from safepickle.policy.rules import Policy

REAL = Path(__file__).resolve().parent.parent / "real"
PROTOCOLS = range(6)


def look(value: Any) -> bytes:
    """Return what tells values apart. Names are shared as pickle shares them, once they have been through it."""
    return pickle.dumps(pickle.loads(pickle.dumps(value, 4)), 4)


def edited(data: bytes, edits: list[tuple[str, float, int]]) -> bytes:
    """Return data with bytes set, cut out, copied from elsewhere, or made the highest number."""
    changed = bytearray(data)
    for kind, where, what in edits:
        place = int(where * len(changed))
        if kind == "set":
            changed[place : place + 1] = bytes([what])
        elif kind == "cut":
            del changed[place : place + 1 + what % 16]
        elif kind == "copy":
            changed[place:place] = changed[place // 2 : place // 2 + what]
        else:
            changed[place : place + 4] = b"\xff\xff\xff\x7f"
    return bytes(changed)


@contextlib.contextmanager
def bounded(most: int) -> Iterator[None]:
    """Hold what is done inside to so many bytes of memory at its highest."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def same(one: Any, other: Any) -> None:
    """Compare values by what they are, whatever they share."""
    assert unshared(one) == unshared(other)


def unshared(value: Any) -> bytes:
    """Return what tells values apart, whatever they share."""
    output = io.BytesIO()
    pickler = pickle.Pickler(output, 4)
    # Without a memo: whether two parts are one object is not what is compared.
    pickler.fast = True
    pickler.dump(pickle.loads(pickle.dumps(value, 4)))
    return output.getvalue()


def holds(sp: ModuleType, policy: Policy, value: Any, protocol: int) -> None:
    """Load and write an object under a policy, and compare with pickle."""
    with warnings.catch_warnings():
        # Libraries tell of what they will drop; that is between them and their users.
        warnings.simplefilter("ignore")
        data = pickle.dumps(value, protocol)
        expected = look(pickle.loads(data))
        assert look(sp.loads(data, policy=policy)) == expected
        assert look(sp.loads(sp.dumps(value, protocol, policy=policy), policy=policy)) == expected


def real_files(prefix: str) -> list[Path]:
    """Return the real pickles of a library."""
    return sorted(REAL.glob(f"{prefix}_*.pkl"))


def loads_real(sp: ModuleType, policy: Policy, path: Path) -> Any:
    """Load a real pickle under a policy, and compare with pickle; with a library too old for it pickle fails too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = path.read_bytes()
        try:
            expected = look(pickle.loads(data))
        except (ImportError, AttributeError, NotImplementedError, TypeError) as error:
            pytest.skip(f"pickle cannot read it with what is installed here: {type(error).__name__}")
        value = sp.loads(data, policy=policy)
        assert look(value) == expected
        return value
