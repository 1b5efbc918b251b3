"""Checks that the public surface is completely typed, as `pyright --verifytypes` judges it. Run by .ci/run.

pyright calls every module without a leading underscore public, and wants each attribute of each class
declared where it is assigned. The modules that do the work are not for users, and there the types of
attributes stand in the `.pxd` files; so its report is read here, and what counts is the part that users
import from.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

#: What users import from: these modules, and the names that `safepickle` itself has.
PUBLIC = (
    "safepickle.codec.",
    "safepickle.decoding.unpickler.",
    "safepickle.encoding.pickler.",
    "safepickle.errors.",
    "safepickle.limits.",
    "safepickle.policy.",
    "safepickle.signing.keys.",
    "safepickle.signing.signer.",
    "safepickle.signing.streams.",
)


def is_public(symbol: dict[str, Any]) -> bool:
    """Say whether users get at the symbol, in a public module, `safepickle` or `safepickle.inspection`."""
    name = symbol["name"].removeprefix("safepickle.inspection.").removeprefix("safepickle.")
    return symbol["isExported"] and ("." not in name or symbol["name"].startswith(PUBLIC))


def main() -> int:
    """Print what is not completely typed, and say whether anything was."""
    command = ["pyright", "--verifytypes", "safepickle", "--ignoreexternal", "--outputjson"]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    public = [symbol for symbol in json.loads(output)["typeCompleteness"]["symbols"] if is_public(symbol)]
    lacking = [symbol for symbol in public if not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"]]
    for symbol in lacking:
        for diagnostic in symbol.get("diagnostics", []):
            message = " ".join(diagnostic["message"].split())
            print(f"{diagnostic.get('file', '')}: {symbol['name']}: {message}")
    print(f"verifytypes: {len(public) - len(lacking)} of {len(public)} public symbols are completely typed")
    return 1 if lacking or not public else 0


if __name__ == "__main__":
    sys.exit(main())
