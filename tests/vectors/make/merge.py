"""Runs `stdlib_writer.py` under each interpreter given and merges what they wrote into ../data/*.jsonl.

    python make/merge.py PYTHON [PYTHON ...]

Rules: equal bytes of one value become one record that lists all its writers; records are sorted, so that a run
with the same interpreters gives the same files. The first line of each file says what wrote it.
Bytes are base64 (`b64`), or base64 of zlib (`z64`) where that is a lot shorter.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data"
COMPRESS_FROM = 200  # bytes: below this the record stays readable with a plain base64 decoder

Record = dict[str, Any]


def encoded(data: bytes) -> dict[str, str]:
    """The field that carries the bytes."""
    packed = zlib.compress(data, 9)
    if len(data) >= COMPRESS_FROM and len(packed) < 0.7 * len(data):
        return {"z64": base64.b64encode(packed).decode()}
    return {"b64": base64.b64encode(data).decode()}


def write_group(path: Path, provenance: Record, records: list[Record]) -> None:
    """One file: the provenance line, then the records."""
    lines = [json.dumps({"provenance": provenance}, sort_keys=True)]
    lines += [json.dumps(record, sort_keys=True) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def lines_of(interpreter: str) -> list[Record]:
    """What one interpreter writes. A fixed hash seed: the order of a set's items is in the bytes."""
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [interpreter, str(HERE / "stdlib_writer.py")], env=environment, check=True, stdout=subprocess.PIPE
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def merged(lines: list[Record]) -> dict[str, list[Record]]:
    """Group -> records, equal bytes of one name joined."""
    groups: dict[str, dict[tuple[str, str], Record]] = {}
    for line in lines:
        key = (line["name"], line["b64"])
        record = groups.setdefault(line["group"], {}).setdefault(
            key, {"name": line["name"], "repr": line["repr"], "protocol": line["protocol"], "writers": []}
        )
        record["protocol"] = min(record["protocol"], line["protocol"])
        short = line["python"].rsplit(".", 1)[0]
        form = "" if line["form"] == "plain" else " " + line["form"]
        record["writers"].append(f"{short} {line['implementation']} {line['protocol']}{form}")
    result = {}
    for group, records in groups.items():
        for (_, b64), record in records.items():
            record.update(encoded(base64.b64decode(b64)))
        result[group] = [
            record for _, record in sorted(records.items(), key=lambda item: (item[0][0], item[1]["protocol"], item[0][1]))
        ]
    return result


def main(interpreters: list[str]) -> None:
    lines = [line for interpreter in interpreters for line in lines_of(interpreter)]
    versions = sorted({line["python"] for line in lines}, key=lambda text: [int(part) for part in text.split(".")])
    provenance = {"made_by": "make/merge.py, make/stdlib_writer.py", "cpython": versions, "writers": "version implementation protocol [form]"}
    DATA.mkdir(exist_ok=True)
    for group, records in merged(lines).items():
        write_group(DATA / f"{group}.jsonl", provenance, records)


if __name__ == "__main__":
    main(sys.argv[1:])
