"""The fuzzing harness of safepickle: targets, oracles, a grammar of pickles and what runs them.

`python -m fuzz run`, `replay`, `minimise`, `coverage`, `compare`, `faults`; docs/fuzzing.md is the manual. Not part of
the wheel, and of nothing outside this folder but the package under test.

Rules that hold here:

* The installed package is what is fuzzed, with its extension modules; where none is installed, the source tree beside
  this folder, run as Python. So the project's root goes to the end of `sys.path` here. With SAFEPICKLE_FUZZ_TREE=1 it
  is the tree in any case: copies with planted faults are fuzzed so.
* Nothing is imported from safepickle before an engine had its chance to instrument it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_AT_ROOT = [entry for entry in sys.path if not entry or Path(entry).resolve() == ROOT]
for _entry in () if os.environ.get("SAFEPICKLE_FUZZ_TREE") == "1" else _AT_ROOT:
    if not any(Path(other, "fuzz", "__init__.py").exists() for other in sys.path if other and other != _entry):
        sys.path.remove(_entry)
        sys.path.append(str(ROOT))
