"""Real objects of numpy, of every kind that its pack is for."""

from __future__ import annotations

from typing import Any

import numpy as np


def numpy_objects() -> dict[str, Any]:
    """Return objects by name."""
    found: dict[str, Any] = {}
    for code in "?bhilqBHILQefdgFDG":
        found[f"array {code}"] = np.arange(6).astype(code).reshape(2, 3)
        found[f"scalar {code}"] = np.array([1], code)[0]
        found[f"dtype {code}"] = np.dtype(code)
    structured = np.dtype([("a", "<i4"), ("b", "f8", (2,)), ("c", "U3"), ("d", [("e", "i1")])])
    found |= {
        "bytes": np.array([b"a", b"bcd"]),
        "text": np.array(["a", "bcd"]),
        "text scalar": np.str_("abc"),
        "bytes scalar": np.bytes_(b"abc"),
        "big-endian": np.arange(3, dtype=">i4"),
        "datetime": np.array(["2020-01-01", "NaT"], "M8[ns]"),
        "datetime scalar": np.datetime64("2020-01-01T00:00", "ms"),
        "timedelta": np.array([1, 2], "m8[s]"),
        "structured": np.array([(1, [1, 2], "a", (3,))], structured),
        "structured dtype": structured,
        "aligned dtype": np.dtype([("a", "i1"), ("b", "f8")], align=True),
        "structured scalar": np.array([(1, [1, 2], "a", (3,))], structured)[0],
        "some fields": np.zeros(2, structured)[["a", "b"]],
        "some fields with text": np.zeros(2, structured)[["a", "c"]],
        "field of arrays": np.zeros(2, structured)["b"],
        "structured, swapped": np.zeros(2, structured).astype(structured.newbyteorder(">")),
        "structured without items": np.zeros((0, 2), structured),
        "titles": np.zeros(1, [(("title", "a"), "i4")]),
        "fields over each other": np.zeros(
            1, np.dtype({"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 0]})
        ),
        "records": np.zeros(2, structured).view(np.recarray),
        "one record": np.zeros(2, structured).view(np.recarray)[0],
        "masked records": np.ma.array(np.zeros(2, [("a", "i4"), ("b", "U2")]), mask=[(0, 1), (1, 0)]),
        "units of 25 seconds": np.array(["2020-01-01", "NaT"], "M8[25s]"),
        "texts of no length": np.array(["", ""]),
        "read-only": np.broadcast_to(np.arange(3), (2, 3)),
        "void": np.array([b"abc"], "V3"),
        "object": np.array([{"a": 1}, [2], None, "x"], object),
        "object in 2 dimensions": np.array([[1, "a"], [None, 2.5]], object),
        "empty": np.zeros((0, 3)),
        "no dimension": np.array(5.0),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "transposed": np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1),
        "strided": np.arange(10)[::2],
        "masked": np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]),
        "masked without mask": np.ma.array([1, 2]),
        "masked constant": np.ma.masked,
        "masked objects": np.ma.array([1, "a"], mask=[0, 1], dtype=object),
        "record array": np.rec.array([(1, "a")], dtype=[("x", "i4"), ("y", "U2")]),
        "matrix": np.asmatrix([[1, 2], [3, 4]]),
        "big": np.zeros(10_000),
        "dtype with metadata": np.dtype("i4", metadata={"a": 1}),
        "class of an array": np.ndarray,
        "class of a scalar": np.float64,
        "chararray": np.char.array(["a", "b"]),
    }
    for name in ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"):
        found[f"generator {name}"] = np.random.Generator(getattr(np.random, name)(5))
    found["random state"] = np.random.RandomState(5)
    found["seed sequence"] = np.random.SeedSequence(5)
    for kind, seed in (("of numpy's", np.uint64(5)), ("of a list", [1, 2]), ("of an array", np.array([1, 2]))):
        found[f"seed sequence {kind}"] = np.random.SeedSequence(seed)
    return found
