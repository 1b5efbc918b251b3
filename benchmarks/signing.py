"""The command `python -m benchmarks.signing`: what signing costs, beside pickle without and with a signature.

Rules:
- The plain shapes over 10 kB, and the small message as what a cache has for an entry. All in one process, in
  interleaved rounds, as in the other benchmarks (see timing.py); results are checked before anything is measured.
- safepickle signs with HMAC-SHA256 and a context, as a cache does; `itsdangerous` runs as its documentation shows
  it, with HMAC-SHA1, and once more with SHA-256. It is left out where it is not installed.
- Streams are files: verifying one reads it. It is compared with an HMAC over the same file, read into one buffer
  again and again, and with the same HMAC over one block in memory, which reads nothing. CPU time of the process.

Exit codes: 0 measured, and every requirement met; 1 a requirement missed; 2 usage.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import safepickle
from safepickle.signing.signer import Signer
from safepickle.signing.streams import StreamWriter, verify_file

from .contestants import COMPILED, FormMissingError, package_of
from .shapes import PLAIN, SHAPES, select
from .timing import DEFAULT_PLAN, Job, Plan, geometric_mean, measure, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .shapes import Shape

OURS: Final = "safepickle, signed"
BARE: Final = "pickle"
ITS: Final = "itsdangerous+pickle"
ITS_SHA256: Final = "itsdangerous+pickle, sha256"

CONTEXT: Final = "user:42"
#: Least size of a shape's pickle, in bytes, for the tables; the rest is what small messages cost.
LEAST: Final = 10_000
SMALL: Final = "small_message"

#: What can be required, with its unit.
MEASURES: Final = {
    "loads": "times pickle.loads, geometric mean",
    "dumps": "times pickle.dumps, geometric mean",
    "loads-itsdangerous": "times itsdangerous+pickle, geometric mean",
    "dumps-itsdangerous": "times itsdangerous+pickle, geometric mean",
    "small-loads": "microseconds over pickle.loads",
    "small-dumps": "microseconds over pickle.dumps",
    "stream-time": "times an HMAC over the same file",
    "stream-memory-time": "times an HMAC over one block in memory",
    "stream-memory": "MB over the base",
}

BLOCK: Final = 1 << 20


class Contestant(NamedTuple):
    """A column."""

    name: str
    loads: Callable[[Any], object]
    dumps: Callable[[Any], Any]


def contestants(package: Any) -> list[Contestant]:
    """Return who takes part."""
    codec = package.Codec(keys=safepickle.KeyRing.generate(), purpose="cache")
    found = [
        Contestant(
            OURS, lambda data: codec.loads(data, context=CONTEXT), lambda value: codec.dumps(value, context=CONTEXT)
        ),
        Contestant(BARE, pickle.loads, pickle.dumps),
    ]
    try:
        from itsdangerous import Serializer
    except ImportError:
        print("itsdangerous is not installed: left out", file=sys.stderr)
        return found
    secret = os.urandom(32)
    plain = Serializer(secret, serializer=pickle)
    sha256 = Serializer(secret, serializer=pickle, signer_kwargs={"digest_method": hashlib.sha256})
    return [*found, Contestant(ITS, plain.loads, plain.dumps), Contestant(ITS_SHA256, sha256.loads, sha256.dumps)]


def _shapes(names: str | None) -> list[Shape]:
    chosen = [shape for shape in select(names) if shape.group == PLAIN and shape.name != SMALL]
    return [shape for shape in chosen if len(pickle.dumps(shape.build(1.0))) > LEAST]


def measure_shape(shape: Shape, direction: str, everyone: Sequence[Contestant], plan: Plan) -> dict[str, list[float]]:
    """Return the seconds of each contestant, round by round."""
    value = shape.build(1.0)
    jobs = {}
    for one in everyone:
        written = one.dumps(value)
        if not shape.same(value, one.loads(written)):
            raise ValueError(f"{shape.name} by {one.name} does not give what was written")
        jobs[one.name] = Job(one.loads, written) if direction == "loads" else Job(one.dumps, value)
    return measure(jobs, plan)


def compare(package: Any, plan: Plan, names: str | None) -> dict[str, Any]:
    """Measure blobs in both directions."""
    everyone = contestants(package)
    small = next(shape for shape in SHAPES if shape.name == SMALL)
    document: dict[str, Any] = {"rows": [], "measures": {}}
    for direction in ("loads", "dumps"):
        rows = []
        for shape in _shapes(names):
            times = measure_shape(shape, direction, everyone, plan)
            rows.append({name: ratio(series, times[BARE]).median for name, series in times.items()})
            rows[-1]["against its"] = ratio(times[OURS], times[ITS]).median if ITS in times else None
            seconds = {name: statistics.median(series) for name, series in times.items()}
            document["rows"].append(
                {"direction": direction, "shape": shape.name, "seconds": seconds, "ratios": rows[-1]}
            )
        document["measures"][direction] = geometric_mean([row[OURS] for row in rows])
        if ITS in rows[0]:
            document["measures"][f"{direction}-itsdangerous"] = geometric_mean([row["against its"] for row in rows])
        times = measure_shape(small, direction, everyone, plan)
        over = [(mine - bare) * 1e6 for mine, bare in zip(times[OURS], times[BARE], strict=True)]
        document["measures"][f"small-{direction}"] = statistics.median(over)
    return document


# -- streams -------------------------------------------------------------------------------------------------


def _raw(key: bytes, size: int) -> float:
    block = os.urandom(BLOCK)
    start = time.process_time()
    tag = hmac.new(key, digestmod="sha256")
    for _ in range(size // BLOCK):
        tag.update(block)
    tag.digest()
    return time.process_time() - start


def _file(key: bytes, path: Path) -> float:
    buffer = bytearray(BLOCK)
    view = memoryview(buffer)
    start = time.process_time()
    tag = hmac.new(key, digestmod="sha256")
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            tag.update(view[:count])
    tag.digest()
    return time.process_time() - start


#: Run in a process of its own: verifies a file and prints how much more memory that took, in bytes.
_PROBE: Final = """
import sys
import safepickle
from benchmarks.memory import high_water_mark, reset_mark
from safepickle.signing.signer import Signer
from safepickle.signing.streams import verify_file
signer = Signer(safepickle.KeyRing.from_file(sys.argv[2]))
signer.sign(b"")  # the base is a program that has computed a tag
reset_mark()
base = high_water_mark()
with open(sys.argv[1], "rb") as file:
    verify_file(file, signer)
print(high_water_mark() - base)
"""


def streams(size: int, rounds: int) -> dict[str, Any]:
    """Measure the verification of a file of so many bytes."""
    from safepickle.signing.keyfiles import write_ring

    ring = safepickle.KeyRing.generate()
    signer = Signer(ring)
    key = os.urandom(32)
    found: dict[str, list[float]] = {"raw": [], "file": [], "verify": []}
    with tempfile.TemporaryDirectory() as directory:
        path, keys = Path(directory) / "stream", Path(directory) / "keys"
        write_ring(keys, ring)
        block = os.urandom(BLOCK)
        with path.open("wb") as file, StreamWriter(file, signer) as writer:
            for _ in range(size // BLOCK):
                writer.write(block)
        for _ in range(rounds):
            found["raw"].append(_raw(key, size))
            found["file"].append(_file(key, path))
            start = time.process_time()
            with path.open("rb") as file:
                verify_file(file, signer)
            found["verify"].append(time.process_time() - start)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE, path, keys], capture_output=True, text=True, check=True, env=environment
        )
    return {
        "seconds": found,
        "measures": {
            "stream-time": ratio(found["verify"], found["file"]).median,
            "stream-memory-time": ratio(found["verify"], found["raw"]).median,
            "stream-memory": int(probe.stdout) / 1e6,
        },
    }


# -- the command ---------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.signing", description="Measure what signing costs.")
    parser.add_argument("--form", choices=("compiled", "python"), default=COMPILED, help="which form (%(default)s)")
    parser.add_argument("--part", choices=("blobs", "streams"), help="one part only")
    parser.add_argument("--shapes", metavar="NAMES", help="some of the plain shapes, with commas (default all)")
    parser.add_argument("--seconds", type=float, default=DEFAULT_PLAN.seconds, help="for each row (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="at least so many (%(default)s)")
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="of the stream (%(default)s)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of the report")
    parser.add_argument(
        "--require", metavar="NAME=BOUND,...", default="", help=f"exit with 1 above a bound: {', '.join(MEASURES)}"
    )
    return parser


def _requirements(text: str) -> dict[str, float]:
    wanted = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, bound = part.partition("=")
        if name not in MEASURES:
            raise ValueError(f"no such measure: {name} (there are {', '.join(MEASURES)})")
        wanted[name] = float(bound)
    return wanted


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    names = [name for name in rows[0]["seconds"] if name != BARE]
    lines = [f"{'':6} {'shape':16}{'pickle takes':>14}" + "".join(f"{name:>29}" for name in names)]
    for row in rows:
        cells = "".join(f"{row['ratios'][name]:29.2f}" for name in names)
        lines.append(f"{row['direction']:6} {row['shape']:16}{row['seconds'][BARE] * 1e6:11.1f} us{cells}")
    return [*lines, ""]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    try:
        wanted = _requirements(asked.require)
        if not _shapes(asked.shapes):
            raise ValueError(f"no plain shape over {LEAST} bytes among {asked.shapes}")
        package = package_of(asked.form)
    except (ValueError, FormMissingError) as error:
        parser.error(str(error))
    document: dict[str, Any] = {"schema": 1, "form": asked.form, "python": sys.version.split()[0], "measures": {}}
    if asked.part != "streams":
        blobs = compare(package, Plan(asked.seconds, DEFAULT_PLAN.sample, max(1, asked.rounds)), asked.shapes)
        document["rows"] = blobs["rows"]
        document["measures"] |= blobs["measures"]
    if asked.part != "blobs":
        stream = streams(max(1, asked.size) * BLOCK, max(1, asked.rounds))
        document["stream"] = stream["seconds"]
        document["measures"] |= stream["measures"]
    if asked.format == "json":
        print(json.dumps(document, indent=1))
    else:
        lines = [f"safepickle, {asked.form} form, signed with HMAC-SHA256; Python {document['python']}", ""]
        lines += _table(document["rows"]) if "rows" in document else []
        lines += [f"{name:22}{value:9.3f}  {MEASURES[name]}" for name, value in document["measures"].items()]
        print("\n".join(lines))
    missed = [
        f"{name}: required at most {bound:g}, "
        + (f"measured {document['measures'][name]:.3f}" if name in document["measures"] else "not measured")
        for name, bound in wanted.items()
        if not document["measures"].get(name, float("inf")) <= bound
    ]
    for line in missed:
        print(line, file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
