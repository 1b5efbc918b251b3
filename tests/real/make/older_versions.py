"""Makes the files of `older/`, which older versions of numpy and pandas write; run by hand with these installed.

    python tests/real/make/older_versions.py

Each file is a dict of pickles by name, of the kinds of objects that `tests/packs` tries, in protocol 4.
"""

from __future__ import annotations

import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import pandas as pd
from packs.frames import pandas_objects

OLDER = Path(__file__).resolve().parent.parent / "older"


def pickles(objects: dict[str, Any]) -> bytes:
    """Return a pickle of the pickles of some objects."""
    return pickle.dumps({name: pickle.dumps(value, 4) for name, value in objects.items()}, 4)


def main() -> None:
    """Write one file for each library."""
    OLDER.mkdir(exist_ok=True)
    numpy_version, pandas_version = (".".join(module.__version__.split(".")[:2]) for module in (np, pd))
    generators = {
        "generator": np.random.default_rng(1),
        "random state": np.random.RandomState(1),
        "texts": np.char.array(["a", "bc"]),
        "records": np.rec.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
    }
    (OLDER / f"numpy_{numpy_version}.pkl").write_bytes(pickles(generators))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (OLDER / f"pandas_{pandas_version}.pkl").write_bytes(pickles(pandas_objects()))


if __name__ == "__main__":
    main()
