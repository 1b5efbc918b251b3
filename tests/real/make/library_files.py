"""Makes the files of joblib and torch beside this folder; run by hand, with the libraries installed.

    python tests/real/make/library_files.py joblib | torch | old-joblib

`old-joblib` is for joblib 1.1, whose arrays are not aligned, and 0.9, whose files name other files.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

REAL = Path(__file__).resolve().parent.parent


def arrays() -> dict[str, Any]:
    """Return arrays of the kinds that joblib tells apart, with other data around them."""
    shared = np.arange(3, dtype="i4")
    return {
        "floats": np.linspace(0, 1, 12).reshape(3, 4),
        "fortran": np.asfortranarray(np.arange(6, dtype="i8").reshape(2, 3)),
        "big-endian": np.arange(3, dtype=">i4"),
        "text": np.array(["a", "bcd"]),
        "times": np.array(["2020-01-01", "NaT"], "M8[ns]"),
        "structured": np.array([(1, 2.5), (3, 4.5)], [("a", "i2"), ("b", "f8")]),
        "objects": np.array([{"a": 1}, [2, None], "x"], object),
        "empty": np.zeros((0, 3)),
        "one": np.array(5.0),
        "scalar": np.float64(2.5),
        "shared": [shared, shared],
        "plain": (1, "two", b"three"),
    }


def make_joblib() -> None:
    """Write arrays with each compressor, and two models."""
    import joblib
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    value = arrays()
    for name, compress in (("", 0), (".z", "zlib"), (".gz", "gzip"), (".bz2", "bz2"), (".xz", "xz"), (".lzma", "lzma")):
        joblib.dump(value, REAL / f"joblib_arrays.joblib{name}", compress=(compress, 3) if compress else 0)
    joblib.dump(value, REAL / "joblib_arrays.p2.joblib", protocol=2)
    joblib.dump(value, REAL / "joblib_arrays.joblib.lz4", compress=("lz4", 3))
    x, y = np.random.RandomState(0).rand(12, 2), np.arange(12) % 2
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    joblib.dump(pipeline, REAL / "joblib_pipeline.joblib")
    trees = GradientBoostingClassifier(n_estimators=2, max_depth=1).fit(x, y)
    joblib.dump(trees, REAL / "joblib_trees.joblib.gz", compress=("gzip", 9))


def make_old_joblib() -> None:
    """Write what versions of joblib before 1.2 wrote."""
    import joblib

    if joblib.__version__.startswith("0.9"):
        # With a file for each array beside it, or as one file with a prefix of its own.
        joblib.dump([np.arange(3)], str(REAL / "joblib_companions.0.9.joblib"))
        joblib.dump([np.arange(3)], str(REAL / "joblib_zfile.0.9.joblib"), compress=3, cache_size=0)
    else:
        joblib.dump(arrays(), REAL / "joblib_arrays.1.1.joblib")


def make_torch() -> None:
    """Write state dicts, storages that are shared, types, and the form from before archives."""
    import torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.rand(4, 2)).sum().backward()
    optimizer.step()
    training = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    torch.save(training, REAL / "torch_training.pt")
    base = torch.arange(12, dtype=torch.float32)
    torch.save([base, base[2:5], base.view(3, 4).t(), base.view(3, 4)[1:, ::2]], REAL / "torch_shared.pt")
    names = (
        "uint8 int8 int16 int32 int64 uint16 uint32 uint64 float16 float32 float64 bfloat16 complex64 complex128 bool"
    )
    kinds = OrderedDict((name, torch.arange(6).to(getattr(torch, name)).reshape(2, 3)) for name in names.split())
    torch.save(kinds, REAL / "torch_kinds.pt")
    torch.save(kinds, REAL / "torch_kinds.p4.pt", pickle_protocol=4)
    others = {
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "size": torch.Size([1, 2]),
        "device": torch.device("cuda:1"),
        "type": torch.float32,
        "expanded": torch.ones(1).expand(100),
        "empty": torch.empty(0, 3),
        "conjugate": torch.tensor([1 + 2j]).conj(),
    }
    torch.save(others, REAL / "torch_others.pt")
    torch.save(base, REAL / "torch_legacy.pt", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    {"joblib": make_joblib, "old-joblib": make_old_joblib, "torch": make_torch}[sys.argv[1]]()
