"""Codec and the public names: everything that a pickle module has, under one policy and one set of limits."""

from __future__ import annotations

import copy
import io
import pickle
from types import ModuleType
from typing import Any

import pytest
from attacks.asm import call, name, pickled

from safepickle.errors import LimitError, PolicyError
from safepickle.limits import Limits
from safepickle.policy.rules import PLAIN

NAMES = (
    "dump dumps load loads Pickler Unpickler PickleBuffer HIGHEST_PROTOCOL DEFAULT_PROTOCOL PickleError"
    " PicklingError UnpicklingError"
).split()
VALUE = {"a": [1, 2.5, None], "b": ("x", b"y")}
OS = pickled(call(name("os", "getpid")))


@pytest.mark.parametrize("key", NAMES)
def test_it_has_pickles_names(sp: ModuleType, key: str) -> None:
    codec = sp.Codec()
    assert hasattr(codec, key)
    theirs = getattr(pickle, key)
    if not key.islower() and key not in ("Pickler", "Unpickler"):
        assert getattr(codec, key) == theirs


PUBLIC = (
    """COMPILED Codec Denial EncodingError FormatError LimitError Limits PLAIN Pickler Policy PolicyError
    PolicyFileError ReconstructionError Right SafePickleError SignatureError StateError UNLIMITED UNRESTRICTED
    Unpickler dump dumps load loads"""
).split()


@pytest.mark.parametrize("key", PUBLIC)
def test_public_names(sp: ModuleType, key: str) -> None:
    assert hasattr(sp, key)


def test_there_and_back(sp: ModuleType) -> None:
    codec = sp.Codec()
    for protocol in range(codec.HIGHEST_PROTOCOL + 1):
        assert codec.loads(codec.dumps(VALUE, protocol)) == VALUE
        file = io.BytesIO()
        codec.dump(VALUE, file, protocol)
        codec.Pickler(file, protocol).dump(VALUE)
        file.seek(0)
        assert codec.load(file) == VALUE
        assert codec.Unpickler(file).load() == VALUE


def test_its_policy_and_limits_hold_everywhere(sp: ModuleType) -> None:
    codec = sp.Codec(limits=Limits(max_items=2))
    for load in (
        codec.loads,
        lambda d: codec.load(io.BytesIO(d)),
        lambda d: codec.Unpickler(io.BytesIO(d)).load(),
    ):
        with pytest.raises(PolicyError):
            load(OS)
        with pytest.raises(LimitError):
            load(pickle.dumps([1, 2, 3]))
    for dump in (
        codec.dumps,
        lambda v: codec.dump(v, io.BytesIO()),
        lambda v: codec.Pickler(io.BytesIO()).dump(v),
    ):
        with pytest.raises(PolicyError):
            dump(len)
        with pytest.raises(LimitError):
            dump([1, 2, 3])


def test_two_codecs_do_not_share(sp: ModuleType) -> None:
    narrow, wide = sp.Codec(limits=Limits(max_items=2)), sp.Codec()
    assert wide.loads(pickle.dumps([1, 2, 3])) == [1, 2, 3]
    assert wide.Unpickler(io.BytesIO(pickle.dumps([1, 2, 3]))).load() == [1, 2, 3]
    with pytest.raises(LimitError):
        narrow.Unpickler(io.BytesIO(pickle.dumps([1, 2, 3]))).load()


def test_its_classes_can_be_derived_from(sp: ModuleType) -> None:
    codec = sp.Codec()

    class Reader(codec.Unpickler):  # type: ignore[misc, name-defined]
        def persistent_load(self, pid: Any) -> Any:
            return pid * 2

    assert Reader(io.BytesIO(b"Pab\n.")).load() == "abab"
    with pytest.raises(PolicyError):
        Reader(io.BytesIO(OS)).load()


def test_it_is_a_value(sp: ModuleType) -> None:
    codec = sp.Codec(limits=Limits(max_items=2))
    assert codec == sp.Codec(limits=Limits(max_items=2))
    assert codec != sp.Codec()
    assert hash(codec) == hash(sp.Codec(policy=PLAIN, limits=Limits(max_items=2)))
    assert copy.copy(codec) == codec
    for key in ("policy", "limits", "Unpickler", "loads", "other"):
        with pytest.raises(AttributeError):
            setattr(codec, key, None)
        with pytest.raises(AttributeError):
            delattr(codec, key)
    assert "max_items=2" in repr(codec)
